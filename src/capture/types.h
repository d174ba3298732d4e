/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Those of the kernel's types that programs name. libbpf looks for each of these among all there
 * are, and there are some 130,000: with a hundred to look for, that took a quarter of the start.
 */
#ifndef SVCTRACE_TYPES_H
#define SVCTRACE_TYPES_H

#include <stddef.h>

struct bpf_object;

struct types {
	int fd;
	char path[32]; /* for bpf_object_open_opts.btf_custom_path: it is read when that is loaded
			*/
};

/* Empty. Negative errno. */
int types_open(struct types *t);
/* For all of these objects, from that file (NULL: of the running kernel). Negative errno. */
int types_fill(const struct types *t, const char *btf, const struct bpf_object *const *objects,
	       size_t n);
void types_close(struct types *t);

#endif
