/*
 * guard: what a client gets that may not be where its datagrams say.
 *
 * Whoever forges addresses makes us send answers to somebody else. So until an
 * endpoint has brought back an Echo value of ours it is a stranger: each of its
 * requests has a budget of octets, FACTOR times its own (RFC 9175 2.4 item 3),
 * and there are only so many in a second. What does not fit becomes a challenge
 * or a small block. Nothing is stored about strangers but how often they ask.
 */
#include "base/log.h"
#include "coap/block.h"
#include "proxy/core.h"

enum {
	FACTOR = 3,		/* octets out for one in (ATK-02) */
	LOWER = 62,		/* of Ethernet, IPv6 and UDP, per datagram */
	EMPTY_LEN = 4,		/* of an empty message */
	CUT_SZX = 2,		/* 64 octets: fits behind any request */
	SOURCES = 4096,		/* strangers with a rate to watch */
	SHARE = 4,		/* a quarter of the requests may wait for
				 * strangers (ATK-36) */
};

/* Answers to one stranger, and to all strangers of a listener (ATK-16). */
static const struct rate per_source = { 50, 100 }, overall = { 1000, 1000 };

/* Max-Age 0: no cache on the way may keep it (RFC 7252 5.9.2 allows it). */
static const struct reply challenge = { COAP_401, { (const void *)"\xd0\x01",
	2 }, { NULL, 0 } };

bool
guard_init(struct proxy *p, struct rand *rnd)
{
	if (!echo_init(&p->echo, p->conf->max_clients, rnd))
		return false;
	if (limits_init(&p->strangers, SOURCES, rnd))
		return true;
	echo_fini(&p->echo);
	return false;
}

void
guard_fini(struct proxy *p)
{
	limits_fini(&p->strangers);
	echo_fini(&p->echo);
}

/* ---- the way in ---- */

static unsigned
listener_id(const struct proxy *p, const struct request *r)
{
	return p->conf->access[r->in->listener].id;
}

/* Whether R's client has proved its address, now or before. */
static bool
proved(struct proxy *p, struct request *r)
{
	const struct addr *client = r->in->client;
	unsigned listener = listener_id(p, r);
	bool before = echo_confirmed(&p->echo, client, listener, p->now);
	struct span v;

	if (!coap_get(&r->msg, COAP_OPT_ECHO, &v))
		return before;
	switch (echo_check(&p->echo, v, client, listener, p->now)) {
	case ECHO_FRESH:
		r->own_echo = true;
		if (before)
			return true;
		p->stats.confirmed++;
		echo_confirm(&p->echo, client, listener, p->now);
		return true;
	case ECHO_STALE:
		r->own_echo = true;
		break;
	case ECHO_FAKE:
		/* It may as well be an origin's, so it travels (PRX-84). */
		break;
	case ECHO_FOREIGN:
		return before;
	}
	if (!before)
		p->stats.echo_invalid++;
	return before;
}

static bool
too_often(struct proxy *p, const struct request *r)
{
	static const struct addr everybody = { .family = 0 };
	unsigned listener = listener_id(p, r);
	uint32_t seconds;

	/* In this order: one address that is asked for too often takes nothing
	 * from the others. */
	return limit_take(&p->strangers, &per_source, listener, r->in->client,
		   p->now, &seconds) != LIMIT_PASS ||
	    limit_take(&p->strangers, &overall, listener, &everybody, p->now,
		&seconds) != LIMIT_PASS;
}

static enum verdict
withhold(struct proxy *p, struct request *r)
{
	static struct log_limit limit;

	p->stats.withheld++;
	log_limited(&limit, p->now, LOG_WARN, NULL,
	    "requests of unproven addresses dropped: are they forged?");
	return answer_none(p, r);
}

static uint32_t
budget(const struct coap_msg *m)
{
	size_t n = coap_emit_size(m->token.n, m->opts.n, m->payload.n);

	return FACTOR * (uint32_t)(n + LOWER);
}

enum verdict
guard_admit(struct proxy *p, struct request *r)
{
	const struct inbound *in = r->in;
	const struct access *a = &p->conf->access[in->listener];

	if (a->amplification == AMPLIFICATION_OFF ||
	    netlist_match(&a->exempt, in->client) >= 0) {
		*in->note = NOTE_EXEMPT;
		return NEXT;
	}
	if (a->amplification == AMPLIFICATION_ECHO && proved(p, r))
		return NEXT;
	/* Before anything is done: what is not answered has had no effect. */
	if (too_often(p, r))
		return withhold(p, r);
	r->stranger = true;
	r->ahead = false;
	r->challenge = a->amplification == AMPLIFICATION_ECHO;
	r->budget = budget(&r->msg);
	if (r->challenge)
		echo_make(&p->echo, in->client, a->id, p->now, r->echo);
	r->front->once(r);
	return NEXT;
}

enum verdict
guard_challenge(struct proxy *p, struct request *r)
{
	p->stats.challenges++;
	return answer(p, r, &challenge);
}

enum verdict
guard_ahead(struct proxy *p, struct request *r)
{
	bool full = p->ahead > p->conf->max_requests / SHARE;

	/* ATK-09: a forged PUT must not reach the origin. */
	if (r->challenge && (full || !coap_method_safe(r->msg.code)))
		return guard_challenge(p, r);
	if (full)
		return answer_full(p, r);
	r->ahead = true;
	p->ahead++;
	return NEXT;
}

void
guard_finish(struct proxy *p, const struct request *r)
{
	p->ahead -= r->ahead;
}

