/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* svctrace doctor: the service managers, how well their code is known, and every probe. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "doctor.h"
#include "svctrace/cleanup.h"
#include "svctrace/symbol.h"

static void check_references(struct doctor *d, const struct symbols *s)
{
	struct sym_calibration c = symbols_calibration(s);
	enum finding f = c.disagree ? FINDING_LOST : FINDING_OK;

	if (c.exported == 0)
		doctor_add(d, f, "name references", "used", NULL,
			   "it exports no function to check them with");
	else
		doctor_add(d, f, "name references", c.enabled ? "used" : "not used",
			   f == FINDING_LOST ? "Please report this, with the build-id." : NULL,
			   "%zu of %zu exported functions agree, %zu disagree, %zu have no answer",
			   c.agree, c.exported, c.disagree, c.unreferenced);
}

/* Appends ", WORD" or WORD. What does not fit is left out. */
static void append(char *list, size_t n, const char *word)
{
	size_t len = strlen(list);

	snprintf(list + len, n - len, "%s%s", len ? ", " : "", word);
}

static void list_functions(struct doctor *d, const struct symbols *s)
{
	d->group = "function";
	for (unsigned int i = 0; sym_needed_functions[i]; i++) {
		struct sym sym;
		bool found = symbols_find(s, sym_needed_functions[i], &sym) == 0;

		doctor_add(d, found ? FINDING_OK : FINDING_UNNEEDED, sym.name,
			   found ? sym_origin_name(sym.origin) : sym_status_name(sym.status), NULL,
			   "%s", sym.reason);
	}
}

/* What a missing function costs is said at its probe; most are asked for their names only. */
static void check_functions(struct doctor *d, const struct symbols *s)
{
	unsigned int found = 0, n = 0, by[_SYM_ORIGIN_MAX] = {};
	char value[32], detail[256] = "", word[64];

	for (; sym_needed_functions[n]; n++) {
		struct sym sym;

		if (symbols_find(s, sym_needed_functions[n], &sym) < 0)
			continue;
		found++;
		by[sym.origin]++;
	}
	snprintf(value, sizeof(value), "%u of %u", found, n);
	for (int i = SYM_ORIGIN_NONE + 1; i < _SYM_ORIGIN_MAX; i++) {
		snprintf(word, sizeof(word), "%u by %s", by[i], sym_origin_name(i));
		if (by[i])
			append(detail, sizeof(detail), word);
	}
	doctor_add(d, FINDING_OK, "functions", value, NULL, "%s", detail);
}

static void list_offsets(struct doctor *d, const struct symbols *s)
{
	d->group = "offset";
	for (unsigned int i = 0; sym_needed_offsets[i]; i++) {
		struct sym_offset o;
		bool found = symbols_offset_info(s, sym_needed_offsets[i], &o) == 0;

		doctor_add(d, found ? FINDING_OK : FINDING_LOST, sym_needed_offsets[i],
			   sym_status_name(o.status), NULL, "%s", o.reason);
	}
}

/* What of names, which NULL ends, was found; of: what they are, if all were. */
static void check_names(struct doctor *d, const struct symbols *s, const char *const *names,
			bool (*has)(const struct symbols *s, const char *name), const char *what,
			const char *of)
{
	char value[32], missing[256] = "";
	unsigned int found = 0, n = 0;

	for (; names[n]; n++) {
		if (has(s, names[n]))
			found++;
		else
			append(missing, sizeof(missing), names[n]);
	}
	snprintf(value, sizeof(value), "%u of %u", found, n);
	doctor_add(d, found == n ? FINDING_OK : FINDING_LOST, what, value,
		   found == n ? NULL : "svctrace resolve shows what was tried.", "%s%s",
		   *missing ? "not found: " : of, missing);
}

static bool has_offset(const struct symbols *s, const char *name)
{
	size_t offset;

	return symbols_offset(s, name, &offset) == 0;
}

static bool has_enum(const struct symbols *s, const char *name)
{
	return symbols_enum(s, name);
}

