#include "net/resolve.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <strings.h>
#include <unistd.h>

#include <event2/dns.h>
#include <event2/dns_struct.h>

#include "fixture.h"
#include "suites.h"
#include "unit.h"

enum {
	TIMEOUT_MS = 600,
	MIN_TTL_MS = 2000,
	MAX_TTL_MS = 10000,
	ANSWERS_MAX = 20,
	SILENT = -1,
	MAPPED = -2,		/* one, that is an IPv4 address */
};

/* A name as the server of the tests has it. SIX and FOUR: how many addresses,
 * SILENT or MAPPED. */
struct record {
	const char *name;
	int six, four;
	int rcode;
	int ttl;
};

static const struct record records[] = {
	{ "both.test", 1, 1, 0, 5 },
	{ "four.test", 0, 1, 0, 5 },
	{ "six.test", 1, 0, 0, 5 },
	{ "empty.test", 0, 0, 0, 5 },
	{ "gone.test", 0, 0, DNS_ERR_NOTEXIST, 5 },
	{ "silent.test", SILENT, SILENT, 0, 5 },
	{ "nosix.test", SILENT, 2, 0, 5 },
	{ "nofour.test", 2, SILENT, 0, 5 },
	{ "halfgone.test", SILENT, 0, 0, 5 },
	{ "broken.test", 0, 0, DNS_ERR_SERVERFAILED, 5 },
	{ "refused.test", 0, 0, DNS_ERR_REFUSED, 5 },
	{ "malformed.test", 0, 0, DNS_ERR_FORMAT, 5 },
	{ "mapped.test", MAPPED, 1, 0, 5 },
	{ "onlymapped.test", MAPPED, 0, 0, 5 },
	{ "many.test", 10, 10, 0, 5 },
	{ "manysix.test", 10, 2, 0, 5 },
	{ "twice.test", 4, 4, 0, 5 },
	{ "ttl0.test", 1, 1, 0, 0 },
	{ "ttl3.test", 1, 1, 0, 3 },
	{ "ttlmax.test", 1, 1, 0, 86400 },
	{ "ttlneg.test", 1, 1, 0, -1 },
};

struct server {
	struct evdns_server_port *port;
	uint16_t number;
	unsigned questions;
	bool knows_all;		/* has every name as both.test */
};

static struct fixture fx;
static struct server server, other;
static struct addr servers[2];
static struct resolver *res;

static const struct record *
find_record(const char *name)
{
	static const struct record silent = { "", SILENT, SILENT, 0, 0 };

	for (size_t i = 0; i < UNIT_COUNT(records); i++)
		if (strcasecmp(records[i].name, name) == 0)
			return &records[i];
	return &silent;
}

static void
add_answers(struct evdns_server_request *req, const char *name, int type,
    int n, int ttl)
{
	uint8_t a[ANSWERS_MAX * 16] = { 0 };
	size_t size = type == EVDNS_TYPE_AAAA ? 16 : 4;
	int each = strcasecmp(name, "twice.test") == 0 ? 2 : 1;

	if (n == MAPPED) {
		memcpy(a, (const uint8_t[16]){ [10] = 0xff, [11] = 0xff,
		    [12] = 10, [15] = 1 }, 16);
		(void)evdns_server_request_add_aaaa_reply(req, name, 1, a,
		    ttl);
		return;
	}
	for (int i = 0; i < n; i++) {
		a[(size_t)i * size] = type == EVDNS_TYPE_AAAA ? 0xfd : 10;
		a[(size_t)i * size + size - 1] =
		    (uint8_t)(i / each + 1);
	}
	if (n == 0)
		return;
	if (type == EVDNS_TYPE_AAAA)
		(void)evdns_server_request_add_aaaa_reply(req, name, n, a,
		    ttl);
	else
		(void)evdns_server_request_add_a_reply(req, name, n, a, ttl);
}

static void
question_cb(struct evdns_server_request *req, void *arg)
{
	struct server *s = arg;
	const struct evdns_server_question *q = req->questions[0];
	const struct record *r = find_record(s->knows_all ? "both.test" :
							     q->name);
	int n = q->type == EVDNS_TYPE_AAAA ? r->six : r->four;

	s->questions++;
	if (n == SILENT) {
		(void)evdns_server_request_drop(req);
		return;
	}
	add_answers(req, q->name, q->type, n, r->ttl);
	(void)evdns_server_request_respond(req, r->rcode);
}

