/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Why a job runs. A manager makes jobs in transactions: somebody or something asks for one job, the
 * anchor, and that pulls in others, unit by unit. What is kept leads back from any of them.
 */
#ifndef SVCTRACE_ENGINE_JOB_H
#define SVCTRACE_ENGINE_JOB_H

#include <sys/queue.h>

#include "engine/call.h"
#include "engine/word.h"

/* One job of a transaction. */
struct edge {
	char *unit;
	char *by;	  /* the unit whose job pulled it in; NULL: nobody's, it is the anchor */
	char *dependency; /* as a unit file names it; NULL: not known */
	char type[WORD_MAX], by_type[WORD_MAX];
	bool conflict;
	bool over;		/* the job that it became has run */
	uint32_t pending;	/* the job that the unit had already */
	unsigned int next_stop; /* see first_stop */
	struct proof proof;
};

struct transaction {
	struct proof proof; /* manager_add_job, or the request alone */
	char *anchor;
	char type[WORD_MAX], mode[WORD_MAX];
	enum root_reason reason;
	char *trigger;	      /* the timer, path … that did it; NULL: none */
	char *culprit;	      /* the unit whose end did it; NULL: none, or not known */
	bool culprit_certain; /* its end was being dealt with; else it was the latest to end */
	bool culprit_gone;    /* … as the manager was asked: then no event tells who ended it */
	uint64_t gone_ns;     /* … since then */
	struct proof gone_proof;
	struct lineage blamed; /* who ended the culprit; n 0: nobody, or not known */
	bool blamed_kernel, blamed_manager;
	enum certainty blamed_certainty;
	int32_t blamed_signal;	 /* by which signal; 0: none */
	struct request *request; /* NULL: no client's */
	bool over;
	unsigned int repeats; /* later ones that wanted the same, and changed nothing */
	struct edge *edges;
	unsigned int n_edges, n_left_out;
	/* The edges by which a service or a scope may stop, few of many: their numbers, from 1 on.
	 */
	unsigned int first_stop;
	TAILQ_ENTRY(transaction) entry;
};

TAILQ_HEAD(transaction_queue, transaction);

/* Those of one manager. */
struct jobs {
	struct transaction_queue transactions; /* the newest is last, and may still grow */
	unsigned int n, n_edges;
	unsigned int n_forgotten; /* that might have explained a stop yet */
	bool open;	     /* the newest was begun by a request, and waits for manager_add_job */
	bool edges_are_seen; /* a transaction without any came to nothing */
};

void jobs_init(struct jobs *j);
void jobs_done(struct jobs *j);

/* A client's request is obeyed. q may be NULL: not known whose. */
int jobs_request(struct jobs *j, const struct ev *e, struct request *q);
/* manager_add_job: it belongs to the request before, or has another reason. */
/* *ret: the transaction, if it is a new one that no client asked for; else NULL. */
int jobs_begin(struct jobs *j, const struct ev *e, enum root_reason reason,
	       struct transaction **ret);
/* asked: the message that is being handled, of a method that makes several jobs; NULL: none. */
int jobs_add(struct jobs *j, const struct ev *e, struct request *asked);
int jobs_name_dependency(struct jobs *j, const struct ev *e);
/* A unit is gone that another one is bound to, which is stopped: the last one to go did it. */
int jobs_name_gone(struct jobs *j, const struct ev *e);

/* The unit's stop has been told, or it starts anew: stops asked for until now explain no other. */
void jobs_forget_stops(struct jobs *j, struct str unit);

/*
 * What made that job of that unit: a stop or restart, as type says ("": either). NULL: not known.
 * merged: others that asked for the same job later.
 */
struct job_origin {
	const struct transaction *transaction;
	const struct edge *edge; /* NULL: the request is known, its transaction is not */
	unsigned int merged;
};
bool jobs_find(const struct jobs *j, const char *unit, const char *type, uint32_t id,
	       struct job_origin *ret);
/* The edge that pulled in by's job of that type; NULL: none. */
const struct edge *transaction_edge(const struct transaction *t, const char *unit,
				    const char *type);

bool job_type_is_restart(const char *type); /* "restart", "try-restart", "reload-or-restart" */

#endif
