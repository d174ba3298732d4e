#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# tests/cli/stuck.sh SVCTRACE: the command line of svctrace stuck, and what it says on a machine on
# which nothing hangs. tests/vm/stuck-tests.sh is about the rest.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 2

SVCTRACE=$(realpath "${1:?which svctrace}")
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
about='stuck: '

usage_errors() {
	expect 'help' 0 'Usage: svctrace stuck .*Exit status: .*Examples:.*' '' "$SVCTRACE" stuck --help
	expect 'help of the verb' 0 'Usage: svctrace stuck .*' '' "$SVCTRACE" help stuck
	expect 'unknown option' 2 '' '.*--nope.*svctrace stuck --help' "$SVCTRACE" stuck --nope
	expect 'option of another verb' 2 '' '.*--manager.*--help' "$SVCTRACE" stuck --manager=1
	expect 'a word too many' 2 '' '.*"nginx".*svctrace stuck --help' "$SVCTRACE" stuck nginx
	expect 'yes to nothing' 2 '' '.*--yes goes with --abort.*' "$SVCTRACE" stuck --yes
	expect 'nobody to ask' 2 '' '.*--abort asks on the terminal.*--yes.*' "$SVCTRACE" stuck --abort
	expect 'verb with a typo' 2 '' '.*unknown verb "stcuk": did you mean "stuck"\?.*' "$SVCTRACE" stcuk
	expect 'output that cannot be written' 2 '' '.*cannot write.*' \
		sh -c "'$SVCTRACE' stuck >/dev/full"
}

valid() {
	python3 - docs/schema/stuck.schema.json "$1" <<-'PY'
		import json, sys
		import jsonschema
		schema, text = json.load(open(sys.argv[1])), open(sys.argv[2], encoding="utf-8", errors="strict").read()
		jsonschema.Draft7Validator.check_schema(schema)
		jsonschema.Draft7Validator(schema).validate(json.loads(text))
		sys.exit(text.count("\n") != 1)
	PY
}

refused() {
	! valid "$1"
}

# What others do on this machine may be stuck; so these are held to their form alone.
as_things_are() {
	local code
	for options in '' '--json'; do
		"$SVCTRACE" stuck ${options:+"$options"} >"$TMP/plain" 2>"$TMP/err" </dev/null
		code=$?
		as_test "runs as it is: stuck $options" test "$code" -le 1
	done
	as_test 'JSON is valid' valid "$TMP/plain"
	sed 's/"stuck":/"surprise":/' "$TMP/plain" >"$TMP/wrong"
	as_test 'an unknown key is found' refused "$TMP/wrong"
}

usage_errors
as_things_are
