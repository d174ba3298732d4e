/* SPDX-License-Identifier: (LGPL-2.1-or-later OR BSD-2-Clause) */
/*
 * The records that BPF programs and the capture layer send, and that a recording keeps.
 *
 * One stream, one direction: every record starts with struct wire_hdr, carries fixed-width fields
 * in host byte order, and ends with a tail of bytes that struct wire_str slices point into.
 * Kinds are numbered and append-only; fields are only ever added behind the existing ones. A reader
 * skips (and counts) kinds that it does not know and checks every length before use: what comes
 * from a ring buffer or a file is trusted no further than its bytes reach.
 *
 * Units: mono_ns is CLOCK_MONOTONIC in ns, start_ns is CLOCK_BOOTTIME in ns, pid numbers are those
 * of the initial pid namespace unless a field says ns_.
 *
 * This header is shared with BPF programs, which include vmlinux.h before it.
 */
#ifndef SVCTRACE_WIRE_H
#define SVCTRACE_WIRE_H

#ifndef __bpf__
#include <linux/types.h>
#endif

/* Kinds 1..99 come from BPF programs, 100.. from the capture layer in user space. */
enum wire_kind {
	/* The manager's own decisions (uprobes): struct wire_service unless noted. */
	WIRE_SERVICE_ENTER_STOP = 1,   /* arg: result */
	WIRE_SERVICE_ENTER_SIGNAL = 2, /* arg: state, result */
	WIRE_SERVICE_ENTER_DEAD = 3,   /* arg: result, allow_restart */
	WIRE_SERVICE_SET_STATE = 4,    /* arg: new state */
	WIRE_SERVICE_STOP = 5,	       /* a job runs the unit's stop() */
	WIRE_SERVICE_SIGCHLD = 6,      /* arg: pid, si_code (CLD_*), si_status */
	WIRE_SERVICE_CGROUP_EMPTY = 7, /* service_notify_cgroup_empty_event */
	WIRE_MANAGER_CGROUP_EMPTY =
		8, /* struct wire_path: manager_notify_cgroup_empty, cgroup v1 */
	WIRE_SERVICE_PIDFILE_LOAD = 9,	  /* arg: may_warn; path is the PID file's */
	WIRE_SERVICE_PIDFILE_RESULT = 10, /* arg: return value (1 new main PID, 0 same, -errno) */
	WIRE_SERVICE_TIMER = 11,	  /* service_dispatch_timer: its source's userdata */
	WIRE_SERVICE_WATCHDOG = 12,	  /* service_dispatch_watchdog, service_force_watchdog */
	WIRE_SERVICE_OOM = 13,		  /* service_notify_cgroup_oom_event */
	WIRE_BUS_QUEUE_JOB = 14,	  /* a bus client asks; arg: job type, job mode */
	WIRE_MANAGER_CGROUP_EVENT = 15,	  /* struct wire_path, empty: on_cgroup_inotify_event, v2 */
	WIRE_MANAGER_ADD_JOB = 16,	  /* manager_add_job: a transaction; arg: job type, mode */
	WIRE_TRANSACTION_JOB = 17, /* struct wire_job: transaction_add_job_and_dependencies */
	WIRE_BUS_MESSAGE = 18,	   /* struct wire_message: what the next BUS_* event was asked by */
	WIRE_BUS_KILL = 19,	   /* bus_unit_method_kill */
	WIRE_STACK_SAMPLE = 20,	   /* struct wire_stack_sample: of the next event of that thread */
	WIRE_UNIT_TRIGGERS = 21,   /* a timer, path, socket … starts another unit */
	WIRE_CGROUP_FROZEN = 22,   /* struct wire_path, value: frozen (1) or thawed (0) */
	WIRE_WATCHDOG_USE = 23,	 /* struct wire_watchdog_use: of a hardware watchdog, by anybody */
	WIRE_SERVICE_FACTS = 24, /* struct wire_service_facts: of what that thread does next */
	WIRE_EMERGENCY_ACTION = 25,  /* struct wire_action: FailureAction= and its like */
	WIRE_SERVICE_KEEPALIVE = 26, /* struct wire_keepalive: service_start_watchdog */
	WIRE_USER_STACK = 27, /* struct wire_user_stack: of the thread before it; by capture */

