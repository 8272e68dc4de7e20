"""What the system does not give: memory, descriptors, room anywhere.

Each test carries the figure that is promised (docs/promises.md).
"""

import errno
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'system'))

import tap  # noqa: E402
from coap import GET, Client  # noqa: E402
from failing import Failing  # noqa: E402
from load import Load  # noqa: E402
from origin import FaultOrigin  # noqa: E402
from programs import COAPROXY, START, Proxy  # noqa: E402
from tap import contains, equal, test  # noqa: E402

FULL = os.environ.get('FAULTS') == 'full'

tap.LIMIT = 600 if FULL else 120


# ---- F14: no memory ----

# Something of everything that a configuration can have.
SMALL = '''
[proxy]
name = gw
include = {directory}/*.inc
[listen a]
bind = coap://127.0.0.1:0
allow-from = any
[forward]
allow-from = 127.0.0.0/8
allow-to = loopback
[route here]
path = /here
reply = 4.04 "{word}"
[route there]
host = *.example
path = /there
to = coap://127.0.0.1:{port}/x
links = rewrite
[dns]
servers = {dns}
[log]
target = {log}
[control]
socket = {control}
[cache]
size = 64K
'''


class Starved:
    """Two configurations, each with a listener, a control socket, a name server
    and a file for the log that the other has not."""

    def __init__(self):
        self._temporary = tempfile.TemporaryDirectory()
        self.directory = pathlib.Path(self._temporary.name)
        (self.directory / 'more.inc').write_text(
            '[route more]\npath = /more\nreply = 4.10 "included"\n')
        self.config = self.directory / 'coaproxy.conf'
        self.logs = [self.directory / f'{i}.log' for i in range(2)]
        routes = '' if not FULL else ''.join(
            f'[route r{i}]\npath = /p{i}\nto = coap://127.0.0.1:9/x{i}\n'
            for i in range(40))
        self.texts = [SMALL.format(
            directory=self.directory, word=f'word {i}', port=9 + i,
            dns=f'127.0.0.{i + 1}', log=self.logs[i],
            control=self.directory / f'control{i}') + routes
            for i in range(2)]
        self.texts[1] = self.texts[1].replace('[listen a]', '[listen b]')
        self.texts[1] = self.texts[1].replace('127.0.0.1:0', '127.0.0.2:0')
        self.use(0)

    def use(self, i):
        self.config.write_text(self.texts[i])

    def said(self):
        return ''.join(log.read_text() for log in self.logs if log.exists())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._temporary.cleanup()


def start(failing, n, *args):
    """(status, output) of a start of which allocation N fails; when it is
    ready it is ended."""
    failing.memory.once(n)
    process = subprocess.Popen(
        [COAPROXY, *args], env={**os.environ, **failing.env}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith('ready:'):
            process.terminate()
    process.stdout.close()
    return process.wait(START), ''.join(lines)


def each_allocation(failing, starved, *args):
    """Every allocation of a start fails once: how many there were, and how many
    of the starts went well. What is wrong may be in the log's file."""
    n = good = 0
    while True:
        n += 1
        starved.logs[0].unlink(missing_ok=True)
        status, output = start(failing, n, *args)
        output += starved.said()
        if status not in (0, 1) or (status == 1 and not output.strip()):
            raise AssertionError(
                f'allocation {n} of {args}: status {status}\n{output}')
        good += status == 0
        if not failing.memory.failed:
            equal(status, 0, 'status with all its memory')
            return n - 1, good


@test('F14: each allocation of a start fails once: it runs, or says why')
def _():
    # R5
    with Failing(memory=True) as failing, Starved() as starved:
        count, good = each_allocation(failing, starved, '-c',
                                      starved.config)
        print(f'# {count} allocations, {good} starts went well')
        equal(count > 200, True, f'{count} allocations are')


@test('F14: likewise for what ends by itself, -t, -T and --explain')
def _():
    with Failing(memory=True) as failing, Starved() as starved:
        ways = [['-T', '-c', starved.config],
                ['-t', '--to', 'coap://127.0.0.1:9', '--bind',
                 'coap://127.0.0.1:0']]
        if FULL:
            ways += [['-t', '-c', starved.config],
                     ['--explain', 'GET coap://a.example/there', '-c',
                      starved.config]]
        for way in ways:
            each_allocation(failing, starved, *way)


def wait_for(condition, what, timeout=START):
    deadline = time.monotonic() + timeout
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f'not in {timeout} s: {what}')
        time.sleep(0.002)
    return found


def descriptors(process):
    return len(os.listdir(f'/proc/{process.pid}/fd'))


def resident(process):
    """KiB."""
    text = pathlib.Path(f'/proc/{process.pid}/status').read_text()
    return int(re.search(r'VmRSS:\s+(\d+)', text)[1])


def reload_without(failing, arrange):
    """Reloads from one configuration to the other and back, while allocation N
    fails, for all N: a reload goes well or changes nothing. ARRANGE(n) says what
    fails. Returns (reloads, refused)."""
    with Starved() as starved, \
            Proxy(None, '-c', starved.config, env=failing.env) as proxy:
        def outcomes():
            return re.findall(r'configuration (\d+) (in use|stays in use)|'
                              r'(reload refused)', starved.said())

        ports = [proxy.port, None]
        now, n, refused = 0, 0, 0
        before = descriptors(proxy.process)
        while True:
            n += 1
            starved.use(1 - now)
            known = len(outcomes())
            arrange(n)
            proxy.signal(signal.SIGHUP)
            wait_for(lambda: len(outcomes()) > known or
                     proxy.process.poll() is not None,
                     f'the end of reload {n}')
            failed, calls = failing.memory.stop(), failing.memory.calls
            equal(proxy.process.poll(), None, f'status after allocation {n}')
            went_well = 'refused' not in ''.join(
                w for o in outcomes()[known:] for w in o)
            refused += not went_well
            if went_well:
                now = 1 - now
                # One that was about to be closed is not opened again.
                opened = re.findall(
                    r'listening: coap://127\.0\.0\.\d:(\d+)',
                    starved.logs[now].read_text())
                ports[now] = int(opened[-1]) if opened else ports[now]
            with Client((f'127.0.0.{now + 1}', ports[now])) as client:
                equal(client.request(GET, '/here').payload,
                      b'word %d' % now, f'after allocation {n}')
                equal(client.request(GET, '/more').payload, b'included')
            if not failed and calls < n:
                break
        # What the last one has closed may be open for a while.
        wait_for(lambda: descriptors(proxy.process) == before,
                 f'descriptors: {descriptors(proxy.process)} for {before}')
        equal('out of memory' in starved.said(), True, 'it says why')
        return n, refused


@test('F14: each allocation of a reload fails once: it is refused, no more')
def _():
    # R5
    with Failing(memory=True) as failing:
        n, refused = reload_without(failing, failing.memory.once)
        print(f'# {n} reloads, {refused} of them refused')
        equal(refused > 150, True, f'{refused} refused are')


@test('F14: no memory at all from one allocation of a reload on')
def _():
    with Failing(memory=True) as failing:
        n, refused = reload_without(failing, failing.memory.from_now)
        equal(refused > 150, True, f'{refused} refused are')


if __name__ == '__main__':
    tap.run()
