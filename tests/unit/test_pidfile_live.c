/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* PID files as a manager loads them: from the events to the verdict. */
#include "world.h"

#include <errno.h>
#include <sys/wait.h>
#include <jansson.h>

#include "svctrace/cleanup.h"

#define A      "a.service"
#define FILE_A "/run/a/current.pid"

/* What capture found. */
struct found {
	const char *line, *outcome, *rule;
	int pid, error;
	uint64_t ino, mtime_ns;
	bool whole, gone, renamed;
	const char *from, *step;
	int half_of;
};

/* clang-format off */
#define FOUND(text, what, why, number, errnum, inode, mtime, ended)                                \
	{                                                                                          \
		.line = (text), .outcome = (what), .rule = (why), .pid = (number),                 \
		.error = (errnum), .ino = (inode), .mtime_ns = (mtime), .whole = (ended)           \
	}
/* clang-format on */

static void begin_load(struct world *w, const char *state, int main_pid)
{
	struct wire_service *r = service(w, WIRE_SERVICE_PIDFILE_LOAD, A, state, main_pid);

	wb_str(&w->b, &r->path, FILE_A);
	send(w);
}

static void look_at(struct world *w, const struct found *f, unsigned int flags)
{
	struct wire_pidfile *r = begin(w, WIRE_PIDFILE, w->manager);

	r->looked_ns = w->now + 300000;
	r->error = f->error;
	r->pid = f->pid;
	r->half_of = f->half_of;
	r->flags = flags | (f->gone ? 0 : WIRE_PIDFILE_FOUND) | (f->whole ? WIRE_PIDFILE_WHOLE : 0);
	r->dev = 21;
	r->ino = f->ino;
	r->mtime_ns = f->mtime_ns;
	r->size = f->line ? strlen(f->line) + f->whole : 0;
	wb_str(&w->b, &r->id, A);
	wb_str(&w->b, &r->path, FILE_A);
	wb_str(&w->b, &r->line, f->line);
	wb_str(&w->b, &r->outcome, f->outcome);
	wb_str(&w->b, &r->rule, f->rule);
	if (f->step) {
		r->from_uid = 1000;
		wb_str(&w->b, &r->from, f->from);
		wb_str(&w->b, &r->from_kind, "directory");
		wb_str(&w->b, &r->step, f->step);
		wb_str(&w->b, &r->step_kind, "link");
		wb_str(&w->b, &r->step_target, "a.pid");
		wb_str(&w->b, &r->mend, "chown\\x1b -h root \033");
	}
	send(w);
}

/* Somebody changes the file. */
static void write_file(struct world *w, const struct found *f)
{
	look_at(w, f, WIRE_PIDFILE_CHANGED | (f->renamed ? WIRE_PIDFILE_RENAMED : 0));
}

static void look(struct world *w, const struct found *f)
{
	look_at(w, f, 0);
}

static void end_load(struct world *w, const char *state, int main_pid, int ret)
{
	service(w, WIRE_SERVICE_PIDFILE_RESULT, A, state, main_pid)->arg[0] = ret;
	send(w);
}

static void load(struct world *w, const char *state, int before, const struct found *f, int after,
		 int ret)
{
	begin_load(w, state, before);
	if (f)
		look(w, f);
	end_load(w, state, after, ret);
}

static const struct found first = FOUND("812", "accepted", "in-cgroup", 812, 0, 7, 100, true);

static const struct found gone = {
	.outcome = "not-yet", .rule = "missing", .error = -ENOENT, .gone = true};

static void start_with(struct world *w, const struct found *f)
{
	set_state(w, A, "dead", "start", "success");
	service(w, WIRE_SERVICE_SIGCHLD, A, "start", 0)->arg[0] = 811;
	wb_as(&w->b, wire_service)->arg[1] = CLD_EXITED;
	wb_as(&w->b, wire_service)->arg[2] = 0;
	wb_as(&w->b, wire_service)->control_pid = 811;
	send(w);
	load(w, "start", 0, f, 812, 1);
	set_state(w, A, "start", "running", "success");
}

static void start(struct world *w)
{
	start_with(w, &first);
}

/* The main process ends; systemd looks for another one. */
static void end_main(struct world *w, int main, const struct found *f, int after, int ret)
{
	w->now += SECOND;
	sigchld(w, A, "running", main, main, CLD_EXITED, 0);
	load(w, "running", main, f, after, ret);
}

static void end_service(struct world *w)
{
	run_down(w, A, "success", "dead");
	idle(w);
	fflush(w->out);
	assert_int_equal(w->n, 1);
}

static void expect_text(struct world *w, const char *text)
{
	if (!strstr(w->text, text))
		fail_msg("no \"%s\" in\n%s", text, w->text);
}

