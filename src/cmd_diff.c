/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* svctrace diff: how the verdicts of two recordings differ. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "output.h"
#include "recording/outcome.h"
#include "svctrace/cleanup.h"

static const char help[] = "Usage: svctrace diff A B\n"
			   "Tells the verdicts of two recordings apart: each unit's first stop in "
			   "A with its first in B,\n"
			   "and so on. PIDs and times are not compared.\n"
			   "\n"
			   "  -q, --quiet            print nothing, only exit\n"
			   "  -h, --help             this text\n"
			   "\n"
			   "Examples:\n"
			   "  svctrace diff before.trace after.trace\n"
			   "  svctrace diff -q good.trace new.trace || echo changed\n"
			   "\n"
			   "Exit status: 0 the same, 1 different, 2 bad usage, or a recording that "
			   "is none, is damaged\n"
			   "or was cut off.\n";

static const struct option options[] = {
	{"quiet", no_argument, NULL, 'q'},
	{"help", no_argument, NULL, 'h'},
	{},
};

static int diff(char *const *files, bool quiet)
{
	struct outcomes a = {}, b = {};
	_cleanup_free_ char *text = NULL;
	size_t size = 0;
	int ra = outcomes_read(files[0], &a), rb = ra < 0 ? ra : outcomes_read(files[1], &b);
	FILE *f = open_memstream(&text, &size);
	int n = f && ra >= 0 && rb >= 0 ? outcomes_diff(&a, &b, files[0], files[1], f) : -1;

	if (f)
		fclose(f);
	outcomes_done(&a);
	outcomes_done(&b);
	if (n > 0 && !quiet)
		fputs(text, stdout);
	if (n < 0 || ra != 0 || rb != 0)
		return EXIT_USAGE;
	if (fflush(stdout) != 0) {
		say("cannot write the differences: %s", strerror(errno));
		return EXIT_USAGE;
	}
	return n > 0 ? EXIT_FAILED : EXIT_OK;
}

int cmd_diff(int argc, char **argv)
{
	bool quiet = false;
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":qh", options, NULL)) >= 0) {
		if (c == 'h') {
			fputs(help, stdout);
			return EXIT_OK;
		}
		if (c != 'q') {
			output_bad_option(c, argv[optind - 1]);
			return EXIT_USAGE;
		}
		quiet = true;
	}
	if (argc - optind != 2) {
		say("diff needs two recordings; try svctrace diff --help");
		return EXIT_USAGE;
	}
	return diff(argv + optind, quiet);
}
