/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Hardware watchdogs: a device that resets the machine when nobody pings it for its timeout.
 * systemd pings one if RuntimeWatchdogSec= says so, twice in each timeout; other daemons may do it
 * instead.
 */
#ifndef SVCTRACE_PUBLIC_HARDWARE_WATCHDOG_H
#define SVCTRACE_PUBLIC_HARDWARE_WATCHDOG_H

#include "svctrace/engine.h"

/* How long a ping may take: half of what systemd has to spare is used up then. */
static inline uint64_t hardware_watchdog_patience(uint64_t timeout_ns)
{
	return timeout_ns / 4 * 3;
}

enum hardware_watchdog_news {
	HARDWARE_WATCHDOG_OVERDUE, /* a ping stays away for longer than that */
	HARDWARE_WATCHDOG_LATE,	   /* a ping came, later than that */
	HARDWARE_WATCHDOG_OPENED,
	HARDWARE_WATCHDOG_CLOSED,
	HARDWARE_WATCHDOG_END, /* the trace ended: what was seen of it */
	HARDWARE_WATCHDOG_NEWS_MAX,
};

/* Stable name, "overdue"; NULL out of range. */
const char *hardware_watchdog_news_name(enum hardware_watchdog_news news);

#define HARDWARE_WATCHDOG_PROOF_MAX 4

/* How systemd is set to use it, if systemd holds it. */
struct hardware_watchdog_settings {
	bool known;
	uint64_t runtime_usec, reboot_usec; /* ~0: infinity; WIRE_USEC_NONE: not known */
	char *path;			    /* WatchdogDevice=; NULL: the default, or not known */
};

struct hardware_watchdog_notice {
	enum hardware_watchdog_news news;
	uint64_t mono_ns, wall_ns;
	uint32_t device;	 /* N of /dev/watchdogN */
	char *identity, *driver; /* NULL: not known */
	uint64_t timeout_ns;	 /* 0: not known */
	int32_t running;	 /* 1, 0; WIRE_NONE: not known */
	struct actor who;	 /* has it open, or had until now; tgid 0: nobody, or not known */
	struct hardware_watchdog_settings settings;
	uint64_t gap_ns;      /* since the ping before; 0: none was seen */
	uint64_t pings, late; /* that were seen so far, and of them late */
	uint64_t longest_ns;  /* gap between two; 0: not known */
	struct thread_look
		*look; /* what that process did when its ping was overdue; NULL: unseen */
	struct proof proof[HARDWARE_WATCHDOG_PROOF_MAX];
	unsigned int n_proof;
};

/* As verdict_sink. */
typedef int (*hardware_watchdog_sink)(void *ctx, const struct hardware_watchdog_notice *n);

/* From now on news of hardware watchdogs are told. Who does not ask is not told. */
void engine_tell_hardware_watchdogs(struct engine *g, hardware_watchdog_sink sink, void *ctx);

#endif
