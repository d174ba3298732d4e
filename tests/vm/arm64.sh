#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# tests/vm/arm64.sh SUITE…: the four causes in an emulated arm64 guest, by a cross-built svctrace.
# Prints TAP; needs root, and an amd64 machine.
set -euo pipefail
export LC_ALL=C

HERE=$(cd "$(dirname "$0")" && pwd)
SCENARIOS='stop_systemctl restart_systemctl kill9_main exit3 cgempty_nopidfile cgempty_notchild'

one_suite() { # SUITE
	cp "$HERE/scenarios.sh" "$HERE/watch" "$HERE/../../build-arm64/svctrace.static" "$work/"
	ARCH=arm64 "$HERE/guest" -t 300 -d "$work" -o "$work/results" "$1" \
		"sh ./watch trace 'sh ./scenarios.sh $SCENARIOS >trace.steps' ./svctrace.static --json -v" &&
		"$HERE/check-verdicts" "$work/results/trace.steps" "$work/results/trace.out" &&
		mkdir -p "$json_dir" && cp "$work/results/trace.out" "$json_dir/$1-arm64.json"
}

main() {
	local suite failures=0
	json_dir=${JSON_DIR:-$HERE/../../build/test-logs/json}
	if [ "$(dpkg --print-architecture)" != amd64 ]; then
		echo "ok - arm64 guests # SKIP they are emulated on amd64 machines only"
		return
	fi
	work=$(mktemp -d)
	trap 'rm -rf "$work"' EXIT
	if ! "$HERE/../../tools/cross-arm64" >"$work/log" 2>&1; then
		echo "not ok - svctrace is built for arm64"
		tail -n 30 "$work/log" | sed 's/^/# /'
		return 1
	fi
	echo "ok - svctrace is built for arm64"
	for suite; do
		if (one_suite "$suite") >"$work/log" 2>&1; then
			echo "ok - arm64 $suite: the four causes, and the hidden kill"
		else
			echo "not ok - arm64 $suite: the four causes, and the hidden kill"
			tail -n 30 "$work/log" | sed 's/^/# /'
			failures=1
		fi
	done
	return $failures
}

main "$@"
