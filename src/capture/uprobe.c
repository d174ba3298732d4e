/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A probe in a program's code. Linux 6.6 brought links for them ("multi" uprobes), which take
 * CAP_PERFMON; before, a perf event it is, which takes CAP_SYS_ADMIN. libbpf knows such links only
 * from 1.3 on, and the system's headers may be older than that, hence the system call.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "capture/uprobe.h"
#include "svctrace/cleanup.h"

#define TRACE_UPROBE_MULTI  48 /* enum bpf_attach_type */
#define UPROBE_MULTI_RETURN 1

/* What BPF_LINK_CREATE reads of union bpf_attr. */
struct link_create {
	uint32_t prog_fd, target_fd, attach_type, flags;
	uint64_t path, offsets, ref_ctr_offsets, cookies;
	uint32_t count, uprobe_flags, pid, unused;
};

static int link_create(int prog_fd, const char *path, uint64_t offset, bool is_return)
{
	struct link_create l = {
		.prog_fd = prog_fd,
		.attach_type = TRACE_UPROBE_MULTI,
		.path = (uintptr_t)path,
		.offsets = (uintptr_t)&offset,
		.count = 1,
		.uprobe_flags = is_return ? UPROBE_MULTI_RETURN : 0,
	};
	int fd = syscall(SYS_bpf, BPF_LINK_CREATE, &l, sizeof(l));

	return fd < 0 ? -errno : fd;
}

/* A kernel that knows such links says of a directory that it is no file; others: invalid. */
static bool ask_kernel(void)
{
	static const struct bpf_insn nothing[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K},
		{.code = BPF_JMP | BPF_EXIT},
	};
	LIBBPF_OPTS(bpf_prog_load_opts, o,
		    .expected_attach_type = (enum bpf_attach_type)TRACE_UPROBE_MULTI);
	_cleanup_close_ int prog =
		bpf_prog_load(BPF_PROG_TYPE_KPROBE, NULL, "GPL", nothing, ARRAY_LEN(nothing), &o);
	_cleanup_close_ int link = prog < 0 ? -1 : link_create(prog, "/", 1, false);

	return link == -EBADF;
}

bool uprobe_by_link(void)
{
	static int known = -1;

	if (known < 0)
		known = ask_kernel();
	return known;
}

void uprobe_prepare(struct bpf_program *prog)
{
	if (uprobe_by_link())
		bpf_program__set_expected_attach_type(prog,
						      (enum bpf_attach_type)TRACE_UPROBE_MULTI);
}

/*
 * Where indirect branches are checked, functions begin with endbr64. Linux steps over what it does
 * not emulate with a second trap; of pushes, which come next, it emulates the first. Nothing has
 * moved between the two: neither arguments nor the stack.
 */
static uint64_t behind_landing_pad(const char *path, uint64_t offset)
{
	static const unsigned char endbr64[] = {0xf3, 0x0f, 0x1e, 0xfa};
	unsigned char code[sizeof(endbr64)];
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || pread(fd, code, sizeof(code), offset) != sizeof(code) ||
	    memcmp(code, endbr64, sizeof(code)) != 0)
		return offset;
	return offset + sizeof(endbr64);
}

int uprobe_attach(struct uprobe *u, const struct bpf_program *prog, const char *path,
		  uint64_t offset, bool is_return)
{
	LIBBPF_OPTS(bpf_uprobe_opts, o, .retprobe = is_return);

	*u = (struct uprobe){.fd = -1};
	offset = behind_landing_pad(path, offset);
	if (uprobe_by_link()) {
		u->fd = link_create(bpf_program__fd(prog), path, offset, is_return);
		return u->fd < 0 ? u->fd : 0;
	}
	u->link = bpf_program__attach_uprobe_opts(prog, -1, path, offset, &o);
	return u->link ? 0 : -errno;
}

void uprobe_detach(struct uprobe *u)
{
	bpf_link__destroy(u->link);
	closep(&u->fd);
	*u = (struct uprobe){.fd = -1};
}
