/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Events in, verdicts out.
 *
 * A manager is single-threaded, so the order of its own events tells what led to what: a trigger
 * (a job runs a unit's stop(), a child died, a cgroup is empty …) comes first, and what it decides
 * follows in the same call stack. A deciding event with no stop under way for its unit opens one;
 * the rules say why; the state that ends it makes the verdict complete.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "engine/hang.h"
#include "engine/hardware_watchdog.h"
#include "engine/pidfile_history.h"
#include "engine/rules.h"
#include "engine/slow.h"
#include "engine/timeline.h"
#include "engine/verdict.h"
#include "engine/watch.h"
#include "svctrace/text.h"

#define SECOND_NS	   1000000000ull
/* A trigger that is older did not lead to it; a call stack that takes longer than a second is odd.
 */
#define TRIGGER_WINDOW_NS  (10 * SECOND_NS)
#define TRIGGER_CERTAIN_NS SECOND_NS
/* Before 254, systemd says "failed" first and "auto-restart" next, in the same call. */
#define RESTART_WINDOW_NS  (20 * 1000000ull)
/* Where a restart or an action is due it comes, however slow the machine is. */
#define RESTART_DUE_NS	   (5 * SECOND_NS)
/* Losses this much before a stop count as losses in it: what led to it came earlier. */
#define LOST_LEAD_NS	   SECOND_NS
#define LOST_LEAD_MAX_NS   (120 * SECOND_NS)
/* What a service did while it was frozen, or did not, is felt for a while. */
#define FROZEN_WINDOW_NS   (60 * SECOND_NS)
#define LOST_SPANS_MAX	   32

struct lost_span {
	uint64_t since_ns, until_ns, count;
};

struct engine {
	verdict_sink sink;
	void *ctx;
	struct process_table processes;
	struct cgroup_table cgroups;
	struct unit_table units;
	struct stop_queue stops; /* in the order in which they began */
	struct call_table calls;
	struct hang_table hangs;
	struct watch_table watches;
	struct hardware_watchdog_table hardware;
	struct thread_look look; /* whose threads come now */
	slow_sink slow;		 /* NULL: nobody wants to know */
	void *slow_ctx;
	struct timeline_table timelines;
	unsigned int n_ended; /* stops that only wait for a restart to follow */
	struct lost_span lost[LOST_SPANS_MAX];
	unsigned int n_lost; /* ever; the newest overwrite the oldest */
	enum arch arch;
	bool jobs_are_seen;
	uint64_t now_mono, now_wall;
	struct engine_stats stats;
};

int engine_new(verdict_sink sink, void *ctx, struct engine **ret)
{
	struct engine *g = calloc(1, sizeof(*g));

	if (!g)
		return -ENOMEM;
	g->sink = sink;
	g->ctx = ctx;
	process_table_init(&g->processes);
	cgroup_table_init(&g->cgroups);
	unit_table_init(&g->units);
	call_table_init(&g->calls);
	hang_table_init(&g->hangs);
	watch_table_init(&g->watches);
	timeline_table_init(&g->timelines);
	TAILQ_INIT(&g->stops);
	*ret = g;
	return 0;
}

void engine_freep(struct engine **g)
{
	if (!*g)
		return;
	unit_table_done(&(*g)->units);
	call_table_done(&(*g)->calls);
	hang_table_done(&(*g)->hangs);
	watch_table_done(&(*g)->watches);
	hardware_watchdog_table_done(&(*g)->hardware);
	look_clear(&(*g)->look);
	timeline_table_done(&(*g)->timelines);
	cgroup_table_done(&(*g)->cgroups);
	process_table_done(&(*g)->processes);
	free(*g);
	*g = NULL;
}

void engine_tell_hangs(struct engine *g, hang_sink sink, void *ctx, uint64_t after_ns)
{
	g->hangs.sink = sink;
	g->hangs.ctx = ctx;
	g->hangs.after_ns = after_ns;
}

void engine_tell_slow(struct engine *g, slow_sink sink, void *ctx)
{
	g->slow = sink;
	g->slow_ctx = ctx;
}

void engine_tell_hardware_watchdogs(struct engine *g, hardware_watchdog_sink sink, void *ctx)
{
	g->hardware.sink = sink;
	g->hardware.ctx = ctx;
}

void engine_tell_timelines(struct engine *g, timeline_filter wanted, timeline_sink sink, void *ctx)
{
	g->timelines.wanted = wanted;
	g->timelines.sink = sink;
	g->timelines.ctx = ctx;
}

static bool is_trigger(enum wire_kind kind)
{
	switch (kind) {
	case WIRE_SERVICE_STOP:
	case WIRE_SERVICE_SIGCHLD:
	case WIRE_SERVICE_CGROUP_EMPTY:
	case WIRE_SERVICE_TIMER:
	case WIRE_SERVICE_WATCHDOG:
	case WIRE_SERVICE_OOM:
		return true;
	default:
		return false;
	}
}

static bool is_deciding(enum wire_kind kind)
{
	return kind == WIRE_SERVICE_ENTER_STOP || kind == WIRE_SERVICE_ENTER_SIGNAL ||
	       kind == WIRE_SERVICE_ENTER_DEAD || kind == WIRE_SERVICE_SET_STATE;
}

static int set_word(char **dst, const char *word)
{
	char *copy = word ? strdup(word) : NULL;

	if (word && !copy)
		return -ENOMEM;
	free(*dst);
	*dst = copy;
	return 0;
}

static void stop_free(struct engine *g, struct unit *u)
{
	TAILQ_REMOVE(&g->stops, u->stop, entry);
	g->n_ended -= u->stop->ended;
	stop_done(u->stop);
	free(u->stop);
	u->stop = NULL;
	unit_drop(&g->units, u);
}

/* How long before the first event of a stop a loss can have taken what led to it. */
static uint64_t loss_lead(const struct verdict *v)
{
	/* it had begun by then, or its job came from nowhere: that is what was lost, whenever */
	bool begun = state_class(v->old_state) == STATE_STOPPING;

	return begun || (v->job_id && v->n_links == 0) ? LOST_LEAD_MAX_NS : LOST_LEAD_NS;
}

static int apply_losses(const struct engine *g, struct verdict *v)
{
	unsigned int n = g->n_lost < LOST_SPANS_MAX ? g->n_lost : LOST_SPANS_MAX;

	for (unsigned int i = 0; i < n; i++)
		if (g->lost[i].since_ns <= v->end_mono_ns &&
		    g->lost[i].until_ns + loss_lead(v) >= v->begin_mono_ns)
			v->lost += g->lost[i].count;
	if (v->lost == 0)
		return 0;
	certainty_limit(&v->certainty, INFERRED);
	if (v->have_actor)
		certainty_limit(&v->actor_certainty, INFERRED);
	return verdict_note(v, "%" PRIu64 " events were lost around it: something may be missing",
			    v->lost);
}

/* What became known of the processes since the stop began. */
static int complete_processes(const struct engine *g, struct verdict *v)
{
	const struct process *p;

	for (unsigned int i = 0; i < v->n_chain; i++)
		if (actor_enrich(&v->chain[i], &g->processes) < 0)
			return -ENOMEM;
	p = v->main_tgid && !v->main_cmdline ? process_by_tgid(&g->processes, v->main_tgid) : NULL;
	return p ? set_word(&v->main_cmdline, p->a.cmdline) : 0;
}

static int note_result(struct verdict *v)
{
	if (v->cause != CAUSE_MAIN_KILLED || !v->result || strcmp(v->result, "success") != 0)
		return 0;
	return verdict_note(v, "systemd's own result is \"success\" although the main process was "
			       "killed");
}

static struct hang_unit hang_unit_of(const struct engine *g, const struct verdict *v)
{
	const struct manager *m = manager_find(&g->units, v->manager);

	return (struct hang_unit){.root = m && m->root ? m->root : "", .name = v->unit};
}

/* A process that cannot exit outlives its unit's stop, or makes it time out. */
static int join_hang(const struct engine *g, struct verdict *v)
{
	const struct hang_unit u = hang_unit_of(g, v);
	const struct wait *w = hang_of_unit(&g->hangs, &u, g->now_mono);
	int r;

	if (!w)
		return 0;
	v->hang = calloc(1, sizeof(*v->hang));
	if (!v->hang)
		return -ENOMEM;
	v->hang->begin_mono_ns = w->begin_mono_ns;
	v->hang->begin_wall_ns = w->begin_wall_ns;
	v->hang->mono_ns = g->now_mono;
	v->hang->wall_ns = g->now_wall;
	r = hang_fill(&g->hangs, v->hang, w, &g->processes);
	for (unsigned int i = 0; r == 0 && i < v->hang->n_proof; i++)
		r = verdict_cite(v, &v->hang->proof[i]);
	return r;
}

/* Ends the stop: the verdict goes out, and the unit is forgotten. */
static int stop_finish(struct engine *g, struct unit *u)
{
	struct manager *m = manager_find(&g->units, u->manager);
	struct verdict *v = &u->stop->v;
	struct cgroup *c;
	int r = complete_processes(g, v);

	v->active_state = state_active(v->sub_state);
	v->pidfiles = u->pidfiles;
	if (r == 0)
		r = note_result(v);
	if (r == 0)
		r = join_hang(g, v);
	if (r == 0 && !u->stop->of_scope)
		r = restart_explain(v, &u->stop->ending);
	if (r == 0)
		r = apply_losses(g, v);
	verdict_sort_proof(v);
	if (r == 0)
		r = timeline_end(&g->timelines, v);
	if (r == 0 && (!u->stop->from_final || v->restarts ||
		       (v->active_state && strcmp(v->active_state, "failed") == 0))) {
		g->stats.verdicts++;
		r = g->sink(g->ctx, v);
	}
	if (m)
		jobs_forget_stops(&m->jobs, (struct str){u->id, strlen(u->id)});
	c = cgroup_find(&g->cgroups, m && m->root ? m->root : "", u->id);
	if (c)
		cgroup_drop(&g->cgroups, c);
	pidfile_history_freep(&u->pidfiles); /* the next start has its own */
	stop_free(g, u);
	return r;
}

static int stop_abandon(struct engine *g, struct unit *u, const char *why)
{
	struct verdict *v = &u->stop->v;
	int r = 0;

	if (!u->stop->ended) {
		v->incomplete = true;
		v->end_mono_ns = g->now_mono;
		v->end_wall_ns = g->now_wall;
		certainty_limit(&v->certainty, INFERRED);
		r = verdict_note(v, "%s", why);
	}
	return r < 0 ? r : stop_finish(g, u);
}

static int stop_set_processes(struct opening *o)
{
	int32_t control = o->e->service.control_pid;

	o->v->control_pid = control == WIRE_NONE ? -1 : control;
	return opening_set_main(o, o->trigger ? o->trigger->main_pid : o->e->service.main_pid);
}

/* The call chain leads through another of the ways into a service's code than that. */
static bool is_of_another(const struct opening *o, enum wire_kind trigger)
{
	static const struct {
		const char *function;
		enum wire_kind kind; /* 0: it has no kind of its own */
	} ways[] = {
		{"service_stop", WIRE_SERVICE_STOP},
		{"service_sigchld_event", WIRE_SERVICE_SIGCHLD},
		{"service_notify_cgroup_empty_event", WIRE_SERVICE_CGROUP_EMPTY},
		{"service_notify_cgroup_oom_event", WIRE_SERVICE_OOM},
		{"service_dispatch_timer", WIRE_SERVICE_TIMER},
		{"service_dispatch_watchdog", WIRE_SERVICE_WATCHDOG},
		{"service_force_watchdog", WIRE_SERVICE_WATCHDOG},
		{"service_notify_message", 0},
		{"service_bus_name_owner_change", 0},
		{"signal_name_owner_changed", 0},
		{"service_start", 0},
	};
	bool other = false;

	for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
		if (!called_from(o, ways[i].function))
			continue;
		if (ways[i].kind == trigger)
			return false;
		other = true;
	}
	return other;
}

