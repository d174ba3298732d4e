/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Function ranges from .eh_frame, which stays in a stripped object. */
#ifndef SVCTRACE_ELF_FDE_H
#define SVCTRACE_ELF_FDE_H

#include "elf/image.h"

struct range {
	uint64_t start, end;
};

struct ranges {
	struct range *items; /* sorted by start, not overlapping */
	size_t n;
};

int ranges_load(const struct image *im, struct ranges *ret);
void ranges_done(struct ranges *r);
/* Index of the range that holds the address, or -1. */
ssize_t ranges_find(const struct ranges *r, uint64_t vaddr);

#endif
