/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What systemd does with a service that ended, told from what it was configured to. */
#include "world.h"

#define A      "a.service"
#define HOUR   3600000000ull
#define MINUTE 60000000ull

static const char restarts[] =
	"no\0on-success\0on-failure\0on-abnormal\0on-watchdog\0on-abort\0always";
static const char actions[] = "none\0exit\0reboot\0poweroff";
static const char types[] = "simple\0oneshot";

static int setup(void **state)
{
	struct world *w;

	world_setup_text(state);
	w = *state;
	send_enum(w, "ServiceRestart", restarts, sizeof(restarts));
	send_enum(w, "ServiceType", types, sizeof(types));
	send_enum(w, "EmergencyAction", actions, sizeof(actions));
	return 0;
}

/* With RestartSec=100ms and 5 starts a minute; the rest can be set before send(). */
static struct wire_service_facts *facts(struct world *w, const char *unit, const char *restart)
{
	struct wire_service_facts *f = begin(w, WIRE_SERVICE_FACTS, w->manager);

	f->unit = 0x5500000000ull + (unsigned char)unit[0] * 0x1000ull;
	f->restart = index_of(restarts, sizeof(restarts), restart);
	f->restart_mode = f->oom_policy = WIRE_NONE;
	f->start_limit_action = f->failure_action = f->success_action = WIRE_NONE;
	f->restart_usec = 100000;
	f->restart_max_delay_usec = WIRE_USEC_NONE;
	f->restart_steps = WIRE_NONE;
	f->limit_interval_usec = MINUTE;
	f->limit_burst = 5;
	f->limit_num = 1;
	f->limit_begin_usec = w->now / 1000 - 1000;
	f->main_code = CLD_EXITED;
	f->main_status = 3;
	f->prevent.known = f->force.known = f->success.known = 1;
	wb_str(&w->b, &f->id, unit);
	return f;
}

/* The service of which facts were sent ends with this result. */
static void end(struct world *w, const char *result, const char *final)
{
	enter_dead(w, A, "running", result);
	set_state(w, A, "running", final, result);
	w->now += 6 * SECOND; /* long enough for a restart that is due */
	idle(w);
}

static void expect(struct world *w, enum restart_rule rule, const char *text)
{
	assert_int_equal(w->n, 1);
	assert_string_equal(w->v[0].restart, text);
	assert_string_equal(restart_rule_name(w->v[0].rule), restart_rule_name(rule));
	w->n = 0;
}

/* Each setting's row of the table, by the results in their order above. */
static void test_table(void **state)
{
	static const char *const rows[][2] = {
		{"no", "-----------"},		{"always", "yyyyyyyyyy?"},
		{"on-success", "y----------"},	{"on-failure", "-yyyyyyyyy-"},
		{"on-abnormal", "-yyy-yyyyy-"}, {"on-abort", "-----yy----"},
		{"on-watchdog", "-------y---"},
	};
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *result = results, *yes = rows[i][1];

		for (; *yes; yes++, result += strlen(result) + 1) {
			bool both[] = {*yes != '-', *yes == 'y'};

			for (int k = 0; k < 2; k++) {
				facts(w, A, rows[i][0]);
				send(w);
				end(w, result, both[k] ? "auto-restart" : "failed");
				assert_int_equal(w->n, 1);
				assert_int_equal(w->v[0].restarts, both[k]);
				assert_int_equal(w->v[0].rule, RESTART_SETTING);
				w->n = 0;
			}
		}
	}
}

