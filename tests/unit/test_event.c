/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "svctrace/bus.h"
#include "svctrace/cleanup.h"
#include "svctrace/event.h"
#include "wire_build.h"

struct bench {
	struct decoder *d;
	struct wire_buf b;
	struct ev last;
	char text[512];
	char id[300], path[300];
	unsigned int n;
	int answer;
};

/* What e points to is gone afterwards: keep copies of what the tests look at. */
static int take(void *ctx, const struct ev *e)
{
	struct bench *x = ctx;

	x->last = *e;
	ev_describe(x->text, sizeof(x->text), e);
	if (e->kind == WIRE_SERVICE_SET_STATE)
		snprintf(x->id, sizeof(x->id), "%.*s", (int)e->service.id.n, e->service.id.s);
	if (e->kind == WIRE_EXIT)
		snprintf(x->path, sizeof(x->path), "%.*s", (int)e->process.task.cgroup_path.n,
			 e->process.task.cgroup_path.s ? e->process.task.cgroup_path.s : "");
	x->n++;
	return x->answer;
}

static int setup(void **state)
{
	struct bench *x = calloc(1, sizeof(*x));

	if (!x || decoder_new(take, x, &x->d) < 0)
		return -1;
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct bench *x = *state;

	decoder_freep(&x->d);
	free(x);
	return 0;
}

static int feed(struct bench *x)
{
	return decoder_feed(x->d, x->b.bytes, wb_hdr(&x->b)->size);
}

static void send_set_state(struct bench *x, uint32_t manager, const char *id, size_t n)
{
	struct wire_service *w = wb_as(&x->b, wire_service);

	wb_begin(&x->b, WIRE_SERVICE_SET_STATE, sizeof(*w), manager, 2000);
	w->unit = 0x1234;
	w->main_pid = 77;
	w->state = 1;
	w->result = 0;
	w->job_type = WIRE_NONE;
	w->job_id = 5;
	w->arg[0] = 0;
	if (n > 0)
		wb_bytes(&x->b, &w->id, id, n);
}

static void send_states(struct bench *x, uint32_t manager)
{
	static const char values[] = "dead\0running\0BAD\x1b\0failed";
	struct wire_enum *w = wb_as(&x->b, wire_enum);

	wb_begin(&x->b, WIRE_ENUM, sizeof(*w), manager, 1000);
	wb_str(&x->b, &w->name, "ServiceState");
	wb_bytes(&x->b, &w->values, values, sizeof(values));
	assert_int_equal(feed(x), 0);
}

static void test_names_of_numbers(void **state)
{
	struct bench *x = *state;

	send_set_state(x, 1, "a.service", 9);
	assert_int_equal(feed(x), 0);
	assert_string_equal(x->id, "a.service");
	assert_null(x->last.service.state); /* no table yet */
	assert_int_equal(x->last.manager.tgid, 1);
	assert_int_equal(x->last.seq, 1);

	send_states(x, 1);
	send_set_state(x, 1, "a.service", 9);
	assert_int_equal(feed(x), 0);
	assert_string_equal(x->last.service.state, "running");
	assert_string_equal(x->last.service.new_state, "dead");
	assert_null(x->last.service.result); /* of another enum */
	assert_int_equal(x->last.service.main_pid, 77);
	assert_int_equal(x->last.service.job_id, 0); /* no job, whatever its number says */
	assert_string_equal(x->text, "state of a.service: running to dead, result ?");

	/* another manager's numbers are its own */
	send_set_state(x, 2, "a.service", 9);
	assert_int_equal(feed(x), 0);
	assert_null(x->last.service.state);

	/* none of systemd's words, and past the end */
	send_set_state(x, 1, "a.service", 9);
	wb_as(&x->b, wire_service)->arg[0] = 2;
	assert_int_equal(feed(x), 0);
	assert_null(x->last.service.new_state);
	wb_as(&x->b, wire_service)->arg[0] = 3;
	assert_int_equal(feed(x), 0);
	assert_string_equal(x->last.service.new_state, "failed");
	wb_as(&x->b, wire_service)->arg[0] = 4;
	assert_int_equal(feed(x), 0);
	assert_null(x->last.service.new_state);
	wb_as(&x->b, wire_service)->arg[0] = -1;
	assert_int_equal(feed(x), 0);
	assert_null(x->last.service.new_state);
}

