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
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "engine/internal.h"
#include "engine/pidfile_history.h"
#include "engine/reason.h"
#include "engine/verdict.h"

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
		if (!stop_begins(m, e)) {
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

static bool asks_for_scope(const struct ev *e)
{
	const struct ev_service *s = &e->service;

	return s->id.n > 6 && memcmp(s->id.s + s->id.n - 6, ".scope", 6) == 0 && s->request &&
	       strcmp(s->request, "start") == 0;
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
	if (r == 0 && q && asks_for_scope(e))
		r = manager_learn_scope(m, e, q);
	request_unref(q);
	return r;
}

/* A unit that ends takes others along, or starts them: which one, and who ended it? */
static int set_culprit(const struct manager *m, const struct ev *e, struct transaction *t)
{
	const struct trigger *x = &m->trigger;
	bool certain = x->set && !x->followed_by_others && strcmp(x->id, m->down.id) == 0 &&
		       e->mono_ns - x->proof.mono_ns <= TRIGGER_CERTAIN_NS;

	if (reason_is_other_unit(&m->stack))
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
	enum root_reason reason =
		m->stack_tid == e->tid ? reason_of_job(&m->stack, e) : ROOT_UNKNOWN;
	struct transaction *t;
	int r;

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

/* Its main process ends, but systemd lets a command end first, or begins one: an ExecStartPost=. */
static bool is_end_put_off(const struct ev *e)
{
	const struct ev_service *x = &e->service;

	return e->kind == WIRE_SERVICE_SIGCHLD && x->arg[0] > 0 && x->arg[0] == x->main_pid &&
	       (x->control_pid > 0 || state_class(x->state) == STATE_STARTING);
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
	if (e->kind == WIRE_SERVICE_SET_STATE && state_class(e->service.new_state) == STATE_UP)
		manager_forget_scope(m, e->service.id);
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

static int on_gone(struct engine *g, const struct ev *e)
{
	struct manager *m = manager_find(&g->units, e->tgid);

	return m ? jobs_name_gone(&m->jobs, e) : 0;
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
	const struct manager *m = manager_find(&g->units, e->manager.tgid);
	struct unit *u = unit_find(&g->units, e->manager.tgid, e->look.id);
	bool of_watchdog =
		g->look.reason == WIRE_LOOK_KEEPALIVE_DUE || g->look.reason == WIRE_LOOK_WATCHDOG;
	int r;

	if (!u || !u->stop)
		return of_watchdog ? watch_learn_look(&g->watches, e->manager.tgid, e->look.id,
						      &g->look)
				   : 0;
	r = of_watchdog || !m ? 0
			      : slow_await(u->stop, m, &g->processes, &g->look, &g->look.awaited);
	if (r == 0)
		r = slow_learn_look(u->stop, &g->look);
	if (r == 0 && g->look.reason == WIRE_LOOK_SLOW && !u->stop->ended)
		r = tell_slow(g, u->stop, e);
	return r;
}

/* The unit's, if it is frozen now. */
static const char *frozen_cgroup(struct engine *g, const struct ev *e)
{
	const struct manager *m = manager_get(&g->units, e);
	const struct unit *u = unit_find(&g->units, e->manager.tgid, e->look.id);
	const struct cgroup *c =
		m && u ? cgroup_find(&g->cgroups, m->root ? m->root : "", u->id) : NULL;

	return c && c->frozen.seq && !c->thawed.seq ? c->path : NULL;
}

static int on_look(struct engine *g, const struct ev *e)
{
	int r = look_learn(&g->look, e);

	if (r == 0)
		r = look_judge(&g->look, e->look.id, frozen_cgroup(g, e));
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
	struct stop_blame *stop;

	if (stop_of_signal(g, e, &stop) < 0 ||
	    !process_learn_signal(&g->processes, e, signal_request(g, e), stop) ||
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
	const struct manager *m;
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
	m = manager_find(&g->units, e->tgid);
	r = cgroup_note_move(&g->cgroups, p, e, &g->processes,
			     m ? manager_asked_scope(m, e->attach.path) : NULL);
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

/* What the kernel tells, and what capture says of itself. */
static int dispatch_kernel(struct engine *g, const struct ev *e)
{
	switch (e->kind) {
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

/* What managers do, what they are asked for, and what capture looked at for them. */
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
	case WIRE_GONE:
		return on_gone(g, e);
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
	case WIRE_USER_STACK:
		return look_learn_user_stack(&g->look, e);
	case WIRE_LOOK:
		return on_look(g, e);
	case WIRE_WATCHDOG_USE:
		return hardware_watchdog_learn_use(&g->hardware, e, &g->processes);
	case WIRE_WATCHDOG_SETTINGS:
		return hardware_watchdog_learn_settings(&g->hardware, e);
	case WIRE_WATCHDOG_DEVICE:
		return hardware_watchdog_learn_device(&g->hardware, e, &g->processes, &g->look);
	case WIRE_MANAGER:
		return manager_get(&g->units, e) ? 0 : -ENOMEM;
	default:
		return dispatch_kernel(g, e);
	}
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
	r = stops_release(g, e);
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
