/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Why a cgroup became empty: who left it last, and how. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "engine/rules.h"
#include "engine/verdict.h"
#include "svctrace/cleanup.h"
#include "svctrace/text.h"

/* Told as notes, too; the list has more. */
#define NOTED_MAX 4

static const struct cgroup *cgroup_of(const struct opening *o)
{
	return cgroup_find(o->cgroups, o->manager->root ? o->manager->root : "", o->unit->id);
}

/* NULL: it was not killed, or nobody was seen to. */
static const struct signal_seen *killer(const struct leaver *l)
{
	const struct process *p = l->process;

	if (l->moved_to || !WIFSIGNALED(p->status))
		return NULL;
	return process_fatal_signal(p, WTERMSIG(p->status), p->exit_ns);
}

/* A signal that was sent in no call that sends signals may be the kernel's own. */
static enum certainty killer_certainty(const struct opening *o, const struct signal_seen *x)
{
	bool sent = (x->flags & WIRE_TARGET_MANAGER_SENT) ||
		    (x->syscall != WIRE_NONE && syscall_kill_name(o->arch, x->syscall));

	return sent ? CERTAIN : INFERRED;
}

static int set_by(struct left_cgroup *g, const struct lineage *from, enum certainty certainty,
		  uint32_t manager)
{
	struct lineage copy = {};
	int r = lineage_copy(&copy, from);

	if (r < 0)
		return r;
	g->by = copy.chain;
	g->n_by = copy.n;
	g->by_manager = copy.n > 0 && copy.chain[0].tgid == manager;
	g->certainty = certainty;
	return 0;
}

/* The one that had systemd move it; what it asked for is told of whoever made the cgroup empty. */
static int set_mover(struct opening *o, struct left_cgroup *g, const struct leaver *l)
{
	const struct request *q = l->request;
	const struct lineage *client = q && q->passed_on ? &q->passed_on->from
				       : q		 ? &q->from
							 : NULL;
	int r;

	if (!client || client->n == 0)
		return set_by(g, &l->mover, CERTAIN, o->manager->tgid);
	r = set_by(g, client, q->passed_on ? INFERRED : q->certainty, o->manager->tgid);
	if (r == 0)
		r = verdict_cite(o->v, &l->request_proof);
	return r < 0 ? r : cite_request(o->v, q);
}

static int list_one(struct opening *o, const struct leaver *l)
{
	struct left_cgroup *g = &o->v->gone[o->v->n_gone++];
	const struct signal_seen *x = killer(l);
	int status = l->process->status;

	*g = (struct left_cgroup){.mono_ns = l->proof.mono_ns, .certainty = UNKNOWN};
	if (actor_copy(&g->a, &l->process->a) < 0)
		return -ENOMEM;
	if (l->moved_to) {
		g->moved_to = strdup(l->moved_to);
		return g->moved_to ? set_mover(o, g, l) : -ENOMEM;
	}
	if (WIFSIGNALED(status))
		g->exit_signal = WTERMSIG(status);
	else
		g->exit_code = WEXITSTATUS(status);
	return x ? set_by(g, &x->from, killer_certainty(o, x), o->manager->tgid) : 0;
}

int leavers_list(struct opening *o)
{
	const struct cgroup *c = cgroup_of(o);
	int r = 0;

	for (unsigned int i = 0; r == 0 && c && i < c->n_leavers; i++) {
		r = list_one(o, &c->leavers[i]);
		if (r == 0)
			r = verdict_cite(o->v, &c->leavers[i].proof);
	}
	o->v->n_gone_earlier = c ? c->n_earlier : 0;
	return r;
}

static int note_one(struct verdict *v, const struct leaver *l)
{
	char name[ACTOR_NAME_MAX], other[ACTOR_NAME_MAX], client[ACTOR_NAME_MAX], path[256],
		sig[24];
	bool asked = l->request && l->request->from.n > 0;
	const struct process *p = l->process;
	const struct signal_seen *x = killer(l);

	actor_name(&p->a, name);
	if (l->moved_to)
		return verdict_note(
			v, "left its cgroup: %s, moved to %s by %s%s%s", name,
			text_escape(path, sizeof(path), l->moved_to, strlen(l->moved_to)),
			actor_name(&l->mover.chain[0], other), asked ? ", asked by " : "",
			asked ? actor_name(&l->request->from.chain[0], client) : "");
	if (!WIFSIGNALED(p->status))
		return verdict_note(v, "left its cgroup: %s, exited with %d", name,
				    WEXITSTATUS(p->status));
	return verdict_note(v, "left its cgroup: %s, killed by %s%s%s", name,
			    text_signal(WTERMSIG(p->status), sig), x ? " from " : "",
			    x ? actor_name(&x->from.chain[0], other) : "");
}

