/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The resolver on broken ELF objects: it may fail, in one line, and nothing else. */
#include <assert.h>
#include <string.h>

#include "svctrace/symbol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int look_up(void *ctx, const struct sym *sym)
{
	struct sym at;

	assert(sym->status == SYM_FOUND);
	(void)symbols_at(ctx, sym->vaddr, &at);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(symbols_freep) struct symbols *s = NULL;
	struct sym_error err;
	int r;

	r = symbols_load_memory(data, size, NULL, &s, &err);
	if (r < 0) {
		assert(*err.text && !strchr(err.text, '\n'));
		return 0;
	}
	(void)symbols_each(s, look_up, s);
	for (size_t i = 0; sym_needed_functions[i]; i++) {
		struct sym sym;

		(void)symbols_find(s, sym_needed_functions[i], &sym);
		(void)symbols_argument_width(s, sym_needed_functions[i], i % 7);
	}
	for (size_t i = 0; sym_needed_offsets[i]; i++) {
		struct sym_offset offset;

		(void)symbols_offset_info(s, sym_needed_offsets[i], &offset);
	}
	for (size_t i = 0; sym_needed_enums[i]; i++)
		(void)symbols_enum_name(s, sym_needed_enums[i], 1);
	return 0;
}
