/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "cmd.h"
#include "svctrace/cleanup.h"

static ssize_t read_all(int fd, void *p, size_t n)
{
	ssize_t r;

	do
		r = read(fd, p, n);
	while (r < 0 && errno == EINTR);
	return r;
}

/* Says through the pipe why it cannot be executed; the pipe closes itself if it can. */
static void execute(char *const *command, const sigset_t *mask, int go_fd, int error_fd)
{
	int e;
	char go;

	if (read_all(go_fd, &go, 1) != 1)
		_exit(0); /* recording never began */
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_SETMASK, mask, NULL);
	execvp(command[0], command);
	e = errno;
	if (write(error_fd, &e, sizeof(e)) < 0) {
		/* the exit code must do */
	}
	_exit(e == ENOENT ? 127 : 126);
}

int child_prepare(struct child *c, char *const *command, const sigset_t *mask)
{
	int go[2], error[2];

	if (pipe2(go, O_CLOEXEC) < 0 || pipe2(error, O_CLOEXEC) < 0)
		return -errno;
	c->pid = fork();
	if (c->pid < 0)
		return -errno;
	if (c->pid == 0) {
		close(go[1]);
		close(error[0]);
		execute(command, mask, go[0], error[1]);
	}
	close(go[0]);
	close(error[1]);
	c->go_fd = go[1];
	c->error_fd = error[0];
	return 0;
}

int child_start(struct child *c, const char *name)
{
	int e = 0;

	c->started = true;
	if (write(c->go_fd, "!", 1) != 1)
		e = errno;
	else if (read_all(c->error_fd, &e, sizeof(e)) <= 0)
		return 0;
	say("cannot run %s: %s", name, strerror(e));
	waitpid(c->pid, NULL, 0);
	c->ended = true;
	c->code = e == ENOENT ? 127 : 126;
	return -e;
}

void child_reap(struct child *c)
{
	int status;

	if (!c->started || c->ended || waitpid(c->pid, &status, WNOHANG) != c->pid)
		return;
	c->ended = true;
	c->code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void child_done(struct child *c)
{
	if (c->pid <= 0)
		return;
	close(c->go_fd);
	close(c->error_fd);
	if (!c->started)
		waitpid(c->pid, NULL, 0);
}
