/*
 * observers: many observers of one resource, and its origin.
 *
 * Plays both ends of a proxy's fan-out: an origin (subject.h) whose resource
 * /observed changes, and a crowd of clients (crowd.h) that registered for it
 * through the proxy. As it makes the changes it knows who has to have got
 * what, and when. A probe (probe.h) may ask for something else all the time.
 *
 *	observers [-n OBSERVERS] [-S SOCKETS] [-s OCTETS] [-a MAX-AGE]
 *	    [-t con|non] [-b ADDRESS] [-p PORT] [-q REQUESTS] [-W SECONDS]
 *	    [COMMAND]...
 *
 * -n  observers, default 1000, on so many sockets (-S): default 32 to each,
 *     which is what max-per-client allows
 * -s  octets of payload, default 64
 * -a  Max-Age of a notification, default 3600
 * -t  the origin's notifications are CON (default) or NON
 * -b  address of the first socket, in 127.0.0.0/8; it should end in .1
 * -p  the origin's port, default: the kernel chooses
 * -q  requests of the probe a second, default: no probe
 * -W  how long a command may take beyond the time it is given
 *
 * Prints "ready: PORT", the origin's. Then carries out commands, those of the
 * command line or else of standard input, one a line, one after another:
 *
 *	aim ADDRESS:PORT [PID]	the proxy, or the origin itself; its process
 *	register		all observers, until all are answered
 *	change [N]		N times, each time until all observers have it
 *	run RATE SECONDS	so many changes a second so long, and until
 *				all observers have the last one
 *	quiet SECONDS		nothing
 *
 * Each prints one line, its name and key=value. Those of crowd_figures,
 * subject_figures and probe_figures mean what is said there; and
 *
 *	seconds		until the last observer was right
 *	rate		registrations, or deliveries, a second
 *	*_us		from a change to its arrival at an observer; for the
 *			probe from request to answer
 *	cpu_us		CPU time of the process, until it has read all we sent
 *	rss_kib		its VmRSS; octets_each: what that has grown by since
 *			"aim", divided by the registered
 *
 * Exit status 0 if all that registered got what they had to.
 */
#include <sys/epoll.h>

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "crowd.h"
#include "lines.h"
#include "probe.h"
#include "report.h"
#include "subject.h"

enum {
	OBSERVERS_MAX = 1000000,
	SOCKETS_MAX = 60000,
	PER_SOCKET = 32,
	EVENTS = 256,
	WORDS = 3,
	PROBE_MAX = 20000,
};

static const uint64_t SECOND = 1000000000;
static const uint64_t MS = 1000000;
static const uint64_t SWEEP = 100 * 1000000;

struct observers;

/* A command: begin reads its words, step goes on and says whether it is done. */
struct verb {
	const char *name;
	unsigned least, most;	/* words behind the name */
	void (*begin)(struct observers *o, char **words);
	bool (*step)(struct observers *o, uint64_t now);
};

enum phase {
	UNDER_WAY,
	PINGED,		/* waits for the proxy to have read all */
	PROBED,		/* waits for the probe's last answers */
};

/* The command under way, and what was so when it began. */
struct task {
	const struct verb *verb;
	enum phase phase;
	uint64_t begun, ended, deadline;
	uint64_t until;		/* not done before */
	uint64_t next, interval;	/* when something is due */
	uint64_t left;		/* changes */
	uint64_t cpu;
	size_t registered;
	struct subject_figures subject;
};

struct observers {
	struct crowd_conf crowd_conf;
	struct subject_conf subject_conf;
	unsigned long probe_rate;
	uint64_t patience;

	int ep;
	struct subject *subject;
	struct crowd *crowd;
	struct probe *probe;
	pid_t watched;
	uint64_t rss;		/* KiB, before anything */
	struct task task;
	bool bad;

	struct lines lines;
};

