/* SPDX-License-Identifier: (LGPL-2.1-or-later OR BSD-2-Clause) */
/* How a task is described. No maps: iterators, which are objects of their own, use it too. */
#ifndef SVCTRACE_TASK_BPF_H
#define SVCTRACE_TASK_BPF_H

#include "vmlinux.h"
#ifdef SVCTRACE_CROSS_ARM64 /* vmlinux.h is of another machine, whose registers are others */
struct user_pt_regs {
	__u64 regs[31];
	__u64 sp;
	__u64 pc;
	__u64 pstate;
} __attribute__((preserve_access_index));
#endif
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#include "svctrace/wire.h"

#define PF_EXITING	 0x00000004
#define PF_KTHREAD	 0x00200000

/*
 * A field: READ(typed, pointer, FIELD…). typed: the verifier knows what the pointer is, and a load
 * does what takes the call of a helper for each step else, of 80 instructions and more. Of kernels
 * since 6.2 it looks through all their types several times for each pointer that is loaded from one
 * that it trusts, which takes a two hundredth of svctrace's start: few are. Pointers out of a union
 * have no type that all kernels agree on.
 */
#define READ(typed, ...) ((typed) ? ___arrow(__VA_ARGS__) : BPF_CORE_READ(__VA_ARGS__))

/* The hierarchy whose cgroups the manager names: 0 is cgroup v2, else the id of v1's name=systemd.
 */
const volatile __s32 tracked_hierarchy __weak = 0;

struct task_struct___old {
	__u64 real_start_time;
} __attribute__((preserve_access_index));

static __always_inline __u64 task_start(struct task_struct *leader, const bool typed)
{
	if (bpf_core_field_exists(leader->start_boottime))
		return READ(typed, leader, start_boottime);
	return BPF_CORE_READ((struct task_struct___old *)leader, real_start_time);
}

#define V1_LINKS_MAX 24 /* hierarchies a task can be in */

/*
 * cgroup v1: the task's css_set links to one cgroup of each hierarchy. Not inlined: where there is
 * v2 its registers are not saved either.
 */
static __noinline struct cgroup *task_cgroup_v1(struct css_set *cset)
{
	struct list_head *head = &cset->cgrp_links;
	struct list_head *pos = BPF_CORE_READ(cset, cgrp_links.next);

	for (int i = 0; i < V1_LINKS_MAX && pos && pos != head; i++) {
		struct cgrp_cset_link *link =
			(void *)pos - bpf_core_field_offset(struct cgrp_cset_link, cgrp_link);
		struct cgroup *cgrp = BPF_CORE_READ(link, cgrp);

		if (BPF_CORE_READ(cgrp, root, hierarchy_id) == tracked_hierarchy)
			return cgrp;
		pos = BPF_CORE_READ(pos, next);
	}
	return NULL;
}

static __always_inline __u64 cgroup_id(struct cgroup *cgrp)
{
	return cgrp ? BPF_CORE_READ(cgrp, kn, id) : 0;
}

/* The id of the task's cgroup in the tracked hierarchy; 0 if it has none. */
static __always_inline __u64 task_cgroup(struct task_struct *t)
{
	struct css_set *cset = BPF_CORE_READ(t, cgroups);

	if (tracked_hierarchy)
		return cgroup_id(task_cgroup_v1(cset));
	return BPF_CORE_READ(cset, dfl_cgrp, kn, id);
}

/* The number in the task's own pid namespace: numbers[] has one for each level. */
static __always_inline struct upid innermost_upid(struct task_struct *leader)
{
	struct pid *pid = BPF_CORE_READ(leader, thread_pid);
	unsigned int level = BPF_CORE_READ(pid, level);
	struct upid up = {};

	if (pid)
		bpf_probe_read_kernel(&up, sizeof(up), &pid->numbers[level]);
	return up;
}

/* A number in each namespace, the outermost first; how many there are. */
static __always_inline __u32 fill_levels(struct wire_level *to, struct task_struct *t)
{
	struct pid *pid = BPF_CORE_READ(t, thread_pid);
	unsigned int level = BPF_CORE_READ(pid, level);

	for (unsigned int i = 0; i < WIRE_PID_LEVELS_MAX && i <= level; i++) {
		struct upid up = {};

		bpf_probe_read_kernel(&up, sizeof(up), &pid->numbers[i]);
		to[i].nr = up.nr;
		to[i].pidns = BPF_CORE_READ(up.ns, ns.inum);
	}
	return level + 1;
}

static __always_inline void fill_pidns(struct wire_task *w, struct task_struct *leader,
				       const bool typed)
{
	struct pid *pid = typed ? leader->thread_pid : NULL;
	struct upid up;

	/* a load's place is a constant: of the first namespace, in which most are */
	if (typed && pid->level == 0) {
		w->ns_tgid = pid->numbers[0].nr;
		w->pidns = pid->numbers[0].ns->ns.inum;
		return;
	}
	up = innermost_upid(leader);
	w->ns_tgid = up.nr;
	w->pidns = BPF_CORE_READ(up.ns, ns.inum);
}

/* Eight bytes of text, with nothing behind its NUL. */
static __always_inline __u64 text_word(__u64 w)
{
	__u64 nul = (w - 0x0101010101010101) & ~w & 0x8080808080808080;

	return w & ((nul & -nul) - 1);
}

static __always_inline void fill_comm(char comm[WIRE_COMM_LEN], struct task_struct *t,
				      const bool typed)
{
	const __u64 *from = (const void *)t->comm;
	__u64 *to = (void *)comm;

	if (!typed) {
		bpf_probe_read_kernel_str(comm, WIRE_COMM_LEN, from);
		return;
	}
	to[0] = text_word(from[0]);
	to[1] = to[0] >> 56 ? text_word(from[1]) : 0;
}

static __always_inline void read_task(struct wire_task *w, struct task_struct *t, __u64 cgroup,
				      const bool typed)
{
	struct task_struct *leader = READ(typed, t, group_leader);

	fill_pidns(w, leader, typed);
	w->tgid = READ(typed, t, tgid);
	w->tid = READ(typed, t, pid);
	w->start_ns = task_start(leader, typed);
	w->cgroup = cgroup;
	w->uid = BPF_CORE_READ(t, cred, uid.val);
	w->ppid = BPF_CORE_READ(t, real_parent, tgid);
	fill_comm(w->comm, t, typed);
}

static __always_inline void fill_task(struct wire_task *w, struct task_struct *t, __u64 cgroup)
{
	read_task(w, t, cgroup, false);
}

#endif
