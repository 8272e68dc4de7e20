"""node-coap as client and as origin; and block-wise transfers, which pass the
proxy block by block."""

from coap import (BLOCK1, BLOCK2, ETAG, GET, OBSERVE, POST, PUT, REQUEST_TAG,
                  Client, Message, Origin, block)
from programs import (LibcoapServer, Node, Proxy, libcoap, need_node,
                      node_server)
from tap import equal, run, test

BODY = ''.join(f'{n:04} ' for n in range(600))      # 3000 octets
OTHER = ''.join(f'{n:04x}.' for n in range(600))


def path_route(port, path='/n'):
    return f'[route]\npath = {path}\nto = coap://127.0.0.1:{port}\n'


def request(method, path, **more):
    return {'method': method, 'path': path, **more}


def codes(answers):
    return [a.get('code') or str(a) for a in answers]


# ---- node-coap ----


def node_test(name):
    """A test that needs node-coap."""
    def register(function):
        def run():
            need_node()
            function()
        test(name)(run)
    return register


@node_test('node-coap: GET, PUT, POST, DELETE from client to server')
def _():
    with node_server() as server, Proxy(path_route(server.port)) as proxy, \
            Node('client', proxy.port) as client:
        for method, path, text, code, answer in (
                ('GET', '/n/a', None, '4.04', ''),
                ('PUT', '/n/a', 'one', '2.01', ''),
                ('PUT', '/n/a', 'two', '2.04', ''),
                ('GET', '/n/a', None, '2.05', 'two'),
                ('DELETE', '/n/a', None, '2.02', ''),
                ('GET', '/n/a', None, '4.04', '')):
            more = {'text': text} if text else {}
            got, = client.ask(request(method, path, **more))
            equal((got.get('code'), got.get('text')), (code, answer), got)
        # PRX-69: the location leads through the proxy to what was made.
        made, = client.ask(request('POST', '/n/list', text='item'))
        equal((made['code'], made['location']), ('2.01', '/n/list/0'))
        got, = client.ask(request('GET', made['location']))
        equal(got['text'], 'item')


@node_test('node-coap as origin, libcoap as client, and the other way round')
def _():
    with node_server() as server, LibcoapServer() as libcoap_server, \
            Proxy(path_route(server.port) +
                  f'[route rest]\nto = {libcoap_server.uri}') as proxy, \
            Node('client', proxy.port) as client:
        libcoap('-m', 'put', '-e', 'from libcoap', f'{proxy.uri}/n/x')
        equal(libcoap(f'{proxy.uri}/n/x').strip(), 'from libcoap')
        made = client.ask(request('PUT', '/example_data', text='from node'))
        equal(codes(made)[0] in ('2.01', '2.04'), True, made)
        equal(libcoap(f'{libcoap_server.uri}/example_data').strip(),
              'from node')


@node_test('node-coap: forward, with Proxy-Uri')
def _():
    with node_server() as server, \
            Proxy('[forward]\nallow-to = coap://127.0.0.0/8:*') as proxy, \
            Node('client', proxy.port) as client:
        uri = f'coap://127.0.0.1:{server.port}/made'
        answers = client.ask(request('PUT', '/', proxyUri=uri, text='by uri'))
        equal(codes(answers), ['2.01'])
        got, = client.ask(request('GET', '/', proxyUri=uri))
        equal((got['code'], got['text']), ('2.05', 'by uri'))


@node_test('OBS-08: node-coap asks to observe where it may not: a plain answer')
def _():
    with node_server() as server, \
            Proxy(path_route(server.port) + 'observe = no\n') as proxy, \
            Node('client', proxy.port) as client:
        client.ask(request('PUT', '/n/a', text='state'))
        got, = client.ask(request('GET', '/n/a', observe=True))
        equal((got['code'], got['text']), ('2.05', 'state'))
        equal('Observe' in got['options'], False, got)


@node_test('node-coap: 40 requests at once, each its own answer')
def _():
    with node_server() as server, Proxy(path_route(server.port)) as proxy, \
            Node('client', proxy.port) as one, \
            Node('client', proxy.port) as two:
        for client, name in ((one, 'one'), (two, 'two')):
            made = client.ask(*(request('PUT', f'/n/{name}/{i}',
                                        text=f'{name} {i}')
                                for i in range(20)))
            equal(codes(made), ['2.01'] * 20)
        for client, name in ((one, 'one'), (two, 'two')):
            got = client.ask(*(request('GET', f'/n/{name}/{i}')
                               for i in range(20)))
            equal([g['text'] for g in got], [f'{name} {i}' for i in range(20)])


