/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* systemd's decision, in the order of its own tests. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pidfile/internal.h"
#include "svctrace/cleanup.h"

static int decide(struct pidfile_check *c, enum pidfile_outcome outcome, enum pidfile_rule rule,
		  int error)
{
	c->outcome = outcome;
	c->rule = rule;
	c->error = error;
	return 1;
}

static int refuse(struct pidfile_check *c, enum pidfile_rule rule, int error)
{
	return decide(c, PIDFILE_REFUSED, rule, error);
}

/* PID 1 may look everywhere: what is closed to us says nothing about it. */
static int cannot_open(struct pidfile_check *c, enum pidfile_rule rule, int error)
{
	if ((error == -EACCES || error == -EPERM) && geteuid() != 0)
		return decide(c, PIDFILE_UNKNOWN, PIDFILE_RULE_NO_ACCESS, error);
	if (error == -ENOENT)
		return decide(c, PIDFILE_NOT_YET, PIDFILE_RULE_MISSING, error);
	return refuse(c, rule, error);
}

/* The functions below return 1 when they have decided, 0 to go on. */

static int judge_type(const struct pidfile_query *q, struct pidfile_check *c)
{
	struct stat st;

	if (c->walk.error)
		return cannot_open(c, PIDFILE_RULE_CANNOT_OPEN, c->walk.error);
	if (fstat(c->walk.fd, &st) < 0)
		return -errno;
	c->owner = st.st_uid;
	switch (st.st_mode & S_IFMT) {
	case S_IFREG:
		return 0;
	case S_IFDIR:
		return refuse(c, PIDFILE_RULE_CANNOT_READ, -EISDIR);
	case S_IFIFO:
		return refuse(c, PIDFILE_RULE_BLOCKS, 0);
	case S_IFSOCK: /* newer ones walk and open in one go */
		return refuse(c,
			      q->rules.quotes ? PIDFILE_RULE_CANNOT_OPEN : PIDFILE_RULE_CANNOT_READ,
			      -ENXIO);
	default:
		return decide(c, PIDFILE_UNKNOWN, PIDFILE_RULE_DEVICE, 0);
	}
}

static int read_file(int path_fd, size_t max, char **ret, size_t *ret_len)
{
	_cleanup_close_ int fd = -1;
	_cleanup_free_ char *text = malloc(max);
	char path[32];
	ssize_t n = 1;
	size_t len = 0;

	if (!text)
		return -ENOMEM;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", path_fd);
	fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	while (n > 0 && len < max) {
		n = read(fd, text + len, max - len);
		if (n < 0)
			return -errno;
		len += n;
	}
	*ret = take_ptr(text);
	*ret_len = len;
	return 0;
}

static int judge_content(const struct pidfile_query *q, struct pidfile_check *c)
{
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	int r;

	if (q->pid > 0) {
		c->content.pid = q->pid;
		return 0;
	}
	r = read_file(c->walk.fd, q->rules.line_max + 1, &text, &len);
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		return cannot_open(c, PIDFILE_RULE_CANNOT_READ, r);
	r = pidfile_parse(text, len, q->rules.line_max, &c->content);
	if (r < 0 || c->content.error == 0)
		return r;
	if (c->content.error == -ENOBUFS)
		return refuse(c, PIDFILE_RULE_CANNOT_READ, -ENOBUFS);
	if (c->content.line_len == 0)
		return decide(c, PIDFILE_NOT_YET, PIDFILE_RULE_EMPTY, c->content.error);
	return refuse(c, PIDFILE_RULE_NO_PID, c->content.error);
}

static int judge_process(const struct pidfile_query *q, struct pidfile_check *c)
{
	const struct pidfile_service *s = &q->service;
	pid_t pid = c->content.pid;
	int r = pidfile_process_read(q->root_fd, pid, &c->process);

	if (r < 0)
		return r;
	if (q->rules.by_reference && c->process.state == PIDFILE_PROCESS_GONE)
		return refuse(c, PIDFILE_RULE_NO_PROCESS, -ESRCH);
	if (q->rules.by_reference && c->process.state == PIDFILE_PROCESS_THREAD)
		return refuse(c, PIDFILE_RULE_THREAD, -EINVAL);
	if (s->main_pid == pid)
		return decide(c, PIDFILE_ACCEPTED, PIDFILE_RULE_ALREADY_MAIN, 0);
	if (pid == 1 || pid == s->manager_pid)
		return refuse(c, PIDFILE_RULE_MANAGER, -EPERM);
	if (pid == s->control_pid)
		return refuse(c, PIDFILE_RULE_CONTROL, -EPERM);
	if (c->process.state == PIDFILE_PROCESS_UNKNOWN)
		return decide(c, PIDFILE_UNKNOWN, PIDFILE_RULE_NO_PROC, 0);
	if (c->process.state == PIDFILE_PROCESS_GONE)
		return refuse(c, PIDFILE_RULE_NO_PROCESS, -ESRCH);
	if (c->process.state == PIDFILE_PROCESS_ZOMBIE)
		return refuse(c, PIDFILE_RULE_ZOMBIE, -ESRCH);
	if (pidfile_process_is_of(&c->process, s))
		return decide(c, PIDFILE_ACCEPTED, PIDFILE_RULE_IN_CGROUP, 0);
	return 0;
}

