/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a task waits for, from the kernel functions that it is in. */
#include <string.h>

#include "svctrace/cleanup.h"
#include "svctrace/stuck.h"

/*
 * Names as they begin, in the order in which they count: a file system says more than the disk
 * below it, and unmounting waits for a file system.
 */
static const struct {
	enum stuck_wait wait;
	const char *prefix;
} functions[] = {
	{STUCK_WAIT_PIDNS, "zap_pid_ns_processes"},
	{STUCK_WAIT_FROZEN, "__refrigerator"},
	{STUCK_WAIT_FROZEN, "do_freezer_trap"},
	{STUCK_WAIT_FROZEN, "cgroup_enter_frozen"},
	{STUCK_WAIT_DUMP, "do_coredump"},
	{STUCK_WAIT_DUMP, "vfs_coredump"},
	{STUCK_WAIT_DUMP, "coredump_task_exit"},
	{STUCK_WAIT_FUSE, "request_wait_answer"},
	{STUCK_WAIT_UNKNOWN, "fuse_dev_"}, /* a daemon, which waits for work */
	{STUCK_WAIT_FUSE, "fuse_"},
	{STUCK_WAIT_FUSE, "__fuse_"},
	{STUCK_WAIT_NFS, "nfs_"},
	{STUCK_WAIT_NFS, "nfs3_"},
	{STUCK_WAIT_NFS, "nfs4_"},
	{STUCK_WAIT_NFS, "_nfs4_"},
	{STUCK_WAIT_NFS, "__nfs_"},
	{STUCK_WAIT_NFS, "rpc_wait_bit_killable"},
	{STUCK_WAIT_NFS, "__rpc_execute"},
	{STUCK_WAIT_NETFS, "cifs_"},
	{STUCK_WAIT_NETFS, "smb2_"},
	{STUCK_WAIT_NETFS, "SMB2_"},
	{STUCK_WAIT_NETFS, "ceph_"},
	{STUCK_WAIT_NETFS, "v9fs_"},
	{STUCK_WAIT_NETFS, "p9_client_"},
	{STUCK_WAIT_NETFS, "afs_"},
	{STUCK_WAIT_TRACED, "ptrace_stop"},
	{STUCK_WAIT_TRACED, "ptrace_event"},
	{STUCK_WAIT_STOPPED, "do_signal_stop"},
	{STUCK_WAIT_MOUNT, "do_umount"},
	{STUCK_WAIT_MOUNT, "path_umount"},
	{STUCK_WAIT_MOUNT, "path_mount"},
	{STUCK_WAIT_MOUNT, "do_mount"},
	/* mount(8) of today makes a mount by fsopen(2) or open_tree(2), and move_mount(2) */
	{STUCK_WAIT_MOUNT, "do_move_mount"},
	{STUCK_WAIT_MOUNT, "do_lock_mount"},
	{STUCK_WAIT_MOUNT, "lock_mount"},
	{STUCK_WAIT_MOUNT, "vfs_get_tree"},
	{STUCK_WAIT_MOUNT, "cleanup_mnt"},
	{STUCK_WAIT_MOUNT, "namespace_unlock"},
	{STUCK_WAIT_MOUNT, "put_mnt_ns"},
	{STUCK_WAIT_DISK, "io_schedule"},
	{STUCK_WAIT_DISK, "blk_"},
	{STUCK_WAIT_DISK, "blkdev_"},
	{STUCK_WAIT_DISK, "__blkdev_"}, /* 5.10 waits in it itself */
	{STUCK_WAIT_DISK, "submit_bio_wait"},
	{STUCK_WAIT_DISK, "folio_wait_bit"},
	{STUCK_WAIT_DISK, "wait_on_page_bit"},
	{STUCK_WAIT_DISK, "jbd2_"},
	{STUCK_WAIT_DISK, "ext4_"},
	{STUCK_WAIT_DISK, "xfs_"},
	{STUCK_WAIT_DISK, "btrfs_"},
};

