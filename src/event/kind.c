/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "event/kind.h"
#include "svctrace/cleanup.h"

/* The fixed part, copied: records lie unaligned in files. kind_get()'s size has been checked. */
#define FIXED(r, type)                                                                             \
	({                                                                                         \
		struct type _fixed;                                                                \
		memcpy(&_fixed, (r)->bytes, sizeof(_fixed));                                       \
		_fixed;                                                                            \
	})

/* A slice of the tail as it is: NULs and all. An empty one says "not known". */
static int get_bytes(const struct record *r, struct wire_str w, struct str *ret)
{
	*ret = (struct str){NULL, 0};
	if (w.len == 0)
		return 0;
	if (w.off < r->fixed || (size_t)w.off + w.len > r->size)
		return -EBADMSG;
	*ret = (struct str){(const char *)r->bytes + w.off, w.len};
	return 0;
}

/* One string: ends at its first NUL, if it has one. */
static int get_str(const struct record *r, struct wire_str w, struct str *ret)
{
	int k = get_bytes(r, w, ret);

	if (ret->s)
		ret->n = strnlen(ret->s, ret->n);
	if (ret->n == 0)
		*ret = (struct str){NULL, 0};
	return k;
}

/* A fixed array that holds a string; p points into the record. */
static struct str fixed_str(const void *p, size_t size)
{
	size_t n = strnlen(p, size);

	return n > 0 ? (struct str){p, n} : (struct str){NULL, 0};
}

/* at: where the task lies in the record, which is what its comm is a slice of. */
static struct ev_task get_task(const struct memory *m, const struct record *r, size_t at)
{
	const unsigned char *comm = r->bytes + at + offsetof(struct wire_task, comm);
	struct wire_task w;

	memcpy(&w, r->bytes + at, sizeof(w));
	return (struct ev_task){
		.tgid = w.tgid,
		.tid = w.tid,
		.ns_tgid = w.ns_tgid,
		.pidns = w.pidns,
		.start_ns = w.start_ns,
		.cgroup = w.cgroup,
		.uid = w.uid,
		.ppid = w.ppid,
		.comm = fixed_str(comm, WIRE_COMM_LEN),
		.cgroup_path = memory_cgroup_path(m, w.cgroup),
	};
}

/* The kinds differ in what their arguments mean. */
static void name_arguments(const struct manager_memory *mm, struct ev *e)
{
	struct ev_service *s = &e->service;

	switch (e->kind) {
	case WIRE_SERVICE_ENTER_STOP:
	case WIRE_SERVICE_ENTER_DEAD:
		s->new_result = memory_enum_name(mm, ENUM_SERVICE_RESULT, s->arg[0]);
		break;
	case WIRE_SERVICE_ENTER_SIGNAL:
		s->new_state = memory_enum_name(mm, ENUM_SERVICE_STATE, s->arg[0]);
		s->new_result = memory_enum_name(mm, ENUM_SERVICE_RESULT, s->arg[1]);
		break;
	case WIRE_SERVICE_SET_STATE:
		s->new_state = memory_enum_name(mm, ENUM_SERVICE_STATE, s->arg[0]);
		break;
	case WIRE_BUS_QUEUE_JOB:
		s->request = memory_enum_name(mm, ENUM_JOB_TYPE, s->arg[0]);
		s->request_mode = memory_enum_name(mm, ENUM_JOB_MODE, s->arg[1]);
		break;
	default:
		break;
	}
}

static bool has_suffix(struct str id, const char *suffix)
{
	const size_t n = strlen(suffix);

	return id.n > n && memcmp(id.s + id.n - n, suffix, n) == 0;
}

static bool is_service(struct str id)
{
	return has_suffix(id, ".service");
}

static void forget_service_fields(struct ev_service *s)
{
	s->main_pid = s->control_pid = WIRE_NONE;
	s->state = s->result = NULL;
}

static int decode_service(struct memory *m, const struct record *r, struct ev *e)
{
	struct wire_service w = FIXED(r, wire_service);
	const struct manager_memory *mm = memory_manager(m, w.h.tgid);
	struct ev_service *s = &e->service;

	*s = (struct ev_service){
		.unit = w.unit,
		.main_pid = w.main_pid,
		.control_pid = w.control_pid,
		.state = memory_enum_name(mm, ENUM_SERVICE_STATE, w.state),
		.result = memory_enum_name(mm, ENUM_SERVICE_RESULT, w.result),
		.job_type = memory_enum_name(mm, ENUM_JOB_TYPE, w.job_type),
		.job_id = w.job_type == WIRE_NONE ? 0 : w.job_id,
		.arg = {w.arg[0], w.arg[1], w.arg[2]},
	};
	name_arguments(mm, e);
	if (get_str(r, w.id, &s->id) < 0 || get_str(r, w.path, &s->path) < 0 ||
	    !unit_name_is_valid(s->id))
		return -EBADMSG;
	if (!is_service(s->id)) /* its unit has no such fields: something else lies there */
		forget_service_fields(s);
	return 0;
}

