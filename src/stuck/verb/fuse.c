/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* svctrace stuck: FUSE's connections, who may answer on them, and how one is ended. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <linux/mount.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "read.h"
#include "svctrace/capture.h"
#include "svctrace/cleanup.h"

#define CONNECTIONS    "/sys/fs/fuse/connections"
#define FUSE_CTL_MAGIC 0x65735543
#define SMALL_FILE     4096
#define FDINFO_FILE    (1 << 20)
#define DEV_FUSE       makedev(10, 229)

/* FUSE's control files, mounted nowhere: where the system does not mount them itself. */
static int mount_private(void)
{
	_cleanup_close_ int fs = (int)syscall(SYS_fsopen, "fusectl", FSOPEN_CLOEXEC);
	int fd;

	if (fs < 0)
		return -errno;
	if (syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	fd = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, 0);
	return fd < 0 ? -errno : fd;
}

static int open_connections(void)
{
	_cleanup_close_ int fd = open(CONNECTIONS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct statfs fs;
	int mine;

	if (fd >= 0 && fstatfs(fd, &fs) == 0 && fs.f_type == FUSE_CTL_MAGIC)
		return take_fd(&fd);
	mine = mount_private();
	if (mine < 0)
		return mine;
	/* what fsmount() returns is a path only: to be read it is opened */
	fd = openat(mine, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	close(mine);
	return fd < 0 ? -errno : take_fd(&fd);
}

static int read_connection(struct stuck_snapshot *s, int dir, const char *name)
{
	_cleanup_free_ char *text = NULL;
	unsigned int number, waiting;
	char path[64];
	size_t n;
	int r;

	snprintf(path, sizeof(path), "%.20s/waiting", name);
	r = stuck_read_file(dir, path, SMALL_FILE, &text, &n);
	if (r == -EACCES)
		s->no_connections = true;
	if (r < 0 || sscanf(name, "%u", &number) != 1 || sscanf(text, "%u", &waiting) != 1)
		return r == -ENOMEM ? r : 0;
	return stuck_add_connection(s, number, waiting);
}

static int read_connections(struct stuck_snapshot *s)
{
	int fd = open_connections(), r = 0;
	_cleanup_closedir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		s->no_connections = true;
		return 0;
	}
	while (r == 0 && (e = readdir(dir)))
		if (e->d_name[0] >= '0' && e->d_name[0] <= '9')
			r = read_connection(s, dirfd(dir), e->d_name);
	return r;
}

/* ---- who has /dev/fuse open ---- */

struct thread {
	pid_t tgid, tid;
};

static int read_fdinfo(const struct thread *t, const char *fd, char **ret, size_t *ret_len)
{
	char path[96];

	snprintf(path, sizeof(path), "/proc/%d/task/%d/fdinfo/%.20s", t->tgid, t->tid, fd);
	return stuck_read_file(AT_FDCWD, path, FDINFO_FILE, ret, ret_len);
}

/* May there be a /dev/fuse in it that no process has open: in a socket's queue, or a ring? */
static bool may_hide_fuse(const struct thread *t, const char *fd, const char *target)
{
	_cleanup_free_ char *text = NULL;
	bool socket = strncmp(target, "socket:", 7) == 0;
	uint64_t in_flight = 0;
	size_t n;

	if (!socket && strcmp(target, "anon_inode:[io_uring]") != 0)
		return false;
	if (read_fdinfo(t, fd, &text, &n) < 0)
		return false;
	if (!socket)
		return strstr(text, "/fuse") != NULL; /* the ring's own list of files */
	return stuck_parse_fdinfo(text, n, "scm_fds", &in_flight) == 0 && in_flight > 0;
}

/*
 * For kernels that do not tell by themselves. Only what is called so is looked at, and so that no
 * server is asked: most open files may be of the very file system that does not answer.
 */
static bool is_called_fuse(int dir, const char *fd, const char *target)
{
	const char *base = strrchr(target, '/');
	struct statx x;

	/* "/" alone: bound to a file of its own, which was unmounted since */
	if (!base || (strncmp(base, "/fuse", 5) != 0 && strcmp(target, "/") != 0))
		return false;
	return statx(dir, fd, AT_STATX_DONT_SYNC, STATX_TYPE, &x) == 0 && S_ISCHR(x.stx_mode) &&
	       makedev(x.stx_rdev_major, x.stx_rdev_minor) == DEV_FUSE;
}

static int read_fd(struct stuck_snapshot *s, const struct thread *t, int dir, const char *fd)
{
	_cleanup_free_ char *text = NULL;
	struct stuck_holder h = {.tgid = t->tgid};
	char target[256];
	ssize_t n = readlinkat(dir, fd, target, sizeof(target) - 1);
	uint64_t connection = 0;
	size_t len;

	if (n < 0)
		return 0;
	target[n] = 0;
	if (*target != '/') {
		s->fds_in_flight |= may_hide_fuse(t, fd, target);
		return 0;
	}
	h.known = read_fdinfo(t, fd, &text, &len) == 0 &&
		  stuck_parse_fdinfo(text, len, "fuse_connection", &connection) == 0;
	h.connection = (unsigned int)connection;
	if (!h.known && !is_called_fuse(dir, fd, target))
		return 0;
	return stuck_add_holder(s, &h);
}

static int read_files(struct stuck_snapshot *s, const struct thread *t)
{
	_cleanup_closedir_ DIR *dir = NULL;
	char path[64];
	struct dirent *e;
	int r = 0;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/fd", t->tgid, t->tid);
	dir = opendir(path);
	if (!dir)
		s->no_holders |= errno != ENOENT && errno != ESRCH;
	while (r == 0 && dir && (e = readdir(dir)))
		if (*e->d_name != '.')
			r = read_fd(s, t, dirfd(dir), e->d_name);
	return r;
}

static bool shares_files(pid_t a, pid_t b)
{
	return syscall(SYS_kcmp, a, b, KCMP_FILES, 0, 0) == 0;
}

/* Threads mostly share their files; those of a dead leader have them without it. */
static int read_process(struct stuck_snapshot *s, pid_t tgid)
{
	_cleanup_closedir_ DIR *dir = NULL;
	char path[32];
	struct dirent *e;
	pid_t last = 0;
	int r = 0;

	snprintf(path, sizeof(path), "/proc/%d/task", tgid);
	dir = opendir(path);
	while (r == 0 && dir && (e = readdir(dir))) {
		struct thread t = {.tgid = tgid, .tid = (pid_t)atoi(e->d_name)};

		if (t.tid <= 0 || (last && shares_files(last, t.tid)))
			continue;
		last = t.tid;
		r = read_files(s, &t);
	}
	return r;
}

static int read_holders(struct stuck_snapshot *s)
{
	_cleanup_closedir_ DIR *proc = opendir("/proc");
	struct dirent *e;
	int r = proc ? 0 : -errno;

	while (r == 0 && (e = readdir(proc))) {
		pid_t tgid = (pid_t)atoi(e->d_name);

		if (tgid > 0)
			r = read_process(s, tgid);
	}
	return r;
}

static int add_known(void *ctx, pid_t tgid, unsigned int connection)
{
	struct stuck_holder h = {.tgid = tgid, .known = true, .connection = connection};

	return stuck_add_holder(ctx, &h);
}

/* Where fdinfo does not tell, BPF may: of every open file, whatever it is called. */
static int name_connections(struct stuck_snapshot *s)
{
	size_t n = s->n_holders, kept = 0;
	int r = capture_fuse_holders(add_known, s);

	if (r < 0) {
		s->n_holders = n;
		return r == -ENOMEM ? r : 0;
	}
	for (size_t i = 0; i < s->n_holders; i++)
		if (s->holders[i].known)
			s->holders[kept++] = s->holders[i];
	s->n_holders = kept;
	return 0;
}

/*
 * Twice: a file that is handed over while one looks may be missed in both places, but not again;
 * and whoever had it before counts too.
 */
int stuck_read_fuse(struct stuck_snapshot *s)
{
	int r = read_connections(s);

	s->no_holders = s->partial; /* those who are not seen may answer */
	for (int i = 0; r == 0 && i < 2; i++) {
		r = read_holders(s);
		if (r == 0)
			r = name_connections(s);
	}
	return r;
}

int stuck_abort_fuse(unsigned int connection)
{
	_cleanup_close_ int dir = open_connections(), fd = -1;
	char path[32];

	if (dir < 0)
		return dir;
	snprintf(path, sizeof(path), "%u/abort", connection);
	fd = openat(dir, path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return write(fd, "1", 1) == 1 ? 0 : -errno;
}
