/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Clients of systemd that ask in ways which no tool does: many that are gone at once, two within a
 * millisecond, a flood, a foreign byte order. D-Bus is spoken byte by byte, so that each test knows
 * what went over the socket and when. PIDs are printed as this pid namespace numbers them.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char usage[] =
	"usage: stop-client one HOW ENDPOINT UNIT     stops UNIT, waits for the answer\n"
	"       stop-client many ENDPOINT UNIT…       stops each UNIT by a client that is gone\n"
	"                                             at once, a child of many-even or many-odd\n"
	"       stop-client each ENDPOINT UNIT…       the same by clients that wait for an answer\n"
	"       stop-client order ENDPOINT UNIT       stops UNIT twice; the second client asks\n"
	"                                             as soon as the first has its answer\n"
	"       stop-client race ENDPOINT UNIT        one client stops, one restarts, at once\n"
	"       stop-client flood ENDPOINT UNIT       calls without end, UNIT in some of them\n"
	"       stop-client own bus NAME              owns that name until SIGUSR1\n"
	"\n"
	"  ENDPOINT  private (systemd's socket), bus (the system bus)\n"
	"  HOW       big (big-endian, seven bytes an iovec), two (header and body apart)\n";

#define PRIVATE_SOCKET "/run/systemd/private"
#define BUS_SOCKET     "/run/dbus/system_bus_socket"
#define SYSTEMD	       "org.freedesktop.systemd1"
#define BUS	       "org.freedesktop.DBus"

enum { METHOD_CALL = 1, METHOD_RETURN = 2, METHOD_ERROR = 3 };
enum {
	FIELD_PATH = 1,
	FIELD_INTERFACE = 2,
	FIELD_MEMBER = 3,
	FIELD_DESTINATION = 6,
	FIELD_SIGNATURE = 8
};

struct message {
	unsigned char b[1024];
	size_t n;
	size_t header; /* length of the header, once it is whole */
	bool big;
};

struct connection {
	int fd;
	bool bus;
	uint32_t serial;
	struct message out; /* what is to be sent next */
};

/* ---- messages ---- */

static void put(struct message *m, const void *data, size_t n)
{
	if (n > sizeof(m->b) - m->n) {
		fprintf(stderr, "stop-client: a message is too long\n");
		exit(2);
	}
	memcpy(m->b + m->n, data, n);
	m->n += n;
}

static void align(struct message *m, size_t to)
{
	while (m->n % to)
		put(m, "", 1);
}

static void set_u32(struct message *m, size_t at, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		m->b[at + i] = v >> 8 * (m->big ? 3 - i : i);
}

static void put_u32(struct message *m, uint32_t v)
{
	align(m, 4);
	put(m, "\0\0\0", 4);
	set_u32(m, m->n - 4, v);
}

static void put_string(struct message *m, const char *s)
{
	put_u32(m, strlen(s));
	put(m, s, strlen(s) + 1);
}

static void put_signature(struct message *m, const char *s)
{
	unsigned char n = strlen(s);

	put(m, &n, 1);
	put(m, s, n + 1);
}

static void put_field(struct message *m, unsigned char code, const char *type, const char *value)
{
	align(m, 8);
	put(m, &code, 1);
	put_signature(m, type);
	if (*type == 'g')
		put_signature(m, value);
	else
		put_string(m, value);
}

static const char zero[] = "0"; /* as an argument: a number */

struct call {
	const char *destination, *path, *interface, *member;
	const char *arg[2]; /* strings; NULL: none */
};

