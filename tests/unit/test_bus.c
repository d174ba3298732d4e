/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What clients of a bus send, taken apart: what real ones sent, and what hostile ones may. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "svctrace/bus.h"
#include "svctrace/cleanup.h"

/* Captured from the programs that they are named after, on Debian 12. */
static const char systemd_run[] =
	"l\1\4\1\260\0\0\0\1\0\0\0\266\0\0\0\1\1o\0\31\0\0\0/org/freedesktop/"
	"systemd1\0\0\0\0\0\0\0\3\1s\0\22\0\0\0"
	"StartTransientUnit\0\0\0\0\0\0\2\1s\0 \0\0\0org.freedesktop.systemd1.Manager"
	"\0\0\0\0\0\0\0\0\6\1s\0\30\0\0\0org.freedesktop.systemd1\0\0\0\0\0\0\0\0\10\1g\0\20ssa(sv)"
	"a(sa"
	"(sv))\0\0\0\13\0\0\0foo."
	"service\0\4\0\0\0fail\0\0\0\0\214\0\0\0\13\0\0\0Description\0\1s\0\0\23\0\0\0"
	"/usr/bin/sleep 1000\0\0\0\0\0\11\0\0\0ExecStart\0\7a(sasb)\0\0<\0\0\0\0\0\0\0\16\0\0\0/usr"
	"/bin/sleep\0\0\35\0\0\0\16\0\0\0/usr/bin/sleep\0\0\4\0\0\0"
	"1000\0\0\0\0\0\0\0\0\0\0\0\0";

static const char systemctl_stop[] =
	"l\1\4\1\34\0\0\0\1\0\0\0\240\0\0\0\1\1o\0\31\0\0\0/org/freedesktop/"
	"systemd1\0\0\0\0\0\0\0\3\1s\0\10\0\0\0"
	"StopUnit\0\0\0\0\0\0\0\0\2\1s\0 \0\0\0org.freedesktop.systemd1.Manager\0\0\0\0\0\0\0\0"
	"\6\1s\0\30\0\0\0org.freedesktop.systemd1\0\0\0\0\0\0\0\0\10\1g\0\2ss\0\13\0\0\0foo."
	"service\0"
	"\7\0\0\0replace\0";

static const char systemctl_kill[] =
	"l\1\4\1$\0\0\0\1\0\0\0\241\0\0\0\1\1o\0\31\0\0\0/org/freedesktop/"
	"systemd1\0\0\0\0\0\0\0\3\1s\0\10\0\0\0"
	"KillUnit\0\0\0\0\0\0\0\0\2\1s\0 \0\0\0org.freedesktop.systemd1.Manager\0\0\0\0\0\0\0\0"
	"\6\1s\0\30\0\0\0org.freedesktop."
	"systemd1\0\0\0\0\0\0\0\0\10\1g\0\3ssi\0\0\0\0\0\0\0\0\14\0\0\0dbus"
	".service\0\0\0\0\4\0\0\0main\0\0\0\0\12\0\0\0";

static const char busctl[] =
	"l\1\4\1%\0\0\0\2\0\0\0\241\0\0\0\1\1o\0\31\0\0\0/org/freedesktop/"
	"systemd1\0\0\0\0\0\0\0\3\1s\0\16\0\0\0"
	"EnqueueUnitJob\0\0\2\1s\0 \0\0\0org.freedesktop.systemd1.Manager\0\0\0\0\0\0\0\0"
	"\6\1s\0\30\0\0\0org.freedesktop."
	"systemd1\0\0\0\0\0\0\0\0\10\1g\0\3sss\0\0\0\0\0\0\0\0\13\0\0\0foo."
	"service\0\7\0\0\0restart\0\4\0\0\0fail\0";

static const char gdbus[] =
	"l\1\0\1\34\0\0\0\3\0\0\0\231\0\0\0\1\1o\0\31\0\0\0/org/freedesktop/"
	"systemd1\0\0\0\0\0\0\0\2\1s\0 \0\0\0"
	"org.freedesktop.systemd1.Manager\0\0\0\0\0\0\0\0\6\1s\0\30\0\0\0org.freedesktop."
	"systemd1\0\0\0\0\0\0\0\0\10\1g\0\2ss\0\3\1s\0\10\0\0\0StopUnit\0\0\0\0\0\0\0\0\13\0\0\0foo"
	".service\0"
	"\7\0\0\0replace\0";

