// SPDX-License-Identifier: (LGPL-2.1-or-later OR BSD-2-Clause)
/*
 * What clients ask systemd for, seen while they send it: bytes written to a socket whose other end
 * is a manager's private socket, a D-Bus broker's or systemd's Varlink socket. Whoever sends and
 * exits at once is known all the same.
 *
 * One handler, three ways in: fentry, kprobe, and where a kernel has neither, the tracepoints of
 * the system calls that send. Cheapest tests first: this runs for every message on every unix
 * stream socket. What a D-Bus message is tells faster than where it goes to, which takes half a
 * dozen reads. Of what goes to a broker only calls to systemd's objects come through, and of those
 * not the ones that merely read.
 */
#include "common.bpf.h"

#define AF_UNIX	      1
#define S_IFMT	      0170000
#define S_IFSOCK      0140000
#define SUN_PATH_MAX  108
#define SOCKET_ROOM   112 /* for a path, in whole words */
#define SUN_PATH_AT   2	  /* in sockaddr_un, behind its family */

#define ENDPOINT_NONE 0

#define DBUS_CALL     1
#define DBUS_RETURN   2
#define DBUS_HEAD     16 /* bytes before the header's fields */
#define DBUS_PATH     1
#define DBUS_MEMBER   3
#define DBUS_DEST     6
#define DBUS_FIELDS   10 /* no message has more */
#define BEGIN_LEN     7	 /* "BEGIN\r\n" ends the authentication */

#define SEGMENTS_MAX  16
#define SENDMMSG_MAX  4

const volatile struct send_calls send_calls = {};

/* Where the bytes to be sent lie in the sender's memory. */
struct source {
	struct iovec first;
	const struct iovec *rest; /* all segments, the first too; NULL: there is but one */
	__u32 n;
	bool user; /* rest itself lies in the sender's memory */
	__u64 length;
};

struct send_record {
	struct wire_client_send c;
	__u64 socket[SOCKET_ROOM / 8];
	/* bytes, then the command line: the verifier cannot tell that two bounds share this room */
	char tail[2 * WIRE_MESSAGE_MAX];
};

struct name_record {
	struct wire_bus_name n;
	__u64 socket[SOCKET_ROOM / 8];
	char name[64];
};

/*
 * Brokers' ends of connections that have begun to authenticate: the first reply that such a one
 * sends answers Hello. Without this a monitor, which is sent copies of other clients' replies,
 * would be taken for them.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, __u64);
	__type(value, __u8);
} nameless SEC(".maps");

/* Eight bytes of text as a number: to compare them at once is cheap for the verifier too. */
static __always_inline __u64 word(const char text[8])
{
	__u64 w;

	__builtin_memcpy(&w, text, sizeof(w));
	return w;
}

/* The length of the path that the socket is bound to; 0 if there is none. */
static __always_inline __u32 bound_path(struct sock *sk, const char **ret)
{
	struct unix_address *addr = BPF_CORE_READ((struct unix_sock *)sk, addr);
	__u32 len;

	if (!addr)
		return 0;
	len = BPF_CORE_READ(addr, len);
	*ret = (const char *)&addr->name + SUN_PATH_AT;
	/* a path's NUL is counted too */
	return len > SUN_PATH_AT && len <= SUN_PATH_AT + SUN_PATH_MAX + 1 ? len - SUN_PATH_AT - 1
									  : 0;
}

