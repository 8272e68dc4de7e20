/* Notifications (RFC 7641 4.5): src/msg/notify.c. Time-outs are 2, 4, 8, 16 and
 * 32 s, NON_LIFETIME is 130 s. */
#include "msg/notify.h"

#include "fixture.h"
#include "suites.h"

static struct world w;
static struct obs a, b, c;	/* a1 and b1 of one client, c1 of another */

static void
setup(void)
{
	world_init(&w, 2, true);
	ck_assert(observe(&w, &a, 0, 0xa1));
	ck_assert(observe(&w, &b, 0, 0xb1));
	ck_assert(observe(&w, &c, 1, 0xc1));
}

static void
teardown(void)
{
	world_fini(&w);
}

static const struct dgram_stats *
stats(void)
{
	return dgram_stats(w.d);
}

/* The first CON of O, at once acknowledged. */
static void
confirmed(struct obs *o, size_t i, unsigned mid, uint8_t token)
{
	change(&w, o);
	out_con(&w, i, mid, token, o->state);
	in_ack(&w, i, mid);
	quiet(&w);
}

/* A has had a CON and N NONs, 4 s apart, from Message ID 5000 on. */
static void
told_nons(unsigned n)
{
	confirmed(&a, 0, 0x5000, 0xa1);
	for (unsigned i = 1; i <= n; i++) {
		pass(&w, 4000);
		change(&w, &a);
		out_non(&w, 0, 0x5000 + i, 0xa1, (uint8_t)(1 + i));
	}
	quiet(&w);
}

/* ---- CON or NON ---- */

/* OBS-11, OBS-21: the client's token, a new Message ID; the first after the
 * registration is a CON, then NON, and every fifth is a CON again. */
START_TEST(fifth)
{
	told_nons(4);
	pass(&w, 4000);
	change(&w, &a);
	out_con(&w, 0, 0x5005, 0xa1, 6);
	in_ack(&w, 0, 0x5005);
	pass(&w, 4000);
	change(&w, &a);
	out_non(&w, 0, 0x5006, 0xa1, 7);
	ck_assert_uint_eq(stats()->notifications, 7);
	ck_assert_uint_eq(stats()->notifications_con, 2);
	ck_assert_uint_eq(w.peer[0].stats.tx_messages, 7);
	ck_assert_uint_eq(w.peer[0].stats.last_heard, w.now - 4000);
}
END_TEST

/* OBS-19: 1 makes all of them CON, and so does 0. */
START_TEST(all_con)
{
	w.params.confirmable_every = (uint32_t)_i;
	for (unsigned i = 0; i < 4; i++) {
		confirmed(&a, 0, 0x5000 + i, 0xa1);
		pass(&w, 10000);
	}
	ck_assert_uint_eq(stats()->notifications_con, 4);
}
END_TEST

/* OBS-20, OBS-21: a NON only within 60 s of a CON. */
START_TEST(within_a_minute)
{
	w.params.confirmable_every = 1000;
	confirmed(&a, 0, 0x5000, 0xa1);
	pass(&w, 56999);
	change(&w, &a);
	out_non(&w, 0, 0x5001, 0xa1, 2);
	pass(&w, 3001);
	change(&w, &a);
	out_con(&w, 0, 0x5002, 0xa1, 3);
	in_ack(&w, 0, 0x5002);
	pass(&w, 86400000);
	change(&w, &a);
	out_con(&w, 0, 0x5003, 0xa1, 4);
}
END_TEST

/* OBS-21: who never acknowledges gets four NONs at most, and the copies of one
 * CON. */
START_TEST(never_acked)
{
	size_t before;

	told_nons(4);
	before = w.nout;
	for (unsigned i = 0; i < 20; i++) {
		pass(&w, 4000);
		if (a.gone == 0)
			change(&w, &a);
	}
	ck_assert_uint_eq(w.nout - before, 5);
	ck_assert_uint_eq(a.gone, 1);
	ck_assert_uint_eq(b.gone, 1);
}
END_TEST

/* OBS-27: NONs to one client are 3 s apart; what is due before is a CON, be it
 * for another token. Other clients do not count. */
