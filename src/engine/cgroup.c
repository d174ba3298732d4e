/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <search.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/cgroup.h"
#include "engine/unit.h"
#include "engine/verdict.h"

/* The one that did not change for longest goes first. */
#define CGROUPS_MAX 4096

static bool has_suffix(struct str s, const char *suffix)
{
	size_t n = strlen(suffix);

	return s.n > n && memcmp(s.s + s.n - n, suffix, n) == 0;
}

struct str cgroup_unit(struct str path)
{
	struct str slice = {NULL, 0};
	size_t end = path.s ? path.n : 0;

	while (end > 0) {
		const char *slash = memrchr(path.s, '/', end);
		const char *start = slash ? slash + 1 : path.s;
		struct str part = {start, (size_t)(path.s + end - start)};

		if (has_suffix(part, ".service") || has_suffix(part, ".scope"))
			return part;
		if (!slice.s && has_suffix(part, ".slice"))
			slice = part;
		end = slash ? (size_t)(slash - path.s) : 0;
	}
	return slice;
}

struct str cgroup_unit_path(struct str path)
{
	struct str unit = cgroup_unit(path);

	return unit.s ? (struct str){path.s, (size_t)(unit.s + unit.n - path.s)} : unit;
}

bool cgroup_is_of(struct str path, const char *root, const char *unit)
{
	size_t at = strlen(root);

	if (!path.s || path.n < at || memcmp(path.s, root, at) != 0)
		return false;
	while (at < path.n) {
		const char *part = path.s + at + 1, *slash = memchr(part, '/', path.n - at - 1);
		size_t n = slash ? (size_t)(slash - part) : path.n - at - 1;

		if (str_equal((struct str){part, n}, unit))
			return true;
		at += 1 + n;
	}
	return false;
}

/* How container runtimes name the cgroups of their containers: prefix, name, suffix. */
/* clang-format off */
#define WORD(s) {s, sizeof(s) - 1}
/* clang-format on */
static const struct {
	struct str prefix, suffix;
	const char *runtime;
} containers[] = {
	{WORD("docker-"), WORD(".scope"), "docker"},
	{WORD("libpod-"), WORD(".scope"), "podman"},
	{WORD("cri-containerd-"), WORD(".scope"), "containerd"},
	{WORD("crio-"), WORD(".scope"), "cri-o"},
	{WORD("lxc.payload."), WORD(""), "lxc"},
	{WORD("machine-"), WORD(".scope"), "machine"},
	{WORD("systemd-nspawn@"), WORD(".service"), "machine"},
};

#define CONTAINER_ID_SHOWN 12 /* hexadecimal digits of those that runtimes make up */

static bool is_id(struct str s)
{
	size_t i = 0;

	while (i < s.n && strchr("0123456789abcdef", s.s[i]))
		i++;
	return i == s.n && s.n >= 32;
}

static int container_name(const char *runtime, struct str name, char **ret)
{
	size_t n = is_id(name) ? CONTAINER_ID_SHOWN : name.n;

	if (asprintf(ret, "%s:%.*s", runtime, (int)n, name.s) >= 0)
		return 0;
	*ret = NULL;
	return -ENOMEM;
}

static int container_of(struct str part, bool in_docker, char **ret)
{
	for (size_t i = 0; i < ARRAY_LEN(containers); i++) {
		struct str pre = containers[i].prefix, post = containers[i].suffix;

		if (part.n > pre.n + post.n && memcmp(part.s, pre.s, pre.n) == 0 &&
		    memcmp(part.s + part.n - post.n, post.s, post.n) == 0)
			return container_name(containers[i].runtime,
					      (struct str){part.s + pre.n, part.n - pre.n - post.n},
					      ret);
	}
	/* the cgroupfs driver: /docker/ID */
	return in_docker && is_id(part) ? container_name("docker", part, ret) : 0;
}

