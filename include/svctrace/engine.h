/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The engine: events in, verdicts out; one verdict for every stop of a service.
 *
 * It is pure: no I/O, no clock, no globals. Time is the events' own, so that a replay says what
 * the live run said. Its memory is bounded by what is alive on the traced system (processes in
 * service cgroups, loaded units that did something, stops under way), not by the stream's length.
 */
#ifndef SVCTRACE_ENGINE_H
#define SVCTRACE_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "svctrace/event.h"
#include "svctrace/stuck.h"

enum cause {
	CAUSE_UNCLASSIFIED,    /* the evidence is there, no rule explains it */
	CAUSE_STOP_REQUEST,    /* a client asked systemd to stop this unit */
	CAUSE_RESTART_REQUEST, /* a client asked systemd to restart this unit */
	CAUSE_MAIN_EXITED,     /* the main process ended by itself */
	CAUSE_MAIN_KILLED,     /* the main process died by a signal */
	CAUSE_CGROUP_EMPTY,    /* the last process left the unit's cgroup */
	CAUSE_DEPENDENCY,      /* another unit stops or restarts, and takes it along */
	CAUSE_CONFLICT,	       /* a unit starts that it conflicts with */
	CAUSE_ISOLATE,	       /* another unit is isolated */
	CAUSE_SHUTDOWN,	       /* the manager, with its machine or session, goes down */
	CAUSE_UNNEEDED,	       /* StopWhenUnneeded=, and nothing needs it any more */
	CAUSE_BOUND,	       /* BindsTo= a unit that went away by itself */
	CAUSE_CONTROL_FAILED,  /* one of its commands failed: ExecStartPre= … */
	CAUSE_CONDITION_UNMET, /* ExecCondition= said no */
	CAUSE_EXEC_FAILED,     /* a process came up, but could not execute its command */
	CAUSE_SPAWN_FAILED,    /* a process did not come up */
	CAUSE_NOT_READY,       /* the main process ended before it had said that it was ready */
	CAUSE_READY_REFUSED,   /* it said so, but the manager does not take it */
	CAUSE_NOTHING_TO_RUN,  /* a oneshot without ExecStart= */
	CAUSE_PID_FILE_MISSING,
	CAUSE_PID_FILE_REFUSED,
	CAUSE_PID_FILE_STALE, /* it names no process that lives */
	CAUSE_PID_FILE_UNREADABLE,
	CAUSE_BUS_NAME_LOST, /* Type=dbus */
	CAUSE_ANNOUNCED,     /* it said STOPPING=1 itself */
	CAUSE_START_TIMEOUT,
	CAUSE_STOP_TIMEOUT,	/* of a stop that had begun before the trace … */
	CAUSE_ABORT_TIMEOUT,	/* … likewise, by the watchdog's signal */
	CAUSE_RUNTIME_LIMIT,	/* RuntimeMaxSec= */
	CAUSE_WATCHDOG,		/* a keepalive did not come in time */
	CAUSE_WATCHDOG_TRIGGER, /* it sent WATCHDOG=trigger */
	CAUSE_OOM_KILL,		/* the kernel's OOM killer */
	CAUSE_OOMD_KILL,	/* systemd-oomd */
	CAUSE_START_LIMIT_HIT,
	CAUSE_MAX,
};

/* Stable short name, "main-killed"; NULL out of range. And back: -EINVAL if there is none. */
const char *cause_name(enum cause c);
int cause_parse(const char *name);
/* One sentence for people: "main process killed". */
const char *cause_title(enum cause c);

/* What a chain of jobs begins with. */
enum root_reason {
	ROOT_UNKNOWN,
	ROOT_REQUEST,	/* a client's call */
	ROOT_UNNEEDED,	/* StopWhenUnneeded= */
	ROOT_BOUND,	/* BindsTo= */
	ROOT_UPHELD,	/* Upholds= */
	ROOT_TIMER,	/* a timer elapsed */
	ROOT_PATH,	/* a path unit saw a change */
	ROOT_SOCKET,	/* a socket got traffic */
	ROOT_AUTOMOUNT, /* an automount point was entered */
	ROOT_ON_RESULT, /* OnFailure=, OnSuccess= */
	ROOT_RESTART,	/* Restart= */
	ROOT_EMERGENCY, /* FailureAction= and its like */
	ROOT_SIGNAL,	/* a signal to the manager */
	ROOT_MAX,
};

