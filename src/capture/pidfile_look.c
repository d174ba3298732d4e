/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A manager is about to load a PID file: the same walk is gone in its root, and what it leads to
 * goes into the stream behind the record of the load. It is gone a moment later than the manager
 * goes it, and what the manager made of it stands in the record of the load's result.
 *
 * It is gone in a helper process: a way may lead to a filesystem that never answers.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "capture/capture_internal.h"
#include "svctrace/cleanup.h"

#define LOOK_NS	    2000000000ull  /* of waiting … */
#define LOOK_PER_NS 10000000000ull /* … in that long */
#define CHANGES	    HELPER_KEPT
#define TEXT_MAX    256 /* of the line; a PID has fewer than 10 */

static bool get_string(const struct wire_service *w, struct wire_str at, char *ret, size_t size)
{
	if (at.len == 0 || at.len >= size || (size_t)at.off + at.len > w->h.size)
		return false;
	memcpy(ret, (const char *)w + at.off, at.len);
	ret[at.len] = 0;
	return true;
}

static void put_file(struct wire_pidfile *w, const struct pidfile_check *c)
{
	struct stat st;

	if (c->walk.fd < 0 || fstat(c->walk.fd, &st) < 0)
		return;
	w->flags |= WIRE_PIDFILE_FOUND;
	w->dev = st.st_dev;
	w->ino = st.st_ino;
	w->size = st.st_size;
	w->mtime_ns = st.st_mtim.tv_sec * UINT64_C(1000000000) + st.st_mtim.tv_nsec;
	w->owner = st.st_uid;
	w->mode = st.st_mode;
}

static void put_unsafe_step(struct wire_pidfile *w, const struct pidfile_walk *walk,
			    struct stream *s)
{
	const struct pidfile_step *to = &walk->steps[walk->unsafe];
	const struct pidfile_step *from = &walk->steps[to->from];

	w->from_uid = from->uid;
	w->step_uid = to->uid;
	stream_string(s, &w->from, from->path);
	stream_string(s, &w->from_kind, pidfile_step_name(from));
	stream_string(s, &w->step, to->path);
	stream_string(s, &w->step_kind, pidfile_step_name(to));
	stream_string(s, &w->step_target, to->target);
}

static void put_check(struct wire_pidfile *w, const struct pidfile_check *c, struct stream *s)
{
	const struct pidfile_content *text = &c->content;

	w->error = c->error;
	w->pid = text->pid;
	w->half_of = c->half_of;
	w->flags |= text->whole ? WIRE_PIDFILE_WHOLE : 0;
	put_file(w, c);
	stream_string(s, &w->outcome, pidfile_outcome_name(c->outcome));
	stream_string(s, &w->rule, pidfile_rule_name(c->rule));
	if (text->line)
		stream_bytes(s, &w->line, text->line,
			     text->line_len < TEXT_MAX ? text->line_len : TEXT_MAX);
	if (c->rule != PIDFILE_RULE_NO_PID) /* it would quote the text */
		stream_string(s, &w->why, c->why);
	stream_string(s, &w->mend, c->mend);
	if (c->walk.unsafe != PIDFILE_NO_STEP)
		put_unsafe_step(w, &c->walk, s);
	stream_string(s, &w->comm, *c->process.comm ? c->process.comm : NULL);
	stream_string(s, &w->cgroup, c->process.cgroup);
}

#define NAME_SIZE 256 /* NAME_MAX and NUL */

/* What the other process says beside the record: where to hear of changes, and by which names. */
struct places {
	int wd[PIDFILE_PLACES]; /* -1: none */
	char name[PIDFILE_PLACES][NAME_SIZE];
};

/* All that the other process must know of the load and its manager. */
struct question {
	struct wire_hdr h; /* of the load's record */
	uint64_t unit;
	pid_t manager;
	struct pidfile_rules rules;
	uid_t uid;
	bool user;
	int32_t main_pid, control_pid;
	uint32_t flags; /* of the answer: WIRE_PIDFILE_CHANGED, WIRE_PIDFILE_RENAMED */
	char id[WIRE_ID_MAX], path[WIRE_PATH_MAX];
};

/* The record's fixed part, and what the load says itself. */
static struct wire_pidfile *begin(const struct question *q, struct stream *s)
{
	struct wire_pidfile *w = stream_begin(s, WIRE_PIDFILE, sizeof(*w), q->h.tgid);

	w->h.mono_ns = q->h.mono_ns;
	w->h.tid = q->h.tid;
	w->unit = q->unit;
	w->flags = q->flags;
	w->looked_ns = clock_ns(CLOCK_MONOTONIC);
	stream_string(s, &w->id, q->id);
	stream_string(s, &w->path, q->path);
	return w;
}

