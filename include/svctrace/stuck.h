/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What cannot end, and what holds it: from a snapshot of /proc, cgroups and FUSE's control files.
 *
 * Pure: nothing here reads files. Whoever makes a snapshot fills in what it could read; the
 * analysis says "unknown" where that is not enough. Process numbers are those of the pid namespace
 * whose /proc was read. Errors are negative errno.
 */
#ifndef SVCTRACE_STUCK_H
#define SVCTRACE_STUCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "svctrace/procfs.h"

#define STUCK_LEVELS	  32	      /* pid namespaces in each other; the kernel's limit */
#define STUCK_NAME_LEN	  64	      /* of a kernel function, with the NUL */
#define STUCK_TASK_EXITS  0x00000004u /* PF_EXITING in stuck_task.flags, the same since 2.6 */
#define STUCK_TASK_KERNEL 0x00200000u /* PF_KTHREAD */
#define STUCK_SIGKILL	  (UINT64_C(1) << 8) /* in stuck_task.pending */

/* What a task waits for, by the kernel functions that it is in. */
enum stuck_wait {
	STUCK_WAIT_UNKNOWN,
	STUCK_WAIT_PIDNS, /* an init, for the rest of its pid namespace */
	STUCK_WAIT_FUSE,
	STUCK_WAIT_NFS,
	STUCK_WAIT_NETFS, /* another file system with a server: SMB, Ceph, 9P, AFS */
	STUCK_WAIT_FROZEN,
	STUCK_WAIT_STOPPED,
	STUCK_WAIT_TRACED,
	STUCK_WAIT_DUMP, /* a core dump is being written */
	STUCK_WAIT_MOUNT,
	STUCK_WAIT_DISK,
	_STUCK_WAIT_MAX,
};

struct stuck_task {
	pid_t tid, tgid, ppid;
	pid_t tracer;		   /* 0: none */
	pid_t nspid[STUCK_LEVELS]; /* the tid, outermost namespace first */
	unsigned int n_nspid;
	char comm[PROCFS_COMM_LEN];
	char state;	       /* as /proc shows it: D, S, Z …; 0: not known */
	uint32_t flags;	       /* STUCK_TASK_* and other PF_* */
	uint64_t start;	       /* clock ticks since boot */
	uint64_t switches;     /* how often it was taken off a CPU */
	uint64_t pending;      /* signals, bit signo - 1: to the thread … */
	uint64_t all_pending;  /* … and to the whole process */
	uint64_t pidns, mntns; /* inodes; 0: not known, or it has none any more */
	char *cgroup;	       /* path; NULL: not read */
	char *frozen;	       /* path of the cgroup that was frozen; NULL: none */
	bool frozen_v1;	       /* … in the freezer's own hierarchy */
	bool dumps;	       /* its process's core is being dumped */
	char *wchan;	       /* NULL: not read */
	char *stack; /* functions, innermost first, each followed by '\n'; NULL: not read */
	bool still;  /* has not run since the first look; stuck_compare() */
};

struct stuck_pidns {
	uint64_t inode, parent; /* parent 0: not known */
};

struct stuck_mount {
	uint64_t mntns;
	unsigned int major, minor; /* st_dev */
	char *type, *source, *point;
};

struct stuck_connection {
	unsigned int number;
	unsigned int waiting; /* requests without an answer */
};

/* A process that has /dev/fuse open, and so may answer. */
struct stuck_holder {
	pid_t tgid;
	bool known;		 /* the kernel tells of which connection, in fdinfo or to BPF */
	unsigned int connection; /* if so */
};

struct stuck_unit {
	char *name, *active, *sub; /* systemd's words */
};

struct stuck_snapshot {
	struct stuck_task *tasks; /* every thread, in ascending order of (tgid, tid) */
	size_t n_tasks;
	struct stuck_pidns *pidns;
	size_t n_pidns;
	struct stuck_mount *mounts;
	size_t n_mounts;
	struct stuck_connection *connections;
	size_t n_connections;
	struct stuck_holder *holders;
	size_t n_holders;
	struct stuck_unit *units;
	size_t n_units;
	bool compared;	     /* still says something */
	bool partial;	     /* processes are hidden, or are those of a container alone */
	bool no_stacks;	     /* kernel stacks could not be read */
	bool no_holders;     /* nor every process's open files */
	bool no_connections; /* nor FUSE's control files */
	bool no_units;	     /* systemd did not answer */
	bool fds_in_flight;  /* a /dev/fuse may lie in a socket or a ring */
};

void stuck_snapshot_done(struct stuck_snapshot *s);
/* A new entry, zeroed, at the end of an array that the snapshot owns; NULL when out of memory. */
struct stuck_task *stuck_add_task(struct stuck_snapshot *s);
struct stuck_mount *stuck_add_mount(struct stuck_snapshot *s);
int stuck_add_pidns(struct stuck_snapshot *s, uint64_t inode, uint64_t parent);
int stuck_add_connection(struct stuck_snapshot *s, unsigned int number, unsigned int waiting);
int stuck_add_holder(struct stuck_snapshot *s, const struct stuck_holder *h);
/* The words are copied. */
int stuck_add_unit(struct stuck_snapshot *s, const char *name, const char *active, const char *sub);
/* Puts the tasks in order; before anything is looked up. */
void stuck_sort(struct stuck_snapshot *s);

