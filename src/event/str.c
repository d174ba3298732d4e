/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "svctrace/cleanup.h"
#include "svctrace/event.h"

#define ALPHANUMERIC "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

char *str_dup(struct str s)
{
	return s.s ? strndup(s.s, s.n) : NULL;
}

bool str_equal(struct str s, const char *other)
{
	return s.s && s.n == strlen(other) && memcmp(s.s, other, s.n) == 0;
}

static bool unit_type_is_valid(struct str s)
{
	static const char *const types[] = {
		"service", "socket", "target", "device", "mount", "automount",
		"swap",	   "timer",  "path",   "slice",	 "scope", "snapshot",
	};

	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (str_equal(s, types[i]))
			return true;
	return false;
}

bool unit_name_is_valid(struct str s)
{
	const char *dot = s.s ? memrchr(s.s, '.', s.n) : NULL;
	size_t n;

	if (!dot || dot == s.s || s.n >= WIRE_ID_MAX || s.s[0] == '@')
		return false;
	n = (size_t)(dot - s.s);
	for (size_t i = 0; i < n; i++)
		if (!s.s[i] || !strchr(ALPHANUMERIC ":-_.\\@", s.s[i]))
			return false;
	return unit_type_is_valid((struct str){dot + 1, s.n - n - 1});
}
