/*
 * log: one event, one line, one write(2).
 *
 * A line is composed on the stack and written only when the descriptor would
 * take it at once: a full pipe or disk costs lines, never time. Lines lost are
 * counted and reported in front of the next one that gets through.
 */
#include "base/log.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/journal.h"
#include "base/parse.h"
#include "base/writer.h"

enum {
	LINE = 1024,		/* with the newline; below PIPE_BUF */
	WHO = 256,		/* octets of it in logfmt and JSON */
	HEAD = 64,		/* octets of time and level, and the end */
	REPEAT_MS = 60000,
};

#define CUT "..."	/* where more would have stood */

struct level {
	const char *name;
	const char *priority;	/* sd-daemon(3) */
};

static const struct level levels[] = {
	[LOG_ERROR] = { "error", "<3>" },
	[LOG_WARN] = { "warn", "<4>" },
	[LOG_INFO] = { "info", "<6>" },
	[LOG_DEBUG] = { "debug", "<7>" },
};

enum log_level log_level = LOG_INFO;

/* In front of access lines. */
static const struct level access_level = { "access", "<6>" };

static struct {
	int fd;
	enum log_format format;
	bool journal;
	struct journal fields;
	bool torn;		/* the last line lacks its end */
	time_t second;		/* what date says */
	char date[32];
	uint64_t lost;		/* since a line got through */
	uint64_t lost_ever;
} sink = { .fd = STDERR_FILENO, .fields = { .fd = -1 } };

/* systemd.exec(5): JOURNAL_STREAM is "device:inode" of what the manager made
 * standard error; it stays set when someone redirects it afterwards. */
static bool
is_journal(int fd)
{
	const char *text = getenv("JOURNAL_STREAM");
	const char *colon = text != NULL ? strchr(text, ':') : NULL;
	uint64_t dev, ino;
	struct stat st;

	if (colon == NULL || fstat(fd, &st) != 0)
		return false;
	if (!parse_u64(span_make(text, (size_t)(colon - text)), &dev) ||
	    !parse_u64(span_str(colon + 1), &ino))
		return false;
	return st.st_dev == dev && st.st_ino == ino;
}

void
log_open(int fd, enum log_level level)
{
	sink.fd = fd;
	sink.journal = is_journal(fd);
	sink.torn = false;
	sink.lost = 0;
	log_level = level;
}

const char *
log_level_name(enum log_level l)
{
	return levels[l].name;
}

static void
put_escaped(struct writer *w, const char *s)
{
	static const char hex[] = "0123456789abcdef";

	for (; *s != '\0' && !w->full; s++) {
		uint8_t c = (uint8_t)*s;
		char esc[4] = { '\\', 'x', hex[c >> 4], hex[c & 15] };

		if (c >= 0x20 && c <= 0x7e)
			writer_u8(w, c);
		else
			writer_put(w, esc, sizeof(esc));
	}
}

/* Between quotes. */
static void
put_quotable(struct writer *w, const char *s)
{
	static const char hex[] = "0123456789abcdef";

	for (; *s != '\0' && !w->full; s++) {
		uint8_t c = (uint8_t)*s;
		char esc[] = { '\\', 'u', '0', '0', hex[c >> 4], hex[c & 15] };
		char quoted[] = { '\\', (char)c };

		if (c == '"' || c == '\\')
			writer_put(w, quoted, sizeof(quoted));
		else if (c >= 0x20 && c <= 0x7e)
			writer_u8(w, c);
		else
			writer_put(w, esc, sizeof(esc));
	}
}

static void
put_str(struct writer *w, const char *s)
{
	writer_span_put(w, span_str(s));
}

static void
put_stamp(struct writer *w)
{
	uint64_t ms = clock_wall_ms();
	time_t now = (time_t)(ms / 1000);
	unsigned part = (unsigned)(ms % 1000);
	char text[] = { '.', (char)('0' + part / 100),
		(char)('0' + part / 10 % 10), (char)('0' + part % 10), 'Z' };
	struct tm tm;

	if (now != sink.second && gmtime_r(&now, &tm) != NULL &&
	    strftime(sink.date, sizeof(sink.date), "%Y-%m-%dT%H:%M:%S",
	    &tm) > 0)
		sink.second = now;
	put_str(w, sink.date);
	writer_put(w, text, sizeof(text));
}

