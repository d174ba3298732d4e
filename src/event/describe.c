/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Events in one line each: for --events, and for the proof under a verdict. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "svctrace/bus.h"
#include "svctrace/event.h"
#include "svctrace/text.h"

#define TASK_LEN 96
#define NAME_LEN 300

static const char *or_unknown(const char *name)
{
	return name ? name : "?";
}

/* Foreign bytes made safe. */
static const char *show(struct str s, char buf[static NAME_LEN])
{
	return text_escape(buf, NAME_LEN, s.s ? s.s : "?", s.s ? s.n : 1);
}

/* "kill 11733" */
static const char *show_task(const struct ev_task *t, char buf[static TASK_LEN])
{
	char comm[NAME_LEN];

	snprintf(buf, TASK_LEN, "%s %" PRIu32, show(t->comm, comm), t->tgid);
	return buf;
}

/* si_code as waitid(2) gives it, with the status that goes with it. */
static void show_end(int32_t code, int32_t status, char buf[static 64])
{
	char sig[24];

	if (code == CLD_EXITED)
		snprintf(buf, 64, "exited with %" PRId32, status);
	else
		snprintf(buf, 64, "was killed by %s%s", text_signal(status, sig),
			 code == CLD_DUMPED ? " and dumped core" : "");
}

static void describe_sigchld(char *dst, size_t size, const struct ev_service *s, const char *id)
{
	const char *who = s->arg[0] == s->main_pid	? "main process"
			  : s->arg[0] == s->control_pid ? "control process"
							: "process";
	char end[64];

	show_end(s->arg[1], s->arg[2], end);
	snprintf(dst, size, "service_sigchld_event of %s: %s %" PRId32 " %s", id, who, s->arg[0],
		 end);
}

static void describe_service(char *dst, size_t size, const struct ev *e)
{
	const struct ev_service *s = &e->service;
	const char *function = event_function(e->kind, e->scope);
	char name[NAME_LEN];
	const char *id = show(s->id, name);

	/* a unit's name is plain by its charset: its backslashes need no escaping */
	if (s->id.s)
		snprintf(name, sizeof(name), "%.*s", (int)s->id.n, s->id.s);
	switch (e->kind) {
	case WIRE_SERVICE_ENTER_STOP:
	case WIRE_SERVICE_ENTER_DEAD:
		snprintf(dst, size, "%s(%s) of %s, state %s", function, or_unknown(s->new_result),
			 id, or_unknown(s->state));
		break;
	case WIRE_SERVICE_ENTER_SIGNAL:
		snprintf(dst, size, "%s(%s, %s) of %s, state %s", function,
			 or_unknown(s->new_state), or_unknown(s->new_result), id,
			 or_unknown(s->state));
		break;
	case WIRE_SERVICE_SET_STATE:
		snprintf(dst, size, "state of %s: %s to %s, result %s", id, or_unknown(s->state),
			 or_unknown(s->new_state), or_unknown(s->result));
		break;
	case WIRE_SERVICE_STOP:
		snprintf(dst, size, "%s job %" PRIu32 " of %s runs", or_unknown(s->job_type),
			 s->job_id, id);
		break;
	case WIRE_SERVICE_SIGCHLD:
		describe_sigchld(dst, size, s, id);
		break;
	case WIRE_BUS_QUEUE_JOB:
		snprintf(dst, size, "a client asks to %s %s (%s)", or_unknown(s->request), id,
			 or_unknown(s->request_mode));
		break;
	case WIRE_BUS_KILL:
		snprintf(dst, size, "a client asks to send a signal to %s", id);
		break;
	case WIRE_SERVICE_PIDFILE_RESULT:
		snprintf(dst, size, "%s of %s returns %" PRId32, function, id, s->arg[0]);
		break;
	default:
		snprintf(dst, size, "%s of %s, state %s", function, id, or_unknown(s->state));
		break;
	}
}

static void describe_facts(char *dst, size_t size, const struct ev_facts *f)
{
	char restarts[40] = "";

	if (f->n_restarts != WIRE_NONE)
		snprintf(restarts, sizeof(restarts), ", restarted %" PRIu32 " times",
			 (uint32_t)f->n_restarts);
	snprintf(dst, size, "settings of %.*s: Restart=%s%s", (int)f->id.n, f->id.s,
		 or_unknown(f->restart), restarts);
}

