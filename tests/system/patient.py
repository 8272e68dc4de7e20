"""Clients that ask 127.0.0.1 at a port all the time, and repeat each request
until it is answered: patient.py PORT FILE goes on until FILE exists. Status 0:
every request was answered 2.05. Also part of systemd.sh."""

import os
import select
import sys
import time

from coap import ACK, GET, Client, Message

CLIENTS = 20
AGAIN = 0.3     # seconds between repetitions: ACK_TIMEOUT would be 2
PATIENCE = 30   # seconds that one request may take


class Patient(Client):
    """One after the other."""

    def __init__(self, to):
        super().__init__(to)
        self.asked = self.repeated = 0
        self.ask()

    def ask(self):
        self.request = self.send(
            Message(GET, f'/{self.asked}', mid=self.asked & 0xffff))
        self.asked += 1
        self.began = self.sent = time.monotonic()

    def repeat(self):
        now = time.monotonic()
        if now < self.sent + AGAIN:
            return
        if now > self.began + PATIENCE:
            raise AssertionError(f'no answer to request {self.asked}, of '
                                 f'which {self.repeated} were repetitions')
        self.sent = now
        self.repeated += 1
        self.send_raw(self.request.raw)

    def hear(self, more):
        """Reads an answer, and asks again if there is to be MORE."""
        answer = self.receive()
        if answer.token != self.request.token:
            return      # to a repetition of the one before
        if answer.code != '2.05' or answer.type != ACK:
            raise AssertionError(f'{answer}')
        self.request = None
        if more:
            self.ask()


def ask_until(done, to):
    """Until DONE() has become true; (requests, repetitions)."""
    clients = [Patient(to) for _ in range(CLIENTS)]
    try:
        while waiting := [c for c in clients if c.request]:
            more = not done()
            for c in select.select([c.socket for c in waiting], [], [],
                                   0.02)[0]:
                next(w for w in waiting if w.socket is c).hear(more)
            for c in waiting:
                if c.request:
                    c.repeat()
        return sum(c.asked for c in clients), sum(c.repeated for c in clients)
    finally:
        for c in clients:
            c.socket.close()


if __name__ == '__main__':
    print('asked=%d repeated=%d' % ask_until(
        lambda: os.path.exists(sys.argv[2]), ('127.0.0.1', int(sys.argv[1]))))
