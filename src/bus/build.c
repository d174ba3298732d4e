/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The way back: a message that says what struct bus_message says, and nothing else. And the one
 * call that svctrace makes itself; libsystemd could, but there is no static one.
 */
#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "bus/parser.h"
#include "svctrace/cleanup.h"

struct builder {
	unsigned char *to;
	size_t room, n; /* n may be beyond room: then the rest is missing */
};

static void put_bytes(struct builder *b, const void *p, size_t n)
{
	if (n > 0 && b->n <= b->room && n <= b->room - b->n)
		memcpy(b->to + b->n, p, n);
	b->n += n;
}

static void put_u8(struct builder *b, uint8_t v)
{
	put_bytes(b, &v, 1);
}

static void put_padding(struct builder *b, size_t to)
{
	while (b->n % to)
		put_u8(b, 0);
}

/* Little-endian, whatever it was. */
static void put_u32(struct builder *b, uint32_t v)
{
	put_padding(b, 4);
	for (unsigned int shift = 0; shift < 32; shift += 8)
		put_u8(b, (uint8_t)(v >> shift));
}

static void put_string(struct builder *b, struct str s)
{
	put_u32(b, (uint32_t)s.n);
	put_bytes(b, s.s, s.n);
	put_u8(b, 0);
}

static void put_variant(struct builder *b, enum dbus_field code, char type)
{
	put_padding(b, 8);
	put_u8(b, (uint8_t)code);
	put_u8(b, 1);
	put_u8(b, (uint8_t)type);
	put_u8(b, 0);
}

static void put_field(struct builder *b, enum dbus_field code, struct str s)
{
	if (!s.s)
		return;
	put_variant(b, code, code == DBUS_PATH ? 'o' : 's');
	put_string(b, s);
}

static void put_fields(struct builder *b, const struct bus_message *m)
{
	put_field(b, DBUS_PATH, m->path);
	put_field(b, DBUS_INTERFACE, m->interface);
	put_field(b, DBUS_MEMBER, m->member);
	put_field(b, DBUS_DESTINATION, m->destination);
	put_field(b, DBUS_SENDER, m->sender);
	if (m->reply_serial) {
		put_variant(b, DBUS_REPLY_SERIAL, 'u');
		put_u32(b, m->reply_serial);
	}
	if (m->signature.s && m->signature.n <= UINT8_MAX) {
		put_variant(b, DBUS_SIGNATURE, 'g');
		put_u8(b, (uint8_t)m->signature.n);
		put_bytes(b, m->signature.s, m->signature.n);
		put_u8(b, 0);
	}
}

static struct str argument(const struct bus_message *m, char meaning)
{
	switch (meaning) {
	case 'u':
		return m->unit;
	case 't':
		return m->job_type;
	case 'm':
		return m->mode;
	case 'w':
		return m->whom;
	default:
		return (struct str){"", 0};
	}
}

/* Only those arguments that the parser reads, up to the first that it could not. */
static void put_arguments(struct builder *b, const struct bus_message *m)
{
	const struct bus_arguments *a = bus_arguments(m);

	for (size_t i = 0; a && a->meaning[i]; i++) {
		struct str s = argument(m, a->meaning[i]);

		if (!s.s || (a->meaning[i] == 's' && m->incomplete && !m->signal))
			return;
		if (a->meaning[i] == 's')
			put_u32(b, (uint32_t)m->signal);
		else
			put_string(b, s);
	}
}

/* All but what is in front of the fields; the lengths of both parts. */
struct lengths {
	size_t fields, body;
};

static void put_head(const struct builder *b, const struct bus_message *m, struct lengths l)
{
	struct builder head = {.to = b->to, .room = b->room};

	put_u8(&head, 'l');
	put_u8(&head, (uint8_t)m->type);
	put_u8(&head, m->no_reply ? DBUS_NO_REPLY : 0);
	put_u8(&head, 1);
	put_u32(&head, (uint32_t)l.body);
	put_u32(&head, m->serial);
	put_u32(&head, (uint32_t)l.fields);
}

static void dbus_build(struct builder *b, const struct bus_message *m)
{
	struct lengths l;
	size_t body;

	b->n = DBUS_HEAD_LEN;
	put_fields(b, m);
	l.fields = b->n - DBUS_HEAD_LEN;
	put_padding(b, 8);
	body = b->n;
	put_arguments(b, m);
	/* one that was cut says that it is longer */
	l.body = b->n - body + (m->incomplete ? 1 : 0);
	put_head(b, m, l);
	if (!m->type)
		b->n = 1; /* cut before its type: so is this */
}

