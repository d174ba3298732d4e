/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which cgroup hierarchy the manager keeps its units in, and what is in it already.
 *
 * systemd uses cgroup v2 wherever it is mounted (alone, or beside v1 in "hybrid" mode), and v1's
 * name=systemd only when v2 is not. So the manager's own path tells: in pure v1 mode it is "/" in
 * the v2 hierarchy and something else (or "/" too, for PID 1 before v1's init.scope) in the other.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "capture/capture_internal.h"
#include "svctrace/cleanup.h"

#define DEPTH_MAX 32 /* below the root: deeper trees are not systemd's */

void hierarchy_done(struct hierarchy *h)
{
	free(h->mount);
	free(h->root);
	*h = (struct hierarchy){};
}

/* A line of /proc/PID/mountinfo, cut at its blanks. */
struct mount_line {
	char *root, *point, *type, *super;
};

static int mount_line_parse(char *line, struct mount_line *ret)
{
	char *save = NULL, *field[6] = {}, *dash = strstr(line, " - ");

	if (!dash)
		return -EINVAL;
	*dash = 0;
	for (int i = 0; i < 6; i++) {
		field[i] = strtok_r(i ? NULL : line, " ", &save);
		if (!field[i])
			return -EINVAL;
	}
	ret->root = field[3];
	ret->point = field[4];
	ret->type = strtok_r(dash + 3, " \n", &save);
	strtok_r(NULL, " \n", &save); /* source */
	ret->super = strtok_r(NULL, "\n", &save);
	return ret->type && ret->super ? 0 : -EINVAL;
}

static bool is_v1_systemd(const struct mount_line *m)
{
	return strcmp(m->type, "cgroup") == 0 && strstr(m->super, "name=systemd");
}

/* What the process's own mounts say: is cgroup v2 mounted, is v1's name=systemd? */
static int mounts_of(pid_t pid, bool *ret_v2, bool *ret_v1)
{
	_cleanup_free_ char *line = NULL;
	_cleanup_fclose_ FILE *f = NULL;
	char path[64];
	size_t room = 0;

	snprintf(path, sizeof(path), "/proc/%d/mountinfo", pid);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	while (getline(&line, &room, f) > 0) {
		struct mount_line m;

		if (mount_line_parse(line, &m) < 0)
			continue;
		*ret_v1 |= is_v1_systemd(&m);
		*ret_v2 |= strcmp(m.type, "cgroup2") == 0;
	}
	return 0;
}

/* The number of v1's name=systemd hierarchy, as every /proc/PID/cgroup names it. */
static int v1_systemd_id(void)
{
	_cleanup_free_ char *line = NULL;
	_cleanup_fclose_ FILE *f = fopen("/proc/self/cgroup", "re");
	size_t room = 0;
	int id;

	if (!f)
		return -errno;
	while (getline(&line, &room, f) > 0)
		if (strstr(line, ":name=systemd:") && sscanf(line, "%d:", &id) == 1)
			return id;
	return -ENOENT;
}

/* Where this process itself sees the hierarchy. */
static int find_mount(struct hierarchy *h)
{
	_cleanup_free_ char *line = NULL;
	_cleanup_fclose_ FILE *f = fopen("/proc/self/mountinfo", "re");
	size_t room = 0;

	if (!f)
		return -errno;
	while (getline(&line, &room, f) > 0) {
		struct mount_line m;

		if (mount_line_parse(line, &m) < 0)
			continue;
		if (h->id ? !is_v1_systemd(&m) : strcmp(m.type, "cgroup2") != 0)
			continue;
		h->mount = strdup(m.point);
		h->root = strdup(strcmp(m.root, "/") == 0 ? "" : m.root);
		return h->mount && h->root ? 0 : -ENOMEM;
	}
	return -ENOENT;
}

int hierarchy_find(struct hierarchy *h, pid_t manager, struct capture_error *err)
{
	bool v1 = false, v2 = false;
	int r = mounts_of(manager, &v2, &v1);

	if (r < 0)
		return capture_fail(err, r, "", "cannot read /proc/%d/mountinfo: %s", manager,
				    strerror(-r));
	h->id = 0;
	if (!v2 && v1)
		h->id = v1_systemd_id();
	if (h->id < 0)
		return capture_fail(err, h->id, "", "cgroup v1 without a name=systemd hierarchy");
	r = find_mount(h);
	if (r < 0)
		return capture_fail(err, r, "Mount it: mount -t cgroup2 cgroup2 /sys/fs/cgroup",
				    "the cgroup %s hierarchy is not mounted here",
				    h->id ? "v1" : "v2");
	return 0;
}

struct walk {
	const struct hierarchy *h;
	hierarchy_fn fn;
	void *ctx;
	char path[PATH_MAX];
};

static bool ends_with(const char *name, const char *suffix)
{
	size_t n = strlen(name), k = strlen(suffix);

	return n > k && strcmp(name + n - k, suffix) == 0;
}

static int walk_dir(struct walk *w, const char *name, const struct hierarchy_node *parent,
		    int depth);

static int walk_children(struct walk *w, const struct hierarchy_node *node, int depth)
{
	int copy = openat(node->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_closedir_ DIR *d = copy >= 0 ? fdopendir(copy) : NULL;
	size_t len = strlen(w->path);
	struct dirent *e;
	int r = 0;

	while (d && r == 0 && (e = readdir(d))) {
		int n;

		if (e->d_type != DT_DIR || e->d_name[0] == '.')
			continue;
		n = snprintf(w->path + len, sizeof(w->path) - len, "/%s", e->d_name);
		if ((size_t)n < sizeof(w->path) - len)
			r = walk_dir(w, e->d_name, node, depth + 1);
		w->path[len] = 0;
	}
	return r;
}

/* One cgroup and all below it; one that goes away meanwhile is no error. */
static int walk_dir(struct walk *w, const char *name, const struct hierarchy_node *parent,
		    int depth)
{
	_cleanup_close_ int fd = openat(parent ? parent->fd : AT_FDCWD, name,
					O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	struct hierarchy_node node = {
		.fd = fd,
		.path = *w->path ? w->path : "/",
		.parent = parent ? parent->id : 0,
		.service = (parent && parent->service) || ends_with(name, ".service") ||
			   ends_with(name, ".scope"),
	};
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0 || depth > DEPTH_MAX)
		return 0;
	node.id = st.st_ino; /* a cgroup's id is its directory's inode number */
	r = w->fn(w->ctx, &node);
	return r ? r : walk_children(w, &node, depth);
}

int hierarchy_walk(const struct hierarchy *h, hierarchy_fn fn, void *ctx)
{
	struct walk w = {.h = h, .fn = fn, .ctx = ctx};

	snprintf(w.path, sizeof(w.path), "%s", h->root);
	return walk_dir(&w, h->mount, NULL, 0);
}