/* Stable short name, "stop-when-unneeded"; NULL out of range. */
const char *root_reason_name(enum root_reason reason);

/* How much a statement rests on. */
enum certainty {
	CERTAIN,  /* each step was seen as an event */
	INFERRED, /* joined by order and time; the verdict says how */
	UNKNOWN,
};
const char *certainty_name(enum certainty c);

/*
 * A process as known at the time of the verdict. Strings are NUL-terminated and as foreign as they
 * came (to be escaped by who shows them); NULL: not known. So is a number of 0.
 */
struct actor {
	uint32_t tgid, ns_tgid, ppid;
	uint64_t start_ns;
	uint32_t uid;		    /* (uint32_t)-1: not known */
	uint32_t loginuid, session; /* (uint32_t)-1: none, or not known */
	char *comm, *exe, *tty;
	char *cmdline;	 /* ready to print: arguments joined, not escaped */
	char *cgroup;	 /* path */
	char *unit;	 /* the innermost unit of that path: "session-2.scope" */
	char *container; /* that the path tells of: "docker:0123456789ab"; NULL: none */
	bool exited;	 /* known to be gone when the verdict was made */
};

/* One unit of the chain of jobs that ended in a stop. */
struct link {
	char *unit;
	char *job;	  /* "stop", "start"; NULL: not known */
	char *dependency; /* by which the next one's job pulled it in: "PartOf"; NULL: not known */
};

/* What a client asked the manager for. */
struct verdict_request {
	enum wire_endpoint endpoint;	     /* 0: not known */
	char *member, *unit, *mode, *sender; /* NULL: not known */
	uint32_t serial;		     /* 0: not known */
	enum certainty certainty;	     /* that it was this client */
	struct actor passed_on_by; /* tgid 0: nobody; else it asked for the actor: logind */
};

/* A command of the unit's that failed, other than its main process. */
struct failed_command {
	const char *setting; /* "ExecStartPre"; NULL: not known */
	int32_t pid;	     /* in the manager's namespace */
	uint32_t tgid;	     /* the same in the initial namespace; 0: not known */
	char *cmdline;	     /* NULL: not known */
	int32_t exit_code, exit_signal;
	bool core_dumped;
	const char *exit_name; /* "EXEC": systemd's own exit code; NULL: the command's own */
};

/* A timeout that ran out while the unit stopped. */
struct escalation {
	char *state, *next;	       /* "stop-sigterm", "stop-sigkill"; next NULL: not seen */
	uint64_t mono_ns, in_state_ns; /* in_state_ns 0: since when was not seen */
};

/* By which rule systemd restarts a service that has ended, or does not. */
enum restart_rule {
	RESTART_UNKNOWN,     /* what it takes was not seen, or systemd did otherwise */
	RESTART_SETTING,     /* Restart=, and the result */
	RESTART_FORCED,	     /* RestartForceExitStatus= */
	RESTART_PREVENTED,   /* RestartPreventExitStatus= */
	RESTART_ONESHOT,     /* RestartForceExitStatus=, but Type=oneshot succeeded */
	RESTART_STOP_ASKED,  /* a stop was asked for */
	RESTART_STOP_JOB,    /* a stop job waits */
	RESTART_START_LIMIT, /* started too often */
	RESTART_NOT_ALLOWED, /* there is no restart after this end */
	RESTART_CALLED_OFF,  /* stopped while it waited for its restart */
	RESTART_RULE_MAX,
};

/* Stable short name, "setting"; NULL out of range. */
const char *restart_rule_name(enum restart_rule rule);

/*
 * Words are systemd's, NULL where not known; numbers WIRE_NONE, times WIRE_USEC_NONE, of which ~0
 * is systemd's "infinity".
 */
