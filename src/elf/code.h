/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One pass over all code: which function takes the address of which name, and how control comes
 * into each function. "Function" is an .eh_frame range, by its index; a cold part is a range of its
 * own that belongs to the function that jumps there.
 */
#ifndef SVCTRACE_ELF_CODE_H
#define SVCTRACE_ELF_CODE_H

#include "elf/arch.h"
#include "elf/fde.h"
#include "elf/image.h"
#include "elf/pointers.h"

struct name_ref {
	const char *name;
	uint32_t function; /* the owner, cold parts resolved */
};

struct code {
	const struct image *im;
	const struct arch *arch;
	struct ranges ranges;
	struct section rodata, relro;
	uint32_t *owner;  /* per range; itself unless it is a cold part */
	bool *called;	  /* per range: something calls it or holds its address */
	bool *uncertain;  /* per range: could be a cold part of nobody knows whom */
	bool *takes_data; /* per range: it takes the address of relocated data (.data.rel.ro) */
	struct name_ref *names; /* sorted by name, then function; no duplicates */
	size_t n_names, allocated;
	uint64_t *anchors; /* sorted; see code_name_at() */
	size_t n_anchors, anchors_allocated;
};

/* exported: addresses that .dynsym gives out; they count as called. */
int code_scan(struct code *c, const struct image *im, const struct arch *arch,
	      const struct pointers *pointers, const uint64_t *exported, size_t n_exported);
void code_done(struct code *c);

/*
 * The string at the address if it can be a function's __func__, else NULL. Where code computes the
 * addresses of many objects from that of the first, the first one's name tells nothing.
 */
const char *code_name_at(const struct code *c, uint64_t vaddr);

/* Calls f for every instruction of a range (of a function: see code_each_of). Non-zero ends it. */
typedef int (*insn_fn)(void *ctx, uint64_t vaddr, const struct insn *i);
int code_each(const struct code *c, size_t range, insn_fn f, void *ctx);
/* The same for a function and its cold parts. */
int code_each_of(const struct code *c, size_t function, insn_fn f, void *ctx);

/*
 * The address that straight code from here passes to the first function that it calls, as its first
 * argument; 0 when none.
 */
uint64_t code_first_argument(const struct code *c, const struct pointers *pointers, uint64_t from);

/* Bytes of a function's argument (from 0) as it takes it over at its start, 0 when it does not. */
unsigned code_argument_width(const struct code *c, size_t function, unsigned argument);

#endif
