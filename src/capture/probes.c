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
#include <time.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "capture/capture_internal.h"
#include "svctrace.skel.h"
#include "svctrace/cleanup.h"

#define WAYS_MAX     3
#define PROGRAMS_MAX 2
#define KINDS_MAX    2
#define LINKS_MAX    (PROBES_MAX * PROGRAMS_MAX)

struct way {
	const char *how;
	const char *programs[PROGRAMS_MAX]; /* uprobe: the second one is a return probe */
	const char *lost;		    /* what this way does not see */
};

struct probe_spec {
	const char *name;  /* the function or tracepoint */
	const char *also;  /* another name of the function in other builds */
	bool essential;	   /* without it there is no verdict at all */
	const char *lost;  /* what nobody sees without this probe */
	const char *needs; /* a path that is there when the kernel has the function at all */
	unsigned int kinds[KINDS_MAX];
	struct way ways[WAYS_MAX];
};

#define UPROBE(fn, prog, kind, without)                                                            \
	{                                                                                          \
		.name = fn, .kinds = {kind}, .lost = without, .ways = {{"uprobe", {prog}, ""}},    \
	}
#define TRACEPOINT(tp, prog, kind, without)                                                        \
	{                                                                                          \
		.name = tp, .kinds = {kind}, .lost = without,                                      \
		.ways = {{"tracepoint", {prog}, ""}},                                              \
	}

