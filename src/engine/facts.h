/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How a service is configured and where it stands, kept until its manager's next decision. */
#ifndef SVCTRACE_ENGINE_FACTS_H
#define SVCTRACE_ENGINE_FACTS_H

#include "engine/word.h"
#include "svctrace/engine.h"

struct facts {
	/* As the event had it, but id and words, which are below; "": not known. */
	struct ev_facts f;
	char id[WIRE_ID_MAX];
	char restart[WORD_MAX], restart_mode[WORD_MAX], type[WORD_MAX];
	char start_limit_action[WORD_MAX], failure_action[WORD_MAX], success_action[WORD_MAX];
	uint32_t tid;
	struct proof proof; /* seq 0: there are none */
};

/* Replaces what was known. 0 or -ENOMEM. */
int facts_learn(struct facts *f, const struct ev *e);
void facts_done(struct facts *f);
/* Whether they are about the unit of that event, and came just before it. */
bool facts_are_of(const struct facts *f, const struct ev *e);
/* dst takes over what src holds. */
void facts_move(struct facts *dst, struct facts *src);

/* Whether the set names how a process ended (CLD_*, and status or signal). */
bool exit_set_has(const struct ev_exit_set *s, int32_t code, int32_t status);

#endif
