/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Watchdogs that fire and stops that take long: what was seen of the threads meanwhile. */
#include <errno.h>
#include <jansson.h>

#include "svctrace/cleanup.h"
#include "world.h"

#define A	 "a.service"
#define INTERVAL (2 * SECOND)

static struct wire_keepalive *keepalive(struct world *w, uint64_t at_ns, const char *state)
{
	struct wire_keepalive *k = begin(w, WIRE_SERVICE_KEEPALIVE, w->manager);

	k->at_usec = at_ns / 1000;
	k->unit_usec = k->started_usec = INTERVAL / 1000;
	k->main_pid = 1290;
	k->state = STATE(state);
	wb_str(&w->b, &k->id, A);
	return k;
}

static void send_keepalive(struct world *w, const char *state)
{
	keepalive(w, w->now, state);
	send(w);
}

static void send_thread(struct world *w, uint32_t tgid, uint32_t tid, const char *comm, char state,
			const char *stack)
{
	struct wire_thread *t = begin(w, WIRE_THREAD, tgid);

	t->task = task(tgid, comm, 2);
	t->task.tid = tid;
	t->state = state;
	t->cpu_ns = 7 * MS;
	t->cpu_since_ns = state == 'R' ? 5 * MS : WIRE_CPU_UNKNOWN;
	wb_str(&w->b, &t->stack, stack);
	send(w);
}

static void send_look(struct world *w, enum wire_look_reason reason, unsigned int n)
{
	struct wire_look *l = begin(w, WIRE_LOOK, w->manager);

	l->reason = reason;
	l->at_ns = w->now;
	l->n = n;
	wb_str(&w->b, &l->id, A);
	send(w);
}

static void look_at(struct world *w, enum wire_look_reason reason, const char *function)
{
	char stack[64];

	snprintf(stack, sizeof(stack), "%s\nksys_read\n", function);
	send_thread(w, 1290, 1290, "daemon", 'S', stack);
	send_look(w, reason, 1);
}

static void fire(struct world *w)
{
	service(w, WIRE_SERVICE_WATCHDOG, A, "running", 1290);
	send(w);
	enter_signal(w, A, "running", 1290, "stop-watchdog", "watchdog");
}

static void end(struct world *w, const char *from)
{
	enter_dead(w, A, from, "success");
	set_state(w, A, from, "failed", "watchdog");
	idle(w);
	fflush(w->out);
}

/* The first line of that event. The caller drops it. */
static json_t *line_of(struct world *w, const char *event)
{
	const char *at = w->text;

	while (*at) {
		size_t n = strcspn(at, "\n");
		json_t *j = json_loadb(at, n, 0, NULL);

		assert_non_null(j);
		if (strcmp(json_string_value(json_object_get(j, "event.name")), event) == 0)
			return j;
		json_decref(j);
		at += n + (at[n] == '\n');
	}
	fail_msg("no %s in %s", event, w->text);
	return NULL;
}

/* path: keys, parted by blanks; a number is an index. */
static json_t *at(json_t *j, const char *path)
{
	_cleanup_free_ char *copy = strdup(path);
	char *save = NULL;

	for (char *key = strtok_r(copy, " ", &save); key; key = strtok_r(NULL, " ", &save)) {
		j = json_is_array(j) ? json_array_get(j, (size_t)atoi(key))
				     : json_object_get(j, key);
		if (!j)
			fail_msg("no %s in %s", key, path);
	}
	return j;
}

static void expect_number(json_t *j, const char *path, uint64_t want)
{
	assert_int_equal(json_integer_value(at(j, path)), want);
}

static void expect_text(json_t *j, const char *path, const char *want)
{
	assert_string_equal(json_string_value(at(j, path)), want);
}

