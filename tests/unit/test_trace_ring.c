/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The flight recorder keeps the newest records and what they need; the scrubber what is harmless.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "svctrace/bus.h"
#include "svctrace/cleanup.h"
#include "svctrace/engine.h"
#include "synth.h"
#include "trace/siphash.h"
#include "trace/state.h"
#include "trace_file.h"

#define N 300000

/* The verdicts of a stream. */
struct verdicts {
	struct engine *engine;
	struct decoder *decoder;
	unsigned int n, certain;
	char last[64], cmdline[64];
};

static int on_verdict(void *ctx, const struct verdict *v)
{
	struct verdicts *x = ctx;

	x->n++;
	x->certain += v->certainty == CERTAIN && v->cause == CAUSE_MAIN_EXITED;
	snprintf(x->last, sizeof(x->last), "%s", v->unit);
	snprintf(x->cmdline, sizeof(x->cmdline), "%s", v->main_cmdline ? v->main_cmdline : "");
	return 0;
}

static int feed(void *ctx, const void *p, size_t n)
{
	return decoder_feed(((struct verdicts *)ctx)->decoder, p, n);
}

static void begin(struct verdicts *x)
{
	*x = (struct verdicts){};
	assert_int_equal(engine_new(on_verdict, x, &x->engine), 0);
	assert_int_equal(decoder_new(engine_feed, x->engine, &x->decoder), 0);
}

static void end(struct verdicts *x)
{
	assert_int_equal(engine_flush(x->engine), 0);
	decoder_freep(&x->decoder);
	engine_freep(&x->engine);
}

static unsigned int replay(struct memory_file *f, struct verdicts *x, struct trace_status *status,
			   uint64_t *left_out)
{
	struct trace_reader *r = NULL;
	const void *p;
	size_t n;

	f->at = 0;
	begin(x);
	assert_int_equal(trace_reader_new(memory_read, f, NULL, &r), 0);
	if (left_out) {
		_cleanup_free_ char *fact = str_dup(trace_reader_fact(r, "LEFT_OUT"));

		assert_non_null(fact);
		*left_out = strtoull(fact, NULL, 10);
	}
	while (trace_reader_next(r, &p, &n) == 1)
		assert_int_equal(feed(x, p, n), 0);
	trace_reader_status(r, status);
	trace_reader_freep(&r);
	end(x);
	return x->n;
}

static void test_ring_keeps_the_newest(void **state)
{
	struct memory_file f = {};
	struct trace_ring *ring = NULL;
	struct trace_status status;
	struct trace_totals totals;
	struct verdicts all, kept;
	uint64_t left_out;

	(void)state;
	begin(&all);
	assert_int_equal(synth_run(feed, &all, N), 0);
	end(&all);
	assert_int_equal(trace_ring_new(256 << 10, &ring), 0);
	assert_int_equal(synth_run(trace_ring_record, ring, N), 0);
	/* twice: the ring goes on */
	for (int i = 0; i < 2; i++) {
		free(f.p);
		f = (struct memory_file){};
		assert_int_equal(trace_ring_write(ring, memory_write, &f, (struct str){}, &totals),
				 0);
		replay(&f, &kept, &status, &left_out);
		assert_true(status.complete);
		assert_int_equal(totals.bytes, f.n);
		assert_true(f.n < (256 << 10) + (64 << 10));
		assert_true(left_out > 0 && left_out + status.read.records >= N);
		assert_string_equal(kept.last, all.last);
		/* what the ring begins in the middle of may be uncertain, no other */
		assert_true(kept.n > 5 && kept.n < all.n);
		assert_in_range(kept.certain, kept.n - 1, kept.n);
	}
	trace_ring_freep(&ring);
	free(f.p);
}

static void test_ring_that_is_not_full(void **state)
{
	struct memory_file f = {};
	struct trace_ring *ring = NULL;
	struct trace_status status;
	struct trace_totals totals;
	struct verdicts v;
	uint64_t left_out;

	(void)state;
	assert_int_equal(trace_ring_new(64 << 20, &ring), 0);
	assert_int_equal(trace_ring_write(ring, memory_write, &f, (struct str){}, &totals), 0);
	assert_int_equal(replay(&f, &v, &status, &left_out), 0);
	assert_true(status.complete);
	free(f.p);
	f = (struct memory_file){};
	assert_int_equal(synth_run(trace_ring_record, ring, 2000), 0);
	assert_int_equal(trace_ring_write(ring, memory_write, &f, (struct str){}, &totals), 0);
	replay(&f, &v, &status, &left_out);
	assert_int_equal(left_out, 0);
	assert_int_equal(v.certain, v.n);
	trace_ring_freep(&ring);
	free(f.p);
}

