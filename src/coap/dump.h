/*
 * dump: a message on one line, for logs and tests.
 *
 *	CON GET mid=0x1234 token=a1 Uri-Path="t" Observe=0 payload=5
 *
 * Strings are quoted with octets outside 0x20..0x7e (and the quote and the
 * backslash) as \xNN, opaque values are hexadecimal, uints decimal, Block
 * options NUM/M/SIZE; unknown options print as "opt65000=hex".
 */
#ifndef COAP_DUMP_H
#define COAP_DUMP_H

#include "coap/msg.h"

/* Writes M into OUT of CAP octets, cut when it does not fit, always
 * terminated. Returns OUT. */
const char *coap_dump(const struct coap_msg *m, char *out, size_t cap);

#endif
