/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What holds what, in sentences. Names in them are as they were found: whoever shows them escapes.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stuck/hang.h"
#include "svctrace/cleanup.h"
#include "svctrace/text.h"

#define WAKES_NOBODY "SIGKILL wakes no task that is already on its way out"

const char *stuck_kind_name(enum stuck_kind k)
{
	static const char *const names[_STUCK_KIND_MAX] = {
		[STUCK_FUSE_DEADLOCK] = "fuse-deadlock",
		[STUCK_FUSE_STOPPED] = "fuse-daemon-stopped",
		[STUCK_FUSE_WAITS] = "fuse-daemon-silent",
		[STUCK_FUSE_UNKNOWN] = "fuse-unknown",
		[STUCK_NFS] = "nfs",
		[STUCK_NETFS] = "network-file-system",
		[STUCK_FROZEN] = "frozen",
		[STUCK_STOPPED] = "stopped",
		[STUCK_TRACED] = "traced",
		[STUCK_DUMP] = "core-dump",
		[STUCK_MOUNT] = "mount",
		[STUCK_DISK] = "disk",
		[STUCK_UNREAPED] = "unreaped",
		[STUCK_PIDNS] = "pid-namespace",
		[STUCK_UNKNOWN] = "unknown",
	};

	return names[k];
}

const char *stuck_role_name(enum stuck_role r)
{
	static const char *const names[] = {
		[STUCK_ROLE_INIT] = "init",
		[STUCK_ROLE_LEADER] = "dead-leader",
		[STUCK_ROLE_WAITER] = "waiter",
		[STUCK_ROLE_DEAD] = "zombie",
	};

	return names[r];
}

const char *stuck_member_text(const struct stuck_hang *h, const struct stuck_member *m)
{
	switch (m->role) {
	case STUCK_ROLE_INIT:
		return "was told to end and waits until its pid namespace is empty";
	case STUCK_ROLE_LEADER:
		return "has exited, but not all of its threads";
	case STUCK_ROLE_DEAD:
		return "is dead and not reaped";
	case STUCK_ROLE_WAITER:
		break;
	}
	if (h->kind <= STUCK_FUSE_UNKNOWN)
		return m->task->flags & STUCK_TASK_EXITS ? "exits, and waits for a FUSE daemon"
							 : "waits for a FUSE daemon";
	return m->task->flags & STUCK_TASK_EXITS ? "exits, and gets no further"
						 : "was told to end and cannot";
}

static char *_printf_(1, 2) text(const char *fmt, ...)
{
	va_list args;
	char *s;

	va_start(args, fmt);
	if (vasprintf(&s, fmt, args) < 0)
		s = NULL;
	va_end(args);
	return s;
}

static const struct stuck_task *last_waiter(const struct stuck_hang *h)
{
	return h->members[h->n_members - 1].task;
}

/* "FUSE connection 33 (fuse.sshfs on /mnt)"; the caller frees. */
static char *fuse_name(const struct stuck_hang *h)
{
	if (!h->connection)
		return strdup("a FUSE connection that cannot be told");
	if (!h->mount)
		return text("FUSE connection %u", h->connection->number);
	return text("FUSE connection %u (%s on %s)", h->connection->number, h->mount->type,
		    h->mount->point);
}

/* "sshfs 812, sshfs 813 and 3 more" */
static char *name_daemons(const struct stuck_hang *h)
{
	char *s = strdup("");

	for (size_t i = 0; s && i < h->n_daemons && i < 3; i++) {
		char *longer = text("%s%s%s %d", s, i > 0 ? ", " : "", h->daemons[i]->comm,
				    h->daemons[i]->tgid);

		free(s);
		s = longer;
	}
	if (s && h->n_daemons > 3) {
		char *longer = text("%s and %zu more", s, h->n_daemons - 3);

		free(s);
		s = longer;
	}
	return s;
}

static void word_deadlock(struct stuck_hang *h, const char *fuse)
{
	unsigned int n = h->connection->number;

	h->root = text("deadlock on %s: nobody is left who could answer", fuse);
	h->why = strdup("the connection ends when its last /dev/fuse is closed; the task that "
			"would close it waits for an answer first, and " WAKES_NOBODY);
	h->next = text("svctrace stuck --abort, or: echo 1 > /sys/fs/fuse/connections/%u/abort", n);
	h->consequence = strdup("whoever still uses that mount gets ENOTCONN; what was not yet "
				"written to it is lost");
}

/* The path may be called anything, and people paste. */
static char *thaw(const struct stuck_task *t)
{
	_cleanup_free_ char *path =
		t->frozen_v1 ? text("/sys/fs/cgroup/freezer%s/freezer.state", t->frozen)
			     : text("/sys/fs/cgroup%s/cgroup.freeze", t->frozen);
	_cleanup_free_ char *quoted = path ? text_join_args(path, strlen(path) + 1) : NULL;

	return quoted ? text("thaw it: echo %s > %s", t->frozen_v1 ? "THAWED" : "0", quoted) : NULL;
}

static void word_stopped_daemon(const struct stuck_snapshot *s, struct stuck_hang *h,
				const char *fuse, const char *daemons)
{
	const struct stuck_task *d = stuck_paused(s, h->daemons[0]->tgid);

	if (d && d->frozen) {
		h->root = text("%s: its daemon (%s) is frozen", fuse, daemons);
		h->next = thaw(d);
	} else if (d && d->state == 't') {
		h->root = text("%s: its daemon (%s) is held by its tracer, process %d", fuse,
			       daemons, d->tracer);
		h->next = text("let it go on, or end the tracer: kill %d", d->tracer);
	} else {
		h->root = text("%s: its daemon (%s) is stopped", fuse, daemons);
		h->next = text("let it go on: kill -CONT %d", h->daemons[0]->tgid);
	}
}

