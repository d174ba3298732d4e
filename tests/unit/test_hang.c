/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Hangs, told live: from records of teardowns, flushes, exits and looks at who holds /dev/fuse. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>

#include <cmocka.h>

#include "svctrace/cleanup.h"

#include "world.h"

#define PIDNS	   4026532201u
#define CONNECTION 33
#define TOLD_MAX   8

struct hangs {
	struct world w;
	unsigned int n;
	struct {
		enum stuck_kind kind;
		bool ended, lost;
		uint64_t lasted_ns;
		uint32_t pidns, init, init_ns, left, connection, kills_lost;
		unsigned int n_waiters, n_servers, n_proof;
		bool server_dead, exiting;
		char unit[64], root[256], next[256], consequence[256];
	} told[TOLD_MAX];
};

static int on_hang(void *ctx, const struct hang_verdict *h)
{
	struct hangs *x = ctx;

	assert_in_range(x->n, 0, TOLD_MAX - 1);
#define KEEP(field) x->told[x->n].field = h->field
	KEEP(kind);
	KEEP(ended);
	KEEP(lost);
	KEEP(pidns);
	KEEP(left);
	KEEP(connection);
	KEEP(kills_lost);
	KEEP(n_waiters);
	KEEP(n_servers);
	KEEP(n_proof);
#undef KEEP
	x->told[x->n].lasted_ns = h->mono_ns - h->begin_mono_ns;
	x->told[x->n].init = h->init.a.tgid;
	x->told[x->n].init_ns = h->init.a.ns_tgid;
	x->told[x->n].server_dead = h->n_servers && h->servers[0].a.exited;
	x->told[x->n].exiting = h->n_waiters && h->waiters[0].exiting;
	keep(x->told[x->n].unit, 64, h->init.a.unit);
	keep(x->told[x->n].root, 256, h->root);
	keep(x->told[x->n].next, 256, h->next);
	keep(x->told[x->n].consequence, 256, h->consequence);
	x->n++;
	return render_hang(x->w.renderer, h) < 0 ? -1 : x->w.refuse;
}

static void new_with(struct hangs *x, const struct render_options *o)
{
	*x = (struct hangs){};
	world_new_with(&x->w, o);
	engine_tell_hangs(x->w.engine, on_hang, x, 5 * SECOND);
}

static int setup(void **state)
{
	const struct render_options o = {.format = RENDER_TEXT, .utc = true};
	struct hangs *x = calloc(1, sizeof(*x));

	assert_non_null(x);
	new_with(x, &o);
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct hangs *x = *state;

	world_done(&x->w);
	free(x);
	return 0;
}

/* A process of the namespace, in a.service's cgroup. */
static struct wire_task inside(uint32_t tgid, uint32_t ns_tgid)
{
	struct wire_task t = task(tgid, "daemon", 2);

	t.ns_tgid = ns_tgid;
	t.pidns = PIDNS;
	return t;
}

static void be_born(struct hangs *x, uint32_t tgid, uint32_t ns_tgid)
{
	struct wire_fork *r = begin(&x->w, WIRE_FORK, 1);

	r->child = inside(tgid, ns_tgid);
	send(&x->w);
}

static void die(struct hangs *x, uint32_t tgid, uint32_t ns_tgid)
{
	struct wire_exit *r = begin(&x->w, WIRE_EXIT, tgid);

	r->task = inside(tgid, ns_tgid);
	r->code = SIGKILL;
	send(&x->w);
}

static void zap(struct hangs *x, enum wire_kind kind)
{
	struct wire_pidns *r = begin(&x->w, kind, 500);

	r->init = inside(500, 1);
	r->pidns = PIDNS;
	send(&x->w);
}

static void flush(struct hangs *x, enum wire_kind kind, uint32_t tgid, bool exiting)
{
	struct wire_fuse *r = begin(&x->w, kind, tgid);

	r->task = inside(tgid, tgid - 499);
	r->connection = CONNECTION;
	r->exiting = exiting;
	send(&x->w);
}

