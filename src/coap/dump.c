/*
 * dump: a message as text.
 *
 * What a peer sent is written so that no octet of it can act on a terminal or
 * fake a second log line. An option is named when the parser recognised it and
 * numbered when it did not: the line shows how the message was understood.
 */
#include "coap/dump.h"

#include <stdio.h>

#include "base/writer.h"
#include "coap/block.h"

static const char digits[] = "0123456789abcdef";

static void
put_str(struct writer *w, const char *s)
{
	writer_span_put(w, span_str(s));
}

static void
put_number(struct writer *w, size_t v)
{
	char text[24];

	snprintf(text, sizeof(text), "%zu", v);
	put_str(w, text);
}

static void
put_hex(struct writer *w, struct span s)
{
	for (size_t i = 0; i < s.n; i++) {
		char pair[] = { digits[s.p[i] >> 4], digits[s.p[i] & 15] };

		writer_put(w, pair, sizeof(pair));
	}
}

static void
put_quoted(struct writer *w, struct span s)
{
	writer_u8(w, '"');
	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i];

		if (c >= 0x20 && c <= 0x7e && c != '"' && c != '\\') {
			writer_u8(w, c);
		} else {
			char text[] = { '\\', 'x', digits[c >> 4],
				digits[c & 15] };

			writer_put(w, text, sizeof(text));
		}
	}
	writer_u8(w, '"');
}

static void
put_block(struct writer *w, struct span value)
{
	struct coap_block b = coap_block_get(value);

	put_number(w, b.num);
	put_str(w, b.more ? "/1/" : "/0/");
	if (b.szx == COAP_SZX_RESERVED)
		put_str(w, "reserved");
	else
		put_number(w, coap_block_size(&b));
}

static void
put_value(struct writer *w, const struct coap_opt_def *def, struct span value)
{
	switch (def->format) {
	case COAP_F_EMPTY:
		return;
	case COAP_F_OPAQUE:
		writer_u8(w, '=');
		put_hex(w, value);
		return;
	case COAP_F_STRING:
		writer_u8(w, '=');
		put_quoted(w, value);
		return;
	case COAP_F_UINT:
		writer_u8(w, '=');
		if (def->number == COAP_OPT_BLOCK1 ||
		    def->number == COAP_OPT_BLOCK2)
			put_block(w, value);
		else
			put_number(w, coap_uint(value));
		return;
	}
}

static void
put_options(struct writer *w, const struct coap_msg *m)
{
	struct coap_opt_iter it;

	coap_opts(&it, m);
	while (coap_opts_next(&it)) {
		writer_u8(w, ' ');
		if (it.def != NULL) {
			put_str(w, it.def->name);
			put_value(w, it.def, it.value);
			continue;
		}
		put_str(w, "opt");
		put_number(w, it.number);
		writer_u8(w, '=');
		put_hex(w, it.value);
	}
}

const char *
coap_dump(const struct coap_msg *m, char *out, size_t cap)
{
	static const char *const types[] = { "CON ", "NON ", "ACK ", "RST " };
	uint8_t mid[] = { (uint8_t)(m->mid >> 8), (uint8_t)m->mid };
	struct writer w;
	char code[8];

	if (cap == 0)
		return out;
	w = writer_make((uint8_t *)out, cap - 1);
	put_str(&w, types[m->type & 3]);
	put_str(&w, coap_code_str(m->code, code));
	put_str(&w, " mid=0x");
	put_hex(&w, span_make(mid, sizeof(mid)));
	if (m->token.n > 0) {
		put_str(&w, " token=");
		put_hex(&w, m->token);
	}
	put_options(&w, m);
	if (m->payload.n > 0) {
		put_str(&w, " payload=");
		put_number(&w, m->payload.n);
	}
	*w.cur = '\0';
	return out;
}