int cgroup_container(struct str path, char **ret)
{
	struct str part = {path.s, 0}, before = {NULL, 0};
	int r = 0;

	*ret = NULL;
	/* the innermost container has the last word, so go on behind the first */
	while (part.s && r == 0) {
		size_t left = path.n - (size_t)(part.s - path.s);
		const char *slash = memchr(part.s, '/', left);
		char *found = NULL;

		part.n = slash ? (size_t)(slash - part.s) : left;
		r = container_of(part, str_equal(before, "docker"), &found);
		if (found) {
			free(*ret);
			*ret = found;
		}
		before = part;
		part.s = slash ? slash + 1 : NULL;
	}
	return r;
}

static int cgroup_compare(const void *a, const void *b)
{
	return strcmp(((const struct cgroup *)a)->path, ((const struct cgroup *)b)->path);
}

static void leaver_done(struct leaver *l)
{
	process_unref(l->process);
	free(l->moved_to);
	lineage_done(&l->mover);
	request_unref(l->request);
	proof_done(&l->proof);
	proof_done(&l->request_proof);
	*l = (struct leaver){};
}

static void cgroup_free(struct cgroup *c)
{
	for (unsigned int i = 0; i < c->n_leavers; i++)
		leaver_done(&c->leavers[i]);
	proof_done(&c->frozen);
	proof_done(&c->thawed);
	call_unref(c->froze);
	free(c->path);
	free(c);
}

void cgroup_table_init(struct cgroup_table *t)
{
	TAILQ_INIT(&t->queue);
}

void cgroup_drop(struct cgroup_table *t, struct cgroup *c)
{
	tdelete(c, &t->by_path, cgroup_compare);
	TAILQ_REMOVE(&t->queue, c, entry);
	t->n--;
	cgroup_free(c);
}

void cgroup_table_done(struct cgroup_table *t)
{
	while (!TAILQ_EMPTY(&t->queue))
		cgroup_drop(t, TAILQ_FIRST(&t->queue));
}

static struct cgroup *by_path(const struct cgroup_table *t, char *path)
{
	struct cgroup key = {.path = path};
	struct cgroup **found = tfind(&key, &t->by_path, cgroup_compare);

	return found ? *found : NULL;
}

void cgroup_drop_path(struct cgroup_table *t, struct str path)
{
	_cleanup_free_ char *copy = str_dup(path);
	struct cgroup *c = copy ? by_path(t, copy) : NULL;

	if (c)
		cgroup_drop(t, c);
}

static struct cgroup *cgroup_new(struct cgroup_table *t, char *path)
{
	struct cgroup *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->path = path;
	if (!tsearch(c, &t->by_path, cgroup_compare)) {
		free(c);
		return NULL;
	}
	TAILQ_INSERT_TAIL(&t->queue, c, entry);
	if (++t->n > CGROUPS_MAX)
		cgroup_drop(t, TAILQ_FIRST(&t->queue));
	return c;
}

/* The cgroup of the unit that path lies in, made if need be. *ret NULL: in no service's or scope's.
 */
static int cgroup_of(struct cgroup_table *t, struct str path, struct cgroup **ret)
{
	_cleanup_free_ char *unit_path = NULL;
	struct cgroup *c;

	*ret = NULL;
	path = cgroup_unit_path(path);
	if (!path.s || !(has_suffix(path, ".service") || has_suffix(path, ".scope")))
		return 0;
	unit_path = str_dup(path);
	if (!unit_path)
		return -ENOMEM;
	c = by_path(t, unit_path);
	if (c) {
		TAILQ_REMOVE(&t->queue, c, entry);
		TAILQ_INSERT_TAIL(&t->queue, c, entry);
	} else {
		c = cgroup_new(t, unit_path);
		if (!c)
			return -ENOMEM;
		take_ptr(unit_path);
	}
	*ret = c;
	return 0;
}

static struct str path_of(const struct process *p)
{
	return (struct str){p->a.cgroup, p->a.cgroup ? strlen(p->a.cgroup) : 0};
}

