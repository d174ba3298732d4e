/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/look.h"
#include "engine/verdict.h"
#include "svctrace/text.h"

static void thread_done(struct look_thread *t)
{
	actor_done(&t->a);
	free(t->comm);
	free(t->stack);
	ev_stack_done(&t->user);
	*t = (struct look_thread){};
}

void awaited_done(struct awaited *a)
{
	actor_done(&a->main_process);
	actor_done(&a->control_process);
	free(a->text);
	*a = (struct awaited){};
}

void look_clear(struct thread_look *l)
{
	for (unsigned int i = 0; i < l->n_threads; i++)
		thread_done(&l->thread[i]);
	for (unsigned int i = 0; i < l->n_holds; i++)
		hold_done(&l->hold[i]);
	awaited_done(&l->awaited);
	proof_done(&l->proof);
	*l = (struct thread_look){};
}

void look_free(struct thread_look *l)
{
	if (l)
		look_clear(l);
	free(l);
}

static int copy_thread(struct look_thread *dst, const struct look_thread *src)
{
	*dst = *src;
	dst->comm = src->comm ? strdup(src->comm) : NULL;
	dst->stack = src->stack ? strdup(src->stack) : NULL;
	dst->user = (struct ev_stack){};
	if (actor_copy(&dst->a, &src->a) < 0 || ev_stack_copy(&dst->user, &src->user) < 0)
		return -ENOMEM;
	return (src->comm && !dst->comm) || (src->stack && !dst->stack) ? -ENOMEM : 0;
}

static int copy_awaited(struct awaited *dst, const struct awaited *src)
{
	*dst = (struct awaited){
		.main = src->main,
		.control = src->control,
		.cgroup = src->cgroup,
		.setting = src->setting,
		.text = src->text ? strdup(src->text) : NULL,
	};
	if (src->text && !dst->text)
		return -ENOMEM;
	if (actor_copy(&dst->main_process, &src->main_process) < 0)
		return -ENOMEM;
	return actor_copy(&dst->control_process, &src->control_process);
}

int look_copy(struct thread_look **ret, const struct thread_look *l)
{
	struct thread_look *copy = calloc(1, sizeof(*copy));
	int r = copy ? proof_copy(&copy->proof, &l->proof) : -ENOMEM;

	if (r == 0) {
		copy->reason = l->reason;
		copy->at_ns = l->at_ns;
		copy->n = l->n;
	}
	for (unsigned int i = 0; r == 0 && i < l->n_threads; i++)
		r = copy_thread(&copy->thread[copy->n_threads++], &l->thread[i]);
	for (unsigned int i = 0; r == 0 && i < l->n_holds; i++)
		r = hold_copy(&copy->hold[copy->n_holds++], &l->hold[i]);
	if (r == 0)
		r = copy_awaited(&copy->awaited, &l->awaited);
	if (r < 0)
		look_free(copy);
	else
		*ret = copy;
	return r;
}

/* What must not be left out if there are too many: those that cannot end come first. */
static unsigned int weight(char state)
{
	static const char order[] = "XZISRtTD";
	const char *at = strchr(order, state);

	return state && at ? (unsigned int)(at - order) : 0;
}

/* The one that says least, if it says less than a thread in that state; NULL: none does. */
static struct look_thread *least(struct thread_look *l, char state)
{
	struct look_thread *found = &l->thread[0];

	for (unsigned int i = 1; i < l->n_threads; i++)
		if (weight(l->thread[i].state) <= weight(found->state))
			found = &l->thread[i];
	return weight(found->state) < weight(state) ? found : NULL;
}

static struct look_thread *room_for(struct thread_look *l, char state)
{
	struct look_thread *t;

	if (l->n_threads < LOOK_THREADS_MAX)
		return &l->thread[l->n_threads++];
	t = least(l, state);
	if (t)
		thread_done(t);
	return t;
}

/* Its process as it is known, or what the thread tells of it. */
static int set_process(struct actor *a, const struct ev_task *t,
		       const struct process_table *processes)
{
	const struct process *p = process_find(processes, t->tgid, t->start_ns);

	if (p)
		return actor_copy(a, &p->a);
	*a = (struct actor){
		.tgid = t->tgid,
		.ns_tgid = t->ns_tgid,
		.ppid = t->ppid,
		.start_ns = t->start_ns,
		.uid = t->uid,
		.loginuid = UINT32_MAX,
		.session = UINT32_MAX,
		.comm = str_dup(t->comm),
		.cgroup = str_dup(t->cgroup_path),
	};
	return 0;
}

int look_learn_thread(struct thread_look *l, const struct ev *e,
		      const struct process_table *processes)
{
	const struct ev_thread *x = &e->thread;
	struct look_thread *t = room_for(l, x->state);

	if (!t)
		return 0;
	t->tid = x->task.tid;
	t->ns_tid = x->ns_tid;
	t->state = x->state;
	t->exiting = x->flags & STUCK_TASK_EXITS;
	t->cpu_ns = x->cpu_ns;
	t->cpu_since_ns = x->cpu_since_ns;
	t->comm = str_dup(x->task.comm);
	t->stack = str_dup(x->stack);
	t->wait = stuck_classify(&(struct stuck_task){.state = x->state, .stack = t->stack});
	if ((x->task.comm.s && !t->comm) || (x->stack.s && !t->stack))
		return -ENOMEM;
	return set_process(&t->a, &x->task, processes);
}

int look_learn_user_stack(struct thread_look *l, const struct ev *e)
{
	for (unsigned int i = 0; i < l->n_threads; i++) {
		struct look_thread *t = &l->thread[i];

		if (t->tid != e->tid)
			continue;
		t->user_asked = true;
		t->user_error = e->user_stack.error;
		ev_stack_done(&t->user);
		return ev_stack_copy(&t->user, &e->user_stack.stack);
	}
	return 0; /* that thread was left out */
}

int look_learn(struct thread_look *l, const struct ev *e)
{
	l->reason = e->look.reason;
	l->at_ns = e->look.at_ns;
	l->n = e->look.n < l->n_threads ? l->n_threads : e->look.n;
	return proof_set(&l->proof, e);
}
