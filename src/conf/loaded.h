/*
 * loaded: a configuration together with where it comes from.
 */
#ifndef CONF_LOADED_H
#define CONF_LOADED_H

#include "conf/conf.h"
#include "conf/doc.h"

/* [origin] and [origin NAME]. */
struct origin {
	bool has_server;
	struct target server;
	struct path path;
	enum confirmable confirmable;
	uint32_t nstart;	/* 0: a window */
};

struct loaded {
	struct conf conf;	/* first: what everyone else knows */
	struct doc doc;
	struct origin *origin;	/* by index of section */
};

#endif
