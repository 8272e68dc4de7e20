"""What operators and their monitoring use: coaproxyctl, the control socket, and
HTTP. The parser of metrics is strict: what it takes Prometheus takes."""

import json
import os
import re
import shutil
import socket
import subprocess
import tempfile

from coap import WAIT
from programs import COAPROXY, START, TOP, Proxy

COAPROXYCTL = os.environ.get('COAPROXYCTL', COAPROXY + 'ctl')
# Also as scripts/promtool leaves it.
PROMTOOL = shutil.which('promtool') or shutil.which(
    TOP / 'build/promtool/usr/bin/promtool')

_NAME = r'[a-zA-Z_:][a-zA-Z0-9_:]*'
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"')
_SAMPLE = re.compile(rf'({_NAME})(?:\{{(.*)\}})? (\S+)')
_SUFFIXES = ('_bucket', '_sum', '_count')


class Family:
    def __init__(self, kind, text):
        self.kind, self.help = kind, text
        self.samples = {}   # {(name, ((label, value), ...)): number}


def _labels(text):
    found, at = [], 0
    while at < len(text):
        m = _LABEL.match(text, at)
        if not m:
            raise ValueError(f'labels: {text}')
        found.append((m[1], re.sub(
            r'\\(.)', lambda e: {'n': '\n'}.get(e[1], e[1]), m[2])))
        at = m.end()
        if at < len(text):
            if text[at] != ',':
                raise ValueError(f'labels: {text}')
            at += 1
    if len({n for n, _ in found}) != len(found):
        raise ValueError(f'a label twice: {text}')
    return tuple(sorted(found))


def _check_histogram(name, family):
    series = {}
    for (sample, labels), number in family.samples.items():
        rest = tuple(p for p in labels if p[0] != 'le')
        s = series.setdefault(rest, {'buckets': []})
        if sample == f'{name}_bucket':
            s['buckets'].append((float(dict(labels)['le']), number))
        else:
            s[sample] = number
    for s in series.values():
        numbers = [n for _, n in sorted(s['buckets'])]
        if numbers != sorted(numbers) or \
                max(s['buckets'])[0] != float('inf') or \
                numbers[-1] != s[f'{name}_count'] or f'{name}_sum' not in s:
            raise ValueError(f'histogram {name}: {s}')


def parse_metrics(text):
    """{name: Family}; ValueError for whatever is not the format, or what
    promtool complains of."""
    if not text.endswith('\n'):
        raise ValueError('the last line has no end')
    families, helps, current = {}, {}, None
    for line in text.split('\n')[:-1]:
        if m := re.fullmatch(rf'# HELP ({_NAME}) (\S.*)', line):
            if m[1] in helps:
                raise ValueError(f'HELP twice: {line}')
            helps[m[1]] = m[2]
            current = None
        elif m := re.fullmatch(
                rf'# TYPE ({_NAME}) (counter|gauge|histogram)', line):
            if m[1] in families or m[1] not in helps:
                raise ValueError(f'TYPE twice, or without HELP: {line}')
            if (m[2] == 'counter') != m[1].endswith('_total'):
                raise ValueError(f'_total is for counters: {line}')
            current = m[1]
            families[current] = Family(m[2], helps[current])
        elif m := _SAMPLE.fullmatch(line):
            name = m[1]
            if current is None:
                raise ValueError(f'no family: {line}')
            allowed = [current + s for s in _SUFFIXES] \
                if families[current].kind == 'histogram' else [current]
            if name not in allowed:
                raise ValueError(f'not of {current}: {line}')
            key = name, _labels(m[2] or '')
            if key in families[current].samples:
                raise ValueError(f'twice: {line}')
            families[current].samples[key] = float(m[3])
        else:
            raise ValueError(f'what is this: {line!r}')
    for name, family in families.items():
        if family.kind == 'histogram':
            _check_histogram(name, family)
    return families


class Metrics:
    """One scrape."""

    def __init__(self, text):
        self.text = text
        self.families = parse_metrics(text)

    def value(self, sample, **labels):
        """The sample with exactly these labels, or None."""
        key = sample, tuple(sorted(labels.items()))
        for family in self.families.values():
            if key in family.samples:
                return family.samples[key]
        return None

    def sum(self, sample, **labels):
        """The sum of the samples that have these labels and maybe more."""
        return sum(number for family in self.families.values()
                   for (name, have), number in family.samples.items()
                   if name == sample and set(labels.items()) <= set(have))


class Watched(Proxy):
    """coaproxy with metrics and a control socket."""

    def __init__(self, text, *args, **kwargs):
        self.directory = tempfile.TemporaryDirectory()
        self.socket = os.path.join(self.directory.name, 'control')
        super().__init__(text, *args, **kwargs)

    def configure(self, text):
        super().configure(f'''{text}
[metrics]
bind = http://127.0.0.1:0
[control]
socket = {self.socket}
''')

    def _ready(self):
        super()._ready()
        self.http = int(self.wait_for(
            r'metrics: http://127\.0\.0\.1:(\d+)/metrics$')[1])

    def close(self):
        super().close()
        self.directory.cleanup()

    def get(self, path, method='GET'):
        """(status, headers, body) of an HTTP request."""
        request = f'{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n'
        head, _, body = self.exchange(request.encode()).partition(
            b'\r\n\r\n')
        lines = head.decode().split('\r\n')
        headers = dict(line.lower().split(': ', 1) for line in lines[1:])
        if method == 'GET' and 'content-length' in headers and \
                int(headers['content-length']) != len(body):
            raise AssertionError(f'{headers} of {len(body)}')
        return int(lines[0].split()[1]), headers, body.decode()

    def connect_http(self):
        return socket.create_connection(('127.0.0.1', self.http), WAIT)

    def exchange(self, data):
        """What comes upon DATA, until the end."""
        with self.connect_http() as s:
            s.sendall(data)
            return receive_all(s)

    def metrics(self):
        status, headers, body = self.get('/metrics')
        if status != 200 or not headers['content-type'].startswith(
                'text/plain; version=0.0.4'):
            raise AssertionError(f'{status} {headers}')
        return Metrics(body)

    def connect(self):
        s = socket.socket(socket.AF_UNIX)
        # With a time-out it would fail while others wait to be accepted.
        s.connect(self.socket)
        s.settimeout(WAIT)
        return s

    def say(self, line):
        """The answer to LINE by the socket itself, as bytes."""
        with self.connect() as s:
            s.sendall(line)
            return receive_all(s)

    def ctl(self, *words, status=0):
        """What coaproxyctl prints: standard output, or with another STATUS
        than 0 standard error."""
        got, out, err = coaproxyctl('-s', self.socket, *words)
        if got != status:
            raise AssertionError(f'{words}: status {got}:\n{out}\n{err}')
        return out if status == 0 else err

    def json(self, *words):
        return [json.loads(line)
                for line in self.ctl('-j', *words).splitlines()]


def receive_all(s):
    data = b''
    while part := s.recv(65536):
        data += part
    return data


def coaproxyctl(*args, env=None):
    """(status, standard output, standard error)."""
    done = subprocess.run([COAPROXYCTL, *map(str, args)], text=True,
                          stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=START, env={**os.environ, **(env or {})})
    return done.returncode, done.stdout, done.stderr
