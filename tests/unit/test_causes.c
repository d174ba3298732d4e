/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Causes other than requests, dependencies and the main process: one case for each rule. */
#include "world.h"

#include <errno.h>

#include "svctrace/bus.h"
#include "svctrace/cleanup.h"

#define EXITED(n) ((n) << 8)
#define A	  "a.service"

/* The verdicts as JSON so far hold this. */
static void assert_written(struct world *w, const char *text)
{
	fflush(w->out);
	if (!strstr(w->text, text))
		fail_msg("no %s in %s", text, w->text);
}

/* A command of the unit ends; comm is what it is called then. */
static void command_ends(struct world *w, const char *state, uint32_t pid, const char *comm,
			 int code, int status)
{
	struct wire_service *s;

	exit_process(w, pid, comm, 2, code == CLD_EXITED ? EXITED(status) : status);
	s = service(w, WIRE_SERVICE_SIGCHLD, A, state, 0);
	s->control_pid = (int)pid;
	s->arg[0] = (int)pid;
	s->arg[1] = code;
	s->arg[2] = status;
	send(w);
}

static void start_command(struct world *w, uint32_t pid, const char *comm)
{
	fork_process(w, 1, pid, "(false)", 2);
	if (comm[0] != '(')
		exec_process(w, pid, comm, 2, "/bin/false\0-x", 14);
}

static void fail_to_start(struct world *w, const char *state, const char *result)
{
	enter_signal(w, A, state, 0, "stop-sigterm", result);
	enter_dead(w, A, state, "success");
	set_state(w, A, state, "failed", result);
	idle(w);
}

static void trigger(struct world *w, enum wire_kind kind, const char *state, int main_pid)
{
	service(w, kind, A, state, main_pid);
	send(w);
}

static void test_commands(void **state)
{
	static const struct {
		const char *state, *comm, *result;
		int code, status;
		enum cause cause;
		const char *written;
	} cases[] = {
		{"start-pre", "false", "exit-code", CLD_EXITED, 2, CAUSE_CONTROL_FAILED,
		 "\"setting\":\"ExecStartPre\""},
		{"start", "false", "exit-code", CLD_EXITED, 1, CAUSE_CONTROL_FAILED,
		 "\"setting\":\"ExecStart\""},
		{"start-post", "false", "signal", CLD_KILLED, SIGTERM, CAUSE_CONTROL_FAILED,
		 "\"setting\":\"ExecStartPost\""},
		{"condition", "false", "exec-condition", CLD_EXITED, 1, CAUSE_CONDITION_UNMET,
		 "\"setting\":\"ExecCondition\""},
		{"condition", "false", "exit-code", CLD_EXITED, 255, CAUSE_CONTROL_FAILED, "255"},
		{"start-pre", "(false)", "exit-code", CLD_EXITED, 203, CAUSE_EXEC_FAILED,
		 "\"code\":203,\"code_name\":\"EXEC\""},
		/* its own exit code, since it has executed something */
		{"start-pre", "false", "exit-code", CLD_EXITED, 204, CAUSE_CONTROL_FAILED,
		 "\"code\":204,\"code_name\":null"},
	};
	struct world *w = *state;

	for (unsigned int i = 0; i < ARRAY_LEN(cases); i++) {
		start_command(w, 50 + i, cases[i].comm);
		command_ends(w, cases[i].state, 50 + i, cases[i].comm, cases[i].code,
			     cases[i].status);
		fail_to_start(w, cases[i].state, cases[i].result);
		assert_int_equal(w->n, i + 1);
		assert_int_equal(w->v[i].cause, cases[i].cause);
		assert_int_equal(w->v[i].certainty, CERTAIN);
		assert_written(w, cases[i].written);
	}
	assert_written(w, "\"process.command_line\":\"/bin/false -x\"");
}

