// SPDX-License-Identifier: (LGPL-2.1-or-later OR BSD-2-Clause)
/*
 * The service manager's own decisions: uprobes in the code that PID 1 runs.
 *
 * Handlers only read. Fields are read at offsets that the resolver found in this very build
 * (struct manager_layout); a field without an offset is sent as WIRE_NONE.
 */
#include "facts.bpf.h"
#include "stack.bpf.h"

struct service_record {
	struct wire_service s;
	char id[WIRE_ID_MAX];
	char path[WIRE_PATH_MAX];
};

#define S_IFMT	 00170000
#define S_IFSOCK 0140000

/* The manager may have asked for the PID file's result: remembered from entry to return, by tid. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, __u64);
	__type(value, __u64);
} pidfile_calls SEC(".maps");

static __always_inline void fill_service(struct service_record *r, const void *unit,
					 const struct manager_layout *l)
{
	const void *job = read_ptr(unit, l->unit_job);

	r->s.unit = (__u64)unit;
	r->s.main_pid = read_s32(unit, l->main_pid);
	r->s.control_pid = read_s32(unit, l->control_pid);
	r->s.result = read_s32(unit, l->result);
	r->s.state = read_s32(unit, l->state);
	r->s.job_type = WIRE_NONE;
	if (job) {
		r->s.job_type = read_s32(job, l->job_type);
		r->s.job_id = read_s32(job, l->job_id);
	}
	tail_string(&r->s.h, &r->s.id, r->id, sizeof(r->s), WIRE_ID_MAX, read_ptr(unit, l->unit_id),
		    true);
}

static __always_inline int service_event(__u32 kind, const void *unit, __s32 a0, __s32 a1, __s32 a2)
{
	struct manager_layout *l = current_manager();
	struct service_record *r;

	if (!l)
		return 0;
	r = record_reserve(kind, sizeof(r->s), sizeof(r->id));
	if (!r)
		return 0;
	r->s.arg[0] = a0;
	r->s.arg[1] = a1;
	r->s.arg[2] = a2;
	fill_service(r, unit, l);
	record_submit(r);
	return 0;
}

SEC("uprobe")
int BPF_KPROBE(service_enter_stop, void *s, int result)
{
	service_facts(s);
	stack_sample(ctx);
	return service_event(WIRE_SERVICE_ENTER_STOP, s, result, 0, 0);
}

SEC("uprobe")
int BPF_KPROBE(service_enter_signal, void *s, int state, int result)
{
	service_facts(s);
	stack_sample(ctx);
	return service_event(WIRE_SERVICE_ENTER_SIGNAL, s, state, result, 0);
}

SEC("uprobe")
int BPF_KPROBE(service_enter_dead, void *s, int result, bool allow_restart)
{
	service_facts(s);
	stack_sample(ctx);
	return service_event(WIRE_SERVICE_ENTER_DEAD, s, result, allow_restart, 0);
}

SEC("uprobe")
int BPF_KPROBE(service_set_state, void *s, int state)
{
	return service_event(WIRE_SERVICE_SET_STATE, s, state, 0, 0);
}

SEC("uprobe")
int BPF_KPROBE(service_stop, void *u)
{
	return service_event(WIRE_SERVICE_STOP, u, 0, 0, 0);
}

SEC("uprobe")
int BPF_KPROBE(service_sigchld_event, void *u, int pid, int code, int status)
{
	return service_event(WIRE_SERVICE_SIGCHLD, u, pid, code, status);
}

SEC("uprobe")
int BPF_KPROBE(service_notify_cgroup_empty_event, void *u)
{
	return service_event(WIRE_SERVICE_CGROUP_EMPTY, u, 0, 0, 0);
}

SEC("uprobe")
int BPF_KPROBE(service_notify_cgroup_oom_event, void *u)
{
	return service_event(WIRE_SERVICE_OOM, u, 0, 0, 0);
}

SEC("uprobe")
int BPF_KPROBE(service_dispatch_timer, void *source, __u64 usec, void *s)
{
	return service_event(WIRE_SERVICE_TIMER, s, 0, 0, 0);
}

SEC("uprobe")
int BPF_KPROBE(service_dispatch_watchdog, void *source, __u64 usec, void *s)
{
	service_facts(s);
	return service_event(WIRE_SERVICE_WATCHDOG, s, 0, 0, 0);
}

SEC("uprobe")
int BPF_KPROBE(service_force_watchdog, void *s)
{
	service_facts(s);
	return service_event(WIRE_SERVICE_WATCHDOG, s, 1, 0, 0);
}

struct scope_record {
	struct wire_scope s;
	char id[WIRE_ID_MAX];
};

static __always_inline int scope_event(enum wire_scope_call call, const void *unit, __s32 a0,
				       __s32 a1)
{
	struct manager_layout *l = current_manager();
	struct scope_record *r;
	const void *job;

	if (!l)
		return 0;
	r = record_reserve(WIRE_SCOPE, sizeof(r->s), sizeof(r->id));
	if (!r)
		return 0;
	job = read_ptr(unit, l->unit_job);
	r->s.unit = (__u64)unit;
	r->s.timeout_stop_usec = read_usec(unit, l->scope_timeout_stop_usec);
	r->s.call = call;
	r->s.result = read_s32(unit, l->scope_result);
	r->s.state = read_s32(unit, l->scope_state);
	r->s.arg[0] = a0;
	r->s.arg[1] = a1;
	r->s.job_type = job ? read_s32(job, l->job_type) : WIRE_NONE;
	r->s.job_id = job ? read_s32(job, l->job_id) : 0;
	tail_string(&r->s.h, &r->s.id, r->id, sizeof(r->s), WIRE_ID_MAX, read_ptr(unit, l->unit_id),
		    true);
	record_submit(r);
	return 0;
}

SEC("uprobe")
int BPF_KPROBE(scope_set_state, void *s, int state)
{
	return scope_event(WIRE_SCOPE_SET_STATE, s, state, 0);
}

SEC("uprobe")
int BPF_KPROBE(scope_enter_signal, void *s, int state, int result)
{
	stack_sample(ctx);
	return scope_event(WIRE_SCOPE_ENTER_SIGNAL, s, state, result);
}

SEC("uprobe")
int BPF_KPROBE(scope_enter_dead, void *s, int result)
{
	stack_sample(ctx);
	return scope_event(WIRE_SCOPE_ENTER_DEAD, s, result, 0);
}

SEC("uprobe")
int BPF_KPROBE(scope_stop, void *u)
{
	return scope_event(WIRE_SCOPE_STOP, u, 0, 0);
}

SEC("uprobe")
int BPF_KPROBE(scope_notify_cgroup_empty_event, void *u)
{
	return scope_event(WIRE_SCOPE_CGROUP_EMPTY, u, 0, 0);
}

SEC("uprobe")
int BPF_KPROBE(scope_notify_cgroup_oom_event, void *u)
{
	return scope_event(WIRE_SCOPE_OOM, u, 0, 0);
}

SEC("uprobe")
int BPF_KPROBE(scope_dispatch_timer, void *source, __u64 usec, void *s)
{
	return scope_event(WIRE_SCOPE_TIMER, s, 0, 0);
}

/* Called at each end of a unit: most units have no such action, and that is number 0. */
SEC("uprobe")
int BPF_KPROBE(emergency_action, void *m, int action)
{
	struct wire_action *r;

	if (action <= 0 || !current_manager())
		return 0;
	r = record_reserve(WIRE_EMERGENCY_ACTION, sizeof(*r), 0);
	if (!r)
		return 0;
	r->action = action;
	record_submit(r);
	return 0;
}

