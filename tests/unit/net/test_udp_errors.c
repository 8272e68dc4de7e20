/* What the kernel refuses to send or to receive, and closing meanwhile. */
#include "net/udp.h"

#include <errno.h>
#include <unistd.h>

#include "ends.h"
#include "suites.h"
#include "unit.h"

enum { MANY = 100 };

START_TEST(closed_in_its_own_input)
{
	struct end e = { .close_on_input = true };
	int fd = raw_socket(open_bound(&e, "127.0.0.1"));

	e.echo = true;		/* what it queued still leaves */
	for (unsigned i = 0; i < 4; i++)
		raw_send(fd, 3);
	ck_assert(await(&e, 1));
	(void)fixture_run(&rig.fx, NULL, NULL, 20);
	ck_assert_uint_eq(e.inputs, 1);
	ck_assert_int_eq(recv(fd, e.seen, 1, MSG_DONTWAIT), 1);
	(void)close(fd);
}
END_TEST

START_TEST(closed_in_its_own_error)
{
	struct end e = { .close_on_error = 1 };

	open_connected(&e, "127.0.0.1", closed_port("127.0.0.1"));
	send_octets(&e, 1, 4);
	send_octets(&e, 2, 4);
	ck_assert(await_errors(&e, 1));
	ck_assert_int_eq(e.err, ECONNREFUSED);
	(void)fixture_run(&rig.fx, NULL, NULL, 20);
	ck_assert_uint_eq(e.errors, 1);
}
END_TEST

/* The buffers come back (teardown looks) though nothing was ever taken. */
START_TEST(freed_while_blocked)
{
	struct end e = { 0 };

	open_connected(&e, "127.0.0.1", closed_port("127.0.0.1"));
	rig.fail.sends = 0;
	rig.fail.send[0] = EAGAIN;
	send_octet(&e, NULL, NULL, 1);
	close_end(&e);
	fixture_turn(&rig.fx);
	ck_assert_uint_eq(rig.fail.sends, 1);
	ck_assert_uint_gt(buf_pool_used(rig.pool), 0);
}
END_TEST

/* The flush is over when errors are reported: the next turn comes at once. */
START_TEST(sent_in_an_error_callback)
{
	struct end server = { 0 }, live = { 0 };
	struct end e = { .send_on_error = &live };

	open_connected(&live, "127.0.0.1", open_bound(&server, "127.0.0.1"));
	open_connected(&e, "127.0.0.1", closed_port("127.0.0.1"));
	rig.fail.sends = 0;
	rig.fail.send[0] = EHOSTUNREACH;
	rig.fail.send[1] = EHOSTUNREACH;
	send_octets(&e, 1, 4);
	server.want = 1;
	/* No deadline: its timer would wake the loop as well. */
	rig.fx.done = has_inputs;
	rig.fx.arg = &server;
	loop_run(rig.fx.loop);
	ck_assert_uint_eq(server.seen[0], 0xee);
	ck_assert_uint_eq(e.errors, 1);
	close_end(&e);
	close_end(&live);
	close_end(&server);
}
END_TEST

/* MSG-80: alternate datagrams to a dead and a live server; the live one is
 * always served. */
START_TEST(dead_peer_harms_nobody_else)
{
	struct end server = { .echo = true }, live = { 0 }, dead = { 0 };

	open_connected(&live, "127.0.0.1", open_bound(&server, "127.0.0.1"));
	open_connected(&dead, "127.0.0.1", closed_port("127.0.0.1"));
	for (unsigned i = 0; i < 50; i++) {
		send_octets(&dead, (uint8_t)i, 4);
		send_octet(&live, NULL, NULL, (uint8_t)i);
		ck_assert(await(&live, i + 1));
		ck_assert_uint_eq(live.seen[i], i);
	}
	ck_assert_uint_gt(dead.errors, 0);
	ck_assert_int_eq(dead.err, ECONNREFUSED);
	ck_assert_uint_eq(live.errors, 0);
	ck_assert_uint_eq(server.errors, 0);
	close_end(&live);
	close_end(&dead);
	close_end(&server);
}
END_TEST

/* MSG-80: what sending may fail with, on an unconnected socket: one datagram
 * is lost, those behind it are not. */
