/*
 * fuzz_ctl: any octets at the control socket, of a proxy that has to do with
 * any names.
 *
 * The input is an octet that says how the rest is written (in so many pieces),
 * one with the length of what a client asks for, that, and what is written. A
 * line has an answer, whose last line is "ok" or "error: ..."; whatever is in
 * it, it is printable, and with -j each line of it is JSON. Afterwards the
 * connection is given up, no timer runs, and no descriptor is left.
 */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/buffer.h>

#include "base/log.h"
#include "coap/emit.h"
#include "ctl/control.h"
#include "ctl/metrics.h"
#include "turn.h"
#include "world.h"

enum {
	TURNS = 50,		/* of the loop, until an answer is there */
	ANSWER_MAX = 1 << 18,
	ASKED_MAX = 250,
};

static const char conf[] =
    "[cache]\nsize = 64K\n[observe]\nlinger = 5s\n[message]\n"
    "max-exchanges = 32\n[route \"a\\b\"]\nto = coap://198.51.100.1\n"
    "[log]\naccess = all\n";

static struct {
	struct loop *loop;
	struct udp *udp;
	struct resolver *resolver;
	struct server *server;	/* behind a socket of its own: what arrives */
	struct addr addr;	/* ... there can be traced */
	struct control *control;
	struct world world;
	struct sources src;
	struct ctl_actions act;
	char dir[40];
	struct sockaddr_un path;
	char answer[ANSWER_MAX];
	size_t n;
} f;

static void
require(bool fact, const char *why)
{
	if (fact)
		return;
	fprintf(stderr, "%s: %.*s\n", why, (int)f.n, f.answer);
	abort();
}

/* ---- set up once ---- */

static bool
reload_cb(void *user, char **text)
{
	(void)user;
	*text = strdup("conf:1: a \"line\"\n");
	return false;
}

static void
drain_cb(void *user)
{
	(void)user;
}

static void
clean_up(void)
{
	control_free(f.control);
	resolve_free(f.resolver);
	udp_free(f.udp);
	loop_free(f.loop);
	rmdir(f.dir);
}

static void
listen_here(void)
{
	char path[sizeof(f.path.sun_path)];

	(void)snprintf(f.dir, sizeof(f.dir), "%s",
	    "/tmp/coaproxy-fuzz-XXXXXX");
	require(mkdtemp(f.dir) != NULL, "no directory");
	(void)snprintf(path, sizeof(path), "%s/control", f.dir);
	f.control = control_new(f.loop, path, &f.src, &f.act);
	require(f.control != NULL, "no control socket");
	f.path.sun_family = AF_UNIX;
	memcpy(f.path.sun_path, path, strlen(path));
}

static void
set_up(void)
{
	const struct dns_conf dns = { .timeout_ms = 1000 };
	static const char *const names[] = { "all \"\\" };

	f.act = (struct ctl_actions){ NULL, reload_cb, drain_cb };
	f.loop = turn_init();
	f.udp = f.loop != NULL ? udp_new(f.loop) : NULL;
	f.resolver = f.loop != NULL ? resolve_new(f.loop, &dns) : NULL;
	require(f.udp != NULL && f.resolver != NULL, "no loop");
	f.src = (struct sources){ .version = "0", .name = "fuzz",
		.addresses = "coap://*", .config = { .file = "-" },
		.listeners = names, .nlisteners = 1, .loop = f.loop,
		.udp = f.udp, .resolver = f.resolver };
	listen_here();
	(void)atexit(clean_up);
}

/* ---- a proxy with something in it ---- */

static void
origin_answers(const struct packet *pk)
{
	struct coap_msg m;
	uint8_t space[16], out[128];
	struct writer w = writer_make(space, sizeof(space));
	struct coap_optw o = coap_optw(&w);
	struct coap_head h = { .type = COAP_ACK, .code = COAP_205 };

	if (coap_parse(&m, span_make(pk->octets, pk->n)) != COAP_PARSE_OK ||
	    coap_code_kind(m.code) != COAP_KIND_REQUEST)
		return;
	h.mid = m.mid;
	h.token = m.token;
	if (coap_has(&m, COAP_OPT_OBSERVE))
		coap_put_uint(&o, COAP_OPT_OBSERVE, 1);
	world_input(&f.world, &pk->to, &pk->from, span_make(out,
	    coap_emit(out, sizeof(out), &h, writer_span(&w), SPAN_LIT("x"))));
}

