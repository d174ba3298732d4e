/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The service managers that are traced: PID 1, systemd --user, the systemds of containers. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <bpf/bpf.h>

#include "capture/capture_internal.h"
#include "capture/proc.h"
#include "svctrace/cleanup.h"

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* Not systemd-journald and its like; /sbin/init is a link, so /proc/PID/exe names systemd. */
bool names_manager(const char *exe, size_t n)
{
	static const char *const names[] = {"systemd", "systemd (deleted)", "init"};
	size_t start = n;

	while (start > 0 && exe[start - 1] != '/')
		start--;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (n - start == strlen(names[i]) && memcmp(exe + start, names[i], n - start) == 0)
			return true;
	return false;
}

/* For the error's next step. */
static void suggest(char *dst, size_t n)
{
	pid_t found = proc_find(names_manager);

	if (found > 0)
		snprintf(dst, n, "A systemd runs here as process %d: svctrace --manager=%d.", found,
			 found);
	else
		snprintf(dst, n, "--manager=PID names another one; `make demo` shows one.");
}

static int check_is_manager(pid_t pid, struct capture_error *err)
{
	_cleanup_free_ char *exe = NULL;
	char next[160];
	int r = proc_exe(pid, &exe);

	if (r == -ENOENT || r == -ESRCH)
		return capture_fail(err, -ESRCH, "", "there is no process %d", pid);
	if (r == -EACCES || r == -EPERM)
		return privileges_fail(err, "--manager=PID names another systemd",
				       "not allowed to look at process %d", pid);
	if (r < 0)
		return capture_fail(err, r, "", "cannot read /proc/%d/exe: %s", pid, strerror(-r));
	if (names_manager(exe, strlen(exe)))
		return 0;
	suggest(next, sizeof(next));
	return capture_fail(err, -ENOEXEC, next, "process %d is %s, not systemd", pid,
			    base_name(exe));
}

int manager_choose(pid_t named, pid_t *ret, struct capture_error *err)
{
	pid_t other;
	int r;

	*ret = named ? named : 1;
	r = check_is_manager(*ret, err);
	other = r < 0 && !named ? proc_find(names_manager) : 0;
	if (other == 0)
		return r;
	*ret = other;
	return 0;
}

static struct object *object_by_inode(const struct managers *ms, uint64_t dev, uint64_t inode)
{
	for (unsigned int i = 0; i < ms->n_objects; i++)
		if (ms->objects[i]->file.dev == dev && ms->objects[i]->file.inode == inode)
			return ms->objects[i];
	return NULL;
}

static const struct symbols *symbols_by_inode(void *ctx, uint64_t dev, uint64_t inode)
{
	const struct object *o = object_by_inode(ctx, dev, inode);

	return o ? o->symbols : NULL;
}

int managers_init(struct managers *ms)
{
	return unwind_files_new(symbols_by_inode, ms, &ms->files);
}

/* Before it loads a PID file: it takes a moment, and what lies on disk may be replaced later. */
static void learn_pidfile_rules(struct object *o, pid_t pid)
{
	_cleanup_close_ int root = -1;
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/root", pid);
	root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root >= 0)
		pidfile_rules_of(root, &o->pidfile_rules);
}

static int object_get(struct managers *ms, struct probes *p, struct sym_object *file, pid_t pid,
		      struct object **ret, struct capture_error *err)
{
	int r;

	*ret = object_by_inode(ms, file->dev, file->inode);
	if (*ret) {
		sym_object_done(file);
		return 0;
	}
	if (ms->n_objects == OBJECTS_MAX) {
		sym_object_done(file);
		return capture_fail(err, -ENOSPC, "", "more than %d builds of systemd at once",
				    OBJECTS_MAX);
	}
	r = object_new(file, p, ret, err);
	if (r < 0)
		return r;
	ms->objects[ms->n_objects++] = *ret;
	learn_pidfile_rules(*ret, pid);
	return 0;
}

static void object_put(struct managers *ms, struct object *o)
{
	if (--o->users > 0)
		return;
	for (unsigned int i = 0; i < ms->n_objects; i++)
		if (ms->objects[i] == o)
			ms->objects[i] = ms->objects[--ms->n_objects];
	object_freep(&o);
}

