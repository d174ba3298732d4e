/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command that is run while it is recorded. */
#ifndef SVCTRACE_CHILD_H
#define SVCTRACE_CHILD_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

struct child {
	pid_t pid; /* 0: there is none */
	int go_fd, error_fd;
	bool started, ended;
	int code; /* its exit code, or as a shell has it: 128 + signal, 127 not found, 126 */
};

/*
 * A process that waits to become the command: it keeps the privileges and the signal mask of now,
 * whatever becomes of ours.
 */
int child_prepare(struct child *c, char *const *command, const sigset_t *mask);
/* Lets it begin; it has said what went wrong. */
int child_start(struct child *c, const char *name);
/* Looks whether it ended. */
void child_reap(struct child *c);
/* One that never began goes away. */
void child_done(struct child *c);

#endif
