/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Building JSON: each maker yields NULL when out of memory, and an object remembers that. */
#ifndef SVCTRACE_RENDER_JSON_H
#define SVCTRACE_RENDER_JSON_H

#include <jansson.h>

#include "svctrace/engine.h"
#include "svctrace/event.h"

struct renderer;

struct json_object {
	json_t *json;
	bool failed;
};

/* Takes value over, in every case. */
void json_put(struct json_object *o, const char *key, json_t *value);
/* The same for one that is an array: {.json = json_array()}. */
void json_append(struct json_object *o, json_t *value);
/* What each line begins with. */
void json_put_envelope(struct json_object *o, const struct renderer *r, const char *name,
		       uint64_t wall_ns, uint64_t mono_ns);
/* One line; NULL: out of memory. */
int write_json(struct renderer *r, const json_t *j);
/* As json_dumps(3); the characters that terminals obey are escaped, all of them. */
char *json_dump(const json_t *j, size_t flags);
/* On stdout, flushed, or what that failed with. Takes json over; NULL: -ENOMEM. */
int json_print(json_t *json, size_t flags);
/* The object or array, which is the caller's then; NULL if anything failed. */
json_t *json_done(struct json_object *o);

/* Whatever bytes they are; null if s is NULL. */
json_t *json_bytes(const char *s, size_t n);
json_t *json_text(const char *s);
/* An array of strings, each followed by a newline in s. */
json_t *json_lines(struct str s);
json_t *json_number(uint64_t n);
json_t *json_number_or_null(uint64_t n, uint64_t none);
/* RFC 3339; null if the wall clock is not known. */
json_t *json_time(uint64_t wall_ns);
/* A time of systemd, us: "infinity" for its infinity, null for WIRE_USEC_NONE. */
json_t *json_usec(uint64_t usec);
/* A number that is unsigned in systemd; null for WIRE_NONE. */
json_t *json_count(int32_t n);
/* "SIGKILL"; null for 0. */
json_t *json_signal(int32_t sig);

/* All that is known of a process. */
void json_put_process(struct json_object *o, const struct actor *a);
json_t *json_process(const struct actor *a);
/* An array of events that something rests on. */
json_t *json_proofs(const struct proof *p, unsigned int n);
/* An array of those that were told. */
json_t *json_threads(const struct thread_look *l);
/* null where there is none. */
json_t *json_look(const struct thread_look *l);
json_t *json_watchdog(const struct verdict_watchdog *w);

/* Its frames and why it ends: [] and null where there is none. */
void json_put_stack(struct json_object *o, const char *key, const char *end_key,
		    const struct ev_stack *s);
/* Addresses are no numbers to count with, and JSON readers may round them: "0x7f"; null for 0. */
json_t *json_address(uint64_t n);

/* What is particular to the event's kind, and the event in words. */
json_t *event_data_json(const struct ev *e);
json_t *event_text_json(const struct ev *e);

#endif
