/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "elf/enums.h"

#define VALUES_MAX 256U
#define NEAR	   8U /* instructions between an array's address and its length, both arguments */

/* An enum's first names; a release that starts otherwise is another line of the same enum. */
static const struct spec {
	const char *name;
	const char *first[4]; /* "!word": anything but that, as another enum begins alike */
} specs[] = {
	{"EmergencyAction", {"none", "reboot", "reboot-force"}},
	{"EmergencyAction", {"none", "exit", "exit-force"}},
	{"JobMode", {"fail", "replace", "replace-irreversibly"}},
	{"JobMode", {"fail", "lenient", "replace"}},
	{"JobResult", {"done", "canceled", "timeout"}},
	{"JobState", {"waiting", "running", NULL}},
	{"JobType", {"start", "verify-active", "stop"}},
	{"KillMode", {"control-group", "process", "mixed"}},
	{"NotifyAccess", {"none", "all", "exec"}},
	{"NotifyAccess", {"none", "all", "main"}},
	{"OOMPolicy", {"continue", "stop", "kill"}},
	{"ScopeResult", {"success", "resources", "timeout", "!exit-code"}},
	{"ScopeState", {"dead", "running", "abandoned"}},
	{"ScopeState", {"dead", "start-chown", "running"}},
	{"ServiceExecCommand", {"ExecCondition", "ExecStartPre", "ExecStart"}},
	{"ServiceRestart", {"no", "on-success", "on-failure"}},
	{"ServiceRestartMode", {"normal", "direct", NULL}},
	{"ServiceResult", {"success", "resources", "protocol"}},
	{"ServiceState", {"dead", "condition", "start-pre"}},
	{"ServiceState", {"dead", "start-pre", "start"}},
	{"ServiceType", {"simple", "forking", "oneshot"}},
	{"ServiceType", {"simple", "exec", "forking"}},
	{"UnitActiveState", {"active", "reloading", "inactive"}},
	{"UnitLoadState", {"stub", "loaded", "not-found"}},
};

struct search {
	const struct code *code;
	const struct pointers *pointers;
	struct table {
		uint64_t at;   /* 0: not found */
		size_t run;    /* pointers to strings without a gap */
		size_t cut;    /* the same, up to where something else seems to start */
		size_t length; /* what code says, 0 when none does */
		bool several;
	} tables[ARRAY_LEN(specs)];
	uint64_t constant; /* while scanning: the last length argument */
	size_t since_constant, since_table;
	struct table *table;
};

static const char *value_at(const struct search *s, uint64_t at)
{
	uint64_t target = pointers_at(s->pointers, at);
	const char *v = target ? image_string(s->code->im, target) : NULL;

	return v && strnlen(v, 65) <= 64 ? v : NULL;
}

static size_t run_length(const struct search *s, uint64_t at)
{
	size_t n = 0;

	while (n < VALUES_MAX && value_at(s, at + n * sizeof(uint64_t)))
		n++;
	return n;
}

/* Do the arrays at both addresses have the same first n values? */
static bool same_values(const struct search *s, uint64_t a, uint64_t b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(value_at(s, a + i * 8), value_at(s, b + i * 8)) != 0)
			return false;
	return true;
}

static void note_table(struct search *s, size_t spec, uint64_t at)
{
	struct table *t = &s->tables[spec];
	size_t run = run_length(s, at);

	if (!t->at)
		*t = (struct table){.at = at, .run = run, .cut = run};
	else if (run != t->run || !same_values(s, t->at, at, run))
		t->several = true;
}

static bool starts_like(const struct search *s, const struct spec *spec, uint64_t at)
{
	for (size_t i = 0; i < ARRAY_LEN(spec->first) && spec->first[i]; i++) {
		const char *v = value_at(s, at + i * sizeof(uint64_t)), *word = spec->first[i];
		bool other = *word == '!';

		if (!v ? !other : (strcmp(v, word + other) == 0) == other)
			return false;
	}
	return true;
}

