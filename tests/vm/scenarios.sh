#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The ways in which a service comes to stop, each with throwaway units. Runs
# under the systemd of a test bed (tests/vm/bed, tests/vm/guest), never on a
# machine that matters. For each scenario it says what systemd itself makes of
# it and what is known from the outside: the main PID before, who killed or asked.

UNITS=/run/systemd/system
WORK=/run/scenarios
SETTLE_SECS=20
HELPERS=$(cd "$(dirname "$0")" && pwd) # stop-client and send-signal lie beside this script

usage() {
	cat <<'USAGE'
usage: tests/vm/scenarios.sh [-j DIR] [SCENARIO…]    (default: all)
       tests/vm/scenarios.sh -l                      list the scenarios

  -j DIR  write the journal of each scenario to DIR/SCENARIO.json

Prints for each scenario
  #scenario NAME
  #show UNIT Id=… InvocationID=… MainPIDBefore=… … Result=… killer=… …   (one per unit)
  #end NAME     or     #skip NAME REASON
PIDs are those seen inside; Host… are the same processes seen from outside the
container (the same numbers in a guest). victim is a killed process other than the
main one; requester the client that asked for the stop; killer who sent the signal
or moved the process away. All three run below a process named ops-console, save
where tests/vm/causes says otherwise. Absent values are -.
USAGE
}

# ---- tools of the scenarios ----

unit() { cat >"$UNITS/sc-$name$1"; } # SUFFIX, content on stdin; $name is set while units are written
script() { cat >"$WORK/$name.sh"; }
fifo() { mkfifo "$WORK/$name.fifo"; }
unit_name() { echo "$1" | tr _ -; }

# A service which sleeps, with LINES in its [Service] section.
sleeper() { # [LINES]
	printf '[Service]\nType=exec\nExecStart=/bin/sleep 1000\n%b' "${1:-}" | unit .service
}

# A second service which sleeps, with LINES in its [Unit] section.
dependent() { # LINES
	printf '[Unit]\n%b[Service]\nType=exec\nExecStart=/bin/sleep 1000\n' "$1" | unit -dep.service
}

# A service that stops $t when it starts, and nothing else that it has to do with it.
rival() { dependent "Conflicts=$t\\n"; }

# systemd skips a setting that it does not know. Without it the scenario is no scenario.
lacks() { # PROPERTY
	[ -z "$(systemctl show -p "$1" "$t")" ] || return 1
	skip="this systemd has no $1="
}

# The PID outside the container of a process inside.
host_pid() { # PID
	[ -d /run/bed/proc/self ] || { echo "$1"; return; }
	own=$(readlink /proc/self/ns/pid)
	grep -lE "^NSpid:.*[[:space:]]$1\$" /run/bed/proc/[0-9]*/status 2>/dev/null | {
		while read -r status; do
			dir=${status%/status}
			[ "$(readlink "$dir/ns/pid")" != "$own" ] || { echo "${dir##*/}"; exit; }
		done
		echo -
	}
}

# What has to be known before the stop, for `show`. Sets $main. One call where
# two would do: under emulation each takes a fifth of a second.
note() { # UNIT…
	for u; do
		systemctl show -p MainPID,InvocationID "$u" >"$WORK/props"
		main=$(sed -n 's/^MainPID=//p' "$WORK/props")
		main=${main:-0} # a scope has none
		echo "$(grep ^Inv "$WORK/props") MainPIDBefore=$main HostMainPIDBefore=$(host_pid "$main")" >"$WORK/note.$u"
	done
}

begin() { # UNIT…
	systemctl start "$@" 2>/dev/null || echo "#start failed $?"
	note "$@"
}

note_pid() { # ROLE PID
	echo "$2 $(host_pid "$2")" >"$WORK/$1"
}

# Runs COMMAND below ops-console and keeps its PIDs as those of ROLE.
ops() { # ROLE COMMAND…
	role=$1
	shift
	"$WORK/ops-console" "$WORK/$role" "$@"
}

# Never PID 0 or less: that would be our own process group.
kill_by_ops() { # -SIGNAL PID
	[ "${2:-0}" -gt 1 ] || { echo "#error no process to kill"; return; }
	ops killer /bin/kill "$1" "$2"
}

trigger() { timeout "$SETTLE_SECS" sh -c "echo go >'$WORK/$name.fifo'"; }

now() {
	read -r up _ </proc/uptime
	echo "${up%.*}"
}

wait_for() { # TEST-ARGUMENTS…
	end=$(($(now) + SETTLE_SECS))
	until test "$@" || [ "$(now)" -ge $end ]; do sleep 0.02; done
}

# Until the unit's ActiveState/SubState are these, by default at rest; keeps what
# was seen for `show`.
settle() { # UNIT [STATES]
	end=$(($(now) + SETTLE_SECS))
	while :; do
		systemctl show -p Id,ExecMainPID,ExecMainCode,ExecMainStatus,Result,ActiveState,SubState,NRestarts "$1" >"$WORK/props.$1"
		states=$(sed -n 's/^ActiveState=//p; s/^SubState=//p' "$WORK/props.$1" | tr '\n' /)
		case ${2:-rest/}:$states in
		rest/:inactive/dead/ | rest/:failed/failed/ | "$states:$states") return ;;
		esac
		[ "$(now)" -lt $end ] || break
		sleep 0.05
	done
	echo "#slow $1 is $states after $SETTLE_SECS s"
}

# What takes longer than `settle` waits.
await_end() {
	end=$(($(now) + 120))
	while [ "$(systemctl is-active "$t")" = active ] && [ "$(now)" -lt $end ]; do sleep 0.5; done
}

show_role() { # ROLE LABEL
	pid=- host=-
	[ ! -s "$WORK/$1" ] || read -r pid host <"$WORK/$1"
	printf ' %s=%s Host%s=%s' "$1" "$pid" "$2" "$host"
}

show() { # UNIT…, settled
	for u; do
		printf '#show %s %s' "$u" "$(cat "$WORK/note.$u" 2>/dev/null || echo 'InvocationID=- MainPIDBefore=- HostMainPIDBefore=-')"
		printf ' %s' "$(tr '\n' ' ' <"$WORK/props.$u" | sed 's/ $//')"
		show_role killer Killer
		show_role victim Victim
		show_role requester Requester
		echo
		case $(cat "$WORK/props.$u") in
		*ActiveState=inactive* | *ActiveState=failed*) ;;
		*) leftover="$leftover $u" ;;
		esac
	done
}

finish() { # UNIT…
	for u; do settle "$u"; done
	show "$@"
}

# ---- the scenarios: units_NAME writes the units, run_NAME makes them stop ----
# Without a units_NAME the unit is a plain sleeper. $t is the unit, $d its
# dependent.

run_stop_systemctl() { begin "$t"; ops requester systemctl stop "$t"; finish "$t"; }

run_restart_systemctl() { begin "$t"; ops requester systemctl restart "$t"; settle "$t" active/running/; show "$t"; }

run_stop_busctl() {
	begin "$t"
	ops requester busctl -q call org.freedesktop.systemd1 /org/freedesktop/systemd1 \
		org.freedesktop.systemd1.Manager StopUnit ss "$t" replace
	finish "$t"
}

run_kill9_main() { begin "$t"; kill_by_ops -9 "$main"; finish "$t"; }
run_term_main() { begin "$t"; kill_by_ops -TERM "$main"; finish "$t"; }
run_segv() { begin "$t"; kill_by_ops -SEGV "$main"; finish "$t"; }
run_abrt() { begin "$t"; kill_by_ops -ABRT "$main"; finish "$t"; }

