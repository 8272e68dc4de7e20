#include "subject.h"

#include <sys/epoll.h>
#include <sys/random.h>

#include <unistd.h>

enum {
	METHOD_NOT_ALLOWED = 0x85,
	BUCKETS = 1 << 16,
	/* Header, token, Observe, Content-Format, Max-Age, payload marker. */
	HEAD_MAX = BENCH_HEADER + BENCH_TOKEN_MAX + 4 + 1 + 5 + 1,
	OTHER_MAX_AGE = 3600,
	NOBODY = -1,
	/* RFC 7252 4.8 */
	ACK_TIMEOUT_MS = 2000,
	SPREAD_MS = 1000,
	COPIES = 5,
};

static const uint64_t MS = 1000000;

/* An entry of the list of observers. */
struct entry {
	struct sockaddr_in from;
	uint8_t token[BENCH_TOKEN_MAX];
	uint8_t tkl;
	bool waiting;		/* for the ACK of mid */
	uint8_t copies;
	uint16_t mid;
	uint16_t asked;		/* Message ID of the registration */
	uint32_t told;		/* this state */
	uint32_t bucket;
	int32_t next;		/* in its bucket, or of the free ones */
	uint64_t due, timeout;
};

/* All entries of an endpoint are in one, which so knows its Message IDs. */
struct bucket {
	int32_t first;
	uint16_t mid;
};

struct subject {
	struct subject_conf conf;
	struct bench_watch watch;
	int fd;
	uint16_t port;
	uint16_t mid;
	uint32_t state;
	uint32_t observe;
	struct subject_figures figures;

	struct entry *entry;	/* unused ones have no tkl: 255 */
	int32_t nentry, size;
	int32_t unused;
	struct bucket bucket[BUCKETS];

	struct bench_ring rx;
	struct mmsghdr tx[BENCH_BATCH_MAX];
	struct iovec tx_iov[BENCH_BATCH_MAX][2];
	struct sockaddr_in tx_to[BENCH_BATCH_MAX];
	uint8_t tx_head[BENCH_BATCH_MAX][HEAD_MAX];
	unsigned ntx;
	uint8_t content[BENCH_PAYLOAD_MAX];
	uint8_t other[BENCH_PAYLOAD_MAX];
};

/* What matters of a request. */
struct asked {
	const uint8_t *token;
	uint8_t tkl;
	enum bench_type type;
	uint16_t mid;
	bool observed;		/* the path is /observed */
	long observe;		/* its value, or NOBODY */
};

void
subject_content(uint8_t *p, size_t n, uint32_t state)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < SUBJECT_STATE_LEN; i++)
		p[i] = (uint8_t)digits[state >> (28 - 4 * i) & 15];
	for (size_t i = SUBJECT_STATE_LEN; i < n; i++)
		p[i] = (uint8_t)('a' + (state + i) % 26);
}

/* ---- the list of observers ---- */

static uint32_t
bucket_of(const struct sockaddr_in *from)
{
	uint64_t v = (uint64_t)from->sin_addr.s_addr << 16 | from->sin_port;

	return (uint32_t)(v * 0x9e3779b97f4a7c15ULL >> 48);
}

static bool
is_from(const struct entry *e, const struct sockaddr_in *from)
{
	return e->from.sin_addr.s_addr == from->sin_addr.s_addr &&
	    e->from.sin_port == from->sin_port;
}

static struct entry *
entry_find(
    struct subject *s, const struct sockaddr_in *from, const struct asked *a)
{
	int32_t i = s->bucket[bucket_of(from)].first;

	for (; i != NOBODY; i = s->entry[i].next) {
		struct entry *e = &s->entry[i];

		if (is_from(e, from) && e->tkl == a->tkl &&
		    memcmp(e->token, a->token, a->tkl) == 0)
			return e;
	}
	return NULL;
}

/* Who was sent this Message ID last. */
static struct entry *
entry_by_mid(struct subject *s, const struct sockaddr_in *from, uint16_t mid)
{
	int32_t i = s->bucket[bucket_of(from)].first;

	for (; i != NOBODY; i = s->entry[i].next)
		if (is_from(&s->entry[i], from) && s->entry[i].mid == mid)
			return &s->entry[i];
	return NULL;
}

