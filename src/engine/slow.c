/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/slow.h"
#include "engine/verdict.h"

static int set(struct thread_look **to, const struct thread_look *l)
{
	look_free(*to);
	*to = NULL;
	return look_copy(to, l);
}

static int set_left(struct verdict *v, const struct thread_look *l)
{
	int r = set(&v->left, l);

	return r < 0 ? r : verdict_cite(v, &l->proof);
}

/* Of the watchdog that this stop began with. */
static int set_watched(struct verdict *v, const struct thread_look *l)
{
	int r;

	if (!v->watchdog.fired || v->watchdog.look)
		return 0;
	r = set(&v->watchdog.look, l);
	return r < 0 ? r : verdict_cite(v, &l->proof);
}

int slow_learn_look(struct stop *s, const struct thread_look *l)
{
	struct verdict *v = &s->v;

	if (l->n == 0)
		return 0;
	switch (l->reason) {
	case WIRE_LOOK_KEEPALIVE_DUE:
	case WIRE_LOOK_WATCHDOG:
		return set_watched(v, l);
	case WIRE_LOOK_TIMEOUT_DUE:
		return set(&s->due, l);
	case WIRE_LOOK_TIMEOUT:
		/* SIGKILL may be on its way by now: what was seen before says more */
		return s->timeout_explained ? 0 : set_left(v, l);
	case WIRE_LOOK_SLOW:
		return v->left && v->left->reason != WIRE_LOOK_SLOW ? 0 : set_left(v, l);
	}
	return 0;
}

int slow_follow(struct stop *s, const struct ev *e)
{
	int r = 0;

	if (e->kind == WIRE_SERVICE_TIMER && state_class(e->service.state) == STATE_STOPPING) {
		s->timeout_explained = s->due != NULL;
		if (s->due)
			r = set_left(&s->v, s->due);
	} else if (e->kind == WIRE_SERVICE_SET_STATE) {
		look_free(s->due);
		s->due = NULL;
	}
	return r;
}
