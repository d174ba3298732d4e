/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* svctrace resolve: what svctrace knows of a service manager's binary, and how it knows. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "output.h"
#include "render/json.h"
#include "svctrace/symbol.h"
#include "svctrace/text.h"

#define NAME_COLUMN 42

static const char help[] =
	"Usage: svctrace resolve [OPTION…] ELF|--pid=PID [NAME…]\n"
	"Finds functions, struct offsets and enum names in a (stripped) systemd object.\n"
	"\n"
	"NAME is a function (service_enter_stop), an offset (Service.MainPID) or an enum\n"
	"(ServiceState); default: all that svctrace itself needs.\n"
	"\n"
	"      --pid=PID          the object that holds this service manager's code\n"
	"      --all              every function whose name can be found\n"
	"      --user-address=NAME=0xADDR\n"
	"                         where a function is, for those that cannot be found\n"
	"      --shared=PATH      libsystemd-shared-*.so (default: next to ELF)\n"
	"      --debug-path=DIR[:DIR…]\n"
	"                         where separate debug files are (default: next to ELF, and\n"
	"                         /usr/lib/debug)\n"
	"      --no-debug-files   do not look for separate debug files and .gnu_debugdata\n"
	"      --no-references    do not find functions by the names that their code refers to\n"
	"      --debuginfod       let libdw ask the servers in DEBUGINFOD_URLS\n"
	"      --json             one JSON object\n"
	"  -h, --help             this text\n"
	"\n"
	"Exit status: 0 all found, 1 something essential (or a NAME) was not, 2 bad usage or\n"
	"unreadable input.\n"
	"\n"
	"Examples:\n"
	"  svctrace resolve --pid=1\n"
	"  svctrace resolve --json libsystemd-core-252.so service_enter_stop Service.Result\n"
	"  svctrace resolve --all /lib/systemd/systemd | grep watchdog\n";

enum {
	OPT_PID = 256,
	OPT_ALL,
	OPT_USER,
	OPT_SHARED,
	OPT_DEBUG_PATH,
	OPT_NO_DEBUG,
	OPT_NO_REFERENCES,
	OPT_DEBUGINFOD,
	OPT_JSON,
};

static const struct option options[] = {
	{"pid", required_argument, NULL, OPT_PID},
	{"all", no_argument, NULL, OPT_ALL},
	{"user-address", required_argument, NULL, OPT_USER},
	{"shared", required_argument, NULL, OPT_SHARED},
	{"debug-path", required_argument, NULL, OPT_DEBUG_PATH},
	{"no-debug-files", no_argument, NULL, OPT_NO_DEBUG},
	{"no-references", no_argument, NULL, OPT_NO_REFERENCES},
	{"debuginfod", no_argument, NULL, OPT_DEBUGINFOD},
	{"json", no_argument, NULL, OPT_JSON},
	{"help", no_argument, NULL, 'h'},
	{0},
};

struct resolve {
	struct symbols_options load;
	struct sym_user *user;
	struct sym_object object;
	struct symbols *symbols;
	const char *path;
	const char *const *names; /* NULL-terminated; NULL: the needed ones */
	uint64_t pid;
	bool all, json;
	bool incomplete; /* something that had to be found was not */
	json_t *functions, *offsets, *enums;
};

static void resolve_done(struct resolve *v)
{
	json_decref(v->functions);
	json_decref(v->offsets);
	json_decref(v->enums);
	symbols_free(v->symbols);
	sym_object_done(&v->object);
	for (size_t i = 0; i < v->load.n_user; i++)
		free((char *)v->user[i].name);
	free(v->user);
}

