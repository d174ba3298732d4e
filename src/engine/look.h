/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What capture saw threads do, at moments that matter. */
#ifndef SVCTRACE_ENGINE_LOOK_H
#define SVCTRACE_ENGINE_LOOK_H

#include "engine/process.h"

void look_free(struct thread_look *l);
int look_copy(struct thread_look **ret, const struct thread_look *l);

/* WIRE_THREAD: gathered until the WIRE_LOOK or WIRE_PIDNS_LOOK that they are of comes. */
int look_learn_thread(struct thread_look *l, const struct ev *e,
		      const struct process_table *processes);
/* WIRE_USER_STACK, WIRE_PID_LEVELS: of one of them. */
int look_learn_user_stack(struct thread_look *l, const struct ev *e);
void look_learn_levels(struct thread_look *l, const struct ev *e);
/* WIRE_LOOK: completes l. */
int look_learn(struct thread_look *l, const struct ev *e);
/* Then: what holds its threads. frozen: the unit's cgroup, if it is; else NULL. */
int look_judge(struct thread_look *l, struct str id, const char *frozen);
/*
 * WIRE_PIDNS_LOOK: completes l, of a pid namespace whose tasks were all killed. What holds those
 * that have not run since before, which is the look at it that came first; NULL: this one does.
 */
int look_learn_pidns(struct thread_look *l, const struct ev *e, const struct thread_look *before);
/* Empties it for the next one. */
void look_clear(struct thread_look *l);

void awaited_done(struct awaited *a);

/* As look_judge(), of a namespace; see look_learn_pidns(). */
int look_judge_pidns(struct thread_look *l, const struct thread_look *before);

void hang_ids_set(struct hang_ids *ids, const struct ev *e);
int hold_copy(struct look_hold *dst, const struct look_hold *src);
void hold_done(struct look_hold *h);

#endif
