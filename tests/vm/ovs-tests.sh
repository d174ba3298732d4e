# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154
#
# A hot upgrade of a real Open vSwitch, from Debian's packages; sourced by run.sh, which says what
# $suite, $work, $files and $svctrace are.

BED_TESTS+=" pidfile_ovs"
ONCE+=" bed_pidfile_ovs"
GUEST_TESTS+=" pidfile_ovs"
OVS_GUEST=trixie
OVS_ARGUMENTS="--json --timeline=ovs-vswitchd ovs-vswitchd ovs-seen"

# What the daemons need; perl and python, which only other tools of the packages need, are left out.
ovs_packages() {
	echo openvswitch-switch openvswitch-common libbpf1 libcap-ng0 libnuma1 libunbound8 libxdp1 uuid-runtime libgmp10
	case $suite in
	bookworm) echo libevent-2.1-7 libelf1 libhogweed6 libnettle8 libssl3 ;;
	*) echo libevent-2.1-7t64 libelf1t64 libhogweed6t64 libnettle8t64 libssl3t64 ;;
	esac
}

ovs_tree() { # INTO
	local p
	for p in $(ovs_packages); do package_files "$p" "$1"; done
	rm -rf "$1"/usr/lib/python3
	ln -sf ../lib/openvswitch-switch/ovs-vswitchd "$1/usr/sbin/ovs-vswitchd" # as its alternatives do
}

check_ovs() {
	keep_json "$work/trace.out" ovs
	cat "$work/trace.steps"
	grep -q '^#owners root:755 root:644 $' "$work/trace.steps"
	grep -q '^#foretold /run/openvswitch/ovs-vswitchd.pid  systemd accepts it: trusted-file$' "$work/trace.steps"
	grep -q '^#foretold /run/openvswitch/ovs-vswitchd-current.pid  systemd refuses it: unsafe-path$' "$work/trace.steps"
	grep -q '^#after ActiveState=inactive NRestarts=0 Result=success $' "$work/trace.steps"
	"$HERE/check-ovs" "$work/trace.steps" "$work/trace.out"
}

bed_pidfile_ovs() {
	local static=${svctrace%.static}.static
	[ -e "$static" ] || { echo "no $static: make static"; return 77; }
	ovs_tree "$files/ovs"
	cp "$HERE/ovs-steps" "$files/"
	cp "$static" "$files/svctrace"
	# what svctrace says lies inside, as in the guest: the steps wait for some of it
	S=$(realpath "$svctrace") WATCH=$HERE/watch ARGS=$OVS_ARGUMENTS bed -t 500 -d "$files" -o "$work" -H '
		"$WATCH" "$BED_HOST/trace" "$BED_EXEC sh -c \"cd /host; sh ovs-steps\"" \
			"$S" --manager="$BED_PID" $ARGS >"$BED_HOST/trace.steps"' "$suite" true
	check_ovs
}

guest_pidfile_ovs() {
	[ "$suite" = "$OVS_GUEST" ] || { echo "the Open vSwitch of $OVS_GUEST is enough"; return 77; }
	ovs_tree "$files/ovs"
	cp "$HERE/ovs-steps" "$files/"
	limit=500 recorded=1 guest_watch 'sh ovs-steps' "$OVS_ARGUMENTS"
	check_ovs
	# as people read it: the README has a part of it
	"$svctrace" replay --utc --timeline=ovs-vswitchd "$work/rec.trace" >"$json_dir/../ovs-$suite.txt"
}
