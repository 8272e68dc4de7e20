"""R25: hours of mixed traffic, after which everything is as it was.

SOAK_SECONDS, 60 unless it says otherwise, is how long the load lasts, of which
a third is warm-up. For the proxy time passes SPEED times as fast (hasten.c), so
its lifetimes are seconds. SOAK_RATE is about how many requests a second there
are. SOAK_CSV names a file for the samples, one a second.

Who asks and what is checked: soak_clients.py. Who answers: soak_origin.py; one
origin is always well, one is killed and started again, one falls silent or
stands still, one lies. Operators look, reload, and break the configuration.
"""

import contextlib
import os
import pathlib
import random
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'system'))

import tap  # noqa: E402
from admin import Watched, coaproxyctl  # noqa: E402
from coap import EMPTY, PUT, Client, Message  # noqa: E402
from programs import COAPROXY, NameServer, Program  # noqa: E402
from soak_clients import (ECHO, Crowd, Server, dier,  # noqa: E402
                          forwarder, getter, lister, mover, observer, passer,
                          poster, putter, reader, stranger, vandal)
from soak_watch import Watch, insist, percentile, slope  # noqa: E402
from tap import equal, test  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
SECONDS = float(os.environ.get('SOAK_SECONDS', 60))
RATE = float(os.environ.get('SOAK_RATE', 120))
SPEED = 30
LONG = 600          # seconds from which on a slope means something
ASAN = b'__asan_init' in pathlib.Path(COAPROXY).read_bytes()

# Seconds of the proxy's clock.
ACK_TIMEOUT, MAX_RETRANSMIT = 15, 2
SPAN = ACK_TIMEOUT * 1.5 * (2 ** MAX_RETRANSMIT - 1)
LIFETIME = SPAN + 2 * 100 + ACK_TIMEOUT     # EXCHANGE_LIFETIME
MAX_EXCHANGES, MAX_OBSERVERS, CACHE = 2048, 64, 96 * 1024
CLIENTS = 2 * MAX_EXCHANGES + MAX_OBSERVERS + 1024
# What each table may have at most.
BOUNDS = {'requests': MAX_EXCHANGES, 'received': MAX_EXCHANGES,
          'exchanges': 2 * MAX_EXCHANGES, 'clients': CLIENTS,
          'destinations': 4096, 'observers': MAX_OBSERVERS,
          'observations': MAX_EXCHANGES / 2, 'uploads': 64, 'transfers': 64,
          'names': 4096, 'rate-limits': 2 * MAX_EXCHANGES,
          'confirmed': MAX_EXCHANGES, 'held-back': 1024, 'cache-bytes': CACHE,
          'buffers-used': 1024 * MAX_EXCHANGES,
          'buffers-kept': 1024 * MAX_EXCHANGES}
# Among the samples of a minute chance has a say: so much more in the last third
# than in the second is not growth. Pools grow by slabs of 16 KiB, of which
# these are 8; half a per cent of what little there is altogether would be 2.
RSS_MARGIN, DESCRIPTOR_MARGIN, TABLE_MARGIN = 128, 6, 32
RSS_PER_MINUTE, RSS_SHARE = 64, 0.005
# Below this p99 says more about what else the machine does.
P99_FLOOR, P99_GROWTH = 0.5, 1.2
# Of those asked by name. The name server is a thread of this process, and waits
# for the others: libevent's patience of some seconds is some tenths here.
UNRESOLVED_SHARE = 0.01

CONFIG = '''
[proxy]
name = soak
drain = 60s
[listen home]
bind = coap://127.0.0.1:0
rate-limit = 100000/s
[listen abroad]
bind = coap://127.0.0.1:0
amplification-exempt =
[message]
ack-timeout = {ack}s
max-retransmit = {retransmit}
empty-ack-delay = 10s
max-exchanges = {exchanges}
probing-rate = 1000000
[cache]
size = {cache}
max-entry = 16K
[observe]
max-observers = {observers}
max-per-client = 4
[block]
max-body = 16K
max-transfers = 64
[dns]
servers = {dns}
timeout = 150s
min-ttl = {ttl}s
[log]
access = errors
[forward]
allow-to = 127.0.0.1
timeout = 150s
'''
ROUTES = '''
[route {name}-plain]
path = /{name}/plain
to = coap://127.0.0.1:{port}
cache = no
timeout = 150s
links = {links}
[route {name}-stored]
path = /{name}/stored
to = coap://127.0.0.1:{port}
timeout = 150s
'''


