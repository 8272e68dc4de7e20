#!/bin/sh
# Every file of a corpus through its fuzz target: one result per file (ATK-38).
# The same for libFuzzer and for replay.c. A corpus is run in one go; if that
# fails, file by file, so that a crash names the input. CORPORA: which ones,
# instead of all.
set -u
: "${top_srcdir:=.}" "${top_builddir:=.}"

n=0

# result ok|"not ok" INPUT
result()
{
	n=$((n + 1))
	echo "$1 $n - $target: $(basename "$2")"
}

for corpus in "$top_srcdir"/tests/fuzz/corpus/*
do
	target=$(basename "$corpus")
	case " ${CORPORA:-$target} " in
	*" $target "*) ;;
	*) continue ;;
	esac
	program=$top_builddir/tests/fuzz/fuzz_$target
	all=failed
	"$program" "$corpus"/* >&2 && all=passed
	for input in "$corpus"/*
	do
		if [ "$all" = passed ] || "$program" "$input" >&2
		then result ok "$input"
		else result "not ok" "$input"
		fi
	done
done
echo "1..$n"
