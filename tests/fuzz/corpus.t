#!/bin/sh
# Every file of a corpus through its fuzz target: one result per file, so a
# crash names the input. The same for libFuzzer and for replay.c.
set -u
: "${top_srcdir:=.}" "${top_builddir:=.}"

n=0
for input in "$top_srcdir"/tests/fuzz/corpus/*/*
do
	n=$((n + 1))
	target=$(basename "$(dirname "$input")")
	name="$target: $(basename "$input")"
	if "$top_builddir/tests/fuzz/fuzz_$target" "$input" >&2
	then echo "ok $n - $name"
	else echo "not ok $n - $name"
	fi
done
echo "1..$n"
