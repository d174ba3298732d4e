/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "render/json.h"
#include "show.h"
#include "svctrace/cleanup.h"
#include "svctrace/text.h"

#define RED	      "\x1b[1;31m"
#define BOLD	      "\x1b[1m"
#define PLAIN	      "\x1b[0m"
#define MEMBERS_SHOWN 12
#define FRAMES_SHOWN  10
#define KILL	      (UINT64_C(1) << 8)
#define LIMITS_MAX    6

/* What could not be looked at, so that nobody takes it for not there. */
static size_t limits(const struct stuck_snapshot *s, const char *ret[static LIMITS_MAX])
{
	size_t n = 0;

	if (s->partial)
		ret[n++] = "not all of this machine's processes are seen from here";
	if (s->no_stacks)
		ret[n++] = "kernel stacks could not be read (that takes root)";
	if (s->no_holders)
		ret[n++] = "not every process's open files could be read (that takes root, on the "
			   "machine itself)";
	if (s->no_connections)
		ret[n++] = "FUSE's connections could not be read (that takes root)";
	if (s->no_units)
		ret[n++] = "systemd did not tell its units";
	if (s->fds_in_flight)
		ret[n++] = "files lie in sockets or rings: one may be a /dev/fuse";
	return n;
}

/* ---- for people ---- */

static void _printf_(1, 2) put(const char *fmt, ...)
{
	_cleanup_free_ char *s = NULL;
	char shown[4200];
	va_list args;

	va_start(args, fmt);
	if (vasprintf(&s, fmt, args) < 0)
		s = NULL; /* nothing is better than half a name */
	va_end(args);
	if (s)
		fputs(text_escape(shown, sizeof(shown), s, strlen(s)), stdout);
}

/* "nginx 812 (7 in its pid namespace)"; thread numbers where they differ. */
static void show_task(const struct stuck_task *t)
{
	put("%s %d", t->comm, t->tgid);
	if (t->tid != t->tgid)
		put(" thread %d", t->tid);
	if (t->n_nspid < 2)
		return;
	fputs(" (", stdout);
	for (unsigned int i = 1; i < t->n_nspid; i++)
		put("%s%d", i > 1 ? ", " : "", t->nspid[i]);
	printf(" in its pid namespace%s)", t->n_nspid > 2 ? "s" : "");
}

static void show_stack(const struct stuck_task *t, const char *arrow)
{
	unsigned int n = 0;

	if (!t->stack || !*t->stack) {
		if (t->wchan && *t->wchan && strcmp(t->wchan, "0") != 0)
			put(", in %s", t->wchan);
		return;
	}
	fputs("\n           ", stdout);
	for (const char *at = t->stack; *at && n < FRAMES_SHOWN; n++) {
		int len = (int)strcspn(at, "\n");

		printf("%s", n > 0 ? arrow : "in ");
		put("%.*s", len, at);
		at += len;
		at += *at == '\n';
	}
}

static void show_member(const struct stuck_hang *h, const struct stuck_member *m, bool first,
			const char *arrow)
{
	const struct stuck_task *t = m->task;

	printf("  %-6s ", first ? "chain" : "");
	show_task(t);
	printf(": %s", stuck_member_text(h, m));
	if (m->role == STUCK_ROLE_WAITER || m->role == STUCK_ROLE_INIT) {
		printf("; state %c", t->state);
		if ((t->pending | t->all_pending) & KILL)
			fputs(", SIGKILL pending", stdout);
	}
	if (m->role == STUCK_ROLE_WAITER)
		show_stack(t, arrow);
	putchar('\n');
}

/* Units that are as they should be are named all the same, for where it is. */
static void show_units(const struct stuck_hang *h)
{
	size_t len;

	for (size_t i = 0; i < h->n_units; i++) {
		put("  %-6s %s (%s, %s)", i == 0 ? "unit" : "", h->units[i]->name,
		    h->units[i]->active, h->units[i]->sub);
		putchar('\n');
	}
	for (size_t i = 0; h->n_units == 0 && i < h->n_members; i++) {
		const char *name = stuck_unit_name(h->members[i].task->cgroup, &len);

		if (!name)
			continue;
		put("  unit   %.*s", (int)len, name);
		putchar('\n');
		break;
	}
}

