/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Timelines: the states of a unit, how long each lasted, and what led to it. */
#include "world.h"

#include <errno.h>
#include <fnmatch.h>

#include "svctrace/timeline.h"

#define A	 "a.service"
#define B	 "b.service"

#define TOLD_MAX 8

/* Timelines as they were told: "state main cause: words, milliseconds" a line. */
struct told {
	struct world w;
	const char *pattern;
	unsigned int n;
	char text[TOLD_MAX][8192];
	int refuse;
};

static bool wanted(void *ctx, const char *unit)
{
	struct told *x = ctx;

	return fnmatch(x->pattern, unit, 0) == 0;
}

__attribute__((format(printf, 2, 3))) static void add(char *text, const char *fmt, ...)
{
	size_t n = strlen(text);
	va_list args;

	va_start(args, fmt);
	vsnprintf(text + n, sizeof(((struct told *)0)->text[0]) - n, fmt, args);
	va_end(args);
}

static int on_timeline(void *ctx, const struct timeline *t)
{
	struct told *x = ctx;
	char *text = x->n < TOLD_MAX ? x->text[x->n] : NULL;

	for (unsigned int i = 0; text && i < t->n_spans; i++) {
		const struct span *s = &t->span[i];
		const char *kind = span_cause_name(s->cause);

		add(text, "%s%s", s->state, s->begin_seen ? "" : "?");
		if (s->main_pid)
			add(text, " main=%d", s->main_pid);
		if (kind)
			add(text, " %s", kind);
		if (s->why)
			add(text, " [%s]", s->why);
		if (s->end_mono_ns && s->begin_seen)
			add(text, " %llums", (s->end_mono_ns - s->begin_mono_ns) / MS);
		for (unsigned int k = 0; k < s->n_events; k++)
			add(text, " +%s", wire_kind_name(s->event[k].kind));
		add(text, "\n");
	}
	if (text && t->n_left_out)
		add(text, "left out %u\n", t->n_left_out);
	if (text && t->have_verdict)
		add(text, "%s by %s\n", cause_name(t->cause), t->actor ? t->actor : "nobody");
	if (text)
		add(text, "%s\n", t->complete ? "complete" : "so far");
	x->n++;
	return x->refuse;
}

static struct told *begin_told(enum render_format format, const char *pattern)
{
	struct told *x = calloc(1, sizeof(*x));

	assert_non_null(x);
	x->pattern = pattern;
	world_new(&x->w, format);
	engine_tell_timelines(x->w.engine, wanted, on_timeline, x);
	return x;
}

static int setup(void **state)
{
	*state = begin_told(RENDER_TEXT, "a.*");
	return 0;
}

static int teardown(void **state)
{
	world_done(&((struct told *)*state)->w);
	free(*state);
	return 0;
}

static void expect(struct told *x, unsigned int i, const char *text)
{
	assert_true(x->n > i);
	assert_string_equal(x->text[i], text);
}

static void wait_ms(struct world *w, unsigned int ms)
{
	w->now += (ms - 1) * MS; /* each record takes one */
}

static void send_kill(struct world *w, int pid)
{
	signal_from(w, 950, "kill\033", (uint32_t)pid, 2, SIGKILL);
	send(w);
	exit_process(w, (uint32_t)pid, "daemon", 2, SIGKILL);
}

static void control_exit(struct world *w, const char *state, int pid, int status)
{
	struct wire_service *r = service(w, WIRE_SERVICE_SIGCHLD, A, state, 0);

	r->control_pid = pid;
	r->arg[0] = pid;
	r->arg[1] = CLD_EXITED;
	r->arg[2] = status;
	send(w);
}

static void start_job(struct world *w, const char *from, const char *to)
{
	struct wire_service *r = service(w, WIRE_SERVICE_SET_STATE, A, from, 0);

	r->arg[0] = STATE(to);
	r->job_type = JOB("start");
	r->job_id = 28;
	send(w);
}

static void enter(struct world *w, const char *from, const char *to, int main_pid)
{
	service(w, WIRE_SERVICE_SET_STATE, A, from, main_pid)->arg[0] = STATE(to);
	send(w);
}

