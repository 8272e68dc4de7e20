/*
 * logline: one request, on one line for the access log.
 *
 *	text	LISTENER CLIENT TYPE METHOD URI -> ROUTE SERVER CODE SIZE TIME
 *		CACHE [obs=reg|obs=dereg] [repeated=N]
 *	public 10.1.2.3:40112 CON GET coap://lamp.example.net/light ->
 *		lamp 10.0.0.11:5683 2.05 18B 12.4ms miss obs=reg	(one line)
 *
 * The fields are fixed in their order; "-" stands for what there is not. logfmt
 * and JSON name them: listener client type method uri route server code size
 * duration_us cache observe repeated; there what there is not is left out. For
 * the journal they are COAP_LISTENER and so on.
 *
 * Whatever a client sends, a line stays one line with these fields: each value
 * is of characters that need no escape in any of the formats.
 */
#ifndef PROXY_LOGLINE_H
#define PROXY_LOGLINE_H

#include "base/addr.h"
#include "base/log.h"
#include "base/writer.h"

enum {
	LOGLINE_URI_MAX = 512,	/* octets of the URI */
	LOGLINE_NAME_MAX = 128,	/* octets of a name, encoded */
	LOGLINE_FIELDS_MAX = 4096,	/* octets of all the fields */
};

/* Where the answer came from. */
enum logline_cache {
	LOGLINE_LOCAL,		/* from the proxy itself */
	LOGLINE_HIT,		/* what was stored */
	LOGLINE_JOINED,		/* what another client had asked for */
	LOGLINE_VALIDATED,	/* what was stored, after asking the origin */
	LOGLINE_MISS,		/* the origin */
};

enum logline_observe { LOGLINE_NO, LOGLINE_REG, LOGLINE_DEREG };

/* Everything is borrowed. */
struct logline {
	const char *listener;	/* "": none */
	const struct addr *client;	/* NULL: not known */
	uint8_t type;		/* COAP_CON or COAP_NON */
	uint8_t method;
	struct span uri;	/* of characters of a URI */
	const char *route;	/* "": none */
	const struct addr *server;	/* NULL: none was asked */
	uint8_t code;		/* 0: no answer */
	size_t size;		/* octets of payload in it */
	uint64_t us;		/* from request to answer */
	enum logline_cache cache;
	enum logline_observe observe;
	uint32_t repeated;	/* others like it before, not written */
	struct span token;	/* the client's: for the journal only */
};

/* Writes L as log_access() takes it: LOG_ACCESS_MAX octets are enough. */
void logline_put(struct writer *w, enum log_format format,
    const struct logline *l);

/* Writes L as an entry of the journal, with the line in FORMAT as the message:
 * LOGLINE_FIELDS_MAX octets are enough. */
void logline_put_fields(struct writer *w, enum log_format format,
    const struct logline *l);

/* Writes L to the log. */
void logline_write(void *unused, const struct logline *l);

#endif
