/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Records packed into blocks, and unpacked. */
#ifndef SVCTRACE_TRACE_BLOCK_H
#define SVCTRACE_TRACE_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <zlib.h>

#include "svctrace/wire.h"
#include "trace/format.h"

/* Collects records until they are worth a block. */
struct packer {
	z_stream z;
	bool ready;
	unsigned char raw[TRACE_RAW_TARGET + WIRE_RECORD_MAX];
	size_t n;
	uint32_t records;
	uint64_t first_ns, last_ns;
	/* the packed block: its head, and what is stored */
	struct trace_block head;
	unsigned char out[TRACE_RAW_TARGET + WIRE_RECORD_MAX + 1024];
};

int packer_init(struct packer *p);
void packer_done(struct packer *p);
/* -EBADMSG: not one whole record. There is room until packer_is_full(). */
int packer_add(struct packer *p, const void *record, size_t size);
/* It is time to pack: it is full, the stream is idle, or a second has passed. */
bool packer_is_due(const struct packer *p);
/* Fills head (all but its number, which block_seal() sets) and out; empties the packer. */
int packer_pack(struct packer *p);

void block_seal(struct trace_block *head, uint32_t number);
uint32_t block_crc(const void *p, size_t n);
bool block_head_is_good(const struct trace_block *head);

struct unpacker {
	z_stream z;
	bool ready;
};

int unpacker_init(struct unpacker *u);
void unpacker_done(struct unpacker *u);
/* raw has room for head->raw bytes. -EBADMSG: it is not what the head says. */
int unpacker_unpack(struct unpacker *u, const struct trace_block *head, const void *stored,
		    void *raw);

/* The size of the record at p, of which n bytes are there; 0: no whole record. */
size_t record_size(const void *p, size_t n);

#endif
