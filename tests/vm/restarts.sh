#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Services that end in every way that Restart= tells apart, each with each of its settings, all at
# once. Runs under the systemd of a test bed, never on a machine that matters. What is restarted waits
# an hour for it, so that systemd can be asked in peace what it decided.

UNITS=/run/systemd/system
WORK=/run/restarts
SETTLE_SECS=60
WAYS='success exit-code clean-signal signal core-dump start-timeout runtime-max watchdog protocol resources condition'
SETTINGS='no always on-success on-failure on-abnormal on-abort on-watchdog'
SHOWN=Id,LoadState,Result,ActiveState,SubState,Restart,NRestarts,RestartUSec,RestartUSecNext,StartLimitBurst,StartLimitIntervalUSec

usage() {
	cat <<'USAGE'
usage: tests/vm/restarts.sh [WAY…]

Only the WAYs of ending, where they are named; else all but oom, which needs a memory
controller, and what else a restart depends on. Prints, in systemd's own words, a line for each unit: what it is configured to and whether it waits
for a restart (SubState=auto-restart) or not.
  #restart UNIT Result=… SubState=… Restart=… NRestarts=… …
  #delay UNIT NRestarts=… RestartUSecNext=…     (of each restart of a unit with RestartSteps=)
USAGE
}

unit() { # NAME SERVICE-LINES [UNIT-LINES]
	printf '[Unit]\nStartLimitIntervalSec=1h\nStartLimitBurst=100\n%b[Service]\nRestartSec=1h\n%b' "${3:-}" "$2" \
		>"$UNITS/rt-$1.service"
}

# A service that ends in this way by itself, soon after it was started.
ending() { # WAY
	case $1 in
	success) lines='ExecStart=/bin/true' ;;
	exit-code) lines='ExecStart=/bin/sh -c "exit 3"' ;;
	clean-signal) lines='ExecStart=/bin/sh -c "kill -TERM $$$$"' ;;
	signal) lines='ExecStart=/bin/sh -c "kill -USR1 $$$$"' ;;
	core-dump) lines='LimitCORE=infinity\nWorkingDirectory=/tmp\nExecStart=/bin/sh -c "kill -ABRT $$$$"' ;;
	start-timeout) lines='Type=notify\nTimeoutStartSec=1s\nExecStart=/bin/sleep 1000' ;;
	runtime-max) lines='RuntimeMaxSec=1s\nExecStart=/bin/sleep 1000' ;;
	watchdog) lines='WatchdogSec=1s\nExecStart=/bin/sleep 1000' ;;
	protocol) lines='Type=notify\nExecStart=/bin/true' ;;
	resources) lines='EnvironmentFile=/nonexistent\nExecStart=/bin/true' ;;
	condition) lines='ExecCondition=/bin/false\nExecStart=/bin/true' ;;
	oom) lines='Type=exec\nMemoryMax=8M\nMemorySwapMax=0\nExecStart=/usr/bin/tail /dev/zero' ;;
	esac
	printf '%s\\n' "$lines"
}

write_table() { # WAY…
	for setting in $SETTINGS; do
		for way; do
			unit "$setting-$way" "Restart=$setting\\n$(ending "$way")"
		done
	done
}

# What comes before Restart=.
write_exceptions() {
	unit prevent "Restart=always\\nRestartPreventExitStatus=3\\n$(ending exit-code)"
	unit prevent-signal "Restart=always\\nRestartPreventExitStatus=SIGUSR1\\n$(ending signal)"
	unit prevent-other "Restart=always\\nRestartPreventExitStatus=4 SIGUSR2\\n$(ending exit-code)"
	unit prevent-force "RestartForceExitStatus=3\\nRestartPreventExitStatus=3\\n$(ending exit-code)"
	unit force "RestartForceExitStatus=3\\n$(ending exit-code)"
	unit force-signal "RestartForceExitStatus=SIGUSR1\\n$(ending signal)"
	unit force-255 'RestartForceExitStatus=255\nExecStart=/bin/sh -c "exit 255"\n'
	# (some releases refuse to load this one)
	unit force-oneshot "Type=oneshot\\nSuccessExitStatus=3\\nRestartForceExitStatus=3\\n$(ending exit-code)"
	unit success-failure "Restart=on-failure\\nSuccessExitStatus=3\\n$(ending exit-code)"
	unit success-success "Restart=on-success\\nSuccessExitStatus=SIGUSR1\\n$(ending signal)"
}

# The target pulls all of them in and keeps them loaded.
start_table() {
	{
		echo '[Unit]'
		for f in "$UNITS"/rt-*.service; do echo "Wants=${f##*/}"; done
	} >"$UNITS/rt.target"
	systemctl daemon-reload
	systemctl start --no-block rt.target
}

now() {
	read -r up _ </proc/uptime
	echo "${up%.*}"
}

# Until COMMAND succeeds.
wait_until() { # COMMAND…
	end=$(($(now) + SETTLE_SECS))
	until "$@"; do
		[ "$(now)" -lt $end ] || { echo "#slow $*"; return; }
		sleep 0.2
	done
}

is_state() { # UNIT STATE
	[ "$(systemctl show -P SubState "$1")" = "$2" ]
}

# All of them wait for a restart, or came to rest after they were started, or cannot be started.
have_ended() { # UNIT…
	systemctl show -p Id,LoadState,SubState,InactiveEnterTimestampMonotonic "$@" | awk -F= '
		/^LoadState/ { load = $2 }
		/^SubState/ { state = $2 }
		/^Inactive/ { ended = $2 > 0 }
		/^$/ { check() }
		END { check(); exit left }
		function check() {
			left += !(state == "" || load == "bad-setting" || state == "failed" || state == "auto-restart" || state == "dead" && ended)
			state = ""
		}'
}