static int feed_state(void *ctx, const void *p, size_t n)
{
	return state_feed(ctx, p, n);
}

static int count(void *ctx, const void *p, size_t n)
{
	(void)p;
	(void)n;
	++*(unsigned int *)ctx;
	return 0;
}

/* Not more than what lives: the host, a manager and its tables, and the unit that just ended. */
static void test_state_is_bounded(void **state)
{
	struct state s;
	unsigned int n = 0;

	(void)state;
	state_init(&s);
	assert_int_equal(synth_run(feed_state, &s, N), 0);
	assert_int_equal(state_replay(&s, count, &n), 0);
	assert_in_range(n, 5, 12);
	state_done(&s);
}

static const unsigned char key[16] = "sixteen bytes...";

struct scrubbed {
	unsigned char p[WIRE_RECORD_MAX];
	size_t n;
	struct decoder *decoder;
	char cmdline[512], exe[256], facts[512], frames[2][128];
	size_t cmdline_n, facts_n;
	char calls[512];
};

static int on_scrubbed_event(void *ctx, const struct ev *e)
{
	struct scrubbed *s = ctx;

	if (e->kind == WIRE_PROC) {
		memcpy(s->cmdline, e->proc.cmdline.s, s->cmdline_n = e->proc.cmdline.n);
		snprintf(s->exe, sizeof(s->exe), "%.*s", (int)e->proc.exe.n, e->proc.exe.s);
	} else if (e->kind == WIRE_STACK) {
		for (unsigned int i = 0; i < e->stack.n && i < ARRAY_LEN(s->frames); i++) {
			const struct ev_frame *f = &e->stack.frames[i];
			const char *tail = memmem(f->object.s, f->object.n, "/build", 6);

			tail = tail ? tail : f->object.s;
			snprintf(s->frames[i], sizeof(s->frames[i]), "%.*s%s 0x%x+%u %.*s",
				 (int)f->name.n, f->name.s, f->guess ? "?" : "",
				 (unsigned int)f->address, f->offset,
				 (int)(f->object.s + f->object.n - tail), tail);
		}
	} else if (e->kind == WIRE_CLIENT_SEND) {
		char call[200];

		for (uint32_t i = 0; i < e->send.n_messages; i++)
			strcat(strcat(s->calls,
				      bus_describe(call, sizeof(call), &e->send.messages[i])),
			       " ");
	} else if (e->kind == WIRE_START) {
		memcpy(s->facts, e->text.s, s->facts_n = e->text.n);
	}
	return 0;
}

static int on_scrubbed(void *ctx, const void *p, size_t n)
{
	struct scrubbed *s = ctx;

	memcpy(s->p, p, s->n = n);
	return decoder_feed(s->decoder, p, n);
}

static void scrub_proc(struct trace_scrubber *x, const char *exe, const char *args, size_t n)
{
	struct wire_buf b;
	struct wire_proc *w;

	wb_begin(&b, WIRE_PROC, sizeof(*w), 77, 1);
	w = wb_as(&b, wire_proc);
	wb_str(&b, &w->exe, exe);
	wb_bytes(&b, &w->cmdline, args, n);
	wb_str(&b, &w->cgroup, "/system.slice/acme.service");
	assert_int_equal(trace_scrubber_record(x, b.bytes, wb_hdr(&b)->size), 0);
}

