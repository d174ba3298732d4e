/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A small traced system: records that go through decoder, engine and renderer, as in a live run.
 * Time moves on by one millisecond with each record.
 */
#ifndef SVCTRACE_TEST_WORLD_H
#define SVCTRACE_TEST_WORLD_H

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "svctrace/engine.h"
#include "svctrace/event.h"
#include "svctrace/render.h"
#include "wire_build.h"

#define MS		      1000000ull
#define SECOND		      1000000000ull
#define WALL		      1700000000000000000ull /* 2023-11-14T22:13:20Z */
#define INIT_NS		      4026531836u
#define SYS_KILL	      62
#define SYS_WRITE	      1
#define SYS_PIDFD_SEND_SIGNAL 424
#define RUN(p)		      (1000 * SECOND + 10 * MS * (p) + 1234567) /* when process p was started */

#define WORLD_VERDICTS_MAX    8

struct world {
	struct decoder *decoder;
	struct engine *engine;
	struct renderer *renderer;
	struct wire_buf b;
	uint64_t now;
	uint32_t manager;    /* its pid, initial namespace */
	uint32_t manager_ns; /* its pid, its own namespace */
	uint32_t pidns;
	FILE *out;
	char *text; /* what the renderer wrote */
	size_t text_size;
	unsigned int n;
	int refuse; /* what the verdict sink returns */
	/* of each verdict, what can be kept without copying all of it */
	struct {
		enum cause cause;
		enum certainty certainty, actor_certainty;
		char unit[256], sub_state[64], result[64], path[512], via[512], notes[2048];
		const char *active_state;
		bool restarts, incomplete, have_actor, actor_kernel, actor_manager, have_exit;
		uint32_t actor, n_chain, job_id, main_tgid;
		int32_t main_pid, exit_code, exit_signal;
		uint64_t lost, proofs[VERDICT_PROOF_MAX];
		unsigned int n_proof;
		char stack[512]; /* functions, innermost first, and how it ended */
		enum restart_rule rule;
		char restart[256]; /* in words */
		bool hangs;	   /* what it hangs on: */
		enum stuck_kind hang;
		uint32_t hang_init, hang_connection;
		char actor_cmdline[256], actor_exe[256], actor_unit[256], top[64];
	} v[WORLD_VERDICTS_MAX];
};

static const char states[] =
	"dead\0condition\0start-pre\0start\0start-post\0running\0exited\0reload\0"
	"stop\0stop-watchdog\0stop-sigterm\0stop-sigkill\0stop-post\0"
	"final-watchdog\0final-sigterm\0final-sigkill\0failed\0"
	"dead-before-auto-restart\0failed-before-auto-restart\0"
	"dead-resources-pinned\0auto-restart\0auto-restart-queued\0cleaning";
static const char results[] =
	"success\0resources\0protocol\0timeout\0exit-code\0signal\0core-dump\0"
	"watchdog\0start-limit-hit\0oom-kill\0exec-condition";
static const char job_types[] = "start\0verify-active\0stop\0reload\0restart\0nop\0try-restart\0"
				"try-reload\0reload-or-start";
static const char job_modes[] = "fail\0replace\0replace-irreversibly\0isolate\0flush";

__attribute__((unused)) static int index_of(const char *table, size_t size, const char *word)
{
	int i = 0;

	if (!word)
		return WIRE_NONE;
	for (size_t at = 0; at < size; at += strlen(table + at) + 1, i++)
		if (strcmp(table + at, word) == 0)
			return i;
	fail_msg("no such word: %s", word);
	return -1;
}

#define STATE(w)  index_of(states, sizeof(states), w)
#define RESULT(w) index_of(results, sizeof(results), w)
#define JOB(w)	  index_of(job_types, sizeof(job_types), w)
#define MODE(w)	  index_of(job_modes, sizeof(job_modes), w)

static void keep(char *dst, size_t size, const char *src)
{
	snprintf(dst, size, "%s", src ? src : "");
}

