/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The verbs, and what they share. */
#ifndef SVCTRACE_CMD_H
#define SVCTRACE_CMD_H

#include <stddef.h>
#include <stdint.h>

/* Exit codes of every verb; man page svctrace(8), EXIT STATUS. */
enum {
	EXIT_OK = 0,
	EXIT_FAILED = 1, /* it could not be done, or not all of it */
	EXIT_USAGE = 2,	 /* the command line makes no sense, or the input cannot be read */
	EXIT_SHORT = 3,	 /* live: it ended before --count verdicts were there */
};

int cmd_live(int argc, char **argv);
int cmd_resolve(int argc, char **argv);

/* "svctrace: …" on stderr, one line. */
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* "5s", "2min", "500ms", "90" (seconds): ns, or -EINVAL. */
int parse_duration(const char *s, uint64_t *ret);
/* "64K", "4M", "1048576": bytes, or -EINVAL. */
int parse_size(const char *s, size_t *ret);
/* A positive decimal number up to max, or -EINVAL. */
int parse_number(const char *s, uint64_t max, uint64_t *ret);

#endif
