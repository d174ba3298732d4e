/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Events: what a wire record says, with names in place of numbers.
 *
 * A decoder turns wire records into events. It is pure (no I/O, no clock, no globals) and keeps
 * only what later records need to be understood: the clock, the managers' enum tables and symbols,
 * the paths of living cgroups. Every length is checked before it is used.
 *
 * Ownership: everything that an event points to lives in the decoder or in the record, and is
 * valid only until the sink returns. Who wants to keep it copies it.
 */
#ifndef SVCTRACE_EVENT_H
#define SVCTRACE_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/types.h>

#include "svctrace/wire.h"

/* A slice of bytes, not NUL-terminated; may hold anything. {NULL, 0} says "not known". */
struct str {
	const char *s;
	size_t n;
};

struct ev_task {
	uint32_t tgid, tid;	 /* initial pid namespace */
	uint32_t ns_tgid, pidns; /* own pid namespace and its inode */
	uint64_t start_ns;	 /* CLOCK_BOOTTIME; (tgid, start_ns) is the identity */
	uint64_t cgroup;	 /* id */
	uint32_t uid, ppid;
	struct str comm;
	struct str cgroup_path; /* looked up by the decoder; {NULL, 0}: not known */
};

/*
 * Of a scope these are told as the events of a service that mean the same; ev.scope then says which
 * function it really was. A scope has no main process.
 */
struct ev_service {
	uint64_t unit;
	struct str id;		  /* "nginx.service"; always a valid unit name */
	struct str path;	  /* PID file */
	int32_t main_pid;	  /* manager's pid namespace; 0 none; WIRE_NONE not known */
	int32_t control_pid;	  /* likewise */
	const char *state;	  /* before the call: systemd's word; NULL not known */
	const char *result;	  /* systemd's word; NULL not known */
	const char *job_type;	  /* NULL: no job, or not known */
	uint32_t job_id;	  /* 0: no job */
	const char *new_state;	  /* SET_STATE, ENTER_SIGNAL */
	const char *new_result;	  /* ENTER_STOP, ENTER_SIGNAL, ENTER_DEAD: the result handed in */
	const char *request;	  /* BUS_QUEUE_JOB: job type asked for */
	const char *request_mode; /* … and its mode: "replace", "isolate" */
	int32_t arg[3];		  /* the raw arguments, see enum wire_kind */
};

/* A set of exit statuses and signals, as wire_exit_set has it. */
struct ev_exit_set {
	bool known;
	uint64_t status[WIRE_EXIT_STATUSES / 64], signal[WIRE_EXIT_SIGNALS / 64];
};

/*
 * What a service is configured to and where it stands, when its manager decides: of the next event
 * of that thread. Numbers are WIRE_NONE, times WIRE_USEC_NONE, words NULL where they are not known.
 */
struct ev_facts {
	uint64_t unit; /* address */
	struct str id; /* always valid */
	const char *restart, *restart_mode, *type, *oom_policy;
	uint64_t restart_usec, restart_max_delay_usec;
	int32_t restart_steps, n_restarts;
	int32_t main_code, main_status; /* of the main process's last end; code CLD_*, 0: none */
	int32_t forbid_restart;		/* 1: a stop was asked for */
	struct ev_exit_set prevent, force, success;
	uint64_t limit_interval_usec, limit_begin_usec; /* begin: CLOCK_MONOTONIC, 0: none yet */
	int32_t limit_burst, limit_num;
	const char *start_limit_action, *failure_action, *success_action;
	/* abort: the one that counts; ~0 is systemd's "infinity" */
	uint64_t timeout_start_usec, timeout_stop_usec, timeout_abort_usec, runtime_max_usec;
	uint64_t watchdog_timestamp_usec; /* the last keepalive, CLOCK_MONOTONIC; 0: none yet */
	uint64_t watchdog_usec, watchdog_original_usec, watchdog_override_usec;
	int32_t watchdog_override_enable; /* 1: the override counts */
};

/* See struct wire_keepalive. */
struct ev_keepalive {
	struct str id; /* always a valid unit name */
	uint64_t at_ns, unit_ns, started_ns, message_ns;
	int32_t by_message, main_pid; /* WIRE_NONE: not known */
	const char *state;	      /* NULL: not known */
	uint32_t left_out;
};