static void keep_lists(struct world *w, const struct verdict *v)
{
	char *via = w->v[w->n].via, *notes = w->v[w->n].notes, *stack = w->v[w->n].stack;

	*via = *notes = *stack = 0;
	for (unsigned int i = 0; i < v->n_via; i++)
		snprintf(via + strlen(via), 512 - strlen(via), "%s%s", i ? " " : "", v->via[i]);
	for (unsigned int i = 0; i < v->n_notes; i++)
		snprintf(notes + strlen(notes), 2048 - strlen(notes), "%s%s", i ? "\n" : "",
			 v->notes[i]);
	for (unsigned int i = 0; i < v->stack.n; i++)
		snprintf(stack + strlen(stack), 512 - strlen(stack), "%.*s ",
			 (int)v->stack.frames[i].name.n, v->stack.frames[i].name.s);
	if (v->stack.n)
		snprintf(stack + strlen(stack), 512 - strlen(stack), "%s",
			 stack_end_name(v->stack.end));
	for (unsigned int i = 0; i < v->n_proof; i++)
		w->v[w->n].proofs[i] = v->proof[i].seq;
	w->v[w->n].hangs = v->hang;
	if (v->hang) {
		w->v[w->n].hang = v->hang->kind;
		w->v[w->n].hang_init = v->hang->init.a.tgid;
		w->v[w->n].hang_connection = v->hang->connection;
	}
	w->v[w->n].n_proof = v->n_proof;
}

static int on_verdict(void *ctx, const struct verdict *v)
{
	struct world *w = ctx;
	int r = render_verdict(w->renderer, v);

	if (w->n < WORLD_VERDICTS_MAX) {
#define KEEP(field) w->v[w->n].field = v->field
		KEEP(cause);
		KEEP(certainty);
		KEEP(actor_certainty);
		KEEP(active_state);
		KEEP(restarts);
		KEEP(incomplete);
		KEEP(have_actor);
		KEEP(actor_kernel);
		KEEP(actor_manager);
		KEEP(have_exit);
		KEEP(job_id);
		KEEP(main_tgid);
		KEEP(main_pid);
		KEEP(exit_code);
		KEEP(exit_signal);
		KEEP(lost);
		KEEP(n_chain);
#undef KEEP
		w->v[w->n].rule = v->restart.rule;
		keep(w->v[w->n].restart, 256, v->restart.text);
		keep(w->v[w->n].unit, 256, v->unit);
		keep(w->v[w->n].sub_state, 64, v->sub_state);
		keep(w->v[w->n].result, 64, v->result);
		keep(w->v[w->n].path, 512, v->path);
		if (v->n_chain) {
			w->v[w->n].actor = v->chain[0].tgid;
			keep(w->v[w->n].actor_cmdline, 256, v->chain[0].cmdline);
			keep(w->v[w->n].actor_exe, 256, v->chain[0].exe);
			keep(w->v[w->n].actor_unit, 256, v->chain[0].unit);
			keep(w->v[w->n].top, 64, v->chain[v->n_chain - 1].comm);
		}
		keep_lists(w, v);
	}
	w->n++;
	return r < 0 ? r : w->refuse;
}

static int on_event(void *ctx, const struct ev *e)
{
	struct world *w = ctx;
	int r = render_note(w->renderer, e);

	return r < 0 ? r : engine_feed(w->engine, e);
}

__attribute__((unused)) static void send(struct world *w)
{
	assert_int_equal(decoder_feed(w->decoder, w->b.bytes, wb_hdr(&w->b)->size), 0);
	w->now += MS;
}

static void *begin(struct world *w, enum wire_kind kind, uint32_t tgid)
{
	wb_begin(&w->b, kind, wb_fixed(kind), tgid, w->now);
	return w->b.bytes;
}

static void send_enum(struct world *w, const char *name, const char *values, size_t size)
{
	struct wire_enum *r = begin(w, WIRE_ENUM, w->manager);

	wb_str(&w->b, &r->name, name);
	wb_bytes(&w->b, &r->values, values, size);
	send(w);
}

