"""An origin to be killed: it echoes the Uri-Query, and counts what it executes.

    origin.py [--address A] [--port P] [--mode MODE] [--mid FIRST]

MODE is echo; silent, which only counts; or slow=SECONDS: an ACK at once, the
response in a CON of its own after that time. A repetition of a message gets the
same again (RFC 7252 4.2) and is not executed. At SIGTERM it prints what it has
seen: executed, how many requests; twice, how many ids more than once; repeats,
how many repetitions.
"""

import argparse
import collections
import heapq
import pathlib
import random
import select
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'system'))

from coap import (ACK, CON, EMPTY, NON, RST, URI_QUERY, Endpoint,  # noqa: E402
                  Message)

REMEMBERED = 100000
ACK_TIMEOUT = 2
MAX_RETRANSMIT = 4


class Echo(Endpoint):
    """The origin itself."""

    def __init__(self, address, port, mode, mid):
        super().__init__(address, port)
        self.slow = float(mode[5:]) if mode.startswith('slow=') else 0
        self.silent = mode == 'silent'
        self.mid = mid
        self.seen = collections.OrderedDict()   # (source, mid): the answer
        self.ids = collections.Counter()
        self.executed = self.repeats = 0
        self.due = []           # a heap of (when, mid, raw, to, copies)
        self.unacked = set()    # Message IDs of our CON

    def serve(self):
        while True:
            now = time.monotonic()
            while self.due and self.due[0][0] <= now:
                self._tell(*heapq.heappop(self.due))
            wait = self.due[0][0] - now if self.due else None
            if select.select([self.socket], [], [], wait)[0]:
                raw, source = self.socket.recvfrom(65535)
                self._handle(Message.decode(raw), source)

    def _handle(self, m, source):
        if m.type in (ACK, RST):
            self.unacked.discard(m.mid)
            return
        if m.code == EMPTY:
            return
        if (source, m.mid) in self.seen:
            self.repeats += 1
            if self.seen[source, m.mid]:
                self.send_raw(self.seen[source, m.mid], source)
            return
        self.executed += 1
        ident = m.value(URI_QUERY) or b''
        self.ids[ident] += 1
        self.seen[source, m.mid] = self._answer(m, ident, source)
        if len(self.seen) > REMEMBERED:
            self.seen.popitem(last=False)
        if self.seen[source, m.mid]:
            self.send_raw(self.seen[source, m.mid], source)

    def _answer(self, m, ident, source):
        """What is sent at once, or None."""
        if self.silent:
            return None
        code = '2.05' if m.code in ('0.01', '0.05') else '2.04'
        if self.slow:
            later = Message(code, payload=ident, type=CON, token=m.token,
                            mid=self._next())
            self.unacked.add(later.mid)
            heapq.heappush(self.due, (time.monotonic() + self.slow, later.mid,
                                      later.encode(), source, 0))
            return m.type == CON and Message(
                EMPTY, type=ACK, mid=m.mid, token=b'').encode() or None
        return Message(code, payload=ident, token=m.token,
                       type=ACK if m.type == CON else NON,
                       mid=m.mid if m.type == CON else self._next()).encode()

    def _next(self):
        self.mid = (self.mid + 1) & 0xffff
        return self.mid

    def _tell(self, when, mid, raw, to, copies):
        """A response of its own, until it is acknowledged."""
        if mid not in self.unacked:
            return
        self.send_raw(raw, to)
        if copies < MAX_RETRANSMIT:
            heapq.heappush(self.due, (when + (ACK_TIMEOUT << copies), mid, raw,
                                      to, copies + 1))

    def summary(self):
        twice = sum(n > 1 for n in self.ids.values())
        return (f'executed={self.executed} twice={twice} '
                f'repeats={self.repeats}')


class FaultOrigin:
    """origin.py in a process of its own, in the namespace NS if there is one.
    ARGS are as on its command line: mode='slow=3' for --mode slow=3."""

    def __init__(self, ns=None, **args):
        self._ns, self._args = ns, args
        self.port = args.get('port', 0)
        self.start()

    def start(self):
        """Again, at the same port."""
        args = {**self._args, 'port': self.port}
        self.process = subprocess.Popen(
            [*(['ip', 'netns', 'exec', self._ns] if self._ns else []),
             sys.executable, __file__,
             *(str(w) for k, v in args.items() for w in (f'--{k}', v))],
            stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if not line.startswith('port '):
            raise AssertionError(f'no port of the origin: {line!r}')
        self.port = int(line.split()[1])

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        """Without any notice."""
        self.process.kill()
        self.process.communicate()

    def end(self):
        """What it has seen: executed, twice, repeats."""
        self.process.terminate()
        out, _ = self.process.communicate()
        return {k: int(v) for k, v in (w.split('=') for w in out.split())}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.kill()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--address', default='127.0.0.1')
    parser.add_argument('--port', type=int, default=0)
    parser.add_argument('--mode', default='echo')
    parser.add_argument('--mid', type=int, default=random.randrange(65536))
    args = parser.parse_args()
    origin = Echo(args.address, args.port, args.mode, args.mid)

    def end(*_):
        print(origin.summary(), flush=True)
        sys.exit(0)

    signal.signal(signal.SIGTERM, end)
    print(f'port {origin.port}', flush=True)
    origin.serve()


if __name__ == '__main__':
    main()
