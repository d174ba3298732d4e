/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is attached, and how.
 *
 * Each probe has up to three ways to be had, best first. They are loaded together; a program that
 * this kernel refuses, when loaded or when attached, sends its probe to the next way, in a further
 * instance of the same programs that shares the first one's maps.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "capture/capture_internal.h"
#include "svctrace.skel.h"
#include "svctrace/cleanup.h"

#define WAYS_MAX 3

struct way {
	const char *how;
	const char *programs[LINKS_MAX];
	const char *lost;	   /* what this way does not see */
	const char *at[LINKS_MAX]; /* the tracepoints of the one program, if its section names none
				    */
};

struct kernel_probe {
	const char *name; /* the function or tracepoint */
	unsigned int kinds[KINDS_MAX];
	const char *lost;   /* what nobody sees without this probe */
	const char *module; /* the module that may hold it */
	const char *needs;  /* a path; without it there is nothing that could be missed */
	struct way ways[WAYS_MAX];
};

#define WAY(name, without, ...)                                                                    \
	{                                                                                          \
		.how = name, .lost = without, .programs = { __VA_ARGS__ }                          \
	}
#define TRACEPOINT(tp, prog, kind, without)                                                        \
	{                                                                                          \
		.name = tp, .kinds = {kind}, .lost = without, .ways = {                            \
			WAY("tracepoint", "", prog)                                                \
		}                                                                                  \
	}

static const struct kernel_probe specs[] = {
	{
		.name = "complete_signal",
		.lost = "who sent a signal",
		.kinds = {WIRE_SIGNAL},
		.ways = {WAY("tp_btf", "", "signal_typed"), WAY("tracepoint", "", "signal_plain")},
	},
	{
		.name = "zap_pid_ns_processes",
		.lost = "pid namespaces that are torn down",
		.kinds = {WIRE_PIDNS_ZAP_ENTER, WIRE_PIDNS_ZAP_EXIT},
		.ways = {WAY("fentry", "", "zap_fentry", "zap_fexit"),
			 WAY("kprobe", "", "zap_kprobe", "zap_kretprobe")},
	},
	{
		.name = "fuse_flush",
		.lost = "FUSE files flushed at exit",
		.module = "fuse",
		.kinds = {WIRE_FUSE_FLUSH_ENTER, WIRE_FUSE_FLUSH_EXIT},
		.ways = {WAY("fentry", "", "flush_fentry", "flush_fexit"),
			 WAY("kprobe", "", "flush_kprobe", "flush_kretprobe")},
	},
	{
		.name = "process_init_reply",
		.lost = "who serves the FUSE file systems that are mounted from now on",
		.module = "fuse",
		.kinds = {WIRE_FUSE_SERVE},
		.ways = {WAY("kprobe", "", "serve_kprobe")},
	},
	{
		.name = "unix_stream_sendmsg",
		.lost = "who asks a service manager for something",
		.kinds = {WIRE_CLIENT_SEND, WIRE_BUS_NAME},
		.ways = {WAY("fentry", "", "unix_sendmsg_fentry"),
			 WAY("kprobe", "", "unix_sendmsg_kprobe"),
			 {.how = "tracepoint",
			  .programs = {"sys_enter_send"},
			  .lost = "system calls stand in: io_uring and 32-bit programs are not "
				  "seen",
			  .at = {"syscalls/sys_enter_write", "syscalls/sys_enter_writev",
				 "syscalls/sys_enter_sendto", "syscalls/sys_enter_sendmsg",
				 "syscalls/sys_enter_sendmmsg"}}},
	},
	{
		.name = "watchdog_ioctl",
		.lost = "who pings hardware watchdogs, and when",
		.module = "watchdog",
		.kinds = {WIRE_WATCHDOG_USE},
		.ways = {WAY("fentry", "", "watchdog_open_fexit", "watchdog_release_fexit",
			     "watchdog_write_fexit", "watchdog_ioctl_fexit"),
			 WAY("kprobe", "", "watchdog_open_kprobe", "watchdog_open_kretprobe",
			     "watchdog_release_kprobe", "watchdog_release_kretprobe",
			     "watchdog_write_kprobe", "watchdog_write_kretprobe",
			     "watchdog_ioctl_kprobe", "watchdog_ioctl_kretprobe")},
	},
	TRACEPOINT("sched_process_fork", "process_fork", WIRE_FORK, "new processes of services"),
	TRACEPOINT("sched_process_exec", "process_exec", WIRE_EXEC, "what services execute"),
	TRACEPOINT("sched_process_exit", "process_exit", WIRE_EXIT, "how processes ended"),
	TRACEPOINT("mark_victim", "oom_victim", WIRE_OOM_VICTIM, "victims of the OOM killer"),
	TRACEPOINT("cgroup_mkdir", "cgroup_mkdir", WIRE_CGROUP_MKDIR,
		   "services that start from now on"),
	TRACEPOINT("cgroup_rmdir", "cgroup_rmdir", WIRE_CGROUP_RMDIR, "cgroups that go away"),
	TRACEPOINT("cgroup_attach_task", "cgroup_attach", WIRE_CGROUP_ATTACH,
		   "processes moved between cgroups"),
	TRACEPOINT("cgroup_notify_populated", "cgroup_populated", WIRE_CGROUP_POPULATED,
		   "the moment at which a cgroup becomes empty (cgroup v2)"),
	TRACEPOINT("cgroup_notify_frozen", "cgroup_frozen", WIRE_CGROUP_FROZEN,
		   "services that are frozen (cgroup v2)"),
	{
		.name = "module_load",
		.lost = "kernel modules that come later (fuse)",
		.needs = "/proc/modules",
		.kinds = {WIRE_MODULE_LOAD},
		.ways = {WAY("tracepoint", "", "module_load")},
	},
};
_Static_assert(ARRAY_LEN(specs) <= KPROBES_MAX, "KPROBES_MAX is too small");

