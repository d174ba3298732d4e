/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * NDJSON for programs: one object a line, every key always there, null where nothing is known.
 * docs/schema/svctrace.schema.json says what each key means.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "render/json.h"
#include "render/renderer.h"
#include "render/verdict_json.h"
#include "svctrace/cleanup.h"
#include "svctrace/text.h"

json_t *json_bytes(const char *s, size_t n)
{
	_cleanup_free_ char *text = NULL;
	long len;

	if (!s)
		return json_null();
	len = text_to_utf8(s, n, &text);
	return len < 0 ? NULL : json_stringn(text, (size_t)len);
}

json_t *json_text(const char *s)
{
	return json_bytes(s, s ? strlen(s) : 0);
}

json_t *json_lines(struct str s)
{
	struct json_object list = {.json = json_array()};

	for (size_t at = 0; at < s.n;) {
		const char *end = memchr(s.s + at, '\n', s.n - at);
		size_t n = end ? (size_t)(end - s.s) - at : s.n - at;

		json_append(&list, json_bytes(s.s + at, n));
		at += n + 1;
	}
	return json_done(&list);
}

json_t *json_number(uint64_t n)
{
	return json_integer(n > INT64_MAX ? INT64_MAX : (json_int_t)n);
}

json_t *json_number_or_null(uint64_t n, uint64_t none)
{
	return n == none ? json_null() : json_number(n);
}

json_t *json_usec(uint64_t usec)
{
	return usec == UINT64_MAX ? json_string("infinity")
				  : json_number_or_null(usec, WIRE_USEC_NONE);
}

json_t *json_count(int32_t n)
{
	return n == WIRE_NONE ? json_null() : json_number((uint32_t)n);
}

json_t *json_signal(int32_t sig)
{
	char buf[24];

	return sig ? json_string(text_signal(sig, buf)) : json_null();
}

json_t *json_address(uint64_t n)
{
	char buf[24];

	snprintf(buf, sizeof(buf), "0x%" PRIx64, n);
	return n ? json_string(buf) : json_null();
}

void json_put(struct json_object *o, const char *key, json_t *value)
{
	/* takes value over even if it fails, and refuses NULL: out of memory either way */
	if (json_object_set_new(o->json, key, value) < 0)
		o->failed = true;
}

void json_append(struct json_object *o, json_t *value)
{
	if (json_array_append_new(o->json, value) < 0)
		o->failed = true;
}

json_t *json_done(struct json_object *o)
{
	if (o->failed) {
		json_decref(o->json);
		return NULL;
	}
	return o->json;
}

json_t *json_time(uint64_t wall_ns)
{
	char buf[TIME_LEN];

	return json_text(time_rfc3339(wall_ns, buf));
}

/* DEL, U+0080 to U+009F: JSON lets them be, but a terminal may obey them. Its length; 0: none. */
static size_t control_at(const char *s, uint32_t *ret)
{
	unsigned char c = s[0], next = c == 0xc2 ? s[1] : 0;

	*ret = c == 0xc2 ? next : c;
	if (c == 0x7f)
		return 1;
	return next >= 0x80 && next < 0xa0 ? 2 : 0;
}

/* They stand in strings, where JSON has an escape for each character. */
static char *escape_controls(const char *text)
{
	char *escaped = malloc(6 * strlen(text) + 1), *to = escaped;

	while (escaped && *text) {
		uint32_t c;
		size_t n = control_at(text, &c);

		if (n > 0)
			to += sprintf(to, "\\u%04" PRIx32, c);
		else
			*to++ = *text++;
		text += n;
	}
	if (escaped)
		*to = 0;
	return escaped;
}

char *json_dump(const json_t *j, size_t flags)
{
	char *text = json_dumps(j, flags), *escaped;

	if (!text || !strpbrk(text, "\x7f\xc2"))
		return text;
	escaped = escape_controls(text);
	free(text);
	return escaped;
}

int write_json(struct renderer *r, const json_t *j)
{
	_cleanup_free_ char *line = j ? json_dump(j, JSON_COMPACT) : NULL;

	if (!line)
		return -ENOMEM;
	return fputs(line, r->out) < 0 || fputc('\n', r->out) < 0 ? -errno : 0;
}

int json_print(json_t *json, size_t flags)
{
	_cleanup_free_ char *text = json ? json_dump(json, flags) : NULL;

	json_decref(json);
	if (!text)
		return -ENOMEM;
	return puts(text) < 0 || fflush(stdout) != 0 ? -errno : 0;
}

