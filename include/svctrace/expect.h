/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Verdicts as facts that can be compared: with what a file expects, or with those of another run.
 * Everything is text, so that one glob or one comparison serves all.
 */
#ifndef SVCTRACE_EXPECT_H
#define SVCTRACE_EXPECT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "svctrace/engine.h"

enum fact {
	FACT_UNIT,
	FACT_CAUSE,
	FACT_CERTAINTY,
	FACT_ACTOR,
	FACT_ACTOR_CERTAINTY,
	FACT_ACTOR_EXE,
	FACT_ACTOR_CMDLINE,
	FACT_ACTOR_UID,
	FACT_ACTOR_LOGIN,
	FACT_ACTOR_UNIT,
	FACT_ACTOR_TTY,
	FACT_ANCESTORS,
	FACT_SIGNAL,
	FACT_EXIT_CODE,
	FACT_EXIT_SIGNAL,
	FACT_CORE_DUMPED,
	FACT_RESULT,
	FACT_STATE,
	FACT_ACTIVE,
	FACT_OLD_STATE,
	FACT_JOB,
	FACT_VIA,
	FACT_MAIN_CMDLINE,
	FACT_RESTARTS,
	FACT_INCOMPLETE,
	FACT_LOST,
	FACT_NOTES,
	FACT_DURATION, /* ns */
	FACT_MAX,
};

const char *fact_name(enum fact f);
/* -EINVAL: there is none of that name. */
int fact_parse(const char *name);
/* Its order is that of numbers. */
bool fact_is_number(enum fact f);
/* As it is shown to people: escaped, times with units, "-" for NULL. Returns buf. */
const char *fact_show(enum fact f, const char *value, char *buf, size_t size);

struct outcome_event {
	uint64_t seq;
	char *what;
};

/* One verdict. What is not known is NULL. */
struct outcome {
	char *value[FACT_MAX];
	uint64_t begin_mono_ns, end_mono_ns, begin_wall_ns;
	struct outcome_event *event; /* that it rests on */
	unsigned int n_events;
};

struct outcomes {
	struct outcome *v;
	unsigned int n, room;
	uint64_t start_mono_ns; /* of the recording; set by who feeds it */
};

/* A verdict_sink. -ENOMEM. */
int outcomes_add(void *outcomes, const struct verdict *v);
void outcomes_done(struct outcomes *o);

/* What a file expects, svctrace-check(1). */
struct expect;

struct expect_error {
	unsigned int line;
	char what[256];
};

/* -EINVAL with *err filled, -ENOMEM. */
int expect_parse(const char *text, size_t n, struct expect **ret, struct expect_error *err);
void expect_freep(struct expect **e);
/* Compares; expect_write_*() say what came of it. Returns how many lines were not met. */
int expect_compare(struct expect *e, const struct outcomes *o);
int expect_write_tap(const struct expect *e, const struct outcomes *o, FILE *f);
int expect_write_junit(const struct expect *e, const struct outcomes *o, const char *name, FILE *f);
/* Expectations that these outcomes meet, and no others do. */
int expect_write_bless(const struct outcomes *o, FILE *f);

/* What differs, PIDs and times apart: a few lines for each; returns how many differences. */
int outcomes_diff(const struct outcomes *a, const struct outcomes *b, const char *name_a,
		  const char *name_b, FILE *f);

#endif
