/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Asking the running systemd, by its own program: for the verbs that show its units. */
#ifndef SVCTRACE_SYSTEMCTL_H
#define SVCTRACE_SYSTEMCTL_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Runs systemctl with these arguments (NULL-terminated, "systemctl" the first), for at most
 * timeout_ms, since systemd itself may be what is stuck. What it prints, of at most max bytes, the
 * caller frees. -ENOENT: there is no systemctl; -EIO: it failed (and has said why on stderr unless
 * quiet); -ETIMEDOUT; -EFBIG: it said more than that.
 */
int systemctl_read(const char *const *arguments, bool quiet, unsigned int timeout_ms, size_t max,
		   char **ret);

#endif
