/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/hardware_watchdog.h"
#include "engine/verdict.h"

static void forget_look(struct hardware_watchdog *w)
{
	look_free(w->look);
	w->look = NULL;
	proof_done(&w->overdue);
}

static void forget_settings(struct hardware_watchdog *w)
{
	free(w->is.settings.path);
	w->is.settings = (struct hardware_watchdog_settings){};
	w->pinged_ns = 0;
}

void hardware_watchdog_table_done(struct hardware_watchdog_table *t)
{
	for (unsigned int i = 0; i < t->n; i++) {
		struct hardware_watchdog *w = &t->watchdog[i];

		forget_look(w);
		forget_settings(w);
		proof_done(&w->last_ping);
		proof_done(&w->changed);
		actor_done(&w->is.who);
		free(w->is.identity);
		free(w->is.driver);
	}
	t->n = 0;
}

/* NULL: there are too many already. */
static struct hardware_watchdog *get(struct hardware_watchdog_table *t, uint32_t device)
{
	struct hardware_watchdog *w;

	for (unsigned int i = 0; i < t->n; i++)
		if (t->watchdog[i].is.device == device)
			return &t->watchdog[i];
	if (t->n == HARDWARE_WATCHDOGS_MAX)
		return NULL;
	w = &t->watchdog[t->n++];
	*w = (struct hardware_watchdog){.is = {.device = device, .running = WIRE_NONE}};
	return w;
}

static void cite(struct hardware_watchdog_notice *n, const struct proof *p)
{
	if (p->seq && n->n_proof < HARDWARE_WATCHDOG_PROOF_MAX)
		n->proof[n->n_proof++] = *p; /* borrowed */
}

/* p: the event that is the news; an empty one if none is. */
static int tell(struct hardware_watchdog_table *t, struct hardware_watchdog *w,
		enum hardware_watchdog_news news, const struct proof *p)
{
	struct hardware_watchdog_notice n = w->is;

	n.news = news;
	if (news == HARDWARE_WATCHDOG_OVERDUE || news == HARDWARE_WATCHDOG_LATE) {
		n.look = w->look;
		cite(&n, &w->last_ping);
		cite(&n, &w->overdue);
	}
	cite(&n, p);
	return t->sink ? t->sink(t->ctx, &n) : 0;
}

static int set_who(struct hardware_watchdog *w, const struct process *p)
{
	actor_done(&w->is.who);
	w->is.who = (struct actor){};
	return p ? actor_copy(&w->is.who, &p->a) : 0;
}

static bool is_ping(enum wire_watchdog_op op)
{
	return op == WIRE_WATCHDOG_PING || op == WIRE_WATCHDOG_SET_TIMEOUT;
}

/* The gap that this ping ends; its record says what came before, even if that was not told. */
static bool count_ping(struct hardware_watchdog *w, const struct ev *e)
{
	const struct ev_watchdog_use *u = &e->watchdog_use;

	uint64_t since = u->since_ns ? u->since_ns : w->pinged_ns;

	w->pinged_ns = 0;
	w->is.pings += 1 + (uint64_t)u->left_out;
	w->is.gap_ns = since && since < e->mono_ns ? e->mono_ns - since : 0;
	if (w->is.gap_ns > w->is.longest_ns)
		w->is.longest_ns = w->is.gap_ns;
	if (w->is.timeout_ns == 0 || w->is.gap_ns <= hardware_watchdog_patience(w->is.timeout_ns))
		return false;
	w->is.late++;
	return true;
}

static int on_ping(struct hardware_watchdog_table *t, struct hardware_watchdog *w,
		   const struct ev *e)
{
	struct proof p = {};
	int r = proof_set(&p, e);

	if (r == 0 && count_ping(w, e))
		r = tell(t, w, HARDWARE_WATCHDOG_LATE, &p);
	forget_look(w);
	proof_done(&w->last_ping);
	w->last_ping = p;
	return r;
}

/* What is told of it waits for what the system says of the device now: that comes next. */
static int on_change(struct hardware_watchdog *w, const struct ev *e, bool opened)
{
	forget_look(w);
	if (opened)
		forget_settings(w);
	proof_done(&w->last_ping);
	proof_done(&w->changed);
	w->is.gap_ns = 0;
	w->was_opened = opened;
	return proof_set(&w->changed, e);
}

/* A ping is cheap: what is known already stays. */
static int learn_who(struct hardware_watchdog *w, const struct process *p)
{
	if (!p)
		return -ENOMEM;
	if (p->a.tgid == w->is.who.tgid && p->a.start_ns == w->is.who.start_ns)
		return 0;
	return set_who(w, p);
}

int hardware_watchdog_learn_use(struct hardware_watchdog_table *t, const struct ev *e,
				struct process_table *processes)
{
	const struct ev_watchdog_use *u = &e->watchdog_use;
	struct hardware_watchdog *w = get(t, u->device);

