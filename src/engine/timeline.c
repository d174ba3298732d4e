/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A span begins with service_set_state(), or when the service has another main process. What led to
 * it is what the manager dispatched last for that unit; what is not in the same call is not blamed.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/rules.h"
#include "engine/timeline.h"
#include "engine/verdict.h"
#include "svctrace/text.h"

#define FOLLOWED_MAX 256
/* From a trigger to the state that it leads to, which may need a process to be started first. */
#define CALL_NS	     1000000000ull
/* From one state to the next in the same call. */
#define AT_ONCE_NS   20000000ull

struct followed {
	struct timeline t;
	uint64_t unit;		 /* address */
	uint64_t used_seq;	 /* of the trigger that led to a state last */
	struct proof main_known; /* a PID file named a main process, and nothing came of it yet */
	int32_t named;		 /* that one */
	TAILQ_ENTRY(followed) entry;
};

const char *span_cause_name(enum span_cause cause)
{
	static const char *const names[SPAN_CAUSE_MAX] = {
		[SPAN_JOB] = "job",
		[SPAN_RESTART] = "restart",
		[SPAN_MAIN_EXIT] = "main-exit",
		[SPAN_CONTROL_EXIT] = "control-exit",
		[SPAN_CHILD_EXIT] = "child-exit",
		[SPAN_PID_FILE] = "pid-file",
		[SPAN_MAIN_PID] = "main-pid",
		[SPAN_TIMER] = "timer",
		[SPAN_WATCHDOG] = "watchdog",
		[SPAN_OOM] = "oom",
		[SPAN_CGROUP_EMPTY] = "cgroup-empty",
		[SPAN_AT_ONCE] = "at-once",
	};

	return cause < SPAN_CAUSE_MAX ? names[cause] : NULL;
}

static void span_done(struct span *s)
{
	free(s->state);
	free(s->why);
	proof_done(&s->by);
	proof_done(&s->seen);
	for (unsigned int i = 0; i < s->n_events; i++)
		proof_done(&s->event[i]);
	*s = (struct span){};
}

static void followed_free(struct timeline_table *t, struct followed *f)
{
	TAILQ_REMOVE(&t->units, f, entry);
	t->n--;
	for (unsigned int i = 0; i < f->t.n_spans; i++)
		span_done(&f->t.span[i]);
	proof_done(&f->main_known);
	free(f->t.unit);
	free(f->t.actor);
	free(f);
}

void timeline_table_init(struct timeline_table *t)
{
	TAILQ_INIT(&t->units);
}

void timeline_table_done(struct timeline_table *t)
{
	while (!TAILQ_EMPTY(&t->units))
		followed_free(t, TAILQ_FIRST(&t->units));
}

static struct followed *find(const struct timeline_table *t, uint32_t manager, struct str unit)
{
	struct followed *f;

	TAILQ_FOREACH(f, &t->units, entry)
	if (f->t.manager == manager && str_equal(unit, f->t.unit))
		return f;
	return NULL;
}

static int tell(struct timeline_table *t, struct followed *f)
{
	return f->t.n_spans ? t->sink(t->ctx, &f->t) : 0;
}

/* *ret NULL: nobody wants to see that unit. */
static int follow(struct timeline_table *t, uint32_t manager, struct str unit,
		  struct followed **ret)
{
	struct followed *f = find(t, manager, unit);
	char *name = f ? NULL : str_dup(unit);
	int r = 0;

	*ret = f;
	if (f)
		return 0;
	if (!name)
		return -ENOMEM;
	if (!t->wanted(t->ctx, name)) {
		free(name);
		return 0;
	}
	f = calloc(1, sizeof(*f));
	if (!f) {
		free(name);
		return -ENOMEM;
	}
	f->t.unit = name;
	f->t.manager = manager;
	TAILQ_INSERT_TAIL(&t->units, f, entry);
	*ret = f;
	if (++t->n > FOLLOWED_MAX) {
		r = tell(t, TAILQ_FIRST(&t->units));
		followed_free(t, TAILQ_FIRST(&t->units));
	}
	return r;
}

