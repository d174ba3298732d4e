# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154,SC2016
#
# What systemd does with services that ended, and whether svctrace gives its reasons; sourced by
# run.sh.

BED_TESTS+=" restart_table restart_table_can_differ"
GUEST_TESTS+=" restart_after_oom"

ONCE+=" bed_restart_table_can_differ"

bed_restart_table() {
	cp "$HERE/restarts.sh" "$files/"
	bed_watch 'sh restarts.sh' --json
	keep_json "$work/trace.out" restarts
	"$HERE/check-restarts" "$work/trace.steps" "$work/trace.out" >"$work/check" || fail "$(cat "$work/check")"
	tail -n 1 "$work/check" >&3
}

# The checker notices a wrong decision, a wrong rule and a wrong delay.
bed_restart_table_can_differ() {
	local change
	cp "$HERE/restarts.sh" "$files/"
	bed_watch 'sh restarts.sh exit-code success' --json
	"$HERE/check-restarts" "$work/trace.steps" "$work/trace.out" exit-code success
	for change in 's/"decision":true/"decision":false/' 's/"rule":"setting"/"rule":"unknown"/' \
		's/"delay_us":3600000000/"delay_us":3600000001/' 's/"setting":"no"/"setting":"always"/'; do
		sed -i.good "$change" "$work/trace.out"
		expect_status 1 "$HERE/check-restarts" "$work/trace.steps" "$work/trace.out" exit-code success
		mv "$work/trace.out.good" "$work/trace.out"
	done
	sed -i 's/SubState=auto-restart/SubState=dead/' "$work/trace.steps"
	expect_status 1 "$HERE/check-restarts" "$work/trace.steps" "$work/trace.out" exit-code success
}

# The beds have no memory controller.
guest_restart_after_oom() {
	cp "$HERE/restarts.sh" "$files/"
	guest_watch 'sh restarts.sh oom' --json
	keep_json "$work/trace.out" restart-oom
	"$HERE/check-restarts" "$work/trace.steps" "$work/trace.out" oom >"$work/check" || fail "$(cat "$work/check")"
	tail -n 1 "$work/check" >&3
}
