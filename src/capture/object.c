/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The file that holds a service manager's code: where its functions and fields are, and the uprobes
 * on it. A uprobe sits on the inode, so one object serves every manager that maps it.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <bpf/libbpf.h>

#include "capture/capture_internal.h"
#include "svctrace/cleanup.h"

struct function {
	const char *name;
	const char *also;	    /* its name in other builds */
	const char *program;	    /* at entry */
	const char *return_program; /* at return, where a value is needed */
	unsigned int kinds[KINDS_MAX];
	bool essential;	  /* without it there is no verdict at all */
	const char *lost; /* what nobody sees without this probe */
};

static const struct function functions[] = {
	{"service_set_state",
	 NULL,
	 "service_set_state",
	 NULL,
	 {WIRE_SERVICE_SET_STATE},
	 true,
	 "any stop"},
	{"service_enter_stop",
	 NULL,
	 "service_enter_stop",
	 NULL,
	 {WIRE_SERVICE_ENTER_STOP},
	 true,
	 "any stop"},
	{"service_enter_signal",
	 NULL,
	 "service_enter_signal",
	 NULL,
	 {WIRE_SERVICE_ENTER_SIGNAL},
	 false,
	 "the reason of stops that begin with a signal"},
	{"service_enter_dead",
	 NULL,
	 "service_enter_dead",
	 NULL,
	 {WIRE_SERVICE_ENTER_DEAD},
	 false,
	 "the result handed over at the end of a stop"},
	{"service_stop", NULL, "service_stop", NULL, {WIRE_SERVICE_STOP}, false, "stops by a job"},
	{"service_sigchld_event",
	 NULL,
	 "service_sigchld_event",
	 NULL,
	 {WIRE_SERVICE_SIGCHLD},
	 false,
	 "stops because a process ended"},
	{"service_notify_cgroup_empty_event",
	 NULL,
	 "service_notify_cgroup_empty_event",
	 NULL,
	 {WIRE_SERVICE_CGROUP_EMPTY},
	 false,
	 "stops because the cgroup is empty"},
	{"service_notify_cgroup_oom_event",
	 NULL,
	 "service_notify_cgroup_oom_event",
	 NULL,
	 {WIRE_SERVICE_OOM},
	 false,
	 "stops after an OOM kill"},
	{"service_dispatch_timer",
	 NULL,
	 "service_dispatch_timer",
	 NULL,
	 {WIRE_SERVICE_TIMER},
	 false,
	 "stops by a timeout"},
	{"service_dispatch_watchdog",
	 NULL,
	 "service_dispatch_watchdog",
	 NULL,
	 {WIRE_SERVICE_WATCHDOG},
	 false,
	 "stops by the watchdog"},
	{"service_force_watchdog",
	 NULL,
	 "service_force_watchdog",
	 NULL,
	 {WIRE_SERVICE_WATCHDOG},
	 false,
	 "stops by WATCHDOG=trigger"},
	{"bus_unit_queue_job_one",
	 "bus_unit_queue_job",
	 "bus_unit_queue_job",
	 NULL,
	 {WIRE_BUS_QUEUE_JOB},
	 false,
	 "whether a client asked for a stop"},
	{"service_load_pid_file",
	 NULL,
	 "service_load_pid_file",
	 "service_load_pid_file_return",
	 {WIRE_SERVICE_PIDFILE_LOAD, WIRE_SERVICE_PIDFILE_RESULT},
	 false,
	 "PID file loads"},
	{"manager_notify_cgroup_empty",
	 NULL,
	 "manager_notify_cgroup_empty",
	 NULL,
	 {WIRE_MANAGER_CGROUP_EMPTY},
	 false,
	 "cgroup v1's news of empty cgroups"},
	{"on_cgroup_inotify_event",
	 NULL,
	 "on_cgroup_inotify_event",
	 NULL,
	 {WIRE_MANAGER_CGROUP_EVENT},
	 false,
	 "cgroup v2's news of empty cgroups"},
};
_Static_assert(ARRAY_LEN(functions) <= UPROBES_MAX, "UPROBES_MAX is too small");

/* The enum tables whose numbers events carry. */
static const char *const enums[] = {"ServiceState", "ServiceResult", "JobType", "JobMode"};

bool object_wants(const char *program)
{
	for (size_t i = 0; i < ARRAY_LEN(functions); i++)
		if (strcmp(functions[i].program, program) == 0 ||
		    (functions[i].return_program &&
		     strcmp(functions[i].return_program, program) == 0))
			return true;
	return false;
}

static __u32 offset_of(const struct symbols *s, const char *key)
{
	size_t off;

	return symbols_offset(s, key, &off) < 0 || off > INT_MAX ? LAYOUT_MISSING : off;
}

static struct manager_layout layout_of(const struct symbols *s)
{
	return (struct manager_layout){
		.unit_id = offset_of(s, "Unit.Id"),
		.unit_job = offset_of(s, "Unit.Job"),
		.job_id = offset_of(s, "Job.Id"),
		.job_type = offset_of(s, "Job.JobType"),
		.main_pid = offset_of(s, "Service.MainPID"),
		.control_pid = offset_of(s, "Service.ControlPID"),
		.pid_file = offset_of(s, "Service.PIDFile"),
		.result = offset_of(s, "Service.Result"),
		.state = offset_of(s, "Service.state"),
	};
}