/* The trigger counts if it was this unit's and nothing else can have come in between. */
static int stop_set_trigger(struct opening *o)
{
	const struct trigger *t = &o->manager->trigger;
	struct verdict *v = o->v;
	int r;

	v->certainty = UNKNOWN;
	/* what is refused is a start: no way into the code of a running service leads there */
	if (decided_result(o, "start-limit-hit"))
		return 0;
	if (!t->set || t->spent || is_of_another(o, t->kind) || t->unit != o->e->service.unit ||
	    strcmp(t->id, o->unit->id) != 0 || o->e->mono_ns - t->proof.mono_ns > TRIGGER_WINDOW_NS)
		return 0;
	o->trigger = t;
	v->certainty = CERTAIN;
	verdict_via(v, trigger_function(t));
	r = verdict_cite(v, &t->proof);
	if (r == 0 && t->followed_by_others) {
		v->certainty = INFERRED;
		r = verdict_note(v, "other units' events came between %s and its decision",
				 trigger_function(t));
	} else if (r == 0 && o->e->mono_ns - t->proof.mono_ns > TRIGGER_CERTAIN_NS) {
		v->certainty = INFERRED;
		r = verdict_note(v, "its decision came long after %s", trigger_function(t));
	}
	return r;
}

/* No event says what a manager freezes a unit for: the call names the unit, and came before. */
static int note_freezer(struct verdict *v, const struct call *froze)
{
	char name[ACTOR_NAME_MAX];
	int r = verdict_cite(v, &froze->proof);

	return r < 0 ? r
		     : verdict_note(v, "it was frozen because %s asked for it (inferred)",
				    actor_name(&froze->from.chain[0], name));
}

