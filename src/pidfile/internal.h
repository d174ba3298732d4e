/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the parts of a PID file's check share. */
#ifndef SVCTRACE_PIDFILE_INTERNAL_H
#define SVCTRACE_PIDFILE_INTERNAL_H

#include "svctrace/pidfile.h"

/* The kernel's own way, absolute links included, without leaving the root. */
int pidfile_open_below(int root_fd, const char *path, int flags);

/* The process as the root's proc/ tells it; a state of its own when there is no proc/. */
int pidfile_process_read(int root_fd, pid_t pid, struct pidfile_process *ret);
void pidfile_process_done(struct pidfile_process *p);
bool pidfile_process_is_of(const struct pidfile_process *p, const struct pidfile_service *s);
/* A process of the service whose PID, in decimal, begins with that one; 0 if there is none. */
pid_t pidfile_process_longer(int root_fd, pid_t pid, const struct pidfile_service *s);

/* The sentences: why, what systemd would log, what would mend it. -ENOMEM. */
int pidfile_explain(const struct pidfile_query *q, struct pidfile_check *c);

#endif