class Origin(Program):
    """soak_origin.py, which is killed and started again at its port."""

    def __init__(self, port=0):
        super().__init__([sys.executable, '-B', HERE / 'soak_origin.py', port],
                         stdin=subprocess.PIPE)
        self.port = int(self.wait_for(r'^port (\d+)$')[1])

    def say(self, line):
        self.process.stdin.write(line + '\n')
        self.process.stdin.flush()

    def kill(self):
        self.signal(signal.SIGCONT)
        self.process.kill()
        super().close()


class Soak:
    """One run: start(), load(), fall_silent()."""

    def __init__(self, stack):
        names = {f'n{i}.soak.test': ['127.0.0.1'] for i in range(30)}
        self.dns = stack.enter_context(NameServer(names))
        self.servers = {}
        for name in ('steady', 'mortal', 'moody', 'liar'):
            self.servers[name] = Server(name, Origin())
        stack.callback(self.kill_origins)
        self.generation = 1
        self.config = self.configuration(0)
        self.proxy = stack.enter_context(Watched(
            self.config, env=hastened(stack)))
        self.watch = Watch(self.proxy)
        self.stop = threading.Event()
        self.errors = []        # of threads
        self.done = []          # what operators and fate have done

    def configuration(self, variant):
        routes = ''.join(
            ROUTES.format(name=n, port=s.origin.port,
                          links='rewrite' if n == 'steady' else 'no')
            for n, s in self.servers.items())
        if variant:
            routes += '[route extra]\npath = /extra\nreply = 2.05 here\n'
        return CONFIG.format(
            ack=ACK_TIMEOUT, retransmit=MAX_RETRANSMIT, cache=CACHE,
            exchanges=MAX_EXCHANGES, observers=MAX_OBSERVERS,
            dns=self.dns.address, ttl=30 + variant) + routes

    # ---- clients ----

    def fill(self):
        """Each new port makes the longest idle client be forgotten: from the
        beginning, not in the middle of it all."""
        for i in range(CLIENTS + 64):
            with Client(self.proxy.address) as c:
                c.send(Message(EMPTY, token=b'', mid=i))
                if i % 32 == 0:
                    c.receive()

    def confirm(self):
        """Likewise those that have proved their address."""
        path = '/steady/plain/strange'
        for i in range(MAX_EXCHANGES):
            with Client(self.crowd.stranger_to, f'127.0.1.{i % 199 + 1}') as c:
                value = c.request(PUT, path).value(ECHO)
                equal(c.request(PUT, path, [(ECHO, value)]).code[0], '2')

    def load(self):
        s = self.servers
        crowd = self.crowd = Crowd(
            self.proxy.address, ('127.0.0.1', self.proxy.ports[1]))
        self.fill()
        if SECONDS >= LONG:
            self.confirm()
        pause = 31 / RATE
        for name, clients in (('steady', 8), ('mortal', 3), ('moody', 2),
                              ('liar', 3)):
            for _ in range(clients):
                crowd.keep(getter, s[name], pause)
            crowd.keep(putter, s[name], pause)
            crowd.keep(mover, s[name], 2 * pause)
        for name in ('steady', 'steady', 'moody', 'mortal'):
            crowd.keep(reader, s[name], pause)
        for _ in range(2):
            crowd.keep(forwarder, s['steady'], pause)
        crowd.keep(poster, s['steady'], 2 * pause)
        crowd.keep(poster, s['liar'], 2 * pause)
        crowd.keep(lister, s['steady'], 2)
        any_of = tuple(s.values())
        ends = ('leave', 'reset', 'mute', 'vanish')
        crowd.every(40 / RATE, lambda: crowd.start(
            observer, random.choice(any_of), random.choice(ends)))
        crowd.every(80 / RATE, lambda: crowd.start(
            dier, random.choice(any_of)))
        crowd.every(80 / RATE, lambda: crowd.start(vandal))
        crowd.every(20 / RATE, lambda: crowd.start(
            passer, random.choice(any_of)))
        crowd.every(80 / RATE, lambda: crowd.start(
            stranger, s['steady'], to=crowd.stranger_to))
        self.watch.began = time.monotonic()
        threads = [threading.Thread(target=self.guarded, args=(f,))
                   for f in (self.look, self.operate, self.fate)]
        for t in threads:
            t.start()
        crowd.run(self.watch.began + SECONDS)
        self.stop.set()
        for t in threads:
            t.join()
        if self.errors:
            raise self.errors[0]
        self.watch.ended()

    def guarded(self, function):
        try:
            function()
        except Exception as error:
            self.errors.append(error)

    # ---- what happens meanwhile, in threads ----

    def look(self):
        while not self.stop.wait(1):
            self.watch.sample()

    def operate(self):
        """Reloads, of which every third is refused, and what else there is."""
        looks = [('status',), ('routes',), ('origins',), ('observations',),
                 ('cache',), ('log', 'info'), ('-j', 'status'),
                 ('cache', 'flush', 'coap://*/same/*')]
        number = 0
        while not self.stop.wait(min(50, SECONDS / 8)):
            number += 1
            for words in looks:
                insist(lambda words=words: self.proxy.ctl(*words))
            with Program([COAPROXY + 'ctl', '-s', self.proxy.socket,
                          'trace', 'clients']):
                self.stop.wait(0.3)
            if number % 3 == 0:
                self.proxy.configure(self.config + '[nonsense]\n')
                status, _, _ = coaproxyctl('-s', self.proxy.socket, 'reload')
                equal(status, 1, 'reload of a broken configuration')
                self.done.append('reload refused')
                continue
            self.config = self.configuration(number % 2)
            self.proxy.configure(self.config)
            self.generation += 1
            if number % 3 == 1:
                self.proxy.signal(signal.SIGHUP)
                self.proxy.wait_for(f' configuration {self.generation} in use')
            else:
                self.proxy.ctl('reload')
            self.done.append('reload')

    def fate(self):
        things = (self.kill_one, self.silence, self.lies, self.standstill,
                  self.losses)
        while True:
            for happen in things:
                if self.stop.wait(min(12, SECONDS / 30)):
                    return
                happen()
                self.done.append(happen.__name__)

    def kill_one(self):
        server = self.servers['mortal']
        server.trouble(float('inf'))
        server.restarts += 1
        server.origin.kill()
        self.stop.wait(1.5)
        server.origin = Origin(server.origin.port)
        server.trouble_until = time.monotonic()

    def silence(self):
        """Longer than a request is repeated."""
        self.servers['moody'].trouble(6.5)
        self.servers['moody'].origin.say('silent 6')
        self.stop.wait(6)

    def lies(self):
        self.servers['liar'].trouble(3.5)
        self.servers['liar'].origin.say('lie 3')
        self.stop.wait(3)

    def standstill(self):
        server = self.servers['moody']
        server.trouble(float('inf'))
        server.origin.signal(signal.SIGSTOP)
        self.stop.wait(2)
        server.origin.signal(signal.SIGCONT)
        server.trouble_until = time.monotonic()

    def losses(self):
        """Between clients and the proxy, each way."""
        self.crowd.lossy_until = float('inf')
        self.crowd.loss = 0.05
        self.stop.wait(2)
        self.crowd.loss = 0
        self.crowd.lossy_until = time.monotonic()

    # ---- the end ----

    def kill_origins(self):
        for server in self.servers.values():
            if server.origin.process.poll() is None:
                server.origin.kill()

    def fall_silent(self):
        """Some clients and origins are gone, the others say nothing."""
        for number, talk in enumerate(list(self.crowd.talks)):
            talk.again = None
            if number % 2:
                talk.close()
        steady = self.servers['steady'].origin
        steady.signal(signal.SIGTERM)
        self.twice = steady.wait_for(r'^twice (\d+)$')[1]
        self.servers['mortal'].origin.kill()
        for name in ('moody', 'liar'):
            self.servers[name].origin.signal(signal.SIGSTOP)
        began = time.monotonic()
        # Promised are two lifetimes; the rest is for a busy machine.
        deadline = began + 2 * LIFETIME / SPEED + 5
        while time.monotonic() < deadline:
            row = self.watch.sample()
            if not self.watch.busy() and \
                    row['descriptors'] == self.watch.samples[0]['descriptors']:
                break
            time.sleep(0.25)
        self.drained = time.monotonic() - began
        cpu = self.watch.cpu()
        time.sleep(1)
        self.idle = self.watch.cpu() - cpu


