/* SPDX-License-Identifier: (LGPL-2.1-or-later OR BSD-2-Clause) */
/* What the iterator writes, one after the other. */
#ifndef SVCTRACE_FUSE_HOLDERS_H
#define SVCTRACE_FUSE_HOLDERS_H

struct fuse_holder {
	__u32 tgid;
	__u32 connection; /* number */
};

#endif
