/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which FUSE connection a task waits for, and whether anybody can answer. */
#include <errno.h>
#include <string.h>

#include "stuck/hang.h"
#include "svctrace/cleanup.h"

/* The connection of a virtual machine's file system is answered by the machine's host. */
static bool is_virtual(const struct stuck_mount *m)
{
	return strcmp(m->type, "virtiofs") == 0;
}

static bool is_fuse(const struct stuck_mount *m)
{
	return m->type && (strncmp(m->type, "fuse", 4) == 0 || is_virtual(m));
}

/* As the kernel numbers connections; the minor alone, but for a file system of a block device. */
static unsigned int number_of(const struct stuck_mount *m)
{
	return m->major << 20 | m->minor;
}

const struct stuck_mount *stuck_mount_of(const struct stuck_snapshot *s, unsigned int connection,
					 uint64_t mntns)
{
	const struct stuck_mount *found = NULL;

	for (size_t i = 0; i < s->n_mounts; i++) {
		const struct stuck_mount *m = &s->mounts[i];

		if (!is_fuse(m) || number_of(m) != connection)
			continue;
		if (m->mntns == mntns)
			return m;
		if (!found)
			found = m;
	}
	return found;
}

static bool sees_mount(const struct stuck_snapshot *s, unsigned int connection, uint64_t mntns)
{
	const struct stuck_mount *m = stuck_mount_of(s, connection, mntns);

	return m && m->mntns == mntns;
}

/*
 * A task that exits has no files any more that would tell. Its mount namespace does: of the
 * connections mounted there, those count that have requests without an answer.
 */
const struct stuck_connection *stuck_connection_of(const struct stuck_snapshot *s,
						   const struct stuck_task *t)
{
	const struct stuck_connection *busy = NULL, *near = NULL;
	unsigned int n_busy = 0, n_near = 0;

	for (size_t i = 0; i < s->n_connections; i++) {
		const struct stuck_connection *c = &s->connections[i];

		if (c->waiting == 0)
			continue;
		busy = c;
		n_busy++;
		if (t->mntns && sees_mount(s, c->number, t->mntns)) {
			near = c;
			n_near++;
		}
	}
	if (n_near > 0)
		return n_near == 1 ? near : NULL;
	return n_busy == 1 ? busy : NULL;
}

const struct stuck_task *stuck_paused(const struct stuck_snapshot *s, pid_t tgid)
{
	const struct stuck_task *found = NULL;

	for (size_t i = 0; i < s->n_tasks; i++) {
		const struct stuck_task *t = &s->tasks[i];

		if (t->tgid != tgid || t->state == 'Z' || t->state == 'X')
			continue;
		if (t->state != 'T' && t->state != 't' && !t->frozen)
			return NULL;
		found = t;
	}
	return found;
}

static bool somebody_exits(const struct stuck_hang *h)
{
	for (size_t i = 0; i < h->n_members; i++)
		if (h->members[i].role == STUCK_ROLE_WAITER &&
		    (h->members[i].task->flags & STUCK_TASK_EXITS))
			return true;
	return false;
}

/* Who may answer, as far as the kernel tells. */
struct service {
	bool sure;   /* it is those that were found, and no others */
	bool hidden; /* also somebody who was not there yet when the tasks were read */
};

static int find_daemons(const struct stuck_snapshot *s, struct stuck_hang *h, struct service *ret)
{
	*ret = (struct service){.sure = h->connection != NULL};
	for (size_t i = 0; i < s->n_holders; i++) {
		const struct stuck_holder *d = &s->holders[i];
		const struct stuck_task *t = stuck_find_task(s, d->tgid, d->tgid);
		int r;

		if (d->known && h->connection && d->connection != h->connection->number)
			continue;
		if (!d->known && s->n_connections != 1)
			ret->sure = false;
		if (!t) {
			ret->hidden = true;
			ret->sure = false;
			continue;
		}
		r = stuck_add_daemon(h, t);
		if (r < 0)
			return r;
	}
	return 0;
}

static bool all_paused(const struct stuck_snapshot *s, const struct stuck_hang *h)
{
	for (size_t i = 0; i < h->n_daemons; i++)
		if (!stuck_paused(s, h->daemons[i]->tgid))
			return false;
	return h->n_daemons > 0;
}

/*
 * A connection ends when the last /dev/fuse of it is closed. One that has not ended, has requests
 * waiting and is open in no process is kept by the tasks themselves that exit: closing is what they
 * have not come to. Unless it is none of /dev/fuse at all, which its mount tells.
 */
int stuck_judge_fuse(const struct stuck_snapshot *s, struct stuck_hang *h)
{
	bool blind = s->no_holders || s->fds_in_flight;
	struct service service;
	int r;

	if (h->mount && is_virtual(h->mount)) {
		h->kind = STUCK_NETFS;
		return 0;
	}
	r = find_daemons(s, h, &service);
	if (r < 0)
		return r;
	blind |= service.hidden;
	if (all_paused(s, h) && (service.sure || !blind))
		h->kind = STUCK_FUSE_STOPPED;
	else if (h->n_daemons > 0)
		h->kind = service.sure ? STUCK_FUSE_WAITS : STUCK_FUSE_UNKNOWN;
	else if (h->mount && !blind && somebody_exits(h))
		h->kind = STUCK_FUSE_DEADLOCK;
	else
		h->kind = STUCK_FUSE_UNKNOWN;
	return 0;
}
