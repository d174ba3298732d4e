/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "svctrace/cleanup.h"
#include "unit.h"

#define TEXT_MAX   65536
#define TIMEOUT_MS 30000

extern char **environ;

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000) + t.tv_nsec / 1000000;
}

static int spawn(const char *unit, int out, pid_t *ret)
{
	char *const argv[] = {
		(char *)"systemctl",
		(char *)"show",
		(char *)"--no-pager",
		(char *)"--property=Id,LoadState,Type,SubState,PIDFile,ControlGroup,MainPID,"
			"ControlPID",
		(char *)"--",
		(char *)unit,
		NULL,
	};
	posix_spawn_file_actions_t actions;
	int r = posix_spawn_file_actions_init(&actions);

	if (r != 0)
		return -r;
	r = posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	if (r == 0)
		r = posix_spawnp(ret, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	return -r;
}

/* All of it, NUL-terminated. */
static int read_bounded(int fd, char **ret)
{
	_cleanup_free_ char *text = malloc(TEXT_MAX + 1);
	int64_t end = now_ms() + TIMEOUT_MS, left;
	size_t len = 0;
	ssize_t n = 1;

	if (!text)
		return -ENOMEM;
	while (n > 0 && len < TEXT_MAX) {
		struct pollfd p = {.fd = fd, .events = POLLIN};

		left = end - now_ms();
		if (left <= 0 || poll(&p, 1, (int)left) == 0)
			return -ETIMEDOUT;
		n = read(fd, text + len, TEXT_MAX - len);
		if (n > 0)
			len += (size_t)n;
	}
	if (n != 0)
		return n < 0 ? -errno : -EBADMSG;
	text[len] = 0;
	*ret = take_ptr(text);
	return 0;
}

static int run_systemctl(const char *unit, char **ret)
{
	_cleanup_close_ int in = -1, out = -1;
	int fds[2], r, status = 0;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	in = fds[0];
	out = fds[1];
	r = spawn(unit, out, &pid);
	if (r < 0)
		return r;
	close(take_fd(&out));
	r = read_bounded(in, ret);
	if (r < 0)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return r < 0 ? r : status == 0 ? 0 : -EIO;
}

/* KEY=VALUE, at the beginning of line. */
static const char *value_of(const char *line, const char *key)
{
	size_t n = strlen(key);

	return strncmp(line, key, n) == 0 && line[n] == '=' ? line + n + 1 : NULL;
}

static void take_line(struct unit_facts *u, const char *line)
{
	const struct {
		const char *key, **value;
	} strings[] = {
		{"Id", &u->id},
		{"LoadState", &u->load_state},
		{"Type", &u->type},
		{"SubState", &u->sub_state},
		{"PIDFile", &u->pid_file},
		{"ControlGroup", &u->control_group},
	};
	const char *v;

	for (size_t i = 0; i < ARRAY_LEN(strings); i++)
		if ((v = value_of(line, strings[i].key)))
			*strings[i].value = v;
	if ((v = value_of(line, "MainPID")))
		u->main_pid = atoi(v);
	if ((v = value_of(line, "ControlPID")))
		u->control_pid = atoi(v);
}

int unit_show(const char *unit, struct unit_facts *ret)
{
	char *line, *save = NULL;
	int r;

	*ret = (struct unit_facts){
		.id = "",
		.load_state = "",
		.type = "",
		.sub_state = "",
		.pid_file = "",
		.control_group = "",
	};
	r = run_systemctl(unit, &ret->text);
	if (r < 0) {
		unit_facts_done(ret);
		return r;
	}
	for (line = strtok_r(ret->text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		take_line(ret, line);
	return *ret->load_state ? 0 : -EBADMSG;
}

void unit_facts_done(struct unit_facts *u)
{
	free(take_ptr(u->text));
}
