/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "render/renderer.h"
#include "svctrace/cleanup.h"

#define SECOND_NS UINT64_C(1000000000)

const char *const symbol_origins[] = {
	"dynsym", "symtab", "debugfile", "minidebug", "reference", "vtable", "user",
};
const unsigned int n_symbol_origins = ARRAY_LEN(symbol_origins);

int renderer_new(FILE *out, const struct render_options *o, struct renderer **ret)
{
	struct renderer *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->out = out;
	r->options = *o;
	*ret = r;
	return 0;
}

static void manager_info_done(struct manager_info *m)
{
	free(m->object);
	free(m->build_id);
	free(m->version);
	*m = (struct manager_info){};
}

void renderer_freep(struct renderer **r)
{
	if (!*r)
		return;
	for (size_t i = 0; i < MANAGERS_MAX; i++)
		manager_info_done(&(*r)->managers[i]);
	free(*r);
	*r = NULL;
}

const struct manager_info *manager_info(const struct renderer *r, uint32_t tgid)
{
	for (size_t i = 0; tgid && i < MANAGERS_MAX; i++)
		if (r->managers[i].tgid == tgid)
			return &r->managers[i];
	return NULL;
}

static struct manager_info *manager_info_make(struct renderer *r, uint32_t tgid)
{
	struct manager_info *m = (struct manager_info *)manager_info(r, tgid);

	if (!m) {
		m = &r->managers[r->n_managers++ % MANAGERS_MAX];
		manager_info_done(m);
		m->tgid = tgid;
	}
	return m;
}

static int note_manager(struct renderer *r, const struct ev *e)
{
	struct manager_info *m = manager_info_make(r, e->manager.tgid);

	manager_info_done(m);
	m->tgid = e->manager.tgid;
	m->object = str_dup(e->manager.object);
	m->build_id = str_dup(e->manager.build_id);
	m->version = str_dup(e->manager.version);
	if ((e->manager.object.s && !m->object) || (e->manager.build_id.s && !m->build_id) ||
	    (e->manager.version.s && !m->version))
		return -ENOMEM;
	return 0;
}

static void note_symbol(struct renderer *r, const struct ev *e)
{
	struct manager_info *m = manager_info_make(r, e->manager.tgid);

	for (unsigned int i = 0; i < n_symbol_origins; i++)
		if (str_equal(e->symbol.origin, symbol_origins[i]))
			m->origins |= 1u << i;
}

/* "KEY=VALUE", each ended by NUL. */
static void note_start(struct renderer *r, struct str text)
{
	static const char key[] = "BOOT_ID=";
	const size_t len = sizeof(key) - 1;

	for (size_t i = 0; i < text.n; i++) {
		size_t n = strnlen(text.s + i, text.n - i);

		if (n > len && n - len < BOOT_ID_MAX && memcmp(text.s + i, key, len) == 0) {
			memcpy(r->boot_id, text.s + i + len, n - len);
			r->boot_id[n - len] = 0;
		}
		i += n;
	}
}

int render_note(struct renderer *r, const struct ev *e)
{
	if (e->kind == WIRE_MANAGER)
		return note_manager(r, e);
	if (e->kind == WIRE_SYMBOL)
		note_symbol(r, e);
	else if (e->kind == WIRE_START)
		note_start(r, e->text);
	return 0;
}

const char *time_of_day(const struct renderer *r, uint64_t wall_ns, uint64_t mono_ns,
			char buf[static TIME_LEN])
{
	time_t t = (time_t)(wall_ns / SECOND_NS);
	uint64_t ns = wall_ns ? wall_ns : mono_ns;
	unsigned int ms = (unsigned int)(ns % SECOND_NS / 1000000);
	struct tm tm;

	if (wall_ns == 0 || !(r->options.utc ? gmtime_r(&t, &tm) : localtime_r(&t, &tm)))
		snprintf(buf, TIME_LEN, "+%" PRIu64 ".%03u", ns / SECOND_NS, ms);
	else
		snprintf(buf, TIME_LEN, "%02d:%02d:%02d.%03u", tm.tm_hour, tm.tm_min, tm.tm_sec,
			 ms);
	return buf;
}

const char *time_rfc3339(uint64_t wall_ns, char buf[static TIME_LEN])
{
	time_t t = (time_t)(wall_ns / SECOND_NS);
	struct tm tm;
	size_t n;

	if (wall_ns == 0 || !gmtime_r(&t, &tm))
		return NULL;
	n = strftime(buf, TIME_LEN, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(buf + n, TIME_LEN - n, ".%09uZ", (unsigned int)(wall_ns % SECOND_NS));
	return buf;
}

bool unit_matches(const char *pattern, const char *unit)
{
	_cleanup_free_ char *service = NULL;

	if (fnmatch(pattern, unit, 0) == 0)
		return true;
	if (strchr(pattern, '.') || asprintf(&service, "%s.service", pattern) < 0)
		return false;
	return fnmatch(service, unit, 0) == 0;
}

static bool wants_unit(const struct renderer *r, const char *unit)
{
	const char *const *p = r->options.units;

	for (; p && *p; p++)
		if (unit_matches(*p, unit))
			return true;
	return !r->options.units;
}

int render_verdict(struct renderer *r, const struct verdict *v)
{
	int k;

	if (r->options.causes && !(r->options.causes & (UINT64_C(1) << v->cause)))
		return 0;
	if (!wants_unit(r, v->unit))
		return 0;
	k = r->options.format == RENDER_JSON ? render_verdict_json(r, v)
					     : render_verdict_text(r, v);
	if (k < 0)
		return k;
	return fflush(r->out) == 0 ? 1 : -errno;
}

static bool wants_hang(const struct renderer *r, const struct hang_verdict *h)
{
	bool wanted = !r->options.units || (h->init.a.unit && wants_unit(r, h->init.a.unit));

	for (unsigned int i = 0; !wanted && i < h->n_waiters; i++)
		wanted = h->waiters[i].a.unit && wants_unit(r, h->waiters[i].a.unit);
	return wanted && !r->options.causes;
}

int render_hang(struct renderer *r, const struct hang_verdict *h)
{
	int k;

	if (!wants_hang(r, h))
		return 0;
	k = r->options.format == RENDER_JSON ? render_hang_json(r, h) : render_hang_text(r, h);
	if (k < 0)
		return k;
	return fflush(r->out) == 0 ? 1 : -errno;
}

int render_slow(struct renderer *r, const struct slow_notice *s)
{
	int k;

	if (!wants_unit(r, s->v->unit))
		return 0;
	k = r->options.format == RENDER_JSON ? render_slow_json(r, s) : render_slow_text(r, s);
	if (k < 0)
		return k;
	return fflush(r->out) == 0 ? 1 : -errno;
}

static bool is_of_service(enum wire_kind kind)
{
	return kind >= WIRE_SERVICE_ENTER_STOP && kind <= WIRE_BUS_QUEUE_JOB &&
	       kind != WIRE_MANAGER_CGROUP_EMPTY;
}

int render_event(struct renderer *r, const struct ev *e)
{
	if (is_of_service(e->kind)) {
		_cleanup_free_ char *id = str_dup(e->service.id);

		if (!id)
			return -ENOMEM;
		if (!wants_unit(r, id))
			return 0;
	}
	return r->options.format == RENDER_JSON ? render_event_json(r, e) : render_event_text(r, e);
}