static void show_line(const char *head, const char *s)
{
	if (!s)
		return;
	printf("  %-6s ", head);
	put("%s", s);
	putchar('\n');
}

static void show_hang(const struct stuck_hang *h, const struct render_options *o)
{
	size_t skipped = h->n_members > MEMBERS_SHOWN ? h->n_members - MEMBERS_SHOWN : 0;

	if (o->color)
		fputs(h->kind == STUCK_FUSE_DEADLOCK ? RED : BOLD, stdout);
	fputs(stuck_kind_name(h->kind), stdout);
	if (o->color)
		fputs(PLAIN, stdout);
	put(": %s", h->root);
	putchar('\n');
	show_units(h);
	/* the last ones are those that wait, which is what matters most */
	for (size_t i = 0; i < h->n_members; i++) {
		if (skipped && i == MEMBERS_SHOWN / 2) {
			printf("  %-6s and %zu more\n", "", skipped);
			i += skipped;
		}
		show_member(h, &h->members[i], i == 0, o->ascii ? " < " : " ← ");
	}
	show_line("why", h->why);
	show_line("next", h->next);
	show_line("", h->consequence);
}

int stuck_show_text(const struct stuck_snapshot *s, const struct stuck_report *report,
		    const struct render_options *o)
{
	const char *missed[LIMITS_MAX];
	size_t n = limits(s, missed);

	for (size_t i = 0; i < report->n_hangs; i++) {
		if (i > 0)
			putchar('\n');
		show_hang(&report->hangs[i], o);
	}
	if (report->n_hangs == 0)
		puts("Nothing is stuck.");
	for (size_t i = 0; i < n; i++)
		printf("%snote: %s\n", i == 0 && report->n_hangs ? "\n" : "", missed[i]);
	return fflush(stdout) == 0 ? 0 : -errno;
}

/* ---- for programs ---- */

/* Takes value over. */
static void append(json_t *array, json_t *value, bool *failed)
{
	*failed |= json_array_append_new(array, value) < 0;
}

static json_t *array_done(json_t *array, bool failed)
{
	if (!failed)
		return array;
	json_decref(array);
	return NULL;
}

static json_t *signals_json(uint64_t set)
{
	json_t *a = json_array();
	bool failed = false;

	for (int sig = 1; sig <= 64; sig++)
		if (set & UINT64_C(1) << (sig - 1))
			append(a, json_signal(sig), &failed);
	return array_done(a, failed);
}

static json_t *stack_json(const char *stack)
{
	json_t *a = stack ? json_array() : json_null();
	bool failed = false;

	for (const char *at = stack; at && *at;) {
		size_t n = strcspn(at, "\n");

		append(a, json_bytes(at, n), &failed);
		at += n;
		at += *at == '\n';
	}
	return array_done(a, failed);
}

static json_t *vpids_json(const struct stuck_task *t)
{
	json_t *a = json_array();
	bool failed = false;

	for (unsigned int i = 0; i < t->n_nspid; i++)
		append(a, json_number(t->nspid[i]), &failed);
	return array_done(a, failed);
}

static json_t *task_json(const struct stuck_task *t)
{
	struct json_object o = {.json = json_object()};
	char state[2] = {t->state, 0};

	json_put(&o, "process.pid", json_number(t->tgid));
	json_put(&o, "thread.id", json_number(t->tid));
	json_put(&o, "thread.ids_in_namespaces", vpids_json(t));
	json_put(&o, "process.parent_pid", json_number(t->ppid));
	json_put(&o, "process.command", json_text(t->comm));
	json_put(&o, "process.linux.cgroup", json_text(t->cgroup));
	json_put(&o, "state", json_text(state));
	json_put(&o, "exiting", json_boolean(t->flags & STUCK_TASK_EXITS));
	json_put(&o, "thread_pending", signals_json(t->pending));
	json_put(&o, "process_pending", signals_json(t->all_pending));
	json_put(&o, "pid_namespace", json_number_or_null(t->pidns, 0));
	json_put(&o, "waits_for", json_text(stuck_wait_name(stuck_classify(t))));
	json_put(&o, "wchan", json_text(t->wchan));
	json_put(&o, "stack", stack_json(t->stack));
	return json_done(&o);
}

