/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From wire records to what the user sees, and the options that say how: one for every verb that
 * shows verdicts, so that a replay prints what the live run printed.
 */
#ifndef SVCTRACE_OUTPUT_H
#define SVCTRACE_OUTPUT_H

#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>

#include "svctrace/engine.h"
#include "svctrace/event.h"
#include "svctrace/render.h"

struct output {
	struct render_options render;
	bool events;	   /* raw events too */
	uint64_t hang_ns;  /* tell of hangs that last for that long */
	uint64_t count;	   /* end after that many verdicts; 0: never */
	uint64_t seen;	   /* verdicts shown */
	char **units;	   /* NULL-terminated, owned */
	char **timelines;  /* likewise: whose states to show */
	FILE *out;	   /* NULL: stdout */
	bool silent;	   /* nothing is shown … */
	verdict_sink also; /* … but this is told of every verdict, if set */
	void *also_ctx;
	struct engine *engine;
	struct renderer *renderer;
	struct decoder *decoder;
};

/* For the verb's table of long options; their values lie above any character. */
enum {
	OUTPUT_CAUSE = 512,
	OUTPUT_EVENTS,
	OUTPUT_HANG,
	OUTPUT_STACK,
	OUTPUT_TREE,
	OUTPUT_TIMELINE,
	OUTPUT_JSON,
	OUTPUT_UTC,
	OUTPUT_COLOR,
	OUTPUT_COUNT = 'n',
};
/* clang-format off */
#define OUTPUT_LONG_OPTIONS                                                                        \
	{"cause", required_argument, NULL, OUTPUT_CAUSE},                                          \
	{"events", no_argument, NULL, OUTPUT_EVENTS},                                              \
	{"hang", required_argument, NULL, OUTPUT_HANG},                                            \
	{"stack", no_argument, NULL, OUTPUT_STACK},                                                \
	{"tree", no_argument, NULL, OUTPUT_TREE},                                                  \
	{"timeline", required_argument, NULL, OUTPUT_TIMELINE},                                    \
	{"count", required_argument, NULL, OUTPUT_COUNT},                                          \
	{"json", no_argument, NULL, OUTPUT_JSON},                                                  \
	{"utc", no_argument, NULL, OUTPUT_UTC},                                                    \
	{"color", required_argument, NULL, OUTPUT_COLOR}
#define OUTPUT_HELP                                                                                 \
	"What to show:\n"                                                                           \
	"      --cause=CAUSE[,…]  only these causes: main-killed, stop-request …; svctrace(8) "     \
	"and\n"                                                                                     \
	"                         docs/causes.md list them\n"                                       \
	"      --events           raw events too, as they come\n"                                   \
	"      --hang=TIME        tell of exits that hang for that long (default 5s)\n"             \
	"      --stack            systemd's own call chain below each verdict\n"                    \
	"      --tree             who did it with all ancestors and their command lines\n"          \
	"      --timeline=UNIT    the states of that service from start to stop, and what led to "  \
	"each\n"                                                                                    \
	"  -n, --count=N          end after N verdicts\n"                                           \
	"How to show it:\n"                                                                         \
	"      --json             one JSON object a line (NDJSON)\n"                                \
	"      --utc              times in UTC\n"                                                   \
	"      --color=WHEN       auto (default), always, never\n"
/* clang-format on */

/* What the terminal and the environment suggest. */
void output_defaults(struct output *o);
/* 0; -ENOENT: not one of its options; -EINVAL, and it has said why. */
int output_option(struct output *o, int c, const char *arg);
/* "main-killed,main-exited": a bit per enum cause. 0, or -EINVAL, and it has said why. */
int output_causes(const char *list, uint64_t *ret);
/* Unit names and globs to show; "nginx" means nginx.service. -ENOMEM, -EINVAL: as above. */
int output_units(struct output *o, int n, char **names);
int output_open(struct output *o);
/* The same for what happens now: a pipe's reader gets events as they come, as a terminal does. */
int output_open_live(struct output *o);
/* A wire_sink. -ECANCELED: --count was reached. */
int output_record(void *output, const void *record, size_t size);
/* The stream ended: what can be said of stops still under way. */
int output_flush(struct output *o);
void output_done(struct output *o);

/* One line about a bad value on the command line; -EINVAL. */
int output_usage(const char *what, const char *value);
/* The same about an option that getopt refused, with c. */
int output_bad_option(int c, const char *word);

#endif