/* Unit names are plain by their charset. */
static void describe_job(char *dst, size_t size, const struct ev *e)
{
	const struct ev_job *j = &e->job;
	int id = (int)j->id.n, by = (int)j->by.n;

	switch (e->kind) {
	case WIRE_UNIT_TRIGGERS:
		snprintf(dst, size, "%.*s triggers", id, j->id.s);
		break;
	case WIRE_MANAGER_ADD_JOB:
		snprintf(dst, size, "%s job for %.*s (%s)", or_unknown(j->type), id, j->id.s,
			 or_unknown(j->mode));
		break;
	default:
		if (j->by.s)
			snprintf(dst, size, "%s job for %.*s, because %.*s gets a %s job%s",
				 or_unknown(j->type), id, j->id.s, by, j->by.s,
				 or_unknown(j->by_type), j->conflict ? " (Conflicts=)" : "");
		else
			snprintf(dst, size, "%s job for %.*s", or_unknown(j->type), id, j->id.s);
		break;
	}
}

static void describe_message(char *dst, size_t size, const struct ev_message *m)
{
	char member[NAME_LEN], sender[NAME_LEN];

	show(m->member, member);
	if (m->sender.s)
		snprintf(dst, size, "systemd handles %s of %s, serial %" PRIu32, member,
			 show(m->sender, sender), m->serial);
	else
		snprintf(dst, size,
			 "systemd handles %s on its private socket, serial %" PRIu32
			 ", peer %" PRIu32,
			 member, m->serial, m->peer);
}

static void describe_signal(char *dst, size_t size, const struct ev_signal *s)
{
	char from[TASK_LEN], to[TASK_LEN], sig[24];

	snprintf(dst, size, "%s to %s from %s%s%s", text_signal(s->sig, sig),
		 show_task(&s->target, to), show_task(&s->sender.task, from),
		 s->target_flags & WIRE_TARGET_MANAGER_SENT ? " (the manager)" : "",
		 s->target_flags & WIRE_TARGET_EXITING ? ", already exiting" : "");
}

static const char *show_endpoint(enum wire_endpoint endpoint)
{
	switch (endpoint) {
	case WIRE_ENDPOINT_PRIVATE:
		return "the private socket";
	case WIRE_ENDPOINT_BUS:
		return "the bus";
	case WIRE_ENDPOINT_VARLINK:
		return "Varlink";
	default:
		return "?";
	}
}

/* "systemctl 1234 calls StopUnit(nginx.service, replace), serial 3, on the private socket" */
static void describe_send(char *dst, size_t size, const struct ev_client_send *s)
{
	char task[TASK_LEN], call[2 * NAME_LEN], serial[24] = "";
	const struct bus_message *m = s->messages;

	show_task(&s->client.task, task);
	if (s->n_messages == 0) {
		snprintf(dst, size, "%s sends %" PRIu32 " bytes to %s", task, s->length,
			 show_endpoint(s->endpoint));
		return;
	}
	if (m->serial)
		snprintf(serial, sizeof(serial), ", serial %" PRIu32, m->serial);
	snprintf(dst, size, "%s calls %s%s, on %s%s", task, bus_describe(call, sizeof(call), m),
		 serial, show_endpoint(s->endpoint),
		 s->n_messages > 1 || s->more ? ", and more" : "");
}

static void describe_bus_name(char *dst, size_t size, const struct ev_bus_name *b)
{
	char name[NAME_LEN];

	snprintf(dst, size, "process %" PRIu32 " is %s on the bus", b->client, show(b->name, name));
}

static void describe_process(char *dst, size_t size, const struct ev *e)
{
	const struct ev_task *t = &e->process.task;
	char task[TASK_LEN], exe[NAME_LEN], sig[24];
	int code = e->process.code;

	show_task(t, task);
	if (e->kind == WIRE_FORK)
		snprintf(dst, size, "%s forked by %" PRIu32, task, t->ppid);
	else if (e->kind == WIRE_EXEC)
		snprintf(dst, size, "%s executes %s", task, show(e->process.exe, exe));
	else if (e->kind == WIRE_OOM_VICTIM)
		snprintf(dst, size, "%s chosen by the kernel's OOM killer", task);
	else if (WIFSIGNALED(code))
		snprintf(dst, size, "%s killed by %s%s", task, text_signal(WTERMSIG(code), sig),
			 WCOREDUMP(code) ? ", core dumped" : "");
	else
		snprintf(dst, size, "%s exited with %d", task, WEXITSTATUS(code));
}

