/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* svctrace pidfile: what would systemd make of this PID file? */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "output.h"
#include "pidfile/verb/show.h"
#include "svctrace/cleanup.h"
#include "svctrace/pidfile.h"
#include "pidfile/verb/unit.h"

static const char help[] =
	"Usage: svctrace pidfile [OPTION…] UNIT|PATH\n"
	"Tells what systemd makes of a service's PID file, before it has to: goes systemd's own "
	"way to\n"
	"the file, reads it as systemd does, and puts the process to systemd's own tests.\n"
	"\n"
	"  UNIT                   a loaded service: PIDFile=, its cgroup and its main process "
	"are those\n"
	"                         that systemctl shows\n"
	"  PATH                   an absolute path, as PIDFile= has it; needs no systemd\n"
	"      --unit=UNIT        with PATH: the service that it would be the PID file of\n"
	"      --pid=N            suppose that the file holds this PID\n"
	"      --root=DIR         with PATH: below this root directory, as /proc/PID/root of a\n"
	"                         container's systemd\n"
	"      --json             one JSON object on one line\n"
	"  -h, --help             this text\n"
	"\n"
	"Examples:\n"
	"  sudo svctrace pidfile ovs-vswitchd\n"
	"  sudo svctrace pidfile ovs-vswitchd --pid=4711     would this process be taken?\n"
	"  sudo svctrace pidfile /run/openvswitch/ovs-vswitchd.pid --unit=ovs-vswitchd.service\n"
	"\n"
	"Exit status: 0 systemd accepts it, 1 it does not, 2 cannot tell, or bad usage.\n";

enum {
	OPT_UNIT = 256,
	OPT_PID,
	OPT_ROOT,
	OPT_JSON,
};

static const struct option options[] = {
	{"unit", required_argument, NULL, OPT_UNIT},
	{"pid", required_argument, NULL, OPT_PID},
	{"root", required_argument, NULL, OPT_ROOT},
	{"json", no_argument, NULL, OPT_JSON},
	{"help", no_argument, NULL, 'h'},
	{},
};

struct pidfile {
	const char *operand, *unit_option, *root;
	bool json;
	char *unit, *path; /* owned */
	struct unit_facts facts;
	struct pidfile_query query;
};

static int parse_option(struct pidfile *p, int c, const char *arg)
{
	uint64_t pid;

	switch (c) {
	case OPT_UNIT:
		p->unit_option = arg;
		return 0;
	case OPT_ROOT:
		p->root = arg;
		return 0;
	case OPT_JSON:
		p->json = true;
		return 0;
	case OPT_PID:
		if (parse_number(arg, INT_MAX, &pid) < 0)
			return output_usage("--pid takes a process number, not", arg);
		p->query.pid = (pid_t)pid;
		return 0;
	default:
		fputs(help, stdout);
		return 1;
	}
}

/* 0 to go on, 1 when all was said already. */
static int parse_args(struct pidfile *p, int argc, char **argv)
{
	int c, r = 0;

	opterr = 0;
	while (r == 0 && (c = getopt_long(argc, argv, ":h", options, NULL)) >= 0) {
		if (c == '?' || c == ':')
			return output_bad_option(c, argv[optind - 1]);
		r = parse_option(p, c, optarg);
	}
	if (r != 0)
		return r;
	p->operand = argv[optind];
	if (argc - optind != 1 || !*p->operand) {
		say("pidfile needs one unit or one path; try svctrace pidfile --help");
		return -EINVAL;
	}
	if (*p->operand != '/' && strchr(p->operand, '/'))
		return output_usage("the path has to be absolute, not", p->operand);
	if (*p->operand != '/' && (p->unit_option || p->root)) {
		say("--unit and --root go with a path; \"%s\" is a unit", p->operand);
		return -EINVAL;
	}
	return 0;
}

/* "nginx" means nginx.service. */
static int name_unit(struct pidfile *p, const char *name)
{
	if (asprintf(&p->unit, "%s%s", name, strchr(name, '.') ? "" : ".service") < 0) {
		p->unit = NULL;
		return -ENOMEM;
	}
	return 0;
}