def hastened(stack):
    """The environment of a proxy whose time passes SPEED times as fast."""
    compiler = shlex.split(os.environ.get('CC', 'cc'))
    if not shutil.which(compiler[0]):
        raise tap.Skip('no compiler')
    at = stack.enter_context(tempfile.TemporaryDirectory())
    library = os.path.join(at, 'hasten.so')
    subprocess.run([*compiler, '-shared', '-fPIC', '-O1', '-o', library,
                    HERE / 'hasten.c'], check=True)
    return {'LD_PRELOAD': library, 'HASTEN': str(SPEED),
            'ASAN_OPTIONS': 'verify_asan_link_order=0:' +
            os.environ.get('ASAN_OPTIONS', '')}


# ---- the tests ----

tap.LIMIT = int(SECONDS) + 240
result = None


def soaked():
    if result is None:
        raise AssertionError('there was no run')
    return result


def comment(*lines):
    for line in lines:
        print(f'# {line}')
    sys.stdout.flush()


@test('F31: the load ends, and the proxy well, without a report (R2)')
def _():
    global result
    with contextlib.ExitStack() as stack:
        soak = Soak(stack)
        soak.watch.sample()
        soak.load()
        soak.fall_silent()
        if path := os.environ.get('SOAK_CSV'):
            soak.watch.write(path)
        result = soak
    crowd = soak.crowd
    comment(*soak.watch.table(),
            f'{crowd.sent} requests, {crowd.repeats} repetitions; ' +
            ', '.join(f'{what} {name}: {n}' for (what, name), n in
                      sorted(crowd.outcomes.items())),
            ', '.join(f'{k}: {n}' for k, n in sorted(crowd.happened.items())),
            ', '.join(f'{k}: {soak.done.count(k)}'
                      for k in sorted(set(soak.done))),
            f'silence after {soak.drained:.1f} s of '
            f'{2 * LIFETIME / SPEED:.1f} s, then {soak.idle:.2f} s of CPU in '
            'a second')


