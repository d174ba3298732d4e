/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Verdicts and events for people: a headline, and below it who, why, then, proof. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "render/renderer.h"
#include "svctrace/cleanup.h"
#include "svctrace/text.h"

#define INDENT	    "         "
#define INDENT_LEN  (sizeof(INDENT) - 1)
#define NAME_LEN    256
#define PROOF_SHOWN 8 /* numbers of events that a line lists */

#define BOLD	    "\x1b[1m"
#define RED	    "\x1b[1;31m"
#define AMBER	    "\x1b[1;33m"
#define PLAIN	    "\x1b[0m"

static const char *safe(const char *s, char buf[static NAME_LEN])
{
	return text_escape(buf, NAME_LEN, s, strlen(s));
}

/* How many columns UTF-8 takes, wide characters aside. */
static size_t columns(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += (*s & 0xc0) != 0x80;
	return n;
}

/* What stands for a character where only ASCII may be written; *len: how many bytes it replaces. */
static const char *ascii_of(const char *s, size_t *len)
{
	static const struct {
		const char *from, *to;
	} known[] = {{"→", "->"}, {"─", "-"}, {"…", "..."}};

	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		*len = strlen(known[i].from);
		if (strncmp(s, known[i].from, *len) == 0)
			return known[i].to;
	}
	for (*len = 1; (s[*len] & 0xc0) == 0x80; ++*len)
		;
	return "?";
}

static int write_out(struct renderer *r, const char *text)
{
	size_t n = strlen(text);

	for (const char *s = text; r->options.ascii && *s;) {
		size_t plain = 0, len = 0;
		const char *other;

		while (s[plain] && !(s[plain] & 0x80))
			plain++;
		fwrite(s, 1, plain, r->out);
		s += plain;
		if (*s) {
			other = ascii_of(s, &len);
			fputs(other, r->out);
			s += len;
		}
	}
	if (!r->options.ascii)
		fwrite(text, 1, n, r->out);
	return ferror(r->out) ? -errno : 0;
}

int write_block(struct renderer *r, put_fn put, const void *what)
{
	_cleanup_free_ char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	int k;

	if (!f)
		return -ENOMEM;
	k = put(f, r, what);
	if (fclose(f) != 0 && k == 0)
		k = -ENOMEM;
	return k < 0 ? k : write_out(r, text);
}

void put_line(FILE *f, const struct renderer *r, const char *label, const char *text)
{
	size_t width = r->options.width > 2 * INDENT_LEN ? r->options.width : 0;
	size_t at = INDENT_LEN;

	fprintf(f, "  %-7s", label);
	while (*text) {
		size_t word = strcspn(text, " "), cols = 0;

		for (size_t i = 0; i < word; i++)
			cols += (text[i] & 0xc0) != 0x80;
		if (width && at + 1 + cols > width && at > INDENT_LEN) {
			fputs("\n" INDENT, f);
			at = INDENT_LEN;
		} else if (at > INDENT_LEN) {
			fputc(' ', f);
			at++;
		}
		fwrite(text, 1, word, f);
		at += cols;
		text += word + (text[word] == ' ');
	}
	fputc('\n', f);
}

static const char *headline_word(const struct verdict *v, const char **color)
{
	*color = AMBER;
	if (v->incomplete)
		return "STOPPING";
	if (v->restarts || v->cause == CAUSE_RESTART_REQUEST)
		return "RESTARTING";
	if (v->active_state && strcmp(v->active_state, "failed") == 0) {
		*color = RED;
		return "FAILED";
	}
	return "STOPPED";
}

static bool is_of_command(enum cause c)
{
	return c == CAUSE_CONTROL_FAILED || c == CAUSE_CONDITION_UNMET || c == CAUSE_EXEC_FAILED;
}

