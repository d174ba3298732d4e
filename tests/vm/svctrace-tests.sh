# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154,SC2016
#
# The tests that run svctrace against a real systemd; sourced by run.sh, which says what
# $suite, $work, $files and $svctrace are. In the bed svctrace runs outside of the container, in
# the guest inside. What it printed as JSON is kept in $json_dir, for the schema's tests.

BED_TESTS+=" verdicts verdicts_can_differ text hostile_names filters ends_cleanly nohup hundred_rounds
	library_replaced lost_is_told second_manager untraceable_manager container_restarts unit_removed timeline"
GUEST_TESTS+=" verdicts six_probes hidden_kill_v1 user_manager fuse_module reexec_upgrade attach_rounds
	hybrid clock_set_back no_btf oomd"

ONCE+=" bed_verdicts_can_differ bed_text bed_hostile_names bed_filters bed_ends_cleanly bed_nohup bed_hundred_rounds
	bed_lost_is_told bed_untraceable_manager guest_attach_rounds guest_clock_set_back"

CGROUP_V1_SUITES="bullseye bookworm"

keep_json() { # FILE NAME
	mkdir -p "$json_dir"
	cp "$1" "$json_dir/$suite-$2.json"
}

# Runs STEPS inside the bed while svctrace watches from outside: $work/trace.out and .err. $BEFORE,
# if set, is run inside before svctrace begins.
bed_watch() { # STEPS SVCTRACE-ARGUMENTS…
	local steps=$1
	shift
	ARGS="$*" STEPS=$steps WATCH=$HERE/watch OUT=$work/trace SVCTRACE=$(realpath "$svctrace") \
		bed -t 900 -d "$files" -H '[ -z "${BEFORE:-}" ] || $BED_EXEC sh -ec "$BEFORE" || exit; "$WATCH" "$OUT" "$BED_EXEC sh -c '"'"'cd /host; $STEPS'"'"'" \
			"$SVCTRACE" --manager="$BED_PID" $ARGS >"$OUT.steps"' "$suite" true
}

# How svctrace is started in a guest: with $recorded, or if recordings are asked for, it keeps what it saw.
guest_svctrace() {
	echo "./svctrace${recorded:+ record --live -o rec.trace}"
}

# The same in the guest; further words for the guest's kernel in $append.
guest_watch() { # STEPS SVCTRACE-ARGUMENTS…
	local steps=$1
	shift
	cp "$HERE/watch" "$files/"
	printf '%s\n' "$steps" >"$files/steps"
	guest -t "${limit:-250}" ${append:+-a "$append"} -d "$files" -o "$work" "$suite" \
		"sh ./watch trace 'sh ./steps >trace.steps' $(guest_svctrace) $*"
}

check_verdicts() { # NAME
	keep_json "$work/trace.out" "$1"
	expect_scenarios "$work/trace.steps"
	"$HERE/check-verdicts" "$work/trace.steps" "$work/trace.out"
}

# ---- the container ----

bed_verdicts() {
	bed_watch 'sh scenarios.sh' --json
	check_verdicts bed
}

# The checker notices a wrong cause, a wrong PID and a wrong result.
# An upgrade of the package that the running manager has not followed: only its mappings lead to its
# libraries.
bed_library_replaced() {
	# shellcheck disable=SC2016 # the $… are the shell's inside
	BEFORE='for f in $(find -L /usr/lib/systemd /usr/lib/*/systemd -name "libsystemd-[cs]*.so"); do
		cp "$f" "$f.new"; mv "$f.new" "$f"; done; grep -q "libsystemd-shared-.* (deleted)" /proc/1/maps' \
		bed_watch 'sh scenarios.sh kill9_main' --json
	"$HERE/check-verdicts" "$work/trace.steps" "$work/trace.out"
}

