/*
 * anomaly: inputs of fuzz_proxy, while something of the environment fails.
 *
 * The n-th allocation, all from the n-th on, the n-th datagram with each error
 * that sending meets with, the n-th socket: for every n there is, in each of
 * the inputs. And every limit of the configuration at its edges. The judge of
 * fuzz_proxy watches all of it, and when the trouble is over a request is
 * answered as if nothing had been. One result a line (TAP).
 *
 *	anomaly [-v] [INPUT...]		default: part of the corpus
 */
#include <errno.h>
#include <dirent.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/xalloc.h"
#include "conf/schema.h"
#include "conf/value.h"
#include "play.h"
#include "server/server.h"

enum {
	INPUTS_MAX = 1000,
	INPUT_MAX = 4096,
	CHOSEN = 80,		/* inputs of the corpus, about */
	TEXT = 2048,
};

struct input {
	uint8_t *octets;
	size_t n;
};

static struct input inputs[INPUTS_MAX];
static size_t ninputs;
static char what[256];		/* is being tried */
static bool verbose;
static unsigned results;

/* ---- memory ---- */

void *__real_malloc(size_t n);
void *__wrap_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__wrap_realloc(void *p, size_t n);
void *__real_xcalloc(size_t n, size_t size);
void *__wrap_xcalloc(size_t n, size_t size);
void *__real_xrealloc(void *p, size_t n, size_t size);
void *__wrap_xrealloc(void *p, size_t n, size_t size);
char *__real_xstrdup(const char *s);
char *__wrap_xstrdup(const char *s);
char *__real_xspandup(struct span s);
char *__wrap_xspandup(struct span s);
struct conf *__real_conf_load_text(const char *name, const char *text,
    struct conf_report *r);
struct conf *__wrap_conf_load_text(const char *name, const char *text,
    struct conf_report *r);
struct listener *__real_server_add_listener(struct server *s, unsigned index,
    enum coap_scheme scheme);
struct listener *__wrap_server_add_listener(struct server *s, unsigned index,
    enum coap_scheme scheme);

static struct {
	bool on;
	unsigned spare;		/* we are in what may abort */
	unsigned count;		/* allocations so far */
	unsigned first, last;	/* those that fail */
} memory;

static bool
may_allocate(void)
{
	if (!memory.on || memory.spare > 0)
		return true;
	memory.count++;
	return memory.count < memory.first || memory.count > memory.last;
}

/* The linker puts these in between. */
void *
__wrap_malloc(size_t n)
{
	return may_allocate() ? __real_malloc(n) : NULL;
}

void *
__wrap_calloc(size_t n, size_t size)
{
	return may_allocate() ? __real_calloc(n, size) : NULL;
}

void *
__wrap_realloc(void *p, size_t n)
{
	return may_allocate() ? __real_realloc(p, n) : NULL;
}

/* The network of the tests needs what it asks for. Configurations have tests of
 * their own (test_starved.c). */
void *
__wrap_xcalloc(size_t n, size_t size)
{
	void *p;

	memory.spare++;
	p = __real_xcalloc(n, size);
	memory.spare--;
	return p;
}

void *
__wrap_xrealloc(void *p, size_t n, size_t size)
{
	void *q;

	memory.spare++;
	q = __real_xrealloc(p, n, size);
	memory.spare--;
	return q;
}

char *
__wrap_xstrdup(const char *s)
{
	char *p;

	memory.spare++;
	p = __real_xstrdup(s);
	memory.spare--;
	return p;
}

char *
__wrap_xspandup(struct span s)
{
	char *p;

	memory.spare++;
	p = __real_xspandup(s);
	memory.spare--;
	return p;
}

struct conf *
__wrap_conf_load_text(const char *name, const char *text,
    struct conf_report *r)
{
	struct conf *c;

	memory.spare++;
	c = __real_conf_load_text(name, text, r);
	memory.spare--;
	return c;
}

/* main/listen.c is not in this: nothing has begun before it has what it
 * needs. */
struct listener *
__wrap_server_add_listener(struct server *s, unsigned index,
    enum coap_scheme scheme)
{
	struct listener *l;

