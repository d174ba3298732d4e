/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The PID file, load by load. Three events tell of one: the manager begins, capture has looked at
 * the file, the manager returns. What the manager returned is the truth; the file is what capture
 * found a moment later, and the two are compared.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "engine/pidfile_history.h"
#include "engine/verdict.h"
#include "svctrace/cleanup.h"

/* A dispatch that takes longer is odd: then it is not said what the load came from. */
#define DISPATCH_NS 1000000000ull

const char *pidfile_when_name(enum pidfile_when when)
{
	static const char *const names[PIDFILE_WHEN_MAX] = {
		[PIDFILE_AT_START] = "start",	      [PIDFILE_AT_CHANGE] = "change",
		[PIDFILE_AT_RELOAD] = "reload",	      [PIDFILE_AT_WRITE] = "written",
		[PIDFILE_AT_MAIN_EXIT] = "main-exit",
	};

	return when < PIDFILE_WHEN_MAX ? names[when] : NULL;
}

const char *pidfile_written_name(enum pidfile_written written)
{
	static const char *const names[] = {
		[PIDFILE_UNCHANGED] = "unchanged",
		[PIDFILE_IN_PLACE] = "in-place",
		[PIDFILE_REPLACED] = "replaced",
	};

	return written < ARRAY_LEN(names) ? names[written] : NULL;
}

const char *pidfile_half_name(enum pidfile_half half)
{
	static const char *const names[] = {
		[PIDFILE_HALF_EMPTY] = "empty",
		[PIDFILE_HALF_NO_END] = "no-end",
		[PIDFILE_HALF_PREFIX] = "prefix",
		[PIDFILE_HALF_WHEN_READ] = "when-read",
	};

	return half < ARRAY_LEN(names) ? names[half] : NULL;
}

static void load_done(struct pidfile_load *l)
{
	char *const texts[] = {l->state, l->path,   l->line,	  l->outcome,	 l->rule,
			       l->why,	 l->mend,   l->from,	  l->from_kind,	 l->step,
			       l->comm,	 l->cgroup, l->step_kind, l->step_target};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		free(texts[i]);
	for (size_t i = 0; i < PIDFILE_PROOFS; i++)
		proof_done(&l->proof[i]);
	*l = (struct pidfile_load){};
}

void pidfile_history_freep(struct pidfile_history **h)
{
	for (unsigned int i = 0; *h && i < (*h)->n; i++)
		load_done(&(*h)->load[i]);
	free(*h);
	*h = NULL;
}

static struct pidfile_load *last(struct pidfile_history *h)
{
	return h->n ? &h->load[h->n - 1] : NULL;
}

/* Room at the end: the first load is how it began, the second one is the least of them. */
static struct pidfile_load *append(struct pidfile_history *h)
{
	if (h->n == PIDFILE_LOADS_MAX) {
		load_done(&h->load[1]);
		memmove(&h->load[1], &h->load[2], (PIDFILE_LOADS_MAX - 2) * sizeof(h->load[0]));
		h->n--;
		h->n_left_out++;
	}
	h->load[h->n] = (struct pidfile_load){};
	return &h->load[h->n++];
}

static enum pidfile_when when_of(const struct ev *e, const struct manager *m)
{
	const struct trigger *t = &m->trigger;
	enum state_class class = state_class(e->service.state);
	bool child = t->set && t->kind == WIRE_SERVICE_SIGCHLD && t->unit == e->service.unit &&
		     e->mono_ns - t->proof.mono_ns < DISPATCH_NS;

	if (child && t->main_pid > 0 && t->arg[0] == t->main_pid)
		return PIDFILE_AT_MAIN_EXIT;
	if (class == STATE_STARTING)
		return child ? PIDFILE_AT_START : PIDFILE_AT_CHANGE;
	return class == STATE_UP && child ? PIDFILE_AT_RELOAD : PIDFILE_AT_OTHER;
}

