"""The forward role: the client names the origin."""

import tap
from coap import (GET, PROXY_SCHEME, PROXY_URI, PUT, URI_HOST, URI_PATH,
                  URI_PORT, URI_QUERY, Client, Message, Origin)
from programs import ClosedPort, LibcoapServer, NameServer, Proxy, libcoap
from tap import contains, equal, test

OPEN = '[forward]\nallow-to = coap://127.0.0.0/8:* coap://[::1]:*\n'


def asking(client, uri, code=GET, options=()):
    """Sends a request with Proxy-Uri."""
    return client.send(Message(code, '', [(PROXY_URI, uri), *options]))


def code_for(client, uri):
    return client.await_response(asking(client, uri)).code


def same_answers(origin, *ask):
    """ASK, arguments for libcoap's client up to the path of a target."""
    *options, base = ask
    for path in ('', '/example_data', '/nothing-here'):
        direct = libcoap(f'{origin.uri}{path}')
        equal(direct != '', True, 'an answer at all')
        equal(libcoap(*options, f'{base}{path}'), direct, path)
    for text in ('blue', 'green'):
        libcoap(*options, '-m', 'put', '-e', text, f'{base}/example_data')
        equal(libcoap(f'{origin.uri}/example_data').strip(), text, 'PUT')


@test('PRX-01: coap-client -P to coap-server, Proxy-Uri')
def _():
    with LibcoapServer() as origin, Proxy(OPEN) as proxy:
        same_answers(origin, '-P', proxy.uri, origin.uri)


@test('PRX-27: coap-client to coap-server, Proxy-Scheme with Uri-Host')
def _():
    with LibcoapServer() as origin, Proxy(OPEN) as proxy:
        # The option in front of -P is what makes libcoap send it.
        same_answers(origin, '-O', f'{PROXY_SCHEME},coap', '-P', proxy.uri,
                     '-O', f'{URI_HOST},127.0.0.1', origin.uri)


@test('a Proxy-Uri written out as option 35')
def _():
    with LibcoapServer() as origin, Proxy(OPEN) as proxy:
        for path in ('', '/example_data'):
            equal(libcoap('-U', '-O', f'{PROXY_URI},{origin.uri}{path}',
                          proxy.uri), libcoap(f'{origin.uri}{path}'), path)


@test('PRX-05 PRX-10 PRX-15 PRX-16 PRX-19: what the origin gets')
def _():
    with Origin() as origin, Proxy(OPEN) as proxy, \
            Client(proxy.address) as client:
        uri = f'COAP://127.0.0.1:{origin.port}/a%2Fb%2525/C//?x%26y&&=1'
        sent = asking(client, uri, PUT,
                      [(URI_HOST, 'ignored'), (URI_PORT, 1),
                       (URI_PATH, 'b'), (URI_QUERY, 'ignored')])
        request = origin.answer('2.04')
        equal(request.code, PUT)
        equal(request.values(URI_PATH), [b'a/b%25', b'C', b'', b''])
        equal(request.values(URI_QUERY), [b'x&y', b'', b'=1'])
        for number in (URI_HOST, URI_PORT, PROXY_URI, PROXY_SCHEME):
            equal(request.value(number), None, number)
        equal(client.await_response(sent).code, '2.04')


@test('PRX-13 PRX-15: the name goes on as Uri-Host, in lower case')
def _():
    with Origin() as origin, \
            NameServer({'lamp.test': ['127.0.0.1']}) as dns, \
            Proxy(f'{OPEN}\n[dns]\nservers = {dns.address}') as proxy, \
            Client(proxy.address) as client:
        for options in ([(PROXY_URI, f'coap://LAMP.Test:{origin.port}/T')],
                        [(PROXY_SCHEME, 'COAP'), (URI_HOST, 'Lamp.TEST'),
                         (URI_PORT, origin.port), (URI_PATH, 'T')]):
            sent = client.send(Message(GET, options=options))
            request = origin.answer(payload='on')
            equal(request.value(URI_HOST), b'lamp.test')
            equal(request.values(URI_PATH), [b'T'])
            equal(client.await_response(sent).payload, b'on')
        # The second comes from the cache of names.
        equal(sorted(dns.asked), ['lamp.test', 'lamp.test'], 'A and AAAA once')


