/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where threads are in user space. Nothing stops them for it: their registers come with the look,
 * their stacks are read from their memory, and what a thread changed meanwhile, since it ran, is
 * not told.
 */
#ifndef SVCTRACE_USER_STACKS_H
#define SVCTRACE_USER_STACKS_H

#include "capture/capture_internal.h"
#include "capture/look.h"

/* Reading another's memory and its files may hang: a helper does that. */
struct user_stacks {
	struct helper helper;
	struct budget budget;
	bool asked; /* from begin to end */
	uint64_t since_ns, deadline_ns;
};

/* Of all threads that the last look told, in that order. */
void user_stacks_begin(struct user_stacks *u, const struct looker *l);
/* The next one, as WIRE_USER_STACK. What the sink said. */
int user_stacks_send(struct user_stacks *u, const struct task_state *t, struct stream *s);
void user_stacks_end(struct user_stacks *u);
void user_stacks_done(struct user_stacks *u);

#endif
