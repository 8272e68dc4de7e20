/*
 * args: the command line.
 */
#ifndef MAIN_ARGS_H
#define MAIN_ARGS_H

#include <stdbool.h>

enum args_mode {
	ARGS_RUN,
	ARGS_CHECK,		/* -t */
	ARGS_DUMP,		/* -T */
	ARGS_EXPLAIN,		/* --explain */
	ARGS_VERSION,
	ARGS_HELP,
	ARGS_BAD,		/* complained already: exit 2 */
};

struct args {
	enum args_mode mode;
	const char *config;	/* file, or "-" */
	char *default_config;	/* what that is without -c */
	char *text;		/* configuration made of --to, --forward,
				 * --route, --bind; NULL: read the file */
	int verbose;		/* -v up, -q down */
	const char *explain;	/* 'GET coap://...' */
	const char *from;	/* --from ADDR */
	const char *listen;	/* --listen NAME */
};

/* Reads the command line; complains on standard error. */
void args_parse(struct args *a, int argc, char **argv);
void args_fini(struct args *a);

/* Prints the help, 24 lines at most, and the version with what was built in. */
void args_help(void);
void args_version(void);

#endif
