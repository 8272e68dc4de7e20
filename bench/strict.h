/*
 * strict: the memory of a server that deduplicates to the letter.
 *
 * RFC 7252 4.5: a message with the source and the Message ID of one that came
 * within EXCHANGE_LIFETIME is taken for a copy of it and gets the same answer
 * again, whatever it says. So who uses a Message ID twice has the answer to
 * something else; it is counted as a violation.
 */
#ifndef BENCH_STRICT_H
#define BENCH_STRICT_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct strict;

/* Ends the program without memory. */
struct strict *strict_new(void);
void strict_free(struct strict *s);

/* The answer to the message of n octets at d, its length in *len, or NULL: to a
 * GET 2.05 with the first Uri-Query as payload. It remains in place for the
 * next ten thousand answers. */
const uint8_t *strict_answer(struct strict *s, const struct sockaddr_in *from,
    const uint8_t *d, size_t n, size_t *len);

/* Prints one line of key=value; false if there was a violation. */
bool strict_report(const struct strict *s);

#endif
