/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "merge.h"
#include "svctrace/cleanup.h"

#define HOST_MAX 64

/* What a line begins with; JSON lines are objects, and get a first member. */
static int put_prefix(const struct merge_input *m)
{
	_cleanup_free_ char *quoted = NULL;
	json_t *host;

	if (!m->json)
		return printf("%-*s  ", (int)m->width, m->host);
	host = json_string(m->host);
	quoted = host ? json_dumps(host, JSON_ENCODE_ANY) : NULL;
	json_decref(host);
	return quoted ? printf("{\"host\":%s,", quoted) : -1;
}

static ssize_t write_lines(void *cookie, const char *buf, size_t n)
{
	struct merge_input *m = cookie;

	for (size_t at = 0; at < n;) {
		const char *end = memchr(buf + at, '\n', n - at);
		size_t len = end ? (size_t)(end - buf) + 1 - at : n - at;
		size_t skip = m->json && !m->in_line && buf[at] == '{';

		if (!m->in_line && put_prefix(m) < 0)
			return 0;
		fwrite(buf + at + skip, 1, len - skip, stdout);
		m->in_line = !end;
		at += len;
	}
	return fflush(stdout) == 0 ? (ssize_t)n : 0;
}

/* The stream's first record says where it comes from. Control characters would spoil the column. */
static char *find_host(const struct merge_input *m)
{
	static const char key[] = "HOST=";
	const char *text = m->record;
	struct wire_hdr h = {};

	if (m->record)
		memcpy(&h, m->record, sizeof(h));
	for (size_t i = sizeof(struct wire_text); h.kind == WIRE_START && i < m->size;) {
		size_t n = strnlen(text + i, m->size - i);

		if (n >= sizeof(key) && n < HOST_MAX && memcmp(text + i, key, strlen(key)) == 0) {
			char *host = strndup(text + i + strlen(key), n - strlen(key));

			for (char *s = host; s && *s; s++)
				if (*s <= ' ' || *s > '~')
					*s = '?';
			return host;
		}
		i += n + 1;
	}
	return strdup(m->file.name);
}

static int advance(struct merge_input *m)
{
	struct wire_clock w;
	int r = recording_next(&m->file, &m->record, &m->size);

	if (r <= 0) {
		m->record = NULL;
		return r;
	}
	memcpy(&w.h, m->record, sizeof(w.h));
	if (w.h.kind == WIRE_CLOCK && m->size >= sizeof(w)) {
		memcpy(&w, m->record, sizeof(w));
		m->clock_mono_ns = w.h.mono_ns;
		m->clock_real_ns = w.real_ns;
	}
	return 0;
}

/* 0 until a clock was seen: what leads a recording comes first. */
static uint64_t wall_ns(const struct merge_input *m)
{
	struct wire_hdr h;

	memcpy(&h, m->record, sizeof(h));
	return m->clock_real_ns ? m->clock_real_ns + (h.mono_ns - m->clock_mono_ns) : 0;
}

static struct merge_input *earliest(struct merge_input *inputs, unsigned int n)
{
	struct merge_input *best = NULL;

	for (unsigned int i = 0; i < n; i++)
		if (inputs[i].record && (!best || wall_ns(&inputs[i]) < wall_ns(best)))
			best = &inputs[i];
	return best;
}

static int open_input(struct merge_input *m, const struct output *options)
{
	static const cookie_io_functions_t io = {.write = write_lines};
	int r = advance(m);

	if (r < 0)
		return r;
	m->host = find_host(m);
	m->json = options->render.format == RENDER_JSON;
	m->output.out = fopencookie(m, "w", io);
	if (!m->host || !m->output.out)
		return -ENOMEM;
	setlinebuf(m->output.out);
	return output_open(&m->output);
}

static uint64_t seen(const struct merge_input *inputs, unsigned int n)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < n; i++)
		sum += inputs[i].output.seen;
	return sum;
}

static int feed_all(struct merge_input *inputs, unsigned int n, uint64_t count)
{
	struct merge_input *m;
	int r = 0;

	while (r == 0 && (m = earliest(inputs, n))) {
		r = output_record(&m->output, m->record, m->size);
		if (r == 0 && count && seen(inputs, n) >= count)
			return -ECANCELED;
		if (r == 0)
			r = advance(m);
	}
	for (unsigned int i = 0; i < n && r == 0; i++)
		r = output_flush(&inputs[i].output);
	return r;
}

int merge_run(struct merge_input *inputs, unsigned int n, const struct output *options)
{
	unsigned int width = 0;
	int r = 0;

	for (unsigned int i = 0; i < n && r == 0; i++) {
		r = open_input(&inputs[i], options);
		if (r == 0 && strlen(inputs[i].host) > width)
			width = strlen(inputs[i].host);
	}
	for (unsigned int i = 0; i < n; i++)
		inputs[i].width = width;
	if (r == 0)
		r = feed_all(inputs, n, options->count);
	for (unsigned int i = 0; i < n; i++) {
		if (inputs[i].output.out && fclose(inputs[i].output.out) != 0 && r == 0)
			r = -EIO;
		free(inputs[i].host);
	}
	return r;
}
