"""Numbers over HTTP: what is counted, by what name, and how much of it one can
be made to bear."""

import json
import os
import re
import signal
import socket
import subprocess
import time

import tap
from admin import PROMTOOL, Watched, parse_metrics, receive_all
from coap import (ACK, CON, EMPTY, GET, NON, OBSERVE, POST, PROXY_URI, PUT,
                  Client, Message, Origin, uint)
from programs import TOP, coaproxy
from tap import contains, equal, test


def until(condition, what, limit=20):
    """Waits for what must come true by itself."""
    deadline = time.monotonic() + limit
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f'not in {limit} s: {what}')
        time.sleep(0.02)
    return value


ROUTES = '''
[listen public]
bind = coap://127.0.0.1:0
[route lamp]
path = /lamp
to = coap://127.0.0.1:{port}
[route "quoted"\\odd]
path = /odd
reply = 2.05 "odd"
'''


@test('requests and responses are counted by listener, route, method, code')
def _():
    with Origin() as origin, Watched(ROUTES.format(port=origin.port)) as p, \
            Client(p.address) as client:
        at = {'listener': 'public', 'route': 'lamp'}
        m = p.metrics()
        equal(m.value('coaproxy_requests_total', method='GET', **at), None)
        equal(m.value('coaproxy_origin_in_flight',
                      origin=f'127.0.0.1:{origin.port}'), None)
        sent = client.send(Message(GET, '/lamp/a'))
        request = origin.receive()
        m = p.metrics()
        equal(m.value('coaproxy_requests_total', method='GET', **at), 1)
        equal(m.value('coaproxy_requests_in_flight', route='lamp'), 1)
        server = {'origin': f'127.0.0.1:{origin.port}',
                  'server': f'127.0.0.1:{origin.port}'}
        equal(m.value('coaproxy_origin_requests_total', **server), 1)
        equal(m.value('coaproxy_origin_in_flight',
                      origin=server['origin']), 1)
        origin.reply(request, payload='on')
        equal(client.await_response(sent).code, '2.05')
        client.send(Message(POST, '/lamp/b'))
        origin.answer('4.04')
        equal(client.receive().code, '4.04')
        equal(client.request(GET, '/odd').payload, b'odd')
        equal(client.request(GET, '/nothing').code, '4.04')
        equal(client.request('0.31', '/lamp').code, '4.05')
        m = p.metrics()
        equal(m.value('coaproxy_requests_in_flight', route='lamp'), 0)
        equal(m.value('coaproxy_responses_total', code='2.05', **at), 1)
        equal(m.value('coaproxy_responses_total', code='4.04', **at), 1)
        equal(m.value('coaproxy_requests_total', method='POST', **at), 1)
        equal(m.value('coaproxy_requests_total', method='GET',
                      listener='public', route='"quoted"\\odd'), 1)
        equal(m.value('coaproxy_responses_total', code='4.04',
                      listener='public', route='[proxy]'), 1)
        equal(m.value('coaproxy_requests_total', method='other',
                      listener='public', route='[none]'), 1)
        equal(m.value('coaproxy_request_duration_seconds_count',
                      route='lamp'), 2)
        equal(m.value('coaproxy_origin_responses_total', **{
            'class': '2', 'origin': server['origin']}), 1)
        equal(m.value('coaproxy_origin_responses_total', **{
            'class': '4', 'origin': server['origin']}), 1)
        equal(m.value('coaproxy_origin_request_duration_seconds_count',
                      origin=server['origin']), 2)
        equal(m.value('coaproxy_listener_received_datagrams_total',
                      listener='public', transport='udp'), 5)
        equal(m.value('coaproxy_listener_sent_datagrams_total',
                      listener='public', transport='udp'), 5)


@test('what time it takes is in the buckets')
def _():
    with Origin() as origin, Watched(ROUTES.format(port=origin.port)) as p, \
            Client(p.address) as client:
        sent = client.send(Message(GET, '/lamp/a', type=NON))
        request = origin.receive()
        time.sleep(0.3)
        origin.reply(request)
        client.await_response(sent)
        m = p.metrics()
        for name, label in (('coaproxy_request_duration_seconds', {
                'route': 'lamp'}), (
                'coaproxy_origin_request_duration_seconds', {
                    'origin': f'127.0.0.1:{origin.port}'})):
            equal(m.value(f'{name}_bucket', le='0.128', **label), 0)
            equal(m.value(f'{name}_bucket', le='+Inf', **label), 1)
            total = m.value(f'{name}_sum', **label)
            equal(0.28 < total < 20, True, f'{name}: {total}')