@test('F31: no answer is wrong (R8), nothing executed twice (R9)')
def _():
    crowd = soaked().crowd
    equal(crowd.count('wrong'), 0, '\n'.join(crowd.failures))
    equal(result.twice, '0', 'POST executed twice')


@test('F31: errors and losses only where an origin had trouble')
def _():
    crowd = soaked().crowd
    equal((crowd.count('error'), crowd.count('lost')), (0, 0),
          '\n'.join(crowd.failures))
    unresolved, named = (crowd.count('unresolved'),
                         crowd.happened['asked by name'])
    equal(unresolved <= 1 + UNRESOLVED_SHARE * named, True,
          f'{unresolved} of {named} names not resolved')


@test('F31: resident memory is flat (R6, R25)')
def _():
    watch = soaked().watch
    if ASAN:
        raise tap.Skip('what is freed is kept for a while by the sanitizer')
    second, last = watch.thirds('rss-kb')
    comment(f'second third at most {max(second)} kB, last {max(last)} kB')
    if SECONDS < LONG:
        equal(max(last) <= max(second) + RSS_MARGIN, True, 'flat')
        return
    rows = watch.between(1 / 3, 1)
    per_minute = slope([(r['time'] / 60, r['rss-kb']) for r in rows])
    growth = per_minute * (rows[-1]['time'] - rows[0]['time']) / 60
    said = f'{per_minute:.2f} kB a minute, {growth:.0f} kB altogether, ' \
        f'{100 * growth / second[0]:.3f} %'
    comment(said)
    equal(per_minute < RSS_PER_MINUTE, True, said)
    equal(growth < max(RSS_SHARE * second[0], RSS_MARGIN), True, said)


