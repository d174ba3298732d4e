// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * stack-core PREFIX <RECORDING: makes a core file, PREFIX.0, PREFIX.1 …, of each sample of a stack
 * in it, so that a debugger can unwind what svctrace unwound. x86-64 only.
 */
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/procfs.h>
#include <sys/user.h>
#include <unistd.h>

#include "svctrace/cleanup.h"
#include "svctrace/trace.h"
#include "svctrace/wire.h"

struct core {
	Elf64_Ehdr header;
	Elf64_Phdr note, load;
	Elf64_Nhdr note_header;
	char note_name[8];
	struct elf_prstatus status;
} __attribute__((packed));

static void set_registers(struct user_regs_struct *to, const __u64 *r)
{
	*to = (struct user_regs_struct){
		.rax = r[0],
		.rdx = r[1],
		.rcx = r[2],
		.rbx = r[3],
		.rsi = r[4],
		.rdi = r[5],
		.rbp = r[6],
		.rsp = r[7],
		.r8 = r[8],
		.r9 = r[9],
		.r10 = r[10],
		.r11 = r[11],
		.r12 = r[12],
		.r13 = r[13],
		.r14 = r[14],
		.r15 = r[15],
		.rip = r[16],
	};
}

static int write_core(const char *path, const struct wire_stack_sample *w, const char *bytes)
{
	struct core c = {
		.header =
			{
				.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64,
					    ELFDATA2LSB, EV_CURRENT},
				.e_type = ET_CORE,
				.e_machine = EM_X86_64,
				.e_version = EV_CURRENT,
				.e_phoff = offsetof(struct core, note),
				.e_ehsize = sizeof(Elf64_Ehdr),
				.e_phentsize = sizeof(Elf64_Phdr),
				.e_phnum = 2,
			},
		.note =
			{
				.p_type = PT_NOTE,
				.p_offset = offsetof(struct core, note_header),
				.p_filesz = sizeof(c) - offsetof(struct core, note_header),
			},
		.load =
			{
				.p_type = PT_LOAD,
				.p_flags = PF_R | PF_W,
				.p_offset = sizeof(c),
				.p_vaddr = w->sp,
				.p_filesz = w->bytes.len,
				.p_memsz = w->bytes.len,
			},
		.note_header = {5, sizeof(struct elf_prstatus), NT_PRSTATUS},
		.note_name = "CORE",
	};
	_cleanup_fclose_ FILE *f = fopen(path, "we");
	struct user_regs_struct regs;

	set_registers(&regs, w->regs);
	c.status.pr_pid = w->h.tid;
	memcpy(&c.status.pr_reg, &regs, sizeof(c.status.pr_reg));
	if (!f || fwrite(&c, sizeof(c), 1, f) != 1 || fwrite(bytes, 1, w->bytes.len, f) == 0)
		return -1;
	return 0;
}

static ssize_t read_input(void *ctx, void *p, size_t n)
{
	(void)ctx;
	return read(STDIN_FILENO, p, n);
}

int main(int argc, char **argv)
{
	_cleanup_(trace_reader_freep) struct trace_reader *r = NULL;
	unsigned int n = 0;
	const void *record;
	size_t size;

	if (argc != 2 || trace_reader_new(read_input, NULL, NULL, &r) < 0)
		return 1;
	while (trace_reader_next(r, &record, &size) == 1) {
		struct wire_stack_sample w;
		char path[4096];

		if (size < sizeof(w))
			continue;
		memcpy(&w, record, sizeof(w));
		if (w.h.kind != WIRE_STACK_SAMPLE)
			continue;
		snprintf(path, sizeof(path), "%s.%u", argv[1], n++);
		if (write_core(path, &w, (const char *)record + w.bytes.off) < 0) {
			perror(path);
			return 1;
		}
	}
	return 0;
}