	/* The kernel's. */
	WIRE_FORK = 30,		    /* struct wire_fork */
	WIRE_EXEC = 31,		    /* struct wire_exec */
	WIRE_EXIT = 32,		    /* struct wire_exit: the last thread of a process */
	WIRE_SIGNAL = 33,	    /* struct wire_signal */
	WIRE_OOM_VICTIM = 34,	    /* struct wire_exit, code 0 */
	WIRE_CGROUP_MKDIR = 35,	    /* struct wire_path */
	WIRE_CGROUP_RMDIR = 36,	    /* struct wire_path */
	WIRE_CGROUP_ATTACH = 37,    /* struct wire_attach */
	WIRE_CGROUP_POPULATED = 38, /* struct wire_path, value: populated (1) or empty (0) */
	WIRE_PIDNS_ZAP_ENTER = 39,  /* struct wire_pidns */
	WIRE_PIDNS_ZAP_EXIT = 40,   /* struct wire_pidns */
	WIRE_FUSE_FLUSH_ENTER = 41, /* struct wire_fuse */
	WIRE_FUSE_FLUSH_EXIT = 42,  /* struct wire_fuse, ret set */
	WIRE_MODULE_LOAD = 43,	    /* struct wire_path: a kernel module's name */
	WIRE_CLIENT_SEND = 44,	    /* struct wire_client_send: to a manager or to a bus */
	WIRE_BUS_NAME = 45,	    /* struct wire_bus_name: a bus says who a client is */

	WIRE_FUSE_SERVE = 50, /* struct wire_fuse: who answers the mount of a connection */
	WIRE_PID_LEVELS = 51, /* struct wire_pid_levels: of the last event of that thread */
	WIRE_SCOPE = 52,      /* struct wire_scope: what a manager does with a scope (uprobes) */

	/* The capture layer's. */
	WIRE_START = 100,      /* struct wire_text: NUL-separated KEY=VALUE facts about the host */
	WIRE_CLOCK = 101,      /* struct wire_clock: at start and whenever the wall clock was set */
	WIRE_MANAGER = 102,    /* struct wire_manager */
	WIRE_ENUM = 103,       /* struct wire_enum */
	WIRE_SYMBOL = 104,     /* struct wire_symbol */
	WIRE_PROBE = 105,      /* struct wire_probe: what is attached, and how */
	WIRE_PROC = 106,       /* struct wire_proc: what /proc said of a process */
	WIRE_LOST = 107,       /* struct wire_lost */
	WIRE_IDLE = 108,       /* struct wire_hdr alone: nothing came for a while; time goes on */
	WIRE_END = 109,	       /* struct wire_hdr alone: the capture ended here, in good order */
	WIRE_CGROUP = 110,     /* struct wire_path: a cgroup that existed when capture began */
	WIRE_OFFSET = 111,     /* struct wire_symbol: where a field lies in its struct: vaddr */
	WIRE_STACK = 112,      /* struct wire_stack: the call chain of that thread's next event */
	WIRE_DEPENDENCY = 113, /* struct wire_dependency: why one unit's job pulled in another's */
	WIRE_FUSE_HOLDERS = 114,      /* struct wire_fuse_holders: who may answer on a connection */
	WIRE_THREAD = 115,	      /* struct wire_thread: part of the look that follows */
	WIRE_LOOK = 116,	      /* struct wire_look: at what a unit's threads were doing */
	WIRE_WATCHDOG_DEVICE = 117,   /* struct wire_watchdog_device: a hardware watchdog */
	WIRE_WATCHDOG_SETTINGS = 119, /* struct wire_watchdog_settings: systemd's own, of one */
	WIRE_PIDFILE = 120, /* struct wire_pidfile: the PID file that a manager loads just now */
	WIRE_GONE = 123,    /* struct wire_gone: a unit that another one is bound to has ended */
};

/* wire_hdr.flags */
#define WIRE_F_TRUNCATED   (1u << 0) /* a string was longer than its room */

#define WIRE_ID_MAX	   256 /* unit names: systemd's UNIT_NAME_MAX, with NUL */
#define WIRE_PATH_MAX	   512 /* paths in kernel-made records */
#define WIRE_CMDLINE_MAX   512 /* command lines in kernel-made records */
#define WIRE_ANCESTORS_MAX 10
#define WIRE_COMM_LEN	   16
#define WIRE_TTY_LEN	   16
#define WIRE_RECORD_MAX	   32768 /* no record is longer */

#define WIRE_NONE	   (-2147483647 - 1) /* "could not be read" in signed fields */
#define WIRE_USEC_NONE	   (~0ull - 1) /* likewise in times of systemd, whose ~0 is "infinity" */

struct wire_hdr {
	__u16 size; /* of the whole record, tail included */
	__u16 kind; /* enum wire_kind */
	__u32 flags;
	__u64 mono_ns;
	__u32 tgid; /* the task in whose context it happened */
	__u32 tid;
};

/* A slice of the record's own bytes, counted from its start. No NUL at its end is promised. */
struct wire_str {
	__u16 off;
	__u16 len;
};

