#include "blocks.h"

#include <check.h>
#include <stdio.h>

#include "coap/emit.h"

const struct coap_msg *
block_make(struct block_msg *b)
{
	struct writer w = writer_make(b->octets, sizeof(b->octets));
	struct coap_optw o = coap_optw(&w);

	if (coap_code_kind(b->code) == COAP_KIND_REQUEST)
		coap_put_opt(&o, COAP_OPT_URI_PATH, SPAN_LIT("t"));
	if (b->block != NULL)
		coap_put_uint(&o, COAP_OPT_BLOCK1, coap_block_value(b->block));
	if (b->size1 > 0)
		coap_put_uint(&o, COAP_OPT_SIZE1, b->size1);
	if (b->tag.p != NULL)
		coap_put_opt(&o, COAP_OPT_REQUEST_TAG, b->tag);
	ck_assert(!w.full);
	b->msg = (struct coap_msg){ .code = b->code, .payload = b->payload };
	ck_assert(coap_parse_opts(&b->msg, writer_span(&w)));
	return &b->msg;
}

void
block_fill(uint8_t *body, size_t n, struct rand *rnd)
{
	for (size_t i = 0; i < n; i++)
		body[i] = (uint8_t)rand_u64(rnd);
}

const char *
block_runs(const uint8_t *body, size_t n)
{
	static char text[256];
	size_t len = 0, run;

	text[0] = '\0';
	for (size_t i = 0; i < n; i += run) {
		run = 1;
		while (i + run < n && body[i + run] == body[i])
			run++;
		len += (size_t)snprintf(text + len, sizeof(text) - len,
		    "%s%c%zu", i == 0 ? "" : " ", body[i], run);
		ck_assert_uint_lt(len, sizeof(text));
	}
	return text;
}
