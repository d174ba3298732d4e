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
	return -ENOENT;
}
