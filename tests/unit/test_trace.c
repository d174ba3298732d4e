/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Recordings: whole, cut off anywhere, with any bit flipped, from the future, on a full disk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "svctrace/cleanup.h"
#include "trace/block.h"
#include "trace/format.h"
#include "trace_file.h"

#define N_RECORDS 400

struct notes {
	unsigned int n;
	char last[512];
};

/* trace_reader_new() has one context for both. */
struct source {
	struct memory_file file;
	struct notes notes;
};

static void on_note(void *ctx, const char *line)
{
	struct source *s = ctx;

	s->notes.n++;
	snprintf(s->notes.last, sizeof(s->notes.last), "%s", line);
}

static ssize_t read_source(void *ctx, void *p, size_t n)
{
	return memory_read(&((struct source *)ctx)->file, p, n);
}

static void record(struct memory_file *f, unsigned int n, bool close)
{
	static const char facts[] = "UNITS=a.service\0LATER=1";
	struct trace_writer *w = NULL;
	struct wire_buf b;

	*f = (struct memory_file){};
	assert_int_equal(trace_writer_new(memory_write, f, (struct str){facts, sizeof(facts)}, &w),
			 0);
	for (unsigned int i = 0; i < n; i++)
		assert_int_equal(trace_writer_record(w, b.bytes, make_record(&b, i)), 0);
	assert_int_equal(close ? trace_writer_close(w) : trace_writer_flush(w), 0);
	trace_writer_freep(&w);
}

struct result {
	int opened;
	uint64_t good, lost; /* records of the stream, and told of as lost */
	struct trace_status status;
};

/* Every record that comes is one of the stream, in its order; or says that some are lost. */
static struct result replay(struct source *s)
{
	struct result r = {};
	struct trace_reader *reader = NULL;
	const void *p;
	size_t size, want;
	struct wire_buf b;
	unsigned int i = 0;

	r.opened = trace_reader_new(read_source, s, on_note, &reader);
	if (r.opened < 0)
		return r;
	while (trace_reader_next(reader, &p, &size) == 1) {
		struct wire_hdr h;

		memcpy(&h, p, sizeof(h));
		if (h.kind == WIRE_LOST) {
			r.lost += ((const struct wire_lost *)p)->count;
			continue;
		}
		do {
			want = make_record(&b, i++);
			assert_true(i <= N_RECORDS);
		} while (want != size || memcmp(p, b.bytes, size) != 0);
		r.good++;
	}
	trace_reader_status(reader, &r.status);
	trace_reader_freep(&reader);
	return r;
}

static void test_whole(void **state)
{
	struct source s = {};
	struct trace_reader *reader = NULL;
	struct result r;

	(void)state;
	record(&s.file, N_RECORDS, true);
	r = replay(&s);
	assert_int_equal(r.opened, 0);
	assert_int_equal(r.good, N_RECORDS);
	assert_int_equal(r.status.read.records, N_RECORDS);
	assert_int_equal(r.status.read.bytes, s.file.n);
	assert_true(r.status.complete);
	assert_int_equal(s.notes.n, 0);

	s.file.at = 0;
	assert_int_equal(trace_reader_new(read_source, &s, NULL, &reader), 0);
	assert_true(str_equal(trace_reader_fact(reader, "UNITS"), "a.service"));
	assert_true(str_equal(trace_reader_fact(reader, "LATER"), "1"));
	assert_null(trace_reader_fact(reader, "UNIT").s);
	trace_reader_freep(&reader);
	free(s.file.p);
}

static void test_empty_recording(void **state)
{
	struct source s = {};
	struct result r;

	(void)state;
	record(&s.file, 0, true);
	r = replay(&s);
	assert_int_equal(r.opened, 0);
	assert_int_equal(r.good, 0);
	assert_true(r.status.complete);
	free(s.file.p);
}

/* Where each block begins; returns how many there are. */
static unsigned int find_blocks(const struct memory_file *f, size_t *offsets, unsigned int max)
{
	struct trace_header header;
	struct trace_block head;
	unsigned int n = 0;

	memcpy(&header, f->p, sizeof(header));
	for (size_t at = header.size; at + sizeof(head) <= f->n;) {
		memcpy(&head, f->p + at, sizeof(head));
		assert_true(block_head_is_good(&head) && n < max);
		offsets[n++] = at;
		at += sizeof(head) + head.stored;
	}
	return n;
}

static void test_cut_at_every_byte(void **state)
{
	size_t whole, block[64];
	struct source s = {};
	unsigned int n;

	(void)state;
	record(&s.file, N_RECORDS, true);
	whole = s.file.n;
	n = find_blocks(&s.file, block, 64);
	/* eight of records, an index, the end */
	assert_int_equal(n, N_RECORDS / 50 + 2);
	for (size_t cut = 0; cut < whole; cut++) {
		struct source c = {.file = {.p = s.file.p, .n = cut}};
		struct result r = replay(&c);
		unsigned int blocks = 0;

		while (blocks < N_RECORDS / 50 && block[blocks + 1] <= cut)
			blocks++;
		assert_false(r.status.complete);
		assert_int_equal(c.notes.n > 0, true);
		if (r.opened == 0)
			assert_int_equal(r.good, blocks * 50);
		else
			assert_true(cut < block[0] && r.opened == -EINVAL);
		assert_int_equal(r.lost, 0);
	}
	free(s.file.p);
}

