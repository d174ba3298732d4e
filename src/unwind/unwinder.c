/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libdwfl walks; this serves it files and memory, and stops it where it would begin to guess. */
#include <elfutils/libdwfl.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "elf/maps.h"
#include "unwind/file.h"

/* A mapped file, from its first mapping to its last. */
struct module {
	uint64_t start;	    /* of its first mapping, by which it is found again */
	uint64_t low, high; /* where the file begins; where its last mapping ends */
	bool executable;
	struct unwind_file *file;
	struct unwinder *u;
};

struct unwinder {
	struct unwind_files *files;
	pid_t pid; /* 0: mappings from elsewhere */
	struct module *modules;
	size_t n_modules, allocated;
	Dwfl *dwfl;
	bool attached;
	/* during a walk */
	const struct unwind_sample *sample;
	struct unwind_stack *stack;
	bool missed; /* what the current step reads is not in the sample */
	bool ended;  /* the walk was stopped here, and the stack says why */
};

struct reopening {
	pid_t pid;
	const struct module *m;
	char *path;
};

static int reopen(void *ctx, struct mapping *m)
{
	struct reopening *r = ctx;
	const struct unwind_file *f = r->m->file;
	bool replaced;

	if (m->start != r->m->start || m->dev != f->dev || m->inode != f->inode)
		return 0;
	r->path = mapping_open_path(r->pid, m, &replaced);
	return 1;
}

/* Asks anew where the file is: it may have been replaced since its mapping was noted. */
static char *current_path(const struct module *m)
{
	struct reopening r = {.pid = m->u->pid, .m = m};

	if (!r.pid)
		return strdup(m->file->path);
	maps_each(r.pid, reopen, &r);
	return r.path;
}

static int find_elf(Dwfl_Module *mod, void **userdata, const char *name, Dwarf_Addr base,
		    char **file_name, Elf **elf)
{
	const struct module *m = *userdata;
	_cleanup_free_ char *path = m->file->open ? NULL : current_path(m);

	(void)mod, (void)name, (void)base, (void)file_name;
	if (!m->file->open && (!path || unwind_file_open(m->file, path) < 0))
		return -1;
	/* the file's own mapping: it is shared, so that no uprobe's breakpoint is written into it
	 */
	*elf = elf_memory((char *)m->file->image.map, m->file->image.size);
	return -1;
}

static int find_no_debuginfo(Dwfl_Module *mod, void **userdata, const char *name, Dwarf_Addr base,
			     const char *file, const char *link, GElf_Word crc, char **path)
{
	(void)mod, (void)userdata, (void)name, (void)base, (void)file, (void)link, (void)crc;
	(void)path;
	return -1;
}

static const Dwfl_Callbacks callbacks = {
	.find_elf = find_elf,
	.find_debuginfo = find_no_debuginfo,
	.section_address = dwfl_offline_section_address,
};

static int module_add(struct unwinder *u, const struct mapping *m)
{
	struct module *last = u->n_modules ? &u->modules[u->n_modules - 1] : NULL;

	if (last && last->file->dev == m->dev && last->file->inode == m->inode &&
	    (m->start == last->high || m->offset > 0)) {
		last->high = m->end;
		last->executable |= m->executable;
		return 0;
	}
	if (u->n_modules == u->allocated) {
		size_t want = u->allocated ? 2 * u->allocated : 32;
		struct module *more = reallocarray(u->modules, want, sizeof(*more));

		if (!more)
			return -ENOMEM;
		u->modules = more;
		u->allocated = want;
	}
	last = &u->modules[u->n_modules];
	*last = (struct module){
		.start = m->start,
		.low = m->start - m->offset,
		.high = m->end,
		.executable = m->executable,
		.file = unwind_file_get(u->files, m->dev, m->inode, m->path),
		.u = u,
	};
	if (!last->file)
		return -ENOMEM;
	u->n_modules++;
	return 0;
}

static int take_mapping(void *ctx, struct mapping *m)
{
	return module_add(ctx, m);
}

static void module_done(struct module *m)
{
	unwind_file_put(m->u->files, m->file);
}

