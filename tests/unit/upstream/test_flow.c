#include "upstream/flow.h"

#include "unit.h"

Suite *flow_suite(void);

enum { NOW = 1000000, ITEMS = 80, OCTETS = 60 };

static struct flow_conf conf;
static struct flows flows;
static struct flow flow;
static struct flow_item items[ITEMS];
static struct rand rnd;

static void
setup(void)
{
	conf = (struct flow_conf){ .probing_rate = 1, .queue = 4 };
	rand_init_fixed(&rnd, 1);
	ck_assert(flows_init(&flows, &conf, 16, &rnd));
	flow_init(&flow, &flows);
	for (size_t i = 0; i < ITEMS; i++)
		flow_item_init(&items[i], OCTETS);
}

static void
teardown(void)
{
	for (size_t i = 0; i < ITEMS; i++)
		flow_drop(&items[i]);
	ck_assert_uint_eq(flow.outstanding, 0);
	ck_assert_uint_eq(flow.waiting, 0);
	ck_assert_uint_eq(flows.lanes.count, 0);
	flows_fini(&flows);
}

/* Item I of CLIENT waits; nobody has to go. */
static bool
queue(size_t i, uint64_t client)
{
	struct flow_item *displaced;
	bool ok = flow_wait(&flow, &items[i], client, &displaced);

	ck_assert_ptr_null(displaced);
	return ok;
}

/* The index of the next one to be sent, which is sent; -1: nobody. */
static int
next(uint64_t now)
{
	struct flow_item *it = flow_next(&flow, now);

	if (it == NULL)
		return -1;
	flow_sent(&flow, it, now);
	return (int)(it - items);
}

/* MSG-67: one at a time over all clients, the others in order. */
START_TEST(one_at_a_time)
{
	flow.nstart = 1;
	ck_assert(flow_open(&flow, NOW));
	flow_sent(&flow, &items[0], NOW);
	ck_assert(!flow_open(&flow, NOW));
	ck_assert(queue(1, 100));
	ck_assert(queue(2, 200));
	ck_assert_int_eq(next(NOW + 50000), -1);
	flow_done(&items[0], NOW + 50000);
	ck_assert_int_eq(next(NOW + 50000), 1);
	ck_assert_int_eq(next(NOW + 50000), -1);
	flow_drop(&items[1]);
	ck_assert_int_eq(next(NOW + 50000), 2);
	ck_assert_uint_eq(flows.stats.queued, 2);
}
END_TEST

/* MSG-39: the window grows by one with each success, is halved once for all
 * that were under way together, and stays between 1 and 64. */
START_TEST(window)
{
	uint64_t now = NOW;

	for (unsigned n = 1; n <= 70; n++) {
		ck_assert_uint_eq(flow.window, n > 64 ? 64 : n);
		flow_sent(&flow, &items[0], now++);
		flow_done(&items[0], now++);
	}
	for (size_t i = 0; i < 64; i++) {
		ck_assert(flow_open(&flow, now));
		flow_sent(&flow, &items[i], now);
	}
	ck_assert(!flow_open(&flow, now));
	now += 2000;
	for (size_t i = 0; i < 10; i++)
		flow_lost(&items[i], now);
	ck_assert_uint_eq(flow.window, 32);
	for (size_t i = 0; i < 64; i++)
		flow_done(&items[i], now + 1);
	flow.window = 3;
	for (unsigned n = 0; n < 4; n++) {
		now += 2000;
		flow_sent(&flow, &items[0], now);
		flow_lost(&items[0], now + 1);
		flow_drop(&items[0]);
	}
	ck_assert_uint_eq(flow.window, 1);
	ck_assert_uint_eq(flows.stats.losses, 5);
}
END_TEST

/* A fixed number is kept to whatever happens. */
START_TEST(fixed)
{
	flow.nstart = 3;
	for (size_t i = 0; i < 3; i++) {
		ck_assert(flow_open(&flow, NOW));
		flow_sent(&flow, &items[i], NOW);
	}
	ck_assert(!flow_open(&flow, NOW));
	flow_lost(&items[0], NOW + 2000);
	flow_done(&items[1], NOW + 2000);
	ck_assert(flow_open(&flow, NOW + 2000));
}
END_TEST

/* Clients take turns. */
START_TEST(fair)
{
	static const int want[] = { 0, 3, 5, 1, 4, 2 };

	conf.queue = 10;
	flow.nstart = 10;
	for (size_t i = 0; i < 3; i++)
		ck_assert(queue(i, 100));
	ck_assert(queue(3, 200));
	ck_assert(queue(4, 200));
	ck_assert(queue(5, 300));
	for (size_t i = 0; i < 6; i++)
		ck_assert_int_eq(next(NOW), want[i]);
	ck_assert_int_eq(next(NOW), -1);
}
END_TEST

/* MSG-69: a full queue. The client with most in it makes room for one that has
 * fewer, by its last one. */
