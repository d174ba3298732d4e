/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Samples that lie, over this program or over a broken ELF object: a walk ends, and says how. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "svctrace/cleanup.h"
#include "svctrace/event.h"
#include "svctrace/unwind.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define BASE 0x10000000

/* What an input begins with; then the stack's bytes; then an ELF object, if any. */
struct input {
	uint32_t n_regs, n_bytes;
	uint64_t sp;
	uint64_t regs[WIRE_REGS_MAX];
};

static void check(const struct unwind_stack *s)
{
	assert(s->n >= 1 && s->n <= WIRE_FRAMES_MAX && stack_end_name(s->end));
	for (unsigned int i = 0; i < s->n; i++)
		assert(strlen(s->frames[i].name) < 1 << 20 && s->frames[i].object);
}

static void walk(const struct unwind_sample *sample, const char *path)
{
	const struct unwind_mapping m[] = {
		{BASE, BASE + 0x800000, 0, path},
		{BASE + 0x800000, BASE + 0x2000000, 0x800000, path},
	};
	_cleanup_(unwind_files_freep) struct unwind_files *files = NULL;
	_cleanup_(unwinder_freep) struct unwinder *u = NULL;
	struct unwind_stack stack;

	if (unwind_files_new(NULL, NULL, &files) < 0 ||
	    unwinder_new(files, m, ARRAY_LEN(m), &u) < 0)
		abort();
	/* twice: what the first walk opened serves the second */
	for (int i = 0; i < 2; i++)
		if (unwinder_walk(u, sample, &stack) == 0)
			check(&stack);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ uint8_t *bytes = NULL;
	_cleanup_close_ int fd = -1;
	struct unwind_sample s;
	struct input in;
	char path[64];

	if (size < sizeof(in))
		return 0;
	memcpy(&in, data, sizeof(in));
	data += sizeof(in);
	size -= sizeof(in);
	/* a copy of its own, so that no byte beyond it is read unnoticed */
	in.n_bytes = in.n_bytes < size ? in.n_bytes : size;
	bytes = malloc(in.n_bytes ? in.n_bytes : 1);
	if (!bytes)
		abort();
	memcpy(bytes, data, in.n_bytes);
	s = (struct unwind_sample){(const __u64 *)in.regs, in.n_regs, in.sp, bytes, in.n_bytes};
	if (size == in.n_bytes) {
		walk(&s, "/proc/self/exe");
		return 0;
	}
	fd = memfd_create("elf", MFD_CLOEXEC);
	size -= in.n_bytes;
	if (fd < 0 || write(fd, data + in.n_bytes, size) != (ssize_t)size)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	walk(&s, path);
	return 0;
}