@test('localhost needs no name server, nor do the names below it')
def _():
    with LibcoapServer() as origin, NameServer({}) as dns, \
            Proxy(f'{OPEN}\n[dns]\nservers = {dns.address}') as proxy:
        direct = libcoap(f'{origin.uri}/example_data')
        for host in ('localhost', 'LocalHost', 'lamp.localhost'):
            uri = f'coap://{host}:{origin.port}/example_data'
            equal(libcoap('-U', '-O', f'{PROXY_URI},{uri}', proxy.uri),
                  direct, host)
        equal(dns.asked, [], 'names asked for')


@test('PRX-02: destinations that deny-to covers: 5.05, and no packet')
def _():
    with Origin() as origin, NameServer({'in.test': ['127.0.0.1']}) as dns, \
            Proxy(f'[forward]\n[dns]\nservers = {dns.address}') as proxy, \
            Client(proxy.address) as client:
        port = origin.port
        # ATK-19: loopback is refused by default, however it is written.
        for host in ('127.0.0.1', '127.0.0.9', 'localhost', 'in.test', '[::1]',
                     '[::ffff:127.0.0.1]', '[::]', '0.0.0.0', '224.0.1.187',
                     '[ff02::fd]', '169.254.0.1', '[fe80::1]'):
            equal(code_for(client, f'coap://{host}:{port}/x'), '5.05', host)
        # PRX-25: these are no addresses at all.
        for host in ('127.1', '0x7f000001', '017700000001', '127.0.0.1.'):
            equal(code_for(client, f'coap://{host}:{port}/x')[0] in '45', True,
                  host)
        # PRX-24: a zone is nothing a client can name.
        equal(code_for(client, f'coap://[fe80::1%25lo]:{port}/'), '4.02')
        equal(client.fence(), [])
        origin.untouched()
        text = libcoap('-P', proxy.uri, f'coap://127.0.0.1:{port}/x')
        contains(text, '5.05')
        origin.untouched()


@test('allow-to: networks, names, ports; everything else 5.05')
def _():
    names = {name: ['127.0.0.1']
             for name in ('a.plant.test', 'plant.test', 'other.test')}
    with Origin() as origin, Origin('127.0.0.2') as second, \
            NameServer(names) as dns, Proxy(f'''
            [dns]
            servers = {dns.address}
            [forward]
            allow-to = coap://*.plant.test:* coap://127.0.0.2:*
            deny-to = link-local''') as proxy, Client(proxy.address) as client:
        for host, to in (('a.plant.test', origin), ('127.0.0.2', second)):
            sent = asking(client, f'coap://{host}:{to.port}/')
            to.answer(payload=host)
            equal(client.await_response(sent).payload, host.encode())
        for host in ('other.test', '127.0.0.1', 'plant.test'):
            equal(code_for(client, f'coap://{host}:{origin.port}/'), '5.05',
                  host)
        origin.untouched()


@test('ATK-18: what a name resolves to is what is judged')
def _():
    with Origin() as origin, \
            NameServer({'evil.test': ['127.0.0.1'],
                        'mixed.test': ['127.0.0.1', '127.0.0.2']}) as dns, \
            Proxy(f'''
            [dns]
            servers = {dns.address}
            [forward]
            allow-to = coap://*.test:*
            deny-to = 127.0.0.1''') as proxy, \
            Client(proxy.address) as client:
        uri = f'coap://evil.test:{origin.port}/'
        equal(code_for(client, uri), '5.05')
        # The name has changed its mind; the answer of before is what counts
        # or it is asked for again: a forbidden address never gets a packet.
        dns.names['evil.test'] = ['127.0.0.2']
        code_for(client, uri)
        origin.untouched()
        equal('evil.test' in dns.asked, True)
        code_for(client, f'coap://mixed.test:{origin.port}/')
        origin.untouched()


@test('PRX-09: clients outside allow-from get 4.03')
def _():
    with Origin() as origin, Proxy(f'{OPEN}allow-from = 127.0.0.2\n') as proxy:
        uri = f'coap://127.0.0.1:{origin.port}/'
        with Client(proxy.address) as client:
            equal(code_for(client, uri), '4.03')
            equal(code_for(client, 'ftp://127.0.0.1/'), '4.03')
        origin.untouched()
        with Client(proxy.address, '127.0.0.2') as client:
            sent = asking(client, uri)
            origin.answer()
            equal(client.await_response(sent).code, '2.05')