struct verdict_restart {
	bool seen;		    /* what came of it was seen; else nothing of this counts */
	bool restarts;		    /* what systemd did */
	enum restart_rule rule;	    /* why */
	char *setting, *mode;	    /* Restart=, RestartMode= */
	char *result;		    /* the column of Restart='s table */
	uint64_t delay_usec;	    /* until the restart; not known if there is none */
	int32_t count;		    /* automatic restarts before this end */
	int32_t limit_burst;	    /* starts allowed … */
	uint64_t limit_usec;	    /* … in this time */
	int32_t limit_num;	    /* and how many were counted in it */
	const char *action_setting; /* "FailureAction" … that systemd obeyed; NULL: none */
	char *action;		    /* "reboot" */
	char *text;		    /* all that in one line for people; NULL: nothing to say */
};

#define VERDICT_FAILED_MAX	4
#define VERDICT_ESCALATIONS_MAX 6
#define VERDICT_LINKS_MAX	16
#define VERDICT_PROOF_MAX	48
#define VERDICT_VIA_MAX		8
#define VERDICT_NOTES_MAX	8

/* One event that a verdict rests on. what is a short text: "SIGKILL to 1290 from kill 11733". */
struct proof {
	uint64_t seq;
	uint64_t mono_ns;
	enum wire_kind kind;
	enum wire_scope_call scope; /* as in struct ev */
	char *what;
};

/* The numbers of a thread in the pid namespaces that it is in, the outermost first. */
struct hang_ids {
	uint32_t pidns[WIRE_PID_LEVELS_MAX], nr[WIRE_PID_LEVELS_MAX];
	unsigned int n; /* 0: not known */
};

#define LOOK_THREADS_MAX 16

/* What one thread was doing. */
struct look_thread {
	struct actor a; /* its process */
	uint32_t tid, ns_tid, pidns;
	struct hang_ids ids; /* told of a look at a pid namespace only */
	char *comm;	     /* its own name */
	char state;	     /* the letter that /proc shows: R, S, D, Z … */
	bool exiting;
	enum stuck_wait wait;
	char *stack;	       /* kernel functions, innermost first, each with '\n'; NULL: none */
	uint64_t cpu_ns;       /* so far */
	uint64_t cpu_since_ns; /* since the last keepalive; WIRE_CPU_UNKNOWN */
	bool user_asked;       /* where it was in user space was asked, too … */
	enum wire_user_stack_error user_error; /* … and this is why there is none */
	struct ev_stack user;
};

#define LOOK_HOLDS_MAX 4

/* What keeps some of them from hearing that they should end, in the words of svctrace stuck. */
struct look_hold {
	enum stuck_kind kind;	  /* none of FUSE, and none that is about a pid namespace */
	enum certainty certainty; /* inferred: a moment later it may be over */
	uint32_t tid[LOOK_THREADS_MAX];
	unsigned int n_tids;
	char *root, *next; /* sentences; foreign bytes in them are not escaped */
};

/* What a manager waits for as it stops a unit. */
struct awaited {
	bool main, control, cgroup;		    /* none of them: not known */
	struct actor main_process, control_process; /* tgid 0: not known */
	const char *setting; /* whose command the control process is: "ExecStop"; NULL: not known */
	char *text;	     /* in words, ready for a terminal; NULL: not known */
};

/* What the threads of a main process, a cgroup or a pid namespace were doing at one moment. */
struct thread_look {
	enum wire_look_reason reason; /* not of a namespace */
	uint64_t at_ns;		      /* CLOCK_MONOTONIC */
	uint32_t n;		      /* threads there were */
	struct look_thread thread[LOOK_THREADS_MAX];
	unsigned int n_threads; /* told: those that cannot end first */
	struct look_hold hold[LOOK_HOLDS_MAX];
	unsigned int n_holds;
	struct awaited awaited; /* of a stop alone */
	struct proof proof;
};

#define LEAVERS_MAX 8

/* A process that left a unit's cgroup, for good. */
struct left_cgroup {
	struct actor a;
	uint64_t mono_ns;
	int32_t exit_code, exit_signal; /* exit_signal 0: it exited by itself, or was moved */
	char *moved_to;			/* the other cgroup's path; NULL: it ended */
	struct actor
		*by; /* who killed or moved it, then its parent …; NULL: nobody, or not known */
	unsigned int n_by;
	bool by_manager;
	enum certainty certainty; /* that it was this one */
};

#define KEEPALIVES_MAX 8

/* One that was told; up to ten a second are. */
struct keepalive {
	uint64_t at_ns;	   /* CLOCK_MONOTONIC */
	uint32_t left_out; /* others before it that were not told */
	bool start;	   /* nothing was sent: the service had just started */
};

