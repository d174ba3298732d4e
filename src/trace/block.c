/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "trace/block.h"

#define SECOND_NS     1000000000ull
#define RAW_DEFLATE   (-15)
/* Records are much alike: the fastest level takes them to a sixth, the slowest to a seventh. */
#define DEFLATE_LEVEL 1

int packer_init(struct packer *p)
{
	if (deflateInit2(&p->z, DEFLATE_LEVEL, Z_DEFLATED, RAW_DEFLATE, 8, Z_DEFAULT_STRATEGY) !=
	    Z_OK)
		return -ENOMEM;
	p->ready = true;
	return 0;
}

void packer_done(struct packer *p)
{
	if (p->ready)
		deflateEnd(&p->z);
	p->ready = false;
}

size_t record_size(const void *p, size_t n)
{
	struct wire_hdr h;

	if (n < sizeof(h))
		return 0;
	memcpy(&h, p, sizeof(h));
	return h.size >= sizeof(h) && h.size <= n && h.size <= WIRE_RECORD_MAX ? h.size : 0;
}

int packer_add(struct packer *p, const void *record, size_t size)
{
	struct wire_hdr h;
	size_t n = record_size(record, size);

	if (n == 0 || p->n + n > sizeof(p->raw))
		return -EBADMSG;
	memcpy(&h, record, sizeof(h));
	if (p->n == 0)
		p->first_ns = h.mono_ns;
	p->last_ns = h.kind == WIRE_IDLE ? UINT64_MAX : h.mono_ns;
	memcpy(p->raw + p->n, record, n);
	p->n += n;
	p->records++;
	return 0;
}

bool packer_is_due(const struct packer *p)
{
	if (p->n == 0)
		return false;
	return p->n >= TRACE_RAW_TARGET || p->last_ns == UINT64_MAX ||
	       (p->last_ns > p->first_ns && p->last_ns - p->first_ns > SECOND_NS);
}

/* What deflating does not make smaller is stored as it is. */
int packer_pack(struct packer *p)
{
	z_stream *z = &p->z;
	int r;

	deflateReset(z);
	z->next_in = p->raw;
	z->avail_in = p->n;
	z->next_out = p->out;
	z->avail_out = p->n;
	r = deflate(z, Z_FINISH);
	p->head = (struct trace_block){
		.type = TRACE_RECORDS,
		.flags = r == Z_STREAM_END ? TRACE_BLOCK_DEFLATED : 0,
		.stored = r == Z_STREAM_END ? z->total_out : p->n,
		.raw = p->n,
		.records = p->records,
		.first_ns = p->first_ns,
	};
	if (r != Z_STREAM_END)
		memcpy(p->out, p->raw, p->n);
	p->head.crc = block_crc(p->out, p->head.stored);
	p->n = p->records = 0;
	p->last_ns = 0;
	return 0;
}

uint32_t block_crc(const void *p, size_t n)
{
	return crc32(crc32(0, NULL, 0), p, n);
}

void block_seal(struct trace_block *head, uint32_t number)
{
	memcpy(head->sync, TRACE_SYNC, sizeof(head->sync));
	head->number = number;
	head->head_crc = block_crc(head, offsetof(struct trace_block, head_crc));
}

bool block_head_is_good(const struct trace_block *head)
{
	return memcmp(head->sync, TRACE_SYNC, sizeof(head->sync)) == 0 &&
	       head->stored <= TRACE_STORED_MAX && head->raw <= TRACE_RAW_MAX &&
	       head->head_crc == block_crc(head, offsetof(struct trace_block, head_crc));
}

int unpacker_init(struct unpacker *u)
{
	if (inflateInit2(&u->z, RAW_DEFLATE) != Z_OK)
		return -ENOMEM;
	u->ready = true;
	return 0;
}

void unpacker_done(struct unpacker *u)
{
	if (u->ready)
		inflateEnd(&u->z);
	u->ready = false;
}

int unpacker_unpack(struct unpacker *u, const struct trace_block *head, const void *stored,
		    void *raw)
{
	z_stream *z = &u->z;

	if (block_crc(stored, head->stored) != head->crc)
		return -EBADMSG;
	if (!(head->flags & TRACE_BLOCK_DEFLATED)) {
		if (head->stored != head->raw)
			return -EBADMSG;
		memcpy(raw, stored, head->raw);
		return 0;
	}
	inflateReset(z);
	z->next_in = (void *)(uintptr_t)stored;
	z->avail_in = head->stored;
	z->next_out = raw;
	z->avail_out = head->raw;
	return inflate(z, Z_FINISH) == Z_STREAM_END && z->total_out == head->raw ? 0 : -EBADMSG;
}