/* ": ExecStartPre= exited with 9" */
static void put_failed_command(FILE *f, const struct failed_command *c)
{
	char sig[24];

	fprintf(f, ": %s", c->setting ? c->setting : "control process");
	fputs(c->setting ? "=" : "", f);
	if (c->exit_signal)
		fprintf(f, " killed by %s", text_signal(c->exit_signal, sig));
	else
		fprintf(f, " exited with %" PRId32, c->exit_code);
	if (c->exit_name)
		fprintf(f, "/%s", c->exit_name);
}

static void put_headline(FILE *f, const struct renderer *r, const struct verdict *v)
{
	const char *color, *word = headline_word(v, &color), *off = PLAIN, *bold = BOLD;
	char when[TIME_LEN], sig[24];

	if (!r->options.color)
		color = off = bold = "";
	fprintf(f, "%s  %s%s%s", time_of_day(r, v->begin_wall_ns, v->begin_mono_ns, when), bold,
		v->unit, off);
	if (v->manager_user)
		fprintf(f, " (user %" PRIu32 ")", v->manager_uid);
	fprintf(f, "  %s%s%s  %s", color, word, off, cause_title(v->cause));
	if (v->cause == CAUSE_MAIN_EXITED && v->have_exit)
		fprintf(f, ": code %" PRId32, v->exit_code);
	if (v->cause == CAUSE_MAIN_KILLED && v->have_exit)
		fprintf(f, ": %s%s", text_signal(v->exit_signal, sig),
			v->core_dumped ? ", core dumped" : "");
	if (is_of_command(v->cause) && v->n_failed)
		put_failed_command(f, &v->failed[0]);
	else if (v->cause == CAUSE_EXEC_FAILED && v->exit_name)
		fprintf(f, ": %" PRId32 "/%s", v->exit_code, v->exit_name);
	if (v->certainty == INFERRED)
		fputs(" (inferred)", f);
	fputc('\n', f);
}

/* "kill pid 11733, uid 0 (root), login 1000, session 2, session-2.scope, pts/0" */
void put_identity(FILE *f, const struct actor *a)
{
	char name[NAME_LEN];

	fprintf(f, "%s pid %" PRIu32, a->comm ? safe(a->comm, name) : "process", a->tgid);
	if (a->ns_tgid && a->ns_tgid != a->tgid)
		fprintf(f, " (%" PRIu32 " in its namespace)", a->ns_tgid);
	if (a->uid != UINT32_MAX)
		fprintf(f, ", uid %" PRIu32 "%s", a->uid, a->uid == 0 ? " (root)" : "");
	if (a->loginuid != UINT32_MAX)
		fprintf(f, ", login %" PRIu32, a->loginuid);
	if (a->session != UINT32_MAX)
		fprintf(f, ", session %" PRIu32, a->session);
	if (a->unit)
		fprintf(f, ", %s", safe(a->unit, name));
	if (a->container)
		fprintf(f, ", container %s", safe(a->container, name));
	if (a->tty)
		fprintf(f, ", %s", safe(a->tty, name));
}

static int put_who(FILE *f, const struct renderer *r, const struct verdict *v)
{
	_cleanup_free_ char *text = NULL;
	size_t size;
	FILE *line;

	if (!v->have_actor) {
		if (v->cause == CAUSE_MAIN_KILLED || v->cause == CAUSE_OOMD_KILL)
			put_line(f, r, "who", "not seen");
		return 0;
	}
	line = open_memstream(&text, &size);
	if (!line)
		return -ENOMEM;
	if (v->actor_kernel)
		fputs(v->n_chain ? "the kernel, in the context of " : "the kernel", line);
	if (v->actor_manager && v->n_chain)
		fprintf(line, "systemd itself, pid %" PRIu32, v->chain[0].tgid);
	else if (v->n_chain)
		put_identity(line, &v->chain[0]);
	if (v->actor_certainty == INFERRED)
		fputs(" (inferred)", line);
	if (fclose(line) != 0)
		return -ENOMEM;
	put_line(f, r, "who", text);
	return 0;
}

