/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The pointers in the object's data, as the loader will see them: RELA, RELR and symbolic ones. */
#ifndef SVCTRACE_ELF_POINTERS_H
#define SVCTRACE_ELF_POINTERS_H

#include "elf/arch.h"
#include "elf/image.h"

struct pointer {
	uint64_t where, target; /* both virtual addresses */
};

struct pointers {
	struct pointer *items; /* sorted by where */
	size_t n, allocated;
};

int pointers_load(const struct image *im, const struct arch *arch, struct pointers *ret);
void pointers_done(struct pointers *p);
/* 0 when there is no pointer at that address (or it is imported from another object). */
uint64_t pointers_at(const struct pointers *p, uint64_t where);
/* Index of the first pointer at or after the address. */
size_t pointers_from(const struct pointers *p, uint64_t where);

#endif
