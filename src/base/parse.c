/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What options mean: numbers with units. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "svctrace/cleanup.h"
#include "svctrace/parse.h"

struct unit {
	const char *name;
	uint64_t factor;
};

static const struct unit durations[] = {
	{"", 1000000000},     {"s", 1000000000},    {"ms", 1000000},
	{"us", 1000},	      {"min", 60000000000}, {"m", 60000000000},
	{"h", 3600000000000}, {"sec", 1000000000},  {"d", 86400000000000},
};

static const struct unit sizes[] = {
	{"", 1},	{"B", 1},	  {"K", 1 << 10}, {"KiB", 1 << 10},
	{"M", 1 << 20}, {"MiB", 1 << 20}, {"G", 1 << 30}, {"GiB", 1 << 30},
};

static int parse_with_unit(const char *s, const struct unit *units, size_t n, uint64_t *ret)
{
	unsigned long long v;
	char *end;

	if (!isdigit((unsigned char)*s))
		return -EINVAL;
	errno = 0;
	v = strtoull(s, &end, 10);
	for (size_t i = 0; errno == 0 && i < n; i++)
		if (strcmp(end, units[i].name) == 0)
			return __builtin_mul_overflow(v, units[i].factor, ret) ? -EINVAL : 0;
	return -EINVAL;
}

int parse_duration(const char *s, uint64_t *ret)
{
	int r = parse_with_unit(s, durations, ARRAY_LEN(durations), ret);

	return r < 0 || *ret == 0 || *ret > INT64_MAX ? -EINVAL : 0;
}

int parse_size(const char *s, size_t *ret)
{
	uint64_t v;
	int r = parse_with_unit(s, sizes, ARRAY_LEN(sizes), &v);

	if (r < 0 || v == 0 || v > SIZE_MAX)
		return -EINVAL;
	*ret = v;
	return 0;
}

int parse_number(const char *s, uint64_t max, uint64_t *ret)
{
	static const struct unit plain = {"", 1};
	int r = parse_with_unit(s, &plain, 1, ret);

	return r < 0 || *ret == 0 || *ret > max ? -EINVAL : 0;
}