static const char dbus_send_kill[] =
	"l\1\0\1\20\0\0\0\2\0\0\0\240\0\0\0\1\1o\0,\0\0\0/org/freedesktop/systemd1/unit/foo_2eser"
	"vice\0\0\0\0\2\1s\0\35\0\0\0org.freedesktop.systemd1.Unit\0\0\0\3\1s\0\4\0\0\0Kill\0\0\0\0"
	"\6\1s\0\30\0\0\0org.freedesktop."
	"systemd1\0\0\0\0\0\0\0\0\10\1g\0\2si\0\4\0\0\0main\0\0\0\0\11\0\0\0";

static const char dbus_send_poweroff[] =
	"l\1\0\1\4\0\0\0\2\0\0\0\207\0\0\0\1\1o\0\27\0\0\0/org/freedesktop/"
	"login1\0\2\1s\0\36\0\0\0org.free"
	"desktop.login1.Manager\0\0\3\1s\0\10\0\0\0PowerOff\0\0\0\0\0\0\0\0\6\1s\0\26\0\0\0org.free"
	"desktop.login1\0\0\10\1g\0\1b\0\0\0\0\0\0";

static const char big_endian[] =
	"B\1\4\1\0\0\0\34\0\0\0\1\0\0\0\240\1\1o\0\0\0\0\31/org/freedesktop/systemd"
	"1\0\0\0\0\0\0\0\3\1s\0\0\0\0\10StopUnit\0\0\0\0\0\0\0\0\2\1s\0\0\0\0 org.free"
	"desktop.systemd1.Manager\0\0\0\0\0\0\0\0\6\1s\0\0\0\0\30org.free"
	"desktop.systemd1\0\0\0\0\0\0\0\0\10\1g\0\2ss\0\0\0\0\13foo.service\0"
	"\0\0\0\7replace\0";

static const char varlink[] =
	"{\"method\":\"io.systemd.Unit.Stop\",\"parameters\":{\"name\":\"foo.service\","
	"\"mode\":\"replace\"},\"oneway\":true}";

#define BUS	WIRE_ENDPOINT_BUS
#define VARLINK WIRE_ENDPOINT_VARLINK
#define MANAGER "/org/freedesktop/systemd1"
#define SYSTEMD "org.freedesktop.systemd1"

static const struct sample {
	const char *bytes;
	size_t n;
	enum wire_endpoint endpoint;
	const char *call; /* as described */
	uint32_t serial;
	const char *destination, *path, *interface;
} samples[] = {
	{systemd_run, sizeof(systemd_run) - 1, WIRE_ENDPOINT_PRIVATE,
	 "StartTransientUnit(foo.service, fail)", 1, SYSTEMD, MANAGER, SYSTEMD ".Manager"},
	{systemctl_stop, sizeof(systemctl_stop) - 1, WIRE_ENDPOINT_PRIVATE,
	 "StopUnit(foo.service, replace)", 1, SYSTEMD, MANAGER, SYSTEMD ".Manager"},
	{systemctl_kill, sizeof(systemctl_kill) - 1, WIRE_ENDPOINT_PRIVATE,
	 "KillUnit(dbus.service, main, SIGUSR1)", 1, SYSTEMD, MANAGER, SYSTEMD ".Manager"},
	{busctl, sizeof(busctl) - 1, BUS, "EnqueueUnitJob(foo.service, restart, fail)", 2, SYSTEMD,
	 MANAGER, SYSTEMD ".Manager"},
	{gdbus, sizeof(gdbus) - 1, BUS, "StopUnit(foo.service, replace)", 3, SYSTEMD, MANAGER,
	 SYSTEMD ".Manager"},
	{dbus_send_kill, sizeof(dbus_send_kill) - 1, BUS, "Kill(foo.service, main, SIGKILL)", 2,
	 SYSTEMD, MANAGER "/unit/foo_2eservice", SYSTEMD ".Unit"},
	{dbus_send_poweroff, sizeof(dbus_send_poweroff) - 1, BUS, "PowerOff()", 2,
	 "org.freedesktop.login1", "/org/freedesktop/login1", "org.freedesktop.login1.Manager"},
	{big_endian, sizeof(big_endian) - 1, BUS, "StopUnit(foo.service, replace)", 1, SYSTEMD,
	 MANAGER, SYSTEMD ".Manager"},
	{varlink, sizeof(varlink), VARLINK, "Stop(foo.service, replace)", 0, NULL, NULL,
	 "io.systemd.Unit"},
};

