# make check. Kinds of tests, by their name:
#	(none)	a Check program, one result per test
#	.t .py	a script that prints one line per result (TAP)
#	.sh	a script that is one result: exit 0, 77 skipped, else failed
#	.rp	scenarios for tests/replay/replay, one result for each

tap = env AM_TAP_AWK='$(AWK)' $(SHELL) $(top_srcdir)/build-aux/tap-driver.sh

TEST_EXTENSIONS = .t .sh .py .rp
LOG_DRIVER = $(tap)
T_LOG_DRIVER = $(tap)
T_LOG_COMPILER = $(SHELL)
SH_LOG_COMPILER = $(SHELL)
PY_LOG_DRIVER = $(tap)
PY_LOG_COMPILER = $(PYTHON) -B
RP_LOG_DRIVER = $(tap)
RP_LOG_COMPILER = tests/replay/replay

AM_TESTS_ENVIRONMENT = \
	CK_TAP_LOG_FILE_NAME=-; CK_VERBOSITY=silent; \
	CK_TIMEOUT_MULTIPLIER=10; \
	CC='$(CC)'; CPPFLAGS='$(header_CPPFLAGS)'; CFLAGS='$(STD_CFLAGS)'; \
	COAPROXY='$(abs_top_builddir)/src/coaproxy'; \
	PYTHON='$(PYTHON)'; NODE='$(NODE)'; \
	top_srcdir='$(abs_top_srcdir)'; top_builddir='$(abs_top_builddir)'; \
	ASAN_OPTIONS=detect_stack_use_after_return=1; \
	UBSAN_OPTIONS=print_stacktrace=1; \
	export CK_TAP_LOG_FILE_NAME CK_VERBOSITY CK_TIMEOUT_MULTIPLIER CC CPPFLAGS CFLAGS \
	    COAPROXY PYTHON NODE top_srcdir top_builddir \
	    ASAN_OPTIONS UBSAN_OPTIONS;

# A unit-test program links its own layer and those below, nothing else.

tests_unit_base_unit_SOURCES = $(unit_runner) \
	tests/unit/base/main.c \
	tests/unit/base/suites.h \
	tests/unit/base/test_addr.c \
	tests/unit/base/test_arena.c \
	tests/unit/base/test_buf.c \
	tests/unit/base/test_hash.c \
	tests/unit/base/test_chacha.c \
	tests/unit/base/test_clock.c \
	tests/unit/base/test_journal.c \
	tests/unit/base/test_histo.c \
	tests/unit/base/test_list.c \
	tests/unit/base/test_log.c \
	tests/unit/base/test_netlist.c \
	tests/unit/base/test_parse.c \
	tests/unit/base/test_pool.c \
	tests/unit/base/test_rand.c \
	tests/unit/base/test_siphash.c \
	tests/unit/base/test_span.c \
	tests/unit/base/test_table.c \
	tests/unit/base/test_timer.c \
	tests/unit/base/test_writer.c \
	tests/unit/base/test_xalloc.c

tests_unit_coap_unit_SOURCES = $(unit_runner) \
	tests/unit/coap/hex.h \
	tests/unit/coap/main.c \
	tests/unit/coap/test_block.c \
	tests/unit/coap/test_code.c \
	tests/unit/coap/test_dump.c \
	tests/unit/coap/test_emit.c \
	tests/unit/coap/test_golden.c \
	tests/unit/coap/test_host.c \
	tests/unit/coap/test_key.c \
	tests/unit/coap/test_link.c \
	tests/unit/coap/test_msg.c \
	tests/unit/coap/test_option.c \
	tests/unit/coap/test_pct.c \
	tests/unit/coap/test_uri.c \
	tests/unit/coap/test_uri_opts.c

