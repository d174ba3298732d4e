/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Records as a file or a ring buffer holds them, one behind the other: all the way to the lines. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "svctrace/engine.h"
#include "svctrace/event.h"
#include "svctrace/render.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct run {
	struct renderer *text, *json;
	struct engine *engine;
};

static int on_verdict(void *ctx, const struct verdict *v)
{
	struct run *r = ctx;

	if (render_verdict(r->text, v) != 1 || render_verdict(r->json, v) != 1)
		abort();
	return 0;
}

static int on_hardware_watchdog(void *ctx, const struct hardware_watchdog_notice *n)
{
	struct run *r = ctx;

	if (render_hardware_watchdog(r->text, n) < 0 || render_hardware_watchdog(r->json, n) < 0)
		abort();
	return 0;
}

static int on_hang(void *ctx, const struct hang_verdict *h)
{
	struct run *r = ctx;

	if (render_hang(r->text, h) != 1 || render_hang(r->json, h) != 1)
		abort();
	return 0;
}

static int on_slow(void *ctx, const struct slow_notice *s)
{
	struct run *r = ctx;

	if (render_slow(r->text, s) != 1 || render_slow(r->json, s) != 1)
		abort();
	return 0;
}

static bool wants_timeline(void *ctx, const char *unit)
{
	struct run *r = ctx;

	return render_wants_timeline(r->text, unit);
}

static int on_timeline(void *ctx, const struct timeline *t)
{
	struct run *r = ctx;

	if (render_timeline(r->text, t) < 0 || render_timeline(r->json, t) < 0)
		abort();
	return 0;
}

static int on_event(void *ctx, const struct ev *e)
{
	struct run *r = ctx;

	if (render_note(r->text, e) < 0 || render_note(r->json, e) < 0)
		abort();
	if (render_event(r->text, e) < 0 || render_event(r->json, e) < 0)
		abort();
	if (engine_feed(r->engine, e) < 0)
		abort();
	return 0;
}

static void feed_all(struct decoder *d, const uint8_t *data, size_t size)
{
	while (size >= 2) {
		uint16_t n;
		void *copy;

		memcpy(&n, data, 2);
		n = n < 2 ? 2 : n > size ? (uint16_t)size : n;
		/* a copy of its own, so that no byte beyond it is read unnoticed */
		copy = malloc(n);
		if (!copy)
			abort();
		memcpy(copy, data, n);
		decoder_feed(d, copy, n);
		free(copy);
		data += n;
		size -= n;
	}
}

/* Whatever the records hold, nothing that steers a terminal comes out. */
static ssize_t check_text(void *ctx, const char *buf, size_t n)
{
	(void)ctx;
	for (size_t i = 0; i < n; i++) {
		unsigned char c = buf[i], next = i + 1 < n ? buf[i + 1] : 0;

		if ((c < 0x20 && c != '\n') || c == 0x7f ||
		    (c == 0xc2 && next >= 0x80 && next < 0xa0))
			abort();
	}
	return (ssize_t)n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const cookie_io_functions_t checked = {.write = check_text};
	static const char *const all[] = {"*", NULL};
	struct render_options o = {.utc = true,
				   .width = 100,
				   .ascii = true,
				   .stack = true,
				   .tree = true,
				   .timelines = all};
	FILE *text = fopencookie(NULL, "w", checked), *json = fopencookie(NULL, "w", checked);
	struct decoder *d = NULL;
	struct run r = {};

	if (!text || !json || renderer_new(text, &o, &r.text) < 0)
		abort();
	o = (struct render_options){.format = RENDER_JSON, .timelines = all};
	if (renderer_new(json, &o, &r.json) < 0 || engine_new(on_verdict, &r, &r.engine) < 0 ||
	    decoder_new(on_event, &r, &d) < 0)
		abort();
	engine_tell_hangs(r.engine, on_hang, &r, 1000);
	engine_tell_slow(r.engine, on_slow, &r);
	engine_tell_timelines(r.engine, wants_timeline, on_timeline, &r);
	engine_tell_hardware_watchdogs(r.engine, on_hardware_watchdog, &r);
	feed_all(d, data, size);
	if (engine_flush(r.engine) < 0)
		abort();
	decoder_freep(&d);
	engine_freep(&r.engine);
	renderer_freep(&r.text);
	renderer_freep(&r.json);
	fclose(text);
	fclose(json);
	return 0;
}
