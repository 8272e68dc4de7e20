/* Entries of observers and how they end: src/msg/note.c, notify.c. */
#include <stdlib.h>

#include "fixture.h"
#include "suites.h"

static struct world w;
static struct obs o[OBSERVERS + 1];

static void
setup(void)
{
	world_init(&w, 2, true);
}

static void
teardown(void)
{
	world_fini(&w);
	memset(o, 0, sizeof(o));	/* what they pointed to has leaked */
}

/* o[0] and o[1] observe from peer 0 under a1 and b1. */
static void
two(void)
{
	ck_assert(observe(&w, &o[0], 0, 0xa1));
	ck_assert(observe(&w, &o[1], 0, 0xb1));
}

static void
end(struct obs *x, uint8_t code, bool once)
{
	x->code = code;
	x->once = once;
	change(&w, x);
}

/* ---- entries ---- */

/* OBS-32: so many per client, so many in all, and again when one has gone. */
START_TEST(limits)
{
	uint8_t i;

	for (i = 0; i < OBSERVERS - 2; i++)
		ck_assert(observe(&w, &o[i], 0, i));
	ck_assert(!observe(&w, &o[i], 0, i));
	ck_assert(observe(&w, &o[i], 1, i));
	i++;
	ck_assert(observe(&w, &o[i], 1, i));
	i++;
	ck_assert(!observe(&w, &o[i], 1, i));
	ck_assert_uint_eq(dgram_note_count(w.d), OBSERVERS);
	ck_assert_uint_eq(dgram_stats(w.d)->observers_refused, 2);
	dgram_note_remove(w.d, &o[0].note);
	ck_assert(observe(&w, &o[0], 0, 0));
	ck_assert_uint_eq(dgram_note_count(w.d), OBSERVERS);
}
END_TEST

/* OBS-32: a limit of 0 lets nobody in. */
START_TEST(nobody)
{
	if (_i == 0)
		w.params.max_observers = 0;
	else
		w.params.max_per_client = 0;
	ck_assert(!observe(&w, &o[0], 0, 1));
	ck_assert_uint_eq(w.peer[0].refs, 0);
}
END_TEST

/* OBS-05, OBS-07: an entry is a client and a token, of any length there may
 * be. */
START_TEST(found_by_token)
{
	static const size_t lengths[] = { 0, 1, 7, 8, 9, COAP_TOKEN_MAX };
	uint8_t token[COAP_TOKEN_MAX + 1] = "abcdefghijklmnopqrstuvwxyz";
	struct span whole = span_make(token, sizeof(token));
	size_t n = lengths[_i];

	ck_assert(!dgram_note_add(w.d, &o[0].note, &w.peer[0], whole));
	ck_assert(dgram_note_add(w.d, &o[0].note, &w.peer[0],
	    span_make(token, n)));
	ck_assert_ptr_null(dgram_note_find(&w.peer[1], span_make(token, n)));
	for (size_t i = 0; i <= COAP_TOKEN_MAX; i++)
		ck_assert_ptr_eq(
		    dgram_note_find(&w.peer[0], span_make(token, i)),
		    i == n ? &o[0].note : NULL);
	o[0].told = o[0].state = 0;
	change(&w, &o[0]);
	ck_assert_uint_eq(w.out[0].len, coap_emit_size(n, 2, 1));
	ck_assert_mem_eq(w.out[0].octets + w.out[0].len - 4 - n, token, n);
	if (n > 0) {
		token[n - 1]++;
		ck_assert_ptr_null(
		    dgram_note_find(&w.peer[0], span_make(token, n)));
	}
	if (_i % 2 == 0)	/* the others are left to dgram_free() */
		dgram_note_remove(w.d, &o[0].note);
}
END_TEST

/* OBS-05: registered again, an entry begins anew: what was out is forgotten,
 * its first notification is a CON, and RSTs of old ones are unexpected. */
