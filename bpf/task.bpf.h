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

#define PF_EXITING 0x00000004
#define PF_KTHREAD 0x00200000

/* The hierarchy whose cgroups the manager names: 0 is cgroup v2, else the id of v1's name=systemd.
 */
const volatile __s32 tracked_hierarchy __weak = 0;

struct task_struct___old {
	__u64 real_start_time;
} __attribute__((preserve_access_index));

static __always_inline __u64 task_start(struct task_struct *leader)
{
	if (bpf_core_field_exists(leader->start_boottime))
		return BPF_CORE_READ(leader, start_boottime);
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

static __always_inline void fill_task(struct wire_task *w, struct task_struct *t, __u64 cgroup)
{
	struct task_struct *leader = BPF_CORE_READ(t, group_leader);
	struct upid up = innermost_upid(leader);

	w->tgid = BPF_CORE_READ(t, tgid);
	w->tid = BPF_CORE_READ(t, pid);
	w->ns_tgid = up.nr;
	w->pidns = BPF_CORE_READ(up.ns, ns.inum);
	w->start_ns = task_start(leader);
	w->cgroup = cgroup;
	w->uid = BPF_CORE_READ(t, cred, uid.val);
	w->ppid = BPF_CORE_READ(t, real_parent, tgid);
	bpf_probe_read_kernel_str(w->comm, sizeof(w->comm), &t->comm);
}

#endif
