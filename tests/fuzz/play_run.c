/*
 * play_run: the steps of an input, and what must hold at the end.
 */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "coap/block.h"
#include "play_make.h"

enum {
	STEPS = 100,
	END_TURNS = 200000,	/* until nothing is left; far too many */
};

/* ---- steps ---- */

static struct play_client *
take_client(struct play *p)
{
	return &p->clients[tape_u8(&p->tape) % PLAY_CLIENTS];
}

/* The last one comes to the second listener where there is one. */
static struct addr
proxy_addr(const struct play *p, const struct play_client *c)
{
	bool second = play_conf(p->conf)->second &&
	    c == &p->clients[PLAY_CLIENTS - 1] && p->setting->conf == NULL;
	struct addr a;
	bool ok = addr_parse_ip(&a, second ? SPAN_LIT("192.0.2.2") :
	    c->addr.family == 4 ? SPAN_LIT("192.0.2.1") :
	    SPAN_LIT("2001:db8::1"), false);

	play_require(p, ok, "no address");
	a.port = second ? 5690 : 5683;
	return a;
}

static struct span
take_token(struct tape *t, uint8_t flags, uint8_t out[40])
{
	if ((flags & 0x30) == 0x30)
		return tape_span(t, tape_u8(t) % 70);
	memset(out, flags >> 4, 40);
	return span_make(out, flags >> 4 & 2 ? 4 : 1);
}

/* A request, with a Message ID of its own or the last one. */
static void
step_request(struct play *p)
{
	static const uint8_t methods[] = { COAP_GET, COAP_GET, COAP_GET,
		COAP_POST, COAP_PUT, COAP_DELETE, COAP_FETCH, COAP_PATCH,
		COAP_IPATCH, 8 };
	struct play_client *c = take_client(p);
	uint8_t flags = tape_u8(&p->tape), method = tape_u8(&p->tape);
	uint8_t target = tape_u8(&p->tape), nopts = target >> 4;
	uint8_t token[40], payload[8 + MAKE_PAYLOAD], out[PLAY_OCTETS];
	struct making k = { .n = 0 };
	struct addr to = proxy_addr(p, c);
	struct span body;
	struct coap_head h = {
		.type = flags & 1 ? COAP_NON : COAP_CON,
		.code = methods[method % sizeof(methods)],
		.mid = flags & 2 ? c->mid : ++c->mid,
	};

	h.token = take_token(&p->tape, flags, token);
	make_target(&k, target & 15);
	if ((flags & 4) != 0)
		make_uint(&k, COAP_OPT_OBSERVE, flags >> 3 & 1);
	for (unsigned i = 0; i < nopts % MAKE_OPTS; i++)
		make_option(&k, &p->tape, c);
	judge_mark(payload, (unsigned)(c - p->clients), h.mid);
	body = make_payload(&p->tape, payload + 8);
	if (!coap_code_has_payload(h.code))
		body = SPAN_LIT("");
	else if (!coap_method_safe(h.code))
		body = span_make(payload, body.n + 8);
	play_client_sends(p, c, &to,
	    span_make(out, make_message(&k, &h, body, out)));
}

/* Any octets, from a client. */
static void
step_octets(struct play *p)
{
	struct play_client *c = take_client(p);
	struct addr to = proxy_addr(p, c);
	uint8_t n = tape_u8(&p->tape), out[PLAY_OCTETS];
	struct span s = tape_span(&p->tape, n == 255 ? 2100 : n);

	if (s.n > 0)
		memcpy(out, s.p, s.n);
	judge_clean(out, s.n);
	play_client_sends(p, c, &to, span_make(out, s.n));
}

/* What a client has sent once more, perhaps spoilt, perhaps by another. */
static void
step_again(struct play *p)
{
	struct play_client *from = take_client(p), *c = from;
	uint8_t how = tape_u8(&p->tape), out[PLAY_OCTETS];
	size_t n = from->nlast, at;
	struct addr to = proxy_addr(p, c);

	if (n == 0)
		return;
	memcpy(out, from->last, n);
	if ((how & 1) != 0)
		c = take_client(p);
	if ((how & 2) != 0) {
		at = tape_u8(&p->tape) % n;
		out[at] = tape_u8(&p->tape);
	}
	if ((how & 4) != 0)
		n = tape_u8(&p->tape) % (n + 1);
	/* The mark may not be its own. */
	if (c != from || (how & 2) != 0)
		judge_clean(out, n);
	to = proxy_addr(p, c);
	play_client_sends(p, c, &to, span_make(out, n));
}

