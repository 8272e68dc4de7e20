/*
 * key: the canonical octets of a request.
 *
 *	method, scheme, port, host, length of the payload that counts,
 *	{number, length, value} of each option that counts, that payload
 *
 * Everything of variable length is preceded by its length and the payload's
 * stands before the options, so no two different requests have the same
 * octets. Target first, since that is what people vary; values as they came,
 * without a reading of numbers: a miss too many is cheaper than a wrong hit.
 */
#include "coap/key.h"

enum { HOST_NAME = 0, HOST_ADDR = 1 };

/* The row whose duty decides about the option at IT; NULL for those nobody
 * here can read. The proxy passes safe ones on, so all of these may change the
 * answer (CAC-03). Unsafe ones only get past it where it knows their number:
 * a Max-Age it is told to overlook, say. */
static const struct coap_opt_def *
deciding_row(const struct coap_opt_iter *it)
{
	if (it->def == NULL && coap_opt_unsafe(it->number))
		return coap_opt(it->number);
	return it->def;
}

/* RFC 7252 5.4.2, 5.6; CAC-04. */
static bool
in_key(const struct coap_opt_iter *it)
{
	const struct coap_opt_def *def = deciding_row(it);

	if (coap_opt_nocachekey(it->number))
		return false;
	if (def == NULL)
		return true;
	switch (def->duty) {
	case COAP_DUTY_FORWARD:
		return def->number != COAP_OPT_ETAG &&
		    def->number != COAP_OPT_REQUEST_TAG;
	case COAP_DUTY_TARGET:
		/* Host, port and scheme come as arguments. */
		return def->number == COAP_OPT_URI_PATH ||
		    def->number == COAP_OPT_URI_QUERY;
	case COAP_DUTY_HOP:
	case COAP_DUTY_NONE:
		break;
	}
	return false;
}

/* An address counts by its octets, which tell its family and its zone. */
static void
put_host(struct writer *w, const struct coap_host *host)
{
	if (!host->literal) {
		writer_u8(w, HOST_NAME);
		writer_u8(w, (uint8_t)host->text.n);
		writer_span_put(w, host->text);
		return;
	}
	writer_u8(w, HOST_ADDR);
	writer_span_put(w, addr_span(&host->addr));
}

static void
put_options(struct writer *w, const struct coap_msg *m)
{
	struct coap_opt_iter it;

	coap_opts(&it, m);
	while (coap_opts_next(&it)) {
		if (!in_key(&it))
			continue;
		writer_u16(w, it.number);
		writer_u32(w, (uint32_t)it.value.n);
		writer_span_put(w, it.value);
	}
}

bool
coap_key_make(struct coap_key *key, struct writer *w,
    const struct siphash_key *secret, const struct coap_msg *m,
    enum coap_scheme scheme, const struct coap_host *host, uint16_t port)
{
	const uint8_t *start = w->cur;
	struct span body = { NULL, 0 };

	/* RFC 8132 2.1: the payload of a FETCH is part of the question. */
	if (m->code == COAP_FETCH)
		body = m->payload;
	writer_u8(w, m->code);
	writer_u8(w, (uint8_t)scheme);
	writer_u16(w, port);
	put_host(w, host);
	writer_u32(w, (uint32_t)body.n);
	put_options(w, m);
	writer_span_put(w, body);
	key->octets = span_make(start, (size_t)(w->cur - start));
	key->hash = siphash(secret, key->octets);
	return !w->full;
}