static void word_fuse(const struct stuck_snapshot *s, struct stuck_hang *h)
{
	_cleanup_free_ char *fuse = fuse_name(h), *daemons = name_daemons(h);

	if (!fuse || !daemons)
		return;
	switch (h->kind) {
	case STUCK_FUSE_DEADLOCK:
		word_deadlock(h, fuse);
		break;
	case STUCK_FUSE_STOPPED:
		word_stopped_daemon(s, h, fuse, daemons);
		break;
	case STUCK_FUSE_WAITS:
		h->root = text("%s: its daemon (%s) lives and has not answered", fuse, daemons);
		h->next = strdup("wait, or find out what the daemon does; it is not dead");
		break;
	default:
		h->root = text("%s: who should answer cannot be told%s%s%s", fuse,
			       *daemons ? "; these processes have a /dev/fuse open: " : "", daemons,
			       s->no_holders ? " (open files of processes could not be read)" : "");
		h->next = strdup(s->no_holders
					 ? "run svctrace stuck as root"
					 : "find out which process serves it before it is aborted");
	}
}

static void word_frozen(struct stuck_hang *h)
{
	if (!h->frozen) {
		h->root = strdup("it is frozen");
		h->next = strdup("thaw its cgroup");
		return;
	}
	h->root = text("its cgroup %s is frozen", h->frozen);
	h->next = thaw(last_waiter(h));
}

static void word_traced(struct stuck_hang *h)
{
	const struct stuck_task *t = last_waiter(h);

	if (!t->tracer) {
		h->root = strdup("it is held by its tracer");
		h->next = text("let it go on there, or end the tracer, which is TracerPid in "
			       "/proc/%d/status",
			       t->tid);
		return;
	}
	h->root = text("it is held by its tracer, %s %d",
		       h->n_daemons ? h->daemons[0]->comm : "process", t->tracer);
	h->next = text("let it go on there, or end the tracer: kill %d", t->tracer);
}

static void word_stopped(struct stuck_hang *h)
{
	h->root = strdup("it is stopped");
	h->next = text("let it go on: kill -CONT %d", last_waiter(h)->tgid);
}

static void word_server(struct stuck_hang *h, const char *what)
{
	if (h->mount)
		h->root = text("%s mount %s of %s: the server does not answer", what,
			       h->mount->point, h->mount->source);
	else
		h->root = text("%s mount: the server does not answer", what);
	h->next = strdup("see to the server and the network on the way to it; failing that, "
			 "umount -f the mount");
}

/* Who waits for a server holds up those who wait for their turn. */
static void word_mount(struct stuck_hang *h)
{
	const struct stuck_task *t = NULL;

	for (size_t i = 0; !t && i < h->n_members; i++)
		if (stuck_mounts_from_server(h->members[i].task->stack))
			t = h->members[i].task;
	if (!t) {
		h->root = strdup("it waits for the mounts: one is being mounted or unmounted");
		h->next = strdup("find out which, and what that waits for");
		return;
	}
	h->root = text("%s %d mounts a file system whose server does not answer", t->comm, t->tid);
	h->next = strdup("see to the server and the network on the way to it");
}

static void word_unreaped(struct stuck_hang *h)
{
	_cleanup_free_ char *parents = name_daemons(h);

	if (!parents)
		return;
	h->root = h->n_daemons ? text("what is left of the pid namespace is dead, and its parent "
				      "outside (%s) does not reap it",
				      parents)
			       : strdup("what is left of the pid namespace is dead and not reaped");
	h->next = h->n_daemons ? text("see why it does not; when it ends, init reaps: kill %d",
				      h->daemons[0]->tgid)
			       : strdup("find its parent outside of the namespace");
}

/* Every other kind has the same two sentences wherever it is met. */
static void word_plain(const struct stuck_snapshot *s, struct stuck_hang *h)
{
	static const struct {
		const char *root, *next;
	} plain[_STUCK_KIND_MAX] = {
		[STUCK_DUMP] = {"its core dump is being written",
				"wait, or end the program that takes it (systemd-coredump)"},
		[STUCK_DISK] = {"it waits for a disk",
				"see whether the kernel's log (dmesg) tells of I/O errors"},
		[STUCK_PIDNS] = {"its pid namespace does not become empty",
				 "see what is left in it, below"},
		[STUCK_UNKNOWN] = {"what it waits for is not known", "see its kernel stack"},
	};

	h->root = strdup(plain[h->kind].root);
	h->next = strdup(h->kind == STUCK_UNKNOWN && s->no_stacks
				 ? "run svctrace stuck as root, which shows kernel stacks"
				 : plain[h->kind].next);
}

int stuck_word(const struct stuck_snapshot *s, struct stuck_hang *h)
{
	switch (h->kind) {
	case STUCK_FUSE_DEADLOCK:
	case STUCK_FUSE_STOPPED:
	case STUCK_FUSE_WAITS:
	case STUCK_FUSE_UNKNOWN:
		word_fuse(s, h);
		break;
	case STUCK_NFS:
		word_server(h, "NFS");
		break;
	case STUCK_NETFS:
		word_server(h, h->mount ? h->mount->type : "network");
		break;
	case STUCK_FROZEN:
		word_frozen(h);
		break;
	case STUCK_STOPPED:
		word_stopped(h);
		break;
	case STUCK_TRACED:
		word_traced(h);
		break;
	case STUCK_MOUNT:
		word_mount(h);
		break;
	case STUCK_UNREAPED:
		word_unreaped(h);
		break;
	default:
		word_plain(s, h);
	}
	return h->root && h->next ? 0 : -ENOMEM;
}
