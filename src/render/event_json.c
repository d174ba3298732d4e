/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The data of raw events, kind by kind. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "render/json.h"
#include "svctrace/bus.h"
#include "svctrace/cleanup.h"
#include "svctrace/text.h"

static json_t *slice_json(struct str s)
{
	return json_bytes(s.s, s.n);
}

/* Signed wire fields: WIRE_NONE says that it could not be read. */
static json_t *signed_json(int32_t n)
{
	return n == WIRE_NONE ? json_null() : json_integer(n);
}

static json_t *cmdline_json(struct str s)
{
	char *joined;
	json_t *j;

	if (!s.s)
		return json_null();
	joined = text_join_args(s.s, s.n);
	j = joined ? json_text(joined) : NULL;
	free(joined);
	return j;
}

static json_t *task_json(const struct ev_task *t)
{
	struct json_object o = {.json = json_object()};

	json_put(&o, "process.pid", json_number(t->tgid));
	json_put(&o, "thread.id", json_number(t->tid));
	json_put(&o, "process.vpid", json_number_or_null(t->ns_tgid, 0));
	json_put(&o, "pid_namespace", json_number_or_null(t->pidns, 0));
	json_put(&o, "process.parent_pid", json_number_or_null(t->ppid, 0));
	json_put(&o, "process.start_ns", json_number_or_null(t->start_ns, 0));
	json_put(&o, "process.command", slice_json(t->comm));
	json_put(&o, "process.linux.cgroup", slice_json(t->cgroup_path));
	json_put(&o, "cgroup_id", json_number_or_null(t->cgroup, 0));
	json_put(&o, "uid", json_number(t->uid));
	return json_done(&o);
}

static json_t *arguments_json(const struct ev_service *s)
{
	struct json_object list = {.json = json_array()};

	for (size_t i = 0; i < 3; i++)
		json_append(&list, signed_json(s->arg[i]));
	return json_done(&list);
}

static void put_service(struct json_object *o, const struct ev *e)
{
	const struct ev_service *s = &e->service;

	json_put(o, "function", json_text(event_function(e->kind, e->scope)));
	json_put(o, "systemd.unit.name", slice_json(s->id));
	json_put(o, "address", json_address(s->unit));
	json_put(o, "main_pid", signed_json(s->main_pid));
	json_put(o, "control_pid", signed_json(s->control_pid));
	json_put(o, "state", json_text(s->state));
	json_put(o, "result", json_text(s->result));
	json_put(o, "job_id", json_number_or_null(s->job_id, 0));
	json_put(o, "job_type", json_text(s->job_type));
	json_put(o, "new_state", json_text(s->new_state));
	json_put(o, "new_result", json_text(s->new_result));
	json_put(o, "request", json_text(s->request));
	json_put(o, "request_mode", json_text(s->request_mode));
	json_put(o, "path", slice_json(s->path));
	json_put(o, "arguments", arguments_json(s));
}

static json_t *bits_json(const uint64_t *words, unsigned int n)
{
	struct json_object list = {.json = json_array()};

	for (unsigned int i = 0; i < n; i++)
		if (words[i / 64] >> i % 64 & 1)
			json_append(&list, json_number(i));
	return json_done(&list);
}

static json_t *exit_set_json(const struct ev_exit_set *s)
{
	struct json_object o = {};

	if (!s->known)
		return json_null();
	o.json = json_object();
	json_put(&o, "statuses", bits_json(s->status, WIRE_EXIT_STATUSES));
	json_put(&o, "signals", bits_json(s->signal, WIRE_EXIT_SIGNALS));
	return json_done(&o);
}

static json_t *bool_json(int32_t n)
{
	return n == WIRE_NONE ? json_null() : json_boolean(n);
}

