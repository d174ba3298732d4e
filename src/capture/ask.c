/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Asking a manager which dependency made the job of one unit pull in that of another: its jobs do
 * not keep it, its units do. And, of a unit that it stopped because another one had ended, which
 * of those that it is bound to are gone: a device or a mount point ends without a probe of ours.
 *
 * Asked at once, over the manager's private socket, and waited for, so that the answer stands in
 * the stream before what comes of the jobs. The waiting has a budget: a manager that is slow to
 * answer, or a stop of hundreds of units, costs that much and no more; the ring buffer holds what
 * happens meanwhile.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "capture/capture_internal.h"
#include "capture/private_bus.h"
#include "svctrace/bus.h"
#include "svctrace/cleanup.h"

#define BUDGET_NS     1000000000ull /* of waiting … */
#define BUDGET_PER_NS 5000000000ull /* … in that long */

/* By these a stop or restart of one unit pulls in another's. */
static const struct {
	const char *property; /* of the unit that is pulled in */
	const char *name;     /* in the unit file of either */
} dependencies[] = {
	{"BindsTo", "BindsTo"},
	{"Requires", "Requires"},
	{"Requisite", "Requisite"},
	{"PartOf", "PartOf"},
	{"StopPropagatedFrom", "PropagatesStopTo"},
};

static int open_of(pid_t pid, const char *what, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, what);
	return open(path, flags | O_CLOEXEC);
}

/* The answers come in the order of the questions. */
static void read_answers(struct private_bus *b, const char *by, char *name, size_t size)
{
	size_t n, used = 0;

	name[0] = 0;
	for (size_t i = 0; i < ARRAY_LEN(dependencies); i++) {
		n = private_bus_read(b);
		if (n == 0)
			return;
		if (bus_list_has(b->bytes, n, by) && used < size)
			used += snprintf(name + used, size - used, "%s%s", used ? ", " : "",
					 dependencies[i].name);
		private_bus_consume(b, n);
	}
}

struct question {
	bool user;
	uint32_t uid;
	uint64_t deadline_ns;
	char unit[WIRE_ID_MAX], by[WIRE_ID_MAX];
};

#define NAMES_MAX 128
#define BOUND_MAX 16 /* of whom is asked */
#define GONE_MAX  4  /* of whom is told */

struct answer {
	char names[NAMES_MAX];
	unsigned int n_gone;
	struct gone {
		char unit[WIRE_ID_MAX];
		uint64_t since_usec; /* 0: it never was active */
	} gone[GONE_MAX];
};

/* One send each, which svctrace's own probe can tell to be no more than a question. */
static bool send_question(struct private_bus *b, uint32_t serial, const char *unit,
			  const char *property)
{
	unsigned char call[2048];
	size_t n = bus_get_unit_property(call, sizeof(call), serial, unit, property);

	return n > 0 && private_bus_send(b, call, n);
}

static bool send_questions(struct private_bus *b, const char *unit)
{
	for (size_t i = 0; i < ARRAY_LEN(dependencies); i++)
		if (!send_question(b, i + 1, unit, dependencies[i].property))
			return false;
	return true;
}

static unsigned int read_bound(struct private_bus *b, char ret[static BOUND_MAX][WIRE_ID_MAX])
{
	struct str units[BOUND_MAX];
	size_t size = private_bus_read(b);
	unsigned int n = size ? bus_list_get(b->bytes, size, units, BOUND_MAX) : 0, kept = 0;

	for (unsigned int i = 0; i < n; i++)
		if (units[i].n > 0 && units[i].n < WIRE_ID_MAX) {
			memcpy(ret[kept], units[i].s, units[i].n);
			ret[kept++][units[i].n] = 0;
		}
	private_bus_consume(b, size);
	return kept;
}

