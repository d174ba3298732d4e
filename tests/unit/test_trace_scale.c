/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Memory does not grow with the stream: as much of it for 10 million events as for 100 thousand,
 * recording and replaying alike.
 *
 * test_trace_scale write FILE N and test_trace_scale inflate FILE serve tests/bench.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "svctrace/engine.h"
#include "svctrace/trace.h"
#include "synth.h"
#include "trace/block.h"

#if defined(__SANITIZE_ADDRESS__)
/* ASan's own grows for longer, before it levels off. */
#define SCALE_FEW  600000ull
#define SCALE_MANY 1300000ull
/* What was freed is kept for a while, which is no leak. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "quarantine_size_mb=1:thread_local_quarantine_size_kb=64";
}
#else
#define SCALE_FEW  300000ull
#define SCALE_MANY 10000000ull
#endif

static int write_file(void *ctx, const void *p, size_t n)
{
	return fwrite(p, 1, n, ctx) == n ? 0 : -5;
}

static ssize_t read_file(void *ctx, void *p, size_t n)
{
	return (ssize_t)fread(p, 1, n, ctx);
}

static void write_trace(FILE *f, uint64_t n, struct trace_totals *ret)
{
	struct trace_writer *w = NULL;

	if (trace_writer_new(write_file, f, (struct str){}, &w) < 0 ||
	    synth_run(trace_writer_record, w, n) < 0 || trace_writer_close(w) < 0)
		abort();
	trace_writer_totals(w, ret);
	trace_writer_freep(&w);
	fflush(f);
}

static int count_verdict(void *ctx, const struct verdict *v)
{
	if (v->cause != CAUSE_MAIN_EXITED || v->certainty != CERTAIN)
		abort();
	++*(uint64_t *)ctx;
	return 0;
}

static uint64_t replay(FILE *f)
{
	struct trace_reader *r = NULL;
	struct engine_stats stats;
	struct decoder *d = NULL;
	struct engine *g = NULL;
	struct trace_status status;
	uint64_t verdicts = 0;
	const void *p;
	size_t n;

	rewind(f);
	if (trace_reader_new(read_file, f, NULL, &r) < 0 ||
	    engine_new(count_verdict, &verdicts, &g) < 0 || decoder_new(engine_feed, g, &d) < 0)
		abort();
	while (trace_reader_next(r, &p, &n) == 1)
		if (decoder_feed(d, p, n) < 0)
			abort();
	trace_reader_status(r, &status);
	engine_stats(g, &stats);
	if (!status.complete || stats.stops > 1)
		abort();
	decoder_freep(&d);
	engine_freep(&g);
	trace_reader_freep(&r);
	return verdicts;
}

/* Peak KiB of a process that records and replays n events. */
static long peak(uint64_t n)
{
	struct rusage u;
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		struct trace_totals t;
		FILE *f = tmpfile();

		write_trace(f, n, &t);
		/* fewer than 64 bytes an event, were they all as here */
		_exit(t.records >= n && t.bytes < 64 * t.records &&
				      replay(f) >= n / (SYNTH_ROUND + 1)
			      ? 0
			      : 1);
	}
	assert_int_equal(wait4(pid, &status, 0, &u), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	return u.ru_maxrss;
}

static void test_memory_is_bounded(void **state)
{
	long few = peak(SCALE_FEW), many = peak(SCALE_MANY);

	(void)state;
	print_message("# peak RSS of %llu events %ld KiB, of %llu events %ld KiB\n", SCALE_FEW, few,
		      SCALE_MANY, many);
	/* the same but for what an allocator does by chance */
	assert_true(many < few + few / 20 + 256);
}

/* What zlib alone takes for the same file: no records are looked at. */
static int inflate_file(const char *path)
{
	static unsigned char stored[TRACE_STORED_MAX], raw[TRACE_RAW_MAX];
	FILE *f = fopen(path, "re");
	struct trace_header header;
	struct trace_block head;
	struct unpacker u = {};

	if (!f || unpacker_init(&u) < 0 || fread(&header, sizeof(header), 1, f) != 1 ||
	    fseek(f, header.size, SEEK_SET) < 0)
		return 1;
	while (fread(&head, sizeof(head), 1, f) == 1) {
		if (fread(stored, 1, head.stored, f) != head.stored)
			return 1;
		if (head.flags & TRACE_BLOCK_DEFLATED) {
			inflateReset(&u.z);
			u.z.next_in = stored;
			u.z.avail_in = head.stored;
			u.z.next_out = raw;
			u.z.avail_out = head.raw;
			if (inflate(&u.z, Z_FINISH) != Z_STREAM_END)
				return 1;
		}
	}
	unpacker_done(&u);
	fclose(f);
	return 0;
}

static int write_path(const char *path, uint64_t n)
{
	FILE *f = fopen(path, "we");
	struct trace_totals t;

	if (!f)
		return 1;
	write_trace(f, n, &t);
	printf("%llu records, %.1f bytes each on disk, %.1f raw\n", (unsigned long long)t.records,
	       (double)t.bytes / t.records, (double)t.raw / t.records);
	return fclose(f) != 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memory_is_bounded),
	};

	if (argc == 4 && strcmp(argv[1], "write") == 0)
		return write_path(argv[2], strtoull(argv[3], NULL, 10));
	if (argc == 3 && strcmp(argv[1], "inflate") == 0)
		return inflate_file(argv[2]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