static int32_t
entry_unused(struct subject *s)
{
	int32_t i = s->unused;

	if (i != NOBODY) {
		s->unused = s->entry[i].next;
		return i;
	}
	if (s->nentry == s->size) {
		s->size = s->size == 0 ? 64 : 2 * s->size;
		s->entry =
		    realloc(s->entry, (size_t)s->size * sizeof(s->entry[0]));
		if (s->entry == NULL)
			err(1, "no memory");
	}
	return s->nentry++;
}

static struct entry *
entry_add(
    struct subject *s, const struct sockaddr_in *from, const struct asked *a)
{
	int32_t i = entry_unused(s);
	struct entry *e = &s->entry[i];
	struct bucket *b = &s->bucket[bucket_of(from)];

	*e = (struct entry){
		.from = *from,
		.tkl = a->tkl,
		.bucket = bucket_of(from),
		.next = b->first,
	};
	memcpy(e->token, a->token, a->tkl);
	e->mid = b->mid++;
	b->first = i;
	return e;
}

static void
entry_remove(struct subject *s, struct entry *e)
{
	int32_t *link = &s->bucket[e->bucket].first;
	int32_t i = (int32_t)(e - s->entry);

	while (*link != i)
		link = &s->entry[*link].next;
	*link = e->next;
	e->next = s->unused;
	e->tkl = UINT8_MAX;
	s->unused = i;
}

static bool
entry_used(const struct entry *e)
{
	return e->tkl <= BENCH_TOKEN_MAX;
}

/* ---- sending ---- */

static void
flush(struct subject *s)
{
	bench_send_all(s->fd, s->tx, s->ntx);
	s->ntx = 0;
}

/* Room for one more message: where its header goes. */
static uint8_t *
slot(struct subject *s, const struct sockaddr_in *to)
{
	if (s->ntx == BENCH_BATCH_MAX)
		flush(s);
	s->tx_to[s->ntx] = *to;
	s->tx_iov[s->ntx][1].iov_len = 0;
	return s->tx_head[s->ntx];
}

/* The message in the slot has been written up to END. */
static void
slot_done(struct subject *s, const uint8_t *end)
{
	struct iovec *iov = &s->tx_iov[s->ntx][0];

	iov->iov_len = (size_t)(end - (const uint8_t *)iov->iov_base);
	s->ntx++;
}

static uint8_t *
put_header(uint8_t *p, enum bench_type type, uint8_t code, uint16_t mid,
    const uint8_t *token, uint8_t tkl)
{
	p[0] = (uint8_t)(0x40 | (unsigned)type << 4 | tkl);
	p[1] = code;
	bench_put16(p + 2, mid);
	memcpy(p + BENCH_HEADER, token, tkl);
	return p + BENCH_HEADER + tkl;
}

static void
send_empty(struct subject *s, const struct sockaddr_in *to,
    enum bench_type type, uint16_t mid)
{
	static const uint8_t no_token[1];
	uint8_t *p = slot(s, to);

	slot_done(s, put_header(p, type, 0, mid, no_token, 0));
}

/* The options and payload of a 2.05; without Observe if that is NOBODY. */
static void
put_content(
    struct subject *s, uint8_t *p, long observe, uint32_t age, uint8_t *content)
{
	const uint8_t *end = s->tx_head[s->ntx] + HEAD_MAX;
	uint8_t v[4] = { 0 };
	unsigned from = 0;

	if (observe != NOBODY) {
		p = bench_put_option(p, end, BENCH_OBSERVE, v,
		    bench_put_uint(v, (uint32_t)observe));
		from = BENCH_OBSERVE;
	}
	p = bench_put_option(p, end, BENCH_CONTENT_FORMAT - from, v, 0);
	p = bench_put_option(p, end, BENCH_MAX_AGE - BENCH_CONTENT_FORMAT, v,
	    bench_put_uint(v, age));
	*p++ = 0xff;
	s->tx_iov[s->ntx][1].iov_base = content;
	s->tx_iov[s->ntx][1].iov_len = s->conf.payload;
	slot_done(s, p);
}