static int
loopback_socket(uint16_t *port)
{
	struct sockaddr_in in = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(in);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bind(fd, (const struct sockaddr *)&in, len), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&in, &len), 0);
	*port = ntohs(in.sin_port);
	return fd;
}

static struct addr
loopback(uint16_t port)
{
	return (struct addr){ .ip = { 127, 0, 0, 1 }, .port = port,
		.family = 4 };
}

static struct dns_conf
configuration(size_t nservers)
{
	return (struct dns_conf){
		.servers = servers,
		.nservers = nservers,
		.timeout_ms = TIMEOUT_MS,
		.min_ttl_ms = MIN_TTL_MS,
		.max_ttl_ms = MAX_TTL_MS,
	};
}

static struct resolver *
new_resolver(size_t nservers)
{
	struct dns_conf conf = configuration(nservers);
	struct resolver *r = resolve_new(fx.loop, &conf);

	ck_assert_ptr_nonnull(r);
	return r;
}

static void
serve(struct server *s)
{
	int fd;

	*s = (struct server){ 0 };
	fd = loopback_socket(&s->number);
	s->port = evdns_add_server_port_with_base(loop_base(fx.loop), fd,
	    0, question_cb, s);
	ck_assert_ptr_nonnull(s->port);
}

static void
setup(void)
{
	fixture_init(&fx);
	serve(&server);
	serve(&other);
	other.knows_all = true;
	servers[0] = loopback(server.number);
	res = new_resolver(1);
}

static void
teardown(void)
{
	resolve_free(res);
	evdns_close_server_port(server.port);
	evdns_close_server_port(other.port);
	fixture_fini(&fx);
}

/* One look-up: what came of it. */
struct lookup {
	struct resolve *q;
	unsigned calls;
	enum resolve_result result;
	struct addr a[RESOLVE_MAX_ADDRS];
	size_t n;
	uint64_t started, now;
	bool free_resolver;
	const char *ask_again;
};

static void start(struct lookup *l, const char *name);

static void
resolved(void *user, enum resolve_result result, const struct addr *addrs,
    size_t n, uint64_t now)
{
	struct lookup *l = user;
	const char *again = l->ask_again;

	/* The contract: never before start() has returned. */
	ck_assert_ptr_nonnull(l->q);
	ck_assert_uint_le(n, RESOLVE_MAX_ADDRS);
	ck_assert(result == RESOLVE_OK ? n > 0 : n == 0);
	l->calls++;
	l->result = result;
	l->n = n;
	l->now = now;
	memcpy(l->a, addrs, n * sizeof(addrs[0]));
	if (l->free_resolver) {
		resolve_free(res);
		res = NULL;
	}
	l->ask_again = NULL;
	if (again != NULL)
		start(l, again);
}

static void
start(struct lookup *l, const char *name)
{
	l->q = NULL;
	l->started = loop_now(fx.loop);
	l->q = res->ops->start(res, span_str(name), resolved, l);
	ck_assert_ptr_nonnull(l->q);
}

static bool
is_called(void *arg)
{
	const struct lookup *l = arg;

	return l->calls > 0;
}

static enum resolve_result
look_up(struct lookup *l, const char *name)
{
	*l = (struct lookup){ 0 };
	start(l, name);
	ck_assert_uint_eq(l->calls, 0);
	ck_assert(fixture_run(&fx, is_called, l, PATIENCE_MS));
	return l->result;
}

static int
cached(const char *name, uint64_t now)
{
	struct addr a[RESOLVE_MAX_ADDRS];

	return res->ops->cached(res, span_str(name), a, now);
}

