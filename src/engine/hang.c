/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/hang.h"
#include "engine/look.h"
#include "engine/verdict.h"
#include "engine/rules.h"
#include "svctrace/cleanup.h"
#include "svctrace/text.h"

#define SIGNAL_KILL   9
#define STATUS_SIGNAL 0x7f /* of a wait(2) status */
#define WAITS_MAX     512
#define SERVICES_MAX  64
/* Capture looks who serves a connection when a flush lasts, and twice: its answer is awaited. */
#define LOOK_NS	      4000000000ull
/* A stop is not held by what has just begun. */
#define HOLDS_NS      1000000000ull
/* How often it is asked which hang is due: there may be many events and many that wait. */
#define CHECK_NS      50000000ull

void hang_table_init(struct hang_table *t)
{
	TAILQ_INIT(&t->waits);
	TAILQ_INIT(&t->services);
}

static void wait_drop(struct hang_table *t, struct wait *w)
{
	TAILQ_REMOVE(&t->waits, w, entry);
	t->n_waits--;
	actor_done(&w->a);
	proof_done(&w->begin);
	proof_done(&w->kill);
	look_free(w->look);
	look_free(w->before);
	free(w);
}

static void server_done(struct server *s)
{
	actor_done(&s->s.a);
	free(s->s.death);
	proof_done(&s->end);
	proof_done(&s->kill);
	*s = (struct server){};
}

static void holders_done(struct service_of_fuse *s)
{
	for (unsigned int i = 0; i < s->n_holders; i++)
		server_done(&s->holders[i]);
	s->n_holders = 0;
	proof_done(&s->look);
}

static void service_drop(struct hang_table *t, struct service_of_fuse *s)
{
	TAILQ_REMOVE(&t->services, s, entry);
	t->n_services--;
	holders_done(s);
	server_done(&s->mounter);
	proof_done(&s->mount);
	free(s);
}

void hang_table_done(struct hang_table *t)
{
	while (!TAILQ_EMPTY(&t->waits))
		wait_drop(t, TAILQ_FIRST(&t->waits));
	while (!TAILQ_EMPTY(&t->services))
		service_drop(t, TAILQ_FIRST(&t->services));
}

struct service_of_fuse *service_of(const struct hang_table *t, uint32_t connection)
{
	struct service_of_fuse *s;

	TAILQ_FOREACH(s, &t->services, entry)
	if (s->connection == connection)
		return s;
	return NULL;
}

static struct wait *wait_find(const struct hang_table *t, bool of_init, uint32_t tid)
{
	struct wait *w;

	TAILQ_FOREACH(w, &t->waits, entry)
	if (w->of_init == of_init && w->tid == tid)
		return w;
	return NULL;
}

/* ---- what belongs together ---- */

bool wait_is_in(const struct wait *w, uint32_t pidns)
{
	for (unsigned int i = 0; i < w->ids.n; i++)
		if (w->ids.pidns[i] == pidns)
			return true;
	return w->pidns == pidns;
}

const struct wait *wait_teardown(const struct hang_table *t, const struct wait *w)
{
	const struct wait *x, *found = NULL;

	TAILQ_FOREACH(x, &t->waits, entry)
	if (x->of_init && x != w && wait_is_in(w, x->pidns) &&
	    (!found || wait_is_in(found, x->pidns)))
		found = x;
	return found;
}

/* ---- what holds it ---- */

static bool is_served(const struct service_of_fuse *s, bool by_who_runs)
{
	for (unsigned int i = 0; i < s->n_holders; i++)
		if (!s->holders[i].s.a.exited && !(by_who_runs && s->holders[i].stopped))
			return true;
	return false;
}

/*
 * A connection ends when the last /dev/fuse of it is closed. If no process that lives had it open
 * after the flush began, only tasks that exit keep it, and they wait.
 */
enum stuck_kind wait_judge(const struct hang_table *t, const struct wait *w)
{
	const struct service_of_fuse *s = service_of(t, w->connection);

	if (w->doubtful || !s || s->doubtful)
		return STUCK_FUSE_UNKNOWN;
	if (is_served(s, true))
		return STUCK_FUSE_WAITS;
	if (is_served(s, false)) /* who was left out may run */
		return s->known ? STUCK_FUSE_STOPPED : STUCK_FUSE_WAITS;
	/* where it cannot be told who has the device open, who answered the mount may answer again
	 */
	if (!s->known && s->mounter.s.a.tgid && !s->mounter.s.a.exited)
		return STUCK_FUSE_WAITS;
	return s->known && s->seen_ns >= w->begin_mono_ns && w->exiting ? STUCK_FUSE_DEADLOCK
									: STUCK_FUSE_UNKNOWN;
}

