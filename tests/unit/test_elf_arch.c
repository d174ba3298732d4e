/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The instruction decoders: lengths, addresses, branches, field accesses. */
#include <elf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "elf/arch.h"
#include "svctrace/cleanup.h"

#define AT 0x1000U

struct sample {
	const char *what;
	uint8_t code[16];
	size_t length;
	enum insn_kind kind;
	uint64_t target;
	int32_t disp;
	uint8_t reg, width;
};

static const struct sample x86[] = {
	{"nop", {0x90}, 1, INSN_OTHER, 0, 0, 0, 0},
	{"endbr64", {0xf3, 0x0f, 0x1e, 0xfa}, 4, INSN_OTHER, 0, 0, 0, 0},
	{"lea rdi, [rip+0x10]", {0x48, 0x8d, 0x3d, 0x10}, 7, INSN_ADDRESS, AT + 0x17, 0, 7, 0},
	{"lea r8, [rip-7]",
	 {0x4c, 0x8d, 0x05, 0xf9, 0xff, 0xff, 0xff},
	 7,
	 INSN_ADDRESS,
	 AT,
	 0,
	 8,
	 0},
	{"lea r9, [rbx+0xb74]", {0x4c, 0x8d, 0x8b, 0x74, 0x0b}, 7, INSN_FIELD, 0, 0xb74, 3, 8},
	{"call +5", {0xe8, 0x05}, 5, INSN_CALL, AT + 10, 0, 0, 0},
	{"jmp -2", {0xeb, 0xfe}, 2, INSN_JUMP, AT, 0, 0, 0},
	{"je +0x129", {0x0f, 0x84, 0x29, 0x01}, 6, INSN_BRANCH, AT + 0x12f, 0, 0, 0},
	{"jne +6", {0x75, 0x06}, 2, INSN_BRANCH, AT + 8, 0, 0, 0},
	{"ret", {0xc3}, 1, INSN_END, 0, 0, 0, 0},
	{"ud2", {0x0f, 0x0b}, 2, INSN_END, 0, 0, 0, 0},
	{"jmp rax", {0xff, 0xe0}, 2, INSN_END, 0, 0, 0, 0},
	{"mov eax, [rdi+0xbb0]", {0x8b, 0x87, 0xb0, 0x0b}, 6, INSN_LOAD, 0, 0xbb0, 7, 4},
	{"mov [rdi+0xbb0], esi", {0x89, 0xb7, 0xb0, 0x0b}, 6, INSN_STORE, 0, 0xbb0, 7, 4},
	{"movsxd rdx, [rdi+0xb08]", {0x48, 0x63, 0x97, 0x08, 0x0b}, 7, INSN_LOAD, 0, 0xb08, 7, 4},
	{"mov dword [rbx+0xb74], 0", {0xc7, 0x83, 0x74, 0x0b}, 10, INSN_STORE, 0, 0xb74, 3, 4},
	{"mov rcx, [r12+8]", {0x49, 0x8b, 0x4c, 0x24, 0x08}, 5, INSN_LOAD, 0, 8, 12, 8},
	{"mov rax, [rsp+8]: the stack", {0x48, 0x8b, 0x44, 0x24, 0x08}, 5, INSN_OTHER, 0, 0, 0, 0},
	{"lea rdi, [rsp+8]", {0x48, 0x8d, 0x7c, 0x24, 0x08}, 5, INSN_OTHER, 0, 0, 0, 0},
	{"add rdi, 0x20", {0x48, 0x83, 0xc7, 0x20}, 4, INSN_FIELD, 0, 0x20, 7, 0},
	{"add r12, 0x120", {0x49, 0x81, 0xc4, 0x20, 0x01}, 7, INSN_FIELD, 0, 0x120, 12, 0},
	{"add rsp, 0x20", {0x48, 0x83, 0xc4, 0x20}, 4, INSN_OTHER, 0, 0, 0, 0},
	{"sub rdi, 0x20", {0x48, 0x83, 0xef, 0x20}, 4, INSN_OTHER, 0, 0, 0, 0},
	{"cmp qword [rbp+0x38], 0", {0x48, 0x83, 0x7d, 0x38}, 5, INSN_LOAD, 0, 0x38, 5, 8},
	{"cmp [rbx+8], eax", {0x39, 0x43, 0x08}, 3, INSN_LOAD, 0, 8, 3, 4},
	{"mov eax, [rax+rdx*4]", {0x8b, 0x04, 0x90}, 3, INSN_OTHER, 0, 0, 0, 4},
	{"mov esi, 11", {0xbe, 0x0b}, 5, INSN_CONSTANT, 11, 0, 6, 0},
	{"movabs rax, imm64", {0x48, 0xb8}, 10, INSN_CONSTANT, 0, 0, 0, 0},
	{"mov ax, imm16", {0x66, 0xb8}, 4, INSN_CONSTANT, 0, 0, 0, 0},
	{"test edi, imm32", {0xf7, 0xc7}, 6, INSN_OTHER, 0, 0, 0, 0},
	{"neg edi", {0xf7, 0xdf}, 2, INSN_OTHER, 0, 0, 0, 0},
	{"test byte [rdi], imm8", {0xf6, 0x07, 0x01}, 3, INSN_LOAD, 0, 0, 7, 4},
	{"nopw cs:[rax+rax+0]", {0x66, 0x2e, 0x0f, 0x1f, 0x84}, 10, INSN_OTHER, 0, 0, 0, 0},
	{"vzeroupper", {0xc5, 0xf8, 0x77}, 3, INSN_OTHER, 0, 0, 0, 0},
	{"vpalignr xmm, xmm, [rax], 4",
	 {0xc4, 0xe3, 0x71, 0x0f, 0x00, 0x04},
	 6,
	 INSN_OTHER,
	 0,
	 0,
	 0,
	 0},
	{"vmovdqu64 zmm0, [rdi]", {0x62, 0xf1, 0xfe, 0x48, 0x6f, 0x07}, 6, INSN_OTHER, 0, 0, 0, 0},
	{"pshufd xmm0, xmm0, 1", {0x66, 0x0f, 0x70, 0xc0, 0x01}, 5, INSN_OTHER, 0, 0, 0, 0},
	{"enter 16, 0", {0xc8, 0x10}, 4, INSN_OTHER, 0, 0, 0, 0},
	{"movabs al, [moffs]", {0xa0}, 9, INSN_OTHER, 0, 0, 0, 0},
	{"invalid in 64-bit mode", {0x06}, 0, INSN_OTHER, 0, 0, 0, 0},
};

