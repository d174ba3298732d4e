/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A thread samples itself: its registers, in the order in which the kernel hands them over. */
#ifndef SVCTRACE_TESTS_REGISTERS_H
#define SVCTRACE_TESTS_REGISTERS_H

#include <string.h>
#include <ucontext.h>

#include "svctrace/cleanup.h"
#include "svctrace/unwind.h"

/* Of s: regs, n_regs and sp. */
static void take_registers(struct unwind_sample *s, __u64 regs[WIRE_REGS_MAX], const ucontext_t *uc)
{
#if defined(__x86_64__)
	static const int order[] = {REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI,
				    REG_RBP, REG_RSP, REG_R8,  REG_R9,	REG_R10, REG_R11,
				    REG_R12, REG_R13, REG_R14, REG_R15, REG_RIP};

	for (size_t i = 0; i < ARRAY_LEN(order); i++)
		regs[i] = uc->uc_mcontext.gregs[order[i]];
	s->n_regs = ARRAY_LEN(order);
	s->sp = regs[7];
#elif defined(__aarch64__)
	memcpy(regs, uc->uc_mcontext.regs, 31 * sizeof(__u64));
	regs[31] = s->sp = uc->uc_mcontext.sp;
	regs[32] = uc->uc_mcontext.pc;
	s->n_regs = 33;
#endif
	s->regs = regs;
}

#endif
