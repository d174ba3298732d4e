/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * AArch64: four bytes each. An address is a page (adrp) and an addend; GCC shares one such pair, a
 * "section anchor", between many objects and adds the distance where it needs one. So registers
 * with known values are followed along the code, over forward branches too.
 */
#include <elf.h>
#include <string.h>

#include "elf/arch.h"

/* x0–x18 and the link register do not survive a call. */
#define CALL_CLOBBERS 0x4007ffffU
#define STACK_POINTER 31 /* as the base of an address */

static int64_t sign_extend(uint64_t v, unsigned bits)
{
	return (int64_t)(v << (64 - bits)) >> (64 - bits);
}

static uint64_t branch_target(uint64_t vaddr, uint32_t field, unsigned bits)
{
	return vaddr + ((uint64_t)sign_extend(field, bits) << 2);
}

static void forget(struct arch_values *v, unsigned reg)
{
	v->known &= ~(1U << reg);
}

static void learn(struct arch_values *v, unsigned reg, uint64_t value)
{
	v->value[reg] = value;
	v->known |= 1U << reg;
	v->pages &= ~(1U << reg);
}

/* What holds on both ways into a place. */
static void intersect(struct arch_values *v, const struct arch_values *other)
{
	for (unsigned reg = 0; reg < 32; reg++)
		if (!(other->known & 1U << reg) || v->value[reg] != other->value[reg])
			forget(v, reg);
}

/* What is known here: from the instruction before, unless it never gets here, and from branches. */
static void arrive(struct arch_state *st, uint64_t vaddr)
{
	for (unsigned i = 0; i < st->n_pending;) {
		struct arch_pending *p = &st->pending[i];

		if (p->target != vaddr) {
			i++;
			continue;
		}
		if (st->unreached)
			st->now = p->values;
		else
			intersect(&st->now, &p->values);
		st->unreached = false;
		*p = st->pending[--st->n_pending];
	}
	/* Perhaps a case of a switch: what was known at its jump still is. */
	if (st->unreached)
		st->now = st->at_switch;
	st->unreached = false;
}

static void branch(struct arch_state *st, uint64_t vaddr, uint64_t target)
{
	if (target <= vaddr || st->now.known == 0)
		return;
	if (st->n_pending < ARCH_PENDING_MAX)
		st->pending[st->n_pending++] = (struct arch_pending){target, st->now};
}

/* adrp and adr; bit 31 tells them apart. */
static void form_page(uint32_t w, uint64_t vaddr, struct arch_state *st, struct insn *ret)
{
	uint64_t imm = sign_extend((w >> 5 & 0x7ffff) << 2 | (w >> 29 & 3), 21);
	unsigned rd = w & 31;

	if (w >> 31) {
		learn(&st->now, rd, (vaddr & ~0xfffULL) + (imm << 12));
		st->now.pages |= 1U << rd;
		return;
	}
	ret->kind = INSN_ADDRESS;
	ret->target = vaddr + imm;
	ret->reg = rd;
	learn(&st->now, rd, ret->target);
}

/* add and sub of 64 bits with an immediate */
static void add_immediate(uint32_t w, struct arch_state *st, struct insn *ret)
{
	unsigned rd = w & 31, rn = w >> 5 & 31;
	uint64_t imm = (uint64_t)(w >> 10 & 0xfff) << (w & 0x00400000 ? 12 : 0);

	if (w & 0x40000000)
		imm = -imm;
	if (!(st->now.known & 1U << rn)) {
		forget(&st->now, rd);
		if (rn == STACK_POINTER)
			return;
		ret->kind = INSN_FIELD;
		ret->reg = rn;
		ret->disp = (int32_t)imm;
		return;
	}
	ret->kind = INSN_ADDRESS;
	ret->target = st->now.value[rn] + imm;
	ret->anchor = st->now.pages & 1U << rn ? 0 : st->now.value[rn];
	ret->reg = rd;
	learn(&st->now, rd, ret->target);
}

/* Loads and stores; those with an unsigned offset, and pairs, tell which field they access. */
static void memory_access(uint32_t w, struct arch_values *v, struct insn *ret)
{
	unsigned size = w >> 30, rt = w & 31, rn = w >> 5 & 31;
	bool simd = w & 0x04000000, pair = (w & 0x3a000000) == 0x28000000, load;

	ret->reg = rn;
	if ((w & 0x3b000000) == 0x39000000) {
		load = w >> 22 & 3;
		ret->kind = load ? INSN_LOAD : INSN_STORE;
		ret->disp = (w >> 10 & 0xfff) << size;
		ret->width = simd ? 0 : 1U << size;
		if (load && ret->width == 8 && v->known & 1U << rn) {
			ret->kind = INSN_FETCH;
			ret->target = v->value[rn] + ret->disp;
			ret->reg = rt;
		}
	} else if (pair) {
		unsigned scale = simd ? 2 + size : size & 2 ? 3 : 2;

		load = w & 0x00400000;
		ret->kind = load ? INSN_LOAD : INSN_STORE;
		ret->disp = sign_extend(w >> 15 & 0x7f, 7) * (1 << scale);
		ret->width = simd ? 0 : 1U << scale;
		if (w & 0x00800000)
			forget(v, rn);
	} else {
		load = true; /* to be safe */
		if ((w & 0x3b200400) == 0x38000400)
			forget(v, rn);
	}
	if (load && !simd) {
		forget(v, rt);
		if (pair)
			forget(v, w >> 10 & 31);
	}
	if (rn == STACK_POINTER)
		ret->kind = INSN_OTHER;
}

