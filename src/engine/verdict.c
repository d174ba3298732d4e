/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/process.h"
#include "engine/restart.h"
#include "engine/hang.h"
#include "engine/look.h"
#include "engine/verdict.h"

static const struct {
	const char *name, *title;
} causes[CAUSE_MAX] = {
	[CAUSE_UNCLASSIFIED] = {"unclassified", "not classified"},
	[CAUSE_STOP_REQUEST] = {"stop-request", "a client asked systemd to stop it"},
	[CAUSE_RESTART_REQUEST] = {"restart-request", "a client asked systemd to restart it"},
	[CAUSE_MAIN_EXITED] = {"main-exited", "main process exited"},
	[CAUSE_MAIN_KILLED] = {"main-killed", "main process killed"},
	[CAUSE_CGROUP_EMPTY] = {"cgroup-empty", "its cgroup became empty"},
	[CAUSE_DEPENDENCY] = {"dependency", "another unit took it along"},
	[CAUSE_CONFLICT] = {"conflict", "a unit was started that it conflicts with"},
	[CAUSE_ISOLATE] = {"isolate", "another unit was isolated"},
	[CAUSE_SHUTDOWN] = {"shutdown", "the system goes down"},
	[CAUSE_UNNEEDED] = {"unneeded", "nothing needs it any more"},
	[CAUSE_BOUND] = {"bound", "a unit that it is bound to went away"},
	[CAUSE_CONTROL_FAILED] = {"control-failed", "one of its commands failed"},
	[CAUSE_CONDITION_UNMET] = {"condition-unmet", "its ExecCondition= said no"},
	[CAUSE_EXEC_FAILED] = {"exec-failed", "a command of it could not be executed"},
	[CAUSE_SPAWN_FAILED] = {"spawn-failed", "systemd could not bring up a process of it"},
	[CAUSE_NOT_READY] = {"not-ready", "main process ended and had not said that it was ready"},
	[CAUSE_READY_REFUSED] = {"ready-refused", "systemd refused that it is ready"},
	[CAUSE_NOTHING_TO_RUN] = {"nothing-to-run", "it is up and has nothing to run"},
	[CAUSE_PID_FILE_MISSING] = {"pid-file-missing", "its PID file did not come"},
	[CAUSE_PID_FILE_REFUSED] = {"pid-file-refused", "systemd refused its PID file"},
	[CAUSE_PID_FILE_STALE] = {"pid-file-stale", "its PID file named no living process"},
	[CAUSE_PID_FILE_UNREADABLE] = {"pid-file-unreadable", "its PID file could not be read"},
	[CAUSE_BUS_NAME_LOST] = {"bus-name-lost", "it lost its name on the bus"},
	[CAUSE_ANNOUNCED] = {"announced", "it said itself that it stops"},
	[CAUSE_START_TIMEOUT] = {"start-timeout", "it did not come up in time"},
	[CAUSE_STOP_TIMEOUT] = {"stop-timeout", "it did not stop in time"},
	[CAUSE_ABORT_TIMEOUT] = {"abort-timeout", "it did not abort in time"},
	[CAUSE_RUNTIME_LIMIT] = {"runtime-limit", "it ran for as long as it may"},
	[CAUSE_WATCHDOG] = {"watchdog", "no keepalive came in time"},
	[CAUSE_WATCHDOG_TRIGGER] = {"watchdog-trigger", "it asked for its watchdog's action"},
	[CAUSE_OOM_KILL] = {"oom-kill", "the kernel killed for want of memory"},
	[CAUSE_OOMD_KILL] = {"oomd-kill", "systemd-oomd killed for want of memory"},
	[CAUSE_START_LIMIT_HIT] = {"start-limit-hit", "it was started too often"},
};

const char *cause_name(enum cause c)
{
	return c < CAUSE_MAX ? causes[c].name : NULL;
}

int cause_parse(const char *name)
{
	for (int c = 0; c < CAUSE_MAX; c++)
		if (strcmp(causes[c].name, name) == 0)
			return c;
	return -EINVAL;
}

const char *cause_title(enum cause c)
{
	return c < CAUSE_MAX ? causes[c].title : NULL;
}

const char *root_reason_name(enum root_reason reason)
{
	static const char *const names[ROOT_MAX] = {
		[ROOT_UNKNOWN] = "unknown",
		[ROOT_REQUEST] = "request",
		[ROOT_UNNEEDED] = "unneeded",
		[ROOT_BOUND] = "bound",
		[ROOT_UPHELD] = "upheld",
		[ROOT_TIMER] = "timer",
		[ROOT_PATH] = "path",
		[ROOT_SOCKET] = "socket",
		[ROOT_AUTOMOUNT] = "automount",
		[ROOT_ON_RESULT] = "on-failure",
		[ROOT_RESTART] = "restart",
		[ROOT_EMERGENCY] = "emergency-action",
		[ROOT_SIGNAL] = "signal-to-manager",
	};

	return reason < ROOT_MAX ? names[reason] : NULL;
}

const char *certainty_name(enum certainty c)
{
	static const char *const names[] = {
		[CERTAIN] = "certain",
		[INFERRED] = "inferred",
		[UNKNOWN] = "unknown",
	};

	return c < ARRAY_LEN(names) ? names[c] : NULL;
}

