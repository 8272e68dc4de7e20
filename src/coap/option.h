/*
 * option: the registry of options (RFC 7252 12.2 and its successors).
 *
 * One table. Parser, forwarder, cache key, dump and tests ask it; criticality,
 * unsafety and NoCacheKey are never in it, they follow from the number.
 */
#ifndef COAP_OPTION_H
#define COAP_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	COAP_OPT_IF_MATCH = 1,
	COAP_OPT_URI_HOST = 3,
	COAP_OPT_ETAG = 4,
	COAP_OPT_IF_NONE_MATCH = 5,
	COAP_OPT_OBSERVE = 6,
	COAP_OPT_URI_PORT = 7,
	COAP_OPT_LOCATION_PATH = 8,
	COAP_OPT_OSCORE = 9,
	COAP_OPT_URI_PATH = 11,
	COAP_OPT_CONTENT_FORMAT = 12,
	COAP_OPT_URI_PATH_ABBREV = 13,
	COAP_OPT_MAX_AGE = 14,
	COAP_OPT_URI_QUERY = 15,
	COAP_OPT_HOP_LIMIT = 16,
	COAP_OPT_ACCEPT = 17,
	COAP_OPT_Q_BLOCK1 = 19,
	COAP_OPT_LOCATION_QUERY = 20,
	COAP_OPT_EDHOC = 21,
	COAP_OPT_BLOCK2 = 23,
	COAP_OPT_BLOCK1 = 27,
	COAP_OPT_SIZE2 = 28,
	COAP_OPT_Q_BLOCK2 = 31,
	COAP_OPT_PROXY_URI = 35,
	COAP_OPT_PROXY_SCHEME = 39,
	COAP_OPT_SIZE1 = 60,
	COAP_OPT_PROXY_CRI = 235,
	COAP_OPT_PROXY_SCHEME_NUMBER = 239,
	COAP_OPT_ECHO = 252,
	COAP_OPT_NO_RESPONSE = 258,
	COAP_OPT_REQUEST_TAG = 292,
};

enum coap_format { COAP_F_EMPTY, COAP_F_OPAQUE, COAP_F_UINT, COAP_F_STRING };

/* Where an option is defined; elsewhere it counts as unrecognised
 * (RFC 7252 5.4). */
enum {
	COAP_IN_GET_FETCH = 1,		/* requests with GET or FETCH */
	COAP_IN_BODY = 2,		/* requests whose method has payload */
	COAP_IN_OTHER = 4,		/* any other request */
	COAP_IN_REQ = COAP_IN_GET_FETCH | COAP_IN_BODY | COAP_IN_OTHER,
	COAP_IN_RESP = 8,
	COAP_IN_BOTH = COAP_IN_REQ | COAP_IN_RESP,
};

/* What the proxy does with an option it recognises (RFC 7252 5.7.1). An
 * option whose duty is NONE is in the registry but not acted on here, so it
 * is treated as unrecognised. */
enum coap_duty {
	COAP_DUTY_FORWARD,	/* unchanged, both ways */
	COAP_DUTY_TARGET,	/* names the target: consumed and made anew */
	COAP_DUTY_HOP,		/* processed at this hop by its own rule */
	COAP_DUTY_NONE,
};

struct coap_opt_def {
	uint16_t number;
	const char *name;
	enum coap_format format;
	uint16_t min, max;	/* length of the value in octets */
	uint8_t repeat;		/* COAP_IN_* where it may occur again */
	uint8_t in;		/* COAP_IN_* */
	enum coap_duty duty;
};

/* For coap_opt(): of each number below, its row plus one, or 0. */
enum { COAP_OPT_LOW = 293 };
extern const uint8_t coap_opt_low[COAP_OPT_LOW];
extern const struct coap_opt_def coap_opt_rows[];
const struct coap_opt_def *coap_opt_beyond(uint16_t number);

/* The row of NUMBER, or NULL when it is not registered. */
static inline const struct coap_opt_def *
coap_opt(uint16_t number)
{
	if (number >= COAP_OPT_LOW)
		return coap_opt_beyond(number);
	return coap_opt_low[number] == 0 ? NULL :
	    &coap_opt_rows[coap_opt_low[number] - 1];
}

/* Row I of the registry in ascending order, or NULL past the end. */
const struct coap_opt_def *coap_opt_row(size_t i);

/* The bit for coap_msg.has of option NUMBER, one that has a duty; with a
 * constant NUMBER this is a constant. Options below 64 are their own bit,
 * those above take the place of a number that does not exist. */
static inline uint64_t
coap_opt_bit(uint16_t number)
{
	if (number < 64)
		return UINT64_C(1) << number;
	return number == COAP_OPT_ECHO ? UINT64_C(1) << 0 :
	    number == COAP_OPT_REQUEST_TAG ? UINT64_C(1) << 2 :
	    number == COAP_OPT_NO_RESPONSE ? UINT64_C(1) << 10 : 0;
}

/* The bits of the options that name the target. */
static inline uint64_t
coap_opt_targets(void)
{
	return coap_opt_bit(COAP_OPT_URI_HOST) |
	    coap_opt_bit(COAP_OPT_URI_PORT) |
	    coap_opt_bit(COAP_OPT_URI_PATH) |
	    coap_opt_bit(COAP_OPT_URI_QUERY) |
	    coap_opt_bit(COAP_OPT_PROXY_URI) |
	    coap_opt_bit(COAP_OPT_PROXY_SCHEME);
}

/* RFC 7252 5.4.6. */
static inline bool
coap_opt_critical(uint16_t n)
{
	return (n & 1) != 0;
}

static inline bool
coap_opt_unsafe(uint16_t n)
{
	return (n & 2) != 0;
}

static inline bool
coap_opt_nocachekey(uint16_t n)
{
	return (n & 0x1e) == 0x1c;
}

#endif
