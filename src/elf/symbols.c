/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Asks the providers in their order, see enum sym_origin. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "elf/accessors.h"
#include "elf/debugfile.h"
#include "elf/enums.h"
#include "elf/offsets.h"
#include "elf/slots.h"

struct symbols {
	char *path;
	char *debug_file;
	char build_id[2 * SYMBOLS_BUILD_ID_MAX + 1];
	struct image image;
	const struct arch *arch;
	struct pointers pointers;
	struct symtab symtab;
	struct code code;
	struct bus bus;
	struct reference reference;
	struct enums enums;
	struct accessors accessors;
	struct image shared; /* open as long as enums points into it */
	struct sym_user *user;
	size_t n_user;
	bool no_reference;
};

static void write_build_id(struct symbols *s)
{
	for (size_t i = 0; i < s->image.build_id_size; i++)
		sprintf(s->build_id + 2 * i, "%02x", s->image.build_id[i]);
}

static int copy_user(struct symbols *s, const struct symbols_options *o)
{
	s->user = calloc(o->n_user + 1, sizeof(*s->user));
	if (!s->user)
		return -ENOMEM;
	for (; s->n_user < o->n_user; s->n_user++) {
		s->user[s->n_user] = o->user[s->n_user];
		s->user[s->n_user].name = strdup(o->user[s->n_user].name);
		if (!s->user[s->n_user].name)
			return -ENOMEM;
	}
	return 0;
}

static int scan_code(struct symbols *s)
{
	_cleanup_free_ uint64_t *exported = calloc(s->symtab.n_functions + 1, sizeof(*exported));

	if (!exported)
		return -ENOMEM;
	for (size_t i = 0; i < s->symtab.n_functions; i++)
		exported[i] = s->symtab.items[s->symtab.by_address[i]].vaddr;
	return code_scan(&s->code, &s->image, s->arch, &s->pointers, exported,
			 s->symtab.n_functions);
}

static int add_entry(struct symbols *s, const char *name, uint64_t vaddr)
{
	ssize_t f = vaddr ? ranges_find(&s->code.ranges, vaddr) : -1;
	const struct range *range = f < 0 ? NULL : &s->code.ranges.items[f];

	if (!range || range->start != vaddr)
		return 0;
	return symtab_add(&s->symtab, name, vaddr, range->end - vaddr, true, SYM_ORIGIN_ENTRY);
}

/* A program's start-up code passes main() to the C library; no other names are as sure. */
static int add_main(struct symbols *s)
{
	uint64_t main = code_first_argument(&s->code, &s->pointers, s->image.entry);
	int r = add_entry(s, "main", main);

	if (r == 0 && main)
		r = add_entry(s, "_start", s->image.entry);
	return r ?: symtab_sort(&s->symtab);
}

/* Everything that the object itself tells. */
static int load_object(struct symbols *s, struct sym_error *err)
{
	int r;

	s->arch = arch_of(s->image.machine);
	if (!s->arch)
		return sym_error_set(err, -ENOTSUP,
				     "machine %u is not supported, only x86-64 and aarch64",
				     s->image.machine);
	write_build_id(s);
	r = symtab_add_image(&s->symtab, &s->image, SHT_DYNSYM, SYM_ORIGIN_DYNSYM);
	if (r == 0)
		r = symtab_add_image(&s->symtab, &s->image, SHT_SYMTAB, SYM_ORIGIN_SYMTAB);
	if (r == 0)
		r = symtab_sort(&s->symtab);
	if (r == 0)
		r = pointers_load(&s->image, s->arch, &s->pointers);
	if (r == 0)
		r = scan_code(s);
	if (r == 0)
		r = add_main(s);
	if (r == 0)
		r = bus_load(&s->image, &s->pointers, &s->bus);
	if (r == 0)
		r = reference_load(&s->reference, &s->code, &s->symtab, &s->bus);
	if (r == 0)
		r = enums_add(&s->enums, &s->code, &s->pointers, s->code.takes_data);
	if (r == 0)
		accessors_add(&s->accessors, &s->code, &s->symtab);
	return r;
}

