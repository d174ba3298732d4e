/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "world.h"

#include <errno.h>
#include <sys/wait.h>

#include "svctrace/bus.h"
#include "svctrace/cleanup.h"

#define EXITED(n) ((n) << 8)
#define A	  "a.service"
#define B	  "b.service"
#define NS	  4026532001u /* a container's pid namespace */

static void start_main(struct world *w, uint32_t pid, uint64_t cgroup)
{
	fork_process(w, 1, pid, "systemd", cgroup);
	exec_process(w, pid, "daemon", cgroup, "daemon\0--no-fork", 17);
}

static void send_signal(struct world *w, uint32_t sender, uint32_t target, int sig)
{
	signal_from(w, sender, "kill", target, 2, sig);
	send(w);
}

static void test_stop_request(void **state)
{
	struct world *w = *state;

	start_main(w, 1290, 2);
	request(w, A, "stop");
	run_job(w, A, "running", 1290, 77, "stop");
	enter_stop(w, A, "running", 1290, "success");
	enter_signal(w, A, "running", 1290, "stop-sigterm", "success");
	set_state(w, A, "running", "stop-sigterm", "success");
	exit_process(w, 1290, "daemon", 2, SIGTERM);
	sigchld(w, A, "stop-sigterm", 1290, 1290, CLD_KILLED, SIGTERM);
	enter_dead(w, A, "stop-sigterm", "success");
	set_state(w, A, "stop-sigterm", "dead", "success");
	assert_int_equal(w->n, 0);
	idle(w);
	assert_int_equal(w->n, 1);
	assert_int_equal(w->v[0].cause, CAUSE_STOP_REQUEST);
	assert_int_equal(w->v[0].certainty, CERTAIN);
	assert_string_equal(w->v[0].unit, A);
	assert_string_equal(w->v[0].sub_state, "dead");
	assert_string_equal(w->v[0].active_state, "inactive");
	assert_string_equal(w->v[0].result, "success");
	assert_int_equal(w->v[0].job_id, 77);
	assert_int_equal(w->v[0].main_pid, 1290);
	assert_int_equal(w->v[0].main_tgid, 1290);
	assert_true(w->v[0].have_exit);
	assert_int_equal(w->v[0].exit_signal, SIGTERM);
	assert_false(w->v[0].have_actor);
	assert_false(w->v[0].restarts);
	assert_string_equal(w->v[0].via, "service_stop service_enter_stop service_enter_signal");
	assert_string_equal(w->v[0].path, "a client's request → stop job 77 → service_stop → "
					  "service_enter_stop(success)");
	assert_string_equal(w->v[0].notes, "");
	/* request, job, three decisions, exit, its SIGCHLD, two more */
	assert_int_equal(w->v[0].n_proof, 9);
	for (unsigned int i = 1; i < 9; i++)
		assert_int_equal(w->v[0].proofs[i], w->v[0].proofs[0] + i);
}

/* The stack that comes just before a stop's first decision is its; others are nobody's. */
static void test_stack_of_first_decision(void **state)
{
	struct world *w = *state;

	sigchld(w, A, "running", 1290, 1290, CLD_KILLED, SIGKILL);
	send_stack(w, "service_enter_signal", "service_sigchld_event", WIRE_STACK_CUT);
	enter_signal(w, A, "running", 1290, "stop-sigterm", "signal");
	send_stack(w, "service_enter_dead", "service_sigchld_event", WIRE_STACK_WHOLE);
	enter_dead(w, A, "stop-sigterm", "signal");
	set_state(w, A, "stop-sigterm", "failed", "signal");
	idle(w);
	assert_int_equal(w->n, 1);
	assert_string_equal(w->v[0].stack,
			    "service_enter_signal service_sigchld_event source_dispatch  cut");
}

static void test_stack_of_another_event(void **state)
{
	struct world *w = *state;

	/* the event that it was of is lost: the next one is another */
	send_stack(w, "service_enter_dead", "service_sigchld_event", WIRE_STACK_WHOLE);
	enter_stop(w, A, "running", 1290, "success");
	set_state(w, A, "running", "dead", "success");
	idle(w);
	/* something came in between */
	send_stack(w, "service_enter_stop", "service_stop", WIRE_STACK_WHOLE);
	run_job(w, B, "running", 1290, 77, "stop");
	enter_stop(w, B, "running", 1290, "success");
	set_state(w, B, "running", "dead", "success");
	idle(w);
	/* another thread, another manager, a kind that has no samples */
	send_stack(w, "service_enter_stop", "service_stop", WIRE_STACK_WHOLE);
	service(w, WIRE_SERVICE_ENTER_STOP, A, "running", 0);
	wb_hdr(&w->b)->tid = 4711;
	send(w);
	set_state(w, A, "running", "dead", "success");
	idle(w);
	send_stack(w, "service_set_state", "service_stop", WIRE_STACK_WHOLE);
	set_state(w, A, "running", "dead", "success");
	idle(w);
	assert_int_equal(w->n, 4);
	for (unsigned int i = 0; i < 4; i++)
		assert_string_equal(w->v[i].stack, "");
}

static void test_restart_request(void **state)
{
	static const struct {
		const char *asked, *job;
		enum cause cause;
	} cases[] = {
		{"restart", "restart", CAUSE_RESTART_REQUEST},
		{"try-restart", "restart", CAUSE_RESTART_REQUEST},
		{"stop", "restart", CAUSE_UNCLASSIFIED},
		{"restart", "stop", CAUSE_UNCLASSIFIED},
		{"start", "stop", CAUSE_UNCLASSIFIED},
		{"reload", "stop", CAUSE_UNCLASSIFIED},
	};
	struct world *w = *state;

	for (unsigned int i = 0; i < 6; i++) {
		request(w, A, cases[i].asked);
		run_job(w, A, "running", 0, 9, cases[i].job);
		run_down(w, A, "success", "dead");
		set_state(w, A, "dead", "start", "success");
		assert_int_equal(w->n, i + 1);
		assert_int_equal(w->v[i].cause, cases[i].cause);
		assert_int_equal(w->v[i].certainty,
				 cases[i].cause == CAUSE_UNCLASSIFIED ? UNKNOWN : CERTAIN);
	}
	assert_string_equal(w->v[0].path, "a client's request → restart job 9 → service_stop → "
					  "service_enter_stop(success)");
}

/* A client calls StopUnit; on a bus its name is that of its connection. */
static void client_calls(struct world *w, uint32_t pid, enum wire_endpoint endpoint,
			 uint32_t listener, const char *unit)
{
	const struct bus_message m = {
		.type = BUS_CALL,
		.serial = 2,
		.destination = {"org.freedesktop.systemd1", 24},
		.path = {"/org/freedesktop/systemd1", 25},
		.interface = {"org.freedesktop.systemd1.Manager", 32},
		.member = {"StopUnit", 8},
		.signature = {"ss", 2},
		.unit = {unit, unit ? strlen(unit) : 0},
		.mode = {"replace", 7},
	};
	struct wire_client_send *r = begin(w, WIRE_CLIENT_SEND, pid);
	char bytes[512];
	int n = bus_build(bytes, sizeof(bytes), endpoint, &m);

	assert_true(n > 0);
	r->task = task(pid, "client", 0);
	r->loginuid = r->session = -1u;
	r->endpoint = endpoint;
	r->listener = listener;
	r->length = (uint32_t)n;
	wb_bytes(&w->b, &r->bytes, bytes, (size_t)n);
	send(w);
}

static void manager_handles(struct world *w, const char *sender, uint32_t peer)
{
	struct wire_message *r = begin(w, WIRE_BUS_MESSAGE, w->manager);

	r->serial = 2;
	r->peer = peer;
	wb_str(&w->b, &r->member, "StopUnit");
	if (sender)
		wb_str(&w->b, &r->sender, sender);
	send(w);
}

static void bus_names(struct world *w, uint32_t client, const char *name, uint32_t listener)
{
	struct wire_bus_name *r = begin(w, WIRE_BUS_NAME, listener);

	r->client = client;
	r->listener = listener;
	wb_str(&w->b, &r->name, name);
	send(w);
}

static void job(struct world *w, const char *unit, const char *type, const char *by,
		const char *by_type, bool conflict, uint32_t pending)
{
	struct wire_job *r = begin(w, WIRE_TRANSACTION_JOB, w->manager);

	r->type = JOB(type);
	r->by_type = by ? JOB(by_type) : WIRE_NONE;
	r->arg[0] = 1;
	r->arg[1] = conflict;
	r->pending = pending;
	wb_str(&w->b, &r->id, unit);
	if (by)
		wb_str(&w->b, &r->by_id, by);
	send(w);
}

