/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who holds which /dev/fuse, from /proc: where BPF cannot tell. Newer kernels say in fdinfo which
 * connection a file is of. No server is asked for anything: it may be the one that does not answer.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "capture/hang_watch.h"
#include "svctrace/cleanup.h"
#include "svctrace/stuck.h"

#define DEV_FUSE makedev(10, 229)

struct walk {
	capture_fuse_holder on_holder;
	void *ctx;
	pid_t tgid, tid;
};

static bool is_called_fuse(int dir, const char *fd, const char *target)
{
	const char *base = strrchr(target, '/');
	struct statx x;

	/* "/" alone: bound to a file of its own, which was unmounted since */
	if (strncmp(base, "/fuse", 5) != 0 && strcmp(target, "/") != 0)
		return false;
	return statx(dir, fd, AT_STATX_DONT_SYNC, STATX_TYPE, &x) == 0 && S_ISCHR(x.stx_mode) &&
	       makedev(x.stx_rdev_major, x.stx_rdev_minor) == DEV_FUSE;
}

/* -ENOTSUP: it may be of any connection. */
static int walk_fd(const struct walk *w, int dir, const char *fd)
{
	char target[256], path[96], text[4096];
	ssize_t n = readlinkat(dir, fd, target, sizeof(target) - 1);
	_cleanup_close_ int info = -1;
	uint64_t connection;

	if (n < 0 || *target != '/')
		return 0;
	target[n] = 0;
	snprintf(path, sizeof(path), "/proc/%d/task/%d/fdinfo/%.20s", w->tgid, w->tid, fd);
	info = open(path, O_RDONLY | O_CLOEXEC);
	n = info < 0 ? 0 : read(info, text, sizeof(text));
	if (n > 0 && stuck_parse_fdinfo(text, (size_t)n, "fuse_connection", &connection) == 0)
		return w->on_holder(w->ctx, w->tgid, (unsigned int)connection);
	return is_called_fuse(dir, fd, target) ? -ENOTSUP : 0;
}

/* 0 too if it is gone. */
static int walk_files(const struct walk *w)
{
	_cleanup_closedir_ DIR *dir = NULL;
	char path[64];
	struct dirent *e;
	int r = 0;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/fd", w->tgid, w->tid);
	dir = opendir(path);
	if (!dir)
		return errno == ENOENT || errno == ESRCH ? 0 : -errno;
	while (r == 0 && (e = readdir(dir)))
		if (*e->d_name != '.')
			r = walk_fd(w, dirfd(dir), e->d_name);
	return r;
}

/* Threads mostly share their files; those of a dead leader have them without it. */
static int walk_process(struct walk *w)
{
	_cleanup_closedir_ DIR *dir = NULL;
	char path[32];
	struct dirent *e;
	pid_t last = 0;
	int r = 0;

	snprintf(path, sizeof(path), "/proc/%d/task", w->tgid);
	dir = opendir(path);
	while (r == 0 && dir && (e = readdir(dir))) {
		w->tid = (pid_t)atoi(e->d_name);
		if (w->tid <= 0 || (last && syscall(SYS_kcmp, last, w->tid, KCMP_FILES, 0, 0) == 0))
			continue;
		last = w->tid;
		r = walk_files(w);
	}
	return r;
}

int fuse_holders_walk(capture_fuse_holder on_holder, void *ctx)
{
	_cleanup_closedir_ DIR *proc = opendir("/proc");
	struct walk w = {.on_holder = on_holder, .ctx = ctx};
	struct dirent *e;
	int r = proc ? 0 : -errno;

	while (r == 0 && (e = readdir(proc))) {
		w.tgid = (pid_t)atoi(e->d_name);
		if (w.tgid > 0)
			r = walk_process(&w);
	}
	return r;
}