/* VmRSS of the process in KiB. */
static uint64_t
rss_kib(pid_t pid)
{
	char text[64];
	uint64_t kib = 0;
	FILE *f;

	if (pid == 0)
		return 0;
	(void)snprintf(text, sizeof(text), "/proc/%d/status", (int)pid);
	f = fopen(text, "r");
	if (f == NULL)
		err(1, "%s", text);
	while (kib == 0 && fgets(text, sizeof(text), f) != NULL)
		if (strncmp(text, "VmRSS:", 6) == 0)
			kib = strtoull(text + 6, NULL, 10);
	(void)fclose(f);
	return kib;
}

/* ---- reporting ---- */

static void
report_process(const struct observers *o, size_t registered)
{
	uint64_t rss = rss_kib(o->watched);
	uint64_t grown = rss > o->rss ? rss - o->rss : 0;

	if (o->watched == 0)
		return;
	bench_print_us("cpu_us", o->task.cpu);
	report_number("rss_kib", rss);
	report_number("octets_each", grown * 1024 / (registered > 0 ? registered : 1));
}

static bool
all_well(const struct crowd_figures *f)
{
	uint64_t faults = f->failed + f->wrong + f->reordered + f->ended +
	    f->stray + f->refusals + f->dropped;

	return f->registered > 0 && f->current == f->registered && faults == 0;
}

static void
report(struct observers *o, const struct probe_figures *probe)
{
	const struct task *t = &o->task;
	struct crowd_figures f = crowd_figures(o->crowd);
	struct subject_figures s = subject_figures(o->subject);
	uint64_t ns = t->ended > t->begun ? t->ended - t->begun : 1;
	uint64_t n = f.delivered + f.registered - t->registered;

	printf("%s:", t->verb->name);
	report_seconds("seconds", ns);
	report_number("rate", n * SECOND / ns);
	report_crowd(&f, crowd_latencies(o->crowd));
	report_subject(&s, &t->subject);
	if (o->probe != NULL)
		report_probe(probe);
	report_process(o, f.registered);
	report_end();
	o->bad |= !all_well(&f);
}

/* ---- commands ---- */

static double
number(const char *s, double most)
{
	char *end;
	double v = strtod(s, &end);

	if (end == s || *end != '\0' || !(v >= 0 && v <= most))
		errx(2, "'%s' is not a number up to %g", s, most);
	return v;
}

static void
change(struct observers *o)
{
	crowd_expect(o->crowd, subject_state(o->subject) + 1, bench_now_ns());
	subject_change(o->subject);
}

static void
aim_begin(struct observers *o, char **words)
{
	struct sockaddr_in proxy = bench_addr(words[0]);

	if (o->crowd != NULL)
		errx(2, "aimed twice");
	if (words[1] != NULL)
		o->watched = (pid_t)bench_number(words[1], INT32_MAX);
	o->rss = rss_kib(o->watched);
	o->crowd = crowd_new(o->ep, &o->crowd_conf, &proxy);
	if (o->probe_rate > 0)
		o->probe = probe_start(&proxy, o->probe_rate);
	printf("aim: rss_kib=%" PRIu64, o->rss);
	report_end();
}

static void
register_begin(struct observers *o, char **words)
{
	(void)words;
	crowd_register(o->crowd);
}

static bool
register_step(struct observers *o, uint64_t now)
{
	(void)now;
	return !crowd_registering(o->crowd);
}

static void
change_begin(struct observers *o, char **words)
{
	o->task.left =
	    words[0] == NULL ? 1 : bench_number(words[0], UINT32_MAX);
}

static bool
change_step(struct observers *o, uint64_t now)
{
	(void)now;
	if (!crowd_current(o->crowd))
		return false;
	if (o->task.left == 0)
		return true;
	o->task.left--;
	change(o);
	return false;
}

static void
run_begin(struct observers *o, char **words)
{
	double rate = number(words[0], 100000);
	double seconds = number(words[1], 86400);
	struct task *t = &o->task;

	if (rate <= 0)
		errx(2, "at what rate?");
	t->interval = (uint64_t)(1e9 / rate);
	t->left = (uint64_t)(rate * seconds + 0.5);
	t->next = t->begun;
	t->until = t->begun + (uint64_t)(seconds * 1e9);
	t->deadline += t->until - t->begun;
}

