/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What tracing is allowed to do: which capabilities it takes, which are missing by name, and giving
 * up all others. libcap is not needed for that: two system calls and the names of a few bits.
 */
#include <errno.h>
#include <linux/capability.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "capture/capture_internal.h"
#include "svctrace/cleanup.h"

#define PIDNS_OF_THE_MACHINE 0xEFFFFFFC /* its inode number, in every kernel */

struct capability {
	const char *name;
	unsigned int bit;
	const char *use;
	bool admin;	      /* CAP_SYS_ADMIN does as well */
	bool (*needed)(void); /* NULL: always */
	enum {
		DROP,		/* once everything is attached */
		KEEP,		/* for managers and modules that come later */
		KEEP_IF_NEEDED, /* likewise */
	} after;
};

static bool kernel_is_before(unsigned int major, unsigned int minor)
{
	unsigned int have_major, have_minor;
	struct utsname u;

	return uname(&u) == 0 && sscanf(u.release, "%u.%u", &have_major, &have_minor) == 2 &&
	       (have_major < major || (have_major == major && have_minor < minor));
}

/* The memory of BPF maps counted as locked memory then, of which a user has little. */
static bool maps_are_locked_memory(void)
{
	return kernel_is_before(5, 11);
}

/* See uprobe.c. Who may not load BPF cannot ask the kernel itself. */
static bool uprobes_are_perf_events(void)
{
	return kernel_is_before(6, 6);
}

static bool never(void)
{
	return false;
}

static const struct capability capabilities[] = {
	{"CAP_BPF", CAP_BPF, "BPF programs and their maps", true, NULL, KEEP},
	{"CAP_PERFMON", CAP_PERFMON, "BPF programs that read the kernel's memory, probes", true,
	 NULL, KEEP},
	{"CAP_SYS_ADMIN", CAP_SYS_ADMIN, "uprobes on the manager's code, only before Linux 6.6",
	 false, uprobes_are_perf_events, KEEP_IF_NEEDED},
	{"CAP_SYS_PTRACE", CAP_SYS_PTRACE, "which code a manager runs, what processes execute",
	 false, NULL, KEEP},
	{"CAP_CHECKPOINT_RESTORE", CAP_CHECKPOINT_RESTORE,
	 "only for a manager whose file was replaced on disk", true, never, KEEP},
	{"CAP_DAC_READ_SEARCH", CAP_DAC_READ_SEARCH, "only for the same, by a user other than root",
	 false, never, KEEP},
	{"CAP_SYS_RESOURCE", CAP_SYS_RESOURCE, "memory for BPF maps, only before Linux 5.11", false,
	 maps_are_locked_memory, DROP},
};

static uint64_t bit(unsigned int capability)
{
	return UINT64_C(1) << capability;
}

static uint64_t effective(void)
{
	struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct d[2] = {};

	if (syscall(SYS_capget, &h, d) < 0)
		return 0;
	return (uint64_t)d[1].effective << 32 | d[0].effective;
}

static bool have(const struct capability *c, uint64_t set)
{
	return (set & bit(c->bit)) || (c->admin && (set & bit(CAP_SYS_ADMIN)));
}

static bool is_needed(const struct capability *c)
{
	return !c->needed || c->needed();
}

int capture_capability(unsigned int i, struct capture_capability *ret)
{
	const struct capability *c = &capabilities[i];

	if (i >= ARRAY_LEN(capabilities))
		return -ENOENT;
	*ret = (struct capture_capability){
		.name = c->name,
		.use = c->use,
		.have = have(c, effective()),
		.needed = is_needed(c),
	};
	return 0;
}

int privileges_missing(char *ret, size_t n)
{
	uint64_t set = effective();
	size_t len = 0;
	int count = 0;

	ret[0] = 0;
	for (size_t i = 0; i < ARRAY_LEN(capabilities); i++) {
		const struct capability *c = &capabilities[i];

		if (!is_needed(c) || have(c, set) || len >= n)
			continue;
		len += snprintf(ret + len, n - len, "%s%s", count ? ", " : "", c->name);
		count++;
	}
	return count;
}

int privileges_fail(struct capture_error *err, const char *otherwise, const char *fmt, ...)
{
	char missing[256], what[256], next[400];
	va_list args;

	va_start(args, fmt);
	vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);
	if (privileges_missing(missing, sizeof(missing)) > 0)
		snprintf(next, sizeof(next), "Run it as root (sudo svctrace), or give it %s.",
			 missing);
	else
		snprintf(next, sizeof(next), "No capability is missing: %s.", otherwise);
	return capture_fail(err, -EPERM, next, "%s", what);
}

/* BPF sees the machine's process numbers; this process would look up its own namespace's. */
int privileges_check_namespace(struct capture_error *err)
{
	struct stat st;

	if (stat("/proc/self/ns/pid", &st) < 0 || st.st_ino == PIDNS_OF_THE_MACHINE)
		return 0;
	return capture_fail(err, -EXDEV,
			    "Run svctrace on the machine itself: it traces the systemd in this "
			    "container from there (--manager=PID).",
			    "this is a container: its process numbers are not the machine's");
}

static void drop_bounding_set(uint64_t keep)
{
	for (unsigned int i = 0; prctl(PR_CAPBSET_READ, i) >= 0; i++)
		if (!(keep & bit(i)))
			prctl(PR_CAPBSET_DROP, i); /* without CAP_SETPCAP it stays as it is */
}

/* Only these are kept, for good. */
static int keep_capabilities(uint64_t keep)
{
	struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct d[2] = {};

	drop_bounding_set(keep);
	keep &= effective();
	d[0].effective = d[0].permitted = keep;
	d[1].effective = d[1].permitted = keep >> 32;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || syscall(SYS_capset, &h, d) < 0)
		return -errno;
	return 0;
}

int privileges_give_up(void)
{
	return keep_capabilities(0);
}

int capture_drop_privileges(void)
{
	uint64_t keep = 0;

	for (size_t i = 0; i < ARRAY_LEN(capabilities); i++) {
		const struct capability *c = &capabilities[i];

		if (c->after == KEEP || (c->after == KEEP_IF_NEEDED && is_needed(c)))
			keep |= bit(c->bit);
	}
	return keep_capabilities(keep);
}
