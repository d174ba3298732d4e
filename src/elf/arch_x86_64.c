/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * x86-64: instruction lengths from the opcode maps of the Intel SDM (volume 2, appendix A), and a
 * closer look at lea, call, jmp, jcc and mov. Guessing by byte patterns instead would take parts of
 * immediates for jumps, and a single false jump makes a wrong owner for a cold part.
 */
#include <elf.h>
#include <stdbool.h>
#include <string.h>

#include "elf/arch.h"

/* What follows an opcode. */
enum {
	NONE,
	M = 1 << 0,  /* ModRM */
	I8 = 1 << 1, /* immediate of 8 bits */
	IZ = 1 << 2, /* of 16 or 32 bits, by operand size */
	IV = 1 << 3, /* IZ, or 64 bits with REX.W */
	I16 = 1 << 4,
	J32 = 1 << 5, /* relative, always 32 bits */
	MO = 1 << 6,  /* 64-bit absolute address */
	BAD = 1 << 7,
};

#define X4(a)  a, a, a, a
#define X8(a)  X4(a), X4(a)
#define X16(a) X8(a), X8(a)
/* add, or, adc…: r/m with r, r with r/m, accumulator with immediate */
#define ALU    X4(M), I8, IZ, BAD, BAD

/* clang-format off */
static const uint8_t one_byte[256] = {
	ALU, ALU, ALU, ALU, ALU, ALU, ALU, ALU,                      /* 00 */
	X16(BAD),                                                    /* 40: REX */
	X16(NONE),                                                   /* 50: push, pop */
	BAD, BAD, BAD, M, X4(BAD), IZ, M | IZ, I8, M | I8, X4(NONE), /* 60 */
	X16(I8),                                                     /* 70: jcc */
	M | I8, M | IZ, BAD, M | I8, X4(M), X8(M),                   /* 80 */
	X8(NONE), NONE, NONE, BAD, NONE, X4(NONE),                   /* 90 */
	X4(MO), X4(NONE), I8, IZ, NONE, NONE, X4(NONE),              /* a0 */
	X8(I8), X8(IV),                                              /* b0: mov r, imm */
	M | I8, M | I8, I16, NONE, BAD, BAD, M | I8, M | IZ,         /* c0 (c4, c5: VEX) */
	I16 | I8, NONE, I16, NONE, NONE, I8, BAD, NONE,              /* c8 */
	X4(M), BAD, BAD, BAD, NONE, X8(M),                           /* d0 */
	X8(I8), J32, J32, BAD, I8, X4(NONE),                         /* e0 */
	X4(NONE), NONE, NONE, M, M, X4(NONE), NONE, NONE, M, M,      /* f0 (f6, f7: immediate()) */
};

static const uint8_t two_byte[256] = {
	X4(M), BAD, NONE, NONE, NONE, NONE, NONE, BAD, NONE, BAD, M, NONE, M | I8, /* 00 */
	X16(M),                                                                    /* 10 */
	X4(M), X4(BAD), X8(M),                                                     /* 20 */
	X8(NONE), X8(BAD),                                                         /* 30 */
	X16(M),                                                                    /* 40: cmov */
	X16(M), X16(M),                                                            /* 50 */
	X4(M | I8), M, M, M, NONE, X8(M),                                          /* 70 */
	X16(J32),                                                                  /* 80: jcc */
	X16(M),                                                                    /* 90: setcc */
	NONE, NONE, NONE, M, M | I8, M, BAD, BAD,                                  /* a0 */
	NONE, NONE, NONE, M, M | I8, M, M, M,                                      /* a8 */
	X8(M), M, M, M | I8, M, X4(M),                                             /* b0 */
	M, M, M | I8, M, M | I8, M | I8, M | I8, M, X8(NONE),                      /* c0 */
	X16(M), X16(M), X16(M),                                                    /* d0 */
};
/* clang-format on */

struct decoder {
	const uint8_t *code;
	size_t n, at;
	bool operand16, address32, rex_w, truncated;
	uint8_t rex_b, rex_x, rex_r;
	uint8_t map; /* 0: one byte, 1: 0f, 2: 0f38, 3: 0f3a */
	bool vex, simd_prefix;
	uint8_t opcode, modrm;
	bool has_memory, indexed, rip_relative;
	uint8_t base;
	int32_t disp;
};

static uint8_t next(struct decoder *d)
{
	if (d->at >= d->n) {
		d->truncated = true;
		return 0;
	}
	return d->code[d->at++];
}

