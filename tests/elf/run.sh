#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# tests/elf/run.sh SVCTRACE [RELEASE_BUILD]
#
# The resolver on objects built here, and on the stripped libraries of Debian's releases (fetched
# with tools/debs; without a network these are skipped). RELEASE_BUILD is timed, if given.
set -uo pipefail

svctrace=$(realpath "${1:?usage: tests/elf/run.sh SVCTRACE [RELEASE_BUILD]}")
release=${2:+$(realpath "$2")}
here=$(cd "$(dirname "$0")" && pwd)
top=$here/../..
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp" || exit 2
unset DEBUGINFOD_URLS
n=0 failed=0

ok() { n=$((n + 1)); echo "ok $n - $1"; }
skip() { n=$((n + 1)); echo "ok $n - $1 # SKIP $2"; }
not_ok() { # NAME [FILE…]: with what the files hold
	n=$((n + 1)) failed=$((failed + 1))
	echo "not ok $n - $1"
	shift
	[ $# -eq 0 ] || sed 's/^/#   /' "$@" | head -n 40
}

# expect NAME WANTED GOT
expect() {
	if [ "$2" = "$3" ]; then
		ok "$1"
	else
		not_ok "$1" <(printf 'wanted: %s\ngot:    %s\n' "$2" "$3")
	fi
}

resolve() { "$svctrace" resolve "$@" 2>err; }

# "status origin address" of a function; all that applies
facts_of() { # NAME ELF [OPTION…]
	local name=$1
	shift
	resolve --json "$@" "$name" |
		jq -r '.functions[0] | [.status, .origin, (.address // empty)] | map(select(. != null)) | join(" ")'
}

# As nm has it, in decimal; the suffixes of clones count as the name.
nm_address() { # ELF NAME
	printf '%d\n' "0x$(nm "$1" | awk -v n="$2" '{ sub(/\..*/, "", $3) } $3 == n && !/\.cold/ { print $1; exit }')"
}

compile() { # OUTPUT [OPTION…]
	local out=$1
	shift
	gcc -O2 -fPIC -shared -Wl,--build-id -Wl,-z,relro,-z,now "$@" -o "$out" "$here/crafted.c"
}

## objects built here

crafted() {
	compile full.so -g || { not_ok 'the crafted object compiles'; return; }
	strip -o bare.so full.so
	local f

	for f in crafted_host service_set_state service_enter_stop service_stop service_sigchld_event \
		service_active_state crafted_first_user socket_stop; do
		expect "crafted, stripped: $f by reference" "found reference $(nm_address full.so $f)" \
			"$(facts_of $f bare.so)"
	done
	for f in crafted_inlined_away crafted_callee crafted_in_both crafted_method_helper; do
		expect "crafted, stripped: $f is known as inlined" inlined "$(facts_of $f bare.so)"
	done
	expect 'crafted, stripped: a D-Bus handler among two names' \
		"found reference $(nm_address full.so method_stop_unit)" "$(facts_of method_stop_unit bare.so)"
	expect 'crafted, stripped: by its slot alone' \
		"found vtable $(nm_address full.so service_can_reload)" "$(facts_of service_can_reload bare.so)"
	expect 'crafted, stripped: by its neighbours in a table' \
		"found vtable $(nm_address full.so service_reset_failed)" "$(facts_of service_reset_failed bare.so)"
	expect 'crafted, stripped: exported' "found dynsym $(nm_address full.so crafted_entry)" \
		"$(facts_of crafted_entry bare.so)"
	expect 'crafted, stripped: a name that nothing confirms' ambiguous "$(facts_of crafted_only_logs bare.so)"
	expect 'crafted, stripped: unknown name' missing "$(facts_of no_such_function bare.so)"
	expect 'crafted: references can be switched off' missing \
		"$(facts_of crafted_host bare.so --no-references)"
	expect 'crafted: calibration agrees' '0 true' \
		"$(resolve --json bare.so crafted_host | jq -r '"\(.calibration.disagree) \(.calibration.enabled)"')"
	expect 'crafted, not stripped: symtab' "found symtab $(nm_address full.so crafted_host)" \
		"$(facts_of crafted_host full.so)"
	user_address
	crafted_offsets
	crafted_enums
}

user_address() {
	local address
	address=$(nm_address full.so crafted_silent_host)
	expect 'an address given by the user' "found user $address" \
		"$(facts_of mine bare.so --user-address="mine=$(printf 0x%x "$address")")"
	expect 'a user address outside of the code' missing "$(facts_of mine bare.so --user-address=mine=0x7fffffff)"
}

# What the compiler says of the structs, by the debug information of the full build.
offset_in_dwarf() { # STRUCT MEMBER
	gdb -batch -ex "print (long) &(($1 *) 0)->$2" full.so 2>/dev/null | sed 's/.* = //'
}

crafted_offsets() {
	local line key
	command -v gdb >/dev/null || { skip 'crafted: offsets as in DWARF' 'no gdb'; return; }
	for line in Unit.Id=id Unit.Job=job Job.Id=id Job.JobType=type Job.Unit=unit Service.Type=type \
		Service.state=state Service.Result=result Service.MainPID=main_pid \
		Service.ControlPID=control_pid Service.PIDFile=pid_file Service.NRestarts=n_restarts \
		Service.WatchdogTimestamp=watchdog_timestamp Service.watchdog_usec=watchdog_usec \
		Service.watchdog_original_usec=watchdog_original_usec \
		Service.watchdog_override_usec=watchdog_override_usec \
		Service.watchdog_override_enable=watchdog_override_enable \
		Service.control_command_id=control_command_id Unit.start_ratelimit=start_ratelimit Message.bus=bus Message.sender=sender \
		Message.member=member Message.header=header Bus.input_fd=input_fd; do
		key=${line%=*}
		expect "crafted: $key as in DWARF" "$(offset_in_dwarf "${key%.*}" "${line#*=}")" \
			"$(resolve --json bare.so "$key" | jq '.offsets[0].offset')"
	done
	expect 'crafted: an accessor that its witness contradicts' ambiguous \
		"$(resolve --json bare.so Message.path | jq -r '.offsets[0].status')"
	expect 'crafted: the getter takes it all' missing "$(resolve --json bare.so Unit.Following | jq -r '.offsets[0].status')"
}

crafted_enums() {
	expect 'crafted: enum names' 'success,resources,protocol,timeout,exit-code' \
		"$(resolve --json bare.so ServiceResult | jq -r '.enums[0].values | join(",")')"
	expect 'crafted: an enum ends where the code says' 'start,verify-active,stop' \
		"$(resolve --json bare.so JobType | jq -r '.enums[0].values | join(",")')"
}

## separate debug files

debug_files() {
	local id address
	address=$(nm_address full.so crafted_silent_host)
	id=$(readelf -n full.so | sed -n 's/.*Build ID: //p')
	objcopy --only-keep-debug full.so full.debug

	mkdir -p byid/.build-id/"${id:0:2}"
	cp full.debug byid/.build-id/"${id:0:2}/${id:2}.debug"
	expect 'debug file by build-id' "found debugfile $(nm_address full.so crafted_host)" \
		"$(facts_of crafted_host bare.so --debug-path="$tmp/byid")"
	expect 'debug files can be switched off' "found reference $(nm_address full.so crafted_host)" \
		"$(facts_of crafted_host bare.so --debug-path="$tmp/byid" --no-debug-files)"

	mkdir -p linked/.debug
	objcopy --add-gnu-debuglink=full.debug bare.so linked/bare.so
	cp full.debug linked/.debug/
	expect 'debug file by debuglink' "found debugfile $(nm_address full.so crafted_host)" \
		"$(facts_of crafted_host linked/bare.so)"

	# The package was upgraded, the debug file is another build's.
	compile other.so -g -DOTHER -fno-inline
	objcopy --only-keep-debug other.so other.debug
	cp other.debug byid/.build-id/"${id:0:2}/${id:2}.debug"
	cp other.debug linked/.debug/full.debug
	expect 'a debug file of another build is not believed (build-id)' \
		"found reference $(nm_address full.so crafted_host)" \
		"$(facts_of crafted_host bare.so --debug-path="$tmp/byid")"
	expect 'a debug file of another build is not believed (debuglink)' \
		"found reference $(nm_address full.so crafted_host)" "$(facts_of crafted_host linked/bare.so)"
	minidebug
}

# As distributions make it: functions that .dynsym lacks, in an xz-compressed ELF.
minidebug() {
	command -v xz >/dev/null || { skip 'minidebug' 'no xz'; return; }
	nm -D full.so --format=posix --defined-only | awk '{ print $1 }' | sort >dynsyms
	nm full.so --format=posix --defined-only | awk '$2 ~ /[Tt]/ { print $1 }' | sort >allsyms
	comm -13 dynsyms allsyms >keep
	objcopy -S --remove-section .gdb_index --remove-section .comment --keep-symbols=keep full.debug mini
	xz -f mini
	objcopy --add-section .gnu_debugdata=mini.xz bare.so mini.so
	expect 'minidebug' "found minidebug $(nm_address full.so crafted_first_user)" \
		"$(facts_of crafted_first_user mini.so)"
	expect 'minidebug, but switched off' "found reference $(nm_address full.so crafted_first_user)" \
		"$(facts_of crafted_first_user mini.so --no-debug-files)"
}

relr() {
	if ! compile relr.so -Wl,-z,pack-relative-relocs 2>/dev/null || ! readelf -SW relr.so | grep -q RELR; then
		skip 'packed relative relocations (RELR)' 'the linker cannot make them'
		return
	fi
	strip relr.so
	expect 'packed relative relocations (RELR): offsets' "$(resolve --json bare.so Service.Result | jq '.offsets[0].offset')" \
		"$(resolve --json relr.so Service.Result | jq '.offsets[0].offset')"
	expect 'packed relative relocations (RELR): enums' 5 \
		"$(resolve --json relr.so ServiceResult | jq '.enums[0].values | length')"
}

other_compiler() {
	command -v clang >/dev/null || { skip 'built by clang' 'no clang'; return; }
	clang -O2 -fPIC -shared -Wl,--build-id -o clang.so "$here/crafted.c" 2>err ||
		{ skip 'built by clang' 'clang cannot link'; return; }
	local f wrong=
	strip -o clang-bare.so clang.so
	for f in $(nm clang.so | awk '$2 ~ /[tT]/ { print $3 }'); do
		case $(facts_of "$f" clang-bare.so) in
		"found "*" $(nm_address clang.so "$f")" | missing* | inlined* | ambiguous*) ;;
		*) wrong+=" $f" ;;
		esac
	done
	expect 'built by clang: no wrong address' '' "$wrong"
}

