/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* svctrace: watch PID 1 and say of every stop of a service who did it, and why. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "svctrace/capture.h"
#include "svctrace/cleanup.h"
#include "output.h"

static const char help[] =
	"Usage: svctrace [OPTION…] [UNIT…]\n"
	"Says who stopped a systemd service, and why, while it happens.\n"
	"\n"
	"UNIT is a service's name or a glob (nginx, 'web-*.service'); default: every service.\n"
	"\n" OUTPUT_HELP "      --duration=TIME    end after that time (30s, 5min)\n"
	"  -q, --quiet            do not say what is traced\n"
	"  -v, --verbose          say more: times, every probe, why a program failed\n"
	"Where to look:\n"
	"      --manager=PID      trace that systemd alone (default: PID 1, and every\n"
	"                         systemd --user and systemd in a container)\n"
	"      --btf=FILE         kernel types, for a kernel without /sys/kernel/btf/vmlinux\n"
	"      --ring=SIZE        ring buffer between kernel and svctrace (default 4M)\n"
	"  -h, --help             this text\n"
	"      --version          the version\n"
	"\n"
	"Verbs: svctrace resolve --help (where a systemd's functions are)\n"
	"\n"
	"Examples:\n"
	"  sudo svctrace                              every stop, until Ctrl-C\n"
	"  sudo svctrace nginx 'php*-fpm'             of these services\n"
	"  sudo svctrace --cause=main-killed --json   kills, for a program\n"
	"  sudo svctrace -n1 --duration=1h backup     wait for one stop, an hour at most\n"
	"\n"
	"Exit status: 0 good, 1 cannot trace, 2 bad usage, 3 ended before --count was reached.\n";

struct live {
	struct capture_options capture;
	struct output output;
	bool quiet, verbose;
};

enum {
	OPT_DURATION = 256,
	OPT_MANAGER,
	OPT_RING,
	OPT_BTF,
	OPT_VERSION,
};

static const struct option options[] = {
	OUTPUT_LONG_OPTIONS,
	{"duration", required_argument, NULL, OPT_DURATION},
	{"quiet", no_argument, NULL, 'q'},
	{"verbose", no_argument, NULL, 'v'},
	{"manager", required_argument, NULL, OPT_MANAGER},
	{"ring", required_argument, NULL, OPT_RING},
	{"btf", required_argument, NULL, OPT_BTF},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, OPT_VERSION},
	{},
};

static int parse_manager(struct live *l, const char *arg)
{
	uint64_t pid;

	if (parse_number(arg, 1 << 22, &pid) < 0)
		return output_usage("--manager takes a process number, not", arg);
	l->capture.manager = pid;
	return 0;
}

static int parse_option(struct live *l, int c, const char *arg)
{
	switch (c) {
	case OPT_DURATION:
		return parse_duration(arg, &l->capture.timeout_ns) < 0
			       ? output_usage("--duration takes a time like 30s or 5min, not", arg)
			       : 0;
	case 'q':
		l->quiet = true;
		return 0;
	case 'v':
		l->verbose = true;
		return 0;
	case OPT_MANAGER:
		return parse_manager(l, arg);
	case OPT_BTF:
		l->capture.btf = arg;
		return access(arg, R_OK) < 0 ? output_usage("cannot read the file of --btf", arg)
					     : 0;
	case OPT_RING:
		return parse_size(arg, &l->capture.ring_size) < 0
			       ? output_usage("--ring takes a size like 512K or 8M, not", arg)
			       : 0;
	default:
		return output_option(&l->output, c, arg);
	}
}

static int bad_option(int c, const char *word)
{
	return output_usage(c == ':' ? "a value is missing after" : "unknown option", word);
}

/* 0 to go on, 1 when all was said already. */
static int parse_args(struct live *l, int argc, char **argv)
{
	int c, r = 0;

	output_defaults(&l->output);
	opterr = 0;
	while (r == 0 && (c = getopt_long(argc, argv, ":n:qvh", options, NULL)) >= 0) {
		if (c == '?' || c == ':')
			return bad_option(c, argv[optind - 1]);
		if (c == 'h') {
			fputs(help, stdout);
			return 1;
		}
		if (c == OPT_VERSION) {
			puts("svctrace " SVCTRACE_VERSION);
			return 1;
		}
		r = parse_option(l, c, optarg);
	}
	return r ? r : output_units(&l->output, argc - optind, argv + optind);
}

static struct capture *running; /* for the signal handler alone */

static void on_signal(int sig)
{
	(void)sig;
	capture_stop(running);
}

static void catch_signals(struct capture *c)
{
	struct sigaction sa = {.sa_handler = on_signal};

	running = c;
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static void say_probes(const struct capture *c)
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

/* What is traced, and what is not: once, on stderr. */
static void say_live(const struct live *l, const struct capture *c)
{
	struct capture_manager m;
	struct capture_times t;
	struct capture_probe p;
	unsigned int n = 0, good = 0;

	for (; capture_probe(c, n, &p) == 0; n++)
		good += p.error == 0;
	if (l->quiet)
		return;
	for (unsigned int i = 0; capture_manager(c, i, &m) == 0; i++)
		say_manager(&m);
	for (unsigned int i = 0; capture_probe(c, i, &p) == 0; i++)
		if (*p.reason)
			say("%s: %s", p.name, p.reason);
	capture_times(c, &t);
	if (l->verbose)
		say("load %.1f ms, attach %.1f ms, resolve and attach to managers %.1f ms",
		    t.load_ns / 1e6, t.attach_ns / 1e6, t.managers_ns / 1e6);
	say("%u of %u probes live; Ctrl-C ends", good, n);
}

static int run(struct live *l, struct capture *c)
{
	int r = output_open(&l->output);

	if (r < 0)
		return r;
	catch_signals(c);
	say_live(l, c);
	r = capture_run(c, output_record, &l->output);
	if (r == 0)
		r = output_flush(&l->output);
	if (l->verbose)
		say_probes(c);
	if (r == -ECANCELED || r == -EPIPE) /* --count was reached; the reader had enough */
		return 0;
	return r;
}

static int start(struct live *l)
{
	_cleanup_(capture_freep) struct capture *c = NULL;
	struct capture_error err = {};
	int r;

	l->capture.log = l->verbose ? note_line : NULL;
	l->capture.note = l->quiet ? NULL : note_line;
	r = capture_new(&l->capture, &c, &err);
	if (r < 0) {
		say("%s", err.what);
		if (*err.next)
			say("%s", err.next);
		return EXIT_FAILED;
	}
	r = run(l, c);
	if (r < 0) {
		say("tracing ended: %s", strerror(-r));
		return EXIT_FAILED;
	}
	return l->output.seen < l->output.count ? EXIT_SHORT : EXIT_OK;
}

int cmd_live(int argc, char **argv)
{
	struct live l = {};
	int r = parse_args(&l, argc, argv);

	if (r == 0)
		r = start(&l);
	else
		r = r < 0 ? EXIT_USAGE : EXIT_OK;
	output_done(&l.output);
	return r;
}
