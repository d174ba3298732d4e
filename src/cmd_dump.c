/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* svctrace dump: the records of a recording, one a line. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "output.h"
#include "recording/recording.h"
#include "svctrace/cleanup.h"
#include "svctrace/text.h"

static const char help[] =
	"Usage: svctrace dump [OPTION…] FILE\n"
	"Shows every record of a recording, one a line, with its number as verdicts cite it.\n"
	"\n"
	"      --info             what the file is, and how much is in it, instead\n"
	"      --hex              the bytes of each record, too\n"
	"      --json             one JSON object a line (NDJSON), for jq\n"
	"      --utc              times in UTC\n"
	"  -q, --quiet            do not say what is missing in a damaged recording\n"
	"  -h, --help             this text\n"
	"\n"
	"Examples:\n"
	"  svctrace dump svctrace.trace | grep signal\n"
	"  svctrace dump --json f | jq -r 'select(.\"event.name\" | endswith(\"exec\")) | .text'\n"
	"  svctrace dump --info f\n"
	"\n"
	"Exit status: 0 good, 1 the recording is damaged or was cut off (what is whole was "
	"shown),\n"
	"2 bad usage or not a recording.\n";

enum {
	OPT_INFO = 256,
	OPT_HEX,
};

struct dump {
	struct render_options render;
	bool info, hex, quiet;
	const char *file;
	struct renderer *renderer;
	struct decoder *decoder;
	uint64_t seq;
	bool shown; /* the record that is being decoded */
	uint64_t first_ns, last_ns;
};

static const struct option options[] = {
	{"info", no_argument, NULL, OPT_INFO},
	{"hex", no_argument, NULL, OPT_HEX},
	{"json", no_argument, NULL, OUTPUT_JSON},
	{"utc", no_argument, NULL, OUTPUT_UTC},
	{"quiet", no_argument, NULL, 'q'},
	{"help", no_argument, NULL, 'h'},
	{},
};

static int parse_option(struct dump *d, int c)
{
	switch (c) {
	case OPT_INFO:
		d->info = true;
		return 0;
	case OPT_HEX:
		d->hex = true;
		return 0;
	case OUTPUT_JSON:
		d->render.format = RENDER_JSON;
		return 0;
	case OUTPUT_UTC:
		d->render.utc = true;
		return 0;
	case 'q':
		d->quiet = true;
		return 0;
	default:
		fputs(help, stdout);
		return 1;
	}
}

/* 0 to go on, 1 when all was said already. */
static int parse_args(struct dump *d, int argc, char **argv)
{
	int c, r = 0;

	opterr = 0;
	while (r == 0 && (c = getopt_long(argc, argv, ":qh", options, NULL)) >= 0) {
		if (c == '?' || c == ':')
			return output_bad_option(c, argv[optind - 1]);
		r = parse_option(d, c);
	}
	if (r == 0 && argc - optind != 1) {
		say("dump needs one recording; try svctrace dump --help");
		return -EINVAL;
	}
	if (r == 0 && d->info && (d->hex || d->render.format == RENDER_JSON)) {
		say("--info goes with neither --json nor --hex; try svctrace dump --help");
		return -EINVAL;
	}
	d->file = argv[optind];
	return r;
}

static int on_event(void *ctx, const struct ev *e)
{
	struct dump *d = ctx;
	int r = render_note(d->renderer, e);

	d->shown = true;
	return r < 0 || d->info ? r : render_event(d->renderer, e);
}

