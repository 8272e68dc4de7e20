/*
 * parse: strict reading of numbers, durations, sizes and booleans.
 *
 * Each takes the whole span or nothing: no blanks, no sign, no overflow.
 */
#ifndef BASE_PARSE_H
#define BASE_PARSE_H

#include "base/span.h"

/* Decimal digits only. */
bool parse_u64(struct span s, uint64_t *out);

/* "500ms" "20s" "5m" "1h" "7d" to milliseconds; a unit is required, "0" alone
 * is allowed. */
bool parse_duration(struct span s, uint64_t *ms);

/* "4096" "64K" "16M" "1G" (powers of 1024) to octets. */
bool parse_size(struct span s, uint64_t *octets);

/* "yes" or "no". */
bool parse_bool(struct span s, bool *out);

/* "1.5" to thousandths: 1500. At most three decimals. */
bool parse_milli(struct span s, uint32_t *out);

#endif
