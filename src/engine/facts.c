/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <signal.h>
#include <string.h>

#include "engine/facts.h"
#include "engine/unit.h"
#include "engine/verdict.h"

int facts_learn(struct facts *f, const struct ev *e)
{
	const struct ev_facts *x = &e->facts;

	facts_done(f);
	f->f = *x;
	id_copy(f->id, x->id);
	word_copy(f->restart, x->restart);
	word_copy(f->restart_mode, x->restart_mode);
	word_copy(f->type, x->type);
	word_copy(f->start_limit_action, x->start_limit_action);
	word_copy(f->failure_action, x->failure_action);
	word_copy(f->success_action, x->success_action);
	/* what the event pointed to goes with it */
	f->f.id = (struct str){};
	f->f.restart = f->f.restart_mode = f->f.type = f->f.oom_policy = NULL;
	f->f.start_limit_action = f->f.failure_action = f->f.success_action = NULL;
	f->tid = e->tid;
	return proof_set(&f->proof, e);
}

void facts_done(struct facts *f)
{
	proof_done(&f->proof);
	*f = (struct facts){};
}

bool facts_are_of(const struct facts *f, const struct ev *e)
{
	return f->proof.seq && f->tid == e->tid && f->f.unit == e->service.unit &&
	       str_equal(e->service.id, f->id);
}

void facts_move(struct facts *dst, struct facts *src)
{
	facts_done(dst);
	*dst = *src;
	*src = (struct facts){};
}

bool exit_set_has(const struct ev_exit_set *s, int32_t code, int32_t status)
{
	uint32_t n = (uint32_t)status;

	if (!s->known)
		return false;
	if (code == CLD_EXITED)
		return n < WIRE_EXIT_STATUSES && s->status[n / 64] >> n % 64 & 1;
	if (code == CLD_KILLED || code == CLD_DUMPED)
		return n < WIRE_EXIT_SIGNALS && s->signal[n / 64] >> n % 64 & 1;
	return false;
}
