/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A stop by a job: back through the jobs that pulled it in to whoever or whatever was first. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "engine/rules.h"
#include "engine/verdict.h"
#include "svctrace/text.h"

/* How far back a signal to the manager can lie that it obeys now. */
#define COMMAND_WINDOW_NS (10 * 1000000000ull)

static int set(char **dst, const char *src)
{
	*dst = src && *src ? strdup(src) : NULL;
	return src && *src && !*dst ? -ENOMEM : 0;
}

static int add_link(struct verdict *v, const char *unit, const char *job, const char *dependency)
{
	struct link *l = &v->links[v->n_links];

	if (v->n_links == VERDICT_LINKS_MAX) {
		v->links_cut = true;
		return 0;
	}
	v->n_links++;
	if (set(&l->unit, unit) < 0 || set(&l->job, job) < 0 || set(&l->dependency, dependency) < 0)
		return -ENOMEM;
	return 0;
}

/* Whatever the isolated unit does not need is stopped, by no dependency. */
static bool is_isolated(const struct transaction *t, const struct edge *x)
{
	return strcmp(t->mode, "isolate") == 0 && !x->conflict && strcmp(x->type, "stop") == 0 &&
	       strcmp(x->by_type, "start") == 0 && strcmp(x->by, t->anchor) == 0;
}

/* A start stops those that it conflicts with; where they say so themselves, without a flag. */
static bool is_conflict(const struct transaction *t, const struct edge *x)
{
	return x->conflict || (x->by && strcmp(x->type, "stop") == 0 &&
			       strcmp(x->by_type, "start") == 0 && !is_isolated(t, x));
}

/* From this unit up to the one that the transaction began with. */
static int follow_links(struct verdict *v, const struct transaction *t, const struct edge *x)
{
	int r = 0;

	for (unsigned int i = 0; r == 0 && x && i < VERDICT_LINKS_MAX; i++) {
		r = add_link(v, x->unit, x->type, is_conflict(t, x) ? "Conflicts" : x->dependency);
		if (r == 0)
			r = verdict_cite(v, &x->proof);
		if (!x->by)
			return r;
		if (strcmp(x->by, t->anchor) == 0)
			return r < 0 ? r : add_link(v, t->anchor, x->by_type, NULL);
		x = transaction_edge(t, x->by, x->by_type);
	}
	return r;
}

static enum cause cause_of_root(const struct transaction *t, const char *job)
{
	switch (t->reason) {
	case ROOT_REQUEST:
		return job_type_is_restart(*job ? job : t->type) ? CAUSE_RESTART_REQUEST
								 : CAUSE_STOP_REQUEST;
	case ROOT_UNNEEDED:
		return CAUSE_UNNEEDED;
	case ROOT_BOUND:
		return CAUSE_BOUND;
	default:
		return CAUSE_UNCLASSIFIED;
	}
}

static enum cause cause_of_edge(const struct transaction *t, const struct edge *x)
{
	if (is_conflict(t, x))
		return CAUSE_CONFLICT;
	return is_isolated(t, x) ? CAUSE_ISOLATE : CAUSE_DEPENDENCY;
}

/* "StopUnit(nginx.service)", or what else it began with. */
static int step_root(struct verdict *v, const struct transaction *t)
{
	static const char *const words[ROOT_MAX] = {
		[ROOT_UNKNOWN] = "systemd's own reason",
		[ROOT_UNNEEDED] = "StopWhenUnneeded=",
		[ROOT_BOUND] = "end of another unit (BindsTo=)",
		[ROOT_UPHELD] = "Upholds=",
		[ROOT_RESTART] = "Restart=",
		[ROOT_EMERGENCY] = "emergency action",
		[ROOT_SIGNAL] = "signal to systemd",
	};
	char member[64];

	if (t->culprit)
		return verdict_step(v, "end of %s (%s)", t->culprit,
				    t->reason == ROOT_BOUND	  ? "BindsTo="
				    : t->reason == ROOT_UNNEEDED  ? "StopWhenUnneeded="
				    : t->reason == ROOT_EMERGENCY ? "FailureAction= or its like"
								  : "OnFailure=");
	if (t->trigger)
		return verdict_step(v, "%s", t->trigger);
	if (t->reason != ROOT_REQUEST)
		return verdict_step(
			v, "%s", words[t->reason] ? words[t->reason] : root_reason_name(t->reason));
	if (!v->request.member)
		return verdict_step(v, "a client's request");
	text_escape(member, sizeof(member), v->request.member, strlen(v->request.member));
	return verdict_step(v, "%s(%s)", member, t->anchor);
}

/* "stop of a.target (PartOf=) → stop of b.service (Requires=)": from the root down to this unit. */
static int step_links(struct verdict *v)
{
	int r = v->links_cut ? verdict_step(v, "…") : 0;

	for (unsigned int i = v->n_links; r == 0 && i-- > 1;) {
		const char *job = v->links[i].job, *dependency = v->links[i - 1].dependency;

		r = verdict_step(v, "%s of %s%s%s%s", job ? job : "job", v->links[i].unit,
				 dependency ? " (" : "", dependency ? dependency : "",
				 dependency ? "=)" : "");
	}
	return r;
}

static int note_merged(struct verdict *v, const struct job_origin *origin)
{
	if (origin->merged == 0)
		return 0;
	return verdict_note(v, "the same job was asked for %u more time%s while it waited",
			    origin->merged, origin->merged == 1 ? "" : "s");
}

