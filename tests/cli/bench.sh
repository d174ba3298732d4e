#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# tests/cli/bench.sh: the benchmark's tables from measurements that are written here. Nothing is measured.
set -uo pipefail

BENCH=$(cd "$(dirname "$0")/../bench" && pwd)
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

# A run in which svctrace adds so many instructions to a signal, bpftrace 100.
write_run() { # FILE ADDED
	cat >"$1" <<-JSON
		{"machine": {"when": "2025-01-01", "commit": "x", "kernel": "6", "cpu": "x", "cpus": 2, "load": 1,
		  "quick": false, "guest": "trixie", "bed": "bookworm"},
		 "samples": {"guest-signal-service": {"unit": "instructions", "none": [1000, 1000, 5000],
		  "svctrace": [$((1000 + $2))], "bpftrace": [1100]}}}
	JSON
}

write_run "$TMP/good" 50
write_run "$TMP/bad" 200
row() { "$BENCH/bench" --table "$TMP/$1" | grep -F "| a signal within a service | $2 |"; }
as_test 'bench: medians, ratio, goal met' row good '+50, bpftrace +100, of 1.0 k | 0.5 × | ≤ 1 ×'
as_test 'bench: a goal that is not met is said' row bad '+200, bpftrace +100, of 1.0 k | 2 × (not met) | ≤ 1 ×'
as_test 'bench: what was not measured is said' sh -c "'$BENCH/bench' --table '$TMP/good' | grep -qF '| not measured |'"
# What failed is named in each row that is made of it, and in no other.
sed 's/"samples"/"failures": {"guest\/bpftrace-same": "no | such\\nprobe", "native\/loss": "late"}, &/' "$TMP/good" >"$TMP/failed"
says() { { "$BENCH/bench" --table "$TMP/failed" || true; } 2>/dev/null | grep -cE "$1" | grep -qx "$2"; }
as_test 'bench: why it was not measured is said' says '\| (start until probes are live|peak RSS of the start).* \| not measured: no / such probe \|' 2
as_test 'bench: a part that failed is said' says 'records a second without a loss.* \| not measured: late \|' 1
as_test 'bench: others are not blamed for it' says '\| not measured: ' 4
as_test 'bench: what failed is an error, and the tables are there' sh -c "! '$BENCH/bench' --table '$TMP/failed' >'$TMP/table' 2>'$TMP/why' &&
	grep -qF '| a signal within a service | +50,' '$TMP/table' && grep -qF 'guest/bpftrace-same, native/loss' '$TMP/why'"
as_test 'bench compare: the same run' "$BENCH/compare" "$TMP/good" "$TMP/good"
as_test 'bench compare: better' "$BENCH/compare" "$TMP/bad" "$TMP/good"
as_test 'bench compare: worse is an error' sh -c "! '$BENCH/compare' '$TMP/good' '$TMP/bad' | grep -q 'no such' && '$BENCH/compare' '$TMP/good' '$TMP/bad' | grep -q '+300.0 %  WORSE'"
