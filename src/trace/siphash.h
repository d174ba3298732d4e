/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SipHash-2-4: a keyed hash that nobody can turn around by trying words without the key. */
#ifndef SVCTRACE_TRACE_SIPHASH_H
#define SVCTRACE_TRACE_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t siphash(const unsigned char key[static 16], const void *p, size_t n);

#endif
