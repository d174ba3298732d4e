/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A connection to a manager's private socket: questions, and answers in their order. */
#ifndef SVCTRACE_PRIVATE_BUS_H
#define SVCTRACE_PRIVATE_BUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct private_bus {
	int fd;		      /* the caller closes it; -1: there is none */
	uint64_t deadline_ns; /* of all waiting, CLOCK_MONOTONIC; set by the caller */
	unsigned char bytes[16384];
	size_t n;
};

/* The socket of that user's manager, or the system's, within that root directory. */
bool private_bus_open(struct private_bus *b, int root, bool user, uint32_t uid);
bool private_bus_send(struct private_bus *b, const void *p, size_t n);
/*
 * The size of the next answer, which begins at bytes; 0: none came in time. What the manager tells
 * everybody in between is left out.
 */
size_t private_bus_read(struct private_bus *b);
/* Done with the answer of that size. */
void private_bus_consume(struct private_bus *b, size_t n);

#endif
