# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154,SC2016
#
# Who asked, when it is hard to tell: many clients that are gone at once, two within a millisecond,
# a flood, another broker, a user's own manager, a power-off; sourced by run.sh. The clients are
# stop-client's, which says of each who it was.

BED_TESTS+=" who_many who_two who_flood who_dbus_broker who_user_manager who_shutdown"
GUEST_TESTS+=" who_power_off"
ONCE+=" guest_who_power_off"

# A thousand would take most of a minute: they are for `run.sh -f`.
MANY=200

# Stops are what is tested: the units start without a process.
MANY_STEPS='
	d=/run/systemd/system
	printf "[Unit]\nStartLimitIntervalSec=0\n[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStop=/bin/true\n" \
		>$d/sc-many@.service
	systemctl daemon-reload
	stop_all() { # ENDPOINT INSTANCE…: those that systemd left alone, since their client was gone too soon, are asked for again
		endpoint=$1; shift
		units=$(printf "sc-many@%s.service " "$@")
		systemctl start $units
		for round in 1 2 3 4 5 6 7 8 9 10; do
			./stop-client ${how:-many} $endpoint $units
			# answered twice, systemd is through with all that was before
			systemctl list-jobs >/dev/null; systemctl list-jobs >/dev/null
			while systemctl list-jobs --plain --no-legend | grep -q sc-many@; do sleep 0.1; done
			units=$(systemctl list-units --plain --no-legend --state=active "sc-many@*" | cut -d" " -f1)
			[ -n "$units" ] || return 0
		done
		echo "#error not stopped: $units"
	}'

check_clients() { # NAME LEAST
	local told=$json_dir/../clients-$suite-$1.txt status=0
	keep_json "$work/trace.out" "$1"
	"$HERE/check-clients" "$work/trace.steps" "$work/trace.out" "$2" >"$work/checked" || status=1
	cat "$work/checked"
	tail -n 1 "$work/checked" >"$told"
	sed 's/^/# /' "$told" >&3
	return $status
}

bed_who_many() {
	local half=$((MANY / 2))
	printf '%s\n' "$MANY_STEPS" "stop_all private \$(seq $half); stop_all bus \$(seq $((half + 1)) $MANY)" >"$files/many"
	bed_watch 'sh ./many' --json 'sc-many@*'
	check_clients many "$MANY"
}

# A stop that takes its time is still under way when the second client asks.
TWO_STEPS='
	d=/run/systemd/system
	printf "[Unit]\nStartLimitIntervalSec=0\n[Service]\nType=exec\nExecStart=/bin/sleep 1000\nExecStop=/bin/sleep 0.1\n" \
		>$d/sc-two@.service
	systemctl daemon-reload
	i=0
	for mode in order race; do for endpoint in private bus; do for round in 1 2 3 4 5; do
		i=$((i + 1)) unit=sc-two@$i.service
		systemctl start $unit
		./stop-client $mode $endpoint $unit
		until [ -z "$(systemctl list-jobs --no-legend --plain "$unit")" ]; do sleep 0.05; done
	done; done; done'

bed_who_two() {
	echo "$TWO_STEPS" >"$files/two"
	bed_watch 'sh ./two' --json 'sc-two@*'
	check_clients two 20
}

FLOOD_STEPS='
	for client in private private bus bus; do ./stop-client flood $client sc-many@7.service & flooders="$flooders $!"; done
	sleep 0.5
	how=each # who is gone cannot know whether he was heard
	stop_all private $(seq 25); stop_all bus $(seq 26 50)
	kill $flooders; wait'

# Nothing is lost, or it is said.
bed_who_flood() {
	printf '%s\n' "$MANY_STEPS" "$FLOOD_STEPS" >"$files/flood"
	bed_watch 'sh ./flood' --json 'sc-many@*'
	check_clients flood 50
}

# The other broker takes the bus over from the one that listens since boot.
BROKER_STEPS='
	ln -s /lib/systemd/system/dbus-broker.service /etc/systemd/system/dbus.service
	systemctl stop dbus.service 2>/dev/null
	systemctl daemon-reload; systemctl restart dbus.socket; systemctl start dbus.service
	until busctl status org.freedesktop.systemd1 >/dev/null 2>&1; do sleep 0.1; done
	echo "#broker $(cat /proc/$(systemctl show -P MainPID dbus.service)/comm)"
	sh scenarios.sh stop_busctl stop_dbus_send stop_gdbus stop_object stop_polkit'

bed_who_dbus_broker() {
	echo "$BROKER_STEPS" >"$files/broker"
	bed_watch 'sh ./broker' --json 'sc-*'
	expect broker dbus-broker-lau "$(sed -n 's/^#broker //p' "$work/trace.steps")"
	check_verdicts broker
}

