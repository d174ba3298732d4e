/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Live capture: from a running manager to a stream of wire records. */
#include <errno.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "capture/capture_internal.h"
#include "capture/hang_watch.h"
#include "capture/hardware_watchdog.h"
#include "capture/stop_watch.h"
#include "capture/watchdog_watch.h"
#include "elf/maps.h"
#include "svctrace/cleanup.h"

/* How long nothing must come before the stream says that time went on. */
#define IDLE_NS	   40000000

/*
 * How long what follows a first record may wait for company. Whatever comes after a rest is read at
 * once; under load a wake-up for each record would cost more than all that is done with it.
 */
#define BATCH_NS   20000000
#define SKIPPED_NS 20000000 /* a dozen system calls each time */

/* How long until something is looked at again that is not ready yet. */
#define RECHECK_NS 20000000

/*
 * Something to look at again in a moment: a process that may become a manager has executed systemd,
 * but has not mapped its code yet; or a module is about to be live.
 */
struct recheck {
	pid_t pid; /* 0: the module */
	char module[64];
	unsigned int tries;
};

#define RECHECK_MAX   64
#define RECHECK_TRIES 40 /* 8 s in all */

/* How much the ring holds that was not read yet: libbpf 1.1 cannot tell. */
struct ring_fill {
	int fd;
	const uint64_t *consumed, *produced; /* bytes so far, in pages of the kernel's */
};

struct capture {
	struct capture_options o;
	struct managers managers;
	struct hierarchy hierarchy;
	struct probes probes;
	struct enrich *enrich;
	struct asker asker;
	struct pidfile_looker pidfiles;
	struct hang_watch hangs;
	struct looker *looker; /* NULL: this kernel does not let us look at threads */
	struct watchdog_watch watchdogs;
	struct hardware_watchdogs hardware;
	struct stop_watch stops;
	struct ring_buffer *ring;
	struct ring_fill fill;
	struct stream stream;
	struct capture_times times;
	int epoll_fd, stop_fd, idle_fd, clock_fd, timeout_fd, recheck_fd, hang_fd, batch_fd,
		late_fd;
	bool in_batch;
	uint64_t last_ns; /* when something came from the ring */
	uint64_t late_ns; /* what late_fd is set to */
	uint64_t lost_seen, lost_checked_ns;
	uint64_t skipped, skipped_ns; /* runs of programs, and when that was asked for */
	uint64_t lost_by_probe[KPROBES_MAX + STATES_MAX];
	struct recheck recheck[RECHECK_MAX];
	unsigned int n_recheck;
	int (*on_ready)(void *ctx, int fd);
	void *on_ready_ctx;
	int refused; /* what the sink answered if not 0: nothing more may be sent */
	bool done;   /* the end was asked for */
};

int capture_fail(struct capture_error *err, int r, const char *next, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(err->what, sizeof(err->what), fmt, args);
	va_end(args);
	snprintf(err->next, sizeof(err->next), "%s", next);
	return r;
}

/* A ring buffer's size: a power of two, whole pages. */
static size_t ring_size(size_t wanted)
{
	size_t n = sysconf(_SC_PAGESIZE);

	while (n < wanted && n < (size_t)1 << 30)
		n <<= 1;
	return n;
}

static int add_fd_events(struct capture *c, int fd, uint32_t events)
{
	struct epoll_event e = {.events = events, .data.fd = fd};

	return epoll_ctl(c->epoll_fd, EPOLL_CTL_ADD, fd, &e) < 0 ? -errno : 0;
}

static int add_fd(struct capture *c, int fd)
{
	return add_fd_events(c, fd, EPOLLIN);
}

/* Fires when somebody sets the wall clock, and when the machine wakes up. */
static int watch_clock(struct capture *c)
{
	struct itimerspec far = {.it_value.tv_sec = INT32_MAX};

	c->clock_fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	if (c->clock_fd < 0)
		return -errno;
	if (timerfd_settime(c->clock_fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &far, NULL) <
	    0)
		return -errno;
	return add_fd(c, c->clock_fd);
}

