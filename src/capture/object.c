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

enum cgroup_mode {
	CGROUP_ANY,
	CGROUP_V1,
	CGROUP_V2, /* alone, or beside v1 */
};

struct function {
	const char *name;
	const char *also;	    /* its name in other builds */
	const char *program;	    /* at entry */
	const char *return_program; /* at return, where a value is needed */
	unsigned int kinds[KINDS_MAX];
	bool essential;	       /* without it there is no verdict at all */
	const char *lost;      /* what nobody sees without this probe */
	bool recent;	       /* older releases do not have it, nor what it is for */
	const char *seen_by;   /* the probe that sees its stops where a build has inlined it */
	enum cgroup_mode only; /* called in that mode alone */
};

static const struct function functions[] = {
	{
		.name = "service_set_state",
		.program = "service_set_state",
		.kinds = {WIRE_SERVICE_SET_STATE},
		.essential = true,
		.lost = "any stop",
	},
	{
		.name = "service_enter_stop",
		.program = "service_enter_stop",
		.kinds = {WIRE_SERVICE_ENTER_STOP},
		.essential = true,
		.lost = "any stop",
	},
	{
		.name = "service_enter_signal",
		.program = "service_enter_signal",
		.kinds = {WIRE_SERVICE_ENTER_SIGNAL},
		.lost = "the reason of stops that begin with a signal",
	},
	{
		.name = "service_enter_dead",
		.program = "service_enter_dead",
		.kinds = {WIRE_SERVICE_ENTER_DEAD},
		.lost = "the result handed over at the end of a stop",
	},
	{
		.name = "service_stop",
		.program = "service_stop",
		.kinds = {WIRE_SERVICE_STOP},
		.lost = "stops by a job",
	},
	{
		.name = "service_sigchld_event",
		.program = "service_sigchld_event",
		.kinds = {WIRE_SERVICE_SIGCHLD},
		.lost = "stops because a process ended",
	},
	{
		.name = "service_notify_cgroup_empty_event",
		.program = "service_notify_cgroup_empty_event",
		.kinds = {WIRE_SERVICE_CGROUP_EMPTY},
		.lost = "stops because the cgroup is empty",
	},
	{
		.name = "service_notify_cgroup_oom_event",
		.program = "service_notify_cgroup_oom_event",
		.kinds = {WIRE_SERVICE_OOM},
		.lost = "stops after an OOM kill",
	},
	{
		.name = "service_dispatch_timer",
		.program = "service_dispatch_timer",
		.kinds = {WIRE_SERVICE_TIMER},
		.lost = "stops by a timeout",
	},
	{
		.name = "service_dispatch_watchdog",
		.program = "service_dispatch_watchdog",
		.kinds = {WIRE_SERVICE_WATCHDOG},
		.lost = "stops by the watchdog",
	},
	{
		.name = "service_force_watchdog",
		.program = "service_force_watchdog",
		.kinds = {WIRE_SERVICE_WATCHDOG},
		.lost = "stops by WATCHDOG=trigger",
		.seen_by = "service_enter_signal",
	},
	{
		.name = "service_start_watchdog", /* WATCHDOG=1 ends up there, in every build */
		.program = "service_start_watchdog",
		.kinds = {WIRE_SERVICE_KEEPALIVE},
		.lost = "keepalives to the watchdog",
	},
	{
		.name = "scope_set_state",
		.program = "scope_set_state",
		.lost = "any stop of a scope",
	},
	{
		.name = "scope_enter_signal",
		.program = "scope_enter_signal",
		.lost = "the reason of scopes' stops",
	},
	{
		.name = "scope_enter_dead",
		.program = "scope_enter_dead",
		.lost = "the result of scopes' stops",
	},
	{
		.name = "scope_stop",
		.program = "scope_stop",
		.lost = "stops of scopes by a job",
	},
	{
		.name = "scope_notify_cgroup_empty_event",
		.program = "scope_notify_cgroup_empty_event",
		.lost = "stops of scopes because the cgroup is empty",
	},
	{
		.name = "scope_notify_cgroup_oom_event",
		.program = "scope_notify_cgroup_oom_event",
		.recent = true,
		.lost = "stops of scopes after an OOM kill",
	},
	{
		.name = "scope_dispatch_timer",
		.program = "scope_dispatch_timer",
		.lost = "stops of scopes by a timeout",
	},
	{
		.name = "bus_unit_queue_job_one",
		.also = "bus_unit_queue_job",
		.program = "bus_unit_queue_job",
		.kinds = {WIRE_BUS_QUEUE_JOB, WIRE_BUS_MESSAGE},
		.lost = "whether a client asked for a stop",
	},
	{
		.name = "method_enqueue_unit_job_many",
		.program = "bus_method",
		.kinds = {WIRE_BUS_MESSAGE},
		.recent = true,
		.lost = "who asked for jobs of several units at once",
	},
	{
		.name = "bus_unit_method_kill",
		.program = "bus_unit_method_kill",
		.kinds = {WIRE_BUS_KILL},
		.lost = "who had systemd send a signal",
	},
	{
		.name = "manager_add_job_full", /* on 262 the other one only calls it */
		.also = "manager_add_job",
		.program = "manager_add_job",
		.kinds = {WIRE_MANAGER_ADD_JOB},
		.lost = "what made systemd run a job of its own accord",
	},
	{
		.name = "transaction_add_job_and_dependencies",
		.program = "transaction_add_job_and_dependencies",
		.kinds = {WIRE_TRANSACTION_JOB},
		.lost = "which unit's job pulled in another's",
	},
	{
		.name = "emergency_action",
		.program = "emergency_action",
		.kinds = {WIRE_EMERGENCY_ACTION},
		.lost = "whether a unit's end took the system down",
	},
	{
		.name = "timer_enter_running",
		.program = "unit_triggers",
		.kinds = {WIRE_UNIT_TRIGGERS},
		.lost = "which timer started a unit",
	},
	{
		.name = "path_enter_running",
		.program = "unit_triggers",
		.kinds = {WIRE_UNIT_TRIGGERS},
		.lost = "which path unit started a unit",
	},
	{
		.name = "socket_enter_running",
		.program = "unit_triggers",
		.kinds = {WIRE_UNIT_TRIGGERS},
		.lost = "which socket unit started a unit",
	},
	{
		.name = "service_load_pid_file",
		.program = "service_load_pid_file",
		.return_program = "service_load_pid_file_return",
		.kinds = {WIRE_SERVICE_PIDFILE_LOAD, WIRE_SERVICE_PIDFILE_RESULT},
		.lost = "PID file loads",
	},
	{
		.name = "manager_notify_cgroup_empty",
		.program = "manager_notify_cgroup_empty",
		.kinds = {WIRE_MANAGER_CGROUP_EMPTY},
		.lost = "cgroup v1's news of empty cgroups",
		.only = CGROUP_V1,
	},
	{
		.name = "on_cgroup_inotify_event",
		.program = "on_cgroup_inotify_event",
		.kinds = {WIRE_MANAGER_CGROUP_EVENT},
		.lost = "cgroup v2's news of empty cgroups",
		.only = CGROUP_V2,
	},
};
_Static_assert(ARRAY_LEN(functions) <= UPROBES_MAX, "UPROBES_MAX is too small");

