"""coaproxyctl and the control socket behind it."""

import contextlib
import json
import os
import resource
import select
import shutil
import signal
import socket
import stat
import struct
import subprocess
import tempfile
import threading
import time

import tap
from admin import COAPROXYCTL, Watched, coaproxyctl, receive_all
from coap import GET, OBSERVE, PROXY_URI, Client, Message, Origin
from programs import TOP, Program, Proxy, coaproxy
from tap import contains, equal, test

ROUTES = '''
[listen public]
bind = coap://127.0.0.1:0
[cache]
size = 1M
[route first]
path = /first
to = coap://127.0.0.1:{port}
[route second]
path = /second
reply = 2.05 "second"
[route third]
path = /third
to = coap://127.0.0.1:{port}
[forward]
allow-to = coap://127.0.0.0/8:*
'''


@contextlib.contextmanager
def setting():
    with Origin() as origin, Watched(ROUTES.format(port=origin.port)) as p, \
            Client(p.address) as client:
        yield origin, p, client


def ask(origin, client, path, payload='x', options=(), **reply):
    sent = client.send(Message(GET, path, options))
    request = origin.answer(payload=payload, **reply)
    client.await_response(sent)
    return request


@test('status: one screen, or one object')
def _():
    with setting() as (origin, p, client):
        ask(origin, client, '/first')
        page = p.ctl('status')
        for part in ('coaproxy ', p.uri, 'public', 'first', 'serving'):
            contains(page, part)
        equal(p.get('/')[2].splitlines()[4:8], page.splitlines()[4:8])
        [status] = p.json('status')
        equal((status['state'], status['requests'], status['c2']),
              ('serving', 1, 1))
        equal(status['pid'], p.process.pid)
        equal(status['generation'], 1)
        equal(status['addresses'], p.uri)
        equal(status['uptime'] < 60, True)


@test('routes: hits in the order of the configuration')
def _():
    with setting() as (origin, p, client):
        equal([r['route'] for r in p.json('routes')],
              ['first', 'second', 'third'])
        for _ in range(3):
            client.request(GET, '/second')
        ask(origin, client, '/third')
        client.request(GET, '/nothing')
        client.send(Message(GET, '/first/other'))
        origin.receive()
        rows = p.json('routes')
        equal([(r['route'], r['requests'], r['c2'], r['c4'], r['in_flight'])
               for r in rows],
              [('first', 1, 0, 0, 1), ('second', 3, 3, 0, 0),
               ('third', 1, 1, 0, 0), ('[proxy]', 1, 0, 1, 0)])
        lines = p.ctl('routes').splitlines()
        equal([line.split()[:2] for line in lines[1:]],
              [['first', '1'], ['second', '3'], ['third', '1'],
               ['[proxy]', '1']])


@test('origins: what is outstanding and what waits, at each address')
def _():
    with setting() as (origin, p, client), Origin() as other:
        for i in range(3):
            client.send(Message(GET, f'/first/{i}'))
        origin.receive()
        client.fence()
        client.send(Message(GET, options=[
            (PROXY_URI, f'coap://127.0.0.1:{other.port}/')]))
        other.receive()
        rows = {r['server']: r for r in p.json('origins')}
        row = rows[f'127.0.0.1:{origin.port}']
        equal((row['origin'], row['state'], row['window'],
               row['outstanding'], row['waiting'], row['requests']),
              (f'127.0.0.1:{origin.port}', 'up', 1, 1, 2, 1))
        row = rows[f'127.0.0.1:{other.port}']
        equal((row['origin'], row['outstanding'], row['requests']),
              ('[forward]', 1, None))
        contains(p.ctl('origins'), f'127.0.0.1:{origin.port}')


@test('origins: those of a group have its name')
def _():
    with Origin() as origin, Watched(f'''
[origin pool]
server = coap://127.0.0.1:{origin.port}
[route]
to = origin:pool
''') as p, Client(p.address) as client:
        ask(origin, client, '/')
        equal([r['origin'] for r in p.json('origins')], ['pool'])
        equal(p.metrics().value(
            'coaproxy_origin_requests_total', origin='pool',
            server=f'127.0.0.1:{origin.port}'), 1)


