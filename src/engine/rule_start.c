/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What keeps a unit from coming up: its commands, its PID file, and systemd's own limits. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "engine/pidfile_history.h"
#include "engine/rules.h"
#include "engine/verdict.h"
#include "svctrace/text.h"

const char *state_setting(const char *state)
{
	static const struct {
		const char *state, *setting;
	} settings[] = {
		{"condition", "ExecCondition"}, {"start-pre", "ExecStartPre"},
		{"start", "ExecStart"},		{"start-post", "ExecStartPost"},
		{"reload", "ExecReload"},	{"reload-post", "ExecReloadPost"},
		{"stop", "ExecStop"},		{"stop-post", "ExecStopPost"},
	};

	for (size_t i = 0; state && i < ARRAY_LEN(settings); i++)
		if (strcmp(settings[i].state, state) == 0)
			return settings[i].setting;
	return NULL;
}

/* systemd's children are called "(command)" until they execute it. */
const char *exec_failure(const struct process *p, int32_t code, int32_t status)
{
	const char *comm = p ? p->a.comm : NULL;
	size_t n = comm ? strlen(comm) : 0;

	if (code != CLD_EXITED || n < 3 || comm[0] != '(' || comm[n - 1] != ')')
		return NULL;
	return text_exit_code(status);
}

/* "ExecStop= process 123 exited with 7 ("/bin/false")" */
static int note_failed(struct verdict *v, const struct failed_command *c)
{
	char sig[24], end[64], line[160];
	size_t n = c->cmdline ? strlen(c->cmdline) : 0;

	if (c->exit_signal)
		snprintf(end, sizeof(end), "was killed by %s", text_signal(c->exit_signal, sig));
	else
		snprintf(end, sizeof(end), "exited with %" PRId32 "%s%s", c->exit_code,
			 c->exit_name ? "/" : "", c->exit_name ? c->exit_name : "");
	return verdict_note(v, "its %s%s process %" PRId32 " %s%s%s%s",
			    c->setting ? c->setting : "control", c->setting ? "=" : "", c->pid, end,
			    n ? ": \"" : "",
			    n ? text_escape(line, sizeof(line), c->cmdline, n) : "", n ? "\"" : "");
}