/* Who listens at that path. By their ends, for a user's manager has its own folder. */
static __always_inline __u32 endpoint_of(const char *path, __u32 len)
{
	__u64 first[3] = {}, last[2] = {};

	/* "/run/user/0/bus" is the shortest, with a byte of its address before it */
	if (len < sizeof(last) - 1 ||
	    bpf_probe_read_kernel(last, sizeof(last), path + len - sizeof(last)) < 0)
		return ENDPOINT_NONE;
	if (last[0] == word("/systemd") && last[1] == word("/private"))
		return WIRE_ENDPOINT_PRIVATE;
	if ((last[0] == word("ystem_bu") && last[1] == word("s_socket")) ||
	    last[1] >> 32 == word("/bus\0\0\0"))
		return WIRE_ENDPOINT_BUS;
	if (last[0] == word(".systemd") && last[1] == word(".Manager"))
		return WIRE_ENDPOINT_VARLINK;
	bpf_probe_read_kernel(first, sizeof(first), path);
	if (first[0] == word("/run/sys") && first[1] == word("temd/io.") &&
	    first[2] == word("systemd."))
		return WIRE_ENDPOINT_VARLINK;
	return ENDPOINT_NONE;
}

/* The process that connected, or that called listen(): whichever is at the other end. */
static __always_inline __u32 peer_pid(struct sock *sk)
{
	struct pid *pid = BPF_CORE_READ(sk, sk_peer_pid);

	return pid ? BPF_CORE_READ(pid, numbers[0].nr) : 0;
}

struct dbus_head {
	__u8 endian; /* 'l' or 'B' */
	__u8 type;
	__u8 flags;
	__u8 version;
	__u32 body;
	__u32 serial;
	__u32 fields;
};

static __always_inline __u32 dbus_u32(__u8 endian, __u32 v)
{
	return endian == 'B' ? __builtin_bswap32(v) : v;
}

/* A message's header, in the sender's memory: as much of it as the first segment holds. */
struct header {
	__u64 base, end;
	__u64 at; /* of the next field, from the base */
	__u64 endian;
};

struct field {
	__u8 code;
	const void *string; /* its value, if it is one */
};

static __always_inline bool next_field(struct header *m, struct field *ret)
{
	/* code, and a signature of one letter with its length and its NUL; the value */
	struct {
		__u8 code, n, type, nul;
		__u32 len;
	} f;

	if (m->at >= m->end || bpf_probe_read_user(&f, sizeof(f), (void *)(m->base + m->at)) < 0)
		return false;
	*ret = (struct field){f.code, (void *)(m->base + m->at + sizeof(f))};
	f.len = dbus_u32(m->endian, f.len);
	if (f.type == 'g') /* one byte of length */
		m->at += 4 + 1 + (__u8)(m->endian == 'B' ? f.len >> 24 : f.len) + 1;
	else if (f.type == 'u')
		m->at += sizeof(f);
	else
		m->at += sizeof(f) + (__u64)f.len + 1;
	if (m->at > m->end)
		return false;
	m->at = (m->at + 7) & ~7ULL;
	return true;
}

/* Objects of systemd, logind, machined: a destination may be a unique name, a path tells. */
static __always_inline bool is_systemd_path(const char *path)
{
	__u64 p[3] = {}; /* "/org/freedesktop/login1" and its NUL are 24 */

	bpf_probe_read_user(p, sizeof(p), path);
	return p[0] == word("/org/fre") && p[1] == word("edesktop") &&
	       (p[2] == word("/systemd") || p[2] == word("/machine") || p[2] == word("/login1\0"));
}

/* Get, GetAll, GetUnit…, ListUnits…, Introspect: they stop nothing. */
static __always_inline bool only_reads(const char *member)
{
	__u64 m = 0;

	bpf_probe_read_user(&m, 3, member);
	return m == word("Get\0\0\0\0") || m == word("Lis\0\0\0\0") || m == word("Int\0\0\0\0");
}

/*
 * Functions of their own, with numbers in and out as 5.10 demands: the verifier goes through them
 * once, not once for each way that leads to them, which took most of svctrace's start.
 */