START_TEST(three_seconds)
{
	confirmed(&a, 0, 0x5000, 0xa1);
	confirmed(&b, 0, 0x5001, 0xb1);
	confirmed(&c, 1, 0x6000, 0xc1);
	change(&w, &a);
	out_non(&w, 0, 0x5002, 0xa1, 2);
	change(&w, &c);
	out_non(&w, 1, 0x6001, 0xc1, 2);
	pass(&w, 2999);
	change(&w, &b);
	out_con(&w, 0, 0x5003, 0xb1, 2);
	in_ack(&w, 0, 0x5003);
	pass(&w, 1);
	change(&w, &b);
	out_non(&w, 0, 0x5004, 0xb1, 3);
	change(&w, &a);
	out_con(&w, 0, 0x5005, 0xa1, 3);
	quiet(&w);
}
END_TEST

/* OBS-22: no NON is sent whose RST would not be understood: the ninth is a CON
 * until the first is old enough. */
START_TEST(record_full)
{
	w.params.confirmable_every = 1000;
	told_nons(8);
	pass(&w, 4000);
	confirmed(&a, 0, 0x5009, 0xa1);
	/* The first NON is of T0 + 4 s. */
	pass(&w, 48000);
	confirmed(&a, 0, 0x500a, 0xa1);
	pass(&w, T0 + 134000 - w.now);
	confirmed(&a, 0, 0x500b, 0xa1);
	pass(&w, 1000);
	change(&w, &a);
	out_non(&w, 0, 0x500c, 0xa1, 13);
	pass(&w, 3000);
	confirmed(&a, 0, 0x500d, 0xa1);
	/* The one that has moved up is known yet, and so is the last. */
	in_rst(&w, 0, _i == 0 ? 0x5002 : _i == 1 ? 0x500c : 0x5001);
	ck_assert_uint_eq(a.gone, _i < 2);
}
END_TEST

/* ---- RST ---- */

/* OBS-22: a RST for any NON that is remembered ends that entry and no other. */
START_TEST(reset_non)
{
	w.params.confirmable_every = 1000;
	told_nons(8);
	pass(&w, 90000);
	in_rst(&w, 1, 0x5001 + (unsigned)_i);
	ck_assert_uint_eq(a.gone, 0);
	ck_assert_uint_eq(stats()->rx_unexpected, 1);
	in_rst(&w, 0, 0x5001 + (unsigned)_i);
	ck_assert_uint_eq(a.gone, 1);
	ck_assert_int_eq(a.why, NOTE_REJECTED);
	ck_assert_uint_eq(b.gone + c.gone, 0);
	ck_assert_uint_eq(dgram_note_count(w.d), 2);
	ck_assert_uint_eq(stats()->observers_reset, 1);
	ck_assert_uint_eq(stats()->rx_reset, 1);
	ck_assert_uint_eq(w.peer[0].stats.last_heard, w.now);
	in_rst(&w, 0, 0x5001 + (unsigned)_i);
	ck_assert_uint_eq(stats()->rx_unexpected, 2);
	change(&w, &b);
	out_con(&w, 0, 0x5009, 0xb1, 1);
	quiet(&w);
}
END_TEST

/* OBS-22: after 100 s and until NON_LIFETIME, not later. */
START_TEST(reset_late)
{
	static const struct {
		uint64_t after;
		unsigned gone;
	} rows[] = { { 100000, 1 }, { 130000, 1 }, { 132000, 0 } };

	told_nons(1);
	pass(&w, rows[_i].after);
	in_rst(&w, 0, 0x5001);
	ck_assert_uint_eq(a.gone, rows[_i].gone);
}
END_TEST

/* OBS-22, OBS-30: a RST for the CON ends the entry, whatever has changed; who
 * has waited is told. A RST for a NON while a CON is out does the same. */