static void look_at_code(struct doctor *d, const struct sym_object *file, const char *whose)
{
	_cleanup_(symbols_freep) struct symbols *s = NULL;
	struct symbols_options load = {.shared_path = file->shared_path};
	struct sym_error why = {};

	if (symbols_load(file->open_path, &load, &s, &why) < 0) {
		doctor_add(d, FINDING_MISSING, "code", file->name, NULL, "%s", why.text);
		return;
	}
	doctor_add(d, FINDING_OK, "code", file->name, NULL, "%s%sbuild-id %s", whose,
		   file->replaced ? "replaced on disk since it was started, " : "",
		   symbols_build_id(s));
	check_references(d, s);
	check_functions(d, s);
	check_names(d, s, sym_needed_offsets, has_offset, "offsets", "of fields in its structs");
	check_names(d, s, sym_needed_enums, has_enum, "enums",
		    "states, results, job types by name");
	d->verbose = true;
	list_functions(d, s);
	list_offsets(d, s);
	d->verbose = false;
	d->group = "manager";
}

static void look_at_manager(struct doctor *d, pid_t pid, const char *whose)
{
	struct sym_object file = {};
	struct sym_error why = {};
	int r = symbols_object_of_pid(pid, &file, &why);

	d->pid = pid;
	if (r == 0)
		look_at_code(d, &file, whose);
	else
		doctor_add(d, FINDING_MISSING, "code", NULL,
			   r == -EACCES ? "Run it as root (sudo svctrace doctor)." : NULL, "%s",
			   why.text);
	d->pid = 0;
	sym_object_done(&file);
}

/* Without a live capture, only what the user or PID 1 points at can be looked at. */
static void look_at_the_one(struct doctor *d)
{
	pid_t pid = d->tracing.capture.manager ?: 1;
	char path[64], name[32] = "";
	_cleanup_fclose_ FILE *f = NULL;

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	f = fopen(path, "re");
	if (f && fgets(name, sizeof(name), f))
		name[strcspn(name, "\n")] = 0;
	if (strcmp(name, "systemd") == 0 || strcmp(name, "init") == 0) {
		look_at_manager(d, pid, "");
		return;
	}
	d->pid = pid;
	doctor_add(d, FINDING_MISSING, "code", NULL,
		   "Name a systemd: svctrace doctor --manager=PID.", "process %d is %s", pid,
		   *name ? name : "not there");
	d->pid = 0;
}

void doctor_look_at_managers(struct doctor *d)
{
	struct capture_manager m;

	d->group = "manager";
	if (!d->capture) {
		look_at_the_one(d);
		return;
	}
	for (unsigned int i = 0; capture_manager(d->capture, i, &m) == 0; i++) {
		char whose[48] = "";

		if (m.user)
			snprintf(whose, sizeof(whose), "of user %u, ", m.uid);
		look_at_manager(d, m.pid, whose);
	}
}

static void check_probe(struct doctor *d, const struct capture_probe *p)
{
	enum finding f = p->error == 0 && strcmp(p->how, "none") != 0 ? FINDING_OK
			 : p->harmless				      ? FINDING_UNNEEDED
								      : FINDING_LOST;
	struct capture_manager m = {};
	char next[160];

	capture_manager(d->capture, 0, &m); /* whose code the table is about */
	snprintf(next, sizeof(next), "svctrace resolve --pid=%d %s shows what was tried.", m.pid,
		 p->name);
	doctor_add(d, f, p->name, p->how, f == FINDING_LOST && !p->in_kernel ? next : NULL, "%s",
		   p->reason);
}

void doctor_look_at_probes(struct doctor *d)
{
	struct capture_probe p;

	d->group = "probe";
	if (!d->capture)
		doctor_add(d, FINDING_UNTRIED, "probes", NULL, NULL, "none could be attached");
	for (unsigned int i = 0; d->capture && capture_probe(d->capture, i, &p) == 0; i++)
		check_probe(d, &p);
}