/* What a scope's functions are called, and which events of a service mean the same. */
static const struct {
	enum wire_kind kind;
	const char *name, *function;
} scope_calls[] = {
	[WIRE_SCOPE_SET_STATE] = {WIRE_SERVICE_SET_STATE, "scope-set-state", "scope_set_state"},
	[WIRE_SCOPE_ENTER_SIGNAL] = {WIRE_SERVICE_ENTER_SIGNAL, "scope-enter-signal",
				     "scope_enter_signal"},
	[WIRE_SCOPE_ENTER_DEAD] = {WIRE_SERVICE_ENTER_DEAD, "scope-enter-dead", "scope_enter_dead"},
	[WIRE_SCOPE_STOP] = {WIRE_SERVICE_STOP, "scope-stop", "scope_stop"},
	[WIRE_SCOPE_CGROUP_EMPTY] = {WIRE_SERVICE_CGROUP_EMPTY, "scope-cgroup-empty",
				     "scope_notify_cgroup_empty_event"},
	[WIRE_SCOPE_OOM] = {WIRE_SERVICE_OOM, "scope-oom", "scope_notify_cgroup_oom_event"},
	[WIRE_SCOPE_TIMER] = {WIRE_SERVICE_TIMER, "scope-timer", "scope_dispatch_timer"},
};

static void name_scope_arguments(const struct manager_memory *mm, const struct wire_scope *w,
				 struct ev_service *s)
{
	switch (w->call) {
	case WIRE_SCOPE_SET_STATE:
		s->new_state = memory_enum_name(mm, ENUM_SCOPE_STATE, w->arg[0]);
		break;
	case WIRE_SCOPE_ENTER_SIGNAL:
		s->new_state = memory_enum_name(mm, ENUM_SCOPE_STATE, w->arg[0]);
		s->new_result = memory_enum_name(mm, ENUM_SCOPE_RESULT, w->arg[1]);
		break;
	case WIRE_SCOPE_ENTER_DEAD:
		s->new_result = memory_enum_name(mm, ENUM_SCOPE_RESULT, w->arg[0]);
		break;
	default:
		break;
	}
}

static int decode_scope(struct memory *m, const struct record *r, struct ev *e)
{
	struct wire_scope w = FIXED(r, wire_scope);
	const struct manager_memory *mm = memory_manager(m, w.h.tgid);
	struct ev_service *s = &e->service;

	if (w.call == WIRE_SCOPE_NONE || w.call >= ARRAY_LEN(scope_calls))
		return -EBADMSG;
	e->scope = w.call;
	e->kind = scope_calls[w.call].kind;
	*s = (struct ev_service){
		.unit = w.unit,
		.state = memory_enum_name(mm, ENUM_SCOPE_STATE, w.state),
		.result = memory_enum_name(mm, ENUM_SCOPE_RESULT, w.result),
		.job_type = memory_enum_name(mm, ENUM_JOB_TYPE, w.job_type),
		.job_id = w.job_type == WIRE_NONE ? 0 : w.job_id,
		.arg = {w.arg[0], w.arg[1]},
	};
	name_scope_arguments(mm, &w, s);
	if (get_str(r, w.id, &s->id) < 0 || !unit_name_is_valid(s->id))
		return -EBADMSG;
	return has_suffix(s->id, ".scope") ? 0 : -EBADMSG; /* something else lies there */
}

static struct ev_exit_set exit_set(const struct wire_exit_set *w)
{
	struct ev_exit_set set = {.known = w->known != 0};

	memcpy(set.status, w->status, sizeof(set.status));
	memcpy(set.signal, w->signal, sizeof(set.signal));
	return set;
}

static int32_t bit_or_none(int32_t flags, int32_t bit)
{
	return flags == WIRE_NONE ? WIRE_NONE : (flags & bit) != 0;
}

static void name_facts(const struct manager_memory *mm, const struct wire_service_facts *w,
		       struct ev_facts *f)
{
	f->restart = memory_enum_name(mm, ENUM_SERVICE_RESTART, w->restart);
	f->restart_mode = memory_enum_name(mm, ENUM_SERVICE_RESTART_MODE, w->restart_mode);
	f->type = memory_enum_name(mm, ENUM_SERVICE_TYPE, w->type);
	f->oom_policy = memory_enum_name(mm, ENUM_OOM_POLICY, w->oom_policy);
	f->start_limit_action = memory_enum_name(mm, ENUM_EMERGENCY_ACTION, w->start_limit_action);
	f->failure_action = memory_enum_name(mm, ENUM_EMERGENCY_ACTION, w->failure_action);
	f->success_action = memory_enum_name(mm, ENUM_EMERGENCY_ACTION, w->success_action);
}

static int decode_service_facts(struct memory *m, const struct record *r, struct ev *e)
{
	struct wire_service_facts w = FIXED(r, wire_service_facts);
	uint64_t abort_usec = w.timeout_abort_set == WIRE_NONE ? WIRE_USEC_NONE
			      : w.timeout_abort_set	       ? w.timeout_abort_usec
							       : w.timeout_stop_usec;

	e->facts = (struct ev_facts){
		.unit = w.unit,
		.restart_usec = w.restart_usec,
		.restart_max_delay_usec = w.restart_max_delay_usec,
		.restart_steps = w.restart_steps,
		.n_restarts = w.n_restarts,
		.main_code = w.main_code,
		.main_status = w.main_status,
		.forbid_restart = bit_or_none(w.flags, WIRE_FACT_FORBID_RESTART),
		.prevent = exit_set(&w.prevent),
		.force = exit_set(&w.force),
		.success = exit_set(&w.success),
		.limit_interval_usec = w.limit_interval_usec,
		.limit_begin_usec = w.limit_begin_usec,
		.limit_burst = w.limit_burst,
		.limit_num = w.limit_num,
		.timeout_start_usec = w.timeout_start_usec,
		.timeout_stop_usec = w.timeout_stop_usec,
		.timeout_abort_usec = abort_usec,
		.runtime_max_usec = w.runtime_max_usec,
		.watchdog_timestamp_usec = w.watchdog_timestamp_usec,
		.watchdog_usec = w.watchdog_usec,
		.watchdog_original_usec = w.watchdog_original_usec,
		.watchdog_override_usec = w.watchdog_override_usec,
		.watchdog_override_enable = w.watchdog_override_enable,
	};
	name_facts(memory_manager(m, w.h.tgid), &w, &e->facts);
	if (get_str(r, w.id, &e->facts.id) < 0 || !unit_name_is_valid(e->facts.id))
		return -EBADMSG;
	return is_service(e->facts.id) ? 0 : -EBADMSG; /* something else lies there */
}

