/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The verdicts of a whole recording, for the verbs that compare them. */
#ifndef SVCTRACE_OUTCOME_H
#define SVCTRACE_OUTCOME_H

#include "svctrace/expect.h"

/*
 * Reads it to its end. 0; 1: it is damaged or was cut off, and these are the verdicts of what is
 * whole; negative errno, and it has said why.
 */
int outcomes_read(const char *file, struct outcomes *ret);

#endif
