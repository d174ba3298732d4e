/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Finding functions, struct offsets and enum names in one systemd object, stripped or not.
 *
 * Units: every address is a virtual address of the object's file (as nm and readelf print it, not
 * yet moved by the loader); a file offset is what a uprobe takes. Offsets within structs and sizes
 * are bytes.
 * Errors: 0, or a negative errno; sym_error then holds one line for a person. Nothing here logs,
 * exits, or goes to the network unless symbols_options.debuginfod says so.
 * Ownership: strings handed out belong to the struct symbols and live as long as it does.
 * Threads: a loaded struct symbols is read-only and may be shared; loading may not run in parallel
 * with code that uses the environment (DEBUGINFOD_URLS is unset unless opted in).
 */
#ifndef SVCTRACE_SYMBOL_H
#define SVCTRACE_SYMBOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "svctrace/cleanup.h"

#define SYMBOLS_BUILD_ID_MAX 64

struct symbols;

/* In the order in which they are asked; the first that knows the name wins. */
enum sym_origin {
	SYM_ORIGIN_NONE,
	SYM_ORIGIN_DYNSYM,    /* exported by the object itself */
	SYM_ORIGIN_SYMTAB,    /* the object is not stripped */
	SYM_ORIGIN_DEBUGFILE, /* separate debug file with the same build-id */
	SYM_ORIGIN_MINIDEBUG, /* .gnu_debugdata */
	SYM_ORIGIN_ENTRY,     /* main(): what the program's start-up code passes to libc */
	SYM_ORIGIN_REFERENCE, /* the function that passes this name as its __func__ */
	SYM_ORIGIN_VTABLE,    /* a slot of a UnitVTable or a D-Bus table names it */
	SYM_ORIGIN_USER,      /* given by the user */
	_SYM_ORIGIN_MAX,
};

enum sym_status {
	SYM_FOUND,
	SYM_MISSING,   /* nothing in the object knows this name */
	SYM_INLINED,   /* its code is there, but only inside of other functions */
	SYM_AMBIGUOUS, /* several places, or one that nothing confirms */
	_SYM_STATUS_MAX,
};

struct sym {
	const char *name;
	uint64_t vaddr;
	uint64_t file_offset;
	uint64_t size; /* 0 when not known */
	enum sym_origin origin;
	enum sym_status status;
	/* Known to be a .isra/.constprop/.part clone: the arguments may not be the source's. Name
	 * references cannot tell, so false is no promise with SYM_ORIGIN_REFERENCE. */
	bool is_clone;
	char reason[160]; /* why found (the witness) or why not; one line, no control bytes */
};

struct sym_enum {
	const char *name; /* "ServiceResult" */
	size_t n;
	const char *const *values; /* n strings; NULL where the enum has a hole */
};

struct sym_offset {
	const char *key; /* "Service.MainPID" */
	size_t offset;
	enum sym_status status;
	char reason[160]; /* where it comes from, and who confirms it */
};

struct sym_error {
	char text[200];
};

struct sym_user {
	const char *name;
	uint64_t vaddr;
};

struct symbols_options {
	bool debuginfod;   /* let libdwfl ask DEBUGINFOD_URLS */
	bool no_debugfile; /* neither separate debug files nor .gnu_debugdata */
	/* Where debug files are, as libdwfl's debuginfo_path; NULL: next to the object, and
	 * /usr/lib/debug. */
	const char *debug_path;
	bool no_reference;
	const struct sym_user *user; /* copied */
	size_t n_user;
	/* Half of the enums and sd-bus are in libsystemd-shared-*.so. NULL: the one that the object
	 * asks for (DT_NEEDED), in the object's own directory. */
	const char *shared_path;
};

/* How the name-reference method does on functions that this very object exports. */
struct sym_calibration {
	size_t exported;     /* functions in .dynsym */
	size_t agree;	     /* found by reference at the exported address */
	size_t disagree;     /* found elsewhere: any of these disables the method */
	size_t unreferenced; /* no answer: its name is in no code, or nothing confirms it */
	bool enabled;
};

/* o may be NULL. -ENOEXEC: no ELF object or a broken one, -ENOTSUP: 32-bit or another machine. */
int symbols_load(const char *path, const struct symbols_options *o, struct symbols **ret,
		 struct sym_error *err);
/* The same for an image in memory, which has to outlive the result. No debug files are sought. */
int symbols_load_memory(const void *image, size_t size, const struct symbols_options *o,
			struct symbols **ret, struct sym_error *err);
void symbols_free(struct symbols *s);

static inline void symbols_freep(struct symbols **s)
{
	if (*s)
		symbols_free(*s);
}

/* 0, -ENOENT (missing or inlined) or -ENOTUNIQ (ambiguous); ret is filled in every case. */
int symbols_find(const struct symbols *s, const char *fn, struct sym *ret);

/*
 * How many bytes of one of its first six arguments (from 0) the function takes over at its start:
 * 4 (an int or a bool) or 8 (a pointer), -ENOENT when its code does not tell. Signatures differ
 * between releases: in 252 arguments 4 and 5 of transaction_add_job_and_dependencies() are bool
 * matters and bool conflicts, in 254 flags and a sd_bus_error *, so the width of 5 tells which.
 */
