/* SPDX-License-Identifier: (LGPL-2.1-or-later OR BSD-2-Clause) */
/* Numbers as in the System V ABI for AMD64, figure 3.36. */
#ifndef SVCTRACE_REGS_X86_64_BPF_H
#define SVCTRACE_REGS_X86_64_BPF_H

#define N_REGS		  17
#define REGS_SIZE	  sizeof(struct pt_regs)
#define KERNEL_STACK_SIZE 16384
#define USER_CS		  0x33 /* of 64-bit code */

static __always_inline void regs_copy(__u64 *to, const struct pt_regs *ctx)
{
	to[0] = ctx->ax;
	to[1] = ctx->dx;
	to[2] = ctx->cx;
	to[3] = ctx->bx;
	to[4] = ctx->si;
	to[5] = ctx->di;
	to[6] = ctx->bp;
	to[7] = ctx->sp;
	to[8] = ctx->r8;
	to[9] = ctx->r9;
	to[10] = ctx->r10;
	to[11] = ctx->r11;
	to[12] = ctx->r12;
	to[13] = ctx->r13;
	to[14] = ctx->r14;
	to[15] = ctx->r15;
	to[16] = ctx->ip;
}

static __always_inline bool regs_are_user(const struct pt_regs *ctx)
{
	return ctx->cs == USER_CS;
}

/* libbpf 1.1 knows five. */
static __always_inline __u64 regs_argument_6(const struct pt_regs *ctx)
{
	return ctx->r9;
}

#endif
