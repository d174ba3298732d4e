/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Recordings: a stream of wire records in a file, as svctrace-trace(5) has it.
 *
 * A file is a header and blocks; each block carries its own checksum and can be read without the
 * others, so that damage stays where it is. Nothing here does I/O of its own: bytes go to and come
 * from functions of the caller. Memory does not grow with the length of a recording.
 */
#ifndef SVCTRACE_TRACE_H
#define SVCTRACE_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "svctrace/event.h"

#define TRACE_MAJOR 1 /* a reader refuses others */
#define TRACE_MINOR 0 /* a reader takes any */

/* Writes all of it, or returns a negative errno. */
typedef int (*trace_write_fn)(void *ctx, const void *p, size_t n);
/* Reads up to n bytes; 0 at the end, else a negative errno. */
typedef ssize_t (*trace_read_fn)(void *ctx, void *p, size_t n);
/* One line about what is wrong with a recording. */
typedef void (*trace_note_fn)(void *ctx, const char *line);

struct trace_totals {
	uint64_t bytes;	  /* of the file */
	uint64_t raw;	  /* of its records */
	uint64_t records; /* as wire.h has them */
	uint64_t blocks;  /* of records */
};

struct trace_writer;

/*
 * facts: "KEY=VALUE", each ended by NUL, that a reader gets back before the first record (UNITS=,
 * LEFT_OUT=; unknown ones are kept). Nothing is written before the first record. -ENOMEM.
 */
int trace_writer_new(trace_write_fn write, void *ctx, struct str facts, struct trace_writer **ret);
void trace_writer_freep(struct trace_writer **w);

/*
 * A wire_sink. Blocks go out when they are full, when the stream is idle, and when a second of the
 * stream's own time has passed. Once writing failed, every call returns that error, and what was
 * written up to the last whole block stays good.
 */
int trace_writer_record(void *writer, const void *record, size_t size);
/* Writes what is held back. */
int trace_writer_flush(struct trace_writer *w);
/* Flushes, then writes the last index and the end marker. */
int trace_writer_close(struct trace_writer *w);
void trace_writer_totals(const struct trace_writer *w, struct trace_totals *ret);

struct trace_reader;

/*
 * Reads the header. -EINVAL: not a recording; -EPROTONOSUPPORT: one that needs a newer svctrace;
 * -EIO and others: what read said. note (may be NULL) gets a line that says which and why. A header
 * that is damaged is said, and the blocks are read all the same.
 */
int trace_reader_new(trace_read_fn read, void *ctx, trace_note_fn note, struct trace_reader **ret);
void trace_reader_freep(struct trace_reader **r);

/*
 * The next record: 1, and it is valid until the next call; 0 at the end; -ENOMEM, or what read
 * said. Where blocks are damaged or missing, a WIRE_LOST takes the place of their records.
 */
int trace_reader_next(struct trace_reader *r, const void **record, size_t *size);

/* The value of a fact in the header; {NULL, 0}: it is not there. */
struct str trace_reader_fact(const struct trace_reader *r, const char *key);

struct trace_status {
	unsigned int major, minor;
	struct trace_totals read;
	uint64_t damaged; /* blocks that could not be read */
	bool complete;	  /* the end marker is there, and agrees */
};
void trace_reader_status(const struct trace_reader *r, struct trace_status *ret);

struct trace_ring;

/* A flight recorder: keeps the newest records, in blocks of limit bytes together. -ENOMEM. */
int trace_ring_new(size_t limit, struct trace_ring **ret);
void trace_ring_freep(struct trace_ring **r);
/* A wire_sink. */
int trace_ring_record(void *ring, const void *record, size_t size);
/*
 * Writes a recording of what is kept, led by the facts of older records that it takes to understand
 * it: the managers, and the cgroups and processes that lived when it begins. The ring goes on.
 */
int trace_ring_write(struct trace_ring *r, trace_write_fn write, void *ctx, struct str facts,
		     struct trace_totals *ret);

struct trace_scrubber;

/*
 * Replaces what is private in records: arguments, host and user names; by pseudonyms that are the
 * same wherever the same key is used. replace: "OLD=NEW", NULL-terminated, replaced everywhere.
 */
int trace_scrubber_new(const unsigned char key[static 16], const char *const *replace,
		       wire_sink sink, void *ctx, struct trace_scrubber **ret);
void trace_scrubber_freep(struct trace_scrubber **s);
/* A wire_sink. Records of unknown kinds are left out: nobody knows what they hold. */
int trace_scrubber_record(void *scrubber, const void *record, size_t size);
/* Whether a kind of record is known to the scrubber. */
bool trace_scrubber_knows(unsigned int kind);

#endif
