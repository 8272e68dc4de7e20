"""Observers (RFC 7641): those of others, and scripted ones in any number.

All have the same way to be asked what they were told: state(text) waits until
they have been told TEXT, ended(code) until they have been told that it is over.
"""

import re
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time

from coap import (ACK, CON, EMPTY, GET, NON, OBSERVE, RST, WAIT, Client,
                  Message)
from programs import TOP, Node, Program, libcoap_program

FULL = 1 << 24      # values of Observe


class RemoteOrigin(Program):
    """watched.py as a program of its own."""

    def __init__(self, body, max_age=60, port=0):
        super().__init__([sys.executable, '-B', TOP /
                          'tests/system/watched.py', port, max_age, body],
                         stdin=subprocess.PIPE)
        try:
            self.port = int(self.wait_for(r'^port (\d+)$')[1])
        except BaseException:
            self.close()
            raise

    def set(self, body):
        self.process.stdin.write(body.decode() + '\n')
        self.process.stdin.flush()


# ---- libcoap ----


class LibcoapObserver(Program):
    """libcoap's client. It leaves with Observe 1 if it is ended by SIGTERM."""

    def __init__(self, way, path, *args):
        super().__init__([libcoap_program('client'), '-s', 60, '-w', *args,
                          *way.libcoap(path)])

    def state(self, text, timeout=WAIT):
        self.wait_for(f'^{re.escape(text)}$', timeout)

    def ended(self, code, timeout=WAIT):
        self.wait_for(f'^{re.escape(code)}', timeout)

    def leave(self):
        self.signal(signal.SIGTERM)
        self.wait_end()


# ---- node-coap ----


class NodeObservers(Node):
    """node-coap, which observes from as many sockets as wanted."""

    def __init__(self):
        super().__init__('observers')
        self._number = 0

    def observe(self, way, path):
        """A NodeObserver."""
        self._number += 1
        self.write({'open': self._number, 'port': way.first.port,
                    **way.node('GET', path)})
        return NodeObserver(self, self._number)


class NodeObserver:
    """One of NodeObservers."""

    def __init__(self, program, number):
        self.program, self.number = program, number

    def state(self, text, timeout=WAIT, kind='taken'):
        """KIND is plain (answered as a plain GET), taken, or left: node-coap
        thinks that it has heard of something newer."""
        self.program.wait_for(
            rf'^{self.number} 2\.05 {kind} {re.escape(text)}$', timeout)

    def ended(self, code, timeout=WAIT):
        self.program.wait_for(rf'^{self.number} {re.escape(code)} ', timeout)

    def leave(self):
        """With Observe 1."""
        self.program.write({'leave': self.number})

    def forget(self):
        """The next notification gets a RST."""
        self.program.write({'close': self.number})


# ---- scripted ----


class Scripted(Client):
    """A client of a Crowd that may observe with any number of tokens. ANSWER
    is what it has for notifications: ack, reset, or nothing at all."""

    def __init__(self, crowd, to):
        super().__init__(to)
        self.crowd = crowd
        self.answer = 'ack'
        self.heard = []     # (time, message), copies and all

    def observe(self, way, path, options=(), token=None):
        self.sent = self.send(way.message(
            GET, path, [(OBSERVE, 0), *options], token=token))
        return self

    def register(self, *args, **more):
        """observe(), and the answer to it, piggybacked or not."""
        self.observe(*args, **more)

        def answers():
            acked = False
            for _, m in self.heard:
                ack = (m.type, m.mid) == (ACK, self.sent.mid)
                if m.code != EMPTY and (ack or acked and
                                        m.token == self.sent.token):
                    yield m
                acked |= ack

        self.wait(lambda: next(answers(), None))
        return next(answers())

    def clear(self):
        """What was heard up to now is of no interest any more."""
        with self.crowd.news:
            self.heard.clear()

    def came(self, message):
        self.heard.append((time.monotonic(), message))
        kind = {'ack': ACK, 'reset': RST}.get(self.answer)
        if kind == RST or kind == ACK and message.type == CON:
            if message.type in (CON, NON):
                self.send(Message(EMPTY, type=kind, mid=message.mid,
                                  token=b''))

    def acknowledge(self):
        """Acknowledges what it has left so far, and what will come."""
        with self.crowd.news:
            self.answer = 'ack'
            for mid in {m.mid for _, m in self.heard if m.type == CON}:
                self.send(Message(EMPTY, type=ACK, mid=mid, token=b''))

    def told(self, token=None):
        """The responses to the registration, each once."""
        token, seen, found = token or self.sent.token, set(), []
        for _, m in self.heard:
            if m.token == token and m.code != EMPTY and \
                    (m.type == ACK, m.mid) not in seen:
                seen.add((m.type == ACK, m.mid))
                found.append(m)
        return found

    def last(self, token=None):
        token = token or self.sent.token
        return next((m for _, m in reversed(self.heard)
                     if m.token == token and m.code != EMPTY), None)

    def wait(self, condition, timeout=WAIT):
        """Waits until CONDITION() is true."""
        with self.crowd.news:
            if not self.crowd.news.wait_for(condition, timeout):
                raise AssertionError(
                    f'not in {timeout} s; the last: {self.heard[-5:]}')

    def state(self, text, timeout=WAIT):
        self.wait(lambda: (m := self.last()) is not None and
                  m.code == '2.05' and m.value(OBSERVE) is not None and
                  m.payload == text.encode(), timeout)

    def ended(self, code, timeout=WAIT):
        self.wait(lambda: (m := self.last()) is not None and m.code == code,
                  timeout)
        if self.last().value(OBSERVE) is not None:
            raise AssertionError(f'Observe in {self.last()}')

    def leave(self):
        """With Observe 1; waits for the answer, which has none."""
        out = Message(self.sent.code, token=self.sent.token)
        out.options = [(n, b'\1' if n == OBSERVE else v)
                       for n, v in self.sent.options]
        out.payload = self.sent.payload
        self.send(out)
        self.wait(lambda: self.last() and self.last().value(OBSERVE) is None)

    def in_order(self):
        """Fails unless each value of Observe is greater than the one before
        (OBS-17), and all of them near each other (OBS-18)."""
        values = [int.from_bytes(m.value(OBSERVE), 'big')
                  for m in self.told() if m.value(OBSERVE) is not None]
        steps = [(b - a) % FULL for a, b in zip(values, values[1:])]
        if 0 in steps or sum(steps) >= FULL / 2:
            raise AssertionError(f'Observe: {values}')


class Crowd:
    """NUMBER of Scripted clients of the proxy at TO, served by a thread."""

    def __init__(self, to, number):
        self.news = threading.Condition(threading.RLock())
        self.members = [Scripted(self, to) for _ in range(number)]
        self._end, self._stop = socket.socketpair()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def __iter__(self):
        return iter(self.members)

    def __getitem__(self, index):
        return self.members[index]

    def _serve(self):
        with selectors.DefaultSelector() as selector:
            selector.register(self._end, selectors.EVENT_READ, None)
            for member in self.members:
                selector.register(member.socket, selectors.EVENT_READ, member)
            while True:
                ready = [key.data for key, _ in selector.select()]
                if None in ready:
                    return
                with self.news:
                    for member in ready:
                        member.came(member.receive())
                    self.news.notify_all()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stop.close()
        self._thread.join(WAIT)
        self._end.close()
        for member in self.members:
            member.close()
