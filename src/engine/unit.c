/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "engine/cgroup.h"
#include "engine/look.h"
#include "engine/pidfile_history.h"
#include "engine/stop_blame.h"
#include "engine/unit.h"
#include "engine/verdict.h"

/* The oldest go first: requests for units that never stopped, mostly. */
#define UNITS_MAX    4096
#define MANAGERS_MAX 64

static const struct {
	const char *name;
	enum state_class class;
	const char *active;
} states[] = {
	{"dead", STATE_FINAL, "inactive"},
	{"failed", STATE_FINAL, "failed"},
	{"dead-resources-pinned", STATE_FINAL, "inactive"},
	{"cleaning", STATE_FINAL, "maintenance"},
	{"dead-before-auto-restart", STATE_RESTART, "inactive"},
	{"failed-before-auto-restart", STATE_RESTART, "failed"},
	{"auto-restart", STATE_RESTART, "activating"},
	{"auto-restart-queued", STATE_RESTART, "activating"},
	{"condition", STATE_STARTING, "activating"},
	{"start-pre", STATE_STARTING, "activating"},
	{"start", STATE_STARTING, "activating"},
	{"start-post", STATE_STARTING, "activating"},
	{"start-chown", STATE_STARTING, "activating"}, /* this and "abandoned": a scope's */
	{"running", STATE_UP, "active"},
	{"abandoned", STATE_UP, "active"},
	{"exited", STATE_UP, "active"},
	{"reload", STATE_UP, "reloading"},
	{"reload-signal", STATE_UP, "reloading"},
	{"reload-notify", STATE_UP, "reloading"},
	{"reload-post", STATE_UP, "reloading"},
	{"refresh-extensions", STATE_UP, "refreshing"},
	{"refresh-credentials", STATE_UP, "refreshing"},
	{"mounting", STATE_UP, "refreshing"},
	{"stop", STATE_STOPPING, "deactivating"},
	{"stop-watchdog", STATE_STOPPING, "deactivating"},
	{"stop-sigterm", STATE_STOPPING, "deactivating"},
	{"stop-sigkill", STATE_STOPPING, "deactivating"},
	{"stop-post", STATE_STOPPING, "deactivating"},
	{"final-watchdog", STATE_STOPPING, "deactivating"},
	{"final-sigterm", STATE_STOPPING, "deactivating"},
	{"final-sigkill", STATE_STOPPING, "deactivating"},
};

static size_t state_index(const char *state)
{
	size_t i = 0;

	while (i < ARRAY_LEN(states) && (!state || strcmp(states[i].name, state) != 0))
		i++;
	return i;
}

enum state_class state_class(const char *state)
{
	size_t i = state_index(state);

	return i < ARRAY_LEN(states) ? states[i].class : STATE_UNKNOWN;
}

const char *state_active(const char *state)
{
	size_t i = state_index(state);

	return i < ARRAY_LEN(states) ? states[i].active : NULL;
}

void word_copy(char dst[static WORD_MAX], const char *src)
{
	size_t n = src ? strlen(src) : 0;

	if (n >= WORD_MAX)
		n = 0;
	memcpy(dst, src ? src : "", n);
	dst[n] = 0;
}

void id_copy(char dst[static WIRE_ID_MAX], struct str id)
{
	size_t n = id.n < WIRE_ID_MAX ? id.n : WIRE_ID_MAX - 1;

	if (n > 0)
		memcpy(dst, id.s, n);
	dst[n] = 0;
}

void trigger_clear(struct trigger *t)
{
	proof_done(&t->proof);
	*t = (struct trigger){};
}

int trigger_set(struct trigger *t, const struct ev *e)
{
	const struct ev_service *s = &e->service;

	trigger_clear(t);
	t->set = true;
	t->kind = e->kind;
	t->unit = s->unit;
	id_copy(t->id, s->id);
	memcpy(t->arg, s->arg, sizeof(t->arg));
	t->main_pid = s->main_pid;
	t->control_pid = s->control_pid;
	t->job_id = s->job_id;
	word_copy(t->job_type, s->job_type);
	word_copy(t->state, s->state);
	return proof_set(&t->proof, e);
}

const char *trigger_function(const struct trigger *t)
{
	return event_function(t->kind, t->proof.scope);
}

void unit_table_init(struct unit_table *t)
{
	TAILQ_INIT(&t->managers);
	TAILQ_INIT(&t->units);
}

static void drop_scope(struct manager *m, unsigned int i)
{
	request_unref(m->scopes[i].request);
	proof_done(&m->scopes[i].proof);
	m->n_scopes--;
	memmove(&m->scopes[i], &m->scopes[i + 1], (m->n_scopes - i) * sizeof(m->scopes[0]));
}

int manager_learn_scope(struct manager *m, const struct ev *e, struct request *q)
{
	struct asked_scope *s;

	if (m->n_scopes == ASKED_SCOPES_MAX)
		drop_scope(m, 0);
	s = &m->scopes[m->n_scopes];
	*s = (struct asked_scope){};
	id_copy(s->id, e->service.id);
	if (proof_set(&s->proof, e) < 0)
		return -ENOMEM;
	s->request = request_ref(q);
	m->n_scopes++;
	return 0;
}

void manager_forget_scope(struct manager *m, struct str id)
{
	for (unsigned int i = m->n_scopes; i-- > 0;)
		if (str_equal(id, m->scopes[i].id))
			drop_scope(m, i);
}

const struct asked_scope *manager_asked_scope(const struct manager *m, struct str path)
{
	for (unsigned int i = m->n_scopes; i-- > 0;)
		if (cgroup_is_of(path, m->root ? m->root : "", m->scopes[i].id))
			return &m->scopes[i];
	return NULL;
}

