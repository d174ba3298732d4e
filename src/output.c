/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cmd.h"
#include "output.h"
#include "svctrace/cleanup.h"

#define HANG_DEFAULT_NS 5000000000ull

int output_usage(const char *what, const char *value)
{
	const char *verb = verb_name();

	say("%s \"%s\"; try svctrace%s%s --help", what, value, *verb ? " " : "", verb);
	return -EINVAL;
}

int output_bad_option(int c, const char *word)
{
	return output_usage(c == ':' ? "a value is missing after" : "unknown option", word);
}

int output_causes(const char *list, uint64_t *ret)
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
		*ret |= UINT64_C(1) << c;
	}
	return *ret ? 0 : output_usage("no cause in", list);
}

static int parse_color(struct output *o, const char *when)
{
	const char *term = getenv("TERM");

	if (strcmp(when, "always") == 0)
		o->render.color = true;
	else if (strcmp(when, "never") == 0)
		o->render.color = false;
	else if (strcmp(when, "auto") == 0)
		o->render.color = isatty(STDOUT_FILENO) && !getenv("NO_COLOR") && term &&
				  strcmp(term, "dumb") != 0;
	else
		return output_usage("--color takes auto, always or never, not", when);
	return 0;
}

void output_defaults(struct output *o)
{
	struct winsize ws;
	bool terminal = isatty(STDOUT_FILENO);

	o->hang_ns = HANG_DEFAULT_NS;
	parse_color(o, "auto");
	if (terminal && ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) == 0)
		o->render.width = ws.ws_col;
	setlocale(LC_CTYPE, "");
	o->render.ascii = terminal && strcmp(nl_langinfo(CODESET), "UTF-8") != 0;
}

/* "nginx" means nginx.service: what has none of the suffixes that svctrace knows is a service. */
static int unit_name(const char *word, char **ret)
{
	const char *dot = strrchr(word, '.');
	bool full = dot && (strcmp(dot, ".service") == 0 || strcmp(dot, ".scope") == 0);

	if (!*word)
		return output_usage("a unit has a name, not", word);
	return asprintf(ret, "%s%s", word, full ? "" : ".service") < 0 ? -ENOMEM : 0;
}

static int add_timeline(struct output *o, const char *unit)
{
	size_t n = 0;
	char **list;

	while (o->timelines && o->timelines[n])
		n++;
	list = reallocarray(o->timelines, n + 2, sizeof(*list));
	if (!list)
		return -ENOMEM;
	o->timelines = list;
	list[n] = list[n + 1] = NULL;
	o->render.timelines = (const char *const *)list;
	return unit_name(unit, &list[n]);
}

int output_option(struct output *o, int c, const char *arg)
{
	switch (c) {
	case OUTPUT_CAUSE:
		return output_causes(arg, &o->render.causes);
	case OUTPUT_EVENTS:
		o->events = true;
		return 0;
	case OUTPUT_HANG:
		return parse_duration(arg, &o->hang_ns) < 0
			       ? output_usage("--hang takes a time like 5s or 1min, not", arg)
			       : 0;
	case OUTPUT_STACK:
		o->render.stack = true;
		return 0;
	case OUTPUT_TREE:
		o->render.tree = true;
		return 0;
	case OUTPUT_TIMELINE:
		return add_timeline(o, arg);
	case OUTPUT_COUNT:
		return parse_number(arg, UINT64_MAX, &o->count) < 0
			       ? output_usage("--count takes a number above 0, not", arg)
			       : 0;
	case OUTPUT_JSON:
		o->render.format = RENDER_JSON;
		return 0;
	case OUTPUT_UTC:
		o->render.utc = true;
		return 0;
	case OUTPUT_COLOR:
		return parse_color(o, arg);
	default:
		return -ENOENT;
	}
}

int output_units(struct output *o, int n, char **names)
{
	o->units = calloc(n + 1, sizeof(o->units[0]));
	if (!o->units)
		return -ENOMEM;
	for (int i = 0, r; i < n; i++) {
		r = unit_name(names[i], &o->units[i]);
		if (r < 0)
			return r;
	}
	if (n > 0)
		o->render.units = (const char *const *)o->units;
	return 0;
}

static int on_verdict(void *ctx, const struct verdict *v)
{
	struct output *o = ctx;
	int r = o->also ? o->also(o->also_ctx, v) : 0;

	if (r == 0 && !o->silent)
		r = render_verdict(o->renderer, v);
	if (r <= 0)
		return r;
	return ++o->seen == o->count ? -ECANCELED : 0;
}

/* A hang is not what --count counts: its unit's stop is yet to come, or never comes. */
static int on_hang(void *ctx, const struct hang_verdict *h)
{
	struct output *o = ctx;
	int r = o->silent ? 0 : render_hang(o->renderer, h);

	return r < 0 ? r : 0;
}

static int on_slow(void *ctx, const struct slow_notice *s)
{
	struct output *o = ctx;
	int r = o->silent ? 0 : render_slow(o->renderer, s);

	return r < 0 ? r : 0;
}

static int on_hardware_watchdog(void *ctx, const struct hardware_watchdog_notice *n)
{
	struct output *o = ctx;
	int r = render_hardware_watchdog(o->renderer, n);

	return r < 0 ? r : 0;
}

static bool wants_timeline(void *ctx, const char *unit)
{
	struct output *o = ctx;

	return render_wants_timeline(o->renderer, unit);
}

static int on_timeline(void *ctx, const struct timeline *t)
{
	struct output *o = ctx;

	return render_timeline(o->renderer, t);
}

static int on_event(void *ctx, const struct ev *e)
{
	struct output *o = ctx;
	int r = render_note(o->renderer, e);

	if (r >= 0 && o->events)
		r = render_event(o->renderer, e);
	return r < 0 ? r : engine_feed(o->engine, e);
}

int output_open(struct output *o)
{
	int r = renderer_new(o->out ? o->out : stdout, &o->render, &o->renderer);

	if (r == 0)
		r = engine_new(on_verdict, o, &o->engine);
	if (r == 0 && !o->silent) {
		engine_tell_hangs(o->engine, on_hang, o, o->hang_ns);
		engine_tell_slow(o->engine, on_slow, o);
		engine_tell_hardware_watchdogs(o->engine, on_hardware_watchdog, o);
	}
	if (r == 0 && !o->silent && o->render.timelines)
		engine_tell_timelines(o->engine, wants_timeline, on_timeline, o);
	return r ? r : decoder_new(on_event, o, &o->decoder);
}

int output_open_live(struct output *o)
{
	if (o->events)
		setlinebuf(stdout);
	return output_open(o);
}

int output_record(void *output, const void *record, size_t size)
{
	struct output *o = output;
	int r = decoder_feed(o->decoder, record, size);

	return r == -EBADMSG ? 0 : r; /* counted; the others are still good */
}

int output_flush(struct output *o)
{
	return engine_flush(o->engine);
}

void output_done(struct output *o)
{
	decoder_freep(&o->decoder);
	engine_freep(&o->engine);
	renderer_freep(&o->renderer);
	for (size_t i = 0; o->units && o->units[i]; i++)
		free(o->units[i]);
	free(o->units);
	for (size_t i = 0; o->timelines && o->timelines[i]; i++)
		free(o->timelines[i]);
	free(o->timelines);
}
