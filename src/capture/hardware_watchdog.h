/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Hardware watchdogs: what the system says of them, and a look at whoever has to ping one when it
 * does not. If the ping stays away the machine resets, and nobody could tell of it afterwards.
 */
#ifndef SVCTRACE_HARDWARE_WATCHDOG_H
#define SVCTRACE_HARDWARE_WATCHDOG_H

#include <stdbool.h>
#include <stdint.h>
#include <linux/types.h>

#include "capture/look.h"
#include "capture/stream.h"
#include "svctrace/capture.h"

#define HARDWARE_WATCHDOGS_MAX 8

struct hardware_watchdog {
	struct capture_watchdog now; /* as it was last looked at */
	uint32_t pidns, ns_holder;   /* the holder's number in its own pid namespace */
	uint64_t ping_ns;	     /* the last one that was seen; 0: none */
	bool told;		     /* that the next one is overdue */
	unsigned int ask;	     /* systemd for its settings when it pings: so often */
};

struct hardware_watchdogs {
	struct hardware_watchdog watchdog[HARDWARE_WATCHDOGS_MAX];
	unsigned int n;
};

/* Those that are there when capture begins. */
int hardware_watchdogs_send_all(struct hardware_watchdogs *w, struct stream *s);
/* A record: what changed by it goes into the stream behind it. */
int hardware_watchdogs_follow(struct hardware_watchdogs *w, const struct wire_hdr *h,
			      struct stream *s);
/* When the first ping is overdue; 0: none is waited for. */
uint64_t hardware_watchdogs_next(const struct hardware_watchdogs *w);
/* Looks at holders whose ping is overdue by now. looker NULL: nobody can look. */
int hardware_watchdogs_look(struct hardware_watchdogs *w, struct looker *looker, struct stream *s);

#endif