START_TEST(reset_con)
{
	told_nons(1);
	change(&w, &a);
	out_con(&w, 0, 0x5002, 0xa1, 3);
	change(&w, &a);
	change(&w, &b);
	quiet(&w);
	in(&w, 0, "70 01 50 02");	/* no RST */
	ck_assert_uint_eq(a.gone, 0);
	in_rst(&w, 0, _i == 0 ? 0x5002 : 0x5001);
	ck_assert_uint_eq(a.gone, 1);
	out_con(&w, 0, 0x5003, 0xb1, 1);
	in_ack(&w, 0, 0x5003);
	pass(&w, 100000);
	quiet(&w);
}
END_TEST

/* ---- one at a time ---- */

/* OBS-25, OBS-28: of the states that come while a CON is out only the last is
 * told, once it is acknowledged and not before. */
START_TEST(newest_only)
{
	change(&w, &a);
	out_con(&w, 0, 0x5000, 0xa1, 1);
	for (unsigned i = 0; i < 100; i++) {
		pass(&w, 10);
		change(&w, &a);
	}
	quiet(&w);
	ck_assert_uint_eq(a.asked, 1);
	in_ack(&w, 0, 0x5000);
	out_non(&w, 0, 0x5001, 0xa1, 101);
	pass(&w, 100000);
	quiet(&w);
	ck_assert_uint_eq(stats()->notifications, 2);
}
END_TEST

/* OBS-26: one CON at a time to a client; its entries take turns. */
START_TEST(turns)
{
	w.params.confirmable_every = 1;
	change(&w, &a);
	out_con(&w, 0, 0x5000, 0xa1, 1);
	change(&w, &a);
	change(&w, &b);
	change(&w, &c);
	out_con(&w, 1, 0x6000, 0xc1, 1);
	quiet(&w);
	ck_assert_uint_eq(dgram_sent_count(w.d), 2);
	in_ack(&w, 0, 0x5000);
	out_con(&w, 0, 0x5001, 0xb1, 1);
	change(&w, &b);
	quiet(&w);
	in_ack(&w, 0, 0x5001);
	out_con(&w, 0, 0x5002, 0xa1, 2);
	change(&w, &a);
	in_ack(&w, 0, 0x5002);
	out_con(&w, 0, 0x5003, 0xb1, 2);
	in_ack(&w, 0, 0x5003);
	out_con(&w, 0, 0x5004, 0xa1, 3);
	in_ack(&w, 0, 0x5004);
	quiet(&w);
	ck_assert_uint_eq(dgram_sent_count(w.d), 1);
}
END_TEST

/* OBS-26: whoever is behind when the way is free is told at once: one NON, and
 * a CON for the next. */
START_TEST(all_behind)
{
	confirmed(&a, 0, 0x5000, 0xa1);
	confirmed(&b, 0, 0x5001, 0xb1);
	pass(&w, 50000);
	in(&w, 0, "41 01 00 01 01");
	pass(&w, 500);
	out(&w, 0, "60 00 00 01");
	reply(&w, 0, COAP_205);
	out(&w, 0, "41 45 50 02 01 ff 78");
	change(&w, &a);
	change(&w, &b);
	quiet(&w);
	in_ack(&w, 0, 0x5002);
	out_non(&w, 0, 0x5003, 0xa1, 2);
	out_con(&w, 0, 0x5004, 0xb1, 2);
	quiet(&w);
}
END_TEST

/* OBS-26: a separate response that is not acknowledged holds notifications
 * back, until it is, or is rejected. OBS-23: who does not acknowledge that, does
 * not observe any more. */
START_TEST(separate_response)
{
	in(&w, 0, "41 01 00 01 01");
	in(&w, 0, "41 01 00 02 02");
	pass(&w, 500);
	out(&w, 0, "60 00 00 01");
	out(&w, 0, "60 00 00 02");
	reply(&w, 0, COAP_205);
	out(&w, 0, "41 45 50 00 01 ff 78");
	reply(&w, 1, COAP_205);
	out(&w, 0, "41 45 50 01 02 ff 78");
	change(&w, &a);
	in_ack(&w, 0, 0x5001);
	quiet(&w);
	if (_i == 0) {
		in_ack(&w, 0, 0x5000);
	} else if (_i == 1) {
		in_rst(&w, 0, 0x5000);
	} else {
		pass(&w, 61999);
		w.seen += 4;
		quiet(&w);
		pass(&w, 100000);
		quiet(&w);
		/* That of the other endpoint is still there. */
		ck_assert_uint_eq(dgram_note_count(w.d), 1);
		return;
	}
	out_con(&w, 0, 0x5002, 0xa1, 1);
	quiet(&w);
}
END_TEST

