/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "capture/capture_internal.h"
#include "capture/look.h"
#include "capture/user_stacks.h"
#include "svctrace/cleanup.h"
#include "svctrace/stuck.h"
#include "task_states.skel.h"

/* Each thread told with the longest stack there may be. */
#define TEXT_MAX      (TASK_STATES_MAX * (sizeof(struct task_state) + TASK_STATE_FRAMES * 256))

#define LEAD_FRACTION 10
#define LEAD_MAX_NS   1000000000ull

struct looked {
	struct task_state state;
	const char *stack; /* its lines */
	size_t stack_len;
};

struct looker {
	struct task_states_bpf *skel;
	struct bpf_link *link;
	char *text; /* what the iterator wrote */
	size_t len;
	struct looked thread[TASK_STATES_MAX]; /* that in pieces */
	unsigned int n;
	uint64_t at_ns, took_ns;
	int error;
	struct user_stacks user;
};

void looker_freep(struct looker **l)
{
	if (!*l)
		return;
	user_stacks_done(&(*l)->user);
	bpf_link__destroy((*l)->link);
	task_states_bpf__destroy((*l)->skel);
	free((*l)->text);
	free(*l);
	*l = NULL;
}

int looker_open(int hierarchy_id, const char *btf, struct looker **ret)
{
	LIBBPF_OPTS(bpf_object_open_opts, o, .btf_custom_path = btf);
	_cleanup_(looker_freep) struct looker *l = calloc(1, sizeof(*l));

	if (!l || !(l->text = malloc(TEXT_MAX)))
		return -ENOMEM;
	l->skel = task_states_bpf__open_opts(&o);
	if (!l->skel)
		return -errno;
	l->skel->rodata->tracked_hierarchy = hierarchy_id;
	*ret = take_ptr(l);
	return 0;
}

const struct bpf_object *looker_object(const struct looker *l)
{
	return l->skel->obj;
}

static int load(struct looker *l)
{
	if (task_states_bpf__load(l->skel) < 0)
		return -errno;
	l->link = bpf_program__attach_iter(l->skel->progs.task_states, NULL);
	return l->link ? 0 : -errno;
}

int looker_load(struct looker **l)
{
	int r = load(*l);

	if (r < 0)
		looker_freep(l);
	return r;
}

static int read_all(struct looker *l)
{
	_cleanup_close_ int fd = bpf_iter_create(bpf_link__fd(l->link));
	ssize_t n;

	if (fd < 0)
		return -errno;
	while ((n = read(fd, l->text + l->len, TEXT_MAX - l->len)) > 0)
		l->len += n;
	return n < 0 ? -errno : 0;
}

/* The lines of its stack lie behind it. */
static size_t take_thread(struct looked *to, const char *text, size_t len)
{
	size_t at = sizeof(to->state);

	memcpy(&to->state, text, sizeof(to->state));
	to->stack = text + at;
	for (unsigned int i = 0; i < to->state.n_frames && at < len; i++) {
		const char *end = memchr(text + at, '\n', len - at);

		at = end ? (size_t)(end - text) + 1 : len;
	}
	to->stack_len = text + at - to->stack;
	return at;
}

static void take_threads(struct looker *l)
{
	size_t at = 0;

	for (l->n = 0; l->n < TASK_STATES_MAX && l->len - at >= sizeof(struct task_state); l->n++)
		at += take_thread(&l->thread[l->n], l->text + at, l->len - at);
}

static int look(struct looker *l)
{
	l->len = 0;
	l->skel->bss->met = 0;
	l->at_ns = clock_ns(CLOCK_MONOTONIC);
	l->error = read_all(l);
	l->took_ns = clock_ns(CLOCK_MONOTONIC) - l->at_ns;
	take_threads(l);
	return l->error;
}

int look_at_process(struct looker *l, uint32_t pidns, uint32_t pid)
{
	l->skel->bss->wanted_pidns = pidns;
	l->skel->bss->wanted_pid = pid;
	return look(l);
}

int look_at_pidns(struct looker *l, uint32_t pidns)
{
	return look_at_process(l, pidns, 0);
}

int look_at_cgroups(struct looker *l, const uint64_t *ids, unsigned int n)
{
	int fd = bpf_map__fd(l->skel->maps.wanted_cgroups), r;
	const uint8_t one = 1;

	for (unsigned int i = 0; i < n; i++)
		bpf_map_update_elem(fd, &ids[i], &one, BPF_ANY);
	l->skel->bss->wanted_pidns = l->skel->bss->wanted_pid = 0;
	r = look(l);
	for (unsigned int i = 0; i < n; i++)
		bpf_map_delete_elem(fd, &ids[i]);
	return r;
}

void look_take_user_stacks(struct looker *l)
{
	user_stacks_begin(&l->user, l);
}

const struct task_state *look_thread(const struct looker *l, unsigned int i)
{
	return i < l->n ? &l->thread[i].state : NULL;
}

