/*
 * text: CoAP messages as scenarios write them.
 *
 *	CON GET mid=0x1234 token=a1 Uri-Path="t" Observe=0 payload="hi"
 *
 * The words are those of coap_dump(). A value is "text" (\xNN, and 2x"ab"+"c"
 * for "ababc"), a decimal number, NUM/M/SIZE for a block, or hexadecimal digits,
 * as its option has it; 0x... are the very octets, whatever the option, * is
 * any value, $name one to be remembered or, the next time, the same one again,
 * and !$name another one. >$name is a number greater than $name as Observe has
 * it (RFC 7641 3.4), in 24 bits and by less than 2^23; it becomes $name, as
 * any number does the first time. Without code the message is empty.
 */
#ifndef TESTS_REPLAY_TEXT_H
#define TESTS_REPLAY_TEXT_H

#include "base/arena.h"
#include "coap/emit.h"

enum { TEXT_OPTS = 48, TEXT_VARS = 64, TEXT_MESSAGE = 2048 };

enum text_kind {
	TEXT_NONE,		/* not written */
	TEXT_VALUE,
	TEXT_ANY,
	TEXT_VAR,
	TEXT_NOT_VAR,
	TEXT_NEWER,
};

struct text_value {
	enum text_kind kind;
	struct span v;		/* octets, or the variable's name */
};

struct text_opt {
	uint16_t number;
	struct text_value value;
};

struct text_msg {
	uint8_t type, code;
	struct text_value mid, token, payload;
	struct text_opt opt[TEXT_OPTS];
	size_t nopt;
};

struct text_var {
	struct span name, v;
};

/* What the variables of a section stand for. */
struct text_vars {
	struct text_var var[TEXT_VARS];
	size_t n;
};

/* The next word of *LINE, which is moved behind it; empty at the end. Blanks
 * in quotes do not separate. */
struct span text_word(struct span *line);

/* Reads a message from LINE up to its end or a word that is STOP; what is
 * left stays in LINE. NULL, or what is wrong; texts are kept in A. */
const char *text_parse(struct text_msg *m, struct span *line, const char *stop,
    struct arena *a);

/* Octets in hexadecimal, blanks between them or not. NULL on success. */
const char *text_hex(struct span text, struct arena *a, struct span *out);

/* What NAME stands for; NULL when nothing yet. */
const struct span *text_var(const struct text_vars *vars, struct span name);

/* NAME stands for the number V from now on, in as few octets as possible. False
 * when there is no room. */
bool text_set_uint(struct text_vars *vars, struct span name, uint32_t v,
    struct arena *a);

/* Writes M, whose mid and token are values or variables, into OUT; 0 when that
 * cannot be. */
size_t text_emit(const struct text_msg *m, const struct text_vars *vars,
    uint8_t *out, size_t cap);

/* Whether DATAGRAM is M, octet for octet where M says which; remembers its
 * variables in VARS, with octets from A. */
bool text_match(const struct text_msg *m, struct text_vars *vars,
    struct span datagram, struct arena *a);

#endif