tests_unit_msg_unit_SOURCES = $(unit_runner) \
	tests/unit/msg/fixture.c \
	tests/unit/msg/fixture.h \
	tests/unit/msg/main.c \
	tests/unit/msg/suites.h \
	tests/unit/msg/test_datagram.c \
	tests/unit/msg/test_exchange.c \
	tests/unit/msg/test_lasting.c \
	tests/unit/msg/test_midset.c \
	tests/unit/msg/test_note.c \
	tests/unit/msg/test_notify.c \
	tests/unit/msg/test_params.c \
	tests/unit/msg/test_peer.c \
	tests/unit/msg/test_received.c \
	tests/unit/msg/test_reply.c \
	tests/unit/msg/test_requests.c \
	tests/unit/msg/test_sent.c \
	tests/unit/msg/test_timing.c

tests_unit_net_unit_SOURCES = $(unit_runner) \
	tests/unit/net/ends.c \
	tests/unit/net/ends.h \
	tests/unit/net/fixture.c \
	tests/unit/net/fixture.h \
	tests/unit/net/main.c \
	tests/unit/net/suites.h \
	tests/unit/net/test_hosts.c \
	tests/unit/net/test_loop.c \
	tests/unit/net/test_memory.c \
	tests/unit/net/test_names.c \
	tests/unit/net/test_resolve.c \
	tests/unit/net/test_sendq.c \
	tests/unit/net/test_servers.c \
	tests/unit/net/test_sock.c \
	tests/unit/net/test_udp.c \
	tests/unit/net/test_udp_errors.c \
	tests/unit/net/test_udp_icmp.c

tests_unit_proxy_unit_SOURCES = $(unit_runner) \
	tests/replay/text.c \
	tests/replay/text.h \
	tests/unit/proxy/blocks.c \
	tests/unit/proxy/blocks.h \
	tests/unit/proxy/fixture.c \
	tests/unit/proxy/fixture.h \
	tests/unit/proxy/main.c \
	tests/unit/proxy/observing.c \
	tests/unit/proxy/observing.h \
	tests/unit/proxy/suites.h \
	tests/unit/proxy/test_admit.c \
	tests/unit/proxy/test_answer.c \
	tests/unit/proxy/test_assemble.c \
	tests/unit/proxy/test_backoff.c \
	tests/unit/proxy/test_chunk.c \
	tests/unit/proxy/test_cache.c \
	tests/unit/proxy/test_cache_model.c \
	tests/unit/proxy/test_classify.c \
	tests/unit/proxy/test_collect.c \
	tests/unit/proxy/test_crowd.c \
	tests/unit/proxy/test_downloads.c \
	tests/unit/proxy/test_echo.c \
	tests/unit/proxy/test_fetch.c \
	tests/unit/proxy/test_filter.c \
	tests/unit/proxy/test_harvest.c \
	tests/unit/proxy/test_guard.c \
	tests/unit/proxy/test_fresh.c \
	tests/unit/proxy/test_inspect.c \
	tests/unit/proxy/test_limit.c \
	tests/unit/proxy/test_links.c \
	tests/unit/proxy/test_local.c \
	tests/unit/proxy/test_notified.c \
	tests/unit/proxy/test_observation.c \
	tests/unit/proxy/test_observe.c \
	tests/unit/proxy/test_logline.c \
	tests/unit/proxy/test_memo.c \
	tests/unit/proxy/test_observe_random.c \
	tests/unit/proxy/test_proxy.c \
	tests/unit/proxy/test_publish.c \
	tests/unit/proxy/test_redirect.c \
	tests/unit/proxy/test_repeat.c \
	tests/unit/proxy/test_request.c \
	tests/unit/proxy/test_respond.c \
	tests/unit/proxy/test_rewrite.c \
	tests/unit/proxy/test_roles.c \
	tests/unit/proxy/test_route.c \
	tests/unit/proxy/test_rulemap.c \
	tests/unit/proxy/test_self.c \
	tests/unit/proxy/test_serve.c \
	tests/unit/proxy/test_share.c \
	tests/unit/proxy/test_trail.c \
	tests/unit/proxy/test_tally.c \
	tests/unit/proxy/test_transfer.c \
	tests/unit/proxy/test_upload.c \
	tests/unit/proxy/test_upload_bounds.c \
	tests/unit/proxy/test_waiting.c \
	tests/unit/proxy/test_way.c

