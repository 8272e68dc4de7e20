/* hex: octets for tests, written as in the specifications. */
#ifndef TESTS_HEX_H
#define TESTS_HEX_H

#include <check.h>
#include <stdlib.h>

#include "base/span.h"

/* The first N octets of S in an allocation of exactly that size, so that a
 * sanitizer sees every read behind them. Free with hex_free(). */
static inline struct span
exact_dup(struct span s, size_t n)
{
	uint8_t *p = malloc(n);

	ck_assert(p != NULL || n == 0);
	if (n > 0)
		memcpy(p, s.p, n);
	return span_make(p, n);
}

/* Fails with a value above 15. */
static inline unsigned
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return (unsigned)(c - '0');
	return c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10) : 16;
}

/* The octets of TEXT, "41 01 12 34", likewise in an exact allocation. */
static inline struct span
hex_dup(const char *text)
{
	uint8_t octets[512];
	bool ok = true;
	size_t n = 0;

	while (ok && *text != '\0') {
		unsigned high, low;

		if (*text == ' ') {
			text++;
			continue;
		}
		high = hex_digit(text[0]);
		low = hex_digit(text[1]);
		ok = high < 16 && low < 16 && n < sizeof(octets);
		if (ok)
			octets[n++] = (uint8_t)(high << 4 | low);
		text += 2;
	}
	ck_assert(ok);
	return exact_dup(span_make(octets, n), n);
}

static inline void
hex_free(struct span s)
{
	free((void *)(uintptr_t)s.p);
}

static inline void
assert_span(struct span got, struct span want)
{
	ck_assert_uint_eq(got.n, want.n);
	if (want.n > 0)
		ck_assert_mem_eq(got.p, want.p, want.n);
}

static inline void
assert_hex(struct span got, const char *want)
{
	struct span s = hex_dup(want);

	assert_span(got, s);
	hex_free(s);
}

#endif
