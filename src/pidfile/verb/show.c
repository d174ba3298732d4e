/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "show.h"
#include "render/json.h"
#include "svctrace/cleanup.h"
#include "svctrace/text.h"

#define SHOWN_MAX (2 * PATH_MAX) /* bytes of one string, escaped; more is cut */

/* ---- for people ---- */

/* Foreign bytes come out as \xNN. */
static void put(const char *s)
{
	char buf[SHOWN_MAX];

	fputs(text_escape(buf, sizeof(buf), s, strlen(s)), stdout);
}

static void put_line(const char *name, const char *s)
{
	if (!s)
		return;
	printf("  %-5s  ", name);
	put(s);
	putchar('\n');
}

static void show_step(const struct pidfile_walk *w, size_t i)
{
	const struct pidfile_step *s = &w->steps[i];

	printf("  %-5s  %c %-9s  uid %-6u  ", i == 0 ? "walk" : "", i == w->unsafe ? '!' : ' ',
	       pidfile_step_name(s), s->uid);
	put(s->path);
	if (s->target) {
		fputs(" → ", stdout);
		put(s->target);
	}
	if (i == w->unsafe)
		printf("  (after uid %u)", w->steps[s->from].uid);
	putchar('\n');
}

static void show_walk(const struct pidfile_walk *w)
{
	for (size_t i = 0; i < w->n_steps; i++)
		show_step(w, i);
	if (w->missing) {
		printf("  %-5s  ! %-9s  %-10s  ", "", "nothing", "");
		put(w->missing);
		putchar('\n');
	}
}

static void show_content(const struct pidfile_content *c)
{
	char buf[256];

	if (c->line)
		printf("  text   \"%s\"%s\n", text_escape(buf, sizeof(buf), c->line, c->line_len),
		       c->whole ? "" : ", no end of line");
}

static void show_log(const struct pidfile_check *c)
{
	if (!c->log)
		return;
	fputs("  log    ", stdout);
	put(c->log);
	printf("  (%s)\n", strcmp(c->log_level, "info") == 0
				   ? "info while it starts or reloads, else debug"
				   : c->log_level);
}

/* What is not asked of a process inside of the cgroup will be asked of the next one outside. */
static void show_notes(const struct pidfile_query *q, const struct pidfile_check *c,
		       const char *type)
{
	bool safe = c->walk.unsafe == PIDFILE_NO_STEP;

	if (c->outcome == PIDFILE_ACCEPTED && (!safe || c->owner != 0))
		printf("  note   a process outside of the service's cgroup would be refused: %s\n",
		       pidfile_rule_name(safe ? PIDFILE_RULE_OWNER : PIDFILE_RULE_UNSAFE_PATH));
	if (type && *type && strcmp(type, "forking") != 0)
		printf("  note   Type=%s: the file is read after a reload and when the main "
		       "process "
		       "ends, not at start\n",
		       type);
	if (!q->rules.known)
		puts("  note   no systemd found below the root: the rules of the newest are "
		     "assumed");
}

static const char *headline(enum pidfile_outcome o)
{
	static const char *const lines[_PIDFILE_OUTCOME_MAX] = {
		[PIDFILE_ACCEPTED] = "systemd accepts it",
		[PIDFILE_REFUSED] = "systemd refuses it",
		[PIDFILE_NOT_YET] = "systemd waits for it",
		[PIDFILE_UNKNOWN] = "cannot tell",
	};

	return lines[o];
}

int pidfile_show_text(const struct pidfile_query *q, const struct pidfile_check *c,
		      const char *type)
{
	put(q->path);
	printf("  %s: %s\n", headline(c->outcome), pidfile_rule_name(c->rule));
	put_line("why", c->why);
	show_log(c);
	show_walk(&c->walk);
	show_content(&c->content);
	put_line("mend", c->mend);
	show_notes(q, c, type);
	return fflush(stdout) == 0 ? 0 : -errno;
}

/* ---- for programs ---- */