static void check(const struct arch *arch, const struct sample *s, struct arch_state *st)
{
	struct insn i;
	size_t n = arch->decode(s->code, sizeof(s->code), AT, st, &i);

	print_message("# %s\n", s->what);
	assert_int_equal(n, s->length);
	if (n == 0)
		return;
	assert_int_equal(i.kind, s->kind);
	if (s->kind == INSN_OTHER)
		return;
	assert_int_equal(i.target, s->target);
	assert_int_equal(i.disp, s->disp);
	assert_int_equal(i.reg, s->reg);
	if (s->kind == INSN_LOAD || s->kind == INSN_STORE)
		assert_int_equal(i.width, s->width);
}

static void x86_decodes(void **state)
{
	struct arch_state st;

	(void)state;
	arch_begin(&st);
	for (size_t k = 0; k < ARRAY_LEN(x86); k++)
		check(&arch_x86_64, &x86[k], &st);
}

/* No instruction may be read past its end, and none is longer than what is there. */
static void x86_stays_inside(void **state)
{
	struct arch_state st;
	struct insn i;

	(void)state;
	arch_begin(&st);
	for (size_t k = 0; k < ARRAY_LEN(x86); k++)
		for (size_t n = 1; n < x86[k].length; n++) {
			_cleanup_free_ uint8_t *copy = malloc(n);

			assert_non_null(copy);
			memcpy(copy, x86[k].code, n);
			/* a prefix of it may be an instruction, too */
			assert_true(arch_x86_64.decode(copy, n, AT, &st, &i) <= n);
		}
}