units_kill9_restart() { sleeper 'Restart=on-failure\nRestartSec=1s\n'; }
run_kill9_restart() {
	begin "$t"
	kill_by_ops -9 "$main"
	settle "$t" activating/auto-restart/
	settle "$t" active/running/
	show "$t"
}

exiting() { # STATUS
	fifo
	printf '[Service]\nType=exec\nExecStart=/bin/sh -c "read x <%s/%s.fifo; exit %s"\n' "$WORK" "$name" "$1" | unit .service
}
units_exit0() { exiting 0; }
run_exit0() { begin "$t"; trigger; finish "$t"; }
units_exit3() { exiting 3; }
run_exit3() { begin "$t"; trigger; finish "$t"; }

forking() { # [LINES]
	printf '[Service]\nType=forking\nExecStart=/bin/sh %s/%s.sh\n%b' "$WORK" "$name" "${1:-}" | unit .service
}
pid_file() { printf 'PIDFile=%s\\n' "$WORK/$name.pid"; }

# No PID file and no guess: only the empty cgroup tells that it is over.
units_cgempty_nopidfile() {
	forking 'GuessMainPID=no\n'
	echo "sleep 1000 & echo \$! >$WORK/$name.pid" | script
}
run_cgempty_nopidfile() {
	begin "$t"
	pid=$(cat "$WORK/$name.pid")
	note_pid victim "$pid"
	kill_by_ops -TERM "$pid"
	finish "$t"
}

# The main process dies with its PID file gone, a helper lives on and dies later.
units_cgempty_pidlost() {
	forking "$(pid_file)KillMode=process\\n"
	script <<S
( sh -c 'sleep 1000 & echo \$! >$WORK/$name.helper; wait' & echo \$! >$WORK/$name.pid )
S
}
run_cgempty_pidlost() {
	begin "$t"
	wait_for -s "$WORK/$name.helper"
	rm -f "$WORK/$name.pid"
	kill_by_ops -9 "$main"
	finish "$t"
	pid=$(cat "$WORK/$name.helper")
	note_pid victim "$pid"
	/bin/kill -9 "$pid"
	wait_for ! -d "/proc/$pid"
}

# The PID file is never written and nothing is left to write it.
units_cgempty_pidnever() {
	forking "$(pid_file)TimeoutStartSec=2s\\n"
	echo 'sleep 0.3 &' | script
}
run_cgempty_pidnever() { begin "$t"; finish "$t"; }

# The main process is no child of PID 1: nobody tells systemd how it died.
# Its parent sees it and ends: Result=success for a kill -9.
units_cgempty_notchild() {
	forking "$(pid_file)"
	script <<S
( sleep 1000 & echo \$! >$WORK/$name.pid; wait ) &
while [ ! -s $WORK/$name.pid ]; do sleep 0.02; done
S
}
run_cgempty_notchild() {
	begin "$t"
	rm -f "$WORK/$name.pid"
	kill_by_ops -9 "$main"
	finish "$t"
}

# The same, but the parent outlives the main process by half a second.
units_cgempty_legit() {
	forking "$(pid_file)"
	script <<S
( sleep 1000 & echo \$! >$WORK/$name.pid; wait; exec sleep 0.5 ) &
while [ ! -s $WORK/$name.pid ]; do sleep 0.02; done
S
}
run_cgempty_legit() { run_cgempty_notchild; }

# An upgrade hands the service over to a process of another unit, which is then stopped.
units_handed_over() {
	forking "$(pid_file)"
	echo "sleep 1000 & echo \$! >$WORK/$name.pid" | script
	dependent ''
}
run_handed_over() {
	begin "$t"
	old=$main
	begin "$d"
	echo "$main" >"$WORK/$name.new"
	mv "$WORK/$name.new" "$WORK/$name.pid"
	/bin/kill "$old"
	end=$(($(now) + SETTLE_SECS))
	until [ "$(systemctl show -P MainPID "$t")" = "$main" ] || [ "$(now)" -ge $end ]; do sleep 0.05; done
	note "$t"
	ops requester systemctl stop "$d"
	finish "$t" "$d"
}

# systemd refuses a PID outside the service's cgroup when somebody else than root
# could have put it there.
units_pid_unsafe() {
	forking "PIDFile=$WORK/nobody/t.pid\\nTimeoutStartSec=2s\\n"
	mkdir -p "$WORK/nobody"
	chown 65534 "$WORK/nobody"
	echo "sleep 1000 & cat $WORK/$name.outsider >$WORK/nobody/t.pid" | script
}
run_pid_unsafe() {
	sleep 1000 &
	outsider=$!
	echo $outsider >"$WORK/$name.outsider"
	begin "$t"
	finish "$t"
	kill $outsider
}

units_pid_noexist() {
	forking "$(pid_file)TimeoutStartSec=2s\\n"
	echo "sleep 1000 & echo 99999 >$WORK/$name.pid" | script
}
run_pid_noexist() { begin "$t"; finish "$t"; }

units_watchdog() { sleeper 'WatchdogSec=500ms\n'; }
run_watchdog() { begin "$t"; finish "$t"; }

# A service of several threads that sends keepalives for a while, then LAST if that is given.
alive() { # COUNT MS WATCHDOGSEC [LAST]
	printf '[Service]\nType=notify\nNotifyAccess=all\nWatchdogSec=%s\nExecStart=%s/keepalive %s/%s.sent %s %s %s\n' \
		"$3" "$HELPERS" "$WORK" "$name" "$1" "$2" "${4:-}" | unit .service
}
# Which keepalive systemd itself takes for the last one, while it knows, and what was sent.
show_alive() { # LINES of what is sent
	begin "$t"
	end=$(($(now) + SETTLE_SECS))
	until [ "$(wc -l <"$WORK/$name.sent")" -ge "$1" ] || [ "$(now)" -ge $end ]; do sleep 0.02; done
	last=$(systemctl show -p WatchdogTimestampMonotonic "$t")
	finish "$t"
	echo "#alive $t $last $(tr ' \n' ', ' <"$WORK/$name.sent")"
}

units_watchdog_silent() { alive 10 150 8s; }
run_watchdog_silent() { show_alive 11; }

# The unit's own interval would never pass.
units_watchdog_override() { alive 2 150 1h WATCHDOG_USEC=8000000; }
run_watchdog_override() { show_alive 4; }

# It does well until it says that it does not. systemd forgets its last keepalive at once.
units_watchdog_asked() { alive 4 150 1h WATCHDOG=trigger; }
run_watchdog_asked() {
	begin "$t"
	finish "$t"
	echo "#alive $t - $(tr ' \n' ', ' <"$WORK/$name.sent")"
}

units_watchdog_trigger() {
	fifo
	printf '[Service]\nType=exec\nNotifyAccess=all\nWatchdogSec=1h\nExecStart=/bin/sh %s/%s.sh\n' "$WORK" "$name" | unit .service
	printf 'read x <%s/%s.fifo\nsystemd-notify WATCHDOG=trigger\nexec sleep 1000\n' "$WORK" "$name" | script
}
run_watchdog_trigger() { begin "$t"; trigger; finish "$t"; }

units_start_timeout() { printf '[Service]\nType=notify\nTimeoutStartSec=2s\nExecStart=/bin/sleep 1000\n' | unit .service; }
run_start_timeout() {
	systemctl start --no-block "$t"
	settle "$t" activating/start/
	note "$t"
	finish "$t"
}

