/*
 * admin: the ways in for operators: HTTP for monitoring, the control socket.
 */
#ifndef MAIN_ADMIN_H
#define MAIN_ADMIN_H

#include "conf/conf.h"
#include "ctl/control.h"
#include "ctl/http.h"

/* Zeros are one that is closed. What there is to be seen, and done, is filled
 * in by the owner. */
struct admin {
	struct sources src;
	struct ctl_actions act;
	struct http *http;
	struct control *control;
};

/* Opens what C says. False, complained, when it cannot be had. */
bool admin_open(struct admin *a, const struct conf *c)
    __attribute__((warn_unused_result));
void admin_close(struct admin *a);

#endif
