/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What older records said that later ones need: the host, its managers, and the cgroups and
 * processes that live. Bounded by what is alive, not by how much was fed.
 */
#ifndef SVCTRACE_TRACE_STATE_H
#define SVCTRACE_TRACE_STATE_H

#include <stdint.h>
#include <sys/queue.h>

#include "svctrace/event.h"

/* Facts of processes and of names on a bus: their ends may be lost, so only that many. */
#define STATE_PASSING_MAX 131072

struct fact;
TAILQ_HEAD(fact_queue, fact);

struct state {
	void *by_key; /* tsearch(3) */
	struct fact_queue facts;
	unsigned int n_passing;
	uint64_t records; /* that were fed */
};

void state_init(struct state *s);
void state_done(struct state *s);
int state_feed(struct state *s, const void *record, size_t size);
/* Every record that is still true, in the order in which they came. */
int state_replay(const struct state *s, wire_sink sink, void *ctx);

#endif