START_TEST(addresses_of_both_families)
{
	static const struct {
		const char *name;
		size_t six, four;
	} t[] = {
		{ "both.test", 1, 1 },
		{ "BOTH.Test.", 1, 1 },
		{ "four.test", 0, 1 },
		{ "six.test", 1, 0 },
		{ "many.test", 4, 4 },
		{ "manysix.test", 6, 2 },
		{ "twice.test", 2, 2 },
	};
	struct lookup l;

	ck_assert_int_eq(look_up(&l, t[_i].name), RESOLVE_OK);
	ck_assert_uint_eq(l.n, t[_i].six + t[_i].four);
	for (size_t i = 0; i < l.n; i++) {
		ck_assert_uint_eq(l.a[i].family, i < t[_i].six ? 6 : 4);
		ck_assert_uint_eq(l.a[i].ip[0], i < t[_i].six ? 0xfd : 10);
		ck_assert_uint_eq(l.a[i].port, 0);
	}
	ck_assert_uint_eq(resolve_stats(res)->queries, 1);
}
END_TEST

/* IPv4 addresses among those that come first, and some twice. */
START_TEST(mapped_addresses_are_none)
{
	struct lookup l;

	ck_assert_int_eq(look_up(&l, "mapped.test"), RESOLVE_OK);
	ck_assert_uint_eq(l.n, 1);
	ck_assert_uint_eq(l.a[0].family, 4);
	ck_assert_int_eq(look_up(&l, "onlymapped.test"), RESOLVE_NOT_FOUND);
}
END_TEST

START_TEST(no_address)
{
	static const struct {
		const char *name;
		enum resolve_result want;
		int cached;
	} t[] = {
		{ "gone.test", RESOLVE_NOT_FOUND, -1 },
		{ "empty.test", RESOLVE_NOT_FOUND, -1 },
		{ "silent.test", RESOLVE_TIMEOUT, 0 },
		{ "halfgone.test", RESOLVE_TIMEOUT, 0 },
		{ "broken.test", RESOLVE_TIMEOUT, 0 },
		{ "refused.test", RESOLVE_TIMEOUT, 0 },
		{ "malformed.test", RESOLVE_TIMEOUT, 0 },
	};
	struct lookup l;

	ck_assert_int_eq(look_up(&l, t[_i].name), t[_i].want);
	ck_assert_uint_lt(l.now - l.started, TIMEOUT_MS + 300);
	ck_assert_int_eq(cached(t[_i].name, l.now), t[_i].cached);
	ck_assert_int_eq(cached(t[_i].name, l.now + MIN_TTL_MS), 0);
	ck_assert_uint_eq(resolve_stats(res)->failures,
	    t[_i].want == RESOLVE_NOT_FOUND);
	ck_assert_uint_eq(resolve_stats(res)->timeouts,
	    t[_i].want == RESOLVE_TIMEOUT);
}
END_TEST

START_TEST(silence_lasts_as_long_as_allowed)
{
	struct lookup l;

	ck_assert_int_eq(look_up(&l, "silent.test"), RESOLVE_TIMEOUT);
	ck_assert_uint_ge(l.now - l.started, TIMEOUT_MS - 20);
	/* A lost datagram must not be the end. */
	ck_assert_uint_ge(server.questions, 4);
}
END_TEST

/* One family answers, the other does not: no waiting for the full time, and
 * the half answer is not kept for long. */
START_TEST(half_an_answer)
{
	static const char *const names[] = { "nosix.test", "nofour.test" };
	struct lookup l;

	ck_assert_int_eq(look_up(&l, names[_i]), RESOLVE_OK);
	ck_assert_uint_eq(l.n, 2);
	ck_assert_uint_lt(l.now - l.started, TIMEOUT_MS);
	ck_assert_int_eq(cached(names[_i], l.now + MIN_TTL_MS - 50), 2);
	ck_assert_int_eq(cached(names[_i], l.now + MIN_TTL_MS), 0);
}
END_TEST

START_TEST(ttl_is_kept_within_bounds)
{
	static const struct {
		const char *name;
		uint64_t ms;
	} t[] = {
		{ "ttl0.test", MIN_TTL_MS },
		{ "ttl3.test", 3000 },
		{ "ttlmax.test", MAX_TTL_MS },
		{ "ttlneg.test", MIN_TTL_MS },
	};
	struct lookup l;

	ck_assert_int_eq(look_up(&l, t[_i].name), RESOLVE_OK);
	/* It may have been kept a turn before it was told. */
	ck_assert_int_eq(cached(t[_i].name, l.now + t[_i].ms - 50), 2);
	ck_assert_int_eq(cached(t[_i].name, l.now + t[_i].ms), 0);
}
END_TEST