/* OBS-26: responses are not held back by notifications, and the next
 * notification waits for both. */
START_TEST(response_goes_first)
{
	in(&w, 0, "41 01 00 01 01");
	pass(&w, 500);
	out(&w, 0, "60 00 00 01");
	change(&w, &a);
	out_con(&w, 0, 0x5000, 0xa1, 1);
	reply(&w, 0, COAP_205);
	out(&w, 0, "41 45 50 01 01 ff 78");
	change(&w, &b);
	in_ack(&w, 0, 0x5000);
	quiet(&w);
	in_ack(&w, 0, 0x5001);
	out_con(&w, 0, 0x5002, 0xb1, 1);
}
END_TEST

/* OBS-31, MSG-22: an ACK of nothing we know, or that is none, does nothing. */
START_TEST(strange_acks)
{
	static const char *const acks[] = { "60 00 50 01", "60 01 50 00",
		"60 20 50 00" };

	change(&w, &a);
	out_con(&w, 0, 0x5000, 0xa1, 1);
	for (size_t i = 0; i < UNIT_COUNT(acks); i++)
		in(&w, 0, acks[i]);
	in_ack(&w, 1, 0x5000);
	ck_assert_uint_eq(stats()->rx_unexpected, 4);
	ck_assert_uint_eq(dgram_sent_count(w.d), 1);
	pass(&w, 2000);
	out_con(&w, 0, 0x5000, 0xa1, 1);
	in(&w, 0, "60 45 50 00");	/* MSG-45 */
	ck_assert_uint_eq(dgram_sent_count(w.d), 0);
}
END_TEST

/* ---- repeating ---- */

/* OBS-23: five copies, then everything of that client ends. */
START_TEST(silent)
{
	static const uint64_t copies[] = { 0, 2000, 6000, 14000, 30000 };

	change(&w, &a);
	change(&w, &c);
	in_ack(&w, 1, 0x6000);
	pass(&w, 61999);
	ck_assert_uint_eq(w.nout, 1 + UNIT_COUNT(copies));
	for (size_t i = 0; i < UNIT_COUNT(copies); i++) {
		ck_assert_uint_eq(w.out[w.seen].at, T0 + copies[i]);
		out_con(&w, 0, 0x5000, 0xa1, 1);
		if (i == 0)
			out_con(&w, 1, 0x6000, 0xc1, 1);
	}
	ck_assert_uint_eq(a.gone + b.gone, 0);
	ck_assert_uint_eq(dgram_sent_count(w.d), 1);
	pass(&w, 1);
	ck_assert_uint_eq(a.gone, 1);
	ck_assert_uint_eq(b.gone, 1);
	ck_assert_uint_eq(c.gone, 0);
	ck_assert_int_eq(a.why, NOTE_SILENT);
	ck_assert_int_eq(b.why, NOTE_SILENT);
	ck_assert_uint_eq(stats()->observers_silent, 2);
	ck_assert_uint_eq(stats()->timeouts, 1);
	ck_assert_uint_eq(stats()->retransmissions, 4);
	ck_assert_uint_eq(w.peer[0].stats.retransmissions, 4);
	ck_assert_uint_eq(stats()->notifications, 2);
	ck_assert_uint_eq(dgram_sent_count(w.d), 0);
	ck_assert_uint_eq(dgram_note_count(w.d), 1);
	ck_assert_ptr_null(dgram_note_find(&w.peer[0], SPAN_LIT("\xa1")));
	pass(&w, 100000);
	quiet(&w);
}
END_TEST

