/*
 * pct: percent-encoding.
 *
 * Every octet of a client's URI passes here and most are plain, so the sets
 * are bits of one table. Octets from 0x80 on are in no set: a URI is ASCII
 * (RFC 3986 2), and UTF-8 stands in it as triplets.
 */
#include "coap/pct.h"

enum {
	U = PCT_UNRESERVED,
	S = PCT_SUB_DELIMS,
	A = PCT_AMPERSAND,
	C = PCT_COLON,
	T = PCT_AT,
	P = PCT_SLASH,
	Q = PCT_QUESTION,
};

const uint8_t pct_sets[256] = {
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	0, S, 0, 0, S, 0, A, S, S, S, S, S, S, U, U, P,
	U, U, U, U, U, U, U, U, U, U, C, S, 0, S, 0, Q,
	T, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U,
	U, U, U, U, U, U, U, U, U, U, U, 0, 0, 0, 0, U,
	0, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U,
	U, U, U, U, U, U, U, U, U, U, U, 0, 0, 0, U, 0,
};

int
pct_hex(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = span_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool
pct_ok(struct span s, unsigned set)
{
	for (size_t i = 0; i < s.n; i++) {
		if (pct_in(s.p[i], set))
			continue;
		if (s.p[i] != '%' || s.n - i < 3 || pct_hex(s.p[i + 1]) < 0 ||
		    pct_hex(s.p[i + 2]) < 0)
			return false;
		i += 2;
	}
	return true;
}

bool
pct_decode(struct span s, uint8_t *out, size_t cap, size_t *n)
{
	*n = 0;
	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i];

		if (*n == cap)
			return false;
		if (c == '%') {
			c = (uint8_t)(pct_hex(s.p[i + 1]) * 16 +
			    pct_hex(s.p[i + 2]));
			i += 2;
		}
		out[(*n)++] = c;
	}
	return true;
}

void
pct_put(struct writer *w, struct span s, unsigned set)
{
	static const char digits[] = "0123456789ABCDEF";

	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i];
		char triplet[] = { '%', digits[c >> 4], digits[c & 15] };

		if (pct_in(c, set))
			writer_u8(w, c);
		else
			writer_put(w, triplet, sizeof(triplet));
	}
}
