/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The system calls that send signals: their numbers differ between architectures. */
#ifndef SVCTRACE_ENGINE_SYSCALLS_H
#define SVCTRACE_ENGINE_SYSCALLS_H

#include "svctrace/event.h"

enum arch {
	ARCH_UNKNOWN, /* then every architecture's numbers count */
	ARCH_X86_64,
	ARCH_AARCH64,
};

/* As uname(2) calls the machine. */
enum arch arch_parse(struct str name);
/* "kill", "pidfd_send_signal"; NULL: that system call does not send signals. */
const char *syscall_kill_name(enum arch arch, int32_t nr);
bool syscall_is_write(enum arch arch, int32_t nr);

#endif
