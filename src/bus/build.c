/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * D-Bus calls that svctrace makes itself. libsystemd could; there is no static one, and all that is
 * needed is one call.
 */
#include <endian.h>
#include <string.h>

#include "svctrace/bus.h"

/* Bytes that grow; at goes beyond size when there is no room. */
struct builder {
	unsigned char *bytes;
	size_t size, at;
};

static void put(struct builder *b, const void *p, size_t n)
{
	if (b->at <= b->size && n <= b->size - b->at)
		memcpy(b->bytes + b->at, p, n);
	b->at += n;
}

static void put_padding(struct builder *b, size_t to)
{
	static const unsigned char zero[8];

	put(b, zero, (to - b->at % to) % to);
}

static void put_u32(struct builder *b, uint32_t n)
{
	n = htole32(n);
	put_padding(b, sizeof(n));
	put(b, &n, sizeof(n));
}

static void put_string(struct builder *b, const char *s)
{
	put_u32(b, strlen(s));
	put(b, s, strlen(s) + 1);
}

/* A header field: a code, and a variant of a type whose values are written as strings. */
static void put_field(struct builder *b, unsigned char code, char type, const char *s)
{
	const unsigned char head[] = {code, 1, type, 0};

	put_padding(b, 8);
	put(b, head, sizeof(head));
	if (type == 'g') {
		const unsigned char len = strlen(s);

		put(b, &len, 1);
		put(b, s, len + 1u);
	} else {
		put_string(b, s);
	}
}

/* systemd's object for a unit: what is no letter or digit is written in hexadecimal. */
static void unit_path(char *dst, size_t size, const char *unit)
{
	static const char prefix[] = "/org/freedesktop/systemd1/unit/",
			  digits[] = "0123456789abcdef";
	size_t at = sizeof(prefix) - 1;

	memcpy(dst, prefix, sizeof(prefix));
	for (const unsigned char *c = (const unsigned char *)unit; *c && at + 4 < size; c++) {
		bool digit = *c >= '0' && *c <= '9';

		if ((*c | 0x20) >= 'a' && (*c | 0x20) <= 'z') {
			dst[at++] = *c;
		} else if (digit && c != (const unsigned char *)unit) {
			dst[at++] = *c;
		} else {
			dst[at++] = '_';
			dst[at++] = digits[*c >> 4];
			dst[at++] = digits[*c & 15];
		}
	}
	dst[at] = 0;
}

static size_t put_fields(struct builder *b, const char *path)
{
	size_t begin = b->at;

	put_field(b, 1, 'o', path);
	put_field(b, 2, 's', "org.freedesktop.DBus.Properties");
	put_field(b, 3, 's', "Get");
	put_field(b, 6, 's', "org.freedesktop.systemd1");
	put_field(b, 8, 'g', "ss");
	return b->at - begin;
}

static void set_u32(struct builder *b, size_t at, uint32_t n)
{
	size_t end = b->at;

	b->at = at;
	put_u32(b, n);
	b->at = end;
}

size_t bus_get_unit_property(void *dst, size_t size, uint32_t serial, const char *unit,
			     const char *property)
{
	static const unsigned char head[] = {'l', 1, 0, 1};
	char path[32 + 3 * WIRE_ID_MAX];
	struct builder b = {dst, size, 0};
	size_t fields, body;

	unit_path(path, sizeof(path), unit);
	put(&b, head, sizeof(head));
	put_u32(&b, 0); /* the body's length, see below */
	put_u32(&b, serial);
	put_u32(&b, 0); /* the fields' */
	fields = put_fields(&b, path);
	put_padding(&b, 8);
	body = b.at;
	put_string(&b, "org.freedesktop.systemd1.Unit");
	put_string(&b, property);
	if (b.at > b.size)
		return 0;
	set_u32(&b, 4, b.at - body);
	set_u32(&b, 12, fields);
	return b.at;
}

size_t bus_message_size(const void *bytes, size_t n)
{
	const unsigned char *p = bytes;
	uint32_t body, fields;

	if (n < 16 || (p[0] != 'l' && p[0] != 'B'))
		return 0;
	memcpy(&body, p + 4, sizeof(body));
	memcpy(&fields, p + 12, sizeof(fields));
	body = p[0] == 'l' ? le32toh(body) : be32toh(body);
	fields = p[0] == 'l' ? le32toh(fields) : be32toh(fields);
	if (body > UINT32_MAX / 4 || fields > UINT32_MAX / 4)
		return 0;
	return 16 + ((size_t)fields + 7) / 8 * 8 + body;
}
