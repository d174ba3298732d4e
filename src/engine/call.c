/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/call.h"
#include "engine/verdict.h"
#include "svctrace/bus.h"
#include "svctrace/cleanup.h"

#define CALLS_MAX    1024
#define NAMES_MAX    4096
/* polkit may ask a person first. */
#define CALL_AGE_NS  (120 * 1000000000ull)
/* How long a call takes at most from its client to what the manager does about it. */
#define LATEST_NS    1000000000ull
/* How long a service such as logind takes to pass one on: inhibitors may delay it. */
#define PASSED_ON_NS (30 * 1000000000ull)

/* Services that ask systemd because somebody asked them. */
static const struct proxy {
	const char *unit, *destination;
} proxies[] = {
	{"systemd-logind.service", "org.freedesktop.login1"},
	{"systemd-machined.service", "org.freedesktop.machine1"},
};

void call_table_init(struct call_table *t)
{
	TAILQ_INIT(&t->calls);
	TAILQ_INIT(&t->names);
}

void call_unref(struct call *c)
{
	if (!c || --c->n_ref > 0)
		return;
	proof_done(&c->proof);
	lineage_done(&c->from);
	free(c->destination);
	free(c->member);
	free(c->unit);
	free(c->mode);
	free(c);
}

static void call_drop(struct call_table *t, struct call *c)
{
	TAILQ_REMOVE(&t->calls, c, entry);
	LIST_REMOVE(c, same_bucket);
	t->n_calls--;
	call_unref(c);
}

static void name_drop(struct call_table *t, struct bus_name *n)
{
	TAILQ_REMOVE(&t->names, n, entry);
	t->n_names--;
	proof_done(&n->proof);
	free(n->name);
	free(n);
}

void call_table_done(struct call_table *t)
{
	while (!TAILQ_EMPTY(&t->calls))
		call_drop(t, TAILQ_FIRST(&t->calls));
	while (!TAILQ_EMPTY(&t->names))
		name_drop(t, TAILQ_FIRST(&t->names));
}

void call_table_expire(struct call_table *t, uint64_t now_ns)
{
	struct call *c;

	while ((c = TAILQ_FIRST(&t->calls)) && now_ns > c->proof.mono_ns + CALL_AGE_NS)
		call_drop(t, c);
}

static int set(char **dst, struct str s)
{
	*dst = str_dup(s);
	return s.s && !*dst ? -ENOMEM : 0;
}

static int call_fill(struct call *c, const struct ev *e, const struct bus_message *m,
		     const struct process_table *processes)
{
	const struct ev_client_send *s = &e->send;

	c->endpoint = s->endpoint;
	c->listener = s->listener;
	c->serial = m->serial;
	c->incomplete = m->incomplete;
	c->signal = m->signal;
	if (set(&c->destination, m->destination) < 0 || set(&c->member, m->member) < 0 ||
	    set(&c->unit, m->unit) < 0 || set(&c->mode, m->mode) < 0 || proof_set(&c->proof, e) < 0)
		return -ENOMEM;
	return lineage_set(&c->from, &s->client, processes);
}

static int call_learn(struct call_table *t, const struct ev *e, const struct bus_message *m,
		      const struct process_table *processes)
{
	struct call *c;

	if (m->type != BUS_CALL || !m->member.s)
		return 0;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->n_ref = 1;
	TAILQ_INSERT_TAIL(&t->calls, c, entry);
	LIST_INSERT_HEAD(&t->by_process[e->send.client.task.tgid % CALL_BUCKETS], c, same_bucket);
	if (++t->n_calls > CALLS_MAX)
		call_drop(t, TAILQ_FIRST(&t->calls));
	return call_fill(c, e, m, processes);
}

int calls_learn(struct call_table *t, const struct ev *e, const struct process_table *processes)
{
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < e->send.n_messages; i++)
		r = call_learn(t, e, &e->send.messages[i], processes);
	return r;
}

static struct bus_name *name_find(const struct call_table *t, uint32_t listener, struct str name)
{
	struct bus_name *n;

	TAILQ_FOREACH_REVERSE(n, &t->names, bus_name_queue, entry)
	if (n->listener == listener && str_equal(name, n->name))
		return n;
	return NULL;
}

