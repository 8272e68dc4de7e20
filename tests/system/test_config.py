"""The command line, and what is said about a configuration."""

import re

import tap
from coap import GET, PROXY_URI, URI_HOST, Client, Message, Origin
from programs import EXAMPLES, TOP, LibcoapServer, Proxy, coaproxy, libcoap
from tap import contains, equal, test

TWO = '''
[listen lan]
bind = coap://127.0.0.1:0
[listen wan]
bind = coap://127.0.0.1:0
[route lamp]
host = lamp.example.net
to = coap://10.0.0.11
[route rest]
listen = wan
path = /a
methods = GET
to = coap://10.0.0.12/base
'''


def refused(text, *parts):
    """TEXT is no configuration, and the complaint has PARTS."""
    status, out, err = coaproxy('-t', '-c', '-', text=text)
    equal(status, 78, text)
    for part in parts:
        contains(out + err, part)


@test('-t: bad.conf gives its nine errors, each in its place, and 78')
def _():
    status, out, err = coaproxy('-t', '-c', 'bad.conf', cwd=EXAMPLES)
    equal(status, 78)
    said = out + err
    expected = (EXAMPLES / 'bad.expected').read_text().splitlines()
    errors = re.findall(r'^(bad\.conf:[\d:]+): error: (.*)$', said, re.M)
    equal(len(expected), 9)
    equal(len(errors), 9, said)
    for line, (place, text) in zip(expected, errors):
        want_place, want_text = line.split(None, 1)
        equal(place, want_place, text)
        equal(text[:len(want_text)], want_text)
    contains(said, 'bad.conf: 9 errors')
    # The line in question, a caret below the place.
    contains(said, '      8 | timeout = 20x\n        |           ^\n')


@test('a bad configuration is not run either: 78, the same errors')
def _():
    status, out, err = coaproxy('-c', 'bad.conf', cwd=EXAMPLES)
    equal(status, 78)
    contains(out + err, 'bad.conf: 9 errors')
    equal('ready:' in err, False)


@test('-t: the examples are OK')
def _():
    files = sorted(p for p in EXAMPLES.glob('*.conf') if p.name != 'bad.conf')
    equal(len(files) >= 5, True, 'examples')
    for file in files:
        status, out, err = coaproxy('-t', '-c', file.name, cwd=EXAMPLES)
        equal(status, 0, f'{file.name}: {out}{err}')
        equal(re.fullmatch(
            re.escape(file.name) +
            r': OK \(\d+ listeners?, \d+ routes?\)\n', out) is not None,
            True, out)


@test('-t: the examples of the manual are OK, without a warning')
def _():
    manual = (TOP / 'docs/coaproxy.conf.5').read_text()
    blocks = [text for text in re.findall(
        r'^\.Bd -literal.*\n((?:.*\n)*?)\.Ed$', manual, re.M)
        if re.search(r'^\[', text, re.M)]
    equal(len(blocks) >= 5, True, 'examples')
    for text in blocks:
        status, out, err = coaproxy('-t', '-c', '-', text=text)
        equal((status, err), (0, ''), f'{text}\n{out}')


@test('-t: counts, and standard input')
def _():
    equal(coaproxy('-t', '-c', '-', text=TWO),
          (0, '-: OK (2 listeners, 2 routes)\n', ''))
    equal(coaproxy('--check', '--config', '-', text='[forward]\n')[0], 0)


@test('-T: what it prints is the same configuration')
def _():
    for file in sorted(EXAMPLES.glob('*.conf')):
        if file.name == 'bad.conf':
            continue
        status, first, _ = coaproxy('-T', '-c', file)
        equal(status, 0, file.name)
        contains(first, 'ack-timeout = 2s')         # defaults are shown
        status, second, err = coaproxy('-T', '-c', '-', text=first)
        equal(status, 0, f'{file.name}: {err}\n{first}')
        strip = re.compile(r'\s*#.*$', re.M)
        equal(strip.sub('', second), strip.sub('', first), file.name)


@test('-T: says where a setting comes from')
def _():
    lines = (EXAMPLES / '4-paths.conf').read_text().splitlines()
    line = next(n for n, text in enumerate(lines, 1)
                if text.startswith('strip'))
    status, out, _ = coaproxy('-T', '-c', '4-paths.conf', cwd=EXAMPLES)
    equal(status, 0)
    contains(re.sub(' +', ' ', out), f'strip = no # 4-paths.conf:{line}\n')


@test('--to: a reverse proxy without a file')
def _():
    with LibcoapServer() as origin, \
            Proxy(None, '--to', origin.uri,
                  '--bind', 'coap://127.0.0.1:0') as proxy:
        equal(libcoap(f'{proxy.uri}/example_data'),
              libcoap(f'{origin.uri}/example_data'))
    status, out, _ = coaproxy('--to', 'coap://10.0.0.11', '-T')
    equal(status, 0)
    contains(out, 'coap://10.0.0.11')
    contains(out, 'coap://*:5683')
    equal(coaproxy('-t', '-c', '-', text=out)[0], 0)


