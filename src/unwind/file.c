/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "unwind/file.h"

int unwind_files_new(unwind_symbols_fn loaded, void *ctx, struct unwind_files **ret)
{
	struct unwind_files *files = calloc(1, sizeof(*files));

	if (!files)
		return -ENOMEM;
	files->loaded = loaded;
	files->ctx = ctx;
	*ret = files;
	return 0;
}

void unwind_files_freep(struct unwind_files **files)
{
	free(take_ptr(*files));
}

struct unwind_file *unwind_file_get(struct unwind_files *files, uint64_t dev, uint64_t inode,
				    const char *path)
{
	struct unwind_file *f = files->first;

	while (f && (f->dev != dev || f->inode != inode))
		f = f->next;
	if (!f) {
		f = calloc(1, sizeof(*f));
		if (!f || !(f->path = strdup(path))) {
			free(f);
			return NULL;
		}
		f->dev = dev;
		f->inode = inode;
		f->next = files->first;
		files->first = f;
	}
	f->users++;
	return f;
}

void unwind_file_put(struct unwind_files *files, struct unwind_file *f)
{
	struct unwind_file **at = &files->first;

	if (--f->users > 0)
		return;
	while (*at != f)
		at = &(*at)->next;
	*at = f->next;
	symbols_free(f->symbols);
	symtab_done(&f->symtab);
	image_close(&f->image);
	free(f->open_path);
	free(f->path);
	free(f);
}

int unwind_file_open(struct unwind_file *f, const char *open_path)
{
	_cleanup_close_ int fd = -1;
	int r;

	if (f->open)
		return 0;
	fd = open(open_path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return -errno;
	f->open_path = strdup(open_path);
	if (!f->open_path)
		return -ENOMEM;
	r = image_open_fd(&f->image, fd, IMAGE_RUNTIME, NULL);
	if (r < 0)
		free(take_ptr(f->open_path));
	else
		f->open = true;
	return r;
}

bool unwind_file_is_systemd(const struct unwind_file *f)
{
	const char *slash = strrchr(f->path, '/'), *base = slash ? slash + 1 : f->path;

	return !strcmp(base, "systemd") || !strncmp(base, "libsystemd-", strlen("libsystemd-"));
}

static bool is_build(const struct image *im, const char *build_id)
{
	char hex[2 * SYMBOLS_BUILD_ID_MAX + 1] = "";

	for (size_t i = 0; i < im->build_id_size; i++)
		sprintf(hex + 2 * i, "%02x", im->build_id[i]);
	return !strcmp(hex, build_id);
}

/* Loads the names, once: what cannot be had leaves addresses. */
static void load_names(struct unwind_file *f)
{
	if (f->named)
		return;
	f->named = true;
	if (unwind_file_is_systemd(f) && symbols_load(f->open_path, NULL, &f->symbols, NULL) == 0) {
		/* the path may lead to another file since it was opened */
		if (is_build(&f->image, symbols_build_id(f->symbols)))
			return;
		symbols_free(take_ptr(f->symbols));
	}
	if (symtab_add_image(&f->symtab, &f->image, SHT_DYNSYM, SYM_ORIGIN_DYNSYM) < 0 ||
	    symtab_add_image(&f->symtab, &f->image, SHT_SYMTAB, SYM_ORIGIN_SYMTAB) < 0 ||
	    symtab_sort(&f->symtab) < 0)
		symtab_done(&f->symtab);
}

static const struct symbols *loaded(const struct unwind_files *files, const struct unwind_file *f)
{
	return files->loaded ? files->loaded(files->ctx, f->dev, f->inode) : NULL;
}

void unwind_file_prepare(struct unwind_files *files, struct unwind_file *f)
{
	if (!loaded(files, f))
		load_names(f);
}

static void set_name(struct unwind_frame *frame, const char *name, uint64_t begin, uint64_t size)
{
	bool inside = frame->address >= begin && frame->address - begin < size;

	frame->name = name;
	frame->offset = inside ? frame->address - begin : 0;
	frame->guess |= !inside;
}

void unwind_file_name(struct unwind_files *files, struct unwind_file *f, struct unwind_frame *frame)
{
	const struct symbols *s = loaded(files, f);
	const struct symbol *symbol;
	struct sym sym;

	if (!s)
		load_names(f);
	if (!s)
		s = f->symbols;
	if (s) {
		if (symbols_at(s, frame->address, &sym) < 0 || !*sym.name)
			return;
		frame->guess = sym.status == SYM_AMBIGUOUS;
		set_name(frame, sym.name, sym.vaddr, sym.size);
		return;
	}
	symbol = symtab_covering(&f->symtab, frame->address);
	if (symbol)
		set_name(frame, symbol->name, symbol->vaddr, symbol->size);
}
