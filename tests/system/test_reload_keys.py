"""A reload that changes where operators look, where names are asked for, or
where requests come to; and what is under way there."""

import contextlib
import os
import socket
import tempfile
import time

import tap
from admin import coaproxyctl, receive_all
from coap import (ACK, CON, EMPTY, GET, MAX_AGE, NON, OBSERVE, POST, WAIT,
                  Client, Message, Origin)
from programs import NameServer, Proxy
from tap import contains, equal, test

BASE = '[route]\nreply = 2.05 "here"\n'


def wait_until(what, condition):
    deadline = time.monotonic() + WAIT
    while not condition():
        equal(time.monotonic() < deadline, True, what)
        time.sleep(0.01)


def free_port(kind, host='127.0.0.1'):
    with socket.socket(socket.AF_INET, kind) as s:
        s.bind((host, 0))
        return s.getsockname()[1]


def cannot_bind(s, port, host='127.0.0.1'):
    try:
        s.bind((host, port))
        if s.type == socket.SOCK_STREAM:
            s.listen()
    except OSError:
        return True
    return False


@contextlib.contextmanager
def directory():
    with tempfile.TemporaryDirectory() as name:
        yield name


def scrape(address):
    """The body of /healthz at ADDRESS; None when nobody is there."""
    try:
        with socket.create_connection(address, WAIT) as s:
            s.sendall(b'GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n')
            return receive_all(s).partition(b'\r\n\r\n')[2]
    except ConnectionRefusedError:
        return None


def refused(proxy, text, *args):
    """TEXT is refused; what is said of it."""
    proxy.configure(text)
    status, out, err = coaproxyctl(*args, 'reload')
    equal(status, 1, err)
    return out + err


# ---- [metrics] ----

def metrics(port, host='127.0.0.1'):
    return f'{BASE}[metrics]\nbind = http://{host}:{port}\n'


@test('[metrics] bind: the new address, and the old one no more')
def _():
    one, two = free_port(socket.SOCK_STREAM), free_port(socket.SOCK_STREAM)
    with Proxy(metrics(one)) as proxy:
        equal(scrape(('127.0.0.1', one)), b'ok\n')
        # Who has begun to ask is answered at the old one.
        with socket.create_connection(('127.0.0.1', one), WAIT) as begun:
            begun.sendall(b'GET /healthz HTTP/1.1\r\n')
            equal(scrape(('127.0.0.1', one)), b'ok\n')
            proxy.reload(metrics(two), 2)
            contains(proxy.output, f'metrics: http://127.0.0.1:{two}/metrics')
            equal(scrape(('127.0.0.1', two)), b'ok\n')
            equal(scrape(('127.0.0.1', one)), None)
            begun.sendall(b'Host: x\r\n\r\n')
            contains(receive_all(begun).decode(), 'ok\n')
        proxy.reload(BASE, 3)
        equal(scrape(('127.0.0.1', two)), None)
        proxy.reload(metrics(one), 4)
        equal(scrape(('127.0.0.1', one)), b'ok\n')


@test('[metrics] bind: what stays is the same socket')
def _():
    with Proxy(metrics(0)) as proxy:
        port = int(proxy.wait_for(r'metrics: http://127\.0\.0\.1:(\d+)/')[1])
        with socket.create_connection(('127.0.0.1', port), WAIT) as begun:
            proxy.reload(metrics(0), 2)
            begun.sendall(b'GET / HTTP/1.1\r\nHost: x\r\n\r\n')
            contains(receive_all(begun).decode(), 'configuration 2')
        equal(proxy.output.count('metrics: http'), 1)