/* A method call alone in c->out, in the byte order that this has. */
static void put_call(struct connection *c, const struct call *call)
{
	struct message *m = &c->out;
	size_t begin = m->n, fields, body;

	put(m, (unsigned char[]){m->big ? 'B' : 'l', METHOD_CALL, 0, 1}, 4);
	put_u32(m, 0);
	put_u32(m, ++c->serial);
	put_u32(m, 0);
	fields = m->n;
	put_field(m, FIELD_PATH, "o", call->path);
	put_field(m, FIELD_INTERFACE, "s", call->interface);
	put_field(m, FIELD_MEMBER, "s", call->member);
	put_field(m, FIELD_DESTINATION, "s", call->destination);
	if (call->arg[0])
		put_field(m, FIELD_SIGNATURE, "g",
			  call->arg[1] == zero ? "su"
			  : call->arg[1]       ? "ss"
					       : "s");
	set_u32(m, begin + 12, m->n - fields);
	align(m, 8);
	body = m->header = m->n;
	for (int i = 0; i < 2 && call->arg[i]; i++)
		if (call->arg[i] == zero)
			put_u32(m, 0);
		else
			put_string(m, call->arg[i]);
	set_u32(m, begin + 4, m->n - body);
}

static void put_job(struct connection *c, const char *member, const char *unit, const char *mode)
{
	put_call(c, &(struct call){SYSTEMD,
				   "/org/freedesktop/systemd1",
				   SYSTEMD ".Manager",
				   member,
				   {unit, mode}});
}

/* ---- connections ---- */

static void send_all(struct connection *c, size_t from, size_t to)
{
	while (from < to) {
		ssize_t n = send(c->fd, c->out.b + from, to - from, MSG_NOSIGNAL);

		if (n < 0) {
			perror("stop-client: send");
			exit(1);
		}
		from += n;
	}
}

static void flush(struct connection *c)
{
	send_all(c, 0, c->out.n);
	c->out.n = 0;
}

static void receive(struct connection *c, void *buf, size_t n)
{
	if (recv(c->fd, buf, n, MSG_WAITALL) != (ssize_t)n) {
		fprintf(stderr, "stop-client: the connection broke off\n");
		exit(1);
	}
}

/* Skips what is no answer. systemd and the brokers answer in this machine's byte order. */
static int next_answer(struct connection *c)
{
	static unsigned char rest[1 << 20];
	unsigned char head[16];
	uint32_t body, fields;
	int type;

	do {
		receive(c, head, sizeof(head));
		type = head[1];
		memcpy(&body, head + 4, 4);
		memcpy(&fields, head + 12, 4);
		if (fields > sizeof(rest) / 2 || body > sizeof(rest) / 2)
			exit(1);
		receive(c, rest, ((fields + 7) & ~7U) + body);
	} while (type != METHOD_RETURN && type != METHOD_ERROR);
	return type;
}

/*
 * BEGIN does not wait for OK, as in systemd's own clients: when it arrives together with the first
 * call, systemd lets that call lie until more comes.
 */
static void authenticate(struct connection *c)
{
	char uid[16], line[64];
	size_t n = 0;

	snprintf(uid, sizeof(uid), "%u", getuid());
	put(&c->out, "\0AUTH EXTERNAL ", 15);
	for (const char *p = uid; *p; p++) {
		snprintf(line, sizeof(line), "%02x", *p);
		put(&c->out, line, 2);
	}
	put(&c->out, "\r\nBEGIN\r\n", 9);
	flush(c);
	do
		receive(c, line + n, 1);
	while (line[n++] != '\n' && n < sizeof(line));
	if (strncmp(line, "OK ", 3)) {
		fprintf(stderr, "stop-client: not let in\n");
		exit(1);
	}
}

static void open_connection(struct connection *c, const char *endpoint)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};

	memset(c, 0, sizeof(*c));
	c->bus = !strcmp(endpoint, "bus");
	strcpy(sa.sun_path, c->bus ? BUS_SOCKET : PRIVATE_SOCKET);
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
		fprintf(stderr, "stop-client: %s: %s\n", sa.sun_path, strerror(errno));
		exit(1);
	}
	authenticate(c);
	if (c->bus) {
		put_call(c, &(struct call){BUS, "/org/freedesktop/DBus", BUS, "Hello", {NULL}});
		flush(c);
		next_answer(c);
	}
}

/* ---- one client ---- */