static void control(uint32_t w, uint64_t vaddr, struct arch_state *st, struct insn *ret)
{
	if ((w & 0x7c000000) == 0x14000000) { /* b, bl */
		ret->kind = w >> 31 ? INSN_CALL : INSN_JUMP;
		ret->target = branch_target(vaddr, w & 0x3ffffff, 26);
	} else if ((w & 0xff000000) == 0x54000000 || (w & 0x7e000000) == 0x34000000) {
		ret->kind = INSN_BRANCH; /* b.cond, cbz, cbnz */
		ret->target = branch_target(vaddr, w >> 5 & 0x7ffff, 19);
	} else if ((w & 0x7e000000) == 0x36000000) { /* tbz, tbnz */
		ret->kind = INSN_BRANCH;
		ret->target = branch_target(vaddr, w >> 5 & 0x3fff, 14);
	} else if ((w & 0xffbffc1f) == 0xd61f0000 || (w & 0xffe0001f) == 0xd4200000) {
		ret->kind = INSN_END; /* br, ret, brk */
	}
	if (ret->kind == INSN_CALL || (w & 0xfffffc1f) == 0xd63f0000) /* bl, blr */
		st->now.known &= ~CALL_CLOBBERS;
	if (ret->kind == INSN_BRANCH || ret->kind == INSN_JUMP)
		branch(st, vaddr, ret->target);
	if ((w & 0xfffffc1f) == 0xd61f0000) /* br */
		st->at_switch = st->now;
	st->unreached = ret->kind == INSN_JUMP || ret->kind == INSN_END;
}

static void process_data(uint32_t w, uint64_t vaddr, struct arch_state *st, struct insn *ret)
{
	unsigned rd = w & 31, rm = w >> 16 & 31;

	if ((w & 0x1f000000) == 0x10000000) {
		form_page(w, vaddr, st, ret);
	} else if ((w & 0xbf800000) == 0x91000000) {
		add_immediate(w, st, ret);
	} else if ((w & 0xffe0ffe0) == 0xaa0003e0 && st->now.known & 1U << rm) { /* mov */
		learn(&st->now, rd, st->now.value[rm]);
	} else {
		forget(&st->now, rd);
		if ((w & 0x7fe00000) == 0x52800000) { /* movz without shift */
			ret->kind = INSN_CONSTANT;
			ret->reg = rd;
			ret->target = w >> 5 & 0xffff;
		}
	}
}

/* mov of a general register, with and: a bool's upper bits mean nothing; and str. */
static void register_copy(uint32_t w, struct insn *ret)
{
	if ((w & 0x7fe0ffe0) == 0x2a0003e0) {
		ret->source = w >> 16 & 31;
		ret->copied = w >> 31 ? 8 : 4;
	} else if ((w & 0xfffffc00) == 0x12001c00) { /* and w, w, #0xff */
		ret->source = w >> 5 & 31;
		ret->copied = 4;
	} else if ((w & 0x3fc00000) == 0x39000000) {
		ret->source = w & 31;
		ret->copied = w >> 30 == 3 ? 8 : 4;
	}
}

static size_t decode(const uint8_t *code, size_t n, uint64_t vaddr, struct arch_state *st,
		     struct insn *ret)
{
	uint32_t w;

	*ret = (struct insn){.kind = INSN_OTHER};
	if (n < sizeof(w))
		return 0;
	memcpy(&w, code, sizeof(w));
	arrive(st, vaddr);
	switch (w >> 25 & 15) { /* the architecture's own top-level groups */
	case 10:
	case 11:
		control(w, vaddr, st, ret);
		break;
	case 4:
	case 6:
	case 12:
	case 14:
		memory_access(w, &st->now, ret);
		break;
	case 7:
	case 15: /* SIMD and floating point */
		break;
	default:
		process_data(w, vaddr, st, ret);
	}
	register_copy(w, ret);
	return sizeof(w);
}

const struct arch arch_aarch64 = {
	.name = "aarch64",
	.machine = EM_AARCH64,
	.r_relative = R_AARCH64_RELATIVE,
	.r_absolute = R_AARCH64_ABS64,
	.r_glob_dat = R_AARCH64_GLOB_DAT,
	.array_align = 8,
	.arguments = {0, 1, 2, 3, 4, 5},
	.decode = decode,
};
