#!/bin/sh
# Every header of src compiles alone, and may be included twice.
set -u
: "${top_srcdir:=.}" "${CC:=cc}" "${CPPFLAGS:=}" "${CFLAGS:=}"

n=0
cd "$top_srcdir/src" || exit 1
for header in */*.h
do
	n=$((n + 1))
	# CC and the flags are lists of words.
	# shellcheck disable=SC2086
	if printf '#include "%s"\n#include "%s"\nint main(void);\n' \
	    "$header" "$header" |
	    $CC $CPPFLAGS $CFLAGS -Wall -Wextra -Wpedantic -Wundef -Werror \
	    -fsyntax-only -x c - >&2
	then echo "ok $n - $header"
	else echo "not ok $n - $header"
	fi
done
echo "1..$n"