static void push(struct cgroup *c, const struct leaver *l)
{
	if (c->n_leavers == LEAVERS_MAX) {
		leaver_done(&c->leavers[0]);
		memmove(&c->leavers[0], &c->leavers[1], (LEAVERS_MAX - 1) * sizeof(*l));
		c->n_leavers--;
		c->n_earlier++;
	}
	c->leavers[c->n_leavers++] = *l;
}

int cgroup_note_exit(struct cgroup_table *t, struct process *p)
{
	struct leaver l = {};
	struct cgroup *c;
	int r = cgroup_of(t, path_of(p), &c);

	if (r < 0 || !c)
		return r;
	r = proof_copy(&l.proof, &p->exit_proof);
	if (r < 0)
		return r;
	l.process = process_ref(p);
	push(c, &l);
	return 0;
}

static int set_mover(struct leaver *l, uint32_t tgid, const struct process_table *processes)
{
	static const struct process nobody = {
		.a = {.uid = UINT32_MAX, .loginuid = UINT32_MAX, .session = UINT32_MAX},
	};
	const struct process *p = process_by_tgid(processes, tgid);
	struct process unknown = nobody;

	unknown.a.tgid = tgid;
	return lineage_of(&l->mover, p ? p : &unknown, processes);
}

static int set_request(struct leaver *l, const struct asked_scope *scope)
{
	if (!scope)
		return 0;
	l->request = request_ref(scope->request);
	return proof_copy(&l->request_proof, &scope->proof);
}

int cgroup_note_move(struct cgroup_table *t, struct process *p, const struct ev *e,
		     const struct process_table *processes, const struct asked_scope *scope)
{
	struct str to = cgroup_unit_path(e->attach.path);
	struct leaver l = {};
	struct cgroup *c;
	int r = cgroup_of(t, path_of(p), &c);

	if (r < 0 || !c || !e->attach.path.s || (to.s && str_equal(to, c->path)))
		return r;
	l.process = process_ref(p);
	l.moved_to = str_dup(e->attach.path);
	r = l.moved_to ? proof_set(&l.proof, e) : -ENOMEM;
	if (r == 0)
		r = set_mover(&l, e->tgid, processes);
	if (r == 0)
		r = set_request(&l, scope);
	if (r == 0)
		push(c, &l);
	else
		leaver_done(&l);
	return r;
}

static bool is_killed(const struct process_table *t, uint32_t tgid)
{
	const struct process *p = process_by_tgid(t, tgid);

	return p && process_fatal_signal(p, SIGKILL, 0);
}

int cgroup_note_frozen(struct cgroup_table *t, const struct ev *e,
		       const struct process_table *processes, const struct call_table *calls)
{
	struct str unit = cgroup_unit_path(e->path.path);
	struct cgroup *c;
	int r;

	if (unit.n != e->path.path.n) /* one below it is not all of it */
		return 0;
	r = cgroup_of(t, e->path.path, &c);
	if (r < 0 || !c)
		return r;
	/* one that is killed leaves: told as a thaw and, when it is gone, as a freeze */
	if (c->frozen.seq && (c->lost_one || is_killed(processes, e->tgid))) {
		c->lost_one = !e->path.value;
		return 0;
	}
	if (!e->path.value)
		return c->frozen.seq ? proof_set(&c->thawed, e) : 0;
	proof_done(&c->thawed);
	call_unref(c->froze);
	c->froze = calls_take_freeze(calls, cgroup_unit(unit));
	return proof_set(&c->frozen, e);
}

struct cgroup *cgroup_find(const struct cgroup_table *t, const char *root, const char *unit)
{
	struct cgroup *c, *best = NULL;
	size_t n = strlen(root);

	TAILQ_FOREACH(c, &t->queue, entry)
	{
		const char *slash = strrchr(c->path, '/');

		/* a manager below this one may have a unit of that name too, deeper down */
		if (strncmp(c->path, root, n) == 0 &&
		    strcmp(slash ? slash + 1 : c->path, unit) == 0 &&
		    (!best || strlen(c->path) < strlen(best->path)))
			best = c;
	}
	return best;
}