/* Who killed a command is the actor. */
static void test_command_killed(void **state)
{
	struct world *w = *state;

	start_command(w, 50, "false");
	signal_from(w, 11733, "kill", 50, 2, SIGKILL);
	send(w);
	command_ends(w, "start-pre", 50, "false", CLD_KILLED, SIGKILL);
	fail_to_start(w, "start-pre", "signal");
	assert_int_equal(w->v[0].cause, CAUSE_CONTROL_FAILED);
	assert_true(w->v[0].have_actor);
	assert_int_equal(w->v[0].actor, 11733);
}

/* The main process ends while ExecStartPost= runs: that one ends well, and then it is told. */
static void test_main_ends_under_a_command(void **state)
{
	struct world *w = *state;
	struct wire_service *s;

	start_command(w, 60, "daemon");
	exit_process(w, 60, "daemon", 2, EXITED(7));
	s = service(w, WIRE_SERVICE_SIGCHLD, A, "start-post", 60);
	s->control_pid = 61;
	s->arg[0] = 60;
	s->arg[1] = CLD_EXITED;
	s->arg[2] = 7;
	send(w);
	start_command(w, 61, "true");
	command_ends(w, "start-post", 61, "true", CLD_EXITED, 0);
	run_down(w, A, "exit-code", "failed");
	idle(w);
	assert_int_equal(w->v[0].cause, CAUSE_MAIN_EXITED);
	assert_int_equal(w->v[0].exit_code, 7);
	assert_int_equal(w->v[0].main_pid, 60);
}

static void test_main_process(void **state)
{
	static const struct {
		const char *state, *comm, *result;
		int status;
		enum cause cause;
	} cases[] = {
		{"start", "daemon", "protocol", 0, CAUSE_NOT_READY},
		{"start", "daemon", "exit-code", 1, CAUSE_MAIN_EXITED},
		{"running", "(daemon)", "exit-code", 203, CAUSE_EXEC_FAILED},
		{"running", "daemon", "exit-code", 203, CAUSE_MAIN_EXITED},
	};
	struct world *w = *state;

	for (unsigned int i = 0; i < ARRAY_LEN(cases); i++) {
		start_command(w, 70 + i, cases[i].comm);
		exit_process(w, 70 + i, cases[i].comm, 2, EXITED(cases[i].status));
		sigchld(w, A, cases[i].state, 70 + (int)i, 70 + (int)i, CLD_EXITED,
			cases[i].status);
		fail_to_start(w, cases[i].state, cases[i].result);
		assert_int_equal(w->v[i].cause, cases[i].cause);
	}
}

static void load_pid_file(struct world *w, int32_t error)
{
	service(w, WIRE_SERVICE_PIDFILE_LOAD, A, "start", 0);
	send(w);
	service(w, WIRE_SERVICE_PIDFILE_RESULT, A, "start", 0)->arg[0] = error;
	send(w);
}

static void test_pid_file(void **state)
{
	static const struct {
		int32_t error;
		enum cause cause;
	} cases[] = {
		{-ENOENT, CAUSE_PID_FILE_MISSING},   {-EPERM, CAUSE_PID_FILE_REFUSED},
		{-ESRCH, CAUSE_PID_FILE_STALE},	     {-EINVAL, CAUSE_PID_FILE_UNREADABLE},
		{-ELOOP, CAUSE_PID_FILE_UNREADABLE}, {1, CAUSE_START_TIMEOUT},
	};
	struct world *w = *state;

	for (unsigned int i = 0; i < ARRAY_LEN(cases); i++) {
		load_pid_file(w, -ENOENT);
		load_pid_file(w, cases[i].error);
		trigger(w, WIRE_SERVICE_TIMER, "start", 0);
		fail_to_start(w, "start", "timeout");
		assert_int_equal(w->v[i].cause, cases[i].cause);
	}
	/* what went wrong on the way up is over once it is up */
	load_pid_file(w, -EPERM);
	set_state(w, A, "start", "running", "success");
	set_state(w, A, "dead", "start", "success");
	trigger(w, WIRE_SERVICE_TIMER, "start", 0);
	fail_to_start(w, "start", "timeout");
	assert_int_equal(w->v[6].cause, CAUSE_START_TIMEOUT);
}