@test('[metrics] bind: one address and all of them, at the same port')
def _():
    port = free_port(socket.SOCK_STREAM)
    with Proxy(metrics(port)) as proxy:
        proxy.reload(metrics(port, '0.0.0.0'), 2)
        equal(scrape(('127.0.0.2', port)), b'ok\n')
        equal(scrape(('127.0.0.1', port)), b'ok\n')
        proxy.reload(metrics(port), 3)
        equal(scrape(('127.0.0.2', port)), None)
        equal(scrape(('127.0.0.1', port)), b'ok\n')
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            equal(cannot_bind(s, port), True, 'the port is not shared')


# ---- [control] ----

def control(path):
    return f'{BASE}[control]\nsocket = {path}\n'


@test('[control] socket: the answer comes by the old one, then it is gone')
def _():
    with directory() as where:
        one, two = f'{where}/one', f'{where}/two'
        with Proxy(control(one)) as proxy:
            trace = socket.socket(socket.AF_UNIX)
            trace.connect(one)
            trace.settimeout(WAIT)
            trace.sendall(b'trace\n')
            idle = socket.socket(socket.AF_UNIX)
            idle.connect(one)
            idle.settimeout(WAIT)
            equal(coaproxyctl('-s', one, 'status')[0], 0)
            proxy.configure(control(two))
            equal(coaproxyctl('-s', one, 'reload')[0], 0)
            equal(os.listdir(where), ['two'])
            contains(coaproxyctl('-s', two, 'status')[1], 'configuration 2')
            # Who is connected may still ask; who watches does so no more.
            idle.sendall(b'status\n')
            contains(receive_all(idle).decode(), 'configuration 2')
            equal(receive_all(trace), b'')
            idle.close()
            trace.close()
            # ... and back, with the path that has been in use.
            proxy.configure(control(one))
            equal(coaproxyctl('-s', two, 'reload')[0], 0)
            equal(os.listdir(where), ['one'])
            equal(coaproxyctl('-s', one, 'status')[0], 0)
        equal(os.listdir(where), [])


@test('[control] and [metrics]: what cannot be had leaves all as it was')
def _():
    one, two = free_port(socket.SOCK_STREAM), free_port(socket.SOCK_STREAM)
    coap = free_port(socket.SOCK_DGRAM)
    with directory() as where, socket.socket() as taken:
        taken.bind(('127.0.0.1', 0))
        taken.listen()
        other = taken.getsockname()[1]
        good = f'{where}/good'

        def text(port, path, more=''):
            return (f'{metrics(port)}[control]\nsocket = {path}\n{more}')

        with Proxy(text(one, good)) as proxy:
            err = refused(proxy, text(other, f'{where}/new'), '-s', good)
            contains(err, f'cannot listen on http://127.0.0.1:{other}: '
                     'Address already in use')
            equal(os.listdir(where), ['good'])
            err = refused(proxy, text(two, f'{where}/no/where'), '-s', good)
            contains(err, f'cannot open the control socket {where}/no/where: ')
            equal(scrape(('127.0.0.1', two)), None)
            # Nothing else has been opened either.
            err = refused(proxy, text(
                other, good, f'[listen]\nbind = coap://127.0.0.1:{coap}'),
                '-s', good)
            equal('listening: ' in proxy.output, False)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                s.bind(('127.0.0.1', coap))
            equal(scrape(('127.0.0.1', one)), b'ok\n')
            contains(coaproxyctl('-s', good, 'status')[1], 'configuration 1')
            with Client(proxy.address) as client:
                equal(client.request(GET, '/').payload, b'here')


@test('[metrics] and [control]: changed often while somebody is connected')
def _():
    ports = [free_port(socket.SOCK_STREAM) for _ in range(2)]
    with directory() as where:
        paths = [f'{where}/{i}' for i in range(2)]
        held = []
        with Proxy(f'{metrics(ports[0])}[control]\nsocket = {paths[0]}\n') \
                as proxy:
            for number in range(1, 12):
                last, this = (number + 1) % 2, number % 2
                s = socket.create_connection(('127.0.0.1', ports[last]), WAIT)
                s.sendall(b'GET /')
                held.append(s)
                proxy.configure(f'{metrics(ports[this])}[control]\n'
                                f'socket = {paths[this]}\n')
                equal(coaproxyctl('-s', paths[last], 'reload')[0], 0)
            equal(scrape(('127.0.0.1', ports[1])), b'ok\n')
            # Of those from before only a few are kept.
            open_files = f'/proc/{proxy.process.pid}/fd'
            held[0].settimeout(WAIT)
            with contextlib.suppress(ConnectionResetError):
                equal(held[0].recv(1), b'')
            equal(len(os.listdir(open_files)) < 40, True)
            for s in held:
                s.close()


