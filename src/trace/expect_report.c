/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What came of an EXPECT file, as TAP or JUnit XML; and an EXPECT file from what happened. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "svctrace/cleanup.h"
#include "svctrace/text.h"
#include "trace/expectation.h"

#define CELL_MAX 256
#define BUF_MAX	 1024

static const char *const comparisons[] = {
	[IS] = "",	     [IS_NOT] = "!=", [LESS] = "<",
	[LESS_EQUAL] = "<=", [MORE] = ">",    [MORE_EQUAL] = ">=",
};

static const char *wall_time(uint64_t ns, char buf[static 40])
{
	time_t t = (time_t)(ns / 1000000000);
	struct tm tm;
	size_t n;

	if (ns == 0 || !gmtime_r(&t, &tm))
		return "time not known";
	n = strftime(buf, 40, "%Y-%m-%d %H:%M:%S", &tm);
	snprintf(buf + n, 40 - n, ".%03u UTC", (unsigned int)(ns / 1000000 % 1000));
	return buf;
}

/* Expected and actual side by side; what differs is marked. */
static void put_table(const struct expectation *x, const struct outcome *o, FILE *f)
{
	fprintf(f, "      %-16s %-24s %s\n", "", "expected", "actual");
	for (unsigned int i = 0; i < x->n_terms; i++) {
		const struct term *t = &x->term[i];
		char want[CELL_MAX], cell[CELL_MAX + 4], have[CELL_MAX];

		snprintf(cell, sizeof(cell), "%s%s", comparisons[t->how],
			 text_escape(want, sizeof(want), t->pattern, strlen(t->pattern)));
		fprintf(f, "    %c %-16s %-24s %s\n", term_matches(t, o) ? ' ' : '>',
			fact_name(t->fact), cell,
			fact_show(t->fact, o->value[t->fact], have, sizeof(have)));
	}
}

/* Facts that say what it was, when there is nothing to compare with. */
static void put_outcome(const struct outcome *o, FILE *f)
{
	for (int i = 0; i < FACT_MAX; i++) {
		char have[CELL_MAX];

		if (o->value[i] && strcmp(o->value[i], "no") != 0)
			fprintf(f, "      %-16s %s\n", fact_name(i),
				fact_show(i, o->value[i], have, sizeof(have)));
	}
}

static void put_details(const struct expectation *x, const struct outcomes *o, FILE *f)
{
	int i = x->match >= 0 ? x->match : x->nearest;
	char when[40], what[BUF_MAX];

	fprintf(f, "    %s\n", x->why);
	if (i < 0) {
		fprintf(f, "    the recording has %u stops, none of them comes near\n", o->n);
		return;
	}
	fprintf(f, "    %s, at %s\n", x->match >= 0 ? "this one" : "the nearest one",
		wall_time(o->v[i].begin_wall_ns, when));
	if (x->match < 0)
		put_table(x, &o->v[i], f);
	else
		put_outcome(&o->v[i], f);
	fputs("    events behind it\n", f);
	for (unsigned int k = 0; k < o->v[i].n_events; k++)
		fprintf(f, "      #%-6" PRIu64 " %s\n", o->v[i].event[k].seq,
			text_escape(what, sizeof(what), o->v[i].event[k].what,
				    strlen(o->v[i].event[k].what)));
}

int expect_write_tap(const struct expect *e, const struct outcomes *o, FILE *f)
{
	char text[BUF_MAX];

	fprintf(f, "TAP version 13\n1..%u\n", e->n);
	for (unsigned int i = 0; i < e->n; i++) {
		const struct expectation *x = &e->v[i];

		text_escape(text, sizeof(text), x->text, strlen(x->text));
		/* what is behind a # would be a directive */
		text[strcspn(text, "#")] = 0;
		fprintf(f, "%sok %u - %s\n", x->met ? "" : "not ", i + 1, text);
		if (x->met)
			continue;
		fprintf(f, "  ---\n  line: %u\n  details: |\n", x->line);
		put_details(x, o, f);
		fputs("  ...\n", f);
	}
	return ferror(f) ? -EIO : 0;
}