/* libbpf talks through one process-wide function: so do these two. */
static void (*talk)(const char *line);
static char complaint[1024];

static int on_libbpf(enum libbpf_print_level level, const char *fmt, va_list args)
{
	_cleanup_free_ char *line = NULL; /* a verifier's log may be long: it is never cut */

	if (level != LIBBPF_WARN)
		return 0;
	if (vasprintf(&line, fmt, args) < 0) {
		line = NULL;
		return 0;
	}
	while (*line && line[strlen(line) - 1] == '\n')
		line[strlen(line) - 1] = 0;
	if (strstr(line, "prog '"))
		snprintf(complaint, sizeof(complaint), "%s", line);
	if (talk)
		talk(line);
	return 0;
}

void probes_set_log(void (*log)(const char *line))
{
	talk = log;
	libbpf_set_print(on_libbpf);
}

/* The program that the last complaint is about; false if there was none. */
static bool complaint_program(char name[static 64])
{
	const char *p = strstr(complaint, "prog '");

	return p && sscanf(p, "prog '%63[^']'", name) == 1;
}

struct bpf_program *probes_program(const struct probes *p, const char *name)
{
	return bpf_object__find_program_by_name(p->instance[0]->obj, name);
}

/* The way that a probe is to be had by at present: NULL when none is left. */
static const struct way *way_of(const struct probes *p, unsigned int i)
{
	return p->state[i].how ? &specs[i].ways[p->way[i]] : NULL;
}

static bool is_way(const struct probes *p, unsigned int i, const char *how)
{
	return p->state[i].how && strcmp(p->state[i].how, how) == 0;
}

static bool have_kprobes(void)
{
	return access("/sys/bus/event_source/devices/kprobe", F_OK) == 0;
}

static bool have_types(void)
{
	return access("/sys/kernel/btf/vmlinux", R_OK) == 0;
}

/* Asked with a program that is never loaded: to be refused one costs a whole load. */
static bool have_fentry(void)
{
	return have_types() && libbpf_probe_bpf_prog_type(BPF_PROG_TYPE_TRACING, NULL) != 0;
}

