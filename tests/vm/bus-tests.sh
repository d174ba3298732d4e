# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154,SC2016
#
# What clients ask systemd for, seen while they send it; sourced by run.sh, which says what $suite,
# $work, $files and $svctrace are.

BED_TESTS+=" requests requests_at_once requests_dbus_broker"
GUEST_TESTS+=" requests requests_kprobe requests_user"

# ask WAY MEMBER UNIT COMMAND…: COMMAND asks WAY (private, bus, varlink) so, and is said to.
ASK='P=/run/bed/proc; [ -d $P ] || P=/proc
	export P
	ask() {
		sh -c "read -r pid rest <\$P/self/stat; echo \"#asked \$pid \$1 \$2 \$3\"; shift 3; exec \"\$@\"" \
			ask "$@" >>asked.new 2>ask.err
		grep "^#asked" asked.new; rm asked.new
	}
	manager="org.freedesktop.systemd1 /org/freedesktop/systemd1 org.freedesktop.systemd1.Manager"
	send="dbus-send --system --type=method_call --dest=org.freedesktop.systemd1"
	unit="/org/freedesktop/systemd1/unit/req_2dvictim_2eservice"'

# Each way to ask that there is, of a unit that need not even be there.
REQUESTS='systemd-run -q --unit=req-victim sleep 1000
	ask private KillUnit req-victim.service systemctl kill -s USR1 req-victim
	ask private RestartUnit req-victim.service systemctl restart req-victim
	ask bus StopUnit req-victim.service busctl call $manager StopUnit ss req-victim.service replace
	ask bus EnqueueUnitJob req-victim.service \
		busctl call $manager EnqueueUnitJob sss req-victim.service restart fail
	ask bus Stop req-victim.service $send $unit org.freedesktop.systemd1.Unit.Stop string:replace
	ask bus PowerOff - dbus-send --system --type=method_call --dest=org.freedesktop.login1 /org/freedesktop/login1 \
		org.freedesktop.login1.Manager.PowerOff string:no-boolean
	busctl status org.freedesktop.systemd1 >/dev/null
	systemctl list-units >/dev/null
	busctl monitor >/dev/null 2>&1 & sleep 0.3
	ask bus StopUnit monitored.service busctl call $manager StopUnit ss monitored.service replace
	kill $!
	dbus-send --system --type=method_call --dest=org.example.foreign /org/example org.example.Nobody.Hears string:secret
	[ ! -S /run/systemd/io.systemd.Manager ] || ! command -v varlinkctl >/dev/null ||
		ask varlink Reload - varlinkctl call /run/systemd/io.systemd.Manager io.systemd.Manager.Reload {}
	ask private StopUnit req-victim.service systemctl stop req-victim'

# All who asked were seen, once each and with all that was asked, each on a bus with its name first,
# which nobody else was given, not even a monitor that is shown all messages.
expect_requests() {
	python3 - "$work" <<-'PY'
		import json, sys
		work = sys.argv[1]
		asked = [l.split()[1:] for l in open(f"{work}/trace.steps") if l.startswith("#asked ")]
		assert asked
		names, sends = {}, {}
		for line in open(f"{work}/trace.out"):
		    e = json.loads(line)
		    if e["event.name"] == "svctrace.event.bus-name":
		        given = e["data"]["listener"], e["data"]["name"]
		        assert given not in names.values(), given
		        names[e["data"]["client"]] = given
		    elif e["event.name"] == "svctrace.event.client-send":
		        d = e["data"]
		        for m in d["messages"]:
		            sends.setdefault(d["client"]["process.pid"], []).append((d, m))
		            assert not m["incomplete"], e["text"]
		        assert d["messages"] and not d["more"], e["text"]
		        assert b"secret" not in line.encode() and d["listener"], line
		for pid, way, member, unit in asked:
		    (d, m), = sends.get(int(pid), [(None, None)])
		    assert d, f"{member} of {unit} by {pid} was not seen"
		    assert (d["endpoint"], m["member"]) == (way, member), (d, m)
		    assert m["systemd.unit.name"] == (None if unit == "-" else unit), m
		    assert way != "bus" or int(pid) in names, f"{pid} has no name"
		    assert (m["serial"] or way == "varlink") and d["command_line"] and d["ancestors"], d
		    assert d["client"]["process.command"] in ("systemctl", "busctl", "dbus-send", "varlinkctl"), d
		print(len(asked), "asked,", sum(map(len, sends.values())), "seen")
	PY
}

