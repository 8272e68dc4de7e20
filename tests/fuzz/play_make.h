/*
 * play_make: messages made of octets of the input.
 *
 * Well-formed ones, with options in whatever order they are added: octets alone
 * seldom come to that.
 */
#ifndef TESTS_FUZZ_PLAY_MAKE_H
#define TESTS_FUZZ_PLAY_MAKE_H

#include "play.h"

enum { MAKE_OPTS = 10, MAKE_PAYLOAD = 600 };

struct make_opt {
	uint16_t number;
	struct span value;
};

struct making {
	struct make_opt v[MAKE_OPTS];
	size_t n;
	uint8_t space[1200];	/* for values */
	size_t used;
};

/* Adds an option, if there is room. */
void make_opt(struct making *k, uint16_t number, struct span value);
void make_uint(struct making *k, uint16_t number, uint32_t v);

/* Adds what says what most requests are for. */
void make_target(struct making *k, uint8_t what);

/* Adds the option that the input says; of C's, or of nobody's if NULL. */
void make_option(struct making *k, struct tape *t, const struct play_client *c);

/* Octets of the input, or one of them over and over. */
struct span make_payload(struct tape *t, uint8_t out[MAKE_PAYLOAD]);

/* The message, its length returned. */
size_t make_message(const struct making *k, const struct coap_head *h,
    struct span payload, uint8_t out[PLAY_OCTETS]);

#endif