bed_verdicts_can_differ() {
	local change
	bed_watch 'sh scenarios.sh kill9_main exit3' --json
	"$HERE/check-verdicts" "$work/trace.steps" "$work/trace.out"
	for change in 's/"cause":"main-killed"/"cause":"main-exited"/' \
		's/"process.pid":/"process.pid":1/g' 's/"result":"exit-code"/"result":"success"/'; do
		sed -i.good "$change" "$work/trace.out"
		expect_status 1 "$HERE/check-verdicts" "$work/trace.steps" "$work/trace.out"
		mv "$work/trace.out.good" "$work/trace.out"
	done
}

bed_text() {
	bed_watch 'sh scenarios.sh kill9_main' --utc
	grep -E '^[0-9:.]{12}  sc-kill9-main.service  FAILED  main process killed: SIGKILL$' "$work/trace.out"
	grep -E '^  who    kill pid [0-9]+ \([0-9]+ in its namespace\), uid 0 \(root\)' "$work/trace.out"
	grep -E 'ops-console [0-9]+ .* kill [0-9]+   "/bin/kill -9 [0-9]+"$' "$work/trace.out"
	grep -E '^  proof  [0-9]+ events .*no events lost$' "$work/trace.out"
	! grep -q "$(printf '\033')" "$work/trace.out" || fail "colours in a file"
}

