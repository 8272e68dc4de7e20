"""A name server that is slow, dead, wrong, lying or malformed, as it is told.

    with Resolver({'good': says('127.0.0.2'), 'slow': later(1.2, ...)}) as dns:
        ...

What it does is chosen by the name that is asked for: up to the first '-' or
'.', so that slow-1.test and slow-2.test are two names. A behaviour is a
function of a Question that returns what is to be sent: packets, or Reply.
"""

import collections
import contextlib
import heapq
import pathlib
import random
import select
import socket
import struct
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'system'))

from coap import WAIT  # noqa: E402

A, CNAME, SOA, TXT, AAAA, OPT = 1, 5, 6, 16, 28, 41
IN, CHAOS = 1, 3
NAME = b'\xc0\x0c'      # the name in the question
GOOD, SERVFAIL, NXDOMAIN, REFUSED = 0x8580, 0x8182, 0x8583, 0x8185

# SENDER is a socket, None for that of the server.
Reply = collections.namedtuple('Reply', 'packet delay sender')


class Question:
    def __init__(self, raw):
        at, labels = 12, []
        while raw[at]:
            labels.append(raw[at + 1:at + 1 + raw[at]].decode())
            at += 1 + raw[at]
        self.raw, self.id = raw, raw[:2]
        self.section = raw[12:at + 5]       # name, type, class
        self.kind = int.from_bytes(raw[at + 1:at + 3], 'big')
        self.name = '.'.join(labels).lower()

    def rdata(self, address):
        """ADDRESS for a record of the kind asked for; None if it is not."""
        family = {A: socket.AF_INET, AAAA: socket.AF_INET6}.get(self.kind)
        if (':' in address) != (family == socket.AF_INET6) or not family:
            return None
        return socket.inet_pton(family, address)


def labels(*words):
    return b''.join(bytes([len(w)]) + w for w in words) + b'\0'


def record(rdata, kind=A, *, owner=NAME, cls=IN, ttl=60, length=None):
    return owner + struct.pack('>HHIH', kind, cls, ttl,
                               len(rdata) if length is None else length) + rdata


def packet(q, *records, flags=GOOD, ident=None, section=None, counts=None):
    """COUNTS are those of questions, answers, authority, additional."""
    head = (q.id if ident is None else ident) + struct.pack(
        '>HHHHH', flags, *(counts or (1, len(records), 0, 0)))
    return head + (q.section if section is None else section) + \
        b''.join(records)


# ---- behaviours ----

def says(*addresses, ttl=60):
    """These addresses; an empty answer for the other family."""
    def behave(q):
        found = [q.rdata(a) for a in addresses]
        return [packet(q, *(record(d, q.kind, ttl=ttl) for d in found if d))]
    return behave


def fails(flags):
    return lambda q: [packet(q, flags=flags)]


def dead(_):
    return []


def later(seconds, behave):
    return lambda q: [Reply(p, seconds, None) for p in behave(q)]


class Resolver:
    """At ADDRESS, which it keeps while it is closed to others."""

    def __init__(self, behaviours):
        self.behaviours = behaviours
        self.default = fails(NXDOMAIN)
        self.asked = []             # (when, name, type)
        self.errors = []
        self.dead = self._ended = False
        # An address that others hardly use: the port stays free.
        self._bound = ('127.78.%d.%d' % tuple(
            random.choices(range(1, 255), k=2)), 0)
        self.socket = None
        self.open()
        self.address = '%s:%d' % self._bound
        self._due = []              # a heap of (when, number, Reply, to)
        self._order = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def open(self):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.bind(self._bound)
        s.setblocking(False)
        self._bound = s.getsockname()
        self.socket = s

    def shut(self):
        """Nobody is there: the kernel says so (ICMP)."""
        gone, self.socket = self.socket, None
        gone.close()

    def questions(self, prefix, since=0):
        return sum(name.startswith(prefix) and when >= since
                   for when, name, _ in self.asked)

    def _run(self):
        while not self._ended:
            now = time.monotonic()
            while self._due and self._due[0][0] <= now:
                _, _, reply, to = heapq.heappop(self._due)
                self._send(reply, to)
            s = self.socket
            if s is None:
                time.sleep(0.01)
                continue
            # A socket that is shut meanwhile is no error.
            with contextlib.suppress(OSError, ValueError):
                if select.select([s], [], [], 0.02)[0]:
                    self._handle(*s.recvfrom(4096))

    def _handle(self, raw, source):
        try:
            q = Question(raw)
            self.asked.append((time.monotonic(), q.name, q.kind))
            if self.dead:
                return
            word = q.name.replace('-', '.').split('.')[0]
            for reply in self.behaviours.get(word, self.default)(q):
                if isinstance(reply, bytes):
                    reply = Reply(reply, 0, None)
                self._order += 1
                heapq.heappush(self._due, (time.monotonic() + reply.delay,
                                           self._order, reply, source))
        except Exception as error:      # told at the end
            self.errors.append(error)

    def _send(self, reply, to):
        with contextlib.suppress(OSError):
            (reply.sender or self.socket).sendto(reply.packet, to)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self._ended = True
        self._thread.join(WAIT)
        if self.socket:
            self.socket.close()
        if kind is None and self.errors:
            raise self.errors[0]


