/*
 * reload: one configuration takes the place of another.
 *
 *	proxy_reload -> observe_reload
 *
 * Requests and fetches hold the configuration that they began under, so nothing
 * has to be done about them. Observations would hold it for ever: each observer
 * is asked about once more, as its request would be asked now, and who is still
 * led to the same target by the same words goes on, under the new one.
 */
#include "proxy/admit.h"
#include "proxy/core.h"
#include "proxy/links.h"
#include "proxy/observation.h"
#include "proxy/observe.h"
#include "proxy/way.h"

/* ---- whose configuration ---- */

void
conf_unused(struct proxy_conf *c)
{
	rulemap_free(c->map);
	c->map = NULL;
	if (c->unused != NULL)
		c->unused(c);
}

static bool
wants_links(const struct rules *rules)
{
	for (size_t i = 0; i < rules->n; i++)
		if (rules->v[i].links)
			return true;
	return false;
}

/* ---- what is counted ---- */

static struct tally_names
names_of(const struct proxy_conf *c)
{
	return (struct tally_names){
		.listeners = c->listeners,
		.nlisteners = c->nlisteners,
		.rules = c->rules,
		.forward = c->forward,
	};
}

struct tally_origin *
route_origin(struct proxy *p, const struct route *route)
{
	struct tally_names names;

	if (route->conf == p->conf)
		return tally_origin(&p->tallies, route->rule);
	names = names_of(route->conf);
	return tally_origin_past(&p->tallies, &names, route->rule);
}

/* Forgets the counters of what is not in force any more, but for those that
 * something still counts in. */
static void
sweep_tallies(struct proxy *p)
{
	struct list *it, *tmp;

	LIST_FOREACH_SAFE (it, tmp, &p->waiting) {
		const struct fetch *f = CONTAINER_OF(it, struct fetch, link);

		f->origin->kept = true;
		if (f->tally != NULL)
			f->tally->kept = true;
	}
	LIST_FOREACH_SAFE (it, tmp, &p->observations)
		CONTAINER_OF(it, struct observation, link)->tally->kept = true;
	tallies_sweep(&p->tallies);
}

/* ---- from one to the next ---- */

bool
proxy_prepare(struct proxy *p, struct proxy_conf *conf)
{
	const struct tally_names names = names_of(conf);

	conf->users = 0;
	conf->links = NULL;
	conf->map = NULL;
	conf_use(conf);
	if (!tallies_prepare(&p->tallies, &names, &conf->counts))
		return false;
	if (conf->rules->n > RULEMAP_FEW) {
		conf->map = rulemap_new(conf->rules);
		if (conf->map == NULL)
			return false;
	}
	if (!wants_links(conf->rules))
		return true;
	conf->links = links_new(p, conf);
	return conf->links != NULL;
}

void
proxy_abandon(struct proxy *p, struct proxy_conf *conf)
{
	(void)p;
	links_free(conf->links);
	rulemap_free(conf->map);
	tally_map_fini(&conf->counts);
}

void
proxy_reload(struct proxy *p, struct proxy_conf *conf, uint64_t now)
{
	struct proxy_conf *last = p->conf;

	p->now = now;
	p->conf = conf;
	proxy_resize(p);
	memo_clear(&p->memo);
	tallies_use(&p->tallies, &conf->counts);
	share_reload(p, last);
	observe_reload(p);
	sweep_tallies(p);
	links_retire(last->links);
	conf_leave(last);
}

/* ---- observers ---- */

/* The request that came by W, as far as the rules look at it. */
struct asked {
	const struct way *way;
	struct inbound in;	/* who asks, and where */
	struct coap_msg msg;
	struct route route;	/* found */
};

static bool
same_host(const struct coap_host *a, const struct coap_host *b)
{
	if (a->literal || b->literal)
		return a->literal && b->literal && addr_eq(&a->addr, &b->addr);
	return span_caseeq(a->text, b->text);
}

static bool
same_target(const struct target *a, const struct target *b)
{
	return a->scheme == b->scheme && a->port == b->port &&
	    same_host(&a->host, &b->host);
}

/* Whether the client may ask at that listener, in that role. */
static bool
may_ask(const struct proxy *p, const struct asked *q)
{
	const struct access *a = &p->conf->access[q->in.listener];

	if (!netlist_allows(&a->allow_from, &a->deny_from, q->in.client))
		return false;
	if (q->way->role != ROLE_FORWARD)
		return true;
	return admit_forward(p->conf->forward, q->in.listener,
		   q->in.client) == ADMIT_FORWARD_YES &&
	    !self_is_host(p->self, &q->way->uri.host, q->way->uri.port);
}

/* Where the rules lead Q now. */
static bool
find(struct proxy *p, struct asked *q)
{
	const struct redirect_query query = {
		.msg = &q->msg,
		.host = q->way->uri.host,
		.client = q->in.client,
		.listener = q->in.listener,
	};
	enum role role = q->way->role;
	const char *why;

	q->route = (struct route){ .conf = p->conf, .uri = q->way->uri };
	return may_ask(p, q) &&
	    route_find(&query, &role, &q->route, &why) == 0 &&
	    role == q->way->role && q->route.observe &&
	    (q->route.rule == NULL || q->route.rule->action == RULE_FORWARD);
}