static void look_at(struct hangs *x, int error, unsigned int n, const uint32_t *tgids,
		    uint32_t stopped)
{
	struct wire_fuse_holders *r = begin(&x->w, WIRE_FUSE_HOLDERS, 0);

	r->connection = CONNECTION;
	r->error = error;
	r->n = n;
	r->stopped = stopped;
	for (unsigned int i = 0; i < n && i < WIRE_FUSE_HOLDERS_MAX; i++)
		r->tgid[i] = tgids[i];
	send(&x->w);
}

static void look(struct hangs *x, int error, unsigned int n, const uint32_t *tgids)
{
	look_at(x, error, n, tgids, 0);
}

static void wait_for(struct hangs *x, uint64_t ns)
{
	x->w.now += ns;
	idle(&x->w);
}

static void lose(struct hangs *x, const char *probe)
{
	struct wire_lost *r = begin(&x->w, WIRE_LOST, 0);

	r->since_ns = x->w.now - SECOND;
	r->count = 1;
	wb_str(&x->w.b, &r->probe, probe);
	send(&x->w);
}

/* The init was killed; its child, the daemon, flushes a file of its own mount. */
static void begin_deadlock(struct hangs *x)
{
	be_born(x, 500, 1);
	be_born(x, 501, 2);
	zap(x, WIRE_PIDNS_ZAP_ENTER);
	die(x, 501, 2);
	flush(x, WIRE_FUSE_FLUSH_ENTER, 501, true);
}

static void test_deadlock(void **state)
{
	struct hangs *x = *state;
	struct wire_signal *s;

	begin_deadlock(x);
	wait_for(x, SECOND);
	s = signal_from(&x->w, 77, "kill", 500, 2, SIGKILL);
	s->target = inside(500, 1);
	s->target_flags |= WIRE_TARGET_EXITING;
	send(&x->w);
	wait_for(x, SECOND);
	look(x, 0, 0, NULL);
	wait_for(x, 2 * SECOND);
	assert_int_equal(x->n, 0);
	wait_for(x, SECOND);
	assert_int_equal(x->n, 1);
	assert_int_equal(x->told[0].kind, STUCK_FUSE_DEADLOCK);
	assert_false(x->told[0].ended);
	assert_in_range(x->told[0].lasted_ns, 5 * SECOND, 5 * SECOND + SECOND / 10);
	assert_int_equal(x->told[0].pidns, PIDNS);
	assert_int_equal(x->told[0].init, 500);
	assert_int_equal(x->told[0].init_ns, 1);
	assert_int_equal(x->told[0].left, 1);
	assert_int_equal(x->told[0].n_waiters, 1);
	assert_true(x->told[0].exiting);
	assert_int_equal(x->told[0].connection, CONNECTION);
	assert_int_equal(x->told[0].kills_lost, 1);
	assert_int_equal(x->told[0].n_proof, 4);
	assert_string_equal(x->told[0].unit, "a.service");
	assert_non_null(strstr(x->told[0].next, "/sys/fs/fuse/connections/33/abort"));
	assert_non_null(strstr(x->told[0].consequence, "ENOTCONN"));
	wait_for(x, 60 * SECOND); /* told once */
	assert_int_equal(x->n, 1);
	flush(x, WIRE_FUSE_FLUSH_EXIT, 501, true);
	zap(x, WIRE_PIDNS_ZAP_EXIT);
	assert_int_equal(x->n, 2);
	assert_true(x->told[1].ended);
	assert_int_equal(x->told[1].kind, STUCK_FUSE_DEADLOCK);
	assert_true(x->told[1].lasted_ns > 65 * SECOND);
	wait_for(x, 60 * SECOND);
	assert_int_equal(x->n, 2);
	fflush(x->w.out);
	assert_non_null(strstr(x->w.text, "pid namespace 4026532201 (a.service)  HANGS  "
					  "fuse-deadlock for 5."));
	assert_non_null(strstr(x->w.text, "\n  chain  daemon 500 (1 in its namespace): was told"));
	assert_non_null(
		strstr(x->w.text, "\n         daemon 501 (2 in its namespace): exits, and"));
	assert_non_null(strstr(x->w.text, "1 SIGKILL woke nobody"));
	assert_non_null(strstr(x->w.text, "ENDED  fuse-deadlock after 65."));
}