/* A change of that name in its directory is heard of from now on. */
static void watch_place(int root, const char *path, int *wd, char name[static NAME_SIZE])
{
	struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
			       .resolve = RESOLVE_IN_ROOT};
	const char *slash = path ? strrchr(path, '/') : NULL;
	char dir[PATH_MAX];
	int fd;

	if (!slash || strlen(slash + 1) >= NAME_SIZE ||
	    snprintf(dir, sizeof(dir), "%.*s/", (int)(slash - path), path) >= (int)sizeof(dir))
		return;
	fd = (int)syscall(SYS_openat2, root, dir, &how, sizeof(how));
	if (fd < 0)
		return;
	snprintf(dir, sizeof(dir), "/proc/self/fd/%d", fd);
	*wd = inotify_add_watch(CHANGES, dir, IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE);
	snprintf(name, NAME_SIZE, "%s", slash + 1);
	close(fd);
}

static int check(const struct question *question, struct pidfile_check *ret, struct places *places)
{
	struct pidfile_query q = {
		.path = question->path,
		.rules = question->rules,
		.service =
			{
				.unit = question->id,
				.main_pid = question->main_pid,
				.control_pid = question->control_pid,
				.manager_pid = question->user ? question->manager : 0,
				.manager_uid = question->uid,
			},
	};
	char root[32];
	int r;

	snprintf(root, sizeof(root), "/proc/%d/root", question->manager);
	q.root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (q.root_fd < 0)
		return -errno;
	r = pidfile_check(&q, ret);
	if (r == 0) { /* where the name is, and where the file is, if links lead elsewhere */
		watch_place(q.root_fd, q.path, &places->wd[0], places->name[0]);
		watch_place(q.root_fd, ret->walk.resolved, &places->wd[1], places->name[1]);
	}
	close(q.root_fd);
	return r;
}

/* The other process: it waits for a question, answers it, and ends. So it does if nobody asks. */
static void __attribute__((noreturn)) serve(struct stream *s)
{
	struct places places = {.wd = {-1, -1}};
	struct pidfile_check c = {};
	struct iovec parts[2] = {{&places, sizeof(places)}, {s->buf, 0}};
	struct wire_pidfile *w;
	struct question q;
	int r;

	prctl(PR_SET_NAME, "svctrace-look");
	if (recv(HELPER_FD, &q, sizeof(q), 0) != sizeof(q))
		_exit(1);
	r = check(&q, &c, &places);
	w = begin(&q, s);
	w->failed = r;
	if (r == 0)
		put_check(w, &c, s);
	parts[1].iov_len = w->h.size;
	_exit(writev(HELPER_FD, parts, 2) > 0 ? 0 : 1);
}

void pidfile_look_prepare(struct pidfile_looker *l, struct stream *s)
{
	if (l->changes >= 0 && !l->helper.child && helper_start(&l->helper, l->changes) == 0)
		serve(s);
}

/* The answer is in the stream's buffer then; false: there is none. */
static bool ask(struct pidfile_looker *l, const struct question *q, uint64_t deadline_ns,
		struct stream *s, struct places *places)
{
	struct iovec parts[2] = {{places, sizeof(*places)}, {s->buf, sizeof(s->buf)}};
	const struct wire_hdr *h = (const struct wire_hdr *)s->buf;
	ssize_t n = -1;

	pidfile_look_prepare(l, s);
	if (!l->helper.child)
		return false;
	if (send(l->helper.fd, q, sizeof(*q), MSG_NOSIGNAL) == sizeof(*q) &&
	    wait_until(l->helper.fd, deadline_ns))
		n = readv(l->helper.fd, parts, 2);
	helper_dismiss(&l->helper, n >= 0);
	return n >= (ssize_t)(sizeof(*places) + sizeof(struct wire_pidfile)) &&
	       h->size == n - sizeof(*places);
}

/* A file that is looked at again when something changes where it is. */
struct pidfile_watch {
	struct question q;
	struct places places;
	bool changed;
};

static bool is_watched(const struct pidfile_looker *l, int wd)
{
	for (unsigned int i = 0; i < l->n_watches; i++)
		for (unsigned int k = 0; k < PIDFILE_PLACES; k++)
			if (l->watch[i].places.wd[k] == wd)
				return true;
	return false;
}

static void unwatch(struct pidfile_looker *l, const struct places *old)
{
	for (unsigned int k = 0; k < PIDFILE_PLACES; k++)
		if (old->wd[k] >= 0 && !is_watched(l, old->wd[k]))
			inotify_rm_watch(l->changes, old->wd[k]);
}

void pidfile_look_forget(struct pidfile_looker *l, pid_t manager, uint64_t unit)
{
	for (unsigned int i = l->n_watches; i-- > 0;) {
		struct pidfile_watch old = l->watch[i];

		if (old.q.manager != manager || (unit && old.q.unit != unit))
			continue;
		l->watch[i] = l->watch[--l->n_watches];
		unwatch(l, &old.places);
	}
}

