/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a look at threads says of who holds them: put to what svctrace stuck judges by. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/look.h"
#include "engine/unit.h"
#include "svctrace/cleanup.h"

void hold_done(struct look_hold *h)
{
	free(h->root);
	free(h->next);
	*h = (struct look_hold){};
}

int hold_copy(struct look_hold *dst, const struct look_hold *src)
{
	*dst = *src;
	dst->root = strdup(src->root);
	dst->next = strdup(src->next);
	return dst->root && dst->next ? 0 : -ENOMEM;
}

static struct stuck_task *add_thread(struct stuck_snapshot *s, const struct look_thread *x)
{
	struct stuck_task *t = stuck_add_task(s);

	if (!t)
		return NULL;
	t->tid = (pid_t)x->tid;
	t->tgid = (pid_t)x->a.tgid;
	t->nspid[0] = t->tid;
	t->n_nspid = 1;
	t->state = x->state;
	t->flags = x->exiting ? STUCK_TASK_EXITS : 0;
	t->still = x->state != 'R';
	snprintf(t->comm, sizeof(t->comm), "%s", x->comm ? x->comm : "process");
	t->stack = x->stack ? strdup(x->stack) : NULL;
	return x->stack && !t->stack ? NULL : t;
}

static int add_to_unit(struct stuck_snapshot *s, const struct look_thread *x, const char *unit,
		       const char *frozen)
{
	struct stuck_task *t = add_thread(s, x);

	if (!t)
		return -ENOMEM;
	t->frozen = frozen && x->wait == STUCK_WAIT_FROZEN ? strdup(frozen) : NULL;
	if (asprintf(&t->cgroup, "/%s", unit) < 0)
		t->cgroup = NULL;
	return t->cgroup ? 0 : -ENOMEM;
}

/* As if that unit were all there is, and were being stopped. */
static int make_snapshot(struct stuck_snapshot *s, const struct thread_look *l, const char *unit,
			 const char *frozen)
{
	int r = stuck_add_unit(s, unit, "deactivating", "");

	for (unsigned int i = 0; r == 0 && i < l->n_threads; i++)
		r = add_to_unit(s, &l->thread[i], unit, frozen);
	stuck_sort(s);
	return r;
}

/* It got no CPU between the two looks. */
static bool is_still(const struct look_thread *x, const struct thread_look *before)
{
	for (unsigned int i = 0; before && i < before->n_threads; i++)
		if (before->thread[i].tid == x->tid)
			return x->state != 'R' && before->thread[i].cpu_ns == x->cpu_ns;
	return false;
}

/* The kernel has sent SIGKILL to all that is in it. Namespaces within count as the same one. */
static int add_to_pidns(struct stuck_snapshot *s, const struct look_thread *x,
			const struct thread_look *before)
{
	struct stuck_task *t = add_thread(s, x);

	if (!t)
		return -ENOMEM;
	t->still = is_still(x, before);
	t->all_pending = STUCK_SIGKILL;
	t->pidns = 1;
	t->nspid[t->n_nspid++] = (pid_t)x->ns_tid;
	return 0;
}

/* What takes more than its threads to tell is for hang.c, or for svctrace stuck. */
static bool is_told(enum stuck_kind kind)
{
	return kind >= STUCK_NFS && kind <= STUCK_DISK;
}

/*
 * Who waits for a disk or a server at one moment may have its answer at the next; a tracer that
 * follows system calls stops a task at each of them.
 */
static enum certainty certainty_of(const struct stuck_hang *h)
{
	switch (h->kind) {
	case STUCK_STOPPED:
	case STUCK_FROZEN:
	case STUCK_DUMP:
		return CERTAIN;
	default:
		return INFERRED;
	}
}

static int add_hold(struct thread_look *l, const struct stuck_hang *h)
{
	struct look_hold *x = &l->hold[l->n_holds];

	if (!is_told(h->kind) || l->n_holds == LOOK_HOLDS_MAX)
		return 0;
	l->n_holds++;
	*x = (struct look_hold){.kind = h->kind, .certainty = certainty_of(h)};
	for (size_t i = 0; i < h->n_members && x->n_tids < LOOK_THREADS_MAX; i++)
		x->tid[x->n_tids++] = (uint32_t)h->members[i].task->tid;
	x->root = strdup(h->root);
	x->next = strdup(h->next);
	return x->root && x->next ? 0 : -ENOMEM;
}

static int add_holds(struct thread_look *l, const struct stuck_snapshot *s)
{
	_cleanup_(stuck_report_freep) struct stuck_report *report = NULL;
	int r = stuck_analyse(s, &report);

	for (size_t i = 0; r == 0 && i < report->n_hangs; i++)
		r = add_hold(l, &report->hangs[i]);
	return r;
}

int look_judge(struct thread_look *l, struct str id, const char *frozen)
{
	struct stuck_snapshot s = {};
	char unit[WIRE_ID_MAX];
	int r;

	id_copy(unit, id);
	r = make_snapshot(&s, l, unit, frozen);
	if (r == 0)
		r = add_holds(l, &s);
	stuck_snapshot_done(&s);
	return r;
}

int look_judge_pidns(struct thread_look *l, const struct thread_look *before)
{
	struct stuck_snapshot s = {};
	int r = 0;

	for (unsigned int i = 0; r == 0 && i < l->n_threads; i++)
		r = add_to_pidns(&s, &l->thread[i], before);
	stuck_sort(&s);
	if (r == 0)
		r = add_holds(l, &s);
	stuck_snapshot_done(&s);
	return r;
}
