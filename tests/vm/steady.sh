# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Sourced by tests/vm/run.sh and tests/run.

# A busy machine stalls two emulated processors for seconds: what fails is tried once more, and said
# to have failed. What fails twice has a cause of ours. LOG holds what the last try printed. Returns
# its status, 77 being "skipped"; not for use in a condition, where bash forgets set -e.
steady() { # NAME LOG COMMAND…
	local name=$1 log=$2 status
	shift 2
	"$@" >"$log" 2>&1
	status=$?
	case $status in 0 | 77) return $status ;; esac
	echo "# unsteady: $name failed, and is tried once more"
	tail -n 60 "$log" | sed 's/^/# /'
	"$@" >"$log" 2>&1
}
