/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What does not end: pid namespaces that wait for their last processes, and tasks that flush a file
 * of FUSE while they exit, each from the event of its begin to that of its end.
 */
#ifndef SVCTRACE_ENGINE_HANG_H
#define SVCTRACE_ENGINE_HANG_H

#include <sys/queue.h>

#include "engine/process.h"

/* An init in zap_pid_ns_processes(), or a task in fuse_flush(). */
struct wait {
	bool of_init;
	bool exiting;
	bool lossy;    /* events were lost since it began */
	bool doubtful; /* one of them may have been its end */
	bool told;
	enum stuck_kind told_kind;
	uint32_t tid, pidns, connection;
	struct hang_ids ids;
	uint64_t begin_mono_ns, begin_wall_ns;
	struct actor a;
	uint32_t kills_lost;
	struct proof begin, kill;	   /* kill: the last SIGKILL that woke nobody */
	struct thread_look *look, *before; /* the last at what is left, and the one before that */
	TAILQ_ENTRY(wait) entry;
};

TAILQ_HEAD(wait_queue, wait);

/* A process that may answer on a connection, or did. */
struct server {
	struct hang_server s;
	bool stopped; /* when capture looked last */
	struct proof end, kill;
};

/* Who answered a connection's mount, and who has its /dev/fuse open, when capture looked last. */
struct service_of_fuse {
	uint32_t connection;
	uint64_t seen_ns; /* 0: capture has not looked */
	bool known;	  /* it could be told, and holders are all of them */
	bool doubtful; /* processes' ends were lost since: one of them may have been a server's */
	struct server holders[HANG_HOLDERS_MAX], mounter; /* s.a.tgid 0: not known */
	unsigned int n_holders;
	struct proof look, mount;
	TAILQ_ENTRY(service_of_fuse) entry;
};

TAILQ_HEAD(service_queue, service_of_fuse);

struct hang_table {
	hang_sink sink; /* NULL: nobody wants to know */
	void *ctx;
	uint64_t after_ns, checked_ns;
	struct wait_queue waits; /* the oldest first */
	unsigned int n_waits;
	struct service_queue services; /* the one that was looked at last is last */
	unsigned int n_services;
};

void hang_table_init(struct hang_table *t);
void hang_table_done(struct hang_table *t);

/* PIDNS_ZAP_*, FUSE_*, PID_LEVELS. 0, -ENOMEM, or what the sink says. */
int hang_learn(struct hang_table *t, const struct ev *e, struct process_table *processes);
/* PIDNS_LOOK: at whatever was gathered in l. */
int hang_learn_look(struct hang_table *t, const struct ev *e, struct thread_look *l);
/* A SIGKILL that wakes nobody. */
int hang_learn_signal(struct hang_table *t, const struct ev *e);
int hang_learn_exit(struct hang_table *t, const struct ev *e, const struct process *p);
/* LOST. */
void hang_learn_loss(struct hang_table *t, const struct ev *e);
/* Time has gone on: tells what lasts for too long by now. */
int hang_tell(struct hang_table *t, const struct ev *e, const struct process_table *processes);

/* A unit that stops, of which a task may hang: its cgroup lies below root. */
struct hang_unit {
	const char *root, *name;
};

/* One of its tasks waits for something, and what that is may be known soon. */
bool hang_is_open(const struct hang_table *t, const struct hang_unit *u, uint64_t now_ns);
/* What its tasks hang on, as hang_fill() takes it; NULL: on nothing. */
const struct wait *hang_of_unit(const struct hang_table *t, const struct hang_unit *u,
				uint64_t now_ns);

/* ---- how waits belong together ---- */

/* Of a task in that pid namespace, or in one below it. */
bool wait_is_in(const struct wait *w, uint32_t pidns);
/* The outermost teardown that waits for it; NULL: none. */
const struct wait *wait_teardown(const struct hang_table *t, const struct wait *w);
/* The flush that holds a teardown, the worst one; a flush itself. NULL: none, it is plain slow. */
const struct wait *wait_root(const struct hang_table *t, const struct wait *w);
/* What the last look says of a teardown that no flush holds; NULL: nothing. */
const struct look_hold *wait_hold(const struct wait *w);
enum stuck_kind wait_judge(const struct hang_table *t, const struct wait *w);
/* Of a teardown or a flush: as it is told. */
enum stuck_kind wait_kind(const struct hang_table *t, const struct wait *w);
struct service_of_fuse *service_of(const struct hang_table *t, uint32_t connection);

/* ---- what is told of them: engine/hang_verdict.c ---- */

/* h's times and ended are set, the rest is empty. */
int hang_fill(const struct hang_table *t, struct hang_verdict *h, const struct wait *w,
	      const struct process_table *processes);
int hang_cite(struct hang_verdict *h, const struct proof *p);
void hang_verdict_done(struct hang_verdict *h);

#endif
