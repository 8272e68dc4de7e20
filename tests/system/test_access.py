"""The access log of the real program: each format as its readers read it,
whatever clients send."""

import contextlib
import json
import os
import pathlib
import random
import re
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.parse

from coap import (CON, DELETE, FETCH, GET, NON, POST, PROXY_SCHEME, PROXY_URI,
                  PUT, URI_HOST, URI_PATH, URI_QUERY, WAIT, Client, Message,
                  Origin)
from programs import COAPROXY, START, Proxy
from tap import Skip, contains, equal, run, test

METHODS = {GET: 'GET', POST: 'POST', PUT: 'PUT', DELETE: 'DELETE',
           FETCH: 'FETCH'}
HOSTILE = [b'-> lamp 1.2.3.4:5 2.05 0B 0.0ms hit', b'\nforged', b'"', b'\\"',
           b'a=b', b'%41%', b'\x00\xff\xfe', b'\x1b[2J', b'}{', b"'\t",
           b'\xc3\xa4', b'&', b'+', b' ', b'', b'...', b'x' * 255]
TIME = r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z'
TEXT = re.compile(
    TIME + r' access (?P<listener>\S+) (?P<client>\S+) (?P<type>CON|NON) '
    r'(?P<method>\S+) (?P<uri>\S+) -> (?P<route>\S+) (?P<server>\S+) '
    r'(?P<code>[2-5]\.\d\d|-) (?P<size>\d+)B (?P<ms>\d+\.\d)ms '
    r'(?P<cache>local|hit|joined|validated|miss)'
    r'(?: obs=(?P<observe>reg|dereg))?(?: repeated=(?P<repeated>\d+))?')
FIELDS = {'listener', 'client', 'type', 'method', 'uri', 'route', 'server',
          'code', 'size', 'duration_us', 'cache', 'observe', 'repeated'}


def parse_text(line):
    found = TEXT.fullmatch(line)
    if not found:
        raise AssertionError(f'no line of the access log: {line!r}')
    fields = {k: v for k, v in found.groupdict().items()
              if v not in (None, '-')}
    fields['duration_us'] = round(float(fields.pop('ms')) * 1000)
    return fields


def parse_logfmt(line):
    """As the logfmt of others is read: pairs, blanks between them, quotes as
    in a shell."""
    pairs = [word.partition('=') for word in shlex.split(line)]
    fields = {key: value for key, equals, value in pairs if equals}
    equal(len(fields), len(pairs), f'pairs in {line!r}')
    equal(bool(re.fullmatch(TIME, fields.pop('time'))), True, 'time')
    equal(fields.pop('level'), 'access')
    fields['duration_us'] = int(fields['duration_us'])
    return fields


def parse_json(line):
    fields = json.loads(line)
    equal(bool(re.fullmatch(TIME, fields.pop('time'))), True, 'time')
    equal(fields.pop('level'), 'access')
    equal(type(fields['size']), int)
    fields['size'] = str(fields['size'])
    return fields


PARSERS = {'text': parse_text, 'logfmt': parse_logfmt, 'json': parse_json}


def path_of(uri):
    """Path and query of a URI as the options they stand for."""
    parts = urllib.parse.urlsplit(uri)
    segments = [urllib.parse.unquote_to_bytes(s)
                for s in parts.path.split('/')[1:]]
    queries = [urllib.parse.unquote_to_bytes(q)
               for q in uri.partition('?')[2].split('&')] if '?' in uri else []
    return ([] if segments == [b''] else segments), queries


def hostile(rnd):
    options = [(URI_PATH, rnd.choice(HOSTILE))
               for _ in range(rnd.randrange(3))]
    if options == [(URI_PATH, b'')]:
        options = []
    options += [(URI_QUERY, rnd.choice(HOSTILE[:-1]))
                for _ in range(rnd.randrange(3))]
    return options


@contextlib.contextmanager
def logged(text, log):
    """A proxy whose log is a file; yields it and a function that returns the
    lines in it that are not the log's own."""
    with tempfile.TemporaryDirectory() as d:
        target = pathlib.Path(d) / 'log'
        with Proxy(f'{text}[log]\ntarget = {target}\n{log}') as proxy:
            yield proxy, lambda: [
                line for line in target.read_text('ascii').splitlines()
                if 'access' in line]


def check_line(fields, message, client, origin):
    equal(set(fields) <= FIELDS, True, f'fields {fields}')
    equal(fields['client'], f'127.0.0.1:{client.port}')
    equal(fields['listener'], 'a%20b')
    equal(fields['type'], 'CON' if message.type == CON else 'NON')
    equal(fields['method'], METHODS[message.code])
    segments, queries = path_of(fields['uri'])
    # More than 512 octets are cut.
    if len(fields['uri']) < 500:
        equal(segments, message.values(URI_PATH), 'path')
        equal(queries, message.values(URI_QUERY), 'query')
    equal(fields['route'], 'r%3D%22')
    equal(fields['server'], f'127.0.0.1:{origin.port}')
    equal(fields['cache'], 'miss')


