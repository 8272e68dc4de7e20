/*
 * fresh: rules of RFC 7252 5.6 as tables and walks over options.
 */
#include "proxy/fresh.h"

/* ---- what may be stored ---- */

enum fresh_use
fresh_use(const struct coap_msg *m)
{
	/* OSCORE and EDHOC are between the two ends; a condition is for the
	 * origin to decide (PRX-41). */
	static const uint64_t passes = UINT64_C(1) << COAP_OPT_OSCORE |
	    UINT64_C(1) << COAP_OPT_EDHOC | UINT64_C(1) << COAP_OPT_IF_MATCH |
	    UINT64_C(1) << COAP_OPT_IF_NONE_MATCH;

	if (!coap_method_safe(m->code) || m->unknown_unsafe != 0 ||
	    (m->has & passes) != 0)
		return FRESH_PASS;
	return coap_has(m, COAP_OPT_ECHO) ? FRESH_STORE : FRESH_LOOKUP;
}

/* Of the codes that are errors, those that say something about one exchange
 * only, or about one client (CAC-15). */
static bool
error_storable(uint8_t code, bool added)
{
	switch (code) {
	case COAP_401:		/* RFC 9175 2.2.1: a challenge */
	case COAP_408:
	case COAP_412:
	case COAP_413:
	case COAP_508:
		return false;
	case COAP_402:
		return !added;
	default:
		return true;
	}
}

static bool
code_storable(uint8_t code, bool added)
{
	switch (coap_code_class(code)) {
	case 2:
		/* Not 2.01, 2.02, 2.03, 2.04 and 2.31, nor what is unknown
		 * (RFC 7252 5.6, 5.9.1). */
		return code == COAP_205;
	case 4:
	case 5:
		/* What is unknown counts as 4.00 or 5.00. */
		return error_storable(code, added);
	default:
		return false;
	}
}

/* Location-Path, Location-Query and the numbers reserved for more of them (RFC
 * 7252 5.10.7). */
static bool
is_location(uint16_t number)
{
	switch (number) {
	case COAP_OPT_LOCATION_PATH:
	case COAP_OPT_LOCATION_QUERY:
	case 128:
	case 132:
	case 136:
	case 140:
		return true;
	default:
		return false;
	}
}

bool
fresh_storable(const struct coap_msg *m, bool added)
{
	struct coap_opt_iter it;

	if (!code_storable(m->code, added) || m->unknown_unsafe != 0 ||
	    fresh_max_age(m) == 0)
		return false;
	coap_opts(&it, m);
	while (coap_opts_next(&it))
		if (is_location(it.number) || it.number == COAP_OPT_ECHO ||
		    it.number == COAP_OPT_OSCORE)
			return false;
	return true;
}

/* ---- how long ---- */

uint32_t
fresh_max_age(const struct coap_msg *m)
{
	uint32_t v = FRESH_DEFAULT;

	coap_get_uint(m, COAP_OPT_MAX_AGE, &v);
	return v;
}

uint32_t
fresh_age(uint64_t stored, uint64_t now)
{
	uint64_t ms = now > stored ? now - stored : 0;
	uint64_t s = ms / 1000 + (ms % 1000 != 0);

	return s < UINT32_MAX ? (uint32_t)s : UINT32_MAX;
}

/* ---- options ---- */

/* Whether the option at IT is stored. By its number: a surplus one that the
 * parser did not recognise means no more than the first. */
static bool
stays(const struct coap_opt_iter *it)
{
	switch (it->number) {
	case COAP_OPT_OBSERVE:
	case COAP_OPT_MAX_AGE:
	case COAP_OPT_BLOCK1:
	case COAP_OPT_BLOCK2:
	case COAP_OPT_SIZE2:
	case COAP_OPT_ECHO:
		return false;
	case COAP_OPT_ETAG:
		return it->def != NULL;	/* the first */
	default:
		return !is_location(it->number);
	}
}

bool
fresh_put_stored(const struct coap_msg *m, struct writer *w)
{
	struct coap_optw out = coap_optw(w);
	struct coap_opt_iter it;

	coap_opts(&it, m);
	while (coap_opts_next(&it))
		if (stays(&it))
			coap_put_opt(&out, it.number, it.value);
	return !w->full;
}