/* Is it a module that could be unloaded? Built-in code has no such file. */
static bool is_module(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/module/%s/initstate", name);
	return access(path, F_OK) == 0;
}

/* Ways that would load a program for nothing, or do harm. */
static bool is_vain(const struct kernel_probe *spec, const struct way *w)
{
	if (strcmp(w->how, "kprobe") == 0)
		return !have_kprobes();
	if (strcmp(w->how, "tp_btf") == 0)
		return !have_types();
	/* fentry would pin a module, not to be unloaded then */
	return strcmp(w->how, "fentry") == 0 &&
	       (!have_fentry() || (spec->module && is_module(spec->module)));
}

/* The first way from that one on that is not vain. Where none is left it is said why. */
static void set_way(struct probes *p, unsigned int i, unsigned int way, int error, const char *why)
{
	struct probe_state *s = &p->state[i];

	while (way < WAYS_MAX && specs[i].ways[way].how && is_vain(&specs[i], &specs[i].ways[way]))
		way++;
	s->error = error;
	s->how = way < WAYS_MAX ? specs[i].ways[way].how : NULL;
	if (!s->how) {
		snprintf(s->reason, sizeof(s->reason), "%s; not seen: %s", why, specs[i].lost);
		return;
	}
	p->way[i] = way;
	snprintf(s->reason, sizeof(s->reason), "%s", specs[i].ways[way].lost);
}

/* This way failed: on to the next one, or to none. Why is kept only for the last failure. */
static void next_way(struct probes *p, unsigned int i, int error, const char *why)
{
	set_way(p, i, p->way[i] + 1, error, why);
}

static void give_up(struct probes *p, unsigned int i, const char *why)
{
	while (p->state[i].how)
		next_way(p, i, -ENOENT, why);
}

/* No program is loaded for a function that this kernel does not have now. */
static void start_probe(struct probes *p, unsigned int i)
{
	const struct kernel_probe *spec = &specs[i];
	char path[128], why[128];

	p->state[i] = (struct probe_state){.name = spec->name, .kinds = spec->kinds};
	set_way(p, i, 0, -ENOENT,
		have_fentry() ? "this kernel has no kprobes"
			      : "this kernel has neither fentry nor kprobes");
	if (spec->needs && access(spec->needs, F_OK) < 0) {
		p->state[i] = (struct probe_state){
			.name = spec->name,
			.kinds = spec->kinds,
			.error = -ENOENT,
			.harmless = true,
			.reason = "this kernel loads no modules",
		};
		return;
	}
	snprintf(path, sizeof(path), "/sys/module/%s", spec->module ? spec->module : "");
	if (!spec->module || access(path, F_OK) == 0)
		return;
	snprintf(why, sizeof(why), "%s is not loaded; attached when it comes", spec->module);
	give_up(p, i, why);
	p->state[i].harmless = true; /* nothing calls it meanwhile */
	snprintf(p->state[i].reason, sizeof(p->state[i].reason), "%s", why);
}

static bool way_has(const struct way *w, const char *program)
{
	for (unsigned int k = 0; w && k < LINKS_MAX && w->programs[k]; k++)
		if (strcmp(w->programs[k], program) == 0)
			return true;
	return false;
}

/* Autoloads just the programs of the wanted probes; the first instance has the managers' too. */
static void choose_programs(const struct probes *p, uint32_t wanted, struct svctrace_bpf *skel)
{
	struct bpf_program *prog;

	bpf_object__for_each_program (prog, skel->obj) {
		const char *name = bpf_program__name(prog);
		bool load = p->n_instances == 0 && object_wants(name);

		for (unsigned int i = 0; i < p->n; i++)
			load |= (wanted & 1u << i) && way_has(way_of(p, i), name);
		bpf_program__set_autoload(prog, load);
		if (object_wants(name))
			uprobe_prepare(prog);
	}
}

