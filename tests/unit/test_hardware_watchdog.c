/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Hardware watchdogs: who pings them, and what is said when nobody does. */
#include <jansson.h>

#include "svctrace/cleanup.h"
#include "svctrace/hardware_watchdog.h"
#include "world.h"

#define TIMEOUT_S 8
#define OTHER	  812

struct told {
	struct world w;
	unsigned int n;
	enum hardware_watchdog_news news[16];
	json_t *json[16];
};

static int on_news(void *ctx, const struct hardware_watchdog_notice *n)
{
	struct told *x = ctx;
	size_t before;

	assert_true(x->n < 16);
	fflush(x->w.out);
	before = x->w.text_size;
	assert_int_equal(render_hardware_watchdog(x->w.renderer, n), 1);
	fflush(x->w.out);
	x->news[x->n] = n->news;
	x->json[x->n++] = json_loads(x->w.text + before, 0, NULL);
	return 0;
}

static void told_new(struct told *x, const struct render_options *o)
{
	*x = (struct told){};
	world_new_with(&x->w, o);
	engine_tell_hardware_watchdogs(x->w.engine, on_news, x);
}

static void told_done(struct told *x)
{
	for (unsigned int i = 0; i < x->n; i++)
		json_decref(x->json[i]);
	world_done(&x->w);
}

static const struct render_options as_json = {.format = RENDER_JSON};

static void use(struct told *x, uint32_t tgid, enum wire_watchdog_op op, uint64_t since_ns)
{
	struct wire_watchdog_use *u = begin(&x->w, WIRE_WATCHDOG_USE, tgid);

	u->task = task(tgid, tgid == 1 ? "systemd" : "watchdogd", 1);
	u->op = op;
	u->value = WIRE_NONE;
	u->since_ns = since_ns;
	send(&x->w);
}

static struct wire_watchdog_device *device(struct told *x, uint32_t holder)
{
	struct wire_watchdog_device *d = begin(&x->w, WIRE_WATCHDOG_DEVICE, 0);

	d->timeout = TIMEOUT_S;
	d->running = 1;
	d->holder = holder;
	wb_str(&x->w.b, &d->identity, "Software \x1b[31m\xff");
	return d;
}

static void overdue(struct told *x, uint32_t holder, uint64_t pinged_ns)
{
	struct wire_thread *t = begin(&x->w, WIRE_THREAD, holder);

	t->task = task(holder, "watchdogd", 1);
	t->state = 'T';
	t->cpu_since_ns = WIRE_CPU_UNKNOWN;
	wb_str(&x->w.b, &t->stack, "do_signal_stop\nget_signal\n");
	send(&x->w);
	device(x, holder);
	wb_as(&x->w.b, wire_watchdog_device)->flags = WIRE_WATCHDOG_OVERDUE;
	wb_as(&x->w.b, wire_watchdog_device)->pinged_ns = pinged_ns;
	wb_as(&x->w.b, wire_watchdog_device)->threads = 1;
	send(&x->w);
}

static json_int_t number(const json_t *o, const char *key)
{
	assert_true(json_is_integer(json_object_get(o, key)));
	return json_integer_value(json_object_get(o, key));
}

static json_int_t who(const json_t *o)
{
	return number(json_object_get(o, "who"), "process.pid");
}

/* Sends a ping that ends a gap of ns. */
static void ping_after(struct told *x, uint32_t tgid, uint64_t ns)
{
	uint64_t last = x->w.now;

	x->w.now += ns;
	use(x, tgid, WIRE_WATCHDOG_PING, last);
}

static void test_pings_in_time(void **state)
{
	struct told x;

	(void)state;
	told_new(&x, &as_json);
	device(&x, 0);
	send(&x.w);
	for (unsigned int i = 0; i < 5; i++)
		ping_after(&x, OTHER, TIMEOUT_S * SECOND / 2 + 100 * MS);
	assert_int_equal(x.n, 0);
	assert_int_equal(engine_flush(x.w.engine), 0);
	assert_int_equal(x.n, 1);
	assert_string_equal(json_string_value(json_object_get(x.json[0], "news")), "end");
	assert_int_equal(number(x.json[0], "pings"), 5);
	assert_int_equal(number(x.json[0], "late"), 0);
	assert_in_range(number(x.json[0], "longest_gap_ns"), 4100 * MS, 4200 * MS);
	told_done(&x);
}

