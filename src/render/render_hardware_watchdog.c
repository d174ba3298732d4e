/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* News of hardware watchdogs, as text and as JSON. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "render/json.h"
#include "render/renderer.h"
#include "svctrace/cleanup.h"
#include "svctrace/text.h"

#define NAME_LEN 300
#define AMBER	 "\x1b[1;33m"
#define PLAIN	 "\x1b[0m"

/* "no ping for 6.1s of 8s" */
static void put_news(FILE *f, const struct hardware_watchdog_notice *n)
{
	char gap[32], timeout[32] = "?";

	text_duration(n->gap_ns, gap);
	if (n->timeout_ns)
		text_duration(n->timeout_ns, timeout);
	switch (n->news) {
	case HARDWARE_WATCHDOG_OVERDUE:
		fprintf(f, "no ping for %s; it resets the machine after %s", gap, timeout);
		break;
	case HARDWARE_WATCHDOG_LATE:
		fprintf(f, "pinged after %s; the timeout is %s", gap, timeout);
		break;
	case HARDWARE_WATCHDOG_OPENED:
		fprintf(f, "opened; the timeout is %s", timeout);
		break;
	case HARDWARE_WATCHDOG_CLOSED:
		fprintf(f, "closed%s",
			n->running == 1	  ? ", but it runs on: it resets the machine unless pinged"
			: n->running == 0 ? ", stopped"
					  : "");
		break;
	default:
		fprintf(f,
			"%" PRIu64 " pings seen, %" PRIu64
			" late; the longest gap %s, the timeout %s",
			n->pings, n->late, text_duration(n->longest_ns, gap), timeout);
		break;
	}
}

static void put_settings(FILE *f, const struct hardware_watchdog_settings *s)
{
	char runtime[32], reboot[32], path[NAME_LEN];

	fprintf(f, "  %-7sRuntimeWatchdogSec=%s, RebootWatchdogSec=%s", "set",
		text_usec(s->runtime_usec, runtime), text_usec(s->reboot_usec, reboot));
	if (s->path)
		fprintf(f, ", WatchdogDevice=%s",
			text_escape(path, sizeof(path), s->path, strlen(s->path)));
	fputc('\n', f);
}

static int put_notice(FILE *f, const struct renderer *r, const void *what)
{
	const struct hardware_watchdog_notice *n = what;
	bool bad = n->news == HARDWARE_WATCHDOG_OVERDUE || n->news == HARDWARE_WATCHDOG_LATE;
	char when[TIME_LEN], name[NAME_LEN];
	int k;

	fprintf(f, "%s  watchdog%" PRIu32 "  %sHARDWARE WATCHDOG%s  ",
		time_of_day(r, n->wall_ns, n->mono_ns, when), n->device,
		r->options.color && bad ? AMBER : "", r->options.color && bad ? PLAIN : "");
	put_news(f, n);
	fprintf(f, "\n  %-7s%s", "device",
		n->identity ? text_escape(name, sizeof(name), n->identity, strlen(n->identity))
			    : "not known");
	if (n->driver)
		fprintf(f, ", driver %s",
			text_escape(name, sizeof(name), n->driver, strlen(n->driver)));
	fputc('\n', f);
	if (n->who.tgid) {
		fprintf(f, "  %-7s", "who");
		put_identity(f, &n->who);
		fputc('\n', f);
	}
	if (n->settings.known)
		put_settings(f, &n->settings);
	k = n->news == HARDWARE_WATCHDOG_OVERDUE ? render_look(f, r, "did", n->look) : 0;
	if (n->n_proof == 0)
		return k;
	fprintf(f, "  %-7s%u event%s (", "proof", n->n_proof, n->n_proof == 1 ? "" : "s");
	for (unsigned int i = 0; i < n->n_proof; i++)
		fprintf(f, "%s#%" PRIu64, i ? " " : "", n->proof[i].seq);
	fputs(")\n", f);
	return k;
}

static json_t *who_json(const struct actor *a)
{
	struct json_object o = {};

	if (!a->tgid)
		return json_null();
	o.json = json_object();
	json_put_process(&o, a);
	return json_done(&o);
}

static json_t *settings_json(const struct hardware_watchdog_settings *s)
{
	struct json_object o = {};

	if (!s->known)
		return json_null();
	o.json = json_object();
	json_put(&o, "runtime_us", json_usec(s->runtime_usec));
	json_put(&o, "reboot_us", json_usec(s->reboot_usec));
	json_put(&o, "path", json_text(s->path));
	return json_done(&o);
}

static int render_json(struct renderer *r, const struct hardware_watchdog_notice *n)
{
	struct json_object o = {.json = json_object()};
	json_auto_t *done = NULL;

	json_put_envelope(&o, r, "svctrace.hardware_watchdog", n->wall_ns, n->mono_ns);
	json_put(&o, "news", json_text(hardware_watchdog_news_name(n->news)));
	json_put(&o, "device", json_number(n->device));
	json_put(&o, "identity", json_text(n->identity));
	json_put(&o, "driver", json_text(n->driver));
	json_put(&o, "timeout_ns", json_number_or_null(n->timeout_ns, 0));
	json_put(&o, "running", n->running == WIRE_NONE ? json_null() : json_boolean(n->running));
	json_put(&o, "who", who_json(&n->who));
	json_put(&o, "settings", settings_json(&n->settings));
	json_put(&o, "gap_ns", json_number_or_null(n->gap_ns, 0));
	json_put(&o, "pings", json_number(n->pings));
	json_put(&o, "late", json_number(n->late));
	json_put(&o, "longest_gap_ns", json_number_or_null(n->longest_ns, 0));
	json_put(&o, "threads", json_threads(n->look));
	json_put(&o, "proof", json_proofs(n->proof, n->n_proof));
	done = json_done(&o);
	return write_json(r, done);
}

/* They are of no unit: who asks for some, or for a cause, does not ask for them. */
int render_hardware_watchdog(struct renderer *r, const struct hardware_watchdog_notice *n)
{
	int k;

	if (r->options.units || r->options.causes)
		return 0;
	k = r->options.format == RENDER_JSON ? render_json(r, n) : write_block(r, put_notice, n);
	if (k < 0)
		return k;
	return fflush(r->out) == 0 ? 1 : -errno;
}
