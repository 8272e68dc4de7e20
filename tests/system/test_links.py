"""/.well-known/core, as other implementations see it."""

import re

import tap
from coap import (BLOCK2, CONTENT_FORMAT, ETAG, GET, MAX_AGE, URI_QUERY,
                  Client, Message, Origin, block, uint)
from programs import LibcoapServer, Proxy, libcoap
from tap import equal, test

CORE = '/.well-known/core'

# RFC 6690 2, as another one would write it down.
LINK = re.compile(r'<([^<>" ]*)>((?:;[^=;,"\s]+(?:=(?:"(?:[^"\\]|\\.)*"|'
                  r'[^;,"\s]+))?)*)(?:,|$)')


def parse(text):
    """{target: attributes} of a list."""
    links, at = {}, 0
    while at < len(text):
        match = LINK.match(text, at)
        if not match:
            raise AssertionError(f'no link: {text[at:at + 60]!r}')
        links[match[1]] = match[2]
        at = match.end()
    return links


def serve_blocks(origin, body, size):
    """Answers requests for a list in blocks until the last has gone."""
    more = True
    while more:
        request = origin.receive()
        equal(request.path, CORE)
        asked = request.value(BLOCK2)
        number = int.from_bytes(asked, 'big') >> 4 if asked else 0
        more = len(body) > (number + 1) * size
        origin.reply(request, payload=body[number * size:][:size], options=[
            (ETAG, b'v1'), (CONTENT_FORMAT, 40), (MAX_AGE, 600),
            (BLOCK2, block(number, more, size))])


def fetch(client, size, *options):
    """The list, block by block; every block has the same ETag."""
    body, number, etag, more = b'', 0, None, True
    while more:
        m = client.request(GET, CORE, [*options,
                                       (BLOCK2, block(number, 0, size))])
        equal(m.code, '2.05', f'block {number}')
        equal(m.value(CONTENT_FORMAT), uint(40), 'Content-Format')
        etag = etag or m.value(ETAG)
        equal(m.value(ETAG), etag, 'ETag')
        value = int.from_bytes(m.value(BLOCK2), 'big')
        equal((value >> 4, 16 << (value & 7)), (number, size), 'block')
        more, number = value & 8, number + 1
        body += m.payload
    return body.decode(), etag


@test('PRX-73: what libcoap lists works through the proxy')
def _():
    with LibcoapServer() as origin, Proxy(f'''
            [route a]
            path = /a
            to = {origin.uri}
            links = rewrite
            [route b]
            path = /b
            to = {origin.uri}''') as proxy:
        direct = parse(libcoap(f'{origin.uri}{CORE}').strip())
        listed = parse(libcoap(f'{proxy.uri}{CORE}').strip())
        tap.contains(direct, '/time')
        expected = {f'/a{target}'.rstrip('/'): attributes
                    for target, attributes in direct.items()}
        equal(listed, expected | {'/b': ''}, 'list')
        for target in listed:
            # libcoap answers /async after a while.
            if 'async' not in target:
                answer = libcoap(f'{proxy.uri}{target}')
                equal(answer[:2] in ('4.', '5.', ''), False,
                      f'{target}: {answer}')
        equal(parse(libcoap(f'{proxy.uri}{CORE}?rt=ti*').strip()),
              {'/a/time': direct['/time']}, 'filter')


@test('PRX-75: 200 links of an origin, in blocks on both sides')
def _():
    body = ','.join(f'</room/{i}/t%20x>;rt="temp c{i % 7}";ct={i}'
                    for i in range(200)).encode()
    expected = {f'/floor/{i}/t%20x': f';rt="temp c{i % 7}";ct={i}'
                for i in range(200)}
    with Origin() as origin, Proxy(f'''
            [route]
            path = /floor
            to = coap://127.0.0.1:{origin.port}/room
            links = rewrite''') as proxy, Client(proxy.address) as client:
        sent = client.send(Message(GET, CORE))
        serve_blocks(origin, body, 256)
        first = client.await_response(sent)
        equal(first.value(BLOCK2), block(0, 1, 1024), 'early negotiation')
        equal(len(first.raw) <= 1152, True, 'size of a datagram')
        for size in (16, 64, 1024):
            text, etag = fetch(client, size)
            equal(etag, first.value(ETAG), 'ETag')
            equal(parse(text), expected, f'blocks of {size}')
        equal(parse(libcoap(f'{proxy.uri}{CORE}').strip()), expected,
              'libcoap puts it together')
        text, other = fetch(client, 512, (URI_QUERY, 'rt=c3'))
        equal(parse(text), {k: v for k, v in expected.items()
                            if 'c3' in v}, 'rt=c3')
        equal(other != etag, True, 'another ETag')
        beyond = client.request(GET, CORE, [(BLOCK2, block(4000, 0, 1024))])
        equal(beyond.code, '4.00', 'beyond the end')
        same = client.request(GET, CORE, [(ETAG, etag)])
        equal((same.code, same.payload), ('2.03', b''), 'validation')
        # The first one that is listed, and the last.
        for i in (0, 199):
            sent = client.send(Message(GET, f'/floor/{i}/t x'))
            equal(origin.answer().path, f'/room/{i}/t x')
            client.await_response(sent)
        origin.untouched()


@test('PRX-75: 200 routes, without asking anybody')
def _():
    routes = '\n'.join(f'[route]\npath = /device-{i}\nto = coap://127.0.0.1:9'
                       for i in range(200))
    with Proxy(routes) as proxy, Client(proxy.address) as client:
        expected = {f'/device-{i}': '' for i in range(200)}
        for size in (32, 1024):
            equal(parse(fetch(client, size)[0]), expected, f'by {size}')
        equal(parse(libcoap(f'{proxy.uri}{CORE}').strip()), expected)
        equal(parse(libcoap(f'{proxy.uri}{CORE}?href=/device-19*').strip()),
              {f'/device-{i}': '' for i in (19, *range(190, 200))}, 'href')


tap.run()
