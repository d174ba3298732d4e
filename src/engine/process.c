/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/call.h"
#include "engine/cgroup.h"
#include "engine/process.h"
#include "engine/stop_blame.h"
#include "engine/verdict.h"
#include "svctrace/cleanup.h"
#include "svctrace/text.h"

/* How many of each list are kept; the oldest goes first. */
static const unsigned int list_max[PROCESS_LIST_MAX] = {
	[PROCESS_ALIVE] = 65536, /* only reached when exits were lost */
	[PROCESS_DEAD] = 1024,
};

#define AFTERLIFE_NS	   (10 * 1000000000ull)
#define DEAD_ANCESTORS_MAX 16
#define LINEAGE_MAX	   32
#define CMDLINE_MAX	   1024 /* bytes that are kept of a command line */

/* What /proc says of a start time is exact to one clock tick (USER_HZ is 100 everywhere). */
#define TICK_NS		   10000000ull

static bool same_start(uint64_t a, uint64_t b)
{
	return a == 0 || b == 0 || a / TICK_NS == b / TICK_NS;
}

void actor_done(struct actor *a)
{
	free(a->comm);
	free(a->exe);
	free(a->tty);
	free(a->cmdline);
	free(a->cgroup);
	free(a->unit);
	free(a->container);
	*a = (struct actor){};
}

static int copy_text(char **dst, const char *src)
{
	if (*dst || !src)
		return 0;
	*dst = strdup(src);
	return *dst ? 0 : -ENOMEM;
}

/* Numbers that dst does not know, and strings that it has not. */
static int actor_fill(struct actor *dst, const struct actor *src)
{
	bool nameless = !dst->comm;

	dst->ns_tgid = dst->ns_tgid ? dst->ns_tgid : src->ns_tgid;
	dst->ppid = dst->ppid ? dst->ppid : src->ppid;
	dst->uid = dst->uid != UINT32_MAX ? dst->uid : src->uid;
	dst->loginuid = dst->loginuid != UINT32_MAX ? dst->loginuid : src->loginuid;
	dst->session = dst->session != UINT32_MAX ? dst->session : src->session;
	dst->exited = dst->exited || src->exited;
	if (copy_text(&dst->comm, src->comm) < 0 || copy_text(&dst->tty, src->tty) < 0 ||
	    copy_text(&dst->cgroup, src->cgroup) < 0 || copy_text(&dst->unit, src->unit) < 0 ||
	    copy_text(&dst->container, src->container) < 0)
		return -ENOMEM;
	/* another name: it has executed something else since, and the rest would not fit */
	if (!nameless && src->comm && strcmp(dst->comm, src->comm) != 0)
		return 0;
	if (copy_text(&dst->exe, src->exe) < 0 || copy_text(&dst->cmdline, src->cmdline) < 0)
		return -ENOMEM;
	return 0;
}

int actor_copy(struct actor *dst, const struct actor *src)
{
	*dst = (struct actor){
		.tgid = src->tgid,
		.start_ns = src->start_ns,
		.uid = UINT32_MAX,
		.loginuid = UINT32_MAX,
		.session = UINT32_MAX,
	};
	return actor_fill(dst, src);
}

int actor_enrich(struct actor *a, const struct process_table *t)
{
	const struct process *p = process_find(t, a->tgid, a->start_ns);

	return p ? actor_fill(a, &p->a) : 0;
}

static void signal_free(struct signal_seen *s)
{
	if (!s)
		return;
	lineage_done(&s->from);
	request_unref(s->request);
	stop_blame_unref(s->stop);
	proof_done(&s->proof);
	free(s);
}

struct process *process_ref(struct process *p)
{
	p->n_ref++;
	return p;
}

static void process_free(struct process *p)
{
	for (unsigned int i = 0; i < p->n_signals; i++)
		signal_free(p->signals[i]);
	proof_done(&p->exit_proof);
	proof_done(&p->oom_proof);
	actor_done(&p->a);
	free(p);
}