/* A copy as long as it claims, so that ASan sees a read past its end. */
static char *exactly(const char *bytes, size_t n)
{
	char *p = malloc(n ? n : 1);

	assert_non_null(p);
	return memcpy(p, bytes, n);
}

static void assert_str(struct str s, const char *expected)
{
	if (expected)
		assert_true(str_equal(s, expected));
	else
		assert_null(s.s);
}

static void test_what_clients_send(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(samples); i++) {
		const struct sample *s = &samples[i];
		_cleanup_free_ char *bytes = exactly(s->bytes, s->n);
		struct bus_messages all;
		const struct bus_message *m = all.message;
		char text[200];

		bus_parse(&all, s->endpoint, bytes, s->n, s->n);
		assert_int_equal(all.n, 1);
		assert_false(all.more);
		assert_int_equal(m->type, BUS_CALL);
		assert_false(m->incomplete);
		assert_int_equal(m->serial, s->serial);
		assert_str(m->destination, s->destination);
		assert_str(m->path, s->path);
		assert_str(m->interface, s->interface);
		assert_string_equal(bus_describe(text, sizeof(text), m), s->call);
	}
}

/* Cut anywhere: what is told is a part of the truth, and says that it is. */
static void test_cut_anywhere(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(samples); i++)
		for (size_t n = 1; n < samples[i].n; n++) {
			const struct sample *s = &samples[i];
			_cleanup_free_ char *bytes = exactly(s->bytes, n);
			struct bus_messages all;
			const struct bus_message *m = all.message;

			bus_parse(&all, s->endpoint, bytes, n, s->n);
			assert_int_equal(all.n, 1);
			assert_true(m->incomplete);
			if (m->path.s)
				assert_str(m->path, s->path);
			if (m->interface.s)
				assert_str(m->interface, s->interface);
			assert_true(!m->serial || m->serial == s->serial);
			assert_true(!m->unit.s || unit_name_is_valid(m->unit));
		}
}

/* A client may send a message in parts: the first tells what it can, the others are nothing. */
static void test_sent_in_parts(void **state)
{
	struct bus_messages all;

	(void)state;
	bus_parse(&all, BUS, systemctl_stop, 100, 100);
	assert_int_equal(all.n, 1);
	assert_true(all.message[0].incomplete);
	assert_str(all.message[0].member, "StopUnit");
	assert_null(all.message[0].unit.s);
	bus_parse(&all, BUS, systemctl_stop + 100, 104, 104);
	assert_int_equal(all.n, 0);
	assert_true(all.more);
}

static void test_several_in_one_send(void **state)
{
	const size_t n = sizeof(systemctl_stop) - 1, m = sizeof(busctl) - 1;
	char bytes[2048];
	struct bus_messages all;
	size_t len = 0;

	(void)state;
	for (size_t i = 0; i <= BUS_MESSAGES_MAX; i++, len += i % 2 ? n : m)
		memcpy(bytes + len, i % 2 ? busctl : systemctl_stop, i % 2 ? m : n);
	bus_parse(&all, BUS, bytes, len, len);
	assert_int_equal(all.n, BUS_MESSAGES_MAX);
	assert_true(all.more);
	assert_str(all.message[2].member, "StopUnit");
	assert_str(all.message[3].member, "EnqueueUnitJob");
	bus_parse(&all, BUS, bytes, n + 10, n + m);
	assert_int_equal(all.n, 2);
	assert_true(all.message[1].incomplete);
	assert_false(all.more);
}

static void test_authentication(void **state)
{
	static const char auth[] = "\0AUTH EXTERNAL\r\nDATA\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n";
	char bytes[512] = "BEGIN\r\n";
	struct bus_messages all;

	(void)state;
	bus_parse(&all, BUS, auth, sizeof(auth) - 1, sizeof(auth) - 1);
	assert_int_equal(all.n, 0);
	memcpy(bytes + 7, gdbus, sizeof(gdbus) - 1);
	bus_parse(&all, BUS, bytes, 7 + sizeof(gdbus) - 1, 7 + sizeof(gdbus) - 1);
	assert_int_equal(all.n, 1);
	assert_str(all.message[0].unit, "foo.service");
}

