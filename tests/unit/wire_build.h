/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Makes wire records, as the capture layer would. */
#ifndef SVCTRACE_TEST_WIRE_BUILD_H
#define SVCTRACE_TEST_WIRE_BUILD_H

#include <stdint.h>
#include <string.h>
#include <linux/types.h>

#include "svctrace/wire.h"

struct wire_buf {
	_Alignas(8) unsigned char bytes[WIRE_RECORD_MAX];
};

#define wb_hdr(b)      ((struct wire_hdr *)(b)->bytes)
#define wb_as(b, type) ((struct type *)(b)->bytes)

static inline void wb_begin(struct wire_buf *b, enum wire_kind kind, size_t fixed, uint32_t tgid,
			    uint64_t mono_ns)
{
	memset(b->bytes, 0, fixed);
	*wb_hdr(b) = (struct wire_hdr){
		.size = (__u16)fixed,
		.kind = (__u16)kind,
		.mono_ns = mono_ns,
		.tgid = tgid,
		.tid = tgid,
	};
}

static inline void wb_bytes(struct wire_buf *b, struct wire_str *field, const void *s, size_t n)
{
	*field = (struct wire_str){.off = wb_hdr(b)->size, .len = (__u16)n};
	memcpy(b->bytes + field->off, s, n);
	wb_hdr(b)->size = (__u16)(field->off + n);
}

static inline void wb_str(struct wire_buf *b, struct wire_str *field, const char *s)
{
	if (s)
		wb_bytes(b, field, s, strlen(s));
}

struct wb_frame {
	const char *name, *object;
	uint64_t address;
	uint32_t offset, flags;
};

/* A WIRE_STACK; the innermost frame first. */
static inline void wb_stack(struct wire_buf *b, uint32_t tgid, uint64_t mono_ns, unsigned int end,
			    const struct wb_frame *frames, size_t n)
{
	struct wire_stack *w = wb_as(b, wire_stack);
	struct wire_frame *to = (void *)(w + 1);

	wb_begin(b, WIRE_STACK, sizeof(*w), tgid, mono_ns);
	w->end = end;
	w->frames = (struct wire_str){.off = sizeof(*w), .len = (__u16)(n * sizeof(*to))};
	w->h.size = (__u16)(sizeof(*w) + n * sizeof(*to));
	for (size_t i = 0; i < n; i++) {
		to[i] = (struct wire_frame){
			.address = frames[i].address,
			.offset = frames[i].offset,
			.flags = frames[i].flags,
		};
		wb_str(b, &to[i].name, frames[i].name);
		wb_str(b, &to[i].object, frames[i].object);
	}
}

/* A WIRE_USER_STACK, which has its frames where a WIRE_STACK has them. */
static inline void wb_user_stack(struct wire_buf *b, unsigned int error, unsigned int end,
				 const struct wb_frame *frames, size_t n)
{
	struct wire_user_stack *w = wb_as(b, wire_user_stack);

	_Static_assert(offsetof(struct wire_user_stack, frames) ==
			       offsetof(struct wire_stack, frames),
		       "the frames lie elsewhere");
	wb_stack(b, 1, 1000, WIRE_STACK_WHOLE, frames, n);
	w->h.kind = WIRE_USER_STACK;
	w->error = error;
	w->end = end;
}

