# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154,SC2016
#
# The tests of systemd's call chains; sourced by run.sh, which says what $suite, $work, $files and
# $svctrace are.

BED_TESTS+=" stacks stacks_second_unwinder stacks_after_upgrade"
GUEST_TESTS+=" stacks"

ONCE+=" bed_stacks_after_upgrade"

# The functions of systemd through which every stop comes, to its start. What is not named is "-":
# in trixie several names could be source_dispatch()'s, main() of sid jumps to another function, and
# libc does not export all of its own.
loop_of() { # SUITE
	local source=source_dispatch main=main
	case $1 in
	trixie) source=- ;;
	sid) main=- ;;
	esac
	echo "$source sd_event_dispatch sd_event_run manager_loop $main (- )?__libc_start_main _start"
}

# How a service comes to be stopped on request, when its main process died, and when its cgroup is
# empty. Of job_perform_on_unit() and its caller, each build has one inlined.
STACK_OF_STOP='service_enter_stop service_stop job_(perform_on_unit|run_and_invalidate) manager_dispatch_run_queue'
STACK_OF_KILL='service_enter_signal service_sigchld_event manager_dispatch_sigchld'
STACK_OF_EMPTY='service_enter_stop on_cgroup_empty_event'

expect_stack() { # UNIT PATTERN
	local got want
	want="whole: $2 $(loop_of "$suite")"
	got=$(jq -r "select(.\"systemd.unit.name\" == \"sc-$1.service\") |
		\"\(.stack_end): \([.stack[] | .function // \"-\"] | join(\" \"))\"" "$work/trace.out")
	[[ "$got" =~ ^$want$ ]] || fail "stack of $1: $got"
}

expect_stacks() {
	expect_stack stop-systemctl "$STACK_OF_STOP"
	expect_stack kill9-main "$STACK_OF_KILL"
	expect_stack cgempty-notchild "$STACK_OF_EMPTY"
	expect_stack cgempty-nopidfile "$STACK_OF_EMPTY"
}

STACK_SCENARIOS='sh scenarios.sh stop_systemctl kill9_main cgempty_notchild cgempty_nopidfile'

bed_stacks() {
	bed_watch "$STACK_SCENARIOS" --json
	keep_json "$work/trace.out" stacks
	expect_stacks
}

guest_stacks() {
	guest_watch "$STACK_SCENARIOS" --json
	keep_json "$work/trace.out" stacks-guest
	expect_stacks
}

# gdb unwinds the same samples, as core files: it must find the same frames.
bed_stacks_second_unwinder() {
	local binary dir
	binary=$(realpath "$svctrace")
	dir=$(dirname "$binary")
	gcc -std=gnu11 -D_GNU_SOURCE -I"$HERE/../../include" -o "$work/stack-core" \
		"$HERE/stack-core.c" "$dir/libcore.a" -lz
	# the files that lead from systemd's decisions to its start, and where they are
	bed_host '"$S" record -q --raw-stacks --manager="$BED_PID" -o rec.trace -- \
			$BED_EXEC sh /host/scenarios.sh stop_systemctl kill9_main cgempty_notchild cgempty_nopidfile
		awk '"'"'$6 ~ /systemd|libc[.-]/ && $3 == "00000000" { print $1, $6 }'"'"' "/proc/$BED_PID/maps" |
			while IFS=" -" read -r start _ file; do
				cp "$BED_ROOT$file" .
				echo "add-symbol-file ${file##*/} -o 0x$start"
			done >symbols.gdb'
	cd "$work" || return
	./stack-core core <rec.trace
	for core in core.*; do
		gdb -nx -batch -ex 'set architecture i386:x86-64' -ex 'set confirm off' \
			-ex 'set debug-file-directory /nonexistent' -ex 'set backtrace past-main on' \
			-ex 'set backtrace past-entry on' -ex "core-file $core" -x symbols.gdb -ex bt \
			>"gdb.${core#core.}" 2>&1
	done
	"$binary" replay --events --json rec.trace >events
	keep_json events raw-stacks
	python3 - <<-'PY'
		import glob, json, re
		base = {}
		for line in open("symbols.gdb"):
		    file, start = re.match(r"add-symbol-file (\S+) -o (\S+)", line).groups()
		    base[file] = int(start, 16)
		stacks = [json.loads(l)["data"] for l in open("events") if '"svctrace.event.stack"' in l]
		assert len(stacks) == len(glob.glob("gdb.*")) > 8, len(stacks)
		for i, s in enumerate(stacks):
		    # svctrace has the address of the call, gdb that behind it
		    ours = [base[f["object"].rsplit("/", 1)[1]] + int(f["address"], 16) + (k > 0)
		            for k, f in enumerate(s["stack"])]
		    text = open(f"gdb.{i}").read()
		    # it shows the innermost frame at once, when it opens the core file
		    theirs = [int(a, 16) for a in re.findall(r"^#\d+ +(0x[0-9a-f]+) in", text, re.M)][1:]
		    assert ours == theirs, (i, [hex(a) for a in ours], text)
		    assert s["stack_end"] == "whole" and len(ours) >= 9
		print(len(stacks), "stacks alike")
	PY
}

# The files of the running systemd are replaced before a stack first leads through them: names are
# those of what it runs all the same.
bed_stacks_after_upgrade() {
	bed_watch 'systemd-run -q --unit=sc-kill9-main sleep 1000; pid=$(systemctl show -P MainPID sc-kill9-main)
		for f in $(sed -nE "s,^.* (/.*/(systemd|libsystemd-(core|shared).*))$,\1,p" /proc/1/maps | sort -u); do
			cp /bin/true "$f.new"; mv "$f.new" "$f"; done
		kill -9 "$pid"' --json
	expect_stack kill9-main "$STACK_OF_KILL"
}
