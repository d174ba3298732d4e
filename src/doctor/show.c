/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* svctrace doctor: what was found, for people and for programs. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "doctor.h"
#include "render/json.h"
#include "svctrace/cleanup.h"
#include "svctrace/text.h"

#define GREEN "\x1b[32m"
#define RED   "\x1b[1;31m"
#define AMBER "\x1b[1;33m"
#define BOLD  "\x1b[1m"
#define PLAIN "\x1b[0m"

static const struct {
	const char *word, *shown, *color;
} findings[_FINDING_MAX] = {
	[FINDING_OK] = {"ok", "ok", GREEN},
	[FINDING_UNNEEDED] = {"unneeded", "-", ""},
	[FINDING_UNTRIED] = {"untried", "?", ""},
	[FINDING_LOST] = {"lost", "lost", AMBER},
	[FINDING_MISSING] = {"missing", "missing", RED},
};

static bool is_loss(const struct check *c)
{
	return (c->finding == FINDING_LOST || c->finding == FINDING_MISSING) && !c->verbose;
}

unsigned int doctor_losses(const struct doctor *d)
{
	unsigned int n = 0;

	for (size_t i = 0; i < d->n_checks; i++)
		n += is_loss(&d->checks[i]);
	return n;
}

static const char *step_of_group(const struct doctor *d, const char *group)
{
	for (size_t i = 0; i < d->n_checks; i++) {
		const struct check *c = &d->checks[i];

		if (is_loss(c) && c->next && (!group || strcmp(c->group, group) == 0))
			return c->next;
	}
	return NULL;
}

/* What to do first: a kernel that lacks something explains all else, then what tracing says. */
static const char *first_step(const struct doctor *d)
{
	const char *step = step_of_group(d, "kernel");

	if (!step && !d->capture && *d->error.next)
		step = d->error.next;
	if (!step)
		step = step_of_group(d, NULL);
	if (step)
		return step;
	return doctor_losses(d) == 0 && d->capture ? NULL
						   : "Run it again with -v, and see svctrace(8).";
}

static void put(const char *s)
{
	char text[4200];

	fputs(text_escape(text, sizeof(text), s, strlen(s)), stdout);
}

static const char *tint(const struct doctor *d, const char *color)
{
	return d->output.render.color && *color ? color : "";
}

static void show_heading(const struct doctor *d, const struct check *c)
{
	printf("%s%s%s", tint(d, BOLD), c->group, tint(d, PLAIN));
	if (c->pid)
		printf(" (process %d)", c->pid);
	putchar('\n');
}

/* A step is written once for all that need it in a row. */
static void show_check(const struct doctor *d, const struct check *c, int width, const char *step)
{
	const char *color = tint(d, findings[c->finding].color);

	printf("  %s%-7s%s  ", color, findings[c->finding].shown, *color ? PLAIN : "");
	printf("%-*s ", width, c->name);
	put(c->value ?: "");
	if (c->value && *c->detail)
		fputs(": ", stdout);
	put(c->detail);
	putchar('\n');
	if (c->next && (!step || strcmp(step, c->next) != 0))
		printf("%11s%s %s\n", "", d->output.render.ascii ? "->" : "→", c->next);
}

static void show_losses(const struct doctor *d)
{
	unsigned int n = 0;

	fputs("\nLive tracing works here, with losses: ", stdout);
	for (size_t i = 0; i < d->n_checks; i++)
		if (is_loss(&d->checks[i]))
			printf("%s%s", n++ ? ", " : "", d->checks[i].name);
	puts(".");
}

static void show_verdict(const struct doctor *d)
{
	const char *next = first_step(d);

	if (!d->capture)
		printf("\nLive tracing does not work here: %s.\n", d->error.what);
	else if (doctor_losses(d) == 0)
		puts("\nLive tracing works here, fully.");
	else
		show_losses(d);
	if (next)
		printf("Next: %s\n", next);
}

static bool is_shown(const struct doctor *d, const struct check *c)
{
	return !c->verbose || d->tracing.verbose;
}

static int name_width(const struct doctor *d)
{
	size_t width = 0;

	for (size_t i = 0; i < d->n_checks; i++)
		if (is_shown(d, &d->checks[i]) && strlen(d->checks[i].name) > width)
			width = strlen(d->checks[i].name);
	return width;
}

static bool begins_group(const struct check *c, const struct check *last)
{
	return !last || c->group != last->group || c->pid != last->pid;
}

int doctor_show_text(const struct doctor *d)
{
	const struct check *last = NULL;
	int width = name_width(d);

	for (size_t i = 0; i < d->n_checks; i++) {
		const struct check *c = &d->checks[i];

		if (!is_shown(d, c))
			continue;
		if (begins_group(c, last))
			show_heading(d, c);
		show_check(d, c, width, last ? last->next : NULL);
		last = c;
	}
	show_verdict(d);
	return fflush(stdout) == 0 ? 0 : -errno;
}

static json_t *check_json(const struct check *c)
{
	struct json_object o = {.json = json_object()};

	json_put(&o, "group", json_text(c->group));
	json_put(&o, "name", json_text(c->name));
	json_put(&o, "status", json_text(findings[c->finding].word));
	json_put(&o, "pid", json_number_or_null(c->pid, 0));
	json_put(&o, "value", json_text(c->value));
	json_put(&o, "detail", json_text(c->detail));
	json_put(&o, "next", json_text(c->next));
	return json_done(&o);
}

static json_t *checks_json(const struct doctor *d)
{
	json_t *a = json_array();

	for (size_t i = 0; i < d->n_checks; i++)
		if (json_array_append_new(a, check_json(&d->checks[i])) < 0) {
			json_decref(a);
			return NULL;
		}
	return a;
}

int doctor_show_json(const struct doctor *d)
{
	const char *status = !d->capture ? "none" : doctor_losses(d) ? "losses" : "full";
	struct json_object o = {.json = json_object()};

	json_put(&o, "schema_version", json_number(1));
	json_put(&o, "event.name", json_text("svctrace.doctor"));
	json_put(&o, "version", json_text(SVCTRACE_VERSION));
	json_put(&o, "status", json_text(status));
	json_put(&o, "reason", json_text(d->capture ? NULL : d->error.what));
	json_put(&o, "next", json_text(first_step(d)));
	json_put(&o, "checks", checks_json(d));
	return json_print(json_done(&o), JSON_COMPACT);
}
