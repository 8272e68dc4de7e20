"""The message layer, from both sides of the proxy."""

import itertools
import signal
import time

import tap
from coap import (ACK, CON, EMPTY, GET, MAX_AGE, NON, PATCH, POST, PUT, RST,
                  Client, Message, Origin)
from programs import ClosedPort, Proxy
from tap import equal, test


def route(origin, path='', more=''):
    condition = f'path = {path}\n' if path else ''
    return (f'[route {path}]\n{condition}to = coap://127.0.0.1:{origin.port}\n'
            f'{more}\n')


# Where an answer must be piggybacked even if this script is slow.
PATIENT = '[message]\nempty-ack-delay = 1900ms\n'


def empty(m, type, mid):
    """Fails unless M is the empty message TYPE with MID."""
    equal((m.type, m.code, m.mid, m.token, m.options, m.payload),
          (type, EMPTY, mid, b'', [], b''), repr(m))


@test('MSG-32 PRX-42: silent origin: empty ACK, then 5.04; others unaffected')
def _():
    with Origin() as silent, Origin() as live, Proxy(
            '[message]\nack-timeout = 1s\nmax-retransmit = 1\n' +
            route(silent, '/silent') + route(live, '/live')) as proxy, \
            Client(proxy.address) as client, Client(proxy.address) as other:
        began = time.monotonic()
        sent = client.send(Message(GET, '/silent'))
        first = silent.receive()
        # Others are served while this one waits.
        for _ in range(3):
            asked = other.send(Message(GET, '/live'))
            live.answer(payload='here')
            response = other.receive(2)
            equal((response.type, response.token, response.payload),
                  (ACK, asked.token, b'here'))
        # MSG-41: before the client repeats itself.
        empty(client.receive(1), ACK, sent.mid)
        equal(time.monotonic() - began < 1, True, 'empty ACK within 1 s')
        # MSG-31: the copy is the same octets.
        equal(silent.receive().raw, first.raw, 'retransmission')
        end = client.receive(6)
        took = time.monotonic() - began
        equal((end.type, end.code, end.token), (CON, '5.04', sent.token))
        # MSG-30: T + 2 T with T between 1 and 1.5 s.
        equal(2.9 < took < 6, True, f'5.04 after {took:.2f} s')
        # PRX-49: it may pass.
        equal(end.value(MAX_AGE), b'\x05', 'Max-Age')
        client.send(Message(EMPTY, type=ACK, mid=end.mid, token=b''))
        # PRX-53: what comes now goes nowhere.
        silent.reply(first, payload='late')
        equal(client.fence(), [])
        silent.untouched()


@test('PRX-43: closed port: 5.02 at once')
def _():
    with Origin() as live, ClosedPort() as dead, \
            Proxy(route(dead, '/dead') + route(live, '/live')) as proxy, \
            Client(proxy.address) as client:
        for type in (CON, NON):
            sent = client.send(Message(GET, '/dead', type=type))
            # It could be repeated after 2 s at the earliest.
            end = client.receive(1.9)
            equal((end.code, end.token), ('5.02', sent.token))
            equal(end.type, ACK if type == CON else NON)
            # MSG-80: the dead one disturbs nobody.
            sent = client.send(Message(GET, '/live'))
            live.answer()
            equal(client.await_response(sent).code, '2.05')


@test('MSG-61: POST three times with one Message ID reaches the origin once')
def _():
    with Origin() as origin, Proxy(PATIENT + route(origin)) as proxy, \
            Client(proxy.address) as client:
        post = client.send(Message(POST, '/x', payload='count me'))
        origin.answer('2.04', 'counted')
        answers = [client.receive()]
        client.send(post)
        client.send(post)
        answers += client.fence()
        equal(len(answers), 3, 'answers')
        for answer in answers:
            equal((answer.type, answer.mid, answer.code, answer.payload),
                  (ACK, post.mid, '2.04', b'counted'))
            equal(answer.raw, answers[0].raw, 'the same octets')
        origin.untouched()


@test('MSG-62: copies while the origin works: one request, one answer')
def _():
    with Origin() as origin, Proxy(route(origin)) as proxy, \
            Client(proxy.address) as client:
        post = client.send(Message(POST, '/x'))
        request = origin.receive()
        client.send(post)
        client.send(post)
        for m in client.fence():
            empty(m, ACK, post.mid)
        origin.untouched()
        origin.reply(request, '2.04', 'done')
        final = client.await_response(post)
        equal(final.payload, b'done')
        # Then no second one comes, whatever is repeated. MSG-42, MSG-46:
        # after an empty ACK a copy gets an empty ACK.
        client.send(post)
        again = client.fence()
        equal(len(again), 1)
        equal((again[0].type, again[0].mid), (ACK, post.mid))
        if final.type == CON:
            empty(again[0], ACK, post.mid)
        origin.untouched()


