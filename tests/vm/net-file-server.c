/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * net-file-server nfs|9p PORT: a server of an empty folder on 127.0.0.1, by NFS 3 with its MOUNT
 * protocol, or by 9P2000.L. It knows what mounting takes and refuses all else. Whoever stops it
 * (SIGSTOP) has a server that does not answer, and who lets it go on has one that does again.
 */
#include <arpa/inet.h>
#include <endian.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define MESSAGE_MAX 65536
#define CLIENTS_MAX 32

/* A message that comes, or one that goes out; at: where it is read. */
struct message {
	uint8_t bytes[MESSAGE_MAX];
	size_t n, at;
};

static void put(struct message *m, const void *data, size_t n)
{
	if (n > sizeof(m->bytes) - m->n)
		exit(3);
	memcpy(m->bytes + m->n, data, n);
	m->n += n;
}

static void put_zeros(struct message *m, size_t n)
{
	static const uint8_t zeros[256];

	put(m, zeros, n);
}

static bool read_all(int fd, void *to, size_t n)
{
	return recv(fd, to, n, MSG_WAITALL) == (ssize_t)n;
}

static bool send_all(int fd, const struct message *m)
{
	return send(fd, m->bytes, m->n, MSG_NOSIGNAL) == (ssize_t)m->n;
}

/* ---- NFS 3 over ONC RPC: RFC 5531, 1813 ---- */

enum { PROGRAM_NFS = 100003, PROGRAM_MOUNT = 100005 };
enum { NFS_OK = 0, NFS_NOENT = 2, NFS_NOTSUPP = 10004 };
enum { GETATTR = 1, LOOKUP = 3, ACCESS = 4, FSINFO = 19, PATHCONF = 20, MOUNT_MNT = 1 };

static void put32(struct message *m, uint32_t v)
{
	v = htobe32(v);
	put(m, &v, sizeof(v));
}

static uint32_t get32(struct message *m)
{
	uint32_t v;

	if (m->n - m->at < sizeof(v))
		exit(4);
	memcpy(&v, m->bytes + m->at, sizeof(v));
	m->at += sizeof(v);
	return be32toh(v);
}

static void answer_mount(struct message *out, uint32_t procedure)
{
	if (procedure != MOUNT_MNT)
		return;
	put32(out, NFS_OK);
	put32(out, 4); /* the folder's handle: four bytes */
	put32(out, 1);
	put32(out, 1); /* one way to say who one is: AUTH_SYS */
	put32(out, 1);
}

static void put_attributes(struct message *out)
{
	put32(out, 2); /* a folder */
	put32(out, 0755);
	put32(out, 2);
	put_zeros(out, 4 * 2 + 8 * 4); /* owner, size, used, device, file system */
	put32(out, 0);
	put32(out, 1); /* its number */
	put_zeros(out, 8 * 3);
}

static void put_fsinfo(struct message *out)
{
	static const uint32_t sizes[] = {4096, 4096, 512, 4096, 4096, 512, 4096};

	put32(out, 0); /* no attributes */
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		put32(out, sizes[i]);
	put32(out, 0x7fffffff);
	put32(out, 0);
	put32(out, 0); /* times: 1 ns */
	put32(out, 1);
	put32(out, 0);
}

static void answer_nfs(struct message *out, uint32_t procedure)
{
	switch (procedure) {
	case 0:
		return;
	case GETATTR:
		put32(out, NFS_OK);
		put_attributes(out);
		return;
	case ACCESS:
		put32(out, NFS_OK);
		put32(out, 0);
		put32(out, 0x3f);
		return;
	case FSINFO:
		put32(out, NFS_OK);
		put_fsinfo(out);
		return;
	case PATHCONF:
		put32(out, NFS_OK);
		put32(out, 0);
		put32(out, 8);
		put32(out, 255);
		put_zeros(out, 4 * 4);
		return;
	default:
		put32(out, procedure == LOOKUP ? NFS_NOENT : NFS_NOTSUPP);
		put_zeros(out, 4 * 2); /* no attributes, of what there may be two of */
	}
}

