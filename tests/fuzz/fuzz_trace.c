/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Recordings: read, scrubbed, kept in a ring and read again. Checksums are made right before, or
 * nothing behind them would ever be reached; the first byte, if odd, leaves them as they are.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "svctrace/trace.h"
#include "trace/block.h"
#include "trace/state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct bytes {
	unsigned char *p;
	size_t n, at;
};

static ssize_t read_bytes(void *ctx, void *p, size_t n)
{
	struct bytes *b = ctx;

	/* in small bits: a file may come through a pipe */
	n = n > 1000 ? 1000 : n;
	n = n > b->n - b->at ? b->n - b->at : n;
	memcpy(p, b->p + b->at, n);
	b->at += n;
	return (ssize_t)n;
}

static int write_bytes(void *ctx, const void *p, size_t n)
{
	struct bytes *b = ctx;

	b->p = realloc(b->p, b->n + n + 1);
	if (!b->p)
		abort();
	memcpy(b->p + b->n, p, n);
	b->n += n;
	return 0;
}

static void repair(struct bytes *b)
{
	struct trace_header h;
	size_t at = sizeof(h);

	if (b->n < sizeof(h))
		return;
	memcpy(&h, b->p, sizeof(h));
	if (h.size >= sizeof(h) && h.size <= b->n) {
		h.crc = 0;
		memcpy(b->p, &h, sizeof(h));
		h.crc = block_crc(b->p, h.size);
		memcpy(b->p, &h, sizeof(h));
		at = h.size;
	}
	while (at + sizeof(struct trace_block) <= b->n) {
		struct trace_block k;

		memcpy(&k, b->p + at, sizeof(k));
		if (k.stored > b->n - at - sizeof(k))
			k.stored = b->n - at - sizeof(k);
		k.crc = block_crc(b->p + at + sizeof(k), k.stored);
		block_seal(&k, k.number);
		memcpy(b->p + at, &k, sizeof(k));
		at += sizeof(k) + k.stored;
	}
}

struct sinks {
	struct trace_scrubber *scrubber;
	struct trace_ring *ring;
	struct state state;
};

static int into_ring(void *ctx, const void *p, size_t n)
{
	struct sinks *s = ctx;

	if (trace_ring_record(s->ring, p, n) < 0 || state_feed(&s->state, p, n) < 0)
		abort();
	return 0;
}

static int check_record(void *ctx, const void *p, size_t n)
{
	(void)ctx;
	if (record_size(p, n) != n)
		abort();
	return 0;
}

/* The records of b go to s; returns how many there were, or a negative errno. */
static long read_all(struct bytes *b, struct sinks *s)
{
	struct trace_reader *r = NULL;
	struct trace_status status;
	const void *p;
	size_t n;
	long records = 0;
	int k = trace_reader_new(read_bytes, b, NULL, &r);

	if (k < 0)
		return k;
	while ((k = trace_reader_next(r, &p, &n)) == 1) {
		if (record_size(p, n) != n)
			abort();
		if (s && trace_scrubber_record(s->scrubber, p, n) < 0)
			abort();
		records++;
	}
	if (k < 0)
		abort();
	trace_reader_status(r, &status);
	if (!s && !status.complete)
		abort();
	trace_reader_freep(&r);
	return records;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const unsigned char key[16];
	const char *replace[] = {"a=bb", "service=x", NULL};
	struct bytes in = {}, out = {};
	struct sinks s = {};
	struct trace_totals t;

	if (size == 0)
		return 0;
	write_bytes(&in, data + 1, size - 1);
	if (!(data[0] & 1))
		repair(&in);
	state_init(&s.state);
	if (trace_ring_new(4096, &s.ring) < 0 ||
	    trace_scrubber_new(key, replace, into_ring, &s, &s.scrubber) < 0)
		abort();
	if (read_all(&in, &s) >= 0) {
		if (state_replay(&s.state, check_record, NULL) < 0 ||
		    trace_ring_write(s.ring, write_bytes, &out, (struct str){}, &t) < 0 ||
		    read_all(&out, NULL) != (long)t.records)
			abort();
	}
	state_done(&s.state);
	trace_ring_freep(&s.ring);
	trace_scrubber_freep(&s.scrubber);
	free(in.p);
	free(out.p);
	return 0;
}
