/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What clients ask systemd for: the messages in the bytes that one of them sent, D-Bus of either
 * byte order or Varlink.
 *
 * Pure and bounded. The bytes are hostile, and may be cut anywhere: a message is told as far as
 * they reach.
 */
#ifndef SVCTRACE_BUS_H
#define SVCTRACE_BUS_H

#include "svctrace/event.h"

#define BUS_MESSAGES_MAX 4

/* D-Bus message types; a Varlink call is a BUS_CALL. */
enum bus_type {
	BUS_CALL = 1,
	BUS_RETURN = 2,
	BUS_ERROR = 3,
	BUS_SIGNAL = 4,
};

/*
 * One message. Strings that it does not have, or that lie behind the cut, are {NULL, 0}; of those
 * that do not matter to the member nothing is read. All may hold anything, but unit, which is a
 * valid name.
 */
struct bus_message {
	enum bus_type type; /* 0: it was cut before that */
	bool incomplete;    /* the bytes end before the message does */
	bool no_reply;	    /* the client does not wait for an answer */
	uint32_t serial;    /* 0: Varlink, which has none; or not known */
	uint32_t reply_serial;
	struct str destination;
	struct str path;
	struct str interface;
	struct str member; /* "StopUnit"; of Varlink's "io.systemd.Unit.Stop" the last part */
	struct str sender;
	struct str signature;
	/* What the call is about, from its arguments or its path. */
	struct str unit;     /* "nginx.service" */
	struct str job_type; /* EnqueueUnitJob, EnqueueJob: "stop" */
	struct str mode;     /* "replace" */
	struct str whom;     /* KillUnit: "main", "all" */
	int32_t signal;	     /* KillUnit; 0: none */
};

struct bus_messages {
	struct bus_message message[BUS_MESSAGES_MAX];
	uint32_t n;
	bool more; /* others follow, or may: what is behind is no message, or beyond the limit */
	size_t used;
	char text[WIRE_MESSAGE_MAX]; /* strings that had to be unescaped */
};

/*
 * Takes apart the n bytes that were kept of a send of length bytes. Fills ret, which points into
 * bytes; what is no message at all yields none.
 */
void bus_parse(struct bus_messages *ret, enum wire_endpoint endpoint, const void *bytes, size_t n,
	       size_t length);

/* The size of the whole D-Bus message that begins there; 0: fewer than 16 bytes, or none. */
size_t bus_message_size(const void *bytes, size_t n);

/*
 * Writes a call of org.freedesktop.DBus.Properties.Get for a property of a unit. Returns its size,
 * or 0 if it does not fit.
 */
size_t bus_get_unit_property(void *dst, size_t size, uint32_t serial, const char *unit,
			     const char *property);

/* Likewise for a property of the manager itself. */
size_t bus_get_manager_property(void *dst, size_t size, uint32_t serial, const char *property);

/* The property in that reply, one whole message; false, and *ret is left, if it is no such thing.
 */
bool bus_variant_number(const void *reply, size_t n, uint64_t *ret);
bool bus_variant_string(const void *reply, size_t n, char *ret, size_t size);

/* Whether the property in that reply, one whole message, is s, or a list of strings that has s. */
bool bus_list_has(const void *reply, size_t n, const char *s);
/* The first of its strings, at most max, which point into the reply. Returns how many. */
unsigned int bus_list_get(const void *reply, size_t n, struct str *ret, unsigned int max);

/*
 * The way back, for what must not tell more than m does: writes a message that parses to m. Returns
 * its length, -ENOSPC if it needs more than room, -ENOMEM.
 */
int bus_build(void *to, size_t room, enum wire_endpoint endpoint, const struct bus_message *m);

/* "StopUnit(nginx.service, replace)", for a terminal. Always NUL-terminated; returns dst. */
char *bus_describe(char *dst, size_t dst_size, const struct bus_message *m);

#endif
