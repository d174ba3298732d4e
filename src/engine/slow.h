/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Stops that take long: who is left in the cgroup. */
#ifndef SVCTRACE_ENGINE_SLOW_H
#define SVCTRACE_ENGINE_SLOW_H

#include "engine/look.h"
#include "engine/unit.h"

/* What the manager waits for, as of the last event; l: who is left by then, NULL: not looked. */
int slow_await(const struct stop *s, const struct manager *m, const struct process_table *processes,
	       const struct thread_look *l, struct awaited *ret);
/* A look at a unit that stops. */
int slow_learn_look(struct stop *s, const struct thread_look *l);
/* An event of a unit that stops: its timeout may have run out. */
int slow_follow(struct stop *s, const struct ev *e);

#endif