def hostile_requests(form):
    rnd = random.Random(form)
    with Origin() as origin, logged(
            '[listen a b]\nbind = coap://127.0.0.1:0\n'
            f'[route r="]\nto = coap://127.0.0.1:{origin.port}\n',
            f'access = all\nformat = {form}\n') as (proxy, lines), \
            Client(proxy.address) as client:
        sent = []
        for i in range(100):
            message = client.send(Message(
                rnd.choice(list(METHODS)), '', hostile(rnd), b'',
                type=rnd.choice([CON, NON])))
            code = rnd.choice(['2.04', '4.04', '5.00', '2.05'])
            payload = b'y' * rnd.randrange(20)
            origin.answer(code, payload)
            client.await_response(message)
            sent.append((message, code, len(payload)))
        found = [PARSERS[form](line) for line in lines()]
        equal(len(found), len(sent), 'lines')
        for fields, (message, code, size) in zip(found, sent):
            check_line(fields, message, client, origin)
            equal(fields['code'], code)
            equal(fields['size'], str(size))
            equal(0 <= fields['duration_us'] < 40_000_000, True)


@test('access log: text, whatever clients send')
def _():
    hostile_requests('text')


@test('access log: logfmt, whatever clients send')
def _():
    hostile_requests('logfmt')


@test('access log: JSON, whatever clients send')
def _():
    hostile_requests('json')


@test('access log: what is refused, with hostile hosts and Proxy-Uris')
def _():
    with logged('', 'access = all\nformat = json\n') as (proxy, lines), \
            Client(proxy.address) as client:
        for value in HOSTILE:
            client.request(GET, '', [(URI_HOST, value or b'x')])
            client.request(GET, '', [(PROXY_URI, b'coap://x/' + value)])
            client.request(GET, '', [(URI_HOST, 'x'),
                                     (PROXY_SCHEME, value or b'x')])
        found = [parse_json(line) for line in lines()]
        equal(len(found), 3 * len(HOSTILE), 'lines')
        for fields in found:
            equal(bool(re.fullmatch(r"[\w.~!$&'()*+,;=:@/?%-]+",
                                    fields['uri'], re.ASCII)), True,
                  f'URI {fields["uri"]!r}')
            equal(fields['cache'], 'local')


@test('access log: time is what the origin took, to less than a millisecond')
def _():
    with Origin() as origin, logged(
            f'[route]\nto = coap://127.0.0.1:{origin.port}\n',
            'access = all\nformat = json\n') as (proxy, lines), \
            Client(proxy.address) as client:
        message = client.send(Message(GET, '/slow'))
        request = origin.receive()
        began = time.monotonic()
        while time.monotonic() - began < 0.05:
            pass
        origin.reply(request)
        client.await_response(message)
        for _ in range(20):
            message = client.send(Message(GET, '/fast'))
            origin.answer()
            client.await_response(message)
        times = [parse_json(line)['duration_us'] for line in lines()]
        equal(times[0] >= 50_000, True, f'{times[0]} us, 50 ms at least')
        equal(any(t % 1000 for t in times), True, f'fractions in {times}')


@test('access log: by default errors, the first of a kind')
def _():
    with tempfile.TemporaryDirectory() as d:
        target = pathlib.Path(d) / 'log'
        with Proxy('[route]\npath = /ok\nreply = 2.05\n'
                   f'[log]\ntarget = {target}\n') as proxy, \
                Client(proxy.address) as client:
            for _ in range(20):
                equal(client.request(GET, '/ok').code, '2.05')
                equal(client.request(GET, '/no').code, '4.04')
            lines = [parse_text(line) for line in
                     target.read_text().splitlines() if 'access' in line]
            equal([line['code'] for line in lines], ['4.04'])


@test('access log: other lines are in the same format')
def _():
    with logged('', 'access = off\nformat = json\n') as (proxy, _):
        target = re.search(r'target = (\S+)',
                           pathlib.Path(proxy._file.name).read_text())[1]
        proxy.close()
        lines = [json.loads(line) for line in
                 pathlib.Path(target).read_text().splitlines()]
        equal([line['msg'] for line in lines][-1], 'stopped')
        equal({line['level'] for line in lines}, {'info'})


# ---- the journal ----

def in_namespace(*command):
    """COMMAND with a /run of its own, where a journal may be."""
    return ['unshare', '-m', '--propagation', 'private', 'sh', '-c',
            'mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/journal && '
            'exec "$@"', 'sh', *command]


def entry_of(datagram):
    return dict(line.split('=', 1)
                for line in datagram.decode('ascii').splitlines())