/* OBS-24: a copy says how old the state is by now. */
START_TEST(copy_is_current)
{
	a.aging = true;
	change(&w, &a);
	out(&w, 0, "41 45 50 00 a1 61 01 81 3c ff 01");
	pass(&w, 2000);
	out(&w, 0, "41 45 50 00 a1 61 01 81 3a ff 01");
	pass(&w, 4000);
	out(&w, 0, "41 45 50 00 a1 61 01 81 36 ff 01");
}
END_TEST

/* OBS-28, OBS-29: a copy is of the newest state, with a new Message ID if that
 * is another one; the attempt goes on as it was. */
START_TEST(superseded)
{
	static const struct {
		uint64_t after;
		unsigned mid;
		uint8_t state;
	} rows[] = {
		{ 0, 0x5000, 1 }, { 2000, 0x5001, 3 }, { 4000, 0x5001, 3 },
		{ 8000, 0x5002, 5 }, { 16000, 0x5003, 6 },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		pass(&w, rows[i].after / 2);
		while (a.state != rows[i].state)
			change(&w, &a);
		pass(&w, rows[i].after / 2);
		out_con(&w, 0, rows[i].mid, 0xa1, rows[i].state);
		quiet(&w);
	}
	ck_assert_uint_eq(stats()->superseded, 3);
	ck_assert_uint_eq(stats()->notifications, 4);
	ck_assert_uint_eq(stats()->notifications_con, 4);
	ck_assert_uint_eq(stats()->retransmissions, 1);
	if (_i == 0) {
		/* OBS-30: the last was the last, whatever comes. */
		change(&w, &a);
		pass(&w, 32000);
		ck_assert_int_eq(a.why, NOTE_SILENT);
		ck_assert_uint_eq(a.gone, 1);
		quiet(&w);
		return;
	}
	/* OBS-29: acknowledged, what comes next begins anew. */
	in_ack(&w, 0, 0x5003);
	pass(&w, 100000);
	change(&w, &a);
	out_con(&w, 0, 0x5004, 0xa1, 7);
	pass(&w, 2000);
	out_con(&w, 0, 0x5004, 0xa1, 7);
	in_ack(&w, 0, 0x5003);
	in_ack(&w, 0, 0x5000);
	in_rst(&w, 0, 0x5002);
	ck_assert_uint_eq(stats()->rx_unexpected, 3);
	ck_assert_uint_eq(dgram_sent_count(w.d), 1);
}
END_TEST

/* OBS-31: a late ACK of a superseded Message ID is a sign of life and nothing
 * else; a late RST ends the entry. */
START_TEST(late)
{
	change(&w, &a);
	out_con(&w, 0, 0x5000, 0xa1, 1);
	change(&w, &a);
	pass(&w, 2000);
	out_con(&w, 0, 0x5001, 0xa1, 2);
	change(&w, &a);
	pass(&w, 4000);
	out_con(&w, 0, 0x5002, 0xa1, 3);
	pass(&w, 1);
	in_ack(&w, 0, 0x5000 + (unsigned)_i);
	ck_assert_uint_eq(w.peer[0].stats.last_heard, w.now);
	ck_assert_uint_eq(stats()->rx_unexpected, 0);
	ck_assert_uint_eq(dgram_sent_count(w.d), 1);
	in_rst(&w, 0, 0x5000 + (unsigned)_i);
	ck_assert_uint_eq(a.gone, 1);
	ck_assert_int_eq(a.why, NOTE_REJECTED);
	pass(&w, 100000);
	quiet(&w);
}
END_TEST

/* ---- the end of entries ---- */

/* The registration that peer 0 has sent as a CON with Message ID 1 under TOKEN
 * is answered separately, by Message ID 0x5000. */
static void
answered_separately(const char *token, bool observe)
{
	static const uint8_t opts[] = { 0x61, 0x07 };
	const struct dgram_out o = {
		.code = COAP_205,
		.opts = span_make(opts, observe ? sizeof(opts) : 0),
	};
	char hex[32];
	struct got *g;

	snprintf(hex, sizeof(hex), "41 01 00 01 %s", token);
	in(&w, 0, hex);
	pass(&w, 500);
	out(&w, 0, "60 00 00 01");
	g = &w.got[w.ngot - 1];
	ck_assert(dgram_reply(w.d, g->r, &o, span_make(g->token, g->token_len),
	    w.now));
	snprintf(hex, sizeof(hex), "41 45 50 00 %s%s", token,
	    observe ? " 61 07" : "");
	out(&w, 0, hex);
}

