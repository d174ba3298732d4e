/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "capture/user_stacks.h"
#include "svctrace/cleanup.h"

#define STACKS_NS     2000000000ull  /* of waiting … */
#define STACKS_PER_NS 10000000000ull /* … in that long */
#define PAGE_MIN      4096	     /* no page is smaller */

/* What was read of one thread. */
struct sample {
	enum wire_user_stack_error error;
	size_t size;
	char bytes[WIRE_STACK_MAX];
};

/* DWARF's number of the stack pointer. */
#if defined(__x86_64__)
#define REG_SP 7
#elif defined(__aarch64__)
#define REG_SP 31
#else
#error "which number has the stack pointer in DWARF?"
#endif

/* Has the thread got a CPU since the look? Each time is counted as it gets it. */
static bool has_run(const struct task_state *t)
{
	_cleanup_fclose_ FILE *f = NULL;
	char path[64];
	uint64_t runs;

	snprintf(path, sizeof(path), "/proc/%" PRIu32 "/task/%" PRIu32 "/schedstat", t->task.tgid,
		 t->task.tid);
	f = fopen(path, "re");
	return !f || fscanf(f, "%*u %*u %" SCNu64, &runs) != 1 || runs != t->runs;
}

/* From the stack pointer on, page by page: the stack may end soon. */
static ssize_t read_stack(const struct task_state *t, char *to)
{
	struct iovec local = {to, WIRE_STACK_MAX}, page[WIRE_STACK_MAX / PAGE_MIN + 1];
	uint64_t at = t->regs[REG_SP], end = at + WIRE_STACK_MAX;
	unsigned int n = 0;

	if (end < at)
		return -EFAULT;
	while (at < end) {
		uint64_t next = (at | (PAGE_MIN - 1)) + 1;

		next = next < end ? next : end;
		page[n++] = (struct iovec){(void *)(uintptr_t)at, next - at};
		at = next;
	}
	return process_vm_readv((pid_t)t->task.tid, &local, 1, page, n, 0);
}

static void take_sample(struct sample *x, const struct task_state *t)
{
	ssize_t n;

	x->error = WIRE_USER_STACK_NO_REGISTERS;
	if (t->n_regs <= REG_SP || t->n_regs > WIRE_REGS_MAX)
		return;
	x->error = WIRE_USER_STACK_RUNS;
	if (t->runs == 0)
		return;
	n = read_stack(t, x->bytes);
	x->size = n > 0 ? n : 0;
	if (has_run(t))
		x->error = WIRE_USER_STACK_RAN;
	else
		x->error = n > 0 ? WIRE_USER_STACK_TAKEN : WIRE_USER_STACK_UNREADABLE;
}

static struct wire_user_stack *begin_record(const struct task_state *t, struct stream *s)
{
	struct wire_user_stack *w =
		stream_begin(s, WIRE_USER_STACK, sizeof(*w), (pid_t)t->task.tgid);

	w->h.tid = t->task.tid;
	return w;
}

/* u may be NULL: there is nothing to walk by. */
static void put_stack(const struct task_state *t, const struct sample *x, struct unwinder *u,
		      struct stream *s)
{
	struct wire_user_stack *w = begin_record(t, s);
	struct unwind_sample sample = {
		.regs = t->regs,
		.n_regs = t->n_regs,
		.sp = t->regs[REG_SP],
		.bytes = x->bytes,
		.size = x->size,
	};
	struct unwind_stack stack;

	w->error = x->error;
	if (x->error)
		return;
	if (!u || unwinder_walk(u, &sample, &stack) < 0) {
		w->error = WIRE_USER_STACK_UNREADABLE;
		return;
	}
	w->end = stack.end;
	stream_frames(s, &w->frames, &stack);
}

static int send_to(void *ctx, const void *record, size_t n)
{
	(void)ctx;
	return send(HELPER_FD, record, n, MSG_NOSIGNAL) == (ssize_t)n ? 0 : -EPIPE;
}

/*
 * The helper. All memory is read first, while nothing has happened yet; one process's threads come
 * one after another, and share what is known of it.
 */
static void __attribute__((noreturn)) serve(const struct looker *l)
{
	struct sample *samples = calloc(TASK_STATES_MAX, sizeof(*samples));
	struct stream *s = calloc(1, sizeof(*s));
	struct unwind_files *files = NULL;
	struct unwinder *u = NULL;
	const struct task_state *t;
	uint32_t tgid = 0;

	prctl(PR_SET_NAME, "svctrace-stacks");
	if (!samples || !s || unwind_files_new(NULL, NULL, &files) < 0)
		_exit(1);
	s->sink = send_to;
	for (unsigned int i = 0; (t = look_thread(l, i)); i++)
		take_sample(&samples[i], t);
	for (unsigned int i = 0; (t = look_thread(l, i)); i++) {
		if (t->task.tgid != tgid) {
			unwinder_freep(&u);
			tgid = t->task.tgid;
			unwinder_new_pid(files, (pid_t)tgid, &u);
		}
		put_stack(t, &samples[i], u, s);
		if (stream_end(s) < 0)
			break;
	}
	_exit(0);
}

void user_stacks_begin(struct user_stacks *u, const struct looker *l)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC);
	uint64_t left = budget_left(&u->budget, now, STACKS_NS, STACKS_PER_NS);

	if (!look_thread(l, 0))
		return;
	u->asked = true;
	u->since_ns = now;
	u->deadline_ns = now + left;
	if (left > 0 && helper_start(&u->helper, -1) == 0)
		serve(l);
}

/* One that is not the record of that thread is none. */
static bool receive(struct user_stacks *u, const struct task_state *t, struct stream *s)
{
	const struct wire_hdr *h = (const struct wire_hdr *)s->buf;
	ssize_t n;

	if (!u->helper.child || !wait_until(u->helper.fd, u->deadline_ns))
		return false;
	n = recv(u->helper.fd, s->buf, sizeof(s->buf), 0);
	return n >= (ssize_t)sizeof(struct wire_user_stack) && h->size == n &&
	       h->kind == WIRE_USER_STACK && h->tid == t->task.tid;
}

int user_stacks_send(struct user_stacks *u, const struct task_state *t, struct stream *s)
{
	if (!u->asked)
		return 0;
	if (!receive(u, t, s)) {
		helper_dismiss(&u->helper, false);
		begin_record(t, s)->error = WIRE_USER_STACK_NO_TIME;
	}
	return stream_end(s);
}

void user_stacks_end(struct user_stacks *u)
{
	if (!u->asked)
		return;
	helper_dismiss(&u->helper, true);
	u->budget.waited_ns += clock_ns(CLOCK_MONOTONIC) - u->since_ns;
	u->asked = false;
}

void user_stacks_done(struct user_stacks *u)
{
	helper_done(&u->helper);
}