## input that is broken, or not for us

# rejected NAME FILE TEXT: exit code 2 and one line that has TEXT
rejected() {
	"$svctrace" resolve "$2" >out 2>err
	expect "rejected: $1" "2 1 1" "$? $(wc -l <err) $(grep -c -- "$3" err)"
}

patched() { # FROM TO OFFSET BYTES
	cp "$1" "$2"
	printf '%b' "$4" | dd of="$2" bs=1 seek="$3" conv=notrunc status=none
}

broken() {
	: >empty
	echo 'no ELF' >text
	head -c 40 bare.so >short
	head -c 5000 bare.so >cut.so
	patched bare.so bits32 4 '\x01'
	patched bare.so bigendian 5 '\x02'
	patched bare.so riscv 18 '\xf3\x00'
	patched bare.so relocatable 16 '\x01\x00'
	rejected 'no such file' nowhere 'No such file'
	rejected 'a directory' . 'not a regular file'
	rejected 'an empty file' empty 'empty'
	rejected 'a text file' text 'not an ELF'
	rejected 'a cut header' short 'truncated'
	rejected 'a cut file' cut.so 'truncated'
	rejected '32-bit' bits32 '32-bit'
	rejected 'big-endian' bigendian 'big-endian'
	rejected 'another machine' riscv 'not supported'
	rejected 'a relocatable object' relocatable 'neither'
	truncations
	bit_flips
}

