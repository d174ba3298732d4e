/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* EXPECT files: whatever they hold, they are refused with a reason or can be compared and told. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "svctrace/expect.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void add(struct outcomes *o, const char *unit, enum cause cause, uint64_t at)
{
	struct actor actor = {.comm = (char *)"kill", .tgid = 7, .loginuid = UINT32_MAX};
	struct verdict v = {
		.unit = (char *)unit,
		.cause = cause,
		.result = (char *)"signal",
		.have_actor = true,
		.chain = &actor,
		.n_chain = 1,
		.signal = 9,
		.begin_mono_ns = at,
		.end_mono_ns = at + 1000000,
	};

	if (outcomes_add(o, &v) < 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static FILE *null;
	struct outcomes o = {};
	struct expect_error err = {};
	struct expect *e = NULL;
	int r;

	if (!null)
		null = fopen("/dev/null", "w");
	/* fnmatch() takes exponential time for hostile patterns, which are the user's own */
	if (!null || size > 4096)
		return 0;
	r = expect_parse((const char *)data, size, &e, &err);
	if (r < 0) {
		if (r != -EINVAL || !*err.what || err.line == 0)
			abort();
		return 0;
	}
	add(&o, "a.service", CAUSE_MAIN_KILLED, 1000000000);
	add(&o, "b.service", CAUSE_MAIN_EXITED, 3000000000);
	if (expect_compare(e, &o) < 0 || expect_write_tap(e, &o, null) < 0 ||
	    expect_write_junit(e, &o, "name", null) < 0)
		abort();
	expect_freep(&e);
	outcomes_done(&o);
	return 0;
}
