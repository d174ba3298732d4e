/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The way to the file, as systemd's chase() with CHASE_SAFE goes it. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/openat2.h>

#include "pidfile/internal.h"
#include "svctrace/cleanup.h"
#include "svctrace/pidfile.h"

#define LINKS_MAX  31	/* the 32nd is refused */
#define STEPS_MAX  129	/* systemd's counter begins at 0 and may be 128 */
#define STEPS_KEPT 8192 /* 31 links of PATH_MAX bytes could make more; nobody's PID file does */

struct walker {
	const struct pidfile_rules *rules;
	int root_fd;
	int fd;	       /* where it stands */
	size_t at;     /* that step */
	size_t before; /* the step whose owner the next one's is compared with */
	char *buffer;
	const char *todo; /* what is still to be walked, in buffer */
	unsigned int links, steps;
	struct pidfile_walk *walk;
};

int pidfile_open_below(int root_fd, const char *path, int flags)
{
	struct open_how how = {.flags = flags | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT};
	int fd = (int)syscall(SYS_openat2, root_fd, path, &how, sizeof(how));

	return fd < 0 ? -errno : fd;
}

static bool is_unsafe(uid_t from, uid_t to)
{
	return from != 0 && from != to;
}

/* Takes path and target over. */
static int add_step(struct walker *w, enum pidfile_step_kind kind, char *path, char *target,
		    const struct stat *st)
{
	struct pidfile_walk *walk = w->walk;
	struct pidfile_step *s =
		walk->n_steps >= STEPS_KEPT
			? NULL
			: realloc(walk->steps, (walk->n_steps + 1) * sizeof(*walk->steps));
	size_t n = walk->n_steps;

	if (!s || !path) {
		free(path);
		free(target);
		walk->steps = s ?: walk->steps;
		return n >= STEPS_KEPT ? -E2BIG : -ENOMEM;
	}
	walk->steps = s;
	s[n] = (struct pidfile_step){.kind = kind, .path = path, .target = target};
	s[n].uid = st->st_uid;
	s[n].mode = st->st_mode;
	s[n].from = n == 0 ? 0 : w->before;
	walk->n_steps++;
	if (walk->unsafe == PIDFILE_NO_STEP && is_unsafe(s[s[n].from].uid, s[n].uid))
		walk->unsafe = n;
	return 0;
}

/* DIR/NAME; NAME need not end where the string does. */
static char *join(const char *dir, const char *name, size_t n)
{
	char *path;

	if (asprintf(&path, "%s/%.*s", strcmp(dir, "/") == 0 ? "" : dir, (int)n, name) < 0)
		return NULL;
	return path;
}

static const char *here(const struct walker *w)
{
	return w->walk->steps[w->at].path;
}

static void stand_on(struct walker *w, int *fd, size_t step)
{
	closep(&w->fd);
	w->fd = take_fd(fd);
	w->at = w->before = step;
}

/* Takes the next name from *todo, of *n bytes; NULL at the end. "." is no name. */
static const char *next_name(const char **todo, size_t *n)
{
	const char *name;

	do {
		name = *todo + strspn(*todo, "/");
		*n = strcspn(name, "/");
		*todo = name + *n;
	} while (*n == 1 && *name == '.');
	return *n > 0 ? name : NULL;
}

