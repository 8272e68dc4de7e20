"""Listening sockets that the service manager keeps over restarts."""

import array
import contextlib
import os
import random
import secrets
import signal
import socket
import subprocess
import threading
import time

import tap
from coap import GET, NON, WAIT, Client, Message, Origin, Silence
from patient import ask_until
from programs import COAPROXY, START, Manager, Proxy
from tap import contains, equal, test

REPLY = '[route]\nreply = 2.05 "hi"\n'

if 'systemd no' in subprocess.run([COAPROXY, '-V'], capture_output=True,
                                  text=True, timeout=START).stdout:
    tap.run(skip='built without libsystemd')


class Keeper(Manager):
    """A service manager with a store of descriptors, which like systemd's is
    one of pairs: the same name may be there twice."""

    def __init__(self):
        super().__init__(f'\0coaproxy-test-{secrets.token_hex(8)}')
        self.socket.settimeout(None)
        self.kept = []      # (name, socket)
        self.messages = []
        self._news = threading.Condition()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        while True:
            data, extra, _, _ = self.socket.recvmsg(
                4096, socket.CMSG_SPACE(64))
            if not data:
                return
            fds = array.array('i')
            for _, _, passed in extra:
                fds.frombytes(passed)
            state = dict(line.split('=', 1)
                         for line in data.decode().split('\n') if line)
            with self._news:
                self._act(state, list(fds))
                self.messages.append(state)
                self._news.notify_all()

    def _act(self, state, fds):
        if 'FDSTORE' in state:
            self.kept += [(state['FDNAME'], socket.socket(fileno=fd))
                          for fd in fds]
            return
        if 'FDSTOREREMOVE' in state:
            for name, s in self.kept:
                if name == state['FDNAME']:
                    s.close()
            self.kept = [k for k in self.kept if k[0] != state['FDNAME']]
        for fd in fds:      # of BARRIER=1
            os.close(fd)

    def wait_for(self, find):
        """What FIND(messages) returns, as soon as that is true."""
        with self._news:
            if not self._news.wait_for(lambda: find(self.messages), START):
                raise AssertionError(f'{self.messages}')
            return find(self.messages)

    def next_ready(self):
        """The messages up to READY=1, which are forgotten, but for what
        another process has said at its end."""
        def find(messages):
            return [i for i, m in enumerate(messages) if 'READY' in m]

        at = self.wait_for(find)[0] + 1
        told, self.messages[:at] = self.messages[:at], []
        return [m for m in told if 'STOPPING' not in m]

    @property
    def names(self):
        return sorted(name for name, _ in self.kept)

    def __exit__(self, *_):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            s.sendto(b'', '\0' + self.env['NOTIFY_SOCKET'][1:])
        self._thread.join(WAIT)
        for _, s in self.kept:
            s.close()
        super().__exit__()


def own_address():
    """One of loopback's that nobody else has, so that its port is free."""
    return f'127.{random.randrange(1, 255)}.{random.randrange(256)}.' \
        f'{random.randrange(1, 255)}'


def free_port():
    """Out of the range from which the kernel takes ports for others."""
    while True:
        port = random.randrange(20000, 30000)
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as s, \
                contextlib.suppress(OSError):
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            s.bind(('::', port))
            return port


def listen(*uris):
    return f'[listen]\nbind = {" ".join(uris)}\n'


def start(boss, text, **env):
    """coaproxy, with what BOSS keeps."""
    return Proxy(text, env={**boss.env, **env}, passed=boss.kept)


def inode(s):
    return os.fstat(s.fileno()).st_ino


def has(proxy, s):
    """Whether the process has the socket S."""
    fds = f'/proc/{proxy.process.pid}/fd'
    return f'socket:[{inode(s)}]' in [
        os.readlink(f'{fds}/{fd}') for fd in os.listdir(fds)]


def asks(host, port=5683):
    with Client((host, port), '::1' if ':' in host else '127.0.0.1') as client:
        return client.request(GET).payload