/* One error for all that goes wrong: what lay there a moment later tells. */
static void test_pid_file_looked_at(void **state)
{
	static const struct {
		int32_t found, returned;
		enum cause cause;
		enum certainty certainty;
	} cases[] = {
		{-ENOENT, -EPERM, CAUSE_PID_FILE_MISSING, INFERRED},
		{-EPERM, -EPERM, CAUSE_PID_FILE_REFUSED, CERTAIN},
		{0, -EPERM, CAUSE_PID_FILE_REFUSED, CERTAIN},
		{0, -ENOENT, CAUSE_PID_FILE_MISSING, CERTAIN},
	};
	struct world *w = *state;

	for (unsigned int i = 0; i < ARRAY_LEN(cases); i++) {
		struct wire_service *s = service(w, WIRE_SERVICE_PIDFILE_LOAD, A, "start", 0);
		uint64_t unit = s->unit;
		struct wire_pidfile *f;

		send(w);
		f = begin(w, WIRE_PIDFILE, w->manager);
		f->unit = unit;
		f->error = cases[i].found;
		wb_str(&w->b, &f->id, A);
		send(w);
		service(w, WIRE_SERVICE_PIDFILE_RESULT, A, "start", 0)->arg[0] = cases[i].returned;
		send(w);
		trigger(w, WIRE_SERVICE_TIMER, "start", 0);
		fail_to_start(w, "start", "timeout");
		assert_int_equal(w->v[i].cause, cases[i].cause);
		assert_int_equal(w->v[i].certainty, cases[i].certainty);
	}
}

static void test_timeouts(void **state)
{
	static const struct {
		const char *state;
		enum cause cause;
	} cases[] = {
		{"start-pre", CAUSE_START_TIMEOUT},	{"start-post", CAUSE_START_TIMEOUT},
		{"running", CAUSE_RUNTIME_LIMIT},	{"exited", CAUSE_RUNTIME_LIMIT},
		{"stop-sigterm", CAUSE_STOP_TIMEOUT},	{"final-sigkill", CAUSE_STOP_TIMEOUT},
		{"stop-watchdog", CAUSE_ABORT_TIMEOUT},
	};
	struct world *w = *state;

	for (unsigned int i = 0; i < ARRAY_LEN(cases); i++) {
		trigger(w, WIRE_SERVICE_TIMER, cases[i].state, 9);
		fail_to_start(w, cases[i].state, "timeout");
		assert_int_equal(w->v[i].cause, cases[i].cause);
		assert_int_equal(w->v[i].certainty, CERTAIN);
	}
}

/* A timeout on the way down does not change why it stops. */
static void test_escalation(void **state)
{
	struct world *w = *state;

	sigchld(w, A, "running", 9, 9, CLD_EXITED, 1);
	enter_stop(w, A, "running", 0, "exit-code");
	set_state(w, A, "running", "stop-sigterm", "exit-code");
	w->now += 3 * SECOND;
	trigger(w, WIRE_SERVICE_TIMER, "stop-sigterm", 0);
	enter_signal(w, A, "stop-sigterm", 0, "stop-sigkill", "timeout");
	set_state(w, A, "stop-sigterm", "stop-sigkill", "exit-code");
	trigger(w, WIRE_SERVICE_TIMER, "stop-sigkill", 0);
	set_state(w, A, "stop-sigkill", "stop-post", "exit-code");
	start_command(w, 80, "false");
	command_ends(w, "stop-post", 80, "false", CLD_EXITED, 4);
	enter_dead(w, A, "stop-post", "success");
	set_state(w, A, "stop-post", "failed", "exit-code");
	idle(w);
	assert_int_equal(w->n, 1);
	assert_int_equal(w->v[0].cause, CAUSE_MAIN_EXITED);
	assert_written(w, "{\"state\":\"stop-sigterm\",\"next_state\":\"stop-sigkill\","
			  "\"in_state_ns\":3001000000");
	assert_written(w, "{\"state\":\"stop-sigkill\",\"next_state\":\"stop-post\"");
	assert_written(w, "\"setting\":\"ExecStopPost\"");
}

