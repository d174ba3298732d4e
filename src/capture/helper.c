/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "capture/helper.h"

/* Ctrl-C is for svctrace, which has the last word to say; this one ends with it. */
static void ignore_signals(void)
{
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGTERM, SIG_DFL); /* not svctrace's handler */
}

/* Made high first, so that neither is at the other's place. A probe would live as long as its fd.
 */
static bool keep_files(int fd, int keep)
{
	fd = fcntl(fd, F_DUPFD, 16);
	if (keep >= 0)
		keep = fcntl(keep, F_DUPFD, 16);
	return dup2(fd, HELPER_FD) >= 0 && (keep < 0 || dup2(keep, HELPER_KEPT) >= 0) &&
	       syscall(SYS_close_range, keep < 0 ? HELPER_KEPT : HELPER_KEPT + 1, ~0u, 0) == 0;
}

/* One that did not answer in time must have ended before there is another one. */
static bool is_free(struct helper *h)
{
	if (h->late && waitpid(h->late, NULL, WNOHANG) != 0)
		h->late = 0;
	return h->late == 0;
}

int helper_start(struct helper *h, int keep)
{
	int fds[2], r;

	if (!is_free(h))
		return -EBUSY;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	r = fork();
	if (r == 0) {
		/* what it reads is hostile, and no crash of its is worth a core file */
		setrlimit(RLIMIT_CORE, &(struct rlimit){});
		ignore_signals();
		if (!keep_files(fds[1], keep))
			_exit(1);
		return 0;
	}
	r = r < 0 ? -errno : r;
	close(fds[1]);
	if (r < 0) {
		close(fds[0]);
		return r;
	}
	h->child = r;
	h->fd = fds[0];
	return r;
}

void helper_dismiss(struct helper *h, bool answered)
{
	if (!h->child)
		return;
	if (!answered)
		kill(h->child, SIGKILL);
	else
		waitpid(h->child, NULL, 0);
	h->late = h->child;
	is_free(h);
	close(h->fd);
	h->child = 0;
}

void helper_done(struct helper *h)
{
	helper_dismiss(h, false);
	for (int i = 0; i < 100 && !is_free(h); i++)
		usleep(1000);
}