static void test_missed(void **state)
{
	struct world *w = *state;
	uint64_t last;
	json_auto_t *j = NULL;

	send_probe(w, "service_start_watchdog", 0);
	send_keepalive(w, "start");
	for (unsigned int i = 0; i < 10; i++) {
		w->now += SECOND;
		send_keepalive(w, "running");
	}
	last = w->now - MS;
	w->now = last + INTERVAL - INTERVAL / 10;
	look_at(w, WIRE_LOOK_KEEPALIVE_DUE, "pipe_read");
	w->now = last + INTERVAL;
	fire(w);
	end(w, "stop-watchdog");
	j = line_of(w, "svctrace.verdict");
	expect_number(j, "watchdog interval_ns", INTERVAL);
	expect_text(j, "watchdog interval_from", "unit");
	expect_number(j, "watchdog last_keepalive_age_ns", INTERVAL + MS);
	assert_true(json_is_true(at(j, "watchdog history")));
	assert_int_equal(json_array_size(at(j, "watchdog keepalives")), 8);
	expect_number(j, "watchdog keepalives 7 gap_ns", SECOND + MS);
	assert_true(json_is_null(at(j, "watchdog keepalives 0 gap_ns")));
	expect_number(j, "watchdog keepalives_earlier", 3);
	expect_text(j, "watchdog look reason", "keepalive-due");
	expect_text(j, "watchdog look threads 0 wait_channel", "pipe_read");
	expect_text(j, "watchdog look threads 0 kernel_stack 1", "ksys_read");
	assert_true(json_is_null(at(j, "watchdog look threads 0 cpu_since_keepalive_ns")));
	assert_true(json_is_null(at(j, "left")));
}

/* What it did before the keepalive that it sent after all is of no interest. */
static void test_recovered(void **state)
{
	struct world *w = *state;
	json_auto_t *j = NULL;

	send_keepalive(w, "running");
	look_at(w, WIRE_LOOK_KEEPALIVE_DUE, "pipe_read");
	send_keepalive(w, "running");
	service(w, WIRE_SERVICE_WATCHDOG, A, "running", 1290);
	send(w);
	look_at(w, WIRE_LOOK_WATCHDOG, "futex_wait");
	enter_signal(w, A, "running", 1290, "stop-watchdog", "watchdog");
	end(w, "stop-watchdog");
	j = line_of(w, "svctrace.verdict");
	expect_text(j, "watchdog look reason", "watchdog");
	expect_text(j, "watchdog look threads 0 wait_channel", "futex_wait");
}

/* A reload sets the timer anew: that is no keepalive, and what was seen before still counts. */
static void test_reload(void **state)
{
	struct world *w = *state;
	uint64_t first;
	json_auto_t *j = NULL;

	first = w->now;
	send_keepalive(w, "running");
	look_at(w, WIRE_LOOK_KEEPALIVE_DUE, "pipe_read");
	keepalive(w, first, "running");
	send(w);
	fire(w);
	end(w, "stop-watchdog");
	j = line_of(w, "svctrace.verdict");
	assert_int_equal(json_array_size(at(j, "watchdog keepalives")), 1);
	expect_text(j, "watchdog look reason", "keepalive-due");
}

static void test_override(void **state)
{
	struct wire_keepalive *k;
	struct world *w = *state;
	json_auto_t *j = NULL;

	k = keepalive(w, w->now, "running");
	k->by_message = 1;
	k->message_usec = 300000;
	send(w);
	/* on some builds only this tells, and the look comes behind it */
	enter_signal(w, A, "running", 1290, "stop-watchdog", "watchdog");
	look_at(w, WIRE_LOOK_WATCHDOG, "futex_wait");
	end(w, "stop-watchdog");
	j = line_of(w, "svctrace.verdict");
	expect_number(j, "watchdog interval_ns", 300 * MS);
	expect_text(j, "watchdog interval_from", "message");
	expect_number(j, "watchdog unit_interval_ns", INTERVAL);
	assert_false(json_is_true(at(j, "watchdog history")));
	expect_text(j, "watchdog look threads 0 wait_channel", "futex_wait");
}

static void test_nothing_seen(void **state)
{
	struct world *w = *state;
	json_auto_t *j = NULL;

	fire(w);
	send_look(w, WIRE_LOOK_WATCHDOG, 0);
	end(w, "stop-watchdog");
	j = line_of(w, "svctrace.verdict");
	assert_true(json_is_null(at(j, "watchdog interval_ns")));
	assert_true(json_is_null(at(j, "watchdog last_keepalive_age_ns")));
	assert_true(json_is_null(at(j, "watchdog look")));
	assert_int_equal(json_array_size(at(j, "watchdog keepalives")), 0);
}