/* From start to stop, with a step before the start, a reload and a job that ends it. */
static void test_whole_life(void **state)
{
	struct told *x = *state;
	struct world *w = &x->w;

	start_job(w, "dead", "start-pre");
	wait_ms(w, 30);
	control_exit(w, "start-pre", 811, 0);
	enter(w, "start-pre", "start", 812);
	enter(w, "start", "running", 812);
	wait_ms(w, 5000);
	enter(w, "running", "reload", 812); /* who asked for that is not among the triggers */
	wait_ms(w, 40);
	control_exit(w, "reload", 813, 0);
	enter(w, "reload", "running", 812);
	wait_ms(w, 1000);
	request(w, A, "stop");
	run_job(w, A, "running", 812, 77, "stop");
	enter_stop(w, A, "running", 812, "success");
	enter(w, "running", "stop-sigterm", 812);
	sigchld(w, A, "stop-sigterm", 812, 812, CLD_KILLED, SIGTERM);
	enter_dead(w, A, "stop-sigterm", "success");
	enter(w, "stop-sigterm", "dead", 0);
	assert_int_equal(x->n, 0);
	idle(w);
	assert_int_equal(x->n, 1);
	expect(x, 0,
	       "start-pre job [start job 28] 31ms\n"
	       "start main=812 control-exit [control process 811 exited with 0] 1ms\n"
	       "running main=812 at-once [at once] 5000ms\n"
	       "reload main=812 41ms\n"
	       "running main=812 control-exit [control process 813 exited with 0] 1003ms\n"
	       "stop-sigterm main=812 job [stop job 77] 3ms +service-sigchld\n"
	       "dead main-exit [main process 812 was killed by SIGTERM]\n"
	       "stop-request by nobody\n"
	       "complete\n");
	/* the end was told: the stream's end adds nothing */
	assert_int_equal(engine_flush(w->engine), 0);
	assert_int_equal(x->n, 1);
}

/* A trigger leads to a state in its own call, not to one that comes later. */
static void test_old_triggers_are_not_blamed(void **state)
{
	struct told *x = *state;
	struct world *w = &x->w;

	start_job(w, "dead", "start-pre");
	control_exit(w, "start-pre", 811, 0);
	enter(w, "start-pre", "start", 812);
	wait_ms(w, 500);
	enter(w, "start", "running", 812); /* READY=1 */
	control_exit(w, "running", 900, 0);
	wait_ms(w, 1500);
	enter(w, "running", "reload", 812);
	assert_int_equal(engine_flush(w->engine), 0);
	expect(x, 0,
	       "start-pre job [start job 28] 2ms\n"
	       "start main=812 control-exit [control process 811 exited with 0] 500ms\n"
	       "running main=812 1501ms\n"
	       "reload main=812\n"
	       "so far\n");
}

/* Each life has its own timeline; the next one begins where the one before ended. */
static void test_restarts(void **state)
{
	struct told *x = *state;
	struct world *w = &x->w;

	sigchld(w, A, "running", 812, 812, CLD_EXITED, 3);
	enter_signal(w, A, "running", 812, "stop-sigterm", "exit-code");
	enter(w, "running", "stop-sigterm", 812);
	enter_dead(w, A, "stop-sigterm", "exit-code");
	enter(w, "stop-sigterm", "failed-before-auto-restart", 0);
	enter(w, "failed-before-auto-restart", "auto-restart", 0);
	wait_ms(w, 100);
	service(w, WIRE_SERVICE_TIMER, A, "auto-restart", 0);
	send(w);
	start_job(w, "auto-restart", "start");
	enter(w, "start", "running", 900);
	wait_ms(w, 10);
	sigchld(w, A, "running", 900, 900, CLD_EXITED, 0);
	enter_dead(w, A, "running", "success");
	enter(w, "running", "dead", 0);
	idle(w);
	expect(x, 0,
	       "running? main=812 +service-sigchld\n"
	       "stop-sigterm main=812 main-exit [main process 812 exited with 3] 2ms\n"
	       "failed-before-auto-restart at-once [at once] 1ms\n"
	       "auto-restart at-once [at once]\n"
	       "main-exited by nobody\n"
	       "complete\n");
	expect(x, 1,
	       "auto-restart at-once [at once] 101ms\n"
	       "start restart [Restart=, by a job to start] 1ms\n"
	       "running main=900 at-once [at once] 12ms +service-sigchld\n"
	       "dead main-exit [main process 900 exited with 0]\n"
	       "main-exited by nobody\n"
	       "complete\n");
}

