"""Another configuration while requests and observations go on.

RELOAD_SECONDS is how long the storm of signals takes, RELOAD_RATE how many
requests a second there are meanwhile.
"""

import contextlib
import os
import pathlib
import re
import secrets
import signal
import tempfile
import time

import tap
from coap import (ACK, CON, EMPTY, GET, MAX_AGE, NON, OBSERVE, POST, WAIT,
                  Client, Message, Origin, Silence)
from programs import TOP, Manager, Program, Proxy, coaproxy
from tap import contains, equal, test

BENCH = pathlib.Path(os.environ.get('top_builddir', TOP / 'build')) / 'bench'
SECONDS = int(os.environ.get('RELOAD_SECONDS', 3))
STORM = 50      # signals a second
FAST = 100
RATE = int(os.environ.get('RELOAD_RATE', 2000))
RELOADS = 200
SLOW = 60 + 10 * SECONDS

tap.LIMIT = SLOW + 60


def route(origin, path='', target='', more=''):
    return (f'[route]\n{path and f"path = {path}"}\n'
            f'to = coap://127.0.0.1:{origin.port}{target}\n{more}\n')


def manager():
    return Manager(f'\0coaproxy-test-{secrets.token_hex(8)}')


def figures(line):
    return {key: int(value)
            for key, value in re.findall(r'(\w+)=(\d+)(?![\d.])', line)}


def bound(proxy, generation):
    """The port that configuration GENERATION has opened."""
    return int(proxy.wait_for(
        r'listening: coap://127\.0\.0\.\d+:(\d+)\n(?:.*\n)*?'
        fr'.* configuration {generation} in use')[1])


class Observer(Client):
    """A client that observes PATH through PROXY, answered by ORIGIN."""

    def __init__(self, proxy, origin, path):
        super().__init__(proxy.address)
        self.sent = self.send(Message(GET, path, [(OBSERVE, 0)]))
        self.registration = origin.receive()
        origin.reply(self.registration, payload='first',
                     options=[(OBSERVE, 1), (MAX_AGE, 1000)])
        self.first = self.await_response(self.sent)
        equal(self.first.payload, b'first')

    def told(self):
        """The next notification, acknowledged."""
        m = self.receive()
        equal(m.token, self.sent.token, 'token')
        if m.type == CON:
            self.send(Message(EMPTY, type=ACK, mid=m.mid, token=b''))
        return m


def notify(origin, registration, number, payload):
    origin.reply(registration, payload=payload, type=NON,
                 mid=number & 0xffff,
                 options=[(OBSERVE, number), (MAX_AGE, 1000)])


@test('routes and replies of the new configuration, on the same socket')
def _():
    with Origin() as one, Origin() as two, Proxy(route(one)) as proxy, \
            Client(proxy.address) as client:
        sent = client.send(Message(GET, '/a'))
        one.answer(payload='one')
        equal(client.await_response(sent).payload, b'one')
        proxy.reload(route(two, '/a') + '[route]\nreply = 4.10 "gone"', 2)
        sent = client.send(Message(GET, '/a/b'))
        equal(two.answer(payload='two').path, '/b')
        equal(client.await_response(sent).payload, b'two')
        equal(client.request(GET, '/c').code, '4.10')
        one.untouched()


@test('a request under way ends by the rules it began with')
def _():
    with Origin() as one, Origin() as two, \
            Proxy(route(one, '/a', '/x')) as proxy, \
            Client(proxy.address) as client:
        sent = client.send(Message(POST, '/a'))
        request = one.receive()
        proxy.reload(route(two, '/b'), 2)
        equal(client.request(GET, '/a').code, '4.04')
        one.reply(request, '2.01', options=[(8, 'x'), (8, '7')])
        answer = client.await_response(sent)
        equal((answer.code, answer.values(8)), ('2.01', [b'a', b'7']))
        two.untouched()


@test('MSG-61 MSG-65: a copy of a message from before is still a copy')
def _():
    with Origin() as origin, Proxy(route(origin)) as proxy, \
            Client(proxy.address) as client:
        sent = client.send(Message(POST, '/a'))
        origin.answer('2.04', payload='once')
        first = client.receive()
        proxy.reload(route(origin, more='timeout = 5s'), 2)
        client.send_raw(sent.raw)
        equal(client.receive().raw, first.raw)
        origin.untouched()


