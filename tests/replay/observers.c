/*
 * observers: pooled observations at full size (RFC 7641 5): thousands of
 * observers, changes, and a bad network. One result a line (TAP).
 *
 * OBSERVERS, RESOURCES, CHANGES, LOSS (percent) and SEED in the environment
 * make a run of another size or seed alone; with RESTLESS=N they make N runs of
 * the second kind. VERBOSE says more of what is wrong, TRACE everything. The
 * same seed is the same run.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/parse.h"
#include "throng.h"

enum { RUNS = 8 };	/* with an origin that has moods */

struct size {
	unsigned watchers, resources, changes, loss;
};

static unsigned run, failed;

/* Enough room for a bad network. */
static const char routes[] =
    "[observe]\n[message]\nprobing-rate = 100\nqueue-per-origin = 4096\n"
    "[origin]\nnstart = 1000\n"
    "[route all]\nto = coap://198.51.100.1\n";
static const char cached_routes[] =
    "[cache]\n"
    "[observe]\n[message]\nprobing-rate = 100\nqueue-per-origin = 4096\n"
    "[origin]\nnstart = 1000\n"
    "[route all]\nto = coap://198.51.100.1\n";

static void
report(const char *name, const struct throng_conf *c,
    const struct throng_result *r)
{
	unsigned faults = 0;
	bool ok;

	for (unsigned i = 0; i < NFAULTS; i++)
		faults += r->faults[i];
	/* A run in which nothing happens proves nothing. */
	ok = faults == 0 && r->living > c->watchers / 2 && r->con > 0 &&
	    r->non > 0 && r->repeated > 0 && r->lost > 0;
	run++;
	failed += !ok;
	printf("%s %u - %s\n# seed %llu, observers %u, dead %u, current %u of "
	    "%u; datagrams %llu, lost %llu, CON %llu, NON %llu, repeated "
	    "%llu, at most %u in a turn; accepted %u, cut off by the network "
	    "%u, asked again %u (the patient %u), ended %u; at the origin %u; "
	    "%llu ms to the last state\n",
	    ok ? "ok" : "not ok", run, name, (unsigned long long)c->seed,
	    c->watchers, r->dead, r->current, r->living,
	    (unsigned long long)r->datagrams, (unsigned long long)r->lost,
	    (unsigned long long)r->con, (unsigned long long)r->non,
	    (unsigned long long)r->repeated, r->burst, r->joined, r->dropped,
	    r->renewed, r->doubted, r->ended, r->upstream,
	    (unsigned long long)r->slowest);
	for (unsigned i = 0; i < NFAULTS; i++)
		if (r->faults[i] > 0)
			printf("# %u times: %s\n", r->faults[i],
			    throng_fault(i));
	if (r->why[0] != '\0')
		printf("# first: %s\n", r->why);
	fflush(stdout);
}

static void
test(const char *name, const struct throng_conf *c)
{
	struct throng_result r;

	throng_run(c, &r);
	report(name, c, &r);
}

/* OBS-04, OBS-09, OBS-15, OBS-17, OBS-18, OBS-21, OBS-22, OBS-23, OBS-26,
 * OBS-27, OBS-28, OBS-29, OBS-40, OBS-45, OBS-54, OBS-56: many observers; a
 * tenth of them die. */
static void
test_many(const struct size *size, uint64_t seed)
{
	const struct throng_conf c = {
		.conf = seed % 2 == 0 ? routes : cached_routes,
		.watchers = size->watchers,
		.resources = size->resources,
		.changes = size->changes,
		.gap = 1000,
		.max_age = 60,
		.loss = size->loss,
		.copies = 5,
		.seed = seed,
	};

	test("OBS-04 OBS-21 OBS-26 many observers: each has the last state",
	    &c);
}

/* OBS-37, OBS-39, OBS-44, OBS-50, OBS-51, OBS-52, OBS-57, OBS-61, OBS-64: the
 * origin restarts, falls silent, changes its mind; others write; some of its
 * resources are large. */
static void
test_restless(const struct size *size, uint64_t seed)
{
	const struct throng_conf c = {
		.conf = cached_routes,
		.watchers = size->watchers,
		.resources = size->resources,
		.changes = size->changes,
		.gap = 4000,
		.max_age = 30,
		.loss = size->loss,
		.copies = 5,
		.restless = true,
		.seed = seed,
	};

	test("OBS-52 an origin with moods: nobody believes what is not so",
	    &c);
}

static bool
from_env(const char *name, unsigned *v)
{
	const char *text = getenv(name);
	uint64_t n;

	if (text == NULL)
		return false;
	if (!parse_u64(span_str(text), &n) || n == 0 || n > 1 << 24) {
		fprintf(stderr, "observers: %s is not a number\n", name);
		exit(2);
	}
	*v = (unsigned)n;
	return true;
}

/* What the environment says; false if it says nothing. */
static bool
resize(struct size *size, unsigned *seed)
{
	bool given = from_env("OBSERVERS", &size->watchers);

	given |= from_env("RESOURCES", &size->resources);
	given |= from_env("CHANGES", &size->changes);
	given |= from_env("LOSS", &size->loss);
	given |= from_env("SEED", seed);
	return given;
}

int
main(void)
{
	struct size many = { 10000, 16, 1000, 20 };
	struct size one = { 10000, 1, 1000, 20 };
	struct size restless = { 500, 64, 1000, 20 };
	unsigned seed = 1, runs = RUNS;

	log_open(STDERR_FILENO, LOG_ERROR);
	if (from_env("RESTLESS", &runs)) {
		resize(&restless, &seed);
		for (unsigned i = 0; i < runs; i++)
			test_restless(&restless, seed + i);
	} else if (resize(&many, &seed)) {
		test_many(&many, seed);
	} else {
		test_many(&many, 1);
		test_many(&one, 2);
		for (unsigned i = 0; i < runs; i++)
			test_restless(&restless, 1 + i);
	}
	printf("1..%u\n", run);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
