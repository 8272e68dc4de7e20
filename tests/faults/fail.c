/*
 * fail: calls of libc that fail when a test wants them to (LD_PRELOAD).
 *
 * What fails is in a file that the test and the program map: the environment
 * variable FAIL_PLAN names it. It holds a struct plan for each kind of call, in
 * the order of enum kind; tests/faults/failing.py writes them while the program
 * runs. Only the program called FAIL_PROGRAM is concerned, not who starts it.
 *
 * What other libraries and libc itself allocate is counted and fails as well,
 * from the constructor here on.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

enum kind {
	MEMORY, SOCKET, BIND, CONNECT, SEND, RECEIVE, ACCEPT, OPEN, EPOLL,
	RANDOM, KINDS
};

enum mode {
	OFF,
	ONCE,			/* call N, from 1 */
	FROM,			/* call N and all later ones */
	PER_MILLE,		/* N of a thousand */
};

/* Shared with failing.py. */
struct plan {
	_Atomic uint32_t mode;
	_Atomic int32_t err;
	_Atomic uint64_t n;
	_Atomic uint64_t seed;
	_Atomic uint64_t calls;	/* while mode is not OFF */
	_Atomic uint64_t failed;
	uint64_t unused[3];
};

static struct plan *plans;	/* NULL: nothing is planned */

static void __attribute__((constructor))
begin(void)
{
	const char *path = getenv("FAIL_PLAN");
	const char *program = getenv("FAIL_PROGRAM");
	void *p;
	int fd;

	if (path == NULL || program == NULL ||
	    strcmp(program, program_invocation_short_name) != 0)
		return;
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		_exit(99);
	p = mmap(NULL, KINDS * sizeof(*plans), PROT_READ | PROT_WRITE,
	    MAP_SHARED, fd, 0);
	close(fd);
	if (p == MAP_FAILED)
		_exit(99);
	plans = p;
}

/* splitmix64 of the number of the call. */
static uint64_t
draw(uint64_t seed, uint64_t i)
{
	uint64_t z = seed + i * 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

/* Whether the next call of KIND fails; errno says how. */
static bool
fails(enum kind kind)
{
	struct plan *p = plans != NULL ? &plans[kind] : NULL;
	uint64_t i, n;
	bool bad;

	if (p == NULL || p->mode == OFF)
		return false;
	i = ++p->calls;
	n = p->n;
	switch ((enum mode)p->mode) {
	case ONCE:
		bad = i == n;
		break;
	case FROM:
		bad = i >= n;
		break;
	case PER_MILLE:
		bad = draw(p->seed, i) % 1000 < n;
		break;
	default:
		bad = false;
		break;
	}
	if (bad) {
		p->failed++;
		errno = p->err;
	}
	return bad;
}

/* ---- memory: dlsym() allocates, so glibc's own names are called ---- */

extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t n);
extern void *__libc_memalign(size_t align, size_t n);

EXPORT void *
malloc(size_t n)
{
	return fails(MEMORY) ? NULL : __libc_malloc(n);
}

EXPORT void *
calloc(size_t n, size_t size)
{
	return fails(MEMORY) ? NULL : __libc_calloc(n, size);
}

EXPORT void *
realloc(void *p, size_t n)
{
	return n > 0 && fails(MEMORY) ? NULL : __libc_realloc(p, n);
}

EXPORT void *
reallocarray(void *p, size_t n, size_t size)
{
	size_t total;

	if (__builtin_mul_overflow(n, size, &total)) {
		errno = ENOMEM;
		return NULL;
	}
	return realloc(p, total);
}

EXPORT int
posix_memalign(void **p, size_t align, size_t n)
{
	void *q = fails(MEMORY) ? NULL : __libc_memalign(align, n);

	if (q == NULL)
		return ENOMEM;
	*p = q;
	return 0;
}

EXPORT void *
aligned_alloc(size_t align, size_t n)
{
	return fails(MEMORY) ? NULL : __libc_memalign(align, n);
}

/* ---- calls of the system ---- */

