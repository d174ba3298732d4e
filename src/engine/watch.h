/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Services that have to send keepalives: when they did, and what they did when one was due. */
#ifndef SVCTRACE_ENGINE_WATCH_H
#define SVCTRACE_ENGINE_WATCH_H

#include <sys/queue.h>

#include "engine/look.h"

struct watch {
	uint32_t manager;
	char id[WIRE_ID_MAX];
	struct watchdog_facts facts;
	struct proof proof;	  /* the last keepalive */
	struct thread_look *look; /* since then; NULL: none */
	TAILQ_ENTRY(watch) entry;
};

TAILQ_HEAD(watch_queue, watch);

struct watch_table {
	struct watch_queue watches; /* the one that changed last is last */
	unsigned int n;
	bool live; /* keepalives are seen as they come */
};

void watch_table_init(struct watch_table *t);
void watch_table_done(struct watch_table *t);

/* WIRE_SERVICE_KEEPALIVE. -ENOMEM. */
int watch_learn(struct watch_table *t, const struct ev *e);
/* WIRE_SERVICE_FACTS, of a service that runs: nothing may have been seen of it before. */
int watch_learn_facts(struct watch_table *t, const struct ev *e);
/* A look at the main process of a service, whose watchdog is about to fire or just has. */
int watch_learn_look(struct watch_table *t, uint32_t manager, struct str id,
		     const struct thread_look *l);
/* The watchdog has fired: what is known of it, into the verdict. */
int watch_explain(struct watch_table *t, const struct ev *e, struct verdict *v);
/* The service does not run any more. */
void watch_forget(struct watch_table *t, uint32_t manager, struct str id);

#endif
