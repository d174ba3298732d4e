/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What threads were doing, for people. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "render/renderer.h"
#include "svctrace/cleanup.h"
#include "svctrace/text.h"

#define NAME_LEN      300
#define SENTENCE_LEN  1000
#define FRAMES_SHOWN  3
#define CALLS_SHOWN   6
#define THREADS_SHOWN 8

/* "307ms 308ms 307ms": how far apart they were. */
static void put_gaps(FILE *f, const struct watchdog_facts *w)
{
	const char *sep = "; before it every ";
	char gap[32];

	for (unsigned int i = 1; i < w->n_keepalives; i++, sep = ", ")
		fprintf(f, "%s%s", sep,
			text_duration(w->keepalive[i].at_ns - w->keepalive[i - 1].at_ns, gap));
}

static void put_keepalives(FILE *f, const void *watchdog)
{
	const struct verdict_watchdog *w = watchdog;
	const struct watchdog_facts *facts = &w->facts;
	const struct keepalive *last =
		facts->n_keepalives ? &facts->keepalive[facts->n_keepalives - 1] : NULL;
	char age[32], interval[32];

	if (!last)
		fputs(w->history ? "no keepalive was seen" : "keepalives are not seen here", f);
	else
		fprintf(f, "%s %s before",
			last->start ? "no keepalive; it started" : "last keepalive",
			text_duration(w->fired_ns - last->at_ns, age));
	if (facts->interval_ns)
		fprintf(f, ", interval %s (%s)", text_duration(facts->interval_ns, interval),
			facts->by_message ? "set by its WATCHDOG_USEC= message" : "WatchdogSec=");
	put_gaps(f, facts);
}

/* "hrtimer_nanosleep < common_nsleep < …" */
static void put_functions(FILE *f, const char *stack)
{
	const char *sep = ": ";

	for (unsigned int i = 0; *stack && i < FRAMES_SHOWN; i++, sep = " < ") {
		size_t n = strcspn(stack, "\n");

		fprintf(f, "%s%.*s", sep, (int)n, stack);
		stack += n + (stack[n] == '\n');
	}
	fputs(*stack ? " < …" : "", f);
}

static const char *state_words(const struct look_thread *t)
{
	switch (t->state) {
	case 'R':
		return "runs";
	case 'S':
		return "sleeps";
	case 'D':
		return "waits and takes no signal";
	case 'T':
		return "is stopped";
	case 't':
		return "is held by a tracer";
	case 'Z':
	case 'X':
		return "is dead and not reaped";
	default:
		return "is there";
	}
}

/* "worker 812 thread 813 sleeps: do_wait < kernel_wait4; ran 3ms since its last keepalive" */
static void put_thread(FILE *f, const void *thread)
{
	const struct look_thread *t = thread;
	const char *comm = t->comm ? t->comm : "process";
	char name[NAME_LEN], cpu[32];

	fprintf(f, "%s %" PRIu32, text_escape(name, sizeof(name), comm, strlen(comm)), t->a.tgid);
	if (t->tid != t->a.tgid)
		fprintf(f, " thread %" PRIu32, t->tid);
	fprintf(f, " %s", state_words(t));
	if (t->wait != STUCK_WAIT_UNKNOWN)
		fprintf(f, " (%s)", stuck_wait_name(t->wait));
	if (t->exiting)
		fputs(", on its way out", f);
	if (t->stack)
		put_functions(f, t->stack);
	if (t->cpu_since_ns != WIRE_CPU_UNKNOWN)
		fprintf(f, "; ran %s since its last keepalive",
			text_duration(t->cpu_since_ns, cpu));
}

/* "read", or where no symbol says: "worker+0x12f0" */
static void put_call(FILE *f, const struct ev_frame *c)
{
	const char *slash = c->object.s ? memrchr(c->object.s, '/', c->object.n) : NULL;
	const char *base = slash ? slash + 1 : c->object.s;
	char name[NAME_LEN];

	if (c->name.s)
		fprintf(f, "%s%s", text_escape(name, sizeof(name), c->name.s, c->name.n),
			c->guess ? "?" : "");
	else if (base)
		fprintf(f, "%s+0x%" PRIx64,
			text_escape(name, sizeof(name), base, c->object.s + c->object.n - base),
			c->address);
	else
		fprintf(f, "0x%" PRIx64, c->address);
}

