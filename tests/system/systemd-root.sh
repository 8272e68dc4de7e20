#!/bin/sh
# Part of systemd.sh: the first process in the namespaces. Makes a root for the
# manager, and becomes it. $1 is a directory of its own; what is to be seen
# outside goes to $1/out.
set -u
work=$1
: "${top_srcdir:?}" "${top_builddir:?}" "${COAPROXY:?}" "${PYTHON:?}"
root=$work/layer/root

skip()
{
	echo "$*" >"$work/out/skip"
	exit 77
}

mount -t tmpfs tmpfs "$work/layer" || skip 'no tmpfs'
mkdir "$work/layer/upper" "$work/layer/work" "$root"
mount -t overlay overlay -o \
    "lowerdir=/,upperdir=$work/layer/upper,workdir=$work/layer/work" "$root" ||
    skip 'no overlay'
for dir in run tmp
do
	mount -t tmpfs -o mode=0755 tmpfs "$root/$dir" || skip "no $dir"
done
chmod 1777 "$root/tmp"
mount -t proc proc "$root/proc" || skip 'no proc'
mount -t sysfs -o ro sysfs "$root/sys" || skip 'no sysfs'
mount --rbind /dev "$root/dev" || skip 'no dev'
if [ -f /sys/fs/cgroup/cgroup.procs ]
then
	mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup" || skip 'no cgroup2'
else
	mount -t tmpfs -o mode=0755 tmpfs "$root/sys/fs/cgroup" ||
	    skip 'no place for cgroups'
	mkdir "$root/sys/fs/cgroup/systemd" "$root/sys/fs/cgroup/unified"
	mount -t cgroup -o none,name=systemd cgroup \
	    "$root/sys/fs/cgroup/systemd" || skip 'no cgroups'
	mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup/unified" ||
	    skip 'no cgroup2'
fi

# What is installed, and what is to be done with it.
units=$root/run/systemd/test
mkdir -p "$root/usr/local/sbin" "$units" "$root/out" "$root/etc/coaproxy"
mount --bind "$work/out" "$root/out" || skip 'no bind mount'
cp "$COAPROXY" "$root/usr/local/sbin/coaproxy"
tool=$(dirname "$COAPROXY")/coaproxyctl
[ -x "$tool" ] && cp "$tool" "$root/usr/local/sbin/coaproxyctl"
mkdir "$root/run/coaproxy-test"
cp "$top_srcdir"/tests/system/*.py "$top_srcdir/tests/system/systemd-steps.sh" \
    "$root/run/coaproxy-test"
for unit in coaproxy.service coaproxy@.service
do
	sed -e 's,=[^ ]*/coaproxy ,=/usr/local/sbin/coaproxy ,' \
	    -e 's,=[^ ]*/coaproxyctl ,=/usr/local/sbin/coaproxyctl ,' \
	    -e 's,-c [^ ]*/coaproxy/,-c /etc/coaproxy/,' \
	    "$top_builddir/systemd/$unit" >"$units/$unit"
done
cp "$top_srcdir/systemd/coaproxy-coap.socket" "$units"
for stub in network-online nss-lookup sysinit basic shutdown sockets \
    multi-user umount final slices paths timers local-fs emergency
do
	printf '[Unit]\nDescription=stub\nDefaultDependencies=no\n' \
	    >"$units/$stub.target"
done
cat >"$units/test.target" <<END
[Unit]
DefaultDependencies=no
Wants=steps.service
END
cat >"$units/steps.service" <<END
[Unit]
DefaultDependencies=no
[Service]
Type=oneshot
ExecStart=/bin/sh /run/coaproxy-test/systemd-steps.sh
StandardOutput=append:/out/log
StandardError=append:/out/log
Environment=PYTHON=$PYTHON
END

cd "$root" || exit 1
mkdir -p "$root/run/old"
pivot_root . run/old || skip 'no pivot_root'
umount -l /run/old
# Without it credentials would be an empty directory.
mount --make-rshared /
ip link set lo up 2>/dev/null
exec env -i container=test PATH=/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin \
    SYSTEMD_UNIT_PATH=/run/systemd/test SYSTEMD_LOG_TARGET=console \
    SYSTEMD_LOG_LEVEL=info \
    /lib/systemd/systemd --system --unit=test.target
