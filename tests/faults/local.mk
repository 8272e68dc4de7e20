# What fails around the program: docs/testing.md, "Faults". The short form of
# each runs with make check; FAULTS=full is that of make check-faults, some of
# whose tests take minutes.

check_PROGRAMS += tests/faults/impair
tests_faults_impair_SOURCES = tests/faults/impair.c

fault_tests = \
	tests/faults/test_flood.py \
	tests/faults/test_names.py \
	tests/faults/test_network.py \
	tests/faults/test_operations.py \
	tests/faults/test_origin.py \
	tests/faults/test_paths.py \
	tests/faults/test_resources.py \
	tests/faults/test_time.py

if HAVE_PYTHON
# Before other tests, as they wait most: the longest, then the others. Behind
# the unit tests, as one of those works longest of all.
TESTS += tests/faults/soak.py $(fault_tests)
endif
EXTRA_DIST += $(fault_tests) \
	tests/faults/bodies.py \
	tests/faults/fail.c \
	tests/faults/failing.py \
	tests/faults/hasten.c \
	tests/faults/liar.py \
	tests/faults/load.py \
	tests/faults/netns.py \
	tests/faults/network.py \
	tests/faults/origin.py \
	tests/faults/resolver.py \
	tests/faults/soak.py \
	tests/faults/soak_clients.py \
	tests/faults/soak_origin.py \
	tests/faults/soak_watch.py

# Calls of libc that fail, within the proxy alone (LD_PRELOAD). No sanitizer
# and no instrumentation: it is in the way of both.
check_DATA = tests/faults/fail.so
CLEANFILES += tests/faults/fail.so

tests/faults/fail.so: $(srcdir)/tests/faults/fail.c
	$(AM_V_CCLD)$(MKDIR_P) tests/faults && \
	    $(CC) -D_GNU_SOURCE -std=gnu17 -O2 -Wall -Wextra -fPIC \
	    -fno-builtin -shared -o $@ $(srcdir)/tests/faults/fail.c

check-faults:
	FAULTS=full $(MAKE) $(AM_MAKEFLAGS) check TESTS='$(fault_tests)'

# An hour of mixed traffic instead of a minute.
check-soak:
	SOAK_SECONDS=$${SOAK_SECONDS:-3600} $(MAKE) $(AM_MAKEFLAGS) check \
	    TESTS=tests/faults/soak.py
	cat tests/faults/soak.log

.PHONY: check-faults check-soak
