# make bench: the proxy against a batched relay, one interleaved run. Pass
# options in BENCHFLAGS; bench/run --help names them.

bench_programs = bench/load bench/origin bench/relay
EXTRA_PROGRAMS += $(bench_programs)
bench_load_SOURCES = bench/bench.h bench/load.c
bench_origin_SOURCES = bench/bench.h bench/origin.c
bench_relay_SOURCES = bench/bench.h bench/relay.c

bench: src/coaproxy $(bench_programs)
	$(PYTHON) -B $(srcdir)/bench/run --coaproxy src/coaproxy \
	    --load bench/load --origin bench/origin --relay bench/relay \
	    $(BENCHFLAGS)

.PHONY: bench

CLEANFILES += $(bench_programs)
EXTRA_DIST += bench/README bench/run
