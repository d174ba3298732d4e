/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "event/memory.h"
#include "svctrace/cleanup.h"

struct cgroup_memory {
	uint64_t id;
	char *path;
	size_t len;
};

static int cgroup_compare(const void *a, const void *b)
{
	uint64_t x = ((const struct cgroup_memory *)a)->id;
	uint64_t y = ((const struct cgroup_memory *)b)->id;

	return x < y ? -1 : x > y;
}

static void cgroup_free(void *p)
{
	struct cgroup_memory *c = p;

	free(c->path);
	free(c);
}

static void manager_free(struct manager_memory *mm)
{
	for (size_t i = 0; i < ENUM_MAX; i++) {
		free(mm->enums[i].blob);
		free(mm->enums[i].names);
	}
	free(mm->object);
	free(mm->build_id);
	free(mm->version);
	free(mm->cgroup_path);
	free(mm);
}

void memory_done(struct memory *m)
{
	for (size_t i = 0; i < m->n_managers; i++)
		manager_free(m->managers[i]);
	tdestroy(m->cgroups, cgroup_free);
}

/* Every process that ends is looked up. */
static size_t manager_slot(struct memory *m, uint32_t tgid)
{
	size_t i = 0;

	while (i < m->n_managers && m->managers[i]->tgid != tgid)
		i++;
	return i;
}

struct manager_memory *memory_manager(struct memory *m, uint32_t tgid)
{
	size_t i = manager_slot(m, tgid);

	if (i == m->n_managers)
		return NULL;
	m->managers[i]->last_used = ++m->uses;
	return m->managers[i];
}

/* An empty slot; if there is none, the one that was not used for longest. */
static size_t manager_room(struct memory *m)
{
	size_t best = 0;

	if (m->n_managers < MANAGERS_MAX)
		return m->n_managers++;
	for (size_t i = 1; i < MANAGERS_MAX; i++)
		if (m->managers[i]->last_used < m->managers[best]->last_used)
			best = i;
	manager_free(m->managers[best]);
	return best;
}

struct manager_memory *memory_manager_make(struct memory *m, uint32_t tgid)
{
	struct manager_memory *mm = memory_manager(m, tgid);

	if (mm)
		return mm;
	mm = calloc(1, sizeof(*mm));
	if (!mm)
		return NULL;
	mm->tgid = tgid;
	mm->last_used = ++m->uses;
	m->managers[manager_room(m)] = mm;
	return mm;
}

void memory_manager_drop(struct memory *m, uint32_t tgid)
{
	size_t i = manager_slot(m, tgid);

	if (i == m->n_managers)
		return;
	manager_free(m->managers[i]);
	m->managers[i] = m->managers[--m->n_managers];
}

/* systemd's words are plain, so that they can be shown as they are; others are none of its. */
static bool is_word(const char *s)
{
	return *s && !s[strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-_")];
}

int memory_enum_set(struct manager_memory *mm, struct str name, struct str values)
{
	static const char *const tables[ENUM_MAX] = {
		[ENUM_SERVICE_STATE] = "ServiceState",
		[ENUM_SERVICE_RESULT] = "ServiceResult",
		[ENUM_JOB_TYPE] = "JobType",
		[ENUM_JOB_MODE] = "JobMode",
		[ENUM_SERVICE_RESTART] = "ServiceRestart",
		[ENUM_SERVICE_RESTART_MODE] = "ServiceRestartMode",
		[ENUM_SERVICE_TYPE] = "ServiceType",
		[ENUM_OOM_POLICY] = "OOMPolicy",
		[ENUM_EMERGENCY_ACTION] = "EmergencyAction",
		[ENUM_SCOPE_STATE] = "ScopeState",
		[ENUM_SCOPE_RESULT] = "ScopeResult",
	};
	_cleanup_free_ char *blob = NULL;
	_cleanup_free_ const char **names = NULL;
	unsigned int n = 0;
	size_t t = 0;

	while (t < ENUM_MAX && !str_equal(name, tables[t]))
		t++;
	if (t == ENUM_MAX)
		return 0;
	blob = calloc(1, values.n + 1);
	names = calloc(values.n + 1, sizeof(*names));
	if (!blob || !names)
		return -ENOMEM;
	if (values.n > 0)
		memcpy(blob, values.s, values.n);
	for (size_t i = 0; i < values.n; i += strlen(blob + i) + 1)
		names[n++] = is_word(blob + i) ? blob + i : NULL;

	free(mm->enums[t].blob);
	free(mm->enums[t].names);
	mm->enums[t].blob = take_ptr(blob);
	mm->enums[t].names = take_ptr(names);
	mm->enums[t].n = n;
	return 0;
}

const char *memory_enum_name(const struct manager_memory *mm, enum enum_table t, int32_t value)
{
	if (!mm || value < 0 || (unsigned int)value >= mm->enums[t].n)
		return NULL;
	return mm->enums[t].names[value];
}

static struct cgroup_memory *cgroup_find(const struct memory *m, uint64_t id)
{
	struct cgroup_memory key = {.id = id};
	struct cgroup_memory **found = tfind(&key, &m->cgroups, cgroup_compare);

	return found ? *found : NULL;
}

int memory_cgroup_set(struct memory *m, uint64_t id, struct str path)
{
	struct cgroup_memory *c = cgroup_find(m, id);
	char *copy;

	if (id == 0 || !path.s || (!c && m->n_cgroups >= CGROUPS_MAX))
		return 0;
	copy = str_dup(path);
	if (!copy)
		return -ENOMEM;
	if (c) {
		free(c->path);
		c->path = copy;
		c->len = strlen(copy);
		return 0;
	}
	c = malloc(sizeof(*c));
	if (!c) {
		free(copy);
		return -ENOMEM;
	}
	*c = (struct cgroup_memory){.id = id, .path = copy, .len = strlen(copy)};
	if (!tsearch(c, &m->cgroups, cgroup_compare)) {
		cgroup_free(c);
		return -ENOMEM;
	}
	m->n_cgroups++;
	return 0;
}

struct str memory_cgroup_path(const struct memory *m, uint64_t id)
{
	const struct cgroup_memory *c = id ? cgroup_find(m, id) : NULL;

	return c ? (struct str){c->path, c->len} : (struct str){NULL, 0};
}

void memory_cgroup_drop(struct memory *m, uint64_t id)
{
	struct cgroup_memory *c = cgroup_find(m, id);

	if (!c)
		return;
	tdelete(c, &m->cgroups, cgroup_compare);
	cgroup_free(c);
	m->n_cgroups--;
}