@test('F31: descriptors are flat (R7)')
def _():
    second, last = soaked().watch.thirds('descriptors')
    equal(max(last) <= max(second) + DESCRIPTOR_MARGIN, True,
          f'{max(second)}, then {max(last)}')


@test('F31: tables are within their bounds, and flat')
def _():
    watch = soaked().watch
    for name in watch.samples[0]:
        if name in BOUNDS:
            most = max(r[name] for r in watch.samples)
            equal(most <= BOUNDS[name], True, f'{most} {name}')
    for name in ('requests', 'exchanges', 'uploads', 'transfers', 'fetches',
                 'observers', 'observations', 'destinations'):
        second, last = watch.thirds(name)
        equal(max(last) <= 1.5 * max(second) + TABLE_MARGIN, True,
              f'{name}: {max(second)}, then {max(last)}')


@test('F31: in silence nothing is left after two lifetimes (R6)')
def _():
    watch = soaked().watch
    equal(watch.busy(), {}, 'left')
    equal(watch.samples[-1]['descriptors'], watch.samples[0]['descriptors'],
          'descriptors')
    equal(result.idle < 0.3, True, f'CPU in a silent second: {result.idle}')


@test('F31: p99 does not grow')
def _():
    crowd, watch = soaked().crowd, soaked().watch
    thirds = [[took for since, took in crowd.latencies
               if part / 3 <= (since - watch.began) / watch.length <
               (part + 1) / 3] for part in (1, 2)]
    second, last = (percentile(t, 0.99) for t in thirds)
    comment('p50 %.1f ms, then %.1f ms; p99 %.1f ms, then %.1f ms' % tuple(
        1000 * v for v in (percentile(thirds[0], 0.5),
                           percentile(thirds[1], 0.5), second, last)))
    equal(last <= max(P99_GROWTH * second, P99_FLOOR), True,
          f'{second}, then {last}')


@test('F31: what was to happen has happened')
def _():
    m, crowd, done = soaked().watch.metrics, soaked().crowd, result.done
    equal(crowd.sent > RATE * SECONDS / 3, True, f'{crowd.sent} requests')
    for what in ('kill_one', 'silence', 'lies', 'standstill', 'losses',
                 'reload', 'reload refused'):
        equal(what in done, True, what)
    for what in ('observers: leave', 'observers: reset', 'observers: mute',
                 'observers: vanish', 'notifications', 'put', 'moved',
                 'malformed', 'died in an upload', 'died waiting',
                 'asked by name', 'proved an address'):
        equal(crowd.happened[what] > 0, True, what)
    for name, labels in (
            ('table_evictions_total', {'table': 'clients'}),
            ('cache_evictions_total', {}), ('cache_validations_total', {}),
            ('cache_lookups_total', {'result': 'hit'}),
            ('message_duplicates_total', {}),
            ('message_retransmissions_total', {'side': 'origin'}),
            ('message_timeouts_total', {'side': 'origin'}),
            ('message_strays_total', {'side': 'origin'}),
            ('observers_ended_total', {'reason': 'reset'}),
            ('observers_ended_total', {'reason': 'silent'}),
            ('dns_lookups_total', {'result': 'ok'}),
            ('dns_lookups_total', {'result': 'not-found'}),
            ('blockwise_transfers_total', {'result': 'expired'})):
        equal(m.sum(f'coaproxy_{name}', **labels) > 0, True,
              f'{name} {labels}')


tap.run()