const struct wait *wait_root(const struct hang_table *t, const struct wait *w)
{
	const struct wait *flush, *worst = NULL;

	if (!w->of_init)
		return w;
	TAILQ_FOREACH(flush, &t->waits, entry)
	if (!flush->of_init && wait_is_in(flush, w->pidns) &&
	    (!worst || wait_judge(t, flush) < wait_judge(t, worst)))
		worst = flush;
	return worst;
}

const struct look_hold *wait_hold(const struct wait *w)
{
	return w->look && w->look->n_holds ? &w->look->hold[0] : NULL;
}

enum stuck_kind wait_kind(const struct hang_table *t, const struct wait *w)
{
	const struct wait *root = wait_root(t, w);
	const struct look_hold *hold = wait_hold(w);

	if (root)
		return wait_judge(t, root);
	return hold ? hold->kind : STUCK_PIDNS;
}

/* ---- telling ---- */

static int tell(struct hang_table *t, struct wait *w, const struct ev *e, bool ended,
		const struct process_table *processes)
{
	struct hang_verdict h = {
		.ended = ended,
		.begin_mono_ns = w->begin_mono_ns,
		.begin_wall_ns = w->begin_wall_ns,
		.mono_ns = e->mono_ns > w->begin_mono_ns ? e->mono_ns : w->begin_mono_ns,
		.wall_ns = e->wall_ns,
	};
	struct proof end = {};
	int r = hang_fill(t, &h, w, processes);

	if (r == 0 && ended) {
		r = proof_set(&end, e);
		if (r == 0)
			r = hang_cite(&h, &end);
		proof_done(&end);
	}
	w->told = true;
	w->told_kind = h.kind;
	if (r == 0)
		r = t->sink(t->ctx, &h);
	hang_verdict_done(&h);
	return r;
}

/* Its story is told with the outer namespace's; a close by a task that lives is an ordinary wait.
 */
static bool is_part(const struct hang_table *t, const struct wait *w)
{
	return !w->exiting || wait_teardown(t, w);
}

static bool is_due(const struct hang_table *t, const struct wait *w, uint64_t now)
{
	const struct wait *root;
	enum stuck_kind kind;

	if (now < w->begin_mono_ns + t->after_ns || (!w->told && is_part(t, w)))
		return false;
	root = wait_root(t, w);
	kind = wait_kind(t, w);
	if (kind == STUCK_FUSE_UNKNOWN && now < root->begin_mono_ns + LOOK_NS)
		return false;
	return !w->told || kind < w->told_kind;
}

int hang_tell(struct hang_table *t, const struct ev *e, const struct process_table *processes)
{
	struct wait *w;
	int r = 0;

	if (!t->sink || t->n_waits == 0 || e->mono_ns - t->checked_ns < CHECK_NS)
		return 0;
	t->checked_ns = e->mono_ns;
	TAILQ_FOREACH(w, &t->waits, entry)
	{
		if (r == 0 && is_due(t, w, e->mono_ns))
			r = tell(t, w, e, false, processes);
	}
	return r;
}

/* ---- what events say ---- */

static int wait_begin(struct hang_table *t, const struct ev *e, const struct ev_task *task,
		      struct process_table *processes)
{
	bool of_init = e->kind == WIRE_PIDNS_ZAP_ENTER;
	struct wait *w = wait_find(t, of_init, e->tid);
	const struct process *p = process_learn_task(processes, task);

	if (!p)
		return -ENOMEM;
	if (w) /* its end was not seen */
		wait_drop(t, w);
	else if (t->n_waits == WAITS_MAX)
		wait_drop(t, TAILQ_FIRST(&t->waits));
	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	w->of_init = of_init;
	w->tid = e->tid;
	w->pidns = of_init ? e->pidns.pidns : task->pidns;
	w->connection = of_init ? 0 : e->fuse.connection;
	w->exiting = of_init || e->fuse.exiting;
	w->begin_mono_ns = e->mono_ns;
	w->begin_wall_ns = e->wall_ns;
	TAILQ_INSERT_TAIL(&t->waits, w, entry);
	t->n_waits++;
	return actor_copy(&w->a, &p->a) < 0 ? -ENOMEM : proof_set(&w->begin, e);
}

static int wait_end(struct hang_table *t, const struct ev *e, const struct process_table *processes)
{
	struct wait *w = wait_find(t, e->kind == WIRE_PIDNS_ZAP_EXIT, e->tid);
	int r = 0;

	if (!w)
		return 0;
	if (w->told && t->sink)
		r = tell(t, w, e, true, processes);
	wait_drop(t, w);
	return r;
}

