/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* svctrace stuck: what systemd says of its units. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "read.h"
#include "svctrace/cleanup.h"

#define PATIENCE_MS 5000 /* systemd itself may be what is stuck */
#define TEXT_MAX    (1 << 20)

extern char **environ;

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000) + t.tv_nsec / 1000000;
}

/* All that comes until the end, in time; -ETIMEDOUT. */
static int read_in_time(int fd, char *buf, size_t room)
{
	int64_t end = now_ms() + PATIENCE_MS;
	size_t len = 0;

	while (len < room - 1) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		int64_t left = end - now_ms();
		ssize_t n;

		if (left <= 0 || poll(&p, 1, (int)left) == 0)
			return -ETIMEDOUT;
		n = read(fd, buf + len, room - 1 - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		len += n;
	}
	buf[len] = 0;
	return 0;
}

static int spawn_systemctl(int out, pid_t *ret)
{
	static const char *const command[] = {
		"systemctl",  "list-units", "--plain", "--no-legend",
		"--no-pager", "--full",	    "--all",   "--state=deactivating,failed",
		NULL,
	};
	posix_spawn_file_actions_t actions;
	int r;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	r = posix_spawnp(ret, command[0], &actions, NULL, (char *const *)command, environ);
	posix_spawn_file_actions_destroy(&actions);
	return -r;
}

/* "nginx.service loaded deactivating stop-sigterm A web server" */
static int add_units(struct stuck_snapshot *s, char *text)
{
	char *line, *save = NULL;
	int r = 0;

	for (line = strtok_r(text, "\n", &save); r == 0 && line;
	     line = strtok_r(NULL, "\n", &save)) {
		char *save_word = NULL, *name = strtok_r(line, " ", &save_word);
		char *load = strtok_r(NULL, " ", &save_word);
		char *active = strtok_r(NULL, " ", &save_word);
		char *sub = strtok_r(NULL, " ", &save_word);

		if (name && load && active && sub)
			r = stuck_add_unit(s, name, active, sub);
	}
	return r;
}

int stuck_read_units(struct stuck_snapshot *s)
{
	_cleanup_free_ char *text = malloc(TEXT_MAX);
	int pipes[2], status, r;
	pid_t pid;

	if (!text)
		return -ENOMEM;
	if (pipe2(pipes, O_CLOEXEC) < 0)
		return -errno;
	r = spawn_systemctl(pipes[1], &pid);
	close(pipes[1]);
	if (r == 0) {
		r = read_in_time(pipes[0], text, TEXT_MAX);
		if (r < 0)
			kill(pid, SIGKILL);
		if (waitpid(pid, &status, 0) == pid && r == 0 && status != 0)
			r = -EIO;
	}
	close(pipes[0]);
	if (r == 0)
		return add_units(s, text);
	s->no_units = true;
	return 0;
}