/* RFC 7641 3.4: 24 bits. */
static long
next_observe(struct subject *s)
{
	s->observe = (s->observe + 1) & 0xffffff;
	return (long)s->observe;
}

/* Tell E the present state, under the Message ID that it has. */
static void
notify(struct subject *s, struct entry *e)
{
	uint8_t *p = slot(s, &e->from);

	p = put_header(
	    p, s->conf.type, BENCH_CONTENT, e->mid, e->token, e->tkl);
	e->told = s->state;
	put_content(s, p, (long)s->observe, s->conf.max_age, s->content);
}

static void
notify_first(struct subject *s, struct entry *e)
{
	e->mid = s->bucket[e->bucket].mid++;
	s->figures.notifications++;
	if (s->conf.type == BENCH_CON) {
		e->waiting = true;
		e->copies = 1;
		e->timeout =
		    MS * (uint64_t)(ACK_TIMEOUT_MS + random() % SPREAD_MS);
		e->due = bench_now_ns() + e->timeout;
	}
	notify(s, e);
}

void
subject_change(struct subject *s)
{
	s->state++;
	s->figures.changes++;
	(void)next_observe(s);
	subject_content(s->content, s->conf.payload, s->state);
	for (int32_t i = 0; i < s->nentry; i++)
		if (entry_used(&s->entry[i]) && !s->entry[i].waiting)
			notify_first(s, &s->entry[i]);
	flush(s);
}

/* RFC 7641 4.5.2: a newer state takes the place, and inherits counter and
 * timeout. */
static void
repeat(struct subject *s, struct entry *e, uint64_t now)
{
	if (e->copies == COPIES) {
		s->figures.given_up++;
		entry_remove(s, e);
		return;
	}
	s->figures.copies++;
	e->copies++;
	e->timeout *= 2;
	e->due = now + e->timeout;
	if (e->told != s->state)
		e->mid = s->bucket[e->bucket].mid++;
	notify(s, e);
}

void
subject_sweep(struct subject *s)
{
	uint64_t now = bench_now_ns();

	for (int32_t i = 0; i < s->nentry; i++) {
		struct entry *e = &s->entry[i];

		if (entry_used(e) && e->waiting && now >= e->due)
			repeat(s, e, now);
	}
	flush(s);
}

/* ---- hearing ---- */

static void
empty_in(struct subject *s, const struct sockaddr_in *from, const uint8_t *p)
{
	enum bench_type type = bench_type(p);
	uint16_t mid = bench_get16(p + 2);
	struct entry *e;

	if (type == BENCH_CON)
		send_empty(s, from, BENCH_RST, mid);
	if (type != BENCH_ACK && type != BENCH_RST)
		return;
	e = entry_by_mid(s, from, mid);
	if (e == NULL)
		return;
	if (type == BENCH_RST) {
		s->figures.cancelled++;
		entry_remove(s, e);
		return;
	}
	e->waiting = false;
	if (e->told != s->state)
		notify_first(s, e);
}

static bool
read_request(struct asked *a, const uint8_t *p, size_t n)
{
	static const char path[] = "observed";
	struct bench_options o;
	unsigned segments = 0;
	int more;

	*a = (struct asked){
		.token = p + BENCH_HEADER,
		.tkl = p[0] & 15,
		.type = bench_type(p),
		.mid = bench_get16(p + 2),
		.observe = NOBODY,
	};
	bench_options_init(&o, p, n);
	while ((more = bench_options_next(&o)) > 0) {
		if (o.number == BENCH_OBSERVE && o.len <= 3)
			a->observe = (long)bench_get_uint(o.value, o.len);
		if (o.number != BENCH_URI_PATH)
			continue;
		a->observed = ++segments == 1 && o.len == sizeof(path) - 1 &&
		    memcmp(o.value, path, o.len) == 0;
	}
	return more == 0;
}

