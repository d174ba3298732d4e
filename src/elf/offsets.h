/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Struct offsets: from D-Bus tables, and from code where no table tells. */
#ifndef SVCTRACE_ELF_OFFSETS_H
#define SVCTRACE_ELF_OFFSETS_H

#include "elf/accessors.h"
#include "elf/bus.h"
#include "elf/code.h"

/* Answers where a function is; 0 or negative. The resolver's own lookup, given by the caller. */
typedef int (*locate_fn)(const void *ctx, const char *name, uint64_t *ret);

struct offsets {
	const struct bus *bus;
	const struct code *code;
	const struct accessors *accessors;
	locate_fn locate;
	const void *ctx;
};

/* Fills ret; 0, -ENOENT, -ENOTUNIQ. */
int offsets_find(const struct offsets *o, const char *key, struct sym_offset *ret);

#endif