/* Its daemon, outside, lives; it dies later, and nobody is left. */
static void test_slow_then_dead(void **state)
{
	struct hangs *x = *state;
	const uint32_t outside = 600;

	fork_process(&x->w, 1, 600, "sshfs", 3);
	begin_deadlock(x);
	look(x, 0, 1, &outside);
	wait_for(x, 6 * SECOND);
	assert_int_equal(x->n, 1);
	assert_int_equal(x->told[0].kind, STUCK_FUSE_WAITS);
	assert_non_null(strstr(x->told[0].root, "sshfs 600"));
	assert_int_equal(x->told[0].n_servers, 1);
	assert_false(x->told[0].server_dead);
	exit_process(&x->w, 600, "sshfs", 3, SIGKILL);
	wait_for(x, SECOND);
	assert_int_equal(x->n, 2);
	assert_int_equal(x->told[1].kind, STUCK_FUSE_DEADLOCK);
	assert_true(x->told[1].server_dead);
}

/* One of two daemons is stopped, then the other as well, then one goes on. */
static void test_stopped_daemons(void **state)
{
	struct hangs *x = *state;
	const uint32_t daemons[] = {600, 601};

	fork_process(&x->w, 1, 600, "sshfs", 3);
	fork_process(&x->w, 1, 601, "sshfs", 3);
	begin_deadlock(x);
	look_at(x, 0, 2, daemons, 1);
	wait_for(x, 6 * SECOND);
	assert_int_equal(x->n, 1);
	assert_int_equal(x->told[0].kind, STUCK_FUSE_WAITS);
	look_at(x, 0, 2, daemons, 3);
	wait_for(x, SECOND);
	assert_int_equal(x->n, 2);
	assert_int_equal(x->told[1].kind, STUCK_FUSE_STOPPED);
	assert_non_null(strstr(x->told[1].root, "is stopped"));
	look_at(x, 0, 2, daemons, 2);
	wait_for(x, SECOND);
	assert_int_equal(x->n, 2);
	zap(x, WIRE_PIDNS_ZAP_EXIT);
	assert_int_equal(x->told[2].kind, STUCK_FUSE_STOPPED); /* the last one that was told */
}

/* None of these is proof that nobody answers. */
static void test_not_provable(void **state)
{
	struct hangs *x = *state;
	const uint32_t many[WIRE_FUSE_HOLDERS_MAX] = {7001, 7002, 7003};

	look(x, 0, 0, NULL); /* before it began */
	begin_deadlock(x);
	wait_for(x, 10 * SECOND);
	assert_int_equal(x->n, 1);
	assert_int_equal(x->told[0].kind, STUCK_FUSE_UNKNOWN);
	look(x, -EPERM, 0, NULL);
	wait_for(x, SECOND);
	look(x, 0, 1000, many); /* more than a record holds, or an engine keeps */
	wait_for(x, SECOND);
	assert_int_equal(x->n, 2);
	assert_int_equal(x->told[1].kind, STUCK_FUSE_WAITS);
	lose(x, "fuse_flush"); /* may have been its end */
	look(x, 0, 0, NULL);
	wait_for(x, SECOND);
	zap(x, WIRE_PIDNS_ZAP_EXIT);
	assert_int_equal(x->n, 3);
	assert_true(x->told[2].ended);
	assert_true(x->told[2].lost);
	assert_int_equal(x->told[2].kind, STUCK_FUSE_WAITS);
}

/* What was lost counts where it could have been an end, and only until the next look if it was a
 * server's.
 */
static void test_what_was_lost(void **state)
{
	struct hangs *x = *state;
	const uint32_t outside = 600;

	fork_process(&x->w, 1, outside, "sshfs", 3);
	begin_deadlock(x);
	wait_for(x, SECOND);
	look(x, 0, 1, &outside);
	lose(x, "complete_signal");
	wait_for(x, 6 * SECOND);
	assert_int_equal(x->n, 1);
	assert_true(x->told[0].lost);
	assert_int_equal(x->told[0].kind, STUCK_FUSE_WAITS);
	look(x, 0, 0, NULL);
	lose(x, "sched_process_exit");
	wait_for(x, SECOND);
	assert_int_equal(x->n, 1);
	look(x, 0, 0, NULL);
	wait_for(x, SECOND);
	assert_int_equal(x->n, 2);
	assert_int_equal(x->told[1].kind, STUCK_FUSE_DEADLOCK);
}

