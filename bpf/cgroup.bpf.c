// SPDX-License-Identifier: (LGPL-2.1-or-later OR BSD-2-Clause)
/*
 * Cgroups of the hierarchy in which the manager keeps its units: made, removed, entered, emptied.
 * This is also where the set of service cgroups, by which all others filter, is kept up to date.
 */
#include "common.bpf.h"

#define SUFFIX_MAX 8 /* the longest is ".service" */

struct path_record {
	struct wire_path p;
	char path[WIRE_PATH_MAX];
};

static __always_inline bool is_tracked(struct cgroup *cgrp)
{
	return BPF_CORE_READ(cgrp, root, hierarchy_id) == tracked_hierarchy;
}

static __always_inline __u64 parent_id(struct cgroup *cgrp)
{
	struct cgroup_subsys_state *css = BPF_CORE_READ(cgrp, self.parent);

	if (!css)
		return 0;
	return cgroup_id((void *)css - bpf_core_field_offset(struct cgroup, self));
}

static __always_inline int path_event(__u32 kind, struct cgroup *cgrp, const char *path, int value)
{
	struct path_record *r = record_reserve(kind, sizeof(r->p), sizeof(r->path));

	if (!r)
		return 0;
	r->p.id = cgroup_id(cgrp);
	r->p.parent = parent_id(cgrp);
	r->p.value = value;
	tail_string(&r->p.h, &r->p.path, r->path, sizeof(r->p), sizeof(r->path), path, false);
	record_submit(r);
	return 0;
}

/* n: how long the name is, with its NUL. */
static __always_inline bool ends_with(const char *name, long n, const char *suffix,
				      const unsigned int len)
{
	char end[SUFFIX_MAX] = {};

	if (n <= (long)len + 1)
		return false;
	bpf_probe_read_kernel(end, len, name + n - 1 - len);
	for (unsigned int i = 0; i < len; i++)
		if (end[i] != suffix[i])
			return false;
	return true;
}

/* A service or a scope: units whose processes are of interest. */
static __always_inline bool names_service(struct cgroup *cgrp)
{
	char name[WIRE_ID_MAX];
	const char *src = BPF_CORE_READ(cgrp, kn, name);
	long n = bpf_probe_read_kernel_str(name, sizeof(name), src);

	return ends_with(src, n, ".service", 8) || ends_with(src, n, ".scope", 6);
}

static __always_inline void add_service(__u64 id)
{
	__u8 yes = 1;

	*key_hint(id) = 1;
	bpf_map_update_elem(&service_cgroups, &id, &yes, BPF_ANY);
}

SEC("raw_tp/cgroup_mkdir")
int BPF_PROG(cgroup_mkdir, struct cgroup *cgrp, const char *path)
{
	if (!is_tracked(cgrp))
		return 0;
	if (is_service_cgroup(parent_id(cgrp)) || names_service(cgrp))
		add_service(cgroup_id(cgrp));
	return path_event(WIRE_CGROUP_MKDIR, cgrp, path, 0);
}

SEC("raw_tp/cgroup_rmdir")
int BPF_PROG(cgroup_rmdir, struct cgroup *cgrp, const char *path)
{
	__u64 id;

	if (!is_tracked(cgrp))
		return 0;
	id = cgroup_id(cgrp);
	bpf_map_delete_elem(&service_cgroups, &id);
	return path_event(WIRE_CGROUP_RMDIR, cgrp, path, 0);
}

SEC("raw_tp/cgroup_notify_populated")
int BPF_PROG(cgroup_populated, struct cgroup *cgrp, const char *path, int populated)
{
	if (!is_tracked(cgrp) || !is_service_cgroup(cgroup_id(cgrp)))
		return 0;
	return path_event(WIRE_CGROUP_POPULATED, cgrp, path, populated);
}

/* All its processes have come to rest, or may run again. */
SEC("raw_tp/cgroup_notify_frozen")
int BPF_PROG(cgroup_frozen, struct cgroup *cgrp, const char *path, int frozen)
{
	if (!is_tracked(cgrp) || !is_service_cgroup(cgroup_id(cgrp)))
		return 0;
	return path_event(WIRE_CGROUP_FROZEN, cgrp, path, frozen);
}

struct attach_record {
	struct wire_attach a;
	char path[WIRE_PATH_MAX];
};

SEC("raw_tp/cgroup_attach_task")
int BPF_PROG(cgroup_attach, struct cgroup *dst, const char *path, struct task_struct *task,
	     bool threadgroup)
{
	struct attach_record *r;

	if (!is_tracked(dst))
		return 0;
	r = record_reserve(WIRE_CGROUP_ATTACH, sizeof(r->a), sizeof(r->path));
	if (!r)
		return 0;
	r->a.cgroup = cgroup_id(dst);
	r->a.threadgroup = threadgroup;
	fill_task(&r->a.task, task, r->a.cgroup);
	tail_string(&r->a.h, &r->a.path, r->path, sizeof(r->a), sizeof(r->path), path, false);
	record_submit(r);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