# An ignored signal stays ignored over exec.
units_stop_timeout() {
	printf '[Service]\nType=exec\nTimeoutStopSec=500ms\nExecStart=/bin/sh %s/%s.sh\n' "$WORK" "$name" | unit .service
	printf "trap '' TERM\n: >%s/%s.ready\nexec sleep 1000\n" "$WORK" "$name" | script
}
run_stop_timeout() {
	begin "$t"
	wait_for -e "$WORK/$name.ready"
	ops requester systemctl stop "$t"
	finish "$t"
}

# One of three processes is in no state to take SIGTERM, one is stopped, and one does not want to.
units_stop_leftover() {
	printf '[Service]\nType=exec\nTimeoutStopSec=8s\nExecStart=%s/leftover %s/%s.ready\n' "$HELPERS" "$WORK" "$name" | unit .service
}
run_stop_leftover() {
	begin "$t"
	wait_for -s "$WORK/$name.ready"
	children=$(cat "/proc/$main/task/$main/children")
	left=$(host_pid "$main")
	for child in $children; do left="$left $(host_pid "$child")"; done
	ops requester systemctl stop "$t"
	finish "$t"
	echo "#left $t $left"
}

# It ends, but takes its time. What it starts meanwhile would get the signal too.
units_stop_slow() {
	printf '[Service]\nType=exec\nKillMode=mixed\nExecStart=/bin/sh %s/%s.sh\n' "$WORK" "$name" | unit .service
	printf "trap 'sleep 3; exit 0' TERM\n: >%s/%s.ready\nwhile :; do sleep 0.1; done\n" "$WORK" "$name" | script
}
run_stop_slow() {
	begin "$t"
	wait_for -e "$WORK/$name.ready"
	left=$(host_pid "$main")
	ops requester systemctl stop "$t"
	finish "$t"
	echo "#left $t $left"
}

units_runtime_max() { sleeper 'RuntimeMaxSec=500ms\n'; }
run_runtime_max() { begin "$t"; finish "$t"; }

greedy() { # COMMAND [LINES]: which takes more memory than there is
	fifo
	printf '[Service]\nType=exec\nMemoryMax=8M\nMemorySwapMax=0\nExecStart=/bin/sh -c "read x <%s/%s.fifo; %s"\n%b' \
		"$WORK" "$name" "$1" "${2:-}" | unit .service
}
has_memory_controller() {
	! grep -qw memory /sys/fs/cgroup/cgroup.controllers 2>/dev/null && [ ! -d /sys/fs/cgroup/memory ] || return 0
	skip="no memory controller here"
	return 1
}
units_oom() { greedy 'exec tail /dev/zero'; }
run_oom() { ! has_memory_controller || { begin "$t"; trigger; finish "$t"; }; }

# Not the main process: OOMPolicy= says what becomes of the others.
units_oom_stop() { greedy 'tail /dev/zero; exec sleep 1000' 'OOMPolicy=stop\n'; }
run_oom_stop() { run_oom; }
units_oom_kill() { greedy 'tail /dev/zero; exec sleep 1000' 'OOMPolicy=kill\n'; }
run_oom_kill() { run_oom; }
units_oom_continue() { greedy "tail /dev/zero; : >$WORK/$name.after; exec sleep 1000" 'OOMPolicy=continue\n'; }
run_oom_continue() {
	has_memory_controller || return 0
	begin "$t"
	trigger
	wait_for -e "$WORK/$name.after"
	settle "$t" active/running/
	show "$t"
}

# systemd-oomd, whose files the test put beside this script. It kills what is under pressure while
# memory is reclaimed: hence what is read, and thrown away again, besides memory that stays.
units_oomd() {
	fifo
	unit .service <<U
[Service]
Type=exec
MemoryHigh=8M
MemorySwapMax=0
ManagedOOMMemoryPressure=kill
ManagedOOMMemoryPressureLimit=1%
ExecStart=/bin/sh -c "read x <$WORK/$name.fifo; while :; do dd if=/dev/loop0 of=/dev/null bs=24M; done"
U
	[ -d "$HELPERS/oomd" ] || return 0
	cp -a "$HELPERS/oomd/." /
	echo "systemd-oom:x:991:991::/:/usr/sbin/nologin" >>/etc/passwd
	echo "systemd-oom:x:991:" >>/etc/group
	mkdir -p /etc/systemd/oomd.conf.d
	printf '[OOM]\nDefaultMemoryPressureDurationSec=1s\n' >/etc/systemd/oomd.conf.d/scenario.conf
	modprobe loop
	truncate -s 64M "$WORK/$name.disk"
	losetup /dev/loop0 "$WORK/$name.disk"
}
run_oomd() {
	[ -d "$HELPERS/oomd" ] || { skip="systemd-oomd is not here"; return 0; }
	reload_bus
	systemctl start systemd-oomd
	begin "$t"
	note_pid killer "$(systemctl show -P MainPID systemd-oomd)"
	trigger
	await_end # it looks once a second, and averages ten
	finish "$t"
	systemctl stop systemd-oomd.service systemd-oomd.socket
	losetup -d /dev/loop0
}

pair() { # LINES of the dependent's [Unit]
	sleeper
	dependent "$1"
}
begin_pair() { begin "$d" "$t"; } # $main is the last one's

units_partof() { pair "PartOf=$t\\nAfter=$t\\n"; }
run_partof() { begin_pair; ops requester systemctl stop "$t"; finish "$t" "$d"; }

units_bindsto() { pair "BindsTo=$t\\nAfter=$t\\n"; }
run_bindsto() { begin_pair; kill_by_ops -9 "$main"; finish "$t" "$d"; }

units_requires() { pair "Requires=$t\\nAfter=$t\\n"; }
run_requires() { begin_pair; ops requester systemctl stop "$t"; finish "$t" "$d"; }

units_conflicts() { pair "Conflicts=$t\\n"; }
run_conflicts() {
	begin "$t"
	ops requester systemctl start "$d"
	settle "$t"
	settle "$d" active/running/
	show "$t" "$d"
}

units_isolate() {
	sleeper
	printf '[Unit]\nAllowIsolate=yes\nRequires=basic.target\nAfter=basic.target\n' | unit .target
}
run_isolate() {
	begin "$t"
	ops requester systemctl isolate "${t%.service}.target"
	finish "$t"
	systemctl start bed.target
}

# The first run waits until its main process is known, the others end as soon as they begin.
units_startlimit() {
	fifo
	rm -f "$WORK/$name.waited"
	printf '[Unit]\nStartLimitBurst=3\nStartLimitIntervalSec=600\n[Service]\nRestart=always\nRestartSec=50ms\nExecStart=/bin/sh %s/%s.sh\n' \
		"$WORK" "$name" | unit .service
	script <<S
[ -e $WORK/$name.waited ] || read x <$WORK/$name.fifo
: >$WORK/$name.waited
exit 4
S
}
run_startlimit() { begin "$t"; trigger; finish "$t"; }

units_execstop_fail() { sleeper 'ExecStop=/bin/sh -c "exit 7"\n'; }
run_execstop_fail() { begin "$t"; ops requester systemctl stop "$t"; finish "$t"; }

units_startpre_fail() { sleeper 'ExecStartPre=/bin/sh -c "exit 9"\n'; }
run_startpre_fail() { begin "$t"; finish "$t"; }

