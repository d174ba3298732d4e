/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hold PID: holds a process as a debugger does that has stopped it, until it is itself killed. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	pid_t pid = argc == 2 ? atoi(argv[1]) : 0;

	if (pid <= 0)
		return fprintf(stderr, "usage: hold PID\n"), 2;
	if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) < 0 ||
	    ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) < 0)
		return perror("ptrace"), 1;
	waitpid(pid, NULL, __WALL);
	for (;;)
		pause();
}
