/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What svctrace stuck makes of /proc: its formats, and who is held by what. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "svctrace/cleanup.h"
#include "svctrace/stuck.h"

#define TEXT(s)	   s, strlen(s)
#define KILL	   0x100
#define EXITS	   0x400544 /* as measured: PF_EXITING and others */
#define HOST_NS	   4026531836u
#define INNER_NS   4026532136u
#define INNER_MNT  4026532135u
#define SECOND_MNT 4026532200u

/* As Linux 5.10 shows it for a thread that exits and flushes a FUSE file. */
static const char flush_stack[] =
	"[<0>] request_wait_answer+0x13b/0x220 [fuse]\n[<0>] fuse_simple_request+0x1a5/0x320 "
	"[fuse]\n"
	"[<0>] fuse_flush+0x15d/0x1b0 [fuse]\n[<0>] filp_close+0x2f/0x70\n"
	"[<0>] put_files_struct+0x78/0xd0\n[<0>] do_exit+0x35b/0xab0\n";
static const char zap_stack[] =
	"[<0>] do_wait+0x1c1/0x220\n[<0>] kernel_wait4+0xa6/0x140\n"
	"[<0>] zap_pid_ns_processes+0x120/0x1d0\n[<0>] do_exit+0xa6a/0xab0\n";

/* ---- formats ---- */

static void test_stat(void **state)
{
	static const char hostile[] = "77 (a) S 1 (b\n) D 5 77 77 0 -1 4195652 1 2 3 4 5 6 7 8 20 "
				      "0 1 0 4711 0 0 18446744073709551615\n";
	struct stuck_task t = {};

	(void)state;
	assert_int_equal(stuck_parse_stat(TEXT(hostile), &t), 0);
	assert_int_equal(t.tid, 77);
	assert_string_equal(t.comm, "a) S 1 (b\n");
	assert_int_equal(t.state, 'D');
	assert_int_equal(t.ppid, 5);
	assert_int_equal(t.flags, 4195652);
	assert_true(t.flags & STUCK_TASK_EXITS);
	assert_int_equal(t.start, 4711);
	assert_int_equal(stuck_parse_stat(TEXT("77 (a) S 1"), &t), -EBADMSG);
	assert_int_equal(stuck_parse_stat(TEXT(")("), &t), -EBADMSG);
	assert_int_equal(stuck_parse_stat("", 0, &t), -EBADMSG);
}

static void test_stat_with_a_long_name(void **state)
{
	char text[400];
	struct stuck_task t = {};

	(void)state;
	snprintf(text, sizeof(text), "7 (%0200d) S 1 1 1 0 -1 4 0 0 0 0 0 0 0 0 20 0 1 0 9 ", 0);
	assert_int_equal(stuck_parse_stat(TEXT(text), &t), 0);
	assert_int_equal(strlen(t.comm), PROCFS_COMM_LEN - 1);
}

static void test_status(void **state)
{
	static const char text[] =
		"Name:\tsh\\nTgid:\t1\nState:\tD (disk sleep)\nTgid:\t104\nPid:\t105\nPPid:\t103\n"
		"TracerPid:\t9\nNSpid:\t105\t3\t2\nSigPnd:\t0000000000000001\n"
		"ShdPnd:\t0000000000000100\nvoluntary_ctxt_switches:\t4\n"
		"nonvoluntary_ctxt_switches:\t3\n";
	struct stuck_task t = {};

	(void)state;
	assert_int_equal(stuck_parse_status(TEXT(text), &t), 0);
	assert_int_equal(t.tgid, 104);
	assert_int_equal(t.tracer, 9);
	assert_int_equal(t.n_nspid, 3);
	assert_int_equal(t.nspid[0], 105);
	assert_int_equal(t.nspid[2], 2);
	assert_int_equal(t.pending, 1);
	assert_int_equal(t.all_pending, KILL);
	assert_int_equal(t.switches, 7);
	assert_false(t.dumps);
	assert_int_equal(stuck_parse_status(TEXT("Tgid:\t1\nCoreDumping:\t1\n"), &t), 0);
	assert_true(t.dumps);
	assert_int_equal(stuck_parse_status(TEXT("Tgid:\t1\nCoreDumping:\t0\n"), &t), 0);
	assert_false(t.dumps);
	assert_int_equal(stuck_parse_status(TEXT("State:\tS\n"), &t), -EBADMSG);
}

