"""Each bound that the configuration sets has a counter that says when it was
hit, and operators hear of it."""

import contextlib
import random
import re
import time

import tap
from admin import Watched
from coap import (ACK, BLOCK1, CON, EMPTY, GET, NON, OBSERVE, PROXY_URI, PUT,
                  Client, Message, Origin, Silence, uint)
from programs import TOP, NameServer, coaproxy
from tap import contains, equal, test

REFUSED = 'coaproxy_memory_limit_rejections_total'
EVICTED = 'coaproxy_table_evictions_total'


@contextlib.contextmanager
def limited(text):
    """(origin, proxy, client) with the limits in TEXT."""
    with Origin() as origin, Watched(
            text + f'\n[route]\nto = coap://127.0.0.1:{origin.port}\n') as p, \
            Client(p.address) as client:
        yield origin, p, client


def refused(p, table, sample=REFUSED):
    return p.metrics().value(sample, table=table)


@test('[message] max-exchanges: messages remembered for their copies')
def _():
    with limited('[message]\nmax-exchanges = 8\n') as (_, p, client):
        # What is not idempotent is never forgotten early.
        for i in range(20):
            client.send(Message('0.02', f'/{i}', type=NON))
        client.fence()
        equal(refused(p, 'received') > 0, True)
    with Watched('[message]\nmax-exchanges = 8\n'
                 '[route]\nreply = 2.05\n') as p, \
            Client(p.address) as client:
        for i in range(20):
            client.request(GET, f'/{i}')
        equal(refused(p, 'received', EVICTED) > 0, True)


@test('[message] max-exchanges: endpoints of clients')
def _():
    with Watched('[message]\nmax-exchanges = 1\n'
                 '[observe]\nmax-observers = 0\n'
                 '[route]\nreply = 2.05\n') as p:
        for i in range(2 + 1024 + 10):
            with Client(p.address, f'127.1.{i // 200}.{i % 200 + 1}') as client:
                client.request(GET, type=NON)
        equal(refused(p, 'clients', EVICTED) > 0, True)


@test('[message] max-exchanges: clients with a rate')
def _():
    with Watched('[listen]\nbind = coap://127.0.0.1:0\n'
                 'rate-limit = 50/s burst 100\n'
                 '[message]\nmax-exchanges = 4\n'
                 '[route]\nreply = 2.05\n') as p, \
            contextlib.ExitStack() as stack:
        for i in range(8):
            client = stack.enter_context(
                Client(p.address, f'127.1.0.{i + 1}'))
            client.request(GET)
        equal(refused(p, 'rate-limits', EVICTED), 4)


@test('[message] queue-per-origin, and [origin] nstart before it')
def _():
    with limited('[message]\nqueue-per-origin = 1\n[origin]\nnstart = 1\n') \
            as (origin, p, client):
        client.send(Message(GET, '/0'))
        client.fence()
        equal(p.metrics().value('coaproxy_origin_delayed_requests_total'), 0)
        for i in range(3):
            client.send(Message(GET, f'/{i + 1}'))
        client.fence()
        m = p.metrics()
        equal(m.value('coaproxy_origin_delayed_requests_total'), 1)
        equal(m.value(REFUSED, table='queue'), 2)


@test('[message] max-retransmit, probing-rate: what is given up, and waits')
def _():
    with limited('[message]\nack-timeout = 1s\nack-random-factor = 1\n'
                 'max-retransmit = 0\n') as (origin, p, client):
        sent = client.send(Message(GET, '/a'))
        equal(client.await_response(sent).code, '5.04')
        m = p.metrics()
        equal(m.value('coaproxy_message_timeouts_total', side='origin'), 1)
        equal(m.value('coaproxy_origin_silences_total'), 1)
        equal(m.value('coaproxy_origin_errors_total', reason='timeout'), 1)
        client.send(Message(GET, '/b'))
        client.fence()
        equal(p.metrics().value('coaproxy_origin_delayed_requests_total'), 1)


def observe(client, path, origin=None):
    sent = client.send(Message(GET, path, [(OBSERVE, 0)]))
    if origin:
        origin.answer(options=[(OBSERVE, 1)])
    return client.await_response(sent).value(OBSERVE) is not None


