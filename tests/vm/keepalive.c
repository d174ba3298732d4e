/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A service that has a watchdog: says READY=1, sends COUNT keepalives, one each MS milliseconds,
 * then LAST if that is given (WATCHDOG=trigger, WATCHDOG_USEC=300000), and then nothing any more.
 * Its main thread waits in a read from then on, thread "burner" takes CPU time, thread "napper"
 * sleeps. When it sent what goes to LOG: CLOCK_MONOTONIC in ns, a line each.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static FILE *log_file;

static void notify(const char *text)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	const char *path = getenv("NOTIFY_SOCKET");
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	socklen_t len;
	struct timespec now;

	if (!path || fd < 0 || strlen(path) >= sizeof(a.sun_path))
		exit(1);
	strcpy(a.sun_path, path);
	len = offsetof(struct sockaddr_un, sun_path) + strlen(path);
	if (*a.sun_path == '@')
		*a.sun_path = 0;
	clock_gettime(CLOCK_MONOTONIC, &now);
	fprintf(log_file, "%s %lld\n", text, now.tv_sec * 1000000000ll + now.tv_nsec);
	fflush(log_file);
	if (sendto(fd, text, strlen(text), 0, (struct sockaddr *)&a, len) < 0)
		exit(1);
	close(fd);
}

static void *nap(void *name)
{
	pthread_setname_np(pthread_self(), name);
	for (;;)
		sleep(1000);
	return NULL;
}

/* A tenth of a CPU. */
static void *burn(void *name)
{
	pthread_setname_np(pthread_self(), name);
	for (;;) {
		clock_t end = clock() + CLOCKS_PER_SEC / 500;

		while (clock() < end)
			;
		usleep(18000);
	}
	return NULL;
}

/* A frame of that name, in whose caller's and callee's names nothing is to be taken for it. */
static __attribute__((noinline)) int wait_for_work(int fd)
{
	char c;

	return read(fd, &c, 1) < 0;
}

int main(int argc, char **argv)
{
	pthread_t t;
	int fd[2];

	if (argc < 4 || !(log_file = fopen(argv[1], "w")) || pipe(fd) < 0)
		return 2;
	pthread_create(&t, NULL, nap, "napper");
	pthread_create(&t, NULL, burn, "burner");
	notify("READY=1");
	for (int i = 0; i < atoi(argv[2]); i++) {
		usleep(atoi(argv[3]) * 1000);
		notify("WATCHDOG=1");
	}
	if (argc > 4)
		notify(argv[4]);
	return wait_for_work(fd[0]) + 1;
}
