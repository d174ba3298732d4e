/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The engine is pure: with decoder and engine alone, after the kernel was told to kill this process
 * should it ask for anything but memory, a stream of services that come and go gives its verdicts.
 * (That no clock is read, which needs no system call, tests/cli/trace.sh sees in the symbols.)
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

#include <cmocka.h>

#include "svctrace/engine.h"
#include "synth.h"

/* Records, one behind the other: read before, decoded after the door is shut. */
struct stream {
	unsigned char *p;
	size_t n;
};

static int keep(void *ctx, const void *p, size_t n)
{
	struct stream *s = ctx;

	s->p = realloc(s->p, s->n + n);
	assert_non_null(s->p);
	memcpy(s->p + s->n, p, n);
	s->n += n;
	return 0;
}

static int count_verdict(void *ctx, const struct verdict *v)
{
	*(unsigned int *)ctx += v->cause == CAUSE_MAIN_EXITED && v->certainty == CERTAIN;
	return 0;
}

/* Memory, and the end. */
static int shut_the_door(void)
{
#define ALLOW(nr)                                                                                  \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		ALLOW(SYS_brk),
		ALLOW(SYS_mmap),
		ALLOW(SYS_munmap),
		ALLOW(SYS_mremap),
		ALLOW(SYS_madvise),
		ALLOW(SYS_exit_group),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
#undef ALLOW
	struct sock_fprog program = {.len = sizeof(filter) / sizeof(filter[0]), .filter = filter};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0 ? -errno : 0;
}

/* Returns how many verdicts there were, 255 if something failed. */
static int decode_all(const struct stream *s)
{
	struct decoder *d = NULL;
	struct engine *g = NULL;
	unsigned int n = 0;
	struct wire_hdr h;

	if (engine_new(count_verdict, &n, &g) < 0 || decoder_new(engine_feed, g, &d) < 0)
		return 255;
	for (size_t at = 0; at < s->n; at += h.size) {
		memcpy(&h, s->p + at, sizeof(h));
		if (decoder_feed(d, s->p + at, h.size) < 0)
			return 255;
	}
	if (engine_flush(g) < 0)
		return 255;
	decoder_freep(&d);
	engine_freep(&g);
	return (int)n;
}

static int in_child(int (*run)(const struct stream *s), const struct stream *s)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		syscall(SYS_exit_group, shut_the_door() == 0 ? run(s) : 254);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* A call over Varlink: the JSON library would ask the kernel for random numbers if it were let. */
static int call_varlink(struct stream *s)
{
	static const char call[] = "{\"method\":\"io.systemd.Unit.Stop\",\"parameters\":{}}";
	struct wire_buf b;
	struct wire_client_send *w = wb_as(&b, wire_client_send);

	wb_begin(&b, WIRE_CLIENT_SEND, sizeof(*w), 5, 1);
	w->endpoint = WIRE_ENDPOINT_VARLINK;
	w->length = sizeof(call);
	wb_bytes(&b, &w->bytes, call, sizeof(call));
	return keep(s, b.bytes, wb_hdr(&b)->size);
}

static void test_engine_opens_nothing(void **state)
{
	struct stream s = {};

	(void)state;
	assert_int_equal(call_varlink(&s), 0);
	assert_int_equal(synth_run(keep, &s, 20 * SYNTH_ROUND), 0);
	assert_in_range(in_child(decode_all, &s), 18, 21);
	free(s.p);
}

static int open_something(const struct stream *s)
{
	(void)s;
	return open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0;
}

/* The door is one. */
static void test_the_door_is_shut(void **state)
{
	(void)state;
	assert_int_equal(in_child(open_something, NULL), -SIGSYS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_engine_opens_nothing),
		cmocka_unit_test(test_the_door_is_shut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