static int decode_action(struct memory *m, const struct record *r, struct ev *e)
{
	struct wire_action w = FIXED(r, wire_action);

	e->action = memory_enum_name(memory_manager(m, w.h.tgid), ENUM_EMERGENCY_ACTION, w.action);
	return 0;
}

/*
 * transaction_add_job_and_dependencies(): the 5th and 6th argument are the bools matters and
 * conflicts, or since 254 a set of flags and a pointer.
 */
static bool is_conflict(const struct wire_job *w)
{
	const unsigned int flag_conflicts = 1u << 1;
	/* of a bool only the lowest byte is defined */
	bool flags = w->arg[1] >> 16 > UINT16_MAX || (uint8_t)w->arg[0] > 1;

	return flags ? w->arg[0] & flag_conflicts : w->arg[1] & 1;
}

static int decode_job(struct memory *m, const struct record *r, struct ev *e)
{
	struct wire_job w = FIXED(r, wire_job);
	const struct manager_memory *mm = memory_manager(m, w.h.tgid);
	struct ev_job *j = &e->job;

	*j = (struct ev_job){
		.type = memory_enum_name(mm, ENUM_JOB_TYPE, w.type),
		.by_type = memory_enum_name(mm, ENUM_JOB_TYPE, w.by_type),
		.pending = w.pending,
	};
	if (e->kind == WIRE_MANAGER_ADD_JOB)
		j->mode = memory_enum_name(mm, ENUM_JOB_MODE, (int32_t)w.arg[0]);
	else if (e->kind == WIRE_TRANSACTION_JOB)
		j->conflict = is_conflict(&w);
	if (get_str(r, w.id, &j->id) < 0 || get_str(r, w.by_id, &j->by) < 0)
		return -EBADMSG;
	if (j->by.s && !unit_name_is_valid(j->by))
		return -EBADMSG;
	return unit_name_is_valid(j->id) ? 0 : -EBADMSG;
}

static int decode_message(struct memory *m, const struct record *r, struct ev *e)
{
	struct wire_message w = FIXED(r, wire_message);

	(void)m;
	e->message.serial = w.serial;
	e->message.peer = w.peer;
	if (get_str(r, w.sender, &e->message.sender) < 0 ||
	    get_str(r, w.path, &e->message.path) < 0)
		return -EBADMSG;
	return get_str(r, w.member, &e->message.member);
}

/* "PartOf, Requires": shown as it is. */
static bool is_dependency_name(struct str s)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz., ";
	size_t i = 0;

	while (i < s.n && s.s[i] && strchr(plain, s.s[i]))
		i++;
	return i == s.n;
}

static int decode_dependency(struct memory *m, const struct record *r, struct ev *e)
{
	struct wire_dependency w = FIXED(r, wire_dependency);
	struct ev_dependency *d = &e->dependency;

	(void)m;
	if (get_str(r, w.unit, &d->unit) < 0 || get_str(r, w.by, &d->by) < 0 ||
	    get_str(r, w.name, &d->name) < 0)
		return -EBADMSG;
	if (!is_dependency_name(d->name))
		return -EBADMSG;
	return unit_name_is_valid(d->unit) && unit_name_is_valid(d->by) ? 0 : -EBADMSG;
}

static int decode_gone(struct memory *m, const struct record *r, struct ev *e)
{
	struct wire_gone w = FIXED(r, wire_gone);
	struct ev_gone *d = &e->gone;

	(void)m;
	d->since_ns = w.since_ns;
	if (get_str(r, w.unit, &d->unit) < 0 || get_str(r, w.bound_to, &d->bound_to) < 0)
		return -EBADMSG;
	return unit_name_is_valid(d->unit) && unit_name_is_valid(d->bound_to) ? 0 : -EBADMSG;
}

static int decode_path(struct memory *m, const struct record *r, struct ev *e)
{
	struct wire_path w = FIXED(r, wire_path);

	e->path.id = w.id;
	e->path.parent = w.parent;
	e->path.value = w.value;
	if (get_str(r, w.path, &e->path.path) < 0)
		return -EBADMSG;
	if (e->kind == WIRE_CGROUP_MKDIR || e->kind == WIRE_CGROUP)
		return memory_cgroup_set(m, w.id, e->path.path);
	if (!e->path.path.s)
		e->path.path = memory_cgroup_path(m, w.id);
	return 0;
}

static int decode_fork(struct memory *m, const struct record *r, struct ev *e)
{
	e->process.task = get_task(m, r, offsetof(struct wire_fork, child));
	return 0;
}

static int decode_exec(struct memory *m, const struct record *r, struct ev *e)
{
	struct wire_exec w = FIXED(r, wire_exec);

	e->process.task = get_task(m, r, offsetof(struct wire_exec, task));
	if (get_str(r, w.exe, &e->process.exe) < 0)
		return -EBADMSG;
	return get_bytes(r, w.cmdline, &e->process.cmdline);
}

static int decode_exit(struct memory *m, const struct record *r, struct ev *e)
{
	e->process.task = get_task(m, r, offsetof(struct wire_exit, task));
	e->process.code = FIXED(r, wire_exit).code;
	return 0;
}