/* Later instances write into the first one's maps. */
static int share_maps(const struct probes *p, struct svctrace_bpf *skel)
{
	struct bpf_map *map;

	if (p->n_instances == 0)
		return 0;
	bpf_object__for_each_map(map, skel->obj)
	{
		int fd, r;

		if (bpf_map__is_internal(map) && map != skel->maps.data_hints)
			continue;
		fd = bpf_object__find_map_fd_by_name(p->instance[0]->obj, bpf_map__name(map));
		r = fd < 0 ? fd : bpf_map__reuse_fd(map, fd);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Anew each time: a module may have come that has some of them. */
static int fill_types(const struct probes *p, const struct svctrace_bpf *skel)
{
	const struct bpf_object *objects[1 + ARRAY_LEN(p->iterators)] = {skel->obj};

	memcpy(&objects[1], p->iterators, sizeof(p->iterators));
	return types_fill(&p->types, p->btf, objects, 1 + p->n_iterators);
}

static int open_load(struct probes *p, uint32_t wanted, struct svctrace_bpf **ret)
{
	LIBBPF_OPTS(bpf_object_open_opts, o, .btf_custom_path = p->types.path);
	struct svctrace_bpf *skel = svctrace_bpf__open_opts(&o);
	int r;

	if (!skel)
		return -errno;
	skel->rodata->tracked_hierarchy = p->hierarchy_id;
	skel->rodata->kernel_has_types = have_types();
	skel->rodata->ring_batch = p->ring_batch;
	skel->rodata->send_calls = (struct send_calls){
		.write = SYS_write,
		.writev = SYS_writev,
		.sendto = SYS_sendto,
		.sendmsg = SYS_sendmsg,
	};
	bpf_map__set_max_entries(skel->maps.events, p->ring_size);
	choose_programs(p, wanted, skel);
	r = share_maps(p, skel);
	if (r == 0)
		r = fill_types(p, skel);
	if (r == 0)
		r = svctrace_bpf__load(skel);
	if (r < 0) {
		svctrace_bpf__destroy(skel);
		return r;
	}
	*ret = skel;
	return 0;
}

static bool is_denied(int r)
{
	return r == -EPERM || r == -EACCES;
}

/* Which probe the last complaint was about; -1 if that cannot be told. */
static int culprit(const struct probes *p, uint32_t wanted)
{
	char name[64];

	if (!complaint_program(name))
		return -1;
	for (unsigned int i = 0; i < p->n; i++)
		if ((wanted & 1u << i) && way_has(way_of(p, i), name))
			return i;
	return -1;
}

/* A program was refused: its probe's next way, if that was not for lack of privileges. */
static int on_refusal(struct probes *p, uint32_t *wanted, int r)
{
	const char *detail = strstr(complaint, "': ");
	int c = culprit(p, *wanted);
	char why[200];

	bool has_other = c >= 0 && (is_way(p, c, "fentry") || is_way(p, c, "tp_btf"));

	if (c < 0 || (is_denied(r) && !has_other))
		return r;
	snprintf(why, sizeof(why), "the kernel does not take it (%.150s)",
		 detail ? detail + 3 : strerror(-r));
	next_way(p, c, r, why);
	if (!p->state[c].how)
		*wanted &= ~(1u << c);
	return 0;
}

/* Loads what is wanted; programs that do not load send their probes to the next way. */
static int load_instance(struct probes *p, uint32_t *wanted)
{
	int r;

	if (p->n_instances == INSTANCES_MAX)
		return -ENOSPC;
	do {
		struct svctrace_bpf *skel;

		complaint[0] = 0;
		r = open_load(p, *wanted, &skel);
		if (r == 0) {
			p->instance[p->n_instances++] = skel;
			return 0;
		}
		r = on_refusal(p, wanted, r);
	} while (r == 0);
	return r;
}

static void detach_probe(struct probes *p, unsigned int i)
{
	for (unsigned int k = 0; k < LINKS_MAX; k++) {
		bpf_link__destroy(p->links[i][k]);
		p->links[i][k] = NULL;
	}
}

static void note_attached(struct probes *p, unsigned int i, const struct bpf_program *prog)
{
	if (p->n_attached < ARRAY_LEN(p->attached))
		p->attached[p->n_attached++] = (struct attached){i, bpf_program__fd(prog)};
}

/* All of a probe's programs or none; the return first: an entry must not wait for one unseen. */
static int attach_probe(struct probes *p, unsigned int i)
{
	const struct way *w = way_of(p, i);
	struct svctrace_bpf *skel = p->instance[p->n_instances - 1];

	for (int k = LINKS_MAX - 1; k >= 0; k--) {
		const char *name = w->programs[w->at[k] ? 0 : k];
		struct bpf_program *prog;
		int r;

		if (!name)
			continue;
		prog = bpf_object__find_program_by_name(skel->obj, name);
		p->links[i][k] =
			w->at[k] ? tracepoint_attach(prog, w->at[k]) : bpf_program__attach(prog);
		if (!p->links[i][k]) {
			r = -errno;
			detach_probe(p, i);
			return r;
		}
		if (w->programs[k])
			note_attached(p, i, prog);
	}
	return 0;
}

/* Attaches the wanted probes; those that failed and have a further way are wanted again. */
static uint32_t attach_instance(struct probes *p, uint32_t wanted)
{
	uint32_t again = 0;

	for (unsigned int i = 0; i < p->n; i++) {
		char why[128];
		int r;

		if (!(wanted & 1u << i))
			continue;
		r = attach_probe(p, i);
		p->state[i].error = r;
		if (r == 0)
			continue;
		snprintf(why, sizeof(why), "%s cannot be attached: %s", p->state[i].how,
			 strerror(-r));
		next_way(p, i, r, why);
		if (p->state[i].how)
			again |= 1u << i;
	}
	return again;
}

static int load_and_attach(struct probes *p, uint32_t wanted)
{
	bool first = p->n_instances == 0;

	while (wanted || first) {
		uint64_t t0 = clock_ns(CLOCK_MONOTONIC), t1;
		int r = load_instance(p, &wanted);

		if (r < 0)
			return r;
		t1 = clock_ns(CLOCK_MONOTONIC);
		wanted = attach_instance(p, wanted);
		p->load_ns += t1 - t0;
		p->attach_ns += clock_ns(CLOCK_MONOTONIC) - t1;
		first = false;
	}
	return 0;
}

static int check_types(const struct probes *p, struct capture_error *err)
{
	if (p->btf || have_types())
		return 0;
	return capture_fail(
		err, -ENOENT,
		"Boot a kernel with CONFIG_DEBUG_INFO_BTF=y, as distributions ship it, or give "
		"the types of this very kernel with --btf=FILE.",
		"the kernel does not tell its types: no /sys/kernel/btf/vmlinux");
}

int probes_add_key(const struct probes *p, const char *map, const void *key, uint64_t number,
		   const void *value)
{
	p->instance[0]->data_hints->hints.may[number % KEY_HINTS] = 1;
	return bpf_map_update_elem(probes_map_fd(p, map), key, value, BPF_ANY) < 0 ? -errno : 0;
}

int probes_load(struct probes *p, struct capture_error *err)
{
	uint32_t wanted = 0;
	int r = check_types(p, err);

	if (r < 0)
		return r;
	p->n = ARRAY_LEN(specs);
	for (unsigned int i = 0; i < p->n; i++) {
		start_probe(p, i);
		if (p->state[i].how)
			wanted |= 1u << i;
	}
	r = load_and_attach(p, wanted);
	if (is_denied(r))
		return privileges_fail(err, FORBIDDEN,
				       "the kernel does not let svctrace load BPF programs");
	if (r < 0)
		return capture_fail(err, r,
				    "svctrace doctor tells what this machine lacks; -v shows why "
				    "a program failed.",
				    "BPF programs cannot be loaded: %s", strerror(-r));
	return 0;
}

int probes_retry(struct probes *p, const char *module)
{
	int done = 0;

	for (unsigned int i = 0; i < p->n; i++) {
		int r;

		if (!specs[i].module || strcmp(specs[i].module, module) != 0)
			continue;
		/* probes of a module that was unloaded meanwhile are dead, though still held */
		detach_probe(p, i);
		start_probe(p, i);
		r = p->state[i].how ? load_and_attach(p, 1u << i) : 0;
		if (r < 0)
			give_up(p, i, strerror(-r));
		done += p->state[i].how != NULL;
	}
	return done;
}

void probes_rest(void)
{
	size_t size, page = sysconf(_SC_PAGESIZE);
	uintptr_t begin = (uintptr_t)svctrace_bpf__elf_bytes(&size), end = begin + size;

	begin = (begin + page - 1) / page * page;
	end = end / page * page;
	if (begin < end)
		madvise((void *)begin, end - begin, MADV_DONTNEED);
}

void probes_done(struct probes *p)
{
	for (unsigned int i = 0; i < p->n; i++)
		detach_probe(p, i);
	for (unsigned int i = 0; i < p->n_instances; i++)
		svctrace_bpf__destroy(p->instance[i]);
	types_close(&p->types);
	p->n = p->n_instances = p->n_attached = 0;
}

int probe_describe(const struct probe_state *s, struct stream *st)
{
	struct wire_probe *w = stream_begin(st, WIRE_PROBE, sizeof(*w), 0);

	w->error = s->how ? 0 : s->error;
	stream_string(st, &w->name, s->name);
	stream_string(st, &w->how, s->how ? s->how : "none");
	stream_string(st, &w->reason, s->reason);
	return stream_end(st);
}

int probes_map_fd(const struct probes *p, const char *map)
{
	return bpf_object__find_map_fd_by_name(p->instance[0]->obj, map);
}

uint64_t probes_lost(const struct probes *p)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < p->n_instances; i++)
		sum += __atomic_load_n(&p->instance[i]->bss->lost_total, __ATOMIC_RELAXED);
	return sum;
}

