/* SPDX-License-Identifier: (LGPL-2.1-or-later OR BSD-2-Clause) */
/* What the BPF programs must be told, and what they count: shared with src/capture. */
#ifndef SVCTRACE_LAYOUT_H
#define SVCTRACE_LAYOUT_H

#define LAYOUT_MISSING 0xffffffffu

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
	__u32 bus_fd; /* sd_bus: int */
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