static void test_texts(void **state)
{
	struct world *w = *state;

	facts(w, A, "on-failure");
	send(w);
	end(w, "signal", "auto-restart");
	expect(w, RESTART_SETTING,
	       "systemd restarts it in 100ms (Restart=on-failure, result signal); 1 of 5 starts "
	       "within 1min 0s");
	facts(w, A, "on-failure")->n_restarts = 4;
	wb_as(&w->b, wire_service_facts)->limit_num = 5;
	send(w);
	end(w, "signal", "auto-restart");
	expect(w, RESTART_SETTING,
	       "systemd restarts it in 100ms (Restart=on-failure, result signal), again after 4; "
	       "all 5 starts within 1min 0s are used up");
	/* the window is over; there is none; RestartSec=infinity */
	facts(w, A, "always")->limit_begin_usec = w->now / 1000 - MINUTE - 10000;
	send(w);
	end(w, "success", "auto-restart");
	expect(w, RESTART_SETTING,
	       "systemd restarts it in 100ms (Restart=always, result success); 0 of 5 starts "
	       "within "
	       "1min 0s");
	facts(w, A, "always")->limit_interval_usec = 0;
	wb_as(&w->b, wire_service_facts)->restart_usec = UINT64_MAX;
	send(w);
	end(w, "success", "auto-restart");
	expect(w, RESTART_SETTING,
	       "systemd restarts it in infinity (Restart=always, result success)");
	facts(w, A, "no");
	send(w);
	end(w, "exit-code", "failed");
	expect(w, RESTART_SETTING, "not restarted (Restart=no)");
	facts(w, A, "on-failure")->success.status[0] = 1 << 3;
	send(w);
	end(w, "success", "dead");
	expect(w, RESTART_SETTING,
	       "not restarted (Restart=on-failure, result success by SuccessExitStatus=)");
}

static void test_exit_statuses(void **state)
{
	struct world *w = *state;
	struct wire_service_facts *f;

	facts(w, A, "always")->prevent.status[0] = 1 << 3;
	send(w);
	end(w, "exit-code", "failed");
	expect(w, RESTART_PREVENTED, "not restarted (RestartPreventExitStatus= has exit status 3)");
	f = facts(w, A, "no");
	f->force.signal[0] = 1 << SIGUSR1;
	f->main_code = CLD_DUMPED;
	f->main_status = SIGUSR1;
	f->limit_burst = WIRE_NONE;
	send(w);
	end(w, "core-dump", "auto-restart");
	expect(w, RESTART_FORCED,
	       "systemd restarts it in 100ms (RestartForceExitStatus= has SIGUSR1)");
	/* a status is no signal */
	f = facts(w, A, "no");
	f->force.signal[0] = 1 << 3;
	f->force.status[2] = 1;
	f->main_status = 3;
	send(w);
	end(w, "exit-code", "failed");
	expect(w, RESTART_SETTING, "not restarted (Restart=no)");
	/* prevented goes first; out of any range; a set that could not be read says nothing */
	f = facts(w, A, "no");
	f->force.status[0] = f->prevent.status[0] = 1 << 3;
	send(w);
	end(w, "exit-code", "failed");
	expect(w, RESTART_PREVENTED, "not restarted (RestartPreventExitStatus= has exit status 3)");
	f = facts(w, A, "no");
	memset(&f->force, 0xff, sizeof(f->force));
	f->main_status = -1;
	send(w);
	end(w, "exit-code", "failed");
	expect(w, RESTART_SETTING, "not restarted (Restart=no)");
	f = facts(w, A, "always");
	f->prevent.status[0] = 1 << 3;
	f->prevent.known = 0;
	send(w);
	end(w, "exit-code", "auto-restart");
	assert_int_equal(w->v[0].rule, RESTART_SETTING);
}

/* Some releases do not force the restart of a oneshot that succeeded: what they do tells. */
static void test_oneshot(void **state)
{
	struct world *w = *state;

	for (int i = 0; i < 2; i++) {
		struct wire_service_facts *f = facts(w, A, "no");

		f->type = index_of(types, sizeof(types), "oneshot");
		f->force.status[0] = 1 << 3;
		f->limit_burst = 0;
		send(w);
		end(w, "success", i ? "auto-restart" : "dead");
		expect(w, i ? RESTART_FORCED : RESTART_ONESHOT,
		       i ? "systemd restarts it in 100ms (RestartForceExitStatus= has exit status "
			   "3)"
			 : "not restarted (RestartForceExitStatus= has exit status 3, but "
			   "Type=oneshot "
			   "and success)");
	}
}

