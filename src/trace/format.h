/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What lies in a file, byte for byte; man page svctrace-trace(5). Numbers are little-endian. */
#ifndef SVCTRACE_TRACE_FORMAT_H
#define SVCTRACE_TRACE_FORMAT_H

#include <linux/types.h>

#define TRACE_MAGIC	  "SVCTRACE"
#define TRACE_HEADER_MAX  65536
#define TRACE_SYNC	  "\xf7SVB" /* not UTF-8: no text holds it */
#define TRACE_RAW_TARGET  65536	    /* a block is written when its records reach this */
#define TRACE_RAW_MAX	  (1u << 20)
#define TRACE_STORED_MAX  (TRACE_RAW_MAX + (TRACE_RAW_MAX >> 8) + 1024)
#define TRACE_INDEX_MAX	  256 /* blocks that an index tells of */

/* The lower half: a reader that does not know the bit must refuse the file. */
#define TRACE_F_DEFLATE	  (1ull << 0) /* blocks may be deflated */
#define TRACE_F_BIG	  (1ull << 1) /* records (not the file) are big-endian */
#define TRACE_F_KNOWN	  (TRACE_F_DEFLATE | TRACE_F_BIG)
#define TRACE_F_MANDATORY 0xffffffffull

struct trace_header {
	char magic[8];
	__u16 major, minor;
	__u32 size; /* of the header, with the facts */
	__u64 features;
	__u32 facts_off, facts_len; /* "KEY=VALUE", each ended by NUL */
	__u32 pad;
	__u32 crc; /* of all size bytes, this field taken as 0 */
};

enum trace_block_type {
	TRACE_RECORDS = 1, /* wire records, one behind the other */
	TRACE_INDEX = 2,   /* struct trace_index, then its entries */
	TRACE_END = 3,	   /* struct trace_end; nothing follows */
};

#define TRACE_BLOCK_DEFLATED (1u << 0)

struct trace_block {
	char sync[4];
	__u16 type, flags;
	__u32 number;	/* from 0 on, of every type */
	__u32 stored;	/* bytes that follow */
	__u32 raw;	/* bytes when inflated */
	__u32 records;	/* in a block of records */
	__u64 first_ns; /* of its first record */
	__u32 crc;	/* of the stored bytes */
	__u32 head_crc; /* of all above */
};

struct trace_index {
	__u64 previous; /* offset of the index block before this one; 0: none */
	__u32 n, pad;
};

struct trace_index_entry {
	__u64 offset;
	__u64 first_ns;
	__u32 number;
	__u32 records;
};

struct trace_end {
	__u64 index; /* offset of the last index block; 0: none */
	__u64 blocks, records, raw;
};

_Static_assert(sizeof(struct trace_header) == 40, "header changed its size");
_Static_assert(sizeof(struct trace_block) == 40, "block changed its size");
_Static_assert(sizeof(struct trace_index) == 16, "index changed its size");
_Static_assert(sizeof(struct trace_index_entry) == 24, "index entry changed its size");
_Static_assert(sizeof(struct trace_end) == 32, "end marker changed its size");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "byte order: format.h needs swapping");

#endif
