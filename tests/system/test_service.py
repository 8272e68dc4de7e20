"""As a service manager has it: sockets that are passed, the watchdog, and the
line of status."""

import errno
import os
import secrets
import signal
import socket
import subprocess
import time

import tap
from coap import GET, OBSERVE, Client, Message, Origin
from programs import COAPROXY, START, Manager, Proxy
from tap import contains, equal, test

REPLY = '[route]\nreply = 2.05 "hi"\n'


def need_libsystemd():
    version = subprocess.run([COAPROXY, '-V'], capture_output=True, text=True,
                             timeout=START).stdout
    if 'systemd no' in version:
        raise tap.Skip('built without libsystemd')


def manager():
    need_libsystemd()
    return Manager(f'\0coaproxy-test-{secrets.token_hex(8)}')


def udp(address='127.0.0.1'):
    s = socket.socket(socket.AF_INET6 if ':' in address else socket.AF_INET,
                      socket.SOCK_DGRAM)
    if ':' in address:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    s.bind((address, 0))
    return s


def asks(port, host='127.0.0.1'):
    with Client((host, port)) as client:
        return client.request(GET, '/').payload


@test('fd:NAME: all UDP sockets of that name, whatever their order')
def _():
    need_libsystemd()
    stream = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    stream.bind(('127.0.0.1', 0))
    stream.listen()
    with stream, udp() as a, udp() as b, udp() as other:
        ports = [s.getsockname()[1] for s in (a, b, other)]
        with Proxy('[listen]\nbind = fd:coap coap://127.0.0.1:0\n'
                   '[listen two]\nbind = fd:other\n' + REPLY,
                   passed=[('other', other), ('coap', a), ('coap', stream),
                           ('coap', b)]) as proxy:
            equal((proxy.ports[:2], proxy.ports[3]), (ports[:2], ports[2]))
            equal([asks(port) for port in proxy.ports], [b'hi'] * 4)


@test('fd:NAME: a socket for both families')
def _():
    need_libsystemd()
    with udp('::') as s, Proxy('[listen]\nbind = fd:coap\n' + REPLY,
                               passed=[('coap', s)]) as proxy:
        equal(asks(s.getsockname()[1]), b'hi')
        contains(proxy.output, f'ready: coap://[::]:{s.getsockname()[1]}')


@test('fd:NAME: what has come before the start is answered')
def _():
    need_libsystemd()
    with udp() as s, Client(s.getsockname()) as client:
        sent = client.send(Message(GET))
        with Proxy('[listen]\nbind = fd:coap\n' + REPLY,
                   passed=[('coap', s)]):
            equal(client.await_response(sent).payload, b'hi')


@test('fd:NAME: no such socket, exit status 1 and a word about it')
def _():
    for passed in ((), [('coaps', udp())]):
        proxy = Proxy('[listen]\nbind = fd:coap\n' + REPLY, wait=False,
                      passed=passed)
        try:
            equal(proxy.wait_end(), 1)
            contains(proxy.output, 'cannot listen on fd:coap: the service '
                     'manager has passed no UDP socket of that name')
        finally:
            proxy.close()


@test('fd:NAME: kept, given up and taken again by reloads')
def _():
    need_libsystemd()
    with udp() as s:
        port = s.getsockname()[1]
        fd = '[listen]\nbind = fd:coap\n' + REPLY
        with Proxy(fd, passed=[('coap', s)]) as proxy, \
                Client(('127.0.0.1', port)) as client:
            proxy.reload(fd + '[cache]\nsize = 1M\n', 2)
            equal(client.request(GET).payload, b'hi')
            equal('listening' in proxy.output, False)
            proxy.reload('[listen]\nbind = coap://127.0.0.1:0\n' + REPLY, 3)
            proxy.wait_for(f'closed: coap://127.0.0.1:{port}')
            # The manager's end of it is still there.
            sent = client.send(Message(GET))
            proxy.reload(fd, 4)
            equal(client.await_response(sent).payload, b'hi')


