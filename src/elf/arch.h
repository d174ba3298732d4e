/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The little that the resolver must know of a machine's instructions: their length, the addresses
 * that they form, where they jump, and which struct field they read or write.
 */
#ifndef SVCTRACE_ELF_ARCH_H
#define SVCTRACE_ELF_ARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum insn_kind {
	INSN_OTHER,
	INSN_ADDRESS, /* puts the address `target` into a register */
	INSN_CALL,
	INSN_JUMP,
	INSN_BRANCH, /* conditional */
	INSN_END,    /* return or trap: what follows is not reached from here */
	/* Not of the stack pointer: what is there belongs to no struct that others know. */
	INSN_LOAD,     /* reads [reg + disp] */
	INSN_STORE,    /* writes [reg + disp] */
	INSN_FETCH,    /* reads the 8 bytes at the address `target` into `reg` */
	INSN_FIELD,    /* computes reg + disp */
	INSN_CONSTANT, /* puts the small constant `target` into `reg` */
};

struct insn {
	enum insn_kind kind;
	uint64_t target;
	uint64_t anchor; /* ADDRESS: the known address that it was computed from, or 0 */
	int32_t disp;
	uint8_t reg;   /* LOAD, STORE, FIELD: the base; ADDRESS, CONSTANT: the destination */
	uint8_t width; /* LOAD, STORE: bytes; 0 when of no interest */
	/* It copies register `source`, to another or to memory: this many bytes, 0 when none. */
	uint8_t source, copied;
};

#define ARCH_PENDING_MAX 32U

/* Registers whose value is known. */
struct arch_values {
	uint32_t known; /* bit n: value[n] holds register n's */
	uint32_t pages; /* bit n: it is half an address */
	uint64_t value[32];
};

/* What the decoder remembers from one instruction to the next. Start with arch_begin(). */
struct arch_state {
	struct arch_values now, at_switch;
	bool unreached; /* the instruction before does not lead here */
	unsigned n_pending;
	struct arch_pending {
		uint64_t target;
		struct arch_values values;
	} pending[ARCH_PENDING_MAX]; /* known at a place further down that was branched to */
};

/* Much of it is mostly empty. */
static inline void arch_copy(struct arch_state *to, const struct arch_state *from)
{
	memcpy(to, from,
	       offsetof(struct arch_state, pending) + from->n_pending * sizeof(from->pending[0]));
}

static inline void arch_begin(struct arch_state *st)
{
	st->now.known = st->at_switch.known = 0;
	st->unreached = false;
	st->n_pending = 0;
}

struct arch {
	const char *name;
	uint16_t machine;
	uint32_t r_relative, r_absolute, r_glob_dat;
	uint8_t array_align;  /* of a static array of 16 bytes or more */
	uint8_t arguments[6]; /* registers of the first six */
	/* Length of the instruction at code (n bytes left, n > 0), 0 if it cannot be decoded. */
	size_t (*decode)(const uint8_t *code, size_t n, uint64_t vaddr, struct arch_state *st,
			 struct insn *ret);
};

extern const struct arch arch_x86_64;
extern const struct arch arch_aarch64;

/* NULL for machines that nobody has taught us. */
const struct arch *arch_of(uint16_t machine);

#endif