static void describe_path(char *dst, size_t size, const struct ev *e)
{
	char path[NAME_LEN];

	show(e->path.path, path);
	if (!e->path.path.s)
		snprintf(path, sizeof(path), "id %" PRIu64, e->path.id);
	switch (e->kind) {
	case WIRE_MANAGER_CGROUP_EVENT:
		snprintf(dst, size, "%s", event_function(e->kind, e->scope));
		break;
	case WIRE_MANAGER_CGROUP_EMPTY:
		snprintf(dst, size, "%s: %s", event_function(e->kind, e->scope), path);
		break;
	case WIRE_CGROUP_POPULATED:
		snprintf(dst, size, "cgroup %s %s", path, e->path.value ? "populated" : "empty");
		break;
	case WIRE_CGROUP_FROZEN:
		snprintf(dst, size, "cgroup %s %s", path, e->path.value ? "frozen" : "thawed");
		break;
	default:
		snprintf(dst, size, "cgroup %s %s", path,
			 e->kind == WIRE_CGROUP_RMDIR	? "removed"
			 : e->kind == WIRE_CGROUP_MKDIR ? "made"
							: "exists");
		break;
	}
}

static void describe_attach(char *dst, size_t size, const struct ev *e)
{
	char task[TASK_LEN], path[NAME_LEN];

	snprintf(dst, size, "%s moved to cgroup %s by %" PRIu32, show_task(&e->attach.task, task),
		 show(e->attach.path, path), e->tgid);
}

static void describe_kernel(char *dst, size_t size, const struct ev *e)
{
	char task[TASK_LEN];

	if (e->kind == WIRE_PIDNS_ZAP_ENTER || e->kind == WIRE_PIDNS_ZAP_EXIT)
		snprintf(dst, size, "%s of pid namespace %" PRIu32 " by its init %s",
			 e->kind == WIRE_PIDNS_ZAP_ENTER ? "teardown" : "end of the teardown",
			 e->pidns.pidns, show_task(&e->pidns.init, task));
	else if (e->kind == WIRE_FUSE_SERVE)
		snprintf(dst, size, "FUSE connection %" PRIu32 " is served by %s",
			 e->fuse.connection, show_task(&e->fuse.task, task));
	else
		snprintf(dst, size, "%s of FUSE connection %" PRIu32 " by %s%s",
			 e->kind == WIRE_FUSE_FLUSH_ENTER ? "flush" : "end of the flush",
			 e->fuse.connection, show_task(&e->fuse.task, task),
			 e->fuse.exiting ? ", exiting" : "");
}

static void describe_probe(char *dst, size_t size, const struct ev *e)
{
	char name[NAME_LEN], how[NAME_LEN], reason[NAME_LEN];

	show(e->probe.name, name);
	if (e->probe.error == 0)
		snprintf(dst, size, "probe %s is live: %s", name, show(e->probe.how, how));
	else
		snprintf(dst, size, "probe %s is missing: %s", name, show(e->probe.reason, reason));
}

/* "its number in each pid namespace: 812 7 1" */
static void describe_levels(char *dst, size_t size, const struct ev *e)
{
	size_t n = snprintf(dst, size, "its number in each pid namespace:");

	for (unsigned int i = 0; i < e->pid_levels.n && i < WIRE_PID_LEVELS_MAX && n < size; i++)
		n += snprintf(dst + n, size - n, " %" PRIu32, e->pid_levels.nr[i]);
	if (e->pid_levels.n > WIRE_PID_LEVELS_MAX && n < size)
		snprintf(dst + n, size - n, " and more");
}