static int add_user(struct resolve *v, const char *arg)
{
	const char *equals = strchr(arg, '=');
	struct sym_user *user;
	char *end = NULL;
	uint64_t vaddr;

	errno = 0;
	vaddr = equals ? strtoull(equals + 1, &end, 16) : 0;
	if (!equals || equals == arg || end == equals + 1 || *end || errno || vaddr == 0) {
		say("--user-address wants NAME=0xADDRESS");
		return -EINVAL;
	}
	user = reallocarray(v->user, v->load.n_user + 1, sizeof(*user));
	if (!user)
		return -ENOMEM;
	v->load.user = v->user = user;
	user[v->load.n_user] = (struct sym_user){strndup(arg, equals - arg), vaddr};
	return user[v->load.n_user++].name ? 0 : -ENOMEM;
}

static int parse_option(struct resolve *v, int c, const char *arg)
{
	switch (c) {
	case OPT_PID:
		if (parse_number(arg, INT32_MAX, &v->pid) == 0)
			return 0;
		say("--pid wants a process ID");
		return -EINVAL;
	case OPT_USER:
		return add_user(v, arg);
	case OPT_ALL:
		v->all = true;
		break;
	case OPT_SHARED:
		v->load.shared_path = arg;
		break;
	case OPT_DEBUG_PATH:
		v->load.debug_path = arg;
		break;
	case OPT_NO_DEBUG:
		v->load.no_debugfile = true;
		break;
	case OPT_NO_REFERENCES:
		v->load.no_reference = true;
		break;
	case OPT_DEBUGINFOD:
		v->load.debuginfod = true;
		break;
	case OPT_JSON:
		v->json = true;
		break;
	default:
		return -EINVAL;
	}
	return 0;
}

/* 1: help was asked for and given. */
static int parse_options(struct resolve *v, int argc, char **argv)
{
	int c, r = 0;

	optind = 0;
	opterr = 0;
	while (r == 0 && (c = getopt_long(argc, argv, ":h", options, NULL)) >= 0) {
		if (c == 'h') {
			fputs(help, stdout);
			return 1;
		}
		if (c == '?' || c == ':')
			return output_bad_option(c, argv[optind - 1]);
		r = parse_option(v, c, optarg);
	}
	if (r == 0 && !v->pid && optind < argc)
		v->path = argv[optind++];
	if (r == 0 && !v->pid && !v->path) {
		say("resolve wants an ELF object or --pid=PID; try svctrace resolve --help");
		return -EINVAL;
	}
	if (optind < argc)
		v->names = (const char *const *)argv + optind;
	return r;
}

/* Offsets are written with a dot, enums start with a capital letter. */
enum name_kind { NAME_FUNCTION, NAME_OFFSET, NAME_ENUM };

static enum name_kind kind_of(const char *name)
{
	if (strchr(name, '.'))
		return NAME_OFFSET;
	return *name >= 'A' && *name <= 'Z' ? NAME_ENUM : NAME_FUNCTION;
}

static json_t *function_json(const struct sym *sym)
{
	struct json_object o = {.json = json_object()};
	bool found = sym->status == SYM_FOUND;

	json_put(&o, "name", json_text(sym->name));
	json_put(&o, "status", json_text(sym_status_name(sym->status)));
	json_put(&o, "address", found ? json_number(sym->vaddr) : json_null());
	json_put(&o, "file_offset", found ? json_number(sym->file_offset) : json_null());
	json_put(&o, "size", found && sym->size ? json_number(sym->size) : json_null());
	json_put(&o, "origin", found ? json_text(sym_origin_name(sym->origin)) : json_null());
	json_put(&o, "clone", json_boolean(sym->is_clone));
	json_put(&o, "reason", json_text(sym->reason));
	return json_done(&o);
}

static void print_function(const struct sym *sym)
{
	bool explained = sym->origin == SYM_ORIGIN_REFERENCE || sym->origin == SYM_ORIGIN_VTABLE;
	char name[200];

	text_escape(name, sizeof(name), sym->name, strlen(sym->name));
	if (sym->status != SYM_FOUND) {
		printf("  %-*s %s: %s\n", NAME_COLUMN, name, sym_status_name(sym->status),
		       sym->reason);
		return;
	}
	printf("  %-*s 0x%-8llx offset 0x%-8llx size %-6llu %s%s%s%s\n", NAME_COLUMN, name,
	       (unsigned long long)sym->vaddr, (unsigned long long)sym->file_offset,
	       (unsigned long long)sym->size, sym_origin_name(sym->origin), explained ? ": " : "",
	       explained ? sym->reason : "",
	       sym->is_clone ? " (a clone: its arguments may differ)" : "");
}

