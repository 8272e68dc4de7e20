# What fails around the program: docs/testing.md, "When the environment fails".
# The short form of each runs with make check; FAULTS=full is that of
# make check-faults, some of whose tests take minutes.

fault_tests = \
	tests/faults/test_flood.py

if HAVE_PYTHON
TESTS += $(fault_tests)
endif
EXTRA_DIST += $(fault_tests) \
	tests/faults/load.py \
	tests/faults/origin.py

check-faults:
	FAULTS=full $(MAKE) $(AM_MAKEFLAGS) check TESTS='$(fault_tests)'

.PHONY: check-faults