/* Who a process is. (tgid, start_ns) never repeats within one boot. */
struct wire_task {
	__u32 tgid;
	__u32 tid;
	__u32 ns_tgid;	/* its number in its own pid namespace … */
	__u32 pidns;	/* … whose inode this is */
	__u64 start_ns; /* CLOCK_BOOTTIME, of the thread group's leader */
	__u64 cgroup;	/* id in the hierarchy that the manager uses */
	__u32 uid;
	__u32 ppid;
	char comm[WIRE_COMM_LEN];
};

struct wire_service {
	struct wire_hdr h;
	__u64 unit;	/* the Unit's address: tells two units of one manager apart, nothing else */
	__s32 main_pid; /* in the manager's pid namespace; 0: none */
	__s32 control_pid; /* likewise */
	__s32 result;	   /* Service.result; enum numbers of this very build */
	__s32 state;	   /* Service.state before this call */
	__s32 arg[3];	   /* see enum wire_kind */
	__s32 job_type;	   /* of Unit.job; WIRE_NONE: no job */
	__u32 job_id;
	struct wire_str id;   /* Unit.id */
	struct wire_str path; /* PID file path, where the kind has one */
	__u32 pad;
};

/* The function that a WIRE_SCOPE record is of. What its arg holds stands behind it. */
enum wire_scope_call {
	WIRE_SCOPE_NONE = 0,
	WIRE_SCOPE_SET_STATE = 1,    /* new state */
	WIRE_SCOPE_ENTER_SIGNAL = 2, /* state, result */
	WIRE_SCOPE_ENTER_DEAD = 3,   /* result */
	WIRE_SCOPE_STOP = 4,	     /* a job runs the unit's stop() */
	WIRE_SCOPE_CGROUP_EMPTY = 5, /* scope_notify_cgroup_empty_event */
	WIRE_SCOPE_OOM = 6,	     /* scope_notify_cgroup_oom_event */
	WIRE_SCOPE_TIMER = 7,	     /* scope_dispatch_timer */
};

/* Processes that others started, as a unit: containers, sessions. It has no process of its own. */
struct wire_scope {
	struct wire_hdr h;
	__u64 unit;		 /* address */
	__u64 timeout_stop_usec; /* WIRE_USEC_NONE: could not be read */
	__u32 call;		 /* enum wire_scope_call */
	__s32 result;		 /* Scope.result; enum numbers of this very build */
	__s32 state;		 /* Scope.state before this call */
	__s32 arg[2];		 /* see enum wire_scope_call */
	__s32 job_type;		 /* of Unit.job; WIRE_NONE: no job */
	__u32 job_id;
	struct wire_str id;
};

#define WIRE_EXIT_STATUSES 256
#define WIRE_EXIT_SIGNALS  128

/* What SuccessExitStatus= and its like name; bit n stands for n. */
struct wire_exit_set {
	__u64 status[WIRE_EXIT_STATUSES / 64];
	__u64 signal[WIRE_EXIT_SIGNALS / 64];
	__u32 known; /* 0: could not be read */
	__u32 pad;
};

/* wire_service_facts.flags: bits of the manager's own */
#define WIRE_FACT_FORBID_RESTART (1 << 3) /* a stop was asked for */

/*
 * What a service is configured to, and where it stands: read when the manager decides about it,
 * just ahead of SERVICE_ENTER_STOP, SERVICE_ENTER_SIGNAL, SERVICE_ENTER_DEAD and SERVICE_WATCHDOG.
 * Enum numbers are those of this very build, times are microseconds; a field that a build lacks is
 * WIRE_NONE, WIRE_USEC_NONE.
 */
struct wire_service_facts {
	struct wire_hdr h;
	__u64 unit; /* address */
	__u64 restart_usec;
	__u64 restart_max_delay_usec;
	__u64 timeout_start_usec;
	__u64 timeout_stop_usec;
	__u64 timeout_abort_usec; /* counts if timeout_abort_set, else timeout_stop_usec does */
	__u64 runtime_max_usec;
	__u64 watchdog_timestamp_usec; /* the last keepalive, CLOCK_MONOTONIC; 0: none yet */
	__u64 watchdog_usec;	       /* of the unit */
	__u64 watchdog_original_usec;  /* of the unit when it was started */
	__u64 watchdog_override_usec;  /* WATCHDOG_USEC= of a message; counts if … */
	__u64 limit_interval_usec;
	__u64 limit_begin_usec;		/* CLOCK_MONOTONIC; 0: no start was counted yet */
	__s32 watchdog_override_enable; /* … this is 1 */
	__s32 timeout_abort_set;
	__s32 restart;	    /* ServiceRestart */
	__s32 restart_mode; /* ServiceRestartMode */
	__s32 restart_steps;
	__s32 n_restarts; /* since the last start that was no automatic one */
	__s32 type;	  /* ServiceType */
	__s32 oom_policy; /* OOMPolicy */
	__s32 limit_burst;
	__s32 limit_num;	  /* starts counted since limit_begin_usec */
	__s32 start_limit_action; /* EmergencyAction, as the next two */
	__s32 failure_action;
	__s32 success_action;
	__s32 main_code; /* CLD_* of the main process's last end; 0: none */
	__s32 main_status;
	__s32 flags;				      /* WIRE_FACT_* */
	struct wire_exit_set prevent, force, success; /* Restart…ExitStatus=, SuccessExitStatus= */
	struct wire_str id;
	__u32 pad;
};