/* How many of the actor's ancestors have room: those nearest to it matter most. */
static unsigned int chain_shown(const struct verdict *v, size_t room)
{
	unsigned int n = v->n_chain;
	size_t used = 0;

	/* PID 1 is everybody's ancestor */
	if (n > 1 && v->chain[n - 1].tgid == 1)
		n--;
	for (unsigned int i = 0; i < n; i++) {
		char name[NAME_LEN];

		used += columns(v->chain[i].comm ? safe(v->chain[i].comm, name) : "?") + 14;
		if (room && i > 0 && used > room)
			return i;
	}
	return n;
}

static size_t put_chain(FILE *f, const struct verdict *v, size_t room)
{
	unsigned int n = chain_shown(v, room);
	char name[NAME_LEN], one[NAME_LEN + 16];
	size_t used = 0;

	if (n < v->n_chain && v->chain[n].tgid != 1) {
		fputs("… ─ ", f);
		used += 4;
	}
	for (unsigned int i = n; i-- > 0;) {
		const struct actor *a = &v->chain[i];

		snprintf(one, sizeof(one), "%s %" PRIu32 "%s%s",
			 a->comm ? safe(a->comm, name) : "?", a->tgid,
			 i > 0 && a->exited ? " (exited)" : "", i > 0 ? " ─ " : "");
		fputs(one, f);
		used += columns(one);
	}
	return used;
}

/* The first columns of text, an ellipsis at the end if there were more. */
static void put_shortened(FILE *f, const char *text, size_t room)
{
	size_t n = 0, at = 0;

	if (room == 0 || columns(text) <= room) {
		fputs(text, f);
		return;
	}
	while (text[at] && n < room) {
		at++;
		n += (text[at] & 0xc0) != 0x80;
	}
	while (at > 0 && (n >= room || (text[at] & 0xc0) == 0x80)) {
		at--;
		n -= (text[at] & 0xc0) != 0x80;
	}
	fwrite(text, 1, at, f);
	fputs("…", f);
}

/* Every byte of a command line can become four. */
static char *escape_all(const char *s)
{
	size_t size = strlen(s) * 4 + 1;
	char *to = malloc(size);

	return to ? text_escape(to, size, s, strlen(s)) : NULL;
}

/* As pstree -psa shows them, PID 1 first. */
static int put_tree(FILE *f, const struct renderer *r, const struct verdict *v)
{
	size_t width = r->options.width > 2 * INDENT_LEN ? r->options.width : 0;
	char name[NAME_LEN];

	for (unsigned int i = v->n_chain; i-- > 0;) {
		const struct actor *a = &v->chain[i];
		_cleanup_free_ char *shown = a->cmdline ? escape_all(a->cmdline) : NULL;
		size_t depth = 2 * (v->n_chain - 1 - i), used;
		int n;

		if (a->cmdline && !shown)
			return -ENOMEM;
		n = fprintf(f, INDENT "%*s%s%s,%" PRIu32 "%s%s", (int)depth, "", depth ? "└" : "",
			    a->comm ? safe(a->comm, name) : "?", a->tgid,
			    i > 0 && a->exited ? " (exited)" : "", shown ? "  " : "");
		used = n > 0 ? (size_t)n : 0;
		if (shown)
			put_shortened(f, shown, width > used + 16 ? width - used : width ? 16 : 0);
		fputc('\n', f);
	}
	return 0;
}

static int put_ancestry(FILE *f, const struct renderer *r, const struct verdict *v)
{
	const char *cmdline = v->n_chain ? v->chain[0].cmdline : NULL;
	size_t room = r->options.width > 2 * INDENT_LEN ? r->options.width - INDENT_LEN : 0;
	_cleanup_free_ char *shown = NULL;
	size_t used = 0;

	if (!v->have_actor || v->actor_manager || v->n_chain == 0)
		return 0;
	if (r->options.tree)
		return put_tree(f, r, v);
	if (v->n_chain == 1 && !cmdline)
		return 0;
	fputs(INDENT, f);
	if (v->n_chain > 1)
		used = put_chain(f, v, room);
	if (cmdline) {
		shown = escape_all(cmdline);
		if (!shown)
			return -ENOMEM;
		if (room && used + 16 > room && used > 0) {
			fputs("\n" INDENT, f);
			used = 0;
		}
		fputs(used ? "   \"" : "\"", f);
		used += used ? 5 : 2;
		put_shortened(f, shown, room ? room - used : 0);
		fputc('"', f);
	}
	fputc('\n', f);
	return 0;
}