static struct span *last(struct timeline *t)
{
	return t->n_spans ? &t->span[t->n_spans - 1] : NULL;
}

static struct span *append(struct timeline *t)
{
	if (t->n_spans == SPANS_MAX) {
		span_done(&t->span[1]);
		memmove(&t->span[1], &t->span[2], (SPANS_MAX - 2) * sizeof(t->span[0]));
		t->n_spans--;
		t->n_left_out++;
	}
	t->span[t->n_spans] = (struct span){};
	return &t->span[t->n_spans++];
}

static int add_span(struct timeline *t, const char *state, int32_t main_pid, bool seen,
		    const struct ev *e)
{
	struct span *before = last(t), *s;

	if (before)
		before->end_mono_ns = e->mono_ns;
	s = append(t);
	s->state = strdup(state ? state : "?");
	s->active_state = state_active(state);
	s->main_pid = main_pid > 0 ? main_pid : 0;
	s->begin_seen = seen;
	s->begin_mono_ns = e->mono_ns;
	s->begin_wall_ns = e->wall_ns;
	return s->state ? proof_set(&s->seen, e) : -ENOMEM;
}

_printf_(3, 4) static int blame(struct span *s, enum span_cause cause, const char *fmt, ...)
{
	va_list args;
	int r;

	s->cause = cause;
	va_start(args, fmt);
	r = vasprintf(&s->why, fmt, args);
	va_end(args);
	if (r >= 0)
		return 0;
	s->why = NULL;
	return -ENOMEM;
}

static int blame_child(struct span *s, const struct trigger *t)
{
	bool main = t->main_pid > 0 && t->arg[0] == t->main_pid;
	bool control = t->control_pid > 0 && t->arg[0] == t->control_pid;
	enum span_cause cause = main	  ? SPAN_MAIN_EXIT
				: control ? SPAN_CONTROL_EXIT
					  : SPAN_CHILD_EXIT;
	const char *who = main ? "main process" : control ? "control process" : "process";
	char sig[24];

	if (t->arg[1] == CLD_EXITED)
		return blame(s, cause, "%s %" PRId32 " exited with %" PRId32, who, t->arg[0],
			     t->arg[2]);
	return blame(s, cause, "%s %" PRId32 " was killed by %s%s", who, t->arg[0],
		     text_signal(t->arg[2], sig), t->arg[1] == CLD_DUMPED ? ", core dumped" : "");
}

static int blame_trigger(struct span *s, const struct trigger *t)
{
	int r = proof_copy(&s->by, &t->proof);

	if (r < 0)
		return r;
	switch (t->kind) {
	case WIRE_SERVICE_STOP:
		return blame(s, SPAN_JOB, "%s job %" PRIu32, *t->job_type ? t->job_type : "stop",
			     t->job_id);
	case WIRE_SERVICE_SIGCHLD:
		return blame_child(s, t);
	case WIRE_SERVICE_TIMER:
		return blame(s, SPAN_TIMER, "a time limit or interval was over");
	case WIRE_SERVICE_WATCHDOG:
		return blame(s, SPAN_WATCHDOG, "its watchdog");
	case WIRE_SERVICE_OOM:
		return blame(s, SPAN_OOM, "the OOM killer");
	case WIRE_SERVICE_CGROUP_EMPTY:
		return blame(s, SPAN_CGROUP_EMPTY, "its cgroup became empty");
	default:
		return blame(s, SPAN_NOT_SEEN, "%s", trigger_function(t));
	}
}

static int blame_named_main(struct followed *f, struct span *s)
{
	s->by = f->main_known;
	f->main_known = (struct proof){};
	return blame(s, SPAN_PID_FILE, "its PID file names main process %" PRId32, f->named);
}

