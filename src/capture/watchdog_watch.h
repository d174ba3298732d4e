/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Services that send keepalives: what their main process does is looked at a little before the
 * watchdog fires, since the signal may leave nothing to look at; and again when it has fired.
 */
#ifndef SVCTRACE_WATCHDOG_WATCH_H
#define SVCTRACE_WATCHDOG_WATCH_H

#include "capture/look.h"

struct manager;

#define WATCHDOG_WATCH_MAX 256

struct watchdog_watched {
	pid_t manager;
	uint64_t unit; /* address */
	char id[WIRE_ID_MAX];
	uint32_t pidns, main_pid; /* as its manager counts */
	uint32_t tgid;		  /* the same in the initial pid namespace; 0: not known */
	uint64_t keepalive_ns, interval_ns;
	bool looked; /* since that keepalive */
	struct look_base base;
};

struct watchdog_watch {
	struct watchdog_watched watched[WATCHDOG_WATCH_MAX];
	unsigned int n;
	uint64_t fired_unit, fired_ns; /* the last that was looked at after it had fired */
};

/* m: whose record it is; NULL: no traced manager's. */
void watchdog_watch_follow(struct watchdog_watch *w, struct looker *l, const struct manager *m,
			   const struct wire_hdr *h);
/* When to look next; 0: never. CLOCK_MONOTONIC. */
uint64_t watchdog_watch_next(const struct watchdog_watch *w);
/* Looks at whose watchdog fires soon, and says so. */
int watchdog_watch_look(struct watchdog_watch *w, struct looker *l, struct stream *s);
/* The watchdog has fired if that is what the record says: looks. */
int watchdog_watch_fired(struct watchdog_watch *w, struct looker *l, const struct manager *m,
			 const struct wire_hdr *h, struct stream *s);

#endif
