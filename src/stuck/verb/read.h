/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Making a snapshot for svctrace stuck. */
#ifndef SVCTRACE_STUCK_READ_H
#define SVCTRACE_STUCK_READ_H

#include "svctrace/stuck.h"

/* Units that are being stopped or have failed; no_units if systemd does not answer in time. */
int stuck_read_units(struct stuck_snapshot *s);
/*
 * Every task, in order; after the units. Neither this nor what follows reads a file of /proc that
 * waits for a task's memory, as cmdline does: it would hang with the task.
 */
int stuck_read_tasks(struct stuck_snapshot *s);
/* What more there is to know of those that were told to end; after stuck_compare(). */
int stuck_read_details(struct stuck_snapshot *s);
/* Fills in connections and holders. */
int stuck_read_fuse(struct stuck_snapshot *s);

/* Asks the kernel to end that connection. */
int stuck_abort_fuse(unsigned int connection);

#endif
