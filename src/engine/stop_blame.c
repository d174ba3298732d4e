/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/rules.h"
#include "engine/stop_blame.h"
#include "engine/verdict.h"

static int set(char **dst, const char *src)
{
	*dst = src ? strdup(src) : NULL;
	return src && !*dst ? -ENOMEM : 0;
}

static int copy_request(struct verdict *v, const struct verdict *from)
{
	const struct verdict_request *q = &from->request;
	struct verdict_request *d = &v->request;

	v->have_request = from->have_request;
	if (!from->have_request)
		return 0;
	d->endpoint = q->endpoint;
	d->serial = q->serial;
	d->certainty = q->certainty;
	if (set(&d->member, q->member) < 0 || set(&d->unit, q->unit) < 0 ||
	    set(&d->mode, q->mode) < 0 || set(&d->sender, q->sender) < 0)
		return -ENOMEM;
	return q->passed_on_by.tgid ? actor_copy(&d->passed_on_by, &q->passed_on_by) : 0;
}

/* The jobs are that unit's. */
static int copy_links(struct verdict *v, const struct verdict *from)
{
	v->links_cut = from->links_cut;
	v->root = from->root;
	for (; v->n_links < from->n_links; v->n_links++) {
		struct link *d = &v->links[v->n_links];
		const struct link *l = &from->links[v->n_links];

		/* what is half filled is freed with the others */
		if (set(&d->unit, l->unit) < 0 || set(&d->job, l->job) < 0 ||
		    set(&d->dependency, l->dependency) < 0) {
			v->n_links++;
			return -ENOMEM;
		}
	}
	return set(&v->root_unit, from->root_unit);
}

static int copy_actor(struct verdict *v, const struct verdict *from)
{
	v->have_actor = from->have_actor;
	v->actor_kernel = from->actor_kernel;
	v->actor_manager = from->actor_manager;
	v->actor_certainty = from->actor_certainty;
	certainty_limit(&v->actor_certainty, from->certainty);
	return from->n_chain ? blame_actor(v, from->chain, from->n_chain) : 0;
}

int stop_blame_copy(struct verdict *v, const struct verdict *from)
{
	int r = copy_actor(v, from);

	if (r == 0)
		r = copy_request(v, from);
	if (r == 0)
		r = copy_links(v, from);
	for (unsigned int i = 0; r == 0 && i < from->n_proof; i++)
		r = verdict_cite(v, &from->proof[i]);
	return r;
}

struct stop_blame *stop_blame_new(const struct verdict *v)
{
	struct stop_blame *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	b->n_ref = 1;
	b->v.manager = v->manager;
	b->v.cause = v->cause;
	b->v.certainty = v->certainty;
	if (set(&b->v.unit, v->unit) < 0 || stop_blame_copy(&b->v, v) < 0) {
		stop_blame_unref(b);
		return NULL;
	}
	return b;
}

struct stop_blame *stop_blame_ref(struct stop_blame *b)
{
	b->n_ref++;
	return b;
}

void stop_blame_unref(struct stop_blame *b)
{
	if (!b || --b->n_ref > 0)
		return;
	verdict_done(&b->v);
	free(b);
}
