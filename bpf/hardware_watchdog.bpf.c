// SPDX-License-Identifier: (LGPL-2.1-or-later OR BSD-2-Clause)
/*
 * Hardware watchdogs: who opens and closes a /dev/watchdog*, and when it is pinged. All that goes
 * through the kernel's watchdog core is seen here, whoever does it and however; nothing of this
 * runs but for them. Each function by fexit, or by kprobe and kretprobe: what fails did not happen.
 */
#include "common.bpf.h"

#define WDIOC_SETOPTIONS  0x80045704
#define WDIOC_KEEPALIVE	  0x80045705
#define WDIOC_SETTIMEOUT  0xc0045706
#define WDIOS_DISABLECARD 1
#define WDIOS_ENABLECARD  2
#define MISC_MAJOR	  10 /* /dev/watchdog, another name of /dev/watchdog0 */
#define DEVICES_MAX	  32
/* Between two pings that are told: systemd 247 sends one whenever it wakes up. */
#define PING_GAP_NS	  100000000ull

struct pinged {
	__u64 ping_ns, told_ns;
	__u32 left_out;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, DEVICES_MAX);
	__type(key, __u32);
	__type(value, struct pinged);
} watchdogs_pinged SEC(".maps");

static __always_inline __u32 device_of(struct inode *inode)
{
	__u32 rdev = BPF_CORE_READ(inode, i_rdev);

	return rdev >> 20 == MISC_MAJOR ? 0 : rdev & ((1 << 20) - 1);
}

/* Keeps count; false: it is not to be told. ret_since: of the ping before, 0 if there was none. */
static __always_inline bool count_use(__u32 device, __u32 op, __u64 *ret_since, __u32 *ret_left_out)
{
	struct pinged *last = bpf_map_lookup_elem(&watchdogs_pinged, &device), this = {};
	__u64 now = bpf_ktime_get_ns();

	if (last)
		this = *last;
	*ret_since = op == WIRE_WATCHDOG_OPEN ? 0 : this.ping_ns;
	if (op == WIRE_WATCHDOG_CLOSE || op == WIRE_WATCHDOG_STOP)
		this.ping_ns = 0;
	else if (op != WIRE_WATCHDOG_START || !this.ping_ns)
		this.ping_ns = now;
	if (op == WIRE_WATCHDOG_PING && last && now - this.told_ns < PING_GAP_NS) {
		last->ping_ns = now;
		last->left_out++;
		return false;
	}
	*ret_left_out = this.left_out;
	this.left_out = 0;
	this.told_ns = now;
	bpf_map_update_elem(&watchdogs_pinged, &device, &this, BPF_ANY);
	return true;
}

static __always_inline int use_event(struct inode *inode, __u32 op, __s32 value)
{
	struct task_struct *t = (void *)bpf_get_current_task();
	__u32 device = device_of(inode), left_out;
	struct wire_watchdog_use *r;
	__u64 since;

	if (!count_use(device, op, &since, &left_out))
		return 0;
	r = record_reserve(WIRE_WATCHDOG_USE, sizeof(*r), 0);
	if (!r)
		return 0;
	fill_task(&r->task, t, task_cgroup(t));
	r->since_ns = since;
	r->device = device;
	r->op = op;
	r->value = value;
	r->left_out = left_out;
	record_submit(r);
	return 0;
}

static __always_inline int opened(struct inode *inode, long ret)
{
	return ret == 0 ? use_event(inode, WIRE_WATCHDOG_OPEN, WIRE_NONE) : 0;
}

static __always_inline int closed(struct inode *inode)
{
	return use_event(inode, WIRE_WATCHDOG_CLOSE, WIRE_NONE);
}

/* A write is a ping, whatever it says. */
static __always_inline int written(struct inode *inode, long ret)
{
	return ret > 0 ? use_event(inode, WIRE_WATCHDOG_PING, WIRE_NONE) : 0;
}

