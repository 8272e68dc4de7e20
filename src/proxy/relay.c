/*
 * relay: whose block is whose.
 */
#include "proxy/relay.h"

#include "coap/block.h"

bool
relay_needs_tag(const struct coap_msg *m)
{
	struct span v;

	if (coap_has(m, COAP_OPT_BLOCK1))
		return true;
	if (!coap_get(m, COAP_OPT_BLOCK2, &v) || m->code == COAP_GET)
		return false;
	return coap_block_get(v).num > 0;
}

void
relay_tag(const struct siphash_key *key, const struct addr *client,
    const struct addr *local, uint8_t tag[RELAY_TAG_LEN])
{
	struct addr pair[2] = { *client, *local };
	uint64_t h = siphash(key, span_make(pair, sizeof(pair)));

	memcpy(tag, &h, RELAY_TAG_LEN);
}
