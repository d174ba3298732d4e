/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The PID file's part of a verdict: load by load, and the hand-over to another main process. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "render/renderer.h"
#include "render/verdict_json.h"
#include "svctrace/cleanup.h"
#include "svctrace/text.h"

#define TEXT_LEN 1024

static const char *errno_name(int32_t error)
{
	const char *name = error < 0 ? strerrorname_np(-error) : NULL;

	return name ?: "?";
}

static bool is_missing(const struct pidfile_load *l)
{
	return l->returned && l->ret == -ENOENT;
}

/* ---- text ---- */

/* An ordinary start, and what is read while the service ends, is nobody's question. */
static bool is_worth_telling(const struct pidfile_load *l, bool last)
{
	if (l->stopping || !l->returned)
		return false;
	if (l->half || (l->looked && !l->agrees && !is_missing(l)))
		return true;
	if (l->when == PIDFILE_AT_MAIN_EXIT)
		return l->ret != 0 && (!is_missing(l) || l->gone_pid > 0);
	return l->ret < 0 && (last || !is_missing(l));
}

static void put_when(FILE *f, const struct pidfile_load *l)
{
	switch (l->when) {
	case PIDFILE_AT_START:
		fputs("as it had started", f);
		break;
	case PIDFILE_AT_CHANGE:
		fputs("as something changed there", f);
		break;
	case PIDFILE_AT_RELOAD:
		fputs("as it had reloaded", f);
		break;
	case PIDFILE_AT_WRITE:
		fputs(!l->found			       ? "somebody removed it"
		      : l->written == PIDFILE_REPLACED ? "somebody put another file there"
						       : "somebody wrote it",
		      f);
		break;
	case PIDFILE_AT_MAIN_EXIT:
		fprintf(f, "as main process %" PRId32 " ended", l->main_before);
		break;
	default:
		fprintf(f, "in state %s", l->state ?: "?");
		break;
	}
}

static void put_found(FILE *f, const struct pidfile_load *l)
{
	char text[TEXT_LEN], before[32];

	if (!l->looked)
		fputs("(not looked at)", f);
	else if (!l->found)
		fputs("(nothing there)", f);
	else if (!l->line)
		fputs(l->size ? "(an empty line)" : "(empty)", f);
	else
		fprintf(f, "\"%s\"", text_escape(text, sizeof(text), l->line, strlen(l->line)));
	if (l->when != PIDFILE_AT_WRITE && l->written == PIDFILE_IN_PLACE)
		fputs(", written in place since", f);
	if (l->when != PIDFILE_AT_WRITE && l->written == PIDFILE_REPLACED)
		fputs(", another file than before", f);
	if (l->looked && l->looked_after_ns < 0)
		fprintf(f, ", as it was %s before",
			text_duration((uint64_t)-l->looked_after_ns, before));
	if (l->looked && l->comm)
		fprintf(f, ", names %s", text_escape(text, sizeof(text), l->comm, strlen(l->comm)));
	if (l->looked && l->cgroup)
		fprintf(f, " in %s", text_escape(text, sizeof(text), l->cgroup, strlen(l->cgroup)));
}

static void put_result(FILE *f, const struct pidfile_load *l)
{
	bool rule = l->looked && l->agrees && l->rule;

	if (l->when == PIDFILE_AT_WRITE)
		fprintf(f, "by systemd's rules %s (%s)", l->outcome ?: "?", l->rule ?: "?");
	else if (!l->returned)
		fputs("what came of it was not seen", f);
	else if (l->ret > 0)
		fprintf(f, "taken, main process %" PRId32, l->main_after);
	else if (l->ret == 0)
		fputs("no change", f);
	else
		fprintf(f, "refused (%s%s%s)", errno_name(l->ret), rule ? ", " : "",
			rule ? l->rule : "");
	if (l->looked && !l->agrees && l->returned)
		fprintf(f, "; what was found there a moment later is %s (%s)", l->outcome ?: "?",
			l->rule ?: "?");
	if (l->times > 1)
		fprintf(f, "; %" PRIu32 " times", l->times);
}

/* put_line() for what is printed in parts. */
static int put_parts(FILE *f, const struct renderer *r, const char *label,
		     const struct pidfile_load *l,
		     void (*put)(FILE *f, const struct renderer *r, const struct pidfile_load *l))
{
	_cleanup_free_ char *text = NULL;
	size_t size;
	FILE *line = open_memstream(&text, &size);

	if (!line)
		return -ENOMEM;
	put(line, r, l);
	if (fclose(line) != 0)
		return -ENOMEM;
	put_line(f, r, label, text);
	return 0;
}

