#include "ctl/trace.h"

#include "suites.h"
#include "unit.h"

/* What a filter is made of; how it filters is seen from outside
 * (tests/system/test_ctl.py). */
START_TEST(filters)
{
	static char pcap[] = "pcap", origins[] = "origins",
	    clients[] = "clients", net[] = "10.0.0.0/8", ip[] = "2001:db8::1",
	    bad[] = "10.0.0.0/33", name[] = "lamp.example";
	struct {
		char *words[4];
		size_t n;
		bool good, pcap;
		enum trace_side side;
		size_t nets;
	} rows[] = {
		{ { NULL }, 0, true, false, TRACE_BOTH, 0 },
		{ { pcap }, 1, true, true, TRACE_BOTH, 0 },
		{ { pcap, origins, net, ip }, 4, true, true, TRACE_ORIGINS,
			2 },
		{ { ip, clients }, 2, true, false, TRACE_CLIENTS, 1 },
		{ { ip, pcap }, 2, false, false, TRACE_BOTH, 1 },
		{ { net, bad }, 2, false, false, TRACE_BOTH, 1 },
		{ { name }, 1, false, false, TRACE_BOTH, 0 },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct trace_filter f = { .pcap = false };

		ck_assert_msg((trace_filter_read(&f, rows[i].words,
		    rows[i].n) == NULL) == rows[i].good, "row %zu", i);
		ck_assert(f.pcap == rows[i].pcap);
		ck_assert_int_eq(f.side, rows[i].side);
		ck_assert_uint_eq(f.nets.n, rows[i].nets);
		trace_filter_fini(&f);
	}
}
END_TEST

/* A filter is handed over, and a trace may end twice. */
START_TEST(bounds)
{
	struct loop *l = loop_new();
	struct udp *u = udp_new(l);
	struct trace t[TRACERS_MAX + 1] = { { .in = NULL } };
	struct trace_filter f = { .pcap = false };
	struct traces ts;

	ck_assert_ptr_nonnull(u);
	traces_init(&ts, u);
	for (size_t i = 0; i <= TRACERS_MAX; i++)
		ck_assert(trace_start(&ts, &t[i], &f, NULL) ==
		    (i < TRACERS_MAX));
	trace_stop(&t[TRACERS_MAX]);
	ck_assert_uint_eq(ts.n, TRACERS_MAX);
	for (size_t i = 0; i <= TRACERS_MAX; i++) {
		trace_stop(&t[i]);
		trace_stop(&t[i]);
	}
	ck_assert_uint_eq(ts.n, 0);
	udp_free(u);
	loop_free(l);
}
END_TEST

Suite *
trace_suite(void)
{
	Suite *s = suite_create("trace");
	TCase *tc = tcase_create("trace");

	tcase_add_test(tc, filters);
	tcase_add_test(tc, bounds);
	suite_add_tcase(s, tc);
	return s;
}
