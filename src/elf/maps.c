/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "elf/maps.h"
#include "svctrace/cleanup.h"

#define DELETED " (deleted)"

void mapping_done(struct mapping *m)
{
	free(take_ptr(m->path));
}

static bool cut_deleted(char *path)
{
	size_t n = strlen(path);

	if (n <= strlen(DELETED) || strcmp(path + n - strlen(DELETED), DELETED))
		return false;
	path[n - strlen(DELETED)] = 0;
	return true;
}

/* 1: a file's mapping, 0: another line, negative: no memory. */
static int parse_mapping(const char *line, struct mapping *ret)
{
	unsigned major, minor;
	char mode[8];
	int path = 0;

	*ret = (struct mapping){0};
	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s %" SCNx64 " %x:%x %" SCNu64 " %n",
		   &ret->start, &ret->end, mode, &ret->offset, &major, &minor, &ret->inode,
		   &path) < 7 ||
	    path == 0 || line[path] != '/')
		return 0;
	ret->dev = makedev(major, minor);
	ret->executable = strchr(mode, 'x');
	ret->path = strdup(line + path);
	if (!ret->path)
		return -ENOMEM;
	ret->path[strcspn(ret->path, "\n")] = 0;
	ret->deleted = cut_deleted(ret->path);
	return 1;
}

int maps_each(pid_t pid, mapping_fn f, void *ctx)
{
	_cleanup_fclose_ FILE *file = NULL;
	_cleanup_free_ char *line = NULL;
	char path[64];
	size_t size = 0;
	int r = 0;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	file = fopen(path, "re");
	if (!file)
		return errno == ENOENT ? -ESRCH : -errno;
	while (r == 0 && getline(&line, &size, file) > 0) {
		struct mapping m;

		r = parse_mapping(line, &m);
		if (r > 0) {
			r = f(ctx, &m);
			mapping_done(&m);
		}
	}
	return r ? r : ferror(file) ? -EIO : 0;
}

/*
 * Through the process's root, a path holds for as long as the file does; once the file was
 * replaced, only the mapping leads to it. An upgrade replaces by rename, so that the old file
 * counts as deleted. Another inode alone does not tell (overlayfs shows its own by stat(), but the
 * lower file's in maps): then the mapping is better, and the path will do.
 */
char *mapping_open_path(pid_t pid, const struct mapping *m, bool *ret_replaced)
{
	_cleanup_free_ char *path = NULL, *mapped = NULL;
	struct stat st;
	bool exists;

	*ret_replaced = m->deleted;
	if (asprintf(&path, "/proc/%d/root%s", (int)pid, m->path) < 0 ||
	    asprintf(&mapped, "/proc/%d/map_files/%" PRIx64 "-%" PRIx64, (int)pid, m->start,
		     m->end) < 0)
		return NULL;
	exists = !m->deleted && stat(path, &st) == 0;
	if (exists && st.st_ino == m->inode)
		return take_ptr(path);
	if (faccessat(AT_FDCWD, mapped, R_OK, AT_EACCESS) == 0)
		return take_ptr(mapped);
	return exists ? take_ptr(path) : NULL;
}

void maps_exe(pid_t pid, char *ret, size_t n)
{
	char path[64];
	ssize_t len;

	snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	len = readlink(path, ret, n - 1);
	ret[len > 0 ? len : 0] = 0;
	(void)cut_deleted(ret);
}
