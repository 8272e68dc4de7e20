"""Abuse and defence, by the real program: names, sockets, logs, the clock, the
process. What the protocol alone shows is in tests/replay/attacks.rp."""

import contextlib
import json
import os
import pathlib
import random
import re
import select
import signal
import socket
import subprocess
import tempfile
import threading
import time

import tap
from admin import Watched
from clocks import WallClock
from coap import (ACK, CON, EMPTY, GET, MAX_AGE, NON, PROXY_URI, PUT, RST,
                  URI_HOST, URI_QUERY, WAIT, Client, Message, Origin)
from programs import TOP, ClosedPort, NameServer, Proxy, coaproxy
from tap import contains, equal, test


def asking(client, uri, code=GET, **more):
    return client.send(Message(code, '', [(PROXY_URI, uri)], **more))


def code_for(client, uri):
    return client.await_response(asking(client, uri)).code


def served(client, origin, path='/fine'):
    """An honest client gets what the origin says."""
    sent = client.send(Message(GET, path))
    origin.answer(payload=b'served')
    equal(client.await_response(sent).payload, b'served')


def said(client):
    """What the proxy has said by now, but for empty ACKs."""
    return [m for m in client.fence() if m.code != EMPTY]


def until(condition, what, timeout=2 * WAIT):
    deadline = time.monotonic() + timeout
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f'no {what}')
        time.sleep(0.02)
    return found


class FickleServer(NameServer):
    """A name server that says the next of a name's addresses with each
    question, not to be kept."""

    def _answer(self, data):
        everything = self.names
        self.names = {name: v[:1] for name, v in everything.items()}
        answer = super()._answer(data)
        self.names = {name: v[1:] + v[:1] for name, v in everything.items()}
        return answer.replace(b'\0\0\0\x3c', b'\0\0\0\0')


@test('ATK-18: a name that is something else each time it is asked for')
def _():
    with Origin('127.0.0.2') as good, contextlib.ExitStack() as stack:
        bad = stack.enter_context(Origin('127.0.0.3', good.port))
        dns = stack.enter_context(FickleServer(
            {'r.test': ['127.0.0.2', '127.0.0.3', '127.0.0.3']}))
        proxy = stack.enter_context(Proxy(f'''
            [dns]
            servers = {dns.address}
            min-ttl = 0
            [forward]
            allow-to = coap://127.0.0.2:*'''))
        client = stack.enter_context(Client(proxy.address))
        codes = []
        for i in range(60):
            before = len(dns.asked)
            sent = asking(client, f'coap://r.test:{good.port}/{i}')
            if good.ready(0.2):
                good.answer()
            codes.append(client.await_response(sent).code)
            # A and AAAA, once each: what was looked at is what is used.
            equal(len(dns.asked) - before <= 2, True, dns.asked[before:])
        equal(set(codes), {'2.05', '5.05'})
        bad.untouched()


@test('ATK-19: names that lead to loopback, in each form that there is')
def _():
    forms = ['127.0.0.1', '127.9.9.9', '0.0.0.0', '::1', '::',
             '::ffff:127.0.0.1', '::127.0.0.1', '64:ff9b::7f00:1',
             '2002:7f00:1::1', '2001:0:c633:6401::80ff:fffe', '169.254.0.1',
             'fe80::1', '224.0.1.187', 'ff02::fd', '255.255.255.255',
             '64:ff9b::e000:1bb', 'ff0e::fd']
    names = {f'n{i}.test': [form] for i, form in enumerate(forms)}
    with Origin() as origin, NameServer(names) as dns, \
            contextlib.ExitStack() as stack:
        heard = [origin]
        with contextlib.suppress(OSError):
            heard.append(stack.enter_context(Origin('::1', origin.port)))
        proxy = stack.enter_context(Proxy(f'''
            [dns]
            servers = {dns.address}
            [forward]
            allow-to = coap://*:* coap://*.test:*'''))
        client = stack.enter_context(Client(proxy.address))
        for name, (form,) in names.items():
            # An IPv4-mapped address in an AAAA record is none at all.
            equal(code_for(client, f'coap://{name}:{origin.port}/'),
                  '5.02' if form.startswith('::ffff') else '5.05', form)
            host = f'[{form}]' if ':' in form else form
            equal(code_for(client, f'coap://{host}:{origin.port}/'), '5.05',
                  form)
        for host in ('127.1', '2130706433', '0x7f.1', '0177.0.0.1',
                     '127.0.0.1%00.test', '127.0.0.1 ', '127.0.0.1.'):
            equal(code_for(client, f'coap://{host}:{origin.port}/')[0] in '45',
                  True, host)
        equal(client.fence(), [])
        for end in heard:
            end.untouched()