static void test_scrub(void **state)
{
	static const char args[] =
		"/home/alice/bin/run\0--password\0hunter2\0hunter2\0-9\0a.service";
	static const char facts[] = "HOST=secret\0KERNEL=6.1\0BOOT_ID=123";
	const char *replace[] = {"acme=example", NULL};
	struct trace_scrubber *x = NULL;
	struct scrubbed s = {};
	struct wire_buf b;
	char first[512];

	(void)state;
	assert_int_equal(decoder_new(on_scrubbed_event, &s, &s.decoder), 0);
	assert_int_equal(trace_scrubber_new(key, replace, on_scrubbed, &s, &x), 0);
	scrub_proc(x, "/home/alice/bin/run", args, sizeof(args));
	assert_null(memmem(s.p, s.n, "alice", 5));
	assert_null(memmem(s.p, s.n, "hunter2", 7));
	assert_null(memmem(s.p, s.n, "password", 8));
	assert_null(memmem(s.p, s.n, "acme", 4));
	assert_non_null(memmem(s.p, s.n, "/system.slice/example.service", 29));
	assert_non_null(memmem(s.cmdline, s.cmdline_n, "\0-9\0a.service", 14));
	assert_non_null(strstr(s.exe, "/home/x"));
	assert_non_null(strstr(s.exe, "/bin/run"));
	/* the same word, the same pseudonym; and so does the next record */
	memcpy(first, s.cmdline, s.cmdline_n);
	scrub_proc(x, "/home/alice/bin/run", args, sizeof(args));
	assert_memory_equal(first, s.cmdline, s.cmdline_n);

	wb_begin(&b, WIRE_START, sizeof(struct wire_text), 0, 1);
	wb_bytes(&b, &wb_as(&b, wire_text)->text, facts, sizeof(facts));
	assert_int_equal(trace_scrubber_record(x, b.bytes, wb_hdr(&b)->size), 0);
	assert_null(memmem(s.p, s.n, "secret", 6));
	assert_null(memmem(s.p, s.n, "=123", 4));
	assert_non_null(memmem(s.facts, s.facts_n, "KERNEL=6.1", 11));
	trace_scrubber_freep(&x);
	decoder_freep(&s.decoder);
}

/* A PID file's ways lose the homes that they lead through, wherever they are named, and its text.
 */
static void test_scrub_pidfiles(void **state)
{
	struct trace_scrubber *x = NULL;
	struct scrubbed s = {};
	struct wire_pidfile *w;
	struct wire_buf b;

	(void)state;
	assert_int_equal(decoder_new(on_scrubbed_event, &s, &s.decoder), 0);
	assert_int_equal(trace_scrubber_new(key, NULL, on_scrubbed, &s, &x), 0);
	wb_begin(&b, WIRE_PIDFILE, sizeof(*w), 1, 7);
	w = wb_as(&b, wire_pidfile);
	wb_str(&b, &w->id, "a.service");
	wb_str(&b, &w->path, "/home/alice/a.pid");
	wb_str(&b, &w->line, "hunter2");
	wb_str(&b, &w->why, "from /home/alice to /home/alice/run and /home/alice");
	wb_str(&b, &w->rule, "no-pid");
	assert_int_equal(trace_scrubber_record(x, b.bytes, wb_hdr(&b)->size), 0);
	assert_null(memmem(s.p, s.n, "alice", 5));
	assert_null(memmem(s.p, s.n, "hunter2", 7));
	assert_non_null(memmem(s.p, s.n, "a.service", 9));
	assert_non_null(memmem(s.p, s.n, "no-pid", 6));
	wb_begin(&b, WIRE_PIDFILE, sizeof(*w), 1, 7);
	wb_str(&b, &w->id, "a.service");
	wb_str(&b, &w->line, "4711");
	assert_int_equal(trace_scrubber_record(x, b.bytes, wb_hdr(&b)->size), 0);
	assert_non_null(memmem(s.p, s.n, "4711", 4));
	trace_scrubber_freep(&x);
	decoder_freep(&s.decoder);
}

/* Call chains stay, but for the homes that their files lie in; what they were made of goes. */
static void test_scrub_stacks(void **state)
{
	static const struct wb_frame frames[] = {
		{"service_enter_stop", "/home/alice/build/libsystemd-core-259.so", 0x1234, 5, 0},
		{"main", "/usr/lib/systemd/systemd", 0x99, 4, WIRE_FRAME_GUESS},
	};
	struct trace_scrubber *x = NULL;
	struct scrubbed s = {};
	struct wire_buf b;

	(void)state;
	assert_int_equal(decoder_new(on_scrubbed_event, &s, &s.decoder), 0);
	assert_int_equal(trace_scrubber_new(key, NULL, on_scrubbed, &s, &x), 0);
	wb_stack(&b, 1, 7, WIRE_STACK_WHOLE, frames, ARRAY_LEN(frames));
	assert_int_equal(trace_scrubber_record(x, b.bytes, wb_hdr(&b)->size), 0);
	assert_null(memmem(s.p, s.n, "alice", 5));
	assert_string_equal(s.frames[0],
			    "service_enter_stop 0x1234+5 /build/libsystemd-core-259.so");
	assert_string_equal(s.frames[1], "main? 0x99+4 /usr/lib/systemd/systemd");

	((struct wire_frame *)(b.bytes + sizeof(struct wire_stack)))->object.off = 60000;
	s.n = 0;
	assert_int_equal(trace_scrubber_record(x, b.bytes, wb_hdr(&b)->size), 0);
	assert_int_equal(s.n, 0);

	wb_begin(&b, WIRE_STACK_SAMPLE, sizeof(struct wire_stack_sample), 1, 7);
	wb_str(&b, &wb_as(&b, wire_stack_sample)->bytes, "memory");
	assert_int_equal(trace_scrubber_record(x, b.bytes, wb_hdr(&b)->size), 0);
	assert_int_equal(s.n, 0);
	trace_scrubber_freep(&x);
	decoder_freep(&s.decoder);
}