START_TEST(fresh_answer_is_not_asked_again)
{
	struct lookup l;
	unsigned asked;

	ck_assert_int_eq(look_up(&l, "both.test"), RESOLVE_OK);
	asked = server.questions;
	ck_assert_uint_eq(asked, 2);
	ck_assert_int_eq(look_up(&l, "both.test"), RESOLVE_OK);
	ck_assert_uint_eq(l.n, 2);
	ck_assert_int_eq(look_up(&l, "gone.test"), RESOLVE_NOT_FOUND);
	ck_assert_int_eq(look_up(&l, "gone.test"), RESOLVE_NOT_FOUND);
	ck_assert_uint_eq(server.questions, asked + 2);
	ck_assert_uint_eq(resolve_stats(res)->queries, 2);
	ck_assert_uint_eq(resolve_stats(res)->hits, 2);
}
END_TEST

START_TEST(equal_lookups_are_asked_once)
{
	struct lookup l[4] = { 0 };

	start(&l[0], "both.test");
	start(&l[1], "BOTH.test");
	start(&l[2], "both.test.");
	start(&l[3], "both.test");
	res->ops->cancel(l[1].q);
	ck_assert(fixture_run(&fx, is_called, &l[3], PATIENCE_MS));
	ck_assert_uint_eq(server.questions, 2);
	for (size_t i = 0; i < UNIT_COUNT(l); i++)
		ck_assert_uint_eq(l[i].calls, i != 1);
	ck_assert_uint_eq(resolve_stats(res)->queries, 1);
}
END_TEST

START_TEST(cancelled_is_never_called)
{
	static const char *const names[] = { "both.test", "silent.test",
		"localhost", "\xc3\xbc" };
	struct lookup l[4] = { 0 }, last;

	for (size_t i = 0; i < UNIT_COUNT(l); i++) {
		start(&l[i], names[i]);
		res->ops->cancel(l[i].q);
	}
	ck_assert_int_eq(look_up(&last, "silent.test"), RESOLVE_TIMEOUT);
	for (size_t i = 0; i < UNIT_COUNT(l); i++)
		ck_assert_uint_eq(l[i].calls, 0);
	/* The answer was kept all the same. */
	ck_assert_int_eq(cached("both.test", last.now), 2);
}
END_TEST

/* PRX-26: names that DNS does not have are not asked for. */
START_TEST(strange_names_do_not_exist)
{
	static const char *const names[] = {
		"b\xc3\xbc.example", "", ".", "a..b", "a b", "a\nb",
		"*.test",
	};
	struct lookup l;

	ck_assert_int_eq(cached(names[_i], 1), -1);
	ck_assert_int_eq(look_up(&l, names[_i]), RESOLVE_NOT_FOUND);
	ck_assert_uint_eq(server.questions, 0);
}
END_TEST

START_TEST(localhost_is_this_host)
{
	static const char *const names[] = { "localhost", "LOCALHOST.",
		"a.localhost" };
	struct lookup l;
	bool six = false, four = false;

	ck_assert_int_eq(look_up(&l, names[_i]), RESOLVE_OK);
	for (size_t i = 0; i < l.n; i++) {
		ck_assert(addr_is_loopback(&l.a[i]));
		six = six || l.a[i].family == 6;
		four = four || l.a[i].family == 4;
	}
	ck_assert(six && four);
	ck_assert_int_gt(cached(names[_i], 1), 0);
	ck_assert_uint_eq(server.questions, 0);
}
END_TEST

/* ATK-35: all are silent; those too many are refused at once, equal ones are
 * not. */
