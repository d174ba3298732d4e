/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Live capture: resolve, load, attach, then hand every wire record to a sink.
 *
 * The stream is what a recording would hold: it begins with WIRE_START, WIRE_CLOCK, the manager,
 * its enum tables and symbols, one WIRE_PROBE for each probe, the cgroups and the processes that
 * exist already; then kernel-made records in ring buffer order, each preceded by what
 * /proc still knew about the processes it names; WIRE_STACK before a manager's decision; WIRE_LOST
 * where records were dropped; WIRE_IDLE when nothing came for a while. All pids are of the initial
 * pid namespace.
 */
#ifndef SVCTRACE_CAPTURE_H
#define SVCTRACE_CAPTURE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "svctrace/event.h"

#define CAPTURE_RING_DEFAULT (4u << 20) /* bytes */

struct capture_options {
	pid_t manager;	     /* the service manager to trace; 0: every one on this machine */
	size_t ring_size;    /* bytes, rounded up to a power of two pages; 0: the default */
	uint64_t slow_ns;    /* stops that last longer are looked at; 0: none */
	uint64_t timeout_ns; /* capture_run() returns after that long; 0: never */
	bool raw_stacks;     /* samples of the managers' stacks too, with what they hold */
	const char *btf; /* types of a kernel that does not ship its own; NULL: /sys/kernel/btf */
	void (*log)(const char *line);	/* what libbpf says when something fails, whole */
	void (*note)(const char *line); /* managers and modules that came or went, for people */
};

/* One clear line about what went wrong, and one about what to do next (may be empty). */
struct capture_error {
	char what[512];
	char next[512];
};

struct capture;

/*
 * Resolves, loads and attaches; nothing reaches the sink yet. Negative errno with *err filled:
 * -EPERM (privileges), -ESRCH (no such manager), -ENOEXEC (not a systemd), -ENOENT (an essential
 * probe is missing) or what the kernel said.
 */
int capture_new(const struct capture_options *o, struct capture **ret, struct capture_error *err);
void capture_freep(struct capture **c);

/*
 * Streams until capture_stop(), the timeout, or until the sink returns non-zero, which is then
 * returned. Whatever the reason, what the ring still holds is delivered before, and the stream ends
 * with WIRE_END unless the sink refused.
 */
int capture_run(struct capture *c, wire_sink sink, void *ctx);

/* Ends capture_run(); safe in a signal handler. */
void capture_stop(struct capture *c);

/*
 * While capture_run() runs, on_ready is called for each of the watched files that can be read; what
 * it returns is taken as a sink's answer is. There is one on_ready for all.
 */
int capture_watch(struct capture *c, int fd, int (*on_ready)(void *ctx, int fd), void *ctx);

/* What became of one probe. Strings live as long as the capture. */
struct capture_probe {
	const char *name;   /* the function that it watches */
	const char *how;    /* "uprobe", "fentry", "kprobe", "tp_btf", "tracepoint", "none" */
	const char *reason; /* what is lost and why; "" when nothing is */
	int error;	    /* 0: live */
	bool harmless;	    /* not live, but nothing is missed for it here */
	bool in_kernel;	    /* else in the first manager's code */
	uint64_t events;    /* records sent so far */
	uint64_t lost;
};

/* The i-th probe; -ENOENT behind the last one. */
int capture_probe(const struct capture *c, unsigned int i, struct capture_probe *ret);

/* A service manager that is traced now. */
struct capture_manager {
	pid_t pid;
	bool user; /* systemd --user, of uid */
	uint32_t uid;
	const char *object; /* the file that holds its code, as it sees it */
	bool replaced;	    /* which is no longer what lies at that path */
};

/* The i-th manager; -ENOENT behind the last one. */
int capture_manager(const struct capture *c, unsigned int i, struct capture_manager *ret);

/* ns that the parts of capture_new() took. */
struct capture_times {
	uint64_t load_ns;     /* loading the programs */
	uint64_t attach_ns;   /* attaching to the kernel's functions */
	uint64_t managers_ns; /* finding managers, resolving their code, attaching to it */
};
void capture_times(const struct capture *c, struct capture_times *ret);

/* A capability that capture_new() and capture_run() ask for. */
struct capture_capability {
	const char *name; /* "CAP_SYS_PTRACE" */
	const char *use;  /* what it is for */
	bool have;	  /* or another one that does as well */
	bool needed;	  /* on this machine; else in special cases only, which .use names */
};

/* The i-th capability; -ENOENT behind the last one. */
int capture_capability(unsigned int i, struct capture_capability *ret);

/*
 * Once capture_new() is done and what is to be written is open: this process gives up for good
 * every capability but those with which capture_run() attaches to managers that come later, and
 * never gains one again. Negative errno.
 */
int capture_drop_privileges(void);

/* A hardware watchdog, as the system shows it. */
struct capture_watchdog {
	uint32_t number;  /* N of /dev/watchdogN */
	int32_t timeout;  /* s; WIRE_NONE: not known, as the next two */
	int32_t running;  /* 1, 0 */
	int32_t nowayout; /* 1: nothing stops it any more, 0 */
	pid_t holder;	  /* the process that has it open; 0: none was found */
	char identity[64], driver[64];
};

/* Tells every one that this machine has; a return of fn other than 0 ends it. */
typedef int (*capture_watchdog_fn)(void *ctx, const struct capture_watchdog *w);
int capture_watchdogs(capture_watchdog_fn fn, void *ctx);

/*
 * Tells every process that has a FUSE connection's /dev/fuse open, once a file; a negative return
 * of on_holder ends it. Negative errno if this kernel cannot tell: then nothing was told.
 */
typedef int (*capture_fuse_holder)(void *ctx, pid_t tgid, unsigned int connection);
int capture_fuse_holders(capture_fuse_holder on_holder, void *ctx);

#endif