# ---- what keeps it from coming up, and what fails beside it ----

exits() { echo "/bin/sh -c \"exit $1\""; } # a command for a unit file

units_condition_unmet() { sleeper "ExecCondition=$(exits 1)\\n"; }
run_condition_unmet() { begin "$t"; finish "$t"; }
units_condition_fail() { sleeper "ExecCondition=$(exits 255)\\n"; }
run_condition_fail() { begin "$t"; finish "$t"; }
units_startpost_fail() { sleeper "ExecStartPost=$(exits 5)\\n"; }
run_startpost_fail() { begin "$t"; finish "$t"; }
units_forking_fail() { forking; echo 'exit 3' | script; }
run_forking_fail() { begin "$t"; finish "$t"; }
units_forking_nothing() { forking; echo 'exit 0' | script; }
run_forking_nothing() { begin "$t"; finish "$t"; }
units_stoppost_fail() { sleeper "ExecStopPost=$(exits 6)\\n"; }
run_stoppost_fail() { begin "$t"; ops requester systemctl stop "$t"; finish "$t"; }

# It goes on as before.
units_reload_fail() { sleeper "ExecReload=$(exits 4)\\n"; }
run_reload_fail() {
	begin "$t"
	systemctl reload "$t" 2>/dev/null
	settle "$t" active/running/
	show "$t"
}

# Its main process ends meanwhile, which is why it stops: the command is only waited for.
units_reload_main_dies() {
	sleeper "ExecReload=/bin/sh -c \"until [ -e $WORK/$name.go ]; do sleep 0.1; done; exit 4\"\\n"
}
run_reload_main_dies() {
	begin "$t"
	systemctl reload --no-block "$t"
	settle "$t" reloading/reload/
	kill_by_ops -9 "$main"
	end=$(($(now) + SETTLE_SECS))
	until [ "$(systemctl show -P MainPID "$t")" = 0 ] || [ "$(now)" -ge $end ]; do sleep 0.1; done
	touch "$WORK/$name.go"
	finish "$t"
}

# Its main process does not catch the signal that is to make it reload: newer systemds look.
units_reload_uncaught() {
	printf '[Service]\nType=notify-reload\nNotifyAccess=all\nExecStart=/bin/sh -c "systemd-notify --ready; exec sleep 1000"\n' |
		unit .service
}
run_reload_uncaught() {
	if [ "$(systemctl show -P ReloadSignal "$t")" = "" ]; then
		skip="this systemd has no Type=notify-reload"
		return
	fi
	begin "$t"
	if [ "$(systemctl is-active "$t")" = active ]; then
		ops requester systemctl reload "$t" 2>/dev/null
	fi
	finish "$t"
}

units_startpre_killed() { sleeper 'ExecStartPre=/bin/sleep 1000\n'; }
run_startpre_killed() {
	systemctl start --no-block "$t"
	settle "$t" activating/start-pre/
	note "$t"
	kill_by_ops -9 "$(systemctl show -P ControlPID "$t")"
	finish "$t"
}

# The main process ends while a command of the start runs: it is that which counts, once that command
# has ended.
units_startpost_main() {
	fifo
	rm -f "$WORK/$name.main"
	mkfifo "$WORK/$name.main"
	printf '[Service]\nType=exec\nExecStart=/bin/sh -c "read x <%s/%s.main; exit 3"\nExecStartPost=/bin/sh -c "read x <%s/%s.fifo"\n' \
		"$WORK" "$name" "$WORK" "$name" | unit .service
}
run_startpost_main() {
	systemctl start --no-block "$t"
	settle "$t" activating/start-post/
	note "$t"
	echo go >"$WORK/$name.main"
	end=$(($(now) + SETTLE_SECS))
	until [ "$(systemctl show -P MainPID "$t")" = 0 ] || [ "$(now)" -ge $end ]; do sleep 0.02; done
	trigger
	finish "$t"
}

oneshot() { printf '[Service]\nType=oneshot\n%b' "$1" | unit .service; }
units_oneshot_fail() { oneshot "ExecStart=$(exits 3)\\n"; }
run_oneshot_fail() { begin "$t"; finish "$t"; }
units_oneshot_post() { oneshot 'ExecStart=/bin/true\nExecStartPost=/bin/true\n'; }
run_oneshot_post() { begin "$t"; finish "$t"; }
units_oneshot_timeout() { oneshot 'ExecStart=/bin/sleep 1000\nTimeoutStartSec=1s\n'; }
run_oneshot_timeout() { begin "$t"; finish "$t"; }

# Made for what systemd does next, as systemd-poweroff.service is; here that powers nothing off.
nothing_but_action() { # LINES
	printf '[Unit]\nSuccessAction=poweroff\n[Service]\nType=oneshot\n%b' "$1" | unit .service
	echo '[Unit]' >"$UNITS/poweroff.target"
}
show_nothing_but_action() {
	begin "$t"
	finish "$t"
	settle poweroff.target active/active/
	systemctl stop poweroff.target
}
units_oneshot_nothing() { nothing_but_action ''; }
run_oneshot_nothing() { show_nothing_but_action; }
units_oneshot_only_post() { nothing_but_action 'ExecStartPre=/bin/true\nExecStartPost=/bin/true\n'; }
run_oneshot_only_post() { show_nothing_but_action; }
units_startpre_timeout() { sleeper 'ExecStartPre=/bin/sleep 1000\nTimeoutStartSec=1s\n'; }
run_startpre_timeout() { begin "$t"; finish "$t"; }

notifying() { printf '[Service]\nType=notify\nNotifyAccess=all\nExecStart=%s\n' "$1" | unit .service; }
units_notify_exit() { notifying "$(exits 0)"; }
run_notify_exit() { begin "$t"; finish "$t"; }
units_notify_fail() { notifying "$(exits 3)"; }
run_notify_fail() { begin "$t"; finish "$t"; }

# It hears SIGTERM and says that it is on its way out.
units_announced() {
	notifying "/bin/sh $WORK/$name.sh"
	printf "trap 'systemd-notify STOPPING=1; kill \$!; exit 0' TERM\nsleep 1000 &\nsystemd-notify --ready\nwhile :; do wait; done\n" |
		script
}
run_announced() { begin "$t"; kill_by_ops -TERM "$main"; finish "$t"; }

units_exec_missing() { printf '[Service]\nType=exec\nExecStart=/nonexistent\n' | unit .service; }
run_exec_missing() { begin "$t"; finish "$t"; }
units_exec_pre_missing() { sleeper 'ExecStartPre=/nonexistent\n'; }
run_exec_pre_missing() { begin "$t"; finish "$t"; }
units_exec_chdir() { sleeper 'WorkingDirectory=/nonexistent\n'; }
run_exec_chdir() { begin "$t"; finish "$t"; }
units_exec_own_code() { exiting 203; }
run_exec_own_code() { begin "$t"; trigger; finish "$t"; }
units_spawn_failed() { sleeper 'EnvironmentFile=/nonexistent\n'; }
run_spawn_failed() { begin "$t"; finish "$t"; }

units_pid_garbage() {
	forking "$(pid_file)TimeoutStartSec=2s\\n"
	echo "sleep 1000 & echo none >$WORK/$name.pid" | script
}
run_pid_garbage() { begin "$t"; finish "$t"; }

