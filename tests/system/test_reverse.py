"""The reverse role: routes, as a client and an origin see them."""

import tap
from coap import (ACCEPT, BLOCK2, FETCH, GET, HOP_LIMIT, LOCATION_PATH,
                  LOCATION_QUERY, MAX_AGE, NON, POST, PROXY_SCHEME, PROXY_URI,
                  PUT, URI_HOST, URI_PATH, URI_PORT, URI_QUERY, Client,
                  Message, Origin)
from programs import ClosedPort, LibcoapServer, NameServer, Proxy, libcoap
from tap import equal, test

HOST = 'lamp.example.net'


def same_answers(origin, proxy, prefix='', *options):
    """Libcoap's client sees through the proxy what it sees directly."""
    for path in ('', '/example_data', '/nothing-here'):
        direct = libcoap(f'{origin.uri}{path}')
        tap.equal(direct != '', True, 'an answer at all')
        equal(libcoap(*options, f'{proxy.uri}{prefix}{path}'), direct, path)
    for text in ('blue', 'green'):
        libcoap(*options, '-m', 'put', '-e', text,
                f'{proxy.uri}{prefix}/example_data')
        equal(libcoap(f'{origin.uri}/example_data').strip(), text, 'PUT')


@test('path route: libcoap asks libcoap through the proxy')
def _():
    with LibcoapServer() as origin, \
            Proxy(f'[route]\npath = /a\nto = {origin.uri}') as proxy:
        same_answers(origin, proxy, '/a')


@test('PRX-70: host route between libcoap and libcoap')
def _():
    with LibcoapServer() as origin, \
            Proxy(f'[route]\nhost = {HOST}\nto = {origin.uri}') as proxy:
        same_answers(origin, proxy, '', '-O', f'{URI_HOST},{HOST}')
        equal(libcoap('-O', f'{URI_HOST},other.example.net', proxy.uri).strip()
              [:4], '4.04', 'another host')


@test('subdomain route between libcoap and libcoap')
def _():
    with LibcoapServer() as origin, \
            Proxy('[route]\nhost = *.example.net\n'
                  f'to = {origin.uri}') as proxy:
        for host in (HOST, 'Deep.Below.EXAMPLE.net'):
            same_answers(origin, proxy, '', '-O', f'{URI_HOST},{host}')
        with Client(proxy.address) as client:
            for host in ('example.net', 'xexample.net', '.example.net'):
                equal(client.request(GET, options=[(URI_HOST, host)]).code
                      in ('4.04', '4.02'), True, host)


@test('unconditional route between libcoap and libcoap')
def _():
    with LibcoapServer() as origin, \
            Proxy(f'[route]\nto = {origin.uri}') as proxy:
        same_answers(origin, proxy)


@test('PRX-70: two virtual hosts on one socket, each its origin')
def _():
    with Origin() as one, Origin() as two, Proxy(f'''
            [route one]
            host = one.example literal.example
            to = coap://127.0.0.1:{one.port}
            [route two]
            host = two.example 127.0.0.1
            to = coap://127.0.0.1:{two.port}''') as proxy, \
            Client(proxy.address) as client:
        for host, origin in (('one.example', one), ('two.example', two),
                             ('LITERAL.example', one), (None, two)):
            options = [(URI_HOST, host)] if host else []
            sent = client.send(Message(GET, '/x', options))
            equal(origin.answer(payload=host or 'none').path, '/x')
            equal(client.await_response(sent).payload,
                  (host or 'none').encode())
        one.untouched()
        two.untouched()


@test('first match wins, whole segments only')
def _():
    with Origin() as roof, Origin() as house, Proxy(f'''
            [route roof]
            path = /house/roof
            to = coap://127.0.0.1:{roof.port}
            [route house]
            path = /house
            to = coap://127.0.0.1:{house.port}''') as proxy, \
            Client(proxy.address) as client:
        for path, origin, up in (('/house/roof', roof, '/'),
                                 ('/house/roof/t', roof, '/t'),
                                 ('/house/roofs', house, '/roofs'),
                                 ('/house', house, '/')):
            sent = client.send(Message(GET, path))
            equal(origin.answer().path, up, path)
            equal(client.await_response(sent).code, '2.05', path)
        for path in ('/housework', '/', '/roof'):
            equal(client.request(GET, path).code, '4.04', path)
        roof.untouched()
        house.untouched()


