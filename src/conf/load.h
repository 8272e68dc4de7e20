/*
 * load: files to sections and settings.
 */
#ifndef CONF_LOAD_H
#define CONF_LOAD_H

#include "conf/doc.h"

/* Reads the file PATH ("-": standard input), or TEXT as if it were a file
 * NAME, and what it includes, into D, which is empty. Errors go to the
 * report. */
void load_file(struct doc *d, const char *path);
void load_text(struct doc *d, const char *name, const char *text);

#endif
