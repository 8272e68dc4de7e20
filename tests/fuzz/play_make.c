/*
 * play_make: options from a list, values in a few ways.
 */
#include "play_make.h"

#include <string.h>

#include "coap/block.h"

static const char *const texts[] = {
	"coap://198.51.100.1/x", "coap://o.example/a?b", "coap://two.example",
	"coap://slow.example:5690/", "coap://dead.example/d",
	"coap://no.example/", "coap://[2001:db8:9::1]/t", "coap://lo.example/",
	"coap://self.example/", "coap://192.0.2.1/a", "coap://127.0.0.1:99/",
	"http://x/", "coap", "coaps", "coap+tcp", "h.example", "x.h.example",
	"a", "b", "n", "r", "x", "", ".well-known", "core", "198.51.100.1",
	"coap://198.51.100.3:5690/", "slow.example", "rt=a", "href=/a/*",
	"coap://198.51.100.2:5684/%41/./b/../c?d&e", "192.0.2.1",
};

void
make_opt(struct making *k, uint16_t number, struct span value)
{
	size_t i = k->n;

	if (k->n == MAKE_OPTS || value.n > sizeof(k->space) - k->used)
		return;
	if (value.n > 0)
		memcpy(k->space + k->used, value.p, value.n);
	while (i > 0 && k->v[i - 1].number > number) {
		k->v[i] = k->v[i - 1];
		i--;
	}
	k->v[i] = (struct make_opt){ number,
		span_make(k->space + k->used, value.n) };
	k->used += value.n;
	k->n++;
}

void
make_uint(struct making *k, uint16_t number, uint32_t v)
{
	uint8_t octets[4] = { (uint8_t)(v >> 24), (uint8_t)(v >> 16),
		(uint8_t)(v >> 8), (uint8_t)v };
	size_t zeros = 0;

	while (zeros < 4 && octets[zeros] == 0)
		zeros++;
	make_opt(k, number, span_make(octets + zeros, 4 - zeros));
}

void
make_target(struct making *k, uint8_t what)
{
	static const struct {
		uint16_t number;
		const char *value;
	} targets[][3] = {
		{ { COAP_OPT_URI_PATH, "a" }, { COAP_OPT_URI_PATH, "x" } },
		{ { COAP_OPT_URI_PATH, "b" } },
		{ { COAP_OPT_URI_PATH, "n" }, { COAP_OPT_URI_QUERY, "q=1" } },
		{ { COAP_OPT_URI_PATH, "r" } },
		{ { COAP_OPT_URI_PATH, ".well-known" },
			{ COAP_OPT_URI_PATH, "core" } },
		{ { COAP_OPT_URI_HOST, "h.example" },
			{ COAP_OPT_URI_PATH, "z" } },
		{ { COAP_OPT_PROXY_URI, "coap://198.51.100.1/x" } },
		{ { COAP_OPT_PROXY_URI, "coap://o.example/x" } },
		{ { COAP_OPT_URI_HOST, "slow.example" },
			{ COAP_OPT_URI_PATH, "s" },
			{ COAP_OPT_PROXY_SCHEME, "coap" } },
		{ { COAP_OPT_PROXY_URI, "coap://two.example/x" } },
		{ { COAP_OPT_URI_PATH, "a" }, { COAP_OPT_URI_PATH, "y" } },
		{ { 0, NULL } },
	};
	size_t n = sizeof(targets) / sizeof(targets[0]);

	for (size_t i = 0; i < 3; i++)
		if (targets[what % n][i].value != NULL)
			make_opt(k, targets[what % n][i].number,
			    span_str(targets[what % n][i].value));
}

static uint16_t
take_number(struct tape *t)
{
	/* Not those of the registry, so that an input stays what it is. */
	static const uint16_t numbers[] = { 1, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13,
		14, 15, 16, 17, 19, 20, 21, 23, 27, 28, 31, 35, 39, 60, 235,
		239, 252, 258, 292, 2048, 65001 };
	uint8_t which = tape_u8(t);

	if (which == 0xff) {
		which = tape_u8(t);
		return (uint16_t)(which << 8 | tape_u8(t));
	}
	return numbers[which % (sizeof(numbers) / sizeof(numbers[0]))];
}

void
make_option(struct making *k, struct tape *t, const struct play_client *c)
{
	uint16_t number = take_number(t);
	uint8_t kind = tape_u8(t);
	struct coap_block b;

	if (kind < 0x40) {
		make_opt(k, number, tape_span(t, kind));
	} else if (kind < 0x80) {
		make_uint(k, number, kind - 0x40u);
	} else if (kind < 0xa0) {
		b.szx = kind & 7;
		b.more = (kind & 8) != 0;
		b.num = tape_u8(t);
		if ((kind & 0x10) != 0)
			b.num = b.num << 12 | tape_u8(t);
		make_uint(k, number, coap_block_value(&b));
	} else if (kind < 0xa8 && c != NULL) {
		make_opt(k, number, span_make(c->echo, c->necho));
	} else if (kind < 0xb0 && c != NULL) {
		make_opt(k, number, span_make(c->etag, c->netag));
	} else if (kind < 0xc0) {
		make_uint(k, number, UINT32_C(1) << (kind & 15) * 2);
	} else {
		make_opt(k, number, span_str(
			texts[kind % (sizeof(texts) / sizeof(texts[0]))]));
	}
}

size_t
make_message(const struct making *k, const struct coap_head *h,
    struct span payload, uint8_t out[PLAY_OCTETS])
{
	uint8_t space[1600];
	struct writer w = writer_make(space, sizeof(space));
	struct coap_optw o = coap_optw(&w);

	for (size_t i = 0; i < k->n; i++)
		coap_put_opt(&o, k->v[i].number, k->v[i].value);
	return coap_emit(out, PLAY_OCTETS, h, writer_span(&w), payload);
}

struct span
make_payload(struct tape *t, uint8_t out[MAKE_PAYLOAD])
{
	uint8_t kind = tape_u8(t);
	struct span s;

	if (kind >= 0x80) {
		size_t n = (kind & 0x7fu) * 4u + 16u;

		memset(out, tape_u8(t), n);
		return span_make(out, n);
	}
	s = tape_span(t, kind);
	if (s.n > 0)
		memcpy(out, s.p, s.n);
	judge_clean(out, s.n);
	return span_make(out, s.n);
}