static bool stack_has(const char *stack, const char *prefix)
{
	for (const char *at = stack; at && *at;) {
		if (strncmp(at, prefix, strlen(prefix)) == 0)
			return true;
		at = strchr(at, '\n');
		at = at ? at + 1 : NULL;
	}
	return false;
}

static enum stuck_wait wait_in(const char *stack)
{
	for (size_t i = 0; stack && i < ARRAY_LEN(functions); i++)
		if (stack_has(stack, functions[i].prefix))
			return functions[i].wait;
	return STUCK_WAIT_UNKNOWN;
}

/* Who goes through a mount that is there may make another one below it (nfs_d_automount). */
bool stuck_mounts_from_server(const char *stack)
{
	enum stuck_wait w = wait_in(stack);

	return (w == STUCK_WAIT_FUSE || w == STUCK_WAIT_NFS || w == STUCK_WAIT_NETFS) &&
	       stack_has(stack, "vfs_get_tree") && !strstr(stack, "_d_automount");
}

enum stuck_wait stuck_classify_stack(const char *stack)
{
	return stuck_mounts_from_server(stack) ? STUCK_WAIT_MOUNT : wait_in(stack);
}

bool stuck_is_ending_init(const struct stuck_task *t)
{
	return (t->flags & STUCK_TASK_EXITS) && t->n_nspid > 1 && t->nspid[t->n_nspid - 1] == 1 &&
	       t->state != 'Z' && t->state != 'X';
}

/* Without a stack, the state and the one function that wchan names must do. */
enum stuck_wait stuck_classify(const struct stuck_task *t)
{
	enum stuck_wait w = stuck_classify_stack(t->stack && *t->stack ? t->stack : t->wchan);

	if (w != STUCK_WAIT_UNKNOWN)
		return w;
	if (t->state == 'T')
		return STUCK_WAIT_STOPPED;
	if (t->state == 't')
		return STUCK_WAIT_TRACED;
	if (t->frozen)
		return STUCK_WAIT_FROZEN;
	if (t->dumps)
		return STUCK_WAIT_DUMP;
	if (stuck_is_ending_init(t) && t->wchan && strcmp(t->wchan, "do_wait") == 0)
		return STUCK_WAIT_PIDNS;
	return STUCK_WAIT_UNKNOWN;
}

const char *stuck_wait_name(enum stuck_wait w)
{
	static const char *const names[_STUCK_WAIT_MAX] = {
		[STUCK_WAIT_UNKNOWN] = "unknown",
		[STUCK_WAIT_PIDNS] = "pid-namespace",
		[STUCK_WAIT_FUSE] = "fuse",
		[STUCK_WAIT_NFS] = "nfs",
		[STUCK_WAIT_NETFS] = "network-file-system",
		[STUCK_WAIT_FROZEN] = "frozen",
		[STUCK_WAIT_STOPPED] = "stopped",
		[STUCK_WAIT_TRACED] = "traced",
		[STUCK_WAIT_DUMP] = "core-dump",
		[STUCK_WAIT_MOUNT] = "mount",
		[STUCK_WAIT_DISK] = "disk",
	};

	return names[w];
}

static bool is_dead(const struct stuck_task *t)
{
	return t->state == 'Z' || t->state == 'X' || t->state == 'x';
}

/* Who sleeps as usual in a unit that is being stopped has its handlers, and its time. */
static bool cannot_notice(const struct stuck_task *t)
{
	enum stuck_wait w = stuck_classify(t);

	return t->state == 'D' || t->state == 'T' || t->state == 't' || w == STUCK_WAIT_FROZEN ||
	       w == STUCK_WAIT_DUMP;
}

bool stuck_is_told_to_end(const struct stuck_snapshot *s, const struct stuck_task *t)
{
	const struct stuck_unit *u;

	if (is_dead(t) || (t->flags & STUCK_TASK_KERNEL))
		return false;
	if ((t->flags & STUCK_TASK_EXITS) || ((t->pending | t->all_pending) & STUCK_SIGKILL))
		return true;
	u = stuck_find_unit(s, t->cgroup);
	return u && strcmp(u->active, "deactivating") == 0 && cannot_notice(t);
}
