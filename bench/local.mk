# make bench: the proxy against a batched relay, one interleaved run. Pass
# options in BENCHFLAGS; bench/run --help names them. tests/system/test_rate.py
# uses origin and rate.

bench_programs = bench/load bench/origin bench/relay
EXTRA_PROGRAMS += bench/load bench/relay
check_PROGRAMS += bench/origin bench/rate
bench_load_SOURCES = bench/bench.h bench/load.c
bench_origin_SOURCES = bench/bench.h bench/origin.c \
	bench/strict.c bench/strict.h
bench_rate_SOURCES = bench/bench.h bench/rate.c
bench_relay_SOURCES = bench/bench.h bench/relay.c

bench: src/coaproxy $(bench_programs)
	$(PYTHON) -B $(srcdir)/bench/run --coaproxy src/coaproxy \
	    --load bench/load --origin bench/origin --relay bench/relay \
	    $(BENCHFLAGS)

.PHONY: bench

CLEANFILES += bench/load bench/relay
EXTRA_DIST += bench/README bench/run