@test('access log: fields in the journal, and a line when it is away')
def _():
    if os.getuid() != 0 or not shutil.which('unshare') or subprocess.run(
            in_namespace('true'), capture_output=True).returncode:
        raise Skip('no mount namespace')
    read_end, write_end = os.pipe()
    info = os.fstat(write_end)
    with tempfile.NamedTemporaryFile('w', suffix='.conf') as conf, \
            open(read_end) as log, \
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        conf.write('[listen public]\nbind = coap://127.0.0.1:0\n'
                   '[log]\naccess = all\n')
        conf.flush()
        process = subprocess.Popen(
            in_namespace(COAPROXY, '-c', conf.name),
            env={**os.environ,
                 'JOURNAL_STREAM': f'{info.st_dev}:{info.st_ino}'},
            stderr=write_end)
        os.close(write_end)
        try:
            while not (ready := re.match(r'ready: coap://127.0.0.1:(\d+)',
                                         log.readline())):
                pass
            path = f'/proc/{process.pid}/root/run/systemd/journal/socket'
            journal.bind(path)
            journal.settimeout(WAIT)
            with Client(('127.0.0.1', int(ready[1]))) as client:
                client.request(GET, '/a\n"', token=b'\x01\x02')
                entry = entry_of(journal.recv(65536))
                with open(conf.name, 'w') as other:
                    other.write('nonsense\n')
                process.send_signal(signal.SIGHUP)
                # The errors are lines, the event is an entry.
                refused = entry_of(journal.recv(65536))
                contains(log.readline(), '<3>')
                while '1 error' not in log.readline():
                    pass
                os.unlink(path)
                client.request(GET, '/b')
                line = log.readline()
        finally:
            process.terminate()
            process.wait(START)
    equal(process.returncode, 0, 'exit status')
    equal(refused, {
        'PRIORITY': '3', 'SYSLOG_IDENTIFIER': 'coaproxy',
        'MESSAGE_ID': '8f77a8dc893b4edb804b6a7eb6447824',
        'MESSAGE': 'reload refused: configuration 1 stays in use'})
    equal({key: entry[key] for key in sorted(entry)
           if key not in ('MESSAGE', 'MESSAGE_ID', 'COAP_SIZE',
                          'COAP_DURATION_USEC')},
          {'PRIORITY': '6', 'SYSLOG_IDENTIFIER': 'coaproxy',
           'COAP_LISTENER': 'public',
           'COAP_CLIENT': f'127.0.0.1:{client.port}',
           'COAP_TYPE': 'CON', 'COAP_METHOD': 'GET',
           'COAP_URI': f'coap://127.0.0.1:{ready[1]}/a%0A%22',
           'COAP_CODE': '4.04', 'COAP_CACHE': 'local',
           'COAP_TOKEN': '0102'})
    contains(entry['MESSAGE'],
             f'public 127.0.0.1:{client.port} CON GET '
             f'coap://127.0.0.1:{ready[1]}/a%0A%22 -> - - 4.04 ')
    equal(bool(re.match(r'<6>public \S+ CON GET \S+/b -> - - 4.04 ', line)),
          True, f'line {line!r}')


@test('reload: a request is logged as the rules it began with call it')
def _():
    with Origin() as origin, tempfile.TemporaryDirectory() as d:
        text = """
[listen {listen}]
bind = coap://127.0.0.1:0
[route {route}]
path = /a
to = coap://127.0.0.1:{port}
[log]
target = {target}
access = {access}
format = {format}
"""
        one, two = pathlib.Path(d) / 'one', pathlib.Path(d) / 'two'

        def lines(path):
            return [line for line in path.read_text('ascii').splitlines()
                    if 'access' in line]

        with Proxy(text.format(listen='x', route='lamp', port=origin.port,
                               target=one, access='off', format='text')) as proxy:
            def reload(generation, **kwargs):
                proxy.configure(text.format(port=origin.port, **kwargs))
                proxy.signal(signal.SIGHUP)
                path, line = kwargs['target'], f' {generation} in use'
                proxy.wait_for(lambda _: path.exists() and
                               line in path.read_text('ascii'))

            with Client(proxy.address) as client:
                sent = client.send(Message(GET, '/a/off'))
                origin.answer('4.04')
                client.await_response(sent)
                equal(lines(one), [])
                # Errors had no table until now.
                reload(2, listen='y', route='heat', target=one,
                       access='errors', format='text')
                sent = client.send(Message(GET, '/a/slow'))
                slow = origin.receive()
                reload(3, listen='z', route='roof', target=two, access='all',
                       format='json')
                origin.reply(slow, '5.00')
                client.await_response(sent)
                sent = client.send(Message(GET, '/a/b'))
                origin.answer()
                client.await_response(sent)
                first, second = [parse_json(line) for line in lines(two)]
                equal(lines(one), [])
                equal((first['listener'], first['route'], first['code']),
                      ('y', 'heat', '5.00'))
                equal((second['listener'], second['route'], second['code']),
                      ('z', 'roof', '2.05'))


run()