bool
fresh_put_kept(const struct coap_msg *m, struct writer *w)
{
	struct coap_optw out = coap_optw(w);
	struct coap_opt_iter it;

	coap_opts(&it, m);
	while (coap_opts_next(&it))
		if (stays(&it) || it.number == COAP_OPT_ECHO)
			coap_put_opt(&out, it.number, it.value);
	return !w->full;
}

/* Moves to the next option of a 2.03 that counts for stored ones. */
static bool
next_update(struct coap_opt_iter *it)
{
	while (coap_opts_next(it))
		if (it->number != COAP_OPT_ETAG && stays(it) &&
		    !coap_opt_unsafe(it->number))
			return true;
	return false;
}

bool
fresh_updates(const struct coap_msg *m)
{
	struct coap_opt_iter it;

	coap_opts(&it, m);
	return next_update(&it);
}

/* Options of a 2.05 that are read one after the other. */
static struct coap_opt_iter
walk(struct span opts)
{
	struct coap_msg m = { .code = COAP_205, .opts = opts };
	struct coap_opt_iter it;

	coap_opts(&it, &m);
	return it;
}

bool
fresh_put_updated(struct span stored, const struct coap_msg *m,
    struct writer *w)
{
	struct coap_opt_iter old = walk(stored), new;
	struct coap_optw out = coap_optw(w);
	bool more_old = coap_opts_next(&old), more_new;
	uint32_t replaced = UINT32_MAX;	/* the number written last from M */

	coap_opts(&new, m);
	more_new = next_update(&new);
	while (more_old || more_new) {
		if (more_new && (!more_old || new.number <= old.number)) {
			coap_put_opt(&out, new.number, new.value);
			replaced = new.number;
			more_new = next_update(&new);
			continue;
		}
		if (old.number != replaced)
			coap_put_opt(&out, old.number, old.value);
		more_old = coap_opts_next(&old);
	}
	return !w->full;
}

/* The options of a fresh_extra, ascending. */
enum { EXTRAS = 6 };

struct extra {
	uint16_t number;
	uint32_t v;
};

static size_t
list_extras(const struct fresh_extra *x, struct extra out[EXTRAS])
{
	size_t n = 0;

	if (x->etag.n > 0)
		out[n++] = (struct extra){ COAP_OPT_ETAG, 0 };
	if ((x->has & FRESH_HAS_OBSERVE) != 0)
		out[n++] = (struct extra){ COAP_OPT_OBSERVE, x->observe };
	if (x->max_age != FRESH_DEFAULT)
		out[n++] = (struct extra){ COAP_OPT_MAX_AGE, x->max_age };
	if ((x->has & FRESH_HAS_BLOCK2) != 0)
		out[n++] = (struct extra){ COAP_OPT_BLOCK2, x->block2 };
	if ((x->has & FRESH_HAS_BLOCK1) != 0)
		out[n++] = (struct extra){ COAP_OPT_BLOCK1, x->block1 };
	if ((x->has & FRESH_HAS_SIZE2) != 0)
		out[n++] = (struct extra){ COAP_OPT_SIZE2, x->size2 };
	return n;
}

static void
put_extra(struct coap_optw *out, const struct extra *e, struct span etag)
{
	if (e->number == COAP_OPT_ETAG)
		coap_put_opt(out, e->number, etag);
	else
		coap_put_uint(out, e->number, e->v);
}

bool
fresh_put_answer(struct span stored, const struct fresh_extra *x,
    struct writer *w)
{
	struct coap_walk s = coap_walk(stored);
	struct coap_optw out = coap_optw(w);
	struct extra extras[EXTRAS];
	size_t n = list_extras(x, extras), next = 0;
	const uint8_t *run = stored.p;	/* encoded, not yet written */

	while (next < n) {
		const uint8_t *at = s.cur;
		uint16_t before = s.number;
		bool more = coap_walk_next(&s);

		if (more && s.number <= extras[next].number)
			continue;
		if (at != run) {
			writer_put(w, run, (size_t)(at - run));
			out.last = before;
		}
		do
			put_extra(&out, &extras[next++], x->etag);
		while (next < n &&
		    (!more || extras[next].number < s.number));
		if (more)
			coap_put_opt(&out, s.number, s.value);
		run = s.cur;
	}
	writer_put(w, run, (size_t)(s.end - run));
	return !w->full;
}
