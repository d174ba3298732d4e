// SPDX-License-Identifier: (LGPL-2.1-or-later OR BSD-2-Clause)
/*
 * Signals to processes of services and scopes, seen where the kernel delivers them:
 * complete_signal(). The sender cannot forge it, and every way to send passes it (kill, tgkill,
 * pidfd_send_signal, the kernel).
 *
 * One handler, three ways in: fentry, kprobe, and where a kernel has neither, the signal_generate
 * tracepoint. Cheapest tests first: this runs for every signal on the machine.
 */
#include "common.bpf.h"

#define SIGKILL		       9
#define SIGCHLD		       17
#define SIGURG		       23

#define SI_USER		       0
#define SI_KERNEL	       0x80
#define TRACE_SIGNAL_DELIVERED 0

struct signal_record {
	struct wire_signal s;
	char cmdline[WIRE_CMDLINE_MAX];
};

struct pt_regs___syscall {
#if defined(__TARGET_ARCH_x86)
	unsigned long orig_ax;
#define SYSCALL_NUMBER orig_ax
#elif defined(__TARGET_ARCH_arm64)
	__s32 syscallno;
#define SYSCALL_NUMBER syscallno
#endif
} __attribute__((preserve_access_index));

/* bpf_task_pt_regs() came with 5.15; without it the call is not known. */
static __always_inline __s32 current_syscall(void)
{
	void *regs;

	if (!kernel_has_types ||
	    !bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_pt_regs))
		return WIRE_NONE;
	regs = (void *)bpf_task_pt_regs(bpf_get_current_task_btf());
	return BPF_CORE_READ((struct pt_regs___syscall *)regs, SYSCALL_NUMBER);
}

/* What decides whether anybody needs a signal. */
struct target {
	__u32 tgid, flags;
	__u64 cgroup;
};

/* Children that ended, and what runtimes send to themselves, explain nothing. */
static __always_inline bool is_noise(int sig, __u32 tgid)
{
	return sig == SIGCHLD || (sig == SIGURG && tgid == bpf_get_current_pid_tgid() >> 32);
}

/* A manager obeys signals: SIGINT reboots, SIGRTMIN+4 powers off. */
static __always_inline bool is_manager(__u32 tgid)
{
	return may_be_known(tgid) && bpf_map_lookup_elem(&managers, &tgid);
}

static __always_inline bool is_needed(int sig, const struct target *t)
{
	/* a SIGKILL that wakes nobody is how a hang begins, wherever the target lives */
	return (sig == SIGKILL && (t->flags & PF_EXITING)) || is_service_cgroup(t->cgroup) ||
	       is_manager(t->tgid);
}

static __always_inline struct target target_of(struct task_struct *p)
{
	return (struct target){BPF_CORE_READ(p, tgid), BPF_CORE_READ(p, flags), task_cgroup(p)};
}

static __always_inline int signal_event(int sig, struct task_struct *target, const struct target *t,
					__s32 code, bool group)
{
	struct task_struct *sender = (void *)bpf_get_current_task();
	__u32 sender_tgid = bpf_get_current_pid_tgid() >> 32;
	struct signal_record *r;

	r = record_reserve(WIRE_SIGNAL, sizeof(r->s), sizeof(r->cmdline));
	if (!r)
		return 0;
	r->s.sig = sig;
	r->s.code = code;
	r->s.syscall = current_syscall();
	r->s.target_flags =
		(t->flags & PF_EXITING ? WIRE_TARGET_EXITING : 0) | (group ? WIRE_TARGET_GROUP : 0);
	if (bpf_map_lookup_elem(&managers, &sender_tgid))
		r->s.target_flags |= WIRE_TARGET_MANAGER_SENT;
	fill_task(&r->s.target, target, t->cgroup);
	fill_task(&r->s.sender, sender, task_cgroup(sender));
	fill_login(sender, &r->s.loginuid, &r->s.session, r->s.tty);
	r->s.n_ancestors = fill_ancestors(r->s.ancestors, sender);
	tail_cmdline(&r->s.h, &r->s.cmdline, r->cmdline, sizeof(r->s), sender);
	record_submit(r);
	return 0;
}

/* The siginfo was queued last, just before complete_signal() is called; SIGKILL queues none. */
static __always_inline __s32 queued_code(int sig, struct task_struct *p, bool group)
{
	struct signal_struct *shared = BPF_CORE_READ(p, signal);
	struct list_head *head = group ? &shared->shared_pending.list : &p->pending.list;
	struct list_head *last = BPF_CORE_READ(head, prev);
	struct sigqueue *q = (void *)last - bpf_core_field_offset(struct sigqueue, list);

	if (sig == SIGKILL || last == head || BPF_CORE_READ(q, info.si_signo) != sig)
		return WIRE_NONE;
	return BPF_CORE_READ(q, info.si_code);
}

static __always_inline int on_complete_signal(int sig, struct task_struct *p, int type,
					      const struct target *t)
{
	bool group = type != 0; /* PIDTYPE_PID */

	return is_needed(sig, t) ? signal_event(sig, p, t, queued_code(sig, p, group), group) : 0;
}

/* Here p can be followed without a helper: what nobody needs costs no call at all. */
SEC("fentry/complete_signal")
int BPF_PROG(complete_signal_fentry, int sig, struct task_struct *p, int type)
{
	struct target t = {p->tgid, p->flags, 0};

	if (is_noise(sig, t.tgid))
		return 0;
	t.cgroup = tracked_hierarchy ? task_cgroup(p) : p->cgroups->dfl_cgrp->kn->id;
	return on_complete_signal(sig, p, type, &t);
}

SEC("kprobe/complete_signal")
int BPF_KPROBE(complete_signal_kprobe, int sig, struct task_struct *p, int type)
{
	struct target t;

	if (sig == SIGCHLD)
		return 0;
	t = target_of(p);
	return is_noise(sig, t.tgid) ? 0 : on_complete_signal(sig, p, type, &t);
}

SEC("raw_tp/signal_generate")
int BPF_PROG(signal_generate, int sig, struct kernel_siginfo *info, struct task_struct *p,
	     int group, int result)
{
	__s32 code = SI_USER; /* SEND_SIG_NOINFO */
	struct target t;

	if (result != TRACE_SIGNAL_DELIVERED || sig == SIGCHLD)
		return 0;
	t = target_of(p);
	if (is_noise(sig, t.tgid) || !is_needed(sig, &t))
		return 0;
	if ((unsigned long)info == 1) /* SEND_SIG_PRIV */
		code = SI_KERNEL;
	else if (info)
		code = BPF_CORE_READ(info, si_code);
	return signal_event(sig, p, &t, code, group);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