tests_unit_server_unit_SOURCES = $(unit_runner) $(unit_fakenet) \
	tests/unit/server/main.c \
	tests/unit/server/test_server.c \
	tests/unit/server/test_watch.c

tests_unit_upstream_unit_SOURCES = $(unit_runner) $(unit_fakenet) \
	tests/unit/upstream/fixture.c \
	tests/unit/upstream/fixture.h \
	tests/unit/upstream/main.c \
	tests/unit/upstream/test_client.c \
	tests/unit/upstream/test_client_errors.c \
	tests/unit/upstream/test_dest.c \
	tests/unit/upstream/test_flow.c \
	tests/unit/upstream/test_forged.c \
	tests/unit/upstream/test_watch.c

tests_unit_conf_unit_SOURCES = $(unit_runner) \
	tests/unit/conf/describe.c \
	tests/unit/conf/describe.h \
	tests/unit/conf/loading.c \
	tests/unit/conf/loading.h \
	tests/unit/conf/main.c \
	tests/unit/conf/suites.h \
	tests/unit/conf/temp.c \
	tests/unit/conf/temp.h \
	tests/unit/conf/test_check.c \
	tests/unit/conf/test_conf.c \
	tests/unit/conf/test_cover.c \
	tests/unit/conf/test_doc.c \
	tests/unit/conf/test_dump.c \
	tests/unit/conf/test_expand.c \
	tests/unit/conf/test_files.c \
	tests/unit/conf/test_load.c \
	tests/unit/conf/test_place.c \
	tests/unit/conf/test_report.c \
	tests/unit/conf/test_schema.c \
	tests/unit/conf/test_starved.c \
	tests/unit/conf/test_value.c \
	tests/unit/conf/test_words.c

tests_unit_ctl_unit_SOURCES = $(unit_runner) \
	tests/unit/ctl/main.c \
	tests/unit/ctl/suites.h \
	tests/unit/ctl/test_command.c \
	tests/unit/ctl/test_expo.c \
	tests/unit/ctl/test_limits.c \
	tests/unit/ctl/test_rows.c \
	tests/unit/ctl/test_text.c \
	tests/unit/ctl/test_trace.c

tests_unit_main_unit_SOURCES = $(unit_runner) \
	tests/unit/main/main.c \
	tests/unit/main/suites.h \
	tests/unit/main/test_args.c \
	tests/unit/main/test_explain.c \
	src/main/args.c \
	src/main/explain.c

tests_unit_base_unit_LDADD = $(link_base) $(CHECK_LIBS)
tests_unit_coap_unit_LDADD = $(link_coap) $(CHECK_LIBS)
tests_unit_msg_unit_LDADD = $(link_msg) $(CHECK_LIBS)
tests_unit_net_unit_LDADD = $(link_net) $(CHECK_LIBS)
# test_memory.c makes them fail.
tests_unit_net_unit_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=strdup \
	-Wl,--wrap=free
tests_unit_proxy_unit_LDADD = $(link_proxy) $(CHECK_LIBS)
# fixture.c makes them fail.
tests_unit_proxy_unit_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc
tests_unit_server_unit_LDADD = $(link_server) $(CHECK_LIBS)
tests_unit_upstream_unit_LDADD = $(link_upstream) $(CHECK_LIBS)
# test_watch.c has fetches of its own.
tests_unit_upstream_unit_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=fetch_response,--wrap=fetch_failed
tests_unit_conf_unit_LDADD = $(link_conf) $(CHECK_LIBS)
# test_starved.c lets allocations fail.
tests_unit_conf_unit_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc \
	-Wl,--wrap=reallocarray,--wrap=strdup
tests_unit_ctl_unit_LDADD = $(link_ctl) $(CHECK_LIBS)
tests_unit_main_unit_LDADD = $(link_conf) $(CHECK_LIBS)

