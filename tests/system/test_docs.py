"""The tutorial, the cookbook and README: each configuration in them is one, and
what the tutorial says is what happens."""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time

from programs import COAPROXY, Program, coaproxy
from tap import Skip, equal, run, test

TOP = pathlib.Path(os.environ.get('top_srcdir',
                                  pathlib.Path(__file__).parents[2]))
WAIT = 20.0
FENCE = re.compile(r'^```([^\n]*)\n(.*?)^```$', re.M | re.S)
MOMENT = r'[A-Z][a-z]{2} \d\d \d\d:\d\d:\d\d'


def blocks(name):
    """(words behind the fence, text, line) of each fenced block."""
    text = (TOP / name).read_text()
    return [(found[1].split(), found[2], text[:found.start()].count('\n') + 1)
            for found in FENCE.finditer(text)]


def check(text, may_be_later=False):
    status, out, err = coaproxy('-t', '-c', '-', text=text)
    if may_be_later and 'by this build' in err:
        return
    equal((status, err), (0, ''), 'coaproxy -t')
    equal(bool(re.fullmatch(r'-: OK \(.*\)\n', out)), True, out)


def register(name):
    for words, text, line in blocks(name):
        if words[:1] == ['ini']:
            test(f'{name}:{line}: {"/".join(words)} is a configuration')(
                lambda text=text, words=words: check(text, 'later' in words))


register('docs/tutorial.md')
register('docs/cookbook.md')


@test('README: the configuration is one')
def _():
    found = re.search(r'^\t# coaproxy\.conf\n((?:\t.*\n|\n)+)',
                      (TOP / 'README').read_text(), re.M)
    check(re.sub(r'^\t', '', found[1], flags=re.M))


@test('the cookbook names its pages')
def _():
    text = (TOP / 'docs/cookbook.md').read_text()
    titles = re.findall(r'^## (.*)$', text, re.M)
    listed = re.findall(r'^\* \[(.*)\]\(#(.*)\)$', text, re.M)
    equal([title for title, _ in listed], titles)
    for title, anchor in listed:
        equal(anchor, re.sub(r'[^\w -]', '', title.lower()).replace(' ', '-'))


class Shell(Program):
    """A shell as a person at a terminal has it, on a network of its own."""

    def __init__(self, directory):
        bin_dir = pathlib.Path(directory) / 'bin'
        bin_dir.mkdir()
        (bin_dir / 'coaproxy').symlink_to(COAPROXY)
        super().__init__(
            ['unshare', '-n', 'bash', '-m'], stdin=subprocess.PIPE,
            cwd=directory,
            env={**os.environ, 'PATH': f'{bin_dir}:{os.environ["PATH"]}'})
        self.count = 0
        self.do('ip link set lo up')

    def sockets(self):
        return len(pathlib.Path(
            f'/proc/{self.process.pid}/net/udp').read_text().splitlines())

    def do(self, command, expected=()):
        """Types COMMAND; what is EXPECTED comes, in lines of their own."""
        start, sockets = len(self.output), self.sockets()
        self.count += 1
        mark = f'=== {self.count}'
        self.process.stdin.write(f'{command}\necho "{mark}"\n')
        self.process.stdin.flush()
        self.wait_for(f'^(?:.*){mark}$')
        deadline = time.monotonic() + WAIT
        for line in expected:
            while not re.search(line, self.output[start:], re.M):
                if time.monotonic() > deadline:
                    raise AssertionError(f'{command}: no {line!r} in\n'
                                         f'{self.output[start:]}')
                time.sleep(0.01)
        # What says nothing can be used when it is there.
        while command.endswith('&') and not expected and \
                self.sockets() == sockets:
            if time.monotonic() > deadline:
                raise AssertionError(f'{command} has no socket')
            time.sleep(0.01)

    def close(self):
        if self.process.poll() is None:
            self.process.stdin.write('kill $(jobs -p); exit\n')
            self.process.stdin.flush()
            self.wait_end()
        super().close()


def pattern(line):
    """A line of the tutorial, for search: three dots are anything, a moment
    is any."""
    parts = re.split(f'({MOMENT}|\\.\\.\\.)', line)
    return ''.join('.*' if part == '...' else
                   MOMENT if re.fullmatch(MOMENT, part) else re.escape(part)
                   for part in parts)


def steps(text):
    """(command, lines expected) of a console block."""
    found = []
    for line in text.splitlines():
        if line.startswith('$ '):
            found.append((line[2:], []))
        else:
            found[-1][1].append(pattern(line))
    return found


@test('the tutorial: what it says happens')
def _():
    for tool in ('unshare', 'ip', 'bash', 'coap-client-notls',
                 'coap-server-notls'):
        if not shutil.which(tool):
            raise Skip(f'no {tool}')
    if subprocess.run(['unshare', '-n', 'true'],
                      capture_output=True).returncode:
        raise Skip('no network namespace')
    with tempfile.TemporaryDirectory() as d, Shell(d) as shell:
        done = 0
        for words, text, _ in blocks('docs/tutorial.md'):
            if words[0] == 'ini':
                (pathlib.Path(d) / words[1]).write_text(text)
            if words[0] == 'console':
                for command, expected in steps(text):
                    shell.do(command, expected)
                    done += 1
        equal(done > 15, True, f'{done} commands')


run()
