/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A flight recorder: packed blocks in memory; what the oldest said is folded into a state. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "svctrace/cleanup.h"
#include "svctrace/trace.h"
#include "trace/state.h"
#include "trace/writer.h"

struct kept {
	TAILQ_ENTRY(kept) entry;
	struct trace_block head;
	unsigned char stored[];
};

TAILQ_HEAD(kept_queue, kept);

struct trace_ring {
	size_t limit, used;
	struct kept_queue blocks;
	struct state state;
	struct packer packer;
	struct unpacker unpacker;
	unsigned char raw[TRACE_RAW_TARGET + WIRE_RECORD_MAX];
};

int trace_ring_new(size_t limit, struct trace_ring **ret)
{
	_cleanup_(trace_ring_freep) struct trace_ring *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->limit = limit;
	TAILQ_INIT(&r->blocks);
	state_init(&r->state);
	if (packer_init(&r->packer) < 0 || unpacker_init(&r->unpacker) < 0)
		return -ENOMEM;
	*ret = take_ptr(r);
	return 0;
}

static void kept_free(struct trace_ring *r, struct kept *k)
{
	TAILQ_REMOVE(&r->blocks, k, entry);
	r->used -= sizeof(*k) + k->head.stored;
	free(k);
}

void trace_ring_freep(struct trace_ring **rp)
{
	struct trace_ring *r = *rp;

	if (!r)
		return;
	while (!TAILQ_EMPTY(&r->blocks))
		kept_free(r, TAILQ_FIRST(&r->blocks));
	state_done(&r->state);
	packer_done(&r->packer);
	unpacker_done(&r->unpacker);
	free(r);
	*rp = NULL;
}

/* The oldest block goes; what it said that is still true stays. */
static int drop_oldest(struct trace_ring *r)
{
	struct kept *k = TAILQ_FIRST(&r->blocks);
	int e = unpacker_unpack(&r->unpacker, &k->head, k->stored, r->raw);

	for (size_t at = 0, n; e == 0 && (n = record_size(r->raw + at, k->head.raw - at)); at += n)
		e = state_feed(&r->state, r->raw + at, n);
	kept_free(r, k);
	return e;
}

static int pack(struct trace_ring *r)
{
	const struct trace_block *head = &r->packer.head;
	struct kept *k;
	int e = 0;

	packer_pack(&r->packer);
	k = malloc(sizeof(*k) + head->stored);
	if (!k)
		return -ENOMEM;
	k->head = *head;
	memcpy(k->stored, r->packer.out, head->stored);
	TAILQ_INSERT_TAIL(&r->blocks, k, entry);
	r->used += sizeof(*k) + head->stored;
	/* never the newest: a limit below one block is met by one */
	while (e == 0 && r->used > r->limit && TAILQ_FIRST(&r->blocks) != k)
		e = drop_oldest(r);
	return e;
}

/*
 * Being idle is no reason to pack here: that bounds what a crash loses, and a crash loses all of a
 * ring. Full blocks pack better.
 */
int trace_ring_record(void *ring, const void *record, size_t size)
{
	struct trace_ring *r = ring;
	int e = packer_add(&r->packer, record, size);

	return e == 0 && r->packer.n >= TRACE_RAW_TARGET ? pack(r) : e;
}

static int write_all(struct trace_ring *r, struct trace_writer *w)
{
	struct kept *k;
	int e = state_replay(&r->state, trace_writer_record, w);

	if (e == 0)
		e = trace_writer_flush(w);
	TAILQ_FOREACH(k, &r->blocks, entry)
	{
		if (e != 0)
			break;
		e = trace_writer_block(w, &k->head, k->stored);
	}
	return e ? e : trace_writer_close(w);
}

/* The facts, and how many records are no longer there. */
static int add_left_out(const struct trace_ring *r, struct str facts, char **ret, size_t *ret_len)
{
	char *all = malloc(facts.n + 48);

	if (!all)
		return -ENOMEM;
	if (facts.n > 0)
		memcpy(all, facts.s, facts.n);
	*ret_len = facts.n + 1 + snprintf(all + facts.n, 48, "LEFT_OUT=%" PRIu64, r->state.records);
	*ret = all;
	return 0;
}

int trace_ring_write(struct trace_ring *r, trace_write_fn write, void *ctx, struct str facts,
		     struct trace_totals *ret)
{
	_cleanup_(trace_writer_freep) struct trace_writer *w = NULL;
	_cleanup_free_ char *all = NULL;
	size_t len = 0;
	int e = r->packer.n > 0 ? pack(r) : 0;

	if (e == 0)
		e = add_left_out(r, facts, &all, &len);
	if (e == 0)
		e = trace_writer_new(write, ctx, (struct str){all, len}, &w);
	if (e == 0)
		e = write_all(r, w);
	if (w)
		trace_writer_totals(w, ret);
	return e;
}