/* Whoever listens somewhere can make up names: he drops his own first. */
static void names_bound(struct call_table *t, uint32_t listener)
{
	struct bus_name *n, *oldest = NULL;
	unsigned int same = 0;

	TAILQ_FOREACH_REVERSE(n, &t->names, bus_name_queue, entry)
	{
		if (n->listener != listener)
			continue;
		same++;
		oldest = n;
	}
	if (same > NAMES_MAX / 2)
		name_drop(t, oldest);
	else if (t->n_names > NAMES_MAX)
		name_drop(t, TAILQ_FIRST(&t->names));
}

int calls_learn_name(struct call_table *t, const struct ev *e)
{
	const struct ev_bus_name *x = &e->bus_name;
	struct bus_name *n;

	if (!x->name.s || !x->client)
		return 0;
	n = calloc(1, sizeof(*n));
	if (!n)
		return -ENOMEM;
	n->listener = x->listener;
	n->client = x->client;
	TAILQ_INSERT_TAIL(&t->names, n, entry);
	t->n_names++;
	names_bound(t, x->listener);
	return set(&n->name, x->name) < 0 ? -ENOMEM : proof_set(&n->proof, e);
}

/* How well a call fits the message; the calling process as the kernel tells it, 0: it does not. */
static bool fits(const struct call *c, const struct ev_message *m, uint32_t process)
{
	bool private = !m->sender.s;

	if (c->serial != m->serial || private != (c->endpoint == WIRE_ENDPOINT_PRIVATE))
		return false;
	if (!private && m->peer && c->listener && c->listener != m->peer)
		return false;
	return (process == 0 || c->from.chain[0].tgid == process) &&
	       str_equal(m->member, c->member);
}

/* The oldest that fits and that no manager took up yet; else the newest that one did. */
struct fitting {
	struct call *fresh, *other;
};

static void consider(struct fitting *f, struct call *c, const struct ev_message *m,
		     uint32_t process)
{
	if (!fits(c, m, process))
		return;
	if (!c->handled)
		f->fresh = c;
	else if (!f->other)
		f->other = c;
}

static struct call *find_of(const struct call_table *t, const struct ev_message *m,
			    uint32_t process)
{
	struct fitting f = {};
	struct call *c;

	LIST_FOREACH(c, &t->by_process[process % CALL_BUCKETS], same_bucket)
	consider(&f, c, m, process);
	return f.fresh ? f.fresh : f.other;
}

/* Nobody knows whose. One that was handled before is no other process's. */
static struct call *find_any(const struct call_table *t, const struct ev_message *m)
{
	struct fitting f = {};
	struct call *c;

	TAILQ_FOREACH_REVERSE(c, &t->calls, call_queue, entry)
	consider(&f, c, m, 0);
	return f.fresh;
}

/* The call that made a service such as logind ask. */
static bool leads_to_jobs(const struct call *c)
{
	static const char *const members[] = {"PowerOff",  "Reboot",	"Halt",	   "KExec",
					      "Suspend",   "Hibernate", "Hybrid",  "SoftReboot",
					      "Terminate", "Kill",	"Schedule"};
	size_t i = 0;

	while (i < ARRAY_LEN(members) && strncmp(c->member, members[i], strlen(members[i])) != 0)
		i++;
	return i < ARRAY_LEN(members);
}

static struct call *find_passed_on(const struct call_table *t, const struct actor *caller,
				   const struct ev *e)
{
	struct call *c;

	for (size_t i = 0; caller->unit && i < ARRAY_LEN(proxies); i++) {
		if (strcmp(caller->unit, proxies[i].unit) != 0)
			continue;
		TAILQ_FOREACH_REVERSE(c, &t->calls, call_queue, entry)
		if (c->destination && strcmp(c->destination, proxies[i].destination) == 0 &&
		    c->listener == e->message.peer && leads_to_jobs(c) &&
		    c->proof.mono_ns + PASSED_ON_NS > e->mono_ns)
			return c;
	}
	return NULL;
}

static int take_call(struct request *q, struct call *c)
{
	q->call = c;
	c->n_ref++;
	c->handled = true;
	return lineage_copy(&q->from, &c->from);
}