uint64_t look_before(uint64_t from_ns, uint64_t time_ns)
{
	uint64_t lead = time_ns / LEAD_FRACTION;

	return from_ns + time_ns - (lead < LEAD_MAX_NS ? lead : LEAD_MAX_NS);
}

/* As /proc shows it. */
static char state_letter(const struct task_state *s)
{
	static const struct {
		uint32_t bit;
		char letter;
	} states[] = {{0x1, 'S'}, {0x2, 'D'}, {0x4, 'T'}, {0x8, 't'}, {0x8000, 'D'}};
	const uint32_t zombie = 0x20, dead = 0x10, idle = 0x402;

	if (s->exit_state)
		return s->exit_state & zombie ? 'Z' : s->exit_state & dead ? 'X' : '?';
	if ((s->state & idle) == idle)
		return 'I';
	for (size_t i = 0; i < ARRAY_LEN(states); i++)
		if (s->state & states[i].bit)
			return states[i].letter;
	return s->state == 0 ? 'R' : '?';
}

/* The scheduler's own frames say nothing; /proc/PID/stack leaves them out, too. */
static const char *skip_scheduler(const char *stack)
{
	static const char *const names[] = {"__schedule", "schedule", "preempt_schedule"};

	for (size_t i = 0; i < ARRAY_LEN(names);)
		if (strncmp(stack, names[i], strlen(names[i])) == 0) {
			stack = strchrnul(stack, '\n');
			stack += *stack == '\n';
			i = 0;
		} else {
			i++;
		}
	return stack;
}

static uint64_t cpu_since(const struct look_base *base, const struct task_state *s)
{
	for (unsigned int i = 0; base && i < base->n; i++)
		if (base->thread[i].tid == s->task.tid && base->thread[i].cpu_ns <= s->cpu_ns)
			return s->cpu_ns - base->thread[i].cpu_ns;
	return WIRE_CPU_UNKNOWN;
}

static int send_thread(const struct looked *t, const struct look_base *base, struct stream *s)
{
	_cleanup_free_ char *stack = NULL;
	struct wire_thread *w;
	int r = stuck_parse_stack(t->stack, t->stack_len, &stack);

	if (r < 0)
		return r;
	w = stream_begin(s, WIRE_THREAD, sizeof(*w), t->state.task.tgid);
	w->h.tid = t->state.task.tid;
	w->task = t->state.task;
	w->cpu_ns = t->state.cpu_ns;
	w->cpu_since_ns = cpu_since(base, &t->state);
	w->ns_tid = t->state.ns_tid;
	w->state = state_letter(&t->state);
	w->flags = t->state.flags;
	stream_string(s, &w->stack, skip_scheduler(stack));
	return stream_end(s);
}

/* Of a thread that was just told; only if the look was at a namespace. */
static int send_levels(const struct task_state *t, struct stream *s)
{
	struct wire_pid_levels *w;

	if (t->n_levels == 0)
		return 0;
	w = stream_begin(s, WIRE_PID_LEVELS, sizeof(*w), t->task.tgid);
	w->h.tid = t->task.tid;
	w->n = t->n_levels;
	memcpy(w->level, t->level, sizeof(w->level));
	return stream_end(s);
}

int look_send_threads(struct looker *l, const struct look_base *base, struct stream *s,
		      uint32_t *ret_met)
{
	int r = 0;

	for (unsigned int i = 0; r == 0 && i < l->n; i++) {
		r = send_thread(&l->thread[i], base, s);
		if (r == 0)
			r = send_levels(&l->thread[i].state, s);
		if (r == 0)
			r = user_stacks_send(&l->user, &l->thread[i].state, s);
	}
	user_stacks_end(&l->user);
	*ret_met = l->error ? 0 : l->skel->bss->met;
	return r;
}

int look_send_pidns(struct looker *l, uint32_t pidns, struct stream *s)
{
	struct wire_pidns_look *w;
	uint32_t met;
	int r = look_send_threads(l, NULL, s, &met);

	if (r != 0)
		return r;
	w = stream_begin(s, WIRE_PIDNS_LOOK, sizeof(*w), 0);
	w->at_ns = l->at_ns;
	w->took_ns = l->took_ns;
	w->pidns = pidns;
	w->error = l->error;
	w->n = met;
	return stream_end(s);
}

int look_send(struct looker *l, const struct wire_look *what, const char *id,
	      const struct look_base *base, struct stream *s)
{
	struct wire_look *w;
	uint32_t met;
	int r = look_send_threads(l, base, s, &met);

	if (r != 0)
		return r;
	w = stream_begin(s, WIRE_LOOK, sizeof(*w), what->h.tgid);
	w->unit = what->unit;
	w->reason = what->reason;
	w->at_ns = l->at_ns;
	w->took_ns = l->took_ns;
	w->error = l->error;
	w->n = met;
	stream_string(s, &w->id, id);
	return stream_end(s);
}