static bool
run_step(struct observers *o, uint64_t now)
{
	struct task *t = &o->task;

	while (t->left > 0 && t->next <= now) {
		change(o);
		t->left--;
		t->next += t->interval;
	}
	if (t->left == 0)
		t->next = t->until;
	return t->left == 0 && now >= t->until && crowd_current(o->crowd);
}

static void
quiet_begin(struct observers *o, char **words)
{
	struct task *t = &o->task;

	t->until = t->begun + (uint64_t)(number(words[0], 86400) * 1e9);
	t->next = t->until;
	t->deadline += t->until - t->begun;
}

static bool
quiet_step(struct observers *o, uint64_t now)
{
	return now >= o->task.until;
}

/* One without a step is done when it has begun. */
static const struct verb verbs[] = {
	{ "aim", 1, 2, aim_begin, NULL },
	{ "register", 0, 0, register_begin, register_step },
	{ "change", 0, 1, change_begin, change_step },
	{ "run", 2, 2, run_begin, run_step },
	{ "quiet", 1, 1, quiet_begin, quiet_step },
};

static const struct verb *
verb_find(const char *name, unsigned words)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(verbs[i].name, name) == 0 &&
		    words >= verbs[i].least && words <= verbs[i].most)
			return &verbs[i];
	errx(2, "what is '%s' with %u words?", name, words);
}

static void
task_begin(struct observers *o, char *line)
{
	char *words[WORDS + 2] = { NULL };
	unsigned n = 0;
	char *rest = NULL;
	char *word = strtok_r(line, " \t", &rest);
	struct task *t = &o->task;

	for (; word != NULL && n <= WORDS; word = strtok_r(NULL, " \t", &rest))
		words[n++] = word;
	if (n == 0)
		return;
	*t = (struct task){ .verb = verb_find(words[0], n - 1) };
	if (t->verb->step == NULL) {
		t->verb->begin(o, words + 1);
		t->verb = NULL;
		return;
	}
	if (o->crowd == NULL)
		errx(2, "'%s' before 'aim'", words[0]);
	crowd_begin(o->crowd);
	probe_begin(o->probe);
	t->registered = crowd_figures(o->crowd).registered;
	t->subject = subject_figures(o->subject);
	t->cpu = bench_cpu_ns(o->watched);
	t->begun = bench_now_ns();
	t->deadline = t->begun + o->patience;
	t->verb->begin(o, words + 1);
}

/* Goes on with the command. */
static void
task_step(struct observers *o)
{
	struct probe_figures probe = { 0 };
	struct task *t = &o->task;
	uint64_t now = bench_now_ns();
	bool late = now > t->deadline;

	if (t->phase == UNDER_WAY && (t->verb->step(o, now) || late)) {
		t->ended = bench_now_ns();
		probe_end(o->probe);
		crowd_ping(o->crowd);
		t->phase = PINGED;
		t->deadline += late ? o->patience : 0;
		o->bad |= late;
	}
	if (t->phase == PINGED && crowd_pinged(o->crowd)) {
		t->cpu = bench_cpu_ns(o->watched) - t->cpu;
		t->phase = PROBED;
	}
	if (t->phase == PINGED && now > t->deadline)
		errx(1, "no answer to a ping");
	if (t->phase == PROBED &&
	    (o->probe == NULL || probe_ended(o->probe, &probe))) {
		report(o, &probe);
		t->verb = NULL;
	}
}

/* ---- life ---- */

/* Milliseconds until something is due if nothing comes. */
static int
wait_ms(const struct observers *o, uint64_t now)
{
	const struct task *t = &o->task;
	uint64_t left = SWEEP;

	if (t->verb != NULL && t->next > now && t->next - now < left)
		left = t->next - now;
	return (int)((left + MS - 1) / MS);
}

/* Goes on with the command, or with the next ones. False: all are done. */
static bool
step(struct observers *o)
{
	char line[LINES_MAX];

	for (;;) {
		if (o->task.verb != NULL)
			task_step(o);
		if (o->task.verb != NULL)
			return true;
		if (lines_next(&o->lines, line))
			task_begin(o, line);
		else if (lines_ended(&o->lines))
			return false;
		else if (o->lines.polled)
			return true;
	}
}

