"""Thousands of observers of one resource.

bench/observers plays them and the origin; first that it notices what is wrong.
"""

import os
import pathlib
import re

import tap
from coap import ACK, CON, EMPTY, GET, OBSERVE, RST, Client, Message, Origin
from programs import TOP, Program, Proxy
from tap import equal, test

BENCH = pathlib.Path(os.environ.get('top_builddir', TOP / 'build')) / 'bench'
OBSERVERS = 2000
SLOW = 100      # seconds for a command on a busy machine

tap.LIMIT = 4 * SLOW


class Observers(Program):
    """bench/observers; it prints the port of its origin."""

    def __init__(self, *args, number=OBSERVERS, patience=SLOW):
        super().__init__([BENCH / 'observers', '-n', number, '-W', patience,
                          *args], stdin=-1)
        self.lines = 0
        try:
            self.port = int(self.wait_for(r'^ready: (\d+)$')[1])
        except BaseException:
            self.close()
            raise

    def aim(self, port):
        self.tell(f'aim 127.0.0.1:{port}')

    def tell(self, command):
        """Has it carry out a command; what it prints about that."""
        self.ask(command)
        return self.told()

    def ask(self, command):
        self.process.stdin.write(command + '\n')
        self.process.stdin.flush()

    def told(self):
        self.lines += 1
        line = self.wait_for(rf'\A(?:.*\n){{{self.lines}}}(.*)\n',
                             2 * SLOW)[1]
        print('#', line)
        return {key: int(value) for key, value in
                re.findall(r'(\w+)=(\d+)(?![\d.])', line)}

    def end(self):
        """The exit status."""
        self.process.stdin.close()
        return self.wait_end()


def some(figures, *keys):
    return {key: figures[key] for key in keys}


@test('observers registered at their origin itself get every state')
def _():
    with Observers(number=100) as crowd:
        crowd.aim(crowd.port)
        told = crowd.tell('register')
        equal(some(told, 'registered', 'refused', 'origin_registrations'),
              {'registered': 100, 'refused': 0, 'origin_registrations': 100})
        told = crowd.tell('change 3')
        equal(some(told, 'delivered', 'least', 'current', 'con', 'non'),
              {'delivered': 300, 'least': 3, 'current': 100, 'con': 300,
               'non': 0})
        told = crowd.tell('run 50 0.2')
        equal(some(told, 'changes', 'current'),
              {'changes': 10, 'current': 100})
        equal(crowd.end(), 0)


def content(state):
    """What bench/observers expects in this state."""
    return (f'{state:08x}' + ''.join(
        chr(ord('a') + (state + i) % 26) for i in range(8, 64))).encode()


class Scripted(Observers):
    """Two observers whose origin is the test itself."""

    def __init__(self, patience=SLOW):
        self.origin = Origin()
        super().__init__('-S', '2', number=2, patience=patience)
        self.aim(self.origin.port)
        self.ask('register')
        self.requests = []

    def answer(self, payload, options):
        """One registration."""
        request = self.origin.receive()
        equal(request.value(OBSERVE), b'')
        equal(request.path, '/observed')
        self.requests.append(request)
        self.origin.reply(request, payload=payload, options=options)

    def register(self):
        """Both."""
        for _ in range(2):
            self.answer(content(0), [(OBSERVE, 5)])
        self.pong()
        equal(self.told()['registered'], 2)

    def change(self):
        """Begins a change, which is made when we return."""
        with Client(('127.0.0.1', self.port)) as witness:
            witness.request(GET, 'observed', [(OBSERVE, b'')])
            self.ask('change')
            told = witness.receive()
            equal((told.type, told.payload), (CON, content(1)))
            witness.send(Message(EMPTY, type=ACK, mid=told.mid, token=b''))

    def pong(self):
        """It asks whether we have read all."""
        ping = self.origin.receive()
        equal((ping.type, ping.code), (CON, '0.00'))
        self.origin.reset(ping)

    def notify(self, which, state, value, mid, code='2.05'):
        """A notification, and the type of what comes back."""
        options = [] if value is None else [(OBSERVE, value)]
        self.origin.reply(self.requests[which], type=CON, mid=mid, code=code,
                          payload=content(state), options=options)
        return self.origin.receive().type

    def close(self):
        super().close()
        self.origin.close()