/* The manager goes down because of a unit. */
struct wire_action {
	struct wire_hdr h;
	__s32 action; /* EmergencyAction */
	__u32 pad;
};

/*
 * The watchdog's time runs anew: the service sent a keepalive, changed the interval, or has just
 * started. One for each, but not more than ten a second.
 */
struct wire_keepalive {
	struct wire_hdr h;
	__u64 unit;	    /* address */
	__u64 at_usec;	    /* Service.watchdog_timestamp, CLOCK_MONOTONIC */
	__u64 unit_usec;    /* WatchdogSec= as the unit has it now … */
	__u64 started_usec; /* … and as it had it when the service started */
	__u64 message_usec; /* as a WATCHDOG_USEC= message set it … */
	__s32 by_message;   /* … if one did; WIRE_NONE: not known */
	__s32 main_pid;	    /* in the manager's pid namespace */
	__s32 state;
	__u32 left_out; /* keepalives since the last one told, this one aside */
	struct wire_str id;
	__u32 pad;
};

/* One job that a transaction wants, and the job that wants it. */
struct wire_job {
	struct wire_hdr h;
	__u64 unit; /* address */
	__u64 by;   /* address of the unit whose job pulls it in; 0: the transaction's anchor */
	__s32 type;
	__s32 by_type;
	/* The 5th and 6th argument: (matters, conflicts), or since 254 (flags, a pointer). */
	__u64 arg[2];
	__u32 pending; /* id of the job that the unit has already; 0: none */
	__u32 pad;
	struct wire_str id;
	struct wire_str by_id;
};

/* A method call that the manager handles. */
struct wire_message {
	struct wire_hdr h;
	__u32 serial;
	/*
	 * What the kernel noted of the manager's socket: on its private socket the process that
	 * connected, on a bus the process that listens. 0: not known.
	 */
	__u32 peer;
	struct wire_str sender; /* unique name; empty on a private socket */
	struct wire_str path;
	struct wire_str member;
	__u32 pad;
};

#define WIRE_REGS_MAX  33
#define WIRE_STACK_MAX 16384 /* bytes of a sample */

/* The registers and the live part of a thread's stack. */
struct wire_stack_sample {
	struct wire_hdr h;
	__u64 sp;		   /* address of the first byte */
	__u64 regs[WIRE_REGS_MAX]; /* by DWARF number; the program counter behind them */
	__u32 n_regs;
	__u32 wanted; /* bytes from sp to the stack's begin: more than are here if it was cut */
	struct wire_str bytes;
	__u32 pad;
};

struct wire_path {
	struct wire_hdr h;
	__u64 id;     /* cgroup id, 0 where there is none */
	__u64 parent; /* id of the parent cgroup, 0 if unknown */
	__s32 value;
	struct wire_str path;
};

struct wire_fork {
	struct wire_hdr h; /* the parent */
	struct wire_task child;
};

struct wire_exec {
	struct wire_hdr h;
	struct wire_task task;
	struct wire_str exe;
	struct wire_str cmdline; /* arguments, each ended by NUL */
};

struct wire_exit {
	struct wire_hdr h;
	struct wire_task task;
	__s32 code; /* wait(2) status: exit status << 8, or signal | 0x80 if core dumped */
	__u32 pad;
};

struct wire_ancestor {
	__u64 start_ns;
	__u32 tgid;
	__u32 pad;
	char comm[WIRE_COMM_LEN];
};

/* wire_signal.target_flags */
#define WIRE_TARGET_EXITING	 (1u << 0) /* PF_EXITING: the signal wakes nobody */
#define WIRE_TARGET_GROUP	 (1u << 1) /* sent to the process, not to one thread */
#define WIRE_TARGET_MANAGER_SENT (1u << 2) /* the sender is a traced manager */

