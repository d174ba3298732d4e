/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What each wire kind is: its names, its fixed part, how it is decoded. */
#ifndef SVCTRACE_EVENT_KIND_H
#define SVCTRACE_EVENT_KIND_H

#include "svctrace/event.h"
#include "event/memory.h"

/* One whole record: its bytes, all of them within the buffer, and the length of its fixed part. */
struct record {
	const unsigned char *bytes;
	size_t size, fixed;
};

/* Fills what is particular to the kind. May learn into m. 0, -EBADMSG or -ENOMEM. */
typedef int (*decode_fn)(struct memory *m, const struct record *r, struct ev *e);

struct kind {
	const char *name;
	const char *function; /* systemd's, where the kind is a probe of one */
	uint16_t fixed;
	bool in_manager; /* happens in a manager's context, which is h.tgid */
	decode_fn decode;
};

/* NULL for a number that this reader does not know. */
const struct kind *kind_get(unsigned int kind);

#endif
