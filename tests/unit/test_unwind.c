/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The unwinder on this very process, which samples itself, and on samples that were made up. Built
 * without frame pointers (see the Makefile).
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <cmocka.h>

#include "registers.h"
#include "svctrace/cleanup.h"
#include "svctrace/unwind.h"

#define STACK_MAX 65536

struct sample {
	__u64 regs[WIRE_REGS_MAX];
	unsigned char bytes[STACK_MAX];
	struct unwind_sample s;
};

/* Where the main thread's stack begins: /proc/PID/stat's 28th field. */
static uint64_t stack_begin(void)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/self/stat", "re");
	unsigned long begin;

	assert_non_null(f);
	assert_int_equal(fscanf(f,
				"%*d (%*[^)]) %*c"		       /* 3 */
				"%*s%*s%*s%*s%*s%*s%*s%*s%*s%*s%*s%*s" /* 15 */
				"%*s%*s%*s%*s%*s%*s%*s%*s%*s%*s%*s%*s" /* 27 */
				"%lu",
				&begin),
			 1);
	return begin;
}

/* As the kernel does it: the registers, and what lies above the stack pointer. */
static __attribute__((noinline)) int deepest(struct sample *t)
{
	struct iovec to, from;
	ucontext_t uc;

	getcontext(&uc);
	take_registers(&t->s, t->regs, &uc);
	to = (struct iovec){t->bytes, STACK_MAX};
	from = (struct iovec){(void *)(uintptr_t)t->s.sp, stack_begin() - t->s.sp};
	if (from.iov_len > STACK_MAX)
		from.iov_len = STACK_MAX;
	/* not memcpy(): a sanitizer would object to what lies between variables */
	t->s.size = process_vm_readv(getpid(), &to, 1, &from, 1, 0);
	t->s.bytes = t->bytes;
	return 1;
}

static __attribute__((noinline)) int middle(struct sample *t, int n)
{
	volatile int r = n > 0 ? middle(t, n - 1) : deepest(t);

	return r + n;
}

static __attribute__((noinline)) int outer(struct sample *t, int n)
{
	volatile int r = middle(t, n);

	return r + 1;
}

static struct unwind_files *files;

static int setup(void **state)
{
	*state = calloc(1, sizeof(struct sample));
	return *state ? unwind_files_new(NULL, NULL, &files) : -1;
}

static int teardown(void **state)
{
	free(*state);
	unwind_files_freep(&files);
	return 0;
}

static void expect_names(const struct unwind_stack *s, const char *const *names)
{
	for (unsigned int i = 0; names[i]; i++) {
		assert_true(i < s->n);
		assert_string_equal(s->frames[i].name, names[i]);
		assert_false(s->frames[i].guess);
	}
}

static bool same_frame(const struct unwind_frame *a, const struct unwind_frame *b)
{
	return a->address == b->address && a->offset == b->offset && !strcmp(a->name, b->name) &&
	       !strcmp(a->object, b->object);
}

static void test_self(void **state)
{
	static const char *const names[] = {"deepest", "middle", "middle",    "middle",
					    "middle",  "outer",	 "test_self", NULL};
	struct sample *t = *state;
	_cleanup_(unwinder_freep) struct unwinder *u = NULL;
	struct unwind_stack s;

	outer(t, 3);
	assert_int_equal(unwinder_new_pid(files, getpid(), &u), 0);
	assert_int_equal(unwinder_walk(u, &t->s, &s), 0);
	expect_names(&s, names);
	assert_int_equal(s.end, WIRE_STACK_WHOLE);
	assert_string_equal(s.frames[s.n - 1].name, "_start");
	assert_non_null(strstr(s.frames[0].object, "test_unwind"));
	for (unsigned int i = 0; i < 5; i++)
		assert_true(s.frames[i].offset > 0 && s.frames[i].offset < 4096);
}

