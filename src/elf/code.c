/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "elf/code.h"

#define NOBODY UINT32_MAX

/* How other ranges jump into one. */
struct entry {
	uint32_t from; /* the range that does, NOBODY yet */
	bool several;  /* more than one range does */
	bool midway;   /* not to its first instruction, or by a conditional branch */
};

struct scan {
	struct code *c;
	struct entry *entries;
	size_t range;
	int r;
};

/*
 * A function's name is an identifier in an array of its own: `static const char __func__[]`. GCC
 * aligns such arrays (to 8 bytes from 8 bytes on, more for longer ones, by machine), but not the
 * literals of other strings, which the linker merges: this sets most other words apart.
 */
static bool name_aligned(const struct code *c, uint64_t vaddr, size_t size)
{
	return vaddr % (size < 8 ? 1 : size < 16 ? 8 : c->arch->array_align) == 0;
}

static int compare_addresses(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static bool is_anchor(const struct code *c, uint64_t vaddr)
{
	return c->n_anchors > 0 &&
	       bsearch(&vaddr, c->anchors, c->n_anchors, sizeof(vaddr), compare_addresses);
}

static const char *name_at(const struct code *c, uint64_t vaddr)
{
	const char *start = (const char *)c->rodata.data, *s;
	size_t offset, left, n = 0;

	if (vaddr < c->rodata.vaddr || vaddr - c->rodata.vaddr >= c->rodata.size)
		return NULL;
	offset = vaddr - c->rodata.vaddr;
	left = c->rodata.size - offset;
	s = start + offset;
	if (offset > 0 && s[-1] != 0)
		return NULL;
	while (n < left &&
	       ((s[n] >= 'a' && s[n] <= 'z') || s[n] == '_' ||
		(n > 0 && ((s[n] >= '0' && s[n] <= '9') || (s[n] >= 'A' && s[n] <= 'Z')))))
		n++;
	/* A name with two underscores in front is the compiler's or a macro's. */
	if (n < 4 || n == left || s[n] != 0 || !memchr(s, '_', n) || !strncmp(s, "__", 2))
		return NULL;
	return name_aligned(c, vaddr, n + 1) ? s : NULL;
}

const char *code_name_at(const struct code *c, uint64_t vaddr)
{
	const char *name = name_at(c, vaddr);

	return name && !is_anchor(c, vaddr) ? name : NULL;
}

static int add_anchor(struct code *c, uint64_t vaddr)
{
	if (c->n_anchors > 0 && c->anchors[c->n_anchors - 1] == vaddr)
		return 0;
	if (c->n_anchors == c->anchors_allocated) {
		size_t want = c->anchors_allocated ? c->anchors_allocated * 2 : 256;
		uint64_t *p = reallocarray(c->anchors, want, sizeof(*p));

		if (!p)
			return -ENOMEM;
		c->anchors = p;
		c->anchors_allocated = want;
	}
	c->anchors[c->n_anchors++] = vaddr;
	return 0;
}

static int add_name(struct code *c, const char *name, size_t range)
{
	if (c->n_names == c->allocated) {
		size_t want = c->allocated ? c->allocated * 2 : 4096;
		struct name_ref *p = reallocarray(c->names, want, sizeof(*p));

		if (!p)
			return -ENOMEM;
		c->names = p;
		c->allocated = want;
	}
	c->names[c->n_names++] = (struct name_ref){name, (uint32_t)range};
	return 0;
}

static void note_called(struct code *c, uint64_t vaddr)
{
	ssize_t i = ranges_find(&c->ranges, vaddr);

	if (i >= 0 && c->ranges.items[i].start == vaddr)
		c->called[i] = true;
}

static void note_jump(struct scan *s, const struct insn *i)
{
	const struct range *here = &s->c->ranges.items[s->range];
	struct entry *e;
	ssize_t to;

	if (i->target >= here->start && i->target < here->end)
		return;
	to = ranges_find(&s->c->ranges, i->target);
	if (to < 0)
		return;
	e = &s->entries[to];
	if (e->from == NOBODY)
		e->from = s->range;
	else if (e->from != s->range)
		e->several = true;
	if (i->kind == INSN_BRANCH || s->c->ranges.items[to].start != i->target)
		e->midway = true;
}

static int scan_insn(void *ctx, uint64_t vaddr, const struct insn *i)
{
	struct scan *s = ctx;
	const char *name;

	(void)vaddr;
	switch (i->kind) {
	case INSN_ADDRESS:
		name = name_at(s->c, i->target);
		if (i->anchor && name_at(s->c, i->anchor))
			s->r = add_anchor(s->c, i->anchor);
		if (name && s->r == 0)
			s->r = add_name(s->c, name, s->range);
		if (name || s->r < 0)
			return s->r;
		note_called(s->c, i->target);
		if (i->target - s->c->relro.vaddr < s->c->relro.size)
			s->c->takes_data[s->range] = true;
		break;
	case INSN_CALL:
		note_called(s->c, i->target);
		break;
	case INSN_JUMP:
	case INSN_BRANCH:
		note_jump(s, i);
		break;
	default:
		break;
	}
	return 0;
}

int code_each(const struct code *c, size_t range, insn_fn f, void *ctx)
{
	const struct range *r = &c->ranges.items[range];
	const uint8_t *code = image_at(c->im, r->start, r->end - r->start);
	struct arch_state st; /* large: arch_begin() says what counts */
	size_t at = 0, size = r->end - r->start;

	arch_begin(&st);
	while (code && at < size) {
		struct insn i;
		size_t n = c->arch->decode(code + at, size - at, r->start + at, &st, &i);
		int answer;

		if (n == 0) /* data, or an instruction of the future: the rest cannot be trusted */
			break;
		answer = f(ctx, r->start + at, &i);
		if (answer != 0)
			return answer;
		at += n;
	}
	return 0;
}

int code_each_of(const struct code *c, size_t function, insn_fn f, void *ctx)
{
	int r = code_each(c, function, f, ctx);

	for (size_t i = 0; r == 0 && i < c->ranges.n; i++)
		if (i != function && c->owner[i] == function)
			r = code_each(c, i, f, ctx);
	return r;
}

#define STRAIGHT_MAX 32U /* instructions */
#define INSN_MAX     16U /* bytes of one */

uint64_t code_first_argument(const struct code *c, const struct pointers *pointers, uint64_t from)
{
	struct arch_state st; /* large: arch_begin() says what counts */
	uint64_t address = 0;

	arch_begin(&st);
	for (unsigned i = 0; i < STRAIGHT_MAX && image_is_code(c->im, from); i++) {
		const uint8_t *code;
		struct insn insn;
		size_t n = INSN_MAX;

		while (!(code = image_at(c->im, from, n)))
			n--; /* the end of the segment; one byte is there */
		n = c->arch->decode(code, n, from, &st, &insn);
		if (n == 0 || insn.kind == INSN_CALL || insn.kind == INSN_END)
			break;
		if (insn.kind == INSN_ADDRESS && insn.reg == c->arch->arguments[0])
			address = insn.target;
		else if (insn.kind == INSN_FETCH && insn.reg == c->arch->arguments[0])
			address = pointers_at(pointers, insn.target);
		from += n;
	}
	return address;
}

struct taking {
	uint8_t argument;
	unsigned bytes;
};

static int note_copy(void *ctx, uint64_t vaddr, const struct insn *i)
{
	struct taking *t = ctx;

	(void)vaddr;
	if (i->copied && i->source == t->argument)
		t->bytes = i->copied;
	return t->bytes || i->kind == INSN_CALL || i->kind == INSN_END;
}

unsigned code_argument_width(const struct code *c, size_t function, unsigned argument)
{
	struct taking t = {0};

	if (argument >= ARRAY_LEN(c->arch->arguments))
		return 0;
	t.argument = c->arch->arguments[argument];
	(void)code_each(c, function, note_copy, &t);
	return t.bytes;
}

/* Functions are aligned, cold parts are packed: one in sixteen is aligned by chance. */
static bool aligned(const struct code *c, size_t range)
{
	return c->ranges.items[range].start % 16 == 0;
}

/*
 * What nothing calls and nobody holds the address of is either a cold part, which one function
 * alone jumps into, or is tail-called; from several places that is a function. From one place both
 * look alike, unless it is entered midway or by a conditional branch, or is not aligned.
 */
static void find_owner(struct code *c, const struct entry *entries, size_t i)
{
	const struct entry *e = &entries[i];
	bool mutual;

	c->owner[i] = i;
	if (c->called[i] || (e->several && !e->midway))
		return;
	c->uncertain[i] = true;
	if (e->several || e->from == NOBODY || (!e->midway && aligned(c, i)))
		return;
	/* Two that nobody calls and that jump into each other: only the alignment tells. */
	mutual = !c->called[e->from] && entries[e->from].from == i;
	if (mutual && (aligned(c, i) || !aligned(c, e->from)))
		return;
	c->owner[i] = e->from;
}

static void find_owners(struct code *c, const struct entry *entries)
{
	for (size_t i = 0; i < c->ranges.n; i++)
		find_owner(c, entries, i);
	for (size_t i = 0; i < c->ranges.n; i++) {
		uint32_t o = c->owner[i];

		if (o != i && c->owner[o] != o) /* a chain: believe neither */
			c->owner[i] = i;
	}
}

static int compare(const void *a, const void *b)
{
	const struct name_ref *x = a, *y = b;
	int r = x->name == y->name ? 0 : strcmp(x->name, y->name);

	return r ? r : (x->function > y->function) - (x->function < y->function);
}

static bool is_anchor_name(const struct code *c, const char *name)
{
	return is_anchor(c, c->rodata.vaddr + ((const uint8_t *)name - c->rodata.data));
}

/* By owner, and each pair once. */
static void settle_names(struct code *c)
{
	size_t n = 0;

	if (c->n_anchors > 0)
		qsort(c->anchors, c->n_anchors, sizeof(*c->anchors), compare_addresses);
	for (size_t i = 0; i < c->n_names; i++)
		if (!is_anchor_name(c, c->names[i].name))
			c->names[n++] = c->names[i];
	c->n_names = n;
	n = 0;
	for (size_t i = 0; i < c->n_names; i++)
		c->names[i].function = c->owner[c->names[i].function];
	if (c->n_names > 0)
		qsort(c->names, c->n_names, sizeof(*c->names), compare);
	for (size_t i = 0; i < c->n_names; i++)
		if (n == 0 || compare(&c->names[n - 1], &c->names[i]) != 0)
			c->names[n++] = c->names[i];
	c->n_names = n;
}

static int scan_all(struct code *c, const struct pointers *pointers, const uint64_t *exported,
		    size_t n_exported)
{
	_cleanup_free_ struct entry *entries = calloc(c->ranges.n + 1, sizeof(*entries));
	struct scan s = {.c = c, .entries = entries};

	c->owner = calloc(c->ranges.n + 1, sizeof(*c->owner));
	c->called = calloc(c->ranges.n + 1, sizeof(*c->called));
	c->uncertain = calloc(c->ranges.n + 1, sizeof(*c->uncertain));
	c->takes_data = calloc(c->ranges.n + 1, sizeof(*c->takes_data));
	if (!entries || !c->owner || !c->called || !c->uncertain || !c->takes_data)
		return -ENOMEM;
	for (size_t i = 0; i < c->ranges.n; i++)
		entries[i].from = NOBODY;
	for (s.range = 0; s.r == 0 && s.range < c->ranges.n; s.range++)
		(void)code_each(c, s.range, scan_insn, &s);
	if (s.r < 0)
		return s.r;
	for (size_t i = 0; i < pointers->n; i++)
		note_called(c, pointers->items[i].target);
	for (size_t i = 0; i < n_exported; i++)
		note_called(c, exported[i]);
	find_owners(c, entries);
	settle_names(c);
	return 0;
}

int code_scan(struct code *c, const struct image *im, const struct arch *arch,
	      const struct pointers *pointers, const uint64_t *exported, size_t n_exported)
{
	int r;

	*c = (struct code){
		.im = im,
		.arch = arch,
		.rodata = image_section(im, ".rodata", SHT_PROGBITS),
		.relro = image_section(im, ".data.rel.ro", SHT_PROGBITS),
	};
	r = ranges_load(im, &c->ranges);
	if (r == 0)
		r = scan_all(c, pointers, exported, n_exported);
	if (r < 0)
		code_done(c);
	return r;
}

void code_done(struct code *c)
{
	ranges_done(&c->ranges);
	free(c->owner);
	free(c->called);
	free(c->uncertain);
	free(c->takes_data);
	free(c->names);
	free(c->anchors);
	*c = (struct code){0};
}