static json_t *member_json(const struct stuck_hang *h, const struct stuck_member *m)
{
	struct json_object o = {.json = json_object()};

	json_put(&o, "role", json_text(stuck_role_name(m->role)));
	json_put(&o, "text", json_text(stuck_member_text(h, m)));
	json_put(&o, "task", task_json(m->task));
	return json_done(&o);
}

static json_t *members_json(const struct stuck_hang *h)
{
	json_t *a = json_array();
	bool failed = false;

	for (size_t i = 0; i < h->n_members; i++)
		append(a, member_json(h, &h->members[i]), &failed);
	return array_done(a, failed);
}

static json_t *daemons_json(const struct stuck_hang *h)
{
	json_t *a = json_array();
	bool failed = false;

	for (size_t i = 0; i < h->n_daemons; i++)
		append(a, task_json(h->daemons[i]), &failed);
	return array_done(a, failed);
}

static json_t *units_json(const struct stuck_hang *h)
{
	json_t *a = json_array();
	bool failed = false;

	for (size_t i = 0; i < h->n_units; i++) {
		struct json_object o = {.json = json_object()};

		json_put(&o, "systemd.unit.name", json_text(h->units[i]->name));
		json_put(&o, "active_state", json_text(h->units[i]->active));
		json_put(&o, "sub_state", json_text(h->units[i]->sub));
		append(a, json_done(&o), &failed);
	}
	return array_done(a, failed);
}

static json_t *connection_json(const struct stuck_hang *h)
{
	struct json_object o = {};

	if (!h->connection)
		return json_null();
	o.json = json_object();
	json_put(&o, "number", json_number(h->connection->number));
	json_put(&o, "waiting", json_number(h->connection->waiting));
	return json_done(&o);
}

static json_t *mount_json(const struct stuck_mount *m)
{
	struct json_object o = {};

	if (!m)
		return json_null();
	o.json = json_object();
	json_put(&o, "type", json_text(m->type));
	json_put(&o, "source", json_text(m->source));
	json_put(&o, "point", json_text(m->point));
	return json_done(&o);
}

static json_t *hang_json(const struct stuck_hang *h, enum stuck_abort aborted)
{
	struct json_object o = {.json = json_object()};

	json_put(&o, "kind", json_text(stuck_kind_name(h->kind)));
	json_put(&o, "root", json_text(h->root));
	json_put(&o, "why", json_text(h->why));
	json_put(&o, "next", json_text(h->next));
	json_put(&o, "consequence", json_text(h->consequence));
	json_put(&o, "fuse_connection", connection_json(h));
	json_put(&o, "mount", mount_json(h->mount));
	json_put(&o, "frozen_cgroup", json_text(h->frozen));
	json_put(&o, "units", units_json(h));
	json_put(&o, "daemons", daemons_json(h));
	json_put(&o, "members", members_json(h));
	json_put(&o, "freed",
		 aborted == STUCK_ABORT_NONE ? json_null()
					     : json_boolean(aborted == STUCK_ABORT_FREED));
	return json_done(&o);
}

static json_t *limits_json(const struct stuck_snapshot *s)
{
	const char *missed[LIMITS_MAX];
	size_t n = limits(s, missed);
	json_t *a = json_array();
	bool failed = false;

	for (size_t i = 0; i < n; i++)
		append(a, json_text(missed[i]), &failed);
	return array_done(a, failed);
}

static json_t *hangs_json(const struct stuck_report *report, const enum stuck_abort *aborts)
{
	json_t *a = json_array();
	bool failed = false;

	for (size_t i = 0; i < report->n_hangs; i++)
		append(a, hang_json(&report->hangs[i], aborts[i]), &failed);
	return array_done(a, failed);
}

int stuck_show_json(const struct stuck_snapshot *s, const struct stuck_report *report,
		    const enum stuck_abort *aborts)
{
	struct json_object o = {.json = json_object()};

	json_put(&o, "schema_version", json_number(1));
	json_put(&o, "event.name", json_text("svctrace.stuck"));
	json_put(&o, "version", json_text(SVCTRACE_VERSION));
	json_put(&o, "stuck", json_boolean(report->n_hangs > 0));
	json_put(&o, "limits", limits_json(s));
	json_put(&o, "hangs", hangs_json(report, aborts));
	return json_print(json_done(&o), JSON_COMPACT);
}
