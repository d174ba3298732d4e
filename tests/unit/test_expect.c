/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* EXPECT files: what they can say, what they refuse, and how two runs differ. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "svctrace/cleanup.h"
#include "svctrace/expect.h"

#define SECOND 1000000000ull

static void add(struct outcomes *o, const char *unit, enum cause cause, const char *comm,
		uint64_t at_s)
{
	struct actor actor = {.comm = (char *)comm, .tgid = 77, .uid = 0, .loginuid = UINT32_MAX};
	struct verdict v = {
		.unit = (char *)unit,
		.cause = cause,
		.result = (char *)"signal",
		.sub_state = (char *)"failed",
		.have_actor = comm != NULL,
		.chain = &actor,
		.n_chain = comm != NULL,
		.signal = comm ? 9 : 0,
		.begin_mono_ns = at_s * SECOND,
		.end_mono_ns = at_s * SECOND + SECOND / 2,
		.begin_wall_ns = 1700000000 * SECOND + at_s * SECOND,
		.n_proof = 1,
		.proof = {{.seq = 12, .what = (char *)"SIGKILL to a from kill"}},
	};

	assert_int_equal(outcomes_add(o, &v), 0);
}

/* a killed at 10 s, b exits at 12 s, a killed again at 20 s */
static struct outcomes three(void)
{
	struct outcomes o = {.start_mono_ns = 9 * SECOND};

	add(&o, "a.service", CAUSE_MAIN_KILLED, "kill", 10);
	add(&o, "b.service", CAUSE_MAIN_EXITED, NULL, 12);
	add(&o, "a.service", CAUSE_MAIN_KILLED, "pkill", 20);
	return o;
}

/* How many lines are not met; -1: it does not parse. */
static int check(const char *text)
{
	struct outcomes o = three();
	struct expect *e = NULL;
	struct expect_error err = {};
	int r = expect_parse(text, strlen(text), &e, &err);

	assert_true(r == 0 || (r == -EINVAL && *err.what && err.line > 0));
	r = r < 0 ? -1 : expect_compare(e, &o);
	expect_freep(&e);
	outcomes_done(&o);
	return r;
}

