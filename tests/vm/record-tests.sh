# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154,SC2016
#
# The tests that record a real systemd; sourced by run.sh, which says what $suite, $work, $files
# and $svctrace are.

ONCE+=" bed_record_command bed_record_settles bed_flight_recorder bed_record_killed bed_record_disk_full bed_ci_example"
BED_TESTS+=" live_is_replay record_command record_settles flight_recorder record_killed
	record_disk_full ci_example"
GUEST_TESTS+=" live_is_replay"

# Runs HOSTCMD outside of the bed, in $work, with the binary in $S.
bed_host() { # HOSTCMD
	S=$(realpath "$svctrace") W=$work bed -t 120 -d "$files" -H "cd \"\$W\" || exit; $1" "$suite" true
}

same_replay() { # OPTIONS
	# shellcheck disable=SC2086 # several words
	"$svctrace" replay $1 "$work/rec.trace" >"$work/replay.out"
	cmp "$work/trace.out" "$work/replay.out"
	[ -s "$work/trace.out" ] || fail "nothing was shown"
	rm "$work/rec.trace" # the next one is a new file
}

bed_live_is_replay() {
	local options
	for options in '--utc --timeline=sc-*' '--json --timeline=sc-*' '--events --json' '--events --utc'; do
		OPTIONS=$options WATCH=$HERE/watch bed_host '
			"$WATCH" trace "$BED_EXEC sh /host/scenarios.sh stop_systemctl kill9_main exit3 cgempty_notchild" \
				"$S" record --live --manager="$BED_PID" $OPTIONS -o rec.trace'
		same_replay "$options"
	done
}

guest_live_is_replay() {
	guest_watch 'sh scenarios.sh stop_systemctl kill9_main exit3 cgempty_notchild' \
		record --live --events --json -o rec.trace
	same_replay '--events --json'
}

# bash asks for its own: "sh -c" would be replaced by what it runs.
bed_record_command() {
	bed_host 'printf in | "$S" record -q --manager="$BED_PID" -o c.trace -- \
			sh -c "cat; echo err >&2; exit 7" >c.out 2>c.err; echo $? >c.code
		"$S" record -q --manager="$BED_PID" -o n.trace -- /nonexistent 2>n.err; echo $? >n.code
		"$S" record -q --manager="$BED_PID" -o s.trace -- sh -c "kill -TERM \$\$"; echo $? >s.code
		"$S" record -q --manager="$BED_PID" -o /dev/full -- true 2>f.err; echo $? >f.code'
	expect 'exit code' 7 "$(cat "$work/c.code")"
	expect 'its output' 'in' "$(cat "$work/c.out")"
	expect 'its errors' 'err' "$(cat "$work/c.err")"
	expect 'not found' '127: svctrace: cannot run /nonexistent: No such file or directory' \
		"$(cat "$work/n.code"): $(cat "$work/n.err")"
	expect 'killed by SIGTERM' 143 "$(cat "$work/s.code")"
	expect 'full disk' '1: svctrace: cannot write /dev/full: No space left on device; what is in it so far can be replayed' \
		"$(cat "$work/f.code"): $(cat "$work/f.err")"
	"$svctrace" replay "$work/c.trace"
	expect 'for its owner alone' 600 "$(stat -c %a "$work/c.trace")"
}

# The command is done long before the service has stopped.
bed_record_settles() {
	bed_host '$BED_EXEC systemd-run -q --unit=slow -p "ExecStop=/bin/sleep 1" sleep 1000
		"$S" record --manager="$BED_PID" -o slow.trace slow -- $BED_EXEC systemctl stop --no-block slow
		"$S" record -q --settle=200ms --manager="$BED_PID" -o not.trace -- true'
	echo 'slow.service stop-request state=dead duration>=1s incomplete=no' >"$work/expect"
	"$svctrace" check "$work/slow.trace" "$work/expect"
}

