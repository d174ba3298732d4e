/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "elf/reference.h"

const char *reference_name(const struct reference *r, size_t place)
{
	return r->code->names[r->by_function[place]].name;
}

static int compare_function(const void *a, const void *b, void *ctx)
{
	const struct name_ref *names = ctx;
	uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;

	if (names[i].function != names[j].function)
		return names[i].function < names[j].function ? -1 : 1;
	return (i > j) - (i < j);
}

static int index_by_function(struct reference *r)
{
	const struct code *c = r->code;
	size_t place = 0;

	r->by_function = calloc(c->n_names + 1, sizeof(*r->by_function));
	r->first = calloc(c->ranges.n + 1, sizeof(*r->first));
	r->own = calloc(c->ranges.n + 1, sizeof(*r->own));
	if (!r->by_function || !r->first || !r->own)
		return -ENOMEM;
	for (size_t i = 0; i < c->n_names; i++)
		r->by_function[i] = i;
	if (c->n_names > 0)
		qsort_r(r->by_function, c->n_names, sizeof(*r->by_function), compare_function,
			c->names);
	for (size_t f = 0; f <= c->ranges.n; f++) {
		while (place < c->n_names && c->names[r->by_function[place]].function < f)
			place++;
		r->first[f] = place;
	}
	return 0;
}