static int begin_load(struct pidfile_history *h, const struct ev *e, const struct manager *m)
{
	const struct ev_service *s = &e->service;
	struct pidfile_load *l = append(h);

	l->mono_ns = e->mono_ns;
	l->wall_ns = e->wall_ns;
	l->times = 1;
	l->when = when_of(e, m);
	l->stopping = state_class(s->state) == STATE_STOPPING;
	l->main_before = s->main_pid == WIRE_NONE ? -1 : s->main_pid;
	l->main_after = -1;
	l->state = s->state ? strdup(s->state) : NULL;
	l->path = str_dup(s->path);
	if ((s->state && !l->state) || (s->path.s && !l->path))
		return -ENOMEM;
	return proof_set(&l->proof[PIDFILE_BEGAN], e);
}

/*
 * Is it the file of the load before, and was it written to since? A look that does not tell what
 * the manager read then may have come after the writing.
 */
static enum pidfile_written written_since(const struct pidfile_history *h)
{
	const struct pidfile_load *l = &h->load[h->n - 1], *before = l - 1;

	if (h->n < 2 || !l->found || !before->found || !l->path || !before->path ||
	    strcmp(l->path, before->path) != 0 ||
	    (!before->agrees && before->when != PIDFILE_AT_WRITE))
		return PIDFILE_WRITTEN_UNKNOWN;
	if (l->dev != before->dev || l->ino != before->ino)
		return PIDFILE_REPLACED;
	if (l->mtime_ns != before->mtime_ns || l->size != before->size)
		return PIDFILE_IN_PLACE;
	return before->when == PIDFILE_AT_WRITE ? before->written : PIDFILE_UNCHANGED;
}

static int copy_texts(struct pidfile_load *l, const struct ev_pidfile *p)
{
	const struct {
		char **to;
		struct str from;
	} texts[] = {
		{&l->line, p->line},	       {&l->outcome, p->outcome},
		{&l->rule, p->rule},	       {&l->why, p->why},
		{&l->mend, p->mend},	       {&l->from, p->from},
		{&l->from_kind, p->from_kind}, {&l->step, p->step},
		{&l->step_kind, p->step_kind}, {&l->step_target, p->step_target},
		{&l->comm, p->comm},	       {&l->cgroup, p->cgroup},
	};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		free(*texts[i].to);
		*texts[i].to = str_dup(texts[i].from);
		if (texts[i].from.s && !*texts[i].to)
			return -ENOMEM;
	}
	return 0;
}

/*
 * Somebody has changed the file: of several changes in a row the last one counts, and if that is
 * its removal, what it was before.
 */
static struct pidfile_load *begin_write(struct pidfile_history *h, const struct ev *e)
{
	struct pidfile_load *l;

	for (l = last(h); l && l->when == PIDFILE_AT_WRITE; l = last(h)) {
		if (l->found && !e->pidfile.found)
			break;
		load_done(l);
		h->n--;
	}
	l = append(h);
	l->mono_ns = e->mono_ns;
	l->wall_ns = e->wall_ns;
	l->times = 1;
	l->when = PIDFILE_AT_WRITE;
	l->main_before = l->main_after = -1;
	l->path = str_dup(e->pidfile.path);
	return l;
}

static int fill_look(struct pidfile_load *l, const struct ev_pidfile *p)
{
	l->looked = true;
	l->looked_after_ns = p->looked_ns > l->mono_ns ? (int64_t)(p->looked_ns - l->mono_ns) : 0;
	l->found = p->found;
	l->whole = p->whole;
	l->pid = p->pid;
	l->half_of = p->half_of;
	l->error = p->error;
	l->dev = p->dev;
	l->ino = p->ino;
	l->mtime_ns = p->mtime_ns;
	l->size = p->size;
	l->owner = p->owner;
	l->from_uid = p->from_uid;
	l->step_uid = p->step_uid;
	return copy_texts(l, p);
}

static int learn_look(struct pidfile_history *h, const struct ev *e)
{
	const struct ev_pidfile *p = &e->pidfile;
	struct pidfile_load *l;

	if (p->changed && p->failed)
		return 0;
	l = p->changed ? begin_write(h, e) : last(h);
	if (!l || l->returned || l->proof[PIDFILE_LOOKED].seq)
		return 0; /* of a load that was lost */
	if (proof_set(&l->proof[PIDFILE_LOOKED], e) < 0 || (!p->failed && fill_look(l, p) < 0))
		return -ENOMEM;
	l->written = !p->changed  ? written_since(h)
		     : p->renamed ? PIDFILE_REPLACED
				  : PIDFILE_IN_PLACE;
	return 0;
}

