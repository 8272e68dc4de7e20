#!/bin/sh
# The service in a real service manager, with all of its sandbox: systemd as the
# first process of namespaces of its own, over a copy-on-write view of this
# system. It takes root, cgroups and overlays; skipped where they are not to be
# had. SYSTEMD_TEST_DEBUG=1 shows what the manager says.
set -u
: "${top_srcdir:=$PWD}" "${top_builddir:=$PWD}"
: "${COAPROXY:=$top_builddir/src/coaproxy}" "${PYTHON:=python3}"
export top_srcdir top_builddir COAPROXY PYTHON

skip()
{
	echo "skipped: $*"
	exit 77
}

systemd=/lib/systemd/systemd
[ "$(id -u)" -eq 0 ] || skip 'not root'
[ -x $systemd ] || skip 'no systemd'
unshare -m -p -f -u -i -C --kill-child true 2>/dev/null ||
    skip 'no namespaces'
"$COAPROXY" -V | grep -q 'systemd no' && skip 'built without libsystemd'
"$COAPROXY" -V | grep -q 'sanitizers no' ||
    skip 'sanitizers do not live in that sandbox'

work=$(mktemp -d) || exit 1
groups=
for group in /sys/fs/cgroup/systemd /sys/fs/cgroup/unified /sys/fs/cgroup
do
	[ -w $group/cgroup.procs ] || continue
	groups="$groups $group/coaproxy-test-$$"
done

# The first process in the namespaces ends with the one outside, and all others
# with it.
outer=
# shellcheck disable=SC2317 # by the trap
stop()
{
	[ -n "$outer" ] && kill -KILL "$outer" 2>/dev/null
	wait
	# They end in their own time.
	for group in $groups
	do
		tries=0
		while [ -d "$group" ] && [ "$tries" -lt 100 ]
		do
			find "$group" -depth -type d -exec rmdir {} + \
			    2>/dev/null || sleep 0.1
			tries=$((tries + 1))
		done
	done
	rm -rf "$work"
}
trap stop EXIT
trap 'exit 1' INT TERM

[ -n "$groups" ] || skip 'no cgroup that we may use'
mkdir "$work/out" "$work/layer"

(
	for group in $groups
	do
		if ! mkdir "$group" ||
		    ! sh -c 'echo $PPID >"$1/cgroup.procs"' sh "$group"
		then
			echo 'no cgroup of our own' >"$work/out/skip"
			exit 77
		fi
	done
	exec unshare -m -p -f -u -i -C --propagation private --kill-child \
	    sh "$top_srcdir/tests/system/systemd-root.sh" "$work"
) >"$work/out/log" 2>&1 </dev/null &
outer=$!

tries=0
while [ ! -s "$work/out/status" ]
do
	tries=$((tries + 1))
	if ! kill -0 $outer 2>/dev/null || [ $tries -gt 1800 ]
	then
		break
	fi
	sleep 0.1
done
if [ -f "$work/out/skip" ]
then
	skip "$(cat "$work/out/skip")"
fi
[ -n "${SYSTEMD_TEST_DEBUG:-}" ] && cat "$work/out/log"
cat "$work/out/steps" 2>/dev/null
if [ "$(cat "$work/out/status" 2>/dev/null)" = 0 ]
then
	exit 0
fi
tail -n 60 "$work/out/log"
exit 1