static __always_inline int controlled(struct inode *inode, __u32 cmd, void *arg, long ret)
{
	__s32 value = WIRE_NONE;

	if (ret < 0)
		return 0;
	if (cmd == WDIOC_KEEPALIVE)
		return use_event(inode, WIRE_WATCHDOG_PING, WIRE_NONE);
	if (bpf_probe_read_user(&value, sizeof(value), arg) < 0)
		value = WIRE_NONE;
	if (cmd == WDIOC_SETTIMEOUT) /* by now it says what became of it */
		return use_event(inode, WIRE_WATCHDOG_SET_TIMEOUT, value);
	if (cmd != WDIOC_SETOPTIONS || value == WIRE_NONE)
		return 0;
	if (value & WDIOS_DISABLECARD)
		use_event(inode, WIRE_WATCHDOG_STOP, WIRE_NONE);
	if (value & WDIOS_ENABLECARD)
		use_event(inode, WIRE_WATCHDOG_START, WIRE_NONE);
	return 0;
}

SEC("fexit/watchdog_open")
int BPF_PROG(watchdog_open_fexit, struct inode *inode, struct file *file, int ret)
{
	return opened(inode, ret);
}

SEC("fexit/watchdog_release")
int BPF_PROG(watchdog_release_fexit, struct inode *inode, struct file *file, int ret)
{
	return closed(inode);
}

SEC("fexit/watchdog_write")
int BPF_PROG(watchdog_write_fexit, struct file *file, const char *data, size_t len, loff_t *pos,
	     long ret)
{
	return written(BPF_CORE_READ(file, f_inode), ret);
}

SEC("fexit/watchdog_ioctl")
int BPF_PROG(watchdog_ioctl_fexit, struct file *file, unsigned int cmd, unsigned long arg, long ret)
{
	return controlled(BPF_CORE_READ(file, f_inode), cmd, (void *)arg, ret);
}

/* A kretprobe does not see the arguments: they are kept from entry to return, by tid. */
struct watchdog_call {
	struct inode *inode;
	__u64 arg;
	__u32 cmd;
	__u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 256);
	__type(key, __u64);
	__type(value, struct watchdog_call);
} watchdog_calls SEC(".maps");

static __always_inline int keep_call(struct inode *inode, __u32 cmd, __u64 arg)
{
	struct watchdog_call call = {.inode = inode, .cmd = cmd, .arg = arg};
	__u64 tid = bpf_get_current_pid_tgid();

	bpf_map_update_elem(&watchdog_calls, &tid, &call, BPF_ANY);
	return 0;
}

static __always_inline bool take_call(struct watchdog_call *ret)
{
	__u64 tid = bpf_get_current_pid_tgid();
	struct watchdog_call *call = bpf_map_lookup_elem(&watchdog_calls, &tid);

	if (!call)
		return false;
	*ret = *call;
	bpf_map_delete_elem(&watchdog_calls, &tid);
	return true;
}

SEC("kprobe/watchdog_open")
int BPF_KPROBE(watchdog_open_kprobe, struct inode *inode)
{
	return keep_call(inode, 0, 0);
}

SEC("kretprobe/watchdog_open")
int BPF_KRETPROBE(watchdog_open_kretprobe, int ret)
{
	struct watchdog_call call;

	return take_call(&call) ? opened(call.inode, ret) : 0;
}

SEC("kprobe/watchdog_release")
int BPF_KPROBE(watchdog_release_kprobe, struct inode *inode)
{
	return keep_call(inode, 0, 0);
}

SEC("kretprobe/watchdog_release")
int BPF_KRETPROBE(watchdog_release_kretprobe)
{
	struct watchdog_call call;

	return take_call(&call) ? closed(call.inode) : 0;
}

SEC("kprobe/watchdog_write")
int BPF_KPROBE(watchdog_write_kprobe, struct file *file)
{
	return keep_call(BPF_CORE_READ(file, f_inode), 0, 0);
}

SEC("kretprobe/watchdog_write")
int BPF_KRETPROBE(watchdog_write_kretprobe, long ret)
{
	struct watchdog_call call;

	return take_call(&call) ? written(call.inode, ret) : 0;
}

SEC("kprobe/watchdog_ioctl")
int BPF_KPROBE(watchdog_ioctl_kprobe, struct file *file, unsigned int cmd, unsigned long arg)
{
	return keep_call(BPF_CORE_READ(file, f_inode), cmd, arg);
}

SEC("kretprobe/watchdog_ioctl")
int BPF_KRETPROBE(watchdog_ioctl_kretprobe, long ret)
{
	struct watchdog_call call;

	return take_call(&call) ? controlled(call.inode, call.cmd, (void *)call.arg, ret) : 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
