/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/job.h"
#include "engine/verdict.h"
#include "svctrace/cleanup.h"

/* The oldest transactions go when there are more; booting a machine takes about 1000 edges. */
#define TRANSACTIONS_MAX 256
#define EDGES_MAX	 4096
#define EDGES_STEP	 16
/* From a request to manager_add_job(), in the same call. */
#define REQUEST_NS	 1000000000ull

void jobs_init(struct jobs *j)
{
	TAILQ_INIT(&j->transactions);
}

static void edge_done(struct edge *e)
{
	free(e->unit);
	free(e->by);
	free(e->dependency);
	proof_done(&e->proof);
}

static void drop(struct jobs *j, struct transaction *t)
{
	TAILQ_REMOVE(&j->transactions, t, entry);
	j->n--;
	j->n_edges -= t->n_edges;
	for (unsigned int i = 0; i < t->n_edges; i++)
		edge_done(&t->edges[i]);
	free(t->edges);
	free(t->anchor);
	free(t->trigger);
	free(t->culprit);
	proof_done(&t->gone_proof);
	lineage_done(&t->blamed);
	request_unref(t->request);
	proof_done(&t->proof);
	free(t);
}

void jobs_done(struct jobs *j)
{
	while (!TAILQ_EMPTY(&j->transactions))
		drop(j, TAILQ_FIRST(&j->transactions));
}

static struct transaction *newest(const struct jobs *j)
{
	return TAILQ_LAST(&j->transactions, transaction_queue);
}

bool job_type_is_restart(const char *type)
{
	size_t n = strlen(type);

	return n >= 7 && strcmp(type + n - 7, "restart") == 0;
}

/* Whether what a transaction wants ("try-restart") becomes the job that runs ("restart"). */
static bool becomes(const char *wanted, const char *job)
{
	if (!*wanted)
		return true;
	if (!*job)
		return strcmp(wanted, "stop") == 0 || job_type_is_restart(wanted);
	return strcmp(wanted, job) == 0 ||
	       (job_type_is_restart(wanted) && job_type_is_restart(job));
}

const struct edge *transaction_edge(const struct transaction *t, const char *unit, const char *type)
{
	for (unsigned int i = 0; i < t->n_edges; i++)
		if (strcmp(t->edges[i].unit, unit) == 0 && becomes(t->edges[i].type, type))
			return &t->edges[i];
	return NULL;
}

static void forget_oldest(struct jobs *j)
{
	drop(j, TAILQ_FIRST(&j->transactions));
	j->n_forgotten++;
}

static bool ends_with(const char *unit, const char *suffix)
{
	size_t n = strlen(unit), k = strlen(suffix);

	return n > k && strcmp(unit + n - k, suffix) == 0;
}

static bool may_stop(const struct edge *x)
{
	return becomes(x->type, "") &&
	       (ends_with(x->unit, ".service") || ends_with(x->unit, ".scope"));
}

/* Whether the stop of a service or a scope may come from it yet. */
static bool is_spent(const struct transaction *t)
{
	if (t->n_edges == 0)
		return t->over;
	for (unsigned int i = t->first_stop; i; i = t->edges[i - 1].next_stop)
		if (!t->edges[i - 1].over)
			return false;
	return true;
}

/* Whether t wanted only jobs that waited already, and that before had asked for. */
static bool is_repeat(const struct transaction *t, const struct transaction *before)
{
	if (t->n_edges == 0)
		return false;
	for (unsigned int i = 0; i < t->n_edges; i++) {
		const struct edge *x = &t->edges[i],
				  *y = transaction_edge(before, x->unit, x->type);

		if (x->pending == 0 || !y || y->over)
			return false;
	}
	return true;
}

/* Whoever floods a manager pushes out his own; then go requests that came to nothing. */
static void make_room(struct jobs *j, struct transaction *before)
{
	struct transaction *t = before;

	if (!t && j->edges_are_seen)
		for (t = TAILQ_FIRST(&j->transactions); t && t->n_edges > 0;)
			t = TAILQ_NEXT(t, entry);
	if (t)
		drop(j, t);
	else
		forget_oldest(j);
}

