/*
 * subject: an origin with a resource to be observed.
 *
 * RFC 7641 as the proxy in front may expect it: whoever registers for
 * /observed is told each state; a notification that is confirmable is
 * repeated until it is acknowledged, with the newest state, and ends the
 * registration when it never is. Meant for one observer, the proxy. It also
 * serves many, each on its own: that is how what plays the observers is tried.
 *
 * Other paths have an unchanging content that is fresh for an hour.
 */
#ifndef BENCH_SUBJECT_H
#define BENCH_SUBJECT_H

#include <stdint.h>

#include "bench.h"

enum {
	/* A payload begins with its state in hexadecimal. */
	SUBJECT_STATE_LEN = 8,
};

struct subject_conf {
	uint16_t port;		/* 0: the kernel chooses */
	enum bench_type type;	/* CON or NON notifications */
	size_t payload;		/* octets, at least SUBJECT_STATE_LEN */
	uint32_t max_age;
};

struct subject_figures {
	uint64_t registrations;	/* by who was not registered */
	uint64_t renewals;	/* by who was */
	uint64_t cancelled;	/* Observe 1, or RST */
	uint64_t given_up;	/* never acknowledged */
	uint64_t changes;
	uint64_t notifications;	/* without copies */
	uint64_t copies;
	uint64_t others;	/* requests of other kinds */
};

struct subject;

/* Listens on loopback, with a struct bench_watch at EP. Ends the program on
 * failure. */
struct subject *subject_new(int ep, const struct subject_conf *conf);
void subject_free(struct subject *s);
uint16_t subject_port(const struct subject *s);

/* The next state; who observes is told. */
void subject_change(struct subject *s);
uint32_t subject_state(const struct subject *s);

/* Repeats what is due. */
void subject_sweep(struct subject *s);

struct subject_figures subject_figures(const struct subject *s);

/* What is the content in this state, N octets: no two states have an octet in
 * common behind the number unless their numbers are a multiple of 26 apart. */
void subject_content(uint8_t *p, size_t n, uint32_t state);

#endif