# ---- [dns] ----

def named(dns, origin, more=''):
    return (f'[route]\nto = coap://lamp.test:{origin.port}\n'
            f'[dns]\nservers = {dns.address}\nmin-ttl = 1h\nmax-ttl = 1h\n'
            f'{more}')


def ask(client, origin, path):
    """A request is answered by ORIGIN."""
    sent = client.send(Message(GET, path))
    equal(origin.answer(payload=path).path, path)
    equal(client.await_response(sent).payload, path.encode())


@test('[dns] servers: others are asked for what was known already')
def _():
    with Origin() as one, Origin('127.0.0.2', one.port) as two, \
            NameServer({'lamp.test': ['127.0.0.1']}) as first, \
            NameServer({'lamp.test': ['127.0.0.2']}) as second, \
            Proxy(named(first, one)) as proxy, \
            Client(proxy.address) as client:
        ask(client, one, '/a')
        # The same servers: nothing is asked.
        proxy.reload(named(first, one, 'timeout = 9s'), 2)
        ask(client, one, '/b')
        equal(first.asked, ['lamp.test'] * 2, 'A and AAAA once')
        proxy.reload(named(second, one), 3)
        ask(client, two, '/c')
        ask(client, two, '/d')
        equal(second.asked, ['lamp.test'] * 2, 'A and AAAA once')
        proxy.reload(named(first, one), 4)
        ask(client, one, '/e')


@test('[dns] servers: a look-up under way ends where it began')
def _():
    with Origin() as origin, \
            NameServer({'lamp.test': None}) as silent, \
            NameServer({'lamp.test': ['127.0.0.1']}) as good, \
            Proxy(named(silent, origin, 'timeout = 2s')) as proxy, \
            Client(proxy.address) as client, \
            Client(proxy.address) as other:
        sent = client.send(Message(GET, '/early'))
        wait_until('it is asked for', lambda: silent.asked)
        proxy.reload(named(good, origin), 2)
        ask(other, origin, '/late')
        equal(client.await_response(sent).code, '5.04')
        # That it was not found there does not count here.
        ask(client, origin, '/later')


# ---- [listen] ----

def listening(where, port, more=BASE):
    return f'[listen]\nbind = coap://{where}:{port}\n{more}'


@test('[listen] bind: from one address to all of them and back, by one socket')
def _():
    port = free_port(socket.SOCK_DGRAM)
    with Proxy(listening('127.0.0.1', port)) as proxy, \
            Client(('127.0.0.1', port)) as one, \
            Client(('127.0.0.2', port)) as two, \
            Client(('::1', port), '::1') as six:
        equal(one.request(GET, '/').payload, b'here')
        proxy.reload(listening('*', port), 2)
        for client in one, two, six:
            equal(client.request(GET, '/').payload, b'here')
        proxy.reload(listening('127.0.0.1', port), 3)
        equal(one.request(GET, '/').payload, b'here')
        # Then nobody is at the other addresses.
        proxy.wait_for(rf'closed: coap://\[::\]:{port}')
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            wait_until('it is free',
                       lambda: not cannot_bind(s, port, '127.0.0.2'))
        equal(one.request(GET, '/').payload, b'here')
        proxy.reload(listening('0.0.0.0', port), 4)
        for client in one, two:
            equal(client.request(GET, '/').payload, b'here')
        proxy.reload(listening('*', port), 5)
        for client in one, two, six:
            equal(client.request(GET, '/').payload, b'here')
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            equal(cannot_bind(s, port), True, 'the port is not shared')


