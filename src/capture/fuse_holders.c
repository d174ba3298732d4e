/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/types.h>

#include "bpf/iter/fuse_holders.h"
#include "fuse_holders.skel.h"
#include "svctrace/capture.h"
#include "svctrace/cleanup.h"

static int stay_silent(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level;
	(void)format;
	(void)args;
	return 0;
}

static void skelp(struct fuse_holders_bpf **skel)
{
	fuse_holders_bpf__destroy(*skel);
}

static void linkp(struct bpf_link **link)
{
	bpf_link__destroy(*link);
}

static int read_all(int fd, capture_fuse_holder on_holder, void *ctx)
{
	struct fuse_holder h[64];
	ssize_t n;

	while ((n = read(fd, h, sizeof(h))) > 0)
		for (size_t i = 0; i < (size_t)n / sizeof(h[0]); i++) {
			int r = on_holder(ctx, (pid_t)h[i].tgid, h[i].connection);

			if (r < 0)
				return r;
		}
	return n < 0 ? -errno : 0;
}

int capture_fuse_holders(capture_fuse_holder on_holder, void *ctx)
{
	libbpf_print_fn_t before = libbpf_set_print(stay_silent);
	_cleanup_(skelp) struct fuse_holders_bpf *skel = fuse_holders_bpf__open_and_load();
	_cleanup_(linkp) struct bpf_link *link = NULL;
	_cleanup_close_ int fd = -1;
	int r = skel ? 0 : -errno;

	if (r == 0) {
		link = bpf_program__attach_iter(skel->progs.fuse_holders, NULL);
		r = link ? 0 : -errno;
	}
	libbpf_set_print(before);
	if (r < 0)
		return r;
	fd = bpf_iter_create(bpf_link__fd(link));
	return fd < 0 ? -errno : read_all(fd, on_holder, ctx);
}
