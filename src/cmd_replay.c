/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* svctrace replay: what a live run would have said, from its recording. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "output.h"
#include "recording/merge.h"
#include "recording/recording.h"
#include "svctrace/cleanup.h"

static const char help[] =
	"Usage: svctrace replay [OPTION…] FILE… [-- UNIT…]\n"
	"Shows what a live run would have shown, from its recording; needs no privileges.\n"
	"\n"
	"Several files (of several hosts) are merged by time, with a column for the host.\n"
	"FILE -: standard input. UNIT as in svctrace --help; default: those of the recording.\n"
	"\n" OUTPUT_HELP
	"  -q, --quiet            do not say what is missing in a damaged recording\n"
	"  -h, --help             this text\n"
	"\n"
	"Examples:\n"
	"  svctrace replay svctrace.trace                  every verdict\n"
	"  svctrace replay --json --cause=main-killed f    kills, for a program\n"
	"  svctrace replay web1.trace web2.trace           two hosts, one timeline\n"
	"  ssh web1 svctrace record -o - | svctrace replay -\n"
	"\n"
	"Exit status: 0 good, 1 the recording is damaged or was cut off (what is whole was "
	"shown),\n"
	"2 bad usage or not a recording, 3 it ended before --count was reached.\n";

struct replay {
	struct output output; /* the options, for every file */
	bool quiet;
	struct merge_input *inputs;
	unsigned int n;
};

static const struct option options[] = {
	OUTPUT_LONG_OPTIONS,
	{"quiet", no_argument, NULL, 'q'},
	{"help", no_argument, NULL, 'h'},
	{},
};

/* 0 to go on, 1 when all was said already. */
static int parse_args(struct replay *p, int argc, char **argv)
{
	int c, r = 0;

	output_defaults(&p->output);
	opterr = 0;
	while (r == 0 && (c = getopt_long(argc, argv, ":n:qh", options, NULL)) >= 0) {
		if (c == '?' || c == ':')
			return output_bad_option(c, argv[optind - 1]);
		if (c == 'h') {
			fputs(help, stdout);
			return 1;
		}
		if (c == 'q')
			p->quiet = true;
		else
			r = output_option(&p->output, c, optarg);
	}
	return r;
}

/* The units that the recording was made for, unless others were asked for. */
static int default_units(struct merge_input *m)
{
	struct str fact = trace_reader_fact(m->file.reader, "UNITS");
	_cleanup_free_ char *copy = str_dup(fact);
	_cleanup_free_ char **names = calloc(fact.n / 2 + 1, sizeof(char *));
	char *save = NULL;
	int n = 0;

	if (!fact.s || m->output.render.units)
		return 0;
	if (!copy || !names)
		return -ENOMEM;
	for (char *s = strtok_r(copy, " ", &save); s; s = strtok_r(NULL, " ", &save))
		names[n++] = s;
	return output_units(&m->output, n, names);
}

static int open_input(struct replay *p, const char *name)
{
	struct merge_input *m = &p->inputs[p->n++];
	struct str left_out;
	int r = recording_open(&m->file, name, p->quiet);

	if (r < 0)
		return r;
	m->output = p->output;
	m->output.units = m->output.timelines = NULL; /* they are p's */
	left_out = trace_reader_fact(m->file.reader, "LEFT_OUT");
	if (left_out.n && !str_equal(left_out, "0") && !p->quiet)
		say("%s: made by --ring: %s older records were not kept", name, left_out.s);
	return default_units(m);
}

static int open_inputs(struct replay *p, int argc, char **argv)
{
	int n_files = 0, r = 0;

	while (n_files < argc && strcmp(argv[n_files], "--") != 0)
		n_files++;
	if (n_files <= 0)
		return output_usage("which recording? A file name is missing after", "replay");
	if (n_files < argc)
		r = output_units(&p->output, argc - n_files - 1, argv + n_files + 1);
	p->inputs = calloc(n_files, sizeof(*p->inputs));
	if (!p->inputs)
		return -ENOMEM;
	for (int i = 0; i < n_files && r == 0; i++)
		r = open_input(p, argv[i]);
	return r;
}

static int run_one(struct merge_input *m)
{
	int r = output_open(&m->output);

	if (r == 0)
		r = recording_feed(&m->file, output_record, &m->output);
	return r ? r : output_flush(&m->output);
}

static int run(struct replay *p)
{
	uint64_t seen = 0;
	bool whole = true;
	int r;

	signal(SIGPIPE, SIG_IGN);
	r = p->n == 1 ? run_one(&p->inputs[0]) : merge_run(p->inputs, p->n, &p->output);
	for (unsigned int i = 0; i < p->n; i++) {
		seen += p->inputs[i].output.seen;
		whole = whole && recording_is_whole(&p->inputs[i].file);
	}
	if (r == -ECANCELED || r == -EPIPE)
		return EXIT_OK;
	if (r < 0) {
		say("replaying ended: %s", strerror(-r));
		return EXIT_FAILED;
	}
	if (!whole)
		return EXIT_FAILED;
	return seen < p->output.count ? EXIT_SHORT : EXIT_OK;
}

int cmd_replay(int argc, char **argv)
{
	struct replay p = {};
	char **rest;
	int n, r;

	/* what is behind "--" are units: getopt must not swallow the mark */
	for (n = 1; n < argc && strcmp(argv[n], "--") != 0; n++)
		;
	r = parse_args(&p, n, argv);
	rest = argv + optind;
	if (r == 0)
		r = open_inputs(&p, argc - optind, rest);
	r = r == 0 ? run(&p) : r < 0 ? EXIT_USAGE : EXIT_OK;
	for (unsigned int i = 0; i < p.n; i++) {
		output_done(&p.inputs[i].output);
		recording_done(&p.inputs[i].file);
	}
	free(p.inputs);
	output_done(&p.output);
	return r;
}