@test('kept before READY=1, by names that say where they are bound')
def _():
    one, port = own_address(), free_port()
    with Keeper() as boss, start(boss, listen(
            f'coap://{one}', f'coap://*:{port}', f'coap://[::1]:{port + 1}') +
            REPLY):
        names = [f'udp={one}_5683', f'udp=*_{port}', f'udp=[__1]_{port + 1}']
        expected = []
        for name in names:
            expected += [
                {'FDSTOREREMOVE': '1', 'FDNAME': name},
                {'FDSTORE': '1', 'FDNAME': name, 'FDPOLL': '0'}]
        told = boss.next_ready()
        equal(told[:-1], expected)
        equal(boss.names, sorted(names))
        equal({name: s.getsockname()[:2] for name, s in boss.kept},
              {names[0]: (one, 5683), names[1]: ('::', port),
               names[2]: ('::1', port + 1)})


@test('a restart takes them back, with what has come meanwhile')
def _():
    one, port = own_address(), free_port()
    text = listen(f'coap://{one}', f'coap://*:{port}',
                  f'coap://[::]:{port + 1}') + REPLY
    with Keeper() as boss:
        with start(boss, text):
            boss.next_ready()
        for _ in range(3):
            random.shuffle(boss.kept)
            with contextlib.ExitStack() as stack:
                asked = []
                for to in ((one, 5683), ('127.0.0.1', port), ('::1', port),
                           ('::1', port + 1)):
                    client = stack.enter_context(Client(
                        to, '::1' if ':' in to[0] else '127.0.0.1'))
                    asked.append((client, client.send(Message(GET))))
                before = [inode(s) for _, s in boss.kept]
                with start(boss, text) as proxy:
                    for client, sent in asked:
                        equal(client.await_response(sent).payload, b'hi')
                    boss.next_ready()
                    # The same sockets; it has each of them once.
                    equal(sorted(inode(s) for _, s in boss.kept),
                          sorted(before))
                    fds = f'/proc/{proxy.process.pid}/fd'
                    links = [os.readlink(f'{fds}/{fd}')
                             for fd in os.listdir(fds)]
                    equal([links.count(f'socket:[{i}]') for i in before],
                          [1, 1, 1])
            equal(len(boss.kept), 3)


@test('a crash: likewise')
def _():
    one = own_address()
    with Keeper() as boss, Client((one, 5683)) as client:
        with Origin() as origin:
            proxy = start(boss, listen(f'coap://{one}') +
                          f'[route]\nto = coap://127.0.0.1:{origin.port}\n')
            try:
                boss.next_ready()
                sent = client.send(Message(GET))
                origin.receive()
                proxy.signal(signal.SIGKILL)
                equal(proxy.wait_end(), -signal.SIGKILL)
            finally:
                proxy.close()
        # ATK-40: of the request nothing is known any more.
        with start(boss, listen(f'coap://{one}') + REPLY):
            client.send_raw(sent.raw)
            equal(client.await_response(sent).payload, b'hi')


@test('an address that is listened on no more is given up, and can be had')
def _():
    one, port = own_address(), free_port()
    with Keeper() as boss:
        with start(boss, listen(f'coap://{one}:{port}', f'coap://{one}') +
                   REPLY):
            boss.next_ready()
        # Which takes in the first, and could not be bound beside it.
        with start(boss, listen(f'coap://*:{port}', f'coap://{one}') + REPLY):
            told = boss.next_ready()
            equal(told[0], {'FDSTOREREMOVE': '1',
                            'FDNAME': f'udp={one}_{port}'})
            equal('BARRIER' in told[1], True, told)
            equal(boss.names, sorted([f'udp=*_{port}', f'udp={one}_5683']))
            equal(asks('127.0.0.1', port), b'hi')
            equal(asks(one), b'hi')


def bound(address, kind=socket.SOCK_DGRAM, port=5683):
    s = socket.socket(socket.AF_INET6 if ':' in address else socket.AF_INET,
                      kind)
    s.bind((address, port))
    return s


