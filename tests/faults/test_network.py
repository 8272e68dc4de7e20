"""Networks that lose, double, delay or are not there: F09, F10, F10b, F10d, and
F18 as far as it is about devices. See network.py."""

import concurrent.futures
import itertools
import math
import pathlib
import random
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'system'))

import tap                                              # noqa: E402
from blocks import Store, download, octets, upload      # noqa: E402
from coap import (EMPTY, GET, OBSERVE, POST, Endpoint,  # noqa: E402
                  Message)
from netns import Net                                   # noqa: E402
from network import (ACK_TIMEOUT, FULL, SLACK, TIMING,  # noqa: E402
                     WAIT_FACTOR, acknowledge, ask, client, hosts, load, scene,
                     together, transfer, until)
from tap import equal                                   # noqa: E402
from watched import Watched                             # noqa: E402


# ---- the lines themselves ----


def between_two(settings, packets, size=100, **more):
    """Sends PACKETS datagrams over a line with SETTINGS; the numbers of those
    that have arrived, in their order, and the line's count of that way."""
    with Net() as net:
        a, b = hosts(net, 'a', 'b')
        line = net.join(a, b, **more)
        line.set(**settings)
        with a.inside():
            here = Endpoint(a.address(line))
        with b.inside():
            there = Endpoint(b.address(line))
        arrived = []

        def take(wait):
            while there.ready(wait):
                arrived.append(int.from_bytes(
                    there.receive_raw()[0][:4], 'big'))

        with here, there:
            for n in range(packets):
                here.send_raw(n.to_bytes(4, 'big') + bytes(size),
                              (b.address(line), there.port))
                if n % 50 == 49:    # neither device nor socket overflows
                    until(lambda: line.count()[0]['seen'] > n, 'the line')
                    take(0)
            until(lambda: line.count()[0]['waiting'] == 0, 'the line')
            take(0.1)
        return arrived, line.count()[0]


@together('the lines lose, double, delay and overtake as they are told')
def _():
    n = 2000
    arrived, count = between_two({}, n)
    equal((len(arrived), count['lost']), (n, 0))
    equal(arrived == list(range(n)), True, 'in order')
    for burst in 0, 5:
        arrived, count = between_two({'loss': (20, 0), 'burst': burst}, n)
        equal(len(arrived), n - count['lost'])
        # Of the share, five standard deviations.
        slack = 5 * math.sqrt(0.2 * 0.8 / n) * math.sqrt(max(1, 2 * burst))
        equal(abs(count['lost'] / n - 0.2) < slack, True, count)
        gaps = sum(b - a > 1 for a, b in zip(arrived, arrived[1:]))
        length = count['lost'] / gaps
        equal(3 < length < 8 if burst else 1 < length < 1.6, True, length)
    arrived, count = between_two({'duplicate': 20}, n)
    equal(len(arrived), n + count['doubled'])
    equal(0.15 < count['doubled'] / n < 0.25, True, count)
    equal(set(arrived) == set(range(n)), True, 'all')
    arrived, count = between_two({'reorder': 20, 'lag': 30}, n)
    equal(sorted(arrived) == list(range(n)), True, 'all')
    before = itertools.accumulate(arrived, max)
    overtaken = sum(a < b for a, b in zip(arrived, before))
    equal(0.1 < overtaken / n <= count['late'] / n < 0.25, True, overtaken)
    equal(between_two({'blackout': (1, 0)}, 60)[0], [])
    equal(between_two({'fragments': 1}, 60, size=1400, mtu=1280)[0], [])
    equal(len(between_two({}, 60, size=1400, mtu=1280)[0]), 60)
    equal(between_two({'size': 1300}, 60, size=1400)[0], [])


# ---- loss: F09 and F10d ----