static const char *endpoint_words(const struct verdict *v)
{
	switch (v->request.endpoint) {
	case WIRE_ENDPOINT_PRIVATE:
		return "systemd's private socket";
	case WIRE_ENDPOINT_BUS:
		return v->manager_user ? "the user's bus" : "the system bus";
	case WIRE_ENDPOINT_VARLINK:
		return "Varlink";
	}
	return "?";
}

/* "StopUnit(nginx.service, replace), serial 3, on the system bus as :1.42" */
static int put_request(FILE *f, const struct renderer *r, const struct verdict *v)
{
	const struct verdict_request *q = &v->request;
	_cleanup_free_ char *text = NULL;
	char name[NAME_LEN];
	size_t size;
	FILE *line;

	if (!v->have_request)
		return 0;
	line = open_memstream(&text, &size);
	if (!line)
		return -ENOMEM;
	fputs(q->member ? safe(q->member, name) : "a request", line);
	if (q->unit)
		fprintf(line, "(%s", safe(q->unit, name));
	if (q->unit && q->mode)
		fprintf(line, ", %s", safe(q->mode, name));
	fputs(q->unit ? ")" : "", line);
	if (q->serial)
		fprintf(line, ", serial %" PRIu32, q->serial);
	fprintf(line, ", on %s", endpoint_words(v));
	if (q->sender)
		fprintf(line, " as %s", safe(q->sender, name));
	if (q->passed_on_by.tgid)
		fprintf(line, ", passed on by %s %" PRIu32,
			q->passed_on_by.comm ? safe(q->passed_on_by.comm, name) : "process",
			q->passed_on_by.tgid);
	if (q->certainty == INFERRED)
		fputs(" (inferred)", line);
	if (fclose(line) != 0)
		return -ENOMEM;
	put_line(f, r, "asked", text);
	return 0;
}

static void put_then(FILE *f, const struct renderer *r, const struct verdict *v)
{
	const char *next = v->restart.text ? v->restart.text
			   : v->incomplete ? "its end was not seen"
					   : "";
	char text[640];

	snprintf(text, sizeof(text), "%s%s%s%s (%s)%s%s", v->result ? "result \"" : "",
		 v->result ? v->result : "", v->result ? "\", " : "",
		 v->active_state ? v->active_state : "state not known",
		 v->sub_state ? v->sub_state : "?", *next ? "; " : "", next);
	put_line(f, r, "then", text);
}

static void put_names(FILE *f, const struct manager_info *m)
{
	const char *slash = m->object ? strrchr(m->object, '/') : NULL;
	char name[NAME_LEN];
	const char *sep = ", names by ";

	for (unsigned int i = 0; i < n_symbol_origins; i++) {
		if (!(m->origins & (1u << i)))
			continue;
		fprintf(f, "%s%s", sep, symbol_origins[i]);
		sep = " and ";
	}
	if (m->origins && m->object)
		fprintf(f, " from %s", safe(slash ? slash + 1 : m->object, name));
}

