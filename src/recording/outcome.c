/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "cmd.h"
#include "outcome.h"
#include "output.h"
#include "recording.h"
#include "svctrace/cleanup.h"

struct feed {
	struct output output;
	struct outcomes *ret;
};

static int on_record(void *ctx, const void *record, size_t size)
{
	struct feed *f = ctx;
	struct wire_hdr h;

	memcpy(&h, record, sizeof(h));
	if (f->ret->start_mono_ns == 0)
		f->ret->start_mono_ns = h.mono_ns;
	return output_record(&f->output, record, size);
}

int outcomes_read(const char *file, struct outcomes *ret)
{
	_cleanup_(recording_done) struct recording rec = {};
	struct feed f = {.ret = ret};
	int r = recording_open(&rec, file, false);

	if (r < 0)
		return r;
	f.output = (struct output){.silent = true, .also = outcomes_add, .also_ctx = ret};
	r = output_open(&f.output);
	if (r == 0)
		r = recording_feed(&rec, on_record, &f);
	if (r == 0)
		r = output_flush(&f.output);
	output_done(&f.output);
	if (r < 0)
		say("cannot replay %s: %s", file, strerror(-r));
	return r ? r : !recording_is_whole(&rec);
}