void process_unref(struct process *p)
{
	/* the last of a family takes its ancestors along: a loop, for a family may be long */
	while (p && --p->n_ref == 0) {
		struct process *parent = p->parent;

		process_free(p);
		p = parent;
	}
}

/* Ancestors that are dead are kept up to a limit, or a chain of forks would grow for ever. */
static void set_parent(struct process *p, struct process *parent)
{
	struct process *x = parent;

	if (!parent || p->parent || parent == p)
		return;
	p->parent = process_ref(parent);
	for (unsigned int i = 0; x->parent && i < LINEAGE_MAX; i++, x = x->parent) {
		if (i < DEAD_ANCESTORS_MAX || !x->parent->a.exited)
			continue;
		process_unref(x->parent);
		x->parent = NULL;
		return;
	}
}

void process_table_init(struct process_table *t)
{
	for (size_t i = 0; i < PROCESS_LIST_MAX; i++)
		TAILQ_INIT(&t->lists[i]);
}

static void forget_number(struct process *p)
{
	if (p->has_number)
		LIST_REMOVE(p, same_bucket);
	p->has_number = false;
}

static void set_ns_number(struct process_table *t, struct process *p, uint32_t number)
{
	if (p->ns_number == number)
		return;
	if (p->ns_number)
		LIST_REMOVE(p, same_ns_bucket);
	p->ns_number = number;
	if (number)
		LIST_INSERT_HEAD(&t->by_ns[number % PROCESS_BUCKETS], p, same_ns_bucket);
}

static void drop(struct process_table *t, struct process *p)
{
	forget_number(p);
	set_ns_number(t, p, 0);
	TAILQ_REMOVE(&t->lists[p->list], p, entry);
	t->n[p->list]--;
	process_unref(p);
}

void process_table_done(struct process_table *t)
{
	struct process *p;

	for (size_t i = 0; i < PROCESS_LIST_MAX; i++)
		while ((p = TAILQ_FIRST(&t->lists[i])))
			drop(t, p);
}

void process_table_expire(struct process_table *t, uint64_t now_ns)
{
	struct process *p;

	while ((p = TAILQ_FIRST(&t->lists[PROCESS_DEAD])) && now_ns > p->exit_ns + AFTERLIFE_NS)
		drop(t, p);
}

static void enlist(struct process_table *t, struct process *p, enum process_list list)
{
	p->list = list;
	TAILQ_INSERT_TAIL(&t->lists[list], p, entry);
	if (++t->n[list] > list_max[list])
		drop(t, TAILQ_FIRST(&t->lists[list]));
}

static void move(struct process_table *t, struct process *p, enum process_list list)
{
	if (p->list == list)
		return;
	TAILQ_REMOVE(&t->lists[p->list], p, entry);
	t->n[p->list]--;
	enlist(t, p, list);
}

struct process *process_by_tgid(const struct process_table *t, uint32_t tgid)
{
	struct process *p;

	LIST_FOREACH(p, &t->by_tgid[tgid % PROCESS_BUCKETS], same_bucket)
	{
		if (p->a.tgid == tgid)
			break;
	}
	return p;
}

struct process *process_find(const struct process_table *t, uint32_t tgid, uint64_t start_ns)
{
	struct process *p = process_by_tgid(t, tgid);

	if (!p || same_start(p->a.start_ns, start_ns))
		return p;
	TAILQ_FOREACH(p, &t->lists[PROCESS_DEAD], entry)
	if (p->a.tgid == tgid && same_start(p->a.start_ns, start_ns))
		return p;
	return NULL;
}

struct process *process_by_ns(const struct process_table *t, uint32_t pidns, uint32_t ns_tgid)
{
	struct process *p, *found = NULL;

	LIST_FOREACH(p, &t->by_ns[ns_tgid % PROCESS_BUCKETS], same_ns_bucket)
	if (p->pidns == pidns && p->ns_number == ns_tgid &&
	    (!found || p->a.start_ns > found->a.start_ns))
		found = p;
	return found;
}

