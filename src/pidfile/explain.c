/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What systemd would log, why it decides so, and what would change its mind. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pidfile/internal.h"
#include "svctrace/cleanup.h"
#include "svctrace/text.h"

#define CHOWN_MAX 4 /* paths that are named; the rest is counted */

_printf_(1, 2) static char *say(const char *fmt, ...)
{
	va_list args;
	char *s;
	int n;

	va_start(args, fmt);
	n = vasprintf(&s, fmt, args);
	va_end(args);
	return n < 0 ? NULL : s;
}

/* ---- the line in the log ---- */

static char *log_open(const struct pidfile_query *q, int error)
{
	const char *state = q->service.state ?: "start";
	const char *quote = q->rules.quotes ? "'" : "";

	return say("Can't open PID file %s%s%s (yet?) after %s: %s", quote, q->path, quote, state,
		   strerror(q->rules.hides_errno ? EPERM : -error));
}

static char *log_read(const struct pidfile_query *q, int error)
{
	if (q->rules.quotes)
		return say("Failed to read PID file '%s': %s", q->path, strerror(-error));
	return say("Can't convert PID files %s O_PATH file descriptor to proper file descriptor: "
		   "%s",
		   q->path, strerror(-error));
}

/* A text that is no PID; and where pidfds are used, a PID without a process. */
static char *log_reference(const struct pidfile_query *q, const struct pidfile_check *c)
{
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", c->content.pid);
	if (q->rules.quotes)
		return say("Failed to create reference to PID %s from file '%s': %s",
			   c->content.line ?: pid, q->path, strerror(-c->error));
	return say("Failed to parse PID from file %s: %s", q->path, strerror(-c->error));
}

static char *log_owner(const struct pidfile_query *q, const struct pidfile_check *c)
{
	if (q->rules.wants_manager)
		return say("New main PID %d from PID file does not belong to service, and PID file "
			   "is owned by %u (must be owned by %u). Refusing.",
			   c->content.pid, c->owner, q->service.manager_uid);
	return say("New main PID %d does not belong to service, and PID file is not owned by root. "
		   "Refusing.",
		   c->content.pid);
}

static char *log_text(const struct pidfile_query *q, const struct pidfile_check *c)
{
	switch (c->rule) {
	case PIDFILE_RULE_MISSING:
	case PIDFILE_RULE_CANNOT_OPEN:
		return log_open(q, c->error);
	case PIDFILE_RULE_CANNOT_READ:
		return log_read(q, c->error);
	case PIDFILE_RULE_EMPTY:
	case PIDFILE_RULE_NO_PID:
		return log_reference(q, c);
	case PIDFILE_RULE_MANAGER:
		return say("New main PID %d is the manager, refusing.", c->content.pid);
	case PIDFILE_RULE_CONTROL:
		return say("New main PID %d is the control process, refusing.", c->content.pid);
	case PIDFILE_RULE_NO_PROCESS:
		if (q->rules.by_reference)
			return log_reference(q, c);
		/* fall through */
	case PIDFILE_RULE_ZOMBIE:
		return say("New main PID %d does not exist or is a zombie.", c->content.pid);
	case PIDFILE_RULE_UNSAFE_PATH:
		return say("Refusing to accept PID outside of service control group, acquired "
			   "through unsafe symlink chain: %s",
			   q->path);
	default:
		return log_owner(q, c);
	}
}

/* Some lines are an error in every case; the others are for debugging unless the service starts. */
static const char *log_level(enum pidfile_rule rule)
{
	return rule == PIDFILE_RULE_CANNOT_READ || rule == PIDFILE_RULE_UNSAFE_PATH ||
			       rule == PIDFILE_RULE_OWNER
		       ? "error"
		       : "info";
}

/* What pidfd_open() has against a thread depends on the kernel, and so does the line's end. */
static bool is_logged(const struct pidfile_check *c)
{
	return (c->outcome == PIDFILE_REFUSED || c->outcome == PIDFILE_NOT_YET) &&
	       c->rule != PIDFILE_RULE_BLOCKS && c->rule != PIDFILE_RULE_THREAD;
}

static int explain_log(const struct pidfile_query *q, struct pidfile_check *c)
{
	_cleanup_free_ char *text = NULL;

	if (!is_logged(c))
		return 0;
	text = log_text(q, c);
	if (!text)
		return -ENOMEM;
	c->log = q->service.unit ? say("%s: %s", q->service.unit, text) : take_ptr(text);
	c->log_level = log_level(c->rule);
	return c->log ? 0 : -ENOMEM;
}

/* ---- why ---- */

static char *why_missing(const struct pidfile_query *q, const struct pidfile_check *c)
{
	const struct pidfile_walk *w = &c->walk;
	const char *missing = w->missing ?: q->path;

	for (size_t i = w->n_steps; i-- > 0;)
		if (w->steps[i].kind == PIDFILE_STEP_LINK)
			return say("%s does not exist; the link %s → %s leads there", missing,
				   w->steps[i].path, w->steps[i].target);
	return say("%s does not exist", missing);
}