struct wire_signal {
	struct wire_hdr h; /* the context: the sender, unless the kernel raised it */
	__s32 sig;
	__s32 code;    /* si_code; WIRE_NONE: not known (a SIGKILL may come without) */
	__s32 syscall; /* number of the system call that the sender was in; -1: none; WIRE_NONE */
	__u32 target_flags;
	struct wire_task sender;
	struct wire_task target;
	__u32 loginuid; /* of the sender; (u32)-1: none */
	__u32 session;	/* audit session of the sender; (u32)-1: none */
	char tty[WIRE_TTY_LEN];
	__u32 n_ancestors;
	__u32 pad;
	struct wire_ancestor
		ancestors[WIRE_ANCESTORS_MAX]; /* parent first, PID 1 last if it fits */
	struct wire_str cmdline;	       /* of the sender */
	__u32 pad2;
};

enum wire_endpoint {
	WIRE_ENDPOINT_PRIVATE = 1, /* the manager's own socket: /run/systemd/private */
	WIRE_ENDPOINT_BUS = 2,	   /* a D-Bus broker's */
	WIRE_ENDPOINT_VARLINK = 3, /* /run/systemd/io.systemd.* */
};

#define WIRE_MESSAGE_MAX 1024 /* bytes of what a client sent */

struct wire_client_send {
	struct wire_hdr h; /* the client */
	struct wire_task task;
	__u32 loginuid; /* (u32)-1: none */
	__u32 session;	/* likewise */
	char tty[WIRE_TTY_LEN];
	__u32 n_ancestors;
	__u32 endpoint;					    /* enum wire_endpoint */
	struct wire_ancestor ancestors[WIRE_ANCESTORS_MAX]; /* as in wire_signal */
	__u32 listener; /* the process that listens there, as the kernel noted it; 0: not known */
	__u32 length;	/* of the whole send: more than bytes.len if it was cut */
	struct wire_str cmdline;
	struct wire_str socket; /* the path it is bound to */
	struct wire_str bytes;
	__u32 pad;
};

/* A bus answers a client's Hello: from now on that connection has this name. */
struct wire_bus_name {
	struct wire_hdr h; /* the broker */
	__u32 client;	   /* the process that connected, as the kernel noted it */
	__u32 listener;	   /* as in wire_client_send */
	struct wire_str name;
	struct wire_str socket;
};

struct wire_attach {
	struct wire_hdr h; /* the mover */
	struct wire_task task;
	__u64 cgroup; /* where to */
	struct wire_str path;
	__u32 threadgroup;
};

struct wire_pidns {
	struct wire_hdr h;
	struct wire_task init;
	__u32 pidns;
	__u32 pad;
};

struct wire_fuse {
	struct wire_hdr h;
	struct wire_task task;
	__u32 connection; /* minor of st_dev: N of /sys/fs/fuse/connections/N */
	__s32 ret;
	__u32 exiting; /* the flush happens while the task exits */
	__u32 pad;
};

#define WIRE_PID_LEVELS_MAX 8

/* What number a thread has in each pid namespace that it is in, the outermost first. */
struct wire_pid_levels {
	struct wire_hdr h;
	__u32 n; /* how many there are: more than WIRE_PID_LEVELS_MAX if they did not fit */
	__u32 pad;
	struct {
		__u32 pidns; /* inode */
		__u32 nr;
	} level[WIRE_PID_LEVELS_MAX];
};

#define WIRE_FUSE_HOLDERS_MAX 16

/* The processes that had a connection's /dev/fuse open when capture looked. */
struct wire_fuse_holders {
	struct wire_hdr h;
	__u32 connection;
	__s32 error;   /* 0: that is all of them; else -errno, and nobody can tell */
	__u32 n;       /* how many there are: more than WIRE_FUSE_HOLDERS_MAX if they did not fit */
	__u32 stopped; /* bit i: all threads of tgid[i] were stopped by a signal; once always 0 */
	__u32 tgid[WIRE_FUSE_HOLDERS_MAX];
};

#define WIRE_CPU_UNKNOWN (~0ull)

/* What one thread was doing when capture looked. */
struct wire_thread {
	struct wire_hdr h;
	struct wire_task task; /* comm is the thread's own */
	__u64 cpu_ns;	       /* so far */
	__u64 cpu_since_ns;    /* since the last keepalive, or WIRE_CPU_UNKNOWN */
	__u32 ns_tid;	       /* in its own pid namespace */
	__u32 state;	       /* the letter that /proc shows */
	__u32 flags;	       /* PF_* */
	struct wire_str stack; /* kernel functions, innermost first, each followed by '\n' */
};