/* What XML may not hold was escaped as text before. */
static void put_xml(const char *s, FILE *f)
{
	for (; *s; s++) {
		switch (*s) {
		case '<':
			fputs("&lt;", f);
			break;
		case '>':
			fputs("&gt;", f);
			break;
		case '&':
			fputs("&amp;", f);
			break;
		case '"':
			fputs("&quot;", f);
			break;
		default:
			fputc(*s, f);
		}
	}
}

static int put_case(const struct expectation *x, const struct outcomes *o, FILE *f)
{
	_cleanup_free_ char *details = NULL;
	char text[BUF_MAX];
	size_t n;
	FILE *m;

	fputs("  <testcase classname=\"svctrace\" name=\"", f);
	put_xml(text_escape(text, sizeof(text), x->text, strlen(x->text)), f);
	if (x->met) {
		fputs("\"/>\n", f);
		return 0;
	}
	m = open_memstream(&details, &n);
	if (!m)
		return -ENOMEM;
	put_details(x, o, m);
	if (fclose(m) != 0)
		return -ENOMEM;
	fputs("\">\n    <failure message=\"", f);
	put_xml(x->why, f);
	fputs("\">", f);
	put_xml(details, f);
	fputs("</failure>\n  </testcase>\n", f);
	return 0;
}

int expect_write_junit(const struct expect *e, const struct outcomes *o, const char *name, FILE *f)
{
	char text[BUF_MAX];
	unsigned int failed = 0;
	int r = 0;

	for (unsigned int i = 0; i < e->n; i++)
		failed += !e->v[i].met;
	fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"", f);
	put_xml(text_escape(text, sizeof(text), name, strlen(name)), f);
	fprintf(f, "\" tests=\"%u\" failures=\"%u\">\n", e->n, failed);
	for (unsigned int i = 0; i < e->n && r == 0; i++)
		r = put_case(&e->v[i], o, f);
	fputs("</testsuite>\n", f);
	return r ? r : ferror(f) ? -EIO : 0;
}

/* As a pattern that means itself alone. A line cannot hold a line break: any one character. */
static void put_pattern(const char *s, FILE *f)
{
	bool quote = !*s || s[strcspn(s, " \t#\v\f\r")];

	if (quote)
		fputc('"', f);
	for (; *s; s++) {
		if (*s == '\n') {
			fputc('?', f);
			continue;
		}
		if (strchr("*?[]\\\"@+!(|", *s))
			fputc('\\', f);
		fputc(*s, f);
	}
	if (quote)
		fputc('"', f);
}

int expect_write_bless(const struct outcomes *o, FILE *f)
{
	static const enum fact blessed[] = {FACT_ACTOR,	    FACT_SIGNAL, FACT_EXIT_SIGNAL,
					    FACT_EXIT_CODE, FACT_JOB,	 FACT_RESULT,
					    FACT_STATE};

	fputs("# written by svctrace check --bless; see svctrace-check(1)\n", f);
	for (unsigned int i = 0; i < o->n; i++) {
		const struct outcome *v = &o->v[i];

		/* an order that chance might change is none */
		if (i > 0 && v->begin_mono_ns >= o->v[i - 1].end_mono_ns)
			fputs("then ", f);
		put_pattern(v->value[FACT_UNIT], f);
		fprintf(f, " %s", v->value[FACT_CAUSE]);
		for (size_t k = 0; k < ARRAY_LEN(blessed); k++) {
			if (!v->value[blessed[k]])
				continue;
			fprintf(f, " %s=", fact_name(blessed[k]));
			put_pattern(v->value[blessed[k]], f);
		}
		fputc('\n', f);
	}
	fputs("nothing else\n", f);
	return ferror(f) ? -EIO : 0;
}