/* The same call with the same serial from two clients: whom the manager obeyed is who did it. */
static void test_two_clients(void **state)
{
	struct world *w = *state;

	client_calls(w, 501, WIRE_ENDPOINT_PRIVATE, w->manager, A);
	client_calls(w, 502, WIRE_ENDPOINT_PRIVATE, w->manager, A);
	manager_handles(w, NULL, 502);
	request(w, A, "stop");
	job(w, A, "stop", NULL, NULL, false, 0);
	manager_handles(w, NULL, 501); /* comes too late: the unit has that job */
	request(w, A, "stop");
	job(w, A, "stop", NULL, NULL, false, 9);
	run_job(w, A, "running", 0, 9, "stop");
	run_down(w, A, "success", "dead");
	idle(w);
	assert_int_equal(w->n, 1);
	assert_int_equal(w->v[0].cause, CAUSE_STOP_REQUEST);
	assert_int_equal(w->v[0].actor, 502);
	assert_int_equal(w->v[0].actor_certainty, CERTAIN);
	assert_non_null(strstr(w->v[0].notes, "asked for 1 more time"));
	assert_non_null(strstr(w->v[0].path, "StopUnit(" A ")"));
}

static void test_names_on_a_bus(void **state)
{
	struct world *w = *state;

	bus_names(w, 501, ":1.7", 77);
	bus_names(w, 502, ":1.8", 77);
	bus_names(w, 666, ":1.8", 78); /* somebody's own bus */
	client_calls(w, 501, WIRE_ENDPOINT_BUS, 77, A);
	client_calls(w, 502, WIRE_ENDPOINT_BUS, 77, A);
	client_calls(w, 666, WIRE_ENDPOINT_BUS, 78, A);
	manager_handles(w, ":1.8", 77);
	request(w, A, "stop");
	run_job(w, A, "running", 0, 9, "stop");
	run_down(w, A, "success", "dead");
	idle(w);
	assert_int_equal(w->v[0].actor, 502);
	assert_int_equal(w->v[0].actor_certainty, CERTAIN);

	/* one whose name was never told: its call is all that there is */
	client_calls(w, 503, WIRE_ENDPOINT_BUS, 77, B);
	manager_handles(w, ":1.9", 77);
	request(w, B, "stop");
	run_job(w, B, "running", 0, 10, "stop");
	run_down(w, B, "success", "dead");
	idle(w);
	assert_int_equal(w->n, 2);
	assert_int_equal(w->v[1].actor_certainty, INFERRED);
}

/* From the unit through the jobs that pulled its own in, and what each of them hangs on. */
static void test_chains(void **state)
{
	static const struct {
		const char *by_type;
		bool conflict;
		enum cause cause;
		const char *path;
	} cases[] = {
		{"stop", false, CAUSE_DEPENDENCY, "stop of " B " → stop job"},
		{"start", true, CAUSE_CONFLICT, "start of " B " (Conflicts=) → stop job"},
		{"start", false, CAUSE_CONFLICT, "start of " B " (Conflicts=) → stop job"},
	};
	struct world *w = *state;

	for (unsigned int i = 0; i < ARRAY_LEN(cases); i++) {
		manager_handles(w, NULL, 0);
		request(w, B, cases[i].by_type);
		job(w, B, cases[i].by_type, NULL, NULL, false, 0);
		job(w, A, "stop", B, cases[i].by_type, cases[i].conflict, 0);
		run_job(w, A, "running", 0, 9 + i, "stop");
		run_down(w, A, "success", "dead");
		idle(w);
		assert_int_equal(w->n, i + 1);
		assert_int_equal(w->v[i].cause, cases[i].cause);
		assert_non_null(strstr(w->v[i].path, cases[i].path));
	}
}

/* What the manager says of a unit that A is bound to. */
static void gone(struct world *w, const char *unit, uint64_t since_ns)
{
	struct wire_gone *r = begin(w, WIRE_GONE, w->manager);

	r->since_ns = since_ns;
	wb_str(&w->b, &r->unit, A);
	wb_str(&w->b, &r->bound_to, unit);
	send(w);
}

/* A unit that no probe sees end: the last one to go before the job, for certain if it is alone. */
static void test_bound_to_what_is_gone(void **state)
{
	struct world *w = *state;

	for (unsigned int i = 0; i < 2; i++) {
		bool others = i == 1;
		uint64_t job_ns;

		enter_dead(w, B, "running", "success"); /* has nothing to do with it */
		set_state(w, B, "running", "dead", "success");
		idle(w);
		send_stack(w, "manager_add_job", "manager_dispatch_stop_when_bound_queue",
			   WIRE_STACK_WHOLE);
		wb_str(&w->b, &((struct wire_job *)begin(w, WIRE_MANAGER_ADD_JOB, w->manager))->id,
		       A);
		wb_as(&w->b, wire_job)->type = JOB("stop");
		job_ns = w->now;
		send(w);
		job(w, A, "stop", NULL, NULL, false, 0);
		run_job(w, A, "running", 0, 9, "stop");
		if (others)
			gone(w, "old.mount", job_ns - 2 * SECOND);
		gone(w, "dev-sda.device", job_ns - 1000);
		if (others)
			gone(w, "never.mount", 0);
		gone(w, "later.mount", w->now);
		run_down(w, A, "success", "dead");
		idle(w);
		assert_int_equal(w->n, 2 * i + 2);
		assert_int_equal(w->v[2 * i + 1].cause, CAUSE_BOUND);
		assert_non_null(strstr(w->v[2 * i + 1].path, "end of dev-sda.device (BindsTo=)"));
		assert_int_equal(!!strstr(w->v[2 * i + 1].notes, "(inferred)"), others);
	}
}

/* EnqueueUnitJobMany makes jobs that nothing else announces: a start's message asks for no stop. */
static void test_method_for_many_jobs(void **state)
{
	struct world *w = *state;

	client_calls(w, 501, WIRE_ENDPOINT_PRIVATE, w->manager, NULL);
	manager_handles(w, NULL, 501);
	job(w, A, "start", NULL, NULL, false, 0);
	client_calls(w, 502, WIRE_ENDPOINT_PRIVATE, w->manager, NULL);
	manager_handles(w, NULL, 502);
	job(w, A, "stop", NULL, NULL, false, 0);
	run_job(w, A, "running", 0, 9, "stop");
	run_down(w, A, "success", "dead");
	idle(w);
	assert_int_equal(w->n, 1);
	assert_int_equal(w->v[0].actor, 502);
}

static void client_stops(struct world *w, uint32_t pid, const char *unit, uint32_t pending)
{
	client_calls(w, pid, WIRE_ENDPOINT_PRIVATE, w->manager, unit);
	manager_handles(w, NULL, pid);
	request(w, unit, "stop");
	job(w, unit, "stop", NULL, NULL, false, pending);
}

/* A job waits while a manager is busy with requests: whoever asked for it is known all the same. */
static void test_flood_of_requests(void **state)
{
	struct world *w = *state;
	char other[32];

	client_stops(w, 501, A, 0);
	client_stops(w, 502, B, 0);
	for (unsigned int i = 0; i < 1000; i++) {
		request(w, "not-there.service", "stop"); /* refused: no job */
		client_stops(w, 503, A, 9);
		client_stops(w, 504, "inactive.service", 0); /* a job that ends at once */
		snprintf(other, sizeof(other), "new-%u.service", i);
		request(w, other, "start");
		job(w, other, "start", NULL, NULL, false, 0);
		job(w, "shutdown.target", "stop", other, "start", true, 0);
	}
	run_job(w, A, "running", 0, 9, "stop");
	run_down(w, A, "success", "dead");
	run_job(w, B, "running", 0, 10, "stop");
	run_down(w, B, "success", "dead");
	idle(w);
	assert_int_equal(w->n, 2);
	assert_int_equal(w->v[0].actor, 501);
	assert_non_null(strstr(w->v[0].notes, "asked for 1000 more times"));
	assert_int_equal(w->v[1].actor, 502);
	assert_string_equal(w->v[1].notes, "");
}

/* More that wait than can be kept: what had to go is not made up, and it is said why. */
static void test_requests_forgotten(void **state)
{
	struct world *w = *state;
	char other[32];

	client_stops(w, 501, A, 0);
	for (unsigned int i = 0; i < 300; i++) {
		snprintf(other, sizeof(other), "other-%u.service", i);
		client_stops(w, 502, other, 0);
	}
	run_job(w, A, "running", 0, 9, "stop");
	run_down(w, A, "success", "dead");
	idle(w);
	assert_int_equal(w->n, 1);
	assert_int_equal(w->v[0].cause, CAUSE_UNCLASSIFIED);
	assert_int_equal(w->v[0].certainty, UNKNOWN);
	assert_false(w->v[0].have_actor);
	assert_non_null(strstr(w->v[0].notes, "had to be forgotten"));
}

static void test_job_without_request(void **state)
{
	struct world *w = *state;

	request(w, B, "stop"); /* for another unit */
	run_job(w, A, "running", 0, 9, "stop");
	run_down(w, A, "success", "dead");
	idle(w);
	assert_int_equal(w->n, 1);
	assert_int_equal(w->v[0].cause, CAUSE_UNCLASSIFIED);
	assert_int_equal(w->v[0].certainty, UNKNOWN);
	assert_string_equal(w->v[0].notes,
			    "what made systemd run this job was not seen: it was queued before the "
			    "trace began");
	assert_string_equal(w->v[0].path,
			    "stop job 9 → service_stop → service_enter_stop(success)");
}