/* "in user space: read < wait_for_work < main < …", or "in user space: not known (runs)" */
static void put_calls(FILE *f, const void *thread)
{
	const struct look_thread *t = thread;
	const struct ev_stack *s = &t->user;

	fputs("in user space: ", f);
	if (t->user_error) {
		fprintf(f, "not known (%s)", user_stack_error_name(t->user_error));
		return;
	}
	for (unsigned int i = 0; i < s->n && i < CALLS_SHOWN; i++) {
		fputs(i ? " < " : "", f);
		put_call(f, &s->frames[i]);
	}
	fputs(s->n > CALLS_SHOWN || s->end != WIRE_STACK_WHOLE ? " < …" : "", f);
}

typedef void (*say_fn)(FILE *f, const void *what);

static int put_text(FILE *f, const struct renderer *r, const char *label, say_fn say,
		    const void *what)
{
	_cleanup_free_ char *text = NULL;
	size_t size;
	FILE *line = open_memstream(&text, &size);

	if (!line)
		return -ENOMEM;
	say(line, what);
	if (fclose(line) != 0)
		return -ENOMEM;
	put_line(f, r, label, text);
	return 0;
}

/* "disk (812 813, inferred): it waits for a disk; see whether …" */
static void put_hold(FILE *f, const void *hold)
{
	const struct look_hold *h = hold;
	char root[SENTENCE_LEN], next[SENTENCE_LEN];

	fprintf(f, "%s (", stuck_kind_name(h->kind));
	for (unsigned int i = 0; i < h->n_tids; i++)
		fprintf(f, "%s%" PRIu32, i ? " " : "", h->tid[i]);
	fprintf(f, "%s): %s; %s", h->certainty == CERTAIN ? "" : ", inferred",
		text_escape(root, sizeof(root), h->root, strlen(h->root)),
		text_escape(next, sizeof(next), h->next, strlen(h->next)));
}

static int put_look(FILE *f, const struct renderer *r, const char *label,
		    const struct thread_look *l)
{
	unsigned int shown = l->n_threads < THREADS_SHOWN ? l->n_threads : THREADS_SHOWN;
	char more[32];
	int k = 0;

	for (unsigned int i = 0; k == 0 && i < shown; i++) {
		k = put_text(f, r, i ? "" : label, put_thread, &l->thread[i]);
		if (k == 0 && l->thread[i].user_asked)
			k = put_text(f, r, "", put_calls, &l->thread[i]);
	}
	if (k == 0 && l->n > shown) {
		snprintf(more, sizeof(more), "and %" PRIu32 " more", l->n - shown);
		put_line(f, r, "", more);
	}
	for (unsigned int i = 0; k == 0 && i < l->n_holds; i++)
		k = put_text(f, r, i ? "" : "held", put_hold, &l->hold[i]);
	return k;
}

int render_watchdog(FILE *f, const struct renderer *r, const struct verdict_watchdog *w)
{
	char apart[32], when[96];
	int k;

	if (!w->fired)
		return 0;
	k = put_text(f, r, "alive", put_keepalives, w);
	if (k < 0 || !w->look)
		return k;
	text_duration(w->look->at_ns < w->fired_ns ? w->fired_ns - w->look->at_ns
						   : w->look->at_ns - w->fired_ns,
		      apart);
	snprintf(when, sizeof(when), "what it did %s %s the watchdog fired:", apart,
		 w->look->at_ns < w->fired_ns ? "before" : "after");
	put_line(f, r, "", when);
	return put_look(f, r, "", w->look);
}

static void put_awaited(FILE *f, const void *awaited)
{
	const struct awaited *a = awaited;

	fprintf(f, "systemd waits for %s", a->text);
}

int render_look(FILE *f, const struct renderer *r, const char *label, const struct thread_look *l)
{
	return l ? put_look(f, r, label, l) : 0;
}

int render_left(FILE *f, const struct renderer *r, const struct thread_look *l)
{
	if (l && l->awaited.text) {
		int k = put_text(f, r, "waits", put_awaited, &l->awaited);

		if (k < 0)
			return k;
	}
	return render_look(f, r, "left", l);
}
