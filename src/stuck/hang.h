/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The analysis's own parts. */
#ifndef SVCTRACE_STUCK_HANG_H
#define SVCTRACE_STUCK_HANG_H

#include "svctrace/stuck.h"

/* A process all of whose threads are stopped, traced or frozen: one of them, else NULL. */
const struct stuck_task *stuck_paused(const struct stuck_snapshot *s, pid_t tgid);

/* The hang's connection, its daemons and its kind, when its waiters are known. */
int stuck_judge_fuse(const struct stuck_snapshot *s, struct stuck_hang *h);
/* The connection that a task waits for; NULL: cannot be told. */
const struct stuck_connection *stuck_connection_of(const struct stuck_snapshot *s,
						   const struct stuck_task *t);
const struct stuck_mount *stuck_mount_of(const struct stuck_snapshot *s, unsigned int connection,
					 uint64_t mntns);
/* 0 too if it is there already. */
int stuck_add_daemon(struct stuck_hang *h, const struct stuck_task *t);

/* Fills in the sentences. */
int stuck_word(const struct stuck_snapshot *s, struct stuck_hang *h);

#endif
