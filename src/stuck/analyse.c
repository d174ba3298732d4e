/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From tasks that cannot end to what holds them: each task that waits is put to the thing that it
 * waits for, and then whoever waits for these tasks is put with them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "stuck/hang.h"
#include "svctrace/cleanup.h"

static bool is_dead(const struct stuck_task *t)
{
	return t->state == 'Z' || t->state == 'X' || t->state == 'x';
}

static bool is_held(const struct stuck_snapshot *s, const struct stuck_task *t)
{
	return t->still && stuck_is_told_to_end(s, t);
}

/* An init that ends may itself hang in what else it does; without a stack it is taken to wait. */
static bool is_waiting_init(const struct stuck_task *t)
{
	enum stuck_wait w = stuck_classify(t);

	return stuck_is_ending_init(t) &&
	       (w == STUCK_WAIT_PIDNS || (w == STUCK_WAIT_UNKNOWN && !t->stack));
}

static uint64_t parent_of(const struct stuck_snapshot *s, uint64_t pidns)
{
	for (size_t i = 0; i < s->n_pidns; i++)
		if (s->pidns[i].inode == pidns)
			return s->pidns[i].parent;
	return 0;
}

/* In that pid namespace, or in one below it. */
static bool is_in(const struct stuck_snapshot *s, const struct stuck_task *t, uint64_t pidns)
{
	uint64_t at = t->pidns;

	for (unsigned int level = 0; at && level < STUCK_LEVELS; level++) {
		if (at == pidns)
			return true;
		at = parent_of(s, at);
	}
	return false;
}

static int add_member(struct stuck_hang *h, const struct stuck_task *t, enum stuck_role role)
{
	struct stuck_member *new;

	for (size_t i = 0; i < h->n_members; i++)
		if (h->members[i].task == t)
			return 0;
	new = reallocarray(h->members, h->n_members + 1, sizeof(*new));
	if (!new)
		return -ENOMEM;
	h->members = new;
	new[h->n_members++] = (struct stuck_member){.task = t, .role = role};
	return 0;
}

int stuck_add_daemon(struct stuck_hang *h, const struct stuck_task *t)
{
	const struct stuck_task **new;

	for (size_t i = 0; i < h->n_daemons; i++)
		if (h->daemons[i] == t)
			return 0;
	new = reallocarray(h->daemons, h->n_daemons + 1, sizeof(*new));
	if (!new)
		return -ENOMEM;
	h->daemons = new;
	new[h->n_daemons++] = t;
	return 0;
}

static int add_unit(struct stuck_hang *h, const struct stuck_unit *u)
{
	const struct stuck_unit **new;

	for (size_t i = 0; i < h->n_units; i++)
		if (h->units[i] == u)
			return 0;
	new = reallocarray(h->units, h->n_units + 1, sizeof(*new));
	if (!new)
		return -ENOMEM;
	h->units = new;
	new[h->n_units++] = u;
	return 0;
}

/* ---- what a task waits for ---- */

/* The thing itself; two tasks that wait for the same one have the same cause. */
struct cause {
	enum stuck_kind kind;
	const struct stuck_connection *connection;
	const struct stuck_mount *mount;
	const char *frozen;
	pid_t pid; /* that it is about, if it is about one */
};

/* The only mount there of such file systems; NULL: which one it is cannot be told. */
static const struct stuck_mount *only_mount(const struct stuck_snapshot *s,
					    const struct stuck_task *t, bool nfs)
{
	const struct stuck_mount *found = NULL;

	for (size_t i = 0; i < s->n_mounts; i++) {
		const struct stuck_mount *m = &s->mounts[i];

		if (!m->type || m->mntns != t->mntns || strncmp(m->type, "fuse", 4) == 0 ||
		    (strncmp(m->type, "nfs", 3) == 0) != nfs)
			continue;
		if (found && (found->major != m->major || found->minor != m->minor))
			return NULL;
		found = m;
	}
	return found;
}

static struct cause cause_of(const struct stuck_snapshot *s, const struct stuck_task *t)
{
	struct cause c = {.kind = STUCK_UNKNOWN, .pid = t->tgid};