static void x86_follows_copies(void **state)
{
	static const struct {
		uint8_t code[8], source, copied;
	} samples[] = {
		{{0x4d, 0x89, 0xce}, 9, 8},		      /* mov r14, r9 */
		{{0x45, 0x89, 0xce}, 9, 4},		      /* mov r14d, r9d */
		{{0x44, 0x89, 0x4c, 0x24, 0x18}, 9, 4},	      /* mov [rsp+0x18], r9d */
		{{0x4c, 0x89, 0x4c, 0x24, 0x18}, 9, 8},	      /* mov [rsp+0x18], r9 */
		{{0x4d, 0x8b, 0xf1}, 9, 8},		      /* the other way to write the first */
		{{0x4c, 0x8b, 0x4c, 0x24, 0x18}, 0, 0},	      /* mov r9, [rsp+0x18] */
		{{0x66, 0x89, 0xf8}, 0, 0},		      /* mov ax, di */
		{{0xb8, 0x01}, 0, 0},			      /* mov eax, 1 */
		{{0x0f, 0x89, 0x01, 0x00, 0x00, 0x00}, 0, 0}, /* jns */
	};
	struct arch_state st;
	struct insn i;

	(void)state;
	arch_begin(&st);
	for (size_t k = 0; k < ARRAY_LEN(samples); k++) {
		assert_true(arch_x86_64.decode(samples[k].code, 8, AT, &st, &i) > 0);
		assert_int_equal(i.copied, samples[k].copied);
		assert_int_equal(i.source, samples[k].source);
	}
}

static struct insn arm(struct arch_state *st, uint64_t vaddr, uint32_t word)
{
	struct insn i;

	assert_int_equal(arch_aarch64.decode((const uint8_t *)&word, 4, vaddr, st, &i), 4);
	return i;
}

static void arm_follows_addresses(void **state)
{
	struct arch_state st;
	struct insn i;

	(void)state;
	arch_begin(&st);
	arm(&st, 0x1000, 0xb0000000);	  /* adrp x0, 0x2000 */
	i = arm(&st, 0x1004, 0x91004000); /* add x0, x0, #0x10 */
	assert_int_equal(i.kind, INSN_ADDRESS);
	assert_int_equal(i.target, 0x2010);
	assert_int_equal(i.anchor, 0);
	i = arm(&st, 0x1008, 0x91008003); /* add x3, x0, #0x20: x0 was an anchor */
	assert_int_equal(i.target, 0x2030);
	assert_int_equal(i.anchor, 0x2010);
	assert_int_equal(i.reg, 3);
	arm(&st, 0x100c, 0x94000000);	  /* bl: x0 is gone */
	i = arm(&st, 0x1010, 0x91008003); /* add x3, x0, #0x20 */
	assert_int_equal(i.kind, INSN_FIELD);
	assert_int_equal(i.disp, 0x20);
}

static void arm_follows_branches(void **state)
{
	struct arch_state st;
	struct insn i;

	(void)state;
	arch_begin(&st);
	arm(&st, 0x1000, 0xb0000013);	  /* adrp x19, 0x2000 */
	i = arm(&st, 0x1004, 0xb4000060); /* cbz x0, 0x1010 */
	assert_int_equal(i.kind, INSN_BRANCH);
	assert_int_equal(i.target, 0x1010);
	arm(&st, 0x1008, 0xd2800013);	  /* mov x19, #0 */
	arm(&st, 0x100c, 0xd65f03c0);	  /* ret */
	i = arm(&st, 0x1010, 0x91004263); /* add x3, x19, #0x10: as it was at the branch */
	assert_int_equal(i.kind, INSN_ADDRESS);
	assert_int_equal(i.target, 0x2010);
}

static void arm_fetches(void **state)
{
	struct arch_state st;
	struct insn i;

	(void)state;
	arch_begin(&st);
	arm(&st, 0x1000, 0xb0000000);	  /* adrp x0, 0x2000 */
	i = arm(&st, 0x1004, 0xf9400803); /* ldr x3, [x0, #0x10] */
	assert_int_equal(i.kind, INSN_FETCH);
	assert_int_equal(i.target, 0x2010);
	assert_int_equal(i.reg, 3);
	i = arm(&st, 0x1008, 0xf9400863); /* ldr x3, [x3, #0x10]: what was fetched is not known */
	assert_int_equal(i.kind, INSN_LOAD);
}

