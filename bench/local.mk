# make bench: the proxy against a batched relay, one interleaved run. Pass
# options in BENCHFLAGS; bench/run --help names them. tests/system/test_rate.py
# uses origin and rate, tests/system/test_observers.py observers,
# tests/system/test_instructions.py lockstep, tests/faults/test_flood.py flood.

bench_programs = bench/load bench/micro bench/observers bench/origin \
	bench/relay
EXTRA_PROGRAMS += bench/load bench/relay
check_PROGRAMS += bench/flood bench/lockstep bench/micro bench/observers \
	bench/origin bench/rate
bench_flood_SOURCES = bench/bench.h bench/flood.c
bench_load_SOURCES = bench/bench.h bench/latency.h bench/load.c
bench_lockstep_SOURCES = bench/bench.h bench/lockstep.c
bench_micro_SOURCES = bench/bench.h bench/micro.c
bench_micro_LDADD = $(link_conf)
bench_observers_SOURCES = bench/bench.h bench/latency.h bench/observers.c \
	bench/crowd.c bench/crowd.h \
	bench/lines.c bench/lines.h \
	bench/probe.c bench/probe.h \
	bench/report.c bench/report.h \
	bench/subject.c bench/subject.h
bench_origin_SOURCES = bench/bench.h bench/origin.c \
	bench/strict.c bench/strict.h
bench_rate_SOURCES = bench/bench.h bench/rate.c
bench_relay_SOURCES = bench/bench.h bench/relay.c

bench_run = $(PYTHON) -B $(srcdir)/bench/run --coaproxy src/coaproxy \
	--load bench/load --origin bench/origin --relay bench/relay \
	--observers-program bench/observers --micro bench/micro

bench: src/coaproxy $(bench_programs)
	$(bench_run) --json bench/result.json $(BENCHFLAGS)

# All of it, and into the tables of docs/performance.md: half an hour.
performance: src/coaproxy $(bench_programs)
	status=0; \
	$(bench_run) --scenario all --json bench/split.json $(BENCHFLAGS) || \
	    status=$$?; \
	$(bench_run) --placement same --clients 256 --no-counts --peers none \
	    --scenario con64,non64,con1024,cached64,forward64 \
	    --json bench/same.json $(BENCHFLAGS) || status=$$?; \
	$(PYTHON) -B $(srcdir)/bench/table -o $(srcdir)/docs/performance.md \
	    bench/split.json bench/same.json && exit $$status

# What a request costs in instructions, system calls and allocations, as
# tests/system/test_instructions.py counts it: this becomes the baseline.
baseline: src/coaproxy bench/lockstep bench/micro
	$(PYTHON) -B $(srcdir)/bench/count --builddir . --write

.PHONY: bench baseline performance

CLEANFILES += bench/load bench/relay \
	bench/result.json bench/same.json bench/split.json
EXTRA_DIST += bench/README bench/baseline.json bench/children.py bench/count \
	bench/counting.py bench/fanout.py bench/machine.py bench/memory.py \
	bench/node_proxy.js bench/peers.py bench/rounds.py bench/run bench/table