static void test_stops(void **state)
{
	struct world *w = *state;
	struct wire_service *s;

	facts(w, A, "always")->flags = WIRE_FACT_FORBID_RESTART;
	send(w);
	end(w, "success", "dead");
	expect(w, RESTART_STOP_ASKED, "not restarted (a stop was asked for)");

	facts(w, A, "always");
	send(w);
	s = service(w, WIRE_SERVICE_ENTER_DEAD, A, "running", 9);
	s->arg[0] = RESULT("signal");
	s->arg[1] = 1;
	s->job_type = JOB("stop");
	send(w);
	set_state(w, A, "running", "failed", "signal");
	idle(w);
	expect(w, RESTART_STOP_JOB, "not restarted (a stop job waits)");

	for (int i = 0; i < 2; i++) {
		facts(w, A, "always")->flags = i ? WIRE_FACT_FORBID_RESTART : 0;
		send(w);
		s = service(w, WIRE_SERVICE_ENTER_DEAD, A, "auto-restart", 9);
		s->arg[0] = RESULT(i ? "start-limit-hit" : "resources");
		s->arg[1] = 0;
		send(w);
		set_state(w, A, "auto-restart", "failed", "exit-code");
		idle(w);
		expect(w, i ? RESTART_START_LIMIT : RESTART_NOT_ALLOWED,
		       i ? "not restarted (started too often); the limit is 5 starts within 1min 0s"
			 : "not restarted (there is no restart after this end)");
	}

	request(w, A, "stop");
	run_job(w, A, "auto-restart", 0, 5, "stop");
	set_state(w, A, "auto-restart", "dead", "exit-code");
	idle(w);
	expect(w, RESTART_CALLED_OFF, "not restarted (stopped while it waited for its restart)");
}

/* What systemd did is the truth; a decision that does not explain it is none. */
static void test_contradiction(void **state)
{
	struct world *w = *state;

	facts(w, A, "on-failure");
	send(w);
	end(w, "success", "auto-restart");
	assert_non_null(strstr(w->v[0].notes,
			       "Restart=on-failure and result success: no restart was "
			       "due, but systemd restarts it: the rule is unknown"));
	expect(w, RESTART_UNKNOWN, "systemd restarts it");
	facts(w, A, "always");
	send(w);
	end(w, "signal", "failed");
	assert_non_null(
		strstr(w->v[0].notes, "a restart was due, but systemd does not restart it"));
	expect(w, RESTART_UNKNOWN, "");
	/* a setting that nobody knows */
	facts(w, A, NULL);
	send(w);
	end(w, "signal", "auto-restart");
	assert_null(strstr(w->v[0].notes, "the rule"));
	expect(w, RESTART_UNKNOWN, "systemd restarts it");
}

/* None, another unit's, another thread's. */
static void test_no_facts(void **state)
{
	struct world *w = *state;

	end(w, "signal", "auto-restart");
	expect(w, RESTART_UNKNOWN, "systemd restarts it");
	facts(w, "b.service", "always");
	send(w);
	end(w, "signal", "failed");
	expect(w, RESTART_UNKNOWN, "");
	facts(w, A, "always")->h.tid = 77;
	send(w);
	end(w, "signal", "auto-restart");
	expect(w, RESTART_UNKNOWN, "systemd restarts it");
	/* they count once */
	facts(w, A, "always");
	send(w);
	end(w, "signal", "auto-restart");
	assert_int_equal(w->v[0].rule, RESTART_SETTING);
	w->n = 0;
	end(w, "signal", "auto-restart");
	expect(w, RESTART_UNKNOWN, "systemd restarts it");
}

/* RestartSec=1s RestartSteps=2 RestartMaxDelaySec=5s: as systemd 257 itself says. */
static void test_steps(void **state)
{
	static const char *const in[] = {"1.0s", "2.2s", "5.0s", "5.0s"};
	struct world *w = *state;
	char text[128];

	for (int i = 0; i < 4; i++) {
		struct wire_service_facts *f = facts(w, A, "always");

		f->restart_usec = 1000000;
		f->restart_max_delay_usec = 5000000;
		f->restart_steps = 2;
		f->n_restarts = i;
		send(w);
		end(w, "success", "auto-restart");
		snprintf(text, sizeof(text), "systemd restarts it in %s (", in[i]);
		assert_memory_equal(w->v[0].restart, text, strlen(text));
		w->n = 0;
	}
}