static void test_every_bit_flipped(void **state)
{
	size_t block[64];
	struct source s = {};
	unsigned int n;

	(void)state;
	record(&s.file, N_RECORDS, true);
	n = find_blocks(&s.file, block, 64);
	for (size_t bit = 0; bit < s.file.n * 8; bit += 5) {
		struct source c = {.file = {.p = s.file.p, .n = s.file.n}};
		size_t at = bit / 8;
		unsigned int k = 0;
		struct result r;

		s.file.p[at] ^= 1u << bit % 8;
		r = replay(&c);
		s.file.p[at] ^= 1u << bit % 8;
		while (k + 1 < n && block[k + 1] <= at)
			k++;
		assert_int_equal(r.opened, 0);
		assert_true(c.notes.n > 0);
		if (at < block[0]) {
			assert_non_null(strstr(c.notes.last, "offset 0"));
			assert_int_equal(r.good, N_RECORDS);
		} else {
			char where[64];

			snprintf(where, sizeof(where), "block %u at offset %zu", k, block[k]);
			if (!strstr(c.notes.last, where))
				fail_msg("bit %zu: %s, but: %s", bit, where, c.notes.last);
			assert_false(r.status.complete);
			/* only that block's records are gone, and the stream says so */
			assert_int_equal(r.good, N_RECORDS - (k < N_RECORDS / 50 ? 50 : 0));
			if (k < N_RECORDS / 50)
				assert_true(r.lost >= 1);
		}
	}
	free(s.file.p);
}

static void test_a_missing_block(void **state)
{
	size_t block[64];
	struct source s = {};
	struct result r;

	(void)state;
	record(&s.file, N_RECORDS, true);
	find_blocks(&s.file, block, 64);
	memmove(s.file.p + block[2], s.file.p + block[3], s.file.n - block[3]);
	s.file.n -= block[3] - block[2];
	r = replay(&s);
	assert_int_equal(r.good, N_RECORDS - 50);
	assert_int_equal(r.lost, 1); /* at least */
	assert_false(r.status.complete);
	free(s.file.p);
}

static void test_not_closed(void **state)
{
	struct source s = {};
	struct result r;

	(void)state;
	record(&s.file, N_RECORDS, false);
	r = replay(&s);
	assert_int_equal(r.good, N_RECORDS);
	assert_false(r.status.complete);
	assert_non_null(strstr(s.notes.last, "without an end marker"));
	free(s.file.p);
}

static void patch_header(struct memory_file *f, void (*patch)(struct trace_header *h))
{
	struct trace_header h;

	memcpy(&h, f->p, sizeof(h));
	patch(&h);
	h.crc = 0;
	memcpy(f->p, &h, sizeof(h));
	h.crc = block_crc(f->p, h.size);
	memcpy(f->p, &h, sizeof(h));
}

static void newer_minor(struct trace_header *h)
{
	h->minor = 99;
	h->features |= 1ull << 40; /* optional */
}

static void newer_major(struct trace_header *h)
{
	h->major = TRACE_MAJOR + 1;
}

static void mandatory_feature(struct trace_header *h)
{
	h->features |= 1ull << 31;
}

static void other_byte_order(struct trace_header *h)
{
	h->features |= TRACE_F_BIG;
}

/* A block of a type, and a record of a kind, that only later versions know. */
static void test_newer_minor(void **state)
{
	struct trace_block head = {.type = 77, .stored = 5, .raw = 5};
	struct source s = {}, t = {};
	size_t block[64];
	struct result r;

	(void)state;
	record(&s.file, N_RECORDS, true);
	patch_header(&s.file, newer_minor);
	find_blocks(&s.file, block, 64);
	memory_write(&t.file, s.file.p, block[0]);
	head.crc = block_crc("later", 5);
	block_seal(&head, 0);
	memory_write(&t.file, &head, sizeof(head));
	memory_write(&t.file, "later", 5);
	for (unsigned int i = 0, n = find_blocks(&s.file, block, 64); i < n; i++) {
		memcpy(&head, s.file.p + block[i], sizeof(head));
		block_seal(&head, i + 1);
		memory_write(&t.file, &head, sizeof(head));
		memory_write(&t.file, s.file.p + block[i] + sizeof(head), head.stored);
	}
	r = replay(&t);
	assert_int_equal(r.opened, 0);
	assert_int_equal(r.good, N_RECORDS);
	assert_int_equal(r.status.minor, 99);
	assert_true(r.status.complete);
	assert_int_equal(t.notes.n, 0);
	free(s.file.p);
	free(t.file.p);
}