/* Time and level, and what comes before the rest. */
static void
put_head(struct writer *w, const struct level *level)
{
	static const struct {
		const char *start, *time, *end;	/* around the time */
		const char *after;		/* the level */
	} heads[] = {
		[LOG_TEXT] = { "", "", " ", " " },
		[LOG_LOGFMT] = { "", "time=", " level=", " " },
		[LOG_JSON] = { "{", "\"time\":\"", "\",\"level\":\"", "\"," },
	};

	if (sink.torn)
		writer_u8(w, '\n');
	if (sink.journal) {
		put_str(w, level->priority);
		put_str(w, heads[sink.format].start);
		return;
	}
	put_str(w, heads[sink.format].start);
	put_str(w, heads[sink.format].time);
	put_stamp(w);
	put_str(w, heads[sink.format].end);
	put_str(w, level->name);
	put_str(w, heads[sink.format].after);
}

/* Writes S without ever waiting, even where the descriptor is a blocking one
 * that we share and may not switch. POLLOUT alone: with POLLERR or POLLHUP the
 * reader has gone, and the write would be answered with SIGPIPE. */
static bool
put_out(struct span s)
{
	struct pollfd pfd = { .fd = sink.fd, .events = POLLOUT };
	ssize_t n;

	if (poll(&pfd, 1, 0) != 1 || pfd.revents != POLLOUT)
		return false;
	do
		n = write(sink.fd, s.p, s.n);
	while (n < 0 && errno == EINTR);
	if (n > 0)
		sink.torn = (size_t)n < s.n;
	return n == (ssize_t)s.n;
}

static void
put_text(struct writer *w, const char *who, const char *text)
{
	if (who != NULL) {
		put_escaped(w, who);
		put_escaped(w, ": ");
	}
	put_escaped(w, text);
}

/* The quote at the end is for whoever knows whether all of it fitted. */
static void
put_pairs(struct writer *w, const char *who, const char *text)
{
	bool json = sink.format == LOG_JSON;
	uint8_t *end = w->end;

	if (who != NULL) {
		put_str(w, json ? "\"who\":\"" : "who=\"");
		w->end = w->cur + WHO;
		put_quotable(w, who);
		w->end = end;
		w->full = false;
		put_str(w, json ? "\"," : "\" ");
	}
	put_str(w, json ? "\"msg\":\"" : "msg=\"");
	put_quotable(w, text);
}

/* Room for a line of SIZE octets, its end not counted. */
static struct writer
begin(uint8_t *line, size_t size, const char *tail)
{
	return writer_make(line, size - strlen(tail) - strlen(CUT));
}

static bool
finish(struct writer *w, const char *tail)
{
	w->end += strlen(tail) + strlen(CUT);
	if (w->full) {
		w->full = false;
		put_str(w, CUT);
	}
	put_str(w, tail);
	return put_out(writer_span(w));
}

static bool
compose(enum log_level level, const char *who, const char *text)
{
	static const char *const tails[] = { "\n", "\"\n", "\"}\n" };
	const char *tail = tails[sink.format];
	uint8_t line[LINE];
	struct writer w = begin(line, sizeof(line), tail);

	put_head(&w, &levels[level]);
	if (sink.format == LOG_TEXT)
		put_text(&w, who, text);
	else
		put_pairs(&w, who, text);
	return finish(&w, tail);
}

static void
report_lost(void)
{
	char text[64];

	snprintf(text, sizeof(text), "log was full: lost=%llu",
	    (unsigned long long)sink.lost);
	if (compose(LOG_WARN, NULL, text))
		sink.lost = 0;
}

static void
lose(void)
{
	sink.lost++;
	sink.lost_ever++;
}

uint64_t
log_lost(void)
{
	return sink.lost_ever;
}