/* Overdue first, then late, each with what it rests on. */
static void test_late_ping(void **state)
{
	uint64_t last;
	struct told x;
	json_t *t;

	(void)state;
	told_new(&x, &as_json);
	use(&x, OTHER, WIRE_WATCHDOG_OPEN, 0);
	device(&x, OTHER);
	send(&x.w);
	assert_int_equal(x.n, 1);
	assert_int_equal(x.news[0], HARDWARE_WATCHDOG_OPENED);
	assert_int_equal(who(x.json[0]), OTHER);
	ping_after(&x, OTHER, SECOND);
	last = x.w.now;
	x.w.now += 6100 * MS;
	overdue(&x, OTHER, last);
	assert_int_equal(x.n, 2);
	assert_int_equal(x.news[1], HARDWARE_WATCHDOG_OVERDUE);
	assert_int_equal(who(x.json[1]), OTHER);
	assert_in_range(number(x.json[1], "gap_ns"), 6100 * MS, 6200 * MS);
	t = json_array_get(json_object_get(x.json[1], "threads"), 0);
	assert_string_equal(json_string_value(json_object_get(t, "state")), "T");
	assert_int_equal(json_array_size(json_object_get(x.json[1], "proof")), 2);
	x.w.now += 3 * SECOND;
	use(&x, OTHER, WIRE_WATCHDOG_PING, last);
	assert_int_equal(x.n, 3);
	assert_int_equal(x.news[2], HARDWARE_WATCHDOG_LATE);
	assert_int_equal(number(x.json[2], "gap_ns"), x.w.now - MS - last);
	assert_int_equal(number(x.json[2], "late"), 1);
	assert_int_equal(json_array_size(json_object_get(x.json[2], "proof")), 3);
	/* the next one is in time, and rests on nothing of that */
	ping_after(&x, OTHER, SECOND);
	assert_int_equal(x.n, 3);
	told_done(&x);
}

/* Three quarters are allowed, and no more; without a timeout nothing is late. */
static void test_patience(void **state)
{
	const uint64_t patience = hardware_watchdog_patience(TIMEOUT_S * SECOND);
	struct told x;

	(void)state;
	assert_int_equal(patience, 6 * SECOND);
	told_new(&x, &as_json);
	ping_after(&x, OTHER, 60 * SECOND);
	assert_int_equal(x.n, 0);
	device(&x, OTHER);
	send(&x.w);
	x.w.now += 10 * SECOND;
	use(&x, OTHER, WIRE_WATCHDOG_PING, x.w.now - patience);
	assert_int_equal(x.n, 0);
	x.w.now += 10 * SECOND;
	use(&x, OTHER, WIRE_WATCHDOG_PING, x.w.now - patience - 1);
	assert_int_equal(x.n, 1);
	told_done(&x);
}

static void settings(struct told *x, uint64_t pinged_ns)
{
	struct wire_watchdog_settings *s = begin(&x->w, WIRE_WATCHDOG_SETTINGS, 1);

	s->runtime_usec = TIMEOUT_S * UINT64_C(1000000);
	s->reboot_usec = UINT64_MAX;
	s->pinged_ns = pinged_ns;
	wb_str(&x->w.b, &s->path, "/dev/watchdog0");
	send(&x->w);
}