static int put_proof(FILE *f, const struct renderer *r, const struct verdict *v)
{
	const struct manager_info *m = manager_info(r, v->manager);
	_cleanup_free_ char *text = NULL;
	size_t size;
	FILE *line = open_memstream(&text, &size);
	unsigned int n = v->n_proof + v->n_proof_left_out;

	if (!line)
		return -ENOMEM;
	fprintf(line, "%u event%s", n, n == 1 ? "" : "s");
	for (unsigned int i = 0; i < v->n_proof && i < PROOF_SHOWN; i++)
		fprintf(line, "%s#%" PRIu64, i ? " " : " (", v->proof[i].seq);
	fputs(n > PROOF_SHOWN ? " …)" : n ? ")" : "", line);
	if (m)
		put_names(line, m);
	if (v->lost)
		fprintf(line, ", %" PRIu64 " events lost", v->lost);
	else
		fputs(", no events lost", line);
	if (fclose(line) != 0)
		return -ENOMEM;
	put_line(f, r, "proof", text);
	return 0;
}

/* "service_stop+0x1f4 libsystemd-core-252.so" */
static void put_frame(FILE *f, const struct ev_frame *frame)
{
	const struct str *o = &frame->object;
	const char *slash = o->s ? memrchr(o->s, '/', o->n) : NULL;
	const char *base = slash ? slash + 1 : o->s;
	char name[NAME_LEN];

	if (frame->name.s)
		fprintf(f, "%s+0x%" PRIx32 "%s",
			text_escape(name, sizeof(name), frame->name.s, frame->name.n),
			frame->offset, frame->guess ? "?" : "");
	else
		fprintf(f, "0x%" PRIx64, frame->address);
	if (base)
		fprintf(f, " %s", text_escape(name, sizeof(name), base, o->s + o->n - base));
	fputc('\n', f);
}

/* Innermost first, a line each; what was guessed has a "?". */
static void put_stack(FILE *f, const struct renderer *r, const struct ev_stack *s)
{
	static const char *const why[] = {
		[WIRE_STACK_CUT] = "… (the sample of the stack ends here)",
		[WIRE_STACK_NO_UNWIND] = "… (nothing tells how to unwind this)",
		[WIRE_STACK_TOO_DEEP] = "… (and more)",
	};

	if (s->n == 0) {
		put_line(f, r, "stack", "not sampled");
		return;
	}
	for (unsigned int i = 0; i < s->n; i++) {
		fprintf(f, "  %-7s", i ? "" : "stack");
		put_frame(f, &s->frames[i]);
	}
	if (s->end != WIRE_STACK_WHOLE)
		fprintf(f, INDENT "%s\n", why[s->end]);
}

static void put_hang_headline(FILE *f, const struct renderer *r, const struct hang_verdict *h)
{
	const char *color = h->ended ? "" : h->kind == STUCK_FUSE_DEADLOCK ? RED : AMBER;
	const struct actor *a = h->init.a.tgid || h->n_waiters == 0 ? &h->init.a : &h->waiters[0].a;
	uint64_t ms = (h->mono_ns - h->begin_mono_ns) / 1000000;
	const char *of = a->container ? a->container : a->unit;
	char when[TIME_LEN], name[NAME_LEN];

	fprintf(f, "%s  ", time_of_day(r, h->wall_ns, h->mono_ns, when));
	if (h->pidns)
		fprintf(f, "pid namespace %" PRIu32, h->pidns);
	else
		fprintf(f, "%s %" PRIu32, a->comm ? safe(a->comm, name) : "process", a->tgid);
	if (of)
		fprintf(f, " (%s)", safe(of, name));
	fprintf(f, "  %s%s%s  ", r->options.color ? color : "", h->ended ? "ENDED" : "HANGS",
		r->options.color ? PLAIN : "");
	fprintf(f, "%s %s %" PRIu64 ".%03u s\n", stuck_kind_name(h->kind),
		h->ended ? "after" : "for", ms / 1000, (unsigned int)(ms % 1000));
}

/* "(7 in its namespace)", in more namespaces all its numbers */
static void put_ids(FILE *line, const struct hang_task *t)
{
	const struct actor *a = &t->a;

	if (t->ids.n > 2) {
		fputs(" (by namespace:", line);
		for (unsigned int i = 0; i < t->ids.n; i++)
			fprintf(line, " %" PRIu32, t->ids.nr[i]);
		fputc(')', line);
	} else if (a->ns_tgid && a->ns_tgid != a->tgid) {
		fprintf(line, " (%" PRIu32 " in its namespace)", a->ns_tgid);
	}
}