show() { # UNIT… (the last with $more)
	systemctl show -p "$SHOWN" "$@" | awk -v more="${more:-}" '
		/^$/ { put(); next }
		/^Id=/ { id = substr($0, 4); next }
		{ gsub(/ /, "_"); line = line " " $0 }
		END { line = line more; put() }
		function put() { if (id != "") print "#restart " id line; id = line = "" }'
}

run_table() { # WAY…
	write_table "$@"
	start_table
	names=$(cd "$UNITS" && echo rt-*.service)
	# shellcheck disable=SC2086
	wait_until have_ended $names
	# shellcheck disable=SC2086
	show $names
}

# ---- what somebody asks for ----

begin() { # NAME SERVICE-LINES [UNIT-LINES]
	unit "$@"
	systemctl daemon-reload
	systemctl start "rt-$1"
}

run_stopped() {
	begin stopped 'Restart=always\nExecStart=/bin/sleep 1000\n'
	systemctl stop rt-stopped
	show rt-stopped.service
}

run_restarted() {
	begin restarted 'Restart=always\nExecStart=/bin/sleep 1000\n'
	systemctl restart rt-restarted
	show rt-restarted.service
}

# Its process dies while its stop job waits for that of another.
run_stop_job() {
	mkfifo "$WORK/fifo"
	begin stop-job 'Restart=always\nExecStart=/bin/sleep 1000\n'
	begin waits "ExecStart=/bin/sleep 1000\\nExecStop=/bin/sh -c 'read x <$WORK/fifo'\\n" 'After=rt-stop-job.service\n'
	systemctl stop --no-block rt-waits
	wait_until is_state rt-waits stop
	systemctl stop --no-block rt-stop-job
	main=$(systemctl show -P MainPID rt-stop-job)
	[ "$main" -gt 1 ] && kill -9 "$main"
	wait_until is_state rt-stop-job failed
	show rt-stop-job.service
	echo go >"$WORK/fifo"
}

run_called_off() {
	unit called-off "Restart=always\\n$(ending exit-code)"
	systemctl daemon-reload
	systemctl start rt-called-off
	wait_until is_state rt-called-off auto-restart
	systemctl stop rt-called-off
	show rt-called-off.service
}

# Two starts are allowed: the third is refused, whatever Restart= says.
run_start_limit() {
	for setting in $SETTINGS; do
		unit "limit-$setting" "Restart=$setting\\n$(ending exit-code)" 'StartLimitBurst=2\n'
	done
	systemctl daemon-reload
	limited=$(cd "$UNITS" && echo rt-limit-*.service)
	# shellcheck disable=SC2086
	for _ in 1 2 3; do
		systemctl restart $limited 2>/dev/null
		wait_until have_ended $limited
	done
	# shellcheck disable=SC2086
	show $limited
}

# Restarts by itself until it may not.
run_loop() {
	unit loop "Restart=on-failure\\nRestartSec=10ms\\n$(ending exit-code)" 'StartLimitBurst=3\n'
	systemctl daemon-reload
	systemctl start rt-loop
	wait_until is_state rt-loop failed
	show rt-loop.service
}

# With a poweroff.target that powers nothing off: whether it is started tells whether systemd meant to.
run_actions() {
	echo '[Unit]' >"$UNITS/poweroff.target"
	unit action-limit "$(ending exit-code)" 'StartLimitBurst=1\nStartLimitAction=poweroff\n'
	unit action-failure "$(ending exit-code)" 'FailureAction=poweroff\nSuccessAction=reboot\n'
	unit action-success 'Type=oneshot\nExecStart=/bin/true\n' 'FailureAction=reboot\nSuccessAction=poweroff\n'
	unit action-restart "Restart=on-failure\\n$(ending exit-code)" 'FailureAction=poweroff\n'
	systemctl daemon-reload
	systemctl start rt-action-limit
	wait_until is_state rt-action-limit failed
	for name in limit failure success restart; do
		systemctl start "rt-action-$name" 2>/dev/null
		wait_until is_at_rest "rt-action-$name"
		more=" Action=$(is_powering_off && echo yes || echo no)" show "rt-action-$name.service"
		systemctl stop poweroff.target
		wait_until is_state poweroff.target dead
	done
}

is_at_rest() { # UNIT
	systemctl show -P SubState "$1" | grep -qxE 'dead|failed|auto-restart'
}

is_powering_off() {
	systemctl show -p ActiveState,Job poweroff.target | grep -qE '=active|Job=[1-9]'
}

# Each delay, as systemd tells it while it waits.
run_steps() {
	unit steps "Restart=always\\nRestartSec=1s\\nRestartSteps=2\\nRestartMaxDelaySec=5s\\n$(ending exit-code)"
	systemctl daemon-reload
	systemctl start rt-steps
	wait_until shows_steps
	systemctl stop rt-steps
	sort -u "$WORK/steps"
}

shows_steps() {
	systemctl show -p NRestarts,RestartUSec,RestartUSecNext,SubState rt-steps | sort | tr '\n' ' ' >"$WORK/step"
	! grep -q 'SubState=auto-restart ' "$WORK/step" ||
		sed 's/^/#delay rt-steps.service /; s/ SubState=.*$/\n/' "$WORK/step" >>"$WORK/steps"
	grep -q NRestarts=3 "$WORK/steps" 2>/dev/null
}

case ${1:-} in -h | --help) usage; exit ;; esac
mkdir -p "$WORK"
if [ $# -gt 0 ]; then
	run_table "$@"
	exit
fi
write_exceptions
# shellcheck disable=SC2086
run_table $WAYS
run_stopped
run_restarted
run_stop_job
run_called_off
run_start_limit
run_loop
run_actions
run_steps
