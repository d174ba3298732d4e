# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154,SC2016
#
# Watchdogs, and stops that take long; sourced by run.sh, which says what $suite, $work, $files and
# $svctrace are.

BED_TESTS+=" watchdogs user_stacks_hang"
GUEST_TESTS+=" watchdogs"
ONCE+=" bed_user_stacks_hang"

WATCHDOG_SCENARIOS="watchdog_silent watchdog_override"

check_watchdogs() {
	grep -q '^#alive ' "$work/trace.steps" || fail "no service told what it sent"
	"$HERE/check-watchdogs" "$work/trace.steps" "$work/trace.out"
}

# Whether a service asks has nothing to do with the kernel.
bed_watchdogs() {
	bed_watch "sh scenarios.sh $WATCHDOG_SCENARIOS watchdog_asked" --json
	check_verdicts watchdogs
	check_watchdogs
}

# A process whose memory cannot be read in time, as behind a FUSE that nobody serves, holds up nothing:
# that helper is waited for no longer than two seconds, and ended. The suite has no part in it.
bed_user_stacks_hang() {
	local svctrace_itself
	svctrace_itself=$(realpath "$svctrace")
	echo '#include <unistd.h>
		long process_vm_readv(void) { for (;;) pause(); }' >"$work/hang.c"
	gcc -shared -fPIC -o "$work/hang.so" "$work/hang.c"
	printf '#!/bin/sh\nLD_PRELOAD=%s exec %s "$@"\n' "$work/hang.so" "$svctrace_itself" >"$work/svctrace"
	chmod +x "$work/svctrace"
	svctrace=$work/svctrace bed_watch 'sh scenarios.sh watchdog_silent' --json
	check_verdicts user-stacks-hang
	jq -e 'select(.cause == "watchdog") | .watchdog.look.threads | length == 3 and all(
		.user_stack == [] and .user_stack_error == "no-time")' "$work/trace.out"
	! grep -lsF "$work/hang.so" /proc/[0-9]*/maps || fail "the helper is still there"
}

guest_watchdogs() {
	guest_watch "sh scenarios.sh $WATCHDOG_SCENARIOS" --json
	check_verdicts watchdogs-guest
	check_watchdogs
}

# ---- stops that take long ----

BED_TESTS+=" slow slow_recorded"
GUEST_TESTS+=" slow"
ONCE+=" bed_slow_recorded"

SLOW_SCENARIOS="stop_leftover stop_slow"

check_slow() { # NAME
	check_verdicts "$1"
	"$HERE/check-left" "$work/trace.steps" "$work/trace.out"
}

bed_slow() {
	bed_watch "sh scenarios.sh $SLOW_SCENARIOS" --json --slow=1s
	check_slow slow
}

guest_slow() {
	guest_watch "sh scenarios.sh $SLOW_SCENARIOS" --json --slow=1s
	check_slow slow-guest
}

# What was seen is in the recording: a replay tells the same.
bed_slow_recorded() {
	SCENARIOS=$SLOW_SCENARIOS WATCH=$HERE/watch bed_host '
		"$WATCH" trace "$BED_EXEC sh /host/scenarios.sh $SCENARIOS" \
			"$S" record --live --manager="$BED_PID" --slow=1s --json -o rec.trace >trace.steps'
	same_replay --json
	check_slow slow-recorded
}

# ---- why a cgroup became empty ----

BED_TESTS+=" left_cgroup"
GUEST_TESTS+=" left_cgroup_v1"

LEFT_SCENARIOS="cgroup_moved cgroup_scope cgempty_nopidfile"

bed_left_cgroup() {
	bed_watch "sh scenarios.sh $LEFT_SCENARIOS" --json
	check_verdicts left-cgroup
}

guest_left_cgroup_v1() {
	local append=$CGROUP_V1
	case " $CGROUP_V1_SUITES " in *" $suite "*) ;; *) echo "the tests boot $suite with cgroup v2 only"; return 77 ;; esac
	guest_watch "sh scenarios.sh $LEFT_SCENARIOS" --json
	check_verdicts left-cgroup-v1
}

# ---- hardware watchdogs ----

GUEST_TESTS+=" hardware_watchdog hardware_watchdog_module"
# Debian's newer kernels let nobody without CAP_SYS_ADMIN make a kprobe, and svctrace has given it up by
# the time the module comes; what it does where it may is the same everywhere.
ONCE+=" guest_hardware_watchdog_module"

watch_hardware() { # BEFORE STEPS
	cp "$HERE/watch" "$HERE/hardware-watchdog-steps" "$files/"
	guest -t 400 -d "$files" -o "$work" "$suite" "
		. ./hardware-watchdog-steps
		$1
		sh ./watch trace '. ./hardware-watchdog-steps; $2 >trace.steps' $(guest_svctrace) --json"
}

check_hardware() { # NAME [DOCTOR]
	keep_json "$work/trace.out" "$1"
	"$HERE/check-hardware-watchdog" "$work/trace.steps" "$work/trace.out" ${2:+"$2"} ||
		{ cat "$work/trace.steps" "$work/trace.err"; return 1; }
}

guest_hardware_watchdog() {
	watch_hardware before during
	check_hardware hardware-watchdog "$work/doctor.json"
}

guest_hardware_watchdog_module() {
	watch_hardware : comes_later
	check_hardware hardware-watchdog-module
}
