/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "cmd.h"
#include "output.h"
#include "tracing.h"

static int parse_manager(struct tracing *t, const char *arg)
{
	uint64_t pid;

	if (parse_number(arg, 1 << 22, &pid) < 0)
		return output_usage("--manager takes a process number, not", arg);
	t->capture.manager = pid;
	return 0;
}

int tracing_option(struct tracing *t, int c, const char *arg)
{
	switch (c) {
	case TRACING_DURATION:
		return parse_duration(arg, &t->capture.timeout_ns) < 0
			       ? output_usage("--duration takes a time like 30s or 5min, not", arg)
			       : 0;
	case TRACING_SLOW:
		return parse_duration(arg, &t->capture.slow_ns) < 0
			       ? output_usage("--slow takes a time like 10s or 1min, not", arg)
			       : 0;
	case 'q':
		t->quiet = true;
		return 0;
	case 'v':
		t->verbose = true;
		return 0;
	case TRACING_MANAGER:
		return parse_manager(t, arg);
	case TRACING_BTF:
		t->capture.btf = arg;
		return access(arg, R_OK) < 0 ? output_usage("cannot read the file of --btf", arg)
					     : 0;
	default:
		return -ENOENT;
	}
}

bool tracing_heeds_hangup(void)
{
	struct sigaction sa;

	return sigaction(SIGHUP, NULL, &sa) < 0 || sa.sa_handler != SIG_IGN;
}

void tracing_say_probes(const struct capture *c)
{
	struct capture_probe p;

	fprintf(stderr, "%-34s %-10s %10s %8s  %s\n", "PROBE", "ATTACHED", "EVENTS", "LOST", "");
	for (unsigned int i = 0; capture_probe(c, i, &p) == 0; i++)
		fprintf(stderr, "%-34s %-10s %10llu %8llu  %s\n", p.name, p.how,
			(unsigned long long)p.events, (unsigned long long)p.lost, p.reason);
}

static void note_line(const char *line)
{
	say("%s", line);
}

static void say_manager(const struct capture_manager *m)
{
	char whose[32] = "";

	if (m->user)
		snprintf(whose, sizeof(whose), " (of user %u)", m->uid);
	say("tracing process %d%s: %s%s", m->pid, whose, m->object,
	    m->replaced ? ", which was replaced on disk since" : "");
}

void tracing_say_live(const struct tracing *live, const struct capture *c)
{
	struct capture_manager m;
	struct capture_times t;
	struct capture_probe p;
	unsigned int n = 0, good = 0;

	for (; capture_probe(c, n, &p) == 0; n++)
		good += p.error == 0;
	if (live->quiet)
		return;
	for (unsigned int i = 0; capture_manager(c, i, &m) == 0; i++)
		say_manager(&m);
	for (unsigned int i = 0; capture_probe(c, i, &p) == 0; i++)
		if (*p.reason && (!p.harmless || live->verbose))
			say("%s: %s", p.name, p.reason);
	capture_times(c, &t);
	if (live->verbose)
		say("load %.1f ms, attach %.1f ms, resolve and attach to managers %.1f ms",
		    t.load_ns / 1e6, t.attach_ns / 1e6, t.managers_ns / 1e6);
	say("%u of %u probes live; Ctrl-C ends", good, n);
}

int tracing_open(struct tracing *t, struct capture **ret)
{
	struct capture_error err = {};
	int r;

	t->capture.log = t->verbose ? note_line : NULL;
	t->capture.note = t->quiet ? NULL : note_line;
	r = capture_new(&t->capture, ret, &err);
	if (r < 0) {
		say("%s", err.what);
		if (*err.next)
			say("%s", err.next);
	}
	return r;
}