static void find_tables(struct search *s)
{
	for (size_t i = 0; i < s->pointers->n; i++) {
		uint64_t at = s->pointers->items[i].where;
		const char *first = value_at(s, at);

		for (size_t k = 0; first && k < ARRAY_LEN(specs); k++)
			if (!strcmp(first, specs[k].first[0]) && starts_like(s, &specs[k], at))
				note_table(s, k, at);
	}
}

/* Another table may follow without a gap; it starts where code takes an address. */
static void cut_runs(struct search *s, uint64_t address)
{
	for (size_t k = 0; k < ARRAY_LEN(specs); k++) {
		struct table *t = &s->tables[k];

		if (t->at && address > t->at && address % 8 == 0 && (address - t->at) / 8 < t->cut)
			t->cut = (address - t->at) / 8;
	}
}

/* string_table_lookup(table, ELEMENTSOF(table), …): address and length, one after the other. */
static void note_length(struct search *s)
{
	if (s->table && s->since_table < NEAR && s->since_constant < NEAR &&
	    s->constant > s->table->length && s->constant <= s->table->run)
		s->table->length = s->constant;
}

static void note_address(struct search *s, uint64_t address)
{
	s->table = NULL;
	s->since_table = 0;
	for (size_t k = 0; k < ARRAY_LEN(specs); k++)
		if (s->tables[k].at == address && !s->tables[k].several)
			s->table = &s->tables[k];
	note_length(s);
}

static int scan_insn(void *ctx, uint64_t vaddr, const struct insn *i)
{
	struct search *s = ctx;

	(void)vaddr;
	s->since_constant++;
	s->since_table++;
	if (i->kind == INSN_CONSTANT && i->reg == s->code->arch->arguments[1]) {
		s->constant = i->target;
		s->since_constant = 0;
		note_length(s);
	} else if (i->kind == INSN_ADDRESS) {
		cut_runs(s, i->target);
		if (i->reg == s->code->arch->arguments[0])
			note_address(s, i->target);
	} else if (i->kind == INSN_CALL || i->kind == INSN_JUMP || i->kind == INSN_END) {
		s->since_constant = s->since_table = NEAR;
	}
	return 0;
}

static bool is_known(const struct enums *e, const char *name)
{
	for (size_t i = 0; i < e->n; i++)
		if (!strcmp(e->items[i].name, name))
			return true;
	return false;
}

static int take_table(struct enums *e, const struct search *s, size_t spec)
{
	const struct table *t = &s->tables[spec];
	size_t n = t->length ? t->length : t->cut;
	_cleanup_free_ const char **values = calloc(n + 1, sizeof(*values));
	struct sym_enum *items;

	if (!values)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		values[i] = value_at(s, t->at + i * sizeof(uint64_t));
	items = reallocarray(e->items, e->n + 1, sizeof(*items));
	if (!items)
		return -ENOMEM;
	e->items = items;
	e->items[e->n++] = (struct sym_enum){specs[spec].name, n, take_ptr(values)};
	return 0;
}

int enums_add(struct enums *e, const struct code *code, const struct pointers *pointers,
	      const bool *relevant)
{
	struct search s = {.code = code, .pointers = pointers};
	int r = 0;

	find_tables(&s);
	for (size_t i = 0; i < code->ranges.n; i++) {
		if (!relevant[i])
			continue;
		s.since_constant = s.since_table = NEAR;
		(void)code_each(code, i, scan_insn, &s);
	}
	for (size_t k = 0; r == 0 && k < ARRAY_LEN(specs); k++)
		if (s.tables[k].at && !s.tables[k].several && !is_known(e, specs[k].name))
			r = take_table(e, &s, k);
	return r;
}

void enums_done(struct enums *e)
{
	for (size_t i = 0; i < e->n; i++)
		free((void *)e->items[i].values);
	free(e->items);
	*e = (struct enums){0};
}
