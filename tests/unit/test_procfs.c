/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* /proc, as this process and its own threads are shown in it. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "svctrace/cleanup.h"
#include "svctrace/procfs.h"

#define TEXT(s)	 s, strlen(s)
#define DEV_NULL makedev(1, 3)

static void test_stat(void **state)
{
	static const char text[] = "77 (a) S 1 (b\n) t 5 77 77 34817 -1 4195652 1 2 3 4 5 6 7 8 20 "
				   "0 1 0 4711 0 0 18446744073709551615\n";
	struct procfs_stat s = {};

	(void)state;
	assert_int_equal(procfs_parse_stat(TEXT(text), &s), 0);
	assert_int_equal(s.pid, 77);
	assert_string_equal(s.comm, "a) S 1 (b\n");
	assert_int_equal(s.state, 't');
	assert_int_equal(s.ppid, 5);
	assert_int_equal(s.tty, 34817);
	assert_int_equal(s.flags, 4195652);
	assert_int_equal(s.start, 4711);
	for (size_t n = 0; n < strlen("77 (a) S 1 (b\n) t 5 77 77 34817 -1 4195652 1 2 3 4"); n++)
		assert_int_equal(procfs_parse_stat(text, n, &s), -EBADMSG);
}

static void test_own_stat(void **state)
{
	_cleanup_free_ char *text = NULL;
	struct procfs_stat s = {};
	size_t n;

	(void)state;
	assert_int_equal(procfs_read_file(AT_FDCWD, "/proc/self/stat", 4096, &text, &n), 0);
	assert_int_equal(n, strlen(text));
	assert_int_equal(procfs_parse_stat(text, n, &s), 0);
	assert_int_equal(s.pid, getpid());
	assert_int_equal(s.ppid, getppid());
	assert_int_equal(s.state, 'R');
}

static void test_head(void **state)
{
	_cleanup_free_ char *text = NULL;
	size_t n;

	(void)state;
	assert_int_equal(procfs_read_head(AT_FDCWD, "/dev/zero", 5000, &text, &n), 0);
	assert_int_equal(n, 5000);
	assert_int_equal(text[n], 0);
}

static void test_file_too_long(void **state)
{
	char *text = NULL;
	size_t n;

	(void)state;
	assert_int_equal(procfs_read_file(AT_FDCWD, "/dev/zero", 1 << 16, &text, &n), -EFBIG);
	assert_int_equal(procfs_read_file(AT_FDCWD, "/proc/self/none", 1 << 16, &text, &n),
			 -ENOENT);
	assert_null(text);
}

/* Who has that descriptor open, by its number. */
struct search {
	int fd;
	pid_t tgid;
	unsigned int found;
	pid_t tid;
	dev_t device, other_name;
	char target[64];
	bool fdinfo;
};

static int note(void *ctx, const struct procfs_file *f)
{
	struct search *s = ctx;
	_cleanup_free_ char *text = NULL;
	size_t n;

	if (f->error || f->tgid != s->tgid || atoi(f->fd) != s->fd)
		return 0;
	s->found++;
	s->tid = f->tid;
	s->device = procfs_device(f, "nul");
	s->other_name = procfs_device(f, "full");
	snprintf(s->target, sizeof(s->target), "%s", f->target);
	s->fdinfo = procfs_fdinfo(f, &text, &n) == 0 && strncmp(text, "pos:", 4) == 0;
	return 0;
}

static void test_device(void **state)
{
	_cleanup_close_ int fd = open("/dev/null", O_RDONLY);
	struct search s = {.fd = fd, .tgid = getpid()};

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(procfs_open_files_of(getpid(), note, &s), 0);
	assert_int_equal(s.found, 1);
	assert_int_equal(s.device, DEV_NULL);
	assert_int_equal(s.other_name, 0);
	assert_string_equal(s.target, "/dev/null");
	assert_true(s.fdinfo);
}

