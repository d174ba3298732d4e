/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Rendering: verdicts and events as text for people or NDJSON for programs.
 *
 * A renderer writes to one stdio stream, whole lines at a time. Whatever a name holds, text is safe
 * for terminals and JSON is valid UTF-8. Errors of the stream are returned as negative errno.
 */
#ifndef SVCTRACE_RENDER_H
#define SVCTRACE_RENDER_H

#include <stdbool.h>
#include <stdio.h>

#include "svctrace/engine.h"
#include "svctrace/event.h"
#include "svctrace/hardware_watchdog.h"
#include "svctrace/timeline.h"

#define RENDER_SCHEMA_VERSION 1

enum render_format {
	RENDER_TEXT,
	RENDER_JSON,
};

struct render_options {
	enum render_format format;
	bool color;
	bool utc;		  /* else local time */
	bool stack;		  /* text: the manager's call chain below each verdict */
	bool tree;		  /* text: the actor's ancestors with their command lines */
	bool ascii;		  /* the terminal takes no UTF-8: text is written in ASCII only */
	unsigned int width;	  /* columns; 0: lines are never shortened */
	const char *const *units; /* names or globs, NULL-terminated; NULL: every unit */
	uint64_t causes;	  /* bit per enum cause; 0: every cause */
	const char *const *timelines; /* names or globs, NULL-terminated; NULL: none */
};

struct renderer;

int renderer_new(FILE *out, const struct render_options *o, struct renderer **ret);
void renderer_freep(struct renderer **r);

/* Verdicts that the options leave out return 0 and print nothing; 1 says that it was printed. */
int render_verdict(struct renderer *r, const struct verdict *v);
/* What a timeline_filter asks; and 0. */
bool render_wants_timeline(const struct renderer *r, const char *unit);
int render_timeline(struct renderer *r, const struct timeline *t);
/* Likewise; it counts as of the unit of the namespace's init, or of whoever waits. */
int render_hang(struct renderer *r, const struct hang_verdict *h);
/* Likewise. */
int render_slow(struct renderer *r, const struct slow_notice *s);
/* Likewise; no unit's, so it is left out where units or causes are asked for. */
int render_hardware_watchdog(struct renderer *r, const struct hardware_watchdog_notice *n);
/*
 * One raw event as a line, for --events. Also learns from WIRE_START (boot id), WIRE_MANAGER and
 * WIRE_LOST, so every event goes through render_note() even when raw events are not printed.
 */
int render_event(struct renderer *r, const struct ev *e);
int render_note(struct renderer *r, const struct ev *e);

#endif