static struct wire_task task(uint32_t tgid, const char *comm, uint64_t cgroup)
{
	struct wire_task t = {
		.tgid = tgid,
		.tid = tgid,
		.ns_tgid = tgid,
		.pidns = INIT_NS,
		.start_ns = RUN(tgid),
		.cgroup = cgroup,
		.ppid = 1,
	};

	memcpy(t.comm, comm, strnlen(comm, WIRE_COMM_LEN));
	return t;
}

__attribute__((unused)) static void send_cgroup(struct world *w, enum wire_kind kind, uint64_t id,
						const char *path)
{
	struct wire_path *r = begin(w, kind, 0);

	r->id = id;
	wb_str(&w->b, &r->path, path);
	send(w);
}

/* A manager introduces itself, with its enums; others' events follow in its name. */
__attribute__((unused)) static void send_manager(struct world *w, uint32_t tgid, uint32_t ns_tgid,
						 uint32_t pidns, uint32_t uid, uint64_t cgroup)
{
	struct wire_manager *r = begin(w, WIRE_MANAGER, tgid);

	r->task = task(tgid, "systemd", cgroup);
	r->task.ns_tgid = ns_tgid;
	r->task.pidns = pidns;
	r->task.uid = uid;
	r->user = uid != 0;
	wb_str(&w->b, &r->object, "/usr/lib/systemd/libsystemd-core-252.so");
	wb_str(&w->b, &r->build_id, "0123abcd");
	wb_str(&w->b, &r->version, "252.39-1~deb12u1");
	send(w);
	w->manager = tgid;
	w->manager_ns = ns_tgid;
	w->pidns = pidns;
	send_enum(w, "ServiceState", states, sizeof(states));
	send_enum(w, "ServiceResult", results, sizeof(results));
	send_enum(w, "JobType", job_types, sizeof(job_types));
	send_enum(w, "JobMode", job_modes, sizeof(job_modes));
}

__attribute__((unused)) static void send_probe(struct world *w, const char *name, int error)
{
	struct wire_probe *r = begin(w, WIRE_PROBE, 0);

	r->error = error;
	wb_str(&w->b, &r->name, name);
	wb_str(&w->b, &r->how, "uprobe");
	send(w);
}

static void send_start(struct world *w)
{
	static const char facts[] = "BOOT_ID=11111111-2222-3333-4444-555555555555\0ARCH=x86_64";
	struct wire_text *r = begin(w, WIRE_START, 0);
	struct wire_clock *c;
	struct wire_symbol *s;

	wb_bytes(&w->b, &r->text, facts, sizeof(facts));
	send(w);
	c = begin(w, WIRE_CLOCK, 0);
	c->boot_ns = w->now;
	c->real_ns = WALL + w->now;
	send(w);
	send_cgroup(w, WIRE_CGROUP, 1, "/init.scope");
	send_cgroup(w, WIRE_CGROUP, 2, "/system.slice/a.service");
	send_cgroup(w, WIRE_CGROUP, 3, "/system.slice/b.service");
	send_cgroup(w, WIRE_CGROUP, 9, "/user.slice/user-1000.slice/session-2.scope");
	send_manager(w, 1, 1, INIT_NS, 0, 1);
	s = begin(w, WIRE_SYMBOL, 1);
	wb_str(&w->b, &s->name, "service_enter_stop");
	wb_str(&w->b, &s->origin, "reference");
	send(w);
}

/* With a renderer that writes to w->text. */
static void world_new_with(struct world *w, const struct render_options *o)
{
	*w = (struct world){.now = 100 * SECOND};
	w->out = open_memstream(&w->text, &w->text_size);
	assert_non_null(w->out);
	assert_int_equal(renderer_new(w->out, o, &w->renderer), 0);
	assert_int_equal(engine_new(on_verdict, w, &w->engine), 0);
	assert_int_equal(decoder_new(on_event, w, &w->decoder), 0);
	send_start(w);
	send_probe(w, "bus_unit_queue_job_one", 0);
}

