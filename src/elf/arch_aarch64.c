/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* AArch64: four bytes each. An address is formed by adrp (page) and add (the low 12 bits). */
#include <elf.h>
#include <string.h>

#include "elf/arch.h"

static int64_t sign_extend(uint64_t v, unsigned bits)
{
	return (int64_t)(v << (64 - bits)) >> (64 - bits);
}

static uint64_t branch_target(uint64_t vaddr, uint32_t field, unsigned bits)
{
	return vaddr + ((uint64_t)sign_extend(field, bits) << 2);
}

static void forget(struct arch_state *st, unsigned reg)
{
	st->pages &= ~(1U << reg);
}

/* adrp and adr; bit 31 tells them apart. */
static void form_page(uint32_t w, uint64_t vaddr, struct arch_state *st, struct insn *ret)
{
	uint64_t imm = sign_extend((w >> 5 & 0x7ffff) << 2 | (w >> 29 & 3), 21);
	unsigned rd = w & 31;

	if (w >> 31) {
		st->page[rd] = (vaddr & ~0xfffULL) + (imm << 12);
		st->pages |= 1U << rd;
	} else {
		ret->kind = INSN_ADDRESS;
		ret->target = vaddr + imm;
		forget(st, rd);
	}
}

/* add Xd, Xn, #imm12 without shift */
static void add_low_bits(uint32_t w, struct arch_state *st, struct insn *ret)
{
	unsigned rd = w & 31, rn = w >> 5 & 31;

	if (st->pages & 1U << rn) {
		ret->kind = INSN_ADDRESS;
		ret->target = st->page[rn] + (w >> 10 & 0xfff);
	}
	forget(st, rd);
}

/* ldr, str (unsigned offset) of 4 and 8 bytes, and ldp, stp (signed offset) */
static void memory_access(uint32_t w, struct arch_state *st, struct insn *ret)
{
	unsigned size = w >> 30;

	if ((w & 0x3b000000) == 0x39000000) {
		ret->kind = (w >> 22 & 3) == 0 ? INSN_STORE : INSN_LOAD;
		ret->disp = (w >> 10 & 0xfff) << size;
		ret->width = w & 0x04000000 ? 0 : 1U << size;
	} else {
		unsigned scale = w & 0x04000000 ? 2 + size : size & 2 ? 3 : 2;

		ret->kind = w & 0x00400000 ? INSN_LOAD : INSN_STORE;
		ret->disp = sign_extend(w >> 15 & 0x7f, 7) * (1 << scale);
		ret->width = w & 0x04000000 ? 0 : 1U << scale;
	}
	ret->reg = w >> 5 & 31;
	if (ret->kind == INSN_LOAD && !(w & 0x04000000))
		forget(st, w & 31);
}

static size_t decode(const uint8_t *code, size_t n, uint64_t vaddr, struct arch_state *st,
		     struct insn *ret)
{
	uint32_t w;

	*ret = (struct insn){.kind = INSN_OTHER};
	if (n < sizeof(w))
		return 0;
	memcpy(&w, code, sizeof(w));
	if ((w & 0x1f000000) == 0x10000000) {
		form_page(w, vaddr, st, ret);
	} else if ((w & 0xffc00000) == 0x91000000) {
		add_low_bits(w, st, ret);
	} else if ((w & 0x7c000000) == 0x14000000) { /* b, bl */
		ret->kind = w >> 31 ? INSN_CALL : INSN_JUMP;
		ret->target = branch_target(vaddr, w & 0x3ffffff, 26);
		if (w >> 31)
			st->pages &= ~0x4007ffffU; /* x0–x18 and x30 do not survive a call */
	} else if ((w & 0xff000000) == 0x54000000 || (w & 0x7e000000) == 0x34000000) {
		ret->kind = INSN_BRANCH; /* b.cond, cbz, cbnz */
		ret->target = branch_target(vaddr, w >> 5 & 0x7ffff, 19);
	} else if ((w & 0x7e000000) == 0x36000000) {
		ret->kind = INSN_BRANCH; /* tbz, tbnz */
		ret->target = branch_target(vaddr, w >> 5 & 0x3fff, 14);
	} else if ((w & 0xfffffc1f) == 0xd63f0000) { /* blr */
		st->pages &= ~0x4007ffffU;
	} else if ((w & 0xffdffc1f) == 0xd61f0000 || (w & 0xffe0001f) == 0xd4200000) {
		ret->kind = INSN_END;		     /* br, ret, brk */
	} else if ((w & 0x7fe00000) == 0x52800000) { /* movz without shift */
		ret->kind = INSN_CONSTANT;
		ret->reg = w & 31;
		ret->target = w >> 5 & 0xffff;
		forget(st, w & 31);
	} else if ((w & 0x3b000000) == 0x39000000 || (w & 0x3a000000) == 0x28000000) {
		memory_access(w, st, ret);
	} else if ((w & 0x1f000000) == 0x0a000000 || (w & 0x1f000000) == 0x0b000000 ||
		   (w & 0x1c000000) == 0x10000000) {
		forget(st, w & 31); /* arithmetic on registers and immediates, moves */
	}
	return sizeof(w);
}

const struct arch arch_aarch64 = {
	.name = "aarch64",
	.machine = EM_AARCH64,
	.r_relative = R_AARCH64_RELATIVE,
	.r_absolute = R_AARCH64_ABS64,
	.r_glob_dat = R_AARCH64_GLOB_DAT,
	.array_align = 8,
	.arguments = {0, 1},
	.decode = decode,
};