START_TEST(refused_datagram_is_skipped)
{
	static const struct {
		int err;
		unsigned arrive;
	} t[] = {
		{ ECONNREFUSED, 2 }, { EHOSTUNREACH, 2 }, { ENETUNREACH, 2 },
		{ EMSGSIZE, 2 }, { EPERM, 2 }, { ENOBUFS, 2 }, { EINVAL, 2 },
		{ ENOMEM, 2 }, { EINTR, 3 }, { EAGAIN, 3 },
	};
	struct end server = { 0 }, e = { 0 };
	struct addr to = ip("127.0.0.1", open_bound(&server, "127.0.0.1"));

	(void)open_bound(&e, "0.0.0.0");
	rig.fail.sends = 0;
	rig.fail.send[0] = t[_i].err;
	for (uint8_t i = 1; i <= 3; i++)
		send_octet(&e, &to, NULL, i);
	ck_assert(await(&server, t[_i].arrive));
	ck_assert_uint_eq(server.seen[t[_i].arrive - 1], 3);
	ck_assert_uint_eq(udp_sock_stats(e.s).tx_dropped,
	    3 - t[_i].arrive);
	ck_assert_uint_eq(e.errors, 0);
	close_end(&server);
	close_end(&e);
}
END_TEST

/* A connected socket tries twice, then gives that datagram up and says which.
 */
START_TEST(refused_twice_on_a_connected_socket)
{
	struct end server = { 0 }, e = { 0 };

	open_connected(&e, "127.0.0.1", open_bound(&server, "127.0.0.1"));
	rig.fail.sends = 0;
	rig.fail.send[0] = ECONNREFUSED;
	rig.fail.send[1] = EHOSTUNREACH;
	send_octets(&e, 1, 100);
	send_octets(&e, 2, 100);
	udp_flush(rig.udp);
	/* Not from inside send() or udp_flush(). */
	ck_assert_uint_eq(e.errors, 0);
	ck_assert(await(&server, 1));
	ck_assert_uint_eq(server.seen[0], 2);
	ck_assert_uint_eq(e.errors, 1);
	ck_assert_int_eq(e.err, EHOSTUNREACH);
	ck_assert_uint_eq(e.nquoted, 100);
	ck_assert_uint_eq(e.quoted[0], 1);
	ck_assert_uint_eq(e.quoted[99], 100);
	ck_assert_uint_eq(udp_sock_stats(e.s).tx_dropped, 1);
	close_end(&server);
	close_end(&e);
}
END_TEST

/* What failed once and then left has not failed. */
START_TEST(refused_once_is_no_error)
{
	struct end server = { 0 }, e = { 0 };

	open_connected(&e, "127.0.0.1", open_bound(&server, "127.0.0.1"));
	rig.fail.sends = 0;
	rig.fail.send[0] = ECONNREFUSED;
	send_octets(&e, 1, 4);
	ck_assert(await(&server, 1));
	ck_assert_uint_eq(e.errors, 0);
	ck_assert_uint_eq(udp_sock_stats(e.s).tx_dropped, 0);
	close_end(&server);
	close_end(&e);
}
END_TEST

/* No answer of the network to an earlier one: not tried again. */
START_TEST(no_room_on_a_connected_socket)
{
	struct end server = { 0 }, e = { 0 };

	open_connected(&e, "127.0.0.1", open_bound(&server, "127.0.0.1"));
	rig.fail.sends = 0;
	rig.fail.send[0] = ENOBUFS;
	send_octets(&e, 1, 4);
	send_octets(&e, 2, 4);
	ck_assert(await(&server, 1));
	ck_assert_uint_eq(server.seen[0], 2);
	ck_assert_uint_eq(rig.fail.sends, 2);
	ck_assert_uint_eq(e.errors, 1);
	ck_assert_int_eq(e.err, ENOBUFS);
	ck_assert_uint_eq(e.about[0], 1);
	close_end(&server);
	close_end(&e);
}
END_TEST

