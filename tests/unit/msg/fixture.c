#include "fixture.h"

#include <stdio.h>

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

static void
notice_cb(void *user, struct note *n, struct dgram_notice *out, uint64_t now)
{
	static uint8_t opts[8], payload[BUF_LARGE];
	struct obs *o = CONTAINER_OF(n, struct obs, note);
	struct world *w = user;

	ck_assert_uint_eq(now, w->now);
	memset(opts, 0xff, sizeof(opts));	/* whoever keeps it gets this */
	o->asked++;
	out->newer = o->told != o->state;
	o->told = o->state;
	out->code = COAP_205;
	if (o->code != 0) {
		out->code = o->code;
		out->last = true;
		out->once = o->once;
		return;
	}
	opts[0] = 0x61;
	opts[1] = o->state;
	opts[2] = 0x81;
	opts[3] = (uint8_t)(60 - (now - T0) / 1000);
	out->opts = span_make(opts, o->aging ? 4 : 2);
	payload[0] = o->state;
	out->payload = span_make(payload, 1 + o->padding);
}

static bool
behind_cb(void *user, struct note *n)
{
	const struct obs *o =
	    (const void *)((const char *)n - offsetof(struct obs, note));

	(void)user;
	return o->told != o->state;
}

static void
gone_cb(void *user, struct note *n, enum note_end why, uint64_t now)
{
	struct obs *o = CONTAINER_OF(n, struct obs, note);
	struct world *w = user;

	ck_assert_uint_eq(now, w->now);
	/* Not touched again. */
	memset(&o->note, 0xee, sizeof(o->note));
	o->gone++;
	o->why = why;
	if (o->on_gone != NULL)
		o->on_gone(o);
}

static const struct dgram_ops server_ops = {
	.send = send_cb,
	.request = request_cb,
	.notice = notice_cb,
	.behind = behind_cb,
	.gone = gone_cb,
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
	w->params.max_observers = server ? OBSERVERS : 0;
	w->params.max_per_client = OBSERVERS - 2;
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

bool
observe(struct world *w, struct obs *o, size_t i, uint8_t token)
{
	*o = (struct obs){ 0 };
	return dgram_note_add(w->d, &o->note, &w->peer[i],
	    span_make(&token, 1));
}

void
change(struct world *w, struct obs *o)
{
	o->state++;
	dgram_notify(w->d, &o->note, w->now);
}

static void
notification(struct world *w, size_t i, unsigned first, unsigned mid,
    uint8_t token, uint8_t state)
{
	char hex[64];

	snprintf(hex, sizeof(hex), "%02x 45 %04x %02x 61 %02x ff %02x", first,
	    mid, token, state, state);
	out(w, i, hex);
}

void
out_con(struct world *w, size_t i, unsigned mid, uint8_t token,
    uint8_t state)
{
	notification(w, i, 0x41, mid, token, state);
}

void
out_non(struct world *w, size_t i, unsigned mid, uint8_t token,
    uint8_t state)
{
	notification(w, i, 0x51, mid, token, state);
}

static void
empty(struct world *w, size_t i, unsigned first, unsigned mid)
{
	char hex[16];

	snprintf(hex, sizeof(hex), "%02x 00 %04x", first, mid);
	in(w, i, hex);
}

void
in_ack(struct world *w, size_t i, unsigned mid)
{
	empty(w, i, 0x60, mid);
}

void
in_rst(struct world *w, size_t i, unsigned mid)
{
	empty(w, i, 0x70, mid);
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
