"""R17: datagrams that are no CoAP, or answer nothing, by the ten thousand a
second, while clients ask. bench/flood.c makes them."""

import os
import pathlib
import re
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'system'))

import tap                                              # noqa: E402
from admin import Watched                               # noqa: E402
from load import Load                                   # noqa: E402
from origin import FaultOrigin                          # noqa: E402
from programs import COAPROXY, TOP, Program             # noqa: E402
from tap import equal, test                             # noqa: E402

FULL = os.environ.get('FAULTS') == 'full'
BENCH = pathlib.Path(os.environ.get('top_builddir', TOP / 'build')) / 'bench'
SECONDS = 10 if FULL else 2
RATE = 100000 if FULL else 20000    # datagrams a second
PER_CORE = 200000                   # what a core must be able to drop
P99 = 0.05                          # seconds within which clients are served
BUSY = 1 if FULL else 4             # other tests run beside the short form

tap.LIMIT = 60 + 20 * SECONDS


def sanitized():
    with Program([COAPROXY, '-V']) as program:
        program.wait_end()
        return 'sanitizers no' not in program.output


def cpu(pid):
    """Seconds of processor time so far."""
    return time.clock_gettime(~pid << 3 | 2)


def flood(port, seed):
    """How many datagrams were sent, in how many seconds."""
    with Program([BENCH / 'flood', '--rate', RATE, '--seconds', SECONDS,
                  '--seed', seed, f'127.0.0.1:{port}']) as program:
        equal(program.wait_end(20 * SECONDS), 0, 'status')
        sent, seconds = re.search(r'sent=(\d+) seconds=([\d.]+)',
                                  program.output).groups()
        return int(sent), float(seconds)


@test('R17: what is no CoAP is dropped by the ten thousand, clients are served')
def _():
    with FaultOrigin() as origin, Watched(f'''
            [route]
            to = coap://127.0.0.1:{origin.port}''') as proxy, \
            Load(proxy.address, clients=4, stream=20) as load:
        pid = proxy.process.pid
        began, used = load.now(), cpu(pid)
        time.sleep(SECONDS)
        idle = (cpu(pid) - used) / (load.now() - began)
        began, used = load.now(), cpu(pid)
        sent, seconds = flood(proxy.port, 1)
        until = load.now()
        each = (cpu(pid) - used - idle * (until - began)) / sent
        done = load.stop()
        meanwhile = done.between(began, until)
        metrics = proxy.metrics()
        dropped = metrics.sum('coaproxy_listener_dropped_total')
        overflows = metrics.sum(
            'coaproxy_listener_receive_queue_overflows_total')
        print(f'# {sent} in {seconds:.1f} s, {each * 1e6:.2f} us each; '
              f'{dropped:.0f} dropped, {overflows:.0f} by the kernel; '
              f'meanwhile {meanwhile}')
        equal((done.wrong, done.lost, dict(done.codes)), (0, 0, {}), done)
        equal(len(meanwhile.answers) >= 10 * SECONDS, True, meanwhile)
        equal(meanwhile.latency(99) < BUSY * P99, True, meanwhile)
        # Each is in a counter.
        equal(dropped + overflows >= sent, True, (sent, dropped, overflows))
        if not sanitized():
            equal(each < 1 / PER_CORE, True, f'{each * 1e6} us')


tap.run()
