#include "fixture.h"

static void
send_cb(struct peer *p, struct buf *b)
{
	struct world *w = p->io;
	struct out *o = &w->out[w->nout];

	ck_assert_uint_lt(w->nout++, OUT_MAX);
	o->at = w->now;
	o->to = p;
	o->len = b->len;
	memcpy(o->octets, b->data, b->len);
}

static void
request_cb(void *user, struct received *r, const struct coap_msg *m,
    uint64_t now)
{
	struct world *w = user;
	struct got *g = &w->got[w->ngot];

	ck_assert_uint_eq(now, w->now);
	ck_assert_uint_lt(w->ngot++, GOT_MAX);
	g->r = r;
	g->code = m->code;
	g->token_len = m->token.n;
	memcpy(g->token, m->token.p, m->token.n);
}

static bool
response_cb(void *user, struct exchange *x, const struct coap_msg *m,
    uint64_t now)
{
	struct world *w = user;

	ck_assert_uint_eq(now, w->now);
	ck_assert_uint_le(m->payload.n, sizeof(w->payload));
	/* What was sent can still be read. */
	ck_assert_uint_ge(x->sent.buf->len, 12);
	ck_assert_mem_eq(x->sent.buf->data + 4, x->token, 8);
	w->responses++;
	w->code = m->code;
	w->payload_len = m->payload.n;
	if (m->payload.n > 0)
		memcpy(w->payload, m->payload.p, m->payload.n);
	w->user = x->user;
	w->lasting = dgram_lasting(x) && !w->cancel ? x : NULL;
	if (dgram_lasting(x) && w->cancel)
		dgram_cancel(w->d, x);
	return !w->refuse;
}

static void
failed_cb(void *user, struct exchange *x, enum dgram_fail why, uint64_t now)
{
	struct world *w = user;

	ck_assert_uint_eq(now, w->now);
	ck_assert_mem_eq(x->sent.buf->data + 4, x->token, 8);
	w->failures++;
	w->why = why;
	w->user = x->user;
}

static void
progress_cb(void *user, struct exchange *x, enum dgram_progress what,
    uint64_t now)
{
	struct world *w = user;

	(void)x;
	(void)now;
	if (what == DGRAM_ACKED)
		w->acked++;
	else
		w->repeated++;
}

static const struct dgram_ops server_ops = {
	.send = send_cb,
	.request = request_cb,
};

static const struct dgram_ops client_ops = {
	.send = send_cb,
	.progress = progress_cb,
	.response = response_cb,
	.failed = failed_cb,
};

void
world_init(struct world *w, uint32_t max, bool server)
{
	size_t room = UNIT_COUNT(w->hoard) * (sizeof(struct buf) + BUF_SMALL);
	struct addr a = { .family = 4 };

	memset(w, 0, sizeof(*w));
	w->now = T0;
	rand_init_fixed(&w->rnd, 5);
	timers_init(&w->timers, T0);
	w->bufs = buf_pool_new(room);
	ck_assert_ptr_nonnull(w->bufs);
	msg_params_init(&w->params);
	w->params.ack_random_factor = 1000;
	w->params.max_exchanges = max;
	msg_params_derive(&w->params);
	w->d = dgram_new(server ? &server_ops : &client_ops, w, &w->params,
	    &w->timers, w->bufs, &w->rnd);
	ck_assert_ptr_nonnull(w->d);
	for (size_t i = 0; i < 2; i++) {
		peer_init(&w->peer[i], &a, &a, w, &w->rnd);
		w->peer[i].mids.next = (uint32_t)(0x5000 + 0x1000 * i);
	}
}

void
world_fini(struct world *w)
{
	size_t sent = w->nout;

	dgram_free(w->d);
	unhoard(w);
	ck_assert_uint_eq(w->nout, sent);
	ck_assert_uint_eq(w->peer[0].refs, 0);
	ck_assert_uint_eq(w->peer[1].refs, 0);
	ck_assert_uint_eq(buf_pool_used(w->bufs), 0);
	ck_assert_uint_eq(timers_next(&w->timers), TIMER_NEVER);
	buf_pool_free(w->bufs);
}

void
pass(struct world *w, uint64_t ms)
{
	uint64_t until = w->now + ms;
	uint64_t next;

	while ((next = timers_next(&w->timers)) <= until) {
		w->now = next > w->now ? next : w->now;
		timers_run(&w->timers, w->now);
	}
	w->now = until;
	timers_run(&w->timers, until);
}

/* The octets of HEX with the token in the place of each "TT". */
static struct span
with_token(const struct world *w, const char *hex)
{
	char text[512];
	size_t n = 0;

	for (; *hex != '\0'; hex++) {
		ck_assert_uint_lt(n + 20, sizeof(text));
		if (*hex != 'T') {
			text[n++] = *hex;
			continue;
		}
		hex++;
		for (size_t i = 0; i < 8; i++) {
			static const char digits[] = "0123456789abcdef";

			text[n++] = digits[w->token[i] >> 4];
			text[n++] = digits[w->token[i] & 15];
		}
	}
	text[n] = '\0';
	return hex_dup(text);
}

void
in(struct world *w, size_t i, const char *hex)
{
	struct span s = with_token(w, hex);

	dgram_input(w->d, &w->peer[i], s, false, w->now);
	hex_free(s);
}

void
out(struct world *w, size_t i, const char *hex)
{
	const struct out *o = &w->out[w->seen];
	struct span want = with_token(w, hex);

	ck_assert_msg(w->seen++ < w->nout, "not sent: %s", hex);
	ck_assert_ptr_eq(o->to, &w->peer[i]);
	assert_span(span_make(o->octets, o->len), want);
	hex_free(want);
}

void
quiet(const struct world *w)
{
	ck_assert_uint_eq(w->seen, w->nout);
}

bool
reply(struct world *w, size_t i, uint8_t code)
{
	struct dgram_out o = { .code = code, .payload = SPAN_LIT("x") };
	const struct got *g = &w->got[i];

	return dgram_reply(w->d, g->r, &o, span_make(g->token, g->token_len),
	    w->now);
}

struct exchange *
ask(struct world *w, size_t i, uint8_t type)
{
	struct dgram_out o = { .type = type, .code = COAP_GET };
	enum dgram_refusal why;
	struct exchange *x;

	quiet(w);
	x = dgram_prepare(w->d, &o, &w->user, &why);
	ck_assert_ptr_nonnull(x);
	ck_assert(dgram_start(w->d, x, &w->peer[i], w->now));
	ck_assert_uint_eq(w->nout, w->seen + 1);
	w->seen = w->nout;
	memcpy(w->token, x->token, sizeof(w->token));
	return x;
}

void
hoard(struct world *w)
{
	struct buf *b;

	for (size_t i = 0; (b = buf_get(w->bufs, 4)) != NULL; i++) {
		ck_assert_uint_lt(i, UNIT_COUNT(w->hoard));
		w->hoard[i] = b;
	}
}

void
unhoard(struct world *w)
{
	for (size_t i = 0; i < UNIT_COUNT(w->hoard); i++) {
		buf_unref(w->hoard[i]);
		w->hoard[i] = NULL;
	}
}

void
use_up_mids(struct world *w, size_t i)
{
	struct mids *m = &w->peer[i].mids;

	m->open = false;
	for (size_t g = 0; g < MID_GROUPS; g++)
		m->free_at[g] = UINT32_MAX;
}