# It comes when systemd has given up.
units_pid_late() {
	forking "$(pid_file)TimeoutStartSec=1s\\nTimeoutStopSec=10s\\n"
	printf "( trap 'echo \$\$ >%s/%s.pid; exit 0' TERM; sleep 1000 & wait ) &\n" "$WORK" "$name" | script
}
run_pid_late() { begin "$t"; finish "$t"; }

# ---- time that runs out on the way down ----

units_stop_timeout_stop() { sleeper 'ExecStop=/bin/sleep 1000\nTimeoutStopSec=500ms\n'; }
run_stop_timeout_stop() { begin "$t"; ops requester systemctl stop "$t"; finish "$t"; }

units_stop_timeout_post() {
	sleeper "ExecStopPost=/bin/sh $WORK/$name.sh\\nTimeoutStopSec=500ms\\n"
	printf "trap '' TERM\nexec sleep 1000\n" | script
}
run_stop_timeout_post() { begin "$t"; ops requester systemctl stop "$t"; finish "$t"; }
# Its time begins when it is ready, and that is when it ignores what would end it.
units_abort_timeout() {
	printf '[Service]\nType=notify\nNotifyAccess=all\nExecStart=/bin/sh %s/%s.sh\nWatchdogSec=500ms\nTimeoutAbortSec=500ms\n' \
		"$WORK" "$name" | unit .service
	printf "trap '' TERM ABRT\nsystemd-notify --ready\nexec sleep 1000\n" | script
}
run_abort_timeout() { begin "$t"; finish "$t"; }

# ---- a name on the bus ----

BUS_NAME=org.example.Scenario
on_bus() { # COMMAND [LINES]
	mkdir -p /etc/dbus-1/system.d
	printf '<busconfig><policy user="root"><allow own_prefix="%s"/></policy></busconfig>\n' $BUS_NAME \
		>/etc/dbus-1/system.d/scenario.conf
	printf '[Service]\nType=dbus\nBusName=%s.%s\nExecStart=%s\n%b' $BUS_NAME "$(echo "$name" | tr -d -)" "$1" "${2:-}" |
		unit .service
}
reload_bus() {
	busctl -q call org.freedesktop.DBus /org/freedesktop/DBus org.freedesktop.DBus ReloadConfig
}
units_bus_name_lost() { on_bus "$HELPERS/stop-client own bus $BUS_NAME.$(echo "$name" | tr -d -)"; }
run_bus_name_lost() {
	reload_bus
	begin "$t"
	kill_by_ops -USR1 "$main"
	finish "$t"
}
units_bus_name_never() { on_bus '/bin/sleep 1000' 'TimeoutStartSec=1s\n'; }
run_bus_name_never() { begin "$t"; finish "$t"; }
units_bus_name_exit() { on_bus "$(exits 0)"; }
run_bus_name_exit() { begin "$t"; finish "$t"; }

# ---- frozen ----

freeze() {
	begin "$t"
	if [ -z "$(find /sys/fs/cgroup -path "*/$t/cgroup.freeze" | head -n 1)" ]; then
		skip="cgroup v1 has no such freezer"
		leftover=$t
		return 1
	fi
	systemctl freeze "$t" || echo "#error $t is not frozen"
}
run_freeze_thaw() {
	freeze || return 0
	systemctl thaw "$t"
	ops requester systemctl stop "$t"
	finish "$t"
}
run_freeze_kill9() {
	freeze || return 0
	kill_by_ops -9 "$main"
	finish "$t"
}

# ---- what it is bound to ----

mount_unit() { systemd-escape -p --suffix=mount "$WORK/$name.mnt"; }
units_bindsto_mount() {
	mkdir -p "$WORK/$name.mnt"
	printf '[Mount]\nWhat=tmpfs\nType=tmpfs\nWhere=%s\n' "$WORK/$name.mnt" >"$UNITS/$(mount_unit)"
	printf '[Unit]\nBindsTo=%s\nAfter=%s\n[Service]\nType=exec\nExecStart=/bin/sleep 1000\n' "$(mount_unit)" "$(mount_unit)" |
		unit .service
}
run_bindsto_mount() { begin "$t"; ops killer umount "$WORK/$name.mnt"; finish "$t"; }

units_bindsto_socket() {
	printf '[Socket]\nListenFIFO=%s/%s.socket\nService=%s\n' "$WORK" "$name" "$d" | unit .socket
	dependent ''
	printf '[Unit]\nBindsTo=sc-%s.socket\nAfter=sc-%s.socket\n[Service]\nType=exec\nExecStart=/bin/sleep 1000\n' "$name" "$name" |
		unit .service
}
run_bindsto_socket() { begin "$t"; ops requester systemctl stop "sc-$name.socket"; finish "$t"; }

# It gives up on a service that leaves what is to be read unread.
units_bindsto_socket_fails() {
	printf '[Socket]\nListenFIFO=%s/%s.socket\nService=%s\nTriggerLimitIntervalSec=60\nTriggerLimitBurst=2\n' "$WORK" "$name" "$d" |
		unit .socket
	printf '[Unit]\nStartLimitIntervalSec=0\n[Service]\nType=oneshot\nExecStart=/bin/true\n' | unit -dep.service
	printf '[Unit]\nBindsTo=sc-%s.socket\nAfter=sc-%s.socket\n[Service]\nType=exec\nExecStart=/bin/sleep 1000\n' "$name" "$name" |
		unit .service
}
run_bindsto_socket_fails() {
	begin "$t"
	timeout $SETTLE_SECS sh -c "echo x >$WORK/$name.socket"
	finish "$t"
}

# A disk that is taken away: systemd has it from udev, whose files the test put beside this script.
units_device_gone() {
	printf '[Unit]\nBindsTo=dev-loop1.device\nAfter=dev-loop1.device\n[Service]\nType=exec\nExecStart=/bin/sleep 1000\n' |
		unit .service
	[ ! -d "$HELPERS/udev" ] || cp -a "$HELPERS/udev/." /
}
run_device_gone() {
	[ -d "$HELPERS/udev" ] || { skip="udev is not here"; return 0; }
	systemctl start systemd-udevd
	modprobe loop
	truncate -s 1M "$WORK/$name.disk"
	losetup /dev/loop1 "$WORK/$name.disk"
	begin "$t" # waits for the device
	ops killer losetup -d /dev/loop1
	await_end
	finish "$t"
	systemctl stop systemd-udevd.service systemd-udevd-control.socket systemd-udevd-kernel.socket
}

run_systemctl_kill() { begin "$t"; ops requester systemctl kill "$t"; finish "$t"; }
run_systemctl_kill9() { begin "$t"; ops requester systemctl kill -s KILL "$t"; finish "$t"; }

run_reload_mid() { begin "$t"; systemctl daemon-reload; kill_by_ops -9 "$main"; finish "$t"; }

run_reexec_mid() {
	begin "$t"
	systemctl daemon-reexec
	until systemctl show -p Version >/dev/null 2>&1; do sleep 0.05; done
	ops requester systemctl stop "$t"
	finish "$t"
}

units_unneeded() {
	printf '[Unit]\nStopWhenUnneeded=yes\n[Service]\nType=exec\nExecStart=/bin/sleep 1000\n' | unit .service
	dependent "Requires=$t\\nAfter=$t\\n"
}
run_unneeded() {
	begin "$d"
	note "$t"
	ops requester systemctl stop "$d"
	finish "$t" "$d"
}

# ---- who asks: clients of every kind, over every socket ----

MANAGER_OBJECT=/org/freedesktop/systemd1
MANAGER_INTERFACE=org.freedesktop.systemd1.Manager

