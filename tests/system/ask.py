"""Asks 127.0.0.1 at a port: ask.py PORT CODE PAYLOAD. Part of systemd.sh."""

import sys
import time

from coap import GET, WAIT, Client, Message, Silence

port, code, payload = sys.argv[1:]
with Client(('127.0.0.1', int(port))) as client:
    deadline = time.monotonic() + 2 * WAIT
    request = Message(GET)
    while True:
        # The port may not be there yet.
        try:
            client.send(request)
            answer = client.receive(0.5)
            break
        except (Silence, ConnectionRefusedError):
            if time.monotonic() > deadline:
                raise
print(answer)
sys.exit((answer.code, answer.payload) != (code, payload.encode()))
