/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SVCTRACE_BUS_PARSER_H
#define SVCTRACE_BUS_PARSER_H

#include "svctrace/bus.h"

#define DBUS_HEAD_LEN 16 /* before the header's fields */
#define DBUS_NO_REPLY 1	 /* flag */

enum dbus_field {
	DBUS_PATH = 1,
	DBUS_INTERFACE = 2,
	DBUS_MEMBER = 3,
	DBUS_REPLY_SERIAL = 5,
	DBUS_DESTINATION = 6,
	DBUS_SENDER = 7,
	DBUS_SIGNATURE = 8,
};

/*
 * One D-Bus message at the front of the n bytes that are there, of length that were sent. Returns
 * its size, of which less may be there, or 0 if it is none.
 */
size_t dbus_parse(struct bus_messages *all, struct bus_message *m, const unsigned char *bytes,
		  size_t n, size_t length);

/* Likewise one call of Varlink; its size goes with the NUL that ends it. */
size_t varlink_parse(struct bus_messages *all, struct bus_message *m, const char *bytes, size_t n,
		     size_t length);

/*
 * What a member's arguments mean, a letter each: u unit, t job type, m mode, w whom, s signal,
 * - none of these. Further ones do not matter.
 */
struct bus_arguments {
	const char *member;
	const char *signature; /* as the call must have it */
	const char *meaning;
};

/* NULL: no arguments of that call matter. */
const struct bus_arguments *bus_arguments(const struct bus_message *m);

/* The object of one unit, whose name follows. */
#define UNIT_PATH "/org/freedesktop/systemd1/unit/"
bool bus_is_unit_path(struct str path);

/* Room for a string of at most n bytes among all->text; NULL if there is none left. */
char *bus_text(struct bus_messages *all, size_t n);

#endif