run_stop_dbus_send() {
	begin "$t"
	ops requester dbus-send --system --print-reply=literal --dest=org.freedesktop.systemd1 "$MANAGER_OBJECT" \
		$MANAGER_INTERFACE.StopUnit "string:$t" string:replace >/dev/null
	finish "$t"
}

run_stop_gdbus() {
	begin "$t"
	ops requester gdbus call --system --dest org.freedesktop.systemd1 --object-path "$MANAGER_OBJECT" \
		--method $MANAGER_INTERFACE.StopUnit "$t" replace >/dev/null
	finish "$t"
}

run_stop_enqueue() {
	begin "$t"
	ops requester busctl -q call org.freedesktop.systemd1 "$MANAGER_OBJECT" $MANAGER_INTERFACE \
		EnqueueUnitJob sss "$t" stop replace
	finish "$t"
}

# The unit is named by the object that is called, not by an argument.
run_stop_object() {
	begin "$t"
	ops requester busctl -q call org.freedesktop.systemd1 \
		"$MANAGER_OBJECT/unit/$(echo "$t" | sed 's/-/_2d/g; s/\./_2e/g')" org.freedesktop.systemd1.Unit Stop s replace
	finish "$t"
}

run_stop_big_endian() { begin "$t"; ops requester "$HELPERS/stop-client" one big private "$t"; finish "$t"; }
run_stop_two_writes() { begin "$t"; ops requester "$HELPERS/stop-client" one two private "$t"; finish "$t"; }
run_stop_no_block() { begin "$t"; ops requester systemctl stop --no-block "$t"; finish "$t"; }

units_stop_glob() { pair ''; }
run_stop_glob() { begin_pair; ops requester systemctl stop 'sc-stop-glob*.service'; finish "$t" "$d"; }

run_try_restart() { begin "$t"; ops requester systemctl try-restart "$t"; settle "$t" active/running/; show "$t"; }
run_reload_or_restart() { begin "$t"; ops requester systemctl reload-or-restart "$t"; settle "$t" active/running/; show "$t"; }
run_systemctl_kill_main() { begin "$t"; ops requester systemctl kill --kill-who=main -s KILL "$t" 2>/dev/null; finish "$t"; }

# The client does not wait for what it asked for.
show_restarted() {
	end=$(($(now) + SETTLE_SECS))
	while [ "$(systemctl show -P MainPID "$t")" = "$main" ] && [ "$(now)" -lt $end ]; do sleep 0.05; done
	settle "$t" active/running/
	show "$t"
}

mark() { systemctl set-property --runtime "$t" Markers=needs-restart; }
run_restart_marked() {
	! lacks Markers || return 0
	begin "$t"
	mark
	ops requester systemctl reload-or-restart --marked 2>/dev/null
	show_restarted
}

# What Varlink can stop: the units that somebody marked.
run_restart_varlink() {
	if ! varlinkctl introspect /run/systemd/io.systemd.Manager 2>/dev/null | grep -q EnqueueMarkedJobs; then
		skip="this systemd stops nothing by Varlink"
		return
	fi
	begin "$t"
	mark
	ops requester varlinkctl call --more -q /run/systemd/io.systemd.Manager io.systemd.Manager.EnqueueMarkedJobs '{}'
	show_restarted
}

# User daemon may stop units, nobody else may.
allow_daemon() {
	mkdir -p /etc/polkit-1/rules.d /etc/polkit-1/localauthority/50-local.d
	cat >/etc/polkit-1/rules.d/10-daemon.rules <<'S'
polkit.addRule(function(action, subject) {
	if (action.id == "org.freedesktop.systemd1.manage-units" && subject.user == "daemon")
		return polkit.Result.YES;
});
S
	# polkit before it spoke JavaScript
	printf '[a]\nIdentity=unix-user:daemon\nAction=org.freedesktop.systemd1.manage-units\nResultAny=yes\n' \
		>/etc/polkit-1/localauthority/50-local.d/daemon.pkla
}
units_stop_polkit() { allow_daemon; sleeper; }
run_stop_polkit() {
	begin "$t"
	ops requester setpriv --reuid=1 --regid=1 --clear-groups systemctl --no-ask-password stop "$t"
	finish "$t"
}

# Somebody who may not asks first: it was not him.
run_stop_denied_first() {
	begin "$t"
	! setpriv --reuid=65534 --regid=65534 --clear-groups systemctl --no-ask-password stop "$t" 2>/dev/null ||
		echo "#error nobody stopped $t"
	ops requester systemctl stop "$t"
	finish "$t"
}

units_stop_itself() {
	fifo
	printf '[Service]\nType=exec\nExecStart=/bin/sh %s/%s.sh\n' "$WORK" "$name" | unit .service
	printf 'read x <%s/%s.fifo\n%s/as %s/requester systemctl stop --no-block %s\nexec sleep 1000\n' \
		"$WORK" "$name" "$WORK" "$WORK" "$t" | script
}
run_stop_itself() { begin "$t"; trigger; finish "$t"; }

# The client's parents are gone before it asks: /proc has nothing of them any more.
run_stop_orphan() {
	begin "$t"
	"$WORK/ops-console" /dev/null sh -c "(exec </dev/null; sleep 0.3; exec $WORK/as $WORK/requester systemctl stop $t) &"
	finish "$t"
}

# A client in a cgroup as container managers name them.
run_stop_container() {
	begin "$t"
	systemd-run -q --scope --unit="docker-$(printf '0123456789abcdef%.0s' 1 2 3 4).scope" \
		"$WORK/ops-console" "$WORK/requester" systemctl stop "$t"
	finish "$t"
}

# Debian's cron runs @reboot jobs once a boot; it keeps that in a file.
run_stop_cron() {
	echo "@reboot root $WORK/as $WORK/requester systemctl stop $t" >/etc/cron.d/scenario
	rm -f /run/crond.reboot
	begin "$t"
	systemctl start cron
	finish "$t"
	rm /etc/cron.d/scenario
	systemctl stop cron
}

units_stop_sshd() {
	sleeper
	mkdir -p /root/.ssh
	for key in /etc/ssh/ssh_host_ed25519_key "$WORK/ssh-key"; do
		[ -e "$key" ] || ssh-keygen -q -t ed25519 -N '' -f "$key"
	done
	cp "$WORK/ssh-key.pub" /root/.ssh/authorized_keys
}
run_stop_sshd() {
	begin "$t"
	systemctl start ssh
	# typed into a login shell on a terminal
	echo "$WORK/as $WORK/requester systemctl stop $t; exit" |
		timeout $SETTLE_SECS ssh -tt -i "$WORK/ssh-key" -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR \
			root@127.0.0.1 >/dev/null 2>"$WORK/ssh.err" || cat "$WORK/ssh.err"
	finish "$t"
	systemctl stop ssh
}

# ---- which job pulled it in ----

units_bindsto_stop() { pair "BindsTo=$t\\nAfter=$t\\n"; }
run_bindsto_stop() { begin_pair; ops requester systemctl stop "$t"; finish "$t" "$d"; }

units_propagates() {
	printf '[Unit]\nPropagatesStopTo=%s\n[Service]\nType=exec\nExecStart=/bin/sleep 1000\n' "$d" | unit .service
	dependent "Before=$t\\n"
}
run_propagates() {
	! lacks PropagatesStopTo || return 0
	begin_pair
	ops requester systemctl stop "$t"
	finish "$t" "$d"
}