@test('what is dropped, repeated and refused is counted at its listener')
def _():
    text = '''
[listen one]
bind = coap://127.0.0.1:0
deny-from = 127.0.0.2
[listen two]
bind = coap://127.0.0.1:0
rate-limit = 1/s burst 1
[route]
reply = 2.05 "x"
'''
    with Watched(text) as p, Client(p.address) as one, \
            Client(('127.0.0.1', p.ports[1])) as two, \
            Client(p.address, '127.0.0.2') as denied:
        again = one.send(Message(GET, '/'))
        one.await_response(again)
        for _ in range(3):
            one.send_raw(again.raw)
            one.await_response(again)
        one.send_raw(b'\x49\x01\x00\x01')
        one.send_raw(b'\x00')
        one.fence()
        equal(denied.request(GET, '/').code, '4.03')
        equal(two.request(GET, '/').code, '2.05')
        equal(two.request(GET, '/').code, '4.29')
        m = p.metrics()
        name = 'coaproxy_message_duplicates_total'
        equal(m.value(name, listener='one'), 3)
        equal(m.value(name, listener='two'), 0)
        name = 'coaproxy_listener_dropped_total'
        equal(m.sum(name, listener='one'), 2)
        equal(m.sum(name, listener='two'), 0)
        name = 'coaproxy_requests_rate_limited_total'
        equal(m.value(name, listener='one'), 0)
        equal(m.value(name, listener='two'), 1)
        equal(m.value('coaproxy_requests_denied_total', reason='acl'), 1)


@test('the cache, blocks and observations are counted')
def _():
    with Origin() as origin, Watched(
            ROUTES.format(port=origin.port) + '[cache]\nsize = 1M\n') as p, \
            Client(p.address) as client:
        client.send(Message(GET, '/lamp/a'))
        origin.answer(payload='x')
        client.receive()
        equal(client.request(GET, '/lamp/a').payload, b'x')
        m = p.metrics()
        equal(m.value('coaproxy_cache_lookups_total', result='hit'), 1)
        equal(m.value('coaproxy_cache_lookups_total', result='miss'), 1)
        equal(m.value('coaproxy_cache_entries'), 1)
        equal(100 < m.value('coaproxy_cache_size_bytes') < 1 << 20, True)
        sent = client.send(Message(GET, '/lamp/o', [(OBSERVE, 0)]))
        request = origin.receive()
        origin.reply(request, options=[(OBSERVE, 1)], payload='1')
        client.await_response(sent)
        m = p.metrics()
        equal(m.value('coaproxy_observations_upstream', route='lamp'), 1)
        equal(m.value('coaproxy_observations_downstream', route='lamp'), 1)
        origin.send(Message('2.05', options=[(OBSERVE, 2)], payload='2',
                            token=request.token, type=NON), request.source)
        client.receive()
        m = p.metrics()
        name = 'coaproxy_observation_notifications_received_total'
        equal(m.value(name, route='lamp'), 1)
        name = 'coaproxy_observation_notifications_sent_total'
        equal(m.value(name, route='lamp'), 1)
        name = 'coaproxy_observation_reregistrations_total'
        equal(m.value(name, route='lamp', reason='stale'), 0)
        client.send(Message(PUT, '/lamp/big', [(27, uint(0 << 4 | 8 | 6))],
                            b'x' * 1024))
        equal(client.receive().code, '2.31')
        equal(p.metrics().value('coaproxy_blockwise_transfers',
                                direction='request'), 1)
        client.send(Message(PUT, '/lamp/big', [(27, uint(1 << 4 | 6))],
                            b'x'))
        origin.receive()
        m = p.metrics()
        equal(m.value('coaproxy_blockwise_transfers', direction='request'), 0)
        equal(m.value('coaproxy_blockwise_transfers_total', result='ok',
                      direction='request'), 1)


