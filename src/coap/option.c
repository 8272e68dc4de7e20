/*
 * option: the registry.
 *
 * The table follows RFC 7252 5.10 and the IANA registry; an option that this
 * proxy has no code for is listed all the same, with duty NONE, so that logs
 * and tests know its name and the forwarder knows it travels by the bits of
 * its number alone. Two byte tables lead from a number to its row: the parser
 * asks for every option of every datagram.
 */
#include "coap/option.h"

/* Columns: number, name, format, shortest, longest;
 * where it may repeat, where it is defined, duty.
 *
 * The reserved Location-* numbers have no format (RFC 7252 5.10.7), nor have
 * SCP82-Params and X-Admin-Protocol a public one: any length will do. */
const struct coap_opt_def coap_opt_rows[] = {
	{ 1, "If-Match", COAP_F_OPAQUE, 0, 8,
	    COAP_IN_REQ, COAP_IN_REQ, COAP_DUTY_FORWARD },
	{ 3, "Uri-Host", COAP_F_STRING, 1, 255,
	    0, COAP_IN_REQ, COAP_DUTY_TARGET },
	{ 4, "ETag", COAP_F_OPAQUE, 1, 8,
	    COAP_IN_REQ, COAP_IN_BOTH, COAP_DUTY_FORWARD },
	{ 5, "If-None-Match", COAP_F_EMPTY, 0, 0,
	    0, COAP_IN_REQ, COAP_DUTY_FORWARD },
	{ 6, "Observe", COAP_F_UINT, 0, 3,
	    0, COAP_IN_GET_FETCH | COAP_IN_RESP, COAP_DUTY_HOP },
	{ 7, "Uri-Port", COAP_F_UINT, 0, 2,
	    0, COAP_IN_REQ, COAP_DUTY_TARGET },
	{ 8, "Location-Path", COAP_F_STRING, 0, 255,
	    COAP_IN_RESP, COAP_IN_RESP, COAP_DUTY_FORWARD },
	{ 9, "OSCORE", COAP_F_OPAQUE, 0, 255,
	    0, COAP_IN_BOTH, COAP_DUTY_FORWARD },
	{ 11, "Uri-Path", COAP_F_STRING, 0, 255,
	    COAP_IN_REQ, COAP_IN_REQ, COAP_DUTY_TARGET },
	{ 12, "Content-Format", COAP_F_UINT, 0, 2,
	    0, COAP_IN_BOTH, COAP_DUTY_FORWARD },
	{ 13, "Uri-Path-Abbrev", COAP_F_UINT, 0, 4,
	    0, COAP_IN_REQ, COAP_DUTY_NONE },
	{ 14, "Max-Age", COAP_F_UINT, 0, 4,
	    0, COAP_IN_RESP, COAP_DUTY_HOP },
	{ 15, "Uri-Query", COAP_F_STRING, 0, 255,
	    COAP_IN_REQ, COAP_IN_REQ, COAP_DUTY_TARGET },
	{ 16, "Hop-Limit", COAP_F_UINT, 1, 1,
	    0, COAP_IN_REQ, COAP_DUTY_HOP },
	{ 17, "Accept", COAP_F_UINT, 0, 2,
	    0, COAP_IN_REQ, COAP_DUTY_FORWARD },
	{ 19, "Q-Block1", COAP_F_UINT, 0, 3,
	    0, COAP_IN_BOTH, COAP_DUTY_NONE },
	{ 20, "Location-Query", COAP_F_STRING, 0, 255,
	    COAP_IN_RESP, COAP_IN_RESP, COAP_DUTY_FORWARD },
	{ 21, "EDHOC", COAP_F_EMPTY, 0, 0,
	    0, COAP_IN_REQ, COAP_DUTY_FORWARD },
	{ 23, "Block2", COAP_F_UINT, 0, 3,
	    0, COAP_IN_BOTH, COAP_DUTY_HOP },
	{ 27, "Block1", COAP_F_UINT, 0, 3,
	    0, COAP_IN_BODY | COAP_IN_RESP, COAP_DUTY_HOP },
	{ 28, "Size2", COAP_F_UINT, 0, 4,
	    0, COAP_IN_BOTH, COAP_DUTY_FORWARD },
	{ 31, "Q-Block2", COAP_F_UINT, 0, 3,
	    COAP_IN_REQ, COAP_IN_BOTH, COAP_DUTY_NONE },
	{ 35, "Proxy-Uri", COAP_F_STRING, 1, 1034,
	    0, COAP_IN_REQ, COAP_DUTY_TARGET },
	{ 39, "Proxy-Scheme", COAP_F_STRING, 1, 255,
	    0, COAP_IN_REQ, COAP_DUTY_TARGET },
	{ 60, "Size1", COAP_F_UINT, 0, 4,
	    0, COAP_IN_BOTH, COAP_DUTY_FORWARD },
	{ 128, "Location-128", COAP_F_OPAQUE, 0, 65535,
	    COAP_IN_RESP, COAP_IN_RESP, COAP_DUTY_NONE },
	{ 132, "Location-132", COAP_F_OPAQUE, 0, 65535,
	    COAP_IN_RESP, COAP_IN_RESP, COAP_DUTY_NONE },
	{ 136, "Location-136", COAP_F_OPAQUE, 0, 65535,
	    COAP_IN_RESP, COAP_IN_RESP, COAP_DUTY_NONE },
	{ 140, "Location-140", COAP_F_OPAQUE, 0, 65535,
	    COAP_IN_RESP, COAP_IN_RESP, COAP_DUTY_NONE },
	{ 235, "Proxy-Cri", COAP_F_OPAQUE, 1, 1023,
	    0, COAP_IN_REQ, COAP_DUTY_NONE },
	{ 239, "Proxy-Scheme-Number", COAP_F_UINT, 0, 3,
	    0, COAP_IN_REQ, COAP_DUTY_NONE },
	{ 252, "Echo", COAP_F_OPAQUE, 1, 40,
	    0, COAP_IN_BOTH, COAP_DUTY_FORWARD },
	{ 258, "No-Response", COAP_F_UINT, 0, 1,
	    0, COAP_IN_REQ, COAP_DUTY_HOP },
	{ 292, "Request-Tag", COAP_F_OPAQUE, 0, 8,
	    COAP_IN_REQ, COAP_IN_REQ, COAP_DUTY_FORWARD },
	{ 2049, "OCF-Accept-Content-Format-Version", COAP_F_UINT, 2, 2,
	    0, COAP_IN_REQ, COAP_DUTY_NONE },
	{ 2053, "OCF-Content-Format-Version", COAP_F_UINT, 2, 2,
	    0, COAP_IN_BOTH, COAP_DUTY_NONE },
	{ 2055, "SCP82-Params", COAP_F_OPAQUE, 0, 65535,
	    COAP_IN_BOTH, COAP_IN_BOTH, COAP_DUTY_NONE },
	{ 2056, "X-Admin-Protocol", COAP_F_OPAQUE, 0, 65535,
	    COAP_IN_BOTH, COAP_IN_BOTH, COAP_DUTY_NONE },
};

