/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "svctrace/cleanup.h"
#include "svctrace/event.h"

const char *stack_end_name(enum wire_stack_end end)
{
	static const char *const names[] = {
		[WIRE_STACK_WHOLE] = "whole",
		[WIRE_STACK_CUT] = "cut",
		[WIRE_STACK_NO_UNWIND] = "no-unwind-data",
		[WIRE_STACK_TOO_DEEP] = "too-deep",
	};

	return (unsigned int)end < ARRAY_LEN(names) ? names[end] : NULL;
}

const char *user_stack_error_name(enum wire_user_stack_error error)
{
	static const char *const names[] = {
		[WIRE_USER_STACK_TAKEN] = "none",
		[WIRE_USER_STACK_RUNS] = "runs",
		[WIRE_USER_STACK_RAN] = "ran",
		[WIRE_USER_STACK_NO_REGISTERS] = "no-registers",
		[WIRE_USER_STACK_UNREADABLE] = "unreadable",
		[WIRE_USER_STACK_NO_TIME] = "no-time",
	};

	return (unsigned int)error < ARRAY_LEN(names) ? names[error] : NULL;
}

static struct str put(char **at, struct str s)
{
	struct str copy = {s.s ? *at : NULL, s.n};

	if (s.s)
		*at = mempcpy(*at, s.s, s.n);
	return copy;
}

int ev_stack_copy(struct ev_stack *dst, const struct ev_stack *src)
{
	size_t size = src->n * sizeof(src->frames[0]);
	struct ev_frame *frames;
	char *at;

	*dst = (struct ev_stack){};
	for (unsigned int i = 0; i < src->n; i++)
		size += src->frames[i].name.n + src->frames[i].object.n;
	frames = malloc(size ? size : 1);
	if (!frames)
		return -ENOMEM;
	at = (char *)(frames + src->n);
	for (unsigned int i = 0; i < src->n; i++) {
		frames[i] = src->frames[i];
		frames[i].name = put(&at, src->frames[i].name);
		frames[i].object = put(&at, src->frames[i].object);
	}
	*dst = (struct ev_stack){.end = src->end, .n = src->n, .frames = frames};
	return 0;
}

void ev_stack_done(struct ev_stack *s)
{
	free((void *)s->frames);
	*s = (struct ev_stack){};
}