__attribute__((unused)) static void world_new(struct world *w, enum render_format format)
{
	const struct render_options o = {.format = format, .utc = true};

	world_new_with(w, &o);
}

static void world_done(struct world *w)
{
	decoder_freep(&w->decoder);
	engine_freep(&w->engine);
	renderer_freep(&w->renderer);
	fclose(w->out);
	free(w->text);
}

/* Fixtures of cmocka: *state is a world. */
__attribute__((unused)) static int world_setup(void **state, enum render_format format)
{
	struct world *w = malloc(sizeof(*w));

	assert_non_null(w);
	world_new(w, format);
	*state = w;
	return 0;
}

__attribute__((unused)) static int world_setup_text(void **state)
{
	return world_setup(state, RENDER_TEXT);
}

__attribute__((unused)) static int world_setup_json(void **state)
{
	return world_setup(state, RENDER_JSON);
}

__attribute__((unused)) static int world_teardown(void **state)
{
	world_done(*state);
	free(*state);
	return 0;
}

/* A service's event; the rest of the record can be set before send(). */
static struct wire_service *service(struct world *w, enum wire_kind kind, const char *unit,
				    const char *state, int main_pid)
{
	struct wire_service *r = begin(w, kind, w->manager);

	r->unit = 0x5500000000ull + (unsigned char)unit[0] * 0x1000ull;
	r->main_pid = main_pid;
	r->state = STATE(state);
	r->result = RESULT("success");
	r->arg[0] = r->arg[1] = r->arg[2] = WIRE_NONE;
	r->job_type = WIRE_NONE;
	wb_str(&w->b, &r->id, unit);
	return r;
}

/* What the manager's next event is called from. */
__attribute__((unused)) static void send_stack(struct world *w, const char *innermost,
					       const char *caller, enum wire_stack_end end)
{
	const struct wb_frame frames[] = {
		{innermost, "/usr/lib/systemd/libsystemd-core-252.so", 0x1000, 0, 0},
		{caller, "/usr/lib/systemd/libsystemd-core-252.so", 0x2010, 0x10, 0},
		{"source_dispatch", "/usr/lib/systemd/libsystemd-shared-252.so", 0x3264, 0x264,
		 WIRE_FRAME_GUESS},
		{NULL, "/usr/lib/libc.so.6", 0x27249, 0, 0},
	};

	wb_stack(&w->b, w->manager, w->now, end, frames, 4);
	send(w);
}

__attribute__((unused)) static void enter_stop(struct world *w, const char *unit, const char *state,
					       int main_pid, const char *result)
{
	service(w, WIRE_SERVICE_ENTER_STOP, unit, state, main_pid)->arg[0] = RESULT(result);
	send(w);
}

__attribute__((unused)) static void enter_signal(struct world *w, const char *unit,
						 const char *state, int main_pid,
						 const char *new_state, const char *result)
{
	struct wire_service *r = service(w, WIRE_SERVICE_ENTER_SIGNAL, unit, state, main_pid);

	r->arg[0] = STATE(new_state);
	r->arg[1] = RESULT(result);
	send(w);
}

__attribute__((unused)) static void enter_dead(struct world *w, const char *unit, const char *state,
					       const char *result)
{
	struct wire_service *r = service(w, WIRE_SERVICE_ENTER_DEAD, unit, state, 0);

	r->arg[0] = RESULT(result);
	r->arg[1] = 1;
	send(w);
}

__attribute__((unused)) static void set_state(struct world *w, const char *unit, const char *from,
					      const char *to, const char *result)
{
	struct wire_service *r = service(w, WIRE_SERVICE_SET_STATE, unit, from, 0);

	r->arg[0] = STATE(to);
	r->result = RESULT(result);
	send(w);
}