START_TEST(full)
{
	struct flow_item *displaced;

	flow.nstart = 10;
	ck_assert(queue(0, 100));
	ck_assert(queue(1, 100));
	ck_assert(queue(2, 100));
	ck_assert(queue(3, 200));
	ck_assert(!queue(4, 100));
	ck_assert(flow_wait(&flow, &items[5], 300, &displaced));
	ck_assert_ptr_eq(displaced, &items[2]);
	ck_assert_int_eq(items[2].state, FLOW_IDLE);
	/* 2, 1 and 1: nothing is gained by taking from the first. */
	ck_assert(!queue(6, 200));
	ck_assert(flow_wait(&flow, &items[7], 400, &displaced));
	ck_assert_ptr_eq(displaced, &items[1]);
	ck_assert(!queue(8, 500));
	ck_assert_uint_eq(flow.waiting, 4);
	ck_assert_uint_eq(flows.stats.refused, 5);
	ck_assert_int_eq(next(NOW), 0);
	ck_assert_int_eq(next(NOW), 3);
	ck_assert_int_eq(next(NOW), 5);
	ck_assert_int_eq(next(NOW), 7);
}
END_TEST

START_TEST(no_queue)
{
	conf.queue = 0;
	ck_assert(!queue(0, 100));
	conf.queue = 100;
	/* As many lanes as there is memory for. */
	for (size_t i = 0; i < 16; i++)
		ck_assert(queue(i, i));
	ck_assert(!queue(16, 16));
	ck_assert(queue(17, 15));
}
END_TEST

/* MSG-70: 60 octets into silence are 60 s; a sign of life ends that. */
START_TEST(silent_non)
{
	flow.window = 8;
	ck_assert_uint_eq(flow_sent(&flow, &items[0], NOW), NOW + 60000);
	flow_sent(&flow, &items[1], NOW + 1000);
	ck_assert(queue(2, 100));
	ck_assert(queue(3, 100));
	flow_gave_up(&items[0], NOW + 60000);
	ck_assert_uint_eq(flow.window, 1);
	/* The other one is not given up yet. */
	ck_assert_int_eq(next(NOW + 60000), -1);
	ck_assert_uint_eq(flow_wakeup(&flow), UINT64_MAX);
	flow_gave_up(&items[1], NOW + 61003);
	ck_assert_int_eq(next(NOW + 61003), 2);
	ck_assert_int_eq(next(NOW + 61003), -1);
	flow_heard(&flow, NOW + 70000);
	flow_done(&items[2], NOW + 70000);
	ck_assert_int_eq(next(NOW + 70000), 3);
	ck_assert_uint_eq(flows.stats.silences, 2);
}
END_TEST

/* A CON given up: another 60 s from then. */
START_TEST(silent_con)
{
	conf.probing_rate = 2;
	flow.nstart = 5;
	flow_sent(&flow, &items[0], NOW);
	ck_assert(queue(1, 100));
	for (unsigned i = 0; i < 4; i++)
		flow_lost(&items[0], NOW + i);
	flow_gave_up(&items[0], NOW + 93000);
	ck_assert_uint_eq(flow_wakeup(&flow), NOW + 93000 + 30000);
	ck_assert_int_eq(next(NOW + 93000 + 29999), -1);
	ck_assert_int_eq(next(NOW + 93000 + 30000), 1);
	ck_assert(!flow_open(&flow, NOW + 200000));
	flow_heard(&flow, NOW + 200000);
	ck_assert(flow_open(&flow, NOW + 200000));
}
END_TEST

/* Given up, but the server was heard meanwhile: a loss and no silence. */
START_TEST(lossy)
{
	flow.window = 4;
	flow_sent(&flow, &items[0], NOW);
	flow_sent(&flow, &items[1], NOW);
	flow_done(&items[1], NOW + 10);
	flow_gave_up(&items[0], NOW + 60000);
	ck_assert_uint_eq(flow.window, 2);
	ck_assert(flow_open(&flow, NOW + 60000));
	ck_assert_uint_eq(flows.stats.silences, 0);
}
END_TEST

/* Ends that come twice, or to one that is not out, change nothing. */
START_TEST(idle)
{
	flow_sent(&flow, &items[0], NOW);
	flow_done(&items[0], NOW);
	flow_done(&items[0], NOW);
	flow_lost(&items[0], NOW);
	flow_gave_up(&items[0], NOW);
	flow_drop(&items[0]);
	ck_assert_uint_eq(flow.window, 2);
	ck_assert_uint_eq(flow.outstanding, 0);
	ck_assert_ptr_null(flow_next(&flow, NOW));
}
END_TEST

Suite *
flow_suite(void)
{
	Suite *s = suite_create("flow");
	TCase *tc = tcase_create("core");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, one_at_a_time);
	tcase_add_test(tc, window);
	tcase_add_test(tc, fixed);
	tcase_add_test(tc, fair);
	tcase_add_test(tc, full);
	tcase_add_test(tc, no_queue);
	tcase_add_test(tc, silent_non);
	tcase_add_test(tc, silent_con);
	tcase_add_test(tc, lossy);
	tcase_add_test(tc, idle);
	suite_add_tcase(s, tc);
	return s;
}