@test('the page: of a table ten rows, and how many more there are')
def _():
    with contextlib.ExitStack() as stack:
        origins = [stack.enter_context(Origin()) for _ in range(12)]
        p = stack.enter_context(Watched(''.join(
            f'[listen l{i}]\nbind = coap://127.0.0.1:0\n'
            f'[route r{i}]\npath = /{i}\n'
            f'to = coap://127.0.0.1:{origin.port}\n'
            for i, origin in enumerate(origins))))
        client = stack.enter_context(Client(p.address))
        equal(p.get('/')[2].count(' more\n'), 2, 'listeners, routes')
        for i, origin in enumerate(origins):
            ask(origin, client, f'/{i}')
        page = p.get('/')[2]
        equal(page.count('\n... and 2 more\n'), 3, page)
        for i, origin in enumerate(origins):
            equal(f'\nr{i} ' in page, i < 10, page)
            contains(p.ctl('routes'), f'\nr{i} ')
            contains(p.ctl('origins'), f'127.0.0.1:{origin.port} ')


@test('observations: URI, observers, age and state')
def _():
    with setting() as (origin, p, client), Client(p.address) as second:
        equal(p.json('observations'), [])
        sent = client.send(Message(GET, '/first/t%', [(OBSERVE, 0)]))
        request = origin.receive()
        [row] = p.json('observations')
        equal((row['state'], row['age'], row['observers']),
              ('asking', None, 0))
        origin.reply(request, options=[(OBSERVE, 1)], payload='1')
        client.await_response(sent)
        second.request(GET, '/first/t%', [(OBSERVE, 0)])
        [row] = p.json('observations')
        equal((row['state'], row['observers'], row['route'], row['uri']),
              ('open', 2, 'first', f'coap://127.0.0.1:{origin.port}/t%25'))
        equal(0 <= row['age'] < 30, True, row['age'])
        contains(p.ctl('observations'), row['uri'])
        equal(p.json('routes')[0]['observers'], 2)


@test('cache: numbers, and flush by a pattern')
def _():
    with setting() as (origin, p, client):
        for path in ('/first/a', '/first/b', '/third/c'):
            ask(origin, client, path)
        equal([(r['responses'], r['misses']) for r in p.json('cache')],
              [(3, 3)])
        at = f'coap://127.0.0.1:{origin.port}'
        equal(p.json('cache', 'flush', f'{at}/nothing'), [{'flushed': 0}])
        equal(p.json('cache', 'flush', f'{at}/a'), [{'flushed': 1}])
        equal(client.request(GET, '/first/b').payload, b'x')
        ask(origin, client, '/first/a', 'new')
        equal(p.ctl('cache', 'flush', '*'), 'flushed: 3\n')
        equal(p.json('cache')[0]['responses'], 0)
        ask(origin, client, '/third/c', 'new')
        p.wait_for('cache flushed')


@test('log: the level is told and set')
def _():
    with setting() as (_, p, _):
        equal(p.ctl('log'), 'level: info\n')
        equal(p.json('log', 'error'), [{'level': 'error'}])
        p.ctl('cache', 'flush', '*')
        equal(p.ctl('log', 'info'), 'level: info\n')
        contains(p.ctl('log', 'loud', status=1), 'error, warn, info or debug')
        equal('cache flushed' in p.output, False)


@test('drain: what is under way is finished, then it ends')
def _():
    with setting() as (origin, p, client):
        sent = client.send(Message(GET, '/first'))
        request = origin.receive()
        equal(p.ctl('drain'), 'draining: 1\n')
        equal(client.request(GET, '/second').code, '5.03')
        equal(p.json('status')[0]['state'], 'draining')
        p.ctl('drain')
        origin.reply(request, payload='at last')
        equal(client.await_response(sent).payload, b'at last')
        equal(p.wait_end(), 0)
        equal(os.path.exists(p.socket), False)


@test('drain: with nothing to do it ends at once, and says so before')
def _():
    with setting() as (_, p, _):
        equal(p.ctl('drain'), 'draining: 0\n')
        equal(p.wait_end(), 0)


@test('-j: every command answers in lines of JSON, or with none')
def _():
    with setting() as (origin, p, client):
        ask(origin, client, '/first')
        client.send(Message(GET, '/third', [(OBSERVE, 0)]))
        origin.answer(options=[(OBSERVE, 1)])
        client.receive()
        least = {'status': 1, 'routes': 3, 'origins': 1, 'observations': 1,
                 'cache': 1, 'reload': 0, 'log': 1, 'help': 10}
        for command, lines in least.items():
            rows = p.json(command)
            equal(len(rows) >= lines, True, f'{command}: {rows}')
            equal({type(row) for row in rows} <= {dict}, True, command)
        # Notifications of the end are still to be acknowledged.
        equal(p.json('drain')[0].keys(), {'draining'})


