/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "svctrace/cleanup.h"
#include "trace/writer.h"

struct trace_writer {
	trace_write_fn write;
	void *ctx;
	char *facts;
	size_t facts_len;
	int error; /* what writing once failed with */
	bool begun;
	uint32_t number;
	uint64_t last_index; /* offset */
	struct trace_totals totals;
	struct packer packer;
	struct {
		struct trace_index head;
		struct trace_index_entry entry[TRACE_INDEX_MAX];
	} index;
};

int trace_writer_new(trace_write_fn write, void *ctx, struct str facts, struct trace_writer **ret)
{
	_cleanup_(trace_writer_freep) struct trace_writer *w = calloc(1, sizeof(*w));

	if (!w || packer_init(&w->packer) < 0)
		return -ENOMEM;
	if (facts.n > TRACE_HEADER_MAX - sizeof(struct trace_header))
		return -E2BIG;
	w->write = write;
	w->ctx = ctx;
	w->facts_len = facts.n;
	w->facts = malloc(facts.n + 1);
	if (!w->facts)
		return -ENOMEM;
	if (facts.n > 0)
		memcpy(w->facts, facts.s, facts.n);
	*ret = take_ptr(w);
	return 0;
}

void trace_writer_freep(struct trace_writer **w)
{
	if (!*w)
		return;
	packer_done(&(*w)->packer);
	free((*w)->facts);
	free(*w);
	*w = NULL;
}

static int put(struct trace_writer *w, const void *p, size_t n)
{
	int r = w->error ? w->error : w->write(w->ctx, p, n);

	w->error = r;
	if (r == 0)
		w->totals.bytes += n;
	return r;
}

/* One write, so that a file rarely ends in half a header. */
static int begin(struct trace_writer *w)
{
	struct trace_header h = {
		.major = TRACE_MAJOR,
		.minor = TRACE_MINOR,
		.size = sizeof(h) + w->facts_len,
		.features = TRACE_F_DEFLATE,
		.facts_off = sizeof(h),
		.facts_len = w->facts_len,
	};
	_cleanup_free_ unsigned char *all = malloc(h.size);

	if (w->begun)
		return w->error;
	if (!all)
		return -ENOMEM;
	w->begun = true;
	memcpy(h.magic, TRACE_MAGIC, sizeof(h.magic));
	memcpy(all, &h, sizeof(h));
	memcpy(all + sizeof(h), w->facts, w->facts_len);
	h.crc = block_crc(all, h.size);
	memcpy(all, &h, sizeof(h));
	return put(w, all, h.size);
}

static int put_block(struct trace_writer *w, struct trace_block *head, const void *stored)
{
	int r;

	block_seal(head, w->number++);
	r = put(w, head, sizeof(*head));
	return r ? r : put(w, stored, head->stored);
}

/* A block that is not deflated, so that what it says can be found from the file's end. */
static int put_plain(struct trace_writer *w, enum trace_block_type type, const void *p, size_t n)
{
	struct trace_block head = {.type = type, .stored = n, .raw = n, .crc = block_crc(p, n)};

	return put_block(w, &head, p);
}

static int put_index(struct trace_writer *w)
{
	struct trace_index *x = &w->index.head;
	uint64_t offset = w->totals.bytes;
	int r;

	if (x->n == 0)
		return 0;
	x->previous = w->last_index;
	r = put_plain(w, TRACE_INDEX, &w->index,
		      sizeof(*x) + x->n * sizeof(struct trace_index_entry));
	w->last_index = offset;
	x->n = 0;
	return r;
}

int trace_writer_block(struct trace_writer *w, struct trace_block *head, const void *stored)
{
	struct trace_index_entry *e;
	int r = begin(w);

	if (r == 0 && w->index.head.n == TRACE_INDEX_MAX)
		r = put_index(w);
	if (r < 0)
		return r;
	e = &w->index.entry[w->index.head.n++];
	*e = (struct trace_index_entry){
		.offset = w->totals.bytes,
		.first_ns = head->first_ns,
		.number = w->number,
		.records = head->records,
	};
	w->totals.blocks++;
	w->totals.records += head->records;
	w->totals.raw += head->raw;
	return put_block(w, head, stored);
}

int trace_writer_flush(struct trace_writer *w)
{
	int r = begin(w);

	if (r < 0 || w->packer.n == 0)
		return r;
	packer_pack(&w->packer);
	return trace_writer_block(w, &w->packer.head, w->packer.out);
}

int trace_writer_record(void *writer, const void *record, size_t size)
{
	struct trace_writer *w = writer;
	int r = w->error ? w->error : packer_add(&w->packer, record, size);

	if (r == 0 && packer_is_due(&w->packer))
		r = trace_writer_flush(w);
	return r;
}

int trace_writer_close(struct trace_writer *w)
{
	struct trace_end end;
	int r = trace_writer_flush(w);

	if (r == 0)
		r = put_index(w);
	end = (struct trace_end){
		.index = w->last_index,
		.blocks = w->totals.blocks,
		.records = w->totals.records,
		.raw = w->totals.raw,
	};
	return r ? r : put_plain(w, TRACE_END, &end, sizeof(end));
}

void trace_writer_totals(const struct trace_writer *w, struct trace_totals *ret)
{
	*ret = w->totals;
}