program() {
	echo 'int main(int c, char **v) { return c + !v[0]; }' |
		gcc -O2 -fPIE -pie -x c -o main.full - || { not_ok 'a program compiles'; return; }
	strip -o main.bare main.full
	expect 'stripped program: main' "found entry $(nm_address main.full main)" "$(facts_of main main.bare)"
}

# Exit code 0, 1 or 2, whatever the file: anything else is a crash.
survives() { # FILE
	"$svctrace" resolve --all "$1" >/dev/null 2>err
	[ $? -le 2 ]
}

truncations() {
	local size at bad=
	size=$(stat -c %s bare.so)
	for ((at = 64; at < size; at += size / 60)); do
		head -c "$at" bare.so >cut.so
		survives cut.so || bad+=" $at"
	done
	expect 'cut anywhere, it ends in order' '' "$bad"
}

# A sequence that is the same each time, over headers, tables and sections.
bit_flips() {
	local size i at bad='' seed=1
	size=$(stat -c %s bare.so)
	for ((i = 0; i < 150; i++)); do
		seed=$(((seed * 1103515245 + 12345) % 2147483648))
		at=$((i % 3 == 0 ? seed % 1024 : i % 3 == 1 ? size - 2400 + seed % 2400 : seed % size))
		patched bare.so flipped "$at" "\\x$(printf %02x $((seed / 65536 % 256)))"
		survives flipped || bad+=" $at"
	done
	expect 'with any byte changed, it ends in order' '' "$bad"
}

