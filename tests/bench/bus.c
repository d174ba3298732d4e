/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bus ADDRESS TIMES: calls a service on that D-Bus, over and over; prints ns a call. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>
#include <systemd/sd-bus.h>

#define OBJECT "/org/example/bench"

static void check(int r, const char *what)
{
	if (r >= 0)
		return;
	fprintf(stderr, "bus: %s: %s\n", what, strerror(-r));
	exit(1);
}

static sd_bus *open_bus(const char *address)
{
	sd_bus *bus;

	check(sd_bus_new(&bus), "sd_bus_new");
	check(sd_bus_set_address(bus, address), "address");
	check(sd_bus_set_bus_client(bus, 1), "client");
	check(sd_bus_start(bus), "connecting");
	return bus;
}

static int on_call(sd_bus_message *m, void *ctx, sd_bus_error *error)
{
	(void)ctx;
	(void)error;
	return sd_bus_reply_method_return(m, "s", "hello");
}

/* Writes its name to fd and answers until its parent ends. */
static void serve(const char *address, int fd)
{
	static const sd_bus_vtable vtable[] = {
		SD_BUS_VTABLE_START(0),
		SD_BUS_METHOD("Ask", "s", "s", on_call, SD_BUS_VTABLE_UNPRIVILEGED),
		SD_BUS_VTABLE_END,
	};
	sd_bus *bus = open_bus(address);
	const char *name;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	check(sd_bus_add_object_vtable(bus, NULL, OBJECT, "org.example.Bench", vtable, NULL),
	      "vtable");
	check(sd_bus_get_unique_name(bus, &name), "name");
	check(dprintf(fd, "%s", name), "pipe");
	close(fd);
	for (;;) {
		int r = sd_bus_process(bus, NULL);

		check(r, "process");
		if (r == 0)
			check(sd_bus_wait(bus, UINT64_MAX), "wait");
	}
}

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

int main(int argc, char **argv)
{
	unsigned long times = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;
	char name[64] = "";
	double begin;
	sd_bus *bus;
	int fds[2];

	if (times == 0) {
		fputs("usage: bus ADDRESS TIMES\n", stderr);
		return 2;
	}
	check(pipe(fds), "pipe");
	if (fork() == 0)
		serve(argv[1], fds[1]);
	close(fds[1]);
	check(read(fds[0], name, sizeof(name) - 1), "pipe");
	bus = open_bus(argv[1]);
	begin = now_ns();
	for (unsigned long i = 0; i < times; i++)
		check(sd_bus_call_method(bus, name, OBJECT, "org.example.Bench", "Ask", NULL, NULL,
					 "s", "how are you"),
		      "call");
	printf("%.1f\n", (now_ns() - begin) / times);
	return 0;
}