/* It was stopped, and begins anew. */
static int blame_start(struct span *s, enum state_class from, const struct ev *e)
{
	const char *type = e->service.job_type;
	int r = type ? proof_set(&s->by, e) : 0; /* that event names its job */

	if (r < 0)
		return r;
	if (from == STATE_RESTART)
		return blame(s, SPAN_RESTART, "Restart=%s%s", type ? ", by a job to " : "",
			     type ? type : "");
	if (e->service.job_id == 0 || !type)
		return 0;
	return blame(s, SPAN_JOB, "%s job %" PRIu32, type, e->service.job_id);
}

static bool is_triggered(const struct followed *f, const struct manager *m, const struct ev *e)
{
	const struct trigger *t = &m->trigger;

	return t->set && t->unit == e->service.unit && strcmp(t->id, f->t.unit) == 0 &&
	       t->proof.seq != f->used_seq && e->mono_ns - t->proof.mono_ns < CALL_NS;
}

/* The span is the newest; the one before is where it came from. */
static int find_cause(struct followed *f, const struct manager *m, const struct ev *e)
{
	struct span *s = last(&f->t), *before = f->t.n_spans > 1 ? s - 1 : NULL;
	enum state_class from = state_class(e->service.state);
	enum state_class to = state_class(s->state);
	int r;

	if ((from == STATE_FINAL || from == STATE_RESTART) &&
	    (to == STATE_STARTING || to == STATE_UP)) {
		f->used_seq = m->trigger.proof.seq; /* the timer that had the job made */
		return blame_start(s, from, e);
	}
	if (f->main_known.seq && e->mono_ns - f->main_known.mono_ns < CALL_NS)
		return blame_named_main(f, s);
	if (is_triggered(f, m, e)) {
		r = blame_trigger(s, &m->trigger);
		f->used_seq = m->trigger.proof.seq;
		return r;
	}
	if (before && before->begin_seen && e->mono_ns - before->begin_mono_ns < AT_ONCE_NS)
		return blame(s, SPAN_AT_ONCE, "at once");
	return 0;
}

/*
 * A service that runs enters that state again whenever it is looked at anew; and a reloaded manager
 * puts its units back to where they were.
 */
static bool is_no_change(const struct span *s, const struct ev *e)
{
	return s && strcmp(s->state, e->service.new_state) == 0;
}

static int change_state(struct followed *f, const struct manager *m, const struct ev *e)
{
	struct span *before = last(&f->t);
	enum state_class from = state_class(e->service.state);
	int r = 0;

	if (!e->service.new_state || is_no_change(before, e))
		return 0;
	if (!before && from != STATE_FINAL && e->service.state)
		r = add_span(&f->t, e->service.state, e->service.main_pid, false, e);
	if (r == 0)
		r = add_span(&f->t, e->service.new_state, e->service.main_pid, true, e);
	return r == 0 ? find_cause(f, m, e) : r;
}

/* What happens meanwhile. */
static int note_event(struct followed *f, const struct ev *e)
{
	struct span *s = last(&f->t);
	int r;

	if (!s)
		return 0;
	if (s->n_events == SPAN_EVENTS_MAX) {
		s->n_events_left_out++;
		return 0;
	}
	r = proof_set(&s->event[s->n_events], e);
	s->n_events += r == 0;
	return r;
}

static int change_main(struct followed *f, const struct ev *e)
{
	struct span *s = last(&f->t);
	int32_t pid = e->service.main_pid;
	int r;

	if (!s || pid <= 0 || s->main_pid == pid)
		return 0;
	if (f->main_known.seq && state_class(s->state) == STATE_STARTING)
		return 0; /* it is the next state's */
	if (s->main_pid == 0 || state_class(s->state) != STATE_UP) {
		s->main_pid = pid;
		return 0;
	}
	r = add_span(&f->t, s->state, pid, true, e);
	if (r < 0)
		return r;
	s = last(&f->t);
	return f->main_known.seq ? blame_named_main(f, s)
				 : blame(s, SPAN_MAIN_PID, "another main process");
}

