#!/bin/sh
# systemd takes the unit files, and finds them well sandboxed.
set -u
: "${top_builddir:=.}" "${top_srcdir:=$PWD}"

if ! command -v systemd-analyze >/dev/null
then
	echo 'no systemd-analyze'
	exit 77
fi

scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
failed=0

for unit in coaproxy.service coaproxy@.service
do
	# The unit as it would be installed, but for a program that exists.
	instance=$scratch/$(echo "$unit" | sed 's/@/@test/')
	sed 's,^\(Exec[A-Za-z]*\)=.*,\1=/bin/true,' \
	    "$top_builddir/systemd/$unit" >"$instance"
	if grep -n '@[a-z]*@' "$instance"
	then
		echo "$unit: something is not filled in"
		failed=1
	fi
	if ! said=$(systemd-analyze verify --man=no "$instance" 2>&1) ||
	    printf '%s\n' "$said" | grep -F "$instance"
	then
		echo "$unit: systemd-analyze verify: $said"
		failed=1
	fi
	systemd-analyze security --offline=true --threshold=12 --no-pager \
	    "$instance" >"$scratch/security" 2>&1 || {
		cat "$scratch/security"
		echo "$unit: the exposure is above 1.2"
		failed=1
	}
	tail -n 1 "$scratch/security"
done

# Additions of the cookbook, each as if it had been written into the unit.
for name in 20-acl 30-log 40-big
do
	unit=$scratch/$name.service
	sed 's,^\(Exec[A-Za-z]*\)=.*,\1=/bin/true,' \
	    "$top_builddir/systemd/coaproxy.service" >"$unit"
	awk -v fence="\`\`\`systemd $name.conf" '
		$0 == fence { on = 1; next }
		/^```/ { on = 0 }
		on { print; n++ }
		END { exit n == 0 }' "$top_srcdir/docs/cookbook.md" >>"$unit" || {
		echo "$name.conf: not in the cookbook"
		failed=1
	}
	if ! said=$(systemd-analyze verify --man=no "$unit" 2>&1) ||
	    printf '%s\n' "$said" | grep -F "$unit"
	then
		echo "$name.conf: systemd-analyze verify: $said"
		failed=1
	fi
	systemd-analyze security --offline=true --threshold=12 --no-pager \
	    "$unit" >"$scratch/security" 2>&1 || {
		cat "$scratch/security"
		echo "$name.conf: the exposure is above 1.2"
		failed=1
	}
	tail -n 1 "$scratch/security"
done

# What the socket unit belongs to is beside it by now.
socket=$scratch/coaproxy-coap.socket
cp "$top_srcdir/systemd/coaproxy-coap.socket" "$socket"
if ! said=$(SYSTEMD_UNIT_PATH=$scratch: \
    systemd-analyze verify --man=no "$socket" 2>&1) ||
    printf '%s\n' "$said" | grep -F "$socket"
then
	echo "coaproxy-coap.socket: systemd-analyze verify: $said"
	failed=1
fi

# The journal takes the catalogue, and each message that has a number in the
# program is in it.
lib=$scratch/root/usr/lib/systemd/catalog
mkdir -p "$lib" "$scratch/root/var/lib/systemd/catalog"
cp "$top_srcdir/systemd/coaproxy.catalog" "$lib"
if ! journalctl --root="$scratch/root" --update-catalog \
    >"$scratch/catalog" 2>&1 ||
    ! journalctl --root="$scratch/root" --list-catalog >"$scratch/listed"
then
	cat "$scratch/catalog"
	echo 'coaproxy.catalog: the journal does not take it'
	failed=1
fi
cat "$top_srcdir/src/base/log.c" "$top_srcdir/src/proxy/logline.c" |
    grep -oE '[0-9a-f]{32}' | sort >"$scratch/sent"
cut -d' ' -f1 "$scratch/listed" | sort >"$scratch/explained"
if [ "$(grep -c . "$scratch/sent")" -lt 6 ] ||
    ! diff "$scratch/sent" "$scratch/explained"
then
	echo 'coaproxy.catalog: not what the program sends'
	failed=1
fi

mkdir -p "$scratch/root/etc/coaproxy/keys"
if ! systemd-sysusers --root="$scratch/root" \
    "$top_srcdir/systemd/coaproxy.sysusers" ||
    ! grep '^coaproxy:' "$scratch/root/etc/passwd"
then
	echo 'coaproxy.sysusers: no such user'
	failed=1
fi

# To give a directory away takes root.
if [ "$(id -u)" -eq 0 ]
then
	systemd-tmpfiles --root="$scratch/root" --create \
	    "$top_srcdir/systemd/coaproxy.tmpfiles" || failed=1
	mode=$(stat -c '%a %U' "$scratch/root/etc/coaproxy/keys")
	if [ "$mode" != '750 root' ]
	then
		echo "coaproxy.tmpfiles: keys are $mode"
		failed=1
	fi
fi
exit $failed