static void test_status_with_many_namespaces(void **state)
{
	char text[2000] = "Tgid:\t1\nNSpid:";
	struct stuck_task t = {};

	(void)state;
	for (int i = 0; i < 100; i++)
		strcat(text, "\t12345");
	assert_int_equal(stuck_parse_status(TEXT(text), &t), 0);
	assert_int_equal(t.n_nspid, STUCK_LEVELS);
}

static void test_stack(void **state)
{
	static const struct {
		const char *text, *functions;
	} cases[] = {
		{"[<0>] fuse_flush+0x15d/0x1b0 [fuse]\n[<0>] do_exit+0x35b/0xab0\n",
		 "fuse_flush\ndo_exit\n"},
		{"[<ffffffff81000000>] schedule+0x1/0x2\n[<0>] cut", "schedule\ncut\n"},
		{"", ""},
		{"nonsense\n[<0>] \n[<0>\n", ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		_cleanup_free_ char *got = NULL;

		assert_int_equal(stuck_parse_stack(TEXT(cases[i].text), &got), 0);
		assert_string_equal(got, cases[i].functions);
	}
}

static void test_cgroup(void **state)
{
	static const struct {
		const char *text, *path, *freezer;
	} cases[] = {
		{"0::/system.slice/a.service\n", "/system.slice/a.service", NULL},
		{"0::/system.slice/a.service (deleted)\n", "/system.slice/a.service", NULL},
		{"5:cpu,freezer:/f\n1:name=systemd:/system.slice/a.service\n",
		 "/system.slice/a.service", "/f"},
		{"4:freezer:/\n1:name=systemd:/\n0::/v2:with:colons\n", "/v2:with:colons", "/"},
		{"1:name=systemd:/v1\n0::/\n", "/v1", NULL},
		{"3:xname=systemd:/x\n", NULL, NULL},
		{"nonsense\n", NULL, NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		_cleanup_free_ char *path = NULL, *freezer = NULL;

		assert_int_equal(stuck_parse_cgroup(TEXT(cases[i].text), &path, &freezer), 0);
		assert_string_equal(path ?: "none", cases[i].path ?: "none");
		assert_string_equal(freezer ?: "none", cases[i].freezer ?: "none");
	}
}

static void test_mountinfo(void **state)
{
	static const char text[] =
		"21 1 0:20 / /proc rw - proc proc rw\n"
		"58 54 0:33 / /run/a\\040b rw shared:1 master:2 - fuse.sshfs host:/\\011x rw\n"
		"59 54 0:34 / /n rw - nfs4 server:/export rw\n"
		"60 54 0:35 / /sys/fs/fuse/connections rw - fusectl fusectl rw\n"
		"61 54 0:36 / /bad\\04 rw - fuse\n"
		"62 54 x:37 / /n rw - fuse f rw\n"
		"63 - fuse f";
	_cleanup_(stuck_snapshot_done) struct stuck_snapshot s = {};

	(void)state;
	assert_int_equal(stuck_parse_mountinfo(TEXT(text), 7, &s), 0);
	assert_int_equal(s.n_mounts, 3);
	assert_string_equal(s.mounts[0].type, "fuse.sshfs");
	assert_string_equal(s.mounts[0].point, "/run/a b");
	assert_string_equal(s.mounts[0].source, "host:/\tx");
	assert_int_equal(s.mounts[0].minor, 33);
	assert_int_equal(s.mounts[0].mntns, 7);
	assert_string_equal(s.mounts[1].type, "nfs4");
	assert_string_equal(s.mounts[2].point, "/bad\\04");
	assert_string_equal(s.mounts[2].source, "");
}

static void test_fdinfo(void **state)
{
	static const char text[] = "pos:\t0\nflags:\t02\nscm_fds: 2\nfuse_connection:\t33\n";
	uint64_t v;

	(void)state;
	assert_int_equal(stuck_parse_fdinfo(TEXT(text), "fuse_connection", &v), 0);
	assert_int_equal(v, 33);
	assert_int_equal(stuck_parse_fdinfo(TEXT(text), "scm_fds", &v), 0);
	assert_int_equal(v, 2);
	assert_int_equal(stuck_parse_fdinfo(TEXT(text), "fuse", &v), -ENOENT);
}

static void test_unit_names(void **state)
{
	static const struct {
		const char *cgroup, *unit;
	} cases[] = {
		{"/system.slice/a.service", "a.service"},
		{"/system.slice/docker-1.scope/system.slice/in.service", "docker-1.scope"},
		{"/user.slice/user-0.slice/user@0.service/app.slice/x.service", "user@0.service"},
		{"/system.slice/.service/x", NULL},
		{"/", NULL},
		{"", NULL},
		{NULL, NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		size_t n = 0;
		const char *name = stuck_unit_name(cases[i].cgroup, &n);

		assert_int_equal(name != NULL, cases[i].unit != NULL);
		if (!name)
			continue;
		assert_int_equal(n, strlen(cases[i].unit));
		assert_memory_equal(name, cases[i].unit, n);
	}
}

/* ---- classes ---- */

static void test_classes(void **state)
{
	static const struct {
		const char *stack;
		enum stuck_wait wait;
	} cases[] = {
		{"request_wait_answer\nfuse_simple_request\nfuse_flush\n", STUCK_WAIT_FUSE},
		{"__fuse_simple_request\nfuse_release\n", STUCK_WAIT_FUSE},
		{"fuse_dev_do_read\nvfs_read\n", STUCK_WAIT_UNKNOWN},
		{"do_wait\nkernel_wait4\nzap_pid_ns_processes\ndo_exit\n", STUCK_WAIT_PIDNS},
		{"rpc_wait_bit_killable\n__rpc_execute\nnfs4_call_sync\n", STUCK_WAIT_NFS},
		{"io_schedule\nfolio_wait_bit_common\nnfs_file_flush\n", STUCK_WAIT_NFS},
		{"wait_woken\np9_client_rpc\nv9fs_vfs_getattr\n", STUCK_WAIT_NETFS},
		{"__refrigerator\nget_signal\n", STUCK_WAIT_FROZEN},
		{"do_freezer_trap\nget_signal\n", STUCK_WAIT_FROZEN},
		{"ptrace_stop\nptrace_notify\ndo_exit\n", STUCK_WAIT_TRACED},
		{"do_signal_stop\nget_signal\n", STUCK_WAIT_STOPPED},
		{"pipe_write\ndump_emit\nelf_core_dump\ndo_coredump\n", STUCK_WAIT_DUMP},
		{"rwsem_down_write\nnamespace_unlock\npath_umount\n", STUCK_WAIT_MOUNT},
		{"do_lock_mount.part.0\ndo_move_mount.isra.0\n__do_sys_move_mount\n",
		 STUCK_WAIT_MOUNT},
		{"rwsem_down_write_slowpath\ndo_move_mount\n__do_sys_move_mount\n",
		 STUCK_WAIT_MOUNT},
		{"io_schedule\n__bread_gfp\next4_fill_super\nvfs_get_tree\n", STUCK_WAIT_MOUNT},
		/* its own server, and that of the mount above it */
		{"p9_client_rpc\np9_client_create\nv9fs_mount\nvfs_get_tree\npath_mount\n",
		 STUCK_WAIT_MOUNT},
		{"rpc_wait_bit_killable\nnfs4_try_get_tree\nvfs_get_tree\nfc_mount\n"
		 "nfs_d_automount\n__traverse_mounts\n",
		 STUCK_WAIT_NFS},
		{"io_schedule\njbd2_log_wait_commit\next4_sync_file\n", STUCK_WAIT_DISK},
		{"__blkdev_direct_IO_simple\ngeneric_file_read_iter\n", STUCK_WAIT_DISK},
		{"schedule\nsomething_else\nmy_fuse_\n", STUCK_WAIT_UNKNOWN},
		{"", STUCK_WAIT_UNKNOWN},
		{NULL, STUCK_WAIT_UNKNOWN},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(stuck_classify_stack(cases[i].stack), cases[i].wait);
}

/* Without root there is the state and, on newer kernels, wchan. */
static void test_classes_without_a_stack(void **state)
{
	struct stuck_task t = {.state = 'D', .wchan = (char *)"request_wait_answer"};
	struct stuck_task stopped = {.state = 'T'}, traced = {.state = 't'};
	struct stuck_task frozen = {.state = 'S', .frozen = (char *)"/a"};
	struct stuck_task dumps = {.state = 'S', .dumps = true};
	struct stuck_task unknown = {.state = 'D', .wchan = (char *)"0"};

	(void)state;
	assert_int_equal(stuck_classify(&t), STUCK_WAIT_FUSE);
	assert_int_equal(stuck_classify(&stopped), STUCK_WAIT_STOPPED);
	assert_int_equal(stuck_classify(&traced), STUCK_WAIT_TRACED);
	assert_int_equal(stuck_classify(&frozen), STUCK_WAIT_FROZEN);
	assert_int_equal(stuck_classify(&dumps), STUCK_WAIT_DUMP);
	assert_int_equal(stuck_classify(&unknown), STUCK_WAIT_UNKNOWN);
}

/* ---- worlds ---- */

struct world {
	struct stuck_snapshot s;
	struct stuck_report *report;
};

static void world_done(struct world *w)
{
	stuck_report_freep(&w->report);
	stuck_snapshot_done(&w->s);
}

/* A task that has not run for a while; valid until the next one is added. */
static struct stuck_task *add(struct world *w, pid_t tgid, pid_t tid, char state, uint32_t flags)
{
	struct stuck_task *t = stuck_add_task(&w->s);

	assert_non_null(t);
	t->tgid = tgid;
	t->tid = tid;
	t->ppid = 1;
	t->state = state;
	t->flags = flags;
	t->still = true;
	t->nspid[0] = tid;
	t->n_nspid = 1;
	strcpy(t->comm, "fuse-hang");
	return t;
}

static struct stuck_task *add_told(struct world *w, pid_t tgid, pid_t tid, char state,
				   const char *stack)
{
	struct stuck_task *t = add(w, tgid, tid, state, EXITS);

	t->all_pending = KILL;
	assert_int_equal(stuck_parse_stack(TEXT(stack), &t->stack), 0);
	return t;
}

static void into_namespace(struct stuck_task *t, uint64_t pidns, pid_t number)
{
	t->pidns = pidns;
	t->nspid[1] = number;
	t->n_nspid = 2;
}

static void add_fuse_mount(struct world *w, uint64_t mntns, unsigned int minor, const char *type)
{
	char text[200];

	snprintf(text, sizeof(text), "58 54 0:%u / /mnt rw - %s source rw\n", minor, type);
	assert_int_equal(stuck_parse_mountinfo(TEXT(text), mntns, &w->s), 0);
}

/* Init 103, its child 104 of which a thread lives on; connection 29. */
static void add_deadlock(struct world *w)
{
	struct stuck_task *t = add_told(w, 103, 103, 'S', zap_stack);

	into_namespace(t, INNER_NS, 1);
	t->cgroup = strdup("/system.slice/app.service");
	t = add(w, 104, 104, 'Z', EXITS);
	into_namespace(t, INNER_NS, 2);
	t = add_told(w, 104, 105, 'D', flush_stack);
	into_namespace(t, INNER_NS, 3);
	t->mntns = INNER_MNT;
	t->cgroup = strdup("/system.slice/app.service");
	assert_int_equal(stuck_add_pidns(&w->s, INNER_NS, HOST_NS), 0);
	assert_int_equal(stuck_add_connection(&w->s, 29, 1), 0);
	add_fuse_mount(w, INNER_MNT, 29, "fuse.app");
}

static struct stuck_hang *only_hang(struct world *w)
{
	stuck_report_freep(&w->report);
	stuck_sort(&w->s);
	assert_int_equal(stuck_analyse(&w->s, &w->report), 0);
	assert_int_equal(w->report->n_hangs, 1);
	return &w->report->hangs[0];
}

static enum stuck_kind only_kind(struct world *w)
{
	return only_hang(w)->kind;
}

static size_t count_hangs(struct world *w)
{
	stuck_report_freep(&w->report);
	stuck_sort(&w->s);
	assert_int_equal(stuck_analyse(&w->s, &w->report), 0);
	return w->report->n_hangs;
}

static void add_holder(struct world *w, pid_t pid, bool known, unsigned int connection)
{
	struct stuck_holder h = {.tgid = pid, .known = known, .connection = connection};

	add(w, pid, pid, 'S', 0);
	assert_int_equal(stuck_add_holder(&w->s, &h), 0);
}

static struct stuck_task *task(struct world *w, pid_t tid)
{
	for (size_t i = 0; i < w->s.n_tasks; i++)
		if (w->s.tasks[i].tid == tid)
			return &w->s.tasks[i];
	fail();
	return NULL;
}

static void test_deadlock(void **state)
{
	_cleanup_(world_done) struct world w = {};
	const struct stuck_hang *h;

	(void)state;
	add_deadlock(&w);
	assert_int_equal(stuck_add_unit(&w.s, "app.service", "deactivating", "stop-sigkill"), 0);
	h = only_hang(&w);
	assert_int_equal(h->kind, STUCK_FUSE_DEADLOCK);
	assert_int_equal(h->connection->number, 29);
	assert_string_equal(h->mount->type, "fuse.app");
	assert_int_equal(h->n_members, 3);
	assert_int_equal(h->members[0].task->tid, 103);
	assert_int_equal(h->members[0].role, STUCK_ROLE_INIT);
	assert_int_equal(h->members[1].task->tid, 104);
	assert_int_equal(h->members[1].role, STUCK_ROLE_LEADER);
	assert_int_equal(h->members[2].task->tid, 105);
	assert_int_equal(h->members[2].role, STUCK_ROLE_WAITER);
	assert_int_equal(h->n_units, 1);
	assert_string_equal(h->units[0]->name, "app.service");
	assert_string_equal(h->root, "deadlock on FUSE connection 29 (fuse.app on /mnt): nobody is "
				     "left who could answer");
	assert_non_null(strstr(h->next, "echo 1 > /sys/fs/fuse/connections/29/abort"));
}

/* Somebody who answers another connection changes nothing. */
static void test_deadlock_beside_a_daemon(void **state)
{
	_cleanup_(world_done) struct world w = {};

	(void)state;
	add_deadlock(&w);
	assert_int_equal(stuck_add_connection(&w.s, 30, 1), 0);
	add_fuse_mount(&w, SECOND_MNT, 30, "fuse");
	add_holder(&w, 500, true, 30);
	assert_int_equal(only_kind(&w), STUCK_FUSE_DEADLOCK);
	assert_int_equal(w.report->hangs[0].n_daemons, 0);
}

/* Each of these takes the certainty away: no deadlock is told, so none is aborted. */
static void test_no_deadlock(void **state)
{
	_cleanup_(world_done) struct world served = {}, guess = {}, one = {}, blind = {};
	_cleanup_(world_done) struct world flight = {}, alive = {}, unmounted = {}, host = {},
					   later = {};

	(void)state;
	add_deadlock(&served);
	add_holder(&served, 500, true, 29);
	assert_int_equal(only_kind(&served), STUCK_FUSE_WAITS);
	assert_int_equal(served.report->hangs[0].daemons[0]->tgid, 500);

	add_deadlock(&guess);
	assert_int_equal(stuck_add_connection(&guess.s, 30, 0), 0);
	add_holder(&guess, 500, false, 0);
	assert_int_equal(only_kind(&guess), STUCK_FUSE_UNKNOWN);

	add_deadlock(&one);
	add_holder(&one, 500, false, 0);
	assert_int_equal(only_kind(&one), STUCK_FUSE_WAITS);

	/* it began after the tasks were read */
	add_deadlock(&later);
	assert_int_equal(stuck_add_holder(&later.s, &(struct stuck_holder){500, true, 29}), 0);
	assert_int_equal(only_kind(&later), STUCK_FUSE_UNKNOWN);

	add_deadlock(&blind);
	blind.s.no_holders = true;
	assert_int_equal(only_kind(&blind), STUCK_FUSE_UNKNOWN);

	add_deadlock(&flight);
	flight.s.fds_in_flight = true;
	assert_int_equal(only_kind(&flight), STUCK_FUSE_UNKNOWN);

	add_deadlock(&alive);
	task(&alive, 105)->flags = 0;
	assert_int_equal(only_kind(&alive), STUCK_FUSE_UNKNOWN);

	add_deadlock(&unmounted);
	unmounted.s.mounts[0].minor = 77;
	assert_int_equal(only_kind(&unmounted), STUCK_FUSE_UNKNOWN);

	add_deadlock(&host);
	free(host.s.mounts[0].type);
	host.s.mounts[0].type = strdup("virtiofs");
	assert_int_equal(only_kind(&host), STUCK_NETFS);
}

/* Two connections have requests, and what tells them apart is where they are mounted. */
static void test_which_connection(void **state)
{
	_cleanup_(world_done) struct world w = {};

	(void)state;
	add_deadlock(&w);
	assert_int_equal(stuck_add_connection(&w.s, 30, 4), 0);
	assert_int_equal(only_hang(&w)->connection->number, 29);
	add_fuse_mount(&w, INNER_MNT, 30, "fuse");
	assert_null(only_hang(&w)->connection);
	assert_int_equal(w.report->hangs[0].kind, STUCK_FUSE_UNKNOWN);
}

/* A file system of a block device: its connection is numbered by the whole of st_dev. */
static void test_connection_of_a_block_device(void **state)
{
	_cleanup_(world_done) struct world w = {};

	(void)state;
	add_deadlock(&w);
	w.s.mounts[0].major = 8;
	w.s.mounts[0].minor = 1;
	assert_int_equal(only_kind(&w), STUCK_FUSE_UNKNOWN);
	w.s.connections[0].number = 8 << 20 | 1;
	assert_int_equal(only_kind(&w), STUCK_FUSE_DEADLOCK);
}

static void test_two_deadlocks(void **state)
{
	_cleanup_(world_done) struct world w = {};

	(void)state;
	add_deadlock(&w);
	add_told(&w, 200, 200, 'D', flush_stack)->mntns = SECOND_MNT;
	assert_int_equal(stuck_add_connection(&w.s, 30, 1), 0);
	add_fuse_mount(&w, SECOND_MNT, 30, "fuse");
	assert_int_equal(count_hangs(&w), 2);
	assert_int_equal(w.report->hangs[0].connection->number, 29);
	assert_int_equal(w.report->hangs[1].connection->number, 30);
	assert_int_equal(w.report->hangs[1].n_members, 1);
}

static void test_stopped_daemon(void **state)
{
	_cleanup_(world_done) struct world w = {};

	(void)state;
	add_deadlock(&w);
	add_holder(&w, 500, true, 29);
	task(&w, 500)->state = 'T';
	assert_int_equal(only_kind(&w), STUCK_FUSE_STOPPED);
	assert_string_equal(w.report->hangs[0].next, "let it go on: kill -CONT 500");
	task(&w, 500)->state = 'S';
	task(&w, 500)->frozen = strdup("/a b.slice");
	assert_int_equal(only_kind(&w), STUCK_FUSE_STOPPED);
	assert_string_equal(w.report->hangs[0].next,
			    "thaw it: echo 0 > '/sys/fs/cgroup/a b.slice/cgroup.freeze'");
	task(&w, 500)->frozen_v1 = true;
	assert_int_equal(only_kind(&w), STUCK_FUSE_STOPPED);
	assert_string_equal(
		w.report->hangs[0].next,
		"thaw it: echo THAWED > '/sys/fs/cgroup/freezer/a b.slice/freezer.state'");
	/* one of its threads runs */
	add(&w, 500, 501, 'S', 0);
	assert_int_equal(only_kind(&w), STUCK_FUSE_WAITS);
}

/* ---- who is not stuck ---- */

static void test_who_runs_is_not_stuck(void **state)
{
	_cleanup_(world_done) struct world w = {};

	(void)state;
	add_deadlock(&w);
	for (size_t i = 0; i < w.s.n_tasks; i++)
		w.s.tasks[i].still = false;
	assert_int_equal(count_hangs(&w), 0);
}

static void test_who_was_not_told_is_not_stuck(void **state)
{
	_cleanup_(world_done) struct world w = {};
	struct stuck_task *t;

	(void)state;
	add(&w, 10, 10, 'D', 0);
	add(&w, 11, 11, 'T', 0);
	add(&w, 12, 12, 'Z', EXITS)->all_pending = KILL;
	t = add(&w, 13, 13, 'D', STUCK_TASK_KERNEL);
	t->pending = KILL;
	assert_int_equal(count_hangs(&w), 0);
}

/* In a unit that is being stopped, who sleeps is given its time; who is stopped cannot use it. */
static void test_unit_that_stops(void **state)
{
	_cleanup_(world_done) struct world w = {};

	(void)state;
	add(&w, 10, 10, 'S', 0)->cgroup = strdup("/system.slice/a.service");
	add(&w, 11, 11, 'T', 0)->cgroup = strdup("/system.slice/a.service");
	assert_int_equal(stuck_add_unit(&w.s, "b.service", "deactivating", "stop-sigterm"), 0);
	assert_int_equal(stuck_add_unit(&w.s, "a.service", "failed", "failed"), 0);
	assert_int_equal(count_hangs(&w), 0);
	free(w.s.units[1].active);
	w.s.units[1].active = strdup("deactivating");
	assert_int_equal(only_kind(&w), STUCK_STOPPED);
	assert_int_equal(w.report->hangs[0].n_members, 1);
	assert_string_equal(w.report->hangs[0].units[0]->name, "a.service");
}

/* It sleeps as it hands its core over, and no signal but SIGKILL gets through to it. */
static void test_core_dump_in_a_unit_that_stops(void **state)
{
	_cleanup_(world_done) struct world w = {};
	struct stuck_task *t;

	(void)state;
	t = add(&w, 10, 10, 'S', 0);
	t->cgroup = strdup("/system.slice/a.service");
	assert_int_equal(stuck_add_unit(&w.s, "a.service", "deactivating", "stop-sigterm"), 0);
	assert_int_equal(count_hangs(&w), 0);
	task(&w, 10)->dumps = true;
	assert_int_equal(only_kind(&w), STUCK_DUMP);
	assert_string_equal(w.report->hangs[0].units[0]->name, "a.service");
}

static void test_compare(void **state)
{
	_cleanup_(world_done) struct world before = {}, after = {}, last = {};

	(void)state;
	for (pid_t pid = 10; pid < 16; pid++) {
		add(&before, pid, pid, pid == 15 ? 'R' : 'D', 0)->switches = 5;
		add(&after, pid, pid, pid == 15 ? 'R' : 'D', 0)->switches = 5;
	}
	task(&after, 11)->switches++;
	task(&after, 12)->start++;
	task(&after, 13)->state = 'S';
	add(&after, 14, 99, 'D', 0);
	stuck_sort(&before.s);
	stuck_sort(&after.s);
	stuck_compare(&before.s, &after.s);
	assert_true(task(&after, 10)->still);
	assert_false(task(&after, 11)->still);
	assert_false(task(&after, 12)->still);
	assert_false(task(&after, 13)->still);
	assert_true(task(&after, 14)->still);
	assert_false(task(&after, 99)->still);
	assert_false(task(&after, 15)->still);
	add(&last, 10, 10, 'D', 0)->switches = 5;
	add(&last, 11, 11, 'D', 0)->switches = 6;
	stuck_sort(&last.s);
	stuck_compare(&after.s, &last.s);
	assert_true(task(&last, 10)->still);
	assert_false(task(&last, 11)->still); /* it ran before */
}

/* ---- pid namespaces ---- */

/* The init outside waits for the one inside, and both for one and the same task. */
static void test_nested_namespaces(void **state)
{
	_cleanup_(world_done) struct world w = {};
	struct stuck_task *t;
	const struct stuck_hang *h;

	(void)state;
	add_deadlock(&w);
	t = task(&w, 103);
	t->n_nspid = 3;
	t->nspid[1] = 2;
	t->nspid[2] = 1;
	t = add_told(&w, 100, 100, 'S', zap_stack);
	into_namespace(t, 4026532000u, 1);
	w.s.pidns[0].parent = 4026532000u;
	assert_int_equal(stuck_add_pidns(&w.s, 4026532000u, HOST_NS), 0);
	h = only_hang(&w);
	assert_int_equal(h->kind, STUCK_FUSE_DEADLOCK);
	assert_int_equal(h->n_members, 4);
	assert_int_equal(h->members[0].task->tid, 100);
	assert_int_equal(h->members[1].task->tid, 103);
}

static void test_unreaped(void **state)
{
	_cleanup_(world_done) struct world w = {};
	struct stuck_task *t;
	const struct stuck_hang *h;

	(void)state;
	into_namespace(add_told(&w, 103, 103, 'S', zap_stack), INNER_NS, 1);
	t = add(&w, 104, 104, 'Z', EXITS);
	into_namespace(t, INNER_NS, 2);
	t->ppid = 90;
	strcpy(add(&w, 90, 90, 'S', 0)->comm, "nsenter");
	assert_int_equal(stuck_add_pidns(&w.s, INNER_NS, HOST_NS), 0);
	h = only_hang(&w);
	assert_int_equal(h->kind, STUCK_UNREAPED);
	assert_int_equal(h->n_daemons, 1);
	assert_int_equal(h->daemons[0]->tgid, 90);
	assert_int_equal(h->members[1].role, STUCK_ROLE_DEAD);
	assert_non_null(strstr(h->root, "nsenter 90"));
}

static void test_namespace_that_still_ends(void **state)
{
	_cleanup_(world_done) struct world w = {};
	struct stuck_task *t;

	(void)state;
	into_namespace(add_told(&w, 103, 103, 'S', zap_stack), INNER_NS, 1);
	assert_int_equal(count_hangs(&w), 0);
	t = add(&w, 104, 104, 'R', 0);
	t->still = false;
	into_namespace(t, INNER_NS, 2);
	assert_int_equal(count_hangs(&w), 0);
	t->still = true;
	t->state = 'S';
	assert_int_equal(only_kind(&w), STUCK_PIDNS);
}

/* ---- the other kinds ---- */

static void test_other_kinds(void **state)
{
	static const struct {
		const char *stack;
		char state;
		enum stuck_kind kind;
		const char *in_root;
	} cases[] = {
		{"[<0>] rpc_wait_bit_killable+0x1/0x2\n", 'D', STUCK_NFS, "NFS mount"},
		{"[<0>] p9_client_rpc+0x1/0x2\n", 'D', STUCK_NETFS, "network mount"},
		{"[<0>] __refrigerator+0x1/0x2\n", 'D', STUCK_FROZEN, "frozen"},
		{"[<0>] ptrace_stop+0x1/0x2\n", 't', STUCK_TRACED, "tracer, gdb 90"},
		{"[<0>] do_signal_stop+0x1/0x2\n", 'T', STUCK_STOPPED, "stopped"},
		{"[<0>] do_coredump+0x1/0x2\n", 'D', STUCK_DUMP, "core dump"},
		{"[<0>] path_umount+0x1/0x2\n", 'D', STUCK_MOUNT, "mounts"},
		{"[<0>] io_schedule+0x1/0x2\n", 'D', STUCK_DISK, "disk"},
		{"[<0>] my_driver_ioctl+0x1/0x2\n", 'D', STUCK_UNKNOWN, "not known"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		_cleanup_(world_done) struct world w = {};
		const struct stuck_hang *h;

		add_told(&w, 10, 10, cases[i].state, cases[i].stack)->tracer = 90;
		strcpy(add(&w, 90, 90, 'S', 0)->comm, "gdb");
		h = only_hang(&w);
		assert_int_equal(h->kind, cases[i].kind);
		assert_non_null(strstr(h->root, cases[i].in_root));
	}
}

/* Thirty symptoms of one server are one hang; two that are stopped are two. */
static void test_grouping(void **state)
{
	_cleanup_(world_done) struct world w = {};

	(void)state;
	for (pid_t pid = 10; pid < 40; pid++)
		add_told(&w, pid, pid, 'D', "[<0>] nfs_wait_bit_killable+0x1/0x2\n")->mntns = 5;
	assert_int_equal(
		stuck_parse_mountinfo(TEXT("1 2 0:9 / /home rw - nfs4 server:/home rw\n"), 5, &w.s),
		0);
	assert_int_equal(only_kind(&w), STUCK_NFS);
	assert_int_equal(w.report->hangs[0].n_members, 30);
	assert_string_equal(w.report->hangs[0].root,
			    "NFS mount /home of server:/home: the server does not answer");
	add_told(&w, 50, 50, 'T', "");
	add_told(&w, 51, 51, 'T', "");
	assert_int_equal(count_hangs(&w), 3);
}

static void test_names(void **state)
{
	(void)state;
	for (int k = 0; k < _STUCK_KIND_MAX; k++)
		assert_non_null(stuck_kind_name(k));
	for (int i = 0; i < _STUCK_WAIT_MAX; i++)
		assert_non_null(stuck_wait_name(i));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stat),
		cmocka_unit_test(test_stat_with_a_long_name),
		cmocka_unit_test(test_status),
		cmocka_unit_test(test_status_with_many_namespaces),
		cmocka_unit_test(test_stack),
		cmocka_unit_test(test_cgroup),
		cmocka_unit_test(test_mountinfo),
		cmocka_unit_test(test_fdinfo),
		cmocka_unit_test(test_unit_names),
		cmocka_unit_test(test_classes),
		cmocka_unit_test(test_classes_without_a_stack),
		cmocka_unit_test(test_deadlock),
		cmocka_unit_test(test_deadlock_beside_a_daemon),
		cmocka_unit_test(test_no_deadlock),
		cmocka_unit_test(test_which_connection),
		cmocka_unit_test(test_connection_of_a_block_device),
		cmocka_unit_test(test_two_deadlocks),
		cmocka_unit_test(test_stopped_daemon),
		cmocka_unit_test(test_who_runs_is_not_stuck),
		cmocka_unit_test(test_who_was_not_told_is_not_stuck),
		cmocka_unit_test(test_unit_that_stops),
		cmocka_unit_test(test_core_dump_in_a_unit_that_stops),
		cmocka_unit_test(test_compare),
		cmocka_unit_test(test_nested_namespaces),
		cmocka_unit_test(test_unreaped),
		cmocka_unit_test(test_namespace_that_still_ends),
		cmocka_unit_test(test_other_kinds),
		cmocka_unit_test(test_grouping),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