@test('strip and prefix')
def _():
    with Origin() as origin, Proxy(f'''
            [route a]
            path = /a/b
            to = coap://127.0.0.1:{origin.port}/base
            [route legacy]
            path = /v1
            strip = no
            to = coap://127.0.0.1:{origin.port}
            [route both]
            path = /v2
            strip = no
            to = coap://127.0.0.1:{origin.port}/new/place''') as proxy, \
            Client(proxy.address) as client:
        for path, up in (('/a/b', '/base'), ('/a/b/c/d', '/base/c/d'),
                         ('/v1/x', '/v1/x'), ('/v2/x', '/new/place/v2/x')):
            sent = client.send(Message(PUT, path, [(URI_QUERY, 'q=1'),
                                                   (URI_QUERY, 'p')], 'body'))
            request = origin.answer('2.04')
            equal(request.path, up, path)
            equal(request.values(URI_QUERY), [b'q=1', b'p'], 'query')
            equal(request.payload, b'body')
            equal(client.await_response(sent).code, '2.04')


@test('PRX-69: Location is translated, and leads to the new resource')
def _():
    with Origin() as origin, Proxy(f'''
            [route]
            path = /m1
            to = coap://127.0.0.1:{origin.port}/base''') as proxy, \
            Client(proxy.address) as client:
        sent = client.send(Message(POST, '/m1/things', payload='x'))
        origin.answer('2.01', options=[
            (LOCATION_PATH, 'base'), (LOCATION_PATH, 'things'),
            (LOCATION_PATH, '7'), (LOCATION_QUERY, 'v=1')])
        response = client.await_response(sent)
        equal(response.code, '2.01')
        where = response.values(LOCATION_PATH)
        equal(where, [b'm1', b'things', b'7'], 'Location-Path')
        equal(response.values(LOCATION_QUERY), [b'v=1'], 'Location-Query')
        client.send(Message(GET, options=[(URI_PATH, s) for s in where]))
        equal(origin.answer().path, '/base/things/7')
        client.receive()

        # What lies outside of the route has no public name.
        sent = client.send(Message(POST, '/m1/things'))
        origin.answer('2.01', options=[(LOCATION_PATH, 'elsewhere'),
                                       (LOCATION_QUERY, 'v=1')])
        response = client.await_response(sent)
        equal((response.code, response.options), ('2.01', []), 'outside')


@test('send-host: keep, target, none, a name')
def _():
    with Origin() as origin, NameServer({'origin.test': ['127.0.0.1']}) as dns:
        to = f'to = coap://127.0.0.1:{origin.port}'
        cases = (
            ('', to, HOST, HOST.encode()),
            ('', to, None, None),
            ('send-host = target', to, HOST, None),
            ('send-host = target', f'to = coap://origin.test:{origin.port}',
             HOST, b'origin.test'),
            ('send-host = none', to, HOST, None),
            ('send-host = public.example', to, HOST, b'public.example'),
            ('send-host = public.example', to, None, b'public.example'))
        routes = '\n'.join(f'[route {i}]\npath = /{i}\n{c[0]}\n{c[1]}'
                           for i, c in enumerate(cases))
        with Proxy(f'[dns]\nservers = {dns.address}\n{routes}') as proxy, \
                Client(proxy.address) as client:
            for i, (_, _, received, expected) in enumerate(cases):
                options = [(URI_HOST, received)] if received else []
                sent = client.send(Message(GET, f'/{i}', options))
                equal(origin.answer().value(URI_HOST), expected, f'route {i}')
                client.await_response(sent)


@test('PRX-10: as = proxy sends Proxy-Scheme and the whole authority')
def _():
    with Origin() as hop, Proxy(f'''
            [route]
            host = *.sensors.example
            to = coap://127.0.0.1:{hop.port}
            as = proxy''') as proxy, Client(proxy.address) as client:
        sent = client.send(Message(GET, '/t', [(URI_HOST, 'a.sensors.example'),
                                               (URI_PORT, 5683),
                                               (URI_QUERY, 'u')]))
        request = hop.answer(payload='hot')
        equal(request.value(PROXY_SCHEME), b'coap', 'Proxy-Scheme')
        equal(request.value(URI_HOST), b'a.sensors.example', 'Uri-Host')
        equal(request.value(URI_PORT), None, 'Uri-Port')
        equal((request.path, request.value(URI_QUERY)), ('/t', b'u'))
        equal(request.value(PROXY_URI), None, 'Proxy-Uri')
        equal(client.await_response(sent).payload, b'hot')