static void load(struct world *w, const char *state, int before, int after, int ret)
{
	service(w, WIRE_SERVICE_PIDFILE_LOAD, A, state, before);
	send(w);
	service(w, WIRE_SERVICE_PIDFILE_RESULT, A, state, after)->arg[0] = ret;
	send(w);
}

/* A hot upgrade: the same state, another main process; then one that is refused. */
static void test_hand_over(void **state)
{
	struct told *x = *state;
	struct world *w = &x->w;

	start_job(w, "dead", "start");
	control_exit(w, "start", 811, 0);
	load(w, "start", 0, 812, 1);
	enter(w, "start", "running", 812);
	wait_ms(w, 1000);
	sigchld(w, A, "running", 812, 812, CLD_EXITED, 0);
	load(w, "running", 812, 900, 1);
	enter(w, "running", "running", 900); /* no change */
	wait_ms(w, 1000);
	sigchld(w, A, "running", 900, 900, CLD_EXITED, 0);
	load(w, "running", 900, 900, -EPERM);
	run_down(w, A, "success", "dead");
	idle(w);
	expect(x, 0,
	       "start job [start job 28] 4ms\n"
	       "running main=812 pid-file [its PID file names main process 812] 1002ms "
	       "+service-sigchld\n"
	       "running main=900 pid-file [its PID file names main process 900] 1006ms "
	       "+service-sigchld +service-pidfile-result\n"
	       "stop-sigterm main-exit [main process 900 exited with 0] 2ms\n"
	       "dead at-once [at once]\n"
	       "main-exited by nobody\n"
	       "complete\n");
}

/* Another main process that nobody was seen to name: MAINPID= of a notification. */
static void test_other_main_process(void **state)
{
	struct told *x = *state;
	struct world *w = &x->w;

	start_job(w, "dead", "running");
	service(w, WIRE_SERVICE_CGROUP_EMPTY, A, "running", 812);
	send(w);
	service(w, WIRE_SERVICE_CGROUP_EMPTY, A, "running", 900);
	send(w);
	assert_int_equal(engine_flush(w->engine), 0);
	expect(x, 0,
	       "running main=812 job [start job 28] 2ms\n"
	       "running main=900 main-pid [another main process]\n"
	       "so far\n");
}

/* The first span is kept, and the last ones; so are the first events of each. */
static void test_bounded(void **state)
{
	struct told *x = *state;
	struct world *w = &x->w;
	unsigned int lines = 0;

	start_job(w, "dead", "start");
	for (unsigned int i = 0; i < 100; i++) {
		enter(w, "running", "reload", 812);
		enter(w, "reload", "running", 812);
	}
	for (unsigned int i = 0; i < 20; i++)
		load(w, "running", 812, 812, -EPERM);
	assert_int_equal(engine_flush(w->engine), 0);
	for (const char *s = x->text[0]; (s = strchr(s, '\n')); s++)
		lines++;
	assert_int_equal(lines, SPANS_MAX + 2);
	assert_non_null(strstr(x->text[0], "start job [start job 28] 1ms\n"));
	assert_non_null(strstr(x->text[0], "left out 137\n"));
	assert_non_null(strstr(x->text[0], " +service-pidfile-result +service-pidfile-result"));
}

static void test_units_are_bounded(void **state)
{
	struct told *x = *state;
	struct world *w = &x->w;

	x->pattern = "*.service";
	for (unsigned int i = 0; i < 300; i++) {
		char unit[32];

		snprintf(unit, sizeof(unit), "u%u.service", i);
		service(w, WIRE_SERVICE_CGROUP_EMPTY, unit, "running", 7);
		send(w);
	}
	assert_int_equal(x->n, 300 - 256); /* told when there was no room any more */
	assert_int_equal(engine_flush(w->engine), 0);
	assert_int_equal(x->n, 300);
}