# ---- malformed answers ----
#
# Each is a function of (q, rdata): rdata is the address of an origin that would
# answer. So whoever reads an address out of it asks there, and one that is read
# wrongly is not allowed, 5.05.

def _cut(where):
    """A good answer, cut so many octets behind the question."""
    def behave(q, rdata):
        whole = packet(q, record(rdata, q.kind))
        return whole[:12 + len(q.section) + where]
    return behave


def _owner(owner, extra=b''):
    return lambda q, rdata: packet(q, record(rdata, q.kind, owner=owner)) + \
        extra


def _rdata(**change):
    return lambda q, rdata: packet(q, record(rdata, q.kind, **change))


def _counts(*counts, records=1):
    return lambda q, rdata: packet(
        q, *[record(rdata, q.kind)] * records, counts=counts)


def _flags(flags, records=1):
    return lambda q, rdata: packet(
        q, *[record(rdata, q.kind)] * records, flags=flags)


def _at(q):
    """Where the first record begins."""
    return 12 + len(q.section)


def _pointer(offset):
    return struct.pack('>H', 0xc000 | offset)


def _to_itself(q, rdata):
    return packet(q, record(rdata, q.kind, owner=_pointer(_at(q))))


def _to_each_other(q, rdata):
    at = _at(q)
    return packet(q, record(rdata, q.kind,
                            owner=_pointer(at + 2) + _pointer(at)))


def _chain(q, rdata):
    """A pointer to a pointer to a pointer, 200 of them."""
    at = _at(q)
    chain = b'\0\0' + b''.join(
        _pointer(at + 12 + 2 * i) for i in range(200))
    first = record(b'', TXT, owner=b'\0', length=len(chain) + 1) + b'\0' + chain
    return packet(q, first,
                  record(rdata, q.kind, owner=_pointer(at + 12 + 400)))


def _alias(name, **change):
    def behave(q, rdata):
        return packet(q, record(name, CNAME, **change),
                      record(rdata, q.kind, owner=b'\1x\0'))
    return behave


def _alias_loop(q, rdata):
    """The name that is the alias's is a pointer to itself."""
    at = _at(q) + 12
    return packet(q, record(_pointer(at), CNAME), record(rdata, q.kind))


def _wrong_family(q, rdata):
    """An address of the other length by the type that was asked for."""
    return packet(q, record(bytes(16 if q.kind == A else 4), q.kind))


def _many(q, rdata):
    return packet(q, *[record(rdata, q.kind)] * 2000)


def _soa(rdata_end):
    def behave(q, _):
        soa = record(labels(b'ns') + labels(b'root') + rdata_end, SOA,
                     owner=NAME)
        return packet(q, soa, flags=NXDOMAIN, counts=(1, 0, 1, 0))
    return behave


def _other_section(q, rdata):
    return packet(q, record(rdata, q.kind), section=q.section[:-4])


# What there may be for the asker: GONE as for a name that does not exist or
# that was not found out, TAKEN also the answer that is in there all the same.
GONE, TAKEN = {'5.02', '5.04'}, {'5.02', '5.04', '2.05'}