struct watchdog_facts {
	uint64_t interval_ns; /* 0: not known */
	uint64_t unit_ns;     /* WatchdogSec= when the service started; 0: not known */
	bool by_message;      /* the service set the interval, by WATCHDOG_USEC= */
	struct keepalive keepalive[KEEPALIVES_MAX]; /* the latest, oldest first */
	unsigned int n_keepalives;
	uint64_t n_earlier; /* keepalives that were seen before these */
};

struct verdict_watchdog {
	bool fired;
	bool history; /* keepalives are seen as they come */
	uint64_t fired_ns;
	struct watchdog_facts facts;
	struct thread_look *look; /* at the main process; NULL: none */
};

/* What made the manager load its PID file. */
enum pidfile_when {
	PIDFILE_AT_START,     /* what starts the service is done */
	PIDFILE_AT_CHANGE,    /* something changed on the way to the file, which is waited for */
	PIDFILE_AT_RELOAD,    /* what reloads it is done */
	PIDFILE_AT_WRITE,     /* no load: somebody has just written it, or put it in its place */
	PIDFILE_AT_MAIN_EXIT, /* the main process ended: is there another one? */
	PIDFILE_AT_OTHER,     /* not known */
	PIDFILE_WHEN_MAX,
};

/* How the file came to be what it is, compared with the load before. */
enum pidfile_written {
	PIDFILE_WRITTEN_UNKNOWN,
	PIDFILE_UNCHANGED,
	PIDFILE_IN_PLACE, /* the same file, written to: a reader may see half of it */
	PIDFILE_REPLACED, /* another file under that name: renamed over it, or made anew */
};

/* Signs that somebody was still writing it. */
enum pidfile_half {
	PIDFILE_HALF_NOT,
	PIDFILE_HALF_EMPTY,  /* nothing was written yet */
	PIDFILE_HALF_NO_END, /* the line did not end yet, and the PID was no good */
	PIDFILE_HALF_PREFIX, /* likewise, and a process of the service has a PID that begins so */
	PIDFILE_HALF_WHEN_READ, /* systemd could not read a PID where a moment later one was */
};

enum { PIDFILE_BEGAN, PIDFILE_LOOKED, PIDFILE_RETURNED, PIDFILE_PROOFS };

/*
 * The manager loads its PID file. What it made of it (ret) was seen; what lies there was looked at
 * a moment later (looked). Strings are as foreign as they came; NULL: not known, or none.
 */
struct pidfile_load {
	uint64_t mono_ns, wall_ns;
	uint32_t times; /* one after the other, all alike: the last of them */
	enum pidfile_when when;
	bool stopping; /* the service was told to end: the file does not matter any more */
	char *state;
	char *path;
	int32_t main_before, main_after; /* in the manager's namespace; 0: none, -1: not known */
	bool returned;
	int32_t ret; /* 1: a new main process, 0: the one that it was, -errno: none */
	bool looked, found, whole;
	int64_t looked_after_ns; /* below 0: it was gone by then, and this is how it was before */
	char *line;
	int32_t pid, half_of;
	int32_t gone_pid; /* there is no file, but one that named this other process; 0: was not
			     seen */
	char *outcome, *rule, *why, *mend; /* what systemd's rules say of what was found */
	int32_t error;
	bool agrees; /* … which is what systemd did */
	uint64_t dev, ino, mtime_ns, size;
	uint32_t owner;
	enum pidfile_written written;
	enum pidfile_half half;
	/* the unsafe step; NULL: none */
	char *from, *from_kind, *step, *step_kind, *step_target;
	uint32_t from_uid, step_uid;
	char *comm, *cgroup;		    /* of the process that it names */
	struct proof proof[PIDFILE_PROOFS]; /* the load, the look, the result; seq 0: not seen */
};

#define PIDFILE_LOADS_MAX 8

/* Since the unit's start. The first is kept, then the last ones. */
struct pidfile_history {
	struct pidfile_load load[PIDFILE_LOADS_MAX];
	unsigned int n, n_left_out;
};

