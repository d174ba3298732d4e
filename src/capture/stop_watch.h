/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Services that stop: who is left in the cgroup is looked at a little before the stop times out,
 * since SIGKILL may leave nobody to look at; when it has; and while it lasts for too long.
 */
#ifndef SVCTRACE_STOP_WATCH_H
#define SVCTRACE_STOP_WATCH_H

#include "capture/look.h"

struct hierarchy;
struct manager;

#define STOP_WATCH_MAX	 256
#define STOP_CGROUPS_MAX 64 /* of one service */

struct stop_watched {
	pid_t manager;
	uint64_t unit; /* address */
	char id[WIRE_ID_MAX];
	uint64_t begin_ns;	       /* of the stop */
	uint64_t stop_ns, abort_ns;    /* what its unit gives it; 0: not known, or no end */
	uint64_t state_ns, timeout_ns; /* of the state that it is in */
	bool looked;		       /* at the end of that state */
	uint64_t slow_ns;	       /* when it is told next to be slow */
	uint64_t cgroup[STOP_CGROUPS_MAX];
	unsigned int n_cgroups; /* when it was looked at last */
};

struct stop_watch {
	uint64_t slow_after_ns; /* 0: nobody asked */
	struct stop_watched watched[STOP_WATCH_MAX];
	unsigned int n;
	/* what the last WIRE_SERVICE_FACTS said */
	struct {
		pid_t manager;
		uint64_t unit, stop_ns, abort_ns;
	} facts;
};

/* m: whose record it is; NULL: no traced manager's. */
void stop_watch_follow(struct stop_watch *w, const struct manager *m, const struct wire_hdr *h);
/* When to look next; 0: never. CLOCK_MONOTONIC. */
uint64_t stop_watch_next(const struct stop_watch *w);
/* Looks at stops that are about to time out, or are slow, and says so. */
int stop_watch_look(struct stop_watch *w, struct looker *l, const struct hierarchy *hierarchy,
		    struct stream *s);
/* A stop has timed out if that is what the record says: looks. */
int stop_watch_timed_out(struct stop_watch *w, struct looker *l, const struct hierarchy *hierarchy,
			 const struct manager *m, const struct wire_hdr *h, struct stream *s);

#endif
