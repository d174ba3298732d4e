/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reads a recording block by block. Trusts nothing: what a checksum or a length contradicts is
 * said, left out, and counted as lost; then it goes on with the next block that is whole.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "svctrace/cleanup.h"
#include "svctrace/trace.h"
#include "trace/block.h"

#define BUFFER_MIN (256u << 10)

struct trace_reader {
	trace_read_fn read;
	void *ctx;
	trace_note_fn note;
	/* bytes of the file: [at, end) of buf are here, at is file offset */
	unsigned char *buf;
	size_t size, at, end;
	uint64_t offset;
	bool eof;
	char *facts;
	size_t facts_len;
	struct unpacker unpacker;
	/* the records of one block */
	unsigned char *raw;
	size_t raw_size, raw_at, raw_end;
	uint32_t number; /* of the next block */
	bool done;
	uint64_t last_ns;
	uint64_t lost; /* records that were lost and not told of yet */
	struct {
		struct wire_lost w;
		char probe[16];
	} lost_record;
	struct trace_status status;
};

_printf_(2, 3) static void note(struct trace_reader *r, const char *format, ...)
{
	char line[512];
	va_list args;

	if (!r->note)
		return;
	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	r->note(r->ctx, line);
}

static size_t available(const struct trace_reader *r)
{
	return r->end - r->at;
}

/* Room for n bytes from r->at on. */
static int make_room(struct trace_reader *r, size_t n)
{
	unsigned char *p;

	memmove(r->buf, r->buf + r->at, available(r));
	r->end -= r->at;
	r->at = 0;
	if (n <= r->size)
		return 0;
	p = realloc(r->buf, n);
	if (!p)
		return -ENOMEM;
	r->buf = p;
	r->size = n;
	return 0;
}

/* 1 if n bytes are there now, 0 if the file ends before. */
static int fill(struct trace_reader *r, size_t n)
{
	if (available(r) >= n)
		return 1;
	if (r->at + n > r->size) {
		int k = make_room(r, n);

		if (k < 0)
			return k;
	}
	while (available(r) < n && !r->eof) {
		ssize_t k = r->read(r->ctx, r->buf + r->end, r->size - r->end);

		if (k < 0)
			return k;
		r->eof = k == 0;
		r->end += k;
		r->status.read.bytes += k;
	}
	return available(r) >= n;
}

static void consume(struct trace_reader *r, size_t n)
{
	r->at += n;
	r->offset += n;
}

/* On to the next block from r->at on: 1; 0 if there is none. */
static int seek_block(struct trace_reader *r, struct trace_block *head)
{
	for (;;) {
		unsigned char *p;
		int k = fill(r, sizeof(*head));

		if (k <= 0) {
			consume(r, available(r));
			return k;
		}
		p = memmem(r->buf + r->at, available(r), TRACE_SYNC, sizeof(head->sync));
		/* the last three bytes may begin one */
		consume(r, p ? (size_t)(p - r->buf) - r->at : available(r) - 3);
		if (!p || fill(r, sizeof(*head)) <= 0)
			continue;
		memcpy(head, r->buf + r->at, sizeof(*head));
		if (block_head_is_good(head))
			return 1;
		consume(r, 1);
	}
}

/* crc is what the header claims, magic what it ought to be. */
static bool header_is_good(const struct trace_reader *r, const struct trace_header *h)
{
	struct trace_header plain = *h;
	uint32_t crc;

	memcpy(plain.magic, TRACE_MAGIC, sizeof(plain.magic));
	plain.crc = 0;
	crc = crc32(block_crc(&plain, sizeof(plain)), r->buf + r->at + sizeof(plain),
		    h->size - sizeof(plain));
	return crc == h->crc;
}

static int check_version(struct trace_reader *r, const struct trace_header *h)
{
	r->status.major = h->major;
	r->status.minor = h->minor;
	if (h->major != TRACE_MAJOR) {
		note(r, "it is in format %u.%u, this svctrace reads %u.x: %s", h->major, h->minor,
		     TRACE_MAJOR, h->major > TRACE_MAJOR ? "use a newer one" : "use an older one");
		return -EPROTONOSUPPORT;
	}
	if (h->features & TRACE_F_MANDATORY & ~TRACE_F_KNOWN) {
		note(r,
		     "it needs features (%#" PRIx64 ") that this svctrace lacks: use a newer one",
		     (uint64_t)(h->features & TRACE_F_MANDATORY & ~TRACE_F_KNOWN));
		return -EPROTONOSUPPORT;
	}
	if (h->features & TRACE_F_BIG) {
		note(r, "it comes from a machine of the other byte order: replay it on such a one");
		return -EPROTONOSUPPORT;
	}
	return 0;
}