/* Who is frozen hears no signal, sends no keepalive, ends nothing in time. */
static int note_frozen(const struct opening *o)
{
	const char *root = o->manager->root ? o->manager->root : "";
	const struct cgroup *c = cgroup_find(o->cgroups, root, o->unit->id);
	uint64_t now = o->e->mono_ns, until = c && c->thawed.seq ? c->thawed.mono_ns : now;
	char how_long[32], since[32];
	int r;

	if (!c || c->frozen.seq == 0 || until + FROZEN_WINDOW_NS < now)
		return 0;
	text_duration(until - c->frozen.mono_ns, how_long);
	if (!c->thawed.seq)
		r = verdict_note(o->v, "its processes were frozen, for %s by then", how_long);
	else
		r = verdict_note(o->v, "its processes had been frozen for %s, until %s before",
				 how_long, text_duration(now - until, since));
	if (r == 0)
		r = verdict_cite(o->v, &c->frozen);
	if (r == 0)
		r = verdict_cite(o->v, &c->thawed);
	return r == 0 && c->froze ? note_freezer(o->v, c->froze) : r;
}

static int stop_explain(struct engine *g, struct manager *m, struct unit *u, const struct ev *e)
{
	struct opening o = {
		.processes = &g->processes,
		.cgroups = &g->cgroups,
		.arch = g->arch,
		.jobs_are_seen = g->jobs_are_seen,
		.manager = m,
		.unit = u,
		.e = e,
		.v = &u->stop->v,
	};
	const char *result = e->service.new_result;
	int r = stop_set_trigger(&o);

	if (r == 0)
		r = stop_set_processes(&o);
	if (r == 0)
		r = rules_apply(&o);
	if (r == 0 && triggered_by(&o, WIRE_SERVICE_SIGCHLD))
		r = pidfile_history_explain(u->pidfiles, o.v, o.trigger->proof.mono_ns);
	if (r == 0)
		r = note_frozen(&o);
	if (r == 0 && o.trigger)
		r = verdict_step(o.v, "%s", trigger_function(o.trigger));
	if (r < 0)
		return r;
	return verdict_step(o.v, "%s%s%s%s", event_function(e->kind, e->scope), result ? "(" : "",
			    result ? result : "", result ? ")" : "");
}

/*
 * A sample comes just before the event that it belongs to. If that one was lost, what comes next
 * is another: no kind but these has samples, and a name that is known must be theirs.
 */
static bool is_stack_of(const struct manager *m, const struct ev *e)
{
	const struct ev_frame *f = m->stack.frames;

	if (m->stack.n == 0 || m->stack_tid != e->tid || e->kind == WIRE_SERVICE_SET_STATE)
		return false;
	return !f->name.s || f->guess || str_equal(f->name, event_function(e->kind, e->scope));
}

/* By itself, or because the service asked for it. */
static bool watchdog_has_fired(const struct ev *e)
{
	const struct ev_service *s = &e->service;

	return e->kind == WIRE_SERVICE_ENTER_SIGNAL && s->new_result && s->new_state &&
	       strcmp(s->new_result, "watchdog") == 0 && strcmp(s->new_state, "stop-watchdog") == 0;
}

static int stop_open(struct engine *g, struct manager *m, struct unit *u, const struct ev *e)
{
	struct stop *s = calloc(1, sizeof(*s));
	struct verdict *v;
	int r;

	if (!s)
		return -ENOMEM;
	s->unit = u;
	s->of_scope = e->scope != WIRE_SCOPE_NONE;
	u->stop = s;
	TAILQ_INSERT_TAIL(&g->stops, s, entry);
	v = &s->v;
	v->begin_mono_ns = e->mono_ns;
	v->begin_wall_ns = e->wall_ns;
	v->manager = m->tgid;
	v->manager_user = m->user;
	v->manager_uid = m->uid;
	v->signal_syscall = WIRE_NONE;
	v->actor_certainty = UNKNOWN;
	if (is_stack_of(m, e)) {
		v->stack = m->stack;
		m->stack = (struct ev_stack){};
	}
	if (set_word(&v->unit, u->id) < 0 || set_word(&v->old_state, e->service.state) < 0 ||
	    set_word(&v->sub_state, e->service.state) < 0)
		return -ENOMEM;
	r = stop_explain(g, m, u, e);
	if (r == 0 && watchdog_has_fired(e))
		r = watch_explain(&g->watches, e, v);
	watch_forget(&g->watches, m->tgid, e->service.id);
	return r;
}

static int stop_note_sigchld(struct engine *g, struct manager *m, struct unit *u,
			     const struct ev *e)
{
	const struct ev_service *x = &e->service;
	struct verdict *v = &u->stop->v;

	if (x->arg[0] > 0 && x->arg[0] == v->main_pid && !v->have_exit)
		rules_set_exit(v, x->arg[1], x->arg[2]);
	/* of the states in which systemd kills them itself no command is told */
	if (x->arg[0] <= 0 || x->arg[0] != x->control_pid || !state_setting(x->state))
		return 0;
	return note_command(v, manager_process(&g->processes, m, x->arg[0]), x->arg[0], x->state,
			    x->arg[1], x->arg[2]);
}

/* A timeout of the stop itself: what systemd does about it is its next state. */
static int stop_note_timeout(struct stop *s, const struct ev *e)
{
	struct verdict *v = &s->v;
	struct escalation *x;

	if (v->n_escalations == VERDICT_ESCALATIONS_MAX ||
	    state_class(e->service.state) != STATE_STOPPING)
		return 0;
	x = reallocarray(v->escalations, v->n_escalations + 1, sizeof(*x));
	if (!x)
		return -ENOMEM;
	v->escalations = x;
	x += v->n_escalations++;
	*x = (struct escalation){
		.mono_ns = e->mono_ns,
		.in_state_ns = s->state_mono_ns ? e->mono_ns - s->state_mono_ns : 0,
	};
	return set_word(&x->state, e->service.state);
}

/* The state behind a timeout is what came of it. */
static int stop_note_escalation(struct stop *s, const char *state)
{
	struct verdict *v = &s->v;
	struct escalation *x = v->n_escalations ? &v->escalations[v->n_escalations - 1] : NULL;
	char when[32];

	if (!x || x->next || !state)
		return 0;
	if (set_word(&x->next, state) < 0)
		return -ENOMEM;
	return verdict_note(v, "its stop timeout ran out in %s%s%s: %s", x->state,
			    x->in_state_ns ? " after " : "",
			    x->in_state_ns ? text_duration(x->in_state_ns, when) : "", state);
}

