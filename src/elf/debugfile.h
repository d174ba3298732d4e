/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Separate debug files and .gnu_debugdata, found and unpacked by libdwfl. */
#ifndef SVCTRACE_ELF_DEBUGFILE_H
#define SVCTRACE_ELF_DEBUGFILE_H

#include "elf/symtab.h"

/*
 * Adds their functions. o: debuginfod and debug_path count. ret_path: the debug file that was used,
 * NULL when none (owned by the caller). A debug file of another build is not used. No debug file is
 * no error.
 */
int debugfile_add(struct symtab *t, const struct image *im, const char *path,
		  const struct symbols_options *o, char **ret_path);

#endif
