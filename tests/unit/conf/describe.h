/* describe: all that a configuration says, as text that can be compared. */
#ifndef TESTS_UNIT_CONF_DESCRIBE_H
#define TESTS_UNIT_CONF_DESCRIBE_H

#include "conf/conf.h"

/* Owned. */
char *describe(const struct conf *c);

#endif
