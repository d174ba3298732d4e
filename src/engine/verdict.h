/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Putting a verdict together. */
#ifndef SVCTRACE_ENGINE_VERDICT_H
#define SVCTRACE_ENGINE_VERDICT_H

#include "svctrace/cleanup.h"
#include "svctrace/engine.h"

#define PROOF_TEXT_MAX 512

/* p is empty before. */
int proof_set(struct proof *p, const struct ev *e);
int proof_copy(struct proof *dst, const struct proof *src);
void proof_done(struct proof *p);

/* Frees what v holds and leaves it empty. */
void verdict_done(struct verdict *v);
/* Nobody asked, and no job did it. */
void verdict_forget_request(struct verdict *v);
/* An unset proof (seq 0) and one that v has already are left out. */
int verdict_cite(struct verdict *v, const struct proof *p);
int verdict_cite_event(struct verdict *v, const struct ev *e);
/* By sequence number. */
void verdict_sort_proof(struct verdict *v);
/* What does not fit is left out: a note is a help, not evidence. */
_printf_(2, 3) int verdict_note(struct verdict *v, const char *format, ...);
/* function: a string that lasts. */
void verdict_via(struct verdict *v, const char *function);
/* Appends to the path; a step after another one gets an arrow in between. */
_printf_(2, 3) int verdict_step(struct verdict *v, const char *format, ...);
/* No better than c. */
void certainty_limit(enum certainty *certainty, enum certainty c);

#endif
