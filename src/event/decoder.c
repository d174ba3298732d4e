/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "event/kind.h"
#include "event/memory.h"
#include "svctrace/event.h"

struct decoder {
	ev_sink sink;
	void *ctx;
	uint64_t seq;
	struct memory memory;
	struct decoder_stats stats;
};

int decoder_new(ev_sink sink, void *ctx, struct decoder **ret)
{
	struct decoder *d = calloc(1, sizeof(*d));

	if (!d)
		return -ENOMEM;
	d->sink = sink;
	d->ctx = ctx;
	*ret = d;
	return 0;
}

void decoder_freep(struct decoder **d)
{
	if (!*d)
		return;
	memory_done(&(*d)->memory);
	free(*d);
	*d = NULL;
}

static struct str slice(const char *s)
{
	return s ? (struct str){s, strlen(s)} : (struct str){NULL, 0};
}

static void fill_manager(struct memory *m, struct ev *e)
{
	const struct manager_memory *mm = memory_manager(m, e->tgid);

	e->manager.tgid = e->tgid;
	if (!mm)
		return;
	e->manager.ns_tgid = mm->ns_tgid;
	e->manager.pidns = mm->pidns;
	e->manager.uid = mm->uid;
	e->manager.user = mm->user;
	e->manager.object = slice(mm->object);
	e->manager.build_id = slice(mm->build_id);
	e->manager.version = slice(mm->version);
	e->manager.cgroup_path = slice(mm->cgroup_path);
}

/* What the record ended; after the sink, which may still want it. */
static void forget(struct memory *m, const struct ev *e)
{
	if (e->kind == WIRE_CGROUP_RMDIR)
		memory_cgroup_drop(m, e->path.id);
	else if (e->kind == WIRE_EXIT)
		memory_manager_drop(m, e->process.task.tgid);
}

static int decode(struct decoder *d, const struct kind *k, const struct record *r,
		  const struct wire_hdr *h)
{
	struct memory *m = &d->memory;
	struct ev e = {
		.kind = h->kind,
		.flags = h->flags,
		.seq = d->seq,
		.mono_ns = h->mono_ns,
		.tgid = h->tgid,
		.tid = h->tid,
	};
	int n = k->decode(m, r, &e);

	if (n == -EBADMSG)
		d->stats.bad++;
	if (n < 0)
		return n;
	if (m->clock.known)
		e.wall_ns = m->clock.real_ns + (e.mono_ns - m->clock.mono_ns);
	if (k->in_manager)
		fill_manager(m, &e);
	n = d->sink(d->ctx, &e);
	forget(m, &e);
	return n;
}

static int bad(struct decoder *d)
{
	d->stats.bad++;
	return -EBADMSG;
}

int decoder_feed(struct decoder *d, const void *record, size_t size)
{
	const struct kind *k;
	struct record r;
	struct wire_hdr h;

	d->stats.records++;
	d->seq++;
	if (size < sizeof(h))
		return bad(d);
	memcpy(&h, record, sizeof(h));
	if (h.size < sizeof(h) || h.size > size || h.size > WIRE_RECORD_MAX)
		return bad(d);
	k = kind_get(h.kind);
	if (!k) {
		d->stats.unknown++;
		return 0;
	}
	if (h.size < k->fixed)
		return bad(d);
	r = (struct record){.bytes = record, .size = h.size, .fixed = k->fixed};
	return decode(d, k, &r, &h);
}

void decoder_stats(const struct decoder *d, struct decoder_stats *ret)
{
	*ret = d->stats;
}