static int learn_levels(struct hang_table *t, const struct ev *e)
{
	struct wait *w;

	TAILQ_FOREACH(w, &t->waits, entry)
	{
		if (w->tid != e->tid)
			continue;
		hang_ids_set(&w->ids, e);
	}
	return 0;
}

/* The last one in the queue, new if need be. */
static struct service_of_fuse *service_get(struct hang_table *t, uint32_t connection)
{
	struct service_of_fuse *s = service_of(t, connection);

	if (s) {
		TAILQ_REMOVE(&t->services, s, entry);
		TAILQ_INSERT_TAIL(&t->services, s, entry);
		return s;
	}
	if (t->n_services == SERVICES_MAX)
		service_drop(t, TAILQ_FIRST(&t->services));
	s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->connection = connection;
	TAILQ_INSERT_TAIL(&t->services, s, entry);
	t->n_services++;
	return s;
}

static int set_server(struct server *s, uint32_t tgid, const struct process *p)
{
	const struct actor unknown = {.tgid = tgid, .uid = UINT32_MAX};

	if (actor_copy(&s->s.a, p ? &p->a : &unknown) < 0)
		return -ENOMEM;
	/* it has files, so it lives: a dead one of that number was another */
	s->s.a.exited = false;
	s->s.pidns = p ? p->pidns : 0;
	return 0;
}

/* A mount: the connection is a new one, even if one of that number was there before. */
static int learn_mounter(struct hang_table *t, const struct ev *e, struct process_table *processes)
{
	const struct process *p = process_learn_task(processes, &e->fuse.task);
	struct service_of_fuse *s = service_of(t, e->fuse.connection);

	if (s)
		service_drop(t, s);
	s = p ? service_get(t, e->fuse.connection) : NULL;
	if (!s || set_server(&s->mounter, p->a.tgid, p) < 0)
		return -ENOMEM;
	s->mounter.s.mounted = true;
	return proof_set(&s->mount, e);
}

static int learn_holders(struct hang_table *t, const struct ev *e,
			 const struct process_table *processes)
{
	struct service_of_fuse *s = service_get(t, e->fuse_holders.connection);
	uint32_t n = e->fuse_holders.error ? 0 : e->fuse_holders.n;

	if (!s)
		return -ENOMEM;
	holders_done(s);
	s->seen_ns = e->mono_ns;
	s->doubtful = false;
	s->known = !e->fuse_holders.error && n <= HANG_HOLDERS_MAX;
	for (uint32_t i = 0; i < n && i < HANG_HOLDERS_MAX; i++) {
		uint32_t tgid = e->fuse_holders.tgid[i];
		struct server *x = &s->holders[s->n_holders++];

		x->stopped = e->fuse_holders.stopped & 1u << i;
		if (set_server(x, tgid, process_by_tgid(processes, tgid)) < 0)
			return -ENOMEM;
	}
	return proof_set(&s->look, e);
}

int hang_learn(struct hang_table *t, const struct ev *e, struct process_table *processes)
{
	switch (e->kind) {
	case WIRE_PIDNS_ZAP_ENTER:
		return wait_begin(t, e, &e->pidns.init, processes);
	case WIRE_FUSE_FLUSH_ENTER:
		return wait_begin(t, e, &e->fuse.task, processes);
	case WIRE_PID_LEVELS:
		return learn_levels(t, e);
	case WIRE_FUSE_SERVE:
		return learn_mounter(t, e, processes);
	case WIRE_FUSE_HOLDERS:
		return learn_holders(t, e, processes);
	case WIRE_PIDNS_ZAP_EXIT:
		process_table_leave_pidns(processes, e->pidns.pidns);
		break;
	default:
		break;
	}
	return wait_end(t, e, processes);
}

int hang_learn_look(struct hang_table *t, const struct ev *e, struct thread_look *l)
{
	struct wait *w;
	int r = 0;

	TAILQ_FOREACH(w, &t->waits, entry)
	{
		if (r < 0 || !w->of_init || w->pidns != e->pidns_look.pidns)
			continue;
		look_free(w->before);
		w->before = w->look;
		w->look = NULL;
		r = look_learn_pidns(l, e, w->before);
		if (r == 0)
			r = look_copy(&w->look, l);
	}
	return r;
}

int hang_learn_signal(struct hang_table *t, const struct ev *e)
{
	struct wait *w;
	int r = 0;

	if (e->signal.sig != SIGNAL_KILL || !(e->signal.target_flags & WIRE_TARGET_EXITING))
		return 0;
	TAILQ_FOREACH(w, &t->waits, entry)
	{
		if (r < 0 || w->a.tgid != e->signal.target.tgid)
			continue;
		w->kills_lost++;
		r = proof_set(&w->kill, e);
	}
	return r;
}