/* A thousand processes that take their time, and a close by a task that lives. */
static void test_plain_teardown(void **state)
{
	struct hangs *x = *state;

	be_born(x, 500, 1);
	for (uint32_t i = 0; i < 1000; i++)
		be_born(x, 1000 + i, 2 + i);
	flush(x, WIRE_FUSE_FLUSH_ENTER, 900, false);
	look(x, 0, 0, NULL);
	wait_for(x, 10 * SECOND);
	flush(x, WIRE_FUSE_FLUSH_EXIT, 900, false);
	die(x, 900, 401);
	assert_int_equal(x->n, 0);
	zap(x, WIRE_PIDNS_ZAP_ENTER);
	for (uint32_t i = 0; i < 600; i++)
		die(x, 1000 + i, 2 + i);
	wait_for(x, 5 * SECOND);
	assert_int_equal(x->n, 1);
	assert_int_equal(x->told[0].kind, STUCK_PIDNS);
	assert_int_equal(x->told[0].left, 400);
	zap(x, WIRE_PIDNS_ZAP_EXIT);
	assert_int_equal(x->n, 2);
	/* another one of that number, which those 400 are not in; and one that is quick */
	be_born(x, 2000, 2);
	zap(x, WIRE_PIDNS_ZAP_ENTER);
	wait_for(x, 6 * SECOND);
	assert_int_equal(x->told[2].left, 1);
	zap(x, WIRE_PIDNS_ZAP_EXIT);
	x->n = 2;
	zap(x, WIRE_PIDNS_ZAP_ENTER);
	wait_for(x, 4 * SECOND);
	zap(x, WIRE_PIDNS_ZAP_EXIT);
	wait_for(x, 10 * SECOND);
	assert_int_equal(x->n, 2);
}

/* No namespace is torn down: a task alone cannot exit. */
static void test_task_alone(void **state)
{
	struct hangs *x = *state;

	be_born(x, 501, 2);
	flush(x, WIRE_FUSE_FLUSH_ENTER, 501, true);
	wait_for(x, 2 * SECOND);
	look(x, 0, 0, NULL);
	wait_for(x, 4 * SECOND);
	assert_int_equal(x->n, 1);
	assert_int_equal(x->told[0].kind, STUCK_FUSE_DEADLOCK);
	assert_int_equal(x->told[0].pidns, 0);
	assert_int_equal(x->told[0].init, 0);
	fflush(x->w.out);
	assert_non_null(strstr(x->w.text, "daemon 501 (a.service)  HANGS"));
}

/* The service's own verdict names what holds it, while it does, and the events that prove it. */
static void test_stop_times_out(void **state)
{
	struct hangs *x = *state;

	begin_deadlock(x);
	look(x, 0, 0, NULL);
	wait_for(x, 2 * SECOND);
	run_down(&x->w, "a.service", "timeout", "failed");
	run_down(&x->w, "b.service", "timeout", "failed");
	idle(&x->w);
	assert_int_equal(x->w.n, 2);
	assert_true(x->w.v[0].hangs);
	assert_int_equal(x->w.v[0].hang, STUCK_FUSE_DEADLOCK);
	assert_int_equal(x->w.v[0].hang_init, 500);
	assert_int_equal(x->w.v[0].hang_connection, CONNECTION);
	assert_int_equal(x->w.v[0].n_proof, x->w.v[1].n_proof + 3);
	assert_false(x->w.v[1].hangs);
	fflush(x->w.out);
	assert_non_null(strstr(x->w.text, "\n  hang   fuse-deadlock for 2."));
	assert_non_null(strstr(x->w.text, "\n  root   deadlock on FUSE connection 33"));
	assert_non_null(strstr(x->w.text, "\n  next   svctrace stuck --abort, or: echo 1 >"));
}