@test('a broken configuration changes nothing, and is told with file and line')
def _():
    with manager() as boss, Origin() as origin, \
            Proxy(route(origin), env=boss.env) as proxy, \
            Client(proxy.address) as client:
        boss.next_with('READY')
        proxy.configure(route(origin) + '[route b]\ntoo = coap://h\n'
                        'timeout = 20x\n[listen]\nbind = coap://127.0.0.9:0')
        proxy.signal(signal.SIGHUP)
        equal('MONOTONIC_USEC' in boss.next_with('RELOADING'), True)
        state = boss.next_with('READY')
        contains(state['STATUS'], 'Kept configuration 1; new one refused: '
                 f'{proxy.config}:6:1: error: [route] has no setting')
        proxy.wait_for(fr'error {re.escape(proxy.config)}:6:1: error: ')
        proxy.wait_for(fr'error {re.escape(proxy.config)}:7:11: error: ')
        proxy.wait_for('reload refused: configuration 1 stays in use')
        equal('127.0.0.9' in proxy.output, False)
        sent = client.send(Message(GET, '/a'))
        origin.answer(payload='still')
        equal(client.await_response(sent).payload, b'still')
        # ... and the next good one is not the one after next.
        proxy.reload(route(origin), 2)
        contains(boss.next_with('READY')['STATUS'], '(configuration 2)')


@test('an address that cannot be had: no other one is opened either')
def _():
    with Origin() as origin, Proxy(route(origin)) as proxy, \
            Client(proxy.address) as client:
        proxy.configure('[listen]\nbind = coap://127.0.0.1:0\n'
                        '[listen b]\nbind = coap://127.0.0.2:0\n'
                        f'[listen c]\nbind = coap://127.0.0.1:{origin.port}\n'
                        '[route]\nreply = 4.10')
        proxy.signal(signal.SIGHUP)
        proxy.wait_for(r'cannot listen on coap://127\.0\.0\.1:\d+: Address '
                       'already in use')
        proxy.wait_for('reload refused')
        sent = client.send(Message(GET, '/a'))
        origin.answer(payload='still')
        equal(client.await_response(sent).payload, b'still')
        equal('listening: ' in proxy.output, False)


@test('standard input is not read again')
def _():
    read, write = os.pipe()
    os.write(write, b'[listen]\nbind = coap://127.0.0.1:0\n[forward]\n')
    os.close(write)
    with os.fdopen(read) as source, Program(
            [os.environ.get('COAPROXY'), '-c', '-'], stdin=source) as proxy:
        proxy.wait_for('^ready:')
        proxy.signal(signal.SIGHUP)
        proxy.wait_for('standard input cannot be read again')


@test('options of the command line are taken anew')
def _():
    with Proxy(None, '--bind', 'coap://127.0.0.1:0', '--forward') as proxy, \
            Client(proxy.address) as client:
        proxy.signal(signal.SIGHUP)
        proxy.wait_for('configuration 2 in use')
        equal(client.request(GET, '/.well-known/core').code, '2.05')


@test('RELOADING with the time, then READY; READY=1 is told in either case')
def _():
    with manager() as boss, Proxy('[forward]', env=boss.env) as proxy:
        boss.next_with('READY')
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        proxy.signal(signal.SIGHUP)
        state = boss.next()
        after = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        equal((state['RELOADING'], state['STATUS']), ('1', 'Reloading'))
        equal(before <= int(state['MONOTONIC_USEC']) <= after, True)
        state = boss.next()
        equal(state, {'READY': '1', 'STATUS':
                      'Serving 1 listener, 0 routes (configuration 2)'})


