/*
 * daemon: the program.
 */
#ifndef MAIN_DAEMON_H
#define MAIN_DAEMON_H

#include <stdbool.h>

/* Exit statuses (sysexits.h has the last one). */
enum {
	EXIT_OK = 0,
	EXIT_OTHER = 1,
	EXIT_USAGE = 2,
	EXIT_CONF = 78,
};

struct daemon;

/* Reads the configuration anew and takes it into use, in one step. *TEXT
 * (owned) gets what there is to say about it, lines as conf_report has them, or
 * NULL; it is logged, and told to the service manager. False: it was refused,
 * also for want of memory, and then *TEXT may be NULL, and everything is as
 * before. Not to be called from inside the proxy. */
bool daemon_reload(struct daemon *d, char **text);

/* Runs coaproxy; returns the exit status. */
int daemon_main(int argc, char **argv);

#endif