@test('MSG-63: copy of a NON: silence')
def _():
    with Origin() as origin, Proxy(route(origin)) as proxy, \
            Client(proxy.address) as client:
        sent = client.send(Message(POST, type=NON))
        origin.answer('2.04')
        # MSG-29: an answer, no acknowledgement, and with an ID of its own.
        response = client.receive()
        equal((response.type, response.token), (NON, sent.token))
        client.send(sent)
        equal(client.fence(), [])
        origin.untouched()


@test('MSG-91: other octets under a remembered Message ID: a new message')
def _():
    with Origin() as origin, Proxy(PATIENT + route(origin)) as proxy, \
            Client(proxy.address) as client:
        for text in ('x', 'y'):
            sent = client.send(Message(POST, '/p', payload=text, mid=1))
            equal(origin.answer('2.04', text).payload, text.encode())
            response = client.await_response(sent)
            equal((response.mid, response.payload), (1, text.encode()))


@test('MSG-64 MSG-51: equal tokens and Message IDs of two clients')
def _():
    with Origin() as origin, Proxy(route(origin) + '[origin]\nnstart = 3\n') as proxy, \
            Client(proxy.address) as one, Client(proxy.address) as two, \
            Client(proxy.address, '127.0.0.2') as three:
        clients = (one, two, three)
        requests = []
        for client in clients:
            sent = client.send(Message(GET, f'/{client.port}', mid=7,
                                       token=b'\1'))
            requests.append(origin.receive())
        equal(len({r.token for r in requests}), 3, 'tokens')
        equal(len({(r.source, r.mid) for r in requests}), 3, 'Message IDs')
        # MSG-52: 8 octets.
        equal({len(r.token) for r in requests}, {8}, 'length of tokens')
        for request in reversed(requests):
            origin.reply(request, payload=request.path)
        for client in clients:
            response = client.await_response(sent)
            equal(response.payload, f'/{client.port}'.encode())
            equal(client.fence(), [])


@test('MSG-56 MSG-57: ping')
def _():
    with Proxy('[forward]') as proxy, Client(proxy.address) as client:
        for mid in (0, 0xabcd, 0xffff):
            client.send_raw(bytes([0x40, 0]) + mid.to_bytes(2, 'big'))
            data, source = client.receive_raw()
            equal(data, bytes([0x70, 0]) + mid.to_bytes(2, 'big'))
            equal(source, proxy.address)


# CON messages with a format error; the type is replaced below.
MALFORMED = (
    ('MSG-04', '44 01 12 34 a1 a2'),
    ('MSG-05', '4f 01 12 34' + ' 00' * 15),
    ('MSG-06', '41 00 12 34 a1'),
    ('MSG-06', '40 00 12 34 ff'),
    ('MSG-08', '40 01 12 34 f1 00'),
    ('MSG-08', '40 01 12 34 fe 00'),
    ('MSG-09', '40 01 12 34 bf 00'),
    ('MSG-10', '40 01 12 34 d0'),
    ('MSG-10', '40 01 12 34 e0 01'),
    ('MSG-10', '40 01 12 34 b4 74 65'),
    ('MSG-11', '40 01 12 34 b1 74 ff'),
    ('MSG-13', '40 01 12 34 e0 ff ff 00'),
    # MSG-21: reserved classes.
    ('MSG-21', '40 20 12 34'),
    ('MSG-21', '40 c0 12 34'),
    ('MSG-21', '40 e1 12 34'),
)


@test('MSG-25: malformed CON: RST of 4 octets; NON, ACK, RST: silence')
def _():
    with Origin() as origin, Proxy(route(origin)) as proxy, \
            Client(proxy.address) as client:
        for name, text in MALFORMED:
            data = bytes.fromhex(text)
            for type in (CON, NON, ACK, RST):
                client.send_raw(bytes([data[0] & 0xcf | type << 4]) + data[1:])
                answers = [m.raw for m in client.fence()]
                equal(answers, [bytes.fromhex('70 00 12 34')] if type == CON
                      else [], f'{name} {text} as type {type}')
        origin.untouched()


