/*
 * micro: the pure functions that every request runs through, one by one.
 *
 *	micro [-n TIMES]
 *
 * Prints "NAME NANOSECONDS" for each, the least of several runs. With -n each
 * work_NAME() is called so many times and nothing is printed: for callgrind,
 * see counting.py.
 */
#include <stdio.h>
#include <unistd.h>

#include "bench.h"

#include "base/xalloc.h"
#include "coap/key.h"
#include "conf/conf.h"
#include "conf/report.h"
#include "msg/received.h"
#include "proxy/redirect.h"
#include "proxy/rulemap.h"

enum {
	RULES = 1000,
	RULE_TEXT = 64,
	RECORDS = 4096,
	PEERS = 256,
	MIDS_EACH = RECORDS / PEERS,
	SCRATCH = 2048,
	RUNS = 15,
	/* Long enough for the clock, short enough to be left alone. */
	RUN_NS = 4000000,
};

static const char URI[] = "coap://127.0.0.1:5683/s/17/temperature";
static const uint8_t PAYLOAD[64] = { 'x' };

/* What the functions are given. */
static struct {
	struct siphash_key secret;
	struct rand rnd;
	uint8_t request[128], response[128];
	size_t request_len, response_len;
	struct coap_msg msg; /* the request */
	struct coap_authority at;
	struct coap_host host;
	uint8_t host_buf[COAP_HOST_MAX];
	struct conf *one, *many;
	struct rulemap *map; /* of many */
	struct redirect_query query;
	struct peers peers;
	struct received_table received;
	struct addr client[PEERS], local;
	struct peer *peer[PEERS];
	unsigned turn;
	uint8_t scratch[SCRATCH];
} m;

/* The compiler is not to know that nobody looks. */
static volatile uint64_t sink;

static void
fail(const char *what)
{
	errx(1, "%s is not as expected", what);
}

static void
work_parse_request(void)
{
	struct coap_msg msg;

	if (coap_parse(&msg, span_make(m.request, m.request_len)) !=
	    COAP_PARSE_OK)
		fail("parse_request");
	sink = msg.has;
}

static void
work_parse_response(void)
{
	struct coap_msg msg;

	if (coap_parse(&msg, span_make(m.response, m.response_len)) !=
	    COAP_PARSE_OK)
		fail("parse_response");
	sink = msg.payload.n;
}

static void
work_build(void)
{
	struct coap_head head = { .type = COAP_CON, .code = BENCH_GET };

	head.token = m.msg.token;
	head.mid = 0x1234;
	sink = coap_emit(m.scratch, SCRATCH, &head, m.msg.opts,
	    span_make(PAYLOAD, sizeof(PAYLOAD)));
}

/* The key of a request, and the hashes of it and of its URI. */
static void
work_key(void)
{
	struct writer w = writer_make(m.scratch, SCRATCH);
	struct coap_key key;

	if (!coap_key_make(&key, &w, &m.secret, &m.msg, &m.at, COAP_KEY_BODY))
		fail("key");
	sink = key.hash;
}

static void
work_route(void)
{
	const struct rule *rule;
	const struct path *strip;

	if (redirect_find(&m.one->rules, &m.query, &rule, &strip) !=
	    REDIRECT_RULE)
		fail("route");
	sink = (uintptr_t)rule;
}

/* The last one of a thousand, by path. */
static void
work_route_1000(void)
{
	const struct rule *rule;
	const struct path *strip;

	if (redirect_look_up(m.map, &m.query, &rule, &strip) != REDIRECT_RULE)
		fail("route_1000");
	sink = (uintptr_t)rule;
}

/* Proxy-Uri, and the options for the next hop. */
static void
work_proxy_uri(void)
{
	struct writer w = writer_make(m.scratch, SCRATCH);
	struct coap_optw o = coap_optw(&w);
	struct coap_uri uri;

	if (coap_uri_parse(&uri, span_make(URI, sizeof(URI) - 1), 0) !=
		COAP_URI_OK ||
	    !coap_uri_put_path(&uri, &o))
		fail("proxy_uri");
	sink = writer_len(&w);
}

/* Whose is the next address? */
static void
work_endpoint(void)
{
	unsigned i = m.turn++ % PEERS;

	if (peers_get(&m.peers, &m.client[i], &m.local, NULL) != m.peer[i])
		fail("endpoint");
}

/* Has its next Message ID been seen? Every other time it has. */
static void
work_duplicate(void)
{
	unsigned i = m.turn++;
	uint16_t mid = (uint16_t)(i / PEERS % (2 * MIDS_EACH));
	const struct received *r =
	    received_find(&m.received, m.peer[i % PEERS], mid);

	if ((r != NULL) != (mid < MIDS_EACH))
		fail("duplicate");
	sink = (uintptr_t)r;
}

static const struct {
	const char *name;
	void (*work)(void);
} all[] = {
	{ "parse_request", work_parse_request },
	{ "parse_response", work_parse_response },
	{ "build", work_build },
	{ "key", work_key },
	{ "route", work_route },
	{ "route_1000", work_route_1000 },
	{ "proxy_uri", work_proxy_uri },
	{ "endpoint", work_endpoint },
	{ "duplicate", work_duplicate },
};