/* Whether that unit is gone; false as well if it is not told in time. */
static bool read_gone(struct private_bus *b, struct gone *ret)
{
	static const char *const states[] = {"inactive", "failed", "deactivating"};
	char state[32] = "";
	size_t n = private_bus_read(b), i = 0;

	if (n > 0)
		bus_variant_string(b->bytes, n, state, sizeof(state));
	private_bus_consume(b, n);
	n = private_bus_read(b);
	if (n > 0)
		bus_variant_number(b->bytes, n, &ret->since_usec);
	private_bus_consume(b, n);
	while (i < ARRAY_LEN(states) && strcmp(state, states[i]) != 0)
		i++;
	return n > 0 && i < ARRAY_LEN(states);
}

static void find_gone(struct private_bus *b, const char *unit, struct answer *ret)
{
	char bound[BOUND_MAX][WIRE_ID_MAX];
	unsigned int n;

	if (!send_question(b, 1, unit, "BindsTo"))
		return;
	n = read_bound(b, bound);
	for (unsigned int i = 0; i < n; i++)
		if (!send_question(b, 2 * i + 2, bound[i], "ActiveState") ||
		    !send_question(b, 2 * i + 3, bound[i], "ActiveExitTimestampMonotonic"))
			return;
	for (unsigned int i = 0; i < n && ret->n_gone < GONE_MAX; i++) {
		struct gone gone = {};

		memcpy(gone.unit, bound[i], WIRE_ID_MAX);
		if (read_gone(b, &gone))
			ret->gone[ret->n_gone++] = gone;
	}
}

static void ask(int root, const struct question *q, struct answer *ret)
{
	struct private_bus b = {.fd = -1, .deadline_ns = q->deadline_ns};

	*ret = (struct answer){};
	if (private_bus_open(&b, root, q->user, q->uid)) {
		if (!*q->by)
			find_gone(&b, q->unit, ret);
		else if (send_questions(&b, q->unit))
			read_answers(&b, q->by, ret->names, NAMES_MAX);
	}
	closep(&b.fd);
}

/* In the order of struct wire_watchdog_settings; older systemds lack the last two. */
static const char *const watchdog_properties[] = {
	"RuntimeWatchdogUSec",
	"RebootWatchdogUSec",
	"WatchdogLastPingTimestampMonotonic",
	"WatchdogDevice",
};

static bool send_watchdog_questions(struct private_bus *b)
{
	for (size_t i = 0; i < ARRAY_LEN(watchdog_properties); i++) {
		unsigned char call[512];
		size_t n =
			bus_get_manager_property(call, sizeof(call), i + 1, watchdog_properties[i]);

		if (n == 0 || !private_bus_send(b, call, n))
			return false;
	}
	return true;
}

static void read_watchdog_answers(struct private_bus *b, struct watchdog_settings *ret)
{
	uint64_t *numbers[] = {&ret->runtime_usec, &ret->reboot_usec, &ret->pinged_usec};
	size_t n;

	for (size_t i = 0; i < ARRAY_LEN(watchdog_properties); i++) {
		n = private_bus_read(b);
		if (n == 0)
			return;
		if (i < ARRAY_LEN(numbers))
			bus_variant_number(b->bytes, n, numbers[i]);
		else
			bus_variant_string(b->bytes, n, ret->device, sizeof(ret->device));
		private_bus_consume(b, n);
	}
}

bool ask_watchdog(struct watchdog_settings *ret)
{
	_cleanup_close_ int root = open_of(1, "root", O_PATH | O_DIRECTORY);
	struct private_bus b = {.fd = -1, .deadline_ns = clock_ns(CLOCK_MONOTONIC) + BUDGET_NS};

	*ret = (struct watchdog_settings){WIRE_USEC_NONE, WIRE_USEC_NONE, WIRE_USEC_NONE, ""};
	if (root >= 0 && private_bus_open(&b, root, false, 0) && send_watchdog_questions(&b))
		read_watchdog_answers(&b, ret);
	closep(&b.fd);
	return ret->runtime_usec != WIRE_USEC_NONE;
}

#define SERVE_FD 3
#define ROOT_FD	 4

/*
 * The process in the other namespace, whose processes can see it: it has no privileges, and nothing
 * open but what it needs. It ends when nobody is left to ask.
 */
