/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Making wire records in user space. */
#ifndef SVCTRACE_STREAM_H
#define SVCTRACE_STREAM_H

#include <stddef.h>
#include <stdint.h>
#include <linux/types.h>

#include "svctrace/event.h"
#include "svctrace/unwind.h"
#include "svctrace/wire.h"

/* A record under construction and where records go. */
struct stream {
	wire_sink sink;
	void *ctx;
	uint8_t buf[WIRE_RECORD_MAX] __attribute__((aligned(8)));
};

/* Starts a record with zeroed fixed part; the pointer is into s->buf. */
void *stream_begin(struct stream *s, unsigned int kind, size_t fixed, pid_t tgid);
/* Appends n bytes to the record's tail, cut to what fits, and points str at them. */
void stream_bytes(struct stream *s, struct wire_str *str, const void *p, size_t n);
void stream_string(struct stream *s, struct wire_str *str, const char *p);
/* Appends its frames, the strings behind the array; frames of one object share its name. */
void stream_frames(struct stream *s, struct wire_str *str, const struct unwind_stack *stack);
/* Hands the record on; what the sink said. */
int stream_end(struct stream *s);

/* A copy of a string of a record that BPF programs made, cut to what fits. */
void record_string(const struct wire_hdr *h, struct wire_str str, char *dst, size_t size);

#endif
