/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The resolver's parts, and the whole on this very test program. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "elf/bus.h"
#include "elf/symtab.h"
#include "svctrace/symbol.h"

static void suffixes_are_cut(void **state)
{
	struct symtab t = {0};
	const struct symbol *s;
	size_t n;

	(void)state;
	assert_int_equal(symtab_add(&t, "a.lto_priv.0", 1, 1, true, SYM_ORIGIN_SYMTAB), 0);
	assert_int_equal(symtab_add(&t, "b.part.0.lto_priv.0", 2, 1, true, SYM_ORIGIN_SYMTAB), 0);
	assert_int_equal(symtab_add(&t, "c.constprop.0", 3, 1, true, SYM_ORIGIN_SYMTAB), 0);
	assert_int_equal(symtab_add(&t, "c", 4, 1, true, SYM_ORIGIN_SYMTAB), 0);
	assert_int_equal(symtab_add(&t, "d.cold", 5, 1, true, SYM_ORIGIN_SYMTAB), 0);
	assert_int_equal(symtab_add(&t, "e@@VERSION", 6, 1, true, SYM_ORIGIN_DYNSYM), 0);
	assert_int_equal(symtab_sort(&t), 0);

	s = symtab_find(&t, "a", &n);
	assert_true(s && n == 1 && !s->is_clone);
	s = symtab_find(&t, "b", &n);
	assert_true(s && n == 1 && s->is_clone);
	s = symtab_find(&t, "c", &n);
	assert_true(s && n == 2 && !s[0].is_clone && s[0].vaddr == 4 && s[1].is_clone);
	assert_null(symtab_find(&t, "d", &n));
	assert_non_null(symtab_find(&t, "e", &n));
	symtab_done(&t);
}

static void addresses_are_found(void **state)
{
	struct symtab t = {0};

	(void)state;
	assert_int_equal(symtab_add(&t, "low", 0x10, 8, true, SYM_ORIGIN_SYMTAB), 0);
	assert_int_equal(symtab_add(&t, "high", 0x20, 8, true, SYM_ORIGIN_SYMTAB), 0);
	assert_int_equal(symtab_add(&t, "data", 0x1c, 8, false, SYM_ORIGIN_SYMTAB), 0);
	assert_int_equal(symtab_sort(&t), 0);
	assert_string_equal(symtab_at(&t, 0x20, SYM_ORIGIN_SYMTAB)->name, "high");
	assert_null(symtab_at(&t, 0x20, SYM_ORIGIN_DYNSYM));
	assert_null(symtab_at(&t, 0x1c, SYM_ORIGIN_SYMTAB));
	assert_string_equal(symtab_covering(&t, 0x17)->name, "low");
	assert_null(symtab_covering(&t, 0x18));
	assert_null(symtab_covering(&t, 0x0f));
	symtab_done(&t);
}

static void methods_are_recognised(void **state)
{
	(void)state;
	assert_true(bus_method_is_called("StopUnit", "method_stop_unit"));
	assert_true(bus_method_is_called("Stop", "bus_unit_method_stop"));
	assert_false(bus_method_is_called("Stop", "bus_unit_method_stop_all"));
	assert_false(bus_method_is_called("StopUnit", "method_stopunit"));
	assert_false(bus_method_is_called("StopUnit", "method_stop"));
	assert_false(bus_method_is_called("StopUnit", "stop_unit"));
	assert_false(bus_method_is_called("", "method_x"));
}

/* Known to the symbol table only: static, and not to be inlined. */
static __attribute__((noinline)) int find_me(int x)
{
	__asm__ volatile("" : "+r"(x));
	return x;
}

static __attribute__((noinline)) const char *take_both(int n, const char *s)
{
	__asm__ volatile("" : "+r"(n), "+r"(s));
	return n > 0 ? s : NULL;
}

