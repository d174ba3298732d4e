/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* svctrace: watch PID 1 and say of every stop of a service who did it, and why. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "svctrace/capture.h"
#include "svctrace/cleanup.h"
#include "output.h"
#include "tracing.h"

static const char help[] =
	"Usage: svctrace [OPTION…] [UNIT…]\n"
	"Says who stopped a systemd service, and why, while it happens.\n"
	"\n"
	"UNIT is the name of a service or scope, or a glob (nginx, 'web-*.service'); default: "
	"all.\n"
	"\n" OUTPUT_HELP "      --duration=TIME    end after that time (30s, 5min)\n"
	"  -q, --quiet            do not say what is traced\n"
	"  -v, --verbose          say more: times, every probe, why a program failed\n"
	"Where to look:\n" TRACING_HELP
	"      --ring=SIZE        ring buffer between kernel and svctrace (default 4M)\n"
	"  -h, --help             this text\n"
	"      --version          the version\n"
	"\n"
	"Verbs: svctrace resolve --help (where a systemd's functions are)\n"
	"       svctrace doctor --help (does tracing work here, and what is lost)\n"
	"       svctrace pidfile --help (what systemd makes of a PID file)\n"
	"       svctrace stuck --help (what cannot end, and what holds it)\n"
	"       svctrace record, replay, check, diff, dump, scrub --help (recordings)\n"
	"\n"
	"Examples:\n"
	"  sudo svctrace                              every stop, until Ctrl-C\n"
	"  sudo svctrace nginx 'php*-fpm'             of these services\n"
	"  sudo svctrace --cause=main-killed --json   kills, for a program\n"
	"  sudo svctrace --timeline=web web           what its states were, and why\n"
	"  sudo svctrace -n1 --duration=1h backup     wait for one stop, an hour at most\n"
	"\n"
	"Exit status: 0 good, 1 cannot trace, 2 bad usage, 3 ended before --count was reached.\n";

struct live {
	struct tracing tracing;
	struct output output;
};

enum {
	OPT_RING = 256,
	OPT_VERSION,
};

static const struct option options[] = {
	OUTPUT_LONG_OPTIONS,
	TRACING_LONG_OPTIONS,
	{"ring", required_argument, NULL, OPT_RING},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, OPT_VERSION},
	{},
};

static int parse_option(struct live *l, int c, const char *arg)
{
	int r;

	if (c == OPT_RING)
		return parse_size(arg, &l->tracing.capture.ring_size) < 0
			       ? output_usage("--ring takes a size like 512K or 8M, not", arg)
			       : 0;
	r = tracing_option(&l->tracing, c, arg);
	return r == -ENOENT ? output_option(&l->output, c, arg) : r;
}

/* 0 to go on, 1 when all was said already. */
static int parse_args(struct live *l, int argc, char **argv)
{
	int c, r = 0;

	output_defaults(&l->output);
	opterr = 0;
	while (r == 0 && (c = getopt_long(argc, argv, ":n:qvh", options, NULL)) >= 0) {
		if (c == '?' || c == ':')
			return output_bad_option(c, argv[optind - 1]);
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
	if (tracing_heeds_hangup())
		sigaction(SIGHUP, &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static int run(struct live *l, struct capture *c)
{
	int r = output_open_live(&l->output);

	if (r < 0)
		return r;
	r = capture_drop_privileges();
	if (r < 0)
		return r;
	catch_signals(c);
	tracing_say_live(&l->tracing, c);
	r = capture_run(c, output_record, &l->output);
	if (r == 0)
		r = output_flush(&l->output);
	if (l->tracing.verbose)
		tracing_say_probes(c);
	if (r == -ECANCELED || r == -EPIPE) /* --count was reached; the reader had enough */
		return 0;
	return r;
}

static int start(struct live *l)
{
	_cleanup_(capture_freep) struct capture *c = NULL;
	int r = tracing_open(&l->tracing, &c);

	if (r < 0)
		return EXIT_FAILED;
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
