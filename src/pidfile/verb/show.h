/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* svctrace pidfile: what is shown of a check. */
#ifndef SVCTRACE_PIDFILE_SHOW_H
#define SVCTRACE_PIDFILE_SHOW_H

#include "svctrace/pidfile.h"

/* type: Type= of the service, NULL if not known. -ENOMEM, or what writing failed with. */
int pidfile_show_text(const struct pidfile_query *q, const struct pidfile_check *c,
		      const char *type);
int pidfile_show_json(const struct pidfile_query *q, const struct pidfile_check *c,
		      const char *type);

#endif
