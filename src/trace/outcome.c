/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "svctrace/cleanup.h"
#include "svctrace/expect.h"
#include "svctrace/text.h"

typedef char *(*get_fn)(const struct verdict *v);

static char *format_number(int64_t n)
{
	char *s;

	return asprintf(&s, "%" PRId64, n) < 0 ? NULL : s;
}

static char *get_cause(const struct verdict *v)
{
	return strdup(cause_name(v->cause));
}

static char *get_certainty(const struct verdict *v)
{
	return strdup(certainty_name(v->certainty));
}

static char *get_actor(const struct verdict *v)
{
	if (!v->have_actor)
		return NULL;
	if (v->actor_kernel)
		return strdup("kernel");
	if (v->actor_manager)
		return strdup("systemd");
	return v->n_chain && v->chain[0].comm ? strdup(v->chain[0].comm) : NULL;
}

static char *get_actor_certainty(const struct verdict *v)
{
	return v->have_actor ? strdup(certainty_name(v->actor_certainty)) : NULL;
}

static const struct actor *actor(const struct verdict *v)
{
	return v->have_actor && v->n_chain ? &v->chain[0] : NULL;
}

static char *copy(const char *s)
{
	return s ? strdup(s) : NULL;
}

static char *get_actor_exe(const struct verdict *v)
{
	return actor(v) ? copy(actor(v)->exe) : NULL;
}

static char *get_actor_cmdline(const struct verdict *v)
{
	return actor(v) ? copy(actor(v)->cmdline) : NULL;
}

static char *get_actor_unit(const struct verdict *v)
{
	return actor(v) ? copy(actor(v)->unit) : NULL;
}

static char *get_actor_tty(const struct verdict *v)
{
	return actor(v) ? copy(actor(v)->tty) : NULL;
}

static char *get_actor_uid(const struct verdict *v)
{
	return actor(v) && actor(v)->uid != UINT32_MAX ? format_number(actor(v)->uid) : NULL;
}

static char *get_actor_login(const struct verdict *v)
{
	return actor(v) && actor(v)->loginuid != UINT32_MAX ? format_number(actor(v)->loginuid)
							    : NULL;
}

/* "bash sshd sshd": the actor's parent first. */
static char *get_ancestors(const struct verdict *v)
{
	char *text = NULL;
	size_t n;
	FILE *f;

	if (!v->have_actor || v->n_chain < 2)
		return NULL;
	f = open_memstream(&text, &n);
	for (unsigned int i = 1; f && i < v->n_chain; i++)
		fprintf(f, "%s%s", i > 1 ? " " : "", v->chain[i].comm ? v->chain[i].comm : "?");
	if (f)
		fclose(f);
	return text;
}

static char *get_signal(const struct verdict *v)
{
	char buf[24];

	return v->signal ? strdup(text_signal(v->signal, buf)) : NULL;
}

static char *get_exit_signal(const struct verdict *v)
{
	char buf[24];

	return v->have_exit && v->exit_signal ? strdup(text_signal(v->exit_signal, buf)) : NULL;
}

static char *get_exit_code(const struct verdict *v)
{
	return v->have_exit && !v->exit_signal ? format_number(v->exit_code) : NULL;
}

static char *get_lost(const struct verdict *v)
{
	return format_number((int64_t)v->lost);
}

static char *get_duration(const struct verdict *v)
{
	return v->end_mono_ns >= v->begin_mono_ns
		       ? format_number((int64_t)(v->end_mono_ns - v->begin_mono_ns))
		       : NULL;
}

static char *join(const char *const *words, unsigned int n, const char *between)
{
	char *text = NULL;
	size_t len;
	FILE *f = n > 0 ? open_memstream(&text, &len) : NULL;

	for (unsigned int i = 0; f && i < n; i++)
		fprintf(f, "%s%s", i ? between : "", words[i]);
	if (f)
		fclose(f);
	return text;
}

static char *get_via(const struct verdict *v)
{
	return join(v->via, v->n_via, ",");
}

static char *get_notes(const struct verdict *v)
{
	return join((const char *const *)v->notes, v->n_notes, "; ");
}

