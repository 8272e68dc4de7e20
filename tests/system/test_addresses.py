"""Addresses: replies leave from the one that was asked, on hosts with several.

With the right to make a network namespace the tests also run on interfaces of
their own: this script then starts itself in one, as "inside".
"""

import os
import shutil
import socket
import subprocess
import sys

import tap
from coap import (CON, GET, NON, PROXY_URI, Client, Endpoint, Message, Origin)
from programs import Proxy
from tap import equal, test

HERE = ('10.77.0.1', '10.77.0.2', '192.168.77.9')


def has_ipv6():
    try:
        with Endpoint('::1'):
            return True
    except OSError:
        return False


def replies_from(client, request=None):
    """Sends a request; fails unless all that comes back comes from where it
    was sent to."""
    message = client.send(request or Message(GET, '/.well-known/core'))
    response = client.receive()
    equal(response.token, message.token)
    equal(response.source[:2], client.to[:2], 'source of the reply')
    ping = client.send(Message('0.00', token=b''))
    pong = client.receive()
    equal((pong.type, pong.mid, pong.source[:2]),
          (3, ping.mid, client.to[:2]), 'pong')
    return response


def separate_reply_from(origin, client):
    """The same for the empty ACK and the separate response."""
    sent = client.send(Message(GET, '/slow'))
    request = origin.receive()
    empty = client.receive()
    equal((empty.code, empty.mid), ('0.00', sent.mid))
    equal(empty.source[:2], client.to[:2], 'source of the empty ACK')
    origin.reply(request, payload='late')
    late = client.receive()
    equal((late.type, late.payload), (CON, b'late'))
    equal(late.source[:2], client.to[:2], 'source of the response')
    client.send(Message('0.00', type=2, mid=late.mid, token=b''))


@test('PRX-104 MSG-28: wildcard socket: 127.0.0.2 asked, 127.0.0.2 answers')
def _():
    with Origin() as origin, Proxy(f'''
            [listen]
            bind = coap://*:0
            [route]
            path = /slow
            to = coap://127.0.0.1:{origin.port}''') as proxy:
        for address in ('127.0.0.1', '127.0.0.2', '127.9.8.7'):
            for type in (CON, NON):
                with Client((address, proxy.port)) as client:
                    replies_from(client, Message(GET, '/.well-known/core',
                                                 type=type))
        with Client(('127.0.0.2', proxy.port)) as client:
            separate_reply_from(origin, client)


@test('PRX-104: the same on an IPv4 wildcard')
def _():
    with Proxy('[listen]\nbind = coap://0.0.0.0:0\n[forward]') as proxy:
        for address in ('127.0.0.1', '127.0.0.2'):
            with Client((address, proxy.port)) as client:
                replies_from(client)


@test('PRX-104: the same socket by IPv6')
def _():
    if not has_ipv6():
        raise tap.Skip('no IPv6')
    with Origin('::1') as origin, Proxy(f'''
            [listen]
            bind = coap://*:0
            [route]
            path = /slow
            to = coap://[::1]:{origin.port}''') as proxy:
        with Client(('::1', proxy.port), '::1') as client:
            replies_from(client)
            separate_reply_from(origin, client)
        with Client(('127.0.0.2', proxy.port)) as client:
            separate_reply_from(origin, client)


@test('an address of IPv6 alone, and one of IPv4 alone')
def _():
    if not has_ipv6():
        raise tap.Skip('no IPv6')
    with Proxy('[listen]\nbind = coap://[::1]:0 coap://127.0.0.1:0\n'
               '[forward]') as proxy:
        for address, port in zip(('::1', '127.0.0.1'), proxy.ports):
            with Client((address, port), address) as client:
                replies_from(client)


@test('PRX-23: a literal in brackets, in any spelling, without Uri-Host')
def _():
    if not has_ipv6():
        raise tap.Skip('no IPv6')
    with Origin('::1') as origin, \
            Proxy('[forward]\nallow-to = coap://[::1]:*') as proxy, \
            Client(proxy.address) as client:
        for host in ('[::1]', '[0:0:0:0:0:0:0:1]', '[::0.0.0.1]'):
            sent = client.send(Message(GET, options=[
                (PROXY_URI, f'coap://{host}:{origin.port}/t')]))
            request = origin.answer()
            equal((request.path, request.value(3)), ('/t', None), host)
            equal(client.await_response(sent).code, '2.05')


