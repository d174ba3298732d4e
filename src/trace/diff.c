/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Two runs side by side: the first stop of a unit with its first in the other run, and so on. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "svctrace/cleanup.h"
#include "svctrace/expect.h"

#define SHOWN_MAX 160

/* Not what differs from run to run: times, and what is in them. */
static bool is_compared(enum fact f)
{
	return f != FACT_DURATION && f != FACT_UNIT;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* The length of a pseudonym that svctrace scrub made, at the start of s; 0: it is none. */
static size_t pseudonym(const char *s)
{
	return *s == 'x' && strspn(s + 1, "0123456789abcdef") == 8 ? 9 : 0;
}

/*
 * Every number is as good as any other: it is a PID, a job, or a time. So is what was scrubbed: it
 * may have been one.
 */
static bool same_but_numbers(const char *a, const char *b)
{
	for (;;) {
		size_t x = pseudonym(a), y = pseudonym(b);

		if (x && y) {
			a += x;
			b += y;
		} else if (is_digit(*a) && is_digit(*b)) {
			a += strspn(a, "0123456789");
			b += strspn(b, "0123456789");
		} else if (*a != *b) {
			return false;
		} else if (!*a) {
			return true;
		} else {
			a++;
			b++;
		}
	}
}

static bool is_same(enum fact f, const char *a, const char *b)
{
	if (!a || !b)
		return a == b;
	if (f == FACT_ACTOR_CMDLINE || f == FACT_MAIN_CMDLINE || f == FACT_NOTES)
		return same_but_numbers(a, b);
	return strcmp(a, b) == 0;
}

static int diff_pair(const struct outcome *a, const struct outcome *b, unsigned int nth, FILE *f)
{
	char x[SHOWN_MAX], y[SHOWN_MAX];
	int n = 0;

	for (int i = 0; i < FACT_MAX; i++) {
		if (!is_compared(i) || is_same(i, a->value[i], b->value[i]))
			continue;
		if (n++ == 0)
			fprintf(f, "  %s, stop %u\n",
				fact_show(FACT_UNIT, a->value[FACT_UNIT], x, sizeof(x)), nth);
		fprintf(f, "    %-15s %s → %s\n", fact_name(i),
			fact_show(i, a->value[i], x, sizeof(x)),
			fact_show(i, b->value[i], y, sizeof(y)));
	}
	return n;
}

static int say_alone(const struct outcome *o, unsigned int nth, char sign, FILE *f)
{
	char unit[SHOWN_MAX], actor[SHOWN_MAX];

	fprintf(f, "%c %s, stop %u: %s, actor %s\n", sign,
		fact_show(FACT_UNIT, o->value[FACT_UNIT], unit, sizeof(unit)), nth,
		o->value[FACT_CAUSE],
		fact_show(FACT_ACTOR, o->value[FACT_ACTOR], actor, sizeof(actor)));
	return 1;
}

static int compare(const void *x, const void *y)
{
	const struct outcome *a = *(const struct outcome *const *)x;
	const struct outcome *b = *(const struct outcome *const *)y;
	int r = strcmp(a->value[FACT_UNIT], b->value[FACT_UNIT]);

	return r ? r : a < b ? -1 : a > b;
}

static const struct outcome **sorted(const struct outcomes *o)
{
	const struct outcome **s = calloc(o->n + 1, sizeof(*s));

	for (unsigned int i = 0; s && i < o->n; i++)
		s[i] = &o->v[i];
	if (s)
		qsort(s, o->n, sizeof(*s), compare);
	return s;
}

int outcomes_diff(const struct outcomes *a, const struct outcomes *b, const char *name_a,
		  const char *name_b, FILE *f)
{
	_cleanup_free_ const struct outcome **x = sorted(a), **y = sorted(b);
	const char *unit = "";
	unsigned int nth = 0;
	int n = 0;

	if (!x || !y)
		return -ENOMEM;
	fprintf(f, "- %s\n+ %s\n", name_a, name_b);
	for (unsigned int i = 0, k = 0; i < a->n || k < b->n;) {
		const char *ux = i < a->n ? x[i]->value[FACT_UNIT] : NULL;
		const char *uy = k < b->n ? y[k]->value[FACT_UNIT] : NULL;
		int order = !ux ? 1 : !uy ? -1 : strcmp(ux, uy);
		const char *now = order > 0 ? uy : ux;

		nth = strcmp(now, unit) == 0 ? nth + 1 : 1;
		unit = now;
		if (order == 0)
			n += diff_pair(x[i], y[k], nth, f);
		else
			n += order < 0 ? say_alone(x[i], nth, '-', f)
				       : say_alone(y[k], nth, '+', f);
		i += order <= 0;
		k += order >= 0;
	}
	return n;
}
