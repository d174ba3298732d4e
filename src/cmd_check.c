/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* svctrace check: is what a recording tells what was expected? */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "output.h"
#include "recording/outcome.h"
#include "svctrace/cleanup.h"

static const char help[] =
	"Usage: svctrace check [OPTION…] FILE EXPECT\n"
	"Compares the verdicts of a recording with what the file EXPECT says of them.\n"
	"\n"
	"EXPECT holds one expectation a line, each met by one verdict:\n"
	"  nginx.service main-killed signal=SIGKILL actor=kill result=signal\n"
	"  then nginx.service main-exited within=5s   after the line before, within that time\n"
	"  never db*.service *                        no such verdict\n"
	"  nothing else                               no verdict that no line speaks of\n"
	"Values are globs; numbers compare with =, !=, <, <=, >, >=; svctrace-check(1) has all of "
	"it.\n"
	"\n"
	"      --bless            write EXPECT from the recording instead\n"
	"      --format=FORMAT    tap (default) or junit\n"
	"      --facts            list what can be compared\n"
	"  -q, --quiet            print nothing, only exit\n"
	"  -h, --help             this text\n"
	"\n"
	"Examples:\n"
	"  sudo svctrace record -o t.trace -- ./test-service.sh && svctrace check t.trace "
	"t.expect\n"
	"  svctrace check --bless t.trace t.expect\n"
	"  svctrace check --format=junit t.trace t.expect >report.xml\n"
	"\n"
	"Exit status: 0 all met, 1 not all met, 2 bad usage, a bad EXPECT, or a recording that is\n"
	"none, is damaged or was cut off (its verdicts may be incomplete).\n";

enum {
	OPT_BLESS = 256,
	OPT_FORMAT,
	OPT_FACTS,
};

struct check {
	bool bless, junit, quiet;
	const char *file, *expect;
};

static const struct option options[] = {
	{"bless", no_argument, NULL, OPT_BLESS}, {"format", required_argument, NULL, OPT_FORMAT},
	{"facts", no_argument, NULL, OPT_FACTS}, {"quiet", no_argument, NULL, 'q'},
	{"help", no_argument, NULL, 'h'},	 {},
};

static int list_facts(void)
{
	for (int i = 0; i < FACT_MAX; i++)
		printf("%s%s\n", fact_name(i),
		       i == FACT_DURATION  ? " (time)"
		       : fact_is_number(i) ? " (number)"
					   : "");
	return 1;
}

static int parse_option(struct check *k, int c, const char *arg)
{
	switch (c) {
	case OPT_BLESS:
		k->bless = true;
		return 0;
	case 'q':
		k->quiet = true;
		return 0;
	case OPT_FACTS:
		return list_facts();
	case OPT_FORMAT:
		k->junit = strcmp(arg, "junit") == 0;
		return k->junit || strcmp(arg, "tap") == 0
			       ? 0
			       : output_usage("--format takes tap or junit, not", arg);
	default:
		fputs(help, stdout);
		return 1;
	}
}

/* 0 to go on, 1 when all was said already. */
static int parse_args(struct check *k, int argc, char **argv)
{
	int c, r = 0;

	opterr = 0;
	while (r == 0 && (c = getopt_long(argc, argv, ":qh", options, NULL)) >= 0) {
		if (c == '?' || c == ':')
			return output_bad_option(c, argv[optind - 1]);
		r = parse_option(k, c, optarg);
	}
	if (r != 0)
		return r;
	if (argc - optind != 2) {
		say("check needs a recording and a file of expectations; try svctrace check "
		    "--help");
		return -EINVAL;
	}
	k->file = argv[optind];
	k->expect = argv[optind + 1];
	return 0;
}

static int bless(const struct check *k, const struct outcomes *o)
{
	_cleanup_fclose_ FILE *f = fopen(k->expect, "we");
	int r = f ? expect_write_bless(o, f) : -errno;

	if (r == 0 && fclose(take_ptr(f)) != 0)
		r = -errno;
	if (r < 0) {
		say("cannot write %s: %s", k->expect, strerror(-r));
		return EXIT_USAGE;
	}
	if (!k->quiet)
		say("%s: %u expectations, and nothing else", k->expect, o->n);
	return EXIT_OK;
}

static int read_expect(const char *path, struct expect **ret)
{
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	_cleanup_free_ char *text = NULL;
	struct expect_error err = {};
	size_t room = 0;
	ssize_t n;
	int r;

	errno = 0;
	n = f ? getdelim(&text, &room, EOF, f) : -1;
	if (n < 0 && (!f || errno)) {
		say("cannot read %s: %s", path, strerror(errno));
		return -EIO;
	}
	r = expect_parse(text, n < 0 ? 0 : (size_t)n, ret, &err);
	if (r == -EINVAL)
		say("%s:%u: %s", path, err.line, err.what);
	return r;
}

static int check(const struct check *k, const struct outcomes *o)
{
	_cleanup_(expect_freep) struct expect *e = NULL;
	int failed, r = 0;

	if (read_expect(k->expect, &e) < 0)
		return EXIT_USAGE;
	failed = expect_compare(e, o);
	if (!k->quiet && failed >= 0)
		r = k->junit ? expect_write_junit(e, o, k->expect, stdout)
			     : expect_write_tap(e, o, stdout);
	if (failed < 0 || r < 0 || fflush(stdout) != 0) {
		say("cannot write the result: %s", strerror(failed < 0 ? -failed : errno));
		return EXIT_USAGE;
	}
	return failed ? EXIT_FAILED : EXIT_OK;
}

int cmd_check(int argc, char **argv)
{
	struct check k = {};
	struct outcomes o = {};
	int r = parse_args(&k, argc, argv), whole;

	if (r != 0)
		return r < 0 ? EXIT_USAGE : EXIT_OK;
	whole = outcomes_read(k.file, &o);
	if (whole < 0)
		r = EXIT_USAGE;
	else if (k.bless && whole == 0)
		r = bless(&k, &o);
	else if (!k.bless)
		r = check(&k, &o);
	outcomes_done(&o);
	return whole == 0 ? r : EXIT_USAGE;
}
