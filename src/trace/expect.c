/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * EXPECT files: each line is compared on its own, in the file's order, and takes the first verdict
 * that fits and that no line before it took.
 */
#include <ctype.h>
#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "svctrace/cleanup.h"
#include "svctrace/parse.h"
#include "svctrace/text.h"
#include "trace/expectation.h"

struct parser {
	const char *at, *end; /* of one line */
	unsigned int line;
	struct expect_error *err;
};

_printf_(2, 3) static int wrong(struct parser *p, const char *format, ...)
{
	va_list args;

	p->err->line = p->line;
	va_start(args, format);
	vsnprintf(p->err->what, sizeof(p->err->what), format, args);
	va_end(args);
	return -EINVAL;
}

/* A word up to a blank; "…" and \ keep what follows from being special. NULL: no more. */
static int next_word(struct parser *p, char **ret)
{
	_cleanup_free_ char *word = NULL;
	bool quoted = false;
	size_t n = 0;

	*ret = NULL;
	while (p->at < p->end && isspace((unsigned char)*p->at))
		p->at++;
	if (p->at == p->end || *p->at == '#')
		return 0;
	word = malloc((size_t)(p->end - p->at) + 1);
	if (!word)
		return -ENOMEM;
	for (; p->at < p->end && (quoted || !isspace((unsigned char)*p->at)); p->at++) {
		if (*p->at == '"') {
			quoted = !quoted;
			continue;
		}
		word[n++] = *p->at;
		/* a backslash is the glob's own, and takes a quote with it */
		if (*p->at == '\\' && p->at + 1 < p->end)
			word[n++] = *++p->at;
	}
	if (quoted)
		return wrong(p, "a quote is not closed");
	word[n] = 0;
	*ret = take_ptr(word);
	return 0;
}

static int add_term(struct expectation *e, enum fact f, enum comparison how, const char *pattern)
{
	struct term *t = &e->term[e->n_terms];

	if (e->n_terms == TERMS_MAX)
		return -E2BIG;
	*t = (struct term){.fact = f, .how = how, .pattern = strdup(pattern)};
	if (!t->pattern)
		return -ENOMEM;
	e->n_terms++;
	return 0;
}

static int parse_comparison(const char *s, enum comparison *ret)
{
	static const struct {
		const char *text;
		enum comparison how;
	} known[] = {{"!=", IS_NOT}, {"<=", LESS_EQUAL}, {">=", MORE_EQUAL},
		     {"=", IS},	     {"<", LESS},	 {">", MORE}};

	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		size_t n = strlen(known[i].text);

		if (strncmp(s, known[i].text, n) == 0) {
			*ret = known[i].how;
			return (int)n;
		}
	}
	return -EINVAL;
}

static int parse_value(struct parser *p, struct term *t)
{
	char *end;

	if (t->fact == FACT_DURATION) {
		if (parse_duration(t->pattern, &t->number) < 0)
			return wrong(p, "duration takes a time like 2s or 500ms, not \"%.80s\"",
				     t->pattern);
		return 0;
	}
	if (t->how == IS || t->how == IS_NOT)
		return 0;
	if (!fact_is_number(t->fact))
		return wrong(p, "%s is no number: only = and != make sense", fact_name(t->fact));
	t->number = strtoull(t->pattern, &end, 10);
	if (!isdigit((unsigned char)*t->pattern) || *end)
		return wrong(p, "\"%.80s\" is no number", t->pattern);
	return 0;
}

/* "actor=kill", "duration<2s", "within=5s" */
static int parse_term(struct parser *p, struct expectation *e, char *word)
{
	size_t n = strcspn(word, "!=<>");
	enum comparison how = IS;
	int len = parse_comparison(word + n, &how), f, r;
	const char *value = word + n + (len > 0 ? len : 0);

	if (len < 0 || n == 0)
		return wrong(p, "\"%.80s\" is no NAME=VALUE", word);
	word[n] = 0;
	if (strcmp(word, "within") == 0) {
		e->has_within = true;
		if (how != IS || parse_duration(value, &e->within_ns) < 0)
			return wrong(p, "within takes a time, like within=5s");
		return 0;
	}
	f = fact_parse(word);
	if (f < 0)
		return wrong(p, "there is no \"%.80s\"; svctrace check --facts lists what there is",
			     word);
	r = add_term(e, f, how, value);
	if (r == -E2BIG)
		return wrong(p, "too many conditions in one line");
	return r < 0 ? r : parse_value(p, &e->term[e->n_terms - 1]);
}

