/*
 * flow: windows, lanes and silence.
 */
#include "upstream/flow.h"

/* One client's queue at one server; exists while somebody waits in it. */
struct lane {
	struct table_node node;	/* by (flow, client) */
	struct list link;	/* in the flow's lanes */
	struct list items;
	struct flow *flow;
	uint64_t client;
	uint32_t n;
};

bool
flows_init(struct flows *fs, const struct flow_conf *conf, size_t max_lanes,
    struct rand *rnd)
{
	*fs = (struct flows){ .conf = conf, .key = rand_key(rnd) };
	pool_init(&fs->pool, sizeof(struct lane), max_lanes);
	return table_init(&fs->lanes, 16);
}

void
flows_fini(struct flows *fs)
{
	table_fini(&fs->lanes);
	pool_fini(&fs->pool);
}

void
flow_init(struct flow *f, struct flows *fs)
{
	*f = (struct flow){ .flows = fs, .window = 1 };
	list_init(&f->lanes);
}

void
flow_item_init(struct flow_item *it, size_t octets)
{
	*it = (struct flow_item){ .octets = (uint32_t)octets };
	list_init(&it->link);
}

bool
flow_open(const struct flow *f, uint64_t now)
{
	if (f->silent)
		return f->outstanding == 0 && now >= f->paid;
	return f->outstanding <
	    (f->nstart == FLOW_AUTO ? f->window : f->nstart);
}

uint64_t
flow_wakeup(const struct flow *f)
{
	return f->waiting > 0 && f->silent && f->outstanding == 0 ? f->paid :
	    UINT64_MAX;
}

/* ---- the queue ---- */

static uint64_t
lane_hash(const struct flow *f, uint64_t client)
{
	uint64_t pair[2] = { (uintptr_t)f, client };

	return siphash(&f->flows->key, span_make(pair, sizeof(pair)));
}

static struct lane *
lane_find(const struct flow *f, uint64_t hash, uint64_t client)
{
	struct table_node *n = table_find(&f->flows->lanes, hash);

	for (; n != NULL; n = table_find_next(n)) {
		struct lane *l = CONTAINER_OF(n, struct lane, node);

		if (l->flow == f && l->client == client)
			return l;
	}
	return NULL;
}

static struct lane *
lane_new(struct flow *f, uint64_t hash, uint64_t client)
{
	struct lane *l = pool_get(&f->flows->pool);

	if (l == NULL)
		return NULL;
	l->flow = f;
	l->client = client;
	l->n = 0;
	list_init(&l->items);
	list_add_tail(&f->lanes, &l->link);
	table_insert(&f->flows->lanes, &l->node, hash);
	return l;
}

static void
lane_free(struct lane *l)
{
	table_remove(&l->flow->flows->lanes, &l->node);
	list_del(&l->link);
	pool_put(&l->flow->flows->pool, l);
}

static struct lane *
lane_of(struct list *link)
{
	return CONTAINER_OF(link, struct lane, link);
}

/* Takes IT out of the queue. */
static void
unqueue(struct flow_item *it)
{
	struct lane *l = it->lane;

	list_del(&it->link);
	it->flow->waiting--;
	it->state = FLOW_IDLE;
	it->flow = NULL;
	it->lane = NULL;
	if (--l->n == 0)
		lane_free(l);
}

/* The lane with most waiting: only looked for when the queue is full. */
static struct lane *
longest(struct flow *f)
{
	struct lane *best = NULL;
	struct list *it, *tmp;

	LIST_FOREACH_SAFE (it, tmp, &f->lanes)
		if (best == NULL || lane_of(it)->n > best->n)
			best = lane_of(it);
	return best;
}

/* Makes room for one more of a client that has N waiting: the last of the
 * client with most, if that one has more. */
static struct flow_item *
displace(struct flow *f, uint32_t n)
{
	struct lane *l = longest(f);
	struct flow_item *last;

	if (l == NULL || l->n <= n + 1)
		return NULL;
	last = CONTAINER_OF(l->items.prev, struct flow_item, link);
	unqueue(last);
	return last;
}

bool
flow_wait(struct flow *f, struct flow_item *it, uint64_t client,
    struct flow_item **displaced)
{
	uint64_t hash = lane_hash(f, client);
	struct lane *l = lane_find(f, hash, client);

	*displaced = NULL;
	if (f->waiting >= f->flows->conf->queue) {
		*displaced = displace(f, l != NULL ? l->n : 0);
		f->flows->stats.refused++;
		if (*displaced == NULL)
			return false;
	}
	if (l == NULL)
		l = lane_new(f, hash, client);
	if (l == NULL)
		return false;
	list_add_tail(&l->items, &it->link);
	l->n++;
	it->lane = l;
	it->flow = f;
	it->state = FLOW_WAITING;
	f->waiting++;
	f->flows->stats.queued++;
	return true;
}

struct flow_item *
flow_next(struct flow *f, uint64_t now)
{
	struct flow_item *it;
	struct lane *l;

	if (f->waiting == 0 || !flow_open(f, now))
		return NULL;
	l = lane_of(f->lanes.next);
	it = CONTAINER_OF(l->items.next, struct flow_item, link);
	/* The others first, before this client again. */
	list_del(&l->link);
	list_add_tail(&f->lanes, &l->link);
	unqueue(it);
	return it;
}

/* ---- the window ---- */

/* How long PROBING_RATE takes for the octets of IT. */
static uint64_t
cost_ms(const struct flow_item *it)
{
	const struct flow_conf *conf = it->flow->flows->conf;

	return (uint64_t)it->octets * 1000 / conf->probing_rate;
}

uint64_t
flow_sent(struct flow *f, struct flow_item *it, uint64_t now)
{
	it->flow = f;
	it->state = FLOW_OUT;
	it->sent = now;
	f->outstanding++;
	return now + cost_ms(it);
}

void
flow_heard(struct flow *f, uint64_t now)
{
	f->heard = now;
	f->silent = false;
}

void
flow_drop(struct flow_item *it)
{
	if (it->state == FLOW_WAITING)
		unqueue(it);
	if (it->state == FLOW_OUT)
		it->flow->outstanding--;
	it->state = FLOW_IDLE;
	it->flow = NULL;
}

void
flow_done(struct flow_item *it, uint64_t now)
{
	struct flow *f = it->flow;

	if (it->state != FLOW_OUT)
		return;
	flow_heard(f, now);
	if (f->window < FLOW_WINDOW_MAX)
		f->window++;
	flow_drop(it);
}

/* IT is lost. Of all that were under way together, the first one counts. */
static void
halve(struct flow *f, const struct flow_item *it, uint64_t now)
{
	if (f->halved != 0 && it->sent <= f->halved)
		return;
	f->halved = now;
	f->window = f->window > 1 ? f->window / 2 : 1;
	f->flows->stats.losses++;
}

void
flow_lost(struct flow_item *it, uint64_t now)
{
	if (it->state != FLOW_OUT)
		return;
	it->repeated = true;
	halve(it->flow, it, now);
}

void
flow_gave_up(struct flow_item *it, uint64_t now)
{
	struct flow *f = it->flow;

	if (it->state != FLOW_OUT)
		return;
	halve(f, it, now);
	if (f->heard <= it->sent) {
		/* The time that a CON has taken does not count: it was
		 * repeated meanwhile. */
		f->paid = cost_ms(it) + (it->repeated ? now : it->sent);
		f->silent = true;
		f->window = 1;
		f->flows->stats.silences++;
	}
	flow_drop(it);
}