@test('PRX-02: the forward role on one of two listeners')
def _():
    with Origin() as origin, Proxy(f'''
            [listen inner]
            bind = coap://127.0.0.1:0
            [listen outer]
            bind = coap://127.0.0.1:0
            {OPEN}
            listen = inner''') as proxy:
        uri = f'coap://127.0.0.1:{origin.port}/'
        with Client(('127.0.0.1', proxy.ports[1])) as client:
            equal(code_for(client, uri), '5.05')
        with Client(('127.0.0.1', proxy.ports[0])) as client:
            sent = asking(client, uri)
            origin.answer()
            equal(client.await_response(sent).code, '2.05')


@test('PRX-06 PRX-08 PRX-11 PRX-12 PRX-14 PRX-20 PRX-21 PRX-22: bad targets')
def _():
    with Origin() as origin, Proxy(OPEN) as proxy, \
            Client(proxy.address) as client:
        here = f'127.0.0.1:{origin.port}'
        for uri, code in (
                ('/t', '4.02'), ('coap:///t', '4.02'), ('coap:t', '4.02'),
                ('coap://', '4.02'), (f'coap://{here}/t#f', '4.02'),
                (f'coap://a@{here}/t', '4.02'), ('coap://h:0/', '4.02'),
                ('coap://h:65536/', '4.02'), ('coap://h:12x/', '4.02'),
                (f'coap://{here}/%zz', '4.02'), (f'coap://{here}/%4', '4.02'),
                (f'coap://{here}/ä', '4.02'), (f'coap://{here}/a b', '4.02'),
                (f'coap://{here}/{"x" * 300}', '4.02'),
                (f'coaps://{here}/', '5.05'), (f'ftp://{here}/', '5.05'),
                (f'http://{here}/', '5.05')):
            equal(code_for(client, uri), code, uri)
        for options, code in (
                ([(PROXY_URI, f'coap://{here}/'), (PROXY_SCHEME, 'coap')],
                 '4.00'),
                ([(PROXY_SCHEME, 'ftp'), (URI_HOST, 'h')], '5.05'),
                ([(PROXY_SCHEME, 'coaps'), (URI_HOST, 'h')], '5.05'),
                ([(PROXY_SCHEME, 'coap'), (URI_HOST, '127.0.0.1'),
                  (URI_PORT, origin.port), (URI_PATH, '..')], '4.02')):
            equal(client.request(GET, options=options).code, code, options)
        origin.untouched()


@test('PRX-44: a name that does not exist: 5.02, at once')
def _():
    with NameServer({}) as dns, Proxy(f'''
            {OPEN}
            [dns]
            servers = {dns.address}''') as proxy, \
            Client(proxy.address) as client:
        answer = client.await_response(asking(client, 'coap://nope.invalid/'))
        equal(answer.code, '5.02')
        equal(answer.value(14) is not None, True, 'Max-Age')     # PRX-49
        equal(dns.asked.count('nope.invalid') > 0, True, 'asked for')
        text = libcoap('-P', proxy.uri, 'coap://nope.invalid/')
        contains(text, '5.02')


@test('PRX-44: a resolver that is silent: 5.04, others not held up')
def _():
    with Origin() as origin, \
            NameServer({'slow.test': None, 'quick.test': ['127.0.0.1']}) \
            as dns, Proxy(f'''
            {OPEN}
            [dns]
            servers = {dns.address}
            timeout = 1500ms''') as proxy, \
            Client(proxy.address) as client, Client(proxy.address) as other:
        slow = asking(client, 'coap://slow.test/')
        sent = asking(other, f'coap://quick.test:{origin.port}/')
        origin.answer()
        equal(other.await_response(sent).code, '2.05')
        equal(client.await_response(slow).code, '5.04')


@test('PRX-44: no resolver listens there: 5.02 or 5.04, in time')
def _():
    with ClosedPort() as closed, Proxy(f'''
            {OPEN}
            [dns]
            servers = 127.0.0.1:{closed.port}
            timeout = 1s''') as proxy, Client(proxy.address) as client:
        equal(code_for(client, 'coap://lamp.test/') in ('5.02', '5.04'), True)


@test('via: the next proxy gets the whole target')
def _():
    with Origin() as hop, Proxy(f'''
            [forward]
            via = coap://127.0.0.1:{hop.port}''') as proxy, \
            Client(proxy.address) as client:
        sent = asking(client, 'coap://far.example:61616/a/b?c')
        request = hop.answer(payload='far')
        equal((request.value(PROXY_SCHEME), request.value(URI_HOST),
               request.value(URI_PORT), request.path,
               request.value(URI_QUERY), request.value(PROXY_URI)),
              (b'coap', b'far.example', (61616).to_bytes(2, 'big'), '/a/b',
               b'c', None))
        equal(client.await_response(sent).payload, b'far')


