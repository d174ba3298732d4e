/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* unwind TIMES: walks and names a stack of its own, over and over; prints ns a stack, and its
 * frames. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "svctrace/cleanup.h"
#include "svctrace/unwind.h"
#include "tests/unit/registers.h"

struct stack {
	__u64 regs[WIRE_REGS_MAX];
	unsigned char bytes[WIRE_STACK_MAX];
	struct unwind_sample s;
};

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
	take_registers(&t->s, t->regs, &uc);
	t->s.size = begin - (const char *)(uintptr_t)t->s.sp;
	if (t->s.size > sizeof(t->bytes))
		t->s.size = sizeof(t->bytes);
	memcpy(t->bytes, (const void *)(uintptr_t)t->s.sp, t->s.size);
	t->s.bytes = t->bytes;
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
