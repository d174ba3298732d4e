/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "elf/accessors.h"

#define MEMBER_MAX 4096 /* none of these structs is larger */

/*
 * The member meant is the one that the accessor alone shows: the only pointer that it reads in its
 * first argument, or the first of two ints that it stores side by side. The witness has to read it,
 * too.
 */
static const struct rule {
	const char *key, *accessor;
	enum insn_kind shows;
	const char *witness;
} rules[ACCESSORS_N] = {
	{"Message.bus", "sd_bus_message_get_bus", INSN_LOAD, "sd_bus_query_sender_creds"},
	{"Message.sender", "sd_bus_message_get_sender", INSN_LOAD, "sd_bus_message_set_sender"},
	{"Message.path", "sd_bus_message_get_path", INSN_LOAD, "sd_bus_message_dump"},
	{"Message.member", "sd_bus_message_get_member", INSN_LOAD, "sd_bus_message_is_method_call"},
	{"Message.header", "sd_bus_message_get_type", INSN_LOAD, "sd_bus_message_get_cookie"},
	{"Bus.input_fd", "sd_bus_set_fd", INSN_STORE, "sd_bus_get_fd"},
};

/* The function (an .eh_frame range) of that name, or -1. */
static ssize_t exported_function(const struct code *c, const struct symtab *exported,
				 const char *name)
{
	size_t n;
	const struct symbol *s = symtab_find(exported, name, &n);
	ssize_t f = n == 1 && s->is_function ? ranges_find(&c->ranges, s->vaddr) : -1;

	return f >= 0 && c->ranges.items[f].start == s->vaddr ? f : -1;
}

struct shown {
	enum insn_kind kind;
	uint8_t argument;
	int32_t low, high; /* -1: nothing yet */
};

static int note_access(void *ctx, uint64_t vaddr, const struct insn *i)
{
	struct shown *s = ctx;

	(void)vaddr;
	if (i->kind != s->kind || i->disp < 0 || i->disp > MEMBER_MAX)
		return 0;
	if (i->kind == INSN_LOAD && (i->width != 8 || i->reg != s->argument))
		return 0;
	if (s->low < 0 || i->disp < s->low)
		s->low = i->disp;
	if (i->disp > s->high)
		s->high = i->disp;
	return 0;
}

/* The member that the accessor shows, or -1. */
static int32_t shown(const struct code *c, size_t accessor, enum insn_kind kind)
{
	struct shown s = {kind, c->arch->arguments[0], -1, -1};

	(void)code_each(c, accessor, note_access, &s);
	/* Where one instruction stores both, it tells the first. */
	if (s.high != s.low && (kind == INSN_LOAD || s.high - s.low != sizeof(int)))
		return -1;
	return s.low;
}

struct read_search {
	int32_t disp;
	uint8_t width;
};

static int match_read(void *ctx, uint64_t vaddr, const struct insn *i)
{
	const struct read_search *s = ctx;

	(void)vaddr;
	return i->kind == INSN_LOAD && i->disp == s->disp && i->width == s->width;
}

static void apply(const struct rule *rule, const struct code *c, const struct symtab *exported,
		  struct sym_offset *ret)
{
	ssize_t accessor = exported_function(c, exported, rule->accessor);
	ssize_t witness = exported_function(c, exported, rule->witness);
	struct read_search s = {.width = rule->shows == INSN_LOAD ? 8 : 4};

	if (accessor < 0 || witness < 0)
		return;
	s.disp = shown(c, accessor, rule->shows);
	if (s.disp < 0 || code_each(c, witness, match_read, &s) != 1) {
		ret->status = SYM_AMBIGUOUS;
		if (s.disp < 0)
			snprintf(ret->reason, sizeof(ret->reason), "%s accesses none or several",
				 rule->accessor);
		else
			snprintf(ret->reason, sizeof(ret->reason),
				 "what %s accesses, %s does not read", rule->accessor,
				 rule->witness);
		return;
	}
	ret->status = SYM_FOUND;
	ret->offset = s.disp;
	snprintf(ret->reason, sizeof(ret->reason), "%s %s it, %s reads it", rule->accessor,
		 rule->shows == INSN_STORE ? "stores" : "reads", rule->witness);
}

void accessors_add(struct accessors *a, const struct code *code, const struct symtab *exported)
{
	for (size_t i = 0; i < ACCESSORS_N; i++) {
		struct sym_offset *o = &a->items[i];

		if (o->key && o->status == SYM_FOUND)
			continue;
		*o = (struct sym_offset){.key = rules[i].key, .status = SYM_MISSING};
		snprintf(o->reason, sizeof(o->reason), "%s and %s are not exported",
			 rules[i].accessor, rules[i].witness);
		apply(&rules[i], code, exported, o);
	}
}

const struct sym_offset *accessors_find(const struct accessors *a, const char *key)
{
	for (size_t i = 0; i < ACCESSORS_N; i++)
		if (!strcmp(rules[i].key, key))
			return &a->items[i];
	return NULL;
}
