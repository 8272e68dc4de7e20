/*
 * core: struct daemon, and what its parts call of each other.
 *
 * Private to daemon.c (from the beginning to the end), listen.c (sockets that
 * requests come to), news.c (what is said unasked), regime.c (configurations in
 * use), reload.c (from one to the next), service.c (the service manager),
 * start.c (the first sockets) and store.c (sockets that the manager keeps).
 */
#ifndef MAIN_CORE_H
#define MAIN_CORE_H

#include "base/list.h"
#include "main/admin.h"
#include "main/args.h"
#include "main/daemon.h"
#include "main/sd.h"
#include "net/udp.h"
#include "server/server.h"
#include "upstream/client.h"

enum {
	STATUS_MAX = 400,
	REFUSED_MAX = 340,	/* of it */
	LIMITS_MAX = 32,	/* rows of ctl/limits.h */
};

/* What has been said of a limit. */
struct limit_told {
	uint64_t n;		/* refusals so far */
	uint64_t when;		/* ms */
};

/* A configuration, in use, or used by what began under it. */
struct regime {
	struct list link;	/* in daemon.over, when nobody uses it */
	struct daemon *daemon;
	struct conf *conf;
	struct access *access;
	const char **listeners;	/* their names */
	struct span *names;	/* that are us */
	struct proxy_conf proxy;
};

struct daemon {
	const struct args *args;
	struct regime *regime;	/* in use */
	const struct conf *conf;	/* of it */
	struct list over;
	bool hangup;		/* reload at the end of the turn */
	struct rand rnd;
	struct loop *loop;
	struct udp *udp;
	struct resolver *resolver;
	struct buf_pool *bufs;
	struct self self;
	struct msg_params params;
	struct proxy *proxy;
	struct client_conf client_conf;
	struct client *client;
	struct server *server;
	unsigned listeners;	/* numbers given to sections [listen] */
	struct list bound;	/* listen.c's */
	struct sd_socket *passed;	/* by the service manager; those of
					 * store.c until the start is over */
	size_t npassed;
	struct timer sweep;	/* of listeners that are going, */
	uint64_t swept;		/* ... and that are gone: when last, ms */
	int log_fd;		/* of the log's file, or -1 */
	struct timer interfaces;
	struct timer drain;
	bool draining;
	bool starting;		/* there are no sockets yet */
	struct admin admin;	/* also how the configuration came into use */
	char *addresses;	/* ... and where it is served, as URIs; room for
				 * all of bound */
	struct listener_sum *carried;	/* by listeners of before */
	/* service.c's */
	struct timer status, watchdog;
	uint64_t watchdog_ms;	/* 0: nobody listens */
	char refused[REFUSED_MAX];	/* why the last configuration was; or
					 * empty */
	char told[STATUS_MAX];	/* the status told last */
	struct limit_told limits[LIMITS_MAX];	/* news.c's */
};

/* ---- daemon.c ---- */

/* Reads what the command line says. NULL with errors in REPORT. */
struct conf *daemon_load(const struct args *a, struct conf_report *report);

/* The log's file, opened; -1: standard error. False with errno. */
bool daemon_open_log(const struct conf *c, int *fd);

/* The log goes to FD, as C says. */
void daemon_set_log(struct daemon *d, const struct conf *c, int fd);

/* The budget of the datagrams that C makes for. */
size_t daemon_buf_octets(const struct conf *c);

/* Operators see what is in use now. */
void daemon_show(struct daemon *d);

/* Exchanges that are not over. */
size_t daemon_work_left(const struct daemon *d);

const char *plural(size_t n);

/* ---- regime.c ---- */

/* Takes C. NULL without memory. */
struct regime *regime_new(struct daemon *d, struct conf *c);
void regime_free(struct regime *r);

/* R is the one in use: takes what of it is not the proxy's. */
void regime_use(struct daemon *d, struct regime *r);

/* Frees those that nobody uses any more: in no callback but a turn's end. */
void regime_bury(struct daemon *d);

/* ---- listen.c ---- */

/* Binds what C says and is not bound yet. What is bound goes on as it is until
 * listen_swap(). False with errno and why (owned; NULL when there is no memory):
 * nothing has changed. */
bool listen_open(struct daemon *d, const struct conf *c, char **why);

/* What listen_open() has prepared is in use from now on, or taken back. */
void listen_swap(struct daemon *d);
void listen_abandon(struct daemon *d);

/* Has the service manager keep what is bound here and in use, and nothing that
 * is in use no more. */
void listen_store(struct daemon *d);

/* It is the end, and whoever comes after us gets the sockets that the service
 * manager has: requests that are repeated are left to him. */
void listen_hand_over(struct daemon *d);

/* Forgets all of them; their sockets are the server's. */
void listen_fini(struct daemon *d);

/* Writes into D->addresses what is listened at, "coap://..." with blanks
 * between. */
void listen_show(struct daemon *d);

/* ---- start.c ---- */

/* Binds what the configuration in use says; what the host does not have yet is
 * waited for. False: it has been said why, or d->draining. */
bool start_listening(struct daemon *d);

/* ---- store.c ---- */

/* Whether the manager's socket NAME is one of those that it keeps for us. */
bool store_is_name(const char *name);

/* Gives up those that the configuration in use has no use for. */
void store_tidy(struct daemon *d);

/* A descriptor, the caller's, of the socket kept for WANTED; -1: there is
 * none. */
int store_take(const struct daemon *d, const struct addr *wanted);

/* All that were to be taken have been. */
void store_taken(struct daemon *d);

/* Has FD kept, which was bound for WANTED; false: nobody keeps it. */
bool store_put(const struct addr *wanted, int fd);
void store_remove(const struct addr *wanted);

/* ---- news.c ---- */

/* Says what is new since the last time. */
void news_tell(struct daemon *d, uint64_t now);

/* ---- service.c ---- */

void service_init(struct daemon *d);
void service_ready(struct daemon *d);
void service_reloading(void);
void service_stopping(struct daemon *d, uint64_t limit_ms);
void service_stop(struct daemon *d);

/* A configuration is in use (WHY is NULL), or was refused for the reason WHY, the
 * first of whose lines is told. */
void service_reloaded(struct daemon *d, const char *why);

#endif
