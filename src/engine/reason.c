/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "engine/reason.h"
#include "svctrace/cleanup.h"

static bool stack_has(const struct ev_stack *stack, const char *function)
{
	unsigned int i = 0;

	while (i < stack->n && !str_equal(stack->frames[i].name, function))
		i++;
	return i < stack->n;
}

static bool begins_with(struct str s, const char *prefix)
{
	size_t n = strlen(prefix);

	return s.n >= n && memcmp(s.s, prefix, n) == 0;
}

static enum root_reason stack_reason(const struct ev_stack *stack)
{
	static const struct {
		const char *prefix;
		enum root_reason reason;
	} functions[] = {
		{"manager_dispatch_stop_when_unneeded_queue", ROOT_UNNEEDED},
		{"manager_dispatch_stop_when_bound_queue", ROOT_BOUND},
		{"manager_dispatch_start_when_upheld_queue", ROOT_UPHELD},
		{"retroactively_stop_dependencies", ROOT_BOUND},
		{"timer_", ROOT_TIMER},
		{"path_", ROOT_PATH},
		{"socket_", ROOT_SOCKET},
		{"automount_", ROOT_AUTOMOUNT},
		{"unit_start_on_", ROOT_ON_RESULT},
		{"unit_trigger_on_", ROOT_ON_RESULT},
		{"service_enter_restart", ROOT_RESTART},
		{"emergency_action", ROOT_EMERGENCY},
		{"manager_start_special", ROOT_SIGNAL},
		{"manager_dispatch_signal_fd", ROOT_SIGNAL},
		{"bus_process_object", ROOT_REQUEST},
		{"object_find_and_run", ROOT_REQUEST},
		{"varlink_dispatch_method", ROOT_REQUEST},
		{"sd_varlink_process", ROOT_REQUEST},
	};

	for (unsigned int f = 0; f < stack->n; f++)
		for (size_t i = 0; i < ARRAY_LEN(functions); i++) {
			const struct str name = stack->frames[f].name;

			/* the end of a unit, even if that is a timer or a socket */
			if (str_equal(name, "unit_notify"))
				return ROOT_UNKNOWN;
			if (begins_with(name, functions[i].prefix))
				return functions[i].reason;
		}
	return ROOT_UNKNOWN;
}

/*
 * What does it may be built into its caller: unit_notify() tells a unit's dependents of its end,
 * and the loop itself stops what is not needed.
 */
static enum root_reason inlined_reason(const struct ev_stack *stack, const struct ev *e)
{
	bool stop = e->job.type && strcmp(e->job.type, "stop") == 0;

	/* emergency_action() may leave no frame behind, but it alone names its unit */
	if (stack_has(stack, "unit_notify") &&
	    (stack_has(stack, "manager_add_job_by_name") ||
	     stack_has(stack, "manager_add_job_by_name_and_warn") ||
	     stack_has(stack, "manager_add_job_by_name_or_warn")))
		return ROOT_EMERGENCY;
	if (stack_has(stack, "unit_notify"))
		return stop ? ROOT_BOUND : ROOT_ON_RESULT;
	return stop && stack->n > 1 && str_equal(stack->frames[1].name, "manager_loop")
		       ? ROOT_UNNEEDED
		       : ROOT_UNKNOWN;
}

bool reason_is_other_unit(const struct ev_stack *stack)
{
	for (unsigned int i = 0; i + 1 < stack->n; i++)
		if (str_equal(stack->frames[i].name, "unit_notify")) {
			const struct str by = stack->frames[i + 1].name;

			return by.s && !begins_with(by, "service_") && !begins_with(by, "scope_");
		}
	return false;
}

enum root_reason reason_of_job(const struct ev_stack *stack, const struct ev *e)
{
	enum root_reason reason = stack_reason(stack);

	return reason == ROOT_UNKNOWN ? inlined_reason(stack, e) : reason;
}
