/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SVCTRACE_BUS_PARSER_H
#define SVCTRACE_BUS_PARSER_H

#include "svctrace/bus.h"

/*
 * One D-Bus message at the front of the n bytes that are there, of length that were sent. Returns
 * its size, of which less may be there, or 0 if it is none.
 */
size_t dbus_parse(struct bus_messages *all, struct bus_message *m, const unsigned char *bytes,
		  size_t n, size_t length);

/* Likewise one call of Varlink; its size goes with the NUL that ends it. */
size_t varlink_parse(struct bus_messages *all, struct bus_message *m, const char *bytes, size_t n,
		     size_t length);

/* Room for a string of at most n bytes among all->text; NULL if there is none left. */
char *bus_text(struct bus_messages *all, size_t n);

#endif
