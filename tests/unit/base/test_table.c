#include "base/table.h"

#include <stdlib.h>
#include <time.h>

#include "base/list.h"
#include "base/rand.h"
#include "suites.h"
#include "unit.h"

enum { MANY = 20000 };

struct item {
	unsigned id;
	bool in;
	struct table_node node;
};

static struct item items[MANY];

static struct item *
item_of(struct table_node *n)
{
	return CONTAINER_OF(n, struct item, node);
}

/* Different items, and now and then equal hashes. */
static uint64_t
hash_of(unsigned id)
{
	return (id / 2 + 1) * 0x9e3779b97f4a7c15u;
}

static bool
present(const struct table *t, unsigned id)
{
	struct table_node *n = table_find(t, hash_of(id));

	while (n != NULL && item_of(n)->id != id)
		n = table_find_next(n);
	return n != NULL;
}

static void
insert(struct table *t, unsigned id)
{
	items[id].id = id;
	items[id].in = true;
	table_insert(t, &items[id].node, hash_of(id));
}

static void
take_out(struct table *t, unsigned id)
{
	items[id].in = false;
	table_remove(t, &items[id].node);
}

START_TEST(empty)
{
	struct table t;

	ck_assert(table_init(&t, 0));
	ck_assert_ptr_null(table_find(&t, 1));
	ck_assert_uint_eq(t.count, 0);
	table_fini(&t);
	table_fini(&t);
}
END_TEST

START_TEST(hint)
{
	struct table t;
	size_t mask;

	ck_assert(table_init(&t, 1000));
	mask = t.mask;
	ck_assert_uint_ge(mask + 1, 1000);
	for (unsigned i = 0; i < 1000; i++)
		insert(&t, i);
	ck_assert_uint_eq(t.mask, mask);
	table_fini(&t);
	ck_assert(!table_init(&t, SIZE_MAX));
}
END_TEST

/* Every element can be found at every moment of every growth. */
START_TEST(found_while_growing)
{
	struct table t;

	ck_assert(table_init(&t, 0));
	for (unsigned i = 0; i < 1500; i++) {
		unsigned found = 0;

		insert(&t, i);
		for (unsigned j = 0; j <= i; j++)
			found += present(&t, j);
		ck_assert_uint_eq(found, i + 1);
		ck_assert(!present(&t, i + 1));
	}
	ck_assert_uint_eq(t.count, 1500);
	ck_assert_uint_ge(t.mask + 1, 1024);
	table_fini(&t);
}
END_TEST

/* Random insertions and removals against a plain array. */
START_TEST(model)
{
	struct table t;
	struct rand r;
	size_t count = 0;
	unsigned wrong = 0;

	rand_init_fixed(&r, 11);
	ck_assert(table_init(&t, 0));
	for (unsigned i = 0; i < MANY; i++)
		items[i].in = false;
	for (unsigned step = 0; step < 400000; step++) {
		/* Mostly grows at first, mostly shrinks later. */
		unsigned id = (unsigned)rand_below(&r, MANY);
		bool add = rand_below(&r, 8) < (step < 200000 ? 6 : 2);

		wrong += present(&t, id) != items[id].in;
		if (add && !items[id].in) {
			insert(&t, id);
			count++;
		} else if (!add && items[id].in) {
			take_out(&t, id);
			count--;
		}
		wrong += t.count != count;
	}
	for (unsigned i = 0; i < MANY; i++)
		wrong += present(&t, i) != items[i].in;
	ck_assert_uint_eq(wrong, 0);
	table_fini(&t);
}
END_TEST

/* No insertion or removal moves more than a few buckets, and a growth has
 * ended before the next one begins. */
START_TEST(bounded_work)
{
	struct table t;
	size_t moved = 0, growths = 0;

	ck_assert(table_init(&t, 0));
	for (unsigned i = 0; i < MANY; i++) {
		bool growing = t.old != NULL;
		size_t mask = t.mask;

		insert(&t, i);
		if (t.mask != mask) {
			ck_assert(!growing);
			growths++;
			moved = 0;
		}
		if (t.old != NULL) {
			ck_assert_uint_le(t.moved - moved, 4);
			moved = t.moved;
		}
	}
	ck_assert_uint_ge(growths, 10);
	ck_assert_uint_le(t.mask + 1, 2 * MANY);
	table_fini(&t);
}
END_TEST

static uint64_t
cpu_ns(void)
{
	struct timespec ts;

	ck_assert_int_eq(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts), 0);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* The CPU time of the longest of the insertions that take a table from less
 * than a million elements to more than two. */
static uint64_t
longest_insertion(void)
{
	enum { LOTS = 2200000, MEASURED = 900000 };
	struct table_node *nodes = calloc(LOTS, sizeof(*nodes));
	uint64_t before = 0, now, worst = 0;
	struct rand r;
	struct table t;

	rand_init_fixed(&r, 5);
	ck_assert_ptr_nonnull(nodes);
	ck_assert(table_init(&t, 0));
	for (size_t i = 0; i < LOTS; i++) {
		table_insert(&t, &nodes[i], rand_u64(&r));
		if (i < MEASURED)
			continue;
		now = cpu_ns();
		if (i > MEASURED && now - before > worst)
			worst = now - before;
		before = now;
	}
	ck_assert_uint_gt(t.mask, 2000000);
	table_fini(&t);
	free(nodes);
	return worst;
}

/* Nor is there one insertion that takes long, however large the table, with
 * what the system needs to give a growth its memory and to take it back. */
START_TEST(no_stall)
{
	uint64_t worst = longest_insertion();

	/* Once may be the machine's fault. */
	for (unsigned i = 0; i < 2 && worst > 5000000; i++)
		worst = longest_insertion();
	ck_assert_uint_le(worst, 5000000);
}
END_TEST

