/*
 * code: what a code byte says about its message.
 *
 * Three questions decide most of the proxy's ways: is it a request or a
 * response, may it be repeated, may it be answered from the store. They are
 * asked per message, so the answers are plain comparisons.
 */
#include "coap/code.h"

/* RFC 7252 12.1.1, RFC 8132 9; the index is the code. */
static const char *const method_name[] = {
	NULL, "GET", "POST", "PUT", "DELETE", "FETCH", "PATCH", "iPATCH",
};

const char *
coap_code_str(uint8_t code, char out[8])
{
	unsigned detail = code & 0x1f;

	if (coap_method_known(code)) {
		memcpy(out, method_name[code], strlen(method_name[code]) + 1);
		return out;
	}
	out[0] = (char)('0' + coap_code_class(code));
	out[1] = '.';
	out[2] = (char)('0' + detail / 10);
	out[3] = (char)('0' + detail % 10);
	out[4] = '\0';
	return out;
}

static bool
digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

bool
coap_code_parse(struct span s, uint8_t *code)
{
	unsigned class, detail;

	for (uint8_t i = COAP_GET; i <= COAP_IPATCH; i++) {
		if (span_caseeq(s, span_str(method_name[i]))) {
			*code = i;
			return true;
		}
	}
	if (s.n != 4 || !digit(s.p[0]) || s.p[1] != '.' || !digit(s.p[2]) ||
	    !digit(s.p[3]))
		return false;
	class = s.p[0] - (unsigned)'0';
	detail = (s.p[2] - (unsigned)'0') * 10 + (s.p[3] - (unsigned)'0');
	if (class > 7 || detail > 31)
		return false;
	*code = (uint8_t)(class << 5 | detail);
	return true;
}
