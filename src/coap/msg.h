/*
 * msg: a datagram parsed once, in place.
 *
 * coap_parse() makes one pass over the datagram, checks every option against
 * the registry and leaves facts (which options are present, whether any is
 * unknown) and views into the datagram. Later stages read the facts; nobody
 * validates again. Options are visited with an iterator: a proxied message has
 * about ten, and a scan of ten is faster than any index.
 */
#ifndef COAP_MSG_H
#define COAP_MSG_H

#include "base/span.h"
#include "coap/code.h"
#include "coap/option.h"

enum coap_type { COAP_CON, COAP_NON, COAP_ACK, COAP_RST };

enum { COAP_TOKEN_MAX = 64 };	/* longest token accepted (RFC 8974, MSG-49) */

struct coap_msg {
	uint8_t type;		/* enum coap_type */
	uint8_t code;
	uint16_t mid;
	bool known;		/* every option is recognised; false when some
				 * is not, or nobody has looked */
	struct span token;
	struct span opts;	/* wire encoding, without the payload marker */
	struct span payload;	/* empty where the code has none (MSG-20) */
	uint64_t has;		/* coap_opt_bit() of each recognised option */
	uint32_t unknown_critical;	/* number of the first such, or 0 */
	uint32_t unknown_unsafe;	/* likewise; critical or elective */
};

enum coap_parse {
	COAP_PARSE_OK,
	COAP_PARSE_IGNORE,	/* too short or another version: no trace */
	COAP_PARSE_BAD,		/* message format error: type, code and mid are
				 * valid; the token too when token.p != NULL */
};

/* Parses DATAGRAM (RFC 7252 3; RFC 8974 2.1). M borrows from it. Recognised
 * means: in the registry with a duty, of a legal length (MSG-17), the first
 * of its kind unless repeatable (MSG-18), defined for the code (MSG-19). */
enum coap_parse coap_parse(struct coap_msg *m, struct span datagram);

/* Fills opts, has, unknown_* of M, whose code is set, from encoded options:
 * the second half of coap_parse(), for options that come from elsewhere.
 * False on a format error. OPTS must not contain a payload marker. */
bool coap_parse_opts(struct coap_msg *m, struct span opts);

/* Likewise of options that end with a payload marker; *REST is what is behind
 * it. False, too, when there is none. */
bool coap_parse_marked(struct coap_msg *m, struct span opts,
    struct span *rest);

struct coap_opt_iter {
	const uint8_t *cur, *end;
	uint8_t code;		/* of the message */
	uint16_t number;
	struct span value;
	const struct coap_opt_def *def;	/* NULL: counts as unrecognised */
	uint32_t seen;		/* number of the option before, or UINT32_MAX */
};

/* Options of M in order; M was parsed. */
void coap_opts(struct coap_opt_iter *it, const struct coap_msg *m);

/* Moves to the next option; false at the end. */
bool coap_opts_next(struct coap_opt_iter *it);

/* A walk over options that were parsed, for who needs no registry. */
struct coap_walk {
	const uint8_t *cur, *end;
	uint16_t number;
	struct span value;
};

static inline struct coap_walk
coap_walk(struct span opts)
{
	return (struct coap_walk){
		.cur = opts.p,
		.end = opts.n > 0 ? opts.p + opts.n : opts.p,
	};
}

/* What the nibble V stands for (RFC 7252 3.1). */
static inline uint32_t
coap_walk_extend(struct coap_walk *w, uint32_t v)
{
	if (v < 13)
		return v;
	if (v == 13)
		return 13u + *w->cur++;
	w->cur += 2;
	return 269u + (uint32_t)(w->cur[-2] << 8 | w->cur[-1]);
}

/* Moves to the next option; false at the end. */
static inline bool
coap_walk_next(struct coap_walk *w)
{
	uint32_t delta, n;

	if (w->cur == w->end)
		return false;
	delta = *w->cur >> 4;
	n = *w->cur++ & 15;
	if (delta > 12 || n > 12) {
		delta = coap_walk_extend(w, delta);
		n = coap_walk_extend(w, n);
	}
	w->number = (uint16_t)(w->number + delta);
	w->value = span_make(w->cur, n);
	w->cur += n;
	return true;
}

/* Whether M has a recognised option NUMBER, one that has a duty. */
static inline bool
coap_has(const struct coap_msg *m, uint16_t number)
{
	return (m->has & coap_opt_bit(number)) != 0;
}

/* The value of the first recognised option NUMBER, which M has. */
struct span coap_find(const struct coap_msg *m, uint16_t number);

/* Likewise; false when there is none. */
static inline bool
coap_get(const struct coap_msg *m, uint16_t number, struct span *value)
{
	if (!coap_has(m, number))
		return false;
	*value = coap_find(m, number);
	return true;
}

/* Likewise for a uint. */
bool coap_get_uint(const struct coap_msg *m, uint16_t number, uint32_t *v);

/* Big-endian value of at most 4 octets; leading zeros are fine (RFC 7252
 * 3.2). */
uint32_t coap_uint(struct span value);

/* The classes of responses in No-Response (RFC 7967 2.1). */
enum {
	COAP_NO_2XX = 2,
	COAP_NO_4XX = 8,
	COAP_NO_5XX = 16,
	COAP_NO_ANY = COAP_NO_2XX | COAP_NO_4XX | COAP_NO_5XX,
};

/* The classes that whoever sent the request M does not want to hear of:
 * COAP_NO_* of its No-Response, whose other bits mean nothing; 0 without
 * one. */
static inline uint8_t
coap_unwanted(const struct coap_msg *m)
{
	if (!coap_has(m, COAP_OPT_NO_RESPONSE))
		return 0;
	return coap_uint(coap_find(m, COAP_OPT_NO_RESPONSE)) & COAP_NO_ANY;
}

/* Whether a response with CODE is of one of the classes UNWANTED. */
static inline bool
coap_is_unwanted(uint8_t unwanted, uint8_t code)
{
	return (unwanted & (1u << coap_code_class(code) >> 1)) != 0;
}

#endif