@test('[observe] max-observers, max-per-client')
def _():
    with limited('[cache]\nsize = 1M\n'
                 '[observe]\nmax-observers = 3\nmax-per-client = 2\n') \
            as (origin, p, client):
        equal([observe(client, f'/{i}', origin) for i in range(3)],
              [True, True, False])
        m = p.metrics()
        equal((m.value(REFUSED, table='observers-per-client'),
               m.value(REFUSED, table='observers')), (1, 0))
        with Client(p.address) as second:
            equal([observe(second, '/0'), observe(second, '/1')],
                  [True, False])
        m = p.metrics()
        equal((m.value(REFUSED, table='observers-per-client'),
               m.value(REFUSED, table='observers')), (1, 1))


@test('observations of origins: half of max-exchanges')
def _():
    with limited('[message]\nmax-exchanges = 6\n[cache]\nsize = 1M\n') \
            as (origin, p, client):
        equal([observe(client, f'/{i}', origin) for i in range(5)],
              [True] * 4 + [False])
        equal(refused(p, 'observations'), 1)
        equal(refused(p, 'observers'), 0)


@test('[block] max-transfers, each way, and max-body')
def _():
    with limited('[cache]\nsize = 1M\n'
                 '[block]\nmax-transfers = 1\nmax-body = 2048\n'
                 '[origin]\nnstart = 100\n') as (origin, p, client), \
            Client(p.address, '127.0.0.2') as second:
        block = b'x' * 1024

        def put(client, path, number, more):
            return client.send(Message(
                PUT, path, [(BLOCK1, uint(number << 4 | more << 3 | 6))],
                block))

        # Two blocks are no transfer of one block, which would give way.
        for number in range(2):
            put(client, '/a', number, 1)
            equal(client.receive().code, '2.31')
        put(second, '/b', 0, 1)
        equal(second.receive().code, '5.03')
        equal(refused(p, 'uploads'), 1)
        put(client, '/a', 2, 0)
        equal(client.receive().code, '4.13')
        equal(refused(p, 'bodies'), 1)
        for i, asks in enumerate((client, second)):
            asks.send(Message(GET, f'/{i}'))
            request = origin.receive()
            origin.reply(request, options=[(23, uint(0 << 4 | 1 << 3 | 6))],
                         payload=block)
            if i == 0:
                origin.receive()    # for the second block
        client.fence()
        equal(refused(p, 'transfers') > 0, True)


@test('[cache] size and max-entry')
def _():
    with limited('[cache]\nsize = 16K\nmax-entry = 500\n') \
            as (origin, p, client):
        for i in range(60):
            sent = client.send(Message(GET, f'/{i}'))
            origin.answer(payload=b'x' * 400)
            client.await_response(sent)
        m = p.metrics()
        equal(m.value('coaproxy_cache_evictions_total', reason='size') > 0,
              True)
        equal(m.value(REFUSED, table='cache'), 0)
        sent = client.send(Message(GET, '/large'))
        origin.answer(payload=b'x' * 501)
        client.await_response(sent)
        equal(refused(p, 'cache'), 1)


@test('names being looked up')
def _():
    names = {f'h{i}.example': None for i in range(300)}
    with NameServer(names) as server, Watched(
            f'[dns]\nservers = {server.address}\n[forward]\n') as p, \
            Client(p.address) as client:
        for name in names:
            client.send(Message(GET, '', [(PROXY_URI, f'coap://{name}/')]))
        client.fence()
        equal(refused(p, 'names') > 0, True)


@test('[listen] rate-limit, [proxy] hop-limit')
def _():
    with Watched('[listen l]\nbind = coap://127.0.0.1:0\n'
                 'rate-limit = 1/s burst 2\n[route]\nreply = 2.05\n') as p, \
            Client(p.address) as client:
        for _ in range(3):
            client.request(GET)
        equal(p.metrics().value('coaproxy_requests_rate_limited_total',
                                listener='l'), 1)
    with limited('') as (_, p, client):
        equal(client.request(GET, '/', [(16, 1)]).code, '5.08')
        equal(p.metrics().value('coaproxy_requests_denied_total',
                                reason='hop-limit'), 1)


@test('observers that are told the end: by a reload, by RST, by silence')
def _():
    route = '\n[route]\npath = /{}\nto = coap://127.0.0.1:{}\n'
    with Origin() as origin, Watched(
            '[cache]\nsize = 1M\n' + route.format('a', origin.port)) as p, \
            Client(p.address) as client:
        equal(observe(client, '/a', origin), True)
        p.configure('[cache]\nsize = 1M\n[route]\nreply = 2.05\n')
        p.ctl('reload')
        equal(client.receive().code, '5.03')
        m = p.metrics()
        equal([m.value('coaproxy_observers_ended_total', reason=reason)
               for reason in ('reload', 'reset', 'silent')], [1, 0, 0])