static void test_met(void **state)
{
	static const char *const good[] = {
		"a.service main-killed",
		"a main-killed\n",
		"# a comment\n\n  a   main-killed   # another\n",
		"* main-*",
		"a main-killed signal=SIGKILL actor=kill result=signal",
		"a main-killed actor=@(kill|pkill)",
		"a main-killed actor!=kill",
		"b main-exited actor=-",
		"a main-killed \"actor=kill\"",
		"a main-killed actor=\"k*\"",
		"a main-killed lost=0 actor-uid<1 actor-uid>=0",
		"a main-killed duration<1s duration>=500ms",
		"a main-killed\na main-killed",
		"a main-killed\nthen b main-exited within=2s\nthen a main-killed within=8s",
		"a main-killed within=1s",
		"never c.service *\na main-killed",
		"never a main-exited",
		"a main-killed\nb main-exited\na main-killed\nnothing else",
		"nothing else\na *\nb *\na *",
		"a main-killed certainty=*",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		if (check(good[i]) != 0)
			fail_msg("not met: %s", good[i]);
}

static void test_not_met(void **state)
{
	static const char *const bad[] = {
		"c.service main-killed",
		"a.service main-exited",
		"a main-killed actor=systemctl",
		"a main-killed actor-uid>0",
		"a main-killed duration<100ms",
		"b main-exited\nthen a main-killed within=7s",
		"b main-exited\nthen a main-killed\nthen b main-exited",
		"a main-killed actor=pkill\nthen b main-exited",
		"b main-exited within=2s",
		"never a *",
		"never * main-exited",
		"a main-killed\nnothing else",
		"nothing else",
		"a *\na *\na *",
		"then a main-killed",
		/* backslash: the glob's special characters as themselves */
		"\\* main-killed",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (check(bad[i]) != 1)
			fail_msg("%d not met, wanted one: %s", check(bad[i]), bad[i]);
}

static void test_refused(void **state)
{
	static const char *const wrong[] = {
		"",
		"# nothing\n",
		"a.service",
		"a main-kiled",
		"a main-killed actor",
		"a main-killed =x",
		"a main-killed actr=x",
		"a main-killed actor<x",
		"a main-killed lost<many",
		"a main-killed duration<soon",
		"a main-killed within=soon",
		"a main-killed within<5s",
		"a main-killed \"actor=x",
		"never then a *",
		"never a * within=5s",
		"nothing else but",
		"then never a *",
	};
	char *many = NULL;
	size_t n;
	FILE *f = open_memstream(&many, &n);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		if (check(wrong[i]) != -1)
			fail_msg("taken: %s", wrong[i]);
	fputs("a main-killed", f);
	for (int i = 0; i < 100; i++)
		fputs(" lost=0", f);
	fclose(f);
	assert_int_equal(check(many), -1);
	free(many);
}

static char *report(const char *text, bool junit)
{
	struct outcomes o = three();
	struct expect_error err = {};
	struct expect *e = NULL;
	char *out = NULL;
	size_t n;
	FILE *f = open_memstream(&out, &n);

	assert_int_equal(expect_parse(text, strlen(text), &e, &err), 0);
	expect_compare(e, &o);
	assert_int_equal(
		junit ? expect_write_junit(e, &o, "n<a>me", f) : expect_write_tap(e, &o, f), 0);
	fclose(f);
	expect_freep(&e);
	outcomes_done(&o);
	return out;
}

static void test_reports(void **state)
{
	static const char text[] = "a main-killed\nb main-exited result=success\n";
	_cleanup_free_ char *tap = report(text, false), *xml = report(text, true);

	(void)state;
	assert_non_null(strstr(tap, "1..2\nok 1 - a main-killed\nnot ok 2 - b main-exited"));
	assert_non_null(strstr(tap, "    > result           success                  signal\n"));
	assert_non_null(strstr(tap, "#12     SIGKILL to a from kill"));
	assert_non_null(strstr(tap, "2023-11-14 22:13:32.000 UTC"));
	assert_non_null(strstr(xml, "name=\"n&lt;a&gt;me\" tests=\"2\" failures=\"1\""));
	assert_non_null(strstr(xml, "&gt; result           success"));
	assert_non_null(strstr(xml, "</testsuite>"));
}

/* What bless writes is met by what it was written from, even if names are hostile. */
static void test_bless(void **state)
{
	struct outcomes o = three();
	struct expect_error err = {};
	struct expect *e = NULL;
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	(void)state;
	add(&o, "never.service", CAUSE_MAIN_KILLED, "a\n\"b*[c]\\ #d", 30);
	add(&o, "e\\x2df.service", CAUSE_MAIN_KILLED, " ", 31);
	assert_int_equal(expect_write_bless(&o, f), 0);
	fclose(f);
	if (expect_parse(text, n, &e, &err) < 0)
		fail_msg("line %u: %s\n%s", err.line, err.what, text);
	if (expect_compare(e, &o) != 0)
		fail_msg("not met:\n%s", text);
	assert_non_null(strstr(text, "\nthen b.service main-exited"));
	add(&o, "new.service", CAUSE_MAIN_EXITED, NULL, 40);
	expect_freep(&e);
	assert_int_equal(expect_parse(text, n, &e, &err), 0);
	assert_int_equal(expect_compare(e, &o), 1);
	expect_freep(&e);
	outcomes_done(&o);
	free(text);
}

static int diff(const struct outcomes *a, const struct outcomes *b, char **text)
{
	size_t n;
	FILE *f = open_memstream(text, &n);
	int r = outcomes_diff(a, b, "A", "B", f);

	fclose(f);
	return r;
}

static void test_diff(void **state)
{
	struct outcomes a = three(), b = {};
	char *text = NULL;

	(void)state;
	/* other times, another order between units */
	add(&b, "b.service", CAUSE_MAIN_EXITED, NULL, 110);
	add(&b, "a.service", CAUSE_MAIN_KILLED, "kill", 111);
	add(&b, "a.service", CAUSE_MAIN_KILLED, "pkill", 120);
	assert_int_equal(diff(&a, &b, &text), 0);
	free(text);
	add(&b, "c.service", CAUSE_MAIN_EXITED, NULL, 130);
	add(&a, "b.service", CAUSE_MAIN_EXITED, NULL, 130);
	add(&b, "b.service", CAUSE_CGROUP_EMPTY, "kill", 130);
	assert_true(diff(&a, &b, &text) > 1);
	assert_non_null(strstr(text, "+ c.service, stop 1: main-exited, actor -\n"));
	assert_non_null(strstr(text, "  b.service, stop 2\n    cause           main-exited → "
				     "cgroup-empty\n"));
	assert_null(strstr(text, "a.service"));
	free(text);
	outcomes_done(&a);
	outcomes_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_met),	cmocka_unit_test(test_not_met),
		cmocka_unit_test(test_refused), cmocka_unit_test(test_reports),
		cmocka_unit_test(test_bless),	cmocka_unit_test(test_diff),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
