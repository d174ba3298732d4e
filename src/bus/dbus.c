/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* D-Bus messages: the header, and of the body those arguments that say what a call is about. */
#include <string.h>

#include "bus/parser.h"
#include "svctrace/cleanup.h"

#define MESSAGE_MAX    (128u << 20)
#define FIELDS_LEN_MAX (64u << 20)

/* A place in a message; at never goes beyond n. */
struct cursor {
	const unsigned char *bytes;
	size_t n, at;
	bool big; /* endian */
};

/* Alignment counts from the message's begin. */
static bool align(struct cursor *c, size_t to)
{
	size_t at = (c->at + to - 1) & ~(to - 1);

	if (at > c->n)
		return false;
	c->at = at;
	return true;
}

static bool get_u8(struct cursor *c, uint8_t *ret)
{
	if (c->at >= c->n)
		return false;
	*ret = c->bytes[c->at++];
	return true;
}

static bool get_u32(struct cursor *c, uint32_t *ret)
{
	const unsigned char *p;

	if (!align(c, 4) || c->n - c->at < 4)
		return false;
	p = c->bytes + c->at;
	*ret = c->big ? (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]
		      : (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
	c->at += 4;
	return true;
}

/* len bytes and a NUL. */
static bool get_bytes(struct cursor *c, size_t len, struct str *ret)
{
	if (len >= c->n - c->at || c->bytes[c->at + len] != 0)
		return false;
	*ret = (struct str){(const char *)c->bytes + c->at, len};
	c->at += len + 1;
	return true;
}

static bool get_string(struct cursor *c, struct str *ret)
{
	uint32_t len;

	return get_u32(c, &len) && get_bytes(c, len, ret);
}

static bool get_signature(struct cursor *c, struct str *ret)
{
	uint8_t len;

	return get_u8(c, &len) && get_bytes(c, len, ret);
}

static void set_field(struct bus_message *m, uint8_t code, struct str s)
{
	switch (code) {
	case DBUS_PATH:
		m->path = s;
		break;
	case DBUS_INTERFACE:
		m->interface = s;
		break;
	case DBUS_MEMBER:
		m->member = s;
		break;
	case DBUS_DESTINATION:
		m->destination = s;
		break;
	case DBUS_SENDER:
		m->sender = s;
		break;
	case DBUS_SIGNATURE:
		m->signature = s;
		break;
	default:
		break;
	}
}

/* Header fields are variants of one basic type: s, o, g or u. */
static bool get_field(struct cursor *c, struct bus_message *m)
{
	struct str type, s;
	uint32_t number;
	uint8_t code;

	if (!align(c, 8) || !get_u8(c, &code) || !get_signature(c, &type) || type.n != 1)
		return false;
	switch (type.s[0]) {
	case 's':
	case 'o':
		if (!get_string(c, &s))
			return false;
		break;
	case 'g':
		if (!get_signature(c, &s))
			return false;
		break;
	case 'u':
		if (!get_u32(c, &number))
			return false;
		if (code == DBUS_REPLY_SERIAL)
			m->reply_serial = number;
		return true;
	default:
		return false;
	}
	set_field(m, code, s);
	return true;
}

static void set_argument(struct bus_message *m, char meaning, struct str s)
{
	if (meaning == 'u' && unit_name_is_valid(s))
		m->unit = s;
	else if (meaning == 't')
		m->job_type = s;
	else if (meaning == 'm')
		m->mode = s;
	else if (meaning == 'w')
		m->whom = s;
}

static void get_arguments(struct cursor *c, struct bus_message *m)
{
	const struct bus_arguments *a = bus_arguments(m);

	for (size_t i = 0; a && a->meaning[i]; i++) {
		struct str s;
		uint32_t number;

		if (a->signature[i] == 'i') {
			if (!get_u32(c, &number))
				return;
			m->signal = (int32_t)number;
		} else {
			if (!get_string(c, &s))
				return;
			set_argument(m, a->meaning[i], s);
		}
	}
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "/org/freedesktop/systemd1/unit/nginx_2eservice": bytes that no path may have are _xx. */
static void unit_of_path(struct bus_messages *all, struct bus_message *m)
{
	const size_t prefix = sizeof(UNIT_PATH) - 1;
	const char *p = m->path.s;
	struct str name = {};
	char *to;

	if (!bus_is_unit_path(m->path))
		return;
	to = bus_text(all, m->path.n - prefix);
	if (!to)
		return;
	name.s = to;
	for (size_t i = prefix; i < m->path.n; i++) {
		int hi = p[i] == '_' && m->path.n - i > 2 ? hex_digit(p[i + 1]) : -1;
		int lo = hi >= 0 ? hex_digit(p[i + 2]) : -1;

		to[name.n++] = lo >= 0 ? (char)(hi << 4 | lo) : p[i];
		i += lo >= 0 ? 2 : 0;
	}
	if (unit_name_is_valid(name))
		m->unit = name;
}

/* All but the fields. Returns how long the fields are, and the body, if it is a message at all. */
static bool get_head(struct cursor *c, struct bus_message *m, uint32_t *fields, uint32_t *body)
{
	uint8_t endian, type, flags, version;

	if (!get_u8(c, &endian) || (endian != 'l' && endian != 'B'))
		return false;
	c->big = endian == 'B';
	m->incomplete = true;
	if (!get_u8(c, &type))
		return true;
	m->type = type;
	if (type < BUS_CALL || type > BUS_SIGNAL)
		return false;
	if (!get_u8(c, &flags) || !get_u8(c, &version))
		return true;
	m->no_reply = flags & DBUS_NO_REPLY;
	if (version != 1)
		return false;
	if (!get_u32(c, body) || !get_u32(c, &m->serial) || !get_u32(c, fields))
		return true;
	m->incomplete = false;
	return *fields <= FIELDS_LEN_MAX && *body <= MESSAGE_MAX;
}

size_t dbus_parse(struct bus_messages *all, struct bus_message *m, const unsigned char *bytes,
		  size_t n, size_t length)
{
	struct cursor c = {.bytes = bytes, .n = n};
	uint32_t fields = 0, body = 0;
	size_t fields_end, body_at, size;

	if (!get_head(&c, m, &fields, &body))
		return 0;
	if (m->incomplete)
		return length > DBUS_HEAD_LEN ? length : DBUS_HEAD_LEN;
	fields_end = DBUS_HEAD_LEN + fields;
	body_at = (fields_end + 7) & ~(size_t)7;
	size = body_at + body;
	m->incomplete = size > n;
	c.n = fields_end < n ? fields_end : n;
	while (c.at < c.n)
		if (!get_field(&c, m))
			break;
	if (m->type == BUS_CALL)
		unit_of_path(all, m);
	if (body_at < n) {
		c.at = body_at;
		c.n = size < n ? size : n;
		get_arguments(&c, m);
	}
	return size;
}

/* The body of a whole message, which begins behind the padded fields. */
static bool skip_head(struct cursor *c)
{
	uint32_t fields;

	c->at = DBUS_HEAD_LEN - sizeof(fields);
	return get_u32(c, &fields) && fields <= c->n - c->at && (c->at += fields, align(c, 8));
}

/* c and type: of the one value in the reply's body. */
static bool get_variant(const void *reply, size_t n, struct cursor *c, struct str *type)
{
	*c = (struct cursor){.bytes = reply, .n = n};
	if (n < DBUS_HEAD_LEN || c->bytes[1] != BUS_RETURN)
		return false;
	c->big = c->bytes[0] == 'B';
	return skip_head(c) && get_signature(c, type);
}

bool bus_variant_number(const void *reply, size_t n, uint64_t *ret)
{
	uint32_t first, second;
	struct cursor c;
	struct str type;

	if (!get_variant(reply, n, &c, &type) || !str_equal(type, "t") || !align(&c, 8) ||
	    !get_u32(&c, &first) || !get_u32(&c, &second))
		return false;
	*ret = c.big ? (uint64_t)first << 32 | second : (uint64_t)second << 32 | first;
	return true;
}

bool bus_variant_string(const void *reply, size_t n, char *ret, size_t size)
{
	struct str type, s;
	struct cursor c;

	if (!get_variant(reply, n, &c, &type) || !str_equal(type, "s") || !get_string(&c, &s) ||
	    s.n >= size)
		return false;
	memcpy(ret, s.s, s.n);
	ret[s.n] = 0;
	return true;
}

/* One string, or several: they begin at c. */
static bool get_list(const void *reply, size_t n, struct cursor *c, size_t *ret_end)
{
	struct str type;
	uint32_t len;

	if (!get_variant(reply, n, c, &type))
		return false;
	*ret_end = c->at + 1;
	if (str_equal(type, "s"))
		return true;
	if (!str_equal(type, "as") || !get_u32(c, &len) || len > c->n - c->at)
		return false;
	*ret_end = c->at + len;
	return true;
}

bool bus_list_has(const void *reply, size_t n, const char *s)
{
	struct cursor c;
	struct str item;
	size_t end;

	if (!get_list(reply, n, &c, &end))
		return false;
	while (c.at < end && get_string(&c, &item))
		if (str_equal(item, s))
			return true;
	return false;
}

unsigned int bus_list_get(const void *reply, size_t n, struct str *ret, unsigned int max)
{
	unsigned int found = 0;
	struct cursor c;
	size_t end;

	if (!get_list(reply, n, &c, &end))
		return 0;
	while (found < max && c.at < end && get_string(&c, &ret[found]))
		found++;
	return found;
}

size_t bus_message_size(const void *bytes, size_t n)
{
	struct cursor c = {.bytes = bytes, .n = n, .at = 4};
	uint32_t body, serial, fields;

	if (n < DBUS_HEAD_LEN || (c.bytes[0] != 'l' && c.bytes[0] != 'B'))
		return 0;
	c.big = c.bytes[0] == 'B';
	if (!get_u32(&c, &body) || !get_u32(&c, &serial) || !get_u32(&c, &fields) ||
	    body > MESSAGE_MAX || fields > FIELDS_LEN_MAX)
		return 0;
	return DBUS_HEAD_LEN + ((size_t)fields + 7) / 8 * 8 + body;
}
