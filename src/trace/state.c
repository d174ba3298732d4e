/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "svctrace/cleanup.h"
#include "trace/state.h"

/* A record that is still true. A newer one with the same key takes its place. */
struct fact {
	uint32_t what;	/* kind, or what kinds have in common */
	uint64_t id;	/* pid, cgroup id */
	uint64_t extra; /* tells several of one id apart: the hash of a name */
	bool passing;	/* of a process, or a name on a bus */
	TAILQ_ENTRY(fact) entry;
	size_t size;
	unsigned char record[];
};

static int fact_compare(const void *a, const void *b)
{
	const struct fact *x = a, *y = b;

	if (x->what != y->what)
		return x->what < y->what ? -1 : 1;
	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	return x->extra < y->extra ? -1 : x->extra > y->extra;
}

void state_init(struct state *s)
{
	*s = (struct state){};
	TAILQ_INIT(&s->facts);
}

static void remove_fact(struct state *s, struct fact *f)
{
	tdelete(f, &s->by_key, fact_compare);
	TAILQ_REMOVE(&s->facts, f, entry);
	s->n_passing -= f->passing;
	free(f);
}

void state_done(struct state *s)
{
	struct fact *f;

	while ((f = TAILQ_FIRST(&s->facts)))
		remove_fact(s, f);
}

static void forget(struct state *s, uint32_t what, uint64_t id, uint64_t extra)
{
	struct fact key = {.what = what, .id = id, .extra = extra};
	struct fact **found = tfind(&key, &s->by_key, fact_compare);

	if (found)
		remove_fact(s, *found);
}

static void remove_oldest_passing(struct state *s)
{
	struct fact *f = TAILQ_FIRST(&s->facts);

	while (f && !f->passing)
		f = TAILQ_NEXT(f, entry);
	if (f)
		remove_fact(s, f);
}

static int keep(struct state *s, const struct fact *key, const void *record, size_t size)
{
	struct fact *f = malloc(sizeof(*f) + size);

	if (!f)
		return -ENOMEM;
	forget(s, key->what, key->id, key->extra);
	*f = *key;
	f->size = size;
	memcpy(f->record, record, size);
	if (!tsearch(f, &s->by_key, fact_compare)) {
		free(f);
		return -ENOMEM;
	}
	TAILQ_INSERT_TAIL(&s->facts, f, entry);
	s->n_passing += f->passing;
	if (s->n_passing > STATE_PASSING_MAX)
		remove_oldest_passing(s);
	return 0;
}

static uint64_t hash(const unsigned char *p, size_t n)
{
	uint64_t h = 14695981039346656037ull;

	for (size_t i = 0; i < n; i++)
		h = (h ^ p[i]) * 1099511628211ull;
	return h;
}

/* A slice of the record, found at offset at of it; 0 if it is not within. */
static uint64_t hash_slice(const unsigned char *record, size_t size, size_t at)
{
	struct wire_str w;

	if (at + sizeof(w) > size)
		return 0;
	memcpy(&w, record + at, sizeof(w));
	return (size_t)w.off + w.len <= size ? hash(record + w.off, w.len) : 0;
}

static uint64_t get64(const unsigned char *record, size_t size, size_t at)
{
	uint64_t v = 0;

	if (at + sizeof(v) <= size)
		memcpy(&v, record + at, sizeof(v));
	return v;
}

static uint32_t get32(const unsigned char *record, size_t size, size_t at)
{
	uint32_t v = 0;

	if (at + sizeof(v) <= size)
		memcpy(&v, record + at, sizeof(v));
	return v;
}

/* A manager that is gone: all that was said of its code. */
static void forget_manager(struct state *s, uint64_t tgid)
{
	struct fact key = {.what = WIRE_MANAGER, .id = tgid}, *f, *next;

	if (!tfind(&key, &s->by_key, fact_compare))
		return;
	for (f = TAILQ_FIRST(&s->facts); f; f = next) {
		next = TAILQ_NEXT(f, entry);
		if (f->id == tgid && (f->what == WIRE_MANAGER || f->what == WIRE_ENUM ||
				      f->what == WIRE_SYMBOL || f->what == WIRE_OFFSET))
			remove_fact(s, f);
	}
}

static void forget_process(struct state *s, uint64_t tgid)
{
	forget(s, WIRE_FORK, tgid, 0);
	forget(s, WIRE_PROC, tgid, 0);
	forget(s, WIRE_EXEC, tgid, 0);
	forget(s, WIRE_CGROUP_ATTACH, tgid, 0);
}