void json_put_process(struct json_object *o, const struct actor *a)
{
	json_put(o, "process.pid", json_number(a->tgid));
	json_put(o, "process.vpid", json_number_or_null(a->ns_tgid, 0));
	json_put(o, "process.parent_pid", json_number_or_null(a->ppid, 0));
	json_put(o, "process.start_ns", json_number_or_null(a->start_ns, 0));
	json_put(o, "process.command", json_text(a->comm));
	json_put(o, "process.command_line", json_text(a->cmdline));
	json_put(o, "process.executable.path", json_text(a->exe));
	json_put(o, "process.linux.cgroup", json_text(a->cgroup));
	json_put(o, "uid", json_number_or_null(a->uid, UINT32_MAX));
	json_put(o, "login_uid", json_number_or_null(a->loginuid, UINT32_MAX));
	json_put(o, "audit_session", json_number_or_null(a->session, UINT32_MAX));
	json_put(o, "tty", json_text(a->tty));
	json_put(o, "unit", json_text(a->unit));
	json_put(o, "container", json_text(a->container));
	json_put(o, "exited", json_boolean(a->exited));
}

json_t *json_process(const struct actor *a)
{
	struct json_object o = {.json = json_object()};

	json_put_process(&o, a);
	return json_done(&o);
}

static json_t *ancestors_json(const struct actor *chain, unsigned int n)
{
	struct json_object list = {.json = json_array()};

	for (unsigned int i = 1; i < n; i++)
		json_append(&list, json_process(&chain[i]));
	return json_done(&list);
}

static json_t *actor_json(const struct verdict *v)
{
	static const struct actor nobody = {.uid = -1u, .loginuid = -1u, .session = -1u};
	struct json_object o = {};

	if (!v->have_actor)
		return json_null();
	o.json = json_object();
	json_put(&o, "kind",
		 json_string(v->actor_kernel	? "kernel"
			     : v->actor_manager ? "manager"
						: "process"));
	json_put(&o, "certainty", json_string(certainty_name(v->actor_certainty)));
	json_put(&o, "signal", json_signal(v->signal));
	json_put(&o, "syscall", json_text(v->signal_syscall_name));
	json_put_process(&o, v->n_chain ? &v->chain[0] : &nobody);
	json_put(&o, "ancestors", ancestors_json(v->chain, v->n_chain));
	return json_done(&o);
}

static json_t *by_json(const struct left_cgroup *g)
{
	struct json_object o = {};

	if (g->n_by == 0)
		return json_null();
	o.json = json_object();
	json_put(&o, "kind", json_string(g->by_manager ? "manager" : "process"));
	json_put(&o, "certainty", json_string(certainty_name(g->certainty)));
	json_put_process(&o, &g->by[0]);
	json_put(&o, "ancestors", ancestors_json(g->by, g->n_by));
	return json_done(&o);
}

static json_t *gone_one_json(const struct left_cgroup *g)
{
	bool exited = !g->moved_to && !g->exit_signal;
	struct json_object o = {.json = json_object()};

	json_put(&o, "how", json_string(g->moved_to ? "moved" : exited ? "exited" : "killed"));
	json_put(&o, "monotonic_ns", json_number(g->mono_ns));
	json_put(&o, "code", exited ? json_integer(g->exit_code) : json_null());
	json_put(&o, "signal", json_signal(g->exit_signal));
	json_put(&o, "moved_to", json_text(g->moved_to));
	json_put(&o, "by", by_json(g));
	json_put_process(&o, &g->a);
	return json_done(&o);
}

static json_t *gone_json(const struct verdict *v)
{
	struct json_object list = {.json = json_array()};

	for (unsigned int i = 0; i < v->n_gone; i++)
		json_append(&list, gone_one_json(&v->gone[i]));
	return json_done(&list);
}

static json_t *frame_json(const struct ev_frame *f)
{
	struct json_object o = {.json = json_object()};

	json_put(&o, "function", json_bytes(f->name.s, f->name.n));
	json_put(&o, "offset", f->name.s ? json_number(f->offset) : json_null());
	json_put(&o, "object", json_bytes(f->object.s, f->object.n));
	json_put(&o, "address", json_address(f->address));
	json_put(&o, "certain", json_boolean(f->name.s && !f->guess));
	return json_done(&o);
}

