/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The verbs, and what they share. */
#ifndef SVCTRACE_CMD_H
#define SVCTRACE_CMD_H

#include <stddef.h>
#include <stdint.h>

#include "svctrace/parse.h"

/* Exit codes of every verb; man page svctrace(8), EXIT STATUS. */
enum {
	EXIT_OK = 0,
	EXIT_FAILED = 1, /* it could not be done, or not all of it */
	EXIT_USAGE = 2,	 /* the command line makes no sense, or the input cannot be read */
	EXIT_SHORT = 3,	 /* live: it ended before --count verdicts were there */
};

int cmd_live(int argc, char **argv);
int cmd_resolve(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_stuck(int argc, char **argv);
int cmd_record(int argc, char **argv);
int cmd_replay(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_diff(int argc, char **argv);
int cmd_dump(int argc, char **argv);
int cmd_scrub(int argc, char **argv);
int cmd_pidfile(int argc, char **argv);

/* The verb that runs; "" if none was named. */
const char *verb_name(void);
/* "svctrace: …" on stderr, one line, made safe for a terminal. */
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
