/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/syscalls.h"
#include "svctrace/cleanup.h"

static const struct {
	const char *name;
	int32_t x86_64, aarch64;
} calls[] = {
	{"kill", 62, 129},
	{"tkill", 200, 130},
	{"tgkill", 234, 131},
	{"rt_sigqueueinfo", 129, 138},
	{"rt_tgsigqueueinfo", 297, 240},
	{"pidfd_send_signal", 424, 424},
};

#define WRITE_X86_64  1
#define WRITE_AARCH64 64

enum arch arch_parse(struct str name)
{
	if (str_equal(name, "x86_64"))
		return ARCH_X86_64;
	return str_equal(name, "aarch64") ? ARCH_AARCH64 : ARCH_UNKNOWN;
}

const char *syscall_kill_name(enum arch arch, int32_t nr)
{
	for (size_t i = 0; i < ARRAY_LEN(calls); i++)
		if ((arch != ARCH_AARCH64 && calls[i].x86_64 == nr) ||
		    (arch != ARCH_X86_64 && calls[i].aarch64 == nr))
			return calls[i].name;
	return NULL;
}

bool syscall_is_write(enum arch arch, int32_t nr)
{
	return (arch != ARCH_AARCH64 && nr == WRITE_X86_64) ||
	       (arch != ARCH_X86_64 && nr == WRITE_AARCH64);
}
