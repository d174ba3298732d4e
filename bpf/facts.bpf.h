/* SPDX-License-Identifier: (LGPL-2.1-or-later OR BSD-2-Clause) */
/*
 * What a service is configured to and where it stands, as the manager has it at the moment when it
 * decides. It goes out just before the record of that decision, from the same handler.
 */
#ifndef SVCTRACE_FACTS_BPF_H
#define SVCTRACE_FACTS_BPF_H

#include "manager.bpf.h"

struct facts_record {
	struct wire_service_facts f;
	char id[WIRE_ID_MAX];
};

/* systemd's Bitmap: an array of 64-bit words and how many of them there are. */
static __always_inline bool read_bitmap(__u64 *to, const __u32 room, const void *bitmap)
{
	struct {
		__u64 *words;
		__u32 n;
	} b;

	if (bpf_probe_read_user(&b, sizeof(b), bitmap) < 0)
		return false;
	for (__u32 i = 0; i < room; i++)
		if (i < b.n && bpf_probe_read_user(&to[i], sizeof(to[i]), &b.words[i]) < 0)
			return false;
	return true;
}

static __always_inline void fill_exit_set(struct wire_exit_set *w, const void *unit, __u32 offset,
					  __u32 signal)
{
	if (offset == LAYOUT_MISSING || signal == LAYOUT_MISSING)
		return;
	w->known = read_bitmap(w->status, WIRE_EXIT_STATUSES / 64, unit + offset) &&
		   read_bitmap(w->signal, WIRE_EXIT_SIGNALS / 64, unit + offset + signal);
}

static __always_inline void fill_restart(struct wire_service_facts *f, const void *unit,
					 const struct facts_layout *l)
{
	f->restart = read_s32(unit, l->restart);
	f->restart_usec = read_usec(unit, l->restart_usec);
	f->restart_mode = read_s32(unit, l->restart_mode);
	f->restart_steps = read_s32(unit, l->restart_steps);
	f->restart_max_delay_usec = read_usec(unit, l->restart_max_delay_usec);
	f->n_restarts = read_s32(unit, l->n_restarts);
	f->flags = read_byte(unit, l->flags);
	f->main_code = read_s32(unit, l->main_code);
	f->main_status = read_s32(unit, l->main_status);
	fill_exit_set(&f->prevent, unit, l->prevent, l->set_signal);
	fill_exit_set(&f->force, unit, l->force, l->set_signal);
	fill_exit_set(&f->success, unit, l->success, l->set_signal);
}

static __always_inline void fill_limit(struct wire_service_facts *f, const void *unit,
				       const struct facts_layout *l)
{
	struct {
		__u64 interval;
		__u32 burst, num;
		__u64 begin;
	} limit;

	f->start_limit_action = read_s32(unit, l->start_limit_action);
	f->failure_action = read_s32(unit, l->failure_action);
	f->success_action = read_s32(unit, l->success_action);
	f->limit_interval_usec = f->limit_begin_usec = WIRE_USEC_NONE;
	f->limit_burst = f->limit_num = WIRE_NONE;
	if (l->limit == LAYOUT_MISSING ||
	    bpf_probe_read_user(&limit, sizeof(limit), unit + l->limit) < 0)
		return;
	f->limit_interval_usec = limit.interval;
	f->limit_begin_usec = limit.begin;
	f->limit_burst = limit.burst;
	f->limit_num = limit.num;
}

static __always_inline void fill_times(struct wire_service_facts *f, const void *unit,
				       const struct facts_layout *l)
{
	f->timeout_start_usec = read_usec(unit, l->timeout_start_usec);
	f->timeout_stop_usec = read_usec(unit, l->timeout_stop_usec);
	f->timeout_abort_usec = read_usec(unit, l->timeout_abort_usec);
	f->timeout_abort_set = read_byte(unit, l->timeout_abort_set);
	f->runtime_max_usec = read_usec(unit, l->runtime_max_usec);
	f->watchdog_timestamp_usec = read_usec(unit, l->watchdog_timestamp_usec);
	f->watchdog_usec = read_usec(unit, l->watchdog_usec);
	f->watchdog_original_usec = read_usec(unit, l->watchdog_original_usec);
	f->watchdog_override_usec = read_usec(unit, l->watchdog_override_usec);
	f->watchdog_override_enable = read_byte(unit, l->watchdog_override_enable);
}

static __always_inline void service_facts(const void *unit)
{
	struct manager_layout *l = current_manager();
	struct facts_record *r;

	if (!l)
		return;
	r = record_reserve(WIRE_SERVICE_FACTS, sizeof(r->f), sizeof(r->id));
	if (!r)
		return;
	r->f.unit = (__u64)unit;
	r->f.type = read_s32(unit, l->facts.type);
	r->f.oom_policy = read_s32(unit, l->facts.oom_policy);
	fill_restart(&r->f, unit, &l->facts);
	fill_limit(&r->f, unit, &l->facts);
	fill_times(&r->f, unit, &l->facts);
	tail_string(&r->f.h, &r->f.id, r->id, sizeof(r->f), WIRE_ID_MAX, read_ptr(unit, l->unit_id),
		    true);
	record_submit(r);
}

#endif
