/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The process that the file names. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <linux/magic.h>

#include "pidfile/internal.h"
#include "svctrace/cleanup.h"

#define PROC_FILE_MAX 16384

/* Reads proc/PID/NAME into buf, cut if need be, NUL-terminated. */
static int read_proc(int root_fd, pid_t pid, const char *name, char buf[static PROC_FILE_MAX])
{
	_cleanup_close_ int fd = -1;
	struct statfs fs;
	size_t len = 0;
	ssize_t n = 1;
	char path[64];

	snprintf(path, sizeof(path), "proc/%d/%s", pid, name);
	fd = pidfile_open_below(root_fd, path, O_RDONLY | O_NONBLOCK);
	if (fd < 0)
		return fd;
	/* a container may have put anything there */
	if (fstatfs(fd, &fs) < 0 || fs.f_type != PROC_SUPER_MAGIC)
		return -ENOENT;
	while (n > 0 && len < PROC_FILE_MAX - 1) {
		n = read(fd, buf + len, PROC_FILE_MAX - 1 - len);
		if (n < 0)
			return -errno;
		len += n;
	}
	buf[len] = 0;
	return 0;
}

/* The name stands in parentheses and may hold anything, parentheses too. */
static int parse_stat(const char *s, struct pidfile_process *p)
{
	const char *open = strchr(s, '('), *close = strrchr(s, ')');
	size_t n;

	if (!open || !close || close < open || close[1] != ' ')
		return -EBADMSG;
	n = close - open - 1;
	memcpy(p->comm, open + 1, n < sizeof(p->comm) ? n : sizeof(p->comm) - 1);
	p->state = close[2] == 'Z' ? PIDFILE_PROCESS_ZOMBIE : PIDFILE_PROCESS_ALIVE;
	return 0;
}

/* On a machine with both kinds, systemd goes by its named hierarchy. */
static bool is_unified(int root_fd)
{
	_cleanup_close_ int fd = pidfile_open_below(root_fd, "sys/fs/cgroup", O_PATH);
	struct statfs fs;

	return fd >= 0 && fstatfs(fd, &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC;
}

/* The path in systemd's own hierarchy. */
static char *parse_cgroup(const char *s, bool unified)
{
	const char *path = unified ? NULL : strstr(s, ":name=systemd:");

	path = path ? path + strlen(":name=systemd:") : strncmp(s, "0::", 3) == 0 ? s + 3 : NULL;
	if (!path && (path = strstr(s, "\n0::")))
		path += strlen("\n0::");
	return path ? strndup(path, strcspn(path, "\n")) : NULL;
}

/* Below what its manager calls "/": PID 1 sits in /init.scope there. */
static char *below_manager(int root_fd, bool unified, const char *cgroup)
{
	_cleanup_free_ char *base = NULL;
	char buf[PROC_FILE_MAX];
	char *end;
	size_t n;

	if (read_proc(root_fd, 1, "cgroup", buf) < 0 || !(base = parse_cgroup(buf, unified)))
		return strdup(cgroup);
	end = strrchr(base, '/');
	if (end && strcmp(end, "/init.scope") == 0)
		*end = 0;
	n = strlen(base);
	return strdup(strncmp(cgroup, base, n) == 0 && cgroup[n] == '/' ? cgroup + n : cgroup);
}

static bool is_thread(const char *status, pid_t pid)
{
	const char *line = strstr(status, "\nTgid:");

	return line && atoi(line + strlen("\nTgid:")) != pid;
}

int pidfile_process_read(int root_fd, pid_t pid, struct pidfile_process *ret)
{
	bool unified = is_unified(root_fd);
	_cleanup_free_ char *cgroup = NULL;
	char buf[PROC_FILE_MAX];

	*ret = (struct pidfile_process){.pid = pid};
	if (read_proc(root_fd, 1, "stat", buf) < 0)
		return 0;
	ret->state = PIDFILE_PROCESS_GONE;
	if (read_proc(root_fd, pid, "stat", buf) < 0 || parse_stat(buf, ret) < 0)
		return 0;
	if (ret->state == PIDFILE_PROCESS_ALIVE && read_proc(root_fd, pid, "status", buf) == 0 &&
	    is_thread(buf, pid))
		ret->state = PIDFILE_PROCESS_THREAD;
	if (read_proc(root_fd, pid, "cgroup", buf) < 0)
		return 0;
	cgroup = parse_cgroup(buf, unified);
	ret->cgroup = cgroup ? below_manager(root_fd, unified, cgroup) : NULL;
	return cgroup && !ret->cgroup ? -ENOMEM : 0;
}

void pidfile_process_done(struct pidfile_process *p)
{
	free(take_ptr(p->cgroup));
}

bool pidfile_process_is_of(const struct pidfile_process *p, const struct pidfile_service *s)
{
	size_t n;

	if (!p->cgroup || (!s->cgroup && !s->unit))
		return false;
	if (s->cgroup) {
		n = strlen(s->cgroup);
		return strncmp(p->cgroup, s->cgroup, n) == 0 && strchr("/", p->cgroup[n]);
	}
	n = strlen(s->unit);
	for (const char *c = strchr(p->cgroup, '/'); c; c = strchr(c + 1, '/'))
		if (strncmp(c + 1, s->unit, n) == 0 && strchr("/", c[1 + n]))
			return true;
	return false;
}

pid_t pidfile_process_longer(int root_fd, pid_t pid, const struct pidfile_service *s)
{
	int fd = pidfile_open_below(root_fd, "proc", O_RDONLY | O_DIRECTORY);
	_cleanup_closedir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);
	pid_t found = 0;
	char prefix[16];
	struct dirent *e;
	size_t n;

	if (!d && fd >= 0)
		close(fd);
	n = (size_t)snprintf(prefix, sizeof(prefix), "%d", pid);
	while (d && found == 0 && (e = readdir(d))) {
		struct pidfile_process p = {};

		if (strncmp(e->d_name, prefix, n) == 0 && e->d_name[n] &&
		    pidfile_process_read(root_fd, atoi(e->d_name), &p) == 0 &&
		    pidfile_process_is_of(&p, s))
			found = p.pid;
		pidfile_process_done(&p);
	}
	return found;
}
