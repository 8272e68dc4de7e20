/*
 * lines: commands, one after another: the words of a command line, or else the
 * lines of standard input.
 */
#ifndef BENCH_LINES_H
#define BENCH_LINES_H

#include "bench.h"

enum {
	LINES_MAX = 256,	/* octets of one, with its end */
};

struct lines {
	struct bench_watch watch;
	int ep;
	char **words;		/* NULL: standard input */
	bool ended;
	bool polled;		/* EP can wait for it; for a file it cannot */
	size_t len;
	char text[LINES_MAX];	/* read and not yet given out */
};

/* WORDS, an array that ends with NULL, or NULL for standard input, which is
 * then watched at EP. Ends the program on failure. */
void lines_open(struct lines *l, int ep, char **words);

/* True: OUT is the next line, without its end. Otherwise there is none yet, or,
 * if lines_ended(), no more. */
bool lines_next(struct lines *l, char out[LINES_MAX]);
bool lines_ended(const struct lines *l);

#endif
