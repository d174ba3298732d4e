/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Timelines: the states that a service went through, how long it was in each, and what led to each.
 * The engine makes them; it is as pure with them as with verdicts, and as bounded.
 */
#ifndef SVCTRACE_TIMELINE_H
#define SVCTRACE_TIMELINE_H

#include "svctrace/engine.h"

/* What led to a state, or to another main process. */
enum span_cause {
	SPAN_NOT_SEEN,
	SPAN_JOB,	   /* a job ran: to start, to stop, to restart it */
	SPAN_RESTART,	   /* Restart=, and its time was up */
	SPAN_MAIN_EXIT,	   /* the main process ended */
	SPAN_CONTROL_EXIT, /* the process of an Exec…= setting ended */
	SPAN_CHILD_EXIT,   /* another of its processes ended */
	SPAN_PID_FILE,	   /* its PID file named a main process */
	SPAN_MAIN_PID,	   /* it has another main process; who said so was not seen */
	SPAN_TIMER,	   /* a time limit or interval was over */
	SPAN_WATCHDOG,
	SPAN_OOM,
	SPAN_CGROUP_EMPTY,
	SPAN_AT_ONCE, /* it follows from the state before, in the same call */
	SPAN_CAUSE_MAX,
};

/* Stable name, "main-exit"; NULL for SPAN_NOT_SEEN. */
const char *span_cause_name(enum span_cause cause);

#define SPANS_MAX	64
#define SPAN_EVENTS_MAX 8

/* State and main process stayed as they were. */
struct span {
	char *state;		  /* "running" */
	const char *active_state; /* "active"; NULL: not known */
	int32_t main_pid;	  /* in the manager's namespace; 0: none, or not known */
	bool begin_seen;	  /* else it was so when the unit was first seen */
	uint64_t begin_mono_ns, begin_wall_ns;
	uint64_t end_mono_ns; /* 0: it is so still */
	enum span_cause cause;
	char *why;	   /* the cause in words, ready for a terminal; NULL: not seen */
	struct proof by;   /* the event that led to it; seq 0: not seen */
	struct proof seen; /* the event that is its begin */
	/* What happened meanwhile: processes that ended, PID files. */
	struct proof event[SPAN_EVENTS_MAX];
	unsigned int n_events, n_events_left_out;
};

struct timeline {
	char *unit;
	uint32_t manager; /* its pid, initial namespace */
	struct span span[SPANS_MAX];
	unsigned int n_spans, n_left_out; /* the first is kept, then the last ones */
	bool complete;			  /* it ends with the service's end */
	/* The verdict of that end. */
	bool have_verdict;
	enum cause cause;
	enum certainty certainty;
	char *actor; /* "kill 11733", ready for a terminal; NULL: none, or not known */
};

typedef int (*timeline_sink)(void *ctx, const struct timeline *t);
typedef bool (*timeline_filter)(void *ctx, const char *unit);

/*
 * From now on the timelines of units that wanted says yes to are told: when the unit's end is
 * there, just before its verdict, and when the stream ends. Valid until the sink returns.
 */
void engine_tell_timelines(struct engine *g, timeline_filter wanted, timeline_sink sink, void *ctx);

#endif