units_partof_restart() { pair "PartOf=$t\\nAfter=$t\\n"; }
run_partof_restart() {
	begin_pair
	ops requester systemctl restart "$t"
	settle "$d" active/running/
	settle "$t" active/running/
	show "$t" "$d"
}

# The third hangs on the second, which hangs on the first.
units_chain3() {
	pair "Requires=$t\\nAfter=$t\\n"
	printf '[Unit]\nPartOf=%s\nAfter=%s\n[Service]\nType=exec\nExecStart=/bin/sleep 1000\n' "$d" "$d" | unit -third.service
}
run_chain3() {
	begin "sc-$name-third.service" "$d" "$t"
	ops requester systemctl stop "$t"
	finish "$t" "$d" "sc-$name-third.service"
}

units_slice() { sleeper "Slice=sc-$name.slice\\n"; }
run_slice() { begin "$t"; ops requester systemctl stop "sc-$name.slice"; finish "$t"; }

# What is upheld comes back at once.
units_upholds() { sleeper; dependent "Upholds=$t\\nAfter=$t\\n"; }
run_upholds() {
	! lacks Upholds || return 0
	begin "$t" "$d"
	note "$t"
	ops requester systemctl stop "$t"
	settle "$t" active/running/
	show "$t"
	systemctl stop "$d"
}

