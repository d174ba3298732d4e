/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Offsets in sd-bus's private structs. libsystemd-shared exports the functions that read their
 * members, and a function that does little else than read one member tells where it is.
 */
#ifndef SVCTRACE_ELF_ACCESSORS_H
#define SVCTRACE_ELF_ACCESSORS_H

#include "elf/code.h"
#include "elf/symtab.h"

#define ACCESSORS_N 6U

struct accessors {
	struct sym_offset items[ACCESSORS_N];
};

/*
 * Fills what is not yet found from an object that may export the functions; code needs no more than
 * im, arch and ranges. exported has to be sorted.
 */
void accessors_add(struct accessors *a, const struct code *code, const struct symtab *exported);
/* NULL when the key is not of such a struct. */
const struct sym_offset *accessors_find(const struct accessors *a, const char *key);

#endif