/* Does a call with this header ask systemd for anything? Mostly its first field says no. */
__noinline int asks_systemd(__u64 base, __u64 end, __u8 endian)
{
	struct header m = {base, end, DBUS_HEAD, endian};
	struct field f;

	for (int i = 0; i < DBUS_FIELDS && next_field(&m, &f); i++) {
		if (f.code == DBUS_PATH && !is_systemd_path(f.string))
			return false;
		if (f.code == DBUS_MEMBER && only_reads(f.string))
			return false;
	}
	return true;
}

/* Where the name that it is sent to lies in the sender's memory; 0: not in the first segment. */
__noinline __u64 find_destination(__u64 base, __u64 end, __u8 endian)
{
	struct header m = {base, end, DBUS_HEAD, endian};
	struct field f;

	for (int i = 0; i < DBUS_FIELDS && next_field(&m, &f); i++)
		if (f.code == DBUS_DEST)
			return (__u64)f.string;
	return 0;
}

static __always_inline __u64 fields_end(const struct dbus_head *h)
{
	return DBUS_HEAD + (__u64)dbus_u32(h->endian, h->fields);
}

static __always_inline __u64 header_end(const struct source *src, const struct dbus_head *h)
{
	return fields_end(h) < src->first.iov_len ? fields_end(h) : src->first.iov_len;
}

static __always_inline __u64 message_size(const struct dbus_head *h)
{
	return ((fields_end(h) + 7) & ~7ULL) + dbus_u32(h->endian, h->body);
}

static __always_inline bool is_dbus(const struct dbus_head *h)
{
	return (h->endian == 'l' || h->endian == 'B') && h->version == 1;
}

/* Bytes of D-Bus: do they ask systemd for anything? What cannot be told here is let through. */
static __always_inline bool is_request(const struct source *src, const struct dbus_head *h)
{
	if (h->endian != 'l' && h->endian != 'B')
		return false; /* authentication, or the rest of a message that was sent in parts */
	if (src->first.iov_len < sizeof(*h))
		return true;
	if (h->version != 1)
		return false;
	if (message_size(h) < src->length)
		return true; /* more than one */
	return h->type == DBUS_CALL &&
	       asks_systemd((__u64)src->first.iov_base, header_end(src, h), h->endian);
}

static __always_inline void get_head(const struct source *src, struct dbus_head *h)
{
	__u64 n = src->first.iov_len;

	__builtin_memset(h, 0, sizeof(*h));
	if (n >= sizeof(*h))
		bpf_probe_read_user(h, sizeof(*h), src->first.iov_base);
	else
		bpf_probe_read_user(h, n & (sizeof(*h) - 1), src->first.iov_base);
}

/* What may stand before a connection's first message in the same send. */
static __always_inline void skip_begin(struct source *src, struct dbus_head *h)
{
	__u64 begin;

	__builtin_memcpy(&begin, h, sizeof(begin));
	if (begin << 8 != word("BEGIN\r\n") << 8) /* the eighth byte is any message's first */
		return;
	src->first.iov_base += BEGIN_LEN;
	src->first.iov_len -= BEGIN_LEN;
	src->length -= BEGIN_LEN;
	get_head(src, h);
}

static __always_inline bool get_segment(const struct source *src, __u32 i, struct iovec *ret)
{
	if (i >= src->n)
		return false;
	if (i == 0) {
		*ret = src->first;
		return true;
	}
	return (src->user ? bpf_probe_read_user(ret, sizeof(*ret), src->rest + i)
			  : bpf_probe_read_kernel(ret, sizeof(*ret), src->rest + i)) == 0;
}

/* As many bytes as there is room for, whatever segments they are in; returns their number. */
static __always_inline __u64 gather(const struct source *src, char *to)
{
	__u64 n = 0;

	for (__u32 i = 0; i < SEGMENTS_MAX; i++) {
		struct iovec seg;
		__u64 len;

		if (n >= WIRE_MESSAGE_MAX || !get_segment(src, i, &seg))
			break;
		len = WIRE_MESSAGE_MAX - n;
		if (len > seg.iov_len)
			len = seg.iov_len;
		barrier_var(len);
		if (len > WIRE_MESSAGE_MAX || bpf_probe_read_user(to + n, len, seg.iov_base) < 0)
			break;
		n += len;
	}
	return n;
}

