/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/hang.h"
#include "engine/verdict.h"
#include "stuck/hang.h"
#include "svctrace/cleanup.h"
#include "svctrace/text.h"

#define SIGNAL_KILL  9
#define WAITS_MAX    512
#define SERVICES_MAX 64
/* Capture looks who serves a connection when a flush lasts, and twice: its answer is awaited. */
#define LOOK_NS	     4000000000ull
/* How often it is asked which hang is due: there may be many events and many that wait. */
#define CHECK_NS     50000000ull

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
	free(w);
}

static void servers_done(struct service_of_fuse *s)
{
	for (unsigned int i = 0; i < s->n_servers; i++)
		actor_done(&s->servers[i]);
	s->n_servers = 0;
}

static void service_drop(struct hang_table *t, struct service_of_fuse *s)
{
	TAILQ_REMOVE(&t->services, s, entry);
	t->n_services--;
	servers_done(s);
	proof_done(&s->proof);
	free(s);
}

void hang_table_done(struct hang_table *t)
{
	while (!TAILQ_EMPTY(&t->waits))
		wait_drop(t, TAILQ_FIRST(&t->waits));
	while (!TAILQ_EMPTY(&t->services))
		service_drop(t, TAILQ_FIRST(&t->services));
}

static struct service_of_fuse *service_find(const struct hang_table *t, uint32_t connection)
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

/* The teardown that a flush holds up; NULL: none. */
static const struct wait *teardown_of(const struct hang_table *t, const struct wait *flush)
{
	const struct wait *w;

	TAILQ_FOREACH(w, &t->waits, entry)
	if (w->of_init && w->pidns == flush->pidns)
		return w;
	return NULL;
}

/* ---- what holds it ---- */

static bool is_served(const struct service_of_fuse *s)
{
	for (unsigned int i = 0; i < s->n_servers; i++)
		if (!s->servers[i].exited)
			return true;
	return false;
}

/*
 * A connection ends when the last /dev/fuse of it is closed. If no process that lives had it open
 * after the flush began, only tasks that exit keep it, and they wait.
 */
static enum stuck_kind judge_flush(const struct hang_table *t, const struct wait *w)
{
	const struct service_of_fuse *s = service_find(t, w->connection);

	if (w->doubtful || !s)
		return STUCK_FUSE_UNKNOWN;
	if (is_served(s))
		return STUCK_FUSE_WAITS;
	return s->known && s->seen_ns >= w->begin_mono_ns && w->exiting ? STUCK_FUSE_DEADLOCK
									: STUCK_FUSE_UNKNOWN;
}

/* The flush that holds a teardown, the worst one; a flush itself. NULL: none, it is plain slow. */
static const struct wait *find_root(const struct hang_table *t, const struct wait *w)
{
	const struct wait *flush, *worst = NULL;

	if (!w->of_init)
		return w;
	TAILQ_FOREACH(flush, &t->waits, entry)
	if (!flush->of_init && flush->pidns == w->pidns &&
	    (!worst || judge_flush(t, flush) < judge_flush(t, worst)))
		worst = flush;
	return worst;
}

/* ---- the verdict ---- */

static int cite(struct hang_verdict *h, const struct proof *p)
{
	unsigned int at = h->n_proof;
	struct proof copy = {};

	if (p->seq == 0 || h->n_proof == HANG_PROOF_MAX)
		return 0;
	if (proof_copy(&copy, p) < 0)
		return -ENOMEM;
	for (; at > 0 && h->proof[at - 1].seq > p->seq; at--)
		h->proof[at] = h->proof[at - 1];
	h->proof[at] = copy;
	h->n_proof++;
	return 0;
}

static int add_waiter(struct hang_verdict *h, const struct wait *w,
		      const struct process_table *processes)
{
	struct stuck_task task = {.flags = w->exiting ? STUCK_TASK_EXITS : 0};
	struct stuck_member member = {.task = &task, .role = STUCK_ROLE_WAITER};
	struct stuck_hang hang = {.kind = h->kind};
	struct hang_waiter *x = &h->waiters[h->n_waiters];

	h->kills_lost += w->kills_lost;
	h->lost |= w->doubtful;
	if (cite(h, &w->begin) < 0 || cite(h, &w->kill) < 0)
		return -ENOMEM;
	if (h->n_waiters == HANG_WAITERS_MAX) {
		h->n_waiters_left_out++;
		return 0;
	}
	h->n_waiters++;
	x->tid = w->tid;
	x->exiting = w->exiting;
	x->text = stuck_member_text(&hang, &member);
	if (actor_copy(&x->a, &w->a) < 0)
		return -ENOMEM;
	return actor_enrich(&x->a, processes);
}

