// SPDX-License-Identifier: (LGPL-2.1-or-later OR BSD-2-Clause)
/*
 * What threads are doing: state, CPU time and kernel stack of those of one process, of a pid
 * namespace, or of all that are in some cgroups. An iterator needs no privileges once it is loaded,
 * where /proc/PID/stack takes CAP_SYS_ADMIN; it tells all threads in one go; and no lock of theirs
 * can hold it up.
 */
#include "task.bpf.h"
#include "regs.bpf.h"
#include "iter/task_states.h"

/* The process that is asked for, as that namespace counts, or 0: all in that namespace; if that is
 * 0, too: all in the cgroups. */
__u32 wanted_pidns = 0, wanted_pid = 0;

/* Threads that were met; the first TASK_STATES_MAX of them were told. */
__u64 met = 0;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, TASK_CGROUPS_MAX);
	__type(key, __u64);
	__type(value, __u8);
} wanted_cgroups SEC(".maps");

__u64 frames[TASK_STATE_FRAMES];
struct task_state state; /* too large for the stack */

struct task_struct___before_5_14 {
	long state;
} __attribute__((preserve_access_index));

static __always_inline __u32 run_state(struct task_struct *t)
{
	if (bpf_core_field_exists(t->__state))
		return BPF_CORE_READ(t, __state);
	return BPF_CORE_READ((struct task_struct___before_5_14 *)t, state);
}

#define PIDNS_LEVELS 8

/* A namespace's process has a number in each one above it, too. */
static __always_inline bool is_wanted_number(struct task_struct *t)
{
	struct pid *pid = BPF_CORE_READ(t, group_leader, thread_pid);

	for (unsigned int i = 0; pid && i < PIDNS_LEVELS && i <= BPF_CORE_READ(pid, level); i++) {
		struct upid up = {};

		bpf_probe_read_kernel(&up, sizeof(up), &pid->numbers[i]);
		if ((!wanted_pid || (__u32)up.nr == wanted_pid) &&
		    BPF_CORE_READ(up.ns, ns.inum) == wanted_pidns)
			return true;
	}
	return false;
}

static __always_inline bool is_wanted(struct task_struct *t)
{
	__u64 cgroup;

	if (BPF_CORE_READ(t, flags) & PF_KTHREAD)
		return false;
	if (wanted_pidns)
		return is_wanted_number(t);
	cgroup = task_cgroup(t);
	return bpf_map_lookup_elem(&wanted_cgroups, &cgroup) != NULL;
}

static __always_inline void fill_state(struct task_state *s, struct task_struct *t)
{
	fill_task(&s->task, t, task_cgroup(t));
	s->ns_tid = innermost_upid(t).nr;
	s->cpu_ns = BPF_CORE_READ(t, se.sum_exec_runtime);
	s->state = run_state(t);
	s->exit_state = BPF_CORE_READ(t, exit_state);
	s->flags = BPF_CORE_READ(t, flags);
	s->n_levels = wanted_pidns && !wanted_pid ? fill_levels(s->level, t) : 0;
}

/* bpf_task_pt_regs(), as kernels call it that have it: since 5.15 */
enum bpf_func_id___since_5_15 {
	BPF_FUNC_task_pt_regs___since_5_15 = 175,
};

/* The kernel puts them at the end of the thread's kernel stack when it leaves user space. */
static __always_inline const void *user_regs(struct task_struct *t)
{
	if (bpf_core_enum_value_exists(enum bpf_func_id___since_5_15,
				       BPF_FUNC_task_pt_regs___since_5_15))
		return (const void *)bpf_task_pt_regs(t);
	return BPF_CORE_READ(t, stack) + KERNEL_STACK_SIZE - bpf_core_type_size(struct pt_regs);
}

static __always_inline void fill_regs(struct task_state *s, struct task_struct *t)
{
	__u8 bytes[REGS_SIZE] __attribute__((aligned(8)));
	const struct pt_regs *regs = (const void *)bytes;

	s->n_regs = 0;
	if (bpf_probe_read_kernel(bytes, sizeof(bytes), user_regs(t)) < 0 || !regs_are_user(regs))
		return;
	regs_copy(s->regs, regs);
	s->n_regs = N_REGS;
}

static __always_inline __u64 times_run(struct task_struct *t)
{
	if (!bpf_core_field_exists(t->sched_info.pcount))
		return 0;
	return BPF_CORE_READ(t, sched_info.pcount);
}

/* An int, or a byte as in 7.2: its size is the kernel's own. */
static __always_inline bool is_running(struct task_struct *t)
{
	return bpf_core_field_exists(t->on_cpu) && BPF_CORE_READ_BITFIELD_PROBED(t, on_cpu);
}

SEC("iter/task")
int task_states(struct bpf_iter__task *ctx)
{
	struct task_struct *t = ctx->task;
	struct seq_file *seq = ctx->meta->seq;
	struct task_state *s = &state;
	long n;

	if (!t || !is_wanted(t) || met++ >= TASK_STATES_MAX)
		return 0;
	s->runs = times_run(t); /* first: it may get a CPU meanwhile, which counts */
	fill_state(s, t);
	fill_regs(s, t);
	n = bpf_get_task_stack(t, frames, sizeof(frames), 0);
	s->n_frames = n > 0 ? n / sizeof(frames[0]) : 0;
	if (is_running(t)) /* last: then its registers are those of another time */
		s->runs = 0;
	bpf_seq_write(seq, s, sizeof(*s));
	for (unsigned int i = 0; i < TASK_STATE_FRAMES && i < s->n_frames; i++)
		BPF_SEQ_PRINTF(seq, "[<0>] %pB\n", (void *)frames[i]);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