static struct manager *find(struct managers *ms, pid_t pid)
{
	for (unsigned int i = 0; i < ms->n; i++)
		if (ms->manager[i].pid == pid)
			return &ms->manager[i];
	return NULL;
}

const struct manager *managers_find(const struct managers *ms, pid_t pid)
{
	return find((struct managers *)ms, pid);
}

const char *manager_word(const struct manager *m, const char *table, int32_t value)
{
	const char *word = symbols_enum_name(m->object->symbols, table, value);

	return word ? word : "";
}

/* Who it is, apart from its code. */
static int identify(pid_t pid, struct manager *ret)
{
	struct proc p = {};
	int r = proc_read(pid, 0, &p);

	*ret = (struct manager){
		.pid = pid,
		.start_ns = p.task.start_ns,
		.pidns = p.task.pidns,
		.uid = p.task.uid,
		.user = p.task.ns_tgid != 1,
		.ask_fd = -1,
	};
	proc_done(&p);
	return r;
}

/* For the error's next step: what reading a manager's code takes. */
static const char *step_to_read(int r)
{
	if (r == -EACCES)
		return "Give svctrace CAP_SYS_PTRACE (or root).";
	if (geteuid() != 0)
		return "If it was replaced on disk, reading it takes root, or CAP_DAC_READ_SEARCH "
		       "and CAP_CHECKPOINT_RESTORE.";
	return "";
}

static int find_code(pid_t pid, struct sym_object *ret, struct capture_error *err)
{
	struct sym_error why = {};
	int r = check_is_manager(pid, err);

	if (r < 0)
		return r;
	r = symbols_object_of_pid(pid, ret, &why);
	if (r < 0)
		return capture_fail(err, r == -ENOENT ? -ENOEXEC : r, step_to_read(r),
				    "cannot find the code of process %d: %s", pid, why.text);
	return 0;
}

/* The layout is in the map before the manager's next probe can fire. */
static int publish(const struct probes *p, const struct manager *m)
{
	__u32 tgid = m->pid;

	return probes_add_key(p, "managers", &tgid, tgid, &m->object->layout);
}

/* What fails here fails again with the first sample. */
void managers_prepare(struct managers *ms)
{
	for (unsigned int i = 0; i < ms->n; i++) {
		struct manager *m = &ms->manager[i];

		if (!m->unwinder && unwinder_new_pid(ms->files, m->pid, &m->unwinder) == 0)
			unwinder_prepare(m->unwinder);
	}
}

int managers_add(struct managers *ms, struct probes *p, pid_t pid, struct capture_error *err)
{
	struct manager *old = find(ms, pid), new;
	struct sym_object file = {};
	int r = find_code(pid, &file, err);

	if (r < 0)
		return r;
	if (!old && ms->n == MANAGERS_MAX) {
		sym_object_done(&file);
		return capture_fail(err, -ENOSPC, "", "more than %d managers", MANAGERS_MAX);
	}
	r = identify(pid, &new);
	if (r == 0)
		r = object_get(ms, p, &file, pid, &new.object, err);
	sym_object_done(&file);
	if (r < 0)
		return r;
	if (old && old->object == new.object)
		return 1;
	new.object->users++;
	if (old) {
		object_put(ms, old->object);
		unwinder_freep(&old->unwinder);
		new.ask_fd = old->ask_fd;
	} else {
		old = &ms->manager[ms->n++];
	}
	if (new.ask_fd < 0)
		ask_prepare(pid, &new.ask_fd);
	*old = new;
	return publish(p, old);
}

void managers_remove(struct managers *ms, struct probes *p, pid_t pid)
{
	struct manager *m = find(ms, pid);
	__u32 tgid = pid;

	if (!m)
		return;
	bpf_map_delete_elem(probes_map_fd(p, "managers"), &tgid);
	object_put(ms, m->object);
	unwinder_freep(&m->unwinder);
	closep(&m->ask_fd);
	*m = ms->manager[--ms->n];
}

void managers_executed(struct managers *ms, pid_t pid)
{
	struct manager *m = find(ms, pid);

	if (m)
		unwinder_freep(&m->unwinder);
}

static int send_stack(const struct wire_stack_sample *sample, const struct unwind_stack *stack,
		      struct stream *s)
{
	struct wire_stack *w = stream_begin(s, WIRE_STACK, sizeof(*w), sample->h.tgid);