@test('as = proxy: through a second coaproxy to libcoap by name')
def _():
    with LibcoapServer() as origin, \
            NameServer({'a.sensors.example': ['127.0.0.1']}) as dns, Proxy(f'''
            [dns]
            servers = {dns.address}
            [forward]
            allow-to = coap://127.0.0.0/8:*''') as second, Proxy(f'''
            [route]
            host = *.sensors.example
            to = {second.uri}
            as = proxy''') as first:
        same_answers(origin, first, '',
                     '-U', '-O', f'{URI_HOST},a.sensors.example',
                     '-O', f'{URI_PORT},0x{origin.port:04x}')
        equal('a.sensors.example' in dns.asked, True, 'looked up')


@test('methods: 4.05 when only the method differs, else 4.04')
def _():
    with Origin() as origin, Proxy(f'''
            [route read]
            path = /r
            methods = GET FETCH
            to = coap://127.0.0.1:{origin.port}
            [route write]
            path = /w
            methods = PUT
            to = coap://127.0.0.1:{origin.port}/w''') as proxy, \
            Client(proxy.address) as client:
        for code, path in ((GET, '/r'), (FETCH, '/r'), (PUT, '/w')):
            sent = client.send(Message(code, path))
            equal(origin.answer().code, code)
            client.await_response(sent)
        for code, path, expected in ((PUT, '/r', '4.05'), (GET, '/w', '4.05'),
                                     (PUT, '/x', '4.04')):
            equal(client.request(code, path).code, expected, path)
        origin.untouched()


@test('reply: code and text from the configuration')
def _():
    with Proxy('[route gone]\npath = /old\nreply = 4.04 "moved; ask Ann"\n'
               '[route]\nreply = 5.03') as proxy, \
            Client(proxy.address) as client:
        gone = client.request(GET, '/old/thing')
        equal((gone.code, gone.payload), ('4.04', b'moved; ask Ann'))
        equal(client.request(GET, '/new').code, '5.03')


@test('nothing matches: 4.04; the own list names what the routes offer')
def _():
    with Origin() as origin, Proxy(f'''
            [route]
            path = /building/a /building/b%20c
            to = coap://127.0.0.1:{origin.port}''') as proxy, \
            Client(proxy.address) as client:
        equal(client.request(GET, '/other').code, '4.04')
        core = client.request(GET, '/.well-known/core')
        equal((core.code, core.payload),
              ('2.05', b'</building/a>,</building/b%20c>'))
        equal(libcoap(f'{proxy.uri}/.well-known/core').strip(),
              core.payload.decode())
        equal(client.request(POST, '/.well-known/core').code, '4.05')
        origin.untouched()


@test('PRX-34 PRX-35: unknown options and a resource of our own')
def _():
    with Proxy('[forward]') as proxy, Client(proxy.address) as client:
        for number, expected in ((65000, '2.05'), (65001, '4.02'),
                                 (65002, '2.05'), (65003, '4.02')):
            equal(client.request(GET, '/.well-known/core',
                                 [(number, 'x')]).code, expected, number)


@test('listen: a route for one of two listeners')
def _():
    with Origin() as inside, Origin() as outside, Proxy(f'''
            [listen inner]
            bind = coap://127.0.0.1:0
            [listen outer]
            bind = coap://127.0.0.1:0
            [route in]
            listen = inner
            to = coap://127.0.0.1:{inside.port}
            [route out]
            listen = outer
            path = /public
            to = coap://127.0.0.1:{outside.port}''') as proxy:
        inner, outer = (('127.0.0.1', port) for port in proxy.ports)
        with Client(inner) as client:
            sent = client.send(Message(GET, '/public'))
            equal(inside.answer().path, '/public')
            client.await_response(sent)
        with Client(outer) as client:
            sent = client.send(Message(GET, '/public'))
            equal(outside.answer().path, '/')
            client.await_response(sent)
            equal(client.request(GET, '/private').code, '4.04')
        inside.untouched()


