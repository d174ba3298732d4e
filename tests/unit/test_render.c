/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "world.h"

#include <jansson.h>

#define A     "a.service"
#define CLEAR "\x1b[0m"

static const char *written(struct world *w)
{
	fflush(w->out);
	return w->text;
}

/* kill -9 from a shell, as in the README; unit names the service. */
static void kill_service(struct world *w, const char *unit, const char *final)
{
	fork_process(w, 1, 1290, "daemon", 2);
	exec_process(w, 1290, "daemon", 2, "daemon\0--no-fork", 17);
	signal_from(w, 11733, "kill", 1290, 2, SIGKILL);
	send(w);
	exit_process(w, 1290, "daemon", 2, SIGKILL);
	sigchld(w, unit, "running", 1290, 1290, CLD_KILLED, SIGKILL);
	run_down(w, unit, "signal", final);
	idle(w);
}

static void test_verdict_text(void **state)
{
	struct world w;

	(void)state;
	world_new(&w, RENDER_TEXT);
	kill_service(&w, A, "failed");
	assert_string_equal(
		written(&w),
		"22:15:00.018  a.service  FAILED  main process killed: SIGKILL\n"
		"  who    kill pid 11733, uid 0 (root), login 1000, session 2, session-2.scope, "
		"pts/0\n"
		"         sshd 1099 ─ bash 1296 ─ kill 11733   \"kill -9 1290\"\n"
		"  why    SIGKILL → main process 1290 died → service_sigchld_event → "
		"service_enter_stop(signal)\n"
		"  then   result \"signal\", failed (failed)\n"
		"  proof  8 events (#16 #17 #18 #19 #20 #21 #22 #23), names by reference from "
		"libsystemd-core-252.so, no events lost\n");
	world_done(&w);
}

/* Below the verdict, as asked for: what is not known has an address, what is guessed a mark. */
static void test_stack_text(void **state)
{
	struct render_options o = {.format = RENDER_TEXT, .utc = true, .stack = true};
	struct world w;

	(void)state;
	world_new(&w, RENDER_TEXT);
	renderer_freep(&w.renderer);
	assert_int_equal(renderer_new(w.out, &o, &w.renderer), 0);
	send_stack(&w, "service_enter_stop", "service_stop", WIRE_STACK_CUT);
	enter_stop(&w, A, "running", 1290, "success");
	set_state(&w, A, "running", "dead", "success");
	idle(&w);
	assert_non_null(strstr(written(&w),
			       "  stack  service_enter_stop+0x0 libsystemd-core-252.so\n"
			       "         service_stop+0x10 libsystemd-core-252.so\n"
			       "         source_dispatch+0x264? libsystemd-shared-252.so\n"
			       "         0x27249 libc.so.6\n"
			       "         … (the sample of the stack ends here)\n"));
	enter_stop(&w, A, "running", 1290, "success");
	set_state(&w, A, "running", "dead", "success");
	idle(&w);
	assert_non_null(strstr(written(&w), "  stack  not sampled\n"));
	world_done(&w);
}

static void test_ascii(void **state)
{
	const struct render_options o = {.utc = true, .ascii = true};
	struct world w;

	(void)state;
	world_new_with(&w, &o);
	kill_service(&w, A, "failed");
	assert_non_null(strstr(written(&w), "sshd 1099 - bash 1296 - kill 11733"));
	assert_non_null(strstr(w.text, "SIGKILL -> main process 1290 died -> "));
	for (const char *s = w.text; *s; s++)
		assert_false(*s & 0x80);
	world_done(&w);
}

static size_t columns_of(const char *line, size_t n)
{
	size_t cols = 0;

	for (size_t i = 0; i < n; i++)
		cols += (line[i] & 0xc0) != 0x80;
	return cols;
}