/* Where a record keeps the ancestors of a process. */
static int get_ancestors(const struct record *r, size_t at, uint32_t n, struct ev_origin *o)
{
	if (n > WIRE_ANCESTORS_MAX)
		return -EBADMSG;
	o->n_ancestors = n;
	for (uint32_t i = 0; i < n; i++, at += sizeof(struct wire_ancestor)) {
		const unsigned char *comm = r->bytes + at + offsetof(struct wire_ancestor, comm);
		struct wire_ancestor w;

		memcpy(&w, r->bytes + at, sizeof(w));
		o->ancestors[i].tgid = w.tgid;
		o->ancestors[i].start_ns = w.start_ns;
		o->ancestors[i].comm = fixed_str(comm, WIRE_COMM_LEN);
	}
	return 0;
}

static int decode_signal(struct memory *m, const struct record *r, struct ev *e)
{
	struct wire_signal w = FIXED(r, wire_signal);
	struct ev_signal *s = &e->signal;

	*s = (struct ev_signal){
		.sig = w.sig,
		.code = w.code,
		.syscall = w.syscall,
		.target_flags = w.target_flags,
		.sender =
			{
				.task = get_task(m, r, offsetof(struct wire_signal, sender)),
				.loginuid = w.loginuid,
				.session = w.session,
				.tty = fixed_str(r->bytes + offsetof(struct wire_signal, tty),
						 WIRE_TTY_LEN),
			},
		.target = get_task(m, r, offsetof(struct wire_signal, target)),
	};
	if (get_bytes(r, w.cmdline, &s->sender.cmdline) < 0)
		return -EBADMSG;
	return get_ancestors(r, offsetof(struct wire_signal, ancestors), w.n_ancestors, &s->sender);
}

static int decode_client_send(struct memory *m, const struct record *r, struct ev *e)
{
	struct wire_client_send w = FIXED(r, wire_client_send);
	struct ev_client_send *s = &e->send;

	*s = (struct ev_client_send){
		.client =
			{
				.task = get_task(m, r, offsetof(struct wire_client_send, task)),
				.loginuid = w.loginuid,
				.session = w.session,
				.tty = fixed_str(r->bytes + offsetof(struct wire_client_send, tty),
						 WIRE_TTY_LEN),
			},
		.endpoint = w.endpoint,
		.listener = w.listener,
		.length = w.length,
	};
	if (get_bytes(r, w.cmdline, &s->client.cmdline) < 0 ||
	    get_str(r, w.socket, &s->socket) < 0 || get_bytes(r, w.bytes, &s->bytes) < 0)
		return -EBADMSG;
	bus_parse(&m->messages, s->endpoint, s->bytes.s, s->bytes.n, w.length);
	s->messages = m->messages.message;
	s->n_messages = m->messages.n;
	s->more = m->messages.more;
	return get_ancestors(r, offsetof(struct wire_client_send, ancestors), w.n_ancestors,
			     &s->client);
}

static int decode_bus_name(struct memory *m, const struct record *r, struct ev *e)
{
	struct wire_bus_name w = FIXED(r, wire_bus_name);

	(void)m;
	e->bus_name.client = w.client;
	e->bus_name.listener = w.listener;
	if (get_str(r, w.name, &e->bus_name.name) < 0)
		return -EBADMSG;
	return get_str(r, w.socket, &e->bus_name.socket);
}

static int decode_attach(struct memory *m, const struct record *r, struct ev *e)
{
	struct wire_attach w = FIXED(r, wire_attach);

	if (get_str(r, w.path, &e->attach.path) < 0)
		return -EBADMSG;
	/* learn first: what the event points to must not be replaced afterwards */
	if (e->attach.path.s && memory_cgroup_set(m, w.cgroup, e->attach.path) < 0)
		return -ENOMEM;
	if (!e->attach.path.s)
		e->attach.path = memory_cgroup_path(m, w.cgroup);
	e->attach.task = get_task(m, r, offsetof(struct wire_attach, task));
	e->attach.cgroup = w.cgroup;
	e->attach.threadgroup = w.threadgroup;
	return 0;
}

static int decode_pidns(struct memory *m, const struct record *r, struct ev *e)
{
	e->pidns.init = get_task(m, r, offsetof(struct wire_pidns, init));
	e->pidns.pidns = FIXED(r, wire_pidns).pidns;
	return 0;
}

static int decode_fuse(struct memory *m, const struct record *r, struct ev *e)
{
	struct wire_fuse w = FIXED(r, wire_fuse);

	e->fuse.task = get_task(m, r, offsetof(struct wire_fuse, task));
	e->fuse.connection = w.connection;
	e->fuse.exiting = w.exiting;
	e->fuse.ret = w.ret;
	return 0;
}

static int decode_pid_levels(struct memory *m, const struct record *r, struct ev *e)
{
	struct wire_pid_levels w = FIXED(r, wire_pid_levels);

	(void)m;
	e->pid_levels.n = w.n;
	for (unsigned int i = 0; i < WIRE_PID_LEVELS_MAX; i++) {
		e->pid_levels.pidns[i] = w.level[i].pidns;
		e->pid_levels.nr[i] = w.level[i].nr;
	}
	return 0;
}

static int decode_fuse_holders(struct memory *m, const struct record *r, struct ev *e)
{
	struct wire_fuse_holders w = FIXED(r, wire_fuse_holders);

	(void)m;
	e->fuse_holders.connection = w.connection;
	e->fuse_holders.error = w.error;
	e->fuse_holders.n = w.n;
	e->fuse_holders.stopped = w.stopped;
	memcpy(e->fuse_holders.tgid, w.tgid, sizeof(w.tgid));
	return 0;
}