@test('wrong commands end with 1 and a reason, wrong options with 2')
def _():
    with setting() as (_, p, _):
        for words in (('nothing',), ('status', 'now'), ('cache', 'flush'),
                      ('cache', 'drop', 'x'), ('log', 'x', 'y')):
            contains(p.ctl(*words, status=1), 'coaproxyctl: ')
        for args in ((), ('-x', 'status'), ('-s',), ('two words',), ('',),
                     ('log', 'a\nb')):
            equal(coaproxyctl('-s', p.socket, *args)[0]
                  if args != ('-s',) else coaproxyctl(*args)[0], 2, args)
        equal(coaproxyctl('--help')[0], 0)
        contains(coaproxyctl('-V')[1], 'coaproxyctl ')
    status, out, err = coaproxyctl('-s', '/nonexistent/socket', 'status')
    equal((status, out), (1, ''))
    contains(err, '/nonexistent/socket')
    contains(coaproxyctl('-s', '/' + 'x' * 200, 'status')[2], 'too long')


@test('help lists every command, and so does the manual')
def _():
    with setting() as (_, p, _):
        commands = [row['command'] for row in p.json('help')]
    manual = (TOP / 'docs/coaproxyctl.8').read_text()
    usage = coaproxyctl('-h')[1]
    equal(len(commands) > 7, True)
    for command in commands:
        contains(manual, f'.It Ic {command}')
        contains(usage, command)


@test('reload: what is new is in use when the command ends')
def _():
    with setting() as (origin, p, client):
        ask(origin, client, '/first')
        equal(client.request(GET, '/fourth').code, '4.04')
        p.configure(ROUTES.format(port=origin.port) +
                    '[route fourth]\npath = /fourth\nreply = 2.05 "new"\n'
                    'methods = GET\nmethods =\n')
        out = p.ctl('reload')
        contains(out, f'{p.config}:')
        contains(out, ": warning: 'methods' is empty here")
        equal(client.request(GET, '/fourth').payload, b'new')
        ask(origin, client, '/first/b')
        [status] = p.json('status')
        equal((status['generation'], status['last_reload_ok']), (2, True))
        equal([(r['route'], r['requests']) for r in p.json('routes')][:4],
              [('first', 2), ('second', 0), ('third', 0), ('fourth', 1)])
        contains(p.ctl('reload'), ': warning: ')
        equal(p.json('status')[0]['generation'], 3)


@test('reload: a broken one is refused with file and line, and status 1')
def _():
    with setting() as (origin, p, client):
        p.configure('[route first]\nreply = 2.05\nfoo = 1\n[bar]\n')
        status, out, err = coaproxyctl('-s', p.socket, 'reload')
        equal(status, 1)
        contains(out, f"{p.config}:3:1: error: [route] has no setting "
                 "'foo'\n")
        contains(out, f"{p.config}:4:2: error: unknown section 'bar'\n")
        contains(out, f'{p.config}: 2 errors\n')
        contains(err, 'the configuration was refused; nothing has changed')
        [line] = [json.loads(line) for line in
                  coaproxyctl('-s', p.socket, '-j', 'reload')[1].splitlines()]
        equal(line['text'], out)
        [status] = p.json('status')
        equal((status['generation'], status['last_reload_ok']), (1, False))
        ask(origin, client, '/first')
        m = p.metrics()
        equal(m.value('coaproxy_config_generation'), 1)
        equal(m.value('coaproxy_config_last_reload_successful'), 0)
        equal(m.value('coaproxy_config_reloads_total', result='refused'), 2)
        p.configure(ROUTES.format(port=origin.port))
        p.ctl('reload')
        equal(p.metrics().value('coaproxy_config_last_reload_successful'), 1)


@test('reload: to another socket, with the answer by the one that was asked')
def _():
    with setting() as (_, p, _):
        with open(p.config) as file:
            text = file.read()
        with open(p.config, 'w') as file:
            file.write(text.replace(p.socket, p.socket + '2'))
        equal(p.json('reload'), [])
        equal(os.listdir(p.directory.name), ['control2'])
        p.socket += '2'
        equal(p.json('status')[0]['generation'], 2)
        equal(p.metrics().value('coaproxy_config_generation'), 2)