/* "FUSE connection 33 is held open by 812 813" */
static void describe_holders(char *dst, size_t size, const struct ev *e)
{
	size_t n = snprintf(dst, size, "FUSE connection %" PRIu32, e->fuse_holders.connection);
	unsigned int i = 0;

	if (e->fuse_holders.error || e->fuse_holders.n == 0) {
		snprintf(dst + n, size - n,
			 e->fuse_holders.error ? ": who holds it open cannot be told"
					       : " is held open by no process");
		return;
	}
	n += snprintf(dst + n, size - n, " is held open by");
	for (; i < e->fuse_holders.n && i < WIRE_FUSE_HOLDERS_MAX && n < size; i++)
		n += snprintf(dst + n, size - n, " %" PRIu32 "%s", e->fuse_holders.tgid[i],
			      e->fuse_holders.stopped & 1u << i ? " (stopped)" : "");
	if (e->fuse_holders.n > i && n < size)
		snprintf(dst + n, size - n, " and more");
}

/* "keepalive of x.service, interval 30s" */
static void describe_keepalive(char *dst, size_t size, const struct ev_keepalive *k)
{
	char interval[32];

	snprintf(dst, size, "keepalive of %.*s, interval %s%s", (int)k->id.n, k->id.s,
		 text_duration(k->by_message == 1 ? k->message_ns : k->started_ns, interval),
		 k->by_message == 1 ? " (by WATCHDOG_USEC=)" : "");
}

/* "thread 813 of worker 812 is D in fuse_flush": the innermost function. */
static void describe_thread(char *dst, size_t size, const struct ev_thread *t)
{
	const char *end = t->stack.s ? memchr(t->stack.s, '\n', t->stack.n) : NULL;
	int n = end ? (int)(end - t->stack.s) : (int)t->stack.n;
	char task[TASK_LEN];

	snprintf(dst, size, "thread %" PRIu32 " of %s is %c%s%.*s", t->task.tid,
		 show_task(&t->task, task), t->state, n > 0 ? " in " : "", n,
		 t->stack.s ? t->stack.s : "");
}

static void describe_look(char *dst, size_t size, const struct ev_look *l)
{
	if (l->error)
		snprintf(dst, size, "look at %.*s failed", (int)l->id.n, l->id.s);
	else
		snprintf(dst, size, "look at %.*s (%s): %" PRIu32 " threads", (int)l->id.n, l->id.s,
			 look_reason_name(l->reason), l->n);
}

/* "ping of watchdog0 by systemd 1, 4s after the one before" */
static void describe_watchdog_use(char *dst, size_t size, const struct ev *e)
{
	const struct ev_watchdog_use *u = &e->watchdog_use;
	char task[TASK_LEN], gap[32], value[32] = "";

	if (u->op == WIRE_WATCHDOG_SET_TIMEOUT && u->value != WIRE_NONE)
		snprintf(value, sizeof(value), " to %" PRIi32 " s", u->value);
	snprintf(dst, size, "%s%s of watchdog%" PRIu32 " by %s", watchdog_op_name(u->op), value,
		 u->device, show_task(&u->task, task));
	if (u->since_ns && u->since_ns < e->mono_ns && strlen(dst) < size)
		snprintf(dst + strlen(dst), size - strlen(dst), ", %s after the last ping",
			 text_duration(e->mono_ns - u->since_ns, gap));
}

/* "watchdog0 (Software Watchdog) has a timeout of 8s, held by process 1: overdue" */
static void describe_watchdog_device(char *dst, size_t size, const struct ev_watchdog_device *d)
{
	char identity[NAME_LEN], timeout[32], holder[32] = "nobody known";

	if (d->holder)
		snprintf(holder, sizeof(holder), "process %" PRIu32, d->holder);
	snprintf(dst, size, "watchdog%" PRIu32 " (%s) has a timeout of %s, held by %s%s", d->device,
		 show(d->identity, identity),
		 d->timeout_ns ? text_duration(d->timeout_ns, timeout) : "?", holder,
		 d->overdue	   ? ": a ping is overdue"
		 : d->running == 0 ? ", stopped"
				   : "");
}

/* "systemd is set to RuntimeWatchdogSec=8s, RebootWatchdogSec=10min, and has pinged watchdog0" */
static void describe_watchdog_settings(char *dst, size_t size, const struct ev *e)
{
	const struct ev_watchdog_settings *w = &e->watchdog_settings;
	char runtime[32], reboot[32], ago[32];

	snprintf(dst, size, "watchdog%" PRIu32 ": RuntimeWatchdogSec=%s, RebootWatchdogSec=%s",
		 w->device, text_usec(w->runtime_usec, runtime), text_usec(w->reboot_usec, reboot));
	if (w->pinged_ns && w->pinged_ns < e->mono_ns && strlen(dst) < size)
		snprintf(dst + strlen(dst), size - strlen(dst), ", pinged %s before",
			 text_duration(e->mono_ns - w->pinged_ns, ago));
}

