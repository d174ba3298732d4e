/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What systemd does with a service that has ended, and by which rule: its own decision, made again
 * from what it was made from, and held against what systemd then did.
 */
#ifndef SVCTRACE_ENGINE_RESTART_H
#define SVCTRACE_ENGINE_RESTART_H

#include "engine/facts.h"

/* What service_enter_dead() decides by. */
struct ending {
	bool seen;	    /* it ran, and the rest is known */
	bool allow_restart; /* its argument */
	uint64_t mono_ns;
	char reason[WORD_MAX];	 /* its other argument; "": not known */
	char result[WORD_MAX];	 /* of the service, from then on */
	char job_type[WORD_MAX]; /* "": no job */
	struct facts facts;
};

/* service_enter_dead: facts are those that came before it, and are taken over if they are its. */
void ending_learn(struct ending *x, const struct ev *e, struct facts *facts);
void ending_done(struct ending *x);
/* Whether a restart is due, as far as is known. */
bool ending_may_restart(const struct ending *x);

/*
 * systemd took this emergency action: is it because of how the stop of v ended? 0: no; 1: yes, and
 * it is kept; -ENOMEM.
 */
int restart_learn_action(struct verdict *v, const struct ending *x, const char *action,
			 const struct proof *p);
/* Whether an action is due, as far as is known, and has not been seen. */
bool restart_awaits_action(const struct verdict *v, const struct ending *x);

/* The stop of v has ended: fills v->restart. 0 or -ENOMEM. */
int restart_explain(struct verdict *v, struct ending *x);
void restart_done(struct verdict_restart *r);

#endif
