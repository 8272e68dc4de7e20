/*
 * assemble: the stage in which the blocks of a request become a body.
 */
#include "proxy/core.h"
#include "proxy/transfer.h"

static void
expire_fire(struct timer *t, uint64_t now)
{
	struct proxy *p = CONTAINER_OF(t, struct proxy, upload_expiry);

	upload_expire(&p->uploads, now);
	timer_start(p->timers, t, upload_next(&p->uploads));
}

static struct upload_conf
limits(const struct proxy_conf *c)
{
	return (struct upload_conf){
		.max_body = c->block.max_body,
		.max_total = COLLECTED_MAX * c->block.max_body,
		.max_transfers = c->block.max_transfers,
		.lifetime = c->exchange_lifetime,
		.szx = c->block.szx,
	};
}

bool
assemble_start(struct proxy *p, struct rand *rnd)
{
	const struct upload_conf conf = limits(p->conf);

	timer_init(&p->upload_expiry, expire_fire);
	pool_init(&p->transfers, sizeof(struct transfer), conf.max_transfers);
	return uploads_init(&p->uploads, &conf, rnd);
}

void
assemble_resize(struct proxy *p)
{
	const struct upload_conf conf = limits(p->conf);

	pool_limit(&p->transfers, conf.max_transfers);
	uploads_configure(&p->uploads, &conf);
	if (timer_running(&p->upload_expiry))
		timer_start(p->timers, &p->upload_expiry,
		    upload_next(&p->uploads));
}

void
assemble_stop(struct proxy *p)
{
	timer_stop(&p->upload_expiry);
	uploads_fini(&p->uploads);
	pool_fini(&p->transfers);
}

static enum verdict
too_large(struct proxy *p, struct request *r, size_t max)
{
	uint8_t space[8];
	struct writer w = writer_make(space, sizeof(space));
	struct coap_optw o = coap_optw(&w);
	struct reply reply = { .code = COAP_413 };

	p->stats.too_large++;
	coap_put_uint(&o, COAP_OPT_SIZE1, (uint32_t)max);
	reply.opts = writer_span(&w);
	return answer(p, r, &reply);
}

static enum verdict
go_on(struct proxy *p, struct request *r)
{
	static const struct reply reply = { .code = COAP_231 };

	return answer(p, r, &reply);
}

static enum verdict
complete(struct request *r, const struct upload_result *u)
{
	r->body = u->body;
	r->nbody = u->n;
	r->if_none_match = u->if_none_match;
	r->msg.payload = span_make(u->body, u->n);
	return NEXT;
}

enum verdict
stage_collect(struct proxy *p, struct request *r)
{
	const struct upload_from from = {
		.client = r->in->client,
		.local = r->in->local,
		.socket = r->in->socket,
	};
	struct upload_result u;
	enum upload_step step;

	/* What cannot be sent on is not waited for (BLK-03). */
	if (!coap_has(&r->msg, COAP_OPT_BLOCK1) || r->msg.unknown_unsafe != 0)
		return NEXT;
	/* Nobody's memory is filled by who may be somebody else. */
	if (r->stranger && guard_ahead(p, r) != NEXT)
		return REPLIED;
	step = upload_feed(&p->uploads, &from, &r->msg, p->now, &u);
	if (!timer_running(&p->upload_expiry))
		timer_start(p->timers, &p->upload_expiry,
		    upload_next(&p->uploads));
	r->has_block1 = true;
	r->block1 = u.block;
	switch (step) {
	case UPLOAD_CONTINUE:
		return go_on(p, r);
	case UPLOAD_DONE:
		return complete(r, &u);
	case UPLOAD_INCOMPLETE:
		return answer_error(p, r, COAP_408, "");
	case UPLOAD_TOO_LARGE:
		return too_large(p, r, u.max_body);
	case UPLOAD_BAD:
		return answer_error(p, r, COAP_400, "bad block");
	case UPLOAD_FULL:
		break;
	}
	return answer_full(p, r);
}