	switch (stuck_classify(t)) {
	case STUCK_WAIT_FUSE:
		c.kind = STUCK_FUSE_UNKNOWN; /* to be judged */
		c.connection = stuck_connection_of(s, t);
		c.pid = c.connection ? 0 : t->tgid;
		break;
	case STUCK_WAIT_NFS:
		c = (struct cause){.kind = STUCK_NFS, .mount = only_mount(s, t, true)};
		break;
	case STUCK_WAIT_NETFS:
		c = (struct cause){.kind = STUCK_NETFS, .mount = only_mount(s, t, false)};
		break;
	case STUCK_WAIT_FROZEN:
		c = (struct cause){.kind = STUCK_FROZEN, .frozen = t->frozen};
		break;
	case STUCK_WAIT_STOPPED:
		c.kind = STUCK_STOPPED;
		break;
	case STUCK_WAIT_TRACED:
		c = (struct cause){.kind = STUCK_TRACED, .pid = t->tracer};
		break;
	case STUCK_WAIT_DUMP:
		c.kind = STUCK_DUMP;
		break;
	case STUCK_WAIT_MOUNT:
		c = (struct cause){.kind = STUCK_MOUNT};
		break;
	case STUCK_WAIT_DISK:
		c = (struct cause){.kind = STUCK_DISK};
		break;
	case STUCK_WAIT_PIDNS:
	case STUCK_WAIT_UNKNOWN:
	case _STUCK_WAIT_MAX:
		break;
	}
	return c;
}

/* ---- grouping ---- */

struct analysis {
	const struct stuck_snapshot *s;
	struct stuck_report *report;
	struct cause *causes; /* of the report's hangs */
};

static bool is_same(const struct cause *a, const struct cause *b)
{
	return a->kind == b->kind && a->connection == b->connection && a->mount == b->mount &&
	       a->pid == b->pid &&
	       (a->frozen == b->frozen ||
		(a->frozen && b->frozen && strcmp(a->frozen, b->frozen) == 0));
}

static struct stuck_hang *new_hang(struct analysis *a, const struct cause *c)
{
	size_t n = a->report->n_hangs;
	struct stuck_hang *hangs = reallocarray(a->report->hangs, n + 1, sizeof(*hangs));
	struct cause *causes;

	if (!hangs)
		return NULL;
	a->report->hangs = hangs;
	causes = reallocarray(a->causes, n + 1, sizeof(*causes));
	if (!causes)
		return NULL;
	a->causes = causes;
	causes[n] = *c;
	hangs[n] = (struct stuck_hang){
		.kind = c->kind,
		.connection = c->connection,
		.mount = c->mount,
		.frozen = c->frozen,
	};
	a->report->n_hangs++;
	return &hangs[n];
}

static struct stuck_hang *hang_for(struct analysis *a, const struct cause *c)
{
	for (size_t i = 0; i < a->report->n_hangs; i++)
		if (is_same(&a->causes[i], c))
			return &a->report->hangs[i];
	return new_hang(a, c);
}

static int place_waiter(struct analysis *a, const struct stuck_task *t)
{
	const struct stuck_task *leader = stuck_find_task(a->s, t->tgid, t->tgid);
	struct cause c = cause_of(a->s, t);
	struct stuck_hang *h = hang_for(a, &c);
	const struct stuck_task *tracer;
	int r;

	if (!h)
		return -ENOMEM;
	r = add_member(h, t, STUCK_ROLE_WAITER);
	if (r == 0 && leader && leader != t && is_dead(leader))
		r = add_member(h, leader, STUCK_ROLE_LEADER);
	tracer = c.kind == STUCK_TRACED ? stuck_find_task(a->s, t->tracer, t->tracer) : NULL;
	return r == 0 && tracer ? stuck_add_daemon(h, tracer) : r;
}

static bool holds_any_in(const struct analysis *a, const struct stuck_hang *h,
			 const struct stuck_task *init)
{
	for (size_t i = 0; i < h->n_members; i++)
		if (h->members[i].task != init && is_in(a->s, h->members[i].task, init->pidns))
			return true;
	return false;
}

/* An init which ends and whose namespace nothing known holds: what is left in it? */
static int place_lone_init(struct analysis *a, const struct stuck_task *init)
{
	const struct stuck_snapshot *s = a->s;
	struct cause c = {.kind = STUCK_PIDNS, .pid = init->tgid};
	bool all_dead = true, any = false;
	struct stuck_hang *h;
	int r;

	for (size_t i = 0; i < s->n_tasks; i++) {
		const struct stuck_task *t = &s->tasks[i];

		if (t->tgid == init->tgid || !is_in(s, t, init->pidns))
			continue;
		if (!is_dead(t) && !t->still)
			return 0; /* it is still at it */
		all_dead &= is_dead(t);
		any = true;
	}
	if (!any && init->pidns)
		return 0; /* the last one has gone just now */
	if (any && all_dead)
		c.kind = STUCK_UNREAPED;
	h = new_hang(a, &c);
	r = h ? add_member(h, init, STUCK_ROLE_INIT) : -ENOMEM;
	for (size_t i = 0; r == 0 && i < s->n_tasks; i++) {
		const struct stuck_task *t = &s->tasks[i], *parent;

		if (t->tgid == init->tgid || !is_in(s, t, init->pidns))
			continue;
		r = add_member(h, t, is_dead(t) ? STUCK_ROLE_DEAD : STUCK_ROLE_WAITER);
		parent = stuck_find_task(s, t->ppid, t->ppid);
		if (r == 0 && all_dead && parent && !is_in(s, parent, init->pidns))
			r = stuck_add_daemon(h, parent);
	}
	return r;
}