	memory.spare++;
	l = __real_server_add_listener(s, index, scheme);
	memory.spare--;
	return l;
}

static void
calm(void)
{
	memory.on = false;
}

/* ---- reporting ---- */

static void
aborted(int signo)
{
	ssize_t n = write(STDERR_FILENO, what, strlen(what));

	(void)n;
	signal(signo, SIG_DFL);
	raise(signo);
}

static void trying(const char *fmt, ...)
    __attribute__((format(printf, 1, 2)));

static void
trying(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	if (verbose)
		fputs(what, stderr);
}

/* Whoever gets here has not aborted; N is how often. */
static void
result(const char *name, unsigned n)
{
	printf("%sok %u - %s: %u runs\n", n > 0 ? "" : "not ", ++results, name,
	    n);
	(void)fflush(stdout);
}

/* ---- allocations ---- */

static void
run_short(const struct input *in, unsigned first, unsigned last)
{
	const struct play_setting setting = { .short_of_memory = true,
		.calm = calm };

	memory.on = true;
	memory.spare = 0;
	memory.count = 0;
	memory.first = first;
	memory.last = last;
	play_run((struct tape){ in->octets, in->n }, &setting);
	memory.on = false;
}

static void
allocations(const char *name, bool all_from_then)
{
	unsigned runs = 0, most;

	for (size_t i = 0; i < ninputs; i++) {
		trying("input %zu: enough memory\n", i);
		run_short(&inputs[i], UINT32_MAX, 0);
		most = memory.count;
		for (unsigned n = 1; n <= most; n++, runs++) {
			trying("input %zu: allocation %u%s\n", i, n,
			    all_from_then ? " and later" : "");
			run_short(&inputs[i], n,
			    all_from_then ? UINT32_MAX : n);
		}
	}
	result(name, runs);
}

/* ---- sending ---- */

static void
sends(int err)
{
	char name[80];
	unsigned runs = 0;

	for (size_t i = 0; i < ninputs; i++)
		for (unsigned n = 0;; n++, runs++) {
			const struct play_setting setting = {
				.send_error = err, .sends = n };

			trying("input %zu: datagram %u: %s\n", i, n,
			    strerror(err));
			if (!play_run((struct tape){ inputs[i].octets,
				inputs[i].n }, &setting))
				break;
		}
	snprintf(name, sizeof(name), "the n-th datagram: %s", strerror(err));
	result(name, runs);
}

static void
sockets(void)
{
	unsigned runs = 0;

	for (size_t i = 0; i < ninputs; i++)
		for (unsigned n = 0;; n++, runs++) {
			const struct play_setting setting = {
				.socket_error = true, .sockets = n };

			trying("input %zu: socket %u\n", i, n);
			if (!play_run((struct tape){ inputs[i].octets,
				inputs[i].n }, &setting))
				break;
		}
	result("the n-th socket", runs);
}

/* ---- limits ---- */

/* What is written unless the key in question is. */
static const struct {
	enum section_id section;
	const char *title, *key, *value;
} base[] = {
	{ SECTION_MESSAGE, "message", "max-exchanges", "32" },
	{ SECTION_CACHE, "cache", "size", "64K" },
	{ SECTION_OBSERVE, "observe", "linger", "5s" },
	{ SECTION_BLOCK, "block", "max-body", "8K" },
	{ SECTION_ORIGIN, "origin", "confirmable", "as-client" },
	{ SECTION_FORWARD, "forward", "allow-from", "any" },
	{ SECTION_PROXY, "proxy", "name", "here" },
	{ SECTION_ROUTE, "route", "path", "/a" },
};

static void
configuration(char out[TEXT], const struct schema_key *k, const char *value)
{
	size_t n = 0;

	for (size_t i = 0; i < sizeof(base) / sizeof(base[0]); i++) {
		bool same = k->section == base[i].section;

		n += (size_t)snprintf(out + n, TEXT - n, "[%s]\n",
		    base[i].title);
		if (!same || strcmp(k->name, base[i].key) != 0)
			n += (size_t)snprintf(out + n, TEXT - n, "%s = %s\n",
			    base[i].key, base[i].value);
		if (same)
			n += (size_t)snprintf(out + n, TEXT - n, "%s = %s\n",
			    k->name, value);
	}
	snprintf(out + n, TEXT - n, "to = coap://198.51.100.1\n");
}