static int take_needed(void *ctx, const struct section *s, const struct section *strings)
{
	const char **ret = ctx;

	for (size_t at = 0; s->size - at >= sizeof(Elf64_Dyn); at += sizeof(Elf64_Dyn)) {
		const char *name;
		Elf64_Dyn d;

		memcpy(&d, s->data + at, sizeof(d));
		if (d.d_tag != DT_NEEDED || d.d_un.d_val >= strings->size)
			continue;
		name = (const char *)strings->data + d.d_un.d_val;
		if (memchr(name, 0, strings->size - d.d_un.d_val) && !strchr(name, '/') &&
		    !strncmp(name, "libsystemd-shared-", strlen("libsystemd-shared-"))) {
			*ret = name;
			return 1;
		}
	}
	return 0;
}

/* Where libsystemd-shared is, or NULL. */
static char *shared_path(const struct symbols *s, const struct symbols_options *o)
{
	const char *name = NULL, *slash = strrchr(s->path, '/');
	char *path;

	if (o->shared_path)
		return strdup(o->shared_path);
	if (!image_sections(&s->image, SHT_DYNAMIC, take_needed, &name))
		return NULL;
	return asprintf(&path, "%.*s%s", slash ? (int)(slash - s->path + 1) : 0, s->path, name) < 0
		       ? NULL
		       : path;
}

/* For each range: is it TYPE_to_string() or TYPE_from_string()? The manager imports those it needs.
 */
static bool *find_converters(const struct symtab *exported, const struct ranges *ranges)
{
	bool *relevant = calloc(ranges->n + 1, sizeof(*relevant));

	for (size_t i = 0; relevant && i < exported->n; i++) {
		ssize_t f = ranges_find(ranges, exported->items[i].vaddr);

		if (f >= 0 && strstr(exported->items[i].name, "_string"))
			relevant[f] = true;
	}
	return relevant;
}

/* What the functions tell that libsystemd-shared exports. */
static int add_shared_exports(struct symbols *s, const struct code *code,
			      const struct pointers *pointers, struct symtab *exported)
{
	_cleanup_free_ bool *relevant = NULL;
	int r = symtab_add_image(exported, &s->shared, SHT_DYNSYM, SYM_ORIGIN_DYNSYM);

	if (r == 0)
		r = symtab_sort(exported);
	if (r < 0)
		return r;
	accessors_add(&s->accessors, code, exported);
	relevant = find_converters(exported, &code->ranges);
	return relevant ? enums_add(&s->enums, code, pointers, relevant) : -ENOMEM;
}

/* Half of the enums, and sd-bus; that libsystemd-shared is missing only shows in these. */
static int add_shared(struct symbols *s, const struct symbols_options *o)
{
	_cleanup_free_ char *path = shared_path(s, o);
	struct code code = {.im = &s->shared, .arch = s->arch};
	struct pointers pointers = {0};
	struct symtab exported = {0};
	_cleanup_close_ int fd = -1;
	int r;

	fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	if (fd < 0 || image_open_fd(&s->shared, fd, IMAGE_RUNTIME, NULL) < 0)
		return 0;
	if (s->shared.machine != s->image.machine)
		return 0;
	r = pointers_load(&s->shared, s->arch, &pointers);
	if (r == 0)
		r = ranges_load(&s->shared, &code.ranges);
	if (r == 0)
		r = add_shared_exports(s, &code, &pointers, &exported);
	symtab_done(&exported);
	pointers_done(&pointers);
	ranges_done(&code.ranges);
	return r;
}

static int add_outside_help(struct symbols *s, const struct symbols_options *o)
{
	size_t before = s->symtab.n;
	int r = 0;

	if (!o->no_debugfile)
		r = debugfile_add(&s->symtab, &s->image, s->path, o, &s->debug_file);
	if (r == 0 && s->symtab.n != before)
		r = symtab_sort(&s->symtab);
	return r ?: add_shared(s, o);
}

static int load(struct symbols *s, const struct symbols_options *o, struct sym_error *err)
{
	int r;

	s->no_reference = o->no_reference;
	r = copy_user(s, o);
	return r ?: load_object(s, err);
}

/* Fails with a text in any case. */
static int failed(struct sym_error *err, int r)
{
	if (err && !*err->text)
		sym_error_set(err, r, "%s", strerror(-r));
	return r;
}

