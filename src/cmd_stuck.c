/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * svctrace stuck: what was told to end and cannot, and what holds it. It looks twice, a second
 * apart: who has run in between is not stuck.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cmd.h"
#include "output.h"
#include "stuck/verb/read.h"
#include "stuck/verb/show.h"
#include "svctrace/cleanup.h"

#define BETWEEN_LOOKS_MS 1000
#define FREED_TRIES	 25
#define FREED_TRY_MS	 200

static const char help[] =
	"Usage: svctrace stuck [OPTION…]\n"
	"Says what was told to end and cannot, what holds it, and what to do: processes that "
	"SIGKILL\n"
	"does not end, containers and pid namespaces that do not go, the services that wait for "
	"them.\n"
	"It looks at /proc up to three times, a second apart; svctrace need not have run before.\n"
	"\n"
	"      --abort            free a deadlock on a FUSE connection by aborting it, after "
	"asking\n"
	"      --yes              do not ask\n"
	"      --json             one JSON object\n"
	"      --color=WHEN       auto (default), always, never\n"
	"  -h, --help             this text\n"
	"\n"
	"A FUSE connection that anybody may still serve is never aborted.\n"
	"\n"
	"Exit status: 0 nothing is stuck (any more), 1 something is, 2 it could not be told (or "
	"bad "
	"usage).\n"
	"\n"
	"Examples:\n"
	"  sudo svctrace stuck\n"
	"  sudo svctrace stuck --abort\n"
	"  sudo svctrace stuck --json | jq -r '.hangs[] | .kind + \": \" + .root'\n";

enum {
	STUCK_NOTHING = 0,
	STUCK_SOMETHING = 1,
	STUCK_ERROR = 2,
};

enum {
	OPTION_ABORT = 1024,
	OPTION_YES,
};

static const struct option options[] = {
	{"abort", no_argument, NULL, OPTION_ABORT},
	{"yes", no_argument, NULL, OPTION_YES},
	{"json", no_argument, NULL, OUTPUT_JSON},
	{"color", required_argument, NULL, OUTPUT_COLOR},
	{"help", no_argument, NULL, 'h'},
	{},
};

struct look {
	struct stuck_snapshot snapshot;
	struct stuck_report *report;
};

struct stuck_command {
	struct output output;
	bool abort, yes;
	struct look look;
	enum stuck_abort *aborts; /* one a hang */
};

static void look_done(struct look *l)
{
	stuck_report_freep(&l->report);
	stuck_snapshot_done(&l->snapshot);
}

static void command_done(struct stuck_command *c)
{
	free(c->aborts);
	look_done(&c->look);
	output_done(&c->output);
}

static int parse_option(struct stuck_command *c, int option, const char *arg)
{
	switch (option) {
	case OPTION_ABORT:
		c->abort = true;
		return 0;
	case OPTION_YES:
		c->yes = true;
		return 0;
	default:
		return output_option(&c->output, option, arg);
	}
}

static int check_args(const struct stuck_command *c, const char *word)
{
	if (word)
		output_usage("stuck takes no", word);
	else if (c->yes && !c->abort)
		say("--yes goes with --abort; try svctrace stuck --help");
	else if (c->abort && !c->yes && !isatty(STDIN_FILENO))
		say("--abort asks on the terminal, and there is none; --yes goes without");
	else
		return 0;
	return -EINVAL;
}

/* 0 to go on, 1 when all was said already. */
static int parse_args(struct stuck_command *cmd, int argc, char **argv)
{
	int c, r = 0;

	output_defaults(&cmd->output);
	opterr = 0;
	while (r == 0 && (c = getopt_long(argc, argv, ":h", options, NULL)) >= 0) {
		if (c == '?' || c == ':')
			return output_bad_option(c, argv[optind - 1]);
		if (c == 'h') {
			fputs(help, stdout);
			return 1;
		}
		r = parse_option(cmd, c, optarg);
	}
	return r < 0 ? r : check_args(cmd, argv[optind]);
}

static void sleep_ms(long ms)
{
	struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	nanosleep(&t, NULL);
}

static bool anything_told(const struct stuck_snapshot *s)
{
	for (size_t i = 0; i < s->n_tasks; i++)
		if (stuck_is_told_to_end(s, &s->tasks[i]))
			return true;
	return false;
}

static int look_once(struct stuck_snapshot *s)
{
	int r = stuck_read_units(s);

	return r < 0 ? r : stuck_read_tasks(s);
}

/* Once more, and who has run since the looks before is not stuck. */
static int look_again(struct look *l)
{
	_cleanup_(stuck_snapshot_done) struct stuck_snapshot before = l->snapshot;
	int r;

	l->snapshot = (struct stuck_snapshot){};
	stuck_report_freep(&l->report); /* it points into what was seen before */
	sleep_ms(BETWEEN_LOOKS_MS);
	r = look_once(&l->snapshot);
	if (r < 0)
		return r;
	stuck_compare(&before, &l->snapshot);
	r = stuck_read_details(&l->snapshot);
	return r < 0 ? r : stuck_analyse(&l->snapshot, &l->report);
}

