"""The scenario memory of bench/run: what the proxy's VmRSS grows by for each
thing that it has to remember.

Each figure comes from a fresh proxy that has first had some of it, so that
what is there once and for all does not count. Clients and origin are played
here: nobody measures time.
"""

import os
import re
import socket
import struct

import fanout
from children import Failure, Server

WARM = 4096             # of each thing before it counts
CLIENTS = 16            # sockets where endpoints do not matter
AT_ONCE = 4             # requests outstanding of each
PATIENCE = 20           # seconds for a datagram
CON, NON, ACK = 0, 1, 2
GET, CONTENT = 0x01, 0x45
URI_PATH, MAX_AGE = 11, 14
PAYLOAD = b"x" * 64


def uint(value):
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def option(delta, value):
    """With a delta and a length that fit without more octets."""
    if delta < 13:
        return bytes([delta << 4 | len(value)]) + value
    return bytes([13 << 4 | len(value), delta - 13]) + value


def request(kind, mid, token, path):
    """A GET; PATH has segments of at most 12 octets."""
    options, delta = b"", URI_PATH
    for segment in path.encode().split(b"/"):
        options += option(delta, segment)
        delta = 0
    return (struct.pack("!BBH", 0x40 | kind << 4 | len(token), GET, mid)
            + token + options)


def rss(pid):
    """In octets."""
    with open(f"/proc/{pid}/status") as f:
        return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1)) * 1024


def udp(address="127.0.0.1"):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(PATIENCE)
    s.bind((address, 0))
    return s


class Stand:
    """A proxy with both its ends."""

    def __init__(self, bench, records, cache, age):
        self.origin = udp()
        self.age = age
        self.sent = 0
        path = os.path.join(bench.dir, "memory.conf")
        with open(path, "w") as f:
            f.write("[listen bench]\nbind = coap://127.0.0.1:0\n\n"
                    f"[message]\nmax-exchanges = {records}\n"
                    "queue-per-origin = 65536\n\n"
                    "[origin]\nnstart = 65536\n\n"
                    f"[cache]\nsize = {cache}\n\n[route all]\n"
                    f"to = coap://127.0.0.1:{self.origin.getsockname()[1]}\n")
        self.proxy = Server(bench, [bench.args.coaproxy, "-c", path],
                            bench.core)
        self.clients = [self.client() for _ in range(CLIENTS)]

    def client(self, address="127.0.0.1"):
        s = udp(address)
        s.connect(("127.0.0.1", self.proxy.port))
        return s

    def stop(self):
        for s in [self.origin, *self.clients]:
            s.close()
        if status := self.proxy.stop():
            raise Failure(f"the proxy ended with {status}:\n"
                          + self.proxy.text())

    def rss(self):
        return rss(self.proxy.child.pid)

    def ask(self, client, kind):
        """A request that nobody has sent before."""
        i = self.sent
        self.sent += 1
        client.send(request(kind, i // CLIENTS & 0xffff, i.to_bytes(8, "big"),
                            f"s/{i}/temperature"))

    def serve(self, answer=True):
        """The origin's turn with one request."""
        data, source = self.origin.recvfrom(2048)
        kind, token = data[0] >> 4 & 3, data[4:4 + (data[0] & 15)]
        if not answer:
            # It will not be asked again.
            self.origin.sendto(b"\x60\0" + data[2:4], source)
            return
        head = bytes([0x40 | (ACK if kind == CON else NON) << 4 | len(token),
                      CONTENT]) + data[2:4] + token
        self.origin.sendto(head + option(MAX_AGE, uint(self.age)) + b"\xff"
                           + PAYLOAD, source)

    @staticmethod
    def take(client):
        """The answer to a request, which may come separately."""
        while not (data := client.recv(2048))[1]:
            pass
        if data[1] != CONTENT or not data.endswith(PAYLOAD):
            raise Failure(f"a wrong answer: {data.hex()}")
        if data[0] >> 4 & 3 == CON:
            client.send(b"\x60\0" + data[2:4])

    def exchanges(self, n, kind):
        """N requests of the clients, answered."""
        for _ in range(0, n, CLIENTS * AT_ONCE):
            for client in self.clients * AT_ONCE:
                self.ask(client, kind)
            for _ in self.clients * AT_ONCE:
                self.serve()
            for client in self.clients * AT_ONCE:
                self.take(client)

    def strangers(self, first, n):
        """N endpoints from number FIRST on, each with one request."""
        for start in range(first, first + n, 64):
            new = [self.client(f"127.{2 + (i >> 16)}.{i >> 8 & 255}."
                               f"{i & 255 or 1}")
                   for i in range(start, start + 64)]
            for client in new:
                self.ask(client, NON)
            for _ in new:
                self.serve()
            for client in new:
                self.take(client)
                client.close()

    def outstanding(self, n):
        """N requests that the origin has and does not answer."""
        for _ in range(0, n, CLIENTS * AT_ONCE):
            for client in self.clients * AT_ONCE:
                self.ask(client, CON)
            for _ in self.clients * AT_ONCE:
                self.serve(answer=False)


def grown(bench, n, work, warm=WARM, records=1 << 19, cache="0", age=0):
    """Octets for each of N things; WORK(stand, so many) makes them."""
    stand = Stand(bench, records, cache, age)
    work(stand, warm)
    before = stand.rss()
    work(stand, n)
    octets = (stand.rss() - before) / n
    stand.stop()
    return octets


def strangers(stand, n):
    stand.strangers(stand.sent, n)


def cached(bench, n):
    """Octets of a cache entry: the records of duplicates are few, and all
    there before it counts."""
    return grown(bench, n, lambda stand, n: stand.exchanges(n, NON),
                 warm=3 * WARM, records=WARM, cache="1G", age=3600)


def observer(bench, n):
    side = fanout.FanOut(bench, "proxy", n, -(-n // 32))
    side.tell("register")
    octets = side.tell(f"quiet {fanout.QUIET}", fanout.QUIET)["octets_each"]
    side.stop()
    return octets


def run_memory(bench):
    """All of them, each once: they are the same each time."""
    n = 100096          # whole batches
    record = grown(bench, n, lambda s, n: s.exchanges(n, NON))
    kept = grown(bench, n, lambda s, n: s.exchanges(n, CON))
    waiting = grown(bench, 20480, lambda s, n: s.outstanding(n))
    figures = {
        "record": ("duplicate record", n, record, 96),
        "answer": ("answer of 64 octets kept for duplicates", n,
                   kept - record, None),
        "endpoint": ("client endpoint seen", n,
                     grown(bench, n, strangers) - record, 300),
        "observer": ("idle observer, 32 of an endpoint", 100000,
                     observer(bench, 100000), 400),
        "exchange": ("request waiting for an origin", 20480,
                     waiting - record, None),
        "entry": ("cache entry, 64 octets and path of 20", n,
                  cached(bench, n), 64 + 20 + 200),
    }
    print(f"\nmemory\n{'of each':44}   number   octets  at most")
    for what, number, octets, most in figures.values():
        print(f"{what:44} {number:8} {octets:8.0f}  {most or '':>7}",
              flush=True)
    return dict(scenario="memory", clients=n, figures={
        key: dict(zip(("what", "number", "octets", "at_most"), value))
        for key, value in figures.items()})


def against_bar(case):
    for key, one in case["figures"].items():
        if one["at_most"]:
            yield (f"memory     {key:8}  {'octets':9} {one['octets']:7.0f}  "
                   f"at most {one['at_most']:<5} "
                   + ("met" if one["octets"] <= one["at_most"]
                      else "MISSED"))