/* No call was seen, but the kernel knows who connected. */
static int take_process(struct request *q, uint32_t tgid, const struct process_table *processes)
{
	const struct process *p = process_by_tgid(processes, tgid);

	return p ? lineage_of(&q->from, p, processes) : 0;
}

static int join(struct request *q, const struct call_table *t, const struct ev_message *m,
		const struct process_table *processes)
{
	const struct bus_name *name = m->sender.s ? name_find(t, m->peer, m->sender) : NULL;
	uint32_t process = m->sender.s ? (name ? name->client : 0) : m->peer;
	struct call *c = process ? find_of(t, m, process) : find_any(t, m);

	q->certainty = process ? CERTAIN : INFERRED;
	if (name && proof_copy(&q->name_proof, &name->proof) < 0)
		return -ENOMEM;
	if (c || process == 0)
		return c ? take_call(q, c) : 0;
	if (process_by_tgid(processes, process))
		return take_process(q, process, processes);
	/* whoever connected may have handed the connection on */
	q->certainty = INFERRED;
	c = find_any(t, m);
	return c ? take_call(q, c) : 0;
}

struct request *calls_join(struct call_table *t, const struct ev *e,
			   const struct process_table *processes)
{
	const struct ev_message *m = &e->message;
	struct request *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	q->n_ref = 1;
	q->serial = m->serial;
	q->endpoint = m->sender.s ? WIRE_ENDPOINT_BUS : WIRE_ENDPOINT_PRIVATE;
	if (set(&q->member, m->member) < 0 || set(&q->sender, m->sender) < 0 ||
	    proof_set(&q->proof, e) < 0 || join(q, t, m, processes) < 0) {
		request_unref(q);
		return NULL;
	}
	q->passed_on = q->from.n ? find_passed_on(t, &q->from.chain[0], e) : NULL;
	if (q->passed_on)
		q->passed_on->n_ref++;
	return q;
}

static bool is_for_systemd(const struct call *c)
{
	return c->endpoint != WIRE_ENDPOINT_BUS ||
	       (c->destination && (*c->destination == ':' ||
				   strcmp(c->destination, "org.freedesktop.systemd1") == 0));
}

/* A manager listens on its own sockets itself, and on its bus's too, by dbus.socket. */
static bool is_for(const struct call *c, uint32_t manager)
{
	return !c->handled && c->listener == manager && is_for_systemd(c);
}

/* The manager's method, or that of the unit's object. */
static bool asks_to_freeze(const struct call *c, struct str unit)
{
	return (strcmp(c->member, "FreezeUnit") == 0 || strcmp(c->member, "Freeze") == 0) &&
	       c->unit && str_equal(unit, c->unit) && is_for_systemd(c);
}

struct call *calls_take_freeze(const struct call_table *t, struct str unit)
{
	struct call *c;

	TAILQ_FOREACH_REVERSE(c, &t->calls, call_queue, entry)
	if (!c->handled && asks_to_freeze(c, unit))
		break;
	if (!c)
		return NULL;
	c->n_ref++;
	c->handled = true;
	return c;
}

int calls_latest(struct call_table *t, uint32_t manager, uint64_t now_ns, struct request **ret)
{
	struct request *q;
	struct call *c;

	*ret = NULL;
	TAILQ_FOREACH_REVERSE(c, &t->calls, call_queue, entry)
	if (is_for(c, manager))
		break;
	if (!c || c->proof.mono_ns + LATEST_NS < now_ns)
		return 0;
	q = calloc(1, sizeof(*q));
	if (!q)
		return -ENOMEM;
	q->n_ref = 1;
	q->serial = c->serial;
	q->endpoint = c->endpoint;
	q->certainty = INFERRED;
	q->member = strdup(c->member);
	*ret = q;
	if (!q->member || proof_copy(&q->proof, &c->proof) < 0)
		return -ENOMEM;
	return take_call(q, c);
}

struct request *request_ref(struct request *q)
{
	q->n_ref++;
	return q;
}

void request_unref(struct request *q)
{
	if (!q || --q->n_ref > 0)
		return;
	call_unref(q->call);
	call_unref(q->passed_on);
	lineage_done(&q->from);
	free(q->member);
	free(q->sender);
	proof_done(&q->proof);
	proof_done(&q->name_proof);
	free(q);
}
