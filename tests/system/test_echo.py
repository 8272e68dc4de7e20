"""Clients whose address may be forged: the program against libcoap, which
brings an Echo back by itself, and puts blocks together."""

import tap
from coap import (ACK, GET, MAX_AGE, PUT, Client, Message, Origin)
from programs import LibcoapServer, Proxy, libcoap
from tap import equal, test

ECHO = 252


def config(origin, *settings):
    return '\n'.join(['[listen]', 'bind = coap://127.0.0.1:0', *settings,
                      '[route all]', f'to = coap://127.0.0.1:{origin.port}'])


@test('ATK-01 ATK-06 ATK-09: a challenge, and its proof from the same port')
def _():
    with Origin() as origin, \
            Proxy(config(origin, 'amplification-exempt =')) as proxy, \
            Client(proxy.address) as client, Client(proxy.address) as other:
        sent = client.send(Message(PUT, '/t', payload=b'x'))
        challenge = client.receive()
        equal((challenge.type, challenge.code, challenge.token),
              (ACK, '4.01', sent.token))
        equal(challenge.value(MAX_AGE), b'', 'Max-Age')
        value = challenge.value(ECHO)
        equal(len(value), 12, 'octets of Echo')
        other.send(Message(PUT, '/t', [(ECHO, value)], b'x'))
        equal(other.receive().code, '4.01', "another's value")
        origin.untouched()
        sent = client.send(Message(PUT, '/t', [(ECHO, value)], b'x'))
        equal(origin.answer('2.04', b'y' * 900).values(ECHO), [], 'Echo up')
        equal(len(client.await_response(sent).payload), 900, 'answer')
        # Confirmed from now on.
        sent = client.send(Message(PUT, '/t', payload=b'x'))
        origin.answer('2.04')
        equal(client.await_response(sent).code, '2.04')


@test('ATK-10: clients on loopback are exempt by default')
def _():
    with Origin() as origin, Proxy(config(origin)) as proxy, \
            Client(proxy.address) as client:
        sent = client.send(Message(GET, '/t'))
        origin.answer(payload=b'y' * 900)
        answer = client.await_response(sent)
        equal((answer.values(ECHO), len(answer.payload)), ([], 900))


@test('ATK-05: libcoap brings the Echo back by itself')
def _():
    with LibcoapServer() as origin, \
            Proxy(config(origin, 'amplification-exempt =')) as proxy:
        text = 'x' * 400
        libcoap('-m', 'put', '-e', text, f'{proxy.uri}/example_data')
        equal(libcoap(f'{origin.uri}/example_data').strip(), text, 'PUT')
        equal(libcoap(f'{proxy.uri}/example_data').strip(), text, 'GET')


@test('ATK-10: mode blocks: libcoap puts them together')
def _():
    with LibcoapServer() as origin, Proxy(config(
            origin, 'amplification = blocks', 'amplification-exempt =')) as \
            proxy:
        text = ''.join(f'{i:04}' for i in range(100))
        libcoap('-m', 'put', '-e', text, f'{origin.uri}/example_data')
        equal(libcoap(f'{proxy.uri}/example_data').strip(), text, 'GET')


tap.run()