static void refuses(void (*patch)(struct trace_header *h), const char *why)
{
	struct source s = {};

	record(&s.file, 10, true);
	patch_header(&s.file, patch);
	assert_int_equal(replay(&s).opened, -EPROTONOSUPPORT);
	assert_non_null(strstr(s.notes.last, why));
	free(s.file.p);
}

static void test_refusals(void **state)
{
	struct source text = {.file = {.p = (unsigned char *)"#!/bin/sh\necho this is no recording "
							     "at all, but long enough\n",
				       .n = 60}};
	struct source empty = {};

	(void)state;
	refuses(newer_major, "it is in format 2.0, this svctrace reads 1.x: use a newer one");
	refuses(mandatory_feature, "use a newer one");
	refuses(other_byte_order, "byte order");
	assert_int_equal(replay(&text).opened, -EINVAL);
	assert_non_null(strstr(text.notes.last, "it is no recording"));
	assert_int_equal(replay(&empty).opened, -EINVAL);
	assert_non_null(strstr(empty.notes.last, "it is empty"));
}

/* Whenever the disk is full, the error comes at once, comes again, and the blocks stay good. */
static void test_full_disk(void **state)
{
	struct memory_file whole = {};
	struct wire_buf b;

	(void)state;
	record(&whole, N_RECORDS, true);
	for (size_t room = 1; room < whole.n; room += 7) {
		struct source s = {.file = {.room = room}};
		struct trace_writer *w = NULL;
		int r = 0, n = 0;

		assert_int_equal(trace_writer_new(memory_write, &s.file, (struct str){}, &w), 0);
		for (; r == 0 && n < N_RECORDS; n++)
			r = trace_writer_record(w, b.bytes, make_record(&b, n));
		if (r == 0)
			r = trace_writer_close(w);
		assert_true(r == -ENOSPC || (r == 0 && room > whole.n - 40));
		if (r < 0)
			assert_int_equal(trace_writer_close(w), -ENOSPC);
		assert_true(s.file.n <= room);
		if (s.file.n >= sizeof(struct trace_header)) {
			struct result x = replay(&s);

			assert_int_equal(x.opened, 0);
			assert_int_equal(x.good % 50, 0);
			assert_true(x.good + 50 >= (uint64_t)(n / 50 * 50));
		}
		trace_writer_freep(&w);
		free(s.file.p);
	}
	free(whole.p);
}

static void test_bad_records_are_not_written(void **state)
{
	struct memory_file f = {};
	struct trace_writer *w = NULL;
	struct wire_buf b;
	size_t n = make_record(&b, 0);

	(void)state;
	assert_int_equal(trace_writer_new(memory_write, &f, (struct str){}, &w), 0);
	assert_int_equal(trace_writer_record(w, b.bytes, n - 1), -EBADMSG);
	assert_int_equal(trace_writer_record(w, b.bytes, 3), -EBADMSG);
	wb_hdr(&b)->size = 5;
	assert_int_equal(trace_writer_record(w, b.bytes, n), -EBADMSG);
	trace_writer_freep(&w);
	free(f.p);
}

/* More blocks than an index tells of. */
static void test_indexes(void **state)
{
	const unsigned int blocks = 2 * TRACE_INDEX_MAX + 3;
	struct memory_file f = {};
	struct trace_block head;
	struct trace_index index;
	struct trace_end end;
	unsigned int n = 0, seen = 0;

	(void)state;
	record(&f, blocks * 50, true);
	memcpy(&end, f.p + f.n - sizeof(end), sizeof(end));
	assert_int_equal(end.blocks, blocks);
	assert_int_equal(end.records, blocks * 50);
	for (uint64_t at = end.index; at; at = index.previous, n++) {
		memcpy(&head, f.p + at, sizeof(head));
		assert_int_equal(head.type, TRACE_INDEX);
		memcpy(&index, f.p + at + sizeof(head), sizeof(index));
		for (unsigned int i = 0; i < index.n; i++, seen++) {
			struct trace_index_entry e;

			memcpy(&e, f.p + at + sizeof(head) + sizeof(index) + i * sizeof(e),
			       sizeof(e));
			memcpy(&head, f.p + e.offset, sizeof(head));
			assert_int_equal(head.type, TRACE_RECORDS);
			assert_int_equal(head.number, e.number);
			assert_int_equal(head.first_ns, e.first_ns);
			memcpy(&head, f.p + at, sizeof(head));
		}
	}
	assert_int_equal(n, 3);
	assert_int_equal(seen, blocks);
	free(f.p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_empty_recording),
		cmocka_unit_test(test_cut_at_every_byte),
		cmocka_unit_test(test_every_bit_flipped),
		cmocka_unit_test(test_a_missing_block),
		cmocka_unit_test(test_not_closed),
		cmocka_unit_test(test_newer_minor),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_full_disk),
		cmocka_unit_test(test_bad_records_are_not_written),
		cmocka_unit_test(test_indexes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
