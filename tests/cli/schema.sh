#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Validates JSON lines against docs/schema/svctrace.schema.json: the samples of every kind that the
# unit tests make, and what the bed's and the guest's tests got from real systemds.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 2

JSON_DIR=${JSON_DIR:-build/test-logs/json}
SCHEMA=docs/schema/svctrace.schema.json
TMP=$(mktemp -d)
trap 'rm -rf "$TMP"' EXIT

# Prints what is wrong with FILE, line by line; fails if anything is, or if there is no line.
validate() { # FILE
	python3 - "$SCHEMA" "$1" <<-'PY'
		import json, sys
		import jsonschema
		schema = json.load(open(sys.argv[1]))
		cls = jsonschema.validators.validator_for(schema)
		cls.check_schema(schema)
		validator, bad, n = cls(schema), 0, 0
		for n, line in enumerate(open(sys.argv[2], encoding="utf-8", errors="strict"), 1):
		    for e in validator.iter_errors(json.loads(line)):
		        bad += 1
		        print(f"{sys.argv[2]}:{n}: {'/'.join(map(str, e.absolute_path))}: {e.message[:200]}")
		print(f"{n} lines, {bad} errors")
		sys.exit(1 if bad or not n else 0)
	PY
}

tap() { # NAME COMMAND…
	local name=$1
	shift
	if "$@" >"$TMP/log" 2>&1; then
		echo "ok - $name"
	else
		echo "not ok - $name"
		sed 's/^/# /' "$TMP/log" | head -n 20
	fi
}

refuses() { # FILE: the validator finds something
	! validate "$1"
}

main() {
	local f
	for f in render pidfile_live timeline; do
		SVCTRACE_TEST_JSON=$TMP/samples.json "build-san/tests/unit/test_$f" >"$TMP/log" 2>&1
	done
	tap 'schema: a sample of every kind' validate "$TMP/samples.json"
	sed 's/"schema_version":1/"schema_version":"one"/' "$TMP/samples.json" >"$TMP/wrong-type.json"
	tap 'schema: a wrong type is found' refuses "$TMP/wrong-type.json"
	sed 's/"schema_version":1/"schema_version":1,"surprise":true/' "$TMP/samples.json" >"$TMP/unknown.json"
	tap 'schema: an unknown field is found' refuses "$TMP/unknown.json"
	for f in "$JSON_DIR"/*.json; do
		[ -e "$f" ] || continue
		tap "schema: ${f##*/}" validate "$f"
	done
}

main