static int set_timer(int fd, uint64_t ns)
{
	struct itimerspec t = {.it_value = {ns / 1000000000, ns % 1000000000}};

	return timerfd_settime(fd, 0, &t, NULL) < 0 ? -errno : 0;
}

static int open_loop(struct capture *c)
{
	int r;

	c->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	c->stop_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	c->idle_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	c->timeout_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	c->recheck_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	c->hang_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	c->batch_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	c->late_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (c->epoll_fd < 0 || c->stop_fd < 0 || c->idle_fd < 0 || c->timeout_fd < 0 ||
	    c->recheck_fd < 0 || c->hang_fd < 0 || c->batch_fd < 0 || c->late_fd < 0)
		return -errno;
	r = add_fd(c, c->stop_fd);
	if (r == 0)
		r = add_fd(c, c->idle_fd);
	if (r == 0)
		r = add_fd(c, c->timeout_fd);
	if (r == 0)
		r = add_fd(c, c->recheck_fd);
	if (r == 0)
		r = add_fd(c, c->hang_fd);
	if (r == 0 && pidfile_look_open(&c->pidfiles) >= 0)
		r = add_fd(c, c->pidfiles.changes);
	if (r == 0)
		r = add_fd(c, c->batch_fd);
	if (r == 0)
		r = add_fd(c, c->late_fd);
	if (r == 0)
		r = watch_clock(c);
	return r;
}

static const uint64_t *map_position(int fd, off_t offset)
{
	void *p = mmap(NULL, sysconf(_SC_PAGESIZE), PROT_READ, MAP_SHARED, fd, offset);

	return p == MAP_FAILED ? NULL : p;
}

static int ring_fill_open(struct ring_fill *f, int fd)
{
	f->fd = fd;
	f->consumed = map_position(fd, 0);
	f->produced = map_position(fd, sysconf(_SC_PAGESIZE));
	return f->consumed && f->produced ? 0 : -errno;
}

static void ring_fill_close(struct ring_fill *f)
{
	if (f->consumed)
		munmap((void *)f->consumed, sysconf(_SC_PAGESIZE));
	if (f->produced)
		munmap((void *)f->produced, sysconf(_SC_PAGESIZE));
}

static uint64_t ring_fill(const struct ring_fill *f)
{
	return __atomic_load_n(f->produced, __ATOMIC_RELAXED) -
	       __atomic_load_n(f->consumed, __ATOMIC_RELAXED);
}

static int on_ring(void *ctx, void *data, size_t size);

static int open_ring(struct capture *c, struct capture_error *err)
{
	int r;

	c->ring = ring_buffer__new(probes_map_fd(&c->probes, "events"), on_ring, c, NULL);
	if (!c->ring || ring_fill_open(&c->fill, probes_map_fd(&c->probes, "events")) < 0)
		return capture_fail(err, -errno, "", "cannot map the ring buffer: %s",
				    strerror(errno));
	r = open_loop(c);
	if (r == 0)
		r = add_fd_events(c, c->fill.fd, EPOLLIN | EPOLLET);
	if (r < 0)
		return capture_fail(err, r, "", "cannot set up the event loop: %s", strerror(-r));
	return 0;
}

static int mark_service(void *ctx, const struct hierarchy_node *node)
{
	struct capture *c = ctx;

	if (node->service)
		probes_add_key(&c->probes, "service_cgroups", &node->id, node->id, &(uint8_t){1});
	return 0;
}