@test('what is not what its name says is closed, not listened on')
def _():
    one, two = own_address(), own_address()
    name = f'udp={one}_5683'
    for wrong in (lambda: bound(two),
                  lambda: bound(one, port=5684),
                  lambda: bound(one, socket.SOCK_STREAM)):
        with Keeper() as boss, wrong() as s:
            boss.kept.append((name, s.dup()))
            with start(boss, listen(f'coap://{one}') + REPLY) as proxy:
                boss.next_ready()
                equal(has(proxy, s), False)
                equal(asks(one), b'hi')
                [(_, kept)] = boss.kept
                equal(kept.getsockname(), (one, 5683))


@test('one for IPv6 alone is not one for both families, nor the reverse')
def _():
    port = free_port()
    for v6only, name, uri in ((1, f'udp=*_{port}', f'coap://*:{port}'),
                              (0, f'udp=[__]_{port}', f'coap://[::]:{port}')):
        with Keeper() as boss:
            s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, v6only)
            s.bind(('::', port))
            number = inode(s)
            boss.kept.append((name, s))
            with start(boss, listen(uri) + REPLY) as proxy:
                boss.next_ready()
                [(_, kept)] = boss.kept
                equal((inode(kept) == number, kept.getsockopt(
                    socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)),
                      (False, 1 - v6only))
                equal(asks('::1', port), b'hi')


@test('what is kept for one is not passed for fd:NAME')
def _():
    one = own_address()
    with Keeper() as boss:
        boss.kept.append((f'udp={one}_5683', bound(one)))
        proxy = Proxy(f'[listen]\nbind = fd:udp={one}_5683\n' + REPLY,
                      wait=False, env=boss.env, passed=boss.kept)
        try:
            equal(proxy.wait_end(), 1)
            contains(proxy.output, 'has passed no UDP socket of that name')
        finally:
            proxy.close()


@test('reload: what is new is kept too, what is gone no more')
def _():
    one, two, three = own_address(), own_address(), own_address()
    with Keeper() as boss, \
            start(boss, listen(f'coap://{one}', f'coap://{two}') +
                  REPLY) as proxy:
        boss.next_ready()
        proxy.reload(listen(f'coap://{two}', f'coap://{three}') + REPLY, 2)
        told = boss.next_ready()
        equal([(m.get('FDSTORE'), m.get('FDSTOREREMOVE'), m.get('FDNAME'))
               for m in told[1:-1]],
              [(None, '1', f'udp={one}_5683'),
               (None, '1', f'udp={three}_5683'),
               ('1', None, f'udp={three}_5683')])
        proxy.wait_for(f'closed: coap://{one}:5683')
        asks(two)       # the turn in which it was closed is over
        bound(one).close()
        # A configuration that is refused changes nothing.
        proxy.configure(listen(f'coap://{one}') + 'nonsense\n')
        proxy.signal(signal.SIGHUP)
        equal(len(boss.next_ready()), 2)
        equal(boss.names, sorted(f'udp={a}_5683' for a in (two, three)))
        # Had back while it is going, or later.
        proxy.reload(listen(f'coap://{one}', f'coap://{two}') + REPLY, 3)
        boss.next_ready()
        equal(boss.names, sorted(f'udp={a}_5683' for a in (one, two)))
        equal(asks(one), b'hi')


@test('a port that the kernel has chosen is not kept')
def _():
    with Keeper() as boss, start(boss, REPLY):
        equal([list(m) for m in boss.next_ready()], [['READY', 'STATUS']])


@test('nothing is sent to be kept where the manager says that it keeps nothing')
def _():
    one = own_address()
    with Keeper() as boss:
        with start(boss, listen(f'coap://{one}') + REPLY, FDSTORE='0'):
            boss.next_ready()
        equal([m for m in boss.messages if 'FDNAME' in m], [])
        with start(boss, listen(f'coap://{one}') + REPLY, FDSTORE='7'):
            boss.next_ready()
        equal(boss.names, [f'udp={one}_5683'])
    # Nor is there anybody to wait for without one.
    with Proxy(listen(f'coap://{one}') + REPLY):
        equal(asks(one), b'hi')