/* svctrace came after the last keepalive: systemd itself says when that was. */
static void test_facts(void **state)
{
	struct wire_service_facts *f;
	struct world *w = *state;
	json_auto_t *j = NULL;

	f = begin(w, WIRE_SERVICE_FACTS, w->manager);
	f->watchdog_timestamp_usec = (w->now - SECOND) / 1000;
	f->watchdog_usec = f->watchdog_original_usec = SECOND / 1000;
	wb_str(&w->b, &f->id, A);
	send(w);
	fire(w);
	end(w, "stop-watchdog");
	j = line_of(w, "svctrace.verdict");
	expect_number(j, "watchdog interval_ns", SECOND);
	expect_text(j, "watchdog interval_from", "unit");
	expect_number(j, "watchdog last_keepalive_age_ns", SECOND + 2 * MS);
	assert_int_equal(json_array_size(at(j, "watchdog keepalives")), 1);
	assert_false(json_is_true(at(j, "watchdog history")));
}

/* The stop's first state times out, and the process is killed at once. */
static void begin_stop(struct world *w)
{
	run_job(w, A, "running", 1290, 7, "stop");
	enter_stop(w, A, "running", 1290, "success");
	enter_signal(w, A, "running", 1290, "stop-sigterm", "success");
	set_state(w, A, "running", "stop-sigterm", "success");
}

static void time_out(struct world *w, const char *state, const char *next)
{
	service(w, WIRE_SERVICE_TIMER, A, state, 1290);
	send(w);
	look_at(w, WIRE_LOOK_TIMEOUT, "do_exit");
	enter_signal(w, A, state, 1290, next, "timeout");
	set_state(w, A, state, next, "timeout");
}

static void test_stop_timeout(void **state)
{
	struct world *w = *state;
	json_auto_t *j = NULL;

	begin_stop(w);
	look_at(w, WIRE_LOOK_TIMEOUT_DUE, "request_wait_answer");
	time_out(w, "stop-sigterm", "stop-sigkill");
	end(w, "stop-sigkill");
	j = line_of(w, "svctrace.verdict");
	expect_text(j, "left reason", "timeout-due");
	expect_text(j, "left threads 0 wait", "fuse");
	assert_true(json_is_null(at(j, "watchdog")));
}

/* Nobody looked in time: what was there behind it. Who was seen in an earlier state is forgotten.
 */
static void test_stop_timeout_late(void **state)
{
	struct world *w = *state;
	json_auto_t *j = NULL;

	begin_stop(w);
	look_at(w, WIRE_LOOK_TIMEOUT_DUE, "pipe_read");
	set_state(w, A, "stop-sigterm", "stop-post", "success");
	time_out(w, "stop-post", "final-sigterm");
	end(w, "final-sigterm");
	j = line_of(w, "svctrace.verdict");
	expect_text(j, "left reason", "timeout");
	expect_text(j, "left threads 0 wait_channel", "do_exit");
}

static void test_stop_in_time(void **state)
{
	struct world *w = *state;
	json_auto_t *j = NULL;

	begin_stop(w);
	look_at(w, WIRE_LOOK_TIMEOUT_DUE, "pipe_read");
	end(w, "stop-sigterm");
	j = line_of(w, "svctrace.verdict");
	assert_true(json_is_null(at(j, "left")));
}

/* One of them; the rest of the stop is as ever. */
static json_t *time_out_on(struct world *w, char state, const char *stack)
{
	begin_stop(w);
	send_thread(w, 1290, 1290, "daemon", state, stack);
	send_thread(w, 1290, 1291, "worker", 'S', "futex_wait\ndo_futex\n");
	send_look(w, WIRE_LOOK_TIMEOUT_DUE, 2);
	time_out(w, "stop-sigterm", "stop-sigkill");
	end(w, "stop-sigkill");
	return line_of(w, "svctrace.verdict");
}