@test('--forward: a forward proxy without a file, for near destinations')
def _():
    with LibcoapServer() as origin, \
            Proxy(None, '--forward', '--bind', 'coap://127.0.0.1:0') as proxy:
        equal(libcoap('-P', proxy.uri, f'{origin.uri}/example_data'),
              libcoap(f'{origin.uri}/example_data'))
        with Client(proxy.address) as client:
            for host in ('192.0.9.1', '224.0.1.187', '[fe80::1]'):
                equal(client.request(
                    GET, options=[(PROXY_URI, f'coap://{host}/')]).code,
                    '5.05', host)


@test('--route: in the order given')
def _():
    with Origin() as one, Origin() as two, Proxy(
            None, '--bind', 'coap://127.0.0.1:0', '--route',
            f'path=/a to=coap://127.0.0.1:{one.port}', '--route',
            f'host=lamp.example send-host=none to=coap://127.0.0.1:{two.port}'
    ) as proxy, Client(proxy.address) as client:
        for options, path, origin in (([], '/a/x', one),
                                      ([(URI_HOST, 'lamp.example')], '/x',
                                       two)):
            sent = client.send(Message(GET, path, options))
            equal(origin.answer().path, '/x')
            client.await_response(sent)


@test('--explain: which route takes it, and why')
def _():
    def explain(request, *more):
        status, out, err = coaproxy('-c', '-', '--explain', request, *more,
                                    text=TWO)
        equal(status, 0, out + err)
        return out

    contains(explain('GET coap://lamp.example.net/light'), 'lamp')
    contains(explain('GET coap://lamp.example.net/light'), '10.0.0.11')
    out = explain('GET coap://other.example/a/b', '--listen', 'wan')
    contains(out, 'rest')
    contains(out, '10.0.0.12')
    equal('10.0.0.12' in explain('GET coap://other.example/a/b',
                                 '--listen', 'lan'), False)
    contains(explain('PUT coap://other.example/a', '--listen', 'wan'), '4.05')
    contains(explain('GET coap://other.example/b', '--listen', 'wan',
                     '--from', '10.1.2.3'), '4.04')
    equal(coaproxy('-c', '-', '--explain', 'nonsense', text=TWO)[0], 2)


@test('-V: version and what was built in')
def _():
    status, out, err = coaproxy('-V')
    equal((status, err), (0, ''))
    equal(re.match(r'coaproxy \d+\.\d+', out) is not None, True, out)
    contains(out, 'libevent')


@test('-h: on standard output, within 24 lines')
def _():
    status, out, err = coaproxy('-h')
    equal((status, err), (0, ''))
    equal(0 < len(out.splitlines()) <= 24, True, out)
    for option in ('--config', '--check', '--dump', '--explain', '--to',
                   '--forward', '--route', '--bind'):
        contains(out, option)


@test('a bad command line: exit status 2, and a word about it')
def _():
    for args in (['-x'], ['--nope'], ['-c'], ['--to'], ['surplus'],
                 ['-c', 'x.conf', '--to', 'coap://10.0.0.1'], ['--from', 'x'],
                 ['--bind', 'coap://*']):
        status, out, err = coaproxy(*args)
        equal(status, 2, f'{args}: {out}{err}')
        equal(out, '', args)
        equal(err != '', True, args)


@test('a bad value on the command line is a bad configuration: 78')
def _():
    for args in (['--to', 'coap//10.0.0.1'], ['--route', 'path=/a'],
                 ['--forward', '--bind', 'coap://*:568300'],
                 ['--route', 'pth=/a to=coap://10.0.0.1']):
        status, out, err = coaproxy(*args, '-t')
        equal(status, 78, f'{args}: {out}{err}')


@test('a file that is not there: 78, named')
def _():
    status, _, err = coaproxy('-t', '-c', '/nonexistent/x.conf')
    equal(status, 78)
    contains(err, '/nonexistent/x.conf')


@test('MSG-39: unsafe transmission parameters are refused')
def _():
    route = '[route]\nto = coap://10.0.0.1\n'
    refused(f'{route}[message]\nack-timeout = 500ms\n', '-:4:', 'ack-timeout')
    refused(f'{route}[message]\nack-random-factor = 0.9\n', '-:4:')
    refused(f'{route}[message]\nempty-ack-delay = 3s\n', '-:4:')


@test('settings of later work are refused by name')
def _():
    for text in ('[origin]\nbalance = hash\n',
                 '[listen]\nbind = coaps://*\n',
                 '[proxy]\nworkers = 4\n'):
        refused(f'[route]\nto = coap://10.0.0.1\n{text}',
                'not supported by this build')


@test('warnings do not fail -t')
def _():
    status, out, err = coaproxy('-t', '-c', '-', text='''
[route all]
to = coap://10.0.0.1
[route never]
path = /a
to = coap://10.0.0.2
''')
    equal(status, 0)
    contains(out, 'OK')
    contains(err, 'warning')
    contains(err, 'never')


tap.run()