# ---- in a network namespace ----


def ip(*words):
    subprocess.run(['ip', *words], check=True)


def interfaces():
    """Two ends of a cable, both here; addresses on the first."""
    ip('link', 'set', 'lo', 'up')
    ip('link', 'add', 'one', 'type', 'veth', 'peer', 'name', 'two')
    for address in HERE:
        ip('address', 'add', f'{address}/24', 'dev', 'one')
    for name, address in (('one', 'fe80::1'), ('two', 'fe80::2')):
        ip('link', 'set', name, 'up')
        if has_ipv6():
            ip('address', 'add', f'{address}/64', 'dev', name, 'nodad')


def check_addresses():
    with Origin() as origin, Proxy(f'''
            [listen]
            bind = coap://*:0
            [forward]
            allow-to = private
            [route]
            path = /slow
            to = coap://127.0.0.1:{origin.port}''') as proxy:
        for address in HERE:
            for source in HERE:
                with Client((address, proxy.port), source) as client:
                    replies_from(client)
            with Client((address, proxy.port), HERE[0]) as client:
                separate_reply_from(origin, client)
                # PRX-03: and each of them is the proxy.
                equal(client.request(GET, options=[(
                    PROXY_URI, f'coap://{HERE[2]}:{proxy.port}/'
                    '.well-known/core')]).code, '2.05')


def check_zone():
    if not has_ipv6():
        raise tap.Skip('no IPv6')
    for zone, address in (('one', 'fe80::2%two'), ('two', 'fe80::1%one')):
        with Origin(address) as origin, Proxy(f'''
                [route]
                to = coap://[{address.split("%")[0]}%25{zone}]:{origin.port}
                send-host = target''') as proxy, \
                Client(proxy.address) as client:
            sent = client.send(Message(GET, '/far'))
            request = origin.answer(payload='near')
            # PRX-24: a zone is never told to others.
            equal((request.path, request.value(3)), ('/far', None))
            equal(client.await_response(sent).payload, b'near')


def check_local_client():
    if not has_ipv6():
        raise tap.Skip('no IPv6')
    with Proxy('[listen]\nbind = coap://*:0\n[forward]') as proxy:
        scope = socket.if_nametoindex('two')
        client = Client(('fe80::1', proxy.port, 0, scope), 'fe80::2%two')
        with client:
            replies_from(client)


INSIDE = {
    'addresses': check_addresses,
    'zone': check_zone,
    'client': check_local_client,
}


def inside(name):
    """Runs a check in a new network namespace."""
    enter = ['unshare', '--net'] if os.geteuid() == 0 else \
        ['unshare', '--net', '--user', '--map-root-user']
    for program in ('unshare', 'ip'):
        if not shutil.which(program):
            raise tap.Skip(f'no {program}')
    if subprocess.run([*enter, 'ip', 'link', 'add', 'one', 'type', 'veth',
                       'peer', 'name', 'two'], capture_output=True).returncode:
        raise tap.Skip('a network namespace is not permitted here')
    done = subprocess.run(
        [*enter, sys.executable, '-B', __file__, 'inside', name],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        timeout=30)
    if done.returncode == 77:
        raise tap.Skip(done.stdout.strip())
    equal(done.returncode, 0, done.stdout)


@test('PRX-104: three addresses on an interface, each answers for itself')
def _():
    inside('addresses')


@test('a link-local origin is reached by its zone, PRX-24 and not told it')
def _():
    inside('zone')


@test('a link-local client is answered')
def _():
    inside('client')


if sys.argv[1:2] == ['inside']:
    interfaces()
    try:
        INSIDE[sys.argv[2]]()
    except tap.Skip as why:
        print(why)
        sys.exit(77)
    sys.exit(0)

tap.run()
