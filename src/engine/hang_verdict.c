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

/* Those whose end was not seen; a task that waits has ended in the eyes of whoever counts. */
static void count_left(struct hang_verdict *h, const struct process_table *processes)
{
	const struct process *p;

	h->left = h->n_inner + h->n_waiters + h->n_waiters_left_out;
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
	for (unsigned int i = 0; i < h->n_waiters; i++)
		actor_done(&h->waiters[i].a);
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

int hang_fill(const struct hang_table *t, struct hang_verdict *h, const struct wait *w,
	      const struct process_table *processes)
{
	const struct wait *root = wait_root(t, w);
	int r = 0;

	h->kind = h->ended ? w->told_kind : root ? wait_judge(t, root) : STUCK_PIDNS;
	if (w->of_init)
		r = fill_teardown(t, h, w, processes);
	if (r == 0 && root) {
		h->have_connection = true;
		h->connection = root->connection;
		r = add_waiters(t, h, root, processes);
		if (r == 0)
			r = add_servers(t, h, processes);
	}
	if (r == 0 && w->of_init)
		count_left(h, processes);
	return r == 0 && !h->ended ? put_in_words(h) : r;
}