static void test_width(void **state)
{
	(void)state;
	for (unsigned int width = 60; width <= 140; width++) {
		const struct render_options o = {.utc = true, .width = width};
		char cmdline[200] = "kill\0";
		struct wire_signal *s;
		struct world w;

		world_new_with(&w, &o);
		memset(cmdline + 5, 'x', sizeof(cmdline) - 5);
		s = signal_from(&w, 11733, "kill", 1290, 2, SIGKILL);
		wb_bytes(&w.b, &s->cmdline, cmdline, sizeof(cmdline));
		send(&w);
		exit_process(&w, 1290, "daemon", 2, SIGKILL);
		sigchld(&w, A, "running", 1290, 1290, CLD_KILLED, SIGKILL);
		run_down(&w, A, "success", "failed");
		idle(&w);
		assert_non_null(strstr(written(&w), "…\"\n"));
		assert_null(strstr(w.text, "\n\n"));
		for (const char *line = strchr(w.text, '\n'); line && line[1];) {
			const char *end = strchr(line + 1, '\n');

			assert_in_range(columns_of(line + 1, (size_t)(end - line - 1)), 8, width);
			line = end;
		}
		world_done(&w);
	}
}

static void test_color(void **state)
{
	const struct render_options o = {.utc = true, .color = true};
	struct world w;

	(void)state;
	world_new_with(&w, &o);
	kill_service(&w, A, "failed");
	assert_non_null(strstr(written(&w), "  \x1b[1ma.service" CLEAR "  \x1b[1;31mFAILED" CLEAR
					    "  main process killed: SIGKILL\n"));
	kill_service(&w, A, "dead");
	assert_non_null(strstr(written(&w), "\x1b[1;33mSTOPPED" CLEAR));
	world_done(&w);
}

static void test_words(void **state)
{
	struct world w;

	(void)state;
	world_new(&w, RENDER_TEXT);
	sigchld(&w, A, "running", 9, 9, CLD_EXITED, 3);
	run_down(&w, A, "exit-code", "failed");
	set_state(&w, A, "failed", "auto-restart", "exit-code");
	assert_non_null(
		strstr(written(&w), "a.service  RESTARTING  main process exited: code 3\n"));
	assert_non_null(strstr(w.text, "  then   result \"exit-code\", activating (auto-restart); "
				       "systemd restarts it\n"));
	request(&w, A, "restart");
	run_job(&w, A, "running", 9, 7, "restart");
	run_down(&w, A, "success", "dead");
	idle(&w);
	assert_non_null(strstr(written(&w), "RESTARTING  a client asked systemd to restart it\n"));
	assert_non_null(strstr(w.text, "inactive (dead); its job starts it again\n"));
	sigchld(&w, "b.service", "running", 9, 9, CLD_EXITED, 0);
	enter_stop(&w, "b.service", "running", 0, "success");
	set_state(&w, "b.service", "running", "stop-sigterm", "success");
	engine_flush(w.engine);
	assert_non_null(strstr(written(&w),
			       "b.service  STOPPING  main process exited: code 0 (inferred)\n"));
	assert_non_null(strstr(w.text,
			       "  then   deactivating (stop-sigterm); its end was not seen\n"
			       "  note   still stopping when the trace ended\n"));
	world_done(&w);
}

static void test_manager_as_actor(void **state)
{
	struct wire_signal *s;
	struct world w;

	(void)state;
	world_new(&w, RENDER_TEXT);
	s = signal_from(&w, 1, "systemd", 1290, 2, SIGKILL);
	s->syscall = SYS_PIDFD_SEND_SIGNAL;
	s->target_flags |= WIRE_TARGET_MANAGER_SENT;
	send(&w);
	exit_process(&w, 1290, "daemon", 2, SIGKILL);
	sigchld(&w, A, "running", 1290, 1290, CLD_KILLED, SIGKILL);
	run_down(&w, A, "signal", "failed");
	idle(&w);
	assert_non_null(strstr(written(&w), "  who    systemd itself, pid 1\n"
					    "  why    SIGKILL → main process 1290 died → "));
	assert_non_null(strstr(w.text,
			       "  note   no stop of this unit was under way as systemd sent "
			       "SIGKILL: a client had it sent (systemctl kill), or "));
	world_done(&w);
}

