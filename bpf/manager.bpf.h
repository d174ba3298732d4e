/* SPDX-License-Identifier: (LGPL-2.1-or-later OR BSD-2-Clause) */
/* Reading what lies in a manager, where its layout says. */
#ifndef SVCTRACE_MANAGER_BPF_H
#define SVCTRACE_MANAGER_BPF_H

#include "common.bpf.h"

static __always_inline struct manager_layout *current_manager(void)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;

	return bpf_map_lookup_elem(&managers, &tgid);
}

static __always_inline __s32 read_s32(const void *base, __u32 offset)
{
	__s32 v;

	if (offset == LAYOUT_MISSING || bpf_probe_read_user(&v, sizeof(v), base + offset) < 0)
		return WIRE_NONE;
	return v;
}

static __always_inline void *read_ptr(const void *base, __u32 offset)
{
	void *p;

	if (offset == LAYOUT_MISSING || bpf_probe_read_user(&p, sizeof(p), base + offset) < 0)
		return NULL;
	return p;
}

static __always_inline __u64 read_usec(const void *base, __u32 offset)
{
	__u64 v;

	if (offset == LAYOUT_MISSING || bpf_probe_read_user(&v, sizeof(v), base + offset) < 0)
		return WIRE_USEC_NONE;
	return v;
}

static __always_inline __s32 read_byte(const void *base, __u32 offset)
{
	__u8 v;

	if (offset == LAYOUT_MISSING || bpf_probe_read_user(&v, sizeof(v), base + offset) < 0)
		return WIRE_NONE;
	return v;
}

#endif
