#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# tests/cli/trace.sh SVCTRACE: recordings on the command line; on the golden ones, so without root.
set -uo pipefail

SVCTRACE=$(realpath "${1:?which svctrace}")
ROOT=$(cd "$(dirname "$0")/../.." && pwd)
GOLDEN=$ROOT/tests/golden
ONE=$GOLDEN/bookworm/stops
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

same() { # NAME FILE COMMAND…: exactly this, and nothing on stderr
	local name=$1 file=$2
	shift 2
	"$@" >"$TMP/out" 2>"$TMP/err" </dev/null && cmp "$file" "$TMP/out" >>"$TMP/err" 2>&1 && [ ! -s "$TMP/err" ]
	result "$name"
}

# Each recording still says what it said.
golden() {
	local trace base name options n=0
	for trace in "$GOLDEN"/*/*.trace; do
		base=${trace%.trace} name=${trace#"$GOLDEN"/} n=$((n + 1))
		options=$(sed -n "s/^${base##*/} *//p" "$GOLDEN/options")
		# shellcheck disable=SC2086 # several words
		same "golden $name: text" "$base.txt" "$SVCTRACE" replay --utc --color=never $options "$trace"
		# shellcheck disable=SC2086
		same "golden $name: JSON" "$base.json" "$SVCTRACE" replay --json $options "$trace"
		expect "golden $name: expectations" 0 '.*ok 1 .*' '' "$SVCTRACE" check "$trace" "$base.expect"
	done
	[ "$n" -ge 19 ]
	result "golden: all $n recordings were looked at"
}

golden_stops() {
	local dir suite cause
	for dir in "$GOLDEN"/*/; do
		suite=$(basename "$dir")
		for cause in stop-request restart-request main-exited main-killed cgroup-empty; do
			grep -q " $cause " "$dir/stops.expect"
			result "golden $suite: has a $cause"
		done
		grep -q 'main-killed.*result=success' "$dir/stops.expect"
		result "golden $suite: has a kill that systemd calls a success"
	done
}

# Recorded by tests/vm/hangs.sh: four deadlocks, one of a service and one of a nested namespace, and
# six that are none, of which three are slow.
golden_hangs() {
	local dir suite n
	for dir in "$GOLDEN"/*/; do
		suite=$(basename "$dir")
		[ -e "$dir/hangs.trace" ] || continue
		for n in HANGS ENDED; do
			[ "$(grep -c "$n  fuse-deadlock" "$dir/hangs.txt")" = 6 ]
			result "golden $suite: six deadlocks: $n"
		done
		[ "$(grep -cE 'HANGS  fuse-(daemon-silent|daemon-stopped|unknown)' "$dir/hangs.txt")" -ge 3 ]
		result "golden $suite: slow is told apart"
		[ "$(grep -c '^  hang   fuse-deadlock for ' "$dir/hangs.txt")" = 2 ]
		result "golden $suite: a service's and a scope's verdict with their hangs"
		grep -q '(by namespace: ' "$dir/hangs.txt"
		result "golden $suite: a nested namespace"
	done
	[ -e "$GOLDEN/bookworm/hangs.trace" ]
	result 'golden: hangs were looked at'
}