static const struct found unsafe = {
	.line = "944",
	.outcome = "refused",
	.rule = "unsafe-path",
	.pid = 944,
	.error = -EPERM,
	.ino = 7,
	.mtime_ns = 200,
	.whole = true,
	.from = "/run/a",
	.step = FILE_A,
};

/* The document's case: another process is in the file, and systemd refuses it. */
static void test_refused(void **state)
{
	struct world *w = *state;

	start(w);
	end_main(w, 812, &unsafe, 812, -EPERM);
	end_service(w);
	assert_string_equal(w->v[0].path,
			    "main process 812 exited with 0 → its PID file names 944, which is "
			    "refused (unsafe-path) → service_sigchld_event → "
			    "service_enter_stop(success)");
	expect_text(w, "  file   /run/a/current.pid\n");
	expect_text(w, " as it had started: \"812\": taken, main process 812\n");
	expect_text(w, " as main process 812 ended: \"944\", written in place since: refused "
		       "(EPERM, unsafe-path)\n");
	expect_text(w,
		    "  step   from /run/a (directory of uid 1000) to /run/a/current.pid (link of "
		    "uid 0) → a.pid\n");
	expect_text(w, "  mend   chown\\x5cx1b -h root \\x1b\n");
}

/* What systemd did and what was found a moment later do not fit. */
static void test_disagreement(void **state)
{
	struct world *w = *state;

	start(w);
	end_main(w, 812, &gone, 812, -EPERM);
	end_service(w);
	assert_non_null(strstr(w->v[0].path, "its PID file is refused (EPERM) → "));
	expect_text(w, "(nothing there): refused (EPERM); what was found there a moment later is "
		       "not-yet (missing)\n");
	assert_null(strstr(w->text, "  mend "));
}

/* The file is gone before it can be looked at, but who wrote it was heard of. */
static void test_written_before(void **state)
{
	struct found written = unsafe;
	struct world *w = *state;

	start(w);
	written.line = "9"; /* of several changes in a row the last one counts */
	write_file(w, &written);
	written = unsafe;
	written.renamed = true;
	written.ino = 8;
	write_file(w, &written);
	end_main(w, 812, &gone, 812, -EPERM);
	end_service(w);
	assert_non_null(
		strstr(w->v[0].path, "its PID file names 944, which is refused (unsafe-path)"));
	expect_text(w, " somebody put another file there: \"944\": by systemd's rules refused "
		       "(unsafe-path)\n");
	expect_text(w, " as main process 812 ended: \"944\", another file than before, as it was "
		       "1.0s before: refused (EPERM, unsafe-path)\n");
	expect_text(w, "  step   from /run/a ");
	assert_null(strstr(w->text, "\"9\""));
}

/* What was written does not explain what systemd did: it does not stand in for it. */
static void test_written_otherwise(void **state)
{
	struct world *w = *state;

	start(w);
	write_file(w, &unsafe);
	end_main(w, 812, &gone, 812, -ESRCH);
	end_service(w);
	expect_text(w, " somebody wrote it: \"944\"");
	expect_text(w, "(nothing there): refused (ESRCH); what was found there a moment later is "
		       "not-yet (missing)\n");
}

/* Nobody could look: what systemd made of it is known all the same. */
static void test_not_looked(void **state)
{
	struct world *w = *state;

	start(w);
	end_main(w, 812, NULL, 812, -EPERM);
	end_service(w);
	expect_text(w, "(not looked at): refused (EPERM)\n");
}

/* An ordinary end: the file still names the process that ended, or is gone. */
static void test_no_hand_over(void **state)
{
	struct world *w = *state;

	start(w);
	end_main(w, 812, &first, 812, 0);
	end_service(w);
	assert_null(strstr(w->text, "  file "));
	assert_null(strstr(w->v[0].path, "PID file"));
}

/* The old process takes the file with it, though it names the new one by then. */
static void test_gone_with_the_old(void **state)
{
	static const struct found new =
		FOUND("944", "accepted", "trusted-file", 944, 0, 8, 200, true);
	struct found renamed = new;
	struct world *w = *state;

	start(w);
	renamed.renamed = true;
	write_file(w, &renamed);
	write_file(w, &gone);
	end_main(w, 812, &gone, 812, -ENOENT);
	end_service(w);
	assert_string_equal(
		w->v[0].path,
		"main process 812 exited with 0 → its PID file, which named 944, is gone → "
		"service_sigchld_event → service_enter_stop(success)");
	expect_text(w, " somebody put another file there: \"944\": by systemd's rules accepted "
		       "(trusted-file)\n");
	expect_text(w, " somebody removed it: (nothing there): ");
	expect_text(w, " as main process 812 ended: (nothing there): refused (ENOENT, missing)\n");
}

