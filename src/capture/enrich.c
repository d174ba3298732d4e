/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who a record's processes are: what /proc still knows, put into the stream as WIRE_PROC before the
 * record itself. The kernel-made record is the proof; this adds command lines, executables and
 * cgroups of those that live, and only if the start time says that it is still the same process.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capture/capture_internal.h"
#include "capture/proc.h"
#include "svctrace/cleanup.h"

#define KNOWN_MAX 1024 /* processes that were sent lately; a power of two */

struct enrich {
	int hierarchy;
	/* by pid, the newest wins: what it does not remember is only sent again */
	struct {
		uint32_t tgid;
		uint64_t start_ns;
	} known[KNOWN_MAX];
};

int enrich_new(int hierarchy_id, struct enrich **ret)
{
	struct enrich *e = calloc(1, sizeof(*e));

	if (!e)
		return -ENOMEM;
	e->hierarchy = hierarchy_id;
	*ret = e;
	return 0;
}

void enrich_freep(struct enrich **e)
{
	free(*e);
	*e = NULL;
}

static int send_proc(const struct proc *p, struct stream *s)
{
	struct wire_proc *w = stream_begin(s, WIRE_PROC, sizeof(*w), p->task.tgid);

	w->task = p->task;
	w->loginuid = p->loginuid;
	w->session = p->session;
	stream_string(s, &w->exe, p->exe);
	stream_bytes(s, &w->cmdline, p->cmdline, p->cmdline_len);
	stream_string(s, &w->cgroup, p->cgroup);
	stream_string(s, &w->tty, p->tty);
	return stream_end(s);
}

/* The kernel's own: kthreadd and its children. */
static bool is_kthread(const struct wire_task *t)
{
	return t->tgid == 2 || t->ppid == 2;
}

/* start_ns 0: whoever has that number now. */
static int send_if_alive(struct enrich *e, uint32_t tgid, uint64_t start_ns, struct stream *s)
{
	unsigned int slot = tgid & (KNOWN_MAX - 1);
	struct proc p = {};
	int r;

	if (tgid == 0)
		return 0;
	if (start_ns && e->known[slot].tgid == tgid && e->known[slot].start_ns == start_ns)
		return 0;
	r = proc_read(tgid, e->hierarchy, &p);
	if (r == 0 && is_kthread(&p.task))
		r = -ESRCH;
	if (r == 0 && (!start_ns || proc_same_start(start_ns, p.task.start_ns))) {
		e->known[slot].tgid = tgid;
		e->known[slot].start_ns = start_ns;
		r = send_proc(&p, s);
	} else {
		r = 0; /* gone already, or somebody else: the record itself must do */
	}
	proc_done(&p);
	return r;
}

/* Who did something, and its ancestors. */
static int enrich_origin(struct enrich *e, const struct wire_task *t,
			 const struct wire_ancestor *ancestors, uint32_t n, struct stream *s)
{
	int r = send_if_alive(e, t->tgid, t->start_ns, s);

	if (n > WIRE_ANCESTORS_MAX)
		n = WIRE_ANCESTORS_MAX;
	for (unsigned int i = 0; r == 0 && i < n; i++)
		r = send_if_alive(e, ancestors[i].tgid, ancestors[i].start_ns, s);
	return r;
}

int enrich_record(struct enrich *e, const struct wire_hdr *h, struct stream *s)
{
	switch (h->kind) {
	case WIRE_SIGNAL: {
		const struct wire_signal *w = (const struct wire_signal *)h;

		return enrich_origin(e, &w->sender, w->ancestors, w->n_ancestors, s);
	}
	case WIRE_CLIENT_SEND: {
		const struct wire_client_send *w = (const struct wire_client_send *)h;

		return enrich_origin(e, &w->task, w->ancestors, w->n_ancestors, s);
	}
	case WIRE_WATCHDOG_USE: {
		const struct wire_watchdog_use *w = (const struct wire_watchdog_use *)h;

		return send_if_alive(e, w->task.tgid, w->task.start_ns, s);
	}
	case WIRE_CGROUP_ATTACH: /* the mover: the moved one is in its new cgroup already */
		return send_if_alive(e, h->tgid, 0, s);
	default:
		return 0;
	}
}

int enrich_all(struct enrich *e, struct stream *s)
{
	_cleanup_closedir_ DIR *d = opendir("/proc");
	struct dirent *entry;
	int r = 0;

	/* in the order of their numbers, so that most parents come first */
	while (d && r == 0 && (entry = readdir(d)))
		r = send_if_alive(e, atoi(entry->d_name), 0, s);
	return r;
}