void json_put_stack(struct json_object *o, const char *key, const char *end_key,
		    const struct ev_stack *s)
{
	struct json_object list = {.json = json_array()};

	for (unsigned int i = 0; i < s->n; i++)
		json_append(&list, frame_json(&s->frames[i]));
	json_put(o, key, json_done(&list));
	json_put(o, end_key, s->n ? json_string(stack_end_name(s->end)) : json_null());
}

static json_t *main_json(const struct verdict *v)
{
	struct json_object o = {};

	if (v->main_pid <= 0)
		return json_null();
	o.json = json_object();
	json_put(&o, "process.pid", json_number_or_null(v->main_tgid, 0));
	json_put(&o, "process.vpid", json_integer(v->main_pid));
	json_put(&o, "process.command_line", json_text(v->main_cmdline));
	return json_done(&o);
}

static json_t *end_json(int32_t code, const char *name, int32_t signal, bool core_dumped)
{
	struct json_object o = {.json = json_object()};

	json_put(&o, "code", signal ? json_null() : json_integer(code));
	json_put(&o, "code_name", json_text(name));
	json_put(&o, "signal", json_signal(signal));
	json_put(&o, "core_dumped", json_boolean(core_dumped));
	return json_done(&o);
}

static json_t *exit_json(const struct verdict *v)
{
	if (!v->have_exit)
		return json_null();
	return end_json(v->exit_code, v->exit_name, v->exit_signal, v->core_dumped);
}

static json_t *failed_command_json(const struct failed_command *c)
{
	struct json_object o = {.json = json_object()};

	json_put(&o, "setting", json_text(c->setting));
	json_put(&o, "process.pid", json_number_or_null(c->tgid, 0));
	json_put(&o, "process.vpid", json_integer(c->pid));
	json_put(&o, "process.command_line", json_text(c->cmdline));
	json_put(&o, "exit", end_json(c->exit_code, c->exit_name, c->exit_signal, c->core_dumped));
	return json_done(&o);
}

static json_t *failed_json(const struct verdict *v)
{
	struct json_object list = {.json = json_array()};

	for (unsigned int i = 0; i < v->n_failed; i++)
		json_append(&list, failed_command_json(&v->failed[i]));
	return json_done(&list);
}

static json_t *escalation_json(const struct escalation *x)
{
	struct json_object o = {.json = json_object()};

	json_put(&o, "state", json_text(x->state));
	json_put(&o, "next_state", json_text(x->next));
	json_put(&o, "in_state_ns", json_number_or_null(x->in_state_ns, 0));
	json_put(&o, "monotonic_ns", json_number(x->mono_ns));
	return json_done(&o);
}

static json_t *escalations_json(const struct verdict *v)
{
	struct json_object list = {.json = json_array()};

	for (unsigned int i = 0; i < v->n_escalations; i++)
		json_append(&list, escalation_json(&v->escalations[i]));
	return json_done(&list);
}

static json_t *job_json(const struct verdict *v)
{
	struct json_object o = {};

	if (v->job_id == 0)
		return json_null();
	o.json = json_object();
	json_put(&o, "id", json_number(v->job_id));
	json_put(&o, "type", json_text(v->job_type));
	return json_done(&o);
}

static json_t *request_json(const struct verdict *v)
{
	static const char *const endpoints[] = {
		[WIRE_ENDPOINT_PRIVATE] = "private",
		[WIRE_ENDPOINT_BUS] = "system-bus",
		[WIRE_ENDPOINT_VARLINK] = "varlink",
	};
	const struct verdict_request *q = &v->request;
	struct json_object o = {};
	const char *endpoint = q->endpoint < ARRAY_LEN(endpoints) ? endpoints[q->endpoint] : NULL;

	if (!v->have_request)
		return json_null();
	if (q->endpoint == WIRE_ENDPOINT_BUS && v->manager_user)
		endpoint = "user-bus";
	o.json = json_object();
	json_put(&o, "endpoint", json_text(endpoint));
	json_put(&o, "member", json_text(q->member));
	json_put(&o, "unit", json_text(q->unit));
	json_put(&o, "mode", json_text(q->mode));
	json_put(&o, "serial", json_number_or_null(q->serial, 0));
	json_put(&o, "sender", json_text(q->sender));
	json_put(&o, "certainty", json_string(certainty_name(q->certainty)));
	json_put(&o, "passed_on_by",
		 q->passed_on_by.tgid ? json_process(&q->passed_on_by) : json_null());
	return json_done(&o);
}