static void
run(struct observers *o)
{
	struct epoll_event ev[EVENTS];
	uint64_t swept = bench_now_ns();
	uint64_t now = swept;
	int n;

	while (step(o)) {
		n = epoll_wait(o->ep, ev, EVENTS, wait_ms(o, now));
		for (int i = 0; i < n; i++) {
			const struct bench_watch *w = ev[i].data.ptr;

			w->ready(w->user);
		}
		now = bench_now_ns();
		if (now - swept < SWEEP)
			continue;
		swept = now;
		subject_sweep(o->subject);
		if (o->crowd != NULL)
			crowd_sweep(o->crowd);
	}
}

static void
usage(void)
{
	errx(2,
	    "usage: observers [-n OBSERVERS] [-S SOCKETS] [-s OCTETS] "
	    "[-a MAX-AGE]\n"
	    "       [-t con|non] [-b ADDRESS] [-p PORT] [-q REQUESTS] "
	    "[-W SECONDS]\n"
	    "       [COMMAND]...");
}

static void
set_type(struct observers *o, const char *s)
{
	if (strcmp(s, "con") != 0 && strcmp(s, "non") != 0)
		usage();
	o->subject_conf.type = strcmp(s, "con") == 0 ? BENCH_CON : BENCH_NON;
}

static void
option(struct observers *o, int opt, const char *arg)
{
	if (opt == 'n')
		o->crowd_conf.observers = bench_number(arg, OBSERVERS_MAX);
	else if (opt == 'S')
		o->crowd_conf.sockets = bench_number(arg, SOCKETS_MAX);
	else if (opt == 's')
		o->subject_conf.payload = bench_number(arg, BENCH_PAYLOAD_MAX);
	else if (opt == 'a')
		o->subject_conf.max_age =
		    (uint32_t)bench_number(arg, UINT32_MAX);
	else if (opt == 't')
		set_type(o, arg);
	else if (opt == 'b')
		o->crowd_conf.source = bench_addr(arg);
	else if (opt == 'p')
		o->subject_conf.port = (uint16_t)bench_number(arg, 65535);
	else if (opt == 'q')
		o->probe_rate = bench_number(arg, PROBE_MAX);
	else if (opt == 'W')
		o->patience = bench_number(arg, 86400) * SECOND;
	else
		usage();
}

static void
defaults(struct observers *o)
{
	o->crowd_conf.observers = 1000;
	o->crowd_conf.source = bench_addr("127.2.0.1");
	o->subject_conf.payload = 64;
	o->subject_conf.max_age = 3600;
	o->patience = 100 * SECOND;
}

/* COMMANDS: of the command line; NULL: none. */
static void
start(struct observers *o, char **commands)
{
	struct crowd_conf *conf = &o->crowd_conf;

	if (conf->sockets == 0)
		conf->sockets = (conf->observers + PER_SOCKET - 1) / PER_SOCKET;
	conf->payload = o->subject_conf.payload;
	if (conf->observers == 0 || conf->sockets > conf->observers ||
	    conf->payload < SUBJECT_STATE_LEN)
		usage();
	bench_many_files();
	o->ep = epoll_create1(EPOLL_CLOEXEC);
	if (o->ep < 0)
		err(1, "epoll_create1");
	o->subject = subject_new(o->ep, &o->subject_conf);
	lines_open(&o->lines, o->ep, commands);
	printf("ready: %u", (unsigned)subject_port(o->subject));
	report_end();
}

int
main(int argc, char **argv)
{
	struct observers *o = calloc(1, sizeof(*o));
	bool bad;
	int opt;

	if (o == NULL)
		err(1, "no memory");
	defaults(o);
	while ((opt = getopt(argc, argv, "n:S:s:a:t:b:p:q:W:")) != -1)
		option(o, opt, optarg);
	start(o, optind < argc ? argv + optind : NULL);
	run(o);
	bad = o->bad;
	probe_stop(o->probe);
	crowd_free(o->crowd);
	subject_free(o->subject);
	close(o->ep);
	free(o);
	return bad ? EXIT_FAILURE : EXIT_SUCCESS;
}
