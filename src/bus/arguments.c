/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What systemd's methods take, as far as it tells what a call is about. */
#include <string.h>

#include "bus/parser.h"
#include "svctrace/cleanup.h"

static const struct bus_arguments of_manager[] = {
	{"StartUnit", "ss", "um"},
	{"StartUnitReplace", "sss", "-um"},
	{"StopUnit", "ss", "um"},
	{"ReloadUnit", "ss", "um"},
	{"RestartUnit", "ss", "um"},
	{"TryRestartUnit", "ss", "um"},
	{"ReloadOrRestartUnit", "ss", "um"},
	{"ReloadOrTryRestartUnit", "ss", "um"},
	{"EnqueueUnitJob", "sss", "utm"},
	{"KillUnit", "ssi", "uws"},
	{"KillUnitSubgroup", "sssi", "uw-s"},
	{"QueueSignalUnit", "ssii", "uws"},
	{"CleanUnit", "sas", "u"},
	{"FreezeUnit", "s", "u"},
	{"ThawUnit", "s", "u"},
	{"ResetFailedUnit", "s", "u"},
	{"StartTransientUnit", "ssa(sv)a(sa(sv))", "um"},
	{"SetUnitProperties", "sba(sv)", "u"},
	{"AttachProcessesToUnit", "ssau", "u"},
	{"RemoveSubgroupFromUnit", "sst", "u"},
};

/* Those of one unit's own object. */
static const struct bus_arguments of_unit[] = {
	{"Start", "s", "m"},	      {"Stop", "s", "m"},
	{"Reload", "s", "m"},	      {"Restart", "s", "m"},
	{"TryRestart", "s", "m"},     {"ReloadOrRestart", "s", "m"},
	{"EnqueueJob", "ss", "tm"},   {"ReloadOrTryRestart", "s", "m"},
	{"Kill", "si", "ws"},	      {"KillSubgroup", "ssi", "w-s"},
	{"QueueSignal", "sii", "ws"},
};

bool bus_is_unit_path(struct str path)
{
	const size_t n = sizeof(UNIT_PATH) - 1;

	return path.n > n && memcmp(path.s, UNIT_PATH, n) == 0;
}

const struct bus_arguments *bus_arguments(const struct bus_message *m)
{
	bool unit = bus_is_unit_path(m->path);
	const struct bus_arguments *a = unit ? of_unit : of_manager;
	size_t n = unit ? ARRAY_LEN(of_unit) : ARRAY_LEN(of_manager);

	for (size_t i = 0; i < n; i++)
		if (str_equal(m->member, a[i].member) && str_equal(m->signature, a[i].signature))
			return &a[i];
	return NULL;
}
