/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "elf/offsets.h"

/* Which D-Bus table describes which struct: the one that has both of these members. */
static const struct kind {
	const char *name, *member, *other;
} kinds[] = {
	{"Service", "MainPID", "ControlPID"},
	{"Scope", "Controller", "TimeoutStopUSec"},
	{"Unit", "Id", "Following"},
	{"Job", "JobType", "Unit"},
	{"Manager", "Version", "Virtualization"},
};

/* Who touches which member in some releases: of those that the object has, one has to. */
static const struct check {
	const char *key, *function;
	enum insn_kind kind;
} checks[] = {
	{"Scope.Result", "scope_enter_signal", INSN_STORE},
	{"Service.Result", "service_enter_stop", INSN_STORE},
	{"Service.ControlPID", "service_enter_stop", INSN_LOAD},
	{"Service.PIDFile", "service_load_pid_file", INSN_LOAD},
	{"Service.MainPID", "service_enter_signal", INSN_LOAD},
	{"Service.MainPID", "service_sigchld_event", INSN_LOAD},
};

static int answer(struct sym_offset *ret, enum sym_status status, size_t offset)
{
	ret->status = status;
	ret->offset = offset;
	return status == SYM_FOUND ? 0 : status == SYM_AMBIGUOUS ? -ENOTUNIQ : -ENOENT;
}

struct access_search {
	int32_t disp;
	enum insn_kind kind;
};

static int match_access(void *ctx, uint64_t vaddr, const struct insn *i)
{
	const struct access_search *s = ctx;

	(void)vaddr;
	/* Passing a member's address to a helper is as good as a read. */
	return i->disp == s->disp &&
	       (i->kind == s->kind || (s->kind == INSN_LOAD && i->kind == INSN_FIELD));
}

/* The function (an .eh_frame range) that starts at the address, or -1. */
static ssize_t function_at(const struct offsets *o, uint64_t vaddr)
{
	ssize_t f = ranges_find(&o->code->ranges, vaddr);

	return f >= 0 && o->code->ranges.items[f].start == vaddr ? f : -1;
}

static ssize_t function_called(const struct offsets *o, const char *name)
{
	uint64_t vaddr;

	return o->locate(o->ctx, name, &vaddr) == 0 ? function_at(o, vaddr) : -1;
}

static bool accesses(const struct offsets *o, size_t function, enum insn_kind kind, size_t offset)
{
	struct access_search s = {(int32_t)offset, kind};

	return code_each_of(o->code, function, match_access, &s) == 1;
}

/* An offset of the table, and what the code that should use it says. */
static int confirm(const struct offsets *o, struct sym_offset *ret, size_t offset)
{
	const char *denied = NULL;

	for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
		ssize_t f;

		if (strcmp(checks[i].key, ret->key) ||
		    (f = function_called(o, checks[i].function)) < 0)
			continue;
		if (accesses(o, f, checks[i].kind, offset)) {
			snprintf(ret->reason, sizeof(ret->reason), "D-Bus table; %s %s it",
				 checks[i].function,
				 checks[i].kind == INSN_STORE ? "stores" : "uses");
			return answer(ret, SYM_FOUND, offset);
		}
		denied = checks[i].function;
	}
	if (denied) {
		snprintf(ret->reason, sizeof(ret->reason),
			 "the D-Bus table says %zu, but %s does not use it", offset, denied);
		return answer(ret, SYM_AMBIGUOUS, 0);
	}
	snprintf(ret->reason, sizeof(ret->reason), "D-Bus table");
	return answer(ret, SYM_FOUND, offset);
}

/*
 * Job's first members are manager and unit. The getter of its D-Bus property Unit gets the whole
 * Job and reads the second.
 */
static int job_unit(const struct offsets *o, struct sym_offset *ret)
{
	ssize_t table = bus_table_with(o->bus, "JobType", "Unit");
	const struct bus_entry *e = table < 0 ? NULL : bus_entry_of(o->bus, table, "Unit");
	ssize_t f = e && e->function ? function_at(o, e->function) : -1;

	if (f >= 0 && accesses(o, f, INSN_LOAD, sizeof(uint64_t))) {
		snprintf(ret->reason, sizeof(ret->reason),
			 "second pointer of Job; the getter of its Unit property reads it");
		return answer(ret, SYM_FOUND, sizeof(uint64_t));
	}
	snprintf(ret->reason, sizeof(ret->reason), "no getter of the Job's Unit reads it");
	return answer(ret, SYM_MISSING, 0);
}

#define CANDIDATES_MAX 256U

/* Offsets of 32-bit members that all functions so far access. */
struct candidates {
	int32_t disp[CANDIDATES_MAX];
	bool seen[CANDIDATES_MAX];
	size_t n;
	bool collecting, overflow;
	enum insn_kind kind; /* INSN_OTHER: loads and stores alike */
};

