/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "svctrace/cleanup.h"
#include "svctrace/stuck.h"

/* Room for one more: arrays grow at powers of two. */
static void *grow(void *array, size_t n, size_t size)
{
	void *new = (n & (n - 1)) == 0 ? reallocarray(array, n ? n * 2 : 1, size) : array;

	if (new)
		memset((char *)new + n *size, 0, size);
	return new;
}

/* The new last entry of s->array. */
#define ADD(s, array)                                                                              \
	({                                                                                         \
		void *_new = grow((s)->array, (s)->n_##array, sizeof((s)->array[0]));              \
		if (_new)                                                                          \
			(s)->array = _new;                                                         \
		_new ? &(s)->array[(s)->n_##array++] : NULL;                                       \
	})

struct stuck_task *stuck_add_task(struct stuck_snapshot *s)
{
	return ADD(s, tasks);
}

struct stuck_mount *stuck_add_mount(struct stuck_snapshot *s)
{
	return ADD(s, mounts);
}

int stuck_add_pidns(struct stuck_snapshot *s, uint64_t inode, uint64_t parent)
{
	struct stuck_pidns *p = ADD(s, pidns);

	if (!p)
		return -ENOMEM;
	*p = (struct stuck_pidns){.inode = inode, .parent = parent};
	return 0;
}

int stuck_add_connection(struct stuck_snapshot *s, unsigned int number, unsigned int waiting)
{
	struct stuck_connection *c = ADD(s, connections);

	if (!c)
		return -ENOMEM;
	*c = (struct stuck_connection){.number = number, .waiting = waiting};
	return 0;
}

int stuck_add_holder(struct stuck_snapshot *s, const struct stuck_holder *h)
{
	struct stuck_holder *new = ADD(s, holders);

	if (!new)
		return -ENOMEM;
	*new = *h;
	return 0;
}

int stuck_add_unit(struct stuck_snapshot *s, const char *name, const char *active, const char *sub)
{
	struct stuck_unit *u = ADD(s, units);

	if (!u)
		return -ENOMEM;
	u->name = strdup(name);
	u->active = strdup(active);
	u->sub = strdup(sub);
	return u->name && u->active && u->sub ? 0 : -ENOMEM;
}

static int compare_tasks(const void *a, const void *b)
{
	const struct stuck_task *x = a, *y = b;

	if (x->tgid != y->tgid)
		return x->tgid < y->tgid ? -1 : 1;
	return (x->tid > y->tid) - (x->tid < y->tid);
}

void stuck_sort(struct stuck_snapshot *s)
{
	if (s->n_tasks > 0)
		qsort(s->tasks, s->n_tasks, sizeof(s->tasks[0]), compare_tasks);
}

const struct stuck_task *stuck_find_task(const struct stuck_snapshot *s, pid_t tgid, pid_t tid)
{
	const struct stuck_task key = {.tgid = tgid, .tid = tid};

	if (s->n_tasks == 0)
		return NULL;
	return bsearch(&key, s->tasks, s->n_tasks, sizeof(key), compare_tasks);
}

static bool ends_in(const char *s, size_t n, const char *suffix)
{
	size_t len = strlen(suffix);

	return n > len && memcmp(s + n - len, suffix, len) == 0;
}

/* The outermost: what lies below it is a container's or a user manager's own. */
const char *stuck_unit_name(const char *cgroup, size_t *len)
{
	static const char *const suffixes[] = {".service", ".scope", ".mount", ".socket", ".swap"};

	for (const char *at = cgroup; at && *at;) {
		size_t n = strcspn(at, "/");

		for (size_t i = 0; i < ARRAY_LEN(suffixes); i++)
			if (ends_in(at, n, suffixes[i]))
				return *len = n, at;
		at += n;
		at += *at == '/';
	}
	return NULL;
}

const struct stuck_unit *stuck_find_unit(const struct stuck_snapshot *s, const char *cgroup)
{
	size_t n;
	const char *name = stuck_unit_name(cgroup, &n);

	for (size_t i = 0; name && i < s->n_units; i++)
		if (strlen(s->units[i].name) == n && memcmp(s->units[i].name, name, n) == 0)
			return &s->units[i];
	return NULL;
}

void stuck_compare(const struct stuck_snapshot *before, struct stuck_snapshot *s)
{
	for (size_t i = 0; i < s->n_tasks; i++) {
		struct stuck_task *t = &s->tasks[i];
		const struct stuck_task *old = stuck_find_task(before, t->tgid, t->tid);

		t->still = old && old->start == t->start && old->state == t->state &&
			   old->switches == t->switches && t->state != 'R' &&
			   (old->still || !before->compared);
	}
	s->compared = true;
}

void stuck_snapshot_done(struct stuck_snapshot *s)
{
	for (size_t i = 0; i < s->n_tasks; i++) {
		free(s->tasks[i].cgroup);
		free(s->tasks[i].frozen);
		free(s->tasks[i].wchan);
		free(s->tasks[i].stack);
	}
	for (size_t i = 0; i < s->n_mounts; i++) {
		free(s->mounts[i].type);
		free(s->mounts[i].source);
		free(s->mounts[i].point);
	}
	for (size_t i = 0; i < s->n_units; i++) {
		free(s->units[i].name);
		free(s->units[i].active);
		free(s->units[i].sub);
	}
	free(s->tasks);
	free(s->pidns);
	free(s->mounts);
	free(s->connections);
	free(s->holders);
	free(s->units);
	*s = (struct stuck_snapshot){};
}
