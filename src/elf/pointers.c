/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "elf/pointers.h"

#ifndef SHT_RELR /* glibc before 2.36 */
#define SHT_RELR 19
#endif

struct loading {
	const struct image *im;
	const struct arch *arch;
	struct section dynsym;
	struct pointers *ret;
};

static int add(struct pointers *p, uint64_t where, uint64_t target)
{
	if (p->n == p->allocated) {
		size_t want = p->allocated ? p->allocated * 2 : 4096;
		struct pointer *items = reallocarray(p->items, want, sizeof(*items));

		if (!items)
			return -ENOMEM;
		p->items = items;
		p->allocated = want;
	}
	p->items[p->n++] = (struct pointer){where, target};
	return 0;
}

static int take_rela(void *ctx, const struct section *s, const struct section *strings)
{
	const struct loading *l = ctx;
	int r = 0;

	(void)strings;
	for (size_t at = 0; r == 0 && s->size - at >= sizeof(Elf64_Rela);
	     at += sizeof(Elf64_Rela)) {
		Elf64_Rela rela;
		Elf64_Sym sym;
		uint32_t type;
		size_t n;

		memcpy(&rela, s->data + at, sizeof(rela));
		type = ELF64_R_TYPE(rela.r_info);
		n = ELF64_R_SYM(rela.r_info);
		if (type == l->arch->r_relative) {
			r = add(l->ret, rela.r_offset, rela.r_addend);
			continue;
		}
		if ((type != l->arch->r_absolute && type != l->arch->r_glob_dat) ||
		    n >= l->dynsym.size / sizeof(sym))
			continue;
		memcpy(&sym, l->dynsym.data + n * sizeof(sym), sizeof(sym));
		if (sym.st_shndx != SHN_UNDEF)
			r = add(l->ret, rela.r_offset, sym.st_value + rela.r_addend);
	}
	return r;
}

static int add_in_place(const struct loading *l, uint64_t where)
{
	const void *p = image_at(l->im, where, sizeof(uint64_t));
	uint64_t target;

	if (!p)
		return 0;
	memcpy(&target, p, sizeof(target));
	return add(l->ret, where, target);
}

/* An even entry is an address; an odd one a bitmap of the 63 words after the last address. */
static int take_relr(void *ctx, const struct section *s, const struct section *strings)
{
	const struct loading *l = ctx;
	uint64_t next = 0;
	int r = 0;

	(void)strings;
	for (size_t at = 0; r == 0 && s->size - at >= sizeof(uint64_t); at += sizeof(uint64_t)) {
		uint64_t entry;

		memcpy(&entry, s->data + at, sizeof(entry));
		if (!(entry & 1)) {
			r = add_in_place(l, entry);
			next = entry + sizeof(uint64_t);
			continue;
		}
		for (unsigned bit = 1; r == 0 && bit < 64; bit++)
			if (entry >> bit & 1)
				r = add_in_place(l, next + (bit - 1) * sizeof(uint64_t));
		next += 63 * sizeof(uint64_t);
	}
	return r;
}

static int compare(const void *a, const void *b)
{
	const struct pointer *x = a, *y = b;

	return (x->where > y->where) - (x->where < y->where);
}

int pointers_load(const struct image *im, const struct arch *arch, struct pointers *ret)
{
	struct loading l = {
		.im = im,
		.arch = arch,
		.dynsym = image_section(im, ".dynsym", SHT_DYNSYM),
		.ret = ret,
	};
	int r;

	*ret = (struct pointers){0};
	r = image_sections(im, SHT_RELA, take_rela, &l);
	if (r == 0)
		r = image_sections(im, SHT_RELR, take_relr, &l);
	if (r < 0) {
		pointers_done(ret);
		return r;
	}
	if (ret->n > 0)
		qsort(ret->items, ret->n, sizeof(*ret->items), compare);
	return 0;
}

void pointers_done(struct pointers *p)
{
	free(p->items);
	*p = (struct pointers){0};
}

size_t pointers_from(const struct pointers *p, uint64_t where)
{
	size_t low = 0, high = p->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (p->items[mid].where < where)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

uint64_t pointers_at(const struct pointers *p, uint64_t where)
{
	size_t i = pointers_from(p, where);

	return i < p->n && p->items[i].where == where ? p->items[i].target : 0;
}
