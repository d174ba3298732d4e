/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuse-hang [-w] MODE: what hangs when a pid namespace is torn down around a FUSE file system, and
 * what only looks like it. Leaves tasks behind that no signal ends: for guests only.
 *
 * Makes a pid namespace, prints "ready init=PID connection=N daemon=PID", kills the namespace's
 * init (with -w that is left to others), waits until it is gone, and prints "gone".
 *
 *   self           the daemon, in the namespace, holds a file of its own mount open
 *   nested         likewise, in a pid namespace within the one that goes
 *   inherit-above  another process holds the file, and an inherited /dev/fuse, which it closes last
 *   inherit-below  likewise, but closes /dev/fuse first; hangs if the daemon has died by then
 *   bystander      another process holds the file, and no /dev/fuse
 *   slow           the daemon, outside the namespace, answers a flush when ./go.slow is there
 *   stopped        the daemon, outside, is stopped by SIGSTOP
 *   restarted      the daemon, outside, is killed; another one takes over when ./go.restarted is
 *                  there
 *   big-flush      much written data is flushed to a daemon, outside, that takes its time
 *   teardown       1,000 processes and no FUSE at all
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#define MOUNT_POINT "/run/fuse-hang"
#define BIG	    (8 << 20)

static int fuse_fd = -1;
static int ready[2];
static const char *mode;

static bool is(const char *name)
{
	return strcmp(mode, name) == 0;
}

static void die(const char *what)
{
	perror(what);
	_exit(1);
}

static void sleep_ms(long ms)
{
	struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	nanosleep(&t, NULL);
}

/* However long whoever looks on this machine takes. */
static void wait_for_word(void)
{
	char path[64];

	snprintf(path, sizeof(path), "go.%s", mode);
	while (access(path, F_OK) < 0)
		sleep_ms(50);
}

static void answer(const struct fuse_in_header *in, int error, const void *data, size_t n)
{
	char buf[sizeof(struct fuse_out_header) + 256];
	struct fuse_out_header *out = (void *)buf;

	out->len = sizeof(*out) + n;
	out->error = error;
	out->unique = in->unique;
	memcpy(buf + sizeof(*out), data, n);
	if (write(fuse_fd, buf, out->len) < 0 && errno != ENOENT)
		perror("fuse-hang: write");
}

static void answer_init(const struct fuse_in_header *in)
{
	struct fuse_init_out out = {
		.major = FUSE_KERNEL_VERSION,
		.minor = 31, /* what this daemon speaks; the kernel adapts */
		.max_write = 4096,
		.flags = is("big-flush") ? FUSE_WRITEBACK_CACHE : 0,
	};

	answer(in, 0, &out, sizeof(out));
}

static struct fuse_attr attributes(uint64_t node)
{
	return (struct fuse_attr){
		.ino = node,
		.mode = node == FUSE_ROOT_ID ? S_IFDIR | 0755 : S_IFREG | 0644,
		.nlink = 1,
		.blksize = 4096,
	};
}

static void answer_node(const struct fuse_in_header *in)
{
	struct fuse_entry_out entry = {
		.nodeid = 2,
		.entry_valid = 60,
		.attr_valid = 60,
		.attr = attributes(2),
	};
	struct fuse_attr_out attr = {.attr_valid = 60, .attr = attributes(in->nodeid)};

	if (in->opcode == FUSE_LOOKUP)
		answer(in, 0, &entry, sizeof(entry));
	else
		answer(in, 0, &attr, sizeof(attr));
}

static void answer_write(const struct fuse_in_header *in)
{
	const struct fuse_write_in *w = (const void *)(in + 1);
	struct fuse_write_out out = {.size = w->size};

	sleep_ms(5);
	answer(in, 0, &out, sizeof(out));
}

static void answer_one(const struct fuse_in_header *in)
{
	struct fuse_open_out open_out = {.fh = 1};

	switch (in->opcode) {
	case FUSE_INIT:
		return answer_init(in);
	case FUSE_LOOKUP:
	case FUSE_GETATTR:
	case FUSE_SETATTR:
		return answer_node(in);
	case FUSE_OPEN:
		return answer(in, 0, &open_out, sizeof(open_out));
	case FUSE_WRITE:
		return answer_write(in);
	case FUSE_FLUSH:
		if (is("slow"))
			wait_for_word();
		return answer(in, 0, NULL, 0);
	case FUSE_RELEASE:
		return answer(in, 0, NULL, 0);
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		return;
	default:
		answer(in, -ENOSYS, NULL, 0);
	}
}

static void *serve(void *unused)
{
	static char buf[1 << 17];

	while (read(fuse_fd, buf, sizeof(buf)) > 0 || errno == EINTR || errno == EAGAIN)
		answer_one((const void *)buf);
	return unused;
}

static void open_device(void)
{
	fuse_fd = open("/dev/fuse", O_RDWR);
	if (fuse_fd < 0)
		die("/dev/fuse");
}