static int stop_note_dead(struct manager *m, struct stop *s, const struct ev *e)
{
	int r = 0;

	ending_learn(&s->ending, e, &m->facts);
	if (m->action.proof.seq && m->action.proof.mono_ns + TRIGGER_CERTAIN_NS > e->mono_ns)
		r = restart_learn_action(&s->v, &s->ending, m->action.name, &m->action.proof);
	proof_done(&m->action.proof);
	return r < 0 ? r : 0;
}

/* What every event of the unit adds to a stop under way. */
static int stop_note_event(struct engine *g, struct manager *m, struct unit *u, const struct ev *e)
{
	struct stop *s = u->stop;

	int r = 0;

	if (e->kind == WIRE_SERVICE_SIGCHLD)
		r = stop_note_sigchld(g, m, u, e);
	else if (e->kind == WIRE_SERVICE_TIMER)
		r = stop_note_timeout(s, e);
	if (r < 0)
		return r;
	if (e->kind == WIRE_SERVICE_SET_STATE)
		s->via_closed = true;
	else if (!s->via_closed && is_deciding(e->kind))
		verdict_via(&s->v, event_function(e->kind, e->scope));
	if (e->kind == WIRE_SERVICE_ENTER_DEAD) {
		s->dead_entered = true;
		r = s->of_scope ? 0 : stop_note_dead(m, s, e);
	}
	if (r < 0)
		return r;
	return slow_follow(s, e) < 0 ? -ENOMEM : verdict_cite_event(&s->v, e);
}

/* What the end of this unit leads to comes right behind it. */
static int set_down(struct manager *m, const struct verdict *v)
{
	id_copy(m->down.id, (struct str){v->unit, strlen(v->unit)});
	lineage_done(&m->down.by);
	m->down.mono_ns = v->end_mono_ns;
	m->down.signal = v->signal;
	m->down.kernel = v->actor_kernel;
	m->down.manager = v->actor_manager;
	m->down.certainty = v->actor_certainty;
	if (!v->have_actor || v->n_chain == 0)
		return 0;
	return lineage_copy(&m->down.by, &(struct lineage){v->chain, v->n_chain});
}

static int stop_end(struct engine *g, struct stop *s, const struct ev *e)
{
	struct manager *m = manager_find(&g->units, s->unit->manager);

	s->ended = true;
	g->n_ended++;
	s->v.end_mono_ns = e->mono_ns;
	s->v.end_wall_ns = e->wall_ns;
	if (m && set_down(m, &s->v) < 0)
		return -ENOMEM;
	if (m && m->trigger.unit == e->service.unit)
		m->trigger.spent = true;
	return set_word(&s->v.result, e->service.result);
}

/* A stop is under way, and the unit enters another state. */
static int stop_set_state(struct engine *g, struct unit *u, const struct ev *e)
{
	struct stop *s = u->stop;
	const char *state = e->service.new_state;
	enum state_class class = state_class(state);
	int r;

	if (class == STATE_STARTING || class == STATE_UP)
		return s->ended ? stop_finish(g, u)
				: stop_abandon(g, u, "the end of this stop was not seen");
	r = set_word(&s->v.sub_state, state);
	if (r == 0)
		r = stop_note_escalation(s, state);
	s->state_mono_ns = e->mono_ns;
	if (r < 0 || class == STATE_STOPPING || (class == STATE_UNKNOWN && !s->dead_entered))
		return r;
	if (!s->ended)
		r = stop_end(g, s, e);
	if (r < 0 || class != STATE_RESTART)
		return r;
	s->v.restarts = true;
	return strstr(state, "before") ? 0 : stop_finish(g, u);
}

/* Whether a stop that nothing was known of begins with this event. */
static bool opens_stop(const struct manager *m, const struct ev *e)
{
	const struct trigger *t = &m->trigger;
	enum state_class from = state_class(e->service.state);
	enum state_class to = state_class(e->service.new_state);

	if (e->kind != WIRE_SERVICE_SET_STATE)
		return true;
	if (to != STATE_STOPPING && to != STATE_FINAL && to != STATE_RESTART)
		return false;
	/* a restart that waits can be called off; its own job runs stop() too, but means a start */
	if (from == STATE_RESTART)
		return to == STATE_FINAL && t->set && t->kind == WIRE_SERVICE_STOP &&
		       t->unit == e->service.unit && strcmp(t->job_type, "stop") == 0;
	/* out of a final state only a reloaded manager puts units back to where they were */
	return from != STATE_FINAL;
}

/*
 * It starts anew: what was asked of the unit in its life before, and read from its PID file, is
 * over. It is up: what went wrong on the way does not matter any more.
 */
static void forget_past(struct engine *g, struct manager *m, struct unit *u, const struct ev *e)
{
	enum state_class from = state_class(e->service.state);
	enum state_class to = state_class(e->service.new_state);
	bool anew = from == STATE_FINAL && (to == STATE_STARTING || to == STATE_UP);

	if (anew)
		jobs_forget_stops(&m->jobs, e->service.id);
	if (!u)
		return;
	if (anew)
		pidfile_history_freep(&u->pidfiles);
	if (to == STATE_UP)
		unit_forget(u);
	unit_release(&g->units, u);
}

static int on_deciding(struct engine *g, struct manager *m, const struct ev *e)
{
	struct unit *u = unit_find(&g->units, m->tgid, e->service.id);
	int r = 0;

	if (!u || !u->stop) {
		if (!opens_stop(m, e)) {
			forget_past(g, m, u, e);
			return 0;
		}
		u = unit_get(&g->units, m->tgid, e->service.id);
		r = u ? stop_open(g, m, u, e) : -ENOMEM;
		if (r < 0)
			return r;
		u->stop->from_final = state_class(e->service.state) == STATE_FINAL;
	}
	r = stop_note_event(g, m, u, e);
	if (r < 0 || e->kind != WIRE_SERVICE_SET_STATE)
		return r;
	return stop_set_state(g, u, e);
}

/* The manager turns to something else: what it was asked before has no part in it. */
static void forget_asked(struct manager *m)
{
	request_unref(m->asked);
	request_unref(m->to_kill);
	m->asked = m->to_kill = NULL;
}

static int on_message(struct engine *g, const struct ev *e)
{
	struct manager *m = manager_get(&g->units, e);

	if (!m)
		return -ENOMEM;
	trigger_clear(&m->trigger);
	forget_asked(m);
	m->triggering[0] = 0;
	m->asked = calls_join(&g->calls, e, &g->processes);
	return m->asked ? 0 : -ENOMEM;
}

