/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who is who: processes by (pid, start time), with what was said of them and the signals that they
 * got. They are kept until they exit, and a little longer; as ancestors as long as a descendant is.
 */
#ifndef SVCTRACE_ENGINE_PROCESS_H
#define SVCTRACE_ENGINE_PROCESS_H

#include <sys/queue.h>

#include "svctrace/engine.h"

/* A signal older than this has been handled and does not explain a death. */
#define SIGNAL_WINDOW_NS (5 * 1000000000ull)
#define SIGNALS_MAX	 8

struct request;	   /* engine/call.h */
struct stop_blame; /* engine/stop_blame.h */

/* A process and its ancestors, as the kernel saw them when it acted. */
struct lineage {
	struct actor *chain; /* [0] is the process itself, its parent comes next */
	unsigned int n;
};

/* One signal that a process got, and from whom. */
struct signal_seen {
	struct proof proof;
	int32_t sig, code, syscall;
	uint32_t flags; /* WIRE_TARGET_* */
	uint32_t count; /* by the same sender */
	struct lineage from;
	struct request *request; /* the manager sent it because a client asked for it; NULL: no */
	struct stop_blame *stop; /* … as it stopped the unit that it is a process of; NULL: no */
};

enum process_list {
	PROCESS_ALIVE,
	PROCESS_DEAD,
	PROCESS_LIST_MAX,
};

struct process {
	struct actor a;
	struct process *parent; /* that it was born to, dead or alive; NULL: not known */
	uint32_t pidns;
	uint64_t cgroup;  /* id */
	int32_t status;	  /* wait(2) status, once a.exited */
	uint64_t exit_ns; /* CLOCK_MONOTONIC */
	struct proof exit_proof, oom_proof;
	struct signal_seen *signals[SIGNALS_MAX];
	unsigned int n_signals;
	unsigned int n_ref;
	enum process_list list;
	TAILQ_ENTRY(process) entry;
	LIST_ENTRY(process) same_bucket; /* while it is the newest of its number */
	bool has_number;
	LIST_ENTRY(process) same_ns_bucket; /* while ns_number is not 0 */
	uint32_t ns_number;		    /* the a.ns_tgid by which it is found */
};

TAILQ_HEAD(process_queue, process);
LIST_HEAD(process_bucket, process);

/* Every event looks up two or three processes: a hash table, where a tree costs a fifth of all. */
#define PROCESS_BUCKETS 4096

struct process_table {
	struct process_bucket by_tgid[PROCESS_BUCKETS]; /* the newest of each number */
	struct process_bucket by_ns[PROCESS_BUCKETS]; /* all, by their number in their namespace */
	struct process_queue lists[PROCESS_LIST_MAX];
	unsigned int n[PROCESS_LIST_MAX];
};

void process_table_init(struct process_table *t);
void process_table_done(struct process_table *t);
/* Drops those that are dead for long. */
void process_table_expire(struct process_table *t, uint64_t now_ns);

struct process *process_ref(struct process *p);
void process_unref(struct process *p);

/* The newest process of that number; NULL if there is none. */
struct process *process_by_tgid(const struct process_table *t, uint32_t tgid);
/* This very process, dead or alive. start_ns 0: any start. */
struct process *process_find(const struct process_table *t, uint32_t tgid, uint64_t start_ns);
/* The newest one with that number in that pid namespace. */
struct process *process_by_ns(const struct process_table *t, uint32_t pidns, uint32_t ns_tgid);

/* What an event says of a process. NULL when out of memory. */
struct process *process_learn_task(struct process_table *t, const struct ev_task *task);
struct process *process_learn_fork(struct process_table *t, const struct ev *e);
struct process *process_learn_exec(struct process_table *t, const struct ev *e);
struct process *process_learn_exit(struct process_table *t, const struct ev *e);
struct process *process_learn_proc(struct process_table *t, const struct ev *e);
/* Keeps the signal with its target, the sender's ancestry with the signal. */
struct process *process_learn_signal(struct process_table *t, const struct ev *e,
				     struct request *request, struct stop_blame *stop);
/* The namespace is gone, its number may come again: whose end was not seen is not in it any more.
 */
void process_table_leave_pidns(struct process_table *t, uint32_t pidns);
int process_set_cgroup(struct process *p, uint64_t id, struct str path);

/* The signal that killed p, whose end came at end_ns: the first one of its kind that counts. */
const struct signal_seen *process_fatal_signal(const struct process *p, int sig, uint64_t end_ns);

/* Fills what a does not know yet from what the table knows of the same process. */
int actor_enrich(struct actor *a, const struct process_table *t);
/* With what else is known of each. */
int lineage_set(struct lineage *l, const struct ev_origin *o, const struct process_table *t);
int lineage_copy(struct lineage *dst, const struct lineage *src);
/* A process of which nothing but its being there is known. */
int lineage_of(struct lineage *l, const struct process *p, const struct process_table *t);
void lineage_done(struct lineage *l);
int actor_copy(struct actor *dst, const struct actor *src);
void actor_done(struct actor *a);

#endif