static void put_facts(struct json_object *o, const struct ev_facts *f)
{
	json_put(o, "systemd.unit.name", slice_json(f->id));
	json_put(o, "address", json_address(f->unit));
	json_put(o, "type", json_text(f->type));
	json_put(o, "restart", json_text(f->restart));
	json_put(o, "restart_mode", json_text(f->restart_mode));
	json_put(o, "restart_us", json_usec(f->restart_usec));
	json_put(o, "restart_steps", json_count(f->restart_steps));
	json_put(o, "restart_max_delay_us", json_usec(f->restart_max_delay_usec));
	json_put(o, "n_restarts", json_count(f->n_restarts));
	json_put(o, "forbid_restart", bool_json(f->forbid_restart));
	json_put(o, "main_code", signed_json(f->main_code));
	json_put(o, "main_status", signed_json(f->main_status));
	json_put(o, "restart_prevent_exit_status", exit_set_json(&f->prevent));
	json_put(o, "restart_force_exit_status", exit_set_json(&f->force));
	json_put(o, "success_exit_status", exit_set_json(&f->success));
	json_put(o, "start_limit_interval_us", json_usec(f->limit_interval_usec));
	json_put(o, "start_limit_begin_us", json_usec(f->limit_begin_usec));
	json_put(o, "start_limit_burst", json_count(f->limit_burst));
	json_put(o, "start_limit_num", json_count(f->limit_num));
	json_put(o, "start_limit_action", json_text(f->start_limit_action));
	json_put(o, "failure_action", json_text(f->failure_action));
	json_put(o, "success_action", json_text(f->success_action));
	json_put(o, "oom_policy", json_text(f->oom_policy));
	json_put(o, "timeout_start_us", json_usec(f->timeout_start_usec));
	json_put(o, "timeout_stop_us", json_usec(f->timeout_stop_usec));
	json_put(o, "timeout_abort_us", json_usec(f->timeout_abort_usec));
	json_put(o, "runtime_max_us", json_usec(f->runtime_max_usec));
	json_put(o, "watchdog_timestamp_us", json_usec(f->watchdog_timestamp_usec));
	json_put(o, "watchdog_us", json_usec(f->watchdog_usec));
	json_put(o, "watchdog_original_us", json_usec(f->watchdog_original_usec));
	json_put(o, "watchdog_override_us", json_usec(f->watchdog_override_usec));
	json_put(o, "watchdog_override", bool_json(f->watchdog_override_enable));
}

static void put_job(struct json_object *o, const struct ev *e)
{
	const struct ev_job *j = &e->job;

	json_put(o, "function", json_text(event_function(e->kind, e->scope)));
	json_put(o, "systemd.unit.name", slice_json(j->id));
	json_put(o, "job_type", json_text(j->type));
	json_put(o, "mode", json_text(j->mode));
	json_put(o, "by_unit", slice_json(j->by));
	json_put(o, "by_job_type", json_text(j->by_type));
	json_put(o, "conflict", json_boolean(j->conflict));
	json_put(o, "pending_job_id", json_number_or_null(j->pending, 0));
}

static void put_message(struct json_object *o, const struct ev_message *m)
{
	json_put(o, "member", slice_json(m->member));
	json_put(o, "path", slice_json(m->path));
	json_put(o, "sender", slice_json(m->sender));
	json_put(o, "serial", json_number_or_null(m->serial, 0));
	json_put(o, "peer_pid", json_number_or_null(m->peer, 0));
}

static void put_path(struct json_object *o, const struct ev *e)
{
	json_put(o, "function", json_text(event_function(e->kind, e->scope)));
	json_put(o, "cgroup_id", json_number_or_null(e->path.id, 0));
	json_put(o, "parent_id", json_number_or_null(e->path.parent, 0));
	json_put(o, "path", slice_json(e->path.path));
	json_put(o, "populated",
		 e->kind == WIRE_CGROUP_POPULATED ? json_boolean(e->path.value) : json_null());
	json_put(o, "frozen",
		 e->kind == WIRE_CGROUP_FROZEN ? json_boolean(e->path.value) : json_null());
}