@node_test('node-coap: 3000 octets down, two clients at once')
def _():
    with node_server() as server, Proxy(path_route(server.port)) as proxy, \
            Node('client', proxy.port) as one, \
            Node('client', proxy.port) as two, \
            Node('client', server.port) as direct:
        # node-coap's server knows the blocks of a body by their token, which
        # RFC 7959 does not promise; so the body is put there directly.
        for path, body in (('/a', BODY), ('/b', OTHER)):
            made = direct.ask(request('PUT', path, text=body, block1=6))
            equal(codes(made), ['2.01'])
        for client in (one, two):
            client.start(request('GET', '/n/a'), request('GET', '/n/b'))
        for client in (one, two):
            equal([a.get('text') for a in client.answers()], [BODY, OTHER])


@node_test('node-coap: 3000 octets up, two clients at once')
def _():
    with LibcoapServer('-d', '10') as server, \
            Proxy(path_route(server.port)) as proxy, \
            Node('client', proxy.port) as one, \
            Node('client', proxy.port) as two:
        for paths in (('/n/a', '/n/b'), ('/n/same', '/n/same')):
            for client, path, body in zip((one, two), paths, (BODY, OTHER)):
                client.start(request('PUT', path, text=body, block1=5))
            made = [codes(client.answers())[0] for client in (one, two)]
            equal(set(made) <= {'2.01', '2.04'}, True, made)
        for path, bodies in (('/n/a', {BODY}), ('/n/b', {OTHER}),
                             ('/n/same', {BODY, OTHER})):
            got, = one.ask(request('GET', path))
            equal(got['text'] in bodies, True, got['text'])


# ---- block-wise, libcoap and scripted ----


@test('libcoap: 3000 octets up and down in blocks of 64')
def _():
    with LibcoapServer() as origin, Proxy(path_route(origin.port)) as proxy:
        uri = f'{proxy.uri}/n/example_data'
        libcoap('-b', '64', '-m', 'put', '-e', BODY, uri)
        equal(libcoap(f'{origin.uri}/example_data').rstrip('\n'), BODY, 'up')
        for size in ('16', '64', '1024'):
            equal(libcoap('-b', size, uri).rstrip('\n'), BODY, f'down {size}')
        equal(libcoap(uri).rstrip('\n'), BODY, 'down')


def put(client, num, body, token=None, size=64, tag=None):
    """Sends a block of BODY with PUT."""
    part = body[num * size:(num + 1) * size]
    more = (num + 1) * size < len(body)
    options = [(BLOCK1, block(num, more, size))]
    if tag is not None:
        options.append((REQUEST_TAG, tag))
    return client.send(Message(PUT, '/n/body', options, part, token=token))


@test('BLK-38 BLK-41: two uploads at once are two, with Request-Tags of ours')
def _():
    with Origin() as origin, \
            Proxy(path_route(origin.port) + '[origin]\nnstart = 2\n') as proxy, \
            Client(proxy.address) as one, Client(proxy.address) as two:
        bodies = {one: BODY[:2000], two: OTHER[:2000]}
        sent = {}
        for num in range(4):
            for client, body in bodies.items():
                sent[client] = put(client, num, body, size=512, tag=b'\1')
                if num < 3:
                    response = client.await_response(sent[client])
                    equal((response.code, response.value(BLOCK1)),
                          ('2.31', block(num, 1, 512)))
        received = {}
        for _ in range(4):
            request = origin.receive()
            tag, = request.values(REQUEST_TAG)
            equal((len(tag), request.path), (8, '/body'))
            last = tag in received
            equal(request.value(BLOCK1), block(int(last), not last, 1024))
            received.setdefault(tag, b'')
            received[tag] += request.payload
            origin.reply(request, '2.04' if last else '2.31', options=[
                (BLOCK1, block(int(last), not last, 1024))])
        equal(sorted(received.values()),
              sorted(body.encode() for body in bodies.values()), 'bodies')
        for client, last in sent.items():
            response = client.await_response(last)
            equal((response.code, response.value(BLOCK1)),
                  ('2.04', block(3, 0, 512)))


