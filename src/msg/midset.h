/*
 * midset: which Message IDs of one endpoint may be remembered.
 *
 * Clients count their Message IDs up, so what is remembered of one lies in an
 * arc of the ring of 65536; a message whose ID is outside is new, and nothing
 * has to be looked for, which in a large table would be found in no cache. The
 * arc only says "perhaps": IDs in it may be free.
 *
 * There are two arcs. The current one grows; when the other one has nothing
 * left, that becomes the current one, and the first shrinks to nothing in its
 * turn. So gaps, and IDs in no order, cost some answers of "perhaps", for two
 * lifetimes at most.
 */
#ifndef MSG_MIDSET_H
#define MSG_MIDSET_H

#include <stdbool.h>
#include <stdint.h>

struct midset {
	struct midset_arc {
		uint32_t held;	/* IDs in it, at most 65536 */
		uint16_t from;
		uint16_t len;	/* MIDSET_ALL: the whole ring */
	} arc[2];
	uint8_t current;
};

enum { MIDSET_ALL = UINT16_MAX };

/* An empty one is all 0. */

/* Adds MID, which is not in S; returns what midset_remove() wants to know. */
unsigned midset_add(struct midset *s, uint16_t mid);

/* Removes MID, for which midset_add() returned ARC. */
void midset_remove(struct midset *s, uint16_t mid, unsigned arc);

static inline bool
midset_arc_has(const struct midset_arc *a, uint16_t mid)
{
	return (uint16_t)(mid - a->from) < a->len || a->len == MIDSET_ALL;
}

/* False: MID is not in S. */
static inline bool
midset_has(const struct midset *s, uint16_t mid)
{
	return midset_arc_has(&s->arc[0], mid) ||
	    midset_arc_has(&s->arc[1], mid);
}

#endif
