/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* svctrace: watch PID 1 and say of every stop of a service who did it, and why. */
#include <errno.h>
#include <fnmatch.h>
#include <getopt.h>
#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cmd.h"
#include "svctrace/capture.h"
#include "svctrace/cleanup.h"
#include "svctrace/engine.h"
#include "svctrace/render.h"

static const char help[] =
	"Usage: svctrace [OPTION…] [UNIT…]\n"
	"Says who stopped a systemd service, and why, while it happens.\n"
	"\n"
	"UNIT is a service's name or a glob (nginx, 'web-*.service'); default: every service.\n"
	"\n"
	"What to show:\n"
	"      --cause=CAUSE[,…]  only these causes (unclassified, stop-request, restart-request,\n"
	"                         main-exited, main-killed, cgroup-empty)\n"
	"      --events           raw events too, as they come\n"
	"  -n, --count=N          end after N verdicts\n"
	"      --duration=TIME    end after that time (30s, 5min)\n"
	"How to show it:\n"
	"      --json             one JSON object a line (NDJSON)\n"
	"      --utc              times in UTC\n"
	"      --color=WHEN       auto (default), always, never\n"
	"  -q, --quiet            do not say what is traced\n"
	"  -v, --verbose          say more: every probe, times, libbpf's log\n"
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
	struct render_options render;
	bool events, quiet, verbose;
	uint64_t count, seen;
	char **units; /* NULL-terminated, owned */
	struct engine *engine;
	struct renderer *renderer;
	struct decoder *decoder;
};

enum {
	OPT_CAUSE = 256,
	OPT_EVENTS,
	OPT_DURATION,
	OPT_JSON,
	OPT_UTC,
	OPT_COLOR,
	OPT_MANAGER,
	OPT_RING,
	OPT_BTF,
	OPT_VERSION,
};

static const struct option options[] = {
	{"cause", required_argument, NULL, OPT_CAUSE},
	{"events", no_argument, NULL, OPT_EVENTS},
	{"count", required_argument, NULL, 'n'},
	{"duration", required_argument, NULL, OPT_DURATION},
	{"json", no_argument, NULL, OPT_JSON},
	{"utc", no_argument, NULL, OPT_UTC},
	{"color", required_argument, NULL, OPT_COLOR},
	{"quiet", no_argument, NULL, 'q'},
	{"verbose", no_argument, NULL, 'v'},
	{"manager", required_argument, NULL, OPT_MANAGER},
	{"ring", required_argument, NULL, OPT_RING},
	{"btf", required_argument, NULL, OPT_BTF},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, OPT_VERSION},
	{},
};

static int usage(const char *what, const char *value)
{
	say("%s \"%s\"; try svctrace --help", what, value);
	return -EINVAL;
}

static int parse_causes(struct live *l, const char *list)
{
	_cleanup_free_ char *copy = strdup(list);
	char *word, *save = NULL;

	if (!copy)
		return -ENOMEM;
	for (word = strtok_r(copy, ",", &save); word; word = strtok_r(NULL, ",", &save)) {
		int c = cause_parse(word);

		if (c < 0) {
			say("unknown cause \"%s\"; known are: ", word);
			for (int i = 0; i < CAUSE_MAX; i++)
				fprintf(stderr, "  %s\n", cause_name(i));
			return -EINVAL;
		}
		l->render.causes |= 1u << c;
	}
	return l->render.causes ? 0 : usage("no cause in", list);
}

static int parse_color(struct live *l, const char *when)
{
	const char *term = getenv("TERM");

	if (strcmp(when, "always") == 0)
		l->render.color = true;
	else if (strcmp(when, "never") == 0)
		l->render.color = false;
	else if (strcmp(when, "auto") == 0)
		l->render.color = isatty(STDOUT_FILENO) && !getenv("NO_COLOR") && term &&
				  strcmp(term, "dumb") != 0;
	else
		return usage("--color takes auto, always or never, not", when);
	return 0;
}

static int parse_manager(struct live *l, const char *arg)
{
	uint64_t pid;

	if (parse_number(arg, 1 << 22, &pid) < 0)
		return usage("--manager takes a process number, not", arg);
	l->capture.manager = pid;
	return 0;
}