static void note(struct capture *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void note(struct capture *c, const char *fmt, ...)
{
	char line[512];
	va_list args;

	if (!c->o.note)
		return;
	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	c->o.note(line);
}

/* One that ended meanwhile, or turned out to be no systemd, is not missed. */
static void note_untraced(void *ctx, pid_t pid, int error, const char *why)
{
	if (error != -ESRCH && error != -ENOEXEC)
		note(ctx, "process %d is not traced: %s", pid, why);
}

/* One manager if it was named, else all that are here. */
static int find_managers(struct capture *c, struct capture_error *err)
{
	int r;

	if (c->o.manager)
		r = managers_add(&c->managers, &c->probes, c->o.manager, err);
	else
		r = managers_scan(&c->managers, &c->probes, note_untraced, c, err);
	return r < 0 ? r : 0;
}

/* They are loaded last, but what they name of the kernel's types is looked for with all others. */
static int open_iterators(struct capture *c, struct capture_error *err)
{
	struct probes *p = &c->probes;
	int r = types_open(&p->types);

	if (r < 0)
		return capture_fail(err, r, "", "cannot make a file in memory: %s", strerror(-r));
	if (fuse_holders_open(p->types.path, &c->hangs.holders) == 0)
		p->iterators[p->n_iterators++] = fuse_holders_object(c->hangs.holders);
	if (looker_open(c->hierarchy.id, p->types.path, &c->looker) == 0)
		p->iterators[p->n_iterators++] = looker_object(c->looker);
	return 0;
}

static int set_up(struct capture *c, struct capture_error *err)
{
	uint64_t t0;
	pid_t manager;
	int r = privileges_check_namespace(err);

	if (r == 0)
		r = manager_choose(c->o.manager, &manager, err);
	if (r == 0)
		r = hierarchy_find(&c->hierarchy, manager, err);
	if (r < 0)
		return r;
	c->probes.hierarchy_id = c->hierarchy.id;
	c->probes.ring_size = ring_size(c->o.ring_size ? c->o.ring_size : CAPTURE_RING_DEFAULT);
	c->probes.ring_batch = c->probes.ring_size / 16;
	c->probes.btf = c->o.btf;
	r = open_iterators(c, err);
	if (r < 0)
		return r;
	r = probes_load(&c->probes, err);
	if (r < 0)
		return r;
	/* what starts during this walk is marked by the probes, which are live */
	hierarchy_walk(&c->hierarchy, mark_service, c);
	t0 = clock_ns(CLOCK_MONOTONIC);
	r = find_managers(c, err);
	c->times.managers_ns = clock_ns(CLOCK_MONOTONIC) - t0;
	return r;
}

static int leave_code(void *ctx, struct mapping *m)
{
	(void)ctx;
	if (m->executable)
		madvise((void *)(uintptr_t)m->start, m->end - m->start, MADV_DONTNEED);
	return 0;
}

/*
 * The start is over: what libbpf knew of the kernel's types goes back, and the code that was needed
 * for it alone. What is needed again comes back from the page cache.
 */
static void rest(void)
{
	malloc_trim(0);
	probes_rest();
	maps_each(getpid(), leave_code, NULL);
}

int capture_new(const struct capture_options *o, struct capture **ret, struct capture_error *err)
{
	_cleanup_(capture_freep) struct capture *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return capture_fail(err, -ENOMEM, "", "out of memory");
	c->o = *o;
	c->epoll_fd = c->stop_fd = c->idle_fd = c->clock_fd = c->timeout_fd = c->recheck_fd = -1;
	c->probes.types.fd = -1;
	c->hang_fd = c->batch_fd = c->late_fd = c->pidfiles.changes = -1;
	probes_set_log(o->log);
	r = managers_init(&c->managers);
	if (r < 0)
		return capture_fail(err, r, "", "out of memory");
	r = set_up(c, err);
	c->times.load_ns = c->probes.load_ns;
	c->times.attach_ns = c->probes.attach_ns;
	if (r < 0)
		return r;
	c->probes.n_iterators = 0; /* what was taken for them is all they need */
	hang_watch_load(&c->hangs);
	if (c->looker)
		looker_load(&c->looker);
	c->stops.slow_after_ns = o->slow_ns;
	r = enrich_new(c->hierarchy.id, &c->enrich);
	if (r < 0)
		return capture_fail(err, r, "", "out of memory");
	rest();
	r = open_ring(c,
		      err); /* last: what it maps would add to what the start needs for a while */
	if (r < 0)
		return r;
	*ret = take_ptr(c);
	return 0;
}

void capture_freep(struct capture **cp)
{
	struct capture *c = *cp;

	if (!c)
		return;
	ring_fill_close(&c->fill);
	ring_buffer__free(c->ring);
	managers_done(&c->managers);
	probes_done(&c->probes);
	hierarchy_done(&c->hierarchy);
	enrich_freep(&c->enrich);
	hang_watch_done(&c->hangs);
	closep(&c->batch_fd);
	looker_freep(&c->looker);
	closep(&c->late_fd);
	pidfile_look_done(&c->pidfiles);
	closep(&c->hang_fd);
	closep(&c->clock_fd);
	closep(&c->recheck_fd);
	closep(&c->timeout_fd);
	closep(&c->idle_fd);
	closep(&c->stop_fd);
	closep(&c->epoll_fd);
	free(c);
	*cp = NULL;
}

void capture_stop(struct capture *c)
{
	uint64_t one = 1;

	if (write(c->stop_fd, &one, sizeof(one)) < 0) {
		/* the counter is full: it was told already */
	}
}

int capture_watch(struct capture *c, int fd, int (*on_ready)(void *ctx, int fd), void *ctx)
{
	c->on_ready = on_ready;
	c->on_ready_ctx = ctx;
	return add_fd(c, fd);
}

static int send_clock(struct capture *c)
{
	struct wire_clock *w = stream_begin(&c->stream, WIRE_CLOCK, sizeof(*w), 0);

	w->boot_ns = clock_ns(CLOCK_BOOTTIME);
	w->real_ns = clock_ns(CLOCK_REALTIME);
	w->h.mono_ns = clock_ns(CLOCK_MONOTONIC);
	return stream_end(&c->stream);
}

static void read_line(const char *path, char *ret, size_t n)
{
	_cleanup_fclose_ FILE *f = fopen(path, "re");

	ret[0] = 0;
	if (f && fgets(ret, n, f))
		ret[strcspn(ret, "\n")] = 0;
}

static int send_start(struct capture *c)
{
	struct wire_text *w = stream_begin(&c->stream, WIRE_START, sizeof(*w), 0);
	char boot_id[64], facts[1024];
	struct utsname u = {};
	int n;

	uname(&u);
	read_line("/proc/sys/kernel/random/boot_id", boot_id, sizeof(boot_id));
	n = snprintf(facts, sizeof(facts),
		     "SVCTRACE=%s%cBOOT_ID=%s%cHOST=%s%cKERNEL=%s%cARCH=%s%cCGROUP=%s%cCLK_TCK=%ld",
		     SVCTRACE_VERSION, 0, boot_id, 0, u.nodename, 0, u.release, 0, u.machine, 0,
		     c->hierarchy.id ? "v1" : "v2", 0, sysconf(_SC_CLK_TCK));
	stream_bytes(&c->stream, &w->text, facts, n);
	return stream_end(&c->stream);
}

static int send_cgroup(void *ctx, const struct hierarchy_node *node)
{
	struct capture *c = ctx;
	struct wire_path *w = stream_begin(&c->stream, WIRE_CGROUP, sizeof(*w), 0);

	w->id = node->id;
	w->parent = node->parent;
	stream_string(&c->stream, &w->path, node->path);
	return stream_end(&c->stream);
}

/* All that a reader must know before the first event. */
static int send_preamble(struct capture *c)
{
	struct stream *s = &c->stream;
	int r = send_start(c);

	if (r == 0)
		r = send_clock(c);
	for (unsigned int i = 0; r == 0 && i < c->managers.n; i++)
		r = manager_describe(&c->managers.manager[i], s);
	for (unsigned int i = 0; r == 0 && i < c->probes.n; i++)
		r = probe_describe(&c->probes.state[i], s);
	if (r == 0)
		r = hierarchy_walk(&c->hierarchy, send_cgroup, c);
	if (r == 0)
		r = enrich_all(c->enrich, s);
	if (r == 0)
		r = hang_watch_send_all(&c->hangs, s);
	if (r == 0)
		r = hardware_watchdogs_send_all(&c->hardware, s);
	return r;
}

static void recheck_later(struct capture *c, pid_t pid, const char *module, size_t n)
{
	struct recheck *x = &c->recheck[c->n_recheck];

	if (c->n_recheck == RECHECK_MAX)
		return;
	for (unsigned int i = 0; pid && i < c->n_recheck; i++)
		if (c->recheck[i].pid == pid)
			return;
	*x = (struct recheck){.pid = pid};
	snprintf(x->module, sizeof(x->module), "%.*s", (int)n, module);
	c->n_recheck++;
	set_timer(c->recheck_fd, RECHECK_NS);
}

/* NULL: it is no record of a manager's. */
static const struct manager *manager_of(const struct capture *c, const struct wire_hdr *h)
{
	bool is_managers = h->kind < WIRE_FORK || h->kind == WIRE_SCOPE;

	return is_managers ? managers_find(&c->managers, h->tgid) : NULL;
}

/* Of two times, 0 being never. */
static uint64_t sooner(uint64_t a, uint64_t b)
{
	return a && (b == 0 || a < b) ? a : b;
}

/* The timer for what is looked at before its time is up. Past times are due at once. */
static void set_late_timer(struct capture *c)
{
	uint64_t next =
		sooner(sooner(watchdog_watch_next(&c->watchdogs), stop_watch_next(&c->stops)),
		       hardware_watchdogs_next(&c->hardware));
	uint64_t now = clock_ns(CLOCK_MONOTONIC);

	if (next && next != c->late_ns)
		set_timer(c->late_fd, next > now ? next - now : 1);
	c->late_ns = next;
}

/* What the stream says that concerns capture itself. */
static void follow(struct capture *c, const struct wire_hdr *h)
{
	const struct wire_exec *e = (const struct wire_exec *)h;
	const struct wire_path *p = (const struct wire_path *)h;

	if (c->looker) {
		const struct manager *m = manager_of(c, h);

		watchdog_watch_follow(&c->watchdogs, c->looker, m, h);
		stop_watch_follow(&c->stops, m, h);
	}
	if (h->kind == WIRE_EXEC) {
		bool known = managers_find(&c->managers, h->tgid);

		if (known)
			managers_executed(&c->managers, h->tgid);
		if (known ||
		    (!c->o.manager && names_manager((const char *)h + e->exe.off, e->exe.len)))
			recheck_later(c, h->tgid, "", 0);
	} else if (h->kind == WIRE_MODULE_LOAD) {
		recheck_later(c, 0, (const char *)h + p->path.off, p->path.len);
	} else if (hang_watch_follow(&c->hangs, h)) {
		set_timer(c->hang_fd, HANG_TICK_NS);
	} else if (h->kind == WIRE_EXIT && managers_find(&c->managers, h->tgid)) {
		managers_remove(&c->managers, &c->probes, h->tgid);
		pidfile_look_forget(&c->pidfiles, h->tgid, 0);
		note(c, "service manager %u ended", h->tgid);
	}
}

/* Of jobs, what can be asked only when they run. */
static void note_job(struct capture *c, const struct wire_job *w)
{
	const struct manager *m = managers_find(&c->managers, w->h.tgid);

	if (m && w->h.kind == WIRE_TRANSACTION_JOB)
		ask_later(&c->asker, m, w);
	else if (m && c->asker.from_end)
		ask_later_who_ended(&c->asker, m, w);
	c->asker.from_end = false;
}

static int ask(struct capture *c, const struct wire_hdr *h)
{
	const struct wire_scope *scope = (const struct wire_scope *)h;
	bool scope_runs = h->kind == WIRE_SCOPE && scope->call == WIRE_SCOPE_STOP;
	bool runs = h->kind == WIRE_SERVICE_STOP;
	const struct manager *m = runs || scope_runs ? managers_find(&c->managers, h->tgid) : NULL;

	if (m && scope_runs)
		return ask_about(&c->asker, m, h, scope->id, &c->stream);
	if (h->kind == WIRE_TRANSACTION_JOB || h->kind == WIRE_MANAGER_ADD_JOB)
		note_job(c, (const struct wire_job *)h);
	if (h->kind == WIRE_SERVICE_PIDFILE_RESULT)
		pidfile_look_result(&c->pidfiles, (const struct wire_service *)h);
	if (h->kind == WIRE_SERVICE_ENTER_DEAD)
		pidfile_look_forget(&c->pidfiles, h->tgid, ((const struct wire_service *)h)->unit);
	if (h->kind == WIRE_SERVICE_PIDFILE_LOAD && (m = managers_find(&c->managers, h->tgid)))
		return pidfile_look(&c->pidfiles, m, (const struct wire_service *)h, &c->stream);
	return m && runs ? ask_about(&c->asker, m, h, ((const struct wire_service *)h)->id,
				     &c->stream)
			 : 0;
}

/* At what a service does of which the record says that its time is up. */
static int look_late(struct capture *c, const struct wire_hdr *h)
{
	const struct manager *m = c->looker ? manager_of(c, h) : NULL;
	int r;

	if (!m)
		return 0;
	r = watchdog_watch_fired(&c->watchdogs, c->looker, m, h, &c->stream);
	return r ? r : stop_watch_timed_out(&c->stops, c->looker, &c->hierarchy, m, h, &c->stream);
}

/* A sample itself is kept only if that was asked for: it holds the manager's memory. */
static int send_record(struct capture *c, const struct wire_hdr *h)
{
	int r = 0;

	if (h->kind == WIRE_STACK_SAMPLE) {
		r = managers_unwind(&c->managers, (const struct wire_stack_sample *)h, &c->stream,
				    &c->asker.from_end);
		if (r != 0 || !c->o.raw_stacks)
			return r;
	} else if (h->kind != WIRE_CGROUP_ATTACH || !managers_find(&c->managers, h->tgid)) {
		/* a manager moves whatever it starts: who it is was told once and for all */
		r = enrich_record(c->enrich, h, &c->stream);
	}
	if (r == 0)
		r = c->stream.sink(c->stream.ctx, h, h->size);
	if (r == 0)
		r = ask(c, h);
	if (r == 0)
		r = hardware_watchdogs_follow(&c->hardware, h, &c->stream);
	return r ? r : look_late(c, h);
}

static int on_ring(void *ctx, void *data, size_t size)
{
	struct capture *c = ctx;
	const struct wire_hdr *h = data;

	if (c->refused || size < sizeof(*h) || h->size > size)
		return 0;
	c->refused = send_record(c, h);
	c->last_ns = h->mono_ns;
	follow(c, h);
	return 0; /* libbpf would stop in the middle: the rest is dropped above */
}

/* 0 when there is no more to wait for, 1 to look again. */
static int recheck_manager(struct capture *c, pid_t pid, bool last)
{
	struct capture_error err = {};
	const struct manager *m;
	int r = managers_add(&c->managers, &c->probes, pid, &err);

	if ((r == -ENOEXEC || r == -ENOENT) && !last)
		return 1; /* has not mapped its code yet */
	if (r < 0) {
		note_untraced(c, pid, r, err.what);
		return 0;
	}
	managers_prepare(&c->managers);
	m = managers_find(&c->managers, pid);
	if (r == 1) {
		note(c, "process %d executed itself anew, the same build of systemd", pid);
		return 0;
	}
	note(c, "tracing process %d too: %s", pid, m->object->file.name);
	r = manager_describe(m, &c->stream);
	if (r != 0)
		c->refused = r;
	return 0;
}

static int recheck_module(struct capture *c, const char *module)
{
	if (probes_retry(&c->probes, module) > 0)
		note(c, "module %s was loaded: its probes are live", module);
	return 0;
}

static void recheck(struct capture *c)
{
	for (unsigned int i = 0; i < c->n_recheck;) {
		struct recheck *x = &c->recheck[i];
		bool last = ++x->tries == RECHECK_TRIES;
		int again =
			x->pid ? recheck_manager(c, x->pid, last) : recheck_module(c, x->module);

		if (again)
			i++;
		else
			*x = c->recheck[--c->n_recheck];
	}
	if (c->n_recheck > 0)
		set_timer(c->recheck_fd, 10 * RECHECK_NS);
}

/* The i-th probe: those of the first manager's code, then the kernel's. */
static const struct probe_state *state_at(const struct capture *c, unsigned int i)
{
	const struct object *o = c->managers.n_objects ? c->managers.objects[0] : NULL;
	unsigned int n = o ? o->n_states : 0;

	if (i < n)
		return &o->state[i];
	return i - n < c->probes.n ? &c->probes.state[i - n] : NULL;
}

static int send_lost(struct capture *c, const struct probe_state *s, uint64_t count)
{
	struct wire_lost *w = stream_begin(&c->stream, WIRE_LOST, sizeof(*w), 0);

	w->since_ns = c->lost_checked_ns;
	w->count = count;
	stream_string(&c->stream, &w->probe, s->name);
	return stream_end(&c->stream);
}

/* Says in the stream what was dropped, or never seen, since it last said so. */
static int report_lost(struct capture *c)
{
	uint64_t total = probes_lost(&c->probes), now = clock_ns(CLOCK_MONOTONIC);
	int r = 0;

	if (now - c->skipped_ns >= SKIPPED_NS) {
		c->skipped_ns = now;
		c->skipped = probes_skipped(&c->probes);
	}
	total += c->skipped;
	if (total != c->lost_seen) {
		const struct probe_state *s;

		for (unsigned int i = 0; r == 0 && (s = state_at(c, i)); i++) {
			uint64_t sent, lost;

			probes_count(&c->probes, s, &sent, &lost);
			if (lost > c->lost_by_probe[i])
				r = send_lost(c, s, lost - c->lost_by_probe[i]);
			c->lost_by_probe[i] = lost;
		}
		c->lost_seen = total;
		hang_watch_again(&c->hangs);
	}
	c->lost_checked_ns = now;
	return r;
}

static int drain(struct capture *c)
{
	int r = report_lost(c); /* before the events around it: a verdict may be among them */

	if (r == 0)
		r = ring_buffer__consume(c->ring);
	if (r < 0)
		return r;
	return c->refused ? c->refused : report_lost(c);
}

static int send_bare(struct capture *c, unsigned int kind)
{
	stream_begin(&c->stream, kind, sizeof(struct wire_hdr), 0);
	return stream_end(&c->stream);
}

/*
 * Something began that may never end. What came in before the look is sent before what was seen, so
 * that nothing is said of what is over. Time goes on by a record of its own only where none comes:
 * to a reader that one means silence, too.
 */
static int watch_hangs(struct capture *c)
{
	int r;

	hang_watch_look(&c->hangs);
	r = drain(c);
	if (r == 0)
		r = hang_watch_send(&c->hangs, c->looker, &c->stream);
	if (r == 0 && clock_ns(CLOCK_MONOTONIC) - c->last_ns > IDLE_NS)
		r = send_bare(c, WIRE_IDLE);
	return r || c->hangs.n == 0 ? r : set_timer(c->hang_fd, HANG_TICK_NS);
}

/* What came in by now may say that it is not late any more. */
static int watch_late(struct capture *c)
{
	int r = drain(c);

	c->late_ns = 0;
	if (r == 0)
		r = watchdog_watch_look(&c->watchdogs, c->looker, &c->stream);
	if (r == 0)
		r = stop_watch_look(&c->stops, c->looker, &c->hierarchy, &c->stream);
	if (r == 0)
		r = hardware_watchdogs_look(&c->hardware, c->looker, &c->stream);
	set_late_timer(c);
	return r;
}

static void forget_timer(int fd)
{
	uint64_t n;

	if (read(fd, &n, sizeof(n)) < 0) {
		/* ECANCELED or EAGAIN: either way it is no longer ready */
	}
}

/* What came until now; and more of it is read together when the batch's time is over. */
static int read_batch(struct capture *c)
{
	uint64_t last = c->last_ns;
	int r = drain(c);

	set_late_timer(c);
	c->in_batch = c->last_ns != last;
	if (r == 0 && c->in_batch)
		r = set_timer(c->batch_fd, BATCH_NS);
	return r || !c->in_batch ? r : set_timer(c->idle_fd, IDLE_NS);
}

static int on_wakeup(struct capture *c)
{
	if (c->in_batch && ring_fill(&c->fill) < c->probes.ring_batch)
		return 0;
	return read_batch(c);
}

/* Nothing came for a while: what comes while that is said is older than it. */
static int on_idle(struct capture *c)
{
	uint64_t last = c->last_ns;
	int r = read_batch(c);

	return r || c->last_ns != last ? r : send_bare(c, WIRE_IDLE);
}

/* What came before a change stands before it in the stream. */
static int look_at_changes(struct capture *c)
{
	int r = drain(c);

	return r ? r : pidfile_look_at_changes(&c->pidfiles, &c->stream);
}

static int dispatch(struct capture *c, int fd)
{
	if (fd == c->stop_fd || fd == c->timeout_fd) {
		c->done = true;
		return 0;
	}
	if (fd == c->clock_fd) {
		forget_timer(fd);
		return send_clock(c);
	}
	if (fd == c->fill.fd)
		return on_wakeup(c);
	if (fd == c->batch_fd) {
		forget_timer(fd);
		return read_batch(c);
	}
	if (fd == c->idle_fd) {
		forget_timer(fd);
		return on_idle(c);
	}
	if (fd == c->recheck_fd) {
		forget_timer(fd);
		recheck(c);
		return c->refused;
	}
	if (fd == c->pidfiles.changes)
		return look_at_changes(c);
	if (fd == c->hang_fd) {
		forget_timer(fd);
		return watch_hangs(c);
	}
	if (fd == c->late_fd) {
		forget_timer(fd);
		return watch_late(c);
	}
	return c->on_ready(c->on_ready_ctx, fd);
}

static int loop(struct capture *c)
{
	int r = 0;

	while (r == 0 && !c->done) {
		struct epoll_event e[8];
		int n = epoll_wait(c->epoll_fd, e, ARRAY_LEN(e), -1);

		if (n < 0 && errno != EINTR)
			return -errno;
		for (int i = 0; i < n && r == 0; i++)
			r = dispatch(c, e[i].data.fd);
	}
	return r;
}

static int run(struct capture *c)
{
	int r = 0;

	c->lost_checked_ns = clock_ns(CLOCK_MONOTONIC);
	pidfile_look_prepare(&c->pidfiles, &c->stream);
	managers_prepare(&c->managers);
	if (c->o.timeout_ns)
		r = set_timer(c->timeout_fd, c->o.timeout_ns);
	if (r == 0)
		r = send_preamble(c);
	if (r == 0)
		r = loop(c);
	c->skipped_ns = 0; /* once more, however soon after the last time */
	if (r == 0)
		r = drain(c);
	return r ? r : send_bare(c, WIRE_END);
}

int capture_run(struct capture *c, wire_sink sink, void *ctx)
{
	c->stream.sink = sink;
	c->stream.ctx = ctx;
	return run(c);
}

int capture_probe(const struct capture *c, unsigned int i, struct capture_probe *ret)
{
	const struct probe_state *s = state_at(c, i);

	if (!s)
		return -ENOENT;
	*ret = (struct capture_probe){
		.name = s->name,
		.how = s->how ? s->how : "none",
		.reason = s->reason,
		.error = s->how ? 0 : s->error,
		.harmless = s->harmless,
		.in_kernel = s >= c->probes.state && s < c->probes.state + c->probes.n,
	};
	probes_count(&c->probes, s, &ret->events, &ret->lost);
	return 0;
}

int capture_manager(const struct capture *c, unsigned int i, struct capture_manager *ret)
{
	const struct manager *m = &c->managers.manager[i];

	if (i >= c->managers.n)
		return -ENOENT;
	*ret = (struct capture_manager){
		.pid = m->pid,
		.user = m->user,
		.uid = m->uid,
		.object = m->object->file.name,
		.replaced = m->object->file.replaced,
	};
	return 0;
}

void capture_times(const struct capture *c, struct capture_times *ret)
{
	*ret = c->times;
}
