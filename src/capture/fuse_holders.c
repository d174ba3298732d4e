/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/types.h>

#include "bpf/iter/fuse_holders.h"
#include "capture/hang_watch.h"
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

struct fuse_holders {
	struct fuse_holders_bpf *skel;
	struct bpf_link *link;
};

void fuse_holders_freep(struct fuse_holders **f)
{
	if (!*f)
		return;
	bpf_link__destroy((*f)->link);
	fuse_holders_bpf__destroy((*f)->skel);
	free(*f);
	*f = NULL;
}

int fuse_holders_open(const char *btf, struct fuse_holders **ret)
{
	LIBBPF_OPTS(bpf_object_open_opts, o, .btf_custom_path = btf);
	_cleanup_(fuse_holders_freep) struct fuse_holders *f = calloc(1, sizeof(*f));

	if (!f)
		return -ENOMEM;
	f->skel = fuse_holders_bpf__open_opts(&o);
	if (!f->skel)
		return -errno;
	*ret = take_ptr(f);
	return 0;
}

const struct bpf_object *fuse_holders_object(const struct fuse_holders *f)
{
	return f->skel->obj;
}

static int load(struct fuse_holders *f)
{
	if (f->link)
		return 0;
	if (fuse_holders_bpf__load(f->skel) < 0)
		return -errno;
	f->link = bpf_program__attach_iter(f->skel->progs.fuse_holders, NULL);
	return f->link ? 0 : -errno;
}

int fuse_holders_load(struct fuse_holders **f)
{
	libbpf_print_fn_t before = libbpf_set_print(stay_silent);
	int r = load(*f);

	libbpf_set_print(before);
	if (r < 0)
		fuse_holders_freep(f);
	return r;
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

int fuse_holders_read(const struct fuse_holders *f, capture_fuse_holder on_holder, void *ctx)
{
	_cleanup_close_ int fd = bpf_iter_create(bpf_link__fd(f->link));

	return fd < 0 ? -errno : read_all(fd, on_holder, ctx);
}

int capture_fuse_holders(capture_fuse_holder on_holder, void *ctx)
{
	_cleanup_(fuse_holders_freep) struct fuse_holders *f = NULL;
	int r = fuse_holders_open(NULL, &f);

	if (r == 0)
		r = fuse_holders_load(&f);
	return r < 0 ? r : fuse_holders_read(f, on_holder, ctx);
}
