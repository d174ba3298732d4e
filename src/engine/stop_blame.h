/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who is behind the stop of a unit, kept with the signals that its manager sends in it: a process
 * of that unit may be another one's main process.
 */
#ifndef SVCTRACE_ENGINE_STOP_BLAME_H
#define SVCTRACE_ENGINE_STOP_BLAME_H

#include "svctrace/engine.h"

/* The verdict as it was at the first signal: the unit, who, why and the proof, and nothing else. */
struct stop_blame {
	unsigned int n_ref;
	struct verdict v;
};

/* NULL: out of memory. */
struct stop_blame *stop_blame_new(const struct verdict *v);
struct stop_blame *stop_blame_ref(struct stop_blame *b);
void stop_blame_unref(struct stop_blame *b);

/* Whoever is behind that stop is behind this one: v has nobody yet. */
int stop_blame_copy(struct verdict *v, const struct verdict *from);

#endif