/* Somebody observes what PATH says, and its value is stored. */
static void
observe(struct span path)
{
	struct addr from = { .ip = { 10, 0, 0, 1 }, .family = 4, .port = 99 };
	struct addr to = { .ip = { 192, 0, 2, 1 }, .family = 4, .port = 5683 };
	uint8_t space[300], out[400];
	struct writer w = writer_make(space, sizeof(space));
	struct coap_optw o = coap_optw(&w);
	struct coap_head h = { .type = COAP_CON, .code = COAP_GET,
		.token = SPAN_LIT("t") };
	struct packet *pk;

	coap_put_uint(&o, COAP_OPT_OBSERVE, 0);
	coap_put_opt(&o, COAP_OPT_URI_PATH, path);
	world_input(&f.world, &from, &to, span_make(out,
	    coap_emit(out, sizeof(out), &h, writer_span(&w), SPAN_LIT(""))));
	while ((pk = world_take(&f.world)) != NULL) {
		origin_answers(pk);
		free(pk);
	}
}

/* The sockets of the world are none that know how much has passed. */
static void
make_server(void)
{
	struct world *w = &f.world;
	struct addr any = { .ip = { 127, 0, 0, 1 }, .family = 4 };
	struct listener *l;
	struct net_sock *s;

	f.server = server_new(&w->conf->message, &w->timers, w->bufs, &w->rnd,
	    w->proxy);
	require(f.server != NULL, "no server");
	l = server_add_listener(f.server, 0, COAP_SCHEME_COAP);
	s = l != NULL ? udp_bind(f.udp, &any, &server_sock_ops, l) : NULL;
	require(s != NULL, "no socket");
	listener_open(l, udp_net(f.udp), s);
	udp_net(f.udp)->ops->local(s, &f.addr);
}

static void
make_proxy(struct span path)
{
	require(world_init(&f.world, "conf", conf, 1), "no proxy");
	make_server();
	f.src.proxy = f.world.proxy;
	f.src.server = f.server;
	f.src.client = f.world.client;
	f.src.bufs = f.world.bufs;
	f.src.rules = &f.world.conf->rules;
	observe(path);
}

/* ---- what comes out ---- */

/* Behind a JSON string or number, or word, at P; NULL when it is none. */
static const char *
scalar(const char *p)
{
	size_t n = strspn(p, "0123456789.-+eEtruefalsn");

	if (*p != '"')
		return n > 0 ? p + n : NULL;
	for (p++; *p != '"'; p++) {
		if (*p == '\0')
			return NULL;
		if (*p == '\\' && *++p == '\0')
			return NULL;
	}
	return p + 1;
}

/* As far as brackets, commas and strings go. */
static void
check_json(const char *line)
{
	char open[32];
	size_t depth = 0;
	const char *p = line;

	while (*p != '\0') {
		if (*p == '{' || *p == '[') {
			require(depth < sizeof(open), "deep JSON");
			open[depth++] = *p++;
		} else if (*p == '}' || *p == ']') {
			require(depth > 0 && open[--depth] ==
				(*p == '}' ? '{' : '['), "wrong JSON");
			p++;
		} else if (*p == ',' || *p == ':') {
			require(depth > 0, "wrong JSON");
			p++;
		} else {
			p = scalar(p);
			require(p != NULL, "wrong JSON");
		}
	}
	require(depth == 0, "JSON is cut");
}

/* Lines of printable characters, the last of which says how it went. */
static void
check_answer(bool json)
{
	char *line = f.answer, *end, *last = NULL;

	f.answer[f.n] = '\0';
	require(f.n > 0 && strlen(f.answer) == f.n, "no text");
	for (; *line != '\0'; line = end + 1) {
		end = strchr(line, '\n');
		require(end != NULL, "half a line");
		*end = '\0';
		for (const char *p = line; p < end; p++)
			require((uint8_t)*p >= ' ' && *p != 0x7f,
			    "a control character");
		if (last != NULL && json)
			check_json(last);
		last = line;
	}
	require(strcmp(last, "ok") == 0 || strncmp(last, "error: ", 7) == 0,
	    "no end");
}

/* ---- a connection ---- */