tests_unit_base_unit_CPPFLAGS = $(unit_CPPFLAGS)
tests_unit_coap_unit_CPPFLAGS = $(unit_CPPFLAGS)
tests_unit_msg_unit_CPPFLAGS = $(unit_CPPFLAGS)
tests_unit_net_unit_CPPFLAGS = $(unit_CPPFLAGS)
tests_unit_proxy_unit_CPPFLAGS = $(unit_CPPFLAGS) \
	-I$(top_srcdir)/tests/replay
tests_unit_server_unit_CPPFLAGS = $(unit_CPPFLAGS)
tests_unit_upstream_unit_CPPFLAGS = $(unit_CPPFLAGS)
tests_unit_conf_unit_CPPFLAGS = $(unit_CPPFLAGS)
tests_unit_ctl_unit_CPPFLAGS = $(unit_CPPFLAGS)
tests_unit_main_unit_CPPFLAGS = $(unit_CPPFLAGS)

unit_runner = tests/unit/unit.c tests/unit/unit.h
unit_fakenet = tests/unit/fakenet.c tests/unit/fakenet.h
unit_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/unit \
	-DCONF_EXAMPLES='"$(abs_top_srcdir)/tests/conf/examples"' \
	$(CHECK_CFLAGS)
unit_tests = \
	tests/unit/base/unit \
	tests/unit/coap/unit \
	tests/unit/msg/unit \
	tests/unit/net/unit \
	tests/unit/proxy/unit \
	tests/unit/server/unit \
	tests/unit/upstream/unit \
	tests/unit/conf/unit \
	tests/unit/ctl/unit \
	tests/unit/main/unit

if HAVE_CHECK
check_PROGRAMS += $(unit_tests)
TESTS += $(unit_tests)
endif

include tests/faults/local.mk

check-unit:
	$(MAKE) $(AM_MAKEFLAGS) check TESTS='$(unit_tests)'

.PHONY: check-unit

EXTRA_DIST += \
	tests/conf/examples/1-forward-acl.conf \
	tests/conf/examples/10-links.conf \
	tests/conf/examples/2-vhosts.conf \
	tests/conf/examples/3-subdomain.conf \
	tests/conf/examples/4-paths.conf \
	tests/conf/examples/8-minimal.conf \
	tests/conf/examples/bad.conf \
	tests/conf/examples/bad.expected

# The tree itself: headers stand alone, includes point down, requirements have
# tests. Headers compile without banned.h, which would lend them its includes.

header_CPPFLAGS = -D_GNU_SOURCE -I$(abs_top_srcdir)/src \
	$(EVENT_CFLAGS) $(INIH_CFLAGS) $(SYSTEMD_CFLAGS)

tree_tests = tests/headers/headers.t tests/tree.t
TESTS += $(tree_tests)
EXTRA_DIST += $(tree_tests) \
	tests/spec/attacks.txt \
	tests/spec/blockwise.txt \
	tests/spec/cache.txt \
	tests/spec/message.txt \
	tests/spec/observe.txt \
	tests/spec/proxy.txt

# Fuzz targets. Without --enable-fuzzing a plain main() replays the corpus.

turn_sources = tests/fuzz/turn.c tests/fuzz/turn.h
turn_wraps = -Wl,--wrap=clock_ms,--wrap=clock_us
fuzz_programs = tests/fuzz/fuzz_conf tests/fuzz/fuzz_ctl tests/fuzz/fuzz_dns \
	tests/fuzz/fuzz_http \
	tests/fuzz/fuzz_link tests/fuzz/fuzz_parse tests/fuzz/fuzz_proxy tests/fuzz/fuzz_publish \
	tests/fuzz/fuzz_uri
check_PROGRAMS += $(fuzz_programs)
tests_fuzz_fuzz_conf_SOURCES = tests/fuzz/fuzz.h tests/fuzz/fuzz_conf.c
tests_fuzz_fuzz_conf_LDADD = $(link_conf)
tests_fuzz_fuzz_conf_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_ctl_SOURCES = $(world_sources) $(turn_sources) \
	tests/fuzz/fuzz.h tests/fuzz/fuzz_ctl.c
