/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Live capture: from a running manager to a stream of wire records. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "capture/capture_internal.h"
#include "svctrace/cleanup.h"

/* How long nothing must come before the stream says that time went on. */
#define IDLE_NS 20000000

struct capture {
	struct capture_options o;
	struct manager manager;
	struct hierarchy hierarchy;
	struct probes probes;
	struct enrich *enrich;
	struct ring_buffer *ring;
	struct stream stream;
	struct capture_times times;
	int epoll_fd, stop_fd, idle_fd, clock_fd, timeout_fd;
	uint64_t lost_seen, lost_checked_ns;
	uint64_t lost_by_probe[PROBES_MAX];
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

static int add_fd(struct capture *c, int fd)
{
	struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};

	return epoll_ctl(c->epoll_fd, EPOLL_CTL_ADD, fd, &e) < 0 ? -errno : 0;
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
	if (c->epoll_fd < 0 || c->stop_fd < 0 || c->idle_fd < 0 || c->timeout_fd < 0)
		return -errno;
	r = add_fd(c, c->stop_fd);
	if (r == 0)
		r = add_fd(c, c->idle_fd);
	if (r == 0)
		r = add_fd(c, c->timeout_fd);
	if (r == 0)
		r = watch_clock(c);
	return r;
}

static int on_ring(void *ctx, void *data, size_t size);

static int open_ring(struct capture *c, struct capture_error *err)
{
	int r;

	c->ring = ring_buffer__new(probes_map_fd(&c->probes, "events"), on_ring, c, NULL);
	if (!c->ring)
		return capture_fail(err, -errno, "", "cannot map the ring buffer: %s",
				    strerror(errno));
	r = open_loop(c);
	if (r == 0)
		r = add_fd(c, ring_buffer__epoll_fd(c->ring));
	if (r < 0)
		return capture_fail(err, r, "", "cannot set up the event loop: %s", strerror(-r));
	return 0;
}

static int mark_service(void *ctx, const struct hierarchy_node *node)
{
	struct capture *c = ctx;

	if (node->service)
		bpf_map_update_elem(probes_map_fd(&c->probes, "service_cgroups"), &node->id,
				    &(uint8_t){1}, BPF_ANY);
	return 0;
}

int capture_new(const struct capture_options *o, struct capture **ret, struct capture_error *err)
{
	_cleanup_(capture_freep) struct capture *c = calloc(1, sizeof(*c));
	uint64_t t0 = clock_ns(CLOCK_MONOTONIC);
	int r;

	if (!c)
		return capture_fail(err, -ENOMEM, "", "out of memory");
	c->o = *o;
	c->epoll_fd = c->stop_fd = c->idle_fd = c->clock_fd = c->timeout_fd = -1;
	probes_set_log(o->log);
	r = manager_load(&c->manager, o->manager ? o->manager : 1, err);
	c->times.resolve_ns = clock_ns(CLOCK_MONOTONIC) - t0;
	if (r == 0)
		r = hierarchy_find(&c->hierarchy, c->manager.pid, err);
	if (r == 0)
		r = probes_attach(&c->probes, &c->manager, c->hierarchy.id,
				  ring_size(o->ring_size ? o->ring_size : CAPTURE_RING_DEFAULT),
				  err);
	c->times.load_ns = c->probes.load_ns;
	c->times.attach_ns = c->probes.attach_ns;
	if (r == 0)
		r = open_ring(c, err);
	if (r < 0)
		return r;
	/* the probes are live: what starts during this walk is marked by one or the other */
	hierarchy_walk(&c->hierarchy, mark_service, c);
	r = enrich_new(c->hierarchy.id, &c->enrich);
	if (r < 0)
		return capture_fail(err, r, "", "out of memory");
	*ret = take_ptr(c);
	return 0;
}

void capture_freep(struct capture **cp)
{
	struct capture *c = *cp;

	if (!c)
		return;
	ring_buffer__free(c->ring);
	probes_done(&c->probes);
	hierarchy_done(&c->hierarchy);
	manager_done(&c->manager);
	enrich_freep(&c->enrich);
	closep(&c->clock_fd);
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
	int r;

	w->id = node->id;
	w->parent = node->parent;
	stream_string(&c->stream, &w->path, node->path);
	r = stream_end(&c->stream);
	if (r == 0 && node->service)
		r = enrich_cgroup(c->enrich, node->fd, &c->stream);
	return r;
}