void certainty_limit(enum certainty *certainty, enum certainty c)
{
	if (*certainty < c)
		*certainty = c;
}

int proof_set(struct proof *p, const struct ev *e)
{
	char text[PROOF_TEXT_MAX];
	char *what = strdup(ev_describe(text, sizeof(text), e));

	if (!what)
		return -ENOMEM;
	free(p->what);
	*p = (struct proof){.seq = e->seq,
			    .mono_ns = e->mono_ns,
			    .kind = e->kind,
			    .scope = e->scope,
			    .what = what};
	return 0;
}

int proof_copy(struct proof *dst, const struct proof *src)
{
	*dst = *src;
	dst->what = strdup(src->what);
	return dst->what ? 0 : -ENOMEM;
}

void proof_done(struct proof *p)
{
	free(p->what);
	*p = (struct proof){};
}

static void links_done(struct verdict *v)
{
	for (unsigned int i = 0; i < v->n_links; i++) {
		free(v->links[i].unit);
		free(v->links[i].job);
		free(v->links[i].dependency);
	}
}

static void request_done(struct verdict_request *q)
{
	free(q->member);
	free(q->unit);
	free(q->mode);
	free(q->sender);
	actor_done(&q->passed_on_by);
}

void verdict_forget_request(struct verdict *v)
{
	links_done(v);
	request_done(&v->request);
	free(v->root_unit);
	v->n_links = 0;
	v->links_cut = v->have_request = false;
	v->request = (struct verdict_request){};
	v->root = ROOT_UNKNOWN;
	v->root_unit = NULL;
}

static void gone_done(struct left_cgroup *g)
{
	actor_done(&g->a);
	free(g->moved_to);
	for (unsigned int i = 0; i < g->n_by; i++)
		actor_done(&g->by[i]);
	free(g->by);
}

void verdict_done(struct verdict *v)
{
	char *const texts[] = {v->unit,	  v->main_cmdline, v->old_state, v->sub_state,
			       v->result, v->path,	   v->job_type};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		free(texts[i]);
	for (unsigned int i = 0; i < v->n_chain; i++)
		actor_done(&v->chain[i]);
	free(v->chain);
	verdict_forget_request(v);
	restart_done(&v->restart);
	ev_stack_done(&v->stack);
	look_free(v->watchdog.look);
	look_free(v->left);
	for (unsigned int i = 0; i < v->n_gone; i++)
		gone_done(&v->gone[i]);
	for (unsigned int i = 0; i < v->n_proof; i++)
		proof_done(&v->proof[i]);
	if (v->hang)
		hang_verdict_done(v->hang);
	free(v->hang);
	for (unsigned int i = 0; i < v->n_notes; i++)
		free(v->notes[i]);
	for (unsigned int i = 0; i < v->n_failed; i++)
		free(v->failed[i].cmdline);
	for (unsigned int i = 0; i < v->n_escalations; i++) {
		free(v->escalations[i].state);
		free(v->escalations[i].next);
	}
	free(v->failed);
	free(v->escalations);
	*v = (struct verdict){};
}

int verdict_cite(struct verdict *v, const struct proof *p)
{
	int r;

	if (p->seq == 0)
		return 0;
	for (unsigned int i = 0; i < v->n_proof; i++)
		if (v->proof[i].seq == p->seq)
			return 0;
	if (v->n_proof == VERDICT_PROOF_MAX) {
		v->n_proof_left_out++;
		return 0;
	}
	r = proof_copy(&v->proof[v->n_proof], p);
	if (r == 0)
		v->n_proof++;
	return r;
}

int verdict_cite_event(struct verdict *v, const struct ev *e)
{
	struct proof p = {};
	int r = proof_set(&p, e);

	if (r == 0)
		r = verdict_cite(v, &p);
	proof_done(&p);
	return r;
}

static int by_seq(const void *a, const void *b)
{
	uint64_t x = ((const struct proof *)a)->seq, y = ((const struct proof *)b)->seq;

	return x < y ? -1 : x > y;
}

void verdict_sort_proof(struct verdict *v)
{
	qsort(v->proof, v->n_proof, sizeof(v->proof[0]), by_seq);
}

int verdict_note(struct verdict *v, const char *format, ...)
{
	va_list ap;
	int r;

	if (v->n_notes == VERDICT_NOTES_MAX)
		return 0;
	va_start(ap, format);
	r = vasprintf(&v->notes[v->n_notes], format, ap);
	va_end(ap);
	if (r < 0)
		return -ENOMEM;
	v->n_notes++;
	return 0;
}

void verdict_via(struct verdict *v, const char *function)
{
	if (v->n_via < VERDICT_VIA_MAX)
		v->via[v->n_via++] = function;
}

int verdict_step(struct verdict *v, const char *format, ...)
{
	_cleanup_free_ char *step = NULL;
	char *path;
	va_list ap;
	int r;

	va_start(ap, format);
	r = vasprintf(&step, format, ap);
	va_end(ap);
	if (r < 0) {
		step = NULL;
		return -ENOMEM;
	}
	if (asprintf(&path, "%s%s%s", v->path ? v->path : "", v->path ? " → " : "", step) < 0)
		return -ENOMEM;
	free(v->path);
	v->path = path;
	return 0;
}
