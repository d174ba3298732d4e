/* SPDX-License-Identifier: (LGPL-2.1-or-later OR BSD-2-Clause) */
/* What the iterator is asked, and what it writes: one of these for each thread, its stack behind.
 */
#ifndef SVCTRACE_TASK_STATES_H
#define SVCTRACE_TASK_STATES_H

#define TASK_STATES_MAX	  128 /* threads told; others are only counted */
#define TASK_STATE_FRAMES 32
#define TASK_CGROUPS_MAX  1024

struct task_state {
	struct wire_task task;
	__u64 cpu_ns;
	__u32 state, exit_state; /* as the kernel has them */
	__u32 flags;		 /* PF_* */
	__u32 ns_tid;		 /* in its own pid namespace */
	__u32 n_frames; /* lines that follow, innermost first: "[<0>] fuse_flush+0x1b4/0x200 [fuse]"
			 */
	/* In user space, where it went on from there … */
	__u32 n_regs; /* 0: not known */
	__u64 regs[WIRE_REGS_MAX];
	__u64 runs;	/* … and how often it got a CPU until then; 0: not known, or it has one */
	__u32 n_levels; /* pid namespaces that it is in, of which the outermost are told */
	__u32 pad;
	struct wire_level level[WIRE_PID_LEVELS_MAX];
};

#endif
