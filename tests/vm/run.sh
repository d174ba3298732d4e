#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck disable=SC2317,SC2329 # the tests are called by name
#
# The tests which need real systemds and kernels. Prints TAP.
#
# To add a test: write a function bed_NAME (container) or guest_NAME and add NAME
# to BED_TESTS or GUEST_TESTS. It runs in a subshell with
#   $suite     the suite                  $work    an empty folder of its own
#   $svctrace  the binary under test      $files   a folder for -d: scenarios.sh, its helpers,
#                                                  svctrace
# and passes when it returns 0. What it prints becomes the diagnostic of a failure.
# 77 skips it, with the last line printed as the reason.
#
# RECORDINGS=DIR: what svctrace saw in a guest test that passed is kept as DIR/SUITE-NAME.trace
# (tools/golden makes its recordings so).
set -euo pipefail
export LC_ALL=C

HERE=$(cd "$(dirname "$0")" && pwd)
BED_TESTS="boots tears_down tears_down_on_failure tears_down_on_signal two_at_once host_pids"
GUEST_TESTS="boots boots_cold returns_files ends_on_panic two_at_once"
# What does not depend on the suite is tested on one of them, unless asked for by name.
ONCE_SUITE=bookworm
ONCE="bed_tears_down bed_tears_down_on_failure bed_tears_down_on_signal bed_two_at_once bed_host_pids
	guest_boots_cold guest_returns_files guest_ends_on_panic guest_two_at_once"
SUITE_TOOL=$HERE/../../tools/suite
json_dir=${JSON_DIR:-$HERE/../../build/test-logs/json}
CGROUP_V1='systemd.unified_cgroup_hierarchy=0 systemd.legacy_systemd_cgroup_controller=1'

# shellcheck source=steady.sh
. "$HERE/steady.sh"
# shellcheck source=svctrace-tests.sh
. "$HERE/svctrace-tests.sh"
# shellcheck source=bus-tests.sh
. "$HERE/bus-tests.sh"
# shellcheck source=record-tests.sh
. "$HERE/record-tests.sh"
# shellcheck source=stack-tests.sh
. "$HERE/stack-tests.sh"
# shellcheck source=pidfile-tests.sh
. "$HERE/pidfile-tests.sh"
# shellcheck source=ovs-tests.sh
. "$HERE/ovs-tests.sh"
# shellcheck source=who-tests.sh
. "$HERE/who-tests.sh"
# shellcheck source=restart-tests.sh
. "$HERE/restart-tests.sh"
# shellcheck source=stuck-tests.sh
. "$HERE/stuck-tests.sh"
# shellcheck source=watchdog-tests.sh
. "$HERE/watchdog-tests.sh"

usage() {
	cat <<'USAGE'
usage: tests/vm/run.sh [-n TEST] [-f] bed|guest|all SVCTRACE SUITE…

Runs the tests of the beds (containers), the guests or both on each SUITE and
prints TAP; needs root.

  SVCTRACE  the binary under test; a static one for the guests
  -n TEST   only tests whose name matches TEST (a glob)
  -f        every scenario in the guests too, not only the quick ones; more of what
            is repeated
USAGE
}

bed() { "$HERE/bed" "$@"; }
guest() { "$HERE/guest" "$@"; }

# ---- checks ----

fail() { echo "$*"; return 1; }

expect() { # WHAT WANT GOT
	[ "$2" = "$3" ] || fail "$1: expected '$2', got '$3'"
}

expect_status() { # STATUS COMMAND…
	local want=$1 got=0
	shift
	"$@" || got=$?
	expect "status of $1" "$want" "$got"
}

# The value of FIELD in the first #show line of FILE.
show_field() { # FIELD FILE
	sed -nE "s/^#show .* $1=([^ ]*).*/\\1/p" "$2" | head -n 1
}

# The #show lines in FILE are those which tests/vm/expected foretells for the
# scenarios that ran.
expect_scenarios() { # FILE
	awk '
	FNR == 1 { file++ }
	file == 1 && (/^#/ || !NF) { next }
	file == 1 {
		unit = "sc-" $1 ($2 == "." ? "" : $2) ($2 ~ /^\../ ? "" : ".service")
		gsub("_", "-", unit)
		scenario[unit] = $1; result[unit] = $3; state[unit] = $4; who[unit] = $5
		next
	}
	/^#scenario / { ran[$2] = 1; scenarios_run++ }
	/^#skip / { skipped[$2] = 1 }
	/^#(slow|error)/ { bad("not expected: " $0) }
	/^#show / {
		for (i = 3; i <= NF; i++) { split($i, kv, "="); got[kv[1]] = kv[2] }
		u = $2; shown[u] = 1
		if (!(u in result)) { bad(u ": not in tests/vm/expected"); next }
		if (got["Result"] !~ "^(" result[u] ")$") bad(u ": Result=" got["Result"] ", expected " result[u])
		if (got["ActiveState"] "/" got["SubState"] !~ "^(" state[u] ")$")
			bad(u ": " got["ActiveState"] "/" got["SubState"] ", expected " state[u])
		roles = ""
		split("killer victim requester", all, " ")
		for (i = 1; i <= 3; i++) if (got[all[i]] != "-") roles = roles (roles == "" ? "" : ",") all[i]
		if (roles == "") roles = "-"
		if (roles !~ "^(" who[u] ")$") bad(u ": known from outside: " roles ", expected " who[u])
	}
	function bad(text) { print text; failed = 1 }
	END {
		for (u in scenario) if (ran[scenario[u]] && !skipped[scenario[u]] && !shown[u]) bad(u ": not shown")
		if (!scenarios_run) bad("no scenario ran")
		exit failed
	}' "$HERE/expected" "$1"
}

