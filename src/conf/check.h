/*
 * check: rules across keys and sections.
 */
#ifndef CONF_CHECK_H
#define CONF_CHECK_H

#include "conf/loaded.h"

/* Reports what does not go together in L and, when there is no error, what
 * will hardly be meant. */
void check(struct loaded *l);

#endif