static int place_init(struct analysis *a, const struct stuck_task *init)
{
	bool placed = false;

	for (size_t i = 0; i < a->report->n_hangs; i++) {
		struct stuck_hang *h = &a->report->hangs[i];
		int r = 0;

		if (!holds_any_in(a, h, init))
			continue;
		placed = true;
		r = add_member(h, init, STUCK_ROLE_INIT);
		if (r < 0)
			return r;
	}
	return placed ? 0 : place_lone_init(a, init);
}

/* ---- the whole ---- */

static int place_all(struct analysis *a)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < a->s->n_tasks; i++) {
		const struct stuck_task *t = &a->s->tasks[i];

		if (is_held(a->s, t) && !is_waiting_init(t))
			r = place_waiter(a, t);
	}
	/* the innermost init first: what holds it is then what holds those around it */
	for (unsigned int level = STUCK_LEVELS; r == 0 && level > 1; level--)
		for (size_t i = 0; r == 0 && i < a->s->n_tasks; i++) {
			const struct stuck_task *t = &a->s->tasks[i];

			if (t->n_nspid == level && is_held(a->s, t) && is_waiting_init(t))
				r = place_init(a, t);
		}
	return r;
}

static int compare_members(const void *a, const void *b)
{
	const struct stuck_member *x = a, *y = b;

	if (x->role != y->role)
		return (int)x->role - (int)y->role;
	if (x->role == STUCK_ROLE_INIT && x->task->n_nspid != y->task->n_nspid)
		return (int)x->task->n_nspid - (int)y->task->n_nspid;
	return (x->task->tid > y->task->tid) - (x->task->tid < y->task->tid);
}

static int compare_hangs(const void *a, const void *b)
{
	const struct stuck_hang *x = a, *y = b;

	if (x->kind != y->kind)
		return (int)x->kind - (int)y->kind;
	return x->members[0].task->tid - y->members[0].task->tid;
}

static int finish_hang(const struct stuck_snapshot *s, struct stuck_hang *h)
{
	int r = 0;

	qsort(h->members, h->n_members, sizeof(h->members[0]), compare_members);
	for (size_t i = 0; r == 0 && i < h->n_members; i++) {
		const struct stuck_unit *u = stuck_find_unit(s, h->members[i].task->cgroup);

		if (u)
			r = add_unit(h, u);
	}
	if (h->connection)
		h->mount = stuck_mount_of(s, h->connection->number,
					  h->members[h->n_members - 1].task->mntns);
	if (r == 0 && h->kind == STUCK_FUSE_UNKNOWN)
		r = stuck_judge_fuse(s, h);
	return r < 0 ? r : stuck_word(s, h);
}

int stuck_analyse(const struct stuck_snapshot *s, struct stuck_report **ret)
{
	_cleanup_(stuck_report_freep) struct stuck_report *report = calloc(1, sizeof(*report));
	struct analysis a = {.s = s, .report = report};
	int r;

	if (!report)
		return -ENOMEM;
	r = place_all(&a);
	free(a.causes);
	for (size_t i = 0; r == 0 && i < report->n_hangs; i++)
		r = finish_hang(s, &report->hangs[i]);
	if (r < 0)
		return r;
	if (report->n_hangs > 0)
		qsort(report->hangs, report->n_hangs, sizeof(report->hangs[0]), compare_hangs);
	*ret = take_ptr(report);
	return 0;
}

void stuck_report_freep(struct stuck_report **r)
{
	if (!*r)
		return;
	for (size_t i = 0; i < (*r)->n_hangs; i++) {
		struct stuck_hang *h = &(*r)->hangs[i];

		free(h->members);
		free(h->daemons);
		free(h->units);
		free(h->root);
		free(h->why);
		free(h->next);
		free(h->consequence);
	}
	free((*r)->hangs);
	free(*r);
	*r = NULL;
}
