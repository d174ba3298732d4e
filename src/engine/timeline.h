/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Timelines under way: only of units that somebody wants to see. */
#ifndef SVCTRACE_ENGINE_TIMELINE_H
#define SVCTRACE_ENGINE_TIMELINE_H

#include "engine/unit.h"
#include "svctrace/timeline.h"

struct followed;
TAILQ_HEAD(followed_queue, followed);

struct timeline_table {
	timeline_filter wanted; /* NULL: nobody asked */
	timeline_sink sink;
	void *ctx;
	struct followed_queue units; /* the oldest first */
	unsigned int n;
};

void timeline_table_init(struct timeline_table *t);
void timeline_table_done(struct timeline_table *t);

/* An event of a service, before the engine follows it; or what capture found of its PID file. */
int timeline_learn(struct timeline_table *t, const struct manager *m, const struct ev *e);
/* The unit's end is known: its timeline is told if it leads there. What the sink said. */
int timeline_end(struct timeline_table *t, const struct verdict *v);
/* The stream ends. */
int timeline_flush(struct timeline_table *t);

#endif
