"""Thousands of requests a second to one origin that deduplicates strictly.

RATE_SECONDS is how long each run takes; the default just uses up the Message
IDs of one port, and less would not do. A machine that is too slow takes longer.
"""

import os
import pathlib
import re
import signal

import tap
from coap import GET, URI_QUERY, Client
from programs import TOP, Program, Proxy
from tap import contains, equal, test

BENCH = pathlib.Path(os.environ.get('top_builddir', TOP / 'build')) / 'bench'
RATE = 5000
SECONDS = int(os.environ.get('RATE_SECONDS', 14))
SLOW = 60 + 10 * SECONDS    # seconds for a run on a busy machine
MIDS = 65536                # Message IDs of one port

tap.LIMIT = SLOW + 60


def figures(line):
    return {key: int(value)
            for key, value in re.findall(r'(\w+)=(\d+)(?![\d.])', line)}


class BenchOrigin(Program):
    """bench/origin; with --strict it tells what it has seen."""

    def __init__(self, *args):
        super().__init__([BENCH / 'origin', *args])
        try:
            self.port = int(self.wait_for(r'^ready: (\d+)$')[1])
        except BaseException:
            self.close()
            raise

    def end(self):
        """The exit status, and what it says in the end."""
        self.signal(signal.SIGTERM)
        status = self.wait_end()
        return status, figures(self.output.splitlines()[-1])


def rate(port, *args):
    """Runs bench/rate; its exit status, and what it says."""
    with Program([BENCH / 'rate', *args, f'127.0.0.1:{port}']) as program:
        status = program.wait_end(SLOW)
        contains(program.output, 'sent=')
        print('#', program.output.strip())
        return status, figures(program.output)


def through_proxy(ports):
    """RATE through a proxy that may use so many PORTS: what the clients say,
    and what the origin says."""
    with BenchOrigin('--strict') as origin, Proxy(f'''
            [message]
            max-exchanges = 1000000
            max-upstream-ports = {ports}
            queue-per-origin = 1000
            [route]
            to = coap://127.0.0.1:{origin.port}''') as proxy:
        try:
            status, load = rate(proxy.port, '--rate', RATE,
                                '--seconds', SECONDS)
        finally:
            # Also when the load hangs: it may be for what the origin saw.
            strict, seen = origin.end()
            print('# origin:', seen)
        equal((strict, seen['violations']), (0, 0), 'Message IDs used twice')
        equal(status, 0, 'exit status of the load')
        equal(load['sent'], RATE * SECONDS, 'requests')
        equal({key: load[key] for key in
               ('bare', 'wrong', 'other', 'lost', 'stray')},
              {'bare': 0, 'wrong': 0, 'other': 0, 'lost': 0, 'stray': 0},
              'what must not be')
        return load, seen


@test('the strict origin takes the same Message ID for a copy, and says so')
def _():
    with BenchOrigin('--strict') as origin:
        with Client(('127.0.0.1', origin.port)) as client:
            answers = [
                client.request(GET, options=[(URI_QUERY, query)], mid=mid,
                               token=b'a').payload
                for mid, query in ((7, 'one'), (7, 'one'), (7, 'two'),
                                   (8, 'two'))]
        equal(answers, [b'one', b'one', b'one', b'two'])
        status, seen = origin.end()
        equal(status, 1)
        equal(seen, {'requests': 2, 'copies': 1, 'violations': 1, 'ports': 1})


@test('the load tells an answer to something else')
def _():
    with BenchOrigin('-s', '16') as origin:
        status, load = rate(origin.port, '--rate', 1000, '--seconds', 1)
        equal(status, 1)
        equal((load['right'], load['wrong']), (0, 1000))


@test('MSG-59: 5000/s to one strict origin: every answer, and the right one')
def _():
    load, seen = through_proxy(64)
    equal(load['right'], load['sent'], 'right answers')
    equal(seen['requests'], load['sent'], 'requests at the origin')
    equal(seen['ports'] >= -(-load['sent'] // MIDS), True, 'ports')


@test('MSG-59 PRX-45: with one port the surplus gets 5.03 with Max-Age')
def _():
    load, seen = through_proxy(1)
    equal(load['right'] + load['refused'], load['sent'], 'answers')
    equal(seen['requests'], load['right'], 'requests at the origin')
    equal(seen['ports'], 1, 'ports')
    # Message IDs are leased by the group; one group may be short.
    equal(60000 <= load['right'] <= MIDS, True, 'the port is used up')


tap.run()