/* It fails at once, and who should answer is known a little later: the verdict waits for that. */
static void test_stop_fails_at_once(void **state)
{
	struct hangs *x = *state;

	begin_deadlock(x);
	run_down(&x->w, "a.service", "signal", "failed");
	wait_for(x, 1500 * MS);
	assert_int_equal(x->w.n, 0);
	look(x, 0, 0, NULL);
	wait_for(x, MS);
	assert_int_equal(x->w.n, 1);
	assert_int_equal(x->w.v[0].hang, STUCK_FUSE_DEADLOCK);
	/* no longer than for the time that a look takes */
	run_down(&x->w, "a.service", "signal", "failed");
	flush(x, WIRE_FUSE_FLUSH_EXIT, 501, true);
	flush(x, WIRE_FUSE_FLUSH_ENTER, 502, true);
	wait_for(x, 5 * SECOND);
	assert_int_equal(x->w.n, 2);
}

/* What is over when it is known is no hang, nor is what has just begun. */
static void test_stop_that_does_not_hang(void **state)
{
	struct hangs *x = *state;

	begin_deadlock(x);
	run_down(&x->w, "a.service", "success", "dead");
	wait_for(x, 500 * MS);
	assert_int_equal(x->w.n, 0);
	flush(x, WIRE_FUSE_FLUSH_EXIT, 501, true);
	zap(x, WIRE_PIDNS_ZAP_EXIT);
	idle(&x->w);
	assert_int_equal(x->w.n, 1);
	assert_false(x->w.v[0].hangs);
	begin_deadlock(x);
	look(x, 0, 0, NULL);
	run_down(&x->w, "a.service", "success", "dead");
	idle(&x->w);
	assert_int_equal(x->w.n, 2);
	assert_false(x->w.v[1].hangs);
	/* systemd starts it again: that waits for nothing */
	flush(x, WIRE_FUSE_FLUSH_EXIT, 501, true);
	flush(x, WIRE_FUSE_FLUSH_ENTER, 501, true);
	run_down(&x->w, "a.service", "success", "dead");
	set_state(&x->w, "a.service", "dead", "start", "success");
	assert_int_equal(x->w.n, 3);
}

/* The process that the mount said hello to, and its end. */
static void serve(struct hangs *x, uint32_t tgid, uint32_t ns_tgid)
{
	struct wire_fuse *r = begin(&x->w, WIRE_FUSE_SERVE, tgid);

	r->task = inside(tgid, ns_tgid);
	r->connection = CONNECTION;
	send(&x->w);
}

static void test_served_by(void **state)
{
	struct hangs *x = *state;
	struct wire_signal *s;

	be_born(x, 500, 1);
	be_born(x, 501, 2);
	be_born(x, 502, 3);
	serve(x, 502, 3);
	zap(x, WIRE_PIDNS_ZAP_ENTER);
	s = signal_from(&x->w, 500, "init", 502, 2, SIGKILL);
	s->target = inside(502, 3);
	send(&x->w);
	die(x, 502, 3);
	die(x, 501, 2);
	flush(x, WIRE_FUSE_FLUSH_ENTER, 501, true);
	wait_for(x, SECOND);
	look(x, 0, 0, NULL);
	wait_for(x, 4 * SECOND);
	assert_int_equal(x->n, 1);
	assert_int_equal(x->told[0].kind, STUCK_FUSE_DEADLOCK);
	assert_int_equal(x->told[0].n_servers, 1);
	assert_true(x->told[0].server_dead);
	fflush(x->w.out);
	assert_non_null(strstr(x->w.text, "daemon 502 in pid namespace 4026532201: answered that "
					  "connection's mount, ended at 22:15:00."));
	assert_non_null(strstr(x->w.text, ": SIGKILL from init 500\n"));
	/* another mount gets that number: who answered it lives, and may be the one */
	zap(x, WIRE_PIDNS_ZAP_EXIT);
	flush(x, WIRE_FUSE_FLUSH_EXIT, 501, true);
	serve(x, 777, 4);
	flush(x, WIRE_FUSE_FLUSH_ENTER, 501, true);
	look(x, -ENOTSUP, 0, NULL);
	x->n = 0;
	wait_for(x, 6 * SECOND);
	assert_int_equal(x->n, 1);
	assert_int_equal(x->told[0].kind, STUCK_FUSE_WAITS);
	assert_false(x->told[0].server_dead);
}

