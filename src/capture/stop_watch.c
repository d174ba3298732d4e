/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "capture/capture_internal.h"
#include "capture/proc.h"
#include "capture/stop_watch.h"
#include "svctrace/cleanup.h"
#include "svctrace/stuck.h"

static struct stop_watched *find(struct stop_watch *w, pid_t manager, uint64_t unit)
{
	for (unsigned int i = 0; i < w->n; i++)
		if (w->watched[i].manager == manager && w->watched[i].unit == unit)
			return &w->watched[i];
	return NULL;
}

static void drop(struct stop_watch *w, struct stop_watched *x)
{
	if (x)
		*x = w->watched[--w->n];
}

/* systemd's "infinity" and what could not be read: no timeout that we know of. */
static uint64_t timeout_ns(uint64_t usec)
{
	return usec >= WIRE_USEC_NONE / 1000 ? 0 : usec * 1000;
}

static void learn_facts(struct stop_watch *w, const struct wire_service_facts *f)
{
	w->facts.manager = f->h.tgid;
	w->facts.unit = f->unit;
	w->facts.stop_ns = timeout_ns(f->timeout_stop_usec);
	w->facts.abort_ns =
		f->timeout_abort_set == 1 ? timeout_ns(f->timeout_abort_usec) : w->facts.stop_ns;
}

static bool begins(const char *word, const char *prefix)
{
	return strncmp(word, prefix, strlen(prefix)) == 0;
}

static bool is_stopping(const char *state)
{
	return begins(state, "stop") || begins(state, "final");
}

/* A unit enters a state. */
struct change {
	const struct wire_hdr *h;
	uint64_t unit;
	struct wire_str id;
	const char *state;
};

static struct stop_watched *add(struct stop_watch *w, const struct change *c)
{
	struct stop_watched *x = &w->watched[w->n];

	if (w->n == STOP_WATCH_MAX)
		return NULL;
	w->n++;
	*x = (struct stop_watched){
		.manager = c->h->tgid,
		.unit = c->unit,
		.begin_ns = c->h->mono_ns,
		.slow_ns = w->slow_after_ns ? c->h->mono_ns + w->slow_after_ns : 0,
	};
	record_string(c->h, c->id, x->id, sizeof(x->id));
	return x;
}

static void set_state(struct stop_watch *w, const struct change *c)
{
	struct stop_watched *x = find(w, c->h->tgid, c->unit);

	if (!is_stopping(c->state)) {
		drop(w, x);
		return;
	}
	if (!x)
		x = add(w, c);
	if (!x)
		return;
	if (w->facts.manager == x->manager && w->facts.unit == x->unit) {
		x->stop_ns = w->facts.stop_ns;
		x->abort_ns = w->facts.abort_ns;
	}
	x->state_ns = c->h->mono_ns;
	x->timeout_ns = strstr(c->state, "watchdog") ? x->abort_ns : x->stop_ns;
	x->looked = false;
}

static void follow_service(struct stop_watch *w, const struct manager *m,
			   const struct wire_service *s)
{
	const char *state = manager_word(m, "ServiceState", s->arg[0]);

	set_state(w, &(struct change){&s->h, s->unit, s->id, state});
}

/* Its records bring along what time it has. */
static void follow_scope(struct stop_watch *w, const struct manager *m, const struct wire_scope *s)
{
	const char *state = manager_word(m, "ScopeState", s->arg[0]);

	if (s->call != WIRE_SCOPE_SET_STATE)
		return;
	w->facts.manager = s->h.tgid;
	w->facts.unit = s->unit;
	w->facts.stop_ns = w->facts.abort_ns = timeout_ns(s->timeout_stop_usec);
	set_state(w, &(struct change){&s->h, s->unit, s->id, state});
}

void stop_watch_follow(struct stop_watch *w, const struct manager *m, const struct wire_hdr *h)
{
	if (m && h->kind == WIRE_SERVICE_FACTS)
		learn_facts(w, (const struct wire_service_facts *)h);
	else if (m && h->kind == WIRE_SERVICE_SET_STATE)
		follow_service(w, m, (const struct wire_service *)h);
	else if (m && h->kind == WIRE_SCOPE)
		follow_scope(w, m, (const struct wire_scope *)h);
	for (unsigned int i = w->n; h->kind == WIRE_EXIT && i-- > 0;)
		if (w->watched[i].manager == (pid_t)h->tgid)
			drop(w, &w->watched[i]);
}