void manager_drop(struct unit_table *t, struct manager *m)
{
	TAILQ_REMOVE(&t->managers, m, entry);
	t->n_managers--;
	trigger_clear(&m->trigger);
	jobs_done(&m->jobs);
	lineage_done(&m->down.by);
	while (m->n_scopes)
		drop_scope(m, 0);
	request_unref(m->asked);
	request_unref(m->to_kill);
	facts_done(&m->facts);
	proof_done(&m->action.proof);
	ev_stack_done(&m->stack);
	proof_done(&m->cgroup_event);
	proof_done(&m->cgroup_empty);
	free(m->root);
	free(m);
}

static int unit_compare(const void *a, const void *b)
{
	const struct unit *x = a, *y = b;

	if (x->manager != y->manager)
		return x->manager < y->manager ? -1 : 1;
	return strcmp(x->id, y->id);
}

void stop_done(struct stop *s)
{
	look_free(s->due);
	stop_blame_unref(s->blame);
	free(s->awaited);
	verdict_done(&s->v);
	ending_done(&s->ending);
}

static void unit_free(struct unit_table *t, struct unit *u)
{
	tdelete(u, &t->by_name, unit_compare);
	TAILQ_REMOVE(&t->units, u, entry);
	t->n_units--;
	if (u->stop)
		stop_done(u->stop);
	free(u->stop);
	pidfile_history_freep(&u->pidfiles);
	unit_forget(u);
	free(u);
}

void unit_table_done(struct unit_table *t)
{
	while (!TAILQ_EMPTY(&t->units))
		unit_free(t, TAILQ_FIRST(&t->units));
	while (!TAILQ_EMPTY(&t->managers))
		manager_drop(t, TAILQ_FIRST(&t->managers));
}

struct manager *manager_find(const struct unit_table *t, uint32_t tgid)
{
	struct manager *m;

	TAILQ_FOREACH(m, &t->managers, entry)
	if (m->tgid == tgid)
		return m;
	return NULL;
}

static struct manager *manager_new(struct unit_table *t, uint32_t tgid)
{
	struct manager *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->tgid = tgid;
	jobs_init(&m->jobs);
	TAILQ_INSERT_TAIL(&t->managers, m, entry);
	t->n_managers++;
	return m;
}

/* "/user.slice/…/user@1000.service/init.scope" to all before the last slash; "" is the top. */
static int manager_set_root(struct manager *m, struct str cgroup)
{
	const char *slash = cgroup.s ? memrchr(cgroup.s, '/', cgroup.n) : NULL;
	struct str root = {cgroup.s, slash ? (size_t)(slash - cgroup.s) : 0};

	if (!slash || (m->root && str_equal(root, m->root)))
		return 0;
	free(m->root);
	m->root = str_dup(root);
	return m->root ? 0 : -ENOMEM;
}

struct manager *manager_get(struct unit_table *t, const struct ev *e)
{
	struct manager *m = manager_find(t, e->manager.tgid);

	if (!m)
		m = manager_new(t, e->manager.tgid);
	if (!m)
		return NULL;
	m->pidns = e->manager.pidns;
	m->uid = e->manager.uid;
	m->user = e->manager.user;
	m->initial = e->manager.ns_tgid == 0 || e->manager.ns_tgid == e->manager.tgid;
	if (m != TAILQ_LAST(&t->managers, manager_queue)) {
		TAILQ_REMOVE(&t->managers, m, entry);
		TAILQ_INSERT_TAIL(&t->managers, m, entry);
	}
	return manager_set_root(m, e->manager.cgroup_path) < 0 ? NULL : m;
}

struct manager *manager_surplus(const struct unit_table *t)
{
	return t->n_managers > MANAGERS_MAX ? TAILQ_FIRST(&t->managers) : NULL;
}

struct unit *unit_find(const struct unit_table *t, uint32_t manager, struct str id)
{
	struct unit key = {.manager = manager};
	struct unit **found;

	id_copy(key.id, id);
	found = tfind(&key, &t->by_name, unit_compare);
	return found ? *found : NULL;
}

struct unit *unit_get(struct unit_table *t, uint32_t manager, struct str id)
{
	struct unit *u = unit_find(t, manager, id);

	if (u)
		return u;
	u = calloc(1, sizeof(*u));
	if (!u)
		return NULL;
	u->manager = manager;
	id_copy(u->id, id);
	if (!tsearch(u, &t->by_name, unit_compare)) {
		free(u);
		return NULL;
	}
	TAILQ_INSERT_TAIL(&t->units, u, entry);
	t->n_units++;
	return u;
}

void unit_forget(struct unit *u)
{
	proof_done(&u->main_end.proof);
	u->main_end = (struct main_end){};
}

int unit_learn_main_end(struct unit *u, const struct ev *e)
{
	u->main_end.pid = e->service.arg[0];
	u->main_end.code = e->service.arg[1];
	u->main_end.status = e->service.arg[2];
	return proof_set(&u->main_end.proof, e);
}

void unit_release(struct unit_table *t, struct unit *u)
{
	if (!u->stop && !u->pidfiles && u->main_end.proof.seq == 0)
		unit_free(t, u);
}

void unit_drop(struct unit_table *t, struct unit *u)
{
	unit_forget(u);
	pidfile_history_freep(&u->pidfiles);
	unit_release(t, u);
}

struct unit *unit_surplus(const struct unit_table *t)
{
	return t->n_units > UNITS_MAX ? TAILQ_FIRST(&t->units) : NULL;
}