@test('WATCHDOG=1 twice as often as it must be')
def _():
    with manager() as boss, Proxy(
            REPLY, env={**boss.env, 'WATCHDOG_USEC': '400000'}):
        boss.next_with('READY')
        times = []
        for _ in range(4):
            boss.next_with('WATCHDOG')
            times.append(time.monotonic())
        equal(0.4 < times[3] - times[0] < 2, True, times)


@test('no WATCHDOG=1 while the loop does not turn')
def _():
    with manager() as boss, Proxy(
            REPLY, env={**boss.env, 'WATCHDOG_USEC': '100000'}) as proxy:
        boss.next_with('WATCHDOG')
        proxy.signal(signal.SIGSTOP)
        try:
            boss.socket.settimeout(0.5)
            seen = 0
            while seen < 3:     # what was sent before it stopped
                boss.next()
                seen += 1
            raise AssertionError('it goes on')
        except socket.timeout:
            pass
        finally:
            proxy.signal(signal.SIGCONT)
        boss.socket.settimeout(START)
        boss.next_with('WATCHDOG')


@test('a watchdog that is for another process is not fed')
def _():
    with manager() as boss, Proxy(REPLY, env={
            **boss.env, 'WATCHDOG_USEC': '100000',
            'WATCHDOG_PID': str(os.getpid())}) as proxy:
        boss.next_with('READY')
        proxy.signal(signal.SIGTERM)
        equal('STOPPING' in boss.next(), True)
        equal(proxy.wait_end(), 0)


@test('a configuration that is refused at the start: STATUS, ERRNO, 78')
def _():
    with manager() as boss:
        proxy = Proxy('[route]\ntoo = coap://h\n', wait=False, env=boss.env)
        try:
            equal(proxy.wait_end(), 78)
            state = boss.next()
            contains(state['STATUS'], f'Configuration refused: {proxy.config}'
                     ':2:1: error: [route] has no setting')
            equal(state['ERRNO'], str(errno.EINVAL))
        finally:
            proxy.close()


@test('an address that cannot be bound at the start: STATUS, ERRNO, 1')
def _():
    with manager() as boss, udp() as taken:
        port = taken.getsockname()[1]
        proxy = Proxy(f'[listen]\nbind = coap://127.0.0.1:{port}\n' + REPLY,
                      wait=False, env=boss.env)
        try:
            equal(proxy.wait_end(), 1)
            state = boss.next()
            contains(state['STATUS'], f'cannot listen on coap://127.0.0.1:'
                     f'{port}: Address already in use')
            equal(state['ERRNO'], str(errno.EADDRINUSE))
        finally:
            proxy.close()


@test('STATUS: told when it has changed, and only then')
def _():
    with manager() as boss, Origin() as origin, Proxy(
            f'[route]\nto = coap://127.0.0.1:{origin.port}\n',
            env=boss.env) as proxy, Client(proxy.address) as client:
        equal(boss.next(), {'READY': '1', 'STATUS':
                            'Serving 1 listener, 1 route (configuration 1)'})
        sent = client.send(Message(GET, '/a', [(OBSERVE, 0)]))
        origin.answer(options=[(OBSERVE, 1)])
        equal(client.await_response(sent).code, '2.05')
        equal(boss.next(), {'STATUS': 'Serving 1 listener, 1 route '
                            '(configuration 1), 1 observation'})
        boss.socket.settimeout(11)
        try:
            raise AssertionError(boss.next())
        except socket.timeout:
            pass


@test('STATUS: origins that do not answer')
def _():
    with manager() as boss, Origin() as origin, Proxy(
            '[message]\nack-timeout = 1s\nack-random-factor = 1\n'
            'max-retransmit = 0\n'
            f'[route]\nto = coap://127.0.0.1:{origin.port}\n',
            env=boss.env) as proxy, Client(proxy.address) as client:
        boss.next_with('READY')
        sent = client.send(Message(GET))
        equal(client.await_response(sent).code, '5.04')
        equal(boss.next(), {'STATUS': 'Serving 1 listener, 1 route '
                            '(configuration 1), 1 silent origin'})


tap.run()
