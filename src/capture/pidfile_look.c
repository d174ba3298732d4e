/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A manager is about to load a PID file: the same walk is gone in its root, and what it leads to
 * goes into the stream behind the record of the load. It is gone a moment later than the manager
 * goes it, and what the manager made of it stands in the record of the load's result.
 *
 * It is gone in a process of its own, which is waited for so long and no longer: a way may lead to
 * a filesystem that never answers. At most one such process is left behind at a time.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "capture/capture_internal.h"
#include "svctrace/cleanup.h"

#define LOOK_NS	    1000000000ull /* of waiting … */
#define LOOK_PER_NS 5000000000ull /* … in that long */
#define TEXT_MAX    256		  /* of the line; a PID has fewer than 10 */

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

/* All that the other process must know of the load and its manager. */
struct question {
	struct wire_hdr h; /* of the load's record */
	uint64_t unit;
	pid_t manager;
	struct pidfile_rules rules;
	uid_t uid;
	bool user;
	int32_t main_pid, control_pid;
	char id[WIRE_ID_MAX], path[WIRE_PATH_MAX];
};

/* The record's fixed part, and what the load says itself. */
static struct wire_pidfile *begin(const struct question *q, struct stream *s)
{
	struct wire_pidfile *w = stream_begin(s, WIRE_PIDFILE, sizeof(*w), q->h.tgid);

	w->h.mono_ns = q->h.mono_ns;
	w->h.tid = q->h.tid;
	w->unit = q->unit;
	w->looked_ns = clock_ns(CLOCK_MONOTONIC);
	stream_string(s, &w->id, q->id);
	stream_string(s, &w->path, q->path);
	return w;
}

static int check(const struct question *question, struct pidfile_check *ret)
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
	close(q.root_fd);
	return r;
}

#define OTHER_END 3 /* all that the other process has open */

/* The other process: it waits for a question, answers it, and ends. So it does if nobody asks. */
static void __attribute__((noreturn)) serve(int fd, struct stream *s)
{
	struct pidfile_check c = {};
	struct wire_pidfile *w;
	struct question q;
	int r;

	prctl(PR_SET_NAME, "svctrace-look");
	if (dup2(fd, OTHER_END) < 0 || syscall(SYS_close_range, OTHER_END + 1, ~0u, 0) < 0 ||
	    recv(OTHER_END, &q, sizeof(q), 0) != sizeof(q))
		_exit(1);
	r = check(&q, &c);
	w = begin(&q, s);
	w->failed = r;
	if (r == 0)
		put_check(w, &c, s);
	_exit(send(OTHER_END, s->buf, w->h.size, MSG_NOSIGNAL) == w->h.size ? 0 : 1);
}

/* Ctrl-C is for svctrace, which has the last word to say; this one ends with it. */
static void ignore_signals(void)
{
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGTERM, SIG_DFL); /* not svctrace's handler */
}

/* A process that did not answer in time must have ended before there is another one. */
static bool is_free(struct pidfile_looker *l)
{
	if (l->late && waitpid(l->late, NULL, WNOHANG) != 0)
		l->late = 0;
	return l->late == 0;
}

void pidfile_look_prepare(struct pidfile_looker *l, struct stream *s)
{
	int fds[2];

	if (l->child || !is_free(l) ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return;
	l->child = fork();
	if (l->child == 0) {
		ignore_signals();
		serve(fds[1], s);
	}
	close(fds[1]);
	if (l->child > 0) {
		l->fd = fds[0];
		return;
	}
	close(fds[0]);
	l->child = 0;
}

/* The other process has answered, or has to end. */
static void dismiss(struct pidfile_looker *l, bool answered)
{
	if (!l->child)
		return;
	if (!answered)
		kill(l->child, SIGKILL);
	else
		waitpid(l->child, NULL, 0);
	l->late = l->child;
	is_free(l);
	close(l->fd);
	l->child = 0;
}

void pidfile_look_done(struct pidfile_looker *l)
{
	dismiss(l, false);
	/* if it hangs it cannot be waited for, and ends when what it hangs in does */
	for (int i = 0; i < 100 && !is_free(l); i++)
		usleep(1000);
}

/* The answer is in the stream's buffer then; false: there is none. */
static bool ask(struct pidfile_looker *l, const struct question *q, uint64_t deadline_ns,
		struct stream *s)
{
	const struct wire_hdr *h = (const struct wire_hdr *)s->buf;
	ssize_t n = -1;

	pidfile_look_prepare(l, s);
	if (!l->child)
		return false;
	if (send(l->fd, q, sizeof(*q), MSG_NOSIGNAL) == sizeof(*q) &&
	    wait_until(l->fd, deadline_ns))
		n = recv(l->fd, s->buf, sizeof(s->buf), MSG_DONTWAIT);
	dismiss(l, n >= 0);
	return n >= (ssize_t)sizeof(struct wire_pidfile) && h->size == n;
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
	uint64_t now = clock_ns(CLOCK_MONOTONIC);
	uint64_t left = budget_left(&l->budget, now, LOOK_NS, LOOK_PER_NS);
	bool looked = false;
	struct question q;
	int r;

	if (!make_question(m, load, &q))
		return 0;
	if (left > 0 && !(load->h.flags & WIRE_F_TRUNCATED))
		looked = ask(l, &q, now + left, s);
	if (!looked)
		begin(&q, s)->failed = -ETIMEDOUT;
	r = stream_end(s);
	l->budget.waited_ns += clock_ns(CLOCK_MONOTONIC) - now;
	pidfile_look_prepare(l, s);
	return r;
}
