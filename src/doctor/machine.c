/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* svctrace doctor: what the machine offers, and what this process may do with it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>

#include "doctor.h"
#include "svctrace/cleanup.h"
#include "svctrace/text.h"
#include "systemctl.h"

#define BTF		     "/sys/kernel/btf/vmlinux"
#define KPROBE_EVENTS	     "/sys/bus/event_source/devices/kprobe/type"
#define UPROBE_EVENTS	     "/sys/bus/event_source/devices/uprobe/type"
#define LOCKDOWN	     "/sys/kernel/security/lockdown"
#define PIDNS_OF_THE_MACHINE 0xEFFFFFFC
#define SYSTEMCTL_MS	     5000
#define SYSTEMCTL_MAX	     4096

/* The first line; "" where it cannot be read. */
static const char *read_line(const char *path, char *ret, size_t n)
{
	_cleanup_fclose_ FILE *f = fopen(path, "re");

	ret[0] = 0;
	if (f && fgets(ret, n, f))
		ret[strcspn(ret, "\n")] = 0;
	return ret;
}

static bool exists(const char *path)
{
	return access(path, F_OK) == 0;
}

static void check_types(struct doctor *d)
{
	const char *given = d->tracing.capture.btf;

	if (given)
		doctor_add(d, FINDING_OK, "BTF", given, NULL, "types of the kernel, as given");
	else if (access(BTF, R_OK) == 0)
		doctor_add(d, FINDING_OK, "BTF", BTF, NULL, "types of the kernel");
	else
		doctor_add(
			d, FINDING_MISSING, "BTF", NULL,
			"Boot a kernel with CONFIG_DEBUG_INFO_BTF=y, as distributions ship it, or "
			"give the types of this very kernel with --btf=FILE.",
			"%s", exists(BTF) ? BTF " cannot be read" : "there is no " BTF);
}

static void check_lockdown(struct doctor *d)
{
	char line[64], mode[32];
	const char *open = strchr(read_line(LOCKDOWN, line, sizeof(line)), '[');

	if (!open || sscanf(open, "[%31[^]]", mode) != 1)
		doctor_add(d, FINDING_OK, "lockdown", NULL, NULL, "this kernel names none");
	else if (strcmp(mode, "confidentiality") == 0)
		doctor_add(d, FINDING_MISSING, "lockdown", mode,
			   "Boot without lockdown=confidentiality; integrity does no harm.",
			   "forbids every probe and BPF to read the kernel's memory");
	else
		doctor_add(d, FINDING_OK, "lockdown", mode, NULL, "forbids nothing that we need");
}

/* How many of the kernel's probes are attached that way. */
static unsigned int attached(const struct doctor *d, const char *how)
{
	struct capture_probe p;
	unsigned int n = 0;

	for (unsigned int i = 0; d->capture && capture_probe(d->capture, i, &p) == 0; i++)
		n += p.in_kernel && p.error == 0 && strcmp(p.how, how) == 0;
	return n;
}

static bool lost_in_kernel(const struct doctor *d)
{
	struct capture_probe p;

	for (unsigned int i = 0; d->capture && capture_probe(d->capture, i, &p) == 0; i++)
		if (p.in_kernel && p.error && !p.harmless)
			return true;
	return false;
}

static void check_ways_in(struct doctor *d)
{
	static const char *const ways[] = {"fentry", "tp_btf", "tracepoint"};

	for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
		unsigned int n = attached(d, ways[i]);

		if (!d->capture)
			doctor_add(d, FINDING_UNTRIED, ways[i], NULL, NULL, "nothing was attached");
		else
			doctor_add(d, n ? FINDING_OK : FINDING_UNNEEDED, ways[i], NULL, NULL,
				   "%u kernel probe%s attached so", n, n == 1 ? "" : "s");
	}
	if (exists(KPROBE_EVENTS))
		doctor_add(d, FINDING_OK, "kprobe", NULL, NULL,
			   "there, where fentry is not (%u attached so)", attached(d, "kprobe"));
	else
		doctor_add(d, lost_in_kernel(d) ? FINDING_MISSING : FINDING_UNNEEDED, "kprobe",
			   NULL,
			   lost_in_kernel(d) ? "Boot a kernel with CONFIG_KPROBE_EVENTS=y." : NULL,
			   "this kernel has none");
	if (exists(UPROBE_EVENTS))
		doctor_add(d, FINDING_OK, "uprobe", NULL, NULL, "probes in the manager's code");
	else
		doctor_add(d, FINDING_MISSING, "uprobe", NULL,
			   "Boot a kernel with CONFIG_UPROBE_EVENTS=y.",
			   "this kernel has none, or hides /sys");
}