/* The newest places count; those of a file too many are not watched. */
static void remember(struct pidfile_looker *l, const struct question *q, const struct places *p)
{
	struct pidfile_watch *w = NULL;
	struct places old = {.wd = {-1, -1}};

	for (unsigned int i = 0; i < l->n_watches && !w; i++)
		if (l->watch[i].q.manager == q->manager && l->watch[i].q.unit == q->unit)
			w = &l->watch[i];
	if (w)
		old = w->places;
	else if (l->n_watches < PIDFILE_WATCHES_MAX)
		w = &l->watch[l->n_watches++];
	else
		old = *p;
	if (w)
		*w = (struct pidfile_watch){.q = *q, .places = *p};
	if (w)
		w->q.flags = 0;
	unwatch(l, &old);
}

static int look(struct pidfile_looker *l, const struct question *q, bool possible, struct stream *s)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC);
	uint64_t left = budget_left(&l->budget, now, LOOK_NS, LOOK_PER_NS);
	struct places places = {};
	int r;

	if (left > 0 && possible && ask(l, q, now + left, s, &places))
		remember(l, q, &places);
	else
		begin(q, s)->failed = -ETIMEDOUT;
	r = stream_end(s);
	l->budget.waited_ns += clock_ns(CLOCK_MONOTONIC) - now;
	pidfile_look_prepare(l, s);
	return r;
}

static bool make_question(const struct manager *m, const struct wire_service *load,
			  struct question *q)
{
	*q = (struct question){
		.h = load->h,
		.unit = load->unit,
		.manager = m->pid,
		.rules = m->object->pidfile_rules,
		.uid = m->uid,
		.user = m->user,
		.main_pid = load->main_pid > 0 ? load->main_pid : 0,
		.control_pid = load->control_pid > 0 ? load->control_pid : 0,
	};
	return load->h.size >= sizeof(*load) && get_string(load, load->id, q->id, sizeof(q->id)) &&
	       get_string(load, load->path, q->path, sizeof(q->path)) && *q->path == '/';
}

int pidfile_look(struct pidfile_looker *l, const struct manager *m, const struct wire_service *load,
		 struct stream *s)
{
	struct question q;

	return make_question(m, load, &q) ? look(l, &q, !(load->h.flags & WIRE_F_TRUNCATED), s) : 0;
}

/* The result tells the main process that the service has now. */
void pidfile_look_result(struct pidfile_looker *l, const struct wire_service *result)
{
	for (unsigned int i = 0; i < l->n_watches; i++)
		if (l->watch[i].q.manager == (pid_t)result->h.tgid &&
		    l->watch[i].q.unit == result->unit && result->main_pid > 0)
			l->watch[i].q.main_pid = result->main_pid;
}

static void note_change(struct pidfile_looker *l, const struct inotify_event *e)
{
	for (unsigned int i = 0; e->len && i < l->n_watches; i++) {
		struct pidfile_watch *w = &l->watch[i];

		for (unsigned int k = 0; k < PIDFILE_PLACES; k++) {
			if (w->places.wd[k] != e->wd || strcmp(w->places.name[k], e->name) != 0)
				continue;
			w->changed = true;
			w->q.flags |= WIRE_PIDFILE_CHANGED;
			if (e->mask & (IN_MOVED_TO | IN_CREATE))
				w->q.flags |= WIRE_PIDFILE_RENAMED;
		}
	}
}

static int look_again(struct pidfile_looker *l, struct pidfile_watch *w, struct stream *s)
{
	struct question q = w->q;

	w->changed = false;
	w->q.flags = 0;
	q.h.mono_ns = clock_ns(CLOCK_MONOTONIC);
	q.h.tid = q.manager;
	q.control_pid = 0;
	return look(l, &q, true, s);
}

int pidfile_look_at_changes(struct pidfile_looker *l, struct stream *s)
{
	char buf[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t n;
	int r = 0;

	while ((n = read(l->changes, buf, sizeof(buf))) > 0)
		for (ssize_t at = 0; at < n;) {
			const struct inotify_event *e = (const void *)(buf + at);

			note_change(l, e);
			at += sizeof(*e) + e->len;
		}
	for (unsigned int i = 0; i < l->n_watches && r == 0; i++)
		if (l->watch[i].changed)
			r = look_again(l, &l->watch[i], s);
	return r;
}

int pidfile_look_open(struct pidfile_looker *l)
{
	l->watch = calloc(PIDFILE_WATCHES_MAX, sizeof(*l->watch));
	l->changes = l->watch ? inotify_init1(IN_NONBLOCK | IN_CLOEXEC) : -1;
	return l->changes;
}

void pidfile_look_done(struct pidfile_looker *l)
{
	helper_done(&l->helper);
	closep(&l->changes);
	free(l->watch);
}