@test('reload: not while it drains')
def _():
    with setting() as (origin, p, client):
        client.send(Message(GET, '/first'))
        request = origin.receive()
        p.ctl('drain')
        status, out, _ = coaproxyctl('-s', p.socket, 'reload')
        equal((status, out), (1, 'it is going down\n'))
        origin.reply(request)
        equal(p.wait_end(), 0)


@test('the socket is for user and group, whatever the umask')
def _():
    for mask in (0, 0o077):
        before = os.umask(mask)
        try:
            p = Watched('[forward]')
        finally:
            os.umask(before)
        with p:
            mode = os.stat(p.socket)
            equal(stat.S_IMODE(mode.st_mode), 0o660)
            equal(stat.S_ISSOCK(mode.st_mode), True)


@test('without a setting it is in RUNTIME_DIRECTORY, and else nowhere')
def _():
    with tempfile.TemporaryDirectory() as directory:
        env = {'RUNTIME_DIRECTORY': f'{directory}:/elsewhere'}
        with Proxy('[forward]', env=env):
            status, out, _ = coaproxyctl('-j', 'status', env=env)
            equal((status, json.loads(out)['state']), (0, 'serving'))
            # One that is there is no reason not to serve.
            with Proxy('[forward]', env=env) as second:
                second.wait_for('cannot open the control socket.*in use')
            equal(coaproxyctl('status', env=env)[0], 0)
        equal(os.listdir(directory), [])
        with Proxy('[forward]', env={'RUNTIME_DIRECTORY': ''}):
            equal(os.listdir(directory), [])


@test('two instances: the second does not take the socket of the first')
def _():
    with setting() as (_, p, _):
        text = f'''
[listen]
bind = coap://127.0.0.1:0
[route]
reply = 2.05
[control]
socket = {p.socket}
'''
        status, _, err = coaproxy('-c', '-', text=text)
        equal(status, 1)
        contains(err, f'cannot open the control socket {p.socket}')
        p.ctl('status')
        with Watched('[forward]') as other:
            equal(other.json('status')[0]['pid'] == p.process.pid, False)


@test('a socket left behind is replaced; what is no socket stays')
def _():
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, 'control')
        text = f'[forward]\n[control]\nsocket = {path}\n'
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(path)
        with Proxy(text):
            equal(coaproxyctl('-s', path, 'status')[0], 0)
        with open(path, 'w') as file:
            file.write('precious')
        status, _, err = coaproxy('-c', '-', text=text +
                                  '[listen]\nbind = coap://127.0.0.1:0\n')
        equal(status, 1)
        contains(err, 'cannot open the control socket')
        with open(path) as file:
            equal(file.read(), 'precious')


@test('hostile lines get an error or the end, and nothing else happens')
def _():
    with setting() as (_, p, _):
        for line, answer in (
                (b'\n', b'error: '), (b'\r\n', b'error: '),
                (b'status' + b'x' * 2000, b'error: the line is too long\n'),
                (b'x' * 1024 + b'\n', b'error: the line is too long\n'),
                (b'x' * 1000000, b'error: the line is too long\n'),
                (b'sta\0tus\n', b'error: no text\n'),
                (b'\xff\xfe\n', b'error: '),
                (b'cache flush ' + b'*' * 900 + b'\n', b'flushed: 0\nok\n'),
                (b'log \x1b[31m\n', b'error: '),
                (b'a ' * 500 + b'\n', b'error: too many words\n'),
                (b'status\nstatus\n' * 50, b'coaproxy ')):
            try:
                got = p.say(line)
            except ConnectionError:
                got = answer
            equal(got.startswith(answer), True, (line[:20], got[:80]))
        # Half a line, and the end.
        with p.connect() as s:
            s.sendall(b'stat')
            s.shutdown(socket.SHUT_WR)
            equal(receive_all(s), b'')
        # All of a line, and the end: it is answered.
        with p.connect() as s:
            s.sendall(b'log\n')
            s.shutdown(socket.SHUT_WR)
            equal(receive_all(s), b'level: info\nok\n')
        # Gone before the answer.
        for _ in range(50):
            with p.connect() as s:
                s.sendall(b'status\n')
        p.ctl('status')


