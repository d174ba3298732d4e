/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "engine/rules.h"
#include "engine/verdict.h"
#include "svctrace/text.h"

/* How much earlier a cgroup's own event can be than the call that it leads to. */
#define CGROUP_EVENT_WINDOW_NS 1000000000ull

void rules_set_exit(struct verdict *v, int32_t code, int32_t status)
{
	v->have_exit = true;
	v->exit_code = code == CLD_EXITED ? status : 0;
	v->exit_signal = code == CLD_EXITED ? 0 : status;
	v->core_dumped = code == CLD_DUMPED;
}

static void set_exit_from_wait(struct verdict *v, int status)
{
	if (WIFSIGNALED(status))
		rules_set_exit(v, WCOREDUMP(status) ? CLD_DUMPED : CLD_KILLED, WTERMSIG(status));
	else
		rules_set_exit(v, CLD_EXITED, WEXITSTATUS(status));
}

bool triggered_by(const struct opening *o, enum wire_kind kind)
{
	return o->trigger && o->trigger->kind == kind;
}

const struct process *manager_process(const struct process_table *t, const struct manager *m,
				      int32_t pid)
{
	if (pid <= 0)
		return NULL;
	return m->initial ? process_by_tgid(t, (uint32_t)pid)
			  : process_by_ns(t, m->pidns, (uint32_t)pid);
}

int opening_set_main(struct opening *o, int32_t pid)
{
	struct verdict *v = o->v;

	v->main_pid = pid == WIRE_NONE ? -1 : pid;
	o->main = manager_process(o->processes, o->manager, v->main_pid);
	if (!o->main)
		return 0;
	v->main_tgid = o->main->a.tgid;
	free(v->main_cmdline);
	v->main_cmdline = o->main->a.cmdline ? strdup(o->main->a.cmdline) : NULL;
	return o->main->a.cmdline && !v->main_cmdline ? -ENOMEM : 0;
}

bool called_from(const struct opening *o, const char *function)
{
	const struct ev_stack *s = &o->v->stack;

	for (unsigned int i = 0; i < s->n; i++)
		if (!s->frames[i].guess && str_equal(s->frames[i].name, function))
			return true;
	return false;
}

bool decided_result(const struct opening *o, const char *result)
{
	const char *given = o->e->service.new_result;

	return given && strcmp(given, result) == 0;
}

static int main_killed(struct opening *o, int sig)
{
	char name[24];
	int r;

	o->v->cause = CAUSE_MAIN_KILLED;
	r = blame_signal(o, o->main, sig);
	if (r == 0)
		r = verdict_step(o->v, "%s", text_signal(sig, name));
	if (r == 0)
		r = verdict_step(o->v, "main process %" PRId32 " died", o->v->main_pid);
	if (r == 0 && o->main && sig == SIGKILL)
		r = blame_oom(o, o->main);
	if (o->v->cause == CAUSE_MAIN_KILLED && decided_result(o, "oom-kill"))
		o->v->cause = CAUSE_OOM_KILL; /* systemd knows it from the cgroup */
	return r < 0 ? r : 1;
}

static enum cause cause_of_exit(const struct opening *o)
{
	if (o->v->exit_name)
		return CAUSE_EXEC_FAILED;
	if (o->v->exit_code == 0 && decided_result(o, "protocol"))
		return CAUSE_NOT_READY;
	return CAUSE_MAIN_EXITED;
}

static int main_exited(struct opening *o, int status)
{
	struct verdict *v = o->v;
	int r;

	v->exit_name = exec_failure(o->main, CLD_EXITED, status);
	v->cause = cause_of_exit(o);
	r = o->main ? blame_request_to_exit(o, o->main) : 0;
	if (r >= 0)
		r = verdict_step(v, "main process %" PRId32 " exited with %d%s%s", v->main_pid,
				 status, v->exit_name ? "/" : "", v->exit_name ? v->exit_name : "");
	return r < 0 ? r : 1;
}

int main_ended(struct opening *o)
{
	if (o->main && verdict_cite(o->v, &o->main->exit_proof) < 0)
		return -ENOMEM;
	if (o->v->exit_signal)
		return main_killed(o, o->v->exit_signal);
	return main_exited(o, o->v->exit_code);
}

static int rule_main_process(struct opening *o)
{
	const struct trigger *t = o->trigger;

	if (!triggered_by(o, WIRE_SERVICE_SIGCHLD) || t->main_pid <= 0 || t->arg[0] != t->main_pid)
		return 0;
	rules_set_exit(o->v, t->arg[1], t->arg[2]);
	return main_ended(o);
}

