/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * svctrace doctor: does live tracing work here, what is lost, and what can be done about it? It
 * tries the real thing: attaches as svctrace itself would, looks at what came of it, and lets go.
 */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "doctor/doctor.h"
#include "svctrace/cleanup.h"

static const char help[] =
	"Usage: svctrace doctor [OPTION…]\n"
	"Says whether live tracing works here, what it would not see, and what to do about it.\n"
	"It attaches every probe as svctrace does, and detaches them again.\n"
	"\n"
	"      --manager=PID      look at that systemd alone (default: as svctrace does)\n"
	"      --btf=FILE         kernel types, for a kernel without /sys/kernel/btf/vmlinux\n"
	"  -v, --verbose          say more: where each function and field was found\n"
	"      --json             one JSON object\n"
	"      --color=WHEN       auto (default), always, never\n"
	"  -h, --help             this text\n"
	"\n"
	"Each line: ok, lost (not seen here), missing (needed), - (not needed here), ? (not "
	"tried).\n"
	"\n"
	"Exit status: 0 live tracing works fully, 1 with losses, 2 not at all (or bad usage).\n"
	"\n"
	"Examples:\n"
	"  sudo svctrace doctor\n"
	"  svctrace doctor --json | jq -r '.checks[] | select(.status == \"lost\").name'\n";

enum {
	DOCTOR_FULL = 0,
	DOCTOR_LOSSES = 1,
	DOCTOR_NONE = 2,
};

static const struct option options[] = {
	{"manager", required_argument, NULL, TRACING_MANAGER},
	{"btf", required_argument, NULL, TRACING_BTF},
	{"verbose", no_argument, NULL, 'v'},
	{"json", no_argument, NULL, OUTPUT_JSON},
	{"color", required_argument, NULL, OUTPUT_COLOR},
	{"help", no_argument, NULL, 'h'},
	{},
};

static void check_done(struct check *c)
{
	free(c->name);
	free(c->value);
	free(c->detail);
	free(c->next);
}

static void doctor_done(struct doctor *d)
{
	for (size_t i = 0; i < d->n_checks; i++)
		check_done(&d->checks[i]);
	free(d->checks);
	capture_freep(&d->capture);
	output_done(&d->output);
}

static char *copy(struct doctor *d, const char *s)
{
	char *new = s ? strdup(s) : NULL;

	d->failed |= s && !new;
	return new;
}

void doctor_add(struct doctor *d, enum finding f, const char *name, const char *value,
		const char *next, const char *fmt, ...)
{
	struct check *all = reallocarray(d->checks, d->n_checks + 1, sizeof(*all)), *c;
	va_list args;

	if (!all) {
		d->failed = true;
		return;
	}
	d->checks = all;
	c = &all[d->n_checks++];
	*c = (struct check){
		.group = d->group,
		.finding = f,
		.name = copy(d, name),
		.value = copy(d, value),
		.next = copy(d, next),
		.pid = d->pid,
		.verbose = d->verbose,
	};
	va_start(args, fmt);
	if (vasprintf(&c->detail, fmt, args) < 0) {
		c->detail = NULL;
		d->failed = true;
	}
	va_end(args);
}

bool doctor_lacks_privileges(void)
{
	struct capture_capability c;

	for (unsigned int i = 0; capture_capability(i, &c) == 0; i++)
		if (c.needed && !c.have)
			return true;
	return false;
}

static int parse_option(struct doctor *d, int c, const char *arg)
{
	int r = tracing_option(&d->tracing, c, arg);

	return r == -ENOENT ? output_option(&d->output, c, arg) : r;
}

/* 0 to go on, 1 when all was said already. */
static int parse_args(struct doctor *d, int argc, char **argv)
{
	int c, r = 0;

	output_defaults(&d->output);
	opterr = 0;
	while (r == 0 && (c = getopt_long(argc, argv, ":vh", options, NULL)) >= 0) {
		if (c == '?' || c == ':')
			return output_bad_option(c, argv[optind - 1]);
		if (c == 'h') {
			fputs(help, stdout);
			return 1;
		}
		r = parse_option(d, c, optarg);
	}
	return r == 0 && optind < argc ? output_usage("doctor takes no", argv[optind]) : r;
}

static int examine(struct doctor *d)
{
	int r;

	if (capture_new(&d->tracing.capture, &d->capture, &d->error) < 0)
		d->capture = NULL;
	doctor_look_at_kernel(d);
	doctor_look_at_privileges(d);
	doctor_look_at_mounts(d);
	doctor_look_at_managers(d);
	doctor_look_at_probes(d);
	if (d->failed)
		r = -ENOMEM;
	else
		r = d->output.render.format == RENDER_JSON ? doctor_show_json(d)
							   : doctor_show_text(d);
	if (r < 0) {
		say("cannot write what was found: %s", strerror(-r));
		return DOCTOR_NONE;
	}
	if (!d->capture)
		return DOCTOR_NONE;
	return doctor_losses(d) ? DOCTOR_LOSSES : DOCTOR_FULL;
}

int cmd_doctor(int argc, char **argv)
{
	_cleanup_(doctor_done) struct doctor d = {};
	int r = parse_args(&d, argc, argv);

	if (r != 0)
		return r > 0 ? EXIT_OK : EXIT_USAGE;
	return examine(&d);
}
