/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "keeper.h"
#include "recording.h"
#include "svctrace/cleanup.h"

/* Command lines may hold secrets: a recording is for its owner alone. */
static int create(const char *path)
{
	if (strcmp(path, "-") == 0)
		return fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	return open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
}

static int fail(struct keeper *k, const char *path, int r)
{
	if (k->error == 0)
		say("cannot write %s: %s%s", path, strerror(-r),
		    k->writer ? "; what is in it so far can be replayed" : "");
	k->error = r;
	return r;
}

int keeper_open(struct keeper *k)
{
	int r;

	k->fd = -1;
	if (k->ring_size)
		return trace_ring_new(k->ring_size, &k->ring);
	k->fd = create(k->path);
	if (k->fd < 0)
		return fail(k, k->path, -errno);
	r = trace_writer_new(file_write, &k->fd, k->facts, &k->writer);
	return r < 0 ? fail(k, k->path, r) : 0;
}

int keeper_record(void *keeper, const void *record, size_t size)
{
	struct keeper *k = keeper;
	int r;

	if (k->ring)
		return trace_ring_record(k->ring, record, size);
	r = k->error ? 0 : trace_writer_record(k->writer, record, size);
	if (r < 0)
		fail(k, k->path, r);
	return 0;
}

static void say_totals(const char *path, const struct trace_totals *t)
{
	say("%s: %" PRIu64 " records in %.1f KiB, %.1f bytes each; svctrace replay %s", path,
	    t->records, t->bytes / 1024.0, t->records ? (double)t->bytes / t->records : 0.0, path);
}

/* FILE, then FILE.1, FILE.2: one incident must not overwrite the one before. */
static int write_ring(struct keeper *k, const char *path, struct trace_totals *t)
{
	_cleanup_free_ char *tmp = NULL;
	_cleanup_close_ int fd = -1;
	bool pipe = strcmp(path, "-") == 0;
	int r;

	if (asprintf(&tmp, "%s%s", path, pipe ? "" : ".tmp") < 0)
		return -ENOMEM;
	fd = create(tmp);
	if (fd < 0)
		return fail(k, tmp, -errno);
	r = trace_ring_write(k->ring, file_write, &fd, k->facts, t);
	if (r == 0)
		r = file_sync(fd);
	if (r == 0 && !pipe && rename(tmp, path) < 0)
		r = -errno;
	return r < 0 ? fail(k, tmp, r) : 0;
}

static int save_ring(struct keeper *k, bool quiet)
{
	_cleanup_free_ char *path = NULL;
	struct trace_totals t = {};
	int r;

	if (k->dumps == 0 || strcmp(k->path, "-") == 0)
		r = asprintf(&path, "%s", k->path);
	else
		r = asprintf(&path, "%s.%u", k->path, k->dumps);
	if (r < 0)
		return -ENOMEM;
	k->error = 0; /* another file, another chance */
	r = write_ring(k, path, &t);
	k->dumps++;
	if (r == 0 && !quiet)
		say_totals(path, &t);
	return r;
}

int keeper_save(struct keeper *k)
{
	int r;

	if (k->ring)
		return save_ring(k, false);
	r = k->error ? k->error : trace_writer_flush(k->writer);
	return r < 0 ? fail(k, k->path, r) : 0;
}

int keeper_close(struct keeper *k, bool quiet)
{
	struct trace_totals t;
	int r;

	if (k->ring)
		return save_ring(k, quiet);
	r = k->error ? k->error : trace_writer_close(k->writer);
	if (r == 0)
		r = file_sync(k->fd);
	if (r < 0)
		return fail(k, k->path, r);
	trace_writer_totals(k->writer, &t);
	if (!quiet)
		say_totals(k->path, &t);
	return 0;
}

void keeper_done(struct keeper *k)
{
	trace_writer_freep(&k->writer);
	trace_ring_freep(&k->ring);
	if (k->path)
		closep(&k->fd);
}