/* An upload in blocks, up to one that may not be the last. */
static void
step_upload(struct play *p)
{
	struct play_client *c = take_client(p);
	uint8_t flags = tape_u8(&p->tape), blocks = tape_u8(&p->tape) & 15;
	uint8_t out[PLAY_OCTETS], body[256];
	struct addr to = proxy_addr(p, c);
	struct coap_block b = { .szx = flags & 3 };
	struct coap_head h = { .code = flags & 4 ? COAP_PUT : COAP_FETCH,
		.token = SPAN_LIT("up") };

	memset(body, 'u', sizeof(body));
	for (b.num = 0; b.num <= blocks; b.num++) {
		struct making k = { .n = 0 };

		b.more = b.num < blocks || (flags & 8) != 0;
		h.mid = ++c->mid;
		make_target(&k, flags >> 4);
		make_uint(&k, COAP_OPT_BLOCK1, coap_block_value(&b));
		play_client_sends(p, c, &to, span_make(out, make_message(&k, &h,
		    span_make(body, coap_block_size(&b)), out)));
		play_settle(p);
	}
}

/* A client acknowledges or rejects the last CON it got. */
static void
step_acknowledge(struct play *p)
{
	struct play_client *c = take_client(p);
	uint8_t how = tape_u8(&p->tape), out[4];
	uint16_t off = how >> 4;

	if (!c->has_con)
		return;
	coap_emit_empty(out, how & 1 ? COAP_RST : COAP_ACK,
	    (uint16_t)(c->con_mid + off));
	play_client_sends(p, c, &c->con_local, span_make(out, 4));
}

/* An answer to one of the last requests. */
static void
step_answer(struct play *p)
{
	static const uint8_t codes[] = { COAP_205, COAP_203, COAP_204,
		COAP_201, COAP_202, COAP_231, COAP_400, COAP_401, COAP_404,
		COAP_408, COAP_413, COAP_429, COAP_500, COAP_503, COAP_508,
		0x60, 0x20, COAP_GET, 0xe1 };
	const struct up *up = play_up(p, tape_u8(&p->tape));
	uint8_t how = tape_u8(&p->tape), code = tape_u8(&p->tape);
	uint8_t nopts = how >> 4, payload[MAKE_PAYLOAD], out[PLAY_OCTETS];
	struct making k = { .n = 0 };
	struct play_origin *o;
	struct coap_head h;
	struct span body;

	if (up == NULL || (o = play_origin(p, &up->to)) == NULL)
		return;
	h = (struct coap_head){
		.type = (how & 3) == 1 ? COAP_CON : (how & 3) == 2 ? COAP_NON :
		    COAP_ACK,
		.code = codes[code % sizeof(codes)],
		.mid = (how & 3) == 0 ? up->mid : ++o->mid,
		.token = span_make(up->token, up->ntoken - (how >> 2 & 1)),
	};
	if (code >= 0xe0)
		h.code = tape_u8(&p->tape);
	for (unsigned i = 0; i < nopts % MAKE_OPTS; i++)
		make_option(&k, &p->tape, NULL);
	body = make_payload(&p->tape, payload);
	if (h.code == COAP_EMPTY)
		h.token = SPAN_LIT("");
	play_origin_sends(p, o, &up->from,
	    span_make(out, make_message(&k, &h, body, out)));
}

/* Any octets, from an origin; perhaps not the one that was asked. */
static void
step_origin_octets(struct play *p)
{
	const struct up *up = play_up(p, tape_u8(&p->tape));
	uint8_t n = tape_u8(&p->tape), out[PLAY_OCTETS];
	struct span s = tape_span(&p->tape, n == 255 ? 2100 : n);
	struct play_origin *o;

	if (up == NULL)
		return;
	o = n % 16 == 15 ? &p->origins[n / 16 % PLAY_ORIGINS] :
	    play_origin(p, &up->to);
	if (o == NULL)
		return;
	if (s.n > 0)
		memcpy(out, s.p, s.n);
	judge_clean(out, s.n);
	play_origin_sends(p, o, &up->from, span_make(out, s.n));
}