usage() {
	"$svctrace" resolve --help >out 2>err
	expect 'help: exit code' 0 $?
	expect 'help: has examples' 1 "$(grep -c '^Examples:' out)"
	"$svctrace" resolve >out 2>err
	expect 'no object: usage' 2 $?
	"$svctrace" resolve --frobnicate bare.so >out 2>err
	expect 'unknown option: usage' 2 $?
	"$svctrace" resolve --user-address=x bare.so >out 2>err
	expect 'bad user address: usage' 2 $?
	"$svctrace" resolve bare.so no_such_function >out 2>err
	expect 'a name that is not found: 1' 1 $?
	"$svctrace" resolve bare.so crafted_host >out 2>err
	expect 'a name that is found: 0' 0 $?
	"$svctrace" resolve --pid=999999999 >out 2>err
	expect 'no such process: 2' 2 $?
}

process() {
	local name
	sleep 100 &
	local pid=$!
	name=$("$svctrace" resolve --json --pid=$pid no_such_function 2>err | jq -r .path)
	expect 'the object of a process is its executable' "$(readlink /proc/$pid/exe)" "$name"
	kill $pid
	cp "$(command -v sleep)" gone
	./gone 100 &
	pid=$!
	sleep 0.2
	rm gone
	# Reading what is gone takes /proc/PID/map_files, and that takes privileges.
	name=$("$svctrace" resolve --json --pid=$pid no_such_function 2>err | jq -r .replaced)
	if [ -r "/proc/$pid/map_files" ] && [ "$name" = true ]; then
		ok 'the object of a process, replaced on disk'
	elif [ "$(id -u)" = 0 ] && grep -q 'cannot be read any more' err; then
		skip 'the object of a process, replaced on disk' 'this kernel or container hides map_files'
	else
		expect 'the object of a process, replaced on disk: says so' 1 "$(wc -l <err)"
	fi
	kill $pid
}

## Debian's own

core_of() { # DIRECTORY: the object that has the manager's code
	local f
	f=$(find "$1" -name 'libsystemd-core-*.so' | head -n1)
	[ -n "$f" ] || f=$(find "$1" -path '*/lib/systemd/systemd' -type f | head -n1)
	printf '%s\n' "$f"
}

# Fetches SUITE for ARCH and names its core object; bullseye's is in another package.
fetch() { # SUITE ARCH
	local package=libsystemd-shared
	[ "$1" != bullseye ] || package=systemd
	core_of "$("$top/tools/debs" "$1" $package "$2" 2>>fetch.log)"
}

