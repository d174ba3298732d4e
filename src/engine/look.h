/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What capture saw threads do, at moments that matter. */
#ifndef SVCTRACE_ENGINE_LOOK_H
#define SVCTRACE_ENGINE_LOOK_H

#include "engine/process.h"

void look_free(struct thread_look *l);
int look_copy(struct thread_look **ret, const struct thread_look *l);

/* WIRE_THREAD: gathered until the WIRE_LOOK that they are of comes. */
int look_learn_thread(struct thread_look *l, const struct ev *e,
		      const struct process_table *processes);
/* WIRE_USER_STACK: of one of them. */
int look_learn_user_stack(struct thread_look *l, const struct ev *e);
/* WIRE_LOOK: completes l. */
int look_learn(struct thread_look *l, const struct ev *e);
/* Then: what holds its threads. frozen: the unit's cgroup, if it is; else NULL. */
int look_judge(struct thread_look *l, struct str id, const char *frozen);
/* Empties it for the next one. */
void look_clear(struct thread_look *l);

void awaited_done(struct awaited *a);

int hold_copy(struct look_hold *dst, const struct look_hold *src);
void hold_done(struct look_hold *h);

#endif
