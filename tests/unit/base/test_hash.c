#include "base/hash.h"

#include "suites.h"
#include "unit.h"

enum { KEYS = 20, ADDRS = 100000, BUCKETS = 131072 };

static struct rand rnd;
static struct hash_key key;

static void
setup(void)
{
	rand_init_fixed(&rnd, 1);
	hash_key_init(&key, &rnd);
}

/* Every octet counts, and the length; where they lie does not. */
START_TEST(octets)
{
	uint8_t data[128 + 1], moved[128 + 8];

	for (size_t n = 0; n <= 128; n++) {
		uint64_t h;

		memset(data, 0, sizeof(data));
		h = hash_span(&key, span_make(data, n));
		ck_assert(n == 128 ||
		    hash_span(&key, span_make(data, n + 1)) != h);
		for (size_t i = 0; i < n * 8; i++) {
			data[i / 8] ^= (uint8_t)(1u << i % 8);
			ck_assert(hash_span(&key, span_make(data, n)) != h);
			data[i / 8] ^= (uint8_t)(1u << i % 8);
		}
		for (size_t at = 0; at < 8; at++) {
			memset(moved, 0xff, sizeof(moved));
			memcpy(moved + at, data, n);
			ck_assert_uint_eq(h,
			    hash_span(&key, span_make(moved + at, n)));
		}
	}
}
END_TEST

/* By parts, as with one large multiplication. */
START_TEST(folding)
{
	static const uint64_t edge[] = { 0, 1, UINT32_MAX,
		UINT64_C(1) << 32, UINT64_MAX - 1, UINT64_MAX };

	for (size_t i = 0; i < UNIT_COUNT(edge); i++)
		for (size_t j = 0; j < UNIT_COUNT(edge); j++)
			ck_assert_uint_eq(hash_fold_parts(edge[i], edge[j]),
			    hash_fold(edge[i], edge[j]));
	for (size_t i = 0; i < 10000; i++) {
		uint64_t a = rand_u64(&rnd), b = rand_u64(&rnd);

		ck_assert_uint_eq(hash_fold_parts(a, b), hash_fold(a, b));
	}
	/* (2^64 - 1)^2 is 2^128 - 2^65 + 1. */
	ck_assert_uint_eq(hash_fold_parts(UINT64_MAX, UINT64_MAX),
	    UINT64_MAX);
	ck_assert_uint_eq(hash_fold_parts(UINT64_C(1) << 40,
	    UINT64_C(1) << 40), 1 << 16);
}
END_TEST

START_TEST(keyed)
{
	const struct addr a = { .ip = { 192, 0, 2, 1 }, .family = 4 };
	struct hash_key other = key;

	for (size_t i = 0; i < 4; i++) {
		other.k[i] ^= 2;
		ck_assert(hash_addr(&other, &a) != hash_addr(&key, &a));
		ck_assert(hash_span(&other, SPAN_LIT("a")) !=
		    hash_span(&key, SPAN_LIT("a")));
		other = key;
	}
}
END_TEST

/* What somebody who has a network to choose from can send from. */
static struct addr
address(unsigned kind, uint32_t i)
{
	struct addr a = { .port = 5683, .family = 4 };

	switch (kind) {
	case 0:		/* two hosts, all ports */
		a.ip[3] = (uint8_t)(i >> 16);
		a.port = (uint16_t)i;
		break;
	case 1:		/* a /15, one port */
		a.ip[0] = 10;
		a.ip[1] = (uint8_t)(i >> 16);
		a.ip[2] = (uint8_t)(i >> 8);
		a.ip[3] = (uint8_t)i;
		break;
	case 2:		/* few ports of many hosts */
		a.ip[2] = (uint8_t)(i >> 16);
		a.ip[3] = (uint8_t)(i >> 8);
		a.port = (uint16_t)(i << 8);
		break;
	case 3:		/* a /64, counted at the end */
		memcpy(a.ip + 12, &i, sizeof(i));
		a.ip[0] = 0x20;
		a.family = 6;
		break;
	default:	/* ... at its beginning, in steps */
		i *= 4096;
		memcpy(a.ip + 8, &i, sizeof(i));
		a.ip[0] = 0x20;
		a.family = 6;
		break;
	}
	return a;
}

/* ATK: 100,000 endpoints of one network fall into buckets as at random, under
 * any key: the fullest of as many has 8 or 9. */
START_TEST(spread)
{
	static uint8_t low[BUCKETS], high[BUCKETS];
	unsigned worst = 0;

	for (unsigned k = 0; k < KEYS; k++) {
		hash_key_init(&key, &rnd);
		memset(low, 0, sizeof(low));
		memset(high, 0, sizeof(high));
		for (uint32_t i = 0; i < ADDRS; i++) {
			struct addr a = address((unsigned)_i, i);
			uint64_t h = hash_addr(&key, &a);
			unsigned l = ++low[h % BUCKETS];
			unsigned u = ++high[h >> (64 - 17)];

			worst = l > worst ? l : worst;
			worst = u > worst ? u : worst;
		}
	}
	ck_assert_uint_le(worst, 12);
}
END_TEST

Suite *
hash_suite(void)
{
	Suite *s = suite_create("hash");
	TCase *tc = tcase_create("hash");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, octets);
	tcase_add_test(tc, folding);
	tcase_add_test(tc, keyed);
	tcase_add_loop_test(tc, spread, 0, 5);
	suite_add_tcase(s, tc);
	return s;
}