/* Why capture looked. */
enum wire_look_reason {
	WIRE_LOOK_KEEPALIVE_DUE = 0, /* the watchdog fires soon */
	WIRE_LOOK_WATCHDOG = 1,	     /* it has fired */
	WIRE_LOOK_TIMEOUT_DUE = 2,   /* a stop times out soon */
	WIRE_LOOK_TIMEOUT = 3,	     /* it has */
	WIRE_LOOK_SLOW = 4,	     /* a stop takes longer than was asked for */
};

/* At the main process's threads, or all in the unit's cgroup; they come before it. */
struct wire_look {
	struct wire_hdr h; /* h.tgid: the manager */
	__u64 unit;	   /* address */
	__u64 at_ns;	   /* CLOCK_MONOTONIC */
	__u64 took_ns;
	__u32 reason; /* enum wire_look_reason */
	__s32 error;  /* 0, or -errno: nobody could look */
	__u32 n;      /* threads there were: more than came if there are many */
	struct wire_str id;
};

enum wire_watchdog_op {
	WIRE_WATCHDOG_OPEN = 0,	       /* which starts it */
	WIRE_WATCHDOG_PING = 1,	       /* not more than ten a second are told */
	WIRE_WATCHDOG_SET_TIMEOUT = 2, /* value: s, as it is now; pings it, too */
	WIRE_WATCHDOG_START = 3,
	WIRE_WATCHDOG_STOP = 4,
	WIRE_WATCHDOG_CLOSE = 5, /* which stops it if that was announced, and if it can be */
};

/* A process did something with the device of a hardware watchdog, and it worked. */
struct wire_watchdog_use {
	struct wire_hdr h;
	struct wire_task task;
	__u64 since_ns; /* CLOCK_MONOTONIC of the ping before this one, told or not; 0: none seen */
	__u32 device;	/* N of /dev/watchdogN */
	__u32 op;	/* enum wire_watchdog_op */
	__s32 value;	/* WIRE_NONE: none, or not known */
	__u32 left_out; /* pings since the last use told, that were not */
};

/* wire_watchdog_device.flags */
#define WIRE_WATCHDOG_OVERDUE (1u << 0) /* there was no ping for too long, nor is there one now */

/*
 * What the system says of a hardware watchdog: when capture begins, when somebody opens, closes or
 * sets it, and when a ping is overdue. Then what its holder's threads do comes before it.
 */
struct wire_watchdog_device {
	struct wire_hdr h;
	__u64 pinged_ns;	  /* OVERDUE: the last ping, CLOCK_MONOTONIC */
	__u32 device;		  /* N of /dev/watchdogN */
	__u32 flags;		  /* WIRE_WATCHDOG_OVERDUE */
	__u32 holder;		  /* the process that has it open; 0: none, or not known */
	__s32 timeout;		  /* s; WIRE_NONE: not known */
	__s32 running;		  /* 1, 0; WIRE_NONE: not known */
	__s32 nowayout;		  /* 1: nothing stops it any more; 0; WIRE_NONE: not known */
	__u32 threads;		  /* that the holder has, if they were looked at */
	struct wire_str identity; /* as its driver calls it: "Software Watchdog" */
	struct wire_str driver;	  /* empty: none, or not known */
	__u32 pad;
};

/*
 * How systemd itself is set to use that hardware watchdog, which it holds: as process 1 answers
 * when capture begins, and when it has opened or set one. Times are microseconds, ~0 is "infinity",
 * what it does not tell WIRE_USEC_NONE.
 */
struct wire_watchdog_settings {
	struct wire_hdr h;
	__u64 runtime_usec;   /* RuntimeWatchdogSec= */
	__u64 reboot_usec;    /* RebootWatchdogSec= */
	__u64 pinged_ns;      /* when it pinged last, CLOCK_MONOTONIC; 0: never, or not known */
	__u32 device;	      /* N of /dev/watchdogN */
	struct wire_str path; /* WatchdogDevice=; empty: the default, or not known */
};

struct wire_text {
	struct wire_hdr h;
	struct wire_str text;
	__u32 pad;
};

/* The same instant on three clocks, ns. */
struct wire_clock {
	struct wire_hdr h; /* h.mono_ns is the monotonic one */
	__u64 boot_ns;
	__u64 real_ns;
};

struct wire_manager {
	struct wire_hdr h; /* h.tgid is the manager */
	struct wire_task task;
	__u32 user;		  /* 1: systemd --user */
	struct wire_str object;	  /* the file that holds its core */
	struct wire_str build_id; /* hex */
	struct wire_str version;  /* as it names itself; shown, never compared */
};

struct wire_enum {
	struct wire_hdr h;	/* h.tgid: the manager whose numbers these are */
	struct wire_str name;	/* "ServiceState" */
	struct wire_str values; /* each ended by NUL, from 0 on */
};

