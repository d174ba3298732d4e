/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SVCTRACE_TRACE_WRITER_H
#define SVCTRACE_TRACE_WRITER_H

#include "svctrace/trace.h"
#include "trace/block.h"

/* A block of records that is packed already; its number is set anew. */
int trace_writer_block(struct trace_writer *w, struct trace_block *head, const void *stored);

#endif