static json_t *ancestors_json(const struct ev_origin *s)
{
	struct json_object list = {.json = json_array()};

	for (uint32_t i = 0; i < s->n_ancestors; i++) {
		struct json_object o = {.json = json_object()};

		json_put(&o, "process.pid", json_number(s->ancestors[i].tgid));
		json_put(&o, "process.start_ns", json_number_or_null(s->ancestors[i].start_ns, 0));
		json_put(&o, "process.command", slice_json(s->ancestors[i].comm));
		json_append(&list, json_done(&o));
	}
	return json_done(&list);
}

/* All but the task itself. */
static void put_origin(struct json_object *o, const struct ev_origin *s)
{
	json_put(o, "login_uid", json_number_or_null(s->loginuid, UINT32_MAX));
	json_put(o, "audit_session", json_number_or_null(s->session, UINT32_MAX));
	json_put(o, "tty", slice_json(s->tty));
	json_put(o, "command_line", cmdline_json(s->cmdline));
	json_put(o, "ancestors", ancestors_json(s));
}

static void put_signal(struct json_object *o, const struct ev_signal *s)
{
	json_put(o, "signal", json_signal(s->sig));
	json_put(o, "code", signed_json(s->code));
	json_put(o, "syscall", signed_json(s->syscall));
	json_put(o, "target_exiting", json_boolean(s->target_flags & WIRE_TARGET_EXITING));
	json_put(o, "to_process", json_boolean(s->target_flags & WIRE_TARGET_GROUP));
	json_put(o, "by_manager", json_boolean(s->target_flags & WIRE_TARGET_MANAGER_SENT));
	json_put(o, "sender", task_json(&s->sender.task));
	json_put(o, "target", task_json(&s->target));
	put_origin(o, &s->sender);
}

static json_t *message_json(const struct bus_message *m)
{
	struct json_object o = {.json = json_object()};

	json_put(&o, "serial", json_number_or_null(m->serial, 0));
	json_put(&o, "destination", slice_json(m->destination));
	json_put(&o, "path", slice_json(m->path));
	json_put(&o, "interface", slice_json(m->interface));
	json_put(&o, "member", slice_json(m->member));
	json_put(&o, "systemd.unit.name", slice_json(m->unit));
	json_put(&o, "job_type", slice_json(m->job_type));
	json_put(&o, "mode", slice_json(m->mode));
	json_put(&o, "whom", slice_json(m->whom));
	json_put(&o, "signal", json_signal(m->signal));
	json_put(&o, "incomplete", json_boolean(m->incomplete));
	return json_done(&o);
}

static json_t *messages_json(const struct ev_client_send *s)
{
	struct json_object list = {.json = json_array()};

	for (uint32_t i = 0; i < s->n_messages; i++)
		json_append(&list, message_json(&s->messages[i]));
	return json_done(&list);
}

static json_t *endpoint_json(enum wire_endpoint endpoint)
{
	static const char *const names[] = {
		[WIRE_ENDPOINT_PRIVATE] = "private",
		[WIRE_ENDPOINT_BUS] = "bus",
		[WIRE_ENDPOINT_VARLINK] = "varlink",
	};

	return json_text((size_t)endpoint < ARRAY_LEN(names) ? names[endpoint] : NULL);
}

static void put_send(struct json_object *o, const struct ev_client_send *s)
{
	json_put(o, "endpoint", endpoint_json(s->endpoint));
	json_put(o, "socket", slice_json(s->socket));
	json_put(o, "listener", json_number_or_null(s->listener, 0));
	json_put(o, "length", json_number(s->length));
	json_put(o, "messages", messages_json(s));
	json_put(o, "more", json_boolean(s->more));
	json_put(o, "client", task_json(&s->client.task));
	put_origin(o, &s->client);
}

static void put_bus_name(struct json_object *o, const struct ev_bus_name *b)
{
	json_put(o, "name", slice_json(b->name));
	json_put(o, "client", json_number_or_null(b->client, 0));
	json_put(o, "listener", json_number_or_null(b->listener, 0));
	json_put(o, "socket", slice_json(b->socket));
}

