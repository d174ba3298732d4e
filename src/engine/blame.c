/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who is behind a signal: a process, the manager, or the kernel itself. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "engine/rules.h"
#include "engine/stop_blame.h"
#include "engine/verdict.h"
#include "svctrace/text.h"

/* From the signal to the end of the parent that it is about. */
#define PARENT_DEATH_NS 100000000ull

enum sender {
	SENDER_PROCESS,
	SENDER_PROCESS_LIKELY, /* nothing says that it was the kernel */
	SENDER_CGROUP_KILL,    /* a process that wrote to cgroup.kill, most likely */
	SENDER_PARENT_DEATH,   /* the kernel, because the target's parent ends */
	SENDER_MANAGER,
	SENDER_KERNEL,
};

const char *actor_name(const struct actor *a, char buf[static ACTOR_NAME_MAX])
{
	char comm[ACTOR_NAME_MAX - 16];

	snprintf(buf, ACTOR_NAME_MAX, "%s %" PRIu32,
		 a->comm ? text_escape(comm, sizeof(comm), a->comm, strlen(a->comm)) : "process",
		 a->tgid);
	return buf;
}

static bool code_is_of_process(int32_t code)
{
	return code == SI_USER || code == SI_QUEUE || code == SI_TKILL;
}

/* The parent that it had then ends just behind it: it was in no call that sends signals. */
static bool is_parent_death(const struct process *target, const struct signal_seen *x)
{
	const struct process *parent = target->parent;

	return x->syscall != WIRE_NONE && parent && parent->a.exited &&
	       parent->a.tgid == x->from.chain[0].tgid &&
	       parent->exit_ns < x->proof.mono_ns + PARENT_DEATH_NS;
}

/*
 * The kernel raises signals in the context of whatever task happens to run. Only a system call
 * made for it says that the task meant it; si_code is second best, and a SIGKILL may have none.
 */
static enum sender classify(const struct opening *o, const struct process *target,
			    const struct signal_seen *x)
{
	const struct actor *sender = &x->from.chain[0];

	if ((x->flags & WIRE_TARGET_MANAGER_SENT) || sender->tgid == o->manager->tgid)
		return SENDER_MANAGER;
	if (x->syscall != WIRE_NONE && syscall_kill_name(o->arch, x->syscall))
		return SENDER_PROCESS;
	if (x->sig == SIGKILL && target->oom_proof.seq)
		return SENDER_KERNEL;
	if (is_parent_death(target, x))
		return SENDER_PARENT_DEATH;
	if (x->code != WIRE_NONE && code_is_of_process(x->code) && sender->tgid != target->a.tgid)
		return SENDER_PROCESS;
	if (x->syscall == WIRE_NONE)
		return x->code == WIRE_NONE || code_is_of_process(x->code) ? SENDER_PROCESS_LIKELY
									   : SENDER_KERNEL;
	if (x->sig == SIGKILL && sender->tgid != target->a.tgid && target->oom_proof.seq == 0 &&
	    syscall_is_write(o->arch, x->syscall))
		return SENDER_CGROUP_KILL;
	return SENDER_KERNEL;
}

void blame_nobody(struct verdict *v)
{
	for (unsigned int i = 0; i < v->n_chain; i++)
		actor_done(&v->chain[i]);
	free(v->chain);
	v->chain = NULL;
	v->n_chain = 0;
	v->have_actor = v->actor_kernel = v->actor_manager = false;
	v->actor_certainty = CERTAIN;
	v->signal = 0;
	v->signal_syscall = WIRE_NONE;
	v->signal_syscall_name = NULL;
	verdict_forget_request(v);
}

int blame_actor(struct verdict *v, const struct actor *chain, unsigned int n)
{
	v->chain = calloc(n, sizeof(*v->chain));
	if (!v->chain)
		return -ENOMEM;
	for (v->n_chain = 0; v->n_chain < n; v->n_chain++) {
		int r = actor_copy(&v->chain[v->n_chain], &chain[v->n_chain]);

		if (r < 0) {
			v->n_chain++; /* half filled, to be freed with the others */
			return r;
		}
	}
	v->have_actor = true;
	return 0;
}

static int set(char **dst, const char *src)
{
	*dst = src ? strdup(src) : NULL;
	return src && !*dst ? -ENOMEM : 0;
}

static int request_fill(struct verdict_request *d, const struct request *q)
{
	d->endpoint = q->call ? q->call->endpoint : q->endpoint;
	d->serial = q->serial;
	d->certainty = q->certainty;
	d->passed_on_by = (struct actor){};
	if (set(&d->member, q->member) < 0 || set(&d->sender, q->sender) < 0)
		return -ENOMEM;
	if (q->call && (set(&d->unit, q->call->unit) < 0 || set(&d->mode, q->call->mode) < 0))
		return -ENOMEM;
	return q->passed_on ? actor_copy(&d->passed_on_by, &q->from.chain[0]) : 0;
}