static int set_text(char **dst, struct str s)
{
	char *copy;

	if (!s.s)
		return 0;
	copy = str_dup(s);
	if (!copy)
		return -ENOMEM;
	free(*dst);
	*dst = copy;
	return 0;
}

/* What the kernel told of it fills its room to the last byte. */
static bool is_cut(struct str s)
{
	return s.n > CMDLINE_MAX || s.n == WIRE_CMDLINE_MAX - 1;
}

static int mark_cut(char **text)
{
	char *longer;

	if (asprintf(&longer, "%s…", *text) < 0)
		return -ENOMEM;
	free(*text);
	*text = longer;
	return 0;
}

static int set_cmdline(char **dst, struct str s)
{
	char *copy;

	if (!s.s)
		return 0;
	copy = text_join_args(s.s, s.n < CMDLINE_MAX ? s.n : CMDLINE_MAX);
	if (!copy)
		return -ENOMEM;
	free(*dst);
	*dst = copy;
	return is_cut(s) ? mark_cut(dst) : 0;
}

static int actor_set_cgroup(struct actor *a, struct str path)
{
	struct str unit = cgroup_unit(path);

	if (!path.s || (a->cgroup && str_equal(path, a->cgroup)))
		return 0;
	free(a->unit);
	free(a->container);
	a->unit = a->container = NULL;
	if (set_text(&a->cgroup, path) < 0 || set_text(&a->unit, unit) < 0)
		return -ENOMEM;
	return cgroup_container(path, &a->container);
}

/* What the kernel says of a task; it knows better than what was known before. */
static int actor_set_task(struct actor *a, const struct ev_task *task)
{
	a->tgid = task->tgid;
	a->ns_tgid = task->ns_tgid;
	a->ppid = task->ppid;
	a->uid = task->uid;
	/* a start time of /proc is rounded down to a tick: the other one is the exact one */
	if (task->start_ns > a->start_ns)
		a->start_ns = task->start_ns;
	if (set_text(&a->comm, task->comm) < 0)
		return -ENOMEM;
	return actor_set_cgroup(a, task->cgroup_path);
}

static struct process *add(struct process_table *t, const struct ev_task *task)
{
	struct process *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->a.tgid = task->tgid;
	p->a.loginuid = p->a.session = UINT32_MAX;
	p->n_ref = 1;
	LIST_INSERT_HEAD(&t->by_tgid[p->a.tgid % PROCESS_BUCKETS], p, same_bucket);
	p->has_number = true;
	enlist(t, p, PROCESS_ALIVE);
	return p;
}

/* The number is somebody else's now; the one that had it is gone, whether that was seen or not. */
static void retire(struct process_table *t, struct process *p, uint64_t now_ns)
{
	forget_number(p);
	if (!p->a.exited) {
		p->a.exited = true;
		p->exit_ns = now_ns;
	}
	move(t, p, PROCESS_DEAD);
}

struct process *process_learn_task(struct process_table *t, const struct ev_task *task)
{
	struct process *p = process_find(t, task->tgid, task->start_ns);

	if (!p) {
		struct process *old = process_by_tgid(t, task->tgid);

		if (old)
			retire(t, old, old->exit_ns);
		p = add(t, task);
	}
	if (!p || actor_set_task(&p->a, task) < 0)
		return NULL;
	set_ns_number(t, p, p->a.ns_tgid);
	p->pidns = task->pidns;
	p->cgroup = task->cgroup ? task->cgroup : p->cgroup;
	return p;
}

/* Whether /proc told of this new process before its fork did; else its number is used again. */
static bool is_same_birth(const struct process *known, const struct ev_task *task)
{
	if (known->a.start_ns == task->start_ns)
		return true;
	return !known->a.exited && known->a.start_ns % TICK_NS == 0 &&
	       same_start(known->a.start_ns, task->start_ns);
}