static __always_inline void fill_socket(struct wire_str *str, __u64 *to, __u16 off,
					const char *path, __u64 len)
{
	__builtin_memset(to, 0, SOCKET_ROOM);
	barrier_var(len);
	if (len > SUN_PATH_MAX)
		return;
	bpf_probe_read_kernel(to, len, path);
	*str = (struct wire_str){.off = off, .len = len};
}

static __always_inline void send_request(struct sock *sk, const struct source *src, __u32 endpoint,
					 const char *path, __u32 path_len)
{
	struct task_struct *t = (void *)bpf_get_current_task();
	__u64 fixed = sizeof(struct wire_client_send) + SOCKET_ROOM, n;
	struct send_record *r =
		record_reserve(WIRE_CLIENT_SEND, sizeof(r->c), sizeof(r->socket) + sizeof(r->tail));

	if (!r)
		return;
	fill_task(&r->c.task, t, task_cgroup(t));
	fill_login(t, &r->c.loginuid, &r->c.session, r->c.tty, false);
	r->c.n_ancestors = fill_ancestors(r->c.ancestors, t, false);
	r->c.endpoint = endpoint;
	r->c.listener = peer_pid(sk);
	r->c.length = src->length > 0xffffffff ? 0xffffffff : src->length;
	fill_socket(&r->c.socket, r->socket, sizeof(r->c), path, path_len);
	n = gather(src, r->tail);
	if (n < src->length)
		r->c.h.flags |= WIRE_F_TRUNCATED;
	r->c.bytes = (struct wire_str){.off = fixed, .len = n};
	r->c.h.size = fixed + n;
	barrier_var(n);
	if (n <= WIRE_MESSAGE_MAX)
		tail_cmdline(&r->c.h, &r->c.cmdline, r->tail + n, fixed + n, t);
	record_submit(r);
}

static __always_inline bool is_nameless(struct sock *sk)
{
	__u64 key = (__u64)sk;

	return bpf_map_lookup_elem(&nameless, &key);
}

/* A broker writes to a client that has no name yet. */
static __always_inline void send_name(struct sock *sk, struct sock *client,
				      const struct source *src, const struct dbus_head *h)
{
	struct name_record *r;
	const char *path;
	__u64 key = (__u64)sk, name;
	__u32 path_len;

	if (!is_dbus(h) || h->type != DBUS_RETURN)
		return;
	name = find_destination((__u64)src->first.iov_base, header_end(src, h), h->endian);
	path_len = bound_path(sk, &path);
	/* of several that are sent at once only the first answers Hello */
	if (bpf_map_delete_elem(&nameless, &key) < 0 || !name || !path_len)
		return;
	r = record_reserve(WIRE_BUS_NAME, sizeof(r->n), sizeof(r->socket) + sizeof(r->name));
	if (!r)
		return;
	r->n.client = peer_pid(sk);
	r->n.listener = peer_pid(client);
	fill_socket(&r->n.socket, r->socket, sizeof(r->n), path, path_len);
	tail_string(&r->n.h, &r->n.name, r->name, sizeof(r->n) + sizeof(r->socket), sizeof(r->name),
		    (void *)name, true);
	record_submit(r);
}

/* Where a send goes to. */
struct target {
	struct sock *sk, *peer;
	const char *path; /* that the peer is bound to */
	__u32 path_len;
	__u32 endpoint;
};

/* Does anybody want to know what is sent there? */
static __always_inline bool find_target(struct sock *sk, struct target *t)
{
	struct sock *peer = BPF_CORE_READ((struct unix_sock *)sk, peer);

	*t = (struct target){.sk = sk, .peer = peer};
	if (!peer)
		return false;
	t->path_len = bound_path(peer, &t->path);
	t->endpoint = t->path_len ? endpoint_of(t->path, t->path_len) : ENDPOINT_NONE;
	return t->endpoint != ENDPOINT_NONE || is_nameless(sk);
}

