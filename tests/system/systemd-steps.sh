#!/bin/sh
# Part of systemd.sh: what is done, inside.
set -u
failed=0

step()
{
	what=$1
	shift
	if "$@"
	then
		echo "ok: $what"
	else
		echo "FAILED: $what"
		failed=1
		systemctl --no-pager --full status coaproxy.service
	fi >>/out/steps 2>&1
}

property()
{
	systemctl show -p "$1" --value "${2:-coaproxy.service}"
}

# $1 is PATTERN of the status line.
status_is()
{
	tries=0
	while ! property StatusText | grep -q "$1"
	do
		tries=$((tries + 1))
		[ $tries -lt 100 ] || { property StatusText; return 1; }
		sleep 0.1
	done
}

asks()
{
	"$PYTHON" -B /run/coaproxy-test/ask.py "$@"
}

configure()
{
	printf '%b' "$1" >/etc/coaproxy/coaproxy.conf
}

starts()
{
	systemctl start coaproxy.service && [ "$(property ActiveState)" = active ]
}

sandboxed()
{
	pid=$(property MainPID)
	grep -q 'CapEff:[[:space:]]*0000000000000000' "/proc/$pid/status" &&
	    grep -q 'Seccomp:[[:space:]]*2' "/proc/$pid/status" &&
	    grep -q 'NoNewPrivs:[[:space:]]*1' "/proc/$pid/status" &&
	    ! grep -q 'Uid:[[:space:]]*0' "/proc/$pid/status"
}

reloads()
{
	if [ -x /usr/local/sbin/coaproxyctl ]
	then
		systemctl reload coaproxy.service
	else
		systemctl kill -s HUP coaproxy.service
	fi
}

refuses()
{
	if [ -x /usr/local/sbin/coaproxyctl ]
	then
		! systemctl reload coaproxy.service
	else
		systemctl kill -s HUP coaproxy.service
	fi
}

same_process()
{
	[ "$(property MainPID)" = "$pid" ]
}

stands_still()
{
	was=$(property MainPID)
	kill -STOP "$was"
	tries=0
	while [ "$(property NRestarts)" = 0 ] && [ $tries -lt 100 ]
	do
		sleep 0.1
		tries=$((tries + 1))
	done
	[ "$(property NRestarts)" = 1 ]
}

# $1 is how many sockets the manager keeps.
kept_are()
{
	tries=0
	while [ "$(property NFileDescriptorStore)" != "$1" ]
	do
		tries=$((tries + 1))
		[ $tries -lt 100 ] || { property NFileDescriptorStore; return 1; }
		sleep 0.1
	done
}

# The number of the socket at 127.0.0.1:5690.
socket_there()
{
	awk '$2 == "0100007F:163A" { print $10 }' /proc/net/udp
}

crashes()
{
	was=$(property NRestarts)
	kill -KILL "$(property MainPID)"
	tries=0
	while [ "$(property NRestarts)" = "$was" ] ||
	    [ "$(property ActiveState)" != active ]
	do
		tries=$((tries + 1))
		[ $tries -lt 100 ] || return 1
		sleep 0.1
	done
}

# Restarts, and a crash, while clients ask and repeat what is not answered.
loses_nothing()
{
	rm -f /run/enough
	number=$(socket_there)
	"$PYTHON" -B /run/coaproxy-test/patient.py 5690 /run/enough &
	load=$!
	good=0
	for _ in 1 2 3
	do
		systemctl restart coaproxy.service || good=1
	done
	crashes || good=1
	touch /run/enough
	wait $load || good=1
	[ -n "$number" ] && [ "$(socket_there)" = "$number" ] || good=1
	return $good
}

refused_at_start()
{
	! systemctl start coaproxy.service &&
	    [ "$(property ExecMainStatus)" = 78 ] &&
	    [ "$(property NRestarts)" = 0 ] &&
	    property StatusText | grep -q 'Configuration refused'
}

mkdir -p /run/systemd/test/coaproxy.service.d
printf '[Unit]\nStartLimitIntervalSec=0\n[Service]\nWatchdogSec=2s\n' \
    >/run/systemd/test/coaproxy.service.d/test.conf
systemctl daemon-reload

configure '[listen]\nbind = coap://127.0.0.1:5690\n[route]\nreply = 2.05 "1"\n'
step 'start waits for READY' starts
step 'status line' status_is '^Serving 1 listener, 1 route (configuration 1)'
step 'sandbox' sandboxed
step 'answers' asks 5690 2.05 1
pid=$(property MainPID)

configure '[listen]\nbind = coap://127.0.0.1:5690\n[route]\nreply = 2.05 "2"\n'
step 'reload' reloads
step 'configuration 2' status_is '(configuration 2)'
step 'answers anew' asks 5690 2.05 2
configure '[listen]\nbnid = coap://127.0.0.1:5690\n[route]\nreply = 4.04\n'
step 'reload of a bad configuration' refuses
step 'kept' status_is '^Kept configuration 2; new one refused: .*conf:2:1'
step 'answers as before' asks 5690 2.05 2
step 'no restart' same_process

configure '[listen]\nbind = coap://127.0.0.1:5690\n[route]\nreply = 2.05 "3"\n'
step 'watchdog: restarted when it stands still' stands_still
step 'serving again' status_is '(configuration 1)'
step 'answers after that' asks 5690 2.05 3
step 'stop' systemctl stop coaproxy.service

configure '[listen]\nbind = coap://127.0.0.1:5690 coap://*:5691
[route]\nreply = 2.05 "5"\n'
step 'start anew' starts
step 'two sockets are kept' kept_are 2
step 'restarts under load' loses_nothing
step 'two sockets are still kept' kept_are 2
configure '[listen]\nbind = coap://127.0.0.1:5690 coap://127.0.0.1:5692
[route]\nreply = 2.05 "6"\n'
step 'reload with other addresses' reloads
step 'other sockets are kept' kept_are 2
step 'restart' systemctl restart coaproxy.service
step 'those are kept' kept_are 2
step 'answers at the first' asks 5690 2.05 6
step 'answers at the second' asks 5692 2.05 6
configure '[listen]\nbind = coap://*:5692\n[route]\nreply = 2.05 "7"\n'
step 'restart with what takes in an address that was kept' \
    systemctl restart coaproxy.service
step 'that is kept' kept_are 1
step 'answers there' asks 5692 2.05 7
step 'stop again' systemctl stop coaproxy.service
step 'nothing is kept after that' kept_are 0

configure '[listen]\nbind = fd:coap\n[route]\nreply = 2.05 "4"\n'
step 'socket unit' systemctl start coaproxy-coap.socket
step 'started by the first datagram' asks 5683 2.05 4
step 'it is active' status_is '^Serving 1 listener'
step 'restart' systemctl restart coaproxy.service
step 'answers at the socket still' asks 5683 2.05 4
step 'stop of both' systemctl stop coaproxy-coap.socket coaproxy.service

configure 'nonsense\n'
step 'a configuration that is refused is not tried again' refused_at_start
echo $failed >/out/status.new
mv /out/status.new /out/status