static int decode_nothing(struct memory *m, const struct record *r, struct ev *e)
{
	(void)m;
	(void)r;
	(void)e;
	return 0;
}

static int decode_text(struct memory *m, const struct record *r, struct ev *e)
{
	(void)m;
	return get_bytes(r, FIXED(r, wire_text).text, &e->text);
}

static int decode_clock(struct memory *m, const struct record *r, struct ev *e)
{
	struct wire_clock w = FIXED(r, wire_clock);

	e->clock.boot_ns = w.boot_ns;
	e->clock.real_ns = w.real_ns;
	m->clock.known = true;
	m->clock.mono_ns = w.h.mono_ns;
	m->clock.real_ns = w.real_ns;
	return 0;
}

static int replace(char **p, struct str s)
{
	char *copy = str_dup(s);

	if (s.s && !copy)
		return -ENOMEM;
	free(*p);
	*p = copy;
	return 0;
}

static int decode_manager(struct memory *m, const struct record *r, struct ev *e)
{
	struct wire_manager w = FIXED(r, wire_manager);
	struct ev_task task = get_task(m, r, offsetof(struct wire_manager, task));
	struct str object, build_id, version;
	struct manager_memory *mm;

	(void)e;
	if (get_str(r, w.object, &object) < 0 || get_str(r, w.build_id, &build_id) < 0 ||
	    get_str(r, w.version, &version) < 0)
		return -EBADMSG;
	mm = memory_manager_make(m, w.h.tgid);
	if (!mm)
		return -ENOMEM;
	mm->ns_tgid = task.ns_tgid;
	mm->pidns = task.pidns;
	mm->uid = task.uid;
	mm->user = w.user != 0;
	if (replace(&mm->object, object) < 0 || replace(&mm->build_id, build_id) < 0 ||
	    replace(&mm->version, version) < 0 || replace(&mm->cgroup_path, task.cgroup_path) < 0)
		return -ENOMEM;
	return 0;
}

static int decode_enum(struct memory *m, const struct record *r, struct ev *e)
{
	struct wire_enum w = FIXED(r, wire_enum);
	struct manager_memory *mm;

	if (get_str(r, w.name, &e->enumeration.name) < 0 ||
	    get_bytes(r, w.values, &e->enumeration.values) < 0)
		return -EBADMSG;
	mm = memory_manager_make(m, w.h.tgid);
	return mm ? memory_enum_set(mm, e->enumeration.name, e->enumeration.values) : -ENOMEM;
}

static int decode_symbol(struct memory *m, const struct record *r, struct ev *e)
{
	struct wire_symbol w = FIXED(r, wire_symbol);

	(void)m;
	e->symbol.vaddr = w.vaddr;
	e->symbol.file_offset = w.file_offset;
	if (get_str(r, w.name, &e->symbol.name) < 0)
		return -EBADMSG;
	return get_str(r, w.origin, &e->symbol.origin);
}

static int decode_probe(struct memory *m, const struct record *r, struct ev *e)
{
	struct wire_probe w = FIXED(r, wire_probe);

	(void)m;
	e->probe.error = w.error;
	if (get_str(r, w.name, &e->probe.name) < 0 || get_str(r, w.how, &e->probe.how) < 0)
		return -EBADMSG;
	return get_str(r, w.reason, &e->probe.reason);
}

static int decode_proc(struct memory *m, const struct record *r, struct ev *e)
{
	struct wire_proc w = FIXED(r, wire_proc);
	struct ev_proc *p = &e->proc;

	p->task = get_task(m, r, offsetof(struct wire_proc, task));
	p->loginuid = w.loginuid;
	p->session = w.session;
	if (get_str(r, w.exe, &p->exe) < 0 || get_bytes(r, w.cmdline, &p->cmdline) < 0 ||
	    get_str(r, w.cgroup, &p->cgroup) < 0 || get_str(r, w.tty, &p->tty) < 0)
		return -EBADMSG;
	return 0;
}

/* "unsafe-path": shown as it is. */
static bool is_plain_word(struct str s)
{
	size_t i = 0;

	while (i < s.n && (s.s[i] == '-' || (s.s[i] >= 'a' && s.s[i] <= 'z')))
		i++;
	return i == s.n;
}

static int decode_pidfile(struct memory *m, const struct record *r, struct ev *e)
{
	struct wire_pidfile w = FIXED(r, wire_pidfile);
	struct ev_pidfile *p = &e->pidfile;
	const struct {
		struct wire_str from;
		struct str *to;
	} strings[] = {
		{w.id, &p->id},
		{w.path, &p->path},
		{w.line, &p->line},
		{w.outcome, &p->outcome},
		{w.rule, &p->rule},
		{w.why, &p->why},
		{w.mend, &p->mend},
		{w.from, &p->from},
		{w.from_kind, &p->from_kind},
		{w.step, &p->step},
		{w.step_kind, &p->step_kind},
		{w.step_target, &p->step_target},
		{w.comm, &p->comm},
		{w.cgroup, &p->cgroup},
	};

	(void)m;
	*p = (struct ev_pidfile){
		.unit = w.unit,
		.looked_ns = w.looked_ns,
		.failed = w.failed,
		.error = w.error,
		.pid = w.pid,
		.half_of = w.half_of,
		.found = w.flags & WIRE_PIDFILE_FOUND,
		.whole = w.flags & WIRE_PIDFILE_WHOLE,
		.changed = w.flags & WIRE_PIDFILE_CHANGED,
		.renamed = w.flags & WIRE_PIDFILE_RENAMED,
		.dev = w.dev,
		.ino = w.ino,
		.mtime_ns = w.mtime_ns,
		.size = w.size,
		.owner = w.owner,
		.mode = w.mode,
		.from_uid = w.from_uid,
		.step_uid = w.step_uid,
	};
	for (size_t i = 0; i < ARRAY_LEN(strings); i++)
		if (get_str(r, strings[i].from, strings[i].to) < 0)
			return -EBADMSG;
	if (!is_plain_word(p->outcome) || !is_plain_word(p->rule) || !is_plain_word(p->from_kind) ||
	    !is_plain_word(p->step_kind))
		return -EBADMSG;
	return unit_name_is_valid(p->id) ? 0 : -EBADMSG;
}

