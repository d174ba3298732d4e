// SPDX-License-Identifier: (LGPL-2.1-or-later OR BSD-2-Clause)
/* Keepalives that services send to their manager. */
#include "manager.bpf.h"

struct keepalive_record {
	struct wire_keepalive k;
	char id[WIRE_ID_MAX];
};

struct told_unit {
	__u64 address;
	__u64 manager;
};

/* When a unit's last keepalive was told: a service may send them without pause. */
struct told {
	__u64 mono_ns, interval_usec;
	__u32 left_out;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, struct told_unit);
	__type(value, struct told);
} keepalives_told SEC(".maps");

/* Between two that are told; an eighth of the interval if that is less. */
#define KEEPALIVE_GAP_NS 100000000ull

/* Whether it is time to tell of another one; how many were not told since the last. */
static __always_inline bool keepalive_is_told(__u64 unit, __u64 interval_usec, __u32 *ret_left_out)
{
	struct told_unit key = {unit, bpf_get_current_pid_tgid() >> 32};
	struct told *last = bpf_map_lookup_elem(&keepalives_told, &key), this = {};
	__u64 now = bpf_ktime_get_ns(), gap = interval_usec * 1000 / 8;

	if (gap > KEEPALIVE_GAP_NS)
		gap = KEEPALIVE_GAP_NS;
	if (last && last->interval_usec == interval_usec && now - last->mono_ns < gap) {
		last->left_out++;
		return false;
	}
	*ret_left_out = last ? last->left_out : 0;
	this.mono_ns = now;
	this.interval_usec = interval_usec;
	bpf_map_update_elem(&keepalives_told, &key, &this, BPF_ANY);
	return true;
}

/* Called after the timestamp was set. */
SEC("uprobe")
int BPF_KPROBE(service_start_watchdog, void *s)
{
	struct manager_layout *l = current_manager();
	const struct facts_layout *f;
	struct keepalive_record *r;
	__u64 started, message, interval;
	__s32 by_message;
	__u32 left_out;

	if (!l)
		return 0;
	f = &l->facts;
	started = read_usec(s, f->watchdog_original_usec);
	message = read_usec(s, f->watchdog_override_usec);
	by_message = read_byte(s, f->watchdog_override_enable);
	interval = by_message == 1 ? message : started;
	if (interval == 0 || interval >= WIRE_USEC_NONE ||
	    !keepalive_is_told((__u64)s, interval, &left_out))
		return 0;
	r = record_reserve(WIRE_SERVICE_KEEPALIVE, sizeof(r->k), sizeof(r->id));
	if (!r)
		return 0;
	r->k.unit = (__u64)s;
	r->k.at_usec = read_usec(s, f->watchdog_timestamp_usec);
	r->k.unit_usec = read_usec(s, f->watchdog_usec);
	r->k.started_usec = started;
	r->k.message_usec = message;
	r->k.by_message = by_message;
	r->k.main_pid = read_s32(s, l->main_pid);
	r->k.state = read_s32(s, l->state);
	r->k.left_out = left_out;
	tail_string(&r->k.h, &r->k.id, r->id, sizeof(r->k), WIRE_ID_MAX, read_ptr(s, l->unit_id),
		    true);
	record_submit(r);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
