/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * systemd's enum names: arrays of pointers to strings, known by their first entries. The numbers
 * shift between releases, so they are always read from the object at hand.
 */
#ifndef SVCTRACE_ELF_ENUMS_H
#define SVCTRACE_ELF_ENUMS_H

#include "elf/code.h"

struct enums {
	struct sym_enum *items;
	size_t n;
};

/*
 * Adds those found in this object to the ones already there. relevant: per range, whether its code
 * is worth a look for how long the arrays are.
 */
int enums_add(struct enums *e, const struct code *code, const struct pointers *pointers,
	      const bool *relevant);
void enums_done(struct enums *e);

#endif