int symbols_argument_width(const struct symbols *s, const char *fn, unsigned argument);

/*
 * "Unit.Id", "Service.MainPID", "Service.ControlPID", "Service.PIDFile", "Service.Result"…: the
 * offset that the D-Bus property table of that interface passes to its getter, so the key is
 * STRUCT.Property with STRUCT one of Unit, Service, Scope, Job, Manager. The value need not be what
 * D-Bus shows: read a field's layout from systemd's source.
 *
 * In no such table, and found in code: "Job.Unit", and by their names in the source
 * "Scope.state", "Service.state", "Service.control_command_id" (a ServiceExecCommand),
 * "Service.watchdog_usec", "Service.watchdog_original_usec", "Service.watchdog_override_usec"
 * (uint64_t), "Service.watchdog_override_enable" (bool), "Service.forbid_restart" (a byte of bits:
 * main_pid_known 1, main_pid_alien 2, forbid_restart 8) and "Unit.start_ratelimit" (uint64_t
 * interval, unsigned burst and num, uint64_t begin); "Service.timeout_abort_usec" (uint64_t) and
 * "Service.timeout_abort_set" (bool); "ExitStatusSet.signal", which is the second of its two
 * Bitmaps (uint64_t * and a length, which is an unsigned or begins with one).
 *
 * Of sd-bus, as libsystemd-shared's exported functions read them: of sd_bus_message "Message.bus"
 * (sd_bus *), "Message.sender", "Message.path", "Message.member" (strings; sender is NULL on a
 * direct connection) and "Message.header" (points to the header as on the wire: byte order at 0,
 * type at 1, serial at 8); of sd_bus "Bus.input_fd" (int).
 * 0, -ENOENT or -ENOTUNIQ. symbols_offset_info() also says where it comes from.
 */
int symbols_offset(const struct symbols *s, const char *key, size_t *ret);
int symbols_offset_info(const struct symbols *s, const char *key, struct sym_offset *ret);

/* ServiceResult, ServiceState, ServiceType, ServiceRestart, UnitActiveState, UnitLoadState,
 * JobType, JobMode, JobResult, NotifyAccess, KillMode, OOMPolicy, ServiceExecCommand,
 * EmergencyAction, ServiceRestartMode, ScopeState, ScopeResult. NULL when not found. */
const struct sym_enum *symbols_enum(const struct symbols *s, const char *name);
/* The value's name, NULL when the enum or the value is unknown. */
const char *symbols_enum_name(const struct symbols *s, const char *name, int64_t value);
/* The name's value, or -ENOENT. */
int symbols_enum_value(const struct symbols *s, const char *name, const char *value);

const char *symbols_path(const struct symbols *s);	 /* as given; "" for a memory image */
const char *symbols_build_id(const struct symbols *s);	 /* hex, "" when there is none */
const char *symbols_arch(const struct symbols *s);	 /* "x86-64" or "aarch64" */
const char *symbols_debug_file(const struct symbols *s); /* NULL when none was found */
struct sym_calibration symbols_calibration(const struct symbols *s);

/*
 * The function that holds an address (by .eh_frame, else by symbol size), for naming frames; a cold
 * part's is the function that it belongs to. 0 or -ENOENT. ret->status is SYM_AMBIGUOUS where
 * nothing confirms the name: show it as a guess, or if it is "" the address.
 */
int symbols_at(const struct symbols *s, uint64_t vaddr, struct sym *ret);
/* The other way: where in the file's addresses is this file offset? */
int symbols_vaddr_of_offset(const struct symbols *s, uint64_t file_offset, uint64_t *ret);

/* Calls f for each name that resolves, in name order. f's non-zero answer ends it and is returned.
 */
typedef int (*sym_fn)(void *ctx, const struct sym *sym);
int symbols_each(const struct symbols *s, sym_fn f, void *ctx);

/* What svctrace itself asks for; NULL-terminated. "Essential" ones come first in needed_functions.
 */
extern const char *const sym_needed_functions[];
extern const char *const sym_needed_offsets[];
extern const char *const sym_needed_enums[];
bool sym_is_essential(const char *name);

const char *sym_origin_name(enum sym_origin o);
const char *sym_status_name(enum sym_status s);

struct sym_object {
	char *open_path; /* to read and to attach to; works from this mount namespace, and also when
			  * the file was replaced on disk, as long as the process lives */
	char *name;	 /* path as the process sees it */
	uint64_t dev;	 /* of the mapped file, as in /proc/PID/maps */
	uint64_t inode;
	uint64_t base; /* address in the process minus the file's virtual address, when readable */
	bool replaced; /* the file at `name` is no longer the mapped one */
	char *shared_path; /* libsystemd-shared-*.so of the same process, as open_path; may be NULL
			    */
};

/*
 * The object that holds a service manager's own code: libsystemd-core-*.so where the process has
 * it mapped executable, else its executable. -ESRCH: no such process, -EACCES: maps not readable,
 * -ENOENT: it maps no such object (any more).
 */
int symbols_object_of_pid(pid_t pid, struct sym_object *ret, struct sym_error *err);
void sym_object_done(struct sym_object *o);

#endif