@test('a silent origin is not up, until it says something')
def _():
    text = '''
[message]
ack-timeout = 1s
ack-random-factor = 1
max-retransmit = 0
empty-ack-delay = 100ms
[route]
to = coap://127.0.0.1:{port}
'''
    with Origin() as origin, Watched(text.format(port=origin.port)) as p, \
            Client(p.address) as client:
        name = f'127.0.0.1:{origin.port}'
        client.send(Message(GET, '/a'))
        origin.answer(payload='x')
        client.receive()
        up = 'coaproxy_origin_up'
        equal(p.metrics().value(up, origin=name, server=name), 1)
        sent = client.send(Message(GET, '/b'))
        origin.receive()
        equal(client.await_response(sent).code, '5.04')
        m = p.metrics()
        equal(m.value(up, origin=name, server=name), 0)
        equal(m.value('coaproxy_message_timeouts_total', side='origin'), 1)


@test('forward: destinations of clients are one series')
def _():
    text = '[forward]\nallow-to = coap://127.0.0.0/8:*\n'
    with Origin() as one, Origin() as two, Watched(text) as p, \
            Client(p.address) as client:
        for origin in (one, two):
            client.send(Message(GET, options=[
                (PROXY_URI, f'coap://127.0.0.1:{origin.port}/x')]))
            origin.answer(payload='x')
            client.receive()
        m = p.metrics()
        equal(m.value('coaproxy_origin_requests_total', origin='[forward]',
                      server='*'), 2)
        equal(m.sum('coaproxy_origin_requests_total'), 2)
        equal(m.sum('coaproxy_requests_total', route='[forward]'), 2)


@test('the format is what Prometheus reads')
def _():
    with Origin() as origin, Watched(ROUTES.format(port=origin.port)) as p, \
            Client(p.address) as client:
        client.send(Message(GET, '/lamp'))
        origin.answer()
        client.receive()
        m = p.metrics()
        equal(len(m.families) > 35, True)
        equal(m.value('coaproxy_config_last_reload_successful'), 1)
        start = m.value('coaproxy_start_time_seconds')
        equal(abs(start - time.time()) < 60, True, f'start {start}')


# What the interface promises, and its labels; what is for streams, TLS and HTTP
# is not in this build.
PROMISED = """
build_info version libevent tls
config_last_reload_successful
config_last_reload_success_timestamp_seconds
config_reloads_total result
start_time_seconds
listener_received_datagrams_total listener transport
listener_received_bytes_total listener transport
listener_sent_datagrams_total listener transport
listener_sent_bytes_total listener transport
listener_dropped_total listener reason
listener_receive_queue_overflows_total listener
requests_total listener route method
responses_total listener route code
request_duration_seconds route
requests_in_flight route
requests_denied_total reason
requests_rate_limited_total listener
message_duplicates_total listener
message_retransmissions_total side
message_timeouts_total side
message_resets_total side direction
origin_requests_total origin server
origin_responses_total origin class
origin_request_duration_seconds origin
origin_up origin server
origin_in_flight origin
origin_queued_requests origin
observations_upstream route
observations_downstream route
observation_notifications_received_total route
observation_notifications_sent_total route
observation_reregistrations_total route reason
cache_lookups_total result
cache_entries
cache_size_bytes
cache_evictions_total reason
cache_validations_total result
blockwise_transfers direction
blockwise_transfers_total direction result
dns_lookups_total result
dns_lookup_duration_seconds
memory_limit_rejections_total table
table_entries table
buffer_bytes state
event_loop_lag_seconds worker
"""


@test('every family of the interface is there, with its labels')
def _():
    with Origin() as origin, Watched('[cache]\nsize = 1M\n' + ROUTES.format(
            port=origin.port)) as p, Client(p.address) as client:
        sent = client.send(Message(GET, '/lamp', [(OBSERVE, 0)]))
        origin.answer(options=[(OBSERVE, 1)])
        client.await_response(sent)
        m = p.metrics()
    for line in PROMISED.strip().splitlines():
        name, *labels = line.split()
        family = m.families[f'coaproxy_{name}']
        equal(len(family.samples) > 0, True, name)
        for _, have in family.samples:
            equal({n for n, _ in have} - {'le'}, set(labels), name)


