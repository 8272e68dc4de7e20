/*
 * expo: one function for each kind of line.
 */
#include "ctl/expo.h"

#include <event2/buffer.h>

#include "ctl/text.h"

void
expo_family(struct expo *e, const char *name, const char *type,
    const char *help)
{
	e->name = name;
	evbuffer_add_printf(e->to, "# HELP %s %s\n# TYPE %s %s\n", name, help,
	    name, type);
}

static void
put_value(struct evbuffer *to, struct span s)
{
	while (s.n > 0) {
		size_t n = text_utf8(s);

		if (n == 0)
			evbuffer_add_printf(to, "\xef\xbf\xbd");
		else if (*s.p == '\n')
			evbuffer_add_printf(to, "\\n");
		else if (*s.p == '"' || *s.p == '\\')
			evbuffer_add_printf(to, "\\%c", *s.p);
		else
			evbuffer_add(to, s.p, n);
		n += n == 0;
		s = span_make(s.p + n, s.n - n);
	}
}

/* NAME SUFFIX {LABELS, le="LE"} and a blank; LE may be NULL. */
static void
put_head(struct expo *e, const char *suffix, const struct expo_labels *labels,
    const char *le)
{
	const char *const *l = labels->v;
	const char *sep = "{";

	evbuffer_add_printf(e->to, "%s%s", e->name, suffix);
	for (; *l != NULL; l += 2) {
		evbuffer_add_printf(e->to, "%s%s=\"", sep, l[0]);
		put_value(e->to, span_str(l[1]));
		evbuffer_add(e->to, "\"", 1);
		sep = ",";
	}
	if (le != NULL) {
		evbuffer_add_printf(e->to, "%sle=\"%s\"", sep, le);
		sep = ",";
	}
	evbuffer_add_printf(e->to, "%s ", *sep == ',' ? "}" : "");
}

static void
put_number(struct expo *e, uint64_t v)
{
	evbuffer_add_printf(e->to, "%llu\n", (unsigned long long)v);
}

static void
put_seconds(struct expo *e, uint64_t ms)
{
	evbuffer_add_printf(e->to, "%llu.%03u\n",
	    (unsigned long long)(ms / 1000), (unsigned)(ms % 1000));
}

void
expo_value(struct expo *e, uint64_t v, const struct expo_labels *labels)
{
	put_head(e, "", labels, NULL);
	put_number(e, v);
}

void
expo_seconds(struct expo *e, uint64_t ms, const struct expo_labels *labels)
{
	put_head(e, "", labels, NULL);
	put_seconds(e, ms);
}

void
expo_histo(struct expo *e, const struct histo *h,
    const struct expo_labels *labels)
{
	uint64_t n = 0;
	char le[32];

	for (unsigned i = 0; i < HISTO_BOUNDS; i++) {
		uint64_t bound = histo_bound(i);

		n += h->n[i];
		snprintf(le, sizeof(le), "%u.%03u", (unsigned)(bound / 1000),
		    (unsigned)(bound % 1000));
		put_head(e, "_bucket", labels, le);
		put_number(e, n);
	}
	n += h->n[HISTO_BOUNDS];
	put_head(e, "_bucket", labels, "+Inf");
	put_number(e, n);
	put_head(e, "_sum", labels, NULL);
	put_seconds(e, h->sum_ms);
	put_head(e, "_count", labels, NULL);
	put_number(e, n);
}