/* "nginx 812 thread 813 (7 in its namespace): " and what it does, and where, if that is known */
static int put_link(FILE *f, const struct renderer *r, const char *label, const struct hang_task *t)
{
	_cleanup_free_ char *text = NULL;
	size_t size;
	FILE *line = open_memstream(&text, &size);
	const struct actor *a = &t->a;
	char name[NAME_LEN];

	if (!line)
		return -ENOMEM;
	fprintf(line, "%s %" PRIu32, a->comm ? safe(a->comm, name) : "process", a->tgid);
	if (t->tid != a->tgid)
		fprintf(line, " thread %" PRIu32, t->tid);
	put_ids(line, t);
	fprintf(line, ": %s", t->text);
	if (t->stack)
		put_functions(line, t->stack);
	if (fclose(line) != 0)
		return -ENOMEM;
	put_line(f, r, label, text);
	return 0;
}

/* "sshfs 812 in pid namespace 4026532201: answered the mount; died at 12:00:01.000 by SIGKILL" */
static void put_server(FILE *f, const struct renderer *r, const struct hang_server *s)
{
	const char *did = s->mounted	? "answered that connection's mount"
			  : s->a.exited ? "served that connection"
					: "has that connection's /dev/fuse open";
	char name[NAME_LEN], when[TIME_LEN], ns[48] = "", end[96] = "", line[NAME_LEN + 512];

	if (s->pidns)
		snprintf(ns, sizeof(ns), " in pid namespace %" PRIu32, s->pidns);
	if (s->a.exited)
		snprintf(end, sizeof(end), ", ended%s%s%s", s->end_mono_ns ? " at " : "",
			 s->end_mono_ns ? time_of_day(r, s->end_wall_ns, s->end_mono_ns, when) : "",
			 s->death ? ": " : "");
	snprintf(line, sizeof(line), "%s %" PRIu32 "%s: %s%s%s",
		 s->a.comm ? safe(s->a.comm, name) : "process", s->a.tgid, ns, did, end,
		 s->a.exited && s->death ? s->death : "");
	put_line(f, r, "", line);
}

/* From the one that waits for all others to what answers nobody. */
static int put_hang_chain(FILE *f, const struct renderer *r, const struct hang_verdict *h)
{
	const char *label = "chain";
	char text[128];
	int k = 0;

	if (h->init.a.tgid) {
		k = put_link(f, r, label, &h->init);
		label = "";
	}
	for (unsigned int i = 0; k == 0 && i < h->n_inner; i++)
		k = put_link(f, r, label, &h->inner[i]);
	for (unsigned int i = 0; k == 0 && i < h->n_waiters; i++, label = "")
		k = put_link(f, r, label, &h->waiters[i]);
	for (unsigned int i = 0; i < h->n_servers; i++)
		put_server(f, r, &h->servers[i]);
	if (h->pidns && !h->ended) {
		snprintf(text, sizeof(text), "%" PRIu32 " besides the init", h->left);
		put_line(f, r, "left", text);
	}
	if (h->kills_lost) {
		snprintf(text, sizeof(text), "%" PRIu32 " SIGKILL woke nobody", h->kills_lost);
		put_line(f, r, "lost", text);
	}
	return k;
}

static int put_sentence(FILE *f, const struct renderer *r, const char *label, const char *text)
{
	_cleanup_free_ char *shown = text ? escape_all(text) : NULL;

	if (text && !shown)
		return -ENOMEM;
	if (shown)
		put_line(f, r, label, shown);
	return 0;
}