# ---- the container ----

bed_boots() {
	bed -v "$suite" 'systemctl --version | head -n 1; cat /proc/1/comm; systemctl --failed --plain --no-legend' >"$work/out"
	expect "PID 1" systemd "$(sed -n 2p "$work/out")"
	expect "failed units" "" "$(sed 1,2d "$work/out")"
}

# shellcheck disable=SC2016 # expanded outside the container, in the bed
NOTE_BED='echo "$BED_PID $BED_CGROUP $BED_HOST" >"$NOTE"; sleep 1000 & echo $! >"$NOTE.left"'

expect_no_residue() { # NOTE
	local pid cgroup host i
	read -r pid cgroup host <"$1"
	[ ! -e "/proc/$pid" ] || fail "PID 1 of the container lives: $pid"
	[ ! -e "${cgroup%/payload}" ] || fail "cgroup left: $cgroup"
	[ ! -e "${host%/host}" ] || fail "folder left: $host"
	! grep -F "${host%/host}" /proc/self/mountinfo || fail "mounts left"
	# killed by now, but it is for PID 1 of this machine to reap it
	for ((i = 0; i < 100; i++)); do
		[ -e "/proc/$(cat "$1.left")" ] || return 0
		sleep 0.02
	done
	fail "a process which HOSTCMD started lives"
}

bed_tears_down() {
	NOTE=$work/note bed -H "$NOTE_BED" "$suite" 'sleep 1000 & setsid sleep 1000 & systemd-run -q sleep 1000'
	expect_no_residue "$work/note"
}

bed_tears_down_on_failure() {
	NOTE=$work/note expect_status 3 bed -H "$NOTE_BED" "$suite" 'exit 3'
	expect_no_residue "$work/note"
	NOTE=$work/note expect_status 124 bed -t 1 -H "$NOTE_BED" "$suite" 'sleep 1000'
	expect_no_residue "$work/note"
}

bed_tears_down_on_signal() {
	local pid i
	# a program in the background of a script ignores INT, so TERM it is
	NOTE=$work/note "$HERE/bed" -H "$NOTE_BED" "$suite" 'sleep 1000' &
	pid=$!
	for ((i = 0; i < 500; i++)); do
		[ ! -s "$work/note.left" ] || break
		sleep 0.02
	done
	kill -TERM "$pid"
	expect_status 130 wait "$pid"
	expect_no_residue "$work/note"
}

bed_two_at_once() {
	bed "$suite" 'sleep 0.5; systemctl is-system-running' >"$work/1" &
	bed "$suite" 'sleep 0.5; systemctl is-system-running' >"$work/2" &
	wait -n
	wait -n
	expect "states" "running running" "$(cat "$work/1" "$work/2" | tr '\n' ' ' | sed 's/ $//')"
}

# A test outside must be able to tell which of its processes a scenario speaks of.
bed_host_pids() {
	local inside outside
	# shellcheck disable=SC2016
	bed -d "$files" -H '$BED_EXEC sh /host/scenarios.sh restart_systemctl' "$suite" >"$work/out"
	expect_scenarios "$work/out"
	inside=$(show_field MainPIDBefore "$work/out")
	outside=$(show_field HostMainPIDBefore "$work/out")
	[[ $inside =~ ^[0-9]+$ && $outside =~ ^[0-9]+$ && $inside != "$outside" ]] || fail "PID $inside inside, $outside outside"
}

# ---- the guest ----

guest_boots() {
	guest -v "$suite" 'systemctl is-system-running; cat /proc/1/comm' >"$work/out"
	expect "state, PID 1" "running systemd" "$(xargs <"$work/out")"
}

guest_boots_cold() {
	guest -c -p "$suite" 'systemctl is-system-running' >"$work/out"
	expect "state" running "$(cat "$work/out")"
}

guest_returns_files() {
	echo in >"$files/in"
	expect_status 7 guest -d "$files" -o "$work/results" "$suite" 'mkdir a; cat in >a/out; exit 7'
	expect "files" "./a/out" "$(cd "$work/results" && find . -type f)"
	expect "content" in "$(cat "$work/results/a/out")"
}

guest_ends_on_panic() {
	expect_status 125 guest "$suite" 'echo c >/proc/sysrq-trigger; sleep 100' 2>"$work/err"
	grep -q sysrq "$work/err" || fail "the console was not shown: $(cat "$work/err")"
}