struct process *process_learn_fork(struct process_table *t, const struct ev *e)
{
	const struct ev_task *task = &e->process.task;
	struct process *old = process_by_tgid(t, task->tgid), *p, *parent;

	if (old && !is_same_birth(old, task))
		retire(t, old, e->mono_ns);
	p = process_learn_task(t, task);
	parent = process_by_tgid(t, e->tgid);
	if (!p || !parent || parent == p)
		return p;
	/* CLONE_PARENT makes it a sibling */
	set_parent(p, task->ppid == parent->a.tgid ? parent : process_by_tgid(t, task->ppid));
	p->a.loginuid = parent->a.loginuid;
	p->a.session = parent->a.session;
	if (copy_text(&p->a.exe, parent->a.exe) < 0 ||
	    copy_text(&p->a.cmdline, parent->a.cmdline) < 0 ||
	    copy_text(&p->a.tty, parent->a.tty) < 0)
		return NULL;
	return p;
}

struct process *process_learn_exec(struct process_table *t, const struct ev *e)
{
	struct process *p = process_learn_task(t, &e->process.task);

	if (!p || set_text(&p->a.exe, e->process.exe) < 0 ||
	    set_cmdline(&p->a.cmdline, e->process.cmdline) < 0)
		return NULL;
	return p;
}

struct process *process_learn_exit(struct process_table *t, const struct ev *e)
{
	struct process *p = process_learn_task(t, &e->process.task);

	if (!p || p->exit_proof.seq)
		return p;
	p->a.exited = true;
	p->status = e->process.code;
	p->exit_ns = e->mono_ns;
	if (proof_set(&p->exit_proof, e) < 0)
		return NULL;
	move(t, p, PROCESS_DEAD);
	return p;
}

void process_table_leave_pidns(struct process_table *t, uint32_t pidns)
{
	struct process *p;

	TAILQ_FOREACH(p, &t->lists[PROCESS_ALIVE], entry)
	if (p->pidns == pidns)
		p->pidns = 0;
}

/* The one that has the parent's number now may not be the parent: it has to be older. */
static struct process *elder(struct process *parent, const struct process *child)
{
	return parent && parent->a.start_ns / TICK_NS <= child->a.start_ns / TICK_NS ? parent
										     : NULL;
}

struct process *process_learn_proc(struct process_table *t, const struct ev *e)
{
	struct process *known = process_by_tgid(t, e->proc.task.tgid), *p;
	struct ev_task task = e->proc.task;

	/* read from /proc, so it lives: an older holder of the number is gone, seen or not */
	if (known && known->a.exited && same_start(known->a.start_ns, task.start_ns))
		return known;
	if (known && known->a.start_ns / TICK_NS > task.start_ns / TICK_NS)
		return known;
	if (e->proc.cgroup.s)
		task.cgroup_path = e->proc.cgroup;
	p = process_learn_task(t, &task);
	if (!p)
		return NULL;
	p->a.loginuid = e->proc.loginuid;
	p->a.session = e->proc.session;
	set_parent(p, elder(process_by_tgid(t, task.ppid), p));
	if (set_text(&p->a.exe, e->proc.exe) < 0 || set_text(&p->a.tty, e->proc.tty) < 0 ||
	    set_cmdline(&p->a.cmdline, e->proc.cmdline) < 0)
		return NULL;
	return p;
}

int process_set_cgroup(struct process *p, uint64_t id, struct str path)
{
	p->cgroup = id;
	return actor_set_cgroup(&p->a, path);
}

/* Signals that end nobody who does not ask for it. */
static bool signal_is_harmless(int sig)
{
	switch (sig) {
	case SIGCHLD:
	case SIGCONT:
	case SIGURG:
	case SIGWINCH:
	case SIGSTOP:
	case SIGTSTP:
	case SIGTTIN:
	case SIGTTOU:
		return true;
	default:
		return sig <= 0;
	}
}

