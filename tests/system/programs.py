"""The programs of the system tests: coaproxy itself, and software of others.

Each chooses its port by the kernel and says which; each is waited for, with a
deadline, and ended by its process ID.
"""

import contextlib
import fcntl
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

import tap
from coap import WAIT

TOP = pathlib.Path(__file__).resolve().parents[2]
COAPROXY = os.environ.get('COAPROXY', str(TOP / 'build/src/coaproxy'))
NODE = os.environ.get('NODE') or shutil.which('node') or ''
EXAMPLES = TOP / 'tests/conf/examples'
START = 20.0    # seconds to start or end a program on a busy machine

# What a sanitizer prints when it has found something.
_REPORT = re.compile(
    r'(Address|Leak|UndefinedBehavior)Sanitizer|runtime error:')

if not os.access(COAPROXY, os.X_OK):
    print(f'Bail out! COAPROXY says {COAPROXY}, but there is no such program')
    sys.exit(1)


class Program:
    """A running program whose output is collected, standard output and
    standard error together."""

    def __init__(self, command, **kwargs):
        self.output = ''
        self._news = threading.Condition()
        self.process = subprocess.Popen(
            [str(word) for word in command], text=True, errors='replace',
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            **{'stdin': subprocess.DEVNULL, **kwargs})
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            with self._news:
                self.output += line
                self._news.notify_all()

    def wait_for(self, pattern, timeout=START):
        """The match of PATTERN in the output, as soon as it is there. Instead
        of a pattern, a function that finds something in the output."""
        find = pattern if callable(pattern) else re.compile(
            pattern, re.M).search
        deadline = time.monotonic() + timeout
        with self._news:
            while not (found := find(self.output)):
                left = deadline - time.monotonic()
                if left <= 0 or not self._reader.is_alive():
                    raise AssertionError(
                        f'no {pattern!r} from {self.process.args}:\n'
                        f'{self.output}')
                self._news.wait(min(left, 0.2))
        return found

    def wait_end(self, timeout=START):
        """The exit status, all output being read."""
        status = self.process.wait(timeout)
        self._reader.join(timeout)
        return status

    def signal(self, number):
        self.process.send_signal(number)

    def close(self):
        """Ends the program if it has not ended."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.wait_end()
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.wait_end()
            raise
        finally:
            self.process.stdout.close()
            if self.process.stdin:
                self.process.stdin.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Manager:
    """The service manager's end of sd_notify."""

    def __init__(self, address):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.settimeout(START)
        self.env = {'NOTIFY_SOCKET': address.replace('\0', '@', 1)}

    def next(self):
        """The next message, as a dictionary."""
        text = self.socket.recv(4096).decode()
        return dict(line.split('=', 1) for line in text.split('\n') if line)

    def next_with(self, key):
        """The next message that sets KEY, as a dictionary."""
        while key not in (state := self.next()):
            pass
        return state

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


def _activated(command, env, passed):
    """COMMAND with sockets from descriptor 3 on, as sd_listen_fds(3) has it:
    (command, keyword arguments for Program)."""
    wanted = range(3, 3 + len(passed))

    def arrange():
        # In the child alone, where nobody closes them too late. First out of
        # the way of where they are to be.
        sources = [fcntl.fcntl(s, fcntl.F_DUPFD_CLOEXEC, 100)
                   for _, s in passed]
        for source, fd in zip(sources, wanted):
            os.dup2(source, fd)

    env = {**env, 'LISTEN_FDS': str(len(passed)),
           'LISTEN_FDNAMES': ':'.join(name for name, _ in passed)}
    # The shell becomes the program, and so has its process ID.
    return (['sh', '-c', 'LISTEN_PID=$$ exec "$@"', 'sh', *command],
            {'env': env, 'preexec_fn': arrange, 'pass_fds': tuple(wanted)})