/* A request that came to nothing must not explain a later stop. */
static void test_request_is_used_once(void **state)
{
	struct world *w = *state;

	request(w, A, "stop"); /* while it is dead: no stop follows */
	set_state(w, A, "dead", "start", "success");
	set_state(w, A, "start", "running", "success");
	run_job(w, A, "running", 0, 9, "stop");
	run_down(w, A, "success", "dead");
	idle(w);
	request(w, A, "stop");
	run_job(w, A, "running", 0, 10, "stop");
	run_down(w, A, "success", "dead");
	idle(w);
	run_job(w, A, "running", 0, 11, "stop");
	run_down(w, A, "success", "dead");
	idle(w);
	assert_int_equal(w->n, 3);
	assert_int_equal(w->v[0].cause, CAUSE_UNCLASSIFIED);
	assert_int_equal(w->v[1].cause, CAUSE_STOP_REQUEST);
	assert_int_equal(w->v[2].cause, CAUSE_UNCLASSIFIED);
}

static void test_requests_not_seen(void **state)
{
	struct world w;

	(void)state;
	for (int how = 0; how < 2; how++) {
		world_new(&w, RENDER_TEXT);
		/* another engine, which hears nothing or bad news of the probe */
		engine_freep(&w.engine);
		assert_int_equal(engine_new(on_verdict, &w, &w.engine), 0);
		if (how == 1)
			send_probe(&w, "bus_unit_queue_job_one", -ENOENT);
		run_job(&w, A, "running", 0, 9, "restart");
		run_down(&w, A, "success", "dead");
		idle(&w);
		assert_int_equal(w.v[0].cause, CAUSE_RESTART_REQUEST);
		assert_int_equal(w.v[0].certainty, INFERRED);
		assert_string_equal(w.v[0].notes, "whether a client asked for this job was not "
						  "seen: the probe for requests is missing");
		world_done(&w);
	}
}

static void test_main_exited(void **state)
{
	struct world *w = *state;

	start_main(w, 1290, 2);
	exit_process(w, 1290, "daemon", 2, EXITED(3));
	sigchld(w, A, "running", 1290, 1290, CLD_EXITED, 3);
	run_down(w, A, "exit-code", "failed");
	idle(w);
	assert_int_equal(w->v[0].cause, CAUSE_MAIN_EXITED);
	assert_int_equal(w->v[0].certainty, CERTAIN);
	assert_int_equal(w->v[0].exit_code, 3);
	assert_int_equal(w->v[0].exit_signal, 0);
	assert_string_equal(w->v[0].active_state, "failed");
	assert_string_equal(w->v[0].result, "exit-code");
	assert_false(w->v[0].have_actor);
	assert_string_equal(w->v[0].path,
			    "main process 1290 exited with 3 → service_sigchld_event → "
			    "service_enter_stop(exit-code)");
	assert_string_equal(w->v[0].notes, "");
}

static void test_main_exited_after_sigterm(void **state)
{
	struct world *w = *state;

	start_main(w, 1290, 2);
	send_signal(w, 50, 1290, SIGTERM); /* handled: long before */
	w->now += 6 * SECOND;
	send_signal(w, 60, 1290, SIGUSR1); /* does not ask for an exit */
	send_signal(w, 11733, 1290, SIGTERM);
	w->now += 40 * MS;
	exit_process(w, 1290, "daemon", 2, EXITED(0));
	sigchld(w, A, "running", 1290, 1290, CLD_EXITED, 0);
	run_down(w, A, "success", "dead");
	idle(w);
	assert_int_equal(w->v[0].cause, CAUSE_MAIN_EXITED);
	assert_int_equal(w->v[0].actor, 11733);
	assert_int_equal(w->v[0].actor_certainty, INFERRED);
	assert_int_equal(w->v[0].certainty, CERTAIN);
	assert_string_equal(w->v[0].notes, "it exited 41ms after SIGTERM from kill 11733");
}

static void test_main_killed(void **state)
{
	struct world *w = *state;

	start_main(w, 1290, 2);
	send_signal(w, 11733, 1290, SIGKILL);
	exit_process(w, 1290, "daemon", 2, SIGKILL);
	sigchld(w, A, "running", 1290, 1290, CLD_KILLED, SIGKILL);
	run_down(w, A, "signal", "failed");
	idle(w);
	assert_int_equal(w->v[0].cause, CAUSE_MAIN_KILLED);
	assert_int_equal(w->v[0].certainty, CERTAIN);
	assert_int_equal(w->v[0].exit_signal, SIGKILL);
	assert_int_equal(w->v[0].actor, 11733);
	assert_int_equal(w->v[0].actor_certainty, CERTAIN);
	assert_false(w->v[0].actor_kernel);
	assert_false(w->v[0].actor_manager);
	assert_int_equal(w->v[0].n_chain, 4);
	assert_string_equal(w->v[0].top, "systemd");
	assert_string_equal(w->v[0].actor_cmdline, "kill -9 1290");
	assert_string_equal(w->v[0].actor_unit, "session-2.scope");
	assert_string_equal(w->v[0].path,
			    "SIGKILL → main process 1290 died → service_sigchld_event → "
			    "service_enter_stop(signal)");
	assert_string_equal(w->v[0].via,
			    "service_sigchld_event service_enter_stop service_enter_signal");
	assert_string_equal(w->v[0].notes, "");
}

/* The first fatal one counts, one that wakes nobody never. */
static void test_several_senders(void **state)
{
	struct world *w = *state;

	start_main(w, 1290, 2);
	signal_from(w, 40, "late", 1290, 2, SIGKILL)->target_flags |= WIRE_TARGET_EXITING;
	send(w);
	send_signal(w, 50, 1290, SIGKILL);
	send_signal(w, 60, 1290, SIGKILL);
	exit_process(w, 1290, "daemon", 2, SIGKILL);
	sigchld(w, A, "running", 1290, 1290, CLD_KILLED, SIGKILL);
	run_down(w, A, "signal", "failed");
	idle(w);
	assert_int_equal(w->v[0].actor, 50);
	assert_int_equal(w->v[0].actor_certainty, CERTAIN);
	assert_string_equal(w->v[0].notes,
			    "daemon 1290 also got SIGKILL from late 40, 3ms before its end\n"
			    "daemon 1290 also got SIGKILL from kill 60, 1ms before its end");
}

/* A SIGTERM that was handled yesterday did not kill today. */
static void test_old_signals_do_not_count(void **state)
{
	struct world *w = *state;

	start_main(w, 1290, 2);
	send_signal(w, 50, 1290, SIGTERM);
	w->now += 3600 * SECOND;
	send_signal(w, 60, 1290, SIGTERM);
	exit_process(w, 1290, "daemon", 2, SIGTERM);
	sigchld(w, A, "running", 1290, 1290, CLD_KILLED, SIGTERM);
	run_down(w, A, "success", "dead");
	idle(w);
	assert_int_equal(w->v[0].actor, 60);
	/* another one could have been the one */
	assert_int_equal(w->v[0].actor_certainty, INFERRED);
	assert_string_equal(
		w->v[0].notes,
		"systemd's own result is \"success\" although the main process was killed");
}

static void test_many_signals_are_bounded(void **state)
{
	struct world *w = *state;

	start_main(w, 1290, 2);
	send_signal(w, 50, 1290, SIGKILL);
	for (unsigned int i = 0; i < 1000; i++)
		send_signal(w, 1000 + i, 1290, SIGTERM);
	exit_process(w, 1290, "daemon", 2, SIGKILL);
	sigchld(w, A, "running", 1290, 1290, CLD_KILLED, SIGKILL);
	run_down(w, A, "signal", "failed");
	idle(w);
	assert_int_equal(w->v[0].actor, 50);
}

static void die_of(struct world *w, int sig, int code, int syscall, uint32_t sender)
{
	struct wire_signal *s;

	start_main(w, 1290, 2);
	s = signal_from(w, sender, "some", 1290, 2, sig);
	s->code = code;
	s->syscall = syscall;
	send(w);
	exit_process(w, 1290, "daemon", 2, sig);
	sigchld(w, A, "running", 1290, 1290, CLD_KILLED, sig);
	run_down(w, A, "signal", "failed");
	idle(w);
	assert_int_equal(w->v[0].cause, CAUSE_MAIN_KILLED);
	assert_int_equal(w->v[0].actor, sender);
}

