/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "capture/capture_internal.h"
#include "capture/hardware_watchdog.h"
#include "svctrace/cleanup.h"
#include "svctrace/hardware_watchdog.h"
#include "svctrace/procfs.h"

#define CLASS		     "/sys/class/watchdog"
#define LEGACY		     makedev(10, 130) /* /dev/watchdog, another name of the first one */
#define PIDNS_OF_THE_MACHINE 0xEFFFFFFC
#define SECOND_NS	     1000000000ull
#define ASK_MAX_TRIES	     3
#define SYSTEMD		     1 /* the process that RuntimeWatchdogSec= is for */
/* Of several pings in that time but the first is told. */
#define UNTOLD_NS	     100000000ull

/* The first line of one of its files; "" where there is none. */
static const char *read_attribute(uint32_t number, const char *name, char *ret, size_t n)
{
	_cleanup_fclose_ FILE *f = NULL;
	char path[96];

	snprintf(path, sizeof(path), CLASS "/watchdog%" PRIu32 "/%s", number, name);
	f = fopen(path, "re");
	ret[0] = 0;
	if (f && fgets(ret, n, f))
		ret[strcspn(ret, "\n")] = 0;
	return ret;
}

static int32_t read_number(uint32_t number, const char *name)
{
	char text[32];

	return *read_attribute(number, name, text, sizeof(text)) ? (int32_t)atoi(text) : WIRE_NONE;
}

static void read_driver(uint32_t number, char *ret, size_t n)
{
	char path[96], target[256];
	ssize_t len;

	snprintf(path, sizeof(path), CLASS "/watchdog%" PRIu32 "/device/driver", number);
	len = readlink(path, target, sizeof(target) - 1);
	target[len > 0 ? len : 0] = 0;
	snprintf(ret, n, "%s", strrchr(target, '/') ? strrchr(target, '/') + 1 : "");
}

/* All but the holder; a kernel that does not show it in sysfs leaves that unknown. */
static void read_device(uint32_t number, struct capture_watchdog *ret)
{
	char state[32];

	ret->number = number;
	read_attribute(number, "state", state, sizeof(state));
	ret->running = *state ? strcmp(state, "active") == 0 : WIRE_NONE;
	ret->timeout = read_number(number, "timeout");
	ret->nowayout = read_number(number, "nowayout");
	read_attribute(number, "identity", ret->identity, sizeof(ret->identity));
	read_driver(number, ret->driver, sizeof(ret->driver));
}

static dev_t device_number(uint32_t number)
{
	char text[32];
	unsigned int major, minor;

	read_attribute(number, "dev", text, sizeof(text));
	return sscanf(text, "%u:%u", &major, &minor) == 2 ? makedev(major, minor) : 0;
}

/* Who has that one's device open. */
struct held {
	uint32_t number;
	pid_t by;
};

static int take_holder(void *ctx, const struct procfs_file *f)
{
	struct held *h = ctx;
	dev_t dev = f->error ? 0 : procfs_device(f, "watchdog");

	if (!dev || ((h->number != 0 || dev != LEGACY) && dev != device_number(h->number)))
		return 0;
	h->by = f->tgid;
	return 1;
}

/* Only one can have it open. PID 1 mostly has; all others are looked through only if not. */
static pid_t find_holder(uint32_t number)
{
	struct held h = {.number = number};

	if (procfs_open_files_of(1, take_holder, &h) == 0)
		procfs_open_files(take_holder, &h);
	return h.by;
}

int capture_watchdogs(capture_watchdog_fn fn, void *ctx)
{
	_cleanup_closedir_ DIR *dir = opendir(CLASS);
	struct dirent *e;
	uint32_t number;
	int r = 0;

	while (r == 0 && dir && (e = readdir(dir))) {
		struct capture_watchdog w = {};

		if (sscanf(e->d_name, "watchdog%" SCNu32, &number) != 1)
			continue;
		read_device(number, &w);
		if (w.running != 0) /* whoever opens it starts it */
			w.holder = find_holder(number);
		r = fn(ctx, &w);
	}
	return r;
}

static struct hardware_watchdog *get(struct hardware_watchdogs *w, uint32_t number)
{
	struct hardware_watchdog *x;

	for (unsigned int i = 0; i < w->n; i++)
		if (w->watchdog[i].now.number == number)
			return &w->watchdog[i];
	if (w->n == HARDWARE_WATCHDOGS_MAX)
		return NULL;
	x = &w->watchdog[w->n++];
	*x = (struct hardware_watchdog){.now.number = number};
	return x;
}

static int send(const struct hardware_watchdog *x, bool overdue, uint32_t threads, struct stream *s)
{
	const struct capture_watchdog *now = &x->now;
	struct wire_watchdog_device *w = stream_begin(s, WIRE_WATCHDOG_DEVICE, sizeof(*w), 0);

	w->pinged_ns = overdue ? x->ping_ns : 0;
	w->device = now->number;
	w->flags = overdue ? WIRE_WATCHDOG_OVERDUE : 0;
	w->holder = now->holder;
	w->timeout = now->timeout;
	w->running = now->running;
	w->nowayout = now->nowayout;
	w->threads = threads;
	stream_string(s, &w->identity, now->identity);
	stream_string(s, &w->driver, now->driver);
	return stream_end(s);
}

