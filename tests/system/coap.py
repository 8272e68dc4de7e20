"""CoAP as a script speaks it: messages, a client, an origin; raw UDP sockets.

Nothing happens by itself here: no retransmission, no acknowledgement, no
matching beyond what a test asks for, so that tests can do what is not allowed.
"""

import os
import random
import select
import socket
import time

CON, NON, ACK, RST = range(4)

GET, POST, PUT, DELETE = '0.01', '0.02', '0.03', '0.04'
FETCH, PATCH, IPATCH = '0.05', '0.06', '0.07'
EMPTY = '0.00'

IF_MATCH, URI_HOST, ETAG, OBSERVE, URI_PORT, LOCATION_PATH = 1, 3, 4, 6, 7, 8
URI_PATH, CONTENT_FORMAT, MAX_AGE, URI_QUERY, HOP_LIMIT = 11, 12, 14, 15, 16
ACCEPT, LOCATION_QUERY, BLOCK2, BLOCK1, PROXY_URI = 17, 20, 23, 27, 35
PROXY_SCHEME, REQUEST_TAG = 39, 292

WAIT = 5.0      # seconds for what must come; far more than it takes


class Silence(Exception):
    """Nothing came in time."""


def uint(number):
    return number.to_bytes((number.bit_length() + 7) // 8, 'big')


def block(num, more, size):
    return uint(num << 4 | more << 3 | size.bit_length() - 5)


def _value(value):
    if isinstance(value, str):
        return value.encode()
    return uint(value) if isinstance(value, int) else value


def _nibble(number):
    """(nibble, extension) of an option delta or length, or a token length."""
    if number < 13:
        return number, b''
    if number < 269:
        return 13, bytes([number - 13])
    return 14, (number - 269).to_bytes(2, 'big')


class Message:
    """One message. Options are (number, value) pairs, values strings,
    integers or bytes; a path is added as Uri-Path."""

    def __init__(self, code, path='', options=(), payload=b'', *, type=CON,
                 mid=None, token=None):
        self.type, self.code = type, code
        self.mid = random.randrange(65536) if mid is None else mid
        self.token = os.urandom(4) if token is None else token
        self.options = [(n, _value(v)) for n, v in options]
        self.options += [(URI_PATH, s.encode()) for s in path.split('/') if s]
        self.payload = _value(payload)
        self.source = self.raw = None

    def values(self, number):
        return [v for n, v in self.options if n == number]

    def value(self, number):
        """The one value of an option, or None."""
        values = self.values(number)
        if len(values) > 1:
            raise AssertionError(f'option {number} {len(values)} times')
        return values[0] if values else None

    @property
    def path(self):
        return '/' + '/'.join(os.fsdecode(v) for v in self.values(URI_PATH))

    def encode(self):
        tkl, ext = _nibble(len(self.token))
        cls, detail = self.code.split('.')
        out = bytes([0x40 | self.type << 4 | tkl, int(cls) << 5 | int(detail)])
        out += self.mid.to_bytes(2, 'big') + ext + self.token
        before = 0
        for number, value in sorted(self.options, key=lambda o: o[0]):
            delta, delta_ext = _nibble(number - before)
            length, length_ext = _nibble(len(value))
            out += bytes([delta << 4 | length]) + delta_ext + length_ext
            out += value
            before = number
        return out + (b'\xff' + self.payload if self.payload else b'')

    @classmethod
    def decode(cls, data):
        m = cls('0.00', mid=int.from_bytes(data[2:4], 'big'))
        if data[0] >> 6 != 1:
            raise ValueError(f'version of {data.hex()}')
        m.type = data[0] >> 4 & 3
        m.code = f'{data[1] >> 5}.{data[1] & 31:02}'
        n, at = _extended(data, data[0] & 15, 4)
        m.token, at = data[at:at + n], at + n
        number = 0
        while at < len(data) and data[at] != 0xff:
            head, at = data[at], at + 1
            delta, at = _extended(data, head >> 4, at)
            length, at = _extended(data, head & 15, at)
            if at + length > len(data):
                raise ValueError(f'end of {data.hex()}')
            number += delta
            m.options.append((number, data[at:at + length]))
            at += length
        m.payload = data[at + 1:]
        if at == len(data) - 1:
            raise ValueError(f'empty payload in {data.hex()}')
        return m

    def __repr__(self):
        kind = ('CON', 'NON', 'ACK', 'RST')[self.type]
        options = ' '.join(f'{n}:{v!r}' for n, v in self.options)
        return (f'<{kind} {self.code} mid={self.mid:04x} '
                f'token={self.token.hex()} [{options}] {self.payload[:60]!r}>')


def _extended(data, nibble, at):
    """(number, where it ends)."""
    if nibble < 13:
        return nibble, at
    if nibble == 15:
        raise ValueError(f'nibble 15 in {data.hex()}')
    size = nibble - 12
    number = int.from_bytes(data[at:at + size], 'big')
    return number + (13 if size == 1 else 269), at + size


class Endpoint:
    """A UDP socket of a test."""

    def __init__(self, address='127.0.0.1', port=0):
        family = socket.AF_INET6 if ':' in address else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        info = socket.getaddrinfo(address, port, family, socket.SOCK_DGRAM)
        self.socket.bind(info[0][4])
        self.port = self.socket.getsockname()[1]

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def ready(self, timeout):
        """Whether a datagram is there, or comes within TIMEOUT seconds."""
        return bool(select.select([self.socket], [], [], timeout)[0])

    def receive_raw(self, timeout=WAIT):
        if not self.ready(timeout):
            raise Silence(f'nothing within {timeout} s')
        return self.socket.recvfrom(65535)

    def receive(self, timeout=WAIT):
        data, source = self.receive_raw(timeout)
        message = Message.decode(data)
        message.raw, message.source = data, source
        return message

    def send_raw(self, data, to):
        self.socket.sendto(data, to)

    def send(self, message, to):
        message.raw = message.encode()
        self.send_raw(message.raw, to)
        return message


class Client(Endpoint):
    """A client of the proxy at TO, (address, port)."""

    def __init__(self, to, address='127.0.0.1'):
        super().__init__(address)
        self.to = to

    def send_raw(self, data, to=None):
        super().send_raw(data, to or self.to)

    def send(self, message, to=None):
        return super().send(message, to or self.to)

    def fence(self):
        """What the proxy had to say up to now: it takes a socket's datagrams
        in their order, so all of it comes before the answer to a ping. By the
        answer to a second one it has sent what it had for others as well."""
        before = []
        for _ in range(2):
            ping = self.send(Message(EMPTY, token=b''))
            while (m := self.receive()).raw != b'\x70\0' + ping.raw[2:]:
                before.append(m)
        return before

    def await_response(self, request):
        """The response to REQUEST, its acknowledgements received and sent."""
        deadline = time.monotonic() + WAIT
        while True:
            m = self.receive(max(0, deadline - time.monotonic()))
            if m.type == ACK and m.mid != request.mid:
                raise AssertionError(f'ACK of another message: {m}')
            if m.type == RST:
                raise AssertionError(f'RST for {request}')
            if m.code == EMPTY:
                continue
            if m.token != request.token:
                raise AssertionError(f'other token: {m} for {request}')
            if m.type == CON:
                self.send(Message(EMPTY, type=ACK, mid=m.mid, token=b''))
            return m

    def request(self, *args, **kwargs):
        """Sends Message(...) and returns the response."""
        return self.await_response(self.send(Message(*args, **kwargs)))


class Origin(Endpoint):
    """A scripted origin."""

    def reply(self, request, code='2.05', payload=b'', options=(), **change):
        """Answers piggybacked, a NON by a NON; CHANGE overrides fields."""
        fields = {'type': NON, 'token': request.token}
        if request.type == CON:
            fields.update(type=ACK, mid=request.mid)
        fields.update(change)
        return self.send(Message(code, '', options, payload, **fields),
                         request.source)

    def acknowledge(self, request):
        self.reply(request, EMPTY, token=b'')

    def reset(self, message):
        self.reply(message, EMPTY, type=RST, mid=message.mid, token=b'')

    def answer(self, *args, **kwargs):
        """Receives a request and answers it; returns the request."""
        request = self.receive()
        self.reply(request, *args, **kwargs)
        return request

    def untouched(self):
        """Fails if anything has come, or was on its way when a client got
        its answer."""
        if self.ready(0.02):
            raise AssertionError(f'the origin got {self.receive()}')
