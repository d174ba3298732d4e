/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What svctrace doctor found: a list of checks, which is shown as text or as JSON. */
#ifndef SVCTRACE_DOCTOR_H
#define SVCTRACE_DOCTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "output.h"
#include "svctrace/capture.h"
#include "tracing.h"

enum finding {
	FINDING_OK,
	FINDING_UNNEEDED, /* not there, and nothing is missed for it */
	FINDING_UNTRIED,  /* something before it failed */
	FINDING_LOST,	  /* tracing works, but does not see this */
	FINDING_MISSING,  /* tracing needs it, or a loss comes of it */
	_FINDING_MAX,
};

struct check {
	const char *group;
	enum finding finding;
	char *name;
	char *value;  /* short, for programs too: "4.19", "fentry"; NULL: none */
	char *detail; /* for people */
	char *next;   /* what to do about it; NULL: nothing */
	pid_t pid;    /* the manager that it is about; 0: none */
	bool verbose; /* shown with -v only */
};

struct doctor {
	struct tracing tracing;
	struct output output;	 /* the options of how to show it */
	struct capture *capture; /* NULL: it could not be made, and error says why */
	struct capture_error error;
	struct check *checks;
	size_t n_checks;
	/* of the checks that are added from now on */
	const char *group;
	pid_t pid;
	bool verbose;
	bool failed; /* out of memory */
};

/* Adds a check; the text is its detail. Strings are copied; value and next may be NULL. */
void doctor_add(struct doctor *d, enum finding f, const char *name, const char *value,
		const char *next, const char *fmt, ...) __attribute__((format(printf, 6, 7)));
/* Does a capability that tracing needs here lack? */
bool doctor_lacks_privileges(void);

/* machine.c: the kernel, this process's rights, cgroups, fuse. */
void doctor_look_at_kernel(struct doctor *d);
void doctor_look_at_privileges(struct doctor *d);
void doctor_look_at_mounts(struct doctor *d);
/* tracing.c: managers, their code, and what is attached. */
void doctor_look_at_managers(struct doctor *d);
void doctor_look_at_probes(struct doctor *d);

/* show.c: 0, -ENOMEM, or what writing to stdout failed with. */
int doctor_show_text(const struct doctor *d);
int doctor_show_json(const struct doctor *d);
/* How many checks found that something is lost or missing. */
unsigned int doctor_losses(const struct doctor *d);

#endif
