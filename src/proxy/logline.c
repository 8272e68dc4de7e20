/*
 * logline: a table of fields, each with its name in every format.
 */
#include "proxy/logline.h"

#include "coap/code.h"
#include "coap/msg.h"
#include "coap/pct.h"

/* What stands for itself in a name: nothing that means something in logfmt. */
enum { NAME_PLAIN = PCT_UNRESERVED | PCT_COLON | PCT_AT | PCT_SLASH };

static void
put_str(struct writer *w, const char *s)
{
	writer_span_put(w, span_str(s));
}

static void
put_u64(struct writer *w, uint64_t v)
{
	uint8_t text[20];
	size_t n = sizeof(text);

	do
		text[--n] = (uint8_t)('0' + v % 10);
	while ((v /= 10) > 0);
	writer_put(w, text + n, sizeof(text) - n);
}

/* A name of the configuration, which may hold anything; cut to
 * LOGLINE_NAME_MAX. */
static void
put_name(struct writer *w, const char *name)
{
	uint8_t space[LOGLINE_NAME_MAX];
	struct writer part = writer_make(space, sizeof(space));

	pct_put(&part, span_str(name), NAME_PLAIN);
	writer_span_put(w, writer_span(&part));
}

/* ---- values ---- */

/* False: there is none. */
typedef bool (*put_fn)(struct writer *w, const struct logline *l);

static bool
put_listener(struct writer *w, const struct logline *l)
{
	put_name(w, l->listener);
	return *l->listener != '\0';
}

static bool
put_addr(struct writer *w, const struct addr *a)
{
	char text[ADDR_STRLEN];

	if (a != NULL)
		put_str(w, addr_str(a, text));
	return a != NULL;
}

static bool
put_client(struct writer *w, const struct logline *l)
{
	return put_addr(w, l->client);
}

static bool
put_type(struct writer *w, const struct logline *l)
{
	put_str(w, l->type == COAP_CON ? "CON" : "NON");
	return true;
}

static bool
put_method(struct writer *w, const struct logline *l)
{
	char text[8];

	put_str(w, coap_code_str(l->method, text));
	return true;
}

/* Cut between triplets, and marked. */
static bool
put_uri(struct writer *w, const struct logline *l)
{
	struct span uri = l->uri;

	if (uri.n > LOGLINE_URI_MAX) {
		uri.n = LOGLINE_URI_MAX - 3;
		for (size_t i = 1; i <= 2; i++)
			if (uri.p[uri.n - i] == '%') {
				uri.n -= i;
				break;
			}
	}
	writer_span_put(w, uri);
	if (uri.n < l->uri.n)
		put_str(w, "...");
	return uri.n > 0;
}

static bool
put_route(struct writer *w, const struct logline *l)
{
	put_name(w, l->route);
	return *l->route != '\0';
}

static bool
put_server(struct writer *w, const struct logline *l)
{
	return put_addr(w, l->server);
}

static bool
put_code(struct writer *w, const struct logline *l)
{
	char text[8];

	if (l->code != 0)
		put_str(w, coap_code_str(l->code, text));
	return l->code != 0;
}

static bool
put_size(struct writer *w, const struct logline *l)
{
	put_u64(w, l->size);
	return true;
}

static bool
put_duration(struct writer *w, const struct logline *l)
{
	put_u64(w, l->us);
	return true;
}

static bool
put_cache(struct writer *w, const struct logline *l)
{
	static const char *const words[] = {
		[LOGLINE_LOCAL] = "local",
		[LOGLINE_HIT] = "hit",
		[LOGLINE_JOINED] = "joined",
		[LOGLINE_VALIDATED] = "validated",
		[LOGLINE_MISS] = "miss",
	};

	put_str(w, words[l->cache]);
	return true;
}

static bool
put_observe(struct writer *w, const struct logline *l)
{
	static const char *const words[] = {
		[LOGLINE_NO] = "",
		[LOGLINE_REG] = "reg",
		[LOGLINE_DEREG] = "dereg",
	};

	put_str(w, words[l->observe]);
	return l->observe != LOGLINE_NO;
}

static bool
put_repeated(struct writer *w, const struct logline *l)
{
	put_u64(w, l->repeated);
	return l->repeated > 0;
}

static bool
put_token(struct writer *w, const struct logline *l)
{
	static const char hex[] = "0123456789abcdef";

	for (size_t i = 0; i < l->token.n && i < 16; i++) {
		writer_u8(w, (uint8_t)hex[l->token.p[i] >> 4]);
		writer_u8(w, (uint8_t)hex[l->token.p[i] & 15]);
	}
	return l->token.n > 0;
}

