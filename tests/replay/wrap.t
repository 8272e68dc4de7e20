#!/bin/sh
# F11b: every scenario and a long run while what the clock says comes to the end
# of 31, 32 and 36 bits of milliseconds: what some keep is as short as that, and
# the last is one turn of the timers. Starts are whole seconds, as Max-Age is.
set -u
: "${top_srcdir:=.}" "${top_builddir:=.}"

n=0
replay=$top_builddir/tests/replay

# try WHAT COMMAND...: what it says is shown only if it fails.
try()
{
	n=$((n + 1))
	what=$1
	shift
	if out=$("$@" 2>&1)
	then echo "ok $n - F11b $what"
	else
		echo "not ok $n - F11b $what"
		echo "$out" | grep -A 2 '^not ok' | sed 's/^/# /' | head -n 30
	fi
}

# end BITS SECOND...: that many before the end.
end()
{
	bits=$1
	shift
	for before in "$@"
	do
		start=$((((1 << bits) / 1000 - before) * 1000))
		try "$before s before 2^$bits ms: scenarios" \
		    "$replay/replay" -t $start "$top_srcdir"/tests/replay/*.rp
	done
	try "$before s before 2^$bits ms: a bad network" \
	    "$replay/soak" --exchanges 20000 --start "$start"
}

end 31 0 3
end 32 0 1 3 7 15 31 63
end 36 0 7
echo "1..$n"
