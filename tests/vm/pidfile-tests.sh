# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154,SC2016
#
# svctrace pidfile beside real systemds; sourced by run.sh, which says what $suite, $work, $files
# and $svctrace are.

BED_TESTS+=" pidfile_differential pidfile_upgrade pidfile_live"
GUEST_TESTS+=" pidfile_live"

# Some hundred services, each with a PID file of its own kind: does systemd take it, and if not, with
# which words? svctrace looks from outside, through the container's root.
bed_pidfile_differential() {
	"$HERE/pidfile-trees" make "$files"
	S=$(realpath "$svctrace") TREES=$HERE/pidfile-trees bed -t 120 -d "$files" -H '
		"$TREES" run "$BED_HOST" "/proc/$BED_PID/root" "$S" "$BED_EXEC"' "$suite" |
		tee "$work/out"
	grep '^# .* trees' "$work/out" >&3
}

# The hot upgrade that goes wrong, asked about before it happens: the new process, outside of the
# service, is refused by the very line that was foretold. Inside, so it takes the static binary.
HOT_UPGRADE='
	printf "%s\n" "[Service]" Type=forking PIDFile=/run/up/current.pid \
		"ExecStart=/bin/sh /host/start" >/run/systemd/system/up.service
	mkdir /run/up /run/up/mine && chown 1000 /run/up/mine && ln -s mine/up.pid /run/up/current.pid
	# a PID that without its last digit is none
	echo "sleep 1000 & while p=\$!; [ -e /proc/\${p%?} ]; do kill \$p; sleep 1000 & done
		echo \$p >/run/up/mine/up.pid" >start
	systemctl daemon-reload && systemctl start up
	systemd-run -q --unit=new sleep 1000
	new=$(systemctl show -p MainPID --value new)
	./svctrace pidfile up >before; echo "$?" >>before
	./svctrace pidfile up --pid="$new" >foretold; echo "$?" >>foretold
	old=$(systemctl show -p MainPID --value up)
	echo "${old%?}" | tr -d "\n" >/run/up/mine/up.pid
	./svctrace pidfile up >half
	echo "$new" >/run/up/mine/up.pid
	kill "$old"
	until [ "$(systemctl is-active up)" != active ]; do sleep 0.05; done
	journalctl --sync; journalctl -q --no-pager -o cat -p err _PID=1 | grep ^up.service: >logged'

bed_pidfile_upgrade() {
	local static=${svctrace%.static}.static
	[ -e "$static" ] || { echo "no $static: make static"; return 77; }
	cp "$static" "$files/svctrace"
	bed -t 60 -d "$files" -o "$work/o" "$suite" "$HOT_UPGRADE"
	grep -q '^/run/up/current.pid  systemd accepts it: already-main' "$work/o/before"
	expect 'exit code before' 0 "$(tail -n 1 "$work/o/before")"
	grep -q '^/run/up/current.pid  systemd refuses it: unsafe-path' "$work/o/foretold"
	grep -q '! file .* /run/up/mine/up.pid  (after uid 1000)' "$work/o/foretold"
	expect 'exit code' 1 "$(tail -n 1 "$work/o/foretold")"
	grep -q 'may be half of [0-9]*, a process of the service' "$work/o/half"
	expect 'what systemd logs' "$(cat "$work/o/logged")" \
		"$(sed -n 's/^  log    \(.*\)  (error)$/\1/p' "$work/o/foretold")"
}

# Upgrades as they happen: the verdicts tell of each load what systemd's own main process afterwards
# confirms. A file that was not looked at in time is said to be so; then they happen again.
pidfile_live() { # WATCH
	local status tries=3
	cp "$HERE/pidfile-steps" "$files/"
	for ((; tries > 0; tries--)); do
		"$1" 'sh pidfile-steps' --json
		keep_json "$work/trace.out" upgrades
		status=0
		"$HERE/check-upgrades" "$work/trace.steps" "$work/trace.out" || status=$?
		[ "$status" = 3 ] || return "$status"
	done
	fail "never was each file looked at in time"
}

bed_pidfile_live() { pidfile_live bed_watch; }
guest_pidfile_live() { pidfile_live guest_watch; }