static void expect_hold(json_t *j, const char *kind, const char *certainty)
{
	assert_int_equal(json_array_size(at(j, "left held")), 1);
	expect_text(j, "left held 0 kind", kind);
	expect_text(j, "left held 0 certainty", certainty);
	assert_int_equal(json_array_size(at(j, "left held 0 thread_ids")), 1);
	expect_number(j, "left held 0 thread_ids 0", 1290);
}

static void test_held_by_a_stop(void **state)
{
	json_auto_t *j = time_out_on(*state, 'T', "do_signal_stop\nget_signal\n");

	expect_hold(j, "stopped", "certain");
	expect_text(j, "left held 0 root", "it is stopped");
	expect_text(j, "left held 0 next", "let it go on: kill -CONT 1290");
}

static void test_held_by_a_tracer(void **state)
{
	json_auto_t *j = time_out_on(*state, 't', "ptrace_stop\nget_signal\n");

	expect_hold(j, "traced", "inferred");
	expect_text(j, "left held 0 next",
		    "let it go on there, or end the tracer, which is TracerPid in "
		    "/proc/1290/status");
}

/* It sleeps as others do, and only its stack tells. */
static void test_held_by_a_core_dump(void **state)
{
	json_auto_t *j = time_out_on(*state, 'S', "pipe_write\ndump_emit\ndo_coredump\n");

	expect_hold(j, "core-dump", "certain");
}

static void test_held_by_a_server(void **state)
{
	json_auto_t *j = time_out_on(*state, 'D', "rpc_wait_bit_killable\nnfs3_proc_lookup\n");

	expect_hold(j, "nfs", "inferred");
	expect_text(j, "left held 0 root", "NFS mount: the server does not answer");
}

static void test_held_by_a_freezer(void **state)
{
	struct world *w = *state;
	struct wire_path *r = begin(w, WIRE_CGROUP_FROZEN, 0);
	json_auto_t *j = NULL;

	r->id = 2;
	r->value = 1;
	wb_str(&w->b, &r->path, "/system.slice/" A);
	send(w);
	j = time_out_on(w, 'S', "do_freezer_trap\nget_signal\n");
	expect_hold(j, "frozen", "certain");
	expect_text(j, "left held 0 root", "its cgroup /system.slice/" A " is frozen");
	expect_text(j, "left held 0 next",
		    "thaw it: echo 0 > /sys/fs/cgroup/system.slice/" A "/cgroup.freeze");
}

/* Who sleeps, runs, or waits for what nobody knows is held by nothing that can be named. */
static void test_held_by_nothing(void **state)
{
	struct world *w = *state;
	json_auto_t *j = NULL;

	begin_stop(w);
	send_thread(w, 1290, 1290, "daemon", 'S', "pipe_read\n");
	send_thread(w, 1290, 1291, "daemon", 'R', "io_schedule\n");
	send_thread(w, 1290, 1292, "daemon", 'D', "something\n");
	send_thread(w, 1293, 1293, "daemon", 'Z', "");
	send_look(w, WIRE_LOOK_TIMEOUT_DUE, 4);
	time_out(w, "stop-sigterm", "stop-sigkill");
	end(w, "stop-sigkill");
	j = line_of(w, "svctrace.verdict");
	assert_int_equal(json_array_size(at(j, "left threads")), 4);
	assert_int_equal(json_array_size(at(j, "left held")), 0);
}

static void test_held_text(void **state)
{
	struct world *w = *state;

	begin_stop(w);
	send_thread(w, 1290, 1290, "a\033b", 'T', "do_signal_stop\n");
	send_thread(w, 1290, 1291, "worker", 'D', "io_schedule\n");
	send_look(w, WIRE_LOOK_TIMEOUT_DUE, 2);
	time_out(w, "stop-sigterm", "stop-sigkill");
	end(w, "stop-sigkill");
	assert_non_null(strstr(w->text, "\n  held   stopped (1290): it is stopped; let it go on: "
					"kill -CONT 1290\n"));
	assert_non_null(
		strstr(w->text, "disk (1291, inferred): it waits for a disk; see whether "));
	assert_null(strchr(w->text, 033));
}