static int32_t next32(struct decoder *d)
{
	int32_t v;

	if (d->n - d->at < sizeof(v)) {
		d->truncated = true;
		return 0;
	}
	memcpy(&v, d->code + d->at, sizeof(v));
	d->at += sizeof(v);
	return v;
}

static void skip(struct decoder *d, size_t n)
{
	if (d->n - d->at < n)
		d->truncated = true;
	else
		d->at += n;
}

/* Legacy prefixes and REX; the first byte that is none of them is left. */
static void prefixes(struct decoder *d)
{
	for (; d->at < d->n && d->at < 15; d->at++) {
		uint8_t b = d->code[d->at];

		switch (b) {
		case 0x66:
			d->operand16 = true;
			break;
		case 0x67:
			d->address32 = true;
			break;
		case 0xf2:
		case 0xf3:
			d->simd_prefix = true;
			break;
		case 0x26:
		case 0x2e:
		case 0x36:
		case 0x3e:
		case 0x64:
		case 0x65:
		case 0xf0:
			break;
		default:
			if ((b & 0xf0) != 0x40)
				return;
			d->rex_w = b & 8;
			d->rex_r = (b & 4) << 1;
			d->rex_x = (b & 2) << 2;
			d->rex_b = (b & 1) << 3;
			d->at++;
			return;
		}
	}
}

/* Returns what follows the opcode, from the maps. */
static uint8_t opcode(struct decoder *d)
{
	uint8_t b = next(d), p;

	if (b == 0xc5 || b == 0xc4 || b == 0x62) {
		d->vex = true;
		p = next(d);
		d->rex_b = (p & 0x20) || b == 0xc5 ? 0 : 8;
		d->rex_x = (p & 0x40) || b == 0xc5 ? 0 : 8;
		d->map = b == 0xc5 ? 1 : b == 0xc4 ? p & 0x1f : p & 7;
		skip(d, b == 0xc5 ? 0 : b == 0xc4 ? 1 : 2);
		d->opcode = next(d);
		if (d->map == 1)
			return two_byte[d->opcode] & (M | I8);
		return d->map == 3 ? M | I8 : M;
	}
	if (b != 0x0f) {
		d->opcode = b;
		return one_byte[b];
	}
	d->map = 1;
	d->opcode = next(d);
	if (d->opcode == 0x38 || d->opcode == 0x3a) {
		d->map = d->opcode == 0x38 ? 2 : 3;
		d->opcode = next(d);
		return d->map == 2 ? M : M | I8;
	}
	return two_byte[d->opcode];
}

static void modrm(struct decoder *d)
{
	uint8_t mod, rm, sib = 0;

	d->modrm = next(d);
	mod = d->modrm >> 6;
	rm = d->modrm & 7;
	if (mod == 3)
		return;
	d->has_memory = true;
	d->base = rm | d->rex_b;
	if (rm == 4) {
		sib = next(d);
		d->base = (sib & 7) | d->rex_b;
		d->indexed = ((sib >> 3 & 7) | d->rex_x) != 4;
	}
	if (mod == 0 && rm == 5)
		d->rip_relative = true;
	if (mod == 1)
		d->disp = (int8_t)next(d);
	else if (mod == 2 || (mod == 0 && (rm == 5 || (rm == 4 && (sib & 7) == 5))))
		d->disp = next32(d);
}

static int32_t immediate(struct decoder *d, uint8_t what)
{
	int32_t v = 0;

	/* test r/m, imm shares its opcode with not, neg, mul… which have no immediate */
	if (d->map == 0 && !d->vex && (d->opcode & 0xfe) == 0xf6 && !(d->modrm & 0x30))
		what |= d->opcode == 0xf6 ? I8 : IZ;
	if (what & I16)
		skip(d, 2);
	if (what & MO)
		skip(d, d->address32 ? 4 : 8);
	if ((what & IV) && d->rex_w)
		skip(d, 8);
	else if ((what & (IZ | IV)) && d->operand16)
		skip(d, 2);
	else if (what & (IZ | IV | J32))
		v = next32(d);
	if (what & I8)
		v = (int8_t)next(d);
	return v;
}

#define STACK_POINTER 4