@test('the crowd tells who is not registered')
def _():
    with Scripted() as crowd:
        crowd.answer(content(0), [])
        crowd.answer(content(0)[:-1], [(OBSERVE, 5)])
        crowd.pong()
        equal(some(crowd.told(), 'registered', 'refused', 'failed'),
              {'registered': 0, 'refused': 1, 'failed': 1})
        equal(crowd.end(), 1)


@test('the crowd tells what is wrong with notifications')
def _():
    with Scripted() as crowd:
        crowd.register()
        crowd.change()
        equal(crowd.notify(0, 1, 6, 100), ACK)
        equal(crowd.notify(0, 1, 6, 100), ACK, 'a copy')
        equal(crowd.notify(0, 1, 7, 101), ACK, 'the same state')
        equal(crowd.notify(0, 0, 8, 102), ACK, 'an older one')
        equal(crowd.notify(0, 1, 7, 103), ACK, 'Observe is not newer')
        equal(crowd.notify(0, 9, 9, 104), ACK, 'a state of the future')
        equal(crowd.notify(1, 1, None, 105, '5.03'), ACK, 'the end')
        ping = crowd.origin.receive()
        equal(crowd.notify(1, 1, 7, 106), RST, 'after the end')
        crowd.origin.reset(ping)
        wrong = {'registered': 1, 'current': 1, 'delivered': 1, 'con': 5,
                 'non': 0, 'same': 1, 'copies': 1, 'wrong': 2, 'reordered': 1,
                 'ended': 1, 'stray': 1}
        equal(some(crowd.told(), *wrong), wrong)
        equal(crowd.end(), 1)


@test('the crowd tells that the last state has not come')
def _():
    with Scripted(patience=3) as crowd:
        crowd.register()
        crowd.change()
        equal(crowd.notify(0, 1, 6, 100), ACK)
        # It does not wait for the other one any longer.
        crowd.pong()
        equal(some(crowd.told(), 'registered', 'current'),
              {'registered': 2, 'current': 1})
        equal(crowd.end(), 1)


def through_proxy(crowd, limits=''):
    return Proxy(f'''
        [cache]
        size = 64M
        [observe]
        {limits}
        [route]
        to = coap://127.0.0.1:{crowd.port}''')


GOOD = {key: 0 for key in ('failed', 'wrong', 'reordered', 'ended', 'stray',
                           'refusals')}


@test('OBS-04 OBS-40: 2000 observers, one registration, all the last state')
def _():
    with Observers() as crowd, through_proxy(crowd) as proxy:
        crowd.aim(proxy.port)
        told = crowd.tell('register')
        equal(some(told, 'registered', 'refused', 'origin_registrations'),
              {'registered': OBSERVERS, 'refused': 0,
               'origin_registrations': 1})
        told = crowd.tell('change 3')
        equal(some(told, 'delivered', 'least', 'current'),
              {'delivered': 3 * OBSERVERS, 'least': 3, 'current': OBSERVERS})
        equal(some(told, *GOOD), GOOD, 'what must not be')
        # Faster than all can be told: intermediate states may be left out.
        told = crowd.tell('run 200 0.5')
        equal(some(told, 'changes', 'current', 'origin_registrations'),
              {'changes': 100, 'current': OBSERVERS,
               'origin_registrations': 1})
        equal(some(told, *GOOD), GOOD, 'what must not be')
        equal(crowd.end(), 0)


@test('OBS-08 OBS-32: who finds no room is answered plainly')
def _():
    with Observers() as crowd, \
            through_proxy(crowd, 'max-observers = 500') as proxy:
        crowd.aim(proxy.port)
        told = crowd.tell('register')
        equal(some(told, 'registered', 'refused', 'failed'),
              {'registered': 500, 'refused': OBSERVERS - 500, 'failed': 0})
        told = crowd.tell('change')
        equal(some(told, 'delivered', 'current'),
              {'delivered': 500, 'current': 500})
        equal(some(told, *GOOD), GOOD, 'what must not be')
        equal(crowd.end(), 0)


tap.run()