/* A cause that cannot be is a typo, and a test that never fails. */
static int parse_cause(struct parser *p, struct expectation *e, const char *word)
{
	char known[160] = "";

	for (int i = 0; i < CAUSE_MAX; i++) {
		if (fnmatch(word, cause_name(i), FNM_EXTMATCH) == 0)
			return add_term(e, FACT_CAUSE, IS, word);
		snprintf(known + strlen(known), sizeof(known) - strlen(known), " %s",
			 cause_name(i));
	}
	return wrong(p, "no cause matches \"%.40s\"; there are%s", word, known);
}

static int parse_unit(struct expectation *e, const char *word)
{
	_cleanup_free_ char *unit = NULL;
	bool full = strchr(word, '.') || strcmp(word, "*") == 0;

	if (asprintf(&unit, "%s%s", word, full ? "" : ".service") < 0)
		return -ENOMEM;
	return add_term(e, FACT_UNIT, IS, unit);
}

static int parse_subject(struct parser *p, struct expectation *e)
{
	_cleanup_free_ char *unit = NULL, *cause = NULL;
	int r = next_word(p, &unit);

	while (r == 0 && unit && (strcmp(unit, "then") == 0 || strcmp(unit, "never") == 0)) {
		*(*unit == 't' ? &e->then : &e->never) = true;
		free(take_ptr(unit));
		r = next_word(p, &unit);
	}
	if (r == 0)
		r = next_word(p, &cause);
	if (r < 0)
		return r;
	if (!unit || !cause)
		return wrong(p, "a line needs a unit and a cause: nginx.service main-killed");
	if (strcmp(unit, "nothing") == 0 && strcmp(cause, "else") == 0) {
		e->nothing_else = true;
		return 0;
	}
	r = parse_unit(e, unit);
	return r ? r : parse_cause(p, e, cause);
}

static int parse_line(struct parser *p, struct expectation *e)
{
	_cleanup_free_ char *word = NULL;
	int r = parse_subject(p, e);

	for (;;) {
		if (r == 0)
			r = next_word(p, &word);
		if (r < 0 || !word)
			break;
		if (e->nothing_else)
			return wrong(p, "nothing follows \"nothing else\"");
		r = parse_term(p, e, word);
		free(take_ptr(word));
	}
	if (r == 0 && e->never && (e->then || e->has_within))
		return wrong(p, "never goes neither with then nor with within");
	return r;
}

static int add_line(struct expect *e, struct parser *p)
{
	struct expectation *x;
	const char *s = p->at;

	while (s < p->end && isspace((unsigned char)*s))
		s++;
	if (s == p->end || *s == '#')
		return 0;
	if (memchr(s, 0, (size_t)(p->end - s)))
		return wrong(p, "there is a NUL in it: no text");
	if (e->n == EXPECT_LINES_MAX)
		return wrong(p, "too many lines");
	x = reallocarray(e->v, e->n + 1, sizeof(*x));
	if (!x)
		return -ENOMEM;
	e->v = x;
	x = &e->v[e->n++];
	*x = (struct expectation){.line = p->line, .match = -1, .nearest = -1};
	x->text = strndup(s, (size_t)(p->end - s));
	return x->text ? parse_line(p, x) : -ENOMEM;
}

int expect_parse(const char *text, size_t n, struct expect **ret, struct expect_error *err)
{
	_cleanup_(expect_freep) struct expect *e = calloc(1, sizeof(*e));
	struct parser p = {.err = err};
	int r = 0;

	if (!e)
		return -ENOMEM;
	for (const char *s = text; s < text + n && r == 0; s = p.end + 1) {
		const char *end = memchr(s, '\n', (size_t)(text + n - s));

		p.at = s;
		p.end = end ? end : text + n;
		p.line++;
		r = add_line(e, &p);
	}
	p.line += p.line == 0;
	if (r == 0 && e->n == 0)
		r = wrong(&p, "it expects nothing; \"nothing else\" says that nothing must happen");
	if (r == 0)
		*ret = take_ptr(e);
	return r;
}

void expect_freep(struct expect **ep)
{
	struct expect *e = *ep;

	for (unsigned int i = 0; e && i < e->n; i++) {
		for (unsigned int k = 0; k < e->v[i].n_terms; k++)
			free(e->v[i].term[k].pattern);
		free(e->v[i].text);
	}
	if (e)
		free(e->v);
	free(e);
	*ep = NULL;
}

