/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A mapped file: its bytes, for its unwind data, and the names of its functions. */
#ifndef SVCTRACE_UNWIND_FILE_H
#define SVCTRACE_UNWIND_FILE_H

#include "elf/image.h"
#include "elf/symtab.h"
#include "svctrace/unwind.h"

struct unwind_file {
	uint64_t dev, inode;
	unsigned int users;
	char *path; /* as the process sees it */
	bool open;
	char *open_path; /* that it was opened by */
	struct image image;
	bool named;		 /* it was tried: one of these, or none */
	struct symbols *symbols; /* of systemd's own files: all functions */
	struct symtab symtab;	 /* of others: those in their symbol tables */
	struct unwind_file *next;
};

struct unwind_files {
	struct unwind_file *first;
	unwind_symbols_fn loaded;
	void *ctx;
};

/* The file of that inode, with one user more. NULL: no memory. */
struct unwind_file *unwind_file_get(struct unwind_files *files, uint64_t dev, uint64_t inode,
				    const char *path);
/* Forgets the file with its last user. */
void unwind_file_put(struct unwind_files *files, struct unwind_file *f);
/* Does nothing if it is open already. -ESTALE: the path leads to another file by now. */
int unwind_file_open(struct unwind_file *f, const char *open_path);
/* Of systemd's own files the resolver knows more than their symbol tables do. */
bool unwind_file_is_systemd(const struct unwind_file *f);
/* Loads the names of an open file unless somebody has them already. */
void unwind_file_prepare(struct unwind_files *files, struct unwind_file *f);
/* Names the function at frame->address. The file is open. */
void unwind_file_name(struct unwind_files *files, struct unwind_file *f,
		      struct unwind_frame *frame);

#endif