__attribute__((unused)) static void sigchld(struct world *w, const char *unit, const char *state,
					    int main_pid, int pid, int code, int status)
{
	struct wire_service *r = service(w, WIRE_SERVICE_SIGCHLD, unit, state, main_pid);

	r->arg[0] = pid;
	r->arg[1] = code;
	r->arg[2] = status;
	send(w);
}

__attribute__((unused)) static void request(struct world *w, const char *unit, const char *type)
{
	struct wire_service *r = service(w, WIRE_BUS_QUEUE_JOB, unit, NULL, 0);

	r->arg[0] = JOB(type);
	r->arg[1] = MODE("replace");
	send(w);
}

__attribute__((unused)) static void run_job(struct world *w, const char *unit, const char *state,
					    int main_pid, uint32_t id, const char *type)
{
	struct wire_service *r = service(w, WIRE_SERVICE_STOP, unit, state, main_pid);

	r->job_id = id;
	r->job_type = JOB(type);
	send(w);
}

__attribute__((unused)) static void fork_process(struct world *w, uint32_t parent, uint32_t pid,
						 const char *comm, uint64_t cgroup)
{
	struct wire_fork *r = begin(w, WIRE_FORK, parent);

	r->child = task(pid, comm, cgroup);
	r->child.ppid = parent;
	send(w);
}

__attribute__((unused)) static void exec_process(struct world *w, uint32_t pid, const char *comm,
						 uint64_t cgroup, const char *cmdline, size_t n)
{
	struct wire_exec *r = begin(w, WIRE_EXEC, pid);

	r->task = task(pid, comm, cgroup);
	wb_str(&w->b, &r->exe, "/usr/sbin/daemon");
	wb_bytes(&w->b, &r->cmdline, cmdline, n);
	send(w);
}

/* status as wait(2) has it */
__attribute__((unused)) static void exit_process(struct world *w, uint32_t pid, const char *comm,
						 uint64_t cgroup, int status)
{
	struct wire_exit *r = begin(w, WIRE_EXIT, pid);

	r->task = task(pid, comm, cgroup);
	r->code = status;
	send(w);
}

/* From a shell of a logged-in user: kill ← bash ← sshd ← systemd. */
__attribute__((unused)) static struct wire_signal *signal_from(struct world *w, uint32_t sender,
							       const char *comm, uint32_t target,
							       uint64_t cgroup, int sig)
{
	static const char cmdline[] = "kill\0-9\0001290";
	struct wire_signal *r = begin(w, WIRE_SIGNAL, sender);

	r->sig = sig;
	r->code = sig == SIGKILL ? WIRE_NONE : 0;
	r->syscall = SYS_KILL;
	r->target_flags = WIRE_TARGET_GROUP;
	r->sender = task(sender, comm, 9);
	r->sender.ppid = 1296;
	r->target = task(target, "daemon", cgroup);
	r->loginuid = 1000;
	r->session = 2;
	strcpy(r->tty, "pts/0");
	r->n_ancestors = 3;
	r->ancestors[0] = (struct wire_ancestor){RUN(1296), 1296, 0, "bash"};
	r->ancestors[1] = (struct wire_ancestor){RUN(1099), 1099, 0, "sshd"};
	r->ancestors[2] = (struct wire_ancestor){RUN(1), 1, 0, "systemd"};
	wb_bytes(&w->b, &r->cmdline, cmdline, sizeof(cmdline));
	return r;
}

__attribute__((unused)) static void idle(struct world *w)
{
	begin(w, WIRE_IDLE, 0);
	send(w);
}

/* The usual way from the first decision to the end. */
__attribute__((unused)) static void run_down(struct world *w, const char *unit, const char *result,
					     const char *final)
{
	enter_stop(w, unit, "running", 0, result);
	enter_signal(w, unit, "running", 0, "stop-sigterm", "success");
	set_state(w, unit, "running", "stop-sigterm", result);
	enter_dead(w, unit, "stop-sigterm", "success");
	set_state(w, unit, "stop-sigterm", final, result);
}

#endif