@test('ATK-20: other ports than those of CoAP: only to what is listed')
def _():
    with Origin() as origin, Proxy(
            '[forward]\nallow-to = loopback') as proxy, \
            Client(proxy.address) as client:
        sent = asking(client, f'coap://127.0.0.1:{origin.port}/x')
        origin.answer()
        equal(client.await_response(sent).code, '2.05')
        for port in (53, 123, 161, 1023):
            equal(code_for(client, f'coap://127.0.0.1:{port}/x'), '5.05',
                  port)


@test('ATK-20: other ports than those of CoAP: no packet, no look-up')
def _():
    with Origin() as origin, NameServer({'n.test': ['127.0.0.1']}) as dns, \
            Proxy(f'''
            [dns]
            servers = {dns.address}
            [forward]
            allow-to = any
            deny-to =''') as proxy, Client(proxy.address) as client:
        for host in ('127.0.0.1', 'n.test', 'other.test'):
            for port in (53, 123, 161, 5060, origin.port, 65535):
                equal(code_for(client, f'coap://{host}:{port}/x'), '5.05',
                      port)
        equal(dns.asked, [], 'asked for')
        origin.untouched()


@test('what is judged is what is used: one text, one target')
def _():
    names = {'ok.test': ['127.0.0.1']}
    with Origin('127.0.0.1') as good, Origin('127.0.0.2', good.port) as bad, \
            NameServer(names) as dns, Proxy(f'''
            [dns]
            servers = {dns.address}
            [forward]
            allow-to = coap://ok.test:* coap://127.0.0.1:*
            deny-to =''') as proxy, Client(proxy.address) as client:
        port = good.port
        evil = '127.0.0.2'
        for uri in (f'coap://{evil}\0.ok.test:{port}/',
                    f'coap://{evil}%00.ok.test:{port}/',
                    f'coap://ok.test\0@{evil}:{port}/',
                    f'coap://ok.test:{port}@{evil}:{port}/',
                    f'coap://ok.test@{evil}:{port}/',
                    f'coap://{evil}#@ok.test:{port}/',
                    f'coap://{evil}%23@ok.test:{port}/',
                    f'coap://{evil}\\@ok.test:{port}/',
                    f'coap://{evil}\t.ok.test:{port}/',
                    f'coap://{evil} ok.test:{port}/',
                    f'coap://[{evil}]:{port}/',
                    f'coap://[::ffff:{evil}]:{port}/',
                    f'coap://{evil}?ok.test:{port}',
                    f'coap://{evil}/@ok.test:{port}/',
                    f'coap:///{evil}:{port}/', f'coap:{evil}:{port}/',
                    f'//{evil}:{port}/', f'{evil}:{port}/',
                    f'coap+bad://ok.test:{port}/', f'file://ok.test/etc',
                    f'co\nap://ok.test:{port}/', f' coap://ok.test:{port}/',
                    f'coap://ok.test:{65536 + port}/',
                    f'coap://ok.test:{2 ** 32 + port}/',
                    f'coap://ok.test:{2 ** 64 + port}/',
                    f'coap://ok.test:-{port}/', f'coap://ok.test:+{port}/',
                    f'coap://ok.test:0x{port:x}/', 'coap://ok.test:0/',
                    f'coap://ok.test: {port}/', f'coap://ok.test:{port}x/',
                    f'coap://ok.test:{"0" * 300}/',
                    f'coap://{"a" * 256}:{port}/',
                    f'coap://{"a." * 450}test:{port}/'):
            equal(code_for(client, uri)[0] in '45', True, uri)
        for host in (f'{evil}\0.ok.test', f'ok.test@{evil}', f'[{evil}]',
                     f'ok.test:{port}', f'ok.test/{evil}', ''):
            code = client.request(GET, '', [(39, 'coap'), (URI_HOST, host),
                                            (7, port)]).code
            equal(code[0] in '45', True, host)
        bad.untouched()
        good.untouched()
        # Leading zeros are a way to write it.
        sent = asking(client, f'coap://ok.test:{"0" * 20}{port}/')
        good.answer()
        client.await_response(sent)


