# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# What the tests of the command line have in common; sourced. Sets TMP, a folder that goes at the end.
# $about stands before each name.

TMP=$(mktemp -d)
trap 'rm -rf "$TMP"' EXIT
about=

# After the command that decides; shows what it wrote when it failed.
result() { # NAME
	if [ "$?" = 0 ]; then
		echo "ok - $about$1"
	else
		echo "not ok - $about$1"
		tail -n 20 "$TMP/out" "$TMP/err" 2>/dev/null | sed 's/^/#   /'
	fi
}

# The exact exit code; OUT and ERR are extended regular expressions that the whole of stdout and
# stderr must match ('' is: nothing at all).
expect() { # NAME EXIT OUT ERR COMMAND…
	local name=$1 code=$2 out=$3 err=$4 got
	shift 4
	"$@" >"$TMP/out" 2>"$TMP/err" </dev/null
	got=$?
	{ [ "$got" = "$code" ] && matches "$out" "$TMP/out" && matches "$err" "$TMP/err"; } ||
		! echo "exit $got, wanted $code" >>"$TMP/err"
	result "$name"
}

matches() { # REGEX FILE
	local text
	text=$(tr -d '\0' <"$2")
	[[ $text =~ ^$1$ ]]
}

as_test() { # NAME COMMAND…
	local name=$1
	shift
	"$@" >"$TMP/out" 2>"$TMP/err"
	result "$name"
}