/* The messages of con64, see load.c and origin.c. */
static void
make_messages(void)
{
	static const uint8_t token[] = "\1\2\3\4\5\6\7";
	struct writer w = writer_make(m.scratch, SCRATCH);
	struct coap_optw o = coap_optw(&w);
	struct coap_head h = { .type = COAP_CON, .code = BENCH_GET, .mid = 7 };

	h.token = span_make(token, sizeof(token));
	coap_put_opt(&o, COAP_OPT_URI_PATH, SPAN_LIT("s"));
	coap_put_opt(&o, COAP_OPT_URI_PATH, SPAN_LIT("17"));
	coap_put_opt(&o, COAP_OPT_URI_PATH, SPAN_LIT("temperature"));
	m.request_len = coap_emit(m.request, sizeof(m.request), &h,
	    writer_span(&w), span_make(NULL, 0));
	w = writer_make(m.scratch, SCRATCH);
	o = coap_optw(&w);
	h.type = COAP_ACK;
	h.code = BENCH_CONTENT;
	coap_put_uint(&o, COAP_OPT_MAX_AGE, 60);
	m.response_len = coap_emit(m.response, sizeof(m.response), &h,
	    writer_span(&w), span_make(PAYLOAD, sizeof(PAYLOAD)));
	if (coap_parse(&m.msg, span_make(m.request, m.request_len)) !=
	    COAP_PARSE_OK)
		fail("the request");
}

/* So many rules, the last of which takes the request. */
static struct conf *
load_rules(unsigned n)
{
	struct conf_report report = { 0 };
	size_t size = (n + 2) * RULE_TEXT, len;
	char *text = xcalloc(1, size);
	struct conf *c;

	len = (size_t)snprintf(
	    text, size, "[listen]\nbind = coap://127.0.0.1:0\n");
	for (unsigned i = 1; i <= n; i++)
		len += (size_t)snprintf(text + len, size - len,
		    "[route r%u]\npath = /%s%u\nto = coap://192.0.2.1\n", i,
		    i < n ? "other/" : "s/", i < n ? i : 17);
	c = conf_load_text("micro", text, &report);
	if (c == NULL)
		errx(1, "%s", report.text != NULL ? report.text : "rules");
	conf_report_fini(&report);
	free(text);
	return c;
}

static void
make_rules(void)
{
	m.one = load_rules(1);
	m.many = load_rules(RULES);
	m.map = rulemap_new(&m.many->rules);
	if (m.map == NULL)
		err(1, "no memory");
	if (!coap_host_parse(&m.host, SPAN_LIT("127.0.0.1"), m.host_buf, false))
		fail("the host");
	m.query = (struct redirect_query){
		.msg = &m.msg, .host = m.host, .client = &m.client[0]
	};
	m.at = (struct coap_authority){ COAP_SCHEME_COAP, &m.host, 5683 };
}

static void
make_records(void)
{
	char text[32];

	if (!peers_init(&m.peers, 2 * PEERS, &m.rnd) ||
	    !received_init(&m.received, 2 * RECORDS) ||
	    !addr_parse_ip(&m.local, SPAN_LIT("127.0.0.1"), false))
		err(1, "no memory");
	for (unsigned i = 0; i < PEERS; i++) {
		int n = snprintf(text, sizeof(text), "127.0.1.%u", i);

		if (!addr_parse_ip(
			&m.client[i], span_make(text, (size_t)n), false))
			fail("a client");
		m.peer[i] = peers_get(&m.peers, &m.client[i], &m.local, NULL);
		for (uint16_t mid = 0; mid < MIDS_EACH; mid++)
			if (m.peer[i] == NULL ||
			    received_add(&m.received, m.peer[i], mid, true) ==
				NULL)
				fail("a record");
	}
}

static void
unmake(void)
{
	received_fini(&m.received);
	peers_fini(&m.peers);
	rulemap_free(m.map);
	conf_free(m.one);
	conf_free(m.many);
}

/* Nanoseconds for each of N calls. */
static double
timed(void (*work)(void), unsigned long n)
{
	uint64_t begun = bench_now_ns();

	for (unsigned long i = 0; i < n; i++)
		work();
	return (double)(bench_now_ns() - begun) / (double)n;
}

static double
measure(void (*work)(void))
{
	unsigned long n = 16;
	double least, ns;

	do {
		n *= 2;
		least = timed(work, n);
	} while (least * (double)n < RUN_NS);
	for (int i = 0; i < RUNS; i++) {
		ns = timed(work, n);
		if (ns < least)
			least = ns;
	}
	return least;
}

int
main(int argc, char **argv)
{
	unsigned long times = 0;
	int opt;

	while ((opt = getopt(argc, argv, "n:")) != -1) {
		if (opt != 'n')
			errx(2, "usage: micro [-n TIMES]");
		times = bench_number(optarg, UINT32_MAX);
	}
	rand_init_fixed(&m.rnd, 1);
	m.secret = rand_key(&m.rnd);
	make_messages();
	make_records();
	make_rules();
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (times > 0)
			(void)timed(all[i].work, times);
		else
			printf("%s %.1f\n", all[i].name, measure(all[i].work));
	}
	unmake();
	return fflush(stdout) != 0;
}