static void put_process(struct json_object *o, const struct ev *e)
{
	bool exited = e->kind == WIRE_EXIT, exec = e->kind == WIRE_EXEC;

	json_put(o, "task", task_json(&e->process.task));
	json_put(o, "status", exited ? json_integer(e->process.code) : json_null());
	json_put(o, "process.executable.path", exec ? slice_json(e->process.exe) : json_null());
	json_put(o, "process.command_line", exec ? cmdline_json(e->process.cmdline) : json_null());
}

static void put_proc(struct json_object *o, const struct ev_proc *p)
{
	json_put(o, "task", task_json(&p->task));
	json_put(o, "login_uid", json_number_or_null(p->loginuid, UINT32_MAX));
	json_put(o, "audit_session", json_number_or_null(p->session, UINT32_MAX));
	json_put(o, "process.executable.path", slice_json(p->exe));
	json_put(o, "process.command_line", cmdline_json(p->cmdline));
	json_put(o, "process.linux.cgroup", slice_json(p->cgroup));
	json_put(o, "tty", slice_json(p->tty));
}

static void put_kernel(struct json_object *o, const struct ev *e)
{
	if (e->kind == WIRE_CGROUP_ATTACH) {
		json_put(o, "task", task_json(&e->attach.task));
		json_put(o, "cgroup_id", json_number_or_null(e->attach.cgroup, 0));
		json_put(o, "path", slice_json(e->attach.path));
		json_put(o, "whole_process", json_boolean(e->attach.threadgroup));
	} else if (e->kind == WIRE_PIDNS_ZAP_ENTER || e->kind == WIRE_PIDNS_ZAP_EXIT) {
		json_put(o, "init", task_json(&e->pidns.init));
		json_put(o, "pid_namespace", json_number(e->pidns.pidns));
	} else {
		json_put(o, "task", task_json(&e->fuse.task));
		json_put(o, "connection", json_number(e->fuse.connection));
		json_put(o, "exiting", json_boolean(e->fuse.exiting));
		json_put(o, "return",
			 e->kind == WIRE_FUSE_FLUSH_EXIT ? signed_json(e->fuse.ret) : json_null());
	}
}

static void put_levels(struct json_object *o, const struct ev *e)
{
	struct json_object list = {.json = json_array()};

	for (uint32_t i = 0; i < e->pid_levels.n && i < WIRE_PID_LEVELS_MAX; i++) {
		struct json_object level = {.json = json_object()};

		json_put(&level, "pid_namespace", json_number(e->pid_levels.pidns[i]));
		json_put(&level, "id", json_number(e->pid_levels.nr[i]));
		json_append(&list, json_done(&level));
	}
	json_put(o, "levels", json_done(&list));
	json_put(o, "count", json_number(e->pid_levels.n));
}

/* Those whose bit is set. */
static json_t *holders_json(const struct ev *e, uint32_t which)
{
	struct json_object list = {.json = json_array()};

	for (uint32_t i = 0; i < e->fuse_holders.n && i < WIRE_FUSE_HOLDERS_MAX; i++)
		if ((which & 1u << i))
			json_append(&list, json_number(e->fuse_holders.tgid[i]));
	return json_done(&list);
}

static void put_holders(struct json_object *o, const struct ev *e)
{
	json_put(o, "connection", json_number(e->fuse_holders.connection));
	json_put(o, "error", json_integer(e->fuse_holders.error));
	json_put(o, "holders", holders_json(e, UINT32_MAX));
	json_put(o, "stopped", holders_json(e, e->fuse_holders.stopped));
	json_put(o, "count", json_number(e->fuse_holders.n));
}

static void put_keepalive(struct json_object *o, const struct ev_keepalive *k)
{
	json_put(o, "systemd.unit.name", slice_json(k->id));
	json_put(o, "at_ns", json_number(k->at_ns));
	json_put(o, "unit_interval_ns", json_number(k->unit_ns));
	json_put(o, "started_interval_ns", json_number(k->started_ns));
	json_put(o, "message_interval_ns",
		 k->by_message == 1 ? json_number(k->message_ns) : json_null());
	json_put(o, "main_pid", signed_json(k->main_pid));
	json_put(o, "state", json_text(k->state));
	json_put(o, "left_out", json_number(k->left_out));
}