START_TEST(lookups_under_way_are_bounded)
{
	static struct lookup l[RESOLVE_MAX_PENDING + 1];
	char name[32];

	memset(l, 0, sizeof(l));
	for (unsigned i = 0; i < RESOLVE_MAX_PENDING; i++) {
		(void)snprintf(name, sizeof(name), "n%u.test", i);
		start(&l[i], name);
	}
	ck_assert_ptr_null(res->ops->start(res, SPAN_LIT("one.more.test"),
	    resolved, &l[0]));
	ck_assert_uint_eq(resolve_stats(res)->refused, 1);
	start(&l[RESOLVE_MAX_PENDING], "n0.test");
	for (unsigned i = 0; i <= RESOLVE_MAX_PENDING; i++) {
		ck_assert(fixture_run(&fx, is_called, &l[i], PATIENCE_MS));
		ck_assert_uint_eq(l[i].calls, 1);
		ck_assert_int_eq(l[i].result, RESOLVE_TIMEOUT);
	}
	/* And there is room again, with a server that answers. */
	ck_assert_int_eq(look_up(&l[0], "both.test"), RESOLVE_OK);
}
END_TEST

START_TEST(freed_while_asking)
{
	static struct lookup l[RESOLVE_MAX_PENDING];
	char name[32];

	memset(l, 0, sizeof(l));
	for (unsigned i = 0; i < RESOLVE_MAX_PENDING; i++) {
		(void)snprintf(name, sizeof(name), "n%u.test", i);
		start(&l[i], name);
	}
	if (_i > 0)
		(void)fixture_run(&fx, NULL, NULL, (uint64_t)_i);
	resolve_free(res);
	if (_i > 1)
		(void)fixture_run(&fx, NULL, NULL, 20);
	for (unsigned i = 0; i < RESOLVE_MAX_PENDING; i++)
		ck_assert_uint_eq(l[i].calls, 0);
	res = NULL;
}
END_TEST

START_TEST(freed_in_a_callback)
{
	struct lookup l[3] = { 0 };

	l[0].free_resolver = true;
	start(&l[0], "both.test");
	start(&l[1], "both.test");
	start(&l[2], "silent.test");
	ck_assert(fixture_run(&fx, is_called, &l[0], PATIENCE_MS));
	(void)fixture_run(&fx, NULL, NULL, 20);
	ck_assert_uint_eq(l[1].calls, 0);
	ck_assert_uint_eq(l[2].calls, 0);
}
END_TEST

/* What is known at once is told in a later turn, which does not come. */
START_TEST(freed_before_it_is_told)
{
	struct lookup l[2] = { 0 };

	start(&l[0], "localhost");
	start(&l[1], "both.test");
	resolve_free(res);
	res = NULL;
	(void)fixture_run(&fx, NULL, NULL, 20);
	ck_assert_uint_eq(l[0].calls, 0);
	ck_assert_uint_eq(l[1].calls, 0);
}
END_TEST

static bool
is_one_called(void *arg)
{
	const struct lookup *l = arg;

	return l[0].calls + l[1].calls > 0;
}

/* Two that are told in the same turn, while evdns still waits for the other
 * half of each: the first one frees the resolver. */
START_TEST(freed_while_another_is_to_be_told)
{
	struct lookup l[2] = { 0 };

	l[0].free_resolver = l[1].free_resolver = true;
	start(&l[0], "nosix.test");
	start(&l[1], "nofour.test");
	ck_assert(fixture_run(&fx, is_one_called, l, PATIENCE_MS));
	(void)fixture_run(&fx, NULL, NULL, 20);
	ck_assert_uint_eq(l[0].calls + l[1].calls, 1);
}
END_TEST

static bool
is_called_twice(void *arg)
{
	const struct lookup *l = arg;

	return l->calls > 1;
}

START_TEST(asked_again_in_a_callback)
{
	static const char *const again[] = { "both.test", "gone.test",
		"localhost" };
	struct lookup l = { .ask_again = again[_i] };

	start(&l, "both.test");
	ck_assert(fixture_run(&fx, is_called_twice, &l, PATIENCE_MS));
	ck_assert_uint_eq(l.calls, 2);
}
END_TEST

/* A name server that is silent costs one attempt, not the look-up. */
START_TEST(dead_server_is_passed_over)
{
	struct lookup l;
	uint16_t port;
	int fd = loopback_socket(&port);

	resolve_free(res);
	servers[1] = servers[0];
	servers[0] = loopback(port);
	res = new_resolver(2);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(look_up(&l, i == 0 ? "both.test" :
		    "four.test"), RESOLVE_OK);
		ck_assert_uint_lt(l.now - l.started, TIMEOUT_MS);
	}
	ck_assert_int_eq(close(fd), 0);
}
END_TEST