/* The list after a GET of /observed; whether the answer has Observe. */
static bool
keep_list(
    struct subject *s, const struct sockaddr_in *from, const struct asked *a)
{
	struct entry *e = entry_find(s, from, a);

	if (a->observe == 1 && e != NULL) {
		s->figures.cancelled++;
		entry_remove(s, e);
	}
	if (a->observe != 0)
		return false;
	if (e == NULL) {
		s->figures.registrations++;
		e = entry_add(s, from, a);
	} else if (e->asked != a->mid) {
		s->figures.renewals++;
	}
	e->asked = a->mid;
	e->told = s->state;
	e->waiting = false;
	return true;
}

static void
request_in(struct subject *s, const struct sockaddr_in *from, const uint8_t *d,
    size_t n)
{
	bool con = bench_type(d) == BENCH_CON;
	long observe = NOBODY;
	struct asked a;
	uint8_t *p;

	if (!read_request(&a, d, n) || a.type > BENCH_NON)
		return;
	if (d[1] == BENCH_GET && a.observed && keep_list(s, from, &a))
		observe = next_observe(s);
	else
		s->figures.others++;
	p = slot(s, from);
	p = put_header(p, con ? BENCH_ACK : BENCH_NON,
	    d[1] == BENCH_GET ? BENCH_CONTENT : METHOD_NOT_ALLOWED,
	    con ? a.mid : s->mid++, a.token, a.tkl);
	if (d[1] != BENCH_GET)
		slot_done(s, p);
	else if (a.observed)
		put_content(s, p, observe, s->conf.max_age, s->content);
	else
		put_content(s, p, NOBODY, OTHER_MAX_AGE, s->other);
}

/* Level triggered: what is left makes another event. */
static void
ready(void *user)
{
	struct subject *s = user;
	int n = recvmmsg(s->fd, s->rx.msg, BENCH_BATCH_MAX, MSG_DONTWAIT, NULL);

	for (int i = 0; i < n; i++) {
		const uint8_t *d = s->rx.iov[i].iov_base;
		size_t len = s->rx.msg[i].msg_len;

		if (!bench_header_ok(d, len))
			continue;
		if (d[1] == 0)
			empty_in(s, &s->rx.from[i], d);
		else if (d[1] < 0x20)
			request_in(s, &s->rx.from[i], d, len);
	}
	flush(s);
}

/* ---- life ---- */

struct subject *
subject_new(int ep, const struct subject_conf *conf)
{
	struct subject *s = calloc(1, sizeof(*s));
	struct epoll_event ev = { .events = EPOLLIN };

	if (s == NULL)
		err(1, "no memory");
	s->conf = *conf;
	s->unused = NOBODY;
	for (size_t i = 0; i < BUCKETS; i++)
		s->bucket[i].first = NOBODY;
	if (getrandom(&s->mid, sizeof(s->mid), 0) < 0)
		err(1, "getrandom");
	bench_ring_init(&s->rx, 0);
	for (size_t i = 0; i < BENCH_BATCH_MAX; i++) {
		struct msghdr *h = &s->tx[i].msg_hdr;

		h->msg_name = &s->tx_to[i];
		h->msg_namelen = sizeof(s->tx_to[i]);
		h->msg_iov = s->tx_iov[i];
		h->msg_iovlen = 2;
		s->tx_iov[i][0].iov_base = s->tx_head[i];
	}
	subject_content(s->content, conf->payload, s->state);
	subject_content(s->other, conf->payload, UINT32_MAX);
	s->port = conf->port;
	s->fd = bench_bind(&s->port);
	s->watch = (struct bench_watch){ .ready = ready, .user = s };
	ev.data.ptr = &s->watch;
	if (epoll_ctl(ep, EPOLL_CTL_ADD, s->fd, &ev) != 0)
		err(1, "epoll_ctl");
	return s;
}

void
subject_free(struct subject *s)
{
	close(s->fd);
	free(s->entry);
	free(s);
}

uint16_t
subject_port(const struct subject *s)
{
	return s->port;
}

uint32_t
subject_state(const struct subject *s)
{
	return s->state;
}

struct subject_figures
subject_figures(const struct subject *s)
{
	return s->figures;
}
