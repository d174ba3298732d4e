/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SVCTRACE_ENGINE_WORD_H
#define SVCTRACE_ENGINE_WORD_H

#define WORD_MAX 64 /* systemd's words for states, results, job types */

/* dst is left empty if src is NULL or does not fit. */
void word_copy(char dst[static WORD_MAX], const char *src);

#endif