/* The last to leave a cgroup: nine that exit, one that is killed, one that is moved. */
static void test_left_cgroup(void **state)
{
	struct wire_attach *a;
	struct world *w = *state;
	json_auto_t *j = NULL;

	send_cgroup(w, WIRE_CGROUP, 20, "/user.slice/x.scope");
	for (uint32_t i = 0; i < 11; i++)
		fork_process(w, 1, 100 + i, "worker", 2);
	for (uint32_t i = 0; i < 9; i++)
		exit_process(w, 100 + i, "worker", 2, (int)i << 8);
	signal_from(w, 11733, "kill", 109, 2, SIGKILL);
	send(w);
	exit_process(w, 109, "worker", 2, SIGKILL);
	for (unsigned int whole = 0; whole < 2; whole++) {
		a = begin(w, WIRE_CGROUP_ATTACH, 11734);
		a->task = task(110, "worker", 2);
		a->task.tid += whole == 0; /* a thread alone: its process stays */
		a->cgroup = 20;
		a->threadgroup = whole;
		send(w);
	}
	service(w, WIRE_SERVICE_CGROUP_EMPTY, A, "running", 0);
	send(w);
	run_down(w, A, "success", "dead");
	idle(w);
	fflush(w->out);
	j = line_of(w, "svctrace.verdict");
	assert_int_equal(json_array_size(at(j, "left_cgroup")), LEAVERS_MAX);
	expect_number(j, "left_cgroup_earlier", 11 - LEAVERS_MAX);
	expect_text(j, "left_cgroup 5 how", "exited");
	expect_number(j, "left_cgroup 5 code", 8);
	assert_true(json_is_null(at(j, "left_cgroup 5 by")));
	expect_text(j, "left_cgroup 6 how", "killed");
	expect_text(j, "left_cgroup 6 signal", "SIGKILL");
	expect_number(j, "left_cgroup 6 by process.pid", 11733);
	expect_text(j, "left_cgroup 6 by certainty", "certain");
	expect_text(j, "left_cgroup 6 by ancestors 1 process.command", "sshd");
	expect_text(j, "left_cgroup 7 how", "moved");
	expect_text(j, "left_cgroup 7 moved_to", "/user.slice/x.scope");
	expect_number(j, "left_cgroup 7 process.pid", 110);
	expect_number(j, "left_cgroup 7 by process.pid", 11734);
}

static int on_slow(void *ctx, const struct slow_notice *s)
{
	struct world *w = ctx;

	return render_slow(w->renderer, s) < 0 ? -1 : 0;
}

static void test_slow(void **state)
{
	struct world *w = *state;
	json_auto_t *j = NULL;

	engine_tell_slow(w->engine, on_slow, w);
	send_look(w, WIRE_LOOK_SLOW, 1); /* of a stop that nothing is known of */
	begin_stop(w);
	w->now += SECOND;
	look_at(w, WIRE_LOOK_SLOW, "pipe_read");
	fflush(w->out);
	assert_null(strstr(w->text, "svctrace.verdict")); /* it is told while it lasts */
	j = line_of(w, "svctrace.slow");
	expect_text(j, "systemd.unit.name", A);
	expect_text(j, "systemd.unit.sub_state", "stop-sigterm");
	assert_true(json_integer_value(at(j, "duration_ns")) > (json_int_t)SECOND);
	expect_text(j, "left threads 0 wait_channel", "pipe_read");
	json_decref(j);
	end(w, "stop-sigterm");
	j = line_of(w, "svctrace.verdict");
	expect_text(j, "left reason", "slow");
}

/* The unit enters a state in which it has these processes. */
static void enter(struct world *w, const char *from, const char *to, int main_pid, int control_pid)
{
	struct wire_service *s = service(w, WIRE_SERVICE_SET_STATE, A, from, main_pid);

	s->arg[0] = STATE(to);
	s->control_pid = control_pid;
	send(w);
}