static void put_thread(struct json_object *o, const struct ev_thread *t)
{
	const char state[] = {t->state, 0};

	json_put(o, "task", task_json(&t->task));
	json_put(o, "state", json_text(state));
	json_put(o, "stack", json_lines(t->stack));
	json_put(o, "cpu_ns", json_number(t->cpu_ns));
	json_put(o, "cpu_since_keepalive_ns",
		 json_number_or_null(t->cpu_since_ns, WIRE_CPU_UNKNOWN));
}

static void put_look(struct json_object *o, const struct ev_look *l)
{
	json_put(o, "systemd.unit.name", slice_json(l->id));
	json_put(o, "reason", json_text(look_reason_name(l->reason)));
	json_put(o, "at_ns", json_number(l->at_ns));
	json_put(o, "took_ns", json_number(l->took_ns));
	json_put(o, "error", json_integer(l->error));
	json_put(o, "threads", json_number(l->n));
}

static void put_watchdog_use(struct json_object *o, const struct ev_watchdog_use *u)
{
	json_put(o, "device", json_number(u->device));
	json_put(o, "op", json_text(watchdog_op_name(u->op)));
	json_put(o, "value", u->value == WIRE_NONE ? json_null() : json_integer(u->value));
	json_put(o, "last_ping_ns", json_number_or_null(u->since_ns, 0));
	json_put(o, "left_out", json_number(u->left_out));
	json_put(o, "task", task_json(&u->task));
}

static json_t *flag_json(int32_t flag)
{
	return flag == WIRE_NONE ? json_null() : json_boolean(flag != 0);
}

static void put_watchdog_device(struct json_object *o, const struct ev_watchdog_device *d)
{
	json_put(o, "device", json_number(d->device));
	json_put(o, "identity", slice_json(d->identity));
	json_put(o, "driver", slice_json(d->driver));
	json_put(o, "timeout_ns", json_number_or_null(d->timeout_ns, 0));
	json_put(o, "running", flag_json(d->running));
	json_put(o, "nowayout", flag_json(d->nowayout));
	json_put(o, "holder", json_number_or_null(d->holder, 0));
	json_put(o, "overdue", json_boolean(d->overdue));
	json_put(o, "last_ping_ns", json_number_or_null(d->pinged_ns, 0));
	json_put(o, "threads", json_number(d->threads));
}

static void put_watchdog_settings(struct json_object *o, const struct ev_watchdog_settings *w)
{
	json_put(o, "device", json_number(w->device));
	json_put(o, "runtime_us", json_usec(w->runtime_usec));
	json_put(o, "reboot_us", json_usec(w->reboot_usec));
	json_put(o, "last_ping_ns", json_number_or_null(w->pinged_ns, 0));
	json_put(o, "path", slice_json(w->path));
}

static void put_pidfile(struct json_object *o, const struct ev_pidfile *p)
{
	json_put(o, "systemd.unit.name", slice_json(p->id));
	json_put(o, "path", slice_json(p->path));
	json_put(o, "looked_at_ns", json_number(p->looked_ns));
	json_put(o, "failed", json_integer(p->failed));
	json_put(o, "changed", json_boolean(p->changed));
	json_put(o, "renamed", json_boolean(p->renamed));
	json_put(o, "outcome", slice_json(p->outcome));
	json_put(o, "rule", slice_json(p->rule));
	json_put(o, "error", json_integer(p->error));
	json_put(o, "line", slice_json(p->line));
	json_put(o, "whole", json_boolean(p->whole));
	json_put(o, "pid", json_number_or_null(p->pid > 0 ? p->pid : 0, 0));
	json_put(o, "half_of", json_number_or_null(p->half_of > 0 ? p->half_of : 0, 0));
	json_put(o, "process.command", slice_json(p->comm));
	json_put(o, "process.linux.cgroup", slice_json(p->cgroup));
	json_put(o, "owner", p->found ? json_number(p->owner) : json_null());
	json_put(o, "device", p->found ? json_number(p->dev) : json_null());
	json_put(o, "inode", p->found ? json_number(p->ino) : json_null());
	json_put(o, "size", p->found ? json_number(p->size) : json_null());
	json_put(o, "modified_ns", p->found ? json_number(p->mtime_ns) : json_null());
	json_put(o, "from", slice_json(p->from));
	json_put(o, "from_uid", p->from.s ? json_number(p->from_uid) : json_null());
	json_put(o, "step", slice_json(p->step));
	json_put(o, "step_uid", p->step.s ? json_number(p->step_uid) : json_null());
	json_put(o, "why", slice_json(p->why));
	json_put(o, "mend", slice_json(p->mend));
}