/* Signals to processes outside services are not all seen: a teardown kills whoever is inside. */
static bool is_torn_down(const struct hang_table *t, uint32_t pidns)
{
	const struct wait *w;

	TAILQ_FOREACH(w, &t->waits, entry)
	if (w->of_init && w->pidns == pidns)
		return true;
	return false;
}

static char *death_text(const struct hang_table *t, const struct process *p,
			const struct signal_seen *kill)
{
	int sig = p->status & STATUS_SIGNAL;
	char name[ACTOR_NAME_MAX], word[24];
	char *s;
	int r;

	if (sig == 0)
		r = asprintf(&s, "exit status %d", p->status >> 8 & 0xff);
	else if (p->oom_proof.seq)
		r = asprintf(&s, "%s from the OOM killer", text_signal(sig, word));
	else if (kill && kill->from.n > 0)
		r = asprintf(&s, "%s from %s", text_signal(sig, word),
			     actor_name(&kill->from.chain[0], name));
	else
		r = asprintf(&s, "%s%s", text_signal(sig, word),
			     sig == SIGNAL_KILL && is_torn_down(t, p->pidns)
				     ? ", as its pid namespace was torn down (inferred)"
				     : "");
	return r < 0 ? NULL : s;
}

static int server_end(const struct hang_table *t, struct server *s, const struct ev *e,
		      const struct process *p)
{
	int sig = p->status & STATUS_SIGNAL;
	const struct signal_seen *kill = sig ? process_fatal_signal(p, sig, p->exit_ns) : NULL;

	if (s->s.a.tgid != p->a.tgid || s->s.a.exited)
		return 0;
	s->s.a.exited = true;
	s->s.end_mono_ns = e->mono_ns;
	s->s.end_wall_ns = e->wall_ns;
	s->s.death = death_text(t, p, kill);
	if (!s->s.death || (kill && proof_copy(&s->kill, &kill->proof) < 0))
		return -ENOMEM;
	return proof_copy(&s->end, &p->exit_proof);
}

int hang_learn_exit(struct hang_table *t, const struct ev *e, const struct process *p)
{
	struct service_of_fuse *s;
	int r = 0;

	TAILQ_FOREACH(s, &t->services, entry)
	{
		if (r == 0)
			r = server_end(t, &s->mounter, e, p);
		for (unsigned int i = 0; r == 0 && i < s->n_holders; i++)
			r = server_end(t, &s->holders[i], e, p);
	}
	return r;
}

void hang_learn_loss(struct hang_table *t, const struct ev *e)
{
	bool all = str_equal(e->lost.probe, "recording");
	bool flushes = all || str_equal(e->lost.probe, "fuse_flush");
	bool teardowns = all || str_equal(e->lost.probe, "zap_pid_ns_processes");
	bool exits = all || str_equal(e->lost.probe, "sched_process_exit");
	struct service_of_fuse *s;
	struct wait *w;

	TAILQ_FOREACH(w, &t->waits, entry)
	{
		w->lossy = true;
		w->doubtful |= w->of_init ? teardowns : flushes;
	}
	TAILQ_FOREACH(s, &t->services, entry)
	{
		s->doubtful |= exits;
	}
}

/* ---- for the verdict of a service ---- */

/* A close by a task that lives ends with it; where events were lost, it may be over. */
static bool is_of_unit(const struct wait *w, const struct hang_unit *u)
{
	const struct actor *a = &w->a;

	return w->exiting && !w->doubtful && a->unit && a->cgroup &&
	       strcmp(a->unit, u->name) == 0 && strncmp(a->cgroup, u->root, strlen(u->root)) == 0;
}

static bool is_known(enum stuck_kind kind)
{
	return kind != STUCK_FUSE_UNKNOWN && kind != STUCK_PIDNS;
}

bool hang_is_open(const struct hang_table *t, const struct hang_unit *u, uint64_t now_ns)
{
	const struct wait *w;

	TAILQ_FOREACH(w, &t->waits, entry)
	if (is_of_unit(w, u) && now_ns < w->begin_mono_ns + LOOK_NS && !is_known(wait_kind(t, w)))
		return true;
	return false;
}

const struct wait *hang_of_unit(const struct hang_table *t, const struct hang_unit *u,
				uint64_t now_ns)
{
	const struct wait *w, *found = NULL;

	TAILQ_FOREACH(w, &t->waits, entry)
	if (is_of_unit(w, u) && now_ns >= w->begin_mono_ns + HOLDS_NS &&
	    (!found || wait_kind(t, w) < wait_kind(t, found)))
		found = w;
	return found ? wait_teardown(t, found) ?: found : NULL;
}
