"""Datagrams that nobody should answer: such that are no CoAP by the ten thousand
a second, while clients ask (bench/flood.c), and such that claim to come from the
proxy itself or from another one."""

import os
import pathlib
import re
import socket
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'system'))

import tap                                              # noqa: E402
from admin import Watched                               # noqa: E402
from coap import (ACK, CON, GET, NON, OBSERVE, PUT, RST,  # noqa: E402
                  Client, Message)
from load import Load                                   # noqa: E402
from origin import FaultOrigin                          # noqa: E402
from programs import COAPROXY, TOP, Program             # noqa: E402
from tap import equal, test                             # noqa: E402

FULL = os.environ.get('FAULTS') == 'full'
BENCH = pathlib.Path(os.environ.get('top_builddir', TOP / 'build')) / 'bench'
SECONDS = 10 if FULL else 2
RATE = 100000 if FULL else 20000    # datagrams a second
PER_CORE = 200000                   # what a core must be able to drop
P99 = 0.05                          # seconds within which clients are served
BUSY = 1 if FULL else 4             # other tests run beside the short form

tap.LIMIT = 60 + 20 * SECONDS


def sanitized():
    with Program([COAPROXY, '-V']) as program:
        program.wait_end()
        return 'sanitizers no' not in program.output


def cpu(pid):
    """Seconds of processor time so far."""
    return time.clock_gettime(~pid << 3 | 2)


def flood(port, seed):
    """How many datagrams were sent, in how many seconds."""
    with Program([BENCH / 'flood', '--rate', RATE, '--seconds', SECONDS,
                  '--seed', seed, f'127.0.0.1:{port}']) as program:
        equal(program.wait_end(20 * SECONDS), 0, 'status')
        sent, seconds = re.search(r'sent=(\d+) seconds=([\d.]+)',
                                  program.output).groups()
        return int(sent), float(seconds)


@test('R17: what is no CoAP is dropped by the ten thousand, clients are served')
def _():
    with FaultOrigin() as origin, Watched(f'''
            [route]
            to = coap://127.0.0.1:{origin.port}''') as proxy, \
            Load(proxy.address, clients=4, stream=20) as load:
        pid = proxy.process.pid
        began, used = load.now(), cpu(pid)
        time.sleep(SECONDS)
        idle = (cpu(pid) - used) / (load.now() - began)
        began, used = load.now(), cpu(pid)
        sent, seconds = flood(proxy.port, 1)
        until = load.now()
        each = (cpu(pid) - used - idle * (until - began)) / sent
        done = load.stop()
        meanwhile = done.between(began, until)
        metrics = proxy.metrics()
        dropped = metrics.sum('coaproxy_listener_dropped_total')
        overflows = metrics.sum(
            'coaproxy_listener_receive_queue_overflows_total')
        print(f'# {sent} in {seconds:.1f} s, {each * 1e6:.2f} us each; '
              f'{dropped:.0f} dropped, {overflows:.0f} by the kernel; '
              f'meanwhile {meanwhile}')
        equal((done.wrong, done.lost, dict(done.codes)), (0, 0, {}), done)
        equal(len(meanwhile.answers) >= 10 * SECONDS, True, meanwhile)
        equal(meanwhile.latency(99) < BUSY * P99, True, meanwhile)
        # Each is in a counter.
        equal(dropped + overflows >= sent, True, (sent, dropped, overflows))
        if not sanitized():
            equal(each < 1 / PER_CORE, True, f'{each * 1e6} us')


# ---- senders that are none ----


def raw_socket():
    try:
        return socket.socket(socket.AF_INET, socket.SOCK_RAW,
                             socket.IPPROTO_RAW)
    except PermissionError as error:
        raise tap.Skip(f'{error}')


def spoof(raw, source, to, payload):
    """A datagram from SOURCE, a port of 127.0.0.1, to another one. Without
    check sums: the kernel adds that of IPv4, and UDP needs none."""
    here = socket.inet_aton('127.0.0.1')
    udp = b''.join(n.to_bytes(2, 'big')
                   for n in (source, to, 8 + len(payload), 0))
    head = (b'\x45\0' + (28 + len(payload)).to_bytes(2, 'big') +
            b'\0\0\0\0\x40\x11\0\0' + here + here)
    raw.sendto(head + udp + payload, ('127.0.0.1', 0))


SPOOFED = [
    Message(GET, '/echo'),
    Message(GET, '/echo', type=NON),
    Message(GET, '/echo', [(OBSERVE, 0)]),
    Message(GET, '/echo', [(OBSERVE, 0)], type=NON),
    Message(GET, '/.well-known/core'),
    Message(PUT, '/x', payload=b'x'),
    Message('2.05', type=CON),
    Message('2.05', '', [(OBSERVE, 7)], type=NON),
    Message('0.00', type=CON, token=b''),
    Message('0.00', type=NON, token=b''),
    Message('7.00', type=CON),
    Message('2.05', type=ACK),
    Message('0.00', type=RST, token=b''),
]
TIMES = 50
QUIET = 1.0         # seconds after which nothing is under way any more
EACH = 2            # datagrams for each: itself, and what answers it


def received(proxies):
    return [p.metrics().sum('coaproxy_listener_received_datagrams_total')
            for p in proxies]


@test('R15: what seems to come from a proxy goes in no circle')
def _():
    with FaultOrigin() as origin, raw_socket() as raw, Watched(f'''
            [route]
            to = coap://127.0.0.1:{origin.port}''') as one, Watched(f'''
            [route]
            to = coap://127.0.0.1:{origin.port}''') as two, \
            Client(one.address) as client:
        for source in one.port, two.port:
            for number in range(TIMES * len(SPOOFED)):
                message = SPOOFED[number % len(SPOOFED)]
                message.mid = number
                octets = message.encode()
                # Malformed as well, now and then.
                spoof(raw, source, one.port,
                      octets + (b'\xff' if number % 7 == 0 else b''))
            equal(client.request(GET, '/echo').code, '2.05')
        before, deadline = None, time.monotonic() + 10 * QUIET
        while before != (now := received([one, two])):
            equal(time.monotonic() < deadline, True, now)
            before = now
            time.sleep(QUIET)
        sent = 2 * TIMES * len(SPOOFED)
        print(f'# {sent} sent, {now} received')
        # Those and the answers to them, and none to these.
        equal(sent <= sum(now) <= EACH * sent, True, now)


tap.run()