struct wire_symbol {
	struct wire_hdr h; /* h.tgid: the manager */
	__u64 vaddr;
	__u64 file_offset;
	struct wire_str name;
	struct wire_str origin; /* dynsym, symtab, debugfile, minidebug, reference, vtable, user */
};

struct wire_probe {
	struct wire_hdr h;
	__s32 error; /* 0: live; else -errno */
	struct wire_str name;
	struct wire_str how;	/* uprobe, uretprobe, fentry, kprobe, tp_btf, tracepoint, none */
	struct wire_str reason; /* what is lost, or why it is not there */
};

struct wire_proc {
	struct wire_hdr h;     /* h.tgid: the process */
	struct wire_task task; /* start_ns is exact to one clock tick only */
	__u32 loginuid;
	__u32 session;
	struct wire_str exe;
	struct wire_str cmdline; /* arguments, each ended by NUL */
	struct wire_str cgroup;	 /* path in the manager's hierarchy */
	struct wire_str tty;
};

/* wire_frame.flags */
#define WIRE_FRAME_GUESS (1u << 0) /* nothing confirms the function's name */

struct wire_frame {
	__u64 address;	      /* in the object's file; of the call, not behind it */
	__u32 offset;	      /* from the function's begin */
	__u32 flags;	      /* WIRE_FRAME_* */
	struct wire_str name; /* empty: not known */
	struct wire_str object;
};

#define WIRE_FRAMES_MAX 64

/* wire_stack.end: why the walk ended */
enum wire_stack_end {
	WIRE_STACK_WHOLE = 0,	  /* at the outermost frame */
	WIRE_STACK_CUT = 1,	  /* the sample is too short */
	WIRE_STACK_NO_UNWIND = 2, /* no unwind data for an address */
	WIRE_STACK_TOO_DEEP = 3,
};

struct wire_stack {
	struct wire_hdr h; /* of the thread; at the time of its sample */
	__u32 end;	   /* enum wire_stack_end */
	__u32 pad;
	struct wire_str frames; /* an array of struct wire_frame, innermost first */
	__u32 pad2;
};

/* Why there is no user stack. */
enum wire_user_stack_error {
	WIRE_USER_STACK_TAKEN = 0,	  /* there is one */
	WIRE_USER_STACK_RUNS = 1,	  /* the thread had a CPU: its registers are there */
	WIRE_USER_STACK_RAN = 2,	  /* it got one while its stack was read */
	WIRE_USER_STACK_NO_REGISTERS = 3, /* not to be had: 32-bit code, or it ends */
	WIRE_USER_STACK_UNREADABLE = 4,	  /* its memory, or what it has mapped */
	WIRE_USER_STACK_NO_TIME = 5,
};

/* Where a thread was in user space, at the time of the look that it is part of. */
struct wire_user_stack {
	struct wire_hdr h; /* of the thread */
	__u32 error;	   /* enum wire_user_stack_error */
	__u32 end;	   /* as in struct wire_stack, as are the frames */
	struct wire_str frames;
	__u32 pad;
};

/* Asked of the manager when its transaction pulled in a job. */
struct wire_dependency {
	struct wire_hdr h; /* h.tgid: the manager */
	struct wire_str unit;
	struct wire_str by;   /* the unit whose job pulled it in */
	struct wire_str name; /* as in the unit file: "PartOf"; empty: not to be had */
	__u32 pad;
};

/*
 * Asked of the manager as it stops a unit for the end of another one that it is bound to: which of
 * those is not active any more.
 */
struct wire_gone {
	struct wire_hdr h; /* h.tgid: the manager */
	struct wire_str unit;
	struct wire_str bound_to; /* the other one, by BindsTo= */
	__u64 since_ns;		  /* CLOCK_MONOTONIC; 0: it never was active */
};

/* wire_pidfile.flags */
#define WIRE_PIDFILE_FOUND   (1u << 0) /* there is a file: dev to mode are its */
#define WIRE_PIDFILE_WHOLE   (1u << 1) /* the line is ended by more than the file's end */
#define WIRE_PIDFILE_CHANGED (1u << 2) /* no load: somebody has just changed it … */
#define WIRE_PIDFILE_RENAMED (1u << 3) /* … by putting another file, or link, in its place */

/*
 * What WIRE_SERVICE_PIDFILE_LOAD is about: the PID file, looked at by capture right after the
 * manager began to load it, and whenever it changes after that. The walk is systemd's own, followed
 * in the manager's root (svctrace/pidfile.h).
 */
