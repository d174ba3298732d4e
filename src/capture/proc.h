/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What /proc says of a process. */
#ifndef SVCTRACE_PROC_H
#define SVCTRACE_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <linux/types.h>

#include "svctrace/wire.h"

struct proc {
	struct wire_task task; /* start_ns exact to one clock tick; cgroup id is not filled in */
	uint32_t loginuid, session;
	char *exe, *cgroup;
	char *cmdline; /* NUL-separated, cmdline_len bytes */
	size_t cmdline_len;
	char tty[WIRE_TTY_LEN];
};

/*
 * Reads it all through one directory handle, so that it is one process even if the number is used
 * again meanwhile. hierarchy: of the cgroup path. -ESRCH when it is gone; what cannot be read
 * besides stays empty. The caller frees with proc_done().
 */
int proc_read(pid_t pid, int hierarchy, struct proc *ret);
void proc_done(struct proc *p);

/* By a signal, with all its threads: it does nothing until another one comes. */
bool proc_is_stopped(pid_t pid);
int proc_exe(pid_t pid, char **ret);
/* A process, not PID 1, whose executable's path the test accepts; 0 if there is none. */
pid_t proc_find(bool (*test)(const char *exe, size_t n));

/* Are these the same moment, given that /proc counts in clock ticks? */
int proc_same_start(uint64_t kernel_ns, uint64_t proc_ns);

#endif
