/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Names by reference: a function that logs or asserts passes its own name, so code that takes the
 * address of the string "service_enter_stop" is service_enter_stop(), or has it inlined. Which of
 * the two it is takes a second witness; without one the answer is "ambiguous".
 */
#ifndef SVCTRACE_ELF_REFERENCE_H
#define SVCTRACE_ELF_REFERENCE_H

#include "elf/bus.h"
#include "elf/code.h"
#include "elf/symtab.h"

enum witness {
	WITNESS_NONE,	 /* the function's own name is not known */
	WITNESS_SYMBOL,	 /* a symbol table names the function */
	WITNESS_GUARD,	 /* it checks its arguments with this name */
	WITNESS_HANDLER, /* it handles the D-Bus method of that name */
};

/* What a function is called. */
struct own_name {
	const char *name;  /* NULL: not known */
	const char *guess; /* the only candidate; one in ten is of an inlined function */
	enum witness witness;
	uint32_t candidates; /* names that it refers to and that are not known elsewhere */
};

struct reference {
	const struct code *code;
	struct own_name *own;  /* per function */
	uint32_t *by_function; /* indices of code->names, sorted by function */
	size_t *first;	       /* per function: its first place in by_function; n + 1 of them */
	struct sym_calibration calibration;
};

/* exported: the object's own .dynsym and .symtab, sorted. */
int reference_load(struct reference *r, const struct code *code, const struct symtab *exported,
		   const struct bus *bus);
void reference_done(struct reference *r);

/* Fills status, vaddr, size and reason; 0, -ENOENT, -ENOTUNIQ. */
int reference_find(const struct reference *r, const char *name, struct sym *ret);
/* The names that a function refers to: index of code->names, from first[f] to first[f + 1]. */
const char *reference_name(const struct reference *r, size_t place);

#endif