static json_t *links_json(const struct verdict *v)
{
	struct json_object list = {.json = json_array()};

	for (unsigned int i = 0; i < v->n_links; i++) {
		const struct link *l = &v->links[i];
		struct json_object o = {.json = json_object()};

		json_put(&o, "unit", json_text(l->unit));
		json_put(&o, "job", json_text(l->job));
		json_put(&o, "dependency", json_text(l->dependency));
		json_append(&list, json_done(&o));
	}
	return json_done(&list);
}

static json_t *root_json(const struct verdict *v)
{
	struct json_object o = {};

	if (v->n_links == 0)
		return json_null();
	o.json = json_object();
	json_put(&o, "reason", json_string(root_reason_name(v->root)));
	json_put(&o, "unit", json_text(v->root_unit));
	return json_done(&o);
}

static json_t *texts_json(const char *const *texts, unsigned int n)
{
	struct json_object list = {.json = json_array()};

	for (unsigned int i = 0; i < n; i++)
		json_append(&list, json_text(texts[i]));
	return json_done(&list);
}

static json_t *proof_json(const struct proof *p)
{
	struct json_object o = {.json = json_object()};

	json_put(&o, "seq", json_number(p->seq));
	json_put(&o, "monotonic_ns", json_number(p->mono_ns));
	json_put(&o, "event", json_text(event_name(p->kind, p->scope)));
	json_put(&o, "text", json_text(p->what));
	return json_done(&o);
}

json_t *json_proofs(const struct proof *p, unsigned int n)
{
	struct json_object list = {.json = json_array()};

	for (unsigned int i = 0; i < n; i++)
		json_append(&list, proof_json(&p[i]));
	return json_done(&list);
}

static json_t *limit_json(const struct verdict_restart *x)
{
	struct json_object o = {};

	if (x->limit_burst == WIRE_NONE || x->limit_usec == WIRE_USEC_NONE)
		return json_null();
	o.json = json_object();
	json_put(&o, "burst", json_count(x->limit_burst));
	json_put(&o, "interval_us", json_usec(x->limit_usec));
	json_put(&o, "num", json_count(x->limit_num));
	return json_done(&o);
}

static json_t *action_json(const struct verdict_restart *x)
{
	struct json_object o = {};

	if (!x->action_setting)
		return json_null();
	o.json = json_object();
	json_put(&o, "setting", json_string(x->action_setting));
	json_put(&o, "value", json_text(x->action));
	return json_done(&o);
}

static json_t *restart_json(const struct verdict_restart *x)
{
	struct json_object o = {};

	if (!x->seen)
		return json_null();
	o.json = json_object();
	json_put(&o, "decision", json_boolean(x->restarts));
	json_put(&o, "rule", json_string(restart_rule_name(x->rule)));
	json_put(&o, "setting", json_text(x->setting));
	json_put(&o, "mode", json_text(x->mode));
	json_put(&o, "result", json_text(x->result));
	json_put(&o, "delay_us", json_usec(x->delay_usec));
	json_put(&o, "count", json_count(x->count));
	json_put(&o, "limit", limit_json(x));
	json_put(&o, "action", action_json(x));
	json_put(&o, "text", json_text(x->text));
	return json_done(&o);
}

static json_t *manager_json(const struct renderer *r, const struct verdict *v)
{
	const struct manager_info *m = manager_info(r, v->manager);
	struct json_object o = {.json = json_object()};

	json_put(&o, "process.pid", json_number(v->manager));
	json_put(&o, "user", json_boolean(v->manager_user));
	json_put(&o, "uid", json_number(v->manager_uid));
	json_put(&o, "object", json_text(m ? m->object : NULL));
	json_put(&o, "build_id", json_text(m ? m->build_id : NULL));
	json_put(&o, "version", json_text(m ? m->version : NULL));
	return json_done(&o);
}

void json_put_envelope(struct json_object *o, const struct renderer *r, const char *name,
		       uint64_t wall_ns, uint64_t mono_ns)
{
	json_put(o, "schema_version", json_integer(RENDER_SCHEMA_VERSION));
	json_put(o, "event.name", json_string(name));
	json_put(o, "time", json_time(wall_ns));
	json_put(o, "monotonic_ns", json_number(mono_ns));
	json_put(o, "boot_id", json_text(*r->boot_id ? r->boot_id : NULL));
}

