// SPDX-License-Identifier: (LGPL-2.1-or-later OR BSD-2-Clause)
/*
 * Signals to processes of services and scopes, seen where the kernel delivers them: the tracepoint
 * signal_generate, right behind complete_signal() and under the lock that the target must take
 * before it can act on the signal. The sender cannot forge it, and every way to send passes it
 * (kill, tgkill, pidfd_send_signal, the kernel).
 *
 * One handler, two ways in: arguments with types, which can be followed without a helper, and plain
 * ones for a kernel that does not tell its types. A program at the function's entry costs half as
 * much again before it does anything. Cheapest tests first: this runs for every signal on the
 * machine.
 */
#include "common.bpf.h"

#define SIGKILL		       9
#define SIGCHLD		       17
#define SIGURG		       23

#define SI_USER		       0
#define SI_KERNEL	       0x80

/* Of signal_generate's results those of a signal that the target gets. */
#define TRACE_SIGNAL_DELIVERED 0
#define TRACE_SIGNAL_LOSE_INFO 4 /* no room to queue what its sender says of it */

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

/* Has this kernel that helper? What is asked for one that it has not is never loaded. */
#define HAS_HELPER(name) bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_##name)

/* bpf_task_pt_regs() came with 5.15; without it the call is not known. */
static __always_inline __s32 current_syscall(void)
{
	void *regs;

	if (!kernel_has_types || !HAS_HELPER(task_pt_regs))
		return WIRE_NONE;
	regs = (void *)bpf_task_pt_regs(bpf_get_current_task_btf());
	return BPF_CORE_READ((struct pt_regs___syscall *)regs, SYSCALL_NUMBER);
}

/* What runtimes send to themselves explains nothing. */
static __always_inline bool is_noise(int sig, __u32 tgid)
{
	return sig == SIGURG && tgid == bpf_get_current_pid_tgid() >> 32;
}

static __always_inline bool is_delivered(int result)
{
	return result == TRACE_SIGNAL_DELIVERED || result == TRACE_SIGNAL_LOSE_INFO;
}

/*
 * A SIGKILL that wakes nobody is how a hang begins, wherever the target lives; and what the kernel
 * makes of it: one that is pending already is not delivered again.
 */
static __always_inline bool is_vain_kill(int sig, __u32 flags)
{
	return sig == SIGKILL && (flags & PF_EXITING);
}

/* A manager obeys signals: SIGINT reboots, SIGRTMIN+4 powers off. */
static __always_inline bool is_manager(__u32 tgid)
{
	return may_be_known(tgid) && bpf_map_lookup_elem(&managers, &tgid);
}

/* As the target is told it; WIRE_NONE: there is nothing that could tell it. */
static __always_inline __s32 signal_code(int sig, const struct kernel_siginfo *info)
{
	if ((unsigned long)info == 1) /* SEND_SIG_PRIV */
		return SI_KERNEL;
	if (info)
		return BPF_CORE_READ(info, si_code);
	/* SEND_SIG_NOINFO: in the name of whoever runs; a SIGKILL's receiver is told nothing */
	return sig == SIGKILL ? WIRE_NONE : SI_USER;
}

static __always_inline void fill_sender(struct signal_record *r, struct task_struct *sender,
					const bool typed)
{
	struct wire_signal *s = &r->s;

	read_task(&s->sender, sender, task_cgroup(sender), typed);
	fill_login(sender, &s->loginuid, &s->session, s->tty, typed);
	s->n_ancestors = fill_ancestors(s->ancestors, sender, typed);
	tail_cmdline(&s->h, &s->cmdline, r->cmdline, sizeof(*s), sender);
}

/* What the tracepoint is handed. */
enum {
	ARG_SIG,
	ARG_INFO,
	ARG_TARGET,
	ARG_GROUP,
	ARG_RESULT,
};

/* As the verifier is told of signal_generate's arguments, or as numbers. */
static __always_inline int send_signal(const __u64 *ctx, const bool typed)
{
	struct task_struct *target = (void *)ctx[ARG_TARGET];
	__u32 tgid = READ(typed, target, tgid), flags = READ(typed, target, flags), sender;
	__u64 cgroup = task_cgroup(target);
	struct kernel_siginfo *info;
	struct signal_record *r;
	int sig = ctx[ARG_SIG];

	if (!is_vain_kill(sig, flags) && (is_noise(sig, tgid) || !is_delivered(ctx[ARG_RESULT]) ||
					  (!is_service_cgroup(cgroup) && !is_manager(tgid))))
		return 0;
	r = record_reserve(WIRE_SIGNAL, sizeof(r->s), sizeof(r->cmdline));
	if (!r)
		return 0;
	/* copied: verifiers believe that an argument with a type is never NULL, and this may be */
	bpf_probe_read_kernel(&info, sizeof(info), &ctx[ARG_INFO]);
	sender = bpf_get_current_pid_tgid() >> 32;
	r->s.sig = sig;
	r->s.code = signal_code(sig, info);
	r->s.syscall = current_syscall();
	r->s.target_flags = (ctx[ARG_GROUP] ? WIRE_TARGET_GROUP : 0) |
			    (flags & PF_EXITING ? WIRE_TARGET_EXITING : 0) |
			    (is_manager(sender) ? WIRE_TARGET_MANAGER_SENT : 0);
	read_task(&r->s.target, target, cgroup, typed);
	if (typed && HAS_HELPER(get_current_task_btf))
		fill_sender(r, bpf_get_current_task_btf(), true);
	else
		fill_sender(r, (void *)bpf_get_current_task(), false);
	record_submit(r);
	return 0;
}

/* Functions of their own: no registers are saved for signals that nobody needs. */
static __noinline int on_typed_signal(void *ctx)
{
	return send_signal(ctx, true);
}

static __noinline int on_plain_signal(void *ctx)
{
	return send_signal(ctx, false);
}

/* Might anybody need it? With cgroup v2 that can mostly be denied without a call. */
static __always_inline bool may_be_needed(int sig, struct task_struct *p)
{
	return tracked_hierarchy || is_vain_kill(sig, p->flags) || may_be_known(p->tgid) ||
	       may_be_known(p->cgroups->dfl_cgrp->kn->id);
}

/* Children that ended explain nothing. */
SEC("tp_btf/signal_generate")
int BPF_PROG(signal_typed, int sig, struct kernel_siginfo *info, struct task_struct *p)
{
	return sig == SIGCHLD || !may_be_needed(sig, p) ? 0 : on_typed_signal(ctx);
}

SEC("raw_tp/signal_generate")
int BPF_PROG(signal_plain, int sig)
{
	return sig == SIGCHLD ? 0 : on_plain_signal(ctx);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