def allowed(requests, percent):
    """How many of REQUESTS may fail where each way loses PERCENT: all five
    copies or their answers are lost. A failure of a correct proxy is one in a
    million."""
    p = percent / 100
    mean = requests * (1 - (1 - p) ** 2) ** 5
    term = total = math.exp(-mean)
    most = 0
    while total < 1 - 1e-6:
        most += 1
        term *= mean / most
        total += term
    return most


def lossy(line_name, percent, steps=0, **settings):
    """Requests over lines one of which loses; what has become of them."""
    requests = 1000 if FULL else 150
    again = 2 if FULL else 1 if line_name == 'far' else 0.3
    # The window for one server, which takes loss for congestion, is not what
    # is looked at; nor is the queue in front of it.
    with scene(f'[origin]\nnstart = 64\n{TIMING}queue-per-origin = 1000\n',
               seed=percent) as s:
        s.near.set(delay=5)
        s.far.set(delay=5)
        getattr(s, line_name).set(loss=percent, **settings)
        asking = load(s, code=POST, clients=32, stream=10, pause=0.5,
                      ack_timeout=again, patience=again * WAIT_FACTOR + 5)
        until(lambda: asking.sent >= requests, 'requests', tap.LIMIT)
        done = asking.stop()
        seen = s.origin.end()
        may_fail = allowed(done.sent, percent + steps)
        failed = done.codes['5.04'] + done.lost
        equal(done.wrong, 0, done)
        equal(set(done.codes) <= {'5.04'}, True, done)
        equal(failed <= may_fail, True, f'{done}, {may_fail} may fail')
        # On a line without loss there is always an answer.
        equal(line_name == 'far' or not done.codes, True, done)
        equal(line_name == 'near' or not done.lost, True, done)
        # Exactly once, whatever was repeated on either line.
        equal(seen['twice'], 0, seen)
        equal(done.right <= seen['executed'] <= done.sent, True, (done, seen))
        lost = sum(way['lost'] for way in getattr(s, line_name).count())
        equal(lost > 0, True, 'lost')
        return (f'{line_name} {percent} %: {done}, p95={done.latency(95):.3f}, '
                f'{seen}, packets lost={lost}')


# R19
for percent in (1, 5, 10, 20, 30) if FULL else (10, 30):
    for line_name in 'near', 'far':
        together(f'F09: {percent} % loss each way on the {line_name} line: '
                 'answered, executed once')(
            lambda n=line_name, p=percent: lossy(n, p))


for line_name in 'near', 'far':
    together(f'F10d: 10 % loss in bursts of 5 on the {line_name} line')(
        lambda n=line_name: lossy(n, 10, 10, burst=5))


# ---- copies and disorder: F10 ----

DISORDER = {'duplicate': 20, 'reorder': 20, 'lag': 60, 'jitter': 50}


@together('F10: doubled and overtaken on both lines, each POST executed once')
def _():
    requests = 2000 if FULL else 300
    with scene() as s:
        s.near.set(**DISORDER)
        s.far.set(**DISORDER)
        asking = load(s, code=POST, clients=32, stream=10, pause=0.2)
        until(lambda: asking.sent >= requests, 'requests', tap.LIMIT)
        done, seen = asking.stop(), s.origin.end()
        equal((done.right, done.lost), (done.sent, 0), done)
        equal((seen['executed'], seen['twice']), (done.sent, 0), seen)
        equal(seen['repeats'] > 0, True, 'doubled')
        return f'{done}, {seen}'


def notified(s, states):
    """(Observe, number of the state) of the notifications, as they came, of a
    client that observes while STATES states follow each other. The last one is
    among them."""
    c = client(s)
    request = Message(GET, '/x', [(OBSERVE, 0)])
    heard = []

    def note(m):
        equal((m.code, m.token), ('2.05', request.token))
        heard.append((int.from_bytes(m.value(OBSERVE), 'big'),
                      int(m.payload)))

    def hear(wait):
        while c.ready(wait):
            m = c.receive()
            acknowledge(c, m)
            if m.code != EMPTY:
                note(m)
            wait = 0

    note(ask(c, request))
    for n in range(1, states):
        s.origin.set(str(n).encode())
        hear(random.uniform(0, 0.06))
    until(lambda: hear(0.1) or any(n == states - 1 for _, n in heard),
          'the last state', ACK_TIMEOUT * WAIT_FACTOR)
    hear(1)
    return heard


