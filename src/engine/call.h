/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who asked: calls that clients sent, kept until the manager handles them. A client may be gone by
 * then; the kernel told who it was when it sent.
 */
#ifndef SVCTRACE_ENGINE_CALL_H
#define SVCTRACE_ENGINE_CALL_H

#include <sys/queue.h>

#include "engine/process.h"

/* One call of one client. */
struct call {
	unsigned int n_ref;
	bool handled;	    /* a manager took it up */
	bool incomplete;    /* what it is about is not all known */
	struct proof proof; /* of its send */
	struct lineage from;
	enum wire_endpoint endpoint;
	uint32_t listener, serial;
	int32_t signal; /* that it has systemd send; 0: none */
	char *destination, *member, *unit, *mode;
	TAILQ_ENTRY(call) entry;
	LIST_ENTRY(call) same_bucket;
};

TAILQ_HEAD(call_queue, call);
LIST_HEAD(call_bucket, call);

#define CALL_BUCKETS 256

/* A connection's name on a bus. */
struct bus_name {
	uint32_t listener, client;
	char *name;
	struct proof proof;
	TAILQ_ENTRY(bus_name) entry;
};

TAILQ_HEAD(bus_name_queue, bus_name);

struct call_table {
	struct call_queue calls;		     /* the oldest first */
	struct call_bucket by_process[CALL_BUCKETS]; /* that sent them; the newest first */
	struct bus_name_queue names;		     /* likewise */
	unsigned int n_calls, n_names;
};

void call_table_init(struct call_table *t);
void call_table_done(struct call_table *t);
/* Drops calls that nobody took up in time. */
void call_table_expire(struct call_table *t, uint64_t now_ns);

int calls_learn(struct call_table *t, const struct ev *e, const struct process_table *processes);
int calls_learn_name(struct call_table *t, const struct ev *e);

/* What a manager was asked: the message that it handles, and whom it came from. */
struct request {
	unsigned int n_ref;
	struct call *call;	  /* as the client sent it; NULL: not seen, or none that fits */
	struct call *passed_on;	  /* the caller is a service, logind, that was asked by this */
	struct lineage from;	  /* the caller; n 0: not known */
	enum certainty certainty; /* that it was this caller */
	enum wire_endpoint endpoint;
	uint32_t serial;
	char *member, *sender;
	struct proof proof, name_proof;
};

/* NULL: out of memory. */
struct request *calls_join(struct call_table *t, const struct ev *message,
			   const struct process_table *processes);
/*
 * The last call to that manager that nothing was seen of since, if it is recent; *ret NULL: there
 * is none. The caller is inferred.
 */
int calls_latest(struct call_table *t, uint32_t manager, uint64_t now_ns, struct request **ret);
/*
 * The last call to systemd that asks to freeze that unit, and that nothing came of before; NULL:
 * none was seen. To be given to call_unref().
 */
struct call *calls_take_freeze(const struct call_table *t, struct str unit);
void call_unref(struct call *c);
struct request *request_ref(struct request *q);
void request_unref(struct request *q);

#endif
