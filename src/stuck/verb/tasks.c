/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* svctrace stuck: what /proc says of the tasks. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "read.h"
#include "svctrace/cleanup.h"
#include "svctrace/procfs.h"

#define SMALL_FILE	     16384
#define MOUNTS_FILE	     (16 << 20) /* thousands of mounts, as hosts of containers have */
#define CGROUP		     "/sys/fs/cgroup"
#define PIDNS_OF_THE_MACHINE 0xEFFFFFFC

static pid_t number_of(const char *name)
{
	char *end;
	long v = strtol(name, &end, 10);

	return *end || v < 1 || v > INT32_MAX ? 0 : (pid_t)v;
}

static int read_into(int dir, const char *file, struct stuck_task *t,
		     int (*parse)(const char *text, size_t n, struct stuck_task *ret))
{
	_cleanup_free_ char *text = NULL;
	size_t n;
	int r = procfs_read_file(dir, file, SMALL_FILE, &text, &n);

	return r < 0 ? r : parse(text, n, t);
}

/* Who has gone meanwhile is passed over. */
static int read_task(struct stuck_snapshot *s, int tasks, const char *tid)
{
	struct stuck_task t = {}, *new;
	char path[64];
	int r;

	snprintf(path, sizeof(path), "%.20s/stat", tid);
	r = read_into(tasks, path, &t, stuck_parse_stat);
	if (r < 0 || (t.flags & STUCK_TASK_KERNEL))
		return r == -ENOMEM ? r : 0;
	snprintf(path, sizeof(path), "%.20s/status", tid);
	r = read_into(tasks, path, &t, stuck_parse_status);
	if (r < 0)
		return r == -ENOMEM ? r : 0;
	new = stuck_add_task(s);
	if (!new)
		return -ENOMEM;
	*new = t;
	return 0;
}

/* ---- cgroups ---- */

static int open_task(const struct stuck_task *t)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/task/%d", t->tgid, t->tid);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* The cgroup, or the first above it, whose file says so. */
static int find_frozen(const char *base, const char *cgroup, const char *file, char **ret)
{
	_cleanup_free_ char *path = strdup(cgroup);

	if (!path)
		return -ENOMEM;
	for (char *slash; (slash = strrchr(path, '/')); *slash = 0) {
		_cleanup_free_ char *name = NULL, *text = NULL;
		size_t n;

		if (asprintf(&name, "%s%s/%s", base, path, file) < 0)
			return -ENOMEM;
		if (procfs_read_file(AT_FDCWD, name, SMALL_FILE, &text, &n) == 0 && *text == '1') {
			*ret = strdup(path);
			return *ret ? 0 : -ENOMEM;
		}
	}
	return 0;
}

/* In v2 the manager's hierarchy can be frozen, in v1 the freezer's. */
static int read_frozen(struct stuck_task *t, const char *freezer)
{
	int r = 0;

	if (t->cgroup)
		r = find_frozen(CGROUP, t->cgroup, "cgroup.freeze", &t->frozen);
	if (r < 0 || t->frozen || !freezer)
		return r;
	t->frozen_v1 = true;
	return find_frozen(CGROUP "/freezer", freezer, "freezer.self_freezing", &t->frozen);
}

static bool is_being_stopped(const struct stuck_snapshot *s, const struct stuck_task *t)
{
	const struct stuck_unit *u = stuck_find_unit(s, t->cgroup);

	return u && strcmp(u->active, "deactivating") == 0;
}

/* Whether it is frozen is looked up only if it matters: always, or as its unit is being stopped. */
static int read_cgroup(const struct stuck_snapshot *s, struct stuck_task *t, bool matters)
{
	_cleanup_close_ int dir = open_task(t);
	_cleanup_free_ char *text = NULL, *freezer = NULL;
	size_t n;
	int r;

	if (dir < 0 || t->cgroup)
		return 0;
	r = procfs_read_file(dir, "cgroup", SMALL_FILE, &text, &n);
	if (r == 0)
		r = stuck_parse_cgroup(text, n, &t->cgroup, &freezer);
	if (r == 0 && (matters || is_being_stopped(s, t)))
		r = read_frozen(t, freezer);
	return r == -ENOMEM ? r : 0;
}

/* ---- all tasks ---- */

static int read_process(struct stuck_snapshot *s, const char *pid)
{
	_cleanup_closedir_ DIR *tasks = NULL;
	char path[32];
	struct dirent *e;
	int r = 0;

	snprintf(path, sizeof(path), "/proc/%.20s/task", pid);
	tasks = opendir(path);
	while (r == 0 && tasks && (e = readdir(tasks)))
		if (number_of(e->d_name))
			r = read_task(s, dirfd(tasks), e->d_name);
	return r;
}

/* Where nothing is being stopped, it matters only for those that were told to end otherwise. */
static int read_cgroups(struct stuck_snapshot *s)
{
	bool stopping = false;
	int r = 0;

	for (size_t i = 0; i < s->n_units; i++)
		stopping |= strcmp(s->units[i].active, "deactivating") == 0;
	for (size_t i = 0; r == 0 && i < s->n_tasks; i++) {
		bool told = stuck_is_told_to_end(s, &s->tasks[i]);

		if (told || stopping)
			r = read_cgroup(s, &s->tasks[i], told);
	}
	return r;
}

/* Not so in a container, nor without root where /proc is mounted with hidepid. */
static bool sees_all(void)
{
	struct stat st;

	return stat("/proc/self/ns/pid", &st) == 0 && st.st_ino == PIDNS_OF_THE_MACHINE &&
	       access("/proc/1/stat", R_OK) == 0;
}