/* Where its signals are not seen, a daemon's death by SIGKILL in a teardown is put down to that. */
static void test_served_by_inferred(void **state)
{
	struct hangs *x = *state;

	be_born(x, 500, 1);
	be_born(x, 502, 3);
	serve(x, 502, 3);
	zap(x, WIRE_PIDNS_ZAP_ENTER);
	die(x, 502, 3);
	flush(x, WIRE_FUSE_FLUSH_ENTER, 501, true);
	wait_for(x, 6 * SECOND);
	fflush(x->w.out);
	assert_non_null(
		strstr(x->w.text, ": SIGKILL, as its pid namespace was torn down (inferred)"));
}

#define INNER 4026532300u

static void levels(struct hangs *x, uint32_t tid, unsigned int n, uint32_t innermost)
{
	const uint32_t pidns[] = {INIT_NS, PIDNS, INNER};
	struct wire_pid_levels *r = begin(&x->w, WIRE_PID_LEVELS, tid);

	r->n = n;
	for (unsigned int i = 0; i < n && i < WIRE_PID_LEVELS_MAX; i++) {
		r->level[i].pidns = i < 3 ? pidns[i] : 5000 + i;
		r->level[i].nr = i == 0 ? tid : i + 1 == n ? innermost : 10 + i;
	}
	send(&x->w);
}

static void inner_zap(struct hangs *x, enum wire_kind kind)
{
	struct wire_pidns *r = begin(&x->w, kind, 510);

	r->init = inside(510, 1);
	r->init.pidns = r->pidns = INNER;
	send(&x->w);
	levels(x, 510, 3, 1);
}

/* A namespace in the one that goes holds it up: one story, which names what holds both. */
static void test_nested(void **state)
{
	struct hangs *x = *state;
	struct wire_fuse *r;

	be_born(x, 500, 1);
	be_born(x, 510, 7);
	zap(x, WIRE_PIDNS_ZAP_ENTER);
	levels(x, 500, 2, 1);
	die(x, 510, 7);
	inner_zap(x, WIRE_PIDNS_ZAP_ENTER);
	r = begin(&x->w, WIRE_FUSE_FLUSH_ENTER, 511);
	r->task = inside(511, 2);
	r->task.pidns = INNER;
	r->connection = CONNECTION;
	r->exiting = true;
	send(&x->w);
	levels(x, 511, 3, 2);
	look(x, 0, 0, NULL);
	wait_for(x, 6 * SECOND);
	assert_int_equal(x->n, 1);
	assert_int_equal(x->told[0].init, 500);
	assert_int_equal(x->told[0].kind, STUCK_FUSE_DEADLOCK);
	assert_int_equal(x->told[0].connection, CONNECTION);
	assert_int_equal(x->told[0].left, 2);
	fflush(x->w.out);
	assert_non_null(strstr(x->w.text, "daemon 510 (by namespace: 510 11 1): was told"));
	assert_non_null(strstr(x->w.text, "daemon 511 (by namespace: 511 11 2): exits, and"));
	/* more levels than are kept */
	levels(x, 511, 32, 2);
	wait_for(x, SECOND);
	inner_zap(x, WIRE_PIDNS_ZAP_EXIT);
	assert_int_equal(x->n, 1);
	zap(x, WIRE_PIDNS_ZAP_EXIT);
	assert_int_equal(x->n, 2);
	assert_true(x->told[1].ended);
}

/* ---- what has nothing to do with FUSE ---- */

static void thread(struct hangs *x, uint32_t tgid, uint32_t ns_tid, char state, uint64_t cpu_ns,
		   const char *stack)
{
	struct wire_thread *t = begin(&x->w, WIRE_THREAD, tgid);

	t->task = inside(tgid, ns_tid);
	t->state = state;
	t->flags = tgid == 500 ? STUCK_TASK_EXITS : 0;
	t->cpu_ns = cpu_ns;
	t->ns_tid = ns_tid;
	wb_str(&x->w.b, &t->stack, stack);
	send(&x->w);
	levels(x, tgid, 2, ns_tid);
}