/* OBS-22: who rejects the registration's own answer does not observe: that
 * entry ends and no other, and who has waited is told. An answer to something
 * else says nothing about an entry, nor does one without an entry. */
START_TEST(answer_rejected)
{
	static const struct {
		const char *token;
		bool observe;
		unsigned gone;
	} rows[] = { { "a1", true, 1 }, { "a1", false, 0 }, { "d1", true, 0 } };

	answered_separately(rows[_i].token, rows[_i].observe);
	change(&w, &b);
	quiet(&w);
	in_rst(&w, 0, 0x5000);
	ck_assert_uint_eq(a.gone, rows[_i].gone);
	if (a.gone > 0)
		ck_assert_int_eq(a.why, NOTE_REJECTED);
	ck_assert_uint_eq(b.gone + c.gone, 0);
	ck_assert_uint_eq(dgram_note_count(w.d), 3 - rows[_i].gone);
	out_con(&w, 0, 0x5001, 0xb1, 1);
	quiet(&w);
}
END_TEST

/* OBS-23: nobody acknowledges the answer: all entries of that endpoint end,
 * whatever was being said to them. */
START_TEST(answer_not_acknowledged)
{
	answered_separately("a1", true);
	change(&w, &b);
	pass(&w, 61999);
	ck_assert_uint_eq(a.gone + b.gone, 0);
	pass(&w, 1);
	ck_assert_uint_eq(a.gone, 1);
	ck_assert_uint_eq(b.gone, 1);
	ck_assert_uint_eq(c.gone, 0);
	ck_assert_int_eq(b.why, NOTE_SILENT);
	ck_assert_uint_eq(b.asked, 0);
	ck_assert_uint_eq(dgram_note_count(w.d), 1);
	ck_assert_uint_eq(stats()->observers_silent, 2);
	ck_assert_uint_eq(stats()->timeouts, 1);
	w.seen = w.nout;
	pass(&w, 100000);
	quiet(&w);
}
END_TEST

/* The same with a notification out beside it: both end. */
START_TEST(both_not_acknowledged)
{
	in(&w, 0, "41 01 00 01 d1");
	pass(&w, 500);
	out(&w, 0, "60 00 00 01");
	change(&w, &b);
	out_con(&w, 0, 0x5000, 0xb1, 1);
	pass(&w, _i == 0 ? 1000 : 0);
	reply(&w, 0, COAP_205);
	pass(&w, 100000);
	ck_assert_uint_eq(a.gone, 1);
	ck_assert_uint_eq(b.gone, 1);
	ck_assert_uint_eq(dgram_note_count(w.d), 1);
	ck_assert_uint_eq(dgram_sent_count(w.d), 0);
	ck_assert_ptr_null(w.peer[0].notes);
	w.seen = w.nout;
}
END_TEST

/* All entries of an endpoint, those told longest ago in front. */
START_TEST(next)
{
	const struct peer *p = &w.peer[0];

	ck_assert_ptr_eq(dgram_note_next(p, NULL), &a.note);
	ck_assert_ptr_eq(dgram_note_next(p, &a.note), &b.note);
	ck_assert_ptr_null(dgram_note_next(p, &b.note));
	ck_assert_ptr_eq(dgram_note_next(&w.peer[1], NULL), &c.note);
	confirmed(&a, 0, 0x5000, 0xa1);
	ck_assert_ptr_eq(dgram_note_next(p, NULL), &b.note);
	ck_assert_ptr_eq(dgram_note_next(p, &b.note), &a.note);
	dgram_note_remove(w.d, &a.note);
	dgram_note_remove(w.d, &b.note);
	ck_assert_ptr_null(dgram_note_next(p, NULL));
}
END_TEST

