/*
 * fuzz_conf: any octets as a configuration.
 *
 * Beyond "no bad access": what is refused says why, what is accepted can be
 * dumped, and the dump is accepted again and comes to the same.
 */
#include "fuzz.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"

static void
require(bool fact)
{
	if (!fact)
		abort();
}

/* The files of this host are none of the fuzzer's business. */
static bool
reads_files(const char *text)
{
	return strstr(text, "include") != NULL ||
	    strstr(text, "{file:") != NULL || strstr(text, "{cred:") != NULL;
}

static void
dump_again(const struct conf *c)
{
	struct conf_report report = { 0 };
	char *first = conf_dump(c), *second;
	struct conf *again = conf_load_text("dump", first, &report);

	require(again != NULL);
	require(again->nlisten == c->nlisten);
	require(again->rules.n == c->rules.n);
	second = conf_dump(again);
	free(first);
	free(second);
	conf_free(again);
	conf_report_fini(&report);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conf_report report = { 0 };
	struct conf *c;
	char *text = malloc(size + 1);

	if (text == NULL)
		return 0;
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	if (!reads_files(text)) {
		c = conf_load_text("fuzz", text, &report);
		require((c == NULL) == (report.errors > 0));
		require((report.text == NULL) ==
		    (report.errors + report.warnings == 0));
		if (c != NULL)
			dump_again(c);
		conf_free(c);
		conf_report_fini(&report);
	}
	free(text);
	return 0;
}
