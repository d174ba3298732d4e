#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# hangs.sh [TOLD]: in a guest, one after another, what hangs on FUSE and what only looks like it, and a
# service and a scope whose stops time out on it. Each case's "ready …" line is in out.CASE.
#
# The fuse module is there before svctrace is, so that svctrace sees the first case, too.
#
# TOLD is what svctrace --json writes meanwhile: each case lasts until it is told there. Without that
# it lasts for 10 s.

told=${1:-}

number() { sed -n "s/.*$2=\([0-9]*\).*/\1/p" "out.$1"; }

# up to 60 s; the emulated CPU is slow. Each look is in a recording.
wait_until() {
	i=0
	until "$@" || [ $((i = i + 1)) -gt 120 ]; do sleep 0.5; done
}

is_told() { grep "$2" "$told" | grep -q "\"process.pid\":$(number "$1" init),"; }
is_gone() { [ ! -e "/proc/$(number "$1" init)" ]; }

last() { # CASE KIND
	if [ -n "$told" ]; then wait_until is_told "$@"; else sleep 10; fi
}

hang() { # [-w] CASE
	for case; do :; done
	./fuse-hang "$@" >"out.$case" &
	wait_until grep -q ready "out.$case"
}

# The process with the threads, of the namespace's.
daemon_of() { # CASE
	for pid in $(pgrep -P "$(number "$1" init)"); do
		! grep -q '^Threads:.2$' "/proc/$pid/status" || echo "$pid"
	done
}

is_dead() { grep -q '^State:.Z' "/proc/$1/status" && [ "$(ls "/proc/$1/task")" = "$1" ]; }

# Hangs only if the daemon is dead when the other one ends.
hang_inherit_below() {
	hang -w inherit-below
	daemon=$(daemon_of inherit-below)
	kill -9 "$daemon"
	wait_until is_dead "$daemon"
	kill -9 "$(number inherit-below init)"
}

abort() { # CASE
	echo 1 >"/run/ctl/$(number "$1" connection)/abort"
	wait_until is_gone "$1"
}

deadlocks() {
	for case in self inherit-above inherit-below nested; do
		if [ $case = inherit-below ]; then hang_inherit_below; else hang $case; fi
		last $case fuse-deadlock
		kill -9 "$(number $case init)" # as who finds it would try: it wakes nobody
		abort $case
	done
}

# Linux 5.10 does not tell who has the device open.
case $(uname -r) in 5.10.*) stopped=fuse-daemon-silent ;; *) stopped=fuse-daemon-stopped ;; esac

# Its daemon lives, or comes back.
no_deadlocks() {
	for case in bystander slow restarted stopped big-flush teardown; do
		hang $case
		case $case in
		slow | restarted) last $case '"kind":"fuse-' ;;
		stopped) last $case "\"kind\":\"$stopped\"" ;;
		esac
		: >"go.$case"
		[ $case != stopped ] || kill -CONT "$(number stopped daemon)"
		wait_until is_gone $case
	done
}

service() {
	printf '%s\n' '[Service]' "ExecStart=$PWD/fuse-hang self" KillSignal=SIGCONT TimeoutStopSec=4 \
		"StandardOutput=file:$PWD/out.service" >/run/systemd/system/sc-hang.service
	systemctl daemon-reload
	systemctl start sc-hang
	wait_until grep -q ready out.service
	systemctl stop --no-block sc-hang
	wait_until systemctl is-failed -q sc-hang
	if [ -n "$told" ]; then wait_until grep -q 'unit.name":"sc-hang.service' "$told"; else sleep 5; fi
	abort service
	systemctl reset-failed sc-hang
}

scope() {
	systemd-run -q --scope --unit=sc-hang.scope -p KillSignal=SIGCONT -p TimeoutStopSec=4 \
		./fuse-hang self >out.scope &
	wait_until grep -q ready out.scope
	systemctl stop --no-block sc-hang.scope
	wait_until systemctl is-failed -q sc-hang.scope
	if [ -n "$told" ]; then wait_until grep -q 'unit.name":"sc-hang.scope' "$told"; else sleep 5; fi
	abort scope
	systemctl reset-failed sc-hang.scope
}

mkdir -p /run/ctl
mount -t fusectl none /run/ctl
deadlocks
no_deadlocks
service
scope
sleep 2
