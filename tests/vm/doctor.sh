#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck disable=SC2016,SC2317,SC2329 # quotes are expanded in the bed; checks run by name
#
# svctrace doctor, and the capabilities that tracing takes and gives up, in each situation in which
# people run it. Prints TAP.
set -euo pipefail
export LC_ALL=C

HERE=$(cd "$(dirname "$0")" && pwd)
SCHEMA=$HERE/../../docs/schema/doctor.schema.json

# As linux/capability.h numbers them.
BPF=39 PERFMON=38 SYS_ADMIN=21 SYS_PTRACE=19 SYS_RESOURCE=24

usage() {
	cat <<'USAGE'
usage: tests/vm/doctor.sh SVCTRACE SUITE [bed|guest]

Runs svctrace doctor in the container and in the guest of SUITE, or in one of them.
SVCTRACE must be static. Needs root.
USAGE
}

# Does a command succeed? What it printed is shown if not.
check() { # NAME COMMAND…
	local name=$1
	shift
	if "$@" >"$work/log" 2>&1; then
		echo "ok - doctor $suite $name"
	else
		echo "not ok - doctor $suite $name"
		sed 's/^/# /' "$work/log" | tail -n 30
		failures=$((failures + 1))
	fi
}

# A run ended with that code, and what it printed has each of these lines.
ended() { # NAME CODE PATTERN…
	local name=$1 code=$2 p bad=0
	shift 2
	[ "$(cat "$work/$name.rc")" = "$code" ] || { echo "exit code $(cat "$work/$name.rc"), not $code"; bad=1; }
	for p; do
		grep -qE -- "$p" "$work/$name.out" "$work/$name.err" || { echo "not found: $p"; bad=1; }
	done
	[ "$bad" = 0 ] || { cat "$work/$name.out" "$work/$name.err"; return 1; }
}

# The exit code says what the lines say: 0 without a loss, 1 with one.
agrees() { # NAME
	local lost=0
	grep -qE '^  (lost|missing) ' "$work/$1.out" && lost=1
	case $lost in
	0) ended "$1" 0 '^Live tracing works here, fully' ;;
	*) ended "$1" 1 '^Live tracing works here, with losses: ' '^Next: ' ;;
	esac
}

valid() { # NAME
	python3 - "$SCHEMA" "$work/$1.out" <<-'PY'
		import json, sys
		import jsonschema
		schema, text = json.load(open(sys.argv[1])), open(sys.argv[2], encoding="utf-8", errors="strict").read()
		jsonschema.Draft7Validator.check_schema(schema)
		jsonschema.Draft7Validator(schema).validate(json.loads(text))
		sys.exit(text.count("\n") != 1)
	PY
}

# ---- the container, on this kernel ----

run_bed() {
	"$HERE/bed" -d "$files" -o "$work" -H 'cd "$BED_HOST" || exit
		./svctrace doctor --manager="$BED_PID" >outside.out 2>outside.err; echo $? >outside.rc
		./svctrace doctor --json >outside_json.out 2>outside_json.err; echo $? >outside_json.rc' "$suite" '
		./svctrace doctor >inside.out 2>inside.err; echo $? >inside.rc
		./svctrace >live.out 2>live.err; echo $? >live.rc'
}

test_bed() {
	check 'bed: runs' run_bed
	check 'bed: from outside, exit code and lines agree' agrees outside
	check 'bed: from outside, the container is found' grep -q "libsystemd-core\|/systemd: build-id" "$work/outside.out"
	check 'bed: JSON is valid' valid outside_json
	check 'bed: inside, it says to go outside' ended inside 2 'missing +pid namespace' \
		'^Next: Run svctrace on the machine itself'
	check 'bed: inside, live tracing refuses likewise' ended live 1 'this is a container' \
		'Run svctrace on the machine itself'
}

# ---- the guest ----

# What svctrace(8) says of kernels before 5.11, before 6.6, and from then on.
needed_capabilities() {
	case $suite in
	bullseye) echo "$SYS_ADMIN $SYS_PTRACE $SYS_RESOURCE" ;;
	bookworm) echo "$SYS_ADMIN $SYS_PTRACE" ;;
	*) echo "$BPF $PERFMON $SYS_PTRACE" ;;
	esac
}

