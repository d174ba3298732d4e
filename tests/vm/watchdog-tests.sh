# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154,SC2016
#
# Watchdogs, and stops that take long; sourced by run.sh, which says what $suite, $work, $files and
# $svctrace are.

BED_TESTS+=" watchdogs"
GUEST_TESTS+=" watchdogs"

WATCHDOG_SCENARIOS="watchdog_silent watchdog_override"

check_watchdogs() {
	grep -q '^#alive ' "$work/trace.steps" || fail "no service told what it sent"
	"$HERE/check-watchdogs" "$work/trace.steps" "$work/trace.out"
}

bed_watchdogs() {
	bed_watch "sh scenarios.sh $WATCHDOG_SCENARIOS" --json
	check_verdicts watchdogs
	check_watchdogs
}

guest_watchdogs() {
	guest_watch "sh scenarios.sh $WATCHDOG_SCENARIOS" --json
	check_verdicts watchdogs-guest
	check_watchdogs
}
