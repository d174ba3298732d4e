/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A stop, from the decision that begins it to the state that ends it, and its verdict. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "engine/internal.h"
#include "engine/pidfile_history.h"
#include "engine/verdict.h"
#include "svctrace/text.h"

/* A trigger that is older did not lead to it. */
#define TRIGGER_WINDOW_NS (10 * SECOND_NS)
/* Before 254, systemd says "failed" first and "auto-restart" next, in the same call. */
#define RESTART_WINDOW_NS (20 * 1000000ull)
/* Where a restart or an action is due it comes, however slow the machine is. */
#define RESTART_DUE_NS	  (5 * SECOND_NS)
/* Losses this much before a stop count as losses in it: what led to it came earlier. */
#define LOST_LEAD_NS	  SECOND_NS
#define LOST_LEAD_MAX_NS  (120 * SECOND_NS)
/* What a service did while it was frozen, or did not, is felt for a while. */
#define FROZEN_WINDOW_NS  (60 * SECOND_NS)

bool is_deciding(enum wire_kind kind)
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

int stop_abandon(struct engine *g, struct unit *u, const char *why)
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

int stop_open(struct engine *g, struct manager *m, struct unit *u, const struct ev *e)
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

int stop_of_signal(struct engine *g, const struct ev *e, struct stop_blame **ret)
{
	const struct manager *m = e->signal.target_flags & WIRE_TARGET_MANAGER_SENT
					  ? manager_find(&g->units, e->tgid)
					  : NULL;
	struct stop *s;

	*ret = NULL;
	TAILQ_FOREACH(s, &g->stops, entry)
	{
		if (!m || s->ended || s->v.manager != m->tgid ||
		    !cgroup_is_of(e->signal.target.cgroup_path, m->root ? m->root : "",
				  s->unit->id))
			continue;
		if (!s->blame)
			s->blame = stop_blame_new(&s->v);
		*ret = s->blame;
		return s->blame ? 0 : -ENOMEM;
	}
	return 0;
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
static int stop_note_timeout(struct engine *g, struct manager *m, struct stop *s,
			     const struct ev *e)
{
	struct awaited awaited = {};
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
	if (slow_await(s, m, &g->processes, NULL, &awaited) < 0)
		return -ENOMEM;
	free(s->awaited);
	s->awaited = take_ptr(awaited.text);
	awaited_done(&awaited);
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
	return verdict_note(v, "its stop timeout ran out in %s%s%s: %s%s%s", x->state,
			    x->in_state_ns ? " after " : "",
			    x->in_state_ns ? text_duration(x->in_state_ns, when) : "", state,
			    s->awaited ? "; systemd had waited for " : "",
			    s->awaited ? s->awaited : "");
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

int stop_note_event(struct engine *g, struct manager *m, struct unit *u, const struct ev *e)
{
	struct stop *s = u->stop;

	int r = 0;

	if (e->kind == WIRE_SERVICE_SIGCHLD)
		r = stop_note_sigchld(g, m, u, e);
	else if (e->kind == WIRE_SERVICE_TIMER)
		r = stop_note_timeout(g, m, s, e);
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

int stop_set_state(struct engine *g, struct unit *u, const struct ev *e)
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

bool stop_begins(const struct manager *m, const struct ev *e)
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

int stops_release(struct engine *g, const struct ev *e)
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