static __always_inline void send_to(const struct target *t, struct source *src, struct dbus_head *h)
{
	__u32 listener = peer_pid(t->sk);
	__u64 key = (__u64)t->peer;

	if (t->endpoint == ENDPOINT_NONE) {
		send_name(t->sk, t->peer, src, h);
		return;
	}
	/* a manager listens itself on its own socket; on a bus, who started the broker may */
	if (t->endpoint == WIRE_ENDPOINT_PRIVATE && !bpf_map_lookup_elem(&managers, &listener))
		return;
	if (t->endpoint != WIRE_ENDPOINT_VARLINK) {
		if (t->endpoint == WIRE_ENDPOINT_BUS && h->endian == 0) {
			/* every connection begins with a NUL */
			bpf_map_update_elem(&nameless, &key, &(__u8){1}, BPF_ANY);
			return;
		}
		skip_begin(src, h);
		if (src->length == 0 || !is_request(src, h))
			return;
	}
	send_request(t->sk, src, t->endpoint, t->path, t->path_len);
}

/* A D-Bus message of no interest, wherever it goes. No line of JSON has such a head. */
static __always_inline bool is_small_talk(struct sock *sk, const struct source *src,
					  const struct dbus_head *h)
{
	return is_dbus(h) && !is_request(src, h) && !(h->type == DBUS_RETURN && is_nameless(sk));
}

static __always_inline int on_send(struct sock *sk, struct source *src)
{
	struct dbus_head h;
	struct target t;

	get_head(src, &h);
	if (!is_small_talk(sk, src, &h) && find_target(sk, &t))
		send_to(&t, src, &h);
	return 0;
}

/*
 * What unix_stream_sendmsg() is handed, in whatever shape the kernel has it: before 5.14 type has
 * the direction too, 6.0 brought ITER_UBUF, 6.4 renamed iov.
 */
struct iov_iter___any {
	unsigned int type;
	__u8 iter_type;
	__u64 iov_offset;
	__u64 count;
	const struct iovec *iov;
	const struct iovec *__iov;
	void *ubuf;
	unsigned long nr_segs;
} __attribute__((preserve_access_index));

enum iter_type___any {
	ITER_IOVEC___any = 100,
	ITER_UBUF___any = 101,
};

static __always_inline __u32 iter_type(const struct iov_iter___any *i, const bool typed)
{
	if (bpf_core_field_exists(i->iter_type))
		return READ(typed, i, iter_type);
	return READ(typed, i, type) & ~1U;
}

/* Empty segments in front are allowed, but nobody sends more than one. */
static __always_inline void skip_empty(struct source *src)
{
	struct iovec next;

	if (src->first.iov_len > 0 || !get_segment(src, 1, &next))
		return;
	src->first = next;
	src->rest++;
	src->n--;
}

static __always_inline bool from_iter(const struct iov_iter___any *i, const bool typed,
				      struct source *src)
{
	__u64 offset = READ(typed, i, iov_offset);

	src->length = READ(typed, i, count);
	if (bpf_core_enum_value_exists(enum iter_type___any, ITER_UBUF___any) &&
	    iter_type(i, typed) == bpf_core_enum_value(enum iter_type___any, ITER_UBUF___any)) {
		src->first.iov_base = BPF_CORE_READ(i, ubuf) + offset;
		src->first.iov_len = src->length;
		src->n = 1;
		return true;
	}
	if (iter_type(i, typed) != bpf_core_enum_value(enum iter_type___any, ITER_IOVEC___any))
		return false; /* no memory of a process */
	src->rest =
		bpf_core_field_exists(i->__iov) ? BPF_CORE_READ(i, __iov) : BPF_CORE_READ(i, iov);
	src->n = READ(typed, i, nr_segs);
	bpf_probe_read_kernel(&src->first, sizeof(src->first), src->rest);
	src->first.iov_base += offset;
	src->first.iov_len -= offset;
	skip_empty(src);
	return true;
}

