#include "base/xalloc.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "suites.h"
#include "unit.h"

START_TEST(zeroed)
{
	uint8_t *p = xcalloc(100, 7);

	for (size_t i = 0; i < 700; i++)
		ck_assert_uint_eq(p[i], 0);
	free(p);
}
END_TEST

START_TEST(nothing_is_something)
{
	void *p = xcalloc(0, 8);

	ck_assert_ptr_nonnull(p);
	p = xrealloc(p, 0, 8);
	ck_assert_ptr_nonnull(p);
	p = xrealloc(p, 10, 8);
	memset(p, 0xff, 80);
	free(p);
}
END_TEST

START_TEST(grows)
{
	uint32_t *p = NULL;

	for (uint32_t i = 0; i < 1000; i++) {
		p = xrealloc(p, i + 1, sizeof(*p));
		p[i] = i;
	}
	for (uint32_t i = 0; i < 1000; i++)
		ck_assert_uint_eq(p[i], i);
	free(p);
}
END_TEST

START_TEST(strings)
{
	const char *word = "light";
	char *s = xstrdup(word);

	ck_assert_str_eq(s, "light");
	ck_assert_ptr_ne(s, word);
	free(s);
	s = xspandup(span_make("lightning", 5));
	ck_assert_str_eq(s, "light");
	free(s);
	s = xspandup(span_make(NULL, 0));
	ck_assert_str_eq(s, "");
	free(s);
	s = xasprintf("%s=%d", "port", 5683);
	ck_assert_str_eq(s, "port=5683");
	free(s);
}
END_TEST

/* What cannot be had ends the process: the child must not come back. */
static bool
survives(void *(*fn)(void))
{
	struct rlimit none = { 0, 0 };
	int status = 0;
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		setrlimit(RLIMIT_CORE, &none);
		/* Whoever complains, sanitizers included, does it unheard. */
		dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
		_exit(fn() != NULL ? 0 : 77);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) &&
	    (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 77);
}

static void *
calloc_overflow(void)
{
	volatile size_t n = SIZE_MAX / 4;

	return xcalloc(n, 8);
}

static void *
realloc_overflow(void)
{
	volatile size_t n = SIZE_MAX / 4 + 2;

	return xrealloc(NULL, n, 8);
}

static void *
calloc_fine(void)
{
	return xcalloc(1, 8);
}

START_TEST(refusal_ends_the_process)
{
	ck_assert(survives(calloc_fine));
	ck_assert(!survives(calloc_overflow));
	ck_assert(!survives(realloc_overflow));
}
END_TEST

Suite *
xalloc_suite(void)
{
	Suite *s = suite_create("xalloc");
	TCase *tc = tcase_create("xalloc");

	tcase_add_test(tc, zeroed);
	tcase_add_test(tc, nothing_is_something);
	tcase_add_test(tc, grows);
	tcase_add_test(tc, strings);
	tcase_add_test(tc, refusal_ends_the_process);
	suite_add_tcase(s, tc);
	return s;
}