/* Data alone is nothing to unwind through. */
static void keep_executable(struct unwinder *u)
{
	size_t n = 0;

	for (size_t i = 0; i < u->n_modules; i++)
		if (u->modules[i].executable)
			u->modules[n++] = u->modules[i];
		else
			module_done(&u->modules[i]);
	u->n_modules = n;
}

static pid_t next_thread(Dwfl *dwfl, void *arg, void **thread)
{
	struct unwinder *u = arg;

	(void)dwfl;
	if (*thread)
		return 0;
	*thread = u;
	return dwfl_pid(dwfl);
}

static bool memory_read(Dwfl *dwfl, Dwarf_Addr at, Dwarf_Word *ret, void *arg)
{
	struct unwinder *u = arg;
	const struct unwind_sample *s = u->sample;

	(void)dwfl;
	if (at < s->sp || at - s->sp > s->size || s->size - (at - s->sp) < sizeof(*ret)) {
		u->missed = true;
		return false;
	}
	memcpy(ret, (const char *)s->bytes + (at - s->sp), sizeof(*ret));
	return true;
}

static bool set_registers(Dwfl_Thread *thread, void *arg)
{
	const struct unwind_sample *s = ((struct unwinder *)arg)->sample;
	Dwarf_Word regs[WIRE_REGS_MAX];

	for (size_t i = 0; i < s->n_regs; i++)
		regs[i] = s->regs[i];
	dwfl_thread_state_register_pc(thread, regs[s->n_regs - 1]);
	return s->n_regs == 1 || dwfl_thread_state_registers(thread, 0, s->n_regs - 1, regs);
}

static const Dwfl_Thread_Callbacks thread_callbacks = {
	.next_thread = next_thread,
	.memory_read = memory_read,
	.set_initial_registers = set_registers,
};

static int open_dwfl(struct unwinder *u)
{
	u->dwfl = dwfl_begin(&callbacks);
	if (!u->dwfl)
		return -ENOMEM;
	dwfl_report_begin(u->dwfl);
	for (size_t i = 0; i < u->n_modules; i++) {
		struct module *m = &u->modules[i];
		Dwfl_Module *mod = dwfl_report_module(u->dwfl, m->file->path, m->low, m->high);
		void **userdata;

		if (!mod)
			continue; /* overlaps another: it is one without unwind data */
		dwfl_module_info(mod, &userdata, NULL, NULL, NULL, NULL, NULL, NULL);
		*userdata = m;
	}
	return dwfl_report_end(u->dwfl, NULL, NULL) < 0 ? -ENOMEM : 0;
}

static struct unwinder *unwinder_alloc(struct unwind_files *files, pid_t pid)
{
	struct unwinder *u = calloc(1, sizeof(*u));

	if (u) {
		u->files = files;
		u->pid = pid;
	}
	return u;
}

static int unwinder_finish(struct unwinder **u, struct unwinder **ret)
{
	int r;

	keep_executable(*u);
	r = open_dwfl(*u);
	if (r == 0)
		*ret = take_ptr(*u);
	return r;
}

int unwinder_new_pid(struct unwind_files *files, pid_t pid, struct unwinder **ret)
{
	_cleanup_(unwinder_freep) struct unwinder *u = unwinder_alloc(files, pid);
	int r = u ? maps_each(pid, take_mapping, u) : -ENOMEM;

	return r < 0 ? r : unwinder_finish(&u, ret);
}

int unwinder_new(struct unwind_files *files, const struct unwind_mapping *mappings, size_t n,
		 struct unwinder **ret)
{
	_cleanup_(unwinder_freep) struct unwinder *u = unwinder_alloc(files, 0);
	int r = u ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < n; i++) {
		struct mapping m = {
			.start = mappings[i].start,
			.end = mappings[i].end,
			.offset = mappings[i].offset,
			.path = (char *)mappings[i].path,
			.executable = true,
		};
		struct stat st;

		if (stat(m.path, &st) < 0)
			continue;
		m.dev = st.st_dev;
		m.inode = st.st_ino;
		r = module_add(u, &m);
	}
	return r < 0 ? r : unwinder_finish(&u, ret);
}

void unwinder_freep(struct unwinder **up)
{
	struct unwinder *u = take_ptr(*up);

	if (!u)
		return;
	if (u->dwfl)
		dwfl_end(u->dwfl);
	for (size_t i = 0; i < u->n_modules; i++)
		module_done(&u->modules[i]);
	free(u->modules);
	free(u);
}

