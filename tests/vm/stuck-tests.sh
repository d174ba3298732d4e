# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154,SC2016
#
# svctrace stuck in guests: what hangs there ends with them. Sourced by run.sh, which says what
# $suite, $work, $files and $svctrace are.

GUEST_TESTS+=" stuck_deadlock stuck_among_daemons stuck_no_deadlock stuck_service stuck_packaged_daemon stuck_other_causes stuck_pauses stuck_servers hang_live"

STUCK_SCHEMA=$HERE/../../docs/schema/stuck.schema.json

# Runs STEPS in the guest, where "look NAME [OPTION…]" keeps what svctrace stuck says in NAME.json
# and its exit code in NAME.rc, "hang [-w] MODE" starts the reproducer, whose output is out.MODE, and
# "until_waits" waits until some task waits for a FUSE daemon. Nothing rests on how fast it all goes.
stuck_guest() { # STEPS
	gcc -static -O1 -pthread -o "$files/fuse-hang" "$HERE/fuse-hang.c"
	{
		cat <<-'STEPS'
			modprobe fuse
			look() {
				n=$1
				shift
				./svctrace stuck --json "$@" >"$n.json" 2>"$n.err"
				echo $? >"$n.rc"
			}
			hang() {
				for mode; do :; done
				./fuse-hang "$@" >"out.$mode" &
				until grep -q ready "out.$mode"; do sleep 0.1; done
			}
			until_waits() { until grep -qs request_wait_answer /proc/[0-9]*/task/*/stack; do sleep 0.1; done; }
			# sc-hang.service, whose main process lives on and waits for an init that hangs: with
			# nothing but tasks that exit, systemd may take its cgroup for empty, or not.
			# Once it runs, other TIMEOUTs take effect at once.
			hanging_service() {
				printf '%s\n' "[Service]" "ExecStart=$PWD/fuse-hang self" KillSignal=SIGCONT \
					"StandardOutput=file:/run/sc-hang.out" "TimeoutStopSec=$1" \
					>/run/systemd/system/sc-hang.service
				systemctl daemon-reload
				[ -e /run/sc-hang.out ] || systemctl start sc-hang
				until_waits
			}
			until_state() { until systemctl show -p ActiveState "$1" | grep -qE "$2"; do sleep 0.1; done; }
			until_is() { until grep -q "^State:.$2" "/proc/$1/status"; do sleep 0.1; done; }
			pid_of() { systemctl show -p MainPID --value "$1"; }
			# up to 60 s; the emulated CPU is slow
			until_gone() {
				i=0
				until grep -q gone "out.$1" || [ $((i = i + 1)) -gt 600 ]; do sleep 0.1; done
			}
		STEPS
		printf '%s\n' "$1"
	} >"$files/steps"
	guest -t 400 -d "$files" -o "$work" "$suite" 'sh ./steps' >"$work/steps.out" 2>&1 ||
		{ cat "$work/steps.out"; return 1; }
}

# Checks NAME.json against the schema and with an expression over its object, o, and hangs, h.
stuck_says() { # NAME RC EXPRESSION
	expect "exit code of $1" "$2" "$(cat "$work/$1.rc")" || { cat "$work/$1.json" "$work/$1.err"; return 1; }
	python3 - "$STUCK_SCHEMA" "$work/$1.json" "$3" <<-'PY'
		import json, sys
		import jsonschema
		schema = json.load(open(sys.argv[1]))
		text = open(sys.argv[2], encoding="utf-8", errors="strict").read()
		jsonschema.Draft7Validator.check_schema(schema)
		o = json.loads(text)
		jsonschema.Draft7Validator(schema).validate(o)
		h = o["hangs"]
		roles = lambda x: {m["role"] for m in x["members"]}
		if not eval(f"({sys.argv[3]})"):
		    sys.exit(f"{sys.argv[2]}: not so: {sys.argv[3]}\n{text}")
	PY
}

ready() { # MODE FIELD
	sed -nE "s/^ready .*$2=([0-9]+).*/\\1/p" "$work/out.$1"
}

# The namespace, its init and the connection are gone, and another one comes and goes as usual.
stuck_healthy() { # MODE
	grep -qx gone "$work/out.$1" || fail "$1: the namespace's init was never reaped"
	stuck_says "after.$1" 0 'not o["stuck"] and not h'
	grep -qx 'connections:' "$work/left.$1" || fail "$1: left: $(cat "$work/left.$1")"
}

guest_stuck_deadlock() {
	local mode
	stuck_guest '
		mkdir -p /run/ctl
		mount -t fusectl none /run/ctl
		for mode in self nested inherit-above; do
			hang $mode
			until_waits
			look before.$mode
			setpriv --reuid=65534 --clear-groups ./svctrace stuck --json >nobody.json 2>nobody.err
			echo $? >nobody.rc
			if command -v script; then
				echo n | script -qec "./svctrace stuck --abort" /dev/null >asked 2>&1
				echo $? >asked.rc
			fi
			look freed.$mode --abort --yes
			until_gone $mode
			look after.$mode
			echo connections: $(ls /run/ctl) >left.$mode
		done
		hang inherit-below
		sleep 1 # it may not hang: nothing to wait for
		look race --abort --yes
		until_gone inherit-below'
	for mode in self nested inherit-above; do
		stuck_says "before.$mode" 1 "
			len(h) == 1 and h[0]['kind'] == 'fuse-deadlock'
			and h[0]['fuse_connection']['number'] == $(ready $mode connection)
			and '/connections/$(ready $mode connection)/abort' in h[0]['next']
			and h[0]['mount']['point'] == '/run/fuse-hang' and not h[0]['daemons']
			and h[0]['members'][0]['role'] == 'init'
			and h[0]['members'][0]['task']['process.pid'] == $(ready $mode init)
			and h[0]['members'][0]['task']['thread.ids_in_namespaces'] == [$(ready $mode init), 1]
			and h[0]['members'][-1]['task']['stack'][0] == 'request_wait_answer'
			and h[0]['members'][-1]['task']['exiting']
			and h[0]['members'][-1]['task']['process_pending'] == ['SIGKILL']"
		[ $mode != nested ] || stuck_says "before.$mode" 1 "
			[len(m['task']['thread.ids_in_namespaces']) for m in h[0]['members'] if m['role'] == 'init'] == [2, 3]"
		stuck_says "freed.$mode" 0 "h[0]['kind'] == 'fuse-deadlock' and h[0]['freed']"
		stuck_healthy $mode
	done
	if [ "$suite" != sid ]; then # whose essential packages bring no terminal to ask on
		expect 'exit code after "n"' 1 "$(cat "$work/asked.rc")"
		grep -q 'Abort FUSE connection' "$work/asked"
		! grep -q aborted "$work/asked" || fail "aborted in spite of the answer"
	fi
	# whether this one hangs depends on who of the two dies first
	stuck_says race 0 "all(x['kind'] == 'fuse-deadlock' and x['freed'] for x in h)"
	grep -qx gone "$work/out.inherit-below" || fail "inherit-below: did not end"
	# without root it is seen that something is stuck, and said what could not be looked at
	stuck_says nobody 1 "h and all(x['kind'] != 'fuse-deadlock' for x in h) and len(o['limits']) > 0"
}

# Other daemons live, and may be the one: from Linux 5.11 on (6.1 here) it can be told that they are
# not. Where it cannot, nothing is aborted.
guest_stuck_among_daemons() {
	stuck_guest '
		hang -w slow
		hang -w stopped
		hang self
		until_waits
		look before
		look freed --abort --yes
		[ "$(cat freed.rc)" != 0 ] || until_gone self
		pgrep -c fuse-hang >left'
	if [ "$suite" = bullseye ]; then
		stuck_says before 1 "len(h) == 1 and h[0]['kind'] == 'fuse-unknown'
			and h[0]['fuse_connection']['number'] == $(ready self connection)
			and {$(ready slow daemon), $(ready stopped daemon)} <= {d['process.pid'] for d in h[0]['daemons']}"
		stuck_says freed 1 "h[0]['freed'] is None"
		return
	fi
	stuck_says before 1 "len(h) == 1 and h[0]['kind'] == 'fuse-deadlock' and not h[0]['daemons']
		and h[0]['fuse_connection']['number'] == $(ready self connection)"
	stuck_says freed 0 "h[0]['freed']"
	grep -qx gone "$work/out.self" || fail "the namespace's init was never reaped"
	[ "$(cat "$work/left")" -ge 6 ] || fail "the other daemons and their users have gone too"
}

# None of these is a deadlock, whatever else is said of it, and none is aborted. The slow daemon has
# its device from a mount that is gone, as in a container: by its name it would not be found.
guest_stuck_no_deadlock() {
	local mode look i
	stuck_guest '
		for mode in bystander slow restarted big-flush stopped; do
			[ $mode != slow ] || { mknod /odd c 10 229; mount --bind /odd /dev/fuse; }
			hang $mode
			[ $mode != slow ] || umount -l /dev/fuse
			case $mode in slow | restarted | stopped) until_waits ;; esac
			look early.$mode
			look abort.$mode --abort --yes
			: >go.$mode
			[ $mode != stopped ] || kill -CONT "$(sed -n "s/.*daemon=//p" out.$mode)"
			until_gone $mode
			look after.$mode
		done
		# looks that are under way while a thousand processes go
		hang -w teardown
		for i in 1 2 3 4; do
			look teardown.$i &
			sleep 0.2
		done
		kill -9 "$(sed -n "s/.*init=\([0-9]*\).*/\1/p" out.teardown)"
		for i in 5 6 7 8; do look teardown.$i & done
		until_gone teardown
		wait'
	for i in 1 2 3 4 5 6 7 8; do stuck_says "teardown.$i" 0 'not h'; done
	for mode in bystander slow restarted big-flush stopped; do
		grep -qx gone "$work/out.$mode" || fail "$mode: did not end by itself"
		stuck_says "after.$mode" 0 'not h'
		for look in early abort; do
			stuck_says "$look.$mode" "$(cat "$work/$look.$mode.rc")" \
				"all(x['kind'] != 'fuse-deadlock' and x['freed'] is None for x in h)"
		done
		echo "# $suite $mode: $(grep -o '"kind":"[^"]*"' "$work/early.$mode.json" | xargs)" >&3
	done
	stuck_says early.stopped 1 "len(h) == 1 and h[0]['kind'] == 'fuse-daemon-stopped'
		and h[0]['daemons'][0]['process.pid'] == $(ready stopped daemon)
		and h[0]['next'] == 'let it go on: kill -CONT $(ready stopped daemon)'"
	for mode in slow restarted; do
		stuck_says early.$mode 1 "len(h) == 1 and h[0]['kind'] == 'fuse-daemon-silent' and h[0]['daemons']"
	done
}

# A stop that hangs on it: the unit is named while it stops, for which it has all the time it wants,
# and after it has failed.
guest_stuck_service() {
	stuck_guest '
		hanging_service infinity
		systemctl stop --no-block sc-hang
		until systemctl show -p SubState sc-hang | grep -q stop-sigterm; do sleep 0.1; done
		SYSTEMD_COLORS=1 ./svctrace stuck >text # from Debian 13 on, systemctl heeds that in a pipe
		look stopping
		hanging_service 1
		until systemctl is-failed -q sc-hang; do sleep 0.5; done
		look failed
		systemctl reset-failed sc-hang
		look freed --abort --yes
		look after'
	stuck_says stopping 1 "len(h) == 1 and h[0]['kind'] == 'fuse-deadlock'
		and h[0]['units'][0]['systemd.unit.name'] == 'sc-hang.service'
		and h[0]['units'][0]['active_state'] == 'deactivating'"
	cat "$work/text"
	grep "^  unit   sc-hang.service (deactivating, stop-sigterm)$" "$work/text"
	stuck_says failed 1 "h[0]['units'][0]['active_state'] == 'failed'"
	stuck_says freed 0 "h[0]['freed']"
	stuck_says after 0 'not h'
}

# Debian's mergerfs, with its threads, of a root that holds its own mount: who opens a file through
# it twice makes it hold a file of its own.
guest_stuck_packaged_daemon() {
	local p dir packages="mergerfs libstdc++6 libgcc-s1"
	case $suite in bullseye | bookworm) packages+=" libfuse2" ;; esac
	mkdir "$files/lib"
	for p in $packages; do
		dir=$("$HERE/../../tools/debs" "$suite" "$p")
		find "$dir" \( -name mergerfs -o -name '*.so.*' \) ! -type d ! -path '*python*' ! -path '*gdb*' \
			! -path '*/share/*' -exec cp -P -t "$files/lib" {} +
	done
	cat >"$files/inside" <<-'S'
		mount --make-rprivate /
		LD_LIBRARY_PATH=./lib ./lib/mergerfs -f / /run/b &
		until mountpoint -q /run/b; do sleep 0.1; done
		exec 5<>/run/b/run/b/tmp/file
		echo ready
		sleep 1000
	S
	stuck_guest '
		mkdir -p /run/b
		: >/tmp/file
		'"$(guest_svctrace)"' --json --hang=3s >live.json 2>live.err &
		tracer=$!
		until grep -q "probes live" live.err; do sleep 0.1; done
		unshare -p -f -m sh ./inside >out.mergerfs 2>&1 &
		unshare=$!
		until grep -q ready out.mergerfs; do sleep 0.1; done
		grep -h Threads "/proc/$(pgrep mergerfs)/status"
		kill -9 "$(pgrep -P $unshare)"
		until_waits
		i=0
		until grep -q fuse-deadlock live.json || [ $((i = i + 1)) -gt 600 ]; do sleep 0.1; done
		look before
		look freed --abort --yes
		wait $unshare
		look after
		kill -INT $tracer
		wait $tracer'
	cat "$work/steps.out"
	grep -q '"kind":"fuse-deadlock".*mergerfs' "$work/live.json"
	stuck_says before 1 "len(h) == 1 and h[0]['kind'] == 'fuse-deadlock' and h[0]['mount']['type'] == 'fuse.mergerfs'
		and 'mergerfs' in [m['task']['process.command'] for m in h[0]['members']]"
	stuck_says freed 0 "h[0]['freed']"
	stuck_says after 0 'not h'
}

# A namespace whose last process is dead and not reaped by its parent, which is outside; a service
# that is frozen when it should stop.
guest_stuck_other_causes() {
	stuck_guest '
		unshare -p -f sleep 1000 &
		unshare=$!
		until init=$(pgrep -P $unshare); do sleep 0.1; done
		nsenter -t $init -p sleep 1000 &
		parent=$!
		echo $parent >parent
		until left=$(pgrep -P $parent); do sleep 0.1; done
		kill -STOP $parent
		kill -9 $init
		until grep -q "^State:.Z" /proc/$left/status && grep -q zap_pid_ns /proc/$init/stack; do sleep 0.1; done
		look unreaped
		kill -KILL $parent
		wait $unshare
		systemd-run -q --unit=sc-frozen -p TimeoutStopSec=infinity \
			sh -c "trap : TERM; : >/run/trapped; while :; do sleep 1; done"
		until [ -e /run/trapped ]; do sleep 0.1; done
		systemctl stop --no-block sc-frozen
		until systemctl show -p ActiveState sc-frozen | grep -q deactivating; do sleep 0.1; done
		look waits
		cgroup=/sys/fs/cgroup/system.slice/sc-frozen.service
		echo 1 >$cgroup/cgroup.freeze
		until grep -q "frozen 1" $cgroup/cgroup.events; do sleep 0.1; done
		look frozen
		echo 0 >$cgroup/cgroup.freeze
		systemctl kill -s KILL sc-frozen
		until systemctl show -p ActiveState sc-frozen | grep -qE "inactive|failed"; do sleep 0.1; done
		look after'
	stuck_says unreaped 1 "len(h) == 1 and h[0]['kind'] == 'unreaped' and roles(h[0]) == {'init', 'zombie'}
		and h[0]['daemons'][0]['process.pid'] == $(cat "$work/parent")"
	stuck_says waits 0 'not h'
	stuck_says frozen 1 "len(h) == 1 and h[0]['kind'] == 'frozen'
		and h[0]['frozen_cgroup'] == '/system.slice/sc-frozen.service'
		and h[0]['units'][0]['systemd.unit.name'] == 'sc-frozen.service'"
	stuck_says after 0 'not h'
}

# A service that should stop, and whose process cannot notice: it is stopped, or held by a debugger,
# hands its core to a program that does not read it, or waits for a disk. The disk is a loop device,
# whose file's FUSE daemon is stopped.
guest_stuck_pauses() {
	local name
	gcc -static -O1 -o "$files/fuse-file" "$HERE/fuse-file.c"
	gcc -static -O1 -o "$files/hold" "$HERE/hold.c"
	stuck_guest '
		# a service that does not end by SIGTERM, and is told to; its PID is in NAME.pid
		deaf() { # NAME
			systemd-run -q --unit="sc-$1" -p TimeoutStopSec=infinity sh -c "trap \"\" TERM; exec sleep 1000"
			until grep -qs sleep "/proc/$(pid_of "sc-$1")/comm"; do sleep 0.1; done
			pid_of "sc-$1" >"$1.pid"
			systemctl stop --no-block "sc-$1"
			until_state "sc-$1" deactivating
		}
		ends() { # NAME
			systemctl kill -s KILL "sc-$1"
			until_state "sc-$1" "inactive|failed"
		}
		deaf stopped
		look waits
		kill -STOP "$(cat stopped.pid)"
		until_is "$(cat stopped.pid)" T
		look stopped
		ends stopped
		deaf traced
		./hold "$(cat traced.pid)" &
		echo $! >tracer.pid
		until_is "$(cat traced.pid)" t
		look traced
		kill "$(cat tracer.pid)"
		ends traced
		deaf core-dump
		pattern=$(cat /proc/sys/kernel/core_pattern)
		printf "#!/bin/sh\nexec sleep 1000\n" >/run/reader
		chmod 755 /run/reader
		echo "|/run/reader" >/proc/sys/kernel/core_pattern
		kill -ABRT "$(cat core-dump.pid)"
		until grep -q "^CoreDumping:.1" "/proc/$(cat core-dump.pid)/status" &&
			grep -q pipe_ "/proc/$(cat core-dump.pid)/stack"; do sleep 0.1; done
		look core-dump
		echo "$pattern" >/proc/sys/kernel/core_pattern
		pkill -x -f "sleep 1000"
		until_state sc-core-dump "inactive|failed"
		modprobe loop
		./fuse-file -s /run/image &
		daemon=$!
		# that it is mounted is not enough: the disk is as large as the file is known to be
		until [ "$(stat -c %s /run/image)" = 67108864 ]; do sleep 0.1; done
		loop=$(losetup -f --show /run/image)
		kill -STOP $daemon
		until_is $daemon T
		# in the middle: what udev has looked at by now needs no daemon any more
		systemd-run -q --unit=sc-disk -p TimeoutStopSec=infinity \
			dd if=$loop of=/dev/null bs=4k count=1 skip=8192 iflag=direct
		until grep -qs blkdev "/proc/$(pid_of sc-disk)/stack"; do sleep 0.1; done
		pid_of sc-disk >disk.pid
		systemctl stop --no-block sc-disk
		until_state sc-disk deactivating
		look disk
		kill -CONT $daemon
		until_state sc-disk "inactive|failed"
		losetup -d $loop
		look after'
	stuck_says waits 0 'not h'
	for name in stopped traced core-dump disk; do
		stuck_says $name 1 "len(h) == 1 and h[0]['kind'] == '$name'
			and [u['systemd.unit.name'] for u in h[0]['units']] == ['sc-$name.service']
			and h[0]['units'][0]['active_state'] == 'deactivating'
			and [m['task']['process.pid'] for m in h[0]['members']] == [$(cat "$work/$name.pid")]"
	done
	stuck_says stopped 1 "h[0]['next'] == 'let it go on: kill -CONT $(cat "$work/stopped.pid")'"
	stuck_says traced 1 "'hold $(cat "$work/tracer.pid")' in h[0]['root'] and h[0]['next'].endswith(': kill $(cat "$work/tracer.pid")')"
	stuck_says core-dump 1 "'systemd-coredump' in h[0]['next']
		and any(f.endswith('do_coredump') or f == 'vfs_coredump' for f in h[0]['members'][0]['task']['stack'])"
	stuck_says disk 1 "h[0]['members'][0]['task']['state'] == 'D' and 'dmesg' in h[0]['next']"
	stuck_says after 0 'not h'
}

# Services that should stop, each held by a file server that does not answer: over NFS; over 9P, where
# SIGKILL does not end it; and one whose pid namespace is held by a mount that waits for the first.
# The server's folder is what the service has of such mounts, so it is told which one it is.
guest_stuck_servers() {
	local dir name
	dir=$("$SUITE_TOOL" -m "$suite")
	cp -r "$dir/modules/tree/usr/lib/modules" "$files/modules"
	gcc -static -O1 -o "$files/net-file-server" "$HERE/net-file-server.c"
	stuck_guest '
		cp -r modules/. /usr/lib/modules/
		modprobe nfsv3
		modprobe 9pnet_fd || modprobe 9pnet # which has it in itself on 5.10
		serve() { # PROTOCOL PORT
			./net-file-server $1 $2 >$1.out &
			echo $! >$1.server
			until grep -q ready $1.out; do sleep 0.1; done
			mkdir -p /run/$1
		}
		# what no SIGTERM ends, in a service that has all the time it wants to stop
		deaf() { # NAME COMMAND
			systemd-run -q --unit="sc-$1" -p TimeoutStopSec=infinity -p PrivateMounts=yes \
				sh -c "umount -l /host; trap \"\" TERM; $2"
		}
		until_in() { # PID FUNCTION
			until grep -q "$2" "/proc/$1/stack"; do sleep 0.1; done
		}
		stops() { # NAME
			systemctl stop --no-block "sc-$1"
			until_state "sc-$1" deactivating
		}
		serve nfs 2049
		serve 9p 5640
		port=port=2049,mountport=2049
		mount -i -t nfs -o "vers=3,mountvers=3,proto=tcp,mountproto=tcp,$port,addr=127.0.0.1,hard,nolock,actimeo=600" \
			127.0.0.1:/x /run/nfs
		mount -i -t 9p -o trans=tcp,port=5640,version=9p2000.L,cache=none 127.0.0.1 /run/9p
		# which is refused; what it takes to be allowed to try is known from now on, and so is the folder
		mkdir /run/nfs/x
		stat /run/nfs
		kill -STOP "$(cat nfs.server)" "$(cat 9p.server)"
		deaf 9p "exec mkdir /run/9p/x"
		pid_of sc-9p >9p.pid
		until_in "$(cat 9p.pid)" p9_client_rpc
		look waits
		stops 9p
		look 9p
		systemctl kill -s KILL sc-9p
		until grep -q "^ShdPnd:.*1..$" "/proc/$(cat 9p.pid)/status"; do sleep 0.1; done
		look killed
		kill -CONT "$(cat 9p.server)"
		until_state sc-9p "inactive|failed"
		deaf nfs "exec mkdir /run/nfs/x"
		pid_of sc-nfs >nfs.pid
		until_in "$(cat nfs.pid)" rpc_wait_bit_killable
		stops nfs
		look nfs
		deaf mount "exec unshare -p -f sh -c \"mount --bind / /run/nfs & exec sleep 1000\""
		until pgrep -x mount >mount.pid; do sleep 0.1; done
		# for the lock of that folder, not for the server: SIGKILL would end that
		until grep -q "^State:.D" "/proc/$(cat mount.pid)/status" &&
			! grep -q rpc_ "/proc/$(cat mount.pid)/stack"; do sleep 0.1; done
		pgrep -P "$(pid_of sc-mount)" >init.pid
		kill -KILL "$(cat init.pid)"
		until_in "$(cat init.pid)" zap_pid_ns_processes
		stops mount
		look both
		kill -CONT "$(cat nfs.server)"
		until_state sc-nfs "inactive|failed"
		until_state sc-mount "inactive|failed"
		look after
		umount /run/9p /run/nfs && kill "$(cat 9p.server)" "$(cat nfs.server)" && echo yes >healthy'
	stuck_says waits 0 'not h'
	for name in 9p killed nfs; do
		stuck_says $name 1 "len(h) == 1
			and [u['systemd.unit.name'] for u in h[0]['units']] == ['sc-${name/killed/9p}.service']
			and h[0]['mount']['point'] == '/run/${name/killed/9p}' and h[0]['mount']['source'].startswith('127.0.0.1')
			and [m['task']['process.pid'] for m in h[0]['members']] == [$(cat "$work/${name/killed/9p}.pid")]
			and h[0]['members'][0]['task']['state'] == 'D' and 'umount -f' in h[0]['next']"
	done
	stuck_says 9p 1 "h[0]['kind'] == 'network-file-system'"
	stuck_says killed 1 "h[0]['kind'] == 'network-file-system' and h[0]['members'][0]['task']['process_pending'] == ['SIGKILL']"
	stuck_says nfs 1 "h[0]['kind'] == 'nfs'"
	stuck_says both 1 "[x['kind'] for x in h] == ['nfs', 'mount']
		and [u['systemd.unit.name'] for u in h[1]['units']] == ['sc-mount.service']
		and [(m['role'], m['task']['process.pid']) for m in h[1]['members']]
			== [('init', $(cat "$work/init.pid")), ('waiter', $(cat "$work/mount.pid"))]"
	stuck_says after 0 'not h'
	expect "healthy" yes "$(cat "$work/healthy")"
}

# Told while it hangs, by svctrace itself: three deadlocks, what is none, and a service whose stop times
# out on one.
guest_hang_live() {
	cp "$HERE/hangs.sh" "$files/"
	stuck_guest '
		./svctrace --json --hang=3s >live.json 2>live.err &
		live=$!
		until grep -q "probes live" live.err; do sleep 0.2; done
		sh ./hangs.sh live.json
		kill -INT $live
		wait $live'
	"$HERE/check-hangs" "$HERE/../../docs/schema/svctrace.schema.json" "$work/live.json" "$work" "$suite"
}
