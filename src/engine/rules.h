/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Why a stop happened: one small function for each cause, tried in order. */
#ifndef SVCTRACE_ENGINE_RULES_H
#define SVCTRACE_ENGINE_RULES_H

#include "engine/cgroup.h"
#include "engine/process.h"
#include "engine/syscalls.h"
#include "engine/unit.h"

/* What a rule may look at, and the verdict that it fills. */
struct opening {
	const struct process_table *processes;
	const struct cgroup_table *cgroups;
	enum arch arch;
	bool jobs_are_seen; /* the probe for clients' requests is live */

	const struct manager *manager;
	const struct unit *unit;
	const struct trigger *trigger; /* NULL: none that belongs to it */
	const struct process *main;    /* NULL: none, or not known */
	const struct ev *e;	       /* the deciding event */
	struct verdict *v;
};

/* Finds the cause: who and why, but not what came of it. */
int rules_apply(struct opening *o);

/* The process that a manager calls by that number; NULL: not known. */
const struct process *manager_process(const struct process_table *t, const struct manager *m,
				      int32_t pid);

/* Fills in o and its verdict which process the main one is, or was. */
int opening_set_main(struct opening *o, int32_t pid);

bool triggered_by(const struct opening *o, enum wire_kind kind);
/* The manager's call chain at its decision leads through that function. */
bool called_from(const struct opening *o, const char *function);
/* The deciding call was handed this result. */
bool decided_result(const struct opening *o, const char *result);

/* A job ran the unit's stop(): what the job came from. 0: no job did; 1: found. */
int rule_job(struct opening *o);

/* What comes while the unit starts, and keeps it from it. */
int rule_start_limit(struct opening *o);
int rule_spawn_failed(struct opening *o);
int rule_control_process(struct opening *o);
int rule_nothing_to_run(struct opening *o);
int rule_bus_name(struct opening *o);
int rule_ready_refused(struct opening *o);
int rule_announced(struct opening *o);
/* Time ran out. */
int rule_watchdog(struct opening *o);
int rule_timeout(struct opening *o);
/* Memory did. */
int rule_oom(struct opening *o);
/* The process was killed for want of memory: says by whom. 0: it was not. */
int blame_oom(struct opening *o, const struct process *p);
/* systemd could make nothing of the unit's PID file: says why. 0: there is no such thing. */
int blame_pid_file(struct opening *o);

/* The main process ended: how, and by whom. v has its end. */
int main_ended(struct opening *o);
/* The process ended before it had executed anything of its own: the name of systemd's exit code. */
const char *exec_failure(const struct process *p, int32_t code, int32_t status);
/* A command ended, with waitid(2)'s code and status, in that state of the unit: noted if it failed.
 */
int note_command(struct verdict *v, const struct process *p, int32_t pid, const char *state,
		 int32_t code, int32_t status);
/* "ExecStartPre", for the command that runs in a state; NULL: none does. */
const char *state_setting(const char *state);

/* Says in v how the main process ended; code and status as waitid(2) has them. */
void rules_set_exit(struct verdict *v, int32_t code, int32_t status);

/* Who sent the signal that ended p. */
int blame_signal(struct opening *o, const struct process *p, int sig);
/* Who had asked p to end by a signal that it caught; 0 if nobody did, 1 if somebody did. */
int blame_request_to_exit(struct opening *o, const struct process *p);
int blame_actor(struct verdict *v, const struct actor *chain, unsigned int n);
/* Takes back whom an earlier event seemed to blame. */
void blame_nobody(struct verdict *v);
/* The events that say who asked. */
int cite_request(struct verdict *v, const struct request *q);
/* The client that the manager was asked by, or whoever is behind it. */
int blame_client(struct verdict *v, const struct request *q);

/* Who left the cgroup last, and how: into the verdict's list; … */
int leavers_list(struct opening *o);
/* … and its notes; the one that made it empty is to blame. */
int leavers_tell(struct opening *o);
int leavers_blame(struct opening *o);
/*
 * The kernel tells who was moved away only after it told that the cgroup became empty, and the
 * manager may be faster: then it was this one.
 */
int leavers_late(struct opening *o, const struct leaver *l);
#define CGROUP_BECAME_EMPTY "its cgroup became empty"

/* "kill 11733", safe to show. */
#define ACTOR_NAME_MAX	    96
const char *actor_name(const struct actor *a, char buf[static ACTOR_NAME_MAX]);

#endif