/* The init waits for 501, which got that much CPU time so far. */
static void look_inside(struct hangs *x, char state, uint64_t cpu_ns, const char *stack)
{
	struct wire_pidns_look *l;

	thread(x, 500, 1, 'S', MS, "kernel_wait4\nzap_pid_ns_processes\ndo_exit\n");
	thread(x, 501, 2, state, cpu_ns, stack);
	l = begin(&x->w, WIRE_PIDNS_LOOK, 0);
	l->pidns = PIDNS;
	l->n = 2;
	send(&x->w);
}

static void begin_teardown(struct hangs *x)
{
	be_born(x, 500, 1);
	be_born(x, 501, 2);
	zap(x, WIRE_PIDNS_ZAP_ENTER);
	levels(x, 500, 2, 1);
	wait_for(x, SECOND);
}

#define WAITS_FOR_MOUNT "rwsem_down_write_slowpath\ndo_move_mount\n__x64_sys_move_mount\n"

/* One look shows where a thread is, two that it stays there. */
static void test_held(void **state)
{
	struct hangs *x = *state;

	begin_teardown(x);
	look_inside(x, 'D', MS, WAITS_FOR_MOUNT);
	wait_for(x, 5 * SECOND);
	assert_int_equal(x->n, 1);
	assert_int_equal(x->told[0].kind, STUCK_PIDNS);
	assert_non_null(strstr(x->told[0].next, "svctrace stuck"));
	look_inside(x, 'D', MS, WAITS_FOR_MOUNT);
	wait_for(x, SECOND);
	assert_int_equal(x->n, 2);
	assert_int_equal(x->told[1].kind, STUCK_MOUNT);
	assert_int_equal(x->told[1].init, 500);
	assert_int_equal(x->told[1].left, 1);
	assert_int_equal(x->told[1].n_waiters, 1);
	assert_int_equal(x->told[1].n_proof, 3); /* the teardown, the two looks */
	assert_non_null(strstr(x->told[1].root, "it waits for the mounts"));
	zap(x, WIRE_PIDNS_ZAP_EXIT);
	assert_int_equal(x->n, 3);
	assert_true(x->told[2].ended);
	assert_int_equal(x->told[2].kind, STUCK_MOUNT);
	assert_int_equal(x->told[2].n_waiters, 0);
	fflush(x->w.out);
	assert_non_null(strstr(x->w.text, "HANGS  mount for "));
	assert_non_null(strstr(x->w.text, "daemon 501 (2 in its namespace): was told to end and "
					  "cannot: rwsem_down_write_slowpath < do_move_mount < "
					  "__x64_sys_move_mount\n"));
}

/* It has run in between, or runs; and where a FUSE file is flushed, that says more. */
static void test_not_held(void **state)
{
	struct hangs *x = *state;

	begin_teardown(x);
	look_inside(x, 'D', MS, WAITS_FOR_MOUNT);
	look_inside(x, 'D', 2 * MS, WAITS_FOR_MOUNT);
	wait_for(x, 5 * SECOND);
	look_inside(x, 'R', 2 * MS, WAITS_FOR_MOUNT);
	wait_for(x, SECOND);
	assert_int_equal(x->n, 1);
	assert_int_equal(x->told[0].kind, STUCK_PIDNS);
	assert_int_equal(x->told[0].n_waiters, 0);
	look_inside(x, 'S', 2 * MS, "do_nanosleep\n");
	look_inside(x, 'S', 2 * MS, "do_nanosleep\n");
	wait_for(x, SECOND);
	assert_int_equal(x->n, 1);
	look_inside(x, 'D', 2 * MS, WAITS_FOR_MOUNT);
	look_inside(x, 'D', 2 * MS, WAITS_FOR_MOUNT);
	flush(x, WIRE_FUSE_FLUSH_ENTER, 501, true);
	look(x, 0, 0, NULL);
	wait_for(x, SECOND);
	assert_int_equal(x->n, 2);
	assert_int_equal(x->told[1].kind, STUCK_FUSE_DEADLOCK);
}