/* The enum tables whose numbers events carry. */
static const char *const enums[] = {
	"ServiceState",	   "ServiceResult",	 "JobType",	"JobMode",
	"ServiceRestart",  "ServiceRestartMode", "ServiceType", "OOMPolicy",
	"EmergencyAction", "ScopeState",	 "ScopeResult",
};

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

static struct facts_layout facts_layout_of(const struct symbols *s)
{
	return (struct facts_layout){
		.restart_usec = offset_of(s, "Service.RestartUSec"),
		.restart_max_delay_usec = offset_of(s, "Service.RestartMaxDelayUSec"),
		.timeout_start_usec = offset_of(s, "Service.TimeoutStartUSec"),
		.timeout_stop_usec = offset_of(s, "Service.TimeoutStopUSec"),
		.timeout_abort_usec = offset_of(s, "Service.timeout_abort_usec"),
		.runtime_max_usec = offset_of(s, "Service.RuntimeMaxUSec"),
		.watchdog_timestamp_usec = offset_of(s, "Service.WatchdogTimestampMonotonic"),
		.watchdog_usec = offset_of(s, "Service.watchdog_usec"),
		.watchdog_original_usec = offset_of(s, "Service.watchdog_original_usec"),
		.watchdog_override_usec = offset_of(s, "Service.watchdog_override_usec"),
		.watchdog_override_enable = offset_of(s, "Service.watchdog_override_enable"),
		.timeout_abort_set = offset_of(s, "Service.timeout_abort_set"),
		.restart = offset_of(s, "Service.Restart"),
		.restart_mode = offset_of(s, "Service.RestartMode"),
		.restart_steps = offset_of(s, "Service.RestartSteps"),
		.n_restarts = offset_of(s, "Service.NRestarts"),
		.type = offset_of(s, "Service.Type"),
		.oom_policy = offset_of(s, "Service.OOMPolicy"),
		.limit = offset_of(s, "Unit.start_ratelimit"),
		.start_limit_action = offset_of(s, "Unit.StartLimitAction"),
		.failure_action = offset_of(s, "Unit.FailureAction"),
		.success_action = offset_of(s, "Unit.SuccessAction"),
		.main_code = offset_of(s, "Service.ExecMainCode"),
		.main_status = offset_of(s, "Service.ExecMainStatus"),
		.flags = offset_of(s, "Service.forbid_restart"),
		.prevent = offset_of(s, "Service.RestartPreventExitStatus"),
		.force = offset_of(s, "Service.RestartForceExitStatus"),
		.success = offset_of(s, "Service.SuccessExitStatus"),
		.set_signal = offset_of(s, "ExitStatusSet.signal"),
	};
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
		.job_unit = offset_of(s, "Job.Unit"),
		.message_bus = offset_of(s, "Message.bus"),
		.message_header = offset_of(s, "Message.header"),
		.message_sender = offset_of(s, "Message.sender"),
		.message_path = offset_of(s, "Message.path"),
		.message_member = offset_of(s, "Message.member"),
		.bus_fd = offset_of(s, "Bus.input_fd"),
		.scope_result = offset_of(s, "Scope.Result"),
		.scope_state = offset_of(s, "Scope.state"),
		.scope_timeout_stop_usec = offset_of(s, "Scope.TimeoutStopUSec"),
		.facts = facts_layout_of(s),
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

static bool is_inlined(const struct object *o, const struct function *f)
{
	struct sym sym;

	return symbols_find(o->symbols, f->name, &sym) < 0 && sym.status == SYM_INLINED;
}

static int attach_one(struct object *o, struct bpf_program *prog, uint64_t offset, bool is_return)
{
	int r = uprobe_attach(&o->links[o->n_links], prog, o->file.open_path, offset, is_return);

	if (r == 0)
		o->n_links++;
	return r;
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
		uprobe_detach(&o->links[--o->n_links]);
	return r;
}

static bool is_denied(int r)
{
	return r == -EPERM || r == -EACCES;
}

/* Not attached: is anything missed for that, and what? */
static void explain(struct probe_state *s, const struct probes *p, const struct function *f,
		    bool inlined, const char *why)
{
	enum cgroup_mode mode = p->hierarchy_id ? CGROUP_V1 : CGROUP_V2;

	s->how = NULL;
	s->harmless = true;
	if (f->only && f->only != mode)
		snprintf(s->reason, sizeof(s->reason), "%s; only cgroup %s calls it, this is %s",
			 why, f->only == CGROUP_V1 ? "v1" : "v2", mode == CGROUP_V1 ? "v1" : "v2");
	else if (f->recent && s->error == -ENOENT && !inlined)
		snprintf(s->reason, sizeof(s->reason), "%s", why);
	else if (f->seen_by && inlined)
		snprintf(s->reason, sizeof(s->reason), "%s; %s sees its stops", why, f->seen_by);
	else
		s->harmless = false;
	if (!s->harmless)
		snprintf(s->reason, sizeof(s->reason), "%s; not seen: %s", why, f->lost);
}

static int fail_essential(const struct object *o, const struct function *f, int r, const char *why,
			  struct capture_error *err)
{
	if (is_denied(r))
		return privileges_fail(err, FORBIDDEN, "not allowed to attach to %s", o->file.name);
	return capture_fail(err, -ENOENT, "`svctrace resolve` on that file shows what was tried.",
			    "essential probe %s in %s: %s", f->name, o->file.name, why);
}

/* What several functions' probes send besides: so that lost ones are told. */
static const unsigned int sample_kinds[KINDS_MAX] = {WIRE_STACK_SAMPLE};
static const unsigned int facts_kinds[KINDS_MAX] = {WIRE_SERVICE_FACTS};
static const unsigned int scope_kinds[KINDS_MAX] = {WIRE_SCOPE}; /* … or all that they send */

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
		explain(s, p, f, is_inlined(o, f), why);
		if (f->essential)
			return fail_essential(o, f, s->error, why, err);
	}
	o->state[o->n_states++] = (struct probe_state){
		.name = "stack_sample",
		.kinds = sample_kinds,
		.how = "uprobe",
	};
	o->state[o->n_states++] = (struct probe_state){
		.name = "service_facts",
		.kinds = facts_kinds,
		.how = "uprobe",
	};
	o->state[o->n_states++] = (struct probe_state){
		.name = "scope_record",
		.kinds = scope_kinds,
		.how = "uprobe",
	};
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
	struct symbols_options load = {.shared_path = file->shared_path};
	struct sym_error why = {};
	int r;

	if (!o) {
		sym_object_done(file);
		return capture_fail(err, -ENOMEM, "", "out of memory");
	}
	o->file = *file;
	*file = (struct sym_object){};
	r = symbols_load(o->file.open_path, &load, &o->symbols, &why);
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
	/* the kernel waits for a grace period per uprobe, about 0.1 s, and does not let two wait at
	 * once */
	for (unsigned int i = 0; i < o->n_links; i++)
		uprobe_detach(&o->links[i]);
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

static int describe_offset(const struct sym_offset *f, pid_t manager, struct stream *s)
{
	struct wire_symbol *w = stream_begin(s, WIRE_OFFSET, sizeof(*w), manager);

	w->vaddr = f->offset;
	stream_string(s, &w->name, f->key);
	stream_string(s, &w->origin, f->reason);
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
	for (size_t i = 0; r == 0 && sym_needed_offsets[i]; i++) {
		struct sym_offset offset = {};

		if (symbols_offset_info(o->symbols, sym_needed_offsets[i], &offset) == 0)
			r = describe_offset(&offset, manager, s);
	}
	for (unsigned int i = 0; r == 0 && i < o->n_states; i++)
		r = probe_describe(&o->state[i], s);
	return r;
}