/* A call through a register comes back; ret does not. */
static void arm_tells_calls_from_returns(void **state)
{
	struct arch_state st;

	(void)state;
	arch_begin(&st);
	assert_int_equal(arm(&st, AT, 0xd63f0100).kind, INSN_OTHER); /* blr x8 */
	assert_false(st.unreached);
	assert_int_equal(arm(&st, AT, 0xd65f03c0).kind, INSN_END); /* ret */
	assert_true(st.unreached);
	assert_int_equal(arm(&st, AT, 0xd61f0100).kind, INSN_END); /* br x8 */
	assert_int_equal(arm(&st, AT, 0xd4200020).kind, INSN_END); /* brk #1 */
}

static void arm_reads_fields(void **state)
{
	struct arch_state st;
	struct insn i;

	(void)state;
	arch_begin(&st);
	i = arm(&st, AT, 0xb94b7001); /* ldr w1, [x0, #0xb70] */
	assert_int_equal(i.kind, INSN_LOAD);
	assert_int_equal(i.disp, 0xb70);
	assert_int_equal(i.width, 4);
	i = arm(&st, AT, 0xb90b7001); /* str w1, [x0, #0xb70] */
	assert_int_equal(i.kind, INSN_STORE);
	i = arm(&st, AT, 0xa9400801); /* ldp x1, x2, [x0] */
	assert_int_equal(i.kind, INSN_LOAD);
	assert_int_equal(i.width, 8);
	i = arm(&st, AT, 0x29410802); /* ldp w2, w2, [x0, #8] */
	assert_int_equal(i.kind, INSN_LOAD);
	assert_int_equal(i.disp, 8);
	assert_int_equal(i.width, 4);
	i = arm(&st, AT, 0xf94007e0); /* ldr x0, [sp, #8] */
	assert_int_equal(i.kind, INSN_OTHER);
	i = arm(&st, AT, 0x910043e0); /* add x0, sp, #0x10 */
	assert_int_equal(i.kind, INSN_OTHER);
	i = arm(&st, AT, 0x52800161); /* mov w1, #11 */
	assert_int_equal(i.kind, INSN_CONSTANT);
	assert_int_equal(i.target, 11);
	assert_int_equal(i.reg, 1);
}

static void arm_follows_copies(void **state)
{
	static const struct {
		uint32_t word;
		uint8_t source, copied;
	} samples[] = {
		{0xaa0503f4, 5, 8}, /* mov x20, x5 */
		{0x2a0503f4, 5, 4}, /* mov w20, w5 */
		{0x12001cb4, 5, 4}, /* and w20, w5, #0xff */
		{0xf90007e5, 5, 8}, /* str x5, [sp, #8] */
		{0xb9000be5, 5, 4}, /* str w5, [sp, #8] */
		{0xf94007e5, 0, 0}, /* ldr x5, [sp, #8] */
		{0x8b0500b4, 0, 0}, /* add x20, x5, x5 */
	};
	struct arch_state st;

	(void)state;
	arch_begin(&st);
	for (size_t k = 0; k < ARRAY_LEN(samples); k++) {
		struct insn i = arm(&st, AT, samples[k].word);

		assert_int_equal(i.copied, samples[k].copied);
		assert_int_equal(i.source, samples[k].source);
	}
}

static void only_known_machines(void **state)
{
	(void)state;
	assert_ptr_equal(arch_of(EM_X86_64), &arch_x86_64);
	assert_ptr_equal(arch_of(EM_AARCH64), &arch_aarch64);
	assert_null(arch_of(EM_386));
	assert_null(arch_of(EM_RISCV));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(x86_decodes),
		cmocka_unit_test(x86_stays_inside),
		cmocka_unit_test(x86_follows_copies),
		cmocka_unit_test(arm_follows_addresses),
		cmocka_unit_test(arm_follows_branches),
		cmocka_unit_test(arm_tells_calls_from_returns),
		cmocka_unit_test(arm_reads_fields),
		cmocka_unit_test(arm_follows_copies),
		cmocka_unit_test(arm_fetches),
		cmocka_unit_test(only_known_machines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