static bool serve_nfs(int fd)
{
	static struct message in, out;
	uint32_t length, program, procedure;

	if (!read_all(fd, &length, sizeof(length)))
		return false;
	in.at = 0;
	in.n = be32toh(length) & 0x7fffffff;
	if (in.n > MESSAGE_MAX || !read_all(fd, in.bytes, in.n))
		return false;
	out.n = 0;
	put32(&out, 0); /* the length, below */
	put32(&out, get32(&in));
	put32(&out, 1); /* a reply, accepted, without a verifier */
	put_zeros(&out, 4 * 3);
	in.at += 4 * 2;
	program = get32(&in);
	in.at += 4;
	procedure = get32(&in);
	put32(&out, program == PROGRAM_NFS || program == PROGRAM_MOUNT ? 0 : 1);
	if (program == PROGRAM_MOUNT)
		answer_mount(&out, procedure);
	else if (program == PROGRAM_NFS)
		answer_nfs(&out, procedure);
	length = htobe32(0x80000000u | (uint32_t)(out.n - 4));
	memcpy(out.bytes, &length, sizeof(length));
	return send_all(fd, &out);
}

/* ---- 9P2000.L ---- */

enum { R_ERROR = 7, T_GETATTR = 24, T_VERSION = 100, T_ATTACH = 104, T_FLUSH = 108, T_CLUNK = 120 };

#define QID_SIZE       13
#define DOES_NOT_EXIST 2

static void put_le(struct message *m, uint64_t v, size_t size)
{
	v = htole64(v);
	put(m, &v, size);
}

static void put_qid(struct message *out)
{
	put_le(out, 0x80, 1); /* a folder */
	put_zeros(out, QID_SIZE - 1);
}

static void answer_9p(struct message *out, uint8_t type, const struct message *in)
{
	switch (type) {
	case T_VERSION: /* as it was asked for */
		put(out, in->bytes + 7, in->n - 7);
		return;
	case T_ATTACH:
		put_qid(out);
		return;
	case T_GETATTR:
		put_le(out, 0x7ff, 8);
		put_qid(out);
		put_le(out, S_IFDIR | 0755, 4);
		put_zeros(out, 4 * 2);
		put_le(out, 2, 8);
		put_zeros(out, 8 * 14);
		return;
	case T_FLUSH:
	case T_CLUNK:
		return;
	default:
		put_le(out, DOES_NOT_EXIST, 4);
	}
}

static bool is_known(uint8_t type)
{
	return type == T_VERSION || type == T_ATTACH || type == T_GETATTR || type == T_FLUSH ||
	       type == T_CLUNK;
}

/* size[4] type[1] tag[2] */
static bool serve_9p(int fd)
{
	static struct message in, out;
	uint32_t size;

	if (!read_all(fd, &size, sizeof(size)))
		return false;
	in.n = le32toh(size);
	if (in.n < 7 || in.n > MESSAGE_MAX || !read_all(fd, in.bytes + 4, in.n - 4))
		return false;
	out.n = 0;
	put_zeros(&out, 4);
	put_le(&out, is_known(in.bytes[4]) ? in.bytes[4] + 1 : R_ERROR, 1);
	put(&out, in.bytes + 5, 2);
	answer_9p(&out, in.bytes[4], &in);
	size = htole32((uint32_t)out.n);
	memcpy(out.bytes, &size, sizeof(size));
	return send_all(fd, &out);
}

/* ---- clients ---- */

static int listen_at(int port)
{
	struct sockaddr_in at = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, 8) < 0)
		return -1;
	return fd;
}

int main(int argc, char **argv)
{
	struct pollfd fds[1 + CLIENTS_MAX] = {{.events = POLLIN}};
	nfds_t n = 1;
	bool (*serve)(int fd);

	if (argc != 3)
		return fprintf(stderr, "usage: net-file-server nfs|9p PORT\n"), 2;
	serve = strcmp(argv[1], "nfs") == 0 ? serve_nfs : serve_9p;
	fds[0].fd = listen_at(atoi(argv[2]));
	if (fds[0].fd < 0)
		return perror("net-file-server"), 1;
	puts("ready");
	fflush(stdout);
	while (poll(fds, n, -1) > 0) {
		for (nfds_t i = 1; i < n; i++)
			if (fds[i].revents && !serve(fds[i].fd)) {
				close(fds[i].fd);
				fds[i] = (struct pollfd){.fd = -1};
			}
		if (fds[0].revents && n < 1 + CLIENTS_MAX)
			fds[n++] = (struct pollfd){.fd = accept(fds[0].fd, NULL, NULL),
						   .events = POLLIN};
	}
	return 1;
}