/* A job that the manager makes: the one that a transaction begins with, or one that it needs. */
struct ev_job {
	struct str id; /* its unit; of UNIT_TRIGGERS the timer itself, or the like; always valid */
	struct str by; /* TRANSACTION_JOB: the unit whose job pulls it in; {NULL, 0}: none */
	const char *type;    /* NULL: not known */
	const char *by_type; /* NULL: not known, or none */
	const char *mode;    /* MANAGER_ADD_JOB: "replace", "isolate"; NULL: not known */
	bool conflict;	     /* pulled in by a Conflicts= */
	uint32_t pending;    /* id of the job that the unit has already; 0: none */
};

/* Why the manager's transaction pulled in the job of one unit for that of another. */
struct ev_dependency {
	struct str unit, by;
	struct str name; /* "PartOf"; {NULL, 0}: not to be had */
};

/* Why the manager stops a unit: one that it is bound to is not active any more. */
struct ev_gone {
	struct str unit, bound_to;
	uint64_t since_ns; /* CLOCK_MONOTONIC; 0: it never was active */
};

/* A method call that the manager obeys: what the next BUS_* event of that thread was asked by. */
struct ev_message {
	uint32_t serial;
	uint32_t peer;	   /* see struct wire_message */
	struct str sender; /* unique name; {NULL, 0} on a private socket */
	struct str path, member;
};

/* A process that did something, as the kernel knew it at that moment. */
struct ev_origin {
	struct ev_task task;
	uint32_t loginuid, session; /* (uint32_t)-1: none */
	struct str tty;
	struct str cmdline; /* NUL-separated */
	uint32_t n_ancestors;
	struct {
		uint32_t tgid;
		uint64_t start_ns;
		struct str comm;
	} ancestors[WIRE_ANCESTORS_MAX]; /* the parent first */
};

struct ev_signal {
	int32_t sig, code, syscall; /* code, syscall: WIRE_NONE if not known; syscall -1: in none */
	uint32_t target_flags;	    /* WIRE_TARGET_* */
	struct ev_origin sender;
	struct ev_task target;
};

/* See svctrace/bus.h. */
struct bus_message;

/* A client writes to a manager's socket or to a bus. */
struct ev_client_send {
	struct ev_origin client;
	enum wire_endpoint endpoint;
	uint32_t listener;		    /* the process that called listen(); 0: not known */
	uint32_t length;		    /* of the whole send, bytes */
	struct str socket;		    /* the path it is bound to: "/run/systemd/private" */
	struct str bytes;		    /* as sent; fewer than length if they were cut */
	const struct bus_message *messages; /* those in bytes, in the order sent */
	uint32_t n_messages;
	bool more; /* bytes holds more than messages tells */
};

/* A bus gave a new connection its name. */
struct ev_bus_name {
	uint32_t client;   /* the process that connected; 0: not known */
	uint32_t listener; /* as in ev_client_send */
	struct str name;   /* ":1.42" */
	struct str socket;
};

/* See struct wire_pidfile. */
struct ev_pidfile {
	uint64_t unit;
	struct str id, path; /* id is always a valid unit name */
	int32_t failed, error, pid, half_of;
	bool found, whole, changed, renamed;
	uint64_t looked_ns, dev, ino, mtime_ns, size;
	uint32_t owner, mode, from_uid, step_uid;
	struct str line, outcome, rule, why, mend; /* outcome and rule are plain words */
	struct str from, from_kind, step, step_kind, step_target;
	struct str comm, cgroup;
};

struct ev_proc {
	struct ev_task task;
	uint32_t loginuid, session;
	struct str exe, cmdline, cgroup, tty;
};

/* One call of a chain. */
struct ev_frame {
	struct str name;   /* systemd's function, or a library's; {NULL, 0}: not known */
	struct str object; /* the file's path as the process sees it; {NULL, 0}: in no file */
	uint64_t address;  /* in the object's file; of the call, not behind it */
	uint32_t offset;   /* from the function's begin */
	bool guess;	   /* nothing confirms the name */
};

