/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Killed for want of memory: by the kernel, or by systemd-oomd before it comes to that. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "engine/rules.h"
#include "engine/verdict.h"

#define OOMD_UNIT "systemd-oomd.service"

/* The SIGKILL of systemd-oomd that ended p; NULL: none did. */
static const struct signal_seen *oomd_signal(const struct process *p)
{
	const struct signal_seen *x = process_fatal_signal(p, SIGKILL, p->exit_ns);
	const char *unit = x ? x->from.chain[0].unit : NULL;

	return unit && strcmp(unit, OOMD_UNIT) == 0 ? x : NULL;
}

int blame_oom(struct opening *o, const struct process *p)
{
	const struct signal_seen *x = oomd_signal(p);

	if (p->oom_proof.seq) {
		o->v->cause = CAUSE_OOM_KILL;
		return verdict_cite(o->v, &p->oom_proof);
	}
	if (!x)
		return 0;
	o->v->cause = CAUSE_OOMD_KILL;
	return verdict_cite(o->v, &x->proof);
}

static bool is_victim(const struct opening *o, const struct process *p)
{
	const char *root = o->manager->root ? o->manager->root : "";

	return p->a.unit && strcmp(p->a.unit, o->unit->id) == 0 && p->a.cgroup &&
	       strncmp(p->a.cgroup, root, strlen(root)) == 0 &&
	       (p->oom_proof.seq || oomd_signal(p));
}

/* A process of the unit that was killed for want of memory: the latest. */
static const struct process *find_victim(const struct opening *o)
{
	const struct process *p, *found = NULL;

	for (int list = 0; list < PROCESS_LIST_MAX; list++) {
		TAILQ_FOREACH(p, &o->processes->lists[list], entry)
		found = is_victim(o, p) ? p : found;
	}
	return found;
}

/* OOMPolicy= had systemd stop the unit because some process of it was killed. */
int rule_oom(struct opening *o)
{
	char name[ACTOR_NAME_MAX];
	const struct process *p;
	int r;

	if (!triggered_by(o, WIRE_SERVICE_OOM) && !decided_result(o, "oom-kill"))
		return 0;
	o->v->cause = CAUSE_OOM_KILL;
	p = find_victim(o);
	if (!p) {
		r = verdict_note(o->v, "which process was killed was not seen");
		return r < 0 ? r : 1;
	}
	r = blame_signal(o, p, SIGKILL);
	if (r == 0)
		r = blame_oom(o, p);
	if (r == 0)
		r = verdict_step(o->v, "SIGKILL");
	if (r == 0)
		r = verdict_step(o->v, "%s died", actor_name(&p->a, name));
	return r < 0 ? r : 1;
}