@test('MSG-01 MSG-02 MSG-22 MSG-23 MSG-24: what is met with silence')
def _():
    with Origin() as origin, Proxy(route(origin)) as proxy, \
            Client(proxy.address) as client:
        for text in ('', '40', '40 01', '40 01 12',                 # MSG-01
                     '80 00 12 34', 'c0 01 12 34', '00 01 12 34',   # MSG-02
                     '60 01 12 34', '70 01 12 34', '60 00 00 01',   # MSG-22
                     '70 00 00 01', '61 45 00 01 a1', '60 f1',      # MSG-23
                     '50 00 12 34', '51 45 00 01 99'):              # MSG-24
            client.send_raw(bytes.fromhex(text))
            equal(client.fence(), [], text)
        # ATK-33: other protocols on our port.
        dns = '12 34 01 00 00 01 00 00 00 00 00 00 03 77 77 77 00 00 01 00 01'
        client.send_raw(bytes.fromhex(dns))
        client.send_raw(b'OPTIONS sip:a@b SIP/2.0\r\n')
        for m in client.fence():
            equal(len(m.raw), 4, 'an RST at most')
        # MSG-58: a CON response nobody waits for is the one to be rejected.
        client.send_raw(bytes.fromhex('41 45 00 01 99'))
        empty(client.receive(), RST, 1)
        origin.untouched()


@test('MSG-26: unknown method: 4.05')
def _():
    with Origin() as origin, Proxy(route(origin)) as proxy, \
            Client(proxy.address) as client:
        for type in (CON, NON):
            for code in ('0.08', '0.31'):
                sent = client.send(Message(code, type=type))
                response = client.receive()
                equal((response.type, response.code, response.token),
                      (ACK if type == CON else NON, '4.05', sent.token))
        origin.untouched()


@test('MSG-47: NON stays NON, CON stays CON')
def _():
    with Origin() as origin, Proxy(PATIENT + route(origin)) as proxy, \
            Client(proxy.address) as client:
        for type, back in ((CON, ACK), (NON, NON)):
            for code in (GET, PUT, PATCH):
                sent = client.send(Message(code, '/x', type=type))
                equal(origin.answer().type, type)
                response = client.receive()
                equal((response.type, response.token), (back, sent.token))


@test('MSG-44: every mix of request and response types, one answer each')
def _():
    def ack(origin, request):
        origin.reply(request, payload='x')

    def non(origin, request):
        origin.reply(request, payload='x', type=NON, mid=next(mids))

    def con(origin, request):
        m = origin.reply(request, payload='x', type=CON, mid=next(mids))
        empty(origin.receive(), ACK, m.mid)

    def con_before_ack(origin, request):
        con(origin, request)
        origin.acknowledge(request)

    def con_after_ack(origin, request):
        origin.acknowledge(request)
        con(origin, request)

    mids = itertools.count(100)
    cases = [(CON, f) for f in (ack, non, con, con_before_ack, con_after_ack)]
    cases += [(NON, f) for f in (non, con)]
    with Origin() as origin, Proxy(route(origin)) as proxy, \
            Client(proxy.address) as client:
        for type, answer in cases:
            sent = client.send(Message(GET, '/x', type=type))
            answer(origin, origin.receive())
            equal(client.await_response(sent).payload, b'x', answer.__name__)
            equal(client.fence(), [], f'after {answer.__name__}')
            origin.untouched()


@test('MSG-35: empty ACK, then a separate response')
def _():
    with Origin() as origin, Proxy(route(origin)) as proxy, \
            Client(proxy.address) as client:
        sent = client.send(Message(GET, '/slow'))
        request = origin.receive()
        origin.acknowledge(request)
        empty(client.receive(1), ACK, sent.mid)
        m = origin.reply(request, payload='at last', type=CON, mid=77)
        empty(origin.receive(), ACK, m.mid)
        response = client.receive()
        equal((response.type, response.token, response.payload),
              (CON, sent.token, b'at last'))
        equal(response.mid != sent.mid, True, 'an ID of its own')
        # MSG-45: an ACK ends it, whatever else is in that ACK.
        client.send(Message('2.05', type=ACK, mid=response.mid, payload='?'))
        # MSG-48: the origin's copy is acknowledged again, and goes no further.
        origin.send(m, request.source)
        empty(origin.receive(), ACK, m.mid)
        equal(client.fence(), [])


@test('MSG-43: acknowledged but never answered: 5.04 when the time is over')
def _():
    with Origin() as origin, \
            Proxy(route(origin, more='timeout = 1s')) as proxy, \
            Client(proxy.address) as client:
        for type in (CON, NON):
            sent = client.send(Message(GET, type=type))
            request = origin.receive()
            if type == CON:
                origin.acknowledge(request)
            equal(client.await_response(sent).code, '5.04')
            origin.untouched()


