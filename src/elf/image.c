/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "elf/image.h"

int sym_error_set(struct sym_error *err, int r, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return r;
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	return r;
}

static int check_header(const struct image *im, struct sym_error *err)
{
	const Elf64_Ehdr *h = (const void *)im->map;

	if (im->size < EI_NIDENT || memcmp(im->map, ELFMAG, SELFMAG))
		return sym_error_set(err, -ENOEXEC, "not an ELF object");
	if (im->map[EI_CLASS] != ELFCLASS64)
		return sym_error_set(err, -ENOTSUP, "32-bit ELF objects are not supported");
	if (im->map[EI_DATA] != ELFDATA2LSB)
		return sym_error_set(err, -ENOTSUP, "big-endian ELF objects are not supported");
	if (im->size < sizeof(*h))
		return sym_error_set(err, -ENOEXEC, "truncated ELF header");
	if (h->e_type != ET_EXEC && h->e_type != ET_DYN)
		return sym_error_set(err, -ENOEXEC,
				     "neither an executable nor a shared library (ELF type %u)",
				     h->e_type);
	return 0;
}

static int load_segments(struct image *im, struct sym_error *err)
{
	size_t n;

	if (elf_getphdrnum(im->elf, &n) < 0 || n == 0)
		return sym_error_set(err, -ENOEXEC, "no program headers");
	im->segments = calloc(n, sizeof(*im->segments));
	if (!im->segments)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		GElf_Phdr p;

		if (!gelf_getphdr(im->elf, i, &p))
			return sym_error_set(err, -ENOEXEC, "truncated program headers");
		if (p.p_type != PT_LOAD)
			continue;
		/* A segment that the file does not hold, or that wraps, is no use to anyone. */
		if (p.p_offset > im->size || p.p_filesz > im->size - p.p_offset ||
		    p.p_vaddr > UINT64_MAX - p.p_filesz)
			return sym_error_set(err, -ENOEXEC,
					     "truncated: a segment ends after the file");
		im->segments[im->n_segments++] = (struct segment){
			.vaddr = p.p_vaddr,
			.offset = p.p_offset,
			.size = p.p_filesz,
			.executable = p.p_flags & PF_X,
		};
	}
	if (im->n_segments == 0)
		return sym_error_set(err, -ENOEXEC, "nothing to load: no PT_LOAD segment");
	return 0;
}

/* From a section's notes rather than PT_NOTE: separate debug files keep the sections only. */
static int take_build_id(void *ctx, const struct section *s, const struct section *strings)
{
	struct image *im = ctx;
	size_t at = 0;

	(void)strings;
	while (at <= s->size && s->size - at >= sizeof(Elf64_Nhdr)) {
		Elf64_Nhdr n;
		size_t name, desc;

		memcpy(&n, s->data + at, sizeof(n));
		name = at + sizeof(n);
		if (n.n_namesz > s->size - name)
			break;
		desc = name + ((n.n_namesz + 3UL) & ~3UL);
		if (desc > s->size || n.n_descsz > s->size - desc)
			break;
		if (n.n_type == NT_GNU_BUILD_ID && n.n_namesz == 4 &&
		    !memcmp(s->data + name, "GNU", 4) && n.n_descsz > 0 &&
		    n.n_descsz <= sizeof(im->build_id)) {
			memcpy(im->build_id, s->data + desc, n.n_descsz);
			im->build_id_size = n.n_descsz;
			return 1;
		}
		at = desc + ((n.n_descsz + 3UL) & ~3UL);
	}
	return 0;
}

static int load(struct image *im, enum image_kind kind, struct sym_error *err)
{
	int r;

	r = check_header(im, err);
	if (r < 0)
		return r;
	elf_version(EV_CURRENT);
	im->elf = elf_memory((char *)im->map, im->size);
	if (!im->elf || elf_kind(im->elf) != ELF_K_ELF)
		return sym_error_set(err, -ENOEXEC, "not a readable ELF object");
	im->machine = ((const Elf64_Ehdr *)im->map)->e_machine;
	im->type = ((const Elf64_Ehdr *)im->map)->e_type;
	im->entry = ((const Elf64_Ehdr *)im->map)->e_entry;
	(void)image_sections(im, SHT_NOTE, take_build_id, im);
	return kind == IMAGE_RUNTIME ? load_segments(im, err) : 0;
}

static int open_bytes(struct image *im, const void *data, size_t size, enum image_kind kind,
		      struct sym_error *err)
{
	int r;

	*im = (struct image){.map = (uint8_t *)data, .size = size};
	r = load(im, kind, err);
	if (r < 0)
		image_close(im);
	return r;
}