static void put_load(FILE *f, const struct renderer *r, const struct pidfile_load *l)
{
	char when[TIME_LEN];

	fprintf(f, "%s ", time_of_day(r, l->wall_ns, l->mono_ns, when));
	put_when(f, l);
	fputs(": ", f);
	put_found(f, l);
	fputs(": ", f);
	put_result(f, l);
}

static void put_path(FILE *f, const struct renderer *r, const struct pidfile_load *l)
{
	char text[TEXT_LEN];

	(void)r;
	fputs(l->path ? text_escape(text, sizeof(text), l->path, strlen(l->path)) : "?", f);
}

static void put_step(FILE *f, const struct renderer *r, const struct pidfile_load *l)
{
	char text[TEXT_LEN];

	(void)r;
	fprintf(f, "from %s (%s of uid %" PRIu32 ")",
		text_escape(text, sizeof(text), l->from, strlen(l->from)), l->from_kind ?: "?",
		l->from_uid);
	fprintf(f, " to %s (%s of uid %" PRIu32 ")",
		text_escape(text, sizeof(text), l->step, strlen(l->step)), l->step_kind ?: "?",
		l->step_uid);
	if (l->step_target)
		fprintf(f, " → %s",
			text_escape(text, sizeof(text), l->step_target, strlen(l->step_target)));
}

static void put_mend(FILE *f, const struct renderer *r, const struct pidfile_load *l)
{
	char text[TEXT_LEN];

	(void)r;
	fputs(text_escape(text, sizeof(text), l->mend, strlen(l->mend)), f);
}

static void put_half(FILE *f, const struct renderer *r, const struct pidfile_load *l)
{
	(void)r;
	switch (l->half) {
	case PIDFILE_HALF_EMPTY:
		fputs("nothing was written yet when it was read", f);
		break;
	case PIDFILE_HALF_PREFIX:
		fprintf(f,
			"half written: it does not end with its line, and %" PRId32
			", a process of the service, begins with it",
			l->half_of);
		break;
	case PIDFILE_HALF_NO_END:
		fputs("perhaps half written: it does not end with its line", f);
		break;
	default:
		fputs("half written: systemd could not read a PID where there was one a moment "
		      "later",
		      f);
		break;
	}
	fputs(" (write another file, and rename it)", f);
}

/* Of the last refusal: which step, what to change. */
static int put_reason(FILE *f, const struct renderer *r, const struct pidfile_load *l)
{
	bool rule = l->looked && l->agrees && l->ret < 0;
	int k = 0;

	if (rule && l->from && l->step && l->rule && strcmp(l->rule, "unsafe-path") == 0)
		k = put_parts(f, r, "step", l, put_step);
	if (k == 0 && l->half)
		k = put_parts(f, r, "half", l, put_half);
	if (k == 0 && rule && l->mend)
		k = put_parts(f, r, "mend", l, put_mend);
	return k;
}

int put_pidfiles(FILE *f, const struct renderer *r, const struct verdict *v)
{
	const struct pidfile_history *h = v->pidfiles;
	const struct pidfile_load *refused = NULL, *shown = NULL;
	bool tell = false;
	int k = 0;

	for (unsigned int i = 0; h && i < h->n; i++)
		tell |= is_worth_telling(&h->load[i], i + 1 == h->n);
	for (unsigned int i = 0; tell && i < h->n && k == 0; i++) {
		const struct pidfile_load *l = &h->load[i];

		if (l->stopping)
			continue;
		if (!shown || !shown->path || !l->path || strcmp(shown->path, l->path) != 0)
			k = put_parts(f, r, "file", l, put_path);
		if (k == 0)
			k = put_parts(f, r, "", l, put_load);
		shown = l;
		refused = l->ret < 0 && !is_missing(l) ? l : refused;
	}
	return k == 0 && refused ? put_reason(f, r, refused) : k;
}

/* ---- JSON ---- */

static json_t *result_json(const struct pidfile_load *l)
{
	if (!l->returned)
		return json_null();
	return json_string(l->ret > 0 ? "taken" : l->ret == 0 ? "same" : "refused");
}

static json_t *pid_json(int32_t pid)
{
	return pid > 0 ? json_integer(pid) : json_null();
}

