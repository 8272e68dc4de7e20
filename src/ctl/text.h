/*
 * text: small pieces of text for people and for programs.
 */
#ifndef CTL_TEXT_H
#define CTL_TEXT_H

#include <stdint.h>

#include "base/span.h"

struct evbuffer;

/* How many octets of S form its first character: 1 to 4, or 0 when they are no
 * UTF-8. S is not empty. */
size_t text_utf8(struct span s);

/* Adds S as a JSON string, in quotes; what is no UTF-8 is U+FFFD. */
void text_json(struct evbuffer *to, struct span s);

/* Adds S with control characters as \xNN, and blanks to fill WIDTH columns, in
 * front of it if WIDTH is negative. */
void text_cell(struct evbuffer *to, struct span s, int width);

enum { TEXT_SHORT = 32 };

/* "950", "1.5K", "64M" octets. */
const char *text_size(uint64_t octets, char out[TEXT_SHORT]);

/* "12s", "4m05s", "3h02m", "12d04h" of milliseconds. */
const char *text_time(uint64_t ms, char out[TEXT_SHORT]);

/* "2026-11-21 16:14:05 UTC" of milliseconds since 1970. */
const char *text_date(uint64_t ms, char out[TEXT_SHORT]);

/* Whether TEXT is like PATTERN, in which '*' stands for anything. */
bool text_like(const char *pattern, const char *text);

#endif