@test('new and removed listeners; the one that goes answers what it owes')
def _():
    with Origin() as origin, Proxy(
            '[listen a]\nbind = coap://127.0.0.1:0\n' + route(origin)) \
            as proxy, Client(proxy.address) as client, \
            Client(proxy.address) as other:
        sent = client.send(Message(GET, '/slow'))
        request = origin.receive()
        proxy.reload('[listen b]\nbind = coap://127.0.0.2:0\n' +
                     route(origin), 2)
        with Client(('127.0.0.2', bound(proxy, 2))) as new:
            asked = new.send(Message(GET, '/new'))
            origin.acknowledge(request)
            origin.answer(payload='new')
            equal(new.await_response(asked).payload, b'new')
        late = other.request(GET, '/late')
        equal((late.code, late.value(MAX_AGE)), ('5.03', b'\5'))
        equal('closed: ' in proxy.output, False)
        origin.reply(request, payload='slow', type=CON, mid=7)
        equal(client.await_response(sent).payload, b'slow')
        proxy.wait_for(fr'closed: coap://127\.0\.0\.1:{proxy.port}')
        try:
            client.send(Message(GET, '/gone'))
            raise AssertionError(client.receive(0.5))
        except (Silence, ConnectionRefusedError):
            pass


@test('a listener may be renamed, and a port of the kernel\'s choice stays')
def _():
    one = '[listen one]\nbind = coap://127.0.0.1:0\n'
    two = '[listen two]\nbind = coap://127.0.0.1:0\n'
    only = '[route]\nlisten = {}\nreply = 2.05 "{}"\n'
    with Proxy(one + two + only.format('one', 1) + only.format('two', 2)) \
            as proxy, Client(('127.0.0.1', proxy.ports[0])) as first, \
            Client(('127.0.0.1', proxy.ports[1])) as second:
        proxy.reload(two + one + only.format('one', 11) +
                     only.format('two', 12), 2)
        equal(first.request(GET).payload, b'11')
        equal(second.request(GET).payload, b'12')
        proxy.reload('[listen three]\nbind = coap://127.0.0.1:0\n' + one +
                     only.format('three', 23), 3)
        equal(second.request(GET).payload, b'23')
        equal(first.request(GET).code, '4.04')
        equal('listening' in proxy.output, False)


@test('who observes what leads to the same target notices nothing')
def _():
    with Origin() as origin, Proxy(route(origin, '/a', '/x')) as proxy, \
            Observer(proxy, origin, '/a') as observer:
        proxy.reload('[route other]\npath = /b\nreply = 4.04\n' +
                     route(origin, '/a', '/x', 'timeout = 10s'), 2)
        notify(origin, observer.registration, 2, 'second')
        equal(observer.told().payload, b'second')
        origin.untouched()


@test('who observes what leads elsewhere gets one 5.03')
def _():
    with Origin() as one, Origin() as two, Proxy(
            route(one, '/a') + route(one, '/b')) as proxy, \
            Observer(proxy, one, '/a') as parts, \
            Observer(proxy, one, '/b/t') as stays:
        proxy.reload(route(two, '/a') + route(one, '/b'), 2)
        last = parts.told()
        equal((last.code, last.value(OBSERVE), last.payload),
              ('5.03', None, b'route has changed'))
        bye = one.receive()
        equal((bye.token, bye.value(OBSERVE)),
              (parts.registration.token, b'\1'))
        one.reply(bye, payload='first')
        notify(one, stays.registration, 2, 'second')
        equal(stays.told().payload, b'second')
        equal(parts.fence(), [])


@test('the log is opened anew: its file may have been moved')
def _():
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, 'log')
        text = f'[forward]\n[log]\ntarget = {path}'
        with Proxy(text) as proxy:
            os.rename(path, path + '.1')
            proxy.signal(signal.SIGHUP)
            deadline = time.monotonic() + WAIT
            while 'configuration 2' not in (
                    os.path.exists(path) and pathlib.Path(path).read_text()
                    or ''):
                equal(time.monotonic() < deadline, True, 'in time')
                time.sleep(0.01)
            # The access log goes there, too.
            with Client(proxy.address) as client:
                equal(client.request(GET, '/no').code, '4.04')
            contains(pathlib.Path(path).read_text(), ' access ')
            before = pathlib.Path(path + '.1').read_text()
            equal('configuration 2' in before or ' access ' in before, False)
            proxy.configure(text.replace(path, directory + '/no/log'))
            proxy.signal(signal.SIGHUP)
            while 'cannot open' not in pathlib.Path(path).read_text():
                equal(time.monotonic() < deadline, True, 'in time')
                time.sleep(0.01)
        contains(pathlib.Path(path).read_text(), 'stopped')


# ---- under load ----