static void watchdog(struct world *w, const char *caller)
{
	if (caller)
		send_stack(w, "service_enter_signal", caller, WIRE_STACK_WHOLE);
	enter_signal(w, A, "running", 9, "stop-watchdog", "watchdog");
	set_state(w, A, "running", "stop-watchdog", "watchdog");
	enter_dead(w, A, "stop-watchdog", "success");
	set_state(w, A, "stop-watchdog", "failed", "watchdog");
	idle(w);
}

static void test_watchdog(void **state)
{
	struct world *w = *state;

	trigger(w, WIRE_SERVICE_WATCHDOG, "running", 9);
	watchdog(w, "service_dispatch_watchdog");
	assert_int_equal(w->v[0].cause, CAUSE_WATCHDOG);
	assert_int_equal(w->v[0].certainty, CERTAIN);
	/* a child's end just before has no part in it */
	sigchld(w, A, "running", 9, 10, CLD_EXITED, 0);
	watchdog(w, "service_notify_message");
	assert_int_equal(w->v[1].cause, CAUSE_WATCHDOG_TRIGGER);
	assert_int_equal(w->v[1].certainty, CERTAIN);
	assert_null(strstr(w->v[1].via, "service_sigchld_event"));
	service(w, WIRE_SERVICE_WATCHDOG, A, "running", 9)->arg[0] = 1;
	send(w);
	watchdog(w, NULL);
	assert_int_equal(w->v[2].cause, CAUSE_WATCHDOG_TRIGGER);
	/* nothing tells which of both */
	watchdog(w, NULL);
	assert_int_equal(w->v[3].cause, CAUSE_WATCHDOG);
	assert_int_equal(w->v[3].certainty, INFERRED);
}

static void oom_victim(struct world *w, uint32_t pid)
{
	struct wire_exit *r = begin(w, WIRE_OOM_VICTIM, pid);

	r->task = task(pid, "daemon", 2);
	send(w);
}

static void test_oom(void **state)
{
	struct world *w = *state;
	struct wire_signal *s;

	/* the main process */
	start_command(w, 90, "daemon");
	oom_victim(w, 90);
	exit_process(w, 90, "daemon", 2, SIGKILL);
	sigchld(w, A, "running", 90, 90, CLD_KILLED, SIGKILL);
	run_down(w, A, "signal", "failed");
	idle(w);
	assert_int_equal(w->v[0].cause, CAUSE_OOM_KILL);
	/* another one, and OOMPolicy=stop */
	start_command(w, 91, "daemon");
	oom_victim(w, 91);
	trigger(w, WIRE_SERVICE_OOM, "running", 9);
	run_down(w, A, "oom-kill", "failed");
	idle(w);
	assert_int_equal(w->v[1].cause, CAUSE_OOM_KILL);
	/* systemd-oomd */
	send_cgroup(w, WIRE_CGROUP, 7, "/system.slice/systemd-oomd.service");
	start_command(w, 92, "daemon");
	s = signal_from(w, 700, "systemd-oomd", 92, 2, SIGKILL);
	s->sender.cgroup = 7;
	send(w);
	exit_process(w, 92, "daemon", 2, SIGKILL);
	sigchld(w, A, "running", 92, 92, CLD_KILLED, SIGKILL);
	run_down(w, A, "oom-kill", "failed");
	idle(w);
	assert_int_equal(w->v[2].cause, CAUSE_OOMD_KILL);
	assert_int_equal(w->v[2].actor, 700);
	/* systemd knows of it from the cgroup alone */
	sigchld(w, A, "running", 93, 93, CLD_KILLED, SIGKILL);
	run_down(w, A, "oom-kill", "failed");
	idle(w);
	assert_int_equal(w->v[3].cause, CAUSE_OOM_KILL);
}

