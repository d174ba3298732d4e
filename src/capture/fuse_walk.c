/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who holds which /dev/fuse, from /proc: where BPF cannot tell. Newer kernels say in fdinfo which
 * connection a file is of. No server is asked for anything: it may be the one that does not answer.
 */
#include <errno.h>
#include <sys/sysmacros.h>

#include "capture/hang_watch.h"
#include "svctrace/cleanup.h"
#include "svctrace/procfs.h"
#include "svctrace/stuck.h"

#define DEV_FUSE makedev(10, 229)

struct walk {
	capture_fuse_holder on_holder;
	void *ctx;
};

/* -ENOTSUP: it may be of any connection. */
static int take_file(void *ctx, const struct procfs_file *f)
{
	_cleanup_free_ char *text = NULL;
	const struct walk *w = ctx;
	uint64_t connection;
	size_t n;

	if (f->error || *f->target != '/')
		return f->error;
	if (procfs_fdinfo(f, &text, &n) == 0 &&
	    stuck_parse_fdinfo(text, n, "fuse_connection", &connection) == 0)
		return w->on_holder(w->ctx, f->tgid, (unsigned int)connection);
	return procfs_device(f, "fuse") == DEV_FUSE ? -ENOTSUP : 0;
}

int fuse_holders_walk(capture_fuse_holder on_holder, void *ctx)
{
	return procfs_open_files(take_file, &(struct walk){on_holder, ctx});
}
