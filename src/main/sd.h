/*
 * sd: talking to the service manager (sd_notify(3)).
 *
 * Does nothing when there is none, so the same binary runs in a container or
 * in the foreground. sd-none.c stands in where libsystemd is not built in.
 */
#ifndef MAIN_SD_H
#define MAIN_SD_H

/* Sends STATE, lines as in sd_notify(3). */
void sd_tell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
