/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The D-Bus tables (arrays of struct sd_bus_vtable, whose layout is public: sd-bus-vtable.h) that
 * systemd's objects carry: they tell the offsets of struct members, and who handles which method.
 */
#ifndef SVCTRACE_ELF_BUS_H
#define SVCTRACE_ELF_BUS_H

#include "elf/pointers.h"

struct bus_entry {
	const char *member; /* "MainPID", "StopUnit" */
	char type;	    /* 'P' property, 'W' writable one, 'M' method */
	uint32_t table;
	uint64_t function; /* getter or handler, 0 when it has none in this object */
	uint64_t offset;
};

struct bus {
	struct bus_entry *items;
	size_t n, allocated, n_tables;
	size_t *handlers; /* methods, sorted by function */
	size_t n_handlers;
};

int bus_load(const struct image *im, const struct pointers *pointers, struct bus *ret);
void bus_done(struct bus *b);

/* The only table that has both members, or -1. */
ssize_t bus_table_with(const struct bus *b, const char *member, const char *other);
const struct bus_entry *bus_entry_of(const struct bus *b, size_t table, const char *member);

/* The D-Bus method that the function handles, NULL when none. */
const char *bus_method_of(const struct bus *b, uint64_t function);
/* Is this how systemd would call the handler: "StopUnit" → "method_stop_unit"? */
bool bus_method_is_called(const char *method, const char *function);

#endif
