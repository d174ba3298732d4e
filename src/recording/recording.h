/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Recordings as files: what the verbs that read them have in common. */
#ifndef SVCTRACE_RECORDING_H
#define SVCTRACE_RECORDING_H

#include <stdbool.h>

#include "svctrace/trace.h"

struct recording {
	const char *name; /* as given; "-": standard input */
	int fd;
	bool quiet; /* of what is missing, but not of why it cannot be read at all */
	struct trace_reader *reader;
};

/* 0, or -EINVAL and others, and it has said why. */
int recording_open(struct recording *f, const char *name, bool quiet);
void recording_done(struct recording *f);
/* 1: here is the next record; 0: the end; else a negative errno, and it has said why. */
int recording_next(struct recording *f, const void **record, size_t *size);
/* Hands every record to sink; what that returned if not 0. */
int recording_feed(struct recording *f, wire_sink sink, void *ctx);
/* Nothing was damaged, and the end marker was there. */
bool recording_is_whole(const struct recording *f);

/* A trace_write_fn; ctx is an int *: the file. */
int file_write(void *fd, const void *p, size_t n);
/* Writes what the kernel still holds back, so that a disk's error is seen. */
int file_sync(int fd);

#endif