static void __attribute__((noreturn)) serve(void)
{
	struct question q;

	prctl(PR_SET_NAME, "svctrace-ask");
	if (privileges_give_up() < 0)
		_exit(1);
	while (recv(SERVE_FD, &q, sizeof(q), 0) == sizeof(q)) {
		struct answer a;

		ask(ROOT_FD, &q, &a);
		if (send(SERVE_FD, &a, sizeof(a), MSG_NOSIGNAL) < 0)
			break;
	}
	_exit(0);
}

/* Only these two, at their places: none of them is at the other's, both being made high. */
static bool keep_files(int fd, int root)
{
	fd = fcntl(fd, F_DUPFD, 16);
	root = fcntl(root, F_DUPFD, 16);
	return dup2(fd, SERVE_FD) >= 0 && dup2(root, ROOT_FD) >= 0 &&
	       syscall(SYS_close_range, ROOT_FD + 1, ~0u, 0) == 0;
}

/* Its parent is gone at once, so that whoever reaps orphans reaps it, should its namespace end. */
static void serve_elsewhere(int ns, int fd, int root)
{
	pid_t child = fork();

	if (child == 0) {
		if (setns(ns, CLONE_NEWPID) == 0 && fork() == 0 && keep_files(fd, root))
			serve();
		_exit(0);
	}
	if (child > 0)
		waitpid(child, NULL, 0);
}

static bool is_elsewhere(int ns)
{
	struct stat here, there;

	return fstat(ns, &there) == 0 && stat("/proc/self/ns/pid", &here) == 0 &&
	       here.st_ino != there.st_ino;
}

void ask_prepare(pid_t manager, int *ret)
{
	_cleanup_close_ int ns = open_of(manager, "ns/pid", O_RDONLY);
	_cleanup_close_ int root = open_of(manager, "root", O_PATH | O_DIRECTORY);
	int fds[2];

	*ret = -1;
	if (ns < 0 || root < 0 || !is_elsewhere(ns) ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return;
	*ret = fds[0];
	serve_elsewhere(ns, fds[1], root);
	closep(&fds[1]);
}

/* Through the process that was made for it, if there is one. */
static void ask_wherever(const struct manager *m, const struct question *q, struct answer *ret)
{
	*ret = (struct answer){};
	if (m->ask_fd < 0) {
		_cleanup_close_ int root = open_of(m->pid, "root", O_PATH | O_DIRECTORY);

		if (root >= 0)
			ask(root, q, ret);
		return;
	}
	/* what it may still have to say of a question that was given up */
	while (recv(m->ask_fd, ret, sizeof(*ret), MSG_DONTWAIT) > 0)
		;
	if (send(m->ask_fd, q, sizeof(*q), MSG_NOSIGNAL) != sizeof(*q) ||
	    !wait_until(m->ask_fd, q->deadline_ns) ||
	    recv(m->ask_fd, ret, sizeof(*ret), MSG_DONTWAIT) != sizeof(*ret))
		*ret = (struct answer){};
}

uint64_t budget_left(struct budget *b, uint64_t now, uint64_t ns, uint64_t per_ns)
{
	if (now > b->since_ns + per_ns)
		*b = (struct budget){.since_ns = now};
	return b->waited_ns < ns ? ns - b->waited_ns : 0;
}

static int send_dependency(const struct manager *m, const struct question *q, const char *names,
			   struct stream *s)
{
	struct wire_dependency *w = stream_begin(s, WIRE_DEPENDENCY, sizeof(*w), m->pid);

	stream_string(s, &w->unit, q->unit);
	stream_string(s, &w->by, q->by);
	stream_string(s, &w->name, names);
	return stream_end(s);
}

static int send_gone(const struct manager *m, const struct question *q, const struct answer *a,
		     struct stream *s)
{
	int r = 0;

	for (unsigned int i = 0; r == 0 && i < a->n_gone; i++) {
		struct wire_gone *w = stream_begin(s, WIRE_GONE, sizeof(*w), m->pid);

		w->since_ns = a->gone[i].since_usec * 1000;
		stream_string(s, &w->unit, q->unit);
		stream_string(s, &w->bound_to, a->gone[i].unit);
		r = stream_end(s);
	}
	return r;
}

static int ask_manager(struct asker *a, const struct manager *m, struct question *q,
		       struct stream *s)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC),
		 left = budget_left(&a->budget, now, BUDGET_NS, BUDGET_PER_NS);
	struct answer answer = {};

	if (left > 0) {
		q->deadline_ns = now + left;
		ask_wherever(m, q, &answer);
		a->budget.waited_ns += clock_ns(CLOCK_MONOTONIC) - now;
	}
	return *q->by ? send_dependency(m, q, answer.names, s) : send_gone(m, q, &answer, s);
}

