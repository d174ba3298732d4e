/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* PID files: the text's grammar, the walk over links and owners, and what is said of it. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "svctrace/cleanup.h"
#include "svctrace/pidfile.h"

static const struct pidfile_rules rules_252 = {
	.known = true,
	.links_carry = true,
	.line_max = 1 << 20,
};

static const struct pidfile_rules rules_262 = {
	.known = true,
	.counts_steps = true,
	.by_reference = true,
	.wants_manager = true,
	.quotes = true,
	.line_max = 2048,
};

static void parses_as_systemd(void **state)
{
	static const struct {
		const char *text;
		pid_t pid;
		int error;
		bool whole;
	} cases[] = {
		{"4711\n", 4711, 0, true},
		{"4711", 4711, 0, false},
		{"", 0, -EINVAL, false},
		{"\n4711\n", 0, -EINVAL, true},
		{" \t4711\r\n", 4711, 0, true},
		{"4711 \n", 0, -EINVAL, true},
		{"4711\n4712\n", 4711, 0, true},
		{"0x10\n", 16, 0, true},
		{"010\n", 8, 0, true},
		{"0o10\n", 8, 0, true},
		{"0b10\n", 2, 0, true},
		{"0b\n", 0, -EINVAL, true},
		{"+4711\n", 4711, 0, true},
		{"-4711\n", 0, -ERANGE, true},
		{"0\n", 0, -ERANGE, true},
		{"2147483648\n", 0, -ERANGE, true},
		{"99999999999999999999x\n", 0, -ERANGE, true},
		{"abc\n", 0, -EINVAL, true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct pidfile_content c;

		assert_int_equal(pidfile_parse(cases[i].text, strlen(cases[i].text), 2048, &c), 0);
		if (c.pid != cases[i].pid || c.error != cases[i].error || c.whole != cases[i].whole)
			fail_msg("\"%s\": pid %d error %d whole %d", cases[i].text, c.pid, c.error,
				 c.whole);
		pidfile_content_done(&c);
	}
}

static void parses_within_limits(void **state)
{
	struct pidfile_content c;

	(void)state;
	assert_int_equal(pidfile_parse("4711\0x", 6, 2048, &c), 0);
	assert_int_equal(c.pid, 4711);
	pidfile_content_done(&c);
	/* a line as long as the limit is too long, even if nothing comes behind it */
	assert_int_equal(pidfile_parse("4711", 4, 4, &c), 0);
	assert_int_equal(c.error, -ENOBUFS);
	pidfile_content_done(&c);
	assert_int_equal(pidfile_parse("4711", 4, 5, &c), 0);
	assert_int_equal(c.error, 0);
	pidfile_content_done(&c);
}

/* ---- trees ---- */

struct tree {
	char path[64];
	int fd;
};

static int plant(void **state)
{
	struct tree *t = calloc(1, sizeof(*t));

	if (!t)
		return -1;
	strcpy(t->path, "/tmp/svctrace-pidfile.XXXXXX");
	if (!mkdtemp(t->path))
		return -1;
	t->fd = open(t->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	*state = t;
	return t->fd < 0 ? -1 : 0;
}

static int fell(void **state)
{
	struct tree *t = *state;
	char command[128];

	close(t->fd);
	snprintf(command, sizeof(command), "rm -rf %s", t->path);
	free(t);
	return system(command);
}

static void put_dir(const struct tree *t, const char *path)
{
	assert_int_equal(mkdirat(t->fd, path, 0755), 0);
}

static void put_link(const struct tree *t, const char *path, const char *target)
{
	assert_int_equal(symlinkat(target, t->fd, path), 0);
}

static void put_file(const struct tree *t, const char *path, const char *text)
{
	int fd = openat(t->fd, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static void own(const struct tree *t, const char *path, uid_t uid)
{
	assert_int_equal(fchownat(t->fd, path, uid, -1, AT_SYMLINK_NOFOLLOW), 0);
}

static void needs_root(void)
{
	if (geteuid() != 0)
		skip();
}

static struct pidfile_walk walk(const struct tree *t, const char *path,
				const struct pidfile_rules *rules)
{
	struct pidfile_walk w;

	assert_int_equal(pidfile_walk(t->fd, path, rules, &w), 0);
	return w;
}

static void stays_below_the_root(void **state)
{
	const struct tree *t = *state;
	struct pidfile_walk w;

	put_dir(t, "a");
	put_file(t, "a/f", "1");
	put_link(t, "a/l", "../../../.././/a/f");
	put_link(t, "b", "/a/l");
	w = walk(t, "/b", &rules_252);
	assert_int_equal(w.error, 0);
	assert_string_equal(w.resolved, "/a/f");
	assert_true(w.fd >= 0);
	/* "/" b (link) "/" a l (link) ".." a f */
	assert_int_equal(w.n_steps, 8);
	assert_string_equal(w.steps[1].target, "/a/l");
	assert_string_equal(w.steps[4].path, "/a/l");
	assert_int_equal(w.steps[5].kind, PIDFILE_STEP_PARENT);
	pidfile_walk_done(&w);
}

static void says_where_it_ends(void **state)
{
	const struct tree *t = *state;
	struct pidfile_walk w;

	put_link(t, "l", "gone/f");
	w = walk(t, "/l", &rules_252);
	assert_int_equal(w.error, -ENOENT);
	assert_string_equal(w.missing, "/gone");
	assert_null(w.resolved);
	pidfile_walk_done(&w);

	put_file(t, "f", "");
	w = walk(t, "/f/g", &rules_252);
	assert_int_equal(w.error, -ENOTDIR);
	assert_string_equal(w.missing, "/f/g");
	pidfile_walk_done(&w);
}

#define LINK_NAME_LEN 32

/* A chain of n links to f, and the name of its beginning. */
static void put_chain(const struct tree *t, int n, char name[static LINK_NAME_LEN])
{
	char target[LINK_NAME_LEN] = "f";

	for (int i = 1; i <= n; i++) {
		snprintf(name, LINK_NAME_LEN, "%d-%d", n, i);
		put_link(t, name, target);
		strcpy(target, name);
	}
}

static void counts_links_or_steps(void **state)
{
	const struct tree *t = *state;
	static const struct {
		int links, error_252, error_262;
	} cases[] = {{31, 0, 0}, {32, -ELOOP, 0}, {128, -ELOOP, 0}, {129, -ELOOP, -ELOOP}};

	put_file(t, "f", "");
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char path[1 + LINK_NAME_LEN] = "/";
		struct pidfile_walk w;

		put_chain(t, cases[i].links, path + 1);
		w = walk(t, path, &rules_252);
		assert_int_equal(w.error, cases[i].error_252);
		pidfile_walk_done(&w);
		w = walk(t, path, &rules_262);
		assert_int_equal(w.error, cases[i].error_262);
		pidfile_walk_done(&w);
	}
}

static void finds_the_unsafe_step(void **state)
{
	const struct tree *t = *state;
	struct pidfile_walk w;

	needs_root();
	put_dir(t, "mine");
	put_file(t, "mine/f", "");
	own(t, "mine", 1000);
	w = walk(t, "/mine/f", &rules_262);
	assert_int_equal(w.error, 0);
	assert_int_equal(w.unsafe, 2);
	assert_int_equal(w.steps[w.steps[2].from].uid, 1000);
	pidfile_walk_done(&w);

	own(t, "mine/f", 1000);
	w = walk(t, "/mine/f", &rules_262);
	assert_int_equal(w.unsafe, PIDFILE_NO_STEP);
	pidfile_walk_done(&w);
}

/* Until 253 the owner of any link counted; since then only of an absolute one. */
static void weighs_the_link(void **state)
{
	const struct tree *t = *state;
	struct pidfile_walk w;

	needs_root();
	put_file(t, "f", "");
	put_link(t, "relative", "f");
	put_link(t, "absolute", "/f");
	own(t, "relative", 1000);
	own(t, "absolute", 1000);
	w = walk(t, "/relative", &rules_252);
	assert_int_equal(w.unsafe, 2);
	pidfile_walk_done(&w);
	w = walk(t, "/relative", &rules_262);
	assert_int_equal(w.unsafe, PIDFILE_NO_STEP);
	pidfile_walk_done(&w);
	w = walk(t, "/absolute", &rules_262);
	assert_int_equal(w.unsafe, 2);
	assert_int_equal(w.steps[2].kind, PIDFILE_STEP_ROOT);
	pidfile_walk_done(&w);
}

/* ---- the whole check, in a root without proc/ ---- */

static struct pidfile_check check(const struct tree *t, const char *path,
				  const struct pidfile_rules *rules, const char *unit)
{
	struct pidfile_query q = {
		.root_fd = t->fd,
		.path = path,
		.rules = *rules,
		.service = {.unit = unit},
	};
	struct pidfile_check c;

	assert_int_equal(pidfile_check(&q, &c), 0);
	return c;
}

static void judges_without_a_process(void **state)
{
	const struct tree *t = *state;
	struct pidfile_check c;

	put_file(t, "empty", "");
	put_file(t, "text", "none\n");
	put_file(t, "pid", "4711\n");
	c = check(t, "/gone", &rules_252, "a.service");
	assert_int_equal(c.outcome, PIDFILE_NOT_YET);
	assert_string_equal(c.log, "a.service: Can't open PID file /gone (yet?) after start: "
				   "No such file or directory");
	assert_string_equal(c.log_level, "info");
	pidfile_check_done(&c);
	c = check(t, "/empty", &rules_262, NULL);
	assert_int_equal(c.rule, PIDFILE_RULE_EMPTY);
	assert_string_equal(c.log, "Failed to create reference to PID  from file '/empty': "
				   "Invalid argument");
	pidfile_check_done(&c);
	c = check(t, "/text", &rules_252, NULL);
	assert_int_equal(c.rule, PIDFILE_RULE_NO_PID);
	assert_int_equal(c.outcome, PIDFILE_REFUSED);
	pidfile_check_done(&c);
	c = check(t, "/pid", &rules_262, NULL);
	assert_int_equal(c.rule, PIDFILE_RULE_NO_PROC);
	assert_int_equal(c.outcome, PIDFILE_UNKNOWN);
	assert_null(c.log);
	pidfile_check_done(&c);
}

/* Neither may be opened: one would wait, the other may do something. */
static void opens_no_fifo(void **state)
{
	const struct tree *t = *state;
	struct pidfile_check c;

	assert_int_equal(mkfifoat(t->fd, "fifo", 0600), 0);
	c = check(t, "/fifo", &rules_252, NULL);
	assert_int_equal(c.rule, PIDFILE_RULE_BLOCKS);
	pidfile_check_done(&c);
	put_dir(t, "dir");
	c = check(t, "/dir", &rules_252, NULL);
	assert_int_equal(c.rule, PIDFILE_RULE_CANNOT_READ);
	assert_string_equal(c.log, "Can't convert PID files /dir O_PATH file descriptor to proper "
				   "file descriptor: Is a directory");
	pidfile_check_done(&c);
}

/* What is to be typed is quoted: a name must not become a command. */
static void quotes_what_mends_it(void **state)
{
	struct pidfile_query q = {.path = "/tmp", .rules = rules_262};
	struct pidfile_check c;
	const struct tree *t = *state;
	char path[128];

	needs_root();
	q.root_fd = open("/", O_PATH | O_CLOEXEC);
	q.service.unit = "a.service";
	put_dir(t, "x;reboot");
	own(t, "x;reboot", 1000);
	put_file(t, "x;reboot/f", "");
	snprintf(path, sizeof(path), "%s/x;reboot/f", t->path);
	q.path = path;
	q.pid = getpid();
	assert_int_equal(pidfile_check(&q, &c), 0);
	assert_int_equal(c.rule, PIDFILE_RULE_UNSAFE_PATH);
	assert_non_null(strstr(c.mend, "chown -h root '/tmp/"));
	assert_non_null(strstr(c.mend, "/x;reboot'"));
	pidfile_check_done(&c);
	close(q.root_fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses_as_systemd),
		cmocka_unit_test(parses_within_limits),
		cmocka_unit_test_setup_teardown(stays_below_the_root, plant, fell),
		cmocka_unit_test_setup_teardown(says_where_it_ends, plant, fell),
		cmocka_unit_test_setup_teardown(counts_links_or_steps, plant, fell),
		cmocka_unit_test_setup_teardown(finds_the_unsafe_step, plant, fell),
		cmocka_unit_test_setup_teardown(weighs_the_link, plant, fell),
		cmocka_unit_test_setup_teardown(judges_without_a_process, plant, fell),
		cmocka_unit_test_setup_teardown(opens_no_fifo, plant, fell),
		cmocka_unit_test_setup_teardown(quotes_what_mends_it, plant, fell),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
