/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Makes a recording fit to be shared. A record is built anew: its fixed part, then each of its
 * strings, changed as its kind of string demands. Bytes that no known field points to do not get
 * over, and neither do kinds that are not in the table.
 *
 * Samples of stacks hold memory, and are dropped for that; the call chains made of them stay.
 * Kept: unit names, cgroups, states, signals, numbers (PIDs, uids, times), the names of programs;
 * replaced: arguments, the host's name and boot id, the home directories' names, what a PID file
 * holds if it is no number. Replaced words become "x" and a keyed hash, so that the same word stays
 * the same word.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "svctrace/bus.h"
#include "svctrace/cleanup.h"
#include "svctrace/trace.h"
#include "trace/block.h"
#include "trace/siphash.h"

#define STRINGS_MAX 14
#define WORD_MAX    10 /* "x" and eight digits, and NUL */

enum string {
	NO_STRING,
	PLAIN,	   /* a name that systemd or the kernel made */
	PATH,	   /* may lead through somebody's home */
	ARGUMENTS, /* NUL-separated; the first is a path */
	FACTS,	   /* KEY=VALUE, NUL-separated: the host's */
	NUMBER,	   /* kept if it is one */
	MESSAGES,  /* D-Bus or Varlink: only what was understood gets over */
};

struct shape {
	size_t fixed;
	struct {
		enum string what;
		size_t at;
	} string[STRINGS_MAX];
};

#define AT(type, field) offsetof(struct wire_##type, field)
#define SERVICE                                                                                    \
	{                                                                                          \
		sizeof(struct wire_service),                                                       \
		{                                                                                  \
			{PLAIN, AT(service, id)},                                                  \
			{                                                                          \
				PATH, AT(service, path)                                            \
			}                                                                          \
		}                                                                                  \
	}
#define CGROUP_PATH                                                                                \
	{                                                                                          \
		sizeof(struct wire_path),                                                          \
		{                                                                                  \
			{                                                                          \
				PLAIN, AT(path, path)                                              \
			}                                                                          \
		}                                                                                  \
	}
