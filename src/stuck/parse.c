/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The formats of /proc. What a process or a mount is called may be anything. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "svctrace/cleanup.h"
#include "svctrace/procfs.h"
#include "svctrace/stuck.h"

/* File systems that a task may wait for: their mounts are kept. */
static bool is_waited_for(const char *type)
{
	static const char *const types[] = {"nfs",  "nfs4", "cifs", "smb3",
					    "ceph", "9p",   "afs",  "virtiofs"};

	if (strncmp(type, "fuse", 4) == 0)
		return strcmp(type, "fusectl") != 0;
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (strcmp(type, types[i]) == 0)
			return true;
	return false;
}

int stuck_parse_stat(const char *text, size_t n, struct stuck_task *ret)
{
	struct procfs_stat stat = {};
	int r = procfs_parse_stat(text, n, &stat);

	if (r < 0)
		return r;
	ret->tid = stat.pid;
	ret->ppid = stat.ppid;
	ret->state = stat.state;
	ret->flags = stat.flags;
	ret->start = stat.start;
	memcpy(ret->comm, stat.comm, sizeof(ret->comm));
	return 0;
}

static void parse_nspid(const char *s, struct stuck_task *t)
{
	char *end;

	for (t->n_nspid = 0; t->n_nspid < STUCK_LEVELS; s = end) {
		long v = strtol(s, &end, 10);

		if (end == s)
			break;
		t->nspid[t->n_nspid++] = (pid_t)v;
	}
}