/* What systemd waits for, by the state and the processes that the unit has then. */
static void test_waits_for(void **state)
{
	static const struct {
		const char *before, *stopping; /* states; a command runs in the first */
		int main_pid, control_pid;
		const char *text;
	} cases[] = {
		{"running", "stop", 1290, 77, "its ExecStop= command helper 77"},
		{"running", "stop-sigterm", 1290, 0, "its main process daemon 1290"},
		{"running", "stop-sigterm", 4000, 0, "its main process"},
		{"stop", "stop-sigterm", 1290, 77,
		 "its main process daemon 1290 and its ExecStop= command helper 77"},
		{"start-pre", "stop-sigkill", 0, 77, "its ExecStartPre= command helper 77"},
		{"stop-sigterm", "stop-post", 0, 77, "its ExecStopPost= command helper 77"},
		{"stop-sigterm", "final-sigkill", 0, 0,
		 "what is left in its cgroup, as KillMode= has it: a\\x1b 2000, idle 2001"},
		{"stop-sigterm", "final-sigterm", WIRE_NONE, 0, NULL},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct wire_service *r;
		json_auto_t *j = NULL;
		struct world w;

		world_new(&w, RENDER_JSON);
		fork_process(&w, 1, 77, "helper", 2);
		fork_process(&w, 1, 1290, "daemon", 2);
		r = service(&w, WIRE_SERVICE_ENTER_SIGNAL, A, cases[i].before, 1290);
		r->control_pid = cases[i].control_pid;
		send(&w);
		enter(&w, cases[i].before, cases[i].stopping, cases[i].main_pid,
		      cases[i].control_pid);
		send_thread(&w, 2000, 2000, "a\033", 'S', "");
		send_thread(&w, 2000, 2002, "thread", 'S', "");
		send_thread(&w, 2001, 2001, "idle", 'S', "");
		send_look(&w, WIRE_LOOK_TIMEOUT_DUE, 3);
		time_out(&w, cases[i].stopping, "final-sigkill");
		end(&w, "final-sigkill");
		j = line_of(&w, "svctrace.verdict");
		if (cases[i].text)
			expect_text(j, "left waits_for text", cases[i].text);
		else
			assert_true(json_is_null(at(j, "left waits_for")));
		world_done(&w);
	}
}

/* Of several commands that run one after the other, which is the next one is not told. */
static void test_waits_for_the_next_command(void **state)
{
	struct world *w = *state;
	struct wire_service *s;
	json_auto_t *j = NULL;

	engine_tell_slow(w->engine, on_slow, w);
	fork_process(w, 1, 77, "helper", 2);
	enter_stop(w, A, "running", 1290, "success");
	enter(w, "running", "stop", 1290, 77);
	s = service(w, WIRE_SERVICE_SIGCHLD, A, "stop", 1290);
	s->control_pid = s->arg[0] = 77;
	s->arg[1] = CLD_EXITED;
	s->arg[2] = 0;
	send(w);
	look_at(w, WIRE_LOOK_SLOW, "pipe_read");
	j = line_of(w, "svctrace.slow");
	expect_text(j, "left waits_for what 0", "control-process");
	expect_text(j, "left waits_for setting", "ExecStop");
	expect_text(j, "left waits_for text", "its ExecStop= command");
	assert_true(json_is_null(at(j, "left waits_for control_process")));
}

/* Of more threads than fit, those that cannot end are kept. */
static void test_many_threads(void **state)
{
	unsigned int waiting = 0;
	struct world *w = *state;
	json_auto_t *j = NULL;

	begin_stop(w);
	for (unsigned int i = 0; i < 40; i++)
		send_thread(w, 2000 + i, 2000 + i, "worker",
			    i % 10 == 9 ? 'D'
			    : i % 2	? 'Z'
					: 'S',
			    "");
	send_look(w, WIRE_LOOK_TIMEOUT_DUE, 200);
	time_out(w, "stop-sigterm", "stop-sigkill");
	end(w, "stop-sigkill");
	j = line_of(w, "svctrace.verdict");
	assert_int_equal(json_array_size(at(j, "left threads")), LOOK_THREADS_MAX);
	expect_number(j, "left threads_left_out", 200 - LOOK_THREADS_MAX);
	for (size_t i = 0; i < LOOK_THREADS_MAX; i++) {
		const char *s = json_string_value(
			json_object_get(json_array_get(at(j, "left threads"), i), "state"));

		assert_string_not_equal(s, "Z");
		waiting += *s == 'D';
	}
	assert_int_equal(waiting, 4);
}