/* RETURN TYPE, NAME, parameters and arguments of a call that returns -1. */
#define CALL(type, name, kind, params, args)                              \
	EXPORT type name params                                           \
	{                                                                 \
		static type (*real) params;                               \
                                                                          \
		if (real == NULL)                                         \
			real = (type (*) params)dlsym(RTLD_NEXT, #name);  \
		return fails(kind) ? -1 : real args;                      \
	}

CALL(int, socket, SOCKET, (int domain, int type, int protocol),
    (domain, type, protocol))
CALL(int, bind, BIND, (int fd, const struct sockaddr *a, socklen_t n),
    (fd, a, n))
CALL(int, connect, CONNECT, (int fd, const struct sockaddr *a, socklen_t n),
    (fd, a, n))
CALL(ssize_t, recvfrom, RECEIVE, (int fd, void *p, size_t n, int flags,
    struct sockaddr *a, socklen_t *len), (fd, p, n, flags, a, len))
CALL(ssize_t, recv, RECEIVE, (int fd, void *p, size_t n, int flags),
    (fd, p, n, flags))
CALL(int, recvmmsg, RECEIVE, (int fd, struct mmsghdr *v, unsigned n,
    int flags, struct timespec *t), (fd, v, n, flags, t))
CALL(ssize_t, send, SEND, (int fd, const void *p, size_t n, int flags),
    (fd, p, n, flags))
CALL(ssize_t, sendto, SEND, (int fd, const void *p, size_t n, int flags,
    const struct sockaddr *a, socklen_t len), (fd, p, n, flags, a, len))
CALL(ssize_t, sendmsg, SEND, (int fd, const struct msghdr *m, int flags),
    (fd, m, flags))
CALL(int, sendmmsg, SEND, (int fd, struct mmsghdr *v, unsigned n, int flags),
    (fd, v, n, flags))
CALL(int, accept, ACCEPT, (int fd, struct sockaddr *a, socklen_t *n),
    (fd, a, n))
CALL(int, accept4, ACCEPT, (int fd, struct sockaddr *a, socklen_t *n,
    int flags), (fd, a, n, flags))
CALL(int, epoll_ctl, EPOLL, (int fd, int op, int other,
    struct epoll_event *e), (fd, op, other, e))
CALL(ssize_t, getrandom, RANDOM, (void *p, size_t n, unsigned flags),
    (p, n, flags))

/* Errors that are asked for are not what the error is about. */
EXPORT ssize_t
recvmsg(int fd, struct msghdr *m, int flags)
{
	static ssize_t (*real)(int, struct msghdr *, int);

	if (real == NULL)
		real = (ssize_t (*)(int, struct msghdr *, int))
		    dlsym(RTLD_NEXT, "recvmsg");
	if ((flags & MSG_ERRQUEUE) == 0 && fails(RECEIVE))
		return -1;
	return real(fd, m, flags);
}

EXPORT int
openat(int dir, const char *path, int flags, ...)
{
	static int (*real)(int, const char *, int, ...);
	mode_t mode = 0;
	va_list ap;

	va_start(ap, flags);
	if ((flags & (O_CREAT | O_TMPFILE)) != 0)
		mode = va_arg(ap, mode_t);
	va_end(ap);
	if (real == NULL)
		real = (int (*)(int, const char *, int, ...))
		    dlsym(RTLD_NEXT, "openat");
	return fails(OPEN) ? -1 : real(dir, path, flags, mode);
}

EXPORT int
open(const char *path, int flags, ...)
{
	mode_t mode = 0;
	va_list ap;

	va_start(ap, flags);
	if ((flags & (O_CREAT | O_TMPFILE)) != 0)
		mode = va_arg(ap, mode_t);
	va_end(ap);
	return openat(AT_FDCWD, path, flags, mode);
}

/* What the checked variant of a program is compiled to. */
EXPORT int __open_2(const char *path, int flags);

EXPORT int
__open_2(const char *path, int flags)
{
	return openat(AT_FDCWD, path, flags);
}