static void test_who_raised_it(void **state)
{
	static const struct {
		int sig, code, syscall;
		uint32_t sender;
		bool kernel, manager;
		enum certainty certainty;
	} cases[] = {
		{SIGSEGV, 1, -1, 1290, true, false, CERTAIN},	 /* SEGV_MAPERR */
		{SIGSEGV, 0x80, -1, 1290, true, false, CERTAIN}, /* SI_KERNEL */
		{SIGSEGV, 1, WIRE_NONE, 1290, true, false, CERTAIN},
		{SIGABRT, -6, 234, 1290, false, false, CERTAIN}, /* abort(): itself */
		{SIGTERM, 0, SYS_KILL, 50, false, false, CERTAIN},
		{SIGTERM, 0, WIRE_NONE, 50, false, false, CERTAIN},
		{SIGTERM, -1, 129, 50, false, false, CERTAIN},	     /* rt_sigqueueinfo */
		{SIGPIPE, 0, SYS_WRITE, 1290, true, false, CERTAIN}, /* by its own write */
		{SIGKILL, WIRE_NONE, SYS_KILL, 50, false, false, CERTAIN},
		{SIGKILL, WIRE_NONE, SYS_PIDFD_SEND_SIGNAL, 1, false, true, CERTAIN},
		{SIGKILL, WIRE_NONE, 12, 50, true, false, CERTAIN}, /* in brk(): OOM */
		{SIGKILL, WIRE_NONE, -1, 50, true, false, CERTAIN},
		{SIGKILL, WIRE_NONE, SYS_WRITE, 50, false, false, INFERRED}, /* cgroup.kill */
		{SIGKILL, WIRE_NONE, 129, 50, false, false, CERTAIN},
		{SIGKILL, WIRE_NONE, WIRE_NONE, 50, false, false, INFERRED},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct world w;

		world_new(&w, RENDER_TEXT);
		die_of(&w, cases[i].sig, cases[i].code, cases[i].syscall, cases[i].sender);
		assert_int_equal(w.v[0].actor_kernel, cases[i].kernel);
		assert_int_equal(w.v[0].actor_manager, cases[i].manager);
		assert_int_equal(w.v[0].actor_certainty, cases[i].certainty);
		world_done(&w);
	}
}

static void test_oom_victim(void **state)
{
	struct world *w = *state;
	struct wire_exit *r;
	struct wire_signal *s;

	start_main(w, 1290, 2);
	r = begin(w, WIRE_OOM_VICTIM, 50);
	r->task = task(1290, "daemon", 2);
	send(w);
	s = signal_from(w, 50, "some", 1290, 2, SIGKILL);
	s->syscall = SYS_WRITE; /* a write that needed memory is not one to cgroup.kill */
	send(w);
	exit_process(w, 1290, "daemon", 2, SIGKILL);
	sigchld(w, A, "running", 1290, 1290, CLD_KILLED, SIGKILL);
	run_down(w, A, "oom-kill", "failed");
	idle(w);
	assert_true(w->v[0].actor_kernel);
	assert_string_equal(w->v[0].notes, "the kernel's OOM killer chose it");
}

static void test_killer_not_seen(void **state)
{
	struct world *w = *state;

	sigchld(w, A, "running", 1290, 1290, CLD_DUMPED, SIGSEGV);
	run_down(w, A, "core-dump", "failed");
	idle(w);
	assert_int_equal(w->v[0].cause, CAUSE_MAIN_KILLED);
	assert_int_equal(w->v[0].certainty, CERTAIN);
	assert_int_equal(w->v[0].actor_certainty, UNKNOWN);
	assert_false(w->v[0].have_actor);
	assert_int_equal(w->v[0].main_tgid, 0);
	assert_string_equal(w->v[0].notes, "who sent SIGSEGV was not seen");
}

static void cgroup_empty(struct world *w, int main_pid)
{
	service(w, WIRE_SERVICE_CGROUP_EMPTY, A, "running", main_pid);
	send(w);
}

/* The document's case: not systemd's child, killed, and systemd calls it a success. */
static void test_hidden_kill(void **state)
{
	static const enum wire_kind kinds[] = {WIRE_MANAGER_CGROUP_EVENT,
					       WIRE_MANAGER_CGROUP_EMPTY};
	static const char *const via[] = {"on_cgroup_inotify_event", "manager_notify_cgroup_empty"};

	(void)state;
	for (int v1 = 0; v1 < 2; v1++) {
		char expected[256];
		struct world w;
		struct wire_path *p;

		world_new(&w, RENDER_TEXT);
		start_main(&w, 1290, 2);
		send_signal(&w, 11733, 1290, SIGKILL);
		exit_process(&w, 1290, "daemon", 2, SIGKILL);
		p = begin(&w, kinds[v1], 1);
		wb_str(&w.b, &p->path, v1 ? "/system.slice/a.service" : NULL);
		send(&w);
		cgroup_empty(&w, 1290);
		run_down(&w, A, "success", "dead");
		idle(&w);
		assert_int_equal(w.v[0].cause, CAUSE_MAIN_KILLED);
		assert_int_equal(w.v[0].certainty, CERTAIN);
		assert_int_equal(w.v[0].exit_signal, SIGKILL);
		assert_int_equal(w.v[0].actor, 11733);
		assert_int_equal(w.v[0].actor_certainty, CERTAIN);
		assert_string_equal(w.v[0].result, "success");
		assert_string_equal(w.v[0].active_state, "inactive");
		assert_string_equal(w.v[0].path,
				    "SIGKILL → main process 1290 died → its cgroup became empty → "
				    "service_notify_cgroup_empty_event → "
				    "service_enter_stop(success)");
		snprintf(expected, sizeof(expected),
			 "%s service_notify_cgroup_empty_event "
			 "service_enter_stop service_enter_signal",
			 via[v1]);
		assert_string_equal(w.v[0].via, expected);
		assert_string_equal(
			w.v[0].notes,
			"systemd was not told how the main process ended: it is not the "
			"manager's child\n"
			"systemd's own result is \"success\" although the main process was "
			"killed");
		world_done(&w);
	}
}

/* The v1 agent's message was for another unit, or too long ago. */
static void test_cgroup_event_must_fit(void **state)
{
	struct world *w = *state;
	struct wire_path *p = begin(w, WIRE_MANAGER_CGROUP_EMPTY, 1);

	wb_str(&w->b, &p->path, "/system.slice/b.service");
	send(w);
	cgroup_empty(w, 0);
	run_down(w, A, "success", "dead");
	idle(w);
	begin(w, WIRE_MANAGER_CGROUP_EVENT, 1);
	send(w);
	w->now += 2 * SECOND;
	cgroup_empty(w, 0);
	run_down(w, A, "success", "dead");
	idle(w);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(w->v[i].cause, CAUSE_CGROUP_EMPTY);
		assert_string_equal(w->v[i].via,
				    "service_notify_cgroup_empty_event service_enter_stop "
				    "service_enter_signal");
	}
}

static void test_hidden_exit(void **state)
{
	struct world *w = *state;

	start_main(w, 1290, 2);
	exit_process(w, 1290, "daemon", 2, EXITED(4));
	cgroup_empty(w, 1290);
	run_down(w, A, "success", "dead");
	idle(w);
	assert_int_equal(w->v[0].cause, CAUSE_MAIN_EXITED);
	assert_int_equal(w->v[0].exit_code, 4);
	assert_string_equal(w->v[0].path,
			    "main process 1290 exited with 4 → its cgroup became empty → "
			    "service_notify_cgroup_empty_event → service_enter_stop(success)");
}

static void test_cgroup_empty_by_exit(void **state)
{
	struct world *w = *state;

	for (uint32_t i = 0; i < 6; i++) {
		fork_process(w, 1, 100 + i, "worker", 2);
		exit_process(w, 100 + i, "worker", 2, EXITED((int)i));
	}
	cgroup_empty(w, 0);
	run_down(w, A, "success", "dead");
	idle(w);
	assert_int_equal(w->v[0].cause, CAUSE_CGROUP_EMPTY);
	assert_int_equal(w->v[0].certainty, CERTAIN);
	assert_false(w->v[0].have_actor);
	assert_string_equal(w->v[0].notes, "left its cgroup: worker 102, exited with 2\n"
					   "left its cgroup: worker 103, exited with 3\n"
					   "left its cgroup: worker 104, exited with 4\n"
					   "left its cgroup: worker 105, exited with 5\n"
					   "and 2 more left it before these");
	assert_string_equal(w->v[0].path, "worker 105 exited with 5 → its cgroup became empty → "
					  "service_notify_cgroup_empty_event → "
					  "service_enter_stop(success)");
}

static void test_cgroup_empty_by_kill(void **state)
{
	struct world *w = *state;

	fork_process(w, 1, 100, "worker", 2);
	send_signal(w, 50, 100, SIGTERM);
	exit_process(w, 100, "worker", 2, SIGTERM);
	fork_process(w, 1, 200, "other", 3); /* of another unit */
	exit_process(w, 200, "other", 3, EXITED(0));
	cgroup_empty(w, 0);
	run_down(w, A, "success", "dead");
	idle(w);
	assert_int_equal(w->v[0].cause, CAUSE_CGROUP_EMPTY);
	assert_int_equal(w->v[0].actor, 50);
	assert_int_equal(w->v[0].actor_certainty, CERTAIN);
	assert_string_equal(w->v[0].notes, "left its cgroup: worker 100, killed by SIGTERM from "
					   "kill 50");
	assert_string_equal(w->v[0].path,
			    "SIGTERM → worker 100 died → its cgroup became empty → "
			    "service_notify_cgroup_empty_event → service_enter_stop(success)");
	/* the next stop has its own leavers */
	cgroup_empty(w, 0);
	run_down(w, A, "success", "dead");
	idle(w);
	assert_string_equal(w->v[1].notes, "");
}