@test('one client, three origins with names of one length, turn by turn')
def _():
    hosts = {'aaa.test': '127.0.0.1', 'bbb.test': '127.0.0.2',
             'ccc.test': '127.0.0.3'}
    with contextlib.ExitStack() as stack:
        port, origins = 0, {}
        for name, address in hosts.items():
            origins[name] = stack.enter_context(Origin(address, port))
            port = origins[name].port
        dns = stack.enter_context(
            NameServer({name: [a] for name, a in hosts.items()}))
        proxy = stack.enter_context(Proxy(f'''
            [cache]
            size = 1M
            [dns]
            servers = {dns.address}
            [forward]
            allow-to = coap://127.0.0.0/8:*'''))
        client = stack.enter_context(Client(proxy.address))
        for i in range(240):
            name = random.choice(list(hosts))
            sent = asking(client, f'coap://{name}:{port}/{i % 7}')
            if origins[name].ready(0.05):
                origins[name].answer(payload=name)
            answer = client.await_response(sent)
            equal((answer.code, answer.payload), ('2.05', name.encode()))
            for other, origin in origins.items():
                equal(other != name and origin.ready(0), False, other)


@test('ATK-24: what is refused gets one answer in one time, up or down')
def _():
    with Origin('127.0.0.2') as up, ClosedPort() as closed, \
            NameServer({'n.test': ['127.0.0.2']}) as dns, Proxy(f'''
            [dns]
            servers = {dns.address}
            [forward]
            allow-to = coap://127.0.0.1:* coap://*.test:*
            deny-to = 127.0.0.2 127.0.0.3''') as proxy, \
            Client(proxy.address) as client:
        places = [f'127.0.0.2:{up.port}', f'127.0.0.2:{closed.port}',
                  f'127.0.0.3:{up.port}', '203.0.113.1:5683',
                  f'n.test:{up.port}', f'n.test:{closed.port}', '127.0.0.1:0x']
        answers, times = set(), {p: [] for p in places}
        code_for(client, f'coap://n.test:{up.port}/')   # it is known then
        for _ in range(100):
            for place in places[:-1]:
                began = time.monotonic()
                client.send(Message(GET, '', [(PROXY_URI, f'coap://{place}/')],
                                    token=b'same', mid=1 + len(times[place])))
                raw = client.receive().raw
                times[place].append(time.monotonic() - began)
                answers.add(raw[:2] + raw[4:])
        equal(len(answers), 1, answers)
        contains(next(iter(answers)), b'target not allowed')
        quickest = [min(times[p]) for p in places[:-1]]
        equal(max(quickest) - min(quickest) < 0.002, True, quickest)
        up.untouched()


@test('ATK-25 ATK-26: forged answers: counted, told of, not taken')
def _():
    with Origin() as origin, Watched(f'''
            [route]
            to = coap://127.0.0.1:{origin.port}''') as proxy, \
            Client(proxy.address) as client:
        sent = client.send(Message(GET, '/t'))
        request = origin.receive()
        for i in range(3000):
            origin.reply(request, payload=b'forged', token=os.urandom(8),
                         type=(ACK, NON)[i % 2],
                         mid=(request.mid + i % 3) % 65536)
            if i % 100 == 99:
                equal(said(client), [])
        strays = proxy.metrics().value('coaproxy_message_strays_total',
                                       side='origin')
        equal(strays >= 2000, True, strays)
        proxy.wait_for(fr'warn 127\.0\.0\.1:{origin.port}: \d+ messages from '
                       'there fit nothing sent')
        equal(proxy.output.count('fit nothing sent'), 1, 'lines')
        origin.reply(request, payload=b'genuine')
        equal(client.await_response(sent).payload, b'genuine')


def dns_packet(r):
    name = b''.join(bytes([n]) + r.randbytes(n)
                    for n in (r.randrange(1, 20), r.randrange(1, 10)))
    flags = r.choice((0x0100, 0x0120, 0x8180, 0x8183, 0x2800, 0x0010))
    return (r.randbytes(2) + flags.to_bytes(2, 'big') + b'\0\1\0\0\0\0\0' +
            r.choice((b'\0', b'\1')) + name + b'\0\0' +
            r.choice((b'\1', b'\x1c', b'\xff', b'\x10')) + b'\0\1' +
            r.choice((b'', b'\0\0\x29\x10\0\0\0\0\0\0\0')))


def ntp_packet(r):
    first = r.choice((0x1b, 0x23, 0xe3, 0x24, 0x17, 0x16, 0xdb))
    return bytes([first]) + r.randbytes(r.choice((47, 47, 67, 7)))


def sip_packet(r):
    method = r.choice(('OPTIONS', 'REGISTER', 'INVITE', 'SIP/2.0 200 OK'))
    return (f'{method} sip:{r.randrange(10 ** 6)}@127.0.0.1 SIP/2.0\r\n'
            f'Via: SIP/2.0/UDP 127.0.0.1:5060;branch=z9{r.random()}\r\n'
            'Content-Length: 0\r\n\r\n').encode()


