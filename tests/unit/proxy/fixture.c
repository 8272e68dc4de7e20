#include "fixture.h"

#include <limits.h>
#include <stdio.h>

#include "base/xalloc.h"
#include "coap/dump.h"
#include "coap/emit.h"
#include "proxy/core.h"
#include "text.h"

static struct arena arena;
static bool arena_ready;

static struct arena *
keep(void)
{
	if (!arena_ready)
		arena_init(&arena, 1 << 24);
	arena_ready = true;
	return &arena;
}

void
fixture_free(void)
{
	if (arena_ready)
		arena_reset(&arena, 1 << 24);
}

struct coap_msg
message(const char *text)
{
	struct span line = span_str(text), octets;
	struct text_vars vars = { .n = 0 };
	uint8_t out[TEXT_MESSAGE];
	struct text_msg t;
	struct coap_msg m;
	size_t n;

	ck_assert_ptr_null(text_parse(&t, &line, "", keep()));
	if (t.mid.kind == TEXT_NONE)
		t.mid = (struct text_value){ TEXT_VALUE, SPAN_LIT("\0\1") };
	if (t.token.kind == TEXT_NONE)
		t.token = (struct text_value){ TEXT_VALUE, SPAN_LIT("t") };
	n = text_emit(&t, &vars, out, sizeof(out));
	ck_assert_uint_gt(n, 0);
	ck_assert(arena_dup(keep(), span_make(out, n), &octets));
	ck_assert_int_eq(coap_parse(&m, octets), COAP_PARSE_OK);
	return m;
}

const char *
dump(uint8_t code, struct span opts, struct span payload)
{
	static char text[1024];
	struct coap_msg m = { .code = code, .payload = payload };
	char *from;

	ck_assert(coap_parse_opts(&m, opts));
	coap_dump(&m, text, sizeof(text));
	/* Behind "CON GET mid=0x0000" comes what differs. */
	from = strstr(text, " mid=0x0000");
	ck_assert_ptr_nonnull(from);
	memmove(from, from + 11, strlen(from + 11) + 1);
	return text + 4;
}

struct addr
address(const char *ip, uint16_t port)
{
	struct addr a;

	ck_assert(addr_parse_ip(&a, span_str(ip), true));
	a.port = port;
	return a;
}

struct coap_host
host(const char *text)
{
	struct coap_host h;
	uint8_t *buf = arena_alloc(keep(), COAP_HOST_MAX);

	ck_assert_ptr_nonnull(buf);
	ck_assert(coap_host_parse(&h, span_str(text), buf, true));
	return h;
}

struct target
target(const char *name, uint16_t port)
{
	return (struct target){ COAP_SCHEME_COAP, host(name), port };
}

struct path
path(const char *text)
{
	struct path p = { .n = 0 };

	p.seg = arena_alloc(keep(), 8 * sizeof(*p.seg));
	ck_assert_ptr_nonnull(p.seg);
	while (*text != '\0') {
		size_t n = strcspn(text, "/");

		ck_assert_uint_lt(p.n, 8);
		p.seg[p.n++] = span_make(text, n);
		text += n + (text[n] == '/');
	}
	return p;
}

struct netlist
networks(const char *words)
{
	struct netlist l = { .n = 0 }, copy;

	while (*words != '\0') {
		size_t n = strcspn(words, " ");

		ck_assert(netlist_add(&l, span_make(words, n)));
		words += n + (words[n] == ' ');
	}
	if (l.n == 0)
		return l;
	/* Into the arena, so that nobody has to free it. */
	copy.n = l.n;
	copy.v = arena_alloc(keep(), l.n * sizeof(*l.v));
	ck_assert_ptr_nonnull(copy.v);
	memcpy(copy.v, l.v, l.n * sizeof(*l.v));
	netlist_fini(&l);
	return copy;
}

/* ---- memory ---- */

void *__real_malloc(size_t n);
void *__wrap_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__wrap_realloc(void *p, size_t n);

unsigned allocations = UINT_MAX;

static bool
may_allocate(void)
{
	if (allocations == 0)
		return false;
	if (allocations != UINT_MAX)
		allocations--;
	return true;
}