static int origin_actor(struct actor *a, const struct ev_origin *o)
{
	*a = (struct actor){.loginuid = o->loginuid, .session = o->session};
	if (actor_set_task(a, &o->task) < 0 || set_text(&a->tty, o->tty) < 0)
		return -ENOMEM;
	return set_cmdline(&a->cmdline, o->cmdline);
}

static struct actor *lineage_append(struct lineage *l)
{
	struct actor *a = &l->chain[l->n];

	if (l->n == LINEAGE_MAX)
		return NULL;
	*a = (struct actor){.uid = UINT32_MAX, .loginuid = UINT32_MAX, .session = UINT32_MAX};
	l->n++;
	return a;
}

/* The parent of the last one, as the process table knows it. */
static const struct process *born_to(const struct lineage *l, const struct process_table *t)
{
	const struct actor *last = &l->chain[l->n - 1];
	const struct process *p = process_find(t, last->tgid, last->start_ns);

	if (!p)
		return NULL;
	return p->parent ? p->parent : elder(process_by_tgid(t, p->a.ppid), p);
}

static bool lineage_has(const struct lineage *l, uint32_t tgid)
{
	unsigned int i = 0;

	while (i < l->n && l->chain[i].tgid != tgid)
		i++;
	return i < l->n;
}

static int append_ancestor(struct lineage *l, const struct ev_origin *o, uint32_t i,
			   const struct process_table *t)
{
	struct actor *a = lineage_append(l);

	if (!a)
		return 0;
	a->tgid = o->ancestors[i].tgid;
	a->start_ns = o->ancestors[i].start_ns;
	if (set_text(&a->comm, o->ancestors[i].comm) < 0)
		return -ENOMEM;
	return actor_enrich(a, t);
}

/*
 * The ancestors, the parent first. The kernel tells the living ones: an orphan's is whoever adopted
 * it. Whom it was born to, the process table remembers.
 */
static int lineage_climb(struct lineage *l, const struct ev_origin *o,
			 const struct process_table *t)
{
	uint32_t i = 0, n = o ? o->n_ancestors : 0;
	int r = 0;

	while (r == 0 && l->n < LINEAGE_MAX && l->chain[l->n - 1].tgid != 1) {
		const struct process *p = born_to(l, t);

		while (i < n && lineage_has(l, o->ancestors[i].tgid))
			i++;
		if (p && (i == n || p->a.tgid != o->ancestors[i].tgid)) {
			struct actor *a = lineage_has(l, p->a.tgid) ? NULL : lineage_append(l);

			if (!a)
				return 0;
			r = actor_copy(a, &p->a);
		} else if (i < n) {
			r = append_ancestor(l, o, i++, t);
		} else {
			return 0;
		}
	}
	return r;
}

static int lineage_finish(struct lineage *l, int r)
{
	for (unsigned int i = 0; r == 0 && i + 1 < l->n; i++)
		l->chain[i].ppid = l->chain[i + 1].tgid;
	if (r < 0) {
		lineage_done(l);
	} else if (l->n > 0) {
		struct actor *fit = reallocarray(l->chain, l->n, sizeof(*l->chain));

		l->chain = fit ? fit : l->chain;
	}
	return r;
}

static int lineage_new(struct lineage *l)
{
	*l = (struct lineage){.chain = calloc(LINEAGE_MAX, sizeof(*l->chain))};
	return l->chain ? 0 : -ENOMEM;
}

int lineage_set(struct lineage *l, const struct ev_origin *o, const struct process_table *t)
{
	int r = lineage_new(l);

	if (r < 0)
		return r;
	l->n = 1;
	r = origin_actor(&l->chain[0], o);
	if (r == 0)
		r = actor_enrich(&l->chain[0], t);
	if (r == 0)
		r = lineage_climb(l, o, t);
	return lineage_finish(l, r);
}