/* Whether it was closed by the other side. */
static bool
receive(int fd)
{
	ssize_t n = recv(fd, f.answer + f.n, ANSWER_MAX - 1 - f.n,
	    MSG_DONTWAIT);

	if (n > 0)
		f.n += (size_t)n;
	return n == 0;
}

/* Likewise. */
static bool
say(int fd, struct span what, size_t piece)
{
	bool closed = false;

	for (size_t i = 0; i < what.n && !closed; i += piece) {
		size_t n = what.n - i < piece ? what.n - i : piece;

		if (send(fd, what.p + i, n, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
			break;
		turn();
		closed = receive(fd);
	}
	for (unsigned i = 0; i < TURNS && !closed; i++) {
		turn();
		closed = receive(fd);
	}
	return closed;
}

/* PATH arrives as a datagram, for those who trace. */
static void
show(int fd, struct span path)
{
	struct sockaddr_storage ss;
	socklen_t n = addr_to_sockaddr(&f.addr, &ss);
	int from = socket(ss.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	require(from >= 0 && sendto(from, path.p, path.n, 0,
		(struct sockaddr *)&ss, n) >= 0, "no datagram");
	close(from);
	for (unsigned i = 0; i < 3; i++) {
		turn();
		receive(fd);
	}
	for (size_t i = 0; i < f.n; i++)
		require((uint8_t)f.answer[i] >= ' ' || f.answer[i] == '\n',
		    "a control character in a trace");
}

static bool
begins(struct span s, const char *with)
{
	size_t n = strlen(with);

	return s.n >= n && memcmp(s.p, with, n) == 0;
}

/* A whole line that asks for a trace in words, or may. */
static bool
has_word(struct span line, const char *word)
{
	for (size_t i = 0; i < line.n; i++)
		if (begins(span_make(line.p + i, line.n - i), word))
			return true;
	return false;
}

static void
connection(struct span path, struct span what, size_t piece)
{
	const uint8_t *end = memchr(what.p, '\n', what.n);
	bool whole = end != NULL || what.n >= CONTROL_LINE;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool closed;

	f.n = 0;
	require(fd >= 0 && connect(fd, (struct sockaddr *)&f.path,
		sizeof(f.path)) == 0, "no connection");
	closed = say(fd, what, piece);
	if (closed)
		check_answer(begins(what, "-j "));
	else if (has_word(what, "trace") && !has_word(what, "pcap"))
		show(fd, path);
	else
		require(!whole || has_word(what, "trace"), "no answer");
	close(fd);
	for (unsigned i = 0; i < 2; i++)
		turn();
}

/* The same numbers for monitoring: a comment, or a name and a value, on each
 * line. */
static void
metrics(void)
{
	struct evbuffer *b = evbuffer_new();
	char *line;
	size_t n;

	require(b != NULL && metrics_write(b, &f.src), "no metrics");
	while ((line = evbuffer_readln(b, &n, EVBUFFER_EOL_LF)) != NULL) {
		require(strlen(line) == n && (line[0] == '#' ||
			strrchr(line, ' ') != NULL), "half a metric");
		for (size_t i = 0; i < n; i++)
			require((uint8_t)line[i] >= ' ', "a control character "
			    "in the metrics");
		free(line);
	}
	require(evbuffer_get_length(b) == 0, "half a line of metrics");
	evbuffer_free(b);
}

/* The proxy answers whoever is left, by way of both. */
static void
take_down(void)
{
	proxy_free(f.world.proxy);
	f.world.proxy = NULL;
	server_free(f.server);
	turn();
	world_fini(&f.world);
	require(turn_idle(), "a connection is left");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span path, what;
	int descriptor;
	size_t n;

	if (size < 3)
		return 0;
	if (f.loop == NULL)
		set_up();
	log_level = LOG_ERROR;
	n = data[1] < size - 2 ? data[1] : size - 2;
	path = span_make(data + 2, n < ASKED_MAX ? n : ASKED_MAX);
	what = span_make(data + 2 + n, size - 2 - n);
	descriptor = turn_descriptor();
	make_proxy(path);
	connection(path, what, data[0] == 0 ? SIZE_MAX / 2 : data[0]);
	if (data[0] % 4 == 0)
		metrics();
	take_down();
	require(turn_descriptor() == descriptor, "a descriptor is left");
	return 0;
}