static void test_text(void **state)
{
	struct world *w = *state;

	engine_tell_slow(w->engine, on_slow, w);
	send_probe(w, "service_start_watchdog", 0);
	send_keepalive(w, "running");
	w->now += SECOND;
	send_keepalive(w, "running");
	w->now += SECOND;
	send_thread(w, 1290, 1290, "da\x1b[2Jemon", 'R', "");
	send_thread(w, 1290, 1291, "flusher", 'D', "fuse_flush\nfilp_close\ndo_exit\nx\n");
	send_look(w, WIRE_LOOK_KEEPALIVE_DUE, 3);
	fire(w);
	w->now += SECOND;
	look_at(w, WIRE_LOOK_SLOW, "pipe_read");
	end(w, "stop-watchdog");
	assert_non_null(strstr(w->text, "  alive  last keepalive 1.0s before, interval 2.0s "
					"(WatchdogSec=); before it every 1.0s\n"));
	assert_non_null(
		strstr(w->text, "da\\x1b[2Jemon 1290 runs; ran 5ms since its last keepalive\n"));
	assert_non_null(strstr(w->text,
			       "flusher 1290 thread 1291 waits and takes no signal (fuse): "
			       "fuse_flush < filp_close < do_exit < …\n"));
	assert_non_null(strstr(w->text, "and 1 more\n"));
	assert_non_null(strstr(w->text, "a.service  SLOW  stops for 1.0s, state running\n"));
	assert_null(strchr(w->text, '\x1b'));
}

static void send_user_stack(struct world *w, uint32_t tid, unsigned int error, unsigned int end,
			    const struct wb_frame *frames, size_t n)
{
	wb_user_stack(&w->b, error, end, frames, n);
	wb_hdr(&w->b)->tgid = 1290;
	wb_hdr(&w->b)->tid = tid;
	wb_hdr(&w->b)->mono_ns = w->now;
	send(w);
}

static const struct wb_frame waiting[] = {
	{"read", "/usr/lib/libc.so.6", 0x10c1dd, 61, 0},
	{"wait_\x1b[2J", "/usr/bin/daemon", 0x1190, 9, WIRE_FRAME_GUESS},
	{NULL, "/usr/bin/dae\x1b[2Jmon", 0x12f0, 0, 0},
	{NULL, NULL, 0x7f0000000000, 0, 0},
};

/* Three threads: of one its stack is told, of one why not, of one nobody asked. */
static void look_at_users(struct world *w)
{
	send_probe(w, "service_start_watchdog", 0);
	send_keepalive(w, "running");
	w->now += SECOND;
	send_thread(w, 1290, 1290, "daemon", 'S', "pipe_read\n");
	send_user_stack(w, 1290, WIRE_USER_STACK_RAN, WIRE_STACK_WHOLE, NULL, 0);
	send_user_stack(w, 1290, WIRE_USER_STACK_TAKEN, WIRE_STACK_CUT, waiting,
			ARRAY_LEN(waiting));
	send_user_stack(w, 99, WIRE_USER_STACK_TAKEN, WIRE_STACK_CUT, waiting, ARRAY_LEN(waiting));
	send_thread(w, 1290, 1291, "burner", 'R', "");
	send_user_stack(w, 1291, WIRE_USER_STACK_RUNS, WIRE_STACK_WHOLE, NULL, 0);
	send_thread(w, 1290, 1292, "napper", 'S', "");
	send_look(w, WIRE_LOOK_KEEPALIVE_DUE, 3);
	fire(w);
	end(w, "stop-watchdog");
}

