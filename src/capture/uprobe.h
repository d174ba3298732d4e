/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A probe in a program's code, by the best way that the kernel has. */
#ifndef SVCTRACE_UPROBE_H
#define SVCTRACE_UPROBE_H

#include <stdbool.h>
#include <stdint.h>

struct bpf_link;
struct bpf_program;

struct uprobe {
	struct bpf_link *link; /* a perf event's; NULL: none */
	int fd;		       /* a link of its own; -1: none */
};

/* Does this kernel have links for uprobes? Then they take no CAP_SYS_ADMIN. Asks it once. */
bool uprobe_by_link(void);
/* Before a program is loaded that uprobe_attach() is to be called with. */
void uprobe_prepare(struct bpf_program *prog);
/* At that offset of the file. Negative errno. */
int uprobe_attach(struct uprobe *u, const struct bpf_program *prog, const char *path,
		  uint64_t offset, bool is_return);
void uprobe_detach(struct uprobe *u);

#endif
