/* SPDX-License-Identifier: (LGPL-2.1-or-later OR BSD-2-Clause) */
/*
 * The registers and the live part of the manager's stack, from which user space unwinds the call
 * chain. A sample goes out just before the record that it belongs to, from the same handler.
 */
#ifndef SVCTRACE_STACK_BPF_H
#define SVCTRACE_STACK_BPF_H

#include "common.bpf.h"
#include "regs.bpf.h"

#define PAGE_MIN 4096 /* no page is smaller */

/* room is a power of two. The compiler knows that the mask does nothing; the verifier needs it. */
static __always_inline __u64 stack_bound(__u64 len, const __u64 room)
{
	if (len > room - sizeof(__u64))
		len = room - sizeof(__u64);
	barrier_var(len);
	return len & (room - 1);
}

/* room is a constant, as the verifier demands: so much is reserved. */
static __always_inline int stack_send(const struct pt_regs *ctx, __u64 sp, __u64 wanted,
				      const __u64 room)
{
	struct wire_stack_sample *w = record_reserve(WIRE_STACK_SAMPLE, sizeof(*w), room);
	__u64 len;

	if (!w) /* right away, or 5.10's verifier thinks that it may be NULL further down too */
		return 0;
	len = stack_bound(wanted, room);
	w->sp = sp;
	/* that much is not the thread's own stack: what is there goes out all the same */
	w->wanted = wanted < ~0u ? wanted : ~0u;
	w->n_regs = N_REGS;
	regs_copy(w->regs, ctx);
	if (bpf_probe_read_user(w + 1, len, (void *)sp) < 0) {
		/* a page in between is swapped out: the one that was just written to is not */
		len = stack_bound((~sp & (PAGE_MIN - 1)) + 1, room);
		if (bpf_probe_read_user(w + 1, len, (void *)sp) < 0)
			len = 0;
	}
	w->bytes.off = sizeof(*w);
	w->bytes.len = len;
	w->h.size = sizeof(*w) + len;
	record_submit(w);
	return 0;
}

/* Sends a sample if the current task is a traced manager's main thread. */
static __always_inline int stack_sample(const struct pt_regs *ctx)
{
	struct task_struct *t = (struct task_struct *)bpf_get_current_task();
	__u64 id = bpf_get_current_pid_tgid();
	__u64 sp = PT_REGS_SP(ctx), begin, wanted;
	__u32 tgid = id >> 32;

	if ((__u32)id != tgid || !bpf_map_lookup_elem(&managers, &tgid))
		return 0;
	begin = BPF_CORE_READ(t, mm, start_stack);
	wanted = begin > sp ? begin - sp : 0;
	/* most are small: the ring is to hold as many as it can */
	if (wanted < WIRE_STACK_MAX / 8)
		return stack_send(ctx, sp, wanted, WIRE_STACK_MAX / 8);
	if (wanted < WIRE_STACK_MAX / 4)
		return stack_send(ctx, sp, wanted, WIRE_STACK_MAX / 4);
	if (wanted < WIRE_STACK_MAX / 2)
		return stack_send(ctx, sp, wanted, WIRE_STACK_MAX / 2);
	return stack_send(ctx, sp, wanted, WIRE_STACK_MAX);
}

#endif
