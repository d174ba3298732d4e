/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* svctrace scrub: a recording that may be shared. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "cmd.h"
#include "output.h"
#include "recording/recording.h"
#include "svctrace/cleanup.h"

static const char help[] =
	"Usage: svctrace scrub [OPTION…] FILE… -o OUTPUT\n"
	"Writes a copy of a recording that may be shared: arguments of commands, the host's name,\n"
	"and users' names in paths are replaced, the same word always by the same pseudonym.\n"
	"\n"
	"Kept are the names of units, cgroups and programs, numbers and times: what verdicts rest "
	"on.\n"
	"\n"
	"  -o, --output=OUTPUT    where to; -: standard output; of several FILEs, a folder\n"
	"      --replace=OLD=NEW  replace OLD by NEW as well, in every string, unit names "
	"included;\n"
	"                         may be given more than once\n"
	"      --key=WORD         make pseudonyms from WORD instead of at random, so that another\n"
	"                         run gives the same ones (who knows WORD can test guesses)\n"
	"  -h, --help             this text\n"
	"\n"
	"Examples:\n"
	"  svctrace scrub -o share.trace svctrace.trace\n"
	"  svctrace scrub --replace=acme=example -o share.trace svctrace.trace\n"
	"  svctrace dump share.trace                    look before you share it\n"
	"\n"
	"Exit status: 0 good, 1 it could not be written, or FILE is damaged or was cut off (what "
	"is\n"
	"whole was written), 2 bad usage or not a recording.\n";

#define REPLACE_MAX 64

enum {
	OPT_REPLACE = 256,
	OPT_KEY,
};

struct scrub {
	const char *output;
	const char *replace[REPLACE_MAX + 1];
	unsigned int n_replace;
	unsigned char key[16];
};

static const struct option options[] = {
	{"output", required_argument, NULL, 'o'},
	{"replace", required_argument, NULL, OPT_REPLACE},
	{"key", required_argument, NULL, OPT_KEY},
	{"help", no_argument, NULL, 'h'},
	{},
};

static int parse_option(struct scrub *s, int c, const char *arg)
{
	switch (c) {
	case 'o':
		s->output = arg;
		return 0;
	case OPT_KEY:
		if (!*arg)
			return output_usage("--key takes a word, not", arg);
		memset(s->key, 0, sizeof(s->key));
		for (size_t i = 0; arg[i]; i++)
			s->key[i % sizeof(s->key)] ^=
				(unsigned char)arg[i] ^ (unsigned char)(i / 16);
		return 0;
	case OPT_REPLACE:
		if (!strchr(arg, '=') || *arg == '=')
			return output_usage("--replace takes OLD=NEW, not", arg);
		if (s->n_replace == REPLACE_MAX)
			return output_usage("too many replacements before", arg);
		s->replace[s->n_replace++] = arg;
		return 0;
	default:
		fputs(help, stdout);
		return 1;
	}
}

/* 0 to go on, 1 when all was said already. */
static int parse_args(struct scrub *s, int argc, char **argv)
{
	int c, r = 0;

	if (getrandom(s->key, sizeof(s->key), 0) != sizeof(s->key))
		return -errno;
	opterr = 0;
	while (r == 0 && (c = getopt_long(argc, argv, ":o:h", options, NULL)) >= 0) {
		if (c == '?' || c == ':')
			return output_bad_option(c, argv[optind - 1]);
		r = parse_option(s, c, optarg);
	}
	if (r == 0 && (argc == optind || !s->output)) {
		say("scrub needs a recording and -o OUTPUT; try svctrace scrub --help");
		return -EINVAL;
	}
	return r;
}

/* The units that a recording was made for are named in its facts. */
static struct str facts_of(const struct recording *f, char **buf)
{
	struct str units = trace_reader_fact(f->reader, "UNITS");
	int n = units.s ? asprintf(buf, "UNITS=%s", units.s) : -1;

	return n < 0 ? (struct str){NULL, 0} : (struct str){*buf, (size_t)n + 1};
}

static int copy(const struct scrub *s, struct recording *f, int fd)
{
	_cleanup_(trace_writer_freep) struct trace_writer *w = NULL;
	_cleanup_(trace_scrubber_freep) struct trace_scrubber *x = NULL;
	_cleanup_free_ char *buf = NULL;
	int r = trace_writer_new(file_write, &fd, facts_of(f, &buf), &w);

	if (r == 0)
		r = trace_scrubber_new(s->key, s->replace, trace_writer_record, w, &x);
	if (r == 0)
		r = recording_feed(f, trace_scrubber_record, x);
	if (r == 0)
		r = trace_writer_close(w);
	return r ? r : file_sync(fd);
}

/* Never over the original: the output is another file. */
static int open_output(const char *path)
{
	if (strcmp(path, "-") == 0)
		return dup(STDOUT_FILENO);
	return open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
}

static int scrub(const struct scrub *s, const char *file, const char *output)
{
	_cleanup_(recording_done) struct recording f = {};
	_cleanup_close_ int fd = -1;
	int r;

	if (strcmp(file, output) == 0 && strcmp(file, "-") != 0) {
		say("%s cannot be its own scrubbed copy; give another name with -o", file);
		return EXIT_USAGE;
	}
	if (recording_open(&f, file, false) < 0)
		return EXIT_USAGE;
	fd = open_output(output);
	r = fd < 0 ? -errno : copy(s, &f, fd);
	if (r < 0) {
		say("cannot write %s: %s", output, strerror(-r));
		return EXIT_FAILED;
	}
	return recording_is_whole(&f) ? EXIT_OK : EXIT_FAILED;
}

static int scrub_all(const struct scrub *s, int n, char **files)
{
	int worst = EXIT_OK;

	if (n == 1)
		return scrub(s, files[0], s->output);
	for (int i = 0; i < n; i++) {
		_cleanup_free_ char *output = NULL;
		const char *slash = strrchr(files[i], '/');
		int r;

		if (asprintf(&output, "%s/%s", s->output, slash ? slash + 1 : files[i]) < 0)
			return EXIT_FAILED;
		r = scrub(s, files[i], output);
		worst = r > worst ? r : worst;
	}
	return worst;
}

int cmd_scrub(int argc, char **argv)
{
	struct scrub s = {};
	int r = parse_args(&s, argc, argv);

	if (r != 0)
		return r < 0 ? EXIT_USAGE : EXIT_OK;
	return scrub_all(&s, argc - optind, argv + optind);
}
