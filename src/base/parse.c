/*
 * parse: strict reading of numbers and what is built on them.
 *
 * One digit loop that refuses overflow; units are rows of a table, scaled with
 * the same care.
 */
#include "base/parse.h"

struct unit {
	struct span name;
	uint64_t factor;
};

#define UNIT(s, f) { { (const uint8_t *)(s), sizeof(s) - 1 }, (f) }

static const struct unit durations[] = {
	UNIT("ms", 1),
	UNIT("s", 1000),
	UNIT("m", 60 * 1000),
	UNIT("h", 60 * 60 * 1000),
	UNIT("d", 24 * 60 * 60 * 1000),
};

static const struct unit sizes[] = {
	UNIT("", 1),
	UNIT("K", 1024),
	UNIT("M", 1024 * 1024),
	UNIT("G", 1024 * 1024 * 1024),
};

static inline bool
is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static size_t
count_digits(struct span s)
{
	size_t n = 0;

	while (n < s.n && is_digit(s.p[n]))
		n++;
	return n;
}

bool
parse_u64(struct span s, uint64_t *out)
{
	uint64_t v = 0;

	if (s.n == 0)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		uint8_t d = (uint8_t)(s.p[i] - '0');

		if (d > 9 || v > UINT64_MAX / 10 || v * 10 > UINT64_MAX - d)
			return false;
		v = v * 10 + d;
	}
	*out = v;
	return true;
}

/* A number and one of the N units of U. */
static bool
parse_scaled(struct span s, const struct unit *u, size_t n, uint64_t *out)
{
	size_t digits = count_digits(s);
	struct span rest;
	uint64_t v;

	if (digits == 0 || !parse_u64(span_make(s.p, digits), &v))
		return false;
	rest = span_make(s.p + digits, s.n - digits);
	for (size_t i = 0; i < n; i++) {
		if (!span_eq(rest, u[i].name))
			continue;
		if (v > UINT64_MAX / u[i].factor)
			return false;
		*out = v * u[i].factor;
		return true;
	}
	return false;
}

bool
parse_duration(struct span s, uint64_t *ms)
{
	if (span_eq(s, SPAN_LIT("0"))) {
		*ms = 0;
		return true;
	}
	return parse_scaled(s, durations,
	    sizeof(durations) / sizeof(durations[0]), ms);
}

bool
parse_size(struct span s, uint64_t *octets)
{
	return parse_scaled(s, sizes, sizeof(sizes) / sizeof(sizes[0]),
	    octets);
}

bool
parse_bool(struct span s, bool *out)
{
	bool yes = span_eq(s, SPAN_LIT("yes"));

	if (!yes && !span_eq(s, SPAN_LIT("no")))
		return false;
	*out = yes;
	return true;
}

bool
parse_milli(struct span s, uint32_t *out)
{
	size_t whole = count_digits(s);
	size_t places = s.n > whole ? s.n - whole - 1 : 0;
	uint64_t v, frac = 0;

	if (!parse_u64(span_make(s.p, whole), &v) || v > UINT32_MAX / 1000)
		return false;
	if (s.n > whole) {
		if (s.p[whole] != '.' || places > 3 ||
		    !parse_u64(span_make(s.p + whole + 1, places), &frac))
			return false;
	}
	for (; places < 3; places++)
		frac *= 10;
	v = v * 1000 + frac;
	if (v > UINT32_MAX)
		return false;
	*out = (uint32_t)v;
	return true;
}