void
log_line(enum log_level level, const char *who, const char *fmt, ...)
{
	int saved = errno;
	char text[LINE];
	va_list ap;

	va_start(ap, fmt);
	if (vsnprintf(text, sizeof(text), fmt, ap) < 0)
		text[0] = '\0';
	va_end(ap);
	if (sink.lost > 0)
		report_lost();
	if (sink.lost > 0 || !compose(level, who, text))
		lose();
	errno = saved;
}

void
log_access(struct span text)
{
	static const char *const tails[] = { "\n", "\n", "}\n" };
	const char *tail = tails[sink.format];
	uint8_t line[HEAD + LOG_ACCESS_MAX];
	struct writer w = begin(line, sizeof(line), tail);
	int saved = errno;

	if (sink.lost > 0)
		report_lost();
	put_head(&w, &access_level);
	writer_span_put(&w, text);
	if (sink.lost > 0 || !finish(&w, tail))
		lose();
	errno = saved;
}

void
log_set_format(enum log_format f)
{
	sink.format = f;
}

enum log_format
log_get_format(void)
{
	return sink.format;
}

void
log_open_journal(const char *path)
{
	journal_close(&sink.fields);
	if (path != NULL && !journal_open(&sink.fields, path))
		log_warn(NULL, "no fields in the journal: %s", strerror(errno));
}

bool
log_has_fields(void)
{
	return sink.journal && sink.fields.fd >= 0;
}

bool
log_fields(struct span fields)
{
	int saved = errno;
	bool ok = journal_send(&sink.fields, fields);

	errno = saved;
	return ok;
}

static const struct event {
	enum log_level level;
	const char *id;
	const char *field;	/* for whom it is about, or NULL */
} events[] = {
	[LOG_STARTED] = { LOG_INFO, "a14b786f9e8746b6b371e41749527ed1", NULL },
	[LOG_RELOAD_FAILED] = { LOG_ERROR,
		"8f77a8dc893b4edb804b6a7eb6447824", NULL },
	[LOG_ORIGIN_DOWN] = { LOG_WARN, "e500b187c0b64121b5ff1e23c7e4a905",
		"COAP_ORIGIN" },
	[LOG_ORIGIN_UP] = { LOG_INFO, "55f18db678154508a043bb758519f5e0",
		"COAP_ORIGIN" },
	[LOG_LIMIT_REACHED] = { LOG_WARN, "26240da2807d49d1adc5e62052952ff5",
		"COAP_LIMIT" },
};

static void
put_field(struct writer *w, const char *name, const char *value)
{
	put_str(w, name);
	writer_u8(w, '=');
	put_escaped(w, value);
	writer_u8(w, '\n');
}

bool
log_entry(enum log_event e, const char *who, const char *text)
{
	const struct event *event = &events[e];
	char priority[] = { levels[event->level].priority[1], '\0' };
	uint8_t entry[2 * LINE];
	struct writer w = writer_make(entry, sizeof(entry));

	if (!log_has_fields())
		return false;
	put_field(&w, "PRIORITY", priority);
	put_field(&w, "SYSLOG_IDENTIFIER", "coaproxy");
	put_field(&w, "MESSAGE_ID", event->id);
	if (who != NULL && event->field != NULL)
		put_field(&w, event->field, who);
	put_str(&w, "MESSAGE=");
	w.end -= 1;
	put_text(&w, who, text);
	w.end += 1;
	w.full = false;
	writer_u8(&w, '\n');
	return log_fields(writer_span(&w));
}

void
log_event(enum log_event e, const char *who, const char *fmt, ...)
{
	int saved = errno;
	char text[LINE];
	va_list ap;

	if (events[e].level > log_level)
		return;
	va_start(ap, fmt);
	if (vsnprintf(text, sizeof(text), fmt, ap) < 0)
		text[0] = '\0';
	va_end(ap);
	if (!log_entry(e, who, text))
		log_line(events[e].level, who, "%s", text);
	errno = saved;
}

bool
log_due(struct log_limit *limit, uint64_t now)
{
	unsigned n = limit->suppressed;

	if (limit->since != 0 && now - limit->since < REPEAT_MS) {
		limit->suppressed++;
		return false;
	}
	limit->since = now;
	limit->suppressed = 0;
	if (n > 0)
		log_line(LOG_INFO, NULL, "suppressed=%u like the next", n);
	return true;
}
