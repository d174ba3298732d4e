#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# tests/cli/run.sh SVCTRACE: what the command line says and how it exits. Nothing is traced here.
set -uo pipefail

ROOT=$(cd "$(dirname "$0")/../.." && pwd)
SVCTRACE=$(realpath "${1:?which svctrace}")
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

usage_errors() {
	expect 'unknown option' 2 '' 'svctrace: unknown option "--nope"; try svctrace --help' \
		"$SVCTRACE" --nope
	expect 'option without its value' 2 '' \
		'svctrace: a value is missing after "--count"; try svctrace --help' "$SVCTRACE" --count
	expect 'count that is no number' 2 '' \
		'svctrace: --count takes a number above 0, not "many"; try svctrace --help' \
		"$SVCTRACE" --count=many
	expect 'count of zero' 2 '' '.*not "0".*' "$SVCTRACE" -n0
	expect 'duration that is no time' 2 '' \
		'svctrace: --duration takes a time like 30s or 5min, not "5 parsecs".*' \
		"$SVCTRACE" --duration='5 parsecs'
	expect 'duration that overflows' 2 '' '.*--duration takes.*' \
		"$SVCTRACE" --duration=99999999999999999999s
	expect 'ring size that is none' 2 '' '.*--ring takes a size like 512K or 8M, not "-1".*' \
		"$SVCTRACE" --ring=-1
	expect 'unknown cause lists the known ones' 2 '' \
		'svctrace: unknown cause "fate"; known are:.*main-killed.*' "$SVCTRACE" --cause=fate
	expect 'unknown colour mode' 2 '' '.*--color takes auto, always or never, not "blue".*' \
		"$SVCTRACE" --color=blue
	expect 'manager that is no number' 2 '' '.*--manager takes a process number, not "systemd".*' \
		"$SVCTRACE" --manager=systemd
	expect 'a unit without a name' 2 '' 'svctrace: a unit has a name, not ""; try svctrace --help' "$SVCTRACE" ''
	expect 'the help that is named is the verb'"'"'s' 2 '' '.*not "xml"; try svctrace check --help' \
		"$SVCTRACE" check --format=xml f e
	expect 'resolve: option without its value' 2 '' \
		'svctrace: a value is missing after "--pid"; try svctrace resolve --help' "$SVCTRACE" resolve --pid
	expect 'escapes in a word' 2 '' '.*no help for "\\x1b\[2J".*' "$SVCTRACE" help $'\e[2J'
	expect 'verb with a typo' 2 '' \
		'svctrace: unknown verb "resovle": did you mean "resolve"\?.*' "$SVCTRACE" resovle
}

help_and_version() {
	expect 'version' 0 'svctrace [0-9.]+' '' "$SVCTRACE" --version
	expect 'help has examples and exit codes' 0 'Usage: svctrace .*Examples:.*Exit status:.*' '' \
		"$SVCTRACE" --help
	expect 'help of a verb' 0 'Usage: svctrace resolve.*Examples:.*' '' "$SVCTRACE" help resolve
	expect 'help for a full disk' 1 '' 'svctrace: cannot write the output: No space left on device' \
		sh -c "'$SVCTRACE' --help >/dev/full"
	expect 'help of nothing' 2 '' '.*no help for "nothing".*' "$SVCTRACE" help nothing
}

# Each long option of a help has its place in the man page of the verb, or in svctrace(8), which has
# what the verbs have in common.
man_pages() {
	local verb page
	for verb in live record replay check diff dump scrub resolve doctor pidfile stuck; do
		page=$(echo "$ROOT"/man/svctrace-$verb.[18])
		[ $verb != live ] || page=$ROOT/man/svctrace.8
		"$SVCTRACE" help $verb | grep -oE '^ +(-[a-zA-Z], )?--[a-z-]+' | grep -oE -- '--.*' |
			grep -vx -- --help | sort -u >"$TMP/help"
		options_of "$page" | sort -u >"$TMP/page"
		{ cat "$TMP/page"; options_of "$ROOT/man/svctrace.8"; } | sort -u | comm -23 "$TMP/help" - >"$TMP/out"
		[ -s "$TMP/help" ] && [ ! -s "$TMP/out" ]
		result "man page of $verb: has every option"
	done
}

options_of() { # PAGE
	sed 's/\\-/-/g; s/\\f.//g' "$1" | grep -oE -- '--[a-z][a-z-]+'
}

# Where tracing cannot start, one line says why and one what to do.
refusals() {
	expect 'a manager that is not there' 1 '' 'svctrace: there is no process 4194303' \
		"$SVCTRACE" --manager=4194303
	sleep 30 &
	expect 'a manager that is no systemd' 1 '' \
		'svctrace: process [0-9]+ is (sleep|coreutils), not systemd.*--manager.*' \
		"$SVCTRACE" --manager=$!
	kill $!
	if [ "$(id -u)" = 0 ]; then
		cp "$SVCTRACE" "$TMP/svctrace"
		chmod 755 "$TMP" "$TMP/svctrace"
		expect 'without privileges' 1 '' \
			'svctrace: not allowed to look at process 1.*Run it as root.*' \
			setpriv --reuid=65534 --regid=65534 --clear-groups "$TMP/svctrace"
	else
		expect 'without privileges' 1 '' \
			'svctrace: not allowed to look at process 1.*Run it as root.*' "$SVCTRACE"
	fi
}

resolve_errors() {
	printf 'not an ELF file' >"$TMP/text"
	expect 'resolve: no argument' 2 '' '.+' "$SVCTRACE" resolve
	expect 'resolve: no such file' 2 '' '[^
]+' "$SVCTRACE" resolve "$TMP/none"
	expect 'resolve: no ELF file' 2 '' '[^
]+' "$SVCTRACE" resolve "$TMP/text"
	head -c 5000 "$(command -v bash)" >"$TMP/cut"
	expect 'resolve: a truncated ELF file' 2 '' '[^
]+' "$SVCTRACE" resolve "$TMP/cut"
}

usage_errors
help_and_version
man_pages
refusals
resolve_errors