@test('promtool check metrics has nothing to say')
def _():
    if not PROMTOOL:
        raise tap.Skip('no promtool')
    with Origin() as origin, Watched(ROUTES.format(port=origin.port)) as p, \
            Client(p.address) as client:
        for path in ('/lamp', '/odd', '/nothing'):
            sent = client.send(Message(GET, path, [(OBSERVE, 0)]))
            if path == '/lamp':
                origin.answer(options=[(OBSERVE, 1)])
            client.await_response(sent)
        m = p.metrics()
        done = subprocess.run([PROMTOOL, 'check', 'metrics'], input=m.text,
                              capture_output=True, text=True, timeout=20)
        equal((done.returncode, done.stderr), (0, ''))
    done = subprocess.run(
        [PROMTOOL, 'check', 'rules', TOP / 'contrib/alerts.yml'],
        capture_output=True, text=True, timeout=20)
    equal((done.returncode, done.stderr), (0, ''), done.stdout)


@test('the parser of this test refuses what is no such format')
def _():
    head = '# HELP a_total x\n# TYPE a_total counter\n'
    parse_metrics(head + 'a_total 1\n')
    for bad in ('a_total 1', 'a_total{x=1} 1\n', 'a_total{x="1"} 1\n' * 2,
                'b_total 1\n', 'a_total  1\n', 'a_total{x="\\q"} 1\n',
                '\n', 'a_total one\n', head):
        try:
            parse_metrics(head + bad)
        except ValueError:
            continue
        raise AssertionError(bad)


def named(text):
    """The names of metrics in TEXT, those of samples of histograms as that of
    the family."""
    return {re.sub('_(bucket|sum|count)$', '', name)
            for name in re.findall(r'\bcoaproxy_\w+', text)}


@test('contrib: each metric of the dashboard and the alerts exists')
def _():
    with Watched('[route]\nreply = 2.05 "x"\n') as p:
        have = set(p.metrics().families)
    dashboard = (TOP / 'contrib/grafana.json').read_text()
    alerts = (TOP / 'contrib/alerts.yml').read_text()
    equal(len(json.loads(dashboard)['panels']) > 5, True)
    for text in (dashboard, alerts):
        equal(len(named(text)) > 3, True)
        equal(named(text) - have, set())


@test('/healthz: 200, and 503 while it drains')
def _():
    with Origin() as origin, Watched(ROUTES.format(port=origin.port)) as p, \
            Client(p.address) as client:
        equal(p.get('/healthz')[::2], (200, 'ok\n'))
        sent = client.send(Message(GET, '/lamp'))
        request = origin.receive()
        p.signal(signal.SIGTERM)
        p.wait_for('draining')
        equal(p.get('/healthz')[::2], (503, 'draining\n'))
        contains(p.get('/')[2], 'draining')
        origin.reply(request)
        client.await_response(sent)
        equal(p.wait_end(), 0)


@test('/ is a page for people; what is not there is 404')
def _():
    with Watched(ROUTES.format(port=9)) as p:
        status, headers, page = p.get('/')
        equal((status, headers['content-type']),
              (200, 'text/plain; charset=utf-8'))
        for part in ('coaproxy', p.uri, 'public', 'lamp', 'cache'):
            contains(page, part)
        equal(max(map(len, page.splitlines())) <= 100, True, page)
        equal(len(page.splitlines()) <= 40, True)
        for path in ('/x', '/metrics/', '/../etc/passwd', '/%2e%2e/'):
            equal(p.get(path)[0], 404, path)
        for method in ('HEAD', 'POST', 'PUT', 'DELETE', 'NONSENSE'):
            equal(p.get('/metrics', method)[0] in (400, 405, 501), True,
                  method)


def works(p):
    equal(p.get('/healthz')[0], 200)


@test('HTTP: what is no request ends the connection and nothing else')
def _():
    with Watched(ROUTES.format(port=9)) as p:
        for data in (b'\r\n\r\n', b'GET\r\n\r\n', b'\0\xff' * 100 + b'\r\n\r\n',
                     b'GET / HTTP/9.9\r\n\r\n', b'GET / HTTP/1.1\r\nx\r\n\r\n',
                     b'GET http://[ HTTP/1.1\r\n\r\n',
                     b'POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nabcde',
                     b'GET / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n',
                     b'GET /' + b'a' * 100000 + b' HTTP/1.1\r\n\r\n',
                     b'GET / HTTP/1.1\r\n' + b'X: y\r\n' * 20000 + b'\r\n'):
            with p.connect_http() as s:
                try:
                    s.sendall(data)
                    s.shutdown(socket.SHUT_WR)
                    receive_all(s)
                except ConnectionError:
                    pass
            works(p)


