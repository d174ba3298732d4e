/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * systemd exports service_vtable, socket_vtable, mount_vtable…, one struct UnitVTable each. What a
 * slot is for depends on the release, but is the same in all: if it holds socket_active_state() and
 * mount_active_state(), then service_vtable's holds service_active_state(). Where they are not
 * exported, a function may still be between two of its type.
 */
#ifndef SVCTRACE_ELF_SLOTS_H
#define SVCTRACE_ELF_SLOTS_H

#include "elf/reference.h"

struct slots {
	const struct symtab *symtab;
	const struct pointers *pointers;
	const struct reference *reference;
};

/* Fills vaddr, size, origin, status and reason; 0 or -ENOENT (then ret is as before). */
int slots_find(const struct slots *s, const char *name, struct sym *ret);

#endif
