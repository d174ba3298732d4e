/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "svctrace/cleanup.h"
#include "svctrace/text.h"
#include "svctrace/wire.h"

#define ELLIPSIS     "…"
#define ELLIPSIS_LEN (sizeof(ELLIPSIS) - 1)
#define REPLACEMENT  "\xef\xbf\xbd" /* U+FFFD */

/* The kernel's numbers, which glibc's SIGRTMIN is counted from too: 32 and 33 are glibc's own. */
#define RT_FIRST     34
#define RT_LAST	     64

/*
 * Decodes one strictly valid UTF-8 sequence: no overlong forms, no surrogates. Returns its length,
 * 0 if the first byte starts none.
 */
static size_t utf8_decode(const unsigned char *s, size_t n, uint32_t *ret)
{
	static const uint32_t lowest[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t len = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	uint32_t c;

	if (len == 0 || s[0] > 0xf4 || len > n)
		return 0;
	c = len == 1 ? s[0] : s[0] & (0x7fu >> len);
	for (size_t i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (len > 1 && (c < lowest[len] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff)))
		return 0;
	*ret = c;
	return len;
}

/* Characters that change what a reader sees without being seen. */
static bool is_invisible(uint32_t c)
{
	static const struct {
		uint32_t first, last;
	} ranges[] = {
		{0x00ad, 0x00ad}, {0x061c, 0x061c},   {0x180e, 0x180e},	  {0x200b, 0x200f},
		{0x2028, 0x202e}, {0x2060, 0x206f},   {0xfe00, 0xfe0f},	  {0xfeff, 0xfeff},
		{0xfff9, 0xfffb}, {0xe0000, 0xe007f}, {0xe0100, 0xe01ef},
	};

	for (size_t i = 0; i < ARRAY_LEN(ranges); i++)
		if (c >= ranges[i].first && c <= ranges[i].last)
			return true;
	return false;
}

static bool is_plain(uint32_t c)
{
	if (c < 0x7f)
		return c >= 0x20 && c != '\\';
	return c > 0x9f && !is_invisible(c);
}

/* Writes one character, or one bad byte, ready to show; returns how much of s it took. */
static size_t escape_one(char out[static 20], const unsigned char *s, size_t n)
{
	uint32_t c = 0;
	size_t len = utf8_decode(s, n, &c), at = 0;

	if (len > 0 && is_plain(c)) {
		memcpy(out, s, len);
		out[len] = 0;
		return len;
	}
	len = len ? len : 1;
	for (size_t i = 0; i < len; i++)
		at += (size_t)snprintf(out + at, 5, "\\x%02x", s[i]);
	return len;
}

char *text_escape(char *dst, size_t dst_size, const char *s, size_t n)
{
	size_t at = 0, cut = 0;

	if (dst_size == 0)
		return dst;
	for (size_t i = 0; i < n;) {
		char one[20];
		size_t took = escape_one(one, (const unsigned char *)s + i, n - i);
		size_t len = strlen(one);

		if (at + len >= dst_size) {
			/* cut is the last place where the ellipsis still fits */
			if (cut + ELLIPSIS_LEN < dst_size) {
				memcpy(dst + cut, ELLIPSIS, ELLIPSIS_LEN);
				cut += ELLIPSIS_LEN;
			}
			at = cut;
			break;
		}
		memcpy(dst + at, one, len);
		at += len;
		i += took;
		if (at + ELLIPSIS_LEN < dst_size)
			cut = at;
	}
	dst[at] = 0;
	return dst;
}

long text_to_utf8(const char *s, size_t n, char **ret)
{
	char *out = malloc(n * (sizeof(REPLACEMENT) - 1) + 1);
	size_t at = 0;

	if (!out)
		return -ENOMEM;
	for (size_t i = 0; i < n;) {
		uint32_t c;
		size_t len = utf8_decode((const unsigned char *)s + i, n - i, &c);

		if (len > 0)
			memcpy(out + at, s + i, len);
		else
			memcpy(out + at, REPLACEMENT, sizeof(REPLACEMENT) - 1);
		at += len ? len : sizeof(REPLACEMENT) - 1;
		i += len ? len : 1;
	}
	out[at] = 0;
	*ret = out;
	return (long)at;
}

/* A shell leaves these bytes alone; what is not ASCII counts as such. */
static bool arg_is_simple(const char *s, size_t n)
{
	static const bool simple[256] = {
		[0x80 ... 0xff] = true, ['0' ... '9'] = true, ['A' ... 'Z'] = true,
		['a' ... 'z'] = true,	['_'] = true,	      ['@'] = true,
		['%'] = true,		['+'] = true,	      ['='] = true,
		[':'] = true,		[','] = true,	      ['.'] = true,
		['/'] = true,		['-'] = true,	      ['['] = true,
		[']'] = true,		['^'] = true,
	};
	size_t i = 0;

	while (i < n && simple[(unsigned char)s[i]])
		i++;
	return i == n && n > 0;
}

static char *quote_arg(char *out, const char *s, size_t n)
{
	if (arg_is_simple(s, n))
		return mempcpy(out, s, n);
	*out++ = '\'';
	for (size_t i = 0; i < n; i++) {
		if (s[i] == '\'')
			out = mempcpy(out, "'\\'", 3);
		*out++ = s[i];
	}
	*out++ = '\'';
	return out;
}

char *text_join_args(const char *s, size_t n)
{
	/* the worst argument is a lone quote: 1 byte + NUL become 6 and a blank */
	char *buf = malloc(n * 4 + 8), *out = buf;

	if (!buf)
		return NULL;
	if (n > 0 && s[n - 1] == 0)
		n--;
	else if (n == 0)
		s = "";
	for (size_t i = 0; n > 0 && i <= n;) {
		size_t len = strnlen(s + i, n - i);

		if (i > 0)
			*out++ = ' ';
		out = quote_arg(out, s + i, len);
		i += len + 1;
	}
	*out = 0;
	return buf;
}

/* systemd.exec(5), "process exit codes". */
const char *text_exit_code(int code)
{
	static const char *const names[] = {
		[200] = "CHDIR",
		[201] = "NICE",
		[202] = "FDS",
		[203] = "EXEC",
		[204] = "MEMORY",
		[205] = "LIMITS",
		[206] = "OOM_ADJUST",
		[207] = "SIGNAL_MASK",
		[208] = "STDIN",
		[209] = "STDOUT",
		[210] = "CHROOT",
		[211] = "IOPRIO",
		[212] = "TIMERSLACK",
		[213] = "SECUREBITS",
		[214] = "SETSCHEDULER",
		[215] = "CPUAFFINITY",
		[216] = "GROUP",
		[217] = "USER",
		[218] = "CAPABILITIES",
		[219] = "CGROUP",
		[220] = "SETSID",
		[221] = "CONFIRM",
		[222] = "STDERR",
		[224] = "PAM",
		[225] = "NETWORK",
		[226] = "NAMESPACE",
		[227] = "NO_NEW_PRIVILEGES",
		[228] = "SECCOMP",
		[229] = "SELINUX_CONTEXT",
		[230] = "PERSONALITY",
		[231] = "APPARMOR",
		[232] = "ADDRESS_FAMILIES",
		[233] = "RUNTIME_DIRECTORY",
		[235] = "CHOWN",
		[236] = "SMACK_PROCESS_LABEL",
		[237] = "KEYRING",
		[238] = "STATE_DIRECTORY",
		[239] = "CACHE_DIRECTORY",
		[240] = "LOGS_DIRECTORY",
		[241] = "CONFIGURATION_DIRECTORY",
		[242] = "NUMA_POLICY",
		[243] = "CREDENTIALS",
		[245] = "BPF",
	};

	return code >= 0 && code < (int)ARRAY_LEN(names) ? names[code] : NULL;
}

const char *text_signal(int sig, char buf[static 24])
{
	static const char *const names[] = {
		[1] = "SIGHUP",	  [2] = "SIGINT",     [3] = "SIGQUIT",	[4] = "SIGILL",
		[5] = "SIGTRAP",  [6] = "SIGABRT",    [7] = "SIGBUS",	[8] = "SIGFPE",
		[9] = "SIGKILL",  [10] = "SIGUSR1",   [11] = "SIGSEGV", [12] = "SIGUSR2",
		[13] = "SIGPIPE", [14] = "SIGALRM",   [15] = "SIGTERM", [16] = "SIGSTKFLT",
		[17] = "SIGCHLD", [18] = "SIGCONT",   [19] = "SIGSTOP", [20] = "SIGTSTP",
		[21] = "SIGTTIN", [22] = "SIGTTOU",   [23] = "SIGURG",	[24] = "SIGXCPU",
		[25] = "SIGXFSZ", [26] = "SIGVTALRM", [27] = "SIGPROF", [28] = "SIGWINCH",
		[29] = "SIGIO",	  [30] = "SIGPWR",    [31] = "SIGSYS",
	};

	if (sig > 0 && sig < (int)ARRAY_LEN(names))
		return names[sig];
	if (sig == RT_FIRST)
		return "SIGRTMIN";
	if (sig > RT_FIRST && sig <= RT_LAST)
		snprintf(buf, 24, "SIGRTMIN+%d", sig - RT_FIRST);
	else
		snprintf(buf, 24, "signal %d", sig);
	return buf;
}

const char *text_duration(uint64_t ns, char buf[static 32])
{
	uint64_t us = ns / 1000, ms = us / 1000, s = ms / 1000;

	if (ns == 0)
		snprintf(buf, 32, "0ms");
	else if (ms == 0)
		snprintf(buf, 32, "%" PRIu64 "us", us);
	else if (s == 0)
		snprintf(buf, 32, "%" PRIu64 "ms", ms);
	else if (s < 60)
		snprintf(buf, 32, "%" PRIu64 ".%" PRIu64 "s", s, ms % 1000 / 100);
	else if (s < 3600)
		snprintf(buf, 32, "%" PRIu64 "min %" PRIu64 "s", s / 60, s % 60);
	else if (s < 86400)
		snprintf(buf, 32, "%" PRIu64 "h %" PRIu64 "min", s / 3600, s % 3600 / 60);
	else
		snprintf(buf, 32, "%" PRIu64 "d %" PRIu64 "h", s / 86400, s % 86400 / 3600);
	return buf;
}

const char *text_usec(uint64_t usec, char buf[static 32])
{
	if (usec == WIRE_USEC_NONE)
		return strcpy(buf, "?");
	if (usec > UINT64_MAX / 1000)
		return strcpy(buf, "infinity");
	return text_duration(usec * 1000, buf);
}