static json_t *mode_json(mode_t mode)
{
	char buf[16];

	snprintf(buf, sizeof(buf), "%04o", mode & 07777);
	return json_string(buf);
}

static json_t *step_json(const struct pidfile_walk *w, size_t i)
{
	const struct pidfile_step *s = &w->steps[i];
	struct json_object o = {.json = json_object()};

	json_put(&o, "kind", json_text(pidfile_step_name(s)));
	json_put(&o, "path", json_text(s->path));
	json_put(&o, "target", json_text(s->target));
	json_put(&o, "uid", json_number(s->uid));
	json_put(&o, "mode", mode_json(s->mode));
	json_put(&o, "from", i == 0 ? json_null() : json_number(s->from));
	return json_done(&o);
}

static json_t *walk_json(const struct pidfile_walk *w)
{
	struct json_object o = {.json = json_object()};
	json_t *steps = json_array();

	for (size_t i = 0; i < w->n_steps; i++)
		if (json_array_append_new(steps, step_json(w, i)) < 0)
			o.failed = true;
	json_put(&o, "steps", steps);
	json_put(&o, "unsafe", json_number_or_null(w->unsafe, PIDFILE_NO_STEP));
	json_put(&o, "missing", json_text(w->missing));
	json_put(&o, "resolved", json_text(w->resolved));
	return json_done(&o);
}

static json_t *content_json(const struct pidfile_content *c)
{
	struct json_object o = {.json = json_object()};

	json_put(&o, "line", json_bytes(c->line, c->line_len));
	json_put(&o, "whole", json_boolean(c->whole));
	return json_done(&o);
}

static const char *state_name(enum pidfile_process_state s)
{
	static const char *const names[] = {
		[PIDFILE_PROCESS_UNKNOWN] = "unknown", [PIDFILE_PROCESS_ALIVE] = "alive",
		[PIDFILE_PROCESS_GONE] = "gone",       [PIDFILE_PROCESS_ZOMBIE] = "zombie",
		[PIDFILE_PROCESS_THREAD] = "thread",
	};

	return names[s];
}

static json_t *process_json(const struct pidfile_process *p)
{
	struct json_object o = {.json = json_object()};

	json_put(&o, "process.pid", json_number(p->pid));
	json_put(&o, "state", json_text(state_name(p->state)));
	json_put(&o, "process.command", json_text(*p->comm ? p->comm : NULL));
	json_put(&o, "process.linux.cgroup", json_text(p->cgroup));
	return json_done(&o);
}

static json_t *check_json(const struct pidfile_query *q, const struct pidfile_check *c,
			  const char *type)
{
	struct json_object o = {.json = json_object()};

	json_put(&o, "schema_version", json_number(1));
	json_put(&o, "event.name", json_text("svctrace.pidfile"));
	json_put(&o, "systemd.unit.name", json_text(q->service.unit));
	json_put(&o, "type", json_text(type));
	json_put(&o, "path", json_text(q->path));
	json_put(&o, "outcome", json_text(pidfile_outcome_name(c->outcome)));
	json_put(&o, "rule", json_text(pidfile_rule_name(c->rule)));
	json_put(&o, "why", json_text(c->why));
	json_put(&o, "log", json_text(c->log));
	json_put(&o, "log_level", json_text(c->log_level));
	json_put(&o, "mend", json_text(c->mend));
	json_put(&o, "rules", json_text(q->rules.known ? "found" : "assumed"));
	json_put(&o, "walk", walk_json(&c->walk));
	json_put(&o, "owner", c->walk.fd < 0 ? json_null() : json_number(c->owner));
	json_put(&o, "content", c->content.line ? content_json(&c->content) : json_null());
	json_put(&o, "half_of", json_number_or_null(c->half_of, 0));
	json_put(&o, "process", c->process.pid > 0 ? process_json(&c->process) : json_null());
	return json_done(&o);
}

int pidfile_show_json(const struct pidfile_query *q, const struct pidfile_check *c,
		      const char *type)
{
	return json_print(check_json(q, c, type), JSON_COMPACT);
}