	w->h.mono_ns = sample->h.mono_ns;
	w->h.tid = sample->h.tid;
	w->end = stack->end;
	stream_frames(s, &w->frames, stack);
	return stream_end(s);
}

/* Which unit's end it was is on none of its frames. */
static bool is_from_end(const struct unwind_stack *stack)
{
	static const char *const functions[] = {"unit_notify", "retroactively_stop_dependencies",
						"manager_dispatch_stop_when_bound_queue"};

	for (unsigned int i = 0; i < stack->n; i++)
		for (size_t k = 0; k < ARRAY_LEN(functions); k++)
			if (strncmp(stack->frames[i].name, functions[k], strlen(functions[k])) == 0)
				return true;
	return false;
}

int managers_unwind(struct managers *ms, const struct wire_stack_sample *w, struct stream *s,
		    bool *from_end)
{
	struct manager *m = find(ms, w->h.tgid);
	struct unwind_sample sample = {
		.regs = w->regs,
		.n_regs = w->n_regs,
		.sp = w->sp,
		.bytes = (const char *)w + w->bytes.off,
		.size = w->bytes.len,
	};
	struct unwind_stack stack;
	int r;

	*from_end = false;
	if (!m || w->h.size < sizeof(*w) || w->bytes.off + w->bytes.len > w->h.size)
		return 0;
	r = m->unwinder ? 0 : unwinder_new_pid(ms->files, m->pid, &m->unwinder);
	if (r == 0)
		r = unwinder_walk(m->unwinder, &sample, &stack);
	if (r < 0)
		return r == -ENOMEM ? r : 0; /* it ended meanwhile */
	*from_end = is_from_end(&stack);
	r = send_stack(w, &stack, s);
	/* it has mapped more since: the next stack may lead through that */
	if (!*stack.frames[stack.n - 1].object)
		unwinder_freep(&m->unwinder);
	return r;
}

void managers_done(struct managers *ms)
{
	for (unsigned int i = 0; i < ms->n; i++) {
		unwinder_freep(&ms->manager[i].unwinder);
		closep(&ms->manager[i].ask_fd);
	}
	unwind_files_freep(&ms->files);
	for (unsigned int i = 0; i < ms->n_objects; i++)
		object_freep(&ms->objects[i]);
	ms->n = ms->n_objects = 0;
}

/* PID 1 first: the first object is the one that the probe table shows. */
int managers_scan(struct managers *ms, struct probes *p, managers_untraced untraced, void *ctx,
		  struct capture_error *err)
{
	struct capture_error other;
	int r, first = managers_add(ms, p, 1, err);
	_cleanup_closedir_ DIR *d = opendir("/proc");
	struct dirent *e;

	while (d && (e = readdir(d))) {
		_cleanup_free_ char *exe = NULL;
		pid_t pid = atoi(e->d_name);

		if (pid <= 1 || proc_exe(pid, &exe) < 0 || !names_manager(exe, strlen(exe)))
			continue;
		r = managers_add(ms, p, pid, &other);
		if (r < 0)
			untraced(ctx, pid, r, other.what);
	}
	if (first < 0 && ms->n > 0)
		untraced(ctx, 1, first, err->what);
	return ms->n > 0 ? (int)ms->n : first;
}

/* Shown, never compared: "252" of libsystemd-core-252.so; an executable does not name its own. */
static const char *version_of(const char *object, char ret[static 16])
{
	const char *p = strstr(object, "libsystemd-core-");

	if (!p || sscanf(p, "libsystemd-core-%15[^./]", ret) != 1)
		ret[0] = 0;
	return ret;
}

int manager_describe(const struct manager *m, struct stream *s)
{
	struct wire_manager *w = stream_begin(s, WIRE_MANAGER, sizeof(*w), m->pid);
	struct proc p = {};
	char version[16];
	int r;

	if (proc_read(m->pid, 0, &p) == 0)
		w->task = p.task;
	proc_done(&p);
	w->user = m->user;
	stream_string(s, &w->object, m->object->file.name);
	stream_string(s, &w->build_id, symbols_build_id(m->object->symbols));
	stream_string(s, &w->version, version_of(m->object->file.name, version));
	r = stream_end(s);
	return r ? r : object_describe(m->object, m->pid, s);
}