START_TEST(every_refused_datagram_is_reported)
{
	struct end e = { 0 };

	open_connected(&e, "127.0.0.1", closed_port("127.0.0.1"));
	rig.fail.every_send = ENETUNREACH;
	for (unsigned i = 0; i < MANY; i++)
		send_octets(&e, (uint8_t)i, 12);
	udp_flush(rig.udp);
	ck_assert_uint_eq(e.errors, 0);
	/* Queued behind those that wait to be reported. */
	for (unsigned i = MANY; i < 2 * MANY; i++)
		send_octets(&e, (uint8_t)i, 12);
	fixture_turn(&rig.fx);
	ck_assert_uint_eq(e.errors, 2 * MANY);
	ck_assert_int_eq(e.err, ENETUNREACH);
	for (unsigned i = 0; i < 2 * MANY; i++)
		ck_assert_uint_eq(e.about[i], i);
	ck_assert_uint_eq(udp_sock_stats(e.s).tx_dropped, 2 * MANY);
	ck_assert_uint_eq(buf_pool_used(rig.pool), 0);
	fixture_turn(&rig.fx);
	ck_assert_uint_eq(e.errors, 2 * MANY);
	close_end(&e);
}
END_TEST

START_TEST(refused_between_others)
{
	struct end server = { 0 }, e = { 0 };

	open_connected(&e, "127.0.0.1", open_bound(&server, "127.0.0.1"));
	rig.fail.sends = 0;
	rig.fail.send[1] = EPERM;
	rig.fail.send[2] = EPERM;
	rig.fail.send[3] = EAGAIN;
	for (unsigned i = 0; i < MANY; i++)
		send_octets(&e, (uint8_t)i, 4);
	ck_assert(await(&server, MANY - 1));
	for (unsigned i = 0; i < MANY - 1; i++)
		ck_assert_uint_eq(server.seen[i], i < 64 ? i : i + 1);
	ck_assert_uint_eq(e.errors, 1);
	ck_assert_uint_eq(e.about[0], 64);
	close_end(&server);
	close_end(&e);
}
END_TEST

/* The rest of its errors, and what it had queued, concern nobody. */
START_TEST(closed_while_errors_are_reported)
{
	struct end e = { .close_on_error = 3 };

	open_connected(&e, "127.0.0.1", closed_port("127.0.0.1"));
	rig.fail.every_send = EHOSTUNREACH;
	for (unsigned i = 0; i < MANY; i++)
		send_octets(&e, (uint8_t)i, 4);
	fixture_turn(&rig.fx);
	ck_assert_uint_eq(e.errors, 3);
	ck_assert_uint_eq(buf_pool_used(rig.pool), 0);
}
END_TEST

START_TEST(closed_with_errors_to_report)
{
	struct end e = { 0 };

	open_connected(&e, "127.0.0.1", closed_port("127.0.0.1"));
	rig.fail.every_send = EHOSTUNREACH;
	send_octets(&e, 1, 4);
	udp_flush(rig.udp);
	close_end(&e);
	fixture_turn(&rig.fx);
	ck_assert_uint_eq(e.errors, 0);
	ck_assert_uint_eq(buf_pool_used(rig.pool), 0);
}
END_TEST

/* A flush by hand and the end, without a turn in between. */
START_TEST(freed_with_errors_to_report)
{
	struct end e = { 0 };

	open_connected(&e, "127.0.0.1", closed_port("127.0.0.1"));
	rig.fail.every_send = EHOSTUNREACH;
	send_octets(&e, 1, 4);
	udp_flush(rig.udp);
	close_end(&e);
	ck_assert_uint_gt(buf_pool_used(rig.pool), 0);
}
END_TEST

/* The queue grows while what was refused is taken from it. */
START_TEST(sent_again_in_error_callbacks)
{
	struct end server = { 0 }, e = { 0 };

	e.send_on_error = &e;
	open_connected(&e, "127.0.0.1", open_bound(&server, "127.0.0.1"));
	rig.fail.every_send = EHOSTUNREACH;
	for (unsigned i = 0; i < 64; i++)
		send_octets(&e, (uint8_t)i, 4);
	fixture_turn(&rig.fx);
	ck_assert_uint_eq(e.errors, 64);
	rig.fail.every_send = 0;
	ck_assert(await(&server, 64));
	ck_assert_uint_eq(server.seen[0], 0xee);
	ck_assert_uint_eq(e.errors, 64);
	close_end(&server);
	close_end(&e);
}
END_TEST