int symbols_load(const char *path, const struct symbols_options *o, struct symbols **ret,
		 struct sym_error *err)
{
	static const struct symbols_options none;
	_cleanup_(symbols_freep) struct symbols *s = calloc(1, sizeof(*s));
	_cleanup_close_ int fd = -1;
	int r;

	if (err)
		*err->text = 0;
	if (!s || !(s->path = strdup(path)))
		return failed(err, -ENOMEM);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return failed(err, -errno);
	r = image_open_fd(&s->image, fd, IMAGE_RUNTIME, err);
	if (r == 0)
		r = load(s, o ?: &none, err);
	if (r == 0)
		r = add_outside_help(s, o ?: &none);
	if (r < 0)
		return failed(err, r);
	image_rest(&s->image);
	image_rest(&s->shared);
	*ret = take_ptr(s);
	return 0;
}

int symbols_load_memory(const void *image, size_t size, const struct symbols_options *o,
			struct symbols **ret, struct sym_error *err)
{
	static const struct symbols_options none;
	_cleanup_(symbols_freep) struct symbols *s = calloc(1, sizeof(*s));
	int r;

	if (err)
		*err->text = 0;
	if (!s || !(s->path = strdup("")))
		return failed(err, -ENOMEM);
	r = image_open_memory(&s->image, image, size, err);
	if (r == 0)
		r = load(s, o ?: &none, err);
	if (r < 0)
		return failed(err, r);
	*ret = take_ptr(s);
	return 0;
}

void symbols_free(struct symbols *s)
{
	if (!s)
		return;
	enums_done(&s->enums);
	reference_done(&s->reference);
	bus_done(&s->bus);
	code_done(&s->code);
	pointers_done(&s->pointers);
	symtab_done(&s->symtab);
	image_close(&s->shared);
	image_close(&s->image);
	for (size_t i = 0; i < s->n_user; i++)
		free((char *)s->user[i].name);
	free(s->user);
	free(s->debug_file);
	free(s->path);
	free(s);
}

/* An address is of use only if it is code in this very file. */
static int place(const struct symbols *s, struct sym *ret, uint64_t vaddr, uint64_t size)
{
	if (!image_is_code(&s->image, vaddr) ||
	    image_file_offset(&s->image, vaddr, &ret->file_offset) < 0) {
		snprintf(ret->reason, sizeof(ret->reason), "0x%llx is no code of this object",
			 (unsigned long long)vaddr);
		ret->status = SYM_MISSING;
		ret->origin = SYM_ORIGIN_NONE;
		return -ENOENT;
	}
	ret->status = SYM_FOUND;
	ret->vaddr = vaddr;
	ret->size = size;
	return 0;
}

/* The first origin that knows the name decides; its clones count only if it has nothing else. */
static int find_symbol(const struct symbols *s, const char *fn, struct sym *ret)
{
	size_t n, n_places = 0;
	const struct symbol *list = symtab_find(&s->symtab, fn, &n), *found = NULL;

	for (size_t i = 0; i < n; i++) {
		if (!list[i].is_function || (found && list[i].vaddr == found->vaddr))
			continue;
		if (found &&
		    (list[i].origin != found->origin || list[i].is_clone != found->is_clone))
			break;
		found = &list[i];
		n_places++;
	}
	if (!found)
		return -ENODATA;
	if (n_places > 1) {
		snprintf(ret->reason, sizeof(ret->reason), "%zu functions of this name in %s",
			 n_places, sym_origin_name(found->origin));
		ret->status = SYM_AMBIGUOUS;
		return -ENOTUNIQ;
	}
	ret->origin = found->origin;
	ret->is_clone = found->is_clone;
	snprintf(ret->reason, sizeof(ret->reason), "%s",
		 found->origin == SYM_ORIGIN_ENTRY ? "the start-up code passes it to libc"
		 : found->is_clone		   ? "a clone: its arguments may differ"
						   : "symbol");
	return place(s, ret, found->vaddr, found->size);
}