static void test_no_wall_clock(void **state)
{
	struct world w;

	(void)state;
	world_new(&w, RENDER_TEXT);
	decoder_freep(&w.decoder);
	assert_int_equal(decoder_new(on_event, &w, &w.decoder), 0);
	sigchld(&w, A, "running", 9, 9, CLD_EXITED, 3);
	run_down(&w, A, "exit-code", "failed");
	idle(&w);
	assert_memory_equal(written(&w), "+100.014  a.service  ", 21);
	world_done(&w);
}

static void test_filters(void **state)
{
	static const char *const units[] = {"web-*", "a", "x.target", NULL};
	static const struct {
		const char *unit;
		bool shown;
	} cases[] = {
		{"web-1.service", true}, {"a.service", true},	 {"b.service", false},
		{"aa.service", false},	 {"web.service", false},
	};
	struct render_options o = {.utc = true, .units = units};
	struct world w;

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		world_new_with(&w, &o);
		kill_service(&w, cases[i].unit, "failed");
		assert_int_equal(w.n, 1);
		assert_int_equal(*written(&w) != 0, cases[i].shown);
		world_done(&w);
	}
	o.units = NULL;
	o.causes = 1u << CAUSE_MAIN_EXITED | 1u << CAUSE_STOP_REQUEST;
	world_new_with(&w, &o);
	kill_service(&w, A, "failed");
	assert_string_equal(written(&w), "");
	sigchld(&w, A, "running", 9, 9, CLD_EXITED, 3);
	run_down(&w, A, "exit-code", "failed");
	idle(&w);
	assert_non_null(strstr(written(&w), "main process exited: code 3"));
	world_done(&w);
}

/* Names that would take over a terminal or break a parser. */
static void kill_with_hostile_names(struct world *w)
{
	static const char cmdline[] = "\x1b]0;pwned\x07\0\xff\xfe\0\xe2\x80\xae"
				      "x\0\n\"}";
	struct wire_signal *s;

	s = signal_from(w, 11733, "\x1b[2J\xff\n\"\x7f", 1290, 2, SIGKILL);
	memcpy(s->tty, "\x9b\x1b", 2);
	memcpy(s->ancestors[0].comm,
	       "\xc2\x9b"
	       "0123456789abcd",
	       WIRE_COMM_LEN);
	wb_bytes(&w->b, &s->cmdline, cmdline, sizeof(cmdline));
	send(w);
	exit_process(w, 1290, "da\x1bmon", 2, SIGKILL);
	signal_from(w, 60, "two\x07", 1290, 2, SIGKILL);
	send(w);
	sigchld(w, "a\\x2db.service", "running", 1290, 1290, CLD_KILLED, SIGKILL);
	run_down(w, "a\\x2db.service", "signal", "failed");
	idle(w);
}

static void test_hostile_text(void **state)
{
	struct world w;

	(void)state;
	world_new(&w, RENDER_TEXT);
	kill_with_hostile_names(&w);
	for (const char *s = written(&w); *s; s++)
		assert_true(*s == '\n' || (unsigned char)*s >= 0x20);
	assert_null(strstr(w.text, "\xc2\x9b"));
	assert_null(strstr(w.text, "\xe2\x80\xae"));
	assert_non_null(strstr(w.text, "  a\\x2db.service  FAILED"));
	assert_non_null(strstr(w.text, "who    \\x1b[2J\\xff\\x0a\"\\x7f pid 11733"));
	assert_non_null(
		strstr(w.text, "'\\x1b]0;pwned\\x07' \\xff\\xfe \\xe2\\x80\\xaex '\\x0a\"}'"));
	assert_non_null(strstr(w.text, "note   daemon 1290 also got SIGKILL from two\\x07 60"));
	world_done(&w);
}