/* Whatever is missing of a sample: what is told is true, and it is said that there is more. */
static void test_cut(void **state)
{
	struct sample *t = *state;
	_cleanup_(unwinder_freep) struct unwinder *u = NULL;
	struct unwind_stack whole, s;
	unsigned int last = 0;
	size_t size;

	outer(t, 5);
	assert_int_equal(unwinder_new_pid(files, getpid(), &u), 0);
	assert_int_equal(unwinder_walk(u, &t->s, &whole), 0);
	size = t->s.size;
	for (t->s.size = 0; t->s.size < size; t->s.size++) {
		assert_int_equal(unwinder_walk(u, &t->s, &s), 0);
		assert_true(s.n >= last && s.n <= whole.n);
		for (unsigned int i = 0; i < s.n; i++)
			assert_true(same_frame(&s.frames[i], &whole.frames[i]));
		assert_int_equal(s.end, s.n == whole.n ? WIRE_STACK_WHOLE : WIRE_STACK_CUT);
		last = s.n;
	}
	assert_int_equal(last, whole.n);
}

static void test_too_deep(void **state)
{
	struct sample *t = *state;
	_cleanup_(unwinder_freep) struct unwinder *u = NULL;
	struct unwind_stack s;

	outer(t, 60);
	assert_int_equal(unwinder_new_pid(files, getpid(), &u), 0);
	assert_int_equal(unwinder_walk(u, &t->s, &s), 0);
	assert_int_equal(s.n, WIRE_FRAMES_MAX);
	assert_int_equal(s.end, WIRE_STACK_TOO_DEEP);
	assert_string_equal(s.frames[60].name, "middle");
}

static int own_base(struct dl_phdr_info *info, size_t size, void *ret)
{
	(void)size;
	*(uint64_t *)ret = info->dlpi_addr;
	return 1; /* the program itself comes first */
}

#define BASE 0x10000000

/* This program, as if it were mapped elsewhere. */
static struct unwinder *unwinder_at_base(void)
{
	const struct unwind_mapping m[] = {
		{0x1000, 0x5000, 0, "/nonexistent"},
		{BASE, BASE + 0x1000000, 0, "/proc/self/exe"},
	};
	struct unwinder *u;

	assert_int_equal(unwinder_new(files, m, ARRAY_LEN(m), &u), 0);
	return u;
}

static uint64_t at_base(const void *f)
{
	uint64_t base;

	dl_iterate_phdr(own_base, &base);
	return (uintptr_t)f - base + BASE;
}

/* n return addresses behind the begins of functions, where nothing was pushed yet. */
static void make_chain(struct sample *t, const uint64_t *chain, size_t n)
{
	*t = (struct sample){.s = {.regs = t->regs, .bytes = t->bytes, .sp = 0x7000, .n_regs = 17}};
	t->regs[7] = t->s.sp;
	t->regs[16] = chain[0];
	for (size_t i = 1; i < n; i++)
		memcpy(t->bytes + 8 * (i - 1), (uint64_t[]){chain[i] + 1}, 8);
	t->s.size = 8 * (n - 1);
}

#if defined(__x86_64__)
/* Registers, bytes, an ELF file: all that a recording needs to hold. */
static void test_fixture(void **state)
{
	static const char *const names[] = {"deepest", "outer", "test_cut", NULL};
	const uint64_t chain[] = {at_base(deepest), at_base(outer), at_base(test_cut)};
	struct sample *t = *state;
	_cleanup_(unwinder_freep) struct unwinder *u = unwinder_at_base();
	struct unwind_stack s;

	make_chain(t, chain, 3);
	assert_int_equal(unwinder_walk(u, &t->s, &s), 0);
	assert_int_equal(s.n, 3);
	expect_names(&s, names);
	assert_int_equal(s.end, WIRE_STACK_CUT);
	for (unsigned int i = 0; i < 3; i++) {
		assert_int_equal(s.frames[i].offset, 0);
		assert_int_equal(s.frames[i].address, chain[i] - BASE);
		assert_string_equal(s.frames[i].object, "/proc/self/exe");
	}
}

/* No unwind data, no next frame: not by frame pointers either, though these would lead on. */
static void test_no_guess(void **state)
{
	const uint64_t chain[] = {at_base(deepest), 0x2fff, at_base(outer), at_base(outer)};
	struct sample *t = *state;
	_cleanup_(unwinder_freep) struct unwinder *u = unwinder_at_base();
	struct unwind_stack s;

	make_chain(t, chain, 4);
	t->regs[6] = t->s.sp + 8; /* a frame pointer, and what it points to looks like a frame */
	memcpy(t->bytes + 8, (uint64_t[]){t->s.sp + 16}, 8);
	assert_int_equal(unwinder_walk(u, &t->s, &s), 0);
	assert_int_equal(s.n, 2);
	assert_int_equal(s.end, WIRE_STACK_NO_UNWIND);
	/* the address as it is, since no file could be opened there */
	assert_int_equal(s.frames[1].address, 0x2fff);
	assert_string_equal(s.frames[1].name, "");
	assert_string_equal(s.frames[1].object, "");

	/* nobody called it */
	make_chain(t, (uint64_t[]){at_base(deepest), -1ull}, 2);
	assert_int_equal(unwinder_walk(u, &t->s, &s), 0);
	assert_int_equal(s.n, 1);
	assert_int_equal(s.end, WIRE_STACK_WHOLE);
}
#endif

