#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# tests/cli/pidfile.sh SVCTRACE: the command line of svctrace pidfile, with files of its own and a
# systemctl that is none. tests/vm/pidfile-tests.sh holds it against real systemds.
set -uo pipefail

SVCTRACE=$(realpath "${1:?which svctrace}")
SCHEMA=$(realpath "$(dirname "$0")/../../docs/schema/pidfile.schema.json")
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
about='pidfile: '

# With that systemctl.
pidfile() { # ARG…
	PATH="$TMP/bin:$PATH" "$SVCTRACE" pidfile "$@"
}

# What systemctl says is the text in $TMP/show; it fails without.
plant() {
	mkdir "$TMP/bin" "$TMP/etc"
	cat >"$TMP/bin/systemctl" <<-'SYSTEMCTL'
		#!/bin/sh
		[ "$1" = show ] && exec cat "$(dirname "$0")/../show"
	SYSTEMCTL
	chmod 755 "$TMP/bin/systemctl"
	sleep 60 &
	process=$!
	echo $process >"$TMP/good"
	echo none >"$TMP/bad"
	: >"$TMP/empty"
	ln -s good "$TMP/link"
	printf '4711\033[31m\n' >"$TMP/"$'esc\033[1m'
	mkfifo "$TMP/fifo"
}

show() { # KEY=VALUE…
	printf '%s\n' LoadState=loaded "$@" >"$TMP/show"
}

usage_errors() {
	local help='.*svctrace pidfile --help'
	expect 'help' 0 'Usage: svctrace pidfile .*Examples:.*Exit status: .*' '' pidfile --help
	expect 'nothing named' 2 '' "$help" pidfile
	expect 'two named' 2 '' "$help" pidfile /a /b
	expect 'unknown option' 2 '' '.*--nope.*--help' pidfile --nope /a
	expect 'option without its value' 2 '' '.*--pid.*--help' pidfile /a --pid
	expect 'a PID that is none' 2 '' '.*--pid takes a process number, not "self".*' pidfile --pid=self /a
	expect 'a PID of zero' 2 '' '.*not "0".*' pidfile --pid=0 /a
	expect 'a relative path' 2 '' '.*absolute, not "run/x.pid".*' pidfile run/x.pid
	expect 'a root for a unit' 2 '' '.*go with a path; "x" is a unit' pidfile --root=/ x
	expect 'a root that is none' 2 '' '.*cannot open /nowhere/at/all: No such file.*' pidfile --root=/nowhere/at/all /x
	expect 'what systemd does not even take' 1 '' '.*/a/\.\./b: systemd ignores a PIDFile=.*' pidfile /a/../b
}

paths() {
	expect 'missing' 1 '.*/gone  systemd waits for it: missing.*' '' pidfile "$TMP/gone"
	expect 'empty' 1 '.*systemd waits for it: empty.*rename.*' '' pidfile "$TMP/empty"
	expect 'no number' 1 '.*systemd refuses it: no-pid.*' '' pidfile "$TMP/bad"
	expect 'a FIFO, unopened' 1 '.*systemd refuses it: blocks.*' '' pidfile "$TMP/fifo"
	expect 'PID 1' 1 '.*systemd refuses it: manager.*' '' pidfile "$TMP/good" --pid=1
	expect 'nobody' 1 '.*systemd refuses it: no-process.*' '' pidfile "$TMP/good" --pid=2147483647
	expect 'a hostile name and text' 1 $'[^\e]*\\\\x1b[^\e]*' '' pidfile "$TMP/"$'esc\033[1m'
	expect 'no proc/ below the root' 2 '/good  cannot tell: no-proc.*rules of the newest.*' '' pidfile --root="$TMP" /good
	expect 'links and the root' 2 '/link  cannot tell: no-proc.*link .*→ good.*' '' pidfile --root="$TMP" //./link
	if [ "$(id -u)" = 0 ]; then
		expect 'a file of root' 0 '.*systemd accepts it: trusted-file.*' '' pidfile "$TMP/link"
		chown 1000 "$TMP/good"
		expect 'whose it has to be' 2 '.*cannot tell: no-cgroup.*' '' pidfile "$TMP/link"
		expect 'of another user' 1 '.*systemd refuses it: file-owner.*log    x\.service: New main PID.*' '' pidfile \
			--unit=x "$TMP/link"
	fi
}

units() {
	expect 'a systemctl that fails' 2 '' '.*systemctl does not tell about x\.service.*' pidfile x
	show
	printf 'LoadState=not-found\n' >"$TMP/show"
	expect 'a unit that is none' 2 '' 'svctrace: x\.service is not loaded: not-found' pidfile x
	show Id=x.service PIDFile=
	expect 'a unit without PIDFile=' 2 '' 'svctrace: x\.service has no PIDFile=' pidfile x
	show Id=y.service PIDFile="$TMP/good" "MainPID=$process" ControlGroup=/system.slice/y.service Type=forking
	expect 'the main process' 0 '.*systemd accepts it: already-main.*' '' pidfile x
	show Id=y.service PIDFile="$TMP/good" "ControlPID=$process" MainPID=0 Type=notify SubState=reload
	expect 'the control process, of a notifying service' 1 \
		'.*control-process.*log    y\.service: .*is the control process.*note   Type=notify.*' '' pidfile x
	show Id=y.service PIDFile="$TMP/gone" SubState=dead
	expect 'before it starts' 1 '.*\(yet\?\) after start: .*' '' pidfile x
	show Id=y.service PIDFile="$TMP/gone" SubState=running
	expect 'while it runs' 1 '.*\(yet\?\) after running: .*' '' pidfile x
	head -c 200000 /dev/zero | tr '\0' x >"$TMP/show"
	expect 'a systemctl without end' 2 '' '.*systemctl does not tell.*' pidfile x
}

json() {
	show Id=y.service PIDFile="$TMP/link" Type=forking
	expect 'JSON' 1 '\{"schema_version":1,"event.name":"svctrace.pidfile",.*\}' '' pidfile --json x
	python3 - "$SCHEMA" "$TMP/out" 2>"$TMP/err" <<-'PY'
		import json, sys
		import jsonschema
		schema = json.load(open(sys.argv[1]))
		jsonschema.Draft7Validator.check_schema(schema)
		jsonschema.Draft7Validator(schema).validate(json.load(open(sys.argv[2], encoding="utf-8", errors="strict")))
	PY
	result 'JSON and its schema'
	expect 'output that cannot be written' 2 '' '.*cannot write.*' sh -c "'$SVCTRACE' pidfile '$TMP/bad' >/dev/full"
}

plant
usage_errors
paths
units
json
kill "$process"