static const struct field {
	const char *name;	/* NULL: for the journal only */
	const char *journal;
	put_fn put;
	bool number;
} fields[] = {
	{ "listener", "COAP_LISTENER", put_listener, false },
	{ "client", "COAP_CLIENT", put_client, false },
	{ "type", "COAP_TYPE", put_type, false },
	{ "method", "COAP_METHOD", put_method, false },
	{ "uri", "COAP_URI", put_uri, false },
	{ "route", "COAP_ROUTE", put_route, false },
	{ "server", "COAP_ORIGIN", put_server, false },
	{ "code", "COAP_CODE", put_code, false },
	{ "size", "COAP_SIZE", put_size, true },
	{ "duration_us", "COAP_DURATION_USEC", put_duration, true },
	{ "cache", "COAP_CACHE", put_cache, false },
	{ "observe", "COAP_OBSERVE", put_observe, false },
	{ "repeated", "COAP_REPEATED", put_repeated, true },
	{ NULL, "COAP_TOKEN", put_token, false },
};

enum { NFIELDS = sizeof(fields) / sizeof(fields[0]) };

/* ---- lines ---- */

static void
put_or_dash(struct writer *w, const struct logline *l, put_fn put,
    const char *after)
{
	if (!put(w, l))
		writer_u8(w, '-');
	put_str(w, after);
}

static void
put_text(struct writer *w, const struct logline *l)
{
	put_or_dash(w, l, put_listener, " ");
	put_or_dash(w, l, put_client, " ");
	put_or_dash(w, l, put_type, " ");
	put_or_dash(w, l, put_method, " ");
	put_or_dash(w, l, put_uri, " -> ");
	put_or_dash(w, l, put_route, " ");
	put_or_dash(w, l, put_server, " ");
	put_or_dash(w, l, put_code, " ");
	put_or_dash(w, l, put_size, "B ");
	put_u64(w, l->us / 1000);
	writer_u8(w, '.');
	put_u64(w, l->us % 1000 / 100);
	put_str(w, "ms ");
	put_or_dash(w, l, put_cache, "");
	if (l->observe != LOGLINE_NO) {
		put_str(w, " obs=");
		put_observe(w, l);
	}
	if (l->repeated > 0) {
		put_str(w, " repeated=");
		put_repeated(w, l);
	}
}

/* Writes one field in front of which BEFORE stands; nothing if there is no
 * value. */
static bool
put_pair(struct writer *w, bool json, const char *before,
    const struct field *f, const struct logline *l)
{
	struct writer whole = *w;
	/* In a URI there may be an equals sign. */
	const char *quote = !f->number && (json || f->put == put_uri) ?
	    "\"" : "";

	put_str(w, before);
	put_str(w, json ? "\"" : "");
	put_str(w, f->name);
	put_str(w, json ? "\":" : "=");
	put_str(w, quote);
	if (!f->put(w, l)) {
		*w = whole;
		return false;
	}
	put_str(w, quote);
	return true;
}

static void
put_pairs(struct writer *w, bool json, const struct logline *l)
{
	const char *before = "";

	for (size_t i = 0; i < NFIELDS && fields[i].name != NULL; i++)
		if (put_pair(w, json, before, &fields[i], l))
			before = json ? "," : " ";
}

void
logline_put(struct writer *w, enum log_format format,
    const struct logline *l)
{
	if (format == LOG_TEXT)
		put_text(w, l);
	else
		put_pairs(w, format == LOG_JSON, l);
}

void
logline_put_fields(struct writer *w, enum log_format format,
    const struct logline *l)
{
	bool json = format == LOG_JSON;

	/* A fixed ID for "a request was answered". */
	put_str(w, "PRIORITY=6\nSYSLOG_IDENTIFIER=coaproxy\n"
	    "MESSAGE_ID=7f70585a604b45ce94318eb438cbcfda\nMESSAGE=");
	put_str(w, json ? "{" : "");
	logline_put(w, format, l);
	put_str(w, json ? "}\n" : "\n");
	for (size_t i = 0; i < NFIELDS; i++) {
		struct writer whole = *w;

		put_str(w, fields[i].journal);
		writer_u8(w, '=');
		if (fields[i].put(w, l))
			writer_u8(w, '\n');
		else
			*w = whole;
	}
}

void
logline_write(void *unused, const struct logline *l)
{
	enum log_format format = log_get_format();
	uint8_t line[LOGLINE_FIELDS_MAX];
	struct writer w = writer_make(line, sizeof(line));

	(void)unused;
	if (log_has_fields()) {
		logline_put_fields(&w, format, l);
		if (log_fields(writer_span(&w)))
			return;
		w = writer_make(line, sizeof(line));
	}
	logline_put(&w, format, l);
	log_access(writer_span(&w));
}
