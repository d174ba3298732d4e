# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154,SC2016
#
# svctrace pidfile beside real systemds; sourced by run.sh, which says what $suite, $work, $files
# and $svctrace are.

BED_TESTS+=" pidfile_differential"

# Some hundred services, each with a PID file of its own kind: does systemd take it, and if not, with
# which words? svctrace looks from outside, through the container's root.
bed_pidfile_differential() {
	"$HERE/pidfile-trees" make "$files"
	S=$(realpath "$svctrace") TREES=$HERE/pidfile-trees bed -t 120 -d "$files" -H '
		"$TREES" run "$BED_HOST" "/proc/$BED_PID/root" "$S" "$BED_EXEC"' "$suite" |
		tee "$work/out"
	grep '^# .* trees' "$work/out" >&3
}
