/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What svctrace stuck reads in /proc: NUL-separated, a file of tasks and of their mounts, in which
 * each piece is what the parsers make of it; and the analysis of whatever that gives.
 */
#include <stdlib.h>
#include <string.h>

#include "svctrace/cleanup.h"
#include "svctrace/stuck.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good)
{
	if (!good)
		abort();
}

/* A piece in memory of its own, so that reading behind it is seen. */
static char *piece(const uint8_t *data, size_t n)
{
	char *s = malloc(n ? n : 1);

	check(s != NULL);
	if (n > 0)
		memcpy(s, data, n);
	return s;
}

static void add_task(struct stuck_snapshot *s, const char *text, size_t n)
{
	struct stuck_task *t = stuck_add_task(s);
	size_t len = 0;

	check(t != NULL);
	(void)stuck_parse_stat(text, n, t);
	(void)stuck_parse_status(text, n, t);
	check(memchr(t->comm, 0, sizeof(t->comm)) != NULL);
	check(t->n_nspid <= STUCK_LEVELS);
	(void)stuck_parse_stack(text, n, &t->stack);
	check(!t->stack || strlen(t->stack) <= n + 1);
	(void)stuck_parse_cgroup(text, n, &t->cgroup, &t->frozen);
	if (stuck_unit_name(t->cgroup, &len))
		check(len > 0 && len <= strlen(t->cgroup));
	t->still = true;
	t->pidns = t->n_nspid;
	t->mntns = 1;
}

static void take(struct stuck_snapshot *s, const uint8_t *data, size_t n)
{
	_cleanup_free_ char *text = piece(data, n);
	struct stuck_holder h = {.tgid = 1, .known = n % 2};
	uint64_t v = 0;

	add_task(s, text, n);
	(void)stuck_parse_mountinfo(text, n, 1, s);
	if (stuck_parse_fdinfo(text, n, "fuse_connection", &v) == 0) {
		h.connection = (unsigned int)v;
		h.tgid = s->tasks[0].tgid;
		check(stuck_add_holder(s, &h) == 0);
		check(stuck_add_connection(s, (unsigned int)v, 1) == 0);
		check(stuck_add_pidns(s, v, v / 2) == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(stuck_snapshot_done) struct stuck_snapshot s = {};
	_cleanup_(stuck_report_freep) struct stuck_report *report = NULL;
	size_t at = 0;

	if (size > 16384)
		return 0;
	check(stuck_add_unit(&s, "a.service", "deactivating", "stop-sigterm") == 0);
	while (at < size) {
		const uint8_t *end = memchr(data + at, 0, size - at);
		size_t n = end ? (size_t)(end - data) - at : size - at;

		take(&s, data + at, n);
		at += n + 1;
	}
	stuck_sort(&s);
	check(stuck_analyse(&s, &report) == 0);
	for (size_t i = 0; i < report->n_hangs; i++) {
		check(report->hangs[i].n_members > 0);
		check(report->hangs[i].root && report->hangs[i].next);
	}
	return 0;
}