/* ---- the way out ---- */

/* Octets that the answer's datagram may have. */
static size_t
room_for(const struct request *r)
{
	size_t spent = LOWER + r->front->sent(r) * (LOWER + EMPTY_LEN);

	return r->budget > spent ? r->budget - spent : 0;
}

static bool
fits(const struct request *r, const struct reply *reply, size_t room)
{
	return coap_emit_size(r->msg.token.n, reply->opts.n,
		   reply->payload.n) <= room;
}

uint8_t
guard_szx(const struct request *r, size_t opts, size_t payload)
{
	if (!r->stranger || r->challenge || r->szx <= CUT_SZX ||
	    coap_emit_size(r->msg.token.n, opts, payload) <= room_for(r))
		return r->szx;
	return CUT_SZX;
}

static struct coap_opt_iter
options(const struct reply *reply)
{
	struct coap_msg m = { .code = reply->code, .opts = reply->opts };
	struct coap_opt_iter it;

	coap_opts(&it, &m);
	return it;
}

static bool
find(const struct reply *reply, uint16_t number, struct span *value)
{
	struct coap_opt_iter it = options(reply);

	while (coap_opts_next(&it)) {
		if (it.number != number)
			continue;
		*value = it.value;
		return true;
	}
	return false;
}

/* Copies REPLY to p->guarded with the option NUMBER set to VALUE. False when it
 * is too large. */
static bool
with_option(struct proxy *p, const struct reply *reply, uint16_t number,
    struct span value)
{
	struct writer w = writer_make(p->guarded_opts,
	    sizeof(p->guarded_opts));
	struct coap_optw out = coap_optw(&w);
	struct coap_opt_iter it = options(reply);
	bool done = false;

	while (coap_opts_next(&it)) {
		if (!done && it.number >= number) {
			coap_put_opt(&out, number, value);
			done = true;
		}
		if (it.number != number)
			coap_put_opt(&out, it.number, it.value);
	}
	if (!done)
		coap_put_opt(&out, number, value);
	p->guarded = *reply;
	p->guarded.opts = writer_span(&w);
	return !w.full;
}

/* ATK-05: the next request can bring the value back. A message has one Echo
 * only, and an origin's was asked for by somebody. */
static const struct reply *
with_echo(struct proxy *p, const struct request *r, const struct reply *reply,
    size_t room)
{
	struct span value = span_make(r->echo, ECHO_LEN);
	struct span theirs;

	/* No datagram of ours grows beyond what any path carries. */
	if (room > MESSAGE_MAX)
		room = MESSAGE_MAX;
	return !find(reply, COAP_OPT_ECHO, &theirs) &&
		with_option(p, reply, COAP_OPT_ECHO, value) &&
		fits(r, &p->guarded, room) ?
	    &p->guarded : reply;
}

/* The value of B, which is not empty since it has a successor. */
static struct span
block_octets(const struct coap_block *b, uint8_t octets[3])
{
	uint32_t v = coap_block_value(b);
	size_t n = v > 0xffff ? 3 : v > 0xff ? 2 : 1;

	for (size_t i = n; i-- > 0; v >>= 8)
		octets[i] = (uint8_t)v;
	return span_make(octets, n);
}

/* Cuts REPLY, which is a block or a whole body, to the beginning of it. */
static bool
cut_to(struct proxy *p, const struct reply *reply, uint8_t szx)
{
	struct coap_block whole = { 0 }, b = { .szx = szx };
	size_t size = coap_block_size(&b);
	uint8_t octets[3];
	struct span v;
	uint64_t num;

	if (reply->payload.n <= size)
		return false;
	if (find(reply, COAP_OPT_BLOCK2, &v))
		whole = coap_block_get(v);
	num = coap_block_offset(&whole) >> (szx + 4);
	if (num > COAP_BLOCK_NUM_MAX)
		return false;
	b.num = (uint32_t)num;
	b.more = true;
	if (!with_option(p, reply, COAP_OPT_BLOCK2, block_octets(&b, octets)))
		return false;
	p->guarded.payload.n = size;
	return true;
}

/* ATK-10, without a challenge: what of REPLY the client can be given. */
static const struct reply *
smaller(struct proxy *p, const struct request *r, const struct reply *reply,
    size_t room)
{
	static const struct reply too_large = { COAP_502,
		{ (const void *)"\xd1\x01\x05", 3 },	/* Max-Age 5 */
		{ (const void *)"answer too large", 16 } };

	p->stats.cut++;
	/* Only where asking for the next block repeats nothing. */
	for (int szx = CUT_SZX; reply->code == COAP_205 &&
	     coap_method_safe(r->msg.code) && szx >= 0; szx--)
		if (cut_to(p, reply, (uint8_t)szx) &&
		    fits(r, &p->guarded, room))
			return &p->guarded;
	if (coap_code_class(reply->code) == 2)
		return &too_large;
	/* An error says most of it by its code. */
	p->guarded = *reply;
	p->guarded.payload.n = 0;
	if (!fits(r, &p->guarded, room))
		p->guarded.opts.n = 0;
	return &p->guarded;
}

const struct reply *
guard_reply(struct proxy *p, const struct request *r, const struct reply *reply)
{
	size_t room = room_for(r);
	bool small = fits(r, reply, room);

	if (!r->challenge)
		return small ? reply : smaller(p, r, reply, room);
	if (!small) {
		p->stats.challenges++;
		reply = &challenge;
	}
	return with_echo(p, r, reply, room);
}
