/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* svctrace stuck: FUSE's connections, who may answer on them, and how one is ended. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "read.h"
#include "svctrace/capture.h"
#include "svctrace/cleanup.h"
#include "svctrace/procfs.h"

#define CONNECTIONS    "/sys/fs/fuse/connections"
#define FUSE_CTL_MAGIC 0x65735543
#define SMALL_FILE     4096
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
	r = procfs_read_file(dir, path, SMALL_FILE, &text, &n);
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

/* May there be a /dev/fuse in it that no process has open: in a socket's queue, or a ring? */
static bool may_hide_fuse(const struct procfs_file *f)
{
	_cleanup_free_ char *text = NULL;
	bool socket = strncmp(f->target, "socket:", 7) == 0;
	uint64_t in_flight = 0;
	size_t n;

	if (!socket && strcmp(f->target, "anon_inode:[io_uring]") != 0)
		return false;
	if (procfs_fdinfo(f, &text, &n) < 0)
		return false;
	if (!socket)
		return strstr(text, "/fuse") != NULL; /* the ring's own list of files */
	return stuck_parse_fdinfo(text, n, "scm_fds", &in_flight) == 0 && in_flight > 0;
}

/* Not every kernel tells of which connection it is. */
static int read_holder(void *ctx, const struct procfs_file *f)
{
	_cleanup_free_ char *text = NULL;
	struct stuck_snapshot *s = ctx;
	struct stuck_holder h = {.tgid = f->tgid};
	uint64_t connection = 0;
	size_t len;

	if (f->error) {
		s->no_holders = true;
		return 0;
	}
	if (*f->target != '/') {
		s->fds_in_flight |= may_hide_fuse(f);
		return 0;
	}
	h.known = procfs_fdinfo(f, &text, &len) == 0 &&
		  stuck_parse_fdinfo(text, len, "fuse_connection", &connection) == 0;
	h.connection = (unsigned int)connection;
	if (!h.known && procfs_device(f, "fuse") != DEV_FUSE)
		return 0;
	return stuck_add_holder(s, &h);
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
		r = procfs_open_files(read_holder, s);
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