/* A field of the verdict, or a function. */
static const struct {
	const char *name;
	enum { BY_FUNCTION, BY_STRING, BY_BOOL } how;
	size_t at;
	get_fn get;
	bool number;
} facts[FACT_MAX] = {
#define STRING(field) BY_STRING, offsetof(struct verdict, field), NULL, false
#define BOOL(field)   BY_BOOL, offsetof(struct verdict, field), NULL, false
#define CALL(fn)      BY_FUNCTION, 0, fn, false
#define NUMBER(fn)    BY_FUNCTION, 0, fn, true
	[FACT_UNIT] = {"unit", STRING(unit)},
	[FACT_CAUSE] = {"cause", CALL(get_cause)},
	[FACT_CERTAINTY] = {"certainty", CALL(get_certainty)},
	[FACT_ACTOR] = {"actor", CALL(get_actor)},
	[FACT_ACTOR_CERTAINTY] = {"actor-certainty", CALL(get_actor_certainty)},
	[FACT_ACTOR_EXE] = {"actor-exe", CALL(get_actor_exe)},
	[FACT_ACTOR_CMDLINE] = {"actor-cmdline", CALL(get_actor_cmdline)},
	[FACT_ACTOR_UID] = {"actor-uid", NUMBER(get_actor_uid)},
	[FACT_ACTOR_LOGIN] = {"actor-login", NUMBER(get_actor_login)},
	[FACT_ACTOR_UNIT] = {"actor-unit", CALL(get_actor_unit)},
	[FACT_ACTOR_TTY] = {"actor-tty", CALL(get_actor_tty)},
	[FACT_ANCESTORS] = {"ancestors", CALL(get_ancestors)},
	[FACT_SIGNAL] = {"signal", CALL(get_signal)},
	[FACT_EXIT_CODE] = {"exit-code", NUMBER(get_exit_code)},
	[FACT_EXIT_SIGNAL] = {"exit-signal", CALL(get_exit_signal)},
	[FACT_CORE_DUMPED] = {"core-dumped", BOOL(core_dumped)},
	[FACT_RESULT] = {"result", STRING(result)},
	[FACT_STATE] = {"state", STRING(sub_state)},
	[FACT_ACTIVE] = {"active", STRING(active_state)},
	[FACT_OLD_STATE] = {"old-state", STRING(old_state)},
	[FACT_JOB] = {"job", STRING(job_type)},
	[FACT_VIA] = {"via", CALL(get_via)},
	[FACT_MAIN_CMDLINE] = {"main-cmdline", STRING(main_cmdline)},
	[FACT_RESTARTS] = {"restarts", BOOL(restarts)},
	[FACT_INCOMPLETE] = {"incomplete", BOOL(incomplete)},
	[FACT_LOST] = {"lost", NUMBER(get_lost)},
	[FACT_NOTES] = {"notes", CALL(get_notes)},
	[FACT_DURATION] = {"duration", NUMBER(get_duration)},
};

const char *fact_name(enum fact f)
{
	return f < FACT_MAX ? facts[f].name : NULL;
}

int fact_parse(const char *name)
{
	for (int i = 0; i < FACT_MAX; i++)
		if (strcmp(facts[i].name, name) == 0)
			return i;
	return -EINVAL;
}

bool fact_is_number(enum fact f)
{
	return facts[f].number;
}

const char *fact_show(enum fact f, const char *value, char *buf, size_t size)
{
	char duration[32];

	if (!value)
		value = "-";
	else if (f == FACT_DURATION)
		value = text_duration(strtoull(value, NULL, 10), duration);
	return text_escape(buf, size, value, strlen(value));
}

/* *ret stays NULL for what is not known. */
static int get_fact(enum fact f, const struct verdict *v, char **ret)
{
	const char *at = (const char *)v + facts[f].at;
	const char *s;
	bool yes;

	switch (facts[f].how) {
	case BY_FUNCTION:
		*ret = facts[f].get(v);
		return 0;
	case BY_BOOL:
		memcpy(&yes, at, sizeof(yes));
		*ret = strdup(yes ? "yes" : "no");
		return *ret ? 0 : -ENOMEM;
	default:
		memcpy(&s, at, sizeof(s));
		*ret = copy(s);
		return s && !*ret ? -ENOMEM : 0;
	}
}

static void outcome_done(struct outcome *o)
{
	for (int i = 0; i < FACT_MAX; i++)
		free(o->value[i]);
	for (unsigned int i = 0; i < o->n_events; i++)
		free(o->event[i].what);
	free(o->event);
}

static int fill(struct outcome *o, const struct verdict *v)
{
	int r = 0;

	*o = (struct outcome){
		.begin_mono_ns = v->begin_mono_ns,
		.end_mono_ns = v->end_mono_ns,
		.begin_wall_ns = v->begin_wall_ns,
	};
	for (int i = 0; i < FACT_MAX && r == 0; i++)
		r = get_fact(i, v, &o->value[i]);
	o->event = calloc(v->n_proof + 1, sizeof(o->event[0]));
	if (r < 0 || !o->event || !o->value[FACT_UNIT] || !o->value[FACT_CAUSE])
		return -ENOMEM;
	for (unsigned int i = 0; i < v->n_proof; i++) {
		o->event[i].seq = v->proof[i].seq;
		o->event[i].what = strdup(v->proof[i].what ? v->proof[i].what : "");
		o->n_events++;
		if (!o->event[i].what)
			return -ENOMEM;
	}
	return 0;
}

int outcomes_add(void *outcomes, const struct verdict *v)
{
	struct outcomes *o = outcomes;
	int r;

	if (o->n == o->room) {
		unsigned int room = o->room ? 2 * o->room : 16;
		struct outcome *p = reallocarray(o->v, room, sizeof(*p));

		if (!p)
			return -ENOMEM;
		o->v = p;
		o->room = room;
	}
	r = fill(&o->v[o->n], v);
	if (r < 0)
		outcome_done(&o->v[o->n]);
	else
		o->n++;
	return r;
}

void outcomes_done(struct outcomes *o)
{
	for (unsigned int i = 0; i < o->n; i++)
		outcome_done(&o->v[i]);
	free(o->v);
	*o = (struct outcomes){};
}