def wait_until(what, condition):
    deadline = time.monotonic() + WAIT
    while not condition():
        equal(time.monotonic() < deadline, True, what)
        time.sleep(0.05)


def sockets_at(proxy, port):
    """How many UDP sockets of PROXY are bound to PORT."""
    files = pathlib.Path(f'/proc/{proxy.process.pid}/fd')
    inodes = set()
    for name in files.iterdir():
        with contextlib.suppress(FileNotFoundError):
            inodes.add(os.readlink(name))
    found = 0
    for table in 'udp', 'udp6':
        for line in pathlib.Path(f'/proc/net/{table}').read_text() \
                .splitlines()[1:]:
            words = line.split()
            found += words[1].endswith(f':{port:04X}') and \
                f'socket:[{words[9]}]' in inodes
    return found


class BenchOrigin(Program):
    def __init__(self):
        super().__init__([BENCH / 'origin', '--strict'])
        self.port = int(self.wait_for(r'^ready: (\d+)$')[1])

    def end(self):
        self.signal(signal.SIGTERM)
        equal(self.wait_end(), 0, 'Message IDs used twice')


def load(proxy, rate, seconds):
    return Program([BENCH / 'rate', '--rate', rate, '--seconds', seconds,
                    f'127.0.0.1:{proxy.port}'])


def nothing_lost(program):
    """The load has ended, and every request was answered rightly."""
    status = program.wait_end(SLOW)
    seen = figures(program.output)
    print('#', program.output.strip())
    equal(status, 0)
    equal(seen['right'], seen['sent'], 'right answers')


LIMITS = ('[message]\nmax-exchanges = 8192\nqueue-per-origin = 4096\n'
          'max-upstream-ports = 64\n[observe]\nconfirmable-every = 1\n')


def variant(number, origin, watched):
    """Configurations that differ in all but where they lead."""
    filler = ''.join(f'[route f{i}]\nhost = h{number}-{i}\nreply = 4.10\n'
                     for i in range(number % 7))
    extra = '[listen extra]\nbind = coap://127.0.0.2:0\n' * (number % 3 == 0)
    watch = f'[route w{number}]\npath = /watched\n' + \
        f'to = coap://127.0.0.1:{watched.port}\ntimeout = {number + 20}s\n'
    return (f'{LIMITS}[listen l{number % 2}]\n'
            f'bind = coap://127.0.0.1:0\n{extra}{filler}{watch}'
            f'[route r{number}]\nto = coap://127.0.0.1:{origin.port}\n'
            f'[proxy]\nhop-limit = {number % 5 + 5}\n')


@test(f'{RELOADS} reloads under load: no request and no observation is lost')
def _():
    with BenchOrigin() as origin, Origin() as watched, \
            Proxy(variant(0, origin, watched)) as proxy:
        observers = [Observer(proxy, watched, f'/watched/{i}')
                     for i in range(10)]
        with load(proxy, RATE, 8) as program:
            for number in range(1, RELOADS + 1):
                proxy.reload(variant(number, origin, watched), number + 1)
                if number % 20:
                    continue
                for observer in observers:
                    notify(watched, observer.registration, number + 1,
                           f'n{number}')
                for observer in observers:
                    equal(observer.told().payload, f'n{number}'.encode())
            nothing_lost(program)
        watched.untouched()
        for observer in observers:
            observer.close()
        origin.end()


def sanitized():
    """Whether memory that was freed is not used again for a while."""
    return 'sanitizers no' not in coaproxy('-V')[1]


def resident(proxy):
    status = pathlib.Path(f'/proc/{proxy.process.pid}/status').read_text()
    return int(re.search(r'VmRSS:\s+(\d+)', status)[1])


@test(f'{STORM} signals a second under {RATE} requests a second for '
      f'{SECONDS} s: nothing is lost, no memory either')
def _():
    with BenchOrigin() as origin, Origin() as watched, \
            Proxy(variant(1, origin, watched)) as proxy:
        with load(proxy, RATE, 5) as program:
            nothing_lost(program)
        before = resident(proxy)
        with load(proxy, RATE, SECONDS + 1) as program:
            for _ in range(STORM * SECONDS):
                proxy.signal(signal.SIGHUP)
                time.sleep(1 / STORM)
            nothing_lost(program)
        after = resident(proxy)
        print(f'# {before} kB before, {after} kB after')
        generations = proxy.output.count('in use')
        equal(generations > STORM * SECONDS / 2, True, 'reloads')
        origin.end()
        if not sanitized():
            equal(abs(after - before) <= before / 20, True,
                  f'{before} kB before, {after} kB after')


