"""Results in the Test Anything Protocol, for the system tests.

    @test('what must hold')
    def _():
        ...

Each test is one function; it fails by any exception. run() prints the results
of all, or of those whose names contain an argument of the command line.
"""

import os
import pathlib
import signal
import sys
import traceback

LIMIT = 40      # seconds for one test
NOTE = 40       # lines about one failure
_FILE = os.path.abspath(__file__)
_TESTS = str(pathlib.Path(_FILE).parents[1])
_tests = []


class Skip(Exception):
    """The test cannot be made here, and why."""


def test(name):
    """Registers the decorated function as the test NAME."""
    def register(function):
        _tests.append((name, function))
        return function
    return register


def equal(got, expected, what='value'):
    if got != expected:
        raise AssertionError(f'{what}: got {got!r}, expected {expected!r}')


def contains(text, part):
    if part not in text:
        raise AssertionError(f'{part!r} is not in:\n{text}')


def _too_long(*_):
    raise TimeoutError(f'not done in {LIMIT} s')


def _note(error):
    """The error, and the lines of the tests that led to it."""
    frames = [(os.path.abspath(f.filename), f)
              for f in traceback.extract_tb(error.__traceback__)]
    where = [f'{os.path.basename(name)}:{f.lineno}: {f.line}'
             for name, f in frames if name.startswith(_TESTS) and name != _FILE]
    return '\n'.join([*where, f'{type(error).__name__}: {error}'])


def _result(function):
    """(ok, note, directive) of one test."""
    signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(LIMIT)
    try:
        function()
    except Skip as why:
        return True, '', f' # SKIP {why}'
    except Exception as error:
        return False, _note(error), ''
    finally:
        signal.alarm(0)
    return True, '', ''


def run(skip=None):
    """Prints all results and ends the program. SKIP: why there are none."""
    if skip:
        print(f'1..0 # SKIP {skip}')
        sys.exit(0)
    chosen = [t for t in _tests
              if not sys.argv[1:] or any(a in t[0] for a in sys.argv[1:])]
    print(f'1..{len(chosen)}', flush=True)
    failed = 0
    for number, (name, function) in enumerate(chosen, 1):
        ok, note, directive = _result(function)
        failed += not ok
        print(f'{"ok" if ok else "not ok"} {number} - {name}{directive}')
        for line in note.splitlines()[:NOTE]:
            print(f'# {line}')
        sys.stdout.flush()
    sys.exit(failed > 0)
