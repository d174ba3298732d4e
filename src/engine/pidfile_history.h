/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a manager read from a unit's PID file since it started. */
#ifndef SVCTRACE_ENGINE_PIDFILE_HISTORY_H
#define SVCTRACE_ENGINE_PIDFILE_HISTORY_H

#include "engine/unit.h"

/* A load, a look or a result, of that unit. *h is made with the first load. -ENOMEM. */
int pidfile_history_learn(struct pidfile_history **h, const struct ev *e, const struct manager *m);
/* The last load, if it was refused; else NULL. */
const struct pidfile_load *pidfile_history_refused(const struct pidfile_history *h);
int pidfile_load_cite(const struct pidfile_load *l, struct verdict *v);
/* A hand-over that was refused since then is part of how the stop came about. */
int pidfile_history_explain(const struct pidfile_history *h, struct verdict *v, uint64_t since_ns);
void pidfile_history_freep(struct pidfile_history **h);

#endif