int lineage_of(struct lineage *l, const struct process *p, const struct process_table *t)
{
	int r = lineage_new(l);

	if (r < 0)
		return r;
	l->n = 1;
	r = actor_copy(&l->chain[0], &p->a);
	if (r == 0)
		r = lineage_climb(l, NULL, t);
	return lineage_finish(l, r);
}

int lineage_copy(struct lineage *dst, const struct lineage *src)
{
	int r = lineage_new(dst);

	for (; r == 0 && dst->n < src->n; dst->n++)
		r = actor_copy(&dst->chain[dst->n], &src->chain[dst->n]);
	return lineage_finish(dst, r);
}

void lineage_done(struct lineage *l)
{
	for (unsigned int i = 0; i < l->n; i++)
		actor_done(&l->chain[i]);
	free(l->chain);
	*l = (struct lineage){};
}

static int signal_new(const struct ev *e, const struct process_table *t, struct signal_seen **ret)
{
	const struct ev_signal *s = &e->signal;
	struct signal_seen *x = calloc(1, sizeof(*x));

	if (!x)
		return -ENOMEM;
	x->sig = s->sig;
	x->code = s->code;
	x->syscall = s->syscall;
	x->flags = s->target_flags;
	x->count = 1;
	if (proof_set(&x->proof, e) < 0 || lineage_set(&x->from, &s->sender, t) < 0) {
		signal_free(x);
		return -ENOMEM;
	}
	*ret = x;
	return 0;
}

/* The same signal from the same sender while the first one may still be at work. */
static struct signal_seen *signal_repeated(const struct process *p, const struct ev *e,
					   const struct request *request,
					   const struct stop_blame *stop)
{
	const struct ev_signal *s = &e->signal;

	for (unsigned int i = 0; i < p->n_signals; i++) {
		struct signal_seen *x = p->signals[i];

		if (x->sig == s->sig && x->flags == s->target_flags &&
		    x->from.chain[0].tgid == s->sender.task.tgid &&
		    x->from.chain[0].start_ns == s->sender.task.start_ns && x->request == request &&
		    x->stop == stop && e->mono_ns - x->proof.mono_ns <= SIGNAL_WINDOW_NS)
			return x;
	}
	return NULL;
}

/* Room for one more: the oldest goes, but SIGKILL stays as long as anything else can go. */
static void signal_make_room(struct process *p)
{
	unsigned int i = 0;

	if (p->n_signals < SIGNALS_MAX)
		return;
	while (i < SIGNALS_MAX - 1 && p->signals[i]->sig == SIGKILL)
		i++;
	signal_free(p->signals[i]);
	p->n_signals--;
	memmove(&p->signals[i], &p->signals[i + 1], (p->n_signals - i) * sizeof(p->signals[0]));
}

struct process *process_learn_signal(struct process_table *t, const struct ev *e,
				     struct request *request, struct stop_blame *stop)
{
	struct process *p = process_learn_task(t, &e->signal.target);
	struct signal_seen *again, *x;

	if (!p || signal_is_harmless(e->signal.sig))
		return p;
	again = signal_repeated(p, e, request, stop);
	if (again) {
		again->count++;
		return p;
	}
	if (signal_new(e, t, &x) < 0)
		return NULL;
	x->request = request ? request_ref(request) : NULL;
	x->stop = stop ? stop_blame_ref(stop) : NULL;
	signal_make_room(p);
	p->signals[p->n_signals++] = x;
	return p;
}

const struct signal_seen *process_fatal_signal(const struct process *p, int sig, uint64_t end_ns)
{
	const struct signal_seen *latest = NULL;

	for (unsigned int i = 0; i < p->n_signals; i++) {
		const struct signal_seen *x = p->signals[i];

		if (x->sig != sig || (x->flags & WIRE_TARGET_EXITING))
			continue;
		/* nobody survives a SIGKILL; others may have been handled before */
		if (sig == SIGKILL || x->proof.mono_ns + SIGNAL_WINDOW_NS >= end_ns)
			return x;
		latest = x;
	}
	return latest;
}
