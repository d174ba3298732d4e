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

/* The smallest record of each kind's shape; 0: no such kind. */
static inline size_t wb_fixed(unsigned int kind)
{
	switch (kind) {
	case WIRE_MANAGER_CGROUP_EMPTY:
	case WIRE_MANAGER_CGROUP_EVENT:
	case WIRE_CGROUP_MKDIR:
	case WIRE_CGROUP_RMDIR:
	case WIRE_CGROUP_POPULATED:
	case WIRE_CGROUP:
		return sizeof(struct wire_path);
	case WIRE_SERVICE_ENTER_STOP ... WIRE_SERVICE_CGROUP_EMPTY:
	case WIRE_SERVICE_PIDFILE_LOAD ... WIRE_BUS_QUEUE_JOB:
		return sizeof(struct wire_service);
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
		return sizeof(struct wire_fuse);
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

#endif