/* Equal hashes: each is seen once, also when one is removed on the way and
 * the removal itself moves buckets. */
START_TEST(remove_while_walking)
{
	for (unsigned size = 8; size < 200; size++) {
		struct table t;
		struct table_node *n, *next;
		unsigned seen = 0;

		ck_assert(table_init(&t, 0));
		for (unsigned i = 0; i < size; i++) {
			items[i].id = i;
			table_insert(&t, &items[i].node, i % 10 == 0 ? 5 : i);
		}
		for (n = table_find(&t, 5); n != NULL; n = next) {
			next = table_find_next(n);
			seen++;
			table_remove(&t, n);
		}
		ck_assert_uint_eq(seen, (size + 9) / 10 + 1);
		ck_assert_uint_eq(t.count, size - seen);
		table_fini(&t);
	}
}
END_TEST

struct visit {
	struct table *t;
	unsigned seen;
};

static void
visit(struct table_node *n, void *arg)
{
	struct visit *v = arg;
	struct item *it = item_of(n);

	v->seen += it->in;
	if (it->id % 3 != 0)
		take_out(v->t, it->id);
}

/* Every size, so that every state of a growth is met. */
START_TEST(each)
{
	for (unsigned size = 0; size < 300; size++) {
		struct table t;
		struct visit v = { &t, 0 };
		unsigned wrong = 0;

		ck_assert(table_init(&t, 0));
		for (unsigned i = 0; i < size; i++)
			insert(&t, i);
		table_each(&t, visit, &v);
		ck_assert_uint_eq(v.seen, size);
		for (unsigned i = 0; i < size; i++)
			wrong += present(&t, i) != (i % 3 == 0);
		ck_assert_uint_eq(wrong, 0);
		table_fini(&t);
	}
}
END_TEST

static void
free_it(struct table_node *n, void *arg)
{
	table_remove(arg, n);
	free(item_of(n));
}

START_TEST(each_may_free)
{
	struct table t;
	struct item *it;

	ck_assert(table_init(&t, 0));
	for (unsigned i = 0; i < 100; i++) {
		it = malloc(sizeof(*it));
		ck_assert_ptr_nonnull(it);
		table_insert(&t, &it->node, hash_of(i));
	}
	table_each(&t, free_it, &t);
	ck_assert_uint_eq(t.count, 0);
	table_fini(&t);
}
END_TEST

/* ---- hash flooding ---- */

enum { CRAFTED = 1024, PLAIN = 100000, LONGEST = 32 };

static uint64_t
fnv(struct span s)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (size_t i = 0; i < s.n; i++)
		h = (h ^ s.p[i]) * 0x100000001b3u;
	return h;
}

static uint64_t
djb(struct span s)
{
	uint64_t h = 5381;

	for (size_t i = 0; i < s.n; i++)
		h = h * 33 + s.p[i];
	return h;
}

static uint64_t
keyless(struct span s)
{
	static const struct siphash_key zero;

	return siphash(&zero, s);
}

/* Fills V with keys that share a bucket of CRAFTED under HASH. */
static void
craft(uint64_t (*hash)(struct span), uint64_t v[CRAFTED])
{
	uint64_t key = 0;

	for (size_t n = 0; n < CRAFTED; key++)
		if (hash(span_make(&key, sizeof(key))) % CRAFTED == 0)
			v[n++] = key;
}

/* Puts the N keys in V into a table, under KEY, or under HASH instead. */
static size_t
longest(const uint64_t *v, size_t n, uint64_t (*hash)(struct span),
    const struct siphash_key *key)
{
	struct table_node *nodes = calloc(n, sizeof(*nodes));
	struct table t;
	size_t found;

	ck_assert_ptr_nonnull(nodes);
	ck_assert(table_init(&t, n));
	for (size_t i = 0; i < n; i++) {
		struct span s = span_make(&v[i], sizeof(v[i]));

		table_insert(&t, &nodes[i],
		    hash != NULL ? hash(s) : siphash(key, s));
	}
	found = unit_longest_chain(&t);
	table_fini(&t);
	free(nodes);
	return found;
}

/* Hash flooding (ATK-35): keys that share one bucket where the hash is known
 * are spread where it has a secret. */
START_TEST(flooding)
{
	static uint64_t (*const hashes[])(struct span) = { fnv, djb,
		keyless };
	static uint64_t v[PLAIN];
	struct siphash_key key;
	struct rand rnd;

	rand_init(&rnd);
	key = rand_key(&rnd);
	for (size_t i = 0; i < UNIT_COUNT(hashes); i++) {
		craft(hashes[i], v);
		ck_assert_uint_eq(longest(v, CRAFTED, hashes[i], NULL),
		    CRAFTED);
		ck_assert_uint_le(longest(v, CRAFTED, NULL, &key), LONGEST);
	}
	for (size_t i = 0; i < PLAIN; i++)
		v[i] = i;
	ck_assert_uint_le(longest(v, PLAIN, NULL, &key), LONGEST);
}
END_TEST

Suite *
table_suite(void)
{
	Suite *s = suite_create("table");
	TCase *tc = tcase_create("table");

	tcase_add_test(tc, empty);
	tcase_add_test(tc, hint);
	tcase_add_test(tc, found_while_growing);
	tcase_add_test(tc, model);
	tcase_add_test(tc, bounded_work);
	tcase_add_test(tc, no_stall);
	tcase_add_test(tc, remove_while_walking);
	tcase_add_test(tc, each);
	tcase_add_test(tc, each_may_free);
	tcase_add_test(tc, flooding);
	suite_add_tcase(s, tc);
	return s;
}