START_TEST(renewed)
{
	two();
	change(&w, &o[0]);
	out_con(&w, 0, 0x5000, 0xa1, 1);
	in_ack(&w, 0, 0x5000);
	change(&w, &o[0]);
	out_non(&w, 0, 0x5001, 0xa1, 2);
	if (_i == 1) {
		change(&w, &o[0]);
		out_con(&w, 0, 0x5002, 0xa1, 3);
		change(&w, &o[1]);
	}
	quiet(&w);
	dgram_note_renew(w.d, &o[0].note);
	ck_assert_uint_eq(dgram_sent_count(w.d), 0);
	quiet(&w);
	in_rst(&w, 0, 0x5001);
	ck_assert_uint_eq(o[0].gone, 0);
	if (_i == 1) {
		/* Whoever has waited for what was out is told. */
		pass(&w, 1);
		out_con(&w, 0, 0x5003, 0xb1, 1);
		in_ack(&w, 0, 0x5003);
	}
	pass(&w, 4000);
	change(&w, &o[0]);
	out_con(&w, 0, _i == 1 ? 0x5004 : 0x5002, 0xa1, _i == 1 ? 4 : 3);
	quiet(&w);
}
END_TEST

/* An entry that is removed is never heard of again; the next one's turn has
 * come. */
START_TEST(removed)
{
	two();
	change(&w, &o[0]);
	out_con(&w, 0, 0x5000, 0xa1, 1);
	change(&w, &o[1]);
	dgram_note_remove(w.d, &o[0].note);
	memset(&o[0].note, 0xee, sizeof(o[0].note));
	ck_assert_uint_eq(dgram_sent_count(w.d), 0);
	quiet(&w);
	pass(&w, 1);
	out_con(&w, 0, 0x5001, 0xb1, 1);
	in_ack(&w, 0, 0x5000);
	ck_assert_uint_eq(dgram_stats(w.d)->rx_unexpected, 1);
	ck_assert_uint_eq(dgram_sent_count(w.d), 1);
	dgram_note_remove(w.d, &o[1].note);
	ck_assert_uint_eq(dgram_note_count(w.d), 0);
	ck_assert_uint_eq(w.peer[0].refs, 0);
	ck_assert_ptr_null(w.peer[0].notes);
	pass(&w, 100000);
	quiet(&w);
	ck_assert_uint_eq(o[0].gone + o[1].gone, 0);
}
END_TEST

/* Whatever is out or waits when all ends leaves nothing behind, and nobody is
 * told of it (world_fini() looks). */
START_TEST(left_over)
{
	two();
	ck_assert(observe(&w, &o[2], 1, 0xc1));
	change(&w, &o[0]);
	change(&w, &o[1]);
	use_up_mids(&w, 1);
	change(&w, &o[2]);
	ck_assert_uint_eq(w.nout, 1);
}
END_TEST

/* ---- the end of an entry ---- */

/* OBS-12, OBS-51: the last notification is a CON, repeated like any other; the
 * entry ends with it, however that ends. */
START_TEST(last)
{
	static const enum note_end why[] = { NOTE_OVER, NOTE_REJECTED,
		NOTE_SILENT };

	two();
	change(&w, &o[0]);
	out_con(&w, 0, 0x5000, 0xa1, 1);
	in_ack(&w, 0, 0x5000);
	end(&o[0], COAP_404, false);
	out(&w, 0, "41 84 50 01 a1");
	pass(&w, 2000);
	out(&w, 0, "41 84 50 01 a1");
	quiet(&w);
	ck_assert_uint_eq(o[0].gone, 0);
	if (_i == 0)
		in_ack(&w, 0, 0x5001);
	else if (_i == 1)
		in_rst(&w, 0, 0x5001);
	else
		pass(&w, 60000);
	ck_assert_uint_eq(o[0].gone, 1);
	ck_assert_int_eq(o[0].why, why[_i]);
	ck_assert_uint_eq(o[1].gone, _i == 2);
	ck_assert_uint_eq(dgram_sent_count(w.d), 0);
}
END_TEST