static void arguments_have_a_width(void **state)
{
	_cleanup_(symbols_freep) struct symbols *s = NULL;
	struct sym_error err;

	(void)state;
	assert_null(take_both(0, ""));
	assert_int_equal(symbols_load("/proc/self/exe", NULL, &s, &err), 0);
	/* A compiler may leave either where it is, but does not take an int for a pointer. */
	assert_int_not_equal(symbols_argument_width(s, "take_both", 0), 8);
	assert_int_not_equal(symbols_argument_width(s, "take_both", 1), 4);
	assert_int_equal(symbols_argument_width(s, "take_both", 6), -ENOENT);
	assert_int_equal(symbols_argument_width(s, "no-such-function", 0), -ENOENT);
}

static void this_program(void **state)
{
	_cleanup_(symbols_freep) struct symbols *s = NULL;
	struct sym_object o;
	struct sym_error err;
	struct sym sym, at;
	uint64_t vaddr;

	(void)state;
	assert_int_equal(find_me(3), 3);
	assert_int_equal(symbols_object_of_pid(getpid(), &o, &err), 0);
	assert_false(o.replaced);
	assert_int_equal(symbols_load(o.open_path, NULL, &s, &err), 0);
	assert_int_equal(symbols_find(s, "find_me", &sym), 0);
	assert_int_equal(sym.status, SYM_FOUND);
	assert_int_equal(sym.origin, SYM_ORIGIN_SYMTAB);
	/* where it really is */
	assert_int_equal(sym.vaddr + o.base, (uintptr_t)find_me);
	assert_int_equal(symbols_at(s, sym.vaddr + 1, &at), 0);
	assert_string_equal(at.name, "find_me");
	assert_int_equal(symbols_vaddr_of_offset(s, sym.file_offset, &vaddr), 0);
	assert_int_equal(vaddr, sym.vaddr);
	assert_int_equal(symbols_find(s, "no-such-function", &sym), -ENOENT);
	assert_int_equal(sym.status, SYM_MISSING);
	assert_null(symbols_enum(s, "NoSuchEnum"));
	assert_int_equal(symbols_enum_value(s, "NoSuchEnum", "dead"), -ENOENT);
	assert_null(symbols_enum_name(s, "ServiceResult", -1));
	assert_true(strlen(symbols_build_id(s)) % 2 == 0);
	sym_object_done(&o);
}

static void users_come_last(void **state)
{
	struct sym_user user[] = {{"find_me", 0x10}, {"given", 0}, {"nowhere", UINT64_MAX}};
	struct symbols_options options = {.user = user, .n_user = ARRAY_LEN(user)};
	_cleanup_(symbols_freep) struct symbols *s = NULL;
	struct sym_error err;
	struct sym sym;

	(void)state;
	assert_int_equal(symbols_load("/proc/self/exe", NULL, &s, &err), 0);
	assert_int_equal(symbols_find(s, "find_me", &sym), 0);
	user[1].vaddr = sym.vaddr;
	symbols_free(take_ptr(s));
	assert_int_equal(symbols_load("/proc/self/exe", &options, &s, &err), 0);
	assert_int_equal(symbols_find(s, "find_me", &sym), 0);
	assert_int_equal(sym.origin, SYM_ORIGIN_SYMTAB);
	assert_int_equal(symbols_find(s, "given", &sym), 0);
	assert_int_equal(sym.origin, SYM_ORIGIN_USER);
	assert_int_equal(symbols_find(s, "nowhere", &sym), -ENOENT);
}

static void errors_are_one_line(void **state)
{
	static const char *const paths[] = {"/nonexistent", "/", "/dev/null", "/etc/passwd"};
	struct symbols *s = NULL;
	struct sym_error err;
	struct sym_object o;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		assert_true(symbols_load(paths[i], NULL, &s, &err) < 0);
		assert_true(*err.text && !strchr(err.text, '\n'));
		assert_null(s);
	}
	assert_true(symbols_load_memory("\177ELF", 4, NULL, &s, &err) < 0);
	assert_true(symbols_load_memory("", 0, NULL, &s, &err) < 0);
	assert_int_equal(symbols_object_of_pid(999999999, &o, &err), -ESRCH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(suffixes_are_cut),	  cmocka_unit_test(addresses_are_found),
		cmocka_unit_test(methods_are_recognised), cmocka_unit_test(arguments_have_a_width),
		cmocka_unit_test(this_program),		  cmocka_unit_test(users_come_last),
		cmocka_unit_test(errors_are_one_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