@test('PRX-09: refused clients get 4.03, and no later route')
def _():
    with Origin() as origin, Proxy(f'''
            [listen open]
            bind = coap://127.0.0.1:0
            [listen closed]
            bind = coap://127.0.0.1:0
            deny-from = 127.0.0.3
            [route strict]
            path = /s
            allow-from = 10.0.0.0/8 127.0.0.2
            to = coap://127.0.0.1:{origin.port}
            [route]
            to = coap://127.0.0.1:{origin.port}''') as proxy:
        public, closed = (('127.0.0.1', port) for port in proxy.ports)
        for source, to, path, code in (
                ('127.0.0.1', public, '/s', '4.03'),
                ('127.0.0.2', public, '/s', '2.05'),
                ('127.0.0.1', public, '/x', '2.05'),
                ('127.0.0.3', public, '/x', '2.05'),
                ('127.0.0.3', closed, '/x', '4.03'),
                ('127.0.0.3', closed, '/.well-known/core', '4.03'),
                ('127.0.0.1', closed, '/x', '2.05')):
            with Client(to, source) as client:
                sent = client.send(Message(GET, path))
                if code == '2.05':
                    origin.answer()
                equal(client.await_response(sent).code, code,
                      (source, to, path))
                origin.untouched()


@test('PRX-02 PRX-07: without [forward] Proxy options give 5.05')
def _():
    with Origin() as origin, Proxy(f'''
            [route]
            to = coap://127.0.0.1:{origin.port}''') as proxy, \
            Client(proxy.address) as client:
        uri = f'coap://127.0.0.1:{origin.port}/t'
        for options in ([(PROXY_URI, uri)], [(PROXY_URI, 'ftp://h/')],
                        [(PROXY_SCHEME, 'coap'), (URI_HOST, '127.0.0.1')]):
            equal(client.request(GET, options=options).code, '5.05', options)
        origin.untouched()


@test('PRX-55 PRX-56 PRX-61: Hop-Limit goes down, is inserted, runs out')
def _():
    with Origin() as origin, Proxy(f'''
            [proxy]
            name = gw1
            [route]
            to = coap://127.0.0.1:{origin.port}''') as proxy, \
            Client(proxy.address) as client:
        for given, up in ((None, b'\x10'), (5, b'\4'), (2, b'\1')):
            sent = client.send(Message(
                GET, options=[(HOP_LIMIT, given)] if given else []))
            equal(origin.answer().value(HOP_LIMIT), up, given)
            client.await_response(sent)
        spent = client.request(GET, options=[(HOP_LIMIT, 1)])
        equal((spent.code, spent.payload), ('5.08', b'gw1'))
        equal(client.request(GET, options=[(HOP_LIMIT, b'\0')]).code, '4.00')
        origin.untouched()


@test('PRX-65: two proxies that point at each other come to an end')
def _():
    with ClosedPort() as closed:
        port = closed.port
    with Proxy(f'''
            [proxy]
            name = p1
            [route]
            to = coap://127.0.0.1:{port}''') as one, Proxy(f'''
            [proxy]
            name = p2
            [listen]
            bind = coap://127.0.0.1:{port}
            [route]
            to = {one.uri}''') as two, Client(two.address) as client:
        end = client.request(GET, '/round')
        equal(end.code in ('5.08', '5.02'), True, end)
        equal(client.fence(), [], 'one response')


@test('PRX-32 PRX-33: unknown options: unsafe refused, safe passed on')
def _():
    with Origin() as origin, Proxy(f'''
            [route]
            to = coap://127.0.0.1:{origin.port}''') as proxy, \
            Client(proxy.address) as client:
        for number in (65002, 65003, 2055):
            refused = client.request(GET, '/t', [(number, 'x')])
            equal(refused.code, '4.02', number)
        origin.untouched()
        safe = [(25, b'x'), (65000, b'1'), (65000, b'2'), (65001, b''),
                (65020, b'z' * 300)]
        sent = client.send(Message(GET, '/t', safe))
        request = origin.receive()
        equal([o for o in request.options if o[0] in {n for n, _ in safe}],
              safe, 'safe options')
        # PRX-37: the same way back.
        origin.reply(request, payload='p', options=safe)
        equal(client.await_response(sent).options, safe, 'way back')


@test('PRX-36 PRX-38: answers that cannot be passed on become 5.02')
def _():
    with Origin() as origin, Proxy(f'''
            [route]
            to = coap://127.0.0.1:{origin.port}''') as proxy, \
            Client(proxy.address) as client:
        for options in ([(65002, 'x')], [(65003, 'x')], [(BLOCK2, b'\x07')],
                        [(MAX_AGE, 1), (MAX_AGE, 2)]):
            sent = client.send(Message(GET))
            origin.answer(options=options)
            equal(client.await_response(sent).code, '5.02', options)
        sent = client.send(Message(GET))
        request = origin.receive()
        good = Message('2.05', type=2, mid=request.mid, token=request.token)
        origin.send_raw(good.encode() + b'\xbf\0', request.source)
        equal(client.await_response(sent).code, '5.02', 'format error')