static int decode_lost(struct memory *m, const struct record *r, struct ev *e)
{
	struct wire_lost w = FIXED(r, wire_lost);

	(void)m;
	e->lost.since_ns = w.since_ns;
	e->lost.count = w.count;
	return get_str(r, w.probe, &e->lost.probe);
}

static int decode_stack_sample(struct memory *m, const struct record *r, struct ev *e)
{
	struct wire_stack_sample w = FIXED(r, wire_stack_sample);
	struct str bytes;

	(void)m;
	e->sample.sp = w.sp;
	e->sample.bytes = w.bytes.len;
	e->sample.wanted = w.wanted;
	return get_bytes(r, w.bytes, &bytes);
}

static int get_stack(struct memory *m, const struct record *r, struct wire_str frames,
		     enum wire_stack_end end, struct ev_stack *ret)
{
	struct str list;

	if (get_bytes(r, frames, &list) < 0 || list.n % sizeof(struct wire_frame) != 0 ||
	    list.n / sizeof(struct wire_frame) > WIRE_FRAMES_MAX || !stack_end_name(end))
		return -EBADMSG;
	ret->end = end;
	ret->n = list.n / sizeof(struct wire_frame);
	ret->frames = m->frames;
	for (unsigned int i = 0; i < ret->n; i++) {
		struct ev_frame *to = &m->frames[i];
		struct wire_frame from;

		memcpy(&from, list.s + i * sizeof(from), sizeof(from));
		*to = (struct ev_frame){
			.address = from.address,
			.offset = from.offset,
			.guess = from.flags & WIRE_FRAME_GUESS,
		};
		if (get_str(r, from.name, &to->name) < 0 ||
		    get_str(r, from.object, &to->object) < 0)
			return -EBADMSG;
	}
	return 0;
}

static int decode_stack(struct memory *m, const struct record *r, struct ev *e)
{
	struct wire_stack w = FIXED(r, wire_stack);

	return get_stack(m, r, w.frames, w.end, &e->stack);
}

static int decode_user_stack(struct memory *m, const struct record *r, struct ev *e)
{
	struct wire_user_stack w = FIXED(r, wire_user_stack);

	e->user_stack.error = w.error;
	if (!user_stack_error_name(w.error))
		return -EBADMSG;
	return get_stack(m, r, w.frames, w.end, &e->user_stack.stack);
}

#define USEC_NS	  1000u
#define SECOND_NS 1000000000ull

/* What would not fit is as good as never. */
static uint64_t from_usec(uint64_t usec)
{
	return usec > UINT64_MAX / USEC_NS ? UINT64_MAX : usec * USEC_NS;
}

static int decode_keepalive(struct memory *m, const struct record *r, struct ev *e)
{
	struct wire_keepalive w = FIXED(r, wire_keepalive);

	e->keepalive = (struct ev_keepalive){
		.at_ns = from_usec(w.at_usec),
		.unit_ns = from_usec(w.unit_usec),
		.started_ns = from_usec(w.started_usec),
		.message_ns = from_usec(w.message_usec),
		.by_message = w.by_message,
		.main_pid = w.main_pid,
		.state = memory_enum_name(memory_manager(m, w.h.tgid), ENUM_SERVICE_STATE, w.state),
		.left_out = w.left_out,
	};
	if (get_str(r, w.id, &e->keepalive.id) < 0)
		return -EBADMSG;
	return unit_name_is_valid(e->keepalive.id) ? 0 : -EBADMSG;
}

/* The names of kernel functions, and of nothing else. */
static bool is_function_list(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.s[i] != '\n' && (s.s[i] <= ' ' || s.s[i] > '~'))
			return false;
	return true;
}

static int decode_thread(struct memory *m, const struct record *r, struct ev *e)
{
	struct wire_thread w = FIXED(r, wire_thread);
	struct ev_thread *t = &e->thread;

	*t = (struct ev_thread){
		.task = get_task(m, r, offsetof(struct wire_thread, task)),
		.cpu_ns = w.cpu_ns,
		.cpu_since_ns = w.cpu_since_ns,
		.ns_tid = w.ns_tid,
		.flags = w.flags,
		.state = w.state > ' ' && w.state <= '~' ? (char)w.state : '?',
	};
	if (get_str(r, w.stack, &t->stack) < 0)
		return -EBADMSG;
	return is_function_list(t->stack) ? 0 : -EBADMSG;
}

static int decode_look(struct memory *m, const struct record *r, struct ev *e)
{
	struct wire_look w = FIXED(r, wire_look);

	(void)m;
	e->look = (struct ev_look){
		.reason = w.reason,
		.at_ns = w.at_ns,
		.took_ns = w.took_ns,
		.error = w.error,
		.n = w.n,
	};
	if (get_str(r, w.id, &e->look.id) < 0 || !look_reason_name(e->look.reason))
		return -EBADMSG;
	return unit_name_is_valid(e->look.id) ? 0 : -EBADMSG;
}

