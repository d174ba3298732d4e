/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where the records go: into a file as they come, or into a ring that is written on demand. */
#ifndef SVCTRACE_KEEPER_H
#define SVCTRACE_KEEPER_H

#include <stddef.h>

#include "svctrace/trace.h"

struct keeper {
	const char *path; /* "-": standard output */
	struct str facts;
	size_t ring_size; /* 0: no ring */
	int fd;
	unsigned int dumps; /* files that the ring wrote */
	int error;	    /* what writing failed with; it was said */
	struct trace_writer *writer;
	struct trace_ring *ring;
};

/* path, facts and ring_size are set. It has said what went wrong. */
int keeper_open(struct keeper *k);
/* A wire_sink. Errors of writing are said once and kept; the stream goes on. */
int keeper_record(void *keeper, const void *record, size_t size);
/* What was recorded so far is in a file afterwards. */
int keeper_save(struct keeper *k);
/* The end: the file is complete. Says what it holds unless quiet. */
int keeper_close(struct keeper *k, bool quiet);
void keeper_done(struct keeper *k);

#endif