/* A signal that the manager obeys, ctrl-alt-del's for one, has a sender. */
static int blame_commander(struct opening *o)
{
	const struct process *p = process_by_tgid(o->processes, o->manager->tgid);
	const struct signal_seen *x = p && p->n_signals ? p->signals[p->n_signals - 1] : NULL;
	int r;

	if (!x || x->proof.mono_ns + COMMAND_WINDOW_NS < o->e->mono_ns)
		return 0;
	o->v->signal = x->sig;
	o->v->actor_certainty = INFERRED;
	r = blame_actor(o->v, x->from.chain, x->from.n);
	return r < 0 ? r : verdict_cite(o->v, &x->proof);
}

/* Nobody asked: the manager does as it was configured. */
static int blame_manager(struct opening *o)
{
	const struct process *p = process_by_tgid(o->processes, o->manager->tgid);
	struct lineage l = {};
	int r = p ? lineage_of(&l, p, o->processes) : 0;

	o->v->actor_manager = true;
	o->v->actor_certainty = CERTAIN;
	if (r == 0)
		r = blame_actor(o->v, l.chain, l.n);
	lineage_done(&l);
	return r;
}

/* A unit that ended: who ended it is behind what came of that. */
static int blame_culprit(struct opening *o, const struct transaction *t)
{
	struct verdict *v = o->v;
	int r = 0;

	if (!t->culprit_certain)
		r = verdict_note(v, "%s is the unit that had stopped last before (inferred)",
				 t->culprit);
	if (r == 0 && t->culprit_gone)
		r = verdict_cite(v, &t->gone_proof);
	if (r < 0)
		return r;
	if (t->blamed.n == 0)
		return t->reason == ROOT_UNNEEDED || t->culprit_gone ? blame_manager(o) : 0;
	v->signal = t->blamed_signal;
	v->actor_kernel = t->blamed_kernel;
	v->actor_manager = t->blamed_manager;
	v->actor_certainty = t->blamed_certainty;
	if (!t->culprit_certain)
		certainty_limit(&v->actor_certainty, INFERRED);
	return blame_actor(v, t->blamed.chain, t->blamed.n);
}

/* Of a message that was cut, or came in pieces, the manager knows the unit. */
static int complete_request(struct verdict *v, const struct transaction *t)
{
	const struct call *c = t->request->call;

	if (v->request.unit || (c && !c->incomplete))
		return 0;
	return set(&v->request.unit, t->anchor);
}

static int blame_root(struct opening *o, const struct transaction *t)
{
	int r;

	if (t->request) {
		r = blame_client(o->v, t->request);
		return r < 0 ? r : complete_request(o->v, t);
	}
	if (t->culprit)
		return blame_culprit(o, t);
	if (t->reason == ROOT_SIGNAL)
		return blame_commander(o);
	return t->reason == ROOT_REQUEST || t->reason == ROOT_UNKNOWN ? 0 : blame_manager(o);
}

/* Every unit's stop comes from shutdown.target then, through others or not. */
static bool goes_down(const struct verdict *v)
{
	unsigned int i = 1;

	while (i < v->n_links && strcmp(v->links[i].unit, "shutdown.target") != 0)
		i++;
	return i < v->n_links && v->links[i].job && strcmp(v->links[i].job, "start") == 0;
}

static int explain(struct opening *o, const struct job_origin *origin)
{
	const struct transaction *t = origin->transaction;
	const struct edge *x = origin->edge;
	const char *job = o->trigger->job_type;
	struct verdict *v = o->v;
	int r = x ? follow_links(v, t, x) : add_link(v, t->anchor, *job ? job : t->type, NULL);

	v->root = t->reason;
	v->cause = x && x->by ? cause_of_edge(t, x) : cause_of_root(t, job);
	if (!*job || !*t->type)
		certainty_limit(&v->certainty, INFERRED);
	if (x && x->by && goes_down(v))
		v->cause = CAUSE_SHUTDOWN;
	if (v->cause == CAUSE_UNCLASSIFIED)
		certainty_limit(&v->certainty, UNKNOWN);
	if (r == 0)
		r = set(&v->root_unit, t->culprit ? t->culprit : t->trigger);
	if (r == 0)
		r = verdict_cite(v, &t->proof);
	if (r == 0)
		r = blame_root(o, t);
	if (r == 0)
		r = step_root(v, t);
	if (r == 0)
		r = step_links(v);
	return r < 0 ? r : note_merged(v, origin);
}

/* A job runs, and nobody can say what it came from. */
static int not_seen(struct opening *o)
{
	bool restart = job_type_is_restart(o->trigger->job_type);

	if (o->jobs_are_seen) {
		unsigned int n = o->manager->jobs.n_forgotten;

		o->v->certainty = UNKNOWN;
		if (n > 0)
			return verdict_note(o->v,
					    "what made systemd run this job was not seen: of those "
					    "that waited, the oldest %u had to be forgotten",
					    n);
		return verdict_note(o->v, "what made systemd run this job was not seen: "
					  "it was queued before the trace began");
	}
	o->v->cause = restart ? CAUSE_RESTART_REQUEST : CAUSE_STOP_REQUEST;
	certainty_limit(&o->v->certainty, INFERRED);
	return verdict_note(o->v, "whether a client asked for this job was not seen: "
				  "the probe for requests is missing");
}

int rule_job(struct opening *o)
{
	const struct trigger *t = o->trigger;
	struct job_origin origin;
	int r;

	if (!triggered_by(o, WIRE_SERVICE_STOP))
		return 0;
	o->v->job_id = t->job_id;
	if (set(&o->v->job_type, t->job_type) < 0)
		return -ENOMEM;
	if (jobs_find(&o->manager->jobs, o->unit->id, t->job_type, t->job_id, &origin))
		r = explain(o, &origin);
	else
		r = not_seen(o);
	if (r == 0)
		r = verdict_step(o->v, "%s job %" PRIu32, *t->job_type ? t->job_type : "stop",
				 t->job_id);
	return r < 0 ? r : 1;
}