/* OBS-29: a copy may be the end of it, under a new Message ID. */
START_TEST(last_supersedes)
{
	two();
	change(&w, &o[0]);
	out_con(&w, 0, 0x5000, 0xa1, 1);
	end(&o[0], COAP_404, false);
	pass(&w, 2000);
	out(&w, 0, "41 84 50 01 a1");
	in_ack(&w, 0, 0x5000);
	ck_assert_uint_eq(o[0].gone, 0);
	in_ack(&w, 0, 0x5001);
	ck_assert_uint_eq(o[0].gone, 1);
	ck_assert_int_eq(o[0].why, NOTE_OVER);
}
END_TEST

/* Said once, in a NON, whatever was sent a moment ago, and gone at once. It
 * is a NON like others (OBS-27). While a CON is out that goes first, or its
 * next copy is the NON. */
START_TEST(once)
{
	two();
	ck_assert(observe(&w, &o[2], 0, 0xc1));
	change(&w, &o[0]);
	out_con(&w, 0, 0x5000, 0xa1, 1);
	in_ack(&w, 0, 0x5000);
	end(&o[2], COAP_503, true);
	out(&w, 0, "51 a3 50 01 c1");
	ck_assert_uint_eq(o[2].gone, 1);
	ck_assert_int_eq(o[2].why, NOTE_OVER);
	change(&w, &o[0]);
	out_con(&w, 0, 0x5002, 0xa1, 2);
	end(&o[0], COAP_503, true);
	end(&o[1], COAP_503, true);
	quiet(&w);
	if (_i == 0) {
		in_ack(&w, 0, 0x5002);
		out(&w, 0, "51 a3 50 03 b1");
		out(&w, 0, "51 a3 50 04 a1");
	} else {
		pass(&w, 2000);
		out(&w, 0, "51 a3 50 03 a1");
		out(&w, 0, "51 a3 50 04 b1");
	}
	quiet(&w);
	ck_assert_uint_eq(o[0].gone, 1);
	ck_assert_uint_eq(o[1].gone, 1);
	ck_assert_int_eq(o[0].why, NOTE_OVER);
	ck_assert_uint_eq(dgram_sent_count(w.d), 0);
	ck_assert_uint_eq(dgram_note_count(w.d), 0);
	ck_assert_uint_eq(w.peer[0].refs, 0);
}
END_TEST

/* Likewise what has been said in a CON and is now to be said once. */
START_TEST(once_again)
{
	two();
	end(&o[0], COAP_404, false);
	out(&w, 0, "41 84 50 00 a1");
	o[0].once = true;
	o[0].code = COAP_503;
	pass(&w, 2000);
	out(&w, 0, "51 a3 50 01 a1");
	quiet(&w);
	ck_assert_uint_eq(o[0].gone, 1);
	ck_assert_uint_eq(dgram_sent_count(w.d), 0);
}
END_TEST

/* What does not fit a datagram of ours ends the entry with 5.02, and that stays
 * so, even if the next state would fit. */
START_TEST(too_large)
{
	two();
	o[0].padding = BUF_LARGE - coap_emit_bound(1, 2, 1) + 1;
	change(&w, &o[0]);
	out(&w, 0, "41 a2 50 00 a1");
	o[0].padding = 0;
	change(&w, &o[0]);
	pass(&w, 2000);
	out(&w, 0, "41 a2 50 01 a1");
	in_ack(&w, 0, 0x5001);
	ck_assert_uint_eq(o[0].gone, 1);
	ck_assert_int_eq(o[0].why, NOTE_OVER);
}
END_TEST

/* ---- want of Message IDs and buffers ---- */

/* OBS-04: without a Message ID, or a buffer, everything waits, and is not asked
 * for; a second later it is the newest that is told. */
START_TEST(put_off)
{
	struct mids mids = w.peer[0].mids;

	two();
	if (_i == 0)
		use_up_mids(&w, 0);
	else
		hoard(&w);
	change(&w, &o[0]);
	pass(&w, 1500);
	change(&w, &o[0]);
	change(&w, &o[1]);
	ck_assert_uint_eq(o[0].asked + o[1].asked, 0);
	quiet(&w);
	unhoard(&w);
	w.peer[0].mids = mids;
	pass(&w, 499);
	quiet(&w);
	pass(&w, 1);
	out_con(&w, 0, 0x5000, 0xa1, 2);
	quiet(&w);
	in_ack(&w, 0, 0x5000);
	out_con(&w, 0, 0x5001, 0xb1, 1);
	ck_assert_uint_eq(o[0].asked + o[1].asked, 2);
	ck_assert_uint_eq(dgram_stats(w.d)->notifications_late, 4);
}
END_TEST

