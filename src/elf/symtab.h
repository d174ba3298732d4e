/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Functions that some symbol table names: .dynsym, .symtab, or those of a debug file. */
#ifndef SVCTRACE_ELF_SYMTAB_H
#define SVCTRACE_ELF_SYMTAB_H

#include "elf/image.h"

struct symbol {
	char *name; /* owned, without .lto_priv.N, .isra.N, .constprop.N, .part.N */
	uint64_t vaddr, size;
	enum sym_origin origin;
	bool is_clone;
	bool is_function;
};

struct symtab {
	struct symbol *items; /* by name, then origin, then clones last, then address */
	size_t n, allocated;
	size_t *by_address; /* functions only, once sorted */
	size_t n_functions;
};

int symtab_add(struct symtab *t, const char *name, uint64_t vaddr, uint64_t size, bool is_function,
	       enum sym_origin origin);
/* All defined functions and objects of the image's tables of this section type. */
int symtab_add_image(struct symtab *t, const struct image *im, uint32_t type,
		     enum sym_origin origin);
int symtab_sort(struct symtab *t);
void symtab_done(struct symtab *t);

/* All entries of the name; NULL when none. */
const struct symbol *symtab_find(const struct symtab *t, const char *name, size_t *ret_n);
/* The function at exactly this address with an origin not after `last`; NULL when none. */
const struct symbol *symtab_at(const struct symtab *t, uint64_t vaddr, enum sym_origin last);
/* The function that the address lies in. */
const struct symbol *symtab_covering(const struct symtab *t, uint64_t vaddr);

#endif