static void put_state(struct json_object *o, const struct verdict *v)
{
	json_put(o, "systemd.unit.name", json_text(v->unit));
	json_put(o, "systemd.unit.active_state", json_text(v->active_state));
	json_put(o, "systemd.unit.sub_state", json_text(v->sub_state));
	json_put(o, "old_sub_state", json_text(v->old_state));
	json_put(o, "result", json_text(v->result));
	json_put(o, "cause", json_string(cause_name(v->cause)));
	json_put(o, "certainty", json_string(certainty_name(v->certainty)));
	json_put(o, "begin_time", json_time(v->begin_wall_ns));
	json_put(o, "duration_ns",
		 json_number(v->end_mono_ns > v->begin_mono_ns ? v->end_mono_ns - v->begin_mono_ns
							       : 0));
	json_put(o, "complete", json_boolean(!v->incomplete));
}

static json_t *ids_json(const struct hang_ids *ids)
{
	struct json_object list = {.json = json_array()};

	for (unsigned int i = 0; i < ids->n; i++)
		json_append(&list, json_number(ids->nr[i]));
	return json_done(&list);
}

static json_t *hang_task_json(const struct hang_task *t)
{
	struct json_object o = {.json = json_object()};

	json_put(&o, "text", json_text(t->text));
	json_put(&o, "exiting", json_boolean(t->exiting));
	json_put(&o, "thread.id", json_number(t->tid));
	json_put(&o, "thread.ids_in_namespaces", ids_json(&t->ids));
	json_put(&o, "pid_namespace", json_number_or_null(t->pidns, 0));
	json_put_process(&o, &t->a);
	return json_done(&o);
}

static json_t *server_json(const struct hang_server *s)
{
	struct json_object o = {.json = json_object()};

	json_put(&o, "answered_mount", json_boolean(s->mounted));
	json_put(&o, "pid_namespace", json_number_or_null(s->pidns, 0));
	json_put(&o, "end_time", s->end_wall_ns ? json_time(s->end_wall_ns) : json_null());
	json_put(&o, "death", json_text(s->death));
	json_put_process(&o, &s->a);
	return json_done(&o);
}

static void put_hang_tasks(struct json_object *o, const struct hang_verdict *h)
{
	struct json_object inner = {.json = json_array()}, waiters = {.json = json_array()};
	struct json_object servers = {.json = json_array()};

	for (unsigned int i = 0; i < h->n_inner; i++)
		json_append(&inner, hang_task_json(&h->inner[i]));
	for (unsigned int i = 0; i < h->n_waiters; i++)
		json_append(&waiters, hang_task_json(&h->waiters[i]));
	for (unsigned int i = 0; i < h->n_servers; i++)
		json_append(&servers, server_json(&h->servers[i]));
	json_put(o, "init", h->init.a.tgid ? hang_task_json(&h->init) : json_null());
	json_put(o, "inner_inits", json_done(&inner));
	json_put(o, "waiters", json_done(&waiters));
	json_put(o, "waiters_left_out", json_number(h->n_waiters_left_out));
	json_put(o, "fuse_connection",
		 h->have_connection ? json_number(h->connection) : json_null());
	json_put(o, "served_by_known", json_boolean(h->servers_known));
	json_put(o, "served_by", json_done(&servers));
}

/* As told of while it hangs, and in the verdict of a service. */
static void put_hang(struct json_object *o, const struct hang_verdict *h)
{
	json_put(o, "kind", json_text(stuck_kind_name(h->kind)));
	json_put(o, "begin_time", json_time(h->begin_wall_ns));
	json_put(o, "duration_ns", json_number(h->mono_ns - h->begin_mono_ns));
	json_put(o, "pid_namespace", json_number_or_null(h->pidns, 0));
	json_put(o, "left", h->pidns ? json_number(h->left) : json_null());
	json_put(o, "kills_lost", json_number(h->kills_lost));
	json_put(o, "root", json_text(h->root));
	json_put(o, "why", json_text(h->why));
	json_put(o, "next", json_text(h->next));
	json_put(o, "consequence", json_text(h->consequence));
	json_put(o, "events_lost", json_boolean(h->lost));
	put_hang_tasks(o, h);
}

static json_t *hang_json(const struct hang_verdict *h)
{
	struct json_object o = {};

	if (!h)
		return json_null();
	o.json = json_object();
	put_hang(&o, h);
	return json_done(&o);
}