@test('PRX-50 PRX-39 PRX-52: errors of the origin pass unchanged')
def _():
    with Origin() as origin, Proxy(f'''
            [route]
            to = coap://127.0.0.1:{origin.port}''') as proxy, \
            Client(proxy.address) as client:
        for code, payload, options in (
                ('4.04', b'no such lamp', []),
                ('4.06', b'', []),
                ('5.00', b'{"e": 1}', [(12, b'\x32')]),
                ('4.13', b'', [(60, b'\x40')]),
                ('4.30', b'?', []), ('5.31', b'', []), ('2.30', b'ok', [])):
            sent = client.send(Message(GET, options=[(ACCEPT, 50)]))
            equal(origin.answer(code, payload, options).value(ACCEPT), b'\x32')
            got = client.await_response(sent)
            # MSG-27: unknown codes too.
            equal((got.code, got.payload, got.options),
                  (code, payload, options))


@test('PRX-51: 4.02 for the Hop-Limit we added: once more without it')
def _():
    with Origin() as origin, Proxy(f'''
            [route]
            to = coap://127.0.0.1:{origin.port}''') as proxy, \
            Client(proxy.address) as client:
        sent = client.send(Message(GET, '/old'))
        equal(origin.answer('4.02').value(HOP_LIMIT), b'\x10')
        equal(origin.answer(payload='ok').value(HOP_LIMIT), None)
        equal(client.await_response(sent).payload, b'ok')
        # The second 4.02 is the client's.
        sent = client.send(Message(GET, '/old'))
        origin.answer('4.02')
        origin.answer('4.02')
        equal(client.await_response(sent).code, '4.02')
        # PRX-78: a POST is never repeated; nor what was not added by us.
        for code, options in ((POST, []), (GET, [(HOP_LIMIT, 9)])):
            sent = client.send(Message(code, '/old', options))
            origin.answer('4.02')
            equal(client.await_response(sent).code, '4.02', code)
        origin.untouched()


@test('PRX-62 PRX-63: a 5.08 on its way back names the proxies')
def _():
    with Origin() as origin, Proxy(f'''
            [proxy]
            name = p1
            [route]
            to = coap://127.0.0.1:{origin.port}''') as proxy, \
            Client(proxy.address) as client:
        for text, expected in (('p2', ('5.08', b'p1 p2')),
                               ('', ('5.08', b'p1')),
                               ('p11 xp1', ('5.08', b'p1 p11 xp1')),
                               ('p2 p1', ('5.02', None)),
                               ('p1', ('5.02', None))):
            sent = client.send(Message(GET))
            origin.answer('5.08', text)
            response = client.await_response(sent)
            equal((response.code,
                   response.payload if expected[1] else None), expected, text)


@test('PRX-45: more requests than there is room for: 5.03 with Max-Age')
def _():
    with Origin() as origin, Proxy(f'''
            [message]
            max-exchanges = 4
            [origin]
            nstart = 4
            [proxy]
            drain = 0s
            [route]
            to = coap://127.0.0.1:{origin.port}''') as proxy, \
            Client(proxy.address) as client:
        for _ in range(12):
            client.send(Message(POST, '/x', type=NON))
        refused = client.fence()
        equal(len(refused) >= 8, True, refused)
        for response in refused:
            equal((response.code, response.value(MAX_AGE) not in (None, b'')),
                  ('5.03', True), response)
        while origin.ready(0):
            origin.answer('2.04')
        # The others have been taken, and are answered.
        equal([m.code for m in client.fence()], ['2.04'] * (12 - len(refused)))


@test('PRX-48: errors of our own: a short text, nothing else to be read')
def _():
    with ClosedPort() as dead, Proxy(f'''
            [route]
            path = /dead
            to = coap://127.0.0.1:{dead.port}''') as proxy, \
            Client(proxy.address) as client:
        for code, path, options, expected in (
                (GET, '/dead', [], '5.02'), (GET, '/none', [], '4.04'),
                (GET, '/dead', [(65003, 'x')], '4.02'),
                (GET, '', [(PROXY_URI, 'coap://h/')], '5.05'),
                # PRX-47: no method of ours.
                ('0.30', '/dead', [], '4.05')):
            error = client.request(code, path, options)
            equal(error.code, expected)
            equal(error.value(12), None, 'Content-Format')
            equal(len(error.payload) <= 100, True, error)
            equal(str(dead.port).encode() in error.payload, False, error)
            equal(b'127.0.0.1' in error.payload, False, error)


tap.run()
