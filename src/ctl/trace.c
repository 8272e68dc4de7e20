/*
 * trace: one upcall of net/udp, a list of those who want to know.
 *
 * pcap: a header of 24 octets, then for each datagram 16 octets of time and
 * length, tags of Wireshark's "exported PDU" (two octets of type and of length,
 * padded to four), and the datagram. Its numbers are in the host's order, those
 * of the tags in the network's.
 */
#include "ctl/trace.h"

#include <event2/buffer.h>

#include "base/clock.h"
#include "base/writer.h"
#include "coap/dump.h"

enum {
	LINE_MAX_LEN = 1024,
	PCAP_LINK = 252,	/* LINKTYPE_WIRESHARK_UPPER_PDU */
	TAGS_MAX = 128,
	/* exported_pdu.h of Wireshark */
	TAG_END = 0,
	TAG_DISSECTOR = 12,
	TAG_IP4_SRC = 20,
	TAG_IP4_DST = 21,
	TAG_IP6_SRC = 22,
	TAG_IP6_DST = 23,
	TAG_PORT_TYPE = 24,
	TAG_SRC_PORT = 25,
	TAG_DST_PORT = 26,
	PORT_UDP = 3,
};

/* ---- filters ---- */

const char *
trace_filter_read(struct trace_filter *f, char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(words[i], "pcap") == 0 && i == 0)
			f->pcap = true;
		else if (strcmp(words[i], "clients") == 0)
			f->side = TRACE_CLIENTS;
		else if (strcmp(words[i], "origins") == 0)
			f->side = TRACE_ORIGINS;
		else if (!netlist_add(&f->nets, span_str(words[i])))
			return f->nets.starved ? "out of memory" :
			    "a filter is made of 'clients' or 'origins', and "
			    "networks";
	return NULL;
}

void
trace_filter_fini(struct trace_filter *f)
{
	netlist_fini(&f->nets);
}

static bool
passes(const struct trace_filter *f, const struct udp_seen *seen)
{
	if (f->side != TRACE_BOTH &&
	    (f->side == TRACE_ORIGINS) != seen->connected)
		return false;
	return f->nets.n == 0 || netlist_match(&f->nets, &seen->remote) >= 0 ||
	    netlist_match(&f->nets, &seen->local) >= 0;
}

/* ---- text ---- */

static void
put_line(struct evbuffer *out, const struct udp_seen *seen, uint64_t ms)
{
	char local[ADDR_STRLEN], remote[ADDR_STRLEN], text[LINE_MAX_LEN];
	struct coap_msg m;

	if (coap_parse(&m, seen->datagram) == COAP_PARSE_OK)
		coap_dump(&m, text, sizeof(text));
	else
		snprintf(text, sizeof(text), "malformed octets=%zu",
		    seen->datagram.n);
	evbuffer_add_printf(out, "%llu.%03u %s %s %s %s %s\n",
	    (unsigned long long)(ms / 1000), (unsigned)(ms % 1000),
	    seen->connected ? "origin" : "client",
	    addr_str(&seen->remote, remote), seen->out ? "<-" : "->",
	    addr_str(&seen->local, local), text);
}

/* ---- pcap ---- */

static void
put_host32(struct evbuffer *out, uint32_t v)
{
	evbuffer_add(out, &v, sizeof(v));
}

static void
put_pcap_head(struct evbuffer *out)
{
	static const uint16_t version[2] = { 2, 4 };

	put_host32(out, 0xa1b2c3d4);
	evbuffer_add(out, version, sizeof(version));
	put_host32(out, 0);
	put_host32(out, 0);
	put_host32(out, 65535);
	put_host32(out, PCAP_LINK);
}

static void
tag(struct writer *w, uint16_t type, const void *p, uint16_t n)
{
	writer_u16(w, type);
	writer_u16(w, n);
	writer_put(w, p, n);
}

static void
tag32(struct writer *w, uint16_t type, uint32_t v)
{
	writer_u16(w, type);
	writer_u16(w, 4);
	writer_u32(w, v);
}

static void
tag_addresses(struct writer *w, const struct addr *from, const struct addr *to)
{
	if (from->family == 4 && to->family == 4) {
		tag(w, TAG_IP4_SRC, from->ip, 4);
		tag(w, TAG_IP4_DST, to->ip, 4);
	} else if (from->family == 6 && to->family == 6) {
		tag(w, TAG_IP6_SRC, from->ip, 16);
		tag(w, TAG_IP6_DST, to->ip, 16);
	}
	tag32(w, TAG_PORT_TYPE, PORT_UDP);
	tag32(w, TAG_SRC_PORT, from->port);
	tag32(w, TAG_DST_PORT, to->port);
}

static void
put_record(struct evbuffer *out, const struct udp_seen *seen, uint64_t ms)
{
	const struct addr *from = seen->out ? &seen->local : &seen->remote;
	const struct addr *to = seen->out ? &seen->remote : &seen->local;
	uint8_t tags[TAGS_MAX];
	struct writer w = writer_make(tags, sizeof(tags));
	uint32_t n;

	tag(&w, TAG_DISSECTOR, "coap", 4);
	tag_addresses(&w, from, to);
	tag(&w, TAG_END, NULL, 0);
	n = (uint32_t)(writer_len(&w) + seen->datagram.n);
	put_host32(out, (uint32_t)(ms / 1000));
	put_host32(out, (uint32_t)(ms % 1000 * 1000));
	put_host32(out, n);
	put_host32(out, n);
	evbuffer_add(out, tags, writer_len(&w));
	evbuffer_add(out, seen->datagram.p, seen->datagram.n);
}

/* ---- who traces ---- */

static void
show(struct trace *t, const struct udp_seen *seen, uint64_t ms)
{
	if (evbuffer_get_length(t->out) > TRACE_BACKLOG) {
		t->lost++;
		return;
	}
	if (t->filter.pcap) {
		put_record(t->out, seen, ms);
		return;
	}
	if (t->lost > 0)
		evbuffer_add_printf(t->out, "lost %llu\n",
		    (unsigned long long)t->lost);
	t->lost = 0;
	put_line(t->out, seen, ms);
}

static void
seen_cb(void *user, const struct udp_seen *seen)
{
	struct traces *ts = user;
	uint64_t ms = clock_wall_ms();
	struct list *it, *tmp;

	LIST_FOREACH_SAFE (it, tmp, &ts->all) {
		struct trace *t = CONTAINER_OF(it, struct trace, link);

		if (passes(&t->filter, seen))
			show(t, seen, ms);
	}
}

void
traces_init(struct traces *ts, struct udp *udp)
{
	*ts = (struct traces){ .udp = udp };
	list_init(&ts->all);
}

bool
trace_start(struct traces *ts, struct trace *t, struct trace_filter *f,
    struct evbuffer *out)
{
	if (ts->n == TRACERS_MAX)
		return false;
	*t = (struct trace){ .in = ts, .filter = *f, .out = out };
	*f = (struct trace_filter){ .pcap = false };
	list_init(&t->link);
	list_add_tail(&ts->all, &t->link);
	if (t->filter.pcap)
		put_pcap_head(out);
	if (ts->n++ == 0)
		udp_watch(ts->udp, seen_cb, ts);
	return true;
}

void
trace_stop(struct trace *t)
{
	struct traces *ts = t->in;

	if (ts == NULL)
		return;
	t->in = NULL;
	list_del(&t->link);
	trace_filter_fini(&t->filter);
	if (--ts->n == 0)
		udp_watch(ts->udp, NULL, NULL);
}
