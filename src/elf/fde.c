/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <errno.h>
#include <string.h>

#include "elf/fde.h"

/* Pointer encoding of a CIE's FDEs: the augmentation data byte that belongs to 'R'. */
static int pointer_encoding(const Dwarf_CIE *cie, uint8_t *ret)
{
	const uint8_t *p = cie->augmentation_data;
	size_t left = cie->augmentation_data_size;

	*ret = DW_EH_PE_absptr;
	if (cie->augmentation[0] != 'z')
		return 0;
	for (const char *a = cie->augmentation + 1; *a; a++) {
		static const uint8_t sizes[] = {8, 0, 2, 4, 8}; /* by the encoding's low bits */
		size_t skip = 1;

		if (*a == 'S' || *a == 'B')
			continue;
		if ((*a != 'R' && *a != 'P' && *a != 'L') || !p || left < 1)
			return -ENOTSUP;
		if (*a == 'R') {
			*ret = p[0];
			return 0;
		}
		if (*a == 'P') {
			if ((p[0] & 7) >= ARRAY_LEN(sizes) || !sizes[p[0] & 7])
				return -ENOTSUP;
			skip += sizes[p[0] & 7];
		}
		if (skip > left)
			return -ENOTSUP;
		p += skip;
		left -= skip;
	}
	return 0;
}

/* One value of the encoding at *p, not relative to anything yet. */
static int read_encoded(const uint8_t **p, const uint8_t *end, uint8_t encoding, int64_t *ret)
{
	uint64_t u8;
	int32_t s4;
	uint32_t u4;

	switch (encoding & 0x0f) {
	case DW_EH_PE_absptr:
	case DW_EH_PE_udata8:
	case DW_EH_PE_sdata8:
		if (end - *p < 8)
			return -ENOEXEC;
		memcpy(&u8, *p, 8);
		*ret = (int64_t)u8;
		*p += 8;
		return 0;
	case DW_EH_PE_sdata4:
		if (end - *p < 4)
			return -ENOEXEC;
		memcpy(&s4, *p, 4);
		*ret = s4;
		*p += 4;
		return 0;
	case DW_EH_PE_udata4:
		if (end - *p < 4)
			return -ENOEXEC;
		memcpy(&u4, *p, 4);
		*ret = u4;
		*p += 4;
		return 0;
	default:
		return -ENOTSUP;
	}
}

static int read_range(const struct section *eh, const Dwarf_FDE *fde, uint8_t encoding,
		      struct range *ret)
{
	const uint8_t *p = fde->start;
	int64_t start, size;
	uint64_t base = 0;
	int r;

	switch (encoding & 0x70) {
	case DW_EH_PE_absptr:
		break;
	case DW_EH_PE_pcrel:
		base = eh->vaddr + (p - eh->data);
		break;
	default:
		return -ENOTSUP;
	}
	r = read_encoded(&p, fde->end, encoding, &start);
	if (r == 0)
		r = read_encoded(&p, fde->end, encoding & 0x07, &size);
	if (r < 0)
		return r;
	ret->start = base + (uint64_t)start;
	ret->end = ret->start + (uint64_t)size;
	return ret->end > ret->start ? 0 : -ENOEXEC;
}

static int compare(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return (x->end > y->end) - (x->end < y->end);
}

/* Broken input may overlap: cut, so that an address has one owner. */
static void make_disjoint(struct ranges *r)
{
	size_t n = 0;

	if (r->n > 0)
		qsort(r->items, r->n, sizeof(*r->items), compare);
	for (size_t i = 0; i < r->n; i++) {
		if (n > 0 && r->items[i].start < r->items[n - 1].end)
			continue;
		r->items[n++] = r->items[i];
	}
	r->n = n;
}

static int add_range(struct ranges *r, size_t *allocated, const struct range *one)
{
	if (r->n == *allocated) {
		size_t want = *allocated ? *allocated * 2 : 1024;
		struct range *p = reallocarray(r->items, want, sizeof(*p));

		if (!p)
			return -ENOMEM;
		r->items = p;
		*allocated = want;
	}
	r->items[r->n++] = *one;
	return 0;
}

/* The CIE that FDEs refer to is nearly always the one before: keep the last. */
struct cie_cache {
	Dwarf_Off offset;
	uint8_t encoding;
	bool valid;
};

static int fde_encoding(const unsigned char *ident, Elf_Data *data, Dwarf_Off cie_offset,
			struct cie_cache *cache)
{
	Dwarf_CFI_Entry e;
	Dwarf_Off next;

	if (cache->valid && cache->offset == cie_offset)
		return 0;
	if (dwarf_next_cfi(ident, data, true, cie_offset, &next, &e) != 0 ||
	    e.CIE_id != DW_CIE_ID_64)
		return -ENOEXEC;
	cache->valid = pointer_encoding(&e.cie, &cache->encoding) == 0;
	cache->offset = cie_offset;
	return cache->valid ? 0 : -ENOTSUP;
}

int ranges_load(const struct image *im, struct ranges *ret)
{
	struct section eh = image_section(im, ".eh_frame", SHT_PROGBITS);
	Elf_Data data = {.d_buf = (void *)eh.data, .d_type = ELF_T_BYTE, .d_size = eh.size};
	struct cie_cache cache = {0};
	size_t allocated = 0;
	Dwarf_Off at = 0, next;
	Dwarf_CFI_Entry e;
	struct range one;
	int r = 0, c;

	*ret = (struct ranges){0};
	if (!eh.data)
		return 0;
	while (r == 0 && (c = dwarf_next_cfi(im->map, &data, true, at, &next, &e)) != 1) {
		if (next <= at) /* broken: what came before still counts */
			break;
		at = next;
		if (c == 0 && !dwarf_cfi_cie_p(&e) &&
		    fde_encoding(im->map, &data, e.fde.CIE_pointer, &cache) == 0 &&
		    read_range(&eh, &e.fde, cache.encoding, &one) == 0 &&
		    image_is_code(im, one.start) && image_at(im, one.start, one.end - one.start))
			r = add_range(ret, &allocated, &one);
	}
	if (r < 0)
		ranges_done(ret);
	else
		make_disjoint(ret);
	return r;
}

void ranges_done(struct ranges *r)
{
	free(r->items);
	*r = (struct ranges){0};
}

ssize_t ranges_find(const struct ranges *r, uint64_t vaddr)
{
	size_t low = 0, high = r->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (vaddr < r->items[mid].start)
			high = mid;
		else if (vaddr >= r->items[mid].end)
			low = mid + 1;
		else
			return (ssize_t)mid;
	}
	return -1;
}