/* Each byte replaced by each of some that matter: never a read outside, never a false unit name. */
static void test_hostile_bytes(void **state)
{
	static const unsigned char evil[] = {0, 1, 7, 0x7f, 0x80, 0xff, 's', 'g', 'u', '_', '"'};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(samples); i++)
		for (size_t at = 0; at < samples[i].n; at++)
			for (size_t k = 0; k < sizeof(evil); k++) {
				const struct sample *s = &samples[i];
				_cleanup_free_ char *bytes = exactly(s->bytes, s->n);
				struct bus_messages all;
				char text[64];

				bytes[at] = (char)evil[k];
				bus_parse(&all, s->endpoint, bytes, s->n, s->n);
				for (uint32_t j = 0; j < all.n; j++) {
					const struct bus_message *m = &all.message[j];

					assert_true(!m->unit.s || unit_name_is_valid(m->unit));
					bus_describe(text, sizeof(text), m);
					assert_true(strlen(text) < sizeof(text));
				}
			}
}

static void test_text_is_escaped(void **state)
{
	char bytes[sizeof(systemctl_stop)], text[200];
	struct bus_messages all;

	(void)state;
	memcpy(bytes, systemctl_stop, sizeof(bytes));
	memcpy(memmem(bytes, sizeof(bytes), "replace", 7), "\033]0;x\a\377", 7);
	bus_parse(&all, BUS, bytes, sizeof(bytes) - 1, sizeof(bytes) - 1);
	assert_string_equal(bus_describe(text, sizeof(text), all.message),
			    "StopUnit(foo.service, \\x1b]0;x\\x07\\xff)");
}

