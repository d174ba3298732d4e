/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is told of a hang: who waits for whom, who should answer, and what frees it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/hang.h"
#include "engine/verdict.h"
#include "stuck/hang.h"

int hang_cite(struct hang_verdict *h, const struct proof *p)
{
	unsigned int at = h->n_proof;
	struct proof copy = {};

	if (p->seq == 0 || h->n_proof == HANG_PROOF_MAX)
		return 0;
	for (unsigned int i = 0; i < h->n_proof; i++)
		if (h->proof[i].seq == p->seq)
			return 0;
	if (proof_copy(&copy, p) < 0)
		return -ENOMEM;
	for (; at > 0 && h->proof[at - 1].seq > p->seq; at--)
		h->proof[at] = h->proof[at - 1];
	h->proof[at] = copy;
	h->n_proof++;
	return 0;
}

/* ---- who waits ---- */

static int set_task(struct hang_verdict *h, struct hang_task *x, const struct wait *w,
		    const struct process_table *processes)
{
	struct stuck_task task = {.flags = w->exiting ? STUCK_TASK_EXITS : 0};
	struct stuck_member member = {
		.task = &task,
		.role = w->of_init ? STUCK_ROLE_INIT : STUCK_ROLE_WAITER,
	};
	struct stuck_hang hang = {.kind = h->kind};

	x->tid = w->tid;
	x->pidns = w->pidns;
	x->ids = w->ids;
	x->exiting = w->exiting;
	x->text = stuck_member_text(&hang, &member);
	if (actor_copy(&x->a, &w->a) < 0)
		return -ENOMEM;
	return actor_enrich(&x->a, processes);
}

static int add_wait(struct hang_verdict *h, const struct wait *w)
{
	h->kills_lost += w->kills_lost;
	h->lost |= w->lossy;
	return hang_cite(h, &w->begin) < 0 ? -ENOMEM : hang_cite(h, &w->kill);
}

static int add_waiter(struct hang_verdict *h, const struct wait *w,
		      const struct process_table *processes)
{
	if (add_wait(h, w) < 0)
		return -ENOMEM;
	if (h->n_waiters < HANG_WAITERS_MAX)
		return set_task(h, &h->waiters[h->n_waiters++], w, processes);
	h->n_waiters_left_out++;
	return 0;
}

/* One that is held; an init that waits for it, and a leader that is dead, are not. */
static bool is_held(const struct look_hold *hold, const struct look_thread *t)
{
	bool found = false;

	for (unsigned int i = 0; i < hold->n_tids; i++)
		found |= hold->tid[i] == t->tid;
	return found && t->wait != STUCK_WAIT_PIDNS && t->state != 'Z' && t->state != 'X';
}

/* A thread that a look found to be held. */
static int set_held(struct hang_verdict *h, struct hang_task *x, const struct look_thread *t,
		    const struct process_table *processes)
{
	struct stuck_task task = {.flags = t->exiting ? STUCK_TASK_EXITS : 0};
	struct stuck_member member = {.task = &task, .role = STUCK_ROLE_WAITER};
	struct stuck_hang hang = {.kind = h->kind};

	x->tid = t->tid;
	x->ids = t->ids;
	x->pidns = t->pidns;
	x->exiting = t->exiting;
	x->text = stuck_member_text(&hang, &member);
	x->stack = t->stack ? strdup(t->stack) : NULL;
	if ((t->stack && !x->stack) || actor_copy(&x->a, &t->a) < 0)
		return -ENOMEM;
	return actor_enrich(&x->a, processes);
}

/* Two looks say of them that they have not run in between; the last one where they are. */
static int add_held(struct hang_verdict *h, const struct wait *w, const struct look_hold *hold,
		    const struct process_table *processes)
{
	int r = 0;

	for (unsigned int i = 0; r == 0 && i < w->look->n_threads; i++) {
		const struct look_thread *t = &w->look->thread[i];

		if (!is_held(hold, t))
			continue;
		if (h->n_waiters < HANG_WAITERS_MAX)
			r = set_held(h, &h->waiters[h->n_waiters++], t, processes);
		else
			h->n_waiters_left_out++;
	}
	if (r < 0 || hang_cite(h, &w->before->proof) < 0 || hang_cite(h, &w->look->proof) < 0)
		return -ENOMEM;
	h->root = strdup(hold->root);
	h->next = strdup(hold->next);
	return h->root && h->next ? 0 : -ENOMEM;
}

/* All that wait for the same connection and hold up the same. */
static int add_waiters(const struct hang_table *t, struct hang_verdict *h, const struct wait *root,
		       const struct process_table *processes)
{
	const struct wait *w;
	int r = add_waiter(h, root, processes);

	TAILQ_FOREACH(w, &t->waits, entry)
	if (r == 0 && w != root && !w->of_init && w->connection == root->connection &&
	    wait_is_in(w, h->pidns ?: root->pidns))
		r = add_waiter(h, w, processes);
	return r;
}

/* The inits of namespaces within, from the outside inwards. */
static int add_inner(const struct hang_table *t, struct hang_verdict *h, const struct wait *outer,
		     const struct process_table *processes)
{
	const struct wait *w;
	int r = 0;

	for (unsigned int depth = 0; depth <= WIRE_PID_LEVELS_MAX; depth++)
		TAILQ_FOREACH(w, &t->waits, entry)
		{
			if (r < 0 || w == outer || !w->of_init || w->ids.n != depth ||
			    h->n_inner == HANG_INNER_MAX || !wait_is_in(w, outer->pidns))
				continue;
			r = add_wait(h, w);
			if (r == 0)
				r = set_task(h, &h->inner[h->n_inner++], w, processes);
		}
	return r;
}

