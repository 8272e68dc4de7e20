/*
 * repeat: events of one kind again and again.
 *
 * The first of a kind is told, then one a minute with the number of those left
 * out. What is remembered is bounded, and so is what is told: at most
 * REPEAT_KINDS a minute, whatever comes.
 */
#ifndef PROXY_REPEAT_H
#define PROXY_REPEAT_H

#include "base/rand.h"

enum {
	REPEAT_KINDS = 600,	/* ten a second */
	REPEAT_MS = 60000,
};

struct repeat;

struct repeats {
	struct repeat *v;
	struct siphash_key key;
};

bool repeats_init(struct repeats *r, struct rand *rnd)
    __attribute__((warn_unused_result));
void repeats_fini(struct repeats *r);

/* Whether an event of the kind KIND is to be told at NOW, in milliseconds. Then
 * *LEFT_OUT is how many like it were not since the last one. */
bool repeats_due(struct repeats *r, struct span kind, uint64_t now,
    uint32_t *left_out);

#endif