static void send_facts(struct bench *x, const char *id)
{
	struct wire_service_facts *w = wb_as(&x->b, wire_service_facts);

	wb_begin(&x->b, WIRE_SERVICE_FACTS, sizeof(*w), 1, 3000);
	w->restart = 1;
	w->restart_mode = WIRE_NONE;
	w->n_restarts = 2;
	w->flags = 1 | WIRE_FACT_FORBID_RESTART;
	w->timeout_stop_usec = 7;
	w->timeout_abort_usec = 8;
	w->restart_max_delay_usec = WIRE_USEC_NONE;
	w->prevent.known = 1;
	w->prevent.status[3] = 1ull << 63;
	w->prevent.signal[0] = 1ull << 15;
	wb_str(&x->b, &w->id, id);
}

static void test_facts(void **state)
{
	static const char values[] = "no\0on-success";
	struct bench *x = *state;
	struct wire_enum *w = wb_as(&x->b, wire_enum);

	wb_begin(&x->b, WIRE_ENUM, sizeof(*w), 1, 1000);
	wb_str(&x->b, &w->name, "ServiceRestart");
	wb_bytes(&x->b, &w->values, values, sizeof(values));
	assert_int_equal(feed(x), 0);
	send_facts(x, "a.service");
	assert_int_equal(feed(x), 0);
	assert_string_equal(x->text,
			    "settings of a.service: Restart=on-success, restarted 2 times");
	assert_string_equal(x->last.facts.restart, "on-success");
	assert_null(x->last.facts.restart_mode);
	assert_int_equal(x->last.facts.forbid_restart, 1);
	assert_int_equal(x->last.facts.timeout_abort_usec, 7); /* the other was not set */
	assert_true(x->last.facts.restart_max_delay_usec == WIRE_USEC_NONE);
	assert_true(x->last.facts.prevent.known);
	assert_false(x->last.facts.force.known);
	assert_true(x->last.facts.prevent.status[3] == 1ull << 63);
	assert_true(x->last.facts.prevent.signal[0] == 1ull << 15);

	send_facts(x, "a.service");
	wb_as(&x->b, wire_service_facts)->timeout_abort_set = 1;
	wb_as(&x->b, wire_service_facts)->flags = WIRE_NONE;
	assert_int_equal(feed(x), 0);
	assert_int_equal(x->last.facts.timeout_abort_usec, 8);
	assert_int_equal(x->last.facts.forbid_restart, WIRE_NONE);

	/* only a service has such fields */
	send_facts(x, "a.socket");
	assert_int_equal(feed(x), -EBADMSG);
	send_facts(x, "..");
	assert_int_equal(feed(x), -EBADMSG);
}

static void test_unit_names(void **state)
{
	static const struct {
		const char *s;
		size_t n;
		bool good;
	} cases[] = {
		{"nginx.service", 13, true},
		{"getty@tty1.service", 18, true},
		{"dev-disk-by\\x2duuid.service", 27, true},
		{"a.b.c.service", 13, true},
		{"x.target", 8, true},
		{"a.service\0tail", 14, true}, /* ends at the NUL */
		{"", 0, false},
		{"nodot", 5, false},
		{".service", 8, false},
		{"@x.service", 10, false},
		{"a.serviceX", 10, false},
		{"a.unit", 6, false},
		{"a b.service", 11, false},
		{"a\x1b.service", 10, false},
		{"a/b.service", 11, false},
		{"\xc3\xa9.service", 10, false},
	};
	struct bench *x = *state;
	struct decoder_stats stats;
	unsigned int good = 0, bad = 0;
	char longest[WIRE_ID_MAX + 1];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		send_set_state(x, 1, cases[i].s, cases[i].n);
		assert_int_equal(feed(x), cases[i].good ? 0 : -EBADMSG);
		good += cases[i].good;
		bad += !cases[i].good;
	}
	memset(longest, 'a', sizeof(longest));
	memcpy(longest + WIRE_ID_MAX - 1 - 8, ".service", 8);
	assert_true(unit_name_is_valid((struct str){longest, WIRE_ID_MAX - 1}));
	memcpy(longest + WIRE_ID_MAX - 8, ".service", 8);
	assert_false(unit_name_is_valid((struct str){longest, WIRE_ID_MAX}));

	decoder_stats(x->d, &stats);
	assert_int_equal(x->n, good);
	assert_int_equal(stats.bad, bad);
	assert_int_equal(stats.records, good + bad);
}