@test('via: through two proxies to libcoap')
def _():
    with LibcoapServer() as origin, Proxy(OPEN) as last, \
            Proxy(f'{OPEN}via = {last.uri}') as first:
        same_answers(origin, '-P', first.uri, origin.uri)


@test('routes = yes: a route takes the forward request it matches')
def _():
    with Origin() as lamp, Origin() as other, Proxy(f'''
            {OPEN}
            routes = yes
            [route]
            host = lamp.example.net
            to = coap://127.0.0.1:{lamp.port}/base''') as proxy, \
            Client(proxy.address) as client:
        sent = asking(client, 'coap://lamp.example.net/x')
        request = lamp.answer()
        equal((request.path, request.value(URI_HOST)),
              ('/base/x', b'lamp.example.net'))
        client.await_response(sent)
        sent = asking(client, f'coap://127.0.0.1:{other.port}/y')
        equal(other.answer().path, '/y')
        client.await_response(sent)
        lamp.untouched()


@test('PRX-10: without routes = yes a route takes no forward request')
def _():
    with Origin() as lamp, Origin() as other, Proxy(f'''
            {OPEN}
            [route]
            to = coap://127.0.0.1:{lamp.port}''') as proxy, \
            Client(proxy.address) as client:
        sent = asking(client, f'coap://127.0.0.1:{other.port}/y')
        other.answer(payload='other')
        equal(client.await_response(sent).payload, b'other')
        lamp.untouched()


# A listener for 127.0.0.2 alone: should the proxy ask itself, it is 127.0.0.1
# and would be refused.
ALONE = '''
[listen]
bind = coap://127.0.0.1:0
allow-from = 127.0.0.2
'''


@test('PRX-03: a target that names the proxy itself is local')
def _():
    with NameServer({}) as dns, Proxy(f'''
            {OPEN}
            {ALONE}
            [proxy]
            own-names = gw.example
            [dns]
            servers = {dns.address}''') as proxy, \
            Client(proxy.address, '127.0.0.2') as client:
        port = proxy.port
        for host in ('127.0.0.1', 'localhost', 'LOCALHOST', 'gw.example',
                     '[::ffff:127.0.0.1]'):
            core = client.await_response(asking(
                client, f'coap://{host}:{port}/.well-known/core'))
            equal((core.code, core.value(12)), ('2.05', b'\x28'), host)
        # PRX-57: no matter how few hops are left.
        core = client.await_response(asking(
            client, f'coap://127.0.0.1:{port}/.well-known/core',
            options=[(16, 1)]))
        equal(core.code, '2.05')
        # PRX-28: Proxy-Scheme alone is about the proxy as well.
        equal(client.request(GET, '/.well-known/core',
                             [(PROXY_SCHEME, 'coap')]).code, '2.05')
        equal(dns.asked, [], 'names asked for')


@test('PRX-03: on a wildcard socket every address of the host is local')
def _():
    with Proxy(f'{OPEN}{ALONE}'.replace('127.0.0.1:0', '*:0')) as proxy, \
            Client(proxy.address, '127.0.0.2') as client:
        for host in ('127.0.0.1', '127.0.0.77', 'localhost', '[::1]',
                     '[::ffff:127.0.0.1]', '0.0.0.0'):
            equal(code_for(
                client, f'coap://{host}:{proxy.port}/.well-known/core'),
                '2.05', host)


@test('PRX-04: a name that resolves to the proxy is local')
def _():
    with NameServer({'alias.test': ['127.0.0.1']}) as dns, \
            Proxy(f'{OPEN}{ALONE}[dns]\nservers = {dns.address}') as proxy, \
            Client(proxy.address, '127.0.0.2') as client:
        uri = f'coap://alias.test:{proxy.port}/.well-known/core'
        core = client.await_response(asking(client, uri))
        equal((core.code, core.value(12)), ('2.05', b'\x28'))
        equal('alias.test' in dns.asked, True)


@test('PRX-77: /.well-known/core of others is theirs')
def _():
    with LibcoapServer() as origin, Proxy(OPEN) as proxy:
        uri = f'{origin.uri}/.well-known/core'
        direct = libcoap(uri)
        contains(direct, '</time>')
        equal(libcoap('-P', proxy.uri, uri), direct)


tap.run()