/* The linker puts these in between. */
void *
__wrap_malloc(size_t n)
{
	return may_allocate() ? __real_malloc(n) : NULL;
}

void *
__wrap_calloc(size_t n, size_t size)
{
	return may_allocate() ? __real_calloc(n, size) : NULL;
}

void *
__wrap_realloc(void *p, size_t n)
{
	return may_allocate() ? __real_realloc(p, n) : NULL;
}

/* ---- a proxy ---- */

/* The proxy goes on. The checks themselves need memory. */
static void
enter(const struct stand *s)
{
	allocations = s->no_memory ? s->memory : UINT_MAX;
}

/* What has waited longest has to go, if it is still there. */
static void
displace(struct stand *s, const struct fetch *sent, uint64_t now)
{
	struct fetch *f = s->displaced;
	struct list *it, *tmp;

	s->displaced = NULL;
	LIST_FOREACH_SAFE (it, tmp, &s->proxy->waiting) {
		if (it != &f->link || f == sent || f->up == NULL)
			continue;
		f->up = NULL;
		fetch_failed(f, FETCH_BUSY, now);
		return;
	}
}

static enum upstream_send
note_send(void *self, struct fetch *f, enum fetch_fail *why, uint64_t now)
{
	struct stand *s = self;
	struct coap_head h = { f->type, f->code, 0, SPAN_LIT("") };

	allocations = UINT_MAX;
	s->sends++;
	*why = s->send_why;
	s->sent = s->send_result == UPSTREAM_FAILED ? NULL : f;
	f->up = s->sent != NULL ? s : NULL;
	snprintf(s->request, sizeof(s->request), "%s %s",
	    f->type == COAP_CON ? "CON" : "NON",
	    dump(f->code, f->opts, f->payload));
	s->noctets = coap_emit(s->octets, sizeof(s->octets), &h, f->opts,
	    f->payload);
	enter(s);
	if (s->displaced != NULL)
		displace(s, f, now);
	return s->send_result;
}

static enum upstream_send
note_renew(void *self, struct fetch *f, enum fetch_fail *why, uint64_t now)
{
	struct stand *s = self;
	enum upstream_send result = s->send_result;
	enum fetch_fail reason = s->send_why;

	allocations = UINT_MAX;
	ck_assert_ptr_nonnull(f->watch);
	s->renewals++;
	s->sends--;
	s->send_result = s->renew_result;
	s->send_why = s->renew_why;
	note_send(self, f, why, now);
	s->send_result = result;
	s->send_why = reason;
	return s->renew_result;
}

static void
note_cancel(void *self, struct fetch *f)
{
	struct stand *s = self;

	s->cancels++;
	f->up = f->watch = NULL;
	if (s->sent == f)
		s->sent = NULL;
}

static const struct upstream_ops note_upstream = {
	.send = note_send,
	.renew = note_renew,
	.cancel = note_cancel,
};

static void
note_reply(struct request *r, const struct reply *reply, uint64_t now)
{
	struct stand *s = r->front_ctx;

	(void)now;
	allocations = UINT_MAX;
	s->replies++;
	s->token = r->msg.token;
	ck_assert_uint_gt(r->msg.token.n, 0);
	snprintf(s->reply, sizeof(s->reply), "%s",
	    dump(reply->code, reply->opts, reply->payload));
	snprintf(s->payload, sizeof(s->payload), "%.*s",
	    (int)reply->payload.n, reply->payload.n > 0 ?
	    (const char *)reply->payload.p : "");
	enter(s);
}

static void
note_suppress(struct request *r, uint64_t now)
{
	struct stand *s = r->front_ctx;

	(void)now;
	s->suppressed++;
}

static void
note_drop(struct request *r, uint64_t now)
{
	struct stand *s = r->front_ctx;

	(void)now;
	s->drops++;
}

static void
note_once(struct request *r)
{
	struct stand *s = r->front_ctx;

	s->once++;
}

static unsigned
note_sent(const struct request *r)
{
	struct stand *s = r->front_ctx;

	return s->acked ? 1 : 0;
}

/* ---- observers ---- */

