/* SPDX-License-Identifier: (LGPL-2.1-or-later OR BSD-2-Clause) */
/* Numbers as in DWARF for the Arm 64-bit Architecture: x0 to x30, then sp. */
#ifndef SVCTRACE_REGS_AARCH64_BPF_H
#define SVCTRACE_REGS_AARCH64_BPF_H

#define N_REGS		  33
#define REGS_SIZE	  sizeof(struct user_pt_regs)
#define KERNEL_STACK_SIZE 16384 /* with pages of 4 KiB */
#define PSTATE_MODE	  0x1f	/* 0: user space, 64-bit */

static __always_inline void regs_copy(__u64 *to, const struct pt_regs *ctx)
{
	const struct user_pt_regs *r = (const void *)ctx;

#pragma unroll
	for (int i = 0; i < 31; i++)
		to[i] = r->regs[i];
	to[31] = r->sp;
	to[32] = r->pc;
}

static __always_inline bool regs_are_user(const struct pt_regs *ctx)
{
	return (((const struct user_pt_regs *)ctx)->pstate & PSTATE_MODE) == 0;
}

/* libbpf 1.1 knows five. */
static __always_inline __u64 regs_argument_6(const struct pt_regs *ctx)
{
	return ((const struct user_pt_regs *)ctx)->regs[5];
}

#endif
