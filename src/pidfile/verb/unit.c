/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "svctrace/cleanup.h"
#include "systemctl.h"
#include "unit.h"

#define TEXT_MAX   65536
#define TIMEOUT_MS 30000

/* KEY=VALUE, at the beginning of line. */
static const char *value_of(const char *line, const char *key)
{
	size_t n = strlen(key);

	return strncmp(line, key, n) == 0 && line[n] == '=' ? line + n + 1 : NULL;
}

static void take_line(struct unit_facts *u, const char *line)
{
	const struct {
		const char *key, **value;
	} strings[] = {
		{"Id", &u->id},
		{"LoadState", &u->load_state},
		{"Type", &u->type},
		{"SubState", &u->sub_state},
		{"PIDFile", &u->pid_file},
		{"ControlGroup", &u->control_group},
	};
	const char *v;

	for (size_t i = 0; i < ARRAY_LEN(strings); i++)
		if ((v = value_of(line, strings[i].key)))
			*strings[i].value = v;
	if ((v = value_of(line, "MainPID")))
		u->main_pid = atoi(v);
	if ((v = value_of(line, "ControlPID")))
		u->control_pid = atoi(v);
}

int unit_show(const char *unit, struct unit_facts *ret)
{
	const char *const command[] = {
		"systemctl",
		"show",
		"--no-pager",
		"--property=Id,LoadState,Type,SubState,PIDFile,ControlGroup,MainPID,ControlPID",
		"--",
		unit,
		NULL,
	};
	char *line, *save = NULL;
	int r;

	*ret = (struct unit_facts){
		.id = "",
		.load_state = "",
		.type = "",
		.sub_state = "",
		.pid_file = "",
		.control_group = "",
	};
	r = systemctl_read(command, false, TIMEOUT_MS, TEXT_MAX, &ret->text);
	if (r < 0) {
		unit_facts_done(ret);
		return r;
	}
	for (line = strtok_r(ret->text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		take_line(ret, line);
	return *ret->load_state ? 0 : -EBADMSG;
}

void unit_facts_done(struct unit_facts *u)
{
	free(take_ptr(u->text));
}