static int decode_watchdog_use(struct memory *m, const struct record *r, struct ev *e)
{
	struct wire_watchdog_use w = FIXED(r, wire_watchdog_use);

	e->watchdog_use = (struct ev_watchdog_use){
		.task = get_task(m, r, offsetof(struct wire_watchdog_use, task)),
		.since_ns = w.since_ns,
		.device = w.device,
		.op = w.op,
		.value = w.value,
		.left_out = w.left_out,
	};
	return watchdog_op_name(e->watchdog_use.op) ? 0 : -EBADMSG;
}

static int decode_watchdog_device(struct memory *m, const struct record *r, struct ev *e)
{
	struct wire_watchdog_device w = FIXED(r, wire_watchdog_device);
	struct ev_watchdog_device *d = &e->watchdog_device;

	(void)m;
	*d = (struct ev_watchdog_device){
		.pinged_ns = w.pinged_ns,
		.timeout_ns = w.timeout > 0 ? (uint64_t)w.timeout * SECOND_NS : 0,
		.device = w.device,
		.holder = w.holder,
		.threads = w.threads,
		.running = w.running,
		.nowayout = w.nowayout,
		.overdue = w.flags & WIRE_WATCHDOG_OVERDUE,
	};
	if (get_str(r, w.identity, &d->identity) < 0)
		return -EBADMSG;
	return get_str(r, w.driver, &d->driver);
}

static int decode_watchdog_settings(struct memory *m, const struct record *r, struct ev *e)
{
	struct wire_watchdog_settings w = FIXED(r, wire_watchdog_settings);

	(void)m;
	e->watchdog_settings = (struct ev_watchdog_settings){
		.runtime_usec = w.runtime_usec,
		.reboot_usec = w.reboot_usec,
		.pinged_ns = w.pinged_ns,
		.device = w.device,
	};
	return get_str(r, w.path, &e->watchdog_settings.path);
}

/* clang-format off */
#define SERVICE(n, f) {n, f, sizeof(struct wire_service), true, decode_service}
#define JOB(n, f) {n, f, sizeof(struct wire_job), true, decode_job}
#define PATH(n) {n, NULL, sizeof(struct wire_path), false, decode_path}
#define MPATH(n, f) {n, f, sizeof(struct wire_path), true, decode_path}
#define OTHER(n, t) {n, NULL, sizeof(struct wire_##t), false, decode_##t}
#define BARE(n) {n, NULL, sizeof(struct wire_hdr), false, decode_nothing}

