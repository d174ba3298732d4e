/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "elf/bus.h"

/* sizeof(struct sd_bus_vtable), and where its members are on 64-bit machines */
#define ENTRY_SIZE	 56U
#define ENTRY_MEMBER	 8U
#define ENTRY_GET	 24U
#define ENTRY_HANDLER	 32U
#define ENTRY_OFFSET	 40U
#define START_ENTRY_SIZE 8U /* in the '<' entry: the element size */
#define TABLE_MAX	 1000U

struct loading {
	const struct image *im;
	const struct pointers *pointers;
	struct bus *ret;
};

static int add(struct bus *b, const struct bus_entry *e)
{
	if (b->n == b->allocated) {
		size_t want = b->allocated ? b->allocated * 2 : 512;
		struct bus_entry *items = reallocarray(b->items, want, sizeof(*items));

		if (!items)
			return -ENOMEM;
		b->items = items;
		b->allocated = want;
	}
	b->items[b->n++] = *e;
	return 0;
}

static int add_entry(const struct loading *l, uint64_t at, char type)
{
	bool method = type == 'M';
	struct bus_entry e = {
		.type = type,
		.table = l->ret->n_tables,
		.member = image_string(l->im, pointers_at(l->pointers, at + ENTRY_MEMBER)),
		.function = pointers_at(l->pointers, at + (method ? ENTRY_HANDLER : ENTRY_GET)),
	};

	/* Names of D-Bus members are at most 255 bytes of ASCII letters, digits and "_". */
	if (!e.member || strnlen(e.member, 256) == 256)
		return 0;
	memcpy(&e.offset, image_at(l->im, at + ENTRY_OFFSET, sizeof(e.offset)), sizeof(e.offset));
	return add(l->ret, &e);
}

/* Adds the table whose start entry is at the address. */
static int add_table(const struct loading *l, uint64_t at)
{
	const char *type = "";
	size_t before = l->ret->n;
	int r = 0;

	for (unsigned i = 0; r == 0 && i < TABLE_MAX; i++) {
		at += ENTRY_SIZE;
		type = image_at(l->im, at, ENTRY_SIZE);
		if (!type || *type == '>')
			break;
		if (*type == 'P' || *type == 'W' || *type == 'M')
			r = add_entry(l, at, *type);
		else if (*type != 'S')
			break;
	}
	if (r == 0 && type && *type == '>' && l->ret->n > before)
		l->ret->n_tables++;
	else
		l->ret->n = before; /* not a table after all */
	return r;
}

static int find_tables(const struct loading *l, const struct section *data)
{
	int r = 0;

	for (size_t at = 0; r == 0 && data->size >= ENTRY_SIZE && at <= data->size - ENTRY_SIZE;
	     at += sizeof(uint64_t)) {
		uint64_t element;

		if (data->data[at] != '<')
			continue;
		memcpy(&element, data->data + at + START_ENTRY_SIZE, sizeof(element));
		if (element == ENTRY_SIZE)
			r = add_table(l, data->vaddr + at);
	}
	return r;
}

static int compare_handlers(const void *a, const void *b, void *ctx)
{
	const struct bus_entry *items = ctx;
	uint64_t x = items[*(const size_t *)a].function, y = items[*(const size_t *)b].function;

	return (x > y) - (x < y);
}

static int index_handlers(struct bus *b)
{
	b->handlers = calloc(b->n + 1, sizeof(*b->handlers));
	if (!b->handlers)
		return -ENOMEM;
	for (size_t i = 0; i < b->n; i++)
		if (b->items[i].type == 'M' && b->items[i].function)
			b->handlers[b->n_handlers++] = i;
	if (b->n_handlers > 0)
		qsort_r(b->handlers, b->n_handlers, sizeof(*b->handlers), compare_handlers,
			b->items);
	return 0;
}

int bus_load(const struct image *im, const struct pointers *pointers, struct bus *ret)
{
	struct loading l = {im, pointers, ret};
	struct section relro = image_section(im, ".data.rel.ro", SHT_PROGBITS);
	struct section data = image_section(im, ".data", SHT_PROGBITS);
	int r;

	*ret = (struct bus){0};
	r = find_tables(&l, &relro);
	if (r == 0)
		r = find_tables(&l, &data);
	if (r == 0)
		r = index_handlers(ret);
	if (r < 0)
		bus_done(ret);
	return r;
}

void bus_done(struct bus *b)
{
	free(b->items);
	free(b->handlers);
	*b = (struct bus){0};
}

const struct bus_entry *bus_entry_of(const struct bus *b, size_t table, const char *member)
{
	for (size_t i = 0; i < b->n; i++)
		if (b->items[i].table == table && !strcmp(b->items[i].member, member))
			return &b->items[i];
	return NULL;
}

ssize_t bus_table_with(const struct bus *b, const char *member, const char *other)
{
	ssize_t found = -1;

	for (size_t i = 0; i < b->n; i++) {
		if (strcmp(b->items[i].member, member) ||
		    !bus_entry_of(b, b->items[i].table, other))
			continue;
		if (found >= 0)
			return -1;
		found = b->items[i].table;
	}
	return found;
}

const char *bus_method_of(const struct bus *b, uint64_t function)
{
	size_t low = 0, high = b->n_handlers;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const struct bus_entry *e = &b->items[b->handlers[mid]];

		if (e->function == function)
			return e->member;
		if (e->function < function)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

bool bus_method_is_called(const char *method, const char *function)
{
	const char *tail = strstr(function, "method_");

	if (!tail)
		return false;
	tail += strlen("method_");
	for (const char *m = method; *m; m++) {
		bool upper = *m >= 'A' && *m <= 'Z';

		if (upper && m > method && *tail++ != '_')
			return false;
		if (*tail++ != (upper ? *m - 'A' + 'a' : *m))
			return false;
	}
	return *tail == 0;
}