@test('HTTP: who goes before the answer is there takes nobody along')
def _():
    with Watched(ROUTES.format(port=9)) as p:
        for _ in range(50):
            with p.connect_http() as s:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                             b'\1\0\0\0\0\0\0\0')
                s.sendall(b'GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n' * 3)
        works(p)


@test('HTTP: a socket that gets the number of one that was closed is read')
def _():
    with Origin() as origin, Watched(ROUTES.format(port=origin.port)) as p, \
            Client(p.address) as client:
        for _ in range(5):
            p.metrics()
        sent = client.send(Message(GET, '/lamp'))
        origin.answer(payload='read')
        equal(client.await_response(sent).payload, b'read')


@test('ATK-35 ATK-37 HTTP: many connections wait, and are given up in time')
def _():
    with Watched(ROUTES.format(port=9)) as p:
        before = len(os.listdir(f'/proc/{p.process.pid}/fd'))
        held = [p.connect_http() for _ in range(25)]
        for s in held:
            s.sendall(b'GET / HT')
        # Those that say nothing more have to go before others have their turn.
        until(lambda: len(os.listdir(f'/proc/{p.process.pid}/fd')) > before,
              'connections')
        fds = len(os.listdir(f'/proc/{p.process.pid}/fd'))
        equal(fds <= before + 16, True, f'{before} and {fds} descriptors')
        with p.connect_http() as s:
            s.settimeout(30)
            s.sendall(b'GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n')
            contains(receive_all(s).decode(), '200 OK')
        for s in held:
            s.close()
        until(lambda: len(os.listdir(f'/proc/{p.process.pid}/fd')) <= before,
              'descriptors')
        works(p)


@test('ATK-37 HTTP: who dribbles is given up after 10 s altogether')
def _():
    with Watched(ROUTES.format(port=9)) as p, p.connect_http() as s:
        began = time.monotonic()
        s.settimeout(0.5)
        s.sendall(b'GET / HTTP/1.1\r\n')
        ended = False
        while not ended and time.monotonic() < began + 20:
            try:
                s.sendall(b'X')
                ended = s.recv(1000) == b''
            except TimeoutError:
                pass
            except ConnectionError:
                ended = True
        equal(ended, True)
        equal(9 < time.monotonic() - began < 15, True)
        works(p)


@test('an address that is taken: it does not start')
def _():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        s.listen()
        port = s.getsockname()[1]
        status, _, err = coaproxy('-c', '-', text=f'''
[listen]
bind = coap://127.0.0.1:0
[route]
reply = 2.05
[metrics]
bind = http://127.0.0.1:{port}
''')
        equal(status, 1)
        contains(err, f'cannot listen on http://127.0.0.1:{port}')


LISTEN = """
[listen {name}]
bind = coap://127.0.0.{host}:0
"""
ROUTE = """
[route {name}]
path = {path}
to = coap://127.0.0.1:{port}
"""


def counters(m):
    """{(sample, labels): number} of what must not go back."""
    return {key: number for family in m.families.values()
            if family.kind != 'gauge'
            for key, number in family.samples.items()}


def only_forward(before, after, gone=()):
    """No counter has gone back, or away but with one of the names GONE."""
    for key, number in counters(before).items():
        now = counters(after).get(key)
        if now is None:
            equal(any(label in gone for _, label in key[1]), True, key)
        else:
            equal(now >= number, True, f'{key}: {number}, then {now}')


def configure(p, text):
    """Has P take TEXT into use; the address of its listener "public"."""
    p.configure(text)
    p.ctl('reload')
    [status] = p.json('status')
    uris = re.findall(r'coap://127\.0\.0\.3:(\d+)', status['addresses'])
    return ('127.0.0.3', int(uris[0])) if uris else None


