/*
 * impair: a bad line between two network namespaces.
 *
 * Makes a TUN device in each and carries whole IP packets between them. What
 * becomes of a packet is drawn from a seed, for each direction by itself.
 *
 *	impair [--device NAME] [--seed N] NAMESPACE-A NAMESPACE-B
 *
 * Prints "ready" when the devices are there: to give them addresses and an MTU
 * is for whoever has started it. From then on each line of standard input is a
 * setting and its value, or two: from A to B, from B to A. All are 0 at first.
 *
 *	loss P		P % of the packets are lost,
 *	burst N		N of them in a row on average
 *	duplicate P	P % arrive twice
 *	delay T		all arrive so many milliseconds later,
 *	jitter T	up to so many more,
 *	reorder P	and P % of them
 *	lag T		so many more: others overtake them
 *	size N		those of more than N octets are lost
 *	fragments 1	those that are fragments are lost
 *	blackout 1	all are lost
 *
 * The answer is "ok". "count" is answered by two lines of numbers of packets,
 * from A to B and from B to A: seen, lost (for whatever reason), doubled, late
 * (by the lag), waiting. The end of the input is the end of it all.
 */
#include <sys/ioctl.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

enum {
	PACKET_MAX = 65536,
	WAITING_MAX = 20000,
	IP4_HEADER = 20,
	IP6_HEADER = 40,
	IP6_FRAGMENT = 44,
	BATCH = 64,
	COMMAND_MAX = 80,
};

struct packet {
	TAILQ_ENTRY(packet) entry;
	uint64_t due;		/* us */
	size_t n;
	uint8_t octets[];
};

TAILQ_HEAD(packets, packet);

struct settings {
	unsigned loss, burst, duplicate;
	unsigned delay, jitter, reorder, lag;
	unsigned size, fragments, blackout;
};

/* One direction. The packets that wait are in the order of their time. */
struct way {
	int from, to;
	struct settings set;
	uint64_t random;
	bool in_burst;
	struct packets waiting;
	uint64_t seen, lost, doubled, late, nwaiting;
};

static const struct {
	const char *name;
	size_t offset;
} names[] = {
	{ "loss", offsetof(struct settings, loss) },
	{ "burst", offsetof(struct settings, burst) },
	{ "duplicate", offsetof(struct settings, duplicate) },
	{ "delay", offsetof(struct settings, delay) },
	{ "jitter", offsetof(struct settings, jitter) },
	{ "reorder", offsetof(struct settings, reorder) },
	{ "lag", offsetof(struct settings, lag) },
	{ "size", offsetof(struct settings, size) },
	{ "fragments", offsetof(struct settings, fragments) },
	{ "blackout", offsetof(struct settings, blackout) },
};

static uint64_t
now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/* ---- what becomes of a packet ---- */

/* 0 to n - 1; 0 if n is 0. SplitMix64. */
static uint64_t
draw(struct way *w, uint64_t n)
{
	uint64_t z = w->random += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return n == 0 ? 0 : (z ^ z >> 31) % n;
}

static bool
chance(struct way *w, unsigned percent)
{
	return draw(w, 100) < percent;
}

/* Two states (Gilbert), entered and left so that the share of the packets that
 * are lost is that of loss. */
static bool
lost_by_chance(struct way *w)
{
	const struct settings *s = &w->set;

	if (s->burst < 2 || s->loss >= 100)
		return chance(w, s->loss);
	if (w->in_burst)
		w->in_burst = draw(w, s->burst) != 0;
	else
		w->in_burst = draw(w, s->burst * (100 - s->loss)) < s->loss;
	return w->in_burst;
}

static bool
is_fragment(const uint8_t *p, size_t n)
{
	if (n >= IP4_HEADER && p[0] >> 4 == 4)
		return (p[6] & 0x3f) != 0 || p[7] != 0;
	return n >= IP6_HEADER && p[0] >> 4 == 6 && p[6] == IP6_FRAGMENT;
}

static bool
is_lost(struct way *w, const uint8_t *p, size_t n)
{
	const struct settings *s = &w->set;

	return lost_by_chance(w) || s->blackout != 0 ||
	    (s->size != 0 && n > s->size) ||
	    (s->fragments != 0 && is_fragment(p, n)) ||
	    w->nwaiting >= WAITING_MAX;
}

static void
delay(struct way *w, const uint8_t *octets, size_t n)
{
	const struct settings *s = &w->set;
	struct packet *p, *before;
	bool late = chance(w, s->reorder);

	p = malloc(sizeof(*p) + n);
	if (p == NULL)
		err(1, "malloc");
	p->n = n;
	memcpy(p->octets, octets, n);
	p->due = now_us() + s->delay * (uint64_t)1000 +
	    draw(w, s->jitter * (uint64_t)1000) +
	    (late ? s->lag * (uint64_t)1000 : 0);
	w->late += late;
	w->nwaiting++;
	before = TAILQ_LAST(&w->waiting, packets);
	while (before != NULL && before->due > p->due)
		before = TAILQ_PREV(before, packets, entry);
	if (before == NULL)
		TAILQ_INSERT_HEAD(&w->waiting, p, entry);
	else
		TAILQ_INSERT_AFTER(&w->waiting, before, p, entry);
}