int image_open_memory(struct image *im, const void *data, size_t size, struct sym_error *err)
{
	return open_bytes(im, data, size, IMAGE_RUNTIME, err);
}

int image_open_fd(struct image *im, int fd, enum image_kind kind, struct sym_error *err)
{
	struct stat st;
	void *map;
	int r;

	*im = (struct image){0};
	if (fstat(fd, &st) < 0)
		return sym_error_set(err, -errno, "cannot stat: %s", strerror(errno));
	if (!S_ISREG(st.st_mode))
		return sym_error_set(err, -EINVAL, "not a regular file");
	if (st.st_size == 0)
		return sym_error_set(err, -ENOEXEC, "empty file");
	/* shared: into private mappings of a traced file the kernel writes uprobes' breakpoints */
	map = mmap(NULL, st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return sym_error_set(err, -errno, "cannot map: %s", strerror(errno));
	r = open_bytes(im, map, st.st_size, kind, err);
	if (r < 0)
		munmap(map, st.st_size);
	else
		im->mapped = true;
	return r;
}

void image_close(struct image *im)
{
	if (im->elf)
		elf_end(im->elf);
	free(im->segments);
	if (im->mapped)
		munmap(im->map, im->size);
	*im = (struct image){0};
}

void image_rest(const struct image *im)
{
	if (im->mapped)
		madvise(im->map, im->size, MADV_DONTNEED);
}

static const struct segment *segment_of(const struct image *im, uint64_t vaddr)
{
	for (size_t i = 0; i < im->n_segments; i++)
		if (vaddr >= im->segments[i].vaddr &&
		    vaddr - im->segments[i].vaddr < im->segments[i].size)
			return &im->segments[i];
	return NULL;
}

const void *image_at(const struct image *im, uint64_t vaddr, size_t n)
{
	const struct segment *s = segment_of(im, vaddr);

	if (!s || n > s->size - (vaddr - s->vaddr))
		return NULL;
	return im->map + s->offset + (vaddr - s->vaddr);
}

const char *image_string(const struct image *im, uint64_t vaddr)
{
	const struct segment *s = segment_of(im, vaddr);
	const char *p;

	if (!s)
		return NULL;
	p = (const char *)im->map + s->offset + (vaddr - s->vaddr);
	return memchr(p, 0, s->size - (vaddr - s->vaddr)) ? p : NULL;
}

int image_file_offset(const struct image *im, uint64_t vaddr, uint64_t *ret)
{
	const struct segment *s = segment_of(im, vaddr);

	if (!s)
		return -ENOENT;
	*ret = s->offset + (vaddr - s->vaddr);
	return 0;
}

bool image_is_code(const struct image *im, uint64_t vaddr)
{
	const struct segment *s = segment_of(im, vaddr);

	return s && s->executable;
}

static struct section section_bytes(const struct image *im, const GElf_Shdr *h)
{
	if (h->sh_type == SHT_NOBITS || h->sh_offset > im->size ||
	    h->sh_size > im->size - h->sh_offset || h->sh_addr > UINT64_MAX - h->sh_size)
		return (struct section){0};
	return (struct section){
		.data = im->map + h->sh_offset,
		.size = h->sh_size,
		.vaddr = h->sh_addr,
	};
}

struct section image_section(const struct image *im, const char *name, uint32_t type)
{
	Elf_Scn *scn = NULL;
	size_t names;

	if (elf_getshdrstrndx(im->elf, &names) < 0)
		return (struct section){0};
	while ((scn = elf_nextscn(im->elf, scn))) {
		const char *n;
		GElf_Shdr h;

		if (!gelf_getshdr(scn, &h) || h.sh_type != type)
			continue;
		n = elf_strptr(im->elf, names, h.sh_name);
		if (n && !strcmp(n, name))
			return section_bytes(im, &h);
	}
	return (struct section){0};
}

int image_sections(const struct image *im, uint32_t type, section_fn f, void *ctx)
{
	Elf_Scn *scn = NULL;
	int r;

	while ((scn = elf_nextscn(im->elf, scn))) {
		struct section s, strings = {0};
		GElf_Shdr h, l;

		if (!gelf_getshdr(scn, &h) || h.sh_type != type)
			continue;
		s = section_bytes(im, &h);
		if (gelf_getshdr(elf_getscn(im->elf, h.sh_link), &l) && l.sh_type == SHT_STRTAB)
			strings = section_bytes(im, &l);
		r = f(ctx, &s, &strings);
		if (r != 0)
			return r;
	}
	return 0;
}
