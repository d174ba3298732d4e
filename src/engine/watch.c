/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/unit.h"
#include "engine/verdict.h"
#include "engine/watch.h"

/* The one that was silent for longest goes first. */
#define WATCHES_MAX	  1024
#define USEC_NS		  1000u
/* Whoever sets more does not want a watchdog; it fits into a count of ns. */
#define INTERVAL_MAX_USEC (UINT64_MAX / USEC_NS / 2)

void watch_table_init(struct watch_table *t)
{
	TAILQ_INIT(&t->watches);
}

static void drop(struct watch_table *t, struct watch *w)
{
	TAILQ_REMOVE(&t->watches, w, entry);
	t->n--;
	proof_done(&w->proof);
	look_free(w->look);
	free(w);
}

void watch_table_done(struct watch_table *t)
{
	while (!TAILQ_EMPTY(&t->watches))
		drop(t, TAILQ_FIRST(&t->watches));
}

static struct watch *find(const struct watch_table *t, uint32_t manager, struct str id)
{
	struct watch *w;

	TAILQ_FOREACH(w, &t->watches, entry)
	if (w->manager == manager && str_equal(id, w->id))
		return w;
	return NULL;
}

/* The one that changes now. */
static struct watch *get(struct watch_table *t, uint32_t manager, struct str id)
{
	struct watch *w = find(t, manager, id);

	if (w) {
		TAILQ_REMOVE(&t->watches, w, entry);
		TAILQ_INSERT_TAIL(&t->watches, w, entry);
		return w;
	}
	w = calloc(1, sizeof(*w));
	if (!w)
		return NULL;
	w->manager = manager;
	id_copy(w->id, id);
	TAILQ_INSERT_TAIL(&t->watches, w, entry);
	if (++t->n > WATCHES_MAX)
		drop(t, TAILQ_FIRST(&t->watches));
	return w;
}

static void push(struct watchdog_facts *f, const struct keepalive *k)
{
	if (f->n_keepalives == KEEPALIVES_MAX) {
		memmove(&f->keepalive[0], &f->keepalive[1], (KEEPALIVES_MAX - 1) * sizeof(*k));
		f->n_keepalives--;
		f->n_earlier++;
	}
	f->keepalive[f->n_keepalives++] = *k;
}

static uint64_t last_ns(const struct watchdog_facts *f)
{
	return f->n_keepalives ? f->keepalive[f->n_keepalives - 1].at_ns : 0;
}

int watch_learn(struct watch_table *t, const struct ev *e)
{
	const struct ev_keepalive *k = &e->keepalive;
	struct watch *w = get(t, e->manager.tgid, k->id);
	struct keepalive new = {
		.at_ns = k->at_ns,
		.left_out = k->left_out,
		.start = state_class(k->state) == STATE_STARTING,
	};

	if (!w)
		return -ENOMEM;
	w->facts.by_message = k->by_message == 1;
	w->facts.interval_ns = w->facts.by_message ? k->message_ns : k->started_ns;
	w->facts.unit_ns = k->started_ns;
	if (k->at_ns == last_ns(&w->facts))
		return 0; /* a reload set the timer anew: nothing was sent */
	push(&w->facts, &new);
	look_free(w->look);
	w->look = NULL;
	proof_done(&w->proof);
	return proof_set(&w->proof, e);
}

int watch_learn_facts(struct watch_table *t, const struct ev *e)
{
	const struct ev_facts *x = &e->facts;
	bool by_message = x->watchdog_override_enable == 1;
	uint64_t interval = by_message ? x->watchdog_override_usec : x->watchdog_original_usec;
	struct keepalive last = {.at_ns = x->watchdog_timestamp_usec * USEC_NS};
	struct watch *w;

	if (interval == 0 || interval > INTERVAL_MAX_USEC)
		return 0;
	w = get(t, e->manager.tgid, x->id);
	if (!w)
		return -ENOMEM;
	w->facts.by_message = by_message;
	w->facts.interval_ns = interval * USEC_NS;
	w->facts.unit_ns = x->watchdog_original_usec > INTERVAL_MAX_USEC
				   ? 0
				   : x->watchdog_original_usec * USEC_NS;
	if (last.at_ns == 0 || last.at_ns > e->mono_ns || last.at_ns <= last_ns(&w->facts))
		return 0;
	push(&w->facts, &last);
	proof_done(&w->proof);
	return proof_set(&w->proof, e);
}

int watch_learn_look(struct watch_table *t, uint32_t manager, struct str id,
		     const struct thread_look *l)
{
	struct watch *w = get(t, manager, id);

	if (!w)
		return -ENOMEM;
	/* the first says most: a later one finds what the signal did */
	if (w->look || l->n == 0)
		return 0;
	return look_copy(&w->look, l);
}

int watch_explain(struct watch_table *t, const struct ev *e, struct verdict *v)
{
	struct watch *w = find(t, e->manager.tgid, e->service.id);
	int r = 0;

	v->watchdog.fired = true;
	v->watchdog.fired_ns = e->mono_ns;
	v->watchdog.history = t->live;
	if (!w)
		return 0;
	v->watchdog.facts = w->facts;
	v->watchdog.look = w->look;
	w->look = NULL;
	r = verdict_cite(v, &w->proof);
	if (r == 0 && v->watchdog.look)
		r = verdict_cite(v, &v->watchdog.look->proof);
	return r;
}

void watch_forget(struct watch_table *t, uint32_t manager, struct str id)
{
	struct watch *w = find(t, manager, id);

	if (w)
		drop(t, w);
}