static int keep_facts(struct trace_reader *r, const struct trace_header *h)
{
	if (h->facts_off > h->size || h->facts_len > h->size - h->facts_off)
		return 0;
	r->facts = malloc(h->facts_len + 1);
	if (!r->facts)
		return -ENOMEM;
	memcpy(r->facts, r->buf + r->at + h->facts_off, h->facts_len);
	r->facts[h->facts_len] = 0;
	r->facts_len = h->facts_len;
	return 0;
}

static int read_header(struct trace_reader *r)
{
	struct trace_header h;
	struct trace_block head;
	bool magic, good = false;
	int k = fill(r, sizeof(h));

	if (k < 0)
		return k;
	magic = available(r) >= sizeof(h.magic) &&
		memcmp(r->buf + r->at, TRACE_MAGIC, sizeof(h.magic)) == 0;
	if (k == 0) {
		note(r,
		     magic ? "it was cut off in its header: nothing is in it"
			   : "it is no recording: %s",
		     available(r) ? "svctrace record makes them" : "it is empty");
		return -EINVAL;
	}
	memcpy(&h, r->buf + r->at, sizeof(h));
	if (h.size >= sizeof(h) && h.size <= TRACE_HEADER_MAX)
		good = fill(r, h.size) == 1 && header_is_good(r, &h);
	if (!good && !magic) {
		note(r, "it is no recording: svctrace record makes them");
		return -EINVAL;
	}
	if (good && magic)
		k = check_version(r, &h);
	else
		note(r, "its header, at offset 0, is damaged");
	if (good && k >= 0)
		k = keep_facts(r, &h);
	if (k < 0)
		return k;
	consume(r, good ? h.size : sizeof(h));
	k = good ? 0 : seek_block(r, &head);
	return k < 0 ? k : 0;
}

int trace_reader_new(trace_read_fn read, void *ctx, trace_note_fn note_fn,
		     struct trace_reader **ret)
{
	_cleanup_(trace_reader_freep) struct trace_reader *r = calloc(1, sizeof(*r));
	int k;

	if (!r || unpacker_init(&r->unpacker) < 0)
		return -ENOMEM;
	r->read = read;
	r->ctx = ctx;
	r->note = note_fn;
	r->size = BUFFER_MIN;
	r->buf = malloc(r->size);
	if (!r->buf)
		return -ENOMEM;
	k = read_header(r);
	if (k == 0)
		*ret = take_ptr(r);
	return k;
}

void trace_reader_freep(struct trace_reader **rp)
{
	struct trace_reader *r = *rp;

	if (!r)
		return;
	unpacker_done(&r->unpacker);
	free(r->facts);
	free(r->buf);
	free(r->raw);
	free(r);
	*rp = NULL;
}

struct str trace_reader_fact(const struct trace_reader *r, const char *key)
{
	size_t len = strlen(key);

	for (size_t i = 0; i < r->facts_len; i += strlen(r->facts + i) + 1)
		if (strncmp(r->facts + i, key, len) == 0 && r->facts[i + len] == '=')
			return (struct str){r->facts + i + len + 1, strlen(r->facts + i + len + 1)};
	return (struct str){NULL, 0};
}

static void lose(struct trace_reader *r, uint64_t n)
{
	r->status.damaged++;
	r->lost += n;
}

/* Whatever is at r->at is no block: on to what is one, and say so. */
static int find_block(struct trace_reader *r)
{
	uint64_t from = r->offset;
	struct trace_block head;
	int k;

	lose(r, 1);
	consume(r, 1);
	k = seek_block(r, &head);
	if (k < 0)
		return k;
	if (k == 0) {
		note(r,
		     "block %" PRIu32 " at offset %" PRIu64 " is damaged (its head), and no other "
		     "follows",
		     r->number, from);
		r->done = true;
		return 0;
	}
	note(r,
	     "block %" PRIu32 " at offset %" PRIu64 " is damaged (its head): reading goes on with "
	     "block %" PRIu32 " at offset %" PRIu64,
	     r->number, from, head.number, r->offset);
	r->number = head.number;
	return 0;
}

static void say_cut(struct trace_reader *r, size_t want)
{
	size_t have = available(r);

	r->done = true;
	if (have == 0)
		note(r,
		     "it ends at offset %" PRIu64 " without an end marker (crash, full disk, kill "
		     "-9): what came after is missing",
		     r->offset);
	else
		note(r,
		     "it was cut off at offset %" PRIu64 ": of block %" PRIu32 " there are %zu of "
		     "%zu bytes; that and what came after is missing",
		     r->offset + have, r->number, have, want);
}

static int unpack_records(struct trace_reader *r, const struct trace_block *head,
			  const unsigned char *stored)
{
	if (head->raw > r->raw_size) {
		unsigned char *p = realloc(r->raw, head->raw);

		if (!p)
			return -ENOMEM;
		r->raw = p;
		r->raw_size = head->raw;
	}
	if (!r->raw || unpacker_unpack(&r->unpacker, head, stored, r->raw) < 0) {
		note(r,
		     "block %" PRIu32 " at offset %" PRIu64 " is damaged: its %" PRIu32 " records "
		     "are missing",
		     head->number, r->offset, head->records);
		lose(r, head->records);
		return 0;
	}
	r->raw_at = 0;
	r->raw_end = head->raw;
	r->status.read.blocks++;
	r->status.read.raw += head->raw;
	return 0;
}