# A user's systemd, and its clients on its own socket and on the user's own bus.
USER_STEPS='
	X=/run/who-user
	E="XDG_RUNTIME_DIR=$X HOME=/tmp DBUS_SESSION_BUS_ADDRESS=unix:path=$X/bus"
	U="setpriv --reuid=1 --regid=1 --clear-groups env $E"
	mkdir -p $X/systemd/user /run/scenarios
	for u in private bus; do printf "[Service]\nExecStart=/bin/sleep 1000\n" >$X/systemd/user/sc-user-$u.service; done
	printf "[Socket]\nListenStream=%%t/bus\n" >$X/systemd/user/dbus.socket
	printf "[Service]\nExecStart=/usr/bin/dbus-daemon --session --address=systemd: --nofork --nopidfile\n" \
		>$X/systemd/user/dbus.service
	chown -R 1:1 $X
	systemd-run -q --unit=who-user -p User=daemon -p Delegate=yes -p Type=notify -p NotifyAccess=all \
		env $E /lib/systemd/systemd --user
	$U systemctl --user start dbus.socket dbus.service sc-user-private sc-user-bus
	until $U busctl --user status org.freedesktop.systemd1 >/dev/null 2>&1; do sleep 0.1; done
	sleep 2 # until svctrace has found the new manager
	as() { role=$1; shift; $U sh -c "echo \"#client sc-user-$role.service \$\$ sh\"; exec \"\$@\"" as "$@"; }
	as private systemctl --user stop sc-user-private
	as bus busctl -q --user call org.freedesktop.systemd1 /org/freedesktop/systemd1 org.freedesktop.systemd1.Manager \
		StopUnit ss sc-user-bus.service replace
	sleep 0.3'

bed_who_user_manager() {
	echo "$USER_STEPS" >"$files/user"
	S=$(realpath "$svctrace") WATCH=$HERE/watch OUT=$work/trace bed -t 60 -d "$files" -H '
		"$WATCH" "$OUT" "$BED_EXEC sh -c \"cd /host; sh ./user\"" "$S" --json "sc-user-*" >"$OUT.steps"' "$suite" true
	check_clients user 2
	expect 'endpoints' 'private user-bus' "$(sed -nE 's/.*"request":\{"endpoint":"([^"]*)".*/\1/p' "$work/trace.out" | xargs)"
}

# A bed's systemd shuts down: because it is asked to, and because a unit's failure says so.
# What follows when all has stopped takes long and is of no interest.
shut_down() { # STEP
	cat >"$files/down" <<-S
		for u in last ill; do printf '[Unit]\nFailureAction=%s\n[Service]\nExecStart=/bin/sleep 1000\n' \
			\$([ \$u = last ] && echo none || echo poweroff) >/run/systemd/system/sc-\$u.service; done
		systemctl daemon-reload; systemctl start sc-last sc-ill
		as() { sh -c 'echo "#client sc-last.service \$\$ sh"; exec "\$@"' as "\$@"; }
		$1
		sleep 20
	S
	S=$(realpath "$svctrace") WATCH=$HERE/watch OUT=$work/trace bed -t 60 -d "$files" -H '
		"$WATCH" "$OUT" "$BED_EXEC sh -c \"cd /host; sh ./down\" >$OUT.steps & for i in \$(seq 300); do
			! grep -q sc-last $OUT.out || break; sleep 0.1; done" "$S" --json --manager="$BED_PID" sc-last' "$suite"
}

expect_shutdown() { # ROOT
	grep -E "\"cause\":\"shutdown\".*\"unit\":\"poweroff.target\",\"job\":\"start\",\"dependency\":null\}\].*\"reason\":\"$1\"" \
		"$work/trace.out" || fail "not said: shutdown by way of poweroff.target, set off by $1: $(cat "$work/trace.out")"
}

bed_who_shutdown() {
	shut_down 'as systemctl start --no-block poweroff.target'
	check_clients ask 1
	expect_shutdown request
	shut_down 'kill -9 $(systemctl show -P MainPID sc-ill)'
	expect_shutdown emergency-action
}

# The last that is seen of a guest is why its services stop, and who wanted that.
guest_who_power_off() {
	printf '[Service]\nExecStart=/bin/sleep 1000\n' >"$files/sc-last.service"
	cat >"$files/off" <<-'S'
		cp sc-last.service /run/systemd/system/; systemctl daemon-reload; systemctl start sc-last
		systemd-run -q --unit=sc-tracer -p DefaultDependencies=no -p IgnoreOnIsolate=yes -p SendSIGKILL=no \
			-p StandardOutput=file:/host/trace.out -p StandardError=file:/host/trace.err \
			-p WorkingDirectory="$PWD" "$PWD/$@" --json sc-last
		until grep -q 'probes live' trace.err; do sleep 0.1; done
		sh -c 'echo "#client sc-last.service $$ sh" >trace.steps; exec systemctl start --no-block poweroff.target'
		until grep -q sc-last trace.out; do sleep 0.1; done
	S
	guest -p -t 60 -d "$files" -o "$work" "$suite" "sh ./off $(guest_svctrace)" || : # it may be gone before it can say how it went
	check_clients last 1
	expect_shutdown request
}