static bool is_outcome(const struct pidfile_load *l, const char *name)
{
	return l->outcome && strcmp(l->outcome, name) == 0;
}

/* Would systemd have done that, by what was found? A PID that it took is the main process now. */
static bool would_agree(const struct pidfile_load *found, const struct pidfile_load *done)
{
	if (!found->looked)
		return false;
	if (done->ret < 0)
		return !is_outcome(found, "accepted") && found->error == done->ret;
	return is_outcome(found, "accepted") &&
	       (done->main_after < 0 || found->pid == done->main_after);
}

static struct str str_of(const char *s)
{
	return (struct str){s, s ? strlen(s) : 0};
}

/*
 * Systemd removes the file when the service has ended: it may be gone when it is looked at, but
 * what it was before is known if somebody was seen to write it.
 */
static int adopt(struct pidfile_load *l, const struct pidfile_load *from)
{
	const struct ev_pidfile p = {
		.found = from->found,
		.whole = from->whole,
		.pid = from->pid,
		.half_of = from->half_of,
		.error = from->error,
		.dev = from->dev,
		.ino = from->ino,
		.mtime_ns = from->mtime_ns,
		.size = from->size,
		.owner = from->owner,
		.from_uid = from->from_uid,
		.step_uid = from->step_uid,
		.line = str_of(from->line),
		.outcome = str_of(from->outcome),
		.rule = str_of(from->rule),
		.why = str_of(from->why),
		.mend = str_of(from->mend),
		.from = str_of(from->from),
		.step = str_of(from->step),
		.from_kind = str_of(from->from_kind),
		.comm = str_of(from->comm),
		.step_kind = str_of(from->step_kind),
		.cgroup = str_of(from->cgroup),
		.step_target = str_of(from->step_target),
	};

	if (fill_look(l, &p) < 0)
		return -ENOMEM;
	l->looked_after_ns = -(int64_t)(l->mono_ns - from->mono_ns);
	l->written = from->written;
	proof_done(&l->proof[PIDFILE_LOOKED]);
	return proof_copy(&l->proof[PIDFILE_LOOKED], &from->proof[PIDFILE_LOOKED]);
}

/* The manager says that there is no PID in it: -EINVAL and -ERANGE come from nothing else. */
static bool found_no_pid(const struct pidfile_load *l)
{
	return l->ret == -EINVAL || l->ret == -ERANGE;
}

