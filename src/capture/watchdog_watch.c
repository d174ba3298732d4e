/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "capture/capture_internal.h"
#include "capture/watchdog_watch.h"
#include "svctrace/cleanup.h"

#define SECOND_NS    1000000000ull
/* service_dispatch_watchdog() and service_enter_signal() tell of the same. */
#define SAME_FIRE_NS SECOND_NS

static struct watchdog_watched *find(struct watchdog_watch *w, pid_t manager, uint64_t unit)
{
	for (unsigned int i = 0; i < w->n; i++)
		if (w->watched[i].manager == manager && w->watched[i].unit == unit)
			return &w->watched[i];
	return NULL;
}

static void drop(struct watchdog_watch *w, struct watchdog_watched *x)
{
	if (x)
		*x = w->watched[--w->n];
}

/* What its threads have taken so far. */
static void read_base(struct look_base *base, uint32_t tgid)
{
	_cleanup_closedir_ DIR *d = NULL;
	char path[64];
	struct dirent *e;

	base->n = 0;
	snprintf(path, sizeof(path), "/proc/%" PRIu32 "/task", tgid);
	d = opendir(path);
	while (d && base->n < LOOK_BASE_MAX && (e = readdir(d))) {
		_cleanup_fclose_ FILE *f = NULL;
		uint64_t cpu_ns;

		snprintf(path, sizeof(path), "/proc/%" PRIu32 "/task/%.10s/schedstat", tgid,
			 e->d_name);
		f = *e->d_name == '.' ? NULL : fopen(path, "re");
		if (!f || fscanf(f, "%" SCNu64, &cpu_ns) != 1)
			continue;
		base->thread[base->n].tid = atoi(e->d_name);
		base->thread[base->n++].cpu_ns = cpu_ns;
	}
}

static void set_process(struct watchdog_watched *x, struct looker *l, const struct manager *m,
			int32_t main_pid)
{
	const struct task_state *first;

	if (x->main_pid == (uint32_t)main_pid && x->tgid)
		return;
	x->pidns = m->pidns;
	x->main_pid = main_pid > 0 ? main_pid : 0;
	x->tgid = 0;
	if (!x->main_pid || look_at_process(l, x->pidns, x->main_pid) < 0)
		return;
	first = look_thread(l, 0);
	x->tgid = first ? first->task.tgid : 0;
}

static void keepalive(struct watchdog_watch *w, struct looker *l, const struct manager *m,
		      const struct wire_keepalive *k)
{
	struct watchdog_watched *x = find(w, m->pid, k->unit);
	uint64_t interval_usec = k->by_message == 1 ? k->message_usec : k->started_usec;

	if (!x) {
		if (w->n == WATCHDOG_WATCH_MAX)
			return;
		x = &w->watched[w->n++];
		*x = (struct watchdog_watched){.manager = m->pid, .unit = k->unit};
		snprintf(x->id, sizeof(x->id), "%.*s", (int)k->id.len, (const char *)k + k->id.off);
	}
	x->interval_ns = interval_usec * 1000;
	if (x->keepalive_ns == k->at_usec * 1000)
		return; /* a reload sets the timer anew, but nothing was sent */
	x->keepalive_ns = k->at_usec * 1000;
	x->looked = false;
	set_process(x, l, m, k->main_pid);
	read_base(&x->base, x->tgid);
}

/* Nobody waits for keepalives in that state. */
static bool is_over(const char *state)
{
	static const char *const words[] = {"stop", "final", "dead", "failed", "auto-restart"};

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (strncmp(state, words[i], strlen(words[i])) == 0)
			return true;
	return false;
}

void watchdog_watch_follow(struct watchdog_watch *w, struct looker *l, const struct manager *m,
			   const struct wire_hdr *h)
{
	const struct wire_service *s = (const struct wire_service *)h;

	if (m && h->kind == WIRE_SERVICE_KEEPALIVE)
		keepalive(w, l, m, (const struct wire_keepalive *)h);
	else if (m && h->kind == WIRE_SERVICE_SET_STATE &&
		 is_over(manager_word(m, "ServiceState", s->arg[0])))
		drop(w, find(w, m->pid, s->unit));
	for (unsigned int i = w->n; h->kind == WIRE_EXIT && i-- > 0;)
		if (w->watched[i].manager == (pid_t)h->tgid)
			drop(w, &w->watched[i]);
}

static uint64_t due_ns(const struct watchdog_watched *x)
{
	return look_before(x->keepalive_ns, x->interval_ns);
}

uint64_t watchdog_watch_next(const struct watchdog_watch *w)
{
	uint64_t next = 0;

	for (unsigned int i = 0; i < w->n; i++) {
		const struct watchdog_watched *x = &w->watched[i];

		if (!x->looked && (next == 0 || due_ns(x) < next))
			next = due_ns(x);
	}
	return next;
}

static int send(const struct watchdog_watched *x, unsigned int reason, struct looker *l,
		struct stream *s)
{
	const struct wire_look w = {
		.h.tgid = x->manager,
		.unit = x->unit,
		.reason = reason,
	};

	return look_send(l, &w, x->id, &x->base, s);
}

int watchdog_watch_look(struct watchdog_watch *w, struct looker *l, struct stream *s)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC);
	int r = 0;

	for (unsigned int i = 0; r == 0 && i < w->n; i++) {
		struct watchdog_watched *x = &w->watched[i];

		if (x->looked || due_ns(x) > now)
			continue;
		x->looked = true;
		look_at_process(l, x->pidns, x->main_pid);
		look_take_user_stacks(l);
		r = send(x, WIRE_LOOK_KEEPALIVE_DUE, l, s);
	}
	return r;
}

static bool has_fired(const struct manager *m, const struct wire_service *s)
{
	if (s->h.kind == WIRE_SERVICE_WATCHDOG)
		return true;
	/* a build may have the function that tells inlined */
	return s->h.kind == WIRE_SERVICE_ENTER_SIGNAL &&
	       strcmp(manager_word(m, "ServiceResult", s->arg[1]), "watchdog") == 0 &&
	       strcmp(manager_word(m, "ServiceState", s->arg[0]), "stop-watchdog") == 0;
}

int watchdog_watch_fired(struct watchdog_watch *w, struct looker *l, const struct manager *m,
			 const struct wire_hdr *h, struct stream *s)
{
	const struct wire_service *r = (const struct wire_service *)h;
	struct watchdog_watched x = {}, *known;

	if (!has_fired(m, r) || r->main_pid <= 0)
		return 0;
	if (w->fired_unit == r->unit && h->mono_ns < w->fired_ns + SAME_FIRE_NS)
		return 0;
	look_at_process(l, m->pidns, r->main_pid);
	w->fired_unit = r->unit;
	w->fired_ns = h->mono_ns;
	known = find(w, m->pid, r->unit);
	if (known)
		return send(known, WIRE_LOOK_WATCHDOG, l, s);
	x.manager = m->pid;
	x.unit = r->unit;
	record_string(&r->h, r->id, x.id, sizeof(x.id));
	return send(&x, WIRE_LOOK_WATCHDOG, l, s);
}