kept_capabilities() {
	case $suite in
	bullseye | bookworm) echo 000001c000280004 ;;
	*) echo 000001c000080004 ;;
	esac
}

run_guest() {
	"$HERE/guest" -t 400 -d "$files" -o "$work" "$suite" "sh ./doctor-steps $(needed_capabilities)"
}

test_guest_doctor() {
	check 'root: exit code and lines agree' agrees full
	check 'root: every probe has its line' ended full "$(cat "$work/full.rc")" \
		'(ok|-) +service_enter_stop .*uprobe' 'ok +complete_signal +tp_btf' 'ok +cgroup +v2' \
		'ok +name references +used'
	case $suite in
	bullseye) ;;
	*) check 'root: nothing is lost' ended full 0 ;;
	esac
	check 'root: JSON is valid' valid json
	check 'root: JSON has the same exit code' ended json "$(cat "$work/full.rc")" '"status":"(full|losses)"'
	check 'one manager: JSON is valid' valid one
	check 'nobody: all that can be told, and what to do' ended nobody 2 'ok +release' 'ok +BTF' 'ok +cgroup' \
		'missing +CAP_PERFMON' 'missing +CAP_SYS_PTRACE' 'unprivileged_bpf_disabled' \
		'^Next: Run it as root \(sudo svctrace\), or give it CAP_BPF'
	check 'nobody: JSON is valid' valid nobody_json
	check 'no BTF' ended no_types 2 'missing +BTF' '^Next: Boot a kernel with CONFIG_DEBUG_INFO_BTF' 'ok +functions'
	check 'no BTF, but --btf' ended given_types "$(cat "$work/full.rc")" 'ok +BTF +/run/types'
	check 'lockdown' ended lockdown 2 'missing +lockdown +confidentiality' '^Next: Boot without lockdown'
}

test_guest_capabilities() {
	check 'the needed capabilities do' ended capabilities 0 'doctored.service'
	check 'without CAP_SYS_PTRACE it is named' ended "without_$SYS_PTRACE" 1 'give it CAP_SYS_PTRACE'
	case $suite in
	bullseye)
		check 'without CAP_SYS_RESOURCE it is named' ended "without_$SYS_RESOURCE" 1 'give it CAP_SYS_RESOURCE'
		;;&
	bullseye | bookworm)
		check 'without CAP_SYS_ADMIN it is named' ended "without_$SYS_ADMIN" 1 'CAP_BPF, CAP_PERFMON, CAP_SYS_ADMIN'
		;;
	*)
		check 'without CAP_BPF it is named' ended "without_$BPF" 1 'give it CAP_BPF\.'
		check 'without CAP_PERFMON it is named' ended "without_$PERFMON" 1 'give it CAP_PERFMON\.'
		;;
	esac
	check 'all others are given up' grep -qx "CapEff:.$(kept_capabilities)" "$work/status"
	check 'and none comes back' grep -qx 'NoNewPrivs:.1' "$work/status"
	check 'what is kept attaches to a replaced systemd' ended later 0 'tracing process 1 too' 'doctored.service'
	check 'a replaced systemd takes CAP_DAC_READ_SEARCH' ended replaced 2 '^Next: .*CAP_DAC_READ_SEARCH'
}

main() {
	local kinds=${3:-bed guest}
	case ${1:-} in -h | --help) usage; exit 0 ;; esac
	[ $# -ge 2 ] || { usage >&2; exit 2; }
	suite=$2 failures=0
	case $suite in *-backports) kinds=${kinds/guest/} ;; esac # its kernel is the suite's own
	work=$(mktemp -d "${TMPDIR:-/tmp}/svctrace-doctor.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	files=$work/files
	mkdir "$files"
	cp "$1" "$files/svctrace"
	cp "$HERE/doctor-steps" "$files/"
	case $kinds in *bed*) test_bed ;; esac
	case $kinds in
	*guest*)
		check 'guest: runs' run_guest
		test_guest_doctor
		test_guest_capabilities
		;;
	esac
	[ $failures = 0 ]
}

# on one line: bash must not read on in a file that somebody edits meanwhile
main "$@"; exit
