/* SPDX-License-Identifier: (LGPL-2.1-or-later OR BSD-2-Clause) */
/* The user's registers in the order of DWARF's numbers, the program counter behind them. */
#ifndef SVCTRACE_REGS_BPF_H
#define SVCTRACE_REGS_BPF_H

#if defined(__TARGET_ARCH_x86)
#include "regs_x86_64.bpf.h"
#elif defined(__TARGET_ARCH_arm64)
#include "regs_aarch64.bpf.h"
#else
#error "which registers has this machine, and what are their numbers in DWARF?"
#endif

_Static_assert(N_REGS <= WIRE_REGS_MAX, "WIRE_REGS_MAX is too small");

#endif
