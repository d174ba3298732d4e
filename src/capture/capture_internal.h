/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SVCTRACE_CAPTURE_INTERNAL_H
#define SVCTRACE_CAPTURE_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <linux/types.h>

#include "svctrace/capture.h"
#include "svctrace/symbol.h"
#include "svctrace/wire.h"
#include "bpf/layout.h"
#include "capture/stream.h"

struct svctrace_bpf;
struct bpf_link;
struct bpf_object;

int capture_fail(struct capture_error *err, int r, const char *next, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
uint64_t clock_ns(int clock);

/* manager.c: whom we trace, and where his code is. */
struct manager {
	pid_t pid;
	bool user;
	struct sym_object object;
	struct symbols *symbols;
};
int manager_load(struct manager *m, pid_t pid, struct capture_error *err);
void manager_done(struct manager *m);
void manager_layout(const struct manager *m, struct manager_layout *ret);
int manager_describe(const struct manager *m, struct stream *s);

/* hierarchy.c: the cgroup hierarchy that the manager uses. */
struct hierarchy {
	int id;	     /* 0: cgroup v2; else that of v1's name=systemd */
	char *mount; /* where this process sees it */
	char *root;  /* the path within the hierarchy that mount shows; "" for all of it */
};
int hierarchy_find(struct hierarchy *h, pid_t manager, struct capture_error *err);
void hierarchy_done(struct hierarchy *h);
/* One cgroup that exists. */
struct hierarchy_node {
	int fd;		  /* its directory */
	const char *path; /* from the hierarchy's root */
	uint64_t id, parent;
	bool service; /* is a service's, or lies below one */
};
typedef int (*hierarchy_fn)(void *ctx, const struct hierarchy_node *node);
/* Every cgroup, parents first. Ends with what fn returns if that is not 0. */
int hierarchy_walk(const struct hierarchy *h, hierarchy_fn fn, void *ctx);

/* probes.c: what is attached. */
struct probe_spec;
struct probe_state {
	const struct probe_spec *spec;
	const char *how;
	char reason[256];
	int error;
};

struct instance {
	struct svctrace_bpf *skel;
	struct bpf_link **links;
	unsigned int n_links;
};

#define PROBES_MAX    40
#define INSTANCES_MAX 4

struct probes {
	struct probe_state state[PROBES_MAX];
	unsigned int n;
	struct instance instance[INSTANCES_MAX];
	unsigned int n_instances;
	uint64_t load_ns, attach_ns;
};
int probes_attach(struct probes *p, const struct manager *m, int hierarchy_id, size_t ring_size,
		  struct capture_error *err);
void probes_done(struct probes *p);
int probes_describe(const struct probes *p, struct stream *s);
int probes_map_fd(const struct probes *p, const char *map);
uint64_t probes_lost(const struct probes *p);
/* The records of one probe that were sent and lost so far. */
void probes_count(const struct probes *p, unsigned int i, uint64_t *ret_sent, uint64_t *ret_lost);
const char *probe_name(const struct probe_state *s);
/* libbpf's own talk; the last complaint about a program is kept to name the culprit. */
void probes_set_log(void (*log)(bool debug, const char *line));

/* enrich.c: what /proc still knows of the processes that a record names. */
struct enrich;
int enrich_new(int hierarchy_id, struct enrich **ret);
void enrich_freep(struct enrich **e);
int enrich_record(struct enrich *e, const struct wire_hdr *h, struct stream *s);
/* Every process in that cgroup. */
int enrich_cgroup(struct enrich *e, int cgroup_fd, struct stream *s);

#endif