@test('MSG-48 MSG-58: a response of the origin that fits nothing: RST')
def _():
    with Origin() as origin, Proxy(route(origin)) as proxy, \
            Client(proxy.address) as client:
        sent = client.send(Message(GET))
        request = origin.receive()
        origin.reply(request, type=CON, mid=500, token=b'unknown!')
        empty(origin.receive(), RST, 500)
        origin.reply(request, payload='right')
        equal(client.await_response(sent).payload, b'right')


@test('MSG-34: RST from the origin: 5.02 at once')
def _():
    with Origin() as origin, Proxy(route(origin)) as proxy, \
            Client(proxy.address) as client:
        for type in (CON, NON):
            sent = client.send(Message(GET, type=type))
            origin.reset(origin.receive())
            response = client.receive(1.9)
            equal((response.code, response.token), ('5.02', sent.token))
            equal(client.fence(), [])
            origin.untouched()


@test('MSG-22 MSG-37 MSG-55: wrong ACKs are nothing, the right one counts')
def _():
    with Origin() as origin, Proxy(route(origin)) as proxy, \
            Client(proxy.address) as client:
        sent = client.send(Message(GET))
        request = origin.receive()
        origin.reply(request, payload='wrong', token=b'\0' * 8)
        origin.reply(request, payload='wrong', mid=request.mid ^ 1)
        origin.send_raw(b'\x60\1' + request.mid.to_bytes(2, 'big'),
                        request.source)
        origin.reply(request, EMPTY, type=RST, mid=request.mid ^ 1, token=b'')
        equal(client.fence(), [])
        origin.reply(request, payload='right')
        equal(client.await_response(sent).payload, b'right')
        equal(client.fence(), [])


@test('MSG-54: a response from another port or address is ignored')
def _():
    with Origin() as origin, Origin() as port, \
            Origin('127.0.0.2') as address, \
            Proxy(route(origin)) as proxy, Client(proxy.address) as client:
        sent = client.send(Message(GET))
        request = origin.receive()
        for impostor in (port, address):
            impostor.reply(request, payload='wrong')
            impostor.reply(request, payload='wrong', type=CON, mid=3)
            impostor.reply(request, EMPTY, type=RST, token=b'')
        equal(client.fence(), [])
        origin.reply(request, payload='right')
        equal(client.await_response(sent).payload, b'right')
        equal(client.fence(), [])


@test('MSG-54: nor does another origin answer in its place')
def _():
    with Origin() as one, Origin() as two, \
            Proxy(route(one, '/1') + route(two, '/2')) as proxy, \
            Client(proxy.address) as client:
        first = client.send(Message(GET, '/1'))
        second = client.send(Message(GET, '/2'))
        wanted, other = one.receive(), two.receive()
        # The right token, from an endpoint that is being asked something else.
        two.reply(other, payload='wrong', type=CON, mid=9, token=wanted.token)
        empty(two.receive(), RST, 9)
        two.reply(other, payload='wrong', token=wanted.token)
        equal(client.fence(), [])
        one.reply(wanted, payload='right')
        equal(client.await_response(first).payload, b'right')
        two.reply(other, payload='own')
        equal(client.await_response(second).payload, b'own')


@test('MSG-49 MSG-50: tokens of 0 to 8 octets, and extended ones')
def _():
    with Origin() as origin, Proxy(route(origin)) as proxy, \
            Client(proxy.address) as client:
        tokens = [bytes(range(0xa0, 0xa0 + n)) for n in range(9)]
        tokens += [b'\0', b'\0' * 8, b'\xff' * 8]
        tokens += [b'e' * 9, b'e' * 12, b'e' * 13, b'e' * 32, b'e' * 64]
        for token in tokens:
            for type in (CON, NON):
                sent = client.send(Message(GET, token=token, type=type))
                equal(len(origin.answer(payload='y').token), 8, 'upstream')
                response = client.await_response(sent)
                equal((response.token, response.payload), (token, b'y'))
        # Longer ones are no format error: 4.00 with the whole token.
        for token in (b'f' * 65, b'f' * 300):
            sent = client.send(Message(GET, token=token))
            response = client.receive()
            equal((response.type, response.mid, response.code, response.token),
                  (ACK, sent.mid, '4.00', token))
        origin.untouched()


