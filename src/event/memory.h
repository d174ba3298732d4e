/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a decoder remembers of earlier records: the clock, managers, paths of cgroups. */
#ifndef SVCTRACE_EVENT_MEMORY_H
#define SVCTRACE_EVENT_MEMORY_H

#include "svctrace/bus.h"
#include "svctrace/event.h"

/* More than one host has; the one that was silent for longest makes room. */
#define MANAGERS_MAX 64
/* Paths beyond these are not kept: their events carry ids only. */
#define CGROUPS_MAX  65536

enum enum_table {
	ENUM_SERVICE_STATE,
	ENUM_SERVICE_RESULT,
	ENUM_JOB_TYPE,
	ENUM_JOB_MODE,
	ENUM_SERVICE_RESTART,
	ENUM_SERVICE_RESTART_MODE,
	ENUM_SERVICE_TYPE,
	ENUM_OOM_POLICY,
	ENUM_EMERGENCY_ACTION,
	ENUM_SCOPE_STATE,
	ENUM_SCOPE_RESULT,
	ENUM_MAX,
};

struct manager_memory {
	uint32_t tgid, ns_tgid, pidns, uid;
	int user;
	char *object, *build_id, *version, *cgroup_path;
	struct {
		char *blob;
		const char **names;
		unsigned int n;
	} enums[ENUM_MAX];
	uint64_t last_used;
};

struct memory {
	struct {
		bool known;
		uint64_t mono_ns, real_ns;
	} clock;
	struct manager_memory *managers[MANAGERS_MAX];
	size_t n_managers;
	uint64_t uses;
	struct ev_frame frames[WIRE_FRAMES_MAX]; /* of the last stack */
	void *cgroups;				 /* tsearch(3): struct cgroup_memory by id */
	size_t n_cgroups;
	struct bus_messages messages; /* of the present event */
};

void memory_done(struct memory *m);

struct manager_memory *memory_manager(struct memory *m, uint32_t tgid);
/* Makes one if there is none; NULL when out of memory. */
struct manager_memory *memory_manager_make(struct memory *m, uint32_t tgid);
void memory_manager_drop(struct memory *m, uint32_t tgid);

/* values: names from 0 on, each ended by NUL. An enum that nobody asks for is left alone. */
int memory_enum_set(struct manager_memory *mm, struct str name, struct str values);
/* NULL: not known. */
const char *memory_enum_name(const struct manager_memory *mm, enum enum_table t, int32_t value);

int memory_cgroup_set(struct memory *m, uint64_t id, struct str path);
struct str memory_cgroup_path(const struct memory *m, uint64_t id);
void memory_cgroup_drop(struct memory *m, uint64_t id);

#endif