@test('a start that is refused leaves them for the next')
def _():
    one = own_address()
    with Keeper() as boss:
        with start(boss, listen(f'coap://{one}') + REPLY):
            boss.next_ready()
        [(_, s)] = boss.kept
        number = inode(s)
        for text, status in ((listen(f'coap://{one}') + 'nonsense\n', 78),
                             (listen(f'coap://{one}', 'fd:other') + REPLY, 1)):
            proxy = Proxy(text, wait=False, env=boss.env, passed=boss.kept)
            try:
                equal(proxy.wait_end(), status)
            finally:
                proxy.close()
        with start(boss, listen(f'coap://{one}') + REPLY) as proxy:
            boss.next_ready()
            [(_, s)] = boss.kept
            equal(inode(s), number)


@test('what may be repeated is left to the next process while one drains')
def _():
    one = own_address()
    with Keeper() as boss, Origin() as origin, Client((one, 5683)) as client, \
            Client((one, 5683)) as late, Client((one, 5683)) as later:
        text = listen(f'coap://{one}') + REPLY.replace(
            'route]', 'route]\npath = /hi') + \
            f'[route]\nto = coap://127.0.0.1:{origin.port}\n'
        with start(boss, text) as proxy:
            boss.next_ready()
            slow = client.send(Message(GET, '/slow'))
            request = origin.receive()
            proxy.signal(signal.SIGTERM)
            boss.wait_for(lambda all: [m for m in all if 'STOPPING' in m])
            sent = late.send(Message(GET, '/hi'))
            # A NON would not come again. PRX-45
            equal(later.request(GET, '/hi', type=NON).code, '5.03')
            origin.reply(request, payload='in time')
            equal(client.await_response(slow).payload, b'in time')
            equal(proxy.wait_end(), 0)
        try:
            raise AssertionError(late.receive(0))
        except Silence:
            pass
        with start(boss, text):
            late.send_raw(sent.raw)
            equal(late.await_response(sent).payload, b'hi')


@test('coaproxyctl drain, and SIGINT, leave nothing to anybody')
def _():
    one = own_address()
    with Keeper() as boss, Origin() as origin, Client((one, 5683)) as client, \
            Client((one, 5683)) as late:
        with start(boss, listen(f'coap://{one}') +
                   f'[route]\nto = coap://127.0.0.1:{origin.port}\n') as proxy:
            boss.next_ready()
            slow = client.send(Message(GET, '/slow'))
            request = origin.receive()
            proxy.signal(signal.SIGINT)
            boss.wait_for(lambda all: [m for m in all if 'STOPPING' in m])
            equal(late.request(GET, '/hi').code, '5.03')
            origin.reply(request)
            client.await_response(slow)


@test('restarts under load lose no request of those who repeat them')
def _():
    one = own_address()
    text = listen(f'coap://{one}') + '[cache]\nsize = 1M\n' + REPLY
    with Keeper() as boss:
        stop, result = threading.Event(), []

        def load():
            try:
                result.append(ask_until(stop.is_set, (one, 5683)))
            except BaseException as error:
                result.append(error)

        thread = threading.Thread(target=load)
        for i in range(6):
            proxy = start(boss, text)
            try:
                boss.next_ready()
                if i == 0:
                    thread.start()
                time.sleep(0.3)     # of the load
                proxy.signal(signal.SIGKILL if i % 2 else signal.SIGTERM)
                proxy.wait_end()
            finally:
                proxy.close()
        with start(boss, text):
            stop.set()
            thread.join()
        if isinstance(result[0], BaseException):
            raise result[0]
        equal(result[0][0] > 100, True, result)
        equal(len(boss.kept), 1)


tap.run()
