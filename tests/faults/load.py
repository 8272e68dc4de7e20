"""Clients while something fails: a closed loop and a stream, each answer judged.

    with Load(('127.0.0.1', port)) as load:
        ...                     # break something
        done = load.stop()      # a Result

Each client of the closed loop asks, waits for its answer, pauses, asks again;
the stream asks so many times a second whatever becomes of it. Each request has
an id in its Uri-Query that the origin echoes (origin.py), so that an answer is
right, wrong or an error. Requests are repeated as RFC 7252 4.2 says; one without
an answer within PATIENCE seconds is lost.

As a program: load.py OPTIONS, a JSON object of Load's arguments, runs until its
standard input ends, and prints the Result as JSON; LoadIn runs it in a
namespace.
"""

import collections
import heapq
import json
import math
import pathlib
import random
import selectors
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'system'))

from coap import (ACK, CON, EMPTY, GET, RST, URI_QUERY, Client,  # noqa: E402
                  Message)

MAX_RETRANSMIT = 4
ACK_RANDOM_FACTOR = 1.5
STREAM_PORTS = 8

Answer = collections.namedtuple('Answer', 'sent took what code')


class Result:
    """What became of requests: ANSWERS are (sent, took, what, code), times in
    seconds since the load began. WHAT is right, wrong (2.xx with anything but
    the id), error (any other code, or RST) or lost."""

    def __init__(self, sent, repeats, answers):
        self.sent, self.repeats = sent, repeats
        self.answers = [Answer(*a) for a in answers]
        count = collections.Counter(a.what for a in self.answers)
        self.right, self.wrong, self.lost = (
            count['right'], count['wrong'], count['lost'])
        self.codes = collections.Counter(
            a.code for a in self.answers if a.what == 'error')

    def between(self, since, until=math.inf):
        """Only the requests sent in that time."""
        return Result(None, None, [a for a in self.answers
                                   if since <= a.sent < until])

    def latency(self, percent):
        """Seconds within which PERCENT of the right answers came."""
        took = sorted(a.took for a in self.answers if a.what == 'right')
        if not took:
            return math.inf
        return took[min(len(took) - 1, int(len(took) * percent / 100))]

    def first_right_after(self, moment):
        """Seconds from MOMENT to the next right answer."""
        return min((a.sent + a.took - moment for a in self.answers
                    if a.what == 'right' and a.sent + a.took >= moment),
                   default=math.inf)

    def __repr__(self):
        codes = ' '.join(f'{c}={n}' for c, n in sorted(self.codes.items()))
        return (f'sent={self.sent} right={self.right} wrong={self.wrong} '
                f'lost={self.lost} repeats={self.repeats} {codes} '
                f'p50={self.latency(50):.3f} p99={self.latency(99):.3f}')

    def json(self):
        return json.dumps([self.sent, self.repeats, self.answers])


class _Asked:
    """A request without its answer."""

    def __init__(self, port, message, ident, closed):
        self.port, self.message, self.ident = port, message, ident
        self.closed = closed        # of the closed loop, not of the stream
        self.acked = False
        self.copies = 1


class _Port(Client):
    """A socket, with Message IDs in turn."""

    def __init__(self, to, address):
        super().__init__(to, address)
        self.socket.setblocking(False)
        self.mid = random.randrange(65536)
        self.open = {}              # token: _Asked

    def next_mid(self):
        self.mid = (self.mid + 1) & 0xffff
        return self.mid