guest_two_at_once() {
	guest -t 300 "$suite" 'sleep 1; echo done' >"$work/1" &
	guest -t 300 "$suite" 'sleep 1; echo done' >"$work/2" &
	wait -n
	wait -n
	expect "outputs" "done done" "$(cat "$work/1" "$work/2" | xargs)"
}

# ---- running them ----

# The files of a package of $suite that its image lacks, all below /usr as the suites have it.
# The packages are kept by tools/debs.
package_files() { # PACKAGE INTO
	local dir merged
	dir=$("$HERE/../../tools/debs" "$suite" "$1")
	mkdir -p "$2/usr"
	cp -a "$dir/." "$2/"
	for merged in bin sbin lib; do
		[ -d "$2/$merged" ] || continue
		mkdir -p "$2/usr/$merged"
		cp -a "$2/$merged/." "$2/usr/$merged/"
		rm -r "${2:?}/$merged"
	done
	rm -rf "$2"/usr/share/{man,doc,bash-completion,lintian}
}

tap() { # STATUS NAME
	count=$((count + 1))
	case $1 in
	0) echo "ok $count - $2 ($SECONDS s)" ;;
	77) echo "ok $count - $2 # SKIP $(tail -n 1 "$log")" ;;
	*)
		failures=$((failures + 1))
		echo "not ok $count - $2"
		tail -n 60 "$log" | sed 's/^/# /'
		;;
	esac
}

# In a subshell that stops at the first failing command.
try_test() { # KIND NAME
	rm -rf "$work" "$files"
	mkdir "$work" "$files"
	cp "$HERE/scenarios.sh" "$top"/helpers/* "$files/"
	[ ! -e "$svctrace" ] || cp "$svctrace" "$files/svctrace"
	SECONDS=0
	(set -e; "$1_$2")
}

run_test() { # KIND NAME
	local status
	# shellcheck disable=SC2254 # a pattern is what -n takes
	case $2 in $only) ;; *) return 0 ;; esac
	work=$top/work files=$top/files log=$top/log
	set +e
	steady "$1 $suite $2" "$log" try_test "$@"
	status=$?
	set -e
	[ "$status" != 0 ] || [ -z "${RECORDINGS:-}" ] || [ ! -e "$work/rec.trace" ] ||
		cp "$work/rec.trace" "$RECORDINGS/$suite-$2.trace"
	tap "$status" "$1 $suite $2"
}

# Why a bed cannot run here at all, or nothing.
why_not() { # KIND
	[ "$(id -u)" = 0 ] || { echo "needs root"; return; }
	case $1 in
	guest)
		[ "$(uname -m)" = x86_64 ] || { echo "guests are x86-64 only"; return; }
		command -v qemu-system-x86_64 >/dev/null || { echo "qemu-system-x86_64 not found (tools/deps build)"; return; }
		[ "$suite" = "${suite%-backports}" ] || echo "the kernel of $suite is that of ${suite%-backports}" ;;
	esac
}

run_suite() { # KIND TEST…
	local kind=$1 t reason
	shift
	reason=$(why_not "$kind")
	if [ -n "$reason" ]; then
		count=$((count + 1))
		echo "ok $count - $kind $suite # SKIP $reason"
		return
	fi
	for t; do
		[[ $only != '*' || $suite = "$ONCE_SUITE" || " ${ONCE//[$'\n\t']/ } " != *" ${kind}_$t "* ]] || continue
		run_test "$kind" "$t"
	done
}

main() {
	local o kinds
	only='*' count=0 failures=0 recorded=${RECORDINGS:+1}
	guest_scenarios="stop_systemctl restart_systemctl stop_dbus_send systemctl_kill kill9_main kill9_pidfd exit3"
	guest_scenarios+=" cgempty_nopidfile cgempty_notchild cgroup_moved partof conflicts oom oom_stop oom_kill oom_continue"
	guest_scenarios+=" core_abrt core_restart device_gone restart_varlink"
	[ "${1:-}" != --help ] || { usage; exit 0; }
	while getopts hn:f o; do
		case $o in
		n) only=$OPTARG ;; f) guest_scenarios='' MANY=1000 ;;
		h) usage; exit 0 ;;
		*) usage >&2; exit 2 ;;
		esac
	done
	shift $((OPTIND - 1))
	[ $# -ge 3 ] || { usage >&2; exit 2; }
	kinds=$1 svctrace=$2
	shift 2
	case $kinds in
	all) kinds="bed guest" ;;
	bed | guest) ;;
	*) usage >&2; exit 2 ;;
	esac
	top=$(mktemp -d "${TMPDIR:-/tmp}/svctrace-vm.XXXXXX")
	trap 'rm -rf "$top"' EXIT
	mkdir "$top/helpers"
	"$HERE/helpers" "$top/helpers"
	exec 3>&1 # what a test wants to be read even when it passes
	for suite; do
		# shellcheck disable=SC2086
		case $kinds in *bed*) run_suite bed $BED_TESTS ;; esac
		# shellcheck disable=SC2086
		case $kinds in *guest*) run_suite guest $GUEST_TESTS ;; esac
	done
	echo "1..$count"
	[ $failures = 0 ]
}

# on one line: bash must not read on in a file that somebody edits meanwhile
main "$@"; exit