/* Whether there is such a configuration. */
static bool
is_accepted(const char *text)
{
	struct conf_report report = { 0 };
	struct conf *c = conf_load_text("conf", text, &report);

	conf_free(c);
	conf_report_fini(&report);
	return c != NULL;
}

static bool
try_limit(const struct schema_key *k, const char *unit, uint64_t v)
{
	struct play_setting setting = { .conf = NULL };
	char value[40], text[TEXT];
	unsigned long long n = v;

	if (k->type == &value_factor)
		snprintf(value, sizeof(value), "%llu.%03llu", n / 1000,
		    n % 1000);
	else
		snprintf(value, sizeof(value), "%llu%s", n, unit);
	configuration(text, k, value);
	if (!is_accepted(text))
		return false;
	setting.conf = text;
	for (size_t i = 0; i < ninputs; i++) {
		trying("input %zu: %s = %s\n", i, k->name, value);
		(void)play_run((struct tape){ inputs[i].octets, inputs[i].n },
		    &setting);
	}
	return true;
}

/* Seconds are counted in milliseconds in the table. */
static uint64_t
scale(const struct schema_key *k)
{
	return k->type == &value_seconds ? 1000 : 1;
}

static void
limits(void)
{
	const struct schema_key *k;
	unsigned runs = 0, edges = 0;

	for (size_t i = 0; (k = schema_row(i)) != NULL; i++) {
		const char *unit = k->type == &value_duration ? "ms" :
		    k->type == &value_seconds ? "s" : "";
		uint64_t lo = k->lo / scale(k), hi = k->hi / scale(k);
		const uint64_t v[] = { lo, lo + 1, hi - 1, hi };

		if ((k->type != &value_count && k->type != &value_duration &&
			k->type != &value_factor && k->type != &value_size &&
			k->type != &value_seconds &&
			k->type != &value_nstart) ||
		    k->section == SECTION_DNS)
			continue;
		for (size_t j = 0; j < 4; j++, edges++)
			runs += try_limit(k, unit, v[j]);
	}
	printf("# %u edges, %u of them a configuration by themselves\n", edges,
	    runs);
	result("every limit at its edges", runs);
}

/* ---- inputs ---- */

static void
add_input(const char *path)
{
	struct input *in = &inputs[ninputs];
	FILE *f = fopen(path, "rb");

	if (f == NULL || ninputs == INPUTS_MAX) {
		perror(path);
		exit(2);
	}
	in->octets = xcalloc(1, INPUT_MAX);
	in->n = fread(in->octets, 1, INPUT_MAX, f);
	ninputs++;
	fclose(f);
}

static int
not_hidden(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

static void
add_corpus(void)
{
	const char *top = getenv("top_srcdir");
	struct dirent **v;
	char *dir, *path;
	int n;

	dir = xasprintf("%s/tests/fuzz/corpus/proxy", top != NULL ? top : ".");
	n = scandir(dir, &v, not_hidden, alphasort);
	for (int i = 0; i < n; i++) {
		if (i % (n / CHOSEN + 1) == 0) {
			path = xasprintf("%s/%s", dir, v[i]->d_name);
			add_input(path);
			free(path);
		}
		free(v[i]);
	}
	if (n > 0)
		free(v);
	free(dir);
}

int
main(int argc, char **argv)
{
	static const int errors[] = { EAGAIN, ENOBUFS, EPERM, EMSGSIZE,
		ENETUNREACH };

	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "-v") == 0)
			verbose = true;
		else
			add_input(argv[i]);
	if (ninputs == 0)
		add_corpus();
	signal(SIGABRT, aborted);
	allocations("the n-th allocation", false);
	allocations("all allocations from the n-th on", true);
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		sends(errors[i]);
	sockets();
	limits();
	printf("1..%u\n", results);
	for (size_t i = 0; i < ninputs; i++)
		free(inputs[i].octets);
	return 0;
}