START_TEST(blocked_in_the_middle)
{
	struct end server = { 0 }, e = { 0 };
	struct addr to = ip("127.0.0.1", open_bound(&server, "127.0.0.1"));

	(void)open_bound(&e, "127.0.0.1");
	rig.fail.sends = 0;
	rig.fail.send[1] = EAGAIN;
	for (unsigned i = 0; i < MANY; i++)
		send_octet(&e, &to, NULL, (uint8_t)i);
	fixture_turn(&rig.fx);
	ck_assert_uint_eq(udp_sock_stats(e.s).tx_datagrams, 64);
	send_octet(&e, &to, NULL, MANY);
	ck_assert(await(&server, MANY + 1));
	for (unsigned i = 0; i <= MANY; i++)
		ck_assert_uint_eq(server.seen[i], i);
	ck_assert_uint_eq(udp_sock_stats(e.s).tx_dropped, 0);
	close_end(&server);
	close_end(&e);
}
END_TEST

/* Closed while the kernel takes nothing: what is queued still goes first. */
START_TEST(closed_while_blocked)
{
	struct end server = { 0 }, e = { 0 };

	open_connected(&e, "127.0.0.1", open_bound(&server, "127.0.0.1"));
	rig.fail.sends = 0;
	rig.fail.send[0] = EAGAIN;
	send_octet(&e, NULL, NULL, 1);
	close_end(&e);
	ck_assert(await(&server, 1));
	close_end(&server);
}
END_TEST

/* MSG-80: errors of a read stop neither the socket nor the loop. */
START_TEST(receiving_goes_on_after_errors)
{
	static const int t[][4] = {
		{ ECONNREFUSED, EHOSTUNREACH, ENETUNREACH },
		{ ECONNREFUSED, ECONNREFUSED, EPROTO, EHOSTUNREACH },
		{ EINTR, EAGAIN },
		{ ENOMEM },
		{ EIO, EIO },
	};
	struct end e = { 0 };
	int fd = raw_peer(&e);

	memcpy(rig.fail.recv, t[_i], sizeof(rig.fail.recv));
	rig.fail.recvs = 0;
	raw_send(fd, 6);
	ck_assert(await(&e, 1));
	ck_assert_uint_eq(e.seen[0], 6);
	/* MSG-77: nothing says what they are about. */
	ck_assert_uint_eq(e.errors, 0);
	ck_assert_uint_lt(rig.fx.turns, 40);
	close_end(&e);
	(void)close(fd);
}
END_TEST

static void
add_closing_tests(TCase *tc)
{
	tcase_add_test(tc, closed_in_its_own_input);
	tcase_add_test(tc, closed_in_its_own_error);
	tcase_add_test(tc, closed_while_blocked);
	tcase_add_test(tc, freed_while_blocked);
	tcase_add_test(tc, closed_while_errors_are_reported);
	tcase_add_test(tc, closed_with_errors_to_report);
	tcase_add_test(tc, freed_with_errors_to_report);
}

Suite *
udp_errors_suite(void)
{
	Suite *s = suite_create("udp errors");
	TCase *tc = tcase_create("errors");

	tcase_add_checked_fixture(tc, rig_setup, rig_teardown);
	add_closing_tests(tc);
	tcase_add_test(tc, blocked_in_the_middle);
	tcase_add_test(tc, sent_in_an_error_callback);
	tcase_add_test(tc, dead_peer_harms_nobody_else);
	tcase_add_loop_test(tc, refused_datagram_is_skipped, 0, 10);
	tcase_add_test(tc, refused_twice_on_a_connected_socket);
	tcase_add_test(tc, refused_once_is_no_error);
	tcase_add_test(tc, no_room_on_a_connected_socket);
	tcase_add_test(tc, every_refused_datagram_is_reported);
	tcase_add_test(tc, refused_between_others);
	tcase_add_test(tc, sent_again_in_error_callbacks);
	tcase_add_loop_test(tc, receiving_goes_on_after_errors, 0, 5);
	suite_add_tcase(s, tc);
	return s;
}
