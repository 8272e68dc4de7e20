/*
 * filter: links against queries.
 */
#include "proxy/filter.h"

#include "coap/pct.h"

bool
filters_read(struct filters *fs, const struct coap_msg *m)
{
	struct coap_opt_iter it;

	fs->n = 0;
	if (!coap_has(m, COAP_OPT_URI_QUERY))
		return true;
	coap_opts(&it, m);
	while (coap_opts_next(&it)) {
		struct span s = it.value;
		struct filter *f = &fs->v[fs->n];
		const uint8_t *eq;

		if (it.number != COAP_OPT_URI_QUERY || s.n == 0)
			continue;
		if (fs->n == FILTERS_MAX)
			return false;
		eq = memchr(s.p, '=', s.n);
		*f = (struct filter){ .name = s, .has_value = eq != NULL };
		if (eq != NULL) {
			f->name.n = (size_t)(eq - s.p);
			f->value = span_make(eq + 1, s.n - f->name.n - 1);
			f->prefix = f->value.n > 0 &&
			    f->value.p[f->value.n - 1] == '*';
			f->value.n -= f->prefix;
		}
		fs->n++;
	}
	return true;
}

/* A value being compared, octet by octet. */
struct compare {
	const struct filter *f;
	size_t n;		/* octets seen */
	bool same;		/* so far */
};

static struct compare
compare_begin(const struct filter *f)
{
	return (struct compare){ .f = f, .same = true };
}

static void
compare_octet(struct compare *c, uint8_t octet)
{
	if (c->n < c->f->value.n)
		c->same = c->same && c->f->value.p[c->n] == octet;
	else
		c->same = c->same && c->f->prefix;
	c->n++;
}

static bool
compare_end(const struct compare *c)
{
	return c->same && c->n >= c->f->value.n;
}

/* Whether a value of A is a list of words, each of which counts: those that are
 * relation-types (RFC 6690 2), and ct (RFC 7252 7.2.1). */
static bool
is_words(const struct coap_attr *a)
{
	static const char *const names[] = { "rt", "if", "rel", "rev", "ct" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (coap_attr_is(a, names[i]))
			return true;
	return false;
}

static bool
take_value(const struct filter *f, const struct coap_attr *a)
{
	struct compare c = compare_begin(f);
	struct span rest = a->value;
	bool words = is_words(a);
	uint8_t octet;

	while (coap_attr_octet(a, &rest, &octet)) {
		if (!words || octet != ' ') {
			compare_octet(&c, octet);
			continue;
		}
		if (c.n > 0 && compare_end(&c))
			return true;
		c = compare_begin(f);
	}
	return compare_end(&c);
}

/* As it stands in the list, or decoded: a client that knows "/a b" asks for
 * that, and one that took "/a%20b" from the list for this. */
static bool
take_target(const struct filter *f, struct span target)
{
	struct compare raw = compare_begin(f), plain = compare_begin(f);

	for (size_t i = 0; i < target.n; i++)
		compare_octet(&raw, target.p[i]);
	for (size_t i = 0; i < target.n; i++) {
		uint8_t c = target.p[i];

		if (c == '%' && target.n - i > 2 &&
		    pct_hex(target.p[i + 1]) >= 0 &&
		    pct_hex(target.p[i + 2]) >= 0) {
			c = (uint8_t)(pct_hex(target.p[i + 1]) << 4 |
			    pct_hex(target.p[i + 2]));
			i += 2;
		}
		compare_octet(&plain, c);
	}
	return compare_end(&raw) || compare_end(&plain);
}

static bool
take(const struct filter *f, const struct coap_link_iter *link)
{
	struct coap_attr a;

	if (span_caseeq(f->name, SPAN_LIT("href")))
		return !f->has_value || take_target(f, link->target);
	coap_attrs(&a, link->attrs);
	while (coap_attrs_next(&a))
		if (span_caseeq(a.name, f->name) &&
		    (!f->has_value || take_value(f, &a)))
			return true;
	return false;
}

bool
filters_take(const struct filters *fs, const struct coap_link_iter *link)
{
	for (size_t i = 0; i < fs->n; i++)
		if (!take(&fs->v[i], link))
			return false;
	return true;
}