@together('F10: notifications that overtake each other are put in order')
def _():
    states = 1000 if FULL else 150
    with scene(origin=lambda address: Watched(b'0', type=0,
                                              address=address)) as s:
        # Copies of a notification are for whoever gets them to notice.
        s.far.set(**DISORDER)
        heard = notified(s, states)
        numbers = [n for _, n in heard]
        equal(numbers == sorted(set(numbers)), True, heard)
        late = s.far.count()[1]['late']
    with scene(origin=lambda address: Watched(b'0', address=address)) as s:
        s.near.set(**DISORDER)
        s.far.set(**DISORDER)
        heard = notified(s, states)
        numbers = [n for _, n in sorted(set(heard))]
        equal(numbers == sorted(set(numbers)), True, heard)
        equal(sorted(heard)[-1][1], states - 1)
        return (f'{len(numbers)} of {states} states delivered, {late} '
                'notifications late on the far line')


def bodies(settings):
    """Ways down and up, all at the same time."""
    with scene(TIMING, origin=lambda address: Store(address=address)) as s:
        s.near.set(**settings)
        s.far.set(**settings)
        whole = {f'/{n}': octets(5000 + 300 * n, n) for n in range(6)}
        s.origin.bodies.update(whole)
        clients = [client(s) for _ in range(12)]

        def get(c, path):
            answer, body = transfer(c, download(path, 512))
            equal((answer.code, body == whole[path]), ('2.05', True), path)

        def put(c, path):
            equal(transfer(c, upload('0.03', f'/up{path}', whole[path],
                                     512)).code, '2.01', path)

        with concurrent.futures.ThreadPoolExecutor(12) as pool:
            list(pool.map(lambda n: (put if n % 2 else get)(
                clients[n], f'/{n // 2}'), range(12)))
        equal(s.origin.error, None)
        for path, body in whole.items():
            equal(s.origin.bodies[f'/up{path}'] == body, True, path)
        equal(len(s.origin.puts), len(whole), 'uploads executed')
        return f'12 bodies, packets {s.near.count() + s.far.count()}'


together('F10: bodies in blocks are whole, whatever is doubled and overtaken')(
    lambda: bodies(DISORDER))
# Each of some 300 exchanges fails with a chance of 1 in 100000.
together('F09: bodies in blocks are whole where both lines lose 5 %')(
    lambda: bodies({'loss': 5}))


@together('F09: the last state reaches observers where 20 % is lost')
def _():
    states = 100 if FULL else 20
    with scene(f'[observe]\nconfirmable-every = 1\n{TIMING}',
               origin=lambda address: Watched(b'0', address=address)) as s:
        s.near.set(loss=(5, 20))
        s.far.set(delay=5)
        heard = notified(s, states)
        equal(sorted(heard)[-1][1], states - 1)
        return f'{len(set(heard))} of {states} states, {s.near.count()}'


# ---- blackout: F10b ----

RECOVERY = 3