/* "KEY=VALUE", each ended by NUL; the first of a key counts. */
static json_t *facts_json(struct str text)
{
	struct json_object list = {.json = json_array()};

	for (size_t i = 0; i < text.n; i++) {
		size_t n = strnlen(text.s + i, text.n - i);

		json_append(&list, json_bytes(text.s + i, n));
		i += n;
	}
	return json_done(&list);
}

static void put_manager(struct json_object *o, const struct ev *e)
{
	json_put(o, "process.pid", json_number(e->manager.tgid));
	json_put(o, "process.vpid", json_number_or_null(e->manager.ns_tgid, 0));
	json_put(o, "user", json_boolean(e->manager.user));
	json_put(o, "uid", json_number(e->manager.uid));
	json_put(o, "object", slice_json(e->manager.object));
	json_put(o, "build_id", slice_json(e->manager.build_id));
	json_put(o, "version", slice_json(e->manager.version));
}

/* What capture looked at, or was shown. */
static void put_seen(struct json_object *o, const struct ev *e)
{
	switch (e->kind) {
	case WIRE_PID_LEVELS:
		put_levels(o, e);
		break;
	case WIRE_FUSE_HOLDERS:
		put_holders(o, e);
		break;
	case WIRE_SERVICE_KEEPALIVE:
		put_keepalive(o, &e->keepalive);
		break;
	case WIRE_THREAD:
		put_thread(o, &e->thread);
		break;
	case WIRE_WATCHDOG_USE:
		put_watchdog_use(o, &e->watchdog_use);
		break;
	case WIRE_WATCHDOG_DEVICE:
		put_watchdog_device(o, &e->watchdog_device);
		break;
	case WIRE_WATCHDOG_SETTINGS:
		put_watchdog_settings(o, &e->watchdog_settings);
		break;
	case WIRE_LOOK:
		put_look(o, &e->look);
		break;
	case WIRE_PIDFILE:
		put_pidfile(o, &e->pidfile);
		break;
	default:
		break;
	}
}