/* X is told once that it is over. */
static void
over_once(struct obs *x)
{
	x->code = COAP_503;
	x->once = true;
	x->state++;
	dgram_notify_once(w.d, &x->note, w.now);
	ck_assert_uint_eq(x->gone, 1);
	ck_assert_int_eq(x->why, NOTE_OVER);
}

/* What is said once waits for nothing: not for a CON of its own, nor for one of
 * another entry, which stays out. */
START_TEST(once_at_once)
{
	change(&w, _i == 0 ? &a : &b);
	w.seen = w.nout;
	over_once(&a);
	out(&w, 0, "51 a3 50 01 a1");
	ck_assert_uint_eq(dgram_sent_count(w.d), _i == 0 ? 0 : 1);
	pass(&w, 2000);
	if (_i == 1)
		out_con(&w, 0, 0x5000, 0xb1, 1);
	quiet(&w);
	over_once(&b);
	out(&w, 0, "51 a3 50 02 b1");
	ck_assert_uint_eq(dgram_note_count(w.d), 1);
	ck_assert_uint_eq(dgram_sent_count(w.d), 0);
	ck_assert_ptr_null(w.peer[0].notes);
	pass(&w, 100000);
	quiet(&w);
}
END_TEST

/* ... nor for a separate response, a Message ID or a buffer: then it is gone
 * without a word, and the others go on. */
START_TEST(once_without)
{
	struct mids mids = w.peer[0].mids;

	if (_i == 0) {
		answered_separately("d1", false);
		over_once(&a);
		out(&w, 0, "51 a3 50 01 a1");
		in_ack(&w, 0, 0x5000);
		quiet(&w);
		return;
	}
	if (_i == 1)
		use_up_mids(&w, 0);
	else
		hoard(&w);
	over_once(&a);
	quiet(&w);
	b.state++;
	unhoard(&w);
	w.peer[0].mids = mids;
	pass(&w, 1000);
	out_con(&w, 0, 0x5000, 0xb1, 1);
	quiet(&w);
}
END_TEST

/* Who has waited for the CON of an entry that is told once is told then. */
START_TEST(once_frees_the_way)
{
	change(&w, &a);
	out_con(&w, 0, 0x5000, 0xa1, 1);
	change(&w, &b);
	quiet(&w);
	over_once(&a);
	out(&w, 0, "51 a3 50 01 a1");
	pass(&w, 1000);
	out_con(&w, 0, 0x5002, 0xb1, 1);
	quiet(&w);
}
END_TEST

Suite *
notify_suite(void)
{
	Suite *s = suite_create("notify");
	TCase *tc = tcase_create("notify");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, fifth);
	tcase_add_loop_test(tc, all_con, 0, 2);
	tcase_add_test(tc, within_a_minute);
	tcase_add_test(tc, never_acked);
	tcase_add_test(tc, three_seconds);
	tcase_add_loop_test(tc, record_full, 0, 3);
	tcase_add_loop_test(tc, reset_non, 0, 8);
	tcase_add_loop_test(tc, reset_late, 0, 3);
	tcase_add_loop_test(tc, reset_con, 0, 2);
	tcase_add_test(tc, newest_only);
	tcase_add_test(tc, turns);
	tcase_add_test(tc, all_behind);
	tcase_add_loop_test(tc, separate_response, 0, 3);
	tcase_add_test(tc, response_goes_first);
	tcase_add_test(tc, strange_acks);
	tcase_add_test(tc, silent);
	tcase_add_test(tc, copy_is_current);
	tcase_add_loop_test(tc, superseded, 0, 2);
	tcase_add_loop_test(tc, late, 0, 2);
	tcase_add_loop_test(tc, answer_rejected, 0, 3);
	tcase_add_test(tc, answer_not_acknowledged);
	tcase_add_loop_test(tc, both_not_acknowledged, 0, 2);
	tcase_add_test(tc, next);
	tcase_add_loop_test(tc, once_at_once, 0, 2);
	tcase_add_loop_test(tc, once_without, 0, 3);
	tcase_add_test(tc, once_frees_the_way);
	suite_add_tcase(s, tc);
	return s;
}
