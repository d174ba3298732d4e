/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A 64-bit little-endian ELF object in memory. Every access goes through image_at() or a section's
 * (data, size), so that a length in a broken file can never reach outside the image.
 */
#ifndef SVCTRACE_ELF_IMAGE_H
#define SVCTRACE_ELF_IMAGE_H

#include <elf.h>
#include <libelf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "svctrace/symbol.h"

/* A section's bytes. A section that is absent, NOBITS or reaches beyond the file has size 0. */
struct section {
	const uint8_t *data;
	size_t size;
	uint64_t vaddr;
};

struct segment {
	uint64_t vaddr, offset, size; /* size: bytes in the file */
	bool executable;
};

struct image {
	uint8_t *map; /* owned when mapped is true */
	size_t size;
	bool mapped;
	Elf *elf;
	uint16_t machine, type;
	uint64_t entry; /* 0: not to be started */
	struct segment *segments;
	size_t n_segments;
	uint8_t build_id[SYMBOLS_BUILD_ID_MAX];
	size_t build_id_size;
};

/* A separate debug file keeps the program headers but not the bytes: it has no segments to read. */
enum image_kind { IMAGE_RUNTIME, IMAGE_DEBUG };

/* The image keeps neither fd (which may be closed afterwards) nor data, which has to outlive it. */
int image_open_fd(struct image *im, int fd, enum image_kind kind, struct sym_error *err);
int image_open_memory(struct image *im, const void *data, size_t size, struct sym_error *err);
void image_close(struct image *im);
/* Lets go of the pages that were read: those that are needed again come back by themselves. */
void image_rest(const struct image *im);

/* n bytes at a virtual address, NULL where the file has none. */
const void *image_at(const struct image *im, uint64_t vaddr, size_t n);
/* The NUL-terminated string at a virtual address, NULL where there is none within the segment. */
const char *image_string(const struct image *im, uint64_t vaddr);
int image_file_offset(const struct image *im, uint64_t vaddr, uint64_t *ret);
bool image_is_code(const struct image *im, uint64_t vaddr);
struct section image_section(const struct image *im, const char *name, uint32_t type);

/* Calls f for every section of the type; stops at the first non-zero answer and returns it. */
typedef int (*section_fn)(void *ctx, const struct section *s, const struct section *strings);
int image_sections(const struct image *im, uint32_t type, section_fn f, void *ctx);

int sym_error_set(struct sym_error *err, int r, const char *fmt, ...) _printf_(3, 4);

#endif
