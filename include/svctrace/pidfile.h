/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What systemd makes of a PID file: its own walk to the file, its own reading of it, and its own
 * rules about the process that it names (service_load_pid_file, service_is_suitable_main_pid),
 * followed from outside and explained step by step.
 *
 * Everything is looked at through one root directory: "/" or /proc/PID/root of a manager in a
 * container; its proc/ tells of processes, so PIDs are those of that root's own pid namespace.
 * Nothing is written, and nothing but a regular file is ever opened for reading.
 * Errors: 0 or a negative errno for what could not be looked into (-ENOMEM, …); what systemd would
 * trip over is no error but the result.
 * Ownership: what a struct holds is freed by its _done(). Strings are raw bytes: escape them to
 * show them.
 */
#ifndef SVCTRACE_PIDFILE_H
#define SVCTRACE_PIDFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* How releases differ. */
struct pidfile_rules {
	bool known;	    /* found in a systemd's files; else the newest rules are assumed */
	bool links_carry;   /* a relative link's owner is compared with its target's (up to 252) */
	bool counts_steps;  /* 129 names and links are the most, not 31 links (262) */
	bool by_reference;  /* a pidfd is opened before any test (257) */
	bool wants_manager; /* the file's owner has to be the manager's user, not root (257) */
	bool quotes;	    /* wording of 257 */
	bool hides_errno;   /* 247: "Can't open PID file" always ends in EPERM's text */
	size_t line_max;    /* bytes; a longer first line is an error */
};

/* Asks the systemd installed below the root. */
int pidfile_rules_of(int root_fd, struct pidfile_rules *ret);

enum pidfile_step_kind {
	PIDFILE_STEP_ROOT,  /* where the walk begins, and again after an absolute link */
	PIDFILE_STEP_ENTRY, /* a name that is no link */
	PIDFILE_STEP_LINK,
	PIDFILE_STEP_PARENT, /* ".." */
};

/* One thing that the walk comes by. */
struct pidfile_step {
	enum pidfile_step_kind kind;
	char *path;   /* from the root, without links; of a link: where the link is */
	char *target; /* of a link */
	uid_t uid;
	mode_t mode;
	size_t from; /* the step whose owner this one's is compared with */
};

#define PIDFILE_NO_STEP SIZE_MAX

struct pidfile_walk {
	struct pidfile_step *steps;
	size_t n_steps;
	/* The first step from a user other than root to another user: a questionable file. */
	size_t unsafe;
	int error;	/* 0, or the negative errno that systemd gets */
	char *resolved; /* the file without links on the way; NULL when the walk ended early … */
	char *missing;	/* … here, if a name was the reason */
	int fd;		/* O_PATH, -1 if there is none */
};

/* path is absolute. -E2BIG: more steps than anyone would follow. */
int pidfile_walk(int root_fd, const char *path, const struct pidfile_rules *rules,
		 struct pidfile_walk *ret);
void pidfile_walk_done(struct pidfile_walk *w);

/* What is in the file, as far as systemd reads it. */
struct pidfile_content {
	char *line;	 /* the first line, NUL-terminated (it holds none) */
	size_t line_len; /* bytes */
	bool whole;	 /* the line is ended by something other than the end of the file */
	pid_t pid;	 /* 0 when there is none */
	int error;	 /* 0, -EINVAL (no number), -ERANGE (no PID), -ENOBUFS (too long) */
};

/* Pure: the first n bytes of a file, of which systemd would read line_max at most. */
int pidfile_parse(const char *text, size_t n, size_t line_max, struct pidfile_content *ret);
void pidfile_content_done(struct pidfile_content *c);

enum pidfile_process_state {
	PIDFILE_PROCESS_UNKNOWN, /* the root has no proc/ */
	PIDFILE_PROCESS_ALIVE,
	PIDFILE_PROCESS_GONE,
	PIDFILE_PROCESS_ZOMBIE,
	PIDFILE_PROCESS_THREAD, /* alive, but a thread other than its process's first */
};

struct pidfile_process {
	pid_t pid;
	enum pidfile_process_state state;
	char comm[16];
	char *cgroup; /* as its manager sees it: without the manager's own path; NULL: not known */
};

/* What is known of the service. */
struct pidfile_service {
	const char *unit;   /* NULL: not known; then nothing is known to be in its cgroup */
	const char *cgroup; /* ControlGroup=, NULL: told by the unit's name in the path */
	const char *state;  /* the state while it waits for the file; NULL: "start" */
	pid_t main_pid, control_pid; /* 0: none */
	pid_t manager_pid;	     /* besides PID 1; 0: none */
	uid_t manager_uid;
};

enum pidfile_outcome {
	PIDFILE_ACCEPTED,
	PIDFILE_REFUSED,
	PIDFILE_NOT_YET, /* while it starts, systemd waits for the file to come or to change */
	PIDFILE_UNKNOWN,
	_PIDFILE_OUTCOME_MAX,
};

/* The rule that decided. */
enum pidfile_rule {
	PIDFILE_RULE_IN_CGROUP,
	PIDFILE_RULE_TRUSTED_FILE, /* outside of the cgroup, but safe way and right owner */
	PIDFILE_RULE_ALREADY_MAIN,
	PIDFILE_RULE_MISSING,
	PIDFILE_RULE_CANNOT_OPEN,
	PIDFILE_RULE_CANNOT_READ,
	PIDFILE_RULE_BLOCKS, /* a FIFO: systemd itself would wait in open() */
	PIDFILE_RULE_DEVICE, /* not opened, for what that may do */
	PIDFILE_RULE_EMPTY,
	PIDFILE_RULE_NO_PID,
	PIDFILE_RULE_MANAGER,
	PIDFILE_RULE_CONTROL,
	PIDFILE_RULE_NO_PROCESS,
	PIDFILE_RULE_ZOMBIE,
	PIDFILE_RULE_THREAD,
	PIDFILE_RULE_UNSAFE_PATH,
	PIDFILE_RULE_OWNER,
	PIDFILE_RULE_NO_PROC,	/* cannot tell: no proc/ below the root */
	PIDFILE_RULE_NO_CGROUP, /* cannot tell: whose cgroup it has to be in is not known */
	PIDFILE_RULE_NO_ACCESS, /* cannot tell: this user may not look */
	_PIDFILE_RULE_MAX,
};

struct pidfile_query {
	int root_fd;
	const char *path; /* absolute */
	pid_t pid;	  /* instead of what is in the file; 0: read it */
	struct pidfile_rules rules;
	struct pidfile_service service;
};

struct pidfile_check {
	struct pidfile_walk walk;
	struct pidfile_content content;
	struct pidfile_process process;
	uid_t owner; /* of the file, if walk.fd >= 0 */
	enum pidfile_outcome outcome;
	enum pidfile_rule rule;
	int error;	       /* the negative errno that systemd gets, or 0 */
	char *log;	       /* what systemd would log, "UNIT: " included if known; or NULL */
	const char *log_level; /* "error"; "info", which is "debug" unless the service starts */
	char *why, *mend;      /* a sentence; mend NULL when there is nothing to mend */
	pid_t half_of;	       /* a process of the service whose PID begins with the one read */
};

int pidfile_check(const struct pidfile_query *q, struct pidfile_check *ret);
void pidfile_check_done(struct pidfile_check *c);

/* Stable names: "accepted", "unsafe-path". */
const char *pidfile_outcome_name(enum pidfile_outcome o);
const char *pidfile_rule_name(enum pidfile_rule r);
const char *pidfile_step_name(const struct pidfile_step *s);

#endif