@test('MSG-61: a copy is a copy at the socket that has taken over')
def _():
    port = free_port(socket.SOCK_DGRAM)
    with Origin() as origin:
        more = f'[route]\nto = coap://127.0.0.1:{origin.port}\n'
        with Proxy(listening('127.0.0.1', port, more)) as proxy, \
                Client(('127.0.0.1', port)) as client:
            for number, where in enumerate(('*', '127.0.0.1', '0.0.0.0',
                                            '127.0.0.1', '*', '0.0.0.0'), 2):
                sent = client.send(Message(POST, f'/{number}'))
                origin.answer('2.04', payload=f'{number}')
                first = client.receive()
                # ... and who waits is answered by it.
                slow = client.send(Message(GET, '/slow'))
                request = origin.receive()
                proxy.reload(listening(where, port, more), number)
                client.send_raw(sent.raw)
                equal(client.receive().raw, first.raw)
                origin.reply(request, payload='late')
                equal(client.await_response(slow).payload, b'late')
            origin.untouched()


@test('who observes at an address does so at all of them, and the other way')
def _():
    port = free_port(socket.SOCK_DGRAM)
    with Origin() as origin:
        more = f'[route]\nto = coap://127.0.0.1:{origin.port}\n'
        with Proxy(listening('127.0.0.1', port, more)) as proxy, \
                Client(('127.0.0.1', port)) as client, \
                Client(('127.0.0.2', port)) as other:
            sent = client.send(Message(GET, '/t', [(OBSERVE, 0)]))
            watched = origin.receive()
            origin.reply(watched, payload='1',
                         options=[(OBSERVE, 1), (MAX_AGE, 1000)])
            equal(client.await_response(sent).payload, b'1')

            def tell(number):
                origin.reply(watched, payload=f'{number}', type=NON,
                             mid=number, options=[(OBSERVE, number),
                                                  (MAX_AGE, 1000)])

            def told(client, sent, number):
                m = client.receive()
                equal((m.token, m.payload), (sent.token, b'%d' % number))
                if m.type == CON:
                    client.send(Message(EMPTY, type=ACK, mid=m.mid,
                                        token=b''))

            proxy.reload(listening('*', port, more), 2)
            tell(2)
            told(client, sent, 2)
            also = other.send(Message(GET, '/t', [(OBSERVE, 0)]))
            equal(other.await_response(also).payload, b'2')
            proxy.reload(listening('127.0.0.1', port, more), 3)
            # At 127.0.0.2 that is the end.
            last = other.receive()
            equal((last.token, last.code), (also.token, '5.03'))
            if last.type == CON:
                other.send(Message(EMPTY, type=ACK, mid=last.mid, token=b''))
            tell(3)
            told(client, sent, 3)


@test('[listen] bind: a port that somebody else would share is not had')
def _():
    with directory() as where, \
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(('127.0.0.1', 0))
        port = s.getsockname()[1]
        way = f'[control]\nsocket = {where}/s\n'
        with Proxy(BASE + way) as proxy:
            for host in '127.0.0.1', '*':
                contains(refused(proxy, listening(host, port) + way,
                                 '-s', f'{where}/s'), 'in use')