static json_t *step_json(const char *path, const char *kind, const char *target, uint32_t uid)
{
	struct json_object o = {};

	if (!path)
		return json_null();
	o.json = json_object();
	json_put(&o, "path", json_text(path));
	json_put(&o, "kind", json_text(kind));
	json_put(&o, "target", json_text(target));
	json_put(&o, "uid", json_number(uid));
	return json_done(&o);
}

static json_t *seqs_json(const struct pidfile_load *l)
{
	struct json_object list = {.json = json_array()};

	for (size_t i = 0; i < PIDFILE_PROOFS; i++)
		if (l->proof[i].seq)
			json_append(&list, json_number(l->proof[i].seq));
	return json_done(&list);
}

/* What capture found there: all null if it did not look. */
static json_t *found_json(const struct pidfile_load *l)
{
	struct json_object o = {};

	if (!l->looked)
		return json_null();
	o.json = json_object();
	json_put(&o, "after_ns", json_integer(l->looked_after_ns));
	json_put(&o, "line", l->found ? json_text(l->line ?: "") : json_null());
	json_put(&o, "whole", json_boolean(l->whole));
	json_put(&o, "pid", pid_json(l->pid));
	json_put(&o, "process.command", json_text(l->comm));
	json_put(&o, "process.linux.cgroup", json_text(l->cgroup));
	json_put(&o, "outcome", json_text(l->outcome));
	json_put(&o, "rule", json_text(l->rule));
	json_put(&o, "agrees", l->returned ? json_boolean(l->agrees) : json_null());
	json_put(&o, "why", json_text(l->why));
	json_put(&o, "mend", json_text(l->mend));
	json_put(&o, "from", step_json(l->from, l->from_kind, NULL, l->from_uid));
	json_put(&o, "step", step_json(l->step, l->step_kind, l->step_target, l->step_uid));
	json_put(&o, "owner", l->found ? json_number(l->owner) : json_null());
	json_put(&o, "device", l->found ? json_number(l->dev) : json_null());
	json_put(&o, "inode", l->found ? json_number(l->ino) : json_null());
	json_put(&o, "modified_ns", l->found ? json_number(l->mtime_ns) : json_null());
	json_put(&o, "written", json_text(pidfile_written_name(l->written)));
	json_put(&o, "half", json_text(pidfile_half_name(l->half)));
	json_put(&o, "half_of", pid_json(l->half_of));
	return json_done(&o);
}

static json_t *load_json(const struct pidfile_load *l)
{
	struct json_object o = {.json = json_object()};

	json_put(&o, "time", json_time(l->wall_ns));
	json_put(&o, "monotonic_ns", json_number(l->mono_ns));
	json_put(&o, "times", json_number(l->times));
	json_put(&o, "path", json_text(l->path));
	json_put(&o, "when", json_text(pidfile_when_name(l->when)));
	json_put(&o, "state", json_text(l->state));
	json_put(&o, "main_before", pid_json(l->main_before));
	json_put(&o, "main_after", pid_json(l->main_after));
	json_put(&o, "result", result_json(l));
	json_put(&o, "error",
		 l->returned && l->ret < 0 ? json_string(errno_name(l->ret)) : json_null());
	json_put(&o, "found", found_json(l));
	json_put(&o, "events", seqs_json(l));
	return json_done(&o);
}

json_t *pidfiles_json(const struct verdict *v)
{
	struct json_object list = {.json = json_array()};

	for (unsigned int i = 0; v->pidfiles && i < v->pidfiles->n; i++)
		json_append(&list, load_json(&v->pidfiles->load[i]));
	return json_done(&list);
}

json_t *hand_over_json(const struct verdict *v)
{
	const struct pidfile_load *l = pidfile_hand_over(v->pidfiles);
	struct json_object o = {};

	if (!l)
		return json_null();
	o.json = json_object();
	json_put(&o, "from", pid_json(l->main_before));
	json_put(&o, "to",
		 pid_json(l->ret > 0	    ? l->main_after
			  : l->gone_pid > 0 ? l->gone_pid
					    : l->pid));
	json_put(&o, "done", json_boolean(l->ret > 0));
	json_put(&o, "error", l->ret < 0 ? json_string(errno_name(l->ret)) : json_null());
	json_put(&o, "rule", l->agrees ? json_text(l->rule) : json_null());
	json_put(&o, "written", json_text(pidfile_written_name(l->written)));
	return json_done(&o);
}