tests_fuzz_fuzz_ctl_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/replay
tests_fuzz_fuzz_ctl_LDADD = src/libctl.a $(link_conf)
tests_fuzz_fuzz_ctl_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS) $(turn_wraps)
tests_fuzz_fuzz_dns_SOURCES = $(turn_sources) \
	tests/fuzz/fuzz.h tests/fuzz/fuzz_dns.c
tests_fuzz_fuzz_dns_LDADD = $(link_net)
tests_fuzz_fuzz_dns_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS) $(turn_wraps) \
	-Wl,--wrap=rand_init
tests_fuzz_fuzz_http_SOURCES = $(world_sources) $(turn_sources) \
	tests/fuzz/fuzz.h tests/fuzz/fuzz_http.c
tests_fuzz_fuzz_http_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/replay
tests_fuzz_fuzz_http_LDADD = src/libctl.a $(link_conf)
tests_fuzz_fuzz_http_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS) $(turn_wraps)
tests_fuzz_fuzz_link_SOURCES = tests/fuzz/fuzz.h tests/fuzz/fuzz_link.c
tests_fuzz_fuzz_link_LDADD = $(link_coap)
tests_fuzz_fuzz_link_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_parse_SOURCES = tests/fuzz/fuzz.h tests/fuzz/fuzz_parse.c
tests_fuzz_fuzz_parse_LDADD = $(link_coap)
tests_fuzz_fuzz_parse_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
play_sources = $(world_sources) \
	tests/fuzz/play.c tests/fuzz/play.h \
	tests/fuzz/play_conf.c tests/fuzz/play_judge.c \
	tests/fuzz/play_limits.c \
	tests/fuzz/play_make.c tests/fuzz/play_make.h \
	tests/fuzz/play_run.c
tests_fuzz_fuzz_proxy_SOURCES = $(play_sources) \
	tests/fuzz/fuzz.h tests/fuzz/fuzz_proxy.c
tests_fuzz_fuzz_proxy_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/replay
tests_fuzz_fuzz_proxy_CFLAGS = $(AM_CFLAGS) $(PLAY_CFLAGS)
tests_fuzz_fuzz_proxy_LDADD = $(link_conf)
tests_fuzz_fuzz_proxy_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_publish_SOURCES = tests/fuzz/fuzz.h tests/fuzz/fuzz_publish.c
tests_fuzz_fuzz_publish_LDADD = $(link_proxy)
tests_fuzz_fuzz_publish_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_uri_SOURCES = tests/fuzz/fuzz.h tests/fuzz/fuzz_uri.c
tests_fuzz_fuzz_uri_LDADD = $(link_proxy)
tests_fuzz_fuzz_uri_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
if !FUZZING
tests_fuzz_fuzz_conf_SOURCES += tests/fuzz/replay.c
tests_fuzz_fuzz_ctl_SOURCES += tests/fuzz/replay.c
tests_fuzz_fuzz_dns_SOURCES += tests/fuzz/replay.c
tests_fuzz_fuzz_http_SOURCES += tests/fuzz/replay.c
tests_fuzz_fuzz_link_SOURCES += tests/fuzz/replay.c
tests_fuzz_fuzz_parse_SOURCES += tests/fuzz/replay.c
tests_fuzz_fuzz_proxy_SOURCES += tests/fuzz/replay.c
tests_fuzz_fuzz_publish_SOURCES += tests/fuzz/replay.c
tests_fuzz_fuzz_uri_SOURCES += tests/fuzz/replay.c
endif

# The same inputs while the environment fails.
check_PROGRAMS += tests/fuzz/anomaly
tests_fuzz_anomaly_SOURCES = $(play_sources) tests/fuzz/anomaly.c
tests_fuzz_anomaly_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/replay
tests_fuzz_anomaly_LDADD = $(link_conf)
tests_fuzz_anomaly_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc \
	-Wl,--wrap=xcalloc,--wrap=xrealloc,--wrap=xstrdup \
	-Wl,--wrap=xspandup,--wrap=server_add_listener \
	-Wl,--wrap=conf_load_text