/* All that wait for the same connection in the same namespace. */
static int add_waiters(const struct hang_table *t, struct hang_verdict *h, const struct wait *root,
		       const struct process_table *processes)
{
	const struct wait *w;
	int r = add_waiter(h, root, processes);

	TAILQ_FOREACH(w, &t->waits, entry)
	if (r == 0 && w != root && !w->of_init && w->pidns == root->pidns &&
	    w->connection == root->connection)
		r = add_waiter(h, w, processes);
	return r;
}

static int add_servers(const struct hang_table *t, struct hang_verdict *h)
{
	const struct service_of_fuse *s = service_find(t, h->connection);

	if (!s)
		return 0;
	h->servers_known = s->known;
	for (unsigned int i = 0; i < s->n_servers; i++) {
		if (actor_copy(&h->servers[i], &s->servers[i]) < 0)
			return -ENOMEM;
		h->n_servers++;
	}
	return cite(h, &s->proof);
}

/* Those whose end was not seen; a task that waits has ended in the eyes of whoever counts. */
static void count_left(struct hang_verdict *h, const struct process_table *processes)
{
	const struct process *p;

	h->left = h->n_waiters + h->n_waiters_left_out;
	TAILQ_FOREACH(p, &processes->lists[PROCESS_ALIVE], entry)
	{
		bool counted = p->pidns != h->pidns || p->a.exited || p->a.tgid == h->init.tgid;

		for (unsigned int i = 0; i < h->n_waiters; i++)
			counted |= h->waiters[i].a.tgid == p->a.tgid;
		h->left += !counted;
	}
}

static void server_task(struct stuck_task *dst, const struct actor *a)
{
	dst->tgid = dst->tid = (pid_t)a->tgid;
	snprintf(dst->comm, sizeof(dst->comm), "%s", a->comm ? a->comm : "process");
}

/* In the words that svctrace stuck has for the same. */
static int put_in_words(struct hang_verdict *h)
{
	struct stuck_connection connection = {.number = h->connection};
	struct stuck_task tasks[HANG_SERVERS_MAX] = {};
	const struct stuck_task *daemons[HANG_SERVERS_MAX];
	struct stuck_snapshot nothing = {};
	struct stuck_hang hang = {
		.kind = h->kind,
		.connection = h->have_connection ? &connection : NULL,
		.daemons = daemons,
	};
	int r;

	for (unsigned int i = 0; i < h->n_servers; i++) {
		if (h->servers[i].exited)
			continue;
		server_task(&tasks[i], &h->servers[i]);
		daemons[hang.n_daemons++] = &tasks[i];
	}
	r = stuck_word(&nothing, &hang);
	h->root = hang.root;
	h->why = hang.why;
	h->next = hang.next;
	h->consequence = hang.consequence;
	if (r == 0 && (h->kind == STUCK_PIDNS || h->kind == STUCK_FUSE_UNKNOWN)) {
		free(h->next);
		h->next = strdup("svctrace stuck shows where each of its tasks is");
		r = h->next ? 0 : -ENOMEM;
	}
	return r;
}

static void hang_verdict_done(struct hang_verdict *h)
{
	actor_done(&h->init);
	for (unsigned int i = 0; i < h->n_waiters; i++)
		actor_done(&h->waiters[i].a);
	for (unsigned int i = 0; i < h->n_servers; i++)
		actor_done(&h->servers[i]);
	for (unsigned int i = 0; i < h->n_proof; i++)
		proof_done(&h->proof[i]);
	free(h->root);
	free(h->why);
	free(h->next);
	free(h->consequence);
}

static int fill(const struct hang_table *t, struct hang_verdict *h, const struct wait *w,
		const struct process_table *processes)
{
	const struct wait *root = find_root(t, w);
	int r = 0;

	h->kind = h->ended ? w->told_kind : root ? judge_flush(t, root) : STUCK_PIDNS;
	if (w->of_init) {
		h->pidns = w->pidns;
		h->kills_lost = w->kills_lost;
		h->lost = w->doubtful;
		if (actor_copy(&h->init, &w->a) < 0 || cite(h, &w->begin) < 0 ||
		    cite(h, &w->kill) < 0)
			return -ENOMEM;
		r = actor_enrich(&h->init, processes);
	}
	if (r == 0 && root) {
		h->have_connection = true;
		h->connection = root->connection;
		r = add_waiters(t, h, root, processes);
		if (r == 0)
			r = add_servers(t, h);
	}
	if (r == 0 && w->of_init)
		count_left(h, processes);
	return r == 0 && !h->ended ? put_in_words(h) : r;
}

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
	int r = fill(t, &h, w, processes);

	if (r == 0 && ended) {
		r = proof_set(&end, e);
		if (r == 0)
			r = cite(&h, &end);
		proof_done(&end);
	}
	w->told = true;
	w->told_kind = h.kind;
	if (r == 0)
		r = t->sink(t->ctx, &h);
	hang_verdict_done(&h);
	return r;
}

