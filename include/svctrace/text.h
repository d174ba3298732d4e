/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Text that came from elsewhere, made safe to show; and numbers made readable. */
#ifndef SVCTRACE_TEXT_H
#define SVCTRACE_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>

/*
 * For terminals: writes s with control bytes (C0, DEL, C1), backslashes and bytes that are not
 * UTF-8 as \xNN into dst, always NUL-terminated; what does not fit ends in "…". Bidirectional
 * override and zero-width format characters count as control characters. Returns dst.
 */
char *text_escape(char *dst, size_t dst_size, const char *s, size_t n);

/*
 * For JSON: a copy of s as valid UTF-8, every offending byte replaced by U+FFFD; NUL bytes are
 * kept (JSON writes them as \u0000). The caller frees *ret. Returns its length or -ENOMEM.
 */
long text_to_utf8(const char *s, size_t n, char **ret);

/*
 * A command line as one would type it: NUL-separated arguments joined by blanks, those that a
 * shell would split quoted. The caller frees. NULL when out of memory.
 */
char *text_join_args(const char *s, size_t n);

/* "SIGKILL", "SIGRTMIN+3"; "signal 99" for a number out of range. Static or buf. */
const char *text_signal(int sig, char buf[static 24]);

/*
 * What systemd's own processes mean by their exit codes, when they cannot execute a command: "EXEC"
 * for 203. NULL for all others.
 */
const char *text_exit_code(int code);

/* "412ms", "3.2s", "5min 3s": a duration for people. Returns buf. */
const char *text_duration(uint64_t ns, char buf[static 32]);

/* A time of systemd, us: likewise, or "infinity", or "?" for WIRE_USEC_NONE. Returns buf. */
const char *text_usec(uint64_t usec, char buf[static 32]);

#endif
