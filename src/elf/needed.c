/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What svctrace asks of a service manager. Releases differ: a name may be missing in some. */
#include <string.h>

#include "svctrace/symbol.h"

/* Without these there is nothing to trace; the first two of sym_needed_functions. */
#define N_ESSENTIAL 2

const char *const sym_needed_functions[] = {
	"service_set_state",
	"service_enter_stop",
	"service_enter_signal",
	"service_enter_stop_post",
	"service_enter_dead",
	"service_enter_running",
	"service_enter_restart",
	"service_load_pid_file",
	"service_is_suitable_main_pid",
	"service_stop",
	"service_sigchld_event",
	"service_notify_cgroup_empty_event",
	"service_notify_cgroup_oom_event",
	"service_notify_message",
	"service_dispatch_watchdog",
	"service_force_watchdog",
	"service_start_watchdog",
	"service_dispatch_timer",
	"service_active_state",
	"service_sub_state_to_string",
	"manager_dispatch_sigchld",
	"manager_invoke_sigchld_event",
	"invoke_sigchld_event",
	"manager_notify_cgroup_empty",
	"manager_dispatch_cgroups_agent_fd",
	"on_cgroup_empty_event",
	"on_cgroup_inotify_event",
	"manager_loop",
	"manager_dispatch_run_queue",
	"manager_dispatch_stop_when_unneeded_queue",
	"manager_dispatch_stop_when_bound_queue",
	"manager_add_job",
	"manager_add_job_full",
	"transaction_add_job_and_dependencies",
	"job_perform_on_unit",
	"job_run_and_invalidate",
	"transaction_add_isolate_jobs",
	"bus_unit_queue_job",
	"bus_unit_queue_job_one",
	"bus_unit_method_kill",
	"emergency_action",
	"unit_notify",
	"unit_stop",
	"unit_test_start_limit",
	"unit_start_limit",
	NULL,
};

const char *const sym_needed_offsets[] = {
	"Unit.Id",
	"Unit.Job",
	"Job.Id",
	"Job.JobType",
	"Job.Unit",
	"Service.Type",
	"Service.state",
	"Service.Restart",
	"Service.Result",
	"Service.MainPID",
	"Service.ControlPID",
	"Service.PIDFile",
	"Service.NRestarts",
	"Service.WatchdogTimestamp",
	"Service.WatchdogTimestampMonotonic",
	"Service.watchdog_usec",
	"Service.watchdog_original_usec",
	"Service.watchdog_override_usec",
	"Service.watchdog_override_enable",
	"Service.control_command_id",
	"Service.forbid_restart",
	"Service.ReloadResult",
	"Service.GuessMainPID",
	"Service.RestartUSec",
	"Service.TimeoutStopUSec",
	"Service.RestartPreventExitStatus",
	"Service.RestartForceExitStatus",
	"Service.SuccessExitStatus",
	"Service.ExecMainCode",
	"Service.ExecMainStatus",
	"Service.OOMPolicy",
	"Service.TimeoutStartUSec",
	"Service.timeout_abort_usec",
	"Service.timeout_abort_set",
	"Service.RuntimeMaxUSec",
	"ExitStatusSet.signal",
	"Unit.start_ratelimit",
	"Unit.StartLimitAction",
	"Unit.FailureAction",
	"Unit.SuccessAction",
	"Message.bus",
	"Message.sender",
	"Message.path",
	"Message.member",
	"Message.header",
	"Bus.input_fd",
	NULL,
};

const char *const sym_needed_enums[] = {
	"ServiceState",	   "ServiceResult",
	"ServiceRestart",  "ServiceType",
	"UnitActiveState", "JobType",
	"JobMode",	   "JobResult",
	"NotifyAccess",	   "OOMPolicy",
	"KillMode",	   "ServiceExecCommand",
	"EmergencyAction", NULL,
};

bool sym_is_essential(const char *name)
{
	for (size_t i = 0; i < N_ESSENTIAL; i++)
		if (!strcmp(sym_needed_functions[i], name))
			return true;
	return false;
}