/* An empty message from an origin, about one of the last requests. */
static void
step_origin_empty(struct play *p)
{
	const struct up *up = play_up(p, tape_u8(&p->tape));
	uint8_t how = tape_u8(&p->tape), out[4];
	struct play_origin *o;

	if (up == NULL || (o = play_origin(p, &up->to)) == NULL)
		return;
	coap_emit_empty(out, how & 3, (uint16_t)(up->mid + (how >> 6)));
	play_origin_sends(p, o, &up->from, span_make(out, 4));
}

static void
step_notify(struct play *p)
{
	uint8_t k = tape_u8(&p->tape);
	const struct up *up = NULL;

	for (unsigned i = k & 15; i < PLAY_UPS; i++) {
		up = play_up(p, i);
		if (up == NULL || up->observes)
			break;
	}
	if (up != NULL && up->observes)
		play_notify(p, up, (k & 16) != 0);
}

/* An error about what looks like one of the last requests, or does not. */
static void
forge_error(struct play *p, int err)
{
	const struct up *up = play_up(p, tape_u8(&p->tape));
	uint8_t n = tape_u8(&p->tape), at = tape_u8(&p->tape);
	uint8_t out[4 + 8] = { 0 };

	if (up == NULL)
		return;
	out[0] = (uint8_t)(1u << 6 | (unsigned)up->type << 4 | up->ntoken);
	out[1] = up->code;
	out[2] = (uint8_t)(up->mid >> 8);
	out[3] = (uint8_t)up->mid;
	memcpy(out + 4, up->token, up->ntoken);
	if (at < sizeof(out))
		out[at] = tape_u8(&p->tape);
	world_forge_error(&p->world, &up->to, err, span_make(out,
	    4 + n % (sizeof(out) - 3)));
}

static void
step_error(struct play *p)
{
	static const int errors[] = { ECONNREFUSED, EHOSTUNREACH, EMSGSIZE,
		EPERM, ENETUNREACH };
	uint8_t which = tape_u8(&p->tape);

	if (which >= 0xf0) {
		forge_error(p, errors[which % 5]);
		return;
	}
	world_error(&p->world, &p->origins[which % PLAY_ORIGINS].addr,
	    errors[which / 16 % 5]);
}

static void
step_fail(struct play *p)
{
	static const int errors[] = { EAGAIN, ENOBUFS, EPERM, EMSGSIZE,
		ENETUNREACH };
	uint8_t how = tape_u8(&p->tape);
	int err = how != 255 ? errors[tape_u8(&p->tape) % 5] : 0;

	/* It is somebody else who says what fails. */
	if (p->setting->send_error != 0 || p->setting->socket_error)
		return;
	if (how == 255) {
		p->world.no_sockets = 1;
		return;
	}
	p->silent = true;
	world_fail_sends(&p->world, how >> 4, how & 15, err);
}

static void
step_pass(struct play *p)
{
	static const uint32_t units[] = { 1, 20, 100, 500, 1000, 2000, 5000,
		15000, 45000, 93000, 145000, 247000, 600000, 3600000, 21600000,
		86400000 };
	uint8_t how = tape_u8(&p->tape);

	play_pass(p, (uint64_t)units[how & 15] * (1u + (how >> 4)));
}

static void
step_stop(struct play *p)
{
	world_stop(&p->world, (uint64_t)tape_u8(&p->tape) * 1000);
}

static void
step_reload(struct play *p)
{
	unsigned conf = tape_u8(&p->tape) % play_confs;

	if (p->setting->conf != NULL)
		return;
	judge_state(p);		/* by the limits of before */
	if (!world_reload(&p->world, "conf", play_conf(conf)->text)) {
		play_require(p, p->setting->short_of_memory, p->world.why);
		return;
	}
	p->conf = conf;
	p->ratio = false;
	judge_conf(p);
}

static void
step_mode(struct play *p)
{
	uint8_t which = tape_u8(&p->tape);

	p->origins[which % PLAY_ORIGINS].mode = tape_u8(&p->tape);
	p->origins[which % PLAY_ORIGINS].version += which >> 4;
}

