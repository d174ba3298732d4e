/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What may hang, since it looks at files and memory of others, is done in a process of its own. It
 * is waited for so long and no longer. At most one is left behind at a time: it cannot be killed
 * while it hangs, and ends when what it hangs in does.
 */
#ifndef SVCTRACE_HELPER_H
#define SVCTRACE_HELPER_H

#include <stdbool.h>
#include <sys/types.h>

struct helper {
	pid_t child; /* 0: none */
	int fd;	     /* to it: packets */
	pid_t late;  /* one that did not answer in time, and may not have ended yet; 0: none */
};

/* All that a helper has open: its end, and what it is to keep. */
#define HELPER_FD   3
#define HELPER_KEPT 4

/* As fork(2): 0 in the helper. Negative errno. Only if there is none. keep: -1: nothing. */
int helper_start(struct helper *h, int keep);
/* It has answered and ends, or has to. */
void helper_dismiss(struct helper *h, bool answered);
/* svctrace ends. */
void helper_done(struct helper *h);

#endif
