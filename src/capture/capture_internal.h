/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SVCTRACE_CAPTURE_INTERNAL_H
#define SVCTRACE_CAPTURE_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <linux/types.h>

#include "svctrace/capture.h"
#include "svctrace/pidfile.h"
#include "svctrace/symbol.h"
#include "svctrace/unwind.h"
#include "svctrace/wire.h"
#include "bpf/layout.h"
#include "capture/helper.h"
#include "capture/stream.h"
#include "capture/types.h"
#include "capture/uprobe.h"

struct svctrace_bpf;
struct probes;
struct bpf_link;
struct bpf_program;

int capture_fail(struct capture_error *err, int r, const char *next, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
uint64_t clock_ns(int clock);

/* What became of one probe. */
struct probe_state {
	const char *name;
	const unsigned int *kinds; /* of record, KINDS_MAX of them, 0 where there are fewer */
	const char *how;	   /* NULL: not at all */
	char reason[256];
	int error;
	bool harmless; /* not live, but nothing is missed for it */
};

#define KINDS_MAX   2

/* object.c: a file that holds a service manager's code; two managers may share one. */
#define UPROBES_MAX 40
#define STATES_MAX  (UPROBES_MAX + 3) /* and those of what several of them send */

struct object {
	struct sym_object file;
	struct symbols *symbols;
	struct manager_layout layout;
	struct pidfile_rules pidfile_rules; /* of the first manager that it was seen in */
	struct uprobe links[2 * UPROBES_MAX];
	unsigned int n_links;
	struct probe_state state[STATES_MAX];
	unsigned int n_states;
	unsigned int users;
};
/* Resolves and attaches. file is taken over. */
int object_new(struct sym_object *file, struct probes *p, struct object **ret,
	       struct capture_error *err);
void object_freep(struct object **o);
int object_describe(const struct object *o, pid_t manager, struct stream *s);
/* The programs that objects want loaded. */
bool object_wants(const char *program);

/* manager.c: whom we trace. */
struct manager {
	pid_t pid;
	uint64_t start_ns;
	uint32_t pidns; /* inode */
	bool user;
	uint32_t uid;
	struct object *object;
	struct unwinder *unwinder; /* NULL: none yet for what it executes now */
	int ask_fd;		   /* to the process that asks it for us; -1: none is needed */
};

#define MANAGERS_MAX 256
#define OBJECTS_MAX  32

struct managers {
	struct manager manager[MANAGERS_MAX];
	unsigned int n;
	struct object *objects[OBJECTS_MAX];
	unsigned int n_objects;
	struct unwind_files *files;
};
/* Before anything else. -ENOMEM. */
int managers_init(struct managers *ms);
/*
 * Traces that manager from now on. 1: it is traced already, by the same code. 0: it is new, or its
 * code is. -ESRCH, -EPERM, -ENOEXEC (no systemd, or not yet), -ENOENT (an essential probe).
 */
int managers_add(struct managers *ms, struct probes *p, pid_t pid, struct capture_error *err);
typedef void (*managers_untraced)(void *ctx, pid_t pid, int error, const char *why);
/*
 * Every manager of this machine; the number found, or what kept PID 1 from it. untraced is told of
 * each that is not traced while others are.
 */
int managers_scan(struct managers *ms, struct probes *p, managers_untraced untraced, void *ctx,
		  struct capture_error *err);
void managers_remove(struct managers *ms, struct probes *p, pid_t pid);
/*
 * Reads the names of all that they have mapped, ahead of the first sample. Once the probes are
 * live: the ring holds what comes meanwhile.
 */
void managers_prepare(struct managers *ms);
/* It executed something: what it had mapped is gone. */
void managers_executed(struct managers *ms, pid_t pid);
/*
 * The call chain of a sample, as WIRE_STACK; nothing if the manager is not known any more.
 * *from_end: it leads from the end of a unit.
 */
int managers_unwind(struct managers *ms, const struct wire_stack_sample *w, struct stream *s,
		    bool *from_end);
void managers_done(struct managers *ms);
/*
 * The manager whose cgroup hierarchy counts: the one that was named; else PID 1, or any other if
 * that is no systemd. -ESRCH, -EPERM, -ENOEXEC.
 */
int manager_choose(pid_t named, pid_t *ret, struct capture_error *err);
const struct manager *managers_find(const struct managers *ms, pid_t pid);
/* The word for a number of one of its enum tables; "": not known. */
const char *manager_word(const struct manager *m, const char *table, int32_t value);
int manager_describe(const struct manager *m, struct stream *s);
/* Does an executable of that name start a service manager? */
bool names_manager(const char *exe, size_t n);

/* hierarchy.c: the cgroup hierarchy that the manager uses. */
struct hierarchy {
	int id;	     /* 0: cgroup v2; else that of v1's name=systemd */
	char *mount; /* where this process sees it */
	char *root;  /* the path within the hierarchy that mount shows; "" for all of it */
};
int hierarchy_find(struct hierarchy *h, pid_t manager, struct capture_error *err);
void hierarchy_done(struct hierarchy *h);
/* One cgroup that exists. */
struct hierarchy_node {
	int fd;		  /* its directory */
	const char *path; /* from the hierarchy's root */
	uint64_t id, parent;
	bool service; /* is a service's, or lies below one */
};
typedef int (*hierarchy_fn)(void *ctx, const struct hierarchy_node *node);
/* Every cgroup, parents first. Ends with what fn returns if that is not 0. */
int hierarchy_walk(const struct hierarchy *h, hierarchy_fn fn, void *ctx);

/* probes.c: the programs, and the kernel functions that they are attached to. */
#define KPROBES_MAX   16
#define LINKS_MAX     8 /* that one probe is made of */
#define INSTANCES_MAX 16

/* A program whose runs the kernel may leave out. */
struct attached {
	unsigned int probe;
	int program; /* its file */
};

struct probes {
	struct probe_state state[KPROBES_MAX];
	unsigned int way[KPROBES_MAX];
	struct bpf_link *links[KPROBES_MAX][LINKS_MAX];
	unsigned int n;
	struct svctrace_bpf *instance[INSTANCES_MAX];
	unsigned int n_instances;
	struct attached attached[(KPROBES_MAX + INSTANCES_MAX) * LINKS_MAX];
	unsigned int n_attached;
	uint64_t load_ns, attach_ns;
	int hierarchy_id;
	size_t ring_size;
	size_t ring_batch;		       /* bytes that are too many to wait with */
	const char *btf;		       /* NULL: the kernel's own */
	struct types types;		       /* of that those which all programs name */
	const struct bpf_object *iterators[2]; /* that are loaded later, with these types */
	unsigned int n_iterators;
};
/* Loads every program and attaches those of the kernel's functions. */
int probes_load(struct probes *p, struct capture_error *err);
void probes_done(struct probes *p);
/* The programs as a file are not needed in memory until more are loaded. */
void probes_rest(void);
int probes_map_fd(const struct probes *p, const char *map);
/* Puts a key into a set that the programs ask key_hints about first. */
int probes_add_key(const struct probes *p, const char *map, const void *key, uint64_t number,
		   const void *value);
struct bpf_program *probes_program(const struct probes *p, const char *name);
uint64_t probes_lost(const struct probes *p);
/* Runs of programs that the kernel left out: each may have had a record to send. Asks the kernel.
 */
uint64_t probes_skipped(const struct probes *p);
/* The records of one probe that were sent, and lost for whatever reason, so far. */
void probes_count(const struct probes *p, const struct probe_state *s, uint64_t *ret_sent,
		  uint64_t *ret_lost);
int probe_describe(const struct probe_state *s, struct stream *st);
/* fuse came as a module: its probe is attached now. 1 if it was. */
int probes_retry(struct probes *p, const char *module);
/* libbpf's own talk; the last complaint about a program is kept to name the culprit. */
void probes_set_log(void (*log)(const char *line));

/* tracepoint.c: name is GROUP/NAME; NULL and errno if it cannot be attached. */
struct bpf_link *tracepoint_attach(struct bpf_program *prog, const char *name);

/* privileges.c: what tracing is allowed to do. */
/* The capabilities that tracing lacks here, by name; their number. */
int privileges_missing(char *ret, size_t n);
/* -EPERM, with their names in the next step; what else it may be, should none lack. */
int privileges_fail(struct capture_error *err, const char *otherwise, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
#define FORBIDDEN "lockdown, a security module or a container's seccomp filter forbids it"
/* All capabilities, for good. */
int privileges_give_up(void);
/* -EXDEV where the process numbers of /proc are not those that BPF sees. */
int privileges_check_namespace(struct capture_error *err);

/* How long capture may wait for others: the ring buffer holds what happens meanwhile. */
struct budget {
	uint64_t since_ns, waited_ns;
};
/* What is left of ns in each per_ns; 0: nothing. */
uint64_t budget_left(struct budget *b, uint64_t now, uint64_t ns, uint64_t per_ns);
/* Until there is something to read; false: not in time. */
bool wait_until(int fd, uint64_t deadline_ns);

/* pidfile_look.c: the PID file that a manager is about to load. */
struct pidfile_looker {
	struct budget budget;
	struct helper helper; /* waits to be asked */
	int changes; /* inotify: something changed where a file is; -1: none is looked at */
	struct pidfile_watch *watch; /* the files that were loaded */
	unsigned int n_watches;
};
#define PIDFILE_PLACES	    2 /* of the name, and of the file that a link leads to */
#define PIDFILE_WATCHES_MAX 256
/* What to wait on for changes; -1: nothing can be looked at. */
int pidfile_look_open(struct pidfile_looker *l);
/* Looks again at what has changed. */
int pidfile_look_at_changes(struct pidfile_looker *l, struct stream *s);
void pidfile_look_result(struct pidfile_looker *l, const struct wire_service *result);
/* That service has ended; unit 0: all of that manager's. */
void pidfile_look_forget(struct pidfile_looker *l, pid_t manager, uint64_t unit);
/* Makes the process that does it, with the privileges of now. */
void pidfile_look_prepare(struct pidfile_looker *l, struct stream *s);
void pidfile_look_done(struct pidfile_looker *l);
/* Follows the way to the file, and puts what is found into the stream. */
int pidfile_look(struct pidfile_looker *l, const struct manager *m, const struct wire_service *load,
		 struct stream *s);

/* ask.c: what only the manager knows. */
#define ASK_MAX 64
struct asker {
	struct budget budget;
	/* jobs that others pulled in, the latest; asked about when one of them runs */
	struct pulled_in {
		pid_t manager;
		bool asked;
		char unit[WIRE_ID_MAX];
		char by[WIRE_ID_MAX]; /* "": it was the end of some unit that it is bound to */
	} pulled_in[ASK_MAX];
	unsigned int n; /* ever */
	bool from_end;	/* the last stack leads from the end of a unit */
};
/*
 * A manager answers processes of its own pid namespace only. For one in another a process is made
 * that lives there and asks for us, until its end of *ret is closed. -1 in *ret: not needed, or not
 * to be had.
 */
void ask_prepare(pid_t manager, int *ret);
/* A job that perhaps never runs: most pull in others that have nothing to do. */
void ask_later(struct asker *a, const struct manager *m, const struct wire_job *w);
/* Likewise one that the manager made as another unit had ended. */
void ask_later_who_ended(struct asker *a, const struct manager *m, const struct wire_job *w);
/* A unit's job runs: puts into the stream by which dependencies it was pulled in, if it was. */
int ask_about(struct asker *a, const struct manager *m, const struct wire_hdr *h,
	      struct wire_str id, struct stream *s);

/* How systemd is set to use a hardware watchdog; WIRE_USEC_NONE, "": not known. */
struct watchdog_settings {
	uint64_t runtime_usec, reboot_usec;
	uint64_t pinged_usec; /* when it pinged last, CLOCK_MONOTONIC */
	char device[128];
};
/* Asks process 1, for a second at most; false: it did not answer. */
bool ask_watchdog(struct watchdog_settings *ret);

/* enrich.c: what /proc still knows of the processes that a record names. */
struct enrich;
int enrich_new(int hierarchy_id, struct enrich **ret);
void enrich_freep(struct enrich **e);
int enrich_record(struct enrich *e, const struct wire_hdr *h, struct stream *s);
/* Every process that lives now: whoever acts later has ancestors among them. */
int enrich_all(struct enrich *e, struct stream *s);

#endif
