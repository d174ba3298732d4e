# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154
#
# A hot upgrade of a real Open vSwitch, from Debian's packages; sourced by run.sh, which says what
# $suite, $work, $files and $svctrace are.

GUEST_TESTS+=" pidfile_ovs"
OVS_SUITES=trixie

# What the daemons need; perl and python, which only other tools of the packages need, are left out.
ovs_packages() {
	echo openvswitch-switch openvswitch-common libbpf1 libcap-ng0 libnuma1 libunbound8 libxdp1 uuid-runtime \
		libevent-2.1-7t64 libelf1t64 libgmp10 libhogweed6t64 libnettle8t64 libssl3t64
}

# Their files, with /lib below /usr as the suites have it. The packages are kept by tools/debs.
ovs_tree() { # INTO
	local p dir
	mkdir -p "$1/usr"
	for p in $(ovs_packages); do
		dir=$("$HERE/../../tools/debs" "$suite" "$p")
		cp -a "$dir/." "$1/"
		if [ -d "$1/lib" ]; then
			cp -a "$1/lib/." "$1/usr/lib/"
			rm -r "${1:?}/lib"
		fi
	done
	rm -rf "$1"/usr/share/{man,doc,bash-completion,lintian} "$1"/usr/lib/python3
	ln -sf ../lib/openvswitch-switch/ovs-vswitchd "$1/usr/sbin/ovs-vswitchd" # as its alternatives do
}

guest_pidfile_ovs() {
	case " $OVS_SUITES " in *" $suite "*) ;; *) echo "one suite's Open vSwitch is enough: $OVS_SUITES"; return 77 ;; esac
	ovs_tree "$files/ovs"
	cp "$HERE/ovs-steps" "$files/"
	guest_watch 'sh ovs-steps' record --live --json --timeline=ovs-vswitchd -o ovs.trace ovs-vswitchd
	keep_json "$work/trace.out" ovs
	# as people read it: the README has a part of it
	"$svctrace" replay --utc --timeline=ovs-vswitchd "$work/ovs.trace" >"$json_dir/../ovs-$suite.txt"
	grep -q '^/run/openvswitch/ovs-vswitchd-current.pid  systemd refuses it: unsafe-path' "$work/refused.before"
	expect 'after the refusal' 'ActiveState=inactive NRestarts=0 Result=success' \
		"$(LC_ALL=C sort "$work/refused.after" | xargs)"
	"$HERE/check-ovs" "$work/trace.steps" "$work/trace.out"
}