int cite_request(struct verdict *v, const struct request *q)
{
	int r = verdict_cite(v, &q->proof);

	if (r == 0)
		r = verdict_cite(v, &q->name_proof);
	if (r == 0 && q->call)
		r = verdict_cite(v, &q->call->proof);
	return r == 0 && q->passed_on ? verdict_cite(v, &q->passed_on->proof) : r;
}

int blame_client(struct verdict *v, const struct request *q)
{
	const struct lineage *from = q->passed_on ? &q->passed_on->from : &q->from;
	int r;

	v->have_request = true;
	r = request_fill(&v->request, q);
	if (r == 0)
		r = cite_request(v, q);
	if (r < 0)
		return r;
	if (from->n == 0)
		return verdict_note(v,
				    "who asked was not seen: the client was gone before it could "
				    "be looked at, and its message was not seen");
	v->actor_certainty = q->passed_on ? INFERRED : q->certainty;
	return blame_actor(v, from->chain, from->n);
}

static int note_signal(struct verdict *v, const struct process *p, const struct signal_seen *x,
		       uint64_t end_ns)
{
	uint64_t at = x->proof.mono_ns;
	char sig[24], to[ACTOR_NAME_MAX], from[ACTOR_NAME_MAX], when[32];
	int r = verdict_note(v, "%s also got %s from %s, %s %s its end", actor_name(&p->a, to),
			     text_signal(x->sig, sig), actor_name(&x->from.chain[0], from),
			     text_duration(at < end_ns ? end_ns - at : at - end_ns, when),
			     at < end_ns ? "before" : "after");

	return r < 0 ? r : verdict_cite(v, &x->proof);
}

/* The other signals that p got towards its end: a reader may know better. */
static int note_others(struct verdict *v, const struct process *p, const struct signal_seen *known,
		       uint64_t end_ns)
{
	int r = 0;

	for (unsigned int i = 0; r == 0 && i < p->n_signals; i++)
		if (p->signals[i] != known &&
		    p->signals[i]->proof.mono_ns + SIGNAL_WINDOW_NS >= end_ns)
			r = note_signal(v, p, p->signals[i], end_ns);
	return r;
}

/* Whether another sender's signal of the same kind could as well have been the one. */
static bool is_ambiguous(const struct process *p, const struct signal_seen *x)
{
	for (unsigned int i = 0; i < p->n_signals; i++)
		if (p->signals[i] != x && p->signals[i]->sig == x->sig &&
		    !(p->signals[i]->flags & WIRE_TARGET_EXITING))
			return x->sig != SIGKILL;
	return false;
}

/* PDEATHSIG: the parent has ended, and whoever ended it is behind this. */
static int blame_parent(struct opening *o, const struct signal_seen *x)
{
	const struct actor *a = &x->from.chain[0];
	const struct process *parent = process_find(o->processes, a->tgid, a->start_ns);
	const struct signal_seen *y = NULL;
	char name[ACTOR_NAME_MAX];
	int r = verdict_note(o->v, "the kernel sent it because its parent %s ended (PDEATHSIG)",
			     actor_name(a, name));

	if (parent && parent->a.exited && WIFSIGNALED(parent->status))
		y = process_fatal_signal(parent, WTERMSIG(parent->status), parent->exit_ns);
	if (r == 0)
		r = verdict_cite(o->v, &x->proof);
	if (r == 0 && y)
		r = verdict_cite(o->v, &y->proof);
	if (r < 0)
		return r;
	return y ? blame_actor(o->v, y->from.chain, y->from.n)
		 : blame_actor(o->v, x->from.chain, x->from.n);
}

/* systemctl kill: as sure as the client is, and the signal. */
static int blame_for_client(struct opening *o, const struct process *p, const struct signal_seen *x)
{
	int r = blame_client(o->v, x->request);

	if (is_ambiguous(p, x))
		certainty_limit(&o->v->actor_certainty, INFERRED);
	return r;
}

/* The process is another unit's, which the manager stopped: NULL if it is not. */
static const struct verdict *other_stop(const struct opening *o, const struct signal_seen *x)
{
	const struct verdict *of = x->stop ? &x->stop->v : NULL;

	return of && (of->manager != o->manager->tgid || strcmp(of->unit, o->unit->id) != 0) ? of
											     : NULL;
}

/* Whoever is behind that unit's stop is behind this one; it may have been systemd's own. */
static int blame_other_stop(struct opening *o, const struct signal_seen *x,
			    const struct verdict *of)
{
	struct verdict *v = o->v;
	bool ambiguous = v->actor_certainty != CERTAIN;
	char sig[24];
	int r = verdict_note(v, "systemd sent %s as it stopped %s: the process was that unit's",
			     text_signal(x->sig, sig), of->unit);

	if (r == 0)
		r = verdict_step(v, "stop of %s (%s)", of->unit, cause_name(of->cause));
	if (r == 0)
		r = verdict_cite(v, &x->proof);
	if (r == 0)
		r = stop_blame_copy(v, of);
	if (r == 0 && !v->have_actor) {
		v->actor_manager = true;
		v->actor_certainty = CERTAIN;
		r = blame_actor(v, x->from.chain, x->from.n);
	}
	if (ambiguous)
		certainty_limit(&v->actor_certainty, INFERRED);
	return r;
}

