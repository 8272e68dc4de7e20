"""What a request costs, compared with bench/baseline.json: user-space
instructions, system calls and allocations, which do not depend on the machine.
bench/counting.py says how they are counted.

Who makes a request dearer by more than 5 % says so by changing the baseline
("make baseline") in the same commit.
"""

import os
import sys

import tap
from programs import COAPROXY, TOP
from tap import equal, test

sys.path.insert(0, str(TOP / 'bench'))
import counting     # noqa: E402

BUILD = os.environ.get('top_builddir', str(TOP / 'build'))
LOCKSTEP = os.path.join(BUILD, 'bench/lockstep')
BASELINE = counting.read(TOP / 'bench/baseline.json')

# The first test does the work of all.
tap.LIMIT = 600
counted = {}


def counts():
    if not counted:
        counted.update(counting.count(COAPROXY, LOCKSTEP, counting.SCENARIOS))
    return counted


def again(name, one, old):
    """What is too much is counted a second time, and the less of both holds:
    periodic work falls into a run that a busy machine draws out."""
    if not counting.worse(old, one):
        return one
    other = counting.count(COAPROXY, LOCKSTEP, [name])[name]
    return {what: min(one[what], other[what]) for what in counting.WHAT}


def compare(name):
    @test(f'{name}: a request costs at most 5 % more than the baseline says')
    def _():
        one, old = counts()[name], BASELINE['per_request'][name]
        for what in counting.WHAT:
            print(f'# {name}: {one[what]:.3f} {what}, '
                  f'the baseline has {old[what]}')
        equal(counting.worse(old, again(name, one, old)), [], 'dearer')


@test('six per cent more are found, four are not')
def _():
    old = {'instructions': 10000, 'syscalls': 0.5, 'allocations': 0}
    for what in 'instructions', 'syscalls':
        equal(len(counting.worse(old, {**old, what: 1.06 * old[what]})), 1,
              what)
        equal(counting.worse(old, {**old, what: 1.04 * old[what]}), [], what)
    equal(len(counting.worse(old, {**old, 'allocations': 0.01})), 1,
          'one allocation in a hundred requests')


@test('the baseline has the functions that bench/micro calls')
def _():
    found = counting.count_micro(os.path.join(BUILD, 'bench/micro'))
    for name, n in found.items():
        print(f'# {name}: {n:.0f} instructions, '
              f'the baseline has {BASELINE["functions"].get(name)}')
    equal(list(found), list(BASELINE['functions']), 'functions')


for scenario in counting.SCENARIOS:
    compare(scenario)

tap.run(counting.incomparable(BUILD, COAPROXY, BASELINE))