# What guest tests recorded tells of that which they are there for.
golden_tests() {
	local recording pattern
	while read -r recording pattern; do
		grep -qE "$pattern" "$GOLDEN/$recording.json"
		result "golden $recording: $pattern"
	done <<-'WHAT'
		bullseye/hidden_kill_v1     "via":\["manager_notify_cgroup_empty",
		bullseye/reexec_upgrade     "systemd.unit.name":"sc-term-main.service",.*"cause":"main-killed"
		bookworm/oomd               "cause":"oomd-kill"
		bookworm/hardware_watchdog  "news":"overdue".*"wait_channel":"do_wait"
		bookworm/who_power_off      "cause":"shutdown"
		trixie/pidfile_live         "hand_over":\{"from":[^}]*"unsafe-path"
		trixie/pidfile_ovs          "hand_over":\{"from":[^}]*"unsafe-path"
		trixie/stuck_packaged_daemon  "kind":"fuse-deadlock".*"process.command":"mergerfs"
		sid/slow                    "event.name":"svctrace.slow"
		sid/user_manager            "manager":\{"process.pid":[0-9]*,"user":true
	WHAT
}

damage() {
	local size
	size=$(stat -c %s "$ONE.trace")
	head -c $((size * 2 / 3)) "$ONE.trace" >"$TMP/cut.trace"
	expect 'cut off: what is whole is shown, what is missing is said' 1 '.*stop-systemctl.*' \
		'svctrace: .*cut off at offset [0-9]+: of block [0-9]+ there are [0-9]+ of [0-9]+ bytes.*' \
		"$SVCTRACE" replay --utc "$TMP/cut.trace"
	expect 'cut off: quietly' 1 '.*stop-systemctl.*' '' "$SVCTRACE" replay -q --utc "$TMP/cut.trace"
	expect 'cut off: check does not trust it' 2 '.*' '.*cut off.*' "$SVCTRACE" check "$TMP/cut.trace" "$ONE.expect"
	head -c 20 "$ONE.trace" >"$TMP/head.trace"
	expect 'cut off in its header' 2 '' '.*cut off in its header.*' "$SVCTRACE" replay "$TMP/head.trace"
	cp "$ONE.trace" "$TMP/flip.trace"
	printf '\377' | dd of="$TMP/flip.trace" bs=1 seek=$((size / 2)) conv=notrunc status=none
	expect 'a flipped bit is found and named' 1 '.*' '.*block [0-9]+ at offset [0-9]+ is damaged.*' \
		"$SVCTRACE" replay "$TMP/flip.trace"
	expect 'what it took with it is an event' 1 '.* lost .*' '.*' "$SVCTRACE" dump "$TMP/flip.trace"
	expect 'not a recording' 2 '' 'svctrace: .*expect: it is no recording.*' "$SVCTRACE" replay "$ONE.expect"
	expect 'an empty file' 2 '' '.*it is empty' "$SVCTRACE" replay /dev/null
	expect 'no such file' 2 '' 'svctrace: cannot open /nonexistent: No such file or directory' \
		"$SVCTRACE" replay /nonexistent
	expect 'a folder' 2 '' 'svctrace: cannot read .*: Is a directory' "$SVCTRACE" replay "$TMP"
	expect 'a full disk is reported' 1 '' 'svctrace: cannot write /dev/full: No space left on device' \
		"$SVCTRACE" scrub -o /dev/full "$ONE.trace"
}

replay() {
	"$SVCTRACE" replay --utc - <"$ONE.trace" >"$TMP/out" 2>"$TMP/err" && cmp -s "$TMP/out" "$ONE.txt"
	result 'replay from a pipe'
	expect 'only some units' 0 '.*kill9-main.*' '' "$SVCTRACE" replay --utc "$ONE.trace" -- sc-kill9-main
	[ "$(grep -c '^[0-9]' "$TMP/out")" = 1 ]
	result 'only those units'
	expect 'a scope is a unit, too' 0 '.*sc-hang\.scope  FAILED.*' '' \
		"$SVCTRACE" replay "$GOLDEN/bookworm/hangs.trace" -- sc-hang.scope
	! grep -q 'sc-hang.service' "$TMP/out"
	result 'and no other'
	expect 'the states of a scope' 0 '.*sc-hang\.scope .*stop-sigterm.*' '' \
		"$SVCTRACE" replay --timeline=sc-hang.scope --cause=watchdog "$GOLDEN/bookworm/hangs.trace"
	expect '--count ends it' 0 '[^F]*STOPPED[^F]*' '' "$SVCTRACE" replay -n1 "$ONE.trace"
	expect '--count that is not reached' 3 '.*' '' "$SVCTRACE" replay -n99 "$ONE.trace"
	expect '--stack' 0 '.*  stack  (service_enter_|not sampled).*' '' "$SVCTRACE" replay --stack "$ONE.trace"
	expect '--events' 0 '.*fork.*STOPPED.*' '' "$SVCTRACE" replay --events "$ONE.trace"
}

merge() {
	local other=$GOLDEN/trixie/stops.trace
	"$SVCTRACE" scrub --key=other -o "$TMP/other.trace" "$other"
	"$SVCTRACE" replay --json "$ONE.trace" "$TMP/other.trace" >"$TMP/out" 2>"$TMP/err"
	result 'two hosts'
	[ "$(wc -l <"$TMP/out")" = $(($(wc -l <"$ONE.json") + $(wc -l <"${other%.trace}.json"))) ]
	result 'two hosts: every verdict'
	[ "$(grep -o '^{"host":"[^"]*"' "$TMP/out" | sort -u | wc -l)" = 2 ]
	result 'two hosts: each line names its own'
	sed 's/.*"event.name":"svctrace.verdict".*"time":"\([^"]*\)".*/\1/' "$TMP/out" | sort -c 2>>"$TMP/err"
	result 'two hosts: by time'
	expect 'two hosts: a column' 0 'x[0-9a-f]{8}  [0-9:.]+  sc-.*' '' "$SVCTRACE" replay "$ONE.trace" "$TMP/other.trace"
	! grep -qvE '^x[0-9a-f]{8}  ' "$TMP/out"
	result 'two hosts: a column in each line'
}

dump() {
	local n
	n=$("$SVCTRACE" dump --info "$ONE.trace" | sed -n 's/^records *\([0-9]*\).*/\1/p')
	[ "$("$SVCTRACE" dump "$ONE.trace" 2>"$TMP/err" | wc -l)" = "$n" ]
	result 'dump: a line for each record'
	"$SVCTRACE" dump --json "$ONE.trace" 2>"$TMP/err" | python3 -c '
import json, sys
lines = [json.loads(l) for l in sys.stdin]
assert [l["seq"] for l in lines] == list(range(1, '"$n"' + 1))' 2>>"$TMP/err"
	result 'dump: JSON'
	expect 'dump: --info is text' 2 '' '.*--info goes with neither.*' "$SVCTRACE" dump --info --json "$ONE.trace"
	expect 'dump: bytes' 0 '.*start.*	[0-9a-f][0-9a-f] .*' '' "$SVCTRACE" dump --hex "$ONE.trace"
}

# stdout is a pipe that nobody reads any more.
unread() { # COMMAND…
	local pipe
	exec {pipe}> >(:)
	wait $!
	env --default-signal=PIPE "$@" >&"$pipe"
}

# As any tool in a pipe: dump has nothing to clean up, so SIGPIPE ends it; the others end by themselves.
readers_that_leave() {
	expect 'a reader that left: dump' 141 '' '' unread "$SVCTRACE" dump "$ONE.trace"
	expect 'a reader that left: replay' 0 '' '' unread "$SVCTRACE" replay "$ONE.trace"
	expect 'a reader that left: events' 0 '' '' unread "$SVCTRACE" replay --events "$ONE.trace"
	expect 'a reader that left: JSON events' 0 '' '' unread "$SVCTRACE" replay --events --json "$ONE.trace"
	expect 'a reader that left: merged events' 0 '' '' \
		unread "$SVCTRACE" replay --events "$ONE.trace" "$GOLDEN/trixie/stops.trace"
	expect 'a full disk: dump' 1 '' 'svctrace: dumping ended: No space left on device' \
		sh -c "'$SVCTRACE' dump '$ONE.trace' >/dev/full"
	expect 'a full disk: events' 1 '' 'svctrace: replaying ended: No space left on device' \
		sh -c "'$SVCTRACE' replay --events '$ONE.trace' >/dev/full"
	expect 'a full disk: differences' 2 '' '.*cannot write the differences: No space left on device' \
		sh -c "'$SVCTRACE' diff '$ONE.trace' '$GOLDEN/trixie/stops.trace' >/dev/full"
}

# What a recording says of itself is as hostile as its records.
hostile_facts() {
	python3 - "$ONE.trace" "$TMP/facts.trace" <<-'PY'
		import struct, sys, zlib
		data = open(sys.argv[1], "rb").read()
		magic, major, minor, size, features = struct.unpack_from("<8sHHIQ", data)
		facts = b"UNITS=a\x1b[2J.service\0LEFT_OUT=7\x1b]0;me\x07\0"
		def header(crc):
		    return struct.pack("<8sHHIQIIII", magic, major, minor, 40 + len(facts), features,
		                       40, len(facts), 0, crc) + facts
		open(sys.argv[2], "wb").write(header(zlib.crc32(header(0))) + data[size:])
	PY
	expect 'hostile facts: dump' 0 '.*a\\x1b\[2J\.service.*7\\x1b\]0;me\\x07.*' '' \
		"$SVCTRACE" dump --info "$TMP/facts.trace"
	expect 'hostile facts: replay' 0 '' '.*7\\x1b\]0;me\\x07 older records were not kept' \
		"$SVCTRACE" replay "$TMP/facts.trace"
}

check() {
	local tests wrong
	tests=$(grep -vc '^#' "$ONE.expect")
	wrong=$(($(grep -c 'SIGKILL' "$ONE.expect") + 1)) # and what no line speaks of
	sed 's/SIGKILL/SIGTERM/' "$ONE.expect" >"$TMP/wrong.expect"
	expect 'check: not met' 1 '.*not ok [0-9]+ .*> signal +SIGTERM +SIGKILL.*events behind it.*#[0-9]+ .*' '' \
		"$SVCTRACE" check "$ONE.trace" "$TMP/wrong.expect"
	expect 'check: quietly' 1 '' '' "$SVCTRACE" check -q "$ONE.trace" "$TMP/wrong.expect"
	"$SVCTRACE" check --format=junit "$ONE.trace" "$TMP/wrong.expect" >"$TMP/out" 2>"$TMP/err"
	python3 -c '
import sys, xml.etree.ElementTree as x
t = x.parse(sys.stdin).getroot()
assert (t.get("tests"), t.get("failures")) == (sys.argv[1], sys.argv[2]), t.attrib
assert len(t.findall("testcase/failure")) == int(sys.argv[2])' "$tests" "$wrong" <"$TMP/out" 2>>"$TMP/err"
	result 'check: JUnit XML'
	echo 'a.service no-such-cause' >"$TMP/bad.expect"
	expect 'check: a bad line' 2 '' '.*bad.expect:1: no cause matches "no-such-cause"; there are .*main-killed.*' \
		"$SVCTRACE" check "$ONE.trace" "$TMP/bad.expect"
	expect 'check: no such EXPECT' 2 '' '.*cannot read /nonexistent.*' "$SVCTRACE" check "$ONE.trace" /nonexistent
	expect 'check: bless' 0 '' ".*$((tests - 1)) expectations, and nothing else" "$SVCTRACE" check --bless "$ONE.trace" "$TMP/bless"
	expect 'check: what was blessed is met' 0 '.*' '' "$SVCTRACE" check "$ONE.trace" "$TMP/bless"
	expect 'check: other versions behave the same' 0 '.*' '' "$SVCTRACE" check "$GOLDEN/trixie/stops.trace" "$TMP/bless"
	expect 'diff: the same' 0 '' '' "$SVCTRACE" diff "$ONE.trace" "$ONE.trace"
	head -c 20000 "$ONE.trace" >"$TMP/cut.trace"
	expect 'diff: of a damaged one' 2 '.*' '.*' "$SVCTRACE" diff "$ONE.trace" "$TMP/cut.trace"
	expect 'diff: of nothing' 2 '' '.*two recordings.*' "$SVCTRACE" diff "$ONE.trace"
}

scrub() {
	"$SVCTRACE" scrub --key=k -o "$TMP/a.trace" "$ONE.trace" 2>"$TMP/err"
	"$SVCTRACE" scrub --key=k -o - "$ONE.trace" >"$TMP/b.trace" 2>>"$TMP/err"
	cmp "$TMP/a.trace" "$TMP/b.trace" >>"$TMP/err" 2>&1
	result 'scrub: the same key, the same file'
	head -c 9000 "$ONE.trace" >"$TMP/cut.trace"
	"$SVCTRACE" scrub --key=k -o "$TMP/d.trace" "$TMP/cut.trace" 2>"$TMP/out"
	"$SVCTRACE" scrub --key=k -o "$TMP/e.trace" "$TMP/cut.trace" >&- 2>&-
	[ -s "$TMP/out" ] && cmp "$TMP/d.trace" "$TMP/e.trace" >"$TMP/err" 2>&1
	result 'scrub: what it says is not written to its output, even if there is no stderr'
	expect 'scrub: verdicts unchanged' 0 '.*' '' "$SVCTRACE" check "$TMP/a.trace" "$ONE.expect"
	"$SVCTRACE" scrub --replace=kill9=slain -o "$TMP/c.trace" "$ONE.trace" 2>"$TMP/err"
	"$SVCTRACE" dump --json "$TMP/c.trace" >"$TMP/out"
	grep -q sc-slain-main "$TMP/out" && ! grep -q kill9 "$TMP/out"
	result 'scrub: words of my own'
	expect 'scrub: a key that anybody has' 2 '' '.*--key takes a word.*try svctrace scrub --help' \
		"$SVCTRACE" scrub --key= -o "$TMP/f.trace" "$ONE.trace"
	expect 'scrub: never over the original' 2 '' '.*cannot be its own scrubbed copy.*' \
		"$SVCTRACE" scrub -o "$ONE.trace" "$ONE.trace"
}

usage() {
	local verb
	for verb in record replay check diff dump scrub; do
		expect "$verb --help" 0 "Usage: svctrace $verb .*Examples:.*Exit status:.*" '' "$SVCTRACE" $verb --help
		expect "$verb with an unknown option" 2 '' "svctrace: unknown option \"--nope\"; try svctrace $verb --help" \
			"$SVCTRACE" $verb --nope
		[ -e "$ROOT/man/svctrace-$verb.1" ]
		result "$verb has a manual page"
	done
	expect 'replay of nothing' 2 '' '.*which recording.*' "$SVCTRACE" replay
	expect 'record to where the command writes' 2 '' '.*-o - needs standard output for itself.*' \
		"$SVCTRACE" record -o - -- true
	expect 'record --count without --live' 2 '' '.*need --live.*' "$SVCTRACE" record -n1
	expect 'record --on-verdict of an unknown cause' 2 '' '.*unknown cause "fate".*' "$SVCTRACE" record --on-verdict=fate
}

# The engine can only compute: all it needs of the C library is here, and it has no variables. What
# JSON the bus parser has taken apart for it is in memory too; of src/stuck it has its words.
purity() {
	local objects build=$ROOT/build # as it is shipped: ASan has variables of its own
	[ -d "$build/src/engine" ] || build=$(dirname "$SVCTRACE")
	objects=$(echo "$build"/src/{engine,event,bus,stuck}/*.o)
	# shellcheck disable=SC2086
	nm -u $objects | awk '/ U /{ print $2 }' | sort -u >"$TMP/needed"
	# shellcheck disable=SC2086
	nm --defined-only $objects "$build"/src/base/{text,stat}.o | awk 'NF == 3 { print $3 }' | sort -u >"$TMP/own"
	comm -23 "$TMP/needed" "$TMP/own" |
		grep -vxE 'json_[a-z_]+|(m|c|re)alloc|reallocarray|free|v?(as|sn)printf|mem(cmp|cpy|pcpy|move|set|chr|rchr|mem)|strerrorname_np|str(n?len|n?cmp|n?dup|r?chr|chrnul|c?spn|str|tok_r|tol)|(__isoc(99|23)_)?(sscanf|strtol)|qsort|bsearch|powl|t(find|search|delete|destroy|walk)|__(asan|ubsan|sanitizer)_.*|__.*_chk|__stack_chk_fail|_GLOBAL_OFFSET_TABLE_' \
			>"$TMP/out"
	[ -s "$TMP/needed" ] && [ ! -s "$TMP/out" ]
	result 'the engine needs nothing that opens, reads a clock or asks the environment'
	if grep -q __asan "$TMP/needed"; then
		echo 'ok - the engine has no variables # SKIP ASan has some of its own'
		return
	fi
	# shellcheck disable=SC2086
	size -A $objects | awk '$1 == ".data" || $1 == ".bss" { n += $2 } END { exit n != 0 }'
	result 'the engine has no variables'
}

# Every cause by its name in its own section, in the schema and in the man page, and no other.
causes() {
	"$SVCTRACE" replay --cause=what "$ONE.trace" 2>&1 | sed -n 's/^  //p' | sort >"$TMP/causes"
	[ "$(wc -l <"$TMP/causes")" -gt 20 ]
	result 'causes: listed'
	sed -n 's/^### //p' "$ROOT/docs/causes.md" | sort | diff "$TMP/causes" - >"$TMP/out" 2>"$TMP/err"
	result 'causes: docs/causes.md has a section for each'
	awk '/^### / { name = $2; n++ } /^- \*Confirm:\*/ { c[name] = 1 } /^- \*Avoid:\*/ { a[name] = 1 }
		END { for (i in a) if (!(i in c)) delete a[i]; exit length(a) != n }' "$ROOT/docs/causes.md"
	result 'causes: each says how to confirm and to avoid it'
	python3 -c 'import json, sys
print(*json.load(open(sys.argv[1]))["definitions"]["verdict"]["properties"]["cause"]["enum"], sep="\n")' \
		"$ROOT/docs/schema/svctrace.schema.json" | sort | diff "$TMP/causes" - >"$TMP/out" 2>"$TMP/err"
	result 'causes: the schema has each'
	sed -n '/^.SH CAUSES/,/^docs.causes.md has more/p' "$ROOT/man/svctrace.8" | grep '^.BR* ' | grep -oE '[a-z]+(-[a-z]+)*' | sort -u |
		diff "$TMP/causes" - >"$TMP/out" 2>"$TMP/err"
	result 'causes: the man page has each'
}

# The real thing: 10 million events. Under ASan that would take minutes; the unit tests do less.
scale() {
	local test=$ROOT/build/tests/unit/test_trace_scale
	if [ ! -x "$test" ]; then
		echo 'ok - memory for 10 million events # SKIP not built: make unit'
		return
	fi
	"$test" >"$TMP/out" 2>"$TMP/err"
	result "memory for 10 million events: $(sed -n 's/^# //p' "$TMP/out")"
}

golden
golden_stops
golden_hangs
golden_tests
damage
replay
merge
dump
readers_that_leave
hostile_facts
check
scrub
usage
purity
causes
scale