def open_files(proxy):
    return len(os.listdir(f'/proc/{proxy.process.pid}/fd'))


def replace(proxy, text):
    """As configure(), but whoever reads the file has all of either."""
    path = proxy.config + '.new'
    pathlib.Path(path).write_text(text)
    os.replace(path, proxy.config)


@test(f'{FAST} signals a second under {RATE} requests a second for {SECONDS} '
      's, two configurations and broken ones in turn: nothing is lost or goes '
      'wrong, no memory and no socket either')
def _():
    with Origin() as unused:
        port = unused.port

    def text(number, ways):
        return f"""{LIMITS}max-observers = {number * 1000}
[listen l{number}]
bind = coap://{ways[0]}:{port}
[route r{number}]
timeout = {number * 30}s
to = coap://127.0.0.1:{origin.port}
[cache]
size = {number - 1}M
[dns]
servers = 127.0.0.{number}
[metrics]
bind = http://{ways[0]}:0
[control]
socket = {ways[1]}
"""

    with BenchOrigin() as origin, tempfile.TemporaryDirectory() as where:
        one = text(1, ('127.0.0.1', f'{where}/one'))
        two = text(2, ('0.0.0.0', f'{where}/two'))
        # What can be had of it leads elsewhere.
        broken = text(3, ('127.0.0.1', f'{where}/three')).replace(
            f':{origin.port}', ':1') + '[listen x]\nbind = coap://192.0.2.1\n'
        with Proxy(one) as proxy:
            for number in range(2, 8):
                replace(proxy, (one, two)[number % 2])
                proxy.signal(signal.SIGHUP)
                proxy.wait_for(f'configuration {number} in use')
            with load(proxy, RATE, 5) as program:
                nothing_lost(program)
            wait_until('they are closed', lambda: sockets_at(proxy, port) == 1)
            before, files = resident(proxy), open_files(proxy)
            most = files
            with load(proxy, RATE, SECONDS + 1) as program:
                for number in range(FAST * SECONDS):
                    replace(proxy, (one, broken, two, '[rout]\n')[number % 4])
                    proxy.signal(signal.SIGHUP)
                    most = max(most, open_files(proxy))
                    time.sleep(1 / FAST)
                nothing_lost(program)
            equal(most < files + 100, True, f'{most} files at a time')
            refused = proxy.output.count('reload refused')
            taken = proxy.output.count(' in use: ')
            equal(refused > FAST * SECONDS / 4, True, f'{refused} refused')
            equal(taken > FAST * SECONDS / 4, True, f'{taken} taken')
            replace(proxy, two)
            proxy.signal(signal.SIGHUP)
            wait_until('it is taken',
                       lambda: os.listdir(where) == ['two'])
            wait_until('they are closed', lambda: sockets_at(proxy, port) == 1)
            # But for what the origin needs: a port per 65536 Message IDs.
            files += RATE * (SECONDS + 7) // 65536
            wait_until('all is closed', lambda: open_files(proxy) <= files)
            after = resident(proxy)
            print(f'# {before} kB before, {after} kB after, {taken} taken, '
                  f'{refused} refused')
            if not sanitized():
                equal(after - before < 1024, True,
                      f'{before} kB before, {after} kB after')
        origin.end()


@test('one address and all of them in turn under load: nothing is lost')
def _():
    def text(where):
        return (f'{LIMITS}[listen]\nbind = coap://{where}:{port}\n'
                f'[route]\nto = coap://127.0.0.1:{origin.port}\n')

    with Origin() as unused:
        port = unused.port
    with BenchOrigin() as origin, Proxy(text('127.0.0.1')) as proxy:
        with load(proxy, RATE, 6) as program:
            for number in range(2, 42):
                proxy.reload(text(('127.0.0.1', '*', '0.0.0.0')[number % 3]),
                             number)
                time.sleep(0.05)
            nothing_lost(program)
        origin.end()
        wait_until('they are closed', lambda: sockets_at(proxy, port) == 1)


tap.run()