static void send_cgroup(struct bench *x, enum wire_kind kind, uint64_t id, const char *path)
{
	struct wire_path *w = wb_as(&x->b, wire_path);

	wb_begin(&x->b, kind, sizeof(*w), 0, 1000);
	w->id = id;
	wb_str(&x->b, &w->path, path);
	assert_int_equal(feed(x), 0);
}

static const char *path_of(struct bench *x, uint64_t cgroup)
{
	struct wire_exit *w = wb_as(&x->b, wire_exit);

	wb_begin(&x->b, WIRE_EXIT, sizeof(*w), 5, 1000);
	w->task.tgid = 5;
	w->task.cgroup = cgroup;
	assert_int_equal(feed(x), 0);
	return x->path;
}

static void test_cgroup_paths(void **state)
{
	struct bench *x = *state;

	send_cgroup(x, WIRE_CGROUP, 7, "/system.slice/a.service");
	assert_string_equal(path_of(x, 7), "/system.slice/a.service");
	assert_string_equal(path_of(x, 8), "");
	send_cgroup(x, WIRE_CGROUP_MKDIR, 8, "/b");
	assert_string_equal(path_of(x, 8), "/b");
	send_cgroup(x, WIRE_CGROUP_MKDIR, 8, "/c"); /* the number is used again */
	assert_string_equal(path_of(x, 8), "/c");
	send_cgroup(x, WIRE_CGROUP_RMDIR, 8, NULL);
	assert_string_equal(x->text, "cgroup /c removed");
	assert_string_equal(path_of(x, 8), "");
	assert_string_equal(path_of(x, 7), "/system.slice/a.service");
}

static void test_clock(void **state)
{
	struct bench *x = *state;
	struct wire_clock *w = wb_as(&x->b, wire_clock);

	send_set_state(x, 1, "a.service", 9);
	feed(x);
	assert_int_equal(x->last.wall_ns, 0);
	wb_begin(&x->b, WIRE_CLOCK, sizeof(*w), 0, 1500);
	w->real_ns = 1000000;
	assert_int_equal(feed(x), 0);
	assert_int_equal(x->last.wall_ns, 1000000);
	send_set_state(x, 1, "a.service", 9);
	feed(x);
	assert_int_equal(x->last.wall_ns, 1000500);
	/* a record from before the clock was set */
	wb_hdr(&x->b)->mono_ns = 1400;
	feed(x);
	assert_int_equal(x->last.wall_ns, 999900);
}

static void test_managers_are_bounded(void **state)
{
	struct bench *x = *state;

	for (uint32_t i = 1; i <= 1000; i++)
		send_states(x, i);
	send_set_state(x, 1000, "a.service", 9);
	feed(x);
	assert_string_equal(x->last.service.state, "running");
	send_set_state(x, 1, "a.service", 9); /* silent for longest */
	feed(x);
	assert_null(x->last.service.state);
}

static void test_sink_answer_is_handed_back(void **state)
{
	struct bench *x = *state;
	struct decoder_stats stats;

	x->answer = -EPIPE;
	send_set_state(x, 1, "a.service", 9);
	assert_int_equal(feed(x), -EPIPE);
	decoder_stats(x->d, &stats);
	assert_int_equal(stats.bad, 0);
}

static void test_unknown_kinds_are_skipped(void **state)
{
	struct bench *x = *state;
	struct decoder_stats stats;

	static const unsigned int kinds[] = {0, 29, 46, 99, 127, 65535};

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		wb_begin(&x->b, kinds[i], sizeof(struct wire_hdr), 0, 0);
		assert_int_equal(feed(x), 0);
		assert_null(wire_kind_name(kinds[i]));
	}
	decoder_stats(x->d, &stats);
	assert_int_equal(stats.unknown, ARRAY_LEN(kinds));
	assert_int_equal(x->n, 0);
}