/* Whether the words for the target that Q would be sent with now are those that
 * O's registration has. */
static bool
same_words(struct proxy *p, const struct observation *o, const struct asked *q)
{
	struct coap_msg sent = { .opts = o->opts };
	struct writer w = writer_make(p->opts, sizeof(p->opts));
	struct writer was = writer_make(p->stored, sizeof(p->stored));
	struct writer is = writer_make(p->whole, sizeof(p->whole));
	struct coap_msg would = { .code = q->way->code };
	struct rewrite_request rw;

	rewrite_authority(&rw, &q->route, &q->msg);
	if (rewrite_request(&rw, &q->msg, &w) != REWRITE_OK)
		return false;
	would.opts = writer_span(&w);
	way_words(&sent, &was);
	way_words(&would, &is);
	return !was.full && !is.full &&
	    span_eq(writer_span(&was), writer_span(&is));
}

/* Whether the address that O is registered at may be used by ROUTE. */
static bool
address_allowed(struct proxy *p, struct fetch *f, const struct route *route)
{
	struct route was = f->route;
	struct addr a;
	bool ok;

	if (route->forward == NULL || p->up->registered == NULL ||
	    !p->up->registered(p->up_self, f, &a))
		return true;
	f->route.rule = route->rule;
	f->route.forward = route->forward;
	f->route.as_proxy = route->as_proxy;
	ok = fetch_check(f, &a) == FETCH_GO;
	f->route = was;
	return ok;
}

/* Whether W would be led to O now; then by *ROUTE. */
static bool
still(struct proxy *p, const struct observation *o, const struct observer *w,
    struct route *route)
{
	struct asked q = { .way = w->way };

	if (w->way == NULL || !w->front->where(w, &q.in) ||
	    !way_message(w->way, &q.msg) || !find(p, &q) ||
	    !same_target(&q.route.hop, &o->fetch->route.hop) ||
	    !same_words(p, o, &q) ||
	    !address_allowed(p, o->fetch, &q.route))
		return false;
	*route = q.route;
	return true;
}

/* F goes on by ROUTE, which leads to the same target. */
static void
rebind(struct proxy *p, struct fetch *f, const struct route *route)
{
	struct proxy_conf *last = f->route.conf;
	struct target uri = f->route.uri, hop = f->route.hop;

	/* The texts of these are F's own. */
	f->route = *route;
	f->route.uri = uri;
	f->route.hop = hop;
	conf_use(f->route.conf);
	conf_leave(last);
	f->origin = tally_origin(&p->tallies, route->rule);
	f->tally = tally_onward(&p->tallies, f->tally, route->rule);
	f->obs->tally = f->tally;
}

bool
reload_admits(struct proxy *p, const struct request *r,
    const struct observation *o, const struct observer *w)
{
	struct route route = r->route;

	if (r->route.conf != p->conf && !still(p, o, w, &route))
		return false;
	if (o->fetch->route.conf != p->conf)
		rebind(p, o->fetch, &route);
	return true;
}

/* W is told the last by *PARTING, made when it is needed. */
static void
part(struct proxy *p, struct observer *w, struct observation **parting)
{
	if (*parting == NULL)
		*parting = observation_parting(p, COAP_503,
		    "route has changed");
	p->stats.observers_parted++;
	if (*parting != NULL)
		observers_move(p, w, *parting);
	else
		observers_drop(p, w);
}

/* Those of O who are led elsewhere part. */
static void
revise(struct proxy *p, struct observation *o, struct observation **parting)
{
	struct list *it, *tmp;
	struct route route, last;
	bool stays = false;

	LIST_FOREACH_SAFE (it, tmp, &o->observers) {
		struct observer *w = CONTAINER_OF(it, struct observer, link);

		if (still(p, o, w, &route)) {
			last = route;
			stays = true;
		} else {
			part(p, w, parting);
		}
	}
	if (stays)
		rebind(p, o->fetch, &last);
}

/* Ends those of ALL. Each end is a request, which may make room for itself by
 * the end of another one. */
static void
dismiss(struct proxy *p, struct list *all)
{
	while (!list_empty(all)) {
		struct observation *o = CONTAINER_OF(all->next,
		    struct observation, link);

		list_del(&o->link);
		list_add_tail(&p->observations, &o->link);
		observation_dismiss(p, o);
		observation_free(p, o);
	}
}

void
observe_reload(struct proxy *p)
{
	struct observation *parting = NULL;
	struct list *it, *tmp, deserted;

	list_init(&deserted);
	LIST_FOREACH_SAFE (it, tmp, &p->observations) {
		struct observation *o = CONTAINER_OF(it, struct observation,
		    link);

		/* Who waits for the first answer is looked at then. */
		if (o->state == OBSERVE_ASKING || o->state == OBSERVE_OVER)
			continue;
		revise(p, o, &parting);
		if (!observation_deserted(o))
			continue;
		list_del(&o->link);
		list_add_tail(&deserted, &o->link);
	}
	dismiss(p, &deserted);
	if (parting != NULL)
		observers_tell(p, parting);
}
