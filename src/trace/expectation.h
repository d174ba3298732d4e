/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SVCTRACE_TRACE_EXPECTATION_H
#define SVCTRACE_TRACE_EXPECTATION_H

#include "svctrace/expect.h"

#define EXPECT_LINES_MAX 65536
#define TERMS_MAX	 32

enum comparison {
	IS,
	IS_NOT,
	LESS,
	LESS_EQUAL,
	MORE,
	MORE_EQUAL,
};

struct term {
	enum fact fact;
	enum comparison how;
	char *pattern; /* a glob; of numbers the number */
	uint64_t number;
};

/* One line of the file, and what came of it. */
struct expectation {
	char *text; /* as written */
	unsigned int line;
	bool never, then, nothing_else, has_within;
	uint64_t within_ns;
	struct term term[TERMS_MAX];
	unsigned int n_terms;
	bool met;
	int match;   /* the outcome that met it, or that ought not to be there; -1: none */
	int nearest; /* when it was not met: what comes closest; -1: nothing does */
	char why[128];
};

struct expect {
	struct expectation *v;
	unsigned int n;
};

bool term_matches(const struct term *t, const struct outcome *o);

#endif