# What holds of every release: witnesses agree, and what svctrace cannot do without is there.
agreement() { # LABEL ELF
	local label=$1 elf=$2 q
	"$svctrace" resolve --json --no-debug-files "$elf" >r.json 2>err
	expect "$label: all that is essential was found" 0 $?
	q() { jq -r "$1" r.json; }
	expect "$label: references contradict no exported function" '0 true' \
		"$(q '"\(.calibration.disagree) \(.calibration.enabled)"')"
	expect "$label: and half of those have an answer" true \
		"$(q '.calibration | .exported == 0 or .agree * 2 > .exported')"
	expect "$label: no address twice" '' \
		"$(q '[.functions[] | select(.address)] | group_by(.address)[] | select(length > 1) | map(.name) | join("=")')"
	expect "$label: functions of the verdicts" '' "$(q '
		["service_enter_stop", "service_load_pid_file", "service_set_state", "service_enter_signal",
		 "service_enter_dead", "service_notify_cgroup_empty_event", "service_sigchld_event",
		 "service_stop", "service_enter_running", "on_cgroup_empty_event",
		 "service_notify_cgroup_oom_event", "transaction_add_job_and_dependencies",
		 "bus_unit_method_kill"] -
		[.functions[] | select(.status == "found") | .name] | join(" ")')"
	expect "$label: offsets" '' "$(q '[.offsets[] | select(.status != "found") | .key] | join(" ")')"
	expect "$label: enums" '' "$(q '[.enums[] | select(.status != "found") | .name] | join(" ")')"
	for q in Service.Result Service.ControlPID Service.PIDFile Service.MainPID; do
		expect "$label: code confirms $q" 1 "$(q ".offsets[] | select(.key == \"$q\").reason" | grep -c ' it$')"
	done
	# path, interface, member, destination and sender are neighbours in all releases.
	expect "$label: members of sd_bus_message" '16 16' "$(q '
		[.offsets[] | {(.key): .offset}] | add |
		"\(.["Message.member"] - .["Message.path"]) \(.["Message.sender"] - .["Message.member"])"')"
	expect "$label: the Bitmaps of an ExitStatusSet" true \
		"$(q '.offsets[] | select(.key == "ExitStatusSet.signal").offset | . == 16 or . == 24')"
	expect "$label: actions" none "$(q '.enums[] | select(.name == "EmergencyAction").values[0]')"
	expect "$label: start of ServiceState" dead "$(q '.enums[] | select(.name == "ServiceState").values[0]')"
	expect "$label: the restart states are among them" true \
		"$(q '.enums[] | select(.name == "ServiceState").values | index("auto-restart") > index("failed")')"
}

debian() {
	local suite arch elf
	for suite in bullseye bookworm bookworm-backports trixie sid; do
		for arch in amd64 arm64; do
			elf=$(fetch $suite $arch)
			if [ -n "$elf" ]; then
				agreement "$suite $arch" "$elf"
			else
				skip "$suite $arch" "$(tail -n1 fetch.log)"
			fi
		done
	done
}

# Every function of one build, against the symbols of a rebuild of the same source.
truth() {
	local elf want id
	want=$(sed -n 's/.*build-id \([0-9a-f]*\).*/\1/p;1q' "$here/truth-252.tsv")
	for elf in $(fetch bookworm amd64) \
		"$(core_of "$("$top/tools/debs" bookworm libsystemd-shared=252.39-1~deb12u2 amd64 2>>fetch.log)")"; do
		id=$(readelf -n "$elf" 2>/dev/null | sed -n 's/.*Build ID: //p')
		[ "$id" != "$want" ] || break
	done
	if [ "$id" != "$want" ]; then
		skip 'truth of 252' 'Debian has moved on to another build'
		return
	fi
	resolve --all --json --no-debug-files "$elf" |
		jq -r '.functions[] | "\(.name) \(.address)"' | sort >got
	grep -v '^#' "$here/truth-252.tsv" | while read -r address _ name _; do
		echo "$name $((16#$address))"
	done | sort >truth
	join got truth | awk '$2 == $3 { print $1 }' | sort -u >right
	cut -d' ' -f1 got | sort -u | comm -23 - right >wrong
	if [ -s wrong ]; then not_ok 'truth of 252: no wrong address' wrong; else ok 'truth of 252: no wrong address'; fi
	expect 'truth of 252: at least 1400 functions' true "$([ "$(wc -l <right)" -ge 1400 ] && echo true)"
	echo "# $(wc -l <right) of $(cut -d' ' -f1 truth | sort -u | wc -l) functions found"
	memory "$elf"
}

# How fast it is, `make bench` measures.
memory() { # ELF
	local t
	[ -n "$release" ] || { skip 'small' 'no release build given'; return; }
	if [ ! -x /usr/bin/time ]; then
		skip 'small: under 64 MiB' 'no /usr/bin/time'
		return
	fi
	t=$(/usr/bin/time -f %M "$release" resolve --json "$1" 2>&1 >/dev/null | tail -n1)
	echo "# $t KiB"
	expect 'small: under 64 MiB' true "$([ "$t" -lt 65536 ] && echo true || echo "$t KiB")"
}

this_machine() {
	local elf
	elf=$(core_of /usr/lib)
	if [ -n "$elf" ]; then agreement 'this machine' "$elf"; else skip 'this machine' 'no systemd here'; fi
}

for tool in gcc jq nm objcopy readelf strip; do
	command -v $tool >/dev/null || { not_ok "$tool is needed"; exit 1; }
done
crafted
debug_files
relr
program
other_compiler
broken
usage
process
debian
truth
this_machine
echo "1..$n"
[ $failed -eq 0 ]