static void freeze_by(struct world *w, uint32_t pid, const char *path, int frozen)
{
	struct wire_path *r = begin(w, WIRE_CGROUP_FROZEN, pid);

	r->id = 2;
	r->value = frozen;
	wb_str(&w->b, &r->path, path);
	send(w);
}

static void freeze(struct world *w, const char *path, int frozen)
{
	freeze_by(w, 0, path, frozen);
}

static void test_frozen(void **state)
{
	static const char path[] = "/system.slice/a.service";
	struct world *w = *state;

	freeze(w, "/system.slice/a.service/below", 1);
	freeze(w, "/system.slice/b.service", 1);
	trigger(w, WIRE_SERVICE_WATCHDOG, "running", 9);
	watchdog(w, NULL);
	assert_string_equal(w->v[0].notes, "");
	freeze(w, path, 1);
	w->now += 2 * SECOND;
	trigger(w, WIRE_SERVICE_WATCHDOG, "running", 9);
	watchdog(w, NULL);
	assert_string_equal(w->v[1].notes, "its processes were frozen, for 2.0s by then");
	freeze(w, path, 1);
	w->now += 2 * SECOND;
	freeze(w, path, 0);
	w->now += 3 * SECOND;
	trigger(w, WIRE_SERVICE_WATCHDOG, "running", 9);
	watchdog(w, NULL);
	assert_string_equal(w->v[2].notes,
			    "its processes had been frozen for 2.0s, until 3.0s before");
	/* long ago */
	freeze(w, path, 1);
	freeze(w, path, 0);
	w->now += 100 * SECOND;
	trigger(w, WIRE_SERVICE_WATCHDOG, "running", 9);
	watchdog(w, NULL);
	assert_string_equal(w->v[3].notes, "");
}

static void asks_to_freeze(struct world *w, uint32_t pid, const char *whom, const char *unit)
{
	const struct bus_message m = {
		.type = BUS_CALL,
		.serial = 2,
		.destination = {whom, strlen(whom)},
		.path = {"/org/freedesktop/systemd1", 25},
		.interface = {"org.freedesktop.systemd1.Manager", 32},
		.member = {"FreezeUnit", 10},
		.signature = {"s", unit ? 1 : 0},
		.unit = {unit, unit ? strlen(unit) : 0},
	};
	struct wire_client_send *r = begin(w, WIRE_CLIENT_SEND, pid);
	char bytes[512];
	int n = bus_build(bytes, sizeof(bytes), WIRE_ENDPOINT_BUS, &m);

	assert_true(n > 0);
	r->task = task(pid, "client", 0);
	r->loginuid = r->session = -1u;
	r->endpoint = WIRE_ENDPOINT_BUS;
	r->listener = w->manager;
	r->length = (uint32_t)n;
	wb_bytes(&w->b, &r->bytes, bytes, (size_t)n);
	send(w);
}