/*
 * A look takes its time, and is not all of one moment: the second one may see an init as it waits
 * for processes, and these when they have just ended. The third one does not.
 */
static int look(struct look *l)
{
	int r = look_once(&l->snapshot);

	if (r == 0 && !anything_told(&l->snapshot))
		return stuck_analyse(&l->snapshot, &l->report);
	if (r == 0)
		r = look_again(l);
	return r == 0 && l->report->n_hangs > 0 ? look_again(l) : r;
}

/* ---- --abort ---- */

static bool confirmed(const struct stuck_command *c, unsigned int connection)
{
	char line[16];

	if (c->yes)
		return true;
	fprintf(stderr, "Abort FUSE connection %u? Its users get errors from then on. [y/N] ",
		connection);
	return fgets(line, sizeof(line), stdin) && (*line == 'y' || *line == 'Y');
}

/* Somebody may have begun to serve it while the question was on the screen. */
static int still_deadlocked(unsigned int connection)
{
	_cleanup_(look_done) struct look again = {};
	int r = look(&again);

	if (r < 0)
		return r;
	for (size_t i = 0; i < again.report->n_hangs; i++)
		if (again.report->hangs[i].kind == STUCK_FUSE_DEADLOCK &&
		    again.report->hangs[i].connection->number == connection)
			return 1;
	return 0;
}

/* Of those that waited for it, is nobody left? */
static int is_freed(const struct stuck_hang *h)
{
	_cleanup_(stuck_snapshot_done) struct stuck_snapshot s = {};
	int r = stuck_read_tasks(&s);

	if (r < 0)
		return r;
	for (size_t i = 0; i < h->n_members; i++) {
		const struct stuck_task *old = h->members[i].task;
		const struct stuck_task *t = stuck_find_task(&s, old->tgid, old->tid);

		if (t && t->start == old->start && t->state != 'Z' && t->state != 'X')
			return 0;
	}
	return 1;
}

static enum stuck_abort wait_until_freed(const struct stuck_hang *h)
{
	for (int i = 0; i < FREED_TRIES; i++) {
		if (is_freed(h) > 0)
			return STUCK_ABORT_FREED;
		sleep_ms(FREED_TRY_MS);
	}
	return STUCK_ABORT_FAILED;
}

static enum stuck_abort abort_hang(const struct stuck_command *c, const struct stuck_hang *h)
{
	unsigned int n = h->connection->number;
	enum stuck_abort result;
	int r;

	if (!confirmed(c, n))
		return STUCK_ABORT_NONE;
	r = still_deadlocked(n);
	if (r == 0) {
		say("FUSE connection %u is no deadlock any more: left alone", n);
		return STUCK_ABORT_NONE;
	}
	if (r > 0)
		r = stuck_abort_fuse(n);
	if (r < 0) {
		say("cannot abort FUSE connection %u: %s", n, strerror(-r));
		return STUCK_ABORT_FAILED;
	}
	result = wait_until_freed(h);
	if (result == STUCK_ABORT_FREED)
		say("FUSE connection %u aborted: what waited for it has ended", n);
	else
		say("FUSE connection %u aborted, but not all has ended: look again", n);
	return result;
}

/* Is anything stuck still? */
static bool abort_all(struct stuck_command *c)
{
	const struct stuck_report *report = c->look.report;
	bool left = false;

	for (size_t i = 0; i < report->n_hangs; i++) {
		if (c->abort && report->hangs[i].kind == STUCK_FUSE_DEADLOCK)
			c->aborts[i] = abort_hang(c, &report->hangs[i]);
		left |= c->aborts[i] != STUCK_ABORT_FREED;
	}
	return left;
}

static int run(struct stuck_command *c)
{
	bool json = c->output.render.format == RENDER_JSON, left;
	int r = look(&c->look);

	if (r < 0) {
		say("cannot look at the processes: %s", strerror(-r));
		return STUCK_ERROR;
	}
	c->aborts = calloc(c->look.report->n_hangs + 1, sizeof(c->aborts[0]));
	if (!c->aborts)
		return STUCK_ERROR;
	/* who is asked must have read it; a program gets it in one piece, when all is done */
	if (!json)
		r = stuck_show_text(&c->look.snapshot, c->look.report, &c->output.render);
	left = r == 0 && abort_all(c);
	if (json)
		r = stuck_show_json(&c->look.snapshot, c->look.report, c->aborts);
	if (r < 0) {
		say("cannot write what was found: %s", strerror(-r));
		return STUCK_ERROR;
	}
	return left ? STUCK_SOMETHING : STUCK_NOTHING;
}

int cmd_stuck(int argc, char **argv)
{
	_cleanup_(command_done) struct stuck_command c = {};
	int r = parse_args(&c, argc, argv);

	if (r != 0)
		return r > 0 ? EXIT_OK : EXIT_USAGE;
	return run(&c);
}
