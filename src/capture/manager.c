/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The service manager to trace: who it is, where its code is, where its structs keep their fields.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capture/capture_internal.h"
#include "capture/proc.h"
#include "svctrace/cleanup.h"

/* The enum tables whose numbers events carry. */
static const char *const enums[] = {"ServiceState", "ServiceResult", "JobType", "JobMode"};

static int check_is_manager(pid_t pid, char comm[static 64], struct capture_error *err)
{
	_cleanup_free_ char *exe = NULL;
	const char *base;
	int r = proc_exe(pid, &exe);

	if (r == -ENOENT || r == -ESRCH)
		return capture_fail(err, -ESRCH, "", "there is no process %d", pid);
	if (r == -EACCES || r == -EPERM)
		return capture_fail(err, -EPERM,
				    "Run it as root (sudo svctrace), or give it CAP_SYS_PTRACE.",
				    "not allowed to look at process %d", pid);
	if (r < 0)
		return capture_fail(err, r, "", "cannot read /proc/%d/exe: %s", pid, strerror(-r));
	base = strrchr(exe, '/');
	base = base ? base + 1 : exe;
	if (strncmp(base, "systemd", strlen("systemd")) == 0)
		return 0;
	snprintf(comm, 64, "%.63s", base);
	return -ENOEXEC;
}

/* For the error's next step: systemds that run here as PID 1 of a container. */
static void suggest_managers(char *dst, size_t n)
{
	pid_t found = proc_find_manager();

	if (found > 0)
		snprintf(dst, n, "A systemd runs here as process %d: svctrace --manager %d.", found,
			 found);
	else
		snprintf(dst, n, "Use --manager PID to name a systemd, or `make demo` to see one.");
}

int manager_load(struct manager *m, pid_t pid, struct capture_error *err)
{
	struct sym_error serr = {};
	char comm[64], next[160];
	int r;

	m->pid = pid;
	m->user = proc_ns_pid(pid) != 1;
	r = check_is_manager(pid, comm, err);
	if (r == -ENOEXEC) {
		suggest_managers(next, sizeof(next));
		return capture_fail(err, r, next, "process %d is %s, not systemd", pid, comm);
	}
	if (r < 0)
		return r;
	r = symbols_object_of_pid(pid, &m->object, &serr);
	if (r < 0)
		return capture_fail(err, r, "Give svctrace CAP_SYS_PTRACE (or root).",
				    "cannot find the code of process %d: %s", pid, serr.text);
	r = symbols_load(m->object.open_path, NULL, &m->symbols, &serr);
	if (r < 0)
		return capture_fail(err, r, "", "%s: %s", m->object.name, serr.text);
	return 0;
}

void manager_done(struct manager *m)
{
	symbols_freep(&m->symbols);
	sym_object_done(&m->object);
	*m = (struct manager){};
}

static __u32 offset_of(const struct manager *m, const char *key)
{
	size_t off;

	return symbols_offset(m->symbols, key, &off) < 0 || off > INT_MAX ? LAYOUT_MISSING : off;
}

void manager_layout(const struct manager *m, struct manager_layout *ret)
{
	*ret = (struct manager_layout){
		.unit_id = offset_of(m, "Unit.Id"),
		.unit_job = offset_of(m, "Unit.Job"),
		.job_id = offset_of(m, "Job.Id"),
		.job_type = offset_of(m, "Job.JobType"),
		.main_pid = offset_of(m, "Service.MainPID"),
		.control_pid = offset_of(m, "Service.ControlPID"),
		.pid_file = offset_of(m, "Service.PIDFile"),
		.result = offset_of(m, "Service.Result"),
		.state = offset_of(m, "Service.state"),
	};
}

/* Shown, never compared: "252" of libsystemd-core-252.so; an executable does not name its own. */
static const char *version_of(const char *object, char ret[static 16])
{
	const char *p = strstr(object, "libsystemd-core-");

	if (!p || sscanf(p, "libsystemd-core-%15[^./]", ret) != 1)
		ret[0] = 0;
	return ret;
}

static int describe_self(const struct manager *m, struct stream *s)
{
	struct wire_manager *w = stream_begin(s, WIRE_MANAGER, sizeof(*w), m->pid);
	struct proc p = {};
	char version[16];

	if (proc_read(m->pid, 0, &p) == 0)
		w->task = p.task;
	w->user = m->user;
	stream_string(s, &w->object, m->object.name);
	stream_string(s, &w->build_id, symbols_build_id(m->symbols));
	stream_string(s, &w->version, version_of(m->object.name, version));
	proc_done(&p);
	return stream_end(s);
}

static int describe_enum(const struct manager *m, const char *name, struct stream *s)
{
	const struct sym_enum *e = symbols_enum(m->symbols, name);
	struct wire_enum *w;
	struct wire_str rest;

	if (!e)
		return 0;
	w = stream_begin(s, WIRE_ENUM, sizeof(*w), m->pid);
	stream_string(s, &w->name, name);
	w->values.off = w->h.size;
	for (size_t i = 0; i < e->n; i++) {
		const char *value = e->values[i] ? e->values[i] : "";

		stream_bytes(s, &rest, value, strlen(value) + 1);
	}
	w->values.len = w->h.size - w->values.off;
	return stream_end(s);
}

static int describe_symbol(const struct manager *m, const struct sym *sym, struct stream *s)
{
	struct wire_symbol *w = stream_begin(s, WIRE_SYMBOL, sizeof(*w), m->pid);

	w->vaddr = sym->vaddr;
	w->file_offset = sym->file_offset;
	stream_string(s, &w->name, sym->name);
	stream_string(s, &w->origin, sym_origin_name(sym->origin));
	return stream_end(s);
}

int manager_describe(const struct manager *m, struct stream *s)
{
	int r = describe_self(m, s);

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(enums); i++)
		r = describe_enum(m, enums[i], s);
	for (size_t i = 0; r == 0 && sym_needed_functions[i]; i++) {
		struct sym sym;

		if (symbols_find(m->symbols, sym_needed_functions[i], &sym) == 0)
			r = describe_symbol(m, &sym, s);
	}
	return r;
}
