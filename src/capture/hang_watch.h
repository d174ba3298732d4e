/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * While a pid namespace is torn down or a FUSE file is flushed at exit: time has to go on in the
 * stream though nothing comes, and it has to say what is left in the namespace, and who may answer
 * on the connection.
 */
#ifndef SVCTRACE_HANG_WATCH_H
#define SVCTRACE_HANG_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "capture/stream.h"
#include "svctrace/capture.h"

struct looker;

#define HANG_TICK_NS   1000000000ull
#define HANG_WATCH_MAX 256

/*
 * The iterator of capture_fuse_holders(), kept: what loading it takes is given up later. btf: the
 * types that it is loaded with, NULL: the kernel's. One that does not load is freed.
 */
struct bpf_object;
struct fuse_holders;
int fuse_holders_open(const char *btf, struct fuse_holders **ret);
const struct bpf_object *fuse_holders_object(const struct fuse_holders *f);
int fuse_holders_load(struct fuse_holders **f);
void fuse_holders_freep(struct fuse_holders **f);
/* The same from /proc; -ENOTSUP if this kernel does not tell there whose is whose. */
int fuse_holders_walk(capture_fuse_holder on_holder, void *ctx);
int fuse_holders_read(const struct fuse_holders *f, capture_fuse_holder on_holder, void *ctx);

/* What has begun and not ended. */
struct hang_watched {
	uint32_t tid;
	uint32_t of; /* the connection, or the namespace */
	bool flush;  /* else a teardown */
	unsigned int ticks, looks_in_vain;
};

struct fuse_holding {
	uint32_t connection, tgid;
};

#define HOLDINGS_MAX 4096

struct hang_watch {
	struct fuse_holders *holders; /* NULL: BPF cannot tell, or not yet */
	struct hang_watched watched[HANG_WATCH_MAX];
	unsigned int n;
	int error; /* of the last look */
	struct fuse_holding holdings[HOLDINGS_MAX];
	unsigned int n_holdings;
};

/* What can be loaded while one still may; the fuse module may come later. If not, /proc is asked.
 */
void hang_watch_load(struct hang_watch *w);
void hang_watch_done(struct hang_watch *w);
/* Whether it is the first to be watched. */
bool hang_watch_follow(struct hang_watch *w, const struct wire_hdr *h);
/* Every connection that somebody has open: who served it before a hang. */
int hang_watch_send_all(struct hang_watch *w, struct stream *s);
/* Events were lost: who may answer is in doubt until the next look. */
void hang_watch_again(struct hang_watch *w);
/* HANG_TICK_NS have passed: looks at who may answer on connections that are waited for. */
void hang_watch_look(struct hang_watch *w);
/*
 * Says what was seen, after all events from before the look: what has ended by now is left out. And
 * looks at what is left in namespaces; l: NULL if it cannot.
 */
int hang_watch_send(struct hang_watch *w, struct looker *l, struct stream *s);

#endif
