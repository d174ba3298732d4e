// SPDX-License-Identifier: (LGPL-2.1-or-later OR BSD-2-Clause)
/*
 * Processes: who was started, by whom, what it executes, how it ended, who was shot by the OOM
 * killer. All of them, not those of services only: whoever asks for a stop has ancestors that may
 * be gone by then. Threads and the kernel's own threads are nobody to us.
 */
#include "common.bpf.h"

static __always_inline bool is_kthread(struct task_struct *t)
{
	return BPF_CORE_READ(t, flags) & PF_KTHREAD;
}

SEC("raw_tp/sched_process_fork")
int BPF_PROG(process_fork, struct task_struct *parent, struct task_struct *child)
{
	struct wire_fork *r;

	if (BPF_CORE_READ(child, pid) != BPF_CORE_READ(child, tgid) || is_kthread(child))
		return 0;
	r = record_reserve(WIRE_FORK, sizeof(*r), 0);
	if (!r)
		return 0;
	fill_task(&r->child, child, task_cgroup(child));
	record_submit(r);
	return 0;
}

struct exec_record {
	struct wire_exec e;
	char tail[WIRE_PATH_MAX + WIRE_CMDLINE_MAX];
};

SEC("raw_tp/sched_process_exec")
int BPF_PROG(process_exec, struct task_struct *p, pid_t old_pid, struct linux_binprm *bprm)
{
	struct exec_record *r = record_reserve(WIRE_EXEC, sizeof(r->e), sizeof(r->tail));
	__u32 at;

	if (!r)
		return 0;
	fill_task(&r->e.task, p, task_cgroup(p));
	tail_string(&r->e.h, &r->e.exe, r->tail, sizeof(r->e), WIRE_PATH_MAX,
		    BPF_CORE_READ(bprm, filename), false);
	at = r->e.exe.len & (WIRE_PATH_MAX - 1);
	tail_cmdline(&r->e.h, &r->e.cmdline, r->tail + at, sizeof(r->e) + at, p);
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
	if (BPF_CORE_READ(p, signal, live.counter) != 0 || is_kthread(p)) /* other threads go on */
		return 0;
	return process_end(WIRE_EXIT, p, task_cgroup(p), exit_code(p));
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
