/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Varlink: a JSON object, {"method": …, "parameters": {…}}, ended by NUL. */
#include <jansson.h>
#include <string.h>

#include "bus/parser.h"
#include "svctrace/cleanup.h"

/* The caller's own copy, for the JSON goes away; unknown if it is no string. */
static struct str copy_string(struct bus_messages *all, const json_t *j)
{
	size_t n = json_string_length(j);
	char *to = n > 0 ? bus_text(all, n) : NULL;

	if (!to)
		return (struct str){NULL, 0};
	memcpy(to, json_string_value(j), n);
	return (struct str){to, n};
}

/* "io.systemd.Unit.Stop": interface and member. */
static void set_method(struct bus_message *m, struct str method)
{
	const char *dot = method.s ? memrchr(method.s, '.', method.n) : NULL;

	if (!dot) {
		m->member = method;
		return;
	}
	m->interface = (struct str){method.s, (size_t)(dot - method.s)};
	m->member = (struct str){dot + 1, method.n - m->interface.n - 1};
}

/* Of systemd's methods some call the unit name, others, StartTransient's context, id. */
static struct str find_unit(struct bus_messages *all, const json_t *parameters)
{
	const json_t *context = json_object_get(parameters, "context");
	const json_t *candidates[] = {
		json_object_get(parameters, "name"),
		json_object_get(parameters, "unit"),
		json_object_get(parameters, "id"),
		json_object_get(context, "ID"),
	};

	for (size_t i = 0; i < ARRAY_LEN(candidates); i++) {
		struct str s = {json_string_value(candidates[i]),
				json_string_length(candidates[i])};

		if (unit_name_is_valid(s))
			return copy_string(all, candidates[i]);
	}
	return (struct str){NULL, 0};
}

static void read_call(struct bus_messages *all, struct bus_message *m, const json_t *call)
{
	const json_t *parameters = json_object_get(call, "parameters");

	set_method(m, copy_string(all, json_object_get(call, "method")));
	m->no_reply = json_is_true(json_object_get(call, "oneway"));
	m->unit = find_unit(all, parameters);
	m->mode = copy_string(all, json_object_get(parameters, "mode"));
	m->whom = copy_string(all, json_object_get(parameters, "whom"));
	m->signal = (int32_t)json_integer_value(json_object_get(parameters, "signal"));
}

/* Of a call that was cut: its method, if that comes first, as everybody writes it. */
static void read_beginning(struct bus_message *m, const char *bytes, size_t n)
{
	static const char key[] = "{\"method\":\"";
	const char *end;

	if (n < sizeof(key) || memcmp(bytes, key, sizeof(key) - 1) != 0)
		return;
	bytes += sizeof(key) - 1;
	n -= sizeof(key) - 1;
	end = memchr(bytes, '"', n);
	if (end && !memchr(bytes, '\\', (size_t)(end - bytes)))
		set_method(m, (struct str){bytes, (size_t)(end - bytes)});
}

size_t varlink_parse(struct bus_messages *all, struct bus_message *m, const char *bytes, size_t n,
		     size_t length)
{
	const char *end = memchr(bytes, 0, n);
	json_t *call;

	if (n == 0 || bytes[0] != '{')
		return 0;
	m->type = BUS_CALL;
	if (!end) {
		m->incomplete = true;
		read_beginning(m, bytes, n);
		return length > n ? length : n;
	}
	/*
	 * Else jansson would read a seed from /dev/urandom, and a decoder does no I/O. Keys that
	 * are made to collide cost nothing worth mention in so few bytes.
	 */
	json_object_seed(1);
	call = json_loadb(bytes, (size_t)(end - bytes), 0, NULL);
	if (!json_is_object(call)) {
		json_decref(call);
		return 0;
	}
	read_call(all, m, call);
	json_decref(call);
	return (size_t)(end - bytes) + 1;
}
