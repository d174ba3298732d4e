/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SVCTRACE_RENDER_RENDERER_H
#define SVCTRACE_RENDER_RENDERER_H

#include "svctrace/render.h"

#define MANAGERS_MAX 64
#define BOOT_ID_MAX  64

/* What the stream said of a manager: which file its functions are in, and how they were found. */
struct manager_info {
	uint32_t tgid;
	char *object, *build_id, *version;
	unsigned int origins; /* bit per symbol_origins[] */
};

struct renderer {
	FILE *out;
	struct render_options options;
	char boot_id[BOOT_ID_MAX]; /* "": not known */
	struct manager_info managers[MANAGERS_MAX];
	unsigned int n_managers; /* ever; the newest overwrite the oldest */
};

extern const char *const symbol_origins[];
extern const unsigned int n_symbol_origins;

/* NULL: not known. */
const struct manager_info *manager_info(const struct renderer *r, uint32_t tgid);

#define TIME_LEN 40
/* "14:03:07.412"; without a wall clock the monotonic one, "+1234.567". Returns buf. */
const char *time_of_day(const struct renderer *r, uint64_t wall_ns, uint64_t mono_ns,
			char buf[static TIME_LEN]);
/* RFC 3339 in UTC with nanoseconds; NULL if there is no wall clock. */
const char *time_rfc3339(uint64_t wall_ns, char buf[static TIME_LEN]);

/* Prints what one line or block is about; it is written whole or not at all. */
typedef int (*put_fn)(FILE *f, const struct renderer *r, const void *what);
int write_block(struct renderer *r, put_fn put, const void *what);
/* A pattern without a type means the service of that name. */
bool unit_matches(const char *pattern, const char *unit);
/* One labelled line, continued below itself where it is wider than the terminal. */
void put_line(FILE *f, const struct renderer *r, const char *label, const char *text);
/* "kill pid 11733, uid 0 (root), session-2.scope" */
void put_identity(FILE *f, const struct actor *a);
/* render_pidfile.c: nothing, if there is nothing to tell. */
int put_pidfiles(FILE *f, const struct renderer *r, const struct verdict *v);
/* What was seen of a watchdog that fired, if it did; who was left, if anybody looked. */
int render_watchdog(FILE *f, const struct renderer *r, const struct verdict_watchdog *w);
/* Kernel functions: ": hrtimer_nanosleep < common_nsleep < …" */
void put_functions(FILE *f, const char *stack);
/* One line a thread; nothing, if nobody looked. */
int render_look(FILE *f, const struct renderer *r, const char *label, const struct thread_look *l);
int render_left(FILE *f, const struct renderer *r, const struct thread_look *l);

int render_slow_text(struct renderer *r, const struct slow_notice *s);
int render_slow_json(struct renderer *r, const struct slow_notice *s);
int render_verdict_text(struct renderer *r, const struct verdict *v);
int render_hang_text(struct renderer *r, const struct hang_verdict *h);
int render_hang_json(struct renderer *r, const struct hang_verdict *h);
int render_event_text(struct renderer *r, const struct ev *e);
int render_verdict_json(struct renderer *r, const struct verdict *v);
int render_event_json(struct renderer *r, const struct ev *e);

#endif