/* Where a function is; why not, if it is not to be had. */
static int find_function(const struct symbols *symbols, const struct function *f, struct sym *ret,
			 char *why, size_t n)
{
	int r = symbols_find(symbols, f->name, ret);

	if (r == -ENOENT && f->also)
		r = symbols_find(symbols, f->also, ret);
	if (r < 0) {
		snprintf(why, n, "%s%s%.100s", r == -ENOTUNIQ ? "ambiguous" : "not in this build",
			 *ret->reason ? ": " : "", ret->reason);
		return r;
	}
	if (ret->is_clone) {
		snprintf(why, n, "a clone of it, whose arguments may lie elsewhere");
		return -ENOTUNIQ;
	}
	return 0;
}

static int attach_one(struct object *o, struct bpf_program *prog, uint64_t offset, bool is_return)
{
	LIBBPF_OPTS(bpf_uprobe_opts, opts, .retprobe = is_return);
	struct bpf_link *link =
		bpf_program__attach_uprobe_opts(prog, -1, o->file.open_path, offset, &opts);

	if (!link)
		return -errno;
	o->links[o->n_links++] = link;
	return 0;
}

static int attach_function(struct object *o, const struct probes *p, const struct function *f,
			   char *why, size_t n)
{
	unsigned int before = o->n_links;
	struct sym sym;
	int r = find_function(o->symbols, f, &sym, why, n);

	if (r < 0)
		return r;
	/* the return first: an entry must not wait for a return that nobody sees */
	if (f->return_program)
		r = attach_one(o, probes_program(p, f->return_program), sym.file_offset, true);
	if (r == 0)
		r = attach_one(o, probes_program(p, f->program), sym.file_offset, false);
	if (r == 0)
		return 0;
	snprintf(why, n, "cannot be attached: %s", strerror(-r));
	while (o->n_links > before)
		bpf_link__destroy(o->links[--o->n_links]);
	return r;
}

static int attach_all(struct object *o, const struct probes *p, struct capture_error *err)
{
	for (size_t i = 0; i < ARRAY_LEN(functions); i++) {
		const struct function *f = &functions[i];
		struct probe_state *s = &o->state[o->n_states++];
		char why[160];

		*s = (struct probe_state){.name = f->name, .kinds = f->kinds, .how = "uprobe"};
		s->error = attach_function(o, p, f, why, sizeof(why));
		if (s->error == 0)
			continue;
		s->how = NULL;
		snprintf(s->reason, sizeof(s->reason), "%s; not seen: %s", why, f->lost);
		if (f->essential)
			return capture_fail(err, -ENOENT,
					    "`svctrace resolve` on that file shows what was tried.",
					    "essential probe %s in %s: %s", f->name, o->file.name,
					    why);
	}
	return 0;
}

static int check_layout(const struct object *o, struct capture_error *err)
{
	if (o->layout.unit_id != LAYOUT_MISSING)
		return 0;
	return capture_fail(err, -ENOENT, "`svctrace resolve` on that file shows what was tried.",
			    "%s: the offset of Unit.id is not to be found", o->file.name);
}

int object_new(struct sym_object *file, struct probes *p, struct object **ret,
	       struct capture_error *err)
{
	_cleanup_(object_freep) struct object *o = calloc(1, sizeof(*o));
	struct sym_error why = {};
	int r;

	if (!o) {
		sym_object_done(file);
		return capture_fail(err, -ENOMEM, "", "out of memory");
	}
	o->file = *file;
	*file = (struct sym_object){};
	r = symbols_load(o->file.open_path, NULL, &o->symbols, &why);
	if (r < 0)
		return capture_fail(err, r, "", "%s: %s", o->file.name, why.text);
	o->layout = layout_of(o->symbols);
	r = check_layout(o, err);
	if (r == 0)
		r = attach_all(o, p, err);
	if (r == 0)
		*ret = take_ptr(o);
	return r;
}

void object_freep(struct object **op)
{
	struct object *o = *op;

	if (!o)
		return;
	for (unsigned int i = 0; i < o->n_links; i++)
		bpf_link__destroy(o->links[i]);
	symbols_freep(&o->symbols);
	sym_object_done(&o->file);
	free(o);
	*op = NULL;
}

static int describe_enum(const struct object *o, pid_t manager, const char *name, struct stream *s)
{
	const struct sym_enum *e = symbols_enum(o->symbols, name);
	struct wire_enum *w;
	struct wire_str rest;

	if (!e)
		return 0;
	w = stream_begin(s, WIRE_ENUM, sizeof(*w), manager);
	stream_string(s, &w->name, name);
	w->values.off = w->h.size;
	for (size_t i = 0; i < e->n; i++) {
		const char *value = e->values[i] ? e->values[i] : "";

		stream_bytes(s, &rest, value, strlen(value) + 1);
	}
	w->values.len = w->h.size - w->values.off;
	return stream_end(s);
}

static int describe_symbol(const struct sym *sym, pid_t manager, struct stream *s)
{
	struct wire_symbol *w = stream_begin(s, WIRE_SYMBOL, sizeof(*w), manager);

	w->vaddr = sym->vaddr;
	w->file_offset = sym->file_offset;
	stream_string(s, &w->name, sym->name);
	stream_string(s, &w->origin, sym_origin_name(sym->origin));
	return stream_end(s);
}

int object_describe(const struct object *o, pid_t manager, struct stream *s)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(enums); i++)
		r = describe_enum(o, manager, enums[i], s);
	for (size_t i = 0; r == 0 && sym_needed_functions[i]; i++) {
		struct sym sym;

		if (symbols_find(o->symbols, sym_needed_functions[i], &sym) == 0)
			r = describe_symbol(&sym, manager, s);
	}
	for (unsigned int i = 0; r == 0 && i < o->n_states; i++)
		r = probe_describe(&o->state[i], s);
	return r;
}