/* It takes its own file with it: nobody was to take over. */
static void test_gone_with_its_own(void **state)
{
	struct world *w = *state;

	start(w);
	write_file(w, &first);
	write_file(w, &gone);
	end_main(w, 812, &gone, 812, -ENOENT);
	end_service(w);
	assert_null(strstr(w->text, "  file "));
	assert_null(strstr(w->v[0].path, "PID file"));
}

static void test_half_written(void **state)
{
	static const struct {
		struct found f;
		int ret;
		const char *half;
	} cases[] = {
		{{.outcome = "not-yet", .rule = "empty", .error = -EINVAL, .ino = 7, .mtime_ns = 2},
		 -EINVAL,
		 "half   nothing was written yet"},
		{{.line = "94",
		  .outcome = "refused",
		  .rule = "no-process",
		  .pid = 94,
		  .error = -ESRCH,
		  .ino = 7,
		  .mtime_ns = 2,
		  .half_of = 944},
		 -ESRCH,
		 "and 944, a process of the service, begins with it"},
		{FOUND("94", "refused", "no-process", 94, -ESRCH, 7, 2, false), -ESRCH,
		 "half   perhaps half written"},
		{FOUND("944", "accepted", "in-cgroup", 944, 0, 7, 2, true), -EINVAL,
		 "could not read a PID where there was one a moment later"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct world w;

		world_new(&w, RENDER_TEXT);
		start(&w);
		end_main(&w, 812, &cases[i].f, 812, cases[i].ret);
		end_service(&w);
		expect_text(&w, cases[i].half);
		world_done(&w);
	}
	(void)state;
}

/* A PID that is whole and none, or that is refused for another reason, is not half of anything. */
static void test_not_half_written(void **state)
{
	static const struct found wrong =
		FOUND("nobody", "refused", "no-pid", 0, -EINVAL, 7, 2, true);
	struct world *w = *state;

	start(w);
	end_main(w, 812, &wrong, 812, -EINVAL);
	end_service(w);
	expect_text(w, "\"nobody\", written in place since: refused (EINVAL, no-pid)");
	assert_null(strstr(w->text, "  half "));
}

static json_t *verdict_of(struct world *w)
{
	const char *path = getenv("SVCTRACE_TEST_JSON"); /* see tests/cli/schema.sh */
	FILE *f = path ? fopen(path, "a") : NULL;
	json_error_t error;
	json_t *j = json_loads(w->text, JSON_REJECT_DUPLICATES, &error);

	if (!j)
		fail_msg("%s: %s", error.text, w->text);
	if (f) {
		fputs(w->text, f);
		fclose(f);
	}
	return j;
}

static const char *word(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static void test_gone_in_json(void **state)
{
	static const struct found new =
		FOUND("944", "accepted", "trusted-file", 944, 0, 8, 200, true);
	struct world *w = *state;
	json_t *v, *over;

	start(w);
	write_file(w, &new);
	write_file(w, &gone);
	write_file(w, &new); /* of several changes in a row the last one counts */
	write_file(w, &gone);
	end_main(w, 812, &gone, 812, -ENOENT);
	end_service(w);
	v = verdict_of(w);
	assert_int_equal(json_array_size(json_object_get(v, "pid_file")), 4);
	over = json_object_get(v, "hand_over");
	assert_int_equal(json_integer_value(json_object_get(over, "from")), 812);
	assert_int_equal(json_integer_value(json_object_get(over, "to")), 944);
	assert_true(json_is_false(json_object_get(over, "done")));
	assert_string_equal(word(over, "error"), "ENOENT");
	assert_string_equal(word(over, "rule"), "missing");
	json_decref(v);
}

/* Two upgrades that worked: the file renamed over, then written in place. */
static void test_handed_over(void **state)
{
	static const struct found second =
		FOUND("900", "accepted", "trusted-file", 900, 0, 8, 300, true);
	static const struct found third =
		FOUND("950", "accepted", "trusted-file", 950, 0, 8, 400, true);
	struct world *w = *state;
	json_t *v, *loads, *over;

	start(w);
	end_main(w, 812, &second, 900, 1);
	end_main(w, 900, &third, 950, 1);
	w->now += SECOND;
	sigchld(w, A, "running", 950, 950, CLD_EXITED, 0);
	load(w, "running", 950, &third, 950, 0);
	end_service(w);
	v = verdict_of(w);
	loads = json_object_get(v, "pid_file");
	assert_int_equal(json_array_size(loads), 4);
	assert_string_equal(word(json_array_get(loads, 0), "when"), "start");
	assert_string_equal(word(json_array_get(loads, 1), "when"), "main-exit");
	assert_string_equal(word(json_array_get(loads, 1), "result"), "taken");
	assert_string_equal(word(json_object_get(json_array_get(loads, 1), "found"), "written"),
			    "replaced");
	assert_string_equal(word(json_object_get(json_array_get(loads, 2), "found"), "written"),
			    "in-place");
	assert_string_equal(word(json_object_get(json_array_get(loads, 3), "found"), "written"),
			    "unchanged");
	over = json_object_get(v, "hand_over");
	assert_int_equal(json_integer_value(json_object_get(over, "from")), 900);
	assert_int_equal(json_integer_value(json_object_get(over, "to")), 950);
	assert_true(json_is_true(json_object_get(over, "done")));
	json_decref(v);
}

/* Loads that are all alike are counted; the first one and the last ones are kept. */
/*
 * The look at the start came after the writing that it should be compared with: it does not name
 * what systemd took, and that nothing was written since is not claimed.
 */
static void test_looked_late(void **state)
{
	static const struct found new_pid = FOUND("944", "accepted", "own", 944, 0, 7, 200, true);
	struct world *w = *state;
	json_t *v, *loads, *found;

	start_with(w, &new_pid);
	end_main(w, 812, &new_pid, 944, 1);
	end_service(w);
	v = verdict_of(w);
	loads = json_object_get(v, "pid_file");
	found = json_object_get(json_array_get(loads, 0), "found");
	assert_true(json_is_false(json_object_get(found, "agrees")));
	found = json_object_get(json_array_get(loads, 1), "found");
	assert_true(json_is_true(json_object_get(found, "agrees")));
	assert_true(json_is_null(json_object_get(found, "written")));
	json_decref(v);
}

static void test_bounded(void **state)
{
	static const struct found missing = {
		.outcome = "not-yet", .rule = "missing", .error = -ENOENT, .gone = true};
	struct world *w = *state;
	json_t *v, *loads;

	set_state(w, A, "dead", "start", "success");
	for (unsigned int i = 0; i < 5; i++)
		load(w, "start", 0, &missing, 0, -ENOENT);
	for (unsigned int i = 0; i < 20; i++) {
		struct found f = FOUND("1", "refused", "manager", 1, -EPERM, 9, i, true);

		f.ino += i;
		load(w, "start", 0, &f, 0, -EPERM);
	}
	enter_signal(w, A, "start", 0, "stop-sigterm", "timeout");
	set_state(w, A, "start", "stop-sigterm", "timeout");
	enter_dead(w, A, "stop-sigterm", "timeout");
	set_state(w, A, "stop-sigterm", "failed", "timeout");
	idle(w);
	fflush(w->out);
	v = verdict_of(w);
	loads = json_object_get(v, "pid_file");
	assert_int_equal(json_array_size(loads), PIDFILE_LOADS_MAX);
	assert_int_equal(json_integer_value(json_object_get(v, "pid_file_left_out")),
			 21 - PIDFILE_LOADS_MAX);
	assert_int_equal(json_integer_value(json_object_get(json_array_get(loads, 0), "times")), 5);
	assert_string_equal(word(json_array_get(loads, 0), "when"), "change");
	assert_true(json_is_null(json_object_get(v, "hand_over")));
	json_decref(v);
}

/* Events of which others were lost, and those of a unit's next life. */
static void test_torn(void **state)
{
	struct world *w = *state;
	json_t *v;

	end_load(w, "running", 812, 1);
	look(w, &unsafe);
	start(w);
	look(w, &unsafe);			     /* its load was lost */
	end_load(w, "running", 812, 0);		     /* likewise */
	set_state(w, A, "dead", "start", "success"); /* the end was lost */
	start(w);
	begin_load(w, "running", 812); /* the result is lost */
	end_service(w);
	v = verdict_of(w);
	assert_int_equal(json_array_size(json_object_get(v, "pid_file")), 2);
	assert_true(json_is_null(
		json_object_get(json_array_get(json_object_get(v, "pid_file"), 1), "result")));
	json_decref(v);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, world_setup_text, world_teardown)
#define J(f) cmocka_unit_test_setup_teardown(f, world_setup_json, world_teardown)
	const struct CMUnitTest tests[] = {
		T(test_refused),	   T(test_disagreement),      T(test_not_looked),
		T(test_written_before),	   T(test_written_otherwise), T(test_no_hand_over),
		T(test_gone_with_the_old), T(test_gone_with_its_own), J(test_gone_in_json),
		T(test_half_written),	   T(test_not_half_written),  J(test_looked_late),
		J(test_handed_over),	   J(test_bounded),	      J(test_torn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
