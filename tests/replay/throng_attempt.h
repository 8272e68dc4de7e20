/*
 * throng_attempt: CON of the proxy's that wait for their ACK: notifications,
 * and answers in messages of their own (RFC 7252 4.2, RFC 7641 4.5).
 */
#ifndef TESTS_REPLAY_THRONG_ATTEMPT_H
#define TESTS_REPLAY_THRONG_ATTEMPT_H

#include "throng_sim.h"

enum { FOG_MS = 150000 };	/* until any CON of before is over */

/* E has got something that it should not; unless that cannot be said. */
void attempt_wrong(struct endpoint *e, enum fault fault, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The one with a message MID; *CURRENT is false if another has come since. */
struct attempt *attempt_by_mid(struct endpoint *e, uint16_t mid,
    bool *current);

/* The notification of W's that is outstanding, or NULL. */
struct attempt *attempt_of(struct endpoint *e, const struct watcher *w);

unsigned attempts_outstanding(const struct endpoint *e);

void attempt_over(struct endpoint *e, struct attempt *a, uint64_t when);

/* M is sent to W for the first time. */
void attempt_begin(struct endpoint *e, struct watcher *w,
    const struct coap_msg *m, bool answer);

/* One more copy, M; no sooner and no later than RFC 7252 4.2 says. */
void attempt_again(struct endpoint *e, struct attempt *a,
    const struct coap_msg *m);

/* Whose time is up, is. */
void attempts_expire(struct endpoint *e);

#endif