/* The smallest record of each kind's shape; 0: no such kind. */
static inline size_t wb_fixed(unsigned int kind)
{
	switch (kind) {
	case WIRE_MANAGER_CGROUP_EMPTY:
	case WIRE_MANAGER_CGROUP_EVENT:
	case WIRE_CGROUP_MKDIR:
	case WIRE_CGROUP_RMDIR:
	case WIRE_CGROUP_POPULATED:
	case WIRE_CGROUP_FROZEN:
	case WIRE_CGROUP:
		return sizeof(struct wire_path);
	case WIRE_SERVICE_ENTER_STOP ... WIRE_SERVICE_CGROUP_EMPTY:
	case WIRE_SERVICE_PIDFILE_LOAD ... WIRE_BUS_QUEUE_JOB:
	case WIRE_BUS_KILL:
		return sizeof(struct wire_service);
	case WIRE_MANAGER_ADD_JOB:
	case WIRE_TRANSACTION_JOB:
	case WIRE_UNIT_TRIGGERS:
		return sizeof(struct wire_job);
	case WIRE_BUS_MESSAGE:
		return sizeof(struct wire_message);
	case WIRE_SERVICE_FACTS:
		return sizeof(struct wire_service_facts);
	case WIRE_SERVICE_KEEPALIVE:
		return sizeof(struct wire_keepalive);
	case WIRE_THREAD:
		return sizeof(struct wire_thread);
	case WIRE_WATCHDOG_USE:
		return sizeof(struct wire_watchdog_use);
	case WIRE_WATCHDOG_SETTINGS:
		return sizeof(struct wire_watchdog_settings);
	case WIRE_WATCHDOG_DEVICE:
		return sizeof(struct wire_watchdog_device);
	case WIRE_USER_STACK:
		return sizeof(struct wire_user_stack);
	case WIRE_LOOK:
		return sizeof(struct wire_look);
	case WIRE_DEPENDENCY:
		return sizeof(struct wire_dependency);
	case WIRE_GONE:
		return sizeof(struct wire_gone);
	case WIRE_EMERGENCY_ACTION:
		return sizeof(struct wire_action);
	case WIRE_FORK:
		return sizeof(struct wire_fork);
	case WIRE_EXEC:
		return sizeof(struct wire_exec);
	case WIRE_EXIT:
	case WIRE_OOM_VICTIM:
		return sizeof(struct wire_exit);
	case WIRE_SIGNAL:
		return sizeof(struct wire_signal);
	case WIRE_CGROUP_ATTACH:
		return sizeof(struct wire_attach);
	case WIRE_PIDNS_ZAP_ENTER:
	case WIRE_PIDNS_ZAP_EXIT:
		return sizeof(struct wire_pidns);
	case WIRE_FUSE_FLUSH_ENTER:
	case WIRE_FUSE_FLUSH_EXIT:
	case WIRE_FUSE_SERVE:
		return sizeof(struct wire_fuse);
	case WIRE_PID_LEVELS:
		return sizeof(struct wire_pid_levels);
	case WIRE_FUSE_HOLDERS:
		return sizeof(struct wire_fuse_holders);
	case WIRE_SCOPE:
		return sizeof(struct wire_scope);
	case WIRE_PIDFILE:
		return sizeof(struct wire_pidfile);
	case WIRE_STACK_SAMPLE:
		return sizeof(struct wire_stack_sample);
	case WIRE_STACK:
		return sizeof(struct wire_stack);
	case WIRE_CLIENT_SEND:
		return sizeof(struct wire_client_send);
	case WIRE_BUS_NAME:
		return sizeof(struct wire_bus_name);
	case WIRE_START:
		return sizeof(struct wire_text);
	case WIRE_CLOCK:
		return sizeof(struct wire_clock);
	case WIRE_MANAGER:
		return sizeof(struct wire_manager);
	case WIRE_ENUM:
		return sizeof(struct wire_enum);
	case WIRE_SYMBOL:
	case WIRE_OFFSET:
		return sizeof(struct wire_symbol);
	case WIRE_PROBE:
		return sizeof(struct wire_probe);
	case WIRE_PROC:
		return sizeof(struct wire_proc);
	case WIRE_LOST:
		return sizeof(struct wire_lost);
	case WIRE_IDLE:
	case WIRE_END:
		return sizeof(struct wire_hdr);
	default:
		return 0;
	}
}

/* Gives a record the names of units without which it is none. */
static inline void wb_units(struct wire_buf *b, unsigned int kind, const char *unit)
{
	switch (kind) {
	case WIRE_MANAGER_ADD_JOB:
	case WIRE_TRANSACTION_JOB:
	case WIRE_UNIT_TRIGGERS:
		wb_str(b, &wb_as(b, wire_job)->id, unit);
		break;
	case WIRE_SERVICE_FACTS:
		wb_str(b, &wb_as(b, wire_service_facts)->id, unit);
		break;
	case WIRE_GONE:
		wb_str(b, &wb_as(b, wire_gone)->unit, unit);
		wb_str(b, &wb_as(b, wire_gone)->bound_to, unit);
		break;
	case WIRE_DEPENDENCY:
		wb_str(b, &wb_as(b, wire_dependency)->unit, unit);
		wb_str(b, &wb_as(b, wire_dependency)->by, unit);
		break;
	case WIRE_SERVICE_KEEPALIVE:
		wb_str(b, &wb_as(b, wire_keepalive)->id, unit);
		break;
	case WIRE_LOOK:
		wb_str(b, &wb_as(b, wire_look)->id, unit);
		break;
	case WIRE_SCOPE:
		wb_as(b, wire_scope)->call = WIRE_SCOPE_STOP;
		wb_str(b, &wb_as(b, wire_scope)->id, "x.scope"); /* of a service it is none */
		break;
	case WIRE_PIDFILE:
		wb_str(b, &wb_as(b, wire_pidfile)->id, unit);
		break;
	case WIRE_BUS_KILL:
	case WIRE_SERVICE_ENTER_STOP ... WIRE_SERVICE_CGROUP_EMPTY:
	case WIRE_SERVICE_PIDFILE_LOAD ... WIRE_BUS_QUEUE_JOB:
		wb_str(b, &wb_as(b, wire_service)->id, unit);
		break;
	default:
		break;
	}
}

#endif
