/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A made-up stream of any length: services that run for a while, start processes all the time, and
 * end; with new cgroups, units and processes throughout, while few live at a time. One stop for
 * every SYNTH_ROUND records.
 */
#ifndef SVCTRACE_TEST_SYNTH_H
#define SVCTRACE_TEST_SYNTH_H

#include <stdio.h>
#include <string.h>

#include "svctrace/event.h"
#include "wire_build.h"

#define SYNTH_STORM 256			  /* processes of each service */
#define SYNTH_ROUND (9 + 3 * SYNTH_STORM) /* records of each service, about */
#define SYNTH_PIDS  30000

struct synth {
	wire_sink sink;
	void *ctx;
	uint64_t now, n, seed;
	uint32_t pid;
	int error;
	struct wire_buf b;
};

static inline void *synth_begin(struct synth *s, enum wire_kind kind, uint32_t tgid)
{
	/* as uneven as real clocks are */
	s->seed = s->seed * 6364136223846793005ull + 1442695040888963407ull;
	s->now += 200 + (s->seed >> 33) % 2000;
	wb_begin(&s->b, kind, wb_fixed(kind), tgid, s->now);
	return s->b.bytes;
}

static inline void synth_send(struct synth *s)
{
	if (s->error == 0)
		s->error = s->sink(s->ctx, s->b.bytes, wb_hdr(&s->b)->size);
	s->n++;
}

static inline struct wire_task synth_task(const struct synth *s, uint32_t pid, uint64_t cgroup)
{
	struct wire_task t = {
		.tgid = pid,
		.tid = pid,
		.ns_tgid = pid,
		.pidns = 4026531836u,
		.start_ns = s->now - (s->seed >> 33) % 200,
		.cgroup = cgroup,
		.ppid = 1,
	};

	memcpy(t.comm, "worker", 7);
	return t;
}

static inline void synth_enum(struct synth *s, const char *name, const char *values, size_t n)
{
	struct wire_enum *w = synth_begin(s, WIRE_ENUM, 1);

	wb_str(&s->b, &w->name, name);
	wb_bytes(&s->b, &w->values, values, n);
	synth_send(s);
}

static inline void synth_preamble(struct synth *s)
{
	static const char states[] = "dead\0running\0failed", results[] = "success\0exit-code";
	static const char facts[] = "HOST=synth\0ARCH=x86_64\0CGROUP=v2";
	struct wire_text *start = synth_begin(s, WIRE_START, 0);
	struct wire_manager *m;
	struct wire_clock *c;

	wb_bytes(&s->b, &start->text, facts, sizeof(facts));
	synth_send(s);
	c = synth_begin(s, WIRE_CLOCK, 0);
	c->boot_ns = s->now;
	c->real_ns = 1700000000000000000ull;
	synth_send(s);
	m = synth_begin(s, WIRE_MANAGER, 1);
	m->task = synth_task(s, 1, 1);
	wb_str(&s->b, &m->version, "252");
	synth_send(s);
	synth_enum(s, "ServiceState", states, sizeof(states));
	synth_enum(s, "ServiceResult", results, sizeof(results));
}

static inline void synth_service(struct synth *s, enum wire_kind kind, uint64_t round,
				 uint32_t main, const int32_t arg[3])
{
	struct wire_service *w = synth_begin(s, kind, 1);
	char id[64];

	snprintf(id, sizeof(id), "job-%llu.service", (unsigned long long)round);
	w->unit = 0x1000 + round;
	w->main_pid = (int32_t)main;
	w->state = kind == WIRE_SERVICE_SET_STATE && arg[0] == 1 ? 0 : 1;
	w->job_type = WIRE_NONE;
	memcpy(w->arg, arg, sizeof(w->arg));
	wb_str(&s->b, &w->id, id);
	synth_send(s);
}

static inline void synth_path(struct synth *s, enum wire_kind kind, uint64_t round, int32_t value)
{
	struct wire_path *w = synth_begin(s, kind, 1);
	char path[96];

	snprintf(path, sizeof(path), "/system.slice/job-%llu.service", (unsigned long long)round);
	w->id = 1000 + round;
	w->parent = 2;
	w->value = value;
	if (kind == WIRE_CGROUP_MKDIR)
		wb_str(&s->b, &w->path, path);
	synth_send(s);
}

static inline void synth_fork_exec(struct synth *s, uint32_t pid, uint64_t cgroup,
				   struct wire_task *ret)
{
	static const char args[] = "/usr/bin/worker\0--job\0something";
	struct wire_fork *f = synth_begin(s, WIRE_FORK, 1);
	struct wire_exec *x;

	*ret = f->child = synth_task(s, pid, cgroup);
	synth_send(s);
	x = synth_begin(s, WIRE_EXEC, pid);
	x->task = *ret;
	wb_str(&s->b, &x->exe, "/usr/bin/worker");
	wb_bytes(&s->b, &x->cmdline, args, sizeof(args));
	synth_send(s);
}

static inline void synth_exit(struct synth *s, const struct wire_task *t, int status)
{
	struct wire_exit *x = synth_begin(s, WIRE_EXIT, t->tgid);

	x->task = *t;
	x->code = status << 8;
	synth_send(s);
}

static inline uint32_t synth_pid(struct synth *s)
{
	s->pid = s->pid % SYNTH_PIDS + 1;
	return 100 + s->pid;
}

/* A service starts, has its processes, exits with 3. */
static inline void synth_round(struct synth *s, uint64_t round)
{
	uint32_t main = synth_pid(s);
	struct wire_task m, t;

	synth_path(s, WIRE_CGROUP_MKDIR, round, 0);
	synth_fork_exec(s, main, 1000 + round, &m);
	synth_service(s, WIRE_SERVICE_SET_STATE, round, main, (int32_t[3]){1});
	for (unsigned int i = 0; i < SYNTH_STORM; i++) {
		synth_fork_exec(s, synth_pid(s), 1000 + round, &t);
		synth_exit(s, &t, 0);
	}
	synth_exit(s, &m, 3);
	synth_service(s, WIRE_SERVICE_SIGCHLD, round, main, (int32_t[3]){(int32_t)main, 1, 3});
	synth_service(s, WIRE_SERVICE_ENTER_DEAD, round, main, (int32_t[3]){1});
	synth_service(s, WIRE_SERVICE_SET_STATE, round, main, (int32_t[3]){2});
	synth_path(s, WIRE_CGROUP_RMDIR, round, 0);
}

/* About n records. */
static inline int synth_run(wire_sink sink, void *ctx, uint64_t n)
{
	struct synth s = {.sink = sink, .ctx = ctx, .now = 1000000000};

	synth_preamble(&s);
	for (uint64_t round = 0; s.n < n && s.error == 0; round++)
		synth_round(&s, round);
	return s.error;
}

#endif