static void send_in_sevens(struct connection *c)
{
	struct iovec iov[sizeof(c->out.b) / 7 + 1];
	struct msghdr mh = {.msg_iov = iov};

	for (size_t at = 0; at < c->out.n; at += 7)
		iov[mh.msg_iovlen++] =
			(struct iovec){c->out.b + at, c->out.n - at < 7 ? c->out.n - at : 7};
	if (sendmsg(c->fd, &mh, MSG_NOSIGNAL) != (ssize_t)c->out.n) {
		perror("stop-client: sendmsg");
		exit(1);
	}
}

static int one(const char *how, const char *endpoint, const char *unit)
{
	struct connection c;

	open_connection(&c, endpoint);
	c.out.big = !strcmp(how, "big");
	put_job(&c, "StopUnit", unit, "replace");
	if (c.out.big) {
		send_in_sevens(&c);
	} else {
		send_all(&c, 0, c.out.header);
		usleep(2000);
		send_all(&c, c.out.header, c.out.n);
	}
	return next_answer(&c) == METHOD_RETURN ? 0 : 1;
}

/* ---- many ---- */

/*
 * The private socket's client does not wait for the answer. On a bus it has to: systemd asks the
 * bus who the sender is, and acts for nobody who is gone by then.
 */
static void stop_and_exit(const char *endpoint, const char *unit, bool patient)
{
	struct connection c;

	open_connection(&c, endpoint);
	put_job(&c, "StopUnit", unit, "replace");
	flush(&c);
	_exit((c.bus || patient) && next_answer(&c) != METHOD_RETURN);
}

static int parent(const char *name, const char *endpoint, char **units, bool patient)
{
	int failed = 0;

	prctl(PR_SET_NAME, name);
	for (; units[0]; units += units[1] ? 2 : 1) {
		int status;
		pid_t pid = fork();

		if (pid == 0)
			stop_and_exit(endpoint, *units, patient);
		if (waitpid(pid, &status, 0) != pid || status)
			failed = 1;
		printf("#client %s %d %s\n", *units, pid, name);
	}
	return failed;
}

/* Ends when all children have; not 0 if one failed. */
static int wait_for_all(void)
{
	int status, failed = 0;

	while (wait(&status) > 0)
		failed |= status != 0;
	return failed;
}

static int many(const char *endpoint, char **units, bool patient)
{
	static const char *const names[] = {"many-even", "many-odd"};

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (int i = 0; i < 2 && units[i]; i++)
		if (fork() == 0)
			exit(parent(names[i], endpoint, units + i, patient));
	return wait_for_all();
}

/* ---- two ---- */

