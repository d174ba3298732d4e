// SPDX-License-Identifier: (LGPL-2.1-or-later OR BSD-2-Clause)
/*
 * Processes of services: who was started, by whom, how it ended, who was shot by the OOM killer.
 * Only processes in a service's cgroup are of interest; everybody else costs one map look-up.
 */
#include "common.bpf.h"

SEC("raw_tp/sched_process_fork")
int BPF_PROG(process_fork, struct task_struct *parent, struct task_struct *child)
{
	struct wire_fork *r;
	__u64 cgroup;

	if (BPF_CORE_READ(child, pid) != BPF_CORE_READ(child, tgid)) /* a thread */
		return 0;
	cgroup = task_cgroup(child);
	if (!is_service_cgroup(cgroup))
		return 0;
	r = record_reserve(WIRE_FORK, sizeof(*r), 0);
	if (!r)
		return 0;
	fill_task(&r->child, child, cgroup);
	record_submit(r);
	return 0;
}

struct exec_record {
	struct wire_exec e;
	char exe[WIRE_PATH_MAX];
	char cmdline[WIRE_CMDLINE_MAX];
};

/* PID 1 of a pid namespace of its own. */
static __always_inline bool is_ns_init(struct task_struct *t)
{
	struct upid up = innermost_upid(BPF_CORE_READ(t, group_leader));

	return up.nr == 1;
}

SEC("raw_tp/sched_process_exec")
int BPF_PROG(process_exec, struct task_struct *p, pid_t old_pid, struct linux_binprm *bprm)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct exec_record *r;
	__u64 cgroup = task_cgroup(p);
	long n;

	/* a manager that executes itself anew matters, and so does a container that starts one */
	if (!is_service_cgroup(cgroup) && !bpf_map_lookup_elem(&managers, &tgid) && !is_ns_init(p))
		return 0;
	r = record_reserve(WIRE_EXEC, sizeof(r->e), sizeof(r->exe) + sizeof(r->cmdline));
	if (!r)
		return 0;
	fill_task(&r->e.task, p, cgroup);
	__builtin_memset(r->exe, 0, sizeof(r->exe));
	n = bpf_probe_read_kernel_str(r->exe, sizeof(r->exe), BPF_CORE_READ(bprm, filename));
	r->e.exe.off = sizeof(r->e);
	r->e.exe.len = string_len(&r->e.h, n, sizeof(r->exe));
	r->e.h.size = sizeof(r->e) + sizeof(r->exe);
	tail_cmdline(&r->e.h, &r->e.cmdline, r->cmdline, sizeof(r->e) + sizeof(r->exe), p);
	record_submit(r);
	return 0;
}

#define SIGNAL_GROUP_EXIT 0x00000004

/* What wait(2) would say: a group exit's code counts for all threads, else the leader's own. */
static __always_inline __s32 exit_code(struct task_struct *p)
{
	if (BPF_CORE_READ(p, signal, flags) & SIGNAL_GROUP_EXIT)
		return BPF_CORE_READ(p, signal, group_exit_code);
	return BPF_CORE_READ(p, group_leader, exit_code);
}

static __always_inline int process_end(__u32 kind, struct task_struct *p, __u64 cgroup, __s32 code)
{
	struct wire_exit *r = record_reserve(kind, sizeof(*r), 0);

	if (!r)
		return 0;
	fill_task(&r->task, p, cgroup);
	r->code = code;
	record_submit(r);
	return 0;
}

SEC("raw_tp/sched_process_exit")
int BPF_PROG(process_exit, struct task_struct *p)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	__u64 cgroup;

	if (BPF_CORE_READ(p, signal, live.counter) != 0) /* other threads go on */
		return 0;
	cgroup = task_cgroup(p);
	if (!is_service_cgroup(cgroup) && !bpf_map_lookup_elem(&managers, &tgid))
		return 0;
	return process_end(WIRE_EXIT, p, cgroup, exit_code(p));
}

/* Since 6.8 the tracepoint hands over the task, before that a pid number. */
struct trace_event_raw_mark_victim___task {
	__u32 uid;
} __attribute__((preserve_access_index));

SEC("raw_tp/mark_victim")
int oom_victim(__u64 *ctx)
{
	struct task_struct *victim = (void *)ctx[0];
	struct wire_exit *r;

	if (bpf_core_field_exists(struct trace_event_raw_mark_victim___task, uid))
		return process_end(WIRE_OOM_VICTIM, victim, task_cgroup(victim), 0);
	r = record_reserve(WIRE_OOM_VICTIM, sizeof(*r), 0);
	if (!r)
		return 0;
	r->task.tgid = ctx[0];
	record_submit(r);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