static const struct probe_spec specs[] = {
	{
		.name = "service_set_state",
		.essential = true,
		.kinds = {WIRE_SERVICE_SET_STATE},
		.ways = {{"uprobe", {"service_set_state"}, ""}},
	},
	{
		.name = "service_enter_stop",
		.essential = true,
		.kinds = {WIRE_SERVICE_ENTER_STOP},
		.ways = {{"uprobe", {"service_enter_stop"}, ""}},
	},
	UPROBE("service_enter_signal", "service_enter_signal", WIRE_SERVICE_ENTER_SIGNAL,
	       "stops that begin with a signal show no reason"),
	UPROBE("service_enter_dead", "service_enter_dead", WIRE_SERVICE_ENTER_DEAD,
	       "the result handed over at the end of a stop"),
	UPROBE("service_stop", "service_stop", WIRE_SERVICE_STOP, "stops by a job"),
	UPROBE("service_sigchld_event", "service_sigchld_event", WIRE_SERVICE_SIGCHLD,
	       "stops because a process ended"),
	UPROBE("service_notify_cgroup_empty_event", "service_notify_cgroup_empty_event",
	       WIRE_SERVICE_CGROUP_EMPTY, "stops because the cgroup is empty"),
	UPROBE("service_notify_cgroup_oom_event", "service_notify_cgroup_oom_event",
	       WIRE_SERVICE_OOM, "stops after an OOM kill"),
	UPROBE("service_dispatch_timer", "service_dispatch_timer", WIRE_SERVICE_TIMER,
	       "stops by a timeout"),
	UPROBE("service_dispatch_watchdog", "service_dispatch_watchdog", WIRE_SERVICE_WATCHDOG,
	       "stops by the watchdog"),
	UPROBE("service_force_watchdog", "service_force_watchdog", WIRE_SERVICE_WATCHDOG,
	       "stops by WATCHDOG=trigger"),
	{
		.name = "bus_unit_queue_job_one",
		.also = "bus_unit_queue_job",
		.lost = "whether a client asked for a stop",
		.kinds = {WIRE_BUS_QUEUE_JOB},
		.ways = {{"uprobe", {"bus_unit_queue_job"}, ""}},
	},
	{
		.name = "service_load_pid_file",
		.lost = "PID file loads",
		.kinds = {WIRE_SERVICE_PIDFILE_LOAD, WIRE_SERVICE_PIDFILE_RESULT},
		.ways = {{"uprobe", {"service_load_pid_file", "service_load_pid_file_return"}, ""}},
	},
	UPROBE("manager_notify_cgroup_empty", "manager_notify_cgroup_empty",
	       WIRE_MANAGER_CGROUP_EMPTY, "cgroup v1's news of empty cgroups"),
	UPROBE("on_cgroup_inotify_event", "on_cgroup_inotify_event", WIRE_MANAGER_CGROUP_EVENT,
	       "cgroup v2's news of empty cgroups"),
	{
		.name = "complete_signal",
		.lost = "who sent a signal",
		.kinds = {WIRE_SIGNAL},
		.ways = {{"fentry", {"complete_signal_fentry"}, ""},
			 {"kprobe", {"complete_signal_kprobe"}, ""},
			 {"tracepoint",
			  {"signal_generate"},
			  "signal_generate stands in: it fires after the target was woken"}},
	},
	{
		.name = "zap_pid_ns_processes",
		.lost = "pid namespaces that are torn down",
		.kinds = {WIRE_PIDNS_ZAP_ENTER, WIRE_PIDNS_ZAP_EXIT},
		.ways = {{"fentry", {"zap_fentry", "zap_fexit"}, ""},
			 {"kprobe", {"zap_kprobe", "zap_kretprobe"}, ""}},
	},
	{
		.name = "fuse_flush",
		.lost = "FUSE files flushed at exit",
		.needs = "/sys/module/fuse",
		.kinds = {WIRE_FUSE_FLUSH_ENTER, WIRE_FUSE_FLUSH_EXIT},
		.ways = {{"fentry", {"flush_fentry", "flush_fexit"}, ""},
			 {"kprobe", {"flush_kprobe", "flush_kretprobe"}, ""}},
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
};
_Static_assert(ARRAY_LEN(specs) <= PROBES_MAX, "PROBES_MAX is too small");

/* libbpf talks through one process-wide function: so do these two. */
static void (*talk)(bool debug, const char *line);
static char complaint[1024];

static int on_libbpf(enum libbpf_print_level level, const char *fmt, va_list args)
{
	char line[1024];

	vsnprintf(line, sizeof(line), fmt, args);
	line[strcspn(line, "\n")] = 0;
	if (level == LIBBPF_WARN && strstr(line, "prog '"))
		snprintf(complaint, sizeof(complaint), "%s", line);
	if (talk)
		talk(true, line);
	return 0;
}

void probes_set_log(void (*log)(bool debug, const char *line))
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

static struct bpf_program *program(struct svctrace_bpf *skel, const char *name)
{
	return bpf_object__find_program_by_name(skel->obj, name);
}

/* The way that a probe is to be had by at present: NULL when none is left. */
static const struct way *way_of(const struct probe_state *p)
{
	for (unsigned int i = 0; p->how && i < WAYS_MAX; i++)
		if (p->spec->ways[i].how && p->spec->ways[i].how == p->how)
			return &p->spec->ways[i];
	return NULL;
}

static bool is_way(const struct probe_state *p, const char *how)
{
	return p->how && strcmp(p->how, how) == 0;
}

static bool is_uprobe(const struct probe_state *p)
{
	return is_way(p, "uprobe");
}

static bool have_kprobes(void)
{
	return access("/sys/bus/event_source/devices/kprobe", F_OK) == 0;
}

/* This way failed: on to the next one, or to none. Why is kept only for the last failure. */
static void next_way(struct probe_state *p, int error, const char *why)
{
	const struct way *w = way_of(p);

	p->error = error;
	while (w && ++w < p->spec->ways + WAYS_MAX && w->how) {
		if (strcmp(w->how, "kprobe") == 0 && !have_kprobes())
			continue; /* spares loading a program that nothing can be done with */
		p->how = w->how;
		snprintf(p->reason, sizeof(p->reason), "%s", w->lost);
		return;
	}
	p->how = NULL;
	snprintf(p->reason, sizeof(p->reason), "%s; not seen: %s", why,
		 p->spec->lost ? p->spec->lost : "any stop");
}

/* Autoloads just the programs of the probes that wait for an instance. */
static void choose_programs(struct probes *p, const bool *wanted, struct svctrace_bpf *skel)
{
	struct bpf_program *prog;

	bpf_object__for_each_program (prog, skel->obj) {
		bpf_program__set_autoload(prog, false);
		/* our own lines about a program that fails are enough */
		bpf_program__set_log_level(prog, 0);
	}
	for (unsigned int i = 0; i < p->n; i++) {
		const struct way *w = wanted[i] ? way_of(&p->state[i]) : NULL;

		for (unsigned int k = 0; w && k < PROGRAMS_MAX && w->programs[k]; k++)
			bpf_program__set_autoload(program(skel, w->programs[k]), true);
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

		if (bpf_map__is_internal(map))
			continue;
		fd = bpf_object__find_map_fd_by_name(p->instance[0].skel->obj, bpf_map__name(map));
		r = fd < 0 ? fd : bpf_map__reuse_fd(map, fd);
		if (r < 0)
			return r;
	}
	return 0;
}

/* The probe whose program has that name, in the way it is to be had by at present. */
static struct probe_state *probe_by_program(struct probes *p, const char *name)
{
	for (unsigned int i = 0; i < p->n; i++) {
		const struct way *w = way_of(&p->state[i]);

		for (unsigned int k = 0; w && k < PROGRAMS_MAX && w->programs[k]; k++)
			if (strcmp(w->programs[k], name) == 0)
				return &p->state[i];
	}
	return NULL;
}

static int open_load(struct probes *p, bool *wanted, int hierarchy_id, size_t ring_size,
		     struct svctrace_bpf **ret)
{
	struct svctrace_bpf *skel = svctrace_bpf__open();
	int r;

	if (!skel)
		return -errno;
	skel->rodata->tracked_hierarchy = hierarchy_id;
	bpf_map__set_max_entries(skel->maps.events, ring_size);
	choose_programs(p, wanted, skel);
	r = share_maps(p, skel);
	if (r == 0)
		r = svctrace_bpf__load(skel);
	if (r < 0) {
		svctrace_bpf__destroy(skel);
		return r;
	}
	*ret = skel;
	return 0;
}

static void explain_load(char *dst, size_t n, int r)
{
	const char *detail = strstr(complaint, "': ");

	snprintf(dst, n, "the kernel does not take it (%s)", detail ? detail + 3 : strerror(-r));
}

static void next_way_of(struct probes *p, bool *wanted, struct probe_state *s, int r,
			const char *why)
{
	next_way(s, r, why);
	if (!s->how)
		wanted[s - p->state] = false;
}

/* A kernel without fentry says -EPERM to each of them: one refusal is enough. */
static void next_way_for_all(struct probes *p, bool *wanted, const char *how, int r,
			     const char *why)
{
	for (unsigned int i = 0; i < p->n; i++)
		if (is_way(&p->state[i], how))
			next_way_of(p, wanted, &p->state[i], r, why);
}

static bool is_denied(int r)
{
	return r == -EPERM || r == -EACCES;
}

/* Loads what is wanted; programs that do not load send their probes to the next way. */
static int load_instance(struct probes *p, bool *wanted, int hierarchy_id, size_t ring_size)
{
	for (;;) {
		char name[64], why[256];
		struct probe_state *culprit;
		struct svctrace_bpf *skel;
		int r;

		complaint[0] = 0;
		r = open_load(p, wanted, hierarchy_id, ring_size, &skel);
		if (r == 0) {
			p->instance[p->n_instances++] = (struct instance){.skel = skel};
			return 0;
		}
		culprit = complaint_program(name) ? probe_by_program(p, name) : NULL;
		if (!culprit || (is_denied(r) && !is_way(culprit, "fentry")))
			return r;
		explain_load(why, sizeof(why), r);
		if (is_denied(r))
			next_way_for_all(p, wanted, "fentry", r, why);
		else
			next_way_of(p, wanted, culprit, r, why);
	}
}

static struct bpf_link *attach_uprobe(struct bpf_program *prog, const struct manager *m,
				      uint64_t offset, bool is_return)
{
	LIBBPF_OPTS(bpf_uprobe_opts, o, .retprobe = is_return);

	return bpf_program__attach_uprobe_opts(prog, -1, m->object.open_path, offset, &o);
}

/* Attaches a probe's programs, all or none. */
static int attach_probe(struct instance *in, const struct probe_state *p, const struct manager *m,
			uint64_t offset)
{
	const struct way *w = way_of(p);
	unsigned int before = in->n_links;

	/* the return first: an entry must not wait for a return that nobody sees */
	for (int k = PROGRAMS_MAX - 1; k >= 0; k--) {
		struct bpf_program *prog;
		struct bpf_link *link;

		if (!w->programs[k])
			continue;
		prog = program(in->skel, w->programs[k]);
		link = is_uprobe(p) ? attach_uprobe(prog, m, offset, k == 1)
				    : bpf_program__attach(prog);
		if (!link) {
			int r = -errno;

			while (in->n_links > before)
				bpf_link__destroy(in->links[--in->n_links]);
			return r;
		}
		in->links[in->n_links++] = link;
	}
	return 0;
}

/* Where the probe's function is in the manager's object; why not, if it is not to be had. */
static int find_function(const struct probe_state *p, const struct manager *m, uint64_t *ret,
			 char *why, size_t n)
{
	struct sym s;
	int r = symbols_find(m->symbols, p->spec->name, &s);

	if (r == -ENOENT && p->spec->also)
		r = symbols_find(m->symbols, p->spec->also, &s);
	if (r < 0) {
		snprintf(why, n, "%s in this build%s%s", r == -ENOTUNIQ ? "ambiguous" : "not found",
			 *s.reason ? ": " : "", s.reason);
		return r;
	}
	*ret = s.file_offset;
	return 0;
}

/* No program is loaded for a function that this build of systemd, or this kernel, does not have. */
static void drop_missing(struct probe_state *p, const struct manager *m)
{
	char why[256];
	uint64_t offset;
	int r = 0;

	if (is_uprobe(p)) {
		r = find_function(p, m, &offset, why, sizeof(why));
	} else if (p->spec->needs && access(p->spec->needs, F_OK) < 0) {
		snprintf(why, sizeof(why), "the kernel has no %s now", p->spec->needs);
		r = -ENOENT;
	}
	while (r < 0 && p->how)
		next_way(p, r, why);
}

static void attach_instance(struct probes *p, const struct manager *m, bool *wanted)
{
	struct instance *in = &p->instance[p->n_instances - 1];

	for (unsigned int i = 0; i < p->n; i++) {
		struct probe_state *s = &p->state[i];
		char why[256];
		uint64_t offset = 0;
		int r;

		if (!wanted[i])
			continue;
		r = is_uprobe(s) ? find_function(s, m, &offset, why, sizeof(why)) : 0;
		if (r == 0)
			r = attach_probe(in, s, m, offset);
		wanted[i] = false;
		if (r == 0) {
			s->error = 0;
			continue;
		}
		snprintf(why, sizeof(why), "%s cannot be attached: %s", s->how, strerror(-r));
		next_way(s, r, why);
		wanted[i] = s->how != NULL; /* in the next instance */
	}
}

static int check_essential(const struct probes *p, const struct manager *m,
			   struct capture_error *err)
{
	for (unsigned int i = 0; i < p->n; i++) {
		const struct probe_state *s = &p->state[i];

		if (s->spec->essential && !s->how)
			return capture_fail(err, -ENOENT,
					    "`svctrace resolve --pid PID` shows what was tried.",
					    "essential probe %s in %s: %s", s->spec->name,
					    m->object.name, s->reason);
	}
	return 0;
}

static bool any(const bool *wanted, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		if (wanted[i])
			return true;
	return false;
}

static int load_failed(struct capture_error *err, int r)
{
	if (is_denied(r))
		return capture_fail(
			err, -EPERM,
			"Run it as root (sudo svctrace), or with CAP_BPF, CAP_PERFMON and "
			"CAP_SYS_PTRACE.",
			"the kernel does not let this user load BPF programs");
	return capture_fail(err, r, "Run it again with -v for the whole log.",
			    "BPF programs cannot be loaded: %s", strerror(-r));
}

/* A manager's record is in the map before any of its probes can fire. */
static int register_manager(const struct probes *p, const struct manager *m)
{
	struct manager_layout layout;
	__u32 tgid = m->pid;

	manager_layout(m, &layout);
	if (bpf_map_update_elem(probes_map_fd(p, "managers"), &tgid, &layout, BPF_ANY) < 0)
		return -errno;
	return 0;
}

static int instance_links(struct instance *in)
{
	in->links = calloc(LINKS_MAX, sizeof(in->links[0]));
	return in->links ? 0 : -ENOMEM;
}

int probes_attach(struct probes *p, const struct manager *m, int hierarchy_id, size_t ring_size,
		  struct capture_error *err)
{
	bool wanted[PROBES_MAX];
	int r;

	p->n = ARRAY_LEN(specs);
	for (unsigned int i = 0; i < p->n; i++) {
		p->state[i] = (struct probe_state){.spec = &specs[i], .how = specs[i].ways[0].how};
		drop_missing(&p->state[i], m);
		wanted[i] = p->state[i].how != NULL;
	}
	for (int round = 0; round < INSTANCES_MAX && any(wanted, p->n); round++) {
		uint64_t t0 = clock_ns(CLOCK_MONOTONIC), t1;

		r = load_instance(p, wanted, hierarchy_id, ring_size);
		if (r < 0)
			return load_failed(err, r);
		r = instance_links(&p->instance[p->n_instances - 1]);
		if (r == 0 && round == 0)
			r = register_manager(p, m);
		if (r < 0)
			return capture_fail(err, r, "", "cannot prepare probes: %s", strerror(-r));
		t1 = clock_ns(CLOCK_MONOTONIC);
		attach_instance(p, m, wanted);
		p->load_ns += t1 - t0;
		p->attach_ns += clock_ns(CLOCK_MONOTONIC) - t1;
	}
	return check_essential(p, m, err);
}

void probes_done(struct probes *p)
{
	for (unsigned int i = 0; i < p->n_instances; i++) {
		struct instance *in = &p->instance[i];

		for (unsigned int k = 0; k < in->n_links; k++)
			bpf_link__destroy(in->links[k]);
		free(in->links);
		svctrace_bpf__destroy(in->skel);
	}
	p->n_instances = 0;
}

int probes_describe(const struct probes *p, struct stream *s)
{
	for (unsigned int i = 0; i < p->n; i++) {
		struct wire_probe *w = stream_begin(s, WIRE_PROBE, sizeof(*w), 0);
		int r;

		w->error = p->state[i].how ? 0 : p->state[i].error;
		stream_string(s, &w->name, p->state[i].spec->name);
		stream_string(s, &w->how, p->state[i].how ? p->state[i].how : "none");
		stream_string(s, &w->reason, p->state[i].reason);
		r = stream_end(s);
		if (r)
			return r;
	}
	return 0;
}

int probes_map_fd(const struct probes *p, const char *map)
{
	return bpf_object__find_map_fd_by_name(p->instance[0].skel->obj, map);
}

uint64_t probes_lost(const struct probes *p)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < p->n_instances; i++)
		sum += __atomic_load_n(&p->instance[i].skel->bss->lost_total, __ATOMIC_RELAXED);
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

void probes_count(const struct probes *p, unsigned int i, uint64_t *ret_sent, uint64_t *ret_lost)
{
	int fd = probes_map_fd(p, "counts");

	*ret_sent = *ret_lost = 0;
	for (unsigned int k = 0; k < KINDS_MAX && p->state[i].spec->kinds[k]; k++)
		count_kind(fd, p->state[i].spec->kinds[k], ret_sent, ret_lost);
}

const char *probe_name(const struct probe_state *s)
{
	return s->spec->name;
}