/*
 * How systemd is set to use it, which holds it; and when it pinged it last, before svctrace could
 * see that.
 */
static int send_settings(struct hardware_watchdog *x, struct stream *s)
{
	struct watchdog_settings is;
	struct wire_watchdog_settings *w;

	if (x->ask)
		x->ask--;
	if (!ask_watchdog(&is))
		return 0;
	x->ask = 0;
	w = stream_begin(s, WIRE_WATCHDOG_SETTINGS, sizeof(*w), SYSTEMD);
	w->runtime_usec = is.runtime_usec;
	w->reboot_usec = is.reboot_usec;
	if (is.pinged_usec < WIRE_USEC_NONE)
		w->pinged_ns = is.pinged_usec * 1000;
	if (x->ping_ns == 0)
		x->ping_ns = w->pinged_ns;
	w->device = x->now.number;
	stream_string(s, &w->path, is.device);
	return stream_end(s);
}

struct send_all {
	struct hardware_watchdogs *w;
	struct stream *s;
};

static int send_one(void *ctx, const struct capture_watchdog *now)
{
	struct send_all *a = ctx;
	struct hardware_watchdog *x = get(a->w, now->number);
	int r;

	if (!x)
		return 0;
	x->now = *now;
	x->pidns = PIDNS_OF_THE_MACHINE;
	x->ns_holder = now->holder;
	r = send(x, false, 0, a->s);
	if (r != 0 || now->holder != SYSTEMD)
		return r;
	x->ask = ASK_MAX_TRIES;
	return send_settings(x, a->s);
}

int hardware_watchdogs_send_all(struct hardware_watchdogs *w, struct stream *s)
{
	return capture_watchdogs(send_one, &(struct send_all){w, s});
}

/* Whose turn it is to ping it: whoever opened it, or did so last. */
static void set_holder(struct hardware_watchdog *x, const struct wire_task *t)
{
	x->now.holder = t->tgid;
	x->pidns = t->pidns;
	x->ns_holder = t->ns_tgid;
}

int hardware_watchdogs_follow(struct hardware_watchdogs *w, const struct wire_hdr *h,
			      struct stream *s)
{
	const struct wire_watchdog_use *u = (const struct wire_watchdog_use *)h;
	struct hardware_watchdog *x;

	if (h->kind != WIRE_WATCHDOG_USE || !(x = get(w, u->device)))
		return 0;
	x->told = false;
	if (u->op == WIRE_WATCHDOG_CLOSE || u->op == WIRE_WATCHDOG_STOP)
		x->ping_ns = 0;
	else
		x->ping_ns = h->mono_ns;
	if (u->op == WIRE_WATCHDOG_CLOSE)
		x->now.holder = 0;
	else
		set_holder(x, &u->task);
	if (u->op == WIRE_WATCHDOG_PING)
		return x->ask ? send_settings(x, s) : 0;
	/* not now: it answers when it is up, and then it pings */
	x->ask = u->op != WIRE_WATCHDOG_CLOSE && u->task.tgid == SYSTEMD ? ASK_MAX_TRIES : 0;
	read_device(u->device, &x->now);
	if (u->op == WIRE_WATCHDOG_SET_TIMEOUT && x->now.timeout == WIRE_NONE)
		x->now.timeout = u->value;
	return send(x, false, 0, s);
}

/* A ping that was not told may be that much younger than the last one told. */
static uint64_t due_ns(const struct hardware_watchdog *x)
{
	if (x->told || !x->ping_ns || x->now.timeout <= 0)
		return 0;
	return x->ping_ns + hardware_watchdog_patience(x->now.timeout * SECOND_NS) + UNTOLD_NS;
}

uint64_t hardware_watchdogs_next(const struct hardware_watchdogs *w)
{
	uint64_t next = 0;

	for (unsigned int i = 0; i < w->n; i++) {
		uint64_t due = due_ns(&w->watchdog[i]);

		if (due && (next == 0 || due < next))
			next = due;
	}
	return next;
}

static int look_at_holder(struct hardware_watchdog *x, struct looker *l, struct stream *s)
{
	uint32_t threads = 0;
	int r = 0;

	x->told = true;
	if (l && look_at_process(l, x->pidns, x->ns_holder) == 0)
		r = look_send_threads(l, NULL, s, &threads);
	return r ? r : send(x, true, threads, s);
}

int hardware_watchdogs_look(struct hardware_watchdogs *w, struct looker *looker, struct stream *s)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC);
	int r = 0;

	for (unsigned int i = 0; r == 0 && i < w->n; i++) {
		uint64_t due = due_ns(&w->watchdog[i]);

		if (due && due <= now)
			r = look_at_holder(&w->watchdog[i], looker, s);
	}
	return r;
}