int render_verdict_json(struct renderer *r, const struct verdict *v)
{
	struct json_object then = {.json = json_object()}, o = {.json = json_object()};
	json_auto_t *done = NULL;

	json_put_envelope(&o, r, "svctrace.verdict", v->end_wall_ns, v->end_mono_ns);
	put_state(&o, v);
	json_put(&o, "main", main_json(v));
	json_put(&o, "exit", exit_json(v));
	json_put(&o, "failed_commands", failed_json(v));
	json_put(&o, "stop_timeouts", escalations_json(v));
	json_put(&o, "actor", actor_json(v));
	json_put(&o, "job", job_json(v));
	json_put(&o, "request", request_json(v));
	json_put(&o, "chain", links_json(v));
	json_put(&o, "chain_cut", json_boolean(v->links_cut));
	json_put(&o, "root", root_json(v));
	json_put(&o, "via", texts_json(v->via, v->n_via));
	json_put(&o, "path", json_text(v->path));
	json_put_stack(&o, "stack", "stack_end", &v->stack);
	json_put(&o, "pid_file", pidfiles_json(v));
	json_put(&o, "pid_file_left_out", json_number(v->pidfiles ? v->pidfiles->n_left_out : 0));
	json_put(&o, "hand_over", hand_over_json(v));
	json_put(&then, "restart", json_boolean(v->restarts));
	json_put(&o, "then", json_done(&then));
	json_put(&o, "restart", restart_json(&v->restart));
	json_put(&o, "left_cgroup", gone_json(v));
	json_put(&o, "left_cgroup_earlier", json_number(v->n_gone_earlier));
	json_put(&o, "watchdog", json_watchdog(&v->watchdog));
	json_put(&o, "left", json_look(v->left));
	json_put(&o, "proof", json_proofs(v->proof, v->n_proof));
	json_put(&o, "proof_left_out", json_integer(v->n_proof_left_out));
	json_put(&o, "lost", json_number(v->lost));
	json_put(&o, "notes", texts_json((const char *const *)v->notes, v->n_notes));
	json_put(&o, "hang", hang_json(v->hang));
	json_put(&o, "manager", manager_json(r, v));
	done = json_done(&o);
	return write_json(r, done);
}

int render_slow_json(struct renderer *r, const struct slow_notice *s)
{
	struct json_object o = {.json = json_object()};
	json_auto_t *done = NULL;

	json_put_envelope(&o, r, "svctrace.slow", s->wall_ns, s->mono_ns);
	json_put(&o, "systemd.unit.name", json_text(s->v->unit));
	json_put(&o, "systemd.unit.sub_state", json_text(s->v->sub_state));
	json_put(&o, "cause", json_string(cause_name(s->v->cause)));
	json_put(&o, "begin_time", json_time(s->v->begin_wall_ns));
	json_put(&o, "duration_ns", json_number(s->mono_ns - s->v->begin_mono_ns));
	json_put(&o, "actor", actor_json(s->v));
	json_put(&o, "left", json_look(s->look));
	done = json_done(&o);
	return write_json(r, done);
}

int render_hang_json(struct renderer *r, const struct hang_verdict *h)
{
	struct json_object o = {.json = json_object()};
	json_auto_t *done = NULL;

	json_put_envelope(&o, r, "svctrace.hang", h->wall_ns, h->mono_ns);
	put_hang(&o, h);
	json_put(&o, "ended", json_boolean(h->ended));
	json_put(&o, "proof", json_proofs(h->proof, h->n_proof));
	done = json_done(&o);
	return write_json(r, done);
}

int render_event_json(struct renderer *r, const struct ev *e)
{
	struct json_object o = {.json = json_object()};
	json_auto_t *done = NULL;
	char name[64];

	if (e->kind == WIRE_LOST)
		snprintf(name, sizeof(name), "svctrace.lost");
	else
		snprintf(name, sizeof(name), "svctrace.event.%s", event_name(e->kind, e->scope));
	json_put_envelope(&o, r, name, e->wall_ns, e->mono_ns);
	json_put(&o, "seq", json_number(e->seq));
	json_put(&o, "truncated", json_boolean(e->flags & WIRE_F_TRUNCATED));
	json_put(&o, "process.pid", json_number_or_null(e->tgid, 0));
	json_put(&o, "text", event_text_json(e));
	json_put(&o, "data", event_data_json(e));
	done = json_done(&o);
	return write_json(r, done);
}