/* Only those that are wanted; what the sink says ends the run. */
static void test_filter_and_sink(void **state)
{
	struct told *x = *state;
	struct world *w = &x->w;

	set_state(w, B, "dead", "running", "success");
	set_state(w, B, "running", "dead", "success");
	idle(w);
	assert_int_equal(x->n, 0);
	start_job(w, "dead", "running");
	x->refuse = -EPIPE;
	assert_int_equal(engine_flush(w->engine), -EPIPE);
	assert_int_equal(x->n, 1);
	x->refuse = 0;
}

static int render(void *ctx, const struct timeline *t)
{
	return render_timeline(((struct told *)ctx)->w.renderer, t);
}

static bool wanted_by_renderer(void *ctx, const char *unit)
{
	return render_wants_timeline(((struct told *)ctx)->w.renderer, unit);
}

/* For who wants to hold it to the schema: see tests/cli/schema.sh. */
static void keep_sample(const char *lines)
{
	const char *path = getenv("SVCTRACE_TEST_JSON");
	FILE *f = path ? fopen(path, "a") : NULL;

	if (f) {
		fputs(lines, f);
		fclose(f);
	}
}

static void run_rendered(struct told *x, enum render_format format)
{
	static const char *const units[] = {"nothing", "a", NULL};
	const struct render_options o = {.format = format, .utc = true, .timelines = units};
	struct world *w = &x->w;

	renderer_freep(&w->renderer);
	assert_int_equal(renderer_new(w->out, &o, &w->renderer), 0);
	engine_tell_timelines(w->engine, wanted_by_renderer, render, x);
	sigchld(w, A, "running", 812, 812, CLD_EXITED, 0);
	load(w, "running", 812, 900, 1);
	wait_ms(w, 3000);
	send_kill(w, 900);
	sigchld(w, A, "running", 900, 900, CLD_KILLED, SIGKILL);
	enter_dead(w, A, "running", "signal");
	enter(w, "running", "failed", 0);
	idle(w);
	start_job(w, "failed", "start");
	assert_int_equal(engine_flush(w->engine), 0);
	fflush(w->out);
}

static void test_rendered_text(void **state)
{
	struct told *x = *state;
	static const char *const lines[] = {
		"a.service  TIMELINE  until its end, 3.0s and what was before: main process "
		"killed, by kill\\x1b 950\n",
		"  before                  active       running        main 812     \n",
		"  active       running        main 900     its PID file names main process 900\n",
		"    3.0s  active       running ",
		" service_sigchld_event of a.service: main process 900 was killed by SIGKILL\n",
		"  failed       failed                      main process 900 was killed by "
		"SIGKILL\n",
		"a.service  TIMELINE  so far, ",
		"  activating   start                       start job 28\n",
	};

	run_rendered(x, RENDER_TEXT);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		if (!strstr(x->w.text, lines[i]))
			fail_msg("no \"%s\" in\n%s", lines[i], x->w.text);
}

static void test_rendered_json(void **state)
{
	struct told *x = *state;

	run_rendered(x, RENDER_JSON);
	keep_sample(x->w.text);
	assert_non_null(strstr(x->w.text, "\"event.name\":\"svctrace.timeline\""));
	assert_non_null(strstr(x->w.text, "\"begin_time\":null,\"begin_monotonic_ns\":null,"
					  "\"duration_ns\":null,\"main_pid\":812,\"cause\":null"));
	assert_non_null(strstr(x->w.text, "\"cause\":{\"kind\":\"pid-file\",\"text\":\"its PID "
					  "file names main process 900\",\"seq\":"));
	assert_non_null(strstr(x->w.text, "\"stop\":{\"cause\":\"main-killed\",\"certainty\":"
					  "\"certain\",\"actor\":\"kill\\\\x1b 950\"}"));
	assert_non_null(strstr(x->w.text, "\"complete\":false"));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_whole_life),	    T(test_old_triggers_are_not_blamed),
		T(test_restarts),	    T(test_hand_over),
		T(test_other_main_process), T(test_bounded),
		T(test_rendered_text),	    T(test_rendered_json),
		T(test_units_are_bounded),  T(test_filter_and_sink),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
