/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Looking at what threads do: those of one process, or all in a pid namespace or in some cgroups.
 */
#ifndef SVCTRACE_LOOK_H
#define SVCTRACE_LOOK_H

#include <stdint.h>
#include <sys/types.h>
#include <linux/types.h>

#include "capture/stream.h"
#include "svctrace/wire.h"
#include "bpf/iter/task_states.h"

struct looker;

/*
 * What is loaded is kept: privileges are given up later. btf: the types that it is loaded with.
 * Negative errno, and it is freed: this kernel cannot.
 */
struct bpf_object;
int looker_open(int hierarchy_id, const char *btf, struct looker **ret);
const struct bpf_object *looker_object(const struct looker *l);
int looker_load(struct looker **l);
void looker_freep(struct looker **l);

/* The process of that number in that pid namespace. Negative errno; keeps what it saw. */
int look_at_process(struct looker *l, uint32_t pidns, uint32_t pid);
/* All that have a number in it. */
int look_at_pidns(struct looker *l, uint32_t pidns);
/* At most TASK_CGROUPS_MAX of them. */
int look_at_cgroups(struct looker *l, const uint64_t *ids, unsigned int n);

/* What the last look saw is sent with user stacks: taken now, of what has not run since. */
void look_take_user_stacks(struct looker *l);

/* The i-th thread that the last look told; NULL behind the last one. */
const struct task_state *look_thread(const struct looker *l, unsigned int i);

/* The CPU time that a thread had taken at some time before. */
#define LOOK_BASE_MAX 16
struct look_base {
	unsigned int n;
	struct {
		uint32_t tid;
		uint64_t cpu_ns;
	} thread[LOOK_BASE_MAX];
};

/* When to look at what ends time_ns after from_ns: a tenth of that before, but at most a second. */
uint64_t look_before(uint64_t from_ns, uint64_t time_ns);

/* Says in the stream what the last look saw of each thread, and how many there were. */
int look_send_threads(struct looker *l, const struct look_base *base, struct stream *s,
		      uint32_t *ret_met);
/* Likewise, and why it looked. w: manager, unit and reason are filled in. */
int look_send(struct looker *l, const struct wire_look *w, const char *id,
	      const struct look_base *base, struct stream *s);
/* Likewise, of a pid namespace. */
int look_send_pidns(struct looker *l, uint32_t pidns, struct stream *s);

#endif