/* What this svctrace cannot decode is a record all the same. */
static void show_raw(const struct dump *d, const struct wire_hdr *h)
{
	bool unknown = !wire_kind_name(h->kind);

	if (d->render.format == RENDER_JSON)
		printf("{\"event.name\":\"svctrace.event.%s\",\"monotonic_ns\":%" PRIu64
		       ",\"seq\":%" PRIu64 ",\"kind\":%u,\"size\":%u}\n",
		       unknown ? "unknown" : "bad", (uint64_t)h->mono_ns, d->seq, h->kind, h->size);
	else
		printf("+%" PRIu64 ".%03u  #%-6" PRIu64 " kind %u, %u bytes: %s\n",
		       (uint64_t)h->mono_ns / 1000000000,
		       (unsigned int)(h->mono_ns / 1000000 % 1000), d->seq, h->kind, h->size,
		       unknown ? "not known to this svctrace" : "does not hold what it claims");
}

static void show_hex(const unsigned char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		printf("%s%02x%s", i % 16 ? " " : "\t", p[i],
		       i % 16 == 15 || i + 1 == n ? "\n" : "");
}

static int on_record(void *ctx, const void *record, size_t size)
{
	struct dump *d = ctx;
	struct wire_hdr h;
	int r;

	memcpy(&h, record, sizeof(h));
	d->seq++;
	d->shown = false;
	d->first_ns = d->first_ns ? d->first_ns : h.mono_ns;
	d->last_ns = h.mono_ns > d->last_ns ? h.mono_ns : d->last_ns;
	r = decoder_feed(d->decoder, record, size);
	if (r < 0 && r != -EBADMSG)
		return r;
	if (!d->shown && !d->info)
		show_raw(d, &h);
	if (d->hex && !d->info && d->render.format == RENDER_TEXT)
		show_hex(record, size);
	return ferror(stdout) ? -errno : 0;
}

static void show_fact(const struct recording *f, const char *key, const char *what)
{
	struct str v = trace_reader_fact(f->reader, key);
	char text[4096];

	if (v.s)
		printf("%s%s\n", what, text_escape(text, sizeof(text), v.s, v.n));
}

static void show_info(const struct dump *d, const struct recording *f)
{
	struct decoder_stats s;
	struct trace_status t;

	trace_reader_status(f->reader, &t);
	decoder_stats(d->decoder, &s);
	printf("format      %u.%u\n", t.major, t.minor);
	show_fact(f, "UNITS", "units       ");
	show_fact(f, "LEFT_OUT", "left out    ");
	printf("records     %" PRIu64 " (%" PRIu64 " of unknown kinds, %" PRIu64 " bad)\n",
	       t.read.records, s.unknown, s.bad);
	printf("blocks      %" PRIu64 " (%" PRIu64 " damaged)\n", t.read.blocks, t.damaged);
	printf("bytes       %" PRIu64 ", %.1f a record; %" PRIu64 " inflated\n", t.read.bytes,
	       t.read.records ? (double)t.read.bytes / t.read.records : 0.0, t.read.raw);
	printf("time        %.3f s\n", (d->last_ns - d->first_ns) / 1e9);
	printf("complete    %s\n", t.complete ? "yes" : "no");
}

static int dump(struct dump *d)
{
	_cleanup_(recording_done) struct recording f = {};
	int r = recording_open(&f, d->file, d->quiet);

	if (r < 0)
		return EXIT_USAGE;
	r = renderer_new(stdout, &d->render, &d->renderer);
	if (r == 0)
		r = decoder_new(on_event, d, &d->decoder);
	if (r == 0)
		r = recording_feed(&f, on_record, d);
	if (r == 0 && d->info)
		show_info(d, &f);
	if (fflush(stdout) != 0 && r == 0)
		r = -errno;
	if (r < 0)
		say("dumping ended: %s", strerror(-r));
	return r == 0 && recording_is_whole(&f) ? EXIT_OK : EXIT_FAILED;
}

int cmd_dump(int argc, char **argv)
{
	struct dump d = {};
	int r = parse_args(&d, argc, argv);

	r = r == 0 ? dump(&d) : r < 0 ? EXIT_USAGE : EXIT_OK;
	decoder_freep(&d.decoder);
	renderer_freep(&d.renderer);
	return r;
}