int note_command(struct verdict *v, const struct process *p, int32_t pid, const char *state,
		 int32_t code, int32_t status)
{
	struct failed_command *c;

	if ((code == CLD_EXITED && status == 0) || v->n_failed == VERDICT_FAILED_MAX)
		return 0;
	c = reallocarray(v->failed, v->n_failed + 1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	v->failed = c;
	c += v->n_failed;
	*c = (struct failed_command){
		.setting = state_setting(state),
		.pid = pid,
		.tgid = p ? p->a.tgid : 0,
		.exit_code = code == CLD_EXITED ? status : 0,
		.exit_signal = code == CLD_EXITED ? 0 : status,
		.core_dumped = code == CLD_DUMPED,
		.exit_name = exec_failure(p, code, status),
	};
	v->n_failed++;
	if (p && p->a.cmdline && !c->exit_name) {
		c->cmdline = strdup(p->a.cmdline);
		if (!c->cmdline)
			return -ENOMEM;
	}
	return note_failed(v, c);
}

int rule_start_limit(struct opening *o)
{
	int r;

	if (!decided_result(o, "start-limit-hit"))
		return 0;
	o->v->cause = CAUSE_START_LIMIT_HIT;
	o->v->certainty = CERTAIN;
	r = verdict_step(o->v, "start refused: StartLimitBurst= starts came within "
			       "StartLimitIntervalSec=");
	return r < 0 ? r : 1;
}

/* The process did not come up, or what it needs before was not to be had. */
int rule_spawn_failed(struct opening *o)
{
	const char *setting = state_setting(o->v->old_state);
	int r;

	if (!decided_result(o, "resources"))
		return 0;
	o->v->cause = CAUSE_SPAWN_FAILED;
	o->v->certainty = CERTAIN;
	r = verdict_step(o->v, "systemd could not bring up a process%s%s%s",
			 setting ? ", after " : "", setting ? setting : "", setting ? "=" : "");
	return r < 0 ? r : 1;
}

/* What brought it up is the start itself, or its last ExecStartPre= or ExecStartPost=. */
static bool has_just_started(const struct opening *o)
{
	const struct trigger *t = o->trigger;

	if (!t)
		return called_from(o, "service_start");
	return t->kind == WIRE_SERVICE_SIGCHLD && state_class(t->state) == STATE_STARTING &&
	       t->control_pid > 0 && t->arg[0] == t->control_pid;
}

/* A oneshot without ExecStart=, such as systemd-poweroff.service: only RemainAfterExit= keeps it
 * up. */
int rule_nothing_to_run(struct opening *o)
{
	const struct facts *f = &o->manager->facts;
	int r;

	if (!decided_result(o, "success") || !facts_are_of(f, o->e) ||
	    strcmp(f->type, "oneshot") != 0 || o->v->main_pid > 0 || !has_just_started(o))
		return 0;
	o->v->cause = CAUSE_NOTHING_TO_RUN;
	o->v->certainty = CERTAIN;
	r = verdict_cite(o->v, &f->proof);
	if (r == 0)
		r = verdict_step(o->v, "started, without an ExecStart=");
	return r < 0 ? r : 1;
}

/* The unit's own process gave the name up, or the bus took it. */
int rule_bus_name(struct opening *o)
{
	int r;

	/* the one calls the other, and leaves no frame of its own where it does so last */
	if (!called_from(o, "service_bus_name_owner_change") &&
	    !called_from(o, "signal_name_owner_changed"))
		return 0;
	o->v->cause = CAUSE_BUS_NAME_LOST;
	o->v->certainty = CERTAIN;
	r = verdict_step(o->v, "its BusName= has no owner any more");
	if (r == 0)
		r = verdict_step(o->v, "service_bus_name_owner_change");
	return r < 0 ? r : 1;
}

/*
 * STOPPING=1 alone makes a unit that is up enter this state without service_enter_signal(). What
 * made the process say so is a signal, mostly.
 */
int rule_announced(struct opening *o)
{
	const char *to = o->e->service.new_state;
	int r;

	if (o->trigger || o->e->kind != WIRE_SERVICE_SET_STATE || !to ||
	    strcmp(to, "stop-sigterm") != 0 || state_class(o->v->old_state) != STATE_UP)
		return 0;
	o->v->cause = CAUSE_ANNOUNCED;
	o->v->certainty = INFERRED;
	r = verdict_step(o->v, "STOPPING=1");
	if (r == 0 && o->main)
		r = blame_request_to_exit(o, o->main);
	return r < 0 ? r : 1;
}

/*
 * READY=1 of a Type=notify-reload service whose main process does not catch the signal that is to
 * make it reload: newer systemds look, as it would die of that signal. Nothing else that a service
 * says is a breach of the protocol.
 */
int rule_ready_refused(struct opening *o)
{
	int r;

	if (!decided_result(o, "protocol") || !called_from(o, "service_notify_message"))
		return 0;
	o->v->cause = CAUSE_READY_REFUSED;
	o->v->certainty = CERTAIN;
	r = verdict_step(o->v, "READY=1");
	if (r == 0)
		r = verdict_note(o->v, "Type=notify-reload: its main process does not catch the "
				       "signal that is to make it reload (inferred)");
	return r < 0 ? r : 1;
}

static enum cause cause_of_load(int32_t error, const char **words)
{
	switch (error) {
	case -ENOENT:
		*words = "not there";
		return CAUSE_PID_FILE_MISSING;
	case -EPERM:
		*words = "refused";
		return CAUSE_PID_FILE_REFUSED;
	case -ESRCH:
		*words = "names no process that lives";
		return CAUSE_PID_FILE_STALE;
	default:
		*words = "could not be read";
		return CAUSE_PID_FILE_UNREADABLE;
	}
}

/*
 * -EPERM is also what some systemds return where they could not open the file at all. What lay
 * there a moment later tells which.
 */
static int32_t reason_of(const struct pidfile_load *l)
{
	return l->ret == -EPERM && l->looked && l->error < 0 ? l->error : l->ret;
}

/* Its starter is gone, and nothing but the PID file could tell systemd what it left behind. */
int blame_pid_file(struct opening *o)
{
	const struct pidfile_load *l = pidfile_history_refused(o->unit->pidfiles);
	const char *state = o->trigger ? o->trigger->state : "";
	const char *words;
	char path[256];
	int r;

	if (!l || o->trigger->main_pid > 0 || state_class(state) != STATE_STARTING)
		return 0;
	o->v->cause = cause_of_load(reason_of(l), &words);
	if (reason_of(l) != l->ret)
		certainty_limit(&o->v->certainty, INFERRED);
	r = pidfile_load_cite(l, o->v);
	if (r == 0)
		r = verdict_step(o->v, "PID file %s %s",
				 l->path ? text_escape(path, sizeof(path), l->path, strlen(l->path))
					 : "?",
				 words);
	return r < 0 ? r : 1;
}

/* The main process had ended before, but this command had to end first. */
static int main_had_ended(struct opening *o)
{
	const struct main_end *x = &o->unit->main_end;
	int r = verdict_cite(o->v, &x->proof);

	if (r == 0)
		r = opening_set_main(o, x->pid);
	rules_set_exit(o->v, x->code, x->status);
	return r < 0 ? r : main_ended(o);
}

static int command_failed(struct opening *o)
{
	const struct failed_command *c = &o->v->failed[0];
	bool unmet = decided_result(o, "exec-condition");
	char sig[24];
	int r;

	o->v->cause = c->exit_name ? CAUSE_EXEC_FAILED
		      : unmet	   ? CAUSE_CONDITION_UNMET
				   : CAUSE_CONTROL_FAILED;
	if (c->exit_signal)
		r = verdict_step(o->v, "%s", text_signal(c->exit_signal, sig));
	else
		r = 0;
	if (r == 0 && c->exit_signal)
		r = verdict_step(o->v, "%s= process %" PRId32 " died",
				 c->setting ? c->setting : "control", c->pid);
	else if (r == 0)
		r = verdict_step(o->v, "%s= process %" PRId32 " exited with %" PRId32 "%s%s",
				 c->setting ? c->setting : "control", c->pid, c->exit_code,
				 c->exit_name ? "/" : "", c->exit_name ? c->exit_name : "");
	return r;
}

/* What a forking service's starter left behind is nothing. */
static int left_nothing(struct opening *o)
{
	int r;

	o->v->cause = CAUSE_CGROUP_EMPTY;
	r = verdict_step(o->v, "ExecStart= process %" PRId32 " exited with 0",
			 o->trigger->control_pid);
	if (r == 0)
		r = verdict_step(o->v, "it left no process behind");
	if (r == 0)
		r = leavers_list(o);
	return r < 0 ? r : 1;
}

/* What fails then stops nothing: "reload", "reload-notify" … */
static bool is_reload(const char *state)
{
	return strncmp(state, "reload", 6) == 0;
}

int rule_control_process(struct opening *o)
{
	const struct trigger *t = o->trigger;
	const struct process *p;
	bool succeeded;
	int r;

	if (!triggered_by(o, WIRE_SERVICE_SIGCHLD) || t->control_pid <= 0 ||
	    t->arg[0] != t->control_pid)
		return 0;
	p = manager_process(o->processes, o->manager, t->control_pid);
	succeeded = t->arg[1] == CLD_EXITED && t->arg[2] == 0;
	if (succeeded && o->unit->main_end.proof.seq)
		return main_had_ended(o);
	if (succeeded) {
		r = blame_pid_file(o);
		return r == 0 && strcmp(t->state, "start") == 0 ? left_nothing(o) : r;
	}
	r = p ? verdict_cite(o->v, &p->exit_proof) : 0;
	if (r == 0)
		r = note_command(o->v, p, t->control_pid, t->state, t->arg[1], t->arg[2]);
	if (r == 0 && o->unit->main_end.proof.seq && is_reload(t->state))
		return main_had_ended(o);
	if (r == 0)
		r = command_failed(o);
	if (r == 0 && p && t->arg[1] != CLD_EXITED)
		r = blame_signal(o, p, t->arg[2]);
	if (r == 0 && p && t->arg[1] != CLD_EXITED)
		r = blame_oom(o, p);
	return r < 0 ? r : 1;
}