/* OBS-04: what has been asked for and finds no buffer then, be it a NON, is
 * like a CON that was lost on the way. */
START_TEST(lost)
{
	two();
	change(&w, &o[0]);
	out_con(&w, 0, 0x5000, 0xa1, 1);
	in_ack(&w, 0, 0x5000);
	o[0].padding = BUF_LARGE - coap_emit_bound(1, 2, 1);
	change(&w, &o[0]);
	quiet(&w);
	ck_assert_uint_eq(dgram_sent_count(w.d), 1);
	pass(&w, 2000);
	quiet(&w);
	o[0].padding = 0;
	pass(&w, 4000);
	out_con(&w, 0, 0x5001, 0xa1, 2);
	/* One more, likewise lost. */
	hoard(&w);
	pass(&w, 8000);
	quiet(&w);
	unhoard(&w);
	pass(&w, 16000);
	out_con(&w, 0, 0x5001, 0xa1, 2);
	pass(&w, 32000);
	ck_assert_int_eq(o[0].why, NOTE_SILENT);
	ck_assert_uint_eq(o[0].gone, 1);
}
END_TEST

/* OBS-29: a newer state needs a Message ID of its own. Its copy waits for one,
 * but not for ever. */
START_TEST(no_mid_to_supersede)
{
	struct mids mids;

	two();
	change(&w, &o[0]);
	out_con(&w, 0, 0x5000, 0xa1, 1);
	mids = w.peer[0].mids;
	use_up_mids(&w, 0);
	change(&w, &o[0]);
	pass(&w, 3500);
	quiet(&w);
	ck_assert_uint_eq(o[0].asked, 1);
	if (_i == 0) {
		w.peer[0].mids = mids;
		pass(&w, 500);
		out_con(&w, 0, 0x5001, 0xa1, 2);
		pass(&w, 3999);
		quiet(&w);
		pass(&w, 1);
		out_con(&w, 0, 0x5001, 0xa1, 2);
		return;
	}
	pass(&w, 62000 - 3501);
	ck_assert_uint_eq(o[0].gone, 0);
	pass(&w, 1);
	ck_assert_int_eq(o[0].why, NOTE_SILENT);
	ck_assert_uint_eq(o[0].gone, 1);
	quiet(&w);
}
END_TEST

/* ---- what an upcall may do ---- */

static unsigned removed_others;

static void
remove_others(struct obs *x)
{
	for (size_t i = 0; i < 3; i++)
		if (&o[i] != x)
			dgram_note_remove(w.d, &o[i].note);
	removed_others++;
}

static void
observe_again(struct obs *x)
{
	if (x->state == 0)
		return;
	ck_assert(observe(&w, x, 0, 0xd1));
	change(&w, x);
}

static void
notify_others(struct obs *x)
{
	for (size_t i = 0; i < 3; i++)
		if (&o[i] != x && o[i].gone == 0)
			change(&w, &o[i]);
}

/* a1, b1 and c1 of one client, and nobody acknowledges a1's CON; FN is called
 * at the end of each. */
static void
silent_with(void (*fn)(struct obs *))
{
	two();
	ck_assert(observe(&w, &o[2], 0, 0xc1));
	for (size_t i = 0; i < 3; i++)
		o[i].on_gone = fn;
	change(&w, &o[0]);
	pass(&w, 61999);
	ck_assert_uint_eq(o[0].gone + o[1].gone + o[2].gone, 0);
	w.seen = w.nout;
	pass(&w, 1);
}

/* OBS-23: while all entries of a client end the first upcall removes the
 * others: they do not end once more. */
