/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <search.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "capture/types.h"
#include "svctrace/cleanup.h"

#ifndef MFD_NOEXEC_SEAL /* headers from before Linux 6.3 */
#define MFD_NOEXEC_SEAL 0x0008U
#endif

/* That may hold types which the kernel itself does not; where they are built in it has them. */
static const char *const modules[] = {"fuse", "watchdog", "unix"};

/* What programs name. */
struct names {
	struct hsearch_data table; /* data: whether the kernel itself has it */
	char **name;
	unsigned int n, max;
};

struct taking {
	struct names *names;
	const struct btf *from; /* of the kernel, or of a module on top of that */
	struct btf *to;
	uint32_t *id; /* there, of each type in from; 0: not taken */
	bool module;
};

int types_open(struct types *t)
{
	t->fd = memfd_create("types", MFD_CLOEXEC | MFD_NOEXEC_SEAL);
	if (t->fd < 0 && errno == EINVAL) /* before Linux 6.3 */
		t->fd = memfd_create("types", MFD_CLOEXEC);
	if (t->fd < 0)
		return -errno;
	snprintf(t->path, sizeof(t->path), "/proc/self/fd/%d", t->fd);
	return 0;
}

void types_close(struct types *t)
{
	closep(&t->fd);
}

static void names_done(struct names *s)
{
	hdestroy_r(&s->table);
	for (unsigned int i = 0; i < s->n; i++)
		free(s->name[i]);
	free(s->name);
}

/* "task_struct___old" means the kernel's task_struct. */
static int add_name(struct names *s, const char *name)
{
	const char *flavor = strstr(name, "___");
	char *copy = strndup(name, flavor ? (size_t)(flavor - name) : strlen(name));
	ENTRY *found;

	if (!copy)
		return -ENOMEM;
	s->name[s->n++] = copy;
	return hsearch_r((ENTRY){.key = copy}, ENTER, &found, &s->table) ? 0 : -ENOMEM;
}

static int names_of(struct names *s, const struct bpf_object *const *objects, size_t n)
{
	int r = 0;

	for (size_t i = 0; i < n; i++)
		s->max += btf__type_cnt(bpf_object__btf(objects[i]));
	s->name = calloc(s->max, sizeof(*s->name));
	if (!s->name || !hcreate_r(2 * s->max, &s->table))
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		const struct btf *b = bpf_object__btf(objects[i]);

		for (unsigned int t = 1; r == 0 && t < btf__type_cnt(b); t++) {
			const char *name = btf__name_by_offset(b, btf__type_by_id(b, t)->name_off);

			if (*name)
				r = add_name(s, name);
		}
	}
	return r;
}

static struct btf_type *taken(const struct taking *t, int id)
{
	return (struct btf_type *)btf__type_by_id(t->to, id);
}

/*
 * Takes a type and what it holds, but not what it points to: no relocation looks through a pointer.
 * Its number in t->to; negative errno.
 */
static int take(struct taking *t, uint32_t id)
{
	const struct btf_type *b = btf__type_by_id(t->from, id);
	int to, r = 0;

	if (id == 0 || !b || t->id[id])
		return b ? (int)t->id[id] : -EINVAL;
	to = btf__add_type(t->to, t->from, b);
	if (to < 0)
		return to;
	t->id[id] = to;
	if (btf_is_ptr(b)) {
		taken(t, to)->type = 0;
	} else if (btf_is_mod(b) || btf_is_typedef(b)) {
		r = take(t, b->type);
		taken(t, to)->type = r;
	} else if (btf_is_array(b)) {
		r = take(t, btf_array(b)->type);
		btf_array(taken(t, to))->type = r;
		if (r >= 0)
			r = take(t, btf_array(b)->index_type);
		btf_array(taken(t, to))->index_type = r;
	} else if (btf_is_composite(b)) {
		for (unsigned int i = 0; r >= 0 && i < btf_vlen(b); i++) {
			r = take(t, btf_members(b)[i].type);
			btf_members(taken(t, to))[i].type = r;
		}
	}
	return r < 0 ? r : to;
}

static bool is_named(const struct taking *t, const struct btf_type *b)
{
	const char *name = btf__name_by_offset(t->from, b->name_off);
	ENTRY *found;

	if (!*name || !(btf_is_composite(b) || btf_is_any_enum(b) || btf_is_typedef(b)) ||
	    !hsearch_r((ENTRY){.key = (char *)name}, FIND, &found, &t->names->table))
		return false;
	if (t->module)
		return !found->data;
	found->data = found;
	return true;
}

/* Those from that one on that are named. */
static int take_named(struct taking *t, uint32_t first)
{
	uint32_t n = btf__type_cnt(t->from);
	uint32_t *id = reallocarray(t->id, n, sizeof(*id));
	int r = 0;

	if (!id)
		return -ENOMEM;
	t->id = id;
	memset(id + first, 0, (n - first) * sizeof(*id));
	for (uint32_t i = first; r >= 0 && i < n; i++)
		if (is_named(t, btf__type_by_id(t->from, i)))
			r = take(t, i);
	return r < 0 ? r : 0;
}

/* What a module has on top of the kernel's own; nothing if it is not loaded, or built in. */
static int take_module(struct taking *t, struct btf *kernel, const char *name)
{
	struct btf *module = btf__load_module_btf(name, kernel);
	int r = 0;

	if (!module)
		return 0;
	t->from = module;
	t->module = true;
	r = take_named(t, btf__type_cnt(kernel));
	btf__free(module);
	return r;
}

static int take_all(struct taking *t, const char *btf)
{
	struct btf *kernel = btf ? btf__parse(btf, NULL) : btf__load_vmlinux_btf();
	int r;

	if (!kernel)
		return -errno;
	t->from = kernel;
	r = take_named(t, 0);
	for (size_t i = 0; r == 0 && !btf && i < ARRAY_LEN(modules); i++)
		r = take_module(t, kernel, modules[i]);
	btf__free(kernel);
	return r;
}

static int write_out(int fd, const struct btf *b)
{
	uint32_t size;
	const void *data = btf__raw_data(b, &size);

	if (!data || ftruncate(fd, 0) < 0)
		return -errno;
	return pwrite(fd, data, size, 0) == (ssize_t)size ? 0 : -EIO;
}

int types_fill(const struct types *t, const char *btf, const struct bpf_object *const *objects,
	       size_t n)
{
	struct names names = {};
	struct taking taking = {.names = &names, .to = btf__new_empty()};
	int r = taking.to ? names_of(&names, objects, n) : -errno;

	if (r == 0)
		r = take_all(&taking, btf);
	if (r == 0)
		r = write_out(t->fd, taking.to);
	btf__free(taking.to);
	free(taking.id);
	names_done(&names);
	return r;
}