static bool is_counted(const struct hang_verdict *h, const struct process *p)
{
	bool inside = p->pidns == h->pidns;

	for (unsigned int i = 0; i < h->n_inner; i++) {
		if (h->inner[i].a.tgid == p->a.tgid)
			return true;
		inside |= h->inner[i].pidns == p->pidns;
	}
	for (unsigned int i = 0; i < h->n_waiters; i++)
		if (h->waiters[i].a.tgid == p->a.tgid)
			return true;
	return !inside || p->a.exited || p->a.tgid == h->init.a.tgid;
}

static unsigned int count_waiting(const struct hang_verdict *h)
{
	unsigned int n = 0;

	for (unsigned int i = 0, first; i < h->n_waiters; i++) {
		for (first = 0; h->waiters[first].a.tgid != h->waiters[i].a.tgid;)
			first++;
		n += first == i;
	}
	/* whom a look left out has not ended in the eyes of whoever counts */
	return n + (h->have_connection ? h->n_waiters_left_out : 0);
}

/* Those whose end was not seen; a task that waits has ended in the eyes of whoever counts. */
static void count_left(struct hang_verdict *h, const struct process_table *processes)
{
	const struct process *p;

	h->left = h->n_inner + count_waiting(h);
	TAILQ_FOREACH(p, &processes->lists[PROCESS_ALIVE], entry)
	{
		h->left += !is_counted(h, p);
	}
}

/* ---- who should answer ---- */

static int add_server(struct hang_verdict *h, const struct server *from,
		      const struct process_table *processes)
{
	struct hang_server *s = &h->servers[h->n_servers];

	if (from->s.a.tgid == 0 || h->n_servers == HANG_SERVERS_MAX)
		return 0;
	*s = from->s;
	s->a = (struct actor){};
	s->death = NULL;
	h->n_servers++;
	if (from->s.death && !(s->death = strdup(from->s.death)))
		return -ENOMEM;
	if (actor_copy(&s->a, &from->s.a) < 0 || actor_enrich(&s->a, processes) < 0 ||
	    hang_cite(h, &from->kill) < 0)
		return -ENOMEM;
	return hang_cite(h, &from->end);
}

static int add_servers(const struct hang_table *t, struct hang_verdict *h,
		       const struct process_table *processes)
{
	const struct service_of_fuse *s = service_of(t, h->connection);
	int r;

	if (!s)
		return 0;
	h->servers_known = s->known;
	r = add_server(h, &s->mounter, processes);
	for (unsigned int i = 0; r == 0 && i < s->n_holders; i++)
		if (s->holders[i].s.a.tgid != s->mounter.s.a.tgid)
			r = add_server(h, &s->holders[i], processes);
	if (r < 0 || hang_cite(h, &s->mount) < 0)
		return -ENOMEM;
	return hang_cite(h, &s->look);
}

/* ---- in the words that svctrace stuck has for the same ---- */

static void server_task(struct stuck_task *dst, const struct actor *a)
{
	dst->tgid = dst->tid = (pid_t)a->tgid;
	snprintf(dst->comm, sizeof(dst->comm), "%s", a->comm ? a->comm : "process");
}

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
		if (h->servers[i].a.exited)
			continue;
		server_task(&tasks[i], &h->servers[i].a);
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

/* ---- the whole ---- */

void hang_verdict_done(struct hang_verdict *h)
{
	actor_done(&h->init.a);
	for (unsigned int i = 0; i < h->n_inner; i++)
		actor_done(&h->inner[i].a);
	for (unsigned int i = 0; i < h->n_waiters; i++) {
		actor_done(&h->waiters[i].a);
		free(h->waiters[i].stack);
	}
	for (unsigned int i = 0; i < h->n_servers; i++) {
		actor_done(&h->servers[i].a);
		free(h->servers[i].death);
	}
	for (unsigned int i = 0; i < h->n_proof; i++)
		proof_done(&h->proof[i]);
	free(h->root);
	free(h->why);
	free(h->next);
	free(h->consequence);
}

static int fill_teardown(const struct hang_table *t, struct hang_verdict *h, const struct wait *w,
			 const struct process_table *processes)
{
	int r = add_wait(h, w);

	h->pidns = w->pidns;
	if (r == 0)
		r = set_task(h, &h->init, w, processes);
	return r < 0 ? r : add_inner(t, h, w, processes);
}

static int add_flush(const struct hang_table *t, struct hang_verdict *h, const struct wait *root,
		     const struct process_table *processes)
{
	int r;

	h->have_connection = true;
	h->connection = root->connection;
	r = add_waiters(t, h, root, processes);
	return r < 0 ? r : add_servers(t, h, processes);
}

int hang_fill(const struct hang_table *t, struct hang_verdict *h, const struct wait *w,
	      const struct process_table *processes)
{
	const struct wait *root = wait_root(t, w);
	const struct look_hold *hold = root || h->ended ? NULL : wait_hold(w);
	int r = 0;

	h->kind = h->ended ? w->told_kind : wait_kind(t, w);
	if (w->of_init)
		r = fill_teardown(t, h, w, processes);
	if (r == 0 && root)
		r = add_flush(t, h, root, processes);
	else if (r == 0 && hold)
		r = add_held(h, w, hold, processes);
	if (r == 0 && w->of_init)
		count_left(h, processes);
	return r == 0 && !h->ended && !hold ? put_in_words(h) : r;
}
