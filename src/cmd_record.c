/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* svctrace record: the stream of a live run, kept in a file. */
#include <errno.h>
#include <fnmatch.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "cmd.h"
#include "output.h"
#include "recording/child.h"
#include "recording/keeper.h"
#include "svctrace/cleanup.h"
#include "tracing.h"

#define DEFAULT_FILE   "svctrace.trace"
#define RING_DEFAULT   (64u << 20)
#define SETTLE_DEFAULT 5000000000ull
#define QUIET_NS       300000000ull /* no service does anything for that long: settled */
#define TICK_NS	       50000000ull

static const char help[] =
	"Usage: svctrace record [OPTION…] [UNIT…] [-- COMMAND…]\n"
	"Records what svctrace sees, to be replayed, checked and compared anywhere, without root.\n"
	"\n"
	"With a COMMAND: runs it as soon as everything is watched, waits until the services that "
	"it\n"
	"touched have settled, and exits as it did. Without: records until Ctrl-C.\n"
	"UNIT: whose stops replay shows unless told otherwise, and which count for --on-verdict;\n"
	"the recording holds all of them, since one explains the other.\n"
	"\n"
	"  -o, --output=FILE      where to (default: svctrace.trace, an older one becomes\n"
	"                         svctrace.trace.old); -: standard output\n"
	"      --settle=TIME      wait that long for services to settle (default 5s)\n"
	"      --duration=TIME    end after that time (30s, 5min)\n"
	"      --raw-stacks       keep what stacks are unwound from, too: it holds systemd's "
	"memory\n"
	"      --live             show verdicts while they come, as svctrace does\n"
	"  -q, --quiet            say nothing but errors\n"
	"  -v, --verbose          say more: times, every probe, why a program failed\n"
	"Flight recorder:\n"
	"      --ring=SIZE        keep only the last SIZE (64M) of it, in memory; written at the "
	"end\n"
	"                         and on SIGUSR2, to FILE, FILE.1, FILE.2 …\n"
	"      --on-verdict=CAUSE[,…]  write it when a stop has one of these causes (any: "
	"whatever\n"
	"                         the cause), and no longer at the end\n" OUTPUT_HELP
	"Where to look:\n" TRACING_HELP
	"      --kernel-ring=SIZE ring buffer between kernel and svctrace (default 4M)\n"
	"  -h, --help             this text\n"
	"\n"
	"Examples:\n"
	"  sudo svctrace record -- systemctl restart nginx\n"
	"  sudo svctrace record -o boot.trace --duration=5min\n"
	"  sudo svctrace record --ring=64M --on-verdict=main-killed -o /var/log/killed.trace\n"
	"  ssh web1 sudo svctrace record -o - | svctrace replay -\n"
	"\n"
	"Exit status: that of COMMAND (127 not found, 126 cannot be run, 128+N killed by signal "
	"N);\n"
	"without one 0 good, 1 cannot trace or cannot write, 2 bad usage, 3 it ended before "
	"--count\n"
	"was reached. A COMMAND that succeeded but was not recorded: 1.\n";

enum {
	OPT_RING = 256,
	OPT_KERNEL_RING,
	OPT_SETTLE,
	OPT_LIVE,
	OPT_RAW_STACKS,
	OPT_ON_VERDICT,
};

struct record {
	struct tracing tracing;
	struct output output;
	struct keeper keeper;
	char *facts;
	uint64_t settle_ns;
	uint64_t on_verdict; /* bit per cause; 0: no such option */
	char **command;	     /* NULL: none */
	/* while it runs */
	struct capture *capture;
	struct child child;
	sigset_t mask; /* as it was before */
	int signal_fd, timer_fd;
	uint64_t last_service_ns, child_end_ns;
	bool save; /* a verdict wants it written */
};

static const struct option options[] = {
	OUTPUT_LONG_OPTIONS,
	TRACING_LONG_OPTIONS,
	{"output", required_argument, NULL, 'o'},
	{"ring", required_argument, NULL, OPT_RING},
	{"kernel-ring", required_argument, NULL, OPT_KERNEL_RING},
	{"settle", required_argument, NULL, OPT_SETTLE},
	{"live", no_argument, NULL, OPT_LIVE},
	{"raw-stacks", no_argument, NULL, OPT_RAW_STACKS},
	{"on-verdict", required_argument, NULL, OPT_ON_VERDICT},
	{"help", no_argument, NULL, 'h'},
	{},
};

static int parse_on_verdict(struct record *c, const char *arg)
{
	if (strcmp(arg, "any") != 0)
		return output_causes(arg, &c->on_verdict);
	c->on_verdict = UINT64_MAX;
	return 0;
}