@test('BLK-30: transfers of one client with tags of its own are two')
def _():
    with Origin() as origin, Proxy(path_route(origin.port)) as proxy, \
            Client(proxy.address) as client:
        for num in range(2):
            for tag, body in ((b'\1', BODY[:100]), (b'\2', OTHER[:100])):
                sent = put(client, num, body, tag=tag)
                if num == 1:
                    request = origin.answer('2.04')
                    equal((request.payload, request.value(BLOCK1),
                           request.values(REQUEST_TAG)),
                          (body.encode(), None, []))
                equal(client.await_response(sent).code,
                      '2.04' if num else '2.31')


@test('BLK-39: libcoap takes two interleaved uploads for two')
def _():
    # The end of each must be the beginning of its own.
    with LibcoapServer('-d', '10') as origin, \
            Proxy(path_route(origin.port)) as proxy, \
            Client(proxy.address) as one, Client(proxy.address) as two:
        size, blocks = 512, 6
        for num in range(blocks):
            for client, body in ((one, BODY), (two, OTHER)):
                sent = put(client, num, body, size=size)
                response = client.await_response(sent)
                equal(response.code, '2.31' if num < blocks - 1 else
                      '2.01' if client is one else '2.04')
        equal(libcoap(f'{origin.uri}/body').rstrip('\n'), OTHER)


@test('BLK-38 BLK-40: a download comes once, in whatever blocks clients want')
def _():
    with Origin() as origin, \
            Proxy(path_route(origin.port) + '[cache]\n') as proxy, \
            Client(proxy.address) as one, Client(proxy.address) as two:
        body = BODY.encode()
        got = {one: b'', two: b''}
        for num in range(3):
            for client, size in ((one, 1024), (two, 512)):
                sent = client.send(Message(GET, '/n/body', [
                    (BLOCK2, block(num, 0, size))], token=b'\7'))
                for part in range(3 if num == 0 and client is one else 0):
                    request = origin.receive()
                    equal(request.value(BLOCK2),
                          block(part, 0, 1024) if part else None, 'Block2')
                    equal(request.value(REQUEST_TAG), None, 'no tag in a GET')
                    origin.reply(request, payload=body[part * 1024:][:1024],
                                 options=[(ETAG, b'\1'), (BLOCK2, block(
                                     part, part < 2, 1024))])
                response = client.await_response(sent)
                more = (num + 1) * size < len(body)
                equal(response.value(BLOCK2), block(num, more, size))
                equal(response.value(ETAG), b'\1')
                got[client] += response.payload
        equal((got[one], got[two]), (body, body[:3 * 512]))
        origin.untouched()


@test('BLK-02 BLK-06: blocks that cannot be: 4.00, nothing goes up')
def _():
    with Origin() as origin, Proxy(path_route(origin.port)) as proxy, \
            Client(proxy.address) as client:
        for options, payload in (([(BLOCK2, b'\7')], b''),
                                 ([(BLOCK1, b'\7')], b''),
                                 ([(BLOCK1, block(0, 1, 64))], b'x' * 63)):
            equal(client.request(PUT, '/n/x', options, payload).code, '4.00')
        origin.untouched()
        # BLK-48: 2.31 is no answer to a request without Block1.
        sent = client.send(Message(POST, '/n/x', payload='x'))
        origin.answer('2.31')
        equal(client.await_response(sent).code, '5.02')


@test('OBS-08: with observe = no Observe goes neither up nor down')
def _():
    with Origin() as origin, \
            Proxy(path_route(origin.port) + 'observe = no\n') as proxy, \
            Client(proxy.address) as client:
        for value in (0, 1, 5):
            sent = client.send(Message(GET, '/n/x', [(OBSERVE, value)]))
            request = origin.receive()
            equal(request.value(OBSERVE), None, 'up')
            origin.reply(request, payload='x', options=[(OBSERVE, 9)])
            response = client.await_response(sent)
            equal((response.code, response.value(OBSERVE)), ('2.05', None))
        # OBS-03: with other methods it is refused.
        equal(client.request(PUT, '/n/x', [(OBSERVE, 0)]).code, '4.02')
        origin.untouched()


run()
