/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The parts of a verdict as JSON that have files of their own. */
#ifndef SVCTRACE_RENDER_VERDICT_JSON_H
#define SVCTRACE_RENDER_VERDICT_JSON_H

#include "render/json.h"
#include "svctrace/engine.h"

/* render_pidfile.c */
json_t *pidfiles_json(const struct verdict *v);
json_t *hand_over_json(const struct verdict *v);

#endif
