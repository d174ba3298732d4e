/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a benchmark makes the kernel do, over and over. Prints the nanoseconds that one time took.
 * Signals go to the sender itself: its handler runs before the next one is sent, so that none finds
 * another pending and is dropped before anybody could see it.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char usage[] =
	"usage: load signal NUMBER TIMES    kill() of itself\n"
	"       load fork TIMES             fork, exit, wait\n"
	"       load storm JOBS TIMES       JOBS at once, each: fork, execute, exit, wait\n"
	"       load burst JOBS TIMES NS    JOBS at once, each: a SIGUSR1 to itself every NS\n"
	"       load crowd CHILDREN         so many processes that do nothing, until it is "
	"killed\n"
	"       load programs               what each loaded BPF program took so far: NAME RUNS "
	"NS\n";

static void die(const char *what)
{
	fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
	exit(1);
}

static unsigned long long now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void ignore(int sig)
{
	(void)sig;
}

static void signals(int sig, unsigned long times, unsigned long every_ns)
{
	struct sigaction sa = {.sa_handler = ignore};
	unsigned long long next = now_ns();

	if (sigaction(sig, &sa, NULL) < 0)
		die("sigaction");
	for (unsigned long i = 0; i < times; i++) {
		if (kill(getpid(), sig) < 0)
			die("kill");
		next += every_ns;
		while (every_ns && now_ns() < next)
			;
	}
}

/* pid -1: any child. */
static void reap(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) < 0 || status != 0)
		die("a child failed");
}

static void forks(unsigned long times)
{
	for (unsigned long i = 0; i < times; i++) {
		pid_t pid = fork();

		if (pid < 0)
			die("fork");
		if (pid == 0)
			_exit(0);
		reap(pid);
	}
}

extern char **environ;

static void executions(unsigned long times)
{
	char *argv[] = {"load", "nothing", NULL};

	for (unsigned long i = 0; i < times; i++) {
		pid_t pid;

		errno = posix_spawn(&pid, "/proc/self/exe", NULL, NULL, argv, environ);
		if (errno)
			die("posix_spawn");
		reap(pid);
	}
}

/* So many processes do it at once, each on a CPU of its own as long as there are enough. */
static void at_once(unsigned long jobs, void (*work)(void *ctx), void *ctx)
{
	for (unsigned long i = 0; i < jobs; i++) {
		pid_t pid = fork();
		cpu_set_t cpu;

		if (pid < 0)
			die("fork");
		if (pid > 0)
			continue;
		CPU_ZERO(&cpu);
		CPU_SET(i % sysconf(_SC_NPROCESSORS_ONLN), &cpu);
		sched_setaffinity(0, sizeof(cpu), &cpu);
		work(ctx);
		_exit(0);
	}
	for (unsigned long i = 0; i < jobs; i++)
		reap(-1);
}

struct plan {
	unsigned long times, every_ns;
};

static void storm(void *ctx)
{
	executions(((struct plan *)ctx)->times);
}

static void burst(void *ctx)
{
	signals(SIGUSR1, ((struct plan *)ctx)->times, ((struct plan *)ctx)->every_ns);
}

static void crowd(unsigned long children)
{
	for (unsigned long i = 0; i < children; i++) {
		pid_t pid = fork();

		if (pid < 0)
			die("fork");
		if (pid == 0)
			break;
	}
	for (;;)
		pause();
}

static int bpf(int command, union bpf_attr *a)
{
	return syscall(SYS_bpf, command, a, sizeof(*a));
}

/* What the kernel counts while kernel.bpf_stats_enabled is set. */
static void programs(void)
{
	union bpf_attr next = {};

	while (bpf(BPF_PROG_GET_NEXT_ID, &next) == 0) {
		struct bpf_prog_info info = {};
		union bpf_attr a = {.prog_id = next.next_id};
		int fd = bpf(BPF_PROG_GET_FD_BY_ID, &a);

		next.start_id = next.next_id;
		if (fd < 0)
			continue;
		a = (union bpf_attr){.info = {fd, sizeof(info), (unsigned long)&info}};
		if (bpf(BPF_OBJ_GET_INFO_BY_FD, &a) == 0)
			printf("%s %llu %llu\n", info.name, info.run_cnt, info.run_time_ns);
		close(fd);
	}
}

static int run(const char *what, unsigned long a, unsigned long b, unsigned long c)
{
	struct plan plan = {.times = b, .every_ns = c};
	unsigned long long begin = now_ns();
	unsigned long times = b;

	if (!strcmp(what, "signal"))
		signals(a, b, 0);
	else if (!strcmp(what, "fork"))
		forks(times = a);
	else if (!strcmp(what, "storm"))
		at_once(a, storm, &plan);
	else if (!strcmp(what, "burst"))
		at_once(a, burst, &plan);
	else if (!strcmp(what, "crowd"))
		crowd(a);
	else
		return 2;
	printf("%.1f\n", (double)(now_ns() - begin) / times);
	return 0;
}

int main(int argc, char **argv)
{
	unsigned long n[3] = {};

	if (argc == 2 && !strcmp(argv[1], "nothing"))
		return 0;
	if (argc == 2 && !strcmp(argv[1], "programs")) {
		programs();
		return 0;
	}
	for (int i = 2; i < argc && i < 5; i++)
		n[i - 2] = strtoul(argv[i], NULL, 10);
	if (argc < 3 || run(argv[1], n[0], n[1], n[2]) != 0) {
		fputs(usage, stderr);
		return 2;
	}
	return 0;
}
