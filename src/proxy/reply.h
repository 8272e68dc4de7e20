/*
 * reply: what to tell a client.
 */
#ifndef PROXY_REPLY_H
#define PROXY_REPLY_H

#include "base/span.h"

/* Options are encoded, ascending from 0; both spans are borrowed until the
 * front end returns. */
struct reply {
	uint8_t code;
	struct span opts;
	struct span payload;
};

#endif