struct shared {
	volatile int ready[2], go[2];
	volatile int answer[2];
	volatile uint64_t sent_ns[2];
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/* Client i of two, which asks when go[i] says so. Both messages have the same serial. */
static void duellist(struct shared *s, int i, const char *endpoint, const char *member,
		     const char *unit, const char *mode, bool in_turn)
{
	uint64_t deadline = now_ns() + 20000000000;
	struct connection c;

	open_connection(&c, endpoint);
	put_job(&c, member, unit, mode);
	s->ready[i] = 1;
	while (!s->go[i]) {
		if (now_ns() > deadline)
			_exit(1);
	}
	s->sent_ns[i] = now_ns();
	flush(&c);
	s->answer[i] = next_answer(&c);
	if (in_turn)
		s->go[1 - i] = 1;
	_exit(0);
}

static struct shared *share(void)
{
	struct shared *s =
		mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (s == MAP_FAILED) {
		perror("stop-client: mmap");
		exit(1);
	}
	return s;
}

static const char *answer_name(int type)
{
	return type == METHOD_RETURN ? "job" : "error";
}

static int two(const char *endpoint, const char *unit, bool in_turn)
{
	const char *second = in_turn ? "StopUnit" : "RestartUnit";
	const char *mode = in_turn ? "replace" : "fail";
	/* who connects first must not tell who asks first */
	int first = in_turn ? now_ns() / 1000 % 2 : 0;
	struct shared *s = share();
	pid_t pid[2];

	for (int i = 0; i < 2; i++) {
		pid[i] = fork();
		if (pid[i] == 0)
			duellist(s, i, endpoint, i ? second : "StopUnit", unit, mode, in_turn);
	}
	for (int i = 0; i < 2; i++) {
		while (!s->ready[i]) {
			if (waitpid(pid[i], NULL, WNOHANG))
				return 1; /* it has said why */
			usleep(100);
		}
	}
	s->go[first] = 1;
	if (!in_turn)
		s->go[1] = 1;
	if (wait_for_all())
		return 1;
	printf("#%s %s %s=%d:%s %s=%d:%s gap_us=%lld\n", in_turn ? "order" : "race", unit,
	       in_turn ? "first" : "stop", pid[first], answer_name(s->answer[first]),
	       in_turn ? "second" : "restart", pid[1 - first], answer_name(s->answer[1 - first]),
	       (long long)(s->sent_ns[1 - first] - s->sent_ns[first]) / 1000);
	return 0;
}

/* ---- flood ---- */

static volatile sig_atomic_t ended;

static void on_term(int sig)
{
	(void)sig;
	ended = 1;
}

/*
 * Calls that stop nothing: questions, a stop of a unit that is not there and, on a bus, a stop of
 * UNIT that is addressed to the bus itself.
 */
static int flood(const char *endpoint, const char *unit)
{
	struct connection c;
	unsigned long calls = 0;

	signal(SIGTERM, on_term);
	open_connection(&c, endpoint);
	while (!ended) {
		put_call(&c, &(struct call){SYSTEMD,
					    "/org/freedesktop/systemd1",
					    SYSTEMD ".Manager",
					    "GetUnit",
					    {unit, NULL}});
		flush(&c);
		put_job(&c, "StopUnit", "sc-is-not-there.service", "replace");
		flush(&c);
		if (c.bus)
			put_call(&c, &(struct call){BUS,
						    "/org/freedesktop/DBus",
						    SYSTEMD ".Manager",
						    "StopUnit",
						    {unit, "replace"}});
		else
			put_call(&c, &(struct call){SYSTEMD,
						    "/org/freedesktop/systemd1",
						    "org.freedesktop.DBus.Peer",
						    "Ping",
						    {NULL}});
		flush(&c);
		for (int i = 0; i < 3; i++)
			next_answer(&c);
		calls += 3;
	}
	printf("#flood %s %d calls=%lu\n", endpoint, getpid(), calls);
	return 0;
}

/* ---- a service with a name on the bus ---- */

static int ask_bus(struct connection *c, const char *member, const char *name, const char *more)
{
	put_call(c, &(struct call){BUS, "/org/freedesktop/DBus", BUS, member, {name, more}});
	flush(c);
	return next_answer(c) == METHOD_RETURN ? 0 : 1;
}

/* Lives on when it has given the name up. */
static int own(const char *endpoint, const char *name)
{
	struct connection c;
	sigset_t set;
	int sig;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	open_connection(&c, endpoint);
	if (ask_bus(&c, "RequestName", name, zero) || sigwait(&set, &sig) ||
	    ask_bus(&c, "ReleaseName", name, NULL))
		return 1;
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	const char *verb = argc > 3 ? argv[1] : "";

	if (!strcmp(verb, "one") && argc == 5)
		return one(argv[2], argv[3], argv[4]);
	if (!strcmp(verb, "many") || !strcmp(verb, "each"))
		return many(argv[2], argv + 3, !strcmp(verb, "each"));
	if ((!strcmp(verb, "order") || !strcmp(verb, "race")) && argc == 4)
		return two(argv[2], argv[3], !strcmp(verb, "order"));
	if (!strcmp(verb, "flood") && argc == 4)
		return flood(argv[2], argv[3]);
	if (!strcmp(verb, "own") && argc == 4)
		return own(argv[2], argv[3]);
	fputs(usage, stderr);
	return 2;
}
