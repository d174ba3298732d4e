/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* unwind TIMES: walks and names a stack of its own, over and over; prints ns a stack, and its
 * frames. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "svctrace/cleanup.h"
#include "svctrace/unwind.h"

struct stack {
	__u64 regs[WIRE_REGS_MAX];
	unsigned char bytes[WIRE_STACK_MAX];
	struct unwind_sample s;
};

static void take_registers(struct stack *t, const ucontext_t *uc)
{
#if defined(__x86_64__)
	static const int order[] = {REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI,
				    REG_RBP, REG_RSP, REG_R8,  REG_R9,	REG_R10, REG_R11,
				    REG_R12, REG_R13, REG_R14, REG_R15, REG_RIP};

	for (size_t i = 0; i < ARRAY_LEN(order); i++)
		t->regs[i] = uc->uc_mcontext.gregs[order[i]];
	t->s.n_regs = ARRAY_LEN(order);
	t->s.sp = t->regs[7];
#elif defined(__aarch64__)
	memcpy(t->regs, uc->uc_mcontext.regs, 31 * sizeof(__u64));
	t->regs[31] = t->s.sp = uc->uc_mcontext.sp;
	t->regs[32] = uc->uc_mcontext.pc;
	t->s.n_regs = 33;
#endif
}

/* As deep as the manager is when it decides: ten frames or so. */
static __attribute__((noinline)) int descend(struct stack *t, const char *begin, int n)
{
	volatile int r = 0;
	ucontext_t uc;

	if (n > 0) {
		r = descend(t, begin, n - 1);
		return r + n;
	}
	getcontext(&uc);
	take_registers(t, &uc);
	t->s.size = begin - (const char *)(uintptr_t)t->s.sp;
	if (t->s.size > sizeof(t->bytes))
		t->s.size = sizeof(t->bytes);
	memcpy(t->bytes, (const void *)(uintptr_t)t->s.sp, t->s.size);
	t->s.bytes = t->bytes;
	t->s.regs = t->regs;
	return r;
}

int main(int argc, char **argv)
{
	_cleanup_(unwind_files_freep) struct unwind_files *files = NULL;
	_cleanup_(unwinder_freep) struct unwinder *u = NULL;
	unsigned long times = argc == 2 ? strtoul(argv[1], NULL, 10) : 0;
	static struct stack t;
	static struct unwind_stack walked;
	struct timespec a, b;

	if (times == 0) {
		fputs("usage: unwind TIMES\n", stderr);
		return 2;
	}
	/* the strings of environ lie where the stack begins */
	descend(&t, environ[0] ? environ[0] : argv[0], 6);
	if (unwind_files_new(NULL, NULL, &files) < 0 || unwinder_new_pid(files, getpid(), &u) < 0 ||
	    unwinder_walk(u, &t.s, &walked) < 0)
		return 1;
	clock_gettime(CLOCK_MONOTONIC, &a);
	for (unsigned long i = 0; i < times; i++)
		if (unwinder_walk(u, &t.s, &walked) < 0)
			return 1;
	clock_gettime(CLOCK_MONOTONIC, &b);
	printf("%.1f %u\n", ((b.tv_sec - a.tv_sec) * 1e9 + (b.tv_nsec - a.tv_nsec)) / times,
	       walked.n);
	return 0;
}