static int parse_option(struct record *c, int o, const char *arg)
{
	int r;

	switch (o) {
	case 'o':
		c->keeper.path = arg;
		return 0;
	case OPT_RING:
		return parse_size(arg, &c->keeper.ring_size) < 0
			       ? output_usage("--ring takes a size like 8M or 64M, not", arg)
			       : 0;
	case OPT_KERNEL_RING:
		return parse_size(arg, &c->tracing.capture.ring_size) < 0
			       ? output_usage("--kernel-ring takes a size like 512K or 8M, not",
					      arg)
			       : 0;
	case OPT_SETTLE:
		return parse_duration(arg, &c->settle_ns) < 0
			       ? output_usage("--settle takes a time like 2s or 500ms, not", arg)
			       : 0;
	case OPT_LIVE:
		c->output.silent = false;
		return 0;
	case OPT_RAW_STACKS:
		c->tracing.capture.raw_stacks = true;
		return 0;
	case OPT_ON_VERDICT:
		return parse_on_verdict(c, arg);
	default:
		r = tracing_option(&c->tracing, o, arg);
		return r == -ENOENT ? output_option(&c->output, o, arg) : r;
	}
}

/* "UNITS=a.service b.service", for replay. */
static int make_facts(struct record *c)
{
	size_t n = 0;
	FILE *f;

	if (!c->output.render.units)
		return 0;
	f = open_memstream(&c->facts, &n);
	if (!f)
		return -ENOMEM;
	for (unsigned int i = 0; c->output.units[i]; i++)
		fprintf(f, "%s%s", i ? " " : "UNITS=", c->output.units[i]);
	fputc(0, f);
	if (fclose(f) != 0)
		return -ENOMEM;
	c->keeper.facts = (struct str){c->facts, n};
	return 0;
}

static int check_options(struct record *c)
{
	bool to_stdout = c->keeper.path && strcmp(c->keeper.path, "-") == 0;

	if (to_stdout && (c->command || !c->output.silent)) {
		say("-o - needs standard output for itself; give a file with -o FILE");
		return -EINVAL;
	}
	if (to_stdout && isatty(STDOUT_FILENO)) {
		say("a recording is no text for a terminal; give a file with -o FILE");
		return -EINVAL;
	}
	if (c->output.silent && (c->output.count || c->output.events)) {
		say("--count and --events need --live; try svctrace record --help");
		return -EINVAL;
	}
	if (c->on_verdict && !c->keeper.ring_size)
		c->keeper.ring_size = RING_DEFAULT;
	return 0;
}

/* 0 to go on, 1 when all was said already. argv ends where the command begins. */
static int parse_args(struct record *c, int argc, char **argv)
{
	int o, r = 0;

	output_defaults(&c->output);
	opterr = 0;
	while (r == 0 && (o = getopt_long(argc, argv, ":n:o:qvh", options, NULL)) >= 0) {
		if (o == '?' || o == ':')
			return output_bad_option(o, argv[optind - 1]);
		if (o == 'h') {
			fputs(help, stdout);
			return 1;
		}
		r = parse_option(c, o, optarg);
	}
	if (r == 0)
		r = output_units(&c->output, argc - optind, argv + optind);
	if (r == 0)
		r = make_facts(c);
	return r ? r : check_options(c);
}

static bool concerns_us(const struct record *c, const char *unit)
{
	if (!c->output.render.units)
		return true;
	for (unsigned int i = 0; c->output.units[i]; i++)
		if (fnmatch(c->output.units[i], unit, 0) == 0)
			return true;
	return false;
}

static int on_verdict(void *ctx, const struct verdict *v)
{
	struct record *c = ctx;

	if (c->on_verdict & (UINT64_C(1) << v->cause) && concerns_us(c, v->unit))
		c->save = true;
	return 0;
}

/* The event that a verdict rests on is in the recording before the verdict has it written. */
static int on_record(void *ctx, const void *record, size_t size)
{
	const struct wire_hdr *h = record;
	struct record *c = ctx;
	int r = keeper_record(&c->keeper, record, size);

	if ((h->kind >= WIRE_SERVICE_ENTER_STOP && h->kind <= WIRE_BUS_QUEUE_JOB) ||
	    h->kind == WIRE_SCOPE)
		c->last_service_ns = h->mono_ns;
	if (r == 0)
		r = output_record(&c->output, record, size);
	if (c->save) {
		c->save = false;
		keeper_save(&c->keeper);
	}
	if (r == 0 && c->keeper.error && !c->keeper.ring && !c->command)
		return c->keeper.error;
	return r;
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * UINT64_C(1000000000) + ts.tv_nsec;
}

static int set_timer(struct record *c, uint64_t ns)
{
	struct itimerspec t = {.it_value = {ns / 1000000000, ns % 1000000000}};

	return timerfd_settime(c->timer_fd, 0, &t, NULL) < 0 ? -errno : 0;
}

/* The command ended: are the services at rest? */
static int settle(struct record *c)
{
	struct engine_stats s;
	uint64_t now = now_ns();

	engine_stats(c->output.engine, &s);
	if (now - c->child_end_ns >= c->settle_ns) {
		if (s.stops > 0)
			say("%" PRIu64 " services are still stopping after --settle; their stops "
			    "are recorded as far as they got",
			    s.stops);
	} else if (s.stops > 0 || now < c->last_service_ns + QUIET_NS ||
		   now < c->child_end_ns + QUIET_NS) {
		return set_timer(c, TICK_NS);
	}
	capture_stop(c->capture);
	return 0;
}