static const struct kind kinds[] = {
	[WIRE_SERVICE_ENTER_STOP] = SERVICE("service-enter-stop", "service_enter_stop"),
	[WIRE_SERVICE_ENTER_SIGNAL] = SERVICE("service-enter-signal", "service_enter_signal"),
	[WIRE_SERVICE_ENTER_DEAD] = SERVICE("service-enter-dead", "service_enter_dead"),
	[WIRE_SERVICE_SET_STATE] = SERVICE("service-set-state", "service_set_state"),
	[WIRE_SERVICE_STOP] = SERVICE("service-stop", "service_stop"),
	[WIRE_SERVICE_SIGCHLD] = SERVICE("service-sigchld", "service_sigchld_event"),
	[WIRE_SERVICE_CGROUP_EMPTY] = SERVICE("service-cgroup-empty", "service_notify_cgroup_empty_event"),
	[WIRE_MANAGER_CGROUP_EMPTY] = MPATH("manager-cgroup-empty", "manager_notify_cgroup_empty"),
	[WIRE_SERVICE_PIDFILE_LOAD] = SERVICE("service-pidfile-load", "service_load_pid_file"),
	[WIRE_SERVICE_PIDFILE_RESULT] = SERVICE("service-pidfile-result", "service_load_pid_file"),
	[WIRE_SERVICE_TIMER] = SERVICE("service-timer", "service_dispatch_timer"),
	[WIRE_SERVICE_WATCHDOG] = SERVICE("service-watchdog", "service_dispatch_watchdog"),
	[WIRE_SERVICE_OOM] = SERVICE("service-oom", "service_notify_cgroup_oom_event"),
	[WIRE_BUS_QUEUE_JOB] = SERVICE("bus-queue-job", "bus_unit_queue_job_one"),
	[WIRE_MANAGER_CGROUP_EVENT] = MPATH("manager-cgroup-event", "on_cgroup_inotify_event"),
	[WIRE_MANAGER_ADD_JOB] = JOB("manager-add-job", "manager_add_job"),
	[WIRE_TRANSACTION_JOB] = JOB("transaction-job", "transaction_add_job_and_dependencies"),
	[WIRE_BUS_MESSAGE] = {"bus-message", NULL, sizeof(struct wire_message), true, decode_message},
	[WIRE_BUS_KILL] = SERVICE("bus-kill", "bus_unit_method_kill"),
	[WIRE_STACK_SAMPLE] = {"stack-sample", NULL, sizeof(struct wire_stack_sample), true, decode_stack_sample},
	[WIRE_UNIT_TRIGGERS] = JOB("unit-triggers", "unit_enter_running"),
	[WIRE_SERVICE_FACTS] = {"service-facts", NULL, sizeof(struct wire_service_facts), true, decode_service_facts},
	[WIRE_EMERGENCY_ACTION] = {"emergency-action", "emergency_action", sizeof(struct wire_action), true, decode_action},
	[WIRE_SERVICE_KEEPALIVE] = {"service-keepalive", "service_start_watchdog", sizeof(struct wire_keepalive), true, decode_keepalive},
	[WIRE_USER_STACK] = OTHER("user-stack", user_stack),
	[WIRE_FORK] = OTHER("fork", fork),
	[WIRE_EXEC] = OTHER("exec", exec),
	[WIRE_EXIT] = OTHER("exit", exit),
	[WIRE_SIGNAL] = OTHER("signal", signal),
	[WIRE_OOM_VICTIM] = OTHER("oom-victim", exit),
	[WIRE_CGROUP_MKDIR] = PATH("cgroup-mkdir"),
	[WIRE_CGROUP_RMDIR] = PATH("cgroup-rmdir"),
	[WIRE_CGROUP_ATTACH] = OTHER("cgroup-attach", attach),
	[WIRE_CGROUP_POPULATED] = PATH("cgroup-populated"),
	[WIRE_CGROUP_FROZEN] = PATH("cgroup-frozen"),
	[WIRE_PIDNS_ZAP_ENTER] = OTHER("pidns-zap-enter", pidns),
	[WIRE_PIDNS_ZAP_EXIT] = OTHER("pidns-zap-exit", pidns),
	[WIRE_FUSE_FLUSH_ENTER] = OTHER("fuse-flush-enter", fuse),
	[WIRE_FUSE_FLUSH_EXIT] = OTHER("fuse-flush-exit", fuse),
	[WIRE_CLIENT_SEND] = OTHER("client-send", client_send),
	[WIRE_BUS_NAME] = OTHER("bus-name", bus_name),
	[WIRE_FUSE_SERVE] = OTHER("fuse-serve", fuse),
	[WIRE_PID_LEVELS] = OTHER("pid-levels", pid_levels),
	[WIRE_SCOPE] = {"scope", NULL, sizeof(struct wire_scope), true, decode_scope},
	[WIRE_START] = OTHER("start", text),
	[WIRE_CLOCK] = OTHER("clock", clock),
	[WIRE_MANAGER] = {"manager", NULL, sizeof(struct wire_manager), true, decode_manager},
	[WIRE_ENUM] = {"enum", NULL, sizeof(struct wire_enum), true, decode_enum},
	[WIRE_SYMBOL] = {"symbol", NULL, sizeof(struct wire_symbol), true, decode_symbol},
	[WIRE_PROBE] = OTHER("probe", probe),
	[WIRE_PROC] = OTHER("proc", proc),
	[WIRE_LOST] = OTHER("lost", lost),
	[WIRE_IDLE] = BARE("idle"),
	[WIRE_END] = BARE("end"),
	[WIRE_CGROUP] = PATH("cgroup"),
	[WIRE_STACK] = {"stack", NULL, sizeof(struct wire_stack), true, decode_stack},
	[WIRE_DEPENDENCY] = {"dependency", NULL, sizeof(struct wire_dependency), true, decode_dependency},
	[WIRE_GONE] = {"gone", NULL, sizeof(struct wire_gone), true, decode_gone},
	[WIRE_FUSE_HOLDERS] = OTHER("fuse-holders", fuse_holders),
	[WIRE_THREAD] = OTHER("thread", thread),
	[WIRE_LOOK] = {"look", NULL, sizeof(struct wire_look), true, decode_look},
	[WIRE_PIDFILE] = {"pidfile", NULL, sizeof(struct wire_pidfile), true, decode_pidfile},
	[WIRE_WATCHDOG_USE] = OTHER("watchdog-use", watchdog_use),
	[WIRE_WATCHDOG_DEVICE] = OTHER("watchdog-device", watchdog_device),
	[WIRE_WATCHDOG_SETTINGS] = OTHER("watchdog-settings", watchdog_settings),
	[WIRE_OFFSET] = {"offset", NULL, sizeof(struct wire_symbol), true, decode_symbol},
};
/* clang-format on */

const char *look_reason_name(enum wire_look_reason reason)
{
	static const char *const names[] = {
		[WIRE_LOOK_KEEPALIVE_DUE] = "keepalive-due",
		[WIRE_LOOK_WATCHDOG] = "watchdog",
		[WIRE_LOOK_TIMEOUT_DUE] = "timeout-due",
		[WIRE_LOOK_TIMEOUT] = "timeout",
		[WIRE_LOOK_SLOW] = "slow",
	};

	return (size_t)reason < ARRAY_LEN(names) ? names[reason] : NULL;
}

const char *watchdog_op_name(enum wire_watchdog_op op)
{
	static const char *const names[] = {
		[WIRE_WATCHDOG_OPEN] = "open",
		[WIRE_WATCHDOG_PING] = "ping",
		[WIRE_WATCHDOG_SET_TIMEOUT] = "set-timeout",
		[WIRE_WATCHDOG_START] = "start",
		[WIRE_WATCHDOG_STOP] = "stop",
		[WIRE_WATCHDOG_CLOSE] = "close",
	};

	return (size_t)op < ARRAY_LEN(names) ? names[op] : NULL;
}

const struct kind *kind_get(unsigned int kind)
{
	return kind < ARRAY_LEN(kinds) && kinds[kind].name ? &kinds[kind] : NULL;
}

const char *wire_kind_name(unsigned int kind)
{
	const struct kind *k = kind_get(kind);

	return k ? k->name : NULL;
}

const char *event_name(enum wire_kind kind, enum wire_scope_call scope)
{
	return scope ? scope_calls[scope].name : wire_kind_name(kind);
}

const char *event_function(enum wire_kind kind, enum wire_scope_call scope)
{
	const struct kind *k = kind_get(kind);

	if (scope)
		return scope_calls[scope].function;
	return k ? k->function : NULL;
}