START_TEST(removing_at_time_out)
{
	removed_others = 0;
	silent_with(remove_others);
	ck_assert_uint_eq(removed_others, 1);
	ck_assert_uint_eq(o[0].gone + o[1].gone + o[2].gone, 1);
	ck_assert_uint_eq(dgram_note_count(w.d), 0);
	ck_assert_uint_eq(w.peer[0].refs, 0);
	quiet(&w);
}
END_TEST

/* OBS-23: who registers from the upcall stays. */
START_TEST(observing_at_time_out)
{
	silent_with(observe_again);
	ck_assert_uint_eq(o[1].gone, 1);
	ck_assert_uint_eq(o[2].gone, 1);
	ck_assert_uint_eq(dgram_note_count(w.d), 1);
	out_con(&w, 0, 0x5001, 0xd1, 1);
	in_ack(&w, 0, 0x5001);
	change(&w, &o[0]);
	out_non(&w, 0, 0x5002, 0xd1, 2);
	quiet(&w);
}
END_TEST

/* OBS-23: who is about to end is told no more. */
START_TEST(notifying_at_time_out)
{
	silent_with(notify_others);
	ck_assert_uint_eq(o[0].gone + o[1].gone + o[2].gone, 3);
	ck_assert_uint_eq(dgram_note_count(w.d), 0);
	quiet(&w);
}
END_TEST

/* OBS-22: at the end of one the others may be notified, once each and in turn,
 * or be removed. */
START_TEST(upcall_at_reset)
{
	two();
	ck_assert(observe(&w, &o[2], 0, 0xc1));
	o[0].on_gone = _i == 0 ? notify_others : remove_others;
	change(&w, &o[0]);
	out_con(&w, 0, 0x5000, 0xa1, 1);
	in_rst(&w, 0, 0x5000);
	if (_i == 0) {
		out_con(&w, 0, 0x5001, 0xb1, 1);
		quiet(&w);
		in_ack(&w, 0, 0x5001);
		out_con(&w, 0, 0x5002, 0xc1, 1);
	} else {
		ck_assert_uint_eq(w.peer[0].refs, 0);
	}
	quiet(&w);
}
END_TEST

static void
free_obs(struct obs *x)
{
	free(x);
}

/* The memory of a note may be gone when its upcall returns, however it ends. */
START_TEST(upcall_frees)
{
	struct obs *x = malloc(sizeof(*x));

	ck_assert_ptr_nonnull(x);
	ck_assert(observe(&w, x, 0, 0xa1));
	x->on_gone = free_obs;
	if (_i == 3) {
		end(x, COAP_503, true);
	} else {
		end(x, COAP_404, false);
		if (_i == 0)
			in_ack(&w, 0, 0x5000);
		else if (_i == 1)
			in_rst(&w, 0, 0x5000);
		else
			pass(&w, 62000);
	}
	ck_assert_uint_eq(dgram_note_count(w.d), 0);
	ck_assert_uint_eq(w.peer[0].refs, 0);
}
END_TEST

Suite *
note_suite(void)
{
	Suite *s = suite_create("note");
	TCase *tc = tcase_create("note");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, limits);
	tcase_add_loop_test(tc, nobody, 0, 2);
	tcase_add_loop_test(tc, found_by_token, 0, 6);
	tcase_add_loop_test(tc, renewed, 0, 2);
	tcase_add_test(tc, removed);
	tcase_add_test(tc, left_over);
	tcase_add_loop_test(tc, last, 0, 3);
	tcase_add_test(tc, last_supersedes);
	tcase_add_loop_test(tc, once, 0, 2);
	tcase_add_test(tc, once_again);
	tcase_add_test(tc, too_large);
	tcase_add_loop_test(tc, put_off, 0, 2);
	tcase_add_test(tc, lost);
	tcase_add_loop_test(tc, no_mid_to_supersede, 0, 2);
	tcase_add_test(tc, removing_at_time_out);
	tcase_add_test(tc, observing_at_time_out);
	tcase_add_test(tc, notifying_at_time_out);
	tcase_add_loop_test(tc, upcall_at_reset, 0, 2);
	tcase_add_loop_test(tc, upcall_frees, 0, 4);
	suite_add_tcase(s, tc);
	return s;
}
