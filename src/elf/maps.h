/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The files that a process has mapped. */
#ifndef SVCTRACE_ELF_MAPS_H
#define SVCTRACE_ELF_MAPS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* One line of /proc/PID/maps that names a file. */
struct mapping {
	uint64_t start, end, offset, dev, inode;
	char *path; /* as the process sees it, without " (deleted)"; owned */
	bool deleted;
	bool executable;
};

void mapping_done(struct mapping *m);

/* f may take the path over and leave NULL. Its non-zero answer ends it and is returned. */
typedef int (*mapping_fn)(void *ctx, struct mapping *m);
/* -ESRCH: no such process; -EACCES: not allowed to look. */
int maps_each(pid_t pid, mapping_fn f, void *ctx);

/*
 * A path to the mapped file itself, or NULL where nothing leads to it. replaced: the file that lies
 * at its path is another one. The caller frees.
 */
char *mapping_open_path(pid_t pid, const struct mapping *m, bool *ret_replaced);

/* What /proc/PID/exe says, without " (deleted)"; "" if that cannot be read. */
void maps_exe(pid_t pid, char *ret, size_t n);

#endif
