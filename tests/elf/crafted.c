/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A service manager in miniature, for tests/elf/run.sh: functions that assert as systemd's do, its
 * D-Bus tables, unit vtables and enum names. Never run, only looked at.
 */
#include <stddef.h>
#include <stdint.h>

#define _noinline_ __attribute__((noinline))
#define _inline_   static inline __attribute__((always_inline))

__attribute__((noreturn, cold)) void log_assert_failed(const char *text, const char *file, int line,
						       const char *func);
void log_it(int level, const char *file, int line, const char *func, const char *format, ...);
int string_lookup(const char *const *table, size_t n, const char *key);

#define assert(x)                                                                                  \
	do {                                                                                       \
		if (__builtin_expect(!(x), 0))                                                     \
			log_assert_failed(#x, __FILE__, __LINE__, __func__);                       \
	} while (0)
#define log_error(...) log_it(3, __FILE__, __LINE__, __func__, __VA_ARGS__)

typedef struct Manager Manager;
struct job;

typedef struct RateLimit {
	uint64_t interval;
	unsigned burst, num;
	uint64_t begin;
} RateLimit;

typedef struct Unit {
	Manager *manager;
	int type, load_state;
	char pad1[8];
	char *id;
	RateLimit start_ratelimit;
	char pad2[96];
	struct job *job;
} Unit;

typedef struct Service {
	Unit meta;
	int type, restart;
	char *pid_file;
	char pad1[1000];
	int state, deserialized_state;
	int main_pid, control_pid;
	int result, clean_result;
	unsigned char main_pid_known : 1;
	unsigned char main_pid_alien : 1;
	unsigned char bus_name_good : 1;
	unsigned char forbid_restart : 1;
	unsigned n_restarts;
	int control_command_id;
	uint64_t watchdog_timestamp, watchdog_monotonic;
	uint64_t watchdog_usec, watchdog_original_usec, watchdog_override_usec;
	uint8_t watchdog_override_enable;
} Service;

typedef struct job {
	Manager *manager;
	Unit *unit;
	char pad[40];
	uint32_t id;
	int type;
} Job;

/* Exported: what the reference method is checked against. */
#define EXPORTED(name)                                                                             \
	int name(int *x);                                                                          \
	int name(int *x)                                                                           \
	{                                                                                          \
		assert(x);                                                                         \
		log_error("%d", *x);                                                               \
		return *x + __LINE__;                                                              \
	}
EXPORTED(crafted_exported_one)
EXPORTED(crafted_exported_two)
EXPORTED(crafted_exported_three)

/* Inlined into an exported function that never names itself. */
_inline_ int crafted_inlined_away(int *x)
{
	assert(x);
	return *x * 3;
}

int crafted_silent_host(int **x, int n);
int crafted_silent_host(int **x, int n)
{
	int sum = 0;

	for (int i = 0; i < n; i++)
		sum += crafted_inlined_away(x[i]);
	return sum;
}

/* Two names in one function. */
_inline_ int crafted_callee(int *x, int *y)
{
	assert(x);
	assert(y);
	log_error("callee %d", *y);
	return *y;
}

static _noinline_ int crafted_host(int *x, int *y)
{
	assert(x);
	if (*x > 7)
		return crafted_callee(x, y);
	log_error("host");
	return 0;
}

/* One name in two functions. */
_inline_ int crafted_in_both(int *x)
{
	log_error("both %d", *x);
	return *x;
}

static _noinline_ int crafted_first_user(int *x)
{
	assert(x);
	return crafted_in_both(x) + 1;
}

static _noinline_ int crafted_second_user(int *x)
{
	assert(x);
	return crafted_in_both(x) + 2;
}

/* Names itself, but as an inlined function might: nothing tells them apart. */
static _noinline_ int crafted_only_logs(int *x)
{
	if (__builtin_expect(*x < 0, 0)) {
		log_error("below");
		log_error("zero");
	}
	return *x << 1;
}

static _noinline_ void service_set_state(Service *s, int state)
{
	int old;

	assert(s);
	old = s->state;
	s->state = state;
	if (old != state)
		log_error("changed %d", old);
}

static _noinline_ void service_enter_stop(Service *s, int result)
{
	assert(s);
	if (s->result == 0)
		s->result = result;
	if (s->control_pid > 0)
		log_error("still %d", s->control_pid);
	s->control_command_id = 5;
	service_set_state(s, 8);
}

static _noinline_ void service_enter_stop_post(Service *s, int result)
{
	assert(s);
	if (s->result == 0)
		s->result = result;
	s->control_command_id = 6;
	service_set_state(s, 9);
}

static _noinline_ void service_enter_start_post(Service *s)
{
	assert(s);
	s->control_pid = 0;
	s->control_command_id = 3;
	service_set_state(s, 4);
}

static _noinline_ void service_start(Service *s)
{
	assert(s);
	s->watchdog_original_usec = s->watchdog_usec;
	s->watchdog_override_enable = 0;
	s->watchdog_override_usec = UINT64_MAX;
	service_enter_start_post(s);
}

static _noinline_ int unit_test_start_limit(Unit *u)
{
	assert(u);
	return string_lookup((const char *const *)&u->start_ratelimit, 0, u->id);
}

static int service_stop(Unit *u)
{
	Service *s = (Service *)u;

	assert(s);
	s->forbid_restart = 1;
	service_enter_stop(s, 0);
	return 1;
}

static _noinline_ void service_sigchld_event(Unit *u, int pid)
{
	Service *s = (Service *)u;

	assert(s);
	if (s->main_pid == pid)
		service_enter_stop(s, 5);
	else
		service_enter_stop_post(s, 0);
}

static int service_active_state(Unit *u)
{
	static const int table[] = {3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5};

	assert(u);
	return ((Service *)u)->type == 5 ? 0 : table[((Service *)u)->state];
}

/* An accessor that asserts and reads. */
#define UNIT_FUNCTION(name, expression)                                                            \
	static int name(Unit *u)                                                                   \
	{                                                                                          \
		assert(u);                                                                         \
		return expression;                                                                 \
	}
UNIT_FUNCTION(service_sub_state_to_string, ((Service *)u)->state)
UNIT_FUNCTION(socket_stop, u->type + 1)
UNIT_FUNCTION(socket_active_state, u->type + 2)
UNIT_FUNCTION(mount_stop, u->type + 3)
UNIT_FUNCTION(mount_active_state, u->type + 4)
UNIT_FUNCTION(mount_can_reload, u->type + 5)
UNIT_FUNCTION(socket_can_reload, u->type + 6)

/* Names itself nowhere: only its slot tells. */
static int service_can_reload(Unit *u)
{
	return u->load_state;
}

/* Asserts nothing; the only one of its kind. */
static int service_reset_failed(Unit *u)
{
	log_error("reset %s", u->id);
	return 0;
}

typedef struct UnitVTable {
	size_t object_size;
	int (*stop)(Unit *);
	int (*active_state)(Unit *);
	int (*reset_failed)(Unit *);
	int (*sub_state_to_string)(Unit *);
	int (*can_reload)(Unit *);
	void (*sigchld_event)(Unit *, int);
	void *reserved[10];
} UnitVTable;

extern const UnitVTable service_vtable, socket_vtable, mount_vtable;
const UnitVTable service_vtable = {
	.object_size = sizeof(Service),
	.stop = service_stop,
	.active_state = service_active_state,
	.reset_failed = service_reset_failed,
	.sub_state_to_string = service_sub_state_to_string,
	.can_reload = service_can_reload,
	.sigchld_event = service_sigchld_event,
};
const UnitVTable socket_vtable = {
	.stop = socket_stop,
	.active_state = socket_active_state,
	.can_reload = socket_can_reload,
};
const UnitVTable mount_vtable = {
	.stop = mount_stop,
	.active_state = mount_active_state,
	.can_reload = mount_can_reload,
};

/* struct sd_bus_vtable, as sd-bus-vtable.h has it. */
typedef struct BusEntry {
	uint64_t type : 8, flags : 56;
	union {
		struct {
			size_t element_size, features;
			const void *format;
		} start;
		struct {
			const char *member, *signature;
			int (*get)(void *, void *);
			void *set;
			size_t offset;
		} property;
		struct {
			const char *member, *signature, *result;
			int (*handler)(void *, void *);
			size_t offset;
			const char *names;
		} method;
	};
} BusEntry;
_Static_assert(sizeof(BusEntry) == 56, "sd_bus_vtable");

/* clang-format off */
#define START {.type = '<', .start = { sizeof(BusEntry), 1, NULL }}
#define END {.type = '>'}
#define PROPERTY(m, s, g, o) {.type = 'P', .property = { m, s, g, NULL, o }}
#define METHOD(m, h) {.type = 'M', .method = { m, "", "", h, 0, "" }}
/* clang-format on */

static int property_get_unit(void *reply, void *userdata)
{
	Job *j = userdata;

	assert(reply);
	return j->unit->id[0];
}

/* Both names come first in no check of an argument: the D-Bus table tells which it is. */
_inline_ int crafted_method_helper(void *m)
{
	log_error("helper %p", m);
	return 1;
}

static int method_stop_unit(void *m, void *userdata)
{
	int r = crafted_method_helper(m);

	log_error("stop %p", userdata);
	return r;
}

extern const BusEntry bus_service_vtable[], bus_socket_vtable[], bus_unit_vtable[],
	bus_job_vtable[], bus_manager_vtable[];
const BusEntry bus_service_vtable[] = {
	START,
	PROPERTY("Type", "s", NULL, offsetof(Service, type)),
	PROPERTY("Restart", "s", NULL, offsetof(Service, restart)),
	PROPERTY("PIDFile", "s", NULL, offsetof(Service, pid_file)),
	PROPERTY("MainPID", "u", NULL, offsetof(Service, main_pid)),
	PROPERTY("ControlPID", "u", NULL, offsetof(Service, control_pid)),
	PROPERTY("Result", "s", NULL, offsetof(Service, result)),
	PROPERTY("CleanResult", "s", NULL, offsetof(Service, clean_result)),
	PROPERTY("NRestarts", "u", NULL, offsetof(Service, n_restarts)),
	PROPERTY("WatchdogTimestamp", "t", NULL, offsetof(Service, watchdog_timestamp)),
	END,
};
const BusEntry bus_socket_vtable[] = {
	START,
	PROPERTY("ControlPID", "u", NULL, 4711),
	PROPERTY("Result", "s", NULL, 4712),
	END,
};
const BusEntry bus_unit_vtable[] = {
	START,
	PROPERTY("Id", "s", NULL, offsetof(Unit, id)),
	PROPERTY("Following", "s", NULL, 0),
	PROPERTY("StartLimitIntervalUSec", "t", NULL, offsetof(Unit, start_ratelimit)),
	PROPERTY("Job", "(uo)", NULL, offsetof(Unit, job)),
	END,
};
const BusEntry bus_job_vtable[] = {
	START,
	PROPERTY("Id", "u", NULL, offsetof(Job, id)),
	PROPERTY("Unit", "(so)", property_get_unit, 0),
	PROPERTY("JobType", "s", NULL, offsetof(Job, type)),
	END,
};
const BusEntry bus_manager_vtable[] = {START, METHOD("StopUnit", method_stop_unit), END};

static const char *const service_result_table[] = {"success", "resources", "protocol", "timeout",
						   "exit-code"};
/* Without a gap between the two: only the code tells where the first one ends. */
static const char *const tables[][3] = {{"start", "verify-active", "stop"},
					{"reload", "restart", "nop"}};

int service_result_from_string(const char *s);
int service_result_from_string(const char *s)
{
	return string_lookup(service_result_table, 5, s);
}

int job_type_from_string(const char *s);
int job_type_from_string(const char *s)
{
	return string_lookup(tables[0], 3, s);
}

int crafted_entry(int *x, int n, Service *s);
int crafted_entry(int *x, int n, Service *s)
{
	if (unit_test_start_limit(&s->meta))
		service_start(s);
	service_enter_start_post(s);
	service_enter_stop_post(s, n);
	service_sigchld_event(&s->meta, n);
	service_set_state(s, n);
	service_set_state(s + 1, 2 * n);
	return crafted_host(x, x + 1) + crafted_first_user(x) + crafted_second_user(x) +
	       crafted_only_logs(x) + crafted_host(x + 2, x) + crafted_only_logs(x + 1);
}

/* What libsystemd-shared exports of sd-bus. */
typedef struct Message {
	unsigned n_ref;
	struct Bus *bus;
	char pad1[40];
	const char *path, *interface, *member, *destination, *sender;
	char pad2[80];
	const unsigned char *header;
} Message;

typedef struct Bus {
	unsigned n_ref;
	char pad[20];
	int state, input_fd, output_fd, inotify_fd;
} Bus;

#define GETTER(type, member)                                                                       \
	type sd_bus_message_get_##member(Message *m);                                              \
	type sd_bus_message_get_##member(Message *m)                                               \
	{                                                                                          \
		return m ? m->member : NULL;                                                       \
	}
GETTER(Bus *, bus)
GETTER(const char *, path)
GETTER(const char *, member)
GETTER(const char *, sender)

int sd_bus_message_get_type(Message *m, unsigned char *type);
int sd_bus_message_get_type(Message *m, unsigned char *type)
{
	if (!m || !type)
		return -22;
	*type = m->header[1];
	return 0;
}

int sd_bus_message_get_cookie(Message *m, uint64_t *cookie);
int sd_bus_message_get_cookie(Message *m, uint64_t *cookie)
{
	*cookie = *(const uint32_t *)(m->header + 8);
	return 0;
}

int sd_bus_query_sender_creds(Message *m);
int sd_bus_query_sender_creds(Message *m)
{
	return string_lookup(NULL, m->bus->state, m->sender);
}

int sd_bus_message_is_method_call(Message *m, const char *member);
int sd_bus_message_is_method_call(Message *m, const char *member)
{
	return m->header[1] == 1 && string_lookup(&member, 1, m->member);
}

int sd_bus_message_set_sender(Message *m, const char *sender);
int sd_bus_message_set_sender(Message *m, const char *sender)
{
	return m->sender ? -1 : string_lookup(&sender, 1, m->interface);
}

/* Does not confirm where the path is. */
int sd_bus_message_dump(Message *m);
int sd_bus_message_dump(Message *m)
{
	return string_lookup(NULL, 0, m->destination);
}

int sd_bus_get_fd(Bus *bus);
int sd_bus_get_fd(Bus *bus)
{
	if (string_lookup(NULL, 0, NULL) || bus->input_fd != bus->output_fd)
		return -1;
	if (bus->state == 7)
		return -2;
	if (bus->inotify_fd >= 0)
		return bus->inotify_fd;
	return bus->input_fd >= 0 ? bus->input_fd : -3;
}

int sd_bus_set_fd(Bus *bus, int input_fd, int output_fd);
int sd_bus_set_fd(Bus *bus, int input_fd, int output_fd)
{
	if (string_lookup(NULL, 0, NULL))
		return -1;
	bus->input_fd = input_fd;
	bus->output_fd = output_fd;
	return 0;
}