static enum pidfile_half half_of(const struct pidfile_load *l)
{
	if (!l->looked || !l->found || l->ret >= 0)
		return PIDFILE_HALF_NOT;
	if (l->size == 0)
		return PIDFILE_HALF_EMPTY;
	if (found_no_pid(l) && l->pid > 0)
		return PIDFILE_HALF_WHEN_READ;
	if (l->whole || (!found_no_pid(l) && l->ret != -ESRCH))
		return PIDFILE_HALF_NOT;
	return l->half_of > 0 ? PIDFILE_HALF_PREFIX : PIDFILE_HALF_NO_END;
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool is_alike(const struct pidfile_load *a, const struct pidfile_load *b)
{
	return a->when == b->when && a->returned && b->returned && a->ret == b->ret &&
	       a->looked == b->looked && a->main_before == b->main_before && a->ino == b->ino &&
	       same_text(a->path, b->path) && same_text(a->line, b->line) &&
	       same_text(a->rule, b->rule) && same_text(a->state, b->state);
}

/* Who waits for a file looks at it again with all that changes on the way. */
static void join_alike(struct pidfile_history *h)
{
	struct pidfile_load *l = last(h), *before = l - 1;

	if (h->n < 2 || !is_alike(before, l))
		return;
	l->times += before->times;
	if (l->written == PIDFILE_UNCHANGED)
		l->written = before->written;
	load_done(before);
	*before = *l;
	*l = (struct pidfile_load){};
	h->n--;
}

/*
 * The process that the file named, if it was gone when that one was to take over: some daemons
 * remove their PID file as they end, whosever it is by then.
 */
static int32_t gone_with(const struct pidfile_history *h)
{
	const struct pidfile_load *l = &h->load[h->n - 1];

	if (l->when != PIDFILE_AT_MAIN_EXIT || l->stopping || l->ret != -ENOENT)
		return 0;
	for (unsigned int i = h->n - 1; i-- > 0 && h->load[i].when == PIDFILE_AT_WRITE;)
		if (h->load[i].pid > 0 && same_text(h->load[i].path, l->path))
			return h->load[i].pid == l->main_before ? 0 : h->load[i].pid;
	return 0;
}

static int learn_result(struct pidfile_history *h, const struct ev *e)
{
	const struct ev_service *s = &e->service;
	struct pidfile_load *l = last(h), *before = h->n > 1 ? l - 1 : NULL;

	if (!l || l->returned || l->when == PIDFILE_AT_WRITE)
		return 0;
	l->returned = true;
	l->ret = s->arg[0];
	l->main_after = s->main_pid == WIRE_NONE ? -1 : s->main_pid;
	if (!would_agree(l, l) && before && before->when == PIDFILE_AT_WRITE &&
	    would_agree(before, l) && adopt(l, before) < 0)
		return -ENOMEM;
	l->agrees = would_agree(l, l);
	l->half = half_of(l);
	l->gone_pid = gone_with(h);
	if (proof_set(&l->proof[PIDFILE_RETURNED], e) < 0)
		return -ENOMEM;
	join_alike(h);
	return 0;
}

int pidfile_history_learn(struct pidfile_history **h, const struct ev *e, const struct manager *m)
{
	if (!*h && e->kind == WIRE_SERVICE_PIDFILE_LOAD) {
		*h = calloc(1, sizeof(**h));
		if (!*h)
			return -ENOMEM;
	}
	if (!*h)
		return 0;
	if (e->kind == WIRE_SERVICE_PIDFILE_LOAD)
		return begin_load(*h, e, m);
	return e->kind == WIRE_PIDFILE ? learn_look(*h, e) : learn_result(*h, e);
}

/* A file that names, or named as it went, the process that ended hands nothing over. */
static bool is_hand_over(const struct pidfile_load *l)
{
	return l->when == PIDFILE_AT_MAIN_EXIT && !l->stopping && l->returned && l->ret != 0 &&
	       (l->ret != -ENOENT || l->gone_pid > 0);
}

const struct pidfile_load *pidfile_hand_over(const struct pidfile_history *h)
{
	for (unsigned int i = h ? h->n : 0; i-- > 0;)
		if (is_hand_over(&h->load[i]))
			return &h->load[i];
	return NULL;
}

const struct pidfile_load *pidfile_history_refused(const struct pidfile_history *h)
{
	const struct pidfile_load *l = h && h->n ? &h->load[h->n - 1] : NULL;

	return l && l->returned && l->ret < 0 ? l : NULL;
}

int pidfile_load_cite(const struct pidfile_load *l, struct verdict *v)
{
	int r = 0;

	for (size_t i = 0; i < PIDFILE_PROOFS && r == 0; i++)
		r = verdict_cite(v, &l->proof[i]);
	return r;
}

int pidfile_history_explain(const struct pidfile_history *h, struct verdict *v, uint64_t since_ns)
{
	const struct pidfile_load *l = pidfile_hand_over(h);
	int r;

	if (!l || l->ret > 0 || l->mono_ns < since_ns)
		return 0;
	r = pidfile_load_cite(l, v);
	if (r < 0)
		return r;
	if (l->gone_pid > 0)
		return verdict_step(v, "its PID file, which named %" PRId32 ", is gone",
				    l->gone_pid);
	if (l->looked && l->agrees && l->pid > 0)
		return verdict_step(v, "its PID file names %" PRId32 ", which is refused (%s)",
				    l->pid, l->rule ? l->rule : "?");
	return verdict_step(v, "its PID file is refused (%s)", strerrorname_np(-l->ret) ?: "?");
}