/* What the message asks for. */
static int on_asked(struct manager *m, const struct ev *e)
{
	struct request *q = m->asked;
	int r = 0;

	trigger_clear(&m->trigger);
	m->asked = NULL;
	forget_asked(m);
	if (e->kind == WIRE_BUS_KILL) {
		m->to_kill = q;
		return 0;
	}
	r = jobs_request(&m->jobs, e, q);
	request_unref(q);
	return r;
}

static bool stack_has(const struct ev_stack *stack, const char *function)
{
	unsigned int i = 0;

	while (i < stack->n && !str_equal(stack->frames[i].name, function))
		i++;
	return i < stack->n;
}

static bool begins_with(struct str s, const char *prefix)
{
	size_t n = strlen(prefix);

	return s.n >= n && memcmp(s.s, prefix, n) == 0;
}

/* What a call chain that ends in manager_add_job() was about. */
static enum root_reason stack_reason(const struct ev_stack *stack)
{
	static const struct {
		const char *prefix;
		enum root_reason reason;
	} functions[] = {
		{"manager_dispatch_stop_when_unneeded_queue", ROOT_UNNEEDED},
		{"manager_dispatch_stop_when_bound_queue", ROOT_BOUND},
		{"manager_dispatch_start_when_upheld_queue", ROOT_UPHELD},
		{"retroactively_stop_dependencies", ROOT_BOUND},
		{"timer_", ROOT_TIMER},
		{"path_", ROOT_PATH},
		{"socket_", ROOT_SOCKET},
		{"automount_", ROOT_AUTOMOUNT},
		{"unit_start_on_", ROOT_ON_RESULT},
		{"unit_trigger_on_", ROOT_ON_RESULT},
		{"service_enter_restart", ROOT_RESTART},
		{"emergency_action", ROOT_EMERGENCY},
		{"manager_start_special", ROOT_SIGNAL},
		{"manager_dispatch_signal_fd", ROOT_SIGNAL},
		{"bus_process_object", ROOT_REQUEST},
		{"object_find_and_run", ROOT_REQUEST},
		{"varlink_dispatch_method", ROOT_REQUEST},
		{"sd_varlink_process", ROOT_REQUEST},
	};

	for (unsigned int f = 0; f < stack->n; f++)
		for (size_t i = 0; i < ARRAY_LEN(functions); i++) {
			const struct str name = stack->frames[f].name;

			/* the end of a unit, even if that is a timer or a socket */
			if (str_equal(name, "unit_notify"))
				return ROOT_UNKNOWN;
			if (begins_with(name, functions[i].prefix))
				return functions[i].reason;
		}
	return ROOT_UNKNOWN;
}

/*
 * What does it may be built into its caller: unit_notify() tells a unit's dependents of its end,
 * and the loop itself stops what is not needed.
 */
static enum root_reason inlined_reason(const struct ev_stack *stack, const struct ev *e)
{
	bool stop = e->job.type && strcmp(e->job.type, "stop") == 0;

	/* emergency_action() may leave no frame behind, but it alone names its unit */
	if (stack_has(stack, "unit_notify") &&
	    (stack_has(stack, "manager_add_job_by_name") ||
	     stack_has(stack, "manager_add_job_by_name_and_warn") ||
	     stack_has(stack, "manager_add_job_by_name_or_warn")))
		return ROOT_EMERGENCY;
	if (stack_has(stack, "unit_notify"))
		return stop ? ROOT_BOUND : ROOT_ON_RESULT;
	return stop && stack->n > 1 && str_equal(stack->frames[1].name, "manager_loop")
		       ? ROOT_UNNEEDED
		       : ROOT_UNKNOWN;
}

/* The unit whose end is told is no service or scope: a mount, a device, a socket … */
static bool ended_other(const struct ev_stack *stack)
{
	for (unsigned int i = 0; i + 1 < stack->n; i++)
		if (str_equal(stack->frames[i].name, "unit_notify")) {
			const struct str by = stack->frames[i + 1].name;

			return by.s && !begins_with(by, "service_") && !begins_with(by, "scope_");
		}
	return false;
}

/* A unit that ends takes others along, or starts them: which one, and who ended it? */
static int set_culprit(const struct manager *m, const struct ev *e, struct transaction *t)
{
	const struct trigger *x = &m->trigger;
	bool certain = x->set && !x->followed_by_others && strcmp(x->id, m->down.id) == 0 &&
		       e->mono_ns - x->proof.mono_ns <= TRIGGER_CERTAIN_NS;

	if (ended_other(&m->stack))
		return 0;
	if (!*m->down.id || strcmp(m->down.id, t->anchor) == 0 ||
	    m->down.mono_ns + TRIGGER_CERTAIN_NS < e->mono_ns)
		return 0;
	t->culprit = strdup(m->down.id);
	t->culprit_certain = certain;
	t->blamed_signal = m->down.signal;
	t->blamed_kernel = m->down.kernel;
	t->blamed_manager = m->down.manager;
	t->blamed_certainty = m->down.certainty;
	if (!t->culprit)
		return -ENOMEM;
	return m->down.by.n ? lineage_copy(&t->blamed, &m->down.by) : 0;
}

/* A method that makes jobs in a way of its own: who called it is only inferred. */
static int set_latest_request(struct engine *g, const struct manager *m, struct transaction *t)
{
	return calls_latest(&g->calls, m->tgid, g->now_mono, &t->request);
}

static int on_add_job(struct engine *g, struct manager *m, const struct ev *e)
{
	enum root_reason reason = m->stack_tid == e->tid ? stack_reason(&m->stack) : ROOT_UNKNOWN;
	struct transaction *t;
	int r;

	if (reason == ROOT_UNKNOWN && m->stack_tid == e->tid)
		reason = inlined_reason(&m->stack, e);
	r = jobs_begin(&m->jobs, e, reason, &t);
	if (r == 0 && t && reason == ROOT_REQUEST)
		r = set_latest_request(g, m, t);
	if (r == 0 && t && reason >= ROOT_TIMER && reason <= ROOT_AUTOMOUNT && *m->triggering)
		t->trigger = strdup(m->triggering);
	if (r == 0 && t &&
	    (reason == ROOT_BOUND || reason == ROOT_ON_RESULT || reason == ROOT_UNNEEDED ||
	     reason == ROOT_EMERGENCY))
		r = set_culprit(m, e, t);
	m->triggering[0] = 0;
	return r;
}