static void test_client_send(void **state)
{
	static const struct bus_message stop = {
		.type = BUS_CALL,
		.serial = 3,
		.path = {"/org/freedesktop/systemd1", 25},
		.member = {"StopUnit", 8},
		.signature = {"ss", 2},
		.unit = {"a.service", 9},
		.mode = {"replace", 7},
	};
	struct bench *x = *state;
	struct wire_client_send *w = wb_as(&x->b, wire_client_send);
	char bytes[400];
	int n = bus_build(bytes, sizeof(bytes), WIRE_ENDPOINT_PRIVATE, &stop);

	assert_true(n > 0);
	wb_begin(&x->b, WIRE_CLIENT_SEND, sizeof(*w), 1234, 2000);
	w->task.tgid = 1234;
	memcpy(w->task.comm, "systemctl", 9);
	w->endpoint = WIRE_ENDPOINT_PRIVATE;
	w->listener = 1;
	w->length = (uint32_t)n;
	w->n_ancestors = 1;
	w->ancestors[0].tgid = 55;
	wb_str(&x->b, &w->socket, "/run/systemd/private");
	wb_bytes(&x->b, &w->bytes, bytes, (size_t)n);
	assert_int_equal(feed(x), 0);
	assert_string_equal(x->text, "systemctl 1234 calls StopUnit(a.service, replace), serial 3, "
				     "on the private socket");
	assert_int_equal(x->last.send.listener, 1);
	assert_int_equal(x->last.send.n_messages, 1);
	assert_false(x->last.send.more);
	assert_int_equal(x->last.send.client.ancestors[0].tgid, 55);

	w->n_ancestors = WIRE_ANCESTORS_MAX + 1;
	assert_int_equal(feed(x), -EBADMSG);
	w->n_ancestors = 0;
	w->endpoint = 77;
	w->bytes.len = 0;
	assert_int_equal(feed(x), 0);
	assert_string_equal(x->text, "systemctl 1234 sends 116 bytes to ?");
}

static void test_bus_name(void **state)
{
	struct bench *x = *state;
	struct wire_bus_name *w = wb_as(&x->b, wire_bus_name);

	wb_begin(&x->b, WIRE_BUS_NAME, sizeof(*w), 600, 2000);
	w->client = 1234;
	wb_str(&x->b, &w->name, ":1.42");
	assert_int_equal(feed(x), 0);
	assert_string_equal(x->text, "process 1234 is :1.42 on the bus");
}

/* Every string of a kind at its end; the offsets are those of its wire_str fields. */
static void add_strings(struct bench *x, unsigned int kind)
{
	static const struct {
		unsigned int first, last;
		size_t at[4];
	} fields[] = {
		{1, 7, {offsetof(struct wire_service, id), offsetof(struct wire_service, path)}},
		{8, 8, {offsetof(struct wire_path, path)}},
		{9, 14, {offsetof(struct wire_service, id), offsetof(struct wire_service, path)}},
		{15, 15, {offsetof(struct wire_path, path)}},
		{16, 17, {offsetof(struct wire_job, id), offsetof(struct wire_job, by_id)}},
		{18,
		 18,
		 {offsetof(struct wire_message, sender), offsetof(struct wire_message, path),
		  offsetof(struct wire_message, member)}},
		{19, 19, {offsetof(struct wire_service, id), offsetof(struct wire_service, path)}},
		{21, 21, {offsetof(struct wire_job, id), offsetof(struct wire_job, by_id)}},
		{24, 24, {offsetof(struct wire_service_facts, id)}},
		{26, 26, {offsetof(struct wire_keepalive, id)}},
		{115, 115, {offsetof(struct wire_thread, stack)}},
		{116, 116, {offsetof(struct wire_look, id)}},
		{113,
		 113,
		 {offsetof(struct wire_dependency, unit), offsetof(struct wire_dependency, by),
		  offsetof(struct wire_dependency, name)}},
		{20, 20, {offsetof(struct wire_stack_sample, bytes)}},
		{31, 31, {offsetof(struct wire_exec, exe), offsetof(struct wire_exec, cmdline)}},
		{33, 33, {offsetof(struct wire_signal, cmdline)}},
		{35, 36, {offsetof(struct wire_path, path)}},
		{37, 37, {offsetof(struct wire_attach, path)}},
		{38, 38, {offsetof(struct wire_path, path)}},
		{44,
		 44,
		 {offsetof(struct wire_client_send, cmdline),
		  offsetof(struct wire_client_send, socket),
		  offsetof(struct wire_client_send, bytes)}},
		{45,
		 45,
		 {offsetof(struct wire_bus_name, name), offsetof(struct wire_bus_name, socket)}},
		{100, 100, {offsetof(struct wire_text, text)}},
		{102,
		 102,
		 {offsetof(struct wire_manager, object), offsetof(struct wire_manager, build_id),
		  offsetof(struct wire_manager, version)}},
		{103, 103, {offsetof(struct wire_enum, name), offsetof(struct wire_enum, values)}},
		{104,
		 104,
		 {offsetof(struct wire_symbol, name), offsetof(struct wire_symbol, origin)}},
		{105,
		 105,
		 {offsetof(struct wire_probe, name), offsetof(struct wire_probe, how),
		  offsetof(struct wire_probe, reason)}},
		{106,
		 106,
		 {offsetof(struct wire_proc, exe), offsetof(struct wire_proc, cmdline),
		  offsetof(struct wire_proc, cgroup), offsetof(struct wire_proc, tty)}},
		{107, 107, {offsetof(struct wire_lost, probe)}},
		{110, 110, {offsetof(struct wire_path, path)}},
		{111,
		 111,
		 {offsetof(struct wire_symbol, name), offsetof(struct wire_symbol, origin)}},
		{123,
		 123,
		 {offsetof(struct wire_gone, unit), offsetof(struct wire_gone, bound_to)}},
		{120,
		 120,
		 {offsetof(struct wire_pidfile, id), offsetof(struct wire_pidfile, path),
		  offsetof(struct wire_pidfile, line), offsetof(struct wire_pidfile, why)}},
	};

	static const struct wb_frame frames[] = {
		{"service_enter_stop", "/usr/lib/a.so", 1, 2, 0},
		{"service_stop", "/usr/lib/a.so", 3, 4, 0},
	};

	wb_units(&x->b, kind == WIRE_SCOPE ? kind : 0, NULL);
	if (kind == WIRE_STACK)
		wb_stack(&x->b, 1, 1000, WIRE_STACK_CUT, frames, ARRAY_LEN(frames));
	if (kind == WIRE_USER_STACK)
		wb_user_stack(&x->b, WIRE_USER_STACK_TAKEN, WIRE_STACK_CUT, frames,
			      ARRAY_LEN(frames));
	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		for (size_t k = 0; k < 4 && fields[i].at[k]; k++)
			if (kind >= fields[i].first && kind <= fields[i].last)
				wb_bytes(&x->b, (struct wire_str *)(x->b.bytes + fields[i].at[k]),
					 "name.service", 12);
}