static void test_restart_request(void **state)
{
	struct world *w = *state;

	request(w, A, "restart");
	run_job(w, A, "running", 9, 7, "restart");
	enter_stop(w, A, "running", 9, "success");
	facts(w, A, "always")->flags = WIRE_FACT_FORBID_RESTART;
	send(w);
	end(w, "success", "dead");
	expect(w, RESTART_STOP_ASKED, "its job starts it again");
}

/* Before 254 "failed" comes first: where a restart is due, it is waited for. */
static void test_slow_restart(void **state)
{
	struct world *w = *state;

	facts(w, A, "always");
	send(w);
	enter_dead(w, A, "running", "signal");
	set_state(w, A, "running", "failed", "signal");
	w->now += 900 * MS;
	set_state(w, "b.service", "dead", "start", "success");
	idle(w);
	assert_int_equal(w->n, 0);
	set_state(w, A, "failed", "auto-restart", "signal");
	assert_true(w->v[0].restarts);
	assert_int_equal(w->v[0].rule, RESTART_SETTING);
	w->n = 0;
	/* it never comes */
	facts(w, A, "always");
	send(w);
	enter_dead(w, A, "running", "signal");
	set_state(w, A, "running", "failed", "signal");
	w->now += 6 * SECOND;
	set_state(w, "b.service", "dead", "start", "success");
	expect(w, RESTART_UNKNOWN, "");
}

static void action(struct world *w, const char *name)
{
	struct wire_action *a = begin(w, WIRE_EMERGENCY_ACTION, w->manager);

	a->action = index_of(actions, sizeof(actions), name);
	send(w);
}

static void ends_with(struct world *w, const char *text)
{
	const char *got = w->v[0].restart;

	assert_int_equal(w->n, 1);
	assert_true(strlen(got) >= strlen(text));
	assert_string_equal(got + strlen(got) - strlen(text), text);
	w->n = 0;
}

static struct wire_service_facts *facts_with_actions(struct world *w)
{
	struct wire_service_facts *f = facts(w, A, "no");

	f->failure_action = index_of(actions, sizeof(actions), "reboot");
	f->success_action = index_of(actions, sizeof(actions), "poweroff");
	f->start_limit_action = index_of(actions, sizeof(actions), "poweroff");
	return f;
}

/* Told if it was taken, by the setting that is of this end. */
static void test_actions(void **state)
{
	static const struct {
		const char *final, *action, *text;
	} cases[] = {
		{"failed", "reboot", "not restarted (Restart=no); FailureAction=reboot"},
		{"dead", "poweroff", "not restarted (Restart=no); SuccessAction=poweroff"},
		{"failed", "poweroff", "not restarted (Restart=no)"}, /* somebody else's */
		{"failed", NULL, "not restarted (Restart=no)"},
	};
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		facts_with_actions(w);
		send(w);
		enter_dead(w, A, "running", strcmp(cases[i].final, "dead") ? "signal" : "success");
		set_state(w, A, "running", cases[i].final, "success");
		if (cases[i].action) {
			request(w, "b.service", "start"); /* a job that its end leads to */
			action(w, cases[i].action);
		}
		w->now += 6 * SECOND;
		idle(w);
		ends_with(w, cases[i].text);
	}
}

/* That of the limit comes before the state. */
static void test_limit_action(void **state)
{
	struct world *w = *state;

	for (int late = 0; late < 2; late++) {
		struct wire_service *s;

		action(w, "poweroff");
		w->now += late ? 2 * SECOND : 0;
		facts_with_actions(w);
		send(w);
		s = service(w, WIRE_SERVICE_ENTER_DEAD, A, "auto-restart", 9);
		s->arg[0] = RESULT("start-limit-hit");
		s->arg[1] = 0;
		send(w);
		set_state(w, A, "auto-restart", "failed", "exit-code");
		w->now += 6 * SECOND;
		idle(w);
		ends_with(w, late ? "starts within 1min 0s" : "; StartLimitAction=poweroff");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, world_teardown)
		T(test_table),	      T(test_texts),   T(test_exit_statuses),
		T(test_oneshot),      T(test_stops),   T(test_contradiction),
		T(test_no_facts),     T(test_steps),   T(test_restart_request),
		T(test_slow_restart), T(test_actions), T(test_limit_action),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