/* systemd's object for a unit: what is no letter or digit is written in hexadecimal. */
static void unit_path(char *dst, size_t size, const char *unit)
{
	static const char prefix[] = "/org/freedesktop/systemd1/unit/",
			  digits[] = "0123456789abcdef";
	size_t at = sizeof(prefix) - 1;

	memcpy(dst, prefix, sizeof(prefix));
	for (const unsigned char *c = (const unsigned char *)unit; *c && at + 4 < size; c++) {
		bool digit = *c >= '0' && *c <= '9' && c != (const unsigned char *)unit;

		if (digit || ((*c | 0x20) >= 'a' && (*c | 0x20) <= 'z')) {
			dst[at++] = (char)*c;
		} else {
			dst[at++] = '_';
			dst[at++] = digits[*c >> 4];
			dst[at++] = digits[*c & 15];
		}
	}
	dst[at] = 0;
}

static struct str str_of(const char *s)
{
	return (struct str){s, strlen(s)};
}

static size_t get_property(void *dst, size_t size, uint32_t serial, const char *path,
			   const char *interface, const char *property)
{
	struct bus_message m = {
		.type = BUS_CALL,
		.serial = serial,
		.path = str_of(path),
		.interface = str_of("org.freedesktop.DBus.Properties"),
		.member = str_of("Get"),
		.destination = str_of("org.freedesktop.systemd1"),
		.signature = str_of("ss"),
	};
	struct builder b = {.to = dst, .room = size, .n = DBUS_HEAD_LEN};
	struct lengths l;
	size_t body;

	put_fields(&b, &m);
	l.fields = b.n - DBUS_HEAD_LEN;
	put_padding(&b, 8);
	body = b.n;
	put_string(&b, str_of(interface));
	put_string(&b, str_of(property));
	l.body = b.n - body;
	put_head(&b, &m, l);
	return b.n <= size ? b.n : 0;
}

size_t bus_get_unit_property(void *dst, size_t size, uint32_t serial, const char *unit,
			     const char *property)
{
	char path[32 + 3 * WIRE_ID_MAX];

	unit_path(path, sizeof(path), unit);
	return get_property(dst, size, serial, path, "org.freedesktop.systemd1.Unit", property);
}

size_t bus_get_manager_property(void *dst, size_t size, uint32_t serial, const char *property)
{
	return get_property(dst, size, serial, "/org/freedesktop/systemd1",
			    "org.freedesktop.systemd1.Manager", property);
}

static void set_string(json_t *object, const char *key, struct str s)
{
	if (s.s)
		json_object_set_new(object, key, json_stringn(s.s, s.n));
}

static int varlink_build(struct builder *b, const struct bus_message *m)
{
	json_t *parameters = json_object(), *call = json_object();
	char method[WIRE_MESSAGE_MAX];
	_cleanup_free_ char *text = NULL;
	int n = snprintf(method, sizeof(method), "%.*s%s%.*s", (int)m->interface.n,
			 m->interface.s ? m->interface.s : "", m->interface.s ? "." : "",
			 (int)m->member.n, m->member.s ? m->member.s : "");

	if (m->member.s && n < (int)sizeof(method))
		json_object_set_new(call, "method", json_stringn(method, (size_t)n));
	set_string(parameters, "name", m->unit);
	set_string(parameters, "mode", m->mode);
	set_string(parameters, "whom", m->whom);
	if (m->signal)
		json_object_set_new(parameters, "signal", json_integer(m->signal));
	json_object_set_new(call, "parameters", parameters);
	if (m->no_reply)
		json_object_set_new(call, "oneway", json_true());
	text = json_dumps(call, JSON_COMPACT);
	json_decref(call);
	if (!text)
		return -ENOMEM;
	put_bytes(b, text, strlen(text) + (m->incomplete ? 0 : 1));
	return 0;
}

int bus_build(void *to, size_t room, enum wire_endpoint endpoint, const struct bus_message *m)
{
	struct builder b = {.to = to, .room = room};
	int r = 0;

	if (endpoint == WIRE_ENDPOINT_VARLINK)
		r = varlink_build(&b, m);
	else
		dbus_build(&b, m);
	if (r < 0)
		return r;
	return b.n <= room ? (int)b.n : -ENOSPC;
}