@test('every key that is a limit names its counter in the manual, and it exists')
def _():
    keys = set()
    section = ''
    for line in coaproxy('-T', '--to', 'coap://127.0.0.1')[1].splitlines():
        if line.startswith('['):
            section = re.match(r'\[(\w+)', line)[1]
        elif m := re.match(r'(max-[\w-]+|[\w-]+-limit|queue-per-origin|nstart'
                           r'|probing-rate|size)\s*=', line):
            if (section, m[1]) != ('block', 'size'):    # is no limit
                keys.add((section, m[1]))
    manual = (TOP / 'docs/coaproxy.conf.5').read_text()
    table = manual[manual.index('.Sh LIMITS'):]
    table = table[:table.index('\n.Sh ', 1)]
    listed = {}
    for row in re.findall(r'^\.It (.*?)\n((?!\.It).*?)(?=^\.It|^\.El)', table,
                          re.M | re.S):
        section, key = re.match(r'Cm \[(\w+)\] ([\w-]+)', row[0]).groups()
        listed[section, key] = re.findall(
            r'coaproxy_(\w+)(?:{(\w+)="([\w-]+)"})?', row[1])
    # What is no limit of anything that can be hit.
    keys -= {('cache', 'max-age'), ('dns', 'max-ttl')}
    equal(keys - set(listed), set())
    with limited('') as (origin, p, client):
        client.request(GET, '/', [(16, 1)])
        m = p.metrics()
    for key, counters in listed.items():
        equal(len(counters) > 0, True, key)
        for name, label, value in counters:
            family = m.families[f'coaproxy_{name}']
            if label:
                equal(any((label, value) in labels
                          for _, labels in family.samples), True,
                      f'{key}: {name} {label}={value}')


@test('a limit that was reached is logged once a minute')
def _():
    with limited('[message]\nqueue-per-origin = 1\n[origin]\nnstart = 1\n') \
            as (origin, p, client):
        for i in range(7):
            client.send(Message(GET, f'/{i}'))
        p.wait_for(r'warn queue: limit reached: refused=5 set by \[message\] '
                   'queue-per-origin')
        client.send(Message(GET, '/more'))
        client.fence()
        equal(refused(p, 'queue'), 6)
        time.sleep(11)      # for what must not come, each 10 s
        equal(p.output.count('limit reached'), 1)


@test('an origin that is silent, and one that answers again, are logged')
def _():
    with limited('[message]\nack-timeout = 1s\nack-random-factor = 1\n'
                 'max-retransmit = 0\nprobing-rate = 1000\n') \
            as (origin, p, client):
        sent = client.send(Message(GET, '/a'))
        origin.receive()
        equal(client.await_response(sent).code, '5.04')
        p.wait_for(f'warn 127.0.0.1:{origin.port}: origin does not answer')
        sent = client.send(Message(GET, '/b'))
        origin.answer()
        client.await_response(sent)
        p.wait_for(f'info 127.0.0.1:{origin.port}: origin answers again')
        equal(p.output.count('origin'), 2)


@test('many origins that are silent: five have a line each, the rest a number')
def _():
    with contextlib.ExitStack() as stack:
        origins = [stack.enter_context(Origin()) for _ in range(12)]
        p = stack.enter_context(Watched(
            '[message]\nack-timeout = 1s\nack-random-factor = 1\n'
            'max-retransmit = 0\n' + ''.join(
                f'[route r{i}]\npath = /{i}\n'
                f'to = coap://127.0.0.1:{origin.port}\n'
                for i, origin in enumerate(origins))))
        client = stack.enter_context(Client(p.address))
        for i in range(12):
            client.send(Message(GET, f'/{i}'))

        def all_told(text):
            """All twelve, in one go or in two."""
            more = re.findall(r'more origins: silent=(\d+) speak-again=0$',
                              text, re.M)
            named = text.count('origin does not answer')
            return more and named + sum(map(int, more)) == 12

        p.wait_for(all_told)
        equal(p.output.count('origin does not answer') <= 10, True)


tap.run()
