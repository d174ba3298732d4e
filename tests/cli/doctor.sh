#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# tests/cli/doctor.sh SVCTRACE: the command line of svctrace doctor, and what it says where nothing
# can be traced. tests/vm/doctor.sh is about the rest.
set -uo pipefail

SVCTRACE=$(realpath "${1:?which svctrace}")
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
about='doctor: '

usage_errors() {
	expect 'help' 0 'Usage: svctrace doctor .*Exit status: .*Examples:.*' '' "$SVCTRACE" doctor --help
	expect 'help of the verb' 0 'Usage: svctrace doctor .*' '' "$SVCTRACE" help doctor
	expect 'unknown option' 2 '' '.*--nope.*--help' "$SVCTRACE" doctor --nope
	expect 'option of another verb' 2 '' '.*--count.*--help' "$SVCTRACE" doctor --count=3
	expect 'option without its value' 2 '' '.*--manager.*--help' "$SVCTRACE" doctor --manager
	expect 'manager that is no number' 2 '' '.*--manager takes a process number, not "init".*' \
		"$SVCTRACE" doctor --manager=init
	expect 'types that cannot be read' 2 '' '.*--btf.*/nowhere.*' "$SVCTRACE" doctor --btf=/nowhere
	expect 'a word too many' 2 '' '.*"nginx".*svctrace doctor --help' "$SVCTRACE" doctor nginx
	expect 'unknown colour mode' 2 '' '.*--color takes auto, always or never, not "blue".*' \
		"$SVCTRACE" doctor --color=blue
	expect 'verb with a typo' 2 '' '.*unknown verb "docter": did you mean "doctor"\?.*' \
		"$SVCTRACE" docter
}

# A manager that cannot be one leaves nothing to trace on any machine: exit code 2, and a next step.
nothing_to_trace() {
	sleep 30 &
	expect 'a process that is no systemd' 2 '.*privileges.*Live tracing does not work here: .*Next: .*' '' \
		"$SVCTRACE" doctor --manager=$!
	expect 'the same as JSON' 2 '\{"schema_version":1,"event.name":"svctrace.doctor",.*"status":"none".*\}' '' \
		"$SVCTRACE" doctor --json --manager=$!
	kill $!
	expect 'no colour unless on a terminal' 2 $'[^\e]*' '' "$SVCTRACE" doctor --manager=4194303
	expect 'colour when asked for' 2 $'.*\e.*' '' "$SVCTRACE" doctor --manager=4194303 --color=always
	expect 'output that cannot be written' 2 '' '.*cannot write.*' \
		sh -c "'$SVCTRACE' doctor --manager=4194303 >/dev/full"
}

usage_errors
nothing_to_trace