static void test_user_stacks_text(void **state)
{
	struct world *w = *state;

	look_at_users(w);
	assert_non_null(strstr(w->text, "daemon 1290 sleeps: pipe_read\n         in user space: "
					"read < wait_\\x1b[2J? < dae\\x1b[2Jmon+0x12f0 < "
					"0x7f0000000000 < …\n"));
	assert_non_null(strstr(w->text, "\n         in user space: not known (runs)\n"));
	assert_null(strstr(strstr(w->text, "napper"), "in user space"));
	assert_null(strchr(w->text, '\x1b'));
}

static void test_user_stacks_json(void **state)
{
	struct world *w = *state;
	json_auto_t *j = NULL;

	look_at_users(w);
	j = line_of(w, "svctrace.verdict");
	assert_true(json_is_null(at(j, "watchdog look threads 0 user_stack_error")));
	expect_text(j, "watchdog look threads 0 user_stack_end", "cut");
	expect_text(j, "watchdog look threads 0 user_stack 0 function", "read");
	expect_number(j, "watchdog look threads 0 user_stack 0 offset", 61);
	assert_int_equal(json_array_size(at(j, "watchdog look threads 0 user_stack")), 4);
	expect_text(j, "watchdog look threads 1 user_stack_error", "runs");
	assert_int_equal(json_array_size(at(j, "watchdog look threads 1 user_stack")), 0);
	expect_text(j, "watchdog look threads 2 user_stack_error", "not-taken");
}

/* The names of kernel functions hold nothing else. */
static void test_hostile_stack(void **state)
{
	struct wire_thread *t;
	struct world *w = *state;

	t = begin(w, WIRE_THREAD, 1290);
	wb_str(&w->b, &t->stack, "do_exit\n\x1b[2J\n");
	assert_int_equal(decoder_feed(w->decoder, w->b.bytes, wb_hdr(&w->b)->size), -EBADMSG);
	t = begin(w, WIRE_THREAD, 1290);
	t->stack = (struct wire_str){.off = sizeof(*t), .len = 100};
	assert_int_equal(decoder_feed(w->decoder, w->b.bytes, wb_hdr(&w->b)->size), -EBADMSG);
	((struct wire_user_stack *)begin(w, WIRE_USER_STACK, 1290))->error = 99;
	assert_int_equal(decoder_feed(w->decoder, w->b.bytes, wb_hdr(&w->b)->size), -EBADMSG);
	((struct wire_user_stack *)begin(w, WIRE_USER_STACK, 1290))->end = 99;
	assert_int_equal(decoder_feed(w->decoder, w->b.bytes, wb_hdr(&w->b)->size), -EBADMSG);
	((struct wire_user_stack *)begin(w, WIRE_USER_STACK, 1290))->frames = (struct wire_str){
		.off = sizeof(struct wire_user_stack), .len = sizeof(struct wire_frame)};
	assert_int_equal(decoder_feed(w->decoder, w->b.bytes, wb_hdr(&w->b)->size), -EBADMSG);
	((struct wire_look *)begin(w, WIRE_LOOK, 1))->reason = 99;
	assert_int_equal(decoder_feed(w->decoder, w->b.bytes, wb_hdr(&w->b)->size), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define JSON(f) cmocka_unit_test_setup_teardown(f, world_setup_json, world_teardown)
#define TEXT(f) cmocka_unit_test_setup_teardown(f, world_setup_text, world_teardown)
		JSON(test_missed),
		JSON(test_recovered),
		JSON(test_reload),
		JSON(test_override),
		JSON(test_nothing_seen),
		JSON(test_facts),
		JSON(test_stop_timeout),
		JSON(test_stop_timeout_late),
		JSON(test_stop_in_time),
		JSON(test_held_by_a_stop),
		JSON(test_held_by_a_tracer),
		JSON(test_held_by_a_core_dump),
		JSON(test_held_by_a_server),
		JSON(test_held_by_a_freezer),
		JSON(test_held_by_nothing),
		TEXT(test_held_text),
		JSON(test_slow),
		JSON(test_left_cgroup),
		cmocka_unit_test(test_waits_for),
		JSON(test_waits_for_the_next_command),
		JSON(test_many_threads),
		TEXT(test_text),
		JSON(test_hostile_stack),
		TEXT(test_user_stacks_text),
		JSON(test_user_stacks_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
