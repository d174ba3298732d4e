/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * send-signal CALL NUMBER PID: sends signal NUMBER by a system call that no tool uses.
 * send-signal segv|pipe|sys: brings it on itself, by a fault, by writing where nobody reads, by a
 * call that it forbade itself.
 * send-signal terminal FILE FIFO: makes a terminal and writes its name to FILE; types ^C once
 * somebody writes to FIFO; ends when nobody has the terminal open any more.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static int send_queued(int pid, int sig)
{
	siginfo_t si = {.si_code = SI_QUEUE};

	si.si_pid = getpid();
	si.si_uid = getuid();
	return syscall(SYS_rt_sigqueueinfo, pid, sig, &si);
}

static int send_by(const char *call, int sig, int pid)
{
	if (!strcmp(call, "tkill"))
		return syscall(SYS_tkill, pid, sig);
	if (!strcmp(call, "tgkill"))
		return syscall(SYS_tgkill, pid, pid, sig);
	if (!strcmp(call, "group"))
		return kill(-pid, sig);
	if (!strcmp(call, "queue"))
		return send_queued(pid, sig);
	if (!strcmp(call, "pidfd"))
		return syscall(SYS_pidfd_send_signal, syscall(SYS_pidfd_open, pid, 0), sig, NULL,
			       0);
	fprintf(stderr, "send-signal: no call %s\n", call);
	exit(2);
}

static int break_pipe(void)
{
	int fds[2];

	if (pipe(fds))
		return 1;
	close(fds[0]);
	return write(fds[1], "", 1) < 0;
}

static int forbidden(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0), /* the call's number */
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {.len = sizeof(filter) / sizeof(*filter), .filter = filter};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		return 1;
	return syscall(SYS_getppid) < 0;
}

static int segv(void)
{
	*(volatile int *)8 = 0;
	return 1;
}

static int terminal(const char *file, const char *fifo)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY);
	char name[64], c;
	FILE *f;

	if (master < 0 || grantpt(master) || unlockpt(master) ||
	    ptsname_r(master, name, sizeof(name)))
		return 1;
	f = fopen(file, "w");
	if (!f || fprintf(f, "%s\n", name) < 0 || fclose(f))
		return 1;
	f = fopen(fifo, "r"); /* opens when somebody writes */
	if (!f || write(master, "\003", 1) != 1)
		return 1;
	while (read(master, &c, 1) > 0)
		;
	return 0;
}

int main(int argc, char **argv)
{
	int pid = argc == 4 ? atoi(argv[3]) : 0;

	if (argc == 2 && !strcmp(argv[1], "segv"))
		return segv();
	if (argc == 2 && !strcmp(argv[1], "pipe"))
		return break_pipe();
	if (argc == 2 && !strcmp(argv[1], "sys"))
		return forbidden();
	if (argc == 4 && !strcmp(argv[1], "terminal"))
		return terminal(argv[2], argv[3]);
	if (pid <= 1) { /* never everybody */
		fprintf(stderr, "usage: see the head of send-signal.c\n");
		return 2;
	}
	if (send_by(argv[1], atoi(argv[2]), pid) < 0) {
		perror("send-signal");
		return 1;
	}
	return 0;
}