static void test_no_device(void **state)
{
	char name[] = "/tmp/null-XXXXXX";
	_cleanup_close_ int fd = mkstemp(name), dir = -1;
	struct search s = {.fd = fd, .tgid = getpid()};
	int pipes[2];

	(void)state;
	assert_true(fd >= 0);
	unlink(name);
	assert_int_equal(procfs_open_files_of(getpid(), note, &s), 0);
	assert_int_equal(s.found, 1);
	assert_int_equal(s.device, 0); /* called so, and is a plain file */
	dir = open("/", O_RDONLY | O_DIRECTORY);
	s = (struct search){.fd = dir, .tgid = getpid()};
	assert_int_equal(procfs_open_files_of(getpid(), note, &s), 0);
	assert_int_equal(s.device, 0);
	assert_int_equal(pipe(pipes), 0);
	s = (struct search){.fd = pipes[0], .tgid = getpid()};
	assert_int_equal(procfs_open_files_of(getpid(), note, &s), 0);
	assert_int_equal(strncmp(s.target, "pipe:", 5), 0);
	assert_int_equal(s.device, 0);
	close(pipes[0]);
	close(pipes[1]);
}

/* ---- threads with files of their own ---- */

struct own_files {
	pthread_barrier_t opened, seen;
	pid_t tid;
	int fd;
};

static void *open_own(void *arg)
{
	struct own_files *o = arg;

	o->tid = gettid();
	o->fd = unshare(CLONE_FILES) == 0 ? dup2(open("/dev/null", O_RDONLY), 500) : -1;
	pthread_barrier_wait(&o->opened);
	pthread_barrier_wait(&o->seen);
	return NULL;
}

static void test_thread_with_own_files(void **state)
{
	struct own_files o = {};
	struct search s = {.fd = 500, .tgid = getpid()};
	pthread_t thread;

	(void)state;
	pthread_barrier_init(&o.opened, NULL, 2);
	pthread_barrier_init(&o.seen, NULL, 2);
	assert_int_equal(pthread_create(&thread, NULL, open_own, &o), 0);
	pthread_barrier_wait(&o.opened);
	procfs_open_files_of(getpid(), note, &s);
	pthread_barrier_wait(&o.seen);
	pthread_join(thread, NULL);
	assert_int_equal(o.fd, 500);
	assert_int_equal(s.found, 1);
	assert_int_equal(s.tid, o.tid);
	assert_int_equal(s.device, DEV_NULL);
}

/* ---- all processes ---- */

static int find_child(void *ctx, const struct procfs_file *f)
{
	return note(ctx, f) == 0 && ((struct search *)ctx)->found ? 7 : 0;
}

static void test_other_process(void **state)
{
	struct search s = {.fd = 501};
	int ready[2], r;
	char c;

	(void)state;
	assert_int_equal(pipe(ready), 0);
	s.tgid = fork();
	if (s.tgid == 0) {
		dup2(open("/dev/null", O_RDONLY), 501);
		_exit(write(ready[1], "r", 1) == 1 ? pause() : 1);
	}
	assert_int_equal(read(ready[0], &c, 1), 1);
	r = procfs_open_files(find_child, &s);
	kill(s.tgid, SIGKILL);
	waitpid(s.tgid, NULL, 0);
	close(ready[0]);
	close(ready[1]);
	assert_int_equal(r, 7); /* what the callback says ends it */
	assert_int_equal(s.device, DEV_NULL);
	assert_int_equal(procfs_open_files_of(s.tgid, find_child, &s), 0); /* it has gone */
}

static int note_error(void *ctx, const struct procfs_file *f)
{
	*(int *)ctx = f->error;
	return f->error;
}

static int look_as_somebody(pid_t pid)
{
	int error = 0;

	return procfs_open_files_of(pid, note_error, &error) != -EACCES || error != -EACCES;
}

/* Root's files are not others' to see. */
static void test_unreadable(void **state)
{
	pid_t child;
	int status;

	(void)state;
	child = fork();
	if (child == 0)
		_exit(getuid() == 0 && setuid(65534) < 0 ? 1 : look_as_somebody(1));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stat),
		cmocka_unit_test(test_own_stat),
		cmocka_unit_test(test_file_too_long),
		cmocka_unit_test(test_head),
		cmocka_unit_test(test_device),
		cmocka_unit_test(test_no_device),
		cmocka_unit_test(test_thread_with_own_files),
		cmocka_unit_test(test_other_process),
		cmocka_unit_test(test_unreadable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
