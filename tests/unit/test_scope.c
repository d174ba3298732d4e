/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Stops of scopes: they have no main process, no restart, and functions of their own. */
#include <errno.h>

#include "world.h"

#define S      "docker-0123.scope"
#define CGROUP 20

static const char scope_states[] =
	"dead\0start-chown\0running\0abandoned\0stop-sigterm\0stop-sigkill\0failed";
static const char scope_results[] = "success\0resources\0timeout\0oom-kill";

#define SCOPE_STATE(w)	index_of(scope_states, sizeof(scope_states), w)
#define SCOPE_RESULT(w) index_of(scope_results, sizeof(scope_results), w)

static int setup(void **state)
{
	int r = world_setup_json(state);
	struct world *w = *state;

	send_cgroup(w, WIRE_CGROUP, CGROUP, "/system.slice/" S);
	send_enum(w, "ScopeState", scope_states, sizeof(scope_states));
	send_enum(w, "ScopeResult", scope_results, sizeof(scope_results));
	return r;
}

static struct wire_scope *scope(struct world *w, enum wire_scope_call call, const char *state)
{
	struct wire_scope *r = begin(w, WIRE_SCOPE, w->manager);

	r->unit = 0x5500001000ull;
	r->call = call;
	r->state = SCOPE_STATE(state);
	r->result = SCOPE_RESULT("success");
	r->job_type = WIRE_NONE;
	wb_str(&w->b, &r->id, S);
	return r;
}

static void scope_enter(struct world *w, const char *state, const char *new_state,
			const char *result)
{
	struct wire_scope *r = scope(w, WIRE_SCOPE_ENTER_SIGNAL, state);

	r->arg[0] = SCOPE_STATE(new_state);
	r->arg[1] = SCOPE_RESULT(result);
	send(w);
}

static void scope_becomes(struct world *w, const char *state, const char *new_state,
			  const char *result)
{
	struct wire_scope *r = scope(w, WIRE_SCOPE_SET_STATE, state);

	r->arg[0] = SCOPE_STATE(new_state);
	r->result = SCOPE_RESULT(result);
	send(w);
}

static void scope_dies(struct world *w, const char *state, const char *new_state,
		       const char *result)
{
	scope(w, WIRE_SCOPE_ENTER_DEAD, state)->arg[0] = SCOPE_RESULT("success");
	send(w);
	scope_becomes(w, state, new_state, result);
}

/* systemctl stop, and a process that does not end by SIGTERM. */
static void test_stop_times_out(void **state)
{
	struct world *w = *state;
	struct wire_scope *r;

	request(w, S, "stop");
	r = scope(w, WIRE_SCOPE_STOP, "running");
	r->job_id = 77;
	r->job_type = JOB("stop");
	send(w);
	scope_enter(w, "running", "stop-sigterm", "success");
	scope_becomes(w, "running", "stop-sigterm", "success");
	scope(w, WIRE_SCOPE_TIMER, "stop-sigterm");
	send(w);
	scope_enter(w, "stop-sigterm", "stop-sigkill", "timeout");
	scope_becomes(w, "stop-sigterm", "stop-sigkill", "timeout");
	scope_dies(w, "stop-sigkill", "failed", "timeout");
	assert_int_equal(engine_flush(w->engine), 0);
	assert_int_equal(w->n, 1);
	assert_int_equal(w->v[0].cause, CAUSE_STOP_REQUEST);
	assert_int_equal(w->v[0].certainty, CERTAIN);
	assert_string_equal(w->v[0].unit, S);
	assert_string_equal(w->v[0].result, "timeout");
	assert_string_equal(w->v[0].active_state, "failed");
	assert_int_equal(w->v[0].main_pid, 0);
	assert_string_equal(w->v[0].via, "scope_stop scope_enter_signal");
	assert_string_equal(w->v[0].path, "a client's request → stop job 77 → scope_stop → "
					  "scope_enter_signal(success)");
	assert_non_null(strstr(w->v[0].notes, "its stop timeout ran out in stop-sigterm"));
	assert_non_null(strstr(w->text, "\"event\":\"scope-timer\""));
	assert_non_null(strstr(w->text, "scope_dispatch_timer of " S ", state stop-sigterm"));
	assert_non_null(strstr(w->text, "\"restart\":null"));
}

/* docker kill: all that systemd sees is an empty cgroup. */
static void test_killed(void **state)
{
	struct world *w = *state;

	fork_process(w, 1, 300, "nginx", CGROUP);
	signal_from(w, 50, "kill", 300, CGROUP, SIGKILL);
	send(w);
	exit_process(w, 300, "nginx", CGROUP, SIGKILL);
	scope(w, WIRE_SCOPE_CGROUP_EMPTY, "running");
	send(w);
	scope_dies(w, "running", "dead", "success");
	assert_int_equal(engine_flush(w->engine), 0);
	assert_int_equal(w->n, 1);
	assert_int_equal(w->v[0].cause, CAUSE_CGROUP_EMPTY);
	assert_int_equal(w->v[0].actor, 50);
	assert_int_equal(w->v[0].actor_certainty, CERTAIN);
	assert_string_equal(w->v[0].path, "SIGKILL → nginx 300 died → its cgroup became empty → "
					  "scope_notify_cgroup_empty_event → "
					  "scope_enter_dead(success)");
}

static void test_runtime_limit(void **state)
{
	struct world *w = *state;

	scope(w, WIRE_SCOPE_TIMER, "abandoned");
	send(w);
	scope_enter(w, "abandoned", "stop-sigterm", "timeout");
	scope_becomes(w, "abandoned", "stop-sigterm", "timeout");
	scope_dies(w, "stop-sigterm", "failed", "timeout");
	assert_int_equal(engine_flush(w->engine), 0);
	assert_int_equal(w->v[0].cause, CAUSE_RUNTIME_LIMIT);
}

/* Nobody's function, no scope's name, no such state: no event, or one that knows less. */
static void test_hostile(void **state)
{
	struct world *w = *state;
	struct wire_scope *r = scope(w, 99, "running");

	assert_int_equal(decoder_feed(w->decoder, w->b.bytes, r->h.size), -EBADMSG);
	r = scope(w, WIRE_SCOPE_NONE, "running");
	assert_int_equal(decoder_feed(w->decoder, w->b.bytes, r->h.size), -EBADMSG);
	r = scope(w, WIRE_SCOPE_STOP, "running");
	wb_str(&w->b, &r->id, "a.service");
	assert_int_equal(decoder_feed(w->decoder, w->b.bytes, r->h.size), -EBADMSG);
	r = scope(w, WIRE_SCOPE_SET_STATE, "running");
	r->state = r->arg[0] = 1 << 30;
	send(w);
	assert_int_equal(w->n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_stop_times_out, setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_killed, setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_runtime_limit, setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_hostile, setup, world_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