static bool compare_numbers(const struct term *t, const char *value)
{
	uint64_t n = strtoull(value, NULL, 10);

	switch (t->how) {
	case LESS:
		return n < t->number;
	case LESS_EQUAL:
		return n <= t->number;
	case MORE:
		return n > t->number;
	case MORE_EQUAL:
		return n >= t->number;
	case IS_NOT:
		return n != t->number;
	default:
		return n == t->number;
	}
}

bool term_matches(const struct term *t, const struct outcome *o)
{
	const char *value = o->value[t->fact];
	bool glob = t->fact != FACT_DURATION && (t->how == IS || t->how == IS_NOT);

	if (!glob)
		return value && compare_numbers(t, value);
	return (fnmatch(t->pattern, value ? value : "-", FNM_EXTMATCH) == 0) == (t->how == IS);
}

static unsigned int n_matching(const struct expectation *x, const struct outcome *o)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < x->n_terms; i++)
		n += term_matches(&x->term[i], o);
	return n;
}

/* Of the same unit if there is one, else the same but for the unit. */
static int nearest(const struct expectation *x, const struct outcomes *o, const bool *taken)
{
	unsigned int best = 0;
	int found = -1;

	for (unsigned int i = 0; i < o->n; i++) {
		unsigned int n = n_matching(x, &o->v[i]);

		n += term_matches(&x->term[0], &o->v[i]) ? TERMS_MAX : 0;
		if (!taken[i] && n > best) {
			best = n;
			found = (int)i;
		}
	}
	return found;
}

static void check_never(struct expectation *x, const struct outcomes *o)
{
	x->met = true;
	for (unsigned int i = 0; i < o->n && x->met; i++) {
		if (n_matching(x, &o->v[i]) < x->n_terms)
			continue;
		x->met = false;
		x->match = (int)i;
		snprintf(x->why, sizeof(x->why), "this must never happen, and it did");
	}
}

static void check_nothing_else(struct expectation *x, const struct outcomes *o, const bool *taken)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < o->n; i++) {
		if (taken[i])
			continue;
		x->match = n++ == 0 ? (int)i : x->match;
	}
	x->met = n == 0;
	if (n > 0)
		snprintf(x->why, sizeof(x->why), "%u stops that no line speaks of; the first:", n);
}

/* last: what the line before matched; -1: nothing. */
static void check_one(struct expectation *x, const struct outcomes *o, bool *taken, int last)
{
	uint64_t from = x->then && last >= 0 ? o->v[last].begin_mono_ns : o->start_mono_ns;

	snprintf(x->why, sizeof(x->why), "no stop is like that");
	for (unsigned int i = 0; i < o->n; i++) {
		const struct outcome *v = &o->v[i];
		char buf[32];

		if (taken[i] || n_matching(x, v) < x->n_terms)
			continue;
		if (x->then && (last < 0 || v->begin_mono_ns < from || (int)i == last)) {
			snprintf(x->why, sizeof(x->why), "there is one, but not after line %u's",
				 x->line - 1);
			continue;
		}
		if (x->has_within && v->begin_mono_ns - from > x->within_ns) {
			snprintf(x->why, sizeof(x->why), "it came too late: after %s",
				 text_duration(v->begin_mono_ns - from, buf));
			continue;
		}
		taken[i] = x->met = true;
		x->match = (int)i;
		return;
	}
	x->nearest = nearest(x, o, taken);
}

int expect_compare(struct expect *e, const struct outcomes *o)
{
	_cleanup_free_ bool *taken = calloc(o->n + 1, sizeof(bool));
	int last = -1, failed = 0;

	if (!taken)
		return -ENOMEM;
	for (unsigned int i = 0; i < e->n; i++) {
		struct expectation *x = &e->v[i];

		if (x->never) {
			check_never(x, o);
		} else if (!x->nothing_else) {
			check_one(x, o, taken, last);
			last = x->match >= 0 ? x->match : last;
		}
	}
	/* only now is it known what the others took */
	for (unsigned int i = 0; i < e->n; i++) {
		if (e->v[i].nothing_else)
			check_nothing_else(&e->v[i], o, taken);
		failed += !e->v[i].met;
	}
	return failed;
}