class Load:
    """CLIENTS in a closed loop, with a PAUSE in seconds after each answer, and a
    STREAM of requests a second, to the proxy at TO. MAKE(number) is the message
    to send, without its id; the default is a TYPE CODE for PATH with OPTIONS."""

    def __init__(self, to, clients=32, pause=0.05, stream=50, make=None, *,
                 code=GET, path='/echo', options=(), type=CON, ack_timeout=2,
                 patience=98, address='127.0.0.1'):
        self.to, self.pause, self.stream = tuple(to), pause, stream
        self.make = make or (lambda _: Message(code, path, options, type=type))
        self.ack_timeout, self.patience = ack_timeout, patience
        self._name = random.randbytes(4).hex()
        self._ports = [_Port(self.to, address)
                       for _ in range(clients + (STREAM_PORTS if stream else 0))]
        self._clients, self._streams = (
            self._ports[:clients], self._ports[clients:])
        self._selector = selectors.DefaultSelector()
        for port in self._ports:
            self._selector.register(port.socket, selectors.EVENT_READ, port)
        self._due = []              # a heap of (when, number, what to do)
        self._order = 0
        self._open = 0
        self._stopping = self._ended = False
        self._error = None
        self.sent = self.repeats = self.strays = 0
        self.answers = []
        self._began = time.monotonic()
        for i, port in enumerate(self._clients):
            self._later(i * pause / clients, self._ask, port, True)
        if stream:
            self._later(0, self._flow, 0)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def now(self):
        """Seconds since the load began."""
        return time.monotonic() - self._began

    def result(self, since=0, until=math.inf):
        """Of the requests sent in that time that are answered or lost."""
        if self._error:
            raise self._error
        everything = Result(self.sent, self.repeats, self.answers[:])
        if since == 0 and until == math.inf:
            return everything
        return everything.between(since, until)

    def stop(self):
        """No further requests; waits until each has its answer or is lost."""
        self._stopping = True
        self._thread.join()
        return self.result()

    def close(self):
        """Ends at once."""
        self._stopping = self._ended = True
        self._thread.join()
        for port in self._ports:
            port.close()
        self._selector.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # ---- the thread ----

    def _run(self):
        try:
            while not self._ended and (not self._stopping or self._open):
                self._turn()
        except Exception as error:
            self._error = error

    def _turn(self):
        wait = 0.05
        if self._due:
            wait = min(wait, max(0, self._due[0][0] - self.now()))
        for key, _ in self._selector.select(wait):
            self._read(key.data)
        while self._due and self._due[0][0] <= self.now():
            _, _, act, args = heapq.heappop(self._due)
            act(*args)

    def _later(self, seconds, act, *args):
        self._order += 1
        heapq.heappush(self._due,
                       (self.now() + seconds, self._order, act, args))

    def _flow(self, number, began=None):
        """The next request of the stream, which no answer holds up; one that
        is late does not delay those after it."""
        if self._stopping:
            return
        if began is None:
            began = self.now()
        self._ask(self._streams[number % len(self._streams)], False)
        number += 1
        self._later(max(0, began + number / self.stream - self.now()),
                    self._flow, number, began)

    def _ask(self, port, closed):
        if self._stopping:
            return
        message = self.make(self.sent)
        ident = f'{self._name}.{self.sent}'.encode()
        message.options.append((URI_QUERY, ident))
        message.mid = port.next_mid()
        message.token = random.randbytes(8)
        message.raw = message.encode()
        asked = _Asked(port, message, ident, closed)
        asked.sent = self.now()
        asked.timeout = self.ack_timeout * random.uniform(1, ACK_RANDOM_FACTOR)
        port.open[message.token] = asked
        self.sent += 1
        self._open += 1
        self._send(port, message.raw)
        self._wait(asked)

    def _send(self, port, raw):
        try:
            port.send_raw(raw)
        except OSError:
            pass                    # as if it were lost on its way

    def _wait(self, asked):
        left = asked.sent + self.patience - self.now()
        if asked.message.type == CON and not asked.acked:
            self._later(min(asked.timeout, max(left, 0)), self._again, asked)
        else:
            self._later(min(max(left, 0), 1), self._again, asked)

    def _again(self, asked):
        """Nothing has come for a while."""
        if asked.message.token not in asked.port.open:
            return
        if self.now() >= asked.sent + self.patience:
            self._done(asked, 'lost', None)
            return
        if (asked.message.type == CON and not asked.acked and
                asked.copies <= MAX_RETRANSMIT):
            asked.copies += 1
            asked.timeout *= 2
            self.repeats += 1
            self._send(asked.port, asked.message.raw)
        self._wait(asked)

    def _read(self, port):
        while True:
            try:
                raw, source = port.socket.recvfrom(65535)
            except OSError:
                return
            if source[1] == self.to[1]:
                self._judge(port, Message.decode(raw))

    def _judge(self, port, answer):
        if answer.code == EMPTY:
            for asked in list(port.open.values()):
                if asked.message.mid == answer.mid:
                    asked.acked = True
                    if answer.type == RST:
                        self._done(asked, 'error', 'RST')
            return
        if answer.type == CON:
            self._send(port, Message(EMPTY, type=ACK, mid=answer.mid,
                                     token=b'').encode())
        asked = port.open.get(answer.token)
        if not asked or (answer.type == ACK and
                         answer.mid != asked.message.mid):
            self.strays += 1
        elif not answer.code.startswith('2'):
            self._done(asked, 'error', answer.code)
        else:
            self._done(asked, 'right' if answer.payload == asked.ident
                       else 'wrong', answer.code)

    def _done(self, asked, what, code):
        del asked.port.open[asked.message.token]
        self._open -= 1
        self.answers.append(
            Answer(asked.sent, self.now() - asked.sent, what, code))
        if asked.closed:
            self._later(self.pause, self._ask, asked.port, True)


class LoadIn:
    """A Load in the network namespace NS; ARGS are Load's but MAKE."""

    def __init__(self, ns, to, **args):
        self._process = subprocess.Popen(
            ['ip', 'netns', 'exec', ns, sys.executable, __file__,
             json.dumps({'to': to, **args})],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def stop(self):
        """As Load's."""
        out, _ = self._process.communicate()
        return Result(*json.loads(out))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()


def main(text):
    with Load(**json.loads(text)) as load:
        sys.stdin.read()
        print(load.stop().json())


if __name__ == '__main__':
    main(*sys.argv[1:])
