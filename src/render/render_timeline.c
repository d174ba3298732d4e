/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Timelines: a table of states for people, one object for programs. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "render/json.h"
#include "render/renderer.h"
#include "svctrace/cleanup.h"
#include "svctrace/text.h"
#include "svctrace/timeline.h"

static uint64_t duration(const struct span *s)
{
	return s->end_mono_ns > s->begin_mono_ns ? s->end_mono_ns - s->begin_mono_ns : 0;
}

/* ---- text ---- */

static void put_headline(FILE *f, const struct renderer *r, const struct timeline *t)
{
	const struct span *first = &t->span[0], *end = &t->span[t->n_spans - 1];
	char when[TIME_LEN], lasted[32];

	fprintf(f, "%s  %s  TIMELINE  %s",
		time_of_day(r, first->begin_wall_ns, first->begin_mono_ns, when), t->unit,
		t->complete ? "until its end" : "so far");
	if (t->n_spans > 1)
		fprintf(f, ", %s%s",
			text_duration(end->begin_mono_ns - first->begin_mono_ns, lasted),
			first->begin_seen ? "" : " and what was before");
	if (t->have_verdict)
		fprintf(f, ": %s%s", cause_title(t->cause),
			t->certainty == INFERRED ? " (inferred)" : "");
	if (t->actor)
		fprintf(f, ", by %s", t->actor);
	fputc('\n', f);
}

/* "  14:03:07.412    3.2s  active       running        main 812   at once" */
static void put_span(FILE *f, const struct renderer *r, const struct span *s)
{
	char when[TIME_LEN], lasted[32] = "", main[24] = "";

	if (!s->begin_seen)
		snprintf(when, sizeof(when), "before");
	else
		time_of_day(r, s->begin_wall_ns, s->begin_mono_ns, when);
	if (s->end_mono_ns && s->begin_seen)
		text_duration(duration(s), lasted);
	if (s->main_pid > 0)
		snprintf(main, sizeof(main), "main %" PRId32, s->main_pid);
	fprintf(f, "  %-12s %9s  %-12s %-14s %-12s %s\n", when, lasted,
		s->active_state ? s->active_state : "?", s->state, main,
		s->why		? s->why
		: s->begin_seen ? "(what led to it was not seen)"
				: "");
	for (unsigned int i = 0; i < s->n_events; i++)
		fprintf(f, "  %-12s %9s    #%" PRIu64 " %s\n", "", "", s->event[i].seq,
			s->event[i].what);
	if (s->n_events_left_out)
		fprintf(f, "  %-12s %9s    … and %u more\n", "", "", s->n_events_left_out);
}

static int put_timeline(FILE *f, const struct renderer *r, const void *what)
{
	const struct timeline *t = what;

	put_headline(f, r, t);
	for (unsigned int i = 0; i < t->n_spans; i++) {
		put_span(f, r, &t->span[i]);
		if (i == 0 && t->n_left_out)
			fprintf(f, "  … %u more …\n", t->n_left_out);
	}
	return 0;
}

/* ---- JSON ---- */

static json_t *cause_json(const struct span *s)
{
	struct json_object o = {};

	if (s->cause == SPAN_NOT_SEEN)
		return json_null();
	o.json = json_object();
	json_put(&o, "kind", json_text(span_cause_name(s->cause)));
	json_put(&o, "text", json_text(s->why));
	json_put(&o, "seq", json_number_or_null(s->by.seq, 0));
	return json_done(&o);
}

static json_t *span_json(const struct span *s)
{
	struct json_object o = {.json = json_object()};

	json_put(&o, "systemd.unit.sub_state", json_text(s->state));
	json_put(&o, "systemd.unit.active_state", json_text(s->active_state));
	json_put(&o, "begin_time", s->begin_seen ? json_time(s->begin_wall_ns) : json_null());
	json_put(&o, "begin_monotonic_ns",
		 s->begin_seen ? json_number(s->begin_mono_ns) : json_null());
	json_put(&o, "duration_ns",
		 s->begin_seen && s->end_mono_ns ? json_number(duration(s)) : json_null());
	json_put(&o, "main_pid", json_number_or_null(s->main_pid > 0 ? s->main_pid : 0, 0));
	json_put(&o, "cause", cause_json(s));
	json_put(&o, "seq", json_number(s->seen.seq));
	json_put(&o, "events", json_proofs(s->event, s->n_events));
	json_put(&o, "events_left_out", json_number(s->n_events_left_out));
	return json_done(&o);
}

static json_t *spans_json(const struct timeline *t)
{
	struct json_object list = {.json = json_array()};

	for (unsigned int i = 0; i < t->n_spans; i++)
		json_append(&list, span_json(&t->span[i]));
	return json_done(&list);
}

static json_t *stop_json(const struct timeline *t)
{
	struct json_object o = {};

	if (!t->have_verdict)
		return json_null();
	o.json = json_object();
	json_put(&o, "cause", json_text(cause_name(t->cause)));
	json_put(&o, "certainty", json_text(certainty_name(t->certainty)));
	json_put(&o, "actor", json_text(t->actor));
	return json_done(&o);
}

static int render_json(struct renderer *r, const struct timeline *t)
{
	const struct span *end = &t->span[t->n_spans - 1];
	struct json_object o = {.json = json_object()};
	json_auto_t *done = NULL;

	json_put_envelope(&o, r, "svctrace.timeline", end->begin_wall_ns, end->begin_mono_ns);
	json_put(&o, "systemd.unit.name", json_text(t->unit));
	json_put(&o, "manager.pid", json_number(t->manager));
	json_put(&o, "complete", json_boolean(t->complete));
	json_put(&o, "spans", spans_json(t));
	json_put(&o, "spans_left_out", json_number(t->n_left_out));
	json_put(&o, "stop", stop_json(t));
	done = json_done(&o);
	return write_json(r, done);
}

bool render_wants_timeline(const struct renderer *r, const char *unit)
{
	const char *const *p = r->options.timelines;

	for (; p && *p; p++)
		if (unit_matches(*p, unit))
			return true;
	return false;
}

int render_timeline(struct renderer *r, const struct timeline *t)
{
	int k = r->options.format == RENDER_JSON ? render_json(r, t)
						 : write_block(r, put_timeline, t);

	if (k < 0)
		return k;
	return fflush(r->out) == 0 ? 0 : -errno;
}