static void count_kind(int fd, __u32 kind, uint64_t *sent, uint64_t *lost)
{
	int cpus = libbpf_num_possible_cpus();
	_cleanup_free_ struct kind_count *c = calloc(cpus > 0 ? cpus : 1, sizeof(*c));

	if (!c || cpus <= 0 || bpf_map_lookup_elem(fd, &kind, c) < 0)
		return;
	for (int i = 0; i < cpus; i++) {
		*sent += c[i].sent;
		*lost += c[i].lost;
	}
}

/*
 * A program does not run while another run of it waits on the same CPU. Since Linux 7 that one may
 * have been preempted, by a process whose exit is not seen then.
 */
static uint64_t misses_of(int program)
{
	struct bpf_prog_info info = {};
	__u32 size = sizeof(info);

	return bpf_obj_get_info_by_fd(program, &info, &size) < 0 ? 0 : info.recursion_misses;
}

uint64_t probes_skipped(const struct probes *p)
{
	uint64_t sum = 0;

	for (unsigned int n = 0; n < p->n_attached; n++)
		sum += misses_of(p->attached[n].program);
	return sum;
}

static uint64_t skipped_by(const struct probes *p, unsigned int i)
{
	uint64_t sum = 0;

	for (unsigned int n = 0; n < p->n_attached; n++)
		if (p->attached[n].probe == i)
			sum += misses_of(p->attached[n].program);
	return sum;
}

void probes_count(const struct probes *p, const struct probe_state *s, uint64_t *ret_sent,
		  uint64_t *ret_lost)
{
	int fd = probes_map_fd(p, "counts");

	*ret_sent = *ret_lost = 0;
	for (unsigned int k = 0; k < KINDS_MAX && s->kinds[k]; k++)
		count_kind(fd, s->kinds[k], ret_sent, ret_lost);
	if (s >= p->state && s < p->state + p->n)
		*ret_lost += skipped_by(p, s - p->state);
}