/* 0: never */
static uint64_t due_ns(const struct stop_watched *x)
{
	return x->timeout_ns && !x->looked ? look_before(x->state_ns, x->timeout_ns) : 0;
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
	return a && (!b || a < b) ? a : b;
}

uint64_t stop_watch_next(const struct stop_watch *w)
{
	uint64_t next = 0;

	for (unsigned int i = 0; i < w->n; i++)
		next = sooner(next, sooner(due_ns(&w->watched[i]), w->watched[i].slow_ns));
	return next;
}

/* ---- which cgroups are the unit's ---- */

struct search {
	struct stop_watched *x;
	const char *root; /* where its manager's units are */
};

/* The outermost unit of the path: another manager's may have the same name, deeper down. */
static int note_cgroup(void *ctx, const struct hierarchy_node *node)
{
	struct search *s = ctx;
	size_t len, n = strlen(s->root);
	const char *unit;

	if (strncmp(node->path, s->root, n) != 0)
		return 0;
	unit = stuck_unit_name(node->path + n, &len);
	if (unit && strlen(s->x->id) == len && memcmp(unit, s->x->id, len) == 0 &&
	    s->x->n_cgroups < STOP_CGROUPS_MAX)
		s->x->cgroup[s->x->n_cgroups++] = node->id;
	return 0;
}

static void find_cgroups(struct stop_watched *x, const struct hierarchy *h)
{
	static const char scope[] = "/init.scope";
	struct search search = {.x = x};
	struct proc p = {};
	size_t n;

	x->n_cgroups = 0;
	if (proc_read(x->manager, h->id, &p) == 0 && p.cgroup) {
		n = strlen(p.cgroup);
		if (n >= strlen(scope) && strcmp(p.cgroup + n - strlen(scope), scope) == 0)
			p.cgroup[n - strlen(scope)] = 0;
		search.root = strcmp(p.cgroup, "/") == 0 ? "" : p.cgroup;
		hierarchy_walk(h, note_cgroup, &search);
	}
	proc_done(&p);
}

static int look(struct stop_watched *x, unsigned int reason, struct looker *l,
		const struct hierarchy *h, struct stream *s)
{
	const struct wire_look w = {.h.tgid = x->manager, .unit = x->unit, .reason = reason};

	/* finding them takes longer than looking, for which there may be no time left */
	if (reason != WIRE_LOOK_TIMEOUT || x->n_cgroups == 0)
		find_cgroups(x, h);
	if (x->n_cgroups == 0)
		return 0;
	look_at_cgroups(l, x->cgroup, x->n_cgroups);
	return look_send(l, &w, x->id, NULL, s);
}

static int look_if_due(struct stop_watched *x, uint64_t now, struct looker *l,
		       const struct hierarchy *h, struct stream *s)
{
	int r = 0;

	if (due_ns(x) && due_ns(x) <= now) {
		x->looked = true;
		r = look(x, WIRE_LOOK_TIMEOUT_DUE, l, h, s);
	}
	if (r == 0 && x->slow_ns && x->slow_ns <= now) {
		x->slow_ns = x->begin_ns + 2 * (x->slow_ns - x->begin_ns);
		r = look(x, WIRE_LOOK_SLOW, l, h, s);
	}
	return r;
}

int stop_watch_look(struct stop_watch *w, struct looker *l, const struct hierarchy *h,
		    struct stream *s)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC);
	int r = 0;

	for (unsigned int i = 0; r == 0 && i < w->n; i++)
		r = look_if_due(&w->watched[i], now, l, h, s);
	return r;
}

int stop_watch_timed_out(struct stop_watch *w, struct looker *l, const struct hierarchy *hierarchy,
			 const struct manager *m, const struct wire_hdr *h, struct stream *s)
{
	const struct wire_service *service = (const struct wire_service *)h;
	const struct wire_scope *scope = (const struct wire_scope *)h;
	struct stop_watched *x = NULL;

	if (h->kind == WIRE_SERVICE_TIMER)
		x = find(w, m->pid, service->unit);
	else if (h->kind == WIRE_SCOPE && scope->call == WIRE_SCOPE_TIMER)
		x = find(w, m->pid, scope->unit);
	return x ? look(x, WIRE_LOOK_TIMEOUT, l, hierarchy, s) : 0;
}