/* Who is at the other end of a socket of the current task: as the kernel noted it when it came. */
static __always_inline __u32 socket_peer(int fd)
{
	struct task_struct *t = (void *)bpf_get_current_task();
	struct fdtable *fdt = BPF_CORE_READ(t, files, fdt);
	struct file **files = BPF_CORE_READ(fdt, fd), *file = NULL;
	struct socket *socket;
	struct pid *pid;
	__u32 nr = 0;

	if (fd < 0 || (__u32)fd >= BPF_CORE_READ(fdt, max_fds))
		return 0;
	bpf_probe_read_kernel(&file, sizeof(file), &files[fd]);
	if ((BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK)
		return 0;
	socket = BPF_CORE_READ(file, private_data);
	pid = BPF_CORE_READ(socket, sk, sk_peer_pid);
	if (pid)
		bpf_probe_read_kernel(&nr, sizeof(nr), &pid->numbers[0].nr);
	return nr;
}

#define BUS_NAME_MAX  256 /* D-Bus: names are shorter */
#define MESSAGE_TAIL  1024
#define HEADER_SERIAL 8 /* in the fixed part of a D-Bus header */

struct message_record {
	struct wire_message m;
	char tail[MESSAGE_TAIL];
};

/* Appends one of several strings; all of them together fit. */
static __always_inline void message_string(struct message_record *r, struct wire_str *str,
					   const char *src)
{
	__u32 at = r->m.h.size - sizeof(r->m);
	long n;

	if (!src || at > MESSAGE_TAIL - BUS_NAME_MAX)
		return;
	n = bpf_probe_read_user_str(r->tail + at, BUS_NAME_MAX, src);
	str->off = sizeof(r->m) + at;
	str->len = string_len(&r->m.h, n, BUS_NAME_MAX);
	r->m.h.size = str->off + str->len;
}

/* The method call that the manager is about to obey. */
static __always_inline void message_event(const void *message, const struct manager_layout *l)
{
	const void *header = read_ptr(message, l->message_header);
	const void *bus = read_ptr(message, l->message_bus);
	struct message_record *r;

	if (!message)
		return;
	r = record_reserve(WIRE_BUS_MESSAGE, sizeof(r->m), sizeof(r->tail));
	if (!r)
		return;
	if (header)
		r->m.serial = read_s32(header, HEADER_SERIAL);
	if (bus)
		r->m.peer = socket_peer(read_s32(bus, l->bus_fd));
	message_string(r, &r->m.sender, read_ptr(message, l->message_sender));
	message_string(r, &r->m.path, read_ptr(message, l->message_path));
	message_string(r, &r->m.member, read_ptr(message, l->message_member));
	record_submit(r);
}

static __always_inline int bus_event(__u32 kind, const void *message, const void *unit, __s32 a0,
				     __s32 a1)
{
	struct manager_layout *l = current_manager();

	if (!l)
		return 0;
	message_event(message, l);
	return service_event(kind, unit, a0, a1, 0);
}

/* bus_unit_queue_job_one(), or bus_unit_queue_job() in builds that have only that. */
SEC("uprobe")
int BPF_KPROBE(bus_unit_queue_job, void *message, void *u, int type, int mode)
{
	return bus_event(WIRE_BUS_QUEUE_JOB, message, u, type, mode);
}

/* A method that makes jobs without bus_unit_queue_job(). */
SEC("uprobe")
int BPF_KPROBE(bus_method, void *message)
{
	struct manager_layout *l = current_manager();

	if (l)
		message_event(message, l);
	return 0;
}

SEC("uprobe")
int BPF_KPROBE(bus_unit_method_kill, void *message, void *u)
{
	return bus_event(WIRE_BUS_KILL, message, u, 0, 0);
}

struct job_record {
	struct wire_job j;
	char tail[2 * WIRE_ID_MAX];
};

/* A job of unit, wanted by the job by (NULL: by nobody's). */
static __always_inline int job_event(__u32 kind, const void *unit, __s32 type, const void *by,
				     __u64 a0, __u64 a1)
{
	struct manager_layout *l = current_manager();
	struct job_record *r;
	const void *by_unit, *pending;
	__u32 at;

	if (!l)
		return 0;
	r = record_reserve(kind, sizeof(r->j), sizeof(r->tail));
	if (!r)
		return 0;
	by_unit = by ? read_ptr(by, l->job_unit) : NULL;
	r->j.unit = (__u64)unit;
	r->j.by = (__u64)by_unit;
	r->j.type = type;
	r->j.by_type = by ? read_s32(by, l->job_type) : WIRE_NONE;
	r->j.arg[0] = a0;
	r->j.arg[1] = a1;
	pending = read_ptr(unit, l->unit_job);
	r->j.pending = pending ? read_s32(pending, l->job_id) : 0;
	tail_string(&r->j.h, &r->j.id, r->tail, sizeof(r->j), WIRE_ID_MAX,
		    read_ptr(unit, l->unit_id), true);
	at = r->j.id.len & (WIRE_ID_MAX - 1);
	if (by_unit)
		tail_string(&r->j.h, &r->j.by_id, r->tail + at, sizeof(r->j) + at, WIRE_ID_MAX,
			    read_ptr(by_unit, l->unit_id), true);
	record_submit(r);
	return 0;
}

/* manager_add_job(), or manager_add_job_full(): they differ behind the mode. */
SEC("uprobe")
int BPF_KPROBE(manager_add_job, void *m, int type, void *unit, int mode)
{
	stack_sample(ctx);
	return job_event(WIRE_MANAGER_ADD_JOB, unit, type, NULL, mode, 0);
}

SEC("uprobe")
int BPF_KPROBE(transaction_add_job_and_dependencies, void *tr, int type, void *unit, void *by)
{
	return job_event(WIRE_TRANSACTION_JOB, unit, type, by, PT_REGS_PARM5(ctx),
			 regs_argument_6(ctx));
}

/* A unit that starts others on an occasion: a timer, a path, a socket. */
SEC("uprobe")
int BPF_KPROBE(unit_triggers, void *u)
{
	return job_event(WIRE_UNIT_TRIGGERS, u, WIRE_NONE, NULL, 0, 0);
}

SEC("uprobe")
int BPF_KPROBE(service_load_pid_file, void *s, bool may_warn)
{
	struct manager_layout *l = current_manager();
	__u64 tid = bpf_get_current_pid_tgid(), unit = (__u64)s;
	struct service_record *r;
	char *path = l ? read_ptr(s, l->pid_file) : NULL;
	long n;

	if (!path) /* also called for services without PIDFile= */
		return 0;
	bpf_map_update_elem(&pidfile_calls, &tid, &unit, BPF_ANY);
	r = record_reserve(WIRE_SERVICE_PIDFILE_LOAD, sizeof(r->s),
			   sizeof(r->id) + sizeof(r->path));
	if (!r)
		return 0;
	__builtin_memset(r->id, 0, sizeof(r->id)); /* the path lies behind it */
	r->s.arg[0] = may_warn;
	fill_service(r, s, l);
	n = bpf_probe_read_user_str(r->path, sizeof(r->path), path);
	r->s.path.off = sizeof(r->s) + sizeof(r->id);
	r->s.path.len = string_len(&r->s.h, n, sizeof(r->path));
	r->s.h.size = r->s.path.off + r->s.path.len;
	record_submit(r);
	return 0;
}

SEC("uretprobe")
int BPF_KRETPROBE(service_load_pid_file_return, int ret)
{
	__u64 tid = bpf_get_current_pid_tgid();
	__u64 *unit = bpf_map_lookup_elem(&pidfile_calls, &tid);
	void *s;

	if (!unit)
		return 0;
	s = (void *)*unit;
	bpf_map_delete_elem(&pidfile_calls, &tid);
	return service_event(WIRE_SERVICE_PIDFILE_RESULT, s, ret, 0, 0);
}

struct path_record {
	struct wire_path p;
	char path[WIRE_PATH_MAX];
};

SEC("uprobe")
int BPF_KPROBE(manager_notify_cgroup_empty, void *m, const char *cgroup)
{
	struct path_record *r;

	if (!current_manager())
		return 0;
	r = record_reserve(WIRE_MANAGER_CGROUP_EMPTY, sizeof(r->p), sizeof(r->path));
	if (!r)
		return 0;
	tail_string(&r->p.h, &r->p.path, r->path, sizeof(r->p), sizeof(r->path), cgroup, true);
	record_submit(r);
	return 0;
}

SEC("uprobe")
int BPF_KPROBE(on_cgroup_inotify_event)
{
	struct wire_path *r;

	if (!current_manager())
		return 0;
	r = record_reserve(WIRE_MANAGER_CGROUP_EVENT, sizeof(*r), 0);
	if (!r)
		return 0;
	record_submit(r);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
