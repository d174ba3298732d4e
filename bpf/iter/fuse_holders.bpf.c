// SPDX-License-Identifier: (LGPL-2.1-or-later OR BSD-2-Clause)
/*
 * Which process has /dev/fuse open, and of which connection: an iterator over all open files, for
 * kernels that do not tell it in fdinfo. It needs the types of the fuse module, if that is one.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#include "iter/fuse_holders.h"

#define DEV_FUSE (10 << 20 | 229) /* as the kernel counts */
#define S_IFMT	 0170000
#define S_IFCHR	 0020000

/* Of the kernel's own only what is read; the build machine's may have neither. */
struct fuse_conn___here {
	dev_t dev;
} __attribute__((preserve_access_index));

struct fuse_dev___here {
	struct fuse_conn___here *fc;
} __attribute__((preserve_access_index));

SEC("iter/task_file")
int fuse_holders(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct fuse_holder h = {};
	struct fuse_dev___here *dev;
	struct fuse_conn___here *fc;

	if (!task || !file || BPF_CORE_READ(file, f_inode, i_rdev) != DEV_FUSE ||
	    (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFCHR)
		return 0;
	dev = BPF_CORE_READ(file, private_data);
	fc = dev ? BPF_CORE_READ(dev, fc) : NULL;
	if (!fc)
		return 0; /* nothing is mounted with it */
	h.tgid = BPF_CORE_READ(task, tgid);
	h.connection = BPF_CORE_READ(fc, dev);
	bpf_seq_write(ctx->meta->seq, &h, sizeof(h));
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