static char *why_not_opened(const struct pidfile_query *q, const struct pidfile_check *c)
{
	if (c->error == -ELOOP && q->rules.counts_steps)
		return say("the walk takes more than 129 names and links");
	if (c->error == -ELOOP)
		return say("the walk follows more than 31 links");
	return say("%s: %s", c->walk.missing ?: q->path, strerror(-c->error));
}

static char *why_not_read(const struct pidfile_query *q, const struct pidfile_check *c)
{
	if (c->error == -ENOBUFS)
		return say("the first line has %zu bytes or more", q->rules.line_max);
	return say("what is there cannot be read: %s", strerror(-c->error));
}

static char *why_no_pid(const struct pidfile_check *c)
{
	if (c->error == -ERANGE)
		return say("the first line is no PID: \"%s\" is out of range", c->content.line);
	return say("the first line is no number: \"%s\"", c->content.line);
}

static char *where_it_is(const struct pidfile_check *c)
{
	return say("PID %d (%s) is in %s", c->content.pid, c->process.comm,
		   c->process.cgroup ?: "a cgroup that cannot be read");
}

static char *why_unsafe(const struct pidfile_check *c)
{
	const struct pidfile_step *to = &c->walk.steps[c->walk.unsafe];
	const struct pidfile_step *from = &c->walk.steps[to->from];

	return say("the way to the file leads from %s (%s of uid %u) to %s (%s of uid %u): what a "
		   "user other than root owns must not lead to what another user owns",
		   from->path, pidfile_step_name(from), from->uid, to->path, pidfile_step_name(to),
		   to->uid);
}

/* Outside of the cgroup, or perhaps outside. */
static char *why_untrusted(const struct pidfile_check *c)
{
	_cleanup_free_ char *where = where_it_is(c);
	_cleanup_free_ char *what = c->walk.unsafe != PIDFILE_NO_STEP
					    ? why_unsafe(c)
					    : say("the file belongs to uid %u", c->owner);

	if (!where || !what)
		return NULL;
	if (c->outcome == PIDFILE_UNKNOWN)
		return say("%s, and whether that is the service's is not known; if it is not, "
			   "systemd refuses: %s",
			   where, what);
	return say("%s, which is not the service's, and %s", where, what);
}

static char *why_accepted(const struct pidfile_check *c)
{
	_cleanup_free_ char *where = where_it_is(c);

	if (c->rule == PIDFILE_RULE_ALREADY_MAIN)
		return say("PID %d is the main process already", c->content.pid);
	if (!where)
		return NULL;
	return c->rule == PIDFILE_RULE_IN_CGROUP
		       ? say("%s, which is the service's", where)
		       : say("%s; wherever that is, the way to the file is safe and it belongs to "
			     "uid %u",
			     where, c->owner);
}

static char *why_no_process(const struct pidfile_check *c)
{
	if (c->half_of)
		return say("there is no process %d; the text may be half of %d, a process of the "
			   "service: it does not end with its line",
			   c->content.pid, c->half_of);
	return say("there is no process %d", c->content.pid);
}

static char *why(const struct pidfile_query *q, const struct pidfile_check *c)
{
	switch (c->rule) {
	case PIDFILE_RULE_MISSING:
		return why_missing(q, c);
	case PIDFILE_RULE_CANNOT_OPEN:
		return why_not_opened(q, c);
	case PIDFILE_RULE_CANNOT_READ:
		return why_not_read(q, c);
	case PIDFILE_RULE_BLOCKS:
		return say("it is a FIFO: systemd would wait in open() until somebody writes, and "
			   "nothing else would happen on this machine meanwhile");
	case PIDFILE_RULE_DEVICE:
		return say("it is a device, which is not opened here, as that may do something");
	case PIDFILE_RULE_EMPTY:
		return say("the first line is empty: %s",
			   c->content.whole ? "the PID has to be in it" : "nothing is written yet");
	case PIDFILE_RULE_NO_PID:
		return why_no_pid(c);
	case PIDFILE_RULE_MANAGER:
		return say("PID %d is the service manager itself", c->content.pid);
	case PIDFILE_RULE_CONTROL:
		return say("PID %d is the control process: it starts, stops or reloads the service",
			   c->content.pid);
	case PIDFILE_RULE_NO_PROCESS:
		return why_no_process(c);
	case PIDFILE_RULE_ZOMBIE:
		return say("process %d (%s) is a zombie", c->content.pid, c->process.comm);
	case PIDFILE_RULE_THREAD:
		return say("%d is a thread, not a process", c->content.pid);
	case PIDFILE_RULE_NO_PROC:
		return say("there is no proc/ here to look for process %d", c->content.pid);
	case PIDFILE_RULE_NO_ACCESS:
		return say("%s: %s; systemd runs as root", c->walk.missing ?: q->path,
			   strerror(-c->error));
	case PIDFILE_RULE_UNSAFE_PATH:
	case PIDFILE_RULE_OWNER:
	case PIDFILE_RULE_NO_CGROUP:
		return why_untrusted(c);
	default:
		return why_accepted(c);
	}
}

