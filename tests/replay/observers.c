/*
 * observers: pooled observations at full size (RFC 7641 5): thousands of
 * observers, changes, and a bad network. One result a line (TAP).
 *
 * OBSERVERS, CHANGES, LOSS (percent) and SEED in the environment make another
 * run of the first kind, and of it alone; with RESTLESS of the second. VERBOSE
 * says more of what is wrong, TRACE everything. The same seed is the same run.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/parse.h"
#include "throng.h"

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
	ok = faults == 0 && r->current > c->watchers * 3 / 4 && r->con > 0 &&
	    r->non > 0 && r->repeated > 0 && r->lost > 0;
	run++;
	failed += !ok;
	printf("%s %u - %s\n# seed %llu, observers %u, dead %u, current %u of "
	    "%u; datagrams %llu, lost %llu, CON %llu, NON %llu, repeated "
	    "%llu, at most %u in a turn; accepted %u, cut off by the network "
	    "%u, asked again %u (the patient %u), ended %u; at the origin %u; %llu ms to the "
	    "last state\n",
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

/* OBS-04, OBS-21, OBS-23, OBS-26, OBS-27, OBS-28, OBS-29, OBS-40, OBS-54,
 * OBS-56: many observers of a few resources; a tenth of them die. */
static void
test_many(unsigned watchers, unsigned resources, unsigned changes, unsigned loss, uint64_t seed)
{
	const struct throng_conf c = {
		.conf = seed % 2 == 0 ? routes : cached_routes,
		.watchers = watchers,
		.resources = resources,
		.changes = changes,
		.gap = 1000,
		.max_age = 60,
		.loss = loss,
		.copies = 5,
		.seed = seed,
	};

	test("OBS-04 OBS-21 OBS-26 many observers: each has the last state",
	    &c);
}

/* OBS-37, OBS-39, OBS-44, OBS-51, OBS-52, OBS-57, OBS-61, OBS-64: the origin
 * restarts, falls silent, changes its mind; others write, large bodies. */
static void
test_restless(unsigned watchers, unsigned changes, unsigned loss,
    uint64_t seed)
{
	const struct throng_conf c = {
		.conf = cached_routes,
		.watchers = watchers,
		.resources = 64,
		.changes = changes,
		.gap = 4000,
		.max_age = 30,
		.loss = loss,
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
	if (!parse_u64(span_str(text), &n) || n > 1 << 24) {
		fprintf(stderr, "observers: %s is not a number\n", name);
		exit(2);
	}
	*v = (unsigned)n;
	return true;
}

int
main(void)
{
	unsigned watchers = 10000, resources = 16, changes = 1000, loss = 20, seed = 1;
	bool restless = getenv("RESTLESS") != NULL, given = restless;

	given = from_env("OBSERVERS", &watchers) || given;
	given = from_env("RESOURCES", &resources) || given;
	given = from_env("CHANGES", &changes) || given;
	given = from_env("LOSS", &loss) || given;
	given = from_env("SEED", &seed) || given;
	log_open(STDERR_FILENO, LOG_ERROR);
	if (restless)
		test_restless(watchers, changes, loss, seed);
	else
		test_many(watchers, resources, changes, loss, seed);
	if (!given)
		for (seed = 2; seed < 5; seed++)
			test_restless(500, 1000, loss, seed);
	printf("1..%u\n", run);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