/* Whether the job is one that a stop or restart of another unit pulled in by a dependency. */
static bool is_propagated(const struct manager *m, const struct wire_job *w)
{
	const char *by = symbols_enum_name(m->object->symbols, "JobType", w->by_type);
	const char *type = symbols_enum_name(m->object->symbols, "JobType", w->type);

	return by && type && (strcmp(by, "stop") == 0 || strstr(by, "restart")) &&
	       (strcmp(type, "stop") == 0 || strstr(type, "restart"));
}

static bool get_name(const struct wire_hdr *h, struct wire_str w, char ret[static WIRE_ID_MAX])
{
	if (w.len == 0 || w.len >= WIRE_ID_MAX || (size_t)w.off + w.len > h->size)
		return false;
	memcpy(ret, (const char *)h + w.off, w.len);
	ret[w.len] = 0;
	return true;
}

static void remember(struct asker *a, const struct manager *m, const char unit[static WIRE_ID_MAX],
		     const char *by)
{
	struct pulled_in *p = &a->pulled_in[a->n++ % ASK_MAX];

	*p = (struct pulled_in){.manager = m->pid};
	memcpy(p->unit, unit, sizeof(p->unit));
	snprintf(p->by, sizeof(p->by), "%s", by);
}

void ask_later(struct asker *a, const struct manager *m, const struct wire_job *w)
{
	char unit[WIRE_ID_MAX], by[WIRE_ID_MAX];

	if (is_propagated(m, w) && get_name(&w->h, w->id, unit) && get_name(&w->h, w->by_id, by))
		remember(a, m, unit, by);
}

void ask_later_who_ended(struct asker *a, const struct manager *m, const struct wire_job *w)
{
	const char *type = symbols_enum_name(m->object->symbols, "JobType", w->type);
	char unit[WIRE_ID_MAX];

	if (type && strcmp(type, "stop") == 0 && get_name(&w->h, w->id, unit))
		remember(a, m, unit, "");
}

/* The newest job of that unit that was not asked about yet. */
static struct pulled_in *find_pulled_in(struct asker *a, pid_t manager, const char *unit)
{
	unsigned int n = a->n < ASK_MAX ? a->n : ASK_MAX;

	for (unsigned int i = 1; i <= n; i++) {
		struct pulled_in *p = &a->pulled_in[(a->n - i) % ASK_MAX];

		if (p->manager == manager && !p->asked && strcmp(p->unit, unit) == 0)
			return p;
	}
	return NULL;
}

int ask_about(struct asker *a, const struct manager *m, const struct wire_hdr *h,
	      struct wire_str id, struct stream *s)
{
	struct question q = {.user = m->user, .uid = m->uid};
	char unit[WIRE_ID_MAX];
	struct pulled_in *p;
	int r = 0;

	if (!get_name(h, id, unit))
		return 0;
	while (r == 0 && *unit && (p = find_pulled_in(a, m->pid, unit))) {
		p->asked = true;
		memcpy(q.unit, p->unit, sizeof(q.unit));
		memcpy(q.by, p->by, sizeof(q.by));
		r = ask_manager(a, m, &q, s);
		memcpy(unit, p->by, sizeof(unit));
	}
	return r;
}
