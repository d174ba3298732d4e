/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "svctrace/cleanup.h"
#include "systemctl.h"

extern char **environ;

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000) + t.tv_nsec / 1000000;
}

static int spawn(const char *const *arguments, bool quiet, int out, pid_t *ret)
{
	posix_spawn_file_actions_t actions;
	int r = posix_spawn_file_actions_init(&actions);

	if (r != 0)
		return -r;
	r = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	if (r == 0)
		r = posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	if (r == 0 && quiet)
		r = posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY,
						     0);
	if (r == 0)
		r = posix_spawnp(ret, arguments[0], &actions, NULL, (char *const *)arguments,
				 environ);
	posix_spawn_file_actions_destroy(&actions);
	return -r;
}

/* All that comes until the end, NUL-terminated. */
static int read_in_time(int fd, int64_t end, size_t max, char **ret)
{
	_cleanup_free_ char *text = malloc(max + 1);
	size_t len = 0;
	ssize_t n = 1;

	if (!text)
		return -ENOMEM;
	while (n != 0) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		int64_t left = end - now_ms();

		if (left <= 0 || poll(&p, 1, (int)left) == 0)
			return -ETIMEDOUT;
		n = read(fd, text + len, max + 1 - len);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0)
			len += (size_t)n;
		if (len > max)
			return -EFBIG;
	}
	text[len] = 0;
	*ret = take_ptr(text);
	return 0;
}

int systemctl_read(const char *const *arguments, bool quiet, unsigned int timeout_ms, size_t max,
		   char **ret)
{
	_cleanup_close_ int in = -1, out = -1;
	_cleanup_free_ char *text = NULL;
	int fds[2], r, status = 0;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	in = fds[0];
	out = fds[1];
	setenv("SYSTEMD_COLORS", "0", true); /* which it would heed even here */
	r = spawn(arguments, quiet, out, &pid);
	if (r < 0)
		return r;
	close(take_fd(&out));
	r = read_in_time(in, now_ms() + timeout_ms, max, &text);
	if (r < 0)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (r < 0)
		return r;
	if (status != 0)
		return -EIO;
	*ret = take_ptr(text);
	return 0;
}