int leavers_tell(struct opening *o)
{
	const struct cgroup *c = cgroup_of(o);
	unsigned int first = c && c->n_leavers > NOTED_MAX ? c->n_leavers - NOTED_MAX : 0;
	int r = leavers_list(o);

	for (unsigned int i = first; r == 0 && c && i < c->n_leavers; i++)
		r = note_one(o->v, &c->leavers[i]);
	if (r == 0 && c && c->n_earlier + first > 0)
		r = verdict_note(o->v, "and %" PRIu64 " more left it before these",
				 c->n_earlier + first);
	return r;
}

/* "StartTransientUnit(run-u1.scope)" */
static int step_request(struct verdict *v, const struct leaver *l)
{
	struct str unit = cgroup_unit((struct str){l->moved_to, strlen(l->moved_to)});
	const char *member = l->request->member ? l->request->member : "a client's request";
	char asked[64], id[WIRE_ID_MAX];

	return verdict_step(v, "%s(%s)", text_escape(asked, sizeof(asked), member, strlen(member)),
			    text_escape(id, sizeof(id), unit.s, unit.n));
}

static int blame_mover(struct opening *o, const struct leaver *l)
{
	char name[ACTOR_NAME_MAX];
	int r = l->request ? step_request(o->v, l) : 0;

	if (r == 0)
		r = verdict_step(o->v, "%s was moved away", actor_name(&l->process->a, name));
	if (r == 0 && l->request)
		r = blame_client(o->v, l->request);
	if (r < 0 || o->v->have_actor)
		return r;
	o->v->actor_certainty = CERTAIN;
	o->v->actor_manager = l->mover.chain[0].tgid == o->manager->tgid;
	return blame_actor(o->v, l->mover.chain, l->mover.n);
}

int leavers_blame(struct opening *o)
{
	const struct cgroup *c = cgroup_of(o);
	const struct leaver *l = c && c->n_leavers ? &c->leavers[c->n_leavers - 1] : NULL;
	int status = l ? l->process->status : 0, r;
	char name[ACTOR_NAME_MAX], sig[24];
	struct verdict *v = o->v;

	if (!l)
		return 0;
	actor_name(&l->process->a, name);
	if (!l->moved_to && !WIFSIGNALED(status))
		return verdict_step(v, "%s exited with %d", name, WEXITSTATUS(status));
	if (!l->moved_to) {
		r = blame_signal(o, l->process, WTERMSIG(status));
		if (r == 0)
			r = verdict_step(v, "%s", text_signal(WTERMSIG(status), sig));
		if (r == 0)
			r = verdict_step(v, "%s died", name);
		return r < 0 ? r : blame_oom(o, l->process);
	}
	return blame_mover(o, l);
}

/* The path from the last step that all empty cgroups have in common. */
static char *cut_path(struct verdict *v)
{
	char *end = v->path ? strstr(v->path, CGROUP_BECAME_EMPTY) : NULL, *rest;

	if (!end || !(rest = strdup(end)))
		return NULL;
	free(v->path);
	v->path = NULL;
	return rest;
}

int leavers_late(struct opening *o, const struct leaver *l)
{
	struct verdict *v = o->v;
	_cleanup_free_ char *rest = NULL;
	int r;

	if (v->n_gone == LEAVERS_MAX || !(rest = cut_path(v)))
		return 0;
	blame_nobody(v);
	r = list_one(o, l);
	if (r == 0)
		r = verdict_cite(v, &l->proof);
	if (r == 0)
		r = note_one(v, l);
	if (r == 0)
		r = blame_mover(o, l);
	return r < 0 ? r : verdict_step(v, "%s", rest);
}
