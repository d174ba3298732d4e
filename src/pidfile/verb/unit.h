/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the running systemd says of a service, as systemctl tells it. */
#ifndef SVCTRACE_UNIT_SHOW_H
#define SVCTRACE_UNIT_SHOW_H

#include <sys/types.h>

struct unit_facts {
	char *text; /* of systemctl; what is below points into it, "" where it says nothing */
	const char *id, *load_state, *type, *sub_state, *pid_file, *control_group;
	pid_t main_pid, control_pid; /* 0: none */
};

/*
 * Runs systemctl, at most half a minute. unit has its suffix. -ENOENT: there is no systemctl, -EIO:
 * it failed (and has said why on stderr), -ETIMEDOUT, -EBADMSG: it said something else. The caller
 * frees with unit_facts_done().
 */
int unit_show(const char *unit, struct unit_facts *ret);
void unit_facts_done(struct unit_facts *u);

#endif