class Proxy(Program):
    """coaproxy with a configuration. A [listen] on loopback is added unless
    TEXT has its own, and a [cache] that is off: most tests look at what reaches
    the origin. With TEXT None, ARGS are the whole command line. However it
    ends, it must end well: status 0 and no report of a sanitizer. PASSED are
    (name, socket) as a service manager would pass them."""

    def __init__(self, text, *args, wait=True, env=None, passed=()):
        self._file = None
        command = [COAPROXY]
        if text is not None:
            self._file = tempfile.NamedTemporaryFile('w', suffix='.conf')
            self.configure(text)
            command += ['-c', self._file.name]
        kwargs = {'env': {**os.environ, **(env or {})}}
        if passed:
            command, kwargs = _activated(command, kwargs['env'], passed)
        super().__init__(command + list(args), **kwargs)
        self.ports = []
        if wait:
            try:
                self._ready()
            except BaseException:
                super().close()
                raise

    def _ready(self):
        line = self.wait_for(r'^ready:((?: coap://\S+)+)$')[1]
        self.ports = [int(port) for port in re.findall(r':(\d+)(?= |$)', line)]

    def configure(self, text):
        """Writes the configuration; see reload()."""
        if '[listen' not in text:
            text += '\n[listen]\nbind = coap://127.0.0.1:0\n'
        if '[cache]' not in text:
            text += '\n[cache]\nsize = 0\n'
        self._file.seek(0)
        self._file.truncate()
        self._file.write(text)
        self._file.flush()

    @property
    def config(self):
        return self._file.name

    def reload(self, text, generation):
        """Has it take TEXT into use, as configuration GENERATION."""
        self.configure(text)
        self.signal(signal.SIGHUP)
        self.wait_for(fr' configuration {generation} in use')

    @property
    def port(self):
        return self.ports[0]

    @property
    def address(self):
        return '127.0.0.1', self.port

    @property
    def uri(self):
        return f'coap://127.0.0.1:{self.port}'

    def check(self, status):
        if _REPORT.search(self.output):
            raise AssertionError(f'sanitizer:\n{self.output}')
        if status != 0:
            raise AssertionError(f'exit status {status}:\n{self.output}')

    def close(self):
        super().close()
        if self._file:
            self._file.close()

    def __exit__(self, kind, *_):
        self.close()
        if kind is None:
            self.check(self.process.returncode)


def coaproxy(*args, text=None, cwd=None):
    """A run that ends by itself: (status, standard output, standard error)."""
    done = subprocess.run([COAPROXY, *map(str, args)], input=text or '',
                          capture_output=True, text=True, timeout=START,
                          cwd=cwd)
    if _REPORT.search(done.stderr):
        raise AssertionError(f'sanitizer:\n{done.stderr}')
    return done.returncode, done.stdout, done.stderr


def libcoap_program(name):
    """The path of libcoap's server or client."""
    for program in (f'coap-{name}-notls', f'coap-{name}'):
        if path := shutil.which(program):
            return path
    raise tap.Skip('libcoap3-bin is not installed')


class LibcoapServer(Program):
    """libcoap's server: /, /time, /example_data (PUT), and others."""

    def __init__(self, *args, address='127.0.0.1'):
        super().__init__(
            [libcoap_program('server'), '-A', address, '-p', '0', '-v', '7',
             *args])
        try:
            self.port = int(
                self.wait_for(r'created UDP +endpoint \S+:(\d+)$')[1])
        except BaseException:
            self.close()
            raise
        self.uri = f'coap://{address}:{self.port}'


class QuietLibcoapServer(Program):
    """Likewise, for large bodies: when it says which port it has, it also
    prints the whole body for each block."""

    def __init__(self, *args, address='127.0.0.1'):
        super().__init__(
            [libcoap_program('server'), '-A', address, '-p', '0', *args])
        deadline = time.monotonic() + START
        while not (port := udp_port(self.process.pid)):
            if time.monotonic() > deadline or self.process.poll() is not None:
                self.close()
                raise AssertionError(f'no port of it:\n{self.output}')
            time.sleep(0.005)
        self.port = port
        self.uri = f'coap://{address}:{port}'