/* For who wants to see samples, or hold them to the schema: they are appended to that file. */
static void keep_sample(const char *lines)
{
	const char *path = getenv("SVCTRACE_TEST_JSON");
	FILE *f = path ? fopen(path, "a") : NULL;

	if (f) {
		fputs(lines, f);
		fclose(f);
	}
}

static json_t *load_line(const char *text, unsigned int line)
{
	const char *end;
	json_error_t error;
	json_t *j;

	while (line-- > 0)
		text = strchr(text, '\n') + 1;
	end = strchr(text, '\n');
	assert_non_null(end);
	j = json_loadb(text, (size_t)(end - text), JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
	if (!j)
		fail_msg("%s: %.*s", error.text, (int)(end - text), text);
	return j;
}

static const char *text_at(json_t *j, const char *outer, const char *key)
{
	return json_string_value(json_object_get(outer ? json_object_get(j, outer) : j, key));
}

static json_int_t number_at(json_t *j, const char *outer, const char *key)
{
	json_t *n = json_object_get(outer ? json_object_get(j, outer) : j, key);

	assert_true(json_is_integer(n));
	return json_integer_value(n);
}

static void test_verdict_json(void **state)
{
	struct world w;
	json_t *j;

	(void)state;
	world_new(&w, RENDER_JSON);
	kill_service(&w, A, "failed");
	j = load_line(written(&w), 0);
	assert_int_equal(number_at(j, NULL, "schema_version"), 1);
	assert_string_equal(text_at(j, NULL, "event.name"), "svctrace.verdict");
	assert_string_equal(text_at(j, NULL, "time"), "2023-11-14T22:15:00.022000000Z");
	assert_string_equal(text_at(j, NULL, "begin_time"), "2023-11-14T22:15:00.018000000Z");
	assert_int_equal(number_at(j, NULL, "duration_ns"), 4 * MS);
	assert_string_equal(text_at(j, NULL, "boot_id"), "11111111-2222-3333-4444-555555555555");
	assert_string_equal(text_at(j, NULL, "systemd.unit.name"), A);
	assert_string_equal(text_at(j, NULL, "systemd.unit.active_state"), "failed");
	assert_string_equal(text_at(j, NULL, "cause"), "main-killed");
	assert_string_equal(text_at(j, NULL, "certainty"), "certain");
	assert_string_equal(text_at(j, "main", "process.command_line"), "daemon --no-fork");
	assert_string_equal(text_at(j, "exit", "signal"), "SIGKILL");
	assert_true(json_is_null(json_object_get(json_object_get(j, "exit"), "code")));
	assert_string_equal(text_at(j, "actor", "kind"), "process");
	assert_string_equal(text_at(j, "actor", "syscall"), "kill");
	assert_string_equal(text_at(j, "actor", "process.command_line"), "kill -9 1290");
	assert_string_equal(text_at(j, "actor", "unit"), "session-2.scope");
	assert_int_equal(number_at(j, "actor", "process.pid"), 11733);
	assert_int_equal(number_at(j, "actor", "uid"), 0);
	assert_int_equal(json_array_size(json_object_get(json_object_get(j, "actor"), "ancestors")),
			 3);
	assert_true(json_is_null(json_object_get(j, "job")));
	assert_true(json_is_false(json_object_get(json_object_get(j, "then"), "restart")));
	assert_int_equal(json_array_size(json_object_get(j, "proof")), 8);
	assert_int_equal(json_array_size(json_object_get(j, "stack")), 0);
	assert_true(json_is_null(json_object_get(j, "stack_end")));
	assert_string_equal(text_at(j, "manager", "build_id"), "0123abcd");
	json_decref(j);
	keep_sample(w.text);
	world_done(&w);
}

static void test_stack_json(void **state)
{
	struct world w;
	json_t *j, *frame;

	(void)state;
	world_new(&w, RENDER_JSON);
	send_stack(&w, "service_enter_stop", "service_stop", WIRE_STACK_NO_UNWIND);
	enter_stop(&w, A, "running", 1290, "success");
	set_state(&w, A, "running", "dead", "success");
	idle(&w);
	j = load_line(written(&w), 0);
	assert_string_equal(text_at(j, NULL, "stack_end"), "no-unwind-data");
	assert_int_equal(json_array_size(json_object_get(j, "stack")), 4);
	frame = json_array_get(json_object_get(j, "stack"), 2);
	assert_string_equal(text_at(frame, NULL, "function"), "source_dispatch");
	assert_string_equal(text_at(frame, NULL, "object"),
			    "/usr/lib/systemd/libsystemd-shared-252.so");
	assert_string_equal(text_at(frame, NULL, "address"), "0x3264");
	assert_int_equal(number_at(frame, NULL, "offset"), 0x264);
	assert_true(json_is_false(json_object_get(frame, "certain")));
	frame = json_array_get(json_object_get(j, "stack"), 1);
	assert_true(json_is_true(json_object_get(frame, "certain")));
	frame = json_array_get(json_object_get(j, "stack"), 3);
	assert_true(json_is_null(json_object_get(frame, "function")));
	assert_true(json_is_null(json_object_get(frame, "offset")));
	assert_true(json_is_false(json_object_get(frame, "certain")));
	json_decref(j);
	keep_sample(w.text);
	world_done(&w);
}

/* The same keys in the same order, whatever is known. */
static void test_json_shape_is_stable(void **state)
{
	const char *key_a, *key_b;
	json_t *a, *b, *value;
	struct world w;
	void *at;

	(void)state;
	world_new(&w, RENDER_JSON);
	kill_service(&w, A, "failed");
	w.manager = 4000; /* nothing is known of it */
	enter_dead(&w, A, NULL, NULL);
	set_state(&w, A, NULL, NULL, NULL);
	idle(&w);
	a = load_line(written(&w), 0);
	b = load_line(w.text, 1);
	assert_int_equal(json_object_size(a), json_object_size(b));
	at = json_object_iter(b);
	json_object_foreach(a, key_a, value)
	{
		key_b = json_object_iter_key(at);
		assert_string_equal(key_a, key_b);
		at = json_object_iter_next(b, at);
	}
	assert_true(json_is_null(json_object_get(b, "systemd.unit.sub_state")));
	assert_true(json_is_null(json_object_get(b, "actor")));
	json_decref(a);
	json_decref(b);
	keep_sample(w.text);
	world_done(&w);
}

static void test_hostile_json(void **state)
{
	struct world w;
	json_t *j;

	(void)state;
	world_new(&w, RENDER_JSON);
	kill_with_hostile_names(&w);
	j = load_line(written(&w), 0);
	assert_string_equal(text_at(j, NULL, "systemd.unit.name"), "a\\x2db.service");
	assert_string_equal(text_at(j, "actor", "process.command"), "\x1b[2J\xef\xbf\xbd\n\"\x7f");
	/* and never as it is: the ancestor's name begins with one that a terminal takes for ESC [
	 */
	for (const char *s = w.text; *s; s++)
		assert_true(*s == '\n' || ((unsigned char)*s >= 0x20 && *s != 0x7f));
	assert_null(strstr(w.text, "\xc2\x9b"));
	assert_non_null(strstr(w.text, "\"process.command\":\"\\u009b0123456789abcd\""));
	assert_non_null(strstr(w.text, "\\u007f"));
	assert_string_equal(text_at(j, "actor", "process.command_line"),
			    "'\x1b]0;pwned\x07' \xef\xbf\xbd\xef\xbf\xbd \xe2\x80\xaex '\n\"}'");
	assert_null(strchr(strchr(w.text, '\n') + 1, '\n'));
	json_decref(j);
	keep_sample(w.text);
	world_done(&w);
}

struct printer {
	struct renderer *renderer;
	int last;
};

static int print(void *ctx, const struct ev *e)
{
	struct printer *p = ctx;

	p->last = render_event(p->renderer, e);
	return p->last;
}

/* Every kind of record, bare, as text and as JSON. */
static void test_every_kind_of_event(void **state)
{
	(void)state;
	for (unsigned int format = 0; format < 2; format++) {
		struct render_options o = {.format = format, .utc = true};
		unsigned int lines = 0;
		struct printer p = {};
		struct decoder *d;
		struct wire_buf b;
		char *text, expected[80];
		size_t size;
		FILE *f = open_memstream(&text, &size);

		assert_int_equal(renderer_new(f, &o, &p.renderer), 0);
		assert_int_equal(decoder_new(print, &p, &d), 0);
		for (unsigned int kind = 1; kind < 128; kind++) {
			const char *name = kind == WIRE_SCOPE ? "scope-stop" : wire_kind_name(kind);

			if (wb_fixed(kind) == 0)
				continue;
			wb_begin(&b, kind, wb_fixed(kind), 1, 5 * SECOND);
			wb_units(&b, kind, A);
			assert_int_equal(decoder_feed(d, b.bytes, wb_hdr(&b)->size), 0);
			fflush(f);
			if (format == RENDER_JSON) {
				json_t *j = load_line(text, lines);

				snprintf(expected, sizeof(expected), "svctrace.%s%s",
					 kind == WIRE_LOST ? "" : "event.", name);
				assert_string_equal(text_at(j, NULL, "event.name"), expected);
				assert_int_equal(number_at(j, NULL, "seq"), lines + 1);
				assert_true(json_is_object(json_object_get(j, "data")));
				json_decref(j);
			} else {
				snprintf(expected, sizeof(expected), "  #%-6u %-22s ", lines + 1,
					 name);
				assert_non_null(strstr(text, expected));
			}
			lines++;
		}
		if (format == RENDER_JSON)
			keep_sample(text);
		decoder_freep(&d);
		renderer_freep(&p.renderer);
		fclose(f);
		free(text);
	}
}

/* The same input gives the same bytes. */
static void test_output_is_reproducible(void **state)
{
	(void)state;
	for (unsigned int format = 0; format < 2; format++) {
		struct world a, b;

		world_new(&a, format);
		world_new(&b, format);
		kill_with_hostile_names(&a);
		kill_with_hostile_names(&b);
		setenv("TZ", "Asia/Tokyo", 1);
		kill_service(&a, A, "failed");
		setenv("TZ", "UTC", 1);
		kill_service(&b, A, "failed");
		assert_string_equal(written(&a), written(&b));
		assert_true(strlen(a.text) > 500);
		world_done(&a);
		world_done(&b);
	}
}

static void test_stream_errors(void **state)
{
	struct render_options o = {.utc = true};
	struct verdict v = {.unit = (char *)A};
	struct renderer *r = NULL;
	FILE *full = fopen("/dev/full", "w");

	(void)state;
	assert_non_null(full);
	for (unsigned int format = 0; format < 2; format++) {
		o.format = format;
		assert_int_equal(renderer_new(full, &o, &r), 0);
		assert_true(render_verdict(r, &v) < 0);
		renderer_freep(&r);
		clearerr(full);
	}
	fclose(full);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_verdict_text),
		cmocka_unit_test(test_stack_text),
		cmocka_unit_test(test_stack_json),
		cmocka_unit_test(test_ascii),
		cmocka_unit_test(test_width),
		cmocka_unit_test(test_color),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_manager_as_actor),
		cmocka_unit_test(test_no_wall_clock),
		cmocka_unit_test(test_filters),
		cmocka_unit_test(test_hostile_text),
		cmocka_unit_test(test_verdict_json),
		cmocka_unit_test(test_json_shape_is_stable),
		cmocka_unit_test(test_hostile_json),
		cmocka_unit_test(test_every_kind_of_event),
		cmocka_unit_test(test_output_is_reproducible),
		cmocka_unit_test(test_stream_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
