/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <linux/openat2.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "capture/capture_internal.h"
#include "capture/private_bus.h"
#include "svctrace/bus.h"
#include "svctrace/cleanup.h"

/*
 * The manager's private socket, sought within its own root: a link there must not lead us to
 * another one. It is connected to by a way that is shorter than a socket's name may be.
 */
static int connect_to(int root, bool user, uint32_t uid)
{
	struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT};
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	_cleanup_close_ int file = -1;
	char path[64] = "run/systemd/private";

	if (user)
		snprintf(path, sizeof(path), "run/user/%u/systemd/private", uid);
	file = syscall(SYS_openat2, root, path, &how, sizeof(how));
	if (fd < 0 || file < 0)
		return -errno;
	snprintf(a.sun_path, sizeof(a.sun_path), "/proc/self/fd/%d", file);
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		return -errno;
	return take_fd(&fd);
}

bool private_bus_send(struct private_bus *b, const void *p, size_t n)
{
	return send(b->fd, p, n, MSG_NOSIGNAL) == (ssize_t)n;
}

/* SASL's EXTERNAL: we are who the kernel says. */
static bool send_authentication(struct private_bus *b)
{
	char text[64], uid[16];
	int n;

	snprintf(uid, sizeof(uid), "%u", geteuid());
	n = snprintf(text, sizeof(text), "%cAUTH EXTERNAL ", 0);
	for (const char *c = uid; *c; c++)
		n += snprintf(text + n, sizeof(text) - n, "%02x", *c);
	n += snprintf(text + n, sizeof(text) - n, "\r\nBEGIN\r\n");
	return private_bus_send(b, text, n);
}

bool wait_until(int fd, uint64_t deadline_ns)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	uint64_t now = clock_ns(CLOCK_MONOTONIC);

	return now < deadline_ns && poll(&p, 1, (deadline_ns - now) / 1000000 + 1) > 0;
}

/* More of what the manager says; false: nothing, or not in time. */
static bool read_more(struct private_bus *b)
{
	ssize_t n;

	if (b->n == sizeof(b->bytes) || !wait_until(b->fd, b->deadline_ns))
		return false;
	n = read(b->fd, b->bytes + b->n, sizeof(b->bytes) - b->n);
	if (n <= 0)
		return false;
	b->n += n;
	return true;
}

void private_bus_consume(struct private_bus *b, size_t n)
{
	b->n -= n;
	memmove(b->bytes, b->bytes + n, b->n);
}

/* "OK …", and nothing else that is of interest. */
static bool read_authentication(struct private_bus *b)
{
	unsigned char *end;

	while (!(end = memmem(b->bytes, b->n, "\r\n", 2)))
		if (!read_more(b))
			return false;
	if (b->n < 2 || memcmp(b->bytes, "OK", 2) != 0)
		return false;
	private_bus_consume(b, end + 2 - b->bytes);
	return true;
}

/* One whole message; 0 if there is none in time. */
static size_t read_message(struct private_bus *b)
{
	size_t size;

	while ((size = bus_message_size(b->bytes, b->n)) == 0 || size > b->n)
		if (!read_more(b))
			return 0;
	return size;
}

#define DBUS_TYPE   1 /* where in a message … */
#define DBUS_SIGNAL 4 /* … stands that it is one */

size_t private_bus_read(struct private_bus *b)
{
	size_t n;

	while ((n = read_message(b)) > 0 && b->bytes[DBUS_TYPE] == DBUS_SIGNAL)
		private_bus_consume(b, n);
	return n;
}

bool private_bus_open(struct private_bus *b, int root, bool user, uint32_t uid)
{
	b->n = 0;
	b->fd = connect_to(root, user, uid);
	return b->fd >= 0 && send_authentication(b) && read_authentication(b);
}
