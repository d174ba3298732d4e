/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What systemd reads from the file: its idea of a line, and of a number. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "svctrace/cleanup.h"
#include "svctrace/pidfile.h"

static bool ends_line(char c)
{
	return c == '\n' || c == '\r' || c == 0;
}

/* "0b" and "0o" as in Python; strtoull() knows "0x", and takes a plain leading 0 for octal. */
static const char *number_base(const char *s, int *base)
{
	if (s[0] != '0')
		return s;
	*base = strchr("bB", s[1]) && s[1] ? 2 : strchr("oO", s[1]) && s[1] ? 8 : 0;
	return *base ? s + 2 : s;
}

/* 0, -EINVAL, or -ERANGE, in systemd's own order of tests: the log line shows which. */
static int parse_pid(const char *s, pid_t *ret)
{
	unsigned long long n;
	int base = 0;
	char *end;

	s += strspn(s, " \t\n\r");
	s = number_base(s, &base);
	errno = 0;
	n = strtoull(s, &end, base);
	if (errno != 0)
		return -errno;
	if (end == s || *end)
		return -EINVAL;
	if ((n != 0 && *s == '-') || n == 0 || n > INT_MAX)
		return -ERANGE;
	*ret = (pid_t)n;
	return 0;
}

int pidfile_parse(const char *text, size_t n, size_t line_max, struct pidfile_content *ret)
{
	size_t len = 0;

	*ret = (struct pidfile_content){};
	while (len < n && len < line_max && !ends_line(text[len]))
		len++;
	ret->line = strndup(text, len);
	if (!ret->line)
		return -ENOMEM;
	ret->line_len = len;
	ret->whole = len < n && ends_line(text[len]);
	/* systemd looks at the limit before it looks at what ends the line */
	ret->error = len >= line_max ? -ENOBUFS : parse_pid(ret->line, &ret->pid);
	return 0;
}

void pidfile_content_done(struct pidfile_content *c)
{
	free(take_ptr(c->line));
}
