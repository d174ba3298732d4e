/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* /proc/PID/stat. Apart from what opens files, for the pure rooms parse it too. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "svctrace/cleanup.h"
#include "svctrace/procfs.h"

/* The name stands in parentheses and may hold anything, parentheses too. */
int procfs_parse_stat(const char *text, size_t n, struct procfs_stat *ret)
{
	_cleanup_free_ char *s = strndup(text, n);
	char *open, *close;
	size_t len;

	if (!s)
		return -ENOMEM;
	open = strchr(s, '(');
	close = strrchr(s, ')');
	if (!open || !close || close < open || sscanf(s, "%d", &ret->pid) != 1)
		return -EBADMSG;
	if (sscanf(close + 1,
		   " %c %d %*d %*d %" SCNu32 " %*d %" SCNu32 " %*u %*u %*u %*u %*u %*u %*d %*d "
		   "%*d %*d %*d %*d %" SCNu64,
		   &ret->state, &ret->ppid, &ret->tty, &ret->flags, &ret->start) != 5)
		return -EBADMSG;
	len = close - open - 1;
	if (len >= sizeof(ret->comm))
		len = sizeof(ret->comm) - 1;
	memcpy(ret->comm, open + 1, len);
	ret->comm[len] = 0;
	return 0;
}