static int find_reference(const struct symbols *s, const char *fn, struct sym *ret)
{
	const struct sym_calibration *c = &s->reference.calibration;
	struct slots slots = {&s->symtab, &s->pointers, &s->reference};
	int r;

	if (s->no_reference || !c->enabled) {
		ret->status = SYM_MISSING;
		if (s->no_reference)
			snprintf(ret->reason, sizeof(ret->reason), "no symbol of this name");
		else
			snprintf(ret->reason, sizeof(ret->reason),
				 "name references are off: they disagree with %zu exported "
				 "functions",
				 c->disagree);
		return -ENOENT;
	}
	r = reference_find(&s->reference, fn, ret);
	if (r < 0 && slots_find(&slots, fn, ret) == 0)
		r = 0;
	return r == 0 ? place(s, ret, ret->vaddr, ret->size) : r;
}

static int find_user(const struct symbols *s, const char *fn, struct sym *ret)
{
	for (size_t i = 0; i < s->n_user; i++) {
		if (strcmp(s->user[i].name, fn))
			continue;
		ret->origin = SYM_ORIGIN_USER;
		snprintf(ret->reason, sizeof(ret->reason), "given by the user");
		return place(s, ret, s->user[i].vaddr, 0);
	}
	return -ENODATA;
}

int symbols_find(const struct symbols *s, const char *fn, struct sym *ret)
{
	int r, u;

	*ret = (struct sym){.name = fn, .status = SYM_MISSING};
	r = find_symbol(s, fn, ret);
	if (r == -ENODATA)
		r = find_reference(s, fn, ret);
	if (r < 0) {
		u = find_user(s, fn, ret);
		if (u != -ENODATA)
			r = u;
	}
	return r;
}

int symbols_argument_width(const struct symbols *s, const char *fn, unsigned argument)
{
	struct sym sym;
	ssize_t f = symbols_find(s, fn, &sym) == 0 ? ranges_find(&s->code.ranges, sym.vaddr) : -1;
	int r = f >= 0 && s->code.ranges.items[f].start == sym.vaddr
			? (int)code_argument_width(&s->code, f, argument)
			: 0;

	return r ?: -ENOENT;
}

static int locate(const void *ctx, const char *name, uint64_t *ret)
{
	struct sym sym;
	int r = symbols_find(ctx, name, &sym);

	if (r == 0)
		*ret = sym.vaddr;
	return r;
}

int symbols_offset_info(const struct symbols *s, const char *key, struct sym_offset *ret)
{
	struct offsets o = {&s->bus, &s->code, &s->accessors, locate, s};

	return offsets_find(&o, key, ret);
}

int symbols_offset(const struct symbols *s, const char *key, size_t *ret)
{
	struct sym_offset o;
	int r = symbols_offset_info(s, key, &o);

	if (r == 0)
		*ret = o.offset;
	return r;
}

const struct sym_enum *symbols_enum(const struct symbols *s, const char *name)
{
	for (size_t i = 0; i < s->enums.n; i++)
		if (!strcmp(s->enums.items[i].name, name))
			return &s->enums.items[i];
	return NULL;
}

const char *symbols_enum_name(const struct symbols *s, const char *name, int64_t value)
{
	const struct sym_enum *e = symbols_enum(s, name);

	return e && value >= 0 && (uint64_t)value < e->n ? e->values[value] : NULL;
}

int symbols_enum_value(const struct symbols *s, const char *name, const char *value)
{
	const struct sym_enum *e = symbols_enum(s, name);

	for (size_t i = 0; e && i < e->n; i++)
		if (e->values[i] && !strcmp(e->values[i], value))
			return (int)i;
	return -ENOENT;
}

const char *symbols_path(const struct symbols *s)
{
	return s->path;
}

const char *symbols_build_id(const struct symbols *s)
{
	return s->build_id;
}

const char *symbols_arch(const struct symbols *s)
{
	return s->arch->name;
}

const char *symbols_debug_file(const struct symbols *s)
{
	return s->debug_file;
}

struct sym_calibration symbols_calibration(const struct symbols *s)
{
	struct sym_calibration c = s->reference.calibration;

	c.enabled = c.enabled && !s->no_reference;
	return c;
}

/*
 * Names the function at its first instruction. Where name references disagree with what the object
 * exports, they are good for a guess.
 */