/* Stable names: "main-exit", "in-place", "no-end"; NULL where there is nothing to say. */
const char *pidfile_when_name(enum pidfile_when when);
const char *pidfile_written_name(enum pidfile_written written);
const char *pidfile_half_name(enum pidfile_half half);
/*
 * The load that found, or ought to have found, another main process when the one before it ended
 * while the service was up; NULL: there was none.
 */
const struct pidfile_load *pidfile_hand_over(const struct pidfile_history *h);

struct verdict {
	/* when: the first deciding event, and the final state */
	uint64_t begin_mono_ns, begin_wall_ns, end_mono_ns, end_wall_ns;
	/* what */
	char *unit;
	uint32_t manager;  /* its pid, initial namespace */
	bool manager_user; /* a systemd --user */
	uint32_t manager_uid;
	int32_t main_pid; /* before the stop, in the manager's namespace; 0: none; -1: not known */
	uint32_t main_tgid;	  /* the same in the initial namespace; 0: not known */
	char *main_cmdline;	  /* NULL: not known */
	int32_t control_pid;	  /* likewise at the first deciding event */
	char *old_state;	  /* before: "running"; NULL: not known */
	char *sub_state;	  /* after: "dead", "failed", "auto-restart" */
	const char *active_state; /* derived from sub_state: inactive, failed, activating … */
	char *result;		  /* systemd's word at the end; NULL: not known */
	/* why */
	enum cause cause;
	enum certainty certainty;
	const char *via[VERDICT_VIA_MAX]; /* systemd's functions, outermost first */
	unsigned int n_via;
	/* how it came about, in one line: "SIGKILL → main process 1290 died → …" */
	char *path;
	bool have_exit;	     /* the main process's end was seen */
	int32_t exit_code;   /* exit status if it exited */
	int32_t exit_signal; /* signal if it was killed, else 0 */
	bool core_dumped;
	const char *exit_name; /* "EXEC": what systemd's own exit codes mean; NULL: it is not one */
	struct failed_command *failed;
	unsigned int n_failed;
	struct escalation *escalations;
	unsigned int n_escalations;
	/* who */
	bool have_actor;
	bool actor_kernel;  /* the kernel itself raised it */
	bool actor_manager; /* the manager itself sent it */
	enum certainty actor_certainty;
	struct actor *chain; /* [0] is the actor, then its parent … towards PID 1 */
	unsigned int n_chain;
	int32_t signal;			 /* the signal that the actor sent; 0: none */
	int32_t signal_syscall;		 /* by which system call; WIRE_NONE, -1 as in ev_signal */
	const char *signal_syscall_name; /* "pidfd_send_signal"; NULL: none that sends signals */
	/* the job that did it */
	uint32_t job_id;		      /* 0: none */
	char *job_type;			      /* "stop", "restart" … */
	struct link links[VERDICT_LINKS_MAX]; /* from this unit to the one that it began with */
	unsigned int n_links;
	bool links_cut;	       /* there are more */
	enum root_reason root; /* what it began with */
	char *root_unit;       /* the timer, path … that did; NULL: none, or not known */
	bool have_request;
	struct verdict_request request;
	/* the manager's call chain at its first decision; n 0: none was sampled */
	struct ev_stack stack;
	const struct pidfile_history *pidfiles; /* NULL: no load was seen */
	/* then */
	bool restarts; /* systemd restarts it by itself (Restart=) */
	struct verdict_restart restart;
	bool incomplete; /* its end was not seen: sub_state is the last one that was */
	/* what it was doing */
	struct verdict_watchdog watchdog;
	struct thread_look
		*left; /* who is, as the stop times out or is slow; NULL: nobody looked */
	struct left_cgroup gone[LEAVERS_MAX]; /* who left the cgroup last, if it became empty */
	unsigned int n_gone;
	uint64_t n_gone_earlier; /* others before them, that were seen */
	/* how sure */
	struct proof proof[VERDICT_PROOF_MAX];
	unsigned int n_proof;
	unsigned int n_proof_left_out;	/* there were more than fit */
	uint64_t lost;			/* events lost in the verdict's window */
	char *notes[VERDICT_NOTES_MAX]; /* what a reader must know besides */
	unsigned int n_notes;
	/* what its processes hung on when it ended, and its stop with them; NULL: nothing */
	struct hang_verdict *hang;
};

