/*
 * midset: two arcs of a ring.
 */
#include "msg/midset.h"

#include <assert.h>

enum { TURN = 256 };	/* a current arc of this length gives way */

/* To the side where less is added. */
static void
grow(struct midset_arc *a, uint16_t mid)
{
	uint32_t ahead = (uint16_t)(mid - a->from) + 1u;
	uint32_t behind = (uint16_t)(a->from - mid) + (uint32_t)a->len;
	uint32_t len = ahead < behind ? ahead : behind;

	if (ahead >= behind)
		a->from = mid;
	a->len = len < MIDSET_ALL ? (uint16_t)len : MIDSET_ALL;
}

unsigned
midset_add(struct midset *s, uint16_t mid)
{
	unsigned i = s->current;
	struct midset_arc *a = &s->arc[i];

	if (a->len >= TURN && s->arc[!i].held == 0) {
		i = s->current = !i;
		a = &s->arc[i];
	}
	if (a->held++ == 0) {
		a->from = mid;
		a->len = 1;
	} else if (!midset_arc_has(a, mid)) {
		grow(a, mid);
	}
	return i;
}

void
midset_remove(struct midset *s, uint16_t mid, unsigned arc)
{
	struct midset_arc *a = &s->arc[arc];

	assert(a->held > 0 && midset_arc_has(a, mid));
	if (--a->held == 0) {
		a->len = 0;
	} else if (mid == a->from && a->len != MIDSET_ALL) {
		a->from++;
		a->len--;
	}
}