def udp_port(pid):
    """The port of a UDP socket for IPv4 that process PID has, or None."""
    fds = pathlib.Path(f'/proc/{pid}/fd')
    with contextlib.suppress(OSError):
        held = {os.readlink(fd) for fd in fds.iterdir()}
        for line in pathlib.Path('/proc/net/udp').read_text().splitlines()[1:]:
            fields = line.split()
            port = int(fields[1].split(':')[1], 16)
            if port and f'socket:[{fields[9]}]' in held:
                return port
    return None


def libcoap(*args):
    """What libcoap's client prints; it always exits with 0."""
    done = subprocess.run(
        [libcoap_program('client'), '-B', '10', *map(str, args)], text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=START)
    return done.stdout


class NameServer:
    """A DNS server for A and AAAA. NAMES maps a name to a list of addresses;
    others do not exist. None instead of a list: no answer at all."""

    def __init__(self, names):
        self.names = names
        self.asked = []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(('127.0.0.1', 0))
        self.address = '127.0.0.1:%d' % self.socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        while True:
            data, source = self.socket.recvfrom(4096)
            if not data:
                return
            if (answer := self._answer(data)) is not None:
                self.socket.sendto(answer, source)

    def _answer(self, data):
        at, labels = 12, []
        while data[at]:
            labels.append(data[at + 1:at + 1 + data[at]].decode())
            at += 1 + data[at]
        end = at + 5
        kind = int.from_bytes(data[at + 1:at + 3], 'big')
        name = '.'.join(labels).lower()
        self.asked.append(name)
        addresses = self.names.get(name, [])
        if addresses is None:
            return None
        family = socket.AF_INET6 if kind == 28 else socket.AF_INET
        found = [socket.inet_pton(family, a) for a in addresses
                 if (':' in a) == (kind == 28) and kind in (1, 28)]
        flags = 0x8580 if name in self.names else 0x8583    # NXDOMAIN
        head = data[:2] + flags.to_bytes(2, 'big') + b'\0\1'
        head += len(found).to_bytes(2, 'big') + b'\0\0\0\0'
        return head + data[12:end] + b''.join(
            b'\xc0\x0c' + data[at + 1:end] + b'\0\0\0\x3c' +
            len(a).to_bytes(2, 'big') + a for a in found)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        host, port = self.address.split(':')
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.sendto(b'', (host, int(port)))
        self._thread.join(WAIT)
        self.socket.close()


class ClosedPort:
    """A UDP port on which nobody listens. A socket holds it, so that the
    kernel gives it to no one else, but it is connected elsewhere: for all
    others the port is unreachable."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(('127.0.0.1', 0))
        self.socket.connect(('127.0.0.1', 9))
        self.port = self.socket.getsockname()[1]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


class Node(Program):
    """node/peer.js, which uses node-coap."""

    def __init__(self, *args):
        super().__init__([NODE, TOP / 'tests/system/node/peer.js', *args],
                         stdin=subprocess.PIPE)
        self._read_up_to = 0

    def write(self, value):
        """A line of JSON for its standard input."""
        self.process.stdin.write(json.dumps(value) + '\n')
        self.process.stdin.flush()

    def start(self, *requests):
        """Has a client send REQUESTS, all at once."""
        self.write(requests)

    def answers(self):
        """The answers to the requests that were started first."""
        self._read_up_to += 1
        lines = self.wait_for(
            r'(?:^[\[{].*\n){%d}' % self._read_up_to)[0].splitlines()
        return json.loads(lines[-1])

    def ask(self, *requests):
        self.start(*requests)
        return self.answers()


def need_node():
    """Skips the test where node-coap is not there."""
    if not NODE:
        raise tap.Skip('no node')
    if not (TOP / 'tests/system/node/node_modules/coap').is_dir():
        raise tap.Skip('npm ci was not run in tests/system/node')


def node_server(*args):
    """node-coap's server: keeps what is PUT; see node/peer.js."""
    server = Node('server', *args)
    try:
        server.port = int(server.wait_for(r'^port (\d+)$')[1])
    except BaseException:
        server.close()
        raise
    return server