enum {
	ROWS = sizeof(coap_opt_rows) / sizeof(coap_opt_rows[0]),
	HIGH = 2049,		/* numbers with the other table */
};

/* Row plus one; 0 is none. */
const uint8_t coap_opt_low[COAP_OPT_LOW] = {
	[1] = 1, [3] = 2, [4] = 3, [5] = 4, [6] = 5, [7] = 6, [8] = 7,
	[9] = 8, [11] = 9, [12] = 10, [13] = 11, [14] = 12, [15] = 13,
	[16] = 14, [17] = 15, [19] = 16, [20] = 17, [21] = 18, [23] = 19,
	[27] = 20, [28] = 21, [31] = 22, [35] = 23, [39] = 24, [60] = 25,
	[128] = 26, [132] = 27, [136] = 28, [140] = 29, [235] = 30,
	[239] = 31, [252] = 32, [258] = 33, [292] = 34,
};

static const uint8_t high[] = {
	[0] = 35, [4] = 36, [6] = 37, [7] = 38,
};

const struct coap_opt_def *
coap_opt_beyond(uint16_t number)
{
	unsigned row = 0;

	if (number >= HIGH && number - HIGH < (int)sizeof(high))
		row = high[number - HIGH];
	return row == 0 ? NULL : &coap_opt_rows[row - 1];
}

const struct coap_opt_def *
coap_opt_row(size_t i)
{
	return i < ROWS ? &coap_opt_rows[i] : NULL;
}