static int refuse_unit(const struct pidfile *p, int r)
{
	const struct unit_facts *u = &p->facts;

	if (r == -ENOENT)
		say("there is no systemctl here; name the PID file's path instead");
	else if (r < 0)
		say("systemctl does not tell about %s: %s", p->unit, strerror(-r));
	else if (strcmp(u->load_state, "loaded") != 0)
		say("%s is not loaded: %s", p->unit, u->load_state);
	else
		say("%s has no PIDFile=", p->unit);
	return -EINVAL;
}

/* The state that a line in the log would name: a dead service is asked about its next start. */
static const char *state_of(const struct unit_facts *u)
{
	return strncmp(u->sub_state, "dead", 4) == 0 || strncmp(u->sub_state, "failed", 6) == 0 ||
			       strncmp(u->sub_state, "auto-restart", 12) == 0
		       ? NULL
		       : u->sub_state;
}

static int ask_systemd(struct pidfile *p)
{
	struct pidfile_service *s = &p->query.service;
	struct unit_facts *u = &p->facts;
	int r = name_unit(p, p->operand);

	if (r < 0)
		return r;
	r = unit_show(p->unit, u);
	if (r < 0 || strcmp(u->load_state, "loaded") != 0 || !*u->pid_file)
		return refuse_unit(p, r);
	s->unit = *u->id ? u->id : p->unit;
	s->cgroup = *u->control_group ? u->control_group : NULL;
	s->state = state_of(u);
	s->main_pid = u->main_pid;
	s->control_pid = u->control_pid;
	p->query.path = u->pid_file;
	return 0;
}

static bool has_dot_dot(const char *path)
{
	for (const char *s = path; (s = strstr(s, "/..")); s++)
		if (s[3] == 0 || s[3] == '/')
			return true;
	return false;
}

/* As systemd takes PIDFile= from the unit file: single slashes, no ".", no legacy directory. */
static int take_path(struct pidfile *p)
{
	const char *s = p->operand;
	char *d;

	if (has_dot_dot(s)) {
		say("%s: systemd ignores a PIDFile= that holds \"..\"", s);
		return -ENOTUNIQ;
	}
	if (strncmp(s, "/var/run/", 9) == 0)
		s += 4;
	d = p->path = malloc(strlen(s) + 2);
	if (!d)
		return -ENOMEM;
	while (*(s += strspn(s, "/"))) {
		size_t n = strcspn(s, "/");

		if (n != 1 || *s != '.') {
			*d++ = '/';
			d = mempcpy(d, s, n);
		}
		s += n;
	}
	if (d == p->path)
		*d++ = '/';
	*d = 0;
	p->query.path = p->path;
	if (p->unit_option && name_unit(p, p->unit_option) < 0)
		return -ENOMEM;
	p->query.service.unit = p->unit;
	return 0;
}

static int exit_code(enum pidfile_outcome o)
{
	return o == PIDFILE_ACCEPTED ? EXIT_OK : o == PIDFILE_UNKNOWN ? EXIT_USAGE : EXIT_FAILED;
}

static int check(struct pidfile *p)
{
	const char *type = *p->operand == '/' ? NULL : p->facts.type, *root = p->root ?: "/";
	_cleanup_close_ int root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct pidfile_check c;
	int r;

	if (root_fd < 0) {
		say("cannot open %s: %s", root, strerror(errno));
		return EXIT_USAGE;
	}
	p->query.root_fd = root_fd;
	r = pidfile_rules_of(root_fd, &p->query.rules);
	if (r == 0)
		r = pidfile_check(&p->query, &c);
	if (r < 0) {
		say("cannot check %s: %s", p->query.path, strerror(-r));
		return EXIT_USAGE;
	}
	r = (p->json ? pidfile_show_json : pidfile_show_text)(&p->query, &c, type);
	if (r < 0)
		say("cannot write the result: %s", strerror(-r));
	r = r < 0 ? EXIT_USAGE : exit_code(c.outcome);
	pidfile_check_done(&c);
	return r;
}

int cmd_pidfile(int argc, char **argv)
{
	struct pidfile p = {};
	int r = parse_args(&p, argc, argv), code;

	if (r != 0)
		return r < 0 ? EXIT_USAGE : EXIT_OK;
	r = *p.operand == '/' ? take_path(&p) : ask_systemd(&p);
	if (r == -ENOMEM)
		say("out of memory");
	code = r == 0 ? check(&p) : r == -ENOTUNIQ ? EXIT_FAILED : EXIT_USAGE;
	unit_facts_done(&p.facts);
	free(p.unit);
	free(p.path);
	return code;
}
