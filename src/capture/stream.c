/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>
#include <time.h>

#include "capture/capture_internal.h"

uint64_t clock_ns(int clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * UINT64_C(1000000000) + ts.tv_nsec;
}

void *stream_begin(struct stream *s, unsigned int kind, size_t fixed, pid_t tgid)
{
	struct wire_hdr *h = (struct wire_hdr *)s->buf;

	memset(s->buf, 0, fixed);
	h->size = fixed;
	h->kind = kind;
	h->mono_ns = clock_ns(CLOCK_MONOTONIC);
	h->tgid = tgid;
	h->tid = tgid;
	return h;
}

void stream_bytes(struct stream *s, struct wire_str *str, const void *p, size_t n)
{
	struct wire_hdr *h = (struct wire_hdr *)s->buf;
	size_t room = sizeof(s->buf) - h->size;

	if (n > room) {
		n = room;
		h->flags |= WIRE_F_TRUNCATED;
	}
	str->off = h->size;
	str->len = n;
	if (n > 0)
		memcpy(s->buf + h->size, p, n);
	h->size += n;
}

void stream_string(struct stream *s, struct wire_str *str, const char *p)
{
	stream_bytes(s, str, p, p ? strlen(p) : 0);
}

void stream_frames(struct stream *s, struct wire_str *str, const struct unwind_stack *stack)
{
	struct wire_frame frames[WIRE_FRAMES_MAX];

	for (unsigned int i = 0; i < stack->n; i++)
		frames[i] = (struct wire_frame){
			.address = stack->frames[i].address,
			.offset = stack->frames[i].offset,
			.flags = stack->frames[i].guess ? WIRE_FRAME_GUESS : 0,
		};
	stream_bytes(s, str, frames, stack->n * sizeof(frames[0]));
	for (unsigned int i = 0; i < stack->n; i++) {
		const char *object = stack->frames[i].object;

		stream_string(s, &frames[i].name, stack->frames[i].name);
		if (i > 0 && object == stack->frames[i - 1].object)
			frames[i].object = frames[i - 1].object;
		else
			stream_string(s, &frames[i].object, object);
	}
	memcpy(s->buf + str->off, frames, str->len);
}

int stream_end(struct stream *s)
{
	const struct wire_hdr *h = (const struct wire_hdr *)s->buf;

	return s->sink(s->ctx, s->buf, h->size);
}

void record_string(const struct wire_hdr *h, struct wire_str str, char *dst, size_t size)
{
	size_t n = str.len < size ? str.len : size - 1;

	if ((size_t)str.off + n > h->size)
		n = 0;
	memcpy(dst, (const char *)h + str.off, n);
	dst[n] = 0;
}
