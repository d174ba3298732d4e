/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which file holds the code of a running service manager. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>

#include "elf/image.h"
#include "elf/maps.h"

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
}

struct reading {
	struct mappings *ret;
	char exe[PATH_MAX];
};

static int take_mapping(void *ctx, struct mapping *m)
{
	const struct reading *r = ctx;

	if (m->executable)
		sort_in(r->ret, m, r->exe);
	return 0;
}

static int read_mappings(pid_t pid, struct mappings *ret)
{
	struct reading r = {.ret = ret};

	maps_exe(pid, r.exe, sizeof(r.exe));
	return maps_each(pid, take_mapping, &r);
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
	ret->open_path = mapping_open_path(pid, m, &ret->replaced);
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
		ret->shared_path = mapping_open_path(pid, &all.shared, &replaced);
	return 0;
}

void sym_object_done(struct sym_object *o)
{
	free(o->open_path);
	free(o->name);
	free(o->shared_path);
	*o = (struct sym_object){0};
}
