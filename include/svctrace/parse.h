/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What people write: numbers with units. */
#ifndef SVCTRACE_PARSE_H
#define SVCTRACE_PARSE_H

#include <stddef.h>
#include <stdint.h>

/* "5s", "2min", "500ms", "90" (seconds): ns, or -EINVAL. */
int parse_duration(const char *s, uint64_t *ret);
/* "64K", "4M", "1048576": bytes, or -EINVAL. */
int parse_size(const char *s, size_t *ret);
/* A positive decimal number up to max, or -EINVAL. */
int parse_number(const char *s, uint64_t max, uint64_t *ret);

#endif