static int note_access(void *ctx, uint64_t vaddr, const struct insn *i)
{
	struct candidates *c = ctx;
	size_t k;

	(void)vaddr;
	if ((i->kind != INSN_LOAD && i->kind != INSN_STORE) || i->width != 4 || i->disp <= 0 ||
	    (c->kind != INSN_OTHER && i->kind != c->kind))
		return 0;
	for (k = 0; k < c->n && c->disp[k] != i->disp; k++)
		;
	if (k == c->n) {
		if (!c->collecting)
			return 0;
		if (c->n == CANDIDATES_MAX) {
			c->overflow = true;
			return 1;
		}
		c->disp[c->n++] = i->disp;
	}
	c->seen[k] = true;
	return 0;
}

/* Leaves only the candidates that this function accesses, too. */
static void narrow(const struct offsets *o, struct candidates *c, size_t function,
		   enum insn_kind kind, bool first)
{
	size_t n = 0;

	memset(c->seen, 0, sizeof(c->seen));
	c->kind = kind;
	c->collecting = first;
	(void)code_each_of(o->code, function, note_access, c);
	for (size_t i = 0; i < c->n; i++)
		if (c->seen[i])
			c->disp[n++] = c->disp[i];
	c->n = n;
}

/*
 * Members in no table, but read or written by several functions that have no other in common,
 * besides those that a table knows.
 */
static const struct common {
	const char *key, *except[2];
	struct {
		const char *function;
		enum insn_kind kind;
	} witnesses[4];
	const char *reason;
} common[] = {
	{"Service.state",
	 {"Service.Type"},
	 {{"service_sub_state_to_string", INSN_LOAD},
	  {"service_active_state", INSN_LOAD},
	  {"service_set_state", INSN_LOAD},
	  {"service_set_state", INSN_STORE}},
	 "read by service_active_state and service_sub_state_to_string, set by service_set_state"},
	{"Scope.state",
	 {NULL},
	 {{"scope_sub_state_to_string", INSN_LOAD},
	  {"scope_active_state", INSN_LOAD},
	  {"scope_set_state", INSN_LOAD},
	  {"scope_set_state", INSN_STORE}},
	 "read by scope_active_state and scope_sub_state_to_string, set by scope_set_state"},
	{"Service.control_command_id",
	 {"Service.Result", "Service.ControlPID"},
	 {{"service_enter_stop", INSN_STORE},
	  {"service_enter_stop_post", INSN_STORE},
	  {"service_enter_start_post", INSN_STORE}},
	 "set by service_enter_stop, service_enter_stop_post and service_enter_start_post"},
};

static bool is_excepted(const struct offsets *o, const struct common *m, size_t offset)
{
	for (size_t i = 0; i < ARRAY_LEN(m->except) && m->except[i]; i++) {
		struct sym_offset known;

		if (offsets_find(o, m->except[i], &known) == 0 && known.offset == offset)
			return true;
	}
	return false;
}

static int from_common(const struct offsets *o, const struct common *m, struct sym_offset *ret)
{
	struct candidates c = {0};
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(m->witnesses) && m->witnesses[i].function; i++) {
		ssize_t f = function_called(o, m->witnesses[i].function);

		if (f < 0) {
			snprintf(ret->reason, sizeof(ret->reason), "%s is not known",
				 m->witnesses[i].function);
			return answer(ret, SYM_MISSING, 0);
		}
		narrow(o, &c, f, m->witnesses[i].kind, i == 0);
	}
	for (size_t i = 0; i < c.n; i++)
		if (!is_excepted(o, m, c.disp[i]))
			c.disp[n++] = c.disp[i];
	if (n != 1 || c.overflow) {
		snprintf(ret->reason, sizeof(ret->reason), "%zu members fit all witnesses", n);
		return answer(ret, SYM_AMBIGUOUS, 0);
	}
	snprintf(ret->reason, sizeof(ret->reason), "%s", m->reason);
	return answer(ret, SYM_FOUND, c.disp[0]);
}

/* Members in no table that follow one which is; the function has to access them. */
static const struct neighbour {
	const char *key, *known;
	uint8_t distance;
	const char *function;
	enum insn_kind kind;
} neighbours[] = {
	{"Unit.start_ratelimit", "Unit.StartLimitIntervalUSec", 0, "unit_test_start_limit",
	 INSN_LOAD},
	{"Service.watchdog_usec", "Service.WatchdogTimestamp", 16, "service_start", INSN_LOAD},
	{"Service.watchdog_original_usec", "Service.WatchdogTimestamp", 24, "service_start",
	 INSN_STORE},
	{"Service.watchdog_override_usec", "Service.WatchdogTimestamp", 32, "service_start",
	 INSN_STORE},
	{"Service.watchdog_override_enable", "Service.WatchdogTimestamp", 40, "service_start",
	 INSN_STORE},
	{"Service.forbid_restart", "Service.CleanResult", 4, "service_stop", INSN_LOAD},
	{"Service.timeout_abort_usec", "Service.TimeoutStopUSec", 8, "service_enter_signal",
	 INSN_LOAD},
	{"Service.timeout_abort_set", "Service.TimeoutStopUSec", 16, "service_enter_signal",
	 INSN_LOAD},
};