/* ---- what mends it ---- */

/* Was the owner of this one looked at before? */
static bool is_again(const struct pidfile_walk *w, size_t i)
{
	for (size_t j = 0; j < i; j++)
		if (strcmp(w->steps[j].path, w->steps[i].path) == 0)
			return true;
	return false;
}

/* "chown -h root A B", for a shell: then every step is safe, and the file is trusted. */
static char *chown_all(const struct pidfile_walk *w)
{
	_cleanup_free_ char *args = NULL, *text = NULL;
	unsigned int n = 0;
	size_t size = 0;
	FILE *f = open_memstream(&args, &size);

	if (!f)
		return NULL;
	fwrite("chown\0-h\0root", 1, sizeof("chown\0-h\0root"), f);
	for (size_t i = 0; i < w->n_steps; i++)
		if (w->steps[i].uid != 0 && !is_again(w, i) && n++ < CHOWN_MAX)
			fwrite(w->steps[i].path, 1, strlen(w->steps[i].path) + 1, f);
	if (fclose(f) != 0 || !(text = text_join_args(args, size)))
		return NULL;
	return n > CHOWN_MAX ? say("%s (and %u more)", text, n - CHOWN_MAX) : take_ptr(text);
}

/* Without the links the way may be a safe one. */
static bool is_safe_directly(const struct pidfile_query *q, const struct pidfile_check *c)
{
	struct pidfile_walk direct;
	bool safe;

	if (!c->walk.resolved || strcmp(c->walk.resolved, q->path) == 0 ||
	    pidfile_walk(q->root_fd, c->walk.resolved, &q->rules, &direct) < 0)
		return false;
	safe = direct.error == 0 && direct.unsafe == PIDFILE_NO_STEP && c->owner == 0;
	pidfile_walk_done(&direct);
	return safe;
}

static char *mend_trust(const struct pidfile_query *q, const struct pidfile_check *c)
{
	static const char cgroup[] = "or let the process begin inside of the service's cgroup "
				     "(where neither way nor owner matter)";
	_cleanup_free_ char *chown = NULL;

	if (is_safe_directly(q, c))
		return say("PIDFile=%s; %s", c->walk.resolved, cgroup);
	chown = chown_all(&c->walk);
	return chown ? say("%s, and let root write the file; %s", chown, cgroup) : NULL;
}

static char *mend_missing(const struct pidfile_query *q, const struct pidfile_check *c)
{
	if (c->walk.missing && strcmp(c->walk.missing, q->path) != 0)
		return say("create %s before the service starts (below /run: RuntimeDirectory=)",
			   c->walk.missing);
	return say("the process that systemd starts has to write the file before it exits, at the "
		   "latest before TimeoutStartSec= is over");
}

static const char *mend_plain(const struct pidfile_check *c)
{
	static const char atomically[] =
		"write the file under another name in the same directory, and rename(2) it";

	switch (c->rule) {
	case PIDFILE_RULE_CANNOT_OPEN:
		return "make every name on the way a directory, and the last one a file";
	case PIDFILE_RULE_CANNOT_READ:
	case PIDFILE_RULE_NO_PID:
		return "the first line has to be a decimal number, with nothing behind it";
	case PIDFILE_RULE_BLOCKS:
	case PIDFILE_RULE_DEVICE:
		return "PIDFile= has to name a regular file";
	case PIDFILE_RULE_EMPTY:
		return atomically;
	case PIDFILE_RULE_MANAGER:
	case PIDFILE_RULE_CONTROL:
	case PIDFILE_RULE_THREAD:
		return "write the PID of the daemon itself: what getpid() says in it";
	case PIDFILE_RULE_NO_PROCESS:
	case PIDFILE_RULE_ZOMBIE:
		return c->half_of ? atomically
				  : "write the PID of the process that goes on, and before the one "
				    "before it ends";
	case PIDFILE_RULE_NO_ACCESS:
		return "run it as root";
	default:
		return NULL;
	}
}

int pidfile_explain(const struct pidfile_query *q, struct pidfile_check *c)
{
	const char *plain = mend_plain(c);

	c->why = why(q, c);
	if (!c->why)
		return -ENOMEM;
	if (c->rule == PIDFILE_RULE_UNSAFE_PATH || c->rule == PIDFILE_RULE_OWNER ||
	    c->rule == PIDFILE_RULE_NO_CGROUP)
		c->mend = mend_trust(q, c);
	else if (c->rule == PIDFILE_RULE_MISSING)
		c->mend = mend_missing(q, c);
	else if (plain)
		c->mend = strdup(plain);
	if (!c->mend && c->outcome != PIDFILE_ACCEPTED && c->rule != PIDFILE_RULE_NO_PROC)
		return -ENOMEM;
	return explain_log(q, c);
}