TESTS += tests/fuzz/corpus.t tests/fuzz/anomaly
EXTRA_DIST += tests/fuzz/campaign tests/fuzz/corpus.t \
	tests/fuzz/corpus/conf \
	tests/fuzz/corpus/ctl tests/fuzz/corpus/dns \
	tests/fuzz/corpus/http \
	tests/fuzz/corpus/link tests/fuzz/corpus/parse \
	tests/fuzz/corpus/proxy tests/fuzz/corpus/publish \
	tests/fuzz/corpus/uri \
	tests/fuzz/conf.dict tests/fuzz/ctl.dict tests/fuzz/dns.dict \
	tests/fuzz/http.dict \
	tests/fuzz/link.dict \
	tests/fuzz/parse.dict tests/fuzz/proxy.dict tests/fuzz/publish.dict \
	tests/fuzz/uri.dict

# The message layer and the proxy under a fake clock and a fake network.

world_sources = \
	tests/replay/world.c tests/replay/world.h \
	tests/replay/world_net.c tests/replay/world_net.h

check_PROGRAMS += tests/replay/replay tests/replay/soak
check_PROGRAMS += tests/replay/ratio tests/replay/bodies
tests_replay_bodies_SOURCES = $(world_sources) tests/replay/bodies.c
tests_replay_bodies_LDADD = $(link_conf)
check_PROGRAMS += tests/replay/observers
tests_replay_observers_SOURCES = $(world_sources) \
	tests/replay/throng.c tests/replay/throng.h \
	tests/replay/throng_ask.c \
	tests/replay/throng_attempt.c tests/replay/throng_attempt.h \
	tests/replay/throng_come.c \
	tests/replay/throng_judge.c \
	tests/replay/throng_judge_up.c \
	tests/replay/throng_origin.c \
	tests/replay/throng_sim.h \
	tests/replay/throng_watch.c \
	tests/replay/observers.c
tests_replay_observers_LDADD = $(link_conf)
tests_replay_ratio_SOURCES = $(world_sources) tests/replay/ratio.c
tests_replay_ratio_LDADD = $(link_conf)
tests_replay_replay_SOURCES = $(world_sources) \
	tests/replay/replay.c \
	tests/replay/script.c tests/replay/script.h \
	tests/replay/text.c tests/replay/text.h \
	tests/replay/traffic.c
tests_replay_replay_LDADD = $(link_conf)
tests_replay_soak_SOURCES = $(world_sources) \
	tests/replay/ends.c \
	tests/replay/lossy.c tests/replay/lossy.h \
	tests/replay/oracle.c \
	tests/replay/sim.h \
	tests/replay/soak.c
tests_replay_soak_LDADD = $(link_conf)

# The long runs at their full length: some minutes.
soak: tests/replay/soak$(EXEEXT) tests/replay/observers$(EXEEXT)
	tests/replay/soak --exchanges 1000000 $(SOAKFLAGS)
	RESTLESS=200 tests/replay/observers

.PHONY: soak

scenarios = \
	tests/replay/access.rp \
	tests/replay/attacks.rp \
	tests/replay/backoff.rp \
	tests/replay/block1.rp \
	tests/replay/block2.rp \
	tests/replay/blockcache.rp \
	tests/replay/blockfail.rp \
	tests/replay/blocks.rp \
	tests/replay/cache.rp \
	tests/replay/collapse.rp \
	tests/replay/congestion.rp \
	tests/replay/core.rp \
	tests/replay/dispatch.rp \
	tests/replay/duplicates.rp \
	tests/replay/echo.rp \
	tests/replay/errors.rp \
	tests/replay/hoplimit.rp \
	tests/replay/message.rp \
	tests/replay/noresponse.rp \
	tests/replay/notify.rp \
	tests/replay/observe.rp \
	tests/replay/observeblocks.rp \
	tests/replay/observeend.rp \
	tests/replay/observeguard.rp \
	tests/replay/observenet.rp \
	tests/replay/observeup.rp \
	tests/replay/options.rp \
	tests/replay/oscore.rp \
	tests/replay/pool.rp \
	tests/replay/reliability.rp \
	tests/replay/reload.rp \
	tests/replay/reloadlimits.rp \
	tests/replay/reverse.rp \
	tests/replay/review.rp \
	tests/replay/rows.rp \
	tests/replay/tokens.rp \
	tests/replay/uri.rp
