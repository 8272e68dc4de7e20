/* Tests of proxy/crowd: observers of one address (ATK-13). */
#include "proxy/crowd.h"

#include <limits.h>

#include "fixture.h"
#include "suites.h"
#include "unit.h"

enum { MAX = 3, ALL = 5 };

static struct crowds cs;
static struct rand rnd;
static struct crowd *joined[16];	/* each time */
static size_t njoined;

static void
setup(void)
{
	rand_init_fixed(&rnd, 1);
	ck_assert(crowds_init(&cs, MAX, ALL, &rnd));
}

static void
teardown(void)
{
	while (njoined > 0)
		crowd_leave(&cs, joined[--njoined]);
	crowds_fini(&cs);
	fixture_free();
}

static struct crowd *
join(const char *ip, uint16_t port)
{
	struct addr a = address(ip, port);
	struct crowd *c = crowd_join(&cs, &a);

	ck_assert_uint_lt(njoined, UNIT_COUNT(joined));
	if (c != NULL)
		joined[njoined++] = c;
	return c;
}

static void
leave(struct crowd *c)
{
	size_t i = 0;

	while (i < njoined && joined[i] != c)
		i++;
	ck_assert_uint_lt(i, njoined);
	joined[i] = joined[--njoined];
	crowd_leave(&cs, c);
}

/* ATK-13: so many of an address, whatever their ports; of IPv6 a /64 is one. */
START_TEST(one_address)
{
	static const struct {
		const char *one, *same, *other;
	} rows[] = {
		{ "192.0.2.1", "192.0.2.1", "192.0.2.2" },
		{ "2001:db8::1", "2001:db8::ffff:0:0:9", "2001:db8:0:1::1" },
	};
	struct crowd *c = join(rows[_i].one, 1), *other;

	ck_assert_ptr_nonnull(c);
	ck_assert_ptr_eq(join(rows[_i].same, 2), c);
	other = join(rows[_i].other, 1);
	ck_assert_ptr_nonnull(other);
	ck_assert_ptr_ne(other, c);
	ck_assert_ptr_eq(join(rows[_i].one, 3), c);
	ck_assert_ptr_null(join(rows[_i].same, 4));
	ck_assert_ptr_null(join(rows[_i].one, 1));
	leave(c);
	ck_assert_ptr_eq(join(rows[_i].same, 5), c);
	ck_assert_ptr_null(join(rows[_i].one, 6));
	ck_assert_uint_eq(c->n, MAX);
	ck_assert_uint_eq(other->n, 1);
}
END_TEST

/* It is there as long as there is anybody, and there are so many. */
START_TEST(all)
{
	struct crowd *c[ALL];
	char ip[16];

	for (unsigned i = 0; i < ALL; i++) {
		snprintf(ip, sizeof(ip), "192.0.2.%u", i);
		c[i] = join(ip, 1);
		ck_assert_ptr_nonnull(c[i]);
	}
	ck_assert_ptr_null(join("192.0.2.99", 1));
	ck_assert_uint_eq(cs.table.count, ALL);
	ck_assert_ptr_eq(join("192.0.2.2", 2), c[2]);
	leave(c[2]);
	ck_assert_ptr_null(join("192.0.2.99", 1));
	leave(c[2]);
	ck_assert_ptr_nonnull(join("192.0.2.99", 1));
	ck_assert_ptr_null(join("192.0.2.2", 1));
	ck_assert_uint_eq(cs.table.count, ALL);
}
END_TEST

/* Those whose addresses have the same hash are told apart. */
START_TEST(one_hash)
{
	struct crowd *a = join("192.0.2.1", 1), *b = join("192.0.2.2", 1);

	table_remove(&cs.table, &b->node);
	table_insert(&cs.table, &b->node, a->node.hash);
	ck_assert_ptr_eq(join("192.0.2.1", 1), a);
	leave(a);
	leave(a);
	ck_assert_uint_eq(cs.table.count, 1);
	a = join("192.0.2.1", 1);
	ck_assert_ptr_nonnull(a);
	ck_assert_ptr_ne(a, b);
	ck_assert_uint_eq(a->n, 1);
}
END_TEST

START_TEST(no_memory)
{
	struct crowds none;
	bool ok;

	allocations = 0;
	ok = crowds_init(&none, MAX, ALL, &rnd);
	allocations = UINT_MAX;
	ck_assert(!ok);
}
END_TEST

Suite *
crowd_suite(void)
{
	Suite *suite = suite_create("crowd");
	TCase *tc = tcase_create("crowd");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, one_address, 0, 2);
	tcase_add_test(tc, all);
	tcase_add_test(tc, one_hash);
	tcase_add_test(tc, no_memory);
	suite_add_tcase(suite, tc);
	return suite;
}