/* The newest is whole. What no stop can come from is not kept. */
static void finish(struct jobs *j)
{
	struct transaction *t = newest(j), *before = t;

	if (t && is_spent(t)) {
		drop(j, t);
		return;
	}
	while (before && (before = TAILQ_PREV(before, transaction_queue, entry)))
		if (strcmp(before->anchor, t->anchor) == 0)
			break;
	if (before && is_repeat(t, before)) {
		before->repeats++;
		drop(j, t);
	} else if (j->n >= TRANSACTIONS_MAX) {
		make_room(j, before);
	}
}

static struct transaction *begin(struct jobs *j, const struct ev *e, struct str anchor)
{
	struct transaction *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	finish(j);
	TAILQ_INSERT_TAIL(&j->transactions, t, entry);
	j->n++;
	j->open = false;
	t->anchor = str_dup(anchor);
	return t->anchor && proof_set(&t->proof, e) == 0 ? t : NULL;
}

int jobs_request(struct jobs *j, const struct ev *e, struct request *q)
{
	struct transaction *t = begin(j, e, e->service.id);

	if (!t)
		return -ENOMEM;
	word_copy(t->type, e->service.request);
	word_copy(t->mode, e->service.request_mode);
	t->reason = ROOT_REQUEST;
	t->request = q ? request_ref(q) : NULL;
	j->open = true;
	return 0;
}

int jobs_begin(struct jobs *j, const struct ev *e, enum root_reason reason,
	       struct transaction **ret)
{
	struct transaction *t = newest(j);

	*ret = NULL;
	/* "reload-or-restart" has become one of both by now */
	if (t && j->open && str_equal(e->job.id, t->anchor) &&
	    (reason == ROOT_REQUEST || reason == ROOT_UNKNOWN) &&
	    e->mono_ns - t->proof.mono_ns < REQUEST_NS) {
		j->open = false;
		word_copy(t->type, e->job.type);
		return 0;
	}
	t = begin(j, e, e->job.id);
	if (!t)
		return -ENOMEM;
	word_copy(t->type, e->job.type);
	word_copy(t->mode, e->job.mode);
	t->reason = reason;
	*ret = t;
	return 0;
}

static struct edge *edge_new(struct jobs *j, struct transaction *t)
{
	if (t->n_edges == EDGES_MAX) {
		t->n_left_out++;
		return NULL;
	}
	if (t->n_edges % EDGES_STEP == 0) {
		struct edge *more = reallocarray(t->edges, t->n_edges + EDGES_STEP, sizeof(*more));

		if (!more)
			return NULL;
		t->edges = more;
	}
	j->n_edges++;
	t->edges[t->n_edges] = (struct edge){};
	return &t->edges[t->n_edges++];
}

int jobs_add(struct jobs *j, const struct ev *e, struct request *asked)
{
	struct transaction *t = newest(j);
	struct edge *x;

	/* an anchor that was not announced; each transaction has one, and begins with it */
	if (!t || (!e->job.by.s && (t->n_edges > 0 || !str_equal(e->job.id, t->anchor)))) {
		t = begin(j, e, e->job.id);
		if (t && asked) {
			t->reason = ROOT_REQUEST;
			t->request = request_ref(asked);
			word_copy(t->type, e->job.type);
		}
	}
	if (!t)
		return -ENOMEM;
	j->open = false;
	j->edges_are_seen = true;
	x = edge_new(j, t);
	if (!x)
		return t->n_left_out ? 0 : -ENOMEM;
	x->conflict = e->job.conflict;
	x->pending = e->job.pending;
	word_copy(x->type, e->job.type);
	word_copy(x->by_type, e->job.by_type);
	x->unit = str_dup(e->job.id);
	x->by = str_dup(e->job.by);
	if (!x->unit || (e->job.by.s && !x->by))
		return -ENOMEM;
	if (may_stop(x)) {
		x->next_stop = t->first_stop;
		t->first_stop = t->n_edges;
	}
	while (j->n > 1 && j->n_edges > EDGES_MAX)
		forget_oldest(j);
	return proof_set(&x->proof, e);
}