static void move_process(struct world *w, uint32_t by, uint32_t pid, uint64_t cgroup,
			 const char *path)
{
	struct wire_attach *r = begin(w, WIRE_CGROUP_ATTACH, by);

	r->task = task(pid, "worker", cgroup);
	r->cgroup = cgroup;
	r->threadgroup = 1;
	wb_str(&w->b, &r->path, path);
	send(w);
}

static void test_cgroup_empty_by_move(void **state)
{
	struct world *w = *state;

	fork_process(w, 1, 100, "worker", 2);
	move_process(w, 100, 100, 21, "/system.slice/a.service/below"); /* stays within */
	move_process(w, 50, 100, 20, "/user.slice/x\x1b.scope");
	cgroup_empty(w, 100);
	run_down(w, A, "success", "dead");
	idle(w);
	assert_int_equal(w->v[0].cause, CAUSE_CGROUP_EMPTY);
	assert_int_equal(w->v[0].actor, 50);
	assert_string_equal(w->v[0].path,
			    "worker 100 was moved away → its cgroup became empty → "
			    "service_notify_cgroup_empty_event → service_enter_stop(success)");
	assert_string_equal(w->v[0].notes,
			    "how its main process 100 ended was not seen\n"
			    "left its cgroup: worker 100, moved to /user.slice/x\\x1b.scope by "
			    "process 50");
}

/* The manager stops B, whose process is A's main process: handed over by a PID file. */
static void stop_holder(struct world *w, uint64_t cgroup)
{
	struct wire_signal *r;

	client_calls(w, 501, WIRE_ENDPOINT_PRIVATE, w->manager, B);
	manager_handles(w, NULL, 501);
	request(w, B, "stop");
	job(w, B, "stop", NULL, NULL, false, 0);
	run_job(w, B, "running", 1290, 9, "stop");
	enter_stop(w, B, "running", 1290, "success");
	enter_signal(w, B, "running", 1290, "stop-sigterm", "success");
	r = signal_from(w, 1, "systemd", 1290, cgroup, SIGTERM);
	r->target_flags |= WIRE_TARGET_MANAGER_SENT;
	send(w);
	set_state(w, B, "running", "stop-sigterm", "success");
}

static void test_main_of_another_unit(void **state)
{
	struct world *w = *state;
	unsigned int cited = 0;

	start_main(w, 1290, 3);
	stop_holder(w, 3);
	exit_process(w, 1290, "daemon", 3, SIGTERM);
	sigchld(w, B, "stop-sigterm", 1290, 1290, CLD_KILLED, SIGTERM);
	enter_dead(w, B, "stop-sigterm", "success");
	set_state(w, B, "stop-sigterm", "dead", "success");
	sigchld(w, A, "running", 1290, 1290, CLD_KILLED, SIGTERM);
	run_down(w, A, "success", "dead");
	idle(w);
	assert_int_equal(w->n, 2);
	assert_string_equal(w->v[1].unit, A);
	assert_int_equal(w->v[1].cause, CAUSE_MAIN_KILLED);
	assert_int_equal(w->v[1].certainty, CERTAIN);
	assert_int_equal(w->v[1].actor, 501);
	assert_false(w->v[1].actor_manager);
	assert_int_equal(w->v[1].actor_certainty, CERTAIN);
	assert_string_equal(w->v[1].path,
			    "stop of " B " (stop-request) → SIGTERM → main process 1290 died → "
			    "service_sigchld_event → service_enter_stop(success)");
	assert_non_null(strstr(w->v[1].notes, "systemd sent SIGTERM as it stopped " B
					      ": the process was that unit's"));
	/* the call, its message, request and job, two decisions, the signal, the end */
	for (unsigned int i = 0; i < w->v[1].n_proof; i++)
		for (unsigned int k = 0; k < w->v[0].n_proof; k++)
			cited += w->v[1].proofs[i] == w->v[0].proofs[k];
	assert_int_equal(cited, 9);
	fflush(w->out);
	assert_non_null(strstr(w->text, "\"chain\":[{\"unit\":\"" B "\",\"job\":\"stop\""));
}

/* It exits upon the signal: then it may have had another reason. */
static void test_main_of_another_unit_exits(void **state)
{
	struct world *w = *state;

	start_main(w, 1290, 3);
	stop_holder(w, 3);
	exit_process(w, 1290, "daemon", 3, EXITED(0));
	sigchld(w, A, "running", 1290, 1290, CLD_EXITED, 0);
	run_down(w, A, "success", "dead");
	idle(w);
	assert_int_equal(w->n, 1);
	assert_int_equal(w->v[0].cause, CAUSE_MAIN_EXITED);
	assert_int_equal(w->v[0].actor, 501);
	assert_int_equal(w->v[0].actor_certainty, INFERRED);
	assert_string_equal(w->v[0].path,
			    "stop of " B " (stop-request) → main process 1290 exited with 0 → "
			    "service_sigchld_event → service_enter_stop(success)");
}

/* A unit stops whose name is like that of the process's own. */
static void test_main_of_no_unit_that_stops(void **state)
{
	struct world *w = *state;

	send_cgroup(w, WIRE_CGROUP_MKDIR, 20, "/system.slice/xb.service");
	start_main(w, 1290, 20);
	stop_holder(w, 20);
	exit_process(w, 1290, "daemon", 20, SIGTERM);
	sigchld(w, A, "running", 1290, 1290, CLD_KILLED, SIGTERM);
	run_down(w, A, "success", "dead");
	idle(w);
	assert_int_equal(w->v[0].cause, CAUSE_MAIN_KILLED);
	assert_true(w->v[0].actor_manager);
	assert_non_null(strstr(w->v[0].notes, "no stop of this unit was under way"));
}

/* A client has systemd make a scope of it; what is moved there once it runs is not for that client.
 */
static void test_cgroup_empty_by_scope(void **state)
{
	struct world *w = *state;
	struct wire_service *s;

	fork_process(w, 1, 100, "worker", 2);
	fork_process(w, 1, 101, "worker", 2);
	client_calls(w, 501, WIRE_ENDPOINT_PRIVATE, w->manager, NULL);
	manager_handles(w, NULL, 501);
	request(w, "x.scope", "start");
	move_process(w, 1, 100, 20, "/system.slice/x.scope");
	cgroup_empty(w, 0);
	run_down(w, A, "success", "dead");
	idle(w);
	assert_int_equal(w->v[0].cause, CAUSE_CGROUP_EMPTY);
	assert_int_equal(w->v[0].actor, 501);
	assert_false(w->v[0].actor_manager);
	assert_int_equal(w->v[0].actor_certainty, CERTAIN);
	assert_string_equal(w->v[0].path,
			    "StopUnit(x.scope) → worker 100 was moved away → its cgroup became "
			    "empty → service_notify_cgroup_empty_event → "
			    "service_enter_stop(success)");
	assert_string_equal(w->v[0].notes, "left its cgroup: worker 100, moved to "
					   "/system.slice/x.scope by process 1, asked by client "
					   "501");
	/* the call, its message, the request, the move */
	assert_true(w->v[0].n_proof >= 6);
	s = service(w, WIRE_SERVICE_SET_STATE, "x.scope", "dead", 0);
	s->arg[0] = STATE("running");
	send(w);
	move_process(w, 1, 101, 20, "/system.slice/x.scope");
	cgroup_empty(w, 0);
	run_down(w, A, "success", "dead");
	idle(w);
	assert_int_equal(w->v[1].actor, 1);
	assert_true(w->v[1].actor_manager);
}

/* The kernel tells of the move last: PID 1 has decided by then. */
static void test_cgroup_empty_by_late_move(void **state)
{
	struct world *w = *state;

	fork_process(w, 1, 100, "starter", 2);
	fork_process(w, 100, 101, "worker", 2);
	send_signal(w, 60, 100, SIGTERM);
	exit_process(w, 100, "starter", 2, SIGTERM);
	cgroup_empty(w, 0);
	enter_stop(w, A, "running", 0, "success");
	move_process(w, 50, 101, 20, "/user.slice/x.scope");
	enter_dead(w, A, "running", "success");
	set_state(w, A, "running", "dead", "success");
	idle(w);
	assert_int_equal(w->n, 1);
	assert_int_equal(w->v[0].actor, 50);
	assert_string_equal(w->v[0].path,
			    "worker 101 was moved away → its cgroup became empty → "
			    "service_notify_cgroup_empty_event → service_enter_stop(success)");
	assert_non_null(strstr(w->v[0].notes, "moved to /user.slice/x.scope by process 50"));
}