static void check_ring(struct doctor *d)
{
	if (d->capture)
		doctor_add(d, FINDING_OK, "ring buffer", NULL, NULL, "%u KiB",
			   CAPTURE_RING_DEFAULT / 1024);
	else
		doctor_add(d, FINDING_UNTRIED, "ring buffer", NULL, NULL, "nothing was loaded");
}

/* They say what users may do without capabilities: of interest where those are missing. */
static void check_sysctl(struct doctor *d, const char *name, const char *detail)
{
	char path[128], value[32];

	snprintf(path, sizeof(path), "/proc/sys/kernel/%s", name);
	read_line(path, value, sizeof(value));
	d->verbose = !doctor_lacks_privileges();
	if (*value)
		doctor_add(d, FINDING_OK, name, value, NULL, "%s", detail);
	d->verbose = false;
}

void doctor_look_at_kernel(struct doctor *d)
{
	struct utsname u = {};

	d->group = "kernel";
	uname(&u);
	doctor_add(d, FINDING_OK, "release", u.release, NULL, "%s", u.machine);
	check_types(d);
	check_lockdown(d);
	check_ways_in(d);
	check_ring(d);
	check_sysctl(d, "unprivileged_bpf_disabled", "svctrace needs CAP_BPF whatever it is");
	check_sysctl(d, "perf_event_paranoid", "above 2, kprobes too need CAP_SYS_ADMIN");
}

static void check_namespace(struct doctor *d)
{
	struct stat st;

	if (stat("/proc/self/ns/pid", &st) < 0)
		doctor_add(d, FINDING_MISSING, "pid namespace", NULL,
			   "Mount it: mount -t proc proc /proc", "/proc is not mounted");
	else if (st.st_ino == PIDNS_OF_THE_MACHINE)
		doctor_add(d, FINDING_OK, "pid namespace", "machine", NULL,
			   "process numbers are the machine's");
	else
		doctor_add(d, FINDING_MISSING, "pid namespace", "container",
			   "Run svctrace on the machine itself, where it sees this container's "
			   "systemd too.",
			   "process numbers are a container's: BPF sees others");
}

void doctor_look_at_privileges(struct doctor *d)
{
	struct capture_capability c;
	char uid[16];

	d->group = "privileges";
	snprintf(uid, sizeof(uid), "%u", geteuid());
	doctor_add(d, FINDING_OK, "user", uid, NULL, geteuid() ? "not root" : "root");
	check_namespace(d);
	for (unsigned int i = 0; capture_capability(i, &c) == 0; i++) {
		enum finding f = c.have	    ? FINDING_OK
				 : c.needed ? FINDING_MISSING
					    : FINDING_UNNEEDED;

		doctor_add(d, f, c.name, NULL,
			   f == FINDING_MISSING
				   ? "Run it as root (sudo svctrace doctor), or give it that."
				   : NULL,
			   "%s", c.use);
	}
}

struct cgroups {
	bool v1, v2, named; /* named: v1's name=systemd */
	char mount[256];
};

static struct cgroups read_cgroups(void)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/self/mountinfo", "re");
	_cleanup_free_ char *line = NULL;
	struct cgroups c = {};
	size_t room = 0;

	while (f && getline(&line, &room, f) > 0) {
		const char *dash = strstr(line, " - ");
		bool v2 = dash && strncmp(dash, " - cgroup2 ", 11) == 0;
		bool v1 = dash && strncmp(dash, " - cgroup ", 10) == 0;
		bool named = v1 && strstr(dash, "name=systemd");

		c.v1 |= v1;
		c.named |= named;
		if ((v2 && !c.v2) || (named && !c.v2))
			sscanf(line, "%*s %*s %*s %*s %255s", c.mount);
		c.v2 |= v2;
	}
	return c;
}

static void check_cgroup(struct doctor *d)
{
	struct cgroups c = read_cgroups();
	const char *mode = c.v2 && c.v1 ? "hybrid" : c.v2 ? "v2" : c.named ? "v1" : NULL;

	if (mode)
		doctor_add(d, FINDING_OK, "cgroup", mode, NULL, "mounted at %s", c.mount);
	else
		doctor_add(d, FINDING_MISSING, "cgroup", NULL,
			   "Mount it: mount -t cgroup2 cgroup2 /sys/fs/cgroup",
			   "no hierarchy of systemd's is mounted here");
}

static void check_fuse(struct doctor *d)
{
	if (exists("/sys/module/fuse/initstate"))
		doctor_add(d, FINDING_OK, "fuse", "module", NULL, "loaded");
	else if (exists("/sys/module/fuse"))
		doctor_add(d, FINDING_OK, "fuse", "built-in", NULL, "part of the kernel");
	else
		doctor_add(d, FINDING_UNNEEDED, "fuse", "absent", NULL,
			   "not loaded: nothing can hang in it; probed when it comes");
}