/* What one thread was doing: of the WIRE_LOOK that follows. */
struct ev_thread {
	struct ev_task task;   /* comm is the thread's own */
	uint64_t cpu_ns;       /* so far */
	uint64_t cpu_since_ns; /* since the last keepalive; WIRE_CPU_UNKNOWN */
	uint32_t ns_tid, flags;
	char state;	  /* the letter that /proc shows */
	struct str stack; /* kernel functions, innermost first, each followed by '\n' */
};

struct ev_look {
	struct str id; /* of the unit; always valid */
	enum wire_look_reason reason;
	uint64_t at_ns, took_ns; /* CLOCK_MONOTONIC */
	int32_t error;
	uint32_t n; /* threads there were */
};

/* See struct wire_watchdog_use. */
struct ev_watchdog_use {
	struct ev_task task;
	uint64_t since_ns;
	uint32_t device, left_out;
	enum wire_watchdog_op op;
	int32_t value; /* WIRE_NONE: none, or not known */
};

/* See struct wire_watchdog_device. */
struct ev_watchdog_device {
	uint64_t pinged_ns, timeout_ns; /* timeout 0: not known */
	uint32_t device, holder, threads;
	int32_t running, nowayout; /* WIRE_NONE: not known */
	bool overdue;
	struct str identity, driver;
};

/* See struct wire_watchdog_settings. */
struct ev_watchdog_settings {
	uint64_t runtime_usec, reboot_usec, pinged_ns;
	uint32_t device;
	struct str path;
};

struct ev_stack {
	enum wire_stack_end end;
	unsigned int n;		       /* 0: there is none */
	const struct ev_frame *frames; /* innermost first */
};

struct ev {
	enum wire_kind kind;
	enum wire_scope_call scope; /* not 0: a scope's, see struct ev_service */
	uint32_t flags;
	uint64_t seq;	  /* number of the record in its stream, from 1: what a verdict cites */
	uint64_t mono_ns; /* CLOCK_MONOTONIC */
	uint64_t wall_ns; /* CLOCK_REALTIME; 0 until the first WIRE_CLOCK */
	uint32_t tgid, tid;
	/*
	 * The manager in whose context it happened (service and manager kinds), else zero. Only
	 * tgid is known of a manager that no WIRE_MANAGER has introduced.
	 */
	struct {
		uint32_t tgid, ns_tgid, pidns, uid;
		int user;
		struct str object, build_id, version;
		struct str cgroup_path; /* its own cgroup: "/init.scope" */
	} manager;
	union {
		struct ev_service service;
		struct ev_keepalive keepalive;
		struct ev_thread thread;
		struct ev_look look;
		struct ev_watchdog_use watchdog_use;
		struct ev_watchdog_device watchdog_device;
		struct ev_watchdog_settings watchdog_settings;
		struct ev_facts facts; /* SERVICE_FACTS */
		const char *action;    /* EMERGENCY_ACTION; NULL: not known */
		struct ev_job job;     /* MANAGER_ADD_JOB, TRANSACTION_JOB, UNIT_TRIGGERS */
		struct ev_message message;
		struct ev_dependency dependency;
		struct ev_gone gone;
		struct ev_signal signal;
		struct ev_client_send send; /* CLIENT_SEND */
		struct ev_bus_name bus_name;
		struct ev_proc proc;
		struct ev_pidfile pidfile;
		struct {
			struct ev_task task; /* FORK: the child; EXEC, EXIT, OOM_VICTIM: itself */
			int32_t code;	     /* EXIT: wait(2) status */
			struct str exe, cmdline; /* EXEC */
		} process;
		struct {
			uint64_t id, parent;
			int32_t value;
			struct str path;
		} path; /* MANAGER_CGROUP_*, CGROUP_MKDIR, _RMDIR, _POPULATED, CGROUP */
		struct {
			struct ev_task task;
			uint64_t cgroup;
			struct str path;
			uint32_t threadgroup;
		} attach;
		struct {
			struct ev_task init;
			uint32_t pidns;
		} pidns;
		struct {
			struct ev_task task;
			uint32_t connection, exiting;
			int32_t ret;
		} fuse;
		struct {
			uint32_t n; /* see struct wire_pid_levels */
			uint32_t pidns[WIRE_PID_LEVELS_MAX], nr[WIRE_PID_LEVELS_MAX];
		} pid_levels;
		struct {
			uint32_t connection, n; /* see struct wire_fuse_holders */
			int32_t error;
			uint32_t stopped;
			uint32_t tgid[WIRE_FUSE_HOLDERS_MAX];
		} fuse_holders;
		struct {
			uint64_t since_ns, count;
			struct str probe;
		} lost;
		struct {
			int32_t error;
			struct str name, how, reason;
		} probe;
		struct {
			uint64_t boot_ns, real_ns;
		} clock;
		struct {
			uint64_t vaddr, file_offset;
			struct str name, origin;
		} symbol; /* SYMBOL; OFFSET, of which vaddr is the offset */
		struct {
			struct str name, values;
		} enumeration;
		struct {
			enum wire_user_stack_error error;
			struct ev_stack stack;
		} user_stack;	       /* USER_STACK: of the THREAD before it */
		struct ev_stack stack; /* STACK: of what that thread does next */
		struct {
			uint64_t sp;
			uint32_t bytes, wanted;
		} sample;	 /* STACK_SAMPLE */
		struct str text; /* START */
	};
};

