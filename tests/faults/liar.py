"""An origin that echoes the Uri-Query, and lies.

    liar.py --forge PROXY-PORT      before each answer those that are forged
    liar.py --storm RATE            so many datagrams of garbage a second, from
                                    the first request on, while the file
                                    --while FILE is there

It prints port N, and at SIGTERM forged=N garbage=N.
"""

import argparse
import os
import pathlib
import random
import select
import signal
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'system'))

from coap import (ACK, CON, EMPTY, GET, NON, RST, URI_QUERY,  # noqa: E402
                  Endpoint, Message, Origin)

POISON = b'POISON'
TICK = 0.005


class Liar(Origin):
    def __init__(self, forge, rate, during):
        super().__init__()
        self.forge, self.rate, self.during = forge, rate, during
        # Another port of the same address, the same port of another address,
        # and both.
        self.others = [Endpoint('127.0.0.1'),
                       Endpoint('127.0.0.2', self.port),
                       Endpoint('127.0.0.3')]
        self.forged = self.garbage = 0
        self.recent = []            # the last requests
        self.sheets = []

    def serve(self):
        due = time.monotonic()
        while True:
            now = time.monotonic()
            if now >= due:
                due = max(due + TICK, now - 10 * TICK)
                self.storm()
            if select.select([self.socket], [], [],
                             max(0, due - now))[0]:
                self.hear()

    def hear(self):
        m = self.receive()
        if m.code == EMPTY or not m.code.startswith('0.'):
            return
        self.recent = [*self.recent[-50:], m]
        if self.forge:
            for lie in self.lies(m):
                lie()
                self.forged += 1
        self.reply(m, '2.05', m.value(URI_QUERY) or b'')

    def lies(self, m):
        """What must not be taken for the answer to M."""
        token, mid = m.token, m.mid
        for code in ('2.05', '4.04', '5.00'):
            for kind in (ACK, NON, CON):
                # The token of nobody; one octet short, or long; another's.
                for wrong in (os.urandom(8), token[:-1], token + b'\0', b'',
                              self.recent[0].token):
                    if wrong == token:
                        continue
                    yield self.lie(self, m.source, code, kind, wrong, mid)
            # An ACK of another message.
            for other in (mid ^ 1, mid + 1, mid ^ 0x8000):
                yield self.lie(self, m.source, code, ACK, token, other)
            for end in self.others:
                for kind in (ACK, NON, CON):
                    yield self.lie(end, m.source, code, kind, token, mid)
            for kind in (ACK, NON, CON):
                yield self.lie(self, ('127.0.0.1', self.forge), code, kind,
                               token, mid)
        # A RST of the origin's for something it has not got.
        yield lambda: self.send(Message(EMPTY, type=RST, mid=mid ^ 0x8000,
                                        token=b''), m.source)

    @staticmethod
    def lie(end, to, code, kind, token, mid):
        message = Message(code, '', (), POISON, type=kind, token=token,
                          mid=mid & 0xffff)
        return lambda: end.send(message, to)

    def storm(self):
        if not self.rate or not self.recent or not os.path.exists(self.during):
            return
        to = self.recent[-1].source
        if not self.sheets:
            self.sheets = [self.sheet() for _ in range(2000)]
        for raw in random.choices(self.sheets, k=int(self.rate * TICK)):
            raw = bytearray(raw)
            raw[2:4] = random.randbytes(2)
            self.send_raw(raw, to)
            self.garbage += 1

    def sheet(self):
        """Garbage; its Message ID is a matter of chance."""
        token = os.urandom(random.choice((0, 4, 8)))
        kind = random.choice((CON, NON, ACK, RST))
        return random.choice((
            lambda: random.randbytes(random.randrange(4, 200)),
            lambda: Message('2.05', '', (), POISON, type=kind,
                            token=token).encode(),
            lambda: Message(EMPTY, type=kind, token=b'').encode(),
            lambda: Message(GET, '/x', type=kind, token=token).encode(),
            lambda: Message('2.05', '', [(random.randrange(3000), token)],
                            POISON, type=kind, token=token).encode()[:-2],
            lambda: b'\x40\0\0\0' + random.randbytes(20)))()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--forge', type=int, default=0)
    parser.add_argument('--storm', type=int, default=0)
    parser.add_argument('--while', dest='during', default='')
    args = parser.parse_args()
    origin = Liar(args.forge, args.storm, args.during)

    def end(*_):
        print(f'forged={origin.forged} garbage={origin.garbage}', flush=True)
        sys.exit(0)

    signal.signal(signal.SIGTERM, end)
    print(f'port {origin.port}', flush=True)
    origin.serve()


if __name__ == '__main__':
    main()
