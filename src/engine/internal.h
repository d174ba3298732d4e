/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What engine.c and stop.c share. */
#ifndef SVCTRACE_ENGINE_INTERNAL_H
#define SVCTRACE_ENGINE_INTERNAL_H

#include "engine/cgroup.h"
#include "engine/hang.h"
#include "engine/hardware_watchdog.h"
#include "engine/rules.h"
#include "engine/slow.h"
#include "engine/stop_blame.h"
#include "engine/timeline.h"
#include "engine/unit.h"
#include "engine/watch.h"

#define SECOND_NS	   1000000000ull
/* A call stack that takes longer than a second is odd. */
#define TRIGGER_CERTAIN_NS SECOND_NS

#define LOST_SPANS_MAX	   32

struct lost_span {
	uint64_t since_ns, until_ns, count;
};

struct engine {
	verdict_sink sink;
	void *ctx;
	struct process_table processes;
	struct cgroup_table cgroups;
	struct unit_table units;
	struct stop_queue stops; /* in the order in which they began */
	struct call_table calls;
	struct hang_table hangs;
	struct watch_table watches;
	struct hardware_watchdog_table hardware;
	struct thread_look look; /* whose threads come now */
	slow_sink slow;		 /* NULL: nobody wants to know */
	void *slow_ctx;
	struct timeline_table timelines;
	unsigned int n_ended; /* stops that only wait for a restart to follow */
	struct lost_span lost[LOST_SPANS_MAX];
	unsigned int n_lost; /* ever; the newest overwrite the oldest */
	enum arch arch;
	bool jobs_are_seen;
	uint64_t now_mono, now_wall;
	struct engine_stats stats;
};

/* ---- stops: engine/stop.c; each returns 0, -ENOMEM, or what the verdict's sink says ---- */

/* What a manager decides, of which a stop consists. */
bool is_deciding(enum wire_kind kind);
/* Whether a stop that nothing was known of begins with this event. */
bool stop_begins(const struct manager *m, const struct ev *e);
int stop_open(struct engine *g, struct manager *m, struct unit *u, const struct ev *e);
/* What every event of the unit adds to a stop under way. */
int stop_note_event(struct engine *g, struct manager *m, struct unit *u, const struct ev *e);
/* A stop is under way, and the unit enters another state. */
int stop_set_state(struct engine *g, struct unit *u, const struct ev *e);
/* The manager sends that signal in a stop of the unit that the target is a process of; else NULL.
 */
int stop_of_signal(struct engine *g, const struct ev *e, struct stop_blame **ret);
/* Its end will not be seen: its verdict goes out and says why; the unit may be gone then. */
int stop_abandon(struct engine *g, struct unit *u, const char *why);
/* The verdicts of those that ended, and of which nothing more can come. */
int stops_release(struct engine *g, const struct ev *e);

#endif
