/*
 * strict: messages in the order they came, found by a hash of their source
 * and Message ID.
 */
#include "strict.h"

#include <inttypes.h>
#include <stdio.h>

#include "bench.h"

enum {
	/* 8000 messages a second for EXCHANGE_LIFETIME. */
	MESSAGES = 1 << 21,
	HEADS = 1 << 20,
	SPARE = 10000,
	QUERY_MAX = 48,
	REPLY_MAX = BENCH_HEADER + BENCH_TOKEN_MAX + 1 + QUERY_MAX,
	URI_QUERY = 15,
	BAD_REQUEST = 0x80,
	METHOD_NOT_ALLOWED = 0x85,
};

static const uint32_t NONE = UINT32_MAX;
static const uint64_t LIFETIME = 247 * 1000000000ULL;

struct message {
	uint64_t at;
	uint64_t source;	/* address, port and Message ID */
	uint64_t octets;	/* hash of what it said */
	uint32_t next;
	uint8_t nreply;
	uint8_t reply[REPLY_MAX];
};

/* The ring is message[first % MESSAGES] to message[(last - 1) % MESSAGES];
 * memory that no message has used yet is none. */
struct strict {
	struct message *message;
	uint32_t *head;
	uint64_t first;
	uint64_t last;
	uint16_t mid;
	uint64_t copies;
	uint64_t violations;
	bool port_seen[65536];
	unsigned ports;
};

struct strict *
strict_new(void)
{
	struct strict *s = calloc(1, sizeof(*s));

	if (s == NULL)
		err(1, "no memory");
	s->message = calloc(MESSAGES, sizeof(s->message[0]));
	s->head = malloc(HEADS * sizeof(s->head[0]));
	if (s->message == NULL || s->head == NULL)
		err(1, "no memory");
	memset(s->head, 0xff, HEADS * sizeof(s->head[0]));
	return s;
}

void
strict_free(struct strict *s)
{
	free(s->message);
	free(s->head);
	free(s);
}

/* ---- memory ---- */

static uint64_t
source_of(const struct sockaddr_in *from, const uint8_t *d)
{
	return (uint64_t)from->sin_addr.s_addr << 32 |
	    (uint64_t)from->sin_port << 16 | bench_get16(d + 2);
}

/* FNV-1a: nobody here chooses octets with ill intent. */
static uint64_t
hash(const uint8_t *p, size_t n)
{
	uint64_t h = 0xcbf29ce484222325;

	for (size_t i = 0; i < n; i++)
		h = (h ^ p[i]) * 0x100000001b3;
	return h;
}

static uint32_t *
chain(struct strict *s, uint64_t source)
{
	return &s->head[source * 0x9e3779b97f4a7c15 >> 44];
}

static struct message *
find(struct strict *s, uint64_t source)
{
	uint32_t i = *chain(s, source);

	while (i != NONE && s->message[i].source != source)
		i = s->message[i].next;
	return i == NONE ? NULL : &s->message[i];
}

static void
forget_first(struct strict *s)
{
	uint32_t i = (uint32_t)(s->first++ % MESSAGES);
	uint32_t *at = chain(s, s->message[i].source);

	while (*at != i)
		at = &s->message[*at].next;
	*at = s->message[i].next;
}

static void
expire(struct strict *s, uint64_t now)
{
	while (s->first < s->last &&
	    now - s->message[s->first % MESSAGES].at > LIFETIME)
		forget_first(s);
}

static struct message *
remember(struct strict *s, uint64_t source, uint64_t now)
{
	uint32_t i = (uint32_t)(s->last++ % MESSAGES);
	struct message *m = &s->message[i];
	uint32_t *head = chain(s, source);

	/* Forgetting before its time would make it less than strict. */
	if (s->last - s->first > MESSAGES - SPARE)
		errx(1, "more than %d messages within EXCHANGE_LIFETIME",
		    MESSAGES - SPARE);
	m->at = now;
	m->source = source;
	m->next = *head;
	*head = i;
	return m;
}

/* ---- answers ---- */

/* The code for the request of n octets at d; its first Uri-Query, if any. */
static uint8_t
serve(const uint8_t *d, size_t n, const uint8_t **query, size_t *len)
{
	struct bench_options o;
	int more;

	*len = 0;
	if (d[1] != BENCH_GET)
		return METHOD_NOT_ALLOWED;
	bench_options_init(&o, d, n);
	while ((more = bench_options_next(&o)) > 0) {
		if (o.number != URI_QUERY || *len > 0)
			continue;
		*query = o.value;
		*len = o.len;
	}
	if (more == 0 && *len <= QUERY_MAX)
		return BENCH_CONTENT;
	*len = 0;
	return BAD_REQUEST;
}

static void
reply_make(struct strict *s, struct message *m, const uint8_t *d, size_t n)
{
	size_t head = BENCH_HEADER + (size_t)(d[0] & 15);
	const uint8_t *query = d;
	size_t len;

	memcpy(m->reply, d, head);
	m->reply[1] = serve(d, n, &query, &len);
	if (bench_type(d) == BENCH_CON) {
		m->reply[0] = (uint8_t)(0x60 | (d[0] & 15));
	} else {
		m->reply[0] = (uint8_t)(0x50 | (d[0] & 15));
		bench_put16(m->reply + 2, s->mid++);
	}
	m->nreply = (uint8_t)head;
	if (len == 0)
		return;
	m->reply[head] = 0xff;
	memcpy(m->reply + head + 1, query, len);
	m->nreply = (uint8_t)(head + 1 + len);
}

static void
note_port(struct strict *s, const struct sockaddr_in *from)
{
	bool *seen = &s->port_seen[ntohs(from->sin_port)];

	s->ports += !*seen;
	*seen = true;
}

const uint8_t *
strict_answer(struct strict *s, const struct sockaddr_in *from,
    const uint8_t *d, size_t n, size_t *len)
{
	uint64_t now = bench_now_ns();
	uint64_t source = source_of(from, d);
	uint64_t octets = hash(d, n);
	struct message *m;

	/* Only requests: codes 0.01 to 0.31. */
	if (bench_type(d) > BENCH_NON || d[1] == 0 || d[1] >= 0x20)
		return NULL;
	expire(s, now);
	m = find(s, source);
	if (m == NULL) {
		note_port(s, from);
		m = remember(s, source, now);
		m->octets = octets;
		reply_make(s, m, d, n);
	} else if (m->octets == octets) {
		s->copies++;
	} else {
		s->violations++;
	}
	*len = m->nreply;
	return m->reply;
}

bool
strict_report(const struct strict *s)
{
	printf("requests=%" PRIu64 " copies=%" PRIu64 " violations=%" PRIu64
	       " ports=%u\n",
	    s->last, s->copies, s->violations, s->ports);
	if (fflush(stdout) != 0)
		err(1, "standard output");
	return s->violations == 0;
}
