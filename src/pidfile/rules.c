/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which rules a systemd has. Its binaries tell: by the messages that they may log and by the names
 * of functions that came with a change.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pidfile/internal.h"
#include "svctrace/cleanup.h"

#define OBJECT_MAX (64 << 20) /* bytes; the largest so far has 3 MiB */

/* What is found in any of the objects. */
struct marks {
	bool service; /* service_load_pid_file is in there */
	bool quotes;
	bool chaseat;
	bool statx;
	bool pidref;
	bool split_paths;
};

static bool holds(const char *p, size_t n, const char *mark, size_t mark_size)
{
	return memmem(p, n, mark, mark_size) != NULL;
}

/* With the NUL behind it: a whole string, or the end of one. */
#define HOLDS(p, n, s) holds(p, n, s, sizeof(s))

static void look_into(struct marks *m, const char *p, size_t n)
{
	m->service |= HOLDS(p, n, "acquired through unsafe symlink chain: %s");
	m->quotes |= HOLDS(p, n, "Can't open PID file '%s' (yet?) after %s: %m");
	m->chaseat |= HOLDS(p, n, "chaseat");
	m->statx |= HOLDS(p, n, "statx_unsafe_transition");
	m->pidref |= HOLDS(p, n, "pidref_set_pidstr");
	m->split_paths |= HOLDS(p, n, "path_find_last_component");
}

static int read_object(int dir_fd, const char *name, struct marks *m)
{
	_cleanup_close_ int fd =
		openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	_cleanup_free_ char *p = NULL;
	struct stat st;
	size_t len = 0;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > OBJECT_MAX)
		return 0;
	p = malloc(st.st_size + 1);
	if (!p)
		return -ENOMEM;
	while (len < (size_t)st.st_size && (n = read(fd, p + len, st.st_size - len)) > 0)
		len += n;
	look_into(m, p, len);
	return 0;
}

static bool is_object(const char *name)
{
	return strcmp(name, "systemd") == 0 || strncmp(name, "libsystemd-core-", 16) == 0 ||
	       strncmp(name, "libsystemd-shared-", 18) == 0;
}

/* Takes dir_fd over. */
static int read_folder(int dir_fd, struct marks *m)
{
	_cleanup_closedir_ DIR *d = fdopendir(dir_fd);
	struct dirent *e;
	int r = 0;

	if (!d) {
		close(dir_fd);
		return 0;
	}
	while (r == 0 && (e = readdir(d)))
		if (is_object(e->d_name))
			r = read_object(dir_fd, e->d_name, m);
	return r;
}

static int look_below(int root_fd, const char *path, struct marks *m)
{
	int fd = pidfile_open_below(root_fd, path, O_RDONLY | O_DIRECTORY);

	return fd < 0 ? 0 : read_folder(fd, m);
}

/* Debian has the libraries in usr/lib/TRIPLET/systemd. */
static int look_in_triplets(int root_fd, struct marks *m)
{
	int fd = pidfile_open_below(root_fd, "usr/lib", O_RDONLY | O_DIRECTORY), r = 0;
	_cleanup_closedir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	char path[NAME_MAX + 32];

	if (fd >= 0 && !d)
		close(fd);
	while (r == 0 && d && (e = readdir(d))) {
		if (!strstr(e->d_name, "-linux-"))
			continue;
		snprintf(path, sizeof(path), "usr/lib/%s/systemd", e->d_name);
		r = look_below(root_fd, path, m);
	}
	return r;
}

int pidfile_rules_of(int root_fd, struct pidfile_rules *ret)
{
	struct marks m = {};
	int r = look_below(root_fd, "usr/lib/systemd", &m);

	if (r == 0 && !m.service)
		r = look_in_triplets(root_fd, &m);
	if (r == 0 && !m.service)
		r = look_below(root_fd, "usr/lib64/systemd", &m);
	if (r == 0 && !m.service)
		r = look_below(root_fd, "lib/systemd", &m);
	if (r < 0)
		return r;
	if (!m.service)
		m = (struct marks){.quotes = true, .chaseat = true, .statx = true};
	*ret = (struct pidfile_rules){
		.known = m.service,
		.links_carry = !m.chaseat,
		.counts_steps = m.statx,
		.by_reference = m.quotes || m.pidref,
		.wants_manager = m.quotes,
		.quotes = m.quotes,
		.hides_errno = m.service && !m.chaseat && !m.split_paths,
		.line_max = m.quotes ? 2048 : 1 << 20,
	};
	return 0;
}