def http_packet(r):
    return r.choice((
        b'M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\n'
        b'MAN: "ssdp:discover"\r\nMX: 1\r\n\r\n',
        b'GET /' + str(r.random()).encode() + b' HTTP/1.1\r\nHost: x\r\n\r\n',
        b'HTTP/1.1 200 OK\r\n\r\n', b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
        b'NOTIFY * HTTP/1.1\r\n' + r.randbytes(20)))


def tls_packet(r):
    kind = r.choice((20, 21, 22, 23, 25))
    version = r.choice((b'\3\1', b'\3\3', b'\xfe\xff', b'\xfe\xfd'))
    body = r.randbytes(r.randrange(1, 200))
    if version[0] == 0xfe:
        version += r.randbytes(8)
    return bytes([kind]) + version + len(body).to_bytes(2, 'big') + body


def snmp_packet(r):
    return b'\x30\x26\2\1\1\4\6public\xa0\x19\2\4' + r.randbytes(4) + \
        b'\2\1\0\2\1\0\x30\x0b\x30\x09\6\5\x2b\6\1\2\1\5\0'


def quic_packet(r):
    return bytes([r.choice((0xc0, 0xc3, 0xd0, 0xe0))]) + b'\0\0\0\1\x08' + \
        r.randbytes(r.randrange(20, 400))


def stun_packet(r):
    return r.choice((b'\0\1', b'\1\1', b'\0\3')) + b'\0\0\x21\x12\xa4\x42' + \
        r.randbytes(12)


PROTOCOLS = (dns_packet, ntp_packet, sip_packet, http_packet, tls_packet,
             snmp_packet, stun_packet, quic_packet)


def as_request(data):
    """[(token, length)] of what is a well-formed request by accident, such as a
    question with a certain ID: nobody can tell it from one that is meant."""
    with contextlib.suppress(ValueError):
        m = Message.decode(data)
        if m.code[0] == '0' and m.code != EMPTY:
            return [(m.token, len(data))]
    return []


@test('ATK-33: 10^4 packets of other protocols: silence or RST')
def _():
    r = random.Random(33)
    with Origin() as origin, Watched(f'''
            [route]
            to = coap://127.0.0.1:{origin.port}''') as proxy, \
            Client(proxy.address) as client, Client(proxy.address) as honest:
        resets = 0
        for i in range(100):
            batch = [PROTOCOLS[(100 * i + j) % len(PROTOCOLS)](r)
                     for j in range(100)]
            for data in batch:
                client.send_raw(data)
            mids = {data[2:4] for data in batch}
            lengths = {token: n for data in batch
                       for token, n in as_request(data)}
            for m in client.fence():
                if m.token in lengths:
                    equal(len(m.raw) <= lengths[m.token], True, m.raw.hex())
                    continue
                equal((len(m.raw), m.raw[:2], m.raw[2:4] in mids),
                      (4, b'\x70\0', True), m.raw.hex())
                resets += 1
            if i % 10 == 0:
                served(honest, origin)
        # Those that look like a CON with a format error are rejected.
        equal(0 < resets < 5000, True, resets)
        origin.untouched()
        dropped = sum(proxy.metrics().value(
            'coaproxy_listener_dropped_total', listener='1', reason=why) or 0
            for why in ('malformed', 'ignored', 'unexpected'))
        equal(dropped > 4000, True, dropped)
        served(honest, origin)


YEAR = 365 * 86400


