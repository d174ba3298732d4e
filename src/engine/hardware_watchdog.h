/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The machine's hardware watchdogs: who has them open, and how far apart their pings are. */
#ifndef SVCTRACE_ENGINE_HARDWARE_WATCHDOG_H
#define SVCTRACE_ENGINE_HARDWARE_WATCHDOG_H

#include "engine/look.h"
#include "svctrace/hardware_watchdog.h"

#define HARDWARE_WATCHDOGS_MAX 8

struct hardware_watchdog {
	/* As of now; its news, look and proof are made for each that is told. */
	struct hardware_watchdog_notice is;
	struct proof last_ping, overdue;
	uint64_t pinged_ns; /* before the first one that was seen, as systemd tells; 0: not known */
	struct thread_look *look; /* at its holder, since the last ping; NULL: none */
	struct proof changed;	  /* opened or closed, and not told yet; seq 0: not so */
	bool was_opened;	  /* what it was */
};

struct hardware_watchdog_table {
	struct hardware_watchdog watchdog[HARDWARE_WATCHDOGS_MAX];
	unsigned int n;
	hardware_watchdog_sink sink; /* NULL: nobody wants to know */
	void *ctx;
};

void hardware_watchdog_table_done(struct hardware_watchdog_table *t);

/* WIRE_WATCHDOG_USE. -ENOMEM, or what the sink returned. */
int hardware_watchdog_learn_use(struct hardware_watchdog_table *t, const struct ev *e,
				struct process_table *processes);
/* WIRE_WATCHDOG_SETTINGS. */
int hardware_watchdog_learn_settings(struct hardware_watchdog_table *t, const struct ev *e);
/* WIRE_WATCHDOG_DEVICE. look: at the threads that came before it; emptied. */
int hardware_watchdog_learn_device(struct hardware_watchdog_table *t, const struct ev *e,
				   const struct process_table *processes, struct thread_look *look);
/* The stream ended. */
int hardware_watchdog_flush(struct hardware_watchdog_table *t, uint64_t mono_ns, uint64_t wall_ns);

#endif
