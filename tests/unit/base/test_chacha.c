#include "base/chacha.h"

#include "suites.h"
#include "unit.h"

/* RFC 8439 A.1, test vectors 1 to 4: key, block, key stream. */
static const struct {
	uint32_t key[CHACHA_KEY];
	unsigned block;
	uint32_t want[CHACHA_WORDS];
} vectors[] = {
	{ { 0 }, 0, {
		0xade0b876, 0x903df1a0, 0xe56a5d40, 0x28bd8653,
		0xb819d2bd, 0x1aed8da0, 0xccef36a8, 0xc70d778b,
		0x7c5941da, 0x8d485751, 0x3fe02477, 0x374ad8b8,
		0xf4b8436a, 0x1ca11815, 0x69b687c3, 0x8665eeb2 } },
	{ { 0 }, 1, {
		0xbee7079f, 0x7a385155, 0x7c97ba98, 0x0d082d73,
		0xa0290fcb, 0x6965e348, 0x3e53c612, 0xed7aee32,
		0x7621b729, 0x434ee69c, 0xb03371d5, 0xd539d874,
		0x281fed31, 0x45fb0a51, 0x1f0ae1ac, 0x6f4d794b } },
	{ { [7] = 0x01000000 }, 1, {
		0x2452eb3a, 0x9249f8ec, 0x8d829d9b, 0xddd4ceb1,
		0xe8252083, 0x60818b01, 0xf38422b8, 0x5aaa49c9,
		0xbb00ca8e, 0xda3ba7b4, 0xc4b592d1, 0xfdf2732f,
		0x4436274e, 0x2561b3c8, 0xebdd4aa6, 0xa0136c00 } },
	{ { 0xff00 }, 2, {
		0xfb4dd572, 0x4bc42ef1, 0xdf922636, 0x327f1394,
		0xa78dea8f, 0x5e269039, 0xa1bebbc1, 0xcaf09aae,
		0xa25ab213, 0x48a6b46c, 0x1b9d9bcb, 0x092c5be6,
		0x546ca624, 0x1bec45d5, 0x87f47473, 0x96f0992e } },
};

START_TEST(vector)
{
	uint32_t out[CHACHA_WORDS][CHACHA_LANES];

	chacha_blocks(vectors[_i].key, out);
	for (unsigned i = 0; i < CHACHA_WORDS; i++)
		ck_assert_uint_eq(out[i][vectors[_i].block],
		    vectors[_i].want[i]);
}
END_TEST

Suite *
chacha_suite(void)
{
	Suite *s = suite_create("chacha");
	TCase *tc = tcase_create("chacha");

	tcase_add_loop_test(tc, vector, 0, UNIT_COUNT(vectors));
	suite_add_tcase(s, tc);
	return s;
}
