"""Starting, being watched, and ending."""

import errno
import os
import re
import resource
import secrets
import signal
import subprocess
import tempfile
import time

import tap
from coap import GET, MAX_AGE, Client, Message, Origin
from programs import COAPROXY, START, Manager, Program, Proxy, coaproxy
from tap import contains, equal, test


tap.LIMIT = 80


def route(origin):
    return f'[route]\nto = coap://127.0.0.1:{origin.port}\n'


def supervised(manager):
    with Origin() as origin, manager, \
            Proxy(route(origin), env=manager.env) as proxy:
        state = manager.next_with('READY')
        equal(state['READY'], '1')
        contains(state['STATUS'], '1 listener')
        proxy.signal(signal.SIGTERM)
        state = manager.next_with('STOPPING')
        equal((state['STOPPING'], state['STATUS']),
              ('1', 'Draining 0 requests'))
        # A second more than drain.
        equal(state['EXTEND_TIMEOUT_USEC'], '6000000')
        equal(proxy.wait_end(), 0)


@test('ready line: every bound address with its real port')
def _():
    with Proxy('''
            [listen one]
            bind = coap://127.0.0.1:0 coap://127.0.0.2:0
            [listen two]
            bind = coap://127.0.0.3:0
            [forward]''') as proxy:
        line = proxy.wait_for(r'^ready: (.*)$')[1]
        hosts = re.findall(r'coap://([\d.]+):\d+', line)
        equal(hosts, ['127.0.0.1', '127.0.0.2', '127.0.0.3'])
        equal(0 in proxy.ports, False)
        for host, port in zip(hosts, proxy.ports):
            with Client((host, port)) as client:
                equal(client.request(GET, '/.well-known/core').code, '2.05')
                equal(client.fence(), [])


@test('READY=1, STATUS and STOPPING=1 to a socket with a path')
def _():
    with tempfile.TemporaryDirectory() as directory:
        supervised(Manager(os.path.join(directory, 'notify')))


@test('READY=1, STATUS and STOPPING=1 to an abstract socket')
def _():
    supervised(Manager(f'\0coaproxy-test-{secrets.token_hex(8)}'))


def drains(number):
    with Manager(f'\0coaproxy-test-{secrets.token_hex(8)}') as manager, \
            Origin() as origin, \
            Proxy(route(origin), env=manager.env) as proxy, \
            Client(proxy.address) as client:
        sent = client.send(Message(GET, '/slow'))
        request = origin.receive()
        proxy.signal(number)
        contains(manager.next_with('STOPPING')['STATUS'], '1 request')
        equal(proxy.process.poll(), None, 'still running')
        # PRX-45: others had better ask elsewhere, or later.
        with Client(proxy.address) as late:
            refused = late.request(GET, '/new')
            equal((refused.code, refused.value(MAX_AGE) is not None),
                  ('5.03', True))
        origin.untouched()
        origin.reply(request, payload='in time')
        equal(client.await_response(sent).payload, b'in time')
        equal(proxy.wait_end(), 0)


@test('SIGTERM: a request in flight is still answered, exit status 0')
def _():
    drains(signal.SIGTERM)


@test('SIGINT: the same')
def _():
    drains(signal.SIGINT)


@test('drain has an end: the origin never answers, exit status 0')
def _():
    with Origin() as origin, \
            Proxy('[proxy]\ndrain = 300ms\n' + route(origin)) as proxy, \
            Client(proxy.address) as client:
        client.send(Message(GET))
        origin.receive()
        proxy.signal(signal.SIGTERM)
        equal(proxy.wait_end(5), 0)


@test('a second SIGTERM ends at once')
def _():
    with Manager(f'\0coaproxy-test-{secrets.token_hex(8)}') as manager, \
            Origin() as origin, \
            Proxy('[proxy]\ndrain = 1h\n' + route(origin),
                  env=manager.env) as proxy, Client(proxy.address) as client:
        client.send(Message(GET))
        origin.receive()
        proxy.signal(signal.SIGTERM)
        manager.next_with('STOPPING')
        proxy.signal(signal.SIGTERM)
        equal(proxy.wait_end(5), 0)


@test('idle: SIGTERM ends without waiting')
def _():
    with Proxy('[proxy]\ndrain = 1h\n[forward]') as proxy:
        proxy.signal(signal.SIGTERM)
        equal(proxy.wait_end(5), 0)


@test('a second daemon on the same port: exit status 1, names the address')
def _():
    with Proxy('[forward]') as first:
        second = Proxy(f'[listen]\nbind = {first.uri}\n[forward]', wait=False)
        try:
            equal(second.wait_end(), 1)
            contains(second.output, f'127.0.0.1:{first.port}')
            contains(second.output.lower(), 'in use')
            equal('ready:' in second.output, False)
        finally:
            second.close()
        with Client(first.address) as client:
            equal(client.request(GET, '/.well-known/core').code, '2.05')


ELSEWHERE = '[listen]\nbind = coap://203.0.113.77\n[forward]'
NO_ADDRESS = 'cannot listen on coap://203.0.113.77: Cannot assign requested'


@test('an address that is not ours: after 30 s exit status 1')
def _():
    with Manager(f'\0coaproxy-test-{secrets.token_hex(8)}') as manager:
        began = time.monotonic()
        proxy = Proxy(ELSEWHERE, wait=False, env=manager.env)
        try:
            equal(proxy.wait_end(50), 1)
            equal(29 < time.monotonic() - began, True)
            equal([re.sub('^[^ ]* ', '', line)
                   for line in proxy.output.splitlines()],
                  [f'warn {NO_ADDRESS} address; trying again for 30 s',
                   f'error {NO_ADDRESS} address'])
            if 'systemd no' in coaproxy('-V')[1]:
                return
            equal(manager.next()['STATUS'], f'Waiting: {NO_ADDRESS} address')
            equal(manager.next(), {'STATUS': f'{NO_ADDRESS} address',
                                   'ERRNO': str(errno.EADDRNOTAVAIL)})
        finally:
            proxy.close()