static void test_cgroup_of_the_right_manager(void **state)
{
	struct world *w = *state;

	/* a user's a.service and the system's: only one of them lost its process to a kill */
	send_cgroup(w, WIRE_CGROUP, 30,
		    "/user.slice/user-1000.slice/user@1000.service/app.slice/a.service");
	send_cgroup(w, WIRE_CGROUP, 31, "/user.slice/user-1000.slice/user@1000.service/init.scope");
	fork_process(w, 1, 100, "system", 2);
	fork_process(w, 900, 200, "users", 30);
	exit_process(w, 100, "system", 2, EXITED(1));
	exit_process(w, 200, "users", 30, EXITED(2));
	send_manager(w, 900, 900, INIT_NS, 1000, 31);
	cgroup_empty(w, 0);
	run_down(w, A, "success", "dead");
	w->manager = 1;
	cgroup_empty(w, 0);
	run_down(w, A, "success", "dead");
	idle(w);
	assert_int_equal(w->n, 2);
	assert_string_equal(w->v[0].notes, "left its cgroup: users 200, exited with 2");
	assert_string_equal(w->v[1].notes, "left its cgroup: system 100, exited with 1");
}

static void test_auto_restart_old(void **state)
{
	struct world *w = *state;

	sigchld(w, A, "running", 9, 9, CLD_EXITED, 1);
	run_down(w, A, "exit-code", "failed");
	set_state(w, A, "failed", "auto-restart", "exit-code");
	assert_int_equal(w->n, 1); /* at once */
	assert_true(w->v[0].restarts);
	assert_string_equal(w->v[0].sub_state, "auto-restart");
	assert_string_equal(w->v[0].active_state, "activating");
	assert_string_equal(w->v[0].result, "exit-code");
	/* its own restart job runs stop() as well, and means a start */
	run_job(w, A, "auto-restart", 0, 5, "restart");
	set_state(w, A, "auto-restart", "dead", "exit-code");
	set_state(w, A, "dead", "start", "success");
	set_state(w, A, "start", "running", "success");
	idle(w);
	assert_int_equal(w->n, 1);
}

static void test_auto_restart_new(void **state)
{
	static const char *const ways[] = {"failed-before-auto-restart",
					   "dead-before-auto-restart"};
	struct world *w = *state;

	for (unsigned int i = 0; i < 2; i++) {
		sigchld(w, A, "running", 9, 9, CLD_EXITED, 1);
		run_down(w, A, "exit-code", ways[i]);
		assert_int_equal(w->n, i);
		set_state(w, A, ways[i], "auto-restart", "exit-code");
		assert_int_equal(w->n, i + 1);
		set_state(w, A, "auto-restart", "auto-restart-queued", "exit-code");
		run_job(w, A, "auto-restart-queued", 0, 5, "restart");
		set_state(w, A, "auto-restart-queued", "dead", "exit-code");
		set_state(w, A, "dead", "start", "success");
		assert_int_equal(w->n, i + 1);
		assert_true(w->v[i].restarts);
		assert_string_equal(w->v[i].sub_state, "auto-restart");
	}
	/* RestartMode=direct */
	sigchld(w, A, "running", 9, 9, CLD_EXITED, 1);
	run_down(w, A, "exit-code", "auto-restart");
	assert_int_equal(w->n, 3);
	assert_true(w->v[2].restarts);
	/* the restart that never came */
	sigchld(w, A, "running", 9, 9, CLD_EXITED, 1);
	run_down(w, A, "exit-code", "failed-before-auto-restart");
	idle(w);
	assert_int_equal(w->n, 4);
	assert_true(w->v[3].restarts);
	assert_string_equal(w->v[3].active_state, "failed");
}

/* A client calls a pending restart off: that is a stop too. */
static void test_stop_of_a_pending_restart(void **state)
{
	struct world *w = *state;

	request(w, A, "stop");
	run_job(w, A, "auto-restart", 0, 5, "stop");
	set_state(w, A, "auto-restart", "dead", "exit-code");
	idle(w);
	assert_int_equal(w->n, 1);
	assert_int_equal(w->v[0].cause, CAUSE_STOP_REQUEST);
	assert_string_equal(w->v[0].path,
			    "a client's request → stop job 5 → service_stop → service_set_state");
}

/* When a finished verdict is let go: 20 ms, another unit, another kind, idle. */
static void test_hold(void **state)
{
	struct world *w = *state;

	for (unsigned int i = 0; i < 4; i++) {
		sigchld(w, A, "running", 9, 9, CLD_EXITED, 1);
		run_down(w, A, "exit-code", "failed");
		fork_process(w, 1, 100 + i, "other", 2); /* the kernel's events say nothing */
		assert_int_equal(w->n, i);
		if (i == 0)
			idle(w);
		else if (i == 1)
			set_state(w, B, "dead", "start", "success");
		else if (i == 2)
			request(w, A, "start");
		else
			w->now += 20 * MS;
		if (i == 3)
			fork_process(w, 1, 200, "other", 2);
		assert_int_equal(w->n, i + 1);
		assert_false(w->v[i].restarts);
		assert_string_equal(w->v[i].sub_state, "failed");
	}
}

static void test_interleaved_units(void **state)
{
	struct world *w = *state;

	fork_process(w, 1, 100, "a", 2);
	fork_process(w, 1, 200, "b", 3);
	send_signal(w, 50, 100, SIGKILL);
	exit_process(w, 100, "a", 2, SIGKILL);
	exit_process(w, 200, "b", 3, EXITED(7));
	sigchld(w, A, "running", 100, 100, CLD_KILLED, SIGKILL);
	enter_signal(w, A, "running", 0, "stop-sigterm", "signal");
	set_state(w, A, "running", "stop-sigterm", "signal");
	sigchld(w, B, "running", 200, 200, CLD_EXITED, 7);
	enter_signal(w, B, "running", 0, "stop-sigterm", "exit-code");
	set_state(w, B, "running", "stop-sigterm", "exit-code");
	enter_dead(w, A, "stop-sigterm", "success");
	set_state(w, A, "stop-sigterm", "failed", "signal");
	enter_dead(w, B, "stop-sigterm", "success");
	set_state(w, B, "stop-sigterm", "failed", "exit-code");
	idle(w);
	assert_int_equal(w->n, 2);
	assert_string_equal(w->v[0].unit, A);
	assert_int_equal(w->v[0].cause, CAUSE_MAIN_KILLED);
	assert_int_equal(w->v[0].certainty, CERTAIN);
	assert_string_equal(w->v[0].result, "signal");
	assert_string_equal(w->v[1].unit, B);
	assert_int_equal(w->v[1].cause, CAUSE_MAIN_EXITED);
	assert_int_equal(w->v[1].certainty, CERTAIN);
	assert_string_equal(w->v[1].result, "exit-code");
}

/* Another unit's decision in between is odd: say so. Its trigger in between: not this one's. */
static void test_foreign_events(void **state)
{
	struct world *w = *state;

	sigchld(w, A, "running", 9, 9, CLD_EXITED, 1);
	set_state(w, B, "start", "running", "success");
	run_down(w, A, "exit-code", "failed");
	idle(w);
	assert_int_equal(w->v[0].cause, CAUSE_MAIN_EXITED);
	assert_int_equal(w->v[0].certainty, INFERRED);
	assert_string_equal(w->v[0].notes, "other units' events came between service_sigchld_event "
					   "and its decision");
	sigchld(w, A, "running", 9, 9, CLD_EXITED, 1);
	sigchld(w, B, "running", 10, 10, CLD_EXITED, 1);
	run_down(w, A, "exit-code", "failed");
	idle(w);
	assert_int_equal(w->v[1].cause, CAUSE_UNCLASSIFIED);
	assert_int_equal(w->v[1].certainty, UNKNOWN);
	assert_string_equal(w->v[1].notes,
			    "nothing was seen that led to service_enter_stop in state running");
	/* a pause is no sign that the main loop is somewhere else: an emulated PID 1 takes that
	 * long */
	sigchld(w, A, "running", 9, 9, CLD_EXITED, 1);
	idle(w);
	run_down(w, A, "exit-code", "failed");
	idle(w);
	assert_int_equal(w->v[2].cause, CAUSE_MAIN_EXITED);
}

static void test_slow_decisions(void **state)
{
	struct world *w = *state;

	sigchld(w, A, "running", 9, 9, CLD_EXITED, 1);
	w->now += 2 * SECOND;
	run_down(w, A, "exit-code", "failed");
	idle(w);
	assert_int_equal(w->v[0].cause, CAUSE_MAIN_EXITED);
	assert_int_equal(w->v[0].certainty, INFERRED);
	sigchld(w, A, "running", 9, 9, CLD_EXITED, 1);
	w->now += 11 * SECOND;
	run_down(w, A, "exit-code", "failed");
	idle(w);
	assert_int_equal(w->v[1].cause, CAUSE_UNCLASSIFIED);
}

