// SPDX-License-Identifier: (LGPL-2.1-or-later OR BSD-2-Clause)
/*
 * Where exits get stuck: a pid namespace that waits for its last processes, and a FUSE file that is
 * flushed while its owner exits. Each function by fentry/fexit, or by kprobe/kretprobe. And who
 * will answer there: the process that a new mount says hello to.
 */
#include "common.bpf.h"

/* Of a task in a pid namespace of its own; elsewhere it has but the number that all records have.
 */
static __always_inline void send_levels(struct task_struct *t)
{
	struct wire_pid_levels *r;

	if (BPF_CORE_READ(t, thread_pid, level) == 0)
		return;
	r = record_reserve(WIRE_PID_LEVELS, sizeof(*r), 0);
	if (!r)
		return;
	r->n = fill_levels(r->level, t);
	record_submit(r);
}

static __always_inline int pidns_event(__u32 kind, __u32 inum)
{
	struct task_struct *t = (void *)bpf_get_current_task();
	struct wire_pidns *r = record_reserve(kind, sizeof(*r), 0);

	if (!r)
		return 0;
	fill_task(&r->init, t, task_cgroup(t));
	r->pidns = inum;
	record_submit(r);
	if (kind == WIRE_PIDNS_ZAP_ENTER)
		send_levels(t);
	return 0;
}

/* The namespace that goes is the one in which the current task is the init. */
static __always_inline __u32 current_pidns(void)
{
	struct wire_task w = {};

	fill_task(&w, (void *)bpf_get_current_task(), 0);
	return w.pidns;
}

SEC("fentry/zap_pid_ns_processes")
int BPF_PROG(zap_fentry, struct pid_namespace *ns)
{
	return pidns_event(WIRE_PIDNS_ZAP_ENTER, BPF_CORE_READ(ns, ns.inum));
}

SEC("fexit/zap_pid_ns_processes")
int BPF_PROG(zap_fexit, struct pid_namespace *ns)
{
	return pidns_event(WIRE_PIDNS_ZAP_EXIT, BPF_CORE_READ(ns, ns.inum));
}

SEC("kprobe/zap_pid_ns_processes")
int BPF_KPROBE(zap_kprobe, struct pid_namespace *ns)
{
	return pidns_event(WIRE_PIDNS_ZAP_ENTER, BPF_CORE_READ(ns, ns.inum));
}

SEC("kretprobe/zap_pid_ns_processes")
int BPF_KRETPROBE(zap_kretprobe)
{
	return pidns_event(WIRE_PIDNS_ZAP_EXIT, current_pidns());
}

/* A kretprobe does not see the arguments: the connection is kept from entry to return, by tid. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__type(value, __u32);
} flushes SEC(".maps");

/* Ordinary closes by processes outside services are nobody's hang. */
static __always_inline bool flush_matters(struct task_struct *t)
{
	return (BPF_CORE_READ(t, flags) & PF_EXITING) || in_service(t);
}

static __always_inline int fuse_event(__u32 kind, struct task_struct *t, __u32 connection,
				      __s32 ret)
{
	struct wire_fuse *r = record_reserve(kind, sizeof(*r), 0);

	if (!r)
		return 0;
	fill_task(&r->task, t, task_cgroup(t));
	r->connection = connection;
	r->ret = ret;
	r->exiting = !!(BPF_CORE_READ(t, flags) & PF_EXITING);
	record_submit(r);
	if (kind == WIRE_FUSE_FLUSH_ENTER && (BPF_CORE_READ(t, flags) & PF_EXITING))
		send_levels(t);
	return 0;
}

static __always_inline __u32 connection_of(struct super_block *sb)
{
	return BPF_CORE_READ(sb, s_dev) & ((1 << 20) - 1); /* MINOR() */
}

static __always_inline int flush_enter(struct file *file)
{
	struct task_struct *t = (void *)bpf_get_current_task();
	__u32 connection = connection_of(BPF_CORE_READ(file, f_inode, i_sb));
	__u64 tid = bpf_get_current_pid_tgid();

	if (!flush_matters(t))
		return 0;
	bpf_map_update_elem(&flushes, &tid, &connection, BPF_ANY);
	return fuse_event(WIRE_FUSE_FLUSH_ENTER, t, connection, 0);
}

static __always_inline int flush_exit(int ret)
{
	__u64 tid = bpf_get_current_pid_tgid();
	__u32 *found = bpf_map_lookup_elem(&flushes, &tid);
	__u32 connection;

	if (!found)
		return 0;
	connection = *found;
	bpf_map_delete_elem(&flushes, &tid);
	return fuse_event(WIRE_FUSE_FLUSH_EXIT, (void *)bpf_get_current_task(), connection, ret);
}

SEC("fentry/fuse_flush")
int BPF_PROG(flush_fentry, struct file *file)
{
	return flush_enter(file);
}

SEC("fexit/fuse_flush")
int BPF_PROG(flush_fexit, struct file *file, void *id, int ret)
{
	return flush_exit(ret);
}

SEC("kprobe/fuse_flush")
int BPF_KPROBE(flush_kprobe, struct file *file)
{
	return flush_enter(file);
}

SEC("kretprobe/fuse_flush")
int BPF_KRETPROBE(flush_kretprobe, int ret)
{
	return flush_exit(ret);
}

#define FUSE_SUPER_MAGIC   0x65735546
#define MOUNT_POINTERS_MAX 4

/*
 * The superblock of a struct fuse_mount, whose type not every kernel tells: one of its first
 * pointers, known by its magic number. NULL: none is.
 */
static __always_inline struct super_block *superblock_of(void **mount)
{
	for (int i = 1; i < MOUNT_POINTERS_MAX; i++) {
		struct super_block *sb = NULL;

		bpf_probe_read_kernel(&sb, sizeof(sb), mount + i);
		if (sb && BPF_CORE_READ(sb, s_magic) == FUSE_SUPER_MAGIC)
			return sb;
	}
	return NULL;
}

/* Of newer kernels, whose first argument begins with this; older ones hand over the mount. */
struct fuse_init_args___here {
	void **fm;
} __attribute__((preserve_access_index));

/* In the context of whoever answers the first request of a mount. */
SEC("kprobe/process_init_reply")
int BPF_KPROBE(serve_kprobe, void *first)
{
	struct task_struct *t = (void *)bpf_get_current_task();
	struct fuse_init_args___here *args = first;
	void **mount = bpf_core_field_exists(args->fm) ? BPF_CORE_READ(args, fm) : first;
	struct super_block *sb = superblock_of(mount);

	if (!sb ||
	    (BPF_CORE_READ(t, flags) & PF_KTHREAD)) /* virtiofs: the machine's host answers */
		return 0;
	return fuse_event(WIRE_FUSE_SERVE, t, connection_of(sb), 0);
}

struct module_record {
	struct wire_path p;
	char name[64];
};

/* fuse_flush() may live in a module that comes later: no need to poll for it. */
SEC("raw_tp/module_load")
int BPF_PROG(module_load, struct module *mod)
{
	struct module_record *r = record_reserve(WIRE_MODULE_LOAD, sizeof(r->p), sizeof(r->name));

	if (!r)
		return 0;
	tail_string(&r->p.h, &r->p.path, r->name, sizeof(r->p), sizeof(r->name), mod->name, false);
	record_submit(r);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