# More than the ring holds; the last kill is in it and can be explained.
FLIGHT='$BED_EXEC systemd-run -q --unit=victim sleep 1000
	"$S" record --manager="$BED_PID" --ring=16K --on-verdict=main-killed -o flight.trace 2>err & p=$!
	until grep -q "probes live" err; do sleep 0.05; done
	$BED_EXEC sh -c "i=0; while [ \$i -lt 150 ]; do systemd-run -q --wait /bin/true; i=\$((i + 1)); done"
	kill -USR2 $p
	until [ -e flight.trace ]; do sleep 0.05; done
	$BED_EXEC systemctl kill -s KILL victim
	until [ -e flight.trace.1 ]; do sleep 0.05; done
	kill -INT $p; wait $p; echo $? >code'

bed_flight_recorder() {
	bed_host "$FLIGHT"
	expect status 0 "$(cat "$work/code")"
	[ ! -e "$work/flight.trace.2" ] || fail "written at the end, too"
	echo 'victim.service main-killed signal=SIGKILL main-cmdline="*sleep 1000"' >"$work/expect"
	"$svctrace" check "$work/flight.trace.1" "$work/expect"
	"$svctrace" dump --info "$work/flight.trace.1" | tee "$work/info"
	[ "$(sed -n 's/^left out *//p' "$work/info")" -gt 100 ] || fail "the ring kept everything"
	[ "$(stat -c %s "$work/flight.trace.1")" -lt 60000 ] || fail "larger than the ring and its state"
}

bed_record_killed() {
	bed_host '"$S" record --manager="$BED_PID" -o killed.trace 2>err & p=$!
		until grep -q "probes live" err; do sleep 0.05; done
		$BED_EXEC systemd-run -q --unit=victim sleep 1000
		$BED_EXEC systemctl kill -s KILL victim
		sleep 0.5; kill -KILL $p; wait $p; true'
	expect_status 1 "$svctrace" replay --utc "$work/killed.trace" >"$work/out" 2>"$work/err"
	grep -F 'without an end marker' "$work/err"
	grep -F 'victim.service' "$work/out"
}

bed_record_disk_full() {
	bed_host 'mkdir disk; unshare -m sh -c "
			mount -t tmpfs -o size=64K none disk
			\"\$0\" record --manager=\$1 -o disk/full.trace -- sh -c \"\
				i=0; while [ \\\$i -lt 100 ]; do $BED_EXEC systemd-run -q --wait /bin/true; i=\\\$((i + 1)); done\"
			echo \$? >code; cp disk/full.trace ." "$S" "$BED_PID" 2>err'
	expect status 1 "$(cat "$work/code")"
	grep -F 'cannot write disk/full.trace: No space left on device; what is in it so far can be replayed' "$work/err"
	expect_status 1 "$svctrace" dump "$work/full.trace" >"$work/out"
	[ "$(wc -l <"$work/out")" -gt 50 ] || fail "little is left of it"
}

# docs/ci.md: the unit file loses a line, and the check turns red.
CI_EXAMPLE='
	unit() { printf "[Service]\nType=exec\nExecStart=/bin/sleep 1000\n$1" >"$BED_ROOT/run/systemd/system/worker.service"; }
	try() { "$S" record -q --manager="$BED_PID" -o "$1.trace" -- $BED_EXEC sh -c "
		systemctl daemon-reload; systemctl start worker
		kill -9 \$(systemctl show -P MainPID worker)
		sleep 1; systemctl stop worker"; }
	unit "Restart=on-failure\n"; try good
	unit ""; try broken'

bed_ci_example() {
	bed_host "$CI_EXAMPLE"
	cat >"$work/expect" <<-'E'
		worker.service main-killed signal=SIGKILL restarts=yes
		then worker.service stop-request result=success within=10s
		nothing else
	E
	"$svctrace" check "$work/good.trace" "$work/expect"
	expect_status 1 "$svctrace" check "$work/broken.trace" "$work/expect" >"$work/out"
	cat "$work/out"
	grep -F '> restarts         yes                      no' "$work/out"
	"$svctrace" check --bless "$work/good.trace" "$work/blessed"
	expect_status 1 "$svctrace" check "$work/broken.trace" "$work/blessed"
	expect_status 1 "$svctrace" diff "$work/good.trace" "$work/broken.trace"
}