/* A unit's name from its object's path. */
static void test_unit_of_path(void **state)
{
	static const struct {
		const char *path, *unit;
	} paths[] = {
		{MANAGER "/unit/nginx_2eservice", "nginx.service"},
		{MANAGER "/unit/_2d_2emount", "-.mount"},
		{MANAGER "/unit/a_40b_5cx2dc_2eservice", "a@b\\x2dc.service"},
		{MANAGER "/unit/nginx_2Eservice", NULL},
		{MANAGER "/unit/nginx_2", NULL},
		{MANAGER "/unit/nginx_00_2eservice", NULL},
		{MANAGER "/unit/", NULL},
		{MANAGER "/job/12", NULL},
		{"/", NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		struct bus_message m = {
			.type = BUS_CALL,
			.serial = 1,
			.path = {paths[i].path, strlen(paths[i].path)},
			.member = {"Stop", 4},
		};
		struct bus_messages all;
		char bytes[400];
		int n = bus_build(bytes, sizeof(bytes), BUS, &m);

		assert_true(n > 0);
		bus_parse(&all, BUS, bytes, (size_t)n, (size_t)n);
		assert_int_equal(all.n, 1);
		assert_str(all.message[0].unit, paths[i].unit);
	}
}

static void test_varlink(void **state)
{
	static const struct {
		const char *json, *call;
	} calls[] = {
		{"{\"parameters\":{\"signal\":9,\"whom\":\"main\",\"name\":\"a.service\"},"
		 "\"method\":\"io.systemd.Unit.Kill\"}",
		 "Kill(a.service, main, SIGKILL)"},
		{"{\"method\":\"io.systemd.Unit.StartTransient\",\"parameters\":{\"context\":"
		 "{\"ID\":\"b.service\"}}}",
		 "StartTransient(b.service)"},
		{"{\"method\":\"Plain\",\"parameters\":{\"name\":\"../../etc\"}}", "Plain()"},
		{"{\"method\":7,\"parameters\":[]}", "?()"},
		{"[\"no object\"]", NULL},
		{"{broken", NULL},
		{"", NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
		size_t n = strlen(calls[i].json) + 1;
		_cleanup_free_ char *bytes = exactly(calls[i].json, n);
		struct bus_messages all;
		char text[200];

		bus_parse(&all, VARLINK, bytes, n, n);
		assert_int_equal(all.n, calls[i].call ? 1 : 0);
		if (calls[i].call)
			assert_string_equal(bus_describe(text, sizeof(text), all.message),
					    calls[i].call);
	}
}

/* Nothing that is nested as deeply as there is room for makes trouble. */
static void test_varlink_nested(void **state)
{
	char bytes[WIRE_MESSAGE_MAX];
	struct bus_messages all;

	(void)state;
	memset(bytes, '[', sizeof(bytes));
	memcpy(bytes, "{\"method\":", 10);
	bytes[sizeof(bytes) - 1] = 0;
	bus_parse(&all, VARLINK, bytes, sizeof(bytes), sizeof(bytes));
	assert_int_equal(all.n, 0);
}

/* What was parsed, built and parsed again is the same, whole or cut. */
static void test_there_and_back(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(samples); i++)
		for (size_t n = 1; n <= samples[i].n; n++) {
			const struct sample *s = &samples[i];
			struct bus_messages a, b;
			char built[1024], before[200], after[200];
			int len;

			bus_parse(&a, s->endpoint, s->bytes, n, s->n);
			len = bus_build(built, sizeof(built), s->endpoint, a.message);
			assert_true(len > 0);
			assert_int_equal(bus_build(built, (size_t)len - 1, s->endpoint, a.message),
					 -ENOSPC);
			bus_build(built, sizeof(built), s->endpoint, a.message);
			bus_parse(&b, s->endpoint, built, (size_t)len, (size_t)len);
			assert_int_equal(b.n, 1);
			assert_int_equal(b.message[0].incomplete, a.message[0].incomplete);
			assert_int_equal(b.message[0].serial, a.message[0].serial);
			assert_string_equal(bus_describe(before, sizeof(before), a.message),
					    bus_describe(after, sizeof(after), b.message));
		}
}

/* Replies to a property's Get: without fields, so that a body begins behind 16 bytes. */
#define REPLY(type) 'l', type, 1, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0

static void test_property_in_reply(void **state)
{
	static const char number[] = {REPLY(2), 1, 't', 0, 0, 0, 0, 0, 0, 2, 1, 0, 0, 0, 0, 0, 3};
	static const char text[] = {REPLY(2), 1, 's', 0, 0, 2, 0, 0, 0, 'h', 'i', 0};
	static const char error[] = {REPLY(3), 1, 't', 0, 0, 0, 0, 0, 0, 2, 1, 0, 0, 0, 0, 0, 3};
	uint64_t n = 7;
	char s[3] = "?";

	(void)state;
	for (size_t i = 0; i < sizeof(number); i++)
		assert_false(bus_variant_number(number, i, &n));
	for (size_t i = 0; i < sizeof(text); i++)
		assert_false(bus_variant_string(text, i, s, sizeof(s)));
	assert_false(bus_variant_number(error, sizeof(error), &n));
	assert_false(bus_variant_number(text, sizeof(text), &n));
	assert_false(bus_variant_string(text, sizeof(text), s, 2)); /* no room */
	assert_int_equal(n, 7);
	assert_string_equal(s, "?");
	assert_true(bus_variant_number(number, sizeof(number), &n));
	assert_true(n == (3ull << 56 | 0x102));
	assert_true(bus_variant_string(text, sizeof(text), s, sizeof(s)));
	assert_string_equal(s, "hi");
}

static void test_list_in_reply(void **state)
{
	static const char two[] = {REPLY(2), 2,	  'a', 's', 0, 15, 0, 0, 0, 2,	 0,   0,
				   0,	     'h', 'i', 0,   0, 2,  0, 0, 0, 'y', 'o', 0};
	static const char one[] = {REPLY(2), 1, 's', 0, 0, 2, 0, 0, 0, 'h', 'i', 0};
	struct str s[2];

	(void)state;
	assert_int_equal(bus_list_get(two, sizeof(two), s, 2), 2);
	assert_true(str_equal(s[0], "hi") && str_equal(s[1], "yo"));
	assert_int_equal(bus_list_get(two, sizeof(two), s, 1), 1);
	assert_int_equal(bus_list_get(one, sizeof(one), s, 2), 1);
	assert_true(bus_list_has(two, sizeof(two), "yo") && !bus_list_has(two, sizeof(two), "y"));
	for (size_t i = 0; i < sizeof(two); i++)
		assert_true(bus_list_get(two, i, s, 2) < 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_list_in_reply),
		cmocka_unit_test(test_what_clients_send),
		cmocka_unit_test(test_cut_anywhere),
		cmocka_unit_test(test_sent_in_parts),
		cmocka_unit_test(test_several_in_one_send),
		cmocka_unit_test(test_authentication),
		cmocka_unit_test(test_hostile_bytes),
		cmocka_unit_test(test_text_is_escaped),
		cmocka_unit_test(test_unit_of_path),
		cmocka_unit_test(test_varlink),
		cmocka_unit_test(test_varlink_nested),
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_property_in_reply),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