static int blame_sender(struct opening *o, const struct process *p, const struct signal_seen *x)
{
	enum sender sender = classify(o, p, x);
	struct verdict *v = o->v;
	char sig[24];
	int r;

	v->signal_syscall = x->syscall;
	v->signal_syscall_name = syscall_kill_name(o->arch, x->syscall);
	v->actor_manager = sender == SENDER_MANAGER;
	v->actor_kernel = sender == SENDER_KERNEL;
	v->actor_certainty = is_ambiguous(p, x) || sender == SENDER_PROCESS_LIKELY ||
					     sender == SENDER_CGROUP_KILL ||
					     sender == SENDER_PARENT_DEATH
				     ? INFERRED
				     : CERTAIN;
	if (sender == SENDER_MANAGER && x->request) {
		v->actor_manager = false;
		r = verdict_note(v, "systemd sent %s for a client (%s)", text_signal(x->sig, sig),
				 "systemctl kill, or a call like it");
		if (r == 0)
			r = verdict_cite(v, &x->proof);
		return r < 0 ? r : blame_for_client(o, p, x);
	}
	if (sender == SENDER_MANAGER && other_stop(o, x))
		return blame_other_stop(o, x, other_stop(o, x));
	if (sender == SENDER_MANAGER && o->trigger &&
	    strcmp(o->trigger->state, "reload-signal") == 0) {
		r = verdict_note(v,
				 "systemd sent %s to make it reload (Type=notify-reload), which "
				 "the process does not catch",
				 text_signal(x->sig, sig));
		if (r < 0)
			return r;
	} else if (sender == SENDER_MANAGER) {
		r = verdict_note(
			v,
			"no stop of this unit was under way as systemd sent %s: a client "
			"had it sent (systemctl kill), or this process was another unit's, "
			"which was stopped",
			text_signal(x->sig, sig));
		if (r < 0)
			return r;
	}
	if (sender == SENDER_CGROUP_KILL) {
		r = verdict_note(
			v,
			"%s came from inside a write, not from a kill: the sender probably "
			"wrote to cgroup.kill",
			text_signal(x->sig, sig));
		if (r < 0)
			return r;
	}
	if (sender == SENDER_PARENT_DEATH)
		return blame_parent(o, x);
	r = blame_actor(v, x->from.chain, x->from.n);
	return r < 0 ? r : verdict_cite(v, &x->proof);
}

int blame_signal(struct opening *o, const struct process *p, int sig)
{
	struct verdict *v = o->v;
	uint64_t end_ns = p && p->a.exited ? p->exit_ns : o->e->mono_ns;
	const struct signal_seen *x = p ? process_fatal_signal(p, sig, end_ns) : NULL;
	char name[24];
	int r = 0;

	v->signal = sig;
	v->signal_syscall = WIRE_NONE;
	v->actor_certainty = UNKNOWN;
	if (x)
		r = blame_sender(o, p, x);
	else
		r = verdict_note(v, "who sent %s was not seen", text_signal(sig, name));
	if (r == 0 && p && p->oom_proof.seq) {
		r = verdict_note(v, "the kernel's OOM killer chose it");
		if (r == 0)
			r = verdict_cite(v, &p->oom_proof);
	}
	return r == 0 && p ? note_others(v, p, x, end_ns) : r;
}

static bool asks_to_exit(int sig)
{
	return sig == SIGTERM || sig == SIGINT || sig == SIGQUIT;
}

int blame_request_to_exit(struct opening *o, const struct process *p)
{
	uint64_t end_ns = p->a.exited ? p->exit_ns : o->e->mono_ns;
	const struct signal_seen *found = NULL;
	struct verdict *v = o->v;
	char sig[24], name[ACTOR_NAME_MAX], when[32];
	int r;

	for (unsigned int i = 0; i < p->n_signals; i++) {
		const struct signal_seen *x = p->signals[i];

		if (asks_to_exit(x->sig) && x->proof.mono_ns <= end_ns &&
		    x->proof.mono_ns + SIGNAL_WINDOW_NS >= end_ns &&
		    (classify(o, p, x) <= SENDER_PROCESS_LIKELY || other_stop(o, x)))
			found = x;
	}
	if (!found)
		return 0;
	r = blame_sender(o, p, found);
	if (r < 0)
		return r;
	v->signal = found->sig;
	v->actor_certainty = INFERRED;
	r = verdict_note(v, "it exited %s after %s from %s",
			 text_duration(end_ns - found->proof.mono_ns, when),
			 text_signal(found->sig, sig), actor_name(&found->from.chain[0], name));
	return r < 0 ? r : 1;
}