static int parse_option(struct live *l, int c, const char *arg)
{
	switch (c) {
	case OPT_CAUSE:
		return parse_causes(l, arg);
	case OPT_EVENTS:
		l->events = true;
		return 0;
	case 'n':
		return parse_number(arg, UINT64_MAX, &l->count) < 0
			       ? usage("--count takes a number above 0, not", arg)
			       : 0;
	case OPT_DURATION:
		return parse_duration(arg, &l->capture.timeout_ns) < 0
			       ? usage("--duration takes a time like 30s or 5min, not", arg)
			       : 0;
	case OPT_JSON:
		l->render.format = RENDER_JSON;
		return 0;
	case OPT_UTC:
		l->render.utc = true;
		return 0;
	case OPT_COLOR:
		return parse_color(l, arg);
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
		return access(arg, R_OK) < 0 ? usage("cannot read the file of --btf", arg) : 0;
	case OPT_RING:
		return parse_size(arg, &l->capture.ring_size) < 0
			       ? usage("--ring takes a size like 512K or 8M, not", arg)
			       : 0;
	default:
		return -EINVAL;
	}
}

static int bad_option(int c, const char *word)
{
	return usage(c == ':' ? "a value is missing after" : "unknown option", word);
}

/* "nginx" means nginx.service. */
static int take_units(struct live *l, int n, char **names)
{
	static const char *const suffixes[] = {".service", ".scope", ".socket", ".mount", ".swap"};

	l->units = calloc(n + 1, sizeof(l->units[0]));
	if (!l->units)
		return -ENOMEM;
	for (int i = 0; i < n; i++) {
		bool full = false;

		for (size_t k = 0; k < ARRAY_LEN(suffixes); k++) {
			const char *dot = strrchr(names[i], '.');

			full |= dot && fnmatch(dot, suffixes[k], 0) == 0;
		}
		if (asprintf(&l->units[i], "%s%s", names[i], full ? "" : ".service") < 0)
			return -ENOMEM;
	}
	if (n > 0)
		l->render.units = (const char *const *)l->units;
	return 0;
}

/* 0 to go on, 1 when all was said already. */
static int parse_args(struct live *l, int argc, char **argv)
{
	int c, r = parse_color(l, "auto");

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
	return r ? r : take_units(l, argc - optind, argv + optind);
}

static void set_width(struct live *l)
{
	struct winsize ws;

	if (isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) == 0)
		l->render.width = ws.ws_col;
	setlocale(LC_CTYPE, "");
	l->render.ascii = isatty(STDOUT_FILENO) && strcmp(nl_langinfo(CODESET), "UTF-8") != 0;
}

static int on_verdict(void *ctx, const struct verdict *v)
{
	struct live *l = ctx;
	int r = render_verdict(l->renderer, v);

	if (r <= 0)
		return r;
	return ++l->seen == l->count ? -ECANCELED : 0;
}

static int on_event(void *ctx, const struct ev *e)
{
	struct live *l = ctx;
	int r = render_note(l->renderer, e);

	if (r >= 0 && l->events)
		r = render_event(l->renderer, e);
	return r < 0 ? r : engine_feed(l->engine, e);
}

static int on_record(void *ctx, const void *record, size_t size)
{
	struct live *l = ctx;
	int r = decoder_feed(l->decoder, record, size);

	return r == -EBADMSG ? 0 : r; /* counted; the others are still good */
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

static void log_line(bool debug, const char *line)
{
	(void)debug;
	say("%s", line);
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

static int new_pipeline(struct live *l)
{
	int r = renderer_new(stdout, &l->render, &l->renderer);

	if (r == 0)
		r = engine_new(on_verdict, l, &l->engine);
	if (r == 0)
		r = decoder_new(on_event, l, &l->decoder);
	return r;
}

static int run(struct live *l, struct capture *c)
{
	int r = new_pipeline(l);

	if (r < 0)
		return r;
	catch_signals(c);
	say_live(l, c);
	r = capture_run(c, on_record, l);
	if (r == 0)
		r = engine_flush(l->engine);
	if (l->verbose)
		say_probes(c);
	if (r == -ECANCELED || r == -EPIPE) /* --count was reached; the reader had enough */
		return 0;
	return r;
}

static void live_done(struct live *l)
{
	decoder_freep(&l->decoder);
	engine_freep(&l->engine);
	renderer_freep(&l->renderer);
	for (size_t i = 0; l->units && l->units[i]; i++)
		free(l->units[i]);
	free(l->units);
}

static int start(struct live *l)
{
	_cleanup_(capture_freep) struct capture *c = NULL;
	struct capture_error err = {};
	int r;

	l->capture.log = l->verbose ? log_line : NULL;
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
	return l->seen < l->count ? EXIT_SHORT : EXIT_OK;
}

int cmd_live(int argc, char **argv)
{
	_cleanup_(live_done) struct live l = {};
	int r = parse_args(&l, argc, argv);

	if (r < 0)
		return EXIT_USAGE;
	if (r > 0)
		return EXIT_OK;
	set_width(&l);
	return start(&l);
}