struct wire_pidfile {
	struct wire_hdr h; /* h.tgid: the manager; h.mono_ns: that of the load, or of the change */
	__u64 unit;	   /* address, as in the load's record */
	__u64 looked_ns;   /* CLOCK_MONOTONIC: when it was looked at */
	__s32 failed;	   /* else 0: -errno, it was not looked at, and nothing below is known */
	__s32 error;	   /* the -errno that systemd gets by this; 0: none */
	__s32 pid;	   /* that the text names, in the manager's namespace; 0: none */
	__s32 half_of;	   /* a process of the service whose PID begins with that one; 0: none */
	__u64 dev, ino, mtime_ns, size;
	__u32 owner, mode;
	__u32 flags; /* WIRE_PIDFILE_* */
	/* The step from one owner to another that makes the file a questionable one. */
	__u32 from_uid, step_uid;
	struct wire_str id;
	struct wire_str path;
	struct wire_str line;		 /* as far as systemd reads it */
	struct wire_str outcome;	 /* pidfile_outcome_name() */
	struct wire_str rule;		 /* pidfile_rule_name() */
	struct wire_str why;		 /* a sentence, which does not quote the line */
	struct wire_str mend;		 /* a sentence; empty: nothing to mend */
	struct wire_str from, from_kind; /* empty: no step is unsafe */
	struct wire_str step, step_kind, step_target;
	struct wire_str comm, cgroup; /* of the process that it names */
	__u32 pad;
};

struct wire_lost {
	struct wire_hdr h;
	__u64 since_ns; /* nothing had been lost up to here */
	__u64 count;
	struct wire_str probe;
	__u32 pad;
};

#define WIRE_ASSERT_SIZE(t, n) _Static_assert(sizeof(struct t) == (n), #t " changed its size")
WIRE_ASSERT_SIZE(wire_hdr, 24);
WIRE_ASSERT_SIZE(wire_str, 4);
WIRE_ASSERT_SIZE(wire_task, 56);
WIRE_ASSERT_SIZE(wire_service, 80);
WIRE_ASSERT_SIZE(wire_scope, 72);
WIRE_ASSERT_SIZE(wire_exit_set, 56);
WIRE_ASSERT_SIZE(wire_service_facts, 368);
WIRE_ASSERT_SIZE(wire_action, 32);
WIRE_ASSERT_SIZE(wire_keepalive, 88);
WIRE_ASSERT_SIZE(wire_job, 80);
WIRE_ASSERT_SIZE(wire_message, 48);
WIRE_ASSERT_SIZE(wire_stack_sample, 312);
WIRE_ASSERT_SIZE(wire_path, 48);
WIRE_ASSERT_SIZE(wire_fork, 80);
WIRE_ASSERT_SIZE(wire_exec, 88);
WIRE_ASSERT_SIZE(wire_exit, 88);
WIRE_ASSERT_SIZE(wire_ancestor, 32);
WIRE_ASSERT_SIZE(wire_signal, 512);
WIRE_ASSERT_SIZE(wire_client_send, 456);
WIRE_ASSERT_SIZE(wire_bus_name, 40);
WIRE_ASSERT_SIZE(wire_attach, 96);
WIRE_ASSERT_SIZE(wire_pidns, 88);
WIRE_ASSERT_SIZE(wire_fuse, 96);
WIRE_ASSERT_SIZE(wire_pid_levels, 96);
WIRE_ASSERT_SIZE(wire_fuse_holders, 104);
WIRE_ASSERT_SIZE(wire_thread, 112);
WIRE_ASSERT_SIZE(wire_look, 64);
WIRE_ASSERT_SIZE(wire_watchdog_use, 104);
WIRE_ASSERT_SIZE(wire_watchdog_device, 72);
WIRE_ASSERT_SIZE(wire_watchdog_settings, 56);
WIRE_ASSERT_SIZE(wire_text, 32);
WIRE_ASSERT_SIZE(wire_clock, 40);
WIRE_ASSERT_SIZE(wire_manager, 96);
WIRE_ASSERT_SIZE(wire_enum, 32);
WIRE_ASSERT_SIZE(wire_symbol, 48);
WIRE_ASSERT_SIZE(wire_probe, 40);
WIRE_ASSERT_SIZE(wire_proc, 104);
WIRE_ASSERT_SIZE(wire_frame, 24);
WIRE_ASSERT_SIZE(wire_stack, 40);
WIRE_ASSERT_SIZE(wire_user_stack, 40);
WIRE_ASSERT_SIZE(wire_dependency, 40);
WIRE_ASSERT_SIZE(wire_gone, 40);
WIRE_ASSERT_SIZE(wire_pidfile, 168);
WIRE_ASSERT_SIZE(wire_lost, 48);

#endif