@test('ATK-35 ATK-37 many connections: eight have their turn, others wait')
def _():
    with setting() as (_, p, client):
        fds = f'/proc/{p.process.pid}/fd'
        p.ctl('status')
        before = len(os.listdir(fds))
        with contextlib.ExitStack() as stack:
            held = [stack.enter_context(p.connect()) for _ in range(20)]
            # A request is answered by the time they have been accepted.
            client.fence()
            equal(len(os.listdir(fds)) <= before + 8, True)
            answers = []

            def last():
                answers.append(p.say(b'log\n'))

            thread = threading.Thread(target=last)
            thread.start()
            for s in held:
                s.close()
            thread.join()
            equal(answers, [b'level: info\nok\n'])
        p.ctl('status')
        deadline = time.monotonic() + 20
        while len(os.listdir(fds)) > before:
            equal(time.monotonic() < deadline, True, 'descriptors')
            time.sleep(0.02)


@test('without descriptors nobody is accepted; when there are some, again')
def _():
    with setting() as (_, p, client):
        p.ctl('status')
        fds = len(os.listdir(f'/proc/{p.process.pid}/fd'))
        old = resource.prlimit(p.process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(p.process.pid, resource.RLIMIT_NOFILE,
                         (fds, old[1]))
        with p.connect() as s:
            s.sendall(b'log\n')
            p.wait_for(r'control: cannot accept: Too many open files$')
            equal(client.request(GET, '/second').payload, b'second')
            resource.prlimit(p.process.pid, resource.RLIMIT_NOFILE, old)
            equal(receive_all(s), b'level: info\nok\n')


@test('ATK-37 who does not read is given up in time, and holds up nobody')
def _():
    with setting() as (origin, p, client), contextlib.ExitStack() as stack:
        silent = stack.enter_context(p.connect())
        began = time.monotonic()
        lazy = [stack.enter_context(p.connect()) for _ in range(3)]
        for s in lazy:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
            s.sendall(b'status\n')
        p.ctl('status')
        equal(client.request(GET, '/second').payload, b'second')
        silent.settimeout(39)
        equal(silent.recv(1), b'')
        equal(25 < time.monotonic() - began < 38, True)
        p.ctl('status')


class Capture:
    """coaproxyctl trace, running."""

    def __init__(self, p, *args):
        self.file = os.path.join(p.directory.name, f'{id(self)}.pcap')
        self.program = Program([
            COAPROXYCTL, '-s', p.socket, 'trace',
            *(self.file if a is FILE else a for a in args)])

    def close(self):
        self.program.signal(signal.SIGTERM)
        self.program.wait_end()
        self.program.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def records(self):
        """[(tags, datagram)] of the pcap file; what it is, is checked."""
        with open(self.file, 'rb') as file:
            data = file.read()
        if not data:
            return []
        magic, major, minor, _, _, snap, link = struct.unpack_from(
            '=IHHIIII', data)
        equal((magic, major, minor, link), (0xa1b2c3d4, 2, 4, 252))
        records, at = [], 24
        while at < len(data):
            second, micro, n, whole = struct.unpack_from('=IIII', data, at)
            equal((n, micro < 1000000), (whole, True))
            equal(abs(second - time.time()) < 60, True)
            pdu = data[at + 16:at + 16 + n]
            equal(len(pdu), n)
            at += 16 + n
            tags, i = {}, 0
            while True:
                kind, length = struct.unpack_from('!HH', pdu, i)
                tags[kind] = pdu[i + 4:i + 4 + length]
                i += 4 + length
                if kind == 0:
                    break
            records.append((tags, pdu[i:]))
        return records

    def await_records(self, n):
        deadline = time.monotonic() + 20
        while len(records := self.records()) < n:
            equal(time.monotonic() < deadline, True, f'{records}')
            time.sleep(0.02)
        return records


FILE = object()


@test('trace: a capture has both sides, each with its addresses')
def _():
    with setting() as (origin, p, client), \
            Capture(p, '-w', FILE) as capture:
        wait_begun(capture)
        request = ask(origin, client, '/first', 'payload')
        records = capture.await_records(4)
        equal(len(records), 4)
        port = [int.from_bytes(tags[25], 'big') for tags, _ in records]
        to = [int.from_bytes(tags[26], 'big') for tags, _ in records]
        equal(port[0], client.port)
        equal(to[0], p.port)
        equal((port[1], to[1]), (request.source[1], origin.port))
        equal((port[2], to[2]), (origin.port, request.source[1]))
        equal((port[3], to[3]), (p.port, client.port))
        for tags, datagram in records:
            equal(tags[12], b'coap')
            equal(tags[20], bytes([127, 0, 0, 1]))
            equal(tags[21], bytes([127, 0, 0, 1]))
            equal(int.from_bytes(tags[24], 'big'), 3)
            Message.decode(datagram)
        equal(records[1][1], request.raw)
        equal(os.stat(capture.file).st_mode & 0o777, 0o600)


@test('trace: tshark reads the capture, and dissects it as CoAP')
def _():
    if not shutil.which('tshark'):
        raise tap.Skip('no tshark')
    with setting() as (origin, p, client), \
            Capture(p, '-w', FILE) as capture:
        wait_begun(capture)
        ask(origin, client, '/first', 'payload')
        capture.await_records(4)
        tshark_agrees(capture.file)


def wait_begun(capture):
    """The header of the file is there when it has begun."""
    deadline = time.monotonic() + 20
    while not os.path.exists(capture.file) or \
            os.path.getsize(capture.file) < 24:
        equal(time.monotonic() < deadline, True, capture.program.output)
        time.sleep(0.01)


def tshark_agrees(file):
    done = subprocess.run(
        ['tshark', '-n', '-r', file, '-T', 'fields', '-e', 'coap.code',
         '-e', 'coap.opt.uri_path', '-e', 'ip.src', '-e', '_ws.malformed'],
        capture_output=True, text=True, timeout=39,
        env={**os.environ, 'HOME': os.path.dirname(file)})
    equal(done.returncode, 0, done.stderr)
    rows = [line.split('\t') for line in done.stdout.splitlines()]
    equal([row[0] for row in rows], ['1', '1', '69', '69'], done.stdout)
    equal(rows[0][1:], ['first', '127.0.0.1', ''])


@test('trace: text, with filters')
def _():
    with setting() as (origin, p, client), contextlib.ExitStack() as stack:
        one, two, three = (stack.enter_context(Capture(p, *args)) for args in (
            (), ('origins',), ('clients', '192.0.2.0/24')))
        first = stack.enter_context(Capture(p, '-w', FILE, '127.0.0.1'))
        wait_begun(first)
        # The others begin about now, too.
        deadline = time.monotonic() + 20
        while not one.program.output or not two.program.output:
            equal(time.monotonic() < deadline, True)
            sent = client.send(Message(GET, f'/third/{time.monotonic()}'))
            origin.answer(payload='x')
            client.await_response(sent)
        client.request(GET, '/second')
        one.program.wait_for(r'client 127\.0\.0\.1:\d+ -> 127\.0\.0\.1:'
                             rf'{p.port} CON GET .*Uri-Path="second"')
        one.program.wait_for(rf'origin 127\.0\.0\.1:{origin.port} <- ')
        equal('client' in two.program.output, False)
        equal(three.program.output, '')


@test('trace: IPv6, what cannot be read, and the end of the daemon')
def _():
    with Watched('''
[listen]
bind = coap://[::1]:0
[route]
reply = 2.05 "six"
''') as p, Client(('::1', int(p.wait_for(r'coap://\[::1\]:(\d+)')[1])),
                    '::1') as client, \
            Capture(p, '-w', FILE) as capture, Capture(p) as text:
        wait_begun(capture)
        while not text.program.output:
            equal(client.request(GET, '/').payload, b'six')
        wrong, reset = b'\x40\x01\x12\x34\xff', b'\x70\0\x12\x34'
        client.send_raw(wrong)
        equal(client.receive_raw()[0], reset)
        text.program.wait_for(
            rf'client \[::1\]:{client.port} -> \[::1\]:\d+ malformed octets=5$')
        p.signal(signal.SIGTERM)
        equal((capture.program.wait_end(), text.program.wait_end()), (0, 0))
        records = capture.records()
        loopback = bytes(15) + b'\1'
        for tags, _ in records:
            equal((tags[22], tags[23]), (loopback, loopback))
        equal([datagram for _, datagram in records[-2:]], [wrong, reset])


@test('trace: whoever has it is not listened to any more')
def _():
    with setting() as (_, p, client), p.connect() as s:
        s.sendall(b'trace\n')
        got = b''
        while b'second' not in got:
            equal(client.request(GET, '/second').payload, b'second')
            if select.select([s], [], [], 0.1)[0]:
                got += s.recv(65536)
        s.sendall(b'log debug\nstatus\n')
        for _ in range(3):
            client.request(GET, '/second')
        p.signal(signal.SIGTERM)
        got += receive_all(s)
        for line in got.splitlines():
            contains(line, b' client ')
        equal(p.wait_end(), 0)
        equal('debug' in p.output, False)


@test('trace: no file, no room in it')
def _():
    with setting() as (_, p, _):
        contains(p.ctl('trace', '-w', '/nonexistent/file', status=1),
                 'cannot open /nonexistent/file')
        contains(p.ctl('trace', '-w', '/dev/full', status=1), 'cannot write')


class FakeDaemon:
    """Says ANSWER to the first who says a line to its control socket."""

    def __init__(self, answer):
        self._directory = tempfile.TemporaryDirectory()
        self.path = os.path.join(self._directory.name, 'control')
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(self.path)
        self._socket.listen()
        self._thread = threading.Thread(target=self._serve, args=(answer,))
        self._thread.start()

    def _serve(self, answer):
        with self._socket, self._socket.accept()[0] as s:
            s.recv(100)
            s.sendall(answer)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._thread.join()
        self._directory.cleanup()


@test('coaproxyctl: an answer that ends too early, or cannot be printed')
def _():
    for answer, out, err in (
            (b'', '', 'no answer'),
            (b'one\n', 'one\n', 'the answer ends too early'),
            (b'one\ntwo', 'one\ntwo', 'the answer ends too early'),
            (b'one\nerror: bad\n', 'one\n', 'coaproxyctl: bad\n')):
        with FakeDaemon(answer) as daemon:
            got = coaproxyctl('-s', daemon.path, 'status')
        equal(got[:2], (1, out))
        contains(got[2], err)
    with FakeDaemon(b'one\nok\n') as daemon, open('/dev/full', 'w') as full:
        done = subprocess.run([COAPROXYCTL, '-s', daemon.path, 'status'],
                              stdout=full, stderr=subprocess.PIPE, timeout=39)
    equal(done.returncode, 1)
    contains(done.stderr, b'cannot write: No space left on device')


@test('coaproxyctl: without RUNTIME_DIRECTORY it looks in /run')
def _():
    if os.path.exists('/run/coaproxy/control'):
        raise tap.Skip('a daemon runs here')
    env = {**os.environ}
    env.pop('RUNTIME_DIRECTORY', None)
    for more in {}, {'RUNTIME_DIRECTORY': 'relative'}:
        done = subprocess.run([COAPROXYCTL, 'status'], capture_output=True,
                              text=True, timeout=39, env={**env, **more})
        equal(done.returncode, 1)
        contains(done.stderr, ' /run/coaproxy/control: No such file')


@test('trace: bad filters, and more than four')
def _():
    with setting() as (_, p, client), contextlib.ExitStack() as stack:
        for words in (('x',), ('10.0.0.0/40',), ('clients', 'nonsense')):
            contains(p.ctl('trace', *words, status=1), 'a filter is made of')
        for _ in range(4):
            wait_begun(stack.enter_context(Capture(p, '-w', FILE)))
        contains(p.ctl('trace', status=1), 'as many as may be')
        equal(client.request(GET, '/second').payload, b'second')
        equal(p.ctl('log'), 'level: info\n')
    equal(coaproxyctl('-s', '/nonexistent', 'trace')[0], 1)


@test('ATK-37 trace: who does not read misses something, and nobody else does')
def _():
    with setting() as (_, p, client), p.connect() as s:
        s.sendall(b'trace\n')
        for i in range(3000):
            client.send(Message(GET, '/second', payload=b'', options=[
                (15, 'x' * 200), (15, 'y' * 200), (15, 'z' * 200)]))
            equal(client.receive().payload, b'second')
        got = b''
        while b'lost ' not in got:
            if select.select([s], [], [], 0.2)[0]:
                got = got[-1000:] + s.recv(1 << 20)
            else:
                client.request(GET, '/second')
        equal(client.request(GET, '/second').payload, b'second')


@test('SIGTERM while somebody is connected: it ends, and the socket goes')
def _():
    with setting() as (_, p, _), p.connect() as s:
        s.sendall(b'stat')
        p.signal(signal.SIGTERM)
        equal(p.wait_end(), 0)
        with contextlib.suppress(ConnectionResetError):
            equal(s.recv(1), b'')
        equal(os.path.exists(p.socket), False)


tap.run(None if os.access(COAPROXYCTL, os.X_OK) else 'no coaproxyctl')