/* "PID file /run/d.pid of d.service says "812": refused (unsafe-path)" */
static void describe_pidfile(char *dst, size_t size, const struct ev_pidfile *p)
{
	char path[NAME_LEN], line[NAME_LEN], rule[NAME_LEN];
	int n = snprintf(dst, size, "PID file %s of %.*s%s", show(p->path, path), (int)p->id.n,
			 p->id.s,
			 !p->changed		   ? ""
			 : !p->found && !p->failed ? ", removed"
			 : p->renamed		   ? ", replaced,"
						   : ", written,");

	if (n < 0 || (size_t)n >= size)
		return;
	dst += n;
	size -= n;
	if (p->failed)
		snprintf(dst, size, " could not be looked at");
	else
		snprintf(dst, size, "%s%s%s: %s (%s)", p->line.s ? " says \"" : "",
			 p->line.s ? show(p->line, line) : "", p->line.s ? "\"" : "",
			 show(p->outcome, path), show(p->rule, rule));
}

/* "call stack, whole: service_enter_stop < service_sigchld_event < source_dispatch" */
static void describe_stack(char *dst, size_t size, const char *what, const struct ev_stack *s)
{
	size_t n = snprintf(dst, size, "%s stack, %s:", what, stack_end_name(s->end));
	char name[NAME_LEN];

	for (unsigned int i = 0; i < s->n && n < size; i++)
		n += snprintf(dst + n, size - n, "%s %s", i ? " <" : "",
			      show(s->frames[i].name, name));
}

/* What capture looked at, or was shown. */
static void describe_seen(char *dst, size_t size, const struct ev *e)
{
	switch (e->kind) {
	case WIRE_PID_LEVELS:
		describe_levels(dst, size, e);
		break;
	case WIRE_FUSE_HOLDERS:
		describe_holders(dst, size, e);
		break;
	case WIRE_SERVICE_KEEPALIVE:
		describe_keepalive(dst, size, &e->keepalive);
		break;
	case WIRE_USER_STACK:
		if (e->user_stack.error)
			snprintf(dst, size, "no user stack of thread %" PRIu32 ": %s", e->tid,
				 user_stack_error_name(e->user_stack.error));
		else
			describe_stack(dst, size, "user", &e->user_stack.stack);
		break;
	case WIRE_THREAD:
		describe_thread(dst, size, &e->thread);
		break;
	case WIRE_WATCHDOG_USE:
		describe_watchdog_use(dst, size, e);
		break;
	case WIRE_WATCHDOG_DEVICE:
		describe_watchdog_device(dst, size, &e->watchdog_device);
		break;
	case WIRE_WATCHDOG_SETTINGS:
		describe_watchdog_settings(dst, size, e);
		break;
	case WIRE_LOOK:
		describe_look(dst, size, &e->look);
		break;
	case WIRE_PIDFILE:
		describe_pidfile(dst, size, &e->pidfile);
		break;
	default:
		snprintf(dst, size, "%s", or_unknown(event_name(e->kind, e->scope)));
		break;
	}
}