def blackout(line_name, seconds):
    with scene(TIMING) as s:
        s.near.set(delay=5)
        s.far.set(delay=5)
        line = getattr(s, line_name)
        asking = load(s, code=POST, clients=32, stream=20, pause=0.2,
                      ack_timeout=ACK_TIMEOUT,
                      patience=ACK_TIMEOUT * WAIT_FACTOR + 5)
        until(lambda: asking.result().right > 100, 'answers')
        line.set(blackout=1)
        began = asking.now()
        until(lambda: asking.now() >= began + seconds, 'blackout', seconds + 9)
        pending, sent = asking.sent - len(asking.answers), asking.sent
        before, far = len(asking.answers), s.far.count()[0]['seen']
        line.set(blackout=0)
        end = asking.now()
        until(lambda: any(a.what == 'right' for a in asking.answers[before:]),
              'an answer', 150)
        burst = s.far.count()[0]['seen'] - far
        new = asking.sent - sent
        recovered = asking.result().first_right_after(end)
        # By then all is as before: the window of the server has room.
        calm = max(asking.now(), end + 8)
        until(lambda: asking.now() >= calm + 2, 'time')
        done, seen = asking.stop(), s.origin.end()
        text = (f'{line_name} {seconds} s: recovered={recovered:.3f} '
                f'pending={pending} burst={burst} new={new} {done} {seen}')
        # Once a request is given up the server gets PROBING_RATE, 1 octet a
        # second, of requests whose copies are up to 48 s apart (RFC 7252 4.7).
        given_up = line_name == 'far' and seconds > ACK_TIMEOUT * 31
        limit = 120 if given_up else RECOVERY * SLACK
        equal(recovered <= limit, True, text)
        # One copy of each, at most: before the first answer, and what comes
        # after it is what the origin has had already.
        equal(burst <= pending + new, True, text)
        equal(seen['repeats'] <= pending / 2, True, text)
        equal((done.wrong, seen['twice']), (0, 0), text)
        after = done.between(calm)
        equal(after.right, len(after.answers), text)
        late = [a for a in done.answers if a.what == 'lost' and
                not began - ACK_TIMEOUT * WAIT_FACTOR < a.sent < end]
        equal(late, [], text)
        return text


for line_name in 'near', 'far':
    for seconds in (5, 30, 120) if FULL else (5,):
        together(f'F10b: {seconds} s without the {line_name} line: served '
                 'again within 3 s, no burst')(
            lambda n=line_name, t=seconds: blackout(n, t))


# ---- a device that goes, an address that changes ----


def changed(line_name, change, restore):
    """CHANGE and 2 s later RESTORE are ip(8)'s words for the proxy's device."""
    with scene(TIMING) as s:
        # Whatever address the proxy's host has there.
        s.server.ip('route', 'add', '10.77.2.0/24', 'dev', s.far.device)
        line = getattr(s, line_name)
        asking = load(s, code=POST, clients=32, stream=20, pause=0.2,
                      ack_timeout=ACK_TIMEOUT,
                      patience=ACK_TIMEOUT * WAIT_FACTOR + 5)
        until(lambda: asking.result().right > 100, 'answers')
        began = asking.now()
        s.host.ip(*change, 'dev', line.device)
        until(lambda: asking.now() > began + 2, 'time')
        end = asking.now()
        s.host.ip(*restore, 'dev', line.device)
        until(lambda: asking.result().first_right_after(end) < math.inf,
              'an answer')
        recovered = asking.result().first_right_after(end)
        until(lambda: asking.now() > end + 2 + SLACK, 'time')
        done, seen = asking.stop(), s.origin.end()
        text = f'{line_name} {recovered=:.3f} {done} {seen}'
        equal(recovered < 1 * SLACK, True, text)
        equal((done.wrong, done.lost, seen['twice']), (0, 0, 0), text)
        # Those that were under way have to be repeated first.
        equal(set(done.codes) <= {'5.02', '5.04'}, True, text)
        after = done.between(end + 1 * SLACK)
        equal(after.right, len(after.answers), text)
        return text


for line_name in 'near', 'far':
    together(f'F18: the {line_name} device goes down and comes back')(
        lambda n=line_name: changed(n, ('link', 'set', 'down'),
                                    ('link', 'set', 'up')))
together('F18: the address that origins know changes')(
    lambda: changed('far', ('addr', 'del', '10.77.2.1', 'peer', '10.77.2.2'),
                    ('addr', 'add', '10.77.2.3', 'peer', '10.77.2.2')))

tap.run()
