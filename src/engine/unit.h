/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Managers, and those of their units that something is going on with. */
#ifndef SVCTRACE_ENGINE_UNIT_H
#define SVCTRACE_ENGINE_UNIT_H

#include <sys/queue.h>

#include "engine/facts.h"
#include "engine/job.h"
#include "engine/restart.h"
#include "svctrace/engine.h"

/* The event that a manager's main loop is dispatching, as far as one is known. */
struct trigger {
	bool set;
	bool followed_by_others; /* other units' events came after it */
	bool spent;		 /* what it led to has come to its end */
	enum wire_kind kind;
	uint64_t unit; /* address */
	char id[WIRE_ID_MAX];
	int32_t arg[3], main_pid, control_pid;
	uint32_t job_id;
	char job_type[WORD_MAX]; /* "": not known */
	char state[WORD_MAX];
	struct proof proof;
};

/* A scope that a client has systemd start: the processes that it names are moved there. */
struct asked_scope {
	char id[WIRE_ID_MAX];
	struct request *request;
	struct proof proof;
};

#define ASKED_SCOPES_MAX 16

struct manager {
	uint32_t tgid, pidns, uid;
	bool user;
	bool initial; /* its pid namespace is the initial one */
	char *root;   /* where its units' cgroups lie: its own cgroup without /init.scope */
	struct trigger trigger;
	struct jobs jobs;
	struct request *asked;	 /* the message that it handles; NULL: none, or not known */
	struct request *to_kill; /* … which had it send signals */
	struct asked_scope scopes[ASKED_SCOPES_MAX]; /* that do not run yet, oldest first */
	unsigned int n_scopes;
	char triggering[WIRE_ID_MAX]; /* the timer, path … that is about to start a unit; or "" */
	/* The unit that stopped last, and who made it: what its end leads to comes right behind. */
	struct {
		char id[WIRE_ID_MAX]; /* "": none */
		uint64_t mono_ns;
		struct lineage by; /* n 0: nobody, or not known */
		bool kernel, manager;
		enum certainty certainty;
		int32_t signal;
	} down;
	struct facts facts; /* of what it decides next */
	/* The emergency action that was taken last, and is no stop's yet. */
	struct {
		char name[WORD_MAX];
		struct proof proof; /* seq 0: there is none */
	} action;
	struct ev_stack stack;		     /* of what its thread … */
	uint32_t stack_tid;		     /* … of that number does next */
	struct proof cgroup_event;	     /* the last on_cgroup_inotify_event */
	struct proof cgroup_empty;	     /* the last manager_notify_cgroup_empty … */
	char cgroup_empty_unit[WIRE_ID_MAX]; /* … and its unit */
	TAILQ_ENTRY(manager) entry;
};

TAILQ_HEAD(manager_queue, manager);

/* A stop under way, or one that ended and may yet turn out to be followed by a restart. */
struct stop {
	struct verdict v;
	struct ending ending;
	struct unit *unit;
	bool of_scope;		/* which systemd never restarts */
	bool from_final;	/* it was not running: only a failure is worth telling */
	bool via_closed;	/* the call chain that decided has been seen to its end */
	bool dead_entered;	/* service_enter_dead ran: the next state is final */
	uint64_t state_mono_ns; /* since when it is in its state; 0: not seen */
	bool ended;
	struct stop_blame *blame; /* NULL: no signal was sent in it yet */
	struct thread_look *due;  /* a moment before its state's timeout; NULL: none */
	/* Of the last event, in the manager's namespace. 0: none, WIRE_NONE: not known */
	int32_t main_pid, control_pid;
	const char *control_setting; /* whose command the control process is; NULL: not known */
	char *awaited;		     /* as the last timeout ran out; NULL: not known */
	bool timeout_explained;	     /* what the last timeout met is known from before it */
	TAILQ_ENTRY(stop) entry;
};

TAILQ_HEAD(stop_queue, stop);

/* Frees what s holds. */
void stop_done(struct stop *s);

/* A main process that ended while its unit had something else to do first. */
struct main_end {
	struct proof proof; /* seq 0: none */
	int32_t pid, code, status;
};

struct unit {
	uint32_t manager;
	char id[WIRE_ID_MAX];
	struct stop *stop;
	struct pidfile_history *pidfiles; /* NULL: none was loaded */
	struct main_end main_end;
	TAILQ_ENTRY(unit) entry;
};

TAILQ_HEAD(unit_queue, unit);

struct unit_table {
	struct manager_queue managers; /* the one that was active last is last */
	unsigned int n_managers;
	void *by_name;		 /* tsearch(3): struct unit by (manager, id) */
	struct unit_queue units; /* the oldest first */
	unsigned int n_units;
};

void unit_table_init(struct unit_table *t);
void unit_table_done(struct unit_table *t);

/* The manager that an event comes from, with what the event says of it. NULL: out of memory. */
struct manager *manager_get(struct unit_table *t, const struct ev *e);
struct manager *manager_find(const struct unit_table *t, uint32_t tgid);
void manager_drop(struct unit_table *t, struct manager *m);
/* The manager for longest silent, if there are too many. */
struct manager *manager_surplus(const struct unit_table *t);

/* A client has it start a scope, as e tells. */
int manager_learn_scope(struct manager *m, const struct ev *e, struct request *q);
/* It has come up: whoever is moved there now is so for another reason. */
void manager_forget_scope(struct manager *m, struct str id);
/* The one of m's that is about to come up in that cgroup; NULL: none. */
const struct asked_scope *manager_asked_scope(const struct manager *m, struct str path);

struct unit *unit_find(const struct unit_table *t, uint32_t manager, struct str id);
struct unit *unit_get(struct unit_table *t, uint32_t manager, struct str id);
/* Frees the unit if there is nothing to remember of it. */
void unit_release(struct unit_table *t, struct unit *u);
/* Frees a unit that has no stop, whatever is remembered of it. */
void unit_drop(struct unit_table *t, struct unit *u);
/* Forgets what was remembered of it in case it stops. */
void unit_forget(struct unit *u);
/* Remembers what e tells in case the unit stops. */
int unit_learn_main_end(struct unit *u, const struct ev *e);
/* The oldest unit, if there are too many. */
struct unit *unit_surplus(const struct unit_table *t);

void id_copy(char dst[static WIRE_ID_MAX], struct str id);

int trigger_set(struct trigger *t, const struct ev *e);
void trigger_clear(struct trigger *t);
/* "service_stop" */
const char *trigger_function(const struct trigger *t);

enum state_class {
	STATE_UNKNOWN,
	STATE_STARTING,
	STATE_UP,
	STATE_STOPPING,
	STATE_FINAL,   /* not running, and not about to: dead, failed */
	STATE_RESTART, /* not running, but systemd will start it again */
};

enum state_class state_class(const char *state);
/* The unit's ActiveState in that state; NULL if the state is not known. */
const char *state_active(const char *state);

#endif