/* Its own story is told with the namespace's; a close by a task that lives is an ordinary wait. */
static bool is_part(const struct hang_table *t, const struct wait *w)
{
	return !w->of_init && (!w->exiting || teardown_of(t, w));
}

static bool is_due(const struct hang_table *t, const struct wait *w, uint64_t now)
{
	const struct wait *root;
	enum stuck_kind kind;

	if (now < w->begin_mono_ns + t->after_ns || (!w->told && is_part(t, w)))
		return false;
	root = find_root(t, w);
	kind = root ? judge_flush(t, root) : STUCK_PIDNS;
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

static int learn_holders(struct hang_table *t, const struct ev *e,
			 const struct process_table *processes)
{
	struct service_of_fuse *s = service_find(t, e->fuse_holders.connection);
	uint32_t n = e->fuse_holders.error ? 0 : e->fuse_holders.n;

	if (s)
		service_drop(t, s);
	else if (t->n_services == SERVICES_MAX)
		service_drop(t, TAILQ_FIRST(&t->services));
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->connection = e->fuse_holders.connection;
	s->seen_ns = e->mono_ns;
	s->known = !e->fuse_holders.error && n <= HANG_SERVERS_MAX;
	TAILQ_INSERT_TAIL(&t->services, s, entry);
	t->n_services++;
	for (uint32_t i = 0; i < n && i < HANG_SERVERS_MAX; i++) {
		uint32_t tgid = e->fuse_holders.tgid[i];
		const struct process *p = process_by_tgid(processes, tgid);
		const struct actor unknown = {.tgid = tgid, .uid = UINT32_MAX};

		if (actor_copy(&s->servers[i], p ? &p->a : &unknown) < 0)
			return -ENOMEM;
		/* it has files, so it lives: a dead one of that number was another */
		s->servers[i].exited = false;
		s->n_servers++;
	}
	return proof_set(&s->proof, e);
}

int hang_learn(struct hang_table *t, const struct ev *e, struct process_table *processes)
{
	switch (e->kind) {
	case WIRE_PIDNS_ZAP_ENTER:
		return wait_begin(t, e, &e->pidns.init, processes);
	case WIRE_FUSE_FLUSH_ENTER:
		return wait_begin(t, e, &e->fuse.task, processes);
	case WIRE_FUSE_HOLDERS:
		return learn_holders(t, e, processes);
	default:
		return wait_end(t, e, processes);
	}
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

void hang_learn_exit(struct hang_table *t, const struct process *p)
{
	struct service_of_fuse *s;

	TAILQ_FOREACH(s, &t->services, entry)
	for (unsigned int i = 0; i < s->n_servers; i++)
		if (s->servers[i].tgid == p->a.tgid)
			s->servers[i].exited = true;
}

void hang_learn_loss(struct hang_table *t)
{
	struct wait *w;

	TAILQ_FOREACH(w, &t->waits, entry)
	{
		w->doubtful = true;
	}
}

/* ---- for the verdict of a service ---- */

static bool is_of_unit(const struct actor *a, const char *root, const char *unit)
{
	return a->unit && a->cgroup && strcmp(a->unit, unit) == 0 &&
	       strncmp(a->cgroup, root, strlen(root)) == 0;
}

static char *note_text(const struct hang_table *t, const struct wait *w)
{
	bool deadlock = judge_flush(t, w) == STUCK_FUSE_DEADLOCK;
	char comm[64];
	char *s;

	text_escape(comm, sizeof(comm), w->a.comm ? w->a.comm : "process",
		    w->a.comm ? strlen(w->a.comm) : 7);
	if (asprintf(&s,
		     "its %s %" PRIu32 " cannot exit: it waits for FUSE connection %" PRIu32
		     "%s; svctrace stuck tells more%s",
		     comm, w->a.tgid, w->connection,
		     deadlock ? ", which nobody is left to answer" : "",
		     deadlock ? ", svctrace stuck --abort frees it" : "") < 0)
		return NULL;
	return s;
}

int hang_note(const struct hang_table *t, const char *root, const char *unit, char **ret)
{
	const struct wait *w, *found = NULL;

	TAILQ_FOREACH(w, &t->waits, entry)
	if (!w->of_init && w->exiting && !w->doubtful && is_of_unit(&w->a, root, unit) &&
	    (!found || judge_flush(t, w) < judge_flush(t, found)))
		found = w;
	*ret = found ? note_text(t, found) : NULL;
	return found && !*ret ? -ENOMEM : 0;
}