/* The server was away; the first look-up after its return succeeds. */
START_TEST(recovered_server_is_used)
{
	struct lookup l;

	ck_assert_int_eq(look_up(&l, "silent.test"), RESOLVE_TIMEOUT);
	ck_assert_int_eq(look_up(&l, "broken.test"), RESOLVE_TIMEOUT);
	ck_assert_int_eq(look_up(&l, "both.test"), RESOLVE_OK);
}
END_TEST

/* ---- from one configuration to the next ---- */

/* S is asked from now on. */
static void
change_to(const struct server *s)
{
	struct dns_conf conf = configuration(1);

	servers[0] = loopback(s->number);
	ck_assert(resolve_prepare(res, &conf));
	resolve_reload(res, &conf);
}

START_TEST(other_servers_are_asked_anew)
{
	struct lookup l;
	unsigned asked;

	ck_assert_int_eq(look_up(&l, "four.test"), RESOLVE_OK);
	ck_assert_int_eq(look_up(&l, "gone.test"), RESOLVE_NOT_FOUND);
	asked = server.questions;
	change_to(&other);
	ck_assert_int_eq(cached("four.test", l.now), 0);
	ck_assert_int_eq(cached("gone.test", l.now), 0);
	ck_assert_int_eq(look_up(&l, "four.test"), RESOLVE_OK);
	ck_assert_uint_eq(l.n, 2);
	ck_assert_int_eq(look_up(&l, "gone.test"), RESOLVE_OK);
	ck_assert_uint_eq(server.questions, asked);
}
END_TEST

/* Who has asked waits for those that it has asked; who asks now does not. */
START_TEST(under_way_ends_as_it_began)
{
	struct lookup first = { 0 }, second = { 0 };

	start(&first, "silent.test");
	fixture_turn(&fx);
	change_to(&other);
	ck_assert_int_eq(look_up(&second, "silent.test"), RESOLVE_OK);
	ck_assert_uint_lt(second.now - second.started, TIMEOUT_MS / 2);
	ck_assert_uint_eq(first.calls, 0);
	ck_assert(fixture_run(&fx, is_called, &first, PATIENCE_MS));
	ck_assert_int_eq(first.result, RESOLVE_TIMEOUT);
	ck_assert_uint_ge(first.now - first.started, TIMEOUT_MS - 20);
	ck_assert_int_eq(cached("silent.test", first.now), 2);
}
END_TEST

/* ... and what they say is not kept. */
START_TEST(what_old_servers_say_is_not_kept)
{
	struct lookup l = { 0 };

	start(&l, "four.test");
	change_to(&other);
	ck_assert(fixture_run(&fx, is_called, &l, PATIENCE_MS));
	ck_assert_int_eq(l.result, RESOLVE_OK);
	ck_assert_uint_eq(l.n, 1);
	ck_assert_int_eq(cached("four.test", l.now), 0);
}
END_TEST

/* Other times: what is known stays, and so do those who ask. */
START_TEST(other_times)
{
	struct dns_conf conf = configuration(1);
	struct lookup l, m = { 0 };

	ck_assert_int_eq(look_up(&l, "four.test"), RESOLVE_OK);
	start(&m, "nosix.test");
	conf.min_ttl_ms = conf.max_ttl_ms = 7000;
	conf.timeout_ms = TIMEOUT_MS / 2;
	ck_assert(resolve_prepare(res, &conf));
	resolve_reload(res, &conf);
	ck_assert_int_eq(cached("four.test", l.now), 1);
	start(&l, "nosix.test");
	ck_assert(fixture_run(&fx, is_called, &m, PATIENCE_MS));
	ck_assert_uint_eq(resolve_stats(res)->queries, 2);
	ck_assert_int_eq(look_up(&l, "ttl3.test"), RESOLVE_OK);
	ck_assert_int_eq(cached("ttl3.test", l.now + 6900), 2);
	ck_assert_int_eq(cached("ttl3.test", l.now + 7000), 0);
	ck_assert_int_eq(look_up(&l, "silent.test"), RESOLVE_TIMEOUT);
	ck_assert_uint_lt(l.now - l.started, TIMEOUT_MS);
}
END_TEST