static void test_unclassified_triggers(void **state)
{
	struct world *w = *state;

	/* neither the main process nor a control process */
	sigchld(w, A, "running", 9, 10, CLD_KILLED, SIGKILL);
	run_down(w, A, "success", "dead");
	idle(w);
	assert_int_equal(w->v[0].cause, CAUSE_UNCLASSIFIED);
	assert_string_equal(w->v[0].notes, "its process 10 was killed by SIGKILL in state running");
	/* the same name at another address: units were loaded anew in between */
	sigchld(w, A, "running", 9, 9, CLD_EXITED, 1);
	service(w, WIRE_SERVICE_ENTER_STOP, A, "running", 0)->unit = 0x777000;
	send(w);
	set_state(w, A, "running", "dead", "success");
	idle(w);
	assert_int_equal(w->n, 2);
	assert_int_equal(w->v[1].cause, CAUSE_UNCLASSIFIED);
}

static void test_what_is_no_stop(void **state)
{
	struct world *w = *state;

	set_state(w, A, "dead", "start", "success");
	set_state(w, A, "start", "running", "success");
	set_state(w, A, "running", "reload", "success");
	set_state(w, A, "reload", "running", "success");
	set_state(w, A, "dead", "dead", "success");
	set_state(w, A, "failed", "failed", "exit-code");
	set_state(w, A, "failed", "dead", "success");	/* reset-failed */
	set_state(w, A, "dead", "failed", "exit-code"); /* after daemon-reexec */
	set_state(w, A, "dead", "stop-sigterm", "success");
	set_state(w, A, "dead", "cleaning", "success");
	set_state(w, A, "cleaning", "dead", "success");
	enter_dead(w, A, "cleaning", "success");
	set_state(w, A, "cleaning", "dead", "success");
	sigchld(w, B, "running", 9, 10, CLD_EXITED, 1); /* some child */
	idle(w);
	assert_int_equal(engine_flush(w->engine), 0);
	assert_int_equal(w->n, 0);
	/* but a start that was refused is worth telling */
	enter_dead(w, A, "dead", "start-limit-hit");
	set_state(w, A, "dead", "failed", "start-limit-hit");
	idle(w);
	assert_int_equal(w->n, 1);
	assert_int_equal(w->v[0].cause, CAUSE_START_LIMIT_HIT);
	assert_int_equal(w->v[0].certainty, CERTAIN);
	assert_string_equal(w->v[0].result, "start-limit-hit");
}

static void test_oneshot(void **state)
{
	struct world *w = *state;

	sigchld(w, A, "start", 9, 9, CLD_EXITED, 0);
	enter_stop(w, A, "start", 0, "success");
	set_state(w, A, "start", "dead", "success");
	idle(w);
	assert_int_equal(w->v[0].cause, CAUSE_MAIN_EXITED);
	assert_int_equal(w->v[0].certainty, CERTAIN);
}

static void test_daemon_reexec_during_a_stop(void **state)
{
	struct world *w = *state;

	sigchld(w, A, "running", 9, 9, CLD_EXITED, 1);
	enter_signal(w, A, "running", 0, "stop-sigterm", "exit-code");
	set_state(w, A, "running", "stop-sigterm", "exit-code");
	service(w, WIRE_SERVICE_SET_STATE, A, "dead", 0)->arg[0] = STATE("stop-sigterm");
	wb_as(&w->b, wire_service)->unit = 0x777000; /* units lie elsewhere now */
	send(w);
	service(w, WIRE_SERVICE_SET_STATE, A, "stop-sigterm", 0)->arg[0] = STATE("failed");
	wb_as(&w->b, wire_service)->unit = 0x777000;
	send(w);
	idle(w);
	assert_int_equal(w->n, 1);
	assert_int_equal(w->v[0].cause, CAUSE_MAIN_EXITED);
	assert_string_equal(w->v[0].sub_state, "failed");
}

static void test_pid_reuse(void **state)
{
	struct world *w = *state;
	struct wire_fork *f;

	start_main(w, 1290, 2);
	send_signal(w, 50, 1290, SIGKILL); /* to the first of that number */
	exit_process(w, 1290, "daemon", 2, SIGKILL);
	w->now += SECOND;
	f = begin(w, WIRE_FORK, 1);
	f->child = task(1290, "second", 2);
	f->child.start_ns += 500 * SECOND;
	send(w);
	sigchld(w, A, "running", 1290, 1290, CLD_KILLED, SIGKILL);
	run_down(w, A, "signal", "failed");
	idle(w);
	assert_int_equal(w->v[0].cause, CAUSE_MAIN_KILLED);
	assert_false(w->v[0].have_actor);
	assert_string_equal(w->v[0].notes, "who sent SIGKILL was not seen");
}

/* An actor's number that belongs to somebody else by now lends it no command line. */
static void test_actor_identity(void **state)
{
	struct world *w = *state;
	struct wire_proc *p;
	struct wire_signal *s;

	for (unsigned int i = 0; i < 3; i++) {
		uint32_t main_pid = 1300 + i, sender = 50 + i;

		start_main(w, main_pid, 2);
		p = begin(w, WIRE_PROC, 50);
		p->task = task(sender, "kill", 9);
		/* the tick before; another process 20 ms later; the very tick */
		p->task.start_ns = RUN(sender) / (10 * MS) * (10 * MS) + i * 20 * MS;
		p->loginuid = p->session = -1u;
		wb_str(&w->b, &p->exe, "/usr/bin/kill");
		wb_str(&w->b, &p->cgroup, "/user.slice/user-1000.slice/session-2.scope");
		send(w);
		s = signal_from(w, sender, "kill", main_pid, 2, SIGKILL);
		s->sender.start_ns = RUN(sender) + (i == 2 ? 40 * MS : 0);
		s->cmdline.len = 0;
		send(w);
		exit_process(w, main_pid, "daemon", 2, SIGKILL);
		sigchld(w, A, "running", (int)main_pid, (int)main_pid, CLD_KILLED, SIGKILL);
		run_down(w, A, "signal", "failed");
		idle(w);
		assert_int_equal(w->v[i].actor, sender);
		assert_string_equal(w->v[i].actor_exe, i == 1 ? "" : "/usr/bin/kill");
		assert_string_equal(w->v[i].actor_cmdline, "");
	}
}

/* A manager in a container calls its processes by other numbers. */
static void test_pid_namespace(void **state)
{
	struct world *w = *state;
	struct wire_fork *f;
	struct wire_exit *x;
	struct wire_signal *s;

	send_cgroup(w, WIRE_CGROUP, 40, "/machine.slice/c.scope/init.scope");
	send_cgroup(w, WIRE_CGROUP, 41, "/machine.slice/c.scope/system.slice/a.service");
	send_manager(w, 5000, 1, NS, 0, 40);
	start_main(w, 33, 2); /* 33 of the initial namespace: somebody else */
	f = begin(w, WIRE_FORK, 5000);
	f->child = task(5033, "daemon", 41);
	f->child.ns_tgid = 33;
	f->child.pidns = NS;
	send(w);
	s = signal_from(w, 50, "kill", 5033, 41, SIGKILL);
	s->target.ns_tgid = 33;
	s->target.pidns = NS;
	send(w);
	x = begin(w, WIRE_EXIT, 5033);
	x->task = f->child = task(5033, "daemon", 41);
	x->task.ns_tgid = 33;
	x->task.pidns = NS;
	x->code = SIGKILL;
	send(w);
	sigchld(w, A, "running", 33, 33, CLD_KILLED, SIGKILL);
	run_down(w, A, "signal", "failed");
	idle(w);
	assert_int_equal(w->v[0].main_pid, 33);
	assert_int_equal(w->v[0].main_tgid, 5033);
	assert_int_equal(w->v[0].actor, 50);
}

static void test_two_managers(void **state)
{
	struct world *w = *state;

	send_manager(w, 5000, 1, NS, 0, 1);
	w->manager = 1;
	sigchld(w, A, "running", 9, 9, CLD_EXITED, 1);
	w->manager = 5000; /* same name, same address, another manager */
	enter_stop(w, A, "running", 0, "success");
	w->manager = 1;
	run_down(w, A, "exit-code", "failed");
	idle(w);
	assert_int_equal(w->n, 1);
	assert_int_equal(w->v[0].cause, CAUSE_MAIN_EXITED);
	assert_int_equal(w->v[0].certainty, CERTAIN);
	/* the other one ends with its stop under way */
	exit_process(w, 5000, "systemd", 1, EXITED(0));
	assert_int_equal(w->n, 2);
	assert_int_equal(w->v[1].cause, CAUSE_UNCLASSIFIED);
	assert_true(w->v[1].incomplete);
}

static void send_lost(struct world *w, uint64_t since, uint64_t count)
{
	struct wire_lost *r = begin(w, WIRE_LOST, 0);

	r->since_ns = since;
	r->count = count;
	send(w);
}