	if (!w)
		return 0;
	w->is.mono_ns = e->mono_ns;
	w->is.wall_ns = e->wall_ns;
	if (learn_who(w, process_learn_task(processes, &u->task)) < 0)
		return -ENOMEM;
	if (is_ping(u->op))
		return on_ping(t, w, e);
	if (u->op == WIRE_WATCHDOG_OPEN || u->op == WIRE_WATCHDOG_CLOSE)
		return on_change(w, e, u->op == WIRE_WATCHDOG_OPEN);
	return 0;
}

static int set_text(char **dst, struct str text)
{
	free(*dst);
	*dst = str_dup(text);
	return text.s && !*dst ? -ENOMEM : 0;
}

static int learn(struct hardware_watchdog *w, const struct ev *e,
		 const struct process_table *processes)
{
	const struct ev_watchdog_device *d = &e->watchdog_device;

	w->is.mono_ns = e->mono_ns;
	w->is.wall_ns = e->wall_ns;
	w->is.timeout_ns = d->timeout_ns;
	w->is.running = d->running;
	if (set_text(&w->is.identity, d->identity) < 0 || set_text(&w->is.driver, d->driver) < 0)
		return -ENOMEM;
	if (w->changed.seq || d->holder == w->is.who.tgid)
		return 0;
	return set_who(w, d->holder ? process_by_tgid(processes, d->holder) : NULL);
}

static int set_look(struct hardware_watchdog *w, const struct ev *e, struct thread_look *look)
{
	uint32_t threads = e->watchdog_device.threads;

	if (look->n_threads == 0)
		return 0;
	look->at_ns = e->mono_ns;
	look->n = threads < look->n_threads ? look->n_threads : threads;
	if (proof_set(&look->proof, e) < 0)
		return -ENOMEM;
	return look_copy(&w->look, look);
}

static int on_overdue(struct hardware_watchdog_table *t, struct hardware_watchdog *w,
		      const struct ev *e, struct thread_look *look)
{
	int r;

	forget_look(w);
	w->is.gap_ns = e->mono_ns - e->watchdog_device.pinged_ns;
	r = set_look(w, e, look);
	if (r == 0)
		r = proof_set(&w->overdue, e);
	return r ? r : tell(t, w, HARDWARE_WATCHDOG_OVERDUE, &(struct proof){});
}

static int on_changed(struct hardware_watchdog_table *t, struct hardware_watchdog *w)
{
	int r = tell(t, w, w->was_opened ? HARDWARE_WATCHDOG_OPENED : HARDWARE_WATCHDOG_CLOSED,
		     &w->changed);

	proof_done(&w->changed);
	if (!w->was_opened) {
		set_who(w, NULL);
		forget_settings(w);
	}
	return r;
}

/* The ping that they tell of came before any that was seen, or it was seen itself. */
int hardware_watchdog_learn_settings(struct hardware_watchdog_table *t, const struct ev *e)
{
	const struct ev_watchdog_settings *s = &e->watchdog_settings;
	struct hardware_watchdog *w = get(t, s->device);
	bool first;

	if (!w)
		return 0;
	forget_settings(w);
	w->is.settings = (struct hardware_watchdog_settings){
		.known = true,
		.runtime_usec = s->runtime_usec,
		.reboot_usec = s->reboot_usec,
	};
	first = w->last_ping.seq == 0 && s->pinged_ns;
	if (first)
		w->pinged_ns = s->pinged_ns;
	if (s->path.n && set_text(&w->is.settings.path, s->path) < 0)
		return -ENOMEM;
	return first ? proof_set(&w->last_ping, e) : 0;
}

int hardware_watchdog_learn_device(struct hardware_watchdog_table *t, const struct ev *e,
				   const struct process_table *processes, struct thread_look *look)
{
	const struct ev_watchdog_device *d = &e->watchdog_device;
	struct hardware_watchdog *w = get(t, d->device);
	int r = w ? learn(w, e, processes) : 0;

	if (r == 0 && w && d->overdue && d->pinged_ns && d->pinged_ns < e->mono_ns)
		r = on_overdue(t, w, e, look);
	else if (r == 0 && w && w->changed.seq)
		r = on_changed(t, w);
	look_clear(look);
	return r;
}

int hardware_watchdog_flush(struct hardware_watchdog_table *t, uint64_t mono_ns, uint64_t wall_ns)
{
	int r = 0;

	for (unsigned int i = 0; r == 0 && i < t->n; i++) {
		struct hardware_watchdog *w = &t->watchdog[i];

		w->is.mono_ns = mono_ns;
		w->is.wall_ns = wall_ns;
		if (w->is.pings)
			r = tell(t, w, HARDWARE_WATCHDOG_END, &w->last_ping);
	}
	return r;
}

const char *hardware_watchdog_news_name(enum hardware_watchdog_news news)
{
	static const char *const names[HARDWARE_WATCHDOG_NEWS_MAX] = {
		[HARDWARE_WATCHDOG_OVERDUE] = "overdue", [HARDWARE_WATCHDOG_LATE] = "late",
		[HARDWARE_WATCHDOG_OPENED] = "opened",	 [HARDWARE_WATCHDOG_CLOSED] = "closed",
		[HARDWARE_WATCHDOG_END] = "end",
	};

	return (size_t)news < HARDWARE_WATCHDOG_NEWS_MAX ? names[news] : NULL;
}
