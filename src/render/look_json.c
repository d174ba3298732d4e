/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What threads were doing, as JSON. */
#include <string.h>

#include "render/json.h"
#include "render/renderer.h"

static const char *user_stack_error(const struct look_thread *t)
{
	if (!t->user_asked)
		return "not-taken";
	return t->user_error ? user_stack_error_name(t->user_error) : NULL;
}

static json_t *thread_json(const struct look_thread *t)
{
	struct str stack = {t->stack, t->stack ? strlen(t->stack) : 0};
	struct str innermost = {t->stack, t->stack ? strcspn(t->stack, "\n") : 0};
	const char state[] = {t->state, 0};
	struct json_object o = {.json = json_object()};

	json_put(&o, "thread.id", json_number(t->tid));
	json_put(&o, "thread.name", json_text(t->comm));
	json_put(&o, "state", json_text(state));
	json_put(&o, "exiting", json_boolean(t->exiting));
	json_put(&o, "wait", json_text(t->wait ? stuck_wait_name(t->wait) : NULL));
	json_put(&o, "wait_channel", json_bytes(innermost.s, innermost.n));
	json_put(&o, "kernel_stack", json_lines(stack));
	json_put_stack(&o, "user_stack", "user_stack_end", &t->user);
	json_put(&o, "user_stack_error", json_text(user_stack_error(t)));
	json_put(&o, "cpu_ns", json_number(t->cpu_ns));
	json_put(&o, "cpu_since_keepalive_ns",
		 json_number_or_null(t->cpu_since_ns, WIRE_CPU_UNKNOWN));
	json_put_process(&o, &t->a);
	return json_done(&o);
}

json_t *json_threads(const struct thread_look *l)
{
	struct json_object threads = {.json = json_array()};

	for (unsigned int i = 0; l && i < l->n_threads; i++)
		json_append(&threads, thread_json(&l->thread[i]));
	return json_done(&threads);
}

static json_t *hold_json(const struct look_hold *h)
{
	struct json_object o = {.json = json_object()}, ids = {.json = json_array()};

	for (unsigned int i = 0; i < h->n_tids; i++)
		json_append(&ids, json_number(h->tid[i]));
	json_put(&o, "kind", json_text(stuck_kind_name(h->kind)));
	json_put(&o, "certainty", json_text(certainty_name(h->certainty)));
	json_put(&o, "root", json_text(h->root));
	json_put(&o, "next", json_text(h->next));
	json_put(&o, "thread_ids", json_done(&ids));
	return json_done(&o);
}

static json_t *holds_json(const struct thread_look *l)
{
	struct json_object holds = {.json = json_array()};

	for (unsigned int i = 0; i < l->n_holds; i++)
		json_append(&holds, hold_json(&l->hold[i]));
	return json_done(&holds);
}

static json_t *awaited_json(const struct awaited *a)
{
	struct json_object o = {}, what = {};

	if (!a->text)
		return json_null();
	o.json = json_object();
	what.json = json_array();
	if (a->main)
		json_append(&what, json_string("main-process"));
	if (a->control)
		json_append(&what, json_string("control-process"));
	if (a->cgroup)
		json_append(&what, json_string("cgroup"));
	json_put(&o, "what", json_done(&what));
	json_put(&o, "setting", json_text(a->setting));
	json_put(&o, "main_process",
		 a->main_process.tgid ? json_process(&a->main_process) : json_null());
	json_put(&o, "control_process",
		 a->control_process.tgid ? json_process(&a->control_process) : json_null());
	json_put(&o, "text", json_text(a->text));
	return json_done(&o);
}

json_t *json_look(const struct thread_look *l)
{
	struct json_object o = {};

	if (!l)
		return json_null();
	o.json = json_object();
	json_put(&o, "reason", json_text(look_reason_name(l->reason)));
	json_put(&o, "monotonic_ns", json_number(l->at_ns));
	json_put(&o, "waits_for", awaited_json(&l->awaited));
	json_put(&o, "threads", json_threads(l));
	json_put(&o, "threads_left_out", json_number(l->n - l->n_threads));
	json_put(&o, "held", holds_json(l));
	return json_done(&o);
}

static json_t *keepalive_json(const struct watchdog_facts *f, unsigned int i)
{
	const struct keepalive *k = &f->keepalive[i];
	struct json_object o = {.json = json_object()};

	json_put(&o, "monotonic_ns", json_number(k->at_ns));
	json_put(&o, "gap_ns",
		 i > 0 ? json_number(k->at_ns - f->keepalive[i - 1].at_ns) : json_null());
	json_put(&o, "start", json_boolean(k->start));
	json_put(&o, "left_out", json_number(k->left_out));
	return json_done(&o);
}

json_t *json_watchdog(const struct verdict_watchdog *w)
{
	const struct watchdog_facts *f = &w->facts;
	uint64_t last = f->n_keepalives ? f->keepalive[f->n_keepalives - 1].at_ns : 0;
	struct json_object o = {}, keepalives = {};

	if (!w->fired)
		return json_null();
	o.json = json_object();
	keepalives.json = json_array();
	for (unsigned int i = 0; i < f->n_keepalives; i++)
		json_append(&keepalives, keepalive_json(f, i));
	json_put(&o, "monotonic_ns", json_number(w->fired_ns));
	json_put(&o, "interval_ns", json_number_or_null(f->interval_ns, 0));
	json_put(&o, "interval_from",
		 f->interval_ns ? json_string(f->by_message ? "message" : "unit") : json_null());
	json_put(&o, "unit_interval_ns", json_number_or_null(f->unit_ns, 0));
	json_put(&o, "last_keepalive_age_ns", last ? json_number(w->fired_ns - last) : json_null());
	json_put(&o, "history", json_boolean(w->history));
	json_put(&o, "keepalives", json_done(&keepalives));
	json_put(&o, "keepalives_earlier", json_number(f->n_earlier));
	json_put(&o, "look", json_look(w->look));
	return json_done(&o);
}