bed_requests() {
	printf '%s\n%s\n' "$ASK" "$REQUESTS" >"$files/steps"
	bed_watch 'sh ./steps' --json --events
	expect_requests
	keep_json "$work/trace.out" requests
}

# Clients that ask at the same time and exit at once.
bed_requests_at_once() {
	printf '%s\n' "$ASK" 'one() {
			sh -c "read -r pid rest <\$P/self/stat; echo \"#asked \$pid private StopUnit \$1\"
				exec systemctl --no-block stop \$1" one "$1" 2>one.err
		}
		for i in $(seq 50); do one none-$i.service & done; wait' >"$files/steps"
	bed_watch 'sh ./steps' --json --events
	expect "clients" 50 "$(grep -c '^#asked' "$work/trace.steps")"
	expect_requests
}

# The other broker, which sends otherwise: sendmmsg, a message in pieces.
bed_requests_dbus_broker() {
	local deb
	deb=$("$HERE/../../tools/debs" "$suite" dbus-broker) || { echo "no package dbus-broker"; return 77; }
	cp "$deb"/usr/bin/dbus-broker* "$files/"
	printf '%s\n%s\n' "$ASK" "$REQUESTS" >"$files/requests"
	echo 'cp dbus-broker dbus-broker-launch /usr/bin/ && dbus-broker --version >&2 || exit 77
		mkdir -p /run/systemd/system/dbus.service.d
		printf "[Service]\nType=notify\nExecStart=\nExecStart=/usr/bin/dbus-broker-launch --scope system\n" \
			>/run/systemd/system/dbus.service.d/broker.conf
		systemctl daemon-reload; systemctl restart dbus.service; sh ./requests
		systemctl status dbus | grep -q dbus-broker-launch' >"$files/steps"
	bed_watch 'sh ./steps' --json --events
	expect_requests
}

expect_way() { # HOW
	expect "unix_stream_sendmsg" "$1" "$(awk '$1 == "unix_stream_sendmsg" { print $2 }' "$work/trace.err")"
}

guest_requests() {
	printf '%s\n%s\n' "$ASK" "$REQUESTS" >"$files/requests"
	guest_watch 'sh ./requests' -v --json --events
	expect_way fentry
	expect_requests
}

# Without the kernel's own types there is no fentry.
guest_requests_kprobe() {
	printf '%s\n%s\n' "$ASK" "$REQUESTS" >"$files/requests"
	cp "$HERE/watch" "$files/"
	guest -d "$files" -o "$work" "$suite" 'cp /sys/kernel/btf/vmlinux /tmp/btf
		mount -t tmpfs none /sys/kernel/btf
		sh ./watch trace "sh ./requests >trace.steps" ./svctrace -v --json --events --btf=/tmp/btf'
	expect_way kprobe
	expect_requests
}

# A user's manager and a user's bus.
guest_requests_user() {
	printf '%s\n' "$ASK" "$USER_MANAGER" 'chmod 777 .
		U="setpriv --reuid=nobody --clear-groups"
		export XDG_RUNTIME_DIR=/run/usermgr HOME=/tmp DBUS_SESSION_BUS_ADDRESS=unix:path=/run/usermgr/bus
		$U dbus-daemon --session --fork --address=$DBUS_SESSION_BUS_ADDRESS
		ask private StopUnit a.service $U systemctl --user stop a
		ask bus StopUnit b.service $U busctl --user call $manager StopUnit ss b.service replace' >"$files/requests"
	guest_watch 'sh ./requests' -v --json --events
	expect_requests
}