/* The process is, as far as we know, none of the service's: then the file has to be trusted. */
static int judge_trust(const struct pidfile_query *q, struct pidfile_check *c)
{
	uid_t wanted = q->rules.wants_manager ? q->service.manager_uid : 0;
	bool safe = c->walk.unsafe == PIDFILE_NO_STEP;

	if (safe && c->owner == wanted)
		return decide(c, PIDFILE_ACCEPTED, PIDFILE_RULE_TRUSTED_FILE, 0);
	if (!q->service.unit && !q->service.cgroup)
		return decide(c, PIDFILE_UNKNOWN, PIDFILE_RULE_NO_CGROUP, 0);
	return refuse(c, safe ? PIDFILE_RULE_OWNER : PIDFILE_RULE_UNSAFE_PATH, -EPERM);
}

int pidfile_check(const struct pidfile_query *q, struct pidfile_check *ret)
{
	int r;

	*ret = (struct pidfile_check){};
	r = pidfile_walk(q->root_fd, q->path, &q->rules, &ret->walk);
	if (r < 0)
		return r;
	r = judge_type(q, ret);
	if (r == 0)
		r = judge_content(q, ret);
	if (r == 0)
		r = judge_process(q, ret);
	if (r == 0)
		r = judge_trust(q, ret);
	/* a text without an end may be the beginning of another */
	if (r > 0 && ret->outcome == PIDFILE_REFUSED && q->pid == 0 && ret->content.pid > 0 &&
	    !ret->content.whole)
		ret->half_of = pidfile_process_longer(q->root_fd, ret->content.pid, &q->service);
	r = r < 0 ? r : pidfile_explain(q, ret);
	if (r < 0)
		pidfile_check_done(ret);
	return r;
}

void pidfile_check_done(struct pidfile_check *c)
{
	pidfile_walk_done(&c->walk);
	pidfile_content_done(&c->content);
	pidfile_process_done(&c->process);
	free(take_ptr(c->log));
	free(take_ptr(c->why));
	free(take_ptr(c->mend));
}

const char *pidfile_outcome_name(enum pidfile_outcome o)
{
	static const char *const names[_PIDFILE_OUTCOME_MAX] = {
		[PIDFILE_ACCEPTED] = "accepted",
		[PIDFILE_REFUSED] = "refused",
		[PIDFILE_NOT_YET] = "not-yet",
		[PIDFILE_UNKNOWN] = "unknown",
	};

	return names[o];
}

const char *pidfile_rule_name(enum pidfile_rule r)
{
	static const char *const names[_PIDFILE_RULE_MAX] = {
		[PIDFILE_RULE_IN_CGROUP] = "in-cgroup",
		[PIDFILE_RULE_TRUSTED_FILE] = "trusted-file",
		[PIDFILE_RULE_ALREADY_MAIN] = "already-main",
		[PIDFILE_RULE_MISSING] = "missing",
		[PIDFILE_RULE_CANNOT_OPEN] = "cannot-open",
		[PIDFILE_RULE_CANNOT_READ] = "cannot-read",
		[PIDFILE_RULE_BLOCKS] = "blocks",
		[PIDFILE_RULE_DEVICE] = "device",
		[PIDFILE_RULE_EMPTY] = "empty",
		[PIDFILE_RULE_NO_PID] = "no-pid",
		[PIDFILE_RULE_MANAGER] = "manager",
		[PIDFILE_RULE_CONTROL] = "control-process",
		[PIDFILE_RULE_NO_PROCESS] = "no-process",
		[PIDFILE_RULE_ZOMBIE] = "zombie",
		[PIDFILE_RULE_THREAD] = "thread",
		[PIDFILE_RULE_UNSAFE_PATH] = "unsafe-path",
		[PIDFILE_RULE_OWNER] = "file-owner",
		[PIDFILE_RULE_NO_PROC] = "no-proc",
		[PIDFILE_RULE_NO_CGROUP] = "no-cgroup",
		[PIDFILE_RULE_NO_ACCESS] = "no-access",
	};

	return names[r];
}