static void test_who_froze(void **state)
{
	static const char path[] = "/system.slice/a.service",
			  manager[] = "org.freedesktop.systemd1";
	struct world *w = *state;

	asks_to_freeze(w, 501, manager, "b.service");
	asks_to_freeze(w, 502, "org.example", A);
	asks_to_freeze(w, 503, manager, NULL);
	freeze(w, path, 1);
	trigger(w, WIRE_SERVICE_WATCHDOG, "running", 9);
	watchdog(w, NULL);
	assert_string_equal(w->v[0].notes, "its processes were frozen, for 2ms by then");
	asks_to_freeze(w, 504, manager, A);
	asks_to_freeze(w, 505, manager, "b.service");
	freeze(w, path, 1);
	/* a process that is killed leaves it; the others are frozen as before */
	start_command(w, 92, "daemon");
	w->now += 2 * SECOND;
	signal_from(w, 700, "kill", 92, 2, SIGKILL);
	send(w);
	freeze_by(w, 92, path, 0);
	freeze_by(w, 92, path, 1);
	trigger(w, WIRE_SERVICE_WATCHDOG, "running", 9);
	watchdog(w, NULL);
	assert_non_null(strstr(w->v[1].notes, "its processes were frozen, for 2.0s by then"));
	assert_non_null(
		strstr(w->v[1].notes, "it was frozen because client 504 asked for it (inferred)"));
	/* who asked then did not ask this time */
	freeze(w, path, 0);
	freeze(w, path, 1);
	trigger(w, WIRE_SERVICE_WATCHDOG, "running", 9);
	watchdog(w, NULL);
	assert_null(strstr(w->v[2].notes, "because"));
}

static void test_others(void **state)
{
	struct world *w = *state;

	/* a process that does not come up; the main process's end before has no part in it */
	sigchld(w, A, "running", 9, 9, CLD_EXITED, 1);
	run_down(w, A, "exit-code", "auto-restart");
	enter_signal(w, A, "auto-restart", 0, "stop-sigterm", "resources");
	set_state(w, A, "auto-restart", "failed", "resources");
	idle(w);
	assert_int_equal(w->v[1].cause, CAUSE_SPAWN_FAILED);
	assert_string_equal(w->v[1].via, "service_enter_signal");
	/* its name on the bus */
	sigchld(w, A, "running", 9, 10, CLD_EXITED, 0);
	send_stack(w, "service_enter_stop", "service_bus_name_owner_change", WIRE_STACK_WHOLE);
	run_down(w, A, "success", "dead");
	idle(w);
	assert_int_equal(w->v[2].cause, CAUSE_BUS_NAME_LOST);
	/* STOPPING=1 */
	set_state(w, A, "running", "stop-sigterm", "success");
	set_state(w, A, "stop-sigterm", "dead", "success");
	idle(w);
	assert_int_equal(w->v[3].cause, CAUSE_ANNOUNCED);
	assert_int_equal(w->v[3].certainty, INFERRED);
	/* a starter that leaves nothing */
	start_command(w, 95, "daemon");
	command_ends(w, "start", 95, "daemon", CLD_EXITED, 0);
	enter_stop(w, A, "start", 0, "success");
	enter_dead(w, A, "start", "success");
	set_state(w, A, "start", "dead", "success");
	idle(w);
	assert_int_equal(w->v[4].cause, CAUSE_CGROUP_EMPTY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_commands, world_setup_json, world_teardown),
		cmocka_unit_test_setup_teardown(test_command_killed, world_setup_json,
						world_teardown),
		cmocka_unit_test_setup_teardown(test_main_ends_under_a_command, world_setup_json,
						world_teardown),
		cmocka_unit_test_setup_teardown(test_main_process, world_setup_json,
						world_teardown),
		cmocka_unit_test_setup_teardown(test_pid_file, world_setup_json, world_teardown),
		cmocka_unit_test_setup_teardown(test_pid_file_looked_at, world_setup_json,
						world_teardown),
		cmocka_unit_test_setup_teardown(test_timeouts, world_setup_json, world_teardown),
		cmocka_unit_test_setup_teardown(test_escalation, world_setup_json, world_teardown),
		cmocka_unit_test_setup_teardown(test_watchdog, world_setup_json, world_teardown),
		cmocka_unit_test_setup_teardown(test_oom, world_setup_json, world_teardown),
		cmocka_unit_test_setup_teardown(test_frozen, world_setup_json, world_teardown),
		cmocka_unit_test_setup_teardown(test_who_froze, world_setup_json, world_teardown),
		cmocka_unit_test_setup_teardown(test_others, world_setup_json, world_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
