/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "recording.h"
#include "svctrace/cleanup.h"

static ssize_t file_read(void *ctx, void *p, size_t n)
{
	struct recording *f = ctx;
	ssize_t r;

	do
		r = read(f->fd, p, n);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : r;
}

static void on_note(void *ctx, const char *line)
{
	struct recording *f = ctx;

	if (!f->quiet || !f->reader)
		say("%s: %s", f->name, line);
}

int recording_open(struct recording *f, const char *name, bool quiet)
{
	int r;

	*f = (struct recording){.name = name, .quiet = quiet};
	f->fd = strcmp(name, "-") == 0 ? dup(STDIN_FILENO) : open(name, O_RDONLY | O_CLOEXEC);
	if (f->fd < 0) {
		r = -errno;
		say("cannot open %s: %s", name, strerror(errno));
		return r;
	}
	r = trace_reader_new(file_read, f, on_note, &f->reader);
	if (r < 0 && r != -EINVAL && r != -EPROTONOSUPPORT)
		say("cannot read %s: %s", name, strerror(-r));
	return r;
}

void recording_done(struct recording *f)
{
	if (!f->name)
		return;
	trace_reader_freep(&f->reader);
	closep(&f->fd);
	f->name = NULL;
}

int recording_next(struct recording *f, const void **record, size_t *size)
{
	int r = trace_reader_next(f->reader, record, size);

	if (r < 0)
		say("cannot read %s: %s", f->name, strerror(-r));
	return r;
}

int recording_feed(struct recording *f, wire_sink sink, void *ctx)
{
	const void *record;
	size_t size;
	int r;

	while ((r = recording_next(f, &record, &size)) > 0) {
		r = sink(ctx, record, size);
		if (r != 0)
			return r;
	}
	return r;
}

bool recording_is_whole(const struct recording *f)
{
	struct trace_status s;

	trace_reader_status(f->reader, &s);
	return s.complete;
}

int file_write(void *fd, const void *p, size_t n)
{
	const char *at = p;

	while (n > 0) {
		ssize_t r = write(*(int *)fd, at, n);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		at += r;
		n -= r;
	}
	return 0;
}

/* Pipes and the like cannot be synced, which is no error. */
int file_sync(int fd)
{
	return fsync(fd) < 0 && errno != EINVAL && errno != EROFS && errno != ENOTSUP ? -errno : 0;
}