# A unit that waits for something starts the rival.
trigger_unit() { # SUFFIX LINES
	sleeper
	rival
	printf '%b' "$2" | unit "$1"
}
triggered() { # SUFFIX [COMMAND…]
	watched=sc-$name$1
	shift
	begin "$t"
	systemctl start "$watched"
	[ $# = 0 ] || "$@"
	finish "$t"
	systemctl stop "$watched" "$d"
}
units_timer() { trigger_unit .timer "[Timer]\\nOnActiveSec=100ms\\nAccuracySec=1ms\\nUnit=$d\\n"; }
run_timer() { triggered .timer; }
units_path() { trigger_unit .path "[Path]\\nPathExists=$WORK/$name.trigger\\nUnit=$d\\n"; }
run_path() { triggered .path touch "$WORK/$name.trigger"; }
units_socket() { trigger_unit .socket "[Socket]\\nListenFIFO=$WORK/$name.socket\\nService=$d\\n"; }
run_socket() { triggered .socket timeout $SETTLE_SECS sh -c "echo x >$WORK/$name.socket"; }

# The dependent fails; what is to mend it is the rival.
units_on_failure() {
	sleeper
	dependent "OnFailure=sc-$name-mend.service\\n"
	printf '[Unit]\nConflicts=%s\n[Service]\nType=exec\nExecStart=/bin/sleep 1000\n' "$t" | unit -mend.service
}
run_on_failure() {
	begin "$t" "$d"
	kill_by_ops -9 "$main"
	finish "$t" "$d"
	systemctl stop "sc-$name-mend.service"
}

# A real-time signal to the manager isolates default.target.
units_signal_manager() {
	sleeper
	printf '[Unit]\nAllowIsolate=yes\nRequires=basic.target\nAfter=basic.target\n' >"$UNITS/default.target"
}
run_signal_manager() {
	begin "$t"
	ops killer /bin/kill -s RTMIN 1
	finish "$t"
	systemctl start bed.target
}

# ---- who sends the signal ----

kill_by_call() { # CALL [NUMBER]
	begin "$t"
	ops killer "$HELPERS/send-signal" "$1" "${2:-9}" "$main"
	finish "$t"
}
run_kill9_tkill() { kill_by_call tkill; }
run_kill9_tgkill() { kill_by_call tgkill; }
run_kill9_pidfd() { kill_by_call pidfd; }
run_kill9_queue() { kill_by_call queue; }
run_kill9_group() { kill_by_call group; }

# The kernel has no room to note whose signal it is, and delivers it all the same.
units_term_no_room() { sleeper 'LimitSIGPENDING=0\n'; }
run_term_no_room() { kill_by_call tgkill 15; }

run_cgroup_kill() {
	begin "$t"
	file=$(find /sys/fs/cgroup -path "*/$t/cgroup.kill")
	if [ -z "$file" ]; then
		skip="this kernel kills no cgroup"
		leftover=$t
		return
	fi
	ops killer sh -c "echo 1 >$file"
	finish "$t"
}

# The signal kills nobody: the process hears it and ends in good order.
units_term_handled() {
	printf '[Service]\nType=exec\nExecStart=/bin/sh %s/%s.sh\n' "$WORK" "$name" | unit .service
	printf "trap 'kill \$!; exit 0' TERM\nsleep 1000 &\n: >%s/%s.ready\nwait\n" "$WORK" "$name" | script
}
run_term_handled() {
	begin "$t"
	wait_for -e "$WORK/$name.ready"
	kill_by_ops -TERM "$main"
	finish "$t"
}

# The shell becomes the leader of the session that owns the terminal; nobody sends
# the signal but the terminal itself.
units_ctrl_c() {
	fifo
	printf '[Service]\nType=exec\nExecStart=/bin/sh %s/%s.sh\n' "$WORK" "$name" | unit .service
	script <<S
read tty <$WORK/$name.tty
exec sleep 1000 <"\$tty"
S
}
run_ctrl_c() {
	"$HELPERS/send-signal" terminal "$WORK/$name.tty" "$WORK/$name.fifo" &
	wait_for -s "$WORK/$name.tty"
	begin "$t"
	end=$(($(now) + SETTLE_SECS))
	until [ "$(cat "/proc/$main/comm")" = sleep ] || [ "$(now)" -ge $end ]; do sleep 0.02; done
	trigger
	finish "$t"
	wait $!
}

# The main process dies with its parent, which is the one that is killed.
units_pdeathsig() {
	forking "$(pid_file)"
	script <<S
( setpriv --pdeathsig KILL sleep 1000 & echo \$! >$WORK/$name.pid; sh -c 'echo \$PPID' >$WORK/$name.parent; wait ) &
while [ ! -s $WORK/$name.parent ]; do sleep 0.02; done
S
}
run_pdeathsig() {
	begin "$t"
	pid=$(cat "$WORK/$name.parent")
	note_pid victim "$pid"
	kill_by_ops -9 "$pid"
	finish "$t"
}

# The kernel's own: COMMAND runs as the main process once it is told to.
downfall() { # COMMAND [LINES]
	fifo
	printf '[Service]\nType=exec\nExecStart=/bin/sh %s/%s.sh\n%b' "$WORK" "$name" "${2:-}" | unit .service
	printf 'read x <%s/%s.fifo\nexec %s\n' "$WORK" "$name" "$1" | script
}
brought_down() { begin "$t"; trigger; finish "$t"; }
units_segv_self() { downfall "$HELPERS/send-signal segv"; }
run_segv_self() { brought_down; }

# What it dumps goes where the kernel is told to put it, which in a container is for the host to say.
dumping() { printf 'LimitCORE=infinity\\nWorkingDirectory=%s\\n' "$WORK"; }
dumps_cores() {
	case $(cat /proc/sys/kernel/core_pattern) in '' | /*) ;; *) return 0 ;; esac
	skip="core dumps go nowhere in here"
	return 1
}
units_core_abrt() { sleeper "$(dumping)"; }
run_core_abrt() { ! dumps_cores || { begin "$t"; kill_by_ops -ABRT "$main"; finish "$t"; }; }

units_core_restart() { downfall "$HELPERS/send-signal segv" "$(dumping)Restart=on-abort\nRestartSec=1h\n"; }
run_core_restart() {
	dumps_cores || return 0
	begin "$t"
	trigger
	settle "$t" activating/auto-restart/
	show "$t"
}

units_sigpipe() { downfall "$HELPERS/send-signal pipe" 'IgnoreSIGPIPE=no\n'; }
run_sigpipe() { brought_down; }
units_sigxfsz() { downfall "dd if=/dev/zero of=$WORK/$name.big bs=64K count=2" 'LimitFSIZE=64K\n'; }
run_sigxfsz() { brought_down; }
units_sigxcpu() { downfall 'sh -c "while :; do :; done"' 'LimitCPU=1:5\n'; }
run_sigxcpu() { brought_down; }
units_sigsys() { downfall "$HELPERS/send-signal sys"; }
run_sigsys() { brought_down; }

# Nobody is killed: the last process is put into another cgroup.
units_cgroup_moved() {
	forking 'GuessMainPID=no\n'
	echo "sleep 1000 & echo \$! >$WORK/$name.pid" | script
}
run_cgroup_moved() {
	begin "$t"
	last=$(cat "$WORK/$name.pid")
	for root in /sys/fs/cgroup/unified /sys/fs/cgroup /sys/fs/cgroup/systemd; do
		[ ! -e "$root/cgroup.procs" ] || break
	done
	elsewhere=$root/elsewhere
	mkdir -p "$elsewhere"
	ops killer sh -c "echo $last >$elsewhere/cgroup.procs"
	finish "$t"
	/bin/kill -9 "$last"
	wait_for ! -d "/proc/$last"
	rmdir "$elsewhere"
}

# systemd itself moves it: a client makes a scope of it, as container managers do.
units_cgroup_scope() { units_cgroup_moved; }
run_cgroup_scope() {
	begin "$t"
	last=$(cat "$WORK/$name.pid")
	note_pid victim "$last"
	ops requester busctl -q call org.freedesktop.systemd1 "$MANAGER_OBJECT" $MANAGER_INTERFACE StartTransientUnit \
		'ssa(sv)a(sa(sv))' "sc-$name.scope" fail 1 PIDs au 1 "$last" 0
	finish "$t"
	systemctl stop "sc-$name.scope"
}

# A scope is a unit without a process of its own: others bring theirs along.
units_scope() { printf '[Unit]\nIgnoreOnIsolate=yes\nAfter=sc-%s.scope\n' "$name" | unit -hold.target; }
begin_scope() { # [OPTION…] COMMAND…
	u=sc-$name.scope
	systemctl start "sc-$name-hold.target"
	systemd-run -q --scope --unit="$u" "$@" &
	settle "$u" active/running/
	note "$u"
}

units_scope_stop() { units_scope; }
run_scope_stop() { begin_scope sleep 1000; ops requester systemctl stop "$u"; finish "$u"; }

units_scope_timeout() {
	units_scope
	echo "trap '' TERM; echo \$\$ >$WORK/$name.pid; while :; do sleep 1; done" | script
}
run_scope_timeout() {
	begin_scope -p TimeoutStopSec=2s sh "$WORK/$name.sh"
	wait_for -s "$WORK/$name.pid"
	ops requester systemctl stop "$u"
	finish "$u"
}

units_scope_runtime() { units_scope; }
run_scope_runtime() { begin_scope -p RuntimeMaxSec=2s sleep 1000; finish "$u"; }

units_scope_killed() {
	units_scope
	echo "echo \$\$ >$WORK/$name.pid; exec sleep 1000" | script
}
run_scope_killed() {
	begin_scope sh "$WORK/$name.sh"
	wait_for -s "$WORK/$name.pid"
	pid=$(cat "$WORK/$name.pid")
	note_pid victim "$pid"
	kill_by_ops -9 "$pid"
	finish "$u"
}

units_scope_exit() {
	units_scope
	fifo
	echo "read x <$WORK/$name.fifo" | script
}
run_scope_exit() { begin_scope sh "$WORK/$name.sh"; trigger; finish "$u"; }

# ---- running them ----

all_scenarios() { sed -nE 's/^run_([a-z0-9_]+)\(\).*/\1/p' "$0" | tr '\n' ' '; }

names() { # SCENARIO: sets $name, $t and $d
	name=$(unit_name "$1")
	t=sc-$name.service
	d=sc-$name-dep.service
}

# as FILE COMMAND…: becomes COMMAND, with its PIDs in FILE.
# ops-console FILE COMMAND…: runs it as a child.
write_consoles() {
	cat >"$WORK/as" <<'S'
#!/bin/sh
out=$1 host=$$
shift
[ ! -e /run/bed/proc/self/stat ] || read -r host rest </run/bed/proc/self/stat
echo "$$ $host" >"$out"
exec "$@"
S
	cat >"$WORK/ops-console" <<'S'
#!/bin/sh
/run/scenarios/as "$@"
exit $?
S
	chmod 755 "$WORK/as" "$WORK/ops-console"
}

# All units at once: a reload takes long under emulation. systemd forgets a unit
# which is at rest and not referred to, and with it how it ended: hence the target.
write_units() { # SCENARIO…
	printf '[Unit]\nIgnoreOnIsolate=yes\n' >"$UNITS/sc-hold.target"
	for s; do
		names "$s"
		rm -f "$WORK/$name.fifo"
		if command -v "units_$s" >/dev/null; then "units_$s"; else sleeper; fi
		printf 'After=%s %s %s\n' "$t" "$d" "sc-$name-third.service" >>"$UNITS/sc-hold.target"
	done
	systemctl daemon-reload
	systemctl start sc-hold.target
}

save_journal() { # SCENARIO CURSOR
	journalctl --sync 2>/dev/null
	journalctl -q --after-cursor "$2" -o json >"$journal_dir/$1.json"
}

cursor() { journalctl -n0 --show-cursor -q | sed -n 's/^-- cursor: //p'; }

one_scenario() { # SCENARIO
	names "$1"
	skip='' leftover='' main=0
	rm -f "$WORK/killer" "$WORK/victim" "$WORK/requester" "$WORK"/note.* "$WORK"/props.*
	[ -z "$journal_dir" ] || from=$(cursor)
	echo "#scenario $1"
	"run_$1" 2>&1
	if [ -n "$skip" ]; then echo "#skip $1 $skip"; else echo "#end $1"; fi
	[ -z "$journal_dir" ] || save_journal "$1" "$from"
	# shellcheck disable=SC2086
	[ -z "$leftover" ] || systemctl stop $leftover
}

main() {
	journal_dir=''
	case ${1:-} in
	-h | --help) usage; exit 0 ;;
	-l) all_scenarios | tr ' ' '\n' | grep .; exit 0 ;;
	-j) journal_dir=$2; shift 2; mkdir -p "$journal_dir" ;;
	esac
	# shellcheck disable=SC2046
	[ $# -gt 0 ] || set -- $(all_scenarios)
	for s; do
		command -v "run_$s" >/dev/null || { echo "scenarios.sh: no scenario $s; -l lists them" >&2; exit 2; }
	done
	[ -f /etc/systemd/system/bed.target ] || { echo "scenarios.sh: this is no test bed; run it by tests/vm/bed or tests/vm/guest" >&2; exit 2; }
	mkdir -p "$WORK" "$UNITS"
	cd / || exit
	write_consoles
	write_units "$@"
	for s; do one_scenario "$s"; done
}

main "$@"