static void name_function(const struct symbols *s, size_t function, struct sym *ret)
{
	const struct range *r = &s->code.ranges.items[function];
	const struct symbol *symbol = symtab_at(&s->symtab, r->start, _SYM_ORIGIN_MAX);
	const struct own_name *own = &s->reference.own[function];
	const char *referred = s->no_reference ? NULL : own->name ?: own->guess;

	ret->name = "";
	if (symbol) {
		ret->name = symbol->name;
		ret->origin = symbol->origin;
		ret->is_clone = symbol->is_clone;
	} else if (referred) {
		ret->name = referred;
		ret->origin = SYM_ORIGIN_REFERENCE;
	}
	/* Where references are wrong of an exported function, they are no more than guesses. */
	if (place(s, ret, r->start, r->end - r->start) == 0 && !symbol &&
	    (!own->name || !s->reference.calibration.enabled))
		ret->status = SYM_AMBIGUOUS;
}

int symbols_at(const struct symbols *s, uint64_t vaddr, struct sym *ret)
{
	ssize_t f = ranges_find(&s->code.ranges, vaddr);
	const struct symbol *symbol;

	*ret = (struct sym){.name = "", .status = SYM_MISSING};
	if (f >= 0) {
		name_function(s, s->code.owner[f], ret);
		return 0;
	}
	symbol = symtab_covering(&s->symtab, vaddr);
	if (!symbol || place(s, ret, symbol->vaddr, symbol->size) < 0)
		return -ENOENT;
	ret->name = symbol->name;
	ret->origin = symbol->origin;
	ret->is_clone = symbol->is_clone;
	return 0;
}

int symbols_vaddr_of_offset(const struct symbols *s, uint64_t file_offset, uint64_t *ret)
{
	for (size_t i = 0; i < s->image.n_segments; i++) {
		const struct segment *g = &s->image.segments[i];

		if (file_offset >= g->offset && file_offset - g->offset < g->size) {
			*ret = g->vaddr + (file_offset - g->offset);
			return 0;
		}
	}
	return -ENOENT;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int symbols_each(const struct symbols *s, sym_fn f, void *ctx)
{
	size_t n = 0, max = s->symtab.n + s->code.n_names + s->n_user;
	_cleanup_free_ const char **names = calloc(max + 1, sizeof(*names));
	int r = 0;

	if (!names)
		return -ENOMEM;
	for (size_t i = 0; i < s->symtab.n; i++)
		if (s->symtab.items[i].is_function)
			names[n++] = s->symtab.items[i].name;
	for (size_t i = 0; i < s->code.n_names; i++)
		names[n++] = s->code.names[i].name;
	for (size_t i = 0; i < s->n_user; i++)
		names[n++] = s->user[i].name;
	qsort(names, n, sizeof(*names), compare_names);
	for (size_t i = 0; r == 0 && i < n; i++) {
		struct sym sym;

		if ((i == 0 || strcmp(names[i - 1], names[i])) &&
		    symbols_find(s, names[i], &sym) == 0)
			r = f(ctx, &sym);
	}
	return r;
}

const char *sym_origin_name(enum sym_origin o)
{
	static const char *const names[_SYM_ORIGIN_MAX] = {
		[SYM_ORIGIN_NONE] = "none",	      [SYM_ORIGIN_DYNSYM] = "dynsym",
		[SYM_ORIGIN_SYMTAB] = "symtab",	      [SYM_ORIGIN_DEBUGFILE] = "debugfile",
		[SYM_ORIGIN_MINIDEBUG] = "minidebug", [SYM_ORIGIN_REFERENCE] = "reference",
		[SYM_ORIGIN_VTABLE] = "vtable",	      [SYM_ORIGIN_ENTRY] = "entry",
		[SYM_ORIGIN_USER] = "user",
	};

	return (unsigned)o < ARRAY_LEN(names) ? names[o] : "none";
}

const char *sym_status_name(enum sym_status s)
{
	static const char *const names[_SYM_STATUS_MAX] = {
		[SYM_FOUND] = "found",
		[SYM_MISSING] = "missing",
		[SYM_INLINED] = "inlined",
		[SYM_AMBIGUOUS] = "ambiguous",
	};

	return (unsigned)s < ARRAY_LEN(names) ? names[s] : "missing";
}
