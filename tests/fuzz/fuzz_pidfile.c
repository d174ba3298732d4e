/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* PID files: whatever they hold, there is a PID or a reason why not. */
#include <stdlib.h>
#include <string.h>

#include "svctrace/pidfile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good)
{
	if (!good)
		abort();
}

static void parse(const char *text, size_t n, size_t line_max)
{
	struct pidfile_content c;

	check(pidfile_parse(text, n, line_max, &c) == 0);
	check(c.line_len <= n && c.line_len <= line_max && strlen(c.line) == c.line_len);
	check(!strpbrk(c.line, "\r\n"));
	check((c.error == 0) == (c.pid > 0));
	check(!c.whole || c.line_len < n);
	pidfile_content_done(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t line_max = size > 0 ? data[0] : 0;
	char *copy = malloc(size ? size : 1);

	check(copy != NULL);
	if (size > 0)
		memcpy(copy, data, size);
	parse(copy, size, 2048);
	parse(copy, size, line_max);
	free(copy);
	return 0;
}