static void test_hostile(void **state)
{
	struct sample *t = *state;
	_cleanup_(unwinder_freep) struct unwinder *u = NULL, *none = NULL;
	struct unwind_stack s;

	assert_int_equal(unwinder_new_pid(files, 1 << 23, &none), -ESRCH);
	outer(t, 0);
	assert_int_equal(unwinder_new_pid(files, getpid(), &u), 0);
	t->s.n_regs = 0;
	assert_int_equal(unwinder_walk(u, &t->s, &s), -EBADMSG);
	t->s.n_regs = WIRE_REGS_MAX + 1;
	assert_int_equal(unwinder_walk(u, &t->s, &s), -EBADMSG);
	/* more or fewer registers than the machine has */
	for (t->s.n_regs = 1; t->s.n_regs <= WIRE_REGS_MAX; t->s.n_regs++) {
		assert_int_equal(unwinder_walk(u, &t->s, &s), 0);
		assert_true(s.n >= 1);
	}
	/* nothing mapped at all */
	assert_int_equal(unwinder_new(files, NULL, 0, &none), 0);
	t->s.n_regs = 17;
	assert_int_equal(unwinder_walk(none, &t->s, &s), 0);
	assert_int_equal(s.n, 1);
	assert_int_equal(s.frames[0].address, t->regs[16]);
	assert_int_equal(s.end, WIRE_STACK_NO_UNWIND);
}

static void copy_file(const char *from, const char *to)
{
	char command[256];

	snprintf(command, sizeof(command), "cp %s %s", from, to);
	assert_int_equal(system(command), 0);
}

/*
 * A file is replaced on disk while it is mapped: names are those of the mapped one, or there are
 * none. Never those of the new one, in which the function lies elsewhere.
 */
static void test_replaced(void **state)
{
	char path[] = "/tmp/svctrace-test-XXXXXX", next[64];
	_cleanup_close_ int fd = mkstemp(path);
	struct sample *t = *state;
	_cleanup_(unwinder_freep) struct unwinder *u = NULL;
	struct unwind_stack s;
	struct stat st;
	Dl_info libc;
	uint64_t at;
	char *map;

	assert_true(fd >= 0);
	copy_file("/proc/$PPID/exe", path);
	assert_int_equal(fstat(fd, &st), 0);
	map = mmap(NULL, st.st_size, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	assert_true(map != MAP_FAILED);
	at = (uintptr_t)map + at_base(deepest) - BASE; /* of code, it is the file offset too */
	assert_int_equal(unwinder_new_pid(files, getpid(), &u), 0);

	snprintf(next, sizeof(next), "%s.new", path);
	assert_true(dladdr((void *)(uintptr_t)fopen, &libc) != 0);
	copy_file(libc.dli_fname, next);
	assert_int_equal(rename(next, path), 0);
	outer(t, 0);
	t->regs[t->s.n_regs - 1] = at;
	assert_int_equal(unwinder_walk(u, &t->s, &s), 0);
	assert_string_equal(s.frames[0].object, path);
	if (geteuid() == 0)
		assert_string_equal(s.frames[0].name, "deepest");
	else
		assert_true(!*s.frames[0].name || !strcmp(s.frames[0].name, "deepest"));
	munmap(map, st.st_size);
	unlink(path);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	/* the conditions move entries about */
	/* clang-format off */
	const struct CMUnitTest tests[] = {
		T(test_self),
		T(test_cut),
		T(test_too_deep),
#if defined(__x86_64__)
		T(test_fixture),
		T(test_no_guess),
#endif
		T(test_hostile),
		T(test_replaced),
	};
	/* clang-format on */

	return cmocka_run_group_tests(tests, NULL, NULL);
}
