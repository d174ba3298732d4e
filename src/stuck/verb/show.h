/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* svctrace stuck: what was found, for people and for programs. */
#ifndef SVCTRACE_STUCK_SHOW_H
#define SVCTRACE_STUCK_SHOW_H

#include "svctrace/render.h"
#include "svctrace/stuck.h"

/* What came of --abort, for each hang of the report. */
enum stuck_abort {
	STUCK_ABORT_NONE, /* not tried */
	STUCK_ABORT_FREED,
	STUCK_ABORT_FAILED,
};

/* -ENOMEM, or what writing to stdout failed with. */
int stuck_show_text(const struct stuck_snapshot *s, const struct stuck_report *report,
		    const struct render_options *o);
/* aborts: as many as there are hangs. */
int stuck_show_json(const struct stuck_snapshot *s, const struct stuck_report *report,
		    const enum stuck_abort *aborts);

#endif
