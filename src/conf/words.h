/*
 * words: a value as words.
 *
 * Words are separated by blanks, in a list also by commas. "..." keeps
 * separators, "#" and ";" and knows \" \\ \n \xNN. ${env:NAME},
 * ${env:NAME:-default}, ${cred:NAME} and ${file:/path} stand for their content,
 * which is not read again; $$ is a dollar.
 */
#ifndef CONF_WORDS_H
#define CONF_WORDS_H

#include <stdio.h>

#include "base/arena.h"

enum { WORD_MAX = 1024 };	/* octets of a word, expanded */

struct word {
	const char *text;	/* no NUL in it but the last */
	unsigned col;		/* in its line, from 1 */
	bool secret;		/* came from a file: not to be shown */
};

struct words {
	struct word *v;
	size_t n;
};

struct words_error {
	unsigned col;
	char text[160];
	bool starved;		/* it is memory */
};

/* Splits TEXT, which stands at column COL of its line, into OUT; the texts of
 * the words come from ARENA. LIST: commas separate. False with what is wrong
 * in ERR; OUT is empty then. */
bool words_split(struct words *out, struct arena *arena, struct span text,
    unsigned col, bool list, struct words_error *err);

void words_fini(struct words *w);

/* Length of the part of LINE before its comment. QUOTES: "..." hides "#" and
 * ";" from us. */
size_t words_uncomment(struct span line, bool quotes);

/* Writes TEXT so that words_split() makes one word of it again. */
void words_quote(FILE *f, const char *text);

#endif