static int on_timer(struct record *c)
{
	uint64_t n;

	if (read(c->timer_fd, &n, sizeof(n)) < 0)
		return 0;
	if (c->child.started)
		return settle(c);
	/* the first time: everything is watched, what was there before is in the stream */
	if (child_start(&c->child, c->command[0]) < 0)
		capture_stop(c->capture);
	return 0;
}

static int on_child(struct record *c)
{
	child_reap(&c->child);
	if (!c->child.ended || c->child_end_ns)
		return 0;
	c->child_end_ns = now_ns();
	return set_timer(c, TICK_NS);
}

/* While the command runs the end is its own affair; a terminal has told it already. */
static int on_signal(struct record *c)
{
	struct signalfd_siginfo s;

	if (read(c->signal_fd, &s, sizeof(s)) != sizeof(s))
		return 0;
	if (s.ssi_signo == SIGCHLD)
		return on_child(c);
	if (s.ssi_signo == SIGUSR2)
		keeper_save(&c->keeper);
	else if (!c->child.started || c->child.ended)
		capture_stop(c->capture);
	else if (s.ssi_code != SI_KERNEL)
		kill(c->child.pid, s.ssi_signo);
	return 0;
}

static int on_ready(void *ctx, int fd)
{
	struct record *c = ctx;

	return fd == c->timer_fd ? on_timer(c) : on_signal(c);
}

static int watch(struct record *c)
{
	int r = capture_watch(c->capture, c->signal_fd, on_ready, c);

	if (r == 0 && c->command)
		r = capture_watch(c->capture, c->timer_fd, on_ready, c);
	return r ? r : set_timer(c, 1);
}

/* From here on signals wait until somebody looks at signal_fd. */
static int open_signals(struct record *c)
{
	static const int caught[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR2, SIGCHLD};
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_LEN(caught); i++)
		if (caught[i] != SIGHUP || tracing_heeds_hangup())
			sigaddset(&set, caught[i]);
	sigprocmask(SIG_BLOCK, &set, &c->mask);
	c->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	c->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	return c->signal_fd < 0 || c->timer_fd < 0 ? -errno : 0;
}

static int run(struct record *c)
{
	int r = output_open_live(&c->output);

	if (r == 0)
		r = watch(c);
	if (r < 0)
		return r;
	tracing_say_live(&c->tracing, c->capture);
	r = capture_run(c->capture, on_record, c);
	if (r == 0)
		r = output_flush(&c->output);
	if (c->tracing.verbose)
		tracing_say_probes(c->capture);
	return r == -ECANCELED || r == -EPIPE ? 0 : r;
}

static int open_file(struct record *c)
{
	if (!c->keeper.path) {
		c->keeper.path = DEFAULT_FILE;
		if (rename(DEFAULT_FILE, DEFAULT_FILE ".old") < 0 && errno != ENOENT)
			say("cannot keep the older %s: %s", DEFAULT_FILE, strerror(errno));
	}
	return keeper_open(&c->keeper);
}

/* The command keeps them. A ring keeps them too: it opens its files later. */
static int give_up_privileges(struct record *c)
{
	int r = c->command ? child_prepare(&c->child, c->command, &c->mask) : 0;

	return r || c->keeper.ring ? r : capture_drop_privileges();
}

/* Whether it was recorded, and all of it. */
static int record(struct record *c)
{
	int r, k = 0;

	r = open_signals(c);
	if (r == 0 && tracing_open(&c->tracing, &c->capture) < 0)
		return -ECANCELED; /* it has said why */
	if (r == 0)
		r = open_file(c);
	if (r == 0)
		r = give_up_privileges(c);
	if (r == 0)
		r = run(c);
	if (r < 0 && c->keeper.error == 0)
		say("recording ended: %s", strerror(-r));
	/* whatever came: what is there is good */
	if ((c->keeper.writer || c->keeper.ring) && !(c->keeper.ring && c->on_verdict))
		k = keeper_close(&c->keeper, c->tracing.quiet);
	return r ? r : k ? k : c->keeper.error;
}

static int exit_code(const struct record *c, int r)
{
	if (c->child.ended && c->child.code != 0)
		return c->child.code;
	if (r < 0)
		return EXIT_FAILED;
	return c->output.seen < c->output.count ? EXIT_SHORT : EXIT_OK;
}

int cmd_record(int argc, char **argv)
{
	struct record c = {
		.output = {.silent = true, .also = on_verdict, .also_ctx = &c},
		.settle_ns = SETTLE_DEFAULT,
		.signal_fd = -1,
		.timer_fd = -1,
		.keeper.fd = -1,
	};
	int n, r;

	for (n = 1; n < argc && strcmp(argv[n], "--") != 0; n++)
		;
	if (n + 1 < argc)
		c.command = argv + n + 1;
	r = parse_args(&c, n, argv);
	r = r == 0 ? exit_code(&c, record(&c)) : r < 0 ? EXIT_USAGE : EXIT_OK;
	child_done(&c.child);
	keeper_done(&c.keeper);
	capture_freep(&c.capture);
	output_done(&c.output);
	closep(&c.signal_fd);
	closep(&c.timer_fd);
	free(c.facts);
	return r;
}