/* What it says of itself, and of a manager's code. */
static void describe_capture(char *dst, size_t size, const struct ev *e)
{
	char a[NAME_LEN], b[NAME_LEN];

	switch (e->kind) {
	case WIRE_MANAGER:
		snprintf(dst, size, "manager %" PRIu32 ": systemd %s", e->tgid,
			 show(e->manager.version, a));
		break;
	case WIRE_ENUM:
		snprintf(dst, size, "names of %s", show(e->enumeration.name, a));
		break;
	case WIRE_OFFSET:
		snprintf(dst, size, "%s is at offset %" PRIu64 " (%s)", show(e->symbol.name, a),
			 e->symbol.vaddr, show(e->symbol.origin, b));
		break;
	case WIRE_SYMBOL:
		snprintf(dst, size, "%s at 0x%" PRIx64 " (%s)", show(e->symbol.name, a),
			 e->symbol.vaddr, show(e->symbol.origin, b));
		break;
	case WIRE_PROBE:
		describe_probe(dst, size, e);
		break;
	case WIRE_PROC:
		snprintf(dst, size, "%s %" PRIu32 " in cgroup %s", show(e->proc.task.comm, a),
			 e->proc.task.tgid, show(e->proc.cgroup, b));
		break;
	case WIRE_DEPENDENCY:
		snprintf(dst, size, "%.*s hangs on %.*s by %s", (int)e->dependency.unit.n,
			 e->dependency.unit.s, (int)e->dependency.by.n, e->dependency.by.s,
			 e->dependency.name.s ? show(e->dependency.name, a) : "?");
		break;
	case WIRE_GONE:
		snprintf(dst, size, "%.*s is bound to %.*s, which is not active any more",
			 (int)e->gone.unit.n, e->gone.unit.s, (int)e->gone.bound_to.n,
			 e->gone.bound_to.s);
		break;
	case WIRE_LOST:
		snprintf(dst, size, "%" PRIu64 " events lost%s%s", e->lost.count,
			 e->lost.probe.s ? " by " : "",
			 e->lost.probe.s ? show(e->lost.probe, a) : "");
		break;
	case WIRE_STACK:
		describe_stack(dst, size, "call", &e->stack);
		break;
	case WIRE_STACK_SAMPLE:
		snprintf(dst, size, "%" PRIu32 " of %" PRIu32 " bytes of the stack",
			 e->sample.bytes, e->sample.wanted);
		break;
	default:
		describe_seen(dst, size, e);
		break;
	}
}

/* A line that was cut must not end in half a character. */
static void drop_half_character(char *dst, size_t size)
{
	if (strlen(dst) == size - 1)
		for (char *end = dst + size - 1; end > dst && (end[-1] & 0x80); end--)
			end[-1] = 0;
}

char *ev_describe(char *dst, size_t dst_size, const struct ev *e)
{
	if (dst_size == 0)
		return dst;
	switch (e->kind) {
	case WIRE_MANAGER_CGROUP_EMPTY:
	case WIRE_MANAGER_CGROUP_EVENT:
	case WIRE_CGROUP_MKDIR:
	case WIRE_CGROUP_RMDIR:
	case WIRE_CGROUP_POPULATED:
	case WIRE_CGROUP_FROZEN:
	case WIRE_CGROUP:
		describe_path(dst, dst_size, e);
		break;
	case WIRE_SERVICE_ENTER_STOP ... WIRE_SERVICE_CGROUP_EMPTY:
	case WIRE_SERVICE_PIDFILE_LOAD ... WIRE_BUS_QUEUE_JOB:
	case WIRE_BUS_KILL:
		describe_service(dst, dst_size, e);
		break;
	case WIRE_MANAGER_ADD_JOB:
	case WIRE_TRANSACTION_JOB:
	case WIRE_UNIT_TRIGGERS:
		describe_job(dst, dst_size, e);
		break;
	case WIRE_BUS_MESSAGE:
		describe_message(dst, dst_size, &e->message);
		break;
	case WIRE_FORK ... WIRE_EXIT:
	case WIRE_OOM_VICTIM:
		describe_process(dst, dst_size, e);
		break;
	case WIRE_EMERGENCY_ACTION:
		snprintf(dst, dst_size, "emergency_action(%s)", or_unknown(e->action));
		break;
	case WIRE_SERVICE_FACTS:
		describe_facts(dst, dst_size, &e->facts);
		break;
	case WIRE_SIGNAL:
		describe_signal(dst, dst_size, &e->signal);
		break;
	case WIRE_CLIENT_SEND:
		describe_send(dst, dst_size, &e->send);
		break;
	case WIRE_BUS_NAME:
		describe_bus_name(dst, dst_size, &e->bus_name);
		break;
	case WIRE_CGROUP_ATTACH:
		describe_attach(dst, dst_size, e);
		break;
	case WIRE_PIDNS_ZAP_ENTER ... WIRE_FUSE_FLUSH_EXIT:
	case WIRE_FUSE_SERVE:
		describe_kernel(dst, dst_size, e);
		break;
	default:
		describe_capture(dst, dst_size, e);
		break;
	}
	drop_half_character(dst, dst_size);
	return dst;
}