static void mount_fuse(void)
{
	char options[128];

	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", fuse_fd);
	if (mount("fuse-hang", MOUNT_POINT, "fuse", MS_NOSUID | MS_NODEV, options) < 0)
		die("mount");
}

/* Opens a file of the mount and tells which connection it is of. */
static void hold(void)
{
	unsigned int connection;
	struct stat st;
	int fd = open(MOUNT_POINT "/file", O_RDWR);

	if (fd < 0 || fstat(fd, &st) < 0)
		die(MOUNT_POINT "/file");
	if (is("big-flush")) {
		static char data[1 << 16];

		for (int i = 0; i < BIG; i += sizeof(data))
			if (write(fd, data, sizeof(data)) < 0)
				die("write");
	}
	connection = minor(st.st_dev);
	if (write(ready[1], &connection, sizeof(connection)) < 0)
		die("ready");
}

static void __attribute__((noreturn)) rest(void)
{
	for (;;)
		pause();
}

/* In the namespace: two threads, one of which serves. */
static void daemon_inside(void)
{
	pthread_t thread;

	if (fuse_fd < 0)
		open_device();
	mount_fuse();
	if (pthread_create(&thread, NULL, serve, NULL) != 0)
		die("pthread_create");
	if (is("self") || is("nested"))
		hold();
	rest();
}

static void wait_for_mount(void)
{
	struct stat run, here;

	if (stat("/run", &run) < 0)
		die("/run");
	while (stat(MOUNT_POINT, &here) < 0 || here.st_dev == run.st_dev)
		sleep_ms(10);
}

static void holder_inside(void)
{
	if (is("inherit-above")) {
		if (dup2(fuse_fd, 50) < 0)
			die("dup2");
		close(fuse_fd);
	}
	wait_for_mount();
	hold();
	rest();
}

static void thousand_inside(void)
{
	unsigned int none = 0;

	for (int i = 0; i < 1000; i++)
		if (fork() == 0)
			rest();
	if (write(ready[1], &none, sizeof(none)) < 0)
		die("ready");
}

static int inner_main(void *unused)
{
	(void)unused;
	if (fork() == 0)
		daemon_inside();
	rest();
}

static void nest(void)
{
	static char stack[1 << 16] __attribute__((aligned(16)));

	if (clone(inner_main, stack + sizeof(stack), CLONE_NEWPID | SIGCHLD, NULL) < 0)
		die("clone");
	rest();
}

static int init_main(void *unused)
{
	bool inherit = is("inherit-above") || is("inherit-below");

	(void)unused;
	mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
	if (is("teardown")) {
		thousand_inside();
		rest();
	}
	if (is("nested"))
		nest();
	if (fuse_fd >= 0) { /* served from outside */
		close(fuse_fd);
		if (fork() == 0)
			holder_inside();
		rest();
	}
	if (inherit)
		open_device();
	if (!is("self") && fork() == 0)
		holder_inside();
	if (fork() == 0)
		daemon_inside();
	if (inherit)
		close(fuse_fd);
	rest();
}

static pid_t daemon_outside(void)
{
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	close(ready[0]);
	close(ready[1]);
	serve(NULL);
	_exit(0);
}

/* What becomes of the daemon before the namespace goes. */
static void hurt(pid_t daemon)
{
	if (is("stopped"))
		kill(daemon, SIGSTOP);
	if (!is("restarted"))
		return;
	kill(daemon, SIGKILL);
	waitpid(daemon, NULL, 0);
}

int main(int argc, char **argv)
{
	static char stack[1 << 16] __attribute__((aligned(16)));
	bool wait_only = argc > 1 && strcmp(argv[1], "-w") == 0;
	unsigned int connection;
	pid_t init, daemon = 0;

	if (argc != 2 + wait_only)
		return fprintf(stderr, "usage: fuse-hang [-w] MODE\n"), 2;
	mode = argv[1 + wait_only];
	mkdir(MOUNT_POINT, 0755);
	if (pipe(ready) < 0)
		die("pipe");
	if (is("slow") || is("stopped") || is("restarted") || is("big-flush")) {
		open_device();
		mount_fuse();
		daemon = daemon_outside();
		if (!is("restarted"))
			close(fuse_fd);
	}
	init = clone(init_main, stack + sizeof(stack), CLONE_NEWPID | CLONE_NEWNS | SIGCHLD, NULL);
	if (init < 0)
		die("clone");
	if (read(ready[0], &connection, sizeof(connection)) != sizeof(connection))
		die("not ready");
	hurt(daemon);
	printf("ready init=%d connection=%u daemon=%d\n", init, connection, daemon);
	fflush(stdout);
	if (!wait_only)
		kill(init, SIGKILL);
	if (is("restarted")) {
		wait_for_word();
		daemon_outside();
		close(fuse_fd);
	}
	waitpid(init, NULL, 0);
	puts("gone");
	umount2(MOUNT_POINT, MNT_DETACH);
	return 0;
}
