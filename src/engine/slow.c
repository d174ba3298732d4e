/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "engine/rules.h"
#include "engine/slow.h"
#include "engine/verdict.h"

#define LEFT_NAMED 4 /* processes; all their threads are told anyway */

static void set_kinds(const struct stop *s, struct awaited *a)
{
	/* a command of the stop itself: nothing else counts until it is over */
	bool runs_command = state_setting(s->v.sub_state);

	a->control = runs_command || s->control_pid > 0;
	a->main = !runs_command && s->main_pid > 0;
	/* were there no such process, and nothing else to wait for, it would not be in this state
	 */
	a->cgroup = !a->control && s->control_pid == 0 && s->main_pid == 0;
	a->setting = a->control ? s->control_setting : NULL;
}

static int set_processes(const struct stop *s, const struct manager *m,
			 const struct process_table *t, struct awaited *a)
{
	const struct process *main = a->main ? manager_process(t, m, s->main_pid) : NULL;
	const struct process *control = a->control ? manager_process(t, m, s->control_pid) : NULL;

	if (main && actor_copy(&a->main_process, &main->a) < 0)
		return -ENOMEM;
	return control ? actor_copy(&a->control_process, &control->a) : 0;
}

/* A sentence: the fixed words and at most six processes. */
struct words {
	char text[128 + (LEFT_NAMED + 2) * (ACTOR_NAME_MAX + 2)];
	size_t n;
};

static void __attribute__((format(printf, 2, 3))) say(struct words *w, const char *format, ...)
{
	size_t room = sizeof(w->text) - w->n;
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(w->text + w->n, room, format, args);
	va_end(args);
	w->n += n < 0 ? 0 : (size_t)n < room ? (size_t)n : room - 1;
}

static void say_process(struct words *w, const char *what, const struct actor *a)
{
	char name[ACTOR_NAME_MAX];

	say(w, "%s%s%s", what, a->tgid ? " " : "", a->tgid ? actor_name(a, name) : "");
}

static bool is_first_of_process(const struct thread_look *l, unsigned int i)
{
	unsigned int first = 0;

	while (l->thread[first].a.tgid != l->thread[i].a.tgid)
		first++;
	return first == i;
}

/* ": worker 812, worker 813" */
static void say_left(struct words *w, const struct thread_look *l)
{
	unsigned int n = 0;

	for (unsigned int i = 0; l && i < l->n_threads; i++) {
		if (!is_first_of_process(l, i))
			continue;
		if (n == LEFT_NAMED) {
			say(w, ", …");
			return;
		}
		say_process(w, n++ ? "," : ":", &l->thread[i].a);
	}
}

static int set_words(struct awaited *a, const struct thread_look *l)
{
	struct words w = {};
	char command[64];

	snprintf(command, sizeof(command), "its %s%scommand", a->setting ? a->setting : "",
		 a->setting ? "= " : "");
	if (a->main)
		say_process(&w, "its main process", &a->main_process);
	say(&w, "%s", a->main && a->control ? " and " : "");
	if (a->control)
		say_process(&w, command, &a->control_process);
	if (a->cgroup) {
		say(&w, "what is left in its cgroup, as KillMode= has it");
		say_left(&w, l);
	}
	a->text = strdup(w.text);
	return a->text ? 0 : -ENOMEM;
}

int slow_await(const struct stop *s, const struct manager *m, const struct process_table *processes,
	       const struct thread_look *l, struct awaited *ret)
{
	int r;

	awaited_done(ret);
	if (s->ended || state_class(s->v.sub_state) != STATE_STOPPING)
		return 0;
	set_kinds(s, ret);
	if (!ret->main && !ret->control && !ret->cgroup)
		return 0;
	r = set_processes(s, m, processes, ret);
	return r < 0 ? r : set_words(ret, l);
}

/* One of several commands ended: which is the next one no event tells. */
static void follow_processes(struct stop *s, const struct ev *e)
{
	const struct ev_service *x = &e->service;
	const char *setting =
		state_setting(e->kind == WIRE_SERVICE_SET_STATE ? x->new_state : x->state);

	s->main_pid = x->main_pid;
	s->control_pid = x->control_pid;
	if (x->control_pid > 0 && setting)
		s->control_setting = setting;
	if (e->kind != WIRE_SERVICE_SIGCHLD || x->arg[0] <= 0)
		return;
	if (x->arg[0] == x->main_pid)
		s->main_pid = 0;
	if (x->arg[0] == x->control_pid)
		s->control_pid = setting ? WIRE_NONE : 0;
}

static int set(struct thread_look **to, const struct thread_look *l)
{
	look_free(*to);
	*to = NULL;
	return look_copy(to, l);
}

static int set_left(struct verdict *v, const struct thread_look *l)
{
	int r = set(&v->left, l);

	return r < 0 ? r : verdict_cite(v, &l->proof);
}

/* Of the watchdog that this stop began with. */
static int set_watched(struct verdict *v, const struct thread_look *l)
{
	int r;

	if (!v->watchdog.fired || v->watchdog.look)
		return 0;
	r = set(&v->watchdog.look, l);
	return r < 0 ? r : verdict_cite(v, &l->proof);
}

int slow_learn_look(struct stop *s, const struct thread_look *l)
{
	struct verdict *v = &s->v;

	if (l->n == 0)
		return 0;
	switch (l->reason) {
	case WIRE_LOOK_KEEPALIVE_DUE:
	case WIRE_LOOK_WATCHDOG:
		return set_watched(v, l);
	case WIRE_LOOK_TIMEOUT_DUE:
		return set(&s->due, l);
	case WIRE_LOOK_TIMEOUT:
		/* SIGKILL may be on its way by now: what was seen before says more */
		return s->timeout_explained ? 0 : set_left(v, l);
	case WIRE_LOOK_SLOW:
		return v->left && v->left->reason != WIRE_LOOK_SLOW ? 0 : set_left(v, l);
	}
	return 0;
}

int slow_follow(struct stop *s, const struct ev *e)
{
	int r = 0;

	follow_processes(s, e);
	if (e->kind == WIRE_SERVICE_TIMER && state_class(e->service.state) == STATE_STOPPING) {
		s->timeout_explained = s->due != NULL;
		if (s->due)
			r = set_left(&s->v, s->due);
	} else if (e->kind == WIRE_SERVICE_SET_STATE) {
		look_free(s->due);
		s->due = NULL;
	}
	return r;
}