/* systemd's last ping came before svctrace did: the first one that is seen is late. */
static void test_settings(void **state)
{
	struct told x;
	json_t *is;

	(void)state;
	told_new(&x, &as_json);
	x.w.now += 20 * SECOND;
	device(&x, 1);
	send(&x.w);
	settings(&x, x.w.now - 2 * SECOND);
	x.w.now += 5 * SECOND;
	use(&x, 1, WIRE_WATCHDOG_PING, 0);
	assert_int_equal(x.n, 1);
	assert_int_equal(x.news[0], HARDWARE_WATCHDOG_LATE);
	assert_in_range(number(x.json[0], "gap_ns"), 7 * SECOND, 7 * SECOND + 100 * MS);
	assert_int_equal(json_array_size(json_object_get(x.json[0], "proof")), 2);
	is = json_object_get(x.json[0], "settings");
	assert_int_equal(number(is, "runtime_us"), 8000000);
	assert_string_equal(json_string_value(json_object_get(is, "reboot_us")), "infinity");
	assert_string_equal(json_string_value(json_object_get(is, "path")), "/dev/watchdog0");
	/* what it says after a ping that was seen is that very ping */
	ping_after(&x, 1, SECOND);
	settings(&x, x.w.now);
	x.w.now += SECOND;
	use(&x, 1, WIRE_WATCHDOG_PING, 0);
	assert_int_equal(x.n, 1);
	/* nobody else is set to anything */
	use(&x, 1, WIRE_WATCHDOG_CLOSE, x.w.now);
	device(&x, 0);
	send(&x.w);
	use(&x, OTHER, WIRE_WATCHDOG_OPEN, 0);
	device(&x, OTHER);
	send(&x.w);
	assert_int_equal(x.n, 3);
	assert_true(json_is_object(json_object_get(x.json[1], "settings")));
	assert_true(json_is_null(json_object_get(x.json[2], "settings")));
	told_done(&x);
}

/* Closed, and it runs on: nobody is left who pings it. */
static void test_closed(void **state)
{
	struct told x;

	(void)state;
	told_new(&x, &as_json);
	use(&x, OTHER, WIRE_WATCHDOG_OPEN, 0);
	device(&x, OTHER);
	send(&x.w);
	use(&x, OTHER, WIRE_WATCHDOG_CLOSE, x.w.now);
	device(&x, 0);
	send(&x.w);
	assert_int_equal(x.n, 2);
	assert_int_equal(x.news[1], HARDWARE_WATCHDOG_CLOSED);
	assert_int_equal(who(x.json[1]), OTHER);
	assert_true(json_is_true(json_object_get(x.json[1], "running")));
	told_done(&x);
}

static void test_text(void **state)
{
	static const struct render_options as_text = {.format = RENDER_TEXT, .utc = true};
	uint64_t last;
	struct told x;

	(void)state;
	told_new(&x, &as_text);
	device(&x, OTHER);
	send(&x.w);
	ping_after(&x, OTHER, SECOND);
	last = x.w.now;
	x.w.now += 7 * SECOND;
	overdue(&x, OTHER, last);
	assert_non_null(strstr(x.w.text, "  watchdog0  HARDWARE WATCHDOG  no ping for 7"));
	assert_non_null(strstr(x.w.text, "  device Software \\x1b[31m\\xff\n"));
	assert_non_null(
		strstr(x.w.text, "  did    watchdogd 812 is stopped (stopped): do_signal_stop"));
	assert_null(strchr(x.w.text, '\x1b'));
	told_done(&x);
}

/* It is of no unit. */
static void test_left_out(void **state)
{
	static const char *const units[] = {"a.service", NULL};
	const struct render_options o = {.units = units};
	const struct hardware_watchdog_notice n = {.running = WIRE_NONE};
	struct told x;

	(void)state;
	told_new(&x, &o);
	assert_int_equal(render_hardware_watchdog(x.w.renderer, &n), 0);
	told_done(&x);
}

/* Of more devices than anybody has, the first ones are followed. */
static void test_many(void **state)
{
	struct told x;

	(void)state;
	told_new(&x, &as_json);
	for (uint32_t i = 0; i < 100; i++) {
		struct wire_watchdog_use *u = begin(&x.w, WIRE_WATCHDOG_USE, OTHER);

		u->device = i;
		u->op = WIRE_WATCHDOG_PING;
		send(&x.w);
	}
	assert_int_equal(engine_flush(x.w.engine), 0);
	assert_int_equal(x.n, 8);
	told_done(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pings_in_time), cmocka_unit_test(test_late_ping),
		cmocka_unit_test(test_patience),      cmocka_unit_test(test_closed),
		cmocka_unit_test(test_text),	      cmocka_unit_test(test_left_out),
		cmocka_unit_test(test_many),	      cmocka_unit_test(test_settings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