# A killer whose name and arguments hold control bytes, and bytes that are not UTF-8.
HOSTILE='systemd-run -q --unit=sc-victim sleep 1000
	cp /bin/sh "$(printf "/tmp/e\033[31mvil\377")"
	"$(printf "/tmp/e\033[31mvil\377")" -c "kill -9 \$(systemctl show -P MainPID sc-victim); : \$1" x "$(printf "\033]0;title\007\302\233\n")"
	sleep 0.3'

bed_hostile_names() {
	echo "$HOSTILE" >"$files/hostile"
	bed_watch 'sh ./hostile' sc-victim
	grep -F 'e\x1b[31mvil\xff' "$work/trace.out"
	! grep -qP '[\x00-\x09\x0b-\x1f\x7f]' "$work/trace.out" || fail "control bytes reached the terminal"
	bed_watch 'sh ./hostile' --json sc-victim
	keep_json "$work/trace.out" hostile
	! grep -qaP '[\x00-\x09\x0b-\x1f\x7f]|\xc2[\x80-\x9f]' "$work/trace.out" || fail "control characters in JSON"
	python3 - "$work/trace.out" <<-'PY'
		import json, sys
		v, = [json.loads(l) for l in open(sys.argv[1], encoding="utf-8", errors="strict")]
		assert v["cause"] == "main-killed", v["cause"]
		assert v["actor"]["process.command"].startswith("e\x1b[31mvil"), v["actor"]
	PY
}

# Units, causes and --count choose; the exit status tells whether --count was reached.
bed_filters() {
	bed_watch 'sh scenarios.sh kill9_main exit3' --json --cause=main-exited
	expect causes main-exited "$(grep -o '"cause":"[^"]*"' "$work/trace.out" | cut -d'"' -f4 | sort -u)"
	bed_watch 'sh scenarios.sh kill9_main exit3' --json 'sc-kill*'
	expect units sc-kill9-main.service \
		"$(grep -o '"systemd.unit.name":"[^"]*"' "$work/trace.out" | cut -d'"' -f4 | sort -u)"
	bed_watch 'sh scenarios.sh exit3 kill9_main' --json -n1 --duration=60s
	expect verdicts 1 "$(grep -c . "$work/trace.out")"
	expect_status 3 bed_watch 'true' -n1
	expect_status 3 bed_watch 'true' -n1 --duration=100ms
	bed_watch 'true' --duration=100ms
}

# BPF programs of svctrace that no process holds: left behind. (Other tests run beside this one.)
expect_no_orphans() {
	local held id
	held=$(cat /proc/[0-9]*/fdinfo/* 2>/dev/null | sed -n 's/^prog_id:[[:space:]]*//p' | sort -u) || : # some went
	for id in $(bpftool prog list | sed -nE 's/^([0-9]+): .* name (service_|process_exit|cgroup_mkdir|signal_gen).*/\1/p'); do
		echo "$held" | grep -qx "$id" || fail "BPF program $id is left behind"
	done
}

bed_ends_cleanly() {
	for signal in INT TERM HUP; do
		rm -f "$work/err" # the last round's would do for this one
		S=$(realpath "$svctrace") SIGNAL=$signal ERR=$work/err bed -H '
			env --default-signal=HUP "$S" --manager="$BED_PID" 2>"$ERR" & p=$!
			until grep -sq "probes live" "$ERR"; do sleep 0.05; done
			cat /proc/$p/fdinfo/* | sed -n "s/^prog_id:[[:space:]]*//p" >"$ERR.ids"
			kill -"$SIGNAL" $p; wait $p' "$suite" 'systemctl is-system-running' ||
			fail "status $? after SIG$signal: $(cat "$work/err")"
		[ "$(wc -l <"$work/err.ids")" -gt 10 ] || fail "no programs were seen while it ran"
		while read -r id; do
			! bpftool prog show id "$id" >/dev/null 2>&1 || fail "BPF program $id is left after SIG$signal"
		done <"$work/err.ids"
	done
}

# Who logs out under nohup wants it to go on: what comes after the hang-up is seen.
bed_nohup() {
	local verb
	for verb in live 'record --live -o rec.trace'; do
		VERB=$verb bed_host '
			nohup "$S" $VERB -n1 --duration=60s --manager="$BED_PID" >out 2>err & p=$!
			until grep -q "probes live" err; do sleep 0.05; done
			kill -HUP $p
			$BED_EXEC systemd-run -q --unit=victim sleep 1000
			$BED_EXEC systemctl kill -s KILL victim
			wait $p' || fail "status $?: $(cat "$work/err")"
		rm "$work/err"
	done
}

# Each round takes a second or two, since the kernel waits for a grace period for each uprobe that
# goes.
bed_hundred_rounds() {
	S=$(realpath "$svctrace") bed -t 300 -H '
		seq 100 | xargs -P 8 -I{} "$S" -q --manager="$BED_PID" --duration=1ms' \
		"$suite" 'systemctl is-system-running; systemd-run -q --wait true'
	sleep 1
	expect_no_orphans
}

# A ring that is far too small, and nobody who reads it: what was lost is told, and marks verdicts.
bed_lost_is_told() {
	cat >"$files/storm" <<-'S'
		systemd-run -q --unit=sc-storm sh -c 'i=0; while [ $i -lt 1000 ]; do true & /bin/true; i=$((i+1)); done; : >/run/storm-is-over; sleep 1000'
		until [ -e /run/storm-is-over ]; do sleep 0.2; done
		kill -9 $(systemctl show -P MainPID sc-storm)
		sleep 0.5
	S
	# ended as soon as the loss is known: a second later it would be no part of it
	cat >"$files/after" <<-'S'
		systemd-run -q --unit=sc-after sleep 1000
		main=$(systemctl show -P MainPID sc-after)
		: >/host/after-is-up
		until [ -e /host/lost ]; do sleep 0.02; done
		kill -9 $main
	S
	S=$(realpath "$svctrace") OUT=$work/trace bed -t 120 -d "$files" -H '
		"$S" --json --events -v --ring=256K --manager="$BED_PID" >"$OUT.out" 2>"$OUT.err" & p=$!
		until grep -q "probes live" "$OUT.err"; do sleep 0.05; done
		$BED_EXEC sh /host/after &
		until [ -e "$BED_HOST/after-is-up" ]; do sleep 0.05; done
		kill -STOP $p
		$BED_EXEC sh /host/storm
		kill -CONT $p
		until grep -q "\"event.name\":\"svctrace.lost\"" "$OUT.out"; do sleep 0.02; done
		: >"$BED_HOST/lost"
		# (not what the trace says of this very grep: there are backslashes before its quotes)
		told() { for i in $(seq 100); do
			! grep -q "\"event.name\":\"svctrace.verdict\".*sc-$1" "$OUT.out" || return 0; sleep 0.1; done; }
		told after; sleep 2
		$BED_EXEC systemd-run -q --unit=sc-later sh -c "exit 3"; told later
		kill -INT $p; wait $p' "$suite" true
	python3 - "$work/trace.out" "$work/trace.err" <<-'PY'
		import json, re, sys
		events = [json.loads(l) for l in open(sys.argv[1])]
		lost = [e for e in events if e["event.name"] == "svctrace.lost"]
		told = sum(e["data"]["count"] for e in lost)
		rows = [l.split(None, 4) for l in open(sys.argv[2]) if re.match(r"\S+ +(uprobe|uretprobe|tp_btf|tracepoint|fentry|kprobe|none) ", l)]
		counted = sum(int(r[3]) for r in rows)
		print("lost", told, "in-stream,", counted, "counted")
		assert counted > 0 and told == counted
		verdicts = {e["systemd.unit.name"]: e for e in events if e["event.name"] == "svctrace.verdict"}
		after, later = verdicts["sc-after.service"], verdicts["sc-later.service"]
		assert after["lost"] > 0 and after["certainty"] == "inferred" and after["notes"], after
		assert later["lost"] == 0 and later["certainty"] == "certain", later
	PY
}

# A second systemd, of another build, that starts while svctrace runs, told apart by its PID.
bed_second_manager() {
	local other=trixie
	[ "$suite" != trixie ] || other=bookworm
	"$SUITE_TOOL" "$other" >/dev/null
	S=$(realpath "$svctrace") B=$HERE/bed D=$files OTHER=$other OUT=$work/trace bed -d "$files" -H '
		"$S" --json >"$OUT.out" 2>"$OUT.err" & p=$!
		until grep -q "probes live" "$OUT.err"; do sleep 0.05; done
		O=$OUT "$B" -d "$D" -H "echo \$BED_PID >\$O.other; $BED_ENTER sleep 1
			\$BED_EXEC sh /host/scenarios.sh kill9_main >\$O.steps2" "$OTHER" true
		$BED_EXEC sh /host/scenarios.sh kill9_main >"$OUT.steps"
		echo "$BED_PID" >"$OUT.first"; sleep 0.3; kill -INT $p; wait $p' "$suite" true
	keep_json "$work/trace.out" managers
	grep -E "tracing process $(cat "$work/trace.other") too" "$work/trace.err"
	for which in first other; do
		grep "\"manager\":{\"process.pid\":$(cat "$work/trace.$which")," "$work/trace.out" >"$work/$which.json"
	done
	"$HERE/check-verdicts" "$work/trace.steps" "$work/first.json"
	"$HERE/check-verdicts" "$work/trace.steps2" "$work/other.json"
}

# Beside the container's systemd runs what looks like another one, with code that nobody can follow:
# functions are found by their names, and it has others.
UNTRACEABLE='mkdir /run/other && cp /bin/sleep /run/other/systemd
	lib=$(grep -oE "/[^ ]*/libsystemd-core-[^ ]*" /proc/1/maps | head -n 1)
	other=/run/other/${lib##*/}
	sed s/service_enter/service_other/g "$lib" >"$other"
	systemd-run -q --unit=other -E LD_LIBRARY_PATH="${lib%/*}" -E LD_PRELOAD="$other" /run/other/systemd 1000
	until grep -q "$other" "/proc/$(systemctl show -P MainPID other)/maps"; do sleep 0.05; done'

bed_untraceable_manager() {
	S=$(realpath "$svctrace") STEPS=$UNTRACEABLE OUT=$work/trace bed -t 120 -d "$files" -H '
		$BED_EXEC sh -ec "$STEPS" || exit; echo "$BED_PID" >"$OUT.first"
		"$S" >"$OUT.out" 2>"$OUT.err" & p=$!
		until grep -q "probes live" "$OUT.err" || ! kill -0 $p; do sleep 0.05; done
		kill -INT $p; wait $p' "$suite" true
	grep "tracing process $(cat "$work/trace.first")" "$work/trace.err"
	grep -E 'process [0-9]+ is not traced: .*/run/other/libsystemd-core-' "$work/trace.err" || fail "$(cat "$work/trace.err")"
}

# systemd executes itself anew and reloads while it is watched; verdicts stay right.
bed_container_restarts() {
	bed_watch 'systemctl daemon-reexec; sleep 0.3; sh scenarios.sh kill9_main reload_mid reexec_mid exit3' --json
	check_verdicts reexec
	grep -E 'executed itself anew, the same build' "$work/trace.err"
}

# The unit's file is gone, and systemd knows, before its process is killed.
REMOVED='f=/run/systemd/system/sc-gone.service; printf "[Service]\nExecStart=/bin/sleep 1000\n" >$f
	systemctl daemon-reload; systemctl start sc-gone; rm $f; systemctl daemon-reload
	kill -9 $(systemctl show -P MainPID sc-gone)
	while [ "$(systemctl is-active sc-gone)" = active ]; do sleep 0.1; done'

bed_unit_removed() {
	echo "$REMOVED" >"$files/removed"
	bed_watch 'sh ./removed' --json sc-gone
	python3 - "$work/trace.out" <<-'PY'
		import json, sys
		v, = map(json.loads, open(sys.argv[1]))
		assert v["cause"] == "main-killed" and v["result"] == "signal" and v["certainty"] == "certain", v
	PY
}

# The states of services, their times held against those that systemd notes; and the same from a
# recording.
bed_timeline() {
	cp "$HERE/timeline-steps" "$files/"
	bed_watch 'sh timeline-steps' --json '--timeline=tl-*'
	keep_json "$work/trace.out" timeline
	"$HERE/check-timeline" "$work/trace.steps" "$work/trace.out"
}

# ---- the guest ----

# udev, by which alone systemd learns of devices; of its rules none but systemd's own.
udev_files() { # INTO
	package_files systemd "$work/systemd"
	package_files udev "$1"
	rm -r "$1"/usr/lib/udev/{hwdb,rules}.d/*
	cp "$work/systemd/usr/lib/udev/rules.d/99-systemd.rules" "$1/usr/lib/udev/rules.d/"
}

guest_verdicts() {
	udev_files "$files/udev"
	limit=400 guest_watch "sh scenarios.sh $guest_scenarios" --json -v
	check_verdicts guest
	# Varlink stops something in the newest systemd only
	expect "what is skipped" "" "$(grep '^#skip' "$work/trace.steps" | grep -v '^#skip restart_varlink ')"
	expect "probes that lost more than the kernel leaves out now and then" "" \
		"$(awk '$2 ~ /probe|fentry|tp_btf|tracepoint/ && $4 > 9' "$work/trace.err")"
}

# Killed by systemd-oomd, of which only what kills is taken: not its settings for every unit.
guest_oomd() {
	[ "$suite" != bullseye ] || { echo "bullseye has no systemd-oomd"; return 77; }
	package_files systemd-oomd "$files/oomd"
	rm -r "$files/oomd/usr/lib/systemd/system/-.slice.d"
	guest_watch 'sh scenarios.sh oomd' --json
	check_verdicts oomd
	expect "the scenario was not run" "" "$(grep '^#skip' "$work/trace.steps")"
}

# How each of the six named functions was attached, and how many events it delivered.
SIX='complete_signal|zap_pid_ns_processes|fuse_flush|service_enter_stop|service_load_pid_file|manager_notify_cgroup_empty'

probe_table() { # NAME
	mkdir -p "$json_dir"
	grep -E "^[a-z_]+ +(uprobe|fentry|kprobe|tp_btf|tracepoint|none) " "$work/trace.err" >"$json_dir/../probes-$suite-$1.txt"
	grep -E "^($SIX) " "$work/trace.err" | awk -v c="$1" '{printf "# %-28s %-8s %6d events  (cgroup %s)\n", $1, $2, $3, c}' >&3
}

expect_events() { # FUNCTION…
	local fn
	for fn; do
		awk -v fn="$fn" '$1 == fn { n = $3 } END { exit !(n > 0) }' "$work/trace.err" ||
			fail "$fn delivered no event: $(grep "^$fn " "$work/trace.err")"
	done
}

PROVOKE='unshare -fp --mount-proc true; modprobe fuse; sleep 1; ./fuse-file /tmp/fuse-file
	sh scenarios.sh stop_systemctl cgempty_notchild'

guest_six_probes() {
	gcc -static -O1 -o "$files/fuse-file" "$HERE/fuse-file.c"
	guest_watch "$PROVOKE" --json -v
	check_verdicts v2
	probe_table v2
	expect_events service_enter_stop service_load_pid_file complete_signal zap_pid_ns_processes fuse_flush \
		service_set_state service_enter_signal service_enter_dead service_notify_cgroup_empty_event \
		sched_process_fork sched_process_exec sched_process_exit cgroup_notify_populated cgroup_attach_task
}

# The hidden kill of S2 on cgroup v1, through the agent: manager_notify_cgroup_empty.
guest_hidden_kill_v1() {
	local append=$CGROUP_V1
	case " $CGROUP_V1_SUITES " in *" $suite "*) ;; *) echo "the tests boot $suite with cgroup v2 only"; return 77 ;; esac
	guest_watch 'sh scenarios.sh cgempty_notchild cgempty_nopidfile kill9_main stop_systemctl' --json -v
	check_verdicts v1
	probe_table v1
	expect_events manager_notify_cgroup_empty
	python3 - "$work/trace.out" <<-'PY'
		import json, sys
		v = {v["systemd.unit.name"]: v for v in map(json.loads, open(sys.argv[1]))}["sc-cgempty-notchild.service"]
		assert v["via"][0] == "manager_notify_cgroup_empty", v["via"]
		assert v["result"] == "success" and v["exit"]["signal"] == "SIGKILL", v
	PY
}

# systemd --user: found when it starts, its units told apart.
USER_MANAGER='systemd-run -q --unit=usermgr -p User=nobody -p Delegate=yes -p RuntimeDirectory=usermgr -p Type=notify \
		-E XDG_RUNTIME_DIR=/run/usermgr -E HOME=/tmp -p NotifyAccess=all /lib/systemd/systemd --user
	U="setpriv --reuid=nobody --clear-groups env XDG_RUNTIME_DIR=/run/usermgr HOME=/tmp"
	mkdir -p /run/usermgr/systemd/user
	printf "[Service]\nExecStart=sleep 1000\n" >/run/usermgr/systemd/user/sc-user.service
	$U systemctl --user daemon-reload; $U systemctl --user start sc-user; sleep 1.5
	kill -9 $($U systemctl --user show -P MainPID sc-user); sleep 1'

guest_user_manager() {
	guest_watch "$USER_MANAGER" --json
	keep_json "$work/trace.out" user
	python3 - "$work/trace.out" <<-'PY'
		import json, sys
		v, = [v for v in map(json.loads, open(sys.argv[1])) if v["systemd.unit.name"] == "sc-user.service"]
		assert v["cause"] == "main-killed" and v["result"] == "signal", v
		assert v["manager"]["user"] and v["manager"]["process.pid"] != 1, v["manager"]
	PY
}

# fuse_flush comes with its module, and does not keep it from going.
guest_fuse_module() {
	gcc -static -O1 -o "$files/fuse-file" "$HERE/fuse-file.c"
	guest "$suite" 'grep -q ^fuse /proc/modules || modprobe -n fuse 2>/dev/null && [ ! -e /sys/module/fuse ]' ||
		{ echo "fuse is built into the kernel of $suite"; return 77; }
	guest_watch 'modprobe fuse; sleep 1; ./fuse-file /tmp/f; rmmod fuse || exit 9; modprobe fuse; sleep 1
		./fuse-file /tmp/f; rmmod fuse || exit 9' -v
	grep "module fuse was loaded: its probes are live" "$work/trace.err"
	expect "flushes seen, entered and left, of two mounts" 4 "$(awk '$1 == "fuse_flush" { print $3 }' "$work/trace.err")"
}

# The library is replaced on disk: the old one is traced until systemd executes itself anew, then
# the new one.
UPGRADE='lib=$(grep -oE "/[^ ]*/libsystemd-core-[^ ]*" /proc/1/maps | head -n1); [ -n "$lib" ] || lib=$(readlink -f /proc/1/exe)
	cp -a "$lib" "$lib.new"; mv "$lib.new" "$lib"
	sh scenarios.sh kill9_main; systemctl daemon-reexec; sleep 3; sh scenarios.sh term_main'

guest_reexec_upgrade() {
	guest_watch "$UPGRADE" --json
	check_verdicts upgrade
	grep -E "tracing process 1 too|process 1 executed itself anew: now" "$work/trace.err"
}

guest_attach_rounds() {
	guest -t 300 -d "$files" "$suite" '
		for i in 1 2 3 4 5; do ./svctrace -q --duration=1ms || exit; done
		systemctl is-system-running; systemd-run -q --wait true || exit
		! grep -c . /sys/kernel/tracing/uprobe_events /sys/kernel/tracing/kprobe_events 2>/dev/null | grep -v ":0"'
}

# cgroup v1 and v2 side by side: systemd keeps its units in v2.
guest_hybrid() {
	local append='systemd.unified_cgroup_hierarchy=0'
	case " $CGROUP_V1_SUITES " in *" $suite "*) ;; *) echo "the tests boot $suite with cgroup v2 only"; return 77 ;; esac
	guest_watch 'stat -fc %T /sys/fs/cgroup/unified; sh scenarios.sh cgempty_nopidfile kill9_main stop_systemctl' --json -v
	expect "file system" cgroup2fs "$(head -n 1 "$work/trace.steps")"
	check_verdicts hybrid
	probe_table hybrid
}

# The wall clock is set back by a day: later verdicts bear the new time, and durations stay right.
guest_clock_set_back() {
	guest_watch 'sh scenarios.sh exit3; date -s "@$(($(date +%s) - 86400))" >/dev/null; sleep 0.2
		date +"#date %s"; sh scenarios.sh kill9_main' --json
	check_verdicts clock
	python3 - "$work/trace.out" "$(sed -n 's/^#date //p' "$work/trace.steps")" <<-'PY'
		import datetime, json, sys
		v = {v["systemd.unit.name"]: v for v in map(json.loads, open(sys.argv[1]))}
		at = {u: datetime.datetime.fromisoformat(v[u]["time"][:19] + "+00:00").timestamp() for u in v}
		after = at["sc-kill9-main.service"] - int(sys.argv[2])
		assert 0 <= after < 60, after
		assert 86000 < at["sc-exit3.service"] - at["sc-kill9-main.service"] < 86400, at
		assert all(0 <= x["duration_ns"] < 60e9 for x in v.values())
	PY
}

# A kernel that ships no types: a clear line; with --btf it works.
guest_no_btf() {
	cp "$HERE/watch" "$files/"
	guest -d "$files" -o "$work" "$suite" 'cp /sys/kernel/btf/vmlinux /tmp/btf
		mount -t tmpfs none /sys/kernel/btf
		./svctrace --duration=1ms 2>none.err; echo "without: $?"
		sh ./watch trace "sh scenarios.sh exit3 >trace.steps" ./svctrace --json --btf=/tmp/btf; echo "with: $?"' >"$work/out"
	cat "$work/out" "$work/none.err"
	expect "exit codes" "without: 1 with: 0" "$(xargs <"$work/out")"
	grep -E -- '--btf' "$work/none.err"
	check_verdicts btf
}
