"""A scripted origin that is observed (RFC 7641): one state, for all paths.

Watched serves in a thread of the test; or in a program of its own, which can
be killed and stopped: watched.py PORT MAX-AGE BODY.
"""

import sys
import threading
import time

from coap import (BLOCK2, CON, CONTENT_FORMAT, EMPTY, ETAG, MAX_AGE, NON,
                  OBSERVE, RST, WAIT, Message, Origin, block)


class Event:
    """Something that came to an origin: WHAT is one of register, again (the
    same client and token), deregister, get, block (one that is not the first)
    and reset."""

    def __init__(self, what, message):
        self.what, self.message, self.time = what, message, time.monotonic()
        self.token, self.path = message.token, message.path

    def __repr__(self):
        return f'{self.what} {self.message}'


class Watched(Origin):
    """An origin whose one state, BODY, can be observed. Bodies above SIZE
    octets go in blocks, each state has an ETag of its own. TYPE is that of the
    notifications. NUMBER is the value of Observe; it grows by one with each
    change."""

    def __init__(self, body=b'', max_age=60, port=0, size=1024, type=CON,
                 address='127.0.0.1'):
        super().__init__(address, port)
        self.body, self.max_age, self.size, self.type = (
            body, max_age, size, type)
        self.number = 1
        self.refused = None         # see refuse()
        self.before_block = None    # called when a further block is asked for
        self.observers = {}         # (address, token): its registration
        self.sent = {}              # Message ID of a notification: observer
        self.events = []
        self.news = threading.Condition(threading.RLock())
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self):
        self.send_raw(b'', self.socket.getsockname())
        self._thread.join(WAIT)
        super().close()

    # ---- what the test does ----

    def set(self, body, code='2.05', options=(), **fields):
        """The new state is BODY: everybody who observes is told. With another
        CODE than 2.05 nobody observes any more."""
        with self.news:
            self.body = body
            self.number += 1
            for observer, request in list(self.observers.items()):
                self.notify(observer, request, code, options, **fields)

    def notify(self, observer, request, code='2.05', options=(), **fields):
        """Tells one observer of the present state."""
        if code == '2.05':
            options = [(OBSERVE, self.number), *options,
                       *self._describe(request)]
        else:
            del self.observers[observer]
        told = Message(code, '', options, self._part(request),
                       type=self.type, token=request.token, **fields)
        self.sent[told.mid] = observer
        self.send(told, request.source)

    def forget(self, body):
        """The new state is BODY, but nobody is told: all observers are
        forgotten."""
        with self.news:
            self.body = body
            self.number += 1
            self.observers.clear()

    def refuse(self, what):
        """From now on answers without Observe if WHAT is "observers", and with
        a RST if it is "all"; None ends it. All observers are forgotten."""
        with self.news:
            self.refused = what
            self.observers.clear()

    def asked(self, *what):
        """The events of the kinds WHAT, all without."""
        with self.news:
            return [e for e in self.events if not what or e.what in what]

    def wait(self, condition, timeout=WAIT):
        """Waits until CONDITION() is true."""
        with self.news:
            if not self.news.wait_for(condition, timeout):
                raise AssertionError(
                    f'not in {timeout} s; the last: {self.events[-5:]}')

    # ---- what it does ----

    def _serve(self):
        while True:
            data, source = self.socket.recvfrom(65535)
            if not data:
                return
            message = Message.decode(data)
            message.raw, message.source = data, source
            with self.news:
                self._handle(message)
                self.news.notify_all()

    def _handle(self, m):
        if m.type == RST:
            if self.observers.pop(self.sent.pop(m.mid, None), None):
                self._happened('reset', m)
        elif m.code == EMPTY:
            self.sent.pop(m.mid, None)
        elif m.type in (CON, NON) and self.refused == 'all':
            self.reset(m)
        elif m.type in (CON, NON):
            self._answer(m)

    def _happened(self, what, m):
        self.events.append(Event(what, m))

    def _answer(self, m):
        observer, wish = (m.source, m.token), m.value(OBSERVE)
        observe = []
        if self._wanted(m)[0] > 0:
            self._happened('block', m)
            if self.before_block:
                self.before_block()
        elif wish == b'':
            self._happened('again' if observer in self.observers
                           else 'register', m)
            if self.refused is None:
                self.observers[observer] = m
                observe = [(OBSERVE, self.number)]
        elif wish == b'\1':
            self._happened('deregister', m)
            self.observers.pop(observer, None)
        else:
            self._happened('get', m)
        self.reply(m, payload=self._part(m),
                   options=[*observe, *self._describe(m)])

    def _wanted(self, request):
        """(number, size) of the block that REQUEST is about."""
        value = int.from_bytes(request.value(BLOCK2) or b'', 'big')
        size = self.size
        if request.value(BLOCK2) is not None:
            size = min(size, 16 << (value & 7))
        return value >> 4, size

    def _part(self, request):
        num, size = self._wanted(request)
        return self.body[num * size:][:size]

    def _describe(self, request):
        options = [(ETAG, self.number.to_bytes(4, 'big')), (CONTENT_FORMAT, 0),
                   (MAX_AGE, self.max_age)]
        num, size = self._wanted(request)
        if len(self.body) > size:
            options.append((BLOCK2, block(
                num, (num + 1) * size < len(self.body), size)))
        return options


# ---- as a program of its own ----


def main(port, max_age, body):
    """Each line of standard input is a new state."""
    with Watched(body.encode(), int(max_age), int(port)) as origin:
        print(f'port {origin.port}', flush=True)
        for line in sys.stdin:
            origin.set(line.rstrip('\n').encode())


if __name__ == '__main__':
    main(*sys.argv[1:])