/* All that a reader must know before the first event. */
static int send_preamble(struct capture *c)
{
	struct stream *s = &c->stream;
	int r = send_start(c);

	if (r == 0)
		r = send_clock(c);
	if (r == 0)
		r = manager_describe(&c->manager, s);
	if (r == 0)
		r = probes_describe(&c->probes, s);
	if (r == 0)
		r = hierarchy_walk(&c->hierarchy, send_cgroup, c);
	return r;
}

static int on_ring(void *ctx, void *data, size_t size)
{
	struct capture *c = ctx;
	const struct wire_hdr *h = data;

	if (c->refused || size < sizeof(*h) || h->size > size)
		return 0;
	c->refused = enrich_record(c->enrich, h, &c->stream);
	if (!c->refused)
		c->refused = c->stream.sink(c->stream.ctx, h, h->size);
	return 0; /* libbpf would stop in the middle: the rest is dropped above */
}

static int send_lost(struct capture *c, unsigned int i, uint64_t count)
{
	struct wire_lost *w = stream_begin(&c->stream, WIRE_LOST, sizeof(*w), 0);

	w->since_ns = c->lost_checked_ns;
	w->count = count;
	stream_string(&c->stream, &w->probe, probe_name(&c->probes.state[i]));
	return stream_end(&c->stream);
}

/* Says in the stream what was dropped since it last said so. Costs nothing while nothing is. */
static int report_lost(struct capture *c)
{
	uint64_t total = probes_lost(&c->probes), now = clock_ns(CLOCK_MONOTONIC);
	int r = 0;

	if (total != c->lost_seen) {
		for (unsigned int i = 0; r == 0 && i < c->probes.n; i++) {
			uint64_t sent, lost;

			probes_count(&c->probes, i, &sent, &lost);
			if (lost > c->lost_by_probe[i])
				r = send_lost(c, i, lost - c->lost_by_probe[i]);
			c->lost_by_probe[i] = lost;
		}
		c->lost_seen = total;
	}
	c->lost_checked_ns = now;
	return r;
}

static int drain(struct capture *c)
{
	int r = ring_buffer__consume(c->ring);

	if (r < 0)
		return r;
	return c->refused ? c->refused : report_lost(c);
}

static int send_bare(struct capture *c, unsigned int kind)
{
	stream_begin(&c->stream, kind, sizeof(struct wire_hdr), 0);
	return stream_end(&c->stream);
}

static void forget_timer(int fd)
{
	uint64_t n;

	if (read(fd, &n, sizeof(n)) < 0) {
		/* ECANCELED or EAGAIN: either way it is no longer ready */
	}
}

static int dispatch(struct capture *c, int fd)
{
	int r;

	if (fd == c->stop_fd || fd == c->timeout_fd) {
		c->done = true;
		return 0;
	}
	if (fd == c->clock_fd) {
		forget_timer(fd);
		return send_clock(c);
	}
	if (fd == c->idle_fd) {
		forget_timer(fd);
		return send_bare(c, WIRE_IDLE);
	}
	r = drain(c);
	return r ? r : set_timer(c->idle_fd, IDLE_NS);
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
	if (c->o.timeout_ns)
		r = set_timer(c->timeout_fd, c->o.timeout_ns);
	if (r == 0)
		r = send_preamble(c);
	if (r == 0)
		r = loop(c);
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
	const struct probe_state *s = &c->probes.state[i];

	if (i >= c->probes.n)
		return -ENOENT;
	*ret = (struct capture_probe){
		.name = probe_name(s),
		.how = s->how ? s->how : "none",
		.reason = s->reason,
		.error = s->how ? 0 : s->error,
	};
	probes_count(&c->probes, i, &ret->events, &ret->lost);
	return 0;
}

void capture_times(const struct capture *c, struct capture_times *ret)
{
	*ret = c->times;
}

const char *capture_object(const struct capture *c)
{
	return c->manager.object.name;
}

pid_t capture_manager(const struct capture *c)
{
	return c->manager.pid;
}
