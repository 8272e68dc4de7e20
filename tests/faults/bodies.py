"""An origin of bodies in blocks, to be killed, or to kill itself in between.

    bodies.py --address A --port P --generation G --dies-after N --log F

/NUMBER is a body of 64 KiB by number and generation, the ETag is the
generation. What is PUT to /NUMBER must be the body of generation 0: the answer
is 2.04 if it is, and a line in F says if it is not. After N blocks it kills
itself; 0: never.
"""

import argparse
import os
import pathlib
import signal
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'system'))

from blocks import numbers, octets  # noqa: E402
from coap import (BLOCK1, BLOCK2, EMPTY, ETAG, GET, REQUEST_TAG,  # noqa: E402
                  Message, Origin, block)

SIZE = 65536
BLOCK = 1024


def body(number, generation):
    return octets(SIZE, number * 1000 + generation)


class Bodies(Origin):
    def __init__(self, args):
        super().__init__(args.address, args.port)
        self.generation, self.left, self.log = (
            args.generation, args.dies_after, args.log)
        self.parts, self.made = {}, {}

    def serve(self):
        while True:
            raw, source = self.socket.recvfrom(65535)
            m = Message.decode(raw)
            m.source = source
            if m.code == EMPTY:
                continue
            self.left -= 1
            if self.left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            if m.code == GET:
                self.give(m)
            else:
                self.take(m)

    def give(self, m):
        number = int(m.path[1:])
        if number not in self.made:
            self.made[number] = body(number, self.generation)
        num, _, size = numbers(m.value(BLOCK2) or block(0, 0, BLOCK))
        part = self.made[number][num * size:][:size]
        more = (num + 1) * size < SIZE
        self.reply(m, '2.05', part, [(ETAG, self.generation.to_bytes(8, 'big')),
                                     (BLOCK2, block(num, more, size))])

    def take(self, m):
        key = m.source, m.path, tuple(m.values(REQUEST_TAG))
        num, more, size = numbers(m.value(BLOCK1))
        part = b'' if num == 0 else self.parts.pop(key, b'')
        if len(part) != num * size:
            self.reply(m, '4.08')
            return
        part += m.payload
        if more:
            self.parts[key] = part
        elif part != body(int(m.path[1:]), 0):
            with open(self.log, 'a') as log:
                log.write(f'{m.path}: {len(part)} octets\n')
        self.reply(m, '2.31' if more else '2.04',
                   options=[(BLOCK1, m.value(BLOCK1))])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--address', default='127.0.0.1')
    parser.add_argument('--port', type=int, default=0)
    parser.add_argument('--generation', type=int, default=1)
    parser.add_argument('--dies-after', type=int, default=0)
    parser.add_argument('--log', default='/dev/null')
    origin = Bodies(parser.parse_args())
    print(f'port {origin.port}', flush=True)
    origin.serve()


if __name__ == '__main__':
    main()