/* Exactly as many bytes as claimed, so that a sanitizer sees every read beyond. */
static int feed_exactly(struct bench *x, size_t size)
{
	_cleanup_free_ unsigned char *copy = malloc(size + 1);

	assert_non_null(copy);
	memcpy(copy + 1, x->b.bytes, size); /* and unaligned */
	return decoder_feed(x->d, copy + 1, size);
}

static void test_truncations(void **state)
{
	struct bench *x = *state;
	unsigned int kinds = 0;

	for (unsigned int kind = 1; kind < 128; kind++) {
		size_t fixed = wb_fixed(kind), size;

		if (fixed == 0)
			continue;
		kinds++;
		wb_begin(&x->b, kind, fixed, 1, 1000);
		add_strings(x, kind);
		size = wb_hdr(&x->b)->size;
		assert_int_equal(feed_exactly(x, size), 0);
		assert_int_equal(x->last.kind, kind == WIRE_SCOPE ? WIRE_SERVICE_STOP : kind);
		assert_true(strlen(x->text) > 0);
		/* a buffer that holds less than the record claims */
		for (size_t n = 0; n < size; n++)
			assert_int_equal(feed_exactly(x, n), -EBADMSG);
		/* a record that claims less than its strings need */
		for (size_t n = 0; n < size; n++) {
			wb_hdr(&x->b)->size = (__u16)n;
			assert_int_equal(feed_exactly(x, size), -EBADMSG);
		}
	}
	assert_int_equal(kinds, 66);
}

/* Frames come out as they went in; lists that lie about themselves do not. */
static void test_stack(void **state)
{
	static const struct wb_frame frames[] = {
		{"service_enter_stop", "/usr/lib/a.so", 0x1234, 2, 0},
		{"source_dispatch", "/usr/lib/b.so", 0x99, 4, WIRE_FRAME_GUESS},
		{NULL, NULL, 0x7f0000000000, 0, 0},
	};
	struct bench *x = *state;
	struct wire_stack *w = wb_as(&x->b, wire_stack);
	struct wire_buf good;
	struct ev_stack copy;

	wb_stack(&good, 1, 1000, WIRE_STACK_NO_UNWIND, frames, ARRAY_LEN(frames));
	x->b = good;
	assert_int_equal(feed(x), 0);
	assert_string_equal(x->text, "call stack, no-unwind-data: service_enter_stop < "
				     "source_dispatch < ?");
	assert_int_equal(ev_stack_copy(&copy, &x->last.stack), 0);
	assert_int_equal(copy.n, 3);
	assert_true(str_equal(copy.frames[0].name, "service_enter_stop"));
	assert_true(str_equal(copy.frames[1].object, "/usr/lib/b.so"));
	assert_int_equal(copy.frames[0].address, 0x1234);
	assert_int_equal(copy.frames[1].offset, 4);
	assert_true(copy.frames[1].guess && !copy.frames[0].guess);
	assert_null(copy.frames[2].name.s);
	assert_null(copy.frames[2].object.s);
	ev_stack_done(&copy);

	w->end = WIRE_STACK_TOO_DEEP + 1;
	assert_int_equal(feed(x), -EBADMSG);
	x->b = good;
	w->frames.len--;
	assert_int_equal(feed(x), -EBADMSG);
	x->b = good;
	w->frames.len = (WIRE_FRAMES_MAX + 1) * sizeof(struct wire_frame);
	w->h.size = 16384;
	assert_int_equal(feed(x), -EBADMSG);
	x->b = good;
	((struct wire_frame *)(w + 1))[1].name.off = w->h.size;
	assert_int_equal(feed(x), -EBADMSG);
}

