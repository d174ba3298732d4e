/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A service that SIGTERM does not end: one process waits for its vfork(2) child, which takes no
 * signal but SIGKILL (state D), that one sleeps, and a third has stopped itself (T), and does so
 * again whenever it is let go on, as systemd does when it asks for an end. Writes a line to FILE
 * when all are there.
 */
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static int start_stopped(void)
{
	pid_t pid = fork();
	int status;

	while (pid == 0)
		raise(SIGSTOP);
	return waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status) ? 0 : -1;
}

int main(int argc, char **argv)
{
	FILE *f;

	if (argc != 2)
		return 2;
	signal(SIGTERM, SIG_IGN);
	if (start_stopped() < 0)
		return 1;
	if (vfork() == 0) {
		f = fopen(argv[1], "w");
		if (!f)
			_exit(1);
		fputs("ready\n", f);
		fclose(f);
		for (;;)
			pause();
	}
	return 0;
}
