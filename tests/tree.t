#!/bin/sh
# The source tree keeps its own rules, and the tools that say so can tell.
# shellcheck disable=SC2016 # what markdown quotes
set -u
: "${top_srcdir:=.}" "${PYTHON:=}"

n=0
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
cd "$top_srcdir" || exit 1

# check NAME COMMAND...: one result, the command's exit status.
check()
{
	n=$((n + 1))
	name=$1
	shift
	if "$@" >"$scratch/out" 2>&1
	then echo "ok $n - $name"
	else echo "not ok $n - $name"
	fi
	sed 's/^/# /' "$scratch/out"
}

# fails STATUS TEXT COMMAND...: the command ends with STATUS and prints TEXT.
fails()
{
	expected=$1
	text=$2
	shift 2
	said=$("$@" 2>&1)
	[ $? -eq "$expected" ] && printf '%s\n' "$said" | grep -qF "$text"
}

# report_with LIST: a report of one function, 98 lines of it run, two not;
# both sides of one branch.
report_with()
{
	"$PYTHON" -c 'import json
lines = [{"line_number": n, "count": int(n > 2), "branches": []}
         for n in range(1, 101)]
lines[4]["branches"] = [{"count": 1}, {"count": 1}]
print(json.dumps({"files": [{"file": "src/low/x.c", "lines": lines,
    "functions": [{"name": "f", "lineno": 1}]}]}))' >"$scratch/report.json"
	printf '### What is not covered\n\n* `src/low/x.c`: %s\n' "$1" \
	    >"$scratch/testing.md"
}

coverage_named()
{
	report_with "$1"
	"$PYTHON" -B tools/check-coverage --report "$scratch/report.json" \
	    --docs "$scratch/testing.md"
}

# coverage_caught LIST TEXT: with LIST in the document it says TEXT.
coverage_caught()
{
	report_with "$1"
	fails 1 "$2" "$PYTHON" -B tools/check-coverage \
	    --report "$scratch/report.json" --docs "$scratch/testing.md"
}

coverage_updated()
{
	coverage_caught '`f` 3, `g` 1' 'names 3' &&
	    "$PYTHON" -B tools/check-coverage --update \
	    --report "$scratch/report.json" --docs "$scratch/testing.md" &&
	    grep -qx '\* `src/low/x.c`: `f` 2' "$scratch/testing.md"
}

coverage_gated()
{
	report_with '`f` 2'
	sed -i 's/"count": 1, "branches": \[\]/"count": 0, "branches": []/g' \
	    "$scratch/report.json"
	fails 1 'lines below' "$PYTHON" -B tools/check-coverage \
	    --report "$scratch/report.json" --docs "$scratch/testing.md"
}

skip()
{
	n=$((n + 1))
	echo "ok $n - $1 # SKIP $2"
}

mkdir -p "$scratch/src/low" "$scratch/src/high" "$scratch/tests/spec"

includes_caught()
{
	printf 'low:\nhigh: low\n<event2/*> high\n' >"$scratch/src/layers"
	echo "$2" >"$scratch/src/$1/x.c"
	fails 1 "$3" "$PYTHON" -B tools/check-includes "$scratch/src"
}

layers_caught()
{
	printf 'low: high\nhigh:\n' >"$scratch/src/layers"
	fails 1 'not above' "$PYTHON" -B tools/check-includes "$scratch/src"
}

# ids_caught TEXT: a test that says TEXT does not carry the requirement.
ids_caught()
{
	echo 'XYZ-02 1 done second' >"$scratch/tests/spec/a.txt"
	echo "$1" >"$scratch/tests/test_x.c"
	fails 1 XYZ-02 "$PYTHON" -B tools/check-spec --tests "$scratch/tests" a
}

ids_found()
{
	echo 'XYZ-02 1 done second' >"$scratch/tests/spec/a.txt"
	echo "$1" >"$scratch/tests/test_x.c"
	"$PYTHON" -B tools/check-spec --tests "$scratch/tests" a
}

# docs_caught FILE SCRIPT TEXT: with FILE edited by sed SCRIPT, check-docs says
# TEXT.
docs_caught()
{
	rm -rf "$scratch/tree"
	mkdir "$scratch/tree"
	cp -R README docs src "$scratch/tree"
	sed "$2" "$1" >"$scratch/tree/$1"
	fails 1 "$3" "$PYTHON" -B tools/check-docs "$scratch/tree"
}