/* Returns 0, or a negative errno that ends the run. */
typedef int (*ev_sink)(void *ctx, const struct ev *e);
/* What feeds a decoder: one whole record, hdr.size bytes. */
typedef int (*wire_sink)(void *ctx, const void *record, size_t size);

struct decoder;

/* Events go to sink. -ENOMEM. */
int decoder_new(ev_sink sink, void *ctx, struct decoder **ret);
void decoder_freep(struct decoder **d);

/*
 * Decodes one record and hands the event on. size is what the buffer holds; the record's own size
 * may be smaller, never larger. Returns 0, what the sink returned, or -EBADMSG for a record that
 * does not hold what it claims (counted, nothing handed on). Unknown kinds are counted and skipped.
 */
int decoder_feed(struct decoder *d, const void *record, size_t size);

struct decoder_stats {
	uint64_t records, bad, unknown;
};
void decoder_stats(const struct decoder *d, struct decoder_stats *ret);

/* The kind's stable name in JSON and text, "service-enter-stop"; NULL for an unknown kind. */
const char *wire_kind_name(unsigned int kind);
/* The same of an event: "scope-stop" for that of a scope. */
const char *event_name(enum wire_kind kind, enum wire_scope_call scope);
/* systemd's function that it is a probe of, "service_enter_stop"; NULL if it is none. */
const char *event_function(enum wire_kind kind, enum wire_scope_call scope);

/* "keepalive-due", "watchdog", "timeout-due", "timeout", "slow"; NULL out of range. */
const char *look_reason_name(enum wire_look_reason reason);
/* "open", "ping", "set-timeout", "start", "stop", "close"; NULL out of range. */
const char *watchdog_op_name(enum wire_watchdog_op op);
/* "whole", "cut", "no-unwind-data", "too-deep"; NULL out of range. */
const char *stack_end_name(enum wire_stack_end end);
/* "runs"; "none": there is one. NULL: no such number. */
const char *user_stack_error_name(enum wire_user_stack_error error);
/* A copy in one piece, to be given to ev_stack_done(). -ENOMEM. */
int ev_stack_copy(struct ev_stack *dst, const struct ev_stack *src);
void ev_stack_done(struct ev_stack *s);

/* A copy that ends in NUL; NULL if s is not known or memory ran out. Stops at a NUL inside. */
char *str_dup(struct str s);
bool str_equal(struct str s, const char *other);

/* What systemd accepts as the name of a unit: "getty@tty1.service". */
bool unit_name_is_valid(struct str s);

/*
 * The event in one short line, ready for a terminal: "SIGKILL from kill 11733 to 1290". Always
 * NUL-terminated; returns dst.
 */
char *ev_describe(char *dst, size_t dst_size, const struct ev *e);

#endif
