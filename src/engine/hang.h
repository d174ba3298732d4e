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
	bool doubtful; /* events were lost since it began: one may have been its end */
	bool told;
	enum stuck_kind told_kind;
	uint32_t tid, pidns, connection;
	uint64_t begin_mono_ns, begin_wall_ns;
	struct actor a;
	uint32_t kills_lost;
	struct proof begin, kill; /* kill: the last SIGKILL that woke nobody */
	TAILQ_ENTRY(wait) entry;
};

TAILQ_HEAD(wait_queue, wait);

/* Who has a connection's /dev/fuse open, when capture looked last. */
struct service_of_fuse {
	uint32_t connection;
	uint64_t seen_ns;
	bool known; /* it could be told, and servers are all of them */
	struct actor servers[HANG_SERVERS_MAX];
	unsigned int n_servers;
	struct proof proof;
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

/* PIDNS_ZAP_*, FUSE_FLUSH_* and FUSE_HOLDERS. 0, -ENOMEM, or what the sink says. */
int hang_learn(struct hang_table *t, const struct ev *e, struct process_table *processes);
/* A SIGKILL that wakes nobody. */
int hang_learn_signal(struct hang_table *t, const struct ev *e);
void hang_learn_exit(struct hang_table *t, const struct process *p);
void hang_learn_loss(struct hang_table *t);
/* Time has gone on: tells what lasts for too long by now. */
int hang_tell(struct hang_table *t, const struct ev *e, const struct process_table *processes);
/*
 * A note for a unit that stops, of which a task hangs: its cgroup lies below root. *ret NULL if
 * none does; the caller frees.
 */
int hang_note(const struct hang_table *t, const char *root, const char *unit, char **ret);

#endif