static void
carry(struct way *w, const uint8_t *octets, size_t n)
{
	w->seen++;
	if (is_lost(w, octets, n)) {
		w->lost++;
		return;
	}
	delay(w, octets, n);
	if (chance(w, w->set.duplicate)) {
		w->doubled++;
		delay(w, octets, n);
	}
}

/* ---- the devices ---- */

static int
make_device(const char *name, const char *namespace)
{
	struct ifreq ifr;
	char path[256];
	int fd;

	(void)snprintf(path, sizeof(path), "/run/netns/%s", namespace);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET) != 0)
		err(1, "%s", path);
	close(fd);
	memset(&ifr, 0, sizeof(ifr));
	(void)snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	ifr.ifr_flags = IFF_TUN | IFF_NO_PI;
	fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr) != 0)
		err(1, "cannot make %s in %s", name, namespace);
	return fd;
}

static void
take_in(struct way *w)
{
	static uint8_t octets[PACKET_MAX];
	ssize_t n;

	for (int i = 0; i < BATCH; i++) {
		n = read(w->from, octets, sizeof(octets));
		if (n <= 0)
			return;
		carry(w, octets, (size_t)n);
	}
}

static void
give_out(struct way *w)
{
	struct packet *p;
	uint64_t now = now_us();

	while ((p = TAILQ_FIRST(&w->waiting)) != NULL && p->due <= now) {
		TAILQ_REMOVE(&w->waiting, p, entry);
		w->nwaiting--;
		/* The other end may be full, or not up. */
		if (write(w->to, p->octets, p->n) < 0)
			w->lost++;
		free(p);
	}
}

/* ---- what we are told ---- */

static void
set(struct way way[2], const char *name, const unsigned v[2])
{
	unsigned char *field;
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i].name, name) == 0)
			break;
	if (i == sizeof(names) / sizeof(names[0]))
		errx(2, "nothing is called '%s'", name);
	for (size_t d = 0; d < 2; d++) {
		field = (unsigned char *)&way[d].set + names[i].offset;
		memcpy(field, &v[d], sizeof(v[d]));
	}
	printf("ok\n");
}

static void
count(const struct way *way)
{
	for (const struct way *w = way; w < way + 2; w++)
		printf("%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64
		       " %" PRIu64 "\n",
		    w->seen, w->lost, w->doubled, w->late, w->nwaiting);
}

/* Returns false at the end of the input. Whoever writes sends whole lines. */
static bool
obey(struct way way[2])
{
	char text[COMMAND_MAX], name[16];
	unsigned v[2];
	int n;

	if (fgets(text, sizeof(text), stdin) == NULL)
		return false;
	n = sscanf(text, "%15s %u %u", name, &v[0], &v[1]);
	if (n == 2)
		v[1] = v[0];
	if (n >= 2)
		set(way, name, v);
	else if (n == 1 && strcmp(name, "count") == 0)
		count(way);
	else
		errx(2, "not understood: %s", text);
	return fflush(stdout) == 0;
}

/* ---- */

/* Until the first packet is due. */
static int
patience_ms(const struct way *way)
{
	const struct packet *p;
	uint64_t now = now_us(), until = UINT64_MAX;

	for (size_t d = 0; d < 2; d++) {
		p = TAILQ_FIRST(&way[d].waiting);
		if (p != NULL && p->due < until)
			until = p->due;
	}
	if (until == UINT64_MAX)
		return -1;
	return until <= now ? 0 : (int)((until - now + 999) / 1000);
}

static void
join(struct way way[2])
{
	struct pollfd fd[] = {
		{ .fd = way[0].from, .events = POLLIN },
		{ .fd = way[1].from, .events = POLLIN },
		{ .fd = STDIN_FILENO, .events = POLLIN },
	};

	for (;;) {
		if (poll(fd, 3, patience_ms(way)) < 0 && errno != EINTR)
			err(1, "poll");
		if (fd[2].revents != 0 && !obey(way))
			return;
		for (size_t d = 0; d < 2; d++) {
			take_in(&way[d]);
			give_out(&way[d]);
		}
	}
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "device", required_argument, NULL, 'd' },
		{ "seed", required_argument, NULL, 's' },
		{ NULL, 0, NULL, 0 },
	};
	static struct way way[2];
	const char *device = "line";
	uint64_t seed = 1;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'd')
			device = optarg;
		else if (c == 's')
			seed = strtoull(optarg, NULL, 10);
		else
			return 2;
	}
	if (argc - optind != 2)
		errx(2, "two namespaces, please");
	/* So that poll() sees what is left. */
	setvbuf(stdin, NULL, _IONBF, 0);
	way[0].from = way[1].to = make_device(device, argv[optind]);
	way[1].from = way[0].to = make_device(device, argv[optind + 1]);
	for (size_t d = 0; d < 2; d++) {
		way[d].random = seed + d;
		TAILQ_INIT(&way[d].waiting);
	}
	printf("ready\n");
	if (fflush(stdout) != 0)
		err(1, "standard output");
	join(way);
	return 0;
}
