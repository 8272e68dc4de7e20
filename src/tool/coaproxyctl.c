/*
 * coaproxyctl: one command to a running coaproxy, and its answer.
 *
 * The last line of an answer is "ok" or "error: TEXT" and becomes the exit
 * status; so lines are printed when the next one is there. Knows no command but
 * "trace", which goes on until one of us ends: the others are the daemon's.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/xalloc.h"
#include "config.h"

enum { STATUS_OK, STATUS_FAILED, STATUS_USAGE };

enum { PATIENCE_S = 60 };	/* more than the daemon has */

static const char fallback[] = "/run/coaproxy/control";

static void complain(const char *fmt, ...)
    __attribute__((format(printf, 1, 2)));

static void
complain(const char *fmt, ...)
{
	va_list ap;

	fputs("coaproxyctl: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

/* Where the daemon's socket is when nothing else is said. Owned. */
static char *
default_path(void)
{
	const char *dirs = getenv("RUNTIME_DIRECTORY");

	if (dirs == NULL || dirs[0] != '/')
		return xstrdup(fallback);
	return xasprintf("%.*s/control", (int)strcspn(dirs, ":"), dirs);
}

static int
connect_to(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct timeval patience = { .tv_sec = PATIENCE_S };
	int fd, err;

	if (strlen(path) >= sizeof(addr.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(addr.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	/* Also for as long as others are served. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience,
		sizeof(patience)) == 0 &&
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience,
		sizeof(patience)) == 0 &&
	    connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
		return fd;
	err = errno;
	close(fd);
	errno = err;
	return -1;
}

/* The line that says N words, or NULL when one of them would be two. Owned. */
static char *
make_line(bool json, char *const *words, int n)
{
	char *line = xstrdup(json ? "-j" : "");

	for (int i = 0; i < n; i++) {
		char *longer;

		if (words[i][strcspn(words[i], " \t\r\n")] != '\0' ||
		    words[i][0] == '\0') {
			free(line);
			return NULL;
		}
		longer = xasprintf("%s%s%s", line, line[0] != '\0' ? " " : "",
		    words[i]);
		free(line);
		line = longer;
	}
	return line;
}

static bool
say(int fd, const char *line)
{
	char *text = xasprintf("%s\n", line);
	size_t n = strlen(text), done = 0;

	while (done < n) {
		ssize_t k = send(fd, text + done, n - done, MSG_NOSIGNAL);

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			break;
		done += (size_t)k;
	}
	free(text);
	return done == n;
}

/* LAST, the last line of the answer, as an exit status; NULL: none came. */
static int
judge(char *last)
{
	if (last == NULL) {
		complain("no answer");
		return STATUS_FAILED;
	}
	if (strcmp(last, "ok\n") == 0)
		return STATUS_OK;
	if (strncmp(last, "error: ", 7) == 0) {
		last[strcspn(last, "\n")] = '\0';
		complain("%s", last + 7);
		return STATUS_FAILED;
	}
	fputs(last, stdout);
	complain("the answer ends too early");
	return STATUS_FAILED;
}

static int
print_answer(int fd, const char *to)
{
	FILE *in = fdopen(fd, "r");
	char *line = NULL, *last = NULL;
	size_t cap = 0;
	int status;

	(void)to;
	if (in == NULL) {
		complain("%s", strerror(errno));
		close(fd);
		return STATUS_FAILED;
	}
	while (getline(&line, &cap, in) > 0) {
		if (last != NULL)
			fputs(last, stdout);
		free(last);
		last = line;
		line = NULL;
		cap = 0;
	}
	status = judge(last);
	free(last);
	free(line);
	fclose(in);
	if (fflush(stdout) != 0 && status == STATUS_OK) {
		complain("cannot write: %s", strerror(errno));
		status = STATUS_FAILED;
	}
	return status;
}

/* ---- trace ---- */

static bool
write_all(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t k = write(fd, p, n);

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return false;
		p += k;
		n -= (size_t)k;
	}
	return true;
}

/* A stream of lines, or of the records of a pcap file, whose header counts as
 * one. */
struct stream {
	bool pcap, begun;
	size_t n;
	char buf[4 * 65536];	/* more than a record */
};

/* How many of the first octets of P, N of them, are one record; 0: not yet. */
static size_t
record(const struct stream *s, const char *p, size_t n)
{
	enum { FILE_HEAD = 24, HEAD = 16, LENGTH_AT = 8 };
	const char *end;
	uint32_t octets;

	if (!s->pcap) {
		end = memchr(p, '\n', n);
		return end != NULL ? (size_t)(end - p) + 1 : 0;
	}
	if (!s->begun)
		return n >= FILE_HEAD ? FILE_HEAD : 0;
	if (n < HEAD)
		return 0;
	memcpy(&octets, p + LENGTH_AT, sizeof(octets));
	return octets <= n - HEAD ? HEAD + octets : 0;
}

/* Hands on what is whole: whenever we are interrupted OUT can be read. */
static bool
hand_on(struct stream *s, int out)
{
	size_t done = 0, n;

	while ((n = record(s, s->buf + done, s->n - done)) > 0) {
		s->begun = true;
		done += n;
	}
	if (!write_all(out, s->buf, done))
		return false;
	s->n -= done;
	memmove(s->buf, s->buf + done, s->n);
	return true;
}

/* What comes from FD goes to OUT at once, but for an error, which comes
 * first. */
static int
copy(struct stream *s, int fd, int out)
{
	static const char error[] = "error: ";
	ssize_t k;

	while ((k = recv(fd, s->buf + s->n, sizeof(s->buf) - 1 - s->n, 0)) !=
	    0) {
		if (k < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (k < 0)
			break;
		s->n += (size_t)k;
		s->buf[s->n] = '\0';
		if (!s->begun &&
		    strncmp(s->buf, error, sizeof(error) - 1) == 0)
			return judge(s->buf);
		if (!hand_on(s, out)) {
			complain("cannot write: %s", strerror(errno));
			return STATUS_FAILED;
		}
	}
	return STATUS_OK;
}

/* Until the daemon ends, or we are interrupted; TO is a file, "-", or NULL for
 * text. */
static int
print_trace(int fd, const char *to)
{
	struct stream *s = xcalloc(1, sizeof(*s));
	int out = STDOUT_FILENO, status = STATUS_FAILED;

	if (to != NULL && strcmp(to, "-") != 0)
		out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (out < 0) {
		complain("cannot open %s: %s", to, strerror(errno));
	} else {
		s->pcap = to != NULL;
		status = copy(s, fd, out);
	}
	free(s);
	if (out >= 0 && out != STDOUT_FILENO && close(out) != 0) {
		complain("cannot write %s: %s", to, strerror(errno));
		status = STATUS_FAILED;
	}
	close(fd);
	return status;
}

static int
ask(const char *path, const char *line, int (*receive)(int fd, const char *to),
    const char *to)
{
	int fd = connect_to(path);

	if (fd < 0) {
		complain("cannot connect to %s: %s", path, strerror(errno));
		return STATUS_FAILED;
	}
	if (!say(fd, line)) {
		complain("cannot write to %s: %s", path, strerror(errno));
		close(fd);
		return STATUS_FAILED;
	}
	return receive(fd, to);
}

static void
usage(FILE *to)
{
	fputs("usage: coaproxyctl [-j] [-s SOCKET] COMMAND [ARGUMENT]...\n"
	      "Look into a running coaproxy, and tell it what to do.\n\n"
	      "  -j, --json           lines of JSON instead of text\n"
	      "  -s, --socket SOCKET  default: $RUNTIME_DIRECTORY/control, or\n"
	      "                       /run/coaproxy/control\n"
	      "  -V, --version        -h, --help\n"
	      "\n"
	      "status | routes | origins | observations | cache [flush PATTERN]"
	      "\nreload | drain | log [LEVEL] | trace [-w FILE] [FILTER] | help"
	      "\n", to);
}

/* "trace pcap FILTER" of "trace -w FILE FILTER". */
static char *
trace_line(char *const *words, int n, const char **file)
{
	char pcap[] = "pcap", trace[] = "trace", *line, **v;
	int k = 0;

	v = xcalloc((size_t)n + 1, sizeof(*v));
	v[k++] = trace;
	for (int i = 1; i < n; i++)
		if (i == 1 && n > 2 && strcmp(words[i], "-w") == 0) {
			*file = words[++i];
			v[k++] = pcap;
		} else {
			v[k++] = words[i];
		}
	line = make_line(false, v, k);
	free(v);
	return line;
}

static const struct option options[] = {
	{ "json", no_argument, NULL, 'j' },
	{ "socket", required_argument, NULL, 's' },
	{ "version", no_argument, NULL, 'V' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static int
run(const char *path, bool json, char *const *words, int n)
{
	bool trace = n > 0 && strcmp(words[0], "trace") == 0;
	const char *file = NULL;
	char *line = trace ? trace_line(words, n, &file) :
	    make_line(json, words, n);
	char *found = path == NULL ? default_path() : xstrdup(path);
	int status = STATUS_USAGE;

	if (n == 0)
		usage(stderr);
	else if (line == NULL)
		complain("no word may be empty, or have blanks in it");
	else
		status = ask(found, line, trace ? print_trace : print_answer,
		    file);
	free(found);
	free(line);
	return status;
}

int
main(int argc, char **argv)
{
	const char *path = NULL;
	bool json = false;
	int opt;

	while ((opt = getopt_long(argc, argv, "+js:Vh", options, NULL)) != -1)
		switch (opt) {
		case 'j':
			json = true;
			break;
		case 's':
			path = optarg;
			break;
		case 'V':
			puts("coaproxyctl " PACKAGE_VERSION);
			return STATUS_OK;
		case 'h':
			usage(stdout);
			return STATUS_OK;
		default:
			return STATUS_USAGE;
		}
	return run(path, json, argv + optind, argc - optind);
}