/* "Software Watchdog, timeout 8 s, pinged by process 1 (systemd)" */
static int check_watchdog(void *ctx, const struct capture_watchdog *w)
{
	struct doctor *d = ctx;
	char name[32], driver[80] = "", timeout[32] = "not known", holder[96] = "held by nobody";
	char path[64], comm[32];

	snprintf(name, sizeof(name), "watchdog%u", w->number);
	if (*w->driver)
		snprintf(driver, sizeof(driver), ", driver %s", w->driver);
	if (w->timeout > 0)
		snprintf(timeout, sizeof(timeout), "%d s", w->timeout);
	if (w->holder) {
		snprintf(path, sizeof(path), "/proc/%d/comm", w->holder);
		snprintf(holder, sizeof(holder), "held by process %d (%s)", w->holder,
			 read_line(path, comm, sizeof(comm)));
	} else if (w->running == 1) {
		snprintf(holder, sizeof(holder), "held by nobody that is seen here");
	}
	doctor_add(d, FINDING_OK, "hardware watchdog", name, NULL, "%s%s, timeout %s, %s, %s",
		   *w->identity ? w->identity : "?", driver, timeout,
		   w->running == 1   ? "running"
		   : w->running == 0 ? "not running"
				     : "perhaps running",
		   holder);
	return 0;
}

/* The value of a line "KEY=…" of what systemctl shows; "": there is none. */
static const char *shown(const char *text, const char *key, char *ret, size_t n)
{
	size_t len = strlen(key);

	ret[0] = 0;
	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, key, len) == 0 && line[len] == '=')
			snprintf(ret, n, "%.*s", (int)strcspn(line + len + 1, "\n"),
				 line + len + 1);
	}
	return ret;
}

static int is_held_by_systemd(void *ctx, const struct capture_watchdog *w)
{
	(void)ctx;
	return w->holder == 1;
}

/* ", pinged 1.2s ago": newer systemds tell. */
static const char *last_ping(const char *usec, char *ret, size_t n)
{
	uint64_t then = strtoull(usec, NULL, 10) * 1000, now;
	struct timespec t;
	char ago[32];

	clock_gettime(CLOCK_MONOTONIC, &t);
	now = t.tv_sec * UINT64_C(1000000000) + t.tv_nsec;
	ret[0] = 0;
	if (then && then < now)
		snprintf(ret, n, ", pinged %s ago", text_duration(now - then, ago));
	return ret;
}

/* RuntimeWatchdogSec=, if it is set. */
static void check_settings(struct doctor *d)
{
	static const char *const command[] = {"systemctl", "show",
					      "-p",	   "RuntimeWatchdogUSec",
					      "-p",	   "RebootWatchdogUSec",
					      "-p",	   "WatchdogLastPingTimestampMonotonic",
					      NULL};
	char runtime[64], reboot[64], last[64], ping[64];
	_cleanup_free_ char *text = NULL;

	if (systemctl_read(command, true, SYSTEMCTL_MS, SYSTEMCTL_MAX, &text) < 0)
		return;
	shown(text, "RuntimeWatchdogUSec", runtime, sizeof(runtime));
	shown(text, "RebootWatchdogUSec", reboot, sizeof(reboot));
	shown(text, "WatchdogLastPingTimestampMonotonic", last, sizeof(last));
	if (!*runtime || strcmp(runtime, "0") == 0 || strcmp(runtime, "infinity") == 0)
		return;
	if (capture_watchdogs(is_held_by_systemd, NULL) == 0)
		doctor_add(d, FINDING_OK, "RuntimeWatchdogSec", runtime, NULL,
			   "set, but systemd holds no hardware watchdog");
	else
		doctor_add(d, FINDING_OK, "RuntimeWatchdogSec", runtime, NULL,
			   "systemd pings its hardware watchdog%s; RebootWatchdogSec=%s",
			   last_ping(last, ping, sizeof(ping)), *reboot ? reboot : "?");
}

static void check_watchdogs(struct doctor *d)
{
	size_t before = d->n_checks;

	capture_watchdogs(check_watchdog, d);
	check_settings(d);
	if (d->n_checks == before)
		doctor_add(d, FINDING_UNNEEDED, "hardware watchdog", "absent", NULL,
			   "this machine shows none");
}

void doctor_look_at_mounts(struct doctor *d)
{
	d->group = "system";
	check_cgroup(d);
	check_fuse(d);
	check_watchdogs(d);
}