/* What it says of itself, and of a manager's code. */
static void put_capture(struct json_object *o, const struct ev *e)
{
	switch (e->kind) {
	case WIRE_START:
		json_put(o, "facts", facts_json(e->text));
		break;
	case WIRE_CLOCK:
		json_put(o, "boot_ns", json_number(e->clock.boot_ns));
		json_put(o, "real_ns", json_number(e->clock.real_ns));
		break;
	case WIRE_MANAGER:
		put_manager(o, e);
		break;
	case WIRE_ENUM:
		json_put(o, "name", slice_json(e->enumeration.name));
		json_put(o, "values", facts_json(e->enumeration.values));
		break;
	case WIRE_OFFSET:
		json_put(o, "name", slice_json(e->symbol.name));
		json_put(o, "origin", slice_json(e->symbol.origin));
		json_put(o, "offset", json_integer((json_int_t)e->symbol.vaddr));
		break;
	case WIRE_SYMBOL:
		json_put(o, "name", slice_json(e->symbol.name));
		json_put(o, "origin", slice_json(e->symbol.origin));
		json_put(o, "address", json_address(e->symbol.vaddr));
		json_put(o, "file_offset", json_address(e->symbol.file_offset));
		break;
	case WIRE_PROBE:
		json_put(o, "name", slice_json(e->probe.name));
		json_put(o, "error", json_integer(e->probe.error));
		json_put(o, "how", slice_json(e->probe.how));
		json_put(o, "reason", slice_json(e->probe.reason));
		break;
	case WIRE_STACK:
		json_put_stack(o, "stack", "stack_end", &e->stack);
		break;
	case WIRE_USER_STACK:
		json_put_stack(o, "stack", "stack_end", &e->user_stack.stack);
		json_put(o, "error", json_string(user_stack_error_name(e->user_stack.error)));
		break;
	case WIRE_STACK_SAMPLE:
		json_put(o, "address", json_address(e->sample.sp));
		json_put(o, "bytes", json_number(e->sample.bytes));
		json_put(o, "wanted", json_number(e->sample.wanted));
		break;
	case WIRE_DEPENDENCY:
		json_put(o, "systemd.unit.name", slice_json(e->dependency.unit));
		json_put(o, "by_unit", slice_json(e->dependency.by));
		json_put(o, "dependency", slice_json(e->dependency.name));
		break;
	case WIRE_GONE:
		json_put(o, "systemd.unit.name", slice_json(e->gone.unit));
		json_put(o, "bound_to", slice_json(e->gone.bound_to));
		json_put(o, "since_ns", json_number_or_null(e->gone.since_ns, 0));
		break;
	case WIRE_LOST:
		json_put(o, "since_ns", json_number(e->lost.since_ns));
		json_put(o, "count", json_number(e->lost.count));
		json_put(o, "probe", slice_json(e->lost.probe));
		break;
	default:
		put_seen(o, e);
		break;
	}
}

json_t *event_text_json(const struct ev *e)
{
	char text[1024];

	return json_text(ev_describe(text, sizeof(text), e));
}

json_t *event_data_json(const struct ev *e)
{
	struct json_object o = {.json = json_object()};

	switch (e->kind) {
	case WIRE_SERVICE_ENTER_STOP ... WIRE_SERVICE_CGROUP_EMPTY:
	case WIRE_SERVICE_PIDFILE_LOAD ... WIRE_BUS_QUEUE_JOB:
	case WIRE_BUS_KILL:
		put_service(&o, e);
		break;
	case WIRE_MANAGER_ADD_JOB:
	case WIRE_TRANSACTION_JOB:
	case WIRE_UNIT_TRIGGERS:
		put_job(&o, e);
		break;
	case WIRE_EMERGENCY_ACTION:
		json_put(&o, "function", json_text(event_function(e->kind, e->scope)));
		json_put(&o, "action", json_text(e->action));
		break;
	case WIRE_SERVICE_FACTS:
		put_facts(&o, &e->facts);
		break;
	case WIRE_BUS_MESSAGE:
		put_message(&o, &e->message);
		break;
	case WIRE_MANAGER_CGROUP_EMPTY:
	case WIRE_MANAGER_CGROUP_EVENT:
	case WIRE_CGROUP_MKDIR:
	case WIRE_CGROUP_RMDIR:
	case WIRE_CGROUP_POPULATED:
	case WIRE_CGROUP_FROZEN:
	case WIRE_CGROUP:
		put_path(&o, e);
		break;
	case WIRE_FORK ... WIRE_EXIT:
	case WIRE_OOM_VICTIM:
		put_process(&o, e);
		break;
	case WIRE_SIGNAL:
		put_signal(&o, &e->signal);
		break;
	case WIRE_CLIENT_SEND:
		put_send(&o, &e->send);
		break;
	case WIRE_BUS_NAME:
		put_bus_name(&o, &e->bus_name);
		break;
	case WIRE_PROC:
		put_proc(&o, &e->proc);
		break;
	case WIRE_CGROUP_ATTACH:
	case WIRE_PIDNS_ZAP_ENTER ... WIRE_FUSE_FLUSH_EXIT:
	case WIRE_FUSE_SERVE:
		put_kernel(&o, e);
		break;
	default:
		put_capture(&o, e);
		break;
	}
	return json_done(&o);
}