static int put_hang_body(FILE *f, const struct renderer *r, const struct hang_verdict *h)
{
	int k = put_sentence(f, r, "root", h->root);

	if (k == 0)
		k = put_hang_chain(f, r, h);
	if (k == 0)
		k = put_sentence(f, r, "why", h->why);
	if (k == 0)
		k = put_sentence(f, r, "next", h->next);
	if (k == 0)
		k = put_sentence(f, r, "", h->consequence);
	if (h->lost)
		put_line(f, r, "note", "events were lost meanwhile: its end may be among them");
	return k;
}

/* In the verdict of a service that it held up. */
static int put_verdict_hang(FILE *f, const struct renderer *r, const struct hang_verdict *h)
{
	uint64_t ms = (h->mono_ns - h->begin_mono_ns) / 1000000;
	char text[128];

	snprintf(text, sizeof(text), "%s for %" PRIu64 ".%03u s", stuck_kind_name(h->kind),
		 ms / 1000, (unsigned int)(ms % 1000));
	put_line(f, r, "hang", text);
	return put_hang_body(f, r, h);
}

static int put_hang(FILE *f, const struct renderer *r, const void *what)
{
	const struct hang_verdict *h = what;
	int k;

	put_hang_headline(f, r, h);
	k = put_hang_body(f, r, h);
	fprintf(f, "  %-7s%u events", "proof", h->n_proof);
	for (unsigned int i = 0; i < h->n_proof && i < PROOF_SHOWN; i++)
		fprintf(f, "%s#%" PRIu64, i ? " " : " (", h->proof[i].seq);
	fputs(h->n_proof > PROOF_SHOWN ? " …)\n" : ")\n", f);
	return k;
}

static int put_verdict(FILE *f, const struct renderer *r, const void *what)
{
	const struct verdict *v = what;
	int k;

	put_headline(f, r, v);
	k = put_who(f, r, v);
	if (k == 0)
		k = put_ancestry(f, r, v);
	if (k == 0)
		k = put_request(f, r, v);
	if (k < 0)
		return k;
	put_line(f, r, "why", v->path ? v->path : "not known");
	k = put_pidfiles(f, r, v);
	if (k < 0)
		return k;
	put_then(f, r, v);
	k = render_watchdog(f, r, &v->watchdog);
	if (k == 0)
		k = render_left(f, r, v->left);
	if (k < 0)
		return k;
	for (unsigned int i = 0; i < v->n_notes; i++)
		put_line(f, r, "note", v->notes[i]);
	k = v->hang ? put_verdict_hang(f, r, v->hang) : 0;
	if (k == 0)
		k = put_proof(f, r, v);
	if (k == 0 && r->options.stack)
		put_stack(f, r, &v->stack);
	return k;
}

static int put_slow(FILE *f, const struct renderer *r, const void *what)
{
	const struct slow_notice *s = what;
	char when[TIME_LEN], name[NAME_LEN], lasts[32];

	fprintf(f, "%s  %s  %sSLOW%s  stops for %s, state %s\n",
		time_of_day(r, s->wall_ns, s->mono_ns, when), safe(s->v->unit, name),
		r->options.color ? AMBER : "", r->options.color ? PLAIN : "",
		text_duration(s->mono_ns - s->v->begin_mono_ns, lasts),
		s->v->sub_state ? s->v->sub_state : "?");
	return render_left(f, r, s->look);
}

int render_slow_text(struct renderer *r, const struct slow_notice *s)
{
	return write_block(r, put_slow, s);
}

int render_hang_text(struct renderer *r, const struct hang_verdict *h)
{
	return write_block(r, put_hang, h);
}

int render_verdict_text(struct renderer *r, const struct verdict *v)
{
	return write_block(r, put_verdict, v);
}

int render_event_text(struct renderer *r, const struct ev *e)
{
	char when[TIME_LEN], what[1024], line[sizeof(what) + 96];

	snprintf(line, sizeof(line), "%s  #%-6" PRIu64 " %-22s %s\n",
		 time_of_day(r, e->wall_ns, e->mono_ns, when), e->seq,
		 event_name(e->kind, e->scope), ev_describe(what, sizeof(what), e));
	return write_out(r, line);
}
