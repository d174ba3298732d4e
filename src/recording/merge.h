/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Several recordings as one: by wall time, each line with the host that it comes from. */
#ifndef SVCTRACE_MERGE_H
#define SVCTRACE_MERGE_H

#include "output.h"
#include "recording.h"

struct merge_input {
	struct recording file;
	struct output output;
	char *host;
	unsigned int width; /* of the host column */
	bool json, in_line;
	/* the record that is next, and the last clock that was seen */
	const void *record;
	size_t size;
	uint64_t clock_mono_ns, clock_real_ns;
};

/* All files were opened, options hold for each. Returns what output_record() did, or a reader. */
int merge_run(struct merge_input *inputs, unsigned int n, const struct output *options);

#endif