/* NULL: there is none. */
const struct stuck_task *stuck_find_task(const struct stuck_snapshot *s, pid_t tgid, pid_t tid);
/* What the system's manager calls the unit whose cgroup that is, of len bytes; NULL: none. */
const char *stuck_unit_name(const char *cgroup, size_t *len);
const struct stuck_unit *stuck_find_unit(const struct stuck_snapshot *s, const char *cgroup);
/* Sets still in those tasks that have not run since the earlier snapshot, nor before it. */
void stuck_compare(const struct stuck_snapshot *before, struct stuck_snapshot *s);

/*
 * The formats of /proc. text is n bytes that end in no NUL, and may be cut anywhere. -EBADMSG when
 * it is not what it should be, -ENOMEM.
 */
int stuck_parse_stat(const char *text, size_t n, struct stuck_task *ret);
int stuck_parse_status(const char *text, size_t n, struct stuck_task *ret);
/* "[<0>] fuse_flush+0x1b4/0x200 [fuse]": *ret is as stuck_task.stack; the caller frees. */
int stuck_parse_stack(const char *text, size_t n, char **ret);
/* The path in systemd's hierarchy, and in that of v1's freezer if there is one; else NULL. */
int stuck_parse_cgroup(const char *text, size_t n, char **ret, char **ret_freezer);
/* Adds the mounts of file systems that a task may wait for: FUSE, NFS, … */
int stuck_parse_mountinfo(const char *text, size_t n, uint64_t mntns, struct stuck_snapshot *s);
/* What fdinfo says after "key:"; -ENOENT if it does not. */
int stuck_parse_fdinfo(const char *text, size_t n, const char *key, uint64_t *ret);

/* From kernel functions, innermost first, separated by '\n'. */
enum stuck_wait stuck_classify_stack(const char *stack);
/* A file system is being mounted, and its own server does not answer. */
bool stuck_mounts_from_server(const char *stack);
enum stuck_wait stuck_classify(const struct stuck_task *t);
const char *stuck_wait_name(enum stuck_wait w);

/*
 * Was it told to end, and has not? SIGKILL is pending, it is on its way out, or its unit is being
 * stopped and it is in no state to notice, as with a core dump, to which SIGKILL alone gets
 * through. Whether that lasts is for two snapshots to say.
 */
bool stuck_is_told_to_end(const struct stuck_snapshot *s, const struct stuck_task *t);
/* The init of a pid namespace, on its way out. */
bool stuck_is_ending_init(const struct stuck_task *t);

/* What holds it, in the end; the worst first, those of FUSE before all others. */
enum stuck_kind {
	STUCK_FUSE_DEADLOCK, /* a FUSE connection that nobody can answer */
	STUCK_FUSE_STOPPED,  /* its daemon is stopped, frozen or traced */
	STUCK_FUSE_WAITS,    /* its daemon lives and has not answered yet */
	STUCK_FUSE_UNKNOWN,  /* who should answer cannot be told */
	STUCK_NFS,
	STUCK_NETFS,
	STUCK_FROZEN,
	STUCK_STOPPED,
	STUCK_TRACED,
	STUCK_DUMP,
	STUCK_MOUNT,
	STUCK_DISK,
	STUCK_UNREAPED, /* dead processes of a namespace whose parent, outside, does not reap them
			 */
	STUCK_PIDNS,	/* a pid namespace that does not end, and what is left does not say why */
	STUCK_UNKNOWN,
	_STUCK_KIND_MAX,
};

enum stuck_role {
	STUCK_ROLE_INIT,   /* waits for its pid namespace to become empty */
	STUCK_ROLE_LEADER, /* a dead leader, whose threads are not */
	STUCK_ROLE_WAITER, /* what does not end itself */
	STUCK_ROLE_DEAD,   /* a zombie that nobody reaps */
};

struct stuck_member {
	const struct stuck_task *task;
	enum stuck_role role;
};

/* Everything that one thing holds. */
struct stuck_hang {
	enum stuck_kind kind;
	struct stuck_member *members; /* inits first, waiters last */
	size_t n_members;
	const struct stuck_connection *connection; /* FUSE; NULL: not known */
	const struct stuck_mount *mount;	   /* of it, or of the other file system; NULL */
	const struct stuck_task *
		*daemons; /* who may answer, or has stopped, traces, does not reap */
	size_t n_daemons;
	const struct stuck_unit **units; /* that cannot stop because of it */
	size_t n_units;
	const char *frozen; /* the cgroup */
	char *root;	    /* in a sentence; foreign bytes are not escaped */
	char *why;	    /* no signal helps; NULL: it is in root */
	char *next;	    /* what to do */
	char *consequence;  /* of that; NULL */
};

struct stuck_report {
	struct stuck_hang *hangs; /* the worst first */
	size_t n_hangs;
};

/* The report refers to the snapshot, which must outlive it. */
int stuck_analyse(const struct stuck_snapshot *s, struct stuck_report **ret);
void stuck_report_freep(struct stuck_report **r);

const char *stuck_kind_name(enum stuck_kind k);
const char *stuck_role_name(enum stuck_role r);
/* What a member does, in a few words. */
const char *stuck_member_text(const struct stuck_hang *h, const struct stuck_member *m);

#endif
