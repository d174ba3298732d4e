/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What more than one part of svctrace reads in /proc: a task's stat, and the open files of
 * processes. Nobody's server is asked for anything: it may be the one that does not answer.
 */
#ifndef SVCTRACE_PROCFS_H
#define SVCTRACE_PROCFS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PROCFS_COMM_LEN 64 /* with the NUL; kernel threads have long names */

struct procfs_stat {
	pid_t pid, ppid;
	char comm[PROCFS_COMM_LEN];
	char state;
	uint32_t tty;	/* device number, as the kernel shows it; 0: none */
	uint32_t flags; /* PF_* */
	uint64_t start; /* clock ticks since boot */
};

/* text is n bytes that end in no NUL, and may be cut anywhere: then -EBADMSG. */
int procfs_parse_stat(const char *text, size_t n, struct procfs_stat *ret);

/* A file's first max bytes, with a NUL behind. The caller frees. */
int procfs_read_head(int dir, const char *name, size_t max, char **ret, size_t *ret_len);
/* Likewise, of a file that is shorter than max; -EFBIG if it is not. */
int procfs_read_file(int dir, const char *name, size_t max, char **ret, size_t *ret_len);

/* One that a process has open. */
struct procfs_file {
	pid_t tgid, tid;
	int dir; /* of its descriptors … */
	const char *fd;
	const char *target; /* what it is called there: "/dev/fuse", "socket:[1]" */
	int error; /* else 0: -errno, that process's files cannot be read, and dir to target are
		      nothing */
};

/* Not 0: no further ones, and that is returned. */
typedef int (*procfs_file_fn)(void *ctx, const struct procfs_file *f);

/* Of one process, of all its threads' own ones. Who has gone meanwhile is passed over. */
int procfs_open_files_of(pid_t tgid, procfs_file_fn fn, void *ctx);
/* Of all processes. */
int procfs_open_files(procfs_file_fn fn, void *ctx);

/*
 * The number of the character device that it is; 0: none. Looked at only if its name begins so, as
 * most others may be of the very file system that does not answer.
 */
dev_t procfs_device(const struct procfs_file *f, const char *name);
/* What its fdinfo says; as procfs_read_file(). */
int procfs_fdinfo(const struct procfs_file *f, char **ret, size_t *ret_len);

#endif