MALFORMED = [
    ('nothing', lambda q, _: b'', GONE),
    ('one octet', lambda q, _: q.id[:1], GONE),
    ('ID only', lambda q, _: q.id, GONE),
    ('header cut', lambda q, _: packet(q)[:11], GONE),
    ('header only', lambda q, _: packet(q)[:12], GONE),
    ('header of an answer only', lambda q, _: packet(
        q, section=b'', counts=(0, 1, 0, 0)), GONE),
    ('question cut in the name', lambda q, _: packet(q)[:15], GONE),
    ('question cut in the type', lambda q, _: packet(q)[:-3], GONE),
    ('question without type', _other_section, GONE),
    ('cut in the owner', _cut(1), GONE),
    ('cut behind the owner', _cut(2), GONE),
    ('cut in the type', _cut(3), GONE),
    ('cut in the class', _cut(5), GONE),
    ('cut in the TTL', _cut(8), GONE),
    ('cut in the length', _cut(11), GONE),
    ('cut behind the length', _cut(12), GONE),
    ('cut in the address', _cut(14), GONE),
    ('pointer to itself', _to_itself, GONE),
    ('pointers to each other', _to_each_other, GONE),
    ('200 pointers', _chain, TAKEN),
    ('pointer beyond the end', _owner(b'\xff\xff'), GONE),
    ('pointer to the header', _owner(b'\xc0\x00'), TAKEN),
    ('reserved label 01', _owner(b'\x45abcde\0'), TAKEN),
    ('reserved label 10', _owner(b'\x85abcde\0'), TAKEN),
    ('label beyond the end', _owner(b'\x3fabc'), GONE),
    ('name of 400 octets', _owner(labels(*[b'a' * 63] * 6)), TAKEN),
    ('dots and NUL in a label', _owner(labels(b'a.b\0c', b'test')), TAKEN),
    ('alias without end', _alias_loop, TAKEN),
    ('alias cut', _alias(b'\x3fa', length=2), TAKEN),
    ('alias longer than its length', _alias(labels(b'abc'), length=2), TAKEN),
    ('alias of 400 octets', _alias(labels(*[b'a' * 63] * 6)), TAKEN),
    ('no question', lambda q, rdata: packet(
        q, record(rdata, q.kind), section=b'', counts=(0, 1, 0, 0)), GONE),
    ('65535 questions', _counts(65535, 1, 0, 0), GONE),
    ('65535 answers', _counts(1, 65535, 0, 0), TAKEN),
    ('an answer that is not counted', _counts(1, 0, 0, 0), GONE),
    ('65535 of authority', _counts(1, 1, 65535, 0), TAKEN),
    ('65535 additional', _counts(1, 1, 0, 65535), TAKEN),
    ('length 0', _rdata(length=0), GONE),
    ('length 3', _rdata(length=3), GONE),
    ('length 5', _rdata(length=5), GONE),
    ('length 8 of 4', _rdata(length=8), GONE),
    ('length 65535', _rdata(length=65535), GONE),
    ('empty address', lambda q, _: packet(q, record(b'', q.kind)), GONE),
    ('the other family', _wrong_family, GONE | {'5.05'}),   # 0.0.0.0
    ('wrong class', _rdata(cls=CHAOS), GONE),
    ('wrong type', lambda q, rdata: packet(q, record(rdata, TXT)), GONE),
    ('truncated, empty', _flags(GOOD | 0x200, 0), GONE),
    ('truncated, with an answer', _flags(GOOD | 0x200), TAKEN),
    ('a question', _flags(0x0100), GONE),
    ('another operation', _flags(GOOD | 0x2800), TAKEN),
    ('reserved result', _flags(GOOD | 0xf, 0), GONE),
    ('NXDOMAIN with an answer', _flags(NXDOMAIN), TAKEN),
    ('500 octets behind', lambda q, rdata: packet(
        q, record(rdata, q.kind)) + b'\xc0' * 500, TAKEN),
    ('2000 answers', _many, TAKEN),
    ('SOA cut', _soa(b'\0\0'), GONE),
    ('SOA with a TTL of 2^32 - 1', _soa(b'\xff' * 20), GONE),
    ('noise', lambda q, _: q.id + random.randbytes(60), GONE),
    ('noise behind the header', lambda q, _: packet(
        q, counts=(1, 3, 3, 3)) + random.randbytes(200), TAKEN),
]


def malformed(address):
    """Behaviours by the number of the kind: m0, m1..."""
    def behaviour(make):
        def behave(q):
            return [make(q, q.rdata(address) or bytes(15) + b'\1')]
        return behave
    return {f'm{i}': behaviour(make)
            for i, (_, make, _) in enumerate(MALFORMED)}
