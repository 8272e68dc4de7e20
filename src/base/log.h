/*
 * log: lines for the operator.
 *
 * One event is one line: lower case, values as key=value, octets outside
 * 0x20..0x7e escaped as \xNN, cut at 1 KiB, so that hostile input cannot forge
 * or flood. The level is tested before arguments are evaluated. WHO says whom
 * the line is about (a client, an origin, a route) and comes first; NULL for
 * the daemon itself.
 *
 * Goes to standard error: with "<N>" priority prefixes when that is the
 * journal, else with a UTC time stamp. The sink is the one piece of global
 * state in the program.
 *
 *	text	2026-01-01T00:00:00.000Z warn WHO: TEXT
 *	logfmt	time=2026-01-01T00:00:00.000Z level=warn who="WHO" msg="TEXT"
 *	json	{"time":"...","level":"warn","who":"WHO","msg":"TEXT"}
 *
 * The latter two have \u00NN where the first has \xNN.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

enum log_format { LOG_TEXT, LOG_LOGFMT, LOG_JSON };

enum { LOG_ACCESS_MAX = 2048 };	/* octets of an access line */

/* A place that may be reached by remote input keeps one of these, static: the
 * first line of a kind is printed, then a count once a minute. */
struct log_limit {
	uint64_t since;
	unsigned suppressed;
};

extern enum log_level log_level;

/* Where lines go: FD stays open until another is set. */
void log_open(int fd, enum log_level level);

/* Lines so far that nobody has taken: a full disk or pipe, a reader gone. */
uint64_t log_lost(void);

/* How lines look from now on; text at first. */
void log_set_format(enum log_format f);
enum log_format log_get_format(void);

/* Where entries with fields go while lines go to the journal: the socket PATH;
 * NULL: nowhere, as at first. */
void log_open_journal(const char *path);

/* Whether there is use for fields. */
bool log_has_fields(void);

/* Sends an entry to the journal (base/journal.h); false when it is not taken,
 * and a line should say what it says. */
bool log_fields(struct span fields);

/* Writes LINE, at most LOG_ACCESS_MAX octets, with the time in front and
 * "access" for a level, whatever the level of the log. LINE is in the log's
 * format, printable and without a newline: words; or pairs of logfmt; or
 * members of JSON, without braces. */
void log_access(struct span line);

/* What operators wait for; systemd/coaproxy.catalog explains each. */
enum log_event {
	LOG_STARTED,
	LOG_RELOAD_FAILED,
	LOG_ORIGIN_DOWN,
	LOG_ORIGIN_UP,
	LOG_LIMIT_REACHED,
};

/* A line like others; in the journal an entry with the MESSAGE_ID of E, and
 * with WHO in a field of its own. */
void log_event(enum log_event e, const char *who, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* As log_event(), but false when there is no journal that takes it, and then
 * nothing has been written. */
bool log_entry(enum log_event e, const char *who, const char *text);

/* The word for a level, as in the configuration. */
const char *log_level_name(enum log_level l);

#define log_error(who, ...) log_line(LOG_ERROR, who, __VA_ARGS__)
#define log_warn(who, ...) LOG_AT_(LOG_WARN, who, __VA_ARGS__)
#define log_info(who, ...) LOG_AT_(LOG_INFO, who, __VA_ARGS__)
#define log_debug(who, ...) LOG_AT_(LOG_DEBUG, who, __VA_ARGS__)

/* As log_line() but at most once a minute per LIMIT. NOW in milliseconds. */
#define log_limited(limit, now, level, who, ...)                 \
	do {                                                     \
		if ((level) <= log_level && log_due(limit, now)) \
			log_line(level, who, __VA_ARGS__);       \
	} while (0)

#define LOG_AT_(level, who, ...)                           \
	do {                                               \
		if ((level) <= log_level)                  \
			log_line(level, who, __VA_ARGS__); \
	} while (0)

void log_line(enum log_level level, const char *who, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* True when a line may be printed now; reports what was suppressed before. */
bool log_due(struct log_limit *limit, uint64_t now);

#endif