static int on_job(struct engine *g, const struct ev *e)
{
	struct manager *m = manager_get(&g->units, e);
	int r = 0;

	if (!m)
		return -ENOMEM;
	request_unref(m->to_kill);
	m->to_kill = NULL;
	if (e->kind == WIRE_UNIT_TRIGGERS)
		id_copy(m->triggering, e->job.id);
	else if (e->kind == WIRE_TRANSACTION_JOB)
		r = jobs_add(&m->jobs, e, m->asked);
	else
		r = on_add_job(g, m, e);
	ev_stack_done(&m->stack);
	return r;
}

/* A load, what was found there, or what the manager made of it. */
static int on_pidfile(struct engine *g, struct manager *m, const struct ev *e)
{
	struct str id = e->kind == WIRE_PIDFILE ? e->pidfile.id : e->service.id;
	struct unit *u = e->kind == WIRE_SERVICE_PIDFILE_LOAD ? unit_get(&g->units, m->tgid, id)
							      : unit_find(&g->units, m->tgid, id);

	if (!u)
		return e->kind == WIRE_SERVICE_PIDFILE_LOAD ? -ENOMEM : 0;
	return pidfile_history_learn(&u->pidfiles, e, m);
}

/* Its main process ends, but systemd lets a command end first. */
static bool is_end_put_off(const struct ev *e)
{
	const struct ev_service *x = &e->service;

	return e->kind == WIRE_SERVICE_SIGCHLD && x->arg[0] > 0 && x->arg[0] == x->main_pid &&
	       x->control_pid > 0;
}

/* What may turn out to be the reason of a stop that has not begun. */
static int remember(struct engine *g, struct manager *m, const struct ev *e)
{
	struct unit *u;

	if (e->kind == WIRE_SERVICE_PIDFILE_LOAD || e->kind == WIRE_SERVICE_PIDFILE_RESULT)
		return on_pidfile(g, m, e);
	if (!is_end_put_off(e))
		return 0;
	u = unit_get(&g->units, m->tgid, e->service.id);
	return u ? unit_learn_main_end(u, e) : -ENOMEM;
}

static int follow_service(struct engine *g, struct manager *m, const struct ev *e)
{
	struct unit *u;
	int r = 0;

	if (e->kind == WIRE_BUS_QUEUE_JOB || e->kind == WIRE_BUS_KILL)
		return on_asked(m, e);
	forget_asked(m);
	m->triggering[0] = 0;
	if (is_trigger(e->kind))
		r = trigger_set(&m->trigger, e);
	else if (m->trigger.set && m->trigger.unit != e->service.unit)
		m->trigger.followed_by_others = true;
	if (r < 0)
		return r;
	if (is_deciding(e->kind))
		return on_deciding(g, m, e);
	r = remember(g, m, e);
	u = unit_find(&g->units, m->tgid, e->service.id);
	return r == 0 && u && u->stop ? stop_note_event(g, m, u, e) : r;
}

static int on_dependency(struct engine *g, const struct ev *e)
{
	struct manager *m = manager_find(&g->units, e->tgid);

	return m ? jobs_name_dependency(&m->jobs, e) : 0;
}

static int on_pidfile_look(struct engine *g, const struct ev *e)
{
	struct manager *m = manager_get(&g->units, e);

	if (!m || timeline_learn(&g->timelines, m, e) < 0)
		return -ENOMEM;
	return on_pidfile(g, m, e);
}

static int on_service(struct engine *g, const struct ev *e)
{
	struct manager *m = manager_get(&g->units, e);
	int r = m ? timeline_learn(&g->timelines, m, e) : -ENOMEM;

	if (r == 0)
		r = follow_service(g, m, e);
	if (m)
		ev_stack_done(&m->stack); /* it was this event's or nobody's */
	return r;
}

static int on_facts(struct engine *g, const struct ev *e)
{
	const struct unit *u = unit_find(&g->units, e->manager.tgid, e->facts.id);
	struct manager *m = manager_get(&g->units, e);
	int r = m ? facts_learn(&m->facts, e) : -ENOMEM;

	return r < 0 || (u && u->stop) ? r : watch_learn_facts(&g->watches, e);
}

static int tell_slow(struct engine *g, const struct stop *s, const struct ev *e)
{
	const struct slow_notice n = {
		.v = &s->v,
		.look = &g->look,
		.mono_ns = e->mono_ns,
		.wall_ns = e->wall_ns,
	};

	return g->slow ? g->slow(g->slow_ctx, &n) : 0;
}

static int take_look(struct engine *g, const struct ev *e)
{
	struct unit *u = unit_find(&g->units, e->manager.tgid, e->look.id);
	bool of_watchdog =
		g->look.reason == WIRE_LOOK_KEEPALIVE_DUE || g->look.reason == WIRE_LOOK_WATCHDOG;
	int r;

	if (!u || !u->stop)
		return of_watchdog ? watch_learn_look(&g->watches, e->manager.tgid, e->look.id,
						      &g->look)
				   : 0;
	r = slow_learn_look(u->stop, &g->look);
	if (r == 0 && g->look.reason == WIRE_LOOK_SLOW && !u->stop->ended)
		r = tell_slow(g, u->stop, e);
	return r;
}

static int on_look(struct engine *g, const struct ev *e)
{
	int r = look_learn(&g->look, e);

	if (r == 0)
		r = take_look(g, e);
	look_clear(&g->look);
	return r;
}

/* The stop that it is because of ended just before, or is yet to begin: a start limit's. */
static int on_action(struct engine *g, const struct ev *e)
{
	struct manager *m = manager_get(&g->units, e);
	struct stop *s;
	int r = 0;

	if (!m)
		return -ENOMEM;
	proof_done(&m->action.proof);
	if (proof_set(&m->action.proof, e) < 0)
		return -ENOMEM;
	word_copy(m->action.name, e->action);
	TAILQ_FOREACH_REVERSE(s, &g->stops, stop_queue, entry)
	if (r == 0 && s->ended && s->v.manager == m->tgid)
		r = restart_learn_action(&s->v, &s->ending, m->action.name, &m->action.proof);
	if (r > 0)
		proof_done(&m->action.proof);
	return r < 0 ? r : 0;
}

static int on_stack(struct engine *g, const struct ev *e)
{
	struct manager *m = manager_get(&g->units, e);

	if (!m)
		return -ENOMEM;
	ev_stack_done(&m->stack);
	m->stack_tid = e->tid;
	return ev_stack_copy(&m->stack, &e->stack);
}