@test('ATK-34: the wall clock steps by years: nothing happens')
def _():
    with WallClock() as wall, Origin() as origin, \
            NameServer({'n.test': ['127.0.0.1']}) as dns, Watched(f'''
            [listen near]
            bind = coap://127.0.0.1:0
            [listen far]
            bind = coap://127.0.0.1:0
            amplification-exempt =
            [cache]
            size = 1M
            [dns]
            servers = {dns.address}
            [log]
            access = all
            [route]
            to = coap://n.test:{origin.port}''', env=wall.env) as proxy, \
            Client(proxy.address) as client, Client(proxy.address) as other, \
            Client(('127.0.0.1', proxy.ports[1])) as stranger:
        def year():
            return int(re.findall(r'^(\d{4})-\S+ access', proxy.output,
                                  re.M)[-1])

        sent = other.send(Message(GET, '/kept'))
        origin.answer(payload=b'kept', options=[(MAX_AGE, 1000)])
        equal(other.await_response(sent).code, '2.05')
        proxy.wait_for(' access ')
        before = year()
        slow = client.send(Message(GET, '/slow'))
        request = origin.receive()
        origin.acknowledge(request)
        equal(client.receive().code, EMPTY)
        stranger.send(Message(PUT, '/x', payload=b'x'))
        echo = stranger.receive().value(252)
        for step in (40 * YEAR, -20 * YEAR, 3600, -3600):
            wall.step(step)
            # Fresh as before, what was stored and the name.
            kept = other.request(GET, '/kept')
            equal((kept.code, kept.payload), ('2.05', b'kept'), step)
            age = 1000 - int.from_bytes(kept.value(MAX_AGE), 'big')
            equal(0 <= age < 100, True, age)
            # The step has come through: lines have the operator's time.
            until(lambda: abs(year() - before - step // YEAR) <= 1, step)
            # What waits goes on waiting.
            equal(client.fence(), [], step)
        equal(len(dns.asked), 2, dns.asked)
        # The Echo is as old as it is.
        sent = stranger.send(Message(PUT, '/x', [(252, echo)], b'x'))
        origin.answer('2.04')
        equal(stranger.await_response(sent).code, '2.04')
        origin.reply(request, payload=b'in time', type=CON, mid=1)
        equal(client.await_response(slow).payload, b'in time')
        wall.step(40 * YEAR)
        [status] = proxy.json('status')
        equal(0 <= status['uptime'] < 1000, True, status['uptime'])


@test('ATK-35: names without an answer: others are served')
def _():
    with Origin() as origin, NameServer({'good.test': ['127.0.0.1']}) as dns, \
            Watched(f'''
            [dns]
            servers = {dns.address}
            timeout = 10s
            [forward]
            allow-to = coap://127.0.0.0/8:*
            [route]
            to = coap://127.0.0.1:{origin.port}''') as proxy, \
            Client(proxy.address) as client, Client(proxy.address) as honest:
        code_for(honest, f'coap://nowhere.test:{origin.port}/')
        answers = []
        for i in range(600):
            dns.names[f'silent{i}.test'] = None
            asking(client, f'coap://silent{i}.test/', type=NON)
            if i % 50 == 49:
                answers += said(client)
                served(honest, origin)
        equal({m.code for m in answers}, {'5.03'})
        equal(len(answers), 600 - 256)
        # By address, by a name that is known, and by hosts(5).
        for host in ('127.0.0.1', 'localhost'):
            sent = asking(honest, f'coap://{host}:{origin.port}/')
            origin.answer()
            equal(honest.await_response(sent).code, '2.05', host)
        equal(proxy.metrics().value('coaproxy_memory_limit_rejections_total',
                                    table='names'), 600 - 256)


@test('ATK-35: lines of the log are so many a minute, others are served')
def _():
    with Origin() as origin, Watched(f'''
            [route good]
            path = /fine
            to = coap://127.0.0.1:{origin.port}''') as proxy, \
            Client(proxy.address) as honest:
        began = time.monotonic()
        for i in range(2000):
            address = f'127.1.{i // 250}.{i % 250 + 1}'
            with Client(proxy.address, address) as client:
                client.send(Message(GET, f'/{i}', type=NON))
                equal(client.receive().code, '4.04')
            if i % 200 == 0:
                served(honest, origin)
        # One client, the same over and over.
        for i in range(500):
            equal(honest.request(GET, '/no').code, '4.04')
        lines = proxy.output.count(' access ')
        minutes = 1 + int((time.monotonic() - began) / 60)
        equal(500 < lines <= 601 * minutes, True, lines)


@test('ATK-35: many ports, tokens, half bodies, registrations')
def _():
    with Origin() as origin, Origin() as silent, Watched(f'''
            [listen]
            bind = coap://127.0.0.1:0
            amplification-exempt = 127.0.0.9
            [message]
            max-exchanges = 256
            [observe]
            max-observers = 64
            [block]
            max-transfers = 16
            [route silent]
            path = /silent
            to = coap://127.0.0.1:{silent.port}
            [route]
            to = coap://127.0.0.1:{origin.port}''') as proxy, \
            Client(proxy.address, '127.0.0.9') as honest, \
            contextlib.ExitStack() as stack:
        ports = [stack.enter_context(Client(proxy.address, '127.0.0.8'))
                 for _ in range(200)]
        for i in range(30):
            for n, client in enumerate(ports):
                client.send((
                    Message(GET, '/silent', [(URI_QUERY, f'{i}.{n}')],
                            type=NON),
                    Message(GET, '/silent', [(6, 0)], type=NON),
                    Message(PUT, '/silent', [(27, b'\x08')], b'x' * 16,
                            type=CON),
                    Message('0.02', f'/silent/{n}', token=os.urandom(8)),
                )[(i + n) % 4])
            served(honest, origin)
        # A body in blocks as well.
        whole = b'y' * 1100
        honest.request(PUT, '/up', [(27, b'\x0e')], whole[:1024])
        sent = honest.send(Message(PUT, '/up', [(27, b'\x16')],
                                   whole[1024:]))
        got, more = b'', True
        while more:
            part = origin.receive()
            got += part.payload
            block = int.from_bytes(part.value(27) or b'', 'big')
            more = bool(block & 8)
            origin.reply(part, '2.31' if more else '2.04',
                         options=[(27, part.value(27))])
        equal(got, whole)
        equal(honest.await_response(sent).code, '2.04')


@test('ATK-37: slow and silent peers of the ways in')
def _():
    with Origin() as origin, Watched(f'''
            [route]
            to = coap://127.0.0.1:{origin.port}''') as proxy, \
            Client(proxy.address) as client, contextlib.ExitStack() as stack:
        began = time.monotonic()
        slow = []
        for _ in range(4):
            http = stack.enter_context(proxy.connect_http())
            http.sendall(b'GET /metrics HT')
            half = stack.enter_context(proxy.connect())
            half.sendall(b'stat')
            lazy = stack.enter_context(proxy.connect_http())
            lazy.sendall(b'GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n')
            slow += [http, half]
        for _ in range(20):
            served(client, origin)
            contains(proxy.ctl('status'), 'coaproxy')
            equal(proxy.get('/healthz')[0], 200)
        # All of them have an end: 10 s, and 30 s.
        for s in slow:
            s.settimeout(45)
            with contextlib.suppress(ConnectionError):
                equal(s.recv(1), b'')
        equal(time.monotonic() - began < 60, True)
        served(client, origin)


HOSTILE = (
    'a\nb', 'a\r\n2026-01-01T00:00:00.000Z access public 1.2.3.4:5 CON GET',
    '\x1b[31mred\x1b[0m', '%n%s%x', '%0a%0d', '\x00nul', '\u202egnp.exe',
    '\x7f\x80\xff', '" -> "', "' or '1", '\\n', '\t', 'x' * 255,
    '{"a":1}', 'level=error msg="forged"', '<script>')


def text_line(line):
    return re.fullmatch(
        r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z access \S+ '
        r'127\.0\.0\.1:\d+ (CON|NON) \S+ \S+ -> \S+ \S+ \d\.\d\d \d+B '
        r'[\d.]+ms \S+( obs=\S+)?( repeated=\d+)?', line)


def logfmt_line(line):
    return re.fullmatch(r'([a-z_]+=("[^"\\]*"|[^\s"\\=]\S*) ?)+', line)


def json_line(line):
    return isinstance(json.loads(line), dict)


@test('no client, name, origin or error forges a line of the log')
def _():
    for form, is_line in (('text', text_line), ('logfmt', logfmt_line),
                          ('json', json_line)):
        with Origin() as origin, NameServer({}) as dns, Proxy(f'''
                [dns]
                servers = {dns.address}
                [log]
                access = all
                format = {form}
                [forward]
                routes = yes
                [route]
                path = /up
                to = coap://127.0.0.1:{origin.port}''', '-v', '-v') as proxy, \
                Client(proxy.address) as client:
            asked = 0
            for text in HOSTILE:
                for options in ([(11, text)], [(URI_HOST, text)],
                                [(URI_QUERY, text)], [(PROXY_URI, text)],
                                [(PROXY_URI, f'coap://{text}.test/{text}')],
                                [(39, text), (URI_HOST, text)],
                                [(65000, text)], [(65001, text), (3, text)]):
                    client.request(GET, options=options)
                    asked += 1
                # The origin's texts, an error and one that cannot be used.
                for code in ('5.08', '5.00', '3.01', '4.02'):
                    sent = client.send(Message(GET, '/up'))
                    origin.answer(code, payload=text)
                    if code == '4.02' and origin.ready(0.05):
                        origin.answer(code, payload=text)
                    client.await_response(sent)
                    asked += 1
            until(lambda: len([line for line in proxy.output.splitlines()
                               if 'access' in line]) >= asked, 'lines')
            lines = [line for line in proxy.output.split('\n') if line]
            written = [line for line in lines if 'access' in line[:60]]
            equal(len(written), asked, form)
            for line in written:
                equal(bool(is_line(line)), True, line)
            for line in lines:
                equal(re.fullmatch(r'[\x20-\x7e]{1,2048}', line) is not None,
                      True, line)


@test('nor a line of coaproxyctl, of the page or of the metrics')
def _():
    with Origin() as origin, Watched(f'''
            [forward]
            allow-to = coap://127.0.0.1:*
            [route]
            to = coap://127.0.0.1:{origin.port}
            send-host = keep''') as proxy, Client(proxy.address) as client:
        observed = 0
        for text in HOSTILE:
            options = [(6, 0), (11, text), (URI_QUERY, text)]
            sent = client.send(Message(GET, options=options))
            origin.answer(options=[(6, 1), (MAX_AGE, 1000)])
            observed += client.await_response(sent).value(6) is not None
            # Hosts and labels of others.
            client.request(GET, options=[(URI_HOST, text), (65003, b'x')])
        equal(len(proxy.json('observations')), observed)
        seen = [proxy.ctl(words) for words in ('status', 'routes', 'origins',
                                               'observations', 'cache')]
        seen += [proxy.get('/')[2], proxy.get('/metrics')[2]]
        for line in '\n'.join(seen).split('\n'):
            equal(re.fullmatch(r'[\x20-\x7e]*', line) is not None, True, line)
        equal(len(seen[3].splitlines()) <= observed + 2, True, seen[3])
        proxy.metrics()


SECRET = 'hunter2-do-not-tell'


@test('ATK-39: secrets are in no log, no dump, no page and no answer')
def _():
    with tempfile.TemporaryDirectory() as directory, Origin() as origin:
        credential = pathlib.Path(directory) / 'secret'
        credential.write_text(SECRET + '\n')
        env = {'CREDENTIALS_DIRECTORY': directory}
        text = f'''
            [listen]
            bind = coap://127.0.0.1:0
            amplification-exempt =
            [log]
            access = all
            level = debug
            [proxy]
            own-names = ${{cred:secret}} ${{file:{credential}}}
            [route a]
            path = /a
            host = ${{cred:secret}}
            to = coap://127.0.0.1:{origin.port}
            [route b]
            path = /b
            send-host = ${{cred:secret}}
            links = rewrite
            to = coap://127.0.0.1:{origin.port}
            '''
        seen = []
        with Watched(text, '-v', '-v', env=env) as proxy, \
                Client(proxy.address) as client:
            client.send(Message(PUT, '/b/x', payload=b'x'))
            echo = client.receive().value(252)
            client.send(Message(PUT, '/b/x', [(252, echo)], b'x'))
            request = origin.receive()
            equal(request.value(URI_HOST), SECRET.encode())
            origin.reply(request, '2.04')
            client.receive()
            for options in ([], [(252, os.urandom(12))], [(65003, b'x')]):
                client.send(Message(GET, '/a', options))
                seen.append(client.receive().payload)
            client.send(Message(GET, '/.well-known/core'))
            asked = origin.receive()
            origin.reply(asked, payload=b'</x>;rt="t"', options=[(12, 40)])
            core = client.receive(10)
            if core.code == EMPTY:
                core = client.receive(10)
            contains(core.payload, b'</b/x>')
            seen.append(core.payload)
            for words in ('status', 'routes', 'origins', 'observations',
                          'cache', 'log'):
                seen += [proxy.ctl(words), proxy.ctl('-j', words)]
            seen += [proxy.get(path)[2] for path in ('/', '/metrics',
                                                     '/healthz', '/x')]
            proxy.reload(text + '[route c]\npath = /c\nreply = 2.05\n', 2)
            proxy.configure(text + '[route d]\nto = ${cred:secret}\n'
                            'methods = ${cred:secret}\ntimeout = x\n')
            proxy.signal(signal.SIGHUP)
            proxy.wait_for('errors')
            proxy.configure(text)
            dump = subprocess.run([os.environ['COAPROXY'], '-T', '-c',
                                   proxy.config], capture_output=True,
                                  text=True, env={**os.environ, **env})
            equal(dump.returncode, 0, dump.stderr)
            contains(dump.stdout, '${cred:secret}')
            seen += [dump.stdout, dump.stderr]
            proxy.signal(signal.SIGTERM)
            equal(proxy.wait_end(), 0)
            seen.append(proxy.output)
        everything = '\n'.join(
            s.decode(errors='replace') if isinstance(s, bytes) else s
            for s in seen)
        contains(everything, 'errors')
        for part in (SECRET, SECRET[:7], SECRET.encode().hex(), echo.hex(),
                     request.token.hex()):
            equal(part in everything, False, part)
        # No key of ours either: nothing that looks like 8 octets of one.
        found = [w for w in re.findall(r'\b[0-9a-f]{16,}\b', everything)
                 if not w.isdigit()]
        equal(found, [])
    # Nor are they in a core, where the service manager starts it.
    for unit in ('coaproxy.service.in', 'coaproxy@.service.in'):
        contains((TOP / 'systemd' / unit).read_text(), '\nLimitCORE=0\n')


class Echoing(Origin):
    """Answers each request with its path, some late, some separate."""

    def __init__(self):
        super().__init__()
        self.held = []
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def close(self):
        self.send_raw(b'', ('127.0.0.1', self.port))
        self.thread.join(WAIT)
        super().close()

    def serve(self):
        while data_source := self.socket.recvfrom(65535):
            data, source = data_source
            if not data:
                return
            m = Message.decode(data)
            m.source = source
            if m.type not in (CON, NON) or m.code == EMPTY:
                continue
            if len(self.held) >= 20:
                late = self.held.pop(0)
                self.reply(late, payload=late.path, type=CON,
                           mid=random.randrange(65536))
            if random.random() < 0.3:
                self.held.append(m)
            else:
                self.reply(m, payload=m.path)


def own_address():
    """One of loopback that others hardly use: a port there is still free when
    it is bound again."""
    return '127.77.%d.%d' % tuple(random.choices(range(1, 255), k=2))


@test('ATK-40: kill -9 and restart during traffic: no wrong answers')
def _():
    with Echoing() as origin, contextlib.ExitStack() as stack:
        route = f'[route]\nto = coap://127.0.0.1:{origin.port}\n' \
            '[cache]\nsize = 1M\n[origin]\nnstart = 64\n'
        here = own_address()
        proxy = Proxy(f'[listen]\nbind = coap://{here}:0\n{route}')
        bind = f'[listen]\nbind = coap://{here}:{proxy.port}\n'
        clients = [stack.enter_context(Client((here, proxy.port)))
                   for _ in range(20)]
        try:
            for life in range(5):
                waiting, right = {}, 0
                for i in range(40):
                    for n, client in enumerate(clients):
                        path = f'/{life}/{i}/{n}'
                        with contextlib.suppress(ConnectionRefusedError):
                            # The same tokens and Message IDs in each life.
                            sent = client.send(Message(
                                GET, path, token=bytes([i, n]),
                                mid=i * 50 + n))
                            waiting[n, sent.token] = path
                    right += judge(clients, waiting)
                # Some have their answers, others wait for one.
                deadline = time.monotonic() + 4 * WAIT
                while right < 50:
                    right += judge(clients, waiting)
                    equal(time.monotonic() < deadline, True, right)
                    select.select([c.socket for c in clients], [], [], 1)
                proxy.process.kill()
                proxy.wait_end()
                judge(clients, waiting)
                proxy.close()
                proxy = Proxy(bind + route)
        finally:
            proxy.close()
        proxy.check(proxy.process.returncode)


def judge(clients, waiting):
    """What has come is what was asked for; how much it was."""
    right = 0
    for n, client in enumerate(clients):
        while client.ready(0):
            try:
                m = client.receive(0)
            except ConnectionRefusedError:
                continue
            if m.source != client.to:
                continue    # meant for who had this port before
            if m.type == CON:
                client.send(Message(EMPTY, type=ACK, mid=m.mid, token=b''))
            if m.code != '2.05':
                continue
            equal(m.payload.decode(), waiting.get((n, m.token)), 'answer')
            right += 1
    return right


@test('ATK-40: what others say to the process before goes unheard, or is reset')
def _():
    with Origin() as origin:
        text = f'[route]\nto = coap://127.0.0.1:{origin.port}\n'
        here = own_address()
        proxy = Proxy(f'[listen]\nbind = coap://{here}:0\n{text}')
        with Client((here, proxy.port)) as client:
            client.send(Message(GET, '/old'))
            old = origin.receive()
            client.receive()        # the empty ACK
            origin.reply(old, payload=b'old', type=CON, mid=7)
            answer = client.receive()
            equal(answer.type, CON)
            proxy.process.kill()
            proxy.wait_end()
            proxy.close()
            with Proxy(f'[listen]\nbind = coap://{here}:{proxy.port}\n'
                       f'{text}') as proxy:
                # The ACK of the old answer, a RST for it, a late response.
                client.send(Message(EMPTY, type=ACK, mid=answer.mid,
                                    token=b''))
                client.send(Message(EMPTY, type=RST, mid=answer.mid,
                                    token=b''))
                client.send(Message('2.05', type=CON, mid=9, token=b'x'))
                reset = client.receive()
                equal((reset.type, reset.mid, len(reset.raw)), (RST, 9, 4))
                equal(client.fence(), [])
                sent = client.send(Message(GET, '/new'))
                request = origin.receive()
                while request.code != GET:
                    request = origin.receive()
                equal((request.token != old.token, request.path),
                      (True, '/new'))
                origin.reply(request, payload=b'stale', token=old.token)
                equal(said(client), [])
                origin.reply(request, payload=b'new')
                equal(client.await_response(sent).payload, b'new')


tap.run()
