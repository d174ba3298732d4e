/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Why a manager makes a job of its own accord, as the call chain of manager_add_job() tells. */
#ifndef SVCTRACE_ENGINE_REASON_H
#define SVCTRACE_ENGINE_REASON_H

#include "engine/job.h"

/* The ADD_JOB event, and the call chain that led to it. */
enum root_reason reason_of_job(const struct ev_stack *stack, const struct ev *e);
/* The unit whose end is told is no service or scope: a mount, a device, a socket … */
bool reason_is_other_unit(const struct ev_stack *stack);

#endif
