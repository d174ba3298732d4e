/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stddef.h>

#include "svctrace/cleanup.h"
#include "elf/arch.h"

const struct arch *arch_of(uint16_t machine)
{
	static const struct arch *const known[] = {&arch_x86_64, &arch_aarch64};

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (known[i]->machine == machine)
			return known[i];
	return NULL;
}