int stuck_read_tasks(struct stuck_snapshot *s)
{
	_cleanup_closedir_ DIR *proc = opendir("/proc");
	struct dirent *e;
	int r = 0;

	if (!proc)
		return -errno;
	s->partial = !sees_all();
	while (r == 0 && (e = readdir(proc)))
		if (number_of(e->d_name))
			r = read_process(s, e->d_name);
	if (r < 0)
		return r;
	if (s->n_tasks == 0)
		return -ENOENT;
	stuck_sort(s);
	return read_cgroups(s);
}

/* ---- those that were told to end ---- */

static uint64_t inode_at(int dir, const char *name)
{
	struct stat st;

	return fstatat(dir, name, &st, 0) < 0 ? 0 : st.st_ino;
}

static int read_waiting(struct stuck_snapshot *s, int dir, struct stuck_task *t)
{
	_cleanup_free_ char *stack = NULL;
	size_t n;
	int r = procfs_read_file(dir, "wchan", SMALL_FILE, &t->wchan, &n);

	if (r == -ENOMEM)
		return r;
	r = procfs_read_file(dir, "stack", SMALL_FILE, &stack, &n);
	if (r == 0)
		return stuck_parse_stack(stack, n, &t->stack);
	if (r == -EACCES || r == -EPERM || r == -ENOENT)
		s->no_stacks = true;
	return r == -ENOMEM ? r : 0;
}

static bool knows_mounts(const struct stuck_snapshot *s, uint64_t mntns)
{
	for (size_t i = 0; i < s->n_mounts; i++)
		if (s->mounts[i].mntns == mntns)
			return true;
	return false;
}

/* Only for those whose wait is for a file system: the list of mounts may itself be locked. */
static int read_mounts(struct stuck_snapshot *s, int dir, const struct stuck_task *t)
{
	_cleanup_free_ char *text = NULL;
	enum stuck_wait w = stuck_classify(t);
	size_t n;
	int r;

	if ((w != STUCK_WAIT_FUSE && w != STUCK_WAIT_NFS && w != STUCK_WAIT_NETFS) ||
	    knows_mounts(s, t->mntns))
		return 0;
	r = procfs_read_file(dir, "mountinfo", MOUNTS_FILE, &text, &n);
	if (r == 0)
		r = stuck_parse_mountinfo(text, n, t->mntns, s);
	return r == -ENOMEM ? r : 0;
}

static int read_told_task(struct stuck_snapshot *s, struct stuck_task *t)
{
	_cleanup_close_ int dir = open_task(t);
	int r;

	if (dir < 0)
		return 0; /* it has ended after all */
	t->mntns = inode_at(dir, "ns/mnt");
	r = read_waiting(s, dir, t);
	return r < 0 ? r : read_mounts(s, dir, t);
}

static bool knows_pidns(const struct stuck_snapshot *s, uint64_t inode)
{
	for (size_t i = 0; i < s->n_pidns; i++)
		if (s->pidns[i].inode == inode)
			return true;
	return false;
}

/* Its pid namespace, and those that it lies in. */
static int read_pidns(struct stuck_snapshot *s, struct stuck_task *t)
{
	_cleanup_close_ int dir = open_task(t);
	int fd = dir < 0 ? -1 : openat(dir, "ns/pid", O_RDONLY | O_CLOEXEC);
	uint64_t inode = 0;
	int r = 0;

	for (unsigned int level = 0; r == 0 && fd >= 0 && level < STUCK_LEVELS; level++) {
		int parent = ioctl(fd, NS_GET_PARENT);
		struct stat st = {}, above = {};

		if (fstat(fd, &st) == 0 && !inode)
			t->pidns = inode = st.st_ino;
		if (parent >= 0)
			fstat(parent, &above);
		if (!knows_pidns(s, st.st_ino))
			r = stuck_add_pidns(s, st.st_ino, above.st_ino);
		close(fd);
		fd = parent;
	}
	if (fd >= 0)
		close(fd);
	return r;
}

static int read_namespaces(struct stuck_snapshot *s)
{
	bool any = false;
	int r = 0;

	for (size_t i = 0; i < s->n_tasks; i++)
		any |= stuck_is_ending_init(&s->tasks[i]);
	for (size_t i = 0; any && r == 0 && i < s->n_tasks; i++)
		if (s->tasks[i].n_nspid > 1)
			r = read_pidns(s, &s->tasks[i]);
	return r;
}

/* Is the daemon that should answer frozen? */
static int read_holders_frozen(struct stuck_snapshot *s)
{
	int r = 0;

	for (size_t h = 0; h < s->n_holders; h++)
		for (size_t i = 0; r == 0 && i < s->n_tasks; i++)
			if (s->tasks[i].tgid == s->holders[h].tgid)
				r = read_cgroup(s, &s->tasks[i], true);
	return r;
}

int stuck_read_details(struct stuck_snapshot *s)
{
	bool fuse = false;
	int r = 0;

	for (size_t i = 0; r == 0 && i < s->n_tasks; i++) {
		struct stuck_task *t = &s->tasks[i];

		if (!t->still || !stuck_is_told_to_end(s, t))
			continue;
		r = read_told_task(s, t);
		fuse |= stuck_classify(t) == STUCK_WAIT_FUSE;
	}
	if (r == 0)
		r = read_namespaces(s);
	if (r == 0 && fuse)
		r = stuck_read_fuse(s);
	return r < 0 ? r : read_holders_frozen(s);
}