static int on_manager_cgroup(struct engine *g, const struct ev *e)
{
	struct manager *m = manager_get(&g->units, e);
	struct str unit = cgroup_unit(e->path.path);

	if (!m)
		return -ENOMEM;
	trigger_clear(&m->trigger);
	forget_asked(m);
	if (e->kind == WIRE_MANAGER_CGROUP_EVENT)
		return proof_set(&m->cgroup_event, e);
	if (!unit.s || unit.n >= WIRE_ID_MAX)
		return 0;
	memcpy(m->cgroup_empty_unit, unit.s, unit.n);
	m->cgroup_empty_unit[unit.n] = 0;
	return proof_set(&m->cgroup_empty, e);
}

/* What happens to the main process of a unit that stops is part of the story. */
static int cite_for_main(struct engine *g, uint32_t tgid, const struct ev *e)
{
	struct stop *s;

	TAILQ_FOREACH(s, &g->stops, entry)
	if (s->v.main_tgid == tgid && !s->ended)
		return verdict_cite_event(&s->v, e);
	return 0;
}

/* A manager that exits takes its units along. */
static int manager_exited(struct engine *g, uint32_t tgid)
{
	struct manager *m = manager_find(&g->units, tgid);
	struct unit *u, *next;
	int r = 0;

	if (!m)
		return 0;
	for (u = TAILQ_FIRST(&g->units.units); u && r == 0; u = next) {
		next = TAILQ_NEXT(u, entry);
		if (u->manager != tgid)
			continue;
		if (u->stop)
			r = stop_abandon(g, u, "its manager ended first");
		else
			unit_drop(&g->units, u);
	}
	manager_drop(&g->units, m);
	return r;
}

static int on_exit_event(struct engine *g, const struct ev *e)
{
	uint32_t tgid = e->process.task.tgid;
	struct process *p = process_learn_exit(&g->processes, e);
	int r;

	if (!p)
		return -ENOMEM;
	if (p->exit_proof.seq != e->seq)
		return 0; /* said twice */
	r = hang_learn_exit(&g->hangs, e, p);
	if (r == 0)
		r = cgroup_note_exit(&g->cgroups, p);
	if (r == 0)
		r = cite_for_main(g, tgid, e);
	return r == 0 ? manager_exited(g, tgid) : r;
}

static int on_process(struct engine *g, const struct ev *e)
{
	struct process *p;

	switch (e->kind) {
	case WIRE_FORK:
		return process_learn_fork(&g->processes, e) ? 0 : -ENOMEM;
	case WIRE_EXEC:
		return process_learn_exec(&g->processes, e) ? 0 : -ENOMEM;
	case WIRE_PROC:
		return process_learn_proc(&g->processes, e) ? 0 : -ENOMEM;
	case WIRE_OOM_VICTIM:
		/* before 6.8 its number is all that is told */
		if (e->process.task.start_ns == 0)
			p = process_by_tgid(&g->processes, e->process.task.tgid);
		else
			p = process_learn_task(&g->processes, &e->process.task);
		return p ? proof_set(&p->oom_proof, e) : 0;
	default:
		return on_exit_event(g, e);
	}
}

/* The manager sends signals for clients, too. */
static struct request *signal_request(const struct engine *g, const struct ev *e)
{
	struct manager *m = e->signal.target_flags & WIRE_TARGET_MANAGER_SENT
				    ? manager_find(&g->units, e->tgid)
				    : NULL;

	if (!m || !m->to_kill || m->to_kill->proof.mono_ns + TRIGGER_CERTAIN_NS < e->mono_ns)
		return NULL;
	return m->to_kill;
}

static int on_signal(struct engine *g, const struct ev *e)
{
	if (!process_learn_signal(&g->processes, e, signal_request(g, e)) ||
	    hang_learn_signal(&g->hangs, e) < 0)
		return -ENOMEM;
	return e->signal.sig == SIGCHLD ? 0 : cite_for_main(g, e->signal.target.tgid, e);
}

/* A stop that began because its cgroup became empty, by the very move that is told now. */
static int explain_late(struct engine *g, const struct ev *e)
{
	struct stop *s;

	TAILQ_FOREACH(s, &g->stops, entry)
	{
		struct opening o = {.processes = &g->processes,
				    .cgroups = &g->cgroups,
				    .arch = g->arch,
				    .manager = manager_find(&g->units, s->unit->manager),
				    .unit = s->unit,
				    .e = e,
				    .v = &s->v};
		const struct cgroup *c;

		if (s->v.cause != CAUSE_CGROUP_EMPTY || !o.manager ||
		    s->v.begin_mono_ns + TRIGGER_CERTAIN_NS < e->mono_ns)
			continue;
		c = cgroup_find(&g->cgroups, o.manager->root ? o.manager->root : "", s->unit->id);
		if (c && c->n_leavers && c->leavers[c->n_leavers - 1].proof.seq == e->seq)
			return leavers_late(&o, &c->leavers[c->n_leavers - 1]);
	}
	return 0;
}

static int on_attach(struct engine *g, const struct ev *e)
{
	const struct ev_task *task = &e->attach.task;
	struct process *p;
	int r;

	if (task->tid != task->tgid)
		return 0; /* a thread alone: its process stays */
	/* the task's cgroup may be told as the new one already: what was known is the old one */
	p = process_find(&g->processes, task->tgid, task->start_ns);
	if (!p)
		p = process_learn_task(&g->processes, task);
	if (!p)
		return -ENOMEM;
	r = cgroup_note_move(&g->cgroups, p, e, &g->processes);
	if (r == 0)
		r = explain_late(g, e);
	if (r < 0)
		return r;
	return process_set_cgroup(p, e->attach.cgroup, e->attach.path);
}

static int on_lost(struct engine *g, const struct ev *e)
{
	g->lost[g->n_lost++ % LOST_SPANS_MAX] = (struct lost_span){
		.since_ns = e->lost.since_ns,
		.until_ns = e->mono_ns,
		.count = e->lost.count,
	};
	hang_learn_loss(&g->hangs, e);
	return 0;
}

/* "KEY=VALUE", each ended by NUL. */
static void on_start(struct engine *g, struct str text)
{
	for (size_t i = 0; i < text.n; i++) {
		struct str fact = {text.s + i, strnlen(text.s + i, text.n - i)};

		if (fact.n > 5 && memcmp(fact.s, "ARCH=", 5) == 0)
			g->arch = arch_parse((struct str){fact.s + 5, fact.n - 5});
		i += fact.n;
	}
}

static bool is_probe_of(const struct ev *e, const char *function)
{
	size_t n = strlen(function);

	return e->probe.name.n >= n && memcmp(e->probe.name.s, function, n) == 0;
}

static void on_probe(struct engine *g, const struct ev *e)
{
	if (is_probe_of(e, "bus_unit_queue_job"))
		g->jobs_are_seen |= e->probe.error == 0;
	else if (is_probe_of(e, "service_start_watchdog"))
		g->watches.live |= e->probe.error == 0;
}