@test('an address that is not ours yet: SIGTERM ends the waiting')
def _():
    for number in (signal.SIGTERM, signal.SIGINT):
        proxy = Proxy(ELSEWHERE, wait=False)
        try:
            proxy.wait_for('trying again')
            proxy.signal(signal.SIGHUP)     # is for later
            proxy.signal(number)
            equal(proxy.wait_end(), 0)
            equal('ready' in proxy.output, False)
        finally:
            proxy.close()


@test('an address that comes later is waited for, and READY=1 with it')
def _():
    alone = ['unshare', '-n'] if os.geteuid() == 0 else ['unshare', '-rn']
    if subprocess.run([*alone, 'ip', 'link', 'set', 'lo', 'up'],
                      capture_output=True, check=False).returncode:
        raise tap.Skip('no network namespace')
    # A socket with a path is seen from every network.
    with tempfile.TemporaryDirectory() as directory, \
            Manager(os.path.join(directory, 'notify')) as manager:
        proxy = Program(
            [*alone, 'sh', '-c', 'ip link set lo up; exec "$@"', 'sh',
             COAPROXY, '--bind', 'coap://203.0.113.77', '--bind',
             'coap://[2001:db8::77]', '--route', 'reply=2.05'],
            env={**os.environ, **manager.env})
        try:
            proxy.wait_for('trying again')
            inside = ['nsenter', '-t', str(proxy.process.pid), '-n',
                      *(['-U', '--preserve-credentials']
                        if os.geteuid() else [])]

            def add(address):
                subprocess.run([*inside, 'ip', 'address', 'add', address,
                                'dev', 'lo'], check=True, timeout=START)

            add('203.0.113.77/32')
            # Not yet: there is another.
            proxy.signal(signal.SIGHUP)
            add('2001:db8::77/128')
            proxy.wait_for(r'^ready: coap://203\.0\.113\.77:5683 '
                           r'coap://\[2001:db8::77\]:5683$')
            proxy.wait_for(' configuration 2 in use')
            equal(proxy.output.count('trying again'), 1)
            if 'systemd no' not in coaproxy('-V')[1]:
                contains(manager.next()['STATUS'], 'Waiting: ')
                contains(manager.next_with('READY')['STATUS'],
                         'Serving 1 listener')
        finally:
            proxy.close()


@test('reload: an address that is not ours is refused at once')
def _():
    with Proxy('[forward]') as proxy, Client(proxy.address) as client:
        proxy.configure(ELSEWHERE)
        proxy.signal(signal.SIGHUP)
        proxy.wait_for(f'{NO_ADDRESS} address\n(?:.*\n)*?.* reload refused')
        equal('trying again' in proxy.output, False)
        equal(client.request(GET, '/.well-known/core').code, '2.05')


@test('ATK-40: nothing of before is trusted after a restart')
def _():
    with Origin() as origin:
        with Proxy('[proxy]\ndrain = 0s\n' + route(origin)) as proxy, \
                Client(proxy.address) as client:
            client.send(Message(GET))
            old = origin.receive()
            bind = f'[listen]\nbind = {proxy.uri}\n'
        with Proxy(bind + route(origin)) as proxy, \
                Client(proxy.address) as client:
            sent = client.send(Message(GET))
            request = origin.receive()
            # Late, to where the old process listened and to the new one.
            origin.reply(old, payload='stale')
            origin.reply(old, payload='stale', type=0, mid=9)
            old.source = request.source
            origin.reply(old, payload='stale')
            equal(client.fence(), [])
            origin.reply(request, payload='fresh')
            equal(client.await_response(sent).payload, b'fresh')


@test('log: messages below the level are not written; -v and -q shift it')
def _():
    with Proxy('[forward]', '-v', '-v') as loud, \
            Proxy('[forward]', '-q', '-q') as quiet:
        for proxy in (loud, quiet):
            proxy.signal(signal.SIGTERM)
            equal(proxy.wait_end(), 0)
        contains(loud.output, 'stopped')
        equal('stopped' in quiet.output, False)
        contains(quiet.output, 'ready:')


@test('log target: a file')
def _():
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, 'log')
        with Proxy(f'[forward]\n[log]\ntarget = {path}') as proxy:
            proxy.signal(signal.SIGTERM)
            equal(proxy.wait_end(), 0)
        with open(path) as log:
            contains(log.read(), 'stopped')
        equal('stopped' in proxy.output, False)


@test('log target: a file that cannot be had, exit status 1')
def _():
    status, out, err = coaproxy('-c', '-', text=(
        '[listen]\nbind = coap://127.0.0.1:0\n[forward]\n'
        '[log]\ntarget = /nonexistent/log\n'))
    equal((status, out), (1, ''))
    contains(err, 'cannot open /nonexistent/log: No such file or directory')


@test('as many descriptors as may be had are had')
def _():
    with tempfile.NamedTemporaryFile('w', suffix='.conf') as file:
        file.write('[listen]\nbind = coap://127.0.0.1:0\n[forward]\n')
        file.flush()
        with Program(['sh', '-c', 'ulimit -S -n 100; ulimit -H -n 200; '
                      'exec "$@"', 'sh', COAPROXY, '-c', file.name]) as p:
            p.wait_for('^ready:')
            soft, hard = resource.prlimit(p.process.pid,
                                          resource.RLIMIT_NOFILE)
            equal((soft, hard), (200, 200))
            p.signal(signal.SIGTERM)
            equal(p.wait_end(), 0)


tap.run()