static void
step_names(struct play *p)
{
	static const char *const names[] = { "o.example", "slow.example",
		"two.example", "self.example" };
	uint8_t how = tape_u8(&p->tape);
	const struct addr *a = &p->origins[how >> 2 & 3].addr;

	world_name(&p->world, span_str(names[how & 3]),
	    (enum world_name)(how >> 6), a, 1);
}

static void
step_drain(struct play *p)
{
	/* Seldom: nothing is answered any more. */
	if (tape_u8(&p->tape) != 'd')
		return;
	proxy_drain(p->world.proxy);
	p->draining = true;
}

static void (*const steps[])(struct play *) = {
	step_request, step_request, step_answer, step_pass, step_octets,
	step_origin_octets, step_again, step_upload, step_acknowledge,
	step_origin_empty, step_notify, step_error, step_fail, step_stop,
	step_reload, step_mode, step_names, step_answer, step_pass, step_drain,
};

/* ---- the end ---- */

/* Everybody falls silent, and the proxy gives up whatever it is at. */
static void
run_out(struct play *p)
{
	if (p->setting->calm != NULL)
		p->setting->calm();
	world_fail_sends(&p->world, 0, 0, 0);
	p->world.no_sockets = 0;
	for (size_t i = 0; i < PLAY_ORIGINS; i++)
		p->origins[i].mode = 0;
	for (size_t i = 0; i < PLAY_CLIENTS; i++)
		p->clients[i].acks = false;
	/* Listeners that are retired are closed when time goes on. */
	play_pass(p, 1);
	for (unsigned i = 0; !world_idle(&p->world); i++) {
		play_require(p, i < END_TURNS, p->world.why);
		play_require(p, timers_next(&p->world.timers) != TIMER_NEVER,
		    p->world.why);
		play_pass(p, timers_next(&p->world.timers) - p->world.now + 1);
	}
}

/* A client nobody knows changes something. */
static void
probe(struct play *p)
{
	struct play_client *c = &p->clients[PLAY_PROBE];
	struct addr to = proxy_addr(p, c);
	const struct play_conf *conf = play_conf(p->conf);
	bool by_path = conf->proxy_uri == NULL || p->setting->conf != NULL;
	struct making k = { .n = 0 };
	struct coap_head h = { .code = COAP_PUT, .mid = 1,
		.token = SPAN_LIT("p") };
	uint8_t payload[8], out[PLAY_OCTETS];

	p->origins[0].mode = 1;
	p->inputs = 0;
	judge_mark(payload, PLAY_PROBE, 1);
	if (by_path) {
		make_opt(&k, COAP_OPT_URI_PATH, SPAN_LIT("a"));
		make_opt(&k, COAP_OPT_URI_PATH, SPAN_LIT("probe"));
	} else {
		make_opt(&k, COAP_OPT_PROXY_URI, span_str(conf->proxy_uri));
	}
	play_client_sends(p, c, &to, span_make(out, make_message(&k, &h,
	    span_make(payload, sizeof(payload)), out)));
	play_settle(p);
	play_pass(p, 1000);
	play_require(p, c->code == COAP_204, "a good request is not answered");
}

/* Nothing is left to fail. */
static bool
is_spent(const struct world *w)
{
	return w->failing == 0 && w->no_sockets == 0;
}

bool
play_run(struct tape tape, const struct play_setting *setting)
{
	static struct play p;
	uint8_t conf = tape_u8(&tape), acks;
	bool spent;

	log_level = LOG_ERROR;
	if (!play_init(&p, tape, conf & 0x7f, setting)) {
		play_fini(&p);
		return true;
	}
	for (size_t i = 0; i < PLAY_ORIGINS; i++)
		p.origins[i].mode = tape_u8(&p.tape);
	acks = tape_u8(&p.tape);
	for (size_t i = 0; i < PLAY_CLIENTS; i++)
		p.clients[i].acks = (acks >> i & 1) != 0;
	for (unsigned i = 0; i < STEPS && p.tape.n > 0; i++) {
		steps[tape_u8(&p.tape) % (sizeof(steps) / sizeof(steps[0]))](
		    &p);
		play_settle(&p);
	}
	spent = is_spent(&p.world);
	if ((conf & 0x80) == 0) {
		run_out(&p);
		judge_end(&p);
		if (!p.draining)
			probe(&p);
	}
	play_fini(&p);
	return spent;
}