static int dispatch(struct engine *g, const struct ev *e)
{
	switch (e->kind) {
	case WIRE_SERVICE_ENTER_STOP ... WIRE_SERVICE_CGROUP_EMPTY:
	case WIRE_SERVICE_PIDFILE_LOAD ... WIRE_BUS_QUEUE_JOB:
	case WIRE_BUS_KILL:
		return on_service(g, e);
	case WIRE_BUS_MESSAGE:
		return on_message(g, e);
	case WIRE_MANAGER_ADD_JOB:
	case WIRE_TRANSACTION_JOB:
	case WIRE_UNIT_TRIGGERS:
		return on_job(g, e);
	case WIRE_CLIENT_SEND:
		return calls_learn(&g->calls, e, &g->processes);
	case WIRE_BUS_NAME:
		return calls_learn_name(&g->calls, e);
	case WIRE_DEPENDENCY:
		return on_dependency(g, e);
	case WIRE_PIDFILE:
		return on_pidfile_look(g, e);
	case WIRE_MANAGER_CGROUP_EMPTY:
	case WIRE_MANAGER_CGROUP_EVENT:
		return on_manager_cgroup(g, e);
	case WIRE_SERVICE_FACTS:
		return on_facts(g, e);
	case WIRE_EMERGENCY_ACTION:
		return on_action(g, e);
	case WIRE_STACK:
		return on_stack(g, e);
	case WIRE_SERVICE_KEEPALIVE:
		return watch_learn(&g->watches, e);
	case WIRE_THREAD:
		return look_learn_thread(&g->look, e, &g->processes);
	case WIRE_LOOK:
		return on_look(g, e);
	case WIRE_WATCHDOG_USE:
		return hardware_watchdog_learn_use(&g->hardware, e, &g->processes);
	case WIRE_WATCHDOG_DEVICE:
		return hardware_watchdog_learn_device(&g->hardware, e, &g->processes, &g->look);
	case WIRE_MANAGER:
		return manager_get(&g->units, e) ? 0 : -ENOMEM;
	case WIRE_FORK ... WIRE_EXIT:
	case WIRE_OOM_VICTIM:
	case WIRE_PROC:
		return on_process(g, e);
	case WIRE_SIGNAL:
		return on_signal(g, e);
	case WIRE_CGROUP_ATTACH:
		return on_attach(g, e);
	case WIRE_PIDNS_ZAP_ENTER ... WIRE_FUSE_FLUSH_EXIT:
	case WIRE_FUSE_SERVE ... WIRE_PID_LEVELS:
	case WIRE_FUSE_HOLDERS:
		return hang_learn(&g->hangs, e, &g->processes);
	case WIRE_CGROUP_FROZEN:
		return cgroup_note_frozen(&g->cgroups, e, &g->processes, &g->calls);
	case WIRE_CGROUP_RMDIR:
		cgroup_drop_path(&g->cgroups, e->path.path);
		return 0;
	case WIRE_LOST:
		return on_lost(g, e);
	case WIRE_START:
		on_start(g, e->text);
		return 0;
	case WIRE_PROBE:
		on_probe(g, e);
		return 0;
	default:
		return 0;
	}
}

/* Whether nothing more can come of a stop that ended: its manager went on to something else. */
static bool has_gone_on(const struct stop *s, const struct ev *e)
{
	if ((ending_may_restart(&s->ending) || restart_awaits_action(&s->v, &s->ending)) &&
	    e->kind != WIRE_END)
		return e->mono_ns > s->v.end_mono_ns + RESTART_DUE_NS;
	if (e->kind == WIRE_IDLE || e->kind == WIRE_END)
		return true;
	if (e->mono_ns > s->v.end_mono_ns + RESTART_WINDOW_NS)
		return true;
	if (e->manager.tgid != s->v.manager || !event_function(e->kind, e->scope))
		return false;
	return e->kind != WIRE_SERVICE_SET_STATE || !str_equal(e->service.id, s->v.unit);
}

/* One of its processes cannot exit, and what it waits for is about to be known. */
static bool waits_for_hang(const struct engine *g, const struct stop *s, const struct ev *e)
{
	const struct hang_unit u = hang_unit_of(g, &s->v);

	if (is_deciding(e->kind) && e->manager.tgid == s->v.manager &&
	    str_equal(e->service.id, s->v.unit))
		return false;
	return hang_is_open(&g->hangs, &u, e->mono_ns);
}

static int release_ended(struct engine *g, const struct ev *e)
{
	struct stop *s, *next;
	int r = 0;

	for (s = g->n_ended ? TAILQ_FIRST(&g->stops) : NULL; s && r == 0; s = next) {
		next = TAILQ_NEXT(s, entry);
		if (s->ended && has_gone_on(s, e) && !waits_for_hang(g, s, e))
			r = stop_finish(g, s->unit);
	}
	return r;
}

/* Makes room where there is too much of something. */
static int keep_bounds(struct engine *g)
{
	struct unit *u = unit_surplus(&g->units);
	struct manager *m = manager_surplus(&g->units);
	int r = 0;

	process_table_expire(&g->processes, g->now_mono);
	call_table_expire(&g->calls, g->now_mono);
	if (u && u->stop) {
		r = stop_abandon(g, u, "too many stops at once: its end was not waited for");
	} else if (u) {
		unit_drop(&g->units, u);
	}
	return r == 0 && m ? manager_exited(g, m->tgid) : r;
}

int engine_feed(void *engine, const struct ev *e)
{
	struct engine *g = engine;
	int r;

	g->stats.events++;
	g->now_mono = e->mono_ns;
	g->now_wall = e->wall_ns;
	r = release_ended(g, e);
	if (r == 0)
		r = dispatch(g, e);
	if (r == 0)
		r = hang_tell(&g->hangs, e, &g->processes);
	return r == 0 ? keep_bounds(g) : r;
}

int engine_flush(struct engine *g)
{
	int r = 0;

	while (r == 0 && !TAILQ_EMPTY(&g->stops))
		r = stop_abandon(g, TAILQ_FIRST(&g->stops)->unit,
				 "still stopping when the trace ended");
	if (r == 0)
		r = timeline_flush(&g->timelines);
	return r == 0 ? hardware_watchdog_flush(&g->hardware, g->now_mono, g->now_wall) : r;
}

void engine_stats(const struct engine *g, struct engine_stats *ret)
{
	const struct stop *s;

	*ret = g->stats;
	TAILQ_FOREACH(s, &g->stops, entry)
	{
		ret->stops++;
	}
	for (size_t i = 0; i < PROCESS_LIST_MAX; i++)
		ret->processes += g->processes.n[i];
	ret->units = g->units.n_units;
	ret->cgroups = g->cgroups.n;
}
