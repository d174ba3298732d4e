/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Foreign bytes: what comes out is plain, valid and within its bounds. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "svctrace/event.h"
#include "svctrace/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good)
{
	if (!good)
		abort();
}

static void check_utf8(const char *s, size_t n)
{
	json_t *j = json_stringn(s, n); /* refuses what is not UTF-8 */

	check(j != NULL);
	json_decref(j);
}

static void check_escape(const char *s, size_t n, size_t room)
{
	char *buf = malloc(room ? room : 1);

	check(buf != NULL);
	check(text_escape(buf, room, s, n) == buf);
	if (room > 0) {
		check(strlen(buf) < room);
		check_utf8(buf, strlen(buf));
		for (const char *c = buf; *c; c++)
			check((unsigned char)*c >= 0x20 && *c != 0x7f);
	}
	free(buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t room = size > 0 ? data[0] : 0;
	char *copy = malloc(size ? size : 1), *text;
	long len;

	check(copy != NULL);
	if (size > 0)
		memcpy(copy, data, size);
	check_escape(copy, size, room);
	check_escape(copy, size, size * 4 + 1);

	len = text_to_utf8(copy, size, &text);
	check(len >= (long)size);
	check_utf8(text, (size_t)len);
	free(text);

	text = text_join_args(copy, size);
	check(text != NULL && strlen(text) <= size * 4 + 7);
	free(text);

	unit_name_is_valid((struct str){copy, size});
	free(copy);
	return 0;
}
