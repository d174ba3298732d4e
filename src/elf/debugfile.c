/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <elfutils/libdwfl.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "elf/debugfile.h"

struct debug_file {
	int fd;
	char *path;
};

/*
 * libdwfl is to find the file, not to read it: it would load the DWARF as well, which costs more
 * than all the rest. So keep the answer and tell libdwfl that there is none.
 */
static int find_debuginfo(Dwfl_Module *mod, void **userdata, const char *module, Dwarf_Addr base,
			  const char *file, const char *link, GElf_Word crc, char **path)
{
	struct debug_file *d = *userdata;
	int fd;

	if (!d || d->fd >= 0)
		return -1;
	fd = dwfl_build_id_find_debuginfo(mod, userdata, module, base, file, link, crc, path);
	if (fd < 0)
		fd = dwfl_standard_find_debuginfo(mod, userdata, module, base, file, link, crc,
						  path);
	if (fd >= 0) {
		d->fd = fd;
		d->path = take_ptr(*path);
	}
	return -1;
}

static int find_elf(Dwfl_Module *mod, void **userdata, const char *module, Dwarf_Addr base,
		    char **path, Elf **elf)
{
	(void)mod, (void)userdata, (void)module, (void)base, (void)path, (void)elf;
	return -1;
}

static int add_debug_file(struct symtab *t, const struct image *im, struct debug_file *d)
{
	struct image debug;
	int r;

	if (image_open_fd(&debug, d->fd, IMAGE_DEBUG, NULL) < 0)
		return -ENOENT;
	if (debug.machine != im->machine || debug.build_id_size != im->build_id_size ||
	    memcmp(debug.build_id, im->build_id, im->build_id_size))
		r = -ENOENT;
	else
		r = symtab_add_image(t, &debug, SHT_SYMTAB, SYM_ORIGIN_DEBUGFILE);
	image_close(&debug);
	return r;
}

/* libdwfl merges .gnu_debugdata into its view of the symbols; the first of them are .dynsym's. */
static int add_minidebug(struct symtab *t, Dwfl_Module *mod, int n, uint64_t bias)
{
	int r = 0;

	for (int i = 1; r == 0 && i < n; i++) {
		GElf_Addr address;
		GElf_Sym sym;
		const char *name =
			dwfl_module_getsym_info(mod, i, &sym, &address, NULL, NULL, NULL);

		if (name && sym.st_shndx != SHN_UNDEF && GELF_ST_TYPE(sym.st_info) == STT_FUNC)
			r = symtab_add(t, name, address - bias, sym.st_size, true,
				       SYM_ORIGIN_MINIDEBUG);
	}
	return r;
}

static int add_module(struct symtab *t, const struct image *im, Dwfl_Module *mod,
		      struct debug_file *d)
{
	void **userdata;
	GElf_Addr bias;
	int n, r = 0;

	dwfl_module_info(mod, &userdata, NULL, NULL, NULL, NULL, NULL, NULL);
	*userdata = d;
	if (!dwfl_module_getelf(mod, &bias))
		return 0;
	n = dwfl_module_getsymtab(mod);
	if (d->fd >= 0)
		r = add_debug_file(t, im, d);
	if (r == -ENOENT) {
		free(take_ptr(d->path));
		r = 0;
	}
	if (r == 0 && image_section(im, ".gnu_debugdata", SHT_PROGBITS).size > 0)
		r = add_minidebug(t, mod, n, bias);
	return r;
}

int debugfile_add(struct symtab *t, const struct image *im, const char *path,
		  const struct symbols_options *o, char **ret_path)
{
	char *debug_path = (char *)o->debug_path;
	const Dwfl_Callbacks callbacks = {
		.find_elf = find_elf,
		.find_debuginfo = find_debuginfo,
		.section_address = dwfl_offline_section_address,
		.debuginfo_path = &debug_path,
	};
	struct debug_file d = {.fd = -1};
	Dwfl_Module *mod;
	Dwfl *dwfl;
	int r = 0;

	*ret_path = NULL;
	if (!o->debuginfod)
		unsetenv("DEBUGINFOD_URLS");
	dwfl = dwfl_begin(&callbacks);
	if (!dwfl)
		return -ENOMEM;
	dwfl_report_begin(dwfl);
	mod = dwfl_report_elf(dwfl, path, path, -1, 0, true);
	dwfl_report_end(dwfl, NULL, NULL);
	if (mod)
		r = add_module(t, im, mod, &d);
	dwfl_end(dwfl);
	if (d.fd >= 0)
		close(d.fd);
	*ret_path = d.path;
	return r;
}