static int show_function(void *ctx, const struct sym *sym)
{
	struct resolve *v = ctx;

	if (v->json)
		return json_array_append_new(v->functions, function_json(sym)) ? -ENOMEM : 0;
	print_function(sym);
	return 0;
}

static int show_offset(struct resolve *v, const struct sym_offset *offset)
{
	bool found = offset->status == SYM_FOUND;
	struct json_object o = {0};
	char key[200];

	if (!v->json) {
		text_escape(key, sizeof(key), offset->key, strlen(offset->key));
		if (found)
			printf("  %-*s %-10zu %s\n", NAME_COLUMN, key, offset->offset,
			       offset->reason);
		else
			printf("  %-*s %s: %s\n", NAME_COLUMN, key, sym_status_name(offset->status),
			       offset->reason);
		return 0;
	}
	o.json = json_object();
	json_put(&o, "key", json_text(offset->key));
	json_put(&o, "status", json_text(sym_status_name(offset->status)));
	json_put(&o, "offset", found ? json_number(offset->offset) : json_null());
	json_put(&o, "reason", json_text(offset->reason));
	return json_array_append_new(v->offsets, json_done(&o)) ? -ENOMEM : 0;
}

static json_t *values_json(const struct sym_enum *e)
{
	json_t *values = json_array();

	for (size_t i = 0; values && e && i < e->n; i++)
		if (json_array_append_new(values, json_text(e->values[i]))) {
			json_decref(values);
			return NULL;
		}
	return values;
}

static int show_enum(struct resolve *v, const char *name, const struct sym_enum *e)
{
	struct json_object o = {0};
	char text[200];

	if (!v->json) {
		text_escape(text, sizeof(text), name, strlen(name));
		printf("  %-*s%s", NAME_COLUMN, text, e ? "" : " missing");
		for (size_t i = 0; e && i < e->n; i++) {
			const char *value = e->values[i] ?: "-";

			text_escape(text, sizeof(text), value, strlen(value));
			printf(" %zu=%s", i, text);
		}
		putchar('\n');
		return 0;
	}
	o.json = json_object();
	json_put(&o, "name", json_text(name));
	json_put(&o, "status", json_text(e ? "found" : "missing"));
	json_put(&o, "values", values_json(e));
	return json_array_append_new(v->enums, json_done(&o)) ? -ENOMEM : 0;
}

static int show_name(struct resolve *v, const char *name)
{
	const struct sym_enum *e;
	struct sym_offset offset;
	struct sym sym;
	bool found;
	int r;

	switch (kind_of(name)) {
	case NAME_OFFSET:
		found = symbols_offset_info(v->symbols, name, &offset) == 0;
		r = show_offset(v, &offset);
		break;
	case NAME_ENUM:
		e = symbols_enum(v->symbols, name);
		found = e;
		r = show_enum(v, name, e);
		break;
	default:
		found = symbols_find(v->symbols, name, &sym) == 0;
		r = show_function(v, &sym);
	}
	if (!found && (v->names || sym_is_essential(name)))
		v->incomplete = true;
	return r;
}

static int show_names(struct resolve *v, const char *title, const char *const *names)
{
	int r = 0;

	if (title && !v->json)
		printf("\n%s\n", title);
	for (; r == 0 && *names; names++)
		r = show_name(v, *names);
	return r;
}