#define TASK_TGID(type, field) (offsetof(struct type, field) + offsetof(struct wire_task, tgid))

static int feed_process(struct state *s, const struct wire_hdr *h, const void *record, size_t size)
{
	struct fact key = {.what = h->kind, .passing = true};
	uint64_t tgid;

	switch (h->kind) {
	case WIRE_FORK:
		key.id = get32(record, size, TASK_TGID(wire_fork, child));
		forget_process(s, key.id); /* a new life of that number */
		break;
	case WIRE_EXEC:
		key.id = get32(record, size, TASK_TGID(wire_exec, task));
		forget(s, WIRE_PROC, key.id, 0);
		break;
	case WIRE_PROC:
		key.id = get32(record, size, TASK_TGID(wire_proc, task));
		break;
	case WIRE_CGROUP_ATTACH:
		key.id = get32(record, size, TASK_TGID(wire_attach, task));
		break;
	default:
		tgid = get32(record, size, TASK_TGID(wire_exit, task));
		forget_process(s, tgid);
		forget_manager(s, tgid);
		return 0;
	}
	return keep(s, &key, record, size);
}

int state_feed(struct state *s, const void *record, size_t size)
{
	struct fact key = {};
	struct wire_hdr h;

	if (size < sizeof(h))
		return 0;
	memcpy(&h, record, sizeof(h));
	s->records++;
	key.what = h.kind;
	key.id = h.tgid;
	switch (h.kind) {
	case WIRE_START:
	case WIRE_CLOCK:
		key.id = 0;
		return keep(s, &key, record, size);
	case WIRE_MANAGER:
		return keep(s, &key, record, size);
	case WIRE_ENUM:
		key.extra = hash_slice(record, size, offsetof(struct wire_enum, name));
		return keep(s, &key, record, size);
	case WIRE_SYMBOL:
	case WIRE_OFFSET:
		key.extra = hash_slice(record, size, offsetof(struct wire_symbol, name));
		return keep(s, &key, record, size);
	case WIRE_PROBE:
		key.extra = hash_slice(record, size, offsetof(struct wire_probe, name));
		return keep(s, &key, record, size);
	case WIRE_CGROUP:
	case WIRE_CGROUP_MKDIR:
		key.what = WIRE_CGROUP;
		key.id = get64(record, size, offsetof(struct wire_path, id));
		return keep(s, &key, record, size);
	case WIRE_WATCHDOG_DEVICE:
		/* what was overdue then is not so any more */
		if (get32(record, size, offsetof(struct wire_watchdog_device, flags)))
			return 0;
		key.id = get32(record, size, offsetof(struct wire_watchdog_device, device));
		return keep(s, &key, record, size);
	case WIRE_WATCHDOG_USE:
		/* they were for whoever had it open */
		key.id = get32(record, size, offsetof(struct wire_watchdog_use, device));
		key.extra = get32(record, size, offsetof(struct wire_watchdog_use, op));
		if (key.extra == WIRE_WATCHDOG_OPEN || key.extra == WIRE_WATCHDOG_CLOSE)
			forget(s, WIRE_WATCHDOG_SETTINGS, key.id, 0);
		return 0;
	case WIRE_WATCHDOG_SETTINGS:
		key.id = get32(record, size, offsetof(struct wire_watchdog_settings, device));
		return keep(s, &key, record, size);
	case WIRE_BUS_NAME:
		key.id = get32(record, size, offsetof(struct wire_bus_name, listener));
		key.extra = hash_slice(record, size, offsetof(struct wire_bus_name, name));
		key.passing = true;
		return keep(s, &key, record, size);
	case WIRE_CGROUP_RMDIR:
		forget(s, WIRE_CGROUP, get64(record, size, offsetof(struct wire_path, id)), 0);
		return 0;
	case WIRE_FORK:
	case WIRE_EXEC:
	case WIRE_PROC:
	case WIRE_CGROUP_ATTACH:
	case WIRE_EXIT:
		return feed_process(s, &h, record, size);
	default:
		return 0;
	}
}

int state_replay(const struct state *s, wire_sink sink, void *ctx)
{
	const struct fact *f;
	int r = 0;

	TAILQ_FOREACH(f, &s->facts, entry)
	{
		r = sink(ctx, f->record, f->size);
		if (r != 0)
			break;
	}
	return r;
}
