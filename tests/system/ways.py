"""Ways from a client to an origin: through one coaproxy, or through two.

Each is a context manager that starts the proxies for an origin on loopback and
gives a Way: how a client has to write its requests so that they reach the
origin's resources. TIMEOUT is that of the proxy next to the origin; MORE comes
to the configuration of all proxies.
"""

import contextlib
import functools

from coap import (LOCATION_PATH, PROXY_URI, URI_HOST,
                  URI_PORT, URI_QUERY, Message)
from programs import Proxy

# Origins have whatever port the kernel gives them.
OPEN = '[forward]\nallow-to = coap://127.0.0.0/8:* coap://[::1]:*\n'


def _route(to, when='', timeout='90s'):
    return f'[route]\n{when}\nto = {to}\ntimeout = {timeout}\n'


def _forward(timeout='90s'):
    return f'{OPEN}timeout = {timeout}\n'


class Way:
    """FIRST is the proxy that the client talks to. The origin's resources are
    below PREFIX there; or, with OPTIONS, those come to each request; or, with
    BASE, the request has a Proxy-Uri that begins with it."""

    def __init__(self, first, prefix='', options=(), base=None):
        self.first, self.prefix, self.base = first, prefix, base
        self.options = list(options)

    @property
    def address(self):
        return self.first.address

    def message(self, code, path, options=(), payload=b'', **more):
        """The Message for PATH, which may have a query, of the origin."""
        if self.base:
            target = [(PROXY_URI, self.base + path)]
            return Message(code, '', [*options, *target], payload, **more)
        path, *query = path.split('?')
        target = self.options + [(URI_QUERY, q) for q in query]
        return Message(code, self.prefix + path, [*options, *target], payload,
                       **more)

    def ask(self, client, *args, **more):
        """Sends message(...) and returns the response."""
        return client.await_response(client.send(self.message(*args, **more)))

    def location(self, response):
        """The path, at the origin, of what RESPONSE says was made."""
        path = '/' + '/'.join(v.decode()
                              for v in response.values(LOCATION_PATH))
        if not path.startswith(self.prefix):
            raise AssertionError(f'{path} is not below {self.prefix}')
        return path[len(self.prefix):]

    def libcoap(self, path):
        """Arguments for libcoap's client."""
        if self.base:
            return ['-P', self.first.uri, self.base + path]
        options = []
        for number, value in self.options:
            text = (value if isinstance(value, str) else f'0x{value:04x}')
            options += ['-O', f'{number},{text}']
        return ['-U', *options, f'{self.first.uri}{self.prefix}{path}']

    def node(self, method, path, **more):
        """A request for node/peer.js."""
        if self.base:
            return {'method': method, 'path': '/',
                    'proxyUri': self.base + path, **more}
        if self.options:
            (_, host), (_, port) = self.options
            more |= {'uriHost': host, 'uriPort': port}
        return {'method': method, 'path': self.prefix + path, **more}


WAYS = {}
CHAINS = {}     # those through two proxies


def _way(name, two):
    def register(function):
        WAYS[name] = contextlib.contextmanager(function)
        if two:
            CHAINS[name] = WAYS[name]
        return function
    return register


@_way('a reverse proxy', two=False)
def _(port, timeout='90s', more=''):
    with Proxy(_route(f'coap://127.0.0.1:{port}', 'path = /p',
                      timeout) + more) as proxy:
        yield Way(proxy, '/p')


@_way('a forward proxy', two=False)
def _(port, timeout='90s', more=''):
    with Proxy(_forward(timeout) + more) as proxy:
        yield Way(proxy, base=f'coap://127.0.0.1:{port}')


@_way('a reverse proxy in front of another', two=True)
def _(port, timeout='90s', more=''):
    with Proxy(_route(f'coap://127.0.0.1:{port}', 'path = /far/q',
                      timeout) + more) as last, \
            Proxy(_route(f'{last.uri}/far', 'path = /p') + more) as first:
        yield Way(first, '/p/q')


@_way('a forward proxy with a next proxy', two=True)
def _(port, timeout='90s', more=''):
    with Proxy(_forward(timeout) + more) as last, \
            Proxy(f'{OPEN}via = {last.uri}\n{more}') as first:
        yield Way(first, base=f'coap://127.0.0.1:{port}')


@_way('a reverse proxy in front of a forward proxy', two=True)
def _(port, timeout='90s', more=''):
    with Proxy(_forward(timeout) + more) as last, \
            Proxy(_route(last.uri, 'host = 127.0.0.1\nas = proxy') +
                  more) as first:
        yield Way(first, options=[(URI_HOST, '127.0.0.1'), (URI_PORT, port)])


def each_way(register, ways, name):
    """Registers FUNCTION(way) as one test for each of WAYS; NAME has a %s."""
    def decorate(function):
        for way in ways:
            register(name % way)(functools.partial(function, ways[way]))
    return decorate
