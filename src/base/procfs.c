/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "svctrace/cleanup.h"
#include "svctrace/procfs.h"

#define FDINFO_MAX (1 << 20)

int procfs_read_head(int dir, const char *name, size_t max, char **ret, size_t *ret_len)
{
	_cleanup_close_ int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	_cleanup_free_ char *buf = NULL;
	size_t len = 0, room = 0;

	if (fd < 0)
		return -errno;
	for (;;) {
		ssize_t n;

		if (len == room) {
			size_t more = room ? room * 4 : 4096;
			char *grown;

			room = more < max ? more : max;
			grown = realloc(buf, room + 1);
			if (!grown)
				return -ENOMEM;
			buf = grown;
		}
		n = len < room ? read(fd, buf + len, room - len) : 0;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += n;
	}
	buf[len] = 0;
	*ret = take_ptr(buf);
	*ret_len = len;
	return 0;
}

int procfs_read_file(int dir, const char *name, size_t max, char **ret, size_t *ret_len)
{
	_cleanup_free_ char *buf = NULL;
	size_t len;
	int r = procfs_read_head(dir, name, max, &buf, &len);

	if (r < 0)
		return r;
	if (len == max)
		return -EFBIG;
	*ret = take_ptr(buf);
	*ret_len = len;
	return 0;
}

/* ---- open files ---- */

struct walk {
	procfs_file_fn fn;
	void *ctx;
};

static int walk_thread(const struct walk *w, struct procfs_file *f)
{
	_cleanup_closedir_ DIR *dir = NULL;
	char path[64], target[256];
	struct dirent *e;
	int r = 0;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/fd", f->tgid, f->tid);
	dir = opendir(path);
	if (!dir) {
		f->error = -errno;
		return f->error == -ENOENT || f->error == -ESRCH ? 0 : w->fn(w->ctx, f);
	}
	f->dir = dirfd(dir);
	f->target = target;
	while (r == 0 && (e = readdir(dir))) {
		ssize_t n = *e->d_name == '.'
				    ? -1
				    : readlinkat(f->dir, e->d_name, target, sizeof(target) - 1);

		if (n < 0)
			continue;
		target[n] = 0;
		f->fd = e->d_name;
		r = w->fn(w->ctx, f);
	}
	return r;
}

static bool shares_files(pid_t a, pid_t b)
{
	return syscall(SYS_kcmp, a, b, KCMP_FILES, 0, 0) == 0;
}

/* Threads mostly share their files; those of a dead leader have them without it. */
int procfs_open_files_of(pid_t tgid, procfs_file_fn fn, void *ctx)
{
	_cleanup_closedir_ DIR *dir = NULL;
	char path[32];
	struct dirent *e;
	pid_t last = 0;
	int r = 0;

	snprintf(path, sizeof(path), "/proc/%d/task", tgid);
	dir = opendir(path);
	while (r == 0 && dir && (e = readdir(dir))) {
		struct procfs_file f = {.tgid = tgid, .tid = (pid_t)atoi(e->d_name)};

		if (f.tid <= 0 || (last && shares_files(last, f.tid)))
			continue;
		last = f.tid;
		r = walk_thread(&(struct walk){fn, ctx}, &f);
	}
	return r;
}

int procfs_open_files(procfs_file_fn fn, void *ctx)
{
	_cleanup_closedir_ DIR *proc = opendir("/proc");
	struct dirent *e;
	int r = proc ? 0 : -errno;

	while (r == 0 && (e = readdir(proc))) {
		pid_t tgid = (pid_t)atoi(e->d_name);

		if (tgid > 0)
			r = procfs_open_files_of(tgid, fn, ctx);
	}
	return r;
}

dev_t procfs_device(const struct procfs_file *f, const char *name)
{
	const char *base = strrchr(f->target, '/');
	struct statx x;

	/* "/" alone: bound to a file of its own, which was unmounted since */
	if (*f->target != '/' ||
	    (strncmp(base + 1, name, strlen(name)) != 0 && strcmp(f->target, "/") != 0))
		return 0;
	if (statx(f->dir, f->fd, AT_STATX_DONT_SYNC, STATX_TYPE, &x) < 0 || !S_ISCHR(x.stx_mode))
		return 0;
	return makedev(x.stx_rdev_major, x.stx_rdev_minor);
}

int procfs_fdinfo(const struct procfs_file *f, char **ret, size_t *ret_len)
{
	char path[96];

	snprintf(path, sizeof(path), "/proc/%d/task/%d/fdinfo/%.20s", f->tgid, f->tid, f->fd);
	return procfs_read_file(AT_FDCWD, path, FDINFO_MAX, ret, ret_len);
}