static struct watcher *
watcher_of(struct stand *s, uint64_t client, struct span token)
{
	for (size_t i = 0; i < WATCHERS; i++) {
		struct watcher *w = &s->watchers[i];

		if (w->used && w->client == client &&
		    span_eq(span_make(w->token, w->ntoken), token))
			return w;
	}
	return NULL;
}

static struct observer *
note_observe(struct request *r)
{
	struct stand *s = r->front_ctx;
	struct watcher *w = watcher_of(s, r->client, r->msg.token);
	size_t used = 0;

	allocations = UINT_MAX;
	for (size_t i = 0; i < WATCHERS; i++)
		used += s->watchers[i].used;
	for (size_t i = 0; w == NULL && i < WATCHERS && used < s->room; i++) {
		if (s->watchers[i].used)
			continue;
		w = &s->watchers[i];
		*w = (struct watcher){ .used = true, .client = r->client,
			.ntoken = r->msg.token.n };
		ck_assert_uint_le(w->ntoken, sizeof(w->token));
		memcpy(w->token, r->msg.token.p, w->ntoken);
		list_init(&w->o.link);
	}
	enter(s);
	return w == NULL ? NULL : &w->o;
}

static struct observer *
note_observer(const struct request *r)
{
	struct watcher *w = watcher_of(r->front_ctx, r->client, r->msg.token);

	return w == NULL ? NULL : &w->o;
}

static struct observer *
note_mate(const struct request *r, const struct observation *of)
{
	struct stand *s = r->front_ctx;

	for (size_t i = 0; i < WATCHERS; i++)
		if (s->watchers[i].used && s->watchers[i].o.of == of &&
		    s->watchers[i].client == r->client)
			return &s->watchers[i].o;
	return NULL;
}

/* The stand whose front has O. */
static struct stand *observed;

static struct watcher *
of_observer(struct observer *o)
{
	return CONTAINER_OF(o, struct watcher, o);
}

static void
watcher_end(struct stand *s, struct watcher *w, uint64_t now)
{
	s->gone++;
	observer_gone(&w->o, now);
	memset(w, 0xff, sizeof(*w));
	w->used = false;
}

static void
watcher_tell(struct stand *s, struct watcher *w, uint64_t now)
{
	struct notice n;

	observer_notice(&w->o, &n, now);
	allocations = UINT_MAX;
	s->notices++;
	w->told++;
	w->last = n.last;
	snprintf(w->notice, sizeof(w->notice), "%s",
	    dump(n.code, n.opts, n.payload));
	snprintf(w->payload, sizeof(w->payload), "%.*s", (int)n.payload.n,
	    n.payload.n > 0 ? (const char *)n.payload.p : "");
	enter(s);
	if (n.once)
		watcher_end(s, w, now);
}

static void
note_notify(struct observer *o, uint64_t now)
{
	struct watcher *w = of_observer(o);

	allocations = UINT_MAX;
	ck_assert(w->used);
	enter(observed);
	if (!observed->held || observer_parts(o))
		watcher_tell(observed, w, now);
}

static void
note_unobserve(struct observer *o)
{
	struct watcher *w = of_observer(o);

	allocations = UINT_MAX;
	ck_assert(w->used);
	observed->unobserved++;
	memset(w, 0xff, sizeof(*w));
	w->used = false;
	enter(observed);
}

struct watcher *
stand_watcher(struct stand *s, const char *token)
{
	return watcher_of(s, s->client_id, span_str(token));
}

void
stand_tell(struct stand *s, uint64_t now)
{
	enter(s);
	for (size_t i = 0; i < WATCHERS; i++)
		if (s->watchers[i].used && observer_behind(&s->watchers[i].o))
			watcher_tell(s, &s->watchers[i], now);
	allocations = UINT_MAX;
}

void
stand_acks(struct stand *s, uint64_t now)
{
	enter(s);
	for (size_t i = 0; i < WATCHERS; i++)
		if (s->watchers[i].used && s->watchers[i].last)
			watcher_end(s, &s->watchers[i], now);
	allocations = UINT_MAX;
}