TESTS += $(scenarios) tests/replay/bodies tests/replay/observers \
	tests/replay/ratio tests/replay/soak tests/replay/wrap.t

# For a build with --enable-sanitizers=memory: what needs no library that is
# not built so, and is still the whole proxy.
memory_tests = $(scenarios) tests/replay/bodies tests/replay/wrap.t \
	tests/fuzz/anomaly tests/fuzz/corpus.t

memory_corpora = conf link parse proxy publish uri

check-memory: tests/replay/replay$(EXEEXT) tests/replay/soak$(EXEEXT) \
    $(fuzz_programs)
	CORPORA='$(memory_corpora)' $(MAKE) $(AM_MAKEFLAGS) check-TESTS \
	    TESTS='$(memory_tests)'

.PHONY: check-memory

EXTRA_DIST += $(scenarios) tests/replay/wrap.t

# The program against other implementations, and its unit files.

system_tests = \
	tests/system/test_access.py \
	tests/system/test_addresses.py \
	tests/system/test_attacks.py \
	tests/system/test_blocks.py \
	tests/system/test_blocks_random.py \
	tests/system/test_cache.py \
	tests/system/test_chain.py \
	tests/system/test_config.py \
	tests/system/test_docs.py \
	tests/system/test_ctl.py \
	tests/system/test_echo.py \
	tests/system/test_forward.py \
	tests/system/test_instructions.py \
	tests/system/test_interop.py \
	tests/system/test_lifecycle.py \
	tests/system/test_limits.py \
	tests/system/test_links.py \
	tests/system/test_message.py \
	tests/system/test_metrics.py \
	tests/system/test_node.py \
	tests/system/test_observe.py \
	tests/system/test_observe_lost.py \
	tests/system/test_observe_ways.py \
	tests/system/test_observers.py \
	tests/system/test_rate.py \
	tests/system/test_reload.py \
	tests/system/test_reload_keys.py \
	tests/system/test_reverse.py \
	tests/system/test_service.py \
	tests/system/test_store.py

if HAVE_PYTHON
TESTS += $(system_tests)
endif
TESTS += tests/system/package.sh tests/system/systemd.sh \
	tests/system/unit-file.sh
EXTRA_DIST += $(system_tests) \
	tests/system/admin.py \
	tests/system/ask.py \
	tests/system/blocks.py \
	tests/system/clocks.py \
	tests/system/coap.py \
	tests/system/node/.npmrc \
	tests/system/node/package-lock.json \
	tests/system/node/package.json \
	tests/system/node/peer.js \
	tests/system/observers.py \
	tests/system/package.sh \
	tests/system/package_run.py \
	tests/system/patient.py \
	tests/system/programs.py \
	tests/system/systemd-root.sh \
	tests/system/systemd-steps.sh \
	tests/system/systemd.sh \
	tests/system/tap.py \
	tests/system/unit-file.sh \
	tests/system/watched.py \
	tests/system/ways.py

# The run at a high rate at its full length: some two minutes.
check-rate:
	RATE_SECONDS=60 $(MAKE) $(AM_MAKEFLAGS) check \
	    TESTS=tests/system/test_rate.py
	cat tests/system/test_rate.log

# Signals for 10 s instead of 3.
check-reload:
	RELOAD_SECONDS=10 $(MAKE) $(AM_MAKEFLAGS) check \
	    TESTS=tests/system/test_reload.py
	cat tests/system/test_reload.log

.PHONY: check-rate check-reload