@test('MSG-40 MSG-60: first Message ID and token differ over 5 starts')
def _():
    mids, tokens = [], []
    with Origin() as origin:
        for _ in range(5):
            with Proxy(route(origin)) as proxy, \
                    Client(proxy.address) as client:
                sent = client.send(Message(GET))
                request = origin.answer()
                client.await_response(sent)
                mids.append(request.mid)
                tokens.append(request.token)
    # Two of 5 random IDs are equal once in 6500 runs; three never.
    equal(len(set(mids)) >= 4, True, mids)
    equal(len(set(tokens)), 5, tokens)


@test('MSG-40: two instances started at once differ as well')
def _():
    with Origin() as origin, Proxy(route(origin)) as one, \
            Proxy(route(origin)) as two:
        seen = []
        for proxy in (one, two):
            with Client(proxy.address) as client:
                sent = client.send(Message(GET))
                request = origin.answer()
                seen.append((request.mid, request.token))
                client.await_response(sent)
        equal(seen[0][1] != seen[1][1], True, seen)


@test('MSG-52: no token twice, none that counts')
def _():
    with Origin() as origin, Proxy(route(origin)) as proxy, \
            Client(proxy.address) as client:
        tokens = []
        for _ in range(200):
            sent = client.send(Message(GET))
            tokens.append(origin.answer().token)
            client.await_response(sent)
        equal(len(set(tokens)), 200)
        # Not even half of an octet stays the same or goes up one by one.
        for at in range(8):
            steps = {(b[at] - a[at]) % 256
                     for a, b in zip(tokens, tokens[1:])}
            equal(len(steps) > 20, True, f'octet {at} of the tokens')


@test('MSG-20: a payload where there is none is not passed on')
def _():
    with Origin() as origin, Proxy(route(origin)) as proxy, \
            Client(proxy.address) as client:
        sent = client.send(Message(GET, '/x', payload='odd'))
        equal(origin.answer().payload, b'')
        equal(client.await_response(sent).code, '2.05')


@test('MSG-07 MSG-12 MSG-15: options of every length survive, octet for octet')
def _():
    with Origin() as origin, Proxy(route(origin)) as proxy, \
            Client(proxy.address) as client:
        path = [b'\xff\xff', b'\xc3\x28', b'', b'.a', b'x' * 255]
        values = [b'v' * n for n in (0, 12, 13, 255, 268, 269)]
        options = [(11, v) for v in path] + [(65000, v) for v in values]
        sent = client.send(Message(GET, options=options))
        request = origin.answer()
        equal(request.values(11), path)
        equal(request.values(65000), values)
        equal(client.await_response(sent).code, '2.05')


@test('MSG-17 MSG-18 MSG-19: options out of place')
def _():
    with Origin() as origin, Proxy(route(origin)) as proxy, \
            Client(proxy.address) as client:
        for options in ([(3, b'')], [(7, b'abc')], [(14, 60)],
                        [(35, 'coap://h/'), (35, 'coap://h/')]):
            equal(client.request(GET, options=options).code[0] in '45', True,
                  options)
        origin.untouched()
        # Critical but safe: the second Accept is passed on (PRX-33).
        sent = client.send(Message(GET, options=[(17, 0), (17, 50)]))
        equal(origin.answer().values(17), [b'', b'\x32'])
        client.await_response(sent)


@test('MSG-16: options go up in order, whatever is inserted')
def _():
    with Origin() as origin, Proxy(route(origin)) as proxy, \
            Client(proxy.address) as client:
        sent = client.send(Message(GET, '/a/b/c', [(65000, '1'), (65000, '2'),
                                                   (15, 'q'), (4, b'\1')]))
        request = origin.answer()
        numbers = [n for n, _ in request.options]
        equal(numbers, sorted(numbers))
        equal(request.path, '/a/b/c')
        equal(request.values(65000), [b'1', b'2'])
        client.await_response(sent)


@test('MSG-45: a separate response is repeated until an ACK or a RST')
def _():
    for answer in (ACK, RST):
        with Origin() as origin, Proxy(
                '[proxy]\ndrain = 1h\n[message]\nack-timeout = 1s\n' +
                route(origin)) as proxy, Client(proxy.address) as client:
            sent = client.send(Message(GET))
            request = origin.receive()
            empty(client.receive(1), ACK, sent.mid)
            origin.reply(request, payload='x')
            first = client.receive()
            equal((first.type, first.payload), (CON, b'x'))
            equal(client.receive(2).raw, first.raw, 'the copy')
            client.send(Message(EMPTY, type=answer, mid=first.mid, token=b''))
            equal(client.fence(), [])
            # It would not end while there is something to be repeated.
            proxy.signal(signal.SIGTERM)
            equal(proxy.wait_end(5), 0)


tap.run()
