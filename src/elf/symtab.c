/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "elf/symtab.h"

/*
 * Link-time optimisation calls a static function NAME.lto_priv.N: the same function. A .isra,
 * .constprop or .part clone is not, and .cold is a piece of one. Cuts the name at its suffixes.
 */
enum suffix { SUFFIX_NONE, SUFFIX_CLONE, SUFFIX_PIECE };

static enum suffix cut_suffixes(char *name)
{
	enum suffix s = SUFFIX_NONE;
	char *dot = strchr(name, '.');

	if (!dot || dot == name)
		return SUFFIX_NONE;
	if (strstr(dot, ".cold"))
		s = SUFFIX_PIECE;
	else if (strstr(dot, ".isra") || strstr(dot, ".constprop") || strstr(dot, ".part"))
		s = SUFFIX_CLONE;
	*dot = 0;
	return s;
}

int symtab_add(struct symtab *t, const char *name, uint64_t vaddr, uint64_t size, bool is_function,
	       enum sym_origin origin)
{
	_cleanup_free_ char *copy = strdup(name);
	enum suffix suffix;

	if (!copy)
		return -ENOMEM;
	copy[strcspn(copy, "@")] = 0; /* libdwfl appends no version, .dynsym has none: be safe */
	suffix = cut_suffixes(copy);
	if (suffix == SUFFIX_PIECE || !*copy)
		return 0;
	if (t->n == t->allocated) {
		size_t want = t->allocated ? t->allocated * 2 : 1024;
		struct symbol *items = reallocarray(t->items, want, sizeof(*items));

		if (!items)
			return -ENOMEM;
		t->items = items;
		t->allocated = want;
	}
	t->items[t->n++] = (struct symbol){
		.name = take_ptr(copy),
		.vaddr = vaddr,
		.size = size,
		.origin = origin,
		.is_clone = suffix == SUFFIX_CLONE,
		.is_function = is_function,
	};
	return 0;
}

struct adding {
	struct symtab *t;
	enum sym_origin origin;
};

static int take_symbols(void *ctx, const struct section *s, const struct section *strings)
{
	const struct adding *a = ctx;
	int r = 0;

	for (size_t at = 0; r == 0 && s->size - at >= sizeof(Elf64_Sym); at += sizeof(Elf64_Sym)) {
		const char *name;
		Elf64_Sym sym;
		uint8_t type;

		memcpy(&sym, s->data + at, sizeof(sym));
		type = ELF64_ST_TYPE(sym.st_info);
		if (sym.st_shndx == SHN_UNDEF || sym.st_value == 0 ||
		    (type != STT_FUNC && type != STT_OBJECT) || sym.st_name >= strings->size)
			continue;
		name = (const char *)strings->data + sym.st_name;
		if (!memchr(name, 0, strings->size - sym.st_name))
			continue;
		r = symtab_add(a->t, name, sym.st_value, sym.st_size, type == STT_FUNC, a->origin);
	}
	return r;
}

int symtab_add_image(struct symtab *t, const struct image *im, uint32_t type,
		     enum sym_origin origin)
{
	struct adding a = {t, origin};

	return image_sections(im, type, take_symbols, &a);
}

static int compare(const void *a, const void *b)
{
	const struct symbol *x = a, *y = b;
	int r = strcmp(x->name, y->name);

	if (r == 0)
		r = (int)x->origin - (int)y->origin;
	if (r == 0)
		r = (int)x->is_clone - (int)y->is_clone;
	if (r == 0)
		r = (x->vaddr > y->vaddr) - (x->vaddr < y->vaddr);
	return r;
}

static int compare_address(const void *a, const void *b, void *ctx)
{
	const struct symbol *x = (struct symbol *)ctx + *(const size_t *)a;
	const struct symbol *y = (struct symbol *)ctx + *(const size_t *)b;

	if (x->vaddr != y->vaddr)
		return x->vaddr < y->vaddr ? -1 : 1;
	return x->origin != y->origin ? (int)x->origin - (int)y->origin : (x > y) - (x < y);
}

int symtab_sort(struct symtab *t)
{
	free(t->by_address);
	t->n_functions = 0;
	t->by_address = calloc(t->n + 1, sizeof(*t->by_address));
	if (!t->by_address)
		return -ENOMEM;
	if (t->n == 0)
		return 0;
	qsort(t->items, t->n, sizeof(*t->items), compare);
	for (size_t i = 0; i < t->n; i++)
		if (t->items[i].is_function)
			t->by_address[t->n_functions++] = i;
	qsort_r(t->by_address, t->n_functions, sizeof(*t->by_address), compare_address, t->items);
	return 0;
}

void symtab_done(struct symtab *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->items[i].name);
	free(t->items);
	free(t->by_address);
	*t = (struct symtab){0};
}

const struct symbol *symtab_find(const struct symtab *t, const char *name, size_t *ret_n)
{
	size_t low = 0, high = t->n, n = 0;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (strcmp(t->items[mid].name, name) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	while (low + n < t->n && !strcmp(t->items[low + n].name, name))
		n++;
	*ret_n = n;
	return n ? t->items + low : NULL;
}

/* Position in by_address of the first function after the address. */
static size_t first_after(const struct symtab *t, uint64_t vaddr)
{
	size_t low = 0, high = t->n_functions;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (t->items[t->by_address[mid]].vaddr <= vaddr)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

const struct symbol *symtab_at(const struct symtab *t, uint64_t vaddr, enum sym_origin last)
{
	const struct symbol *best = NULL;

	for (size_t i = first_after(t, vaddr); i > 0; i--) {
		const struct symbol *s = t->items + t->by_address[i - 1];

		if (s->vaddr != vaddr)
			break;
		if (s->origin <= last)
			best = s;
	}
	return best;
}

const struct symbol *symtab_covering(const struct symtab *t, uint64_t vaddr)
{
	size_t i = first_after(t, vaddr);
	const struct symbol *s;

	if (i == 0)
		return NULL;
	s = symtab_at(t, t->items[t->by_address[i - 1]].vaddr, _SYM_ORIGIN_MAX);
	return s && (vaddr == s->vaddr || vaddr - s->vaddr < s->size) ? s : NULL;
}
