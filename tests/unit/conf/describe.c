#include "describe.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static void
put_span(FILE *f, struct span s)
{
	fprintf(f, " \"%.*s\"", (int)s.n, (const char *)s.p);
}

static void
put_text(FILE *f, const char *what, const char *text)
{
	fprintf(f, "%s %s\n", what, text != NULL ? text : "(none)");
}

static void
put_addr(FILE *f, const struct addr *a)
{
	char text[ADDR_STRLEN];

	fprintf(f, " %u:%s", a->family, addr_str(a, text));
}

static void
put_nets(FILE *f, const char *what, const struct netlist *l)
{
	fprintf(f, "%s", what);
	for (size_t i = 0; i < l->n; i++) {
		put_addr(f, &l->v[i].net);
		fprintf(f, "/%u", l->v[i].bits);
	}
	fputc('\n', f);
}

static void
put_target(FILE *f, const char *what, const struct target *t)
{
	fprintf(f, "%s %d %u %d", what, (int)t->scheme, t->port,
	    t->host.literal);
	if (t->host.literal)
		put_addr(f, &t->host.addr);
	else
		put_span(f, t->host.text);
	fputc('\n', f);
}

static void
put_hosts(FILE *f, const struct host_pattern *h, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		fprintf(f, "host %d %d", h[i].literal, h[i].sub);
		put_span(f, h[i].name);
		put_addr(f, &h[i].addr);
		fputc('\n', f);
	}
}

static void
put_path(FILE *f, const struct path *p)
{
	fprintf(f, "path");
	for (size_t i = 0; i < p->n; i++)
		put_span(f, p->seg[i]);
	fputc('\n', f);
}

static void
put_numbers(FILE *f, const char *what, const unsigned *v, size_t n)
{
	fprintf(f, "%s", what);
	for (size_t i = 0; i < n; i++)
		fprintf(f, " %u", v[i]);
	fputc('\n', f);
}

static void
put_listener(FILE *f, const struct listen_conf *l)
{
	const struct access *a = &l->access;

	put_text(f, "[listen]", l->name);
	for (size_t i = 0; i < l->nbind; i++) {
		fprintf(f, "bind %d", (int)l->bind[i].scheme);
		put_addr(f, &l->bind[i].addr);
		put_text(f, " fd", l->bind[i].fd);
	}
	put_nets(f, "allow", &a->allow_from);
	put_nets(f, "deny", &a->deny_from);
	put_nets(f, "exempt", &a->exempt);
	fprintf(f, "rate %u %u amplification %d\n", a->rate.per_second,
	    a->rate.burst, (int)a->amplification);
}

static void
put_uris(FILE *f, const char *what, const struct uri_pattern *u, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		fprintf(f, "%s %d %u\n", what, (int)u[i].scheme, u[i].port);
		put_hosts(f, &u[i].host, 1);
		put_nets(f, "net", &u[i].net);
	}
}

static void
put_forward(FILE *f, const struct forward_conf *c)
{
	put_numbers(f, "[forward] listen", c->listen, c->nlisten);
	put_nets(f, "from", &c->allow_from);
	put_nets(f, "not from", &c->deny_from);
	put_nets(f, "to", &c->allow_to);
	put_nets(f, "not to", &c->deny_to);
	put_uris(f, "to URI", c->allow_uri, c->nallow_uri);
	put_uris(f, "not to URI", c->deny_uri, c->ndeny_uri);
	fprintf(f, "routes %d via %d confirmable %d nstart %u timeout %"
	    PRIu64 "\n", c->routes, c->has_via, (int)c->confirmable,
	    c->nstart, c->timeout_ms);
	if (c->has_via)
		put_target(f, "via", &c->via);
}

static void
put_action(FILE *f, const struct rule *r)
{
	if (r->action == RULE_REPLY) {
		fprintf(f, "reply %u", r->reply_code);
		put_span(f, r->reply_text);
		fputc('\n', f);
		return;
	}
	put_target(f, "to", &r->to);
	put_path(f, &r->to_path);
	put_text(f, "origin", r->origin);
	fprintf(f, "send-host %d", (int)r->send_host);
	put_span(f, r->send_host_name);
	fputc('\n', f);
}

static void
put_rule(FILE *f, const struct rule *r)
{
	put_text(f, "[route]", r->name);
	put_numbers(f, "listen", r->listen, r->nlisten);
	put_hosts(f, r->host, r->nhost);
	for (size_t i = 0; i < r->npath; i++)
		put_path(f, &r->path[i]);
	put_nets(f, "allow", &r->allow_from);
	put_nets(f, "deny", &r->deny_from);
	put_action(f, r);
	fprintf(f, "methods %x strip %d as %d confirmable %d nstart %u "
	    "timeout %" PRIu64 " cache %d observe %d links %d\n", r->methods,
	    r->strip, r->as_proxy, (int)r->confirmable, r->nstart,
	    r->timeout_ms, r->cache, r->observe, r->links);
}

static void
put_message(FILE *f, const struct conf *c)
{
	const struct msg_params *m = &c->message;

	fprintf(f, "[message] %" PRIu64 " %u %u %" PRIu64 " %u %" PRIu64
	    " %" PRIu64 " ports %u rate %u queue %u\n", m->ack_timeout,
	    m->ack_random_factor, m->max_retransmit, m->empty_ack_delay,
	    m->max_exchanges, m->exchange_lifetime, m->max_transmit_wait,
	    c->max_upstream_ports, c->flow.probing_rate, c->flow.queue);
	fprintf(f, "[cache] %zu %zu %u\n[block] %zu %u %u\n", c->cache.size,
	    c->cache.max_entry, c->cache.max_age, c->block.max_body,
	    c->block.szx, c->block.max_transfers);
	fprintf(f, "[observe] %zu %u %" PRIu64 " %u %u %u\n",
	    c->observe.max_observers, c->observe.max_per_client,
	    c->observe.linger_ms, m->confirmable_every, m->max_observers,
	    m->max_per_client);
}

static void
put_rest(FILE *f, const struct conf *c)
{
	fprintf(f, "[log] %d %d %d %u\n", (int)c->log_level,
	    (int)c->log_format, (int)c->log_access.which,
	    c->log_access.one_of);
	put_text(f, "target", c->log_target);
	fprintf(f, "[dns] %" PRIu64 " %" PRIu64 " %" PRIu64, c->dns.timeout_ms,
	    c->dns.min_ttl_ms, c->dns.max_ttl_ms);
	for (size_t i = 0; i < c->dns.nservers; i++)
		put_addr(f, &c->dns.servers[i]);
	fprintf(f, "\n[metrics]");
	put_addr(f, &c->metrics);
	put_text(f, "\n[control]", c->control);
}

char *
describe(const struct conf *c)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	if (f == NULL)
		abort();
	put_text(f, "[proxy]", c->name);
	for (size_t i = 0; i < c->nown_names; i++)
		put_span(f, c->own_names[i]);
	fprintf(f, " %u %" PRIu64 "\n", c->hop_limit, c->drain_ms);
	for (size_t i = 0; i < c->nlisten; i++)
		put_listener(f, &c->listen[i]);
	if (c->has_forward)
		put_forward(f, &c->forward);
	for (size_t i = 0; i < c->rules.n; i++)
		put_rule(f, &c->rules.v[i]);
	put_message(f, c);
	put_rest(f, c);
	if (fclose(f) != 0)
		abort();
	return text;
}
