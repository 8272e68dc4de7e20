#!/bin/sh
# The Debian package builds, is clean, installs, runs as it is shipped, keeps
# the operator's file, and goes without a trace. It is installed into an overlay
# of this system, with a network of its own; where that cannot be, its files are
# unpacked and run.
set -eu
: "${top_srcdir:=.}" "${PYTHON:=python3}"
here=$(cd "$(dirname "$0")" && pwd)

# say_if_fails COMMAND...
say_if_fails()
{
	if ! "$@" >"$scratch/log" 2>&1
	then
		tail -n 40 "$scratch/log"
		echo "failed: $*"
		return 1
	fi
}

# Below DIR: root, which is this system, and can be changed.
make_overlay()
{
	mount -t tmpfs tmpfs "$1" &&
	    mkdir "$1/upper" "$1/work" "$1/root" &&
	    mount -t overlay overlay \
		-o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root" &&
	    mount --rbind /proc "$1/root/proc" &&
	    mount --rbind /dev "$1/root/dev" &&
	    mount -t tmpfs tmpfs "$1/root/run" &&
	    ip link set lo up
}

# Here that is the system; PACKAGE and SCRIPTS are below /package.
in_overlay()
{
	scratch=/package
	conf=/etc/coaproxy/coaproxy.conf
	say_if_fails dpkg --install /package/coaproxy.deb
	say_if_fails getent passwd coaproxy
	# A trigger of systemd has read it.
	say_if_fails sh -c 'journalctl --list-catalog | grep -q coaproxy:'
	say_if_fails test -L \
	    /etc/systemd/system/multi-user.target.wants/coaproxy.service
	say_if_fails systemd-analyze verify --man=no \
	    /lib/systemd/system/coaproxy.service
	say_if_fails coaproxy -t
	say_if_fails "$PYTHON" -B /package/tests/system/package_run.py "$conf"
	echo '# mine' >>$conf
	say_if_fails dpkg --install --force-confold /package/coaproxy.deb
	say_if_fails grep -qx '# mine' $conf
	say_if_fails dpkg --purge coaproxy
	for left in /etc/coaproxy /usr/sbin/coaproxy /usr/share/doc/coaproxy \
	    /lib/systemd/system/coaproxy.service
	do
		say_if_fails test ! -e "$left"
	done
	echo 'installed, run and removed'
}

case ${1-} in
overlay)
	make_overlay "$2"
	exit ;;
inside)
	in_overlay
	exit ;;
install)
	make_overlay "$2"
	mkdir -p "$2/root/package/tests/system"
	cp "$3" "$2/root/package/coaproxy.deb"
	cp "$here/package.sh" "$here/package_run.py" "$here/programs.py" \
	    "$here/coap.py" "$here/tap.py" "$2/root/package/tests/system"
	as_user='setpriv --reuid=coaproxy --regid=coaproxy --clear-groups'
	printf '#!/bin/sh\nexec %s /usr/sbin/coaproxy "$@"\n' "$as_user" \
	    >"$2/root/package/coaproxy"
	chmod +x "$2/root/package/coaproxy"
	COAPROXY=/package/coaproxy DEBIAN_FRONTEND=noninteractive \
	    chroot "$2/root" sh /package/tests/system/package.sh inside
	exit ;;
esac

for tool in dpkg-buildpackage dh lintian
do
	if ! command -v $tool >/dev/null
	then
		echo "no $tool"
		exit 77
	fi
done

if [ -n "${COAPROXY-}" ] && ! "$COAPROXY" -V | grep -q 'sanitizers no$'
then
	echo 'the package is the same without sanitizers'
	exit 77
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# The sources, of a checkout or as they are distributed.
mkdir "$scratch/src" "$scratch/new"
cd "$top_srcdir"
if [ ! -e .git ] || ! git ls-files -z >"$scratch/files" 2>/dev/null
then
	find . -name .git -prune -o -name '*.[ao]' -prune -o -type f -print0 \
	    >"$scratch/files"
fi
tar -c --null -T "$scratch/files" | tar -x -C "$scratch/src"

cd "$scratch/src"
chmod +x debian/rules
say_if_fails env -u CC -u CFLAGS -u CPPFLAGS -u MAKEFLAGS -u MFLAGS \
    -u MAKELEVEL DEB_BUILD_OPTIONS='nocheck parallel=2' \
    dpkg-buildpackage -us -uc -b
cd "$scratch"
lintian --allow-root --fail-on error,warning coaproxy_*.changes

deb=$(echo "$scratch"/coaproxy_*.deb)
if [ "$(id -u)" -eq 0 ] &&
    unshare -mn sh "$here/package.sh" overlay "$scratch/new" 2>/dev/null
then
	unshare -mn sh "$here/package.sh" install "$scratch/new" "$deb"
else
	dpkg -x "$deb" root
	sed 's/:5683/:0/g' root/etc/coaproxy/coaproxy.conf >any-port.conf
	COAPROXY=$scratch/root/usr/sbin/coaproxy \
	    "$PYTHON" -B "$here/package_run.py" any-port.conf
	echo 'unpacked and run'
fi