static void check_plain(struct trace_reader *r, const struct trace_block *head,
			const unsigned char *stored)
{
	if (block_crc(stored, head->stored) == head->crc)
		return;
	note(r,
	     "block %" PRIu32 " at offset %" PRIu64 " is damaged (%s): no records are missing "
	     "for it",
	     head->number, r->offset, head->type == TRACE_INDEX ? "an index" : "the end marker");
	r->status.damaged++;
}

static void check_end(struct trace_reader *r, const struct trace_block *head,
		      const unsigned char *stored)
{
	const struct trace_totals *t = &r->status.read;
	struct trace_end end = {};

	r->done = true;
	check_plain(r, head, stored);
	memcpy(&end, stored, head->stored < sizeof(end) ? head->stored : sizeof(end));
	r->status.complete = r->status.damaged == 0 && end.blocks == t->blocks &&
			     end.records == t->records && end.raw == t->raw;
	if (r->status.damaged == 0 && !r->status.complete)
		note(r, "%" PRIu64 " of %" PRIu64 " records are here: the others are missing",
		     t->records, (uint64_t)end.records);
}

static void check_number(struct trace_reader *r, const struct trace_block *head)
{
	if (head->number > r->number) {
		note(r,
		     "%" PRIu32 " blocks are missing before block %" PRIu32 " at offset %" PRIu64,
		     head->number - r->number, head->number, r->offset);
		lose(r, 1);
	} else if (head->number < r->number) {
		note(r, "block %" PRIu32 " at offset %" PRIu64 " is out of order", head->number,
		     r->offset);
		r->status.damaged++;
	}
	r->number = head->number + 1;
}

static int next_block(struct trace_reader *r)
{
	struct trace_block head;
	const unsigned char *stored;
	int k = fill(r, sizeof(head));

	if (k == 0)
		say_cut(r, sizeof(head));
	if (k <= 0)
		return k;
	memcpy(&head, r->buf + r->at, sizeof(head));
	if (!block_head_is_good(&head))
		return find_block(r);
	k = fill(r, sizeof(head) + head.stored);
	if (k == 0)
		say_cut(r, sizeof(head) + head.stored);
	if (k <= 0)
		return k;
	check_number(r, &head);
	stored = r->buf + r->at + sizeof(head);
	k = 0;
	if (head.type == TRACE_RECORDS)
		k = unpack_records(r, &head, stored);
	else if (head.type == TRACE_INDEX)
		check_plain(r, &head, stored);
	else if (head.type == TRACE_END)
		check_end(r, &head, stored);
	consume(r, sizeof(head) + head.stored);
	return k;
}

/* What was lost is an event too. */
static int give_lost(struct trace_reader *r, uint64_t now, const void **record, size_t *size)
{
	static const char probe[] = "recording";
	struct wire_lost *w = &r->lost_record.w;

	*w = (struct wire_lost){
		.h = {.kind = WIRE_LOST, .mono_ns = now > r->last_ns ? now : r->last_ns},
		.since_ns = r->last_ns,
		.count = r->lost,
		.probe = {.off = sizeof(*w), .len = sizeof(probe) - 1},
	};
	w->h.size = sizeof(*w) + w->probe.len;
	memcpy(r->lost_record.probe, probe, w->probe.len);
	r->lost = 0;
	*record = w;
	*size = w->h.size;
	return 1;
}

static int give(struct trace_reader *r, const void **record, size_t *size)
{
	const unsigned char *p = r->raw + r->raw_at;
	size_t n = record_size(p, r->raw_end - r->raw_at);
	struct wire_hdr h;

	if (n == 0) {
		note(r,
		     "block %" PRIu32 " holds a record of an impossible size: the rest of it is "
		     "missing",
		     r->number - 1);
		lose(r, 1);
		r->raw_at = r->raw_end;
		return 0;
	}
	memcpy(&h, p, sizeof(h));
	if (r->lost)
		return give_lost(r, h.mono_ns, record, size);
	r->last_ns = h.mono_ns;
	r->raw_at += n;
	r->status.read.records++;
	*record = p;
	*size = n;
	return 1;
}

int trace_reader_next(struct trace_reader *r, const void **record, size_t *size)
{
	for (;;) {
		int k = 0;

		if (r->raw_at < r->raw_end)
			k = give(r, record, size);
		else if (r->done)
			return r->lost ? give_lost(r, r->last_ns, record, size) : 0;
		else
			k = next_block(r);
		if (k != 0)
			return k;
	}
}

void trace_reader_status(const struct trace_reader *r, struct trace_status *ret)
{
	*ret = r->status;
}