#define NUMBERS(type)                                                                              \
	{                                                                                          \
		sizeof(struct wire_##type),                                                        \
		{                                                                                  \
		}                                                                                  \
	}

/* clang-format off */
#define JOB {sizeof(struct wire_job), {{PLAIN, AT(job, id)}, {PLAIN, AT(job, by_id)}}}

static const struct shape shapes[] = {
	[WIRE_SERVICE_ENTER_STOP ... WIRE_SERVICE_CGROUP_EMPTY] = SERVICE,
	[WIRE_MANAGER_CGROUP_EMPTY] = CGROUP_PATH,
	[WIRE_SERVICE_PIDFILE_LOAD ... WIRE_BUS_QUEUE_JOB] = SERVICE,
	[WIRE_MANAGER_CGROUP_EVENT] = CGROUP_PATH,
	[WIRE_MANAGER_ADD_JOB ... WIRE_TRANSACTION_JOB] = JOB,
	[WIRE_BUS_MESSAGE] = {sizeof(struct wire_message), {{PLAIN, AT(message, sender)},
				{PLAIN, AT(message, path)}, {PLAIN, AT(message, member)}}},
	[WIRE_BUS_KILL] = SERVICE,
	[WIRE_UNIT_TRIGGERS] = JOB,
	[WIRE_WATCHDOG_USE] = NUMBERS(watchdog_use),
	[WIRE_SERVICE_FACTS] = {sizeof(struct wire_service_facts), {{PLAIN, AT(service_facts, id)}}},
	[WIRE_EMERGENCY_ACTION] = NUMBERS(action),
	[WIRE_SERVICE_KEEPALIVE] = {sizeof(struct wire_keepalive), {{PLAIN, AT(keepalive, id)}}},
	[WIRE_USER_STACK] = NUMBERS(user_stack), /* and put_frames() */
	[WIRE_FORK] = NUMBERS(fork),
	[WIRE_EXEC] = {sizeof(struct wire_exec),
		       {{PATH, AT(exec, exe)}, {ARGUMENTS, AT(exec, cmdline)}}},
	[WIRE_EXIT] = NUMBERS(exit),
	[WIRE_SIGNAL] = {sizeof(struct wire_signal), {{ARGUMENTS, AT(signal, cmdline)}}},
	[WIRE_OOM_VICTIM] = NUMBERS(exit),
	[WIRE_CGROUP_MKDIR ... WIRE_CGROUP_RMDIR] = CGROUP_PATH,
	[WIRE_CGROUP_ATTACH] = {sizeof(struct wire_attach), {{PLAIN, AT(attach, path)}}},
	[WIRE_CGROUP_POPULATED] = CGROUP_PATH,
	[WIRE_CGROUP_FROZEN] = CGROUP_PATH,
	[WIRE_PIDNS_ZAP_ENTER ... WIRE_PIDNS_ZAP_EXIT] = NUMBERS(pidns),
	[WIRE_FUSE_FLUSH_ENTER ... WIRE_FUSE_FLUSH_EXIT] = NUMBERS(fuse),
	[WIRE_MODULE_LOAD] = CGROUP_PATH,
	[WIRE_CLIENT_SEND] = {sizeof(struct wire_client_send), {{ARGUMENTS, AT(client_send, cmdline)},
		{PATH, AT(client_send, socket)}, {MESSAGES, AT(client_send, bytes)}}},
	[WIRE_BUS_NAME] = {sizeof(struct wire_bus_name),
			   {{PLAIN, AT(bus_name, name)}, {PATH, AT(bus_name, socket)}}},
	[WIRE_FUSE_SERVE] = NUMBERS(fuse),
	[WIRE_PID_LEVELS] = NUMBERS(pid_levels),
	[WIRE_SCOPE] = {sizeof(struct wire_scope), {{PLAIN, AT(scope, id)}}},
	[WIRE_START] = {sizeof(struct wire_text), {{FACTS, AT(text, text)}}},
	[WIRE_CLOCK] = NUMBERS(clock),
	[WIRE_MANAGER] = {sizeof(struct wire_manager), {{PATH, AT(manager, object)},
		{PLAIN, AT(manager, build_id)}, {PLAIN, AT(manager, version)}}},
	[WIRE_ENUM] = {sizeof(struct wire_enum), {{PLAIN, AT(enum, name)}, {PLAIN, AT(enum, values)}}},
	[WIRE_SYMBOL] = {sizeof(struct wire_symbol),
			 {{PLAIN, AT(symbol, name)}, {PLAIN, AT(symbol, origin)}}},
	[WIRE_PROBE] = {sizeof(struct wire_probe), {{PLAIN, AT(probe, name)},
		{PLAIN, AT(probe, how)}, {PLAIN, AT(probe, reason)}}},
	[WIRE_PROC] = {sizeof(struct wire_proc), {{PATH, AT(proc, exe)}, {ARGUMENTS, AT(proc, cmdline)},
		{PLAIN, AT(proc, cgroup)}, {PLAIN, AT(proc, tty)}}},
	[WIRE_LOST] = {sizeof(struct wire_lost), {{PLAIN, AT(lost, probe)}}},
	[WIRE_IDLE ... WIRE_END] = NUMBERS(hdr),
	[WIRE_CGROUP] = CGROUP_PATH,
	[WIRE_STACK] = NUMBERS(stack), /* and put_frames() */
	[WIRE_DEPENDENCY] = {sizeof(struct wire_dependency), {{PLAIN, AT(dependency, unit)},
				{PLAIN, AT(dependency, by)}, {PLAIN, AT(dependency, name)}}},
	[WIRE_GONE] = {sizeof(struct wire_gone), {{PLAIN, AT(gone, unit)},
			{PLAIN, AT(gone, bound_to)}}},
	[WIRE_FUSE_HOLDERS] = NUMBERS(fuse_holders),
	[WIRE_THREAD] = {sizeof(struct wire_thread), {{PLAIN, AT(thread, stack)}}},
	[WIRE_WATCHDOG_DEVICE] = {sizeof(struct wire_watchdog_device),
		{{PLAIN, AT(watchdog_device, identity)}, {PLAIN, AT(watchdog_device, driver)}}},
	[WIRE_WATCHDOG_SETTINGS] = {sizeof(struct wire_watchdog_settings),
		{{PLAIN, AT(watchdog_settings, path)}}},
	[WIRE_LOOK] = {sizeof(struct wire_look), {{PLAIN, AT(look, id)}}},
	/* its sentences name paths, but never what is in the file */
	[WIRE_PIDFILE] = {sizeof(struct wire_pidfile), {{PLAIN, AT(pidfile, id)},
		{PATH, AT(pidfile, path)}, {NUMBER, AT(pidfile, line)}, {PLAIN, AT(pidfile, outcome)},
		{PLAIN, AT(pidfile, rule)}, {PATH, AT(pidfile, why)}, {PATH, AT(pidfile, mend)},
		{PATH, AT(pidfile, from)}, {PLAIN, AT(pidfile, from_kind)}, {PATH, AT(pidfile, step)},
		{PLAIN, AT(pidfile, step_kind)}, {PATH, AT(pidfile, step_target)},
		{PLAIN, AT(pidfile, comm)}, {PLAIN, AT(pidfile, cgroup)}}},
	[WIRE_OFFSET] = {sizeof(struct wire_symbol),
			 {{PLAIN, AT(symbol, name)}, {PLAIN, AT(symbol, origin)}}},
};
/* clang-format on */

struct trace_scrubber {
	unsigned char key[16];
	char **replace; /* OLD, NEW, OLD, NEW …, NULL */
	wire_sink sink;
	void *ctx;
	unsigned char out[WIRE_RECORD_MAX];
	size_t n;    /* of out */
	char *a, *b; /* a string on its way */
	size_t a_len, b_len;
	/* messages, taken apart: their strings, their bytes */
	struct bus_messages messages;
	char strings[4 * WIRE_MESSAGE_MAX];
	size_t strings_len;
	unsigned char bytes[8 * WIRE_MESSAGE_MAX];
};

bool trace_scrubber_knows(unsigned int kind)
{
	return kind < ARRAY_LEN(shapes) && shapes[kind].fixed > 0;
}

static int copy_replacements(struct trace_scrubber *s, const char *const *replace)
{
	size_t n = 0;

	while (replace && replace[n])
		n++;
	s->replace = calloc(2 * n + 1, sizeof(char *));
	for (size_t i = 0; s->replace && i < n; i++) {
		const char *is = strchr(replace[i], '=');

		if (!is || is == replace[i])
			return -EINVAL;
		s->replace[2 * i] = strndup(replace[i], (size_t)(is - replace[i]));
		s->replace[2 * i + 1] = strdup(is + 1);
		if (!s->replace[2 * i] || !s->replace[2 * i + 1])
			return -ENOMEM;
	}
	return s->replace ? 0 : -ENOMEM;
}

int trace_scrubber_new(const unsigned char key[static 16], const char *const *replace,
		       wire_sink sink, void *ctx, struct trace_scrubber **ret)
{
	_cleanup_(trace_scrubber_freep) struct trace_scrubber *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	memcpy(s->key, key, sizeof(s->key));
	s->sink = sink;
	s->ctx = ctx;
	/* a string that grows beyond a record is cut anyway */
	s->a = malloc(WIRE_RECORD_MAX);
	s->b = malloc(WIRE_RECORD_MAX);
	r = s->a && s->b ? copy_replacements(s, replace) : -ENOMEM;
	if (r == 0)
		*ret = take_ptr(s);
	return r;
}

void trace_scrubber_freep(struct trace_scrubber **sp)
{
	struct trace_scrubber *s = *sp;

	if (!s)
		return;
	for (size_t i = 0; s->replace && s->replace[i]; i++)
		free(s->replace[i]);
	free(s->replace);
	free(s->a);
	free(s->b);
	free(s);
	*sp = NULL;
}

static void put(struct trace_scrubber *s, const void *p, size_t n)
{
	if (n > WIRE_RECORD_MAX - s->b_len)
		n = WIRE_RECORD_MAX - s->b_len;
	if (n > 0)
		memcpy(s->b + s->b_len, p, n);
	s->b_len += n;
}

static void put_pseudonym(struct trace_scrubber *s, const char *p, size_t n)
{
	char word[WORD_MAX];

	if (n == 0)
		return;
	snprintf(word, sizeof(word), "x%08x", (unsigned int)siphash(s->key, p, n));
	put(s, word, WORD_MAX - 1);
}

/* "/home/alice/bin/x": the part behind /home, wherever it comes. */
static void put_path(struct trace_scrubber *s, const char *p, size_t n)
{
	static const char home[] = "/home/";
	const char *at, *end = p + n;

	while ((at = memmem(p, (size_t)(end - p), home, sizeof(home) - 1))) {
		at += sizeof(home) - 1;
		put(s, p, (size_t)(at - p));
		p = memchr(at, '/', (size_t)(end - at)) ?: end;
		put_pseudonym(s, at, (size_t)(p - at));
	}
	put(s, p, (size_t)(end - p));
}

static bool is_number(const char *p, size_t n)
{
	size_t i = 0;

	while (i < n && p[i] >= '0' && p[i] <= '9')
		i++;
	return i == n;
}

/*
 * What tells nobody anything: a unit, which is kept elsewhere too; a signal; what systemctl and
 * kill are told to do.
 */
static bool is_harmless(const char *p, size_t n)
{
	static const char *const words[] = {
		"stop",	   "start",	 "restart", "try-restart", "reload", "kill",
		"isolate", "--no-block", "-s",	    "-c",	   "sh",     "--user",
	};
	static const char *const types[] = {".service", ".target", ".scope", ".socket"};

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (strlen(words[i]) == n && memcmp(p, words[i], n) == 0)
			return true;
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		size_t len = strlen(types[i]);

		if (n > len && memcmp(p + n - len, types[i], len) == 0)
			return unit_name_is_valid((struct str){p, n});
	}
	if (n < 2 || n > 8 || *p != '-')
		return false;
	return strspn(p + 1, "0123456789") >= n - 1 ||
	       strspn(p + 1, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") >= n - 1;
}

/* A process may have set its title: "sshd: alice [priv]". */
static size_t length_of_word(const char *p, size_t n)
{
	const char *blank = memchr(p, ' ', n);

	return blank ? (size_t)(blank - p) : n;
}

static void put_arguments(struct trace_scrubber *s, const char *p, size_t n)
{
	for (size_t i = 0, first = 1; i < n; first = 0) {
		size_t len = strnlen(p + i, n - i);

		if (first)
			put_path(s, p + i, length_of_word(p + i, len));
		else if (is_harmless(p + i, len))
			put(s, p + i, len);
		else
			put_pseudonym(s, p + i, len);
		if (i + len < n)
			put(s, "", 1);
		i += len + 1;
	}
}

/* One that looks like any other. */
static void put_boot_id(struct trace_scrubber *s, const char *p, size_t n)
{
	uint64_t a = siphash(s->key, p, n), b = siphash(s->key, &a, sizeof(a));
	char id[37];

	snprintf(id, sizeof(id), "%08x-%04x-%04x-%04x-%012llx", (unsigned int)(a >> 32),
		 (unsigned int)(a >> 16) & 0xffff, (unsigned int)a & 0xffff,
		 (unsigned int)(b >> 48), (unsigned long long)(b & 0xffffffffffff));
	put(s, id, sizeof(id) - 1);
}

static void put_fact(struct trace_scrubber *s, const char *p, size_t n)
{
	static const char host[] = "HOST=", boot_id[] = "BOOT_ID=";
	const size_t host_n = sizeof(host) - 1, boot_n = sizeof(boot_id) - 1;

	if (n > host_n && memcmp(p, host, host_n) == 0) {
		put(s, p, host_n);
		put_pseudonym(s, p + host_n, n - host_n);
	} else if (n > boot_n && memcmp(p, boot_id, boot_n) == 0) {
		put(s, p, boot_n);
		put_boot_id(s, p + boot_n, n - boot_n);
	} else {
		put(s, p, n);
	}
}

static void put_facts(struct trace_scrubber *s, const char *p, size_t n)
{
	for (size_t i = 0; i < n;) {
		size_t len = strnlen(p + i, n - i);

		put_fact(s, p + i, len);
		if (i + len < n)
			put(s, "", 1);
		i += len + 1;
	}
}

static void swap(struct trace_scrubber *s)
{
	char *p = s->a;

	s->a = s->b;
	s->a_len = s->b_len;
	s->b = p;
	s->b_len = 0;
}

/* What the user named goes everywhere, from a to b and back. */
static void replace_words(struct trace_scrubber *s)
{
	for (char **w = s->replace; *w; w += 2) {
		const char *p = s->a, *end = s->a + s->a_len, *at;

		while ((at = memmem(p, (size_t)(end - p), w[0], strlen(w[0])))) {
			put(s, p, (size_t)(at - p));
			put(s, w[1], strlen(w[1]));
			p = at + strlen(w[0]);
		}
		put(s, p, (size_t)(end - p));
		swap(s);
	}
}

/* Leaves the new string in a. */
static void change(struct trace_scrubber *s, enum string what, const char *p, size_t n)
{
	s->b_len = 0;
	if (what == PATH)
		put_path(s, p, n);
	else if (what == ARGUMENTS)
		put_arguments(s, p, n);
	else if (what == FACTS)
		put_facts(s, p, n);
	else if (what == NUMBER && !is_number(p, n))
		put_pseudonym(s, p, n);
	else
		put(s, p, n);
	swap(s);
	replace_words(s);
}

/* What has no room any more is not known. */
static void change_in_message(struct trace_scrubber *s, struct str *x)
{
	char *to = s->strings + s->strings_len;

	if (!x->s)
		return;
	change(s, PLAIN, x->s, x->n);
	if (s->a_len > sizeof(s->strings) - s->strings_len) {
		*x = (struct str){NULL, 0};
		return;
	}
	memcpy(to, s->a, s->a_len);
	s->strings_len += s->a_len;
	*x = (struct str){to, s->a_len};
}

static void change_message(struct trace_scrubber *s, struct bus_message *m)
{
	struct str *const strings[] = {
		&m->destination, &m->path, &m->interface, &m->member,	&m->sender,
		&m->signature,	 &m->unit, &m->mode,	  &m->job_type, &m->whom,
	};

	for (size_t i = 0; i < ARRAY_LEN(strings); i++)
		change_in_message(s, strings[i]);
}

/* Arguments that nobody reads, and bytes that are no message, stay behind. Leaves the rest in a. */
static void change_messages(struct trace_scrubber *s, const char *p, size_t n)
{
	struct wire_client_send *w = (struct wire_client_send *)s->out;
	size_t len = 0;

	bus_parse(&s->messages, w->endpoint, p, n, w->length);
	s->strings_len = 0;
	for (uint32_t i = 0; i < s->messages.n; i++) {
		int k;

		change_message(s, &s->messages.message[i]);
		k = bus_build(s->bytes + len, sizeof(s->bytes) - len, w->endpoint,
			      &s->messages.message[i]);
		if (k > 0)
			len += (size_t)k;
	}
	if (s->messages.n > 0)
		w->length = (uint32_t)len + (s->messages.more ? 1 : 0);
	s->b_len = 0;
	put(s, s->bytes, len);
	swap(s);
}

/* from: where the record has the slice that becomes the one at `at`. */
static int put_string(struct trace_scrubber *s, enum string what, size_t at,
		      const unsigned char *record, size_t size, size_t from)
{
	struct wire_hdr *h = (struct wire_hdr *)s->out;
	struct wire_str w;

	memcpy(&w, record + from, sizeof(w));
	if ((size_t)w.off + w.len > size)
		return -EBADMSG;
	if (what == MESSAGES)
		change_messages(s, (const char *)record + w.off, w.len);
	else
		change(s, what, (const char *)record + w.off, w.len);
	if (s->a_len > sizeof(s->out) - s->n) {
		s->a_len = sizeof(s->out) - s->n;
		h->flags |= WIRE_F_TRUNCATED;
	}
	/* one that is empty points nowhere */
	w = (struct wire_str){.off = s->a_len ? s->n : 0, .len = s->a_len};
	memcpy(s->out + at, &w, sizeof(w));
	if (s->a_len > 0)
		memcpy(s->out + s->n, s->a, s->a_len);
	s->n += s->a_len;
	return 0;
}

/* An array whose elements have strings of their own. */
static int put_frames(struct trace_scrubber *s, size_t frames, const unsigned char *record,
		      size_t size)
{
	struct wire_str w;
	size_t at = s->n;
	int r = 0;

	memcpy(&w, record + frames, sizeof(w));
	if ((size_t)w.off + w.len > size || w.len > WIRE_FRAMES_MAX * sizeof(struct wire_frame) ||
	    w.len % sizeof(struct wire_frame) != 0)
		return -EBADMSG;
	memcpy(s->out + at, record + w.off, w.len);
	s->n += w.len;
	for (size_t i = 0; i < w.len && r == 0; i += sizeof(struct wire_frame)) {
		r = put_string(s, PLAIN, at + i + AT(frame, name), record, size,
			       w.off + i + AT(frame, name));
		if (r == 0)
			r = put_string(s, PATH, at + i + AT(frame, object), record, size,
				       w.off + i + AT(frame, object));
	}
	w.off = w.len ? at : 0;
	memcpy(s->out + frames, &w, sizeof(w));
	return r;
}

int trace_scrubber_record(void *scrubber, const void *record, size_t size)
{
	struct trace_scrubber *s = scrubber;
	const struct shape *shape;
	struct wire_hdr h;
	int r = 0;

	size = record_size(record, size);
	if (size == 0)
		return 0;
	memcpy(&h, record, sizeof(h));
	if (!trace_scrubber_knows(h.kind))
		return 0;
	shape = &shapes[h.kind];
	if (size < shape->fixed)
		return 0;
	memcpy(s->out, record, shape->fixed);
	s->n = shape->fixed;
	for (size_t i = 0; i < STRINGS_MAX && shape->string[i].what && r == 0; i++)
		r = put_string(s, shape->string[i].what, shape->string[i].at, record, size,
			       shape->string[i].at);
	if (r == 0 && h.kind == WIRE_STACK)
		r = put_frames(s, AT(stack, frames), record, size);
	if (r == 0 && h.kind == WIRE_USER_STACK)
		r = put_frames(s, AT(user_stack, frames), record, size);
	if (r < 0)
		return 0; /* it lies about its strings: not even a decoder takes it */
	((struct wire_hdr *)s->out)->size = s->n;
	return s->sink(s->ctx, s->out, s->n);
}