int stuck_parse_status(const char *text, size_t n, struct stuck_task *ret)
{
	_cleanup_free_ char *s = strndup(text, n);
	char *line, *save = NULL;
	bool found = false;
	uint64_t switches;
	int dumps;

	if (!s)
		return -ENOMEM;
	ret->switches = 0;
	for (line = strtok_r(s, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (sscanf(line, "Tgid: %d", &ret->tgid) == 1)
			found = true;
		else if (strncmp(line, "NSpid:", 6) == 0)
			parse_nspid(line + 6, ret);
		else if (sscanf(line, "CoreDumping: %d", &dumps) == 1)
			ret->dumps = dumps != 0;
		else if (sscanf(line, "voluntary_ctxt_switches: %" SCNu64, &switches) == 1 ||
			 sscanf(line, "nonvoluntary_ctxt_switches: %" SCNu64, &switches) == 1)
			ret->switches += switches;
		else if (sscanf(line, "TracerPid: %d", &ret->tracer) != 1 &&
			 sscanf(line, "SigPnd: %" SCNx64, &ret->pending) != 1)
			sscanf(line, "ShdPnd: %" SCNx64, &ret->all_pending);
	}
	return found ? 0 : -EBADMSG;
}

/* One line: "[<0>] name+0x1b4/0x200 [module]", on some kernels with the address in the brackets. */
static size_t frame_name(const char *line, const char **ret)
{
	const char *name = strstr(line, "] ");
	size_t n;

	if (*line != '[' || !name)
		return 0;
	*ret = name + 2;
	n = strcspn(*ret, "+ ");
	return n < STUCK_NAME_LEN ? n : 0;
}

int stuck_parse_stack(const char *text, size_t n, char **ret)
{
	_cleanup_free_ char *s = strndup(text, n);
	_cleanup_free_ char *out = malloc(n + 1);
	char *line, *save = NULL, *at = out;

	if (!s || !out)
		return -ENOMEM;
	for (line = strtok_r(s, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		const char *name;
		size_t len = frame_name(line, &name);

		if (len == 0)
			continue;
		at = mempcpy(at, name, len);
		*at++ = '\n';
	}
	*at = 0;
	*ret = take_ptr(out);
	return 0;
}

/* What is in a cgroup that was removed is shown with that suffix. */
static char *cgroup_path(const char *s)
{
	static const char deleted[] = " (deleted)";
	size_t n = strlen(s), len = sizeof(deleted) - 1;

	return strndup(s, n > len && strcmp(s + n - len, deleted) == 0 ? n - len : n);
}

static bool has_controller(const char *list, size_t n, const char *name)
{
	for (const char *at = list; at < list + n; at += strcspn(at, ",:") + 1)
		if (strcspn(at, ",:") == strlen(name) && strncmp(at, name, strlen(name)) == 0)
			return true;
	return false;
}

static int take_cgroup(char **ret, const char *path)
{
	free(*ret);
	*ret = cgroup_path(path);
	return *ret ? 0 : -ENOMEM;
}

/* The root says least: a task that exits is there already in v1, and all are in a v2 not in use. */
static bool is_root(const char *path)
{
	return !path || strcmp(path, "/") == 0;
}

/* "1:name=systemd:/system.slice/x.service" in v1, "0::/system.slice/x.service" in v2, or both */
int stuck_parse_cgroup(const char *text, size_t n, char **ret, char **ret_freezer)
{
	_cleanup_free_ char *s = strndup(text, n), *path = NULL, *freezer = NULL;
	char *line, *save = NULL;
	int r = 0;

	if (!s)
		return -ENOMEM;
	for (line = strtok_r(s, "\n", &save); r == 0 && line; line = strtok_r(NULL, "\n", &save)) {
		char *list = strchr(line, ':'), *end = list ? strchr(list + 1, ':') : NULL;

		if (!end)
			continue;
		list++;
		if (list == end || has_controller(list, end - list, "name=systemd"))
			r = is_root(path) ? take_cgroup(&path, end + 1) : 0;
		else if (has_controller(list, end - list, "freezer"))
			r = take_cgroup(&freezer, end + 1);
	}
	if (r < 0)
		return r;
	*ret = take_ptr(path);
	*ret_freezer = take_ptr(freezer);
	return 0;
}

/* Blanks and the like in a path are written as \040. */
static void unescape(char *s)
{
	char *out = s;

	while (*s) {
		unsigned int c;

		if (s[0] == '\\' && strspn(s + 1, "01234567") >= 3 &&
		    (c = (s[1] - '0') * 64u + (s[2] - '0') * 8u + (s[3] - '0')) < 256 && c > 0) {
			*out++ = (char)c;
			s += 4;
		} else {
			*out++ = *s++;
		}
	}
	*out = 0;
}

static char *field(char *s)
{
	char *copy = s ? strdup(s) : NULL;

	if (copy)
		unescape(copy);
	return copy;
}

/* "58 54 0:33 / /run/x rw,nosuid shared:1 - fuse.sshfs host:/ rw,user_id=0" */
static int parse_mount(char *line, uint64_t mntns, struct stuck_snapshot *s)
{
	char *words[6], *save = NULL, *tail = strstr(line, " - "), *type, *source;
	unsigned int major, minor;
	struct stuck_mount *m;

	if (!tail)
		return 0;
	*tail = 0;
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		words[i] = strtok_r(i == 0 ? line : NULL, " ", &save);
		if (!words[i])
			return 0;
	}
	type = strtok_r(tail + 3, " ", &save);
	source = strtok_r(NULL, " ", &save);
	if (!type || !is_waited_for(type) || sscanf(words[2], "%u:%u", &major, &minor) != 2)
		return 0;
	m = stuck_add_mount(s);
	if (!m)
		return -ENOMEM;
	m->mntns = mntns;
	m->major = major;
	m->minor = minor;
	m->type = field(type);
	m->source = field(source ?: (char *)"");
	m->point = field(words[4]);
	return m->type && m->source && m->point ? 0 : -ENOMEM;
}

int stuck_parse_mountinfo(const char *text, size_t n, uint64_t mntns, struct stuck_snapshot *s)
{
	_cleanup_free_ char *copy = strndup(text, n);
	char *line, *save = NULL;
	int r = copy ? 0 : -ENOMEM;

	if (r < 0)
		return r;
	for (line = strtok_r(copy, "\n", &save); r == 0 && line; line = strtok_r(NULL, "\n", &save))
		r = parse_mount(line, mntns, s);
	return r;
}

int stuck_parse_fdinfo(const char *text, size_t n, const char *key, uint64_t *ret)
{
	_cleanup_free_ char *s = strndup(text, n);
	size_t len = strlen(key);
	char *line, *save = NULL;

	if (!s)
		return -ENOMEM;
	for (line = strtok_r(s, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if (strncmp(line, key, len) == 0 && line[len] == ':' &&
		    sscanf(line + len + 1, "%" SCNu64, ret) == 1)
			return 0;
	return -ENOENT;
}
