dist_doc_DATA += docs/HACKING.md docs/architecture.md docs/cookbook.md \
	docs/performance.md docs/promises.md docs/testing.md docs/tutorial.md
dist_man_MANS = docs/coaproxy.8 docs/coaproxyctl.8 docs/coaproxy.conf.5
EXTRA_DIST += \
	docs/decisions/001-own-uri-parser.md \
	docs/decisions/002-timer-wheel.md \
	docs/decisions/003-encoded-options.md \
	docs/decisions/004-request-tag-without-state.md \
	docs/decisions/005-deny-to-by-length.md \
	docs/decisions/006-congestion.md \
	docs/decisions/007-no-response.md \
	docs/decisions/008-echo-by-siphash.md \
	docs/decisions/009-observations.md \
	docs/decisions/010-journal.md \
	docs/decisions/011-ports-of-destinations.md
