/* Without memory: what is made on the way up says that it cannot be had, and
 * nothing is left of it. Allocations of ours and of libevent are counted. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>

#include <event2/event.h>

#include "net/hosts.h"
#include "net/resolve.h"
#include "net/udp.h"
#include "suites.h"
#include "unit.h"

void *__real_malloc(size_t n);
void *__wrap_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__wrap_realloc(void *p, size_t n);
char *__real_strdup(const char *s);
char *__wrap_strdup(const char *s);
void __real_free(void *p);
void __wrap_free(void *p);

static struct {
	unsigned count;		/* allocations so far */
	unsigned first, last;	/* those that fail */
	long live;		/* not given back */
} memory = { .first = UINT_MAX };

static void *
counted(void *p)
{
	memory.live += p != NULL;
	return p;
}

static bool
may_allocate(void)
{
	memory.count++;
	return memory.count < memory.first || memory.count > memory.last;
}

/* The linker puts these in between. */
void *
__wrap_malloc(size_t n)
{
	return may_allocate() ? counted(__real_malloc(n)) : NULL;
}

void *
__wrap_calloc(size_t n, size_t size)
{
	return may_allocate() ? counted(__real_calloc(n, size)) : NULL;
}

void *
__wrap_realloc(void *p, size_t n)
{
	void *q;

	if (!may_allocate())
		return NULL;
	q = __real_realloc(p, n);
	return p == NULL ? counted(q) : q;
}

char *
__wrap_strdup(const char *s)
{
	return may_allocate() ? counted(__real_strdup(s)) : NULL;
}

void
__wrap_free(void *p)
{
	memory.live -= p != NULL;
	__real_free(p);
}

/* ---- what is made ---- */

static void
nothing_cb(void *user, int signo)
{
	(void)user;
	(void)signo;
}

static const struct net_sock_ops ops = { .input = NULL };
static bool wrong_errno;	/* Check, too, needs memory */

/* Each makes something on a loop and takes it down: whether it could be had. */
typedef bool (*make_fn)(struct loop *l);

static bool
make_signal(struct loop *l)
{
	return loop_signal(l, SIGUSR2, nothing_cb, NULL);
}

static bool
make_sockets(struct loop *l)
{
	struct addr a = { .family = 4, .ip = { 127, 0, 0, 1 } };
	struct udp *u = udp_new(l);
	struct net_sock *s, *c;

	if (u == NULL)
		return false;
	s = udp_bind(u, &a, &ops, NULL);
	wrong_errno |= s == NULL && errno != ENOMEM;
	a.port = 9;
	c = udp_net(u)->ops->connect(udp_net(u), &a, &ops, NULL);
	wrong_errno |= c == NULL && errno != ENOMEM;
	if (s != NULL)
		udp_net(u)->ops->close(s);
	if (c != NULL)
		udp_net(u)->ops->close(c);
	udp_free(u);
	return s != NULL && c != NULL;
}

static bool
make_hosts(struct loop *l)
{
	static const struct siphash_key key = { 1, 2 };
	struct hosts *h = hosts_new("/nonexistent/hosts", &key);

	(void)l;
	hosts_free(h);
	return h != NULL;
}

static struct resolver *
new_resolver(struct loop *l)
{
	struct addr a = { .family = 4, .ip = { 127, 0, 0, 1 }, .port = 9 };
	const struct dns_conf conf = { .servers = &a, .nservers = 1,
		.timeout_ms = 1000 };

	return resolve_new(l, &conf);
}

static bool
make_resolver(struct loop *l)
{
	struct resolver *r = new_resolver(l);

	if (r == NULL)
		return false;
	resolve_free(r);
	return true;
}

/* Others are prepared, and taken back: those in use stay. */
static bool
make_servers(struct loop *l)
{
	struct addr a = { .family = 4, .ip = { 127, 0, 0, 2 }, .port = 9 };
	const struct dns_conf conf = { .servers = &a, .nservers = 1,
		.timeout_ms = 1000 };
	struct resolver *r = new_resolver(l);
	bool ok;

	if (r == NULL)
		return false;
	ok = resolve_prepare(r, &conf);
	resolve_abandon(r);
	resolve_free(r);
	return ok;
}

static const make_fn makes[] = { NULL, make_signal, make_sockets, make_hosts,
	make_resolver, make_servers };

static bool
make(make_fn fn)
{
	struct loop *l = loop_new();
	bool ok;

	if (l == NULL)
		return false;
	ok = fn == NULL || fn(l);
	loop_free(l);
	return ok;
}

/* How many descriptors are open. */
static unsigned
descriptors(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* The n-th allocation fails, or all from the n-th on, for every n: it cannot be
 * had, unless it can do without, and what was made on the way is given back. */
static void
starve(make_fn fn, bool from_then_on)
{
	long before = memory.live;
	unsigned open = descriptors(), refused = 0;
	bool ok;

	for (unsigned n = 1;; n++) {
		memory.count = 0;
		memory.first = n;
		memory.last = from_then_on ? UINT_MAX - 1 : n;
		ok = make(fn);
		memory.first = UINT_MAX;
		ck_assert_msg(memory.live == before, "allocation %u: %ld left",
		    n, memory.live - before);
		ck_assert_uint_eq(descriptors(), open);
		if (memory.count < n) {
			ck_assert(ok);
			break;
		}
		refused += !ok;
	}
	ck_assert_uint_gt(refused, 0);
	ck_assert(!wrong_errno);
}

START_TEST(given_back)
{
	event_set_mem_functions(malloc, realloc, free);
	/* What libevent makes once and keeps. */
	ck_assert(make(makes[_i]));
	starve(makes[_i], false);
	starve(makes[_i], true);
}
END_TEST

Suite *
memory_suite(void)
{
	Suite *s = suite_create("memory");
	TCase *tc = tcase_create("memory");

	tcase_add_loop_test(tc, given_back, 0, UNIT_COUNT(makes));
	suite_add_tcase(s, tc);
	return s;
}
