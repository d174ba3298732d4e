/* SPDX-License-Identifier: (LGPL-2.1-or-later OR BSD-2-Clause) */
/*
 * What every BPF program here shares: the maps, the one way to send a record, and how a task is
 * described. Maps and settings are weak, so that each object may carry them and the linker keeps
 * one of each.
 *
 * Records are reserved at their full size and sent with hdr.size set to what is used. A shared
 * scratch buffer would allow smaller reservations, but handlers can be preempted by others of the
 * same kind on the same CPU, and kernels before 5.12 have no atomic that could guard it.
 */
#ifndef SVCTRACE_COMMON_BPF_H
#define SVCTRACE_COMMON_BPF_H

#include "task.bpf.h"
#include <bpf/bpf_tracing.h>

#include "layout.h"

/* Does the kernel ship its own types? Some helpers are not to be had without. */
const volatile bool kernel_has_types __weak = true;

/* User space reads in batches. It is woken early when there is so much to read, in bytes. */
const volatile __u64 ring_batch __weak = 0;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} events SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, KIND_COUNT_MAX);
	__type(key, __u32);
	__type(value, struct kind_count);
} counts SEC(".maps") __weak;

/* The managers that are traced, by tgid. Whoever else maps the library is nobody to us. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, __u32);
	__type(value, struct manager_layout);
} managers SEC(".maps") __weak;

/* Cgroups that are a service or a scope, or lie below one, by id. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64);
	__type(value, __u8);
} service_cgroups SEC(".maps") __weak;

/*
 * Which keys the two sets above may hold, by their low bits. Most that is asked for is in neither,
 * and this says so without a look-up. Nothing is ever taken out: others may share its place.
 */
struct key_hints hints SEC(".data.hints") __weak = {};

/* Lost records of all kinds: mapped by user space, so that no loss costs no system call. */
__u64 lost_total __weak = 0;

/* Reserves a record and fills its header; NULL (and counted) when the ring is full. */
static __always_inline void *record_reserve(__u32 kind, __u64 fixed, __u64 tail)
{
	struct wire_hdr *h = bpf_ringbuf_reserve(&events, fixed + tail, 0);
	struct kind_count *c = bpf_map_lookup_elem(&counts, &kind);
	__u64 id = bpf_get_current_pid_tgid();

	if (!h) {
		__sync_fetch_and_add(&lost_total, 1);
		if (c)
			__sync_fetch_and_add(&c->lost, 1);
		return NULL;
	}
	if (c)
		__sync_fetch_and_add(&c->sent, 1);
	__builtin_memset(h, 0, fixed);
	h->size = fixed;
	h->kind = kind;
	h->mono_ns = bpf_ktime_get_ns();
	h->tgid = id >> 32;
	h->tid = id;
	return h;
}

static __always_inline void record_submit(void *record)
{
	bool much = bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA) > ring_batch;

	bpf_ringbuf_submit(record, much ? BPF_RB_FORCE_WAKEUP : 0);
}

/*
 * The length that a bpf_probe_read_*_str() of at most max bytes stored, without its NUL. Says so
 * in the record when the string was cut.
 */
static __always_inline __u16 string_len(struct wire_hdr *h, long ret, __u16 max)
{
	if (ret <= 0)
		return 0;
	if (ret >= max)
		h->flags |= WIRE_F_TRUNCATED;
	return ret - 1;
}

/* Appends a string of exactly one tail; str is set to where it went. */
static __always_inline void tail_string(struct wire_hdr *h, struct wire_str *str, char *tail,
					__u16 fixed, __u16 max, const char *src, bool user)
{
	long n = user ? bpf_probe_read_user_str(tail, max, src)
		      : bpf_probe_read_kernel_str(tail, max, src);

	str->off = fixed;
	str->len = string_len(h, n, max);
	h->size = fixed + str->len;
}

static __always_inline __u8 *key_hint(__u64 key)
{
	return &hints.may[key % KEY_HINTS];
}

static __always_inline bool may_be_known(__u64 key)
{
	return *key_hint(key);
}

static __always_inline bool is_service_cgroup(__u64 id)
{
	return may_be_known(id) && bpf_map_lookup_elem(&service_cgroups, &id) != NULL;
}

static __always_inline bool in_service(struct task_struct *t)
{
	return is_service_cgroup(task_cgroup(t));
}

/* Fields that a kernel without audit does not have. */
struct task_struct___audit {
	kuid_t loginuid;
	unsigned int sessionid;
} __attribute__((preserve_access_index));

/* name: of its terminal; WIRE_TTY_LEN bytes, zero so far. */
static __always_inline void fill_login(struct task_struct *t, __u32 *loginuid, __u32 *session,
				       char *name, const bool typed)
{
	struct task_struct___audit *a = (void *)t;
	struct tty_struct *tty = BPF_CORE_READ(t, signal, tty);

	*loginuid = *session = -1;
	if (bpf_core_field_exists(a->loginuid)) {
		*loginuid = READ(typed, a, loginuid.val);
		*session = READ(typed, a, sessionid);
	}
	if (tty)
		bpf_probe_read_kernel_str(name, WIRE_TTY_LEN, &tty->name);
}

/* parent: its own or, but for the number of what is told, one of its threads. */
static __always_inline __u32 walk_ancestors(struct wire_ancestor *a, struct task_struct *parent,
					    const bool typed)
{
	__u32 n = 0;

	for (; n < WIRE_ANCESTORS_MAX; n++) {
		__u32 tgid = READ(typed, parent, tgid);

		if (!tgid)
			break;
		parent = READ(typed, parent, group_leader);
		a[n].tgid = tgid;
		a[n].start_ns = task_start(parent, typed);
		fill_comm(a[n].comm, parent, typed);
		parent = READ(typed, parent, real_parent);
	}
	return n;
}

/*
 * The parent first; returns how many. a has room for WIRE_ANCESTORS_MAX. Verifiers do not trust the
 * pointer to whoever is told of a task's end, nor any that is loaded from it, and so look for none
 * of them. It is the parent, but for who is traced by ptrace.
 */
static __always_inline __u32 fill_ancestors(struct wire_ancestor *a, struct task_struct *t,
					    const bool typed)
{
	struct task_struct *parent = BPF_CORE_READ(t, real_parent);

	if (typed && BPF_CORE_READ(t, parent) == parent)
		return walk_ancestors(a, t->parent, true);
	return walk_ancestors(a, parent, false);
}

/*
 * The arguments of a task whose memory is the current one. They are NUL-separated; what is longer
 * than the room is cut and marked.
 */
static __always_inline void tail_cmdline(struct wire_hdr *h, struct wire_str *str, char *tail,
					 __u16 off, struct task_struct *t)
{
	struct mm_struct *mm = BPF_CORE_READ(t, mm);
	unsigned long start = BPF_CORE_READ(mm, arg_start);
	unsigned long len = BPF_CORE_READ(mm, arg_end) - start;

	str->off = off;
	if (!start) /* nor any memory */
		return;
	if (len > WIRE_CMDLINE_MAX - 1) {
		len = WIRE_CMDLINE_MAX - 1;
		h->flags |= WIRE_F_TRUNCATED;
	}
	len &= WIRE_CMDLINE_MAX - 1; /* for the verifier */
	if (bpf_probe_read_user(tail, len, (void *)start) < 0)
		return;
	str->len = len;
	h->size = off + len;
}

#endif
