/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Instead of src/capture when it is not built (make BPF=0): everything but tracing works. */
#include <errno.h>
#include <stdio.h>

#include "svctrace/capture.h"

int capture_new(const struct capture_options *o, struct capture **ret, struct capture_error *err)
{
	(void)o;
	(void)ret;
	snprintf(err->what, sizeof(err->what), "this svctrace was built without live capture");
	snprintf(err->next, sizeof(err->next),
		 "build it with make (not BPF=0), or replay what another one recorded");
	return -ENOTSUP;
}

void capture_freep(struct capture **c)
{
	(void)c;
}

int capture_run(struct capture *c, wire_sink sink, void *ctx)
{
	(void)c;
	(void)sink;
	(void)ctx;
	return -ENOTSUP;
}

void capture_stop(struct capture *c)
{
	(void)c;
}

int capture_watch(struct capture *c, int fd, int (*on_ready)(void *ctx, int fd), void *ctx)
{
	(void)c;
	(void)fd;
	(void)on_ready;
	(void)ctx;
	return -ENOTSUP;
}

int capture_probe(const struct capture *c, unsigned int i, struct capture_probe *ret)
{
	(void)c;
	(void)i;
	(void)ret;
	return -ENOENT;
}

int capture_manager(const struct capture *c, unsigned int i, struct capture_manager *ret)
{
	(void)c;
	(void)i;
	(void)ret;
	return -ENOENT;
}

void capture_times(const struct capture *c, struct capture_times *ret)
{
	(void)c;
	*ret = (struct capture_times){};
}

int capture_capability(unsigned int i, struct capture_capability *ret)
{
	(void)i;
	(void)ret;
	return -ENOENT;
}

int capture_drop_privileges(void)
{
	return 0;
}

int capture_watchdogs(capture_watchdog_fn fn, void *ctx)
{
	(void)fn;
	(void)ctx;
	return 0;
}

int capture_fuse_holders(capture_fuse_holder on_holder, void *ctx)
{
	(void)on_holder;
	(void)ctx;
	return -ENOTSUP;
}