void
stand_refuse(struct stand *s, struct watcher *w, uint64_t now)
{
	enter(s);
	watcher_end(s, w, now);
	allocations = UINT_MAX;
}

static const struct front_ops note_front = {
	.reply = note_reply,
	.suppress = note_suppress,
	.drop = note_drop,
	.once = note_once,
	.observe = note_observe,
	.observer = note_observer,
	.mate = note_mate,
	.notify = note_notify,
	.unobserve = note_unobserve,
	.sent = note_sent,
};

/* ---- the stand ---- */

void
stand_init(struct stand *s)
{
	*s = (struct stand){ .send_result = UPSTREAM_SENT,
		.renew_result = UPSTREAM_SENT, .room = WATCHERS };
	observed = s;
	rand_init_fixed(&s->rnd, 1);
	timers_init(&s->timers, 1000);
	s->access.allow_from = networks("any");
	s->forward.allow_from = networks("any");
	s->forward.allow_to = networks("any");
	s->forward.deny_to = networks("loopback");
	s->forward.timeout_ms = 90000;
	s->client = address("192.0.2.101", 40001);
	s->local = address("192.0.2.1", 5683);
	self_add_bound(&s->self, &s->local);
	s->conf = (struct proxy_conf){
		.name = "gw1",
		.hop_limit = 16,
		.access = &s->access,
		.forward = &s->forward,
		.rules = &s->rules,
		.max_requests = 4,
		.max_clients = 4,
		.block = { .max_body = 1 << 20, .szx = 6,
			.max_transfers = 16 },
		.exchange_lifetime = 247000,
	};
}

void
stand_start(struct stand *s)
{
	s->proxy = proxy_new(&s->conf, &s->self, &s->timers, &s->rnd);
	ck_assert_ptr_nonnull(s->proxy);
	proxy_set_upstream(s->proxy, &note_upstream, s);
}

void
stand_fini(struct stand *s)
{
	proxy_free(s->proxy);
	for (size_t i = 0; i < WATCHERS; i++)
		ck_assert(!s->watchers[i].used);
	ck_assert_uint_eq(timers_next(&s->timers), TIMER_NEVER);
	self_fini(&s->self);
	fixture_free();
}

void
stand_ask(struct stand *s, const char *text, uint64_t now)
{
	struct coap_msg m = message(text);
	struct inbound in = {
		.front = &note_front,
		.front_ctx = s,
		.client = &s->client,
		.client_id = s->client_id,
		.local = &s->local,
		.note = &s->note,
		.scheme = COAP_SCHEME_COAP,
		.msg = &m,
	};

	enter(s);
	proxy_handle(s->proxy, &in, now);
	allocations = UINT_MAX;
}

bool
stand_respond(struct stand *s, struct fetch *f, const char *text, uint64_t now)
{
	struct coap_msg m = message(text);
	bool open = f->registers || f->watch != NULL;
	uint8_t octets[sizeof(s->octets)];
	size_t n = s->noctets;
	bool used;

	memcpy(octets, s->octets, n);
	f->up = NULL;
	f->watch = open && coap_has(&m, COAP_OPT_OBSERVE) &&
	    coap_code_class(m.code) == 2 ? s : NULL;
	enter(s);
	used = fetch_response(f, &m, span_make(octets, n), now);
	allocations = UINT_MAX;
	return used;
}

bool
stand_answer(struct stand *s, const char *text, uint64_t now)
{
	struct fetch *f = s->sent;

	ck_assert_ptr_nonnull(f);
	s->sent = NULL;
	return stand_respond(s, f, text, now);
}

void
stand_fail(struct stand *s, struct fetch *f, enum fetch_fail why, uint64_t now)
{
	f->up = NULL;
	if (why != FETCH_BUSY)
		f->watch = NULL;
	enter(s);
	fetch_failed(f, why, now);
	allocations = UINT_MAX;
}

void
stand_pass(struct stand *s, uint64_t to)
{
	uint64_t next;

	enter(s);
	while ((next = timers_next(&s->timers)) <= to)
		timers_run(&s->timers, next);
	timers_run(&s->timers, to);
	allocations = UINT_MAX;
}
