/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The verb table. Without a verb, svctrace traces live. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "svctrace/cleanup.h"
#include "svctrace/text.h"

void say(const char *fmt, ...)
{
	char line[8192], shown[2 * sizeof(line)];
	va_list args;

	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	fprintf(stderr, "svctrace: %s\n", text_escape(shown, sizeof(shown), line, strlen(line)));
}

static int cmd_version(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	puts("svctrace " SVCTRACE_VERSION);
	return EXIT_OK;
}

static int cmd_help(int argc, char **argv);

static const struct verb {
	const char *name;
	int (*run)(int argc, char **argv);
} verbs[] = {
	{"live", cmd_live},	  {"record", cmd_record},   {"replay", cmd_replay},
	{"check", cmd_check},	  {"diff", cmd_diff},	    {"dump", cmd_dump},
	{"scrub", cmd_scrub},	  {"resolve", cmd_resolve}, {"doctor", cmd_doctor},
	{"pidfile", cmd_pidfile}, {"stuck", cmd_stuck},	    {"version", cmd_version},
	{"help", cmd_help},
};

static const struct verb *running;

const char *verb_name(void)
{
	return running ? running->name : "";
}

static const struct verb *verb_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		if (strcmp(name, verbs[i].name) == 0)
			return &verbs[i];
	return NULL;
}

static int cmd_help(int argc, char **argv)
{
	const struct verb *v = argc > 1 ? verb_find(argv[1]) : &verbs[0];
	char *help[] = {argc > 1 ? argv[1] : (char *)"live", (char *)"--help", NULL};

	if (!v || v->run == cmd_help || v->run == cmd_version) {
		say("there is no help for \"%s\"; try svctrace --help", argv[1]);
		return EXIT_USAGE;
	}
	return v->run(2, help);
}

/* One character changed, left out, added, or two swapped. */
static bool is_typo(const char *a, const char *b)
{
	size_t la = strlen(a), lb = strlen(b), i = 0;

	while (a[i] && a[i] == b[i])
		i++;
	if (la == lb)
		return strcmp(a + i + 1, b + i + 1) == 0 ||
		       (a[i] == b[i + 1] && a[i + 1] == b[i] && strcmp(a + i + 2, b + i + 2) == 0);
	if (la + 1 == lb)
		return strcmp(a + i, b + i + 1) == 0;
	return la == lb + 1 && strcmp(a + i + 1, b + i) == 0;
}

/* A first word that is nearly a verb is hardly meant as a unit. */
static int reject_typo(const char *word)
{
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
		if (!is_typo(word, verbs[i].name))
			continue;
		say("unknown verb \"%s\": did you mean \"%s\"? (A unit: %s.service)", word,
		    verbs[i].name, word);
		return EXIT_USAGE;
	}
	return EXIT_OK;
}

static int run(int argc, char **argv)
{
	running = argc > 1 ? verb_find(argv[1]) : NULL;
	if (running)
		return running->run(argc - 1, argv + 1);
	if (argc > 1 && strcmp(argv[1], "--version") == 0)
		return cmd_version(argc, argv);
	if (argc > 1 && *argv[1] != '-' && reject_typo(argv[1]) != EXIT_OK)
		return EXIT_USAGE;
	return cmd_live(argc, argv);
}

/*
 * Else the next file that is opened would be taken for one of these, and be written to. Whoever
 * uses them still gets an error.
 */
static bool open_standard_files(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 &&
		    open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
			return false;
	return true;
}

int main(int argc, char **argv)
{
	int status = open_standard_files() ? run(argc, argv) : EXIT_FAILED;

	/* what no verb has flushed, as a help; a reader that left knows */
	if (status != EXIT_OK || fflush(stdout) == 0 || errno == EPIPE)
		return status;
	say("cannot write the output: %s", strerror(errno));
	return EXIT_FAILED;
}