/* The entries of code->names with this name. */
static size_t find_names(const struct code *c, const char *name, size_t *ret_first)
{
	size_t low = 0, high = c->n_names, n = 0;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (strcmp(c->names[mid].name, name) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	while (low + n < c->n_names && !strcmp(c->names[low + n].name, name))
		n++;
	*ret_first = low;
	return n;
}

static bool is_candidate(const struct reference *r, size_t function, const char *name)
{
	for (size_t i = r->first[function]; i < r->first[function + 1]; i++)
		if (!strcmp(reference_name(r, i), name))
			return true;
	return false;
}

struct walk {
	const struct code *code;
	const struct range *range;
	uint64_t at;
	struct arch_state state;
};

static bool walk_to(struct walk *w, uint64_t vaddr)
{
	ssize_t i = ranges_find(&w->code->ranges, vaddr);

	if (i < 0)
		return false;
	w->range = &w->code->ranges.items[i];
	w->at = vaddr;
	return true;
}

static bool step(struct walk *w, struct insn *ret)
{
	const uint8_t *code;
	size_t n;

	if (w->at >= w->range->end)
		return false;
	code = image_at(w->code->im, w->at, w->range->end - w->at);
	n = code ? w->code->arch->decode(code, w->range->end - w->at, w->at, &w->state, ret) : 0;
	w->at += n;
	return n > 0;
}

/* Which arguments of the coming call are addresses of strings, and which of them of a name. */
struct arguments {
	bool string[ARRAY_LEN(((struct arch *)0)->arguments)];
	const char *name[ARRAY_LEN(((struct arch *)0)->arguments)];
};

static void note_argument(struct arguments *a, const struct code *c, const struct insn *i)
{
	for (size_t k = 0; k < ARRAY_LEN(a->string); k++) {
		if (c->arch->arguments[k] != i->reg)
			continue;
		a->string[k] = i->kind == INSN_ADDRESS;
		a->name[k] = i->kind == INSN_ADDRESS ? code_name_at(c, i->target) : NULL;
	}
}

/*
 * A failing assertion passes expression, file, line and function, after the log realm in releases
 * before 248. A log call looks nearly alike, but has an error number in place of the expression.
 */
static const char *asserted_name(const struct arguments *a)
{
	for (size_t k = 3; k < ARRAY_LEN(a->name); k++)
		if (a->name[k] && a->string[k - 2] && a->string[k - 3])
			return a->name[k];
	return NULL;
}

/* The name with which an assertion fails if control goes there. */
static const char *assert_name(const struct walk *from, uint64_t to)
{
	struct arguments a = {0};
	struct insn i;
	struct walk w;

	w.code = from->code;
	w.range = from->range;
	w.at = from->at;
	arch_copy(&w.state, &from->state);
	if (to != w.at && !walk_to(&w, to))
		return NULL;
	for (unsigned n = 0; n < 20 && step(&w, &i); n++) {
		if (i.kind == INSN_ADDRESS || i.kind == INSN_CONSTANT)
			note_argument(&a, w.code, &i);
		if (i.kind == INSN_CALL)
			return asserted_name(&a);
		if (i.kind == INSN_BRANCH || i.kind == INSN_END ||
		    (i.kind == INSN_JUMP && !walk_to(&w, i.target)))
			break;
	}
	return NULL;
}

/*
 * The name with which the function's first checks fail, before it calls anything. assert(s) at the
 * top passes the function's own name; of a function inlined further down, the same check of the
 * same argument is gone, for the compiler knows its outcome by then.
 */
static const char *guard_name(const struct code *c, size_t function)
{
	struct walk w;
	struct insn i;

	w.code = c;
	arch_begin(&w.state);
	if (!walk_to(&w, c->ranges.items[function].start))
		return NULL;
	for (unsigned n = 0; n < 60 && step(&w, &i); n++) {
		const char *name;

		if (i.kind == INSN_CALL || i.kind == INSN_END)
			break;
		if (i.kind == INSN_JUMP && !walk_to(&w, i.target))
			break;
		if (i.kind != INSN_BRANCH)
			continue;
		name = assert_name(&w, i.target);
		if (!name)
			name = assert_name(&w, w.at);
		if (name)
			return name;
	}
	return NULL;
}

/* Decides by the references alone. exported, if given: names known to be elsewhere do not count. */
static struct own_name decide(const struct reference *r, size_t function,
			      const struct symtab *exported)
{
	struct own_name own = {0};
	const char *guard;

	for (size_t i = r->first[function]; i < r->first[function + 1]; i++) {
		const char *name = reference_name(r, i);
		size_t n;

		if (exported && symtab_find(exported, name, &n))
			continue;
		own.guess = own.candidates++ ? NULL : name;
	}
	if (own.candidates == 0 || r->code->uncertain[function])
		return (struct own_name){.candidates = own.candidates};
	guard = guard_name(r->code, function);
	if (guard && is_candidate(r, function, guard)) {
		own.name = guard;
		own.witness = WITNESS_GUARD;
	}
	return own;
}

/* What the method would say of a name if it had no symbol table: a function, or -1. */
static ssize_t blind_find(const struct reference *r, const struct own_name *blind, const char *name)
{
	size_t first, n = find_names(r->code, name, &first);
	uint32_t function;

	if (n != 1)
		return -1;
	function = r->code->names[first].function;
	return blind[function].name && !strcmp(blind[function].name, name) ? (ssize_t)function : -1;
}

/* Does the function refer to its own name, but seem to have another? */
static bool denied(const struct reference *r, const struct own_name *blind, const struct symbol *s)
{
	ssize_t f = ranges_find(&r->code->ranges, s->vaddr);

	return f >= 0 && r->code->ranges.items[f].start == s->vaddr && blind[f].name &&
	       strcmp(blind[f].name, s->name) && is_candidate(r, f, s->name);
}

static int calibrate(struct reference *r, const struct symtab *exported)
{
	size_t n = r->code->ranges.n;
	_cleanup_free_ struct own_name *blind = calloc(n + 1, sizeof(*blind));
	struct sym_calibration *c = &r->calibration;

	if (!blind)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		blind[i] = decide(r, i, NULL);
	for (size_t i = 0; i < exported->n; i++) {
		const struct symbol *s = &exported->items[i];
		ssize_t found;

		if (!s->is_function || s->origin != SYM_ORIGIN_DYNSYM)
			continue;
		c->exported++;
		found = blind_find(r, blind, s->name);
		if (found >= 0 && r->code->ranges.items[found].start == s->vaddr)
			c->agree++;
		else if (found >= 0 || denied(r, blind, s))
			c->disagree++;
		else
			c->unreferenced++;
	}
	c->enabled = c->disagree == 0;
	return 0;
}

/* Of several candidates, the one that is called like the D-Bus method which the function handles.
 */
static const char *handler_name(const struct reference *r, size_t function, const struct bus *bus)
{
	const char *method = bus_method_of(bus, r->code->ranges.items[function].start);
	const char *found = NULL;

	if (!method)
		return NULL;
	for (size_t i = r->first[function]; i < r->first[function + 1]; i++) {
		const char *name = reference_name(r, i);

		if (!bus_method_is_called(method, name))
			continue;
		if (found)
			return NULL;
		found = name;
	}
	return found;
}

static void decide_all(struct reference *r, const struct symtab *exported, const struct bus *bus)
{
	for (size_t i = 0; i < r->code->ranges.n; i++) {
		uint64_t start = r->code->ranges.items[i].start;
		const struct symbol *s = symtab_at(exported, start, SYM_ORIGIN_SYMTAB);
		const char *name;

		if (s) {
			r->own[i] = (struct own_name){s->name, s->name, WITNESS_SYMBOL, 0};
			continue;
		}
		r->own[i] = decide(r, i, exported);
		if (!r->own[i].name && (name = handler_name(r, i, bus))) {
			r->own[i].name = name;
			r->own[i].witness = WITNESS_HANDLER;
		}
	}
}

int reference_load(struct reference *r, const struct code *code, const struct symtab *exported,
		   const struct bus *bus)
{
	int ret;

	*r = (struct reference){.code = code};
	ret = index_by_function(r);
	if (ret == 0)
		ret = calibrate(r, exported);
	if (ret < 0)
		reference_done(r);
	else
		decide_all(r, exported, bus);
	return ret;
}

void reference_done(struct reference *r)
{
	free(r->own);
	free(r->by_function);
	free(r->first);
	*r = (struct reference){0};
}

static int found(const struct reference *r, size_t function, struct sym *ret)
{
	static const char *const why[] = {
		[WITNESS_SYMBOL] = "a symbol names the function",
		[WITNESS_GUARD] = "the name with which the function checks its arguments",
		[WITNESS_HANDLER] = "confirmed by the D-Bus method that it handles",
	};
	const struct range *range = &r->code->ranges.items[function];

	ret->status = SYM_FOUND;
	ret->origin = SYM_ORIGIN_REFERENCE;
	ret->vaddr = range->start;
	ret->size = range->end - range->start;
	snprintf(ret->reason, sizeof(ret->reason), "%s", why[r->own[function].witness]);
	return 0;
}

static int refused(struct sym *ret, enum sym_status status)
{
	ret->status = status;
	return status == SYM_AMBIGUOUS ? -ENOTUNIQ : -ENOENT;
}

/* One function refers to the name. */
static int find_single(const struct reference *r, const char *name, size_t function,
		       struct sym *ret)
{
	const struct own_name *own = &r->own[function];

	if (own->name && !strcmp(own->name, name))
		return found(r, function, ret);
	if (own->name) {
		snprintf(ret->reason, sizeof(ret->reason), "its code is in %.100s", own->name);
		return refused(ret, SYM_INLINED);
	}
	if (r->code->uncertain[function]) {
		snprintf(ret->reason, sizeof(ret->reason),
			 "the code at 0x%llx may be a cold part of another function",
			 (unsigned long long)r->code->ranges.items[function].start);
		return refused(ret, SYM_AMBIGUOUS);
	}
	if (own->candidates == 1) {
		snprintf(ret->reason, sizeof(ret->reason),
			 "only the function at 0x%llx refers to it, nothing confirms that as its "
			 "own",
			 (unsigned long long)r->code->ranges.items[function].start);
		return refused(ret, SYM_AMBIGUOUS);
	}
	snprintf(ret->reason, sizeof(ret->reason),
		 "one of %u names in the function at 0x%llx, nothing confirms which is its own",
		 own->candidates, (unsigned long long)r->code->ranges.items[function].start);
	return refused(ret, SYM_AMBIGUOUS);
}

int reference_find(const struct reference *r, const char *name, struct sym *ret)
{
	size_t first, claims = 0, unknown = 0, n = find_names(r->code, name, &first);

	if (n == 0) {
		snprintf(ret->reason, sizeof(ret->reason), "no code refers to this name");
		return refused(ret, SYM_MISSING);
	}
	if (n == 1)
		return find_single(r, name, r->code->names[first].function, ret);
	for (size_t i = first; i < first + n; i++) {
		const struct own_name *own = &r->own[r->code->names[i].function];

		if (!own->name)
			unknown++;
		else if (!strcmp(own->name, name))
			claims++;
	}
	if (claims == 0 && unknown == 0) {
		snprintf(ret->reason, sizeof(ret->reason), "its code is in %.80s and %zu more",
			 r->own[r->code->names[first].function].name, n - 1);
		return refused(ret, SYM_INLINED);
	}
	snprintf(ret->reason, sizeof(ret->reason), "%zu functions refer to this name", n);
	return refused(ret, SYM_AMBIGUOUS);
}