static void print_head(const struct resolve *v)
{
	struct sym_calibration c = symbols_calibration(v->symbols);
	const char *debug = symbols_debug_file(v->symbols);
	const char *path = v->pid ? v->object.name : v->path;
	char text[4200];

	printf("object    %s%s\n", text_escape(text, sizeof(text), path, strlen(path)),
	       v->object.replaced ? " (replaced on disk since it was started)" : "");
	printf("build-id  %s\n", symbols_build_id(v->symbols));
	printf("machine   %s\n", symbols_arch(v->symbols));
	if (debug)
		printf("debug     %s\n", text_escape(text, sizeof(text), debug, strlen(debug)));
	if (v->load.no_reference)
		puts("checked   name references are switched off");
	else if (c.exported == 0)
		puts("checked   name references: the object exports no function to check them "
		     "with");
	else
		printf("checked   name references: %zu of %zu exported functions agree, %zu "
		       "disagree, "
		       "%zu have no answer%s\n",
		       c.agree, c.exported, c.disagree, c.unreferenced,
		       c.enabled ? "" : "; not used");
}

static json_t *calibration_json(const struct symbols *s)
{
	struct sym_calibration c = symbols_calibration(s);
	struct json_object o = {.json = json_object()};

	json_put(&o, "exported", json_number(c.exported));
	json_put(&o, "agree", json_number(c.agree));
	json_put(&o, "disagree", json_number(c.disagree));
	json_put(&o, "no_answer", json_number(c.unreferenced));
	json_put(&o, "enabled", json_boolean(c.enabled));
	return json_done(&o);
}

static int print_json(struct resolve *v)
{
	struct json_object o = {.json = json_object()};

	json_put(&o, "path", json_text(v->pid ? v->object.name : v->path));
	json_put(&o, "replaced", json_boolean(v->object.replaced));
	json_put(&o, "build_id", json_text(symbols_build_id(v->symbols)));
	json_put(&o, "machine", json_text(symbols_arch(v->symbols)));
	json_put(&o, "debug_file", json_text(symbols_debug_file(v->symbols)));
	json_put(&o, "calibration", calibration_json(v->symbols));
	json_put(&o, "functions", json_incref(v->functions));
	json_put(&o, "offsets", json_incref(v->offsets));
	json_put(&o, "enums", json_incref(v->enums));
	return json_print(json_done(&o), JSON_INDENT(2));
}

static int show(struct resolve *v)
{
	int r;

	v->functions = json_array();
	v->offsets = json_array();
	v->enums = json_array();
	if (!v->functions || !v->offsets || !v->enums)
		return -ENOMEM;
	if (!v->json)
		print_head(v);
	if (v->all) {
		r = symbols_each(v->symbols, show_function, v);
	} else if (v->names) {
		r = show_names(v, NULL, v->names);
	} else {
		r = show_names(v, "functions", sym_needed_functions);
		r = r ?: show_names(v, "offsets", sym_needed_offsets);
		r = r ?: show_names(v, "enums", sym_needed_enums);
	}
	return r || !v->json ? r : print_json(v);
}

static int load(struct resolve *v)
{
	const char *path = v->path;
	struct sym_error err = {0};
	int r;

	if (v->pid) {
		r = symbols_object_of_pid((pid_t)v->pid, &v->object, &err);
		if (r < 0) {
			say("%s", err.text);
			return r;
		}
		path = v->object.open_path;
		if (!v->load.shared_path)
			v->load.shared_path = v->object.shared_path;
	}
	r = symbols_load(path, &v->load, &v->symbols, &err);
	if (r < 0)
		say("%s: %s", path, err.text);
	return r;
}

int cmd_resolve(int argc, char **argv)
{
	_cleanup_(resolve_done) struct resolve v = {0};
	int r;

	r = parse_options(&v, argc, argv);
	if (r != 0)
		return r > 0 ? EXIT_OK : EXIT_USAGE;
	if (load(&v) < 0)
		return EXIT_USAGE;
	r = show(&v);
	if (r < 0) {
		say("cannot write the result: %s", strerror(-r));
		return EXIT_FAILED;
	}
	return v.incomplete ? EXIT_FAILED : EXIT_OK;
}
