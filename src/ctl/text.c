/*
 * text: escapes, and numbers as people read them.
 */
#include "ctl/text.h"

#include <stdio.h>

#include <event2/buffer.h>

static bool
continues(struct span s, size_t n)
{
	if (s.n < n)
		return false;
	for (size_t i = 1; i < n; i++)
		if ((s.p[i] & 0xc0) != 0x80)
			return false;
	return true;
}

/* RFC 3629 4: neither overlong nor a surrogate. */
size_t
text_utf8(struct span s)
{
	uint8_t c = s.p[0];

	if (c < 0x80)
		return 1;
	if (c >= 0xc2 && c <= 0xdf)
		return continues(s, 2) ? 2 : 0;
	if (c >= 0xe0 && c <= 0xef)
		return continues(s, 3) && !(c == 0xe0 && s.p[1] < 0xa0) &&
			!(c == 0xed && s.p[1] > 0x9f) ?
		    3 : 0;
	if (c >= 0xf0 && c <= 0xf4)
		return continues(s, 4) && !(c == 0xf0 && s.p[1] < 0x90) &&
			!(c == 0xf4 && s.p[1] > 0x8f) ?
		    4 : 0;
	return 0;
}

void
text_json(struct evbuffer *to, struct span s)
{
	evbuffer_add(to, "\"", 1);
	while (s.n > 0) {
		size_t n = text_utf8(s);

		if (n == 0)
			evbuffer_add_printf(to, "\xef\xbf\xbd");
		else if (*s.p < 0x20 || *s.p == 0x7f)
			evbuffer_add_printf(to, "\\u%04x", *s.p);
		else if (*s.p == '"' || *s.p == '\\')
			evbuffer_add_printf(to, "\\%c", *s.p);
		else
			evbuffer_add(to, s.p, n);
		n += n == 0;
		s = span_make(s.p + n, s.n - n);
	}
	evbuffer_add(to, "\"", 1);
}

static bool
is_control(uint8_t c)
{
	return c < 0x20 || c == 0x7f;
}

static int
columns(struct span s)
{
	int n = 0;

	for (size_t i = 0; i < s.n; i++)
		if (is_control(s.p[i]))
			n += 4;
		else
			n += (s.p[i] & 0xc0) != 0x80;
	return n;
}

void
text_cell(struct evbuffer *to, struct span s, int width)
{
	int pad = (width < 0 ? -width : width) - columns(s);

	if (pad < 0)
		pad = 0;
	if (width < 0)
		evbuffer_add_printf(to, "%*s", pad, "");
	for (size_t i = 0; i < s.n; i++)
		if (is_control(s.p[i]))
			evbuffer_add_printf(to, "\\x%02x", s.p[i]);
		else
			evbuffer_add(to, s.p + i, 1);
	if (width > 0)
		evbuffer_add_printf(to, "%*s", pad, "");
}

const char *
text_size(uint64_t octets, char out[TEXT_SHORT])
{
	static const char units[] = "KMGTP";
	uint64_t unit = 1024;
	size_t i = 0;

	if (octets < unit) {
		snprintf(out, TEXT_SHORT, "%u", (unsigned)octets);
		return out;
	}
	for (; octets / 1024 >= unit && i < 4; i++)
		unit *= 1024;
	snprintf(out, TEXT_SHORT, "%llu.%u%c",
	    (unsigned long long)(octets / unit),
	    (unsigned)(octets % unit * 10 / unit), units[i]);
	return out;
}

const char *
text_time(uint64_t ms, char out[TEXT_SHORT])
{
	unsigned long long s = ms / 1000;

	if (s < 60)
		snprintf(out, TEXT_SHORT, "%llus", s);
	else if (s < 3600)
		snprintf(out, TEXT_SHORT, "%llum%02llus", s / 60, s % 60);
	else if (s < 86400)
		snprintf(out, TEXT_SHORT, "%lluh%02llum", s / 3600,
		    s / 60 % 60);
	else
		snprintf(out, TEXT_SHORT, "%llud%02lluh", s / 86400,
		    s / 3600 % 24);
	return out;
}

const char *
text_date(uint64_t ms, char out[TEXT_SHORT])
{
	time_t t = (time_t)(ms / 1000);
	struct tm tm;

	if (gmtime_r(&t, &tm) == NULL ||
	    strftime(out, TEXT_SHORT, "%Y-%m-%d %H:%M:%S UTC", &tm) == 0)
		out[0] = '\0';
	return out;
}

/* Goes back to the last '*' only: time is at most the product of lengths. */
bool
text_like(const char *pattern, const char *text)
{
	const char *star = NULL, *from = NULL;

	while (*text != '\0') {
		if (*pattern == '*') {
			star = pattern++;
			from = text;
		} else if (*pattern == *text) {
			pattern++;
			text++;
		} else if (star != NULL) {
			pattern = star + 1;
			text = ++from;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == '\0';
}
