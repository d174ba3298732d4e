/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A program at a tracepoint by its name. Its number is told by tracefs, which need not be mounted:
 * it is looked at without being mounted anywhere.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <bpf/libbpf.h>

#include "capture/capture_internal.h"
#include "svctrace/cleanup.h"

/* A folder that is the root of tracefs; libc may be too old for these calls. */
static int open_tracefs(void)
{
	_cleanup_close_ int fs = -1;
	int fd = open("/sys/kernel/tracing/events", O_PATH | O_CLOEXEC);

	if (fd >= 0) {
		close(fd);
		fd = open("/sys/kernel/tracing", O_PATH | O_DIRECTORY | O_CLOEXEC);
		return fd < 0 ? -errno : fd;
	}
	fs = syscall(SYS_fsopen, "tracefs", FSOPEN_CLOEXEC);
	if (fs < 0 || syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	fd = syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, 0);
	return fd < 0 ? -errno : fd;
}

/* name: "syscalls/sys_enter_write". Its number, which is positive, or a negative errno. */
static int tracepoint_number(const char *name)
{
	_cleanup_close_ int fs = open_tracefs(), fd = -1;
	char path[128], number[16] = "";

	if (fs < 0)
		return fs;
	snprintf(path, sizeof(path), "events/%s/id", name);
	fd = openat(fs, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, number, sizeof(number) - 1) < 0)
		return -errno;
	return atoi(number) > 0 ? atoi(number) : -ENODATA;
}

struct bpf_link *tracepoint_attach(struct bpf_program *prog, const char *name)
{
	int id = tracepoint_number(name);
	struct perf_event_attr attr = {
		.type = PERF_TYPE_TRACEPOINT,
		.size = sizeof(attr),
		.config = id,
		.sample_period = 1,
		.wakeup_events = 1,
	};
	struct bpf_link *link;
	int fd;

	if (id < 0) {
		errno = -id;
		return NULL;
	}
	/* a program runs on every CPU, whichever the event is of */
	fd = syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
	if (fd < 0)
		return NULL;
	link = bpf_program__attach_perf_event(prog, fd); /* owns fd from now on */
	if (!link)
		close(fd);
	return link;
}