/* The functions that led to service_notify_cgroup_empty_event() ran earlier, on other stacks. */
static int via_cgroup(struct opening *o)
{
	const struct proof *empty = &o->manager->cgroup_empty, *event = &o->manager->cgroup_event;
	uint64_t now = o->trigger->proof.mono_ns;
	const struct proof *p = NULL;

	if (empty->seq && strcmp(o->manager->cgroup_empty_unit, o->unit->id) == 0)
		p = empty;
	else if (event->seq)
		p = event;
	if (!p || p->mono_ns + CGROUP_EVENT_WINDOW_NS < now)
		return 0;
	/* it comes before the trigger, which is there already */
	memmove(&o->v->via[1], &o->v->via[0], (VERDICT_VIA_MAX - 1) * sizeof(o->v->via[0]));
	o->v->via[0] = event_function(p->kind, p->scope);
	o->v->n_via += o->v->n_via < VERDICT_VIA_MAX;
	return verdict_cite(o->v, p);
}

/*
 * The main process is none of the manager's children (a PID file named it): its end came to the
 * manager only as an empty cgroup, and how it ended not at all. The kernel's exit event knows.
 */
static int rule_hidden_end(struct opening *o)
{
	int r;

	if (!triggered_by(o, WIRE_SERVICE_CGROUP_EMPTY) || o->v->main_pid <= 0 || !o->main ||
	    o->main->exit_proof.seq == 0)
		return 0;
	set_exit_from_wait(o->v, o->main->status);
	r = via_cgroup(o);
	if (r == 0)
		r = main_ended(o);
	if (r >= 0 && leavers_list(o) < 0)
		r = -ENOMEM;
	if (r < 0 || verdict_step(o->v, "its cgroup became empty") < 0)
		return r < 0 ? r : -ENOMEM;
	r = verdict_note(o->v, "systemd was not told how the main process ended: "
			       "it is not the manager's child");
	return r < 0 ? r : 1;
}

static int rule_cgroup_empty(struct opening *o)
{
	int r;

	if (!triggered_by(o, WIRE_SERVICE_CGROUP_EMPTY))
		return 0;
	o->v->cause = CAUSE_CGROUP_EMPTY;
	r = blame_pid_file(o);
	if (r != 0)
		return r;
	r = via_cgroup(o);
	if (r == 0 && o->v->main_pid > 0)
		r = verdict_note(o->v, "how its main process %" PRId32 " ended was not seen",
				 o->v->main_pid);
	if (r == 0)
		r = leavers_tell(o);
	if (r == 0)
		r = leavers_blame(o);
	if (r == 0)
		r = verdict_step(o->v, CGROUP_BECAME_EMPTY);
	return r < 0 ? r : 1;
}

static int note_other_child(struct opening *o)
{
	const struct trigger *t = o->trigger;
	const char *who = t->arg[0] == t->control_pid ? "control process" : "process";
	const char *state = *t->state ? t->state : "?";
	char sig[24];

	if (t->arg[1] == CLD_EXITED)
		return verdict_note(o->v, "its %s %" PRId32 " exited with %" PRId32 " in state %s",
				    who, t->arg[0], t->arg[2], state);
	return verdict_note(o->v, "its %s %" PRId32 " was killed by %s in state %s", who, t->arg[0],
			    text_signal(t->arg[2], sig), state);
}

/* No rule for it yet: the evidence must do. */
static int rule_unclassified(struct opening *o)
{
	const struct trigger *t = o->trigger;
	int r;

	o->v->cause = CAUSE_UNCLASSIFIED;
	o->v->certainty = UNKNOWN;
	if (!t)
		r = verdict_note(o->v, "nothing was seen that led to %s in state %s",
				 event_function(o->e->kind, o->e->scope),
				 o->v->old_state ? o->v->old_state : "?");
	else if (t->kind == WIRE_SERVICE_SIGCHLD)
		r = note_other_child(o);
	else
		r = verdict_note(o->v, "%s ran in state %s", trigger_function(t),
				 *t->state ? t->state : "?");
	return r < 0 ? r : 1;
}

typedef int (*rule_fn)(struct opening *o);

/* The first that returns 1 has found it. */
static const rule_fn rules[] = {
	rule_start_limit,    rule_spawn_failed, rule_ready_refused,
	rule_watchdog,	     rule_bus_name,	rule_job,
	rule_timeout,	     rule_main_process, rule_control_process,
	rule_nothing_to_run, rule_oom,		rule_hidden_end,
	rule_cgroup_empty,   rule_announced,	rule_unclassified,
};

int rules_apply(struct opening *o)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(rules); i++)
		r = rules[i](o);
	return r < 0 ? r : 0;
}
