/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A recording in memory, and records to fill it with. */
#ifndef SVCTRACE_TEST_TRACE_FILE_H
#define SVCTRACE_TEST_TRACE_FILE_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "svctrace/trace.h"
#include "wire_build.h"

struct memory_file {
	unsigned char *p;
	size_t n, at;
	size_t room; /* 0: any amount; else -ENOSPC behind it */
};

__attribute__((unused)) static int memory_write(void *ctx, const void *p, size_t n)
{
	struct memory_file *f = ctx;

	if (f->room && f->n + n > f->room) {
		/* as a disk does it: what fits gets written */
		size_t fits = f->room - f->n;

		f->p = realloc(f->p, f->n + fits + 1);
		memcpy(f->p + f->n, p, fits);
		f->n += fits;
		return -ENOSPC;
	}
	f->p = realloc(f->p, f->n + n + 1);
	memcpy(f->p + f->n, p, n);
	f->n += n;
	return 0;
}

__attribute__((unused)) static ssize_t memory_read(void *ctx, void *p, size_t n)
{
	struct memory_file *f = ctx;

	if (n > f->n - f->at)
		n = f->n - f->at;
	if (n > 0)
		memcpy(p, f->p + f->at, n);
	f->at += n;
	return (ssize_t)n;
}

/* The i-th record of a made-up stream: forks, and every 50 of them the stream is idle. */
__attribute__((unused)) static size_t make_record(struct wire_buf *b, unsigned int i)
{
	enum wire_kind kind = i % 50 == 49 ? WIRE_IDLE : WIRE_FORK;

	wb_begin(b, kind, wb_fixed(kind), 1000 + i, 1000000000ull + i * 1000);
	if (kind == WIRE_FORK) {
		struct wire_task *t = &wb_as(b, wire_fork)->child;

		t->tgid = t->tid = 2000 + i;
		t->start_ns = i * 77777ull;
	}
	return wb_hdr(b)->size;
}

#endif
