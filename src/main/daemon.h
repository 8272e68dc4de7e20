/*
 * daemon: the program.
 */
#ifndef MAIN_DAEMON_H
#define MAIN_DAEMON_H

/* Exit statuses (sysexits.h has the last one). */
enum {
	EXIT_OK = 0,
	EXIT_OTHER = 1,
	EXIT_USAGE = 2,
	EXIT_CONF = 78,
};

/* Runs coaproxy; returns the exit status. */
int daemon_main(int argc, char **argv);

#endif