static int from_neighbour(const struct offsets *o, const struct neighbour *m,
			  struct sym_offset *ret)
{
	ssize_t f = function_called(o, m->function);
	struct sym_offset known;

	if (f < 0 || offsets_find(o, m->known, &known) < 0) {
		snprintf(ret->reason, sizeof(ret->reason), "%s is not known",
			 f < 0 ? m->function : m->known);
		return answer(ret, SYM_MISSING, 0);
	}
	if (!accesses(o, f, m->kind, known.offset + m->distance)) {
		snprintf(ret->reason, sizeof(ret->reason),
			 "%s does not use what is %u bytes after %s", m->function, m->distance,
			 m->known);
		return answer(ret, SYM_AMBIGUOUS, 0);
	}
	snprintf(ret->reason, sizeof(ret->reason), "%u bytes after %s; %s uses it", m->distance,
		 m->known, m->function);
	return answer(ret, SYM_FOUND, known.offset + m->distance);
}

/*
 * ExitStatusSet is two Bitmaps, of statuses and of signals, whose size differs between releases.
 * Three such sets lie one behind the other.
 */
static int exit_set_signal(const struct offsets *o, struct sym_offset *ret)
{
	struct sym_offset prevent, force, success;
	size_t size;

	if (offsets_find(o, "Service.RestartPreventExitStatus", &prevent) < 0 ||
	    offsets_find(o, "Service.RestartForceExitStatus", &force) < 0 ||
	    offsets_find(o, "Service.SuccessExitStatus", &success) < 0) {
		snprintf(ret->reason, sizeof(ret->reason), "not all sets of a Service are known");
		return answer(ret, SYM_MISSING, 0);
	}
	size = force.offset - prevent.offset;
	/* a Bitmap is a pointer and a length, and in some releases what is allocated */
	if (success.offset - force.offset != size || (size != 32 && size != 48)) {
		snprintf(ret->reason, sizeof(ret->reason),
			 "the sets of a Service do not lie one behind the other");
		return answer(ret, SYM_AMBIGUOUS, 0);
	}
	snprintf(ret->reason, sizeof(ret->reason),
		 "half of the distance between the sets of a Service");
	return answer(ret, SYM_FOUND, size / 2);
}

static int from_table(const struct offsets *o, const char *key, struct sym_offset *ret)
{
	const char *dot = strchr(key, '.');

	for (size_t i = 0; dot && i < ARRAY_LEN(kinds); i++) {
		const struct bus_entry *e;
		ssize_t table;

		if (strlen(kinds[i].name) != (size_t)(dot - key) ||
		    strncmp(key, kinds[i].name, dot - key))
			continue;
		table = bus_table_with(o->bus, kinds[i].member, kinds[i].other);
		if (table < 0) {
			snprintf(ret->reason, sizeof(ret->reason), "no D-Bus table, or several");
			return answer(ret, SYM_MISSING, 0);
		}
		e = bus_entry_of(o->bus, table, dot + 1);
		if (!e || e->type == 'M' || e->offset == 0 || e->offset > 1U << 20) {
			snprintf(ret->reason, sizeof(ret->reason),
				 e ? "its getter takes the whole struct" : "no such property");
			return answer(ret, SYM_MISSING, 0);
		}
		return confirm(o, ret, e->offset);
	}
	snprintf(ret->reason, sizeof(ret->reason),
		 "unknown: only Service, Scope, Unit, Job and Manager have tables");
	return answer(ret, SYM_MISSING, 0);
}

int offsets_find(const struct offsets *o, const char *key, struct sym_offset *ret)
{
	const struct sym_offset *member = accessors_find(o->accessors, key);

	if (member) {
		*ret = *member;
		return answer(ret, member->status, member->offset);
	}
	*ret = (struct sym_offset){.key = key};
	for (size_t i = 0; i < ARRAY_LEN(common); i++)
		if (!strcmp(key, common[i].key))
			return from_common(o, &common[i], ret);
	for (size_t i = 0; i < ARRAY_LEN(neighbours); i++)
		if (!strcmp(key, neighbours[i].key))
			return from_neighbour(o, &neighbours[i], ret);
	if (!strcmp(key, "Job.Unit"))
		return job_unit(o, ret);
	if (!strcmp(key, "ExitStatusSet.signal"))
		return exit_set_signal(o, ret);
	return from_table(o, key, ret);
}
