/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bus/parser.h"
#include "svctrace/cleanup.h"
#include "svctrace/text.h"

#define SHOW_LEN 300

char *bus_text(struct bus_messages *all, size_t n)
{
	char *p = all->text + all->used;

	if (n > sizeof(all->text) - all->used)
		return NULL;
	all->used += n;
	return p;
}

/* What may stand before a connection's first message in the same send. */
static size_t skip_begin(enum wire_endpoint endpoint, const unsigned char *bytes, size_t n)
{
	static const char begin[] = "BEGIN\r\n";
	const size_t len = sizeof(begin) - 1;

	if (endpoint == WIRE_ENDPOINT_VARLINK || n < len || memcmp(bytes, begin, len) != 0)
		return 0;
	return len;
}

void bus_parse(struct bus_messages *ret, enum wire_endpoint endpoint, const void *bytes, size_t n,
	       size_t length)
{
	const unsigned char *p = bytes;
	size_t at;

	ret->n = 0;
	ret->used = 0;
	if (length < n)
		length = n;
	at = skip_begin(endpoint, p, n);
	while (at < n && ret->n < BUS_MESSAGES_MAX) {
		struct bus_message *m = &ret->message[ret->n];
		size_t size;

		*m = (struct bus_message){};
		if (endpoint == WIRE_ENDPOINT_VARLINK)
			size = varlink_parse(ret, m, (const char *)p + at, n - at, length - at);
		else
			size = dbus_parse(ret, m, p + at, n - at, length - at);
		if (size == 0)
			break;
		ret->n++;
		at += size;
	}
	ret->more = at < length;
}

static const char *show(struct str s, char buf[static SHOW_LEN])
{
	/* a unit's name is plain by its charset: its backslashes need no escaping */
	if (unit_name_is_valid(s)) {
		snprintf(buf, SHOW_LEN, "%.*s", (int)s.n, s.s);
		return buf;
	}
	return s.s ? text_escape(buf, SHOW_LEN, s.s, s.n) : "?";
}

char *bus_describe(char *dst, size_t dst_size, const struct bus_message *m)
{
	const struct str args[] = {m->unit, m->job_type, m->whom, m->mode};
	char buf[SHOW_LEN], signal[24];
	size_t at = (size_t)snprintf(dst, dst_size, "%s(", show(m->member, buf));
	const char *comma = "";

	for (size_t i = 0; i < ARRAY_LEN(args) && at < dst_size; i++) {
		if (!args[i].s)
			continue;
		at += (size_t)snprintf(dst + at, dst_size - at, "%s%s", comma, show(args[i], buf));
		comma = ", ";
	}
	if (m->signal && at < dst_size) {
		at += (size_t)snprintf(dst + at, dst_size - at, "%s%s", comma,
				       text_signal(m->signal, signal));
	}
	if (at < dst_size)
		snprintf(dst + at, dst_size - at, m->incomplete ? " …)" : ")");
	return dst;
}