/* Of another namespace, or of one whose end was seen: of nothing. */
static void test_look_at_nothing(void **state)
{
	struct hangs *x = *state;

	look_inside(x, 'D', MS, WAITS_FOR_MOUNT);
	begin_teardown(x);
	look_inside(x, 'D', MS, WAITS_FOR_MOUNT);
	zap(x, WIRE_PIDNS_ZAP_EXIT);
	look_inside(x, 'D', MS, WAITS_FOR_MOUNT);
	wait_for(x, 10 * SECOND);
	assert_int_equal(x->n, 0);
}

static void test_json(void **state)
{
	const struct render_options o = {.format = RENDER_JSON, .utc = true};
	struct hangs x;

	(void)state;
	new_with(&x, &o);
	begin_deadlock(&x);
	look(&x, 0, 0, NULL);
	wait_for(&x, 6 * SECOND);
	fflush(x.w.out);
	assert_non_null(strstr(x.w.text, "\"event.name\":\"svctrace.hang\""));
	assert_non_null(strstr(x.w.text, "\"kind\":\"fuse-deadlock\",\"begin_time\":"));
	assert_non_null(strstr(x.w.text,
			       "\"init\":{\"text\":\"was told to end and waits until its pid "
			       "namespace is empty\",\"exiting\":true,\"thread.id\":500,"
			       "\"thread.ids_in_namespaces\":[],\"pid_namespace\":4026532201,"
			       "\"kernel_stack\":[],\"process.pid\":500,\"process.vpid\":1,"));
	assert_non_null(strstr(x.w.text, "\"fuse_connection\":33"));
	world_done(&x.w);
}

/* Only the units that were asked for; causes are of stops. */
static void test_filters(void **state)
{
	const char *const other[] = {"b.service", NULL}, *const same[] = {"a", NULL};
	const struct render_options options[] = {
		{.units = other},
		{.causes = 1u << CAUSE_MAIN_KILLED},
		{.units = same},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(options); i++) {
		struct hangs x;

		new_with(&x, &options[i]);
		begin_deadlock(&x);
		wait_for(&x, 10 * SECOND);
		assert_int_equal(x.n, 1);
		fflush(x.w.out);
		assert_int_equal(strstr(x.w.text, "HANGS") != NULL, i == 2);
		world_done(&x.w);
	}
}

/* More than are kept, and what the sink refuses. */
static void test_bounds(void **state)
{
	struct hangs *x = *state;

	for (uint32_t i = 0; i < 2000; i++)
		flush(x, WIRE_FUSE_FLUSH_ENTER, 501 + i, false);
	begin_deadlock(x);
	wait_for(x, 10 * SECOND);
	assert_int_equal(x->n, 1);
	assert_int_equal(x->told[0].n_waiters, 8);
	x->w.refuse = -EPIPE;
	begin(&x->w, WIRE_PIDNS_ZAP_EXIT, 500);
	assert_int_equal(decoder_feed(x->w.decoder, x->w.b.bytes, wb_hdr(&x->w.b)->size), -EPIPE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_deadlock, setup, teardown),
		cmocka_unit_test_setup_teardown(test_slow_then_dead, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_provable, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stopped_daemons, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_was_lost, setup, teardown),
		cmocka_unit_test_setup_teardown(test_plain_teardown, setup, teardown),
		cmocka_unit_test_setup_teardown(test_task_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stop_times_out, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stop_fails_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stop_that_does_not_hang, setup, teardown),
		cmocka_unit_test_setup_teardown(test_served_by, setup, teardown),
		cmocka_unit_test_setup_teardown(test_served_by_inferred, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nested, setup, teardown),
		cmocka_unit_test_setup_teardown(test_held, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_held, setup, teardown),
		cmocka_unit_test_setup_teardown(test_look_at_nothing, setup, teardown),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_filters),
		cmocka_unit_test_setup_teardown(test_bounds, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