@test('reload: counters go on by name, whatever listeners and routes become')
def _():
    with Origin() as origin, Origin() as other:
        lamp = ROUTE.format(name='lamp', path='/lamp', port=origin.port)
        gone = ROUTE.format(name='gone', path='/gone', port=other.port)
        new = ROUTE.format(name='new', path='/new', port=other.port)
        first = (LISTEN.format(name='public', host=1) +
                 LISTEN.format(name='inside', host=2) + gone + lamp)
        second = (LISTEN.format(name='inside', host=2) +
                  LISTEN.format(name='public', host=3) + new + lamp)
        name = f'127.0.0.1:{origin.port}'
        at = {'listener': 'public', 'route': 'lamp', 'method': 'GET'}
        with Watched(first) as p, Client(p.address) as client:
            for i in range(3):
                sent = client.send(Message(GET, f'/lamp/{i}'))
                origin.answer()
                client.await_response(sent)
            client.send_raw(b'\x47\x01')
            slow = client.send(Message(GET, '/gone/slow'))
            waiting = other.receive()
            before = p.metrics()
            equal(before.value('coaproxy_requests_total', **at), 3)
            public = configure(p, second)
            after = p.metrics()
            only_forward(before, after)
            equal(after.value('coaproxy_requests_total', **at), 3)
            equal(after.value('coaproxy_config_generation'), 2)
            equal(after.value('coaproxy_config_reloads_total', result='ok'),
                  1)
            # What began under the rules before is counted by them.
            other.reply(waiting)
            equal(client.await_response(slow).code, '2.05')
            equal(p.metrics().value(
                'coaproxy_responses_total', listener='public', route='gone',
                code='2.05'), 1)
            with Client(public) as again:
                for path, end in (('/lamp/9', origin), ('/new', other)):
                    sent = again.send(Message(GET, path))
                    end.answer()
                    equal(again.await_response(sent).code, '2.05')
            before, after = after, p.metrics()
            only_forward(before, after)
            equal(after.value('coaproxy_requests_total', **at), 4)
            equal(after.value('coaproxy_requests_total', listener='public',
                              route='new', method='GET'), 1)
            equal(after.value('coaproxy_origin_requests_total', origin=name,
                              server=name), 4)
            equal(after.value('coaproxy_listener_received_datagrams_total',
                              listener='public', transport='udp'), 7)
            # There and back, with a name less each time.
            configure(p, first)
            only_forward(after, p.metrics(), gone=('new',))
            before = p.metrics()
            configure(p, LISTEN.format(name='inside', host=2) + lamp)
            only_forward(before, p.metrics(),
                         gone=('public', 'gone', f'127.0.0.1:{other.port}'))


@test('reload: requests to a listener that is going are counted')
def _():
    with Origin() as origin:
        lamp = ROUTE.format(name='lamp', path='/lamp', port=origin.port)
        with Watched(LISTEN.format(name='old', host=1) + lamp) as p, \
                Client(p.address) as client, Client(p.address) as late:
            sent = client.send(Message(GET, '/lamp'))
            request = origin.receive()
            p.configure(LISTEN.format(name='new', host=2) + lamp)
            p.ctl('reload')
            equal(late.request(GET, '/lamp').code, '5.03')
            equal(p.metrics().value('coaproxy_requests_denied_total',
                                    reason='retired-listener'), 1)
            origin.reply(request)
            equal(client.await_response(sent).code, '2.05')


@test('reload: an observation is counted by the route that it goes on by')
def _():
    def told():
        m = client.receive()
        if m.type == CON:
            client.send(Message(EMPTY, type=ACK, mid=m.mid, token=b''))
        return m

    def notify(number):
        origin.reply(registration, payload=f'{number}', type=NON,
                     mid=number, options=[(OBSERVE, uint(number))])
        equal(told().payload, str(number).encode())

    with Origin() as origin:
        lamp = ROUTES.format(port=origin.port)
        with Watched(lamp) as p, Client(p.address) as client:
            sent = client.send(Message(GET, '/lamp/o', [(OBSERVE, b'')]))
            registration = origin.receive()
            origin.reply(registration, payload='0',
                         options=[(OBSERVE, uint(1))])
            client.await_response(sent)
            notify(2)
            p.configure(lamp.replace('[route lamp]', '[route light]'))
            p.ctl('reload')
            notify(3)
            m = p.metrics()
            sample = 'coaproxy_observation_notifications_received_total'
            equal(m.value(sample, route='lamp'), None)
            equal(m.value(sample, route='light'), 1)
            equal(p.json('observations')[0]['route'], 'light')
            p.configure('[route]\nreply = 2.05\n' + LISTEN.format(
                name='public', host=1))
            p.ctl('reload')
            equal(told().code, '5.03')
            only_forward(m, p.metrics(),
                         gone=('lamp', 'light', f'127.0.0.1:{origin.port}',
                               '"quoted"\\odd'))


tap.run()
