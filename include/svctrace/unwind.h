/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Unwinding: from the registers and the stack of a process at one moment to its call chain, named.
 *
 * By .eh_frame alone (libdw): no frame pointers, no ptrace, no debug files needed, nothing of the
 * process but what the sample holds. A walk ends where nothing tells how to go on; it never guesses
 * a frame. The files are those that the process has mapped, also when others lie at their paths by
 * now; each is opened when a stack first leads through it.
 *
 * Units: bytes; addresses are the process's unless said otherwise.
 * Errors: 0 or a negative errno. Nothing here logs, exits or goes to the network.
 * Threads: an unwinder and its files serve one thread at a time.
 */
#ifndef SVCTRACE_UNWIND_H
#define SVCTRACE_UNWIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "svctrace/symbol.h"
#include "svctrace/wire.h"

/* Symbols of a file that somebody has loaded already, by its device and inode; NULL: none. */
typedef const struct symbols *(*unwind_symbols_fn)(void *ctx, uint64_t dev, uint64_t inode);

/* Files and their names, shared by the unwinders of all processes that map them. */
struct unwind_files;

/* loaded may be NULL. What it returns has to live until the caller has used the frames. -ENOMEM. */
int unwind_files_new(unwind_symbols_fn loaded, void *ctx, struct unwind_files **ret);
/* After the last of its unwinders. */
void unwind_files_freep(struct unwind_files **files);

struct unwinder;

/* As in /proc/PID/maps. */
struct unwind_mapping {
	uint64_t start, end, offset;
	const char *path; /* opened as it is */
};

/* The process's mappings of now. -ESRCH, -EACCES, -ENOMEM. */
int unwinder_new_pid(struct unwind_files *files, pid_t pid, struct unwinder **ret);
/* These mappings. A file that cannot be opened is one without unwind data. -ENOMEM. */
int unwinder_new(struct unwind_files *files, const struct unwind_mapping *mappings, size_t n,
		 struct unwinder **ret);
void unwinder_freep(struct unwinder **u);

/*
 * Opens systemd's own files and finds their names now: tens of ms that the first walk would take
 * otherwise, while events wait.
 */
void unwinder_prepare(struct unwinder *u);

struct unwind_sample {
	const __u64 *regs; /* by DWARF number, the program counter behind them */
	size_t n_regs;
	uint64_t sp; /* address of the first byte */
	const void *bytes;
	size_t size;
};

struct unwind_frame {
	uint64_t address;   /* in the file; of the call, not behind it. Without a file: as it is */
	uint32_t offset;    /* from the function's begin; 0 in a cold part, which lies elsewhere */
	bool guess;	    /* nothing confirms the name */
	const char *name;   /* "": not known */
	const char *object; /* path as the process sees it; "": no mapped file */
};

struct unwind_stack {
	struct unwind_frame frames[WIRE_FRAMES_MAX]; /* innermost first */
	unsigned int n;
	enum wire_stack_end end;
};

/*
 * The sample may hold anything. Strings in *ret live until the unwinder is freed. There is always
 * one frame at least if the sample has registers. -EBADMSG: it has none, or too many.
 */
int unwinder_walk(struct unwinder *u, const struct unwind_sample *s, struct unwind_stack *ret);

#endif