int jobs_name_dependency(struct jobs *j, const struct ev *e)
{
	struct transaction *t;

	TAILQ_FOREACH_REVERSE(t, &j->transactions, transaction_queue, entry)
	for (unsigned int i = 0; i < t->n_edges; i++) {
		struct edge *x = &t->edges[i];

		if (x->dependency || !x->by || !str_equal(e->dependency.unit, x->unit) ||
		    !str_equal(e->dependency.by, x->by))
			continue;
		x->dependency = str_dup(e->dependency.name);
		return e->dependency.name.s && !x->dependency ? -ENOMEM : 0;
	}
	return 0;
}

/* Whether the unit that is gone is what the transaction came from, as far as is known of others. */
static bool is_newer_culprit(const struct transaction *t, const struct ev *e)
{
	if (t->culprit_gone)
		return e->gone.since_ns > t->gone_ns;
	return !t->culprit || (!t->culprit_certain && !str_equal(e->gone.bound_to, t->culprit));
}

static int set_gone(struct transaction *t, const struct ev *e)
{
	bool alone = !t->culprit_gone;

	free(t->culprit);
	lineage_done(&t->blamed);
	proof_done(&t->gone_proof);
	t->blamed = (struct lineage){};
	t->culprit = str_dup(e->gone.bound_to);
	t->culprit_gone = true;
	t->culprit_certain = alone;
	t->gone_ns = e->gone.since_ns;
	return t->culprit ? proof_set(&t->gone_proof, e) : -ENOMEM;
}

int jobs_name_gone(struct jobs *j, const struct ev *e)
{
	struct transaction *t;

	TAILQ_FOREACH_REVERSE(t, &j->transactions, transaction_queue, entry)
	{
		if (t->reason != ROOT_BOUND || t->over || !str_equal(e->gone.unit, t->anchor) ||
		    e->gone.since_ns > t->proof.mono_ns) /* it went later */
			continue;
		if (is_newer_culprit(t, e))
			return set_gone(t, e);
		if (t->culprit_gone)
			t->culprit_certain = false;
		return 0;
	}
	return 0;
}

void jobs_forget_stops(struct jobs *j, struct str unit)
{
	struct transaction *t, *next;

	for (t = TAILQ_FIRST(&j->transactions); t; t = next) {
		next = TAILQ_NEXT(t, entry);
		for (unsigned int i = t->first_stop; i; i = t->edges[i - 1].next_stop)
			t->edges[i - 1].over |= str_equal(unit, t->edges[i - 1].unit);
		t->over |= str_equal(unit, t->anchor);
		if (next && is_spent(t))
			drop(j, t);
	}
}

static bool is_candidate(const struct transaction *t, const struct edge *x, const char *unit,
			 const char *type)
{
	if (x)
		return !x->over;
	/* its edges were not seen: it has an anchor still */
	return t->n_edges == 0 && !t->over && strcmp(t->anchor, unit) == 0 &&
	       becomes(t->type, type);
}

/* A job that the unit had already takes up like ones that come later. */
bool jobs_find(const struct jobs *j, const char *unit, const char *type, uint32_t id,
	       struct job_origin *ret)
{
	const struct transaction *t;

	*ret = (struct job_origin){};
	TAILQ_FOREACH_REVERSE(t, &j->transactions, transaction_queue, entry)
	{
		const struct edge *x = transaction_edge(t, unit, type);

		if (!is_candidate(t, x, unit, type))
			continue;
		ret->merged += t->repeats + (ret->transaction != NULL);
		ret->transaction = t;
		ret->edge = x;
		if (!x || id == 0 || x->pending != id)
			return true;
	}
	return ret->transaction != NULL;
}