/* Reads and writes of 4 or 8 bytes at [register + displacement]. */
static void memory_access(const struct decoder *d, struct insn *ret)
{
	bool store;

	if (!d->has_memory || d->indexed || d->rip_relative || d->vex || d->map > 1 ||
	    d->base == STACK_POINTER)
		return;
	if (d->map == 1) {
		/* movups, movaps, movdqa, movdqu, movq to memory */
		store = d->opcode == 0x11 || d->opcode == 0x29 || d->opcode == 0x7f ||
			d->opcode == 0xd6;
		ret->width = 0;
	} else {
		store = d->opcode == 0x88 || d->opcode == 0x89 || d->opcode == 0xc6 ||
			d->opcode == 0xc7;
		/* movsxd reads 4 bytes into 8 */
		ret->width = d->operand16 ? 2 : d->rex_w && d->opcode != 0x63 ? 8 : 4;
	}
	ret->kind = store ? INSN_STORE : INSN_LOAD;
	if (d->map == 0 && d->opcode == 0x8d)
		ret->kind = INSN_FIELD;
	ret->reg = d->base;
	ret->disp = d->disp;
}

/* add of an immediate to a register that is no longer needed, in place of lea. */
static void add_immediate(const struct decoder *d, int32_t imm, struct insn *ret)
{
	uint8_t reg = (d->modrm & 7) | d->rex_b;

	if (!d->rex_w || (d->modrm & 0xf8) != 0xc0 || reg == STACK_POINTER)
		return;
	ret->kind = INSN_FIELD;
	ret->reg = reg;
	ret->disp = imm;
}

static void classify_one_byte(const struct decoder *d, uint64_t end, int32_t imm, struct insn *ret)
{
	switch (d->opcode) {
	case 0x8d:
		if (d->rip_relative && d->rex_w) {
			ret->kind = INSN_ADDRESS;
			ret->target = end + d->disp;
			ret->reg = (d->modrm >> 3 & 7) | d->rex_r;
		} else {
			memory_access(d, ret);
		}
		return;
	case 0xe8:
		ret->kind = INSN_CALL;
		break;
	case 0xe9:
	case 0xeb:
		ret->kind = INSN_JUMP;
		break;
	case 0x70 ... 0x7f:
		ret->kind = INSN_BRANCH;
		break;
	case 0xb8 ... 0xbf:
		ret->kind = INSN_CONSTANT;
		ret->reg = (d->opcode & 7) | d->rex_b;
		ret->target = (uint32_t)imm;
		return;
	case 0xc3:
	case 0xcc:
	case 0xf4:
		ret->kind = INSN_END;
		return;
	case 0xff: /* jmp r/m */
		if ((d->modrm >> 3 & 7) == 4)
			ret->kind = INSN_END;
		return;
	case 0x81:
	case 0x83:
		memory_access(d, ret);
		add_immediate(d, imm, ret);
		return;
	default:
		memory_access(d, ret);
		return;
	}
	ret->target = end + imm;
}

/* mov of a general register. */
static void register_copy(const struct decoder *d, struct insn *ret)
{
	bool to_register = d->opcode == 0x8b && !d->has_memory;

	if (d->map != 0 || d->vex || d->operand16 || (d->opcode != 0x89 && !to_register))
		return;
	ret->source = to_register ? (d->modrm & 7) | d->rex_b : (d->modrm >> 3 & 7) | d->rex_r;
	ret->copied = d->rex_w ? 8 : 4;
}

static void classify(const struct decoder *d, uint64_t end, int32_t imm, struct insn *ret)
{
	if (d->map == 0 && !d->vex) {
		classify_one_byte(d, end, imm, ret);
	} else if (d->map == 1 && !d->vex && (d->opcode & 0xf0) == 0x80) {
		ret->kind = INSN_BRANCH;
		ret->target = end + imm;
	} else if (d->map == 1 && !d->vex && d->opcode == 0x0b) {
		ret->kind = INSN_END;
	} else {
		memory_access(d, ret);
	}
}

static size_t decode(const uint8_t *code, size_t n, uint64_t vaddr, struct arch_state *st,
		     struct insn *ret)
{
	struct decoder d = {.code = code, .n = n};
	uint8_t what;
	int32_t imm;

	(void)st;
	*ret = (struct insn){.kind = INSN_OTHER};
	prefixes(&d);
	what = opcode(&d);
	if (what & BAD)
		return 0;
	if (what & M)
		modrm(&d);
	imm = immediate(&d, what);
	if (d.truncated)
		return 0;
	classify(&d, vaddr + d.at, imm, ret);
	register_copy(&d, ret);
	return d.at;
}

const struct arch arch_x86_64 = {
	.name = "x86-64",
	.machine = EM_X86_64,
	.r_relative = R_X86_64_RELATIVE,
	.r_absolute = R_X86_64_64,
	.r_glob_dat = R_X86_64_GLOB_DAT,
	.array_align = 16,		 /* psABI 3.1.2 */
	.arguments = {7, 6, 2, 1, 8, 9}, /* rdi, rsi, rdx, rcx, r8, r9 */
	.decode = decode,
};
