/* SPDX-License-Identifier: (LGPL-2.1-or-later OR BSD-2-Clause) */
/* What the BPF programs must be told, and what they count: shared with src/capture. */
#ifndef SVCTRACE_LAYOUT_H
#define SVCTRACE_LAYOUT_H

#define LAYOUT_MISSING 0xffffffffu

/* Of the fields of struct wire_service_facts, as below. */
struct facts_layout {
	__u32 restart_usec;
	__u32 restart_max_delay_usec;
	__u32 timeout_start_usec;
	__u32 timeout_stop_usec;
	__u32 timeout_abort_usec;
	__u32 runtime_max_usec;
	__u32 watchdog_timestamp_usec;
	__u32 watchdog_usec;
	__u32 watchdog_original_usec;
	__u32 watchdog_override_usec;
	__u32 watchdog_override_enable;
	__u32 timeout_abort_set;
	__u32 restart;
	__u32 restart_mode;
	__u32 restart_steps;
	__u32 n_restarts;
	__u32 type;
	__u32 oom_policy;
	__u32 limit; /* RateLimit: uint64_t interval, unsigned burst, unsigned num, uint64_t begin
		      */
	__u32 start_limit_action;
	__u32 failure_action;
	__u32 success_action;
	__u32 main_code;
	__u32 main_status;
	__u32 flags; /* a byte */
	__u32 prevent, force, success;
	__u32 set_signal; /* in such a set, the bitmap of signals; that of statuses is at 0 */
};

/*
 * Where one manager's build keeps the fields that handlers read (bytes into Unit, Service or Job);
 * LAYOUT_MISSING where the resolver found none.
 */
struct manager_layout {
	__u32 unit_id;	/* Unit: char *id */
	__u32 unit_job; /* Unit: Job *job */
	__u32 job_id;	/* Job: uint32_t id */
	__u32 job_type; /* Job: JobType type */
	__u32 main_pid; /* Service: pid_t */
	__u32 control_pid;
	__u32 pid_file;	      /* Service: char *pid_file */
	__u32 result;	      /* Service: ServiceResult */
	__u32 state;	      /* Service: ServiceState */
	__u32 job_unit;	      /* Job: Unit *unit */
	__u32 message_bus;    /* sd_bus_message: sd_bus *bus */
	__u32 message_header; /* sd_bus_message: the header as it was sent */
	__u32 message_sender; /* sd_bus_message: const char *, as all below */
	__u32 message_path;
	__u32 message_member;
	__u32 bus_fd;	    /* sd_bus: int */
	__u32 scope_result; /* Scope: ScopeResult */
	__u32 scope_state;  /* Scope: ScopeState */
	__u32 scope_timeout_stop_usec;
	struct facts_layout facts;
};

/* Numbers of the system calls that send, on this machine. */
struct send_calls {
	__u32 write, writev, sendto, sendmsg;
};

/* Per CPU and kind of record: exact, so that sent = received + lost holds. */
struct kind_count {
	__u64 sent;
	__u64 lost;
};

#define KEY_HINTS 65536 /* a power of two */

struct key_hints {
	__u8 may[KEY_HINTS];
};

#define KIND_COUNT_MAX 64 /* kinds made by BPF programs are smaller */

#endif