@test('[listen] bind: an address and all of them in one configuration: refused')
def _():
    port = free_port(socket.SOCK_DGRAM)
    text = listening('127.0.0.1', port)
    both = f'{text}[listen b]\nbind = coap://*:{port}\n'
    with directory() as where:
        way = f'[control]\nsocket = {where}/s\n'
        with Proxy(text + way) as proxy, \
                Client(('127.0.0.1', port)) as client:
            contains(refused(proxy, both + way, '-s', f'{where}/s'),
                     f'cannot listen on coap://*:{port}: Address already in '
                     'use')
            equal(client.request(GET, '/').payload, b'here')
        with Proxy(listening('*', port) + way) as proxy, \
                Client(('127.0.0.1', port)) as client:
            # The first two are in the way of the one that stays.
            refused(proxy, f'{text}[listen b]\nbind = coap://127.0.0.2:{port}'
                    f'\n[listen c]\nbind = coap://*:{port}\n'
                    f'[listen d]\nbind = coap://192.0.2.1:{port}\n{way}',
                    '-s', f'{where}/s')
            equal(client.request(GET, '/').payload, b'here')
            proxy.reload(listening('*', port) + way, 2)
            equal(client.request(GET, '/').payload, b'here')


@test('[listen] bind: what was had beside the old one is given up unused')
def _():
    port = free_port(socket.SOCK_DGRAM)
    with Origin() as origin, directory() as where, socket.socket() as taken:
        taken.bind(('127.0.0.1', 0))
        taken.listen()
        other = taken.getsockname()[1]
        log = f'[log]\ntarget = {where}/log\n'
        way = (f'[control]\nsocket = {where}/s\n'
               f'[route slow]\npath = /slow\nto = coap://127.0.0.1:{origin.port}\n')
        two = (listening('127.0.0.1', port, way + BASE + log) +
               f'[listen b]\nbind = coap://127.0.0.2:{port}\n')
        with Proxy(listening('*', port, way + BASE)) as proxy, \
                Client(('127.0.0.1', port)) as one, \
                Client(('127.0.0.2', port)) as two_, \
                Client(('127.0.0.3', port)) as three:
            for more, why in (
                    (f'[listen d]\nbind = coap://192.0.2.1:{port}\n',
                     'cannot listen on coap://192.0.2.1:'),
                    (f'[metrics]\nbind = http://127.0.0.1:{other}\n',
                     'cannot listen on http://')):
                fds = len(os.listdir(f'/proc/{proxy.process.pid}/fd'))
                sent = one.send(Message(GET, '/slow'))
                request = origin.receive()
                contains(refused(proxy, two + more, '-s', f'{where}/s'), why)
                # By the socket that was there, from before and since.
                origin.reply(request, payload='late')
                equal(one.await_response(sent).payload, b'late')
                for client in one, two_, three:
                    equal(client.request(GET, '/').payload, b'here')
                wait_until('they are closed', lambda: len(os.listdir(
                    f'/proc/{proxy.process.pid}/fd')) <= fds + 1)
            proxy.configure(two)
            equal(coaproxyctl('-s', f'{where}/s', 'reload')[0], 0)
            with open(f'{where}/log') as file:
                wait_until('it is closed',
                           lambda: 'closed: ' in file.read())
            for client in one, two_:
                equal(client.request(GET, '/').payload, b'here')


@test('[listen] bind: a socket stays as long as an answer is owed by it')
def _():
    port, other = free_port(socket.SOCK_DGRAM), free_port(socket.SOCK_DGRAM)
    with Origin() as origin:
        more = f'[route]\nto = coap://127.0.0.1:{origin.port}\n'
        with Proxy(listening('127.0.0.1', port, more)) as proxy, \
                Client(('127.0.0.1', port)) as one, \
                Client(('127.0.0.1', other)) as two:
            sent = one.send(Message(GET, '/slow'))
            request = origin.receive()
            origin.acknowledge(request)
            began = time.monotonic()
            proxy.reload(listening('127.0.0.1', other, more), 2)
            # It is looked at four times a second.
            while time.monotonic() < began + 1:
                ask(two, origin, '/quick')
            equal('closed: ' in proxy.output, False)
            origin.reply(request, payload='late', type=NON, mid=1)
            equal(one.await_response(sent).payload, b'late')
            proxy.wait_for(rf'closed: coap://127\.0\.0\.1:{port}$')


tap.run()
