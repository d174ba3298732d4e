/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who left a unit's cgroup, and how: what "the cgroup became empty" is explained by. */
#ifndef SVCTRACE_ENGINE_CGROUP_H
#define SVCTRACE_ENGINE_CGROUP_H

#include <sys/queue.h>

#include "engine/call.h"
#include "engine/process.h"

struct asked_scope; /* engine/unit.h */

struct leaver {
	struct process *process;
	char *moved_to;		 /* NULL: it ended */
	struct lineage mover;	 /* n 0: it ended */
	struct request *request; /* the manager moved it because a client asked; NULL: no */
	struct proof proof, request_proof;
};

/* A unit's own cgroup; those below it count as the same. */
struct cgroup {
	char *path;
	struct leaver leavers[LEAVERS_MAX]; /* the latest, oldest first */
	unsigned int n_leavers;
	struct proof frozen, thawed; /* the last time; seq 0: it was not, is not yet */
	struct call *froze;	     /* that asked for it; NULL: none was seen */
	bool lost_one;		     /* it is thought thawed, while one that was killed leaves it */
	uint64_t n_earlier;	     /* that left before these */
	TAILQ_ENTRY(cgroup) entry;
};

TAILQ_HEAD(cgroup_queue, cgroup);

struct cgroup_table {
	void *by_path;		   /* tsearch(3) */
	struct cgroup_queue queue; /* the one that changed last is last */
	unsigned int n;
};

void cgroup_table_init(struct cgroup_table *t);
void cgroup_table_done(struct cgroup_table *t);

/* The innermost unit in a cgroup path, "session-2.scope"; slices only if there is nothing else. */
struct str cgroup_unit(struct str path);
/* The path up to and with that unit; {NULL, 0} if there is none. */
struct str cgroup_unit_path(struct str path);

/* Whether it is that unit's, below root, or lies in it. */
bool cgroup_is_of(struct str path, const char *root, const char *unit);

/* "docker:0123456789ab", for the container that a path tells of; NULL in *ret: none. */
int cgroup_container(struct str path, char **ret);

int cgroup_note_exit(struct cgroup_table *t, struct process *p);
/*
 * p is still known under its old path; nothing happens if it stays within the unit. scope: which
 * the manager moves it to for a client; NULL: none.
 */
int cgroup_note_move(struct cgroup_table *t, struct process *p, const struct ev *e,
		     const struct process_table *processes, const struct asked_scope *scope);

/* A unit's cgroup is frozen or thawed. */
int cgroup_note_frozen(struct cgroup_table *t, const struct ev *e,
		       const struct process_table *processes, const struct call_table *calls);

/* The cgroup of a unit whose manager's units live below root; NULL if nobody left it. */
struct cgroup *cgroup_find(const struct cgroup_table *t, const char *root, const char *unit);
void cgroup_drop(struct cgroup_table *t, struct cgroup *c);
void cgroup_drop_path(struct cgroup_table *t, struct str path);

#endif