static int go_to_root(struct walker *w)
{
	_cleanup_close_ int fd = openat(w->root_fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	r = add_step(w, PIDFILE_STEP_ROOT, strdup("/"), NULL, &st);
	if (r == 0)
		stand_on(w, &fd, w->walk->n_steps - 1);
	return r;
}

/*
 * By name from the root, not by "..": whoever moves directories meanwhile does not get us out of
 * the root.
 */
static int go_up(struct walker *w)
{
	const char *slash = strrchr(here(w), '/');
	_cleanup_free_ char *parent = NULL;
	_cleanup_close_ int fd = -1;
	struct stat st;
	int r;

	if (strcmp(here(w), "/") == 0)
		return 0;
	if (!S_ISDIR(w->walk->steps[w->at].mode))
		return -ENOTDIR;
	parent = slash == here(w) ? strdup("/") : strndup(here(w), slash - here(w));
	if (!parent)
		return -ENOMEM;
	fd = pidfile_open_below(w->root_fd, parent, O_PATH | O_NOFOLLOW | O_DIRECTORY);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	r = add_step(w, PIDFILE_STEP_PARENT, take_ptr(parent), NULL, &st);
	if (r == 0)
		stand_on(w, &fd, w->walk->n_steps - 1);
	return r;
}

static int read_link(int fd, char **ret)
{
	char buf[PATH_MAX];
	ssize_t n = readlinkat(fd, "", buf, sizeof(buf) - 1);

	if (n < 0)
		return -errno;
	if (n == 0)
		return -EINVAL;
	*ret = strndup(buf, n);
	return *ret ? 0 : -ENOMEM;
}

/* What the link says comes before what is still to do. Takes path over. */
static int follow(struct walker *w, char *path, int fd, const struct stat *st)
{
	char *target = NULL, *todo;
	int r = read_link(fd, &target);

	if (r < 0) {
		free(path);
		return r;
	}
	r = add_step(w, PIDFILE_STEP_LINK, path, target, st);
	if (r < 0)
		return r;
	if (!w->rules->counts_steps && ++w->links > LINKS_MAX)
		return -ELOOP;
	if (asprintf(&todo, "%s/%s", target, w->todo) < 0)
		return -ENOMEM;
	free(w->buffer);
	w->todo = w->buffer = todo;
	if (*todo == '/' || w->rules->links_carry)
		w->before = w->walk->n_steps - 1;
	return *todo == '/' ? go_to_root(w) : 0;
}

static int go_down(struct walker *w, const char *name, size_t n)
{
	_cleanup_free_ char *copy = strndup(name, n), *path = join(here(w), name, n);
	_cleanup_close_ int fd = -1;
	struct stat st;
	int r;

	if (!copy || !path)
		return -ENOMEM;
	fd = openat(w->fd, copy, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0) {
		r = -errno;
		w->walk->missing = take_ptr(path);
		return r;
	}
	if (S_ISLNK(st.st_mode))
		return follow(w, take_ptr(path), fd, &st);
	r = add_step(w, PIDFILE_STEP_ENTRY, take_ptr(path), NULL, &st);
	if (r == 0)
		stand_on(w, &fd, w->walk->n_steps - 1);
	return r;
}

/* 1: goes on, 0: arrived. */
static int step(struct walker *w)
{
	size_t n;
	const char *name = next_name(&w->todo, &n);
	int r;

	if (!name)
		return 0;
	if (w->rules->counts_steps && ++w->steps > STEPS_MAX)
		return -ELOOP;
	r = n == 2 && strncmp(name, "..", 2) == 0 ? go_up(w) : go_down(w, name, n);
	return r < 0 ? r : 1;
}

/* Is this about us rather than about the path? */
static bool is_ours(int r)
{
	return r == -ENOMEM || r == -E2BIG || r == -EMFILE || r == -ENFILE;
}

int pidfile_walk(int root_fd, const char *path, const struct pidfile_rules *rules,
		 struct pidfile_walk *ret)
{
	struct walker w = {.rules = rules, .root_fd = root_fd, .fd = -1, .walk = ret};
	int r;

	*ret = (struct pidfile_walk){.unsafe = PIDFILE_NO_STEP, .fd = -1};
	w.todo = w.buffer = strdup(path);
	r = w.buffer ? go_to_root(&w) : -ENOMEM;
	if (r == 0)
		do
			r = step(&w);
		while (r > 0);
	if (r == 0 && !(ret->resolved = strdup(here(&w))))
		r = -ENOMEM;
	free(w.buffer);
	/* unsafe: systemd walked no further, and asked the kernel, which has limits of its own */
	if (!is_ours(r) && ret->unsafe != PIDFILE_NO_STEP) {
		closep(&w.fd);
		w.fd = pidfile_open_below(root_fd, path, O_PATH);
		r = w.fd < 0 ? w.fd : 0;
	}
	if (r == 0)
		ret->fd = take_fd(&w.fd);
	closep(&w.fd);
	if (!is_ours(r)) {
		ret->error = r;
		return 0;
	}
	pidfile_walk_done(ret);
	return r;
}

void pidfile_walk_done(struct pidfile_walk *w)
{
	for (size_t i = 0; i < w->n_steps; i++) {
		free(w->steps[i].path);
		free(w->steps[i].target);
	}
	free(w->steps);
	free(w->missing);
	free(w->resolved);
	closep(&w->fd);
	*w = (struct pidfile_walk){.unsafe = PIDFILE_NO_STEP, .fd = -1};
}

const char *pidfile_step_name(const struct pidfile_step *s)
{
	switch (s->kind) {
	case PIDFILE_STEP_LINK:
		return "link";
	case PIDFILE_STEP_PARENT:
		return "parent";
	case PIDFILE_STEP_ROOT:
		return "root";
	default:
		return S_ISDIR(s->mode)	   ? "directory"
		       : S_ISREG(s->mode)  ? "file"
		       : S_ISFIFO(s->mode) ? "fifo"
		       : S_ISSOCK(s->mode) ? "socket"
					   : "device";
	}
}