# Which other manuals are installed here says nothing about ours.
manuals_clean()
{
	! mandoc -T lint docs/*.[1-9] 2>&1 | grep -vE \
	    'outdated mandoc.db lacks|referenced manual not found'
}

# Each module and each test is built and distributed.
files_listed()
{
	missing=0
	for file in src/*/*.[ch] tests/unit/*.[ch] tests/unit/*/*.[ch] \
	    tests/fuzz/*.[ch] tests/replay/* tests/system/*.* bench/*.[ch] \
	    docs/*.*
	do
		if [ -e "$file" ] && [ "${file##*.}" != mk ] &&
		    ! grep -qF "$file" src/local.mk tests/local.mk \
		    bench/local.mk docs/local.mk
		then
			echo "$file is in no local.mk"
			missing=1
		fi
	done
	return $missing
}

# Each module, x.c and x.h, of a directory that has unit tests has its own, but
# for those that only show in another's or in the whole program's.
modules_tested()
{
	missing=0
	for dir in tests/unit/*/
	do
		dir=$(basename "$dir")
		for file in "src/$dir"/*.c
		do
			case $file in
			src/net/dns.c|src/net/sendq.c) continue ;;
			src/main/admin.c|src/main/daemon.c) continue ;;
			src/main/sd.c) continue ;;
			src/ctl/control.c|src/ctl/http.c) continue ;;
			src/ctl/metrics.c|src/ctl/status.c) continue ;;
			src/ctl/sums.c) continue ;;
			esac
			test=tests/unit/$dir/test_$(basename "$file")
			if [ -e "${file%c}h" ] && [ ! -e "$test" ]
			then
				echo "$file has no $test"
				missing=1
			fi
		done
	done
	return $missing
}

# ATK-34: base/clock alone asks what time it is, and the wall clock is for what
# is shown.
clocks_monotonic()
{
	calls='\<(clock_gettime|gettimeofday|time|timespec_get) ?\('
	shown='^src/(base/clock\.[ch]|base/log\.c|ctl/trace\.c):'
	! grep -rnE "$calls" src --include='*.[ch]' |
	    grep -vE '^src/base/clock.c:|^[^:]*:[0-9]*:[ 	/]*\*' &&
	    ! grep -rn clock_wall_ms src --include='*.[ch]' |
	    grep -vE "$shown|(started|loaded)_ms = "
}

if [ -n "$PYTHON" ]
then
	check 'includes point down' "$PYTHON" -B tools/check-includes
	check 'an include upwards is found' \
	    includes_caught low '#include "high/x.h"' 'points upwards'
	check 'an include without directory is found' \
	    includes_caught low '#include "x.h"' 'directory is missing'
	check 'a library in the wrong layer is found' \
	    includes_caught low '#include <event2/event.h>' 'not for this'
	check 'a cycle in layers is refused' layers_caught
	check 'every requirement that is done has a test' \
	    "$PYTHON" -B tools/check-spec
	check 'an ID is found' ids_found '/* XYZ-02: second */'
	check 'a range is no ID' ids_caught '/* XYZ-02..03 */'
	check 'the end of a range is no ID' ids_caught '/* XYZ-01..XYZ-02 */'
	check 'part of a longer ID is no ID' ids_caught '/* XYZ-021 */'
	check 'the documents name what exists' "$PYTHON" -B tools/check-docs
	check 'a key without a manual is found' docs_caught \
	    docs/coaproxy.conf.5 '/^.It Ic drain /d' "no key '[proxy] drain'"
	check 'a key that there is not is found in the manual' docs_caught \
	    docs/coaproxy.conf.5 's/^.It Ic drain /.It Ic dram /' \
	    "no '[proxy] dram'"
	check 'a key of later work is found in the manual' docs_caught \
	    docs/coaproxy.conf.5 's/^.It Ic drain /.It Ic workers /' \
	    "refuses '[proxy] workers'"
	check 'another default is found' docs_caught src/conf/schema.c \
	    's/"90s"/"91s"/' "the default of '[route] timeout' is '91s'"
	check 'an option without a manual is found' docs_caught \
	    docs/coaproxy.8 '/^.It Fl -bind /d' "no option '--bind'"
	check 'an option that there is not is found in the manual' \
	    docs_caught src/main/args.c '/{ "bind",/d' "no '--bind' in"
	check 'a command without a manual is found' docs_caught \
	    docs/coaproxyctl.8 '/^.It Ic drain/d' "no command 'drain'"
	check 'a command that there is not is found in the manual' \
	    docs_caught src/ctl/command.c '/{ "drain",/d' \
	    "no 'drain' in"
	check 'an option of coaproxyctl without a manual is found' \
	    docs_caught docs/coaproxyctl.8 '/^.It Fl s /d' \
	    "no option '--socket'"
	check 'lines that are not run may be named' coverage_named '`f` 2'
	check '... or may be run at times' coverage_named '`f` up to 3'
	check 'a line that is not run is found' \
	    coverage_caught '`f` 1' 'f: 2 lines not run (1, 2)'
	check 'a line that is named and run is found' \
	    coverage_caught '`f` 3' 'names 3'
	check 'a function that there is not is found' \
	    coverage_caught '`f` 2, `g` 1' 'x.c: g: 0 lines'
	check 'what is run by now is taken out' coverage_updated
	check 'coverage below the gate is found' coverage_gated
	check 'no function above 80 lines' "$PYTHON" -B tools/shape --limit 80
else
	skip 'tools/check-includes, check-spec, shape' 'no python3'
fi

if command -v mandoc >/dev/null
then check 'the manual pages are clean' manuals_clean
else skip 'the manual pages are clean' 'no mandoc'
fi

check 'ATK-34: timers and ages do not see the wall clock' clocks_monotonic
check 'every file is in a local.mk' files_listed
check 'every module has a test file' modules_tested
check 'NEWS has Unreleased on top' sh -c \
    'sed -n 3p NEWS | grep -qx Unreleased'

if command -v shellcheck >/dev/null
then
	check 'shell scripts are clean' shellcheck .ci/run autogen.sh \
	    scripts/demo scripts/install scripts/test tests/*.t tests/*/*.t \
	    tests/*/*.sh
else
	skip 'shell scripts are clean' 'no shellcheck'
fi

echo "1..$n"