/* Of a message only what the parser understood gets over, with the words replaced in it too. */
static void test_scrub_messages(void **state)
{
	/* one that svctrace knows, and one whose argument is nobody's business */
	struct bus_message call = {
		.type = BUS_CALL,
		.serial = 7,
		.path = {"/org/freedesktop/systemd1/unit/acme_2eservice", 45},
		.member = {"Stop", 4},
		.signature = {"s", 1},
		.mode = {"replace", 7},
	};
	const char *replace[] = {"acme=an-example", NULL};
	struct trace_scrubber *x = NULL;
	struct scrubbed s = {};
	struct wire_client_send *w;
	struct wire_buf b;
	char bytes[600];
	int n, k;

	(void)state;
	assert_int_equal(decoder_new(on_scrubbed_event, &s, &s.decoder), 0);
	assert_int_equal(trace_scrubber_new(key, replace, on_scrubbed, &s, &x), 0);
	n = bus_build(bytes, sizeof(bytes), WIRE_ENDPOINT_BUS, &call);
	call.member = (struct str){"SetPassword", 11};
	k = bus_build(bytes + n, sizeof(bytes) - (size_t)n - 8, WIRE_ENDPOINT_BUS, &call);
	assert_true(n > 0 && k > 0);
	memcpy(bytes + n + k, "hunter2", 8);
	bytes[n + 4] += 8; /* the body's length */
	wb_begin(&b, WIRE_CLIENT_SEND, sizeof(*w), 77, 1);
	w = wb_as(&b, wire_client_send);
	w->endpoint = WIRE_ENDPOINT_BUS;
	w->length = (uint32_t)(n + k + 8);
	wb_bytes(&b, &w->bytes, bytes, w->length);
	assert_int_equal(trace_scrubber_record(x, b.bytes, wb_hdr(&b)->size), 0);
	assert_string_equal(s.calls, "Stop(an-example.service, replace) "
				     "SetPassword(an-example.service) ");
	assert_null(memmem(s.p, s.n, "acme", 4));
	assert_null(memmem(s.p, s.n, "hunter2", 7));
	trace_scrubber_freep(&x);
	decoder_freep(&s.decoder);
}

/* A kind that is added must be added to the scrubber too, or scrubbing would lose verdicts. */
static void test_scrub_knows_every_kind(void **state)
{
	(void)state;
	for (unsigned int kind = 0; kind < 1000; kind++)
		if (wire_kind_name(kind) && kind != WIRE_STACK_SAMPLE &&
		    !trace_scrubber_knows(kind))
			fail_msg("kind %u (%s) is missing in src/trace/scrub.c", kind,
				 wire_kind_name(kind));
}

/* Of the paper: key 00 01 … 0f, message 00 01 … 0e. */
static void test_siphash(void **state)
{
	unsigned char k[16], m[15];

	(void)state;
	for (unsigned int i = 0; i < 16; i++)
		k[i] = i;
	for (unsigned int i = 0; i < 15; i++)
		m[i] = i;
	assert_true(siphash(k, m, 15) == 0xa129ca6149be45e5ull);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ring_keeps_the_newest),
		cmocka_unit_test(test_ring_that_is_not_full),
		cmocka_unit_test(test_state_is_bounded),
		cmocka_unit_test(test_scrub),
		cmocka_unit_test(test_scrub_pidfiles),
		cmocka_unit_test(test_scrub_stacks),
		cmocka_unit_test(test_scrub_messages),
		cmocka_unit_test(test_scrub_knows_every_kind),
		cmocka_unit_test(test_siphash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