/* A stop that lasts longer than was asked for; told while it does. */
struct slow_notice {
	const struct verdict *v; /* as far as it is known */
	const struct thread_look *look;
	uint64_t mono_ns, wall_ns; /* now */
};

/* As verdict_sink. */
typedef int (*slow_sink)(void *ctx, const struct slow_notice *s);

#define HANG_WAITERS_MAX 8
#define HANG_INNER_MAX	 8
#define HANG_HOLDERS_MAX 8
#define HANG_SERVERS_MAX (HANG_HOLDERS_MAX + 1)
#define HANG_PROOF_MAX	 32

/* A task that a hang holds. */
struct hang_task {
	struct actor a;
	uint32_t tid;	/* initial pid namespace */
	uint32_t pidns; /* inode of its own */
	struct hang_ids ids;
	bool exiting;	  /* no signal wakes it any more */
	const char *text; /* what it does, in a few words */
	char *stack;	  /* as in struct look_thread, if somebody looked; else NULL */
};

/* A process that serves, or served, a FUSE connection. */
struct hang_server {
	struct actor a;
	uint32_t pidns; /* inode of the namespace that it lives or lived in; 0: not known */
	bool mounted;	/* it answered the mount; else it was seen with /dev/fuse open */
	uint64_t end_mono_ns, end_wall_ns; /* a.exited: when; 0: not known */
	char *death; /* and by what: "SIGKILL from bash 812", ready for a terminal; NULL: not known
		      */
};

/*
 * A pid namespace that does not end, or a task that cannot exit; told while it lasts, again when
 * what holds it turns out to be worse, and when it ends. begin_mono_ns and the init or waiter tell
 * that it is the same.
 */
struct hang_verdict {
	enum stuck_kind kind; /* of FUSE, of those of struct look_hold, or STUCK_PIDNS */
	bool ended;
	uint64_t begin_mono_ns, begin_wall_ns, mono_ns, wall_ns; /* since when; as of now */
	uint32_t pidns;	       /* inode; 0: no namespace is torn down, a task alone hangs */
	struct hang_task init; /* of the namespace; a.tgid 0: none */
	struct hang_task inner[HANG_INNER_MAX]; /* inits of namespaces in it that end, too */
	unsigned int n_inner;
	uint32_t left; /* processes of the namespace that are not dead yet, its init aside */
	struct hang_task waiters[HANG_WAITERS_MAX];
	unsigned int n_waiters, n_waiters_left_out;
	bool have_connection;
	uint32_t connection; /* N of /sys/fs/fuse/connections/N */
	bool servers_known;  /* servers are all who may answer, dead or alive */
	struct hang_server servers[HANG_SERVERS_MAX];
	unsigned int n_servers;
	uint32_t kills_lost; /* SIGKILLs that woke nobody */
	/* sentences; foreign bytes in them are not escaped. NULL: nothing to say */
	char *root, *why, *next, *consequence;
	bool lost; /* events were lost meanwhile */
	struct proof proof[HANG_PROOF_MAX];
	unsigned int n_proof;
};

/* As verdict_sink. */
typedef int (*hang_sink)(void *ctx, const struct hang_verdict *h);

/*
 * path, notes and proof texts are ready for a terminal: names in them are escaped. The verdict is
 * the engine's and valid until the sink returns. Negative errno ends the run.
 */
typedef int (*verdict_sink)(void *ctx, const struct verdict *v);

struct engine;

int engine_new(verdict_sink sink, void *ctx, struct engine **ret);
void engine_freep(struct engine **g);

/* From now on hangs are told that last for after_ns. Who does not ask is not told. */
void engine_tell_hangs(struct engine *g, hang_sink sink, void *ctx, uint64_t after_ns);

/* From now on slow stops are told of that capture looked at. */
void engine_tell_slow(struct engine *g, slow_sink sink, void *ctx);

/* An ev_sink. Returns 0, what the verdict sink returned, or -ENOMEM. */
int engine_feed(void *engine, const struct ev *e);

/* The stream ended: says what can be said of stops that are still under way, then no more. */
int engine_flush(struct engine *g);

struct engine_stats {
	uint64_t events, verdicts;
	uint64_t processes, units, cgroups; /* remembered now */
	uint64_t stops;			    /* under way now */
};
void engine_stats(const struct engine *g, struct engine_stats *ret);

#endif
