/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which file holds the code of a running service manager. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "elf/image.h"

#define DELETED " (deleted)"

/* One executable mapping, as /proc/PID/maps tells it. */
struct mapping {
	uint64_t start, end, offset, dev, inode;
	char *path; /* without DELETED; owned */
	bool deleted;
};

static void mapping_done(struct mapping *m)
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

/* 1: an executable file mapping, 0: another line, negative: no memory. */
static int parse_mapping(const char *line, struct mapping *ret)
{
	unsigned major, minor;
	char mode[8];
	int path = 0;

	*ret = (struct mapping){0};
	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s %" SCNx64 " %x:%x %" SCNu64 " %n",
		   &ret->start, &ret->end, mode, &ret->offset, &major, &minor, &ret->inode,
		   &path) < 7 ||
	    path == 0 || line[path] != '/' || !strchr(mode, 'x'))
		return 0;
	ret->dev = makedev(major, minor);
	ret->path = strdup(line + path);
	if (!ret->path)
		return -ENOMEM;
	ret->path[strcspn(ret->path, "\n")] = 0;
	ret->deleted = cut_deleted(ret->path);
	return 1;
}

static bool is_library(const char *path, const char *prefix)
{
	const char *base = strrchr(path, '/') + 1;
	size_t n = strlen(base);

	return !strncmp(base, prefix, strlen(prefix)) && n > 3 && !strcmp(base + n - 3, ".so");
}

struct mappings {
	struct mapping core, shared, exe;
};

static void mappings_done(struct mappings *m)
{
	mapping_done(&m->core);
	mapping_done(&m->shared);
	mapping_done(&m->exe);
}

/* Takes the mapping if it is the first of its kind. exe: what /proc/PID/exe says. */
static void sort_in(struct mappings *ret, struct mapping *m, const char *exe)
{
	struct mapping *slot = is_library(m->path, "libsystemd-core-")	   ? &ret->core
			       : is_library(m->path, "libsystemd-shared-") ? &ret->shared
			       : !strcmp(m->path, exe)			   ? &ret->exe
									   : NULL;

	if (slot && !slot->path) {
		*slot = *m;
		m->path = NULL;
	}
	mapping_done(m);
}

static int read_mappings(pid_t pid, struct mappings *ret)
{
	_cleanup_fclose_ FILE *f = NULL;
	_cleanup_free_ char *line = NULL;
	char path[64], exe[PATH_MAX] = "";
	size_t size = 0;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	f = fopen(path, "re");
	if (!f)
		return errno == ENOENT ? -ESRCH : -errno;
	snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	if (readlink(path, exe, sizeof(exe) - 1) > 0)
		(void)cut_deleted(exe);
	while (getline(&line, &size, f) > 0) {
		struct mapping m;
		int r = parse_mapping(line, &m);

		if (r < 0)
			return r;
		if (r > 0)
			sort_in(ret, &m, exe);
	}
	return ferror(f) ? -EIO : 0;
}

/*
 * A path to the mapped file itself. Through the process's root, it holds for as long as the file
 * does; once the file was replaced, only the mapping leads to it. An upgrade replaces by rename, so
 * that the old file counts as deleted. Another inode alone does not tell (overlayfs shows its own
 * by stat(), but the lower file's in maps): then the mapping is better, and the path will do.
 */
static char *open_path_of(pid_t pid, const struct mapping *m, bool *ret_replaced)
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

/* Where the file's address 0 is in the process; 0 when that cannot be read. */
static uint64_t load_base(const char *path, const struct mapping *m)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct image im;
	uint64_t base = 0;

	if (fd < 0 || image_open_fd(&im, fd, IMAGE_RUNTIME, NULL) < 0)
		return 0;
	for (size_t i = 0; i < im.n_segments; i++) {
		const struct segment *s = &im.segments[i];

		/* The kernel maps whole pages, so the mapping may start before the segment. */
		if (s->executable && m->offset <= s->offset && s->offset - m->offset < 0x10000)
			base = m->start - (s->vaddr - (s->offset - m->offset));
	}
	image_close(&im);
	return base;
}

int symbols_object_of_pid(pid_t pid, struct sym_object *ret, struct sym_error *err)
{
	_cleanup_(mappings_done) struct mappings all = {0};
	const struct mapping *m;
	bool replaced;
	int r;

	*ret = (struct sym_object){0};
	r = read_mappings(pid, &all);
	if (r < 0)
		return sym_error_set(err, r, "cannot read the memory map of process %d: %s",
				     (int)pid, strerror(-r));
	m = all.core.path ? &all.core : &all.exe;
	if (!m->path)
		return sym_error_set(err, -ENOENT, "process %d maps no executable file", (int)pid);
	ret->open_path = open_path_of(pid, m, &ret->replaced);
	ret->name = strdup(m->path);
	if (!ret->open_path || !ret->name) {
		sym_object_done(ret);
		return sym_error_set(err, -ENOENT, "%s of process %d cannot be read any more",
				     m->path, (int)pid);
	}
	ret->dev = m->dev;
	ret->inode = m->inode;
	ret->base = load_base(ret->open_path, m);
	if (all.shared.path)
		ret->shared_path = open_path_of(pid, &all.shared, &replaced);
	return 0;
}

void sym_object_done(struct sym_object *o)
{
	free(o->open_path);
	free(o->name);
	free(o->shared_path);
	*o = (struct sym_object){0};
}
