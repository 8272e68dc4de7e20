#!/bin/sh
# systemd takes the unit files, and finds them well sandboxed.
set -u
: "${top_builddir:=.}"

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
	sed 's,^ExecStart=.*,ExecStart=/bin/true,' \
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
exit $failed
