/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "svctrace/cleanup.h"
#include "svctrace/text.h"

#define BYTES(s) s, sizeof(s) - 1

static void test_escape(void **state)
{
	static const struct {
		const char *in;
		size_t n;
		const char *out;
	} cases[] = {
		{BYTES("plain text"), "plain text"},
		{BYTES(""), ""},
		{BYTES("\x1b[31mred"), "\\x1b[31mred"},
		{BYTES("a\nb\tc\0d"), "a\\x0ab\\x09c\\x00d"},
		{BYTES("back\\slash"), "back\\x5cslash"},
		{BYTES("\x7f"), "\\x7f"},
		{BYTES("caf\xc3\xa9 \xe2\x86\x92 \xf0\x9f\x98\x80"),
		 "caf\xc3\xa9 \xe2\x86\x92 \xf0\x9f\x98\x80"},
		/* C1 (CSI as one character), a bidirectional override, zero width, BOM */
		{BYTES("\xc2\x9b"), "\\xc2\\x9b"},
		{BYTES("\xe2\x80\xae"), "\\xe2\\x80\\xae"},
		{BYTES("\xe2\x80\x8b"), "\\xe2\\x80\\x8b"},
		{BYTES("\xef\xbb\xbf"), "\\xef\\xbb\\xbf"},
		/* a lone byte, an overlong slash, a surrogate, too high, cut short */
		{BYTES("\xff"), "\\xff"},
		{BYTES("\xc0\xaf"), "\\xc0\\xaf"},
		{BYTES("\xe0\x80\xaf"), "\\xe0\\x80\\xaf"},
		{BYTES("\xed\xa0\x80"), "\\xed\\xa0\\x80"},
		{BYTES("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80"},
		{BYTES("\xe2\x86"), "\\xe2\\x86"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char buf[128];

		assert_ptr_equal(text_escape(buf, sizeof(buf), cases[i].in, cases[i].n), buf);
		assert_string_equal(buf, cases[i].out);
	}
}

static void test_escape_that_does_not_fit(void **state)
{
	char buf[16];

	(void)state;
	assert_string_equal(text_escape(buf, 6, BYTES("hello")), "hello");
	assert_string_equal(text_escape(buf, 6, BYTES("hello!")), "he\xe2\x80\xa6");
	assert_string_equal(text_escape(buf, 8, BYTES("abc\x1b")), "abc\\x1b");
	assert_string_equal(text_escape(buf, 7, BYTES("abc\x1b")), "abc\xe2\x80\xa6");
	/* never half a character */
	assert_string_equal(text_escape(buf, 6, BYTES("\xc3\xa9\xc3\xa9\xc3\xa9")),
			    "\xc3\xa9\xe2\x80\xa6");
	assert_string_equal(text_escape(buf, 4, BYTES("hello")), "\xe2\x80\xa6");
	assert_string_equal(text_escape(buf, 3, BYTES("hello")), "");
	assert_string_equal(text_escape(buf, 1, BYTES("hello")), "");
	buf[0] = 'x';
	text_escape(buf, 0, BYTES("hello"));
	assert_int_equal(buf[0], 'x');
}

static void test_to_utf8(void **state)
{
	_cleanup_free_ char *text = NULL;

	(void)state;
	assert_int_equal(text_to_utf8(BYTES("a\xff\0z\xed\xa0\x80"), &text), 1 + 3 + 1 + 1 + 9);
	assert_memory_equal(text, "a\xef\xbf\xbd\0z\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd", 16);
	free(text);
	assert_int_equal(text_to_utf8(BYTES(""), &text), 0);
	assert_string_equal(text, "");
	free(text);
	assert_int_equal(text_to_utf8(BYTES("\xf0\x9f\x98\x80"), &text), 4);
	assert_string_equal(text, "\xf0\x9f\x98\x80");
}

static void test_join_args(void **state)
{
	static const struct {
		const char *in;
		size_t n;
		const char *out;
	} cases[] = {
		{BYTES("kill\0-9\0001290\0"), "kill -9 1290"},
		{BYTES("kill\0-9"), "kill -9"},
		{BYTES("sh\0-c\0echo it's\0"), "sh -c 'echo it'\\''s'"},
		{BYTES("a\0\0b\0"), "a '' b"},
		{BYTES("a\0\0"), "a ''"},
		{BYTES("'\0"), "''\\'''"},
		{BYTES("x;y\0$HOME\0"), "'x;y' '$HOME'"},
		{BYTES("caf\xc3\xa9"), "caf\xc3\xa9"},
		{BYTES("\0"), ""},
		{NULL, 0, ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		_cleanup_free_ char *joined = text_join_args(cases[i].in, cases[i].n);

		assert_string_equal(joined, cases[i].out);
	}
}

static void test_signal(void **state)
{
	char buf[24];

	(void)state;
	assert_string_equal(text_signal(9, buf), "SIGKILL");
	assert_string_equal(text_signal(1, buf), "SIGHUP");
	assert_string_equal(text_signal(31, buf), "SIGSYS");
	assert_string_equal(text_signal(34, buf), "SIGRTMIN");
	assert_string_equal(text_signal(37, buf), "SIGRTMIN+3");
	assert_string_equal(text_signal(64, buf), "SIGRTMIN+30");
	assert_string_equal(text_signal(32, buf), "signal 32");
	assert_string_equal(text_signal(65, buf), "signal 65");
	assert_string_equal(text_signal(0, buf), "signal 0");
	assert_string_equal(text_signal(-2147483647 - 1, buf), "signal -2147483648");
}

static void test_duration(void **state)
{
	static const struct {
		uint64_t ns;
		const char *text;
	} cases[] = {
		{0, "0ms"},
		{999, "0us"},
		{412000, "412us"},
		{412000000, "412ms"},
		{999999999, "999ms"},
		{3290000000, "3.2s"},
		{303000000000, "5min 3s"},
		{7500000000000, "2h 5min"},
		{273600000000000, "3d 4h"},
		{UINT64_MAX, "213503d 23h"},
	};
	char buf[32];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_string_equal(text_duration(cases[i].ns, buf), cases[i].text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_escape),	cmocka_unit_test(test_escape_that_does_not_fit),
		cmocka_unit_test(test_to_utf8), cmocka_unit_test(test_join_args),
		cmocka_unit_test(test_signal),	cmocka_unit_test(test_duration),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
