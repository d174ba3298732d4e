/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* svctrace stuck: what systemd says of its units. */
#include <errno.h>
#include <string.h>

#include "read.h"
#include "svctrace/cleanup.h"
#include "systemctl.h"

#define PATIENCE_MS 5000 /* systemd itself may be what is stuck */
#define TEXT_MAX    (1 << 20)

/* "nginx.service loaded deactivating stop-sigterm A web server" */
static int add_units(struct stuck_snapshot *s, char *text)
{
	char *line, *save = NULL;
	int r = 0;

	for (line = strtok_r(text, "\n", &save); r == 0 && line;
	     line = strtok_r(NULL, "\n", &save)) {
		char *save_word = NULL, *name = strtok_r(line, " ", &save_word);
		char *load = strtok_r(NULL, " ", &save_word);
		char *active = strtok_r(NULL, " ", &save_word);
		char *sub = strtok_r(NULL, " ", &save_word);

		if (name && load && active && sub)
			r = stuck_add_unit(s, name, active, sub);
	}
	return r;
}

int stuck_read_units(struct stuck_snapshot *s)
{
	static const char *const command[] = {
		"systemctl",  "list-units", "--plain", "--no-legend",
		"--no-pager", "--full",	    "--all",   "--state=deactivating,failed",
		NULL,
	};
	_cleanup_free_ char *text = NULL;
	int r = systemctl_read(command, true, PATIENCE_MS, TEXT_MAX, &text);

	if (r == 0)
		return add_units(s, text);
	s->no_units = true;
	return r == -ENOMEM ? r : 0;
}