SEC("fentry/unix_stream_sendmsg")
int BPF_PROG(unix_sendmsg_fentry, struct socket *sock, struct msghdr *msg)
{
	struct source src = {};

	return from_iter((void *)&msg->msg_iter, true, &src) ? on_send(sock->sk, &src) : 0;
}

SEC("kprobe/unix_stream_sendmsg")
int BPF_KPROBE(unix_sendmsg_kprobe, struct socket *sock, struct msghdr *msg)
{
	struct source src = {};

	return from_iter((void *)&msg->msg_iter, false, &src)
		       ? on_send(BPF_CORE_READ(sock, sk), &src)
		       : 0;
}

/* The unix stream socket that is open under that number; NULL if it is none. */
static __always_inline struct sock *unix_socket(__u32 fd)
{
	struct task_struct *t = (void *)bpf_get_current_task();
	struct fdtable *table = BPF_CORE_READ(t, files, fdt);
	struct file **files, *file = NULL;
	struct socket *sock;
	struct sock *sk;

	if (fd >= BPF_CORE_READ(table, max_fds))
		return NULL;
	files = BPF_CORE_READ(table, fd);
	bpf_probe_read_kernel(&file, sizeof(file), files + fd);
	if (!file || (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK)
		return NULL;
	sock = BPF_CORE_READ(file, private_data);
	sk = BPF_CORE_READ(sock, sk);
	return sk && BPF_CORE_READ(sk, __sk_common.skc_family) == AF_UNIX ? sk : NULL;
}

static __always_inline bool from_segments(struct source *src)
{
	if (bpf_probe_read_user(&src->first, sizeof(src->first), src->rest) < 0)
		return false;
	for (__u32 i = 0; i < SEGMENTS_MAX; i++) {
		struct iovec seg;

		if (!get_segment(src, i, &seg))
			break;
		src->length += seg.iov_len;
	}
	skip_empty(src);
	return true;
}

/*
 * From segments, or from the one buffer if there are none. All numbers, so that the verifier goes
 * through it once, not once for each place that it is called at.
 */
__noinline int send_from(__u64 sk, __u64 segments, __u32 n, __u64 buffer, __u64 length)
{
	struct source src = {.first = {(void *)buffer, length},
			     .rest = (void *)segments,
			     .n = n,
			     .user = true,
			     .length = length};

	return !sk || (segments && !from_segments(&src)) ? 0 : on_send((void *)sk, &src);
}

static __always_inline int send_header(__u64 sk, const void *user_msghdr)
{
	struct user_msghdr m;

	if (bpf_probe_read_user(&m, sizeof(m), user_msghdr) < 0)
		return 0;
	return send_from(sk, (__u64)m.msg_iov, m.msg_iovlen, 0, 0);
}

/* One program for all these calls: the verifier takes long to go through one. */
SEC("tp")
int sys_enter_send(struct trace_event_raw_sys_enter *c)
{
	__u64 sk = (__u64)unix_socket(c->args[0]);
	const struct mmsghdr *m = (void *)c->args[1];
	__u32 call = c->id, n = c->args[2];

	if (!sk)
		return 0;
	if (call == send_calls.write || call == send_calls.sendto)
		return send_from(sk, 0, 1, c->args[1], c->args[2]);
	if (call == send_calls.writev)
		return send_from(sk, c->args[1], n, 0, 0);
	if (call == send_calls.sendmsg)
		return send_header(sk, m);
	for (__u32 i = 0; i < SENDMMSG_MAX && i < n; i++) /* dbus-broker sends so */
		send_header(sk, &m[i].msg_hdr);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
