/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "elf/slots.h"

#define SUFFIX "_vtable"

/* Length of the unit type's name if the symbol is its vtable, else 0. */
static size_t type_length(const struct symbol *s)
{
	size_t n = strlen(s->name);

	if (s->is_function || n <= strlen(SUFFIX) || strcmp(s->name + n - strlen(SUFFIX), SUFFIX) ||
	    !strncmp(s->name, "bus_", 4))
		return 0;
	return n - strlen(SUFFIX);
}

/* The function in the table's slot: an .eh_frame range, or -1. */
static ssize_t slot_function(const struct slots *s, const struct symbol *table, uint64_t offset)
{
	const struct ranges *ranges = &s->reference->code->ranges;
	uint64_t target;
	ssize_t f;

	if (offset >= table->size)
		return -1;
	target = pointers_at(s->pointers, table->vaddr + offset);
	f = target ? ranges_find(ranges, target) : -1;
	return f >= 0 && ranges->items[f].start == target ? f : -1;
}

/* How many other types' functions in this slot are called TYPE_suffix; 0 if any contradicts. */
static unsigned count_witnesses(const struct slots *s, const struct symbol *except, uint64_t offset,
				const char *suffix)
{
	unsigned n = 0;

	for (size_t i = 0; i < s->symtab->n; i++) {
		const struct symbol *table = &s->symtab->items[i];
		size_t type = type_length(table);
		const char *name;
		ssize_t f;

		if (type == 0 || table == except || (f = slot_function(s, table, offset)) < 0)
			continue;
		name = s->reference->own[f].name ?: s->reference->own[f].guess;
		if (!name || strncmp(name, table->name, type) || name[type] != '_')
			continue; /* unknown, or shared by several types */
		if (strcmp(name + type + 1, suffix))
			return 0;
		n++;
	}
	return n;
}

static int found(const struct slots *s, const struct symbol *table, size_t function, unsigned n,
		 struct sym *ret)
{
	const struct range *r = &s->reference->code->ranges.items[function];

	ret->status = SYM_FOUND;
	ret->origin = SYM_ORIGIN_VTABLE;
	ret->vaddr = r->start;
	ret->size = r->end - r->start;
	snprintf(ret->reason, sizeof(ret->reason),
		 "in the slot of %.40s that holds the like for %u other unit types", table->name,
		 n);
	return 0;
}

/* What the function is called that the i-th pointer leads to, if that is beyond doubt. */
static const char *pointed_name(const struct slots *s, size_t i)
{
	uint64_t target = s->pointers->items[i].target;
	ssize_t f = ranges_find(&s->reference->code->ranges, target);

	return f >= 0 && s->reference->code->ranges.items[f].start == target
		       ? s->reference->own[f].name
		       : NULL;
}

static bool same_type(const char *a, const char *b)
{
	size_t n = strcspn(a, "_") + 1;

	return !strncmp(a, b, n);
}

/* The only function that refers to this name, and to no other; or -1. */
static ssize_t only_reference(const struct slots *s, const char *name)
{
	ssize_t found = -1;

	for (size_t f = 0; f < s->reference->code->ranges.n; f++) {
		const struct own_name *own = &s->reference->own[f];

		if (own->name || !own->guess || strcmp(own->guess, name) != 0)
			continue;
		if (found >= 0)
			return -1;
		found = f;
	}
	return found;
}

/*
 * An executable exports no vtables. A function that refers to this name only, and whose address is
 * between those of two functions of the same type, is an operation of that type.
 */
static int find_between(const struct slots *s, const char *name, struct sym *ret)
{
	const struct pointer *p = s->pointers->items;
	ssize_t f = only_reference(s, name);
	const struct range *range = f < 0 ? NULL : &s->reference->code->ranges.items[f];

	for (size_t i = 1; range && i + 1 < s->pointers->n; i++) {
		const char *before, *after;

		if (p[i].target != range->start || p[i - 1].where + 8 != p[i].where ||
		    p[i].where + 8 != p[i + 1].where)
			continue;
		before = pointed_name(s, i - 1);
		after = pointed_name(s, i + 1);
		if (!before || !after || !same_type(name, before) || !same_type(name, after))
			continue;
		ret->status = SYM_FOUND;
		ret->origin = SYM_ORIGIN_VTABLE;
		ret->vaddr = range->start;
		ret->size = range->end - range->start;
		snprintf(ret->reason, sizeof(ret->reason),
			 "in a table between %.50s and %.50s, and refers to no other name", before,
			 after);
		return 0;
	}
	return -ENOENT;
}

int slots_find(const struct slots *s, const char *name, struct sym *ret)
{
	for (size_t i = 0; i < s->symtab->n; i++) {
		const struct symbol *table = &s->symtab->items[i];
		size_t type = type_length(table);

		if (type == 0 || strncmp(name, table->name, type) || name[type] != '_')
			continue;
		for (uint64_t offset = 0; offset + 8 <= table->size && offset < 8192; offset += 8) {
			ssize_t f = slot_function(s, table, offset);
			const struct own_name *own = f < 0 ? NULL : &s->reference->own[f];
			unsigned n, needed;

			if (!own || (own->name && strcmp(own->name, name)))
				continue;
			n = count_witnesses(s, table, offset, name + type + 1);
			/* The function itself is a witness if it refers to this name only. */
			needed = own->guess && !strcmp(own->guess, name) ? 1 : 2;
			if (n >= needed)
				return found(s, table, f, n, ret);
		}
	}
	return find_between(s, name, ret);
}