START_TEST(taken_back)
{
	struct dns_conf conf = configuration(1);
	struct lookup l;

	servers[0] = loopback(other.number);
	ck_assert(resolve_prepare(res, &conf));
	resolve_abandon(res);
	ck_assert_int_eq(look_up(&l, "four.test"), RESOLVE_OK);
	ck_assert_uint_eq(l.n, 1);
	/* Those in use, prepared once more, are not closed. */
	servers[0] = loopback(server.number);
	ck_assert(resolve_prepare(res, &conf));
	resolve_abandon(res);
	ck_assert_int_eq(look_up(&l, "six.test"), RESOLVE_OK);
	ck_assert_uint_eq(other.questions, 0);
}
END_TEST

static unsigned
open_files(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static bool
as_many(void *arg)
{
	const unsigned *want = arg;

	return open_files() == *want;
}

/* To and fro, with questions under way: what was opened is closed when the last
 * of them is over, or the resolver. */
START_TEST(often)
{
	struct lookup l[20] = { { 0 } };
	unsigned before = open_files();
	char name[32];

	for (size_t i = 0; i < UNIT_COUNT(l); i++) {
		snprintf(name, sizeof(name), "unknown%zu.test", i);
		start(&l[i], name);
		fixture_turn(&fx);
		change_to(i % 2 == 0 ? &other : &server);
	}
	ck_assert_uint_gt(open_files(), before);
	if (_i == 1)
		return;
	for (size_t i = 0; i < UNIT_COUNT(l); i++) {
		ck_assert(fixture_run(&fx, is_called, &l[i], PATIENCE_MS));
		ck_assert_int_eq(l[i].result,
		    i % 2 == 0 ? RESOLVE_TIMEOUT : RESOLVE_OK);
	}
	ck_assert(fixture_run(&fx, as_many, &before, PATIENCE_MS));
}
END_TEST

static void
add_reload_tests(TCase *tc)
{
	tcase_add_test(tc, other_servers_are_asked_anew);
	tcase_add_test(tc, under_way_ends_as_it_began);
	tcase_add_test(tc, what_old_servers_say_is_not_kept);
	tcase_add_test(tc, other_times);
	tcase_add_test(tc, taken_back);
	tcase_add_loop_test(tc, often, 0, 2);
}

static void
add_answer_tests(TCase *tc)
{
	tcase_add_loop_test(tc, addresses_of_both_families, 0, 7);
	tcase_add_test(tc, mapped_addresses_are_none);
	tcase_add_loop_test(tc, no_address, 0, 7);
	tcase_add_test(tc, silence_lasts_as_long_as_allowed);
	tcase_add_loop_test(tc, half_an_answer, 0, 2);
	tcase_add_loop_test(tc, ttl_is_kept_within_bounds, 0, 4);
	tcase_add_test(tc, fresh_answer_is_not_asked_again);
	tcase_add_loop_test(tc, strange_names_do_not_exist, 0, 7);
	tcase_add_loop_test(tc, localhost_is_this_host, 0, 3);
	tcase_add_test(tc, dead_server_is_passed_over);
	tcase_add_test(tc, recovered_server_is_used);
}

static void
add_contract_tests(TCase *tc)
{
	tcase_add_test(tc, equal_lookups_are_asked_once);
	tcase_add_test(tc, cancelled_is_never_called);
	tcase_add_test(tc, lookups_under_way_are_bounded);
	tcase_add_loop_test(tc, freed_while_asking, 0, 3);
	tcase_add_test(tc, freed_in_a_callback);
	tcase_add_test(tc, freed_before_it_is_told);
	tcase_add_test(tc, freed_while_another_is_to_be_told);
	tcase_add_loop_test(tc, asked_again_in_a_callback, 0, 3);
}

Suite *
resolve_suite(void)
{
	Suite *s = suite_create("resolve");
	TCase *tc = tcase_create("resolve");

	tcase_add_checked_fixture(tc, setup, teardown);
	add_answer_tests(tc);
	add_contract_tests(tc);
	add_reload_tests(tc);
	suite_add_tcase(s, tc);
	return s;
}
