/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Time ran out: a start, a stop, a run, a keepalive. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "engine/rules.h"
#include "engine/verdict.h"
#include "svctrace/text.h"

/*
 * Both ways into the watchdog's action look alike but for the function that they come from. Where
 * that has no probe of its own in this build, the call chain tells.
 */
static bool was_asked_for(const struct opening *o)
{
	return (triggered_by(o, WIRE_SERVICE_WATCHDOG) && o->trigger->arg[0] == 1) ||
	       called_from(o, "service_force_watchdog") || called_from(o, "service_notify_message");
}

int rule_watchdog(struct opening *o)
{
	bool asked = was_asked_for(o);
	int r;

	if (!triggered_by(o, WIRE_SERVICE_WATCHDOG) && !decided_result(o, "watchdog"))
		return 0;
	o->v->cause = asked ? CAUSE_WATCHDOG_TRIGGER : CAUSE_WATCHDOG;
	if (!triggered_by(o, WIRE_SERVICE_WATCHDOG))
		o->v->certainty = o->v->stack.n ? CERTAIN : INFERRED;
	r = verdict_step(o->v, asked ? "its process sent WATCHDOG=trigger"
				     : "no WATCHDOG=1 came within its interval");
	return r < 0 ? r : 1;
}

/* What a start waits for, by the unit's type, once its commands before have run. */
static const char *awaited(const char *type)
{
	static const struct {
		const char *type, *awaited;
	} types[] = {
		{"notify", "READY=1 did not come"},
		{"notify-reload", "READY=1 did not come"},
		{"dbus", "its BusName= did not come up on the bus"},
		{"oneshot", "its command did not end"},
		{"exec", "its command was not executed"},
		{"forking", "its PID file did not come"},
	};

	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (strcmp(types[i].type, type) == 0)
			return types[i].awaited;
	return NULL;
}

static int note_running(struct opening *o, int32_t pid)
{
	const struct process *p = manager_process(o->processes, o->manager, pid);
	const char *setting = state_setting(o->trigger->state), *line = p ? p->a.cmdline : NULL;
	char text[160];

	return verdict_note(o->v, "its %s= process %" PRId32 " had not ended%s%s%s",
			    setting ? setting : "control", pid, line ? ": \"" : "",
			    line ? text_escape(text, sizeof(text), line, strlen(line)) : "",
			    line ? "\"" : "");
}

static int start_timeout(struct opening *o)
{
	const struct trigger *t = o->trigger;
	const struct facts *f = &o->manager->facts;
	bool known = facts_are_of(f, o->e) && strcmp(t->state, "start") == 0;
	const char *what = known ? awaited(f->type) : NULL;
	int r = t->control_pid > 0 ? 0 : blame_pid_file(o);

	if (r < 0)
		return r;
	if (r == 0)
		o->v->cause = CAUSE_START_TIMEOUT;
	if (t->control_pid > 0)
		r = note_running(o, t->control_pid);
	else if (r == 0 && what)
		r = verdict_step(o->v, "%s", what);
	if (r >= 0 && what)
		r = verdict_cite(o->v, &f->proof);
	return r < 0 ? r : verdict_step(o->v, "start timeout in state %s", t->state);
}

static bool is_abort(const char *state)
{
	return strcmp(state, "stop-watchdog") == 0 || strcmp(state, "final-watchdog") == 0;
}

int rule_timeout(struct opening *o)
{
	int r;

	if (!triggered_by(o, WIRE_SERVICE_TIMER))
		return 0;
	switch (state_class(o->trigger->state)) {
	case STATE_STARTING:
		r = start_timeout(o);
		return r < 0 ? r : 1;
	case STATE_UP:
		o->v->cause = CAUSE_RUNTIME_LIMIT;
		r = verdict_step(o->v, "RuntimeMaxSec= ran out");
		return r < 0 ? r : 1;
	case STATE_STOPPING:
		o->v->cause =
			is_abort(o->trigger->state) ? CAUSE_ABORT_TIMEOUT : CAUSE_STOP_TIMEOUT;
		r = verdict_step(o->v, "stop timeout in state %s", o->trigger->state);
		if (r == 0)
			r = verdict_note(o->v, "it had begun to stop before the trace did");
		return r < 0 ? r : 1;
	default:
		return 0;
	}
}
