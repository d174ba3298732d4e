/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capture/proc.h"
#include "svctrace/cleanup.h"
#include "svctrace/procfs.h"

#define FILE_MAX 16384 /* of a /proc file that is read whole; longer ones are cut */

static uint64_t tick_ns(void)
{
	return UINT64_C(1000000000) / sysconf(_SC_CLK_TCK);
}

int proc_same_start(uint64_t kernel_ns, uint64_t proc_ns)
{
	return kernel_ns / tick_ns() == proc_ns / tick_ns();
}

static int read_at(int dir, const char *name, char **ret, size_t *ret_len)
{
	size_t len;

	return procfs_read_head(dir, name, FILE_MAX, ret, ret_len ? ret_len : &len);
}

static int read_link_at(int dir, const char *name, char **ret)
{
	char buf[PATH_MAX];
	ssize_t n = readlinkat(dir, name, buf, sizeof(buf) - 1);

	if (n < 0)
		return -errno;
	buf[n] = 0;
	*ret = strdup(buf);
	return *ret ? 0 : -ENOMEM;
}

/* The controlling terminal's name, as ps shows it. */
static void tty_name(unsigned int dev, char ret[static WIRE_TTY_LEN])
{
	unsigned int major = (dev >> 8) & 0xfff, minor = (dev & 0xff) | ((dev >> 12) & 0xfff00);

	ret[0] = 0;
	if (major >= 136 && major <= 143)
		snprintf(ret, WIRE_TTY_LEN, "pts/%u", (major - 136) * 256 + minor);
	else if (major == 4)
		snprintf(ret, WIRE_TTY_LEN, minor < 64 ? "tty%u" : "ttyS%u",
			 minor < 64 ? minor : minor - 64);
}

static int read_stat(int dir, struct procfs_stat *ret)
{
	_cleanup_free_ char *s = NULL;
	size_t n;
	int r = read_at(dir, "stat", &s, &n);

	return r < 0 ? r : procfs_parse_stat(s, n, ret);
}

static int fill_stat(int dir, struct proc *p)
{
	struct procfs_stat stat = {};
	int r = read_stat(dir, &stat);

	if (r < 0)
		return r;
	memcpy(p->task.comm, stat.comm, WIRE_COMM_LEN - 1);
	p->task.ppid = stat.ppid;
	p->task.start_ns = stat.start * tick_ns();
	tty_name(stat.tty, p->tty);
	return 0;
}

/* Of one thread; 0: it is gone. */
static char read_state(int tasks, const char *tid)
{
	_cleanup_close_ int dir = openat(tasks, tid, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct procfs_stat stat = {};

	return dir < 0 || read_stat(dir, &stat) < 0 ? 0 : stat.state;
}

bool proc_is_stopped(pid_t pid)
{
	_cleanup_closedir_ DIR *tasks = NULL;
	const struct dirent *entry;
	unsigned int stopped = 0;
	bool others = false;
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	tasks = opendir(path);
	while (tasks && !others && (entry = readdir(tasks))) {
		char state = *entry->d_name == '.' ? 0 : read_state(dirfd(tasks), entry->d_name);

		stopped += state == 'T';
		others = state && state != 'T' && state != 'Z' && state != 'X';
	}
	return stopped > 0 && !others;
}

static int read_status(int dir, struct proc *p)
{
	_cleanup_free_ char *s = NULL;
	char *line, *save = NULL;
	int r = read_at(dir, "status", &s, NULL);

	if (r < 0)
		return r;
	/* of some fifty lines these two, in this order */
	for (line = strtok_r(s, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *last;

		if (strncmp(line, "Uid:", 4) == 0)
			p->task.uid = strtoul(line + 4, NULL, 10);
		if (strncmp(line, "NSpid:", 6) != 0)
			continue;
		last = strrchr(line, '\t');
		p->task.ns_tgid = last ? atoi(last) : 0;
		break;
	}
	return 0;
}

static uint32_t read_u32(int dir, const char *name)
{
	_cleanup_free_ char *s = NULL;

	if (read_at(dir, name, &s, NULL) < 0)
		return -1;
	return strtoul(s, NULL, 10);
}

static int read_cgroup(int dir, int hierarchy, struct proc *p)
{
	_cleanup_free_ char *s = NULL;
	char *line, *save = NULL;
	int r = read_at(dir, "cgroup", &s, NULL);

	if (r < 0)
		return r;
	for (line = strtok_r(s, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *path = strchr(line, ':');

		path = path ? strchr(path + 1, ':') : NULL;
		if (path && atoi(line) == hierarchy) {
			p->cgroup = strdup(path + 1);
			return p->cgroup ? 0 : -ENOMEM;
		}
	}
	return 0;
}

static int open_pid(pid_t pid)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d", pid);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	return fd;
}

int proc_read(pid_t pid, int hierarchy, struct proc *ret)
{
	_cleanup_close_ int dir = open_pid(pid);
	struct stat st;
	int r;

	*ret = (struct proc){.loginuid = -1, .session = -1};
	if (dir < 0)
		return dir;
	ret->task.tgid = ret->task.tid = pid;
	r = fill_stat(dir, ret);
	if (r == 0)
		r = read_status(dir, ret);
	if (r < 0)
		return r == -ENOENT ? -ESRCH : r;
	if (fstatat(dir, "ns/pid", &st, 0) == 0)
		ret->task.pidns = st.st_ino;
	ret->loginuid = read_u32(dir, "loginuid");
	ret->session = read_u32(dir, "sessionid");
	(void)read_link_at(dir, "exe", &ret->exe);
	(void)read_at(dir, "cmdline", &ret->cmdline, &ret->cmdline_len);
	(void)read_cgroup(dir, hierarchy, ret);
	return 0;
}

void proc_done(struct proc *p)
{
	free(p->exe);
	free(p->cgroup);
	free(p->cmdline);
	*p = (struct proc){};
}

int proc_exe(pid_t pid, char **ret)
{
	_cleanup_close_ int dir = open_pid(pid);

	return dir < 0 ? dir : read_link_at(dir, "exe", ret);
}

pid_t proc_find(bool (*test)(const char *exe, size_t n))
{
	_cleanup_closedir_ DIR *d = opendir("/proc");
	struct dirent *e;

	while (d && (e = readdir(d))) {
		_cleanup_free_ char *exe = NULL;
		pid_t pid = atoi(e->d_name);

		if (pid > 1 && proc_exe(pid, &exe) == 0 && test(exe, strlen(exe)))
			return pid;
	}
	return 0;
}