static void test_lost(void **state)
{
	struct world *w = *state;

	send_lost(w, w->now - SECOND, 1000);
	w->now += 3 * SECOND;
	start_main(w, 1290, 2);
	send_signal(w, 50, 1290, SIGKILL);
	exit_process(w, 1290, "daemon", 2, SIGKILL);
	sigchld(w, A, "running", 1290, 1290, CLD_KILLED, SIGKILL);
	run_down(w, A, "signal", "failed");
	idle(w);
	assert_int_equal(w->v[0].lost, 0); /* too long before */
	assert_int_equal(w->v[0].certainty, CERTAIN);

	start_main(w, 1291, 2);
	send_signal(w, 50, 1291, SIGKILL);
	exit_process(w, 1291, "daemon", 2, SIGKILL);
	send_lost(w, w->now - 500 * MS, 5);
	w->now += 500 * MS;
	sigchld(w, A, "running", 1291, 1291, CLD_KILLED, SIGKILL);
	enter_stop(w, A, "running", 0, "signal");
	send_lost(w, w->now - MS, 2);
	run_down(w, A, "signal", "failed");
	idle(w);
	assert_int_equal(w->v[1].lost, 7);
	assert_int_equal(w->v[1].cause, CAUSE_MAIN_KILLED);
	assert_int_equal(w->v[1].certainty, INFERRED);
	assert_int_equal(w->v[1].actor_certainty, INFERRED);
	assert_string_equal(w->v[1].notes,
			    "7 events were lost around it: something may be missing");
}

static void test_flush(void **state)
{
	struct world *w = *state;

	sigchld(w, B, "running", 9, 9, CLD_EXITED, 1);
	run_down(w, B, "exit-code", "failed"); /* held */
	sigchld(w, A, "running", 9, 9, CLD_EXITED, 1);
	enter_stop(w, A, "running", 0, "exit-code");
	set_state(w, A, "running", "stop-sigterm", "exit-code");
	assert_int_equal(w->n, 1);
	assert_int_equal(engine_flush(w->engine), 0);
	assert_int_equal(w->n, 2);
	assert_false(w->v[0].incomplete);
	assert_true(w->v[1].incomplete);
	assert_string_equal(w->v[1].sub_state, "stop-sigterm");
	assert_string_equal(w->v[1].active_state, "deactivating");
	assert_string_equal(w->v[1].notes, "still stopping when the trace ended");
	assert_int_equal(w->v[1].certainty, INFERRED);
	assert_int_equal(engine_flush(w->engine), 0);
	assert_int_equal(w->n, 2);
}

/* The end was lost, and the unit runs again. */
static void test_end_not_seen(void **state)
{
	struct world *w = *state;

	sigchld(w, A, "running", 9, 9, CLD_EXITED, 1);
	enter_stop(w, A, "running", 0, "exit-code");
	set_state(w, A, "dead", "start", "success");
	assert_int_equal(w->n, 1);
	assert_true(w->v[0].incomplete);
	assert_string_equal(w->v[0].notes, "the end of this stop was not seen");
}

/* A build whose enums were not found: numbers without names. */
static void test_no_names(void **state)
{
	struct world *w = *state;

	w->manager = 4000;
	request(w, A, "stop");
	run_job(w, A, "running", 9, 3, "stop");
	run_down(w, A, "success", "dead");
	idle(w);
	assert_int_equal(w->n, 1);
	assert_int_equal(w->v[0].cause, CAUSE_STOP_REQUEST);
	assert_int_equal(w->v[0].certainty, INFERRED);
	assert_string_equal(w->v[0].sub_state, "");
	assert_null(w->v[0].active_state);
	assert_string_equal(w->v[0].path, "a client's request → stop job 3 → service_stop → "
					  "service_enter_stop");
}

static void test_sink_ends_the_run(void **state)
{
	struct world *w = *state;

	w->refuse = -ECANCELED;
	sigchld(w, A, "running", 9, 9, CLD_EXITED, 1);
	run_down(w, A, "exit-code", "failed");
	begin(w, WIRE_IDLE, 0);
	assert_int_equal(decoder_feed(w->decoder, w->b.bytes, wb_hdr(&w->b)->size), -ECANCELED);
	assert_int_equal(w->n, 1);
}

static void test_proof_is_bounded(void **state)
{
	struct world *w = *state;

	sigchld(w, A, "running", 9, 9, CLD_EXITED, 1);
	for (unsigned int i = 0; i < 100; i++)
		enter_stop(w, A, "running", 0, "exit-code");
	set_state(w, A, "running", "dead", "exit-code");
	idle(w);
	assert_int_equal(w->v[0].n_proof, VERDICT_PROOF_MAX);
	assert_non_null(strstr(w->text, "102 events (#"));
}

static void cycle(struct world *w, uint32_t i)
{
	uint32_t pid = 2000 + i % 30000;
	char unit[64];
	struct wire_fork *f = begin(w, WIRE_FORK, 1);

	f->child = task(pid, "daemon", 2);
	f->child.start_ns += i * MS * 100;
	send(w);
	if (i % 3 == 0)
		send_signal(w, 100000 + i, pid, SIGTERM);
	snprintf(unit, sizeof(unit), "u%u.service", i);
	if (i % 7 == 0)
		request(w, unit, "stop"); /* of a unit that is never heard of again */
	if (i % 5 != 0) {		  /* some exits are lost */
		struct wire_exit *x = begin(w, WIRE_EXIT, pid);

		x->task = task(pid, "daemon", 2);
		x->task.start_ns += i * MS * 100;
		send(w);
	}
	snprintf(unit, sizeof(unit), "r%u.service", i % 100);
	sigchld(w, unit, "running", (int)pid, (int)pid, CLD_EXITED, 0);
	run_down(w, unit, "success", "dead");
}

static void test_memory_is_bounded(void **state)
{
	struct world *w = *state;
	struct engine_stats early, late;

	for (uint32_t i = 0; i < 100000; i++)
		cycle(w, i);
	engine_stats(w->engine, &early);
	for (uint32_t i = 100000; i < 200000; i++)
		cycle(w, i);
	idle(w);
	engine_stats(w->engine, &late);
	assert_int_equal(late.verdicts, 200000);
	assert_int_equal(w->n, 200000);
	/* at most one process for each number that is in use, and those that died lately */
	assert_in_range(late.processes, 6000, 30000 + 256 + 2048);
	assert_in_range(late.processes, early.processes - 300, early.processes + 300);
	assert_in_range(late.units, 0, 4096 + 1);
	assert_in_range(late.cgroups, 0, 2);
}

static void test_names(void **state)
{
	(void)state;
	for (int c = 0; c < CAUSE_MAX; c++) {
		assert_int_equal(cause_parse(cause_name(c)), c);
		assert_non_null(cause_title(c));
	}
	assert_null(cause_name(CAUSE_MAX));
	assert_int_equal(cause_parse("none"), -EINVAL);
	assert_string_equal(cause_name(CAUSE_MAIN_KILLED), "main-killed");
	assert_string_equal(certainty_name(INFERRED), "inferred");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, world_setup_text, world_teardown)
		T(test_stop_request),
		T(test_stack_of_first_decision),
		T(test_stack_of_another_event),
		T(test_restart_request),
		T(test_two_clients),
		T(test_names_on_a_bus),
		T(test_chains),
		T(test_bound_to_what_is_gone),
		T(test_method_for_many_jobs),
		T(test_flood_of_requests),
		T(test_requests_forgotten),
		T(test_job_without_request),
		T(test_request_is_used_once),
		T(test_requests_not_seen),
		T(test_main_exited),
		T(test_main_exited_after_sigterm),
		T(test_main_killed),
		T(test_several_senders),
		T(test_old_signals_do_not_count),
		T(test_many_signals_are_bounded),
		T(test_who_raised_it),
		T(test_oom_victim),
		T(test_killer_not_seen),
		T(test_hidden_kill),
		T(test_cgroup_event_must_fit),
		T(test_hidden_exit),
		T(test_cgroup_empty_by_exit),
		T(test_cgroup_empty_by_kill),
		T(test_cgroup_empty_by_move),
		cmocka_unit_test_setup_teardown(test_main_of_another_unit, world_setup_json,
						world_teardown),
		T(test_main_of_another_unit_exits),
		T(test_main_of_no_unit_that_stops),
		T(test_cgroup_empty_by_scope),
		T(test_cgroup_empty_by_late_move),
		T(test_cgroup_of_the_right_manager),
		T(test_auto_restart_old),
		T(test_auto_restart_new),
		T(test_stop_of_a_pending_restart),
		T(test_hold),
		T(test_interleaved_units),
		T(test_foreign_events),
		T(test_slow_decisions),
		T(test_unclassified_triggers),
		T(test_what_is_no_stop),
		T(test_oneshot),
		T(test_daemon_reexec_during_a_stop),
		T(test_pid_reuse),
		T(test_actor_identity),
		T(test_pid_namespace),
		T(test_two_managers),
		T(test_lost),
		T(test_flush),
		T(test_end_not_seen),
		T(test_no_names),
		T(test_sink_ends_the_run),
		T(test_proof_is_bounded),
		T(test_memory_is_bounded),
		T(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