static int learn_pid_file(struct followed *f, const struct ev *e)
{
	if (e->service.arg[0] < 0)
		return note_event(f, e);
	if (e->service.arg[0] == 0)
		return 0;
	f->named = e->service.main_pid;
	return proof_set(&f->main_known, e);
}

static int learn(struct followed *f, const struct manager *m, const struct ev *e)
{
	struct span *s = last(&f->t);
	int r = 0;

	/* the first that is seen of a unit which runs already */
	if (!s && state_class(e->service.state) == STATE_UP && e->kind != WIRE_SERVICE_SET_STATE)
		r = add_span(&f->t, e->service.state, e->service.main_pid, false, e);
	if (r == 0 && e->kind == WIRE_SERVICE_PIDFILE_RESULT)
		r = learn_pid_file(f, e);
	if (r == 0 && e->kind != WIRE_SERVICE_SET_STATE)
		r = change_main(f, e);
	if (r == 0 && e->kind == WIRE_SERVICE_SIGCHLD && e->service.arg[0] > 0 &&
	    e->service.arg[0] == e->service.main_pid)
		r = note_event(f, e);
	return r == 0 && e->kind == WIRE_SERVICE_SET_STATE ? change_state(f, m, e) : r;
}

int timeline_learn(struct timeline_table *t, const struct manager *m, const struct ev *e)
{
	bool look = e->kind == WIRE_PIDFILE;
	struct followed *f;
	int r;

	if (!t->wanted || (!look && !e->service.state))
		return 0;
	r = follow(t, m->tgid, look ? e->pidfile.id : e->service.id, &f);
	if (r < 0 || !f)
		return r;
	return look ? note_event(f, e) : learn(f, m, e);
}

/* The last span that is an end; 0: none, or there is nothing before it. */
static unsigned int end_of(const struct timeline *t)
{
	for (unsigned int i = t->n_spans; i-- > 1;) {
		enum state_class class = state_class(t->span[i].state);

		if (class == STATE_FINAL || class == STATE_RESTART)
			return i;
	}
	return 0;
}

/* All up to its end has been told: what comes after begins with that. */
static void begin_anew(struct timeline *t, unsigned int end)
{
	for (unsigned int i = 0; i < end; i++)
		span_done(&t->span[i]);
	memmove(&t->span[0], &t->span[end], (t->n_spans - end) * sizeof(t->span[0]));
	t->n_spans -= end;
	t->n_left_out = 0;
	t->have_verdict = t->complete = false;
	free(t->actor);
	t->actor = NULL;
}

static int set_verdict(struct timeline *t, const struct verdict *v)
{
	char name[ACTOR_NAME_MAX];

	t->have_verdict = true;
	t->cause = v->cause;
	t->certainty = v->certainty;
	if (!v->have_actor || v->n_chain == 0)
		return 0;
	t->actor = strdup(v->actor_kernel    ? "the kernel"
			  : v->actor_manager ? "systemd itself"
					     : actor_name(&v->chain[0], name));
	return t->actor ? 0 : -ENOMEM;
}

int timeline_end(struct timeline_table *t, const struct verdict *v)
{
	struct followed *f =
		t->wanted ? find(t, v->manager, (struct str){v->unit, strlen(v->unit)}) : NULL;
	unsigned int end = f ? end_of(&f->t) : 0, n = f ? f->t.n_spans : 0;
	int r;

	if (end == 0)
		return 0;
	r = set_verdict(&f->t, v);
	if (r < 0)
		return r;
	f->t.complete = true;
	f->t.n_spans = end + 1;
	r = tell(t, f);
	f->t.n_spans = n;
	begin_anew(&f->t, end);
	return r;
}

int timeline_flush(struct timeline_table *t)
{
	struct followed *f;
	int r = 0;

	while (r == 0 && (f = TAILQ_FIRST(&t->units))) {
		/* an end that was told already, and nothing since */
		if (f->t.n_spans > 1 ||
		    state_class(f->t.n_spans ? f->t.span[0].state : NULL) == STATE_UP)
			r = tell(t, f);
		followed_free(t, f);
	}
	return r;
}
