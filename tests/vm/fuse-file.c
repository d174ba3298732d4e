/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuse-file [-s] FILE: mounts a FUSE file system on FILE whose root is a file, opens it in a child
 * which then exits, and unmounts. The child's exit flushes the file, so fuse_flush() runs in a task
 * that is exiting. With -s it only mounts, and answers itself: a file of 64 MiB of zeros, good
 * enough for a loop device. No libfuse: the few messages that this takes are spelled out here.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define FILE_SIZE (64U << 20)
#define READ_MAX  (1U << 17) /* what the kernel asks for at most: 32 pages */

static void answer(int fd, const struct fuse_in_header *in, int error, const void *data, size_t n)
{
	static char buf[sizeof(struct fuse_out_header) + READ_MAX];
	struct fuse_out_header *out = (void *)buf;

	out->len = sizeof(*out) + n;
	out->error = error;
	out->unique = in->unique;
	memcpy(buf + sizeof(*out), data, n);
	if (write(fd, buf, out->len) < 0)
		perror("fuse-file: write");
}

static void answer_init(int fd, const struct fuse_in_header *in)
{
	struct fuse_init_out out = {
		.major = FUSE_KERNEL_VERSION,
		.minor = 19, /* what this daemon speaks; the kernel adapts */
		.max_write = 4096,
	};

	answer(fd, in, 0, &out, FUSE_COMPAT_22_INIT_OUT_SIZE);
}

static void answer_attr(int fd, const struct fuse_in_header *in)
{
	struct fuse_attr_out out = {
		.attr_valid = 1,
		.attr = {.ino = 1, .mode = S_IFREG | 0644, .nlink = 1, .size = FILE_SIZE},
	};

	answer(fd, in, 0, &out, sizeof(out));
}

static void answer_read(int fd, const struct fuse_in_header *in)
{
	const struct fuse_read_in *r = (const void *)(in + 1);
	static const char zeros[READ_MAX];

	answer(fd, in, 0, zeros, r->size < READ_MAX ? r->size : READ_MAX);
}

/* Answers until the file system is unmounted. */
static void serve(int fd)
{
	static char buf[FUSE_MIN_READ_BUFFER + 4096];

	while (read(fd, buf, sizeof(buf)) > 0 || errno == EINTR) {
		const struct fuse_in_header *in = (const void *)buf;
		struct fuse_open_out open_out = {};

		if (in->opcode == FUSE_INIT)
			answer_init(fd, in);
		else if (in->opcode == FUSE_GETATTR)
			answer_attr(fd, in);
		else if (in->opcode == FUSE_OPEN)
			answer(fd, in, 0, &open_out, sizeof(open_out));
		else if (in->opcode == FUSE_READ)
			answer_read(fd, in);
		else if (in->opcode == FUSE_FLUSH || in->opcode == FUSE_RELEASE)
			answer(fd, in, 0, NULL, 0);
		else if (in->opcode != FUSE_FORGET)
			answer(fd, in, -ENOSYS, NULL, 0);
	}
}

/* The connection, or -1. */
static int mount_on(const char *path)
{
	char options[128];
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return perror("/dev/fuse"), -1;
	snprintf(options, sizeof(options), "fd=%d,rootmode=100000,user_id=0,group_id=0", fd);
	if (mount("fuse-file", path, "fuse", MS_NOSUID | MS_NODEV, options) < 0)
		return perror("mount"), -1;
	return fd;
}

static int run(const char *path, int fd)
{
	pid_t daemon, user;
	int status;

	daemon = fork();
	if (daemon == 0) {
		serve(fd);
		_exit(0);
	}
	close(fd);
	user = fork();
	if (user == 0)
		_exit(open(path, O_RDONLY) < 0); /* the exit flushes it */
	waitpid(user, &status, 0);
	if (umount2(path, MNT_DETACH) < 0)
		perror("umount");
	waitpid(daemon, NULL, 0);
	return status == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
	const char *path = argv[argc - 1];
	bool stay = argc == 3 && strcmp(argv[1], "-s") == 0;
	int fd;

	if (argc != 2 && !stay)
		return fprintf(stderr, "usage: fuse-file [-s] FILE\n"), 2;
	fd = open(path, O_CREAT | O_RDWR, 0600);
	if (fd < 0)
		return perror(path), 1;
	close(fd);
	fd = mount_on(path);
	if (fd < 0)
		return 1;
	if (!stay)
		return run(path, fd);
	serve(fd);
	return 0;
}