static struct module *module_at(const struct unwinder *u, uint64_t address)
{
	for (size_t i = 0; i < u->n_modules; i++)
		if (address >= u->modules[i].low && address < u->modules[i].high)
			return &u->modules[i];
	return NULL;
}

void unwinder_prepare(struct unwinder *u)
{
	for (size_t i = 0; i < u->n_modules; i++) {
		Dwfl_Module *mod = dwfl_addrmodule(u->dwfl, u->modules[i].low);
		GElf_Addr bias;

		if (unwind_file_is_systemd(u->modules[i].file) && mod &&
		    dwfl_module_getelf(mod, &bias))
			unwind_file_prepare(u->files, u->modules[i].file);
	}
}

/* Is there unwind data for it? Without, libdwfl would follow what may be a frame pointer. */
static bool can_step(const struct unwinder *u, uint64_t address)
{
	Dwfl_Module *mod = dwfl_addrmodule(u->dwfl, address);
	Dwarf_Addr bias;
	Dwarf_CFI *cfi = mod ? dwfl_module_eh_cfi(mod, &bias) : NULL;
	Dwarf_Frame *frame;

	if (!cfi || dwarf_cfi_addrframe(cfi, address - bias, &frame) != 0)
		return false;
	free(frame);
	return true;
}

static int stop(struct unwinder *u, enum wire_stack_end why)
{
	u->stack->end = why;
	u->ended = true;
	return DWARF_CB_ABORT;
}

static void add_frame(struct unwinder *u, uint64_t address)
{
	u->stack->frames[u->stack->n++] = (struct unwind_frame){
		.address = address,
		.name = "",
		.object = "",
	};
}

static int on_frame(Dwfl_Frame *state, void *arg)
{
	struct unwinder *u = arg;
	bool innermost;
	Dwarf_Addr pc;

	u->missed =
		false; /* asking for more than the first frame's pc takes the next step already */
	if (!dwfl_frame_pc(state, &pc, &innermost))
		return stop(u, WIRE_STACK_NO_UNWIND);
	if (u->stack->n == WIRE_FRAMES_MAX)
		return stop(u, WIRE_STACK_TOO_DEEP);
	/* behind the call may be another function, or another line of unwind data */
	pc -= !innermost;
	add_frame(u, pc);
	return can_step(u, pc) ? DWARF_CB_OK : stop(u, WIRE_STACK_NO_UNWIND);
}

/* From the process's address to the file's, and the name of what is there. */
static void place(struct unwinder *u, struct unwind_frame *f)
{
	struct module *m = module_at(u, f->address);
	Dwfl_Module *mod = m ? dwfl_addrmodule(u->dwfl, f->address) : NULL;
	GElf_Addr bias;

	if (!m)
		return;
	f->object = m->file->path;
	if (mod && dwfl_module_getelf(mod, &bias)) {
		f->address -= bias;
		unwind_file_name(u->files, m->file, f);
	} else {
		f->address -= m->low;
	}
}

int unwinder_walk(struct unwinder *u, const struct unwind_sample *s, struct unwind_stack *ret)
{
	int r = -1;

	if (s->n_regs == 0 || s->n_regs > WIRE_REGS_MAX)
		return -EBADMSG;
	ret->n = 0;
	ret->end = WIRE_STACK_NO_UNWIND;
	u->sample = s;
	u->stack = ret;
	u->missed = u->ended = false;
	if (!u->attached)
		u->attached =
			dwfl_attach_state(u->dwfl, NULL, u->pid ? u->pid : 1, &thread_callbacks, u);
	if (u->attached)
		r = dwfl_getthread_frames(u->dwfl, dwfl_pid(u->dwfl), on_frame, u);
	if (!u->ended && u->missed)
		ret->end = WIRE_STACK_CUT;
	else if (!u->ended && r == 0)
		ret->end = WIRE_STACK_WHOLE;
	if (ret->n == 0)
		add_frame(u, s->regs[s->n_regs - 1]);
	for (unsigned int i = 0; i < ret->n; i++)
		place(u, &ret->frames[i]);
	return 0;
}
