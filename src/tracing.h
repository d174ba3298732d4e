/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the verbs that capture have in common: where to look, and what they say about it. */
#ifndef SVCTRACE_TRACING_H
#define SVCTRACE_TRACING_H

#include <stdbool.h>

#include "svctrace/capture.h"

struct tracing {
	struct capture_options capture;
	bool quiet, verbose;
};

/* For the verb's table of long options. */
enum {
	TRACING_MANAGER = 768,
	TRACING_BTF,
	TRACING_DURATION,
	TRACING_SLOW,
};
#define TRACING_LONG_OPTIONS                                                                       \
	{"duration", required_argument, NULL, TRACING_DURATION},                                   \
		{"slow", required_argument, NULL, TRACING_SLOW},                                   \
		{"quiet", no_argument, NULL, 'q'}, {"verbose", no_argument, NULL, 'v'},            \
		{"manager", required_argument, NULL, TRACING_MANAGER},                             \
	{                                                                                          \
		"btf", required_argument, NULL, TRACING_BTF                                        \
	}
#define TRACING_SHORT_OPTIONS "qv"
#define TRACING_HELP                                                                               \
	"      --slow=TIME        tell of stops that last longer (10s), while they do, and who\n"  \
	"                         is left (default: only when they time out)\n"                    \
	"      --manager=PID      trace that systemd alone (default: PID 1, and every\n"           \
	"                         systemd --user and systemd in a container)\n"                    \
	"      --btf=FILE         kernel types, for a kernel without /sys/kernel/btf/vmlinux\n"

/* 0; -ENOENT: not one of its options; -EINVAL, and it has said why. */
int tracing_option(struct tracing *t, int c, const char *arg);
/* Whether a hang-up ends it: not under nohup, which has it ignored. */
bool tracing_heeds_hangup(void);
/* capture_new(), which says on stderr what went wrong. */
int tracing_open(struct tracing *t, struct capture **ret);
/* What is traced, and what is not: once, on stderr. */
void tracing_say_live(const struct tracing *t, const struct capture *c);
/* A table of all probes. */
void tracing_say_probes(const struct capture *c);

#endif
