/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "capture/hang_watch.h"
#include "capture/look.h"
#include "capture/proc.h"

void hang_watch_load(struct hang_watch *w)
{
	if (w->holders || fuse_holders_open(NULL, &w->holders) == 0)
		fuse_holders_load(&w->holders);
}

void hang_watch_done(struct hang_watch *w)
{
	fuse_holders_freep(&w->holders);
}

static struct hang_watched *find(struct hang_watch *w, bool flush, uint32_t tid)
{
	for (unsigned int i = 0; i < w->n; i++)
		if (w->watched[i].flush == flush && w->watched[i].tid == tid)
			return &w->watched[i];
	return NULL;
}

static void end(struct hang_watch *w, struct hang_watched *x)
{
	if (x)
		*x = w->watched[--w->n];
}

static bool begin(struct hang_watch *w, const struct hang_watched *x)
{
	end(w, find(w, x->flush, x->tid)); /* whose end was lost */
	if (w->n == HANG_WATCH_MAX)
		return false;
	w->watched[w->n++] = *x;
	return w->n == 1;
}

bool hang_watch_follow(struct hang_watch *w, const struct wire_hdr *h)
{
	const struct wire_fuse *f = (const struct wire_fuse *)h;
	const struct wire_pidns *p = (const struct wire_pidns *)h;
	struct hang_watched x = {.tid = h->tid};

	switch (h->kind) {
	case WIRE_FUSE_FLUSH_ENTER:
		x.flush = true;
		x.of = f->connection;
		return f->exiting && begin(w, &x);
	case WIRE_PIDNS_ZAP_ENTER:
		x.of = p->pidns;
		return begin(w, &x);
	case WIRE_FUSE_FLUSH_EXIT:
	case WIRE_PIDNS_ZAP_EXIT:
		end(w, find(w, h->kind == WIRE_FUSE_FLUSH_EXIT, h->tid));
		return false;
	default:
		return false;
	}
}

static int add(void *ctx, pid_t tgid, unsigned int connection)
{
	struct hang_watch *w = ctx;

	for (unsigned int i = 0; i < w->n_holdings; i++)
		if (w->holdings[i].tgid == (uint32_t)tgid &&
		    w->holdings[i].connection == connection)
			return 0;
	if (w->n_holdings == HOLDINGS_MAX)
		return -E2BIG;
	w->holdings[w->n_holdings++] = (struct fuse_holding){connection, (uint32_t)tgid};
	return 0;
}

/* Twice: a file that is handed over while one looks may be missed in both places, but not again. */
static void look(struct hang_watch *w)
{
	w->n_holdings = 0;
	w->error = 0;
	hang_watch_load(w);
	for (int i = 0; i < 2 && w->error == 0; i++)
		w->error = w->holders ? fuse_holders_read(w->holders, add, w)
				      : fuse_holders_walk(add, w);
}

/* Long hangs are looked at less and less often. */
static bool is_due(const struct hang_watched *x)
{
	return (x->flush && x->ticks < 4) || (x->ticks & (x->ticks - 1)) == 0;
}

void hang_watch_again(struct hang_watch *w)
{
	for (unsigned int i = 0; i < w->n; i++)
		w->watched[i].ticks = 0;
}

static bool is_gone(uint32_t tid)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%u", tid);
	return access(path, F_OK) < 0;
}

void hang_watch_look(struct hang_watch *w)
{
	bool due = false;

	for (unsigned int i = 0; i < w->n;) {
		struct hang_watched *x = &w->watched[i];

		if (is_gone(x->tid)) { /* its end was lost */
			end(w, x);
			continue;
		}
		x->ticks++;
		due |= x->flush && is_due(x);
		i++;
	}
	if (due)
		look(w);
}

static int send_connection(const struct hang_watch *w, uint32_t connection, struct stream *s)
{
	struct wire_fuse_holders *r = stream_begin(s, WIRE_FUSE_HOLDERS, sizeof(*r), 0);

	r->connection = connection;
	r->error = w->error;
	for (unsigned int i = 0; !r->error && i < w->n_holdings; i++) {
		if (w->holdings[i].connection != connection)
			continue;
		if (r->n < WIRE_FUSE_HOLDERS_MAX) {
			r->tgid[r->n] = w->holdings[i].tgid;
			r->stopped |= proc_is_stopped(r->tgid[r->n]) ? 1u << r->n : 0;
		}
		r->n++;
	}
	return stream_end(s);
}

static bool is_held(const struct hang_watch *w, uint32_t connection)
{
	for (unsigned int i = 0; i < w->n_holdings; i++)
		if (w->holdings[i].connection == connection)
			return true;
	return false;
}

/*
 * That nobody holds it is said only when it is so for two looks: the last one may have closed it
 * just now, and who waits is about to be told.
 */
static int send_holders(const struct hang_watch *w, struct hang_watched *x, struct stream *s)
{
	x->looks_in_vain = w->error || is_held(w, x->of) ? 0 : x->looks_in_vain + 1;
	return x->looks_in_vain != 1 ? send_connection(w, x->of, s) : 0;
}

static int look_inside(const struct hang_watched *x, struct looker *l, struct stream *s)
{
	if (!l)
		return 0;
	look_at_pidns(l, x->of);
	return look_thread(l, 0) ? look_send_pidns(l, x->of, s) : 0;
}

int hang_watch_send(struct hang_watch *w, struct looker *l, struct stream *s)
{
	int r = 0;

	for (unsigned int i = 0; r == 0 && i < w->n; i++) {
		struct hang_watched *x = &w->watched[i];

		if (x->ticks == 0 || !is_due(x))
			continue;
		r = x->flush ? send_holders(w, x, s) : look_inside(x, l, s);
	}
	return r;
}

int hang_watch_send_all(struct hang_watch *w, struct stream *s)
{
	int r = 0;

	if (!w->holders) /* walking /proc takes long, and nothing hangs yet */
		return 0;
	look(w);
	for (unsigned int i = 0; r == 0 && !w->error && i < w->n_holdings; i++) {
		unsigned int first = 0;

		while (w->holdings[first].connection != w->holdings[i].connection)
			first++;
		if (first == i)
			r = send_connection(w, w->holdings[i].connection, s);
	}
	return r;
}