static void test_slices_are_checked(void **state)
{
	static const struct wire_str bad[] = {
		{0, 1},	 {79, 4},	 {80, 10},    {88, 2},
		{89, 1}, {65535, 65535}, {80, 65535}, {65535, 1},
	};
	struct bench *x = *state;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		send_set_state(x, 1, "a.service", 9);
		assert_int_equal(wb_hdr(&x->b)->size, 89);
		wb_as(&x->b, wire_service)->path = bad[i];
		assert_int_equal(feed_exactly(x, 89), -EBADMSG);
	}
	send_set_state(x, 1, "a.service", 9);
	wb_as(&x->b, wire_service)->path = (struct wire_str){88, 1};
	assert_int_equal(feed_exactly(x, 89), 0);
	/* nothing at all needs no place */
	wb_as(&x->b, wire_service)->path = (struct wire_str){65535, 0};
	assert_int_equal(feed_exactly(x, 89), 0);
	assert_null(x->last.service.path.s);
}

static void test_too_many_ancestors(void **state)
{
	struct bench *x = *state;

	wb_begin(&x->b, WIRE_SIGNAL, sizeof(struct wire_signal), 1, 1);
	wb_as(&x->b, wire_signal)->n_ancestors = WIRE_ANCESTORS_MAX;
	assert_int_equal(feed(x), 0);
	wb_as(&x->b, wire_signal)->n_ancestors = WIRE_ANCESTORS_MAX + 1;
	assert_int_equal(feed(x), -EBADMSG);
}

static void test_descriptions_are_safe(void **state)
{
	struct bench *x = *state;
	struct wire_signal *w = wb_as(&x->b, wire_signal);

	wb_begin(&x->b, WIRE_SIGNAL, sizeof(*w), 1, 1);
	w->sig = 15;
	w->sender.tgid = 2;
	memcpy(w->sender.comm, "\x1b]0;\xff\x9b\\\n0123456", WIRE_COMM_LEN);
	memcpy(w->target.comm, "", 1);
	w->target.tgid = 3;
	w->target_flags = WIRE_TARGET_EXITING;
	assert_int_equal(feed(x), 0);
	assert_string_equal(x->text, "SIGTERM to ? 3 from "
				     "\\x1b]0;\\xff\\x9b\\x5c\\x0a0123456 2, already exiting");
}

/* What a record does not name is said to be unknown, and is not whatever lay there before. */
static void test_descriptions_without_names(void **state)
{
	struct bench *x = *state;

	wb_begin(&x->b, WIRE_PROBE, sizeof(struct wire_probe), 1, 1);
	assert_int_equal(feed(x), 0);
	assert_string_equal(x->text, "probe ? is live: ?");
	wb_begin(&x->b, WIRE_BUS_MESSAGE, sizeof(struct wire_message), 1, 1);
	assert_int_equal(feed(x), 0);
	assert_non_null(strstr(x->text, "systemd handles ? on its private socket"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(test_names_of_numbers),
		T(test_facts),
		T(test_unit_names),
		T(test_cgroup_paths),
		T(test_clock),
		T(test_managers_are_bounded),
		T(test_sink_answer_is_handed_back),
		T(test_unknown_kinds_are_skipped),
		T(test_client_send),
		T(test_bus_name),
		T(test_truncations),
		T(test_stack),
		T(test_slices_are_checked),
		T(test_too_many_ancestors),
		T(test_descriptions_are_safe),
		T(test_descriptions_without_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
